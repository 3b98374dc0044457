//! Plain calls.

use std::time::Duration;

use tickhub::{Call, HubError, Methods, Policy, Text};

use super::super::{invalid_operation, query};
use super::{Ctx, Kind, Work};

pub(super) fn offer<K: Kind>(m: &mut Methods<Work<K>>) {
    m.on("Nothing", |_: &mut Work<K>, _: &mut Ctx<K>| ())
        .on("Null", |_: &mut Work<K>, _: &mut Ctx<K>| None::<String>)
        .on("Add", |_: &mut Work<K>, _: &mut Ctx<K>, a: i32, b: i32| a.wrapping_add(b))
        .on("Length", |_: &mut Work<K>, _: &mut Ctx<K>, text: Text| text.encode_utf16().count())
        .on("Repeat", |_: &mut Work<K>, _: &mut Ctx<K>, text: Text, times: u32| {
            text.repeat(times as usize)
        })
        .on_async("Slow", slow)
        .on("Notify", |hub: &mut Work<K>, ctx: &mut Ctx<K>, text: String| {
            hub.note(ctx, format!("notified {text}"));
        })
        .on("Throw", |_: &mut Work<K>, _: &mut Ctx<K>, kind: String, message: String| {
            Err::<(), _>(match kind.as_str() {
                "hub" => HubError::new(message),
                "custom" => HubError::kind("SpecialHubException", message),
                "argument" => HubError::internal("ArgumentException", message),
                _ => invalid_operation(message),
            })
        })
        .on_async("ThrowLater", throw_later)
        .on("AdminOnly", |hub: &mut Work<K>, ctx: &mut Ctx<K>, text: String| {
            hub.note(ctx, format!("admin {text}"));
            text
        })
        .require(Policy::role("admin"));

    m.on("ConnectionId", |_: &mut Work<K>, ctx: &mut Ctx<K>| ctx.connection_id())
        .on("UserName", |_: &mut Work<K>, ctx: &mut Ctx<K>| ctx.user_id().map(str::to_owned))
        .on("Transport", |_: &mut Work<K>, ctx: &mut Ctx<K>| {
            ctx.transport().map(|transport| transport.to_string())
        })
        .on("Query", |_: &mut Work<K>, ctx: &mut Ctx<K>, name: Text| query(ctx, &name))
        .on("SetItem", |_: &mut Work<K>, ctx: &mut Ctx<K>, key: String, value: String| {
            ctx.state().items.insert(key, value);
        })
        .on("GetItem", |_: &mut Work<K>, ctx: &mut Ctx<K>, key: Text| {
            ctx.state().items.get(key.as_str()).cloned()
        })
        .on("Abort", |_: &mut Work<K>, ctx: &mut Ctx<K>| ctx.abort());
}

async fn slow<K: Kind>(call: Call<Work<K>>, ms: u64, text: Option<String>) -> Option<String> {
    call.sleep(Duration::from_millis(ms)).await;
    text
}

async fn throw_later<K: Kind>(
    call: Call<Work<K>>,
    ms: u64,
    message: String,
) -> Result<(), HubError> {
    call.sleep(Duration::from_millis(ms)).await;
    Err(invalid_operation(message))
}
