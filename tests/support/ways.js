// Every way in which the official client can reach a hub: transport, hub protocol, negotiated or not.

// An event stream is text, so it carries no MessagePack; only a WebSocket needs no negotiation.
export const WAYS = [
  { transport: "WebSockets", packed: false },
  { transport: "WebSockets", packed: true },
  { transport: "WebSockets", packed: false, skipNegotiation: true },
  { transport: "WebSockets", packed: true, skipNegotiation: true },
  { transport: "ServerSentEvents", packed: false },
  { transport: "LongPolling", packed: false },
  { transport: "LongPolling", packed: true },
];

export function nameOf({ transport, packed, skipNegotiation }) {
  return `${transport} ${packed ? "MessagePack" : "JSON"}${skipNegotiation ? " not negotiated" : ""}`;
}
