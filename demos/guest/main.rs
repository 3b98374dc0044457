//! A shard as a guest in somebody else's event loop.
//!
//! The loop is an epoll of its own, with a timer of its own; the shard is one descriptor in it.
//! Run it, open a SignalR client on `/ticks`, and it hears `tick(n)` ten times a second.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use tickhub::{Error, Hub, Methods, Shard};

#[derive(Default)]
struct Ticks {
    count: u64,
}

impl Hub for Ticks {
    type State = ();

    fn methods(m: &mut Methods<Self>) {
        m.on("Count", |ticks: &mut Ticks, _: &mut tickhub::Context<Ticks>| ticks.count);
    }
}

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    match host(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The foreign loop: it owns the waiting, and gives the shard a turn when there is a reason.
fn host(address: &str) -> Result<(), Error> {
    let mut shard = Shard::bind(address)?.hub("/ticks", Ticks::default());
    for address in shard.local_addrs() {
        println!("Now listening on: http://{address}");
    }
    let descriptor = shard.pollable().expect("a shard on a real driver has a descriptor");
    let mut poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)?;
    let mut events = Events::with_capacity(8);
    let mut next_tick = Instant::now() + PERIOD;
    loop {
        let wake_at = shard.deadline().map_or(next_tick, |deadline| deadline.min(next_tick));
        let wait = wake_at.saturating_duration_since(Instant::now());
        match poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                return Err(error.into());
            }
            _ => {}
        }
        if Instant::now() >= next_tick {
            next_tick += PERIOD;
            shard.enter(|ticks: &mut Ticks, clients| {
                ticks.count += 1;
                clients.all().send("tick", (ticks.count,)).ignore();
            });
        }
        shard.turn(Duration::ZERO)?;
    }
}

const PERIOD: Duration = Duration::from_millis(100);
