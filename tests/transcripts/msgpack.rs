//! MessagePack decoded for people, and for values that cannot be compared byte for byte.
//!
//! Byte strings are `{"$bin": hex}` and extensions `{"$ext": [kind, hex]}`, as in the recordings.

use std::collections::BTreeMap;

use rmp::Marker;
use rmp::decode::{self, Bytes};

use super::json::{Json, Number};
use super::text::hex;

/// The value of one framed record; nothing if it is none.
pub(crate) fn unpack(record: &[u8]) -> Option<Json> {
    let prefix = record.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    value(&mut Bytes::new(record.get(prefix..)?))
}

/// A short text as MessagePack.
pub(crate) fn pack_text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    rmp::encode::write_str(&mut out, text).expect("memory takes everything");
    out
}

fn value(input: &mut Bytes<'_>) -> Option<Json> {
    let rest = input.remaining_slice();
    Some(match Marker::from_u8(*rest.first()?) {
        Marker::Null => {
            decode::read_nil(input).ok()?;
            Json::Null
        }
        Marker::True | Marker::False => Json::Bool(decode::read_bool(input).ok()?),
        Marker::F32 => number(&decode::read_f32(input).ok()?)?,
        Marker::F64 => number(&decode::read_f64(input).ok()?)?,
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            let length = decode::read_str_len(input).ok()?;
            Json::Text(String::from_utf8_lossy(take(input, length)?).into_owned())
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            let length = decode::read_bin_len(input).ok()?;
            object([("$bin", Json::Text(hex(take(input, length)?)))])
        }
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let items = decode::read_array_len(input).ok()?;
            Json::Array((0..items).map(|_| value(input)).collect::<Option<_>>()?)
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => map(input)?,
        marker => match decode::read_int::<i128, _>(input) {
            Ok(integer) => number(&integer)?,
            Err(_) if marker == Marker::Reserved => return None,
            Err(_) => {
                *input = Bytes::new(rest);
                let meta = decode::read_ext_meta(input).ok()?;
                let bytes = Json::Text(hex(take(input, meta.size)?));
                object([("$ext", Json::Array(vec![number(&meta.typeid)?, bytes]))])
            }
        },
    })
}

fn map(input: &mut Bytes<'_>) -> Option<Json> {
    let pairs = decode::read_map_len(input).ok()?;
    let pairs: Vec<(Json, Json)> =
        (0..pairs).map(|_| Some((value(input)?, value(input)?))).collect::<Option<_>>()?;
    let named: Option<BTreeMap<String, Json>> =
        pairs.iter().map(|(key, value)| Some((key.text()?.to_owned(), value.clone()))).collect();
    if let Some(named) = named {
        return Some(Json::Object(named));
    }
    let pairs = pairs.into_iter().map(|(key, value)| Json::Array(vec![key, value]));
    Some(object([("$map", Json::Array(pairs.collect()))]))
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
}

fn number(number: &impl ToString) -> Option<Json> {
    Number::parse(&number.to_string()).map(Json::Number)
}

fn take<'a>(input: &mut Bytes<'a>, length: u32) -> Option<&'a [u8]> {
    let (bytes, rest) = input.remaining_slice().split_at_checked(length as usize)?;
    *input = Bytes::new(rest);
    Some(bytes)
}
