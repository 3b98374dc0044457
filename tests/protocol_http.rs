//! HTTP/1.1: tables of requests in every cut, responses, and reading what we write.

#![allow(clippy::mut_mut, reason = "input is taken from the front of a writable slice")]

use std::fmt::Write as _;

use proptest::prelude::*;
use tickhub::base::Shared;
use tickhub::protocol::http::{
    self, Head, Incoming, Limits, Method, ReplyTo, Request, RequestHead, RequestReader, Response,
    ResponseReader, Version,
};

/// What a reader makes of `bytes`, cut before each of `cuts`: `GET /path?query` for a request,
/// with `"body"`, `close` or `websocket` if it has them; the status of a refusal; `…` for more
/// to come.
fn read(limits: &Limits, bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut reader = RequestReader::default();
    let mut seen = Vec::new();
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut at = 0;
    for &cut in cuts.iter().chain(&[usize::MAX]) {
        let size = cut.saturating_sub(at).min(rest.len());
        at += size;
        let (mut input, behind) = rest.split_at_mut(size);
        rest = behind;
        loop {
            match reader.read(&mut input, limits) {
                Ok(None) => break,
                Ok(Some(request)) => seen.push(show(&request)),
                Err(refused) => {
                    seen.push(refused.status.to_string());
                    assert!(refused.text.len() < 80 && refused.text.ends_with('.'), "{refused}");
                    assert!(refused.response().closes(ReplyTo::NOBODY));
                }
            }
        }
        assert!(input.is_empty(), "a reader that waits has used up its input");
    }
    if !reader.is_idle() {
        seen.push("…".to_owned());
    }
    seen
}

fn show(request: &Request<'_>) -> String {
    let mut text = format!("{} {}", request.head().method_name(), request.path());
    assert_eq!(request.method(), request.head().method());
    if !request.head().raw_query().is_empty() {
        write!(text, "?{}", request.head().raw_query()).unwrap();
    }
    if !request.body().is_empty() {
        write!(text, " \"{}\"", request.body().escape_ascii()).unwrap();
    }
    if request.wants_websocket() {
        text.push_str(" websocket");
    } else if !request.keep_alive() {
        text.push_str(" close");
    }
    text
}

fn cuttings(len: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for size in [2, 3, 7, 100, 1460] {
        all.push((0..len).step_by(size).skip(1).collect());
    }
    if len <= 600 {
        all.push((1..len).collect());
        all.extend((1..len).map(|at| vec![at]));
    }
    all
}

fn check_with(limits: &Limits, text: &str, expected: &str) {
    for cuts in cuttings(text.len()) {
        let seen = read(limits, text.as_bytes(), &cuts).join(", ");
        let shown: String = text.chars().take(300).collect();
        assert_eq!(seen, expected, "{shown:?}, cut at {cuts:?}");
    }
}

/// Checks raw requests.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        check_with(&Limits::default(), text, expected);
    }
}

/// Checks `GET / HTTP/1.1` with these header lines besides a Host.
fn check_headers(cases: &[(&str, &str)]) {
    for (headers, expected) in cases {
        check_with(
            &Limits::default(),
            &format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n"),
            expected,
        );
    }
}

/// Checks a chunked POST with this body.
fn check_chunks(limits: &Limits, cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        let text =
            format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        check_with(limits, &text, expected);
    }
}

#[test]
fn requests() {
    check(&[
        ("", ""),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET /"),
        ("GET /a/b?c=d&e HTTP/1.1\r\nHost: h:80\r\n\r\n", "GET /a/b?c=d&e"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "POST / \"abc\""),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "POST /"),
        ("POST / HTTP/1.1\r\nHost: h\r\n\r\n", "POST /"),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", "GET / \"x\""),
        ("DELETE /x HTTP/1.1\r\nHost: h\r\n\r\n", "DELETE /x"),
        ("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD /x"),
        ("PATCH /x HTTP/1.1\r\nHost: h\r\n\r\n", "PATCH /x"),
        ("PURGE /x HTTP/1.1\r\nHost: h\r\n\r\n", "PURGE /x"),
        ("get /x HTTP/1.1\r\nHost: h\r\n\r\n", "get /x"),
        ("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS *"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", "GET /, GET /2"),
        (
            "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhiGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
            "POST /1 \"hi\", GET /2",
        ),
        ("GET / HTTP/1.1\r\nHost: h\r\n", "…"),
        ("G", "…"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab", "…"),
        // One empty line before a request is forgiven (RFC 9112 §2.2), two are not.
        ("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET /"),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        (
            "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /1, GET /2",
        ),
        // After a refusal no byte is parsed again.
        ("GET\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        (
            "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nBAD\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /1, 400",
        ),
    ]);
}

