//! A classic client in the hands of a test.

use serde_json::{Value, json};
use tickhub::Identity;
use tickhub::http::Request;
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Answer, Frame, Wire, World};

use crate::web::Stream;

/// One that has negotiated.
pub(super) struct Guest {
    pub(super) mount: String,
    pub(super) token: String,
    pub(super) id: String,
    /// What it sends as `connectionData`.
    pub(super) hubs: Vec<&'static str>,
    /// What it adds to every query.
    more: String,
    next: u32,
}

impl Guest {
    /// A client of one hub.
    pub(super) fn new(world: &mut World) -> Self {
        Self::of(world, "/signalr", &["roomhub"])
    }

    pub(super) fn of(world: &mut World, mount: &str, hubs: &[&'static str]) -> Self {
        Self::with(world, mount, hubs, "")
    }

    /// A client of one hub that says who it is, to servers that believe what is said.
    pub(super) fn named(world: &mut World, name: &str) -> Self {
        Self::with(world, "/signalr", &["roomhub"], &format!("&user={}", percent(name)))
    }

    fn with(world: &mut World, mount: &str, hubs: &[&'static str], more: &str) -> Self {
        let target = format!("{mount}/negotiate?clientProtocol=2.1&{}{more}", data_of(hubs));
        let answer = Wire::tcp(world).request(world, "GET", &target);
        assert_eq!(answer.head.status(), 200, "{}", answer.body);
        let document: Value = serde_json::from_str(&answer.body).expect("a document");
        let text = |key: &str| document[key].as_str().expect("a text").to_owned();
        Self {
            mount: mount.to_owned(),
            token: text("ConnectionToken"),
            id: text("ConnectionId"),
            hubs: hubs.to_vec(),
            more: more.to_owned(),
            next: 0,
        }
    }

    /// The target of a request.
    pub(super) fn target(&self, word: &str, transport: &str, more: &str) -> String {
        let token = percent(&self.token);
        let data = data_of(&self.hubs);
        format!(
            "{}/{word}?transport={transport}&clientProtocol=2.1&connectionToken={token}&{data}{more}{}",
            self.mount, self.more
        )
    }

    pub(super) fn start(&self, world: &mut World) {
        let target = self.target("start", "serverSentEvents", "");
        let answer = Wire::tcp(world).request(world, "GET", &target);
        assert_eq!((answer.head.status(), &*answer.body), (200, r#"{ "Response": "started" }"#));
    }

    pub(super) fn abort(&self, world: &mut World) {
        let answer = self.ask(world, "POST", "abort", "serverSentEvents", "", "");
        assert_eq!((answer.head.status(), &*answer.body), (200, ""));
    }

    /// A request on a socket of its own.
    pub(super) fn ask(
        &self,
        world: &mut World,
        method: &str,
        word: &str,
        transport: &str,
        more: &str,
        body: &str,
    ) -> Answer {
        let mut wire = Wire::tcp(world);
        let target = self.target(word, transport, more);
        wire.ask(world, method, &target, &[], body.as_bytes());
        let answer = wire.answer(world);
        wire.close(world);
        answer
    }

    /// Calls a method by a request, and returns what it was answered.
    pub(super) fn call(&mut self, world: &mut World, method: &str, arguments: &Value) -> String {
        let body = self.invocation(method, arguments);
        let answer = self.ask(
            world,
            "POST",
            "send",
            "serverSentEvents",
            "",
            &format!("data={}", percent(&body)),
        );
        assert_eq!(answer.head.status(), 200, "{}", answer.body);
        answer.body
    }

    /// The text of a call.
    pub(super) fn invocation(&mut self, method: &str, arguments: &Value) -> String {
        let id = self.next;
        self.next += 1;
        json!({"H": self.hubs[0], "M": method, "A": arguments, "I": id}).to_string()
    }

    /// Connected over a WebSocket, and started.
    pub(super) fn websocket(&self, world: &mut World) -> Wire {
        let target = self.target("connect", "webSockets", "");
        let mut wire = Wire::websocket(world, &target);
        let first = heard(&mut wire, world);
        assert_eq!(first.len(), 1, "{first:?}");
        assert_eq!(first[0]["S"], json!(1));
        self.start(world);
        wire
    }

    /// Connected over an event stream, and started.
    pub(super) fn events(&self, world: &mut World) -> Stream {
        let target = self.target("connect", "serverSentEvents", "");
        let mut stream = Stream::open(world, &target);
        assert_eq!(stream.head.lines().next(), Some("HTTP/1.1 200 OK"));
        let opening = stream.chunks(world);
        assert_eq!(opening[0], "data: initialized\r\n\r\n");
        assert_eq!(envelopes(&opening[1..])[0]["S"], json!(1));
        self.start(world);
        stream
    }

    /// Polls once, and waits for the answer.
    pub(super) fn poll(&self, world: &mut World, word: &str, cursor: &str) -> Value {
        let body = format!("messageId={}", percent(cursor));
        let answer = self.ask(world, "POST", word, "longPolling", "", &body);
        assert_eq!(answer.head.status(), 200, "{}", answer.body);
        serde_json::from_str(&answer.body).expect("an envelope")
    }
}

/// The WebSocket messages that came since the last look.
pub(super) fn heard(wire: &mut Wire, world: &mut World) -> Vec<Value> {
    let texts = texts(wire, world);
    texts.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect()
}

/// The same as they came.
pub(super) fn texts(wire: &mut Wire, world: &mut World) -> Vec<String> {
    let frames = wire.frames(world).into_iter();
    frames
        .map(|frame| match frame {
            Frame::Text(text) => text,
            other => panic!("a text is expected: {other:?}"),
        })
        .collect()
}

/// Sends a text over a WebSocket.
pub(super) fn say(wire: &mut Wire, world: &mut World, text: &str) {
    wire.frame(world, OpCode::Text, true, text.as_bytes());
}

/// The envelopes in events; signs of life are none.
pub(super) fn envelopes(events: &[String]) -> Vec<Value> {
    let data = events.iter().map(|event| event.trim_end().strip_prefix("data: ").expect("data"));
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

/// The elements of `M` in envelopes, in order.
pub(super) fn messages(envelopes: &[Value]) -> Vec<Value> {
    let of = |envelope: &Value| envelope["M"].as_array().cloned().unwrap_or_default();
    envelopes.iter().flat_map(of).collect()
}

/// The cursor of the last envelope.
pub(super) fn cursor(envelopes: &[Value]) -> String {
    let mut cursors = envelopes.iter().filter_map(|envelope| envelope["C"].as_str());
    cursors.next_back().expect("a cursor").to_owned()
}

/// A call of a client's method.
pub(super) fn client_call(hub: &str, method: &str, arguments: &Value) -> Value {
    json!({"H": hub, "M": method, "A": arguments})
}

/// Whoever says a name in its query is signed in.
pub(super) fn by_name(request: &Request<'_>) -> Option<Identity> {
    request.query("user").map(|name| Identity::new(&*name))
}

pub(super) fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn data_of(hubs: &[&str]) -> String {
    let names: Vec<Value> = hubs.iter().map(|hub| json!({"name": hub})).collect();
    format!("connectionData={}", percent(&Value::from(names).to_string()))
}
