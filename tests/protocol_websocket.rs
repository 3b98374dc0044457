//! The WebSocket codec: a table of cases in every cut, and tungstenite as oracle.

#![allow(clippy::mut_mut, reason = "input is taken from the front of a writable slice")]
#![allow(clippy::match_same_arms, reason = "each arm has a reason of its own")]

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tickhub::protocol::http::{
    Headers, Incoming, Limits as HttpLimits, RequestReader, ResponseReader,
};
use tickhub::protocol::websocket::{
    self, Decoder, Event, Kind, Limits, OpCode, Role, Verdict, unmask, write_close, write_frame,
    write_masked_frame,
};
use tungstenite::protocol::{Role as OracleRole, WebSocketConfig};
use tungstenite::{Error as OracleError, Message, WebSocket};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    /// A message that has begun: its bytes so far.
    Open(Vec<u8>),
    Violation(u16, &'static str),
}

/// What a decoder makes of `bytes`, cut before each of `cuts`.
fn decode(role: Role, limits: &Limits, bytes: &[u8], cuts: &[usize]) -> Vec<Seen> {
    let mut decoder = Decoder::new(role);
    let mut seen = Vec::new();
    let mut message: Option<Vec<u8>> = None;
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut at = 0;
    for &cut in cuts.iter().chain(&[usize::MAX]) {
        let size = cut.saturating_sub(at).min(rest.len());
        at += size;
        let (mut input, behind) = rest.split_at_mut(size);
        rest = behind;
        loop {
            match decoder.next(&mut input, limits) {
                Ok(None) => {
                    assert!(input.is_empty(), "a decoder that waits has used up its input");
                    break;
                }
                Ok(Some(Event::Data { kind, bytes, first, last, .. })) => {
                    assert_eq!(first, message.is_none(), "first marks the beginning");
                    assert!(last || !bytes.is_empty(), "only a last piece is empty");
                    message.get_or_insert_default().extend_from_slice(bytes);
                    if last {
                        let whole = message.take().unwrap();
                        seen.push(match kind {
                            Kind::Text => Seen::Text(whole),
                            Kind::Binary => Seen::Binary(whole),
                        });
                    }
                }
                Ok(Some(Event::Ping(payload))) => seen.push(Seen::Ping(payload.into_owned())),
                Ok(Some(Event::Pong(payload))) => seen.push(Seen::Pong(payload.into_owned())),
                Ok(Some(Event::Close { code, reason })) => {
                    seen.push(Seen::Close(code, reason.into_owned()));
                }
                Err(violation) => seen.push(Seen::Violation(violation.code, violation.text)),
            }
        }
    }
    if let Some(open) = message
        && !matches!(seen.last(), Some(Seen::Violation(..) | Seen::Close(..)))
    {
        seen.push(Seen::Open(open));
    }
    seen
}

/// As short text: `"text"`, `b"binary"`, `ping "x"`, `close 1000 "bye"`, `open "te"`, `1002`;
/// anything long as its length, `[65536]`.
fn show(seen: &[Seen]) -> String {
    let text = |bytes: &[u8]| {
        if bytes.len() > 40 {
            format!("[{}]", bytes.len())
        } else {
            format!("\"{}\"", bytes.escape_ascii())
        }
    };
    let parts: Vec<String> = seen
        .iter()
        .map(|seen| match seen {
            Seen::Text(bytes) => text(bytes),
            Seen::Binary(bytes) => format!("b{}", text(bytes)),
            Seen::Ping(bytes) => format!("ping {}", text(bytes)),
            Seen::Pong(bytes) => format!("pong {}", text(bytes)),
            Seen::Open(bytes) => format!("open {}", text(bytes)),
            Seen::Close(None, _) => "close".to_owned(),
            Seen::Close(Some(code), reason) => format!("close {code} {}", text(reason.as_bytes())),
            Seen::Violation(code, _) => code.to_string(),
        })
        .collect();
    parts.join(", ")
}

/// The ways to cut `len` bytes that every case is tried in.
fn cuttings(len: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for size in [2, 3, 7, 100, 1460] {
        all.push((0..len).step_by(size).skip(1).collect());
    }
    if len <= 400 {
        all.push((1..len).collect());
        all.extend((1..len).map(|at| vec![at]));
        all.extend((1..len).map(|at| vec![at, at + 1]));
    } else {
        // The headers of long frames lie in front; the end is where flags change.
        all.extend((1..20).map(|at| vec![at]));
        all.push((1..20).chain(len - 20..len).collect());
    }
    all
}

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame of any first byte, masked or not, its length in the shortest form or in the given
/// number of extra bytes.
fn frame(first: u8, mask: Option<[u8; 4]>, extra: Option<usize>, payload: &[u8]) -> Vec<u8> {
    let mut out = head(first, mask, extra, payload.len() as u64);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        unmask(&mut out[start..], mask);
    }
    out
}

