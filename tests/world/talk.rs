//! One conversation in either hub protocol: messages are given and heard as JSON, and are on the
//! wire what the protocol makes of them.

use serde_json::{Map, Value, json};
use tickhub::protocol::hub_protocol::{
    HubMessage, HubProtocolKind, Outcome, Payload, RecordBuffer, handshake,
};
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};

/// A client that has shaken hands.
pub(crate) struct Talk {
    pub(crate) wire: Wire,
    protocol: HubProtocolKind,
    records: RecordBuffer,
}

impl Talk {
    pub(crate) fn new(world: &mut World, protocol: HubProtocolKind) -> Self {
        let mut wire = Wire::websocket(world, "/hub");
        let mut request = Vec::new();
        handshake::Request { protocol: protocol.name().into(), version: 1 }.write(&mut request);
        wire.frame(world, OpCode::Text, true, &request);
        let answer = wire.frames(world);
        let is_right = match &answer[..] {
            [Frame::Text(text)] => text == "{}\u{1e}",
            [Frame::Binary(bytes)] => bytes == b"{}\x1e",
            _ => false,
        };
        assert!(is_right, "{answer:?}");
        let mut records = RecordBuffer::default();
        records.speak(protocol);
        Self { wire, protocol, records }
    }

    /// Sends messages, all in one piece. They are JSON, as in the protocol of that name.
    pub(crate) fn tell(&mut self, world: &mut World, messages: &[&str]) {
        let mut piece = Vec::new();
        for message in messages {
            self.write(&mut piece, message);
        }
        let code = if self.protocol.is_binary() { OpCode::Binary } else { OpCode::Text };
        self.wire.frame(world, code, true, &piece);
        world.settle();
    }

    /// Checks that exactly these messages came since the last look, in this order. Pings do not
    /// count.
    pub(crate) fn hears(&mut self, world: &mut World, expected: &[&str]) {
        let expected: Vec<Value> = expected.iter().map(|message| parse(message)).collect();
        assert_eq!(self.hear(world), expected, "{:?}", self.protocol);
    }

    /// What came since the last look, without pings.
    pub(crate) fn hear(&mut self, world: &mut World) -> Vec<Value> {
        let mut heard = Vec::new();
        for frame in self.wire.frames(world) {
            let mut bytes = match frame {
                Frame::Text(text) if !self.protocol.is_binary() => text.into_bytes(),
                Frame::Binary(bytes) if self.protocol.is_binary() => bytes,
                frame => panic!("{frame:?} came"),
            };
            let mut input = bytes.as_mut_slice();
            while let Some(record) = self.records.next(&mut input, None).expect("records") {
                heard.extend(read(self.protocol.read(record).expect("a message")));
            }
        }
        heard
    }

    fn write(&self, out: &mut Vec<u8>, message: &str) {
        if self.protocol == HubProtocolKind::Json {
            out.extend_from_slice(message.as_bytes());
            out.push(0x1e);
            return;
        }
        let message = parse(message);
        let text = |name: &str| message.get(name).and_then(Value::as_str);
        let list = |name: &str| message.get(name).and_then(Value::as_array);
        let id = text("invocationId");
        let streams: Vec<&str> =
            list("streamIds").into_iter().flatten().filter_map(Value::as_str).collect();
        let arguments = || list("arguments").expect("a call has arguments").as_slice();
        let target = || text("target").expect("a call has a target");
        let named = || id.expect("it has an id");
        let protocol = self.protocol;
        match message["type"].as_u64() {
            Some(1) => protocol
                .write_invocation_with_streams(out, id, target(), arguments(), &streams)
                .expect("written"),
            Some(2) => {
                protocol.write_stream_item(out, named(), &message["item"]).expect("written");
            }
            Some(3) => match (text("error"), message.get("result")) {
                (Some(error), _) => protocol.write_error(out, named(), error),
                (None, Some(result)) => {
                    protocol.write_result(out, named(), result).expect("written");
                }
                (None, None) => protocol.write_end(out, named()),
            },
            Some(4) => protocol
                .write_stream_invocation(out, named(), target(), arguments(), &streams)
                .expect("written"),
            Some(5) => protocol.write_cancel(out, named()),
            Some(6) => protocol.write_ping(out),
            other => panic!("{other:?} is not told"),
        }
    }
}

fn parse(message: &str) -> Value {
    serde_json::from_str(message).unwrap_or_else(|error| panic!("{message}: {error}"))
}

fn read(message: HubMessage<'_>) -> Option<Value> {
    let value = |payload: Payload<'_>| payload.read::<Value>().expect("a value");
    Some(match message {
        HubMessage::Ping => return None,
        HubMessage::StreamItem { invocation_id, item } => {
            json!({ "type": 2, "invocationId": invocation_id, "item": value(item) })
        }
        HubMessage::Completion { invocation_id, outcome } => {
            let mut message = Map::new();
            message.insert("type".into(), 3.into());
            message.insert("invocationId".into(), invocation_id.into());
            match outcome {
                Outcome::Nothing => None,
                Outcome::Result(result) => message.insert("result".into(), value(result)),
                Outcome::Error(error) => message.insert("error".into(), error.into()),
            };
            Value::Object(message)
        }
        HubMessage::Invocation(mut call) => {
            let arguments: Vec<Value> =
                std::iter::from_fn(|| call.arguments.take_payload()).map(value).collect();
            json!({ "type": 1, "target": call.target, "arguments": arguments })
        }
        HubMessage::Close { error, allow_reconnect } => {
            json!({ "type": 7, "error": error, "allowReconnect": allow_reconnect })
        }
        other => panic!("{other:?} came"),
    })
}
