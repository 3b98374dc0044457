//! What the caller of a failed method reads (§4.3), and how the answers of a hub leave.

use super::super::Hub;
use super::super::dispatch::Caller;
use super::super::endpoint::HubEndpoint;
use super::super::error::HubError;
use super::super::methods::Failure;
use super::super::rate_limit::EXCEEDED;
use super::super::registry::Registry;
use super::Asked;
use crate::base::ConnectionKey;
use crate::protocol::classic::{self, errors, write_error, write_json};
use crate::protocol::hub_protocol::{HubProtocolKind, shown};

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
        let detailed = registry.get(caller.key).is_some_and(|connection| connection.hub.detailed);
        let declared = registry.world_name(self.world);
        let (hub, method) = registry.asked(id).map_or(("", ""), Asked::called);
        let (mut data, mut is_hub_exception) = (None, false);
        let text = match failure {
            Failure::Refused(error) | Failure::Streaming(error) if error.is_public() => {
                is_hub_exception = true;
                data = error.data().and_then(|data| {
                    let mut json = Vec::new();
                    write_json(&mut json, data).ok()?;
                    String::from_utf8(json).ok()
                });
                error.message().to_owned()
            }
            _ if !detailed => errors::invocation_failed(hub, method),
            Failure::Refused(error) | Failure::Streaming(error) => error.message().to_owned(),
            Failure::Unresolved(None) => errors::unknown_method(method),
            Failure::Unresolved(Some(candidates)) => {
                errors::no_such_overload(method, candidates.lines())
            }
            Failure::Unauthorized => errors::not_authorized(&declared, caller.target),
            Failure::Binding(error) => error.to_string(),
            Failure::Unwritable(error) => error.detail.clone(),
            Failure::WrongKind(_)
            | Failure::Uploads { .. }
            | Failure::InUse
            | Failure::NoStream => {
                format!(
                    "The method '{method}' answers with a stream, which this protocol does not know."
                )
            }
        };
        let failure = classic::Failure { text: &text, is_hub_exception, data: data.as_deref() };
        let mut record = Vec::new();
        write_error(&mut record, shown(id), &failure, None);
        registry.reply(id, record);
    }

    /// A call that is one too many for the rate limit of its connection.
    pub(super) fn answer_excess(&self, registry: &mut Registry, key: ConnectionKey, id: &str) {
        registry.count_rate_limited();
        let target = "".into();
        let protocol = HubProtocolKind::Classic;
        let caller = Caller { key, protocol, target: &target, id: Some(id) };
        self.answer_classic(registry, caller, &Failure::Refused(HubError::new(EXCEEDED)));
    }
}
