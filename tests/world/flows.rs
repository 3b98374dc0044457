//! The hub of the tests of streams, uploads and cancellation.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tickhub::protocol::hub_protocol::HubProtocolKind;
use tickhub::sim::World;
use tickhub::{
    Call, Closed, Context, Hub, HubError, HubOptions, Methods, Stream, StreamWriter, Upload, iter,
};

/// What happened, in order. Shared with guards, which have no hub at hand when they are dropped.
type Log = Rc<RefCell<Vec<String>>>;

#[derive(Default)]
pub(crate) struct Flows {
    log: Log,
    /// An upload that somebody kept beyond its call.
    kept: Option<Upload<String>>,
}

impl Hub for Flows {
    type State = ();

    fn methods(methods: &mut Methods<Self>) {
        methods
            .on("Add", |_: &mut Self, _: &mut Context<Self>, a: i64, b: i64| a + b)
            .on("Seven", |_: &mut Self, _: &mut Context<Self>| 7)
            .on("Nothing", |_: &mut Self, _: &mut Context<Self>| ())
            .on("Note", |hub: &mut Self, _: &mut Context<Self>, text: String| hub.note(text))
            .on_async("Later", later)
            .on_async("LaterNoted", later_noted)
            .on_async("UntilCancelled", until_cancelled)
            .on_async("Within", within)
            .on_async("Post", post);
        methods
            .stream("Counter", Flows::counter)
            .stream("Words", |_: &mut Self, _: &mut Context<Self>, words: Vec<Option<String>>| {
                iter(words)
            })
            .stream("CounterFails", |_: &mut Self, _: &mut Context<Self>, n: u32| {
                iter((0..n).map(Ok).chain([Err(secret("stream secret"))]))
            })
            .stream("CounterHubFails", |_: &mut Self, _: &mut Context<Self>, n: u32| {
                iter((0..n).map(Ok).chain([Err(HubError::new("stream visible"))]))
            })
            .stream("CounterPanics", |_: &mut Self, _: &mut Context<Self>, n: u32| {
                iter((0..).map(move |number| if number < n { number } else { panic_quietly() }))
            })
            .stream("StreamThrows", |_: &mut Self, _: &mut Context<Self>| {
                Err::<Numbers, HubError>(secret("never began"))
            })
            .stream("StreamPanics", |_: &mut Self, _: &mut Context<Self>| -> Numbers {
                panic_quietly()
            })
            .stream("StreamNull", |_: &mut Self, _: &mut Context<Self>| None::<Numbers>)
            .stream("Blocks", |hub: &mut Self, _: &mut Context<Self>, count: u32, bytes: usize| {
                let guard = Guard { log: hub.log.clone(), text: "blocks dropped".into() };
                iter((0..count).map(move |_| {
                    guard.log.borrow_mut().push("block".into());
                    "x".repeat(bytes)
                }))
            })
            .stream("Unwritable", |_: &mut Self, _: &mut Context<Self>| {
                iter([std::collections::BTreeMap::from([((1, 2), 3)])])
            })
            .stream("DropPanics", |_: &mut Self, _: &mut Context<Self>| DropPanics);
        methods
            .stream_async("SlowCounter", slow_counter)
            .stream_async("LaterCounter", later_counter)
            .stream_async("Endless", endless)
            .stream_async("Farewell", farewell)
            .stream_async("WriterFails", writer_fails)
            .stream_async("WriterNull", |_: Call<Flows>, _: StreamWriter<u32>| async { None })
            .stream_async("Shout", shout)
            .stream_async("Stubborn", stubborn)
            .cooperative();
        methods
            .on_async("Collect", collect)
            .on_async("CollectCaught", collect_caught)
            .on_async("Sum", sum)
            .on_async("CollectBetween", collect_between)
            .on_async("CollectTwo", collect_two)
            .on_async("TakeOne", take_one)
            .on_async("DropsIt", drops_it)
            .on_async("Ignore", ignore)
            .on_async("Keep", keep)
            .on_async("ReadAfter", read_after);
    }

