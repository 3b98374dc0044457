// Plain HTTP: the echo endpoint and the static files.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { within } from "../support/wait.js";
import { serveFile } from "./hub.js";

const at = serveFile({ lab: false });

/** A request whose target is sent exactly as given, which `fetch` would tidy up; several parts go out as chunks. */
function request(method, path, { headers, body = [], agent } = {}) {
  const answer = new Promise((resolve, reject) => {
    const sent = http.request(at.url, { method, path, headers, agent }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    sent.on("error", reject);
    for (const part of [body].flat()) sent.write(part);
    sent.end();
  });
  return within(answer, 10_000, `${method} ${path}`);
}

const send = (path, options) =>
  fetch(at.url + path, { signal: AbortSignal.timeout(10_000), ...options });

for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
  test(`/echo answers ${method} with the body`, async () => {
    const body = method === "GET" ? undefined : `body of ${method}`;
    const response = await send("/echo", { method, body });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), body ?? "");
  });
}

test("/echo answers below it, too, and beside a query", async () => {
  const response = await send("/echo/a/b?c=d", { method: "POST", body: "deep" });
  assert.equal(response.status, 200);
  assert.equal(await response.text(), "deep");
});

test("/echo takes binary bodies of a mebibyte", async () => {
  const bytes = randomBytes(1024 * 1024);
  const response = await send("/echo", { method: "POST", body: bytes });
  assert.ok(bytes.equals(Buffer.from(await response.arrayBuffer())));
});

test("/echo takes chunked bodies", async () => {
  const body = ["one ", "two ", "three ".repeat(10_000)];
  const headers = { "Transfer-Encoding": "chunked" };
  const answer = await request("POST", "/echo", { body, headers });
  assert.equal(answer.status, 200);
  assert.equal(String(answer.body), body.join(""));
});

test("/echo waits for no body that was announced with Expect: 100-continue", async () => {
  const { status, body } = await new Promise((resolve, reject) => {
    const sent = http.request(`${at.url}/echo`, { method: "POST", headers: { Expect: "100-continue" } });
    sent.on("continue", () => sent.end("after 100"));
    sent.on("error", reject);
    sent.on("response", async (response) => {
      const chunks = await response.toArray();
      resolve({ status: response.statusCode, body: String(Buffer.concat(chunks)) });
    });
    sent.flushHeaders();
    sent.setTimeout(5_000, () => sent.destroy(new Error("no 100 Continue")));
  });
  assert.deepEqual({ status, body }, { status: 200, body: "after 100" });
});

test("HEAD has the headers of GET and no body", async () => {
  const get = await request("GET", "/assets/site.css");
  const head = await request("HEAD", "/assets/site.css");
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.equal(head.headers["content-length"], String(get.body.length));
  assert.equal(head.headers.etag, get.headers.etag);
});

test("one kept-alive connection serves one request after the other", async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set();
  agent.on("free", (socket) => sockets.add(socket));
  for (let index = 0; index < 20; index += 1) {
    const { body } = await request("POST", "/echo", { body: String(index), headers: { "Content-Length": String(index).length }, agent });
    assert.equal(String(body), String(index));
  }
  agent.destroy();
  assert.equal(sockets.size, 1);
});

test("pipelined requests are answered in order", async () => {
  const one = (text) => `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  const last = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nthird";
  const answer = await exchange(one("first") + one("second") + last);
  assert.match(answer, /first.*second.*third$/s);
  assert.equal(answer.match(/HTTP\/1\.1 200/g).length, 3);
});

test("a request that is no HTTP is 400", async () => {
  assert.match(await exchange("this is no HTTP\r\n\r\n"), /^HTTP\/1\.1 400 /);
});

test("HTTP/1.1 without Host is 400", async () => {
  assert.match(await exchange("GET / HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400 /);
});

test("an unknown path is 404", async () => {
  for (const path of ["/no-such-page", "/assets/none.css", "/hubs"]) {
    assert.equal((await request("GET", path)).status, 404, path);
  }
});

test("static files are there for GET and HEAD only", async () => {
  for (const method of ["POST", "PUT", "DELETE"]) {
    assert.equal((await request(method, "/assets/site.css")).status, 405, method);
  }
});

const kinds = {
  "/": "text/html",
  "/chat": "text/html",
  "/chat/classic": "text/html",
  "/raw": "text/html",
  "/sockets": "text/html",
  "/assets/site.css": "text/css",
  "/assets/favicon.svg": "image/svg+xml",
  "/chat/main.js": "text/javascript",
  "/lib/signalr.js": "text/javascript",
  "/lib/jquery/jquery.min.js": "text/javascript",
  "/lib/classic/jquery.signalR.min.js": "text/javascript",
  "/signalr/hubs": "application/javascript",
};

for (const [path, kind] of Object.entries(kinds)) {
  test(`${path} is ${kind}`, async () => {
    const { status, headers, body } = await request("GET", path);
    assert.equal(status, 200);
    assert.equal(headers["content-type"].split(";")[0], kind);
    assert.ok(body.length > 0);
  });
}

test("a file that did not change is 304 without a body", async () => {
  const first = await request("GET", "/assets/site.css");
  assert.ok(first.headers.etag);
  const same = await request("GET", "/assets/site.css", { headers: { "If-None-Match": first.headers.etag } });
  assert.equal(same.status, 304);
  assert.equal(same.body.length, 0);
  assert.equal(same.headers.etag, first.headers.etag);
  const other = await request("GET", "/assets/site.css", { headers: { "If-None-Match": '"other"' } });
  assert.equal(other.status, 200);
});

test("no path leads out of the folder of the pages", async () => {
  const paths = ["/../Cargo.toml", "/assets/../../Cargo.toml", "/%2e%2e/Cargo.toml", "/..%2fCargo.toml", "/assets/..%5c..%5cCargo.toml", "//etc/passwd", "/%00"];
  for (const path of paths) {
    const { status, body } = await request("GET", path);
    assert.ok([400, 404].includes(status), `${path}: ${status}`);
    assert.ok(!String(body).includes("[package]"), path);
  }
});

/** Sends bytes as they are; everything that comes until the server ends the connection. */
function exchange(text) {
  const socket = net.connect(at.server.port, "127.0.0.1");
  const answer = (async () => {
    socket.write(text);
    return String(Buffer.concat(await socket.toArray()));
  })();
  return within(answer, 5_000, "the end of the connection").finally(() => socket.destroy());
}
