//! UTF-8 that arrives in pieces, judged as early as it can be.

/// Where a text stands between two of its pieces (one byte of state; nothing is held back).
///
/// A text is refused at the first byte that no valid text could have there, also in the middle
/// of a character: `f4 90` fails without waiting for the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8(State);

/// What the next byte may be (table 3-7 of the Unicode standard, "well-formed byte sequences").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The beginning of a character.
    #[default]
    Boundary,
    /// One more byte, 80..=BF.
    One,
    /// Two more, 80..=BF each.
    Two,
    /// Three more, 80..=BF each.
    Three,
    /// After E0: A0..=BF and one more. Less would be an overlong form.
    AfterE0,
    /// After ED: 80..=9F and one more. More would be a surrogate.
    AfterEd,
    /// After F0: 90..=BF and two more. Less would be an overlong form.
    AfterF0,
    /// After F4: 80..=8F and two more. More would be beyond U+10FFFF.
    AfterF4,
}

impl Utf8 {
    /// Goes on with the next piece. False as soon as the text cannot be valid any more; the
    /// state is of no use then.
    #[must_use]
    #[inline]
    pub fn accept(&mut self, mut piece: &[u8]) -> bool {
        while self.0 != State::Boundary {
            let Some((&byte, rest)) = piece.split_first() else { return true };
            if !self.step(byte) {
                return false;
            }
            piece = rest;
        }
        let Err(error) = simdutf8::compat::from_utf8(piece) else { return true };
        let tail = &piece[error.valid_up_to()..];
        // An unfinished character is at most three bytes and lies at the end; anything longer
        // fails inside the loop.
        tail.iter().all(|&byte| self.step(byte))
    }

    /// Whether the text may end here: not inside a character.
    pub fn is_complete(self) -> bool {
        self.0 == State::Boundary
    }

    fn step(&mut self, byte: u8) -> bool {
        self.0 = match (self.0, byte) {
            (State::Boundary, 0x00..=0x7f) | (State::One, 0x80..=0xbf) => State::Boundary,
            (State::Boundary, 0xc2..=0xdf)
            | (State::Two, 0x80..=0xbf)
            | (State::AfterE0, 0xa0..=0xbf)
            | (State::AfterEd, 0x80..=0x9f) => State::One,
            (State::Boundary, 0xe0) => State::AfterE0,
            (State::Boundary, 0xed) => State::AfterEd,
            (State::Boundary, 0xe1..=0xec | 0xee..=0xef)
            | (State::Three, 0x80..=0xbf)
            | (State::AfterF0, 0x90..=0xbf)
            | (State::AfterF4, 0x80..=0x8f) => State::Two,
            (State::Boundary, 0xf0) => State::AfterF0,
            (State::Boundary, 0xf1..=0xf3) => State::Three,
            (State::Boundary, 0xf4) => State::AfterF4,
            _ => return false,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on `bytes` cut at each of `cuts`: how many bytes a bytewise reading accepts.
    fn accepted_bytewise(bytes: &[u8]) -> usize {
        let mut text = Utf8::default();
        bytes.iter().position(|byte| !text.accept(&[*byte])).unwrap_or(bytes.len())
    }

    /// How long a prefix of `bytes` can still become valid, by asking the standard library.
    fn viable(bytes: &[u8]) -> usize {
        match std::str::from_utf8(bytes) {
            Ok(_) => bytes.len(),
            Err(error) => match error.error_len() {
                None => bytes.len(),
                // `error_len` bytes could begin a character, the one after them cannot go on;
                // with one byte it may itself be impossible.
                Some(_) => (error.valid_up_to()..bytes.len())
                    .find(|&end| {
                        matches!(std::str::from_utf8(&bytes[..=end]),
                                Err(e) if e.error_len().is_some())
                    })
                    .unwrap_or(bytes.len()),
            },
        }
    }

    #[test]
    fn every_sequence_of_up_to_three_bytes_agrees_with_the_standard_library() {
        for a in 0x7f..=0xff_u8 {
            for b in 0x7e..=0xc3_u8 {
                for c in [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff] {
                    let bytes = [a, b, c];
                    assert_eq!(accepted_bytewise(&bytes), viable(&bytes), "{bytes:02x?}");
                    let mut whole = Utf8::default();
                    let valid = whole.accept(&bytes);
                    assert_eq!(valid, viable(&bytes) == 3, "{bytes:02x?}");
                    assert_eq!(
                        valid && whole.is_complete(),
                        std::str::from_utf8(&bytes).is_ok(),
                        "{bytes:02x?}"
                    );
                }
            }
        }
    }

    #[test]
    fn fails_before_the_character_ends() {
        for bytes in [&b"\xf4\x90"[..], b"\xe0\x80", b"\xed\xa0", b"\xf0\x8f", b"\xc0", b"\xf5"] {
            assert!(!Utf8::default().accept(bytes), "{bytes:02x?}");
        }
    }

    #[test]
    fn four_bytes_over_four_pieces() {
        let mut text = Utf8::default();
        for byte in "😀".as_bytes() {
            assert!(text.accept(&[]) && text.accept(std::slice::from_ref(byte)));
        }
        assert!(text.is_complete());
    }

    #[test]
    fn a_long_piece_with_an_open_end() {
        let mut bytes = "aé".repeat(100).into_bytes();
        bytes.extend_from_slice(&[0xf0, 0x9f]);
        let mut text = Utf8::default();
        assert!(text.accept(&bytes) && !text.is_complete());
        assert!(text.accept(&[0x98, 0x80, b'x']) && text.is_complete());
    }
}
