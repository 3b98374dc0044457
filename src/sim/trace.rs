//! What happened in a run: as a hash always, as text on demand.

use std::fmt::{self, Write as _};

use crate::base::Moment;

/// A log that is hashed as it is written. Two runs of one seed have the same hash.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    steps: u64,
    line: String,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty trace; with `kept`, its lines can be read afterwards.
    pub fn new(kept: bool) -> Self {
        Self { hash: FNV_OFFSET, steps: 0, line: String::new(), lines: kept.then(Vec::new) }
    }

    /// Notes that something happened.
    pub fn note(&mut self, now: Moment, what: fmt::Arguments<'_>) {
        self.line.clear();
        let nanos = now.as_nanos();
        let (seconds, micros) = (nanos / 1_000_000_000, nanos / 1000 % 1_000_000);
        write!(self.line, "{seconds:4}.{micros:06} {what}").expect("a text takes all");
        self.add(self.line.len() as u64);
        for index in 0..self.line.len() {
            let byte = self.line.as_bytes()[index];
            self.add(u64::from(byte));
        }
        if let Some(lines) = &mut self.lines {
            lines.push(self.line.clone());
        }
        self.steps += 1;
    }

    /// Counts bytes that passed.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.add(u64::from(*byte));
        }
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many notes there are.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The lines, if they were kept.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// FNV-1a: short, and the same on every machine.
    fn add(&mut self, value: u64) {
        self.hash = (self.hash ^ value).wrapping_mul(FNV_PRIME);
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
