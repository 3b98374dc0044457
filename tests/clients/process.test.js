// The program itself: its command line, its driver, its log, its end.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { test } from "node:test";
import { runBinary, startServer } from "../support/server.js";
import { until, within } from "../support/wait.js";
import { client, connect, serveFile } from "./hub.js";

const at = serveFile();

test("an unknown option ends with code 2 and one line", async () => {
  const { code, errors } = await runBinary(["--no-such-option"]);
  assert.equal(code, 2);
  assert.match(errors, /^[^\n]+\n$/);
});

test("a port in use ends with code 1 and one line", async () => {
  const { code, errors } = await runBinary(["--listen", `127.0.0.1:${at.server.port}`]);
  assert.equal(code, 1);
  assert.match(errors, /^[^\n]+\n$/);
});

test("a driver that nobody knows ends with code 2 and one line that names those there are", async () => {
  const { code, errors } = await runBinary(["--driver", "kqueue"]);
  assert.equal(code, 2);
  assert.match(errors, /^[^\n]*auto, uring or epoll[^\n]*\n$/);
});

test("io_uring that the kernel refuses ends with code 1 and one line that says what to do", async () => {
  const { code, errors } = await runBinary(["--driver", "uring"], { withoutIoUring: true });
  assert.equal(code, 1);
  assert.match(errors, /^[^\n]*io_uring refused[^\n]*--driver epoll[^\n]*\n$/);
});

test("auto serves on epoll where io_uring is refused, and the log says why", async () => {
  const server = await startServer({ driver: "auto", withoutIoUring: true });
  try {
    const one = await connect(`${server.url}/hubs/lab`);
    assert.equal(await one.call("Add", 40, 2), 42);
    await one.stop();
  } finally {
    await server.stop();
  }
  assert.match(server.errors, /io_uring was refused.*driver="?epoll/);
});

test("tokens appear in no log, however much is logged", async () => {
  const server = await startServer({ log: "trace" });
  const canary = "canary-7f3a9";
  let token;
  try {
    const answer = await fetch(`${server.url}/hubs/lab/negotiate?negotiateVersion=1&access_token=${canary}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${canary}`, Cookie: `session=${canary}` },
    });
    token = (await answer.json()).connectionToken;
    await fetch(`${server.url}/hubs/lab?id=${token}&access_token=${canary}`);
    await fetch(`${server.url}/nowhere?access_token=${canary}`);
    const one = client(`${server.url}/hubs/lab`, { accessTokenFactory: () => canary });
    await one.start();
    await assert.rejects(one.call("Fail", "panic", "on purpose"));
    await one.stop();
  } finally {
    await server.stop();
  }
  assert.ok(server.errors.length > 500, "something was logged");
  assert.ok(!server.errors.includes(canary), "no bearer token");
  assert.ok(!server.errors.includes(token), "no connection token");
});

test("a second signal ends the process at once", async () => {
  const server = await startServer();
  // A client that answers no Close keeps the drain waiting.
  const socket = await mute(server.port, "/hubs/lab");
  server.signal("SIGTERM");
  await until(() => server.errors.includes("draining"), 5_000, "the drain");
  server.signal("SIGTERM");
  assert.equal((await within(server.exited, 2_000, "the end at once")).code, 1);
  socket.destroy();
});

/** A SignalR client that has shaken hands and then neither sends nor answers anything. */
async function mute(port, path) {
  const socket = connectTcp(port, "127.0.0.1");
  await once(socket, "connect");
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  const handshake = Buffer.from('{"protocol":"json","version":1}\u001e');
  // A mask of zeros leaves the payload as it is.
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | handshake.length, 0, 0, 0, 0]), handshake]));
  let text = "";
  socket.on("data", (data) => (text += data.toString("latin1")));
  await until(() => text.includes("{}"), 5_000, "the handshake");
  return socket;
}