fn head(first: u8, mask: Option<[u8; 4]>, extra: Option<usize>, len: u64) -> Vec<u8> {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    let extra = extra.unwrap_or(match len {
        0..=125 => 0,
        126..=65_535 => 2,
        _ => 8,
    });
    let mut out = vec![first];
    match extra {
        0 => out.push(mask_bit | len as u8),
        2 => {
            out.push(mask_bit + 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(mask_bit + 127);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
    }
    out
}

/// A masked frame.
fn m(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(first, Some(MASK), None, payload.as_ref())
}

/// A masked Close frame.
fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    m(0x88, [&code.to_be_bytes(), reason.as_ref()].concat())
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const TEXT_BEGINS: u8 = 0x01;
const BINARY_BEGINS: u8 = 0x02;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;

fn limits(message_bytes_max: u64, fragments_max: u32) -> Limits {
    Limits { message_bytes_max: Some(message_bytes_max), fragments_max }
}

/// A name, what is received, and what is seen of it.
type Case = (&'static str, Vec<u8>, &'static str);

fn check(role: Role, limits: &Limits, cases: &[Case]) {
    for (name, bytes, expected) in cases {
        for cuts in cuttings(bytes.len()) {
            let seen = decode(role, limits, bytes, &cuts);
            assert_eq!(&show(&seen), expected, "{name}, cut at {cuts:?}");
        }
    }
}

fn check_server(cases: &[Case]) {
    check(Role::Server, &Limits::default(), cases);
}

#[test]
fn messages() {
    check_server(&[
        ("nothing", vec![], ""),
        ("empty text", m(TEXT, ""), "\"\""),
        ("empty binary", m(BINARY, ""), "b\"\""),
        ("text", m(TEXT, "Hello"), "\"Hello\""),
        ("binary", m(BINARY, [0xff, 0]), "b\"\\xff\\x00\""),
        ("two", [m(TEXT, "a"), m(BINARY, "b")].concat(), "\"a\", b\"b\""),
        ("three", m(TEXT, "x").repeat(3), "\"x\", \"x\", \"x\""),
        ("mask of zeros", frame(TEXT, Some([0; 4]), None, b"Hello"), "\"Hello\""),
        ("125", m(TEXT, "x".repeat(125)), "[125]"),
        ("126", m(TEXT, "x".repeat(126)), "[126]"),
        ("127", m(BINARY, [0; 127]), "b[127]"),
        ("65535", m(BINARY, vec![7; 65_535]), "b[65535]"),
        ("65536", m(BINARY, vec![7; 65_536]), "b[65536]"),
        ("65536 of text", m(TEXT, "é".repeat(32_768)), "[65536]"),
        ("begun", m(TEXT, "Hello")[..9].to_vec(), "open \"Hel\""),
        ("header begun", m(TEXT, "Hello")[..5].to_vec(), ""),
        ("announced and awaited", head(BINARY, Some(MASK), None, u64::MAX >> 1), ""),
    ]);
}

#[test]
fn fragments() {
    let (a, b, c) = (m(TEXT_BEGINS, "a"), m(GOES_ON, "b"), m(ENDS, "c"));
    check_server(&[
        ("two", [&a[..], &c].concat(), "\"ac\""),
        ("three", [&a[..], &b, &c].concat(), "\"abc\""),
        ("binary", [m(BINARY_BEGINS, [0xff]), m(ENDS, [0xfe])].concat(), "b\"\\xff\\xfe\""),
        ("empty first", [m(TEXT_BEGINS, ""), c.clone()].concat(), "\"c\""),
        ("empty middle", [&a[..], &m(GOES_ON, ""), &c].concat(), "\"ac\""),
        ("empty last", [&a[..], &m(ENDS, "")].concat(), "\"a\""),
        ("all empty", [m(TEXT_BEGINS, ""), m(GOES_ON, ""), m(ENDS, "")].concat(), "\"\""),
        ("unfinished", [&a[..], &b].concat(), "open \"ab\""),
        ("ping between", [&a[..], &m(PING, "p"), &c].concat(), "ping \"p\", \"ac\""),
        ("pong between", [&a[..], &m(PONG, ""), &c].concat(), "pong \"\", \"ac\""),
        ("close between", [&a[..], &close(1000, ""), &c].concat(), "close 1000 \"\""),
        ("long", [m(BINARY_BEGINS, [1; 300]), m(ENDS, [2; 300])].concat(), "b[600]"),
        ("another after", [&a[..], &c, &m(TEXT, "d")].concat(), "\"ac\", \"d\""),
        ("a kind of its own", [&a[..], &c, &m(BINARY, "d")].concat(), "\"ac\", b\"d\""),
        ("continuation of nothing", m(ENDS, "x"), "1002"),
        ("continuation of nothing, unfinished", m(GOES_ON, "x"), "1002"),
        ("continuation after the end", [&a[..], &c, &m(ENDS, "d")].concat(), "\"ac\", 1002"),
        ("continuation after a whole", [m(TEXT, "a"), c.clone()].concat(), "\"a\", 1002"),
        ("continuation after a ping", [m(PING, "a"), c.clone()].concat(), "ping \"a\", 1002"),
        ("text inside", [&a[..], &m(TEXT, "x")].concat(), "1002"),
        ("binary inside", [&a[..], &m(BINARY, "x")].concat(), "1002"),
        ("text begins inside", [&a[..], &m(TEXT_BEGINS, "x")].concat(), "1002"),
        ("binary inside binary", [m(BINARY_BEGINS, "x"), m(BINARY, "x")].concat(), "1002"),
    ]);
}

#[test]
fn reserved_bits_and_op_codes() {
    for rsv in [0x10, 0x20, 0x40, 0x70] {
        for first in [TEXT, BINARY, TEXT_BEGINS, PING, PONG, 0x88] {
            check_server(&[("reserved bit", m(first | rsv, ""), "1002")]);
        }
        let late = [m(TEXT, "a"), m(TEXT | rsv, "b")].concat();
        check_server(&[("reserved bit later", late, "\"a\", 1002")]);
        let inside = [m(TEXT_BEGINS, "a"), m(ENDS | rsv, "b")].concat();
        check_server(&[("reserved bit in a continuation", inside, "1002")]);
    }
    for code in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        for fin in [0, 0x80] {
            check_server(&[
                ("op code", m(fin | code, ""), "1002"),
                ("op code and payload", m(fin | code, "x"), "1002"),
                ("op code later", [m(TEXT, "a"), m(fin | code, "x")].concat(), "\"a\", 1002"),
            ]);
        }
    }
    // One byte or two are enough to see it.
    check_server(&[
        ("reserved bit alone", vec![0xc1], "1002"),
        ("op code alone", vec![0x83], "1002"),
        ("continuation alone", vec![0x80], "1002"),
        ("fragmented ping alone", vec![0x09], "1002"),
        ("unmasked alone", vec![0x81, 0x00], "1002"),
        ("long ping alone", vec![0x89, 0xfe], "1002"),
    ]);
}

#[test]
fn control_frames() {
    check_server(&[
        ("empty ping", m(PING, ""), "ping \"\""),
        ("ping", m(PING, "are you there"), "ping \"are you there\""),
        ("ping of any bytes", m(PING, [0, 0xff]), "ping \"\\x00\\xff\""),
        ("ping of 125", m(PING, [b'x'; 125]), "ping [125]"),
        ("ping of 126", m(PING, [b'x'; 126]), "1002"),
        ("ping of 65536", m(PING, vec![b'x'; 65_536]), "1002"),
        ("empty pong", m(PONG, ""), "pong \"\""),
        ("pong nobody asked for", m(PONG, "unasked"), "pong \"unasked\""),
        ("pong of 125", m(PONG, [b'x'; 125]), "pong [125]"),
        ("pong of 126", m(PONG, [b'x'; 126]), "1002"),
        ("close of 126", close(1000, "x".repeat(124)), "1002"),
        ("ping in fragments", m(0x09, "x"), "1002"),
        ("pong in fragments", m(0x0a, "x"), "1002"),
        ("close in fragments", m(0x08, ""), "1002"),
        ("ping in long form", frame(PING, Some(MASK), Some(2), b"x"), "1002"),
        ("three pings", m(PING, "x").repeat(3), "ping \"x\", ping \"x\", ping \"x\""),
        ("unfinished ping", m(PING, "xy")[..7].to_vec(), ""),
    ]);
}

#[test]
fn lengths() {
    let long = |extra, len| head(BINARY, Some(MASK), Some(extra), len);
    check_server(&[
        ("16 bits for 0", long(2, 0), "1002"),
        ("16 bits for 125", long(2, 125), "1002"),
        ("64 bits for 0", long(8, 0), "1002"),
        ("64 bits for 125", long(8, 125), "1002"),
        ("64 bits for 126", long(8, 126), "1002"),
        ("64 bits for 65535", long(8, 65_535), "1002"),
        ("64 bits for 65536", long(8, 65_536), ""),
        ("2^63", long(8, 1 << 63), "1002"),
        ("2^64 - 1", long(8, u64::MAX), "1002"),
        ("judged without the mask", long(8, u64::MAX)[..10].to_vec(), "1002"),
    ]);
}

#[test]
fn limits_are_judged_on_what_is_announced() {
    let announced = |first, len| head(first, Some(MASK), None, len);
    let joined = |a: Vec<u8>, b: Vec<u8>| [a, b].concat();
    let x = |len| "x".repeat(len);
    check(
        Role::Server,
        &limits(1000, 1024),
        &[
            ("one less", m(TEXT, x(999)), "[999]"),
            ("the limit", m(TEXT, x(1000)), "[1000]"),
            ("one more", announced(TEXT, 1001), "1009"),
            ("2^32", announced(TEXT, 1 << 32), "1009"),
            ("2^63 - 1", announced(TEXT, u64::MAX >> 1), "1009"),
            ("2^63", announced(TEXT, 1 << 63), "1002"),
            ("in fragments", joined(m(TEXT_BEGINS, x(500)), m(ENDS, x(500))), "[1000]"),
            ("one more there", joined(m(TEXT_BEGINS, x(500)), announced(ENDS, 501)), "1009"),
            ("no wrap", joined(m(TEXT_BEGINS, x(1)), announced(ENDS, u64::MAX >> 1)), "1009"),
            ("each anew", joined(m(TEXT, x(1000)), m(TEXT, x(1000))), "[1000], [1000]"),
            (
                "pings do not count",
                [m(BINARY_BEGINS, [0; 1000]), m(PING, "p"), m(ENDS, "")].concat(),
                "ping \"p\", b[1000]",
            ),
        ],
    );
    check(
        Role::Server,
        &limits(1000, 3),
        &[
            ("two of three", [m(1, "a"), m(0x80, "b")].concat(), "\"ab\""),
            ("three of three", [m(1, "a"), m(0, "b"), m(0x80, "c")].concat(), "\"abc\""),
            ("four of three", [m(1, "a"), m(0, "b"), m(0, "c"), m(0x80, "d")].concat(), "1009"),
            ("empty ones count", [m(1, ""), m(0, ""), m(0, ""), m(0, "")].concat(), "1009"),
        ],
    );
    check(Role::Server, &limits(0, 1), &[("0", m(TEXT, ""), "\"\""), ("1", m(TEXT, "x"), "1009")]);
}

#[test]
fn a_thousand_fragments_and_no_more() {
    let mut bytes = m(BINARY_BEGINS, "x");
    bytes.extend(m(GOES_ON, "x").repeat(1022));
    let fits = [&bytes[..], &m(ENDS, "x")].concat();
    assert_eq!(show(&decode(Role::Server, &Limits::default(), &fits, &[])), "b[1024]");
    bytes.extend(m(GOES_ON, "x"));
    bytes.extend(m(ENDS, "x"));
    assert_eq!(show(&decode(Role::Server, &Limits::default(), &bytes, &[])), "1009");
}

#[test]
fn masks_by_role() {
    let bare = |first, payload: &str| frame(first, None, None, payload.as_bytes());
    check_server(&[
        ("text", bare(TEXT, "an unmasked frame"), "1002"),
        ("empty text", bare(TEXT, ""), "1002"),
        ("ping", bare(PING, ""), "1002"),
        ("close", bare(0x88, ""), "1002"),
        ("later", [m(TEXT, "a"), bare(TEXT, "b")].concat(), "\"a\", 1002"),
        ("in a message", [m(TEXT_BEGINS, "a"), bare(ENDS, "b")].concat(), "1002"),
    ]);
    check(
        Role::Client,
        &Limits::default(),
        &[
            ("text", bare(TEXT, "Hello"), "\"Hello\""),
            ("ping", bare(PING, "p"), "ping \"p\""),
            ("long", bare(BINARY, &"x".repeat(70_000)), "b[70000]"),
            ("close", frame(0x88, None, None, b"\x03\xe8bye"), "close 1000 \"bye\""),
            ("masked", m(TEXT, "Hello"), "1002"),
            ("masked ping", m(PING, ""), "1002"),
            ("masked close", m(0x88, ""), "1002"),
        ],
    );
}

#[test]
fn close_frames() {
    check_server(&[
        ("empty", m(0x88, ""), "close"),
        ("one byte", m(0x88, [3]), "1002"),
        ("code", close(1000, ""), "close 1000 \"\""),
        ("reason", close(1001, "hé"), "close 1001 \"h\\xc3\\xa9\""),
        ("longest reason", close(4000, "x".repeat(123)), "close 4000 [123]"),
        ("reason that is no UTF-8", close(1000, [0xff]), "1002"),
        ("reason that ends in a character", close(1000, [b'a', 0xc3]), "1002"),
        ("surrogate in the reason", close(1000, [0xed, 0xa0, 0x80]), "1002"),
        ("text after", [close(1000, ""), m(TEXT, "x")].concat(), "close 1000 \"\""),
        ("ping after", [close(1000, ""), m(PING, "x")].concat(), "close 1000 \"\""),
        ("close after", [close(1000, ""), close(1001, "")].concat(), "close 1000 \"\""),
        ("rubbish after", [close(1000, ""), vec![0xff; 20]].concat(), "close 1000 \"\""),
        ("nothing after a violation", [vec![0xff; 20], m(TEXT, "x")].concat(), "1002"),
    ]);
    for code in [0, 1, 999, 1004, 1005, 1006, 1014, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        check_server(&[("a code that must not be sent", close(code, "x"), "1002")]);
    }
    let sendable = (1000..=1003).chain(1007..=1013).chain([3000, 3999, 4000, 4999]);
    for code in sendable {
        let seen = decode(Role::Server, &Limits::default(), &close(code, "x"), &[]);
        assert_eq!(show(&seen), format!("close {code} \"x\""));
    }
}

#[test]
fn text_is_utf8() {
    for (name, bytes) in [
        ("FF", &b"a\xff"[..]),
        ("FE", b"\xfe"),
        ("stray continuation", b"a\x80"),
        ("overlong NUL", b"\xc0\x80"),
        ("overlong slash", b"\xe0\x80\xaf"),
        ("overlong of four", b"\xf0\x80\x80\xaf"),
        ("surrogate", b"\xed\xa0\x80"),
        ("beyond U+10FFFF", b"\xf4\x90\x80\x80"),
        ("F5", b"\xf5\x80\x80\x80"),
        ("five bytes", b"\xf8\x88\x80\x80\x80"),
        ("cut off", b"a\xc3"),
        ("cut off after two", b"\xe2\x82"),
        ("cut off after three", b"\xf0\x9f\x98"),
        ("cut by ASCII", b"\xe2\x82a"),
        ("after much that is valid", &[&[b'x'; 200][..], b"\xff"].concat()),
    ] {
        check_server(&[
            (name, m(TEXT, bytes), "1007"),
            (name, [m(TEXT_BEGINS, bytes), m(ENDS, "")].concat(), "1007"),
        ]);
        let seen = decode(Role::Server, &Limits::default(), &m(BINARY, bytes), &[]);
        assert!(matches!(&seen[..], [Seen::Binary(same)] if same == bytes), "binary may be all");
    }
    for text in ["\u{7f}", "\u{80}", "\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{ffff}"] {
        let seen = decode(Role::Server, &Limits::default(), &m(TEXT, text), &[]);
        assert_eq!(seen, [Seen::Text(text.into())]);
    }
    // Cut into two fragments anywhere, also inside a character.
    for text in ["κόσμε", "a😀b", "\u{10ffff}"] {
        for at in 0..=text.len() {
            let (a, b) = text.as_bytes().split_at(at);
            let bytes = [m(TEXT_BEGINS, a), m(PING, ""), m(ENDS, b)].concat();
            for cuts in cuttings(bytes.len()) {
                let seen = decode(Role::Server, &Limits::default(), &bytes, &cuts);
                assert_eq!(seen, [Seen::Ping(vec![]), Seen::Text(text.into())]);
            }
        }
    }
    check_server(&[
        ("across fragments", [m(TEXT_BEGINS, [0xc3]), m(ENDS, "x")].concat(), "1007"),
        ("not across messages", [m(TEXT, [0xc3]), m(TEXT, [0xa9])].concat(), "1007"),
        ("after binary", [m(BINARY, [0xc3]), m(TEXT, "x")].concat(), "b\"\\xc3\", \"x\""),
    ]);
}

#[test]
fn text_fails_at_the_first_impossible_byte() {
    // A frame of 100 bytes of which only the beginning has come (Autobahn 6.4).
    for start in [&b"\xf4\x90"[..], b"\xce\xba\xf4\x90", b"\xed\xa0", b"\xc0", b"abc\xff"] {
        let mut bytes = head(TEXT, Some(MASK), None, 100);
        let at = bytes.len();
        bytes.extend_from_slice(start);
        unmask(&mut bytes[at..], MASK);
        check_server(&[("impossible", bytes.clone(), "1007")]);
        bytes.pop();
        let seen = decode(Role::Server, &Limits::default(), &bytes, &[]);
        assert!(!matches!(seen.last(), Some(Seen::Violation(..))), "one byte less is possible");
    }
}

#[test]
fn an_idle_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 40, "{} bytes", size_of::<Decoder>());
}

