//! What runs: asynchronous calls and streams, from their beginning to their completion, and what
//! their clients have to say meanwhile.

use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use smallvec::SmallVec;

use super::Hub;
use super::call::CallState;
use super::clients::Clients;
use super::delivery::kind_of;
use super::dispatch::{Caller, Flow};
use super::endpoint::{HubEndpoint, contained};
use super::error::HubError;
use super::filter::{FilteredCall, UNASKED};
use super::methods::{Entry, Failure, Work, Writable};
use super::registry::Registry;
use super::stream::Step;
use super::upload::Intake;
use crate::base::{ConnectionKey, TaskKey};
use crate::protocol::hub_protocol::errors::DetailedErrors;
use crate::protocol::hub_protocol::{HubProtocolKind, Outcome, Payload, StreamIds, WriteError};

/// A call that has begun and is not over.
pub(super) struct Task {
    target: Rc<str>,
    id: Option<Rc<str>>,
    call: Rc<CallState>,
    work: Work,
    /// It is told that it is cancelled, and ends by itself.
    cooperative: bool,
    /// It has run up to its first wait.
    has_begun: bool,
    /// An item for which there was no room when it had been written.
    held: Option<Vec<u8>>,
    /// What filters are to see again.
    filtered: Option<Box<FilteredCall>>,
}

/// What a method that was begun leaves to be done.
pub(super) struct Begun {
    pub(super) call: Rc<CallState>,
    pub(super) work: Work,
    pub(super) intakes: Intakes,
}

/// The ends of the uploads of one call into which items are put, in the order of its parameters.
pub(super) type Intakes = SmallVec<[Rc<dyn Intake>; 2]>;

/// How a call has ended.
type Ended = Result<Result<End, Failure>, String>;

enum End {
    Value(Box<dyn Writable>),
    Stream,
}

impl End {
    fn write(
        self,
        protocol: HubProtocolKind,
        out: &mut Vec<u8>,
        id: &str,
    ) -> Result<(), WriteError> {
        match self {
            Self::Value(value) => value.write(protocol, out, id),
            Self::Stream => {
                protocol.write_end(out, id);
                Ok(())
            }
        }
    }
}

/// What one connection has under way. The lists are short: the options of the hub bound them.
#[derive(Default)]
pub(super) struct Underway {
    calls: Vec<Running>,
    uploads: Vec<OpenUpload>,
}

struct Running {
    task: TaskKey,
    id: Option<Rc<str>>,
    is_stream: bool,
    /// Streams in either direction that belong to it.
    streams: usize,
}

struct OpenUpload {
    id: Box<str>,
    task: TaskKey,
    intake: Rc<dyn Intake>,
}

impl Underway {
    /// Whether a stream to the client has this id.
    pub(super) fn has_stream(&self, id: &str) -> bool {
        self.calls.iter().any(|call| call.is_stream && call.id.as_deref() == Some(id))
    }

    /// Whether a stream from the client has this id.
    pub(super) fn has_upload(&self, id: &str) -> bool {
        self.upload(id).is_some()
    }

    /// Streams in either direction that belong to running calls.
    pub(super) fn streams(&self) -> usize {
        self.calls.iter().map(|call| call.streams).sum()
    }

    fn upload(&self, id: &str) -> Option<&OpenUpload> {
        self.uploads.iter().find(|upload| *upload.id == *id)
    }

    fn take_upload(&mut self, id: &str) -> Option<OpenUpload> {
        let place = self.uploads.iter().position(|upload| *upload.id == *id)?;
        Some(self.uploads.swap_remove(place))
    }

    #[cfg(feature = "sim")]
    pub(super) fn calls(&self) -> impl Iterator<Item = TaskKey> {
        self.calls.iter().map(|call| call.task)
    }

    #[cfg(feature = "sim")]
    pub(super) fn uploads_of_nobody(&self) -> usize {
        let is_known = |task| self.calls.iter().any(|call| call.task == task);
        self.uploads.iter().filter(|upload| !is_known(upload.task)).count()
    }

    /// A call is over: nobody reads its uploads any more (§3.7).
    fn forget(&mut self, task: TaskKey) {
        self.calls.retain(|call| call.task != task);
        self.uploads.retain(|upload| {
            let stays = upload.task != task;
            if !stays {
                upload.intake.close(Ok(()));
            }
            stays
        });
    }
}

#[cfg(feature = "sim")]
impl Task {
    pub(super) fn connection(&self) -> ConnectionKey {
        self.call.connection
    }

    pub(super) fn holds_slot(&self) -> bool {
        self.call.holds_slot.get()
    }

