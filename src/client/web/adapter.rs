//! What puts a [`Client`](crate::client::Client), which speaks WebSocket, behind a [`Carrier`].

use super::{Carrier, End, Lane, Way};
use crate::protocol::http::Headers;
use crate::protocol::websocket::{
    Decoder, Event, Limits, OpCode, Role, write_frame, write_response,
};

/// Stands between a client and the sockets of its owner where there is no WebSocket.
///
/// Negotiation passes on the first socket as it is. The client's wish for a WebSocket is granted
/// here; from then on the frames of the client become POSTs, and what events or polls bring becomes
/// frames. The first socket goes on as [`Lane::Send`].
#[derive(Debug)]
pub struct Adapter {
    way: Way,
    /// The request that asks for a WebSocket, until it is whole.
    head: Vec<u8>,
    carrier: Option<Carrier>,
    decoder: Decoder,
    /// What the client is to read.
    incoming: Vec<u8>,
    received: Vec<u8>,
    is_closed: bool,
}

impl Adapter {
    /// Nothing has been sent yet.
    pub fn new(way: Way) -> Self {
        Self {
            way,
            head: Vec::new(),
            carrier: None,
            decoder: Decoder::new(Role::Server),
            incoming: Vec::new(),
            received: Vec::new(),
            is_closed: false,
        }
    }

