//! The way to an open connection: negotiation, upgrade, handshake.

use serde::Deserialize;

use super::machine::{Client, Negotiation, Stage};
use super::session::Session;
use crate::base::Moment;
use crate::protocol::http::{self, Incoming, Limits};
use crate::protocol::hub_protocol::{RecordBuffer, handshake};
use crate::protocol::websocket::{self, Decoder, Role};

/// What we need of the document (§1.2).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    error: Option<String>,
    url: Option<String>,
    #[serde(default)]
    use_stateful_reconnect: bool,
    #[serde(default)]
    negotiate_version: i32,
    connection_id: Option<String>,
    connection_token: Option<String>,
    #[serde(default)]
    available_transports: Vec<Transport>,
}

#[derive(Deserialize)]
struct Transport {
    transport: String,
}

impl Client {
    /// Bytes came in. They are changed where they lie.
    pub fn on_bytes(&mut self, now: Moment, bytes: &mut [u8]) {
        let mut input = bytes;
        if matches!(self.stage, Stage::Negotiating(_) | Stage::Upgrading(_))
            && let Err(error) = self.on_http(now, &mut input)
        {
            self.fail(error);
            return;
        }
        if matches!(self.stage, Stage::Handshaking | Stage::Open | Stage::Closing) {
            self.on_frames(now, input);
        }
    }

    pub(super) fn ask_negotiate(&mut self) {
        let (path, query) = self.path_and_query();
        let separator = if query.is_empty() { "" } else { "&" };
        let path = path.trim_end_matches('/');
        let stateful =
            if self.options.stateful_reconnect { "&useStatefulReconnect=true" } else { "" };
        let target = format!("{path}/negotiate?{query}{separator}negotiateVersion=1{stateful}");
        let headers = self.headers();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let host = &self.options.host;
        http::write_request(&mut self.output, "POST", &target, host, &headers, &[]);
        self.stage = Stage::Negotiating(Negotiation::default());
    }

    pub(super) fn ask_upgrade(&mut self) {
        let token = self.token.take();
        let token = token.or_else(|| self.session.as_ref().map(|session| session.token.clone()));
        let id = token.map(|token| format!("id={token}"));
        let (path, query) = self.path_and_query();
        let mut target = path.to_owned();
        let query = Some(query.to_owned()).filter(|query| !query.is_empty());
        for (index, part) in query.into_iter().chain(id).enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(&part);
        }
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.rng.bits().to_le_bytes());
        nonce[8..].copy_from_slice(&self.rng.bits().to_le_bytes());
        let headers = self.headers();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let host = &self.options.host;
        let key = websocket::write_request(&mut self.output, &target, host, nonce, &headers);
        self.stage = Stage::Upgrading(key);
    }

    /// Reads answers until the socket is a WebSocket or the input ends.
    fn on_http(&mut self, now: Moment, input: &mut &mut [u8]) -> Result<(), String> {
        let limits = Limits::default();
        loop {
            let incoming = match self.reader.next(input, &limits) {
                Ok(Some(incoming)) => incoming,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.violations += 1;
                    return Err(error.to_string());
                }
            };
            match (incoming, &mut self.stage) {
                (Incoming::Head(head), Stage::Negotiating(negotiation)) => {
                    negotiation.status = head.status();
                    negotiation.is_last = head.header_has_token("connection", "close");
                }
                (Incoming::Body(piece), Stage::Negotiating(negotiation)) => {
                    negotiation.body.extend_from_slice(piece);
                    if negotiation.body.len() > DOCUMENT_BYTES_MAX {
                        return Err("the answer to negotiate is too long".into());
                    }
                }
                (Incoming::End, Stage::Negotiating(negotiation)) => {
                    let negotiation = std::mem::take(negotiation);
                    self.on_negotiated(&negotiation)?;
                    if self.stage == Stage::Connecting {
                        return Ok(());
                    }
                }
                (Incoming::Head(head), Stage::Upgrading(key)) => {
                    if !websocket::check_response(&head, key) {
                        let status = head.status();
                        return Err(format!("the upgrade was answered with status {status}"));
                    }
                }
                (Incoming::End, Stage::Upgrading(_)) => {
                    self.on_upgraded(now);
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
    }

    fn on_negotiated(&mut self, negotiation: &Negotiation) -> Result<(), String> {
        if negotiation.status != 200 {
            return Err(format!("negotiate was answered with status {}", negotiation.status));
        }
        let document: Document = serde_json::from_slice(&negotiation.body)
            .map_err(|error| format!("the answer to negotiate cannot be read: {error}"))?;
        if let Some(error) = document.error {
            return Err(error);
        }
        if document.url.is_some() {
            return Err("the server sends us elsewhere, which is not supported".into());
        }
        let transports = &document.available_transports;
        if !transports.iter().any(|offer| offer.transport == "WebSockets") {
            return Err("the server offers no WebSockets".into());
        }
        self.connection_id = document.connection_id;
        self.token = match document.negotiate_version {
            0 => self.connection_id.clone(),
            _ => document.connection_token,
        };
        let Some(token) = &self.token else {
            return Err("the answer to negotiate has no token".into());
        };
        if document.use_stateful_reconnect {
            if !self.options.stateful_reconnect {
                return Err("the server negotiates stateful reconnect, which nobody wanted".into());
            }
            let buffer_bytes = self.options.stateful_buffer_bytes;
            self.session = Some(Session::new(token.clone(), buffer_bytes));
        }
        if negotiation.is_last {
            self.stage = Stage::Connecting;
        } else {
            self.ask_upgrade();
        }
        Ok(())
    }

    fn on_upgraded(&mut self, now: Moment) {
        self.stage = Stage::Handshaking;
        self.decoder = Decoder::new(Role::Client);
        // The answer to the handshake has a separator whatever the protocol.
        self.records = RecordBuffer::default();
        self.last_received = now;
        if self.session.as_ref().is_some_and(|session| session.is_established) {
            self.resume(now);
            return;
        }
        let protocol = self.options.protocol.name().into();
        let version = if self.session.is_some() { handshake::VERSION_STATEFUL } else { 1 };
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        handshake::Request { protocol, version }.write(&mut body);
        self.write_records(now, &body);
        self.scratch = body;
    }

    fn path_and_query(&self) -> (&str, &str) {
        self.options.path.split_once('?').unwrap_or((&self.options.path, ""))
    }

    fn headers(&self) -> Vec<(String, String)> {
        self.options.headers.clone()
    }
}

const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
