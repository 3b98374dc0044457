//! What is wrong with options: all of it, in words for whoever set them.

use std::fmt;
use std::time::Duration;

/// One option that cannot be as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The name of the option.
    pub option: &'static str,
    /// What it was set to.
    pub value: String,
    /// What it may be.
    pub allowed: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.option, self.value, self.allowed)
    }
}

/// Looks at one option after the other and keeps what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Checklist(Vec<Mistake>);

impl Checklist {
    /// The option must be as said.
    pub(crate) fn require(
        &mut self,
        is_met: bool,
        option: &'static str,
        value: impl fmt::Debug,
        allowed: impl Into<String>,
    ) {
        if !is_met {
            let (value, allowed) = (format!("{value:?}"), allowed.into());
            self.0.push(Mistake { option, value, allowed });
        }
    }

    /// The option is a time that something may take.
    pub(crate) fn require_time(&mut self, option: &'static str, time: Duration) {
        self.require(!time.is_zero(), option, time, "it must be longer than nothing");
    }

    /// The option is a number of things of which there must be one at least.
    pub(crate) fn require_some(&mut self, option: &'static str, count: u64) {
        self.require(count > 0, option, count, "it must be 1 at least");
    }

    /// What was wrong, in the order in which it was looked at.
    pub(crate) fn into_mistakes(self) -> Vec<Mistake> {
        self.0
    }

    /// Adds what is wrong with a part of the options.
    pub(crate) fn extend(&mut self, mistakes: Vec<Mistake>) {
        self.0.extend(mistakes);
    }
}
