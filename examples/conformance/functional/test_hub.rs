//! The hub of the official client's own tests.

use serde::{Deserialize, Serialize};
use tickhub::{
    Bytes, Call, Context, DateTime, Hub, HubError, Iter, Methods, StreamWriter, Text, Upload, iter,
};

use super::{invalid_operation, query};
use crate::values::Guid;

pub(super) struct TestHub;

type Ctx<'a> = Context<'a, TestHub>;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct CustomObject {
    name: Option<String>,
    value: i32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ComplexObject {
    string: Option<String>,
    int_array: Option<Vec<i32>>,
    byte_array: Option<Bytes>,
    guid: Guid,
    date_time: DateTime,
}

impl Hub for TestHub {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        calls(m);
        streams(m);
        requests(m);
    }
}

fn calls(m: &mut Methods<TestHub>) {
    m.on("Echo", |_: &mut TestHub, _: &mut Ctx, text: Option<String>| text)
        .on("GetCallerConnectionId", |_: &mut TestHub, ctx: &mut Ctx| ctx.connection_id())
        .on("ThrowException", |_: &mut TestHub, _: &mut Ctx, text: String| {
            Err::<(), _>(invalid_operation(text))
        })
        .on("InvokeWithString", |_: &mut TestHub, ctx: &mut Ctx, text: Option<String>| {
            let id = ctx.connection_id();
            ctx.client(id).send("Message", (text,)).ignore();
        })
        .on("SendCustomObject", |_: &mut TestHub, ctx: &mut Ctx, object: CustomObject| {
            ctx.caller().send("CustomObject", (object,)).ignore();
        })
        .on("EchoComplexObject", |_: &mut TestHub, _: &mut Ctx, object: ComplexObject| object)
        .on("SendComplexObject", |_: &mut TestHub, _: &mut Ctx| ComplexObject {
            string: Some("hello world".into()),
            int_array: Some(vec![1, 2, 3]),
            byte_array: Some(Bytes(vec![1, 2, 3])),
            guid: Guid(uuid::uuid!("00010203-0405-0607-0706-050403020100")),
            date_time: "2000-01-01T00:00:00Z".parse().expect("a date"),
        });
}

fn streams(m: &mut Methods<TestHub>) {
    m.stream("Stream", |_: &mut TestHub, _: &mut Ctx| iter(["a", "b", "c"]))
        .stream_async("InfiniteStream", infinite)
        .stream("EmptyStream", |_: &mut TestHub, _: &mut Ctx| iter(0..0_i32))
        .stream("StreamThrowException", |_: &mut TestHub, _: &mut Ctx, text: String| {
            Err::<Iter<std::iter::Empty<String>>, _>(invalid_operation(text))
        })
        .on_async("StreamingConcat", concat);
}

async fn infinite(call: Call<TestHub>, _writer: StreamWriter<String>) {
    let _farewell = Farewell(call);
    std::future::pending::<()>().await;
}

/// Tells a client that its stream was cancelled.
struct Farewell(Call<TestHub>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let id = self.0.connection_id();
        self.0.post(move |_, clients| clients.client(id).send("StreamCanceled", ()).ignore());
    }
}

async fn concat(_: Call<TestHub>, mut words: Upload<Option<String>>) -> Result<String, HubError> {
    let mut all = String::new();
    while let Some(word) = words.next().await? {
        all += &word.unwrap_or_default();
    }
    Ok(all)
}

/// What the request that opened the transport has said.
fn requests(m: &mut Methods<TestHub>) {
    m.on("GetNumRedirects", |_: &mut TestHub, ctx: &mut Ctx| {
        let number = query(ctx, "numRedirects").and_then(|number| number.parse::<i32>().ok());
        number.ok_or_else(|| invalid_operation("numRedirects is missing"))
    })
    .on("GetActiveTransportName", |_: &mut TestHub, ctx: &mut Ctx| {
        ctx.transport().map(|transport| transport.to_string())
    })
    .on("GetContentTypeHeader", |_: &mut TestHub, ctx: &mut Ctx| header(ctx, "content-type"))
    .on("GetHeader", |_: &mut TestHub, ctx: &mut Ctx, name: Text| header(ctx, &name))
    .on("GetCookie", |_: &mut TestHub, ctx: &mut Ctx, name: Text| {
        let cookie = ctx.request()?.cookies(&name).next()?;
        Some(cookie.to_owned())
    });
}

fn header(ctx: &Ctx, name: &str) -> Option<String> {
    ctx.request()?.header(name).map(str::to_owned)
}
