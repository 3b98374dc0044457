// A hub connection written by hand over a plain WebSocket, for what the official client never does.

import { once } from "node:events";
import WebSocket from "ws";
import { Inbox, within } from "../support/wait.js";

const SEPARATOR = "\u001e";

export class RawHub {
  /** Hub messages, parsed, the handshake's answer not among them. */
  records = new Inbox();
  #socket;
  #end;

  /** Connects without negotiation and shakes hands. */
  static async open(url, handshake = { protocol: "json", version: 1 }) {
    const hub = new RawHub(new WebSocket(url));
    await within(once(hub.#socket, "open"), 5_000, "the WebSocket");
    hub.send(handshake);
    const answer = await hub.records.next();
    if (answer.error) throw new Error(answer.error);
    return hub;
  }

  constructor(socket) {
    this.#socket = socket;
    this.#end = once(socket, "close");
    socket.on("message", (data) => {
      for (const text of String(data).split(SEPARATOR).slice(0, -1)) this.records.add(JSON.parse(text));
    });
  }

  /** Sends one hub message. */
  send(message) {
    this.sendText(JSON.stringify(message) + SEPARATOR);
  }

  /** Sends what may be no hub message at all. */
  sendText(text) {
    this.#socket.send(text);
  }

  /** The close code that the server sent. */
  async closed(ms = 5_000) {
    const [code] = await within(this.#end, ms, "the end of the connection");
    return code;
  }

  close() {
    this.#socket.close();
  }
}
