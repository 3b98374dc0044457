// The MessagePack protocol with the official client: values of every kind, errors, and messages between clients
// that speak different protocols.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpTransportType } from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";
import { client, connect, serveFile } from "./hub.js";

const at = serveFile();
const packed = (path, options = {}) =>
  connect(`${at.url}${path}`, { protocol: new MessagePackHubProtocol(), ...options });
const lab = (options) => packed("/hubs/lab", options);
const bench = (options) => packed("/bench", options);

test("results, nothing, and method names in any letter case", async () => {
  const one = await lab();
  assert.equal(await one.call("Add", -7, 9), 2);
  assert.equal(await one.call("aDD", 2 ** 31 - 1, 0), 2 ** 31 - 1);
  assert.equal((await one.call("Nothing")) ?? null, null);
  assert.equal(await one.call("Later", "ü", 20), "ü");
});

test("it works without negotiation", async () => {
  const one = await lab({ skipNegotiation: true, transport: 1 });
  assert.equal(await one.call("Add", 1, 2), 3);
});

const values = {
  null: null,
  "true and false": [true, false],
  integers: [0, -1, 127, 128, -32, -33, 255, 256, 65_536, 2 ** 31, 2 ** 32 - 1],
  fractions: [0.1, -2.5e-10, 1.7976931348623157e308],
  texts: ["", "x".repeat(31), "x".repeat(32), "x".repeat(300), "Привет, 👩‍👩‍👧‍👦", "before\u001eafter\u0000"],
  "nested arrays": [[], [[1], [2, [3]]], ["a", null]],
  "long arrays": Array.from({ length: 20 }, (_, index) => index),
  "an object": { name: "x", list: [1, { deep: { deeper: null } }], "odd key \u{1f511}": "", "": 1 },
  bytes: Uint8Array.from([0, 1, 0x1e, 255]),
  "many bytes": new Uint8Array(300).fill(7),
  "a moment": new Date("2020-01-02T03:04:05.678Z"),
  "moments and bytes inside": { when: [new Date(0), new Date("1969-12-31T00:00:00Z")], bytes: Uint8Array.from([1]) },
};

for (const [name, value] of Object.entries(values)) {
  test(`there and back: ${name}`, async () => {
    const one = await bench();
    assert.deepEqual(plain(await one.call("Echo", value)), value);
  });
}

/** Bytes come as a view of something larger; only what they say is compared. */
function plain(value) {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

test("lengths around the borders of the prefix", async () => {
  const one = await bench();
  for (const length of [100, 110, 115, 120, 128, 16_350, 16_370, 16_384, 32_000]) {
    assert.equal((await one.call("Echo", "x".repeat(length))).length, length);
  }
  const two = await lab();
  assert.equal((await two.call("Large", 1_000_000)).length, 1_000_000);
});

test("errors of calls, and the connection stays", async () => {
  const one = await lab();
  const failed = (method) => `Failed to invoke '${method}' due to an error on the server.`;
  assert.equal(await one.failure("Nope"), `${failed("Nope")} HubException: Method does not exist.`);
  assert.equal(await one.failure("Add", 1), failed("Add"));
  for (const wrong of ["5", 1.5, true, null, [1], { a: 1 }, 2 ** 31]) {
    assert.equal(await one.failure("Add", 1, wrong), failed("Add"), JSON.stringify(wrong));
  }
  assert.equal(
    await one.failure("Fail", "hub", "quoted \"ü\""),
    "An unexpected error occurred invoking 'Fail' on the server. HubException: quoted \"ü\"",
  );
  assert.equal(await one.failure("Fail", "panic", "x"), "An unexpected error occurred invoking 'Fail' on the server.");
  assert.equal(await one.call("Add", 1, 2), 3);
});

test("a message that is too long ends the connection with an error", async () => {
  const one = await bench();
  await assert.rejects(one.call("Echo", "x".repeat(40_000)), /maximum message size of 32768B was exceeded/);
});

test("the hub ends a connection, for good or not", async () => {
  const one = await lab();
  one.call("Abort").catch(() => {});
  assert.equal((await one.events.next())[0], "closed");
  const two = await lab({ reconnect: true });
  two.call("CloseWithReconnect").catch(() => {});
  assert.equal((await two.events.next())[0], "reconnecting");
  assert.equal((await two.events.next())[0], "reconnected");
  assert.equal(await two.call("Add", 1, 2), 3);
});

test("selectors reach clients of both protocols, each in its own", async () => {
  const all = await Promise.all([
    lab(),
    connect(`${at.url}/hubs/lab`),
    packed("/hubs/lab?user=pair"),
    connect(`${at.url}/hubs/lab?user=pair`),
  ]);
  const [ann, bo, cy, di] = all;
  const got = async (clients, ...message) => {
    await ann.call("ToAll", "mark");
    for (const each of all) {
      const expected = clients.includes(each) ? [message, ["all", "mark"]] : [["all", "mark"]];
      assert.deepEqual(await each.messages.take(expected.length), expected);
    }
  };
  await bo.call("ToAll", "hello ü");
  await got(all, "all", "hello ü");
  await ann.call("ToOthers", "x");
  await got([bo, cy, di], "others", "x");
  await cy.call("ToCaller", "x");
  await got([cy], "caller", "x");
  await bo.call("ToClients", [ann.id, bo.id, "nobody"], "x");
  await got([ann, bo], "clients", "x");
  await ann.call("ToUser", "pair", "x");
  await got([cy, di], "user", "x");
  await Promise.all([bo.call("Join", "red"), cy.call("Join", "red"), ann.call("Join", "blue")]);
  await di.call("ToGroups", ["red", "blue"], "x");
  await got([ann, bo, cy], "groups", "x");
  await cy.call("ToOthersInGroup", "red", "x");
  await got([bo], "othersInGroup red", "x");
});

test("values between the protocols", async () => {
  const [one, other] = [await bench(), await connect(`${at.url}/bench`)];
  const value = { list: [1, -2.5, null, true, "ü"], deep: { deeper: {} } };
  await one.call("Broadcast", value);
  await other.call("Broadcast", value);
  for (const each of [one, other]) assert.deepEqual(await each.messages.take(2), [[value], [value]]);
});

test("many messages come in order", async () => {
  const one = await lab();
  await one.call("Burst", 1_000);
  const heard = (await one.messages.take(1_000)).map(([text]) => Number(text));
  assert.deepEqual(heard, Array.from({ length: 1_000 }, (_, index) => index));
});

test("over an event stream it is refused, by the client before anything is sent", async () => {
  const lost = client(`${at.url}/hubs/lab`, {
    protocol: new MessagePackHubProtocol(),
    transport: HttpTransportType.ServerSentEvents,
  });
  await assert.rejects(lost.start(), /does not support Binary/);
});
