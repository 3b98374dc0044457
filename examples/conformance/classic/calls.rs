//! Calls of every shape, their results and their errors.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tickhub::{Call, DateTime, HubError, Methods, Progress, Text};

use super::failure;
use super::transcript::{Ctx, Transcript};
use crate::values::Any;

type Refused = Result<(), HubError>;

pub(super) fn offer(m: &mut Methods<Transcript>) {
    m.on("Events", |hub: &mut Transcript, _: &mut Ctx, id: Text| hub.events.of(&id))
        .on("Echo", |_: &mut Transcript, _: &mut Ctx, s: Option<String>| s)
        .on("EchoAny", |_: &mut Transcript, _: &mut Ctx, v: Any| v)
        .on("EchoInts", |_: &mut Transcript, _: &mut Ctx, v: Option<Vec<i32>>| v)
        .on("Swap", |_: &mut Transcript, _: &mut Ctx, p: Point| Point { x: p.y, y: p.x })
        .on("Add", |_: &mut Transcript, _: &mut Ctx, a: i32, b: i32| a.wrapping_add(b))
        .on("Nothing", |_: &mut Transcript, _: &mut Ctx| ())
        .on("Null", |_: &mut Transcript, _: &mut Ctx| None::<String>)
        .on("Whole", |_: &mut Transcript, _: &mut Ctx| 1.0)
        .on("Yes", |_: &mut Transcript, _: &mut Ctx| true)
        .on("When", |_: &mut Transcript, _: &mut Ctx| DateTime::from_unix(1_577_934_245, 0).ok())
        .on("Obj", |_: &mut Transcript, _: &mut Ctx| Object::default())
        .on("MyId", |_: &mut Transcript, ctx: &mut Ctx| ctx.connection_id())
        .on("Query", |_: &mut Transcript, ctx: &mut Ctx, name: Text| ctx.query(&name))
        .on("Who", |_: &mut Transcript, ctx: &mut Ctx| {
            ctx.user_id().unwrap_or_default().to_owned()
        });

    m.on_async("Later", later)
        .on_async("FailLater", fail_later)
        .on_async("Work", work)
        .on("Fail", |_: &mut Transcript, _: &mut Ctx| -> Refused { Err(failure("secret")) })
        .on("HubFail", |_: &mut Transcript, _: &mut Ctx| -> Refused {
            Err(HubError::new("visible").with_data(json!({"code": 7, "why": "because"})))
        })
        .on("HubFailPlain", |_: &mut Transcript, _: &mut Ctx| -> Refused {
            Err(HubError::new("visible"))
        });
}

async fn later(call: Call<Transcript>, s: Option<String>, ms: u64) -> Option<String> {
    call.sleep(Duration::from_millis(ms)).await;
    s
}

async fn fail_later(call: Call<Transcript>) -> Refused {
    call.sleep(Duration::from_millis(10)).await;
    Err(failure("secret later"))
}

async fn work(
    call: Call<Transcript>,
    job: String,
    progress: Progress<u32>,
) -> Result<String, HubError> {
    for percent in [0, 50, 100] {
        progress.report(&percent)?;
        call.sleep(Duration::from_millis(20)).await;
    }
    Ok(job + " done")
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Point {
    x: i32,
    y: i32,
}

/// The result of `Obj`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Object {
    name: &'static str,
    val: f64,
    none: Option<()>,
    list: [i32; 3],
    html: &'static str,
}

impl Default for Object {
    fn default() -> Self {
        Self {
            name: "x",
            val: 1.5,
            none: None,
            list: [1, 2, 3],
            html: "<b>\u{2028}\u{e9} &'\"</b>",
        }
    }
}
