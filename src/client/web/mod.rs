//! What carries a connection where there is no WebSocket: an event stream or polls towards the
//! client, POSTs towards the server (§2.3, §2.4).
//!
//! It does what the clients in the field do: one POST at a time, which takes everything that has
//! gathered; the next poll when the last one was answered; the first word after the stream is open
//! or the first poll was answered. It knows no messages, only bytes.

mod adapter;
mod events;

use std::time::Duration;

pub use adapter::Adapter;

use self::events::Events;
use crate::base::Moment;
use crate::protocol::http::{Incoming, Limits, ResponseHead, ResponseReader, write_request};

/// How the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One response that never ends.
    ServerSentEvents,
    /// One response for each poll.
    LongPolling,
}

/// One of the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// For the stream, or polls.
    Receive,
    /// For POSTs and DELETE.
    Send,
}

impl Lane {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Receive, Self::Send];
}

/// How a carrier ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// One of the two sides said so.
    Orderly,
    /// A socket was lost, or the server did not know the connection any more.
    Lost,
    /// The server did what it must not: a bug of the server.
    Violation(String),
}

/// Carries one connection that was negotiated. Its owner has two sockets: see
/// [`Carrier::wants_socket`].
#[derive(Debug)]
pub struct Carrier {
    way: Way,
    host: String,
    target: String,
    receive: Socket,
    send: Socket,
    events: Events,
    /// What is to be posted.
    waiting: Vec<u8>,
    received: Vec<u8>,
    is_open: bool,
    is_closing: bool,
    end: Option<End>,
}

#[derive(Debug, Default)]
struct Socket {
    is_there: bool,
    output: Vec<u8>,
    reader: ResponseReader,
    asked: Option<Asked>,
    head: Option<ResponseHead>,
    gives_up_at: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Stream,
    Poll,
    Post,
    Delete,
}

