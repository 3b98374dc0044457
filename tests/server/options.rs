//! Mistakes of options are told, all at once, before anything is served.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tickhub::http::Response;
use tickhub::{
    Config, ConnectionHandler, ConnectionOptions, Context, Error, Hub, HubOptions, Methods,
    OutboxLimits, Peer, Policy, Rate, RateLimit, RawOptions, Server, Shard, Transports, WebSocket,
};

struct Empty;

impl Hub for Empty {
    type State = ();
    fn methods(m: &mut Methods<Self>) {
        m.on("Nothing", |_: &mut Self, _: &mut Context<Self>| {});
    }
}

struct Deaf;

impl WebSocket for Deaf {
    fn on_message(&mut self, _: &mut Peer<'_>, _: tickhub::Message<'_>) {}
}

fn config() -> Config {
    Config { listen: vec!["127.0.0.1:0".parse().expect("an address")], ..Config::default() }
}

/// The lines that an error has below its first, or its only one.
fn lines(error: &Error) -> Vec<String> {
    let text = error.to_string();
    match text.split_once('\n') {
        Some((first, rest)) => {
            let rest: Vec<String> = rest.lines().map(|line| line.trim().to_owned()).collect();
            assert_eq!(first, format!("{} mistakes in the configuration:", rest.len()));
            rest
        }
        None => vec![text],
    }
}

fn hub_mistakes(options: HubOptions, connection: ConnectionOptions) -> Vec<String> {
    let shard = Shard::with_config(&config()).expect("a shard");
    let mut shard = shard.hub_with("/hub", Empty, options, connection);
    match shard.turn(Duration::ZERO) {
        Ok(()) => Vec::new(),
        Err(error) => lines(&error),
    }
}

