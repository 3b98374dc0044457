//! The driver on `io_uring`.
//!
//! Accepts and receives are multishot: asked for once, they complete until something ends them,
//! and then they are asked for again. Receives take their memory from a ring of buffers only
//! when bytes come. A batch that is being sent lies in the socket's entry until the kernel has
//! answered, and a descriptor is closed only when nothing of it is outstanding; so a stale
//! completion cannot meet a new socket.

mod buffers;
mod done;
mod ring;
mod socket;
mod tag;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use socket2::SockRef;

use self::buffers::{BUFFERS, Buffers};
use self::done::Sink;
use self::ring::Ring;
use self::socket::{Outgoing, Receiving, Socket, Stage};
use self::tag::{Owner, Tag};
use super::kernel::{COMPLETIONS_PER_REAP_MAX, EventFd, Patience, Rung};
use super::{Completion, Descriptor, Driver, Listener, Op, Waker};
use crate::base::{Batch, SocketKey, Table};

/// A ring that was tried out and has no driver yet.
pub(super) struct Probed {
    ring: Ring,
    buffers: Buffers,
    receives_multishot: bool,
}

/// A driver on `io_uring`.
pub(super) struct Uring {
    ring: Ring,
    /// Given up to a leak when the kernel does not let go of it.
    buffers: Option<Buffers>,
    sockets: Table<SocketKey, Socket>,
    doors: Vec<Door>,
    addrs: Vec<SocketAddr>,
    /// What operations led to without the kernel: told first by the next reap.
    answers: VecDeque<Completion<'static>>,
    /// Sockets whose receive is to be asked for (again).
    unarmed: VecDeque<SocketKey>,
    accept: Accept,
    accepts_multishot: bool,
    receives_multishot: bool,
    alarm: Arc<EventFd>,
    rung: Rung,
    woken: bool,
    /// Rung by the kernel when completions come, once somebody else's epoll watches it.
    watched: Arc<OnceLock<EventFd>>,
}

/// A listening socket.
struct Door {
    /// `None` when nothing is accepted any more and the kernel has let go.
    descriptor: Option<OwnedFd>,
    is_armed: bool,
    is_closing: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Accept {
    Working,
    /// It failed, which was told, and the timer runs.
    Pausing,
    /// It failed, and the pause is over; a further failure is not told again.
    Retrying,
}

impl Uring {
    /// Sets a ring up and tries it out, so that a kernel that grants less is found here.
    pub(super) fn probe() -> io::Result<Probed> {
        let mut ring = Ring::new()?;
        let mut buffers = Buffers::register(&ring.submitter())?;
        let (ours, theirs) = UnixStream::pair()?;
        let pair = (ours.as_fd(), theirs.as_fd());
        let mut trial = Err(ErrorKind::Unsupported.into());
        let mut receives_multishot = false;
        for multishot in [true, false] {
            trial = ring.try_out(pair, multishot, &mut buffers);
            receives_multishot = multishot;
            match &trial {
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                _ => break,
            }
        }
        if !end_all(&mut ring, &mut Some(&mut buffers)) {
            std::mem::forget(buffers);
            return Err(ErrorKind::Unsupported.into());
        }
        trial.map(|()| Probed { ring, buffers, receives_multishot })
    }

    pub(super) fn new(probed: Probed, listeners: Vec<Listener>) -> io::Result<Self> {
        let Probed { ring, buffers, receives_multishot } = probed;
        let addrs = listeners.iter().map(Listener::local_addr).collect();
        let mut doors = Vec::new();
        for listener in listeners {
            let descriptor = listener.into_descriptor();
            // io_uring waits in our stead; of a non-blocking descriptor it would say EAGAIN.
            SockRef::from(&descriptor).set_nonblocking(false)?;
            doors.push(Door { descriptor: Some(descriptor), is_armed: false, is_closing: false });
        }
        let mut driver = Self {
            ring,
            buffers: Some(buffers),
            sockets: Table::default(),
            doors,
            addrs,
            answers: VecDeque::new(),
            unarmed: VecDeque::new(),
            accept: Accept::Working,
            accepts_multishot: true,
            receives_multishot,
            alarm: Arc::new(EventFd::new()?),
            rung: Rung::default(),
            woken: false,
            watched: Arc::default(),
        };
        driver.ring.watch(driver.alarm.as_raw_fd(), Tag::Wake)?;
        driver.arm_doors()?;
        driver.ring.enter(Some(Duration::ZERO))?;
        Ok(driver)
    }