#[test]
fn where_a_socket_may_end() {
    let mut decoder = Decoder::new(Role::Server);
    let mut bytes = [m(TEXT_BEGINS, "a"), m(ENDS, "b")].concat();
    assert!(decoder.is_between_messages());
    let (mut a, mut b) = bytes.split_at_mut(7);
    while decoder.next(&mut a, &Limits::default()).unwrap().is_some() {}
    assert!(!decoder.is_between_messages());
    while decoder.next(&mut b, &Limits::default()).unwrap().is_some() {}
    assert!(decoder.is_between_messages());
}

#[test]
fn data_is_lent_and_not_copied() {
    let mut bytes = m(TEXT, "Hello");
    let payload = &raw const bytes[6];
    let mut input = &mut bytes[..];
    let event = Decoder::new(Role::Server).next(&mut input, &Limits::default()).unwrap();
    let Some(Event::Data { bytes, .. }) = event else { panic!("a text was sent") };
    assert!(std::ptr::eq(&raw const bytes[0], payload));
}

// Handshake.

const OPENING: &str = "GET /hub?id=1 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: alpha, beta\r\nSec-WebSocket-Protocol: gamma\r\n\r\n";

/// What is made of an opening after replacing `from` with `to`.
fn verdict(from: &str, to: &str) -> String {
    assert!(OPENING.contains(from), "{from}");
    let mut bytes = OPENING.replace(from, to).into_bytes();
    let mut input = &mut bytes[..];
    let request = RequestReader::default().read(&mut input, &HttpLimits::default());
    let request = request.unwrap().unwrap();
    let verdict = Verdict::of(&request);
    match verdict {
        Verdict::Accept { key } => format!("accept {key}"),
        Verdict::NotWebSocket => "no".to_owned(),
        Verdict::WrongVersion | Verdict::Malformed(_) => {
            assert!(!request.keep_alive(), "frames may follow that must not be read as requests");
            verdict.refusal().unwrap().status().to_string()
        }
    }
}

