//! Clients without a WebSocket, in the hands of a test.

use serde_json::Value;
use tickhub::sim::{Answer, Wire, World};

use crate::hall::ARRIVED;

pub(crate) const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";

/// Negotiates, and returns the target of everything else.
pub(crate) fn negotiated(world: &mut World) -> String {
    negotiated_at(world, "/hub")
}

pub(crate) fn negotiated_at(world: &mut World, path: &str) -> String {
    let target = format!("{path}/negotiate?negotiateVersion=1");
    let answer = Wire::tcp(world).request(world, "POST", &target);
    assert_eq!(answer.head.status(), 200, "{}", answer.body);
    let document: Value = serde_json::from_str(&answer.body).expect("a document");
    format!("{path}?id={}", document["connectionToken"].as_str().expect("a token"))
}

/// Posts on a socket of its own.
pub(crate) fn post(world: &mut World, target: &str, body: &str) -> Answer {
    let mut wire = Wire::tcp(world);
    wire.ask(world, "POST", target, &[], body.as_bytes());
    let answer = wire.answer(world);
    wire.close(world);
    answer
}

/// Posts one record, which has to be accepted.
pub(crate) fn say(world: &mut World, target: &str, record: &str) {
    let answer = post(world, target, &format!("{record}\u{1e}"));
    assert_eq!((answer.head.status(), answer.body.as_str()), (200, ""));
}

/// An event stream.
pub(crate) struct Stream {
    wire: Wire,
    text: String,
    /// Everything behind the head that was looked at, without chunks.
    pub(crate) head: String,
    pub(crate) has_ended: bool,
}

impl Stream {
    pub(crate) fn open(world: &mut World, target: &str) -> Self {
        let mut wire = Wire::tcp(world);
        wire.ask(world, "GET", target, &[("Accept", "text/event-stream")], b"");
        let mut stream = Self { wire, text: String::new(), head: String::new(), has_ended: false };
        stream.read(world);
        let (head, rest) = stream.text.split_once("\r\n\r\n").expect("a head");
        (stream.head, stream.text) = (head.to_owned(), rest.to_owned());
        stream
    }

    /// A stream with an answered handshake.
    pub(crate) fn hub(world: &mut World, target: &str) -> Self {
        let mut stream = Self::open(world, target);
        assert_eq!(stream.chunks(world), [":\r\n"]);
        assert_eq!(post(world, target, HANDSHAKE).head.status(), 200);
        assert_eq!(stream.hear(world), ["{}", ARRIVED]);
        stream
    }

    fn read(&mut self, world: &mut World) {
        if !self.wire.read_text(world, &mut self.text) {
            self.has_ended = true;
        }
    }

    /// The chunks that came since the last look.
    pub(crate) fn chunks(&mut self, world: &mut World) -> Vec<String> {
        self.read(world);
        let mut chunks = Vec::new();
        while let Some((size, rest)) = self.text.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).expect("a size");
            let Some(chunk) = rest.get(..size) else { break };
            assert_eq!(rest.get(size..size + 2), Some("\r\n"), "a chunk is as long as it says");
            chunks.push(chunk.to_owned());
            self.text = rest[size + 2..].to_owned();
            self.has_ended |= size == 0;
        }
        chunks
    }

    /// The records that came since the last look. Each event has whole ones.
    pub(crate) fn hear(&mut self, world: &mut World) -> Vec<String> {
        let mut records = Vec::new();
        for chunk in self.chunks(world).iter().filter(|chunk| !chunk.is_empty()) {
            for event in chunk.strip_suffix("\r\n\r\n").expect("whole events").split("\r\n\r\n") {
                let data = event.strip_prefix("data: ").expect("an unnamed event");
                let whole = data.strip_suffix('\u{1e}').expect("whole records");
                records.extend(whole.split('\u{1e}').map(str::to_owned));
            }
        }
        records
    }

    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    pub(crate) fn close(self, world: &mut World) {
        self.wire.close(world);
    }
}

/// Begins a poll on a socket of its own.
pub(crate) fn poll(world: &mut World, target: &str) -> Wire {
    let mut wire = Wire::tcp(world);
    wire.ask(world, "GET", target, &[], b"");
    wire
}

/// A poll that is answered at once.
pub(crate) fn polled(world: &mut World, target: &str) -> Answer {
    let mut wire = poll(world, target);
    let answer = wire.answer(world);
    wire.close(world);
    answer
}

/// A connection over long polling with an answered handshake.
pub(crate) fn polling(world: &mut World) -> String {
    let target = negotiated(world);
    assert_eq!(polled(world, &target).body, "");
    assert_eq!(post(world, &target, HANDSHAKE).head.status(), 200);
    assert_eq!(polled(world, &target).body, format!("{{}}\u{1e}{ARRIVED}\u{1e}"));
    target
}
