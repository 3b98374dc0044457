//! Bodies in chunks: the same in every cut, never longer than what came.

use tickhub::protocol::http::{BodyDecoder, Limits, Piece};

pub(super) fn check(data: &[u8]) {
    let (cuts, bytes) = super::cuts(data);
    assert_eq!(read(bytes, &[]), read(bytes, &cuts), "it depends on the cut");
}

/// The body, how it ended, and how many bytes were left behind it.
fn read(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, String, usize) {
    let limits = Limits { body_bytes_max: 512, chunk_overhead_bytes_max: 64, ..Limits::default() };
    let mut decoder = BodyDecoder::chunked();
    let (mut body, mut end, mut left) = (Vec::new(), String::new(), 0);
    super::in_pieces(bytes, cuts, |piece| {
        let mut input = piece;
        while end.is_empty() {
            match decoder.next(&mut input, &limits) {
                Ok(None) => break,
                Ok(Some(Piece::Data(data))) => body.extend_from_slice(data),
                Ok(Some(Piece::End)) => "whole".clone_into(&mut end),
                Err(refused) => end = refused.to_string(),
            }
        }
        left += input.len();
    });
    assert!(body.len() <= 512, "the limit counts");
    assert_eq!(decoder.may_end(), end == "whole");
    if end != "whole" {
        // Where a refused body ends is nobody's business.
        left = 0;
    }
    (body, end, left)
}
