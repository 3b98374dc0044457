//! Compressed messages: what comes out does not depend on how they were cut nor on the room there
//! was, is never more than allowed, and comes out again when we compress it.

use tickhub::protocol::websocket::Kind;
use tickhub::protocol::websocket::deflate::{Deflater, Inflater, MessageInflater, Step};

pub(super) fn check(data: &[u8]) {
    let (cuts, bytes) = super::cuts(data);
    let Some((&choice, payload)) = bytes.split_first() else { return };
    let bits = 9 + choice % 7;
    let kind = if choice.is_multiple_of(2) { Kind::Text } else { Kind::Binary };
    let whole = inflate(bits, kind, payload, &[], BYTES_MAX);
    let room = 1 + usize::from(choice) / 2;
    let cut = inflate(bits, kind, payload, &cuts, room);
    // A cut message may be found too long before it is found wrong, or the other way round.
    assert_eq!(whole.as_ref().ok(), cut.as_ref().ok(), "it depends on the cut or on the room");
    let Ok(message) = whole else { return };
    assert!(message.len() <= BYTES_MAX && (kind == Kind::Binary || is_text(&message)));

    let mut deflater = Deflater::new(bits);
    for _ in 0..2 {
        let mut again = Vec::new();
        deflater.forget();
        deflater.write(&mut again, &message);
        assert_eq!(inflate(bits, kind, &again, &cuts, room).as_ref(), Ok(&message));
    }
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}

/// What comes out of one message, or the close code.
fn inflate(
    bits: u8,
    kind: Kind,
    payload: &[u8],
    cuts: &[usize],
    room: usize,
) -> Result<Vec<u8>, u16> {
    let mut inflater = Inflater::new(bits);
    let mut state = MessageInflater::default();
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    super::in_pieces(payload, cuts, |piece| pieces.push(piece.to_vec()));
    let (mut out, mut message) = (vec![0; room], Vec::new());
    for (index, piece) in pieces.iter().enumerate() {
        let last = index + 1 == pieces.len();
        let mut input = piece.as_slice();
        loop {
            let max = Some(BYTES_MAX as u64);
            let step = state
                .step(&mut inflater, &mut input, last, kind, &mut out, max)
                .map_err(|violation| violation.code)?;
            message.extend_from_slice(&out[..step.bytes()]);
            if !matches!(step, Step::Full(_)) {
                break;
            }
        }
    }
    Ok(message)
}

/// The limit of a message.
const BYTES_MAX: usize = 4096;
