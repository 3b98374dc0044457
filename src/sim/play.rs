//! The whole play: what a seed decides, the acts, and what is checked.

use std::fmt;
use std::time::Duration;

use super::classic::{CLASSIC, ClassicPlayer, HUB};
use super::honest::Player;
use super::ledger::{Books, Carried};
use super::liar::Liar;
use super::listener::Listener;
use super::stage::SimHub;
use super::topic::{LINES, SimTopic, TOPIC};
use super::trace::Trace;
use super::web_liar::WebLiar;
use super::world::{Turn, World};
use crate::base::{Moment, Rng};
use crate::classic::{ClassicHubs, ClassicOptions};
use crate::hub::{Counters, HubOptions, contained};
use crate::io::sim::{Dials, OneIn};
use crate::protocol::hub_protocol::HubProtocolKind;
use crate::raw::RawOptions;
use crate::transport::{ConnectionOptions, OutboxLimits};

/// What became of a run in which nothing went wrong.
#[derive(Debug)]
pub struct Report {
    /// The hash of everything that happened.
    pub hash: u64,
    /// Turns of the server.
    pub turns: u64,
    /// Simulated time.
    pub time: Duration,
    /// Connections that the hub and the topic saw.
    pub connections: usize,
    /// How many of them each transport of hubs carried: WebSockets, event streams, long polling.
    pub carried: [usize; 3],
    /// The same of connections without a hub.
    pub listened: [usize; 3],
    /// What classic clients did over WebSockets, event streams, forever frames, long polling.
    pub classic: [Carried; 4],
    /// Items of streams that clients got, and items of uploads that the hub got.
    pub items: [u64; 2],
    /// Messages that were said in rooms.
    pub messages: u64,
    /// What the shards counted, together.
    pub counters: Counters,
    /// The log, if it was kept.
    pub log: Vec<String>,
}

/// Something went wrong in a run.
#[derive(Debug)]
pub struct Failure {
    /// The number that makes it happen again.
    pub seed: u64,
    /// What was wrong.
    pub what: String,
    /// The log, if it was kept.
    pub log: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, .. } = self;
        writeln!(f, "seed {seed}: {what}")?;
        write!(f, "replay it with: SEED={seed} cargo test --features sim --test world replay")
    }
}

impl std::error::Error for Failure {}

/// Plays one seed. With `keep_log`, a readable line for each step comes back.
///
/// # Errors
///
/// A rule was broken.
pub fn run(seed: u64, keep_log: bool) -> Result<Report, Failure> {
    let mut play = Play::new(seed, keep_log);
    // A panic is a failure of the seed like any other.
    let result =
        contained(|| play.perform()).unwrap_or_else(|panic| Err(format!("panic: {panic}")));
    let log = play.trace.lines().to_vec();
    if let Err(what) = result {
        let now = play.world.now().since(Moment::START);
        return Err(Failure { seed, what: format!("after {now:?}: {what}"), log });
    }
    let books = play.books.borrow();
    Ok(Report {
        hash: play.trace.hash(),
        turns: play.world.turns(),
        time: play.world.now().since(Moment::START),
        connections: books.visits.len(),
        carried: books.carried(true),
        listened: books.carried(false),
        classic: books.classic,
        items: books.items,
        messages: books.rooms.values().map(|room| room.said).sum(),
        counters: play.world.counters_of_all(),
        log,
    })
}

struct Play {
    world: World,
    rng: Rng,
    trace: Trace,
    books: Books,
    players: Vec<Player>,
    classics: Vec<ClassicPlayer>,
    listeners: Vec<Listener>,
    liars: Vec<Liar>,
    web_liars: Vec<WebLiar>,
    ends: Moment,
}

/// What a player speaks: all JSON in one of four seeds, all MessagePack in another, and both side
/// by side in the rest.
fn protocol(seed: u64, number: u64) -> HubProtocolKind {
    match (seed % 4, number % 2) {
        (0, _) | (2.., 0) => HubProtocolKind::Json,
        _ => HubProtocolKind::MessagePack,
    }
}

