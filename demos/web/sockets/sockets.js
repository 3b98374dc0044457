// A console for the plain WebSocket endpoints: connect, send, and see each frame.

import { addFrame } from "/assets/frames.js";

const BYTES_SHOWN_MAX = 200;

const $ = (id) => document.getElementById(id);
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
    if (typeof data === "string") show("in", "text", data);
    else show("in", "binary", new Uint8Array(data));
  });
  socket.addEventListener("close", ({ code, reason }) => {
    show("in", "close", `${code} ${reason}`.trim());
    socket = null;
    showState("Disconnected");
  });
}

function send(kind, data) {
  socket.send(data);
  show("out", kind, data);
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

function show(way, kind, data) {
  if (typeof data === "string") addFrame(way, kind, new TextEncoder().encode(data).length, data);
  else addFrame(way, kind, data.length, hexadecimal(data));
}

function hexadecimal(bytes) {
  return [...bytes.subarray(0, BYTES_SHOWN_MAX)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
