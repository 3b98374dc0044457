//! Streams of an honest client, in both directions: what it asks for and sends, and what has to
//! come.

use std::collections::BTreeMap;

use super::ledger::{Books, Ending, Sent};
use crate::base::{Moment, Rng};
use crate::client::{CallId, Client, Outcome, Payload, UploadId};

/// The streams of one honest client, of its present connection.
pub(super) struct Streams {
    books: Books,
    /// How many items it asks for or sends, about.
    scale: u64,
    downloads: BTreeMap<CallId, Download>,
    answers: BTreeMap<CallId, Answer>,
    sending: Vec<Sending>,
    /// Where the ledger has what is sent along with calls that are not completed.
    sent: BTreeMap<CallId, usize>,
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
    uploads: Vec<UploadId>,
    /// Their place in the ledger.
    sent: usize,
}

impl Streams {
    pub(super) fn new(books: Books, scale: u64) -> Self {
        let (downloads, answers, sent) = Default::default();
        Self { books, scale, downloads, answers, sending: Vec::new(), sent }
    }

    /// The connection is gone, and with it everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.books.clone(), self.scale);
    }

    /// What is under way, for a complaint.
    pub(super) fn describe(&self) -> String {
        let sent = self.sent.keys().map(|call| (call, self.sent_with(*call)));
        let sent: Vec<_> = sent.collect();
        format!("{:?} {:?} {sent:?} {:?}", self.downloads, self.answers, self.sending)
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

    /// Ends what does not end soon by itself.
    pub(super) fn wind_up(&mut self, now: Moment, client: &mut Client) {
        if !client.is_open() {
            return;
        }
        for sending in std::mem::take(&mut self.sending) {
            self.end(now, client, &sending, Ending::Whole);
        }
        let calls: Vec<CallId> = self.downloads.keys().copied().collect();
        for call in calls {
            if self.downloads[&call].items_left(self.sent_with(call)) <= LEFT_MAX {
                continue;
            }
            self.cancel(now, client, call);
        }
    }

    /// What went along with a call so far.
    fn sent_with(&self, call: CallId) -> Sent {
        let sent = self.sent.get(&call).map(|sent| self.books.borrow().uploads[*sent]);
        sent.unwrap_or_default()
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
        let sending = &self.sending[place];
        for _ in 0..rng.below(self.scale / 4) {
            let sent = &mut self.books.borrow_mut().uploads[sending.sent];
            for upload in &sending.uploads {
                client.upload(now, *upload, &sent.items).ok();
            }
            sent.items += 1;
        }
        if rng.one_in(2) {
            let ending = match rng.below(8) {
                0 => Ending::Broken,
                1 => Ending::Garbled,
                _ => Ending::Whole,
            };
            let sending = self.sending.swap_remove(place);
            self.end(now, client, &sending, ending);
        }
    }

    fn end(&mut self, now: Moment, client: &mut Client, sending: &Sending, ending: Ending) {
        self.books.borrow_mut().uploads[sending.sent].end = Some(ending);
        for upload in &sending.uploads {
            if ending == Ending::Garbled {
                client.upload(now, *upload, "no number").ok();
            }
            let error = ending.error().filter(|_| ending == Ending::Broken);
            client.end_upload(now, *upload, error).ok();
        }
    }

    fn listen(&mut self, now: Moment, rng: &mut Rng, client: &mut Client) {
        let (count, ms) = (rng.below(self.scale), rng.below(100));
        let mut sent = None;
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
            // Without a pause it would never let the time pass.
            7 => ("Forever", vec![ms + 1], End::Never),
            8 => ("Stubborn", vec![], End::Never),
            _ => {
                let place = *sent.insert(self.books.borrow_mut().send());
                ("Shout", vec![place as u64], End::Echo)
            }
        };
        let uploads = usize::from(sent.is_some());
        let Ok((call, uploads)) = client.stream_with(now, method, &arguments, uploads) else {
            return;
        };
        let is_cancelled = rng.one_in(10) && client.cancel(now, call).is_ok();
        self.downloads.insert(call, Download { next: 0, end, bytes, is_cancelled });
        if let Some(sent) = sent {
            self.begin(call, uploads, sent);
        }
    }

    fn call(&mut self, now: Moment, rng: &mut Rng, client: &mut Client) {
        let sent = self.books.borrow_mut().send();
        let (place, ms) = (sent as u64, rng.below(50));
        let (method, arguments, count, answer) = match rng.below(3) {
            0 => ("Sum", vec![place, ms], 1, Answer::Sum),
            1 => ("First", vec![place, ms * 20], 1, Answer::First),
            _ => ("Zip", vec![place], 2, Answer::Zip),
        };
        if let Ok((call, uploads)) = client.invoke_with(now, method, &arguments, count) {
            self.answers.insert(call, answer);
            self.begin(call, uploads, sent);
        }
    }

    fn begin(&mut self, call: CallId, uploads: Vec<UploadId>, sent: usize) {
        self.sending.push(Sending { uploads, sent });
        self.sent.insert(call, sent);
    }

    /// An item has come; what is wrong with it.
    pub(super) fn on_item(&mut self, call: CallId, item: &Payload) -> Result<(), String> {
        let wrong = || Err(format!("{call:?} got an item out of order"));
        let sent = self.sent_with(call);
        let Some(download) = self.downloads.get_mut(&call) else { return wrong() };
        let number = match download.bytes {
            Some(bytes) => {
                let block = item.read::<String>().unwrap_or_default();
                block.trim_start().parse().ok().filter(|_| block.len() >= bytes)
            }
            None => item.read().ok(),
        };
        let is_right = number == Some(download.next) && download.items_left(sent) > 0;
        download.next += 1;
        self.books.borrow_mut().items[0] += 1;
        if is_right { Ok(()) } else { wrong() }
    }

    /// A call has been completed; `None`, if it has no streams.
    pub(super) fn on_completed(
        &mut self,
        call: CallId,
        outcome: &Outcome,
    ) -> Option<Result<(), String>> {
        let sent = self.sent_with(call);
        self.sent.remove(&call);
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
    /// How many items are to come at most, as far as is known now.
    fn items_left(&self, sent: Sent) -> u64 {
        match self.end {
            End::After(count) | End::Failed(count) => count - self.next,
            End::Echo => sent.items - self.next,
            End::Never => u64::MAX,
        }
    }

    fn may_end_with(&self, outcome: &Outcome, sent: Sent) -> bool {
        let failed =
            matches!(outcome, Outcome::Error(text) if text.contains("while streaming results"));
        let is_end = *outcome == Outcome::Nothing;
        let whole = |count| self.next == count;
        let in_order = match self.end {
            End::After(count) => is_end && whole(count),
            End::Failed(count) => failed && whole(count),
            End::Echo => match sent.end {
                Some(Ending::Whole) => is_end && whole(sent.items),
                Some(Ending::Broken | Ending::Garbled) => failed && whole(sent.items),
                None => false,
            },
            End::Never => false,
        };
        in_order || is_end && self.is_cancelled
    }
}

impl Answer {
    fn may_be(self, outcome: &Outcome, sent: Sent) -> bool {
        let Sent { items, end } = sent;
        let failed = end
            .and_then(Ending::error)
            .is_some_and(|error| matches!(outcome, Outcome::Error(text) if text.contains(error)));
        let is_whole = end == Some(Ending::Whole);
        let Outcome::Result(value) = outcome else {
            // Who reads one item sees no error behind it.
            return failed && !(matches!(self, Self::First) && items > 0);
        };
        match self {
            Self::Sum => is_whole && value.read() == Ok((items, (0..items).sum::<u64>())),
            Self::First => (is_whole || items > 0) && value.read() == Ok(items.min(1)),
            Self::Zip => is_whole && value.read() == Ok((items, items)),
        }
    }
}

/// So many items may yet come at the end of a play.
const LEFT_MAX: u64 = 50;