    fn on_disconnected(&mut self, _: &mut Context<'_, Self>, _: &Closed) -> Result<(), HubError> {
        self.note("disconnected".into());
        Ok(())
    }
}

type Numbers = tickhub::Iter<std::ops::Range<u32>>;

impl Flows {
    fn counter(&mut self, _: &mut Context<Self>, n: u32) -> impl Stream<Item = u32> + use<> {
        self.note(format!("counter {n}"));
        iter(0..n)
    }

    fn note(&self, text: String) {
        self.log.borrow_mut().push(text);
    }
}

/// Writes a note when it is dropped.
struct Guard {
    log: Log,
    text: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.log.borrow_mut().push(std::mem::take(&mut self.text));
    }
}

struct DropPanics;

impl Stream for DropPanics {
    type Item = u32;

    fn poll_next(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<u32>> {
        Poll::Pending
    }
}

impl Drop for DropPanics {
    fn drop(&mut self) {
        panic_quietly::<()>();
    }
}

fn secret(text: &'static str) -> HubError {
    HubError::internal("InvalidOperationException", text)
}

fn panic_quietly<T>() -> T {
    std::panic::resume_unwind(Box::new("planned"))
}

async fn note(call: &Call<Flows>, text: String) {
    call.hub(move |hub, _| hub.note(text)).await;
}

async fn later(call: Call<Flows>, text: String, ms: u64) -> String {
    call.sleep(Duration::from_millis(ms)).await;
    text
}

async fn later_noted(call: Call<Flows>, text: String, ms: u64) -> String {
    note(&call, format!("begin {text}")).await;
    call.sleep(Duration::from_millis(ms)).await;
    note(&call, format!("end {text}")).await;
    text
}

async fn until_cancelled(call: Call<Flows>) -> &'static str {
    call.cancelled().await;
    note(&call, "cancelled".into()).await;
    "cancelled"
}

async fn within(call: Call<Flows>, ms: u64, limit: u64) -> Result<&'static str, HubError> {
    let work = call.sleep(Duration::from_millis(ms));
    call.within(Duration::from_millis(limit), work).await?;
    Ok("in time")
}

async fn post(call: Call<Flows>) {
    let id = call.connection_id();
    call.post(move |hub, clients| {
        hub.note("posted".into());
        clients.client(id).send("posted", ()).ignore();
    });
}

async fn slow_counter(call: Call<Flows>, mut writer: StreamWriter<u32>, n: u32, ms: u64) {
    for number in 0..n {
        call.sleep(Duration::from_millis(ms)).await;
        writer.send(number).await;
    }
}

async fn later_counter(call: Call<Flows>, mut writer: StreamWriter<u32>, n: u32) {
    call.sleep(Duration::from_millis(10)).await;
    for number in 0..n {
        writer.send(number).await;
    }
}

async fn endless(call: Call<Flows>, mut writer: StreamWriter<u32>, key: String) {
    let log = call.hub(|hub, _| hub.log.clone()).await;
    log.borrow_mut().push(format!("begin {key}"));
    let _guard = Guard { log, text: format!("cancelled {key}") };
    writer.send(0).await;
    std::future::pending::<()>().await;
}

/// Says goodbye when it is dropped, which needs the hub.
async fn farewell(call: Call<Flows>, _: StreamWriter<u32>) {
    struct Goodbye(Call<Flows>);
    impl Drop for Goodbye {
        fn drop(&mut self) {
            let id = self.0.connection_id();
            self.0.post(move |_, clients| clients.client(id).send("goodbye", ()).ignore());
        }
    }
    let _goodbye = Goodbye(call);
    std::future::pending::<()>().await;
}

async fn writer_fails(
    _: Call<Flows>,
    mut writer: StreamWriter<u32>,
    n: u32,
) -> Result<(), HubError> {
    for number in 0..n {
        writer.send(number).await;
    }
    Err(secret("channel secret"))
}

async fn shout(
    _: Call<Flows>,
    mut writer: StreamWriter<String>,
    mut words: Upload<String>,
) -> Result<(), HubError> {
    while let Some(word) = words.next().await? {
        writer.send(word.to_uppercase()).await;
    }
    Ok(())
}

