//! Compressed messages on the wire (RFC 7692; transcripts `raw-compression-*`), and bombs (T-BOMB).

use std::time::Duration;

use tickhub::protocol::websocket::{Kind, OpCode, write_masked_frame};
use tickhub::sim::{Frame, Wire, World};
use tickhub::{
    Compression, ConnectionOptions, HubOptions, Message, OutboxLimits, Peer, RawOptions, WebSocket,
};

use crate::deflate;
use crate::hall::{ARRIVED, Hall, call, invoke, log, result};
use crate::noise::noise;

/// Sends back what it gets; to all, if that begins with an exclamation mark. `?` means nothing.
struct Echo;

impl WebSocket for Echo {
    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
        match message.as_bytes().first() {
            Some(b'!') => peer.send_all(message).ignore(),
            Some(b'?') => {}
            _ => peer.send(message).ignore(),
        }
    }
}

fn raw(compression: Compression) -> RawOptions {
    RawOptions { compression: Some(compression), ..RawOptions::default() }
}

fn world(options: &RawOptions) -> World {
    World::new(1).websocket("/echo", || Echo, options)
}

/// A WebSocket with the other end of its compression.
struct Client {
    wire: Wire,
    deflate: deflate::Peer,
    /// Each message is compressed by itself, there and back.
    alone: bool,
}

const OFFER: &str = "permessage-deflate";
const ALONE: &str = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";

impl Client {
    /// Offers, and is answered.
    fn open(world: &mut World, path: &str, offer: &str) -> (Self, Option<String>) {
        let mut wire = Wire::tcp(world);
        let answer = wire.upgrade(world, path, &[("Sec-WebSocket-Extensions", offer)]);
        assert_eq!(answer.head.status(), 101);
        let agreed = answer.head.header("sec-websocket-extensions").map(str::to_owned);
        let alone = agreed.as_ref().is_some_and(|text| text.contains("server_no_context"));
        (Self { wire, deflate: deflate::Peer::default(), alone }, agreed)
    }

    fn with(world: &mut World, offer: &str) -> Self {
        Self::open(world, "/echo", offer).0
    }

    fn payload(&mut self, message: &[u8]) -> Vec<u8> {
        if self.alone {
            self.deflate = deflate::Peer::default();
        }
        self.deflate.deflate(message)
    }

    fn send(&mut self, world: &mut World, code: OpCode, message: &[u8]) {
        let payload = self.payload(message);
        let bytes = frame(code, true, 0x40, &payload);
        self.wire.bytes(world, &bytes);
    }

    /// The messages that came, inflated; and how long the compressed ones were.
    fn hear(&mut self, world: &mut World) -> (Vec<Frame>, Vec<usize>) {
        let mut sizes = Vec::new();
        let frames = self.wire.frames(world).into_iter().map(|frame| match frame {
            Frame::Compressed(kind, payload) => {
                sizes.push(payload.len());
                let plain = self.deflate.inflate(&payload);
                match kind {
                    Kind::Text => Frame::Text(String::from_utf8(plain).expect("a text")),
                    Kind::Binary => Frame::Binary(plain),
                }
            }
            other => other,
        });
        (frames.collect(), sizes)
    }
}

/// A masked frame with reserved bits.
fn frame(code: OpCode, fin: bool, bits: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_masked_frame(&mut bytes, code, fin, [1, 2, 3, 4], payload);
    bytes[0] |= bits;
    bytes
}

fn text(text: &str) -> Frame {
    Frame::Text(text.into())
}

fn close(code: u16) -> Frame {
    Frame::Close(Some(code), String::new())
}

const LINE: &str = "a line of text that is long enough to be worth the trouble";

