// The wire to the chat hub for the client of ASP.NET Core SignalR.

import { Refusal } from "./refusal.js";

const RETRY_DELAYS = [0, 1_000, 2_000, 4_000, 8_000];
const RETRY_DELAY_MAX = 10_000;
const GIVE_UP_AFTER = 90_000;

/** Waits a little longer each time, never all at the same moment, and gives up in the end. */
const retryPolicy = {
  nextRetryDelayInMilliseconds({ previousRetryCount, elapsedMilliseconds }) {
    if (elapsedMilliseconds > GIVE_UP_AFTER) return null;
    const delay = RETRY_DELAYS[previousRetryCount] ?? RETRY_DELAY_MAX;
    return delay * (0.75 + Math.random() / 2);
  },
};

export class Wire {
  #connection;

  /** `onLost(error)` while the library tries to come back, then `onBack()` or `onEnd(error)`. */
  constructor({ onLost, onBack, onEnd }) {
    this.#connection = new signalR.HubConnectionBuilder()
      .withUrl("/hubs/chat")
      .withAutomaticReconnect(retryPolicy)
      // What goes wrong is shown in the page; the console is for mistakes of the page.
      .configureLogging(signalR.LogLevel.None)
      .build();
    this.#connection.onreconnecting((error) => onLost(told(error)));
    this.#connection.onreconnected(() => onBack());
    this.#connection.onclose((error) => onEnd(told(error)));
  }

  get isUp() {
    return this.#connection.state === signalR.HubConnectionState.Connected;
  }

  get isDown() {
    return this.#connection.state === signalR.HubConnectionState.Disconnected;
  }

  on(method, handler) {
    this.#connection.on(method, handler);
  }

  invoke(method, ...args) {
    return this.#connection.invoke(method, ...args).catch(rethrow);
  }

  /** Calls a method without an answer. */
  tell(method, ...args) {
    return this.#connection.send(method, ...args);
  }

  open() {
    return this.#connection.start().catch(rethrow);
  }

  close() {
    return this.#connection.stop();
  }
}

function rethrow(error) {
  throw told(error);
}

/** The hub's own words without the sentence that the library puts around them. */
function told(error) {
  const words = error && /^.*HubException: (.*)$/s.exec(error.message);
  return words ? new Refusal(words[1]) : error;
}
