//! Requests: the same in every cut; what was refused ends the connection.

use tickhub::protocol::http::{Limits, Request, RequestReader};
use tickhub::protocol::websocket::Verdict;

pub(super) fn check(data: &[u8]) {
    let (cuts, bytes) = super::cuts(data);
    assert_eq!(read(bytes, &[]), read(bytes, &cuts), "it depends on the cut");
}

fn read(bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let limits = Limits { body_bytes_max: 4096, ..Limits::default() };
    let mut reader = RequestReader::default();
    let mut seen = Vec::new();
    let mut refused = false;
    super::in_pieces(bytes, cuts, |piece| {
        let mut input = piece;
        while !refused {
            match reader.read(&mut input, &limits) {
                Ok(None) => {
                    assert!(input.is_empty(), "a reader that waits has used up its input");
                    break;
                }
                Ok(Some(request)) => seen.push(show(&request)),
                Err(error) => {
                    refused = true;
                    seen.push(error.to_string());
                }
            }
        }
    });
    seen
}

fn show(request: &Request<'_>) -> String {
    let head = request.to_head();
    assert_eq!(head.path(), request.path(), "the copy says the same");
    let query = request.query("id").map(std::borrow::Cow::into_owned);
    let accept = matches!(Verdict::of(request), Verdict::Accept { .. });
    let headers: Vec<_> = request.head().headers().collect();
    for (name, value) in &headers {
        let is_safe = |text: &str| text.bytes().all(|byte| byte == b'\t' || byte >= b' ');
        assert!(!name.is_empty() && is_safe(name) && is_safe(value), "no line is forged (T-CRLF)");
    }
    format!(
        "{} {} {query:?} {headers:?} {:?} {accept} {}",
        request.head().method_name(),
        request.head().target(),
        request.body().escape_ascii().to_string(),
        request.keep_alive(),
    )
}
