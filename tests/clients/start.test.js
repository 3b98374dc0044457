// Beginning and ending: negotiation, and connections without it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpTransportType, HubConnectionState } from "@microsoft/signalr";
import { until } from "../support/wait.js";
import { client, connect, serveFile } from "./hub.js";

const at = serveFile();

test("start, call, stop: onclose has no error", async () => {
  const one = client(`${at.url}/hubs/lab`);
  assert.equal(one.connection.state, HubConnectionState.Disconnected);
  await one.start();
  assert.equal(one.connection.state, HubConnectionState.Connected);
  assert.equal(await one.call("Add", 2, 3), 5);
  await one.stop();
  assert.equal(one.connection.state, HubConnectionState.Disconnected);
  assert.deepEqual(one.events.all, [["closed", undefined]]);
});

test("a stopped client starts again with a new id", async () => {
  const one = await connect(`${at.url}/hubs/lab`);
  const before = one.id;
  await one.stop();
  await one.start();
  assert.notEqual(one.id, before);
  assert.equal(await one.call("Add", 1, 1), 2);
});

test("the negotiated id is the id the hub knows", async () => {
  const one = await connect(`${at.url}/hubs/lab`);
  assert.ok(one.id);
  assert.equal(await one.call("ConnectionId"), one.id);
});

test("skipNegotiation works, and the client has no id then", async () => {
  const one = await connect(`${at.url}/hubs/lab`, {
    skipNegotiation: true,
    transport: HttpTransportType.WebSockets,
  });
  assert.equal(one.id, null);
  assert.equal(await one.call("Add", 20, 22), 42);
  assert.match(await one.call("ConnectionId"), /^\S{16,}$/);
});

test("negotiate answers version 1 with id, token and WebSockets", async () => {
  const response = await fetch(`${at.url}/hubs/lab/negotiate?negotiateVersion=1`, { method: "POST" });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^application\/json/);
  const answer = await response.json();
  assert.equal(answer.negotiateVersion, 1);
  assert.ok(answer.connectionId);
  assert.ok(answer.connectionToken);
  assert.notEqual(answer.connectionId, answer.connectionToken);
  const webSockets = answer.availableTransports.find(({ transport }) => transport === "WebSockets");
  assert.ok(webSockets.transferFormats.includes("Text"));
});

test("negotiate with another method is 405", async () => {
  const response = await fetch(`${at.url}/hubs/lab/negotiate?negotiateVersion=1`);
  assert.equal(response.status, 405);
});

test("a hub that is not there: the client is told so", async () => {
  const one = client(`${at.url}/hubs/nowhere`);
  await assert.rejects(one.start(), /Status code '404'/);
});

test("a hub without id asks for one; an unknown id is 404", async () => {
  const without = await fetch(`${at.url}/hubs/lab`);
  assert.equal(without.status, 400);
  assert.equal(await without.text(), "Connection ID required");
  const unknown = await fetch(`${at.url}/hubs/lab?id=nobody`);
  assert.equal(unknown.status, 404);
  assert.equal(await unknown.text(), "No Connection with that ID");
});

test("two hubs at once do not mix", async () => {
  const lab = await connect(`${at.url}/hubs/lab`);
  const bench = await connect(`${at.url}/bench`);
  const [sum, echo] = await Promise.all([lab.call("Add", 1, 2), bench.call("Echo", "three")]);
  assert.equal(sum, 3);
  assert.equal(echo, "three");
  assert.match(await bench.failure("Add", 1, 2), /Method does not exist/);
  await bench.call("Broadcast", "bench only");
  assert.deepEqual(await bench.messages.next(), ["bench only"]);
  assert.deepEqual(lab.messages.rest(), []);
});

test("the hub hears of connect and disconnect", async () => {
  const one = await connect(`${at.url}/hubs/lab`);
  const { id } = one;
  const events = async () => (await fetch(`${at.url}/lab/events?id=${id}`)).json();
  assert.deepEqual(await events(), ["connected"]);
  await one.stop();
  await until(async () => (await events()).length === 2, 5_000, "the hub's disconnect event");
  assert.deepEqual(await events(), ["connected", "disconnected"]);
});
