//! Values as .NET writes them, where serde would have written something else.
//!
//! A type that has one form in JSON and another in MessagePack asks `is_human_readable`.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, Unexpected};
use serde::ser::{Error as _, SerializeStruct as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use tickhub::Value;
use tickhub::protocol::hub_protocol::MESSAGEPACK_FULL_WIDTH;

/// A `Guid`: 36 characters in lower case, in both protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Guid(pub(crate) uuid::Uuid);

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.hyphenated())
    }
}

impl<'de> Deserialize<'de> for Guid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The other spellings of RFC 9562 are none to .NET.
        let guid = (text.len() == 36).then(|| uuid::Uuid::parse_str(&text).ok()).flatten();
        guid.map(Self).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &"a GUID"))
    }
}

/// A `decimal`: a number in JSON and text in MessagePack; its scale is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal(rust_decimal::Decimal);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let number = RawValue::from_string(self.0.to_string());
            number.map_err(S::Error::custom)?.serialize(serializer)
        } else {
            serializer.collect_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = if deserializer.is_human_readable() {
            Box::<RawValue>::deserialize(deserializer)?.get().to_owned()
        } else {
            String::deserialize(deserializer)?
        };
        rust_decimal::Decimal::from_str_exact(&text)
            .or_else(|_| rust_decimal::Decimal::from_scientific(&text))
            .map(Self)
            .map_err(D::Error::custom)
    }
}

/// A `TimeSpan`: `[-][d.]hh:mm:ss[.fffffff]` in JSON, a count of 100 ns in MessagePack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    ticks: i64,
}

const TICKS_PER_SECOND: u64 = 10_000_000;
const TICKS_PER_DAY: u64 = 86_400 * TICKS_PER_SECOND;

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticks = self.ticks.unsigned_abs();
        if self.ticks < 0 {
            f.write_str("-")?;
        }
        if ticks >= TICKS_PER_DAY {
            write!(f, "{}.", ticks / TICKS_PER_DAY)?;
        }
        let seconds = ticks % TICKS_PER_DAY / TICKS_PER_SECOND;
        write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        match ticks % TICKS_PER_SECOND {
            0 => Ok(()),
            fraction => write!(f, ".{fraction:07}"),
        }
    }
}

impl FromStr for Span {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        /// A number of at most so many digits, below a limit.
        fn number(text: &str, digits: usize, below: u64) -> Result<u64, ()> {
            let fits =
                (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            let number = if fits { text.parse().map_err(|_| ())? } else { return Err(()) };
            if number < below { Ok(number) } else { Err(()) }
        }
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let mut parts = text.split(':');
        let (Some(hours), Some(minutes), Some(seconds), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
        let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        let whole = number(days, 8, 10_675_200)? * 86_400
            + number(hours, 2, 24)? * 3600
            + number(minutes, 2, 60)? * 60
            + number(seconds, 2, 60)?;
        let fraction =
            number(fraction, 7, TICKS_PER_SECOND)? * 10_u64.pow(7 - fraction.len() as u32);
        let ticks = (whole * TICKS_PER_SECOND).checked_add(fraction).ok_or(())?;
        let ticks = i64::try_from(ticks).map_err(|_| ())?;
        Ok(Self { ticks: if negative { -ticks } else { ticks } })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.ticks)
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(|ticks| Self { ticks });
        }
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| D::Error::invalid_value(Unexpected::Str(&text), &"a time span"))
    }
}

/// An enum: its number in JSON, which may be any, and its name in MessagePack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Colour(i32);

const COLOURS: [(&str, i32); 3] = [("Red", 0), ("Green", 1), ("Blue", 2)];

impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_i32(self.0);
        }
        match COLOURS.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => serializer.serialize_str(name),
            None => serializer.collect_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Colour {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return i32::deserialize(deserializer).map(Self);
        }
        let name = String::deserialize(deserializer)?;
        let known = COLOURS.iter().find(|(known, _)| *known == name);
        known.map(|(_, number)| Self(*number)).ok_or_else(|| D::Error::custom("no colour"))
    }
}

/// Anything: what came in JSON keeps its spelling.
#[derive(Debug)]
pub(crate) enum Any {
    Json(Box<RawValue>),
    MessagePack(Value),
}

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(raw) => raw.serialize(serializer),
            Self::MessagePack(value @ (Value::Array(_) | Value::Map(_))) => {
                Inside(value).serialize(serializer)
            }
            Self::MessagePack(value) => value.serialize(serializer),
        }
    }
}

/// A value inside of another one, where .NET writes no integer in less than two bytes.
struct Inside<'a>(&'a Value);

impl Serialize for Inside<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => serializer.collect_seq(items.iter().map(Inside)),
            Value::Map(pairs) => serializer
                .collect_map(pairs.iter().map(|(key, value)| (Inside(key), Inside(value)))),
            Value::Int(number) => match (u8::try_from(*number), i8::try_from(*number)) {
                (Ok(small), _) => {
                    serializer.serialize_newtype_struct(MESSAGEPACK_FULL_WIDTH, &small)
                }
                (_, Ok(small)) => {
                    serializer.serialize_newtype_struct(MESSAGEPACK_FULL_WIDTH, &small)
                }
                // Greater ones are not shorter than their type.
                _ => number.serialize(serializer),
            },
            other => other.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Box::deserialize(deserializer).map(Self::Json)
        } else {
            Value::deserialize(deserializer).map(Self::MessagePack)
        }
    }
}

/// An object whose members are written in camelCase in JSON, and as declared in MessagePack. They
/// are read by the names as declared; in JSON letter case does not matter.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Point {
    pub(crate) x: i32,
    pub(crate) long_name: Option<String>,
    pub(crate) list: Option<Vec<i32>>,
    pub(crate) next: Option<Box<Point>>,
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = if serializer.is_human_readable() {
            ["x", "longName", "list", "next"]
        } else {
            ["X", "LongName", "List", "Next"]
        };
        let mut point = serializer.serialize_struct("Point", names.len())?;
        point.serialize_field(names[0], &self.x)?;
        point.serialize_field(names[1], &self.long_name)?;
        point.serialize_field(names[2], &self.list)?;
        point.serialize_field(names[3], &self.next)?;
        point.end()
    }
}
