// Opens the demo pages of the release binary in Chromium, as people would, and takes screenshots; the official clients
// of both generations in pages against the conformance program:
//
//     node tests/browser/run.js [pages|raw|chat|generations|classic|functional]...
//
// The last line is `N passed, N failed`.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { startServer } from "../support/server.js";
import { chat } from "./chat.js";
import { classic } from "./classic.js";
import { functional } from "./functional.js";
import { generations } from "./generations.js";
import { pages } from "./pages.js";
import { raw } from "./raw.js";
import { Watch } from "./watch.js";

const OUT = fileURLToPath(new URL("../out/", import.meta.url));
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const STEP_TIMEOUT = 15_000;
const CHROMIUM = {
  executablePath: "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

let passed = 0;
let failed = 0;

const server = await startServer({ lab: false });
const browser = await chromium.launch(CHROMIUM);
try {
  mkdirSync(OUT, { recursive: true });
  const tools = { server, browser, check, open, screenshot };
  const parts = { pages, raw, chat, generations, classic, functional };
  const wanted = process.argv.slice(2);
  const unknown = wanted.find((name) => !(name in parts));
  if (unknown) throw new Error(`there is no part ${unknown}`);
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length === 0 || wanted.includes(name)) await part(tools);
  }
} catch (error) {
  fail("the run itself", error);
} finally {
  await browser.close();
  await check("the server ends cleanly", async () => {
    const { code } = await server.stop();
    if (code !== 0) throw new Error(`exit code ${code}: ${server.errors}`);
  });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

/** One thing that has to be true; the others are looked at all the same. */
async function check(name, body) {
  try {
    await body();
    passed += 1;
  } catch (error) {
    fail(name, error);
  }
}

function fail(name, error) {
  failed += 1;
  console.log(`FAILED ${name}`);
  console.log(String(error.stack ?? error).replace(/^/gm, "    "));
}

/** A window of someone's own: nothing is shared with the other windows. */
async function open(path, { phone = false, dark = false } = {}) {
  const context = await browser.newContext({
    ...(phone ? PHONE : DESKTOP),
    colorScheme: dark ? "dark" : "light",
    baseURL: server.url,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_TIMEOUT);
  page.watch = new Watch(page);
  await page.goto(path);
  return page;
}

function screenshot(page, name) {
  return page.screenshot({ path: `${OUT}${name}.png`, animations: "disabled" });
}
