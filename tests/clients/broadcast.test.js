// Many connections at once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, serveFile } from "./hub.js";

const CONNECTIONS = 200;
const ROUNDS = 10;
const at = serveFile();

const crowd = (count) => Promise.all(Array.from({ length: count }, () => connect(`${at.url}/bench`)));

test("200 connections each get every broadcast, in order", async () => {
  const clients = await crowd(CONNECTIONS);
  for (let round = 0; round < ROUNDS; round += 1) await clients[round].call("Broadcast", { round });
  const expected = Array.from({ length: ROUNDS }, (_, round) => [{ round }]);
  for (const each of clients) assert.deepEqual(await each.messages.take(ROUNDS), expected);
  for (const each of clients) assert.deepEqual(each.messages.rest(), []);
});

test("rooms get their own messages only", async () => {
  const clients = await crowd(20);
  await Promise.all(clients.map((each, index) => each.call("Join", index % 2 ? "odd" : "even")));
  await clients[0].call("SendToRoom", "odd", "to the odd ones");
  await clients[1].call("SendToRoom", "even", "to the even ones");
  for (const [index, each] of clients.entries()) {
    assert.deepEqual(await each.messages.next(), [index % 2 ? "to the odd ones" : "to the even ones"]);
  }
  for (const each of clients) assert.deepEqual(each.messages.rest(), []);
});

test("100 connections come and go while messages flow", async () => {
  const [sender, listener] = await crowd(2);
  let sending = true;
  const flow = (async () => {
    let sent = 0;
    while (sending) await sender.call("Broadcast", sent++);
    return sent;
  })();
  for (let round = 0; round < 5; round += 1) {
    const visitors = await crowd(20);
    await Promise.all(visitors.map((each) => each.messages.next()));
    await Promise.all(visitors.map((each) => each.stop()));
  }
  sending = false;
  const sent = await flow;
  const heard = (await listener.messages.take(sent)).map(([number]) => number);
  assert.deepEqual(heard, Array.from({ length: sent }, (_, index) => index));
});
