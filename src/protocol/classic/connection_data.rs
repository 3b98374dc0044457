//! Which hubs a connection listens to (LEG §1.6).

use serde::Deserialize;

use super::errors::DUPLICATE_HUBS;
use crate::protocol::hub_protocol::{HubProtocolKind, Payload};

/// How many hubs one connection may name.
pub const HUBS_MAX: usize = 64;

/// Why the parameter `connectionData` cannot be used (LEG-021).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionDataError {
    /// It is no JSON array of objects with a name.
    #[error("The connection data is no list of hubs.")]
    Malformed,
    /// It names more than [`HUBS_MAX`] hubs.
    #[error("The connection data names more than {HUBS_MAX} hubs.")]
    TooMany,
    /// It names a hub twice.
    #[error("{DUPLICATE_HUBS}")]
    Duplicate,
}

/// The names of the hubs, in the spelling and the order of the client; none where the parameter is
/// absent or empty.
///
/// ```
/// use tickhub::protocol::classic::hub_names;
///
/// let names = hub_names(Some(r#"[{"name":"chathub"},{"Name":"Admin"}]"#));
/// assert_eq!(names, Ok(vec!["chathub".to_owned(), "Admin".to_owned()]));
/// assert_eq!(hub_names(None), Ok(vec![]));
/// ```
///
/// # Errors
///
/// See [`ConnectionDataError`].
pub fn hub_names(connection_data: Option<&str>) -> Result<Vec<String>, ConnectionDataError> {
    let Some(text) = connection_data.filter(|text| !text.trim_ascii().is_empty()) else {
        return Ok(Vec::new());
    };
    // Read as arguments are: the key is `name` or `Name`.
    let mut json = text.as_bytes().to_vec();
    let hubs = Payload::new(HubProtocolKind::Classic, &mut json)
        .read::<Option<Vec<NamedHub>>>()
        .map_err(|_| ConnectionDataError::Malformed)?
        .unwrap_or_default();
    if hubs.len() > HUBS_MAX {
        return Err(ConnectionDataError::TooMany);
    }
    let names: Vec<String> = hubs.into_iter().map(|hub| hub.name).collect();
    let mut folded: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    folded.sort_unstable();
    if folded.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ConnectionDataError::Duplicate);
    }
    Ok(names)
}

#[derive(Deserialize)]
struct NamedHub {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, ConnectionDataError> {
        hub_names(Some(text))
    }

    fn list(count: usize) -> String {
        let hubs: Vec<String> = (0..count).map(|n| format!("{{\"name\":\"h{n}\"}}")).collect();
        format!("[{}]", hubs.join(","))
    }

    /// LEG-020, `negotiate-connection-data`.
    #[test]
    fn hubs_are_named_in_any_letter_case() {
        for (text, expected) in [
            ("", &[][..]),
            ("  ", &[]),
            ("[]", &[]),
            ("null", &[]),
            (r#"[{"name":"transcripthub"}]"#, &["transcripthub"]),
            (r#" [ {"Name":"TranscriptHub"} ] "#, &["TranscriptHub"]),
            (r#"[{"NAME":"a","x":1},{"y":{},"name":"\u00e9"}]"#, &["a", "é"]),
        ] {
            assert_eq!(names(text).expect("a list"), expected, "{text}");
        }
        assert_eq!(hub_names(None), Ok(vec![]));
    }

    /// LEG-021, T-29, `negotiate-bad-hubs`.
    #[test]
    fn what_is_no_list_of_different_hubs_is_refused() {
        use ConnectionDataError::{Duplicate, Malformed};
        for (text, error) in [
            ("notjson", Malformed),
            ("[", Malformed),
            ("[]]", Malformed),
            ("{}", Malformed),
            ("5", Malformed),
            ("[null]", Malformed),
            ("[{}]", Malformed),
            (r#"["a"]"#, Malformed),
            (r#"[{"name":null}]"#, Malformed),
            (r#"[{"name":{}}]"#, Malformed),
            (r#"[["a"]]"#, Malformed),
            (r#"[{"name":"a"},{"name":"b"},{"name":"A"}]"#, Duplicate),
            (r#"[{"name":"é"},{"name":"É"}]"#, Duplicate),
        ] {
            assert_eq!(names(text), Err(error), "{text}");
        }
        assert_eq!(names(&"[".repeat(100_000)), Err(Malformed));
        assert_eq!(Duplicate.to_string(), "Duplicate Hub names found.");
    }

    #[test]
    fn there_are_64_at_most() {
        assert_eq!(names(&list(HUBS_MAX)).map(|names| names.len()), Ok(HUBS_MAX));
        assert_eq!(names(&list(HUBS_MAX + 1)), Err(ConnectionDataError::TooMany));
    }
}
