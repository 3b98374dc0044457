// Who gets a message: all, others, one, several, groups, users.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { connect, serveFile } from "./hub.js";

const at = serveFile();
let ann, bo, cy, all;

// Two connections of the user "pair", one of the user "single".
beforeEach(async () => {
  all = await Promise.all(["pair", "pair", "single"].map((user) => connect(`${at.url}/hubs/lab?user=${user}`)));
  [ann, bo, cy] = all;
});

/** Exactly these clients got exactly this message; a mark sent to all behind it shows that nothing else came. */
async function got(clients, ...message) {
  await ann.call("ToAll", "mark");
  for (const each of all) {
    const expected = clients.includes(each) ? [message, ["all", "mark"]] : [["all", "mark"]];
    assert.deepEqual(await each.messages.take(expected.length), expected);
  }
}

test("all", async () => {
  await ann.call("ToAll", "hello");
  await got([ann, bo, cy], "all", "hello");
});

test("all except some", async () => {
  await ann.call("ToAllExcept", "hello", [ann.id, cy.id]);
  await got([bo], "allExcept", "hello");
});

test("others", async () => {
  await ann.call("ToOthers", "hello");
  await got([bo, cy], "others", "hello");
});

test("the caller", async () => {
  await bo.call("ToCaller", "hello");
  await got([bo], "caller", "hello");
});

test("one connection, and one that does not exist", async () => {
  await ann.call("ToClient", cy.id, "hello");
  await ann.call("ToClient", "nobody", "lost");
  await got([cy], "client", "hello");
});

test("several connections", async () => {
  await ann.call("ToClients", [ann.id, cy.id, "nobody"], "hello");
  await got([ann, cy], "clients", "hello");
});

test("a group: members only, joined twice counts once", async () => {
  await Promise.all([ann.call("Join", "red"), ann.call("Join", "red"), bo.call("Join", "red")]);
  await cy.call("ToGroup", "red", "hello");
  await got([ann, bo], "group red", "hello");
});

test("a group after leaving", async () => {
  await Promise.all([ann.call("Join", "red"), bo.call("Join", "red")]);
  await ann.call("Leave", "red");
  await ann.call("Leave", "never joined");
  await cy.call("ToGroup", "red", "hello");
  await got([bo], "group red", "hello");
});

test("an empty group, and group names are case-sensitive", async () => {
  await ann.call("Join", "red");
  await bo.call("ToGroup", "Red", "hello");
  await bo.call("ToGroup", "nobody here", "hello");
  await got([]);
});

test("a group except some", async () => {
  await Promise.all(all.map((each) => each.call("Join", "red")));
  await ann.call("ToGroupExcept", "red", [bo.id], "hello");
  await got([ann, cy], "groupExcept red", "hello");
});

test("others in a group", async () => {
  await Promise.all([ann.call("Join", "red"), bo.call("Join", "red")]);
  await ann.call("ToOthersInGroup", "red", "hello");
  await got([bo], "othersInGroup red", "hello");
});

test("several groups", async () => {
  await ann.call("Join", "red");
  await cy.call("Join", "blue");
  await bo.call("ToGroups", ["red", "blue"], "hello");
  await got([ann, cy], "groups", "hello");
});

test("join and send in one method: the caller gets it", async () => {
  assert.equal(await ann.call("JoinAndSend", "green", "hello"), "sent");
  await got([ann], "group green", "hello");
});

test("a user: every connection of it, in its own letter case only", async () => {
  await cy.call("ToUser", "pair", "hello");
  await cy.call("ToUser", "Pair", "lost");
  await got([ann, bo], "user", "hello");
});

test("several users", async () => {
  await ann.call("ToUsers", ["pair", "single", "nobody"], "hello");
  await got([ann, bo, cy], "users", "hello");
});

test("groups end with the connection", async () => {
  await bo.call("Join", "red");
  await bo.stop();
  await bo.start();
  await ann.call("ToGroup", "red", "hello");
  await got([]);
});
