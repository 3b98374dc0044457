//! What a value is after a way there and back.

use std::collections::BTreeMap;

use tickhub::{Bytes, DateTime, DateTimeOffset, Methods};

use super::{Ctx, Transcript, World};
use crate::values::{Any, Colour, Decimal, Guid, Point, Span};

pub(super) fn offer<W: World>(m: &mut Methods<Transcript<W>>) {
    macro_rules! echo {
        ($($name:literal: $kind:ty),* $(,)?) => {
            m$(.on($name, |_: &mut Transcript<W>, _: &mut Ctx<W>, value: $kind| value))*;
        };
    }
    echo! {
        "EchoString": Option<String>,
        "EchoInt": i32,
        "EchoIntOrNull": Option<i32>,
        "EchoLong": i64,
        "EchoULong": u64,
        "EchoDouble": f64,
        "EchoFloat": f32,
        "EchoDecimal": Decimal,
        "EchoBool": bool,
        "EchoBytes": Option<Bytes>,
        "EchoGuid": Guid,
        "EchoDate": DateTime,
        "EchoDateOffset": DateTimeOffset,
        "EchoSpan": Span,
        "EchoColour": Colour,
        "EchoInts": Option<Vec<i32>>,
        "EchoStrings": Vec<Option<String>>,
        "EchoMap": BTreeMap<String, i32>,
        "EchoPoint": Option<Point>,
        "EchoAny": Any,
    }
}
