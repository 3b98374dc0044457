//! Questions to clients: calls of theirs whose result the server waits for (§3.11).
//!
//! A question is open from the moment it is queued until its answer has come, its connection has
//! ended, or nobody waits for it any more. The open ones stand in one table of the shard, under the
//! number that is their id on the wire, because an answer that comes from a stranger has to be told
//! from one that comes too late.

use std::any::type_name;
use std::cell::RefCell;
use std::fmt;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

use serde::de::DeserializeOwned;

use super::Hub;
use super::call::{Call, CallState};
use super::clients::Clients;
use super::closed::Closed;
use super::delivery::kind_of;
use super::dispatch::Flow;
use super::endpoint::{HubEndpoint, contained};
use super::error::HubError;
use super::registry::Registry;
use crate::base::{ConnectionKey, HashMap, ToConnectionId};
use crate::protocol::hub_protocol::{HubProtocolKind, Outcome, ToArguments, errors};
use crate::transport::Stage;

/// What a client will answer: a future, in the place of a value that is not there yet.
///
/// Dropping it takes the question back; an answer that comes later is ignored.
///
/// # Errors
///
/// It fails with an `IOException` when the connection is not there or has ended, and with a
/// `HubException` when the client answered with an error, or with something that is no `T`.
#[must_use = "an answer that is dropped is not waited for"]
pub struct Answer<T>(Rc<Asked<T>>);

impl<T> Answer<T> {
    /// Waits for the answer, but not longer than for `end`. The question is then taken back, and
    /// fails with `Invocation canceled by the server.`
    ///
    /// ```
    /// use std::time::Duration;
    /// use tickhub::{Call, Hub, HubError};
    ///
    /// /// What the caller is called, if it says so within a second.
    /// async fn name<H: Hub>(call: Call<H>) -> Result<String, HubError> {
    ///     let name = call.ask_caller::<String>("name", ());
    ///     name.until(call.sleep(Duration::from_secs(1))).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As the answer itself.
    pub async fn until(self, end: impl Future<Output = ()>) -> Result<T, HubError> {
        let (mut answer, mut end) = (pin!(self), pin!(end));
        std::future::poll_fn(|context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            end.as_mut().poll(context).map(|()| Err(HubError::new(errors::QUESTION_CANCELED)))
        })
        .await
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, HubError>;

