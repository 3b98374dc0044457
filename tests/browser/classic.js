// The unmodified client of SignalR 2.x, signalr 2.4.3 on jQuery 3.7, in pages of its server's own origin and of others.

import assert from "node:assert/strict";
import { Proxy } from "../support/proxy.js";
import { startServer } from "../support/server.js";
import { until } from "../support/wait.js";
import { openClassic, Sender } from "./classic-page.js";

const TRANSPORTS = ["webSockets", "serverSentEvents", "foreverFrame", "longPolling"];
const OBJECT = { Name: "x", Val: 1.5, None: null, List: [1, 2, 3], Html: "<b>\u2028\u00e9 &'\"</b>" };
const BACK_TIMEOUT = 30_000;

export async function classic({ server, browser, check }) {
  // The pages of the demos are those of another origin, and this is theirs.
  const host = await startServer({ program: "classic", options: ["--origin", server.url] });
  const proxy = await Proxy.to(host.port);
  const tools = { host, proxy, stranger: proxy.url, friend: server.url, browser, check };
  try {
    await conversations(tools);
    await choices(tools);
    await crossOrigin(tools);
    await reconnects(tools);
    await strangeFrame(tools);
    await goingDown(tools);
  } finally {
    await proxy.close();
    await check("the classic host ends cleanly", async () => {
      const end = await host.stop();
      assert.deepEqual(end, { code: 0, signal: null }, host.errors);
    });
  }
}

/** An address of a server that any page can be at. */
const blank = (url) => `${url}/signalr/ping`;

const lacksFor = (transport) => (transport === "foreverFrame" ? ["EventSource"] : []);

/** Several things that wait most of the time: all at once, and each counts. */
async function atOnce(check, parts) {
  const outcomes = await Promise.allSettled(parts.map(([, body]) => body()));
  for (const [index, [name]] of parts.entries()) {
    await check(name, () => {
      if (outcomes[index].status === "rejected") throw outcomes[index].reason;
    });
  }
}

/** Opens a page, does something with it, and closes it; errors that nobody caught are errors (T-11), but for those expected. */
async function inPage(browser, where, body, expected = []) {
  const opened = await openClassic(browser, where);
  try {
    const outcome = await body(opened);
    assert.deepEqual(opened.uncaught, expected);
    return outcome;
  } finally {
    await opened.close();
  }
}

// LEG-036, 037, 046, 052, 057, 058, 060, 088, 106, 114, 121, 122, 123.
function assertAll(told, { transport, group, reports = transport === "webSockets" ? 3 : 1 }) {
  const { progress, ...rest } = told;
  // Over HTTP the result may overtake reports, which the client then drops (§4.6).
  assert.ok(progress.length >= reports, `${progress}`);
  assert.deepEqual(progress, [0, 50, 100].slice(0, progress.length));
  assert.deepEqual(rest, {
    transport,
    echo: "Grüße 👩‍👩‍👧‍👦 \u2028</script>",
    sum: 3,
    nothing: null,
    object: OBJECT,
    renamed: "renamed ok",
    overloads: ["none", 7, "two"],
    done: "job done",
    hubFail: { message: "visible", source: "HubException", data: { code: 7, why: "because" } },
    fail: {
      message: "There was an error invoking Hub method 'transcripthub.Fail'.",
      source: "Exception",
      data: undefined,
    },
    state: { name: "bob!", added: { N: [1, 2] } },
    stateRead: "bob!",
    stateSeen: "bob!",
    grouped: [[`group ${group}`, "in"]],
    burst: Array.from({ length: 25 }, (_, index) => String(index)),
    caller: ["<b>& \"'</b>"],
    mixed: [1, "two", null, { a: 1 }, [1.5, 2], true],
    noArgs: [],
    isAnother: true,
    again: 1,
    welcomes: 2,
    events: ["connected", "disconnected stopCalled=true"],
    errors: [],
  });
}

