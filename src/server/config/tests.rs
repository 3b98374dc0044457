//! What a file says arrives where it belongs, and what is wrong with it is told.

use std::path::Path;
use std::time::Duration;

use super::names::{HubPath, Optional as _};
use super::{Config, Settings};
use crate::auth::{Cors, Origins, Policy};
use crate::classic::ClassicOptions;
use crate::hub::{HubOptions, Rate, RateLimit};
use crate::io::DriverChoice;
use crate::protocol::hub_protocol::HubProtocolKind;
use crate::protocol::negotiate::Transports;
use crate::protocol::websocket::deflate::Compression;
use crate::raw::RawOptions;
use crate::server::error::{ConfigPlace, Error};

fn read(text: &str) -> Settings {
    Settings::read(Path::new("t.toml"), text)
}

fn mistakes(text: &str) -> Vec<String> {
    read(text).mistakes().iter().map(ToString::to_string).collect()
}

fn hub_at(settings: &Settings, path: &str) -> HubPath {
    let mut options = HubPath::default();
    settings.configure_hub(path, &mut options);
    options
}

#[test]
fn every_option_of_a_file_arrives() {
    let text = r#"
        [server]
        listen = ["127.0.0.1:1", "[::1]:2"]
        shards = 3
        driver = "epoll"
        drain_timeout = "1m 30s"
        idle_timeout = "250ms"
        request_timeout = "2s"
        linger_timeout = "3s"
        sockets_max = 4
        connections_max = 5
        line_bytes_max = 6
        headers_bytes_max = 7
        headers_max = 8
        body_bytes_max = 9
        chunk_overhead_bytes_max = 10
        stateful_bytes_max = 11

        [hub]
        handshake_timeout = "1s"
        keep_alive_interval = "2s"
        client_timeout_interval = "3s"
        maximum_receive_message_size = "unlimited"
        enable_detailed_errors = true
        maximum_parallel_invocations_per_client = 4
        supported_protocols = ["messagepack"]
        rate_limit = { messages = { per_second = 1, burst = 2 }, bytes = { per_second = 3, burst = 4 } }
        application_max_buffer_bytes = 5
        transports = ["LongPolling", "WebSockets"]
        disconnect_timeout = "6s"
        poll_timeout = "7s"
        close_timeout = "8s"
        minimum_protocol_version = 1
        fragments_max = 9
        soft_bytes = 10
        hard_bytes = 11
        stall_timeout = "12s"
        groups_max = 13
        group_name_bytes_max = 14
        questions_max = 15
        stateful_reconnect_buffer_size = 16
        allow_stateful_reconnects = true
        sub_protocols = ["c"]
        close_on_authentication_expiration = true
        allowed_origins = ["https://app.example"]
        maximum_streams_per_client = 17
        stream_buffer_capacity = 18
        compression = { contexts_max = 19 }
        authorize = "signed_in"
        cors = { origins = ["https://app.example"] }

        [websockets."/ws"]
        message_bytes_max = 1
        fragments_max = 2
        keep_alive_interval = "never"
        close_timeout = "3s"
        keep_alive_timeout = "7s"
        sub_protocols = ["a", "b"]
        close_on_authentication_expiration = true
        allowed_origins = "any"
        authorize = "named"
        compression = {}
        soft_bytes = 4
        hard_bytes = 5
        stall_timeout = "6s"
        "#;
    let settings = read(text);
    assert_eq!(settings.mistakes(), []);
    let mut config = Config::default();
    settings.configure(&mut config);
    let seconds = Duration::from_secs;
    assert_eq!(config.listen[1].to_string(), "[::1]:2");
    assert_eq!((config.listen.len(), config.shards), (2, 3));
    assert_eq!((config.driver, config.drain_timeout), (DriverChoice::Epoll, seconds(90)));
    let http = &config.http;
    assert_eq!(http.idle_timeout, Duration::from_millis(250));
    assert_eq!((http.request_timeout, http.linger_timeout), (seconds(2), seconds(3)));
    assert_eq!((http.sockets_max, http.connections_max), (4, 5));
    let limits = &http.limits;
    assert_eq!((limits.line_bytes_max, limits.headers_bytes_max, limits.headers_max), (6, 7, 8));
    assert_eq!((limits.body_bytes_max, limits.chunk_overhead_bytes_max), (9, 10));
    assert_eq!(http.stateful_bytes_max, 11);

    let HubPath { hub, connection } = hub_at(&settings, "/any");
    assert_eq!(hub.handshake_timeout, seconds(1));
    assert_eq!((hub.keep_alive_interval, hub.client_timeout_interval), (seconds(2), seconds(3)));
    assert_eq!((hub.maximum_receive_message_size, hub.enable_detailed_errors), (None, true));
    assert_eq!(hub.maximum_parallel_invocations_per_client, 4);
    assert_eq!(hub.supported_protocols, [HubProtocolKind::MessagePack]);
    let rate = |per_second, burst| Some(Rate { per_second, burst });
    assert_eq!(hub.rate_limit, Some(RateLimit { messages: rate(1, 2), bytes: rate(3, 4) }));
    assert_eq!(connection.application_max_buffer_bytes, 5);
    assert_eq!(connection.transports, Transports::WEB_SOCKETS | Transports::LONG_POLLING);
    assert_eq!((connection.disconnect_timeout, connection.poll_timeout), (seconds(6), seconds(7)));
    assert_eq!((connection.close_timeout, connection.minimum_protocol_version), (seconds(8), 1));
    assert_eq!(connection.websocket.fragments_max, 9);
    let outbox = &connection.outbox;
    assert_eq!((outbox.soft_bytes, outbox.hard_bytes), (10, 11));
    assert_eq!(outbox.stall_timeout, seconds(12));
    assert_eq!((connection.groups_max, connection.group_name_bytes_max), (13, 14));
    assert_eq!((connection.questions_max, connection.sub_protocols), (15, vec!["c".to_owned()]));

    assert_eq!(hub.stateful_reconnect_buffer_size, 16);
    assert!(connection.allow_stateful_reconnects);
    assert!(connection.close_on_authentication_expiration);
    assert_eq!(connection.allowed_origins, Origins::list(["https://app.example"]));
    assert_eq!((hub.maximum_streams_per_client, hub.stream_buffer_capacity), (17, 18));
    let compression = Compression { contexts_max: 19, ..Compression::default() };
    assert_eq!(connection.compression, Some(compression));
    assert_eq!(connection.authorize, Some(Policy::signed_in()));
    assert_eq!(connection.cors, Some(Cors::origins(["https://app.example"])));

    let mut raw = RawOptions::default();
    settings.configure_websocket("/WS/", &mut raw);
    assert_eq!((raw.message_bytes_max, raw.fragments_max), (1, 2));
    assert_eq!((raw.keep_alive_interval, raw.close_timeout), (None, seconds(3)));
    assert_eq!(raw.sub_protocols, ["a", "b"]);
    assert_eq!(raw.keep_alive_timeout, Some(seconds(7)));
    assert_eq!((raw.outbox.soft_bytes, raw.outbox.hard_bytes), (4, 5));
    assert_eq!(raw.outbox.stall_timeout, seconds(6));
    assert!(raw.close_on_authentication_expiration);
    assert_eq!(raw.allowed_origins, Origins::Any);
    assert_eq!(
        (raw.authorize, raw.compression),
        (Some(Policy::named()), Some(Compression::default()))
    );
    // Every name was there: one that is added and not tried is found here.
    for name in [Config::names(), HubPath::names(), RawOptions::names()].concat() {
        assert!(text.contains(&format!("        {name} = ")), "{name}");
    }
}