impl Carrier {
    /// Carries the connection that `target` (path and token) names.
    pub fn new(way: Way, host: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            way,
            host: host.into(),
            target: target.into(),
            receive: Socket::default(),
            send: Socket::default(),
            events: Events::default(),
            waiting: Vec::new(),
            received: Vec::new(),
            is_open: false,
            is_closing: false,
            end: None,
        }
    }

    /// Sends bytes, as soon as it can be.
    pub fn send(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// Ends the connection in order, when everything was sent.
    pub fn close(&mut self) {
        self.is_closing = true;
        self.settle();
    }

    /// How it ended, if it has. Then its sockets are to be closed.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Moves everything that came to the end of `out`.
    pub fn take_received(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.received);
    }

    /// Whether there is something to ask on a lane and no socket for it: connect one and call
    /// [`Carrier::on_connected`], or [`Carrier::on_lost`].
    pub fn wants_socket(&self, lane: Lane) -> bool {
        self.end.is_none() && !self.socket(lane).is_there && self.next_request(lane).is_some()
    }

    /// Whether everything was sent and answered.
    pub fn is_flushed(&self) -> bool {
        self.waiting.is_empty() && self.send.asked.is_none()
    }

    /// Whether nothing is expected on a lane, so that its socket may be given up.
    pub fn is_idle(&self, lane: Lane) -> bool {
        self.socket(lane).asked.is_none()
    }

    /// Whether the server has asked for the end of the socket.
    pub fn wants_hangup(&self, lane: Lane) -> bool {
        !self.socket(lane).is_there
    }

    /// A socket is there.
    pub fn on_connected(&mut self, lane: Lane) {
        *self.socket_mut(lane) = Socket { is_there: true, ..Socket::default() };
    }

    /// Asks what there is to ask, and moves what is to be sent to the end of `out`.
    pub fn fill(&mut self, now: Moment, lane: Lane, out: &mut Vec<u8>) {
        if let Some(asked) = self.next_request(lane)
            && self.socket(lane).is_there
        {
            self.ask(now, lane, asked);
        }
        out.append(&mut self.socket_mut(lane).output);
    }

    /// Bytes came in.
    pub fn on_bytes(&mut self, lane: Lane, bytes: &mut [u8]) {
        let mut input = bytes;
        while self.end.is_none() {
            let socket = self.socket_mut(lane);
            if socket.asked.is_none() && !input.is_empty() {
                self.end = Some(End::Violation("an answer that nobody asked for".into()));
                return;
            }
            // Taken out while what it found, which borrows the input, is looked at.
            let mut reader = std::mem::take(&mut socket.reader);
            let found = reader.next(&mut input, &LIMITS);
            self.socket_mut(lane).reader = reader;
            match found {
                Ok(None) => return,
                Ok(Some(Incoming::Head(head))) => self.on_head(lane, head),
                Ok(Some(Incoming::Body(piece))) => self.on_body(lane, piece),
                Ok(Some(Incoming::End)) => self.on_answered(lane),
                Err(error) => self.end = Some(End::Violation(error.to_string())),
            }
        }
    }

    /// There is no socket any more.
    pub fn on_lost(&mut self, lane: Lane) {
        let socket = self.socket_mut(lane);
        let was_asked = socket.asked.is_some();
        let never_came = !socket.is_there;
        *socket = Socket::default();
        // An idle socket may go; whoever waits for an answer does not know what became of it.
        if was_asked || never_came {
            self.end.get_or_insert(End::Lost);
        }
    }

    /// When [`Carrier::on_time`] has to be called at the latest.
    pub fn deadline(&self) -> Option<Moment> {
        Lane::ALL.iter().filter_map(|lane| self.socket(*lane).gives_up_at).min()
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: Moment) {
        if self.deadline().is_some_and(|at| at <= now) {
            self.end.get_or_insert(End::Lost);
        }
    }

    fn next_request(&self, lane: Lane) -> Option<Asked> {
        if self.end.is_some() || self.socket(lane).asked.is_some() {
            return None;
        }
        match (lane, self.way) {
            (Lane::Receive, Way::ServerSentEvents) => Some(Asked::Stream),
            (Lane::Receive, Way::LongPolling) => Some(Asked::Poll),
            (Lane::Send, _) if !self.is_open => None,
            (Lane::Send, _) if !self.waiting.is_empty() => Some(Asked::Post),
            (Lane::Send, Way::LongPolling) if self.is_closing => Some(Asked::Delete),
            (Lane::Send, _) => None,
        }
    }

    fn ask(&mut self, now: Moment, lane: Lane, asked: Asked) {
        let body = match asked {
            Asked::Post => std::mem::take(&mut self.waiting),
            _ => Vec::new(),
        };
        let (method, headers): (_, &[(&str, &str)]) = match asked {
            Asked::Stream => ("GET", &[("Accept", "text/event-stream")]),
            Asked::Poll => ("GET", &[]),
            Asked::Post => ("POST", &[("Content-Type", "application/octet-stream")]),
            Asked::Delete => ("DELETE", &[]),
        };
        let mut output = Vec::new();
        write_request(&mut output, method, &self.target, &self.host, headers, &body);
        let socket = self.socket_mut(lane);
        socket.output.append(&mut output);
        socket.asked = Some(asked);
        // The hub protocol watches a stream once it is open.
        socket.gives_up_at = Some(now + REQUEST_TIMEOUT);
    }

    fn on_head(&mut self, lane: Lane, head: ResponseHead) {
        let asked = self.socket(lane).asked;
        self.end = match (asked, head.status()) {
            (Some(Asked::Stream), 200) => {
                self.is_open = true;
                self.socket_mut(lane).gives_up_at = None;
                (head.header("content-type") != Some("text/event-stream"))
                    .then(|| End::Violation("an event stream is something else".into()))
            }
            (Some(Asked::Poll | Asked::Post), 200)
            | (Some(Asked::Poll), 204)
            | (Some(Asked::Delete), 202) => None,
            // The connection has ended, or nobody is let in any more.
            (Some(_), 404 | 503) => Some(End::Lost),
            (_, status) => Some(End::Violation(format!("{asked:?} is answered with {status}"))),
        };
        self.socket_mut(lane).head = Some(head);
    }

    fn on_body(&mut self, lane: Lane, piece: &mut [u8]) {
        match self.socket(lane).asked {
            Some(Asked::Stream) => self.events.read(piece, &mut self.received),
            Some(Asked::Poll) => self.received.extend_from_slice(piece),
            asked => self.end = Some(End::Violation(format!("{asked:?} is answered with a body"))),
        }
    }

    fn on_answered(&mut self, lane: Lane) {
        let socket = self.socket_mut(lane);
        let head = socket.head.take().expect("a head comes before the end");
        socket.gives_up_at = None;
        socket.is_there = !head.header_has_token("connection", "close");
        match (socket.asked.take(), head.status()) {
            // After a DELETE the poll that waits is answered too, but nobody has to hear it.
            (Some(Asked::Stream | Asked::Delete), _) | (Some(Asked::Poll), 204) => {
                self.end = Some(End::Orderly);
            }
            (Some(Asked::Poll), _) => self.is_open = true,
            (Some(Asked::Post) | None, _) => {}
        }
        self.settle();
    }

    /// A stream ends by being given up, when everything was sent.
    fn settle(&mut self) {
        if self.is_closing && self.way == Way::ServerSentEvents && self.is_flushed() {
            self.end.get_or_insert(End::Orderly);
        }
    }

    fn socket(&self, lane: Lane) -> &Socket {
        match lane {
            Lane::Receive => &self.receive,
            Lane::Send => &self.send,
        }
    }

    fn socket_mut(&mut self, lane: Lane) -> &mut Socket {
        match lane {
            Lane::Receive => &mut self.receive,
            Lane::Send => &mut self.send,
        }
    }
}