#[test]
fn openings() {
    let accepted = "accept dGhlIHNhbXBsZSBub25jZQ==";
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let line = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (from, to, expected) in [
        ("/hub", "/hub", accepted),
        ("keep-alive, Upgrade", "Upgrade", accepted),
        ("keep-alive, Upgrade", "UPGRADE,keep-alive", accepted),
        ("Upgrade: websocket", "upgrade: WebSocket", accepted),
        ("Upgrade: websocket", "Upgrade: h2c, websocket", accepted),
        ("Host: h", "Host: h\r\nContent-Length: 0", accepted),
        ("GET", "POST", "no"),
        ("GET", "HEAD", "no"),
        ("keep-alive, Upgrade", "keep-alive", "no"),
        ("keep-alive, Upgrade", "Upgraded", "no"),
        ("Connection: keep-alive, Upgrade\r\n", "", "no"),
        ("Upgrade: websocket\r\n", "", "no"),
        ("Upgrade: websocket", "Upgrade: h2c", "no"),
        ("Upgrade: websocket", "Upgrade: websockets", "no"),
        ("Version: 13", "Version: 8", "426"),
        ("Version: 13", "Version: 130", "426"),
        ("Sec-WebSocket-Version: 13\r\n", "", "426"),
        (line, "", "400"),
        (line, &line.repeat(2), "400"),
        (key, "", "400"),
        (key, "?", "400"),
        (key, "AAECAwQFBgcICQoLDA0O", "400"),
        (key, "AAECAwQFBgcICQoLDA0ODxA=", "400"),
        (key, "dGhlIHNhbXBsZSBub25jZQ=", "400"),
        (key, "dGhlIHNhbXBsZSBub25jZR==", "400"),
        (key, "dGhlIHNhbXBsZSBub25j*Q==", "400"),
        ("HTTP/1.1", "HTTP/1.0", "400"),
    ] {
        assert_eq!(verdict(from, to), expected, "{from} -> {to}");
    }
}

