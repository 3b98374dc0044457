//! Functions of any arity as hub methods: how each kind binds its parameters and begins.
//!
//! Every kind does the same in the same order: it binds all arguments, then asks [`Checks`], then
//! calls the function (§3.6).

use std::future::Future;

use futures_core::Stream;
use serde::Serialize;

use super::Hub;
use super::call::Call;
use super::context::Context;
use super::methods::{Failure, Parts, Run, Shape, Work, Writable};
use super::reply::Reply;
use super::stream::{StreamEnd, StreamReply, StreamWriter, Streamed, Written};
use super::upload::Parameter;
use crate::protocol::hub_protocol::Argument;

/// A function that can be a hub method; see [`Methods`](super::Methods). `Args` is found by the
/// compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a hub method",
    note = "a method is `fn(&mut Hub, &mut Context<Hub>, arguments…) -> reply`: every argument \
            implements `serde::de::DeserializeOwned` or is `tickhub::Text`, and the reply \
            serializes or is a `Result` with `HubError`"
)]
pub trait Method<H: Hub, Args>: 'static {
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn into_parts(self) -> Parts<H>;
}

/// A function that can be a streaming hub method; see
/// [`Methods::stream`](super::Methods::stream).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a streaming hub method",
    note = "it is `fn(&mut Hub, &mut Context<Hub>, arguments…) -> impl Stream<Item = T> + use<>`, \
            or a `Result` with `HubError` or an `Option` of such a stream; items serialize or are \
            a `Result` with `HubError`"
)]
pub trait StreamMethod<H: Hub, Args>: 'static {
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn into_parts(self) -> Parts<H>;
}

/// A function that can be an asynchronous hub method; see
/// [`Methods::on_async`](super::Methods::on_async).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an asynchronous hub method",
    note = "it is `async fn(Call<Hub>, owned arguments or uploads…) -> reply`"
)]
pub trait AsyncMethod<H: Hub, Args>: 'static {
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn into_parts(self) -> Parts<H>;
}

/// A function that can be an asynchronous streaming hub method; see
/// [`Methods::stream_async`](super::Methods::stream_async).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an asynchronous streaming hub method",
    note = "it is `async fn(Call<Hub>, StreamWriter<T>, owned arguments or uploads…)` that returns \
            `()`, `Result<(), HubError>` or `Option<()>`"
)]
pub trait AsyncStreamMethod<H: Hub, Args>: 'static {
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn into_parts(self) -> Parts<H>;
}

/// Counts arguments.
macro_rules! count {
    () => { 0 };
    ($first:ident $($rest:ident)*) => { 1 + count!($($rest)*) };
}

/// The shape of a method whose arguments may borrow from the message.
macro_rules! borrowing {
    ($streams:literal, $($argument:ident)*) => {
        Shape {
            streams: $streams,
            cooperative: false,
            uploads: 0,
            arguments: count!($($argument)*),
            binds: |arguments| {
                #[allow(unused_mut, reason = "methods without arguments take none")]
                let mut arguments = arguments;
                arguments.expect_count(count!($($argument)*))?;
                $(arguments.take::<$argument>()?;)*
                Ok(())
            },
        }
    };
}

