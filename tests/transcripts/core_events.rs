//! ASP.NET Core SignalR: hub records out of messages, events and polls.

use serde_json::Value;

use super::json::Json;
use super::msgpack::unpack;
use super::rows::{Row, in_any_order, in_order, shortened};
use super::text::{RS, Values, differences, hex, matches, to_text};

/// Something that came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A record, a message, or bytes, by the framing of the stream; with the kind of message.
    Data {
        opcode: String,
        bytes: Vec<u8>,
        /// In recordings: the value, where the bytes differ each time.
        means: Option<Json>,
    },
    HubPing,
    Ack(Option<i64>),
    WebSocketPing(Vec<u8>),
    WebSocketPong(Vec<u8>),
    /// Something of an event stream that is no event.
    Odd(String),
}

/// What is behind a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    WebSocket,
    EventStream,
    Poll,
}

/// What is an event of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A record of the hub protocol.
    Hub,
    /// A message.
    Messages,
    /// Nothing: bytes are in a row.
    Bytes,
}

impl Event {
    /// What a step compares one by one; the others are counted.
    pub(crate) fn is_main(&self) -> bool {
        matches!(self, Self::Data { .. } | Self::Odd(_))
    }

    /// The decoded value of a record.
    pub(crate) fn value(&self) -> Option<Json> {
        let Self::Data { bytes, means, .. } = self else { return None };
        means.clone().or_else(|| decode(bytes))
    }
}

impl Row for Event {
    fn show(&self) -> String {
        let Self::Data { bytes, means, .. } = self else { return format!("{self:?}") };
        if let Some(means) = means {
            return shortened(means.to_string());
        }
        let is_shown = |text: &String| text.chars().all(|c| c >= ' ' || "\r\n\t".contains(c));
        if let Some(text) = to_text(bytes).filter(is_shown) {
            return shortened(text);
        }
        let value = unpack(bytes).map(|value| format!(" = {value}")).unwrap_or_default();
        shortened(format!("{}{value}", hex(&bytes[..bytes.len().min(80)])))
    }

    fn differences(&self, got: &Self, values: &Values, at: &str) -> Vec<String> {
        let differ = || vec![format!("{at}: expected {}, got {}", self.show(), got.show())];
        let (
            Event::Data { opcode: wanted, bytes: want_bytes, means },
            Event::Data { opcode, bytes, .. },
        ) = (self, got)
        else {
            return if self == got { Vec::new() } else { differ() };
        };
        if wanted != opcode {
            let (want, got) = (self.show(), got.show());
            return vec![format!("{at}: expected {want} as {wanted}, got {got} as {opcode}")];
        }
        if let Some(means) = means {
            return match unpack(bytes) {
                Some(value) => differences(means, &value, values, at),
                None => differ(),
            };
        }
        if want_bytes == bytes {
            return Vec::new();
        }
        let (Some(want_text), Some(text)) = (to_text(want_bytes), to_text(bytes)) else {
            return differ();
        };
        if matches(&want_text, &text, values) {
            return Vec::new();
        }
        let parsed = |text: &str| Json::parse(text.trim_end_matches(RS));
        match (parsed(&want_text), parsed(&text)) {
            (Some(want_value), Some(value)) if want_text.ends_with(RS) == text.ends_with(RS) => {
                differences(&want_value, &value, values, at)
            }
            _ => differ(),
        }
    }
}

/// JSON without its end mark, or a MessagePack record.
pub(crate) fn decode(bytes: &[u8]) -> Option<Json> {
    let text = to_text(bytes);
    text.and_then(|text| Json::parse(text.trim_end_matches(RS))).or_else(|| unpack(bytes))
}

/// Whole hub records; what is left over comes last as it is.
pub(crate) fn split_records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let end = if let [b'{', b'}' | b'"' | b' ' | b'\n', ..] = bytes {
            bytes.iter().position(|byte| *byte == 0x1e).map(|at| at + 1)
        } else {
            let prefix = bytes.iter().take(5).take_while(|byte| **byte & 0x80 != 0).count() + 1;
            let groups = bytes.iter().take(prefix).enumerate();
            let length =
                groups.fold(0_usize, |sum, (at, byte)| sum | usize::from(byte & 0x7f) << (7 * at));
            (prefix <= 5).then_some(prefix + length)
        };
        let Some((record, rest)) = end.and_then(|end| bytes.split_at_checked(end)) else {
            records.push(bytes);
            break;
        };
        records.push(record);
        bytes = rest;
    }
    records
}

