// What a hub says no with, whichever client library has carried it.

/** The hub refused; the message is its own words, without what client libraries put around them. */
export class Refusal extends Error {}
