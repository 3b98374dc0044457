//! A client that polls for ever.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::http::{Chunk, Exchange, Request, Shared};
use super::json::Json;

/// What it asks, again and again.
pub(crate) struct Polls {
    pub(crate) first: Request,
    /// What it asks after the first answer, if that is something else. Such a poll tells the last
    /// cursor and the last proof of groups that have come.
    pub(crate) then: Option<Request>,
}

/// A client that stops when it is told so.
pub(crate) struct Loop {
    /// Chunks are the answers.
    pub(crate) shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
}

impl Loop {
    /// Polls in a thread of its own.
    pub(crate) fn start(server: SocketAddr, polls: Polls) -> Self {
        let (shared, stop) = (Arc::<Shared>::default(), Arc::<AtomicBool>::default());
        let (told, ended) = (shared.clone(), stop.clone());
        std::thread::spawn(move || {
            let how = polls.run(server, &told, &ended);
            told.end(&how);
        });
        Self { shared, stop }
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.shared.update(|received| received.closed = true);
        self.shared.wait(Duration::from_secs(1), |received| received.ended.is_some());
    }
}

impl Polls {
    /// Polls until something goes wrong; says what.
    fn run(self, server: SocketAddr, told: &Shared, stop: &AtomicBool) -> String {
        let (mut cursor, mut groups) = (None, None);
        let mut request = self.first.clone();
        loop {
            let Ok(exchange) = Exchange::start(server, &request) else { return "eof".to_owned() };
            while !stop.load(Ordering::Relaxed) && exchange.shared.lock().ended.is_none() {
                exchange
                    .shared
                    .wait(Duration::from_millis(20), |received| received.ended.is_some());
            }
            if stop.load(Ordering::Relaxed) {
                return "closed by client".to_owned();
            }
            let answer = exchange.shared.lock().clone();
            let data: Vec<u8> = answer.chunks.into_iter().flat_map(|chunk| chunk.data).collect();
            let is_clean = answer.ended.as_deref() == Some("clean");
            let status = answer.status;
            let heard = std::str::from_utf8(&data).ok().and_then(Json::parse);
            told.update(|received| {
                if received.status.is_none() {
                    received.status = status;
                    received.reason = answer.reason;
                    received.headers = answer.headers;
                }
                if status == Some(200) && is_clean {
                    received.chunks.push(Chunk { opcode: "lp".to_owned(), data });
                }
                received.headed = true;
            });
            if status != Some(200) || !is_clean {
                return format!("status {}", status.map_or("None".into(), |it| it.to_string()));
            }
            let Some(then) = &self.then else { continue };
            let heard = heard.unwrap_or(Json::Null);
            let text = |name| heard.member(name).and_then(Json::text).map(str::to_owned);
            cursor = text("C").or(cursor);
            groups = text("G").or(groups);
            let delay = heard.member("L").and_then(Json::integer).unwrap_or_default();
            std::thread::sleep(Duration::from_millis(delay.unsigned_abs()));
            let field = |name: &str, value: &Option<String>| {
                let value = value.as_deref().map(tickhub::protocol::url::percent_encode);
                value.map(|value| format!("{name}={value}"))
            };
            let fields = [field("messageId", &cursor), field("groupsToken", &groups)];
            let body = fields.into_iter().flatten().collect::<Vec<_>>().join("&");
            request = Request { body: Some(body.into_bytes()), ..then.clone() };
        }
    }
}
