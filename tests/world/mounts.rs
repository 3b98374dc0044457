//! One hub at several paths.

use tickhub::sim::{Wire, World};
use tickhub::{ConnectionOptions, HubOptions, Transports};

use crate::hall::{ARRIVED, HERE, Hall, guest_at, invoke, result};
use crate::web::{HANDSHAKE, negotiated_at, poll, polled, post};

/// A Hall at `/hub`, and at `/polling` for long polling alone.
fn two_paths() -> World {
    let transports = Transports::LONG_POLLING;
    let polling = ConnectionOptions { transports, ..ConnectionOptions::default() };
    World::new(1)
        .hub("/hub", Hall::default, &HubOptions::default())
        .hub("/other", Hall::default, &HubOptions::default())
        .also_at::<Hall>("/polling", &polling)
}

#[test]
fn connections_and_groups_of_all_paths_are_one() {
    let mut world = two_paths();
    let mut wire = guest_at(&mut world, "/hub");
    let mut stranger = guest_at(&mut world, "/other");
    let target = negotiated_at(&mut world, "/polling");
    assert_eq!(polled(&mut world, &target).body, "");
    assert_eq!(post(&mut world, &target, HANDSHAKE).head.status(), 200);
    assert_eq!(polled(&mut world, &target).body, format!("{{}}\u{1e}{ARRIVED}\u{1e}"));
    assert_eq!(wire.hear(&mut world), [ARRIVED]);
    let join = format!("{}\u{1e}", invoke("1", "Join", r#"["red"]"#));
    assert_eq!(post(&mut world, &target, &join).head.status(), 200);
    assert_eq!(polled(&mut world, &target).body, format!("{}\u{1e}", result("1", "null")));

    let mut waiting = poll(&mut world, &target);
    wire.text(&mut world, &invoke("2", "Select", r#"["group",["red"]]"#));
    assert_eq!(waiting.answer(&mut world).body, format!("{HERE}\u{1e}"));
    assert_eq!(wire.hear(&mut world), [result("2", "null")]);
    assert_eq!(stranger.hear(&mut world), [""; 0], "the second hub of that type is another world");
}

#[test]
fn each_path_has_its_own_options_and_any_of_them_knows_the_token() {
    let mut world = two_paths();
    let document = Wire::tcp(&mut world).request(&mut world, "POST", "/polling/negotiate").body;
    assert!(document.contains("LongPolling") && !document.contains("WebSockets"), "{document}");
    let answer = Wire::tcp(&mut world).upgrade(&mut world, "/polling", &[]);
    assert_eq!(answer.head.status(), 404);
    assert_eq!(answer.body, "WebSockets transport not supported by this end point type");

    let token = negotiated_at(&mut world, "/polling").replace("/polling", "/hub");
    let answer = Wire::tcp(&mut world).upgrade(&mut world, &token, &[]);
    assert_eq!(answer.head.status(), 101, "a token opens its connection at every path of the hub");
    let token = negotiated_at(&mut world, "/polling").replace("/polling", "/other");
    let answer = Wire::tcp(&mut world).upgrade(&mut world, &token, &[]);
    assert_eq!(answer.head.status(), 404, "and at no path of another one");
}
