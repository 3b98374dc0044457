// The chat among three people: two at desks, one on a phone.

import assert from "node:assert/strict";
import { assertFits, assertInView } from "./layout.js";
import { box, connected, join, message, notice, say, state } from "./room.js";

const ROOM = "tea room";
const MARKUP = '<img src=x onerror="document.title=1"><script>document.title=2</script>';

export async function chat(tools) {
  const { check, open, screenshot } = tools;
  const ann = await open("/chat");
  const bo = await open("/chat");
  const cy = await open("/chat", { phone: true });
  const everyone = [ann, bo, cy];

  await check("the entrance on a phone", async () => {
    await assertFits(cy);
    await assertInView(cy, cy.getByRole("button", { name: "Join" }));
    await screenshot(cy, "chat-entrance-phone");
  });

  // A form that is sent before its script listens is sent by the browser: the page begins anew, and nobody has joined.
  await check("nobody can join before the page listens", async () => {
    const page = await open("/");
    for (const [path, wire] of [["/chat", "**/core-wire.js"], ["/chat/classic", "**/classic/wire.js"]]) {
      let arrive;
      const late = new Promise((resolve) => (arrive = resolve));
      await page.route(wire, (route) => late.then(() => route.continue()));
      await page.goto(path);
      assert.ok(await page.getByRole("button", { name: "Join" }).isDisabled());
      arrive();
      await page.getByLabel("Your name").fill("Early");
      assert.ok(await page.getByRole("button", { name: "Join" }).isEnabled());
      assert.ok(await page.getByLabel("Your name").evaluate((input) => input === document.activeElement));
    }
    page.watch.assertQuiet();
    await page.context().close();
  });

  await check("Ann, Bo and Cy join and see each other", async () => {
    await join(ann, "Ann", ROOM);
    await join(bo, "Bo", ROOM);
    await join(cy, "Cy", ROOM);
    for (const page of everyone) await page.locator("#members-count", { hasText: "(3)" }).waitFor();
    await notice(ann, "Bo joined").waitFor();
    assert.equal(await ann.locator("#members .self").textContent(), "Ann (you)");
  });

  await check("a name that is taken is refused in the page", async () => {
    const other = await open("/chat");
    await join(other, "Ann", ROOM, { wait: false });
    await other.getByRole("alert").waitFor();
    assert.ok(await other.getByRole("button", { name: "Join" }).isEnabled());
    assert.doesNotMatch(await other.getByRole("alert").textContent(), /Exception|invoking/);
    await screenshot(other, "chat-name-taken");
    other.watch.assertQuiet();
    await other.context().close();
  });

  await check("messages go both ways, and one's own look different", async () => {
    await say(ann, "Hello, Bo and Cy! 👋");
    await say(bo, "Good morning");
    await message(bo, "Hello, Bo and Cy! 👋").waitFor();
    await message(ann, "Good morning").waitFor();
    await message(cy, "Good morning").waitFor();
    assert.equal(await ann.locator(".message.own").count(), 1);
    assert.equal(await bo.locator(".message.own").count(), 1);
    assert.equal(await cy.locator(".message.own").count(), 0);
    assert.match(await message(bo, "Hello").locator("time").getAttribute("datetime"), /^\d{4}-/);
    assert.equal(await message(bo, "Hello").locator(".from").textContent(), "Ann");
  });

  await check("typing is shown to the others and goes away again", async () => {
    await box(bo).pressSequentially("I am", { delay: 30 });
    await ann.getByText("Bo is typing…").waitFor();
    await screenshot(ann, "chat-typing");
    await ann.getByText("Bo is typing…").waitFor({ state: "detached" });
    assert.equal(await bo.locator("#typing").textContent(), "");
    await box(bo).fill("");
  });

  await check("Shift+Enter makes a new line, an empty message is not sent", async () => {
    await box(ann).fill("first");
    await box(ann).press("Shift+Enter");
    await box(ann).pressSequentially("second");
    await box(ann).press("Enter");
    await message(bo, /first\s+second/).waitFor();
    const before = await bo.locator(".message").count();
    await box(ann).fill("   ");
    await box(ann).press("Enter");
    await say(ann, "after the empty one");
    await message(bo, "after the empty one").waitFor();
    assert.equal(await bo.locator(".message").count(), before + 1);
  });

  await check("markup is shown as it was written", async () => {
    await say(ann, MARKUP);
    await message(bo, MARKUP).waitFor();
    assert.equal(await bo.locator("#messages img, #messages script").count(), 0);
    assert.match(await bo.title(), /tea room/);
  });

  await check("who comes later finds the history", async () => {
    const dee = await open("/chat?room=tea%20room");
    await dee.getByRole("button", { name: "Join", disabled: false }).waitFor();
    assert.equal(await dee.getByLabel("Room").inputValue(), ROOM);
    await join(dee, "Dee", ROOM);
    await message(dee, "Good morning").waitFor();
    await dee.context().close();
    await notice(ann, "Dee left").waitFor();
  });

  await check("a reload goes back into the room", async () => {
    await bo.reload();
    await connected(bo);
    await message(bo, "Good morning").waitFor();
    await bo.locator("#members-count", { hasText: "(3)" }).waitFor();
  });

  await check("the conversation on a phone", async () => {
    await say(cy, "A longer message from the phone, with averyverylongwordwithoutanyspaces".padEnd(180, "x"));
    await assertFits(cy);
    await assertInView(cy, box(cy));
    await assertInView(cy, cy.locator(".message").last());
    await screenshot(cy, "chat-phone");
    await screenshot(ann, "chat-desktop");
    await cy.emulateMedia({ colorScheme: "dark" });
    await screenshot(cy, "chat-phone-dark");
  });

  await restart(tools, ann, bo, cy);
  await leave(tools, ann, bo);

  await check("nobody's console saw an error", () => {
    for (const page of everyone) page.watch.assertQuiet();
  });
  for (const page of everyone) await page.context().close();
}

