//! Asynchronous hub methods: futures that a shard polls between completions.
//!
//! A task never borrows the hub: it holds a [`Call`], and asks for the hub by closure.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

use super::Hub;
use super::clients::Clients;
use super::endpoint::contained;
use super::registry::Ring;
use crate::base::{ConnectionId, ConnectionKey, Keyed as _, Moment, Table, TaskKey};

/// The owned handle that an asynchronous method gets in place of `&mut self` and a context.
pub struct Call<H: Hub> {
    local: Rc<Local<H>>,
    pub(super) state: Rc<CallState>,
}

impl<H: Hub> Clone for Call<H> {
    fn clone(&self) -> Self {
        Self { local: self.local.clone(), state: self.state.clone() }
    }
}

/// What a call and the task that runs it share.
#[derive(Debug)]
pub(super) struct CallState {
    pub(super) connection: ConnectionKey,
    id: ConnectionId,
    /// It counts as one of the plain invocations of its client (§6.4).
    pub(super) holds_slot: Cell<bool>,
    /// It is the code of `connected_async`.
    pub(super) is_connecting: Cell<bool>,
}

impl CallState {
    pub(super) fn new(connection: ConnectionKey, id: ConnectionId) -> Rc<Self> {
        let (holds_slot, is_connecting) = (Cell::new(false), Cell::new(false));
        Rc::new(Self { connection, id, holds_slot, is_connecting })
    }
}

impl<H: Hub> Call<H> {
    pub(super) fn new(local: &Rc<Local<H>>, state: &Rc<CallState>) -> Self {
        Self { local: local.clone(), state: state.clone() }
    }

    /// The handle of code that no connection has called.
    pub(crate) fn of_nobody(local: &Rc<Local<H>>) -> Self {
        Self::new(local, &CallState::new(ConnectionKey::new(u32::MAX, 0), ConnectionId::NONE))
    }

    /// The public id of the calling connection.
    pub fn connection_id(&self) -> ConnectionId {
        self.state.id
    }

    /// Waits.
    pub fn sleep(&self, time: Duration) -> impl Future<Output = ()> + use<H> {
        Sleep {
            clock: self.local.clock.clone(),
            at: self.local.clock.now.get() + time,
            place: None,
        }
    }

