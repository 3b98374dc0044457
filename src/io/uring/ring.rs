//! The ring itself: set-up, entering the kernel as seldom as possible, and typed operations.
//!
//! With `DEFER_TASKRUN` the kernel posts completions only while we are inside it and ask for
//! events; a flag in shared memory says when that would be worth it. So a reap that may not wait
//! costs no system call when there is nothing to do.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::buffers::{BUFFER_GROUP, Buffers};
use super::tag::Tag;
use crate::io::kernel::ACCEPT_PAUSE;

/// An `io_uring`, and the completions that were taken out of it to make room.
pub(super) struct Ring {
    uring: IoUring,
    backlog: VecDeque<Done>,
    /// Operations that the kernel has not finished, or that it has not got yet.
    outstanding: usize,
    features: &'static str,
}

/// One completion of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) tag: Tag,
    pub(super) result: i32,
    flags: u32,
}

impl Done {
    /// Whether the operation goes on and completes again.
    pub(super) fn has_more(self) -> bool {
        cqueue::more(self.flags)
    }

    /// The receive buffer that was filled and is ours now.
    pub(super) fn buffer(self) -> Option<u16> {
        cqueue::buffer_select(self.flags)
    }

    /// The error, when it is one.
    pub(super) fn error(self) -> Option<io::Error> {
        (self.result < 0).then(|| io::Error::from_raw_os_error(-self.result))
    }
}

impl From<cqueue::Entry> for Done {
    fn from(entry: cqueue::Entry) -> Self {
        Self {
            tag: Tag::from_bits(entry.user_data()),
            result: entry.result(),
            flags: entry.flags(),
        }
    }
}

impl Ring {
    /// The best ring that this kernel gives: newer features are left out one by one.
    pub(super) fn new() -> io::Result<Self> {
        let mut refusal = io::Error::from(ErrorKind::Unsupported);
        for features in &LADDER {
            match features.build() {
                Ok(uring) => {
                    let params = uring.params();
                    if !params.is_feature_nodrop() || !params.is_feature_ext_arg() {
                        return Err(ErrorKind::Unsupported.into());
                    }
                    let features = features.text;
                    return Ok(Self { uring, backlog: VecDeque::new(), outstanding: 0, features });
                }
                // An unknown flag; anything else is a refusal that fewer flags do not heal.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    /// What the kernel granted, for the log.
    pub(super) fn features(&self) -> &'static str {
        self.features
    }

    /// Operations that have not ended.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding
    }

    pub(super) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.uring.submitter()
    }

    /// Whether [`Ring::next`] has something, perhaps after an [`Ring::enter`] that does not wait.
    pub(super) fn is_ready(&mut self) -> bool {
        !self.backlog.is_empty() || !self.uring.completion().is_empty() || self.wants_enter()
    }

    /// Whether the kernel holds completions that it posts only when asked.
    fn wants_enter(&mut self) -> bool {
        let submission = self.uring.submission();
        submission.taskrun() || submission.cq_overflow()
    }

