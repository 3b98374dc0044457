// The line to the chat hub: one connection that is kept alive, started again and asked whether it still works. It
// knows nothing of rooms; `main.js` says what to do when it is up again. The client library behind it is the business
// of a wire: `core-wire.js`, `classic/wire.js`.

const PROBE_TIMEOUT = 4_000;
const PROBE_AFTER_HIDDEN = 20_000;

export class Line {
  #wire;
  #onState;
  #onUp;
  #starting = null;
  #wanted = false;
  #hiddenAt = null;

  /**
   * `onState(state, error)` hears `Connecting`, `Connected`, `Reconnecting` and `Disconnected`;
   * `onUp()` is awaited whenever a new connection is there, before `Connected` is told.
   */
  constructor(Wire, { onState, onUp }) {
    this.#onState = onState;
    this.#onUp = onUp;
    this.#wire = new Wire({
      onLost: (error) => onState("Reconnecting", error),
      onBack: () => this.#up(),
      onEnd: (error) => {
        if (!this.#starting) onState("Disconnected", error);
      },
    });
    document.addEventListener("visibilitychange", () => this.#onVisibility());
    window.addEventListener("online", () => this.#wake());
  }

  on(method, handler) {
    this.#wire.on(method, handler);
  }

  invoke(method, ...args) {
    return this.#wire.invoke(method, ...args);
  }

  /** For messages that nobody waits for, such as the typing notice: a lost one is no error. */
  tell(method, ...args) {
    if (this.#wire.isUp) this.#wire.tell(method, ...args).catch(() => {});
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
    await this.#wire.close();
  }

  async #startOnce() {
    this.#onState("Connecting");
    try {
      await this.#wire.close();
      await this.#wire.open();
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
      await this.#wire.close();
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
    } else if (this.#wire.isDown) {
      this.#wake();
    }
  }

  /** After a sleep or a network change: a waiting retry is brought forward, a dead socket is found out. */
  async #wake() {
    if (!this.#wanted || this.#starting) return;
    // After a sleep the browser may still show a socket that the other side forgot long ago.
    if (this.#wire.isUp && (await this.#answers())) return;
    await this.start();
  }

  #answers() {
    const answer = this.#wire.invoke("Typing", false).then(
      () => true,
      () => false,
    );
    const silence = new Promise((resolve) => setTimeout(resolve, PROBE_TIMEOUT, false));
    return Promise.race([answer, silence]);
  }
}
