// Runs the clients of other languages against the functional host, once for each driver:
//
//     node tests/clients/languages.js go|go-library|java|python [epoll|uring]...
//
// Java, Python and go-library have clients that others wrote. The one in `go` is ours: written from the specification
// of the wire alone, and stricter than any library is.
//
// Quiet while tests pass; the last line is `N passed, N failed`.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startServer } from "../support/server.js";

const SUITE_TIMEOUT = 180_000;
const HERE = fileURLToPath(new URL(".", import.meta.url));

const GO = ["sh", "-c", "! gofmt -l . | grep . && go vet ./... && go test -count=1 -parallel 16 -v ./..."];

/** What runs the tests of a language, and what it says about them. */
const SUITES = {
  go: { command: GO, count: countGo },
  "go-library": { command: GO, count: countGo },
  java: { command: ["mvn", "--batch-mode", "--no-transfer-progress", "test"], count: countSurefire },
  python: { command: [".venv/bin/python", "-m", "pytest"], count: countPytest },
};

const [language, ...named] = process.argv.slice(2);
const suite = SUITES[language];
if (!suite) {
  console.error(`usage: node tests/clients/languages.js ${Object.keys(SUITES).join("|")} [epoll|uring]...`);
  process.exit(2);
}

let passed = 0;
let failed = 0;
for (const driver of named.length > 0 ? named : ["epoll", "uring"]) await runWith(driver);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

async function runWith(driver) {
  const begin = Date.now();
  const server = await startServer({ program: "functional", driver });
  const { output, code } = await runSuite(server.url);
  const counted = suite.count(output);
  // A runner that failed without saying what, or ran nothing, is one failure.
  if (counted.failed === 0 && (code !== 0 || counted.passed === 0)) counted.failed = 1;
  const end = await server.stop();
  if (end.code !== 0) {
    counted.failed += 1;
    console.log(`FAILED (${driver}) the end of the server: ${JSON.stringify(end)}`);
  }
  if (counted.failed > 0) console.log(output, server.errors);
  passed += counted.passed;
  failed += counted.failed;
  const seconds = ((Date.now() - begin) / 1000).toFixed(1);
  console.log(`${language}, ${driver}: ${counted.passed} passed, ${counted.failed} failed in ${seconds} s`);
}

/** All that the runner wrote, and its exit code. */
function runSuite(url) {
  const [program, ...args] = suite.command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: HERE + language,
      env: { ...process.env, SERVER: url },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: SUITE_TIMEOUT,
      killSignal: "SIGKILL",
    });
    let output = "";
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    child.once("error", reject);
    child.once("close", (code) => resolve({ output, code }));
  });
}

/**
 * `go test -v` has a line for each test, `--- PASS: Name (0.1s)`. A test that has others below it counts by those;
 * one that was skipped did not pass.
 */
function countGo(output) {
  const tests = [...output.matchAll(/^ *--- (PASS|FAIL|SKIP): (\S+) \(/gm)].map(([, outcome, name]) => ({ outcome, name }));
  const above = new Set(tests.flatMap(({ name }) => name.split("/").map((_, end, parts) => parts.slice(0, end).join("/"))));
  const single = tests.filter(({ name }) => !above.has(name));
  const passed = single.filter(({ outcome }) => outcome === "PASS").length;
  return { passed, failed: single.length - passed };
}

/** Surefire ends with `Tests run: N, Failures: N, Errors: N, Skipped: N`; a test that was skipped did not pass. */
function countSurefire(output) {
  const lines = [...output.matchAll(/Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)\s*$/gm)];
  const [run, ...bad] = lines.at(-1)?.slice(1).map(Number) ?? [0];
  const failures = bad.reduce((sum, count) => sum + count, 0);
  return { passed: run - failures, failed: failures };
}

/** pytest ends with `N failed, N passed, N skipped, N errors in …`, without what there is none of. */
function countPytest(output) {
  const last = output.trimEnd().split("\n").at(-1);
  const of = (word) => Number(last.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  return { passed: of("passed"), failed: of("failed") + of("error") + of("skipped") };
}
