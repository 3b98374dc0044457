//! Tokens stay between a client and the scheme that judges them (T-TOKEN).

use std::borrow::Cow;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Wire, World};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::auth::{bearer, club, guest, negotiated_as, send};
use crate::hall::invoke;
use crate::web::HANDSHAKE;

/// Writes down everything that one thread logs, on whatever level. Other tests log too.
#[derive(Clone)]
struct Log(Arc<Mutex<String>>, ThreadId);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if std::thread::current().id() != self.1 {
            return;
        }
        let mut text = self.0.lock().expect("nobody panics while writing");
        writeln!(text, "{field}={value:?}").expect("memory can be written");
    }
}

/// Part of a token that is a good one.
const CANARY: &str = "canary-4711";

/// All that a user with the token can do, and can do wrong.
fn everything(world: &mut World) {
    let token = format!("user:admin:{CANARY}");
    let header = bearer(&token);
    let headers = [(header.0, &*header.1)];
    let target = negotiated_as(world, "/auth", &token);
    let query = format!("&access_token={token}");
    // A call of each kind: one that works, one refused, two that panic, one that breaks the
    // protocol, and the headers that some clients put into their calls (§8.5).
    let mut wire = Wire::tcp(world);
    assert_eq!(wire.upgrade(world, &target, &headers).head.status(), 101);
    wire.text(world, HANDSHAKE.trim_end_matches('\u{1e}'));
    for method in ["Who", "Guarded", "Panic", "Broken", "Nothing"] {
        wire.text(world, &invoke("1", method, "[1]"));
        wire.text(world, &invoke("1", method, "[]"));
    }
    let call = r#"{"type":1,"headers":{"Authorization":"TOKEN"},"target":"Who","arguments":[]}"#;
    wire.text(world, &call.replace("TOKEN", CANARY));
    assert_eq!(send(world, "GET", &format!("{target}{query}"), &[]).head.status(), 400);
    wire.text(world, "nonsense");
    wire.close(world);
    // The other transports, and a handshake that fails.
    let target = negotiated_as(world, "/auth", &token) + &query;
    let mut stream = Wire::tcp(world);
    stream.ask(world, "GET", &target, &[("Accept", "text/event-stream")], b"");
    assert_eq!(send(world, "POST", &target, &[]).head.status(), 200);
    stream.reset(world);
    let target = negotiated_as(world, "/expiring", &token) + &query;
    for _ in 0..2 {
        Wire::tcp(world).ask(world, "GET", &target, &headers, b"");
    }
    send(world, "DELETE", &target, &[]);
    let mut wire = guest(world, "/hub", &token);
    wire.frame(world, OpCode::Continuation, true, CANARY.as_bytes());
    // Nobody's panic, a wrong id, and a drain.
    let panics = format!("/hub/negotiate?access_token=user:panic:{CANARY}");
    assert_eq!(send(world, "POST", &panics, &headers[..0]).head.status(), 500);
    let wrong = format!("/hub?id={CANARY}{query}");
    assert_eq!(send(world, "POST", &wrong, &headers).head.status(), 404);
    guest(world, "/auth", &token);
    world.drain(Duration::from_secs(1));
    world.pass(Duration::from_secs(2));
}

#[test]
fn t_token_no_log_has_a_token() {
    // One subscriber for the whole process: whether anybody listens is remembered for all threads.
    let log = Log(Arc::default(), std::thread::current().id());
    tracing::subscriber::set_global_default(log.clone()).expect("the only one of these tests");
    everything(&mut club());
    let text = log.0.lock().expect("nobody panics while writing");
    for known in ["a hub method panicked", "a policy panicked", "was to answer a request", "ends"] {
        assert!(text.contains(known), "{known:?} is not in the log:\n{text}");
    }
    assert!(!text.contains("canary"), "{text}");
}

/// Everything that was said may be read by its sender alone; nothing of it is sent back.
#[test]
fn t_token_no_answer_repeats_a_token() {
    let mut world = club();
    let world = &mut world;
    let header = bearer(CANARY);
    let query = format!("access_token={CANARY}");
    let cookie = ("Cookie", format!("session={CANARY}"));
    let mut answers = 0;
    for path in ["/hub", "/auth", "/admin", "/expiring", "/raw", "/nothing", "/hub/negotiate", "/"]
    {
        for method in ["GET", "POST", "DELETE", "PUT", "OPTIONS", "PATCH", "PANIC"] {
            let target = format!("{path}?id={CANARY}&negotiateVersion={CANARY}&{query}");
            for target in [Cow::from(&target), path.into()] {
                for extra in [None, Some(("Accept", "text/event-stream")), Some(("Range", CANARY))]
                {
                    let mut headers = vec![(header.0, &*header.1), (cookie.0, &*cookie.1)];
                    headers.extend(extra);
                    headers.push(("X-Path", CANARY));
                    let mut wire = Wire::tcp(world);
                    wire.ask(world, method, &target, &headers, CANARY.as_bytes());
                    let mut text = String::new();
                    wire.read_text(world, &mut text);
                    assert!(text.starts_with("HTTP/1.1 "), "{method} {target}");
                    assert!(!text.contains(CANARY), "{method} {target}: {text}");
                    answers += 1;
                    wire.close(world);
                }
            }
        }
    }
    // Requests that are none, with the token in each place.
    for head in [
        format!("GET /hub?{query} HTTP/9.9\r\n\r\n"),
        format!("GET /hub?{query} HTTP/1.1\r\nAuthorization Bearer {CANARY}\r\n\r\n"),
        format!("GET /hub?{query}\u{1} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("{CANARY} {CANARY} {CANARY}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {CANARY}, {CANARY}\r\n\r\n"),
    ] {
        let mut wire = Wire::tcp(world);
        wire.bytes(world, head.as_bytes());
        let mut text = String::new();
        wire.read_text(world, &mut text);
        assert!(text.starts_with("HTTP/1.1 ") && !text.contains(CANARY), "{head}: {text}");
        answers += 1;
    }
    assert!(answers >= 300);
}
