//! What puts a [`Client`](tickhub::client::Client) of ASP.NET Core, as it is, behind a classic
//! WebSocket: it negotiates with the classic mount, listens to a hub, and reads envelopes as calls
//! of its method. It only listens; what the client says goes nowhere.

use serde::Deserialize;
use serde_json::value::RawValue;
use tickhub::protocol::http::{Headers, Incoming, Limits, ResponseReader, write_request};
use tickhub::protocol::url::percent_encode;
use tickhub::protocol::websocket::{
    self, Decoder, Event, OpCode, Role, check_response, write_frame,
    write_request as write_upgrade, write_response,
};

/// One that listens.
pub(crate) struct Listener {
    mount: Mount,
    stage: Stage,
    /// The wish of the client for a WebSocket, until it is whole.
    wish: Vec<u8>,
    reader: ResponseReader,
    /// Reads the server, and the client.
    decoders: [Decoder; 2],
    text: Vec<u8>,
    /// For the server, and for the client.
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

/// Where classic clients go, and the hub that they listen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) path: String,
    pub(crate) hub: String,
}

enum Stage {
    Wishing,
    /// The document, as far as it came.
    Negotiating(Vec<u8>),
    /// What the answer is checked with.
    Upgrading(String),
    Open,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    connection_token: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, rename = "M")]
    messages: Vec<Call<'a>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(rename = "M")]
    method: &'a str,
    #[serde(borrow, rename = "A")]
    arguments: &'a RawValue,
}

impl Listener {
    pub(crate) fn new(mount: Mount) -> Self {
        Self {
            mount,
            stage: Stage::Wishing,
            wish: Vec::new(),
            reader: ResponseReader::default(),
            decoders: [Decoder::new(Role::Client), Decoder::new(Role::Server)],
            text: Vec::new(),
            outgoing: Vec::new(),
            incoming: Vec::new(),
        }
    }

    /// Takes what the client says: its wish for a WebSocket, its handshake, signs of life.
    pub(crate) fn write(&mut self, bytes: &mut [u8]) {
        if !matches!(self.stage, Stage::Wishing) || self.wish.ends_with(b"\r\n\r\n") {
            let [_, decoder] = &mut self.decoders;
            let mut input = bytes;
            while let Some(event) = decoder.next(&mut input, &LIMITS).expect("our own client") {
                // The handshake is the first that it says; it is answered here.
                if let Event::Data { bytes, .. } = event
                    && bytes.starts_with(b"{\"protocol\"")
                {
                    write_frame(&mut self.incoming, OpCode::Text, b"{}\x1e");
                }
            }
            return;
        }
        self.wish.extend_from_slice(bytes);
        if self.wish.ends_with(b"\r\n\r\n") {
            let target =
                format!("{}/negotiate?clientProtocol=2.1&{}", self.mount.path, self.data());
            let host = self.header("Host: ").to_owned();
            write_request(&mut self.outgoing, "GET", &target, &host, &[], b"");
            self.stage = Stage::Negotiating(Vec::new());
        }
    }