    /// What the kernel granted, for the log.
    pub(super) fn features(&self) -> &'static str {
        self.ring.features()
    }

    fn has_more(&mut self) -> bool {
        !self.answers.is_empty() || !self.unarmed.is_empty() || self.ring.is_ready()
    }

    /// Whoever watches from outside hears of what waits in memory.
    fn ring_watched(&mut self) {
        if self.watched.get().is_some()
            && self.has_more()
            && let Some(watched) = self.watched.get()
        {
            watched.ring();
        }
    }

    fn on_op(&mut self, op: Op) -> io::Result<()> {
        match op {
            Op::Send { socket, batch } => self.send(socket, batch),
            Op::Pause { socket } => self.pause(socket),
            Op::Resume { socket: key } => {
                if let Some(socket) = self.sockets.get_mut(key) {
                    socket.is_paused = false;
                    self.arm_soon(key);
                }
                Ok(())
            }
            Op::Shutdown { socket } => {
                self.shutdown(socket);
                Ok(())
            }
            Op::Close { socket, reset } => self.end(socket, Stage::Closing { reset }),
            Op::Detach { socket } => self.end(socket, Stage::Detaching),
            Op::Adopt { descriptor, peer } => {
                self.adopt(descriptor, peer);
                Ok(())
            }
            Op::StopAccepting => self.stop_accepting(),
        }
    }

    fn send(&mut self, key: SocketKey, batch: Batch) -> io::Result<()> {
        let Some(socket) = self.sockets.get_mut(key) else { return Ok(()) };
        debug_assert!(socket.batch.is_none(), "one batch per socket is in flight");
        let result = match socket.refusal() {
            Some(refusal) => Err(refusal),
            None if batch.remaining().is_empty() => Ok(()),
            None => {
                socket.batch = Some(batch);
                return self.continue_send(key);
            }
        };
        self.answers.push_back(Completion::Sent { socket: key, batch, result });
        Ok(())
    }

    fn continue_send(&mut self, key: SocketKey) -> io::Result<()> {
        let Some(socket) = self.sockets.get_mut(key) else { return Ok(()) };
        let Some(batch) = &socket.batch else { return Ok(()) };
        let fd = socket.descriptor.as_raw_fd();
        // SAFETY: the batch stays in the socket's entry, and the entry in the table, until the
        // completion of this send. Shared bytes do not move and do not change while a batch
        // refers to them.
        unsafe { self.ring.send(fd, batch.remaining(), Tag::Send(Owner::new(key))) }
    }

    fn pause(&mut self, key: SocketKey) -> io::Result<()> {
        let Some(socket) = self.sockets.get_mut(key) else { return Ok(()) };
        if socket.is_paused {
            return Ok(());
        }
        socket.is_paused = true;
        if socket.receiving == Receiving::Armed {
            let owner = Owner::new(key);
            self.ring.cancel(Tag::Receive(owner), Tag::Cancel(owner))?;
        }
        Ok(())
    }

