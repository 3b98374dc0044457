//! Which options a configuration file may set, under which names.

use std::net::SocketAddr;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::Config;
use super::access::{AllowedOrigins, Authorize, CorsTable};
use super::table::{Written, Wrong};
use super::values::{
    BytesOrUnlimited, ClassicTransportNames, CompressionTable, Driver, KeyTexts, ProtocolNames,
    RateLimits, Time, TimeOrNever, TransportNames,
};
use crate::classic::ClassicOptions;
use crate::hub::HubOptions;
use crate::raw::RawOptions;
use crate::transport::ConnectionOptions;

/// Everything that can be set for the path of a hub.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct HubPath {
    pub(in crate::server) hub: HubOptions,
    pub(in crate::server) connection: ConnectionOptions,
}

/// Sets one option. With true it yields to a value that is not the default: code has set that.
pub(super) type Set<T> = Arc<dyn Fn(&mut T, bool) + Send + Sync>;

/// Options that can be set one by one.
pub(super) trait Optional: Sized {
    /// Their names in a file.
    fn names() -> Vec<&'static str>;

    /// Reads the option with that name; nothing, if there is none.
    fn read(name: &str, value: Spanned<DeValue<'_>>) -> Option<Read<Self>>;
}

/// What came of reading one option.
pub(super) type Read<T> = Result<Named<T>, Vec<Wrong>>;

/// A name, and what sets the option of that name.
pub(super) type Named<T> = (&'static str, Set<T>);

/// A row: the name, how the value is written, and where it goes.
macro_rules! names {
    ($target:ident { $($name:ident: $written:ty => $($place:ident).+;)* }) => {
        impl Optional for $target {
            fn names() -> Vec<&'static str> {
                vec![$(stringify!($name)),*]
            }

            fn read(name: &str, value: Spanned<DeValue<'_>>) -> Option<Read<Self>> {
                match name {
                    $(stringify!($name) => {
                        let read = <$written as Written>::read(value);
                        Some(read.map(|read| {
                            let mut wanted = Self::default();
                            wanted.$($place).+ = read.into();
                            let set: Set<Self> = Arc::new(move |target: &mut Self, yields| {
                                let place = &mut target.$($place).+;
                                if !yields || *place == Self::default().$($place).+ {
                                    place.clone_from(&wanted.$($place).+);
                                }
                            });
                            (stringify!($name), set)
                        }))
                    })*
                    _ => None,
                }
            }
        }
    };
}

impl Optional for HubPath {
    fn names() -> Vec<&'static str> {
        [HubOptions::names(), ConnectionOptions::names()].concat()
    }

    fn read(name: &str, value: Spanned<DeValue<'_>>) -> Option<Read<Self>> {
        if HubOptions::names().contains(&name) {
            within(HubOptions::read(name, value), |path: &mut Self| &mut path.hub)
        } else {
            within(ConnectionOptions::read(name, value), |path: &mut Self| &mut path.connection)
        }
    }
}

/// What was read for a part of the options, for the whole.
fn within<W: 'static, P: 'static>(
    read: Option<Read<P>>,
    part: fn(&mut W) -> &mut P,
) -> Option<Read<W>> {
    let widen = |(name, set): Named<P>| -> Named<W> {
        (name, Arc::new(move |whole: &mut W, yields| set(part(whole), yields)))
    };
    read.map(|read| read.map(widen))
}

names! { Config {
    listen: Vec<SocketAddr> => listen;
    shards: usize => shards;
    driver: Driver => driver;
    drain_timeout: Time => drain_timeout;
    idle_timeout: Time => http.idle_timeout;
    request_timeout: Time => http.request_timeout;
    linger_timeout: Time => http.linger_timeout;
    sockets_max: usize => http.sockets_max;
    connections_max: usize => http.connections_max;
    stateful_bytes_max: usize => http.stateful_bytes_max;
    line_bytes_max: usize => http.limits.line_bytes_max;
    headers_bytes_max: usize => http.limits.headers_bytes_max;
    headers_max: usize => http.limits.headers_max;
    body_bytes_max: u64 => http.limits.body_bytes_max;
    chunk_overhead_bytes_max: usize => http.limits.chunk_overhead_bytes_max;
} }

