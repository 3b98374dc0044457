//! The boundary to the kernel: operations in, completions out, in batches.
//!
//! A [`Driver`] is two functions, [`Driver::submit`] and [`Driver::reap`]. Completion is the
//! common denominator: `io_uring` gives it, epoll emulates it, the simulator makes it up. This is
//! the only place with system calls and the only one with `unsafe`.
//!
//! # The contract
//!
//! `tests/drivers.rs` is mounted once per driver and checks each point.
//!
//! 1. Keys carry a generation; an operation with a stale key does nothing (the batch of a stale
//!    send is dropped), and a completion for a closed socket is never delivered. A slot is taken
//!    again only after the last completion of its former tenant.
//! 2. `submit` never blocks and never calls back; what finished meanwhile is told by the next
//!    `reap`. What was submitted reaches the kernel at the latest with the next `reap` or
//!    [`Driver::flush`].
//! 3. Received bytes are lent for the call; [`crate::base::SLACK_BYTES`] readable bytes follow.
//! 4. A batch moves in with [`Op::Send`] and comes back with [`Completion::Sent`] exactly once,
//!    whole or with an error, whatever happens to the socket, and before its
//!    [`Completion::Closed`]. At most one per socket is in flight; a second is a bug of the caller.
//! 5. After [`Completion::Finished`] or [`Completion::Lost`] there is no
//!    [`Completion::Received`]; after `Lost` nothing is sent any more. [`Op::Close`] is answered
//!    with exactly one `Closed` and, between the two, nothing but the `Sent` of a batch in flight.
//!    [`Op::Detach`] is answered with exactly one `Detached` (or `Closed`, when the socket was
//!    lost before). After either answer the key is stale.
//! 6. Order holds within a socket in each direction. Between sockets nothing is promised, except
//!    that adopted sockets are announced in the order of their operations and before any socket
//!    that the driver accepts itself in that reap.
//! 7. A reap is bounded in completions, so that one flood cannot starve the rest; what is left
//!    makes the next reap return at once.
//!
//! While a socket is paused, and after it finished, nobody listens to it: that it broke is told
//! when reading resumes or a send fails.

mod epoll;
mod kernel;
mod listen;
mod open;
pub mod sim;
mod uring;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Batch, Lent, SocketKey};

pub use listen::Listener;
pub use open::{DriverChoice, UnknownDriver, open};

/// A connected socket between two drivers. Dropping it closes the connection.
#[derive(Debug)]
pub enum Descriptor {
    /// A non-blocking TCP socket of the operating system.
    Os(OwnedFd),
    /// A socket of the simulator.
    Simulated(sim::Plug),
}

/// What a shard asks of its driver.
#[derive(Debug)]
pub enum Op {
    /// Sends all of `batch`. Answered with [`Completion::Sent`].
    Send {
        /// Where to.
        socket: SocketKey,
        /// What; comes back with the answer.
        batch: Batch,
    },
    /// Stops reading (back-pressure). Bytes that were already received may still be delivered.
    Pause {
        /// Which socket.
        socket: SocketKey,
    },
    /// Reads again after [`Op::Pause`].
    Resume {
        /// Which socket.
        socket: SocketKey,
    },
    /// Ends our direction (FIN) after the batch in flight and keeps reading: so that an answer
    /// that was just sent is not destroyed by a reset when unread bytes lie in the socket.
    Shutdown {
        /// Which socket.
        socket: SocketKey,
    },
    /// Ends the socket and forgets it. Answered with [`Completion::Closed`]. A batch in flight
    /// comes back unfinished; who wants it sent waits for it.
    Close {
        /// Which socket.
        socket: SocketKey,
        /// End with a TCP reset instead of an orderly FIN, and drop what was not sent.
        reset: bool,
    },
    /// Gives the descriptor away without closing it. Answered with [`Completion::Detached`].
    /// A batch in flight comes back first, unfinished; who wants it sent waits for it.
    Detach {
        /// Which socket.
        socket: SocketKey,
    },
    /// Takes over a descriptor that another driver gave away. Answered with
    /// [`Completion::Accepted`].
    Adopt {
        /// What [`Completion::Detached`] of a driver of the same family gave.
        descriptor: Descriptor,
        /// Its other end.
        peer: SocketAddr,
    },
    /// Accepts no more connections and closes the listening sockets (drain).
    StopAccepting,
}

/// What a driver tells its shard.
#[derive(Debug)]
pub enum Completion<'a> {
    /// A new socket. The driver reads from it at once.
    Accepted {
        /// Its name from now on.
        socket: SocketKey,
        /// The other end.
        peer: SocketAddr,
    },
    /// No connection could be accepted, most likely for want of descriptors (T-FD). The driver
    /// tries again by itself after a pause.
    AcceptFailed {
        /// Why.
        error: io::Error,
    },
    /// Bytes came in.
    Received {
        /// Where from.
        socket: SocketKey,
        /// The bytes, for the length of the call.
        bytes: Lent<'a>,
    },
    /// The other end sends no more (FIN); it may still read.
    Finished {
        /// Which socket.
        socket: SocketKey,
    },
    /// A batch is back.
    Sent {
        /// Which socket.
        socket: SocketKey,
        /// The batch that came with [`Op::Send`].
        batch: Batch,
        /// Whether all of it was handed to the kernel.
        result: Result<(), io::ErrorKind>,
    },
    /// The connection broke (reset, time-out). The shard answers with [`Op::Close`].
    Lost {
        /// Which socket.
        socket: SocketKey,
        /// How.
        error: io::ErrorKind,
    },
    /// The answer to [`Op::Close`]: the last completion of this key.
    Closed {
        /// Which socket.
        socket: SocketKey,
    },
    /// The answer to [`Op::Detach`]: the last completion of this key.
    Detached {
        /// Which socket.
        socket: SocketKey,
        /// The descriptor; nothing of it was read that was not delivered.
        descriptor: Descriptor,
    },
}

/// One way to talk to a kernel (or to pretend to).
pub trait Driver {
    /// Takes all of `ops` and leaves the vector empty. Never blocks, never calls back.
    fn submit(&mut self, ops: &mut Vec<Op>) -> io::Result<()>;

    /// Hands what was submitted to the kernel now. Only who lets time pass between `submit` and
    /// `reap` needs it: a reap does the same, in the system call that it makes anyway.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Waits for completions and hands each to `sink`.
    ///
    /// `wait` is the longest time to wait for the first one: zero never waits, `None` waits for
    /// ever. Returns also when a [`Waker`] was rung or a signal came, perhaps without any
    /// completion.
    fn reap(
        &mut self,
        wait: Option<Duration>,
        sink: &mut dyn FnMut(Completion<'_>),
    ) -> io::Result<()>;

    /// Something that ends a wait in [`Driver::reap`] from any thread.
    fn waker(&self) -> Waker;

    /// A descriptor for somebody else's epoll: readable when a `reap` with zero wait would find
    /// something. From the first call on, `submit` flushes. `None` for the simulator.
    fn pollable(&self) -> Option<RawFd>;

    /// The addresses that are listened on, with real port numbers.
    fn local_addrs(&self) -> Vec<SocketAddr>;

    /// `io_uring`, `epoll` or `sim`: for logs.
    fn name(&self) -> &'static str;
}

/// Ends a driver's wait. Cheap to ring again before the driver woke.
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// A waker that calls `ring`.
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(ring))
    }

    /// Wakes the driver.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}
