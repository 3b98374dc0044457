//! Streams to the client: what a method may return, and what writes their items (§3.7).

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

use futures_core::Stream;
use serde::Serialize;

use super::error::HubError;
use super::methods::{Failure, Writable};
use super::reply::{Fallible, Reply};
use crate::protocol::hub_protocol::WriteError;

/// A stream of the items of an iterator, for methods that have them all at hand. They are taken
/// one by one, as fast as the client reads.
///
/// ```
/// use tickhub::{Context, Hub, Methods, Stream};
///
/// struct Counting;
///
/// impl Hub for Counting {
///     type State = ();
///     fn methods(m: &mut Methods<Self>) {
///         m.stream("Counter", Counting::counter);
///     }
/// }
///
/// impl Counting {
///     // `use<>`: the stream outlives the call and borrows nothing from it.
///     fn counter(&mut self, _: &mut Context<Self>, n: u32) -> impl Stream<Item = u32> + use<> {
///         tickhub::iter(0..n)
///     }
/// }
/// ```
pub fn iter<I: IntoIterator>(items: I) -> Iter<I::IntoIter> {
    Iter(items.into_iter())
}

/// What [`iter`] makes.
#[derive(Clone, Debug)]
pub struct Iter<I>(I);

// Items are moved out; the iterator itself is never pinned.
impl<I> Unpin for Iter<I> {}

impl<I: Iterator> Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

/// What a streaming method can return: a [`Stream`], a `Result` of one with [`HubError`], or an
/// `Option` of one; `None` is an error of the call, as in .NET.
#[diagnostic::on_unimplemented(
    message = "a streaming hub method cannot return `{Self}`",
    note = "return a `futures_core::Stream` that borrows nothing (`impl Stream<Item = T> + \
            use<>`), or a `Result` with `HubError` or an `Option` of one"
)]
pub trait StreamReply<Kind> {
    /// The stream.
    type Stream: Stream;

    /// The stream, if there is one, or why there is none.
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn into_stream(self) -> Result<Self::Stream, Failure>;
}

impl<S: Stream> StreamReply<Bare> for S {
    type Stream = S;

    #[allow(private_interfaces)]
    fn into_stream(self) -> Result<S, Failure> {
        Ok(self)
    }
}

impl<S: Stream> StreamReply<Fallible> for Result<S, HubError> {
    type Stream = S;

    #[allow(private_interfaces)]
    fn into_stream(self) -> Result<S, Failure> {
        self.map_err(Failure::Refused)
    }
}

impl<S: Stream> StreamReply<Optional> for Option<S> {
    type Stream = S;

    #[allow(private_interfaces)]
    fn into_stream(self) -> Result<S, Failure> {
        self.ok_or(Failure::NoStream)
    }
}

/// Marks a reply that is a stream. Like the marks of [`Reply`], these keep the impls apart.
#[derive(Debug)]
pub struct Bare;

/// Marks a reply that may be none.
#[derive(Debug)]
pub struct Optional;

/// What an asynchronous streaming method can return: `()`, a `Result` of it with [`HubError`], or
/// an `Option` of it, where `None` says that there is no stream.
#[diagnostic::on_unimplemented(
    message = "an asynchronous streaming hub method cannot return `{Self}`",
    note = "return `()`, `Result<(), HubError>` or `Option<()>`; items go through the `StreamWriter`"
)]
pub trait StreamEnd {
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn into_end(self) -> Result<(), Failure>;
}

