//! What one client is connected by: one socket for a WebSocket, two where an [`Adapter`] stands
//! between.

use std::io;

use mio::{Registry, Token};
use tickhub::base::Moment;
use tickhub::client::Client;
use tickhub::client::web::{Adapter, Carrier, End, Lane, Way};

use crate::classic::{Listener, Mount};
use crate::route::Route;
use crate::socket::Socket;

/// The sockets of one client.
pub(crate) struct Line {
    way: Option<Way>,
    adapter: Option<Box<Adapter>>,
    /// In the place of an adapter, on the first socket.
    classic: Option<Box<Listener>>,
    mount: Option<Mount>,
    /// What the server did wrong.
    broken: Option<String>,
    /// By [`Lane`]. The first one to open, or the only one, is that of [`FIRST`].
    sockets: [Option<Socket>; 2],
}

/// Where the sockets of connection `index` come from.
pub(crate) struct Port<'a> {
    pub(crate) route: &'a Route,
    pub(crate) registry: &'a Registry,
    pub(crate) index: usize,
}

impl Line {
    /// Not connected. Without a way it is a WebSocket.
    /// With a mount it is that of classic SignalR.
    pub(crate) fn new(way: Option<Way>, mount: Option<Mount>) -> Self {
        let adapter = way.map(Adapter::new).map(Box::new);
        let classic = mount.clone().map(Listener::new).map(Box::new);
        Self { way, adapter, classic, mount, broken: None, sockets: [None, None] }
    }

    /// Begins to connect, as the client asks for.
    pub(crate) fn connect(&mut self, port: &Port<'_>) -> io::Result<()> {
        let socket = &mut self.sockets[FIRST as usize];
        // Dropped first: the next one may need its descriptor.
        *socket = None;
        *socket = Some(port.open(FIRST)?);
        Ok(())
    }

    /// Whether the socket that the client has asked for is on its way.
    pub(crate) fn is_connecting(&self) -> bool {
        self.sockets[FIRST as usize].as_ref().is_some_and(|socket| !socket.is_connected)
    }

    /// The socket of a lane, if it is there.
    pub(crate) fn connected(&mut self, lane: Lane) -> Option<&mut Socket> {
        self.sockets[lane as usize].as_mut().filter(|socket| socket.is_connected)
    }

    /// The kernel has news about a socket: whether it is connected by now.
    ///
    /// # Errors
    ///
    /// It was refused, or broke.
    pub(crate) fn finish_connecting(
        &mut self,
        now: Moment,
        lane: Lane,
        client: &mut Client,
    ) -> io::Result<bool> {
        // News of a socket that was given up in this very turn.
        let Some(socket) = &mut self.sockets[lane as usize] else { return Ok(false) };
        if !socket.is_connected {
            if !socket.finish_connecting()? {
                return Ok(false);
            }
            match self.carrier() {
                Some(carrier) => carrier.on_connected(lane),
                None => client.on_connected(now),
            }
        }
        Ok(true)
    }

    /// Bytes came in.
    pub(crate) fn on_bytes(
        &mut self,
        now: Moment,
        lane: Lane,
        bytes: &mut [u8],
        client: &mut Client,
    ) {
        if let Some(classic) = &mut self.classic {
            let read = classic.on_bytes(bytes);
            self.broken = read.err();
            return;
        }
        let Some(carrier) = self.carrier() else { return client.on_bytes(now, bytes) };
        carrier.on_bytes(lane, bytes);
        if carrier.wants_hangup(lane) {
            self.sockets[lane as usize] = None;
        }
    }

    /// The server has ended a socket.
    pub(crate) fn on_end(&mut self, now: Moment, lane: Lane, client: &mut Client) {
        self.sockets[lane as usize] = None;
        match self.carrier() {
            Some(carrier) => carrier.on_lost(lane),
            None => client.on_lost(now),
        }
    }