#[test]
fn every_option_of_a_classic_path() {
    let text = r#"
        [classic."/signalr"]
        connection_timeout = "1m"
        disconnect_timeout = "2m"
        keep_alive = "3s"
        transport_connect_timeout = "4s"
        long_poll_delay = "5ms"
        default_message_buffer_size = 6
        message_buffer_bytes_max = 7
        max_incoming_websocket_message_size = "unlimited"
        calls_max = 8
        enable_jsonp = true
        enable_detailed_errors = true
        enable_javascript_proxies = false
        transports = ["foreverFrame", "longPolling"]
        keys = ["iIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIg=", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"]
        soft_bytes = 9
        hard_bytes = 10
        stall_timeout = "11s"
        groups_max = 12
        group_name_bytes_max = 13
        authorize = "signed_in"
        close_on_authentication_expiration = true
        allowed_origins = "any"
        cors = { origins = ["https://app.example"] }
        "#;
    let settings = read(text);
    assert_eq!(settings.mistakes(), []);
    let mut classic = ClassicOptions::default();
    settings.configure_classic("/SignalR/", &mut classic);
    let seconds = Duration::from_secs;
    assert_eq!(
        (classic.connection_timeout, classic.disconnect_timeout),
        (seconds(60), seconds(120))
    );
    assert_eq!(classic.keep_alive, Some(seconds(3)));
    assert_eq!(classic.transport_connect_timeout, seconds(4));
    assert_eq!(classic.long_poll_delay, Duration::from_millis(5));
    assert_eq!((classic.default_message_buffer_size, classic.message_buffer_bytes_max), (6, 7));
    assert_eq!((classic.max_incoming_websocket_message_size, classic.calls_max), (None, 8));
    assert!(classic.enable_jsonp && classic.enable_detailed_errors);
    assert!(!classic.enable_javascript_proxies);
    let transports = classic.transports;
    assert!(transports.forever_frame && transports.long_polling);
    assert!(!transports.web_sockets && !transports.server_sent_events);
    assert_eq!(format!("{:?}", classic.keys), "Some(KeyRing(2 keys))");
    let connection = &classic.connection;
    assert_eq!((connection.outbox.soft_bytes, connection.outbox.hard_bytes), (9, 10));
    assert_eq!(connection.outbox.stall_timeout, seconds(11));
    assert_eq!((connection.groups_max, connection.group_name_bytes_max), (12, 13));
    assert_eq!(connection.authorize, Some(Policy::signed_in()));
    assert!(connection.close_on_authentication_expiration);
    assert_eq!(connection.allowed_origins, Origins::Any);
    assert_eq!(connection.cors, Some(Cors::origins(["https://app.example"])));
    for name in ClassicOptions::names() {
        assert!(text.contains(&format!("        {name} = ")), "{name}");
    }
}

#[test]
fn keys_are_not_repeated_in_mistakes() {
    assert_eq!(
        mistakes(
            "[classic.'/a']\nkeys = ['a secret']\n[classic.'/b']\nkeys = []\n\
             [classic.'/c']\nkeys = 'another secret'\n"
        ),
        [
            "t.toml:2: classic /a: keys: a key is 32 bytes: 64 hexadecimal digits, or base64",
            "t.toml:4: classic /b: keys: there must be one key at least",
            "t.toml:6: classic /c: keys: a list of keys is expected, the newest first",
        ]
    );
}

#[test]
fn the_own_section_wins_then_code_then_the_section_of_all() {
    let settings = read(
        "[hub]\nhandshake_timeout = '1s'\nkeep_alive_interval = '2s'\nclose_timeout = '3s'\n\
         [hubs.'/chat']\nhandshake_timeout = '4s'\n",
    );
    let from_code = || {
        let hub = HubOptions {
            handshake_timeout: Duration::from_secs(8),
            keep_alive_interval: Duration::from_secs(9),
            ..HubOptions::default()
        };
        HubPath { hub, ..HubPath::default() }
    };
    let times = |path: &str| {
        let mut options = from_code();
        settings.configure_hub(path, &mut options);
        let HubPath { hub, connection } = options;
        [hub.handshake_timeout, hub.keep_alive_interval, connection.close_timeout]
            .map(|time| time.as_secs())
    };
    assert_eq!(times("/chat"), [4, 9, 3]);
    assert_eq!(times("/CHAT/"), [4, 9, 3], "paths are those of requests");
    assert_eq!(times("/other"), [8, 9, 3]);
}

#[test]
fn all_mistakes_of_a_file_are_told_with_their_lines() {
    let text = "[server]\nlisten = ['here']\nshards = -1\ncolour = 'red'\n\
        [hub]\nkeep_alive_interval = 15\ntransports = ['WebSocket']\n\
        maximum_receive_message_size = 'much'\nsupported_protocols = ['xml']\n\
        [hubs.'/chat']\nkeepalive = '1s'\nrate_limit = { words = 1 }\n\
        [hubs.'/CHAT/']\n\
        [websockets]\n'/ws' = 5\n\
        [client]\n";
    let told = mistakes(text);
    let begins = [
        "t.toml:2: server: listen = ['here']: ",
        "t.toml:3: server: shards = -1: ",
        "t.toml:4: server: there is no option colour: there are listen, shards, ",
        "t.toml:6: every hub: keep_alive_interval = 15: ",
        "t.toml:7: every hub: transports = ['WebSocket']: unknown variant `WebSocket`, expected ",
        "t.toml:8: every hub: maximum_receive_message_size = 'much': a number of bytes, or \"unl",
        "t.toml:9: every hub: supported_protocols = ['xml']: \"xml\" is no hub protocol: say json",
        "t.toml:11: hub /chat: there is no option keepalive: there are handshake_timeout, ",
        "t.toml:12: hub /chat: rate_limit = { words = 1 }: unknown field `words`",
        "t.toml:13: hub /CHAT/: there are two sections for this path",
        "t.toml:15: websocket /ws: this is a section, not an option",
        "t.toml:16: file: there is no section [client]: say one of [server], [jwt], [hub], ",
    ];
    for begin in begins {
        let found = told.iter().filter(|mistake| mistake.starts_with(begin)).count();
        assert_eq!(found, 1, "{begin}\n{}", told.join("\n"));
    }
    assert_eq!(told.len(), begins.len(), "{}", told.join("\n"));
}

#[test]
fn what_is_no_toml_is_told_with_its_line_and_the_rest_is_still_read() {
    let told = mistakes("[server\nshards = 1\n[hub]\nkeep_alive_interval = \ncolour = 1\n");
    assert!(told.iter().any(|mistake| mistake.starts_with("t.toml:1: file: ")), "{told:?}");
    assert!(told.iter().any(|mistake| mistake.starts_with("t.toml:4: file: ")), "{told:?}");
    assert!(told.iter().any(|mistake| mistake.contains("no option colour")), "{told:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::from_file("/nowhere/t.toml").expect_err("there is no such file");
    assert!(matches!(error, Error::Unreadable { .. }));
    assert!(error.to_string().starts_with("cannot read /nowhere/t.toml: "), "{error}");
}

#[test]
fn sections_for_paths_that_are_not_served_are_told() {
    let settings = read("[hubs.'/chat']\n[hubs.'/chta']\n[websockets.'/chat']\n");
    let served = [ConfigPlace::Hub("/Chat".into()), ConfigPlace::Http("/ws".into())];
    let told: Vec<String> = settings.unserved(&served).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "t.toml:2: hub /chta: nothing of the kind is served there; there are: hub /Chat",
            "t.toml:3: websocket /chat: nothing of the kind is served there; there are: none",
        ]
    );
}

#[test]
fn what_concerns_a_hub_has_no_place_where_only_connections_are_made() {
    let text = "[hub]\nkeep_alive_interval = '2s'\n[hubs.'/More/']\nclose_timeout = '3s'\n\
        keep_alive_interval = '4s'\nrate_limit = {}\n[hubs.'/chat']\nhandshake_timeout = '1s'\n";
    let settings = read(text);
    let told: Vec<String> = settings.idle("/more").iter().map(ToString::to_string).collect();
    let begins = ["t.toml:5: hub /more: keep_alive_interval", "t.toml:6: hub /more: rate_limit"];
    assert_eq!(told.len(), begins.len(), "{told:?}");
    for (told, begins) in told.iter().zip(begins) {
        let whole = format!("{begins} has no effect on one more path of a hub, ");
        assert!(told.starts_with(&whole) && told.contains("there are application_max_"), "{told}");
        assert!(!told.contains("handshake_timeout"), "{told}");
    }
    assert_eq!(settings.idle("/other"), []);
}