    fn shutdown(&mut self, key: SocketKey) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        if socket.batch.is_some() {
            socket.outgoing = Outgoing::Ending;
        } else if socket.outgoing != Outgoing::Ended {
            socket.outgoing = Outgoing::Ended;
            // It fails when the connection is gone, which the receive will find out.
            let _ = SockRef::from(&socket.descriptor).shutdown(Shutdown::Write);
        }
    }

    /// Begins to close or detach: first the kernel lets go.
    fn end(&mut self, key: SocketKey, stage: Stage) -> io::Result<()> {
        let Some(socket) = self.sockets.get_mut(key) else { return Ok(()) };
        let was_open = socket.stage == Stage::Open;
        if was_open || stage != Stage::Detaching {
            socket.stage = stage;
        }
        if !socket.is_busy() {
            let answer = self.settle(key);
            self.answers.extend(answer);
        } else if was_open {
            let fd = socket.descriptor.as_raw_fd();
            self.ring.cancel_all_of(fd, Tag::Cancel(Owner::new(key)))?;
        }
        Ok(())
    }

    /// The last answer of a socket that ends, as soon as the kernel has let go of it.
    fn settle(&mut self, key: SocketKey) -> Option<Completion<'static>> {
        let socket = self.sockets.get_mut(key)?;
        if socket.stage == Stage::Open || socket.is_busy() {
            return None;
        }
        let socket = self.sockets.remove(key)?;
        match socket.stage {
            Stage::Detaching if !socket.is_lost => {
                // A blocking descriptor would stall an epoll driver, so that one sets it again.
                let _ = SockRef::from(&socket.descriptor).set_nonblocking(true);
                let descriptor = Descriptor::Os(socket.descriptor);
                return Some(Completion::Detached { socket: key, descriptor });
            }
            Stage::Closing { reset: true } => {
                // Without it the end is a FIN, which is no less an end.
                let _ = SockRef::from(&socket.descriptor).set_linger(Some(Duration::ZERO));
            }
            _ => {}
        }
        Some(Completion::Closed { socket: key })
    }

    fn adopt(&mut self, descriptor: Descriptor, peer: SocketAddr) {
        let Descriptor::Os(descriptor) = descriptor else {
            unreachable!("a simulated socket stays within its simulation");
        };
        let blocking = SockRef::from(&descriptor).set_nonblocking(false);
        let key = self.sockets.insert(Socket::new(descriptor));
        self.answers.push_back(Completion::Accepted { socket: key, peer });
        if let Err(error) = blocking
            && let Some(socket) = self.sockets.get_mut(key)
        {
            socket.is_lost = true;
            self.answers.push_back(Completion::Lost { socket: key, error: error.kind() });
        }
        self.arm_soon(key);
    }

    fn stop_accepting(&mut self) -> io::Result<()> {
        for (index, door) in self.doors.iter_mut().enumerate() {
            let Some(descriptor) = &door.descriptor else { continue };
            door.is_closing = true;
            if door.is_armed {
                // Newcomers are refused from here on, and the accept ends.
                let _ = SockRef::from(descriptor).shutdown(Shutdown::Both);
                self.ring.cancel(Tag::Accept(index as u32), Tag::CancelAccept)?;
            } else {
                door.descriptor = None;
            }
        }
        Ok(())
    }

    fn arm_soon(&mut self, key: SocketKey) {
        if let Some(socket) = self.sockets.get_mut(key)
            && socket.receiving == Receiving::No
            && socket.wants_bytes()
        {
            socket.receiving = Receiving::Soon;
            self.unarmed.push_back(key);
        }
    }

    /// Asks for receives. No more at a time than there are buffers: when many sockets were
    /// stopped for want of buffers, the rest would only be stopped again.
    fn arm(&mut self) -> io::Result<()> {
        for _ in 0..BUFFERS {
            let Some(key) = self.unarmed.pop_front() else { break };
            let Some(socket) = self.sockets.get_mut(key) else { continue };
            socket.receiving = Receiving::No;
            if socket.wants_bytes() {
                socket.receiving = Receiving::Armed;
                let fd = socket.descriptor.as_raw_fd();
                self.ring.receive(fd, self.receives_multishot, Tag::Receive(Owner::new(key)))?;
            }
        }
        Ok(())
    }

    fn arm_doors(&mut self) -> io::Result<()> {
        if self.accept == Accept::Pausing {
            return Ok(());
        }
        for (index, door) in self.doors.iter_mut().enumerate() {
            if let Some(descriptor) = &door.descriptor
                && !door.is_armed
                && !door.is_closing
            {
                door.is_armed = true;
                let tag = Tag::Accept(index as u32);
                self.ring.accept(descriptor.as_raw_fd(), self.accepts_multishot, tag)?;
            }
        }
        Ok(())
    }
}

