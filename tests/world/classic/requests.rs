//! Requests to a mount: the order of the checks, their answers, tokens, users, JSONP.

use serde_json::{Value, json};
use tickhub::http::Request;
use tickhub::sim::{Answer, Wire, World};
use tickhub::{
    ClassicHubOptions, ClassicHubs, ClassicOptions, ClassicTransports, ConnectionOptions, Cors,
    HubOptions, Identity, KeyRing, Policy,
};

use super::guest::{Guest, heard, percent};
use super::room::{Room, Side, events, room, room_with};

fn get(world: &mut World, target: &str) -> Answer {
    get_with(world, target, &[])
}

fn get_with(world: &mut World, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut wire = Wire::tcp(world);
    wire.ask(world, "GET", target, headers, b"");
    wire.answer(world)
}

fn document(answer: &Answer) -> Value {
    assert_eq!(answer.head.status(), 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("a document")
}

/// Status and body.
fn plain(answer: &Answer) -> (u16, &str) {
    (answer.head.status(), &answer.body)
}

#[test]
fn leg_001_and_002_the_document_of_negotiate() {
    let mut world = room();
    let first = get(&mut world, "/signalr/negotiate?clientProtocol=2.1");
    let header = |name: &str| first.head.header(name);
    assert_eq!(header("content-type"), Some("application/json; charset=UTF-8"));
    assert_eq!(header("x-content-type-options"), Some("nosniff"));
    let told = document(&first);
    let keys: Vec<&str> = told.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 10, "LEG-007: {keys:?}");
    let id = told["ConnectionId"].as_str().expect("an id");
    let is_guid = |id: &str| {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let dashes = [8, 13, 18, 23];
        id.len() == 36
            && id.bytes().enumerate().all(|(place, byte)| {
                if dashes.contains(&place) { byte == b'-' } else { digits(byte) }
            })
    };
    assert!(is_guid(id), "{id}");
    let expected = json!({
        "Url": "/signalr", "ConnectionToken": told["ConnectionToken"], "ConnectionId": id,
        "KeepAliveTimeout": 20.0, "DisconnectTimeout": 30.0, "ConnectionTimeout": 110.0,
        "TryWebSockets": true, "ProtocolVersion": "2.0", "TransportConnectTimeout": 5.0,
        "LongPollDelay": 0.0,
    });
    assert_eq!(told, expected);
    let second = document(&get(&mut world, "/signalr/negotiate?clientProtocol=2.1"));
    assert_ne!(second["ConnectionId"], told["ConnectionId"]);
    assert_eq!(world.sizes().1, 0, "it leaves no trace");
}

#[test]
fn leg_003_versions_that_are_answered() {
    let mut world = room();
    for (asked, answered) in [
        ("", "1.2"),
        ("?clientProtocol=abc", "1.2"),
        ("?clientProtocol=1.0", "1.2"),
        ("?clientProtocol=1.3", "1.3"),
        ("?clientProtocol=1.5", "1.5"),
        ("?clientProtocol=2.0", "2.0"),
        ("?clientProtocol=3.0", "2.0"),
    ] {
        let told = document(&get(&mut world, &format!("/signalr/negotiate{asked}")));
        assert_eq!(told["ProtocolVersion"], answered, "{asked}");
    }
}

