//! The few descriptors that no crate of ours wraps, and what both kernel drivers think of errors.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A counter in the kernel that is readable while it is not zero.
#[derive(Debug)]
pub(super) struct EventFd(File);

impl EventFd {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        Ok(Self(File::from(owned(descriptor)?)))
    }

    /// Makes it readable.
    pub(super) fn ring(&self) {
        // The only refusal is a full counter, and then it is readable anyway.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Makes it unreadable.
    pub(super) fn drain(&self) {
        // The only refusal is an empty counter.
        let _ = (&self.0).read(&mut [0; size_of::<u64>()]);
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// An alarm clock that is readable after it rang.
#[derive(Debug)]
pub(super) struct TimerFd(File);

impl TimerFd {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer.
        let descriptor = unsafe {
            libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC)
        };
        Ok(Self(File::from(owned(descriptor)?)))
    }

    /// Rings once, `span` from now; forgets an earlier setting.
    pub(super) fn set(&self, span: Duration) -> io::Result<()> {
        let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let once = libc::timespec {
            tv_sec: libc::time_t::try_from(span.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(span.subsec_nanos().cast_signed()),
        };
        let setting = libc::itimerspec { it_interval: never, it_value: once };
        // SAFETY: `setting` outlives the call, and a null pointer asks for no old setting.
        let answer = unsafe {
            libc::timerfd_settime(self.0.as_raw_fd(), 0, &raw const setting, std::ptr::null_mut())
        };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Lets the first ring through until the driver has noticed it, so that ringing a driver that
/// is awake costs no system call.
#[derive(Clone, Debug, Default)]
pub(super) struct Rung(Arc<AtomicBool>);

impl Rung {
    /// Whether this is the first ring since [`Rung::notice`].
    pub(super) fn is_first(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// The driver woke and will look at its mail after this.
    pub(super) fn notice(&self) {
        self.0.swap(false, Ordering::AcqRel);
    }
}

/// How long a reap may still wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    None,
    Until(Instant),
    Endless,
}

impl Patience {
    pub(super) fn new(wait: Option<Duration>) -> Self {
        match wait {
            Some(Duration::ZERO) => Self::None,
            Some(wait) => Instant::now().checked_add(wait).map_or(Self::Endless, Self::Until),
            None => Self::Endless,
        }
    }

    /// The longest time to wait from now on; `None` is for ever.
    pub(super) fn left(self) -> Option<Duration> {
        match self {
            Self::None => Some(Duration::ZERO),
            Self::Until(end) => Some(end.saturating_duration_since(Instant::now())),
            Self::Endless => None,
        }
    }
}

/// Whether a failed accept concerns only the connection that was to be accepted, which is gone;
/// the next one may be fine.
pub(super) fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::EINTR
                | libc::EPROTO
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
                | libc::EOPNOTSUPP
                | libc::EPERM
        )
    )
}

/// How long nothing is accepted after an accept failed for want of descriptors or memory: long
/// enough not to spin, short enough to accept within a second of recovery (T-FD).
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Completions that one reap tells at most (contract, point 7).
pub(super) const COMPLETIONS_PER_REAP_MAX: usize = 4096;
