//! The client's end of a simulated connection.

use super::SimNet;
use super::wire::{Side, Wire};
use crate::base::{Moment, SocketKey};
use std::net::SocketAddr;

/// The client's end. Nothing here waits; dropping it closes the connection.
#[derive(Debug)]
pub struct SimPeer {
    net: SimNet,
    wire: SocketKey,
}

/// What a read of a client found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// The server sends no more.
    End,
    /// The connection broke.
    Broken,
}

impl SimPeer {
    pub(super) fn new(net: SimNet, wire: SocketKey) -> Self {
        Self { net, wire }
    }

    /// Our address.
    pub fn addr(&self) -> SocketAddr {
        self.with(|wire| wire.peer)
    }

    /// Writes what the window takes; how much that was. Zero also after the connection broke or
    /// our direction ended: [`SimPeer::is_writable`] tells the difference.
    pub fn write(&self, bytes: &[u8]) -> usize {
        self.with(|wire| {
            if wire.broken.is_some() || wire.client_fin { 0 } else { wire.write_client(bytes) }
        })
    }

    /// Whether a write may take something, now or later.
    pub fn is_writable(&self) -> bool {
        self.with(|wire| wire.broken.is_none() && !wire.client_fin)
    }

    /// Appends at most `max` bytes to `into`.
    pub fn read(&self, max: usize, into: &mut Vec<u8>) -> Read {
        self.with(|wire| match wire.read_client(max, into) {
            0 if wire.unread_client() > 0 || wire.vanished => Read::Nothing,
            0 if wire.broken.is_some() => Read::Broken,
            0 if wire.server_fin => Read::End,
            0 => Read::Nothing,
            count => Read::Bytes(count),
        })
    }

    /// Bytes that wait to be read.
    pub fn unread(&self) -> usize {
        self.with(|wire| wire.unread_client())
    }

    /// Bytes that we wrote and the server has not received.
    pub fn unreceived(&self) -> usize {
        self.with(|wire| wire.unread_server())
    }

    /// Ends our direction (FIN).
    pub fn shutdown(&self) {
        self.with(|wire| wire.client_fin |= !wire.vanished);
    }

    /// Breaks the connection.
    pub fn reset(&self) {
        self.with(|wire| {
            if !wire.vanished {
                wire.reset();
            }
        });
    }

    /// Is no more, and tells nobody: nothing passes in either direction from now on.
    pub fn vanish(&self) {
        self.with(|wire| wire.vanished = true);
    }

    /// Takes nothing until `until`, as a client does that reads nothing with a full window.
    pub fn shut_window(&self, until: Moment) {
        self.with(|wire| wire.window_shut_until = until);
    }

    /// Closes both directions; with unread bytes the server sees a reset.
    pub fn close(self) {}

    fn with<T>(&self, use_wire: impl FnOnce(&mut Wire) -> T) -> T {
        let mut net = self.net.lock();
        use_wire(net.wires.get_mut(self.wire).expect("a wire lives as long as either end"))
    }
}

impl Drop for SimPeer {
    fn drop(&mut self) {
        self.net.lock().close(self.wire, Side::Client, false);
    }
}
