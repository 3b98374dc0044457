// Streams from the hub, uploads to it, and both at once, in every way that a client can reach the functional host.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Subject } from "@microsoft/signalr";
import { Inbox } from "../support/wait.js";
import { serveFunctional } from "./functional.js";
import { eachWay } from "./ways.js";

const at = serveFunctional();

/** An upload of these items, which ends as soon as they are sent, with an error if one is given. */
function upload(items, error) {
  const subject = new Subject();
  setTimeout(() => {
    for (const item of items) subject.next(item);
    if (error) subject.error(error);
    else subject.complete();
  }, 0);
  return subject;
}

const upTo = (count) => Array.from({ length: count }, (_, index) => index + 1);

eachWay(at, (way, reach) => {
  const work = (query = "") => reach(`/workhub${query}`);

  test("streams of no, some and many items", async () => {
    const one = await work();
    for (const [count, ms] of [[0, 0], [1, 0], [3, 20], [1_000, 0]]) {
      assert.deepEqual(await one.stream("Count", count, ms), { items: upTo(count) });
    }
    assert.deepEqual(await one.stream("Words", 28, 3), {
      items: upTo(28).map((number) => String.fromCharCode(97 + ((number - 1) % 26)).repeat(3)),
    });
    assert.deepEqual(await one.stream("Gaps"), { items: [null, "one", null] });
    const pairs = [{ Key: "k1", Value: 1 }, { Key: "k2", Value: 2 }];
    assert.deepEqual(await one.stream("Pairs", 2), { items: pairs });
    const other = await reach("/testhub");
    assert.deepEqual(await other.stream("Stream"), { items: ["a", "b", "c"] });
    assert.deepEqual(await other.stream("EmptyStream"), { items: [] });
  });

  test("several streams and calls at once", async () => {
    const one = await work();
    const streams = upTo(5).map((count) => one.stream("Count", count * 10, 1));
    const sums = await Promise.all(upTo(20).map((number) => one.call("Add", number, number)));
    assert.deepEqual(sums, upTo(20).map((number) => 2 * number));
    assert.deepEqual(await Promise.all(streams), upTo(5).map((count) => ({ items: upTo(count * 10) })));
  });

  test("streams that fail: at once, after items, by being none, by being called as something else", async () => {
    const one = await work();
    const hub = await one.stream("CountThenThrow", 3, "hub", "enough");
    assert.deepEqual(hub.items, [1, 2, 3]);
    assert.match(hub.error, /HubException: enough$/);
    const other = await one.stream("CountThenThrow", 0, "other", "at once");
    assert.deepEqual(other.items, []);
    assert.match(other.error, /InvalidOperationException: at once$/);
    assert.match((await one.stream("NoStream")).error, /NoStream/);
    const test = await reach("/testhub");
    assert.match((await test.stream("StreamThrowException", "never")).error, /InvalidOperationException: never$/);
    assert.match(await one.failure("Count", 1, 0), /Count/);
    assert.match((await one.stream("Add", 1, 2)).error, /Add/);
    assert.equal(await one.call("Add", 1, 2), 3);
  });

  test("a stream that the client cancels", async () => {
    const tag = at.newTag();
    const one = await work(`?tag=${tag}`);
    const id = await one.call("ConnectionId");
    const items = await new Promise((resolve, reject) => {
      const seen = [];
      const stream = one.connection.stream("Forever", 5).subscribe({
        next(item) {
          seen.push(item);
          if (seen.length === 3) {
            stream.dispose();
            resolve(seen);
          }
        },
        error: reject,
      });
    });
    assert.deepEqual(items, [0, 1, 2]);
    await at.entry(tag, `stream-ended ${id}`);
    const other = await reach("/testhub");
    const cancelled = other.listen("StreamCanceled");
    other.connection.stream("InfiniteStream").subscribe({}).dispose();
    assert.deepEqual(await cancelled.next(), []);
  });

  test("a stream whose client goes away", async () => {
    const tag = at.newTag();
    const one = await work(`?tag=${tag}`);
    const id = await one.call("ConnectionId");
    one.connection.stream("Forever", 5).subscribe({ error() {} });
    await at.entry(tag, `stream-begun ${id}`);
    await one.stop();
    await at.entry(tag, `stream-ended ${id}`);
    await at.entry(tag, `disconnected ${id}`);
  });

  test("uploads", async () => {
    const one = await work();
    assert.equal(await one.call("Sum", upload(upTo(200))), 20_100);
    assert.equal(await one.call("Sum", upload([])), 0);
    assert.deepEqual(await one.call("Collect", upload(["a", "ü", ""])), ["a", "ü", ""]);
    assert.deepEqual(await one.call("CollectNumbers", upload([3, -1])), [3, -1]);
    assert.deepEqual(await one.call("CollectWith", "-", upload(["a", "b"]), 2), ["-a", "-a", "-b", "-b"]);
    assert.equal(await one.call("CollectTwo", upload([1, 2, 3]), " and ", upload(["x", "y"])), "6 and x+y");
    assert.equal(await one.call("SlowCount", upload(["a", "b", "c"]), 10), 3);
    assert.equal(await one.call("FirstOf", upload([7, 8, 9])), 7);
    assert.equal(await one.call("FirstOf", upload([])), -1);
    const other = await reach("/testhub");
    assert.equal(await other.call("StreamingConcat", upload(["a", "b", "c"])), "abc");
  });

  test("uploads that fail", async () => {
    const tag = at.newTag();
    const one = await work(`?tag=${tag}`);
    const id = await one.call("ConnectionId");
    assert.match(await one.failure("Sum", upload([1, 2], new Error("oh"))), /oh/);
    assert.match(await one.failure("Collect", upload(["a", 5])), /Collect/);
    await one.send("UploadAndTell", upload([1], new Error("oh")));
    await at.entry(tag, `upload-failed ${id} `);
    assert.equal(await one.call("Add", 1, 2), 3);
  });

  test("an upload behind a call that nobody waits for", async () => {
    const one = await work();
    const uploaded = one.listen("Uploaded");
    await one.send("UploadAndTell", upload(upTo(100)));
    assert.deepEqual(await uploaded.next(), [5_050]);
  });

  test("up and down in one call, item by item", async () => {
    const one = await work();
    const words = new Subject();
    const shouted = new Inbox();
    one.connection.stream("Shout", words).subscribe({
      next: (word) => shouted.add(word),
      complete: () => shouted.add("the end"),
      error: (error) => shouted.add(error),
    });
    for (const word of ["a", "grün"]) {
      words.next(word);
      assert.equal(await shouted.next(), word.toUpperCase());
    }
    words.complete();
    assert.equal(await shouted.next(), "the end");
  });

  test("an upload that is longer than what waits between", async () => {
    const wide = await reach("/widehub");
    const words = upTo(300).map((number) => `${number}`.repeat(50));
    assert.deepEqual(await wide.call("Collect", upload(words)), words);
    assert.equal(await wide.call("SlowCount", upload(words.slice(0, 20)), 2), 20);
  });
});