#[test]
fn cor_162_nothing_is_compressed_unless_the_server_says_so_and_the_client_offers() {
    let mut world = world(&RawOptions::default());
    let (mut client, agreed) = Client::open(&mut world, "/echo", OFFER);
    assert_eq!(agreed, None);
    client.wire.frame(&mut world, OpCode::Text, true, LINE.as_bytes());
    assert_eq!(client.hear(&mut world), (vec![text(LINE)], vec![]));
    client.send(&mut world, OpCode::Text, b"x");
    assert_eq!(client.hear(&mut world).0, [close(1002), Frame::End]);

    let mut world = self::world(&raw(Compression::default()));
    for offer in ["x-other", "permessage-deflate; server_max_window_bits=8"] {
        let (mut client, agreed) = Client::open(&mut world, "/echo", offer);
        assert_eq!(agreed, None);
        client.send(&mut world, OpCode::Text, b"x");
        assert_eq!(client.hear(&mut world).0, [close(1002), Frame::End]);
    }
}

#[test]
fn messages_there_and_back_with_each_agreement() {
    let (xs, ys) = ("x".repeat(3_000), "y".repeat(60_000));
    for (offer, options, agreed) in [
        (OFFER, Compression::default(), OFFER),
        (ALONE, Compression::default(), ALONE),
        (
            "permessage-deflate; client_max_window_bits",
            Compression { server_max_window_bits: 11, ..Compression::default() },
            "permessage-deflate; client_max_window_bits=15; server_max_window_bits=11",
        ),
        (OFFER, Compression { contexts_max: 0, ..Compression::default() }, OFFER),
    ] {
        let mut world = world(&raw(options));
        let (mut client, answer) = Client::open(&mut world, "/echo", offer);
        assert_eq!(answer.as_deref(), Some(agreed));
        for message in ["hello", "hello", "", LINE, LINE, &xs, &ys, "hello", LINE] {
            client.send(&mut world, OpCode::Text, message.as_bytes());
            let (frames, sizes) = client.hear(&mut world);
            assert_eq!(frames, [text(message)]);
            assert_eq!(sizes.len(), usize::from(message.len() >= 32), "short ones go as they are");
            client.wire.frame(&mut world, OpCode::Text, true, b"not compressed");
            assert_eq!(client.hear(&mut world).0, [text("not compressed")]);
        }
        // What cannot be compressed goes as it is, and does not disturb what follows.
        let noise = noise(5_000);
        for _ in 0..3 {
            client.send(&mut world, OpCode::Binary, &noise);
            assert_eq!(client.hear(&mut world).0, [Frame::Binary(noise.clone())]);
        }
        client.wire.close_frame(&mut world, 1000, "");
        assert_eq!(client.hear(&mut world).0, [close(1000), Frame::End]);
        assert!(world.is_quiet());
    }
}

#[test]
fn a_window_is_used_when_it_is_agreed_on_and_only_then() {
    let second = |options: Compression, offer: &str| {
        let mut world = world(&raw(options));
        let mut client = Client::with(&mut world, offer);
        let sizes = [(); 2].map(|()| {
            client.send(&mut world, OpCode::Text, LINE.as_bytes());
            client.hear(&mut world).1[0]
        });
        (sizes[1] < 10, sizes[1] == sizes[0])
    };
    assert_eq!(second(Compression::default(), OFFER), (true, false));
    assert_eq!(second(Compression::default(), ALONE), (false, true));
    let alone = Compression { server_no_context_takeover: true, ..Compression::default() };
    assert_eq!(second(alone, OFFER), (false, true));
    let none = Compression { contexts_max: 0, ..Compression::default() };
    assert_eq!(second(none, OFFER), (false, true), "an end may always begin anew");
}

#[test]
fn windows_are_kept_for_so_many_and_given_back() {
    let options = Compression { contexts_max: 1, ..Compression::default() };
    let mut world = world(&raw(options));
    let keeps = |world: &mut World, client: &mut Client| {
        let sizes = [(); 2].map(|()| {
            client.send(world, OpCode::Text, LINE.as_bytes());
            client.hear(world).1[0]
        });
        sizes[1] < sizes[0]
    };
    let mut first = Client::with(&mut world, OFFER);
    assert!(keeps(&mut world, &mut first), "at the limit");
    let mut second = Client::with(&mut world, OFFER);
    assert!(!keeps(&mut world, &mut second), "one past it");
    first.wire.close(&mut world);
    assert!(keeps(&mut world, &mut second));
}

