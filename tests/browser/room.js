// What people do in a room of the chat, and what they see there.

const RECONNECT_TIMEOUT = 30_000;

export async function join(page, name, room, { wait = true } = {}) {
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Room").fill(room);
  await page.getByRole("button", { name: "Join" }).click();
  if (wait) await connected(page);
}

export async function say(page, text) {
  await box(page).fill(text);
  await box(page).press("Enter");
}

export const box = (page) => page.getByRole("textbox", { name: "Message" });
export const message = (page, hasText) => page.locator(".message", { has: page.locator("p", { hasText }) });
export const notice = (page, hasText) => page.locator(".notice", { hasText });
export const state = (page, name) => page.locator(`#state[data-state="${name}"]`);
export const connected = (page) => state(page, "Connected").waitFor({ timeout: RECONNECT_TIMEOUT });
