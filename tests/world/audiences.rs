//! Who hears what: selectors, groups, users.

use serde_json::Value;
use tickhub::protocol::http::RequestHead;
use tickhub::sim::{Wire, World};
use tickhub::{ConnectionOptions, HubOptions, Identity};

use crate::hall::{ARRIVED, HERE, Hall, call, guest_at, invoke, log};

/// Three connections: a and b of Ann, c of Bob; a and b in group 1, b and c in group 2.
struct Three {
    world: World,
    wires: Vec<Wire>,
    ids: Vec<String>,
}

fn user(head: &RequestHead, _: Option<&Identity>) -> Option<String> {
    head.query("user").map(|user| user.to_string())
}

fn three() -> Three {
    let connection = ConnectionOptions { user_id: Some(user), ..ConnectionOptions::default() };
    let mut world =
        World::new(1).hub_with("/hub", Hall::default, &HubOptions::default(), &connection);
    let mut wires = Vec::new();
    let mut ids = Vec::new();
    for user in ["Ann", "Ann", "Bob"] {
        let mut wire = guest_at(&mut world, &format!("/hub?user={user}"));
        wire.text(&mut world, &invoke("id", "Id", "[]"));
        let heard: Value = serde_json::from_str(&wire.hear(&mut world)[0]).expect("JSON");
        ids.push(heard["result"].as_str().expect("an id").to_owned());
        wires.push(wire);
    }
    for (index, groups) in [&["1"][..], &["1", "2"], &["2"]].into_iter().enumerate() {
        for group in groups {
            wires[index].text(&mut world, &call("Join", &format!("[\"{group}\"]")));
        }
    }
    let mut three = Three { world, wires, ids };
    three.hear();
    three
}

impl Three {
    /// How often each of the three hears it when `a` calls `Select`. Names `a`, `b`, `c` stand
    /// for their ids.
    fn select(&mut self, how: &str, names: &[&str]) -> [usize; 3] {
        let names: Vec<String> = names
            .iter()
            .map(|name| match *name {
                "a" => self.ids[0].clone(),
                "b" => self.ids[1].clone(),
                "c" => self.ids[2].clone(),
                name => name.to_owned(),
            })
            .collect();
        let arguments = serde_json::to_string(&(how, names)).expect("texts");
        self.wires[0].text(&mut self.world, &call("Select", &arguments));
        self.hear().map(|heard| {
            assert!(heard.iter().all(|record| record == HERE), "{heard:?}");
            heard.len()
        })
    }

    fn hear(&mut self) -> [Vec<String>; 3] {
        [0, 1, 2].map(|index| {
            let mut heard = self.wires[index].hear(&mut self.world);
            heard.retain(|record| record != ARRIVED);
            heard
        })
    }
}

#[test]
fn cor_132_each_selector_reaches_exactly_its_receivers() {
    let mut three = three();
    for (how, names, expected) in [
        ("all", &[][..], [1, 1, 1]),
        ("all except", &["a", "c"], [0, 1, 0]),
        ("all except", &["nobody"], [1, 1, 1]),
        ("client", &["b"], [0, 1, 0]),
        ("client", &["nobody"], [0, 0, 0]),
        ("clients", &["a", "c"], [1, 0, 1]),
        ("clients", &["a", "a"], [1, 0, 0]),
        ("group", &["1"], [1, 1, 0]),
        ("group", &["2"], [0, 1, 1]),
        ("group", &["3"], [0, 0, 0]),
        ("group except", &["1", "a"], [0, 1, 0]),
        ("groups", &["2"], [0, 1, 1]),
        ("user", &["Ann"], [1, 1, 0]),
        ("user", &["Bob"], [0, 0, 1]),
        ("user", &["nobody"], [0, 0, 0]),
        ("users", &["Ann", "Bob"], [1, 1, 1]),
        ("users", &["Bob", "Ann", "Bob", "nobody"], [1, 1, 1]),
        ("caller", &[], [1, 0, 0]),
        ("others", &[], [0, 1, 1]),
        ("others in group", &["1"], [0, 1, 0]),
        ("others in group", &["2"], [0, 1, 1]),
    ] {
        assert_eq!(three.select(how, names), expected, "{how} {names:?}");
    }
}

#[test]
fn cor_133_two_groups_are_two_messages_for_a_member_of_both() {
    assert_eq!(three().select("groups", &["1", "2"]), [1, 2, 1]);
}

#[test]
fn cor_134_groups_and_users_heed_case() {
    let mut three = three();
    assert_eq!(three.select("user", &["ann"]), [0, 0, 0]);
    three.wires[2].text(&mut three.world, &call("Join", r#"["Room"]"#));
    assert_eq!(three.select("group", &["room"]), [0, 0, 0]);
    assert_eq!(three.select("group", &["Room"]), [0, 0, 1]);
}

#[test]
fn cor_135_joining_twice_and_leaving_what_one_is_not_in_are_no_errors() {
    let mut three = three();
    for _ in 0..2 {
        three.wires[0].text(&mut three.world, &invoke("1", "Join", r#"["1"]"#));
        three.wires[0].text(&mut three.world, &invoke("2", "Leave", r#"["never"]"#));
    }
    let [heard, _, _] = three.hear();
    assert!(heard.len() == 4 && heard.iter().all(|record| record.contains("\"result\":null")));
    assert_eq!(three.select("group", &["1"]), [1, 1, 0], "once each");
    assert_eq!(three.select("group", &["never"]), [0, 0, 0]);
    three.wires[0].text(&mut three.world, &call("Leave", r#"["1"]"#));
    assert_eq!(three.select("group", &["1"]), [0, 1, 0], "and once is enough to leave");
}

#[test]
fn cor_136_who_comes_back_has_another_id_and_no_groups() {
    let mut three = three();
    let gone = three.wires.remove(1);
    gone.close(&mut three.world);
    let wire = guest_at(&mut three.world, "/hub?user=Ann");
    three.wires.insert(1, wire);
    three.hear();
    assert_eq!(three.select("group", &["1"]), [1, 0, 0]);
    assert_eq!(three.select("client", &["b"]), [0, 0, 0]);
    assert_eq!(three.select("user", &["Ann"]), [1, 1, 0]);
}

#[test]
fn cor_137_who_leaves_is_still_counted_in_on_disconnected_but_hears_nothing() {
    let mut three = three();
    for wire in &mut three.wires[..2] {
        wire.text(&mut three.world, &call("Join", r#"["hall"]"#));
    }
    three.wires[0].close_frame(&mut three.world, 1000, "");
    let left = r#"{"type":1,"target":"left","arguments":[]}"#;
    assert_eq!(three.wires[1].hear(&mut three.world), [left]);
    let frames = three.wires[0].frames(&mut three.world);
    assert!(frames.iter().all(|frame| !matches!(frame, tickhub::sim::Frame::Text(_))));
    assert_eq!(
        log(&mut three.world).last().expect("a line"),
        "closed by the client; 2 in the hall"
    );
}
