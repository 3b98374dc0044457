// Stateful reconnect with the official client, whose sockets are cut by a proxy.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { JsonHubProtocol } from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";
import { Proxy } from "../support/proxy.js";
import { sleep, until } from "../support/wait.js";
import { client, connect, serveFile } from "./hub.js";

const at = serveFile();
const ROUNDS = 15;

let proxy;
beforeEach(async () => {
  proxy = await Proxy.to(at.server.port);
});
afterEach(() => proxy.close());

const lab = (options) => connect(`${proxy.url}/hubs/lab`, { stateful: true, ...options });
/** Somebody whose connection is never cut. */
const steady = (options) => connect(`${at.url}/hubs/lab`, options);

async function journal(id) {
  const response = await fetch(`${at.url}/lab/events?id=${id}`);
  return response.json();
}

/** Waits until the server has seen so many returns. */
function resumed(id, times) {
  const seen = async () => (await journal(id)).filter((entry) => entry === "resumed").length >= times;
  return until(seen, 10_000, `return ${times}`);
}

for (const [name, protocol] of [
  ["JSON", () => new JsonHubProtocol()],
  ["MessagePack", () => new MessagePackHubProtocol()],
]) {
  describe(name, () => {
    test("a stream of calls and broadcasts in both directions loses and doubles nothing", async () => {
      const [one, other] = [await lab({ protocol: protocol() }), await steady()];
      const { id } = one;
      await one.call("Join", "both");
      await other.call("Join", "both");
      const sums = [];
      const sent = { one: 0, other: 0 };
      for (let round = 1; round <= ROUNDS; round += 1) {
        const end = Date.now() + 150;
        while (Date.now() < end) {
          const number = sent.one;
          sums.push(one.call("Add", number, 1).then((sum) => assert.equal(sum, number + 1)));
          one.send("ToOthersInGroup", "both", String(sent.one++));
          other.send("ToOthersInGroup", "both", String(sent.other++));
          await sleep(3);
        }
        if (round % 2 === 0) proxy.cut();
        else proxy.end();
        // The client tries once only, so it is let come back before the next cut.
        await resumed(id, round);
      }
      await Promise.all(sums);
      const texts = async (who, count) => (await who.messages.take(count)).map(([, text]) => Number(text));
      const numbers = (count) => Array.from({ length: count }, (_, number) => number);
      assert.deepEqual(await texts(one, sent.other), numbers(sent.other));
      assert.deepEqual(await texts(other, sent.one), numbers(sent.one));
      await sleep(200);
      assert.deepEqual([one.messages.rest(), other.messages.rest(), one.events.rest()], [[], [], []]);
      assert.equal(one.id, id);
      assert.equal(await one.call("ConnectionId"), id);
      assert.deepEqual(await journal(id), ["connected", ...Array(ROUNDS).fill("resumed")]);
      assert.ok(sent.one > ROUNDS * 5, `${sent.one} were sent`);
    });

    test("a call that runs while the socket is away is answered afterwards", async () => {
      const one = await lab({ protocol: protocol() });
      const slow = one.call("Later", "still here", 600);
      await sleep(100);
      proxy.cut();
      assert.equal(await slow, "still here");
      assert.deepEqual(await journal(one.id), ["connected", "resumed"]);
    });

    test("what is called while the socket is away is sent afterwards", async () => {
      const one = await lab({ protocol: protocol() });
      proxy.cut();
      const calls = [1, 2, 3].map((number) => one.call("Add", number, number));
      assert.deepEqual(await Promise.all(calls), [2, 4, 6]);
    });

    test("a cut in the middle of a large message, either way", async () => {
      const one = await lab({ protocol: protocol() });
      proxy.cutAfter(300_000);
      assert.equal((await one.call("Large", 900_000)).length, 900_000);
      assert.deepEqual(await journal(one.id), ["connected", "resumed"]);
      proxy.cutAfter(10_000);
      const text = "y".repeat(30_000);
      await one.send("ToCaller", text);
      assert.deepEqual(await one.messages.next(), ["caller", text]);
      assert.deepEqual(await journal(one.id), ["connected", "resumed", "resumed"]);
      await sleep(200);
      assert.deepEqual(one.messages.rest(), []);
    });

    test("more than the buffer holds comes through, acknowledgement by acknowledgement", async () => {
      const one = await lab({ protocol: protocol() });
      await one.send("Burst", 6_000);
      await sleep(300);
      proxy.cut();
      const heard = await one.messages.take(6_000, 20_000);
      assert.deepEqual(heard, Array.from({ length: 6_000 }, (_, number) => [String(number)]));
    });
  });
}

test("who cannot come back is closed, and forgotten after 15 s", async () => {
  const one = await lab();
  const { id } = one;
  proxy.refuse();
  assert.equal((await one.events.next())[0], "closed");
  await sleep(10_000);
  assert.deepEqual(await journal(id), ["connected"]);
  await until(async () => (await journal(id)).length === 2, 8_000, "the end of the connection");
  assert.deepEqual(await journal(id), ["connected", "disconnected"]);
});

test("with automatic reconnect, too, who cannot come back gets a new connection", async () => {
  const one = await lab({ reconnect: true });
  const { id } = one;
  // The one attempt to come back is refused; the next connection is a new one.
  proxy.refuse(1);
  const [first] = await one.events.next();
  const [second, now] = await one.events.next();
  assert.deepEqual([first, second], ["reconnecting", "reconnected"]);
  assert.notEqual(now, id);
  assert.equal(await one.call("Add", 1, 2), 3);
});

test("who did not ask for it gets a new connection", async () => {
  const one = client(`${proxy.url}/hubs/lab`, { reconnect: true });
  await one.start();
  const { id } = one;
  proxy.cut();
  assert.equal((await one.events.next())[0], "reconnecting");
  assert.equal((await one.events.next())[0], "reconnected");
  assert.notEqual(one.id, id);
  await until(async () => (await journal(id)).length === 2, 5_000, "the end of the connection");
});

test("a client that stops says so, and nothing is kept for it", async () => {
  const one = await lab();
  const { id } = one;
  await one.stop();
  await until(async () => (await journal(id)).includes("disconnected"), 5_000, "the end of the connection");
});
