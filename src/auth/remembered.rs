//! Tokens whose signature was found good, so that the next request with one need not pay for it
//! again (`benches/tokens.rs`).

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::base::Hasher;

/// The newest tokens, as digests: whoever reads this memory learns no token, and how long a
/// comparison takes tells nothing about one.
pub(super) struct Remembered {
    max: usize,
    // A scheme may serve several shards; it is locked for a look-up, not while a token is judged.
    tokens: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    known: HashSet<TokenDigest, Hasher>,
    /// In the order in which they came. Some may be forgotten already.
    order: VecDeque<TokenDigest>,
}

pub(super) type TokenDigest = [u8; 32];

/// The name by which a token is remembered.
pub(super) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

impl Remembered {
    pub(super) fn at_most(max: usize) -> Self {
        Self { max, tokens: Mutex::default() }
    }

    pub(super) fn contains(&self, token: &TokenDigest) -> bool {
        self.tokens().known.contains(token)
    }

    /// Remembers a token; the oldest one makes room.
    pub(super) fn insert(&self, token: TokenDigest) {
        let mut tokens = self.tokens();
        if self.max == 0 || !tokens.known.insert(token) {
            return;
        }
        if tokens.order.len() == self.max
            && let Some(oldest) = tokens.order.pop_front()
        {
            tokens.known.remove(&oldest);
        }
        tokens.order.push_back(token);
    }

    pub(super) fn forget(&self, token: &TokenDigest) {
        self.tokens().known.remove(token);
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy is for a scheme that may have other keys: it remembers nothing.
impl Clone for Remembered {
    fn clone(&self) -> Self {
        Self::at_most(self.max)
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").field("max", &self.max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_allowed_and_the_oldest_goes_first() {
        let name = |number: u32| digest(&number.to_string());
        for max in [0, 1, 2, 5] {
            let remembered = Remembered::at_most(max);
            for number in 0..100 {
                remembered.insert(name(number));
                remembered.insert(name(number));
                let known = (0..100).filter(|n| remembered.contains(&name(*n)));
                let newest = (number + 1).saturating_sub(max as u32)..=number;
                assert!(known.eq(newest), "{number} with {max}");
                let tokens = remembered.tokens();
                assert!(tokens.order.len() <= max && tokens.known.len() <= max);
            }
        }
        // What was forgotten takes a place until its turn comes, and no more than that.
        let remembered = Remembered::at_most(3);
        for number in 0..50 {
            remembered.insert(name(number));
            remembered.forget(&name(number));
            remembered.insert(name(0));
            let tokens = remembered.tokens();
            assert!(tokens.order.len() <= 3 && tokens.known.len() <= 3);
        }
        assert!(!remembered.contains(&name(49)));
    }

    #[test]
    fn nothing_shows_what_is_remembered_and_a_copy_does_not_know_it() {
        let remembered = Remembered::at_most(7);
        remembered.insert(digest("token"));
        assert_eq!(format!("{remembered:?}"), "Remembered { max: 7, .. }");
        assert!(remembered.contains(&digest("token")));
        assert!(!remembered.clone().contains(&digest("token")));
    }
}
