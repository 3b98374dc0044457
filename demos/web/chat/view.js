// What the chat looks like: the only module that touches the document. Text of users becomes text nodes
// and never markup.

import { element } from "/assets/element.js";

const MESSAGES_MAX = 500;
const BOTTOM_SLACK = 80;

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const fullDate = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

let connected = false;

export const controls = {
  entrance: $("entrance"),
  name: $("name"),
  room: $("room"),
  leave: $("leave"),
  retry: $("retry"),
  composer: $("composer"),
  text: $("text"),
};

/** Lets the form be filled in. Before the page listens to it, the browser would send it away by itself. */
export function openEntrance() {
  for (const id of ["name", "room", "join"]) $(id).disabled = false;
  controls.name.focus();
}

/** Shows the form that asks for name and room. */
export function showEntrance() {
  $("conversation").hidden = true;
  $("entrance").hidden = false;
  $("room-title").hidden = true;
  $("leave").hidden = true;
  $("state").hidden = true;
  $("messages").replaceChildren();
  document.title = "Chat · tickhub";
  controls.name.focus();
}

/** Shows the conversation in `room`. */
export function showRoom(room) {
  $("entrance").hidden = true;
  $("conversation").hidden = false;
  $("room-title").textContent = room;
  $("room-title").hidden = false;
  $("leave").hidden = false;
  document.title = `${room} · tickhub chat`;
}

export function showState(state) {
  connected = state === "Connected";
  const pill = $("state");
  pill.hidden = false;
  pill.dataset.state = state;
  pill.textContent = state;
  controls.text.disabled = !connected;
  $("join").disabled = state === "Connecting";
  controls.text.placeholder = connected ? "Message" : "You can write again when connected";
  $("retry").hidden = state !== "Disconnected" || $("conversation").hidden;
  refreshSend();
}

/** The send button works when there is something to send and somewhere to send it. */
export function refreshSend() {
  $("send").disabled = !connected || controls.text.value.trim() === "";
}

export function showAlert(text) {
  $("alert-text").textContent = text;
  $("alert").hidden = false;
}

export function hideAlert() {
  $("alert").hidden = true;
}

export function showMembers(names, self) {
  const items = names.map((name) =>
    name === self
      ? element("li", { className: "self", textContent: `${name} (you)` })
      : element("li", { textContent: name }),
  );
  $("members").replaceChildren(...items);
  $("members-count").textContent = `(${names.length})`;
}

export function addMessage({ from, text, at }, own) {
  const when = new Date(at);
  const time = element("time", {
    dateTime: when.toISOString(),
    title: fullDate.format(when),
    textContent: clock.format(when),
  });
  append(
    element("li", { className: own ? "message own" : "message" }, [
      element("header", {}, [
        element("span", { className: "from", textContent: own ? "You" : from }),
        time,
      ]),
      element("p", { textContent: text }),
    ]),
    own,
  );
}

export function addNotice(text) {
  append(element("li", { className: "notice", textContent: text }), false);
}

export function showTyping(names) {
  $("typing").textContent = typingText(names);
}

function typingText(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing…`;
  return "Several people are typing…";
}

/** Follows the conversation unless the reader has scrolled up to read older messages. */
function append(item, always) {
  const list = $("messages");
  const atBottom = list.scrollHeight - list.scrollTop - list.clientHeight < BOTTOM_SLACK;
  list.append(item);
  while (list.childElementCount > MESSAGES_MAX) list.firstElementChild.remove();
  if (atBottom || always) list.scrollTop = list.scrollHeight;
}
