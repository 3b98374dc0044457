// Clients of both generations in one room: a page with the client of ASP.NET Core SignalR, and one for each transport
// of the client of SignalR 2.x.

import assert from "node:assert/strict";
import { Proxy } from "../support/proxy.js";
import { assertFits, assertInView } from "./layout.js";
import { box, connected, join, message, notice, say, state } from "./room.js";

const ROOM = "both generations";
const PEOPLE = [
  { name: "Wes", transport: "webSockets" },
  { name: "Eve", transport: "serverSentEvents" },
  { name: "Fay", transport: "foreverFrame" },
  { name: "Lou", transport: "longPolling", phone: true },
];

export async function generations(tools) {
  const { check, open, screenshot, server } = tools;
  const core = await open("/chat");
  const pages = {};
  for (const { name, transport, phone } of PEOPLE) pages[name] = await open(`/chat/classic?transport=${transport}`, { phone });
  const everyone = [core, ...Object.values(pages)];

  await check("the entrance for classic clients", async () => {
    await assertInView(pages.Lou, pages.Lou.getByRole("button", { name: "Join" }));
    await assertFits(pages.Lou);
    await screenshot(pages.Lou, "classic-entrance-phone");
    await screenshot(pages.Fay, "classic-entrance");
    assert.ok(await pages.Fay.locator("#transport-note").isVisible());
    assert.ok(await pages.Wes.locator("#transport-note").isHidden());
  });

  await check("both generations join one room, each by its transport", async () => {
    await join(core, "Cora", ROOM);
    for (const { name, transport } of PEOPLE) {
      await join(pages[name], name, ROOM);
      await inUse(pages[name], transport).waitFor();
    }
    for (const page of everyone) await page.locator("#members-count", { hasText: "(5)" }).waitFor();
    await notice(core, "Lou joined").waitFor();
    await notice(pages.Wes, "Lou joined").waitFor();
  });

  await check("what one says, both generations hear", async () => {
    await say(core, "Hello from the newer client 👋");
    for (const { name, transport } of PEOPLE) await say(pages[name], `Hello over ${transport}: Grüße </script> 👩‍👩‍👧‍👦`);
    for (const page of everyone) {
      await message(page, "Hello from the newer client 👋").waitFor();
      for (const { transport } of PEOPLE) await message(page, `over ${transport}: Grüße </script> 👩‍👩‍👧‍👦`).waitFor();
      assert.equal(await page.locator(".message").count(), 5);
      assert.equal(await page.locator(".message.own").count(), 1);
    }
  });

  await check("typing crosses the generations", async () => {
    await box(pages.Eve).pressSequentially("I am", { delay: 30 });
    await core.getByText("Eve is typing…").waitFor();
    await box(pages.Eve).fill("");
    await box(core).pressSequentially("Me too", { delay: 30 });
    await pages.Lou.getByText("Cora is typing…").waitFor();
    await box(core).fill("");
  });

  await check("the room of both generations looks well", async () => {
    await assertFits(pages.Lou);
    await assertInView(pages.Lou, box(pages.Lou));
    await screenshot(core, "generations-core");
    await screenshot(pages.Fay, "generations-forever-frame");
    await screenshot(pages.Lou, "generations-phone");
    await pages.Lou.emulateMedia({ colorScheme: "dark" });
    await screenshot(pages.Lou, "generations-phone-dark");
    await pages.Wes.emulateMedia({ colorScheme: "dark" });
    await screenshot(pages.Wes, "generations-dark");
  });

  await check("a name that is taken is refused in the words of the hub", async () => {
    const other = await open("/chat/classic");
    await join(other, "cora", ROOM, { wait: false });
    await other.getByRole("alert").waitFor();
    assert.equal((await other.getByRole("alert").textContent()).trim().split("\n")[0], "cora is taken in this room.");
    other.watch.assertQuiet();
    await other.context().close();
  });

  await check("another transport is picked in the room", async () => {
    await pages.Wes.getByRole("combobox", { name: "Transport" }).selectOption("longPolling");
    await inUse(pages.Wes, "longPolling").waitFor();
    await connected(pages.Wes);
    await message(pages.Wes, "Hello from the newer client 👋").waitFor();
    await pages.Wes.getByRole("combobox", { name: "Transport" }).selectOption("automatic");
    await inUse(pages.Wes, "webSockets").waitFor();
    await connected(pages.Wes);
    await core.locator("#members-count", { hasText: "(5)" }).waitFor();
  });

  await check("a client that has given up starts anew", async () => {
    // As after half a minute without the server.
    await pages.Eve.evaluate("void $.connection.hub.stop()");
    await connected(pages.Eve);
    await say(core, "Eve, are you back?");
    await message(pages.Eve, "Eve, are you back?").waitFor();
  });

  await cutAndBack({ check, open, server, core });

  await check("leaving tells both generations", async () => {
    await pages.Fay.getByRole("button", { name: "Leave" }).click();
    await pages.Fay.getByRole("button", { name: "Join" }).waitFor();
    for (const page of [core, pages.Lou]) await notice(page, "Fay left").waitFor();
    await inUse(pages.Fay, "none").waitFor();
  });

  await check("nobody's console in the room of both generations saw an error", () => {
    for (const page of everyone) page.watch.assertQuiet();
  });
  for (const page of everyone) await page.context().close();
}

/** The network fails: nobody has left the room, and what was said meanwhile comes once. */
async function cutAndBack({ check, open, server, core }) {
  await check("a classic client in the room whose network fails comes back", async () => {
    const proxy = await Proxy.to(server.port);
    const page = await open(`${proxy.url}/chat/classic?transport=serverSentEvents`);
    try {
      await join(page, "Cut", ROOM);
      await notice(core, "Cut joined").waitFor();
      page.watch.outage(true);
      // The client waits for two seconds before it says so, and is back at once where it is let in.
      proxy.refuse();
      await say(core, "While Cut was away");
      await state(page, "Reconnecting").waitFor();
      proxy.admit();
      await connected(page);
      await message(page, "While Cut was away").waitFor();
      page.watch.outage(false);
      await say(page, "Here again");
      await message(core, "Here again").waitFor();
      assert.equal(await message(page, "While Cut was away").count(), 1);
      assert.equal(await notice(core, "Cut left").count(), 0);
      assert.equal(await notice(core, "Cut joined").count(), 1);
      page.watch.assertQuiet();
    } finally {
      await page.context().close();
      await proxy.close();
    }
  });
}

const inUse = (page, transport) => page.locator("#current-transport", { hasText: new RegExp(`^${transport}$`) });
