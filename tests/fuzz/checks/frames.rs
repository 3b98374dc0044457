//! WebSocket frames, as server and as client: the same in every cut.

use tickhub::protocol::websocket::{Decoder, Event, Kind, Limits, Role};

pub(super) fn check(data: &[u8]) {
    let (cuts, bytes) = super::cuts(data);
    for role in [Role::Server, Role::Client] {
        assert_eq!(read(role, bytes, &[]), read(role, bytes, &cuts), "it depends on the cut");
    }
}

fn read(role: Role, bytes: &[u8], cuts: &[usize]) -> (Vec<String>, Vec<u8>) {
    let limits = Limits { message_bytes_max: Some(4096), fragments_max: 16 };
    let mut decoder = Decoder::new(role);
    let (mut seen, mut message, mut ended) = (Vec::new(), Vec::new(), false);
    super::in_pieces(bytes, cuts, |piece| {
        let mut input = piece;
        while !ended {
            match decoder.next(&mut input, &limits) {
                Ok(None) => break,
                Ok(Some(Event::Data { kind, bytes, last, .. })) => {
                    message.extend_from_slice(bytes);
                    assert!(message.len() <= 4096, "the limit counts");
                    if last {
                        let whole = std::mem::take(&mut message);
                        if kind == Kind::Text {
                            std::str::from_utf8(&whole).expect("text is UTF-8");
                        }
                        seen.push(format!("{kind:?} {}", whole.escape_ascii()));
                    }
                }
                Ok(Some(event)) => {
                    ended = matches!(event, Event::Close { .. });
                    seen.push(format!("{event:?}"));
                }
                Err(violation) => {
                    ended = true;
                    // How much of a message had come before it was found wrong may differ.
                    message.clear();
                    seen.push(format!("{violation:?}"));
                }
            }
        }
    });
    (seen, message)
}
