//! Streams to the client.

use std::time::Duration;

use tickhub::{Call, HubError, Iter, Methods, Policy, StreamWriter, Upload, iter};

use super::sign_in::ADMIN;
use super::uploads::upper_case;
use super::{Ctx, Transcript, World, failure};
use crate::events::Events;

type Numbers = Iter<std::ops::Range<i32>>;

pub(super) fn offer<W: World>(m: &mut Methods<Transcript<W>>) {
    m.stream("Counter", |_: &mut Transcript<W>, _: &mut Ctx<W>, n: i32| iter(0..n))
        .stream_async("SlowCounter", slow_counter)
        .stream_async("ChannelCounter", channel_counter)
        .stream_async("LaterCounter", later_counter)
        .stream("Words", |_: &mut Transcript<W>, _: &mut Ctx<W>, words: Vec<Option<String>>| {
            iter(words)
        })
        .stream("CounterFails", |_: &mut Transcript<W>, _: &mut Ctx<W>, n: i32| {
            iter((0..n).map(Ok).chain([Err(failure("stream secret"))]))
        })
        .stream_async("ChannelFails", channel_fails)
        .stream("CounterHubFails", |_: &mut Transcript<W>, _: &mut Ctx<W>, n: i32| {
            iter((0..n).map(Ok).chain([Err(HubError::new("stream visible"))]))
        })
        .stream("StreamThrows", |_: &mut Transcript<W>, _: &mut Ctx<W>| {
            Err::<Numbers, _>(failure("never began"))
        })
        .stream("StreamNull", |_: &mut Transcript<W>, _: &mut Ctx<W>| None::<Numbers>)
        .stream_async("Endless", endless)
        // It hears of nothing but what it reads, and so not of a cancellation.
        .stream_async("Shout", shout)
        .cooperative()
        .stream("AdminCounter", |_: &mut Transcript<W>, _: &mut Ctx<W>, n: i32| iter(0..n))
        .require(Policy::role(ADMIN));
}

async fn slow_counter<W: World>(
    call: Call<Transcript<W>>,
    mut writer: StreamWriter<i32>,
    n: i32,
    ms: u64,
) {
    for number in 0..n {
        call.sleep(Duration::from_millis(ms)).await;
        writer.send(number).await;
    }
}

async fn channel_counter<W: World>(_: Call<Transcript<W>>, mut writer: StreamWriter<i32>, n: i32) {
    for number in 0..n {
        writer.send(number).await;
    }
}

async fn later_counter<W: World>(call: Call<Transcript<W>>, writer: StreamWriter<i32>, n: i32) {
    call.sleep(Duration::from_millis(10)).await;
    channel_counter(call, writer, n).await;
}

async fn channel_fails<W: World>(
    call: Call<Transcript<W>>,
    writer: StreamWriter<i32>,
    n: i32,
) -> Result<(), HubError> {
    channel_counter(call, writer, n).await;
    Err(failure("channel secret"))
}

async fn endless<W: World>(call: Call<Transcript<W>>, mut writer: StreamWriter<i32>, key: String) {
    let events = call.hub(|hub, _| hub.events.clone()).await;
    let noted = Noted { events, id: call.connection_id().to_string(), key };
    noted.events.note(&noted.id, format!("begin {}", noted.key));
    writer.send(0).await;
    // It is dropped when the client cancels it, or is gone.
    std::future::pending::<()>().await;
}

/// Notes that a stream was cancelled, when it is dropped.
struct Noted {
    events: Events,
    id: String,
    key: String,
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.events.note(&self.id, format!("cancelled {}", self.key));
    }
}

async fn shout<W: World>(
    _: Call<Transcript<W>>,
    writer: StreamWriter<String>,
    words: Upload<String>,
) -> Result<(), HubError> {
    upper_case(writer, words).await
}
