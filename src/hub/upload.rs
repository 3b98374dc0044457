//! Streams that a client sends along with a call: a bounded queue between the loop over messages
//! and the method that reads them (§3.7).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use super::Hub;
use super::call::{CallState, Local};
use super::classic::{Progress, Reports};
use super::error::HubError;
use crate::base::ConnectionKey;
use crate::protocol::hub_protocol::errors::{Detail, DetailedErrors};
use crate::protocol::hub_protocol::{Arguments, BindingError, Payload};

/// A stream that the client sends along with its call: a parameter of asynchronous methods, in
/// any place among the others. On the wire it is no argument.
///
/// It holds `HubOptions::stream_buffer_capacity` items. A client that sends more has to wait until
/// the method reads, with all of its messages (COR-109). When the method returns, or drops the
/// upload, what still comes is ignored (COR-110).
///
/// ```
/// use tickhub::{Call, Hub, HubError, Methods, Upload};
///
/// struct Sums;
///
/// impl Hub for Sums {
///     type State = ();
///     fn methods(m: &mut Methods<Self>) {
///         m.on_async("Sum", sum);
///     }
/// }
///
/// async fn sum(_: Call<Sums>, mut numbers: Upload<i64>) -> Result<i64, HubError> {
///     let mut sum = 0;
///     while let Some(number) = numbers.next().await? {
///         sum += number;
///     }
///     Ok(sum)
/// }
/// ```
pub struct Upload<T> {
    queue: Rc<RefCell<Queue<T>>>,
    released: Rc<Released>,
    connection: ConnectionKey,
}

