// A console for a PersistentConnection: texts to everyone, to one person, to a group. No hub is behind it, so what goes
// to and fro is whatever page and server have agreed upon: objects with a `kind`.

import { element } from "/assets/element.js";
import { addFrame } from "/assets/frames.js";
import { showTransportOf, transport } from "/assets/transports.js";

const $ = (id) => document.getElementById(id);
const connection = jQuery.connection("/raw-connection");

/** The names of the others, by the ids of their connections. */
const people = new Map();
const groups = new Set();

const news = {
  welcome({ id, people: here }) {
    people.clear();
    for (const [other, name] of Object.entries(here)) if (other !== id) people.set(other, name);
    showPeople();
    addFrame("in", "the server", `Welcome, ${here[id] ?? "somebody"}. You are ${id}.`);
  },
  came({ id, name }) {
    people.set(id, name);
    showPeople();
    addFrame("in", "the server", `${name} is here.`);
  },
  left({ id }) {
    if (!people.has(id)) return;
    addFrame("in", "the server", `${people.get(id)} is gone.`);
    people.delete(id);
    showPeople();
  },
  said({ from, to, text }) {
    addFrame("in", `${from} to ${to}`, text);
  },
  joined({ group }) {
    groups.add(group);
    showGroups();
  },
  parted({ group }) {
    groups.delete(group);
    showGroups();
  },
  refused({ reason }) {
    showAlert(reason);
  },
};

connection.received((data) => news[data.kind](data));
connection.stateChanged(() => showState());
connection.error((error) => showAlert(error.message));
connection.disconnected(() => {
  people.clear();
  groups.clear();
  showPeople();
  showGroups();
});
showTransportOf(connection);

$("dial").addEventListener("submit", (event) => {
  event.preventDefault();
  showAlert("");
  if (stateName() !== "Disconnected") {
    connection.stop();
    return;
  }
  connection.qs = { name: $("name").value.trim() };
  connection.start({ transport }).catch((error) => showAlert(error.message));
});

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const { value, selectedOptions } = $("to");
  const text = $("text").value;
  const { kind = value, ...whom } = selectedOptions[0].dataset;
  send({ kind, ...whom, text });
  addFrame("out", `you to ${selectedOptions[0].textContent.toLowerCase()}`, text);
  $("text").select();
});

$("joining").addEventListener("submit", (event) => {
  event.preventDefault();
  send({ kind: "join", group: $("group").value.trim() });
  $("group").value = "";
});

function send(wish) {
  showAlert("");
  connection.send(wish);
}

function showPeople() {
  const options = [...people].map(([id, name]) => {
    const option = element("option", { value: `person ${id}`, textContent: `${name} (${id.slice(0, 8)})` });
    Object.assign(option.dataset, { kind: "person", id });
    return option;
  });
  refill($("people"), options);
}

function showGroups() {
  const options = [...groups].map((group) => {
    const option = element("option", { value: `group ${group}`, textContent: `The group ${group}` });
    Object.assign(option.dataset, { kind: "group", group });
    return option;
  });
  refill($("groups"), options);
  const chips = [...groups].map((group) => {
    const leave = element("button", { type: "button", className: "quiet", textContent: "Leave" });
    leave.setAttribute("aria-label", `Leave the group ${group}`);
    leave.addEventListener("click", () => send({ kind: "leave", group }));
    return element("li", {}, [group, leave]);
  });
  $("mine").replaceChildren(...chips);
}

/** Puts other options into a part of the list, and keeps what is chosen while it is there. */
function refill(part, options) {
  const { value } = $("to");
  part.replaceChildren(...options);
  part.hidden = options.length === 0;
  $("to").value = value;
  if ($("to").selectedIndex < 0) $("to").value = "everyone";
}

function showState() {
  const state = stateName();
  const connected = state === "Connected";
  $("state").dataset.state = state;
  $("state").textContent = state;
  $("connect").textContent = state === "Disconnected" ? "Connect" : "Disconnect";
  $("name").disabled = state !== "Disconnected";
  for (const id of ["to", "text", "send", "group", "join"]) $(id).disabled = !connected;
  if (connected) $("text").focus();
}

function stateName() {
  const states = jQuery.signalR.connectionState;
  const name = Object.keys(states).find((known) => states[known] === connection.state);
  return name[0].toUpperCase() + name.slice(1);
}

function showAlert(text) {
  $("alert").textContent = text;
  $("alert").hidden = text === "";
}

showPeople();
showGroups();
