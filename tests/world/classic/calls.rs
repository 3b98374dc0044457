//! Calls of hub methods, LEG-047 to LEG-065.

use std::time::Duration;

use serde_json::{Value, json};
use tickhub::sim::World;
use tickhub::{ClassicHubOptions, ClassicHubs, ClassicOptions, Policy};

use super::guest::{Guest, by_name, client_call, heard, messages, percent, say, texts};
use super::room::{Room, Side, room, room_with};

fn sent(world: &mut World, guest: &Guest, body: &str) -> (u16, String) {
    let body = format!("data={}", percent(body));
    let answer = guest.ask(world, "POST", "send", "serverSentEvents", "", &body);
    (answer.head.status(), answer.body)
}

#[test]
fn leg_047_to_049_names_results_and_ids() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    for (call, answer) in [
        (r#"{"H":"ROOMHUB","M":"ECHO","A":["x"],"I":0}"#, r#"{"R":"x","I":"0"}"#),
        (r#"{"h":"roomhub","m":"Nothing","I":"7"}"#, r#"{"I":"7"}"#),
        (r#"{"H":"roomhub","M":"Nothing","A":null}"#, r#"{"I":null}"#),
        (r#"{"H":"roomhub","M":"Echo","A":[123],"I":1}"#, r#"{"R":"123","I":"1"}"#),
        (r#"{"H":"sidehub","M":"Ping","I":2}"#, r#"{"R":"pong","I":"2"}"#),
    ] {
        assert_eq!(sent(&mut world, &guest, call), (200, answer.to_owned()), "{call}");
    }
}

#[test]
fn leg_050_to_054_what_goes_wrong() {
    let generic = |id: u8, method: &str| {
        format!(
            r#"{{"I":"{id}","E":"There was an error invoking Hub method 'roomhub.{method}'."}}"#
        )
    };
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    assert_eq!(guest.call(&mut world, "Echo", &json!([])), generic(0, "Echo"), "LEG-050");
    assert_eq!(guest.call(&mut world, "Fail", &json!([])), generic(1, "Fail"), "LEG-051");
    let visible = r#"{"I":"2","H":true,"E":"visible","D":{"code":7}}"#;
    assert_eq!(guest.call(&mut world, "HubFail", &json!([])), visible, "LEG-052");
    for (arguments, result) in
        [(json!([]), "\"none\""), (json!([5]), "5"), (json!([1, 2]), "\"two\"")]
    {
        let answer = guest.call(&mut world, "Overload", &arguments);
        assert!(answer.starts_with(&format!("{{\"R\":{result},")), "LEG-054: {answer}");
    }
    for method in ["on_connected", "OnConnected", "ToString"] {
        let answer = guest.call(&mut world, method, &json!([]));
        assert!(answer.contains("There was an error"), "LEG-055: {answer}");
    }
    let detailed = ClassicOptions { enable_detailed_errors: true, ..ClassicOptions::default() };
    let mut world = room_with(&detailed);
    let mut guest = Guest::new(&mut world);
    let mut error = |method: &str, arguments: Value| {
        let answer = guest.call(&mut world, method, &arguments);
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["E"].as_str().expect("an error").to_owned()
    };
    assert_eq!(error("Fail", json!([])), "secret");
    let none = "'nosuch' method could not be resolved. No method found with that name.";
    assert_eq!(error("nosuch", json!([])), none);
    let candidates = "'Echo' method could not be resolved. Potential candidates are: \nEcho(text)";
    assert_eq!(error("Echo", json!([])), candidates);
    let none = "'echo' method could not be resolved. No method found with that name.";
    assert_eq!(error("echo", json!([])), none, "T-27");
}

/// The names are those of the server, however the caller spells them.
#[test]
fn leg_053_who_may_not_call_a_method_reads_so_with_details_alone() {
    let detailed = ClassicOptions { enable_detailed_errors: true, ..ClassicOptions::default() };
    let signed_in =
        ClassicHubOptions { authorize: Some(Policy::signed_in()), ..Default::default() };
    let hubs = ClassicHubs::new().hub::<Room>("RoomHub").hub_with::<Side>("authHub", signed_in);
    let mut world = room()
        .classic("/guarded", &ClassicOptions::default(), &hubs)
        .classic("/detailed", &detailed, &hubs)
        .authenticate(&by_name);
    let mut error = |mount: &str, call: &str| {
        let guest = Guest::of(&mut world, mount, &["roomhub"]);
        let (status, answer) = sent(&mut world, &guest, call);
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!((status, answer.get("H"), &answer["I"]), (200, None, &json!("0")));
        answer["E"].as_str().expect("an error").to_owned()
    };
    for (call, called, declared) in [
        (
            r#"{"H":"ROOMHUB","M":"GUARDED","I":0}"#,
            "ROOMHUB.GUARDED",
            "the Guarded method on RoomHub",
        ),
        (r#"{"H":"AUTHHUB","M":"pING","I":0}"#, "AUTHHUB.pING", "the Ping method on authHub"),
    ] {
        let generic = format!("There was an error invoking Hub method '{called}'.");
        assert_eq!(error("/guarded", call), generic);
        let text = format!("Caller is not authorized to invoke {declared}.");
        assert_eq!(error("/detailed", call), text);
    }
    let mut ann = Guest::named(&mut world, "ann");
    assert_eq!(ann.call(&mut world, "Guarded", &json!([])), r#"{"R":"passed","I":"0"}"#);
}

#[test]
fn leg_056_what_is_no_call() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    for data in ["{", "null", r#"{"M":"Echo","I":0}"#, r#"{"H":"nohub","M":"x","I":0}"#] {
        assert_eq!(sent(&mut world, &guest, data).0, 400, "{data}");
    }
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    for data in ["{", "null", "", r#"{"H":"nohub","M":"x","I":0}"#] {
        say(&mut wire, &mut world, data);
    }
    assert_eq!(texts(&mut wire, &mut world), [""; 0]);
    let call = guest.invocation("Echo", &json!(["still here"]));
    say(&mut wire, &mut world, &call);
    assert_eq!(texts(&mut wire, &mut world), [r#"{"R":"still here","I":"0"}"#]);
}

#[test]
fn leg_057_to_059_state() {
    let mut world = room();
    let guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    let call = r#"{"H":"roomhub","M":"State","A":[],"I":0,"S":{"name":"bob","age":3}}"#;
    let (status, answer) = sent(&mut world, &guest, call);
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!((status, &answer), (200, &json!({"S": {"name": "bob!"}, "R": "ok", "I": "0"})));
    let mut expected = client_call("RoomHub", "stateSeen", &json!([1]));
    expected["S"] = json!({"name": "bob!"});
    assert_eq!(messages(&heard(&mut wire, &mut world)), [expected], "LEG-058");
    let long = |length: usize| {
        let state = format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8));
        format!(r#"{{"H":"roomhub","M":"Nothing","I":0,"S":{state}}}"#)
    };
    assert_eq!(sent(&mut world, &guest, &long(4096)).0, 200, "at the limit");
    assert_eq!(sent(&mut world, &guest, &long(4097)).0, 400, "one past it");
}

#[test]
fn leg_060_progress_comes_among_the_messages_and_before_the_result() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    let call = guest.invocation("Work", &json!(["job"]));
    say(&mut wire, &mut world, &call);
    world.pass(Duration::from_millis(100));
    let heard = heard(&mut wire, &mut world);
    let reports: Vec<Value> =
        [0, 50, 100].map(|percent| json!({"I": "P|0", "P": {"I": "0", "D": percent}})).into();
    assert_eq!(messages(&heard), reports);
    assert_eq!(heard.last(), Some(&json!({"R": "job done", "I": "0"})));
}

#[test]
fn leg_061_who_reports_behind_the_result_is_told_and_the_caller_is_not() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    let call = guest.invocation("Leak", &json!([]));
    say(&mut wire, &mut world, &call);
    assert_eq!(texts(&mut wire, &mut world), [r#"{"I":"0"}"#]);
    let reported = world.enter(0, |room: &mut Room, _| {
        room.leaked.as_ref().expect("the call has left it").report(&1)
    });
    let text = "You cannot report progress on a hub method invocation that has already completed.";
    assert_eq!(reported.expect_err("the call has ended").message(), text);
    world.pass(Duration::from_secs(1));
    assert_eq!(texts(&mut wire, &mut world), [""; 0]);
}

#[test]
fn leg_062_a_hub_that_nobody_listens_to_can_be_called() {
    let mut world = room();
    let guest = Guest::of(&mut world, "/signalr", &["roomhub"]);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    say(&mut wire, &mut world, r#"{"H":"sidehub","M":"Poke","A":["x"],"I":0}"#);
    assert_eq!(texts(&mut wire, &mut world), [r#"{"I":"0"}"#], "and is not heard");
}

/// The method goes on, and nobody keeps anything for its answer.
#[test]
fn a_request_for_a_call_is_answered_when_its_connection_ends() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let slow = guest.invocation("Later", &json!(["late", 300]));
    let mut wire = tickhub::sim::Wire::tcp(&mut world);
    let target = guest.target("send", "serverSentEvents", "");
    wire.ask(&mut world, "POST", &target, &[], format!("data={}", percent(&slow)).as_bytes());
    assert!(wire.try_answer(&mut world).is_none());
    guest.abort(&mut world);
    let text = r#"{"I":"0","E":"There was an error invoking Hub method 'roomhub.Later'."}"#;
    assert_eq!(wire.answer(&mut world).body, text);
    wire.close(&mut world);
    world.pass(Duration::from_secs(1));
    assert!(world.is_quiet());
}

#[test]
fn a_classic_client_cannot_be_asked() {
    let detailed = ClassicOptions { enable_detailed_errors: true, ..ClassicOptions::default() };
    let mut world = room_with(&detailed);
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    let call = guest.invocation("AskMe", &json!([]));
    say(&mut wire, &mut world, &call);
    let answer: Value = serde_json::from_str(&texts(&mut wire, &mut world)[0]).expect("JSON");
    let text = format!("Connection '{}' is one of classic SignalR, and cannot be asked.", guest.id);
    assert_eq!(answer["E"], json!(text));
}

#[test]
fn leg_064_names_of_hubs_are_checked() {
    for name in ["a.b", "", "a b"] {
        let shard = tickhub::Shard::bind("127.0.0.1:0").expect("a port");
        let hubs = ClassicHubs::new().hub::<Room>(name).hub::<Room>(name);
        let mut shard = shard.hub("/room", Room::default()).classic(
            "/signalr",
            ClassicOptions::default(),
            &hubs,
        );
        let error = shard.check().expect_err("it is wrong").to_string();
        assert!(error.contains("hub name"), "{error}");
    }
}

#[test]
fn leg_065_slow_calls_overlap() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let mut wire = guest.websocket(&mut world);
    texts(&mut wire, &mut world);
    for (text, ms) in [("slow", 300), ("quick", 100)] {
        let call = guest.invocation("Later", &json!([text, ms]));
        say(&mut wire, &mut world, &call);
    }
    world.pass(Duration::from_millis(400));
    let expected = [r#"{"R":"quick","I":"1"}"#, r#"{"R":"slow","I":"0"}"#];
    assert_eq!(texts(&mut wire, &mut world), expected);
}

#[test]
fn a_call_over_http_waits_for_its_result_and_others_go_on() {
    let mut world = room();
    let mut guest = Guest::new(&mut world);
    let slow = guest.invocation("Later", &json!(["late", 300]));
    let mut wire = tickhub::sim::Wire::tcp(&mut world);
    let target = guest.target("send", "longPolling", "");
    wire.ask(&mut world, "POST", &target, &[], format!("data={}", percent(&slow)).as_bytes());
    assert!(wire.try_answer(&mut world).is_none());
    assert_eq!(guest.call(&mut world, "Count", &json!([])), r#"{"R":1,"I":"1"}"#);
    assert_eq!(guest.call(&mut world, "Count", &json!([])), r#"{"R":2,"I":"2"}"#);
    world.pass(Duration::from_millis(301));
    assert_eq!(wire.answer(&mut world).body, r#"{"R":"late","I":"0"}"#);
    wire.close(&mut world);
    world.pass(Duration::from_secs(31));
    assert_eq!(world.sizes().1, 0, "who only calls leaves nothing behind");
}
