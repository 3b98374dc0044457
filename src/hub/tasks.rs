//! What a shard polls between completions: the calls of one hub, or the code of requests.
//!
//! This is the bare executor: places, wakers and the list of those who were woken. What a task of
//! a hub is, and what its end means, stands in `running`.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use super::endpoint::contained;
use super::registry::Ring;
use crate::base::{Table, TaskKey};

/// Tasks of any kind, and who of them was woken.
pub(crate) struct Tasks<T> {
    running: Table<TaskKey, Entry<T>>,
    ready: Arc<Ready>,
}

struct Entry<T> {
    task: T,
    wakes: Arc<Wakes>,
    /// Made once, so that no poll allocates.
    waker: Waker,
}

impl<T> Tasks<T> {
    pub(crate) fn new(ring: Ring) -> Self {
        let ready = Arc::new(Ready { queue: Mutex::default(), ring });
        Self { running: Table::default(), ready }
    }

    /// Adds a task, which is woken at once.
    pub(crate) fn spawn(&mut self, task: T) -> TaskKey {
        let key = self.running.insert_with(|key| {
            let queued = AtomicBool::new(true);
            let wakes = Arc::new(Wakes { ready: self.ready.clone(), key, queued });
            Entry { task, waker: Waker::from(wakes.clone()), wakes }
        });
        self.ready.lock().push_back(key);
        key
    }

    /// Drops a task that nobody waits for any more.
    pub(crate) fn cancel(&mut self, key: TaskKey) {
        let task = self.remove(key);
        if let Err(panic) = contained(|| drop(task)) {
            tracing::error!(panic, "a task panicked while it was dropped");
        }
    }

    /// Whether somebody was woken.
    pub(crate) fn is_ready(&self) -> bool {
        !self.running.is_empty() && !self.ready.lock().is_empty()
    }

    /// Takes those who were woken so far, in order.
    pub(super) fn take_woken(&self, into: &mut VecDeque<TaskKey>) {
        into.append(&mut self.ready.lock());
    }

    /// A task that was woken, and its waker. From here on it can be woken again.
    pub(super) fn begin(&mut self, key: TaskKey) -> Option<(&mut T, &Waker)> {
        let entry = self.running.get_mut(key)?;
        entry.wakes.queued.store(false, Ordering::Release);
        Some((&mut entry.task, &entry.waker))
    }

    /// Wakes a task.
    pub(super) fn wake(&self, key: TaskKey) {
        if let Some(entry) = self.running.get(key) {
            entry.waker.wake_by_ref();
        }
    }

    #[cfg(feature = "sim")]
    pub(super) fn get(&self, key: TaskKey) -> Option<&T> {
        self.running.get(key).map(|entry| &entry.task)
    }

    pub(super) fn get_mut(&mut self, key: TaskKey) -> Option<&mut T> {
        self.running.get_mut(key).map(|entry| &mut entry.task)
    }

    pub(super) fn remove(&mut self, key: TaskKey) -> Option<T> {
        self.running.remove(key).map(|entry| entry.task)
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

    /// All that have not ended.
    #[cfg(feature = "sim")]
    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskKey, &T)> {
        self.running.iter().map(|(key, entry)| (key, &entry.task))
    }
}

impl<T> Tasks<Pin<Box<dyn Future<Output = T>>>> {
    /// Polls who was woken, once each; adds what ended.
    pub(crate) fn poll(&mut self, ended: &mut Vec<T>) {
        let mut woken = VecDeque::new();
        self.take_woken(&mut woken);
        for key in woken {
            let Some((task, waker)) = self.begin(key) else { continue };
            if let Poll::Ready(value) = task.as_mut().poll(&mut TaskContext::from_waker(waker)) {
                drop(self.remove(key));
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
    queue: Mutex<VecDeque<TaskKey>>,
    ring: Ring,
}

impl Ready {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<TaskKey>> {
        // A panic elsewhere leaves a queue of keys, which is never half-written.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Wakes {
    ready: Arc<Ready>,
    key: TaskKey,
    /// It stands in the queue, once.
    queued: AtomicBool,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let first = {
            let mut queue = self.ready.lock();
            queue.push_back(self.key);
            queue.len() == 1
        };
        if first {
            (self.ready.ring)();
        }
    }
}
