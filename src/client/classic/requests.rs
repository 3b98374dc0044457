//! What is asked on which socket, and when.

use super::machine::{Client, Stage};
use super::socket::{Asked, Lane};
use crate::base::Moment;
use crate::protocol::classic::TransportName;
use crate::protocol::http::write_request;
use crate::protocol::url::percent_encode;
use crate::protocol::websocket;

impl Client {
    /// Whether there is something to ask on a lane and no socket for it: connect one and call
    /// [`Client::on_connected`], or [`Client::on_lost`].
    pub fn wants_socket(&self, now: Moment, lane: Lane) -> bool {
        !self.socket(lane).is_there && self.has_request(now, lane)
    }

    /// Asks what there is to ask, and moves what is to be sent to the end of `out`.
    pub fn fill(&mut self, now: Moment, lane: Lane, out: &mut Vec<u8>) {
        if self.socket(lane).is_there && self.has_request(now, lane) {
            let timeout = match lane {
                Lane::Receive => self.silence_max(),
                Lane::Send => self.options.request_timeout,
            };
            let asked = match lane {
                Lane::Receive => Some(self.ask_to_receive()),
                Lane::Send => self.ask_to_send(),
            };
            let socket = self.socket_mut(lane);
            socket.asked = asked;
            socket.gives_up_at = Some(now + timeout);
        }
        out.append(&mut self.socket_mut(lane).output);
    }

    fn has_request(&self, now: Moment, lane: Lane) -> bool {
        if self.socket(lane).asked.is_some() {
            return false;
        }
        match (lane, self.stage) {
            (Lane::Receive, Stage::Away) => self.again_at <= now,
            (Lane::Receive, Stage::Starting | Stage::Open) => self.polls(),
            (Lane::Receive, Stage::Connecting)
            | (Lane::Send, Stage::Negotiating | Stage::Leaving) => true,
            (Lane::Send, Stage::Starting) => !self.start_asked,
            (Lane::Send, Stage::Open | Stage::Away) => !self.waiting.is_empty(),
            _ => false,
        }
    }

    pub(super) fn polls(&self) -> bool {
        self.options.transport == TransportName::LongPolling
    }

    fn ask_to_receive(&mut self) -> Asked {
        let word = match self.stage {
            Stage::Connecting => "connect",
            Stage::Away => "reconnect",
            _ => "poll",
        };
        let position = |name: &str, value: &Option<String>| {
            let value = value.as_deref().filter(|_| word != "connect");
            value.map(|value| format!("{name}={}", percent_encode(value)))
        };
        let cursor = position("messageId", &self.cursor);
        let groups = position("groupsToken", &self.groups);
        let position: Vec<String> = cursor.into_iter().chain(groups).collect();
        let mut target = self.target(word, self.options.transport);
        if self.polls() {
            let body = position.join("&");
            self.request(Lane::Receive, "POST", &target, body.as_bytes());
            return Asked::Poll;
        }
        for part in position {
            target.push('&');
            target.push_str(&part);
        }
        if self.options.transport == TransportName::WebSockets {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&self.rng.bits().to_le_bytes());
            let host = self.options.host.clone();
            let out = &mut self.socket_mut(Lane::Receive).output;
            let key = websocket::write_request(out, &target, &host, nonce, &[]);
            return Asked::Upgrade(key);
        }
        if self.options.transport == TransportName::ForeverFrame {
            target.push_str("&frameId=1");
        }
        self.request(Lane::Receive, "GET", &target, b"");
        Asked::Stream
    }

    fn ask_to_send(&mut self) -> Option<Asked> {
        match self.stage {
            Stage::Negotiating => {
                let (path, data) = (&self.options.path, self.connection_data());
                let target = format!("{path}/negotiate?clientProtocol=2.1&connectionData={data}");
                self.request(Lane::Send, "GET", &target, b"");
                Some(Asked::Negotiate)
            }
            Stage::Starting => {
                self.start_asked = true;
                let target = self.target("start", self.options.transport);
                self.request(Lane::Send, "GET", &target, b"");
                Some(Asked::Start)
            }
            Stage::Leaving => {
                let target = self.target("abort", self.options.transport);
                self.request(Lane::Send, "POST", &target, b"");
                Some(Asked::Abort)
            }
            _ => {
                let (call, data) = self.waiting.pop_front()?;
                // What was to be posted is posted, though a WebSocket may be there by now.
                let transport = match self.options.transport {
                    TransportName::WebSockets => TransportName::ServerSentEvents,
                    other => other,
                };
                let target = self.target("send", transport);
                let body = format!("data={}", percent_encode(&data));
                self.request(Lane::Send, "POST", &target, body.as_bytes());
                Some(Asked::Call(call))
            }
        }
    }

    fn request(&mut self, lane: Lane, method: &str, target: &str, body: &[u8]) {
        let form = [("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")];
        let headers: &[(&str, &str)] = if body.is_empty() { &[] } else { &form };
        let host = self.options.host.clone();
        write_request(&mut self.socket_mut(lane).output, method, target, &host, headers, body);
    }

    fn target(&self, word: &str, transport: TransportName) -> String {
        let token = self.document.as_ref().map_or("", |document| &document.connection_token);
        format!(
            "{}/{word}?transport={}&clientProtocol=2.1&connectionToken={}&connectionData={}",
            self.options.path,
            transport.name(),
            percent_encode(token),
            self.connection_data()
        )
    }

    fn connection_data(&self) -> String {
        let hub = self.options.hub.to_lowercase();
        let data = serde_json::json!([{ "name": hub }]).to_string();
        percent_encode(&data).into_owned()
    }
}
