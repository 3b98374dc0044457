//! Plays the steps of one scenario.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::events::{Framing, Kind, Reader, decode};
use super::http::{Chunk, Exchange, Request, Shared};
use super::json::Json;
use super::msgpack::pack_text;
use super::program::Program;
use super::text::{Values, fill, hex, to_bytes, unhex};
use super::websocket::{Frame, OPCODES, WebSocket};

/// A scenario being played.
pub(crate) struct Session {
    pub(crate) driver: &'static str,
    server: SocketAddr,
    /// The server that the scenario has started itself.
    program: Option<Program>,
    pub(crate) values: Values,
    pub(crate) streams: HashMap<String, Stream>,
}

/// Something that stays open over several steps.
pub(crate) struct Stream {
    pub(crate) reader: Reader,
    /// The last Ack that has come on it.
    pub(crate) acked: Option<i64>,
    pub(crate) began: Instant,
    pub(crate) shared: Arc<Shared>,
    transport: Transport,
}

enum Transport {
    Exchange(Exchange),
    WebSocket(WebSocket),
    PollLoop(Arc<AtomicBool>),
}

/// What a step has observed.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) status: Option<u16>,
    pub(crate) reason: String,
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    pub(crate) content: Option<Vec<u8>>,
    /// A WebSocket: the answer to its key is right.
    pub(crate) is_accepted: Option<bool>,
    /// `pending`, `await-eof` and `await-exit`: it is as it should be.
    pub(crate) holds: bool,
    pub(crate) took: Duration,
}

/// Why a scenario cannot go on.
pub(crate) type Stuck = String;

impl Session {
    pub(crate) fn new(driver: &'static str, server: SocketAddr) -> Self {
        Self { driver, server, program: None, values: Values::new(), streams: HashMap::new() }
    }

    /// Does what the client does in a step.
    pub(crate) fn run(&mut self, step: &Value) -> Result<Observed, Stuck> {
        match text(step, "do") {
            "http" => self.http(step),
            "open" => self.open(step),
            "pending" => self.pending(step),
            "finish" => self.finish(step),
            "send" => self.send(step),
            "close" => self.close(step),
            "await-eof" => self.await_eof(step),
            "wait" => {
                std::thread::sleep(millis(step, "ms", 0));
                Ok(Observed::default())
            }
            "start-server" => {
                let program = Program::start(self.driver)?;
                self.server = program.address;
                self.program = Some(program);
                Ok(Observed::default())
            }
            "stop-server" => {
                self.program.as_ref().ok_or("no server was started")?.stop();
                Ok(Observed::default())
            }
            "await-exit" => {
                let program = self.program.as_mut().ok_or("no server was started")?;
                let holds = program.has_ended(millis(step, "limit_ms", 15_000));
                Ok(Observed { holds, ..Observed::default() })
            }
            other => Err(format!("an unknown step {other:?}")),
        }
    }

    pub(crate) fn stream(&mut self, step: &Value) -> Result<&mut Stream, Stuck> {
        let name = text(step, "stream");
        self.streams.get_mut(name).ok_or_else(|| format!("no stream {name:?} is open"))
    }

    fn http(&mut self, step: &Value) -> Result<Observed, Stuck> {
        let request = self.request(&step["request"])?;
        let exchange =
            Exchange::start(self.server, &request).map_err(|error| unreachable(&error))?;
        exchange.shared.wait(Duration::from_mins(1), |received| received.ended.is_some());
        Ok(observed(&exchange.shared, exchange.began, true))
    }

    fn open(&mut self, step: &Value) -> Result<Observed, Stuck> {
        let request = self.request(&step["request"])?;
        let (kind, transport) = match text(step, "kind") {
            "ws" => {
                let mute = step["mute"] == true;
                let socket = WebSocket::open(self.server, request, mute)
                    .map_err(|error| unreachable(&error))?;
                (Kind::WebSocket, Transport::WebSocket(socket))
            }
            kind @ ("sse" | "poll") => {
                let exchange =
                    Exchange::start(self.server, &request).map_err(|error| unreachable(&error))?;
                let kind = if kind == "sse" { Kind::EventStream } else { Kind::Poll };
                (kind, Transport::Exchange(exchange))
            }
            "lp-loop" => (Kind::PollLoop, Transport::PollLoop(Arc::default())),
            other => return Err(format!("an unknown kind of stream {other:?}")),
        };
        let framing = match step["framing"].as_str() {
            None | Some("hub") => Framing::Hub,
            Some("messages") => Framing::Messages,
            Some("bytes") => Framing::Bytes,
            Some(other) => return Err(format!("an unknown framing {other:?}")),
        };
        let (shared, began) = match &transport {
            Transport::Exchange(exchange) => (exchange.shared.clone(), exchange.began),
            Transport::WebSocket(socket) => (socket.exchange.shared.clone(), socket.exchange.began),
            Transport::PollLoop(stop) => {
                let request = self.request(&step["request"])?;
                (poll_for_ever(self.server, request, stop.clone()), Instant::now())
            }
        };
        let reader = Reader::new(kind, framing);
        let stream = Stream { reader, acked: None, began, shared, transport };
        let observed = stream.opened();
        self.streams.insert(text(step, "stream").to_owned(), stream);
        Ok(observed)
    }

