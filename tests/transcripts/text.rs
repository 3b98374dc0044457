//! Texts of the recordings: placeholders, repetitions, hexadecimal, and the sign for 0x1E.

use std::collections::HashMap;

use super::json::Json;

/// How the byte 0x1E is written in the recordings.
pub(crate) const RS: &str = "\u{241e}";

/// What stands for a placeholder in this run.
pub(crate) type Values = HashMap<String, String>;

/// The bytes of a text.
pub(crate) fn to_bytes(text: &str) -> Vec<u8> {
    text.replace(RS, "\u{1e}").into_bytes()
}

/// The text of bytes; nothing if they are no text.
pub(crate) fn to_text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(|text| text.replace('\u{1e}', RS))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.split_whitespace().collect();
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair.filter(|pair| pair.len() == 2)?, 16).ok()).collect()
}

/// A piece of a text with placeholders.
enum Piece<'a> {
    Plain(&'a str),
    /// What stands between `${` and `}`.
    Placeholder(&'a str),
}

/// A placeholder begins with a letter, and has letters, digits, points, colons and underscores.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut plain, mut from) = (Vec::new(), 0, 0);
    while let Some(begin) = text[from..].find("${").map(|at| from + at) {
        from = begin + 2;
        let Some(end) = text[from..].find('}').map(|at| from + at) else { break };
        let name = &text[from..end];
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && (name.starts_with("repeat:")
                || name.chars().all(|c| c.is_ascii_alphanumeric() || "._:".contains(c)));
        if is_name {
            pieces.extend([Piece::Plain(&text[plain..begin]), Piece::Placeholder(name)]);
            (plain, from) = (end + 1, end + 1);
        }
    }
    pieces.push(Piece::Plain(&text[plain..]));
    pieces
}

/// What `repeat:x:5000` stands for.
fn repeated(placeholder: &str) -> Option<String> {
    let (what, times) = placeholder.strip_prefix("repeat:")?.rsplit_once(':')?;
    Some(what.repeat(times.parse().ok()?))
}

/// Puts repetitions in.
pub(crate) fn expand(text: &str) -> String {
    let pieces = pieces(text);
    let expanded = pieces.iter().map(|piece| match piece {
        Piece::Plain(plain) => (*plain).to_owned(),
        Piece::Placeholder(name) => repeated(name).unwrap_or_else(|| format!("${{{name}}}")),
    });
    expanded.collect()
}

/// Puts everything in.
///
/// # Errors
///
/// The name of a placeholder that has no value.
pub(crate) fn fill(
    text: &str,
    values: &Values,
    how: impl Fn(&str) -> String,
) -> Result<String, String> {
    let pieces = pieces(text);
    let filled = pieces.iter().map(|piece| match piece {
        Piece::Plain(plain) => Ok((*plain).to_owned()),
        Piece::Placeholder(name) => repeated(name)
            .or_else(|| values.get(*name).map(|value| how(value)))
            .ok_or_else(|| (*name).to_owned()),
    });
    filled.collect()
}

/// Whether a text is the wanted one. A placeholder without a value stands for some text, but not
/// for none.
pub(crate) fn matches(want: &str, got: &str, values: &Values) -> bool {
    // Neighbouring plain pieces are one; between them stands "something".
    let mut plain = vec![String::new()];
    for piece in pieces(want) {
        let known = match piece {
            Piece::Plain(text) => Some(text.to_owned()),
            Piece::Placeholder(name) => repeated(name).or_else(|| values.get(name).cloned()),
        };
        match (known, plain.last_mut()) {
            (Some(text), Some(last)) => last.push_str(&text),
            _ => plain.push(String::new()),
        }
    }
    match plain.as_slice() {
        [] => false,
        [all] => all == got,
        [first, middle @ .., last] => {
            let Some(mut rest) = got.strip_prefix(first.as_str()) else { return false };
            for piece in middle {
                let Some(begin) = rest.char_indices().nth(1).map(|(at, _)| at) else {
                    return false;
                };
                let Some(at) = rest[begin..].find(piece.as_str()) else { return false };
                rest = &rest[begin + at + piece.len()..];
            }
            rest.strip_suffix(last.as_str()).is_some_and(|something| !something.is_empty())
        }
    }
}

/// The differences between two values, each with its place.
pub(crate) fn differences(want: &Json, got: &Json, values: &Values, at: &str) -> Vec<String> {
    match (want, got) {
        (Json::Text(want), Json::Text(got)) if matches(want, got, values) => Vec::new(),
        (Json::Array(wanted), Json::Array(items)) if wanted.len() == items.len() => {
            let pairs = wanted.iter().zip(items).enumerate();
            pairs.flat_map(|(i, (w, g))| differences(w, g, values, &format!("{at}[{i}]"))).collect()
        }
        (Json::Object(wanted), Json::Object(members)) => {
            let mut all = Vec::new();
            for (name, want) in wanted {
                match members.get(name) {
                    Some(got) => {
                        all.extend(differences(want, got, values, &format!("{at}.{name}")));
                    }
                    None => all.push(format!("{at}: member {name} is missing; expected {want}")),
                }
            }
            let surplus = members.iter().filter(|(name, _)| !wanted.contains_key(*name));
            all.extend(surplus.map(|(name, got)| format!("{at}: surplus member {name}: {got}")));
            all
        }
        _ if want == got => Vec::new(),
        _ => vec![format!("{at}: expected {want}, got {got}")],
    }
}