    /// Hands over what was pushed, and whatever the kernel kept for this occasion; waits at most
    /// `wait` for a completion. Does nothing when there is nothing to do.
    pub(super) fn enter(&mut self, wait: Option<Duration>) -> io::Result<()> {
        let entered = match wait {
            Some(Duration::ZERO) => {
                if self.uring.submission().is_empty() && !self.wants_enter() {
                    return Ok(());
                }
                self.uring.submitter().submit()
            }
            Some(wait) => {
                let span = Timespec::from(wait);
                self.uring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&span))
            }
            None => self.uring.submitter().submit_and_wait(1),
        };
        match entered {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // A signal, the end of the wait, or want of memory for now: all pass.
                Some(libc::EINTR | libc::ETIME | libc::EAGAIN) => Ok(()),
                // The completion queue overflowed: make room.
                Some(libc::EBUSY) => {
                    self.unload();
                    Ok(())
                }
                _ => Err(error),
            },
        }
    }

    /// The next completion that is already there.
    pub(super) fn next(&mut self) -> Option<Done> {
        let done = match self.backlog.pop_front() {
            Some(done) => done,
            None => self.uring.completion().next()?.into(),
        };
        if !done.has_more() {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
        Some(done)
    }

    /// Takes completions out of the queue, so that the kernel has room for more.
    fn unload(&mut self) {
        self.backlog.extend(self.uring.completion().map(Done::from));
    }

    /// Receives into buffers of the ring, again and again where `multishot` is known.
    pub(super) fn receive(&mut self, fd: RawFd, multishot: bool, tag: Tag) -> io::Result<()> {
        let entry = if multishot {
            opcode::RecvMulti::new(Fd(fd), BUFFER_GROUP).build()
        } else {
            let entry = opcode::Recv::new(Fd(fd), std::ptr::null_mut(), 0);
            entry.buf_group(BUFFER_GROUP).build().flags(squeue::Flags::BUFFER_SELECT)
        };
        // SAFETY: the operation refers to no memory but the buffers, which outlive it.
        unsafe { self.push(entry, tag) }
    }

    /// Sends `bytes`; the kernel goes on after a short write.
    ///
    /// # Safety
    ///
    /// `bytes` stay where they are, unchanged, until the operation has completed.
    pub(super) unsafe fn send(&mut self, fd: RawFd, bytes: &[u8], tag: Tag) -> io::Result<()> {
        let len = bytes.len().min(SEND_BYTES_MAX) as u32;
        let entry = opcode::Send::new(Fd(fd), bytes.as_ptr(), len)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        // SAFETY: the caller promises that the memory stays.
        unsafe { self.push(entry, tag) }
    }

    pub(super) fn accept(&mut self, fd: RawFd, multishot: bool, tag: Tag) -> io::Result<()> {
        let entry = if multishot {
            opcode::AcceptMulti::new(Fd(fd)).flags(libc::SOCK_CLOEXEC).build()
        } else {
            let no_address = std::ptr::null_mut();
            opcode::Accept::new(Fd(fd), no_address, no_address.cast())
                .flags(libc::SOCK_CLOEXEC)
                .build()
        };
        // SAFETY: the operation refers to no memory.
        unsafe { self.push(entry, tag) }
    }

    /// Cancels the one operation with `target` as its tag.
    pub(super) fn cancel(&mut self, target: Tag, tag: Tag) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(target.to_bits()).build();
        // SAFETY: the operation refers to no memory.
        unsafe { self.push(entry, tag) }
    }

    /// Cancels all operations on `fd`.
    pub(super) fn cancel_all_of(&mut self, fd: RawFd, tag: Tag) -> io::Result<()> {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::fd(Fd(fd)).all()).build();
        // SAFETY: the operation refers to no memory.
        unsafe { self.push(entry, tag) }
    }

    /// Cancels everything.
    pub(super) fn cancel_all(&mut self) -> io::Result<()> {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
        // SAFETY: the operation refers to no memory.
        unsafe { self.push(entry, Tag::Other) }
    }

    /// Completes whenever `event` is rung.
    pub(super) fn watch(&mut self, event: RawFd, tag: Tag) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(event), libc::POLLIN as u32).multi(true).build();
        // SAFETY: the operation refers to no memory.
        unsafe { self.push(entry, tag) }
    }

    /// Completes after [`ACCEPT_PAUSE`].
    pub(super) fn set_accept_timer(&mut self, tag: Tag) -> io::Result<()> {
        let entry = opcode::Timeout::new(&raw const PAUSE).build();
        // SAFETY: the time is a static.
        unsafe { self.push(entry, tag) }
    }

    /// Queues an operation; enters the kernel only when the queue is full.
    ///
    /// # Safety
    ///
    /// Memory that `entry` refers to stays valid until the operation has completed.
    unsafe fn push(&mut self, entry: squeue::Entry, tag: Tag) -> io::Result<()> {
        let entry = entry.user_data(tag.to_bits());
        let mut attempts = 0;
        // SAFETY: the caller promises that the memory stays.
        while unsafe { self.uring.submission().push(&entry) }.is_err() {
            attempts += 1;
            if attempts > ENTER_ATTEMPTS_MAX {
                return Err(io::Error::other("the kernel takes no operations"));
            }
            self.enter(Some(Duration::ZERO))?;
            if self.uring.completion().len() * 2 >= COMPLETION_ENTRIES as usize {
                self.unload();
            }
        }
        self.outstanding += 1;
        Ok(())
    }

    /// Receives and sends a byte over a pair of sockets.
    pub(super) fn try_out(
        &mut self,
        (ours, theirs): (BorrowedFd<'_>, BorrowedFd<'_>),
        multishot: bool,
        buffers: &mut Buffers,
    ) -> io::Result<()> {
        self.receive(ours.as_raw_fd(), multishot, Tag::Other)?;
        // SAFETY: the byte is a static.
        unsafe { self.send(theirs.as_raw_fd(), b"?", Tag::Other)? };
        for _ in 0..TRIAL_ROUNDS {
            self.enter(Some(TRIAL_WAIT))?;
            while let Some(done) = self.next() {
                if let Some(id) = done.buffer() {
                    buffers.give(id);
                    return Ok(());
                }
                if let Some(error) = done.error() {
                    return Err(error);
                }
            }
        }
        Err(ErrorKind::TimedOut.into())
    }
}

