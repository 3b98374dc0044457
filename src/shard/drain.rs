//! Going down in an orderly way: nobody new, everybody asked to come back elsewhere, spread over
//! time (D11).

use std::time::Duration;

use super::Engine;
use crate::base::{ConnectionKey, Moment, SocketKey};
use crate::hub::Closed;
use crate::io::Op;
use crate::transport::{SocketStage, Stage};

/// A drain that is under way.
#[derive(Debug)]
pub(super) struct Drain {
    left: Vec<ConnectionKey>,
    per_step: usize,
    next_step: Moment,
    /// When whoever is still here is cut.
    ends: Moment,
}

impl Engine {
    /// Stops accepting, and begins to send everybody away with a Close message that allows to
    /// reconnect (COR-119). Done when [`Engine::is_drained`]; after `limit` the rest is cut.
    pub(crate) fn begin_drain(&mut self, limit: Duration) {
        if self.drain.is_some() {
            return;
        }
        let now = self.registry.now;
        self.ops.push(Op::StopAccepting);
        // Nobody can be told who is not there.
        let parked = self.registry.iter().filter(|(_, connection)| connection.is_parked());
        for key in parked.map(|(key, _)| key).collect::<Vec<_>>() {
            self.registry.end(key, Closed::Drained);
        }
        let mut left: Vec<ConnectionKey> = self.registry.iter().map(|(key, _)| key).collect();
        // The last come last: taken from the end.
        left.reverse();
        let per_step = (left.len() / STEPS).max(CONNECTIONS_PER_STEP_MIN);
        tracing::info!(connections = left.len(), sockets = self.sockets.len(), "draining");
        self.drain = Some(Drain { left, per_step, next_step: now, ends: now + limit });
        let idle: Vec<SocketKey> = self
            .sockets
            .iter()
            .filter(|(_, socket)| match &socket.stage {
                SocketStage::Http(http) => {
                    http.request_bytes == 0 && http.outbox.is_empty() && http.pending.is_none()
                }
                _ => false,
            })
            .map(|(key, _)| key)
            .collect();
        for key in idle {
            self.linger(key);
        }
    }

    /// Whether a drain has ended: no socket is left.
    pub(crate) fn is_drained(&self) -> bool {
        self.drain.is_some() && self.sockets.is_empty()
    }

    pub(super) fn drain_deadline(&self) -> Option<Moment> {
        let drain = self.drain.as_ref()?;
        Some(if drain.left.is_empty() { drain.ends } else { drain.next_step.min(drain.ends) })
    }

    pub(super) fn advance_drain(&mut self) {
        let now = self.registry.now;
        let Some(mut drain) = self.drain.take() else { return };
        if drain.next_step <= now {
            drain.next_step = now + STEP;
            for _ in 0..drain.per_step {
                let Some(key) = drain.left.pop() else { break };
                self.send_away(key);
            }
        }
        if drain.ends <= now {
            drain.ends = now + STEP;
            let rest: Vec<SocketKey> = self.sockets.iter().map(|(key, _)| key).collect();
            for key in rest {
                self.close_socket(key, true);
            }
        }
        self.drain = Some(drain);
    }

    fn send_away(&mut self, key: ConnectionKey) {
        match self.registry.get(key).map(|connection| connection.stage) {
            Some(Stage::Negotiated) => {
                self.registry.leave(key);
                self.forget(key);
            }
            Some(Stage::Handshaking | Stage::Open) => self.registry.end(key, Closed::Drained),
            Some(Stage::Closing) | None => {}
        }
    }
}

/// Time between two steps of a drain.
const STEP: Duration = Duration::from_millis(100);

/// A large number of connections is sent away in this many steps: 1 % each, so 10 % a second.
const STEPS: usize = 100;

/// A step takes at least this many, so that few connections do not take 10 s.
const CONNECTIONS_PER_STEP_MIN: usize = 10;
