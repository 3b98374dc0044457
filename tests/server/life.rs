//! The life of a shard: threads, timers, draining, guests.

use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use tickhub::{ConnectionOptions, Context, DriverChoice, HttpOptions, Hub, Methods, Shard};

use crate::rig::{Client, config, run};

#[derive(Default)]
struct Counter {
    count: u64,
}

impl Hub for Counter {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on("Add", |hub: &mut Counter, _: &mut Context<Counter>, n: u64| {
            hub.count += n;
            hub.count
        });
        m.every(Duration::from_millis(20), |hub: &mut Counter, clients| {
            clients.all().send("tick", (hub.count,)).ignore();
        });
    }
}

fn counter(shard: Shard) -> Shard {
    shard.hub("/counter", Counter::default())
}

pub(crate) fn a_hub_answers(driver: DriverChoice) {
    let running = run(driver, HttpOptions::default(), counter);
    let mut client = running.connect();
    client.open_hub("/counter");
    client.say("{\"type\":1,\"invocationId\":\"1\",\"target\":\"Add\",\"arguments\":[5]}\u{1e}");
    client.read_text("{\"type\":3,\"invocationId\":\"1\",\"result\":5}\u{1e}");
}

pub(crate) fn work_is_posted_from_another_thread(driver: DriverChoice) {
    let running = run(driver, HttpOptions::default(), counter);
    let mut client = running.connect();
    client.open_hub("/counter");
    let post = running.post.clone();
    std::thread::spawn(move || {
        for number in 0..100_u32 {
            post.run(move |_: &mut Counter, clients| {
                clients.all().send("posted", (number,)).ignore();
            });
        }
    })
    .join()
    .expect("the poster did not panic");
    let heard = client.read_text("\"posted\",\"arguments\":[99]");
    let places: Vec<usize> = (0..100)
        .map(|n| heard.find(&format!("\"posted\",\"arguments\":[{n}]")).expect("each arrives"))
        .collect();
    assert!(places.is_sorted(), "in the order in which it was posted");
}

pub(crate) fn work_that_panics_disturbs_nobody(driver: DriverChoice) {
    let running = run(driver, HttpOptions::default(), counter);
    running.post.run(|_: &mut Counter, _| panic!("on purpose"));
    let mut client = running.connect();
    client.open_hub("/counter");
    client.read_text("\"tick\"");
}

/// COR-119.
pub(crate) fn a_drain_says_come_back(driver: DriverChoice) {
    let running = run(driver, HttpOptions::default(), counter);
    let mut clients: Vec<Client> = (0..3).map(|_| running.connect()).collect();
    for client in &mut clients {
        client.open_hub("/counter");
    }
    running.post.drain(Duration::from_secs(20));
    for client in &mut clients {
        // The Close message, then the Close frame 1000.
        client.read_until(|all| {
            let last = b"{\"type\":7,\"allowReconnect\":true}\x1e\x88\x02\x03\xe8";
            all.ends_with(last)
        });
        client.write([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    }
    let address = running.address;
    running.join();
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}

pub(crate) fn a_drain_cuts_who_stays(driver: DriverChoice) {
    let running = run(driver, HttpOptions::default(), |shard| {
        let patient = ConnectionOptions {
            close_timeout: Duration::from_mins(10),
            ..ConnectionOptions::default()
        };
        shard.hub_with("/counter", Counter::default(), tickhub::HubOptions::default(), patient)
    });
    let mut client = running.connect();
    client.open_hub("/counter");
    running.post.drain(Duration::from_millis(300));
    running.join();
    let (_, _) = client.read_end();
}

/// The loop is an epoll of somebody else; the shard is one descriptor in it.
pub(crate) fn a_shard_lives_in_a_foreign_epoll(driver: DriverChoice) {
    let mut shard = counter(
        Shard::with_config(&config(driver, HttpOptions::default())).expect("the driver can be had"),
    );
    let address = shard.local_addrs()[0];
    let client = std::thread::spawn(move || {
        let mut client = Client::connect(address);
        client.open_hub("/counter");
        client
            .say("{\"type\":1,\"invocationId\":\"1\",\"target\":\"Add\",\"arguments\":[5]}\u{1e}");
        client.read_text("\"result\":5");
        client.read_text("\"entered\",\"arguments\":[");
    });
    let descriptor = shard.pollable().expect("a real driver has one");
    let mut poll = Poll::new().expect("an epoll can be had");
    poll.registry()
        .register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)
        .expect("the descriptor can be watched");
    let mut events = Events::with_capacity(8);
    let began = Instant::now();
    while !client.is_finished() {
        assert!(began.elapsed() < Duration::from_secs(20), "the client is served in time");
        let wait = shard
            .deadline()
            .map_or(Duration::from_millis(50), |at| at.saturating_duration_since(Instant::now()));
        // A signal may end the wait; the next one goes on.
        let _ = poll.poll(&mut events, Some(wait.min(Duration::from_millis(50))));
        shard.turn(Duration::ZERO).expect("the driver works");
        shard.enter(|hub: &mut Counter, clients| {
            if hub.count > 0 {
                clients.all().send("entered", (hub.count,)).ignore();
            }
        });
    }
    client.join().expect("the client got everything");
}

pub(crate) fn two_shards_live_in_one_thread(driver: DriverChoice) {
    let mut shards: Vec<Shard> = (0..2)
        .map(|_| {
            let config = config(driver, HttpOptions::default());
            counter(Shard::with_config(&config).expect("the driver can be had"))
        })
        .collect();
    let addresses: Vec<_> = shards.iter().map(|shard| shard.local_addrs()[0]).collect();
    let clients = std::thread::spawn(move || {
        for (number, address) in addresses.into_iter().enumerate() {
            let mut client = Client::connect(address);
            client.open_hub("/counter");
            client.say(&format!(
                "{{\"type\":1,\"invocationId\":\"1\",\"target\":\"Add\",\"arguments\":[{}]}}\u{1e}",
                number + 1
            ));
            client.read_text(&format!("\"result\":{}}}", number + 1));
        }
    });
    let began = Instant::now();
    while !clients.is_finished() {
        assert!(began.elapsed() < Duration::from_secs(20), "the clients are served in time");
        for shard in &mut shards {
            shard.turn(Duration::from_millis(1)).expect("the driver works");
        }
    }
    clients.join().expect("each shard has a hub of its own");
}

pub(crate) fn timers_tick_in_real_time(driver: DriverChoice) {
    let running = run(driver, HttpOptions::default(), counter);
    let mut client = running.connect();
    client.open_hub("/counter");
    let heard = client.read_until(|all| String::from_utf8_lossy(all).matches("tick").count() >= 5);
    assert!(!heard.is_empty());
}
