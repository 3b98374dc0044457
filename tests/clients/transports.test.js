// The same things over each transport, with the official client.

import assert from "node:assert/strict";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import * as signalr from "@microsoft/signalr";
import { startServer } from "../support/server.js";
import { sleep, until } from "../support/wait.js";
import { connect } from "./hub.js";

const EVENT_TIMEOUT = 15_000;
const { WebSockets, ServerSentEvents, LongPolling } = signalr.HttpTransportType;

let server;
beforeEach(async () => {
  server = await startServer();
});
afterEach(async () => {
  await server.kill();
});
after(() => server?.kill());

async function event(one, kind) {
  const [came, detail] = await one.events.next(EVENT_TIMEOUT, `the event ${kind}`);
  assert.equal(came, kind, `${came}: ${detail}`);
  return detail;
}

async function journal(id) {
  const response = await fetch(`${server.url}/lab/events?id=${id}`);
  return response.json();
}

test("negotiate lists all transports, in the order of preference", async () => {
  const response = await fetch(`${server.url}/hubs/lab/negotiate?negotiateVersion=1`, { method: "POST" });
  const { availableTransports } = await response.json();
  assert.deepEqual(
    availableTransports.map(({ transport }) => transport),
    ["WebSockets", "ServerSentEvents", "LongPolling"],
  );
});

for (const [name, transport] of Object.entries({ WebSockets, ServerSentEvents, LongPolling })) {
  describe(name, () => {
    const lab = (options, query = "") => connect(`${server.url}/hubs/lab${query}`, { transport, ...options });

    test("calls are answered, many at a time and in order", async () => {
      const one = await lab();
      assert.equal(await one.call("Transport"), name);
      assert.equal(await one.call("Add", 1, 2), 3);
      const sums = await Promise.all(Array.from({ length: 200 }, (_, n) => one.call("Add", n, 1)));
      assert.deepEqual(sums, Array.from({ length: 200 }, (_, n) => n + 1));
      assert.match(await one.failure("Fail", "hub", "no"), /no$/);
    });

    test("big messages, and more of them than fit into one send", async () => {
      const one = await lab();
      assert.equal((await one.call("Large", 900_000)).length, 900_000);
      await one.call("Burst", 2_000);
      const heard = await one.messages.take(2_000, 10_000);
      assert.deepEqual(heard, Array.from({ length: 2_000 }, (_, n) => [String(n)]));
      await one.send("ToCaller", "x".repeat(30_000));
      assert.deepEqual(await one.messages.next(), ["caller", "x".repeat(30_000)]);
    });

    test("selectors reach whom they name, whatever carries them", async () => {
      const one = await lab({}, "?user=ann");
      const others = await Promise.all(
        [WebSockets, ServerSentEvents, LongPolling].map((each) =>
          connect(`${server.url}/hubs/lab?user=bo`, { transport: each }),
        ),
      );
      await others[1].call("Join", "red");
      await one.call("ToAll", "hello");
      await one.call("ToUser", "bo", "you");
      await one.call("ToGroup", "red", "reds");
      await one.call("ToClient", others[2].id, "only you");
      await one.call("ToOthers", "end");
      assert.deepEqual(await one.messages.next(), ["all", "hello"]);
      for (const [index, other] of others.entries()) {
        const own = [[], [["group red", "reds"]], [["client", "only you"]]][index];
        const expected = [["all", "hello"], ["user", "you"], ...own, ["others", "end"]];
        assert.deepEqual(await other.messages.take(expected.length), expected);
      }
    });

    test("stop: the client closes without error and the hub hears of it", async () => {
      const one = await lab();
      const { id } = one;
      await one.stop();
      assert.equal(await event(one, "closed"), undefined);
      await until(async () => (await journal(id)).length === 2, 5_000, "the hub's disconnect event");
      assert.deepEqual(await journal(id), ["connected", "disconnected"]);
    });

    test("Abort: the client closes without error and does not come back", async () => {
      const one = await lab({ reconnect: true });
      await one.connection.send("Abort");
      assert.equal(await event(one, "closed"), undefined);
      await sleep(300);
      assert.deepEqual(one.events.rest(), []);
    });

    test("Close with allowReconnect: the client comes back with a new id", async () => {
      const one = await lab({ reconnect: true });
      const before = one.id;
      await one.connection.send("CloseWithReconnect");
      await event(one, "reconnecting");
      assert.notEqual(await event(one, "reconnected"), before);
      assert.equal(await one.call("Transport"), name);
    });

    test("a killed server: the client comes back to its successor", async () => {
      const one = await lab({ reconnect: true });
      await server.kill();
      await event(one, "reconnecting");
      await server.startAgain();
      await event(one, "reconnected");
      assert.equal(await one.call("Add", 1, 2), 3);
    });

    test("SIGTERM: exit code 0, and the client comes back without an error", async () => {
      const one = await lab({ reconnect: true });
      assert.deepEqual(await server.stop(), { code: 0, signal: null }, server.errors);
      assert.equal(await event(one, "reconnecting"), undefined);
      await server.startAgain();
      await event(one, "reconnected");
      assert.equal(await one.call("Add", 1, 2), 3);
    });
  });
}
