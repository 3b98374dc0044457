//! Ordinary requests whose answer takes time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tickhub::http::Response;
use tickhub::sim::{Frame, Wire, World};
use tickhub::{Exchange, HttpOptions, HubOptions};

use crate::hall::{HERE, Hall, guest, hall, log};

async fn slow(exchange: Exchange) -> Response<'static> {
    let ms = exchange.request().query("ms").and_then(|ms| ms.parse().ok()).unwrap_or(0);
    exchange.call::<Hall>().sleep(Duration::from_millis(ms)).await;
    let said = format!("{:?} {}", exchange.request().method(), exchange.request().path());
    let said = format!("{said} {}", String::from_utf8_lossy(exchange.body()));
    Response::new(200).body(said.into_bytes())
}

fn served() -> World {
    hall().http_async("/slow", slow)
}

#[test]
fn an_answer_comes_when_its_code_has_ended() {
    let mut world = served();
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "POST", "/slow/down?ms=500", &[], b"body");
    world.pass(Duration::from_millis(499));
    assert!(wire.try_answer(&mut world).is_none());
    world.pass(Duration::from_millis(1));
    let answer = wire.answer(&mut world);
    assert_eq!((answer.head.status(), answer.body.as_str()), (200, "Post /slow/down body"));
    // The same socket serves on, and code that need not wait is answered at once.
    let answer = wire.request(&mut world, "GET", "/slow");
    assert_eq!(answer.body, "Get /slow ");
}

#[test]
fn requests_behind_one_that_waits_are_answered_in_order() {
    let mut world = served();
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "GET", "/slow/1?ms=300", &[], b"");
    wire.ask(&mut world, "GET", "/slow/2?ms=1", &[], b"");
    wire.ask(&mut world, "GET", "/nowhere", &[], b"");
    // Another socket does not wait.
    assert_eq!(Wire::tcp(&mut world).request(&mut world, "GET", "/slow/3").body, "Get /slow/3 ");
    assert!(wire.try_answer(&mut world).is_none());
    world.pass(Duration::from_millis(300));
    assert_eq!(wire.answer(&mut world).body, "Get /slow/1 ");
    assert!(wire.try_answer(&mut world).is_none());
    world.pass(Duration::from_millis(1));
    assert_eq!(wire.answer(&mut world).body, "Get /slow/2 ");
    assert_eq!(wire.answer(&mut world).head.status(), 404);
}

#[test]
fn the_code_reaches_the_hub_and_everybody_in_it() {
    let mut world = hall().http_async("/tell", |exchange| async move {
        let work = |hub: &mut Hall, clients: &mut tickhub::Clients<'_>| {
            hub.log.push("told".into());
            clients.all().send("here", ()).queued
        };
        let count = exchange.hub::<Hall, _, _>(work).await;
        Response::new(200).body(count.to_string().into_bytes())
    });
    let mut wire = guest(&mut world);
    let answer = Wire::tcp(&mut world).request(&mut world, "POST", "/tell");
    assert_eq!(answer.body, "1");
    assert_eq!(wire.hear(&mut world), [HERE]);
    assert_eq!(log(&mut world), ["connected", "told"]);
}

#[test]
fn a_panic_is_a_500_and_disturbs_nobody() {
    struct Nobody;
    impl tickhub::Hub for Nobody {
        type State = ();
        fn methods(_: &mut tickhub::Methods<Self>) {}
    }
    async fn broken(exchange: Exchange) -> Response<'static> {
        match exchange.request().query("how").as_deref() {
            Some("hub") => exchange.hub::<Nobody, (), _>(|_, _| ()).await,
            Some("late") => {
                exchange.call::<Hall>().sleep(Duration::from_secs(1)).await;
                std::panic::resume_unwind(Box::new("planned"))
            }
            _ => std::panic::resume_unwind(Box::new("planned")),
        }
        Response::new(200)
    }
    let mut world = served().http_async("/broken", broken).http_async(
        "/never",
        |_| -> std::future::Ready<Response<'static>> {
            std::panic::resume_unwind(Box::new("planned"))
        },
    );
    for target in ["/broken", "/broken?how=hub", "/broken?how=late", "/never"] {
        let mut wire = Wire::tcp(&mut world);
        wire.ask(&mut world, "GET", target, &[], b"");
        world.pass(Duration::from_secs(1));
        let answer = wire.answer(&mut world);
        let told = (answer.head.status(), answer.body.as_str());
        assert_eq!(told, (500, "Internal Server Error"), "{target}");
        assert_eq!(wire.frames(&mut world), [Frame::End], "where it stands is not known any more");
    }
    assert_eq!(world.counters(0).panics, 4);
    assert_eq!(Wire::tcp(&mut world).request(&mut world, "GET", "/slow").head.status(), 200);
}

/// Tells when it is dropped.
struct Dropped(Rc<RefCell<u32>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        *self.0.borrow_mut() += 1;
    }
}

#[test]
fn who_goes_away_drops_what_was_begun_for_them() {
    for how in ["orderly", "reset", "half"] {
        let dropped = Rc::new(RefCell::new(0));
        let counted = dropped.clone();
        let mut world = hall().http_async("/wait", move |exchange: Exchange| {
            let guard = Dropped(counted.clone());
            async move {
                exchange.call::<Hall>().sleep(Duration::from_secs(1000)).await;
                drop(guard);
                Response::new(200)
            }
        });
        let mut wire = Wire::tcp(&mut world);
        wire.ask(&mut world, "GET", "/wait", &[], b"");
        assert_eq!(*dropped.borrow(), 0);
        match how {
            "orderly" => wire.close(&mut world),
            "reset" => wire.reset(&mut world),
            _ => wire.shutdown(&mut world),
        }
        world.settle();
        assert_eq!(*dropped.borrow(), 1, "{how}");
        assert!(world.is_quiet(), "{how}");
    }
}

#[test]
fn a_drain_waits_for_an_answer_that_is_being_made() {
    let mut world = served();
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "GET", "/slow?ms=1000", &[], b"");
    world.drain(Duration::from_secs(20));
    world.pass(Duration::from_secs(1));
    let answer = wire.answer(&mut world);
    assert_eq!(answer.head.header("Connection"), Some("close"));
    assert_eq!(wire.frames(&mut world), [Frame::End]);
    wire.close(&mut world);
    world.settle();
    assert!(world.is_drained());
}

#[test]
fn no_deadline_of_a_request_counts_while_its_answer_is_made() {
    let http = HttpOptions { request_timeout: Duration::from_secs(1), ..HttpOptions::default() };
    let mut world = World::with(1, 1, &http)
        .hub("/hub", Hall::default, &HubOptions::default())
        .http_async("/slow", slow);
    let mut wire = Wire::tcp(&mut world);
    wire.ask(&mut world, "GET", "/slow?ms=600000", &[], b"");
    wire.bytes(&mut world, b"GET /slow HTTP/1.1\r\n");
    let turns = world.turns();
    world.pass(Duration::from_mins(10));
    assert!(world.turns() - turns < 30, "{} turns", world.turns() - turns);
    assert_eq!(wire.answer(&mut world).head.status(), 200);
}
