// Starts the release binary as a user would, and ends it: by its own process, never by name.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { within } from "./wait.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_TIMEOUT = 15_000;
// The kernel refuses io_uring to what this starts, as it does in many containers.
const WITHOUT_IO_URING = ["python3", `${ROOT}tests/support/without-io-uring.py`];
// The program promises to drain within 30 s.
const DRAIN_TIMEOUT = 35_000;

const BUILT = `${process.env.CARGO_TARGET_DIR ?? `${ROOT}target`}/release`;

export const binary = process.env.DEMOS_BINARY ?? `${BUILT}/demos`;

const conformance = process.env.CONFORMANCE_BINARY ?? `${BUILT}/examples/conformance`;

/** What can be started, with the options that it always gets. */
const PROGRAMS = {
  demos: [binary, "--shards", "1"],
  // The hubs that client libraries are driven against (examples/conformance).
  functional: [conformance, "functional"],
  // The host of the recordings of SignalR 2.x, in the same program.
  classic: [conformance, "classic"],
};

/** A loopback port that was free a moment ago; a test that restarts a server needs to know it beforehand. */
export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

/** A server that is ready for requests. */
export async function startServer({
  program = "demos",
  port,
  driver = process.env.DRIVER ?? "auto",
  lab = program === "demos",
  withoutIoUring = false,
  log = "info",
  config,
  options = [],
} = {}) {
  const server = new Server(PROGRAMS[program], port ?? (await freePort()));
  server.withoutIoUring = withoutIoUring;
  server.log = log;
  const all = ["--driver", driver, ...(lab ? ["--lab"] : []), ...(config ? ["--config", config] : []), ...options];
  await server.start(all);
  return server;
}

/** Runs the binary with options that it is expected to refuse. */
export async function runBinary(args, { withoutIoUring = false } = {}) {
  const [program, ...all] = withoutIoUring ? [...WITHOUT_IO_URING, binary, ...args] : [binary, ...args];
  const child = spawn(program, all, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const output = gather(child.stdout);
  const errors = gather(child.stderr);
  try {
    const [code] = await within(once(child, "close"), READY_TIMEOUT, "the program's end");
    return { code, output: output(), errors: errors() };
  } finally {
    kill();
    process.off("exit", kill);
  }
}

class Server {
  #child;
  #errors;
  #exited;

  constructor(command, port) {
    this.command = command;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.wsUrl = `ws://127.0.0.1:${port}`;
  }

  async start(options) {
    this.options = options;
    const command = [...this.command, "--listen", `127.0.0.1:${this.port}`, ...options];
    const [program, ...all] = this.withoutIoUring ? [...WITHOUT_IO_URING, ...command] : command;
    const env = { ...process.env, RUST_LOG: this.log };
    const child = spawn(program, all, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    // A test process that fails half-way must not leave the server behind.
    const kill = () => child.kill("SIGKILL");
    process.once("exit", kill);
    this.#errors = gather(child.stderr);
    this.#exited = new Promise((resolve) => {
      child.once("error", (error) => resolve({ code: null, signal: null, error }));
      child.once("close", (code, signal) => resolve({ code, signal }));
    }).finally(() => process.off("exit", kill));
    const ready = new Promise((resolve) => {
      let line = "";
      child.stdout.on("data", (data) => {
        line += data;
        if (line.includes(`Now listening on: ${this.url}\n`)) resolve("ready");
      });
    });
    const outcome = await within(Promise.race([ready, this.#exited]), READY_TIMEOUT, "the server's start");
    if (outcome !== "ready") {
      throw new Error(`The server did not start: ${outcome.error ?? this.#errors()}`);
    }
  }

  /** Another process on the same port with the same options. */
  async startAgain() {
    await this.start(this.options);
  }

  /** Lets the server drain; resolves to `{ code, signal }`. */
  async stop() {
    this.#child.kill("SIGTERM");
    try {
      return await within(this.#exited, DRAIN_TIMEOUT, "the server's end after SIGTERM");
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /** Sends a signal and does not wait for what comes of it. */
  signal(name) {
    this.#child.kill(name);
  }

  /** Resolves to `{ code, signal }` when the process has ended. */
  get exited() {
    return this.#exited;
  }

  /** Ends the server as a crash would. */
  async kill() {
    this.#child.kill("SIGKILL");
    return this.#exited;
  }

  /** The bytes of memory that it uses now. */
  async memory() {
    const status = await readFile(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]) * 1024;
  }

  get pid() {
    return this.#child.pid;
  }

  /** What the server wrote to standard error. */
  get errors() {
    return this.#errors();
  }
}

function gather(stream) {
  const chunks = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}
