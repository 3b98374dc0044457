// Times calls to the bench hub, to show what a visitor's own connection to this server costs.

const CALLS = 200;
const WARM_UP_CALLS = 20;

const button = document.querySelector("#measure");
const figures = document.querySelector("#figures");
const note = document.querySelector("#measure-note");

button.addEventListener("click", async () => {
  button.disabled = true;
  note.textContent = "Measuring…";
  try {
    show(await measure());
    note.textContent = "";
  } catch (error) {
    note.textContent = `The measurement failed: ${error.message}`;
  } finally {
    button.disabled = false;
  }
});

/** The times of all calls in milliseconds, shortest first. */
async function measure() {
  const connection = new signalR.HubConnectionBuilder()
    .withUrl("/bench")
    .configureLogging(signalR.LogLevel.None)
    .build();
  await connection.start();
  try {
    const times = [];
    for (let call = -WARM_UP_CALLS; call < CALLS; call += 1) {
      const begin = performance.now();
      await connection.invoke("Echo", call);
      if (call >= 0) times.push(performance.now() - begin);
    }
    return times.sort((a, b) => a - b);
  } finally {
    await connection.stop();
  }
}

function show(times) {
  const total = times.reduce((sum, time) => sum + time, 0);
  document.querySelector("#median").textContent = milliseconds(times[times.length >> 1]);
  document.querySelector("#slowest").textContent = milliseconds(times[Math.floor(times.length * 0.99)]);
  document.querySelector("#rate").textContent = Math.round((times.length / total) * 1000).toLocaleString();
  figures.hidden = false;
}

// Browsers round their clock to 0.1 ms or worse, so more digits would be made up.
function milliseconds(time) {
  return `${time.toFixed(1)} ms`;
}
