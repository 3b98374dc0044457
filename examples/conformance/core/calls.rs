//! Calls of every shape, their results and their errors.

use std::time::Duration;

use serde::ser::{Error as _, SerializeStruct as _};
use serde::{Serialize, Serializer};
use tickhub::{Call, HubError, Methods, Text};

use super::{Ctx, Transcript, World, failure, note};

type Refused = Result<(), HubError>;

pub(super) fn offer<W: World>(m: &mut Methods<Transcript<W>>) {
    m.on("Add", |_: &mut Transcript<W>, _: &mut Ctx<W>, a: i32, b: i32| a.wrapping_add(b))
        .on("Three", |_: &mut Transcript<W>, _: &mut Ctx<W>, a: Option<String>, b: i32, c: bool| {
            format!("{}/{b}/{}", a.as_deref().unwrap_or("null"), if c { "yes" } else { "no" })
        })
        .on("Optional", |_: &mut Transcript<W>, _: &mut Ctx<W>, a: Option<String>, b: i32| {
            format!("{}{b}", a.unwrap_or_default())
        })
        .on("Nothing", |_: &mut Transcript<W>, _: &mut Ctx<W>| ())
        .on_async("NothingLater", nothing_later)
        .on("Seven", |_: &mut Transcript<W>, _: &mut Ctx<W>| 7)
        .on("Null", |_: &mut Transcript<W>, _: &mut Ctx<W>| None::<String>)
        .on("Object", |_: &mut Transcript<W>, _: &mut Ctx<W>| Object)
        .on("Big", |_: &mut Transcript<W>, _: &mut Ctx<W>, n: u32| "x".repeat(n as usize))
        .on("Length", |_: &mut Transcript<W>, _: &mut Ctx<W>, s: Text| s.encode_utf16().count())
        .on("renamed", |_: &mut Transcript<W>, _: &mut Ctx<W>| "renamed ok")
        .on_async("Later", later)
        .on_async("LaterNoted", later_noted)
        .on("Note", |hub: &mut Transcript<W>, ctx: &mut Ctx<W>, s: String| hub.note(ctx, s));

    m.on("Fail", |_: &mut Transcript<W>, _: &mut Ctx<W>| -> Refused { Err(failure("secret")) })
        .on_async("FailLater", fail_later)
        .on("HubFail", |_: &mut Transcript<W>, _: &mut Ctx<W>| -> Refused {
            Err(HubError::new("visible"))
        })
        .on("HubFailOdd", |_: &mut Transcript<W>, _: &mut Ctx<W>| -> Refused {
            Err(HubError::kind("OddException", "odd"))
        })
        .on("HubFailEmpty", |_: &mut Transcript<W>, _: &mut Ctx<W>| -> Refused {
            Err(HubError::new(""))
        })
        .on("Unwritable", |_: &mut Transcript<W>, _: &mut Ctx<W>| Unwritable);
}

async fn nothing_later<W: World>(call: Call<Transcript<W>>) {
    call.sleep(Duration::from_millis(10)).await;
}

async fn later<W: World>(call: Call<Transcript<W>>, s: Option<String>, ms: u64) -> Option<String> {
    call.sleep(Duration::from_millis(ms)).await;
    s
}

async fn later_noted<W: World>(call: Call<Transcript<W>>, s: String, ms: u64) -> String {
    note(&call, format!("begin {s}")).await;
    call.sleep(Duration::from_millis(ms)).await;
    note(&call, format!("end {s}")).await;
    s
}

async fn fail_later<W: World>(call: Call<Transcript<W>>) -> Refused {
    call.sleep(Duration::from_millis(10)).await;
    Err(failure("secret later"))
}

/// The result of `Object`: its members have other names in each protocol.
struct Object;

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = if serializer.is_human_readable() {
            ["upperName", "lowerName", "none", "list", "html"]
        } else {
            ["UpperName", "lowerName", "None", "List", "Html"]
        };
        let mut object = serializer.serialize_struct("Object", names.len())?;
        object.serialize_field(names[0], "x")?;
        object.serialize_field(names[1], &1.5)?;
        object.serialize_field(names[2], &())?;
        object.serialize_field(names[3], &[1, 2])?;
        object.serialize_field(names[4], "<b>é\u{2028}&'\"+</b>")?;
        object.end()
    }
}

struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("cannot be written"))
    }
}
