//! What an asynchronous hub method holds in place of the hub: it asks for the hub by closure, so
//! that no borrow of the hub crosses an await.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use super::Hub;
use super::classic::{ClientState, Reports, number_of};
use super::clients::Clients;
use super::upload::Released;
use crate::auth::Identity;
use crate::base::{ConnectionId, ConnectionKey, Keyed as _, Moment};
use crate::transport::Connection;

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
    identity: Option<Rc<Identity>>,
    user: Option<Rc<str>>,
    /// It counts as one of the plain invocations of its client (§6.4).
    pub(super) holds_slot: Cell<bool>,
    /// It is the code of `connected_async`.
    pub(super) is_connecting: Cell<bool>,
    pub(super) cancelled: Signal,
    /// The id of the call of a classic client, with the number of its answer in front.
    classic: OnceCell<Rc<str>>,
    /// It was answered.
    pub(super) is_over: Cell<bool>,
}

impl CallState {
    /// A call of a connection, which stays whose it is; or of nobody.
    pub(super) fn new(key: ConnectionKey, connection: Option<&Connection>) -> Rc<Self> {
        Rc::new(Self {
            connection: key,
            id: connection.map_or(ConnectionId::NONE, |connection| connection.id),
            identity: connection.and_then(|connection| connection.identity.clone()),
            user: connection.and_then(|connection| connection.user.clone()),
            holds_slot: Cell::new(false),
            is_connecting: Cell::new(false),
            cancelled: Signal::default(),
            classic: OnceCell::new(),
            is_over: Cell::new(false),
        })
    }

    /// It is the call of a classic client.
    pub(super) fn is_classic_call(&self, id: Option<&str>) {
        if let Some(id) = id {
            self.classic.get_or_init(|| id.into());
        }
    }

    /// The id that progress is reported under.
    pub(super) fn classic_id(&self) -> Option<Rc<str>> {
        self.classic.get().cloned()
    }
}

impl<H: Hub> Call<H> {
    pub(super) fn new(local: &Rc<Local<H>>, state: &Rc<CallState>) -> Self {
        Self { local: local.clone(), state: state.clone() }
    }

    /// The handle of code that no connection has called.
    pub(crate) fn of_nobody(local: &Rc<Local<H>>) -> Self {
        Self::new(local, &CallState::new(ConnectionKey::new(u32::MAX, 0), None))
    }

    /// The public id of the calling connection.
    pub fn connection_id(&self) -> ConnectionId {
        self.state.id
    }

    /// Who the caller is, as the request said that opened the transport; nothing, if it said
    /// nothing. It stays the same when it expires, and when the connection has ended.
    ///
    /// ```
    /// use tickhub::{Call, Hub};
    ///
    /// async fn greet<H: Hub>(call: Call<H>) -> String {
    ///     let name = call.identity().and_then(|who| who.name()).unwrap_or("stranger");
    ///     format!("Hello {name}")
    /// }
    /// ```
    pub fn identity(&self) -> Option<&Identity> {
        self.state.identity.as_deref()
    }

    /// The user that the caller is for selectors by user: the id of its identity, or what
    /// `ConnectionOptions::user_id` says.
    pub fn user_id(&self) -> Option<&str> {
        self.state.user.as_deref()
    }

    /// Waits.
    pub fn sleep(&self, time: Duration) -> impl Future<Output = ()> + use<H> {
        Sleep {
            clock: self.local.clock.clone(),
            at: self.local.clock.now.get() + time,
            place: None,
        }
    }

    /// Waits for `future`, but no longer than `time`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tickhub::{Call, Hub, HubError, Upload};
    ///
    /// /// The first item, if it comes within a second.
    /// async fn first<H: Hub>(call: Call<H>, mut items: Upload<u32>) -> Result<u32, HubError> {
    ///     let first = call.within(Duration::from_secs(1), items.next()).await??;
    ///     first.ok_or_else(|| HubError::new("nothing came"))
    /// }
    /// ```
    pub fn within<F: Future>(
        &self,
        time: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Elapsed>> + use<H, F> {
        let sleep = self.sleep(time);
        async move {
            let (mut future, mut sleep) = (pin!(future), pin!(sleep));
            std::future::poll_fn(|context| {
                if let Poll::Ready(value) = future.as_mut().poll(context) {
                    return Poll::Ready(Ok(value));
                }
                sleep.as_mut().poll(context).map(|()| Err(Elapsed))
            })
            .await
        }
    }

    /// Waits until the client has cancelled this call, or its connection has ended. A method that
    /// does not ask runs to its end, and is answered as ever (§3.7).
    pub fn cancelled(&self) -> impl Future<Output = ()> + use<H> {
        let state = self.state.clone();
        std::future::poll_fn(move |context| state.cancelled.poll(context))
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

    /// Runs `work` with what the calling client has sent along as its state; see
    /// [`ClientState`].
    pub fn client_state<T: 'static>(
        &self,
        work: impl FnOnce(&mut ClientState) -> T + 'static,
    ) -> impl Future<Output = T> {
        let number = self.state.classic_id().and_then(|id| number_of(&id));
        self.with(move |_, _, clients| work(clients.registry.client_state(number)))
    }

    /// Has `work` run with the hub and everybody connected to it, soon, and waits for nothing.
    /// It runs although the call has ended, so that a guard can say goodbye when it is dropped.
    pub fn post(&self, work: impl FnOnce(&mut H, &mut Clients<'_>) + 'static) {
        self.push(|hub, _, clients| work(hub, clients));
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

impl<H: Hub> fmt::Debug for Call<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("connection_id", &self.state.id).finish_non_exhaustive()
    }
}

/// The time that was given to [`Call::within`] has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The operation has timed out.")]
pub struct Elapsed;

/// Something that happens once, for everybody who waits for it.
#[derive(Debug, Default)]
pub(super) struct Signal {
    is_set: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Signal {
    pub(super) fn set(&self) {
        self.is_set.set(true);
        // Woken without the borrow: a waker may be anybody's.
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_set.get()
    }

    fn poll(&self, context: &TaskContext<'_>) -> Poll<()> {
        if self.is_set() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}

/// What the tasks of one hub share with it.
pub(crate) struct Local<H: Hub> {
    pub(super) jobs: RefCell<VecDeque<Job<H>>>,
    pub(super) clock: Rc<Clock>,
    /// Connections whose uploads have room again.
    pub(super) released: Rc<Released>,
    /// What methods have reported to classic clients.
    pub(super) reports: Rc<Reports>,
}

impl<H: Hub> Default for Local<H> {
    fn default() -> Self {
        let (jobs, clock) = (RefCell::default(), Rc::default());
        Self { jobs, clock, released: Rc::default(), reports: Rc::default() }
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
