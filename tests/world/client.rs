//! The client without hands, on a real engine.

use std::collections::BTreeMap;
use std::time::Duration;

use tickhub::base::{Moment, Rng};
use tickhub::client::{Client, Event, Need, Options, Outcome, SendError};
use tickhub::io::sim::{Read, SimPeer};
use tickhub::protocol::hub_protocol::HubProtocolKind;
use tickhub::sim::World;
use tickhub::{Call, Context, Hub, HubError, HubOptions, Methods, StreamWriter, Upload, iter};

use crate::hall::{Hall, hall, log};

/// A client, its socket, and what it told.
struct Guest {
    client: Client,
    peer: Option<SimPeer>,
    outgoing: Vec<u8>,
    /// Nobody can be reached.
    is_cut_off: bool,
    attempts: Vec<Moment>,
}

impl Guest {
    fn new(options: Options) -> Self {
        let client = Client::new(options, Rng::from_seed(1));
        let (peer, outgoing) = (None, Vec::new());
        Self { client, peer, outgoing, is_cut_off: false, attempts: Vec::new() }
    }

    /// Lets the client and the world go on for `time`; what the client told.
    fn pass(&mut self, world: &mut World, time: Duration) -> Vec<Event> {
        let end = world.now() + time;
        let mut events = Vec::new();
        loop {
            while self.step(world) {
                world.settle();
            }
            events.extend(std::iter::from_fn(|| self.client.poll_event()));
            let next = self.client.deadline().into_iter().chain(world.deadline()).min();
            let next = next.unwrap_or(end).clamp(world.now(), end);
            if world.now() == end {
                return events;
            }
            world.pass(next - world.now());
        }
    }

    fn step(&mut self, world: &mut World) -> bool {
        let now = world.now();
        if self.client.deadline().is_some_and(|at| at <= now) {
            self.client.on_time(now);
        }
        match self.client.need() {
            Need::Nothing => {}
            Need::Socket => {
                self.attempts.push(now);
                self.peer = if self.is_cut_off { None } else { world.connect() };
                match self.peer {
                    Some(_) => self.client.on_connected(now),
                    None => self.client.on_lost(now),
                }
                return true;
            }
            Need::Hangup => {
                self.peer = None;
                self.client.on_lost(now);
                return true;
            }
        }
        self.client.fill(&mut self.outgoing);
        let Some(peer) = &self.peer else { return false };
        let taken = peer.write(&self.outgoing);
        self.outgoing.drain(..taken);
        let mut bytes = Vec::new();
        match peer.read(100, &mut bytes) {
            Read::Nothing => taken > 0,
            Read::Bytes(_) => {
                self.client.on_bytes(now, &mut bytes);
                true
            }
            Read::End | Read::Broken => {
                self.peer = None;
                self.client.on_lost(now);
                true
            }
        }
    }
}

const MOMENT: Duration = Duration::from_millis(5);

fn options() -> Options {
    Options::new("sim", "/hub?x=1")
}

fn connected(world: &mut World, options: Options) -> Guest {
    let mut guest = Guest::new(options);
    guest.client.start(world.now());
    let events = guest.pass(world, MOMENT);
    let [Event::Connected { .. }, Event::Invocation(arrived)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((arrived.target.as_str(), arrived.arguments.len()), ("arrived", 0));
    guest
}

#[test]
fn a_client_connects_calls_and_leaves() {
    for skip_negotiation in [false, true] {
        let mut world = hall();
        let mut guest = connected(&mut world, Options { skip_negotiation, ..options() });
        assert_eq!(guest.client.connection_id().is_none(), skip_negotiation);
        let call = guest.client.invoke(world.now(), "Add", &(2, 3)).expect("connected");
        guest.client.send(world.now(), "Say", &("hello",)).expect("connected");
        let failed = guest.client.invoke(world.now(), "Fail", &()).expect("connected");
        let events = guest.pass(&mut world, MOMENT);
        let [
            Event::Completed { call: first, outcome: Outcome::Result(sum) },
            Event::Completed { call: second, outcome: Outcome::Error(error) },
        ] = events.as_slice()
        else {
            panic!("{events:?}")
        };
        assert_eq!((*first, *second), (call, failed));
        assert_eq!(sum.read::<i64>(), Ok(5));
        assert!(error.ends_with("HubException: disk full"), "{error}");
        guest.client.stop(world.now());
        let events = guest.pass(&mut world, MOMENT);
        assert_eq!(events, [Event::Closed { error: None }]);
        assert_eq!(log(&mut world)[1..], ["said hello", "closed by the client; 0 in the hall"]);
        assert!(world.is_quiet());
    }
}

/// Asks whoever calls.
struct Curious;

impl Hub for Curious {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on_async("Ask", |call: Call<Self>, number: i32| async move {
            call.ask_caller::<i32>("ask", (number,)).await
        });
    }
}