async function conversations({ host, browser, check }) {
  const mount = `${host.url}/signalr`;
  for (const transport of TRANSPORTS) {
    await check(`classic, its own origin: ${transport}`, async () => {
      const group = `own-${transport}`;
      const where = { origin: blank(host.url), mount, without: lacksFor(transport) };
      const told = await inPage(browser, where, ({ run }) => run("converse", { transport, group }));
      assertAll(told, { transport, group });
    });
  }
}

/** What the client takes when it may take anything, and what the server noticed of that (LEG-118). */
async function choices({ host, browser, check }) {
  const silent = await Proxy.to(host.port);
  silent.muteWebSockets();
  const chosen = (origin, without, transport) => async () => {
    const where = { origin: blank(origin), mount: `${origin}/signalr`, without };
    const told = await inPage(browser, where, ({ run }) => run("choose", {}));
    assert.deepEqual(told, { transport, echo: "found", events: ["connected"] });
  };
  try {
    await atOnce(check, [
      ["classic, automatic: webSockets", chosen(host.url, [], "webSockets")],
      ["classic, no WebSocket: serverSentEvents", chosen(host.url, ["WebSocket"], "serverSentEvents")],
      ["classic, no EventSource either: foreverFrame", chosen(host.url, ["WebSocket", "EventSource"], "foreverFrame")],
      ["classic, a WebSocket that stays silent: serverSentEvents", chosen(silent.url, [], "serverSentEvents")],
    ]);
  } finally {
    await silent.close();
  }
}

async function crossOrigin({ host, stranger, friend, browser, check }) {
  const mount = `${host.url}/cors`;
  for (const transport of ["webSockets", "serverSentEvents", "longPolling"]) {
    await check(`classic, another origin: ${transport}`, async () => {
      const group = `cors-${transport}`;
      const answers = [];
      const told = await inPage(browser, { origin: friend, mount }, ({ page, run }) => {
        page.on("response", (response) => answers.push(response));
        return run("converse", { url: mount, transport, group });
      });
      assertAll(told, { transport, group });
      assertOpen(answers, friend);
    });
  }
  await check("classic, another origin, neither WebSocket nor EventSource: longPolling", async () => {
    const where = { origin: friend, mount, without: ["WebSocket", "EventSource"] };
    const told = await inPage(browser, where, ({ run }) => run("choose", { url: mount }));
    assert.deepEqual(told, { transport: "longPolling", echo: "found", events: ["connected"] });
  });
  await check("classic, another origin that was not named: refused", async () => {
    const start = inPage(browser, { origin: blank(stranger), mount }, ({ run }) => run("choose", { url: mount }));
    await assert.rejects(start, /Error during negotiation request/);
  });
  await check("classic, another origin without CORS: JSONP", async () => {
    const [url, group] = [`${host.url}/fast`, "jsonp"];
    const where = { origin: friend, mount: url };
    // The abort goes out with `fetch` even then: it arrives, but the page may not read the answer, and nobody catches that.
    const unread = ["Failed to fetch"];
    const told = await inPage(browser, where, ({ run }) => run("converse", { url, jsonp: true, group }), unread);
    // This mount delays its polls, longer than the job takes.
    assertAll(told, { transport: "longPolling", group, reports: 0 });
  });
}

/** Each answer says that this origin may read it, cookies included; none was asked for beforehand. */
function assertOpen(answers, origin) {
  const words = new Set();
  for (const answer of answers) {
    const path = new URL(answer.url()).pathname;
    if (!path.startsWith("/cors/") || path.endsWith("/hubs")) continue;
    words.add(path.slice("/cors/".length));
    const { "access-control-allow-origin": allowed, "access-control-allow-credentials": credentials } = answer.headers();
    assert.deepEqual({ path, allowed, credentials }, { path, allowed: origin, credentials: "true" });
    assert.notEqual(answer.request().method(), "OPTIONS");
  }
  assert.ok(words.has("negotiate") && words.has("start"), [...words].join());
}

