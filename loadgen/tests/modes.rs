//! Each mode, as a program, against a small server in this process. Nothing here looks at how
//! long something took: counts and completeness only.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tickhub::{Config, Context, Hub, Methods, Shard};

#[test]
fn echo_gets_an_answer_to_every_call() {
    let server = Server::start();
    let pid = std::process::id().to_string();
    let line = "--connections 20 --in-flight 3 --size 200 --seconds 1 --warm-up 0";
    let report = server.load("echo", &format!("{line} --server-pid {pid}"), 0);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["connections"]["opened"], 20);
    assert_eq!(report["connections"]["lost"], 0);
    let messages = &report["messages"];
    assert!(messages["sent"].as_u64().unwrap() > 60, "{report}");
    assert_eq!(messages["sent"], messages["received"]);
    assert_eq!(messages["lost"], 0);
    assert_eq!(messages["wrong"], 0);
    assert!(messages["latency_us"]["p99"].as_f64().unwrap() > 0.0);
    assert!(report["server"]["cpu_ns_per_message"].as_f64().is_some());
    assert!(report["server"]["rss_bytes_per_connection"].as_f64().is_some());
}

#[test]
fn echo_negotiates() {
    let server = Server::start();
    let line = "--connections 20 --negotiate --seconds 1 --warm-up 0";
    let report = server.load("echo", line, 0);
    assert_eq!(report["connections"]["opened"], 20);
    assert_eq!(report["messages"]["lost"], 0);
}

#[test]
fn fan_out_reaches_everybody() {
    let server = Server::start();
    let report = server.load("fan-out", "--connections 30 --rate 50 --seconds 1 --warm-up 1", 0);
    let messages = &report["messages"];
    // Two seconds by the clock of the sender, and the message before them.
    assert_eq!(messages["sent"], 101, "{report}");
    assert_eq!(messages["expected"], 3030);
    assert_eq!(messages["received"], 3030);
    assert_eq!(messages["latency_us"]["count"], 1500);
    assert_eq!(messages["wrong"], 0);
    assert!(report["generator"]["lag_us"]["max"].as_f64().is_some());
}

#[test]
fn messagepack_is_spoken_in_every_mode() {
    let server = Server::start();
    for (mode, line) in [
        ("echo", "--connections 5 --seconds 1 --warm-up 0"),
        ("fan-out", "--connections 5 --rate 50 --seconds 1 --warm-up 0"),
        ("idle", "--connections 5 --seconds 1"),
    ] {
        let report = server.load(mode, &format!("{line} --protocol messagepack"), 0);
        assert_eq!(report["ok"], true, "{report}");
        assert_eq!(report["protocol"], "messagepack");
        assert_eq!(report["connections"]["opened"], 5);
    }
}

#[test]
fn event_streams_are_received_like_everything_else() {
    let server = Server::start();
    let line = "--connections 30 --rate 50 --seconds 1 --warm-up 1 --size 3000";
    let line = format!("{line} --transport server-sent-events");
    let report = server.load("fan-out", &line, 0);
    assert_eq!(report["transport"], "server-sent-events");
    assert_eq!(report["connections"]["opened"], 30, "{report}");
    assert_eq!(report["connections"]["lost"], 0);
    assert_eq!(report["messages"]["expected"], 3030);
    assert_eq!(report["messages"]["received"], 3030);
    assert_eq!(report["messages"]["wrong"], 0);
    assert!(report["failures"].as_object().unwrap().is_empty(), "{report}");
}

#[test]
fn idle_connections_stay() {
    let server = Server::start();
    let report = server.load("idle", "--connections 300 --source-addresses 7 --seconds 1", 0);
    assert_eq!(report["connections"]["opened"], 300);
    assert_eq!(report["connections"]["connect_us"]["count"], 300);
    assert_eq!(report["messages"], Value::Null);
    assert!(report["failures"].as_object().unwrap().is_empty(), "{report}");
}

#[test]
fn messages_that_do_not_come_are_lost() {
    let server = Server::start();
    let line = "--connections 4 --rate 10 --seconds 1 --warm-up 0";
    let report = server.load("fan-out", &format!("{line} --hub-methods Echo,Whisper,message"), 1);
    // The hub tells only the caller.
    assert_eq!(report["messages"]["expected"], 44, "{report}");
    assert_eq!(report["messages"]["received"], 11);
    assert_eq!(report["messages"]["lost"], 33);
    assert_eq!(report["ok"], false);
}

