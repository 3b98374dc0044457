//! What a run found out, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tickhub::base::Moment;

use crate::arguments::{Mode, Protocol, Transport};
use crate::census::Census;
use crate::stats::{Percentiles, Tally, Times, per, per_second};
use crate::usage::Spent;

/// What became of messages.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// Messages that we sent, warm-up included.
    pub(crate) sent: u64,
    /// Messages that should have come back for them.
    pub(crate) expected: u64,
    pub(crate) tally: Tally,
    /// How late we sent in an open loop.
    pub(crate) lag: Times,
}

/// Everything that is reported.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    mode: &'static str,
    url: String,
    protocol: Protocol,
    transport: Transport,
    measured_seconds: f64,
    connections: Connections,
    messages: Option<Messages>,
    server: Option<Server>,
    generator: Generator,
    /// What went wrong, and how often.
    failures: BTreeMap<String, u64>,
    /// What a reader of the figures has to know.
    notes: Vec<String>,
    /// Whether every connection stayed and every message came as it should.
    ok: bool,
}

#[derive(Debug, Serialize)]
struct Connections {
    wanted: usize,
    opened: usize,
    failed: usize,
    lost: usize,
    per_second: f64,
    connect_us: Option<Percentiles>,
}

#[derive(Debug, Serialize)]
struct Messages {
    sent: u64,
    expected: u64,
    received: u64,
    lost: u64,
    wrong: u64,
    late: u64,
    late_after_ms: u32,
    per_second: f64,
    latency_us: Option<Percentiles>,
}

#[derive(Debug, Serialize)]
struct Server {
    cpu_percent: Option<f64>,
    cpu_ns_per_message: Option<f64>,
    rss_bytes_per_connection: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Generator {
    cpu_percent: f64,
    lag_us: Option<Percentiles>,
}

impl Report {
    /// Puts together what the parts of a run know.
    pub(crate) fn new(mode: &Mode, census: &Census, spent: &Spent) -> Self {
        let percent = |cpu: Duration| 100.0 * cpu.as_secs_f64() / spent.wall.as_secs_f64();
        let opening = census.last_opened.map_or(Duration::ZERO, |at| at.since(Moment::START));
        let server_cpu = spent.server.map(percent);
        let rss = spent.rss_growth_bytes.filter(|_| census.open > 0);
        let mut report = Self {
            mode: mode.name(),
            url: mode.common().url.clone(),
            protocol: mode.common().protocol,
            transport: mode.transport(),
            measured_seconds: spent.wall.as_secs_f64(),
            connections: Connections {
                wanted: mode.connections() as usize,
                opened: census.opened,
                failed: census.failed,
                lost: census.lost,
                per_second: per_second(census.opened as u64, opening),
                connect_us: census.connect_times.summary(),
            },
            messages: None,
            server: server_cpu.is_some().then(|| Server {
                cpu_percent: server_cpu,
                cpu_ns_per_message: None,
                rss_bytes_per_connection: rss.map(|bytes| per(bytes, census.open as u64)),
            }),
            generator: Generator { cpu_percent: percent(spent.own), lag_us: None },
            failures: census.failures.clone(),
            notes: Vec::new(),
            ok: census.failed == 0 && census.lost == 0,
        };
        if report.generator.cpu_percent > BUSY_PERCENT {
            report.notes.push(
                "the generator was busy all the time: the server may be faster than this".into(),
            );
        }
        if spent.server_ended {
            report.notes.push("the process of the server has ended".into());
        }
        report
    }

