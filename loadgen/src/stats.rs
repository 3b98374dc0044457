//! Numbers about many: latencies as percentiles, and how many messages came, were late or lost.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tickhub::base::Moment;

use crate::schedule::Window;

/// A distribution of times, three digits deep, in the same space for one or a billion.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    /// No times yet.
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, NANOS_MAX, 3);
        Self(histogram.expect("the bounds are in order and three digits are allowed"))
    }

    /// One more. What is longer than an hour counts as an hour.
    pub(crate) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos.max(1));
    }

    /// Percentiles; `None` of nothing.
    pub(crate) fn summary(&self) -> Option<Percentiles> {
        let at = |quantile| micros(self.0.value_at_quantile(quantile));
        let max = micros(self.0.max());
        (!self.0.is_empty()).then(|| Percentiles {
            count: self.0.len(),
            // The histogram answers with the upper edge of a cell; nothing was above the maximum.
            p50: at(0.50).min(max),
            p90: at(0.90).min(max),
            p99: at(0.99).min(max),
            max,
        })
    }
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    /// How many there were.
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// What became of the messages of a run.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// How long messages took that were meant to leave within the window.
    pub(crate) latencies: Times,
    /// Messages that came in within the window: the ones that its CPU time was spent on.
    pub(crate) arrived: u64,
    /// Of all that were sent, warm-up included, those that came as they should.
    pub(crate) received: u64,
    /// Of the measured ones, those that took longer than allowed.
    pub(crate) late: u64,
    /// Messages that were not what they should be: changed, twice, or out of order.
    pub(crate) wrong: u64,
    late_after: Duration,
}

impl Tally {
    /// An empty one, that calls late what takes longer than `late_after`.
    pub(crate) fn new(late_after: Duration) -> Self {
        let latencies = Times::new();
        Self { latencies, arrived: 0, received: 0, late: 0, wrong: 0, late_after }
    }

    /// A message came at `now` that was meant to leave at `intended`.
    pub(crate) fn receive(&mut self, now: Moment, intended: Moment, window: Option<&Window>) {
        self.received += 1;
        let Some(window) = window else { return };
        self.arrived += u64::from(window.holds(now));
        if window.holds(intended) {
            let latency = now.since(intended);
            self.latencies.record(latency);
            self.late += u64::from(latency > self.late_after);
        }
    }
}

/// `count` in each of `parts`.
#[expect(clippy::cast_precision_loss, reason = "figures for people have a few digits")]
pub(crate) fn per(count: u64, parts: u64) -> f64 {
    count as f64 / parts as f64
}

/// `count` in each second of `time`; zero in no time.
#[expect(clippy::cast_precision_loss, reason = "figures for people have a few digits")]
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

fn micros(nanos: u64) -> f64 {
    per(nanos, 1000)
}

/// An hour: longer than any run.
const NANOS_MAX: u64 = 3_600_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    fn is_near(value: f64, wanted: f64) -> bool {
        (value - wanted).abs() <= wanted / 1000.0
    }

    #[test]
    fn percentiles_are_right_to_three_digits() {
        let mut times = Times::new();
        assert_eq!(times.summary(), None);
        for micros in 1..=1000 {
            times.record(Duration::from_micros(micros));
        }
        let summary = times.summary().unwrap();
        assert_eq!(summary.count, 1000);
        assert!(is_near(summary.p50, 500.0), "{summary:?}");
        assert!(is_near(summary.p90, 900.0), "{summary:?}");
        assert!(is_near(summary.p99, 990.0), "{summary:?}");
        assert!(is_near(summary.max, 1000.0), "{summary:?}");
        assert!(summary.p99 <= summary.max);
    }

    #[test]
    fn times_out_of_all_bounds_are_kept() {
        let mut times = Times::new();
        times.record(Duration::ZERO);
        times.record(Duration::MAX);
        assert_eq!(times.summary().unwrap().count, 2);
    }

    #[test]
    fn only_the_window_is_measured_but_everything_is_counted() {
        let mut tally = Tally::new(Duration::from_millis(50));
        let window = Window { begins: at(100), ends: at(200) };
        tally.receive(at(20), at(10), None);
        tally.receive(at(30), at(20), Some(&window)); // Warm-up.
        tally.receive(at(110), at(90), Some(&window)); // Sent before, came within.
        tally.receive(at(150), at(140), Some(&window)); // Within.
        tally.receive(at(230), at(190), Some(&window)); // Sent within, came after, in time.
        tally.receive(at(260), at(199), Some(&window)); // The same, late.
        assert_eq!((tally.received, tally.arrived, tally.late), (6, 2, 1));
        let summary = tally.latencies.summary().unwrap();
        assert_eq!(summary.count, 3);
        assert!(is_near(summary.max, 61_000.0), "{summary:?}");
    }

    #[test]
    fn rates() {
        assert!(is_near(per_second(300, Duration::from_secs(2)), 150.0));
        assert!(per_second(300, Duration::ZERO) < 0.1);
    }
}
