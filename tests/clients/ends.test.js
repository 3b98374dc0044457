// How connections end, and how clients come back.

import assert from "node:assert/strict";
import { after, afterEach, beforeEach, test } from "node:test";
import { startServer } from "../support/server.js";
import { sleep, until } from "../support/wait.js";
import { client, connect } from "./hub.js";

const EVENT_TIMEOUT = 15_000;

// Most of these tests end the server, so each has its own.
let server;
beforeEach(async () => {
  server = await startServer();
});
afterEach(async () => {
  await server.kill();
});
// A failure in beforeEach leaves nothing to kill; a failure in a test was cleaned up above.
after(() => server?.kill());

const lab = (options) => connect(`${server.url}/hubs/lab`, options);

async function event(one, kind) {
  const [came, detail] = await one.events.next(EVENT_TIMEOUT, `the event ${kind}`);
  assert.equal(came, kind, `${came}: ${detail}`);
  return detail;
}

test("Abort: the client closes without error and does not come back", async () => {
  const one = await lab({ reconnect: true });
  await one.connection.send("Abort");
  assert.equal(await event(one, "closed"), undefined);
  await sleep(500);
  assert.deepEqual(one.events.rest(), []);
  assert.equal(one.connection.state, "Disconnected");
});

test("Abort leaves the connections of others alone", async () => {
  const [one, other] = [await lab(), await lab()];
  await one.connection.send("Abort");
  await event(one, "closed");
  assert.equal(await other.call("Add", 1, 2), 3);
});

test("Close with allowReconnect: the client comes back with a new id", async () => {
  const one = await lab({ reconnect: true });
  const before = one.id;
  await one.connection.send("CloseWithReconnect");
  await event(one, "reconnecting");
  const now = await event(one, "reconnected");
  assert.notEqual(now, before);
  assert.equal(await one.call("ConnectionId"), now);
});

test("Close with allowReconnect ends a client that does not reconnect", async () => {
  const one = await lab();
  await one.connection.send("CloseWithReconnect");
  await event(one, "closed");
  assert.equal(one.connection.state, "Disconnected");
});

test("a killed server: pending calls fail, and the client comes back to its successor", async () => {
  const one = await lab({ reconnect: true });
  const pending = one.failure("Later", "never", 60_000);
  // The call has to be on its way before the server dies.
  await sleep(100);
  await server.kill();
  await event(one, "reconnecting");
  assert.match(await pending, /1006/);
  await server.startAgain();
  await event(one, "reconnected");
  assert.equal(await one.call("Add", 1, 2), 3);
});

test("a killed server that stays away: the client gives up", async () => {
  const one = client(`${server.url}/hubs/lab`);
  await one.start();
  await server.kill();
  assert.match(await event(one, "closed"), /1006/);
});

test("SIGTERM: exit code 0, and the clients come back to the next server", async () => {
  const [one, other] = [await lab({ reconnect: true }), await lab({ reconnect: true })];
  assert.deepEqual(await server.stop(), { code: 0, signal: null }, server.errors);
  // A Close that allows a reconnect carries no error; a lost connection would carry one.
  assert.equal(await event(one, "reconnecting"), undefined);
  assert.equal(await event(other, "reconnecting"), undefined);
  await server.startAgain();
  await event(one, "reconnected");
  await event(other, "reconnected");
  assert.equal(await one.call("Add", 1, 2), 3);
});

test("SIGTERM: a client without automatic reconnect closes without error", async () => {
  const one = await lab();
  await server.stop();
  assert.equal(await event(one, "closed"), undefined);
});

test("an oversize call: with automatic reconnect the client comes back", async () => {
  const one = await lab({ reconnect: true });
  await one.connection.send("ToAll", "x".repeat(40_000));
  await event(one, "reconnecting");
  await event(one, "reconnected");
  assert.equal(await one.call("Add", 1, 2), 3);
});

test("the hub is told why a connection ended", async () => {
  const one = await lab();
  const { id } = one;
  await one.connection.send("ToAll", "x".repeat(40_000));
  await event(one, "closed");
  const told = async () => (await fetch(`${server.url}/lab/events?id=${id}`)).json();
  const events = await until(
    async () => [await told()].find(({ length }) => length === 2),
    5_000,
    "the hub's disconnect event",
  );
  assert.equal(events[0], "connected");
  assert.match(events[1], /^disconnected .*maximum message size of 32768B was exceeded/);
});
