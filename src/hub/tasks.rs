//! The tasks of one hub: what a shard polls between completions.
//!
//! This is the bare executor: places, wakers and the list of those who were woken. What a task is
//! and what its end means stands in `running`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use super::registry::Ring;

/// Names a task. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TaskKey {
    place: usize,
    number: u64,
}

/// The tasks of one hub.
pub(super) struct Tasks<T> {
    running: slab::Slab<Entry<T>>,
    ready: Arc<Ready>,
    next_number: u64,
}

struct Entry<T> {
    task: T,
    wakes: Arc<Wakes>,
    /// Made once, so that no poll allocates.
    waker: Waker,
}

impl<T> Tasks<T> {
    pub(super) fn new(ring: Ring) -> Self {
        Self {
            running: slab::Slab::new(),
            ready: Arc::new(Ready { queue: Mutex::default(), ring }),
            next_number: 0,
        }
    }

    /// Adds a task, which is woken at once.
    pub(super) fn spawn(&mut self, task: T) -> TaskKey {
        let vacant = self.running.vacant_entry();
        let key = TaskKey { place: vacant.key(), number: self.next_number };
        self.next_number += 1;
        let queued = AtomicBool::new(true);
        let wakes = Arc::new(Wakes { ready: self.ready.clone(), key, queued });
        let waker = Waker::from(wakes.clone());
        vacant.insert(Entry { task, wakes, waker });
        self.ready.lock().push_back(key);
        key
    }

    /// Whether somebody was woken.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.lock().is_empty()
    }

    /// Takes those who were woken so far, in order.
    pub(super) fn take_woken(&self, into: &mut VecDeque<TaskKey>) {
        into.append(&mut self.ready.lock());
    }

    /// A task that was woken, and its waker. From here on it can be woken again.
    pub(super) fn begin(&mut self, key: TaskKey) -> Option<(&mut T, &Waker)> {
        let entry = self.running.get_mut(key.place).filter(|entry| entry.wakes.key == key)?;
        entry.wakes.queued.store(false, Ordering::Release);
        Some((&mut entry.task, &entry.waker))
    }

    /// Wakes a task.
    pub(super) fn wake(&self, key: TaskKey) {
        if let Some(entry) = self.running.get(key.place).filter(|entry| entry.wakes.key == key) {
            entry.waker.wake_by_ref();
        }
    }

    pub(super) fn get(&self, key: TaskKey) -> Option<&T> {
        let entry = self.running.get(key.place).filter(|entry| entry.wakes.key == key)?;
        Some(&entry.task)
    }

    pub(super) fn get_mut(&mut self, key: TaskKey) -> Option<&mut T> {
        let entry = self.running.get_mut(key.place).filter(|entry| entry.wakes.key == key)?;
        Some(&mut entry.task)
    }

    pub(super) fn remove(&mut self, key: TaskKey) -> Option<T> {
        self.get(key)?;
        Some(self.running.remove(key.place).task)
    }

    /// All of them.
    #[cfg(feature = "sim")]
    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskKey, &T)> {
        self.running.iter().map(|(_, entry)| (entry.wakes.key, &entry.task))
    }
}

/// Who was woken, from whatever thread.
struct Ready {
    queue: Mutex<VecDeque<TaskKey>>,
    ring: Ring,
}

impl Ready {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<TaskKey>> {
        // A panic elsewhere leaves a queue of numbers, which is never half-written.
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
