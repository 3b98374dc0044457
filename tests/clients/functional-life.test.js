// Beginning and end of connections of the functional host, who is behind them, and what their requests carry.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serveFunctional } from "./functional.js";
import { client } from "./hub.js";
import { eachWay } from "./ways.js";

const at = serveFunctional();

async function event(one, kind) {
  const [came, detail] = await one.events.next(15_000, `the event ${kind}`);
  assert.equal(came, kind, `${came}: ${detail}`);
  return detail;
}

eachWay(at, ({ transport, packed, skipNegotiation }, reach, prepare) => {
  test("a greeting while it connects, and a slow welcome", async () => {
    const tag = at.newTag();
    const one = await reach(`/workhub?onconnect=slow&tag=${tag}`);
    const sum = one.call("Add", 1, 2);
    await at.entry(tag, "connected ");
    assert.equal(await sum, 3);
    const id = await one.call("ConnectionId");
    assert.deepEqual(await at.journal(tag), [`connected ${id}`, `ready ${id}`]);
    const greeted = prepare("/workhub?onconnect=greet");
    const welcomes = greeted.listen("Welcome");
    await greeted.start();
    assert.deepEqual(await welcomes.next(), [await greeted.call("ConnectionId")]);
  });

  for (const [how, text] of [
    ["fail", /InvalidOperationException: not today/],
    ["refuse", /HubException: not you/],
    ["ask", /InvalidOperationException: .*not allowed/],
  ]) {
    test(`a hub that does not want the client: ${how}`, async () => {
      const tag = at.newTag();
      const one = prepare(`/workhub?onconnect=${how}&tag=${tag}`);
      // Both come behind the answer to the handshake: the news may overtake the end of `start`, or not.
      const early = await one.start().then(() => undefined, (error) => error.message);
      assert.match(early ?? (await event(one, "closed")), text);
      // Whom it never welcomed does not leave it either.
      assert.match((await at.journal(tag)).join(), /^connected [^,]+$/);
    });
  }

  test("a hub that aborts at once", async () => {
    const one = prepare("/workhub?onconnect=abort");
    // The end may come before the answer to the handshake has been read.
    const started = await one.start().then(() => true, () => false);
    if (started) await event(one, "closed");
    await assert.rejects(one.call("Add", 1, 2));
  });

  test("stop: no error on either side", async () => {
    const tag = at.newTag();
    const one = await reach(`/workhub?tag=${tag}`);
    const id = await one.call("ConnectionId");
    await one.stop();
    assert.equal(await event(one, "closed"), undefined);
    assert.equal(await at.entry(tag, "disconnected"), `disconnected ${id}`);
  });

  test("Abort: the client does not come back, calls under way fail", async () => {
    const one = await reach("/workhub", { reconnect: true });
    one.connection.on("Never", () => new Promise(() => {}));
    const asked = one.failure("AskCaller", "Never", "x");
    one.send("Abort").catch(() => {});
    assert.equal(await event(one, "closed"), undefined);
    assert.equal(await asked, "Invocation canceled due to the underlying connection being closed.");
  });

  test("tokens: the user, claims, roles, and nobody", async () => {
    const token = await at.token("gr%C3%BCn", "&role=admin&lifetime=60");
    const accessTokenFactory = () => token;
    const one = await reach("/authorizedhub", { accessTokenFactory });
    assert.equal(await one.call("GetUserNameIdentifier"), "grün");
    assert.equal(await one.call("GetUserClaim", "role"), "admin");
    assert.equal(await one.call("GetUserClaim", "nothing"), "");
    const tag = at.newTag();
    const two = await reach(`/workhub?tag=${tag}`, { accessTokenFactory });
    assert.equal(await two.call("AdminOnly", "do it"), "do it");
    await at.entry(tag, "admin do it");
    const nobody = await reach("/workhub");
    assert.equal(
      await nobody.failure("AdminOnly", "x"),
      "Failed to invoke 'AdminOnly' because user is unauthorized",
    );
    await assert.rejects(reach("/authorizedhub"), skipNegotiation ? /./ : /Unauthorized: Status code '401'/);
    await assert.rejects(reach("/authorizedhub", { accessTokenFactory: () => "wrong" }));
  });

  test("headers, cookies and the query of the request", async () => {
    const one = await reach("/testhub?numRedirects=7", { headers: { "X-Test": "a value" } });
    assert.equal(await one.call("GetNumRedirects"), 7);
    assert.equal(await one.call("GetActiveTransportName"), transport);
    assert.equal(await one.call("GetHeader", "x-test"), "a value");
    assert.equal(await one.call("GetHeader", "absent"), null);
    const expected = skipNegotiation ? [null, null, null] : ["testValue", "testValue2", null];
    const cookies = ["testCookie", "testCookie2", "expiredCookie"].map((cookie) => one.call("GetCookie", cookie));
    assert.deepEqual(await Promise.all(cookies), expected);
    const complex = { String: "x", IntArray: [1], Guid: "00010203-0405-0607-0706-050403020100" };
    const own = packed
      ? { ByteArray: Uint8Array.from([1, 2, 3]), DateTime: new Date("2000-01-01T00:00:00Z") }
      : { ByteArray: "AQID", DateTime: "2000-01-01T00:00:00Z" };
    const echoed = await one.call("EchoComplexObject", { ...complex, ...own });
    if (packed) echoed.ByteArray = Uint8Array.from(echoed.ByteArray);
    assert.deepEqual(echoed, { ...complex, ...own });
    const objects = one.listen("CustomObject");
    await one.send("SendCustomObject", { Name: "n", Value: 1 });
    assert.deepEqual(await objects.next(), [{ Name: "n", Value: 1 }]);
  });

  if (skipNegotiation) return;

  test("negotiation that is redirected, and one that is refused", async () => {
    const one = await reach(`/redirect?baseUrl=${encodeURIComponent(at.url)}`);
    assert.ok((await one.call("GetNumRedirects")) >= 1);
    await assert.rejects(reach("/bad-negotiate"), /Some response from server: Status code '400'/);
  });
});

test("what no transport is left for", async () => {
  const one = client(`${at.url}/testhub-nowebsockets`);
  await one.start();
  assert.equal(await one.call("GetActiveTransportName"), "ServerSentEvents");
});
