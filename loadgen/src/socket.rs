//! One TCP socket and the bytes that wait for it.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Type};

use crate::route::Route;

/// A socket that connects, or is connected.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    /// Whether the other side has answered.
    pub(crate) is_connected: bool,
    /// What is to be sent; the first `written` bytes have gone.
    pub(crate) outgoing: Vec<u8>,
    written: usize,
}

impl Socket {
    /// Begins to connect. Events come under `token`.
    pub(crate) fn open(
        route: &Route,
        index: usize,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut stream = match route.source(index) {
            None => TcpStream::connect(route.address)?,
            Some(source) => {
                let kind = Type::STREAM.nonblocking();
                let domain = Domain::for_address(route.address);
                let socket = socket2::Socket::new(domain, kind, Some(Protocol::TCP))?;
                socket.bind(&SocketAddr::new(source, 0).into())?;
                match socket.connect(&route.address.into()) {
                    Err(error) if !is_under_way(&error) => return Err(error),
                    _ => TcpStream::from_std(socket.into()),
                }
            }
        };
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, is_connected: false, outgoing: Vec::new(), written: 0 })
    }

    /// Whether the connection has been made by now.
    ///
    /// # Errors
    ///
    /// It was refused, or broke.
    pub(crate) fn finish_connecting(&mut self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => {
                self.is_connected = true;
                // A message must not wait for the one before it to be acknowledged.
                self.stream.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected || is_under_way(&error) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads once: `None` when nothing is there, zero at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(buffer) {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes as much as the kernel takes.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        while self.written < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.outgoing.clear();
        self.written = 0;
        Ok(())
    }

    /// How many bytes the kernel has not taken yet.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.outgoing.len() - self.written
    }
}

/// What a socket that does not block says while it connects.
fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}
