//! From an invocation to a method, and from its outcome to a completion.

use std::rc::Rc;

use smallvec::SmallVec;

use super::Hub;
use super::call::{Call, CallState};
use super::classic::number_of;
use super::context::Context;
use super::delivery::kind_of;
use super::endpoint::{HubEndpoint, contained, queue};
use super::error::HubError;
use super::filter::{Admission, FilteredCall, UNASKED};
use super::methods::{Answer, Failure, Run, Shape, Work, Writable};
use super::registry::Registry;
use super::running::{Begun, Underway};
use super::upload::Opening;
use crate::base::ConnectionKey;
use crate::protocol::hub_protocol::errors::{self, Detail, DetailedErrors};
use crate::protocol::hub_protocol::{
    Arguments, HubProtocolKind, Invocation, StreamIds, WriteError,
};
use crate::transport::Stage;

/// What comes after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// The next message.
    Next,
    /// Nothing: the connection ends.
    Ended,
    /// The same message again, later.
    Blocked,
}

/// How a method is called: as a plain one (type 1), or as a stream (type 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Plain,
    Stream,
}

/// What is checked between the arguments and the method.
///
/// The order of everything is that of §3.6: the arguments are bound, a plain call takes a slot,
/// its policy is asked, then come these checks in the order of [`Checks::pass`], then filters,
/// then the method. Where something stands between the arguments and a method that borrows them,
/// they are bound twice: to a copy first, so that those who send wrong ones read that.
pub(super) struct Checks {
    manner: Manner,
    pub(super) method: Shape,
    /// How many streams the client sends along.
    sent: usize,
    /// Why the client may not have the streams of this call.
    streams: Result<(), Failure>,
}

impl Checks {
    /// Called by each method when its arguments are bound.
    pub(super) fn pass(&self) -> Result<(), Failure> {
        if self.method.streams != (self.manner == Manner::Stream) {
            return Err(Failure::WrongKind(self.manner));
        }
        let (sent, expected) = (self.sent, self.method.uploads);
        if sent != expected {
            return Err(Failure::Uploads { sent, expected });
        }
        self.streams.clone()
    }
}

