//! The client's side of a WebSocket, which can break every rule that a recording breaks.

use std::io::{self, BufRead, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use tungstenite::handshake::derive_accept_key;

use super::http::{Chunk, Exchange, Request, Shared, read_body, read_head};

/// A frame to be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) data: Vec<u8>,
    /// More frames of the message follow.
    pub(crate) more: bool,
    pub(crate) deflate: bool,
    pub(crate) rsv: u8,
    pub(crate) unmasked: bool,
}

/// A WebSocket. Its chunks are whole messages.
pub(crate) struct WebSocket {
    pub(crate) exchange: Exchange,
    /// The key that the server answers to.
    key: String,
    writer: Arc<Writer>,
}

struct Writer {
    socket: Mutex<Option<TcpStream>>,
    said_goodbye: AtomicBool,
}

/// The names of opcodes in the recordings.
pub(crate) const OPCODES: [(&str, u8); 7] = [
    ("continuation", 0),
    ("text", 1),
    ("binary", 2),
    ("reserved", 3),
    ("close", 8),
    ("ping", 9),
    ("pong", 10),
];

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

impl WebSocket {
    /// Asks for a WebSocket. A mute one answers neither Ping nor Close.
    pub(crate) fn open(server: SocketAddr, mut request: Request, mute: bool) -> io::Result<Self> {
        let handshake = [
            ("Upgrade", "websocket".to_owned()),
            ("Connection", "Upgrade".to_owned()),
            ("Sec-WebSocket-Version", "13".to_owned()),
            ("Sec-WebSocket-Key", STANDARD.encode(rand_key())),
        ];
        for (name, value) in handshake {
            if !request.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name)) {
                request.headers.push((name.to_owned(), value));
            }
        }
        let is_key = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("sec-websocket-key");
        let key = request.headers.iter().find(is_key).map(|(_, key)| key.clone());
        let writer =
            Arc::new(Writer { socket: Mutex::default(), said_goodbye: AtomicBool::new(false) });
        let echo = writer.clone();
        let exchange = Exchange::start_with(server, &request, move |input, shared| {
            // An error is the end of the connection.
            let how = read(input, shared, &echo, mute).unwrap_or_else(|_| "eof".to_owned());
            echo.drop_socket();
            shared.end(&how);
        })?;
        writer.give_socket(exchange.socket()?);
        Ok(Self { exchange, key: key.unwrap_or_default(), writer })
    }

    /// Whether the server has answered the key.
    pub(crate) fn is_accepted(&self) -> bool {
        let received = self.exchange.shared.lock();
        received.headers.get("sec-websocket-accept")
            == Some(&derive_accept_key(self.key.as_bytes()))
    }

    /// Sends a frame. Whoever is gone does not get it.
    pub(crate) fn send(&self, frame: &Frame) {
        self.writer.send(frame);
    }

    pub(crate) fn reset(&mut self) {
        self.writer.drop_socket();
        self.exchange.reset();
    }
}

/// Any bytes do for a key and a mask: nobody attacks this test.
fn rand_key() -> [u8; 16] {
    std::array::from_fn(|at| (at as u8).wrapping_mul(37).wrapping_add(11))
}

impl Writer {
    fn give_socket(&self, socket: TcpStream) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
    }

    fn drop_socket(&self) {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn send(&self, frame: &Frame) {
        let (mut data, mut rsv) = (frame.data.clone(), frame.rsv);
        if frame.deflate {
            data = deflate(&data);
            rsv |= 4;
        }
        let mut bytes = vec![u8::from(!frame.more) << 7 | rsv << 4 | frame.opcode];
        let mask_bit = u8::from(!frame.unmasked) << 7;
        match data.len() {
            length @ 0..126 => bytes.push(mask_bit | length as u8),
            length @ 126..65_536 => {
                bytes.push(mask_bit | 0x7e);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(mask_bit | 0x7f);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        if !frame.unmasked {
            let mask = [0xa5, 0x17, 0x42, 0xe9];
            bytes.extend(mask);
            data.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= mask[at % 4]);
        }
        bytes.extend(data);
        if frame.opcode == CLOSE {
            self.said_goodbye.store(true, Ordering::Relaxed);
        }
        if let Some(socket) = &mut *self.socket.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = socket.write_all(&bytes);
        }
    }
}

