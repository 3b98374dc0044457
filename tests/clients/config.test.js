// The demos with a configuration file: what it says is in force, and what is wrong with it is told, all at once.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePort, runBinary, startServer } from "../support/server.js";
import { connect } from "./hub.js";

let folder;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tickhub-"));
});
after(() => rm(folder, { recursive: true }));

async function file(text) {
  const path = join(folder, "demos.toml");
  await writeFile(path, text);
  return path;
}

test("a file limits one hub and leaves the others", async () => {
  const config = await file(`
    [hub]
    keep_alive_interval = "10s"
    [hubs."/hubs/lab"]
    transports = ["LongPolling"]
    rate_limit.messages = { per_second = 1, burst = 3 }
  `);
  const server = await startServer({ config });
  try {
    const lab = await connect(`${server.url}/hubs/lab`);
    assert.equal(await lab.call("Transport"), "LongPolling");
    // The ping of the beginning and this call were two of three.
    const calls = await Promise.allSettled([lab.call("Add", 1, 2), lab.call("Add", 1, 2), lab.call("Add", 1, 2)]);
    const refused = calls.filter(({ status }) => status === "rejected");
    assert.ok(refused.length >= 1, "one call was one too many");
    for (const { reason } of refused) {
      assert.match(reason.message, /HubException: The rate limit of the connection is exceeded\.$/);
    }
    const bench = await connect(`${server.url}/bench`);
    for (let number = 0; number < 50; number += 1) assert.equal(await bench.call("Echo", number), number);
    await Promise.all([lab.stop(), bench.stop()]);
  } finally {
    await server.kill();
  }
});

test("mistakes are told with their lines, and nothing is served", async () => {
  const config = await file('[server]\ndrain_timeout = 5\n[hub]\nkeep_alive_interval = "40s"\n[hubs."/nowhere"]\n');
  const port = await freePort();
  const { code, output, errors } = await runBinary(["--config", config, "--listen", `127.0.0.1:${port}`]);
  assert.equal(code, 2);
  assert.equal(output, "");
  for (const part of [
    `${config}:2: server: drain_timeout = 5: `,
    `${config}:4: hub /bench: keep_alive_interval = 40s: it must be shorter than client_timeout_interval`,
    `${config}:5: hub /nowhere: nothing of the kind is served there`,
  ]) {
    assert.ok(errors.includes(part), `${part}\n${errors}`);
  }
});

test("a file that is not there is named", async () => {
  const { code, errors } = await runBinary(["--config", join(folder, "missing.toml")]);
  assert.equal(code, 2);
  assert.match(errors, /cannot read .*missing\.toml: /);
});
