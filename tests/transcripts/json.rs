//! JSON as values: the order of members, spaces and escapes do not count, and a number is its
//! decimal value, however long it is and however it is written.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// A decimal number: its digits without zeros at either end, and the power of ten behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Json {
    /// The value of a text; nothing if it is not JSON.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::from_raw(serde_json::from_str(text).ok()?)
    }

    fn from_raw(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        Some(match text.as_bytes().first()? {
            b'n' => Self::Null,
            b't' | b'f' => Self::Bool(text == "true"),
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Self::Array(items.into_iter().map(Self::from_raw).collect::<Option<_>>()?)
            }
            b'{' => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
                let members = members.into_iter();
                let members = members.map(|(name, raw)| Some((name, Self::from_raw(raw)?)));
                Self::Object(members.collect::<Option<_>>()?)
            }
            _ => Self::Number(Number::parse(text)?),
        })
    }

    /// A member of an object, or an element of an array.
    pub(crate) fn at(&self, step: &serde_json::Value) -> Option<&Self> {
        match (self, step) {
            (Self::Object(members), serde_json::Value::String(name)) => members.get(name),
            (Self::Array(items), serde_json::Value::Number(place)) => {
                items.get(usize::try_from(place.as_u64()?).ok()?)
            }
            _ => None,
        }
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(name),
            _ => None,
        }
    }

    pub(crate) fn element(&self, place: usize) -> Option<&Self> {
        match self {
            Self::Array(items) => items.get(place),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }
}

impl Number {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (rest, 0_i64),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let shortened = all.trim_end_matches('0');
        let zeros = i64::try_from(all.len() - shortened.len()).ok()?;
        let exponent = exponent - i64::try_from(fraction.len()).ok()? + zeros;
        let digits = shortened.trim_start_matches('0').to_owned();
        // Nothing is neither negative nor of any size.
        let (negative, exponent) =
            if digits.is_empty() { (false, 0) } else { (negative, exponent) };
        Some(Self { negative, digits, exponent })
    }
}

impl Number {
    /// A number of which only so many digits count as a double carries for sure; whole ones stay
    /// as they are.
    pub(crate) fn rounded(self) -> Self {
        if self.exponent >= 0 || self.digits.len() <= DIGITS_OF_DOUBLE {
            return self;
        }
        let value: Option<f64> = self.to_string().parse().ok();
        let shorter = value.and_then(|value| {
            Self::parse(&format!("{value:.precision$e}", precision = DIGITS_OF_DOUBLE - 1))
        });
        shorter.unwrap_or(self)
    }
}

const DIGITS_OF_DOUBLE: usize = 15;

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.negative { "-" } else { "" })?;
        match usize::try_from(self.exponent) {
            Ok(_) if self.digits.is_empty() => f.write_str("0"),
            Ok(zeros) if zeros < 25 => write!(f, "{}{:0<zeros$}", self.digits, ""),
            _ => write!(f, "{}e{}", self.digits, self.exponent),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if place == 0 { "[" } else { ", " })?;
                }
                f.write_str(if items.is_empty() { "[]" } else { "]" })
            }
            Self::Object(members) => {
                for (place, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}{name:?}: {value}", if place == 0 { "{" } else { ", " })?;
                }
                f.write_str(if members.is_empty() { "{}" } else { "}" })
            }
        }
    }
}