#[test]
fn request_lines() {
    let line = |line: &str| format!("{line}\r\nHost: h\r\n\r\n");
    for (text, expected) in [
        ("GET  / HTTP/1.1", "400"),
        ("GET /  HTTP/1.1", "400"),
        (" GET / HTTP/1.1", "400"),
        ("GET / HTTP/1.1 ", "400"),
        ("GET\t/ HTTP/1.1", "400"),
        ("GET /", "400"),
        ("GET", "400"),
        ("GET / ", "400"),
        (" / HTTP/1.1", "400"),
        ("GET HTTP/1.1", "400"),
        ("G(T / HTTP/1.1", "400"),
        ("GÉT / HTTP/1.1", "400"),
        ("GET / HTTP/1.2", "505"),
        ("GET / HTTP/0.9", "505"),
        ("GET / HTTP/2.0", "505"),
        ("GET / HTTP/2", "505"),
        ("GET / HTTP/3.0", "505"),
        ("GET / HTTP/9.9", "505"),
        ("GET / HTTP/11", "400"),
        ("GET / HTTP/1.10", "400"),
        ("GET / HTTP/1.1.1", "400"),
        ("GET / http/1.1", "400"),
        ("GET / HTTPS/1.1", "400"),
        ("GET / HTTP/1,1", "400"),
        ("GET / HTTP/ 1.1", "400"),
        ("GET / XTTP/1.1", "400"),
        ("CONNECT h:443 HTTP/1.1", "501"),
        ("GET /\r HTTP/1.1", "400"),
        ("GET / HTTP/1.1\r", "400"),
    ] {
        check(&[(&line(text), expected)]);
    }
    // The preface of HTTP/2, and of TLS.
    check(&[
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
        ("\u{16}\u{3}\u{1}\0\u{1}\r\n\r\n", "400"),
    ]);
}

