//! Compressed messages against another implementation of DEFLATE (RFC 7692 §7.2).

#[path = "support/deflate.rs"]
mod deflate;
#[path = "support/noise.rs"]
mod noise;

use proptest::prelude::*;
use tickhub::protocol::websocket::deflate::{Deflater, Inflater, MessageInflater, Step};
use tickhub::protocol::websocket::{Kind, Violation};

use deflate::Peer;

/// Inflates one message that comes in `pieces`, with room for `room` bytes at a time.
fn inflate(
    inflater: &mut Inflater,
    message: &mut MessageInflater,
    kind: Kind,
    pieces: &[&[u8]],
    room: usize,
    max: Option<u64>,
) -> Result<Vec<u8>, Violation> {
    let mut out = vec![0; room];
    let mut all = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let last = index + 1 == pieces.len();
        let mut input = *piece;
        loop {
            let step = message.step(inflater, &mut input, last, kind, &mut out, max)?;
            all.extend_from_slice(&out[..step.bytes()]);
            match step {
                Step::Full(_) => assert_eq!(step.bytes(), room),
                Step::Drained(_) => assert!(!last && input.is_empty()),
                Step::Ended(_) => assert!(last && input.is_empty()),
            }
            if !matches!(step, Step::Full(_)) {
                break;
            }
        }
    }
    Ok(all)
}

fn whole(payload: &[u8], kind: Kind, max: Option<u64>) -> Result<Vec<u8>, Violation> {
    let mut inflater = Inflater::new(15);
    inflate(&mut inflater, &mut MessageInflater::default(), kind, &[payload], 1024, max)
}

/// Messages as they are: repeated, random, empty, longer than any window.
fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let random = prop::collection::vec(any::<u8>(), 0..2_000);
    let repeated = (prop::collection::vec(any::<u8>(), 1..40), 1..3_000_usize)
        .prop_map(|(part, times)| part.iter().copied().cycle().take(part.len() * times).collect());
    let text = "[a-f\":,{}]{0,600}".prop_map(String::into_bytes);
    prop::collection::vec(prop_oneof![random, repeated, text], 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_we_deflate_others_inflate(
        messages in messages(),
        bits in 9..=15_u8,
        forgets in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut ours = Deflater::new(bits);
        let mut theirs = Peer::default();
        let mut mirror = Inflater::new(bits);
        for (message, forget) in messages.iter().zip(forgets) {
            if forget {
                // Without a word: the other end keeps its window.
                ours.forget();
            }
            let mut payload = b"in front".to_vec();
            ours.write(&mut payload, message);
            let payload = payload.strip_prefix(b"in front").expect("it is appended");
            prop_assert_eq!(&theirs.inflate(payload), message);
            let mut state = MessageInflater::default();
            let own = inflate(&mut mirror, &mut state, Kind::Binary, &[payload], 4096, None);
            prop_assert_eq!(own.as_ref(), Ok(message), "with a window of 2^{}", bits);
        }
    }

    #[test]
    fn what_others_deflate_we_inflate_in_pieces(
        messages in messages(),
        takes_over in any::<bool>(),
        cut in 1..200_usize,
        room in 1..3_000_usize,
    ) {
        let mut theirs = Peer::default();
        let mut ours = Inflater::new(15);
        let mut state = MessageInflater::default();
        for message in &messages {
            if !takes_over {
                theirs = Peer::default();
                ours.forget();
            }
            let payload = theirs.deflate(message);
            let pieces: Vec<&[u8]> = payload.chunks(cut).collect();
            let max = Some(message.len() as u64);
            let came = inflate(&mut ours, &mut state, Kind::Binary, &pieces, room, max);
            prop_assert_eq!(came.as_ref(), Ok(message));
        }
    }

    #[test]
    fn garbage_is_refused_or_inflated_and_never_more_than_allowed(
        payload in prop::collection::vec(any::<u8>(), 1..400),
        bits in 9..=15_u8,
    ) {
        let mut inflater = Inflater::new(bits);
        let mut state = MessageInflater::default();
        let came = inflate(&mut inflater, &mut state, Kind::Text, &[&payload], 100, Some(1_000));
        match came {
            Ok(bytes) => prop_assert!(bytes.len() <= 1_000 && std::str::from_utf8(&bytes).is_ok()),
            Err(violation) => prop_assert!(matches!(violation.code, 1007 | 1009)),
        }
    }
}

