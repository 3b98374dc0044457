//! What came against what was recorded, row by row.

use super::text::Values;

/// One thing of a row.
pub(crate) trait Row {
    /// For people.
    fn show(&self) -> String;

    /// The differences to what came.
    fn differences(&self, got: &Self, values: &Values, at: &str) -> Vec<String>;
}

/// The same things in the same order.
pub(crate) fn in_order<T: Row>(want: &[T], got: &[T], values: &Values, at: &str) -> Vec<String> {
    let both = want.len().max(got.len());
    let pairs = (0..both).map(|place| (place, want.get(place), got.get(place)));
    pairs
        .flat_map(|(place, want, got)| match (want, got) {
            (Some(want), Some(got)) => {
                want.differences(got, values, &format!("{at}, record {place}"))
            }
            (Some(want), None) => vec![format!("{at}: missing {}", want.show())],
            (None, Some(got)) => vec![format!("{at}: surplus {}", got.show())],
            (None, None) => Vec::new(),
        })
        .collect()
}

/// The same things in any order.
pub(crate) fn in_any_order<T: Row>(
    want: &[T],
    got: &[T],
    values: &Values,
    at: &str,
) -> Vec<String> {
    let mut left: Vec<&T> = got.iter().collect();
    let mut all = Vec::new();
    for want in want {
        match left.iter().position(|got| want.differences(got, values, at).is_empty()) {
            Some(place) => {
                left.remove(place);
            }
            None => all.push(format!("{at}: missing {}", want.show())),
        }
    }
    all.extend(left.iter().map(|got| format!("{at}: surplus {}", got.show())));
    all
}

/// A text of bearable length.
pub(crate) fn shortened(text: String) -> String {
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
