//! What all benches measure with: messages as real clients send them, and how they are read.

#![allow(dead_code, reason = "each bench uses a part of it")]

#[cfg(feature = "sim")]
pub(crate) mod stage;

use std::hint::black_box;

use serde::{Deserialize, Serialize};
use tickhub::protocol::http::{Limits as HttpLimits, RequestReader};
use tickhub::protocol::hub_protocol::{HubMessage, HubProtocolKind, Text};
use tickhub::protocol::websocket::{
    Decoder, Event, Limits as WebSocketLimits, OpCode, write_masked_frame,
};

/// What a browser sends to open a WebSocket, 668 bytes.
pub(crate) const UPGRADE: &str = "GET /hub?id=8zr0TFGvPzqSV1oMSmzTnQ HTTP/1.1\r\n\
    Host: chat.example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/128.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://chat.example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// What a .NET client sends before it.
pub(crate) const NEGOTIATE: &str = "POST /hub/negotiate?negotiateVersion=1 HTTP/1.1\r\n\
    Host: chat.example.com\r\n\
    User-Agent: Microsoft SignalR/8.0 (8.0.7; Linux; NodeJS; 20.1.0)\r\n\
    X-Requested-With: XMLHttpRequest\r\n\
    Content-Type: text/plain;charset=UTF-8\r\n\
    Content-Length: 0\r\n\r\n";

/// A request with a body.
pub(crate) const POST: &str = "POST /hub?id=8zr0TFGvPzqSV1oMSmzTnQ HTTP/1.1\r\n\
    Host: chat.example.com\r\n\
    Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 12\r\n\r\n{\"type\":6}\x1e\n";

/// A call as the JavaScript client writes it, 92 bytes.
pub(crate) const CALL: &str = r#"{"target":"say","arguments":["lobby","a text of usual length"],"invocationId":"42","type":1}"#;

/// What ends a record.
pub(crate) const SEPARATOR: char = '\u{1e}';

/// Any mask will do.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A head in which the cost of the bytes outweighs that of the calls, 8.9 kB.
pub(crate) fn long_head() -> String {
    let filler = format!("X-Filler: {}\r\n", "v".repeat(400)).repeat(20);
    format!("{}\r\n{filler}\r\n", UPGRADE.trim_end())
}

/// [`CALL`] as a record of a text message.
pub(crate) fn call_record() -> Vec<u8> {
    format!("{CALL}{SEPARATOR}").into_bytes()
}

/// A call with this one argument.
pub(crate) fn call_with(argument: &str) -> String {
    format!(r#"{{"target":"say","arguments":[{argument}],"invocationId":"42","type":1}}"#)
}

/// `count` equal frames as a client sends them.
pub(crate) fn frames(code: OpCode, payload: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..count {
        write_masked_frame(&mut out, code, true, MASK, payload);
    }
    out
}

/// What a game sends: mostly numbers.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Player {
    id: u32,
    x: f32,
    y: f32,
    name: String,
}

/// A JSON array of players, the shortest that has at least so many bytes.
pub(crate) fn players(bytes: usize) -> String {
    let mut list = Vec::new();
    let mut id = 0_u16;
    loop {
        let (x, y) = (f32::from(id) * 1.37 + 0.01, f32::from(id) * -0.73);
        list.push(Player { id: id.into(), x, y, name: format!("player {id}") });
        let text = serde_json::to_string(&list).expect("players are written");
        if text.len() >= bytes {
            return text;
        }
        id += 1;
    }
}

/// Reads one request that arrives whole.
pub(crate) fn read_whole(bytes: &mut [u8], limits: &HttpLimits) {
    let mut reader = RequestReader::default();
    let mut input = bytes;
    let request = reader.read(&mut input, limits).expect("it is valid").expect("it is whole");
    black_box(request.keep_alive());
}

/// Reads one request that arrives in pieces of `step` bytes.
pub(crate) fn read_dripped(bytes: &mut [u8], step: usize, limits: &HttpLimits) {
    let mut reader = RequestReader::default();
    let mut complete = false;
    for mut piece in bytes.chunks_mut(step) {
        complete = reader.read(&mut piece, limits).expect("it is valid").is_some();
    }
    assert!(black_box(complete));
}

/// Decodes frames and returns how many bytes of data were in them.
pub(crate) fn decode(decoder: &mut Decoder, bytes: &mut [u8], limits: &WebSocketLimits) -> usize {
    let mut input = bytes;
    let mut total = 0;
    while let Some(event) = decoder.next(&mut input, limits).expect("it is valid") {
        if let Event::Data { bytes, .. } = event {
            total += bytes.len();
        }
    }
    total
}

/// Reads [`CALL`] and binds its two arguments.
pub(crate) fn bind_call(record: &mut [u8]) -> usize {
    match HubProtocolKind::Json.read(record) {
        Ok(HubMessage::Invocation(mut call)) => {
            let room = call.arguments.take::<Text<'_>>().expect("a text");
            let text = call.arguments.take::<Text<'_>>().expect("a text");
            room.len() + text.len()
        }
        _ => 0,
    }
}
