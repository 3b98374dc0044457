//! Classic SignalR: compares what came with what was recorded.

use std::time::Duration;

use serde_json::Value;

use super::answers::{Status, head, is_listed};
use super::classic_events::{Event, Kind, Reader, callback};
use super::http::Chunk;
use super::json::Json;
use super::rows::{in_any_order, in_order};
use super::scripts::{frame_calls, script_facts};
use super::session::{Observed, Protocol, Session as AnySession, Stuck};
use super::steps::{millis, patience, range, text};
use super::text::{Values, differences, expand, matches};

type Session = AnySession<Reader>;

impl Protocol for Reader {
    const HOST: &'static str = "classic";
    const SENDS_FORMS: bool = true;
    // Many speak to everybody, and to groups and users of the same names.
    const SHARES_SERVER: bool = false;

    type Event = Event;

    fn open(step: &Value) -> Result<Self, Stuck> {
        Ok(Self::new(match text(step, "kind") {
            "ws" => Kind::WebSocket,
            "sse" => Kind::EventStream,
            "ff" => Kind::ForeverFrame,
            "lp-loop" => Kind::PollLoop,
            _ => Kind::Poll,
        }))
    }

    fn feed(&mut self, fresh: &[Chunk]) -> Vec<Event> {
        fresh.iter().flat_map(|chunk| self.one(chunk)).collect()
    }

    fn replay(session: &mut Session, step: &Value) -> Result<Vec<String>, Stuck> {
        match text(step, "do") {
            "read" => read(session, step),
            "evaluate" => evaluate(session, step),
            "script" => script(session, step),
            _ => {
                let observed = session.run(step)?;
                Ok(if step["response"].is_null() {
                    Vec::new()
                } else {
                    answer(session, step, &observed)
                })
            }
        }
    }
}

fn evaluate(session: &mut Session, step: &Value) -> Result<Vec<String>, Stuck> {
    let opening = session.stream(step)?.reader.opening.clone();
    let calls = frame_calls(&opening.unwrap_or_default(), text(step, "parent"))?;
    Ok(differences(&json(&step["calls"]), &calls, &Values::new(), "calls"))
}

fn script(session: &mut Session, step: &Value) -> Result<Vec<String>, Stuck> {
    let observed = session.http(step)?;
    let mut all = answer(session, step, &observed);
    let script = observed.content.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let facts = script_facts(&script, text(step, "hub"))?;
    let want = json(&step["response"]["facts"]);
    all.extend(differences(&want, &facts, &Values::new(), "facts"));
    Ok(all)
}

/// A value of a recording.
fn json(value: &Value) -> Json {
    Json::parse(&value.to_string()).expect("a value is JSON")
}

fn answer(session: &mut Session, step: &Value, got: &Observed) -> Vec<String> {
    let (want, loosened) = (&step["response"], &step["compare"]);
    let content = got.content.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    capture(session, step, &content, &[]);
    let mut all = match Status::of(want, got, loosened) {
        Status::AsGood => return Vec::new(),
        Status::Wrong => {
            let status = want["status"].as_u64();
            return vec![format!("status: expected {status:?}, got {:?}", got.status)];
        }
        Status::Same => head(want, got, loosened, &[]),
    };
    if let Some(want) = want["body"].as_str()
        && loosened["body"] != "ignore"
        && !is_listed(loosened, got)
    {
        all.extend(body(&session.values, want, &content, loosened));
    }
    all
}

fn body(values: &Values, want: &str, got: &str, loosened: &Value) -> Vec<String> {
    let want = expand(want);
    // A body in a callback is the callback's name, and then as any other.
    let parts = |text: &str| {
        let (name, inside) = callback(text).unwrap_or(("", text));
        (name.to_owned(), Json::parse(inside.trim()))
    };
    match (parts(&want), parts(got)) {
        ((wanted, Some(want)), (name, Some(value))) if wanted == name => {
            let settled = |value| settled(value, loosened);
            differences(&settled(want), &settled(value), &comparable(values), "body")
        }
        _ if matches(want.trim(), got.trim(), values) => Vec::new(),
        _ => vec![format!("body: expected {want:?}, got {got:?}")],
    }
}

/// What a step knows for comparing: cursors and proofs of groups are never looked into.
fn comparable(values: &Values) -> Values {
    let is_opaque = |name: &str| name.contains("cursor") || name.contains("groups");
    let known = values.iter().filter(|(name, _)| !is_opaque(name));
    known.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A value without what must not count: the value of a key that only has to be there, and the last
/// digits of a number that is not whole.
fn settled(value: Json, loosened: &Value) -> Json {
    let is_opaque = |name: &str| {
        loosened["opaque_keys"].as_array().is_some_and(|keys| keys.iter().any(|key| key == name))
    };
    match value {
        Json::Number(number) => Json::Number(number.rounded()),
        Json::Array(items) => {
            Json::Array(items.into_iter().map(|item| settled(item, loosened)).collect())
        }
        Json::Object(members) => Json::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    let value =
                        if is_opaque(&name) { Json::Null } else { settled(value, loosened) };
                    (name, value)
                })
                .collect(),
        ),
        other => other,
    }
}

/// Remembers what a step says is to be remembered.
fn capture(session: &mut Session, step: &Value, content: &str, events: &[Event]) {
    for (name, how) in step["captures"].as_object().into_iter().flatten() {
        let value = match (text(how, "from"), text(how, "last")) {
            ("stream", last) => events.iter().rev().find_map(|event| match event {
                Event::Cursor(cursor) if last == "cursor" => Some(cursor.clone()),
                Event::GroupsToken(token) if last == "groupsToken" => Some(token.clone()),
                _ => None,
            }),
            (from, _) => {
                let inside = callback(content).filter(|_| from == "callback");
                let value = Json::parse(inside.map_or(content, |(_, inside)| inside).trim());
                let value = value.as_ref().and_then(|value| value.member(text(how, "key")));
                value.and_then(Json::text).map(str::to_owned)
            }
        };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            session.values.insert(name.clone(), value);
        }
    }
}

