// The chat hub, as the page and anyone else's client use it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../support/wait.js";
import { connect, serveFile } from "./hub.js";

const at = serveFile({ lab: false });
let rooms = 0;

// Every test has its own room, because the hub keeps the history of a room.
const newRoom = () => `room ${(rooms += 1)}`;

async function guest(room, name) {
  const one = await connect(`${at.url}/hubs/chat`);
  one.joined = one.listen("joined");
  one.left = one.listen("left");
  one.typing = one.listen("typing");
  if (room) one.welcome = await one.call("Join", room, name);
  return one;
}

test("the first in a room finds itself alone and no history", async () => {
  const ann = await guest(newRoom(), "Ann");
  assert.deepEqual(ann.welcome, { members: ["Ann"], history: [] });
});

test("who comes later sees the members, and the others see who came", async () => {
  const room = newRoom();
  const ann = await guest(room, "Ann");
  const bo = await guest(room, "Bo");
  assert.deepEqual([...bo.welcome.members].sort(), ["Ann", "Bo"]);
  assert.deepEqual(await ann.joined.next(), ["Bo"]);
});

test("a message reaches everyone in the room, its author too, and nobody else", async () => {
  const room = newRoom();
  const [ann, bo] = [await guest(room, "Ann"), await guest(room, "Bo")];
  const cy = await guest(newRoom(), "Cy");
  const before = Date.now();
  await ann.call("Say", "Hello <b>Bo</b> 👋");
  for (const each of [ann, bo]) {
    const [from, text, time] = await each.messages.next();
    assert.equal(from, "Ann");
    assert.equal(text, "Hello <b>Bo</b> 👋");
    assert.ok(Number.isInteger(time) && time >= before - 1_000 && time <= Date.now() + 1_000, `at ${time}`);
  }
  await cy.call("Say", "alone");
  assert.equal((await cy.messages.next())[1], "alone");
  assert.deepEqual(cy.messages.rest(), []);
});

test("history is there for who comes later, oldest first", async () => {
  const room = newRoom();
  const ann = await guest(room, "Ann");
  for (const text of ["one", "two", "three"]) await ann.call("Say", text);
  const bo = await guest(room, "Bo");
  assert.deepEqual(bo.welcome.history.map(({ from, text }) => [from, text]), [
    ["Ann", "one"],
    ["Ann", "two"],
    ["Ann", "three"],
  ]);
  const times = bo.welcome.history.map(({ at: time }) => time);
  assert.deepEqual(times, [...times].sort((a, b) => a - b));
});

test("leaving tells the others", async () => {
  const room = newRoom();
  const [ann, bo] = [await guest(room, "Ann"), await guest(room, "Bo")];
  await bo.call("Leave");
  assert.deepEqual(await ann.left.next(), ["Bo"]);
  await ann.call("Say", "gone?");
  await ann.messages.next();
  assert.deepEqual(bo.messages.rest(), []);
});

test("a connection that ends leaves the room, and its name is free again", async () => {
  const room = newRoom();
  const [ann, bo] = [await guest(room, "Ann"), await guest(room, "Bo")];
  await bo.stop();
  assert.deepEqual(await ann.left.next(), ["Bo"]);
  const again = await guest(room, "Bo");
  assert.deepEqual([...again.welcome.members].sort(), ["Ann", "Bo"]);
});

test("joining another room leaves the first", async () => {
  const room = newRoom();
  const [ann, bo] = [await guest(room, "Ann"), await guest(room, "Bo")];
  await bo.call("Join", newRoom(), "Bo");
  assert.deepEqual(await ann.left.next(), ["Bo"]);
});

test("typing is told to the others only", async () => {
  const room = newRoom();
  const [ann, bo] = [await guest(room, "Ann"), await guest(room, "Bo")];
  await bo.call("Typing", true);
  await bo.call("Typing", false);
  assert.deepEqual(await ann.typing.take(2), [
    ["Bo", true],
    ["Bo", false],
  ]);
  assert.deepEqual(bo.typing.rest(), []);
});

test("a name that is taken, empty or too long is refused with words for the user", async () => {
  const room = newRoom();
  await guest(room, "Ann");
  const bo = await guest();
  for (const name of ["Ann", "", "n".repeat(33)]) {
    assert.match(await bo.failure("Join", room, name), /HubException: \S+/, name);
  }
  assert.match(await bo.failure("Join", "r".repeat(65), "Bo"), /HubException: \S+/);
  const { members } = await bo.call("Join", room, "n".repeat(32));
  assert.equal(members.length, 2);
});

test("a refused join leaves the room one is in alone", async () => {
  const room = newRoom();
  const other = newRoom();
  const [ann, bo] = [await guest(room, "Ann"), await guest(room, "Bo")];
  await guest(other, "Bo");
  await bo.failure("Join", other, "Bo");
  await bo.call("Say", "still here");
  assert.equal((await ann.messages.next())[1], "still here");
});

test("one has to be in a room to speak, and brief", async () => {
  const ann = await guest();
  assert.match(await ann.failure("Say", "hello?"), /HubException: \S+/);
  await ann.call("Join", newRoom(), "Ann");
  assert.match(await ann.failure("Say", "x".repeat(2_001)), /HubException: \S+/);
  await ann.call("Say", "x".repeat(2_000));
  await until(() => ann.messages.all.length === 1, 5_000, "the long message");
});
