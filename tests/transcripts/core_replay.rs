//! ASP.NET Core SignalR: compares what came with what was recorded.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::answers::{Status, head};
use super::core_events::{
    Event, Framing, Kind, Order, Reader, compare, decode, join_bytes, split_records,
};
use super::http::Chunk;
use super::json::Json;
use super::session::{Observed, Protocol, Session as AnySession, Stuck};
use super::steps::{millis, patience, range, text};
use super::text::{differences, expand, matches, to_bytes, to_text};

type Session = AnySession<Reader>;

/// Headers that must not be there when the original did not send them.
const UNWANTED_HEADERS: [&str; 10] = [
    "access-control-",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "content-encoding",
    "set-cookie",
    "location",
    "www-authenticate",
    "cache-control",
    "pragma",
    "expires",
];

impl Protocol for Reader {
    const HOST: &'static str = "core";
    const SENDS_FORMS: bool = false;
    const SHARES_SERVER: bool = true;

    type Event = Event;

    fn open(step: &Value) -> Result<Self, Stuck> {
        let kind = match text(step, "kind") {
            "ws" => Kind::WebSocket,
            "sse" => Kind::EventStream,
            _ => Kind::Poll,
        };
        let framing = match step["framing"].as_str() {
            None | Some("hub") => Framing::Hub,
            Some("messages") => Framing::Messages,
            Some("bytes") => Framing::Bytes,
            Some(other) => return Err(format!("an unknown framing {other:?}")),
        };
        Ok(Self::new(kind, framing))
    }

    fn feed(&mut self, fresh: &[Chunk]) -> Vec<Event> {
        fresh.iter().flat_map(|chunk| self.one(&chunk.opcode, &chunk.data)).collect()
    }

