// The functional host (examples/conformance): its helpers over HTTP, and its journal.

import { until } from "../support/wait.js";
import { serveFile } from "./hub.js";

const ENTRY_TIMEOUT = 8_000;

/** One functional host for a whole file. */
export function serveFunctional() {
  const at = serveFile({ program: "functional" });
  const get = async (path) => (await fetch(at.url + path)).text();
  let tags = 0;
  return Object.assign(at, {
    get,
    /** A token of a user; `more` is the rest of the query. */
    token: (user, more = "") => get(`/generateJwtToken?user=${user}${more}`),
    /** A tag that nobody has used, for the journal. */
    newTag: () => `tag${(tags += 1)}`,
    journal: async (tag) => JSON.parse(await get(`/events?tag=${tag}`)),
    /** Waits for an entry that begins like this, and gives it. */
    entry: (tag, begin) => {
      const found = async () => (await at.journal(tag)).find((entry) => entry.startsWith(begin));
      return until(found, ENTRY_TIMEOUT, `the entry ${begin} of ${tag}`);
    },
    external: async (query) => {
      const response = await fetch(`${at.url}/external?${new URLSearchParams(query)}`, { method: "POST" });
      if (!response.ok) throw new Error(`/external: ${response.status}`);
    },
  });
}