#[test]
fn leg_004_to_009_paths_and_settings() {
    let options = ClassicOptions {
        keep_alive: None,
        transports: ClassicTransports { web_sockets: false, ..ClassicTransports::default() },
        ..ClassicOptions::default()
    };
    let hubs = ClassicHubs::new().hub::<Room>("RoomHub");
    let mut world = room().classic("/cors/signalr", &options, &hubs);
    let told = document(&get(&mut world, "/cors/signalr/NEGOTIATE?clientProtocol=2.1"));
    assert_eq!(told["Url"], "/cors/signalr", "LEG-004, LEG-008");
    assert_eq!(told["KeepAliveTimeout"], Value::Null, "LEG-005");
    assert_eq!(told["TryWebSockets"], false, "LEG-006");
    assert_eq!(get(&mut world, "/signalrfoo/negotiate").head.status(), 404, "LEG-009");
    assert_eq!(plain(&get(&mut world, "/SignalR/Ping")), (200, r#"{ "Response": "pong" }"#));
}

#[test]
fn leg_010_to_013_what_is_wrong_is_said() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    for (target, status, body) in [
        ("/signalr", 400, "Protocol error: Unknown transport."),
        ("/signalr/", 400, "Protocol error: Unknown transport."),
        (
            "/signalr/connect?transport=nope&connectionToken=x",
            400,
            "Protocol error: Unknown transport.",
        ),
        (
            "/signalr/connect?transport=longPolling",
            400,
            "Protocol error: Missing connection token.",
        ),
        (
            "/signalr/connect?transport=longPolling&connectionToken=",
            400,
            "Protocol error: Missing connection token.",
        ),
        (
            "/signalr/connect?transport=longPolling&connectionToken=x",
            400,
            "The ConnectionId is in the incorrect format.",
        ),
    ] {
        let answer = get(&mut world, target);
        assert_eq!(plain(&answer), (status, body), "{target}");
        assert_eq!(answer.head.header("content-type"), None, "{target}");
        assert_eq!(answer.head.header("x-content-type-options"), Some("nosniff"), "LEG-029");
    }
    for word in ["connect", "send"] {
        let answer = guest.ask(&mut world, "GET", word, "webSockets", "", "");
        assert_eq!(plain(&answer), (400, "Not a valid web socket request."), "LEG-067");
    }
    let cut = percent(&guest.token[..guest.token.len() - 1]);
    let target = format!("/signalr/connect?transport=longPolling&connectionToken={cut}");
    assert_eq!(plain(&get(&mut world, &target)).0, 400);
    assert_eq!(world.sizes().1, 0, "nobody is there");
}

/// Whoever says a name is signed in.
fn by_name(request: &Request<'_>) -> Option<Identity> {
    request.header("x-user").map(Identity::new)
}

#[test]
fn leg_014_to_016_a_token_belongs_to_its_user() {
    let mut world = room().authenticate(&by_name);
    let token = |world: &mut World, user: &[(&str, &str)]| {
        let told = document(&get_with(world, "/signalr/negotiate?clientProtocol=2.1", user));
        percent(told["ConnectionToken"].as_str().expect("a token"))
    };
    let (bob, ann) = ([("X-User", "Bob")], [("X-User", "ann")]);
    let of_nobody = token(&mut world, &[]);
    let of_bob = token(&mut world, &bob);
    let changed = "Unrecognized user identity.  The user identity cannot change during an active \
                   SignalR connection.";
    let mut start = |token: &str, user: &[(&str, &str)]| {
        let target = format!("/signalr/start?transport=longPolling&connectionToken={token}");
        let answer = get_with(&mut world, &target, user);
        (answer.head.status(), answer.body)
    };
    assert_eq!(start(&of_nobody, &bob), (403, changed.to_owned()));
    assert_eq!(start(&of_bob, &[]), (403, changed.to_owned()));
    assert_eq!(start(&of_bob, &ann), (403, changed.to_owned()));
    assert_eq!(start(&of_bob, &[("X-User", "bob")]).0, 200, "LEG-015");
    let odd = [("X-User", "a:b:c")];
    let of_odd = token(&mut world, &odd);
    let target = format!("/signalr/start?transport=longPolling&connectionToken={of_odd}");
    assert_eq!(get_with(&mut world, &target, &odd).head.status(), 200, "LEG-016");
}

#[test]
fn leg_017_tokens_have_their_purpose() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    guest.call(&mut world, "Join", &json!(["red"]));
    let groups = heard(&mut wire, &mut world);
    let groups = groups.iter().find_map(|envelope| envelope["G"].as_str()).expect("a token");
    let target =
        format!("/signalr/connect?transport=longPolling&connectionToken={}", percent(groups));
    let refused = (400, "The ConnectionId is in the incorrect format.");
    assert_eq!(plain(&get(&mut world, &target)), refused);
}