#[test]
fn connections_that_end_are_named() {
    let server = Server::start();
    let line = "--connections 5 --seconds 1 --warm-up 0 --hub-methods Fickle,Broadcast,message";
    let report = server.load("echo", line, 1);
    assert_eq!(report["connections"]["opened"], 5, "{report}");
    assert_eq!(report["connections"]["lost"], 5);
    assert_eq!(report["messages"]["lost"], 5);
    assert!(!report["failures"].as_object().unwrap().is_empty(), "{report}");
}

#[test]
fn a_table_is_for_people() {
    let server = Server::start();
    let output = server.run("echo", "--connections 3 --seconds 1 --warm-up 0");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("3 of 3 opened"), "{text}");
    assert!(text.contains(" 0 lost, 0 wrong"), "{text}");
}

#[test]
fn mistakes_are_one_line() {
    let server = Server::start();
    let refused = |output: Output, code: i32, word: &str| {
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(word), "{text}");
        assert!(output.stdout.is_empty());
    };
    refused(load("", &[]), 2, "echo, fan-out or idle");
    refused(server.run("echo", "--connections 0"), 2, "--connections");
    refused(server.run("idle", "--rate 5"), 2, "--rate");
    refused(server.run("echo", "--protocol xml"), 2, "--protocol");
    refused(server.run("idle", "--transport websockets"), 2, "--transport");
    let packed = "--transport server-sent-events --protocol messagepack";
    refused(server.run("fan-out", packed), 2, "--protocol json");
    refused(server.run("idle", "--server-pid 4294967295"), 2, "--server-pid");
    refused(load("idle", &["--url", "http://192.0.2.1/bench"]), 2, "--allow-remote");
    refused(load("idle", &["--url", "http://127.0.0.1:1/bench"]), 1, "refused");
    let nowhere = format!("http://{}/nowhere", server.address);
    refused(load("echo", &["--url", &nowhere]), 1, "404");
    refused(server.run("echo", "--hub-methods Ecco,Broadcast,message"), 1, "Ecco");
    refused(server.run("echo", "--hub-methods Constant,Broadcast,message"), 1, "not return");
    refused(server.run("fan-out", "--connections 2 --hub-methods Echo,Cast,x"), 1, "Cast");
}

/// What load generators call, and what they must notice.
struct Bench;

impl Hub for Bench {
    type State = u32;

    fn methods(m: &mut Methods<Self>) {
        m.on("Echo", |_: &mut Self, _: &mut Context<Self>, text: String| text)
            .on("Constant", |_: &mut Self, _: &mut Context<Self>, _: String| "always this")
            .on("Broadcast", |_: &mut Self, ctx: &mut Context<Self>, text: String| {
                ctx.all().send("message", (text,)).ignore();
            })
            .on("Whisper", |_: &mut Self, ctx: &mut Context<Self>, text: String| {
                ctx.caller().send("message", (text,)).ignore();
            })
            .on("Fickle", Bench::fickle);
    }
}

impl Bench {
    /// Answers ten calls of a connection and ends it with the next.
    #[expect(clippy::unused_self, reason = "all methods of a hub have the same shape")]
    fn fickle(&mut self, ctx: &mut Context<Self>, text: String) -> String {
        *ctx.state() += 1;
        if *ctx.state() > 10 {
            ctx.abort();
        }
        text
    }
}

/// A server on a thread, for the length of a test.
struct Server {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let (tell, hear) = mpsc::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = std::thread::spawn(move || {
            let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
            let config = Config { listen, ..Config::default() };
            let mut shard = Shard::with_config(&config).unwrap().hub("/bench", Bench);
            tell.send(shard.local_addrs()[0]).unwrap();
            while !over.load(Ordering::Relaxed) {
                shard.turn(Duration::from_millis(50)).unwrap();
            }
        });
        Self { address: hear.recv().unwrap(), is_over, thread: Some(thread) }
    }

    fn run(&self, mode: &str, options: &str) -> Output {
        let url = format!("http://{}/bench", self.address);
        let mut line = vec!["--url", &url];
        line.extend(options.split_ascii_whitespace());
        load(mode, &line)
    }

    /// Runs a mode that ends with `code` and a report.
    fn load(&self, mode: &str, options: &str, code: i32) -> Value {
        let output = self.run(mode, &format!("{options} --json"));
        let errors = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{errors}{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the server panicked");
    }
}

fn load(mode: &str, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickhub-load"));
    command.args(Some(mode).filter(|mode| !mode.is_empty()));
    command.args(options).output().unwrap()
}
