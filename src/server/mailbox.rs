//! The way into a shard from other threads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::classic::{Peers, PersistentConnection};
use crate::hub::{Clients, Hub};
use crate::io::Waker;
use crate::shard::Engine;

pub(super) type Mail = Box<dyn FnOnce(&mut Engine) + Send>;

/// A vector behind a mutex, swapped out whole. The waker is rung only for the first letter.
pub(super) struct Mailbox {
    letters: Mutex<Vec<Mail>>,
    waker: Waker,
}

impl Mailbox {
    pub(super) fn new(waker: Waker) -> Self {
        Self { letters: Mutex::default(), waker }
    }

    pub(super) fn put(&self, mail: Mail) {
        let first = {
            // A panic while the lock was held leaves a whole vector: pushing is all that is done.
            let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
            letters.push(mail);
            letters.len() == 1
        };
        if first {
            self.waker.wake();
        }
    }

    pub(super) fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Posts work to a shard from any thread. Cheap to clone.
///
/// ```no_run
/// use tickhub::{Config, Hub, Methods, Server};
///
/// #[derive(Default)]
/// struct News;
///
/// impl Hub for News {
///     type State = ();
///     fn methods(_: &mut Methods<Self>) {}
/// }
///
/// let server = Server::new(Config::default()).hub("/news", |_| News);
/// let post = server.post();
/// std::thread::spawn(move || {
///     post.run(|_: &mut News, clients| clients.all().send("headline", ("It rains.",)).ignore());
/// });
/// server.run()?;
/// # Ok::<(), tickhub::Error>(())
/// ```
#[derive(Clone)]
pub struct Post(Arc<dyn Fn(Mail) + Send + Sync>);

impl Post {
    pub(super) fn new(put: impl Fn(Mail) + Send + Sync + 'static) -> Self {
        Self(Arc::new(put))
    }

    pub(super) fn put(&self, mail: Mail) {
        (self.0)(mail);
    }

    /// Runs `work` with the hub of type `H` and everybody connected to it, in the shard's own
    /// time. Work that is posted by one thread runs in the order in which it was posted. Without
    /// such a hub nothing runs, and the log says so.
    pub fn run<H: Hub>(&self, work: impl FnOnce(&mut H, &mut Clients<'_>) + Send + 'static) {
        self.put(Box::new(move |engine| {
            engine.contain(|engine| {
                if engine.enter(work).is_none() {
                    let hub = std::any::type_name::<H>();
                    tracing::error!(hub, "work was posted for a hub that is not served");
                }
            });
        }));
    }

    /// The same with the `PersistentConnection` of type `P`.
    pub fn run_persistent<P: PersistentConnection>(
        &self,
        work: impl FnOnce(&mut P, &mut Peers<'_>) + Send + 'static,
    ) {
        self.put(Box::new(move |engine| {
            engine.contain(|engine| {
                if engine.enter_persistent(work).is_none() {
                    let code = std::any::type_name::<P>();
                    tracing::error!(code, "work was posted for what is not served");
                }
            });
        }));
    }

    /// Lets the shard go down in an orderly way; after `limit` the rest is cut.
    pub fn drain(&self, limit: Duration) {
        self.put(Box::new(move |engine| engine.begin_drain(limit)));
    }
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Post")
    }
}