/// Hears that it is cancelled, and takes its time.
async fn stubborn(call: Call<Flows>, mut writer: StreamWriter<u32>) {
    writer.send(0).await;
    call.cancelled().await;
    for number in 1..100 {
        writer.send(number).await;
    }
    call.sleep(Duration::from_millis(50)).await;
    note(&call, "ended".into()).await;
}

async fn read(items: &mut Upload<Option<String>>) -> Result<Vec<String>, (Vec<String>, HubError)> {
    let mut all = Vec::new();
    loop {
        match items.next().await {
            Ok(Some(item)) => all.push(item.unwrap_or_else(|| "null".into())),
            Ok(None) => return Ok(all),
            Err(error) => return Err((all, error)),
        }
    }
}

async fn collect(_: Call<Flows>, mut items: Upload<Option<String>>) -> Result<String, HubError> {
    Ok(read(&mut items).await.map_err(|(_, error)| error)?.join(","))
}

async fn collect_caught(call: Call<Flows>, mut items: Upload<Option<String>>) -> String {
    let all = read(&mut items).await.unwrap_or_else(|(mut all, error)| {
        all.push(format!("{}: {}", error.type_name(), error.message()));
        all
    });
    let text = all.join(",");
    note(&call, text.clone()).await;
    text
}

async fn sum(_: Call<Flows>, mut numbers: Upload<i32>) -> Result<i32, HubError> {
    let mut sum = 0;
    while let Some(number) = numbers.next().await? {
        sum += number;
    }
    Ok(sum)
}

async fn collect_between(
    _: Call<Flows>,
    before: String,
    mut items: Upload<Option<String>>,
    after: String,
) -> Result<String, HubError> {
    let all = read(&mut items).await.map_err(|(_, error)| error)?;
    Ok(before + &all.join(",") + &after)
}

async fn collect_two(
    _: Call<Flows>,
    mut first: Upload<Option<String>>,
    mut second: Upload<Option<String>>,
) -> Result<String, HubError> {
    let first = read(&mut first).await.map_err(|(_, error)| error)?;
    let second = read(&mut second).await.map_err(|(_, error)| error)?;
    Ok(format!("{};{}", first.join(","), second.join(",")))
}

async fn take_one(_: Call<Flows>, mut items: Upload<String>) -> Result<String, HubError> {
    Ok(items.next().await?.unwrap_or_else(|| "empty".into()))
}

/// Drops its upload, and runs on.
async fn drops_it(call: Call<Flows>, items: Upload<String>, ms: u64) -> &'static str {
    drop(items);
    call.sleep(Duration::from_millis(ms)).await;
    "dropped"
}

async fn ignore(call: Call<Flows>, items: Upload<String>, ms: u64) -> &'static str {
    call.sleep(Duration::from_millis(ms)).await;
    drop(items);
    "ignored"
}

/// Leaves its upload with the hub, and returns.
async fn keep(call: Call<Flows>, items: Upload<String>) {
    call.hub(|hub, _| hub.kept = Some(items)).await;
}

/// Reads all that is there after a while.
async fn read_after(
    call: Call<Flows>,
    mut items: Upload<Option<String>>,
    ms: u64,
) -> Result<String, HubError> {
    call.sleep(Duration::from_millis(ms)).await;
    Ok(read(&mut items).await.map_err(|(_, error)| error)?.join(","))
}

/// What happened so far.
pub(crate) fn log(world: &mut World) -> Vec<String> {
    world.enter(0, |hub: &mut Flows, _| hub.log.borrow().clone())
}

pub(crate) fn world_with(options: &HubOptions) -> World {
    World::new(1).hub("/hub", Flows::default, options)
}

pub(crate) fn detailed() -> HubOptions {
    HubOptions { enable_detailed_errors: true, ..HubOptions::default() }
}

/// Plays the same in each hub protocol.
pub(crate) fn in_both(play: impl Fn(HubProtocolKind)) {
    HubProtocolKind::ALL.iter().copied().for_each(play);
}