/// The shape of a method whose arguments are its own, with uploads among them.
macro_rules! owning {
    ($streams:literal, $($argument:ident)*) => {
        Shape {
            streams: $streams,
            cooperative: false,
            uploads: 0 $(+ $argument::UPLOADS)*,
            arguments: 0 $(+ $argument::ARGUMENTS)*,
            binds: |arguments| {
                #[allow(unused_mut, reason = "methods without arguments take none")]
                let mut arguments = arguments;
                arguments.expect_count(0 $(+ $argument::ARGUMENTS)*)?;
                $($argument::check(&mut arguments)?;)*
                Ok(())
            },
        }
    };
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
            fn into_parts(self) -> Parts<H> {
                let run = Run::Now(Box::new(move |hub, context, arguments, checks, answer| {
                    #[allow(unused_mut, reason = "methods without arguments take none")]
                    let mut arguments = arguments;
                    arguments.expect_count(count!($($value)*)).map_err(Failure::Binding)?;
                    $(let $value = arguments.take::<$argument>().map_err(Failure::Binding)?;)*
                    checks.pass()?;
                    let reply = self(hub, context, $($value),*);
                    let result = reply.into_result().map_err(Failure::Refused)?;
                    answer.answer(&result).map_err(Failure::Unwritable)
                }));
                Parts { shape: borrowing!(false, $($argument)*), run }
            }
        }

        impl<H, F, R, K, I, $($argument,)*> StreamMethod<H, (R, K, I, $($argument,)*)> for F
        where
            H: Hub,
            R: StreamReply<K>,
            R::Stream: 'static,
            <R::Stream as Stream>::Item: Reply<I>,
            I: 'static,
            $($argument: Argument,)*
            F: Fn(&mut H, &mut Context<'_, H>, $($argument),*) -> R
                + for<'x> Fn(&mut H, &mut Context<'_, H>, $($argument::Of<'x>),*) -> R
                + 'static,
        {
            #[allow(private_interfaces)]
            fn into_parts(self) -> Parts<H> {
                let run = Run::Stream(Box::new(move |hub, context, arguments, checks| {
                    #[allow(unused_mut, reason = "methods without arguments take none")]
                    let mut arguments = arguments;
                    arguments.expect_count(count!($($value)*)).map_err(Failure::Binding)?;
                    $(let $value = arguments.take::<$argument>().map_err(Failure::Binding)?;)*
                    checks.pass()?;
                    let stream = self(hub, context, $($value),*).into_stream()?;
                    Ok(Box::new(Streamed::<_, I>::new(stream)))
                }));
                Parts { shape: borrowing!(true, $($argument)*), run }
            }
        }

        impl<H, F, R, K, Fut, $($argument,)*> AsyncMethod<H, (R, K, Fut, $($argument,)*)> for F
        where
            H: Hub,
            R: Reply<K> + 'static,
            R::Value: 'static,
            Fut: Future<Output = R> + 'static,
            $($argument: Parameter,)*
            F: Fn(Call<H>, $($argument),*) -> Fut + 'static,
        {
            #[allow(private_interfaces)]
            fn into_parts(self) -> Parts<H> {
                let shape = owning!(false, $($argument)*);
                let run = Run::Later(Box::new(move |call, arguments, checks, opening| {
                    #[allow(unused_mut, reason = "methods without arguments take none")]
                    let mut arguments = arguments;
                    arguments.expect_count(shape.arguments).map_err(Failure::Binding)?;
                    $(let $value = $argument::bind(&mut arguments, opening)
                        .map_err(Failure::Binding)?;)*
                    let _ = opening;
                    checks.pass()?;
                    let future = self(call, $($value),*);
                    Ok(Work::Call(Box::pin(async move {
                        let result = future.await.into_result()?;
                        Ok(Box::new(result) as Box<dyn Writable>)
                    })))
                }));
                Parts { shape, run }
            }
        }

        impl<H, F, T, Fut, $($argument,)*> AsyncStreamMethod<H, (T, Fut, $($argument,)*)> for F
        where
            H: Hub,
            T: Serialize + 'static,
            Fut: Future + 'static,
            Fut::Output: StreamEnd,
            $($argument: Parameter,)*
            F: Fn(Call<H>, StreamWriter<T>, $($argument),*) -> Fut + 'static,
        {
            #[allow(private_interfaces)]
            fn into_parts(self) -> Parts<H> {
                let shape = owning!(true, $($argument)*);
                let run = Run::Later(Box::new(move |call, arguments, checks, opening| {
                    #[allow(unused_mut, reason = "methods without arguments take none")]
                    let mut arguments = arguments;
                    arguments.expect_count(shape.arguments).map_err(Failure::Binding)?;
                    $(let $value = $argument::bind(&mut arguments, opening)
                        .map_err(Failure::Binding)?;)*
                    let _ = opening;
                    checks.pass()?;
                    let items = Written::new(|writer| self(call, writer, $($value),*));
                    Ok(Work::Stream(Box::new(items)))
                }));
                Parts { shape, run }
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
