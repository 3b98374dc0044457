// Negotiation that sends a client elsewhere, with the official client: it negotiates there, with the token that it
// was given.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as signalr from "@microsoft/signalr";
import { client, connect, serveFile } from "./hub.js";

const at = serveFile();

for (const transport of ["WebSockets", "ServerSentEvents", "LongPolling"]) {
  const away = (steps = 0) =>
    connect(`${at.url}/hubs/away?steps=${steps}`, {
      transport: signalr.HttpTransportType[transport],
      accessTokenFactory: () => "mine",
    });

  test(`${transport}: a redirected client calls the hub that it was sent to`, async () => {
    const one = await away();
    assert.equal(await one.call("Transport"), transport);
    assert.equal(await one.call("Add", 1, 2), 3);
    assert.equal(await one.call("Token"), "token-0", "the token of the redirect, not its own");
    // The query of the address is kept: it names the user here.
    const other = await connect(`${at.url}/hubs/lab`);
    await other.call("ToUser", "sent", "hello");
    assert.deepEqual(await one.messages.next(), ["user", "hello"]);
  });

  test(`${transport}: several redirects, one behind the other`, async () => {
    const one = await away(5);
    assert.equal(await one.call("Add", 1, 2), 3);
    assert.equal(await one.call("Token"), "token-0");
  });
}

test("the client gives up after 100 redirects", async () => {
  const lost = client(`${at.url}/hubs/away?steps=1000`);
  await assert.rejects(lost.start(), /Negotiate redirection limit exceeded/);
});

test("where the way leads nowhere, negotiation fails", async () => {
  const lost = client(`${at.url}/hubs/nowhere`);
  await assert.rejects(lost.start(), /404/);
});
