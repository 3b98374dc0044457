// Runs what a server sends for pages of the classic client, and prints what it did there as JSON.
// The input is {"html", "parent"}, the opening part of a forever-frame document, or
// {"script", "hub"}, the script of the hubs.

import fs from "node:fs";
import vm from "node:vm";

const TIMEOUT_MS = 5000;

/** The calls into the parent window: [name, arguments...]. */
function frameCalls(html, parent) {
  const calls = [];
  const connection = { of: "the parent" };
  const foreverFrame = {
    getConnection(id) {
      calls.push(["getConnection", id]);
      return connection;
    },
    started(it) {
      calls.push(["started", it === connection]);
    },
    receive(it, data) {
      calls.push(["receive", it === connection, data]);
    },
  };
  const jQuery = { signalR: { transports: { foreverFrame } } };
  const page = vm.createContext({ parent: parent === "none" ? {} : { jQuery, $: jQuery } });
  page.window = page;
  for (const [, script] of html.matchAll(/<script[^>]*>(.*?)<\/script>/gis)) {
    vm.runInContext(script, page, { timeout: TIMEOUT_MS });
  }
  return calls;
}

/** The part of jQuery and of the client that the script of the hubs needs. */
function madeUpJQuery(urls) {
  function HubConnection(url) {
    if (!new.target) {
      return new HubConnection(url);
    }
    urls.push(url);
  }
  const again = function () {
    return this;
  };
  Object.assign(HubConnection.prototype, {
    starting: again,
    disconnected: again,
    createHubProxy: (hubName) => ({
      hubName,
      on() {},
      off() {},
      invoke: (...call) => call,
    }),
  });
  HubConnection.fn = HubConnection.prototype;
  return {
    signalR() {},
    hubConnection: HubConnection,
    extend: (to, ...from) => Object.assign(to, ...from),
    each: (of, run) => Object.entries(of).forEach(([key, value]) => run.call(value, key, value)),
    isFunction: (it) => typeof it === "function",
    makeArray: (items) => Array.from(items),
    merge: (first, second) => first.concat(Array.from(second)),
  };
}

/** The URL, the proxy of a hub, and what its methods pass to `invoke` when called with (1, "a"). */
function scriptFacts(script, hub) {
  const urls = [];
  const jQuery = madeUpJQuery(urls);
  const page = vm.createContext({ jQuery, $: jQuery });
  page.window = page;
  vm.runInContext(script, page, { timeout: TIMEOUT_MS });
  const proxy = jQuery.signalR[hub];
  const calls = Object.values(proxy.server).map((method) => method(1, "a"));
  return {
    url: urls[0],
    evaluates: true,
    proxy: hub,
    hubName: proxy.hubName,
    methods: Object.keys(proxy.server).sort(),
    calls: Object.fromEntries(calls.map(([name, ...passed]) => [name, passed])),
  };
}

const { html, parent, script, hub } = JSON.parse(fs.readFileSync(0, "utf8"));
let outcome;
try {
  outcome = html === undefined ? scriptFacts(script, hub) : frameCalls(html, parent);
} catch (error) {
  outcome = { threw: String(error) };
}
console.log(JSON.stringify(outcome));
