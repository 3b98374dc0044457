// The index and the echo console.

import assert from "node:assert/strict";
import { assertFits } from "./layout.js";

const DEMOS = [
  [/^Chat Rooms/, "Join"],
  [/^Chat, the classic way/, "Join"],
  [/^Raw connection/, "Connect"],
  [/^Echo console/, "Connect"],
];

export async function pages({ check, open, screenshot }) {
  await check("the index shows the demos and leads to them", async () => {
    const page = await open("/");
    assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "tickhub");
    await screenshot(page, "index");
    for (const [demo, button] of DEMOS) {
      await page.getByRole("link", { name: demo }).click();
      await page.getByRole("button", { name: button, exact: true }).waitFor();
      await page.goBack();
    }
    page.watch.assertQuiet();
    await page.context().close();
  });

  await check("the index measures round trips", async () => {
    const page = await open("/");
    await page.getByRole("button", { name: "Measure" }).click();
    await page.locator("#figures").waitFor();
    assert.match(await page.locator("#median").textContent(), /^\d+\.\d ms$/);
    page.watch.assertQuiet();
    await page.context().close();
  });

  await check("the index fits a phone, in the dark", async () => {
    const page = await open("/", { phone: true, dark: true });
    await assertFits(page);
    await screenshot(page, "index-phone-dark");
    page.watch.assertQuiet();
    await page.context().close();
  });

  await check("the echo console shows what comes back", async () => {
    const page = await open("/sockets");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByText("Connected", { exact: true }).waitFor();
    await page.getByLabel("Message").fill("Grüße <b>👋</b>");
    await page.getByRole("button", { name: "Send text" }).click();
    await page.locator("tr.in", { hasText: "Grüße <b>👋</b>" }).waitFor();
    await page.getByRole("button", { name: "Send bytes" }).click();
    await page.locator("tr.in", { hasText: "47 72 c3 bc" }).waitFor();
    await screenshot(page, "sockets");
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.locator("tr.in", { hasText: "1000" }).waitFor();
    page.watch.assertQuiet();
    await page.context().close();
  });

  await check("the echo console broadcasts from window to window, also to a phone", async () => {
    const [one, other] = [await open("/sockets"), await open("/sockets", { phone: true })];
    for (const page of [one, other]) {
      await page.getByLabel("Endpoint").selectOption("/ws/broadcast");
      await page.getByRole("button", { name: "Connect", exact: true }).click();
      await page.getByText("Connected", { exact: true }).waitFor();
    }
    await one.getByLabel("Message").fill("to everyone");
    await one.getByRole("button", { name: "Send text" }).click();
    await other.locator("tr.in", { hasText: "to everyone" }).waitFor();
    await assertFits(other);
    await screenshot(other, "sockets-phone");
    for (const page of [one, other]) {
      page.watch.assertQuiet();
      await page.context().close();
    }
  });
}