#[test]
fn an_opening_with_a_body_is_no_opening() {
    for (framing, body) in [("Content-Length: 1", "x"), ("Transfer-Encoding: chunked", "0\r\n\r\n")]
    {
        let text = OPENING.replace("Host: h", &format!("Host: h\r\n{framing}")) + body;
        let mut bytes = text.into_bytes();
        let mut input = &mut bytes[..];
        let request =
            RequestReader::default().read(&mut input, &HttpLimits::default()).unwrap().unwrap();
        assert!(matches!(Verdict::of(&request), Verdict::Malformed(_)), "{framing}");
    }
}

#[test]
fn frames_glued_to_the_opening_are_left_for_the_decoder() {
    let mut bytes = [OPENING.as_bytes(), &m(TEXT, "early")].concat();
    let mut input = &mut bytes[..];
    let request =
        RequestReader::default().read(&mut input, &HttpLimits::default()).unwrap().unwrap();
    assert!(matches!(Verdict::of(&request), Verdict::Accept { .. }));
    let mut decoder = Decoder::new(Role::Server);
    // The request is still borrowed while the frames behind it are read.
    let event = decoder.next(&mut input, &Limits::default()).unwrap();
    assert!(matches!(event, Some(Event::Data { bytes, .. }) if bytes == b"early"));
    let offered: Vec<&str> = websocket::offered_subprotocols(request.head()).collect();
    assert_eq!(offered, ["alpha", "beta", "gamma"]);
}