    /// Runs `work` with the hub and everybody connected to it, and waits for its result. Between
    /// two awaits the hub belongs to others.
    pub fn hub<T: 'static, W>(&self, work: W) -> impl Future<Output = T> + use<H, T, W>
    where
        W: FnOnce(&mut H, &mut Clients<'_>) -> T + 'static,
    {
        self.with(|hub, _, clients| work(hub, clients))
    }

    /// Like [`Call::hub`], with the state of the calling connection; `None` when it is gone.
    pub fn state<T: 'static, W>(&self, work: W) -> impl Future<Output = Option<T>> + use<H, T, W>
    where
        W: FnOnce(&mut H, &mut H::State, &mut Clients<'_>) -> T + 'static,
    {
        self.with(|hub, state, clients| state.map(|state| work(hub, state, clients)))
    }

    fn with<T: 'static>(
        &self,
        work: impl FnOnce(&mut H, Option<&mut H::State>, &mut Clients<'_>) -> T + 'static,
    ) -> Filled<T> {
        let slot = Rc::new(RefCell::new(Slot { value: None, waker: None }));
        let filled = slot.clone();
        self.push(move |hub, state, clients| {
            let value = work(hub, state, clients);
            let mut slot = filled.borrow_mut();
            slot.value = Some(value);
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        });
        Filled(slot)
    }

    pub(super) fn push(
        &self,
        work: impl FnOnce(&mut H, Option<&mut H::State>, &mut Clients<'_>) + 'static,
    ) {
        let connection = self.state.connection;
        let job = Job { connection, work: Box::new(work) };
        self.local.jobs.borrow_mut().push_back(job);
    }
}

/// What the tasks of one hub share with it.
pub(crate) struct Local<H: Hub> {
    pub(super) jobs: RefCell<VecDeque<Job<H>>>,
    pub(super) clock: Rc<Clock>,
}

impl<H: Hub> Default for Local<H> {
    fn default() -> Self {
        Self { jobs: RefCell::default(), clock: Rc::default() }
    }
}

type Work<H> = Box<dyn FnOnce(&mut H, Option<&mut <H as Hub>::State>, &mut Clients<'_>)>;

/// Work that wants the hub.
pub(super) struct Job<H: Hub> {
    pub(super) connection: ConnectionKey,
    pub(super) work: Work<H>,
}

/// The time as tasks see it, and who sleeps.
#[derive(Default)]
pub(super) struct Clock {
    pub(super) now: Cell<Moment>,
    sleepers: RefCell<BTreeMap<(Moment, u64), Waker>>,
    next: Cell<u64>,
}

impl Clock {
    /// When the first sleeper wants to be woken.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.sleepers.borrow().first_key_value().map(|((at, _), _)| *at)
    }

    /// Wakes whose time has come.
    pub(super) fn advance(&self, now: Moment) {
        self.now.set(now);
        loop {
            let mut sleepers = self.sleepers.borrow_mut();
            match sleepers.first_entry() {
                Some(first) if first.key().0 <= now => {
                    let waker = first.remove();
                    drop(sleepers);
                    waker.wake();
                }
                _ => return,
            }
        }
    }
}

struct Sleep {
    clock: Rc<Clock>,
    at: Moment,
    place: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<()> {
        if self.clock.now.get() >= self.at {
            return Poll::Ready(());
        }
        let place = self.place.unwrap_or_else(|| {
            let place = self.clock.next.get();
            self.clock.next.set(place + 1);
            place
        });
        self.place = Some(place);
        self.clock.sleepers.borrow_mut().insert((self.at, place), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.clock.sleepers.borrow_mut().remove(&(self.at, place));
        }
    }
}

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

struct Filled<T>(Rc<RefCell<Slot<T>>>);

impl<T> Future for Filled<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<T> {
        let mut slot = self.0.borrow_mut();
        if let Some(value) = slot.value.take() {
            return Poll::Ready(value);
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

type Task<T> = Pin<Box<dyn Future<Output = T>>>;

/// Futures that a shard polls: those of one hub, or of ordinary requests.
pub(crate) struct Tasks<T> {
    running: Table<TaskKey, Task<T>>,
    ready: Arc<Ready>,
}

impl<T> Tasks<T> {
    pub(crate) fn new(ring: Ring) -> Self {
        let ready = Arc::new(Ready { queue: Mutex::default(), ring });
        Self { running: Table::default(), ready }
    }

    /// Adds a task; it is polled first by the next [`Tasks::poll`].
    pub(crate) fn spawn(&mut self, task: Task<T>) -> TaskKey {
        let key = self.running.insert(task);
        self.ready.lock().push(key);
        key
    }

    /// Drops a task that nobody waits for any more.
    pub(crate) fn cancel(&mut self, key: TaskKey) {
        let task = self.running.remove(key);
        if let Err(panic) = contained(|| drop(task)) {
            tracing::error!(panic, "a task panicked while it was dropped");
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.running.is_empty() && !self.ready.lock().is_empty()
    }

    /// Whether a task is known and has not ended.
    #[cfg(feature = "sim")]
    pub(crate) fn contains(&self, key: TaskKey) -> bool {
        self.running.get(key).is_some()
    }

    /// How many have not ended.
    #[cfg(feature = "sim")]
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// Polls who was woken, once each; adds what ended.
    pub(crate) fn poll(&mut self, ended: &mut Vec<T>) {
        let woken = std::mem::take(&mut *self.ready.lock());
        for key in woken {
            let Some(task) = self.running.get_mut(key) else { continue };
            let waker = Waker::from(Arc::new(Wakes { ready: self.ready.clone(), key }));
            if let Poll::Ready(value) = task.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
                drop(self.running.remove(key));
                ended.push(value);
            }
        }
    }
}

/// A task whose panic ends it without a value.
pub(crate) struct Contained<F>(pub(crate) F);

impl<F: Future + Unpin> Future for Contained<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let task = Pin::new(&mut self.0);
        match contained(|| task.poll(context)) {
            Ok(poll) => poll.map(Some),
            Err(panic) => {
                tracing::error!(panic, "a task panicked");
                Poll::Ready(None)
            }
        }
    }
}

/// Who was woken, from whatever thread.
struct Ready {
    queue: Mutex<Vec<TaskKey>>,
    ring: Ring,
}

impl Ready {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<TaskKey>> {
        // A panic elsewhere leaves a vector of keys, which is never half-written.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Wakes {
    ready: Arc<Ready>,
    key: TaskKey,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        let first = {
            let mut queue = self.ready.lock();
            queue.push(self.key);
            queue.len() == 1
        };
        if first {
            (self.ready.ring)();
        }
    }
}
