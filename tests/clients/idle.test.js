// Connections on which nothing happens for longer than any timeout: the one slow file.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "../support/wait.js";
import { connect, serveFile } from "./hub.js";
import { RawHub } from "./raw-hub.js";

// Longer than the client's server timeout and the server's client timeout, which are 30 s each.
const IDLE = 35_000;
const at = serveFile();

// All at once, so that the silence is waited for only once.
test("35 seconds of silence: who pings and who never pinged stay, who stopped pinging is closed", async () => {
  await Promise.all([officialClientStays(), neverPingedStays(), stoppedPingingIsClosed()]);
});

async function officialClientStays() {
  const one = await connect(`${at.url}/hubs/lab`);
  await sleep(IDLE);
  assert.deepEqual(one.events.all, [], "the official client");
  assert.equal(await one.call("Add", 1, 2), 3);
}

async function neverPingedStays() {
  const one = await RawHub.open(`${at.wsUrl}/hubs/lab`);
  await sleep(IDLE);
  // The server pings every 15 to 16 s.
  assert.deepEqual(one.records.rest(), [{ type: 6 }, { type: 6 }], "the client that never pings");
  one.send({ type: 1, target: "Add", arguments: [1, 2], invocationId: "1" });
  assert.deepEqual(await one.records.next(), { type: 3, invocationId: "1", result: 3 });
  one.close();
}

async function stoppedPingingIsClosed() {
  const one = await RawHub.open(`${at.wsUrl}/hubs/lab`);
  const begin = Date.now();
  one.send({ type: 6 });
  await one.closed(IDLE);
  const took = Date.now() - begin;
  assert.ok(took >= 29_500 && took < 33_500, `closed after ${took} ms`);
  assert.deepEqual(one.records.all.at(-1), {
    type: 7,
    error: "Connection closed with an error.",
    allowReconnect: true,
  });
}