#[test]
fn both_sides_of_the_handshake_agree() {
    let mut sent = Vec::new();
    let key = websocket::write_request(&mut sent, "/hub", "h", [7; 16], &[("Origin", "http://o")]);
    let mut input = &mut sent[..];
    let request =
        RequestReader::default().read(&mut input, &HttpLimits::default()).unwrap().unwrap();
    assert_eq!(Verdict::of(&request), Verdict::Accept { key: &key });
    let mut answer = Vec::new();
    websocket::write_response(&mut answer, &key, Some("beta"), None, &Headers::default());
    for (from, to, agreed) in [
        ("101", "101", true),
        ("101 Switching Protocols", "200 OK", false),
        ("Accept: ", "Accept: x", false),
        ("Upgrade: websocket\r\n", "", false),
        ("Connection: Upgrade\r\n", "", false),
        ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", false),
    ] {
        let text = String::from_utf8(answer.clone()).unwrap();
        assert!(text.contains(from));
        let mut bytes = text.replace(from, to).into_bytes();
        let mut input = &mut bytes[..];
        let head = ResponseReader::default().next(&mut input, &HttpLimits::default()).unwrap();
        let Some(Incoming::Head(head)) = head else { panic!("a head was sent") };
        assert_eq!(websocket::check_response(&head, &key), agreed, "{from} -> {to}");
    }
}

