//! Moments as .NET clients know them: ISO 8601 in JSON, timestamps in MessagePack.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_bytes::{ByteBuf, Bytes};
use time::{Date, Month};

/// A date and a time of day, the `DateTime` of .NET: with 100 ns as its smallest step, from the
/// year 1 to 9999, in UTC or without saying so.
///
/// The default is the first of them, `0001-01-01T00:00:00`.
///
/// In JSON it is ISO 8601 (`2000-01-01T00:00:00Z`; without the `Z` when it does not say that it is
/// in UTC), in MessagePack the extension for timestamps, which is always in UTC.
///
/// ```
/// use tickhub::DateTime;
///
/// let moment: DateTime = "2000-01-01T01:00:00+01:00".parse().expect("ISO 8601");
/// assert_eq!(moment.to_string(), "2000-01-01T00:00:00Z");
/// assert_eq!(moment.to_unix(), (946_684_800, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    ticks: i64,
    is_utc: bool,
}

/// A date and a time of day somewhere, the `DateTimeOffset` of .NET.
///
/// In JSON it is ISO 8601 with the offset (`2000-01-01T01:00:00+01:00`), in MessagePack an array
/// of a timestamp of the local time and the offset in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTimeOffset {
    /// By the clock on the wall.
    local: i64,
    minutes: i16,
}

/// The text, or the number, stands for no moment between the years 1 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date and time in ISO 8601 between the years 1 and 9999")]
pub struct InvalidDateTime;

const TICKS_PER_SECOND: i64 = 10_000_000;
const TICKS_PER_MINUTE: i64 = 60 * TICKS_PER_SECOND;
const TICKS_PER_DAY: i64 = 24 * 60 * TICKS_PER_MINUTE;

/// 0001-01-01, where ticks begin.
const FIRST_JULIAN_DAY: i64 = 1_721_426;

/// 1970-01-01T00:00:00.
const UNIX_EPOCH: i64 = 719_162 * TICKS_PER_DAY;

/// 9999-12-31T23:59:59.9999999.
const TICKS_MAX: i64 = 3_652_059 * TICKS_PER_DAY - 1;

/// The kind of the extension for timestamps.
const TIMESTAMP: i8 = -1;

impl DateTime {
    /// A moment in UTC, by the seconds since 1970 and the nanoseconds behind them; these are
    /// rounded down to 100.
    ///
    /// # Errors
    ///
    /// When it is before the year 1 or after 9999, or the nanoseconds are a second or more.
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Result<Self, InvalidDateTime> {
        if nanoseconds >= 1_000_000_000 {
            return Err(InvalidDateTime);
        }
        let ticks = seconds
            .checked_mul(TICKS_PER_SECOND)
            .and_then(|ticks| ticks.checked_add(UNIX_EPOCH + i64::from(nanoseconds / 100)));
        Ok(Self { ticks: in_range(ticks.ok_or(InvalidDateTime)?)?, is_utc: true })
    }

    /// The seconds since 1970 and the nanoseconds behind them. What does not say that it is in
    /// UTC is taken for it.
    pub fn to_unix(self) -> (i64, u32) {
        let ticks = self.ticks - UNIX_EPOCH;
        let nanoseconds = u32::try_from(ticks.rem_euclid(TICKS_PER_SECOND) * 100);
        (ticks.div_euclid(TICKS_PER_SECOND), nanoseconds.expect("less than a second"))
    }

    /// Whether it says that it is in UTC.
    pub fn is_utc(self) -> bool {
        self.is_utc
    }
}

impl DateTimeOffset {
    /// That moment by a clock which is so many minutes ahead of UTC.
    ///
    /// # Errors
    ///
    /// When the offset is more than 14 hours, or the local time before the year 1 or after 9999.
    pub fn new(moment: DateTime, offset_minutes: i16) -> Result<Self, InvalidDateTime> {
        if offset_minutes.abs() > OFFSET_MINUTES_MAX {
            return Err(InvalidDateTime);
        }
        let local = in_range(moment.ticks + i64::from(offset_minutes) * TICKS_PER_MINUTE)?;
        Ok(Self { local, minutes: offset_minutes })
    }

