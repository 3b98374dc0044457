//! Listening sockets, with everything set that their connections inherit.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// A listening TCP socket that belongs to no driver yet.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    addr: SocketAddr,
}

impl Listener {
    /// Listens on `addr`; port 0 takes a free one.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        Self::bind_with(addr, false)
    }

    /// Listens on `addr` beside other listeners that were bound in this way, in this process or
    /// in another of the same user: the kernel spreads the connections (`SO_REUSEPORT`).
    pub fn bind_shared(addr: SocketAddr) -> io::Result<Self> {
        Self::bind_with(addr, true)
    }

    /// The address with the real port number.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    fn bind_with(addr: SocketAddr, shared: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(shared)?;
        // On Linux a connection inherits both from its listener: two system calls less for each.
        prepare(&SockRef::from(&socket))?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG_CONNECTIONS)?;
        let addr = socket.local_addr()?.as_socket().unwrap_or(addr);
        Ok(Self { socket, addr })
    }

    pub(super) fn into_descriptor(self) -> OwnedFd {
        self.socket.into()
    }
}

fn prepare(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

/// How long sent bytes may stay unacknowledged, or wait for a window, before the kernel gives the
/// connection up. Its own answer would be about fifteen minutes (T-HALF).
pub(super) const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections that may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG_CONNECTIONS: i32 = 4096;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn connections_inherit_what_was_set_on_the_listener() {
        for addr in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = Listener::bind(addr.parse().expect("an address")) else {
                assert!(addr.starts_with('['), "IPv4 is everywhere");
                continue;
            };
            let addr = listener.local_addr();
            let listener = TcpListener::from(listener.into_descriptor());
            let _client = TcpStream::connect(addr).expect("somebody listens");
            listener.set_nonblocking(false).expect("a socket can block");
            let (accepted, _) = listener.accept().expect("somebody connected");
            let accepted = SockRef::from(&accepted);
            assert!(accepted.tcp_nodelay().expect("an option"));
            assert_eq!(accepted.tcp_user_timeout().expect("an option"), Some(USER_TIMEOUT));
        }
    }

    #[test]
    fn a_port_is_shared_only_by_consent() {
        let any = "127.0.0.1:0".parse().expect("an address");
        let first = Listener::bind_shared(any).expect("a free port");
        assert!(Listener::bind_shared(first.local_addr()).is_ok());
        let alone = Listener::bind(any).expect("a free port");
        assert!(Listener::bind_shared(alone.local_addr()).is_err());
    }
}
