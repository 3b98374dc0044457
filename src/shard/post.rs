//! What clients of event streams and long polling send (§1.5).

use super::Engine;
use super::attach::{Answer, ended};
use crate::base::{ConnectionKey, SocketKey};
use crate::hub::Piece;
use crate::protocol::http::{Request, Response};
use crate::protocol::websocket::Kind;
use crate::transport::{HttpStage, Pending, Stage, Transport};

impl Engine {
    /// Bytes for a connection. They are answered when it has taken them; while it has too many
    /// already, or others wait, they wait too.
    pub(super) fn post(
        &mut self,
        key: ConnectionKey,
        socket: SocketKey,
        http: &mut HttpStage,
        request: &mut Request<'_>,
    ) -> Answer {
        let Some(connection) = self.registry.get_mut(key) else {
            return Answer::Response(ended());
        };
        if connection.transport == Some(Transport::WebSockets) {
            let text = "POST requests are not allowed for WebSocket connections.";
            return Answer::Response(Response::text(405, text));
        }
        if connection.stage == Stage::Closing {
            return Answer::Response(ended());
        }
        if connection.wants_input() && connection.posts.is_empty() {
            self.take_in(key, request.body_mut());
            return Answer::Response(accepted());
        }
        connection.posts.push_back(socket);
        let body = request.body().to_vec();
        let reply_to = self.reply_to(request);
        http.pending = Some(Pending::Post { connection: key, reply_to, body });
        Answer::Later
    }

    /// Lets POSTs go on whose connection has room again.
    pub(super) fn admit_posts(&mut self, key: ConnectionKey) {
        while let Some(connection) = self.registry.get_mut(key)
            && connection.stage != Stage::Closing
            && connection.wants_input()
            && let Some(socket) = connection.posts.pop_front()
        {
            let Some(mut http) = self.take_http(socket) else { continue };
            let Some(Pending::Post { body, reply_to, .. }) = &mut http.pending else {
                self.put_http(socket, http);
                continue;
            };
            let (mut body, reply_to) = (std::mem::take(body), *reply_to);
            self.take_in(key, &mut body);
            self.answer_pending(socket, http, accepted(), reply_to);
        }
    }

    /// Refuses the POSTs that wait for a connection which has ended.
    pub(super) fn refuse_posts(&mut self, key: ConnectionKey) {
        while let Some(connection) = self.registry.get_mut(key)
            && let Some(socket) = connection.posts.pop_front()
        {
            let Some(http) = self.take_http(socket) else { continue };
            match http.pending {
                Some(Pending::Post { reply_to, .. }) => {
                    self.answer_pending(socket, http, ended(), reply_to);
                }
                _ => self.put_http(socket, http),
            }
        }
    }

    fn take_in(&mut self, key: ConnectionKey, bytes: &mut [u8]) {
        let Some(connection) = self.registry.get_mut(key) else { return };
        if connection.transport.is_none() {
            // The hub does not know of it yet (COR-027).
            connection.backlog.extend_from_slice(bytes);
            return;
        }
        let world = connection.world as usize;
        let piece = Piece { kind: Kind::Binary, bytes, last: true };
        self.apps[world].borrow_mut().received(&mut self.registry, key, piece);
    }
}

/// Clients of some languages parse whatever the body of this is, so there is none (COR-025).
fn accepted() -> Response<'static> {
    Response::text(200, "")
}
