// A console for the plain WebSocket endpoints: connect, send, and see each frame.

import { element } from "/assets/element.js";

const FRAMES_MAX = 200;
const CONTENT_MAX = 400;

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
let socket = null;

$("dial").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket) socket.close(1000, "closed by the user");
  else connect($("path").value);
});

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send("text", $("text").value);
});

$("send-bytes").addEventListener("click", () => {
  send("binary", new TextEncoder().encode($("text").value));
});

function connect(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  showState("Connecting");
  socket.addEventListener("open", () => showState("Connected"));
  socket.addEventListener("message", ({ data }) => {
    if (typeof data === "string") addFrame("in", "text", data);
    else addFrame("in", "binary", new Uint8Array(data));
  });
  socket.addEventListener("close", ({ code, reason }) => {
    addFrame("in", "close", `${code} ${reason}`.trim());
    socket = null;
    showState("Disconnected");
  });
}

function send(kind, data) {
  socket.send(data);
  addFrame("out", kind, data);
}

function showState(state) {
  const connected = state === "Connected";
  $("state").dataset.state = state;
  $("state").textContent = state;
  $("connect").textContent = socket ? "Disconnect" : "Connect";
  $("path").disabled = socket !== null;
  for (const id of ["text", "send", "send-bytes"]) $(id).disabled = !connected;
  if (connected) $("text").focus();
}

function addFrame(way, kind, data) {
  const text = typeof data === "string" ? data : hexadecimal(data);
  const bytes = typeof data === "string" ? new TextEncoder().encode(data).length : data.length;
  const shown = text.length > CONTENT_MAX ? `${text.slice(0, CONTENT_MAX)}…` : text;
  const cells = [clock.format(new Date()), way === "in" ? "← in" : "→ out", kind, bytes, shown];
  const row = element("tr", { className: way }, cells.map((cell) => element("td", { textContent: cell })));
  $("frames").prepend(row);
  if ($("frames").childElementCount > FRAMES_MAX) $("frames").lastElementChild.remove();
  $("empty").hidden = true;
}

function hexadecimal(bytes) {
  return [...bytes.subarray(0, CONTENT_MAX)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