    /// Adds what became of messages.
    pub(crate) fn with_traffic(
        mut self,
        traffic: &Traffic,
        late_after_ms: u32,
        spent: &Spent,
    ) -> Self {
        let tally = &traffic.tally;
        let lost = traffic.expected.saturating_sub(tally.received);
        let latency_us = tally.latencies.summary();
        if latency_us.is_none() {
            self.notes.push("no message was measured".into());
        }
        self.generator.lag_us = traffic.lag.summary();
        if self.generator.lag_us.is_some_and(|lag| lag.p99 > LAG_MICROS_MAX) {
            self.notes.push(
                "the generator itself sent late (see its lag, which the latencies hold, too)"
                    .into(),
            );
        }
        if let (Some(server), Some(cpu)) = (&mut self.server, spent.server) {
            let nanos = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
            server.cpu_ns_per_message = (tally.arrived > 0).then(|| per(nanos, tally.arrived));
            if cpu < COARSE {
                self.notes.push("the server used too little CPU time to divide it well".into());
            }
        }
        self.ok &= lost == 0 && tally.wrong == 0 && latency_us.is_some();
        self.messages = Some(Messages {
            sent: traffic.sent,
            expected: traffic.expected,
            received: tally.received,
            lost,
            wrong: tally.wrong,
            late: tally.late,
            late_after_ms,
            per_second: per_second(tally.arrived, spent.wall),
            latency_us,
        });
        self
    }

    /// Whether every connection stayed and every message came as it should.
    pub(crate) fn is_ok(&self) -> bool {
        self.ok
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Connections { wanted, opened, failed, lost, per_second, .. } = &self.connections;
        let Self { mode, url, measured_seconds, .. } = self;
        let protocol = match self.protocol {
            Protocol::Json => "JSON",
            Protocol::MessagePack => "MessagePack",
        };
        let transport = match self.transport {
            Transport::Websockets => "WebSockets",
            Transport::ServerSentEvents => "event streams",
            Transport::Classic => "classic WebSockets",
        };
        write!(f, "{mode} on {url}, {protocol} over {transport}, ")?;
        writeln!(f, "measured for {measured_seconds:.1} s")?;
        writeln!(f)?;
        writeln!(
            f,
            "connections   {opened} of {wanted} opened ({per_second:.0}/s), {failed} failed, \
             {lost} lost, {} stayed",
            opened - lost
        )?;
        if let Some(times) = &self.connections.connect_us {
            writeln!(f, "  to connect  {times}")?;
        }
        if let Some(messages) = &self.messages {
            writeln!(f, "messages      {:.0}/s", messages.per_second)?;
            if let Some(times) = &messages.latency_us {
                writeln!(f, "  latency     {times}")?;
            }
            let Messages { sent, received, lost, wrong, late, late_after_ms, .. } = messages;
            writeln!(
                f,
                "  in all      {sent} sent, {received} received, {lost} lost, {wrong} wrong, \
                 {late} late (over {late_after_ms} ms)"
            )?;
        }
        if let Some(server) = &self.server {
            write!(f, "server       ")?;
            if let Some(nanos) = server.cpu_ns_per_message {
                write!(f, " {nanos:.0} ns CPU per message,")?;
            }
            if let Some(percent) = server.cpu_percent {
                write!(f, " {percent:.1} % of a core")?;
            }
            if let Some(bytes) = server.rss_bytes_per_connection {
                write!(f, ", RSS grew by {bytes:.0} bytes per connection")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "generator     {:.1} % of a core", self.generator.cpu_percent)?;
        if let Some(times) = &self.generator.lag_us {
            writeln!(f, "  sent late   {times}")?;
        }
        for (what, count) in &self.failures {
            writeln!(f, "failure       {count} x {what}")?;
        }
        for note in &self.notes {
            writeln!(f, "note          {note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, max] = [self.p50, self.p90, self.p99, self.max].map(Micros);
        write!(f, "p50 {p50}, p90 {p90}, p99 {p99}, max {max}")
    }
}

/// A time in the unit that it reads best in.
struct Micros(f64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            micros if micros < 1000.0 => write!(f, "{micros:.0} us"),
            micros if micros < 1_000_000.0 => write!(f, "{:.2} ms", micros / 1000.0),
            micros => write!(f, "{:.2} s", micros / 1_000_000.0),
        }
    }
}

/// From here on the generator is what limits a closed loop.
const BUSY_PERCENT: f64 = 90.0;
/// A generator that sends later than this is a bad judge of latencies.
const LAG_MICROS_MAX: f64 = 1000.0;
/// Twenty ticks of `/proc`: below it the figure is off by more than 5 %.
const COARSE: Duration = Duration::from_millis(200);
