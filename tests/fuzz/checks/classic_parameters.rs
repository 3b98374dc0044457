//! What requests of classic clients say in their path, their query and their body.

use tickhub::protocol::classic::forever_frame::FrameId;
use tickhub::protocol::classic::jsonp::Callback;
use tickhub::protocol::classic::{
    Endpoint, HUBS_MAX, Parameters, TransportName, Version, base_path, hub_names,
};
use tickhub::protocol::url;

pub(super) fn check(data: &[u8]) {
    // A body may be anything at all.
    let body = Parameters::new("", data);
    for transport in TransportName::ALL {
        assert_eq!(body.data(transport), body.form("data"));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parameters = Parameters::new(text, data);
    let pairs: Vec<_> = url::query_pairs(text).take(64).collect();
    for (name, value) in &pairs {
        let joined = parameters.query(name).expect("the pair itself at least");
        assert!(joined.contains(&**value), "each value is there");
        assert_eq!(parameters.form(name).as_ref(), Some(&joined), "a body is read as a query is");
        assert_eq!(parameters.query_or_form(name).as_ref(), Some(&joined));
        assert_eq!(parameters.query(&name.to_ascii_uppercase()).as_ref(), Some(&joined));
        for value in [&**value, &*joined] {
            meanings(value);
        }
    }
    meanings(text);
}

/// What a value would mean in each of the parameters.
fn meanings(text: &str) {
    let version = Version::resolve(Some(text));
    assert!((Version::MIN..=Version::MAX).contains(&version));
    assert_eq!(Version::resolve(Some(&version.to_string())), version);
    if let Ok(names) = hub_names(Some(text)) {
        assert!(names.len() <= HUBS_MAX);
        let twice = names.iter().map(|name| name.to_lowercase());
        let different: std::collections::BTreeSet<String> = twice.collect();
        assert_eq!(different.len(), names.len());
    }
    if let Some(transport) = TransportName::from_name(text) {
        assert!(transport.name().eq_ignore_ascii_case(text));
    }
    if let Ok(frame) = FrameId::parse(text) {
        assert_eq!(text.trim_start_matches('0').parse().unwrap_or(0), frame.number());
    }
    if let Ok(callback) = Callback::parse(text) {
        let is_plain = |character: char| character.is_alphanumeric() || "$_.".contains(character);
        assert!(callback.as_str().chars().all(is_plain), "{text:?}");
    }
    let base = base_path(text);
    assert!(text.starts_with(base));
    if base.len() < text.len() {
        assert_eq!(Endpoint::of(text), Endpoint::Negotiate);
    }
}
