// The oldest version of the official client that is still met, beside the newest, in every way that it can be used.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as newest from "@microsoft/signalr";
import * as newestMessagePack from "@microsoft/signalr-protocol-msgpack";
import * as five from "signalr-5";
import * as fiveMessagePack from "signalr-msgpack-5";
import { until } from "../support/wait.js";
import { serveFile } from "./hub.js";
import { eachWay } from "./ways.js";

const VERSIONS = [
  { name: "newest", library: newest, packedProtocol: newestMessagePack.MessagePackHubProtocol },
  { name: "version 5", library: five, packedProtocol: fiveMessagePack.MessagePackHubProtocol },
];

// Version 5 takes whoever has `fetch` for something with `self`, which Node did not have in its time.
globalThis.self ??= globalThis;

const at = serveFile();

for (const version of VERSIONS) eachWay(at, checks, version);

function checks({ name, transport }, reach) {
  test("calls, values and errors", async () => {
    const one = await reach("/hubs/lab");
    assert.equal(await one.call("Transport"), transport);
    assert.equal(await one.call("Add", -7, 9), 2);
    assert.equal((await one.call("Nothing")) ?? null, null);
    const sums = await Promise.all(Array.from({ length: 100 }, (_, number) => one.call("Add", number, 1)));
    assert.deepEqual(sums, Array.from({ length: 100 }, (_, number) => number + 1));
    assert.match(await one.failure("Fail", "hub", 'no "ü"'), /HubException: no "ü"$/);
    assert.match(await one.failure("Nope"), /Method does not exist\.$/);
    const two = await reach("/bench");
    const value = { list: [1, -2.5, null, true, "ü 👩‍👩‍👧‍👦"], deep: { deeper: { "": 0 } } };
    assert.deepEqual(await two.call("Echo", value), value);
    assert.equal((await one.call("Large", 300_000)).length, 300_000);
  });

  test("calls of the server, in order", async () => {
    const one = await reach("/hubs/lab");
    await one.call("Burst", 500);
    const heard = (await one.messages.take(500)).map(([text]) => Number(text));
    assert.deepEqual(heard, Array.from({ length: 500 }, (_, index) => index));
    await one.send("ToCaller", "x".repeat(30_000));
    assert.deepEqual(await one.messages.next(), ["caller", "x".repeat(30_000)]);
  });

  test("groups", async () => {
    const [one, other] = [await reach("/hubs/lab"), await reach("/hubs/lab")];
    await Promise.all([one.call("Join", name), other.call("Join", name)]);
    await one.call("ToGroup", name, "all of us");
    await one.call("ToOthersInGroup", name, "you");
    await other.call("Leave", name);
    await one.call("ToGroup", name, "me");
    await other.call("ToCaller", "end");
    assert.deepEqual(await one.messages.take(2), [
      [`group ${name}`, "all of us"],
      [`group ${name}`, "me"],
    ]);
    assert.deepEqual(await other.messages.take(3), [
      [`group ${name}`, "all of us"],
      [`othersInGroup ${name}`, "you"],
      ["caller", "end"],
    ]);
  });

  test("ends, and a new connection behind one that the server ended", async () => {
    const one = await reach("/hubs/lab", { reconnect: true });
    const id = await one.call("ConnectionId");
    await one.send("CloseWithReconnect");
    assert.equal((await one.events.next())[0], "reconnecting");
    assert.equal((await one.events.next())[0], "reconnected");
    const newId = await one.call("ConnectionId");
    assert.notEqual(newId, id);
    await one.stop();
    assert.deepEqual(await one.events.next(), ["closed", undefined]);
    const journal = async () => (await fetch(`${at.url}/lab/events?id=${newId}`)).json();
    await until(async () => (await journal()).length === 2, 5_000, "the hub's disconnect event");
    assert.deepEqual(await journal(), ["connected", "disconnected"]);
  });
}
