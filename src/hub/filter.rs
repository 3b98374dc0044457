//! Filters: code around the methods and the lifecycle of a hub (§6.6).

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::dispatch::{Caller, Checks, fits};
use super::endpoint::{HubEndpoint, contained};
use super::methods::{Failure, Methods};
use super::registry::Registry;
use super::{Closed, Hub, HubError};
use crate::base::ConnectionKey;
use crate::protocol::classic;
use crate::protocol::hub_protocol::{
    Arguments, BindingError, HubMessage, HubProtocolKind, Invocation, Outcome as Completed,
    OwnedArguments, Value, WriteError,
};

/// Code around the methods of a hub, its `on_connected` and its `on_disconnected`: `IHubFilter` of
/// ASP.NET Core, as pairs of functions, so that it is the same for methods that wait.
///
/// The filter that was added first is the outermost: it is asked first, and it sees results last.
/// Filters run when a call is known to be in order: its method exists and the arguments fit (§3.6).
/// A filter that refuses keeps the call from the method and from all filters behind it; those in
/// front of it see the refusal as an outcome. A panic is a refusal, as in a method.
///
/// ```
/// use tickhub::{CallOutcome, Context, Filter, FilteredCall, Hub, HubError, Methods, Value};
///
/// #[derive(Default)]
/// struct Chat;
///
/// impl Hub for Chat {
///     type State = ();
///     fn methods(m: &mut Methods<Self>) {
///         m.filter(NoShouting).on("Say", |_: &mut Self, _: &mut Context<Self>, text: String| text);
///     }
/// }
///
/// struct NoShouting;
///
/// impl<H: Hub> Filter<H> for NoShouting {
///     fn invoking(
///         &self,
///         _: &mut H,
///         _: &mut Context<'_, H>,
///         call: &mut FilteredCall,
///     ) -> Result<(), HubError> {
///         let shouts = |value: &Value| matches!(value, Value::Text(text) if text.ends_with('!'));
///         if call.arguments().iter().any(shouts) {
///             return Err(HubError::new("do not shout"));
///         }
///         Ok(())
///     }
///
///     fn invoked(
///         &self,
///         _: &mut H,
///         _: &mut Context<'_, H>,
///         _: &mut FilteredCall,
///         outcome: &mut CallOutcome,
///     ) {
///         if let Some(Value::Text(text)) = outcome.value() {
///             outcome.set(&text.trim());
///         }
///     }
/// }
/// ```
pub trait Filter<H: Hub>: 'static {
    /// A method is about to run.
    ///
    /// # Errors
    ///
    /// A refusal, which the caller sees as if the method had returned it.
    fn invoking(
        &self,
        hub: &mut H,
        context: &mut Context<'_, H>,
        call: &mut FilteredCall,
    ) -> Result<(), HubError> {
        let _ = (hub, context, call);
        Ok(())
    }

    /// A method that this filter let through has ended, or was refused further in. A stream has
    /// ended with its last item; it has no value. Not called for an asynchronous method whose
    /// connection ended before it.
    fn invoked(
        &self,
        hub: &mut H,
        context: &mut Context<'_, H>,
        call: &mut FilteredCall,
        outcome: &mut CallOutcome,
    ) {
        let _ = (hub, context, call, outcome);
    }

    /// `on_connected` is about to run.
    ///
    /// # Errors
    ///
    /// A refusal, which ends the connection as one of `on_connected` does.
    fn connecting(&self, hub: &mut H, context: &mut Context<'_, H>) -> Result<(), HubError> {
        let _ = (hub, context);
        Ok(())
    }

    /// `on_connected` has run, or was refused further in; what it returned may be changed.
    fn connected(
        &self,
        hub: &mut H,
        context: &mut Context<'_, H>,
        outcome: &mut Result<(), HubError>,
    ) {
        let _ = (hub, context, outcome);
    }

    /// `on_disconnected` is about to run.
    fn disconnecting(&self, hub: &mut H, context: &mut Context<'_, H>, reason: &Closed) {
        let _ = (hub, context, reason);
    }

    /// `on_disconnected` has run.
    fn disconnected(&self, hub: &mut H, context: &mut Context<'_, H>, reason: &Closed) {
        let _ = (hub, context, reason);
    }
}

/// A call on its way through filters.
#[derive(Debug)]
pub struct FilteredCall {
    method: Rc<str>,
    protocol: HubProtocolKind,
    /// It is answered with a stream.
    streams: bool,
    encoded: OwnedArguments,
    /// What filters have looked at.
    decoded: Option<Vec<Value>>,
    /// What they may have changed.
    replaced: bool,
    /// How many filters have let it through.
    passed: usize,
}

