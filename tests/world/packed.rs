//! MessagePack clients: the handshake, what is framed how, and one hub with both protocols.

use std::time::Duration;

use tickhub::client::{Client, Options};
use tickhub::protocol::hub_protocol::{HubMessage, HubProtocolKind, RecordBuffer};
use tickhub::protocol::websocket::OpCode;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{Context, Hub, HubOptions, Methods};

use crate::hall::{ARRIVED, call, guest, hall, hall_with, invoke, log};

const PACKED: HubProtocolKind = HubProtocolKind::MessagePack;
const HANDSHAKE: &[u8] = b"{\"protocol\":\"messagepack\",\"version\":1}\x1e";

fn record(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// An invocation of `method` with one text.
fn packed_call(id: Option<&str>, method: &str, text: &str) -> Vec<u8> {
    record(|out| PACKED.write_invocation(out, id, method, &(text,)).expect("written"))
}

fn packed_arrived() -> Vec<u8> {
    record(|out| PACKED.write_invocation(out, None, "arrived", &()).expect("written"))
}

/// What came, joined: all of it in binary messages.
fn hear(wire: &mut Wire, world: &mut World) -> Vec<u8> {
    let mut all = Vec::new();
    for frame in wire.frames(world) {
        let Frame::Binary(bytes) = frame else { panic!("{frame:?}") };
        all.extend(bytes);
    }
    all
}

fn packed_guest(world: &mut World) -> Wire {
    let mut wire = Wire::websocket(world, "/hub");
    wire.frame(world, OpCode::Text, true, HANDSHAKE);
    let expected = [b"{}\x1e".as_slice(), &packed_arrived()].concat();
    assert_eq!(hear(&mut wire, world), expected, "in binary messages");
    wire
}

/// `msgpack-handshake`; the same in a binary message, and with a call behind it.
#[test]
fn cor_034_the_answer_to_a_messagepack_handshake_is_binary() {
    let mut world = hall();
    packed_guest(&mut world);
    let mut wire = Wire::websocket(&mut world, "/hub");
    let mut piece = HANDSHAKE.to_vec();
    piece.extend(packed_call(Some("0"), "Echo", "ü"));
    piece.extend(packed_call(Some("1"), "Echo", "x"));
    let (front, back) = piece.split_at(piece.len() - 3);
    wire.frame(&mut world, OpCode::Binary, true, front);
    wire.frame(&mut world, OpCode::Binary, true, back);
    let mut expected = b"{}\x1e".to_vec();
    expected.extend(packed_arrived());
    PACKED.write_result(&mut expected, "0", "ü").expect("written");
    PACKED.write_result(&mut expected, "1", "x").expect("written");
    assert_eq!(hear(&mut wire, &mut world), expected);
}

/// `msgpack-handshake`; refusals come before a protocol is chosen, so they are text.
#[test]
fn cor_061_refused_versions_and_protocols() {
    let json_only =
        HubOptions { supported_protocols: vec![HubProtocolKind::Json], ..HubOptions::default() };
    let no_json = HubOptions { supported_protocols: vec![PACKED], ..HubOptions::default() };
    for (options, protocol, version, text) in [
        (
            &HubOptions::default(),
            "messagepack",
            3,
            Some("The server does not support version 3 of the 'messagepack' protocol."),
        ),
        (&json_only, "messagepack", 1, Some("The protocol 'messagepack' is not supported.")),
        (&no_json, "json", 1, Some("The protocol 'json' is not supported.")),
        (&json_only, "json", 1, None),
        (&no_json, "MessagePack", 0, None),
        (&HubOptions::default(), "messagepack", 2, None),
    ] {
        let mut world = hall_with(options);
        let mut wire = Wire::websocket(&mut world, "/hub");
        let record = format!("{{\"protocol\":\"{protocol}\",\"version\":{version}}}");
        wire.text(&mut world, &record);
        let frames = wire.frames(&mut world);
        match text {
            Some(text) => {
                let refusal = Frame::Text(format!("{{\"error\":\"{text}\"}}\u{1e}"));
                assert_eq!(frames[..2], [refusal, Frame::Close(Some(1000), String::new())]);
            }
            None if protocol == "json" => assert_eq!(frames[0], Frame::Text("{}\u{1e}".into())),
            None => assert_eq!(frames[0], Frame::Binary(b"{}\x1e".to_vec())),
        }
    }
}

/// Each broadcast reaches everybody in its own protocol, and everything else does, too.
#[test]
fn both_protocols_in_one_hub() {
    let mut world = hall();
    let mut plain = guest(&mut world);
    let mut packed = packed_guest(&mut world);
    assert_eq!(plain.hear(&mut world), [ARRIVED]);
    let mut third = guest(&mut world);
    assert_eq!(hear(&mut packed, &mut world), packed_arrived());
    assert_eq!(plain.hear(&mut world), [ARRIVED]);

    packed.frame(&mut world, OpCode::Binary, true, &packed_call(None, "Join", "hall"));
    plain.text(&mut world, &call("Join", r#"["hall"]"#));
    plain.text(&mut world, &call("Select", r#"["group",["hall"]]"#));
    let here = record(|out| PACKED.write_invocation(out, None, "here", &()).expect("written"));
    assert_eq!(hear(&mut packed, &mut world), here);
    assert_eq!(plain.hear(&mut world), [crate::hall::HERE]);
    assert_eq!(third.hear(&mut world), [""; 0]);
    // A group of one protocol only, in a hub of two.
    let select = record(|out| {
        PACKED.write_invocation(out, None, "Select", &("others", [""; 0])).expect("written");
    });
    packed.frame(&mut world, OpCode::Binary, true, &select);
    assert_eq!(plain.hear(&mut world), [crate::hall::HERE]);
    assert_eq!(third.hear(&mut world), [crate::hall::HERE]);
    assert_eq!(hear(&mut packed, &mut world), b"");

    // Results, errors, and asynchronous results.
    let later = record(|out| {
        PACKED.write_invocation(out, Some("a"), "Later", &("x", 100)).expect("written");
    });
    packed.frame(&mut world, OpCode::Binary, true, &later);
    // Behind a busy hub: what waits is framed as it came.
    packed.frame(&mut world, OpCode::Binary, true, &packed_call(Some("b"), "Echo", "y"));
    assert_eq!(hear(&mut packed, &mut world), b"");
    world.pass(Duration::from_millis(150));
    let expected = record(|out| {
        PACKED.write_result(out, "a", "x").expect("written");
        PACKED.write_result(out, "b", "y").expect("written");
    });
    assert_eq!(hear(&mut packed, &mut world), expected);
    packed.frame(&mut world, OpCode::Binary, true, &packed_call(Some("c"), "Nope", ""));
    let text = "Failed to invoke 'Nope' due to an error on the server. HubException: Method does \
                not exist.";
    assert_eq!(hear(&mut packed, &mut world), record(|out| PACKED.write_error(out, "c", text)));
    // Pings.
    world.pass(Duration::from_secs(16));
    assert_eq!(hear(&mut packed, &mut world), [0x02, 0x91, 0x06]);
    assert_eq!(plain.hear(&mut world), [r#"{"type":6}"#]);
}

/// `msgpack-dumps`, `msgpack-protocol-errors`, `msgpack-framing`; COR-087, COR-088.
#[test]
fn the_end_is_told_in_messagepack() {
    let detailed = HubOptions { enable_detailed_errors: true, ..HubOptions::default() };
    let base = "Connection closed with an error.";
    for (sent, told, reconnect) in [
        (&[0x03, 0x92, 0x07, 0xc0][..], None, false),
        (
            &[0x03, 0x91, 0xa1, 0x78],
            Some("InvalidDataException: Reading 'messageType' as Int32 failed."),
            true,
        ),
        (
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00],
            Some("FormatException: Messages over 2GB in size are not supported."),
            true,
        ),
        (
            &[0xff, 0xff, 0xff, 0xff, 0x07],
            Some(
                "InvalidDataException: The maximum message size of 32768B was exceeded. The \
                 message size can be configured in AddHubOptions.",
            ),
            true,
        ),
    ] {
        let mut world = hall_with(&detailed);
        let mut wire = packed_guest(&mut world);
        wire.frame(&mut world, OpCode::Binary, true, sent);
        let error = told.map(|told| format!("{base} {told}"));
        let close = record(|out| PACKED.write_close(out, error.as_deref(), reconnect));
        let frames = wire.frames(&mut world);
        let expected = [Frame::Binary(close), Frame::Close(Some(1000), String::new())];
        assert_eq!(frames[..2], expected, "{sent:02x?}");
    }
    // Cut off inside a message.
    let mut world = hall_with(&detailed);
    let mut wire = packed_guest(&mut world);
    wire.frame(&mut world, OpCode::Binary, true, &[0x0d, 0x96]);
    wire.close_frame(&mut world, 1000, "");
    let end = log(&mut world).pop().expect("it has ended");
    assert!(end.contains("Connection terminated while reading a message."), "{end}");
    // The same bytes as a text are no UTF-8.
    let mut wire = packed_guest(&mut world);
    let bytes = packed_call(None, "Say", "x");
    wire.frame(&mut world, OpCode::Text, true, &bytes);
    let frames = wire.frames(&mut world);
    assert!(matches!(frames[0], Frame::Close(Some(1007), _)), "{frames:?}");
}

/// `msgpack-results`: which argument it was, counted from 1; the connection stays.
#[test]
fn binding_errors_say_which_argument() {
    let detailed = HubOptions { enable_detailed_errors: true, ..HubOptions::default() };
    let mut world = hall_with(&detailed);
    let mut wire = packed_guest(&mut world);
    let wrong = record(|out| {
        PACKED.write_invocation(out, Some("1"), "Add", &(1, "2")).expect("written");
    });
    let four_items = [0x0a, 0x94, 0x01, 0x80, 0xa1, b'1', 0xa4, b'N', b'u', b'l', b'l'];
    for (sent, detail) in [
        (
            wrong.as_slice(),
            "Failed to invoke 'Add' due to an error on the server. InvalidDataException: Error \
             binding argument 2. Make sure that the types of the provided values match the types \
             of the hub method being invoked.",
        ),
        (
            &four_items,
            "Failed to invoke 'Null' due to an error on the server. InvalidDataException: Reading \
             array length for 'arguments' failed.",
        ),
    ] {
        wire.frame(&mut world, OpCode::Binary, true, sent);
        let expected = record(|out| PACKED.write_error(out, "1", detail));
        assert_eq!(hear(&mut wire, &mut world), expected);
    }
    // The other protocol does not say which.
    let mut plain = guest(&mut world);
    plain.text(&mut world, &invoke("1", "Add", r#"[1,"2"]"#));
    let heard = plain.hear(&mut world);
    assert!(heard[0].contains("Error binding arguments."), "{heard:?}");
}

/// Sends what one of the protocols cannot say.
struct Odd;

impl Hub for Odd {
    type State = ();

    fn methods(methods: &mut Methods<Self>) {
        methods.on("Odd", |_: &mut Self, context: &mut Context<Self>| {
            let no_text = std::collections::BTreeMap::from([(vec![1], 2)]);
            context.all().send("odd", (no_text,)).queued
        });
    }
}

#[test]
fn who_cannot_be_told_by_all_is_told_by_none() {
    let mut world = World::new(1).hub("/hub", || Odd, &HubOptions::default());
    let mut packed = Wire::websocket(&mut world, "/hub");
    packed.frame(&mut world, OpCode::Text, true, HANDSHAKE);
    hear(&mut packed, &mut world);
    let odd = record(|out| PACKED.write_invocation(out, Some("1"), "Odd", &()).expect("written"));
    let queued = |count: u32| record(|out| PACKED.write_result(out, "1", &count).expect("written"));
    packed.frame(&mut world, OpCode::Binary, true, &odd);
    assert!(hear(&mut packed, &mut world).ends_with(&queued(1)), "MessagePack has such keys");
    let mut plain = Wire::hub(&mut world, "/hub");
    packed.frame(&mut world, OpCode::Binary, true, &odd);
    assert_eq!(hear(&mut packed, &mut world), queued(0), "JSON has not");
    assert_eq!(plain.hear(&mut world), [""; 0]);
}

/// The client of this crate sends its handshake as text, and everything else binary.
#[test]
fn our_own_client_speaks_it() {
    let options =
        Options { protocol: PACKED, skip_negotiation: true, ..Options::new("sim", "/hub") };
    let mut world = hall();
    let mut client = Client::new(options, tickhub::base::Rng::from_seed(1));
    client.start(world.now());
    let peer = world.connect().expect("the server listens");
    client.on_connected(world.now());
    let mut call = None;
    let mut events = Vec::new();
    for _ in 0..20 {
        let mut out = Vec::new();
        client.fill(&mut out);
        assert_eq!(peer.write(&out), out.len());
        world.settle();
        let mut bytes = Vec::new();
        // In small pieces.
        let _ = peer.read(50, &mut bytes);
        client.on_bytes(world.now(), &mut bytes);
        events.extend(std::iter::from_fn(|| client.poll_event()));
        if client.is_open() && call.is_none() {
            call = client.invoke(world.now(), "Add", &(40, 2)).ok();
        }
    }
    let Some(tickhub::client::Event::Completed { outcome, .. }) = events.last() else {
        panic!("{events:?}")
    };
    let tickhub::client::Outcome::Result(sum) = outcome else { panic!("{outcome:?}") };
    assert_eq!((sum.as_bytes(), sum.read::<i64>()), (&[42][..], Ok(42)));
    let mut buffer = RecordBuffer::default();
    buffer.speak(PACKED);
    let mut arrived = packed_arrived();
    let mut input = arrived.as_mut_slice();
    let record = buffer.next(&mut input, None).expect("no limit").expect("whole");
    assert!(matches!(PACKED.read(record), Ok(HubMessage::Invocation(_))));
}
