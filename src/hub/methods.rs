//! The method table of a hub: names on the wire, functions of any arity behind them.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use super::Hub;
use super::clients::Clients;
use super::connect::ConnectedFn;
use super::context::Context;
use super::error::HubError;
use super::filter::{Binds, Filter};
use super::reply::Reply;
use super::tasks::Call;
use crate::auth::Policy;
use crate::base::HashMap;
use crate::protocol::hub_protocol::{
    Argument, Arguments, BindingError, HubProtocolKind, WriteError,
};

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
    entries: Vec<Entry<H>>,
    /// By registered spelling and by lower-case name: letter case does not matter (COR-093).
    names: HashMap<Box<str>, usize>,
    pub(super) timers: Vec<Timer<H>>,
    pub(super) connected: Option<ConnectedFn<H>>,
    /// The outermost first.
    pub(super) filters: Vec<Box<dyn Filter<H>>>,
}

pub(super) struct Entry<H: Hub> {
    pub(super) name: Rc<str>,
    pub(super) run: Run<H>,
    pub(super) binds: Binds,
    pub(super) policy: Option<Policy>,
}

pub(super) enum Run<H: Hub> {
    Now(NowFn<H>),
    Later(LaterFn<H>),
}

/// Runs a method to its end; the arguments were counted but not yet bound.
type NowFn<H> = Box<
    dyn for<'c, 'a> Fn(
        &mut H,
        &mut Context<'c, H>,
        Arguments<'a>,
        &mut dyn Answer,
    ) -> Result<(), Failure>,
>;

/// Begins an asynchronous method.
type LaterFn<H> = Box<
    dyn for<'a> Fn(
        Call<H>,
        Arguments<'a>,
    ) -> Result<Pin<Box<dyn Future<Output = Ending>>>, BindingError>,
>;

/// How an asynchronous method ended: its result waits to be written.
pub(super) type Ending = Result<Box<dyn Writable>, HubError>;

/// A result that can be written as a completion once the connection is at hand.
pub(super) trait Writable {
    fn write(
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
}

/// Takes the result of a method while it is still borrowed: nothing is boxed.
pub(super) trait Answer {
    fn answer(&mut self, result: &dyn Writable) -> Result<(), WriteError>;
}

/// Why a call failed, before or in the method.
#[derive(Debug)]
pub(super) enum Failure {
    Binding(BindingError),
    Unauthorized,
    Refused(HubError),
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
    pub fn on<Args, M: Method<H, Args>>(&mut self, name: &str, method: M) -> &mut Self {
        self.add(name, Run::Now(method.into_now()), M::binds)
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
    pub fn on_async<Args, M: AsyncMethod<H, Args>>(&mut self, name: &str, method: M) -> &mut Self {
        self.add(name, Run::Later(method.into_later()), M::binds)
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
        let index = match self.names.get(target) {
            Some(index) => *index,
            None => *self.names.get(target.to_lowercase().as_str())?,
        };
        Some(&self.entries[index])
    }

    fn add(&mut self, name: &str, run: Run<H>, binds: Binds) -> &mut Self {
        let index = self.entries.len();
        let lower = name.to_lowercase();
        assert!(!self.names.contains_key(lower.as_str()), "two methods are called {name:?}");
        self.names.insert(lower.into(), index);
        self.names.insert(name.into(), index);
        self.entries.push(Entry { name: name.into(), run, binds, policy: None });
        self
    }
}

/// A function that can be a hub method; see [`Methods`]. `Args` is found by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a hub method",
    note = "a method is `fn(&mut Hub, &mut Context<Hub>, arguments…) -> reply`: every argument \
            implements `serde::de::DeserializeOwned` or is `tickhub::Text`, and the reply \
            serializes or is a `Result` with `HubError`"
)]
pub trait Method<H: Hub, Args>: 'static {
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn into_now(self) -> NowFn<H>;

    /// Whether arguments fit.
    #[doc(hidden)]
    fn binds(arguments: Arguments<'_>) -> Result<(), BindingError>;
}

