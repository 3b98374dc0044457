// The official client, set up the way most tests want it, and stopped when the test is over.

import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import * as signalr from "@microsoft/signalr";
import { startServer } from "../support/server.js";
import { Inbox, within } from "../support/wait.js";

const CALL_TIMEOUT = 10_000;
// Short waits between attempts, so that a test of a restart does not take half a minute.
const RECONNECT_DELAYS = [0, 100, 200, 400, 400, 800, 800, 1_600, 1_600, 3_200];

const opened = new Set();

/** One server for a whole file, which has to end cleanly; the object is filled in before the first test. */
export function serveFile(options) {
  const served = {};
  before(async () => {
    served.server = await startServer(options);
    served.url = served.server.url;
    served.wsUrl = served.server.wsUrl;
  });
  after(async () => {
    const end = await served.server?.stop();
    if (end) assert.deepEqual(end, { code: 0, signal: null }, served.server.errors);
  });
  return served;
}

afterEach(async () => {
  const connections = [...opened];
  opened.clear();
  await Promise.all(connections.map((client) => client.connection.stop()));
});

/** A client that is not connected yet; `library` is the version of the official client. */
export function client(url, { library = signalr, reconnect = false, stateful = false, protocol, ...options } = {}) {
  const builder = new library.HubConnectionBuilder()
    .withUrl(url, options)
    .configureLogging(library.LogLevel.None);
  if (protocol) builder.withHubProtocol(protocol);
  if (stateful) builder.withStatefulReconnect();
  if (reconnect) builder.withAutomaticReconnect(RECONNECT_DELAYS);
  const made = new Client(builder.build());
  opened.add(made);
  return made;
}

/** A connected client. */
export async function connect(url, options) {
  const made = client(url, options);
  await made.start();
  return made;
}

class Client {
  /** Arguments of each call of the hub method `message`. */
  messages = new Inbox();
  /** `reconnecting`, `reconnected` and `closed` with their arguments. */
  events = new Inbox();

  constructor(connection) {
    this.connection = connection;
    connection.on("message", (...args) => this.messages.add(args));
    connection.onreconnecting((error) => this.events.add(["reconnecting", error?.message]));
    connection.onreconnected((id) => this.events.add(["reconnected", id]));
    connection.onclose((error) => this.events.add(["closed", error?.message]));
  }

  get id() {
    return this.connection.connectionId;
  }

  start() {
    return within(this.connection.start(), CALL_TIMEOUT, "start");
  }

  stop() {
    return within(this.connection.stop(), CALL_TIMEOUT, "stop");
  }

  call(method, ...args) {
    return within(this.connection.invoke(method, ...args), CALL_TIMEOUT, method);
  }

  send(method, ...args) {
    return within(this.connection.send(method, ...args), CALL_TIMEOUT, method);
  }

  /** The text of the error that the call has to end with. */
  async failure(method, ...args) {
    try {
      const value = await this.call(method, ...args);
      assert.fail(`${method} succeeded with ${JSON.stringify(value)}`);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return error.message;
    }
  }

  /** Reads a stream to its end: its items, and the text of the error that it ended with. */
  stream(method, ...args) {
    const items = [];
    const ended = new Promise((resolve) => {
      this.connection.stream(method, ...args).subscribe({
        next: (item) => items.push(item),
        complete: () => resolve({ items }),
        error: (error) => resolve({ items, error: error.message }),
      });
    });
    return within(ended, CALL_TIMEOUT, method);
  }

  /** Calls of the client method `name`. */
  listen(name) {
    const inbox = new Inbox();
    this.connection.on(name, (...args) => inbox.add(args));
    return inbox;
  }
}
