// permessage-deflate with the `ws` package, whose codec is the zlib of Node (RFC 7692).

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { Inbox, within } from "../support/wait.js";
import { serveFile } from "./hub.js";

const MESSAGE_BYTES_MAX = 64 * 1024;

const at = serveFile({ lab: false });

async function open(path, perMessageDeflate) {
  const socket = new WebSocket(`${at.wsUrl}${path}`, { perMessageDeflate });
  socket.inbox = new Inbox();
  socket.on("message", (data, isBinary) => socket.inbox.add(isBinary ? data : String(data)));
  socket.end = once(socket, "close");
  // The tests look at how a connection ends; an error is told by that, too.
  socket.on("error", () => {});
  await within(once(socket, "open"), 5_000, "the WebSocket");
  return socket;
}

async function close(socket) {
  socket.close(1000);
  const [code] = await within(socket.end, 10_000, "the end of the WebSocket");
  assert.equal(code, 1000);
}

/** Text that repeats itself at every distance up to 60 KiB, so that a window which is too large shows. */
function lines(count) {
  const seen = Array.from({ length: 40 }, () => randomBytes(24).toString("hex"));
  return Array.from({ length: count }, (_, index) => {
    const rest = seen.slice(index % 40).concat(seen).slice(0, 1 + (index % 37));
    return `${index}: ${rest.join(" ")}`;
  });
}

const offers = [{}, { serverNoContextTakeover: true }, { clientNoContextTakeover: true }];
for (let bits = 9; bits <= 15; bits += 1) {
  offers.push({ serverMaxWindowBits: bits }, { clientMaxWindowBits: bits });
  offers.push({ serverMaxWindowBits: bits, clientMaxWindowBits: bits, serverNoContextTakeover: true, clientNoContextTakeover: true });
}

for (const offer of offers) {
  test(`messages there and back with ${JSON.stringify(offer)}`, async () => {
    const socket = await open("/ws/deflate", { threshold: 0, ...offer });
    const agreed = socket._extensions?.["permessage-deflate"]?.params ?? {};
    assert.match(socket.extensions, /permessage-deflate/);
    assert.equal(Boolean(agreed.server_no_context_takeover), Boolean(offer.serverNoContextTakeover));
    assert.equal(Boolean(agreed.client_no_context_takeover), Boolean(offer.clientNoContextTakeover));
    if (offer.serverMaxWindowBits) assert.equal(agreed.server_max_window_bits, offer.serverMaxWindowBits);
    if (offer.clientMaxWindowBits) assert.equal(agreed.client_max_window_bits, offer.clientMaxWindowBits);
    const messages = ["", "x", ...lines(120), "y".repeat(MESSAGE_BYTES_MAX), "", ...lines(5)];
    for (const message of messages) socket.send(message);
    assert.deepEqual(await socket.inbox.take(messages.length), messages);
    const noise = randomBytes(MESSAGE_BYTES_MAX);
    socket.send(noise);
    assert.ok(noise.equals(await socket.inbox.next()));
    socket.send("not compressed", { compress: false });
    assert.equal(await socket.inbox.next(), "not compressed");
    await close(socket);
  });
}

test("fragments of a compressed message", async () => {
  const socket = await open("/ws/deflate", { threshold: 0 });
  const parts = lines(30);
  for (const [index, part] of parts.entries()) socket.send(part, { fin: index === parts.length - 1 });
  assert.equal(await socket.inbox.next(), parts.join(""));
  await close(socket);
});

test("a message for all, among messages for one", async () => {
  const sockets = await Promise.all([{}, {}, { serverNoContextTakeover: true }, { serverMaxWindowBits: 9 }, false].map((offer) => open("/ws/deflate/broadcast", offer && { threshold: 0, ...offer })));
  const messages = lines(50);
  for (const [index, message] of messages.entries()) {
    sockets[index % sockets.length].send(message);
    for (const socket of sockets) assert.equal(await socket.inbox.next(), message);
  }
  await Promise.all(sockets.map(close));
});

test("the limit counts what comes out, and a bomb is refused with 1009", async () => {
  for (const size of [MESSAGE_BYTES_MAX + 1, 64 * 1024 * 1024]) {
    const socket = await open("/ws/deflate", { threshold: 0 });
    socket.send(Buffer.alloc(size));
    const [code] = await within(socket.end, 10_000, "the end of the WebSocket");
    assert.equal(code, 1009);
  }
});
