//! HTTP on real sockets: what time and limits do.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use tickhub::http::Response;
use tickhub::{Config, DriverChoice, Files, HttpOptions, Hub, Methods};

use crate::rig::{Client, End, run};

struct Nothing;

impl Hub for Nothing {
    type State = ();
    fn methods(_: &mut Methods<Self>) {}
}

fn echo(shard: tickhub::Shard) -> tickhub::Shard {
    shard.http("/echo", |request| Response::new(200).body(request.body().to_vec()))
}

fn quick() -> HttpOptions {
    HttpOptions {
        request_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(200),
        linger_timeout: Duration::from_millis(200),
        ..HttpOptions::default()
    }
}

pub(crate) fn a_slow_head_gets_408(driver: DriverChoice) {
    let running = run(driver, quick(), echo);
    let mut client = running.connect();
    client.write("GET /echo HTTP/1.1\r\nHost: a");
    let (answer, _) = client.read_end();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.ends_with("The request took too long."), "{answer}");
}

pub(crate) fn a_slow_body_gets_408(driver: DriverChoice) {
    let running = run(driver, quick(), echo);
    let mut client = running.connect();
    client.write("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    let (answer, _) = client.read_end();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

pub(crate) fn a_silent_socket_is_closed(driver: DriverChoice) {
    let running = run(driver, quick(), echo);
    let mut client = running.connect();
    assert_eq!(client.read_end(), (String::new(), End::Orderly));
    // The same between two requests.
    let mut client = running.connect();
    client.write("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    let (answer, end) = client.read_end();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(end, End::Orderly);
}

/// T-KICK: it got its answer and our FIN, and goes on sending.
pub(crate) fn a_refused_client_that_stays_is_cut(driver: DriverChoice) {
    let running = run(driver, quick(), echo);
    let mut client = running.connect();
    client.write("GET /echo HTTP/9.9\r\n\r\n");
    let answer = client.read_text("HTTP/1.1 505 ");
    assert!(answer.contains("505"), "{answer}");
    let began = std::time::Instant::now();
    loop {
        // Sooner or later the reset is seen by a write.
        if client.0.write_all(b"more and more\r\n").is_err() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "the socket is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn a_half_closed_client_is_answered(driver: DriverChoice) {
    let running = run(driver, HttpOptions::default(), echo);
    let mut client = running.connect();
    client.write("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    client.finish();
    let (answer, end) = client.read_end();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    assert_eq!(end, End::Orderly);
}

/// T-PIPE.
pub(crate) fn a_thousand_pipelined_requests_are_answered_in_order(driver: DriverChoice) {
    let running = run(driver, HttpOptions::default(), echo);
    let mut client = running.connect();
    let mut requests = String::new();
    for n in 0..1000 {
        requests.push_str("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n");
        write!(requests, "<{n:05}>").expect("memory can be written");
    }
    client.write(requests);
    let answers = client.read_text("<00999>");
    let order: Vec<usize> =
        (0..1000).map(|n| answers.find(&format!("<{n:05}>")).expect("each is answered")).collect();
    assert!(order.is_sorted());
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 1000);
}

/// T-PIPE: back-pressure in place of memory. The client sends far more than it lets the answers
/// be, then reads them all.
pub(crate) fn answers_that_nobody_reads_stop_the_reading(driver: DriverChoice) {
    const COUNT: usize = 400;
    let running = run(driver, HttpOptions::default(), |shard| {
        shard.http("/big", |_| Response::new(200).body(vec![b'x'; 100_000]))
    });
    let mut client = running.connect();
    let mut reader = Client(client.0.try_clone().expect("a socket can be cloned"));
    let writer = std::thread::spawn(move || {
        for _ in 0..COUNT {
            client.write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        client
    });
    std::thread::sleep(Duration::from_millis(100));
    let (mut bodies, mut part) = (0, vec![0; 64 * 1024]);
    while bodies < COUNT * 100_000 {
        let count = reader.0.read(&mut part).expect("an answer comes in time");
        assert!(count > 0, "the end came after {bodies} bytes");
        bodies += memchr::memchr_iter(b'x', &part[..count]).count();
    }
    writer.join().expect("the writer did not panic");
}

pub(crate) fn one_socket_too_many_is_reset(driver: DriverChoice) {
    let options = HttpOptions { sockets_max: 2, ..HttpOptions::default() };
    let running = run(driver, options, echo);
    let mut kept: Vec<Client> = (0..2).map(|_| running.connect()).collect();
    for client in &mut kept {
        client.write("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read_text("HTTP/1.1 200 ");
    }
    let mut refused = running.connect();
    assert_eq!(refused.read_end(), (String::new(), End::Reset));
    kept[0].write("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    kept[0].read_text("HTTP/1.1 200 ");
}

/// T-NEG.
pub(crate) fn one_connection_too_many_gets_503(driver: DriverChoice) {
    let options = HttpOptions { connections_max: 2, ..HttpOptions::default() };
    let running = run(driver, options, |shard| shard.hub("/hub", Nothing));
    let mut client = running.connect();
    let negotiate = "POST /hub/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: a\r\n\r\n";
    for _ in 0..2 {
        client.write(negotiate);
        client.read_text("availableTransports\":[{\"transport\":\"WebSockets\"");
    }
    client.write(negotiate);
    let answer = client.read_text("Too many connections.");
    assert!(answer.contains("HTTP/1.1 503 ") && answer.contains("Retry-After: "), "{answer}");
    let mut socket = running.connect();
    socket.write(
        "GET /hub HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    socket.read_text("HTTP/1.1 503 ");
}

pub(crate) fn a_panicking_handler_is_a_500(driver: DriverChoice) {
    let running = run(driver, HttpOptions::default(), |shard| {
        echo(shard.http("/bad", |_| panic!("on purpose")))
    });
    let mut client = running.connect();
    client.write("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n");
    let (answer, _) = client.read_end();
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(!answer.contains("purpose"), "the text stays here: {answer}");
    let mut client = running.connect();
    client.write("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_text("HTTP/1.1 200 ");
}

fn site() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("demos/web")
}

pub(crate) fn files_are_served_with_validators(driver: DriverChoice) {
    let running = run(driver, Config::default().http, |shard| shard.files("/", Files::new(site())));
    let mut client = running.connect();
    client.write("GET /chat HTTP/1.1\r\nHost: a\r\n\r\n");
    let page = client.read_text("</html>");
    assert!(page.contains("Content-Type: text/html; charset=utf-8"), "{page}");
    let etag = page.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("a validator");
    client.write(format!("GET /chat HTTP/1.1\r\nHost: a\r\nIf-None-Match: {etag}\r\n\r\n"));
    let known = client.read_text("\r\n\r\n");
    assert!(known.starts_with("HTTP/1.1 304 "), "{known}");
    client.write("HEAD /chat HTTP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.read_text("Not Found\r\n");
    assert!(!head.contains("<html"), "HEAD has no body: {head}");
}

pub(crate) fn no_path_leads_out_of_the_files(driver: DriverChoice) {
    let running = run(driver, Config::default().http, |shard| shard.files("/", Files::new(site())));
    for path in [
        "/../Cargo.toml",
        "/..%2fCargo.toml",
        "/%2e%2e/Cargo.toml",
        "/chat/../../Cargo.toml",
        "//etc/passwd",
        "/..\\Cargo.toml",
        "/chat/%00",
        "/.hidden",
    ] {
        let mut client = running.connect();
        client.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        let (answer, _) = client.read_end();
        let status: u16 = answer[9..12].parse().expect("a status");
        assert!(matches!(status, 400 | 404), "{path}: {answer}");
        assert!(!answer.contains("[workspace]"), "{path}");
    }
}