#[test]
fn targets() {
    for (target, expected) in [
        ("/", "GET /"),
        ("/a%20b", "GET /a b"),
        ("/%C3%A9", "GET /é"),
        ("/%2e%2E/x", "GET /../x"),
        ("/a%2Fb", "GET /a/b"),
        ("/%2525", "GET /%25"),
        ("/%2500", "GET /%00"),
        ("//x", "GET //x"),
        ("/?", "GET /"),
        ("/?a?b", "GET /?a?b"),
        ("/?a=%zz", "GET /?a=%zz"),
        ("/?u=http://x/", "GET /?u=http://x/"),
        ("/a://b", "GET /a://b"),
        ("/?{}|^`\"<>\\", "GET /?{}|^`\"<>\\"),
        ("http://h/x", "GET /x"),
        ("HTTP://H/x?y", "GET /x?y"),
        ("https://h", "GET /"),
        ("http://h?q", "GET /?q"),
        ("http://other/x", "400"),
        ("http://h:81/x", "400"),
        ("http:///x", "400"),
        ("http://u@h/x", "400"),
        ("ftp://h/x", "400"),
        ("://h/x", "400"),
        ("x", "400"),
        ("*", "400"),
        ("h:80", "400"),
        ("?x", "400"),
        ("/#", "400"),
        ("/a#b", "400"),
        ("/%", "400"),
        ("/%1", "400"),
        ("/%g0", "400"),
        ("/%00", "400"),
        ("/?a=%00", "400"),
        ("/%0a", "400"),
        ("/%0D", "400"),
        ("/%1b", "400"),
        ("/%7f", "400"),
        ("/%ff", "400"),
        ("/%c0%af", "400"),
        ("/%e0%80%af", "400"),
        ("/%ed%a0%80", "400"),
        ("/é", "400"),
        ("/\u{1}", "400"),
        ("/\0", "400"),
        ("/\u{7f}", "400"),
        ("/\u{1b}[31m", "400"),
    ] {
        check(&[(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"), expected)]);
    }
}

#[test]
fn hosts() {
    for (host, expected) in [
        ("Host: h", "GET /"),
        ("host:h", "GET /"),
        ("HOST: \t h \t ", "GET /"),
        ("Host: example.com:8080", "GET /"),
        ("Host: 127.0.0.1:80", "GET /"),
        ("Host: a_b-c.d~e", "GET /"),
        ("Host: [::1]", "GET /"),
        ("Host: [2001:db8::1]:443", "GET /"),
        ("X: y", "400"),
        ("Host:", "400"),
        ("Host: ", "400"),
        ("Host: a\r\nHost: a", "400"),
        ("Host: a\r\nhost: b", "400"),
        ("Host: a, b", "400"),
        ("Host: a,b", "400"),
        ("Host: a b", "400"),
        ("Host: u@h", "400"),
        ("Host: h/x", "400"),
        ("Host: http://h", "400"),
        ("Host: h?x", "400"),
        ("Host: h#x", "400"),
        ("Host: h:", "400"),
        ("Host: h:x", "400"),
        ("Host: h:+1", "400"),
        ("Host: h:65536", "400"),
        ("Host: h:1:2", "400"),
        ("Host: :80", "400"),
        ("Host: [::1", "400"),
        ("Host: ::1", "400"),
        ("Host: [x]", "400"),
        ("Host: [::1]x", "400"),
        ("Host: []", "400"),
        ("Host: h\\x", "400"),
        ("Host: h%00", "400"),
        ("Host: hé", "400"),
    ] {
        check(&[(&format!("GET / HTTP/1.1\r\n{host}\r\n\r\n"), expected)]);
    }
    // HTTP/1.0 knows no Host, but a broken one is refused there too.
    check(&[
        ("GET / HTTP/1.0\r\n\r\n", "GET / close"),
        ("GET / HTTP/1.0\r\nHost: h\r\n\r\n", "GET / close"),
        ("GET / HTTP/1.0\r\nHost: a,b\r\n\r\n", "400"),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
    ]);
}

#[test]
fn header_lines() {
    check_headers(&[
        ("A: b\r\n", "GET /"),
        ("A:b\r\n", "GET /"),
        ("A:\r\n", "GET /"),
        ("A: \t\r\n", "GET /"),
        ("!#$%&'*+-.^_`|~: x\r\n", "GET /"),
        ("A: é\r\n", "GET /"),
        ("A: b\tc\r\n", "GET /"),
        ("A : b\r\n", "400"),
        ("A\t: b\r\n", "400"),
        (" A: b\r\n", "400"),
        (": b\r\n", "400"),
        ("A\r\n", "400"),
        ("A b: c\r\n", "400"),
        ("A: b\r\n c\r\n", "400"),
        ("A: b\r\n\tc\r\n", "400"),
        ("(A): b\r\n", "400"),
        ("Ä: b\r\n", "400"),
        ("A: b\nC: d\r\n", "400"),
        ("A: b\n", "400"),
        ("A: b\rC: d\r\n", "400"),
        ("A: \r\r\n", "400"),
        ("A: b\r\r\n", "400"),
        ("A: \0\r\n", "400"),
        ("A: \u{1}\r\n", "400"),
        ("A: \u{7f}\r\n", "400"),
        ("A: \u{1b}[0m\r\n", "400"),
    ]);
    check(&[
        ("GET / HTTP/1.1\nHost: h\n\n", "400"),
        ("GET / HTTP/1.1\r\nHost: h\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\n", "400"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\rX", "…"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\rX\r\n\r\n", "400"),
    ]);
    // Not UTF-8.
    let latin = b"GET / HTTP/1.1\r\nHost: h\r\nA: \xe9\r\n\r\n";
    assert_eq!(read(&Limits::default(), latin, &[]), ["400"]);
    assert_eq!(read(&Limits::default(), latin, &[5, 20]), ["400"]);
}

#[test]
fn connections() {
    check_headers(&[
        ("Connection: close\r\n", "GET / close"),
        ("Connection: Close\r\n", "GET / close"),
        ("Connection: keep-alive\r\n", "GET /"),
        ("Connection: keep-alive, close\r\n", "GET / close"),
        ("Connection: keep-alive\r\nConnection: close\r\n", "GET / close"),
        ("Connection: closed\r\n", "GET /"),
        ("Connection: upgrade\r\n", "GET /"),
        ("Connection: upgrade\r\nUpgrade: h2c\r\n", "GET /"),
        ("Upgrade: websocket\r\n", "GET /"),
        ("Connection: upgrade\r\nUpgrade: websocket\r\n", "GET / websocket"),
    ]);
    check(&[
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /"),
        ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / close"),
    ]);
}

/// T-CHUNK: what makes two parsers disagree on where a request ends.
#[test]
fn framing() {
    let post = |headers: &str, body: &str| {
        format!("POST / HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n{body}")
    };
    for length in [
        "+5",
        "-0",
        "-5",
        "0x5",
        "1_0",
        "05",
        "00",
        "5,5",
        "5, 5",
        "5 5",
        "5;",
        "",
        "five",
        "5.0",
        "٥",
        "18446744073709551616",
        "99999999999999999999999",
        "\u{b}5",
        "5\u{c}",
    ] {
        check(&[(&post(&format!("Content-Length: {length}"), "hello"), "400")]);
    }
    for headers in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: 'chunked'",
        "Transfer-Encoding: chunk ed",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding:",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\r\n : chunked",
        "Transfer-Encoding:\r\n chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
    ] {
        check(&[(&post(headers, "0\r\n\r\n"), "400")]);
    }
    check(&[
        (&post("Transfer-Encoding: Chunked", "0\r\n\r\n"), "POST /"),
        (&post("transfer-encoding:chunked", "0\r\n\r\n"), "POST /"),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        ("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "POST / \"hi\" close"),
    ]);
}

#[test]
fn chunks() {
    check_chunks(
        &Limits::default(),
        &[
            ("0\r\n\r\n", "POST /"),
            ("5\r\nhello\r\n0\r\n\r\n", "POST / \"hello\""),
            ("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "POST / \"hello!\""),
            ("A\r\n0123456789\r\n0\r\n\r\n", "POST / \"0123456789\""),
            ("a\r\n0123456789\r\n0\r\n\r\n", "POST / \"0123456789\""),
            ("0000000000000005\r\nhello\r\n0\r\n\r\n", "POST / \"hello\""),
            ("1;a=b\r\nx\r\n0;c\r\n\r\n", "POST / \"x\""),
            ("1;a=\"q\t é\"\r\nx\r\n0\r\n\r\n", "POST / \"x\""),
            ("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", "POST / \"x\""),
            ("1\r\nx\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", "POST / \"x\", GET /2"),
            ("2\r\n\r\n\r\n0\r\n\r\n", "POST / \"\\r\\n\""),
            ("", "…"),
            ("5\r\nhel", "…"),
            ("5\r\nhello\r\n0\r\n", "…"),
            ("\r\n", "400"),
            (";a\r\n\r\n", "400"),
            ("x\r\n", "400"),
            ("+1\r\nx\r\n0\r\n\r\n", "400"),
            ("-1\r\nx\r\n0\r\n\r\n", "400"),
            ("0x1\r\nx\r\n0\r\n\r\n", "400"),
            (" 1\r\nx\r\n0\r\n\r\n", "400"),
            ("1 \r\nx\r\n0\r\n\r\n", "400"),
            ("1 ;a\r\nx\r\n0\r\n\r\n", "400"),
            ("1_0\r\nx\r\n0\r\n\r\n", "400"),
            ("00000000000000001\r\nx\r\n0\r\n\r\n", "400"),
            ("10000000000000001\r\nx", "400"),
            ("1\nx\r\n0\r\n\r\n", "400"),
            ("1\rx\r\n0\r\n\r\n", "400"),
            ("1;a\nx\r\n0\r\n\r\n", "400"),
            ("1;a\rb\r\nx\r\n0\r\n\r\n", "400"),
            ("1;\0\r\nx\r\n0\r\n\r\n", "400"),
            ("1;\u{7f}\r\nx\r\n0\r\n\r\n", "400"),
            ("1\r\nxy\r\n0\r\n\r\n", "400"),
            ("1\r\nx\n0\r\n\r\n", "400"),
            ("1\r\nx0\r\n\r\n", "400"),
            ("1\r\nx\rx0\r\n\r\n", "400"),
            ("0\r\nA: b\n\r\n", "400"),
            ("0\r\nA\r\n\r\n", "400"),
            ("0\r\nA : b\r\n\r\n", "400"),
            ("0\r\n A: b\r\n\r\n", "400"),
            ("0\r\nA: \0\r\n\r\n", "400"),
            ("0\r\nContent-Length: 5\r\n\r\n", "400"),
            ("0\r\ntransfer-encoding: chunked\r\n\r\n", "400"),
            ("0\r\nHost: x\r\n\r\n", "400"),
            ("0\r\nConnection: close\r\n\r\n", "400"),
            ("0\r\n\rx", "…"),
            ("0\r\n\n", "400"),
            ("FFFFFFFFFFFFFFFF\r\n", "413"),
            ("7FFFFFFFFFFFFFFF\r\n", "413"),
            ("100001\r\n", "413"),
        ],
    );
}

/// T-CEXT.
#[test]
fn chunk_overhead_is_limited() {
    let limits = Limits { chunk_overhead_bytes_max: 10, body_bytes_max: 10, ..Limits::default() };
    check_chunks(
        &limits,
        &[
            ("1;23456789a\r\nx\r\n0\r\n\r\n", "POST / \"x\""),
            ("1;23456789ab\r\nx\r\n0\r\n\r\n", "413"),
            ("1;2345\r\nx\r\n1;2345\r\nx\r\n0\r\n\r\n", "POST / \"xx\""),
            ("1;2345\r\nx\r\n1;2345\r\nx\r\n0;\r\n\r\n", "413"),
            ("0\r\nA: 45678\r\n\r\n", "POST /"),
            ("0\r\nA: 456789\r\n\r\n", "413"),
            ("0;\r\nA: 4567\r\n\r\n", "POST /"),
            ("0;\r\nA: 45678\r\n\r\n", "413"),
            // One byte a chunk is dear for the sender only.
            (&("1\r\nx\r\n".repeat(10) + "0\r\n\r\n"), "POST / \"xxxxxxxxxx\""),
            (&("1\r\nx\r\n".repeat(11) + "0\r\n\r\n"), "413"),
            ("b\r\n", "413"),
        ],
    );
}

#[test]
fn limits() {
    let limits = Limits {
        line_bytes_max: 20,
        headers_bytes_max: 40,
        headers_max: 3,
        body_bytes_max: 5,
        ..Limits::default()
    };
    let xs = |count| "x".repeat(count);
    for (text, expected) in [
        // `GET /` and ` HTTP/1.1` are 14 bytes.
        (format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", xs(5)), "GET /xxxxx"),
        (format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", xs(6)), "GET /xxxxxx"),
        (format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", xs(7)), "414"),
        (format!("GET /{}", xs(15)), "…"),
        (format!("GET /{}", xs(16)), "414"),
        (format!("GET /{}\nHost: h\r\n\r\n", xs(16)), "414"),
        // `Host: h` with its end is 9 bytes, `A: ` with its end 5.
        (format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", xs(25)), "GET /"),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", xs(26)), "GET /"),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", xs(27)), "431"),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}", xs(27)), "431"),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\n", xs(27)), "431"),
        ("GET / HTTP/1.1\r\nHost: h\r\nA:\r\nA:\r\n\r\n".to_owned(), "GET /"),
        ("GET / HTTP/1.1\r\nHost: h\r\nA:\r\nA:\r\nA:\r\n\r\n".to_owned(), "431"),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n1234".to_owned(),
            "POST / \"1234\"",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345".to_owned(),
            "POST / \"12345\"",
        ),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n".to_owned(), "413"),
    ] {
        check_with(&limits, &text, expected);
    }
}

#[test]
fn the_default_limits() {
    let line = |count: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(count));
    let status = |text: &str| read(&Limits::default(), text.as_bytes(), &[])[0].clone();
    assert!(status(&line(8192 - 14)).starts_with("GET"));
    assert_eq!(status(&line(8193 - 14)), "414");
    let header =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "x".repeat(count));
    assert_eq!(status(&header(32_768 - 9 - 5)), "GET /");
    assert_eq!(status(&header(32_769 - 9 - 5)), "431");
    let headers = |count| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(status(&headers(99)), "GET /");
    assert_eq!(status(&headers(100)), "431");
    assert_eq!(status(&headers(10_000)), "431");
    let post = |length| format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
    assert_eq!(status(&post(1 << 20)), "…");
    assert_eq!(status(&post((1 << 20) + 1)), "413");
    assert_eq!(status(&post(u64::MAX)), "413");
}