    fn pending(&mut self, step: &Value) -> Result<Observed, Stuck> {
        std::thread::sleep(millis(step, "ms", 0));
        let received = &self.stream(step)?.shared;
        let received = received.lock();
        let holds = received.status.is_none() && received.ended.is_none();
        Ok(Observed { holds, ..Observed::default() })
    }

    fn finish(&mut self, step: &Value) -> Result<Observed, Stuck> {
        let stream = self.stream(step)?;
        let limit = millis(step, "limit_ms", 20_000);
        stream.shared.wait(limit, |received| received.ended.is_some());
        Ok(observed(&stream.shared, stream.began, true))
    }

    fn send(&mut self, step: &Value) -> Result<Observed, Stuck> {
        let name = text(step, "opcode");
        let opcode = OPCODES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
        let opcode = opcode.ok_or_else(|| format!("an unknown opcode {name:?}"))?;
        let frames = match step["fragments"].as_array() {
            Some(pieces) => pieces
                .iter()
                .enumerate()
                .map(|(place, piece)| {
                    Ok(Frame {
                        opcode: if place == 0 { opcode } else { 0 },
                        data: self.content(piece, "data")?.unwrap_or_default(),
                        more: place + 1 < pieces.len(),
                        ..Frame::default()
                    })
                })
                .collect::<Result<Vec<_>, Stuck>>()?,
            None => vec![Frame {
                opcode,
                data: self.content(step, "data")?.unwrap_or_default(),
                more: step["fin"] == false,
                deflate: step["deflate"] == true,
                rsv: step["rsv"].as_u64().unwrap_or_default() as u8,
                unmasked: step["unmasked"] == true,
            }],
        };
        let Transport::WebSocket(socket) = &self.stream(step)?.transport else {
            return Err("only a WebSocket sends".to_owned());
        };
        for frame in &frames {
            socket.send(frame);
        }
        Ok(Observed::default())
    }

    fn close(&mut self, step: &Value) -> Result<Observed, Stuck> {
        let how = text(step, "how");
        let stream = self.stream(step)?;
        match (how.strip_prefix("websocket close"), &mut stream.transport) {
            (Some(code), Transport::WebSocket(socket)) => {
                let (code, reason) = code.trim().split_once(' ').unwrap_or((code.trim(), ""));
                let mut data = match code.parse::<u16>() {
                    Ok(code) => code.to_be_bytes().to_vec(),
                    Err(_) => Vec::new(),
                };
                data.extend(reason.as_bytes());
                socket.send(&Frame { opcode: 8, data, ..Frame::default() });
            }
            (None, Transport::WebSocket(socket)) if how.starts_with("reset") => socket.reset(),
            (None, Transport::Exchange(exchange)) if how.starts_with("reset") => exchange.reset(),
            _ => stream.close(),
        }
        Ok(Observed::default())
    }

    fn await_eof(&mut self, step: &Value) -> Result<Observed, Stuck> {
        let stream = self.stream(step)?;
        stream.shared.wait(millis(step, "limit_ms", 8000), |received| received.eof);
        let holds = stream.shared.lock().eof;
        Ok(Observed { holds, took: stream.began.elapsed(), ..Observed::default() })
    }