#[test]
fn the_accept_key_of_the_specification() {
    // RFC 6455 §1.3.
    let mut out = Vec::new();
    websocket::write_response(
        &mut out,
        "dGhlIHNhbXBsZSBub25jZQ==",
        None,
        None,
        &Headers::default(),
    );
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
}

// tungstenite as oracle.

/// Bytes to read, and a place to forget what is written.
struct Wire(Cursor<Vec<u8>>);

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite sees, as our own decoder would tell it.
fn oracle(role: Role, max: usize, bytes: &[u8]) -> Vec<Seen> {
    let role = match role {
        Role::Server => OracleRole::Server,
        Role::Client => OracleRole::Client,
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(max))
        .max_frame_size(Some(max))
        .read_buffer_size(4096);
    let wire = Wire(Cursor::new(bytes.to_vec()));
    let mut socket = WebSocket::from_raw_socket(wire, role, Some(config));
    let mut seen = Vec::new();
    loop {
        seen.push(match socket.read() {
            Ok(Message::Text(text)) => Seen::Text(text.as_bytes().to_vec()),
            Ok(Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
            Ok(Message::Ping(bytes)) => Seen::Ping(bytes.to_vec()),
            Ok(Message::Pong(bytes)) => Seen::Pong(bytes.to_vec()),
            Ok(Message::Close(None)) => Seen::Close(None, String::new()),
            // This is how it reports a close code that must not be sent.
            Ok(Message::Close(Some(frame))) if frame.reason.as_str() == "Protocol violation" => {
                Seen::Violation(1002, "close code")
            }
            Ok(Message::Close(Some(frame))) => {
                Seen::Close(Some(frame.code.into()), frame.reason.to_string())
            }
            Ok(Message::Frame(_)) => unreachable!("never read"),
            Err(OracleError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return seen;
            }
            Err(OracleError::Protocol(_)) => Seen::Violation(1002, "protocol"),
            Err(OracleError::Utf8(_)) => Seen::Violation(1007, "utf8"),
            Err(OracleError::Capacity(_)) => Seen::Violation(1009, "capacity"),
            Err(other) => panic!("unexpected {other}"),
        });
        if matches!(seen.last(), Some(Seen::Close(..) | Seen::Violation(..))) {
            return seen;
        }
    }
}

/// Why our verdict may differ from the oracle's, each difference on purpose.
fn is_intended(ours: &Seen, oracle: Option<&Seen>, frames_are_whole: bool) -> bool {
    match (ours, oracle) {
        // RFC 6455 §5.2: "the minimal number of bytes MUST be used", "the most significant bit
        // MUST be 0". The oracle takes the first, and finds the second too long, or waits.
        (Seen::Violation(1002, text), _) if text.starts_with("a length") => true,
        // The same for control frames: in the longer form any length is longer than 125 for us,
        // and what the oracle takes (or reads, and finds no UTF-8) was shorter in truth.
        (
            Seen::Violation(1002, "a control frame is longer than 125 bytes"),
            Some(Seen::Ping(_) | Seen::Pong(_) | Seen::Close(..) | Seen::Violation(1007, _)),
        ) => true,
        // RFC 6455 §8.1 asks to fail the connection and names no code. The original answers 1002
        // to a broken reason (transcript raw-protocol-errors), the oracle 1007; and it reads the
        // reason before the code.
        (Seen::Violation(1002, text), Some(Seen::Violation(1007, _))) => {
            text.starts_with("a close")
        }
        // Both refuse the same frame. The oracle judges its length before its flags, op code and
        // mask; we judge the bytes in the order in which they come (RFC 6455 §5.2 has no order).
        (Seen::Violation(1002, _), Some(Seen::Violation(1009, _))) => true,
        // RFC 6455 §5.4, §5.5, §8.1: nothing asks an endpoint to wait for the end of a frame that
        // it will refuse. We do not, the oracle does.
        (Seen::Violation(..), None) => !frames_are_whole,
        _ => false,
    }
}

#[derive(Clone, Debug)]
struct Spec {
    first: u8,
    mask: Option<[u8; 4]>,
    extra: Option<usize>,
    payload: Vec<u8>,
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-zé😀]{0,12}".prop_map(String::into_bytes),
        2 => Just(Vec::new()),
        2 => proptest::collection::vec(any::<u8>(), 0..20),
        // The two halves of a character, which meet across fragments now and then.
        2 => prop_oneof![Just(vec![b'a', 0xf0, 0x9f]), Just(vec![0x98, 0x80]), Just(vec![0xc3])],
        2 => prop_oneof![Just(120), Just(125), Just(126), Just(499), Just(500), Just(501)]
            .prop_map(|len| vec![b'x'; len]),
        1 => (900_u16..5100, "[a-z]{0,5}").prop_map(|(code, reason)| {
            [&code.to_be_bytes(), reason.as_bytes()].concat()
        }),
    ]
}

