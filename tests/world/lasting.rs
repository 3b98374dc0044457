//! A client with stateful reconnect that speaks bytes, in either hub protocol, and a hub for it.

use std::fmt::Write as _;

use serde_json::Value;
use tickhub::protocol::hub_protocol::{HubMessage, HubProtocolKind, Outcome, RecordBuffer};
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{ConnectionOptions, HubOptions};

use crate::hall::Hall;

pub(crate) use HubProtocolKind::Json;

/// A client and its present WebSocket.
pub(crate) struct Guest {
    pub(crate) protocol: HubProtocolKind,
    pub(crate) target: String,
    pub(crate) wire: Wire,
    /// What came with the answer of the handshake.
    unheard: Vec<u8>,
}

/// What a client sends.
#[derive(Clone, Copy)]
pub(crate) enum Say<'a> {
    /// A call with an id: method and its arguments, as JSON.
    Call(&'a str, &'a str, &'a str),
    /// A call of a stream.
    Stream(&'a str, &'a str, &'a str),
    /// A call without one.
    Tell(&'a str, &'a str),
    Ping,
    Close,
    Ack(i64),
    Sequence(i64),
    Cancel(&'a str),
    /// A completion of nothing that anybody asked.
    Answer(&'a str),
}

/// A World with one Hall at `/hub` that allows stateful reconnect.
pub(crate) fn lasting_hall() -> World {
    lasting_hall_with(&HubOptions::default(), ConnectionOptions::default())
}

pub(crate) fn lasting_hall_with(options: &HubOptions, connection: ConnectionOptions) -> World {
    let connection = ConnectionOptions { allow_stateful_reconnects: true, ..connection };
    World::new(1).hub_with("/hub", Hall::default, options, &connection)
}

/// The path with the token of a connection that was negotiated with `query`.
pub(crate) fn negotiated(world: &mut World, query: &str) -> String {
    let answer = Wire::tcp(world).request(world, "POST", &format!("/hub/negotiate?{query}"));
    let document: Value = serde_json::from_str(&answer.body).expect("a document");
    let token = document.get("connectionToken").or(document.get("connectionId"));
    format!("/hub?id={}", token.and_then(Value::as_str).expect("a token"))
}

pub(crate) const STATEFUL: &str = "negotiateVersion=1&useStatefulReconnect=true";

impl Guest {
    /// Connected, with numbers, and greeted: that was the server's message 1.
    pub(crate) fn new(world: &mut World, protocol: HubProtocolKind) -> Self {
        let mut guest = Self::with(world, protocol, STATEFUL, 2);
        assert_eq!(guest.hear(world), ["arrived []"]);
        guest
    }

    /// Connected with some negotiation and version of the handshake; the greeting was not heard.
    pub(crate) fn with(
        world: &mut World,
        protocol: HubProtocolKind,
        query: &str,
        version: i32,
    ) -> Self {
        let target = negotiated(world, query);
        let mut wire = Wire::websocket(world, &target);
        let name = protocol.name();
        let handshake = format!("{{\"protocol\":\"{name}\",\"version\":{version}}}\u{1e}");
        wire.frame(world, OpCode::Text, true, handshake.as_bytes());
        let frames = wire.frames(world);
        let mut unheard: Vec<u8> = frames.iter().flat_map(payload).collect();
        assert!(unheard.starts_with(b"{}\x1e"), "the handshake is answered: {frames:?}");
        unheard.drain(..3);
        Self { protocol, target, wire, unheard }
    }

    fn op_code(&self) -> OpCode {
        if self.protocol.is_binary() { OpCode::Binary } else { OpCode::Text }
    }

    /// The bytes of some messages.
    pub(crate) fn records(&self, messages: &[Say<'_>]) -> Vec<u8> {
        let (protocol, mut out) = (self.protocol, Vec::new());
        let values = |json: &str| -> Vec<Value> { serde_json::from_str(json).expect("JSON") };
        for message in messages {
            match *message {
                Say::Call(id, method, arguments) => protocol
                    .write_invocation(&mut out, Some(id), method, values(arguments).as_slice())
                    .expect("it can be written"),
                Say::Stream(id, method, arguments) => protocol
                    .write_stream_invocation(
                        &mut out,
                        id,
                        method,
                        values(arguments).as_slice(),
                        &[],
                    )
                    .expect("it can be written"),
                Say::Tell(method, arguments) => protocol
                    .write_invocation(&mut out, None, method, values(arguments).as_slice())
                    .expect("it can be written"),
                Say::Ping => protocol.write_ping(&mut out),
                Say::Close => protocol.write_close(&mut out, None, false),
                Say::Ack(number) => protocol.write_ack(&mut out, number),
                Say::Sequence(number) => protocol.write_sequence(&mut out, number),
                Say::Cancel(id) => protocol.write_cancel(&mut out, id),
                Say::Answer(id) => protocol.write_end(&mut out, id),
            }
        }
        out
    }

    /// Sends messages in one frame.
    pub(crate) fn say(&mut self, world: &mut World, messages: &[Say<'_>]) {
        let bytes = self.records(messages);
        self.wire.frame(world, self.op_code(), true, &bytes);
    }

    /// What came since the last look, each message in a few words.
    pub(crate) fn hear(&mut self, world: &mut World) -> Vec<String> {
        let mut heard = Vec::new();
        let mut unheard = std::mem::take(&mut self.unheard);
        self.read(&mut unheard, &mut heard);
        for frame in self.wire.frames(world) {
            match &frame {
                Frame::Close(code, _) => heard.push(format!("closed {}", code.unwrap_or(0))),
                Frame::End => heard.push("end".into()),
                Frame::Reset => heard.push("reset".into()),
                frame => self.read(&mut payload(frame), &mut heard),
            }
        }
        heard
    }

    /// What was heard, but for acknowledgements and pings.
    pub(crate) fn hear_calls(&mut self, world: &mut World) -> Vec<String> {
        let mut heard = self.hear(world);
        heard.retain(|message| !message.starts_with("ack ") && message != "ping");
        heard
    }

    fn read(&self, bytes: &mut [u8], heard: &mut Vec<String>) {
        let mut records = RecordBuffer::default();
        records.speak(self.protocol);
        let mut input = bytes;
        while let Some(record) = records.next(&mut input, None).expect("a record") {
            heard.push(describe(self.protocol.read(record).expect("a message")));
        }
        assert_eq!(records.pending_len(), 0, "whole records (COR-040)");
    }

    /// Another WebSocket for the same connection.
    pub(crate) fn come_back(&mut self, world: &mut World) {
        self.wire = Wire::websocket(world, &self.target);
    }

    /// Loses the socket by a reset and comes back.
    pub(crate) fn lose_and_come_back(&mut self, world: &mut World) {
        self.wire.reset(world);
        self.come_back(world);
    }

    /// The status of another attempt.
    pub(crate) fn knock(&self, world: &mut World) -> u16 {
        Wire::tcp(world).upgrade(world, &self.target, &[]).head.status()
    }
}

/// So many messages, as the number of the last one.
pub(crate) fn number(count: usize) -> i64 {
    i64::try_from(count).expect("tests send few")
}

fn payload(frame: &Frame) -> Vec<u8> {
    match frame {
        Frame::Text(text) => text.clone().into_bytes(),
        Frame::Binary(bytes) => bytes.clone(),
        frame => panic!("{frame:?} came, not a message"),
    }
}

fn describe(message: HubMessage<'_>) -> String {
    match message {
        HubMessage::Invocation(invocation) => {
            let mut arguments = invocation.arguments;
            let mut values = Vec::new();
            while let Some(argument) = arguments.take_payload() {
                values.push(argument.read::<Value>().expect("a value"));
            }
            format!("{} {}", invocation.target, Value::Array(values))
        }
        HubMessage::Completion { invocation_id, outcome } => {
            let mut text = format!("{invocation_id}:");
            match outcome {
                Outcome::Nothing => text.push_str(" done"),
                Outcome::Result(payload) => {
                    let value = payload.read::<Value>().expect("a value");
                    write!(text, " {value}").expect("a text takes all");
                }
                Outcome::Error(error) => write!(text, " error {error}").expect("a text takes all"),
            }
            text
        }
        HubMessage::StreamItem { invocation_id, item } => {
            format!("{invocation_id}: item {}", item.read::<Value>().expect("a value"))
        }
        HubMessage::Ping => "ping".into(),
        HubMessage::Close { error, allow_reconnect } => {
            let error = error.map_or(String::new(), |error| format!(" {error}"));
            format!("close{}{error}", if allow_reconnect { ", come back" } else { "" })
        }
        HubMessage::Ack { sequence_id } => format!("ack {sequence_id}"),
        HubMessage::Sequence { sequence_id } => format!("sequence {sequence_id}"),
        other => format!("{other:?}"),
    }
}