/// Turns chunks into events.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) kind: Kind,
    pub(crate) framing: Framing,
    /// The last Ack that has come.
    pub(crate) acked: Option<i64>,
    line: Vec<u8>,
    lines: Vec<Vec<u8>>,
}

impl Reader {
    pub(crate) fn new(kind: Kind, framing: Framing) -> Self {
        Self { kind, framing, acked: None, line: Vec::new(), lines: Vec::new() }
    }

    pub(crate) fn one(&mut self, opcode: &str, data: &[u8]) -> Vec<Event> {
        match (self.kind, opcode) {
            (Kind::EventStream, _) => self.event_stream(data),
            (_, "ping") => vec![Event::WebSocketPing(data.to_vec())],
            (_, "pong") => vec![Event::WebSocketPong(data.to_vec())],
            _ => self.payload(opcode, data),
        }
    }

    fn payload(&self, opcode: &str, data: &[u8]) -> Vec<Event> {
        let data_of = |bytes: &[u8]| Event::Data {
            opcode: opcode.to_owned(),
            bytes: bytes.to_vec(),
            means: None,
        };
        if self.framing != Framing::Hub {
            return vec![data_of(data)];
        }
        let records = split_records(data).into_iter();
        records.map(|record| side(record).unwrap_or_else(|| data_of(record))).collect()
    }

    fn event_stream(&mut self, data: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in data {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let mut line = std::mem::take(&mut self.line);
            if line.pop_if(|last| *last == b'\r').is_none() {
                events.push(Event::Odd("a line of the event stream ends with LF alone".into()));
            }
            if line.is_empty() {
                let event = std::mem::take(&mut self.lines).join(&b'\n');
                events.extend(self.payload("event", &event));
            } else if let Some(data) = line.strip_prefix(b"data: ") {
                self.lines.push(data.to_vec());
            } else {
                events.push(Event::Odd(format!("a line {:?}", String::from_utf8_lossy(&line))));
            }
        }
        events
    }
}

/// Pings and Acks, which are not compared one by one.
fn side(record: &[u8]) -> Option<Event> {
    let is_json = record.ends_with(b"\x1e") && record.starts_with(b"{");
    let (kind, number) = if is_json {
        let value = decode(record)?;
        (value.member("type").cloned(), value.member("sequenceId").and_then(Json::integer))
    } else if record.len() < 14 {
        let value = unpack(record)?;
        (value.element(0).cloned(), value.element(1).and_then(Json::integer))
    } else {
        return None;
    };
    match kind?.integer()? {
        6 => Some(Event::HubPing),
        8 => Some(Event::Ack(number)),
        _ => None,
    }
}

/// Neighbouring bytes of one kind are one piece.
pub(crate) fn join_bytes(events: Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        if let Event::Data { opcode, bytes, .. } = &event
            && let Some(Event::Data { opcode: last, bytes: all, .. }) = joined.last_mut()
            && opcode == last
        {
            all.extend_from_slice(bytes);
        } else {
            joined.push(event);
        }
    }
    joined
}

/// In which order events may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    AsRecorded,
    Any,
    PerId,
}

impl Order {
    pub(crate) fn of(compare: &Value) -> Self {
        match compare["order"].as_str() {
            Some("any") => Self::Any,
            Some("per id") => Self::PerId,
            _ => Self::AsRecorded,
        }
    }
}

/// The differences between two rows of events.
pub(crate) fn compare(
    want: &[Event],
    got: &[Event],
    values: &Values,
    at: &str,
    order: Order,
) -> Vec<String> {
    match order {
        Order::AsRecorded => in_order(want, got, values, at),
        Order::Any => in_any_order(want, got, values, at),
        Order::PerId => {
            let key = |event: &Event| {
                let value = event.value();
                let id = value
                    .as_ref()
                    .and_then(|value| value.member("invocationId").or_else(|| value.element(2)));
                let id = id.and_then(Json::text).unwrap_or_default();
                let name = id.strip_prefix("${").and_then(|id| id.strip_suffix('}'));
                name.and_then(|name| values.get(name)).cloned().unwrap_or_else(|| id.to_owned())
            };
            let mut ids: Vec<String> = want.iter().chain(got).map(key).collect();
            ids.sort();
            ids.dedup();
            ids.iter()
                .flat_map(|id| {
                    let of = |events: &[Event]| -> Vec<Event> {
                        events.iter().filter(|event| key(event) == *id).cloned().collect()
                    };
                    let at = format!("{at}, id {id:?}");
                    compare(&of(want), &of(got), values, &at, Order::AsRecorded)
                })
                .collect()
        }
    }
}
