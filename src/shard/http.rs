//! Sockets that speak HTTP: requests in order, answers in the same order.

use std::time::Duration;

use super::Engine;
use super::alarms::STALLED;
use super::attach::Answer;
use super::routes::Route;
use crate::base::{Checklist, Mistake, Moment, SocketKey};
use crate::hub::Closed;
use crate::io::Op;
use crate::protocol::http::{Limits, Method, Refused, ReplyTo, Request, Response, write_continue};
use crate::transport::{HttpStage, NEVER, OutboxLimits, Pending, SocketStage};

/// Limits and times of a shard below its endpoints.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// What a request may weigh.
    pub limits: Limits,
    /// How long a socket may be silent between requests (default 130 s, as Kestrel).
    pub idle_timeout: Duration,
    /// How long a request may take to come in (default 30 s), plus one second for every 240
    /// bytes that came (T-SLOW); then 408.
    pub request_timeout: Duration,
    /// How long a client that was refused may take to go away (default 5 s, T-KICK).
    pub linger_timeout: Duration,
    /// TCP connections of one shard at most (default: no limit but that of open files); one more
    /// is reset at once.
    pub sockets_max: usize,
    /// SignalR (and raw) connections of one shard at most (default 1 000 000); one more is
    /// answered with 503 (T-NEG).
    pub connections_max: usize,
    /// Bytes that the connections of one shard with stateful reconnect keep until their clients
    /// have acknowledged them (default 256 MiB). Above it, those end that keep more than an equal
    /// share.
    pub stateful_bytes_max: usize,
}

impl HttpOptions {
    /// Everything that is wrong with these options.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        checks.require_time("idle_timeout", self.idle_timeout);
        checks.require_time("request_timeout", self.request_timeout);
        checks.require_time("linger_timeout", self.linger_timeout);
        checks.require_some("sockets_max", self.sockets_max as u64);
        checks.require_some("connections_max", self.connections_max as u64);
        checks.require_some("line_bytes_max", self.limits.line_bytes_max as u64);
        checks.require_some("headers_bytes_max", self.limits.headers_bytes_max as u64);
        checks.require(
            (1..=Limits::HEADERS_MAX).contains(&self.limits.headers_max),
            "headers_max",
            self.limits.headers_max,
            format!("it must be 1 to {}", Limits::HEADERS_MAX),
        );
        checks.into_mistakes()
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            idle_timeout: Duration::from_secs(130),
            request_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(5),
            sockets_max: usize::MAX,
            connections_max: 1_000_000,
            stateful_bytes_max: 256 * 1024 * 1024,
        }
    }
}

impl Engine {
    pub(super) fn on_http(&mut self, key: SocketKey, bytes: &mut [u8]) {
        let Some(mut http) = self.take_http(key) else { return };
        if http.pending.is_some() || !http.backlog.is_empty() {
            http.backlog.extend_from_slice(bytes);
            self.give_http(key, http);
            return;
        }
        self.read_requests(key, http, bytes);
    }

    /// Answers requests until the input ends, the socket is upgraded, or the client has to read
    /// some answers first.
    fn read_requests(&mut self, key: SocketKey, mut http: Box<HttpStage>, bytes: &mut [u8]) {
        let now = self.registry.now;
        if http.request_bytes == 0 && !bytes.is_empty() {
            http.since = now;
        }
        http.request_bytes += bytes.len() as u64;
        let options = self.http.clone();
        let mut input = bytes;
        loop {
            if http.outbox.bytes() > ANSWER_BYTES_MAX && !input.is_empty() {
                http.backlog.extend_from_slice(input);
                break;
            }
            match http.reader.read(&mut input, &options.limits) {
                Ok(Some(mut request)) => {
                    http.since = now;
                    http.request_bytes = input.len() as u64;
                    match self.answer(key, &mut http, &mut request) {
                        Answer::Response(response) => {
                            let reply_to = self.reply_to(&request);
                            self.respond(&mut http, response, reply_to);
                            if http.closing {
                                break;
                            }
                        }
                        Answer::Upgraded => {
                            // What follows the request belongs to the new protocol (T-UPG).
                            self.on_received(key, input);
                            return;
                        }
                        Answer::Later => {
                            http.backlog.extend_from_slice(input);
                            break;
                        }
                    }
                }
                Ok(None) => {
                    if http.reader.take_continue() {
                        let mut bytes = Vec::new();
                        write_continue(&mut bytes);
                        http.outbox.append_control(&bytes, &mut self.registry.pool);
                    }
                    break;
                }
                Err(refused) => {
                    self.refuse(&mut http, refused);
                    break;
                }
            }
        }
        if http.reader.is_idle() && http.backlog.is_empty() {
            http.request_bytes = 0;
        }
        self.give_http(key, http);
    }

    fn refuse(&mut self, http: &mut HttpStage, refused: Refused) {
        tracing::debug!(status = refused.status, text = refused.text, "a request was refused");
        self.respond(http, refused.response(), ReplyTo::NOBODY);
    }

