//! Long polling: requests that wait until there is something to say (§2.4).
//!
//! A connection has at most one poll that waits (`Connection::poll`) and one answer on its way
//! (`Connection::socket`). What is in an answer stays in the outbox until all of it was sent, so
//! that a poll which breaks loses nothing (COR-059).

use super::Engine;
use super::attach::{Answer, ended, uncached};
use crate::base::{ConnectionKey, SocketKey};
use crate::hub::InputEnd;
use crate::protocol::http::{ReplyTo, Request, Response};
use crate::transport::{Framing, HttpStage, Pending, Stage, Transport};

impl Engine {
    /// A poll of a connection that is carried by nothing yet, or by long polling.
    pub(super) fn poll(
        &mut self,
        socket: SocketKey,
        key: ConnectionKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Answer {
        let now = self.registry.now;
        let Some(connection) = self.registry.get_mut(key) else {
            return Answer::Response(uncached(ended()));
        };
        if connection.transport.is_none() {
            // The first is answered at once and empty: clients throw its body away (COR-050).
            connection.framing = Framing::Plain;
            self.carry(key, Transport::LongPolling, http, request);
            self.begin(key);
            if let Some(connection) = self.registry.get_mut(key) {
                connection.time_polls(now);
            }
            return Answer::Response(uncached(
                Response::new(200).content_type("application/octet-stream"),
            ));
        }
        self.prolong(key, http.identity.take());
        let Some(connection) = self.registry.get_mut(key) else {
            return Answer::Response(uncached(ended()));
        };
        let older = connection.poll.replace(socket);
        connection.time_polls(now);
        http.pending = Some(Pending::Poll { connection: key, reply_to: self.reply_to(request) });
        self.registry.mark(key);
        if let Some(older) = older {
            // The newest poll wins (COR-053).
            self.answer_poll(older, no_content());
        }
        Answer::Later
    }

    /// DELETE ends a connection over long polling, and no other (§1.6).
    pub(super) fn delete(&mut self, key: ConnectionKey) -> Answer {
        let Some(connection) = self.registry.get(key).filter(|connection| connection.polls())
        else {
            let text = "Cannot terminate this connection using the DELETE endpoint.";
            return Answer::Response(Response::text(400, text));
        };
        let world = connection.world as usize;
        if connection.stage != Stage::Closing {
            let end = InputEnd::Closed { code: None, reason: "" };
            self.apps[world].borrow_mut().input_ended(&mut self.registry, key, end);
        }
        // Nobody comes for last words any more; a poll that waits still gets them.
        if let Some(connection) = self.registry.get_mut(key) {
            connection.cut = true;
            if connection.departed {
                self.registry.hide(key);
                self.forget_unless_carried(key);
            }
        }
        Answer::Response(Response::text(202, ""))
    }

    /// The waiting poll is late, or the next one did not come.
    pub(super) fn on_poll_alarm(&mut self, key: ConnectionKey) {
        let now = self.registry.now;
        let Some(connection) = self.registry.get_mut(key) else { return };
        if let Some(socket) = connection.poll.take() {
            connection.time_polls(now);
            self.answer_poll(socket, uncached(Response::text(200, "")));
        } else {
            let world = connection.world as usize;
            self.apps[world].borrow_mut().input_ended(&mut self.registry, key, InputEnd::Lost);
        }
    }

    /// Answers the waiting poll, if there is something to say.
    pub(super) fn flush_poll(&mut self, key: ConnectionKey) {
        let now = self.registry.now;
        let Some(connection) = self.registry.get_mut(key) else { return };
        let Some(socket_key) = connection.poll else { return };
        if connection.outbox.is_in_flight() {
            // One answer at a time: a broken one has to be told again by the next.
            return;
        }
        if connection.outbox.is_empty() {
            if connection.departed {
                connection.poll = None;
                connection.cut = true;
                let last = if connection.failed { failed() } else { no_content() };
                self.answer_poll(socket_key, last);
                self.registry.hide(key);
                self.forget_unless_carried(key);
            }
            return;
        }
        connection.poll = None;
        let Some(mut http) = self.take_http(socket_key) else { return };
        let Some(reply_to) = poll_of(&http) else {
            self.put_http(socket_key, http);
            return;
        };
        let Some(connection) = self.registry.get_mut(key) else { return };
        connection.socket = Some(socket_key);
        connection.time_polls(now);
        let length = connection.outbox.bytes();
        http.pending = Some(Pending::Answer { connection: key });
        let response = uncached(
            Response::new(200).content_type("application/octet-stream").body_elsewhere(length),
        )
        .with(&http.headers);
        http.headers.clear();
        let reply_to = self.while_draining(reply_to);
        http.closing |= response.closes(reply_to);
        let mut head = Vec::with_capacity(256);
        response.write_head(&mut head, reply_to);
        if let Some((connection, pool, _)) = self.registry.connection_and_buffers(key) {
            http.outbox.append_control(&head, pool);
            for frame in connection.outbox.take_all(now) {
                http.outbox.push_over(frame);
            }
        }
        self.give_http(socket_key, http);
        self.arm_connection(key);
    }

    /// An answer to a poll was sent, all of it.
    pub(super) fn on_answered(&mut self, key: ConnectionKey) {
        let now = self.registry.now;
        self.registry.on_sent(key);
        let Some(connection) = self.registry.get_mut(key) else { return };
        connection.socket = None;
        connection.time_polls(now);
        self.registry.mark(key);
        self.forget_unless_carried(key);
    }

    /// The socket of a request without an answer is gone. Nothing that it was to get is lost.
    pub(super) fn on_pending_lost(&mut self, socket: SocketKey, pending: &Pending) {
        let now = self.registry.now;
        let key = match *pending {
            Pending::Poll { connection, .. }
            | Pending::Answer { connection }
            | Pending::Post { connection, .. }
            | Pending::Start { connection, .. } => connection,
            Pending::Call { number, .. } => return self.registry.give_up_reply(number),
            Pending::Exchange { task, .. } => return self.exchanges.give_up(task),
        };
        let Some(connection) = self.registry.get_mut(key) else { return };
        match pending {
            Pending::Poll { .. } => connection.poll = None,
            Pending::Answer { .. } => {
                connection.outbox.put_back();
                connection.socket = None;
            }
            Pending::Post { .. } => {
                connection.posts.retain(|waiting| *waiting != socket);
                return;
            }
            Pending::Start { .. } => {
                if let Some(classic) = &mut connection.classic {
                    classic.starts.retain(|waiting| *waiting != socket);
                }
                return;
            }
            Pending::Call { .. } | Pending::Exchange { .. } => return,
        }
        connection.time_polls(now);
        self.registry.mark(key);
        self.forget_unless_carried(key);
    }

    /// Answers the poll that waits on a socket, with a response that has all of its body.
    pub(super) fn answer_poll(&mut self, socket: SocketKey, response: Response<'static>) {
        let Some(http) = self.take_http(socket) else { return };
        match poll_of(&http) {
            Some(reply_to) => self.answer_pending(socket, http, response, reply_to),
            None => self.put_http(socket, http),
        }
    }

    /// Forgets a connection of which nobody will hear any more.
    pub(super) fn forget_unless_carried(&mut self, key: ConnectionKey) {
        let Some(connection) = self.registry.get(key) else { return };
        let is_carried = connection.socket.is_some() || connection.poll.is_some();
        if connection.departed && !is_carried && !connection.awaits_farewell() {
            self.forget(key);
        }
    }
}

/// What a poll is told that a newer one, or the end of its connection, has made pointless.
fn no_content() -> Response<'static> {
    uncached(Response::new(204).content_type("text/plain"))
}

/// What the last poll of a connection is told that ended with an error of the server.
fn failed() -> Response<'static> {
    uncached(Response::text(500, ""))
}

fn poll_of(http: &HttpStage) -> Option<ReplyTo> {
    match http.pending {
        Some(Pending::Poll { reply_to, .. }) => Some(reply_to),
        _ => None,
    }
}
