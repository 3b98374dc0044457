//! From an invocation to a method, and from its result to a completion.

use std::rc::Rc;

use super::Hub;
use super::context::Context;
use super::endpoint::{Finished, HubEndpoint, contained, queue};
use super::error::HubError;
use super::filter::{Admission, UNASKED};
use super::methods::{Answer, Failure, Run, Writable};
use super::registry::{Delivery, Registry, kind_of};
use super::tasks::{Call, CallState, Contained};
use crate::base::ConnectionKey;
use crate::protocol::hub_protocol::errors::{self, Detail, DetailedErrors};
use crate::protocol::hub_protocol::{HubProtocolKind, Invocation, WriteError};
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

impl<H: Hub> HubEndpoint<H> {
    /// Runs a method, or begins it. Errors of a call concern its caller alone (§3.9).
    pub(super) fn on_invocation(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        invocation: Invocation<'_>,
    ) -> Flow {
        let Some(connection) = registry.get(key) else { return Flow::Ended };
        let Some(protocol) = connection.hub.speaks else { return Flow::Ended };
        let id = invocation.invocation_id.as_deref();
        let methods = self.methods.clone();
        let Some(method) = methods.find(&invocation.target) else {
            // Unknown methods are answered from the loop; they need no slot (§6.4).
            let text = errors::unknown_method(&invocation.target);
            answer_error(registry, key, protocol, id, &text);
            return Flow::Next;
        };
        let slots = self.options.maximum_parallel_invocations_per_client;
        if connection.hub.running >= slots {
            return Flow::Blocked;
        }
        let connection_id = connection.id;
        if let Err(failure) = Self::authorize(registry, key, method, &invocation.arguments) {
            self.conclude(registry, key, protocol, &method.name, id, Ok(Err(failure)));
            return flow(registry, key);
        }
        let mut arguments = invocation.arguments;
        let (mut filtered, mut memory) = (None, Vec::new());
        if !methods.filters.is_empty() {
            let fits = (&method.name, method.binds);
            match self.admit_call(registry, key, protocol, fits, arguments, &mut memory) {
                Ok(Admission::Run(call, admitted)) => {
                    arguments = admitted;
                    filtered = Some(call);
                }
                Ok(Admission::Refused(call, error)) => {
                    let refused = Ok(Err(Failure::Refused(error)));
                    let ending = self.review(registry, key, call, id, refused);
                    self.answer_filtered(registry, key, protocol, &method.name, id, ending);
                    return flow(registry, key);
                }
                Err(error) => {
                    let failed = Ok(Err(Failure::Binding(error)));
                    self.conclude(registry, key, protocol, &method.name, id, failed);
                    return flow(registry, key);
                }
            }
        }
        match &method.run {
            Run::Now(run) => {
                let Some(state) = self.states.get_mut(key) else { return Flow::Ended };
                let mut written = None;
                let mut body = registry.take_body();
                let seen = id.or(filtered.is_some().then_some(UNASKED));
                let mut answer =
                    Completion { protocol, id: seen, body: &mut body, written: &mut written };
                let mut context = Context::new(registry, self.world, key, state);
                let hub = &mut self.hub;
                let outcome = contained(|| run(hub, &mut context, arguments, &mut answer));
                if let Some(call) = filtered {
                    let ending = outcome.map(|outcome| outcome.map(|()| body));
                    let ending = self.review(registry, key, call, id, ending);
                    self.answer_filtered(registry, key, protocol, &method.name, id, ending);
                    return flow(registry, key);
                }
                if written.is_some() {
                    registry.queue_encoded(key, kind_of(protocol), &body).ignore();
                }
                registry.give_body(body);
                self.conclude(registry, key, protocol, &method.name, id, outcome);
            }
            Run::Later(run) => {
                let id = invocation.invocation_id.map(std::borrow::Cow::into_owned);
                let call = CallState::new(key, connection_id);
                let handle = Call::new(&self.local, &call);
                match contained(|| run(handle, arguments)) {
                    Ok(Ok(task)) => {
                        let target = method.name.clone();
                        call.holds_slot.set(true);
                        self.tasks.spawn(Box::pin(async move {
                            let ending = Contained(task).await;
                            Finished { connection: key, call, target, id, ending, filtered }
                        }));
                        if let Some(connection) = registry.get_mut(key) {
                            connection.hub.running += 1;
                        }
                    }
                    Ok(Err(error)) => {
                        let failed = Ok(Err(Failure::Binding(error)));
                        let id = id.as_deref();
                        self.conclude(registry, key, protocol, &method.name, id, failed);
                    }
                    Err(panic) => {
                        let id = id.as_deref();
                        self.conclude(registry, key, protocol, &method.name, id, Err(panic));
                    }
                }
            }
        }
        flow(registry, key)
    }