impl Driver for Uring {
    fn submit(&mut self, ops: &mut Vec<Op>) -> io::Result<()> {
        for op in ops.drain(..) {
            self.on_op(op)?;
        }
        if self.watched.get().is_some() {
            self.flush()?;
            self.ring_watched();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.arm()?;
        self.ring.enter(Some(Duration::ZERO))
    }

    fn reap(
        &mut self,
        wait: Option<Duration>,
        sink: &mut dyn FnMut(Completion<'_>),
    ) -> io::Result<()> {
        let patience = Patience::new(wait);
        let mut sink = Sink { told: 0, sink };
        let mut looked = 0;
        self.woken = false;
        loop {
            while sink.told < COMPLETIONS_PER_REAP_MAX
                && let Some(answer) = self.answers.pop_front()
            {
                sink.tell(answer);
            }
            if sink.told >= COMPLETIONS_PER_REAP_MAX {
                break;
            }
            self.arm()?;
            let must_not_wait = sink.told > 0 || self.has_more();
            let timeout = if must_not_wait { Some(Duration::ZERO) } else { patience.left() };
            self.ring.enter(timeout)?;
            if let Some(watched) = self.watched.get() {
                // After entering, so that what this very call brought does not ring; what came
                // after it has raised the ring's flag, which is looked at below.
                watched.drain();
            }
            while looked < COMPLETIONS_PER_REAP_MAX && sink.told < COMPLETIONS_PER_REAP_MAX {
                let Some(done) = self.ring.next() else { break };
                looked += 1;
                self.on_done(done, &mut sink)?;
            }
            let is_over = sink.told > 0 || self.woken || looked >= COMPLETIONS_PER_REAP_MAX;
            if is_over || patience.left() == Some(Duration::ZERO) {
                break;
            }
        }
        if self.watched.get().is_some() {
            self.flush()?;
            self.ring_watched();
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        let (alarm, rung) = (Arc::clone(&self.alarm), self.rung.clone());
        let watched = Arc::clone(&self.watched);
        Waker::new(move || {
            if rung.is_first() {
                alarm.ring();
                // The kernel should ring this one when the alarm completes, but it puts off an
                // eventfd that is due to another eventfd, and some kernels (6.18) do that only
                // once in the life of a ring.
                if let Some(watched) = watched.get() {
                    watched.ring();
                }
            }
        })
    }

    fn pollable(&self) -> Option<RawFd> {
        if let Some(watched) = self.watched.get() {
            return Some(watched.as_raw_fd());
        }
        let watched = EventFd::new().ok()?;
        self.ring.submitter().register_eventfd(watched.as_raw_fd()).ok()?;
        // What happened before may have rung nobody.
        watched.ring();
        Some(self.watched.get_or_init(|| watched).as_raw_fd())
    }

    fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addrs.clone()
    }

    fn name(&self) -> &'static str {
        "io_uring"
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if !end_all(&mut self.ring, &mut self.buffers.as_mut()) {
            // The kernel may still read batches and write to buffers: lose them, not the process.
            std::mem::forget(std::mem::take(&mut self.sockets));
            std::mem::forget(self.buffers.take());
        }
    }
}

/// Cancels everything and waits until the kernel has let go; whether it has.
fn end_all(ring: &mut Ring, buffers: &mut Option<&mut Buffers>) -> bool {
    let end = Instant::now() + END_WAIT_MAX;
    while ring.outstanding() > 0 {
        if ring.cancel_all().is_err()
            || ring.enter(Some(END_WAIT_STEP)).is_err()
            || Instant::now() > end
        {
            return false;
        }
        while let Some(done) = ring.next() {
            if let (Some(id), Some(buffers)) = (done.buffer(), buffers.as_deref_mut()) {
                buffers.give(id);
            }
            if done.result >= 0 && matches!(done.tag, Tag::Accept(_)) {
                // SAFETY: the kernel has just made this descriptor, and nobody else closes it.
                drop(unsafe { OwnedFd::from_raw_fd(done.result) });
            }
        }
    }
    true
}

/// How long a driver that is dropped waits for the kernel to let go.
const END_WAIT_MAX: Duration = Duration::from_secs(2);
const END_WAIT_STEP: Duration = Duration::from_millis(20);
