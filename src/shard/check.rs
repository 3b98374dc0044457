//! Whether sockets and connections agree: for the simulator, after every step.

use super::Engine;
use crate::base::{ConnectionKey, SocketKey};
use crate::transport::{Pending, SocketStage, Stage};

impl Engine {
    /// The first disagreement between the tables.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.registry.check()?;
        self.apps.iter().try_for_each(|app| app.borrow().check(&self.registry))?;
        for (key, socket) in self.sockets.iter() {
            let knows = match &socket.stage {
                SocketStage::WebSocket(websocket) => self.carries(key, websocket.connection),
                SocketStage::EventStream(stream) => self.carries(key, stream.connection),
                SocketStage::Http(http) => match http.pending {
                    None => true,
                    Some(Pending::Answer { connection }) => self.carries(key, connection),
                    Some(Pending::Poll { connection, .. }) => {
                        self.registry.get(connection).is_some_and(|known| known.poll == Some(key))
                    }
                    Some(Pending::Post { connection, .. }) => self
                        .registry
                        .get(connection)
                        .is_some_and(|known| known.posts.contains(&key)),
                    Some(Pending::Call { number, .. }) => self.registry.is_asked(number),
                    Some(Pending::Start { connection, .. }) => {
                        let known = self.registry.get(connection);
                        let classic = known.and_then(|known| known.classic.as_deref());
                        classic.is_some_and(|classic| classic.starts.contains(&key))
                    }
                    Some(Pending::Exchange { task, .. }) => self.exchanges.contains(task),
                },
                SocketStage::Farewell(_) | SocketStage::Lingering(_) | SocketStage::Closing => true,
            };
            if !knows {
                return Err(format!("{key:?} carries a connection that does not know it"));
            }
        }
        for (key, connection) in self.registry.iter() {
            if let Some(socket) = connection.socket
                && self.sockets.get(socket).is_none()
            {
                return Err(format!("{key:?} is on a socket that is gone"));
            }
            let is_leaving = connection.stage == Stage::Closing && !connection.departed;
            let may_be_alone = connection.polls()
                || connection.classic.is_some()
                || connection.stage == Stage::Negotiated
                || connection.is_parked()
                || is_leaving;
            if connection.socket.is_none() && !may_be_alone {
                return Err(format!("{key:?} has no socket"));
            }
            self.check_progress(key)?;
        }
        Ok(())
    }

    fn carries(&self, socket: SocketKey, key: ConnectionKey) -> bool {
        self.registry.get(key).is_some_and(|connection| connection.socket == Some(socket))
    }

    /// At the end of a turn, whatever waits is with the driver, and who is not read is not read
    /// for a reason.
    fn check_progress(&self, key: ConnectionKey) -> Result<(), String> {
        let Some(connection) = self.registry.get(key) else { return Ok(()) };
        if connection.dirty || connection.stage == Stage::Closing {
            return Ok(());
        }
        if connection.polls() {
            let is_owed = !connection.outbox.is_empty() && !connection.outbox.is_in_flight();
            return match connection.poll {
                Some(_) if is_owed => Err(format!("{key:?} has something to say and is polled")),
                _ => Ok(()),
            };
        }
        let Some(socket) = connection.socket.and_then(|socket| self.sockets.get(socket)) else {
            return Ok(());
        };
        if !connection.outbox.is_empty() && !connection.outbox.is_in_flight() {
            return Err(format!("{key:?} has something to send and nothing in flight"));
        }
        if matches!(socket.stage, SocketStage::EventStream(_)) {
            return if socket.paused { Err(format!("{key:?} is not read")) } else { Ok(()) };
        }
        let is_held = match &socket.stage {
            SocketStage::WebSocket(websocket) => websocket.held.is_some(),
            _ => false,
        };
        if socket.paused && connection.wants_input() && !is_held {
            return Err(format!("{key:?} is not read, though it wants input"));
        }
        if !socket.paused && (is_held || !connection.wants_input()) {
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
