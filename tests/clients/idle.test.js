// Connections on which nothing happens for longer than any timeout: the one slow file.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "../support/wait.js";
import { connect, serveFile } from "./hub.js";
import { RawHub } from "./raw-hub.js";

// Longer than the client's server timeout and the server's client timeout, which are 30 s each.
const IDLE = 35_000;
const at = serveFile();

test("35 seconds without a call", { concurrency: true }, async (t) => {
  const hub = `${at.wsUrl}/hubs/lab`;
  await Promise.all([
    t.test("the official client stays connected", async () => {
      const one = await connect(`${at.url}/hubs/lab`);
      await sleep(IDLE);
      assert.deepEqual(one.events.all, []);
      assert.equal(await one.call("Add", 1, 2), 3);
    }),
    t.test("a client that never pings stays, and hears a ping every 15 to 16 s", async () => {
      const one = await RawHub.open(hub);
      await sleep(IDLE);
      assert.equal(one.records.rest().filter(({ type }) => type === 6).length, 2);
      one.send({ type: 1, target: "Add", arguments: [1, 2], invocationId: "1" });
      assert.deepEqual(await one.records.next(), { type: 3, invocationId: "1", result: 3 });
      one.close();
    }),
    t.test("a client that pinged once and then falls silent is closed after 30 s", async () => {
      const one = await RawHub.open(hub);
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
    }),
  ]);
});
