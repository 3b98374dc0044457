// Questions of the functional host to its clients, in every way that a client can reach it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "../support/wait.js";
import { serveFunctional } from "./functional.js";
import { eachWay } from "./ways.js";

const at = serveFunctional();
const FAILED = "An unexpected error occurred invoking 'AskCaller' on the server. HubException: ";

eachWay(at, (way, reach) => {
  /** A client of the work hub with these answers. */
  async function answering(answers, query = "") {
    const one = await reach(`/workhub${query}`);
    for (const [method, answer] of Object.entries(answers)) one.connection.on(method, answer);
    return one;
  }

  test("the caller answers, at once or later", async () => {
    const one = await answering({
      Upper: (text) => text.toUpperCase(),
      Later: async (text) => {
        await sleep(50);
        return `${text} later`;
      },
      Nothing: () => null,
      Swap: ({ Key, Value }) => ({ Key: Key.toUpperCase(), Value: -Value }),
    });
    assert.equal(await one.call("AskCaller", "Upper", "grün"), "GRÜN");
    assert.equal(await one.call("AskCaller", "upper", "x"), "X");
    assert.equal(await one.call("AskCaller", "Later", "much"), "much later");
    assert.equal(await one.call("AskCaller", "Nothing", "x"), null);
    assert.deepEqual(await one.call("AskPair", "Swap", { Key: "k", Value: 4 }), { Key: "K", Value: -4 });
    assert.equal((await one.call("AskCaller", "Upper", "x".repeat(20_000))).length, 20_000);
  });

  test("answers that are errors, or are missing, or are of the wrong type", async () => {
    const one = await answering({
      Fail: () => {
        throw new Error("no idea");
      },
      Number: () => 5,
      Text: () => "five",
    });
    assert.equal(await one.failure("AskCaller", "Fail", "x"), `${FAILED}Error: no idea`);
    assert.equal(await one.failure("AskCaller", "Nobody", "x"), `${FAILED}Client didn't provide a result.`);
    assert.match(await one.failure("AskCaller", "Number", "x"), /AskCaller/);
    assert.match(await one.failure("AskNumber", await one.call("ConnectionId"), "Text"), /AskNumber/);
    assert.equal(await one.call("Add", 1, 2), 3);
  });

  test("other connections are asked, one and many at once", async () => {
    const others = await Promise.all(
      [10, 20, 30].map((base) => answering({ Number: (index = 0) => base + index })),
    );
    const ids = await Promise.all(others.map((other) => other.call("ConnectionId")));
    const one = await answering({});
    assert.equal(await one.call("AskNumber", ids[1], "Number"), 20);
    assert.deepEqual(await one.call("AskMany", ids, "Number"), [10, 21, 32]);
    assert.match(await one.failure("AskNumber", "nobody", "Number"), /AskNumber/);
  });

  test("a connection that goes away does not answer", async () => {
    const tag = at.newTag();
    const other = await answering({ Sleep: () => new Promise(() => {}) }, `?tag=${tag}`);
    const id = await other.call("ConnectionId");
    const one = await answering({});
    const asked = one.failure("AskNumber", id, "Sleep");
    await sleep(100);
    await other.stop();
    await at.entry(tag, `disconnected ${id}`);
    assert.match(await asked, /AskNumber/);
  });

  test("an answer that comes too late is no harm", async () => {
    const one = await answering({
      Sleep: async () => {
        await sleep(200);
        return "late";
      },
      Quick: () => "in time",
    });
    assert.equal(await one.call("AskWithin", "Quick", 2_000), "in time");
    assert.equal(await one.call("AskWithin", "Sleep", 30), "no answer in time");
    await sleep(300);
    assert.equal(await one.call("Add", 1, 2), 3);
  });

  test("many questions at once", async () => {
    const one = await answering({ Echo: (text) => text });
    const texts = Array.from({ length: 50 }, (_, index) => `text ${index}`);
    // A call waits for the one before it; only then may its question be asked.
    assert.deepEqual(await Promise.all(texts.map((text) => one.call("AskCaller", "Echo", text))), texts);
  });

  test("asked from outside of a call", async () => {
    const one = await reach("/testhub");
    one.connection.on("Result", () => 42);
    const id = await one.call("GetCallerConnectionId");
    assert.equal(await at.get(`/clientresult/${id}`), "42");
    one.connection.off("Result");
    assert.equal(await at.get(`/clientresult/${id}`), "Client didn't provide a result.");
    assert.match(await at.get("/clientresult/nobody"), /./);
  });
});