    /// The moment in UTC.
    ///
    /// # Errors
    ///
    /// When that is before the year 1 or after 9999.
    pub fn to_utc(self) -> Result<DateTime, InvalidDateTime> {
        let ticks = in_range(self.local - i64::from(self.minutes) * TICKS_PER_MINUTE)?;
        Ok(DateTime { ticks, is_utc: true })
    }

    /// How far its clock is ahead of UTC.
    pub fn offset_minutes(self) -> i16 {
        self.minutes
    }
}

/// What .NET allows.
const OFFSET_MINUTES_MAX: i16 = 14 * 60;

fn in_range(ticks: i64) -> Result<i64, InvalidDateTime> {
    if (0..=TICKS_MAX).contains(&ticks) { Ok(ticks) } else { Err(InvalidDateTime) }
}

impl TryFrom<SystemTime> for DateTime {
    type Error = InvalidDateTime;

    fn try_from(time: SystemTime) -> Result<Self, InvalidDateTime> {
        let (seconds, nanoseconds) = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => (i64::try_from(since.as_secs()).ok(), since.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                let whole = i64::try_from(before.as_secs()).ok().map(|seconds| -seconds);
                match before.subsec_nanos() {
                    0 => (whole, 0),
                    part => (whole.map(|seconds| seconds - 1), 1_000_000_000 - part),
                }
            }
        };
        Self::from_unix(seconds.ok_or(InvalidDateTime)?, nanoseconds)
    }
}

impl From<DateTime> for SystemTime {
    fn from(moment: DateTime) -> Self {
        let (seconds, nanoseconds) = moment.to_unix();
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let epoch = SystemTime::UNIX_EPOCH;
        let second = if seconds < 0 { epoch - whole } else { epoch + whole };
        second + Duration::from_nanos(nanoseconds.into())
    }
}

/// Writes a local time; the fraction only if there is one, without zeros at its end.
fn write_ticks(f: &mut fmt::Formatter<'_>, ticks: i64) -> fmt::Result {
    let day = i32::try_from(ticks / TICKS_PER_DAY + FIRST_JULIAN_DAY);
    let day = day.ok().and_then(|day| Date::from_julian_day(day).ok());
    let (year, month, day) = day.expect("ticks are in range").to_calendar_date();
    let seconds = ticks % TICKS_PER_DAY / TICKS_PER_SECOND;
    write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))?;
    write!(f, "T{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    match ticks % TICKS_PER_SECOND {
        0 => Ok(()),
        fraction => write!(f, ".{}", format!("{fraction:07}").trim_end_matches('0')),
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ticks(f, self.ticks)?;
        f.write_str(if self.is_utc { "Z" } else { "" })
    }
}

impl fmt::Display for DateTimeOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ticks(f, self.local)?;
        let sign = if self.minutes < 0 { '-' } else { '+' };
        let minutes = self.minutes.abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl FromStr for DateTime {
    type Err = InvalidDateTime;

    /// Reads what .NET reads: a date, or a date and a time with or without seconds, a fraction and
    /// an offset.
    fn from_str(text: &str) -> Result<Self, InvalidDateTime> {
        let (local, offset) = parse(text).ok_or(InvalidDateTime)?;
        match offset {
            Some(minutes) => DateTimeOffset { local, minutes }.to_utc(),
            None => Ok(Self { ticks: local, is_utc: false }),
        }
    }
}

impl FromStr for DateTimeOffset {
    type Err = InvalidDateTime;

