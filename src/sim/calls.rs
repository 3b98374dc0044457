//! The plain calls of an honest client: what it asks of the hub, and what the hub has to say.

use std::collections::{BTreeMap, VecDeque};

use crate::base::{Moment, Rng};
use crate::client::{CallId, Client, Outcome};
use crate::protocol::hub_protocol::ToArguments;

/// The calls of one honest client that wait, on its present connection.
#[derive(Debug)]
pub(super) struct Calls {
    /// The number of the client.
    sender: u64,
    said: u64,
    waiting: BTreeMap<CallId, Expected>,
    /// Calls whose completions come in order, when the hub runs one at a time.
    order: VecDeque<CallId>,
    in_order: bool,
}

/// What the completion of a call has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    Value(String),
    AnyValue,
    Length(usize),
    Error(&'static str),
    /// This number, or that there is none.
    Answer(u64),
    /// The call ends the connection; it may be answered or not.
    Any,
}

impl Calls {
    pub(super) fn new(sender: u64, in_order: bool) -> Self {
        let (waiting, order) = (BTreeMap::new(), VecDeque::new());
        Self { sender, said: 0, waiting, order, in_order }
    }

    /// The connection is gone, and with it everything.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.order.clear();
    }

    /// Calls something; `roll` is below [`ROLLS`].
    pub(super) fn act(
        &mut self,
        roll: u64,
        room: String,
        now: Moment,
        rng: &mut Rng,
        client: &mut Client,
    ) {
        let null = || Expected::Value("null".into());
        let mut invoke = Invoke { calls: self, client, now };
        match roll {
            0..=19 => invoke.call("Join", &(room,), null()),
            20..=29 => invoke.call("Leave", &(room,), null()),
            30..=35 => {
                let (number, ms) = (rng.below(1000), rng.below(3000));
                let method = if rng.one_in(2) { "AskMe" } else { "AskSomebody" };
                invoke.call(method, &(number, ms), Expected::Answer(number + 1));
            }
            36..=49 => {
                invoke.calls.said += 1;
                let arguments = (room, invoke.calls.sender, invoke.calls.said);
                if rng.one_in(2) {
                    invoke.call("Say", &arguments, null());
                } else {
                    client.send(now, "Say", &arguments).ok();
                }
            }
            50..=61 => {
                let (text, expected) = echo(rng);
                invoke.call("Echo", &(text,), expected);
            }
            62..=69 => {
                let (number, ms) = (rng.below(1000), rng.below(3000));
                invoke.call("Slow", &(number, ms), Expected::Value(number.to_string()));
            }
            70..=74 => invoke.call("SlowSay", &(room, rng.below(1000)), Expected::AnyValue),
            75..=77 => {
                let bytes = rng.below(200_000) as usize;
                invoke.call("Large", &(bytes,), Expected::Length(bytes));
            }
            78..=80 => invoke.call("Burst", &(room, rng.below(300)), null()),
            81..=83 => invoke.call("Refuse", &(), Expected::Error("HubException: no")),
            84 => invoke.call("Panic", &(), Expected::Error("'Panic'")),
            85 => invoke.call("SlowPanic", &(100,), Expected::Error("'SlowPanic'")),
            86..=87 => invoke.call("Nobody", &(), Expected::Error(UNKNOWN)),
            88 => invoke.call("AbortMe", &(), Expected::Any),
            _ => invoke.call("SendMeAway", &(), Expected::Any),
        }
    }

    /// The last act: one more word to everybody, in a room where all are.
    pub(super) fn join_last(&mut self, now: Moment, client: &mut Client) {
        let null = Expected::Value("null".into());
        Invoke { calls: self, client, now }.call("Join", &("last",), null);
    }

    /// See [`Calls::join_last`].
    pub(super) fn say_last(&mut self, now: Moment, client: &mut Client) {
        let (arguments, null) = (("last", self.sender, 0), Expected::Value("null".into()));
        Invoke { calls: self, client, now }.call("Say", &arguments, null);
    }

    /// A call has been completed; what is wrong with that.
    pub(super) fn on_completed(&mut self, call: CallId, outcome: &Outcome) -> Result<(), String> {
        let expected = self.waiting.remove(&call);
        if *outcome == Outcome::Canceled {
            return Ok(());
        }
        let expected = expected.ok_or_else(|| format!("{call:?} was never made"))?;
        if self.in_order && self.order.contains(&call) {
            let first = self.order.pop_front();
            if first != Some(call) {
                return Err(format!("{call:?} is completed before {first:?}"));
            }
        }
        if expected.fits(outcome) {
            Ok(())
        } else {
            Err(format!("{call:?} ended with {outcome:?}"))
        }
    }
}

/// A client that calls, and the book it keeps.
struct Invoke<'a> {
    calls: &'a mut Calls,
    client: &'a mut Client,
    now: Moment,
}

impl Invoke<'_> {
    fn call(&mut self, method: &str, arguments: &impl ToArguments, expected: Expected) {
        let Ok(call) = self.client.invoke(self.now, method, arguments) else { return };
        // Unknown methods need no slot, so their answers overtake.
        // Calls that wait for an answer let others pass.
        let passes = matches!(expected, Expected::Error(UNKNOWN) | Expected::Answer(_));
        if !passes {
            self.calls.order.push_back(call);
        }
        self.calls.waiting.insert(call, expected);
    }
}

impl Expected {
    fn fits(&self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Self::Any, _) | (Self::AnyValue, Outcome::Result(_)) => true,
            (Self::Value(json), Outcome::Result(payload)) => {
                payload.read::<serde_json::Value>().ok() == serde_json::from_str(json).ok()
            }
            (Self::Length(length), Outcome::Result(payload)) => {
                payload.read::<String>().is_ok_and(|text| text.len() == *length)
            }
            (Self::Error(part), Outcome::Error(text)) => text.contains(part),
            (Self::Answer(number), Outcome::Result(payload)) => {
                payload.read::<u64>().ok() == Some(*number)
            }
            // Errors of a kind of their own are not shown to clients.
            (Self::Answer(_), Outcome::Error(text)) => {
                text.ends_with(REFUSAL)
                    || text.ends_with("HubException: Invocation canceled by the server.")
                    || text.ends_with("on the server.")
                    || text.contains("IOException: Connection '")
            }
            _ => false,
        }
    }
}

fn echo(rng: &mut Rng) -> (String, Expected) {
    let count = rng.below(400) as usize;
    let letter = |_| ['a', 'é', '"', '\\', '\n', '\u{1e}', '😀'][rng.below(7) as usize];
    let text: String = (0..count).map(letter).collect();
    // What the server writes need not be spelled as we would: only plain text is compared.
    let is_plain = text.chars().all(|c| c.is_ascii_alphabetic());
    let expected = if is_plain { Expected::Value(format!("{text:?}")) } else { Expected::AnyValue };
    (text, expected)
}

/// What a question is refused with.
pub(super) const REFUSAL: &str = "I will not";

/// How the answer to a call of an unknown method reads.
const UNKNOWN: &str = "does not exist";

/// What [`Calls::act`] can be told to do.
pub(super) const ROLLS: u64 = 90;
