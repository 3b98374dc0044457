//! Streams to the client.

use std::time::Duration;

use tickhub::{Call, HubError, Iter, Methods, StreamWriter, iter};

use super::super::invalid_operation;
use super::values::Pair;
use super::{Ctx, Kind, Page, Work};

pub(super) fn offer<K: Kind>(m: &mut Methods<Work<K>>) {
    m.stream_async("Count", count)
        .stream("Words", |_: &mut Work<K>, _: &mut Ctx<K>, count: usize, size: usize| {
            iter(('a'..='z').cycle().take(count).map(move |letter| letter.to_string().repeat(size)))
        })
        .stream_async("Forever", forever)
        .stream(
            "CountThenThrow",
            |_: &mut Work<K>, _: &mut Ctx<K>, count: i32, kind: String, message: String| {
                let error = match kind.as_str() {
                    "hub" => HubError::new(message),
                    _ => invalid_operation(message),
                };
                iter((1..=count).map(Ok).chain([Err(error)]))
            },
        )
        .stream("Gaps", |_: &mut Work<K>, _: &mut Ctx<K>| iter([None, Some("one"), None]))
        .stream("Pairs", |_: &mut Work<K>, _: &mut Ctx<K>, count: i32| {
            iter((1..=count).map(|n| Pair { key: Some(format!("k{n}")), value: n }))
        })
        .stream("NoStream", |_: &mut Work<K>, _: &mut Ctx<K>| None::<Iter<std::ops::Range<i32>>>);
}

async fn count<K: Kind>(call: Call<Work<K>>, mut writer: StreamWriter<i32>, count: i32, ms: u64) {
    for number in 1..=count {
        if ms > 0 {
            call.sleep(Duration::from_millis(ms)).await;
        }
        writer.send(number).await;
    }
}

async fn forever<K: Kind>(call: Call<Work<K>>, mut writer: StreamWriter<i64>, ms: u64) {
    let _noted = Noted::begin(Page::of(&call).await, call.connection_id().to_string());
    for number in 0.. {
        writer.send(number).await;
        call.sleep(Duration::from_millis(ms)).await;
    }
}

/// Notes the begin of a stream, and its end: it is dropped with it, however that comes.
struct Noted {
    page: Page,
    id: String,
}

impl Noted {
    fn begin(page: Page, id: String) -> Self {
        page.note(format!("stream-begun {id}"));
        Self { page, id }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.page.note(format!("stream-ended {}", self.id));
    }
}
