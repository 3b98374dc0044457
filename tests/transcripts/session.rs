//! Plays the steps of one scenario.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::{Chunk, Exchange, Request, Shared};
use super::msgpack::pack_text;
use super::polls::{Loop, Polls};
use super::program::Program;
use super::steps::{millis, text};
use super::text::{Values, fill, hex, to_bytes, unhex};
use super::websocket::{Frame, OPCODES, WebSocket};

/// What the recordings of one of the two protocols are about.
pub(crate) trait Protocol: Sized {
    /// The host of the conformance program, and the folder of the recordings.
    const HOST: &'static str;
    /// Whether bodies of requests are forms, where values are percent-encoded.
    const SENDS_FORMS: bool;
    /// Whether scenarios may run beside each other against one server.
    const SHARES_SERVER: bool;

    /// Something that came.
    type Event;

    /// What reads the stream that a step opens.
    fn open(step: &Value) -> Result<Self, Stuck>;

    /// The events in what came, each once.
    fn feed(&mut self, fresh: &[Chunk]) -> Vec<Self::Event>;

    /// Plays one step: its differences.
    fn replay(session: &mut Session<Self>, step: &Value) -> Result<Vec<String>, Stuck>;
}

/// A scenario being played.
pub(crate) struct Session<P> {
    pub(crate) driver: &'static str,
    server: SocketAddr,
    /// The server that the scenario has started itself.
    program: Option<Program>,
    pub(crate) values: Values,
    pub(crate) streams: HashMap<String, Stream<P>>,
}

/// Something that stays open over several steps.
pub(crate) struct Stream<P> {
    pub(crate) reader: P,
    /// Chunks that were read.
    seen: usize,
    pub(crate) began: Instant,
    pub(crate) shared: Arc<Shared>,
    transport: Transport,
}

enum Transport {
    Exchange(Exchange),
    WebSocket(WebSocket),
    PollLoop(Loop),
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

impl<P: Protocol> Session<P> {
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
                let program = Program::start(P::HOST, self.driver)?;
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

    pub(crate) fn stream(&mut self, step: &Value) -> Result<&mut Stream<P>, Stuck> {
        let name = text(step, "stream");
        self.streams.get_mut(name).ok_or_else(|| format!("no stream {name:?} is open"))
    }

    pub(crate) fn http(&mut self, step: &Value) -> Result<Observed, Stuck> {
        let request = self.request(&step["request"])?;
        let exchange =
            Exchange::start(self.server, &request).map_err(|error| unreachable(&error))?;
        exchange.shared.wait(Duration::from_mins(1), |received| received.ended.is_some());
        Ok(observed(&exchange.shared, exchange.began, true))
    }

