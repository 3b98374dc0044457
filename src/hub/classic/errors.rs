//! What the caller of a failed method reads (§4.3), and how the answers of a hub leave.

use super::super::Hub;
use super::super::dispatch::{Caller, Manner};
use super::super::endpoint::HubEndpoint;
use super::super::error::HubError;
use super::super::methods::Failure;
use super::super::rate_limit::EXCEEDED;
use super::super::registry::Registry;
use crate::base::ConnectionKey;
use crate::protocol::classic::call::{self, CallError};
use crate::protocol::classic::errors;

impl<H: Hub> HubEndpoint<H> {
    /// Answers a call of a classic client that failed. Without detailed errors it reads one text
    /// for everything, unless the method has meant the error for it.
    pub(in crate::hub) fn answer_classic(
        &self,
        registry: &mut Registry,
        caller: Caller<'_>,
        failure: &Failure,
    ) {
        let Some(id) = caller.id else { return };
        let detailed =
            registry.get(caller.key).is_some_and(|connection| connection.hub.detailed);
        let hub = registry.world_name(self.world);
        let called = registry.asked(id).map_or("", |asked| &*asked.called);
        let error = match failure {
            Failure::Refused(error) | Failure::Streaming(error) if error.is_public() => CallError {
                text: error.message().to_owned(),
                is_hub_exception: true,
                data: error.data().cloned(),
            },
            _ if !detailed => CallError::of(errors::invocation_failed(called)),
            Failure::Refused(error) | Failure::Streaming(error) => {
                CallError::of(error.message().to_owned())
            }
            Failure::Unresolved(candidates) => CallError::of(match candidates.as_deref() {
                None => errors::unknown_method(method_of(called)),
                Some(candidates) => errors::no_overload(method_of(called), candidates),
            }),
            Failure::Unauthorized => CallError::of(errors::unauthorized(caller.target, &hub)),
            Failure::Binding(error) => CallError::of(error.to_string()),
            Failure::Unwritable(error) => CallError::of(error.detail.clone()),
            Failure::WrongKind(Manner::Plain) => CallError::of(format!(
                "The method '{}' answers with a stream, which this protocol does not know.",
                caller.target
            )),
            Failure::WrongKind(Manner::Stream)
            | Failure::Uploads { .. }
            | Failure::InUse
            | Failure::NoStream => CallError::of(errors::invocation_failed(called)),
        };
        let mut record = Vec::new();
        call::write_error(&mut record, id, &error);
        registry.reply(id, record);
    }

    /// A call that is one too many for the rate limit of its connection.
    pub(super) fn answer_excess(&self, registry: &mut Registry, key: ConnectionKey, id: &str) {
        registry.count_rate_limited();
        let target = "".into();
        let protocol = crate::protocol::hub_protocol::HubProtocolKind::Classic;
        let caller = Caller { key, protocol, target: &target, id: Some(id) };
        self.answer_classic(registry, caller, &Failure::Refused(HubError::new(EXCEEDED)));
    }
}

/// The method in what was called: what is behind the first dot, as names of hubs have none.
fn method_of(called: &str) -> &str {
    called.split_once('.').map_or(called, |(_, method)| method)
}
