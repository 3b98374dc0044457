// Calls and values of the functional host, in every way that a client can reach it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serveFunctional } from "./functional.js";
import { eachWay } from "./ways.js";

const at = serveFunctional();

const TEXTS = [
  "",
  "x".repeat(32),
  "Grüße, Привет, 你好, שלום",
  "👩‍👩‍👧‍👦 𝒳 e\u0301",
  "\"'\\/<>&\u2028\u2029\ufeff",
  "before\u001eafter\u0000\r\n",
];

/** What has a form of its own in each protocol. */
const FORMS = {
  json: {
    bytes: (...bytes) => Buffer.from(bytes).toString("base64"),
    date: (text) => text,
    colour: (number) => number,
  },
  packed: {
    bytes: (...bytes) => Uint8Array.from(bytes),
    date: (text) => new Date(text),
    colour: (number) => ["Red", "Green", "Blue"][number],
  },
};

/** Method -> values that come back as they are. */
function echoes({ bytes, date, colour }) {
  return {
    EchoBool: [true, false],
    EchoInt: [0, -1, 2 ** 31 - 1, -(2 ** 31)],
    EchoLong: [0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
    EchoDouble: [0, 0.1, -2.5e-10, 1e21, Number.MAX_VALUE, Number.MIN_VALUE],
    EchoString: [null, ...TEXTS],
    EchoBytes: [null, bytes(), bytes(0, 1, 0x1e, 255)],
    EchoMaybe: [null, -7],
    EchoGuid: ["00010203-0405-0607-0706-050403020100"],
    EchoDate: [date("2000-01-01T00:00:00Z"), date("2024-02-29T23:59:59.5Z")],
    EchoColour: [0, 1, 2].map(colour),
    EchoNumbers: [[], [1, -2, 2 ** 31 - 1]],
    EchoWords: [[], ["a", null, "ü"]],
    EchoTable: [[], [[1.5], [], [-2, 3.25]]],
    EchoMap: [{}, { one: 1, "odd key \u{1f511}": -1 }],
    EchoAny: [null, true, -0.5, "text", [1, [null, "b"]], { a: { b: [{}] } }],
    EchoEverything: [
      {
        Flag: true,
        Small: 255,
        Whole: -1,
        Big: Number.MAX_SAFE_INTEGER,
        Real: 0.25,
        Text: "ü",
        Nothing: null,
        Bytes: bytes(1, 2, 3),
        Id: "00010203-0405-0607-0706-050403020100",
        When: date("2000-01-01T00:00:00Z"),
        Colour: colour(1),
        Maybe: null,
        Numbers: [1, 2],
        Words: ["a", null],
        Map: { k: 1 },
        Inner: { Key: "k", Value: 3 },
        Pairs: [{ Key: null, Value: 0 }],
      },
    ],
  };
}

/** Method -> arguments that it has to refuse. */
const WRONG = {
  EchoBool: [1, "true", null],
  EchoInt: ["5", 1.5, 2 ** 31, true, null, [1]],
  EchoString: [5, ["a"]],
  EchoGuid: ["no guid", null],
  EchoNumbers: [[1, "2"], 1],
  EchoMap: [[1], { a: "1" }],
};

/** Bytes come as a view of something larger; only what they say is compared. */
function plain(value) {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

eachWay(at, ({ transport, packed, skipNegotiation }, reach) => {
  test("results, no results, null, and names in any letter case", async () => {
    const one = await reach("/workhub");
    assert.equal((await one.call("Nothing")) ?? null, null);
    assert.equal(await one.call("Null"), null);
    assert.equal(await one.call("Add", -7, 9), 2);
    assert.equal(await one.call("aDD", 1, 2), 3);
    assert.equal(await one.call("Repeat", "ab", 3), "ababab");
    assert.equal(await one.call("Slow", 30, "slowly"), "slowly");
    assert.equal(await one.call("Length", "𝒳e\u0301"), 4);
    assert.equal(await one.call("Transport"), transport);
    assert.equal(await one.call("UserName"), null);
    const id = await one.call("ConnectionId");
    if (!skipNegotiation) assert.equal(id, one.id);
  });

  test("what the connection knows: its query and its items", async () => {
    const one = await reach("/WorkHub?colour=gr%C3%BCn%20%26%20blau&empty=");
    assert.equal(await one.call("Query", "colour"), "grün & blau");
    assert.equal(await one.call("Query", "empty"), "");
    assert.equal(await one.call("Query", "absent"), null);
    assert.equal(await one.call("GetItem", "k"), null);
    await one.call("SetItem", "k", "v");
    assert.equal(await one.call("GetItem", "k"), "v");
    const other = await reach("/workhub");
    assert.equal(await other.call("GetItem", "k"), null);
  });

  test("values of every type come back", async () => {
    const one = await reach("/workhub");
    for (const [method, values] of Object.entries(echoes(FORMS[packed ? "packed" : "json"]))) {
      for (const value of values) assert.deepEqual(plain(await one.call(method, value)), value, method);
    }
    const pair = { Key: "k", Value: 3 };
    assert.equal(await one.call("Describe", true, 42, 2.5, "text", null, [1, 2], pair), "yes 42 2.5 text none 1.2 k=3");
    assert.equal(await one.call("Describe", false, -1, 1e3, "", 0, [], { Key: null, Value: 0 }), "no -1 1000  0  =0");
  });

  test("arguments of the wrong type, too few, too many, and unknown methods", async () => {
    const one = await reach("/workhub");
    for (const [method, values] of Object.entries(WRONG)) {
      for (const value of values) {
        const expected = new RegExp(`^Failed to invoke '${method}' due to an error on the server\\.`);
        assert.match(await one.failure(method, value), expected, JSON.stringify(value));
      }
    }
    assert.match(await one.failure("Add", 1), /^Failed to invoke 'Add' due to an error on the server\./);
    assert.match(await one.failure("Add", 1, 2, 3), /^Failed to invoke 'Add' due to an error on the server\./);
    assert.match(await one.failure("Nope"), /HubException: Method does not exist\.$/);
    assert.equal(await one.call("Add", 1, 2), 3);
  });

  test("errors of methods, with detail and without", async () => {
    const begin = "An unexpected error occurred invoking 'Throw' on the server.";
    const kinds = {
      hub: "HubException",
      custom: "SpecialHubException",
      argument: "ArgumentException",
      other: "InvalidOperationException",
    };
    const [one, quick] = [await reach("/workhub"), await reach("/quickhub")];
    for (const [kind, type] of Object.entries(kinds)) {
      assert.equal(await one.failure("Throw", kind, 'quoted "ü"'), `${begin} ${type}: quoted "ü"`);
    }
    assert.match(await one.failure("ThrowLater", 20, "late"), /InvalidOperationException: late$/);
    assert.equal(await quick.failure("Throw", "hub", "told"), `${begin} HubException: told`);
    assert.equal(await quick.failure("Throw", "other", "hidden"), begin);
  });

  test("what is sent without asking for an answer", async () => {
    const tag = at.newTag();
    const one = await reach(`/workhub?tag=${tag}`);
    await one.send("Throw", "hub", "nobody hears of it");
    await one.send("Nope");
    await one.send("Notify", "done");
    await at.entry(tag, "notified done");
  });

  test("numbered messages in both directions are complete and in order", async () => {
    const one = await reach("/workhub");
    const fed = one.listen("Fed");
    const numbers = Array.from({ length: 400 }, (_, index) => index + 1);
    const lengths = await Promise.all(numbers.map((number) => one.call("Take", number, "x".repeat(number))));
    assert.deepEqual(lengths, numbers);
    assert.deepEqual(await one.call("Taken"), numbers);
    assert.equal(await one.call("Burst", 400), 400);
    assert.deepEqual(await fed.take(400), numbers.map((number) => [number, ""]));
    await one.call("Feed", 200, 0, 10);
    await one.call("Feed", 0, 0, 0);
    assert.deepEqual(await fed.take(200), numbers.slice(0, 200).map((number) => [number, "x".repeat(10)]));
    const begin = Date.now();
    await one.call("Feed", 5, 20, 0);
    await fed.take(5);
    assert.ok(Date.now() - begin >= 150, "five messages at twenty a second");
  });

  test("large messages, up to the limit of the hub", async () => {
    const [one, wide] = [await reach("/workhub"), await reach("/widehub")];
    const large = one.listen("Large");
    await one.call("SendLarge", 700_000);
    assert.equal((await large.next())[0].length, 700_000);
    assert.equal(await one.call("Length", "x".repeat(32_000)), 32_000);
    assert.equal(await wide.call("Length", "x".repeat(1_000_000)), 1_000_000);
    const ended = one.failure("Length", "x".repeat(33_000));
    assert.match(await ended, /maximum message size of 32768B was exceeded|underlying connection being closed/);
  });
});