/// Reads everything, and answers what has to be answered; says how it ended.
fn read(
    input: &mut impl BufRead,
    shared: &Shared,
    writer: &Writer,
    mute: bool,
) -> io::Result<String> {
    if read_head(input, shared)? != 101 {
        let has_body = {
            let headers = &shared.lock().headers;
            headers.contains_key("content-length") || headers.contains_key("transfer-encoding")
        };
        if has_body {
            read_body(input, shared)?;
        }
        return Ok("refused".to_owned());
    }
    let extension = shared.lock().headers.get("sec-websocket-extensions").cloned();
    let mut inflater = extension.map(|extension| Inflater {
        state: Decompress::new(false),
        forgets: extension.contains("server_no_context_takeover"),
    });
    let (mut message, mut kind, mut compressed) = (Vec::new(), 0, false);
    loop {
        let mut head = [0; 2];
        input.read_exact(&mut head)?;
        let length = match head[1] & 127 {
            126 => {
                let mut length = [0; 2];
                input.read_exact(&mut length)?;
                u16::from_be_bytes(length).into()
            }
            127 => {
                let mut length = [0; 8];
                input.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        if head[1] & 128 != 0 {
            return Ok("masked frame".to_owned());
        }
        let mut data = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::InvalidData)?];
        input.read_exact(&mut data)?;
        match head[0] & 15 {
            CLOSE => {
                let how = goodbye(&data);
                if mute {
                    shared.update(|received| received.ended = Some(how));
                    continue;
                }
                if !writer.said_goodbye.load(Ordering::Relaxed) {
                    data.truncate(2);
                    writer.send(&Frame { opcode: CLOSE, data, ..Frame::default() });
                }
                return Ok(how);
            }
            opcode @ (PING | PONG) => {
                if opcode == PING && !mute {
                    let data = data.clone();
                    writer.send(&Frame { opcode: PONG, data, ..Frame::default() });
                }
                put(shared, opcode, data);
            }
            opcode => {
                if opcode != 0 {
                    (kind, compressed) = (opcode, head[0] & 0x40 != 0);
                }
                message.extend(data);
                if head[0] & 128 != 0 {
                    let mut whole = std::mem::take(&mut message);
                    if let Some(inflater) = inflater.as_mut().filter(|_| compressed) {
                        whole = inflater.inflate(&whole)?;
                    }
                    put(shared, kind, whole);
                }
            }
        }
    }
}

fn goodbye(data: &[u8]) -> String {
    match data {
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            format!("close {code} {}", String::from_utf8_lossy(reason)).trim_end().to_owned()
        }
        _ => "close without a code".to_owned(),
    }
}

fn put(shared: &Shared, opcode: u8, data: Vec<u8>) {
    let name = OPCODES.iter().find(|(_, number)| *number == opcode).map_or("?", |(name, _)| name);
    shared.update(|received| received.chunks.push(Chunk { opcode: name.to_owned(), data }));
}

/// Compresses with a window that every negotiated size can hold.
fn deflate(data: &[u8]) -> Vec<u8> {
    let mut state = Compress::new_with_window_bits(Compression::best(), false, 9);
    let mut out = Vec::with_capacity(data.len() * 2 + 64);
    let done = state.compress_vec(data, &mut out, FlushCompress::Sync);
    assert!(done.is_ok() && state.total_in() == data.len() as u64, "there is room");
    // RFC 7692 §7.2.1: the empty block at the end is not sent.
    out.truncate(out.len() - 4);
    out
}

struct Inflater {
    state: Decompress,
    forgets: bool,
}

impl Inflater {
    fn inflate(&mut self, data: &[u8]) -> io::Result<Vec<u8>> {
        let input = [data, &[0, 0, 0xff, 0xff]].concat();
        let (begin, mut out) = (self.state.total_in(), Vec::new());
        loop {
            let read = usize::try_from(self.state.total_in() - begin).expect("it is in memory");
            out.reserve(1 << 16);
            self.state
                .decompress_vec(&input[read..], &mut out, FlushDecompress::Sync)
                .map_err(|_| io::ErrorKind::InvalidData)?;
            let read = usize::try_from(self.state.total_in() - begin).expect("it is in memory");
            if read == input.len() && out.len() < out.capacity() {
                break;
            }
        }
        if self.forgets {
            self.state.reset(false);
        }
        Ok(out)
    }
}