    /// Takes what the client sends. False: it is for the first socket, as it is.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        if self.carrier.is_some() {
            self.on_frames(bytes);
            return true;
        }
        // A POST comes first. What begins the GET may be a part of its first word.
        let begins = !bytes.is_empty() && bytes.iter().zip(b"GET ").all(|(a, b)| a == b);
        if self.head.is_empty() && !begins {
            return false;
        }
        self.head.extend_from_slice(bytes);
        if self.head.ends_with(b"\r\n\r\n") {
            self.upgrade();
        }
        true
    }

    /// What the sockets are for, once the negotiation is over.
    pub fn carrier(&self) -> Option<&Carrier> {
        self.carrier.as_ref()
    }

    /// The same, to tell it what happened to its sockets.
    pub fn carrier_mut(&mut self) -> Option<&mut Carrier> {
        self.carrier.as_mut()
    }

    /// Moves what the client is to read to the end of `out`. After that the client has lost its
    /// socket if there is an [`Adapter::end`].
    pub fn read(&mut self, out: &mut Vec<u8>) {
        if let Some(carrier) = &mut self.carrier {
            carrier.take_received(&mut self.received);
            if !self.received.is_empty() {
                write_frame(&mut self.incoming, OpCode::Binary, &self.received);
                self.received.clear();
            }
            if carrier.end() == Some(&End::Orderly) && !std::mem::replace(&mut self.is_closed, true)
            {
                write_frame(&mut self.incoming, OpCode::Close, &1000_u16.to_be_bytes());
            }
        }
        out.append(&mut self.incoming);
    }

    /// How it ended, if it has.
    pub fn end(&self) -> Option<&End> {
        self.carrier.as_ref().and_then(Carrier::end)
    }

    /// The client asks for its WebSocket: it is told that it has one.
    fn upgrade(&mut self) {
        let head = String::from_utf8_lossy(&self.head);
        let target = head.split(' ').nth(1).unwrap_or_default();
        let header = |name| head.lines().find_map(|line| line.strip_prefix(name));
        let key = header("Sec-WebSocket-Key: ").unwrap_or_default();
        write_response(&mut self.incoming, key, None, None, &Headers::default());
        let host = header("Host: ").unwrap_or_default();
        let carrier = self.carrier.insert(Carrier::new(self.way, host, target));
        // The socket of the negotiation is as good as any other for the first POST.
        carrier.on_connected(Lane::Send);
    }

    fn on_frames(&mut self, bytes: &[u8]) {
        let Some(carrier) = &mut self.carrier else { return };
        let mut bytes = bytes.to_vec();
        let mut input = bytes.as_mut_slice();
        let limits = Limits { message_bytes_max: None, fragments_max: u32::MAX };
        while let Some(event) = self.decoder.next(&mut input, &limits).expect("our own client") {
            match event {
                Event::Data { bytes, .. } => carrier.send(bytes),
                Event::Close { .. } => carrier.close(),
                Event::Ping(_) | Event::Pong(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Moment, Rng};
    use crate::client::{Client, Event, Options};

    const NOW: Moment = Moment::START;

    /// Found by seed 768: a request that was written in parts became a WebSocket after all.
    #[test]
    fn regression_an_upgrade_in_parts_is_an_upgrade() {
        let mut adapter = Adapter::new(Way::LongPolling);
        assert!(!adapter.write(b"P") && !adapter.write(b"OST /hub/negotiate HTTP/1.1\r\n\r\n"));
        for part in [&b"G"[..], b"ET", b" /hub?id=a HTTP/1.1\r\nHost: sim\r\n", b"\r\n"] {
            assert!(adapter.write(part), "no part of it is for the socket");
        }
        assert!(adapter.carrier().is_some());
    }

    #[test]
    fn a_client_is_carried_from_the_upgrade_to_the_end() {
        let mut client = Client::new(Options::new("sim", "/hub"), Rng::from_seed(1));
        let mut adapter = Adapter::new(Way::ServerSentEvents);
        client.start(NOW);
        client.on_connected(NOW);
        let mut sent = Vec::new();
        client.fill(&mut sent);
        assert!(!adapter.write(&sent), "negotiation is for the socket");
        let body = br#"{"negotiateVersion":1,"connectionId":"a","connectionToken":"b",
            "availableTransports":[{"transport":"WebSockets","transferFormats":["Text"]}]}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        client.on_bytes(NOW, &mut [head.as_bytes(), body].concat());
        exchange(&mut client, &mut adapter);

        let carrier = adapter.carrier_mut().expect("it is upgraded");
        assert!(carrier.wants_socket(Lane::Receive));
        carrier.on_connected(Lane::Receive);
        assert!(
            asked(carrier, Lane::Receive).starts_with("GET /hub?id=b HTTP/1.1\r\nHost: sim\r\n")
        );
        let mut head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec();
        carrier.on_bytes(Lane::Receive, &mut head);
        assert!(
            asked(carrier, Lane::Send).ends_with("{\"protocol\":\"json\",\"version\":1}\u{1e}")
        );
        carrier.on_bytes(Lane::Receive, &mut b"data: {}\x1e\r\n\r\n".to_vec());
        exchange(&mut client, &mut adapter);
        let connected = Event::Connected { connection_id: Some("a".into()) };
        assert_eq!(client.poll_event(), Some(connected));

        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        client.stop(NOW);
        exchange(&mut client, &mut adapter);
        let carrier = adapter.carrier_mut().expect("it is upgraded");
        carrier.on_bytes(Lane::Send, &mut answer.to_vec());
        assert!(asked(carrier, Lane::Send).ends_with("{\"type\":6}\u{1e}{\"type\":7}\u{1e}"));
        carrier.on_bytes(Lane::Send, &mut answer.to_vec());
        assert_eq!(adapter.end(), Some(&End::Orderly));
        exchange(&mut client, &mut adapter);
        client.on_lost(NOW);
        assert_eq!(client.poll_event(), Some(Event::Closed { error: None }));
        assert_eq!(client.violations(), 0);
    }

    /// Both have heard everything of each other.
    fn exchange(client: &mut Client, adapter: &mut Adapter) {
        for _ in 0..2 {
            let (mut sent, mut heard) = (Vec::new(), Vec::new());
            client.fill(&mut sent);
            assert!(adapter.write(&sent) || sent.is_empty());
            adapter.read(&mut heard);
            client.on_bytes(NOW, &mut heard);
        }
        let mut sent = Vec::new();
        client.fill(&mut sent);
        adapter.write(&sent);
    }

    fn asked(carrier: &mut Carrier, lane: Lane) -> String {
        let mut out = Vec::new();
        carrier.fill(NOW, lane, &mut out);
        String::from_utf8(out).expect("a request")
    }
}