    /// Moves what is for the server to the end of `out`.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.outgoing);
    }

    /// Moves what is for the client to the end of `out`.
    pub(crate) fn read(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.incoming);
    }

    /// Bytes of the server.
    ///
    /// # Errors
    ///
    /// It did what it must not.
    pub(crate) fn on_bytes(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        let mut input = bytes;
        if !matches!(self.stage, Stage::Open) {
            self.on_http(&mut input)?;
        }
        if !matches!(self.stage, Stage::Open) {
            return Ok(());
        }
        loop {
            let [decoder, _] = &mut self.decoders;
            let event = decoder.next(&mut input, &LIMITS);
            match event.map_err(|violation| violation.to_string())? {
                None => return Ok(()),
                Some(Event::Data { bytes, last, .. }) => {
                    if last && self.text.is_empty() {
                        translate(&mut self.incoming, bytes)?;
                        continue;
                    }
                    self.text.extend_from_slice(bytes);
                    if last {
                        let text = std::mem::take(&mut self.text);
                        translate(&mut self.incoming, &text)?;
                    }
                }
                Some(Event::Close { code, .. }) => {
                    let code = code.unwrap_or(1000).to_be_bytes();
                    write_frame(&mut self.incoming, OpCode::Close, &code);
                }
                Some(Event::Ping(_) | Event::Pong(_)) => {}
            }
        }
    }

    fn on_http(&mut self, input: &mut &mut [u8]) -> Result<(), String> {
        while let Some(incoming) =
            self.reader.next(input, &Limits::default()).map_err(|error| error.to_string())?
        {
            match (incoming, &mut self.stage) {
                (Incoming::Head(head), Stage::Negotiating(_)) if head.status() != 200 => {
                    let status = head.status();
                    return Err(format!("classic negotiate was answered with status {status}"));
                }
                (Incoming::Body(piece), Stage::Negotiating(body)) => body.extend_from_slice(piece),
                (Incoming::End, Stage::Negotiating(body)) => {
                    let document: Document =
                        serde_json::from_slice(body).map_err(|error| error.to_string())?;
                    self.upgrade(&document.connection_token);
                }
                (Incoming::Head(head), Stage::Upgrading(key)) if !check_response(&head, key) => {
                    let status = head.status();
                    return Err(format!("the upgrade was answered with status {status}"));
                }
                (Incoming::End, Stage::Upgrading(_)) => {
                    let key = self.header("Sec-WebSocket-Key: ").to_owned();
                    write_response(&mut self.incoming, &key, None, None, &Headers::default());
                    self.stage = Stage::Open;
                    return Ok(());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn upgrade(&mut self, token: &str) {
        let Mount { path, .. } = &self.mount;
        let (token, data) = (percent_encode(token), self.data());
        let target = format!(
            "{path}/connect?transport=webSockets&clientProtocol=2.1&connectionToken={token}&{data}"
        );
        let host = self.header("Host: ").to_owned();
        let key = write_upgrade(&mut self.outgoing, &target, &host, [7; 16], &[]);
        self.stage = Stage::Upgrading(key);
    }

    fn data(&self) -> String {
        let data = format!("[{{\"name\":\"{}\"}}]", self.mount.hub);
        format!("connectionData={}", percent_encode(&data))
    }

    /// A header of the client's wish.
    fn header(&self, name: &str) -> &str {
        let wish = std::str::from_utf8(&self.wish).unwrap_or_default();
        wish.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default()
    }
}

/// Writes a classic message as the client expects it: calls as calls, the rest as a sign of life.
fn translate(out: &mut Vec<u8>, message: &[u8]) -> Result<(), String> {
    let envelope: Envelope<'_> = serde_json::from_slice(message)
        .map_err(|error| format!("an envelope cannot be read: {error}"))?;
    let mut records = Vec::with_capacity(message.len());
    for Call { method, arguments } in envelope.messages {
        let call =
            format!("{{\"type\":1,\"target\":\"{method}\",\"arguments\":{arguments}}}\u{1e}");
        records.extend_from_slice(call.as_bytes());
    }
    if records.is_empty() {
        records.extend_from_slice(b"{\"type\":6}\x1e");
    }
    write_frame(out, OpCode::Text, &records);
    Ok(())
}

const LIMITS: websocket::Limits =
    websocket::Limits { message_bytes_max: None, fragments_max: u32::MAX };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_become_calls() {
        let mut out = Vec::new();
        let envelope = r#"{"C":"d-1-2","M":[{"H":"Bench","M":"message","A":["x"]}]}"#;
        translate(&mut out, envelope.as_bytes()).unwrap();
        assert!(out.ends_with(b"{\"type\":1,\"target\":\"message\",\"arguments\":[\"x\"]}\x1e"));
        out.clear();
        translate(&mut out, b"{}").unwrap();
        assert!(out.ends_with(b"{\"type\":6}\x1e"));
    }
}
