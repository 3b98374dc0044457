//! Who a request or a call is from, where somebody asks.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use tickhub::http::{Request, Response};
use tickhub::sim::{Wire, World};
use tickhub::{
    Authenticate, Call, ConnectionOptions, Hub, HubError, HubOptions, Identity, Methods, Policy,
    Redirect, StreamWriter, bearer_token,
};

use crate::hall::{invoke, result};

/// Says who a request is from, and counts how often it is asked.
#[derive(Clone, Default)]
struct Counting(Rc<Cell<u32>>);

impl Authenticate for Counting {
    fn authenticate(&self, request: &Request<'_>, now: std::time::SystemTime) -> Option<Identity> {
        self.0.set(self.0.get() + 1);
        let token = bearer_token(request.head())?;
        if token == "panic" {
            std::panic::resume_unwind(Box::new("planned"));
        }
        let since = now.duration_since(UNIX_EPOCH).expect("time goes on").as_secs();
        Some(Identity::new(token.into_owned()).claim("since", since.to_string()))
    }
}

fn name(request: &Request<'_>) -> String {
    request.identity().and_then(Identity::name).unwrap_or("nobody").to_owned()
}

fn said(text: &str) -> Response<'static> {
    Response::new(200).body(text.as_bytes().to_vec())
}

/// What calls said whose they are, in order.
#[derive(Default)]
struct Desk {
    log: Vec<String>,
}

fn whose(call: &Call<Desk>) -> String {
    let name = call.identity().and_then(Identity::name).unwrap_or("nobody");
    format!("{name} as {}", call.user_id().unwrap_or("none"))
}

impl Hub for Desk {
    type State = ();

    fn methods(methods: &mut Methods<Self>) {
        methods
            .on_async("Who", async |call: Call<Self>| whose(&call))
            .stream_async("Whose", async |call: Call<Self>, mut writer: StreamWriter<String>| {
                writer.send(whose(&call)).await;
            })
            .on_async("Later", async |call: Call<Self>| {
                call.sleep(Duration::from_secs(5)).await;
                let late = format!("{} is gone", whose(&call));
                call.post(|hub, _| hub.log.push(late));
            })
            .connected_async(async |call: Call<Self>| {
                let came = format!("{} came", whose(&call));
                call.post(|hub, _| hub.log.push(came));
                Ok::<(), HubError>(())
            });
    }
}

fn desk(scheme: &Counting) -> World {
    let shouting = ConnectionOptions {
        user_id: Some(|_, identity| Some(identity?.id()?.to_uppercase())),
        ..ConnectionOptions::default()
    };
    let closed =
        ConnectionOptions { authorize: Some(Policy::signed_in()), ..ConnectionOptions::default() };
    World::new(1)
        .hub("/desk", Desk::default, &HubOptions::default())
        .also_at::<Desk>("/shouting", &shouting)
        .also_at::<Desk>("/closed", &closed)
        .http("/who", |request| said(&name(request)))
        .http("/twice", |request| said(&format!("{} {}", name(request), name(request))))
        .http("/deaf", |_| said("hello"))
        .http_async("/later", async |exchange| {
            exchange.call::<Desk>().sleep(Duration::from_secs(7)).await;
            let who = exchange.identity();
            let since = who.and_then(|who| who.first_claim("since")).unwrap_or("never");
            let none = exchange.call::<Desk>();
            assert_eq!((none.identity(), none.user_id()), (None, None), "the call of nobody");
            said(&format!("{} since {since}", name(exchange.request())))
        })
        .http_async("/silent", async |_| said("hello"))
        .redirect("/desk", |request| {
            (name(request) == "bob").then(|| Redirect::to("https://bobs.example/desk"))
        })
        .authenticate(scheme)
}

fn ask(world: &mut World, method: &str, target: &str, token: &str) -> (u16, String) {
    let mut wire = Wire::tcp(world);
    let authorization = format!("Bearer {token}");
    let headers = [("Authorization", authorization.as_str())];
    wire.ask(world, method, target, if token.is_empty() { &[] } else { &headers }, b"");
    world.pass(Duration::from_secs(10));
    let answer = wire.answer(world);
    wire.close(world);
    (answer.head.status(), answer.body)
}

#[test]
fn a_handler_asks_who_a_request_is_from_and_pays_when_it_asks() {
    let scheme = Counting::default();
    let mut world = desk(&scheme);
    for (target, token, answer, asked) in [
        ("/who", "ann", "ann", 1),
        ("/who", "", "nobody", 1),
        ("/twice", "ann", "ann ann", 1),
        ("/deaf", "ann", "hello", 0),
        ("/later", "ann", "ann since 40", 1),
        ("/silent", "ann", "hello", 0),
        ("/nowhere", "ann", "Not Found", 0),
    ] {
        let body = ask(&mut world, "GET", target, token).1;
        assert_eq!((body.as_str(), scheme.0.replace(0)), (answer, asked), "{target} {token:?}");
    }
    // A redirect asks, and so does the endpoint: the scheme hears of it once.
    let (status, body) = ask(&mut world, "POST", "/desk/negotiate?negotiateVersion=1", "bob");
    assert!(status == 200 && body.contains("https://bobs.example/desk"), "{body}");
    assert_eq!(scheme.0.replace(0), 1);
    // What stands in front of all asks before anybody else.
    let mut world = desk(&scheme).before(|request, headers| {
        headers.add("X-Who", &name(request));
        None
    });
    let (status, _) = ask(&mut world, "POST", "/closed/negotiate", "ann");
    assert_eq!((status, scheme.0.replace(0)), (200, 1));
}

#[test]
fn without_schemes_everybody_is_nobody() {
    let mut world = World::new(1).http("/who", |request| said(&name(request)));
    assert_eq!(ask(&mut world, "GET", "/who", "ann").1, "nobody");
}

#[test]
fn a_scheme_that_panics_costs_the_request_that_asked() {
    let mut world = desk(&Counting::default());
    for (target, status) in [("/who", 500), ("/later", 500), ("/deaf", 200), ("/silent", 200)] {
        assert_eq!(ask(&mut world, "GET", target, "panic").0, status, "{target}");
    }
    assert_eq!(world.counters(0).panics, 2);
    assert_eq!(ask(&mut world, "GET", "/who", "ann").1, "ann");
}

#[test]
fn a_call_knows_whose_it_is_though_its_connection_has_ended() {
    let mut world = desk(&Counting::default());
    let world = &mut world;
    for (path, token, whose) in [
        ("/desk", "ann", "ann as ann"),
        ("/shouting", "ann", "ann as ANN"),
        ("/desk", "", "nobody as none"),
    ] {
        let mut wire = Wire::hub(world, &format!("{path}?access_token={token}"));
        wire.text(world, &invoke("1", "Who", "[]"));
        assert_eq!(wire.hear(world), [result("1", &format!("\"{whose}\""))]);
        wire.text(world, &invoke("2", "Whose", "[]").replace("\"type\":1", "\"type\":4"));
        let item = format!("{{\"type\":2,\"invocationId\":\"2\",\"item\":\"{whose}\"}}");
        assert_eq!(wire.hear(world)[0], item);
        wire.text(world, &invoke("3", "Later", "[]"));
        wire.hear(world);
        wire.close(world);
        world.pass(Duration::from_secs(6));
        let log = world.enter(0, |desk: &mut Desk, _| std::mem::take(&mut desk.log));
        assert_eq!(log, [format!("{whose} came"), format!("{whose} is gone")]);
    }
}
