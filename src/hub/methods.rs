//! The method table of a hub: names on the wire, and what stands behind them.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use super::Hub;
use super::arity::{AsyncMethod, AsyncStreamMethod, Method, StreamMethod};
use super::call::Call;
use super::classic::Shown;
use super::clients::Clients;
use super::connect::ConnectedFn;
use super::context::Context;
use super::dispatch::{Checks, Manner};
use super::error::HubError;
use super::filter::Filter;
use super::stream::Items;
use super::upload::Opening;
use crate::auth::Policy;
use crate::base::HashMap;
use crate::protocol::hub_protocol::{Arguments, BindingError, HubProtocolKind, WriteError};

/// What clients can call on a hub, filled by [`Hub::methods`].
///
/// A method is any function that takes the hub, a [`Context`], and up to ten arguments. Arguments
/// are anything that deserializes, or [`Text`](crate::Text) for a borrowed string.
///
/// ```
/// use tickhub::{Context, Hub, HubError, Methods, Text};
///
/// #[derive(Default)]
/// struct Calculator;
///
/// impl Hub for Calculator {
///     type State = ();
///     fn methods(m: &mut Methods<Self>) {
///         m.on("Divide", Calculator::divide).on("Shout", Calculator::shout);
///     }
/// }
///
/// impl Calculator {
///     fn divide(&mut self, _: &mut Context<Self>, a: i32, b: i32) -> Result<i32, HubError> {
///         a.checked_div(b).ok_or_else(|| HubError::new("not by zero"))
///     }
///     fn shout(&mut self, _: &mut Context<Self>, text: Text) -> String {
///         text.to_uppercase()
///     }
/// }
/// ```
pub struct Methods<H: Hub> {
    pub(super) entries: Vec<Entry<H>>,
    /// By registered spelling and by lower-case name: letter case does not matter (COR-093).
    names: HashMap<Box<str>, usize>,
    pub(super) timers: Vec<Timer<H>>,
    pub(super) connected: Option<ConnectedFn<H>>,
    /// The outermost first.
    pub(super) filters: Vec<Box<dyn Filter<H>>>,
}

pub(super) struct Entry<H: Hub> {
    pub(super) name: Rc<str>,
    pub(super) shape: Shape,
    pub(super) run: Run<H>,
    pub(super) policy: Option<Policy>,
    /// What only classic clients see of it.
    pub(super) shown: Shown,
}

/// A function, made into what a table of methods needs.
pub(super) struct Parts<H: Hub> {
    pub(super) shape: Shape,
    pub(super) run: Run<H>,
}

/// What is known of a method before it is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// It answers with a stream.
    pub(super) streams: bool,
    /// How many arguments it takes.
    pub(super) arguments: usize,
    /// How many streams of the client it takes.
    pub(super) uploads: usize,
    /// A cancelled stream of it ends by itself.
    pub(super) cooperative: bool,
    /// Whether arguments can be bound, for a call that cannot run yet.
    pub(super) binds: fn(Arguments<'_>) -> Result<(), BindingError>,
}

impl Shape {
    /// How many streams, in either direction, belong to a call of it. If there is one, the call
    /// uses no slot (§6.4).
    pub(super) fn streams_of_call(self) -> usize {
        usize::from(self.streams) + self.uploads
    }
}

/// How a method is begun. The arguments are not bound yet; the checks are made when they are.
pub(super) enum Run<H: Hub> {
    Now(NowFn<H>),
    Stream(StreamFn<H>),
    Later(LaterFn<H>),
}

/// Runs a method to its end.
pub(super) type NowFn<H> = Box<
    dyn for<'c, 'a> Fn(
        &mut H,
        &mut Context<'c, H>,
        Arguments<'a>,
        &Checks,
        &mut dyn Answer,
    ) -> Result<(), Failure>,
>;

/// Runs a method that returns a stream.
pub(super) type StreamFn<H> = Box<
    dyn for<'c, 'a> Fn(
        &mut H,
        &mut Context<'c, H>,
        Arguments<'a>,
        &Checks,
    ) -> Result<Box<dyn Items>, Failure>,
>;

/// Begins an asynchronous method.
pub(super) type LaterFn<H> =
    Box<dyn for<'a> Fn(Call<H>, Arguments<'a>, &Checks, &mut Opening) -> Result<Work, Failure>>;

/// What is left to do when a method has begun.
pub(super) enum Work {
    Call(Pin<Box<dyn Future<Output = Ending>>>),
    Stream(Box<dyn Items>),
}