    pub(super) fn must_end_with_connection(&self) -> bool {
        matches!(self.work, Work::Stream(_)) && !self.cooperative
    }
}

impl Task {
    /// Writes items while there are any and their client takes them. Ready when the stream has
    /// ended.
    fn advance(
        &mut self,
        registry: &mut Registry,
        context: &mut TaskContext<'_>,
        items_left: &mut usize,
    ) -> Poll<Result<Result<(), Failure>, String>> {
        let Work::Stream(items) = &mut self.work else { return Poll::Pending };
        let key = self.call.connection;
        let id = self.id.as_deref().unwrap_or_default();
        let speaks = registry.get(key).and_then(|connection| connection.hub.speaks);
        // Only what ends by itself is still here when nobody wants its items any more.
        let is_wanted = !self.call.cancelled.is_set();
        let protocol = match speaks {
            Some(protocol) => protocol,
            None if is_wanted => return Poll::Pending,
            None => HubProtocolKind::Json,
        };
        for _ in 0..ITEMS_PER_POLL_MAX {
            if let Some(body) = self.held.take_if(|body| registry.has_room_for(key, body.len())) {
                registry.queue_encoded(key, kind_of(protocol), &body).ignore();
            }
            if is_wanted && (self.held.is_some() || !registry.takes_items(key)) {
                registry.await_room(key);
                return Poll::Pending;
            }
            if *items_left == 0 {
                break;
            }
            let mut body = registry.take_body();
            let step = contained(|| {
                items.poll_next(context, &mut |item| {
                    if is_wanted { item.write_item(protocol, &mut body, id) } else { Ok(()) }
                })
            });
            if let Ok(Poll::Ready(Step::Item)) = step {
                *items_left -= 1;
                if !is_wanted {
                    // It goes nowhere.
                } else if registry.has_room_for(key, body.len()) {
                    registry.queue_encoded(key, kind_of(protocol), &body).ignore();
                } else {
                    self.held = Some(body.clone());
                }
            }
            registry.give_body(body);
            match step {
                Ok(Poll::Ready(Step::Item)) => {}
                Ok(Poll::Ready(Step::End(end))) => return Poll::Ready(Ok(end)),
                Ok(Poll::Pending) => return Poll::Pending,
                Err(panic) => return Poll::Ready(Err(panic)),
            }
        }
        // There may be more; others come first.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<H: Hub> HubEndpoint<H> {
    /// What a method has begun goes on from here. It is known before the next message of its
    /// client is looked at (COR-104).
    pub(super) fn begin(
        &mut self,
        registry: &mut Registry,
        method: &Entry<H>,
        id: Option<&str>,
        stream_ids: StreamIds<'_>,
        filtered: Option<Box<FilteredCall>>,
        begun: Begun,
    ) {
        let Begun { call, work, intakes } = begun;
        let key = call.connection;
        if call.holds_slot.get()
            && let Some(connection) = registry.get_mut(key)
        {
            connection.hub.running += 1;
        }
        let id: Option<Rc<str>> = id.map(Rc::from);
        let task = self.tasks.spawn(Task {
            target: method.name.clone(),
            id: id.clone(),
            call,
            work,
            cooperative: method.shape.cooperative,
            has_begun: false,
            held: None,
            filtered,
        });
        let (is_stream, streams) = (method.shape.streams, method.shape.streams_of_call());
        let underway = self.underway_of(key);
        underway.calls.push(Running { task, id, is_stream, streams });
        for (id, intake) in stream_ids.iter().zip(intakes) {
            underway.uploads.push(OpenUpload { id: id.into(), task, intake });
        }
    }

    /// Runs code for a connection that is no call of its client: nobody is answered.
    pub(super) fn begin_unasked(
        &mut self,
        call: Rc<CallState>,
        name: &str,
        code: impl Future<Output = ()> + 'static,
    ) {
        let key = call.connection;
        let work = Work::Call(Box::pin(async move {
            code.await;
            Ok(Box::new(()) as Box<dyn Writable>)
        }));
        let (id, held, filtered) = (None, None, None);
        let target = name.into();
        let task =
            Task { target, id, call, work, cooperative: false, has_begun: false, held, filtered };
        let task = self.tasks.spawn(task);
        let running = Running { task, id: None, is_stream: false, streams: 0 };
        self.underway_of(key).calls.push(running);
    }

    fn underway_of(&mut self, key: ConnectionKey) -> &mut Underway {
        if self.underway.get(key).is_none() {
            self.underway.insert(key, Underway::default());
        }
        self.underway.get_mut(key).expect("it was put there if it was missing")
    }

    /// An item of an upload. Who has ended, or never was, wants none (COR-110).
    pub(super) fn on_stream_item(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        id: &str,
        item: Payload<'_>,
    ) -> Flow {
        let Some(upload) = self.underway.get(key).and_then(|underway| underway.upload(id)) else {
            return Flow::Next;
        };
        let detailed = DetailedErrors(self.options.enable_detailed_errors);
        match contained(|| upload.intake.put(item, detailed)) {
            Ok(true) => Flow::Next,
            Ok(false) => Flow::Blocked,
            Err(panic) => {
                registry.count_panic();
                tracing::error!(panic, "an item of an upload panicked while it was read");
                upload.intake.close(Err(HubError::internal("Panic", panic)));
                Flow::Next
            }
        }
    }

    /// A completion from the client: the end of an upload, or else the answer to a question
    /// (§3.11).
    pub(super) fn on_completion(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        id: &str,
        outcome: Outcome<'_>,
    ) -> Flow {
        let upload = self.underway.get_mut(key).and_then(|underway| underway.take_upload(id));
        let Some(upload) = upload else { return Self::on_answer(registry, key, id, outcome) };
        upload.intake.close(match outcome {
            Outcome::Error(text) => Err(HubError::new(text.into_owned())),
            Outcome::Nothing | Outcome::Result(_) => Ok(()),
        });
        Flow::Next
    }

    /// The client wants no more of a call. A stream ends at once; a plain call hears of it, and is
    /// answered when it has ended. Unknown ids are ignored (COR-105).
    pub(super) fn on_cancel(&mut self, registry: &mut Registry, key: ConnectionKey, id: &str) {
        let Some(underway) = self.underway.get(key) else { return };
        let calls = underway.calls.iter().filter(|call| call.id.as_deref() == Some(id));
        let calls: SmallVec<[TaskKey; 2]> = calls.map(|call| call.task).collect();
        for key in calls {
            let Some(task) = self.tasks.get_mut(key) else { continue };
            task.call.cancelled.set();
            match task.work {
                Work::Stream(_) if !task.cooperative => self.end_stream(registry, key),
                Work::Stream(_) => {
                    // What it sends from here on goes nowhere, so it need not wait for room.
                    task.held = None;
                    self.tasks.wake(key);
                }
                Work::Call(_) => {}
            }
        }
    }

    /// The connection has ended, and with it what it had under way (COR-112).
    pub(super) fn abandon(&mut self, registry: &mut Registry, key: ConnectionKey) {
        let Some(underway) = self.underway.remove(key) else { return };
        for upload in underway.uploads {
            let text = "The underlying connection was closed.";
            upload.intake.close(Err(HubError::internal("OperationCanceledException", text)));
        }
        for Running { task: key, .. } in underway.calls {
            let Some(task) = self.tasks.get_mut(key) else { continue };
            // Filters hear no more of it.
            task.filtered = None;
            task.call.cancelled.set();
            match task.work {
                Work::Stream(_) if !task.cooperative => self.end_stream(registry, key),
                Work::Stream(_) => self.tasks.wake(key),
                Work::Call(_) => {}
            }
        }
    }

    /// What was sent has made room: streams that wait for it go on.
    pub(super) fn on_room(&mut self, registry: &mut Registry, key: ConnectionKey) {
        if let Some(connection) = registry.get_mut(key)
            && connection.frees_streams()
        {
            connection.hub.awaits_room = false;
            let calls = self.underway.get(key).into_iter().flat_map(|underway| &underway.calls);
            calls.filter(|call| call.is_stream).for_each(|call| self.tasks.wake(call.task));
        }
    }

    /// Polls tasks and runs what they asked for, until nothing is left or the turn's share is
    /// used up.
    pub(super) fn run_tasks(&mut self, registry: &mut Registry) {
        self.local.clock.advance(registry.now);
        let mut items_left = ITEMS_PER_TURN_MAX;
        for _ in 0..TASK_ROUNDS_MAX {
            let mut woken = std::mem::take(&mut self.woken);
            self.tasks.take_woken(&mut woken);
            for task in woken.drain(..) {
                self.poll_task(registry, task, &mut items_left);
            }
            self.woken = woken;
            self.run_jobs(registry);
            for key in self.local.released.take() {
                if let Some(connection) = registry.get_mut(key)
                    && std::mem::take(&mut connection.hub.blocked)
                {
                    self.go_on(registry, key);
                }
            }
            if items_left == 0 || !self.tasks.is_ready() {
                return;
            }
        }
    }

    /// Whether the next turn has something to do at once.
    pub(super) fn has_work(&self) -> bool {
        self.tasks.is_ready()
            || !self.local.jobs.borrow().is_empty()
            || !self.local.released.is_empty()
    }

    fn run_jobs(&mut self, registry: &mut Registry) {
        loop {
            let Some(job) = self.local.jobs.borrow_mut().pop_front() else { return };
            let state = self.states.get_mut(job.connection);
            let mut clients = Clients::new(registry, self.world);
            let hub = &mut self.hub;
            if let Err(panic) = contained(|| (job.work)(hub, state, &mut clients)) {
                registry.count_panic();
                tracing::error!(panic, "work of an asynchronous hub method panicked");
            }
        }
    }

    fn poll_task(&mut self, registry: &mut Registry, key: TaskKey, items_left: &mut usize) {
        let Some((task, waker)) = self.tasks.begin(key) else { return };
        task.has_begun = true;
        let mut context = TaskContext::from_waker(waker);
        let ended: Ended = match &mut task.work {
            Work::Call(future) => match contained(|| future.as_mut().poll(&mut context)) {
                Ok(Poll::Pending) => return,
                Ok(Poll::Ready(value)) => Ok(value.map(End::Value).map_err(Failure::Refused)),
                Err(panic) => Err(panic),
            },
            Work::Stream(_) => match task.advance(registry, &mut context, items_left) {
                Poll::Pending => return,
                Poll::Ready(Ok(end)) => Ok(end.map(|()| End::Stream)),
                Poll::Ready(Err(panic)) => {
                    registry.count_panic();
                    tracing::error!(target = %task.target, panic, "a stream of a hub panicked");
                    Ok(Err(Failure::Streaming(HubError::internal("Panic", panic))))
                }
            },
        };
        self.end_task(registry, key, ended);
    }

    /// Nobody wants a stream any more. Its method runs up to its first wait at least: who was
    /// called has begun, however soon the client thinks better of it.
    fn end_stream(&mut self, registry: &mut Registry, key: TaskKey) {
        if let Some((task, waker)) = self.tasks.begin(key)
            && !std::mem::replace(&mut task.has_begun, true)
            && let Work::Stream(items) = &mut task.work
        {
            let mut context = TaskContext::from_waker(waker);
            let step = contained(|| items.poll_next(&mut context, &mut |_| Ok(())));
            if let Err(panic) = step {
                registry.count_panic();
                tracing::error!(target = %task.target, panic, "a stream of a hub panicked");
            }
        }
        self.end_task(registry, key, Ok(Ok(End::Stream)));
    }

    /// A call is over: its slot and its uploads are free, its client is answered, and what waited
    /// goes on.
    fn end_task(&mut self, registry: &mut Registry, key: TaskKey, ended: Ended) {
        let Some(task) = self.tasks.remove(key) else { return };
        let Task { target, id, call, work, filtered, .. } = task;
        let caller = call.connection;
        // What it holds belongs to the user.
        if let Err(panic) = contained(|| drop(work)) {
            registry.count_panic();
            tracing::error!(%target, panic, "a hub method panicked while it was dropped");
        }
        if let Some(underway) = self.underway.get_mut(caller) {
            underway.forget(key);
        }
        registry.free_slot(caller, &call);
        let Some(connection) = registry.get_mut(caller) else { return };
        let protocol = connection.hub.speaks;
        if std::mem::take(&mut connection.hub.blocked) {
            registry.wait(caller);
        }
        let Some(protocol) = protocol else { return };
        let id = id.as_deref();
        let mut body = registry.take_body();
        let outcome = match (ended, id.or(filtered.is_some().then_some(UNASKED))) {
            (Ok(Ok(end)), Some(id)) => contained(|| end.write(protocol, &mut body, id))
                .map(|written| written.map_err(Failure::Unwritable)),
            (Ok(Ok(_)), None) => Ok(Ok(())),
            (Ok(Err(failure)), _) => Ok(Err(failure)),
            (Err(panic), _) => Err(panic),
        };
        let outcome = outcome.map(|outcome| outcome.map(|()| body));
        let caller = Caller { key: caller, protocol, target: &target, id };
        self.close_call(registry, caller, filtered, outcome);
    }
}

/// Rounds of tasks in one turn at most.
const TASK_ROUNDS_MAX: usize = 16;

/// Items of one stream that are written in a row at most, before others have their turn.
const ITEMS_PER_POLL_MAX: usize = 32;

/// Items of all streams of a hub in one turn at most, so that no stream holds up a shard.
const ITEMS_PER_TURN_MAX: usize = 4096;