    fn poll(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state.borrow_mut();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Answered(answer) => Poll::Ready(answer),
            State::Waiting(_) => {
                *state = State::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
            State::Taken => panic!("an answer was polled after it was taken"),
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(open) = self.0.open.take() {
            let question = open.questions.borrow_mut().close(open.number);
            drop(question);
        }
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// What a question and its answer share.
struct Asked<T> {
    state: RefCell<State<T>>,
    open: RefCell<Option<Open>>,
}

enum State<T> {
    Waiting(Option<Waker>),
    Answered(Result<T, HubError>),
    Taken,
}

/// Where an open question stands.
struct Open {
    questions: Rc<RefCell<Questions>>,
    number: u64,
}

impl<T> Asked<T> {
    fn new() -> Rc<Self> {
        Rc::new(Self { state: RefCell::new(State::Waiting(None)), open: RefCell::default() })
    }

    fn settle(&self, answer: Result<T, HubError>) {
        self.open.take();
        let before = self.state.replace(State::Answered(answer));
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

/// A question whose type is not known to who answers it.
trait Question {
    fn answer(&self, outcome: Outcome<'_>);
    fn fail(&self, error: HubError);
}

impl<T: DeserializeOwned> Question for Asked<T> {
    fn answer(&self, outcome: Outcome<'_>) {
        self.settle(match outcome {
            Outcome::Result(payload) => payload.read::<T>().map_err(|_| {
                let name = name_in_net(type_name::<T>());
                HubError::new(errors::client_result_unreadable(name, "It has another type."))
            }),
            Outcome::Error(text) => Err(HubError::new(text.into_owned())),
            Outcome::Nothing => Err(HubError::new(errors::NO_CLIENT_RESULT)),
        });
    }

    fn fail(&self, error: HubError) {
        self.settle(Err(error));
    }
}

/// The open questions of a shard.
#[derive(Default)]
pub(super) struct Questions {
    open: HashMap<u64, (ConnectionKey, Rc<dyn Question>)>,
    /// Which of them each connection has been asked.
    of: HashMap<ConnectionKey, Vec<u64>>,
    last: u64,
}

impl Questions {
    /// A number for one more question to a connection; none, if that would be more than `max`.
    fn open(&mut self, key: ConnectionKey, max: usize, question: Rc<dyn Question>) -> Option<u64> {
        if self.of.get(&key).map_or(0, Vec::len) >= max {
            return None;
        }
        self.last += 1;
        self.open.insert(self.last, (key, question));
        self.of.entry(key).or_default().push(self.last);
        Some(self.last)
    }

    fn close(&mut self, number: u64) -> Option<Rc<dyn Question>> {
        let (key, question) = self.open.remove(&number)?;
        if let Some(numbers) = self.of.get_mut(&key) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.of.remove(&key);
            }
        }
        Some(question)
    }

    /// Closes all questions to a connection.
    fn close_all(&mut self, key: ConnectionKey) -> Vec<Rc<dyn Question>> {
        let numbers = self.of.remove(&key).unwrap_or_default();
        numbers.iter().filter_map(|number| Some(self.open.remove(number)?.1)).collect()
    }

    /// Which connections have been asked something.
    #[cfg(feature = "sim")]
    pub(super) fn asked(&self) -> impl Iterator<Item = ConnectionKey> {
        self.of.keys().copied().chain(self.open.values().map(|(key, _)| *key))
    }
}

impl Registry {
    /// Asks a connection of a world; whatever goes wrong is told to who waits for the answer.
    fn ask<T: DeserializeOwned + 'static>(
        &mut self,
        world: u16,
        id: &(impl ToConnectionId + fmt::Display),
        method: &str,
        arguments: &impl ToArguments,
        asked: &Rc<Asked<T>>,
    ) {
        if let Err(error) = self.try_ask(world, id, method, arguments, asked) {
            asked.settle(Err(error));
        }
    }

    fn try_ask<T: DeserializeOwned + 'static>(
        &mut self,
        world: u16,
        id: &(impl ToConnectionId + fmt::Display),
        method: &str,
        arguments: &impl ToArguments,
        asked: &Rc<Asked<T>>,
    ) -> Result<(), HubError> {
        if self.is_connecting {
            return Err(too_early());
        }
        let found = self.by_id(world, id.to_connection_id());
        let found = found.and_then(|key| Some((key, self.get(key)?)));
        let Some((key, connection)) = found else {
            return Err(HubError::internal(IO_EXCEPTION, errors::connection_unknown(id)));
        };
        let Some(protocol) = connection.hub.speaks.filter(|_| connection.is_open()) else {
            return Err(HubError::internal(IO_EXCEPTION, errors::connection_lost(id)));
        };
        if protocol == HubProtocolKind::Classic {
            return Err(HubError::internal(IO_EXCEPTION, errors::connection_classic(id)));
        }
        let max = connection.options.questions_max;
        let number =
            self.questions.borrow_mut().open(key, max, asked.clone()).ok_or_else(|| {
                HubError::new(format!("A connection has at most {max} open questions."))
            })?;
        let queued = self.queue(key, kind_of(protocol), |out| {
            protocol.write_invocation(out, Some(&wire_id(number)), method, arguments)
        });
        match queued {
            Ok(delivery) => {
                delivery.ignore();
                let questions = self.questions.clone();
                asked.open.replace(Some(Open { questions, number }));
                Ok(())
            }
            Err(error) => {
                self.questions.borrow_mut().close(number);
                Err(HubError::internal(error.type_name, error.detail))
            }
        }
    }

    /// A connection has ended: nobody answers any more.
    pub(super) fn fail_questions(&self, key: ConnectionKey) {
        let questions = self.questions.borrow_mut().close_all(key);
        let Some(connection) = self.get(key) else { return };
        for question in questions {
            let text = errors::connection_lost(&connection.id);
            question.fail(HubError::internal(IO_EXCEPTION, text));
        }
    }

    /// A call does not count any more as one of those that its client has running. Once for each
    /// call, whether it ends or waits for an answer first (§6.4).
    pub(super) fn free_slot(&mut self, key: ConnectionKey, call: &CallState) {
        if call.holds_slot.replace(false)
            && let Some(connection) = self.get_mut(key)
        {
            connection.hub.running -= 1;
            if std::mem::take(&mut connection.hub.blocked) {
                self.wait(key);
            }
        }
    }
}

impl Clients<'_> {
    /// Calls `method` of one client and wants its result. For code outside of a call: one that
    /// waits in a call keeps its slot, and `Call::ask` does not.
    ///
    /// ```
    /// use tickhub::http::Response;
    /// use tickhub::{Clients, Exchange, Hub};
    ///
    /// /// Answers a request with what a client says.
    /// async fn ask<H: Hub>(exchange: Exchange) -> Response<'static> {
    ///     let id = exchange.request().query("id").unwrap_or_default().into_owned();
    ///     let answer = exchange.hub(move |_: &mut H, clients: &mut Clients<'_>| {
    ///         clients.ask::<i32>(id, "result", ())
    ///     });
    ///     match answer.await.await {
    ///         Ok(number) => Response::new(200).body(number.to_string().into_bytes()),
    ///         Err(error) => Response::new(200).body(error.message().to_owned().into_bytes()),
    ///     }
    /// }
    /// ```
    pub fn ask<T: DeserializeOwned + 'static>(
        &mut self,
        id: impl ToConnectionId + fmt::Display,
        method: &str,
        arguments: impl ToArguments,
    ) -> Answer<T> {
        let asked = Asked::new();
        self.registry.ask(self.world, &id, method, &arguments, &asked);
        Answer(asked)
    }
}

