//! Classic SignalR: events out of envelopes, however they are spread over chunks.

use super::http::Chunk;
use super::json::Json;
use super::rows::{Row, shortened};
use super::text::{Values, differences};

/// Something that came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// What is compared in order: `["message", …]`, `["S", 1]`, and what should not be there.
    Main(Json),
    /// An answer that stands by itself, and the answer to a Ping: a row of its own.
    Result(Json),
    KeepAlive,
    /// The time that a poller is to wait.
    Delay(Json),
    /// Where the client is now, and the proof of its groups: read by later steps.
    Cursor(String),
    GroupsToken(String),
}

/// What is behind a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    WebSocket,
    EventStream,
    ForeverFrame,
    /// One answer that may be long in coming.
    Poll,
    /// One answer after the other.
    PollLoop,
}

/// Turns chunks into events.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) kind: Kind,
    /// The opening part of a forever-frame document, once it is there.
    pub(crate) opening: Option<String>,
    /// What came and is not whole yet.
    rest: Vec<u8>,
}

impl Row for Json {
    fn show(&self) -> String {
        shortened(self.to_string())
    }

    fn differences(&self, got: &Self, values: &Values, at: &str) -> Vec<String> {
        differences(self, got, values, at)
    }
}

fn texts<const N: usize>(parts: [&str; N]) -> Json {
    Json::Array(parts.iter().map(|part| Json::Text((*part).to_owned())).collect())
}

fn named(name: &str, value: &Json) -> Event {
    Event::Main(Json::Array(vec![Json::Text(name.to_owned()), value.clone()]))
}

fn odd(what: &str, text: &str) -> Event {
    Event::Main(texts([what, text]))
}

/// The keys of an envelope.
const KEYS: [&str; 6] = ["C", "S", "T", "G", "L", "M"];

/// The events of an envelope or a result.
fn events_of(value: &Json) -> Vec<Event> {
    let Json::Object(members) = value else { return vec![named("no object", value)] };
    if members.is_empty() {
        return vec![Event::KeepAlive];
    }
    if members.contains_key("I") && !members.contains_key("C") {
        return vec![Event::Result(value.clone())];
    }
    let mut events = Vec::new();
    for key in ["C", "M"].into_iter().filter(|key| !members.contains_key(*key)) {
        events.push(odd("an envelope lacks", key));
    }
    for key in members.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        events.push(odd("an envelope has", key));
    }
    for key in ["S", "T"] {
        events.extend(value.member(key).map(|value| named(key, value)));
    }
    events.extend(value.member("L").cloned().map(Event::Delay));
    if value.member("G").is_some() {
        events.push(Event::Main(texts(["G"])));
    }
    if let Some(Json::Array(messages)) = value.member("M") {
        events.extend(messages.iter().map(|message| named("message", message)));
    }
    let text = |key| value.member(key).and_then(Json::text).filter(|text| !text.is_empty());
    events.extend(text("C").map(|cursor| Event::Cursor(cursor.to_owned())));
    events.extend(text("G").map(|token| Event::GroupsToken(token.to_owned())));
    events
}

fn events_in(text: &str) -> Vec<Event> {
    Json::parse(text).map_or_else(|| vec![odd("no JSON", text)], |value| events_of(&value))
}

/// `name(JSON)`, perhaps with a semicolon: the name and the text inside.
pub(crate) fn callback(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let (name, inside) =
        text.strip_suffix(';').unwrap_or(text).strip_suffix(')')?.split_once('(')?;
    (!name.contains(['{', '"', ' '])).then_some((name, inside))
}

impl Reader {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, opening: None, rest: Vec::new() }
    }

    /// One that reads what comes behind the opening part, if that has come.
    pub(crate) fn of_recording(&self) -> Self {
        Self { opening: self.opening.clone(), ..Self::new(self.kind) }
    }

    pub(crate) fn one(&mut self, chunk: &Chunk) -> Vec<Event> {
        let text = || String::from_utf8_lossy(&chunk.data);
        match (self.kind, chunk.opcode.as_str()) {
            (Kind::WebSocket, "text") => events_in(&text()),
            (Kind::WebSocket, "pong") => {
                let pong = [("pong".to_owned(), Json::Text(text().into_owned()))];
                vec![Event::Result(Json::Object(pong.into()))]
            }
            (Kind::WebSocket, "ping") => Vec::new(),
            (Kind::WebSocket, other) => vec![odd("a message", other)],
            (Kind::PollLoop, _) => events_in(text().trim()),
            (kind, _) => {
                self.rest.extend_from_slice(&chunk.data);
                let mut events = Vec::new();
                // What ends in the middle of a character is not whole.
                while let Ok(text) = std::str::from_utf8(&self.rest) {
                    let piece = match kind {
                        Kind::EventStream => server_sent_event(text),
                        Kind::ForeverFrame if self.opening.is_none() => opening(text),
                        Kind::ForeverFrame => script_element(text),
                        _ => answer(text),
                    };
                    let Some(piece) = piece else { break };
                    if kind == Kind::ForeverFrame {
                        self.opening.get_or_insert_with(|| text[..piece.length].to_owned());
                    }
                    events.extend(piece.events);
                    self.rest.drain(..piece.length);
                }
                events
            }
        }
    }
}

/// What begins a text and is whole.
struct Piece {
    length: usize,
    events: Vec<Event>,
}

fn server_sent_event(text: &str) -> Option<Piece> {
    // Lines end with LF, or with CR and LF.
    let ends = ["\n\n", "\r\n\r\n"].into_iter();
    let ends = ends.filter_map(|end| Some((text.find(end)?, end.len())));
    let (end, length) = ends.min()?;
    let events = text[..end].lines().flat_map(|line| match line.strip_prefix("data:") {
        Some(data) if data.trim() == "initialized" => vec![Event::Main(texts(["initialized"]))],
        Some(data) => events_in(data.trim()),
        None => vec![odd("a line of the event stream", line)],
    });
    Some(Piece { length: end + length, events: events.collect() })
}

/// The opening part of a document is the server's own.
fn opening(text: &str) -> Option<Piece> {
    let body = text.to_lowercase().find("<body")?;
    let end = body + text[body..].find('\n')? + 1;
    Some(Piece { length: end, events: vec![Event::Main(texts(["opening"]))] })
}

/// `<script>name(name, JSON);</script>`
fn script_element(text: &str) -> Option<Piece> {
    let end = text.to_lowercase().find("</script>")?;
    let length = end + "</script>".len();
    let begin = text[..end].find('>')? + 1;
    let call = callback(&text[begin..end]).and_then(|(_, inside)| inside.split_once(','));
    let events = match call {
        Some((_, json)) if json.contains(['<', '>']) => vec![odd("not escaped", json)],
        Some((_, json)) => events_in(json.trim()),
        None => vec![odd("a script", &text[begin..end])],
    };
    Some(Piece { length, events })
}

/// Signs of life, then one envelope, perhaps handed to a callback.
fn answer(text: &str) -> Option<Piece> {
    if text.starts_with(' ') {
        return Some(Piece { length: 1, events: vec![Event::KeepAlive] });
    }
    if let Some((name, inside)) = callback(text) {
        let mut events = vec![Event::Main(texts(["callback", name]))];
        events.extend(events_of(&Json::parse(inside)?));
        return Some(Piece { length: text.len(), events });
    }
    Some(Piece { length: text.len(), events: events_of(&Json::parse(text)?) })
}