impl<H: Hub> HubEndpoint<H> {
    /// Runs a method, or begins it. Errors of a call concern its caller alone (§3.9).
    pub(super) fn on_invocation(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        manner: Manner,
        invocation: Invocation<'_>,
    ) -> Flow {
        let Some(connection) = registry.get(key) else { return Flow::Ended };
        let Some(protocol) = connection.hub.speaks else { return Flow::Ended };
        let running = connection.hub.running;
        let Invocation { invocation_id, target, mut arguments, stream_ids } = invocation;
        let id = invocation_id.as_deref();
        let methods = self.methods.clone();
        let is_classic = protocol == HubProtocolKind::Classic;
        let found = if is_classic {
            methods.resolve(&target, arguments.count())
        } else {
            methods.find(&target).ok_or(Failure::Unresolved(None))
        };
        let method = match found {
            Ok(method) => method,
            Err(failure) => {
                // Unknown methods are answered from the loop; they need no slot (§6.4).
                let target = target.as_ref().into();
                let caller = Caller { key, protocol, target: &target, id };
                self.answer(registry, caller, Ok(Err(failure)));
                return Flow::Next;
            }
        };
        let caller = Caller { key, protocol, target: &method.name, id };
        // Classic clients call without waiting for each other (T-24).
        let takes_slot = manner == Manner::Plain && method.shape.uploads == 0 && !is_classic;
        if takes_slot && running >= self.options.maximum_parallel_invocations_per_client {
            // So are arguments that do not fit.
            let Err(failure) = fits(registry, method.shape, &arguments) else {
                return Flow::Blocked;
            };
            self.answer(registry, caller, Ok(Err(failure)));
            return Flow::Next;
        }
        if let Err(failure) = Self::authorize(registry, key, method, &arguments) {
            self.answer(registry, caller, Ok(Err(failure)));
            return next(registry, key);
        }
        let streams = self.room_for_streams(key, method.shape, id, stream_ids);
        let checks = Checks { manner, method: method.shape, sent: stream_ids.len(), streams };
        let (mut filtered, mut memory) = (None, Vec::new());
        if !methods.filters.is_empty() {
            match self.admit_call(registry, caller, &checks, arguments, &mut memory) {
                Ok(Admission::Run(call, admitted)) => {
                    arguments = admitted;
                    filtered = Some(call);
                }
                Ok(Admission::Refused(call, error)) => {
                    let refused = Ok(Err(Failure::Refused(error)));
                    self.close_call(registry, caller, Some(call), refused);
                    return next(registry, key);
                }
                Err(failure) => {
                    self.answer(registry, caller, Ok(Err(failure)));
                    return next(registry, key);
                }
            }
        }
        let begun = match &method.run {
            Run::Now(run) => {
                let Some(state) = self.states.get_mut(key) else { return Flow::Ended };
                let mut body = registry.take_body();
                let id = id.or(filtered.is_some().then_some(UNASKED));
                let mut answer = Completion { protocol, id, body: &mut body };
                let asked = is_classic.then(|| id.and_then(number_of)).flatten();
                let mut context = Context::new(registry, self.world, key, state).asked(asked);
                let hub = &mut self.hub;
                let outcome = contained(|| run(hub, &mut context, arguments, &checks, &mut answer));
                let outcome = outcome.map(|outcome| outcome.map(|()| body));
                self.close_call(registry, caller, filtered, outcome);
                return next(registry, key);
            }
            Run::Stream(run) => {
                let Some(state) = self.states.get_mut(key) else { return Flow::Ended };
                let mut context = Context::new(registry, self.world, key, state);
                let hub = &mut self.hub;
                let items = contained(|| run(hub, &mut context, arguments, &checks));
                let call = CallState::new(key, registry.get(key));
                items.map(|items| {
                    let (work, intakes) = (items.map(Work::Stream), SmallVec::new());
                    work.map(|work| Begun { call, work, intakes })
                })
            }
            Run::Later(run) => {
                let call = CallState::new(key, registry.get(key));
                if is_classic {
                    call.is_classic_call(id);
                }
                let capacity = self.options.stream_buffer_capacity;
                let mut opening = Opening::new(&call, capacity, &self.local);
                let handle = Call::new(&self.local, &call);
                let work = contained(|| run(handle, arguments, &checks, &mut opening));
                let intakes = opening.intakes;
                work.map(|work| work.map(|work| Begun { call, work, intakes }))
            }
        };
        match begun {
            Ok(Ok(begun)) => {
                begun.call.holds_slot.set(takes_slot);
                self.begin(registry, method, id, stream_ids, filtered, begun);
            }
            Ok(Err(failure)) => self.close_call(registry, caller, filtered, Ok(Err(failure))),
            Err(panic) => self.close_call(registry, caller, filtered, Err(panic)),
        }
        next(registry, key)
    }

    /// Whether the client may have the streams of one more call beside those it has.
    fn room_for_streams(
        &self,
        key: ConnectionKey,
        method: Shape,
        id: Option<&str>,
        sent: StreamIds<'_>,
    ) -> Result<(), Failure> {
        if method.streams_of_call() == 0 {
            return Ok(());
        }
        let nothing = Underway::default();
        let underway = self.underway.get(key).unwrap_or(&nothing);
        if method.streams && id.is_some_and(|id| underway.has_stream(id)) {
            return Err(Failure::InUse);
        }
        for (place, id) in sent.iter().enumerate().take(method.uploads) {
            if underway.has_upload(&id) || sent.iter().take(place).any(|other| other == id) {
                let text = format!("Stream ID '{id}' is already in use.");
                return Err(Failure::Refused(HubError::new(text)));
            }
        }
        let max = self.options.maximum_streams_per_client;
        if underway.streams() + method.streams_of_call() > max {
            let text = format!("A client may have at most {max} streams at a time.");
            return Err(Failure::Refused(HubError::new(text)));
        }
        Ok(())
    }

    /// A call has ended: filters see its outcome, then its caller is answered.
    pub(super) fn close_call(
        &mut self,
        registry: &mut Registry,
        caller: Caller<'_>,
        filtered: Option<Box<FilteredCall>>,
        outcome: Result<Result<Vec<u8>, Failure>, String>,
    ) {
        let outcome = match filtered {
            Some(call) => Ok(self.review(registry, caller.key, call, caller.id, outcome)),
            None => outcome,
        };
        let outcome = outcome.map(|outcome| {
            outcome.map(|record| match (caller.protocol, caller.id) {
                (HubProtocolKind::Classic, Some(id)) => registry.reply(id, record),
                (protocol, id) => {
                    if id.is_some() {
                        registry.queue_encoded(caller.key, kind_of(protocol), &record).ignore();
                    }
                    registry.give_body(record);
                }
            })
        });
        self.answer(registry, caller, outcome);
    }

