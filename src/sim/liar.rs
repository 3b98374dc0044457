//! Clients that lie: garbage, broken frames, too much of everything, and ends at odd moments.

use std::time::Duration;

use super::trace::Trace;
use super::wire::mask;
use super::world::World;
use crate::base::{Moment, Rng};
use crate::io::sim::{Read, SimPeer};
use crate::protocol::websocket::{OpCode, write_masked_frame, write_request};

/// One liar. It comes back with another lie again and again.
pub(super) struct Liar {
    number: u64,
    rng: Rng,
    peer: Option<SimPeer>,
    script: Vec<u8>,
    /// It never reads.
    is_deaf: bool,
    gone_at: Moment,
}

impl Liar {
    pub(super) fn new(number: u64, rng: Rng) -> Self {
        let (peer, script) = (None, Vec::new());
        Self { number, rng, peer, script, is_deaf: false, gone_at: Moment::START }
    }

    pub(super) fn act(&mut self, world: &World, trace: &mut Trace) {
        let now = world.now();
        let Some(peer) = &self.peer else {
            self.begin(world, trace);
            return;
        };
        if !self.script.is_empty() {
            let count = 1 + self.rng.below(self.script.len() as u64) as usize;
            let taken = peer.write(&self.script[..count]);
            self.script.drain(..taken);
        }
        if !self.is_deaf {
            let mut bytes = Vec::new();
            match peer.read(64 * 1024, &mut bytes) {
                Read::Bytes(_) => trace.bytes(&bytes),
                Read::Nothing => {}
                Read::End | Read::Broken => {
                    self.peer = None;
                    return;
                }
            }
        }
        if now >= self.gone_at {
            self.leave(now, trace);
        }
    }

    /// Goes away, in one of the ways there are; whether it has gone altogether.
    pub(super) fn leave(&mut self, now: Moment, trace: &mut Trace) -> bool {
        let Some(peer) = self.peer.take() else { return true };
        let way = self.rng.below(4);
        trace.note(now, format_args!("liar {} leaves by way {way}", self.number));
        match way {
            0 => peer.reset(),
            1 => peer.vanish(),
            2 => peer.shutdown(),
            _ => {}
        }
        if way == 2 && self.rng.one_in(2) {
            // Half closed for a while: it may still read.
            self.gone_at = now + Duration::from_secs(self.rng.below(10));
            self.peer = Some(peer);
        }
        self.peer.is_none()
    }

    fn begin(&mut self, world: &World, trace: &mut Trace) {
        let Some(peer) = world.connect() else { return };
        let lie = self.rng.below(14);
        trace.note(world.now(), format_args!("liar {} begins lie {lie}", self.number));
        self.is_deaf = self.rng.one_in(4) || lie == 7;
        self.gone_at = world.now() + Duration::from_millis(self.rng.below(40_000));
        self.peer = Some(peer);
        self.script = self.lie(lie);
    }

    fn lie(&mut self, lie: u64) -> Vec<u8> {
        let mut out = Vec::new();
        match lie {
            0 => self.garbage(&mut out, 500),
            1 => {
                // Many negotiations, pipelined and never used.
                for _ in 0..self.rng.below(40) {
                    out.extend_from_slice(NEGOTIATE);
                }
            }
            2 => {
                out.extend_from_slice(NEGOTIATE);
                out.truncate(self.rng.below(NEGOTIATE.len() as u64) as usize);
            }
            3 => {
                self.upgrade(&mut out);
                self.garbage(&mut out, 300);
            }
            4 => {
                self.upgrade(&mut out);
                let wrong = ["{}", "[]", "{\"protocol\":\"xml\",\"version\":1}", "nonsense", ""];
                let wrong = wrong[self.rng.below(wrong.len() as u64) as usize];
                self.text(&mut out, wrong);
            }
            5 => {
                self.greet(&mut out);
                let size = 32_000 + self.rng.below(2000) as usize;
                let record = format!("{{\"type\":6,\"x\":\"{}\"}}", "x".repeat(size));
                self.text(&mut out, &record);
            }
            6 => {
                self.greet(&mut out);
                for number in 0..self.rng.below(2000) {
                    let mask = mask(&mut self.rng);
                    write_masked_frame(&mut out, OpCode::Ping, true, mask, &number.to_be_bytes());
                }
            }
            7 => {
                // Listens to everything with closed ears.
                self.greet(&mut out);
                for room in 0..3 {
                    let join = format!(
                        "{{\"type\":1,\"target\":\"Join\",\"arguments\":[\"room{room}\"]}}"
                    );
                    self.text(&mut out, &join);
                }
                let large =
                    r#"{"type":1,"invocationId":"1","target":"Large","arguments":[300000]}"#;
                for _ in 0..self.rng.below(6) {
                    self.text(&mut out, large);
                }
            }
            8 => {
                self.greet(&mut out);
                let slow = r#"{"type":1,"invocationId":"1","target":"Slow","arguments":[1,5000]}"#;
                for _ in 0..self.rng.below(400) {
                    self.text(&mut out, slow);
                }
            }
            9 => {
                // An unmasked frame, a reserved bit, or a code that does not exist.
                self.greet(&mut out);
                let broken =
                    [&b"\x81\x01x"[..], b"\xc1\x81aaaax", b"\x83\x81aaaax", b"\x09\x80aaaa"];
                out.extend_from_slice(broken[self.rng.below(4) as usize]);
            }
            10 => {
                // The end comes in the middle of a message.
                self.greet(&mut out);
                let begin = br#"{"type":1,"target":"Ec"#;
                write_masked_frame(&mut out, OpCode::Text, false, mask(&mut self.rng), begin);
                self.close(&mut out);
            }
            11 => {
                // Data behind the Close frame.
                self.greet(&mut out);
                self.close(&mut out);
                self.text(&mut out, r#"{"type":1,"target":"Echo","arguments":["late"]}"#);
            }
            12 => {
                self.greet(&mut out);
                for _ in 0..600 {
                    self.text(&mut out, r#"{"type":1,"invocationId":"x","target":"Nobody"}"#);
                }
            }
            _ => {
                // An honest beginning that is cut anywhere.
                self.greet(&mut out);
                self.text(&mut out, r#"{"type":1,"target":"Join","arguments":["room1"]}"#);
                out.truncate(self.rng.below(out.len() as u64) as usize);
            }
        }
        out
    }

    fn garbage(&mut self, out: &mut Vec<u8>, most: u64) {
        for _ in 0..self.rng.below(most) {
            out.push(self.rng.bits() as u8);
        }
    }

    fn upgrade(&mut self, out: &mut Vec<u8>) {
        let target = if self.rng.one_in(4) { "/topic" } else { "/hub" };
        write_request(out, target, "sim", [9; 16], &[]);
    }

    fn greet(&mut self, out: &mut Vec<u8>) {
        write_request(out, "/hub", "sim", [9; 16], &[]);
        self.text(out, r#"{"protocol":"json","version":1}"#);
    }

    fn text(&mut self, out: &mut Vec<u8>, record: &str) {
        let record = format!("{record}\u{1e}");
        write_masked_frame(out, OpCode::Text, true, mask(&mut self.rng), record.as_bytes());
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let code = 1000_u16.to_be_bytes();
        write_masked_frame(out, OpCode::Close, true, mask(&mut self.rng), &code);
    }
}

const NEGOTIATE: &[u8] =
    b"POST /hub/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: sim\r\nContent-Length: 0\r\n\r\n";
