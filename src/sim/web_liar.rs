//! Clients without a WebSocket that lie: they negotiate, and then do with the token what nobody
//! should.

use std::time::Duration;

use super::classic_lies;
use super::trace::Trace;
use super::world::World;
use crate::base::{Moment, Rng};
use crate::io::sim::{Read, SimPeer};
use crate::protocol::http::write_request;

/// One liar with any number of sockets. It comes back with another lie again and again.
pub(super) struct WebLiar {
    number: u64,
    rng: Rng,
    sockets: Vec<Socket>,
    /// The answer to the negotiation, as far as it came.
    heard: Vec<u8>,
    lie: u64,
    has_token: bool,
    /// The classic token that it had before.
    last_token: String,
    gone_at: Moment,
}

struct Socket {
    peer: SimPeer,
    script: Vec<u8>,
    is_deaf: bool,
}

impl WebLiar {
    pub(super) fn new(number: u64, rng: Rng) -> Self {
        let (sockets, heard) = (Vec::new(), Vec::new());
        let (lie, has_token, gone_at) = (0, false, Moment::START);
        let last_token = String::new();
        Self { number, rng, sockets, heard, lie, has_token, last_token, gone_at }
    }

    pub(super) fn act(&mut self, world: &World, trace: &mut Trace) {
        let now = world.now();
        if self.sockets.is_empty() {
            self.begin(world, trace);
            return;
        }
        let index = self.rng.below(self.sockets.len() as u64) as usize;
        let socket = &mut self.sockets[index];
        if !socket.script.is_empty() {
            let count = 1 + self.rng.below(socket.script.len() as u64) as usize;
            let taken = socket.peer.write(&socket.script[..count]);
            socket.script.drain(..taken);
        }
        if !socket.is_deaf {
            let mut bytes = Vec::new();
            match socket.peer.read(64 * 1024, &mut bytes) {
                Read::Bytes(_) => {
                    trace.bytes(&bytes);
                    if !self.has_token {
                        self.heard.extend_from_slice(&bytes);
                        self.look_for_a_token(world);
                    }
                }
                Read::Nothing => {}
                Read::End | Read::Broken => {
                    self.sockets.swap_remove(index);
                }
            }
        }
        if now >= self.gone_at {
            self.leave(now, trace);
        }
    }

    /// Goes away, each socket in one of the ways there are.
    pub(super) fn leave(&mut self, now: Moment, trace: &mut Trace) {
        for Socket { peer, .. } in self.sockets.drain(..) {
            let way = self.rng.below(4);
            trace.note(now, format_args!("web liar {} leaves by way {way}", self.number));
            match way {
                0 => peer.reset(),
                1 => peer.vanish(),
                2 => peer.shutdown(),
                _ => {}
            }
        }
    }

    fn begin(&mut self, world: &World, trace: &mut Trace) {
        self.lie = self.rng.below(LIES + classic_lies::LIES);
        trace.note(world.now(), format_args!("web liar {} begins lie {}", self.number, self.lie));
        self.gone_at = world.now() + Duration::from_millis(self.rng.below(40_000));
        self.heard.clear();
        self.has_token = false;
        let mut script = Vec::new();
        if self.lie < LIES {
            write_request(
                &mut script,
                "POST",
                "/hub/negotiate?negotiateVersion=1",
                "sim",
                &[],
                b"",
            );
        } else {
            script = classic_lies::negotiation();
        }
        self.open(world, script, false);
    }

    fn open(&mut self, world: &World, script: Vec<u8>, is_deaf: bool) {
        if let Some(peer) = world.connect() {
            self.sockets.push(Socket { peer, script, is_deaf });
        }
    }