/// How an asynchronous method ended: its result waits to be written.
pub(super) type Ending = Result<Box<dyn Writable>, HubError>;

/// A value that can be written once the connection is at hand: as the result in a completion, or
/// as an item of a stream.
pub(super) trait Writable {
    fn write(
        &self,
        protocol: HubProtocolKind,
        out: &mut Vec<u8>,
        id: &str,
    ) -> Result<(), WriteError>;

    fn write_item(
        &self,
        protocol: HubProtocolKind,
        out: &mut Vec<u8>,
        id: &str,
    ) -> Result<(), WriteError>;
}

impl<T: serde::Serialize> Writable for T {
    fn write(
        &self,
        protocol: HubProtocolKind,
        out: &mut Vec<u8>,
        id: &str,
    ) -> Result<(), WriteError> {
        protocol.write_result(out, id, self)
    }

    fn write_item(
        &self,
        protocol: HubProtocolKind,
        out: &mut Vec<u8>,
        id: &str,
    ) -> Result<(), WriteError> {
        protocol.write_stream_item(out, id, self)
    }
}

/// Takes the result of a method while it is still borrowed: nothing is boxed.
pub(super) trait Answer {
    fn answer(&mut self, result: &dyn Writable) -> Result<(), WriteError>;
}

/// Why a call failed, before or in the method.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Binding(BindingError),
    Unauthorized,
    /// It was called in this manner and is of the other kind.
    WrongKind(Manner),
    /// The client sent another number of streams than the method takes.
    Uploads {
        sent: usize,
        expected: usize,
    },
    /// No method of that name takes so many arguments; those that there are, if there are any.
    /// Only classic clients are told so.
    Unresolved(Option<String>),
    /// The id of the call is that of a stream which still runs.
    InUse,
    Refused(HubError),
    /// A streaming method returned none.
    NoStream,
    /// The stream has begun.
    Streaming(HubError),
    Unwritable(WriteError),
}