/// Events by what they are compared with.
#[derive(Default)]
struct Rows {
    main: Vec<Json>,
    results: Vec<Json>,
    keep_alives: u64,
    /// Each once, in order.
    delays: Vec<Json>,
}

impl Rows {
    fn of(events: &[Event], loosened: &Value) -> Self {
        let mut rows = Self::default();
        for event in events {
            match event {
                Event::Main(value) => rows.main.push(settled(value.clone(), loosened)),
                Event::Result(value) => rows.results.push(settled(value.clone(), loosened)),
                Event::KeepAlive => rows.keep_alives += 1,
                Event::Delay(delay) if rows.delays.contains(delay) => {}
                Event::Delay(delay) => rows.delays.push(delay.clone()),
                Event::Cursor(_) | Event::GroupsToken(_) => {}
            }
        }
        rows
    }
}

/// What the recording says of a read, as events.
fn recorded(step: &Value, mut reader: Reader) -> Vec<Event> {
    let frames = step["frames"].as_array().into_iter().flatten();
    let chunks = frames.map(|frame| {
        let raw = frame["text"].as_str().unwrap_or_else(|| text(frame, "raw"));
        let raw = expand(raw).replace("${foreverFramePrologue}", "<body>\n");
        Chunk {
            opcode: frame["opcode"].as_str().unwrap_or("lp").to_owned(),
            data: raw.into_bytes(),
        }
    });
    reader.feed(&chunks.collect::<Vec<_>>())
}

fn read(session: &mut Session, step: &Value) -> Result<Vec<String>, Stuck> {
    let loosened = &step["compare"];
    let stream = session.stream(step)?;
    let want = Rows::of(&recorded(step, stream.reader.of_recording()), loosened);
    let want_end = step["ended"].as_str();
    let at_least = loosened["keepalive"]["min"].as_u64().unwrap_or(0);
    // The newest messages alone count where a buffer was too small.
    let main_at_least = match (loosened["main"].as_str(), loosened["tail"].as_u64()) {
        (Some("ignore"), _) => 0,
        (_, Some(tail)) => usize::try_from(tail).expect("it is a count"),
        (_, None) => want.main.len(),
    };
    let for_at_least = millis(&step["until"], "for_ms", 0);
    let grace = millis(&step["until"], "quiet_ms", 200).min(Duration::from_millis(300));
    let limit = patience(step, loosened, for_at_least);
    let (events, ended) = stream.collect(grace, limit, |events, ended, passed| {
        let got = Rows::of(events, loosened);
        let is_all = got.main.len() >= main_at_least
            && got.results.len() >= want.results.len()
            && got.keep_alives >= at_least
            && want_end.is_none()
            && passed >= for_at_least;
        is_all || ended.is_some()
    });
    let took = stream.began.elapsed();
    capture(session, step, "", &events);

    let mut got = Rows::of(&events, loosened);
    if loosened["error_results"] == true {
        got.results.retain(|result| result.member("E").is_none());
    }
    let values = &comparable(&session.values);
    let mut all = match loosened["main"].as_str() {
        Some("ignore") => Vec::new(),
        _ if !loosened["tail"].is_null() => newest(&want.main, &got.main, loosened, values),
        _ => compare(&want.main, &got.main, loosened, values, "events"),
    };
    all.extend(compare(&want.results, &got.results, loosened, values, "results"));
    let at_most = loosened["keepalive"]["max"].as_u64().unwrap_or(u64::MAX);
    if !(at_least..=at_most).contains(&got.keep_alives) {
        let bounds = &loosened["keepalive"];
        all.push(format!("expected {bounds} signs of life, got {}", got.keep_alives));
    }
    all.extend(in_order(&want.delays, &got.delays, values, "delays"));
    let ended = ended.as_deref();
    let is_any_end = loosened["ended"] == "any" && ended.is_some() && want_end.is_some();
    if ended != want_end && !is_any_end {
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

fn compare(
    want: &[Json],
    got: &[Json],
    loosened: &Value,
    values: &Values,
    at: &str,
) -> Vec<String> {
    match loosened["order"].as_str() {
        Some("any") => in_any_order(want, got, values, at),
        _ => in_order(want, got, values, at),
    }
}

/// A buffer was too small for all messages: the newest of them, so many at least.
fn newest(want: &[Json], got: &[Json], loosened: &Value, values: &Values) -> Vec<String> {
    let is_message = |value: &&Json| value.element(0).and_then(Json::text) == Some("message");
    let split = |row: &[Json]| -> (Vec<Json>, Vec<Json>) {
        row.iter().cloned().partition(|value| is_message(&value))
    };
    let ((want, want_others), (got, got_others)) = (split(want), split(got));
    let mut all = in_order(&want_others, &got_others, values, "events");
    let (least, most) = (&loosened["tail"], &loosened["tail_max"]);
    let count = got.len() as u64;
    if least.as_u64().is_some_and(|least| count < least)
        || most.as_u64().is_some_and(|most| count > most)
    {
        all.push(format!("expected {least} to {most} messages, got {count}"));
    }
    let both = want.len().min(got.len());
    let last = |row: &[Json]| row[row.len() - both..].to_vec();
    all.extend(in_order(&last(&want), &last(&got), values, "newest messages"));
    all
}