/// Each option at the last value that is refused, and all of them at the first that is not.
#[test]
fn each_option_is_checked() {
    type Wrong = fn(&mut HubOptions, &mut ConnectionOptions);
    let wrong: [(Wrong, &str); 25] = [
        (|h, _| h.handshake_timeout = Duration::ZERO, "handshake_timeout = 0ns: "),
        (|h, _| h.keep_alive_interval = Duration::ZERO, "keep_alive_interval = 0ns: "),
        (
            |h, _| h.keep_alive_interval = Duration::from_secs(30),
            "keep_alive_interval = 30s: it must be shorter than client_timeout_interval, which is 30s",
        ),
        (|h, _| h.maximum_receive_message_size = Some(0), "maximum_receive_message_size = 0: "),
        (
            |h, _| h.maximum_parallel_invocations_per_client = 0,
            "maximum_parallel_invocations_per_client = 0: ",
        ),
        (|h, _| h.stream_buffer_capacity = 0, "stream_buffer_capacity = 0: "),
        (
            |_, c| c.cors = Some(tickhub::Cors::origins(["null"])),
            "cors.origins = \"null\": an origin is scheme://host",
        ),
        (|h, _| h.stateful_reconnect_buffer_size = 0, "stateful_reconnect_buffer_size = 0: "),
        (|h, _| h.supported_protocols.clear(), "supported_protocols = []: "),
        (
            |h, _| {
                let bytes = Some(Rate { per_second: 1, burst: 0 });
                h.rate_limit = Some(RateLimit { messages: None, bytes });
            },
            "rate_limit = Rate { per_second: 1, burst: 0 }: ",
        ),
        (
            |h, _| {
                let messages = Some(Rate { per_second: 0, burst: 1 });
                h.rate_limit = Some(RateLimit { messages, bytes: None });
            },
            "rate_limit = Rate { per_second: 0, burst: 1 }: ",
        ),
        (|_, c| c.application_max_buffer_bytes = 0, "application_max_buffer_bytes = 0: "),
        (|_, c| c.transports = Transports::NONE, "transports = "),
        (|_, c| c.disconnect_timeout = Duration::ZERO, "disconnect_timeout = 0ns: "),
        (|_, c| c.poll_timeout = Duration::ZERO, "poll_timeout = 0ns: "),
        (|_, c| c.close_timeout = Duration::ZERO, "close_timeout = 0ns: "),
        (|_, c| c.minimum_protocol_version = 2, "minimum_protocol_version = 2: "),
        (|_, c| c.minimum_protocol_version = -1, "minimum_protocol_version = -1: "),
        (|_, c| c.websocket.fragments_max = 0, "fragments_max = 0: "),
        (|_, c| c.websocket.message_bytes_max = Some(0), "message_bytes_max = 0: "),
        (|_, c| c.outbox.soft_bytes = 0, "soft_bytes = 0: "),
        (
            |_, c| c.outbox.hard_bytes = c.outbox.soft_bytes - 1,
            "hard_bytes = 262143: it must not be less than soft_bytes, which is 262144",
        ),
        (|_, c| c.outbox.stall_timeout = Duration::ZERO, "stall_timeout = 0ns: "),
        (|_, c| c.group_name_bytes_max = 0, "group_name_bytes_max = 0: "),
        (
            |h, _| h.client_timeout_interval = Duration::from_secs(15),
            "keep_alive_interval = 15s: it must be shorter than client_timeout_interval, which is 15s",
        ),
    ];
    for (change, begin) in wrong {
        let (mut options, mut connection) = (HubOptions::default(), ConnectionOptions::default());
        change(&mut options, &mut connection);
        let told = hub_mistakes(options, connection);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(&format!("hub /hub: {begin}")), "{told:?}");
    }
    let nanosecond = Duration::from_nanos(1);
    let options = HubOptions {
        handshake_timeout: nanosecond,
        keep_alive_interval: nanosecond,
        client_timeout_interval: nanosecond * 2,
        maximum_receive_message_size: Some(1),
        maximum_parallel_invocations_per_client: 1,
        rate_limit: Some(RateLimit {
            messages: Some(Rate { per_second: 1, burst: 1 }),
            bytes: None,
        }),
        ..HubOptions::default()
    };
    let connection = ConnectionOptions {
        application_max_buffer_bytes: 1,
        transports: Transports::LONG_POLLING,
        disconnect_timeout: nanosecond,
        poll_timeout: nanosecond,
        close_timeout: nanosecond,
        minimum_protocol_version: 1,
        outbox: OutboxLimits { soft_bytes: 1, hard_bytes: 1, stall_timeout: nanosecond },
        groups_max: 0,
        group_name_bytes_max: 1,
        ..ConnectionOptions::default()
    };
    assert_eq!(hub_mistakes(options, connection), [""; 0], "the least that is allowed");
}

#[test]
fn mistakes_of_code_and_file_come_together() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mistakes.toml");
    let text = "[server]\nidle_timeout = '0s'\nshards = 2\n\
        [hub]\nkeep_alive_interval = '20s'\n\
        [hubs.'/a']\nclient_timeout_interval = '20s'\n\
        [hubs.'/nobody']\nsize = 5\n";
    fs::write(&file, text).expect("the file is written");
    let mut config = Config::from_file(&file).expect("it can be read");
    config.listen = vec!["127.0.0.1:0".parse().expect("an address")];
    let code = ConnectionOptions { transports: Transports::NONE, ..ConnectionOptions::default() };
    let raw = RawOptions {
        message_bytes_max: 0,
        fragments_max: 0,
        keep_alive_interval: Some(Duration::ZERO),
        close_timeout: Duration::ZERO,
        sub_protocols: vec!["two words".into()],
        ..RawOptions::default()
    };
    let error = Server::new(config)
        .hub("/a", |_| Empty)
        .hub_with("/b", HubOptions::default(), code, |_| Empty)
        .websocket("/A/", raw, |_| Deaf)
        .http("/pages", |_| Response::new(200))
        .files("/pages/", "/nowhere")
        .redirect("/a", |_| None)
        .redirect("/A", |_| None)
        .run()
        .expect_err("nothing of this can be served");
    let told = lines(&error);
    let file = file.display();
    let shorter = "keep_alive_interval = 20s: it must be shorter than client_timeout_interval";
    for begin in [
        format!("{file}:9: hub /nobody: there is no option size"),
        format!("{file}:2: server: idle_timeout = 0ns: "),
        format!("{file}:3: server: shards = 2: this version runs exactly one"),
        format!("{file}:5: hub /a: {shorter}, which is 20s"),
        "hub /b: transports = ".into(),
        "websocket /A/: this path is served twice".into(),
        "websocket /A/: message_bytes_max = 0: ".into(),
        "websocket /A/: fragments_max = 0: ".into(),
        "websocket /A/: keep_alive_interval = 0ns: ".into(),
        "websocket /A/: close_timeout = 0ns: ".into(),
        "websocket /A/: sub_protocols = \"two words\": ".into(),
        "http /pages/: this path is served twice".into(),
        "hub a: this path is served twice".into(),
        format!("{file}:8: hub /nobody: nothing of the kind is served there; there are: hub /a, "),
    ] {
        let found = told.iter().filter(|line| line.starts_with(&begin)).count();
        assert_eq!(found, 1, "{begin}\n{}", told.join("\n"));
    }
    assert_eq!(told.len(), 14, "{}", told.join("\n"));
}

