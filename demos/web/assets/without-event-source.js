// Loaded in front of the classic client, which refuses forever frames where the browser has event streams. Who picks
// forever frames in the page gets a browser that has none.
if (new URLSearchParams(location.search).get("transport") === "foreverFrame") delete window.EventSource;