type Tick<H> = Box<dyn Fn(&mut H, &mut Clients<'_>)>;

pub(super) struct Timer<H> {
    pub(super) period: Duration,
    pub(super) run: Tick<H>,
}

impl<H: Hub> Methods<H> {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            names: HashMap::default(),
            timers: Vec::new(),
            connected: None,
            filters: Vec::new(),
        }
    }

    /// Offers a method under a name. It runs to its end, one at a time in each shard.
    ///
    /// # Panics
    ///
    /// When the name is taken; there are no overloads, and letter case does not matter.
    pub fn on<Args>(&mut self, name: &str, method: impl Method<H, Args>) -> &mut Self {
        self.add(name, method.into_parts())
    }

    /// Offers an asynchronous method: a function of a [`Call`] and up to ten owned arguments
    /// that returns a future. It may wait without holding up anybody but its own caller.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tickhub::{Call, Hub, Methods};
    ///
    /// #[derive(Default)]
    /// struct Patient;
    ///
    /// impl Hub for Patient {
    ///     type State = ();
    ///     fn methods(m: &mut Methods<Self>) {
    ///         m.on_async("Later", later);
    ///     }
    /// }
    ///
    /// async fn later(call: Call<Patient>, text: String, ms: u64) -> String {
    ///     call.sleep(Duration::from_millis(ms)).await;
    ///     text
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// When the name is taken.
    pub fn on_async<Args>(&mut self, name: &str, method: impl AsyncMethod<H, Args>) -> &mut Self {
        self.add(name, method.into_parts())
    }

    /// Offers a streaming method: it returns a [`Stream`](crate::Stream) of items that serialize,
    /// or of a `Result` of such items with [`HubError`], which ends the stream when it is an error.
    /// The stream itself may come in a `Result` with `HubError` or in an `Option`. It must not
    /// borrow from the hub: `impl Stream<Item = T> + use<>`.
    ///
    /// The stream is asked for items while its client takes them, in turn with everything else. It
    /// is dropped when the client cancels it or the connection ends. Streams use none of the slots
    /// for invocations.
    ///
    /// [`iter`](crate::iter) makes a stream of anything that can be iterated over.
    ///
    /// # Panics
    ///
    /// When the name is taken.
    pub fn stream<Args>(&mut self, name: &str, method: impl StreamMethod<H, Args>) -> &mut Self {
        self.add(name, method.into_parts())
    }

    /// Offers an asynchronous streaming method: a function of a [`Call`], a
    /// [`StreamWriter`](crate::StreamWriter) and up to ten owned arguments or
    /// [`Upload`](crate::Upload)s that returns a future. The stream ends with the future, which is
    /// dropped when the client cancels it or the connection ends.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tickhub::{Call, Hub, HubError, Methods, StreamWriter, Upload};
    ///
    /// struct Echoes;
    ///
    /// impl Hub for Echoes {
    ///     type State = ();
    ///     fn methods(m: &mut Methods<Self>) {
    ///         m.stream_async("Ticks", ticks).stream_async("Shout", shout);
    ///     }
    /// }
    ///
    /// async fn ticks(call: Call<Echoes>, mut writer: StreamWriter<u32>, count: u32) {
    ///     for number in 0..count {
    ///         call.sleep(Duration::from_millis(100)).await;
    ///         writer.send(number).await;
    ///     }
    /// }
    ///
    /// async fn shout(
    ///     _: Call<Echoes>,
    ///     mut writer: StreamWriter<String>,
    ///     mut words: Upload<String>,
    /// ) -> Result<(), HubError> {
    ///     while let Some(word) = words.next().await? {
    ///         writer.send(word.to_uppercase()).await;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// When the name is taken.
    pub fn stream_async<Args>(
        &mut self,
        name: &str,
        method: impl AsyncStreamMethod<H, Args>,
    ) -> &mut Self {
        self.add(name, method.into_parts())
    }

    /// Makes the cancellation of the streaming method that was added last cooperative: it is not
    /// dropped in the middle of what it does. It hears of the cancellation by [`Call::cancelled`],
    /// what it still sends goes nowhere, and the client hears of the end when it has ended.
    ///
    /// # Panics
    ///
    /// When the method added last does not stream.
    pub fn cooperative(&mut self) -> &mut Self {
        let last = self.entries.last_mut().filter(|entry| entry.shape.streams);
        last.expect("the method before is a streaming one").shape.cooperative = true;
        self
    }

    /// Lets only those call the method that was added last for whom `policy` holds. Given several
    /// times, all have to. Others read that they are unauthorized; who wants no answer gets none
    /// (§6.8).
    ///
    /// ```
    /// use tickhub::{Context, Hub, Methods, Policy};
    ///
    /// struct Game;
    ///
    /// impl Hub for Game {
    ///     type State = ();
    ///     fn methods(m: &mut Methods<Self>) {
    ///         m.on("Move", |_: &mut Self, _: &mut Context<Self>, _x: f64, _y: f64| {})
    ///             .on("Kick", |_: &mut Self, _: &mut Context<Self>, _user: String| {})
    ///             .require(Policy::role("referee"))
    ///             .require(Policy::custom(|call| call.argument::<String>(0).as_deref() != Some("me")));
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// When no method was added yet.
    pub fn require(&mut self, policy: Policy) -> &mut Self {
        let method = self.entries.last_mut().expect("a method to require something for");
        method.policy = Some(match method.policy.take() {
            Some(other) => other.and(&policy),
            None => policy,
        });
        self
    }

    /// Calls `tick` every `period`, without drift. A shard that stood still calls it once, not
    /// once for every period it missed.
    ///
    /// # Panics
    ///
    /// When the period is zero.
    pub fn every(
        &mut self,
        period: Duration,
        tick: impl Fn(&mut H, &mut Clients<'_>) + 'static,
    ) -> &mut Self {
        assert!(!period.is_zero(), "a timer needs a period");
        self.timers.push(Timer { period, run: Box::new(tick) });
        self
    }

    pub(super) fn find(&self, target: &str) -> Option<&Entry<H>> {
        Some(&self.entries[self.index_of(target)?])
    }

    pub(super) fn find_mut(&mut self, target: &str) -> Option<&mut Entry<H>> {
        let index = self.index_of(target)?;
        Some(&mut self.entries[index])
    }

    fn index_of(&self, target: &str) -> Option<usize> {
        let known = self.names.get(target);
        known.or_else(|| self.names.get(target.to_lowercase().as_str())).copied()
    }

    fn add(&mut self, name: &str, parts: Parts<H>) -> &mut Self {
        let index = self.entries.len();
        let lower = name.to_lowercase();
        assert!(!self.names.contains_key(lower.as_str()), "two methods are called {name:?}");
        self.names.insert(lower.into(), index);
        self.names.insert(name.into(), index);
        self.push(name, parts);
        self
    }

    pub(super) fn push(&mut self, name: &str, Parts { shape, run }: Parts<H>) {
        let shown = Shown::default();
        self.entries.push(Entry { name: name.into(), shape, run, policy: None, shown });
    }
}