impl Play {
    fn new(seed: u64, keep_log: bool) -> Self {
        let mut rng = Rng::from_seed(seed);
        let mut trace = Trace::new(keep_log);
        let books = Books::default();
        let parallel = if rng.one_in(2) { 1 } else { 3 };
        let options = HubOptions {
            maximum_parallel_invocations_per_client: parallel,
            enable_detailed_errors: rng.one_in(2),
            stream_buffer_capacity: if rng.one_in(2) { 1 + rng.below(3) as usize } else { 10 },
            stateful_reconnect_buffer_size: [300, 5_000, 100_000][rng.below(3) as usize],
            ..HubOptions::default()
        };
        let outbox = match rng.below(3) {
            0 => OutboxLimits { soft_bytes: 4_000, hard_bytes: 32_000, ..OutboxLimits::default() },
            1 => OutboxLimits { soft_bytes: 500, hard_bytes: 300_000, ..OutboxLimits::default() },
            _ => OutboxLimits::default(),
        };
        let connection = ConnectionOptions {
            application_max_buffer_bytes: if rng.one_in(2) { 64 * 1024 } else { 512 },
            outbox: outbox.clone(),
            allow_stateful_reconnects: true,
            ..ConnectionOptions::default()
        };
        let dials = dials(&mut rng);
        let refuse_one_in = if rng.one_in(3) { 8 } else { 0 };
        let hub_rng = std::cell::RefCell::new(Rng::from_seed(rng.bits()));
        let world = World::new(rng.bits())
            .hub_with(
                "/hub",
                || {
                    let rng = Rng::from_seed(hub_rng.borrow_mut().bits());
                    SimHub::new(books.clone(), rng, refuse_one_in)
                },
                &options,
                &connection,
            )
            .websocket(
                TOPIC,
                || SimTopic::new(books.clone(), TOPIC),
                &RawOptions { outbox, ..RawOptions::default() },
            )
            .connection(LINES, || SimTopic::new(books.clone(), LINES), &connection)
            .classic(
                CLASSIC,
                &classic_options(&connection),
                &ClassicHubs::new().hub::<SimHub>(HUB),
            );
        trace.note(world.now(), format_args!("{dials:?}"));
        trace.note(world.now(), format_args!("{options:?} {connection:?}"));
        world.net().set_dials(dials);
        let count = 2 + rng.below(8);
        let players = (0..count)
            .map(|number| {
                let rng = Rng::from_seed(rng.bits());
                let protocol = protocol(seed, number);
                let bytes = options.stateful_reconnect_buffer_size;
                Player::new(number, books.clone(), rng, parallel == 1, protocol, bytes)
            })
            .collect();
        let classics = (0..rng.below(5))
            .map(|number| ClassicPlayer::new(number, books.clone(), Rng::from_seed(rng.bits())))
            .collect();
        let listeners = (0..rng.below(4))
            .map(|number| Listener::new(number, books.clone(), Rng::from_seed(rng.bits())))
            .collect();
        let liars =
            (0..rng.below(4)).map(|number| Liar::new(number, Rng::from_seed(rng.bits()))).collect();
        let web_liars = (0..rng.below(3))
            .map(|number| WebLiar::new(number, Rng::from_seed(rng.bits())))
            .collect();
        let ends = Moment::START + Duration::from_secs(30 + rng.below(91));
        Self { world, rng, trace, books, players, classics, listeners, liars, web_liars, ends }
    }

    fn perform(&mut self) -> Result<(), String> {
        while self.world.now() < self.ends {
            self.step()?;
        }
        self.note(format_args!("the network is well from now on"));
        self.world.net().set_dials(Dials::default());
        for shard in 0..self.world.shards() {
            self.world.enter(shard, |hub: &mut SimHub, _| hub.refuse_nobody());
        }
        self.gather("everybody is connected and every call is answered")?;
        let now = self.world.now();
        self.players.iter_mut().for_each(|player| player.join_last(now));
        self.classics.iter_mut().for_each(ClassicPlayer::join_last);
        self.gather("everybody has joined the last room")?;
        let now = self.world.now();
        self.players.iter_mut().for_each(|player| player.say_last(now));
        self.classics.iter_mut().for_each(ClassicPlayer::say_last);
        self.listeners.iter_mut().for_each(Listener::ask_last);
        self.gather("everybody has had the last word")?;
        self.players.iter().try_for_each(Player::check_present)?;
        self.classics.iter().try_for_each(ClassicPlayer::check_present)?;
        self.listeners.iter().try_for_each(Listener::check_present)?;
        if self.rng.one_in(3) {
            self.go_down()?;
        } else {
            self.leave()?;
        }
        self.players.iter().try_for_each(Player::check_past)?;
        self.classics.iter().try_for_each(ClassicPlayer::check_past)?;
        let overrun = self.world.counters_of_all().overrun;
        if overrun > 0 {
            return Err(format!("{overrun} times messages for classic clients were not kept"));
        }
        self.listeners.iter().try_for_each(Listener::check_past)?;
        self.books.borrow().check_visits()
    }