    /// Answers what went wrong, if something did.
    fn answer(
        &self,
        registry: &mut Registry,
        caller: Caller<'_>,
        outcome: Result<Result<(), Failure>, String>,
    ) {
        let Caller { key, protocol, target, id } = caller;
        let detailed = DetailedErrors(self.options.enable_detailed_errors);
        let failure = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(panic) => {
                registry.count_panic();
                tracing::error!(%target, panic, "a hub method panicked; its caller is told");
                Failure::Refused(HubError::internal("Panic", panic))
            }
        };
        if protocol == HubProtocolKind::Classic {
            self.answer_classic(registry, caller, &failure);
            return;
        }
        let text = match failure {
            Failure::Unresolved(_) => errors::unknown_method(target),
            Failure::Binding(error) => detailed.binding_failed(target, error),
            Failure::Unauthorized => errors::unauthorized(target),
            Failure::WrongKind(Manner::Plain) => errors::streaming_method_called_plainly(target),
            Failure::WrongKind(Manner::Stream) => errors::plain_method_called_as_stream(target),
            Failure::Uploads { sent, expected } => {
                errors::stream_count_differs(target, sent, expected)
            }
            Failure::InUse => errors::stream_id_in_use(id.unwrap_or_default()),
            Failure::Refused(error) => detailed.invocation_failed(target, detail_of(&error)),
            Failure::NoStream => errors::no_stream(target),
            Failure::Streaming(error) => detailed.stream_failed(detail_of(&error)),
            Failure::Unwritable(error) => {
                // The client waits for an answer that cannot be given (§3.10).
                tracing::error!(%target, %error, "a value of a method cannot be written");
                registry.end(key, super::Closed::Unwritable(error.detail));
                return;
            }
        };
        answer_error(registry, key, protocol, id, &text);
    }
}

/// Whether a method can take arguments that will be bound later. They are tried on a copy, because
/// texts are changed where they stand.
pub(super) fn fits(
    registry: &mut Registry,
    method: Shape,
    arguments: &Arguments<'_>,
) -> Result<(), Failure> {
    let mut copy = arguments.to_owned_arguments();
    match contained(|| (method.binds)(copy.lend())) {
        Ok(bound) => bound.map_err(Failure::Binding),
        Err(panic) => {
            registry.count_panic();
            tracing::error!(panic, "an argument panicked while it was read");
            Err(Failure::Refused(HubError::internal("Panic", panic)))
        }
    }
}

/// What comes after a call.
fn next(registry: &Registry, key: ConnectionKey) -> Flow {
    match registry.get(key).map(|connection| connection.stage) {
        Some(Stage::Open) => Flow::Next,
        _ => Flow::Ended,
    }
}

/// Answers a call with an error; who wants no answer gets none.
fn answer_error(
    registry: &mut Registry,
    key: ConnectionKey,
    protocol: HubProtocolKind,
    id: Option<&str>,
    text: &str,
) {
    if let Some(id) = id {
        queue(registry, key, |out| protocol.write_error(out, id, text));
    } else {
        tracing::debug!(error = text, "a call that wants no answer failed");
    }
}

fn detail_of(error: &HubError) -> Detail<'_> {
    Detail { type_name: error.type_name(), message: error.message(), public: error.is_public() }
}

/// Whom a call is answered, and what it was.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) key: ConnectionKey,
    pub(super) protocol: HubProtocolKind,
    pub(super) target: &'a Rc<str>,
    pub(super) id: Option<&'a str>,
}

/// Writes the completion of a call into scratch memory, while the result is still borrowed.
struct Completion<'a> {
    protocol: HubProtocolKind,
    id: Option<&'a str>,
    body: &'a mut Vec<u8>,
}

impl Answer for Completion<'_> {
    fn answer(&mut self, result: &dyn Writable) -> Result<(), WriteError> {
        if let Some(id) = self.id {
            result.write(self.protocol, self.body, id)?;
        }
        Ok(())
    }
}
