//! Values of every kind, there and back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tickhub::{Bytes, DateTime, Methods};

use super::{Ctx, Kind, Work};
use crate::values::{Any, Colour, Guid};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Pair {
    pub(super) key: Option<String>,
    pub(super) value: i32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Everything {
    flag: bool,
    small: u8,
    whole: i32,
    big: i64,
    real: f64,
    text: Option<String>,
    nothing: Option<String>,
    bytes: Option<Bytes>,
    id: Guid,
    when: DateTime,
    colour: Colour,
    maybe: Option<i32>,
    numbers: Option<Vec<i32>>,
    words: Option<Vec<Option<String>>>,
    map: Option<BTreeMap<String, i32>>,
    inner: Option<Pair>,
    pairs: Option<Vec<Option<Pair>>>,
}

pub(super) fn offer<K: Kind>(m: &mut Methods<Work<K>>) {
    macro_rules! echo {
        ($($name:literal: $kind:ty),* $(,)?) => {
            m$(.on($name, |_: &mut Work<K>, _: &mut Ctx<K>, value: $kind| value))*;
        };
    }
    echo! {
        "EchoBool": bool,
        "EchoInt": i32,
        "EchoLong": i64,
        "EchoDouble": f64,
        "EchoString": Option<String>,
        "EchoBytes": Option<Bytes>,
        "EchoMaybe": Option<i32>,
        "EchoGuid": Guid,
        "EchoDate": DateTime,
        "EchoColour": Colour,
        "EchoNumbers": Option<Vec<i32>>,
        "EchoWords": Option<Vec<Option<String>>>,
        "EchoTable": Option<Vec<Option<Vec<f64>>>>,
        "EchoMap": Option<BTreeMap<String, i32>>,
        "EchoAny": Any,
        "EchoEverything": Option<Everything>,
    }
    m.on("Describe", describe);
}

#[allow(clippy::too_many_arguments, reason = "so many are described")]
fn describe<K: Kind>(
    _: &mut Work<K>,
    _: &mut Ctx<K>,
    flag: bool,
    whole: i32,
    real: f64,
    text: Option<String>,
    maybe: Option<i32>,
    numbers: Option<Vec<i32>>,
    pair: Option<Pair>,
) -> String {
    let flag = if flag { "yes" } else { "no" };
    let text = text.unwrap_or_default();
    let maybe = maybe.map_or_else(|| "none".to_owned(), |number| number.to_string());
    let numbers: Vec<String> =
        numbers.unwrap_or_default().iter().map(ToString::to_string).collect();
    let Pair { key, value } = pair.unwrap_or_default();
    let key = key.unwrap_or_default();
    format!("{flag} {whole} {real} {text} {maybe} {} {key}={value}", numbers.join("."))
}