    /// Queues the answer to the present request, with the headers that were added to it.
    fn respond(&mut self, http: &mut HttpStage, response: Response<'_>, reply_to: ReplyTo) {
        let response = response.with(&http.headers);
        http.headers.clear();
        http.closing |= response.closes(reply_to);
        let pool = &mut self.registry.pool;
        let mut head = Vec::with_capacity(256);
        match response.shared(reply_to) {
            Some(shared) if shared.len() > COPIED_BODY_BYTES_MAX => {
                response.write_head(&mut head, reply_to);
                http.outbox.append_control(&head, pool);
                http.outbox.push_over(shared);
            }
            _ => {
                response.write(&mut head, reply_to);
                http.outbox.append_control(&head, pool);
            }
        }
    }

    fn answer(
        &mut self,
        key: SocketKey,
        http: &mut HttpStage,
        request: &mut Request<'_>,
    ) -> Answer {
        self.introduce(request);
        if let Some(response) = self.ask_before(http, request) {
            return Answer::Response(response);
        }
        let path = request.path().into_owned();
        let route = self.routes.find(&path);
        if let Some(mount) = route.as_ref().and_then(Route::mount)
            && let Err(response) = self.admit_request(mount, http, request)
        {
            return Answer::Response(response);
        }
        match route {
            Some(Route::Negotiate(mount)) => {
                Answer::Response(self.negotiate(&mount, request, http.identity.take()))
            }
            Some(Route::Redirect) => Answer::Response(self.redirect_only(request)),
            Some(Route::Hub(mount)) => self.hub_request(&mount, key, http, request),
            Some(Route::WebSocket(mount, otherwise)) => {
                self.websocket_request(&mount, otherwise, key, http, request)
            }
            Some(Route::Classic(mount, rest)) => {
                self.classic_request(&mount, &rest, key, http, request)
            }
            Some(Route::Http(index)) => self.handle(index, key, http, request),
            // `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7).
            None if request.method() == Method::Options && path == "*" => {
                Answer::Response(Response::new(204))
            }
            None => Answer::Response(Response::text(404, "Not Found")),
        }
    }

    /// The client sends no more requests; those that came are still answered.
    pub(super) fn on_http_finished(&mut self, key: SocketKey) {
        let Some(mut http) = self.take_http(key) else { return };
        if matches!(
            http.pending,
            Some(
                Pending::Poll { .. }
                    | Pending::Call { .. }
                    | Pending::Start { .. }
                    | Pending::Exchange { .. }
            )
        ) {
            // Who gives up a request that waits does so by ending its socket (§2.4).
            self.put_http(key, http);
            self.close_socket(key, false);
            return;
        }
        http.closing = true;
        self.give_http(key, http);
    }

    /// A batch of answers was sent: there may be room for more.
    pub(super) fn on_http_sent(&mut self, key: SocketKey) {
        let Some(mut http) = self.take_http(key) else { return };
        if let Some(Pending::Answer { connection }) = http.pending
            && http.outbox.is_empty()
        {
            http.pending = None;
            http.since = self.registry.now;
            self.on_answered(connection);
        }
        self.put_http(key, http);
        self.read_backlog(key);
    }

    /// Reads the requests that had to wait, if they need not any more.
    pub(super) fn read_backlog(&mut self, key: SocketKey) {
        let Some(mut http) = self.take_http(key) else { return };
        let has_room = http.outbox.bytes() <= ANSWER_BYTES_MAX && http.pending.is_none();
        if has_room && !http.backlog.is_empty() && !http.closing {
            let mut backlog = std::mem::take(&mut http.backlog);
            self.read_requests(key, http, &mut backlog);
        } else {
            self.give_http(key, http);
        }
    }

    /// Answers a request that had to wait. What is behind it is read later: other requests may be
    /// in the middle of being answered.
    pub(super) fn answer_pending(
        &mut self,
        key: SocketKey,
        mut http: Box<HttpStage>,
        response: Response<'_>,
        reply_to: ReplyTo,
    ) {
        let reply_to = self.while_draining(reply_to);
        http.pending = None;
        http.since = self.registry.now;
        self.respond(&mut http, response, reply_to);
        if !http.backlog.is_empty() {
            self.resumed.push(key);
        }
        self.give_http(key, http);
    }

    /// How a request is answered: during a drain it is the last of its socket.
    pub(super) fn reply_to(&self, request: &Request<'_>) -> ReplyTo {
        self.while_draining(request.reply_to())
    }

    pub(super) fn while_draining(&self, mut reply_to: ReplyTo) -> ReplyTo {
        reply_to.keep_alive &= self.drain.is_none();
        reply_to
    }

    /// How long an answer may make no progress.
    fn stall_timeout(&self, http: &HttpStage) -> Duration {
        match http.pending {
            Some(Pending::Answer { connection }) => self.registry.get(connection),
            _ => None,
        }
        .map_or(OutboxLimits::default().stall_timeout, |connection| {
            connection.options.outbox.stall_timeout
        })
    }