    fn replay(session: &mut Session, step: &Value) -> Result<Vec<String>, Stuck> {
        if text(step, "do") == "read" {
            return read(session, step);
        }
        let until = Instant::now() + millis(&step["compare"], "retry_ms", 0);
        loop {
            let observed = session.run(step)?;
            let found = judge(session, step, &observed);
            if found.is_empty() || Instant::now() > until {
                return Ok(found);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn judge(session: &mut Session, step: &Value, got: &Observed) -> Vec<String> {
    let loosened = &step["compare"];
    let complaint = |text: &str| vec![text.to_owned()];
    let mut all = match text(step, "do") {
        "pending" if !got.holds => complaint("expected no answer yet, but it has come"),
        "await-exit" if !got.holds => complaint("the server did not end"),
        "await-eof" if !got.holds => complaint("the server did not end the TCP connection"),
        "http" | "open" | "finish" if !step["response"].is_null() => answer(session, step, got),
        _ => Vec::new(),
    };
    if let Some((from, to)) = range(&loosened["took_ms"])
        && !(from..=to).contains(&got.took)
    {
        all.push(format!("expected the end after {from:?} to {to:?}, got {:?}", got.took));
    }
    all
}

fn answer(session: &mut Session, step: &Value, got: &Observed) -> Vec<String> {
    let (want, loosened) = (&step["response"], &step["compare"]);
    capture(session, step, &decoded(got.content.as_deref()));
    match Status::of(want, got, loosened) {
        Status::AsGood => return Vec::new(),
        Status::Wrong => {
            let status = want["status"].as_u64();
            return vec![format!("status: expected {status:?}, got {:?}", got.status)];
        }
        Status::Same => {}
    }
    let mut all = head(want, got, loosened, &UNWANTED_HEADERS);
    if loosened["body"] != "ignore" && (!want["body"].is_null() || !want["hex"].is_null()) {
        let unordered = loosened["body"] == "any order";
        all.extend(body(session, want, got.content.as_deref().unwrap_or_default(), unordered));
    }
    all
}

fn body(session: &Session, want: &Value, got: &[u8], unordered: bool) -> Vec<String> {
    let pieces = |pieces: Vec<&[u8]>| -> Vec<Event> {
        let data = |bytes: &[u8]| Event::Data {
            opcode: String::new(),
            bytes: bytes.to_vec(),
            means: None,
        };
        pieces.into_iter().map(data).collect()
    };
    let in_row = |want: Vec<&[u8]>, got: Vec<&[u8]>| {
        compare(&pieces(want), &pieces(got), &session.values, "body", Order::AsRecorded)
    };
    if !want["hex"].is_null() {
        let bytes = match session.content(want, "body") {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(stuck) => return vec![stuck],
        };
        return if want["records"] == true {
            in_row(split_records(&bytes), split_records(got))
        } else {
            in_row(vec![&bytes], vec![got])
        };
    }
    let want = expand(text(want, "body"));
    let Some(text) = to_text(got) else {
        return vec![format!("body: expected {want}, got bytes that are no text: {got:02x?}")];
    };
    let want_bytes = to_bytes(&want);
    if want_bytes.ends_with(b"\x1e") {
        return in_row(
            want_bytes.split_inclusive(|byte| *byte == 0x1e).collect(),
            got.split_inclusive(|byte| *byte == 0x1e).collect(),
        );
    }
    match (Json::parse(&want), Json::parse(&text)) {
        (Some(mut want), Some(mut got)) => {
            if unordered {
                for value in [&mut want, &mut got] {
                    if let Json::Array(items) = value {
                        items.sort_by_key(ToString::to_string);
                    }
                }
            }
            differences(&want, &got, &session.values, "body")
        }
        _ if matches(&want, &text, &session.values) => Vec::new(),
        _ => vec![format!("body: expected {want:?}, got {text:?}")],
    }
}

/// The events of recorded frames.
fn recorded(session: &Session, frames: &Value, mut reader: Reader) -> Vec<Event> {
    let mut all = Vec::new();
    for frame in frames.as_array().into_iter().flatten() {
        let opcode = frame["opcode"].as_str().unwrap_or("lp");
        if frame["hex"].is_null() {
            let text = frame["text"].as_str().unwrap_or_else(|| self::text(frame, "raw"));
            all.extend(reader.one(opcode, &to_bytes(&expand(text))));
            continue;
        }
        match session.content(frame, "hex") {
            Ok(bytes) => all.extend(reader.one(opcode, &bytes.unwrap_or_default())),
            // The bytes hold something that nobody can know: the meaning is compared.
            Err(_) => all.extend(frame["means"].as_array().into_iter().flatten().map(|means| {
                let means = Json::parse(&means.to_string());
                Event::Data { opcode: opcode.to_owned(), bytes: Vec::new(), means }
            })),
        }
    }
    all
}

/// What is counted beside the records.
struct Counts {
    hub_pings: u64,
    websocket_pings: u64,
    websocket_pongs: u64,
    acked: Option<i64>,
}

impl Counts {
    fn of(events: &[Event]) -> Self {
        let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count() as u64;
        Self {
            hub_pings: count(|event| *event == Event::HubPing),
            websocket_pings: count(|event| matches!(event, Event::WebSocketPing(_))),
            websocket_pongs: count(|event| matches!(event, Event::WebSocketPong(_))),
            acked: events.iter().rev().find_map(|event| match event {
                Event::Ack(number) => *number,
                _ => None,
            }),
        }
    }
}

fn read(session: &mut Session, step: &Value) -> Result<Vec<String>, Stuck> {
    let loosened = &step["compare"];
    let (kind, framing) = {
        let reader = &session.stream(step)?.reader;
        (reader.kind, reader.framing)
    };
    let shape = |events: &[Event]| -> Vec<Event> {
        let main = events.iter().filter(|event| event.is_main()).cloned().collect();
        if framing == Framing::Bytes { join_bytes(main) } else { main }
    };
    let want_all = recorded(session, &step["frames"], Reader::new(kind, framing));
    let (want, want_counts) = (shape(&want_all), Counts::of(&want_all));
    let pongs = |events: &[Event]| -> Vec<Event> {
        let is_pong =
            |event: &&Event| matches!(event, Event::WebSocketPong(data) if !data.is_empty());
        events.iter().filter(is_pong).cloned().collect()
    };
    let want_pongs = pongs(&want_all);
    let want_end = step["ended"].as_str();
    let ends: Vec<Option<&str>> =
        loosened["or_ended"].as_array().into_iter().flatten().map(Value::as_str).collect();
    let pings = &loosened["pings"];
    let websocket_pings = &loosened["ws_pings"];
    let at_least = |bounds: &Value, count: u64| count >= bounds["min"].as_u64().unwrap_or(0);
    let acks_may_differ = loosened["acks"] == "may";

    // Reading goes on until everything has come, and a while longer for what is too much.
    let grace = millis(loosened, "grace_ms", 150);
    let for_at_least = millis(&step["until"], "for_ms", 0);
    let limit = patience(step, loosened, for_at_least);
    let stream = session.stream(step)?;
    let before = stream.reader.acked;
    let bytes = |events: &[Event]| -> usize {
        let sizes = events.iter().map(|event| match event {
            Event::Data { bytes, .. } => bytes.len(),
            _ => 0,
        });
        sizes.sum()
    };
    let (events, ended) = stream.collect(grace, limit, |events, ended, passed| {
        let (got, counts) = (shape(events), Counts::of(events));
        let may_stay_open = want_end.is_none() || ends.contains(&None);
        let full = got.len() >= want.len()
            && (framing != Framing::Bytes || bytes(&got) >= bytes(&want))
            && (ended.is_some() || may_stay_open)
            && passed >= for_at_least
            && at_least(pings, counts.hub_pings)
            && at_least(websocket_pings, counts.websocket_pings + counts.websocket_pongs)
            && (acks_may_differ
                || want_counts.acked.is_none()
                || counts.acked.or(before) == want_counts.acked)
            && counts.websocket_pongs >= want_pongs.len() as u64;
        full || ended.is_some() && (want_end.is_some() || got.len() < want.len())
    });
    let took = stream.began.elapsed();
    let counts = Counts::of(&events);
    let acked = counts.acked.or(before);
    stream.reader.acked = acked;
    let values: Vec<Option<Json>> =
        events.iter().filter(|event| event.is_main()).map(Event::value).collect();
    capture(session, step, &values);

    let got = shape(&events);
    let order = Order::of(loosened);
    let mut all = if loosened["frames"] == "ignore" {
        Vec::new()
    } else {
        compare(&want, &got, &session.values, "stream", order)
    };
    if !all.is_empty() && !loosened["or_frames"].is_null() {
        let others = recorded(session, &loosened["or_frames"], Reader::new(kind, framing));
        if compare(&shape(&others), &got, &session.values, "stream", order).is_empty() {
            all.clear();
        }
    }
    if want_counts.acked.is_some() && !acks_may_differ && acked != want_counts.acked {
        all.push(format!("expected an Ack up to {:?}, got {acked:?}", want_counts.acked));
    }
    if loosened["acks"] == "none" && counts.acked.is_some() {
        all.push(format!("expected no Ack, got {:?}", counts.acked));
    }
    let is_within = |bounds: &Value, count: u64| {
        bounds.is_null() || at_least(bounds, count) && count <= bounds["max"].as_u64().unwrap_or(0)
    };
    if !is_within(pings, counts.hub_pings) {
        all.push(format!("expected {pings} hub pings, got {}", counts.hub_pings));
    }
    let (ping_count, pong_count) = (counts.websocket_pings, counts.websocket_pongs);
    if !is_within(websocket_pings, ping_count + pong_count) {
        let count = ping_count + pong_count;
        all.push(format!("expected {websocket_pings} WebSocket pings or pongs, got {count}"));
    }
    let want_kinds = (want_counts.websocket_pings > 0, want_counts.websocket_pongs > 0);
    if !websocket_pings.is_null() && want_kinds != (ping_count > 0, pong_count > 0) {
        all.push("pings where the original sends pongs, or the other way round".to_owned());
    }
    if !want_pongs.is_empty() && pongs(&events) != want_pongs {
        all.push(format!("expected pongs {want_pongs:?}, got {:?}", pongs(&events)));
    }
    let ended = ended.as_deref();
    let any_end = loosened["ended"] == "any" && ended.is_some() && want_end.is_some();
    if ended != want_end && !ends.contains(&ended) && !any_end {
        let state = |end: Option<&str>| end.unwrap_or("open").to_owned();
        all.push(format!("expected it {}, got {}", state(want_end), state(ended)));
    }
    if let Some((from, to)) = range(&loosened["ends_after_ms"])
        && ended.is_some()
        && !(from..=to).contains(&took)
    {
        all.push(format!("expected the end {from:?} to {to:?} after opening, got {took:?}"));
    }
    Ok(all)
}

/// Remembers what a step says is to be remembered.
fn capture(session: &mut Session, step: &Value, records: &[Option<Json>]) {
    for (name, how) in step["captures"].as_object().into_iter().flatten() {
        let of_type = |record: &&Option<Json>| match (&how["type"], record) {
            (Value::Null, _) => true,
            (wanted, Some(record)) => {
                let kind = record.member("type").or_else(|| record.element(0));
                kind.and_then(Json::integer) == wanted.as_i64()
            }
            (_, None) => false,
        };
        let found: Vec<_> = records.iter().filter(of_type).collect();
        let place = match how["index"].as_i64().unwrap_or(-1) {
            back @ ..0 => found.len().checked_sub(back.unsigned_abs() as usize),
            place => usize::try_from(place).ok(),
        };
        let record = place.and_then(|place| found.get(place)).and_then(|found| found.as_ref());
        let path = how["path"].as_array().into_iter().flatten();
        let value = path.fold(record, |value, step| value?.at(step)).and_then(Json::text);
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            session.values.insert(name.clone(), value.to_owned());
        }
    }
}

/// The decoded body of an answer.
fn decoded(content: Option<&[u8]>) -> Vec<Option<Json>> {
    let content = content.unwrap_or_default();
    match std::str::from_utf8(content).ok().and_then(Json::parse) {
        Some(value) => vec![Some(value)],
        None => split_records(content).into_iter().map(decode).collect(),
    }
}
