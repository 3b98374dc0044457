//! Whether sockets and connections agree: for the simulator, after every step.

use super::Engine;
use crate::base::ConnectionKey;
use crate::transport::{SocketStage, Stage};

impl Engine {
    /// The first disagreement between the tables.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.registry.check()?;
        for (key, socket) in self.sockets.iter() {
            let SocketStage::WebSocket(websocket) = &socket.stage else { continue };
            let connection = self.registry.get(websocket.connection);
            if connection.is_none_or(|connection| connection.socket != Some(key)) {
                return Err(format!("{key:?} carries a connection that does not know it"));
            }
        }
        for (key, connection) in self.registry.iter() {
            if let Some(socket) = connection.socket
                && self.sockets.get(socket).is_none()
            {
                return Err(format!("{key:?} is on a socket that is gone"));
            }
            if connection.socket.is_none() && connection.stage != Stage::Negotiated {
                return Err(format!("{key:?} has no socket"));
            }
            self.check_progress(key)?;
        }
        Ok(())
    }

    /// At the end of a turn, whatever waits is with the driver, and who is not read is not read
    /// for a reason.
    fn check_progress(&self, key: ConnectionKey) -> Result<(), String> {
        let Some(connection) = self.registry.get(key) else { return Ok(()) };
        if connection.dirty || connection.stage == Stage::Closing {
            return Ok(());
        }
        let Some(socket) = connection.socket.and_then(|socket| self.sockets.get(socket)) else {
            return Ok(());
        };
        if !connection.outbox.is_empty() && !connection.outbox.is_in_flight() {
            return Err(format!("{key:?} has something to send and nothing in flight"));
        }
        if socket.paused && connection.wants_input() {
            return Err(format!("{key:?} is not read, though it wants input"));
        }
        if !socket.paused && !connection.wants_input() {
            return Err(format!("{key:?} is read, though it wants no input"));
        }
        if let SocketStage::WebSocket(websocket) = &socket.stage
            && websocket.pong.is_some()
            && !connection.outbox.is_in_flight()
        {
            return Err(format!("{key:?} owes a pong and sends nothing"));
        }
        Ok(())
    }
}