/// T-EXP.
#[test]
fn expectations() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    let limits = Limits::default();
    let feed = |reader: &mut RequestReader, text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        let mut input = &mut bytes[..];
        reader.read(&mut input, &limits).unwrap().map(|request| show(&request))
    };
    // Asked for once, when the head has come and nothing of the body.
    let mut reader = RequestReader::default();
    assert_eq!(feed(&mut reader, &head[..30]), None);
    assert!(!reader.take_continue());
    assert_eq!(feed(&mut reader, &head[30..]), None);
    assert_eq!(reader.pending_head().unwrap().path(), "/");
    assert!(reader.take_continue());
    assert!(!reader.take_continue());
    assert_eq!(feed(&mut reader, "hi").as_deref(), Some("POST / \"hi\""));
    // Not when the body has begun, or is all there.
    assert_eq!(feed(&mut reader, &format!("{head}h")), None);
    assert!(!reader.take_continue());
    assert_eq!(feed(&mut reader, "i").as_deref(), Some("POST / \"hi\""));
    assert!(feed(&mut reader, &format!("{head}hi")).is_some());
    assert!(!reader.take_continue());
    // Not later, when the client went on by itself.
    assert_eq!(feed(&mut reader, head), None);
    assert_eq!(feed(&mut reader, "h"), None);
    assert!(!reader.take_continue());
    // Not without a body, and not in HTTP/1.0.
    for (text, expected) in [
        (head.replace("Length: 2", "Length: 0"), "POST /"),
        (head.replace("Content-Length: 2\r\n", ""), "POST /"),
        (head.replace("1.1", "1.0") + "hi", "POST / \"hi\" close"),
        (head.replace("100-continue", "100-Continue") + "hi", "POST / \"hi\""),
        (head.replace("100-continue", "200-ok"), "417"),
        (head.replace("100-continue", ""), "417"),
        (head.replace("100-continue", "100-continue, x"), "417"),
        (head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"), "417"),
        (head.replace("100-continue", "x").replace("1.1", "1.0"), "417"),
        (head.replace("Length: 2", "Length: 2000000"), "413"),
    ] {
        check_with(&limits, &text, expected);
    }
    let mut reader = RequestReader::default();
    assert_eq!(feed(&mut reader, &head.replace("1.1", "1.0")), None);
    assert!(!reader.take_continue());
    let mut reader = RequestReader::default();
    let chunked = head.replace("Content-Length: 2", "Transfer-Encoding: chunked");
    assert_eq!(feed(&mut reader, &chunked), None);
    assert!(reader.take_continue());
}

