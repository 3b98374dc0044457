// Pages with the unmodified client of SignalR 2.x in them, and a sender that needs no page.

import { fileURLToPath } from "node:url";
import { within } from "../support/wait.js";

const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));
const LIBRARIES = [`${MODULES}jquery/dist/jquery.js`, `${MODULES}signalr/jquery.signalR.js`];
const IN_PAGE = fileURLToPath(new URL("in-page.js", import.meta.url));
const PAGE_TIMEOUT = 25_000;

/**
 * A page of `origin` in a browser that lacks what is named in `without`, with the hubs of the mount at `mount`, and
 * `window.classic`, as `in-page.js` has it.
 */
export async function openClassic(browser, { origin, mount, without = [] }) {
  // Where a page has a policy, it allows neither scripts of ours nor other servers.
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  const uncaught = [];
  page.on("pageerror", (error) => uncaught.push(error.message));
  await page.goto(origin);
  await page.evaluate((names) => names.forEach((name) => delete window[name]), without);
  for (const path of LIBRARIES) await page.addScriptTag({ path });
  if (mount) await page.addScriptTag({ url: `${mount}/hubs` });
  await page.addScriptTag({ path: IN_PAGE });
  return {
    page,
    uncaught,
    /** Calls a function of `window.classic`. */
    run: (name, argument) =>
      within(page.evaluate(([called, given]) => window.classic[called](given), [name, argument]), PAGE_TIMEOUT, name),
    close: () => context.close(),
  };
}

/** A token with which anybody may call the hub by single requests, whether it listens or not. */
export class Sender {
  #mount;

  static async to(mount) {
    const sender = new Sender();
    sender.#mount = mount;
    const answer = await fetch(`${mount}/negotiate?clientProtocol=2.1`);
    sender.token = (await answer.json()).ConnectionToken;
    return sender;
  }

  /** The address of an endpoint. */
  address(word, transport, more = "") {
    const token = encodeURIComponent(this.token);
    return `${this.#mount}/${word}?transport=${transport}&clientProtocol=2.1&connectionToken=${token}${more}`;
  }

  async call(method, ...args) {
    const data = JSON.stringify({ H: "transcripthub", M: method, A: args, I: 0 });
    const body = new URLSearchParams({ data });
    const answer = await fetch(this.address("send", "longPolling"), { method: "POST", body });
    const { E: error, R: result } = await answer.json();
    if (error) throw new Error(error);
    return result;
  }
}
