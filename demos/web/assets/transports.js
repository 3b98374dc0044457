// The transport of the classic client in this page: said by the query, picked in the page, shown in the page.

const NAMES = ["webSockets", "serverSentEvents", "foreverFrame", "longPolling"];

const asked = new URLSearchParams(location.search).get("transport");

/** What the client is told to use. */
export const transport = NAMES.includes(asked) ? asked : "auto";

const picker = document.querySelector("#transport");
const current = document.querySelector("#current-transport");

picker.value = transport;
document.querySelector("#transport-note").hidden = transport !== "foreverFrame";
picker.addEventListener("change", () => {
  // The page has to begin anew: what the browser can do is looked at when the client is loaded.
  const url = new URL(location);
  url.searchParams.set("transport", picker.value);
  location.assign(url);
});

/** Shows which transport a connection has. */
export function showTransportOf(connection) {
  connection.stateChanged(() => {
    const isConnected = connection.state === $.signalR.connectionState.connected;
    current.textContent = isConnected ? connection.transport.name : "none";
  });
}
