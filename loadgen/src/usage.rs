//! What a run cost: CPU time and memory of the server, CPU time of this generator.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Who is watched.
#[derive(Debug)]
pub(crate) struct Watch {
    server: Option<u32>,
    /// Memory of the server before the first connection.
    rss_before: Option<u64>,
}

/// The meters, read once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    at: Instant,
    own: Duration,
    server: Option<ServerReading>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ServerReading {
    cpu: Duration,
    rss_bytes: u64,
}

/// What was used between two readings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    /// The time between them.
    pub(crate) wall: Duration,
    /// CPU time of this process.
    pub(crate) own: Duration,
    /// CPU time of the server, all its threads, user and system.
    pub(crate) server: Option<Duration>,
    /// How much the memory of the server has grown since before the first connection.
    pub(crate) rss_growth_bytes: Option<u64>,
    /// The server was watched, but its process has ended.
    pub(crate) server_ended: bool,
}

impl Watch {
    /// Watches this process, and the server if its id is known.
    pub(crate) fn new(server: Option<u32>) -> io::Result<Self> {
        let rss_before = server.map(ServerReading::take).transpose()?;
        Ok(Self { server, rss_before: rss_before.map(|reading| reading.rss_bytes) })
    }

    /// Reads the meters. A server that has gone meanwhile has none.
    pub(crate) fn read(&self) -> Reading {
        let own = clock_gettime(ClockId::ProcessCPUTime);
        Reading {
            at: Instant::now(),
            own: Duration::new(
                u64::try_from(own.tv_sec).unwrap_or_default(),
                u32::try_from(own.tv_nsec).unwrap_or_default(),
            ),
            server: self.server.and_then(|pid| ServerReading::take(pid).ok()),
        }
    }

    /// What was used since `before`.
    pub(crate) fn spent(&self, before: &Reading) -> Spent {
        let after = self.read();
        let server = after.server.zip(before.server);
        let memory = after.server.zip(self.rss_before);
        Spent {
            wall: after.at.saturating_duration_since(before.at),
            own: after.own.saturating_sub(before.own),
            server: server.map(|(after, before)| after.cpu.saturating_sub(before.cpu)),
            server_ended: self.server.is_some() && server.is_none(),
            rss_growth_bytes: memory.map(|(after, before)| after.rss_bytes.saturating_sub(before)),
        }
    }
}

impl ServerReading {
    fn take(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let cpu = cpu_time(&stat);
        let rss_bytes = rss_bytes(&status);
        cpu.zip(rss_bytes)
            .map(|(cpu, rss_bytes)| Self { cpu, rss_bytes })
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it has ended"))
    }
}

/// User and system time from `/proc/PID/stat`: threads that have ended are in it.
fn cpu_time(stat: &str) -> Option<Duration> {
    // The name of the program comes second, in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(TICK * u32::try_from(user + system).ok()?)
}

/// Resident memory from `/proc/PID/status`.
fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The tick of `/proc`, the same for all programs of Linux (`USER_HZ` is 100).
const TICK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "7 (a) b (c) R 1 7 7 0 -1 4194304 90 0 0 0 1200 34 0 0 20 0 5 0 100 1 2 3";
        assert_eq!(cpu_time(stat), Some(Duration::from_millis(12_340)));
        assert_eq!(cpu_time("7 (short) R 1 7"), None);
        assert_eq!(cpu_time(""), None);
    }

    #[test]
    fn memory_is_found() {
        assert_eq!(rss_bytes("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1_263_616));
        assert_eq!(rss_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_can_watch_itself() {
        let watch = Watch::new(Some(std::process::id())).unwrap();
        let spent = watch.spent(&watch.read());
        assert!(!spent.server_ended);
        assert!(spent.server.is_some() && spent.rss_growth_bytes.is_some());
        assert!(Watch::new(Some(u32::MAX)).is_err());
    }
}
