//! An engine by itself, for benches: no kernel, no network, no clock that runs.
//!
//! A [`Rig`] does what a shard does in a turn, with a driver that takes every send whole and tells
//! so in the next turn. What is measured with it is the engine: parsing, dispatch, queues, flush.
//! It is no place for tests of behaviour; [`World`](super::World) has a network and checks.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Batch, Keyed as _, Lent, Moment, Rng, SLACK_BYTES, SocketKey};
use crate::classic::{ClassicHubs, ClassicOptions};
use crate::hub::{Clients, Hub, HubOptions};
use crate::io::{Completion, Op};
use crate::protocol::websocket::{self, OpCode};
use crate::protocol::{http, url};
use crate::shard::{Engine, HttpOptions};
use crate::transport::ConnectionOptions;

/// One engine that serves a hub at `/hub`, and its connections: `0`, `1`, … in the order in which
/// they came.
///
/// ```
/// use tickhub::{Context, Hub, Methods};
/// use tickhub::sim::Rig;
///
/// struct Echo;
///
/// impl Hub for Echo {
///     type State = ();
///     fn methods(methods: &mut Methods<Self>) {
///         methods.on("Echo", |_: &mut Self, _: &mut Context<Self>, n: i64| n);
///     }
/// }
///
/// let mut rig = Rig::new(Echo);
/// rig.connect(1);
/// let call = "{\"type\":1,\"invocationId\":\"7\",\"target\":\"Echo\",\"arguments\":[42]}\u{1e}";
/// rig.feed(0, &Rig::message(call));
/// assert_eq!(rig.turn(), 1);
/// let (to, bytes) = rig.sent().next().expect("an answer");
/// assert_eq!(to, 0);
/// assert!(bytes.ends_with(b"{\"type\":3,\"invocationId\":\"7\",\"result\":42}\x1e"));
/// ```
pub struct Rig {
    engine: Engine,
    now: Moment,
    connections: u32,
    /// What the last turn sent: it comes back in the next one.
    sent: Vec<(SocketKey, Batch)>,
    /// What sockets received is copied here, as a kernel does, because it is unmasked in place.
    memory: Vec<u8>,
}

impl Rig {
    /// An engine that serves `hub`, and nobody connected.
    pub fn new<H: Hub>(hub: H) -> Self {
        let http = HttpOptions::default();
        let mut engine = Engine::new(Moment::START, Rng::from_seed(1), Arc::new(|| {}), http);
        engine.add_hub("/hub", hub, HubOptions::default(), ConnectionOptions::default());
        let hubs = ClassicHubs::new().hub::<H>("Hub");
        engine.add_classic("/classic", ClassicOptions::default(), &hubs);
        Self {
            engine,
            now: Moment::START,
            connections: 0,
            sent: Vec::new(),
            memory: vec![0; 64 * 1024],
        }
    }

    /// Opens `count` more connections, up to and with the handshake of the JSON hub protocol.
    ///
    /// # Panics
    ///
    /// When one of them is refused.
    pub fn connect(&mut self, count: u32) {
        let mut upgrade = Vec::new();
        websocket::write_request(&mut upgrade, "/hub", "rig", [7; 16], &[]);
        let handshake = Self::message("{\"protocol\":\"json\",\"version\":1}\u{1e}");
        for connection in self.connections..self.connections + count {
            let socket = Self::socket(connection);
            let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
            self.engine.on_completion(Completion::Accepted { socket, peer });
            self.feed(connection, &upgrade);
            self.feed(connection, &handshake);
            self.settle();
        }
        self.connections += count;
        let opened = self.engine.counters().opened;
        assert_eq!(opened, u64::from(self.connections), "every handshake was accepted");
    }

