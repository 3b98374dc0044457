//! Compressed messages: the extension `permessage-deflate` (RFC 7692).
//!
//! [`Agreed`] is what both ends agreed on, [`Deflater`] and [`MessageInflater`] are the two
//! directions. A window is memory of what was said before; each end may begin with an empty one
//! whenever it likes, which is what makes it possible to compress a message for many once.

mod deflater;
mod inflater;
mod offer;

pub use deflater::Deflater;
pub use inflater::{Inflater, MessageInflater, Step};
pub use offer::Agreed;

/// The largest window: 2^15 bytes, all that DEFLATE knows.
pub const WINDOW_BITS_MAX: u8 = 15;

/// The smallest window that is agreed on. The extension knows 8, which the original declines, and
/// most libraries get wrong.
pub const WINDOW_BITS_MIN: u8 = 9;

/// How many sizes of windows there are.
pub const WINDOWS: usize = (WINDOW_BITS_MAX - WINDOW_BITS_MIN) as usize + 1;

/// What ends every compressed message and is not sent (RFC 7692 §7.2.1): an empty block.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// How messages are compressed, for clients that offer it (`DangerousEnableCompression`, §9.3).
///
/// Off unless asked for, and for a reason: where one message carries a secret and text that an
/// attacker chose, its compressed length tells about the secret, TLS or not (CRIME, BREACH). Do
/// not turn it on where clients are sent tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Compress every message by itself (default no). It costs ratio, most of all for small
    /// messages, and saves about 300 KiB for each client.
    pub server_no_context_takeover: bool,
    /// Have clients compress every message by itself (default no): saves up to 48 KiB for each.
    pub client_no_context_takeover: bool,
    /// The window for what is sent, as the exponent of two: 9 to 15 (default 15). Anything else
    /// counts as the nearest of these.
    pub server_max_window_bits: u8,
    /// Messages shorter than this many bytes are sent as they are (default 32).
    pub message_bytes_min: usize,
    /// Connections of one shard that may keep a window for what is sent (default 1 024); for the
    /// others every message is compressed by itself.
    pub contexts_max: usize,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: WINDOW_BITS_MAX,
            message_bytes_min: 32,
            contexts_max: 1024,
        }
    }
}
