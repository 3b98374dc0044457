// Runs every client test against the release binary, once for each driver:
//
//     node tests/clients/run.js [epoll|uring]... [--file PART]
//
// Quiet while tests pass; the last line is `N passed, N failed`.

import { readdirSync } from "node:fs";
import { run } from "node:test";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const FILE_TIMEOUT = 180_000;
// The slow file waits most of the time; the others fill that time.
const FILES_AT_ONCE = 2;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { file: { type: "string", default: "" } } });
const drivers = positionals.length > 0 ? positionals : ["epoll", "uring"];
const here = fileURLToPath(new URL(".", import.meta.url));
const files = readdirSync(here)
  .filter((name) => name.endsWith(".test.js") && name.includes(values.file))
  .sort((a, b) => Number(b.startsWith("idle")) - Number(a.startsWith("idle")))
  .map((name) => here + name);

let passed = 0;
let failed = 0;
for (const driver of drivers) await runWith(driver);
console.log(`${passed} passed, ${failed} failed`);
// No test at all is a mistake in the call, not a success.
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

async function runWith(driver) {
  process.env.DRIVER = driver;
  const begin = Date.now();
  const before = { passed, failed };
  const events = run({ files, concurrency: FILES_AT_ONCE, timeout: FILE_TIMEOUT });
  for await (const { type, data } of events) {
    if (type === "test:pass" && isTest(data)) passed += 1;
    if (type === "test:fail" && data.details.error?.failureType !== "subtestsFailed") {
      failed += 1;
      report(driver, data);
    }
  }
  const seconds = ((Date.now() - begin) / 1000).toFixed(1);
  console.log(`${driver}: ${passed - before.passed} passed, ${failed - before.failed} failed in ${seconds} s`);
}

/** Files are reported as tests, too, but are not what anyone wants counted. */
function isTest({ file, name, details }) {
  return details.type !== "suite" && name !== file;
}

function report(driver, { name, file, details }) {
  const { error } = details;
  const cause = error.cause ?? error;
  console.log(`FAILED (${driver}) ${file?.slice(here.length) ?? ""}: ${name}`);
  console.log(String(cause.stack ?? cause).replace(/^/gm, "    "));
}