/// A function that can be an asynchronous hub method; see [`Methods::on_async`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an asynchronous hub method",
    note = "it is `async fn(Call<Hub>, owned arguments…) -> reply`"
)]
pub trait AsyncMethod<H: Hub, Args>: 'static {
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn into_later(self) -> LaterFn<H>;

    /// Whether arguments fit.
    #[doc(hidden)]
    fn binds(arguments: Arguments<'_>) -> Result<(), BindingError>;
}

/// Counts arguments.
macro_rules! count {
    () => { 0 };
    ($first:ident $($rest:ident)*) => { 1 + count!($($rest)*) };
}

macro_rules! arity {
    ($($argument:ident $value:ident),*) => {
        impl<H, F, R, K, $($argument,)*> Method<H, (R, K, $($argument,)*)> for F
        where
            H: Hub,
            R: Reply<K>,
            $($argument: Argument,)*
            // The first bound lets the compiler find the argument types, the second says that
            // they may borrow from the message for as long as it likes.
            F: Fn(&mut H, &mut Context<'_, H>, $($argument),*) -> R
                + for<'x> Fn(&mut H, &mut Context<'_, H>, $($argument::Of<'x>),*) -> R
                + 'static,
        {
            #[allow(private_interfaces)]
            fn into_now(self) -> NowFn<H> {
                Box::new(move |hub, context, arguments, answer| {
                    #[allow(unused_mut, reason = "methods without arguments take none")]
                    let mut arguments = arguments;
                    arguments.expect_count(count!($($value)*)).map_err(Failure::Binding)?;
                    $(let $value = arguments.take::<$argument>().map_err(Failure::Binding)?;)*
                    let reply = self(hub, context, $($value),*);
                    let result = reply.into_result().map_err(Failure::Refused)?;
                    answer.answer(&result).map_err(Failure::Unwritable)
                })
            }

            fn binds(arguments: Arguments<'_>) -> Result<(), BindingError> {
                #[allow(unused_mut, reason = "methods without arguments take none")]
                let mut arguments = arguments;
                arguments.expect_count(count!($($value)*))?;
                $(arguments.take::<$argument>()?;)*
                Ok(())
            }
        }

        impl<H, F, R, K, Fut, $($argument,)*> AsyncMethod<H, (R, K, Fut, $($argument,)*)> for F
        where
            H: Hub,
            R: Reply<K> + 'static,
            R::Value: 'static,
            Fut: Future<Output = R> + 'static,
            $($argument: serde::de::DeserializeOwned,)*
            F: Fn(Call<H>, $($argument),*) -> Fut + 'static,
        {
            #[allow(private_interfaces)]
            fn into_later(self) -> LaterFn<H> {
                Box::new(move |call, arguments| {
                    #[allow(unused_mut, reason = "methods without arguments take none")]
                    let mut arguments = arguments;
                    arguments.expect_count(count!($($value)*))?;
                    $(let $value = arguments.take::<$argument>()?;)*
                    let future = self(call, $($value),*);
                    Ok(Box::pin(async move {
                        let result = future.await.into_result()?;
                        Ok(Box::new(result) as Box<dyn Writable>)
                    }))
                })
            }

            fn binds(arguments: Arguments<'_>) -> Result<(), BindingError> {
                #[allow(unused_mut, reason = "methods without arguments take none")]
                let mut arguments = arguments;
                arguments.expect_count(count!($($value)*))?;
                $(arguments.take::<$argument>()?;)*
                Ok(())
            }
        }
    };
}

arity!();
arity!(A1 a1);
arity!(A1 a1, A2 a2);
arity!(A1 a1, A2 a2, A3 a3);
arity!(A1 a1, A2 a2, A3 a3, A4 a4);
arity!(A1 a1, A2 a2, A3 a3, A4 a4, A5 a5);
arity!(A1 a1, A2 a2, A3 a3, A4 a4, A5 a5, A6 a6);
arity!(A1 a1, A2 a2, A3 a3, A4 a4, A5 a5, A6 a6, A7 a7);
arity!(A1 a1, A2 a2, A3 a3, A4 a4, A5 a5, A6 a6, A7 a7, A8 a8);
arity!(A1 a1, A2 a2, A3 a3, A4 a4, A5 a5, A6 a6, A7 a7, A8 a8, A9 a9);
arity!(A1 a1, A2 a2, A3 a3, A4 a4, A5 a5, A6 a6, A7 a7, A8 a8, A9 a9, A10 a10);
