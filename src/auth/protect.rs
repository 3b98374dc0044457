//! Tokens that only a server with the same keys can make or read (LEG §2.4, §7.6).
//!
//! XChaCha20-Poly1305 with a random nonce of 24 bytes, so that any number of tokens may be made
//! with one key; what a token is for is its associated data, so that none can stand for another
//! kind. Nothing here knows what time it is: tokens do not expire.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::base::Rng;

const KEY_BYTES: usize = KeyRing::KEY_BYTES;
const NONCE_BYTES: usize = 24;

/// The keys of a server: the newest makes tokens, all of them are accepted.
///
/// Servers that share a ring accept each other's tokens (LEG-030). To change a key, first let all
/// of them accept the new one, then make it the newest, and leave out the old one when no client
/// that has a token of it is connected.
///
/// ```
/// use tickhub::KeyRing;
///
/// let old = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// let new = "iIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIg=";
/// let keys = KeyRing::from_text(new).and_then(|keys| keys.accept_text(old)).expect("two keys");
/// assert_eq!(format!("{keys:?}"), "KeyRing(2 keys)");
/// ```
#[derive(Clone)]
pub struct KeyRing(Arc<Vec<XChaCha20Poly1305>>);

/// Something that cannot be a key of a [`KeyRing`]. What it is stays unsaid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is neither 64 hexadecimal digits nor base64 of 32 bytes.
    #[error("a key is 32 bytes: 64 hexadecimal digits, or base64")]
    NotAKey,
    /// There are [`KeyRing::KEYS_MAX`] keys already.
    #[error("a key ring has at most {} keys", KeyRing::KEYS_MAX)]
    TooMany,
}

/// A token was not made with one of the keys, or for another purpose, or says something that no
/// token says. Why does not matter to whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token of this server")]
pub struct BadToken;

impl KeyRing {
    /// How many bytes a key has.
    pub const KEY_BYTES: usize = 32;
    /// How many keys may be accepted at once.
    pub const KEYS_MAX: usize = 16;

    /// One key of 32 random bytes: tokens are good for as long as the process runs.
    pub fn random(rng: &mut Rng) -> Self {
        let mut key = [0; KEY_BYTES];
        rng.fill(&mut key);
        Self::from_bytes(key)
    }

    /// One key.
    pub fn from_bytes(key: [u8; KEY_BYTES]) -> Self {
        Self(Arc::new(vec![XChaCha20Poly1305::new(&key.into())]))
    }

    /// One key, given as 64 hexadecimal digits or as base64 of either alphabet.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotAKey`] when it is neither.
    pub fn from_text(key: &str) -> Result<Self, KeyError> {
        key_from_text(key).map(Self::from_bytes)
    }

    /// Accepts tokens of one more key.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooMany`] when there are [`KeyRing::KEYS_MAX`] already.
    pub fn accept_bytes(mut self, key: [u8; KEY_BYTES]) -> Result<Self, KeyError> {
        if self.0.len() == Self::KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        Arc::make_mut(&mut self.0).push(XChaCha20Poly1305::new(&key.into()));
        Ok(self)
    }

    /// Accepts tokens of one more key, given as [`from_text`](Self::from_text) takes it.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub fn accept_text(self, key: &str) -> Result<Self, KeyError> {
        self.accept_bytes(key_from_text(key)?)
    }

    /// A token that says `text`, for `purpose`.
    pub(super) fn seal(&self, rng: &mut Rng, purpose: &str, text: &str) -> String {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill(&mut nonce);
        let payload = Payload { msg: text.as_bytes(), aad: purpose.as_bytes() };
        let newest = self.0.first().expect("a ring has at least one key");
        let sealed = newest
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a text in memory is shorter than 256 GiB");
        URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())
    }

    /// What a token for `purpose` says.
    pub(super) fn open(&self, purpose: &str, token: &str) -> Result<String, BadToken> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadToken)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(BadToken)?;
        let payload = || Payload { msg: sealed, aad: purpose.as_bytes() };
        let opened = self.0.iter().find_map(|key| key.decrypt(nonce.into(), payload()).ok());
        String::from_utf8(opened.ok_or(BadToken)?).map_err(|_| BadToken)
    }
}

/// Two rings are the same if one is a clone of the other: keys are not compared.
impl PartialEq for KeyRing {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Keys are nobody's business.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.len())
    }
}

fn key_from_text(text: &str) -> Result<[u8; KEY_BYTES], KeyError> {
    let text = text.trim_ascii();
    let bytes = if text.len() == 2 * KEY_BYTES {
        hexadecimal(text.as_bytes())
    } else {
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|base64| base64.decode(text).ok())
    };
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(KeyError::NotAKey)
}

fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    digits.chunks(2).map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> Rng {
        Rng::from_seed(1)
    }

    fn ring(byte: u8) -> KeyRing {
        KeyRing::from_bytes([byte; KEY_BYTES])
    }

    #[test]
    fn a_token_says_what_was_sealed_and_is_new_each_time() {
        let (keys, mut rng) = (KeyRing::random(&mut rng()), rng());
        for text in ["", "a", "é😀\0", &"x".repeat(10_000)] {
            let first = keys.seal(&mut rng, "p", text);
            let second = keys.seal(&mut rng, "p", text);
            assert_ne!(first, second);
            assert_eq!(keys.open("p", &first).as_deref(), Ok(text));
            assert_eq!(keys.open("p", &second).as_deref(), Ok(text));
            assert!(first.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        }
    }

    /// LEG-013.
    #[test]
    fn every_byte_that_is_changed_is_noticed() {
        let (keys, mut rng) = (ring(1), rng());
        let token = keys.seal(&mut rng, "p", "3f0c1a52:bob");
        let bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let changed = URL_SAFE_NO_PAD.encode(changed);
                assert_eq!(keys.open("p", &changed), Err(BadToken), "byte {at}");
            }
        }
        for end in 0..bytes.len() {
            assert_eq!(keys.open("p", &URL_SAFE_NO_PAD.encode(&bytes[..end])), Err(BadToken));
        }
        for at in 0..token.len() {
            for other in "Aa0-_+/= %".chars().filter(|other| !token[at..].starts_with(*other)) {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                assert_eq!(keys.open("p", &changed), Err(BadToken), "character {at}");
            }
        }
        for longer in
            [format!("{token}A"), format!("{token}="), format!(" {token}"), token.repeat(2)]
        {
            assert_eq!(keys.open("p", &longer), Err(BadToken));
        }
    }

    /// LEG-017.
    #[test]
    fn a_token_is_for_one_purpose() {
        let (keys, mut rng) = (ring(1), rng());
        let token = keys.seal(&mut rng, "connection", "x");
        for purpose in ["groups", "", "connectio", "connection "] {
            assert_eq!(keys.open(purpose, &token), Err(BadToken));
        }
    }

    /// LEG-030, T-34.
    #[test]
    fn the_newest_key_makes_tokens_and_all_are_accepted() {
        let mut rng = rng();
        let old = ring(1);
        let both = ring(2).accept_bytes([1; KEY_BYTES]).expect("two keys");
        let new = ring(2);
        let of_old = old.seal(&mut rng, "p", "x");
        let of_both = both.seal(&mut rng, "p", "x");
        let of_new = new.seal(&mut rng, "p", "x");
        for (keys, token, is_good) in [
            (&both, &of_old, true),
            (&both, &of_both, true),
            (&both, &of_new, true),
            (&new, &of_both, true),
            (&old, &of_both, false),
            (&old, &of_new, false),
            (&new, &of_old, false),
        ] {
            assert_eq!(keys.open("p", token).is_ok(), is_good);
        }
    }

    #[test]
    fn keys_come_in_digits_or_base64() {
        let (mut rng, bytes) = (rng(), [0xFB; KEY_BYTES]);
        let token = KeyRing::from_bytes(bytes).seal(&mut rng, "p", "x");
        let hex = "fB".repeat(KEY_BYTES);
        let texts = [
            STANDARD.encode(bytes),
            STANDARD_NO_PAD.encode(bytes),
            URL_SAFE.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
            format!(" {hex}\n"),
            hex,
        ];
        for text in texts {
            let keys = KeyRing::from_text(&text).expect("a key");
            assert_eq!(keys.open("p", &token).as_deref(), Ok("x"), "{text}");
        }
        let short = STANDARD.encode([1; KEY_BYTES - 1]);
        let long = STANDARD.encode([1; KEY_BYTES + 1]);
        for wrong in ["", "secret", &"fg".repeat(KEY_BYTES), &"é".repeat(KEY_BYTES), &short, &long]
        {
            assert_eq!(KeyRing::from_text(wrong).map(drop), Err(KeyError::NotAKey), "{wrong}");
        }
    }

    #[test]
    fn a_ring_has_16_keys_at_most() {
        let fill = |count| (1..count).try_fold(ring(0), |keys, byte| keys.accept_bytes([byte; 32]));
        assert!(fill(KeyRing::KEYS_MAX as u8).is_ok());
        assert_eq!(fill(KeyRing::KEYS_MAX as u8 + 1).map(drop), Err(KeyError::TooMany));
    }

    /// The keys are as the standard has them: draft-irtf-cfrg-xchacha-03, A.3.1.
    #[test]
    fn the_cipher_is_that_of_the_standard() {
        let key: Vec<u8> = (0x80..0xA0).collect();
        let key = KeyRing::from_bytes(key.try_into().expect("32 bytes"));
        let nonce: Vec<u8> = (0x40..0x58).collect();
        let aad = hexadecimal(b"50515253c0c1c2c3c4c5c6c7").expect("digits");
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
                     for the future, sunscreen would be it.";
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().expect("24 bytes");
        let sealed = key.0[0].encrypt(&XNonce::from(nonce), Payload { msg: text, aad: &aad });
        let tag = hexadecimal(b"c0875924c1c7987947deafd8780acf49").expect("digits");
        assert!(sealed.expect("it is short").ends_with(&tag));
    }

    #[test]
    fn keys_are_not_printed() {
        let keys = ring(0xAB).accept_bytes([0xCD; KEY_BYTES]).expect("two keys");
        assert_eq!(format!("{keys:?} {keys:#?}"), "KeyRing(2 keys) KeyRing(2 keys)");
    }
}