impl<H: Hub> Call<H> {
    /// Calls `method` of one client and wants its result. While a method waits for an answer, the
    /// next call of its client may begin: this call gives up its slot, once (§6.4).
    ///
    /// Questions leave in the order in which they were asked. Nothing ends a question but an
    /// answer, the end of the connection, and who asked: see [`Answer::until`].
    ///
    /// ```
    /// use tickhub::{Call, Hub, HubError};
    ///
    /// /// Whether both are ready; they are asked at the same time.
    /// async fn ready<H: Hub>(call: Call<H>, red: String, blue: String) -> Result<bool, HubError> {
    ///     let (red, blue) = (call.ask(red, "ready", ()), call.ask(blue, "ready", ()));
    ///     Ok(red.await? && blue.await?)
    /// }
    /// ```
    pub fn ask<T: DeserializeOwned + 'static>(
        &self,
        id: impl ToConnectionId + fmt::Display + 'static,
        method: &str,
        arguments: impl ToArguments + 'static,
    ) -> Answer<T> {
        let asked = Asked::new();
        if self.state.is_connecting.get() {
            asked.settle(Err(too_early()));
            return Answer(asked);
        }
        let (question, call, method) = (asked.clone(), self.state.clone(), method.to_owned());
        self.push(move |_, _, clients| {
            // Nobody waits any more if this is the last.
            if Rc::strong_count(&question) > 1 {
                clients.registry.free_slot(call.connection, &call);
                clients.registry.ask(clients.world, &id, &method, &arguments, &question);
            }
        });
        Answer(asked)
    }

    /// [`Call::ask`] of the calling client.
    pub fn ask_caller<T: DeserializeOwned + 'static>(
        &self,
        method: &str,
        arguments: impl ToArguments + 'static,
    ) -> Answer<T> {
        self.ask(self.connection_id(), method, arguments)
    }
}

impl<H: Hub> HubEndpoint<H> {
    /// The answer to a question; or to none that is open, which is ignored.
    pub(super) fn on_answer(
        registry: &mut Registry,
        key: ConnectionKey,
        id: &str,
        outcome: Outcome<'_>,
    ) -> Flow {
        let mut questions = registry.questions.borrow_mut();
        let asked = number_of(id).and_then(|number| Some((number, questions.open.get(&number)?.0)));
        let Some((number, whom)) = asked else { return Flow::Next };
        if whom != key {
            drop(questions);
            let Some(connection) = registry.get(key) else { return Flow::Ended };
            let detail = errors::answer_of_stranger(&connection.id, id).into();
            registry.end(key, Closed::Protocol { type_name: STRANGER, detail });
            return Flow::Ended;
        }
        let question = questions.close(number);
        drop(questions);
        if let Some(question) = question
            && let Err(panic) = contained(|| question.answer(outcome))
        {
            registry.count_panic();
            tracing::error!(panic, "reading the answer of a client panicked");
            question.fail(HubError::internal("Panic", panic));
        }
        match registry.get(key).map(|connection| connection.stage) {
            Some(Stage::Open) => Flow::Next,
            _ => Flow::Ended,
        }
    }
}

/// `on_connected` cannot ask: no message is looked at before it has ended (COR-127).
fn too_early() -> HubError {
    HubError::internal("InvalidOperationException", errors::QUESTION_TOO_EARLY)
}

/// The id of a question on the wire. Clients choose numbers for the streams that they send, which
/// share the ids of what they complete; with a letter in front none of ours is one of theirs.
fn wire_id(number: u64) -> String {
    format!("s{number}")
}

fn number_of(id: &str) -> Option<u64> {
    id.strip_prefix('s')?.parse().ok()
}

/// What .NET calls a type, because that is what clients read (§3.11).
fn name_in_net(name: &'static str) -> &'static str {
    let name = name.strip_prefix("core::option::Option<").unwrap_or(name);
    let name = name.split(['<', '>']).next().unwrap_or(name);
    let name = name.rsplit("::").next().unwrap_or(name);
    match name {
        "i8" => "SByte",
        "u8" => "Byte",
        "i16" => "Int16",
        "u16" => "UInt16",
        "i32" => "Int32",
        "u32" => "UInt32",
        "i64" => "Int64",
        "u64" => "UInt64",
        "f32" => "Single",
        "f64" => "Double",
        "bool" => "Boolean",
        "char" => "Char",
        name => name,
    }
}

const IO_EXCEPTION: &str = "IOException";

/// The kind of error that ends a connection which answers for another.
const STRANGER: &str = "InvalidOperationException";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_names_that_clients_know() {
        for (ours, theirs) in [
            (type_name::<i32>(), "Int32"),
            (type_name::<Option<u8>>(), "Byte"),
            (type_name::<String>(), "String"),
            (type_name::<Option<String>>(), "String"),
            (type_name::<crate::protocol::hub_protocol::Value>(), "Value"),
            (type_name::<Vec<i32>>(), "Vec"),
        ] {
            assert_eq!(name_in_net(ours), theirs);
        }
    }

    #[test]
    fn ids_are_ours_alone() {
        assert_eq!(number_of(&wire_id(7)), Some(7));
        for id in ["", "s", "7", "S7", "s7x", "s-7", "s99999999999999999999"] {
            assert_eq!(number_of(id), None, "{id}");
        }
    }
}