    pub(super) fn on_http_alarm(&mut self, key: SocketKey) {
        let now = self.registry.now;
        let Some(mut http) = self.take_http(key) else { return };
        let stalled = http
            .outbox
            .in_flight_since()
            .is_some_and(|since| since + self.stall_timeout(&http) <= now);
        if stalled {
            let polling = match http.pending {
                Some(Pending::Answer { connection }) => Some(connection),
                _ => None,
            };
            self.put_http(key, http);
            self.close_socket(key, true);
            if let Some(connection) = polling {
                self.registry.end(connection, Closed::TooSlow(STALLED));
            }
            return;
        }
        let is_idle = http.outbox.is_empty() && http.pending.is_none();
        if self.http_deadline(&http) <= now && is_idle && !http.closing {
            if http.request_bytes > 0 {
                let late = Response::text(408, "The request took too long.").closing();
                self.respond(&mut http, late, ReplyTo::NOBODY);
            }
            http.closing = true;
        }
        self.give_http(key, http);
    }

    /// Sends the answers of this turn, and ends sockets that have nothing left to say.
    pub(super) fn flush_http(&mut self) {
        let now = self.registry.now;
        let mut dirty = std::mem::take(&mut self.dirty_sockets);
        for key in dirty.drain(..) {
            let Some(mut http) = self.take_http(key) else { continue };
            http.dirty = false;
            let registry = &mut self.registry;
            let batch = http.outbox.take(now, &mut registry.joiner, &mut registry.pool);
            let closing = http.closing && http.outbox.is_empty() && http.pending.is_none();
            let pause = !http.backlog.is_empty();
            // While an answer is on its way its progress counts, and no deadline of a request: that
            // may be past, and would wake the shard again and again.
            let deadline = match http.outbox.in_flight_since() {
                Some(since) => since + self.stall_timeout(&http),
                // Its connection looks after it.
                None if http.pending.is_some() => NEVER,
                None => self.http_deadline(&http),
            };
            self.put_http(key, http);
            if let Some(batch) = batch {
                self.ops.push(Op::Send { socket: key, batch });
            } else if closing {
                self.linger(key);
                continue;
            }
            self.arm_socket(key, deadline);
            if let Some(socket) = self.sockets.get_mut(key)
                && socket.paused != pause
            {
                socket.paused = pause;
                let op = if pause { Op::Pause { socket: key } } else { Op::Resume { socket: key } };
                self.ops.push(op);
            }
        }
        self.dirty_sockets = dirty;
    }

    /// Ends our direction and waits for theirs: closing at once would turn unread input into a
    /// reset, which can destroy the answer on its way (T-KICK).
    pub(super) fn linger(&mut self, key: SocketKey) {
        let until = self.registry.now + self.http.linger_timeout;
        let Some(socket) = self.sockets.get_mut(key) else { return };
        if socket.finished {
            self.close_socket(key, false);
            return;
        }
        socket.stage = SocketStage::Lingering(until);
        self.read_on(key);
        self.ops.push(Op::Shutdown { socket: key });
        self.arm_socket(key, until);
    }

    /// What a socket receives is read, if it was not.
    pub(super) fn read_on(&mut self, key: SocketKey) {
        if let Some(socket) = self.sockets.get_mut(key)
            && std::mem::take(&mut socket.paused)
        {
            self.ops.push(Op::Resume { socket: key });
        }
    }

    fn http_deadline(&self, http: &HttpStage) -> Moment {
        if http.request_bytes == 0 {
            return http.since + self.http.idle_timeout;
        }
        let earned = Duration::from_secs(http.request_bytes / BODY_BYTES_PER_SECOND_MIN);
        http.since + self.http.request_timeout + earned
    }

    /// Takes the HTTP state out of a socket while the engine is busy with it.
    pub(super) fn take_http(&mut self, key: SocketKey) -> Option<Box<HttpStage>> {
        match &mut self.sockets.get_mut(key)?.stage {
            SocketStage::Http(http) => Some(std::mem::take(http)),
            _ => None,
        }
    }

    /// Has what a socket is to send looked at in this turn.
    pub(super) fn touch_http(&mut self, key: SocketKey) {
        if let Some(http) = self.take_http(key) {
            self.give_http(key, http);
        }
    }

    /// Puts it back, and remembers that something may have to be sent.
    pub(super) fn give_http(&mut self, key: SocketKey, mut http: Box<HttpStage>) {
        if !std::mem::replace(&mut http.dirty, true) {
            self.dirty_sockets.push(key);
        }
        self.put_http(key, http);
    }

    pub(super) fn put_http(&mut self, key: SocketKey, http: Box<HttpStage>) {
        if let Some(socket) = self.sockets.get_mut(key)
            && let SocketStage::Http(place) = &mut socket.stage
        {
            *place = http;
        }
    }
}

/// Answers that may wait for a client before its next requests wait too.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A shared body up to this size is copied behind its head, so that both leave in one send.
const COPIED_BODY_BYTES_MAX: usize = 4 * 1024;

/// A request has to come in at this rate at least (T-SLOW, Kestrel's floor).
const BODY_BYTES_PER_SECOND_MIN: u64 = 240;