#[test]
fn a_client_answers_questions_once() {
    for protocol in [HubProtocolKind::Json, HubProtocolKind::MessagePack] {
        let mut world = World::new(1).hub("/hub", || Curious, &HubOptions::default());
        let mut guest = Guest::new(Options { protocol, ..options().reconnecting() });
        guest.client.start(world.now());
        guest.pass(&mut world, MOMENT);
        let ask = |guest: &mut Guest, world: &mut World, number: i32| {
            guest.client.invoke(world.now(), "Ask", &(number,)).expect("connected");
            let events = guest.pass(world, MOMENT);
            let [Event::Invocation(asked)] = events.as_slice() else { panic!("{events:?}") };
            assert_eq!((asked.target.as_str(), asked.argument(0)), ("ask", Ok(number)));
            asked.question.expect("it wants an answer")
        };
        let question = ask(&mut guest, &mut world, 1);
        guest.client.answer(world.now(), question, &2).expect("it is asked");
        let again = guest.client.answer(world.now(), question, &3);
        assert_eq!(again, Err(SendError::NotAsked));
        let events = guest.pass(&mut world, MOMENT);
        let [Event::Completed { outcome: Outcome::Result(sum), .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(sum.read::<i32>(), Ok(2));

        let question = ask(&mut guest, &mut world, 4);
        guest.client.refuse(world.now(), question, "no").expect("it is asked");
        let events = guest.pass(&mut world, MOMENT);
        let [Event::Completed { outcome: Outcome::Error(error), .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert!(error.ends_with("HubException: no"), "{error}");

        // A new connection is not asked what the old one was.
        let question = ask(&mut guest, &mut world, 5);
        guest.peer.as_ref().expect("a socket").reset();
        guest.pass(&mut world, MOMENT);
        assert!(guest.client.is_open());
        let late = guest.client.answer(world.now(), question, &6);
        assert_eq!(late, Err(SendError::NotAsked));
    }
}

#[test]
fn a_client_keeps_a_quiet_connection_alive() {
    let mut world = hall();
    let mut guest = connected(&mut world, options());
    assert_eq!(guest.pass(&mut world, Duration::from_mins(10)), []);
    assert!(guest.client.is_open());
}

#[test]
fn a_lost_client_comes_back_at_once_and_its_calls_are_canceled() {
    let mut world = hall();
    let mut guest = connected(&mut world, options().reconnecting());
    let call = guest.client.invoke(world.now(), "Later", &("x", 1000)).expect("connected");
    guest.pass(&mut world, MOMENT);
    guest.peer.as_ref().expect("a socket").reset();
    let events = guest.pass(&mut world, MOMENT);
    let [
        Event::Completed { call: canceled, outcome: Outcome::Canceled },
        Event::Reconnecting { error: Some(_) },
        Event::Reconnected { connection_id: Some(_) },
        Event::Invocation(_),
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(*canceled, call);
}

#[test]
fn reconnect_waits_0_2_10_and_30_seconds_and_gives_up() {
    let mut world = hall();
    let mut guest = connected(&mut world, options().reconnecting());
    guest.attempts.clear();
    guest.is_cut_off = true;
    let lost = world.now();
    guest.peer.as_ref().expect("a socket").reset();
    let events = guest.pass(&mut world, Duration::from_mins(1));
    assert!(
        matches!(events.as_slice(), [Event::Reconnecting { .. }, Event::Closed { error: Some(_) }]),
        "{events:?}"
    );
    let waits: Vec<u64> = guest.attempts.iter().map(|at| at.since(lost).as_secs()).collect();
    assert_eq!(waits, [0, 2, 12, 42]);
    assert_eq!(guest.client.send(world.now(), "Say", &("x",)), Err(SendError::NotConnected));
}

#[test]
fn a_server_that_falls_silent_is_given_up_after_30_seconds() {
    let mut world = hall();
    let mut guest = connected(&mut world, options());
    guest.peer.as_ref().expect("a socket").vanish();
    assert_eq!(guest.pass(&mut world, Duration::from_millis(29_900)), []);
    let events = guest.pass(&mut world, Duration::from_millis(200));
    let error = "Server timeout elapsed without receiving a message from the server.".to_owned();
    assert_eq!(events, [Event::Closed { error: Some(error) }]);
}

#[test]
fn who_is_sent_away_comes_back_and_who_is_aborted_does_not() {
    let mut world = hall();
    let mut guest = connected(&mut world, options().reconnecting());
    let id = guest.client.connection_id().expect("negotiated").to_owned();
    world.enter(0, |_: &mut Hall, clients| clients.send_away(&id));
    let events = guest.pass(&mut world, MOMENT);
    assert!(
        matches!(events[..2], [Event::Reconnecting { error: None }, Event::Reconnected { .. }]),
        "{events:?}"
    );
    let id = guest.client.connection_id().expect("negotiated").to_owned();
    world.enter(0, |_: &mut Hall, clients| clients.abort(&id));
    assert_eq!(guest.pass(&mut world, MOMENT), [Event::Closed { error: None }]);
}

#[test]
fn a_client_without_a_server_is_closed_at_once() {
    let mut world = hall();
    let mut guest = Guest::new(options().reconnecting());
    guest.is_cut_off = true;
    guest.client.start(world.now());
    let events = guest.pass(&mut world, MOMENT);
    assert!(matches!(events.as_slice(), [Event::Closed { error: Some(_) }]), "{events:?}");
}

#[test]
fn a_client_that_stops_while_it_connects_is_closed() {
    let mut world = hall();
    let mut guest = Guest::new(options());
    guest.client.start(world.now());
    guest.client.stop(world.now());
    assert_eq!(guest.pass(&mut world, MOMENT), [Event::Closed { error: None }]);
    assert!(world.is_quiet());
}

/// Streams in both directions.
struct Streaming;

impl Hub for Streaming {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.stream("Count", |_: &mut Self, _: &mut Context<Self>, n: u32| iter(0..n))
            .stream_async("Forever", |call: Call<Self>, mut writer: StreamWriter<u32>| async move {
                for number in 0.. {
                    writer.send(number).await;
                    call.sleep(Duration::from_secs(1)).await;
                }
            })
            .on_async("Sums", sums);
    }
}

async fn sums(
    _: Call<Streaming>,
    mut left: Upload<u32>,
    mut right: Upload<u32>,
) -> Result<(u32, u32), HubError> {
    let mut sums = (0, 0);
    while let Some(item) = left.next().await? {
        sums.0 += item;
    }
    while let Some(item) = right.next().await? {
        sums.1 += item;
    }
    Ok(sums)
}

#[test]
fn a_client_reads_streams_cancels_them_and_sends_its_own() {
    for protocol in [HubProtocolKind::Json, HubProtocolKind::MessagePack] {
        let mut world = World::new(1).hub("/hub", || Streaming, &HubOptions::default());
        let mut guest = Guest::new(Options { protocol, ..options().reconnecting() });
        guest.client.start(world.now());
        guest.pass(&mut world, MOMENT);
        let now = world.now();
        let count = guest.client.stream(now, "Count", &(2,)).expect("connected");
        let forever = guest.client.stream(now, "Forever", &()).expect("connected");
        let mut items = BTreeMap::new();
        let mut ended = Vec::new();
        for event in guest.pass(&mut world, MOMENT) {
            match event {
                Event::Item { call, item } => {
                    items.entry(call).or_insert_with(Vec::new).push(item.read::<u32>());
                }
                Event::Completed { call, outcome } => ended.push((call, outcome)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(items[&count], [Ok(0), Ok(1)]);
        assert_eq!(items[&forever], [Ok(0)]);
        assert_eq!(ended, [(count, Outcome::Nothing)]);
        guest.client.cancel(world.now(), forever).expect("connected");
        let events = guest.pass(&mut world, Duration::from_secs(3));
        assert_eq!(events, [Event::Completed { call: forever, outcome: Outcome::Nothing }]);

        // Two streams of ours in one call: one ends, one breaks off.
        for (error, expected) in [(None, Ok((3, 7))), (Some("broken"), Err("broken"))] {
            let now = world.now();
            let client = &mut guest.client;
            let (_, uploads) = client.invoke_with(now, "Sums", &(), 2).expect("connected");
            for item in [1, 2] {
                client.upload(now, uploads[0], &item).expect("connected");
                client.upload(now, uploads[1], &(item + 2)).expect("connected");
            }
            client.end_upload(now, uploads[0], None).expect("connected");
            client.end_upload(now, uploads[1], error).expect("connected");
            assert_eq!(client.upload(now, uploads[0], &1), Err(SendError::NotOpen));
            assert_eq!(client.end_upload(now, uploads[1], None), Err(SendError::NotOpen));
            let events = guest.pass(&mut world, MOMENT);
            let [Event::Completed { outcome, .. }] = events.as_slice() else {
                panic!("{events:?}")
            };
            match (outcome, expected) {
                (Outcome::Result(sums), Ok(expected)) => assert_eq!(sums.read(), Ok(expected)),
                (Outcome::Error(text), Err(expected)) => {
                    assert!(text.ends_with(expected), "{text}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((guest.client.stray_completions(), guest.client.calls_waiting()), (0, 0));

        // With the connection go its streams.
        let (_, uploads) =
            guest.client.invoke_with(world.now(), "Sums", &(), 2).expect("connected");
        guest.pass(&mut world, MOMENT);
        guest.peer.as_ref().expect("a socket").reset();
        let events = guest.pass(&mut world, MOMENT);
        assert!(matches!(events[0], Event::Completed { outcome: Outcome::Canceled, .. }));
        assert_eq!(guest.client.upload(world.now(), uploads[0], &1), Err(SendError::NotOpen));
    }
}