impl FilteredCall {
    /// The name of the method, as it was registered.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The arguments. They are read when a filter asks for the first time.
    pub fn arguments(&mut self) -> &[Value] {
        self.decode()
    }

    /// The arguments, to be changed. What the method cannot take fails the call.
    pub fn arguments_mut(&mut self) -> &mut Vec<Value> {
        self.replaced = true;
        self.decode()
    }

    fn decode(&mut self) -> &mut Vec<Value> {
        let encoded = &mut self.encoded;
        self.decoded.get_or_insert_with(|| {
            let mut arguments = encoded.lend();
            let next = || arguments.take::<Value>().ok();
            std::iter::from_fn(next).collect()
        })
    }

    /// Writes changed arguments into `memory` and returns them in the place of the old ones.
    fn rewrite<'a>(
        &mut self,
        memory: &'a mut Vec<u8>,
    ) -> Result<Option<Arguments<'a>>, WriteError> {
        if !self.replaced {
            return Ok(None);
        }
        let (protocol, method) = (self.protocol, self.method.clone());
        if protocol == HubProtocolKind::Classic {
            let arguments = self.decode().as_slice();
            classic::write_call(memory, "-", &method, arguments, None)?;
            let call = classic::Invocation::read(memory).expect("a call was written");
            return Ok(Some(call.arguments));
        }
        protocol.write_invocation(memory, None, &method, self.decode().as_slice())?;
        match protocol.read(protocol.unframed(memory)) {
            Ok(HubMessage::Invocation(Invocation { arguments, .. })) => Ok(Some(arguments)),
            other => unreachable!("a call was written, not {other:?}"),
        }
    }
}

/// How a filtered call ended. Results are encoded already; they are read when a filter asks.
#[derive(Debug)]
pub struct CallOutcome {
    protocol: HubProtocolKind,
    streams: bool,
    id: String,
    ending: Result<Vec<u8>, Failure>,
}

impl CallOutcome {
    /// The result; nothing, if the call failed.
    pub fn value(&self) -> Option<Value> {
        let mut record = self.ending.as_ref().ok()?.clone();
        if self.protocol == HubProtocolKind::Classic {
            return serde_json::from_slice::<ClassicResult>(&record)
                .ok()
                .map(|answer| answer.result);
        }
        match self.protocol.read(self.protocol.unframed(&mut record)) {
            Ok(HubMessage::Completion { outcome: Completed::Result(payload), .. }) => {
                payload.read::<Value>().ok()
            }
            _ => None,
        }
    }

    /// The refusal, if the call was refused by the method or a filter.
    pub fn error(&self) -> Option<&HubError> {
        match &self.ending {
            Err(Failure::Refused(error) | Failure::Streaming(error)) => Some(error),
            _ => None,
        }
    }

    /// Puts a result in the place of what there was. A stream has none: it ends, and without an
    /// error.
    pub fn set<T: Serialize + ?Sized>(&mut self, result: &T) {
        let mut record = Vec::new();
        if self.streams {
            self.protocol.write_end(&mut record, &self.id);
            self.ending = Ok(record);
            return;
        }
        let written = self.protocol.write_result(&mut record, &self.id, result);
        self.ending = written.map(|()| record).map_err(Failure::Unwritable);
    }

    /// Puts a refusal in the place of what there was.
    pub fn refuse(&mut self, error: HubError) {
        self.ending = Err(Failure::Refused(error));
    }
}

/// The result in the answer to a classic call; there is none where it is null (LEG-048).
#[derive(Deserialize)]
struct ClassicResult {
    #[serde(rename = "R", default = "nothing")]
    result: Value,
}

fn nothing() -> Value {
    Value::Null
}

/// What a filter left of a call, before its method.
pub(super) enum Admission<'a> {
    /// The method runs with these arguments.
    Run(Box<FilteredCall>, Arguments<'a>),
    /// It was refused; filters in front of the one that did so still have a word.
    Refused(Box<FilteredCall>, HubError),
}