    /// Reads the same as a [`DateTime`]. Without an offset it is in UTC.
    fn from_str(text: &str) -> Result<Self, InvalidDateTime> {
        let (local, offset) = parse(text).ok_or(InvalidDateTime)?;
        Ok(Self { local, minutes: offset.unwrap_or(0) })
    }
}

/// The local time, and the offset in minutes if there is one.
fn parse(text: &str) -> Option<(i64, Option<i16>)> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4)?;
    let month = separated(&mut rest, b'-', 2)?;
    let day = separated(&mut rest, b'-', 2)?;
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let (year, day) = (i32::try_from(year).ok()?, u8::try_from(day).ok()?);
    let date = Date::from_calendar_date(year, month, day).ok()?;
    let days = i64::from(date.to_julian_day()) - FIRST_JULIAN_DAY;
    let date = in_range(days * TICKS_PER_DAY).ok()?;
    if rest.is_empty() {
        return Some((date, None));
    }
    let hours = separated(&mut rest, b'T', 2).filter(|hours| *hours < 24)?;
    let minutes = separated(&mut rest, b':', 2).filter(|minutes| *minutes < 60)?;
    let mut ticks = date + (hours * 60 + minutes) * TICKS_PER_MINUTE;
    if rest.first() == Some(&b':') {
        let seconds = separated(&mut rest, b':', 2).filter(|seconds| *seconds < 60)?;
        ticks += seconds * TICKS_PER_SECOND + fraction(&mut rest)?;
    }
    if rest.is_empty() {
        return Some((ticks, None));
    }
    Some((ticks, Some(offset(rest)?)))
}

/// So many digits.
fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (number, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    number.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

fn separated(rest: &mut &[u8], separator: u8, count: usize) -> Option<i64> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    if *first == separator { digits(rest, count) } else { None }
}

/// A point and up to 16 digits, of which seven count; nothing is none.
fn fraction(rest: &mut &[u8]) -> Option<i64> {
    let Some(behind) = rest.strip_prefix(b".") else { return Some(0) };
    let count = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=16).contains(&count) {
        return None;
    }
    *rest = &behind[count..];
    let kept = count.min(7);
    let number = digits(&mut &behind[..kept], kept)?;
    Some(number * 10_i64.pow(7 - kept as u32))
}

/// What is written of an offset: `Z`, or hours and minutes.
fn offset(mut rest: &[u8]) -> Option<i16> {
    let sign = match rest.split_off_first()? {
        b'Z' => return rest.is_empty().then_some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = digits(&mut rest, 2)?;
    let minutes = if rest.is_empty() { 0 } else { separated(&mut rest, b':', 2)? };
    let offset = i16::try_from(hours * 60 + minutes).ok()?;
    (rest.is_empty() && minutes < 60 && offset <= OFFSET_MINUTES_MAX).then_some(sign * offset)
}

/// A timestamp in MessagePack, of the shortest form that holds it.
struct Timestamp(i64);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (seconds, nanoseconds) = DateTime { ticks: self.0, is_utc: true }.to_unix();
        let long = match u64::try_from(seconds) {
            Ok(seconds) if seconds < 1 << 34 => Some(u64::from(nanoseconds) << 34 | seconds),
            _ => None,
        };
        let mut bytes = [0; 12];
        let bytes = match (long, long.map(u32::try_from)) {
            (_, Some(Ok(short))) => {
                bytes[..4].copy_from_slice(&short.to_be_bytes());
                &bytes[..4]
            }
            (Some(long), _) => {
                bytes[..8].copy_from_slice(&long.to_be_bytes());
                &bytes[..8]
            }
            (None, _) => {
                bytes[..4].copy_from_slice(&nanoseconds.to_be_bytes());
                bytes[4..].copy_from_slice(&seconds.to_be_bytes());
                &bytes[..]
            }
        };
        let name = super::MESSAGEPACK_EXTENSION;
        serializer.serialize_newtype_struct(name, &(TIMESTAMP, Bytes::new(bytes)))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(super::MESSAGEPACK_EXTENSION, AnyTimestamp)
    }
}