    /// Sends what there is to send and gives the client what an adapter has for it; whether that
    /// was anything.
    ///
    /// # Errors
    ///
    /// A socket broke, or did not come to be, or the server did what it must not.
    pub(crate) fn exchange(
        &mut self,
        now: Moment,
        port: &Port<'_>,
        client: &mut Client,
    ) -> Result<bool, String> {
        if self.classic.is_some() {
            return self.listen(now, client);
        }
        let Some(adapter) = &mut self.adapter else {
            if let Some(socket) = self.connected(FIRST) {
                client.fill(&mut socket.outgoing);
                socket.write().map_err(|error| error.to_string())?;
            }
            return Ok(false);
        };
        let mut bytes = Vec::new();
        client.fill(&mut bytes);
        if !bytes.is_empty() && !adapter.write(&bytes) {
            let socket = self.sockets[FIRST as usize].as_mut();
            socket.expect("it was there to be written to").outgoing.append(&mut bytes);
        }
        for lane in Lane::ALL {
            self.send(now, lane, port).map_err(|error| error.to_string())?;
        }
        let Some(adapter) = &mut self.adapter else { return Ok(false) };
        bytes.clear();
        adapter.read(&mut bytes);
        client.on_bytes(now, &mut bytes);
        match adapter.end() {
            None => Ok(!bytes.is_empty()),
            Some(End::Violation(what)) => Err(what.clone()),
            Some(End::Orderly | End::Lost) => {
                self.hang_up();
                client.on_lost(now);
                Ok(true)
            }
        }
    }

    /// What [`Line::exchange`] is for a classic WebSocket.
    fn listen(&mut self, now: Moment, client: &mut Client) -> Result<bool, String> {
        if let Some(what) = self.broken.take() {
            return Err(what);
        }
        let Some(classic) = &mut self.classic else { return Ok(false) };
        let mut bytes = Vec::new();
        client.fill(&mut bytes);
        classic.write(&mut bytes);
        bytes.clear();
        classic.read(&mut bytes);
        let mut outgoing = Vec::new();
        classic.fill(&mut outgoing);
        if let Some(socket) = self.connected(FIRST) {
            socket.outgoing.append(&mut outgoing);
            socket.write().map_err(|error| error.to_string())?;
        }
        client.on_bytes(now, &mut bytes);
        Ok(!bytes.is_empty())
    }

    /// Closes everything.
    pub(crate) fn hang_up(&mut self) {
        *self = Self::new(self.way, self.mount.take());
    }

    /// When [`Line::on_time`] has to be called at the latest.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.adapter.as_ref()?.carrier()?.deadline()
    }

    /// Time has passed.
    pub(crate) fn on_time(&mut self, now: Moment) {
        if let Some(carrier) = self.carrier() {
            carrier.on_time(now);
        }
    }

    /// How many bytes the kernel has not taken yet.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.sockets.iter().flatten().map(Socket::waiting_bytes).sum()
    }

    fn carrier(&mut self) -> Option<&mut Carrier> {
        self.adapter.as_mut()?.carrier_mut()
    }

    /// Opens the socket of a lane if there is something to ask on it, and writes what there is.
    fn send(&mut self, now: Moment, lane: Lane, port: &Port<'_>) -> io::Result<()> {
        let socket = &mut self.sockets[lane as usize];
        let carrier = self.adapter.as_mut().and_then(|adapter| adapter.carrier_mut());
        if let Some(carrier) = &carrier
            && socket.is_none()
            && carrier.wants_socket(lane)
        {
            *socket = Some(port.open(lane)?);
        }
        let Some(socket) = socket.as_mut().filter(|socket| socket.is_connected) else {
            return Ok(());
        };
        if let Some(carrier) = carrier {
            carrier.fill(now, lane, &mut socket.outgoing);
        }
        socket.write()
    }
}

impl Port<'_> {
    fn open(&self, lane: Lane) -> io::Result<Socket> {
        let token = Token(self.index * FILES_MAX as usize + lane as usize);
        Socket::open(self.route, self.index, self.registry, token)
    }
}

/// The index of a connection and its lane, by the token of a socket.
pub(crate) fn lane_of(token: Token) -> (usize, Lane) {
    let Token(number) = token;
    let sockets = FILES_MAX as usize;
    (number / sockets, Lane::ALL[number % sockets])
}

/// Sockets that a line has at most.
pub(crate) const FILES_MAX: u32 = 2;
/// A negotiation goes where POSTs go later.
const FIRST: Lane = Lane::Send;
