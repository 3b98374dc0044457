// The chat: what happens when the user, the hub or the connection does something.

import { Line } from "./line.js";
import { Refusal } from "./refusal.js";
import { OthersTyping, OwnTyping } from "./typing.js";
import * as view from "./view.js";

// The page says which client library it has loaded.
const { Wire } = await import(document.body.dataset.wire);

const REJOIN_ATTEMPTS = 10;
const REJOIN_DELAY = 4_000;

const { entrance, name, room, leave, retry, composer, text } = view.controls;

/** `{ name, room }` while the user is in a room or on the way into one. */
let seat = null;
let members = [];
let greeted = false;
const seen = new Set();

const ownTyping = new OwnTyping((isTyping) => line.tell("Typing", isTyping));
const othersTyping = new OthersTyping(view.showTyping);
const line = new Line(Wire, { onState, onUp: takeSeat });

line.on("message", (from, said, at) => {
  othersTyping.heard(from, false);
  showOnce({ from, text: said, at });
});
line.on("joined", (who) => {
  if (who === seat?.name) return;
  if (!members.includes(who)) showMembers([...members, who]);
  view.addNotice(`${who} joined`);
});
line.on("left", (who) => {
  if (who === seat?.name) return;
  othersTyping.heard(who, false);
  showMembers(members.filter((member) => member !== who));
  view.addNotice(`${who} left`);
});
line.on("members", showMembers);
line.on("typing", (who, isTyping) => {
  if (who !== seat?.name) othersTyping.heard(who, isTyping);
});

entrance.addEventListener("submit", async (event) => {
  event.preventDefault();
  await enter({ name: name.value.trim(), room: room.value.trim() });
});

leave.addEventListener("click", async () => {
  seat = null;
  sessionStorage.removeItem("seat");
  ownTyping.stopped();
  view.hideAlert();
  // A hub that is told "leave" tells the others at once; stopping alone would do too.
  line.tell("Leave");
  await line.stop();
  forgetRoom();
  view.showEntrance();
});

retry.addEventListener("click", () => line.start());

text.addEventListener("input", () => {
  view.refreshSend();
  if (text.value === "") ownTyping.stopped();
  else ownTyping.pressed();
});

text.addEventListener("keydown", (event) => {
  // An input method uses Enter to accept a word; that Enter is not for us.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

composer.addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = text.value.trim();
  if (said === "" || text.disabled) return;
  text.value = "";
  view.refreshSend();
  ownTyping.stopped();
  try {
    await line.invoke("Say", said);
    view.hideAlert();
  } catch (error) {
    // The words go back into an empty box, so that nothing has to be typed twice.
    if (text.value === "") text.value = said;
    view.refreshSend();
    view.showAlert(`Your message may not have been sent: ${error.message}`);
  }
  text.focus();
});

async function enter(wanted) {
  if (wanted.name === "" || wanted.room === "") {
    view.showAlert("Please fill in your name and a room.");
    return;
  }
  view.hideAlert();
  seat = wanted;
  greeted = false;
  await line.start();
}

/** Joins the room on a new connection: the first one, or one that replaces a lost one. */
async function takeSeat() {
  const wanted = seat;
  const { name: self, room: where } = seat;
  const back = greeted || sessionStorage.getItem("seat") !== null;
  const { members: names, history } = await join(where, self, back ? REJOIN_ATTEMPTS : 1);
  // The user may have left while the hub was answering.
  if (seat !== wanted) return;
  sessionStorage.setItem("seat", JSON.stringify(seat));
  localStorage.setItem("chat.name", self);
  localStorage.setItem("chat.room", where);
  const address = new URL(location);
  address.searchParams.set("room", where);
  window.history.replaceState(null, "", address);
  view.showRoom(where);
  showMembers(names);
  history.forEach(showOnce);
  if (!greeted) view.addNotice(`You are in ${where}`);
  greeted = true;
}

/**
 * A server that has not yet noticed that the former connection is dead says that the name is taken. Someone
 * who was there a moment ago is told so only after a while.
 */
async function join(where, self, attempts) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await line.invoke("Join", where, self);
    } catch (error) {
      if (attempt >= attempts || !(error instanceof Refusal)) throw error;
      await new Promise((resolve) => setTimeout(resolve, REJOIN_DELAY));
    }
  }
}

function onState(state, error) {
  if (seat === null) return;
  view.showState(state);
  if (state === "Connected") {
    view.hideAlert();
    text.focus();
    return;
  }
  othersTyping.clear();
  if (state !== "Disconnected") return;
  if (greeted) {
    view.showAlert(`The connection is lost${error ? `: ${error.message}` : "."}`);
    return;
  }
  // Not in the room yet: back to the form, with what was typed still in it.
  seat = null;
  sessionStorage.removeItem("seat");
  view.showEntrance();
  view.showAlert(error ? error.message : "The server closed the connection.");
}

function showMembers(names) {
  members = names;
  view.showMembers(names, seat?.name);
}

/** After a reconnect the history repeats what is on the page already. */
function showOnce(message) {
  const key = JSON.stringify([message.at, message.from, message.text]);
  if (seen.has(key)) return;
  seen.add(key);
  view.addMessage(message, message.from === seat?.name);
}

function forgetRoom() {
  seen.clear();
  members = [];
  othersTyping.clear();
}

function begin() {
  const saved = JSON.parse(sessionStorage.getItem("seat") ?? "null");
  const invited = new URLSearchParams(location.search).get("room");
  name.value = saved?.name ?? localStorage.getItem("chat.name") ?? "";
  room.value = saved?.room ?? invited ?? localStorage.getItem("chat.room") ?? "lobby";
  view.openEntrance();
  // A reloaded page goes straight back into its room.
  if (saved) enter(saved);
}

begin();
