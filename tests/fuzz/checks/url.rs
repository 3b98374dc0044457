//! Percent-encoding and queries.

use tickhub::protocol::url;

pub(super) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let encoded = url::percent_encode(text);
    assert_eq!(url::percent_decode(&encoded).as_deref(), Ok(text), "there and back");
    if let Ok(decoded) = url::percent_decode(text) {
        let again = url::percent_encode(&decoded);
        assert_eq!(url::percent_decode(&again).as_deref(), Ok(&*decoded));
    }
    let pairs: Vec<_> = url::query_pairs(text).collect();
    assert!(pairs.len() <= text.len() / 2 + 1, "every pair but the last has a byte and an end");
    for (name, _) in &pairs {
        let (_, first) = pairs
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .expect("at least the pair itself");
        assert_eq!(url::query_value(text, name).as_ref(), Some(first), "the first pair counts");
    }
    let form: Vec<String> = pairs
        .iter()
        .map(|(name, value)| {
            format!("{}={}", url::percent_encode(name), url::percent_encode(value))
        })
        .collect();
    let form = form.join("&");
    let again: Vec<_> = url::query_pairs(&form).collect();
    assert_eq!(again, pairs, "there and back");
}
