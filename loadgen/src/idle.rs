//! Connections that do nothing but stay.

use std::time::Duration;

use tickhub::base::Moment;
use tickhub::client::{Client, Event};

use crate::arguments::IdleArguments;
use crate::error::Error;
use crate::fleet::{Fleet, Work};
use crate::usage::{Spent, Watch};

/// Opens the connections and holds them.
///
/// # Errors
///
/// No connection can be opened.
pub(crate) fn run(
    fleet: &mut Fleet,
    watch: &Watch,
    arguments: &IdleArguments,
) -> Result<Spent, Error> {
    fleet.open(arguments.common.open_timeout(), &mut Idle)?;
    let before = watch.read();
    let until = fleet.now() + Duration::from_secs(arguments.seconds.into());
    fleet.run_until(until, &mut Idle)?;
    let spent = watch.spent(&before);
    fleet.leave(&mut Idle)?;
    Ok(spent)
}

struct Idle;

impl Work for Idle {
    fn on_event(&mut self, _: Moment, _: usize, _: &mut Client, _: Event) {}
}
