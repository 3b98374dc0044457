// Waiting with an end: a test that hangs says what it was waiting for.

/** The outcome of `promise`, or an error when there is none after `ms`. */
export async function within(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks `check` again and again until it gives something true. */
export async function until(check, ms, what) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not so after ${ms} ms`);
    await sleep(20);
  }
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What happened, in order, to be read one by one as it comes. */
export class Inbox {
  all = [];
  #read = 0;
  #wake = () => {};

  add(item) {
    this.all.push(item);
    this.#wake();
  }

  /** The next item that was not read yet. */
  async next(ms = 5_000, what = "the next message") {
    if (this.#read >= this.all.length) {
      await within(new Promise((resolve) => (this.#wake = resolve)), ms, what);
    }
    this.#read += 1;
    return this.all[this.#read - 1];
  }

  /** The next `count` items. */
  async take(count, ms = 5_000) {
    const items = [];
    while (items.length < count) {
      items.push(await this.next(ms, `message ${items.length + 1} of ${count}`));
    }
    return items;
  }

  /** What came and was not read yet. */
  rest() {
    const rest = this.all.slice(this.#read);
    this.#read = this.all.length;
    return rest;
  }
}
