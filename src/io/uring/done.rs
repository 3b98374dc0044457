//! What the driver makes of the kernel's completions.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use socket2::SockRef;

use super::ring::Done;
use super::socket::{Outgoing, Receiving, Socket, Stage};
use super::tag::{Owner, Tag};
use super::{Accept, Uring};
use crate::base::{Lent, SocketKey};
use crate::io::Completion;
use crate::io::kernel::is_connection_error;

/// Who hears of completions, and how many there were.
pub(super) struct Sink<'a> {
    pub(super) told: usize,
    pub(super) sink: &'a mut dyn FnMut(Completion<'_>),
}

impl Sink<'_> {
    pub(super) fn tell(&mut self, completion: Completion<'_>) {
        self.told += 1;
        (self.sink)(completion);
    }
}

impl Uring {
    /// The socket that a completion belongs to.
    fn owner(&self, owner: Owner) -> Option<SocketKey> {
        let (key, _) = self.sockets.at_slot(owner.slot)?;
        (Owner::new(key) == owner).then_some(key)
    }

    pub(super) fn on_done(&mut self, done: Done, sink: &mut Sink<'_>) -> io::Result<()> {
        match done.tag {
            Tag::Receive(owner) => self.on_received(owner, done, sink),
            Tag::Send(owner) => self.on_sent(owner, done, sink)?,
            Tag::Cancel(owner) => self.on_cancelled(owner, done),
            Tag::Accept(door) => self.on_accepted(door as usize, done, sink)?,
            Tag::Wake => {
                self.rung.notice();
                self.woken = true;
                if !done.has_more() {
                    self.ring.watch(self.alarm.as_raw_fd(), Tag::Wake)?;
                }
            }
            Tag::AcceptTimer => {
                self.accept = Accept::Retrying;
                self.arm_doors()?;
            }
            Tag::CancelAccept | Tag::Other => {}
        }
        Ok(())
    }

    fn on_received(&mut self, owner: Owner, done: Done, sink: &mut Sink<'_>) {
        let key = self.owner(owner);
        let buffers = self.buffers.as_mut().expect("only dropping takes the buffers");
        if let Some(id) = done.buffer() {
            let hears = key.and_then(|key| self.sockets.get(key)).is_some_and(Socket::hears_bytes);
            if let Ok(len @ 1..) = usize::try_from(done.result)
                && let (Some(key), true) = (key, hears)
            {
                // SAFETY: this completion handed the buffer over, and it is given back below.
                let bytes = Lent::new(unsafe { buffers.taken(id, len) }, len);
                sink.tell(Completion::Received { socket: key, bytes });
            }
            buffers.give(id);
        }
        let Some((key, socket)) = key.and_then(|key| Some((key, self.sockets.get_mut(key)?)))
        else {
            return;
        };
        if !done.has_more() {
            socket.receiving = Receiving::No;
        }
        match -done.result {
            0 if !done.has_more() => {
                if socket.hears_bytes() {
                    socket.is_finished = true;
                    sink.tell(Completion::Finished { socket: key });
                }
            }
            // All of these end a receive that is asked for again, if it is still wanted.
            ..=0 | libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
            libc::EINVAL if self.receives_multishot => self.receives_multishot = false,
            error => {
                if socket.hears_bytes() {
                    socket.is_lost = true;
                    let error = io::Error::from_raw_os_error(error).kind();
                    sink.tell(Completion::Lost { socket: key, error });
                }
            }
        }
        if !done.has_more() {
            self.arm_soon(key);
            if let Some(answer) = self.settle(key) {
                sink.tell(answer);
            }
        }
    }

    fn on_sent(&mut self, owner: Owner, done: Done, sink: &mut Sink<'_>) -> io::Result<()> {
        let Some(key) = self.owner(owner) else { return Ok(()) };
        let Some(socket) = self.sockets.get_mut(key) else { return Ok(()) };
        let Some(mut batch) = socket.batch.take() else { return Ok(()) };
        let result = match done.error() {
            None => {
                batch.advance(done.result.cast_unsigned() as usize);
                if batch.remaining().is_empty() { Ok(()) } else { Err(ErrorKind::WriteZero) }
            }
            Some(error) => Err(error.kind()),
        };
        let is_interrupted = matches!(-done.result, libc::EINTR | libc::EAGAIN | libc::ECANCELED);
        let result = match result {
            Err(_) if socket.stage != Stage::Open => Err(ErrorKind::ConnectionAborted),
            // Short or disturbed: the rest goes on.
            Err(_) if done.result > 0 || is_interrupted => {
                socket.batch = Some(batch);
                return self.continue_send(key);
            }
            result => result,
        };
        let is_lost_now = result.is_err() && socket.stage == Stage::Open && !socket.is_lost;
        socket.is_lost |= is_lost_now;
        sink.tell(Completion::Sent { socket: key, batch, result });
        if let (true, Err(error)) = (is_lost_now, result) {
            sink.tell(Completion::Lost { socket: key, error });
        } else if socket.outgoing == Outgoing::Ending {
            self.shutdown(key);
        }
        if let Some(answer) = self.settle(key) {
            sink.tell(answer);
        }
        Ok(())
    }

    fn on_cancelled(&mut self, owner: Owner, done: Done) {
        let Some(key) = self.owner(owner) else { return };
        let Some(socket) = self.sockets.get_mut(key) else { return };
        // What cannot be cancelled is running, and running operations end with the connection.
        if done.result == -libc::EALREADY && matches!(socket.stage, Stage::Closing { .. }) {
            let _ = SockRef::from(&socket.descriptor).shutdown(Shutdown::Both);
        }
    }

    fn on_accepted(&mut self, index: usize, done: Done, sink: &mut Sink<'_>) -> io::Result<()> {
        let Some(door) = self.doors.get_mut(index) else { return Ok(()) };
        if !done.has_more() {
            door.is_armed = false;
        }
        let is_closing = door.is_closing;
        if is_closing && !door.is_armed {
            door.descriptor = None;
        }
        if let Some(error) = done.error() {
            let code = -done.result;
            if is_closing || code == libc::ECANCELED || code == libc::EAGAIN {
                // Asked for again below, if it is still wanted.
            } else if code == libc::EINVAL && self.accepts_multishot {
                self.accepts_multishot = false;
            } else if !is_connection_error(&error) {
                let was_working = self.accept == Accept::Working;
                if self.accept != Accept::Pausing {
                    self.accept = Accept::Pausing;
                    self.ring.set_accept_timer(Tag::AcceptTimer)?;
                }
                if was_working {
                    sink.tell(Completion::AcceptFailed { error });
                }
            }
        } else {
            // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
            let descriptor = unsafe { OwnedFd::from_raw_fd(done.result) };
            if self.accept == Accept::Retrying {
                self.accept = Accept::Working;
            }
            // Who has no address any more is gone already.
            if !is_closing
                && let Ok(peer) = SockRef::from(&descriptor).peer_addr()
                && let Some(peer) = peer.as_socket()
            {
                let key = self.sockets.insert(Socket::new(descriptor));
                self.arm_soon(key);
                sink.tell(Completion::Accepted { socket: key, peer });
            }
        }
        self.arm_doors()
    }
}
