// The console of the connection without a hub.

import assert from "node:assert/strict";
import { assertFits } from "./layout.js";

export async function raw({ check, open, screenshot }) {
  const ann = await open("/raw?transport=serverSentEvents");
  const bo = await open("/raw?transport=longPolling", { phone: true });
  const cy = await open("/raw?transport=foreverFrame");
  const everyone = [ann, bo, cy];

  await check("three connect to the raw connection and see who is there", async () => {
    await connect(ann, "Ann");
    await connect(bo, "Bo");
    await connect(cy, "Cy");
    await heard(ann, "Bo is here.").waitFor();
    await heard(ann, "Cy is here.").waitFor();
    assert.equal(await ann.locator("#people option").count(), 2);
    assert.equal(await cy.locator("#people option").count(), 2);
    assert.equal(await ann.locator("#current-transport").textContent(), "serverSentEvents");
  });

  await check("to everyone, to everyone else, to one person", async () => {
    await send(ann, "Everyone", "to all <b>👋</b>");
    for (const page of everyone) await heard(page, "to all <b>👋</b>").waitFor();
    await send(bo, "Everyone else", "not to me");
    for (const page of [ann, cy]) await heard(page, "not to me").waitFor();
    await send(cy, /^Ann/, "just us");
    await heard(ann, "just us").waitFor();
    assert.match(await heard(ann, "just us").textContent(), /Cy to you alone/);
    await send(cy, "Everyone", "the last");
    for (const page of everyone) await heard(page, "the last").waitFor();
    assert.equal(await heard(bo, "not to me").count(), 0);
    assert.equal(await heard(bo, "just us").count(), 0);
  });

  await check("groups are joined, heard and left", async () => {
    for (const page of [ann, bo]) {
      await page.getByLabel("Group", { exact: true }).fill("red");
      await page.getByRole("button", { name: "Join" }).click();
      await page.getByRole("button", { name: "Leave the group red" }).waitFor();
    }
    await send(ann, "The group red", "for the red ones");
    for (const page of [ann, bo]) await heard(page, "for the red ones").waitFor();
    await screenshot(ann, "raw");
    await screenshot(bo, "raw-phone");
    await assertFits(bo);
    await bo.emulateMedia({ colorScheme: "dark" });
    await screenshot(bo, "raw-phone-dark");
    await bo.getByRole("button", { name: "Leave the group red" }).click();
    await bo.getByRole("button", { name: "Leave the group red" }).waitFor({ state: "detached" });
    await send(ann, "The group red", "to me alone");
    await heard(ann, "to me alone").waitFor();
    await send(ann, "Everyone", "the end");
    for (const page of everyone) await heard(page, "the end").waitFor();
    assert.equal(await heard(bo, "to me alone").count(), 0);
    assert.equal(await heard(cy, /red/).count(), 0);
  });

  await check("who disconnects is gone", async () => {
    await cy.getByRole("button", { name: "Disconnect" }).click();
    await heard(ann, "Cy is gone.").waitFor();
    assert.equal(await ann.locator("#people option").count(), 1);
    await cy.getByRole("button", { name: "Connect", exact: true }).click();
    await heard(ann, "Cy is here.").nth(1).waitFor();
  });

  await check("nobody's console at the raw connection saw an error", () => {
    for (const page of everyone) page.watch.assertQuiet();
  });
  for (const page of everyone) await page.context().close();
}

async function connect(page, name) {
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await heard(page, `Welcome, ${name}.`).waitFor();
}

async function send(page, to, text) {
  const option = page.locator("#to option", { hasText: to instanceof RegExp ? to : new RegExp(`^${to}$`) });
  await page.getByLabel("To", { exact: true }).selectOption(await option.getAttribute("value"));
  await page.getByLabel("Text").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

const heard = (page, hasText) => page.locator("tr.in", { hasText });
