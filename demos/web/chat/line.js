// The line to the chat hub: one SignalR connection that is kept alive, started again and asked whether it
// still works. It knows nothing of rooms; `main.js` says what to do when it is up again.

const RETRY_DELAYS = [0, 1_000, 2_000, 4_000, 8_000];
const RETRY_DELAY_MAX = 10_000;
const GIVE_UP_AFTER = 90_000;
const PROBE_TIMEOUT = 4_000;
const PROBE_AFTER_HIDDEN = 20_000;

/** Waits a little longer each time, never all at the same moment, and gives up in the end. */
const retryPolicy = {
  nextRetryDelayInMilliseconds({ previousRetryCount, elapsedMilliseconds }) {
    if (elapsedMilliseconds > GIVE_UP_AFTER) return null;
    const delay = RETRY_DELAYS[previousRetryCount] ?? RETRY_DELAY_MAX;
    return delay * (0.75 + Math.random() / 2);
  },
};

export class Line {
  #connection;
  #onState;
  #onUp;
  #starting = null;
  #wanted = false;
  #hiddenAt = null;

  /**
   * `onState(state, error)` hears `Connecting`, `Connected`, `Reconnecting` and `Disconnected`;
   * `onUp()` is awaited whenever a new connection is there, before `Connected` is told.
   */
  constructor(url, { onState, onUp }) {
    this.#onState = onState;
    this.#onUp = onUp;
    this.#connection = new signalR.HubConnectionBuilder()
      .withUrl(url)
      .withAutomaticReconnect(retryPolicy)
      // What goes wrong is shown in the page; the console is for mistakes of the page.
      .configureLogging(signalR.LogLevel.None)
      .build();
    this.#connection.onreconnecting((error) => onState("Reconnecting", error));
    this.#connection.onreconnected(() => this.#up());
    this.#connection.onclose((error) => {
      if (!this.#starting) onState("Disconnected", error);
    });
    document.addEventListener("visibilitychange", () => this.#onVisibility());
    window.addEventListener("online", () => this.#wake());
  }

  on(method, handler) {
    this.#connection.on(method, handler);
  }

  invoke(method, ...args) {
    return this.#connection.invoke(method, ...args);
  }

  /** For messages that nobody waits for, such as the typing notice: a lost one is no error. */
  tell(method, ...args) {
    if (this.#connection.state === signalR.HubConnectionState.Connected) {
      this.#connection.send(method, ...args).catch(() => {});
    }
  }

  /** Connects, or connects anew; resolves to whether it worked. */
  start() {
    this.#wanted = true;
    this.#starting ??= this.#startOnce().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async stop() {
    this.#wanted = false;
    await this.#connection.stop();
  }

  async #startOnce() {
    this.#onState("Connecting");
    try {
      await this.#connection.stop();
      await this.#connection.start();
    } catch (error) {
      this.#onState("Disconnected", error);
      return false;
    }
    return this.#up();
  }

  async #up() {
    try {
      await this.#onUp();
    } catch (error) {
      // The connection is there but the room is not: without the room it is of no use.
      this.#wanted = false;
      await this.#connection.stop();
      this.#onState("Disconnected", error);
      return false;
    }
    this.#onState("Connected");
    return true;
  }

  #onVisibility() {
    if (document.hidden) {
      this.#hiddenAt = Date.now();
    } else if (this.#hiddenAt !== null && Date.now() - this.#hiddenAt > PROBE_AFTER_HIDDEN) {
      this.#wake();
    } else if (this.#connection.state === signalR.HubConnectionState.Disconnected) {
      this.#wake();
    }
  }

  /** After a sleep or a network change: a waiting retry is brought forward, a dead socket is found out. */
  async #wake() {
    if (!this.#wanted || this.#starting) return;
    if (this.#connection.state === signalR.HubConnectionState.Connected) {
      // After a sleep the browser may still show a socket that the other side forgot long ago.
      if (await this.#answers()) return;
    }
    await this.start();
  }

  #answers() {
    const answer = this.#connection.invoke("Typing", false).then(
      () => true,
      () => false,
    );
    const silence = new Promise((resolve) => setTimeout(resolve, PROBE_TIMEOUT, false));
    return Promise.race([answer, silence]);
  }
}
