// The wire to the chat hub for the client of classic SignalR 2.x: `$.connection` as the script at /signalr/hubs has
// filled it.

import { showTransportOf, transport } from "/assets/transports.js";
import { Refusal } from "../refusal.js";

const { hub, chatHub } = $.connection;

// The client itself tries for half a minute to come back to the connection that it had. When that was in vain, as it
// is after a restart of the server, a new connection is what is left.
const NEW_START_DELAYS = [0, 2_000, 4_000, 8_000, 16_000, 30_000];

export class Wire {
  #isOpen = false;
  /** Counts how often it was closed by this page. */
  #turn = 0;
  #refuse = () => {};
  #onLost;
  #onBack;
  #onEnd;

  /** `onLost(error)` while the library tries to come back, then `onBack()` or `onEnd(error)`. */
  constructor({ onLost, onBack, onEnd }) {
    this.#onLost = onLost;
    this.#onBack = onBack;
    this.#onEnd = onEnd;
    hub.reconnecting(() => onLost(hub.lastError));
    hub.reconnected(() => onBack());
    hub.disconnected(() => this.#onDisconnected());
    showTransportOf(hub);
  }

  get isUp() {
    return hub.state === $.signalR.connectionState.connected;
  }

  get isDown() {
    return hub.state === $.signalR.connectionState.disconnected;
  }

  on(method, handler) {
    chatHub.on(method, handler);
  }

  async invoke(method, ...args) {
    try {
      return await chatHub.invoke(method, ...args);
    } catch (error) {
      throw error.source === "HubException" ? new Refusal(error.message) : error;
    }
  }

  /** Calls a method whose answer nobody looks at. */
  tell(method, ...args) {
    return this.invoke(method, ...args);
  }

  async open() {
    await new Promise((resolve, reject) => {
      // A start that is stopped half-way may never hear of it from the library.
      this.#refuse = reject;
      hub.start({ transport }).then(() => resolve(), reject);
    });
    this.#isOpen = this.isUp;
  }

  close() {
    this.#isOpen = false;
    this.#turn += 1;
    hub.stop();
    this.#refuse(new Error("The connection was closed."));
  }

  async #onDisconnected() {
    // Whoever has closed it, or could not open it, knows.
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#onLost(hub.lastError);
    const turn = this.#turn;
    let failure;
    for (const delay of NEW_START_DELAYS) {
      await new Promise((resolve) => setTimeout(resolve, delay));
      if (turn !== this.#turn) return;
      failure = await this.open().then(
        () => null,
        (error) => error,
      );
      if (turn !== this.#turn) return;
      if (!failure) {
        this.#onBack();
        return;
      }
    }
    this.#onEnd(failure);
  }
}
