//! Event streams: sockets whose answer does not end while their connection lives (§2.3).

use super::Engine;
use crate::base::{ConnectionKey, SocketKey};
use crate::hub::InputEnd;
use crate::protocol::event_stream;
use crate::protocol::http::{Request, Response, write_chunk};
use crate::transport::{EventStreamStage, Framing, HttpStage, SocketStage, Stage, Transport};

impl Engine {
    /// An event stream for a connection that nothing carries yet.
    pub(super) fn open_stream(
        &mut self,
        socket_key: SocketKey,
        key: ConnectionKey,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) {
        self.carry(key, Transport::ServerSentEvents, http, request);
        let reply_to = self.reply_to(request);
        let response = Response::new(200)
            .content_type("text/event-stream")
            .header("Cache-Control", "no-cache,no-store")
            .header("Pragma", "no-cache")
            .header("Content-Encoding", "identity")
            .with(&http.headers)
            .streaming();
        let reusable = !response.closes(reply_to);
        if let Some(connection) = self.registry.get_mut(key) {
            let chunks = reply_to.uses_chunks();
            connection.framing = if chunks { Framing::EventChunk } else { Framing::Event };
            connection.socket = Some(socket_key);
            // Answers to earlier requests of this socket leave first.
            connection.outbox = std::mem::take(&mut http.outbox);
        }
        self.registry.control(key, |out| {
            response.write_head(out, reply_to);
            // Browsers tell the page that the stream is open at its first bytes (COR-044).
            if reply_to.uses_chunks() {
                write_chunk(out, event_stream::OPENING);
            } else {
                out.extend_from_slice(event_stream::OPENING);
            }
        });
        self.begin_stream(socket_key, EventStreamStage { connection: key, reusable });
        self.begin(key);
    }

    /// A socket carries a stream from now on. It is read, so that its end is seen, though it may
    /// have waited for the answer to an earlier request.
    pub(super) fn begin_stream(&mut self, key: SocketKey, stage: EventStreamStage) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.stage = SocketStage::EventStream(stage);
        }
        self.read_on(key);
    }

    /// What comes on an event stream is read, so that its end is seen, and means nothing.
    pub(super) fn on_stream_input(&mut self, key: SocketKey, bytes: &[u8]) {
        if let Some(socket) = self.sockets.get_mut(key)
            && let SocketStage::EventStream(stage) = &mut socket.stage
            && !bytes.is_empty()
        {
            // Where the next request would begin is not known any more.
            stage.reusable = false;
        }
    }

    /// The client has dropped its event stream (COR-048).
    pub(super) fn on_stream_lost(&mut self, socket_key: SocketKey) {
        let Some(socket) = self.sockets.get(socket_key) else { return };
        let SocketStage::EventStream(stage) = &socket.stage else { return };
        let key = stage.connection;
        let Some(connection) = self.registry.get(key) else { return };
        if connection.stage == Stage::Closing {
            self.registry.mark(key);
            return;
        }
        if connection.is_resumable() {
            // The socket is lost, and the connection with it is not.
            self.close_socket(socket_key, false);
            return;
        }
        let world = connection.world as usize;
        self.apps[world].borrow_mut().input_ended(&mut self.registry, key, InputEnd::Lost);
    }

    pub(super) fn flush_stream(&mut self, key: ConnectionKey, socket_key: SocketKey) {
        if self.send_next(key, socket_key) {
            return;
        }
        let Some(connection) = self.registry.get(key) else { return };
        if (connection.departed || connection.is_answered) && connection.outbox.is_empty() {
            self.end_stream(key, socket_key);
        }
    }

    /// Everything was sent, the last chunk too.
    fn end_stream(&mut self, key: ConnectionKey, socket_key: SocketKey) {
        let is_cut = self.registry.get(key).is_some_and(|connection| connection.cut);
        let Some(socket) = self.sockets.get_mut(socket_key) else { return };
        let SocketStage::EventStream(stage) = &socket.stage else { return };
        let reusable = stage.reusable && self.drain.is_none();
        if socket.finished || is_cut {
            let reset = !socket.finished;
            self.close_socket(socket_key, reset);
            return;
        }
        let now = self.registry.now;
        let stage = HttpStage { since: now, closing: !reusable, ..HttpStage::default() };
        socket.stage = SocketStage::Http(Box::new(stage));
        self.part(key);
        self.touch_http(socket_key);
    }
}
