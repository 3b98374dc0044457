// Groups, users and selectors of the functional host, from inside a call and from outside of all.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serveFunctional } from "./functional.js";
import { eachWay } from "./ways.js";

const at = serveFunctional();

eachWay(at, ({ name }, reach) => {
  // Two connections of the user bo, one of ann; other ways must not hear of them.
  async function three() {
    const [ann, bo] = await Promise.all([at.token(`ann ${name}`), at.token(`bo ${name}`)]);
    const all = await Promise.all([ann, bo, bo].map((token) => reach("/workhub", { accessTokenFactory: () => token })));
    const ids = await Promise.all(all.map((one) => one.call("ConnectionId")));
    return { all, ids, users: [`ann ${name}`, `bo ${name}`] };
  }

  /** Selector, names, exceptions, and the indices of those who hear it when the first of three calls. */
  const cases = ({ ids: [a, b, c], users: [ann, bo] }) => [
    ["Caller", [], [], [0]],
    ["All", [], [], [0, 1, 2]],
    ["Others", [], [], [1, 2]],
    ["AllExcept", [], [a, c], [1]],
    ["Client", [c], [], [2]],
    ["Client", ["nobody"], [], []],
    ["Clients", [a, "nobody", b], [], [0, 1]],
    ["Group", [`red ${name}`], [], [0, 1]],
    ["Group", [`Red ${name}`], [], []],
    ["GroupExcept", [`red ${name}`], [a, c], [1]],
    ["OthersInGroup", [`red ${name}`], [], [1]],
    ["Groups", [`red ${name}`, `blue ${name}`, "empty"], [], [0, 1, 2]],
    ["User", [bo], [], [1, 2]],
    ["User", [bo.toUpperCase()], [], []],
    ["Users", [ann, bo, "nobody"], [], [0, 1, 2]],
  ];

  async function join({ all: [a], ids }) {
    await a.call("Join", `red ${name}`);
    await a.call("JoinOther", ids[1], `red ${name}`);
    await a.call("JoinOther", ids[2], `blue ${name}`);
    await a.call("JoinOther", "nobody", `blue ${name}`);
  }

  /** Exactly these heard it; a mark behind it shows that nothing else came. */
  async function heard({ all, ids }, indices, text) {
    await all[0].call("Send", "Clients", ids, [], "mark");
    for (const [index, one] of all.entries()) {
      const expected = indices.includes(index) ? [[text], ["mark"]] : [["mark"]];
      assert.deepEqual(await one.messages.take(expected.length), expected, `${text} at ${index}`);
    }
  }

  test("from inside a call", async () => {
    const people = await three();
    assert.equal(await people.all[0].call("UserName"), `ann ${name}`);
    await join(people);
    for (const [selector, names, except, indices] of cases(people)) {
      await people.all[0].call("Send", selector, names, except, selector);
      await heard(people, indices, selector);
    }
  });

  test("from outside", async () => {
    const people = await three();
    const [first, second, third] = people.ids;
    await join(people);
    for (const [selector, names, except, indices] of cases(people)) {
      if (["Caller", "Others", "OthersInGroup"].includes(selector)) continue;
      await at.external({ selector, names: names.join(), except: except.join(), text: selector });
      await heard(people, indices, selector);
    }
    await at.external({ action: "join", names: `${third},red ${name}` });
    await at.external({ action: "leave", names: `${second},red ${name}` });
    await at.external({ selector: "GroupExcept", names: `red ${name}`, except: first, text: "changed" });
    await heard(people, [2], "changed");
  });

  test("members that left, and members that went away", async () => {
    const people = await three();
    const [one, two, last] = people.all;
    await join(people);
    await one.call("Leave", `red ${name}`);
    await one.call("LeaveOther", people.ids[2], `blue ${name}`);
    await one.call("Send", "Groups", [`red ${name}`, `blue ${name}`], [], "left");
    await heard(people, [1], "left");
    await two.stop();
    await one.call("Send", "Group", [`red ${name}`], [], "nobody");
    await one.call("Send", "Clients", people.ids, [], "end");
    assert.deepEqual([await one.messages.next(), await last.messages.next()], [["end"], ["end"]]);
  });

  test("many messages to a group come in order", async () => {
    const one = await reach("/workhub");
    await one.call("Join", `many ${name}`);
    await one.call("SendMany", `many ${name}`, 300, "n");
    const expected = Array.from({ length: 300 }, (_, index) => [`n${index + 1}`]);
    assert.deepEqual(await one.messages.take(300), expected);
  });
});
