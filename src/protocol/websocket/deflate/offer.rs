//! What is offered and what is agreed on (RFC 7692 §5, §7.1).

use std::fmt::Write as _;

use super::{Compression, WINDOW_BITS_MAX, WINDOW_BITS_MIN};
use crate::protocol::http::Head;

/// What both ends agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// We compress every message by itself.
    pub server_no_context_takeover: bool,
    /// So does the client.
    pub client_no_context_takeover: bool,
    /// Our window, as the exponent of two.
    pub server_max_window_bits: u8,
    /// The window of the client.
    pub client_max_window_bits: u8,
}

impl Agreed {
    /// Takes the first offer of a client that can be met (§9.3), with the value of
    /// `Sec-WebSocket-Extensions` that answers it.
    pub fn choose(compression: &Compression, head: Head<'_>) -> Option<(Self, String)> {
        head.header_values("sec-websocket-extensions")
            .flat_map(|list| split(list, b','))
            .find_map(|offer| Self::meet(compression, offer))
    }

    /// Meets one offer, or declines it.
    fn meet(compression: &Compression, offer: &str) -> Option<(Self, String)> {
        let mut parameters = split(offer, b';').map(str::trim);
        if parameters.next() != Some(NAME) {
            return None;
        }
        let own_bits = compression.server_max_window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        let mut agreed = Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: own_bits,
            client_max_window_bits: WINDOW_BITS_MAX,
        };
        let mut answer = NAME.to_owned();
        let (mut has_client_bits, mut has_server_bits) = (false, false);
        for parameter in parameters {
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (parameter, None),
            };
            match (name, value) {
                ("client_no_context_takeover", None) => {
                    once(&mut agreed.client_no_context_takeover)?;
                    answer.push_str("; client_no_context_takeover");
                }
                ("server_no_context_takeover", None) => {
                    once(&mut agreed.server_no_context_takeover)?;
                }
                ("client_max_window_bits", value) => {
                    once(&mut has_client_bits)?;
                    agreed.client_max_window_bits = window_bits(value)?;
                    let bits = agreed.client_max_window_bits;
                    write!(answer, "; client_max_window_bits={bits}").expect("memory suffices");
                }
                ("server_max_window_bits", value) => {
                    once(&mut has_server_bits)?;
                    agreed.server_max_window_bits = own_bits.min(window_bits(value)?);
                }
                // Unknown, or a value where none belongs: as if it were not there.
                _ => {}
            }
        }
        if compression.client_no_context_takeover
            && !std::mem::replace(&mut agreed.client_no_context_takeover, true)
        {
            answer.push_str("; client_no_context_takeover");
        }
        agreed.server_no_context_takeover |= compression.server_no_context_takeover;
        if agreed.server_no_context_takeover {
            answer.push_str("; server_no_context_takeover");
        }
        if has_server_bits || own_bits != WINDOW_BITS_MAX {
            let bits = agreed.server_max_window_bits;
            write!(answer, "; server_max_window_bits={bits}").expect("memory suffices");
        }
        Some((agreed, answer))
    }
}

/// The name of the extension, in exactly these letters.
const NAME: &str = "permessage-deflate";

/// Sets a flag; nothing, if it was set: the offer has the parameter twice.
fn once(seen: &mut bool) -> Option<()> {
    (!std::mem::replace(seen, true)).then_some(())
}

/// The size of a window: a number that may be quoted and may begin with zeros. Without a value
/// all are meant.
fn window_bits(value: Option<&str>) -> Option<u8> {
    let Some(value) = value else { return Some(WINDOW_BITS_MAX) };
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let digits = quoted.unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bits: u8 = digits.trim_start_matches('0').parse().ok()?;
    (WINDOW_BITS_MIN..=WINDOW_BITS_MAX).contains(&bits).then_some(bits)
}

