// Streams and uploads in bulk, side by side, and through a connection that does not move: what a slow end costs the
// other one, and nobody else.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Subject } from "@microsoft/signalr";
import { Proxy } from "../support/proxy.js";
import { sleep, until } from "../support/wait.js";
import { serveFunctional } from "./functional.js";
import { connect } from "./hub.js";
import { eachWay } from "./ways.js";

const ITEMS_TIMEOUT = 15_000;
// What a hub holds of an upload that nobody reads.
const UPLOAD_CAPACITY = 10;

const at = serveFunctional();
// Every client goes through a proxy that can stand still.
const through = {};
let proxy;
beforeEach(async () => {
  proxy = await Proxy.to(at.server.port);
  through.url = proxy.url;
});
afterEach(() => proxy.close());

/** A stream of the hub that is read until somebody has had enough. */
class Download {
  items = [];
  ended = false;

  constructor(one, method, ...args) {
    const end = () => (this.ended = true);
    const next = (item) => this.items.push(item);
    this.subscription = one.connection.stream(method, ...args).subscribe({ next, complete: end, error: end });
  }

  has(count) {
    return until(() => this.items.length >= count, ITEMS_TIMEOUT, `${count} items`);
  }

  cancel() {
    this.subscription.dispose();
  }
}

/** An upload of these items, which ends as soon as they are sent. */
function upload(items) {
  const subject = new Subject();
  setTimeout(() => {
    for (const item of items) subject.next(item);
    subject.complete();
  }, 0);
  return subject;
}

const upTo = (count) => Array.from({ length: count }, (_, index) => index + 1);

const words = (count, size) => upTo(count).map((n) => String.fromCharCode(97 + ((n - 1) % 26)).repeat(size));

/** Somebody who is not slow. */
async function bystander() {
  const one = await connect(`${at.url}/workhub`);
  return () => one.call("Add", 1, 2);
}

eachWay(through, (way, reach) => {
  const work = (query = "") => reach(`/workhub${query}`);
  const heard = async (tag, entry) => (await at.journal(tag)).filter((known) => known === entry).length;
  const hears = (tag, entry, count) =>
    until(async () => (await heard(tag, entry)) === count, ITEMS_TIMEOUT, `${count} of ${entry}`);

  test("many items, and items larger than what waits for a client", async () => {
    const one = await work();
    assert.deepEqual(await one.stream("Count", 20_000, 0), { items: upTo(20_000) });
    assert.deepEqual(await one.stream("Words", 300, 20_000), { items: words(300, 20_000) });
    assert.deepEqual(await one.stream("Words", 5, 900_000), { items: words(5, 900_000) });
  });

  test("streams up and down beside each other, while calls are answered", async () => {
    const one = await work();
    const down = upTo(20).map((count) => one.stream("Count", count, 2));
    const up = upTo(5).map(() => one.call("Collect", upload(words(100, 10))));
    const both = one.stream("Shout", upload(["a", "ü"]));
    assert.equal(await one.call("Add", 1, 2), 3);
    assert.deepEqual(await Promise.all(down), upTo(20).map((count) => ({ items: upTo(count) })));
    assert.deepEqual(await Promise.all(up), upTo(5).map(() => words(100, 10)));
    assert.deepEqual(await both, { items: ["A", "Ü"] });
  });

  test("one of several streams is cancelled, the others go on", async () => {
    const tag = at.newTag();
    const one = await work(`?tag=${tag}`);
    const ended = `stream-ended ${await one.call("ConnectionId")}`;
    const streams = upTo(3).map(() => new Download(one, "Forever", 2));
    await Promise.all(streams.map((stream) => stream.has(3)));
    assert.equal(await heard(tag, ended), 0);
    streams[1].cancel();
    await hears(tag, ended, 1);
    const counts = streams.map((stream) => stream.items.length);
    await streams[2].has(counts[2] + 3);
    assert.equal(streams[1].items.length, counts[1]);
    streams[0].cancel();
    streams[2].cancel();
    await hears(tag, ended, 3);
    for (const { items } of streams) assert.deepEqual(items, upTo(items.length).map((n) => n - 1));
  });

  test("a client that does not read holds up its stream, and nobody else", async () => {
    const ask = await bystander();
    const one = await work();
    const count = 2_000;
    const before = await at.server.memory();
    const stream = new Download(one, "Words", count, 20_000);
    await stream.has(1);
    proxy.hold();
    await sleep(500);
    assert.equal(await ask(), 3);
    const some = stream.items.length;
    const grown = (await at.server.memory()) - before;
    assert.ok(some < count, `${some} items`);
    assert.ok(grown < MEMORY_MAX, `${grown} bytes more for one client that does not read`);
    proxy.release();
    await until(() => stream.ended, ITEMS_TIMEOUT, "the end of the stream");
    assert.deepEqual(stream.items, words(count, 20_000));
  });

  test("a stream is cancelled while its client does not read", async () => {
    const one = await work();
    const stream = new Download(one, "Words", 1_000_000, 10_000);
    await stream.has(1);
    proxy.hold();
    await sleep(100);
    stream.cancel();
    await sleep(100);
    proxy.release();
    assert.equal(await one.call("Add", 1, 2), 3);
    assert.ok(stream.items.length < 10_000, `${stream.items.length} items`);
  });

  test("an upload that is read slowly holds up its client, and nobody else", async () => {
    const ask = await bystander();
    const one = await work();
    const [items, ms] = [UPLOAD_CAPACITY + 50, 20];
    const begin = Date.now();
    let isHeldUp = true;
    const counted = one.call("SlowCount", upload(words(items, 100)), ms);
    // It is sent behind the items, which some transports take one by one.
    await sleep(400);
    const behind = one.call("Add", 1, 2).then((sum) => {
      isHeldUp = false;
      return sum;
    });
    assert.equal(await ask(), 3);
    assert.ok(isHeldUp, "the call passed the upload");
    assert.equal(await behind, 3);
    const least = (items - UPLOAD_CAPACITY - 10) * ms;
    assert.ok(Date.now() - begin >= least, `${Date.now() - begin} ms, and not ${least}`);
    assert.equal(await counted, items);
  });

  test("streams of both directions end with their connection", async () => {
    const tag = at.newTag();
    const one = await work(`?tag=${tag}`);
    const id = await one.call("ConnectionId");
    const streams = upTo(2).map(() => new Download(one, "Forever", 2));
    await Promise.all(streams.map((stream) => stream.has(1)));
    const subject = new Subject();
    await one.send("UploadAndTell", subject);
    subject.next(1);
    assert.equal(await one.call("Add", 1, 2), 3);
    // The client waits for the answers to its POSTs: it does not look after them when they fail.
    await sleep(200);
    // Polls are missed after 15 s; the others are missed at once.
    if (way.transport === "LongPolling") await one.stop();
    else proxy.cut();
    await hears(tag, `stream-ended ${id}`, 2);
    await at.entry(tag, `upload-failed ${id} OperationCanceledException`);
  });
});

// The kernel's buffers are not the server's; what it may keep of one connection is 1 MiB.
const MEMORY_MAX = 16 * 1024 * 1024;