    /// Opens `count` more connections of classic SignalR over WebSockets, with the init envelope.
    ///
    /// # Panics
    ///
    /// When one of them is refused.
    pub fn connect_classic(&mut self, count: u32) {
        for connection in self.connections..self.connections + count {
            let socket = Self::socket(connection);
            let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
            self.engine.on_completion(Completion::Accepted { socket, peer });
            let mut request = Vec::new();
            let data = "connectionData=[%7B%22name%22:%22hub%22%7D]";
            let target = format!("/classic/negotiate?clientProtocol=2.1&{data}");
            http::write_request(&mut request, "GET", &target, "rig", &[], b"");
            self.feed(connection, &request);
            self.turn();
            let answer: String =
                self.sent().map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect();
            let token = token_of(&answer);
            self.settle();
            let target = format!(
                "/classic/connect?transport=webSockets&clientProtocol=2.1&{data}&connectionToken={}",
                url::percent_encode(&token)
            );
            let mut upgrade = Vec::new();
            websocket::write_request(&mut upgrade, &target, "rig", [7; 16], &[]);
            self.feed(connection, &upgrade);
            self.settle();
        }
        self.connections += count;
        let opened = self.engine.counters().opened;
        assert_eq!(opened, u64::from(self.connections), "every one was accepted");
    }

    /// A text message as a client sends it: one masked frame.
    pub fn message(text: &str) -> Vec<u8> {
        let mut frame = Vec::new();
        websocket::write_masked_frame(&mut frame, OpCode::Text, true, MASK, text.as_bytes());
        frame
    }

    /// The socket of a connection receives `bytes`.
    pub fn feed(&mut self, connection: u32, bytes: &[u8]) {
        if self.memory.len() < bytes.len() + SLACK_BYTES {
            self.memory.resize(bytes.len() + SLACK_BYTES, 0);
        }
        self.memory[..bytes.len()].copy_from_slice(bytes);
        let bytes = Lent::new(&mut self.memory, bytes.len());
        self.engine.on_completion(Completion::Received { socket: Self::socket(connection), bytes });
    }

    /// Ends a turn and returns how many sockets it sent to. What the turn before it sent is
    /// reported to the engine as sent first, as a driver does with the reap between them.
    ///
    /// # Panics
    ///
    /// When a connection is given up: a bench must not.
    pub fn turn(&mut self) -> usize {
        self.complete();
        self.engine.advance(self.now);
        for op in self.engine.end_turn().drain(..) {
            match op {
                Op::Send { socket, batch } => self.sent.push((socket, batch)),
                other => panic!("nothing but sends is expected of a bench: {other:?}"),
            }
        }
        self.sent.len()
    }

    /// Turns until nothing is sent any more: a large audience takes several. Returns how many
    /// sockets were sent to in all.
    pub fn settle(&mut self) -> usize {
        let mut sends = 0;
        loop {
            match self.turn() {
                0 => return sends,
                count => sends += count,
            }
        }
    }

    /// Whom the last turn sent to, and what.
    pub fn sent(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.sent.iter().map(|(socket, batch)| (socket.slot(), batch.remaining()))
    }

    /// Runs `work` with the hub and everybody connected to it, between two turns.
    ///
    /// # Panics
    ///
    /// When the rig was made with another hub.
    pub fn enter<H: Hub, T>(&mut self, work: impl FnOnce(&mut H, &mut Clients<'_>) -> T) -> T {
        self.engine.enter(work).expect("the hub is the one that the rig was made with")
    }

    /// Lets time pass, without a turn. Otherwise it stands still.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.engine.advance(self.now);
    }

    /// The driver took everything.
    fn complete(&mut self) {
        for (socket, batch) in self.sent.drain(..) {
            self.engine.on_completion(Completion::Sent { socket, batch, result: Ok(()) });
        }
    }

    fn socket(connection: u32) -> SocketKey {
        SocketKey::new(connection, 1)
    }
}

impl fmt::Debug for Rig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rig").field("connections", &self.connections).finish_non_exhaustive()
    }
}

/// The connection token in the answer to a negotiation.
fn token_of(answer: &str) -> String {
    let (_, rest) = answer.split_once("\"ConnectionToken\":\"").expect("a token");
    rest.split_once('"').expect("the end of it").0.to_owned()
}

/// Any mask will do.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