/// One more path of a hub, and connections without one, are made by options of connections alone.
#[test]
fn paths_without_a_hub_of_their_own_have_no_options_of_hubs() {
    struct Unserved;
    impl Hub for Unserved {
        type State = ();
        fn methods(_: &mut Methods<Self>) {}
    }
    struct Sink;
    impl ConnectionHandler for Sink {
        fn on_receive(&mut self, _: &mut Peer<'_>, _: &[u8]) {}
    }
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("more.toml");
    let text = "[hub]\nhandshake_timeout = '2s'\n\
        [hubs.'/hub']\nhandshake_timeout = '3s'\n\
        [hubs.'/more']\nclose_timeout = '1s'\nhandshake_timeout = '4s'\n\
        [hubs.'/bytes']\nenable_detailed_errors = true\n";
    fs::write(&file, text).expect("the file is written");
    let mut config = Config::from_file(&file).expect("it can be read");
    config.listen = vec!["127.0.0.1:0".parse().expect("an address")];
    let error = Server::new(config)
        .hub("/hub", |_| Empty)
        .also_at::<Empty>("/more", ConnectionOptions::default())
        .connection("/bytes", |_| Sink, ConnectionOptions::default())
        .also_at::<Unserved>(
            "/nothing",
            ConnectionOptions { poll_timeout: Duration::ZERO, ..Default::default() },
        )
        .run()
        .expect_err("nothing of this can be served");
    let told = lines(&error);
    let file = file.display();
    let begins = [
        format!("{file}:7: hub /more: handshake_timeout has no effect on one more path of a hub, "),
        format!("{file}:9: hub /bytes: enable_detailed_errors has no effect on one more path "),
        "hub /nothing: poll_timeout = 0ns: ".into(),
        "hub /nothing: there is no hub of type ".into(),
    ];
    for (told, begin) in told.iter().zip(&begins) {
        assert!(told.starts_with(begin), "{begin}\n{told}");
    }
    assert_eq!(told.len(), begins.len(), "{}", told.join("\n"));
}

#[test]
fn mistakes_of_the_server_are_told_too() {
    let mut wrong = Config { listen: Vec::new(), ..Config::default() };
    let limits = &mut wrong.http.limits;
    (limits.line_bytes_max, limits.headers_bytes_max, limits.headers_max) = (0, 0, 257);
    wrong.http.request_timeout = Duration::ZERO;
    wrong.http.linger_timeout = Duration::ZERO;
    (wrong.http.sockets_max, wrong.http.connections_max) = (0, 0);
    let options: Vec<_> = wrong.mistakes().iter().map(|mistake| mistake.option).collect();
    assert_eq!(
        options,
        [
            "listen",
            "request_timeout",
            "linger_timeout",
            "sockets_max",
            "connections_max",
            "line_bytes_max",
            "headers_bytes_max",
            "headers_max"
        ]
    );
    let twice = "127.0.0.1:5000".parse().expect("an address");
    let twice = Config { listen: vec![twice, twice], ..Config::default() };
    assert_eq!(twice.mistakes().len(), 1);
    assert_eq!(config().mistakes(), []);
}

/// The answers of a shard to requests that are sent one after the other, each on its own socket.
fn answers(mut shard: Shard, requests: Vec<String>) -> Vec<String> {
    let address = shard.local_addrs()[0];
    let client = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let answer = |request: &String| {
            let mut socket = std::net::TcpStream::connect(address).expect("it listens");
            socket.write_all(request.as_bytes()).expect("it is sent");
            let mut answer = String::new();
            socket.read_to_string(&mut answer).expect("an answer");
            answer
        };
        requests.iter().map(answer).collect()
    });
    while !client.is_finished() {
        shard.turn(Duration::from_millis(5)).expect("a turn");
    }
    client.join().expect("the client is done")
}

