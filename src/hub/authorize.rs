//! Whether a caller may call a method (§6.8).

use super::Hub;
use super::dispatch::fits;
use super::endpoint::{HubEndpoint, contained};
use super::methods::{Entry, Failure};
use super::registry::Registry;
use crate::auth::{Access, Policy};
use crate::base::ConnectionKey;
use crate::protocol::hub_protocol::Arguments;

impl<H: Hub> HubEndpoint<H> {
    /// Holds a call against the policy of its method. Arguments that do not fit are told before
    /// (§3.6); the policy may look at them. Most methods have none, and pay nothing.
    pub(super) fn authorize(
        registry: &mut Registry,
        key: ConnectionKey,
        method: &Entry<H>,
        arguments: &Arguments<'_>,
    ) -> Result<(), Failure> {
        let Some(policy) = &method.policy else { return Ok(()) };
        fits(registry, method.shape, arguments)?;
        if is_allowed(registry, key, policy, &method.name, arguments) {
            return Ok(());
        }
        Err(Failure::Unauthorized)
    }
}

fn is_allowed(
    registry: &mut Registry,
    key: ConnectionKey,
    policy: &Policy,
    method: &str,
    arguments: &Arguments<'_>,
) -> bool {
    let Some(connection) = registry.get(key) else { return false };
    let request = connection.request.as_deref().map(|request| request.head());
    let access = Access::call_of(connection.identity.as_deref(), request, method, arguments);
    contained(|| policy.allows(&access)).unwrap_or_else(|panic| {
        registry.count_panic();
        tracing::error!(method, panic, "a policy panicked; the call is refused");
        false
    })
}