names! { HubOptions {
    handshake_timeout: Time => handshake_timeout;
    keep_alive_interval: Time => keep_alive_interval;
    client_timeout_interval: Time => client_timeout_interval;
    maximum_receive_message_size: BytesOrUnlimited => maximum_receive_message_size;
    enable_detailed_errors: bool => enable_detailed_errors;
    maximum_parallel_invocations_per_client: u16 => maximum_parallel_invocations_per_client;
    supported_protocols: ProtocolNames => supported_protocols;
    maximum_streams_per_client: usize => maximum_streams_per_client;
    stream_buffer_capacity: usize => stream_buffer_capacity;
    stateful_reconnect_buffer_size: usize => stateful_reconnect_buffer_size;
    rate_limit: RateLimits => rate_limit;
} }

names! { ConnectionOptions {
    application_max_buffer_bytes: usize => application_max_buffer_bytes;
    transports: TransportNames => transports;
    disconnect_timeout: Time => disconnect_timeout;
    poll_timeout: Time => poll_timeout;
    close_timeout: Time => close_timeout;
    minimum_protocol_version: i32 => minimum_protocol_version;
    sub_protocols: Vec<String> => sub_protocols;
    compression: CompressionTable => compression;
    fragments_max: u32 => websocket.fragments_max;
    soft_bytes: usize => outbox.soft_bytes;
    hard_bytes: usize => outbox.hard_bytes;
    stall_timeout: Time => outbox.stall_timeout;
    groups_max: usize => groups_max;
    group_name_bytes_max: usize => group_name_bytes_max;
    questions_max: usize => questions_max;
    allow_stateful_reconnects: bool => allow_stateful_reconnects;
    authorize: Authorize => authorize;
    close_on_authentication_expiration: bool => close_on_authentication_expiration;
    allowed_origins: AllowedOrigins => allowed_origins;
    cors: CorsTable => cors;
} }

names! { ClassicOptions {
    connection_timeout: Time => connection_timeout;
    disconnect_timeout: Time => disconnect_timeout;
    keep_alive: TimeOrNever => keep_alive;
    transport_connect_timeout: Time => transport_connect_timeout;
    long_poll_delay: Time => long_poll_delay;
    default_message_buffer_size: usize => default_message_buffer_size;
    message_buffer_bytes_max: usize => message_buffer_bytes_max;
    max_incoming_websocket_message_size: BytesOrUnlimited => max_incoming_websocket_message_size;
    calls_max: u32 => calls_max;
    enable_jsonp: bool => enable_jsonp;
    enable_detailed_errors: bool => enable_detailed_errors;
    enable_javascript_proxies: bool => enable_javascript_proxies;
    transports: ClassicTransportNames => transports;
    keys: KeyTexts => keys;
    soft_bytes: usize => connection.outbox.soft_bytes;
    hard_bytes: usize => connection.outbox.hard_bytes;
    stall_timeout: Time => connection.outbox.stall_timeout;
    groups_max: usize => connection.groups_max;
    group_name_bytes_max: usize => connection.group_name_bytes_max;
    authorize: Authorize => connection.authorize;
    close_on_authentication_expiration: bool => connection.close_on_authentication_expiration;
    allowed_origins: AllowedOrigins => connection.allowed_origins;
    cors: CorsTable => connection.cors;
} }

names! { RawOptions {
    message_bytes_max: usize => message_bytes_max;
    fragments_max: u32 => fragments_max;
    keep_alive_interval: TimeOrNever => keep_alive_interval;
    close_timeout: Time => close_timeout;
    keep_alive_timeout: TimeOrNever => keep_alive_timeout;
    sub_protocols: Vec<String> => sub_protocols;
    soft_bytes: usize => outbox.soft_bytes;
    hard_bytes: usize => outbox.hard_bytes;
    stall_timeout: Time => outbox.stall_timeout;
    compression: CompressionTable => compression;
    authorize: Authorize => authorize;
    close_on_authentication_expiration: bool => close_on_authentication_expiration;
    allowed_origins: AllowedOrigins => allowed_origins;
} }
