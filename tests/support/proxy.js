// A TCP proxy in front of a server, whose connections can be cut.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Proxy {
  #pairs = new Set();
  #listener;
  #refusals = 0;
  #limit = Infinity;
  #isHeld = false;
  #target;
  #mutesWebSockets = false;

  /** A proxy for a port of this machine. */
  static async to(port) {
    const proxy = new Proxy();
    proxy.#target = port;
    proxy.#listener = createServer((client) => proxy.#join(client)).listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    proxy.url = `http://127.0.0.1:${proxy.#listener.address().port}`;
    return proxy;
  }

  /** Resets every connection, at both ends. */
  cut() {
    this.#pairs.forEach((pair) => pair.forEach((socket) => socket.resetAndDestroy()));
  }

  /** Ends every connection in order, without a word at the level above. */
  end() {
    this.#pairs.forEach((pair) => pair.forEach((socket) => socket.end()));
  }

  /** Cuts a connection when so many more bytes have passed it, in both directions together. */
  cutAfter(bytes) {
    this.#limit = bytes;
  }

  /** Lets nothing of the server pass, until `release`. */
  hold() {
    this.#isHeld = true;
    for (const [, server] of this.#pairs) server.pause();
  }

  release() {
    this.#isHeld = false;
    for (const [, server] of this.#pairs) server.resume();
  }

  /** Cuts every connection, and lets nobody through any more, or not the next `times`. */
  refuse(times = Infinity) {
    this.#refusals = times;
    this.cut();
  }

  /** Lets everybody through again. */
  admit() {
    this.#refusals = 0;
  }

  /** From now on WebSockets are opened, and then hear nothing. */
  muteWebSockets() {
    this.#mutesWebSockets = true;
  }

  async close() {
    this.refuse();
    this.#listener.close();
    await once(this.#listener, "close");
  }

  #join(client) {
    if (this.#refusals > 0) {
      this.#refusals -= 1;
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target, "127.0.0.1");
    const pair = [client, server];
    this.#pairs.add(pair);
    this.#pass(client, server, pair);
    this.#pass(server, client, pair);
    if (this.#isHeld) server.pause();
  }

  #pass(from, to, pair) {
    from.setNoDelay();
    // Whoever is cut hears of it; that is what this is for.
    from.on("error", () => {});
    from.on("close", () => {
      this.#pairs.delete(pair);
      to.destroy();
    });
    from.on("end", () => to.end());
    from.on("data", (all) => {
      const bytes = this.#audible(all, from, pair);
      if (bytes.length <= this.#limit) {
        this.#limit -= bytes.length;
        to.write(bytes);
        return;
      }
      to.write(bytes.subarray(0, this.#limit), () => pair.forEach((socket) => socket.resetAndDestroy()));
      this.#limit = Infinity;
    });
  }

  /** What of these bytes may pass where WebSockets hear nothing. */
  #audible(bytes, from, pair) {
    const [client] = pair;
    if (!this.#mutesWebSockets) return bytes;
    if (from === client) {
      // Browsers open a connection of its own for each WebSocket, and ask in one piece.
      pair.isWebSocket ??= /\r\nupgrade: websocket\r\n/i.test(bytes.toString("latin1"));
      return bytes;
    }
    if (!pair.isWebSocket) return bytes;
    const end = pair.isOpen ? 0 : bytes.indexOf("\r\n\r\n") + 4;
    pair.isOpen = true;
    return bytes.subarray(0, end);
  }
}