#[test]
fn leg_018_to_021_parameters() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let answer =
        guest.ask(&mut world, "POST", "connect", "LONGPOLLING", "&_=1&tid=3&noCache=x", "");
    assert_eq!(answer.head.status(), 200, "LEG-018, LEG-019: {}", answer.body);
    for data in ["[%7B%22Name%22:%22RoomHub%22%7D]", "%5B%7B%22name%22%3A%22ROOMHUB%22%7D%5D", ""] {
        let target = format!("/signalr/negotiate?clientProtocol=2.1&connectionData={data}");
        assert_eq!(get(&mut world, &target).head.status(), 200, "LEG-020 {data}");
    }
    for (data, text) in [
        (r#"[{"name":"nohub"}]"#, "'nohub' Hub could not be resolved."),
        (r#"[{"name":"roomhub"},{"name":"RoomHub"}]"#, "Duplicate Hub names found."),
        ("{", "The connection data is no list of hubs."),
    ] {
        let target = format!("/signalr/negotiate?connectionData={}", percent(data));
        assert_eq!(plain(&get(&mut world, &target)), (400, text), "LEG-021");
    }
}

fn guarded() -> World {
    let signed_in =
        ClassicHubOptions { authorize: Some(Policy::signed_in()), ..Default::default() };
    let hubs = ClassicHubs::new().hub::<Room>("RoomHub").hub_with::<Side>("authHub", signed_in);
    World::new(1)
        .hub("/room", Room::default, &HubOptions::default())
        .host(|| Side, &HubOptions::default())
        .classic("/signalr", &ClassicOptions::default(), &hubs)
        .authenticate(&by_name)
}

#[test]
fn leg_022_and_023_hubs_that_need_somebody() {
    let mut world = guarded();
    let data = |hubs: &[&str]| {
        let hubs: Vec<Value> = hubs.iter().map(|hub| json!({"name": hub})).collect();
        percent(&Value::from(hubs).to_string())
    };
    let only = format!("/signalr/negotiate?connectionData={}", data(&["authhub"]));
    assert_eq!(plain(&get(&mut world, &only)), (401, ""));
    assert_eq!(get_with(&mut world, &only, &[("X-User", "ann")]).head.status(), 200);
    let mut guest = Guest::of(&mut world, "/signalr", &["roomhub", "authhub"]);
    let mut wire = guest.websocket(&mut world);
    heard(&mut wire, &mut world);
    world.enter(0, |_: &mut Side, clients| clients.all().send("poked", ("x",)).ignore());
    assert_eq!(heard(&mut wire, &mut world), [Value::Null; 0], "LEG-022");
    guest.hubs.swap(0, 1);
    let refused = r#"{"I":"0","E":"There was an error invoking Hub method 'authhub.Ping'."}"#;
    assert_eq!(guest.call(&mut world, "Ping", &json!([])), refused);
}

#[test]
fn leg_025_to_028_start() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let _wire = guest.websocket(&mut world);
    guest.start(&mut world);
    guest.start(&mut world);
    assert_eq!(events(&mut world, &guest.id), ["connected"], "LEG-027");
    let answer = guest.ask(&mut world, "POST", "start", "longPolling", "", "");
    assert_eq!(plain(&answer), (200, r#"{ "Response": "started" }"#), "LEG-028");
}

#[test]
fn leg_030_servers_with_a_common_key_accept_each_other() {
    let old = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let new = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
    let with = |keys: KeyRing| {
        room_with(&ClassicOptions { keys: Some(keys), ..ClassicOptions::default() })
    };
    let mut one = with(KeyRing::from_text(old).expect("a key"));
    let ring = KeyRing::from_text(new).and_then(|ring| ring.accept_text(old)).expect("two keys");
    let mut other = with(ring);
    let guest = Guest::new(&mut one);
    guest.start(&mut other);
    let newer = Guest::new(&mut other);
    let answer = newer.ask(&mut one, "GET", "start", "longPolling", "", "");
    assert_eq!(answer.head.status(), 400, "it does not know the new one");
}

#[test]
fn leg_031_to_034_jsonp() {
    let mut world = room();
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "GET", "/signalr/ping?callback=a", &[], b"");
    let mut refused = String::new();
    wire.read_text(&mut world, &mut refused);
    assert!(refused.starts_with("HTTP/1.1 403 Forbidden: JSONP is disabled.\r\n"), "{refused}");
    assert!(refused.ends_with("\r\n\r\n"), "without a body");
    let options = ClassicOptions { enable_jsonp: true, ..ClassicOptions::default() };
    let mut world = room_with(&options);
    let pong = get(&mut world, "/signalr/ping?callback=foo.bar");
    assert_eq!(plain(&pong), (200, r#"foo.bar({ "Response": "pong" });"#));
    let script = Some("application/javascript; charset=UTF-8");
    assert_eq!(pong.head.header("content-type"), script);
    assert_eq!(pong.head.header("x-content-type-options"), Some("nosniff"), "T-JSONP");
    let mut guest = Guest::new(&mut world);
    let poll = guest.ask(&mut world, "GET", "connect", "longPolling", "&callback=cb", "");
    assert!(poll.body.starts_with("cb({\"C\":\"d-") && poll.body.ends_with("\"M\":[]});"));
    assert_eq!(poll.head.header("content-type"), script);
    let call = percent(&guest.invocation("Echo", &json!(["x"])));
    let more = format!("&callback=cb&data={call}");
    let sent = guest.ask(&mut world, "GET", "send", "longPolling", &more, "");
    assert_eq!(sent.body, r#"cb({"R":"x","I":"0"});"#);
    for bad in ["1a", "a.", "enum", "alert(1);//", "a%27b"] {
        for word in ["negotiate", "ping", "start", "connect", "poll", "send"] {
            let more = format!("&callback={bad}");
            let answer = guest.ask(&mut world, "GET", word, "longPolling", &more, "");
            assert_eq!(answer.head.status(), 400, "{word} {bad}");
            assert!(!answer.body.contains("alert"), "{}", answer.body);
        }
    }
}

#[test]
fn leg_037_cors_for_pages_of_other_origins() {
    let cors = Cors::origins(["https://app.example"]);
    let connection = ConnectionOptions { cors: Some(cors), ..ConnectionOptions::default() };
    let mut world = room_with(&ClassicOptions { connection, ..ClassicOptions::default() });
    let origin = [("Origin", "https://app.example")];
    let told = get_with(&mut world, "/signalr/negotiate?clientProtocol=2.1", &origin);
    let header = |name: &str| told.head.header(name);
    assert_eq!(header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(header("access-control-allow-credentials"), Some("true"));
    let guest = Guest::new(&mut world);
    let target = guest.target("connect", "serverSentEvents", "");
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "GET", &target, &origin, b"");
    let mut text = String::new();
    wire.read_text(&mut world, &mut text);
    assert!(text.contains("Access-Control-Allow-Origin: https://app.example\r\n"), "{text}");
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "GET", &target, &[("Origin", "https://evil.example")], b"");
    assert_eq!(wire.answer(&mut world).head.status(), 403, "T-ORIGIN");
}

#[test]
fn leg_121_to_125_the_script_of_hubs() {
    let mut world = room();
    for path in ["/signalr/hubs", "/signalr/js", "/signalr/hubs/", "/SignalR/Hubs"] {
        let script = get(&mut world, path);
        assert_eq!(script.head.status(), 200, "{path}");
        let kind = Some("application/javascript; charset=UTF-8");
        assert_eq!(script.head.header("content-type"), kind);
        assert!(script.body.contains("roomHub") && script.body.contains("\"Echo\""), "{path}");
    }
    let options = ClassicOptions { enable_javascript_proxies: false, ..ClassicOptions::default() };
    let mut world = room_with(&options);
    let text = "throw new Error('SignalR: JavaScript Hub proxy generation has been disabled.');";
    assert_eq!(plain(&get(&mut world, "/signalr/hubs")), (200, text), "LEG-124");
}
