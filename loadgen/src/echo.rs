//! The closed loop: each connection keeps calls in flight, and calls again when one is answered.

use std::io;
use std::time::Duration;

use tickhub::base::Moment;
use tickhub::client::{CallId, Client, Event, Outcome};

use crate::arguments::EchoArguments;
use crate::error::Error;
use crate::fleet::{Fleet, Work};
use crate::report::Traffic;
use crate::schedule::Window;
use crate::stamp::Stamp;
use crate::stats::{Tally, Times};
use crate::usage::{Spent, Watch};

/// Opens the connections, loads the server and measures.
///
/// # Errors
///
/// No connection can be opened, or the server does not echo.
pub(crate) fn run(
    fleet: &mut Fleet,
    watch: &Watch,
    arguments: &EchoArguments,
    run: u32,
) -> Result<(Traffic, Spent), Error> {
    let traffic = &arguments.traffic;
    let mut echo = Echo {
        run,
        size: traffic.size,
        method: &traffic.hub_methods.echo,
        flights: vec![Vec::new(); fleet.len()],
        tally: Tally::new(traffic.late_after()),
        sent: 0,
        open_calls: 0,
        window: None,
        refusal: None,
        refusals: Vec::new(),
        is_calling: false,
        text: String::new(),
    };
    fleet.open(arguments.common.open_timeout(), &mut echo)?;
    echo.try_once(fleet)?;
    let window = Window::after(fleet.now(), traffic.warm_up(), traffic.length());
    echo.window = Some(window);
    echo.is_calling = true;
    for index in 0..fleet.len() {
        for _ in 0..arguments.in_flight {
            fleet.act(index, &mut echo, |echo, now, client| echo.call(now, index, client));
        }
    }
    fleet.run_until(window.begins, &mut echo)?;
    let before = watch.read();
    fleet.run_until(window.ends, &mut echo)?;
    let spent = watch.spent(&before);
    echo.is_calling = false;
    echo.finish(fleet)?;
    fleet.leave(&mut echo)?;
    let tally = echo.tally;
    Ok((Traffic { sent: echo.sent, expected: echo.sent, tally, lag: Times::new() }, spent))
}

struct Echo<'a> {
    run: u32,
    size: usize,
    method: &'a str,
    /// For each connection, its calls that are not answered.
    flights: Vec<Vec<(CallId, Stamp)>>,
    open_calls: usize,
    tally: Tally,
    sent: u64,
    window: Option<Window>,
    /// What became of the first call that failed.
    refusal: Option<String>,
    /// Why calls failed; handed to the census by and by.
    refusals: Vec<String>,
    /// Whether an answer is followed by the next call.
    is_calling: bool,
    text: String,
}

impl Echo<'_> {
    /// One call before the many: it tells a wrong name from a slow server.
    fn try_once(&mut self, fleet: &mut Fleet) -> Result<(), Error> {
        fleet.act(0, self, |echo, now, client| echo.call(now, 0, client));
        fleet.run_while(ANSWER_TIMEOUT, self, |_, echo| echo.open_calls > 0)?;
        if let Some(refusal) = self.refusal.take() {
            return Err(Error::Unfit(format!("the hub does not do {}: {refusal}", self.method)));
        }
        if self.tally.received == 0 {
            let method = self.method;
            return Err(Error::Unfit(format!("{method} does not return what it was called with")));
        }
        Ok(())
    }

    fn call(&mut self, now: Moment, index: usize, client: &mut Client) {
        let stamp = Stamp { run: self.run, number: self.sent, intended: now };
        stamp.write(&mut self.text, self.size);
        // A connection that has ended calls nothing; that it ended is counted elsewhere.
        let Ok(call) = client.invoke(now, self.method, &(self.text.as_str(),)) else { return };
        self.sent += 1;
        self.open_calls += 1;
        self.flights[index].push((call, stamp));
    }

    /// Waits for the answers that are still to come.
    fn finish(&mut self, fleet: &mut Fleet) -> io::Result<()> {
        fleet.run_while(ANSWER_TIMEOUT, self, |_, echo| echo.open_calls > 0)?;
        for refusal in self.refusals.drain(..) {
            fleet.complain(refusal);
        }
        Ok(())
    }
}

impl Work for Echo<'_> {
    fn on_event(&mut self, now: Moment, index: usize, client: &mut Client, event: Event) {
        let Event::Completed { call, outcome } = event else { return };
        let flights = &mut self.flights[index];
        // Nearly always the first: servers answer in order.
        let Some(place) = flights.iter().position(|(flying, _)| *flying == call) else {
            self.tally.wrong += 1;
            return;
        };
        let (_, stamp) = flights.remove(place);
        self.open_calls -= 1;
        match outcome {
            Outcome::Result(value)
                if Stamp::find(value.as_bytes()) == Some(stamp)
                    && value.as_bytes().len() >= self.size =>
            {
                self.tally.receive(now, stamp.intended, self.window.as_ref());
            }
            Outcome::Result(_) | Outcome::Nothing => self.tally.wrong += 1,
            Outcome::Error(text) => {
                if self.refusals.len() < REFUSALS_MAX {
                    self.refusals.push(format!("{}: {text}", self.method));
                }
                self.refusal.get_or_insert(text);
            }
            // That connections end is counted elsewhere.
            Outcome::Canceled => {
                self.refusal.get_or_insert_with(|| "the connection was ended".into());
            }
        }
        if self.is_calling {
            self.call(now, index, client);
        }
    }
}

/// How long the last answers may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const REFUSALS_MAX: usize = 10_000;
