//! Streams in the play, on both sides: what the hub of the simulator offers, and honest clients
//! that use it and know what has to come.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stage::SimHub;
use crate::base::{Moment, Rng};
use crate::client::{CallId, Client, Outcome, Payload, UploadId};
use crate::hub::{Call, Context, HubError, Methods, StreamWriter, Upload, iter};

/// What the hub of the simulator offers beside rooms.
pub(super) fn offer(methods: &mut Methods<SimHub>) {
    methods
        .stream("Count", |_: &mut SimHub, _: &mut Context<SimHub>, n: u64| iter(0..n))
        .stream("Blocks", |_: &mut SimHub, _: &mut Context<SimHub>, n: u64, bytes: usize| {
            iter((0..n).map(move |_| "x".repeat(bytes)))
        })
        .stream("CountThenFail", |_: &mut SimHub, _: &mut Context<SimHub>, n: u64| {
            iter((0..n).map(Ok).chain([Err(HubError::new("enough"))]))
        })
        .stream("CountThenPanic", |_: &mut SimHub, _: &mut Context<SimHub>, n: u64| {
            iter((0..).inspect(move |number| {
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

async fn slow_count(call: Call<SimHub>, mut writer: StreamWriter<u64>, n: u64, ms: u64) {
    for number in 0..n {
        call.sleep(Duration::from_millis(ms)).await;
        writer.send(number).await;
    }
}

/// Ends when it is dropped.
async fn forever(call: Call<SimHub>, mut writer: StreamWriter<u64>, ms: u64) {
    for number in 0.. {
        writer.send(number).await;
        call.sleep(Duration::from_millis(ms)).await;
    }
}

/// Ends a while after it was cancelled.
async fn stubborn(call: Call<SimHub>, mut writer: StreamWriter<u64>) {
    writer.send(0).await;
    call.cancelled().await;
    writer.send(1).await;
    call.sleep(Duration::from_millis(200)).await;
}

async fn shout(
    _: Call<SimHub>,
    mut writer: StreamWriter<u64>,
    mut items: Upload<u64>,
) -> Result<(), HubError> {
    while let Some(item) = items.next().await? {
        writer.send(item).await;
    }
    Ok(())
}

async fn sum(call: Call<SimHub>, mut items: Upload<u64>, ms: u64) -> Result<u64, HubError> {
    let mut sum = 0;
    while let Some(item) = items.next().await? {
        call.sleep(Duration::from_millis(ms)).await;
        sum += item;
    }
    Ok(sum)
}

/// Leaves the rest of its upload unread.
async fn first(call: Call<SimHub>, mut items: Upload<u64>, ms: u64) -> Result<bool, HubError> {
    let first = items.next().await?;
    call.sleep(Duration::from_millis(ms)).await;
    Ok(first.is_none_or(|item| item == 0))
}

/// Whether both uploads had the same items, as far as the shorter one went.
async fn zip(
    _: Call<SimHub>,
    mut left: Upload<u64>,
    mut right: Upload<u64>,
) -> Result<bool, HubError> {
    while let (Some(left), Some(right)) = (left.next().await?, right.next().await?) {
        if left != right {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The streams of one honest client, of its present connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    downloads: BTreeMap<CallId, Download>,
    answers: BTreeMap<CallId, Answer>,
    sending: Vec<Sending>,
    /// What was sent along with calls that are not completed.
    sent: BTreeMap<CallId, Sent>,
}

/// A stream from the hub: numbers from 0 on.
#[derive(Debug)]
struct Download {
    next: u64,
    end: End,
    /// Items are texts of so many bytes in place of numbers.
    bytes: Option<usize>,
    is_cancelled: bool,
}

/// How a stream has to end, unless it is cancelled.
#[derive(Clone, Copy, Debug)]
enum End {
    After(u64),
    Failed(u64),
    /// With what was sent, or its error.
    Echo,
    Never,
}

/// What the result of a call with uploads has to be.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Sum,
    First,
    Zip,
}

/// The streams to the hub of one call: numbers from 0 on. Two of them go side by side, because
/// items of one that nobody reads hold up the other (§3.7).
#[derive(Debug)]
struct Sending {
    call: CallId,
    uploads: Vec<UploadId>,
    next: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    count: u64,
    sum: u64,
    is_broken: bool,
}

impl Streams {
    /// The connection is gone, and with it everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Goes on with an upload, cancels something, or begins something; the client can be called.
    pub(super) fn act(&mut self, now: Moment, rng: &mut Rng, client: &mut Client) {
        match rng.below(10) {
            0..=3 if !self.sending.is_empty() => self.send(now, rng, client),
            4 if !self.downloads.is_empty() => {
                let place = rng.below(self.downloads.len() as u64) as usize;
                let call = *self.downloads.keys().nth(place).expect("it is below the length");
                self.cancel(now, client, call);
            }
            5..=6 => self.call(now, rng, client),
            _ => self.listen(now, rng, client),
        }
    }

    /// Ends what does not end by itself.
    pub(super) fn wind_up(&mut self, now: Moment, client: &mut Client) {
        if !client.is_open() {
            return;
        }
        for upload in self.sending.drain(..).flat_map(|sending| sending.uploads) {
            client.end_upload(now, upload, None).ok();
        }
        let endless = |download: &&Download| matches!(download.end, End::Never);
        let mut calls: Vec<CallId> = Vec::new();
        calls.extend(self.downloads.iter().filter(|(_, d)| endless(d)).map(|(call, _)| *call));
        for call in calls {
            self.cancel(now, client, call);
        }
    }

    fn cancel(&mut self, now: Moment, client: &mut Client, call: CallId) {
        if let Some(download) = self.downloads.get_mut(&call)
            && !download.is_cancelled
            && client.cancel(now, call).is_ok()
        {
            download.is_cancelled = true;
        }
    }

    /// A few items, and sometimes the end.
    fn send(&mut self, now: Moment, rng: &mut Rng, client: &mut Client) {
        let place = rng.below(self.sending.len() as u64) as usize;
        let sending = &mut self.sending[place];
        let sent = self.sent.entry(sending.call).or_default();
        for _ in 0..rng.below(20) {
            for upload in &sending.uploads {
                client.upload(now, *upload, &sending.next).ok();
            }
            sent.count += 1;
            sent.sum += sending.next;
            sending.next += 1;
        }
        if rng.one_in(2) {
            let error = rng.one_in(4).then_some("broken off");
            sent.is_broken |= error.is_some();
            for upload in self.sending.swap_remove(place).uploads {
                client.end_upload(now, upload, error).ok();
            }
        }
    }

    fn listen(&mut self, now: Moment, rng: &mut Rng, client: &mut Client) {
        let (count, ms) = (rng.below(200), rng.below(100));
        let mut uploads = 0;
        let mut bytes = None;
        let (method, arguments, end) = match rng.below(10) {
            0..=1 => ("Count", vec![count * 10], End::After(count * 10)),
            2 => {
                bytes = Some(rng.below(2_000) as usize);
                ("Blocks", vec![count, bytes.unwrap_or(0) as u64], End::After(count))
            }
            3 => ("CountThenFail", vec![count], End::Failed(count)),
            4 => ("CountThenPanic", vec![count], End::Failed(count)),
            5..=6 => ("SlowCount", vec![count / 10, ms], End::After(count / 10)),
            7 => ("Forever", vec![ms], End::Never),
            8 => ("Stubborn", vec![], End::Never),
            _ => {
                uploads = 1;
                ("Shout", vec![], End::Echo)
            }
        };
        let Ok((call, uploads)) = client.stream_with(now, method, &arguments, uploads) else {
            return;
        };
        let is_cancelled = rng.one_in(10) && client.cancel(now, call).is_ok();
        self.downloads.insert(call, Download { next: 0, end, bytes, is_cancelled });
        self.begin(call, uploads);
    }

    fn call(&mut self, now: Moment, rng: &mut Rng, client: &mut Client) {
        let ms = rng.below(50);
        let (method, arguments, count, answer) = match rng.below(3) {
            0 => ("Sum", vec![ms], 1, Answer::Sum),
            1 => ("First", vec![ms * 20], 1, Answer::First),
            _ => ("Zip", vec![], 2, Answer::Zip),
        };
        if let Ok((call, uploads)) = client.invoke_with(now, method, &arguments, count) {
            self.answers.insert(call, answer);
            self.begin(call, uploads);
        }
    }

    fn begin(&mut self, call: CallId, uploads: Vec<UploadId>) {
        if !uploads.is_empty() {
            self.sending.push(Sending { call, uploads, next: 0 });
        }
    }

    /// An item has come; what is wrong with it.
    pub(super) fn on_item(&mut self, call: CallId, item: &Payload) -> Result<(), String> {
        let wrong = || Err(format!("{call:?} got an item out of order"));
        let Some(download) = self.downloads.get_mut(&call) else { return wrong() };
        let is_right = match download.bytes {
            Some(bytes) => item.read::<String>().is_ok_and(|text| text.len() == bytes),
            None => item.read::<u64>() == Ok(download.next),
        };
        download.next += 1;
        if is_right { Ok(()) } else { wrong() }
    }

    /// A call has been completed; `None`, if it has no streams.
    pub(super) fn on_completed(
        &mut self,
        call: CallId,
        outcome: &Outcome,
    ) -> Option<Result<(), String>> {
        let sent = self.sent.remove(&call).unwrap_or_default();
        let download = self.downloads.remove(&call);
        let answer = self.answers.remove(&call);
        // The method has ended, so nobody reads what we still send.
        let is_right = match (download, answer) {
            (None, None) => return None,
            _ if *outcome == Outcome::Canceled => true,
            (Some(download), _) => download.may_end_with(outcome, sent),
            (None, Some(answer)) => answer.may_be(outcome, sent),
        };
        Some(if is_right { Ok(()) } else { Err(format!("{call:?} ended with {outcome:?}")) })
    }
}

impl Download {
    fn may_end_with(&self, outcome: &Outcome, sent: Sent) -> bool {
        let is_error = |part| matches!(outcome, Outcome::Error(text) if text.contains(part));
        let failed = is_error("while streaming results");
        let (whole, is_end) = (|count| self.next == count, *outcome == Outcome::Nothing);
        match self.end {
            End::After(count) => is_end && (whole(count) || self.is_cancelled),
            End::Failed(count) => failed && whole(count) || is_end && self.is_cancelled,
            End::Echo => {
                let ended = if sent.is_broken { failed } else { is_end };
                ended && whole(sent.count) || is_end && self.is_cancelled
            }
            End::Never => is_end && self.is_cancelled,
        }
    }
}

impl Answer {
    fn may_be(self, outcome: &Outcome, sent: Sent) -> bool {
        let broken = matches!(outcome, Outcome::Error(text) if text.ends_with("broken off"));
        let is_true = matches!(outcome, Outcome::Result(value) if value.read::<bool>() == Ok(true));
        match self {
            Self::Sum if sent.is_broken => broken,
            Self::Sum => {
                matches!(outcome, Outcome::Result(sum) if sum.read::<u64>() == Ok(sent.sum))
            }
            Self::First if sent.count == 0 && sent.is_broken => broken,
            Self::First => is_true,
            Self::Zip => is_true || broken && sent.is_broken,
        }
    }
}
