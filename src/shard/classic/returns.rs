//! Answers to requests that had to wait: for a hub method, or for `OnConnected`.

use super::{answer, start_failed};
use crate::base::{ConnectionKey, SocketKey};
use crate::protocol::classic::STARTED;
use crate::shard::Engine;
use crate::transport::{Pending, Start};

impl Engine {
    /// Answers the calls that have ended.
    pub(in crate::shard) fn return_calls(&mut self) {
        for returned in self.registry.take_returned() {
            let Some(mut http) = self.take_http(returned.socket) else { continue };
            match http.pending.take() {
                Some(Pending::Call { callback, reply_to, .. }) => {
                    let response = answer(returned.body, callback.as_deref());
                    self.answer_pending(returned.socket, http, response, reply_to);
                }
                other => {
                    http.pending = other;
                    self.put_http(returned.socket, http);
                }
            }
        }
    }

    /// Answers those who wait for the beginning of a connection, if that is over.
    pub(in crate::shard) fn return_starts(&mut self, key: ConnectionKey) {
        let classic = self.registry.get_mut(key).and_then(|known| known.classic.as_mut());
        let Some(classic) = classic else { return };
        let is_well = match classic.start {
            Start::Done => true,
            Start::Failed => false,
            Start::Not | Start::Running(_) => return,
        };
        let sockets = std::mem::take(&mut classic.starts);
        for socket in sockets {
            self.return_start(socket, is_well);
        }
    }

    /// The connection has ended: nobody waits for its beginning any more.
    pub(in crate::shard) fn refuse_starts(&mut self, key: ConnectionKey) {
        let classic = self.registry.get_mut(key).and_then(|known| known.classic.as_mut());
        let sockets = classic.map(|classic| std::mem::take(&mut classic.starts));
        for socket in sockets.unwrap_or_default() {
            self.return_start(socket, false);
        }
    }

    fn return_start(&mut self, socket: SocketKey, is_well: bool) {
        let Some(mut http) = self.take_http(socket) else { return };
        match http.pending.take() {
            Some(Pending::Start { callback, reply_to, .. }) => {
                let response = if is_well {
                    answer(STARTED.to_vec(), callback.as_deref())
                } else {
                    start_failed()
                };
                self.answer_pending(socket, http, response, reply_to);
            }
            other => {
                http.pending = other;
                self.put_http(socket, http);
            }
        }
    }
}
