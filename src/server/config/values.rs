//! How values are written in a configuration file.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IntoDeserializer as _};
use toml::Spanned;
use toml::de::DeValue;

use super::table::{Keys, Written, Wrong};
use crate::auth::KeyRing;
use crate::classic::ClassicTransports;
use crate::hub::{Rate, RateLimit};
use crate::io::DriverChoice;
use crate::protocol::hub_protocol::HubProtocolKind;
use crate::protocol::negotiate::Transports;
use crate::protocol::websocket::deflate::Compression;

/// A time as text: `"15s"`, `"1m 30s"`, `"250ms"`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Time(#[serde(with = "humantime_serde")] Duration);

impl From<Time> for Duration {
    fn from(Time(time): Time) -> Self {
        time
    }
}

/// A time, or the word `"never"`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a time such as \"2m\", or \"never\"")]
pub(super) enum TimeOrNever {
    Time(Time),
    Never(Never),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Never {
    Never,
}

impl From<TimeOrNever> for Option<Duration> {
    fn from(time: TimeOrNever) -> Self {
        match time {
            TimeOrNever::Time(time) => Some(time.into()),
            TimeOrNever::Never(Never::Never) => None,
        }
    }
}

/// A number of bytes, or the word `"unlimited"`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a number of bytes, or \"unlimited\"")]
pub(super) enum BytesOrUnlimited {
    Bytes(usize),
    Unlimited(Unlimited),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unlimited {
    Unlimited,
}

impl From<BytesOrUnlimited> for Option<usize> {
    fn from(bytes: BytesOrUnlimited) -> Self {
        match bytes {
            BytesOrUnlimited::Bytes(bytes) => Some(bytes),
            BytesOrUnlimited::Unlimited(Unlimited::Unlimited) => None,
        }
    }
}

/// `"auto"`, `"uring"` or `"epoll"`.
pub(super) struct Driver(DriverChoice);

impl<'de> Deserialize<'de> for Driver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        DriverChoice::from_str(&word).map(Self).map_err(D::Error::custom)
    }
}

impl From<Driver> for DriverChoice {
    fn from(Driver(choice): Driver) -> Self {
        choice
    }
}

/// Names of transports, as in negotiation.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct TransportNames(Vec<TransportName>);

#[derive(Clone, Copy, Deserialize)]
enum TransportName {
    WebSockets,
    ServerSentEvents,
    LongPolling,
}

impl From<TransportNames> for Transports {
    fn from(TransportNames(names): TransportNames) -> Self {
        names.into_iter().fold(Self::NONE, |all, name| {
            all | match name {
                TransportName::WebSockets => Self::WEB_SOCKETS,
                TransportName::ServerSentEvents => Self::SERVER_SENT_EVENTS,
                TransportName::LongPolling => Self::LONG_POLLING,
            }
        })
    }
}

/// Names of the transports of classic SignalR.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct ClassicTransportNames(Vec<ClassicTransportName>);

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ClassicTransportName {
    WebSockets,
    ServerSentEvents,
    ForeverFrame,
    LongPolling,
}

impl From<ClassicTransportNames> for ClassicTransports {
    fn from(ClassicTransportNames(names): ClassicTransportNames) -> Self {
        Self {
            web_sockets: names.contains(&ClassicTransportName::WebSockets),
            server_sent_events: names.contains(&ClassicTransportName::ServerSentEvents),
            forever_frame: names.contains(&ClassicTransportName::ForeverFrame),
            long_polling: names.contains(&ClassicTransportName::LongPolling),
        }
    }
}

/// The keys of tokens: the first makes them, all of them are accepted.
pub(super) struct KeyTexts(KeyRing);

impl Written for KeyTexts {
    fn read(value: Spanned<DeValue<'_>>) -> Result<Self, Vec<Wrong>> {
        let at = value.span().start;
        // What stands there is nobody's business.
        let wrong = |what: &str| {
            vec![Wrong { at, below: String::new(), written: None, what: what.to_owned() }]
        };
        let texts = Vec::<String>::deserialize(value.into_deserializer());
        let texts = texts.map_err(|_| wrong("a list of keys is expected, the newest first"))?;
        let mut ring: Option<KeyRing> = None;
        for text in &texts {
            let next = match ring {
                None => KeyRing::from_text(text),
                Some(ring) => ring.accept_text(text),
            };
            ring = Some(next.map_err(|error| wrong(&error.to_string()))?);
        }
        ring.map(Self).ok_or_else(|| wrong("there must be one key at least"))
    }
}

impl From<KeyTexts> for Option<KeyRing> {
    fn from(KeyTexts(keys): KeyTexts) -> Self {
        Some(keys)
    }
}

/// Names of hub protocols, as in the handshake.
pub(super) struct ProtocolNames(Vec<HubProtocolKind>);

impl<'de> Deserialize<'de> for ProtocolNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let known = |name: &String| {
            HubProtocolKind::from_name(name).ok_or_else(|| {
                let all = HubProtocolKind::ALL.iter().map(|kind| kind.name());
                let all: Vec<_> = all.collect();
                D::Error::custom(format!("{name:?} is no hub protocol: say {}", all.join(" or ")))
            })
        };
        names.iter().map(known).collect::<Result<_, _>>().map(Self)
    }
}

impl From<ProtocolNames> for Vec<HubProtocolKind> {
    fn from(ProtocolNames(kinds): ProtocolNames) -> Self {
        kinds
    }
}

/// `{ messages = { per_second = 60, burst = 120 }, bytes = … }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateLimits {
    messages: Option<PerSecond>,
    bytes: Option<PerSecond>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PerSecond {
    per_second: u64,
    burst: u64,
}

impl From<RateLimits> for Option<RateLimit> {
    fn from(limits: RateLimits) -> Self {
        let rate = |PerSecond { per_second, burst }| Rate { per_second, burst };
        Some(RateLimit { messages: limits.messages.map(rate), bytes: limits.bytes.map(rate) })
    }
}

/// `{ message_bytes_min = 256, … }`: what is not said is as by default.
pub(super) struct CompressionTable(Compression);

impl Written for CompressionTable {
    fn read(value: Spanned<DeValue<'_>>) -> Result<Self, Vec<Wrong>> {
        let mut keys = Keys::of(value, "a table; an empty one for the defaults")?;
        let usual = Compression::default();
        let compression = Compression {
            server_no_context_takeover: keys
                .take("server_no_context_takeover")
                .unwrap_or(usual.server_no_context_takeover),
            client_no_context_takeover: keys
                .take("client_no_context_takeover")
                .unwrap_or(usual.client_no_context_takeover),
            server_max_window_bits: keys
                .take("server_max_window_bits")
                .unwrap_or(usual.server_max_window_bits),
            message_bytes_min: keys.take("message_bytes_min").unwrap_or(usual.message_bytes_min),
            contexts_max: keys.take("contexts_max").unwrap_or(usual.contexts_max),
        };
        keys.end(Self(compression))
    }
}

impl From<CompressionTable> for Option<Compression> {
    fn from(CompressionTable(compression): CompressionTable) -> Self {
        Some(compression)
    }
}
