// Streams in bulk, side by side, and broken off: what happens between the hub and a client when they are many, or
// when one of them goes away. The lab's journal tells what the hub saw.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Subject } from "@microsoft/signalr";
import { sleep, until } from "../support/wait.js";
import { serveFile } from "./hub.js";
import { eachWay } from "./ways.js";

const STREAM_TIMEOUT = 15_000;

const at = serveFile();

/** A stream of the hub that is read until somebody has had enough. */
class Download {
  items = [];

  constructor(one, method, ...args) {
    const next = (item) => this.items.push(item);
    this.subscription = one.connection.stream(method, ...args).subscribe({ next, complete() {}, error() {} });
  }

  has(count) {
    return until(() => this.items.length >= count, STREAM_TIMEOUT, `${count} items`);
  }

  cancel() {
    this.subscription.dispose();
  }
}

/** An upload of these items. */
function upload(items) {
  const subject = new Subject();
  setTimeout(() => {
    for (const item of items) subject.next(item);
    subject.complete();
  }, 0);
  return subject;
}

async function journal(id) {
  const response = await fetch(`${at.url}/lab/events?id=${id}`);
  return response.json();
}

const heard = (id, entry, count = 1) =>
  until(async () => (await journal(id)).filter((known) => known === entry).length === count, 5_000, entry);

const upTo = (count) => Array.from({ length: count }, (_, index) => index);

eachWay(at, (way, reach) => {
  const lab = () => reach("/hubs/lab");

  test("many items, and items larger than what waits for a client", async () => {
    const one = await lab();
    assert.deepEqual(await one.stream("Count", 20_000), { items: upTo(20_000) });
    const block = "x".repeat(20_000);
    assert.deepEqual(await one.stream("Blocks", 300, block.length), { items: upTo(300).map(() => block) });
    const large = "x".repeat(900_000);
    assert.deepEqual(await one.stream("Blocks", 5, large.length), { items: upTo(5).map(() => large) });
  });

  test("streams up and down beside each other, while calls are answered", async () => {
    const one = await lab();
    const down = upTo(20).map((count) => one.stream("SlowCount", count, 2));
    const words = upTo(100).map(String);
    const up = upTo(5).map(() => one.call("SlowCollect", upload(words), 1));
    const both = one.stream("Shout", upload(["a", "ü"]));
    assert.equal(await one.call("Add", 1, 2), 3);
    assert.deepEqual(await Promise.all(down), upTo(20).map((count) => ({ items: upTo(count) })));
    assert.deepEqual(await Promise.all(up), upTo(5).map(() => words.length));
    assert.deepEqual(await both, { items: ["A", "Ü"] });
    assert.equal(await one.call("Sum", upload(upTo(1_000))), 499_500);
    const failed = await one.stream("CountThenFail", 2, "no more");
    assert.deepEqual(failed.items, [0, 1]);
    assert.match(failed.error, /while streaming results. HubException: no more$/);
  });

  test("streams that are cancelled: each method ends, the connection goes on", async () => {
    const one = await lab();
    // Not negotiated, a client does not know its id.
    const id = await one.call("ConnectionId");
    const streams = upTo(3).map(() => new Download(one, "Endless", 2));
    await Promise.all(streams.map((stream) => stream.has(3)));
    assert.ok(!(await journal(id)).includes("stream ended"));
    streams[1].cancel();
    await heard(id, "stream ended", 1);
    const counts = streams.map((stream) => stream.items.length);
    await streams[2].has(counts[2] + 3);
    assert.equal(streams[1].items.length, counts[1]);
    streams[0].cancel();
    streams[2].cancel();
    await heard(id, "stream ended", 3);
    assert.equal(await one.call("Add", 1, 2), 3);
  });

  test("a stream that is cancelled while its client cannot take all of it", async () => {
    const one = await lab();
    const blocks = new Download(one, "Blocks", 1_000_000, 10_000);
    await blocks.has(1);
    blocks.cancel();
    assert.equal(await one.call("Add", 1, 2), 3);
    await sleep(100);
    assert.ok(blocks.items.length < 10_000, `${blocks.items.length} items`);
  });

  test("streams of both directions end with their connection", async () => {
    const one = await lab();
    const id = await one.call("ConnectionId");
    const streams = upTo(2).map(() => new Download(one, "Endless", 2));
    await Promise.all(streams.map((stream) => stream.has(1)));
    const subject = new Subject();
    one.call("Collect", subject).catch(() => {});
    subject.next("a");
    await one.call("Add", 1, 2);
    await one.stop();
    await heard(id, "stream ended", 2);
    await heard(id, "upload failed: The underlying connection was closed.");
  });
});
