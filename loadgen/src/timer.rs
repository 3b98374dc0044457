//! A timer that an epoll can wait for.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tickhub::base::Moment;

/// Wakes the loop to the microsecond. The time-outs of epoll are rounded up to milliseconds, and
/// what an open loop sends late for that reason would count as latency of the server.
#[derive(Debug)]
pub(crate) struct Timer {
    fd: OwnedFd,
    armed: Option<Moment>,
}

impl Timer {
    /// A timer that is not set. Its events come under `token`.
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { fd, armed: None })
    }

    /// Sets it to go off at `at`, which may be past.
    pub(crate) fn set(&mut self, now: Moment, at: Moment) -> io::Result<()> {
        if self.armed == Some(at) {
            return Ok(());
        }
        // Zero would switch it off.
        let span = at.since(now).max(Duration::from_nanos(1));
        let it_value = Timespec {
            tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: span.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &once)?;
        self.armed = Some(at);
        Ok(())
    }

    /// It has gone off. Its count needs no reading: setting it again clears it.
    pub(crate) fn on_expired(&mut self) {
        self.armed = None;
    }
}
