//! A shard in a thread, and a client that writes bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tickhub::{Config, DriverChoice, HttpOptions, Post, Shard};

/// A shard that takes turns in a thread of its own until it is drained or the rig is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) post: Post,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

pub(crate) fn config(driver: DriverChoice, http: HttpOptions) -> Config {
    Config {
        listen: vec!["127.0.0.1:0".parse().expect("an address")],
        driver,
        http,
        ..Config::default()
    }
}

/// Starts a shard; `endpoints` adds what it serves.
pub(crate) fn run(
    driver: DriverChoice,
    http: HttpOptions,
    endpoints: impl FnOnce(Shard) -> Shard + Send + 'static,
) -> Running {
    let (tell, told) = std::sync::mpsc::channel();
    let ended = Arc::new(AtomicBool::new(false));
    let stop = ended.clone();
    let thread = std::thread::spawn(move || {
        let shard = Shard::with_config(&config(driver, http)).expect("the driver can be had");
        let mut shard = endpoints(shard);
        tell.send((shard.local_addrs()[0], shard.post())).expect("the test waits");
        while !stop.load(Ordering::Relaxed) && !shard.is_drained() {
            shard.turn(Duration::from_millis(20)).expect("the driver works");
        }
    });
    let (address, post) = told.recv_timeout(PATIENCE).expect("the shard starts");
    Running { address, post, ended, thread: Some(thread) }
}

impl Running {
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Waits for the end of the shard's own accord.
    pub(crate) fn join(mut self) {
        let thread = self.thread.take().expect("it is joined once");
        thread.join().expect("the shard did not panic");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the shard did not panic");
            }
        }
    }
}

/// A client of bytes. Every wait ends in time.
pub(crate) struct Client(pub(crate) TcpStream);

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Orderly,
    Reset,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the shard listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out can be set");
        stream.set_nodelay(true).expect("a socket option can be set");
        Self(stream)
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).expect("the shard reads");
    }

    pub(crate) fn finish(&self) {
        self.0.shutdown(Shutdown::Write).expect("a socket can be half closed");
    }

    /// Reads until `enough` says so.
    pub(crate) fn read_until(&mut self, mut enough: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let (mut all, mut part) = (Vec::new(), [0; 4096]);
        while !enough(&all) {
            let count = self.0.read(&mut part).expect("an answer comes in time");
            assert!(count > 0, "the end came after {:?}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&part[..count]);
        }
        all
    }

    /// Reads until the text appears.
    pub(crate) fn read_text(&mut self, text: &str) -> String {
        let bytes =
            self.read_until(|all| all.windows(text.len()).any(|window| window == text.as_bytes()));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads to the end.
    pub(crate) fn read_end(&mut self) -> (String, End) {
        let (mut all, mut part) = (Vec::new(), [0; 4096]);
        let end = loop {
            match self.0.read(&mut part) {
                Ok(0) => break End::Orderly,
                Ok(count) => all.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Reset,
                Err(error) => panic!("no end in time: {error}"),
            }
        };
        (String::from_utf8_lossy(&all).into_owned(), end)
    }

    /// Opens a WebSocket, and shakes hands with the hub behind it.
    pub(crate) fn open_hub(&mut self, path: &str) {
        self.write(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        self.read_text("\r\n\r\n");
        self.say("{\"protocol\":\"json\",\"version\":1}\u{1e}");
        self.read_text("{}\u{1e}");
    }

    /// Sends a text message, masked with zeros.
    pub(crate) fn say(&mut self, text: &str) {
        assert!(text.len() < 126, "short messages are enough here");
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.write(frame);
    }
}

/// No answer takes longer than this, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);