fn specs(role: Role) -> impl Strategy<Value = Spec> {
    let first = prop_oneof![
        4 => prop_oneof![Just(TEXT), Just(BINARY)],
        4 => prop_oneof![Just(TEXT_BEGINS), Just(BINARY_BEGINS)],
        6 => prop_oneof![Just(GOES_ON), Just(ENDS)],
        3 => prop_oneof![Just(PING), Just(PONG)],
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let masked = role == Role::Server;
    let masked = prop_oneof![30 => Just(masked), 1 => Just(!masked)];
    let extra = prop_oneof![40 => Just(None), 1 => Just(Some(2)), 1 => Just(Some(8))];
    (first, masked, any::<[u8; 4]>(), extra, payloads()).prop_map(
        |(first, masked, mask, extra, payload)| {
            let mask = masked.then_some(mask);
            Spec { first, mask, extra, payload }
        },
    )
}

/// Frames, of which many sequences are valid: mostly the fragments of a message are in order.
fn sequences(role: Role) -> impl Strategy<Value = Vec<Spec>> {
    let tidy = prop_oneof![3 => Just(true), 1 => Just(false)];
    (proptest::collection::vec(specs(role), 1..10), tidy).prop_map(|(mut specs, tidy)| {
        let mut inside = false;
        for spec in specs.iter_mut().filter(|_| tidy) {
            let code = spec.first & 0x0f;
            if code < 3 {
                spec.first = match (inside, code) {
                    (true, _) => spec.first & 0x80,
                    (false, 0) => (spec.first & 0x80) | 1,
                    (false, _) => spec.first & 0x8f,
                };
                inside = spec.first & 0x80 == 0;
            }
        }
        specs
    })
}

const ORACLE_LIMIT: usize = 500;

fn compare(role: Role, specs: &[Spec], mutation: Option<(usize, u8)>, cuts: &[usize]) {
    let mut bytes: Vec<u8> = specs
        .iter()
        .flat_map(|spec| frame(spec.first, spec.mask, spec.extra, &spec.payload))
        .collect();
    if let Some((at, byte)) = mutation {
        let at = at % bytes.len();
        bytes[at] = byte;
    }
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let limits = limits(ORACLE_LIMIT as u64, u32::MAX);
    let whole = decode(role, &limits, &bytes, &[]);
    assert_eq!(decode(role, &limits, &bytes, &cuts), whole, "any cut gives the same");

    let ours: Vec<Seen> = whole.into_iter().filter(|seen| !matches!(seen, Seen::Open(_))).collect();
    let theirs = oracle(role, ORACLE_LIMIT, &bytes);
    if ours == theirs {
        return;
    }
    // Up to the verdict both saw the same; then there is one of ours, and a reason.
    let (verdict, before) = ours.split_last().expect("we never see less than the oracle");
    assert_eq!(before, &theirs[..before.len().min(theirs.len())], "{bytes:02x?}");
    let theirs = theirs.get(before.len());
    let same = matches!((verdict, theirs),
        (Seen::Violation(a, _), Some(Seen::Violation(b, _))) if a == b);
    assert!(
        same || is_intended(verdict, theirs, mutation.is_none()),
        "{verdict:?} but {theirs:?}: {bytes:02x?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn servers_agree_with_tungstenite(
        specs in sequences(Role::Server),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        compare(Role::Server, &specs, None, &cuts);
    }

    #[test]
    fn servers_agree_with_tungstenite_on_broken_input(
        specs in sequences(Role::Server),
        mutation in any::<(usize, u8)>(),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        compare(Role::Server, &specs, Some(mutation), &cuts);
    }

    #[test]
    fn clients_agree_with_tungstenite(
        specs in sequences(Role::Client),
        mutation in proptest::option::of(any::<(usize, u8)>()),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        compare(Role::Client, &specs, mutation, &cuts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn tungstenite_reads_what_we_write(
        payload in prop_oneof![
            8 => proptest::collection::vec(any::<u8>(), 0..200),
            1 => Just(vec![1; 65_535]),
            1 => Just(vec![2; 65_536]),
        ],
        mask in any::<[u8; 4]>(),
        reason in "[a-zé]{0,40}",
    ) {
        let mut frames = Vec::new();
        write_frame(&mut frames, OpCode::Binary, &payload);
        write_close(&mut frames, Some(1000), &reason);
        let expected = [Seen::Binary(payload.clone()), Seen::Close(Some(1000), reason)];
        prop_assert_eq!(&oracle(Role::Client, 1 << 20, &frames)[..], &expected);
        prop_assert_eq!(&decode(Role::Client, &Limits::default(), &frames, &[])[..], &expected);

        let mut frames = Vec::new();
        write_masked_frame(&mut frames, OpCode::Binary, false, mask, &payload);
        write_masked_frame(&mut frames, OpCode::Continuation, true, mask, b"x");
        let expected = [Seen::Binary([&payload[..], b"x"].concat())];
        prop_assert_eq!(&oracle(Role::Server, 1 << 20, &frames)[..], &expected);
        prop_assert_eq!(&decode(Role::Server, &Limits::default(), &frames, &[])[..], &expected);
    }
}
