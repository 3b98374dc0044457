// Users with tokens: who is let in, what they hear when they are not, and what becomes of them when
// their token expires.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpTransportType } from "@microsoft/signalr";
import { client, connect, serveFile } from "./hub.js";

const at = serveFile();

const TRANSPORTS = {
  WebSockets: HttpTransportType.WebSockets,
  ServerSentEvents: HttpTransportType.ServerSentEvents,
  LongPolling: HttpTransportType.LongPolling,
};

async function token(query) {
  const response = await fetch(`${at.url}/lab/token?${new URLSearchParams(query)}`);
  assert.equal(response.status, 200);
  return response.text();
}

function asUser(query, options) {
  return { accessTokenFactory: () => token(query), ...options };
}

/** The text of the error that a start has to end with. */
async function refused(url, options) {
  const one = client(url, options);
  try {
    await one.start();
  } catch (error) {
    return error.message;
  }
  return assert.fail("it was let in");
}

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  test(`${name}: a user is known by the token`, async () => {
    const one = await connect(`${at.url}/hubs/members`, asUser({ user: "ann" }, { transport }));
    assert.equal(await one.call("Who"), "ann");
    assert.equal(await one.call("Claim", "sub"), "ann");
    assert.equal(await one.call("Claim", "role"), null);
  });

  test(`${name}: the connection ends with the token, and a new token brings it back`, async () => {
    const options = asUser({ user: "ann", seconds: 2 }, { transport, reconnect: true });
    const one = await connect(`${at.url}/hubs/members`, options);
    const before = one.id;
    assert.deepEqual(await one.events.next(8_000, "the end of the token"), ["reconnecting", undefined]);
    assert.deepEqual(await one.events.next(8_000, "the new token"), ["reconnected", one.id]);
    assert.notEqual(one.id, before);
    assert.equal(await one.call("Who"), "ann");
  });
}

test("without a token negotiation is refused with 401", async () => {
  const text = await refused(`${at.url}/hubs/members`);
  assert.equal(text, "Failed to complete negotiation with the server: Error: Unauthorized: Status code '401'");
});

test("a bad token is none", async () => {
  const text = await refused(`${at.url}/hubs/members`, { accessTokenFactory: () => "nonsense" });
  assert.match(text, /Unauthorized: Status code '401'$/);
});

test("the wrong role is refused with 403", async () => {
  const text = await refused(`${at.url}/hubs/admins`, asUser({ user: "ann", role: "player" }));
  assert.equal(text, "Failed to complete negotiation with the server: Error: Forbidden: Status code '403'");
});

test("without negotiation a WebSocket is refused, too", async () => {
  const options = { skipNegotiation: true, transport: HttpTransportType.WebSockets };
  assert.match(await refused(`${at.url}/hubs/members`, options), /401|failed/i);
  const one = await connect(`${at.url}/hubs/admins`, asUser({ user: "eva", role: "admin" }, options));
  assert.equal(await one.call("Who"), "eva");
});

test("methods ask for roles and look at arguments", async () => {
  const ann = await connect(`${at.url}/hubs/members`, asUser({ user: "ann" }));
  const eva = await connect(`${at.url}/hubs/members`, asUser({ user: "eva", role: "admin" }));
  const text = "Failed to invoke 'AdminOnly' because user is unauthorized";
  assert.equal(await ann.failure("AdminOnly"), text);
  assert.equal(await eva.call("AdminOnly"), "admin ok");
  assert.equal(await ann.call("Even", 4), 4);
  assert.equal(await ann.failure("Even", 5), "Failed to invoke 'Even' because user is unauthorized");
});

test("a user is reached on all their connections", async () => {
  const [one, two] = await Promise.all(
    ["WebSockets", "LongPolling"].map((name) =>
      connect(`${at.url}/hubs/members`, asUser({ user: "bob" }, { transport: TRANSPORTS[name] })),
    ),
  );
  const ann = await connect(`${at.url}/hubs/members`, asUser({ user: "ann" }));
  await ann.call("ToUser", "bob", "hello");
  for (const bob of [one, two]) {
    assert.deepEqual(await bob.messages.next(), ["user", "hello"]);
  }
  assert.deepEqual(ann.messages.all, []);
});
