//! What must hold for any bytes at all: nothing panics, nothing depends on how the bytes were cut
//! on their way, and what was accepted means the same when it is written and read again.
//!
//! The same functions are driven by the fuzzer (`../targets`) and, over the corpora in the tree,
//! by `tests/corpora.rs`.

#![allow(clippy::mut_mut, reason = "input is taken from the front of a writable slice")]
#![allow(unreachable_pub, reason = "a library to the fuzz targets, a module to the replay")]

mod chunked_body;
mod classic_invocation;
mod classic_parameters;
mod classic_tokens;
mod classic_writers;
mod connection;
mod deflate;
mod frames;
mod json;
mod messagepack;
mod records;
mod request_head;
mod url;

/// Panics when something does not hold for the bytes.
type Check = fn(&[u8]);

/// Each target by its name, which is that of its corpus too.
pub const ALL: &[(&str, Check)] = &[
    ("request_head", request_head::check),
    ("chunked_body", chunked_body::check),
    ("frames", frames::check),
    ("deflate", deflate::check),
    ("json", json::check),
    ("messagepack", messagepack::check),
    ("url", url::check),
    ("connection", connection::check),
    ("classic_invocation", classic_invocation::check),
    ("classic_tokens", classic_tokens::check),
    ("classic_parameters", classic_parameters::check),
    ("classic_writers", classic_writers::check),
];

/// Runs the check of one target.
///
/// # Panics
///
/// When something does not hold for `data`, or there is no such target.
pub fn run(target: &str, data: &[u8]) {
    let (_, check) = ALL.iter().find(|(name, _)| *name == target).expect("a target of the list");
    check(data);
}

/// The first bytes of the data say where the rest is cut: a count, then distances.
fn cuts(data: &[u8]) -> (Vec<usize>, &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return (Vec::new(), data) };
    let count = usize::from(count % 16).min(rest.len());
    let (distances, rest) = rest.split_at(count);
    (distances.iter().map(|distance| usize::from(*distance)).collect(), rest)
}

/// Hands `bytes` to `take` in pieces of the given lengths; the last piece is what is left.
fn in_pieces(bytes: &[u8], lengths: &[usize], mut take: impl FnMut(&mut [u8])) {
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    for length in lengths {
        let (piece, behind) = rest.split_at_mut((*length).min(rest.len()));
        take(piece);
        rest = behind;
    }
    take(rest);
}