#[test]
fn fragments_of_a_compressed_message() {
    for cut in 1..20 {
        let mut world = world(&raw(Compression::default()));
        let mut client = Client::with(&mut world, OFFER);
        let payload = client.payload(LINE.as_bytes());
        let pieces: Vec<&[u8]> = payload.chunks(cut).collect();
        for (index, piece) in pieces.iter().enumerate() {
            let (code, bits) =
                if index == 0 { (OpCode::Text, 0x40) } else { (OpCode::Continuation, 0) };
            client.wire.bytes(&mut world, &frame(code, false, bits, piece));
            client.wire.bytes(&mut world, &frame(OpCode::Ping, true, 0, b"?"));
        }
        client.wire.bytes(&mut world, &frame(OpCode::Continuation, true, 0, b""));
        let frames = client.hear(&mut world).0;
        assert_eq!(frames.len(), pieces.len() + 1);
        assert_eq!(frames.last(), Some(&text(LINE)));
    }
}

#[test]
fn the_bit_stands_on_the_first_frame_of_a_message_alone() {
    let begun = frame(OpCode::Text, false, 0x40, b"");
    for wrong in [
        frame(OpCode::Text, true, 0x20, b""),
        frame(OpCode::Text, true, 0x10, b""),
        frame(OpCode::Text, true, 0x60, b""),
        frame(OpCode::Ping, true, 0x40, b""),
        frame(OpCode::Pong, true, 0x40, b""),
        frame(OpCode::Close, true, 0x40, b""),
        [&begun[..], &frame(OpCode::Continuation, true, 0x40, b"")].concat(),
    ] {
        let mut world = world(&raw(Compression::default()));
        let mut client = Client::with(&mut world, OFFER);
        client.wire.bytes(&mut world, &wrong);
        assert_eq!(client.hear(&mut world).0, [close(1002), Frame::End], "{wrong:02x?}");
    }
}

#[test]
fn what_cannot_be_inflated_or_is_no_text_is_1007() {
    for (code, payload) in [
        (OpCode::Binary, vec![0xff; 10]),
        (OpCode::Binary, vec![0x06]),
        (OpCode::Text, deflate::Peer::default().deflate(b"h\xff")),
        (OpCode::Text, deflate::Peer::default().deflate("é".repeat(100).as_bytes()[1..].into())),
        (OpCode::Text, deflate::Peer::default().deflate(&"é".repeat(100).as_bytes()[..199])),
    ] {
        let mut world = world(&raw(Compression::default()));
        let mut client = Client::with(&mut world, OFFER);
        client.wire.bytes(&mut world, &frame(code, true, 0x40, &payload));
        assert_eq!(client.hear(&mut world).0, [close(1007), Frame::End], "{payload:02x?}");
        client.wire.close_frame(&mut world, 1000, "");
        assert!(world.is_quiet());
    }
}

#[test]
fn the_limit_of_a_message_counts_what_comes_out() {
    let options = RawOptions { message_bytes_max: 1_000, ..raw(Compression::default()) };
    for offer in [OFFER, ALONE] {
        for message in [vec![b'?'; 1_000], [b"?".as_slice(), &noise(999)].concat()] {
            let mut world = world(&options);
            let mut client = Client::with(&mut world, offer);
            client.send(&mut world, OpCode::Binary, &message);
            assert_eq!(client.hear(&mut world).0, [], "at the limit");
            let more = [&message[..], b"x"].concat();
            client.send(&mut world, OpCode::Binary, &more);
            assert_eq!(client.hear(&mut world).0, [close(1009), Frame::End], "one past it");
        }
    }
    // What its frames announce is bounded too: twice as much, and 64 bytes.
    for (announced, is_allowed) in [(2_064, true), (2_065, false)] {
        let mut world = world(&options);
        let mut client = Client::with(&mut world, OFFER);
        let empty_blocks = [0, 0, 0, 0xff, 0xff].repeat(announced / 5 + 1);
        let bytes = frame(OpCode::Binary, true, 0x40, &empty_blocks[..announced / 5 * 5]);
        let short = announced % 5;
        let bytes = if short == 0 {
            bytes
        } else {
            let rest = frame(OpCode::Continuation, true, 0, &vec![0x02; short]);
            [&frame(OpCode::Binary, false, 0x40, &empty_blocks[..announced / 5 * 5]), &rest[..]]
                .concat()
        };
        client.wire.bytes(&mut world, &bytes);
        let frames = client.hear(&mut world).0;
        assert_eq!(frames.contains(&close(1009)), !is_allowed, "{announced}: {frames:?}");
    }
}

