//! Stateful reconnect with sockets that are cut at any moment: every message of both directions
//! arrives exactly once and in order.
//!
//! `SEEDS=n` plays more or fewer seeds than 200, `FIRST=n` begins elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use tickhub::base::Rng;
use tickhub::client::{CallId, Client, Event, Need, Options, Outcome};
use tickhub::io::sim::{Dials, OneIn, Read, SimPeer};
use tickhub::sim::World;
use tickhub::{
    Call, Closed, ConnectionOptions, Context, Hub, HubError, HubOptions, HubProtocolKind, Methods,
    OutboxLimits,
};

/// Remembers what was said, and tells everybody.
#[derive(Default)]
struct Square {
    said: Vec<(usize, u64)>,
    connects: u32,
    resumes: u32,
    ends: Vec<String>,
}

impl Hub for Square {
    type State = ();

    fn methods(methods: &mut Methods<Self>) {
        methods
            .on("Say", |hub: &mut Self, context: &mut Context<Self>, who: usize, number: u64| {
                hub.said.push((who, number));
                let place = hub.said.len() - 1;
                // Some are large: they leave in several sends, and arrive in several receives.
                let ballast =
                    if place.is_multiple_of(7) { "x".repeat(3000) } else { String::new() };
                context.all().send("said", (place, who, number, ballast)).ignore();
                place
            })
            .on_async("Later", later);
    }

    fn on_connected(&mut self, _: &mut Context<'_, Self>) -> Result<(), HubError> {
        self.connects += 1;
        Ok(())
    }

    fn on_resumed(&mut self, _: &mut Context<'_, Self>, _: u64) {
        self.resumes += 1;
    }

    fn on_disconnected(
        &mut self,
        _: &mut Context<'_, Self>,
        reason: &Closed,
    ) -> Result<(), HubError> {
        self.ends.push(reason.to_string());
        Ok(())
    }
}

async fn later(call: Call<Square>, number: u64) -> u64 {
    call.sleep(Duration::from_millis(number % 40)).await;
    number
}

/// A client that talks and listens, whatever happens to its sockets.
struct Talker {
    who: usize,
    client: Client,
    peer: Option<SimPeer>,
    outgoing: Vec<u8>,
    said: u64,
    /// What each call has to answer; nothing for those whose answer says only where it stands.
    calls: BTreeMap<CallId, Option<u64>>,
    /// Places, and who said what, in the order in which they came.
    heard: Vec<(usize, usize, u64)>,
    resumed: u32,
}

/// Calls of each client.
const CALLS: u64 = 60;

impl Talker {
    fn new(who: usize, rng: &mut Rng) -> Self {
        let mut options = Options::new("sim", "/hub");
        options.stateful_reconnect = true;
        options.stateful_buffer_bytes = [500, 2_000, 100_000][rng.below(3) as usize];
        options.resume_attempts = u32::MAX;
        options.protocol = HubProtocolKind::ALL[rng.below(2) as usize];
        // So that a connection that is dead and does not say so is found out in time.
        options.server_timeout = Duration::from_secs(2);
        options.handshake_timeout = Duration::from_secs(1);
        let client = Client::new(options, Rng::from_seed(rng.bits()));
        Self {
            who,
            client,
            peer: None,
            outgoing: Vec::new(),
            said: 0,
            calls: BTreeMap::new(),
            heard: Vec::new(),
            resumed: 0,
        }
    }

    /// Moves bytes along, at most so many in each direction.
    fn pump(&mut self, world: &mut World, most: usize) {
        let now = world.now();
        if self.client.deadline().is_some_and(|at| at <= now) {
            self.client.on_time(now);
        }
        if self.client.need() == Need::Hangup {
            self.lose(world);
        }
        if self.client.need() == Need::Socket {
            self.outgoing.clear();
            self.peer = world.connect();
            self.client.on_connected(now);
        }
        self.client.fill(&mut self.outgoing);
        if let Some(peer) = &self.peer {
            let count = self.outgoing.len().min(most);
            let taken = peer.write(&self.outgoing[..count]);
            self.outgoing.drain(..taken);
            let mut bytes = Vec::new();
            match peer.read(most, &mut bytes) {
                Read::Nothing => {}
                Read::Bytes(_) => self.client.on_bytes(now, &mut bytes),
                Read::End | Read::Broken => self.lose(world),
            }
        }
        while let Some(event) = self.client.poll_event() {
            self.on_event(event);
        }
        assert_eq!((self.client.violations(), self.client.stray_completions()), (0, 0));
    }

    fn lose(&mut self, world: &World) {
        self.peer = None;
        self.client.on_lost(world.now());
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected { .. } => {}
            Event::Resumed => self.resumed += 1,
            Event::Invocation(said) => {
                let read = "arguments of its own kind";
                self.heard.push((
                    said.argument(0).expect(read),
                    said.argument(1).expect(read),
                    said.argument(2).expect(read),
                ));
            }
            Event::Completed { call, outcome: Outcome::Result(result) } => {
                let expected = self.calls.remove(&call).expect("each call is answered once");
                let result: u64 = result.read().expect("a number");
                assert!(expected.is_none_or(|expected| expected == result));
            }
            event => {
                let rest: Vec<Event> = std::iter::from_fn(|| self.client.poll_event()).collect();
                panic!("client {}: {event:?}, {rest:?}", self.who);
            }
        }
    }

    fn talk(&mut self, world: &World, rng: &mut Rng) {
        if self.said == CALLS || !self.client.is_open() {
            return;
        }
        let now = world.now();
        self.said += 1;
        let arguments = (self.who, self.said);
        match rng.below(3) {
            0 => self.client.send(now, "Say", &arguments).expect("it is open"),
            1 => {
                let call = self.client.invoke(now, "Say", &arguments).expect("it is open");
                self.calls.insert(call, None);
            }
            _ => {
                self.client.send(now, "Say", &arguments).expect("it is open");
                let number = rng.below(1000);
                let call = self.client.invoke(now, "Later", &(number,)).expect("it is open");
                self.calls.insert(call, Some(number));
            }
        }
    }

    /// Cuts its socket in one of the ways there are.
    fn cut(&mut self, world: &World, way: u64) {
        let Some(peer) = &self.peer else { return };
        match way {
            // Both ends know at once.
            0 => peer.reset(),
            // Ours is given up, and the server hears of it by the bytes that it sends.
            1 => self.lose(world),
            // Half of it ends: the server finishes the rest.
            2 => peer.shutdown(),
            // The server cannot know. The next socket takes over.
            3 => {
                peer.vanish();
                self.lose(world);
            }
            // Nobody knows: the client's own time-out finds out.
            _ => peer.vanish(),
        }
    }
}