async function restart({ check, server, screenshot }, ann, bo, cy) {
  const everyone = [ann, bo, cy];
  await check("the server goes away: Reconnecting, and nothing can be sent", async () => {
    for (const page of everyone) page.watch.outage(true);
    await server.stop();
    for (const page of everyone) await state(page, "Reconnecting").waitFor();
    assert.ok(await box(ann).isDisabled());
    await screenshot(ann, "chat-reconnecting");
  });

  await check("the server comes back: Connected, in the room, and messages flow", async () => {
    await server.startAgain();
    for (const page of everyone) await connected(page);
    for (const page of everyone) page.watch.outage(false);
    await ann.locator("#members-count", { hasText: "(3)" }).waitFor();
    await message(ann, "Good morning").waitFor();
    await say(ann, "Still here?");
    await message(bo, "Still here?").waitFor();
    await say(cy, "Yes");
    await message(ann, /^Yes$/).waitFor();
  });

  await check("a crash is survived as well", async () => {
    for (const page of everyone) page.watch.outage(true);
    await server.kill();
    await state(bo, "Reconnecting").waitFor();
    await server.startAgain();
    for (const page of everyone) await connected(page);
    for (const page of everyone) page.watch.outage(false);
    await say(bo, "Back again");
    await message(cy, "Back again").waitFor();
  });
}

async function leave({ check }, ann, bo) {
  await check("leaving tells the others and leads back to the entrance", async () => {
    await bo.getByRole("button", { name: "Leave" }).click();
    await bo.getByRole("button", { name: "Join" }).waitFor();
    await notice(ann, "Bo left").last().waitFor();
    await ann.locator("#members-count", { hasText: "(2)" }).waitFor();
    await bo.reload();
    await bo.getByRole("button", { name: "Join" }).waitFor();
  });
}