/// Features that not every kernel has.
struct Features {
    text: &'static str,
    /// Completions are made when we ask for them, and only by us.
    deferred: bool,
    single_issuer: bool,
    /// The kernel does not interrupt us to make completions.
    cooperative: bool,
    /// One bad operation does not hold the others up.
    submit_all: bool,
}

impl Features {
    fn build(&self) -> io::Result<IoUring> {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(COMPLETION_ENTRIES).setup_clamp();
        if self.submit_all {
            builder.setup_submit_all();
        }
        if self.single_issuer {
            builder.setup_single_issuer();
        }
        if self.deferred {
            builder.setup_defer_taskrun();
        }
        if self.cooperative {
            builder.setup_coop_taskrun();
        }
        if self.deferred || self.cooperative {
            builder.setup_taskrun_flag();
        }
        builder.build(SUBMISSION_ENTRIES)
    }
}

/// The sets of features that are tried, the best one first.
const LADDER: [Features; 5] = [
    Features {
        text: "single issuer, deferred completions",
        deferred: true,
        single_issuer: true,
        cooperative: false,
        submit_all: true,
    },
    Features {
        text: "single issuer, cooperative completions",
        deferred: false,
        single_issuer: true,
        cooperative: true,
        submit_all: true,
    },
    Features {
        text: "cooperative completions",
        deferred: false,
        single_issuer: false,
        cooperative: true,
        submit_all: true,
    },
    Features {
        text: "whole submissions",
        deferred: false,
        single_issuer: false,
        cooperative: false,
        submit_all: true,
    },
    Features {
        text: "none",
        deferred: false,
        single_issuer: false,
        cooperative: false,
        submit_all: false,
    },
];

static PAUSE: Timespec = Timespec::new().nsec(ACCEPT_PAUSE.subsec_nanos());
const _: () = assert!(ACCEPT_PAUSE.as_secs() == 0);

/// More than 256 in one system call gain nothing: the time goes into the sends.
const SUBMISSION_ENTRIES: u32 = 256;
const COMPLETION_ENTRIES: u32 = 4096;
const SEND_BYTES_MAX: usize = 1 << 30;
/// Attempts to hand operations over before the kernel is believed to be broken.
const ENTER_ATTEMPTS_MAX: u32 = 64;
const TRIAL_ROUNDS: usize = 4;
const TRIAL_WAIT: Duration = Duration::from_millis(250);
