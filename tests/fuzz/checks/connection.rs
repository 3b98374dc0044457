//! Whole connections over the simulated driver: the data is a script of what clients do. Whatever
//! that is, the tables of the shard agree after every turn, and nothing is left of anybody when
//! all have gone.

use std::time::Duration;

use tickhub::protocol::websocket::{self, OpCode};
use tickhub::sim::{Wire, World};
use tickhub::{
    Call, Compression, Context, Hub, HubError, HubOptions, Message, Methods, Peer, RawOptions,
};
use tickhub::{Text, Value, WebSocket};

pub(super) fn check(data: &[u8]) {
    let mut script = Script { data };
    let mut world = World::new(u64::from(script.byte()))
        .hub("/hub", Board::default, &HubOptions::default())
        .websocket(
            "/raw",
            || Repeat,
            &RawOptions { compression: Some(Compression::default()), ..RawOptions::default() },
        );
    let mut wires: Vec<Wire> = Vec::new();
    for _ in 0..STEPS_MAX {
        if script.data.is_empty() {
            break;
        }
        let step = script.byte();
        if wires.is_empty() || (step.is_multiple_of(16) && wires.len() < WIRES_MAX) {
            if let Some(wire) = world.connect().is_some().then(|| Wire::tcp(&mut world)) {
                wires.push(wire);
            }
            continue;
        }
        let index = usize::from(script.byte()) % wires.len();
        let wire = &mut wires[index];
        match step % 16 {
            1..=3 => wire.bytes(&mut world, script.bytes()),
            4 => wire.bytes(&mut world, &opening(script.byte())),
            5..=8 => {
                let text = step.is_multiple_of(2);
                let mut frame = Vec::new();
                let code = if text { OpCode::Text } else { OpCode::Binary };
                let payload = script.bytes();
                websocket::write_masked_frame(&mut frame, code, true, [1, 2, 3, 4], payload);
                if step >= 128 {
                    // Compressed, says the frame.
                    frame[0] |= 0x40;
                }
                wire.bytes(&mut world, &frame);
            }
            9 | 10 => {
                let record = format!("{}\u{1e}", String::from_utf8_lossy(script.bytes()));
                wire.frame(&mut world, OpCode::Text, true, record.as_bytes());
            }
            11 => wire.close_frame(&mut world, 1000, ""),
            12 => wire.shutdown(&mut world),
            13 => {
                wires.swap_remove(index).reset(&mut world);
            }
            14 => world.pass(Duration::from_millis(u64::from(script.byte()) * 100)),
            _ => {
                let until = world.now() + Duration::from_secs(u64::from(script.byte()));
                wire.shut_window(until);
            }
        }
        for wire in &mut wires {
            wire.read_text(&mut world, &mut String::new());
        }
    }
    for mut wire in wires {
        wire.reset(&mut world);
    }
    world.pass(Duration::from_mins(1));
    assert!(world.is_quiet(), "somebody was left behind");
}

/// Reads a script from its front; behind its end everything is zero.
struct Script<'a> {
    data: &'a [u8],
}

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.data.split_first() else { return 0 };
        self.data = rest;
        *byte
    }

    /// As many bytes as the next one says.
    fn bytes(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte()).min(self.data.len());
        let (bytes, rest) = self.data.split_at(count);
        self.data = rest;
        bytes
    }
}

/// Beginnings that chance would take long to find.
fn opening(which: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let frame = |out: &mut Vec<u8>, code, payload: &[u8]| {
        websocket::write_masked_frame(out, code, true, [9, 8, 7, 6], payload);
    };
    let upgrade = |out: &mut Vec<u8>, path, headers: &[(&str, &str)]| {
        // The key that the answer must have is of no interest.
        let _ = websocket::write_request(out, path, "fuzz", [7; 16], headers);
    };
    match which % 8 {
        0 => upgrade(&mut out, "/hub", &[]),
        1 => {
            let offer = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
            upgrade(&mut out, "/raw", &[offer]);
        }
        2 => frame(&mut out, OpCode::Text, b"{\"protocol\":\"json\",\"version\":1}\x1e"),
        3 => frame(&mut out, OpCode::Text, b"{\"protocol\":\"messagepack\",\"version\":1}\x1e"),
        4 => out.extend_from_slice(
            b"POST /hub/negotiate?negotiateVersion=0 HTTP/1.1\r\nHost: fuzz\r\n\r\n",
        ),
        5 => {
            upgrade(&mut out, "/hub", &[]);
            frame(&mut out, OpCode::Text, b"{\"protocol\":\"json\",\"version\":1}\x1e");
        }
        6 => frame(&mut out, OpCode::Ping, b"ping"),
        _ => out.extend_from_slice(b"GET /hub?id=x HTTP/1.1\r\nHost: fuzz\r\n"),
    }
    out
}

#[derive(Default)]
struct Board;

impl Hub for Board {
    type State = Vec<Value>;

    fn methods(methods: &mut Methods<Self>) {
        methods
            .on("Echo", |_: &mut Self, _: &mut Context<Self>, value: Value| value)
            .on("Add", |_: &mut Self, _: &mut Context<Self>, a: i32, b: i32| {
                a.checked_add(b).ok_or_else(|| HubError::new("too much"))
            })
            .on("Join", |_: &mut Self, context: &mut Context<Self>, group: Text| {
                context.join(&group)
            })
            .on("Say", |_: &mut Self, context: &mut Context<Self>, group: Text, what: Value| {
                context.group(&group).send("said", (what,)).ignore();
            })
            .on("Abort", |_: &mut Self, context: &mut Context<Self>| context.abort())
            .on_async("Later", |call: Call<Self>, ms: u16, value: Value| async move {
                call.sleep(Duration::from_millis(ms.into())).await;
                value
            });
    }
}

/// Sends back whatever comes.
struct Repeat;

impl WebSocket for Repeat {
    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
        peer.send(message).ignore();
    }
}

/// Longer scripts only repeat themselves.
const STEPS_MAX: usize = 64;

const WIRES_MAX: usize = 4;