/// As the JavaScript client: longer than a poll may wait.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(100);

const LIMITS: Limits = Limits {
    line_bytes_max: 8 * 1024,
    headers_bytes_max: 32 * 1024,
    headers_max: 100,
    body_bytes_max: u64::MAX,
    chunk_overhead_bytes_max: usize::MAX,
};

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::START;
    const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    fn carrier(way: Way) -> Carrier {
        let mut carrier = Carrier::new(way, "sim", "/hub?id=x");
        assert!(carrier.wants_socket(Lane::Receive) && !carrier.wants_socket(Lane::Send));
        carrier.on_connected(Lane::Receive);
        carrier
    }

    fn asked(carrier: &mut Carrier, lane: Lane) -> String {
        let mut out = Vec::new();
        carrier.fill(NOW, lane, &mut out);
        String::from_utf8(out).expect("a request")
    }

    fn answer(carrier: &mut Carrier, lane: Lane, bytes: &[u8]) {
        carrier.on_bytes(lane, &mut bytes.to_vec());
    }

    fn received(carrier: &mut Carrier) -> String {
        let mut out = Vec::new();
        carrier.take_received(&mut out);
        String::from_utf8(out).expect("a text")
    }

    #[test]
    fn posts_wait_for_the_first_poll_and_for_each_other() {
        let mut carrier = carrier(Way::LongPolling);
        carrier.send(b"a");
        assert!(!carrier.wants_socket(Lane::Send));
        assert!(asked(&mut carrier, Lane::Receive).starts_with("GET /hub?id=x HTTP/1.1\r\n"));
        assert_eq!(asked(&mut carrier, Lane::Receive), "", "one poll at a time");
        answer(&mut carrier, Lane::Receive, EMPTY);
        assert!(carrier.wants_socket(Lane::Send));
        carrier.on_connected(Lane::Send);
        carrier.send(b"b");
        assert!(asked(&mut carrier, Lane::Send).ends_with("\r\n\r\nab"));
        carrier.send(b"c");
        assert_eq!(asked(&mut carrier, Lane::Send), "");
        answer(&mut carrier, Lane::Send, EMPTY);
        assert!(asked(&mut carrier, Lane::Send).ends_with("\r\n\r\nc"));
        assert!(asked(&mut carrier, Lane::Receive).starts_with("GET "));
        let body = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxyz";
        answer(&mut carrier, Lane::Receive, &body[..40]);
        answer(&mut carrier, Lane::Receive, &body[40..]);
        assert_eq!(received(&mut carrier), "xyz");
        answer(&mut carrier, Lane::Send, EMPTY);
        carrier.close();
        assert!(asked(&mut carrier, Lane::Send).starts_with("DELETE "));
        answer(&mut carrier, Lane::Send, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(carrier.end(), Some(&End::Orderly));
    }

    #[test]
    fn an_event_stream_is_put_together() {
        let mut carrier = carrier(Way::ServerSentEvents);
        assert!(asked(&mut carrier, Lane::Receive).contains("Accept: text/event-stream\r\n"));
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
            Transfer-Encoding: chunked\r\n\r\n";
        let chunks = [":\r\n", "data: ab\r\n\r\n", "data: c\r\nda", "ta: \u{e9}\r\n\r\ndata: x"];
        let chunks = chunks.map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()));
        for byte in format!("{head}{}", chunks.concat()).bytes() {
            answer(&mut carrier, Lane::Receive, &[byte]);
        }
        assert_eq!(carrier.end(), None);
        assert_eq!(received(&mut carrier), "abc\n\u{e9}", "what has not ended has not come");
        answer(&mut carrier, Lane::Receive, b"0\r\n\r\n");
        assert_eq!(carrier.end(), Some(&End::Orderly));
    }

    #[test]
    fn what_must_not_be_is_noticed() {
        for (answers, ends) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n"[..], true),
            (b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", true),
            (b"nonsense\r\n\r\n", true),
            (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false),
        ] {
            let mut carrier = carrier(Way::LongPolling);
            asked(&mut carrier, Lane::Receive);
            answer(&mut carrier, Lane::Receive, answers);
            assert_eq!(matches!(carrier.end(), Some(End::Violation(_))), ends);
            assert!(carrier.end().is_some());
        }
    }

    #[test]
    fn an_idle_socket_may_go_and_a_busy_one_may_not() {
        let mut carrier = carrier(Way::LongPolling);
        carrier.on_lost(Lane::Receive);
        assert_eq!(carrier.end(), None);
        assert!(carrier.wants_socket(Lane::Receive));
        carrier.on_connected(Lane::Receive);
        asked(&mut carrier, Lane::Receive);
        assert_eq!(carrier.deadline(), Some(NOW + REQUEST_TIMEOUT));
        carrier.on_time(NOW + REQUEST_TIMEOUT);
        assert_eq!(carrier.end(), Some(&End::Lost));
    }
}
