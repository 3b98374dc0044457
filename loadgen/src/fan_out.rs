//! The open loop: one connection publishes by the clock, and all connections receive.

use std::io;
use std::time::Duration;

use tickhub::base::Moment;
use tickhub::client::{Client, Event, Outcome, Payload};

use crate::arguments::FanOutArguments;
use crate::error::Error;
use crate::fleet::{Fleet, Work};
use crate::report::Traffic;
use crate::schedule::{Schedule, Window};
use crate::stamp::Stamp;
use crate::stats::{Tally, Times};
use crate::usage::{Spent, Watch};

/// Opens the connections, publishes and measures.
///
/// # Errors
///
/// No connection can be opened, or the server does not send to all.
pub(crate) fn run(
    fleet: &mut Fleet,
    watch: &Watch,
    arguments: &FanOutArguments,
    run: u32,
) -> Result<(Traffic, Spent), Error> {
    let traffic = &arguments.traffic;
    let methods = &traffic.hub_methods;
    let mut fan_out = FanOut {
        run,
        size: traffic.size,
        method: &methods.broadcast,
        target: &methods.message,
        next_numbers: vec![0; fleet.len()],
        tally: Tally::new(traffic.late_after()),
        lag: Times::new(),
        published: 0,
        expected: 0,
        window: None,
        first_answer: None,
        text: String::new(),
    };
    fleet.open(arguments.common.open_timeout(), &mut fan_out)?;
    // Who is lost from here on is still owed every message.
    let audience = fleet.census().open as u64;
    fan_out.try_once(fleet, audience)?;
    let begins = fleet.now();
    let window = Window::after(begins, traffic.warm_up(), traffic.length());
    fan_out.window = Some(window);
    let mut schedule = Schedule::new(begins, window.ends, arguments.rate);
    fan_out.publish_until(fleet, audience, &mut schedule, window.begins)?;
    let before = watch.read();
    fan_out.publish_until(fleet, audience, &mut schedule, window.ends)?;
    let spent = watch.spent(&before);
    fleet.run_while(ARRIVAL_TIMEOUT, &mut fan_out, |_, fan_out| fan_out.is_waiting())?;
    fleet.leave(&mut fan_out)?;
    let FanOut { published, expected, tally, lag, .. } = fan_out;
    Ok((Traffic { sent: published, expected, tally, lag }, spent))
}

struct FanOut<'a> {
    run: u32,
    size: usize,
    method: &'a str,
    target: &'a str,
    /// For each connection, the number of the message that is due. Between two messages of one
    /// connection the order holds, so a higher one leaves a gap and a lower one is wrong.
    next_numbers: Vec<u64>,
    tally: Tally,
    /// How late messages left, for reasons of our own. It is part of the latencies.
    lag: Times,
    published: u64,
    expected: u64,
    window: Option<Window>,
    first_answer: Option<Outcome>,
    text: String,
}

impl FanOut<'_> {
    /// One message before the many: it tells a wrong name from a slow server.
    fn try_once(&mut self, fleet: &mut Fleet, audience: u64) -> Result<(), Error> {
        self.stamp(fleet.now(), audience);
        fleet.act(PUBLISHER, self, |fan_out, now, client| {
            let text = fan_out.text.as_str();
            // If it has ended meanwhile, there is no answer, which is told below.
            let _ = client.invoke(now, fan_out.method, &(text,));
        });
        fleet.run_while(ARRIVAL_TIMEOUT, self, |_, fan_out| match fan_out.first_answer {
            Some(Outcome::Error(_) | Outcome::Canceled) => false,
            Some(_) => fan_out.tally.received == 0,
            None => true,
        })?;
        let method = self.method;
        match &self.first_answer {
            Some(Outcome::Error(text)) => {
                Err(Error::Unfit(format!("the hub does not do {method}: {text}")))
            }
            Some(Outcome::Canceled) => {
                Err(Error::Unfit(format!("the connection that called {method} was ended")))
            }
            _ if self.tally.received == 0 => Err(Error::Unfit(format!(
                "{method} was called, but nobody received {} from it",
                self.target
            ))),
            _ => Ok(()),
        }
    }

    /// Publishes what is due, each message at its time, until `until`.
    fn publish_until(
        &mut self,
        fleet: &mut Fleet,
        audience: u64,
        schedule: &mut Schedule,
        until: Moment,
    ) -> io::Result<()> {
        loop {
            let now = fleet.now();
            // What is due by the end is sent, though the end has passed.
            while let Some(intended) = schedule.take_due(now.min(until)) {
                let is_measured = self.window.is_some_and(|window| window.holds(intended));
                self.stamp(intended, audience);
                // A server that reads nothing is not fed for ever: what it gets not is lost.
                if fleet.waiting_bytes(PUBLISHER) > WAITING_BYTES_MAX {
                    continue;
                }
                fleet.act(PUBLISHER, self, |fan_out, now, client| {
                    if is_measured {
                        fan_out.lag.record(now.since(intended));
                    }
                    // Without the publisher all further messages are lost, and counted so.
                    let _ = client.send(now, fan_out.method, &(fan_out.text.as_str(),));
                });
            }
            if now >= until {
                return Ok(());
            }
            fleet.turn(schedule.next().map_or(until, |next| next.min(until)), self)?;
        }
    }

    /// Writes the next message.
    fn stamp(&mut self, intended: Moment, audience: u64) {
        let stamp = Stamp { run: self.run, number: self.published, intended };
        stamp.write(&mut self.text, self.size);
        self.published += 1;
        self.expected += audience;
    }

    fn is_waiting(&self) -> bool {
        self.tally.received < self.expected
    }
}

impl Work for FanOut<'_> {
    fn on_event(&mut self, now: Moment, index: usize, _: &mut Client, event: Event) {
        match event {
            Event::Invocation(call) if call.target == self.target => {
                let argument = call.arguments.first().map(Payload::as_bytes);
                // Another generator may be at work on the same hub.
                let Some(stamp) = argument
                    .and_then(Stamp::find)
                    .filter(|stamp| stamp.run == self.run && stamp.number < self.published)
                else {
                    return;
                };
                let is_whole = argument.is_some_and(|bytes| bytes.len() >= self.size);
                let due = &mut self.next_numbers[index];
                if stamp.number < *due || !is_whole {
                    self.tally.wrong += 1;
                    return;
                }
                *due = stamp.number + 1;
                self.tally.receive(now, stamp.intended, self.window.as_ref());
            }
            Event::Completed { outcome, .. } => self.first_answer = Some(outcome),
            _ => {}
        }
    }
}

/// The connection that publishes.
const PUBLISHER: usize = 0;
/// How long the last messages may take.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(5);
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
