//! From an invocation to a method, and from its outcome to a completion.

use smallvec::SmallVec;

use super::Hub;
use super::call::{Call, CallState};
use super::context::Context;
use super::endpoint::{HubEndpoint, contained, queue};
use super::error::HubError;
use super::methods::{Answer, Failure, Run, Shape, Work, Writable};
use super::registry::{Registry, kind_of};
use super::running::{Begun, Underway};
use super::upload::Opening;
use crate::base::ConnectionKey;
use crate::protocol::hub_protocol::errors::{self, Detail, DetailedErrors};
use crate::protocol::hub_protocol::{HubProtocolKind, Invocation, StreamIds, WriteError};
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
/// then these checks in the order of [`Checks::pass`], then the method.
pub(super) struct Checks<'a> {
    manner: Manner,
    method: Shape,
    id: Option<&'a str>,
    sent: StreamIds<'a>,
    underway: Option<&'a Underway>,
    streams_max: usize,
}

impl Checks<'_> {
    /// Called by each method when its arguments are bound.
    pub(super) fn pass(&self) -> Result<(), Failure> {
        if self.method.streams != (self.manner == Manner::Stream) {
            return Err(Failure::WrongKind(self.manner));
        }
        let (sent, expected) = (self.sent.len(), self.method.uploads);
        if sent != expected {
            return Err(Failure::Uploads { sent, expected });
        }
        if self.method.streams_of_call() == 0 { Ok(()) } else { self.has_room() }
    }

    /// Whether the client may have these streams beside those it has.
    fn has_room(&self) -> Result<(), Failure> {
        let nothing = Underway::default();
        let underway = self.underway.unwrap_or(&nothing);
        if self.method.streams && self.id.is_some_and(|id| underway.has_stream(id)) {
            return Err(Failure::InUse);
        }
        for (place, id) in self.sent.iter().enumerate() {
            if underway.has_upload(&id) || self.sent.iter().take(place).any(|other| other == id) {
                let text = format!("Stream ID '{id}' is already in use.");
                return Err(Failure::Refused(HubError::new(text)));
            }
        }
        if underway.streams() + self.method.streams_of_call() > self.streams_max {
            let max = self.streams_max;
            let text = format!("A client may have at most {max} streams at a time.");
            return Err(Failure::Refused(HubError::new(text)));
        }
        Ok(())
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
        let (connection_id, running) = (connection.id, connection.hub.running);
        let Invocation { invocation_id, target, arguments, stream_ids } = invocation;
        let id = invocation_id.as_deref();
        let methods = self.methods.clone();
        let Some(method) = methods.find(&target) else {
            // Unknown methods are answered from the loop; they need no slot (§6.4).
            answer_error(registry, key, protocol, id, &errors::unknown_method(&target));
            return Flow::Next;
        };
        let takes_slot = manner == Manner::Plain && method.shape.uploads == 0;
        if takes_slot && running >= self.options.maximum_parallel_invocations_per_client {
            // So are arguments that do not fit. They are tried on a copy, because they will be
            // bound once more.
            let mut copy = Vec::new();
            let arguments = arguments.copied(&mut copy);
            let failed = match contained(|| (method.shape.binds)(arguments)) {
                Ok(Ok(())) => return Flow::Blocked,
                Ok(Err(error)) => Ok(Err(Failure::Binding(error))),
                Err(panic) => Err(panic),
            };
            self.conclude(registry, key, protocol, &method.name, id, failed);
            return Flow::Next;
        }
        let checks = Checks {
            manner,
            method: method.shape,
            id,
            sent: stream_ids,
            underway: self.underway.get(key),
            streams_max: self.options.maximum_streams_per_client,
        };
        let begun = match &method.run {
            Run::Now(run) => {
                let Some(state) = self.states.get_mut(key) else { return Flow::Ended };
                let mut written = None;
                let mut body = registry.take_body();
                let mut answer =
                    Completion { protocol, id, body: &mut body, written: &mut written };
                let mut context = Context::new(registry, self.world, key, state);
                let hub = &mut self.hub;
                let outcome = contained(|| run(hub, &mut context, arguments, &checks, &mut answer));
                if written.is_some() {
                    registry.queue_encoded(key, kind_of(protocol), &body).ignore();
                }
                registry.give_body(body);
                self.conclude(registry, key, protocol, &method.name, id, outcome);
                return next(registry, key);
            }
            Run::Stream(run) => {
                let Some(state) = self.states.get_mut(key) else { return Flow::Ended };
                let mut context = Context::new(registry, self.world, key, state);
                let hub = &mut self.hub;
                let call = CallState::new(key, connection_id);
                let items = contained(|| run(hub, &mut context, arguments, &checks));
                items.map(|items| {
                    let (work, intakes) = (items.map(Work::Stream), SmallVec::new());
                    work.map(|work| Begun { call, work, intakes })
                })
            }
            Run::Later(run) => {
                let call = CallState::new(key, connection_id);
                let capacity = self.options.stream_buffer_capacity;
                let mut opening = Opening::new(key, capacity, &self.local.released);
                let handle = Call::new(&self.local, &call);
                let work = contained(|| run(handle, arguments, &checks, &mut opening));
                let intakes = opening.intakes;
                work.map(|work| work.map(|work| Begun { call, work, intakes }))
            }
        };
        match begun {
            Ok(Ok(begun)) => {
                begun.call.holds_slot.set(takes_slot);
                self.begin(registry, key, method, id, stream_ids, begun);
            }
            Ok(Err(failure)) => {
                self.conclude(registry, key, protocol, &method.name, id, Ok(Err(failure)));
            }
            Err(panic) => self.conclude(registry, key, protocol, &method.name, id, Err(panic)),
        }
        next(registry, key)
    }

    /// Answers what went wrong, if something did.
    pub(super) fn conclude(
        &self,
        registry: &mut Registry,
        key: ConnectionKey,
        protocol: HubProtocolKind,
        target: &str,
        id: Option<&str>,
        outcome: Result<Result<(), Failure>, String>,
    ) {
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
        let text = match failure {
            Failure::Binding(error) => detailed.binding_failed(target, error),
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

/// Writes the completion of a call into scratch memory, while the result is still borrowed.
struct Completion<'a> {
    protocol: HubProtocolKind,
    id: Option<&'a str>,
    body: &'a mut Vec<u8>,
    written: &'a mut Option<()>,
}

impl Answer for Completion<'_> {
    fn answer(&mut self, result: &dyn Writable) -> Result<(), WriteError> {
        if let Some(id) = self.id {
            result.write(self.protocol, self.body, id)?;
            *self.written = Some(());
        }
        Ok(())
    }
}
