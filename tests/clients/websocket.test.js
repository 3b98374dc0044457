// The plain WebSocket endpoints, with the `ws` package.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { Inbox, within } from "../support/wait.js";
import { serveFile } from "./hub.js";

const MEBIBYTE = 1024 * 1024;
const MESSAGE_BYTES_MAX = 16 * MEBIBYTE;

const at = serveFile({ lab: false });

async function open(path, options) {
  const socket = new WebSocket(`${at.wsUrl}${path}`, { maxPayload: 2 * MESSAGE_BYTES_MAX, ...options });
  socket.inbox = new Inbox();
  socket.on("message", (data, isBinary) => socket.inbox.add(isBinary ? data : String(data)));
  socket.end = once(socket, "close");
  // The tests look at how a connection ends; an error is told by that, too.
  socket.on("error", () => {});
  await within(once(socket, "open"), 5_000, "the WebSocket");
  return socket;
}

async function ended(socket) {
  const [code, reason] = await within(socket.end, 10_000, "the end of the WebSocket");
  return [code, String(reason)];
}

async function close(socket) {
  socket.close(1000);
  assert.equal((await ended(socket))[0], 1000);
}

test("text comes back as text", async () => {
  const socket = await open("/ws/echo");
  for (const text of ["", "hello", "Grüße 👋 \u0000"]) {
    socket.send(text);
    assert.equal(await socket.inbox.next(), text);
  }
  await close(socket);
});

test("binary comes back as binary, at every length encoding", async () => {
  const socket = await open("/ws/echo");
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, MEBIBYTE]) {
    const bytes = randomBytes(length);
    socket.send(bytes);
    assert.ok(bytes.equals(await socket.inbox.next()), `${length} bytes`);
  }
  await close(socket);
});

test("16 MiB is allowed", async () => {
  const socket = await open("/ws/echo");
  const bytes = randomBytes(MESSAGE_BYTES_MAX);
  socket.send(bytes);
  assert.ok(bytes.equals(await socket.inbox.next(20_000)));
  await close(socket);
});

test("one byte more is closed with 1009", async () => {
  const socket = await open("/ws/echo");
  socket.send(Buffer.alloc(MESSAGE_BYTES_MAX + 1));
  assert.equal((await ended(socket))[0], 1009);
});

test("one byte more in fragments is closed with 1009", async () => {
  const socket = await open("/ws/echo");
  socket.send(Buffer.alloc(MESSAGE_BYTES_MAX), { fin: false });
  socket.send(Buffer.alloc(1), { fin: true });
  assert.equal((await ended(socket))[0], 1009);
});

test("fragments become one message", async () => {
  const socket = await open("/ws/echo");
  socket.send("one ", { fin: false });
  socket.send("two ", { fin: false });
  socket.send("three", { fin: true });
  assert.equal(await read(socket, 13), "one two three");
  await close(socket);
});

test("a ping between fragments is answered at once, with its payload", async () => {
  const socket = await open("/ws/echo");
  const pong = once(socket, "pong");
  socket.send("half", { fin: false });
  socket.ping("are you there");
  const [payload] = await within(pong, 5_000, "the pong");
  assert.equal(String(payload), "are you there");
  socket.send(" whole", { fin: true });
  assert.equal(await read(socket, 10), "half whole");
  await close(socket);
});

test("1 000 messages come back in order", async () => {
  const socket = await open("/ws/echo");
  for (let index = 0; index < 1_000; index += 1) socket.send(String(index));
  assert.deepEqual(await socket.inbox.take(1_000), Array.from({ length: 1_000 }, (_, index) => String(index)));
  await close(socket);
});

test("a client that asks for compression is served", async () => {
  const socket = await open("/ws/echo", { perMessageDeflate: true });
  const text = "again and ".repeat(10_000);
  socket.send(text);
  assert.equal(await socket.inbox.next(), text);
  await close(socket);
});

test("text that is no UTF-8 is closed with 1007", async () => {
  const socket = await open("/ws/echo");
  socket.send(Buffer.from([0x68, 0xff]), { binary: false });
  assert.equal((await ended(socket))[0], 1007);
});

test("the close code and reason of the client come back", async () => {
  const socket = await open("/ws/echo");
  socket.close(4_321, "good night");
  assert.deepEqual(await ended(socket), [4_321, "good night"]);
});

test("what one sends to /ws/broadcast all receive", async () => {
  const sockets = await Promise.all([1, 2, 3].map(() => open("/ws/broadcast")));
  sockets[0].send("text");
  sockets[1].send(Buffer.from([1, 2, 3]));
  for (const socket of sockets) {
    const came = await socket.inbox.take(2);
    assert.ok(came.includes("text"));
    assert.ok(came.some((data) => Buffer.from([1, 2, 3]).equals(Buffer.from(data))));
  }
  await Promise.all(sockets.map(close));
});

test("who leaves /ws/broadcast, even without a word, holds up nobody", async () => {
  const [one, two, gone] = await Promise.all([1, 2, 3].map(() => open("/ws/broadcast")));
  gone.terminate();
  one.send("still here?");
  assert.equal(await one.inbox.next(), "still here?");
  assert.equal(await two.inbox.next(), "still here?");
  await Promise.all([one, two].map(close));
});

test("a request that is no WebSocket is refused", async () => {
  const response = await fetch(`${at.url}/ws/echo`);
  assert.ok(response.status >= 400 && response.status < 500, `status ${response.status}`);
  await response.arrayBuffer();
});

/** Text of that length, in as many messages as the server likes. */
async function read(socket, length) {
  let text = "";
  while (text.length < length) text += await socket.inbox.next();
  return text;
}