impl<H: Hub> HubEndpoint<H> {
    /// Brings a call through the filters. `memory` holds what they change.
    pub(super) fn admit_call<'a>(
        &mut self,
        registry: &mut Registry,
        caller: Caller<'_>,
        checks: &Checks,
        arguments: Arguments<'a>,
        memory: &'a mut Vec<u8>,
    ) -> Result<Admission<'a>, Failure> {
        fits(registry, checks.method, &arguments)?;
        checks.pass()?;
        let encoded = arguments.to_owned_arguments();
        let Caller { key, protocol, target, .. } = caller;
        let method = target.clone();
        let streams = checks.method.streams;
        let (decoded, replaced, passed) = (None, false, 0);
        let call = FilteredCall { method, protocol, streams, encoded, decoded, replaced, passed };
        let mut call = Box::new(call);
        let methods = self.methods.clone();
        for filter in &methods.filters {
            let Some(state) = self.states.get_mut(key) else { break };
            let mut context = Context::new(registry, self.world, key, state);
            let hub = &mut self.hub;
            match contained(|| filter.invoking(hub, &mut context, &mut call)) {
                Ok(Ok(())) => call.passed += 1,
                Ok(Err(error)) => return Ok(Admission::Refused(call, error)),
                Err(panic) => return Ok(Admission::Refused(call, panicked(registry, panic))),
            }
        }
        Ok(match call.rewrite(memory) {
            Ok(replaced) => Admission::Run(call, replaced.unwrap_or(arguments)),
            Err(error) => {
                let error = HubError::internal(error.type_name, error.detail);
                Admission::Refused(call, error)
            }
        })
    }

    /// Brings the ending of a method back through the filters that let the call through, the
    /// innermost first. Returns the completion that is to be sent.
    pub(super) fn review(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        mut call: Box<FilteredCall>,
        id: Option<&str>,
        ending: Result<Result<Vec<u8>, Failure>, String>,
    ) -> Result<Vec<u8>, Failure> {
        let ending = match ending {
            Ok(Err(Failure::Binding(error))) => {
                // They did fit when they came.
                let error = HubError::internal(BindingError::TYPE_NAME, error.to_string());
                Err(Failure::Refused(error))
            }
            Ok(ending) => ending,
            Err(panic) => Err(Failure::Refused(panicked(registry, panic))),
        };
        let id = id.unwrap_or(UNASKED).to_owned();
        let (protocol, streams) = (call.protocol, call.streams);
        let mut outcome = CallOutcome { protocol, streams, id, ending };
        let methods = self.methods.clone();
        for filter in methods.filters[..call.passed].iter().rev() {
            let Some(state) = self.states.get_mut(key) else { break };
            let mut context = Context::new(registry, self.world, key, state);
            let hub = &mut self.hub;
            let call = &mut call;
            if let Err(panic) = contained(|| filter.invoked(hub, &mut context, call, &mut outcome))
            {
                outcome.refuse(panicked(registry, panic));
            }
        }
        outcome.ending
    }
}

impl<H: Hub> Methods<H> {
    /// Puts a filter around the methods and the lifecycle of the hub, inside of those that were
    /// added before.
    pub fn filter(&mut self, filter: impl Filter<H>) -> &mut Self {
        self.filters.push(Box::new(filter));
        self
    }

    /// `on_connected`, with the filters around it.
    pub(super) fn connect(
        &self,
        hub: &mut H,
        context: &mut Context<'_, H>,
    ) -> Result<(), HubError> {
        let mut outcome = Ok(());
        let mut passed = 0;
        for filter in &self.filters {
            outcome = filter.connecting(hub, context);
            if outcome.is_err() {
                break;
            }
            passed += 1;
        }
        if outcome.is_ok() {
            outcome = hub.on_connected(context);
        }
        for filter in self.filters[..passed].iter().rev() {
            filter.connected(hub, context, &mut outcome);
        }
        outcome
    }

    /// `on_disconnected`, with the filters around it.
    pub(super) fn disconnect(
        &self,
        hub: &mut H,
        context: &mut Context<'_, H>,
        reason: &Closed,
    ) -> Result<(), HubError> {
        for filter in &self.filters {
            filter.disconnecting(hub, context, reason);
        }
        let outcome = hub.on_disconnected(context, reason);
        for filter in self.filters.iter().rev() {
            filter.disconnected(hub, context, reason);
        }
        outcome
    }
}

/// The id under which the result of a call is written that nobody waits for: filters may look at
/// it, and it is not sent.
pub(super) const UNASKED: &str = "0";

fn panicked(registry: &mut Registry, panic: String) -> HubError {
    registry.count_panic();
    tracing::error!(panic, "a filter or a filtered hub method panicked; its caller is told");
    HubError::internal("Panic", panic)
}
