//! The client's side of one HTTP request over a socket of its own; the answer is collected in the
//! background.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request as it is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

/// What has come so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) status: Option<u16>,
    pub(crate) reason: String,
    /// By lower-case name; several of one name are joined.
    pub(crate) headers: BTreeMap<String, String>,
    /// The head has come, or will not come any more.
    pub(crate) headed: bool,
    pub(crate) chunks: Vec<Chunk>,
    /// How it ended, in the words of the recordings.
    pub(crate) ended: Option<String>,
    /// The TCP connection has ended.
    pub(crate) eof: bool,
    /// The client has ended it.
    pub(crate) closed: bool,
}

/// Bytes that came together: a piece of a body, or a whole message of a kind.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) opcode: String,
    pub(crate) data: Vec<u8>,
}

/// What a stream and the thread that reads it share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    received: Mutex<Received>,
    changed: Condvar,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Received) -> T) -> T {
        let value = change(&mut self.lock());
        self.changed.notify_all();
        value
    }

    /// Waits until something holds, at most so long.
    pub(crate) fn wait(&self, limit: Duration, mut holds: impl FnMut(&Received) -> bool) {
        let received = self.lock();
        let waited = self.changed.wait_timeout_while(received, limit, |received| !holds(received));
        drop(waited);
    }

    /// The end; the word of the client is the last one.
    pub(crate) fn end(&self, how: &str) {
        self.update(|received| {
            let how = if received.closed { "closed by client" } else { how };
            received.ended.get_or_insert_with(|| how.to_owned());
            received.headed = true;
            received.eof = true;
        });
    }
}

/// One request and its answer.
pub(crate) struct Exchange {
    pub(crate) shared: Arc<Shared>,
    pub(crate) began: Instant,
    socket: Option<TcpStream>,
    reader: Option<JoinHandle<()>>,
}

/// No server is silent for longer, however long a poll is.
const SILENCE_MAX: Duration = Duration::from_mins(2);

impl Exchange {
    pub(crate) fn start(server: SocketAddr, request: &Request) -> io::Result<Self> {
        let head_only = request.method == "HEAD";
        Self::start_with(server, request, move |input, shared| {
            let how = match read_answer(input, shared, head_only) {
                Ok(()) => "clean",
                Err(_) => "eof",
            };
            shared.end(how);
        })
    }

    /// Sends a request; `read` reads all that comes back, in a thread of its own.
    pub(crate) fn start_with(
        server: SocketAddr,
        request: &Request,
        read: impl FnOnce(&mut BufReader<TcpStream>, &Shared) + Send + 'static,
    ) -> io::Result<Self> {
        let began = Instant::now();
        let mut socket = TcpStream::connect_timeout(&server, Duration::from_secs(10))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        socket.set_write_timeout(Some(Duration::from_secs(20)))?;
        socket.write_all(&encode(server, request))?;
        let shared = Arc::<Shared>::default();
        let (mut input, told) = (BufReader::new(socket.try_clone()?), shared.clone());
        let reader = std::thread::spawn(move || read(&mut input, &told));
        Ok(Self { shared, began, socket: Some(socket), reader: Some(reader) })
    }

    /// Another handle to the socket, for who writes to it.
    pub(crate) fn socket(&self) -> io::Result<TcpStream> {
        self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?.try_clone()
    }

    /// Ends the TCP connection in an orderly way.
    pub(crate) fn close(&mut self) {
        self.shared.update(|received| received.closed = true);
        if let Some(socket) = &self.socket {
            // An error says that it has ended already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.shared.wait(Duration::from_secs(1), |received| received.eof);
    }

    /// Ends the TCP connection with a reset.
    pub(crate) fn reset(&mut self) {
        self.shared.update(|received| received.closed = true);
        let Some(socket) = self.socket.take() else { return };
        // Wakes the reader, which drops its handle; the last handle sends the reset.
        let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        let _ = socket.shutdown(Shutdown::Read);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close();
    }
}

fn encode(server: SocketAddr, request: &Request) -> Vec<u8> {
    let mut lines = vec![format!("{} {} HTTP/1.1", request.method, request.target)];
    let has = |name: &str| request.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    if !has("host") {
        lines.push(format!("Host: {server}"));
    }
    lines.extend(request.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    let body = request.body.as_deref().unwrap_or_default();
    let may_have_body = matches!(request.method.as_str(), "POST" | "PUT");
    if !has("transfer-encoding") && (request.body.is_some() || may_have_body) {
        lines.push(format!("Content-Length: {}", body.len()));
    }
    [lines.join("\r\n").as_bytes(), b"\r\n\r\n", body].concat()
}

fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if input.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads the head of the final answer; what `101` switches to follows.
pub(crate) fn read_head(input: &mut impl BufRead, shared: &Shared) -> io::Result<u16> {
    loop {
        let first = line(input)?;
        let mut parts = first.splitn(3, ' ');
        let status = parts.nth(1).and_then(|status| status.parse().ok());
        let status: u16 = status.ok_or(io::ErrorKind::InvalidData)?;
        let reason = parts.next().unwrap_or_default().to_owned();
        let mut headers = BTreeMap::<String, String>::new();
        loop {
            let line = line(input)?;
            let Some((name, value)) = line.split_once(':') else { break };
            let value = value.trim();
            headers
                .entry(name.trim().to_lowercase())
                .and_modify(|all| *all = format!("{all}, {value}"))
                .or_insert_with(|| value.to_owned());
        }
        if status != 100 {
            shared.update(|received| {
                (received.status, received.reason) = (Some(status), reason);
                received.headers = headers;
                received.headed = true;
            });
            return Ok(status);
        }
    }
}

fn read_answer(input: &mut impl BufRead, shared: &Shared, head_only: bool) -> io::Result<()> {
    let status = read_head(input, shared)?;
    if head_only || matches!(status, 204 | 304) {
        return Ok(());
    }
    read_body(input, shared)
}

/// Reads a body to its end.
pub(crate) fn read_body(input: &mut impl BufRead, shared: &Shared) -> io::Result<()> {
    let (chunked, length) = {
        let headers = &shared.lock().headers;
        let length = headers.get("content-length").map(|length| length.parse::<u64>());
        (headers.get("transfer-encoding").is_some_and(|coding| coding.contains("chunked")), length)
    };
    let add = |data: Vec<u8>| {
        shared.update(|received| {
            received.chunks.push(Chunk { opcode: String::new(), data });
        });
    };
    if chunked {
        loop {
            let size = line(input)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                while !line(input)?.is_empty() {}
                return Ok(());
            }
            let mut data = vec![0; size];
            input.read_exact(&mut data)?;
            line(input)?;
            add(data);
        }
    }
    let mut left = match length {
        Some(Ok(length)) => length,
        Some(Err(_)) => return Err(io::ErrorKind::InvalidData.into()),
        None => u64::MAX,
    };
    while left > 0 {
        let mut part = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(1 << 16)];
        let count = input.read(&mut part)?;
        if count == 0 {
            let known = length.is_some();
            return if known { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) };
        }
        part.truncate(count);
        left -= count as u64;
        add(part);
    }
    Ok(())
}
