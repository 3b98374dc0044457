// Calls from client to hub: results, every kind of value, errors, order and size.

import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../support/wait.js";
import { connect, serveFile } from "./hub.js";

const MESSAGE_BYTES_MAX = 32_768;

const at = serveFile();
const lab = (options) => connect(`${at.url}/hubs/lab`, options);
const bench = (options) => connect(`${at.url}/bench`, options);

test("a result and an empty result", async () => {
  const one = await lab();
  assert.equal(await one.call("Add", -7, 9), 2);
  assert.equal((await one.call("Nothing")) ?? null, null);
});

test("method names are found in any letter case", async () => {
  const one = await lab();
  assert.equal(await one.call("aDD", 1, 2), 3);
});

const values = {
  null: null,
  "true and false": [true, false],
  integers: [0, -1, 2 ** 31, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  fractions: [0.1, -2.5e-10, 1.7976931348623157e308],
  "an empty text": "",
  "text beyond ASCII": "Grüße, Привет, 你好, שלום, 👩‍👩‍👧‍👦 𝒳 e\u0301",
  "control characters": Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join(""),
  "quotes and backslashes": "\"'\\/<>&\u2028\u2029\u007f\ufeff",
  "the record separator": "before\u001eafter",
  "nested arrays": [[], [[1], [2, [3]]], ["a", null]],
  "an object": { name: "x", list: [1, { deep: { deeper: null } }], "odd key \u{1f511}": "", "": 1 },
};

for (const [name, value] of Object.entries(values)) {
  test(`there and back: ${name}`, async () => {
    const one = await bench();
    assert.deepEqual(await one.call("Echo", value), value);
  });
}

test("an unknown method", async () => {
  const one = await lab();
  assert.equal(
    await one.failure("NoSuchMethod"),
    "Failed to invoke 'NoSuchMethod' due to an error on the server. HubException: Method does not exist.",
  );
});

test("too few and too many arguments", async () => {
  const one = await lab();
  const expected = "Failed to invoke 'Add' due to an error on the server.";
  assert.equal(await one.failure("Add", 1), expected);
  assert.equal(await one.failure("Add", 1, 2, 3), expected);
});

test("arguments of the wrong type", async () => {
  const one = await lab();
  const expected = "Failed to invoke 'Add' due to an error on the server.";
  for (const wrong of ["5", 1.5, true, null, [1], { a: 1 }, 2 ** 31]) {
    assert.equal(await one.failure("Add", 1, wrong), expected, JSON.stringify(wrong));
  }
});

test("a HubException reaches the client, also with odd text", async () => {
  const one = await lab();
  const base = "An unexpected error occurred invoking 'Fail' on the server. HubException: ";
  assert.equal(await one.failure("Fail", "hub", "no such room"), `${base}no such room`);
  assert.equal(await one.failure("Fail", "hub", 'quoted "ü" 🎈\n2'), `${base}quoted "ü" 🎈\n2`);
});

test("any other error is hidden", async () => {
  const one = await lab();
  assert.equal(
    await one.failure("Fail", "internal", "the password"),
    "An unexpected error occurred invoking 'Fail' on the server.",
  );
});

test("a panic in a method is an error of that call; the connection and others live on", async () => {
  const one = await lab();
  const other = await lab();
  assert.equal(
    await one.failure("Fail", "panic", "boom"),
    "An unexpected error occurred invoking 'Fail' on the server.",
  );
  assert.equal(await one.call("Add", 1, 2), 3);
  assert.equal(await other.call("Add", 3, 4), 7);
  assert.deepEqual(one.events.all, []);
});

test("send does not wait for an answer, and its errors go nowhere", async () => {
  const one = await lab();
  await one.send("NoSuchMethod");
  await one.send("Fail", "hub", "nobody hears");
  await one.send("ToCaller", "sent");
  assert.deepEqual(await one.messages.next(), ["caller", "sent"]);
  assert.deepEqual(one.events.all, []);
});

test("1 000 calls at once are answered, each with its own result", async () => {
  const one = await bench();
  const numbers = Array.from({ length: 1_000 }, (_, index) => index);
  assert.deepEqual(await Promise.all(numbers.map((number) => one.call("Echo", number))), numbers);
});

test("1 000 calls run in the order they were sent", async () => {
  const one = await lab();
  for (let index = 0; index < 1_000; index += 1) one.connection.send("ToCaller", String(index));
  const messages = await one.messages.take(1_000);
  assert.deepEqual(messages, Array.from({ length: 1_000 }, (_, index) => ["caller", String(index)]));
});

test("a burst from the hub comes in order", async () => {
  const one = await lab();
  await one.call("Burst", 1_000);
  const messages = await one.messages.take(1_000);
  assert.deepEqual(messages.map((args) => args.at(-1)), Array.from({ length: 1_000 }, (_, index) => String(index)));
});

test("calls of one connection wait for an asynchronous one before them", async () => {
  const one = await lab();
  const done = [];
  await Promise.all([
    one.call("Later", "slow", 200).then((text) => done.push(text)),
    one.call("Later", "quick", 1).then((text) => done.push(text)),
    one.call("Add", 1, 1).then((sum) => done.push(sum)),
  ]);
  assert.deepEqual(done, ["slow", "quick", 2]);
});

test("an asynchronous method holds up no other connection", async () => {
  const [one, other] = await Promise.all([lab(), lab()]);
  const slow = one.call("Later", "slow", 400);
  const begin = Date.now();
  assert.equal(await other.call("Add", 1, 2), 3);
  assert.ok(Date.now() - begin < 300, "the other connection had to wait");
  assert.equal(await slow, "slow");
});

test("a call of exactly the size limit passes", async () => {
  const one = await bench();
  const text = textForMessageOf(MESSAGE_BYTES_MAX);
  assert.equal(await one.call("Echo", text), text);
});

test("a call of one byte more ends the connection, and the client reads why", async () => {
  const one = await bench();
  const failure = await one.failure("Echo", textForMessageOf(MESSAGE_BYTES_MAX + 1));
  const expected =
    "Server returned an error on close: Connection closed with an error. InvalidDataException: " +
    `The maximum message size of ${MESSAGE_BYTES_MAX}B was exceeded. ` +
    "The message size can be configured in AddHubOptions.";
  assert.equal(failure, expected);
  await until(() => one.events.all.length > 0, 5_000, "onclose");
  assert.deepEqual(one.events.all, [["closed", expected]]);
});

test("results may be larger than the limit for calls", async () => {
  const one = await lab();
  for (const length of [65_535, 65_536, 1_000_000]) {
    const text = await one.call("Large", length);
    assert.equal(text.length, length);
    assert.match(text, /^x+$/);
  }
});

/** The text whose first Echo call makes a message of so many bytes, record separator included. */
function textForMessageOf(bytes) {
  const around = JSON.stringify({ arguments: [""], invocationId: "0", target: "Echo", type: 1 });
  return "x".repeat(bytes - around.length - 1);
}
