//! What recordings say in their steps.

use std::time::Duration;

use serde_json::Value;

pub(crate) fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

pub(crate) fn millis(of: &Value, name: &str, otherwise: u64) -> Duration {
    Duration::from_millis(of[name].as_u64().unwrap_or(otherwise))
}

/// How long a read may take, by how long it took when it was recorded.
pub(crate) fn patience(step: &Value, loosened: &Value, for_at_least: Duration) -> Duration {
    let frames = step["frames"].as_array().into_iter().flatten();
    let span = frames.map(|frame| millis(frame, "at_ms", 0)).max().unwrap_or_default();
    let end = range(&loosened["ends_after_ms"]).map(|(_, to)| to).unwrap_or_default();
    let second = Duration::from_secs(1);
    (6 * second).max(span * 3 / 2 + 4 * second).max(for_at_least + 3 * second).max(end + 2 * second)
}

pub(crate) fn range(bounds: &Value) -> Option<(Duration, Duration)> {
    let bound = |place: usize| bounds[place].as_u64().map(Duration::from_millis);
    Some((bound(0)?, bound(1)?))
}