    fn look_for_a_token(&mut self, world: &World) {
        let heard = String::from_utf8_lossy(&self.heard);
        let key = if self.lie < LIES { "\"connectionToken\":\"" } else { "\"ConnectionToken\":\"" };
        let Some((_, rest)) = heard.split_once(key) else { return };
        let Some((token, _)) = rest.split_once('"') else { return };
        let token = token.to_owned();
        self.has_token = true;
        let mut scripts = match self.lie.checked_sub(LIES) {
            None => self.scripts(&format!("/hub?id={token}")),
            Some(lie) => {
                let last = std::mem::replace(&mut self.last_token, token.clone());
                classic_lies::scripts(lie, &token, &last, &mut self.rng)
            }
        };
        // The first one goes on where the negotiation came from, as a client may do.
        if let Some(first) = scripts.pop()
            && let Some(socket) = self.sockets.first_mut()
        {
            (socket.script, socket.is_deaf) = first;
        }
        for (script, is_deaf) in scripts {
            self.open(world, script, is_deaf);
        }
    }

    /// What is written to each socket, and whether it is never read.
    fn scripts(&mut self, target: &str) -> Vec<(Vec<u8>, bool)> {
        let stream = || request("GET", target, &[("Accept", "text/event-stream")], b"");
        let poll = || request("GET", target, &[], b"");
        let post = |body: &[u8]| request("POST", target, &[], body);
        let delete = || request("DELETE", target, &[], b"");
        let join = record(r#"{"type":1,"target":"Join","arguments":["room1"]}"#);
        let hello = [HANDSHAKE, join.as_bytes()].concat();
        let large =
            record(r#"{"type":1,"invocationId":"1","target":"Large","arguments":[200000]}"#);
        let slow = record(r#"{"type":1,"invocationId":"1","target":"Slow","arguments":[1,5000]}"#);
        let heard = |script: Vec<u8>| (script, false);
        match self.lie {
            // A stream, or polls, with closed ears.
            0 => vec![
                (stream(), true),
                heard([post(&hello), post(large.repeat(8).as_bytes())].concat()),
            ],
            1 => vec![
                (poll().repeat(20), true),
                heard([post(&hello), post(large.repeat(8).as_bytes())].concat()),
            ],
            // Several polls at a time: the newest wins.
            2 => vec![heard(poll()), heard(poll()), heard(poll().repeat(3)), heard(post(&hello))],
            // Said before anybody listens, and nobody ever does.
            3 => vec![heard([post(&hello), post(slow.repeat(300).as_bytes())].concat())],
            // Half of a record, half of a body.
            4 => {
                let mut cut = post(slow.as_bytes());
                cut.truncate(cut.len() - 1 - self.rng.below(30) as usize);
                vec![heard(poll()), heard([post(&hello), post(b"{\"type\":1,\"tar"), cut].concat())]
            }
            // Many deletes, pipelined with what they end.
            5 => vec![
                heard([poll(), delete(), poll(), delete(), post(&hello), poll()].concat()),
                heard([post(&hello), delete()].concat()),
            ],
            // Two transports for one connection.
            6 => vec![heard(stream()), heard(poll()), heard(stream()), heard(post(&hello))],
            7 => vec![heard([poll(), stream(), poll()].concat()), heard(post(&hello))],
            // Garbage, in bodies and around them.
            8 => {
                let garbage: Vec<u8> =
                    (0..self.rng.below(400)).map(|_| self.rng.bits() as u8).collect();
                vec![heard(poll()), heard([post(HANDSHAKE), post(&garbage), garbage].concat())]
            }
            // Too long a record, in pieces.
            9 => {
                let piece = post(&[b'x'; 9_000]);
                vec![heard(poll().repeat(3)), heard([post(&hello), piece.repeat(5)].concat())]
            }
            // A stream that is ended by whoever opened it, while much is posted.
            10 => vec![
                heard([stream(), b"more".to_vec()].concat()),
                heard([post(&hello), post(slow.repeat(50).as_bytes()).repeat(4)].concat()),
            ],
            // A hub protocol that an event stream cannot carry, and a wrong handshake.
            _ => {
                let packed = b"{\"protocol\":\"messagepack\",\"version\":1}\x1e";
                vec![heard(if self.rng.one_in(2) { stream() } else { poll() }), heard(post(packed))]
            }
        }
    }
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_request(&mut out, method, target, "sim", headers, body);
    out
}

fn record(json: &str) -> String {
    format!("{json}\u{1e}")
}

/// How many lies there are beside those of classic SignalR.
const LIES: u64 = 12;

const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";
