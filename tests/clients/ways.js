// The same tests in every way in which the official client can reach a hub.

import { describe } from "node:test";
import * as signalr from "@microsoft/signalr";
import * as messagePack from "@microsoft/signalr-protocol-msgpack";
import { nameOf, WAYS } from "../support/ways.js";
import { client } from "./hub.js";

const NEWEST = { library: signalr, packedProtocol: messagePack.MessagePackHubProtocol };

/** A function that makes a client for a path of the server that `at` names, and does not start it. */
export function preparer(at, way, { library, packedProtocol } = NEWEST) {
  return (path, more) =>
    client(at.url + path, {
      library,
      transport: library.HttpTransportType[way.transport],
      skipNegotiation: way.skipNegotiation ?? false,
      protocol: way.packed ? new packedProtocol() : new library.JsonHubProtocol(),
      ...more,
    });
}

/**
 * A group of tests for each way. `define` gets the way, with a name that is its own, a function that connects to a
 * path, and one that makes such a client and does not start it.
 */
export function eachWay(at, define, version = NEWEST) {
  for (const way of WAYS) {
    const name = [version.name, nameOf(way)].filter(Boolean).join(", ");
    const prepare = preparer(at, way, version);
    const reach = async (path, more) => {
      const one = prepare(path, more);
      await one.start();
      return one;
    };
    describe(name, () => define({ ...way, name }, reach, prepare));
  }
}