impl<T> Upload<T> {
    /// The next item; `None` after the last.
    ///
    /// # Errors
    ///
    /// The client ended the stream with an error (a `HubException` with its text), an item was no
    /// `T`, or the connection has ended.
    pub async fn next(&mut self) -> Result<Option<T>, HubError> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &TaskContext<'_>) -> Poll<Result<Option<T>, HubError>> {
        let mut queue = self.queue.borrow_mut();
        if let Some(item) = queue.items.pop_front() {
            if std::mem::take(&mut queue.was_full) {
                self.released.push(self.connection);
            }
            return Poll::Ready(Ok(Some(item)));
        }
        match &queue.end {
            Some(Ok(())) => Poll::Ready(Ok(None)),
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            None => {
                if !queue.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                    queue.waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

/// For the tools of others. After an error comes the end.
impl<T> Stream for Upload<T> {
    type Item = Result<T, HubError>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<T, HubError>>> {
        let item = std::task::ready!(self.poll(context)).transpose();
        if let Some(Err(_)) = item {
            self.queue.borrow_mut().end = Some(Ok(()));
        }
        Poll::Ready(item)
    }
}

impl<T> Drop for Upload<T> {
    fn drop(&mut self) {
        let mut queue = self.queue.borrow_mut();
        queue.is_read = false;
        if std::mem::take(&mut queue.was_full) {
            self.released.push(self.connection);
        }
        // Dropped without the borrow: items are anybody's.
        let items = std::mem::take(&mut queue.items);
        drop(queue);
        drop(items);
    }
}

impl<T> fmt::Debug for Upload<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.queue.borrow().items.len();
        f.debug_struct("Upload").field("waiting", &waiting).finish_non_exhaustive()
    }
}

struct Queue<T> {
    items: VecDeque<T>,
    end: Option<Result<(), HubError>>,
    waker: Option<Waker>,
    capacity: usize,
    /// The connection waits for room.
    was_full: bool,
    /// The method still holds its end.
    is_read: bool,
}

impl<T> Queue<T> {
    fn close(&mut self, end: Result<(), HubError>) -> Option<Waker> {
        self.end.get_or_insert(end);
        self.waker.take()
    }
}

/// The end of an upload into which items are put, whatever their type.
pub(super) trait Intake {
    /// Takes an item; not when there is no room, then the same item has to come again. An item of
    /// a wrong type ends the upload. What nobody wants is taken too.
    fn put(&self, item: Payload<'_>, detailed: DetailedErrors) -> bool;

    /// Nothing comes any more.
    fn close(&self, end: Result<(), HubError>);
}

impl<T: DeserializeOwned> Intake for RefCell<Queue<T>> {
    fn put(&self, item: Payload<'_>, detailed: DetailedErrors) -> bool {
        let mut queue = self.borrow_mut();
        if !queue.is_read || queue.end.is_some() {
            return true;
        }
        if queue.items.len() >= queue.capacity {
            queue.was_full = true;
            return false;
        }
        drop(queue);
        // Read without the borrow: how a type deserializes is its own affair.
        let item = item.read::<T>();
        let mut queue = self.borrow_mut();
        let waker = match item {
            Ok(item) => {
                queue.items.push_back(item);
                queue.waker.take()
            }
            Err(error) => {
                let message = error.to_string();
                let detail = Detail::private(BindingError::TYPE_NAME, &message);
                let error = HubError::new(detailed.stream_item_unreadable(detail));
                queue.close(Err(error))
            }
        };
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    fn close(&self, end: Result<(), HubError>) {
        let waker = self.borrow_mut().close(end);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Connections whose input waited for an upload that has room again.
#[derive(Debug, Default)]
pub(super) struct Released(RefCell<Vec<ConnectionKey>>);

impl Released {
    fn push(&self, connection: ConnectionKey) {
        self.0.borrow_mut().push(connection);
    }

    pub(super) fn take(&self) -> Vec<ConnectionKey> {
        std::mem::take(&mut *self.0.borrow_mut())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

/// Makes the uploads of one call while its parameters are bound. Which stream of the client each
/// of them is, is said afterwards: the numbers may differ.
pub(super) struct Opening {
    call: Rc<CallState>,
    capacity: usize,
    released: Rc<Released>,
    reports: Rc<Reports>,
    pub(super) intakes: SmallVec<[Rc<dyn Intake>; 2]>,
}

impl Opening {
    pub(super) fn new<H: Hub>(call: &Rc<CallState>, capacity: usize, local: &Local<H>) -> Self {
        let (released, reports) = (local.released.clone(), local.reports.clone());
        Self { call: call.clone(), capacity, released, reports, intakes: SmallVec::new() }
    }

    fn open<T: DeserializeOwned + 'static>(&mut self) -> Upload<T> {
        let queue = Rc::new(RefCell::new(Queue {
            items: VecDeque::new(),
            end: None,
            waker: None,
            capacity: self.capacity,
            was_full: false,
            is_read: true,
        }));
        self.intakes.push(queue.clone());
        let (released, connection) = (self.released.clone(), self.call.connection);
        Upload { queue, released, connection }
    }
}

/// A type that a parameter of an asynchronous method may have: any type that serde can read
/// without borrowing, [`Upload`], or [`Progress`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no parameter of an asynchronous hub method",
    note = "it is any type that implements `serde::de::DeserializeOwned`, or `tickhub::Upload`"
)]
pub trait Parameter: Sized {
    /// How many streams of the client it is: one or none.
    #[doc(hidden)]
    const UPLOADS: usize;

    /// How many arguments on the wire it is: one or none.
    #[doc(hidden)]
    const ARGUMENTS: usize;

    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn bind(arguments: &mut Arguments<'_>, opening: &mut Opening) -> Result<Self, BindingError>;

    /// Whether it can be bound.
    #[doc(hidden)]
    fn check(arguments: &mut Arguments<'_>) -> Result<(), BindingError>;
}

impl<T: DeserializeOwned> Parameter for T {
    const UPLOADS: usize = 0;
    const ARGUMENTS: usize = 1;

    #[allow(private_interfaces)]
    fn bind(arguments: &mut Arguments<'_>, _: &mut Opening) -> Result<Self, BindingError> {
        arguments.take::<T>()
    }

    fn check(arguments: &mut Arguments<'_>) -> Result<(), BindingError> {
        arguments.take::<T>().map(drop)
    }
}

impl<T: DeserializeOwned + 'static> Parameter for Upload<T> {
    const UPLOADS: usize = 1;
    const ARGUMENTS: usize = 0;

    #[allow(private_interfaces)]
    fn bind(_: &mut Arguments<'_>, opening: &mut Opening) -> Result<Self, BindingError> {
        Ok(opening.open())
    }

    fn check(_: &mut Arguments<'_>) -> Result<(), BindingError> {
        Ok(())
    }
}

impl<T: Serialize + 'static> Parameter for Progress<T> {
    const UPLOADS: usize = 0;
    const ARGUMENTS: usize = 0;

    #[allow(private_interfaces)]
    fn bind(_: &mut Arguments<'_>, opening: &mut Opening) -> Result<Self, BindingError> {
        Ok(Progress::new(&opening.call, &opening.reports))
    }

    fn check(_: &mut Arguments<'_>) -> Result<(), BindingError> {
        Ok(())
    }
}