    fn open(&mut self, step: &Value) -> Result<Observed, Stuck> {
        let request = self.request(&step["request"])?;
        let exchange = |request: &Request| {
            let exchange = Exchange::start(self.server, request);
            exchange.map(Transport::Exchange).map_err(|error| unreachable(&error))
        };
        let transport = match text(step, "kind") {
            "ws" => {
                let mute = step["mute"] == true;
                let socket = WebSocket::open(self.server, request, mute);
                Transport::WebSocket(socket.map_err(|error| unreachable(&error))?)
            }
            "sse" | "ff" | "lp" | "poll" => exchange(&request)?,
            "lp-loop" => {
                let then = Some(&step["then"]).filter(|then| !then.is_null());
                let then = then.map(|then| self.request(then)).transpose()?;
                let headers = request.headers.clone();
                let then = then.map(|then| Request { headers, ..then });
                Transport::PollLoop(Loop::start(self.server, Polls { first: request, then }))
            }
            other => return Err(format!("an unknown kind of stream {other:?}")),
        };
        let (shared, began) = match &transport {
            Transport::Exchange(exchange) => (exchange.shared.clone(), exchange.began),
            Transport::WebSocket(socket) => (socket.exchange.shared.clone(), socket.exchange.began),
            Transport::PollLoop(polls) => (polls.shared.clone(), Instant::now()),
        };
        let stream = Stream { reader: P::open(step)?, seen: 0, began, shared, transport };
        // Where no answer was recorded, nobody waits for one.
        let is_awaited = !step["response"].is_null();
        let observed = if is_awaited { stream.opened() } else { Observed::default() };
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
                        data: self.piece(piece)?,
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

    /// What one frame of a message carries.
    fn piece(&self, piece: &Value) -> Result<Vec<u8>, Stuck> {
        match piece.as_str() {
            Some(text) => self.fill(text, str::to_owned).map(|text| to_bytes(&text)),
            None => Ok(self.content(piece, "data")?.unwrap_or_default()),
        }
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
        let body = match request["body"].as_str().filter(|_| P::SENDS_FORMS) {
            Some(form) => Some(self.fill(form, encode)?.into_bytes()),
            None => self.content(request, "body")?,
        };
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
}

impl<P: Protocol> Stream<P> {
    /// What came until it `is_enough`, and a while longer so that what is too much is seen; and how
    /// it ended, if it did.
    pub(crate) fn collect(
        &mut self,
        grace: Duration,
        limit: Duration,
        is_enough: impl Fn(&[P::Event], Option<&str>, Duration) -> bool,
    ) -> (Vec<P::Event>, Option<String>) {
        let (began, mut enough_since, mut events) = (Instant::now(), None, Vec::new());
        loop {
            // What came before the end is in the chunks then.
            let ended = {
                let received = self.shared.lock();
                let fresh = received.chunks.get(self.seen..).unwrap_or_default();
                self.seen += fresh.len();
                events.extend(self.reader.feed(fresh));
                received.ended.clone()
            };
            let passed = began.elapsed();
            if is_enough(&events, ended.as_deref(), passed) {
                let since = *enough_since.get_or_insert(passed);
                if ended.is_some() || passed >= since + grace {
                    return (events, ended);
                }
            } else {
                enough_since = None;
            }
            if passed > limit {
                return (events, ended);
            }
            self.shared.wait(Duration::from_millis(25), |received| {
                received.chunks.len() > self.seen || received.ended != ended
            });
        }
    }
}

impl<P> Stream<P> {
    /// What the answer to its request was.
    fn opened(&self) -> Observed {
        let usual = if matches!(self.transport, Transport::WebSocket(_)) { 101 } else { 200 };
        self.shared.wait(Duration::from_secs(20), |received| received.headed);
        let refused = self.shared.lock().status != Some(usual);
        if refused {
            self.shared.wait(Duration::from_secs(2), |received| received.ended.is_some());
        }
        let is_accepted = match &self.transport {
            Transport::WebSocket(socket) => Some(socket.is_accepted()),
            Transport::Exchange(_) | Transport::PollLoop(_) => None,
        };
        Observed { is_accepted, ..observed(&self.shared, self.began, refused) }
    }

    fn close(&mut self) {
        match &mut self.transport {
            Transport::Exchange(exchange) => exchange.close(),
            Transport::WebSocket(socket) => socket.exchange.close(),
            Transport::PollLoop(polls) => polls.stop(),
        }
    }
}

impl<P> Drop for Stream<P> {
    fn drop(&mut self) {
        self.close();
    }
}

/// No scenario takes longer.
const SCENARIO_MAX: Duration = Duration::from_mins(2);

/// A scenario that has failed so often is not worth more.
const FAILURES_MAX: usize = 30;

/// Plays a scenario: its differences, each with its step.
pub(crate) fn play<P: Protocol>(scenario: &Value, mut session: Session<P>) -> Vec<String> {
    let began = Instant::now();
    let mut failures = Vec::new();
    for (place, step) in scenario["steps"].as_array().into_iter().flatten().enumerate() {
        let caption = step["what"].as_str().unwrap_or_else(|| text(step, "do"));
        let at = format!("step {} ({caption})", place + 1);
        match P::replay(&mut session, step) {
            Ok(found) => failures.extend(found.iter().map(|found| format!("{at}: {found}"))),
            Err(stuck) => {
                failures.push(format!("{at}: cannot go on: {stuck}"));
                break;
            }
        }
        if began.elapsed() > SCENARIO_MAX || failures.len() > FAILURES_MAX {
            break;
        }
    }
    failures
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
