// Hub connections by hand: records split and joined as the official client never does, and broken ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serveFile } from "./hub.js";
import { RawHub } from "./raw-hub.js";

const SEPARATOR = "\u001e";
const at = serveFile();
const open = () => RawHub.open(`${at.wsUrl}/hubs/lab`);
const add = (id, a, b) =>
  JSON.stringify({ type: 1, target: "Add", arguments: [a, b], invocationId: id }) + SEPARATOR;

test("many records in one WebSocket message", async () => {
  const one = await open();
  one.sendText(add("1", 1, 1) + add("2", 2, 2) + add("3", 3, 3));
  assert.deepEqual((await one.records.take(3)).map(({ result }) => result), [2, 4, 6]);
  one.close();
});

test("one record in many WebSocket messages", async () => {
  const one = await open();
  for (const letter of add("1", 40, 2)) one.sendText(letter);
  assert.deepEqual(await one.records.next(), { type: 3, invocationId: "1", result: 42 });
  one.close();
});

test("an unknown hub protocol is refused in the handshake", async () => {
  const refused = RawHub.open(`${at.wsUrl}/hubs/lab`, { protocol: "smoke-signals", version: 1 });
  await assert.rejects(refused, /The protocol 'smoke-signals' is not supported\./);
});

test("a record that is no JSON ends the connection with an error", async () => {
  const one = await open();
  one.sendText(`this is not JSON${SEPARATOR}`);
  assert.deepEqual(await one.records.next(), {
    type: 7,
    error: "Connection closed with an error.",
    allowReconnect: true,
  });
  assert.equal(await one.closed(), 1000);
});

test("a Close of the client is answered with Close and code 1000", async () => {
  const one = await open();
  one.send({ type: 7 });
  assert.deepEqual(await one.records.next(), { type: 7 });
  assert.equal(await one.closed(), 1000);
});

test("unknown message types are skipped", async () => {
  const one = await open();
  one.send({ type: 99, anything: true });
  one.sendText(add("1", 1, 2));
  assert.deepEqual(await one.records.next(), { type: 3, invocationId: "1", result: 3 });
  one.close();
});