/// The parts of `text` between separators that are not inside quotes.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |c| {
        is_quoted ^= c == '"';
        c == char::from(separator) && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(compression: &Compression, offers: &str) -> Option<String> {
        let mut met = split(offers, b',').filter_map(|offer| Agreed::meet(compression, offer));
        met.next().map(|(_, answer)| answer)
    }

    /// `raw-compression-offers` (COR-162).
    #[test]
    fn offers_are_answered_as_by_the_original() {
        let deflate = "permessage-deflate";
        for (offer, expected) in [
            ("", Some("")),
            ("; client_max_window_bits", Some("; client_max_window_bits=15")),
            ("; client_max_window_bits=12", Some("; client_max_window_bits=12")),
            ("; client_max_window_bits=8", None),
            ("; client_max_window_bits=16", None),
            ("; client_no_context_takeover", Some("; client_no_context_takeover")),
            ("; server_no_context_takeover", Some("; server_no_context_takeover")),
            ("; server_max_window_bits=10", Some("; server_max_window_bits=10")),
            ("; server_max_window_bits=8", None),
            ("; server_max_window_bits", Some("; server_max_window_bits=15")),
            (
                "; server_max_window_bits=15; client_max_window_bits=9; \
                 client_no_context_takeover; server_no_context_takeover",
                Some(
                    "; client_max_window_bits=9; client_no_context_takeover; \
                     server_no_context_takeover; server_max_window_bits=15",
                ),
            ),
            ("; client_no_context_takeover; client_no_context_takeover", None),
            ("; client_max_window_bits=\"10\"", Some("; client_max_window_bits=10")),
            ("; unknown_parameter", Some("")),
            ("; client_max_window_bits=abc", None),
            ("; server_max_window_bits=8, permessage-deflate", Some("")),
            ("; client_max_window_bits=", None),
            ("; client_no_context_takeover=1", Some("")),
            (";server_max_window_bits=012", Some("; server_max_window_bits=12")),
        ] {
            let expected = expected.map(|rest| format!("{deflate}{rest}"));
            let offers = format!("{deflate}{offer}");
            assert_eq!(answer(&Compression::default(), &offers), expected, "{offers}");
        }
        for (offers, expected) in [
            ("x-webkit-deflate-frame", None),
            ("PERMESSAGE-DEFLATE", None),
            (
                "x-other, permessage-deflate; client_no_context_takeover",
                Some("permessage-deflate; client_no_context_takeover"),
            ),
            ("", None),
        ] {
            assert_eq!(answer(&Compression::default(), offers).as_deref(), expected, "{offers}");
        }
    }

    #[test]
    fn more_that_is_declined_and_more_that_is_not() {
        for (offer, expected) in [
            // T-EXT.
            ("client_max_window_bits=7", None),
            ("client_max_window_bits=-9", None),
            ("client_max_window_bits=+12", None),
            ("client_max_window_bits=0x9", None),
            ("client_max_window_bits=9.0", None),
            ("client_max_window_bits=265", None),
            ("client_max_window_bits=\"\"", None),
            ("client_max_window_bits=\"12", None),
            ("client_max_window_bits=1 2", None),
            ("client_max_window_bits; client_max_window_bits=12", None),
            ("server_max_window_bits=10;server_max_window_bits=10", None),
            ("server_no_context_takeover;server_no_context_takeover", None),
            ("x;x", Some("")),
            ("x=\"a;client_max_window_bits=8,b\"", Some("")),
            ("CLIENT_MAX_WINDOW_BITS=12", Some("")),
            (" client_max_window_bits = 12 ", Some("; client_max_window_bits=12")),
            (";;", Some("")),
        ] {
            let expected = expected.map(|rest| format!("permessage-deflate{rest}"));
            let offer = format!("permessage-deflate;{offer}");
            assert_eq!(answer(&Compression::default(), &offer), expected, "{offer}");
        }
        let zeros = format!("permessage-deflate;client_max_window_bits={}9", "0".repeat(30_000));
        let expected = "permessage-deflate; client_max_window_bits=9";
        assert_eq!(answer(&Compression::default(), &zeros).as_deref(), Some(expected));
    }

    #[test]
    fn what_the_server_asks_for_is_answered_unasked() {
        let options = Compression {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: 11,
            ..Compression::default()
        };
        let all = "; client_no_context_takeover; server_no_context_takeover";
        for (offer, bits) in [("", 11), ("; server_max_window_bits=9", 9), (all, 11)] {
            let offer = format!("permessage-deflate{offer}");
            let (agreed, answer) = Agreed::meet(&options, &offer).expect("it can be met");
            assert_eq!(answer, format!("permessage-deflate{all}; server_max_window_bits={bits}"));
            assert!(agreed.client_no_context_takeover && agreed.server_no_context_takeover);
            assert_eq!((agreed.server_max_window_bits, agreed.client_max_window_bits), (bits, 15));
        }
        for (bits, nearest) in [(0, 9), (8, 9), (16, 15), (255, 15)] {
            let options = Compression { server_max_window_bits: bits, ..Compression::default() };
            let (agreed, _) = Agreed::meet(&options, "permessage-deflate").expect("it can be met");
            assert_eq!(agreed.server_max_window_bits, nearest);
        }
    }
}