impl StreamEnd for () {
    #[allow(private_interfaces)]
    fn into_end(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl StreamEnd for Result<(), HubError> {
    #[allow(private_interfaces)]
    fn into_end(self) -> Result<(), Failure> {
        self.map_err(Failure::Streaming)
    }
}

impl StreamEnd for Option<()> {
    #[allow(private_interfaces)]
    fn into_end(self) -> Result<(), Failure> {
        self.ok_or(Failure::NoStream)
    }
}

/// Through this an asynchronous streaming method sends its items; see
/// [`Methods::stream_async`](super::Methods::stream_async).
pub struct StreamWriter<T> {
    place: Rc<RefCell<Place<T>>>,
}

impl<T> StreamWriter<T> {
    /// Sends an item, as soon as the one before it has left: a client that reads slowly holds up
    /// the method, not the server.
    pub async fn send(&mut self, item: T) {
        let mut item = Some(item);
        std::future::poll_fn(|context| {
            let mut place = self.place.borrow_mut();
            if place.item.is_some() {
                place.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            place.item = item.take();
            Poll::Ready(())
        })
        .await;
    }
}

impl<T> fmt::Debug for StreamWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter").finish_non_exhaustive()
    }
}

/// Where the writer puts an item and the task takes it.
struct Place<T> {
    item: Option<T>,
    waker: Option<Waker>,
}

/// A source of items that were not written yet.
pub(super) trait Items {
    /// Hands the next item to `write`, or says how the stream has ended.
    fn poll_next(&mut self, context: &mut TaskContext<'_>, write: Write<'_>) -> Poll<Step>;
}

/// Takes an item while it is still borrowed: nothing is boxed.
pub(super) type Write<'a> = &'a mut dyn FnMut(&dyn Writable) -> Result<(), WriteError>;

/// What a stream has done.
pub(super) enum Step {
    /// One item was written.
    Item,
    /// There are no more.
    End(Result<(), Failure>),
}

impl Step {
    fn of(written: Result<(), WriteError>) -> Self {
        match written {
            Ok(()) => Self::Item,
            Err(error) => Self::End(Err(Failure::Unwritable(error))),
        }
    }
}

/// The items of a stream that a method has returned; `K` is how an item may be an error.
pub(super) struct Streamed<S, K> {
    stream: Pin<Box<S>>,
    kind: PhantomData<K>,
}

impl<S, K> Streamed<S, K> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream: Box::pin(stream), kind: PhantomData }
    }
}

impl<S: Stream, K> Items for Streamed<S, K>
where
    S::Item: Reply<K>,
{
    fn poll_next(&mut self, context: &mut TaskContext<'_>, write: Write<'_>) -> Poll<Step> {
        let item = std::task::ready!(self.stream.as_mut().poll_next(context));
        Poll::Ready(match item.map(Reply::into_result) {
            Some(Ok(item)) => Step::of(write(&item)),
            Some(Err(error)) => Step::End(Err(Failure::Streaming(error))),
            None => Step::End(Ok(())),
        })
    }
}

/// The items that a method sends through a [`StreamWriter`].
pub(super) struct Written<F, T> {
    future: Pin<Box<F>>,
    place: Rc<RefCell<Place<T>>>,
    /// How the method has ended, while its last item is still in its place.
    end: Option<Result<(), Failure>>,
}

impl<F, T> Written<F, T> {
    /// Begins a method: `begin` calls it with its writer.
    pub(super) fn new(begin: impl FnOnce(StreamWriter<T>) -> F) -> Self {
        let place = Rc::new(RefCell::new(Place { item: None, waker: None }));
        let future = Box::pin(begin(StreamWriter { place: place.clone() }));
        Self { future, place, end: None }
    }
}

impl<F: Future, T: Serialize> Items for Written<F, T>
where
    F::Output: StreamEnd,
{
    fn poll_next(&mut self, context: &mut TaskContext<'_>, write: Write<'_>) -> Poll<Step> {
        let mut is_pending = false;
        loop {
            let (item, waker) = {
                let mut place = self.place.borrow_mut();
                (place.item.take(), place.waker.take())
            };
            // We are asked again at once, so only a waker of the method's own is worth a call.
            if let Some(waker) = waker.filter(|waker| !waker.will_wake(context.waker())) {
                waker.wake();
            }
            if let Some(item) = item {
                return Poll::Ready(Step::of(write(&item)));
            }
            if let Some(end) = self.end.take() {
                return Poll::Ready(Step::End(end));
            }
            if is_pending {
                return Poll::Pending;
            }
            match self.future.as_mut().poll(context) {
                Poll::Ready(end) => self.end = Some(end.into_end()),
                Poll::Pending => is_pending = true,
            }
        }
    }
}