#[test]
fn bombs_are_refused_whatever_their_ratio() {
    let bomb = deflate::Peer::default().deflate(&vec![b'?'; 50 << 20]);
    let mut world = world(&raw(Compression::default()));
    let mut other = Client::with(&mut world, OFFER);
    for size in [bomb.len(), 1_000, 100, 10] {
        let mut client = Client::with(&mut world, OFFER);
        let mut bytes = Vec::new();
        for (index, piece) in bomb.chunks(size).take(1_000).enumerate() {
            let (code, bits) =
                if index == 0 { (OpCode::Text, 0x40) } else { (OpCode::Continuation, 0) };
            bytes.extend_from_slice(&frame(code, false, bits, piece));
        }
        client.wire.offer(&mut world, &bytes);
        assert_eq!(client.hear(&mut world).0, [close(1009), Frame::End], "in frames of {size}");
        other.send(&mut world, OpCode::Text, LINE.as_bytes());
        assert_eq!(other.hear(&mut world).0, [text(LINE)]);
    }
}

#[test]
fn a_message_for_many_is_compressed_once_and_windows_go_on() {
    let mut world = world(&raw(Compression::default()));
    let mut clients =
        [OFFER, OFFER, ALONE, ALONE, "permessage-deflate; server_max_window_bits=9", "x-none"]
            .map(|offer| Client::with(&mut world, offer));
    let news = format!("!{LINE}, and this is for all of you");
    let mut shared = Vec::new();
    for round in 0..3 {
        for client in &mut clients {
            let own = format!("{round}: {LINE}, and this is for one");
            for _ in 0..2 {
                client.wire.frame(&mut world, OpCode::Text, true, own.as_bytes());
                assert_eq!(client.hear(&mut world).0, [text(&own)]);
            }
        }
        clients[0].wire.frame(&mut world, OpCode::Text, true, news.as_bytes());
        for client in &mut clients {
            let (frames, sizes) = client.hear(&mut world);
            assert_eq!(frames, [text(&news)]);
            shared.push(sizes);
        }
    }
    // It refers to nothing before it, so its length is the same for all and every time.
    let compressed: Vec<usize> = shared.concat();
    assert_eq!(compressed.len(), 15, "everybody but the last one");
    assert!(compressed.iter().all(|size| *size == compressed[0] && *size < news.len()));
}

fn hall() -> World {
    let connection = ConnectionOptions {
        compression: Some(Compression::default()),
        ..ConnectionOptions::default()
    };
    World::new(1).hub_with("/hub", Hall::default, &HubOptions::default(), &connection)
}

/// A hub connection whose messages are compressed.
fn guest(world: &mut World) -> Client {
    let (mut client, agreed) = Client::open(world, "/hub", OFFER);
    assert_eq!(agreed.as_deref(), Some(OFFER));
    client.send(world, OpCode::Text, b"{\"protocol\":\"json\",\"version\":1}\x1e");
    let hello = [text("{}\u{1e}"), text(&format!("{ARRIVED}\u{1e}"))];
    assert_eq!(client.hear(world).0, hello);
    client
}

fn records(frames: Vec<Frame>) -> Vec<String> {
    let mut records = Vec::new();
    for frame in frames {
        let Frame::Text(text) = frame else { panic!("{frame:?}") };
        let whole = text.strip_suffix('\u{1e}').expect("whole records");
        records.extend(whole.split('\u{1e}').map(str::to_owned));
    }
    records
}