struct AnyTimestamp;

impl<'de> Visitor<'de> for AnyTimestamp {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a timestamp")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Timestamp, D::Error> {
        let (kind, bytes) = <(i8, ByteBuf)>::deserialize(inner)?;
        let bytes = bytes.as_slice();
        let moment = if kind != TIMESTAMP {
            Err(InvalidDateTime)
        } else if let Ok(short) = <[u8; 4]>::try_from(bytes) {
            DateTime::from_unix(u32::from_be_bytes(short).into(), 0)
        } else if let Ok(long) = <[u8; 8]>::try_from(bytes) {
            let long = u64::from_be_bytes(long);
            DateTime::from_unix((long & ((1 << 34) - 1)).cast_signed(), (long >> 34) as u32)
        } else if let Some((nanoseconds, seconds)) = bytes.split_first_chunk()
            && let Ok(seconds) = <[u8; 8]>::try_from(seconds)
        {
            DateTime::from_unix(i64::from_be_bytes(seconds), u32::from_be_bytes(*nanoseconds))
        } else {
            Err(InvalidDateTime)
        };
        moment.map(|moment| Timestamp(moment.ticks)).map_err(de::Error::custom)
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            Timestamp(self.ticks).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return read_text(deserializer);
        }
        Timestamp::deserialize(deserializer).map(|Timestamp(ticks)| Self { ticks, is_utc: true })
    }
}

impl Serialize for DateTimeOffset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (Timestamp(self.local), self.minutes).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for DateTimeOffset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return read_text(deserializer);
        }
        let (Timestamp(local), minutes) = Deserialize::deserialize(deserializer)?;
        if !(-OFFSET_MINUTES_MAX..=OFFSET_MINUTES_MAX).contains(&minutes) {
            return Err(de::Error::custom(InvalidDateTime));
        }
        Ok(Self { local, minutes })
    }
}

