// What takes its time: the end of sign-ins, and connections on which nobody says anything. All ways at once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOf, WAYS } from "../support/ways.js";
import { sleep } from "../support/wait.js";
import { serveFunctional } from "./functional.js";
import { preparer } from "./ways.js";

const at = serveFunctional();

/** A test of all ways at the same time. */
function inEachWay(name, body) {
  test(name, () =>
    Promise.all(
      WAYS.map(async (way) => {
        try {
          await body(way, preparer(at, way));
        } catch (error) {
          throw new Error(`${nameOf(way)}: ${error.message}`, { cause: error });
        }
      }),
    ),
  );
}

async function event(one, kind) {
  const [came, detail] = await one.events.next(15_000, `the event ${kind}`);
  assert.equal(came, kind, `${came}: ${detail}`);
  return detail;
}

inEachWay("the end of the sign-in is the end of the connection, where the hub says so", async (way, prepare) => {
  const accessTokenFactory = () => at.token("soon", "&lifetime=3");
  const one = prepare("/expiringhub", { accessTokenFactory });
  const other = prepare("/authorizedhub", { accessTokenFactory });
  await Promise.all([one.start(), other.start()]);
  assert.equal(await one.call("Echo", "x"), "x");
  await event(one, "closed");
  assert.equal(await other.call("Echo", "still here"), "still here");
});

inEachWay("a client that comes back with a new sign-in", async (way, prepare) => {
  let lifetime = 2;
  const accessTokenFactory = () => at.token("again", `&lifetime=${lifetime}`);
  const one = prepare("/expiringhub", { accessTokenFactory, reconnect: true });
  await one.start();
  lifetime = 60;
  await event(one, "reconnecting");
  await event(one, "reconnected");
  assert.equal(await one.call("GetUserNameIdentifier"), "again");
});

inEachWay("quiet connections stay alive, and silent clients do not", async ({ transport }, prepare) => {
  const tag = at.newTag();
  const one = prepare("/quickhub");
  one.connection.serverTimeoutInMilliseconds = 2_500;
  one.connection.keepAliveIntervalInMilliseconds = 1_000;
  const silent = prepare(`/quickhub?tag=${tag}`);
  // Its first ping is its last.
  silent.connection.keepAliveIntervalInMilliseconds = 60_000;
  await Promise.all([one.start(), silent.start()]);
  await silent.call("Nothing");
  await sleep(6_000);
  assert.equal(await one.call("Add", 1, 2), 3);
  // The pings of a client arm the limit, and over Long Polling this client sends none.
  const left = (await at.journal(tag)).some((entry) => entry.startsWith("disconnected "));
  assert.equal(left, transport !== "LongPolling");
});