    fn request(&self, request: &Value) -> Result<Request, Stuck> {
        let encode = |value: &str| tickhub::protocol::url::percent_encode(value).into_owned();
        let target = self.fill(text(request, "target"), encode)?;
        let mut headers = Vec::new();
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            let lines = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for line in lines.iter().filter_map(Value::as_str) {
                headers.push((name.clone(), self.fill(line, str::to_owned)?));
            }
        }
        let body = self.content(request, "body")?;
        Ok(Request { method: text(request, "method").to_owned(), target, headers, body })
    }

    /// The bytes of a step or of a frame: the text under a name, or hexadecimal.
    pub(crate) fn content(&self, of: &Value, name: &str) -> Result<Option<Vec<u8>>, Stuck> {
        let Some(digits) = of["hex"].as_str() else {
            let Some(text) = of[name].as_str() else { return Ok(None) };
            return self.fill(text, str::to_owned).map(|text| Some(to_bytes(&text)));
        };
        if let Some((before, mut rest)) = digits.split_once("${length}") {
            // A record around a text whose length nobody knows before.
            let mut body = before.to_owned();
            while let Some((plain, behind)) = rest.split_once("${msgpack:") {
                let (captured, behind) = behind.split_once('}').ok_or("a brace is missing")?;
                let captured = self.fill(&format!("${{{captured}}}"), str::to_owned)?;
                body = [&body, plain, &hex(&pack_text(&captured))].join(" ");
                rest = behind;
            }
            let body = unhex(&(body + rest)).ok_or("no hexadecimal")?;
            let length = u8::try_from(body.len()).ok().filter(|length| *length < 0x80);
            return Ok(Some([vec![length.ok_or("too long")?], body].concat()));
        }
        let filled = self.fill(digits, |value| hex(value.as_bytes()))?;
        Ok(Some(unhex(&filled).ok_or_else(|| format!("no hexadecimal: {filled}"))?))
    }

    fn fill(&self, text: &str, how: impl Fn(&str) -> String) -> Result<String, Stuck> {
        fill(text, &self.values, how)
            .map_err(|name| format!("the placeholder {name} has no value: no step has yielded it"))
    }

    /// Remembers what a step says is to be remembered.
    pub(crate) fn capture(&mut self, step: &Value, records: &[Option<Json>]) {
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
                self.values.insert(name.clone(), value.to_owned());
            }
        }
    }

    /// The decoded body of an answer.
    pub(crate) fn decoded(content: Option<&[u8]>) -> Vec<Option<Json>> {
        let content = content.unwrap_or_default();
        match std::str::from_utf8(content).ok().and_then(Json::parse) {
            Some(value) => vec![Some(value)],
            None => super::events::split_records(content).into_iter().map(decode).collect(),
        }
    }
}

impl Stream {
    /// What the answer to its request was, if that has come by now.
    fn opened(&self) -> Observed {
        match &self.transport {
            Transport::PollLoop(_) => Observed::default(),
            Transport::Exchange(_) if self.reader.kind == Kind::Poll => Observed::default(),
            Transport::Exchange(_) => {
                self.shared.wait(Duration::from_secs(20), |received| received.headed);
                let refused = self.shared.lock().status != Some(200);
                if refused {
                    self.shared.wait(Duration::from_secs(2), |received| received.ended.is_some());
                }
                observed(&self.shared, self.began, refused)
            }
            Transport::WebSocket(socket) => {
                self.shared.wait(Duration::from_secs(20), |received| received.headed);
                let refused = self.shared.lock().status != Some(101);
                if refused {
                    self.shared.wait(Duration::from_secs(2), |received| received.ended.is_some());
                }
                let is_accepted = Some(socket.is_accepted());
                Observed { is_accepted, ..observed(&self.shared, self.began, refused) }
            }
        }
    }

    fn close(&mut self) {
        match &mut self.transport {
            Transport::Exchange(exchange) => exchange.close(),
            Transport::WebSocket(socket) => socket.exchange.close(),
            Transport::PollLoop(stop) => {
                stop.store(true, Ordering::Relaxed);
                self.shared.update(|received| received.closed = true);
                self.shared.wait(Duration::from_secs(1), |received| received.ended.is_some());
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}

/// A client that polls for ever, in a thread of its own. Chunks are the answers.
fn poll_for_ever(server: SocketAddr, request: Request, stop: Arc<AtomicBool>) -> Arc<Shared> {
    let shared = Arc::<Shared>::default();
    let told = shared.clone();
    std::thread::spawn(move || {
        let end = loop {
            let Ok(exchange) = Exchange::start(server, &request) else { break "eof".to_owned() };
            while !stop.load(Ordering::Relaxed) && exchange.shared.lock().ended.is_none() {
                let ended = |received: &super::http::Received| received.ended.is_some();
                exchange.shared.wait(Duration::from_millis(20), ended);
            }
            if stop.load(Ordering::Relaxed) {
                break "closed by client".to_owned();
            }
            let answer = observed(&exchange.shared, exchange.began, true);
            let is_clean = exchange.shared.lock().ended.as_deref() == Some("clean");
            if answer.status != Some(200) || !is_clean {
                let status = answer.status.map_or("None".to_owned(), |status| status.to_string());
                break format!("status {status}");
            }
            let data = answer.content.unwrap_or_default();
            told.update(|received| {
                received.headed = true;
                received.chunks.push(Chunk { opcode: "lp".to_owned(), data });
            });
        };
        told.end(&end);
    });
    shared
}

fn observed(shared: &Shared, began: Instant, with_content: bool) -> Observed {
    let received = shared.lock();
    let body = || received.chunks.iter().flat_map(|chunk| chunk.data.iter().copied()).collect();
    Observed {
        status: received.status,
        reason: received.reason.clone(),
        headers: received.headers.clone(),
        content: with_content.then(body),
        took: began.elapsed(),
        ..Observed::default()
    }
}

fn unreachable(error: &io::Error) -> Stuck {
    format!("the server cannot be reached: {error}")
}

pub(crate) fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

pub(crate) fn millis(of: &Value, name: &str, otherwise: u64) -> Duration {
    Duration::from_millis(of[name].as_u64().unwrap_or(otherwise))
}