    /// One step: somebody does something, chosen by the seed.
    fn step(&mut self) -> Result<(), String> {
        let most = if self.classics.is_empty() { 200 } else { 230 };
        match self.rng.below(most) {
            0..=79 => {
                let shard = self.rng.below(self.world.shards() as u64) as usize;
                let turn = self.world.turn(shard)?;
                self.note(format_args!(
                    "turn: {} completions, {} operations",
                    turn.completions, turn.operations
                ));
            }
            80..=159 => {
                let index = self.rng.below(self.players.len() as u64) as usize;
                let player = &mut self.players[index];
                player.pump(&self.world, &mut self.trace, false)?;
                if self.rng.one_in(4) {
                    player.act(self.world.now(), &mut self.trace);
                }
            }
            160..=174 if !self.listeners.is_empty() => {
                let index = self.rng.below(self.listeners.len() as u64) as usize;
                let listener = &mut self.listeners[index];
                listener.pump(&self.world, &mut self.trace, false)?;
                if self.rng.one_in(4) {
                    listener.act(self.world.now());
                }
            }
            175..=182 if !self.liars.is_empty() => {
                let index = self.rng.below(self.liars.len() as u64) as usize;
                self.liars[index].act(&self.world, &mut self.trace);
            }
            183..=189 if !self.web_liars.is_empty() => {
                let index = self.rng.below(self.web_liars.len() as u64) as usize;
                self.web_liars[index].act(&self.world, &mut self.trace);
            }
            200.. => {
                let index = self.rng.below(self.classics.len() as u64) as usize;
                let player = &mut self.classics[index];
                player.pump(&self.world, &mut self.trace, false)?;
                if self.rng.one_in(4) {
                    player.act(self.world.now(), &mut self.trace);
                }
            }
            _ => {
                let now = self.world.now();
                let micros = |most: u64, rng: &mut Rng| Duration::from_micros(rng.below(most));
                let next = match self.rng.below(10) {
                    0..=3 => now + micros(5_000, &mut self.rng),
                    4..=6 => self.next_deadline().map_or(now, |at| at.max(now)),
                    7..=8 => now + micros(300_000, &mut self.rng),
                    // A shard that stood still, or a machine that slept.
                    _ => now + micros(3_000_000, &mut self.rng),
                };
                self.world.set_now(next);
            }
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Moment> {
        let players = self.players.iter().filter_map(Player::deadline);
        let listeners = self.listeners.iter().filter_map(Listener::deadline);
        let classics = self.classics.iter().filter_map(ClassicPlayer::deadline);
        players.chain(classics).chain(listeners).chain(self.world.deadline()).min()
    }

    /// Runs until every honest client is connected and content.
    fn gather(&mut self, what: &str) -> Result<(), String> {
        let now = self.world.now();
        self.classics.iter_mut().for_each(|player| player.doubt(now));
        self.until(what, |play| {
            let now = play.world.now();
            play.classics.iter_mut().for_each(|player| player.start(now));
            for player in play.players.iter_mut().filter(|player| player.is_idle()) {
                player.start(now);
            }
            play.players.iter().all(Player::is_content)
                && play.classics.iter().all(ClassicPlayer::is_content)
                && play.listeners.iter().all(Listener::is_content)
                && !play.world.is_holding()
        })
    }

    /// Everybody says goodbye, the server forgets them all.
    fn leave(&mut self) -> Result<(), String> {
        let now = self.world.now();
        self.note(format_args!("everybody leaves"));
        self.players.iter_mut().for_each(|player| player.stop(now));
        self.classics.iter_mut().for_each(ClassicPlayer::stop);
        self.listeners.iter_mut().for_each(Listener::stop);
        for liar in &mut self.liars {
            while !liar.leave(now, &mut self.trace) {}
        }
        self.web_liars.iter_mut().for_each(|liar| liar.leave(now, &mut self.trace));
        self.until("the server has forgotten everybody", |play| {
            play.players.iter().all(Player::is_idle)
                && play.classics.iter().all(ClassicPlayer::is_idle)
                && play.listeners.iter().all(Listener::is_idle)
                && play.world.is_quiet()
                && play.books.borrow().flows == 0
                && play.world.net().wires() == 0
        })
    }

    /// The server goes down; nobody comes back.
    fn go_down(&mut self) -> Result<(), String> {
        self.note(format_args!("the server drains"));
        self.world.drain(Duration::from_secs(30));
        self.classics.iter_mut().for_each(ClassicPlayer::stay_away);
        let now = self.world.now();
        for liar in &mut self.liars {
            while !liar.leave(now, &mut self.trace) {}
        }
        self.web_liars.iter_mut().for_each(|liar| liar.leave(now, &mut self.trace));
        self.listeners.iter_mut().for_each(Listener::stop);
        self.until("the server has gone down", |play| {
            play.players.iter().all(Player::is_idle)
                && play.classics.iter().all(ClassicPlayer::is_idle)
                && play.listeners.iter().all(Listener::is_idle)
                && play.world.is_drained()
                && play.world.is_quiet()
                && play.books.borrow().flows == 0
                && play.world.net().wires() == 0
        })
    }

    /// Runs everything well until `is_done` and nothing moves, or too long has passed.
    fn until(
        &mut self,
        what: &str,
        mut is_done: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), String> {
        let limit = self.world.now() + LIVENESS_MAX;
        let (mut quiet, mut rounds) = (0, 0);
        loop {
            rounds += 1;
            if rounds > ROUNDS_MAX {
                return Err(format!("something never stops; {}", self.complaint(what)));
            }
            let mut moved = false;
            for shard in 0..self.world.shards() {
                moved |= self.world.turn(shard)? != Turn::default();
            }
            for player in &mut self.players {
                moved |= player.pump(&self.world, &mut self.trace, true)?;
            }
            for player in &mut self.classics {
                moved |= player.pump(&self.world, &mut self.trace, true)?;
            }
            for listener in &mut self.listeners {
                moved |= listener.pump(&self.world, &mut self.trace, true)?;
            }
            quiet = if moved { 0 } else { quiet + 1 };
            if quiet < 3 {
                continue;
            }
            if is_done(self) {
                self.note(format_args!("{what}"));
                return Ok(());
            }
            let now = self.world.now();
            if now >= limit {
                return Err(self.complaint(what));
            }
            let next = self.next_deadline().unwrap_or(limit).max(now + MOMENT);
            self.world.set_now(next.min(now + Duration::from_secs(1)));
            (quiet, rounds) = (0, 0);
        }
    }

    fn complaint(&self, what: &str) -> String {
        let (sockets, connections) = self.world.sizes();
        let wires = self.world.net().wires();
        let waiting: Vec<String> = self
            .players
            .iter()
            .filter(|player| !player.is_content())
            .map(Player::describe)
            .collect();
        let listening = self.listeners.iter().filter(|listener| !listener.is_content());
        let listening: Vec<String> = listening.map(Listener::describe).collect();
        let classics = self.classics.iter().filter(|player| !player.is_content());
        let classics: Vec<String> = classics.map(ClassicPlayer::describe).collect();
        let flows = self.books.borrow().flows;
        format!(
            "it never comes to this: {what}; {sockets} sockets, {connections} connections, \
             {wires} wires, {flows} streams and uploads; clients {waiting:?}, classic \
             clients {classics:?}, listeners {listening:?}"
        )
    }

    fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(self.world.now(), what);
    }
}

/// A mount at which nothing that is kept for a client is dropped too early.
fn classic_options(connection: &ConnectionOptions) -> ClassicOptions {
    ClassicOptions {
        default_message_buffer_size: 1_000_000,
        message_buffer_bytes_max: 1 << 30,
        connection: connection.clone(),
        ..ClassicOptions::default()
    }
}

/// Which dials are on, and how far they are turned.
fn dials(rng: &mut Rng) -> Dials {
    let mut often = |least: u32, most: u32| {
        let value = least + rng.below(u64::from(most - least)) as u32;
        OneIn(if rng.one_in(3) { value } else { 0 })
    };
    let mut dials = Dials {
        split_receive: often(1, 6),
        late_receive: often(2, 6),
        short_send: often(1, 6),
        late_send: often(2, 6),
        reset: often(500, 5_000),
        finish: often(500, 5_000),
        vanish: often(500, 5_000),
        zero_window: often(200, 2_000),
        accept_failure: often(2, 5),
        late_wake: often(2, 6),
        ..Dials::default()
    };
    dials.zero_window_max = Duration::from_secs(1 + rng.below(40));
    dials.shuffle = rng.one_in(2);
    dials
}

/// How long it may take until everything is well again: reconnects (42 s), time-outs of
/// half-open sockets, the idle time of HTTP (130 s), and the longest of all, what a hard limit of
/// 300 000 bytes allows to wait where 300 go at a time, and are acknowledged once in a second.
const LIVENESS_MAX: Duration = Duration::from_secs(1_400);

/// How often everybody has a turn before the time must pass.
const ROUNDS_MAX: u32 = 100_000;

const MOMENT: Duration = Duration::from_micros(100);