#[test]
fn a_hub_speaks_compressed() {
    let mut world = hall();
    let mut client = guest(&mut world);
    for id in ["1", "2"] {
        let record = invoke(id, "Large", "[30000]") + "\u{1e}";
        client.send(&mut world, OpCode::Text, record.as_bytes());
        let (frames, sizes) = client.hear(&mut world);
        assert_eq!(records(frames), [result(id, &format!("\"{}\"", "x".repeat(30_000)))]);
        assert!(sizes[0] < 200);
    }
    client.send(&mut world, OpCode::Text, (call("Abort", "[]") + "\u{1e}").as_bytes());
    assert_eq!(client.hear(&mut world).0, [text("{\"type\":7}\u{1e}"), close(1000)]);
    client.send(&mut world, OpCode::Text, (call("Say", r#"["late"]"#) + "\u{1e}").as_bytes());
    client.wire.close_frame(&mut world, 1000, "");
    assert_eq!(client.hear(&mut world).0, [Frame::End]);
    assert_eq!(log(&mut world), ["connected", "aborted by the hub; 0 in the hall"]);
    assert!(world.is_quiet());
}

#[test]
fn a_hub_counts_records_that_were_inflated() {
    let mut world = hall();
    let mut client = guest(&mut world);
    let long = invoke("1", "Echo", &format!("[\"{}\"]", "x".repeat(40_000))) + "\u{1e}";
    client.send(&mut world, OpCode::Text, long.as_bytes());
    let frames = client.hear(&mut world).0;
    assert_eq!(frames.len(), 2, "{frames:?}");
    assert_eq!(frames[1], close(1000));
    assert!(log(&mut world)[1].contains("The maximum message size of 32768B was exceeded"));
}

#[test]
fn what_is_behind_a_busy_hub_stays_compressed() {
    let mut world = hall();
    let mut client = guest(&mut world);
    client.send(
        &mut world,
        OpCode::Text,
        (invoke("0", "Later", r#"["x",1000]"#) + "\u{1e}").as_bytes(),
    );
    // 20 MB of calls in some KB.
    let say = call("Say", &format!("[\"{}\"]", "y".repeat(900))) + "\u{1e}";
    let mut bytes = Vec::new();
    for _ in 0..200 {
        let payload = client.payload(say.repeat(100).as_bytes());
        bytes.extend_from_slice(&frame(OpCode::Text, true, 0x40, &payload));
    }
    assert!(bytes.len() < 100_000, "{} bytes", bytes.len());
    client.wire.bytes(&mut world, &bytes);
    assert_eq!(log(&mut world).len(), 1);
    world.pass(Duration::from_millis(1_100));
    assert_eq!(records(client.hear(&mut world).0), [result("0", "\"x\"")]);
    assert_eq!(log(&mut world).len(), 1 + 200 * 100);
    client.send(&mut world, OpCode::Text, (invoke("1", "Add", "[1,2]") + "\u{1e}").as_bytes());
    assert_eq!(records(client.hear(&mut world).0), [result("1", "3")]);
}

#[test]
fn who_does_not_read_is_not_inflated_for() {
    let options = RawOptions {
        outbox: OutboxLimits { stall_timeout: Duration::from_mins(1), ..OutboxLimits::default() },
        compression: Some(Compression { message_bytes_min: usize::MAX, ..Compression::default() }),
        ..RawOptions::default()
    };
    let mut world = world(&options);
    let mut client = Client::with(&mut world, OFFER);
    let message = "z".repeat(60_000);
    let mut bytes = Vec::new();
    for _ in 0..400 {
        let payload = client.payload(message.as_bytes());
        bytes.extend_from_slice(&frame(OpCode::Text, true, 0x40, &payload));
    }
    bytes.extend_from_slice(&frame(OpCode::Close, true, 0, &[0x0f, 0xa1]));
    client.wire.shut_window(world.now() + Duration::from_secs(20));
    client.wire.bytes(&mut world, &bytes);
    world.pass(Duration::from_secs(19));
    assert_eq!(world.counters(0).too_slow, 0);
    let queued = world.counters(0).sent;
    assert!(queued < 20, "{queued} messages were inflated and wait");
    world.pass(Duration::from_secs(2));
    let mut frames = Vec::new();
    while frames.last() != Some(&Frame::End) {
        frames.extend(client.hear(&mut world).0);
        world.pass(Duration::from_millis(100));
    }
    assert_eq!(frames.len(), 402);
    assert!(frames[..400].iter().all(|frame| *frame == text(&message)));
    assert_eq!(frames[400], close(4001));
    assert!(world.is_quiet());
}
