// Questions of the server, answered by the official client: over each transport, in each protocol.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HttpTransportType, JsonHubProtocol } from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";
import { sleep } from "../support/wait.js";
import { client, connect, serveFile } from "./hub.js";

const { WebSockets, ServerSentEvents, LongPolling } = HttpTransportType;
const at = serveFile();

const ways = [
  ["WebSockets", WebSockets, JsonHubProtocol],
  ["ServerSentEvents", ServerSentEvents, JsonHubProtocol],
  ["LongPolling", LongPolling, JsonHubProtocol],
  ["WebSockets", WebSockets, MessagePackHubProtocol],
  ["LongPolling", LongPolling, MessagePackHubProtocol],
];

for (const [name, transport, Protocol] of ways) {
  const options = () => ({ transport, protocol: new Protocol() });
  const lab = () => connect(`${at.url}/hubs/lab`, options());
  const failed = (method, text) =>
    `An unexpected error occurred invoking '${method}' on the server. HubException: ${text}`;

  describe(`${name}, ${new Protocol().name}`, () => {
    test("what the client returns is what the method gets", async () => {
      const one = await lab();
      one.connection.on("double", async (value) => {
        await sleep(20);
        return [value, value];
      });
      for (const value of ["ü", 7, 1.5, null, [1, "two"], { a: { b: null } }]) {
        assert.deepEqual(await one.call("AskCaller", "double", value), [value, value]);
      }
    });

    test("what the client does wrong is the error of the method", async () => {
      const one = await lab();
      one.connection.on("throws", () => {
        throw new Error("no idea");
      });
      one.connection.on("text", () => "seven");
      one.connection.on("silent", () => {});
      assert.match(await one.failure("AskCaller", "throws", 1), new RegExp(failed("AskCaller", "Error: no idea")));
      for (const method of ["silent", "nobody"]) {
        const error = await one.failure("AskCaller", method, 1);
        assert.match(error, new RegExp(failed("AskCaller", "Client didn't provide a result.")));
      }
      const error = await one.failure("AskNumber", one.id, "text");
      assert.match(error, new RegExp(failed("AskNumber", "Error trying to deserialize result to Int32. .+")));
      assert.equal(await one.call("Add", 1, 2), 3);
    });

    test("others are asked, many at once, and calls go on meanwhile", async () => {
      const one = await lab();
      const others = await Promise.all(ways.map(([, transport]) => connect(`${at.url}/hubs/lab`, { transport })));
      let answer;
      const answered = new Promise((resolve) => (answer = resolve));
      for (const [place, other] of others.entries()) {
        other.connection.on("number", async (index) => {
          assert.equal(index, place);
          await answered;
          return 100 + place;
        });
      }
      const asked = one.call("AskMany", others.map((other) => other.id), "number");
      assert.equal(await one.call("Add", 1, 2), 3, "the question holds no slot");
      answer();
      assert.deepEqual(await asked, [100, 101, 102, 103, 104]);
    });

    test("a question that is not answered in time is taken back, and one to nobody fails", async () => {
      const one = await lab();
      one.connection.on("slow", async () => {
        await sleep(400);
        return "too late";
      });
      const error = await one.failure("AskWithin", "slow", 100);
      assert.match(error, new RegExp(failed("AskWithin", "Invocation canceled by the server.")));
      await sleep(500);
      assert.equal(await one.call("Add", 1, 2), 3, "the late answer is ignored");
      assert.match(await one.failure("AskNumber", "nobody", "number"), /invoking 'AskNumber' on the server\.$/);
    });

    test("a request asks", async () => {
      const one = await lab();
      one.connection.on("number", () => 42);
      one.connection.on("throws", () => {
        throw new Error("oops");
      });
      const ask = async (method, id = one.id) => {
        const response = await fetch(`${at.url}/lab/ask?id=${id}&method=${method}`);
        assert.equal(response.status, 200);
        return response.text();
      };
      assert.equal(await ask("number"), "42");
      assert.equal(await ask("throws"), "Error: oops");
      assert.equal(await ask("number", "nobody"), "Connection 'nobody' does not exist.");
      one.connection.on("leaves", async () => {
        void one.stop();
        return new Promise(() => {});
      });
      const { id } = one;
      assert.equal(await ask("leaves", id), `Connection '${id}' disconnected.`);
    });

    test("a slow welcome: connected at once, answered behind it", async () => {
      const one = client(`${at.url}/hubs/lab?welcome=600`, options());
      await one.start();
      const begin = Date.now();
      assert.equal(await one.call("Add", 1, 2), 3);
      assert.ok(Date.now() - begin > 400, `${Date.now() - begin} ms`);
    });
  });
}

test("a second path of the hub has its own transports and the same clients", async () => {
  const one = await connect(`${at.url}/hubs/lab`);
  const other = await connect(`${at.url}/hubs/lab-by-polling`);
  assert.equal(await other.call("Transport"), "LongPolling");
  other.connection.on("number", () => 7);
  assert.equal(await one.call("AskNumber", other.id, "number"), 7);
});
