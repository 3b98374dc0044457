//! How much one client may send: token buckets, per connection.

use std::time::Duration;

use super::endpoint::{HubEndpoint, queue};
use super::registry::Registry;
use super::{Hub, dispatch::Flow};
use crate::base::{ConnectionKey, Moment};
use crate::protocol::hub_protocol::errors::{Detail, DetailedErrors};
use crate::protocol::hub_protocol::{HubMessage, HubProtocolKind, Invocation};

/// How much one connection may send to a hub.
///
/// Every message of the client counts. A call that is one too many is answered with an error
/// before any of its arguments is read; the connection goes on, and the caller may try again.
/// Messages that nobody waits for (pings, items of streams, answers) count and are never refused.
///
/// ```
/// use tickhub::{HubOptions, Rate, RateLimit};
///
/// let options = HubOptions {
///     rate_limit: Some(RateLimit {
///         messages: Some(Rate { per_second: 60, burst: 120 }),
///         bytes: Some(Rate { per_second: 64 * 1024, burst: 256 * 1024 }),
///     }),
///     ..HubOptions::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// Messages; nothing for no limit.
    pub messages: Option<Rate>,
    /// Bytes of messages, without what frames them; nothing for no limit.
    pub bytes: Option<Rate>,
}

/// So many in every second, and so many at once by who was silent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run (at least 1).
    pub per_second: u64,
    /// At once (at least 1). A message with more bytes than this never passes.
    pub burst: u64,
}

impl Rate {
    /// How long it takes until there is room for `count` again.
    fn time_of(self, count: u64) -> Duration {
        let nanos = u128::from(count) * 1_000_000_000 / u128::from(self.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What one connection has used: a bucket is kept as the moment when it will be full again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Buckets {
    messages: Moment,
    bytes: Moment,
}

impl Buckets {
    /// Takes one message out of both buckets, or nothing, when it is too much for one of them.
    fn take(&mut self, limit: &RateLimit, now: Moment, bytes: usize) -> bool {
        let messages = after(limit.messages, self.messages, now, 1);
        let bytes = after(limit.bytes, self.bytes, now, bytes as u64);
        match (messages, bytes) {
            (Some(messages), Some(bytes)) => {
                *self = Self { messages, bytes };
                true
            }
            _ => false,
        }
    }
}

/// When a bucket will be full again if `count` are taken now; nothing, if it has not so many.
fn after(rate: Option<Rate>, full: Moment, now: Moment, count: u64) -> Option<Moment> {
    let Some(rate) = rate else { return Some(full) };
    let full = full.max(now) + rate.time_of(count);
    (full <= now + rate.time_of(rate.burst)).then_some(full)
}

/// What is left of the rate limit of a connection for one message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Charge {
    /// There is no limit.
    Free,
    /// It was paid; this is what there was before.
    Paid(Buckets),
    /// It is one too many.
    Excess,
}

impl<H: Hub> HubEndpoint<H> {
    /// Counts a message.
    pub(super) fn charge(&mut self, now: Moment, key: ConnectionKey, bytes: usize) -> Charge {
        let Some(limit) = &self.options.rate_limit else { return Charge::Free };
        let Some(buckets) = self.buckets.get_mut(key) else { return Charge::Free };
        let before = *buckets;
        if buckets.take(limit, now, bytes) { Charge::Paid(before) } else { Charge::Excess }
    }

    /// A message was put off: it is counted when it comes again.
    pub(super) fn refund(&mut self, key: ConnectionKey, charge: Charge) {
        if let Charge::Paid(before) = charge {
            self.buckets.insert(key, before);
        }
    }

    /// Answers a call that was one too many. Other messages are as good as ever.
    pub(super) fn on_excess(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        protocol: HubProtocolKind,
        message: HubMessage<'_>,
    ) -> Flow {
        let (HubMessage::Invocation(invocation) | HubMessage::StreamInvocation(invocation)) =
            message
        else {
            return self.on_message(registry, key, message);
        };
        let Invocation { invocation_id, target, .. } = invocation;
        registry.count_rate_limited();
        tracing::debug!(%target, "a call was refused: the client sends more than it may");
        if let Some(id) = invocation_id {
            let methods = &self.methods;
            let target = methods.find(&target).map_or(&*target, |method| &method.name);
            let detail = Detail::hub(EXCEEDED);
            let text = DetailedErrors(false).invocation_failed(target, detail);
            queue(registry, key, |out| protocol.write_error(out, &id, &text));
        }
        Flow::Next
    }
}

/// What the caller reads.
pub(super) const EXCEEDED: &str = "The rate limit of the connection is exceeded.";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn taken(buckets: &mut Buckets, limit: &RateLimit, now: Moment, bytes: usize) -> usize {
        (0..1_000).take_while(|_| buckets.take(limit, now, bytes)).count()
    }

    #[test]
    fn a_burst_at_once_and_then_the_rate() {
        let rate = Some(Rate { per_second: 10, burst: 5 });
        let limit = RateLimit { messages: rate, bytes: None };
        let mut buckets = Buckets::default();
        assert_eq!(taken(&mut buckets, &limit, at(0), 1_000_000), 5);
        assert_eq!(taken(&mut buckets, &limit, at(99), 0), 0);
        assert_eq!(taken(&mut buckets, &limit, at(100), 0), 1);
        assert_eq!(taken(&mut buckets, &limit, at(399), 0), 2);
        assert_eq!(taken(&mut buckets, &limit, at(400), 0), 1);
        // Silence fills the bucket, and no more than that.
        assert_eq!(taken(&mut buckets, &limit, at(100_000), 0), 5);
    }

    #[test]
    fn bytes_count_by_themselves() {
        let bytes = Some(Rate { per_second: 1_000, burst: 100 });
        let limit = RateLimit { messages: None, bytes };
        let mut buckets = Buckets::default();
        assert!(!buckets.take(&limit, at(0), 101), "more than ever fits");
        assert!(buckets.take(&limit, at(0), 100));
        assert!(!buckets.take(&limit, at(49), 50));
        assert!(buckets.take(&limit, at(50), 50));
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let limit = RateLimit {
            messages: Some(Rate { per_second: 1, burst: 1 }),
            bytes: Some(Rate { per_second: 1, burst: 10 }),
        };
        let mut buckets = Buckets::default();
        assert!(!buckets.take(&limit, at(0), 11));
        assert!(buckets.take(&limit, at(0), 1));
        assert!(!buckets.take(&limit, at(0), 1));
        assert_eq!(
            taken(&mut buckets, &limit, at(1_000), 9),
            1,
            "nine of ten are left and one came"
        );
    }
}