    /// No method of this version answers with a stream, so every such call is of the wrong kind
    /// (§3.6).
    pub(super) fn on_stream_invocation(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        invocation: &Invocation<'_>,
    ) {
        let Some(protocol) = registry.get(key).and_then(|connection| connection.hub.speaks) else {
            return;
        };
        let id = invocation.invocation_id.as_deref();
        let text = match self.methods.find(&invocation.target) {
            Some(method) => match Self::authorize(registry, key, method, &invocation.arguments) {
                Ok(()) => errors::plain_method_called_as_stream(&method.name),
                Err(failure) => {
                    let failed = Ok(Err(failure));
                    self.conclude(registry, key, protocol, &method.name, id, failed);
                    return;
                }
            },
            None => errors::unknown_method(&invocation.target),
        };
        answer_error(registry, key, protocol, id, &text);
    }

    /// Runs a task for a connection that is no call of its client: nobody is answered.
    pub(super) fn spawn_unasked(
        &mut self,
        call: Rc<CallState>,
        name: &str,
        task: impl Future<Output = ()> + 'static,
    ) {
        let target = name.into();
        self.tasks.spawn(Box::pin(async move {
            task.await;
            let ending = Some(Ok(Box::new(()) as Box<dyn Writable>));
            let key = call.connection;
            Finished { connection: key, call, target, id: None, ending, filtered: None }
        }));
    }

    /// An asynchronous method has ended: its slot is free, and what waited goes on.
    pub(super) fn on_finished(&mut self, registry: &mut Registry, finished: Finished) {
        let Finished { connection: key, call, target, id, ending, filtered } = finished;
        registry.free_slot(key, &call);
        let Some(protocol) = registry.get(key).and_then(|connection| connection.hub.speaks) else {
            return;
        };
        if let Some(call) = filtered {
            let seen = id.as_deref().unwrap_or(UNASKED);
            let ending = ending.ok_or_else(|| PANICKED.to_owned()).map(|ending| {
                let mut record = Vec::new();
                let result = ending.map_err(Failure::Refused)?;
                result.write(protocol, &mut record, seen).map_err(Failure::Unwritable)?;
                Ok(record)
            });
            let ending = self.review(registry, key, call, id.as_deref(), ending);
            self.answer_filtered(registry, key, protocol, &target, id.as_deref(), ending);
            return;
        }
        let outcome = match ending {
            Some(Ok(result)) => match &id {
                Some(id) => registry
                    .queue(key, kind_of(protocol), |out| result.write(protocol, out, id))
                    .map(Delivery::ignore)
                    .map_err(Failure::Unwritable),
                None => Ok(()),
            },
            Some(Err(error)) => Err(Failure::Refused(error)),
            None => {
                let panic = PANICKED.to_owned();
                self.conclude(registry, key, protocol, &target, id.as_deref(), Err(panic));
                return;
            }
        };
        self.conclude(registry, key, protocol, &target, id.as_deref(), Ok(outcome));
    }

    /// Answers what filters have left.
    fn answer_filtered(
        &self,
        registry: &mut Registry,
        key: ConnectionKey,
        protocol: HubProtocolKind,
        target: &Rc<str>,
        id: Option<&str>,
        ending: Result<Vec<u8>, Failure>,
    ) {
        let outcome = ending.map(|record| {
            if id.is_some() {
                registry.queue_encoded(key, kind_of(protocol), &record).ignore();
            }
            registry.give_body(record);
        });
        self.conclude(registry, key, protocol, target, id, Ok(outcome));
    }

    /// Answers what went wrong, if something did.
    fn conclude(
        &self,
        registry: &mut Registry,
        key: ConnectionKey,
        protocol: HubProtocolKind,
        target: &Rc<str>,
        id: Option<&str>,
        outcome: Result<Result<(), Failure>, String>,
    ) {
        let detailed = DetailedErrors(self.options.enable_detailed_errors);
        let text = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(Failure::Binding(error))) => detailed.binding_failed(target, error),
            Ok(Err(Failure::Unauthorized)) => errors::unauthorized(target),
            Ok(Err(Failure::Refused(error))) => {
                detailed.invocation_failed(target, detail_of(&error))
            }
            Ok(Err(Failure::Unwritable(error))) => {
                // The client waits for an answer that cannot be given (§3.10).
                tracing::error!(%target, %error, "the result of a method cannot be written");
                registry.end(key, super::Closed::Unwritable(error.detail));
                return;
            }
            Err(panic) => {
                registry.count_panic();
                tracing::error!(%target, panic, "a hub method panicked; its caller is told");
                detailed.invocation_failed(target, Detail::private("Panic", &panic))
            }
        };
        answer_error(registry, key, protocol, id, &text);
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

/// What comes after a call.
fn flow(registry: &Registry, key: ConnectionKey) -> Flow {
    match registry.get(key).map(|connection| connection.stage) {
        Some(Stage::Open) => Flow::Next,
        _ => Flow::Ended,
    }
}

/// What is said of a task that panicked; the log has the rest.
const PANICKED: &str = "an asynchronous method panicked";

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
