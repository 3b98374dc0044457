// Runs inside a page: what the client of SignalR 2.x does there with the transcript hub, through the script that the
// server has generated. The tests call it as `classic`.

/* global $ */

const hub = () => $.connection.hub;
const proxy = () => $.connection.transcriptHub;
const server = () => proxy().server;

/** What has happened to the page, in order. */
const log = { messages: [], states: [], errors: [], welcomes: 0, mixed: null, noArgs: null, stateSeen: null };

const until = async (check) => {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 10));
};
const heard = (text) => until(() => log.messages.some(([, said]) => said === text));
const textsOf = (label) => log.messages.filter(([how]) => how === label).map(([, text]) => text);
const failureOf = (call) =>
  call.then(
    () => "no error",
    ({ message, source, data }) => ({ message, source, data }),
  );

/** Hears everything, and starts. */
async function start({ url, ...options }) {
  if (url) hub().url = url;
  Object.assign(proxy().client, {
    welcome: () => (log.welcomes += 1),
    message: (how, text) => log.messages.push([how, text]),
    mixed: (...all) => (log.mixed = all),
    noArgs: (...all) => (log.noArgs = all),
    stateSeen: () => (log.stateSeen = { ...proxy().state }),
  });
  hub().error(({ message }) => log.errors.push(message));
  hub().stateChanged(({ newState }) => {
    const states = $.signalR.connectionState;
    log.states.push(Object.keys(states).find((name) => states[name] === newState));
  });
  await hub().start(options);
  return { transport: hub().transport.name, id: hub().id };
}

/** One of everything; what came of it. */
async function converse({ group, ...options }) {
  const { transport, id } = await start(options);
  const progress = [];
  const told = {
    transport,
    echo: await server().echo("Grüße 👩‍👩‍👧‍👦 \u2028</script>"),
    sum: await server().add(1, 2),
    nothing: (await server().nothing()) ?? null,
    object: await server().obj(),
    renamed: await server().renamed(),
    overloads: [await server().overload(), await server().overload(7), await server().overload(1, 2)],
    done: await server()
      .work("job")
      .progress((percent) => progress.push(percent)),
    progress,
    hubFail: await failureOf(server().hubFail()),
    fail: await failureOf(server().fail()),
  };
  proxy().state.name = "bob";
  await server().state();
  await server().stateNew();
  told.state = { ...proxy().state };
  told.stateRead = await server().stateRead();
  await until(() => log.stateSeen);
  told.stateSeen = log.stateSeen.name;
  await server().mixed();
  await server().noArgs();
  await server().join(group);
  await server().toGroup(group, "in");
  await server().toOthersInGroup(group, "not to me");
  await server().leave(group);
  await server().toGroup(group, "out");
  await server().burst(25);
  await server().toCaller("<b>& \"'</b>");
  await heard("<b>& \"'</b>");
  told.grouped = log.messages.filter(([how]) => how.includes(group));
  told.burst = textsOf("burst");
  told.caller = textsOf("caller");
  Object.assign(told, { mixed: log.mixed, noArgs: log.noArgs });
  return { ...told, ...(await again(id, options)) };
}

/** Stops and starts: the new connection is another one, and its handlers run once (LEG-123). */
async function again(id, { url, ...options }) {
  if (url) hub().url = url;
  hub().stop();
  await hub().start(options);
  await server().toCaller("again");
  await server().toCaller("and last");
  await heard("and last");
  let events = [];
  while (events.length < 2) events = await server().events(id);
  const told = {
    isAnother: hub().id !== id,
    again: textsOf("caller").filter((text) => text === "again").length,
    welcomes: log.welcomes,
    events,
    errors: log.errors,
  };
  hub().stop();
  return told;
}

/** The transport that the client has found by itself, and what the server knows of its way there. */
async function choose(options) {
  const { transport, id } = await start(options);
  const echo = await server().echo("found");
  const events = await server().events(id);
  hub().stop();
  return { transport, echo, events };
}

/** Is in a group, and listens. */
async function listen({ group, ...options }) {
  const { transport } = await start(options);
  await server().join(group);
  await until(() => log.welcomes > 0);
  return transport;
}

/** Waits until so many messages have come, and `text` as the last of them. */
async function tellWhatCame(text) {
  await heard(text);
  const { messages, states } = log;
  return { messages, states, events: await server().events(hub().id), frame: hub().frameId ?? null };
}

window.classic = { log, start, converse, choose, listen, tellWhatCame };
