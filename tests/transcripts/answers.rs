//! The head of an answer against the recorded one.

use serde_json::Value;

use super::session::Observed;

/// What a status says of the rest of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It is the recorded one.
    Same,
    /// It is another one that is as good; there is nothing to compare.
    AsGood,
    Wrong,
}

impl Status {
    pub(crate) fn of(want: &Value, got: &Observed, loosened: &Value) -> Self {
        let status = got.status.map(u64::from);
        if status == want["status"].as_u64() {
            return Self::Same;
        }
        let is_as_good = match (loosened["status"].as_str(), status) {
            (Some("error"), Some(400..)) | (Some("2xx"), Some(200..300)) => true,
            _ => is_listed(loosened, got),
        };
        if is_as_good { Self::AsGood } else { Self::Wrong }
    }
}

/// Whether the recording names the status as one that is as good.
pub(crate) fn is_listed(loosened: &Value, got: &Observed) -> bool {
    let mut others = loosened["or_status"].as_array().into_iter().flatten().map(Value::as_u64);
    others.any(|other| other == got.status.map(u64::from))
}

/// The differences of the head, of which the status is the same. Headers that begin with one of
/// `unwanted` must not be there when the original did not send them.
pub(crate) fn head(
    want: &Value,
    got: &Observed,
    loosened: &Value,
    unwanted: &[&str],
) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(reason) = want["reason"].as_str().filter(|reason| *reason != got.reason) {
        all.push(format!("reason phrase: expected {reason:?}, got {:?}", got.reason));
    }
    if got.is_accepted == Some(false) && got.status == Some(101) {
        all.push("Sec-WebSocket-Accept is wrong".to_owned());
    }
    if loosened["headers"] == "ignore" {
        return all;
    }
    let recorded: Vec<(String, &str)> = want["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default()))
        .collect();
    for (name, wanted) in &recorded {
        let value = got.headers.get(name);
        let is_right = match name.as_str() {
            "content-length" => {
                let length = value.and_then(|value| value.parse().ok());
                let content = got.content.as_ref().map(Vec::len);
                got.status != Some(200)
                    || length.is_some() && (content.is_none() || length == content)
            }
            "connection" if got.status == Some(101) => {
                value.is_some_and(|value| value.to_lowercase().contains("upgrade"))
            }
            _ => value.map(|value| plain(value)) == Some(plain(wanted)),
        };
        if !is_right {
            all.push(format!("header {name}: expected {wanted:?}, got {value:?}"));
        }
    }
    for (name, value) in &got.headers {
        let is_recorded = recorded.iter().any(|(known, _)| known == name);
        if !is_recorded && unwanted.iter().any(|unwanted| name.starts_with(unwanted)) {
            all.push(format!("header {name}: expected none, got {value:?}"));
        }
    }
    all
}

/// A header without letter case, and without blanks around separators.
fn plain(value: &str) -> String {
    let mut all = String::new();
    for c in value.to_lowercase().chars() {
        if ";,".contains(c) {
            all.truncate(all.trim_end().len());
        }
        if !(c.is_whitespace() && all.ends_with([';', ','])) {
            all.push(c);
        }
    }
    all
}
