//! Negotiations that are sent elsewhere (§1.2).

use tickhub::http::Request;
use tickhub::sim::{Wire, World};
use tickhub::{HubOptions, Redirect};

use crate::hall::Hall;

/// Who asks with a region is sent there; the others stay.
fn by_region(request: &Request<'_>) -> Option<Redirect> {
    let region = request.query("region")?;
    Some(Redirect::to(format!("http://{region}.example/hub")).access_token("a \"token\""))
}

fn world() -> World {
    World::new(1)
        .hub("/hub", Hall::default, &HubOptions::default())
        .redirect("/hub", by_region)
        .redirect("/away", by_region)
        .redirect("/broken", |_| std::panic::resume_unwind(Box::new("planned")))
}

#[test]
fn a_redirect_is_an_address_and_a_token_and_nothing_else() {
    let mut world = world();
    for path in ["/hub", "/away", "/HUB", "/away/"] {
        let path = path.trim_end_matches('/');
        let target = format!("{path}/negotiate?negotiateVersion=1&region=eu");
        let answer = Wire::tcp(&mut world).request(&mut world, "POST", &target);
        assert_eq!(answer.head.status(), 200);
        assert_eq!(answer.head.header("content-type"), Some("application/json"));
        let expected = r#"{"url":"http://eu.example/hub","accessToken":"a \"token\""}"#;
        assert_eq!(answer.body, expected);
    }
    assert_eq!(world.sizes().1, 0, "no connection was made for them");
}

#[test]
fn who_is_not_sent_away_stays_with_the_hub() {
    let mut world = world();
    let answer = Wire::tcp(&mut world).request(&mut world, "POST", "/hub/negotiate");
    assert!(answer.body.starts_with(r#"{"negotiateVersion":0,"#), "{}", answer.body);
    let answer = Wire::tcp(&mut world).request(&mut world, "POST", "/away/negotiate");
    assert_eq!(answer.head.status(), 404, "there is no hub");
    for path in ["/hub", "/away"] {
        let target = format!("{path}/negotiate?region=eu");
        let answer = Wire::tcp(&mut world).request(&mut world, "GET", &target);
        assert_eq!(answer.head.status(), 405);
    }
    // Only negotiation is redirected; a client that skips it is served.
    Wire::hub(&mut world, "/hub?region=eu");
}

#[test]
fn a_panic_redirects_nobody() {
    let mut world = world();
    let answer = Wire::tcp(&mut world).request(&mut world, "POST", "/broken/negotiate");
    assert_eq!(answer.head.status(), 404);
    assert_eq!(world.counters(0).panics, 1);
}
