// Who is typing: tells the others about this user without a message per key, and forgets the others when
// nothing more is heard of them.

const REPEAT_AFTER = 2_000;
const IDLE_AFTER = 3_000;
const FORGET_AFTER = 5_000;

/** Turns key presses of this user into few calls of `tell(isTyping)`. */
export class OwnTyping {
  #tell;
  #toldAt = 0;
  #idle = null;

  constructor(tell) {
    this.#tell = tell;
  }

  pressed() {
    if (Date.now() - this.#toldAt > REPEAT_AFTER) {
      this.#toldAt = Date.now();
      this.#tell(true);
    }
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.stopped(), IDLE_AFTER);
  }

  stopped() {
    clearTimeout(this.#idle);
    if (this.#toldAt === 0) return;
    this.#toldAt = 0;
    this.#tell(false);
  }
}

/** The others who are typing; `show(names)` is called when that changes. */
export class OthersTyping {
  #show;
  #expiries = new Map();

  constructor(show) {
    this.#show = show;
  }

  heard(name, isTyping) {
    clearTimeout(this.#expiries.get(name));
    this.#expiries.delete(name);
    if (isTyping) {
      // A "stopped" that never comes, because its sender vanished, must not leave the name there for ever.
      this.#expiries.set(name, setTimeout(() => this.heard(name, false), FORGET_AFTER));
    }
    this.#show([...this.#expiries.keys()]);
  }

  clear() {
    for (const expiry of this.#expiries.values()) clearTimeout(expiry);
    this.#expiries.clear();
    this.#show([]);
  }
}