fn negotiate(path: &str, headers: &str) -> String {
    format!(
        "POST {path}/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\
         Connection: close\r\n{headers}\r\n"
    )
}

/// What a file says is in force: here, that a hub offers nothing but long polling.
#[test]
fn a_file_configures_a_hub() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hub.toml");
    let text = "[server]\nlisten = ['127.0.0.1:0']\n[hubs.'/hub']\ntransports = ['LongPolling']\n";
    fs::write(&file, text).expect("the file is written");
    let config = Config::from_file(&file).expect("it can be read");
    let shard = Shard::with_config(&config).expect("a shard").hub("/hub", Empty);
    let answer = &answers(shard, vec![negotiate("/hub", "")])[0];
    assert!(answer.contains("LongPolling") && !answer.contains("WebSockets"), "{answer}");
}

/// A file says which tokens are good, who may come in, and whose pages may read the answers.
#[test]
fn a_file_opens_and_closes_endpoints() {
    use jsonwebtoken::{EncodingKey, Header, encode};
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let secret = b"a secret of 32 bytes at the least";
    fs::write(folder.join("tokens.secret"), [secret.as_slice(), b"\r\n"].concat())
        .expect("written");
    let text = "[server]\nlisten = ['127.0.0.1:0']\n\
        [jwt]\naudience = 'chat'\n[[jwt.keys]]\nalgorithm = 'HS256'\n\
        secret_file = 'tokens.secret'\n\
        [hub]\nauthorize = 'signed_in'\n[hub.cors]\norigins = ['https://app.example']\n\
        [hubs.'/news']\nauthorize = 'everybody'\n\
        [hubs.'/admin']\nauthorize = { roles = 'admin' }\n";
    fs::write(folder.join("access.toml"), text).expect("the file is written");
    let config = Config::from_file(folder.join("access.toml")).expect("it can be read");
    let code = ConnectionOptions { authorize: Some(Policy::named()), ..Default::default() };
    let shard = Shard::with_config(&config)
        .expect("a shard")
        .hub("/chat", Empty)
        .hub_with("/news", Empty, HubOptions::default(), code)
        .hub("/admin", Empty);
    let token = |role: &str| {
        let claims = serde_json::json!({ "aud": "chat", "exp": u32::MAX, "role": role });
        let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(secret));
        format!("Authorization: Bearer {}\r\n", token.expect("a token"))
    };
    let page = "Origin: https://app.example\r\n";
    let (judge, admin) = (token("judge"), token("admin"));
    let asked = [
        ("/chat", page, "401 Unauthorized"),
        ("/chat", "Authorization: Bearer nonsense\r\n", "401 Unauthorized"),
        ("/chat", &judge, "200 OK"),
        ("/news", "", "200 OK"),
        ("/admin", &judge, "403 Forbidden"),
        ("/admin", &admin, "200 OK"),
    ];
    let requests = asked.iter().map(|(path, headers, _)| negotiate(path, headers)).collect();
    let answers = answers(shard, requests);
    for (answer, (path, _, status)) in answers.iter().zip(asked) {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{path}: {answer}");
    }
    assert!(answers[0].contains("\r\nAccess-Control-Allow-Origin: https://app.example\r\n"));
    assert!(!answers[1].contains("Access-Control-Allow-Origin"));
}