/** All at once behind one proxy: their connections are cut, and what is said meanwhile comes once (LEG-102, 107). */
async function reconnects({ host, proxy, browser, check }) {
  const names = (transport) => `classic, cut and back: ${transport}`;
  const group = "cut";
  const pages = new Map();
  const open = async (transport) => {
    const where = { origin: blank(proxy.url), mount: `${proxy.url}/signalr`, without: lacksFor(transport) };
    const opened = await openClassic(browser, where);
    pages.set(transport, opened);
    assert.equal(await opened.run("listen", { transport, group }), transport);
  };
  const sender = await Sender.to(`${host.url}/signalr`);
  try {
    await atOnce(check, TRANSPORTS.map((transport) => [`classic, listens: ${transport}`, () => open(transport)]));
    // A cut alone is not seen by everybody: there may be no poll just then, and browsers repeat a request by themselves.
    proxy.refuse();
    await Promise.all(Array.from(pages.values(), isAway));
    await sender.call("ToAll", "one");
    await sender.call("ToGroup", group, "two");
    await sender.call("ToAll", "three");
    proxy.admit();
    const backs = await Promise.allSettled(TRANSPORTS.map((transport) => pages.get(transport).run("tellWhatCame", "three")));
    await sender.call("ToGroup", group, "four");
    await atOnce(check, TRANSPORTS.map((transport, index) => [names(transport), async () => {
      if (backs[index].status === "rejected") throw backs[index].reason;
      const { run, uncaught } = pages.get(transport);
      const told = await run("tellWhatCame", "four");
      assert.deepEqual(told, {
        messages: [["all", "one"], [`group ${group}`, "two"], ["all", "three"], [`group ${group}`, "four"]],
        states: ["connecting", "connected", "reconnecting", "connected"],
        events: ["connected", "reconnected"],
        frame: transport === "foreverFrame" ? 1 : null,
      });
      assert.deepEqual(uncaught, []);
    }]));
  } finally {
    for (const opened of pages.values()) await opened.close();
  }
}

/** The document of a forever frame in a page that has no client does nothing (LEG-090). */
async function strangeFrame({ host, browser, check }) {
  await check("classic, a forever frame in a page without the client", async () => {
    const sender = await Sender.to(`${host.url}/signalr`);
    const page = await (await browser.newContext()).newPage();
    const uncaught = [];
    page.on("pageerror", (error) => uncaught.push(error.message));
    await page.goto(blank(host.url));
    const src = sender.address("connect", "foreverFrame", "&frameId=1&connectionData=%5B%5D");
    const text = () => document.querySelector("iframe").contentDocument.body?.textContent;
    await page.evaluate((address) => document.body.append(Object.assign(document.createElement("iframe"), { src: address })), src);
    await until(async () => (await page.evaluate(text))?.includes('"S":1'), 5_000, "the first message in the frame");
    assert.deepEqual(uncaught, []);
    await page.context().close();
  });
}

/** Resolves when the client of a page has noticed that its connection is gone. */
const isAway = ({ page }) =>
  page.waitForFunction(() => window.classic.log.states.at(-1) === "reconnecting", null, { timeout: BACK_TIMEOUT });

/** Long polls are told that the server goes down, and try to come back (LEG-101). */
async function goingDown({ host, browser, check }) {
  await check("classic, the server goes down: clients try to come back", async () => {
    const where = (transport) => ({ origin: blank(host.url), mount: `${host.url}/signalr`, without: lacksFor(transport) });
    const pages = await Promise.all(TRANSPORTS.map(async (transport) => {
      const opened = await openClassic(browser, where(transport));
      await opened.run("listen", { transport, group: "down" });
      return opened;
    }));
    const end = host.stop();
    await Promise.all(pages.map(isAway));
    assert.equal((await end).code, 0, host.errors);
    for (const opened of pages) await opened.close();
  });
}
