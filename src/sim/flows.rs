//! Streams and uploads of the simulator's hub. It checks what comes, and keeps count of what is
//! under way.

use std::time::Duration;

use futures_core::Stream;

use super::ledger::Books;
use super::stage::SimHub;
use crate::hub::{Call, Context, HubError, Methods, StreamWriter, Upload, iter};

/// What the hub of the simulator offers beside rooms.
pub(super) fn offer(methods: &mut Methods<SimHub>) {
    methods
        .stream("Count", |hub: &mut SimHub, _: &mut Context<SimHub>, n: u64| hub.watched(0..n))
        .stream("Blocks", |hub: &mut SimHub, _: &mut Context<SimHub>, n: u64, bytes: usize| {
            hub.watched((0..n).map(move |number| format!("{number:>bytes$}")))
        })
        .stream("CountThenFail", |hub: &mut SimHub, _: &mut Context<SimHub>, n: u64| {
            hub.watched((0..n).map(Ok).chain([Err(HubError::new("enough"))]))
        })
        .stream("CountThenPanic", |hub: &mut SimHub, _: &mut Context<SimHub>, n: u64| {
            hub.watched((0..).inspect(move |number| {
                if *number == n {
                    std::panic::resume_unwind(Box::new("a panic of the play"));
                }
            }))
        })
        .stream_async("SlowCount", slow_count)
        .stream_async("Forever", forever)
        .stream_async("Shout", shout)
        .stream_async("Stubborn", stubborn)
        .cooperative()
        .on_async("Sum", sum)
        .on_async("First", first)
        .on_async("Zip", zip);
}

impl SimHub {
    fn watched<I: Iterator>(&self, items: I) -> impl Stream<Item = I::Item> + use<I> {
        let watch = Watch::new(self.books());
        iter(items.inspect(move |_| watch.is_on()))
    }
}

async fn slow_count(call: Call<SimHub>, mut writer: StreamWriter<u64>, n: u64, ms: u64) {
    let _watch = Watch::of(&call).await;
    for number in 0..n {
        call.sleep(Duration::from_millis(ms)).await;
        writer.send(number).await;
    }
}

/// Ends when it is dropped.
async fn forever(call: Call<SimHub>, mut writer: StreamWriter<u64>, ms: u64) {
    let _watch = Watch::of(&call).await;
    for number in 0.. {
        writer.send(number).await;
        call.sleep(Duration::from_millis(ms)).await;
    }
}

/// Ends a while after it was cancelled.
async fn stubborn(call: Call<SimHub>, mut writer: StreamWriter<u64>) {
    let _watch = Watch::of(&call).await;
    writer.send(0).await;
    call.cancelled().await;
    writer.send(1).await;
    call.sleep(Duration::from_millis(200)).await;
}

async fn shout(
    call: Call<SimHub>,
    mut writer: StreamWriter<u64>,
    items: Upload<u64>,
    sent: usize,
) -> Result<(), HubError> {
    let mut items = Numbers::new(&call, items, sent).await;
    while let Some(item) = items.next().await? {
        writer.send(item).await;
    }
    Ok(())
}

/// Reads slowly; the result is how many items came, and their sum.
async fn sum(
    call: Call<SimHub>,
    items: Upload<u64>,
    sent: usize,
    ms: u64,
) -> Result<(u64, u64), HubError> {
    let mut items = Numbers::new(&call, items, sent).await;
    let mut sum = 0;
    while let Some(item) = items.next().await? {
        call.sleep(Duration::from_millis(ms)).await;
        sum += item;
    }
    Ok((items.count, sum))
}

/// Leaves the rest of its upload unread.
async fn first(
    call: Call<SimHub>,
    items: Upload<u64>,
    sent: usize,
    ms: u64,
) -> Result<u64, HubError> {
    let mut items = Numbers::new(&call, items, sent).await;
    items.next().await?;
    call.sleep(Duration::from_millis(ms)).await;
    Ok(items.count)
}

/// Reads two uploads item by item; the result is how many each of them had.
async fn zip(
    call: Call<SimHub>,
    left: Upload<u64>,
    right: Upload<u64>,
    sent: usize,
) -> Result<(u64, u64), HubError> {
    let mut left = Numbers::new(&call, left, sent).await;
    let mut right = Numbers::new(&call, right, sent).await;
    while let (Some(_), Some(_)) = (left.next().await?, right.next().await?) {}
    Ok((left.count, right.count))
}

/// An upload of numbers from 0 on, compared with what the ledger knows of it.
struct Numbers {
    items: Upload<u64>,
    /// Its place in the ledger.
    sent: usize,
    count: u64,
    watch: Watch,
}

impl Numbers {
    async fn new(call: &Call<SimHub>, items: Upload<u64>, sent: usize) -> Self {
        Self { items, sent, count: 0, watch: Watch::of(call).await }
    }

    async fn next(&mut self) -> Result<Option<u64>, HubError> {
        let item = self.items.next().await;
        let text = item.as_ref().map_err(HubError::message);
        self.watch.0.borrow_mut().received(self.sent, self.count, text.copied());
        if !matches!(item, Ok(Some(_))) && self.items.next().await != item {
            self.watch.0.borrow_mut().complain("an upload has ended twice, not in one way".into());
        }
        self.count += u64::from(matches!(item, Ok(Some(_))));
        item
    }
}

/// One stream or upload that is under way, until it is dropped: a task that is lost is missed.
struct Watch(Books);

impl Watch {
    fn new(books: &Books) -> Self {
        books.borrow_mut().flows += 1;
        Self(books.clone())
    }

    async fn of(call: &Call<SimHub>) -> Self {
        Self::new(&call.hub(|hub, _| hub.books().clone()).await)
    }

    fn is_on(&self) {
        debug_assert!(self.0.borrow().flows > 0);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.borrow_mut().flows -= 1;
    }
}