fn play(seed: u64) -> u32 {
    let mut rng = Rng::from_seed(seed);
    let outbox = OutboxLimits { soft_bytes: 2_000, ..OutboxLimits::default() };
    let hub = HubOptions {
        stateful_reconnect_buffer_size: [500, 5_000, 100_000][rng.below(3) as usize],
        keep_alive_interval: Duration::from_millis(500),
        enable_detailed_errors: true,
        maximum_parallel_invocations_per_client: 1 + rng.below(3) as u16,
        ..HubOptions::default()
    };
    let connection = ConnectionOptions {
        allow_stateful_reconnects: true,
        application_max_buffer_bytes: [512, 64 * 1024][rng.below(2) as usize],
        outbox,
        ..ConnectionOptions::default()
    };
    let mut world = World::new(seed).hub_with("/hub", Square::default, &hub, &connection);
    let mut talkers: Vec<Talker> = (0..3).map(|who| Talker::new(who, &mut rng)).collect();
    for talker in &mut talkers {
        talker.client.start(world.now());
    }
    pass(&mut world, &mut talkers, |_, talkers| talkers.iter().all(|one| one.client.is_open()));

    let cut_one_in = 10 + rng.below(100);
    let often = |most: u64, rng: &mut Rng| OneIn(rng.below(most) as u32);
    let dials = Dials {
        split_receive: often(4, &mut rng),
        late_receive: often(4, &mut rng),
        short_send: often(4, &mut rng),
        late_send: often(4, &mut rng),
        // Never in one reap of two: nobody could come back.
        reset: OneIn(100 + rng.below(400) as u32),
        finish: OneIn(100 + rng.below(400) as u32),
        shuffle: true,
        ..Dials::default()
    };
    world.net().set_dials(dials);
    while talkers.iter().any(|one| one.said < CALLS) {
        let index = rng.below(talkers.len() as u64) as usize;
        let one = &mut talkers[index];
        match rng.below(4) {
            0 => one.talk(&world, &mut rng),
            1 => {
                world.turn(0).expect("the tables agree");
            }
            2 => world.set_now(world.now() + Duration::from_micros(rng.below(20_000))),
            _ => one.pump(&mut world, 1 + rng.below(2_000) as usize),
        }
        if rng.one_in(cut_one_in) {
            one.cut(&world, rng.below(5));
        }
    }

    world.net().set_dials(Dials::default());
    let everything = talkers.len() * CALLS as usize;
    pass(&mut world, &mut talkers, |world, talkers| {
        let said = world.enter(0, |hub: &mut Square, _| hub.said.len());
        let is_done = |one: &Talker| one.calls.is_empty() && one.heard.len() >= said;
        said >= everything && talkers.iter().all(is_done)
    });
    let resumes = world.enter(0, |hub: &mut Square, _| {
        assert_eq!((hub.connects, hub.ends.len()), (3, 0), "{:?}", hub.ends);
        let places = hub.said.iter().enumerate();
        let truth: Vec<_> = places.map(|(place, (who, number))| (place, *who, *number)).collect();
        for one in &talkers {
            let mine: Vec<u64> =
                hub.said.iter().filter(|said| said.0 == one.who).map(|said| said.1).collect();
            assert_eq!(mine, (1..=CALLS).collect::<Vec<_>>(), "to the server");
            assert_eq!(one.heard, truth, "to client {}", one.who);
        }
        hub.resumes
    });
    // The server may have taken a socket for good that its client never saw opened.
    assert!(resumes >= talkers.iter().map(|one| one.resumed).sum());
    for one in &mut talkers {
        one.client.stop(world.now());
    }
    resumes
}

/// Everything moves as well as it can until `is_done`.
fn pass(
    world: &mut World,
    talkers: &mut [Talker],
    mut is_done: impl FnMut(&mut World, &[Talker]) -> bool,
) {
    let limit = world.now() + Duration::from_mins(10);
    while !is_done(world, talkers) {
        assert!(world.now() < limit, "it never comes to an end");
        for _ in 0..4 {
            for one in &mut *talkers {
                one.pump(world, 64 * 1024);
            }
            world.settle();
        }
        world.pass(Duration::from_millis(250));
    }
}

#[test]
fn every_message_arrives_once_and_in_order_whatever_is_cut() {
    let first = crate::number("FIRST").unwrap_or(1);
    let count = crate::number("SEEDS").unwrap_or(200);
    let mut resumes = 0;
    for seed in first..first + count {
        match std::panic::catch_unwind(|| play(seed)) {
            Ok(some) => resumes += some,
            Err(panic) => {
                println!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{count} seeds: {resumes} times somebody came back");
    assert!(u64::from(resumes) > count * 5, "a play in which nothing is cut finds nothing");
}