#[test]
fn the_examples_of_the_specification() {
    // RFC 7692 §7.2.3: "Hello" in one block, once more with the window, stored, in a final block,
    // and in two blocks.
    let (mut inflater, mut state) = (Inflater::new(15), MessageInflater::default());
    for payload in [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ] {
        let came = inflate(&mut inflater, &mut state, Kind::Text, &[payload], 3, Some(5));
        assert_eq!(came.as_deref(), Ok(&b"Hello"[..]), "{payload:02x?}");
    }
    let came = inflate(&mut inflater, &mut state, Kind::Text, &[&[0]], 3, Some(0));
    assert_eq!(came.as_deref(), Ok(&b""[..]));

    let mut out = Vec::new();
    let mut deflater = Deflater::new(15);
    deflater.write(&mut out, b"Hello");
    assert_eq!(out, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    out.clear();
    deflater.write(&mut out, b"Hello");
    assert_eq!(out, [0xf2, 0x00, 0x11, 0x00, 0x00]);
    out.clear();
    deflater.write(&mut out, b"");
    assert_eq!(out, [0x00]);
    out.clear();
    deflater.forget();
    deflater.write(&mut out, b"Hello");
    assert_eq!(out, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
}

#[test]
fn a_window_is_never_larger_than_agreed() {
    // What is repeated lies a little beyond the window, or a little inside it.
    for bits in 9..=15 {
        for (distance, is_inside) in [((1 << bits) - 300, true), ((1 << bits) + 1, false)] {
            let noise = noise::noise(distance);
            let mut deflater = Deflater::new(bits);
            let mut out = Vec::new();
            deflater.write(&mut out, &noise);
            out.clear();
            deflater.write(&mut out, &noise[..30.min(noise.len())]);
            assert_eq!(out.len() < 20, is_inside, "{bits} bits, {distance} bytes ago: {out:02x?}");
        }
    }
}

#[test]
fn a_limit_counts_what_comes_out() {
    for length in [0_u64, 1, 1_000, 100_000] {
        let payload = Peer::default().deflate(&vec![b'x'; length as usize]);
        for kind in [Kind::Text, Kind::Binary] {
            let came = whole(&payload, kind, Some(length)).expect("at the limit");
            assert_eq!(came.len() as u64, length);
            if let Some(less) = length.checked_sub(1) {
                assert_eq!(whole(&payload, kind, Some(less)).expect_err("one past it").code, 1009);
            }
        }
    }
}

#[test]
fn a_bomb_is_refused_before_it_has_gone_off() {
    let payload = Peer::default().deflate(&vec![0; 100 << 20]);
    assert!(payload.len() < 200_000, "{} bytes", payload.len());
    let mut inflater = Inflater::new(15);
    let mut state = MessageInflater::default();
    let mut out = [0; 1024];
    let (mut input, mut steps) = (payload.as_slice(), 0);
    let violation = loop {
        steps += 1;
        match state.step(&mut inflater, &mut input, true, Kind::Binary, &mut out, Some(65_536)) {
            Ok(step) => assert_eq!(step, Step::Full(1024)),
            Err(violation) => break violation,
        }
    };
    assert_eq!((violation.code, steps), (1009, 65));
    assert!(input.len() > payload.len() / 2);
}

#[test]
fn a_stream_may_end_once_in_a_message() {
    let hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let twice = [&hello[..], &hello[..], &[0]].concat();
    assert_eq!(whole(&twice, Kind::Text, None).expect_err("twice").code, 1007);
    let more = [&hello[..], &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]].concat();
    assert_eq!(whole(&more, Kind::Text, None).as_deref(), Ok(&b"HelloHello"[..]));
}

#[test]
fn a_text_is_checked_when_it_comes_out() {
    for (text, is_valid) in [
        (&b"h\xc3\xa9"[..], true),
        (b"h\xc3", false),
        (b"\xff", false),
        (b"\xed\xa0\x80", false),
        ("\u{1f600}".as_bytes(), true),
    ] {
        let payload = Peer::default().deflate(text);
        for room in 1..5 {
            let (mut inflater, mut state) = (Inflater::new(15), MessageInflater::default());
            let pieces: Vec<&[u8]> = payload.chunks(1).collect();
            let came = inflate(&mut inflater, &mut state, Kind::Text, &pieces, room, None);
            assert_eq!(came.map_err(|violation| violation.code).is_ok(), is_valid, "{text:02x?}");
            let came = whole(&payload, Kind::Binary, None);
            assert_eq!(came.as_deref(), Ok(text));
        }
    }
}
