// The official client inside a page against the functional host: from the host's own origin, and from another one,
// where the browser asks for leave first (CORS) and carries the cookies.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { startServer } from "../support/server.js";
import { within } from "../support/wait.js";
import { nameOf, WAYS } from "../support/ways.js";

const LIBRARIES = ["signalr/dist/browser/signalr.js", "signalr-protocol-msgpack/dist/browser/signalr-protocol-msgpack.js"];
const MODULES = fileURLToPath(new URL("../node_modules/@microsoft/", import.meta.url));
const BURST = 300;
const PAGE_TIMEOUT = 20_000;

export async function functional({ server, browser, check }) {
  const host = await startServer({ program: "functional" });
  try {
    // Ports make origins, but not sites: the cookies of one are sent by a page of the other.
    await fromPage(`${host.url}/nothing-is-here`, "its own origin", { host, browser, check });
    await fromPage(server.url, "another origin", { host, browser, check });
  } finally {
    await check("the functional host ends cleanly", async () => {
      const end = await host.stop();
      assert.deepEqual(end, { code: 0, signal: null }, host.errors);
    });
  }
}

async function fromPage(address, origin, { host, browser, check }) {
  // The policy of the demos allows neither scripts of ours nor other servers.
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  await page.goto(address);
  for (const library of LIBRARIES) await page.addScriptTag({ path: MODULES + library });
  const inPage = (body, argument) => within(page.evaluate(body, { url: host.url, ...argument }), PAGE_TIMEOUT, "the page");
  for (const way of WAYS) {
    const name = `a page of ${origin}: ${nameOf(way)}`;
    await check(name, async () => {
      assert.deepEqual(await inPage(converse, { ...way, burst: BURST, name }), expected(way));
    });
  }
  await check(`a page of ${origin}: signed in, with cookies`, async () => {
    const token = await (await fetch(`${host.url}/generateJwtToken?user=page&lifetime=60`)).text();
    for (const transport of ["WebSockets", "ServerSentEvents", "LongPolling"]) {
      const told = await inPage(signIn, { transport, token });
      assert.deepEqual(told, { user: "page", cookie: "testValue", expired: null, refused: true }, transport);
    }
  });
  await check(`a page of ${origin}: comes back after the end of the sign-in`, async () => {
    assert.deepEqual(await inPage(comeBack), ["reconnecting", "reconnected", "again"]);
  });
  await context.close();
}

function expected({ transport }) {
  return {
    transport,
    text: "Grüße 👩‍👩‍👧‍👦",
    sum: 3,
    failed: "An unexpected error occurred invoking 'Throw' on the server. HubException: no",
    fed: Array.from({ length: BURST }, (_, index) => index + 1),
    message: "to the group",
    large: 300_000,
    items: [1, 2, 3, 4, 5],
    uploaded: 5_050,
    answered: "GRÜN",
    closed: null,
  };
}

// What follows runs inside the page.
/* global signalR */

/** One of everything; what came of it. */
async function converse({ url, transport, packed, skipNegotiation = false, burst, name }) {
  const connection = new signalR.HubConnectionBuilder()
    .withUrl(`${url}/workhub`, { transport: signalR.HttpTransportType[transport], skipNegotiation })
    .withHubProtocol(packed ? new signalR.protocols.msgpack.MessagePackHubProtocol() : new signalR.JsonHubProtocol())
    .configureLogging(signalR.LogLevel.None)
    .build();
  const heard = (method) => new Promise((resolve) => connection.on(method, resolve));
  const fed = [];
  connection.on("Fed", (number) => fed.push(number));
  connection.on("Upper", (text) => text.toUpperCase());
  const message = heard("Message");
  const large = heard("Large");
  const closed = new Promise((resolve) => connection.onclose((error) => resolve(error?.message ?? null)));
  await connection.start();
  await connection.invoke("Burst", burst);
  await connection.invoke("Join", name);
  await connection.invoke("Send", "Group", [name], [], "to the group");
  await connection.send("SendLarge", 300_000);
  const items = [];
  await new Promise((resolve, reject) => {
    const next = (item) => items.push(item);
    connection.stream("Count", 5, 1).subscribe({ next, complete: resolve, error: reject });
  });
  const upload = new signalR.Subject();
  const uploaded = connection.invoke("Sum", upload);
  for (let number = 1; number <= 100; number += 1) upload.next(number);
  upload.complete();
  const told = {
    transport: await connection.invoke("Transport"),
    text: await connection.invoke("EchoString", "Grüße 👩‍👩‍👧‍👦"),
    sum: await connection.invoke("Add", 1, 2),
    failed: await connection.invoke("Throw", "hub", "no").catch((error) => error.message),
    fed,
    message: await message,
    large: (await large).length,
    items,
    uploaded: await uploaded,
    answered: await connection.invoke("AskCaller", "Upper", "grün"),
  };
  await connection.stop();
  return { ...told, closed: await closed };
}

/** Who the page is, which cookies went with it, and whether it gets in without a token. */
async function signIn({ url, transport, token }) {
  const to = (path, options) =>
    new signalR.HubConnectionBuilder()
      .withUrl(url + path, { transport: signalR.HttpTransportType[transport], ...options })
      .configureLogging(signalR.LogLevel.None)
      .build();
  const signedIn = to("/authorizedhub", { accessTokenFactory: () => token });
  await signedIn.start();
  const user = await signedIn.invoke("GetUserNameIdentifier");
  await signedIn.stop();
  const anyone = to("/testhub");
  await anyone.start();
  const cookie = await anyone.invoke("GetCookie", "testCookie");
  const expired = await anyone.invoke("GetCookie", "expiredCookie");
  await anyone.stop();
  const refused = await to("/authorizedhub").start().then(() => false, () => true);
  return { user, cookie, expired, refused };
}

/** A short sign-in and a long one behind it. */
async function comeBack({ url }) {
  let lifetime = 1;
  const events = [];
  const connection = new signalR.HubConnectionBuilder()
    .withUrl(`${url}/expiringhub`, {
      accessTokenFactory: async () => (await fetch(`${url}/generateJwtToken?user=again&lifetime=${lifetime}`)).text(),
    })
    .withAutomaticReconnect([0, 200, 500])
    .configureLogging(signalR.LogLevel.None)
    .build();
  connection.onreconnecting(() => events.push("reconnecting"));
  const back = new Promise((resolve) => connection.onreconnected(resolve));
  await connection.start();
  lifetime = 60;
  await back;
  events.push("reconnected", await connection.invoke("GetUserNameIdentifier"));
  await connection.stop();
  return events;
}