/// T-PIPE.
#[test]
fn a_thousand_requests_at_once() {
    let one = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx\
        POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\n\r\n";
    let all = one.repeat(500);
    for cuts in [vec![], (0..all.len()).step_by(1000).skip(1).collect()] {
        let seen = read(&Limits::default(), all.as_bytes(), &cuts);
        assert_eq!(seen.len(), 1000);
        assert!(seen.chunks(2).all(|pair| pair == ["POST /a \"x\"", "POST /b \"y\""]));
    }
}

/// A whole request is lent, not copied.
#[test]
fn requests_lie_where_they_were_received() {
    let mut bytes = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcrest".to_vec();
    let body = &raw const bytes[bytes.len() - 7];
    let mut input = &mut bytes[..];
    let mut request =
        RequestReader::default().read(&mut input, &Limits::default()).unwrap().unwrap();
    assert!(std::ptr::eq(&raw const request.body()[0], body));
    request.body_mut()[0] = b'X';
    input[0] = b'R';
    assert_eq!((request.body(), &input[..]), (&b"Xbc"[..], &b"Rest"[..]));
}

#[test]
fn lookups() {
    let mut bytes = b"GET /x%20y?ID=a%20b&id=2&e HTTP/1.1\r\nHost: h\r\nAccept: a\r\nX-Y:  z \r\n\
        accept: b\r\nCookie: a=1; b=2; A=3\r\nCookie: a=4;c\r\n\r\n"
        .to_vec();
    let mut input = &mut bytes[..];
    let request = RequestReader::default().read(&mut input, &Limits::default()).unwrap().unwrap();
    assert_eq!(request.method(), Method::Get);
    assert_eq!(request.version(), Version::Http11);
    assert_eq!(request.path(), "/x y");
    assert_eq!(request.query("id").as_deref(), Some("a b"));
    assert_eq!(request.query("E").as_deref(), Some(""));
    assert_eq!(request.query("z"), None);
    assert_eq!(request.header("x-y"), Some("z"));
    assert_eq!(request.header("z"), None);
    assert_eq!(request.head().header_values("ACCEPT").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(request.head().headers().count(), 6);
    assert_eq!(request.head().target(), "/x%20y?ID=a%20b&id=2&e");
    let kept: RequestHead = request.to_head();
    drop(bytes);
    assert_eq!(kept.path(), "/x y");
    assert_eq!(kept.query("Id").as_deref(), Some("a b"));
    assert_eq!(kept.header("HOST"), Some("h"));
    assert_eq!(kept.cookies("a").collect::<Vec<_>>(), ["1", "4"]);
    assert_eq!(kept.cookies("A").collect::<Vec<_>>(), ["3"]);
    assert_eq!(kept.cookies("c").count(), 0);
    assert_eq!(size_of::<RequestHead>(), 16);
}

/// T-HDR: lookups in what is full of separators take time linear in its length.
#[test]
fn long_values_are_linear() {
    let value = ", ;=".repeat(7000);
    let text = format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: {value}\r\n\r\n");
    let mut bytes = text.into_bytes();
    let mut input = &mut bytes[..];
    let request = RequestReader::default().read(&mut input, &Limits::default()).unwrap().unwrap();
    for _ in 0..1000 {
        assert!(!request.head().header_has_token("connection", "upgrade"));
    }
}

const REPLY: ReplyTo = ReplyTo { head_only: false, version: Version::Http11, keep_alive: true };

fn written(response: &Response<'_>, reply_to: ReplyTo) -> String {
    let mut out = Vec::new();
    response.write(&mut out, reply_to);
    String::from_utf8(out).unwrap()
}

#[test]
fn responses() {
    let head = ReplyTo { head_only: true, ..REPLY };
    let close = ReplyTo { keep_alive: false, ..REPLY };
    let old = ReplyTo { version: Version::Http10, ..REPLY };
    let old_close = ReplyTo { version: Version::Http10, ..close };
    let text = Response::text(404, "No Connection with that ID");
    let rest = "Content-Type: text/plain\r\n\r\n";
    let ok = "HTTP/1.1 404 Not Found\r\nContent-Length: 26\r\n";
    let body = "No Connection with that ID";
    assert_eq!(written(&text, REPLY), format!("{ok}{rest}{body}"));
    assert_eq!(written(&text, head), format!("{ok}{rest}"));
    assert_eq!(written(&text, close), format!("{ok}Connection: close\r\n{rest}{body}"));
    assert_eq!(written(&text, old), format!("{ok}Connection: keep-alive\r\n{rest}{body}"));
    assert_eq!(written(&text, old_close), format!("{ok}Connection: close\r\n{rest}{body}"));
    let closing = text.clone().closing();
    assert_eq!(written(&closing, REPLY), format!("{ok}Connection: close\r\n{rest}{body}"));

    for (response, expected) in [
        (Response::new(200), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (Response::new(204), "HTTP/1.1 204 No Content\r\n\r\n"),
        (Response::new(204).body(&b"never"[..]), "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            Response::new(304).header("ETag", "\"x\"").shared_body(Shared::new(b"never".to_vec())),
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
        ),
        (
            Response::new(200).shared_body(Shared::new(b"shared".to_vec())),
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nshared",
        ),
        (Response::new(299), "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n"),
        (
            Response::new(200).content_type("text/event-stream").streaming(),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n",
        ),
    ] {
        assert_eq!(written(&response, REPLY), expected);
    }
    let stream = Response::new(200).streaming();
    assert_eq!(written(&stream, old), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    assert!(stream.closes(old) && !stream.closes(REPLY));

    let mut out = Vec::new();
    http::write_chunk(&mut out, b"0123456789abcdef");
    http::write_chunk(&mut out, b"");
    http::write_last_chunk(&mut out);
    assert_eq!(out, b"10\r\n0123456789abcdef\r\n0\r\n\r\n");
}

/// T-CRLF.
#[test]
fn a_header_cannot_leave_its_line() {
    for value in ["a\r\nSet-Cookie: x", "a\nb", "a\rb", "\0", "\u{1b}[0m", "\u{7f}"] {
        assert!(!http::is_header_value(value));
        let response = Response::new(200).header("X", value);
        assert_eq!(written(&response, REPLY), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    assert!(http::is_header_value("a\tb é ,;\""));
    for name in ["", "a b", "a:", "a\r\n", "é", "Content-Length", "transfer-encoding"] {
        let attempt = std::panic::catch_unwind(|| Response::new(200).header(name, "x"));
        assert!(attempt.is_err(), "{name:?}");
    }
}

/// What a client makes of `bytes`: the status, `"body"`, `end`; `error`.
fn read_responses(bytes: &[u8], cuts: &[usize], head_only: bool) -> String {
    let mut reader = ResponseReader::default();
    if head_only {
        reader.expect_head_only();
    }
    let mut seen: Vec<String> = Vec::new();
    let mut body = Vec::new();
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut at = 0;
    for &cut in cuts.iter().chain(&[usize::MAX]) {
        let size = cut.saturating_sub(at).min(rest.len());
        at += size;
        let (mut input, behind) = rest.split_at_mut(size);
        rest = behind;
        loop {
            match reader.next(&mut input, &Limits::default()) {
                Ok(None) => break,
                Ok(Some(Incoming::Head(head))) => seen.push(head.status().to_string()),
                Ok(Some(Incoming::Body(bytes))) => body.extend_from_slice(bytes),
                Ok(Some(Incoming::End)) => {
                    seen.push(format!("\"{}\"", std::mem::take(&mut body).escape_ascii()));
                }
                Err(_) => seen.push("error".to_owned()),
            }
        }
    }
    if !body.is_empty() && seen.last().is_none_or(|last| last != "error") {
        seen.push(format!("open \"{}\"", body.escape_ascii()));
    }
    if !reader.may_end() {
        seen.push("…".to_owned());
    }
    seen.join(" ")
}

#[test]
fn clients_read_responses() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for (text, expected) in [
        (format!("{ok}Content-Length: 2\r\n\r\nhi"), "200 \"hi\""),
        (format!("{ok}Content-Length: 0\r\n\r\n"), "200 \"\""),
        (format!("{ok}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), "200 \"hi\""),
        (format!("{ok}\r\nuntil the end"), "200 open \"until the end\""),
        (format!("{ok}Content-Length: 3\r\n\r\nhi"), "200 open \"hi\" …"),
        (format!("{ok}Content-Length: 0\r\n\r\n").repeat(2), "200 \"\" 200 \"\""),
        (format!("HTTP/1.1 100 Continue\r\n\r\n{ok}Content-Length: 0\r\n\r\n"), "200 \"\""),
        ("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 x\r\n\r\n".to_owned(), "204 \"\" 304 \"\""),
        ("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n".to_owned(), "404 \"\""),
        (format!("{ok}Host: a,b\r\nExpect: x\r\nContent-Length: 0\r\n\r\n"), "200 \"\""),
        (format!("{ok}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"), "error"),
        (format!("{ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), "error"),
        (format!("{ok}Content-Length: x\r\n\r\n"), "error"),
        (format!("{ok}Transfer-Encoding: chunked\r\n\r\nx"), "200 error"),
        ("HTTP/1.1 OK\r\n\r\n".to_owned(), "error"),
        ("nonsense\r\n\r\n".to_owned(), "error"),
        ("HTTP/1.1 200 OK\n\n".to_owned(), "error"),
    ] {
        for cuts in cuttings(text.len()) {
            assert_eq!(
                read_responses(text.as_bytes(), &cuts, false),
                expected,
                "{text:?} {cuts:?}"
            );
        }
    }
    let head = format!("{ok}Content-Length: 5\r\n\r\n{ok}Content-Length: 1\r\n\r\nx");
    assert_eq!(read_responses(head.as_bytes(), &[], true), "200 \"\" 200 \"x\"");
    // After a 101 the rest belongs to another protocol.
    let mut bytes = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n\x81\x01x".to_vec();
    let mut input = &mut bytes[..];
    let mut reader = ResponseReader::default();
    let limits = Limits::default();
    assert!(matches!(reader.next(&mut input, &limits), Ok(Some(Incoming::Head(_)))));
    assert!(matches!(reader.next(&mut input, &limits), Ok(Some(Incoming::End))));
    assert_eq!(input, b"\x81\x01x");
}

/// The bytes of a request, mostly valid; the parts that break it are in the lists.
fn requests_in_parts() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        8 => Just("POST /a?b HTTP/1.1\r\n"),
        2 => Just("GET / HTTP/1.1\r\n"),
        1 => Just("GET / HTTP/1.0\r\n"),
        1 => Just("\r\n"),
        1 => Just("GET /%zz HTTP/1.1\r\n"),
    ];
    let header = prop_oneof![
        8 => Just("Host: h\r\n"),
        4 => Just("X: y\r\n"),
        2 => Just("Connection: close\r\n"),
        1 => Just("X : y\r\n"),
        1 => Just("X: y\n"),
        1 => Just("Expect: 100-continue\r\n"),
    ];
    let body = prop_oneof![
        4 => Just("\r\n"),
        4 => Just("Content-Length: 5\r\n\r\nhello"),
        4 => Just("Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n"),
        1 => Just("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        1 => Just("Content-Length: 05\r\n\r\nhello"),
    ];
    let one = (line, proptest::collection::vec(header, 1..4), body)
        .prop_map(|(line, headers, body)| [line, &headers.concat(), body].concat().into_bytes());
    proptest::collection::vec(one, 1..4).prop_map(|all| all.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// T-DRIP: any cut gives the same, also for what is broken anywhere.
    #[test]
    fn any_cut_gives_the_same(
        mut bytes in requests_in_parts(),
        mutation in proptest::option::of((any::<usize>(), prop_oneof![
            any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' '), Just(b':'), Just(0)
        ])),
        cuts in proptest::collection::vec(any::<usize>(), 0..10),
    ) {
        if let Some((at, byte)) = mutation {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let limits = Limits { headers_bytes_max: 80, ..Limits::default() };
        let whole = read(&limits, &bytes, &[]);
        prop_assert_eq!(read(&limits, &bytes, &cuts), &whole[..]);
        let bytewise: Vec<usize> = (1..bytes.len()).collect();
        prop_assert_eq!(read(&limits, &bytes, &bytewise), &whole[..]);
    }

    /// What our client writes our server reads, and the reverse.
    #[test]
    fn both_directions_agree(
        body in proptest::collection::vec(any::<u8>(), 0..100),
        value in "[ -~é]{0,20}",
        status in 200_u16..600,
        chunks in 1_usize..40,
    ) {
        let mut out = Vec::new();
        http::write_request(&mut out, "POST", "/p?q", "h:1", &[("X", &value)], &body);
        let mut input = &mut out[..];
        let request =
            RequestReader::default().read(&mut input, &Limits::default()).unwrap().unwrap();
        prop_assert_eq!(request.body(), &body[..]);
        prop_assert_eq!(request.header("x"), Some(value.trim_matches([' ', '\t'])));

        let mut out = Vec::new();
        Response::new(status).header("X", &value).body(&body[..]).write(&mut out, REPLY);
        let expected = if matches!(status, 204 | 304) { &[][..] } else { &body };
        let expected = format!("{status} \"{}\"", expected.escape_ascii());
        prop_assert_eq!(read_responses(&out, &[], false), expected);

        let mut out = Vec::new();
        Response::new(200).streaming().write(&mut out, REPLY);
        body.chunks(chunks).for_each(|chunk| http::write_chunk(&mut out, chunk));
        http::write_last_chunk(&mut out);
        let expected = format!("200 \"{}\"", body.escape_ascii());
        prop_assert_eq!(read_responses(&out, &[], false), expected);
    }

    /// T-CRLF: whatever is echoed, the head has the lines it was given and no more.
    #[test]
    fn echoed_values_add_no_lines(value in any::<String>()) {
        let mut out = Vec::new();
        Response::new(200).header("X", &value).header("Y", "z").write(&mut out, REPLY);
        let lines = out.split(|byte| *byte == b'\n').count();
        prop_assert!(lines == 5 + usize::from(http::is_header_value(&value)));
    }
}

/// An accepted head reads the same on demand as it was checked.
#[test]
fn a_head_is_a_small_reference() {
    assert_eq!(size_of::<Head<'_>>(), 16);
    assert!(size_of::<RequestReader>() <= 80, "{} bytes", size_of::<RequestReader>());
}