fn read_text<'de, D: Deserializer<'de>, T: FromStr<Err = InvalidDateTime>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
    text.parse().map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hub_protocol::{HubProtocolKind, Payload};

    fn unpacked(encoded: &[u8]) -> Option<DateTime> {
        Payload::new(HubProtocolKind::MessagePack, &mut encoded.to_vec()).read::<DateTime>().ok()
    }

    fn packed<T: Serialize>(value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        HubProtocolKind::MessagePack.write_result(&mut out, "7", value).expect("written");
        // The length, then an array of five: type, headers, id, kind, and this.
        out.split_off(7)
    }

    #[test]
    fn json_comes_back_as_it_was() {
        for (text, back) in [
            ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
            ("2020-01-02T03:04:05.1234567Z", "2020-01-02T03:04:05.1234567Z"),
            ("2020-01-02T03:04:05", "2020-01-02T03:04:05"),
            ("2020-01-02T03:04:05.50", "2020-01-02T03:04:05.5"),
            ("2020-01-02", "2020-01-02T00:00:00"),
            ("2020-02-29T23:59", "2020-02-29T23:59:00"),
            ("0001-01-01", "0001-01-01T00:00:00"),
            ("9999-12-31T23:59:59.999999999", "9999-12-31T23:59:59.9999999"),
            ("2020-01-02T03:04:05+02:00", "2020-01-02T01:04:05Z"),
        ] {
            assert_eq!(text.parse().map(|moment: DateTime| moment.to_string()), Ok(back.into()));
        }
        for (text, back) in [
            ("2020-01-02T03:04:05+02:00", "2020-01-02T03:04:05+02:00"),
            ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05+00:00"),
            ("2020-01-02T03:04:05.5-11:30", "2020-01-02T03:04:05.5-11:30"),
        ] {
            let moment: DateTimeOffset = text.parse().expect(text);
            assert_eq!(moment.to_string(), back);
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for wrong in [
            "",
            "not a date",
            "2020-1-2",
            "2020-02-30",
            "2021-02-29",
            "0000-01-01",
            "2020-13-01",
            "2020-01-02T24:00:00",
            "2020-01-02T03",
            "2020-01-02T03:60",
            "2020-01-02T03:04:60",
            "2020-01-02T03:04:05.",
            "2020-01-02T03:04:05.12345678901234567",
            "2020-01-02T03:04:05z",
            "2020-01-02 03:04:05",
            "2020-01-02T03:04:05+15:00",
            "2020-01-02T03:04:05+02:60",
            "2020-01-02T03:04:05Zx",
            "0001-01-01T00:00:00+01:00",
        ] {
            assert_eq!(wrong.parse::<DateTime>(), Err(InvalidDateTime), "{wrong}");
        }
    }

    #[test]
    fn timestamps_take_the_shortest_form() {
        let short = [0xd6, 0xff, 0x5e, 0x0d, 0x5d, 0xa5];
        let long = [0xd7, 0xff, 0x1d, 0x6f, 0x32, 0xf0, 0x5e, 0x0d, 0x5d, 0xa5];
        let longest = [0xc7, 12, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        for (encoded, text) in [
            (&short[..], "2020-01-02T03:04:05Z"),
            (&long[..], "2020-01-02T03:04:05.1234567Z"),
            (&longest[..], "1969-12-31T23:59:59Z"),
        ] {
            let moment = unpacked(encoded).expect(text);
            assert_eq!(moment.to_string(), text);
            assert_eq!(packed(&moment), encoded);
        }
        for wrong in [
            &b"\xb42020-01-02T03:04:05Z"[..],
            &[0xd6, 0x01, 0, 0, 0, 0],
            &[0xd5, 0xff, 0, 0],
            &[0xd7, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
            &[0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x05],
            &[0xc0],
        ] {
            assert_eq!(unpacked(wrong), None, "{wrong:02x?}");
        }
    }

    #[test]
    fn an_offset_goes_beside_the_local_time() {
        let there: DateTimeOffset = "2020-01-02T03:04:05-00:30".parse().expect("a moment");
        let encoded = [0x92, 0xd6, 0xff, 0x5e, 0x0d, 0x5d, 0xa5, 0xe2];
        assert_eq!(packed(&there), encoded);
        let payload = |encoded: &[u8]| {
            let mut encoded = encoded.to_vec();
            Payload::new(HubProtocolKind::MessagePack, &mut encoded).read::<DateTimeOffset>().ok()
        };
        assert_eq!(payload(&encoded), Some(there));
        assert_eq!(payload(&[0x92, 0xd6, 0xff, 0, 0, 0, 0, 0xcd, 0x03, 0x49]), None);
        assert_eq!(there.to_utc().expect("in range").to_string(), "2020-01-02T03:34:05Z");
        assert_eq!(DateTimeOffset::new(there.to_utc().expect("in range"), -30), Ok(there));
    }

    #[test]
    fn the_clock_of_the_system_is_understood() {
        for (seconds, nanoseconds) in [(0, 0), (-1, 500_000_000), (1_600_000_000, 100)] {
            let moment = DateTime::from_unix(seconds, nanoseconds).expect("in range");
            assert_eq!(moment.to_unix(), (seconds, nanoseconds));
            assert_eq!(DateTime::try_from(SystemTime::from(moment)), Ok(moment));
        }
        assert_eq!(DateTime::from_unix(0, 1_000_000_000), Err(InvalidDateTime));
        assert_eq!(DateTime::from_unix(i64::MAX, 0), Err(InvalidDateTime));
        assert_eq!(DateTime::from_unix(-62_135_596_801, 0), Err(InvalidDateTime));
        assert!(DateTime::from_unix(253_402_300_799, 0).is_ok());
        assert_eq!(DateTime::from_unix(253_402_300_800, 0), Err(InvalidDateTime));
    }
}
