//! The arguments of a call: taken one by one on the way in, written in a row on the way out.

use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use super::payload::{Argument, BindingError, Payload};
use super::{HubProtocolKind, WriteError, messagepack};

/// The arguments of a received call, to be taken in order.
///
/// ```
/// use tickhub::protocol::hub_protocol::{HubMessage, HubProtocolKind, Text};
///
/// let mut record = br#"{"type":1,"target":"say","arguments":["lobby",3]}"#.to_vec();
/// let message = HubProtocolKind::Json.read(&mut record).expect("a message");
/// let HubMessage::Invocation(mut call) = message else { panic!("a call") };
/// call.arguments.expect_count(2).expect("two arguments");
/// let room = call.arguments.take::<Text>().expect("a text");
/// let times = call.arguments.take::<u32>().expect("a number");
/// assert_eq!((room.as_str(), times), ("lobby", 3));
/// ```
#[derive(Debug)]
pub struct Arguments<'a> {
    protocol: HubProtocolKind,
    /// What was not taken yet; begins at `offset` of the record.
    rest: &'a mut [u8],
    offset: usize,
    taken: usize,
    places: Places,
}

/// Arguments in memory of their own, for whoever looks at them before they are taken.
#[derive(Clone, Debug)]
pub(crate) struct OwnedArguments {
    protocol: HubProtocolKind,
    encoded: Vec<u8>,
    offset: usize,
    places: Places,
}

impl OwnedArguments {
    /// All of them, to be taken.
    pub(crate) fn lend(&mut self) -> Arguments<'_> {
        Arguments {
            protocol: self.protocol,
            rest: &mut self.encoded,
            offset: self.offset,
            taken: 0,
            places: self.places.clone(),
        }
    }
}

/// How the arguments are found.
#[derive(Clone, Debug)]
enum Places {
    /// Their places are known, because JSON has to be read to its end anyway.
    Known(Spans),
    /// They are found one behind the other while they are taken: nothing is kept for arguments
    /// that no method takes (T-MPLEN). Nothing, if the caller sent no array at all.
    Found(Option<Counted>),
}

/// How many arguments there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// By the header of the array; it is not longer than the record.
    pub(super) announced: usize,
    /// So many, from the first on, are values that may be read.
    pub(super) readable: usize,
}

/// Where each argument lies in the record. Inline for as many as a method may have,
/// so that a call allocates nothing.
pub(super) type Spans = SmallVec<[Span; ARGUMENTS_INLINE]>;

/// Arguments whose places are kept without allocation.
const ARGUMENTS_INLINE: usize = 8;

/// Where something lies in a record, which is shorter than 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl<'a> Arguments<'a> {
    /// The arguments at `spans` of a record, of which `encoded` begins at `offset`.
    pub(super) fn new(
        protocol: HubProtocolKind,
        encoded: &'a mut [u8],
        offset: usize,
        spans: Spans,
    ) -> Self {
        Self { protocol, rest: encoded, offset, taken: 0, places: Places::Known(spans) }
    }

    /// MessagePack arguments that stand one behind the other in `encoded`.
    pub(super) fn counted(encoded: &'a mut [u8], count: Option<Counted>) -> Self {
        let protocol = HubProtocolKind::MessagePack;
        Self { protocol, rest: encoded, offset: 0, taken: 0, places: Places::Found(count) }
    }

    /// A copy of them all; none was taken yet.
    pub(crate) fn to_owned_arguments(&self) -> OwnedArguments {
        debug_assert_eq!(self.taken, 0, "a copy of all arguments");
        OwnedArguments {
            protocol: self.protocol,
            encoded: self.rest.to_vec(),
            offset: self.offset,
            places: self.places.clone(),
        }
    }

    /// How many the caller sent, whatever was taken meanwhile.
    pub fn count(&self) -> usize {
        match &self.places {
            Places::Known(spans) => spans.len(),
            Places::Found(counted) => counted.map_or(0, |counted| counted.announced),
        }
    }

    /// Checks that there are as many as the method takes, before any is taken (COR-095).
    ///
    /// # Errors
    ///
    /// [`BindingError::Count`] when there are not, [`BindingError::Missing`] when the caller sent
    /// something else in their place.
    pub fn expect_count(&self, expected: usize) -> Result<(), BindingError> {
        if let Places::Found(None) = self.places {
            return Err(BindingError::Missing);
        }
        let provided = self.count();
        if provided == expected { Ok(()) } else { Err(BindingError::Count { provided, expected }) }
    }

    /// Takes the next argument as it was sent; `None` after the last, or in place of one that
    /// cannot be read.
    pub fn take_payload(&mut self) -> Option<Payload<'a>> {
        let Range { start, end } = match &self.places {
            Places::Known(spans) => spans.get(self.taken)?.range(),
            Places::Found(counted) => {
                if self.taken >= counted.as_ref()?.readable {
                    return None;
                }
                let length = messagepack::value_len(self.rest, messagepack::ARGUMENT_DEPTH)?;
                self.offset..self.offset + length
            }
        };
        let rest = std::mem::take(&mut self.rest);
        let (head, tail) = rest.split_at_mut(end - self.offset);
        let value = &mut head[start - self.offset..];
        self.rest = tail;
        self.offset = end;
        self.taken += 1;
        Some(Payload::new(self.protocol, value))
    }

    /// The argument at `index`, counted from 0 among those that were not taken yet, read from a
    /// copy: whoever takes it later finds it unchanged. Nothing, if it is no such value.
    pub fn peek<T: DeserializeOwned>(&self, index: usize) -> Option<T> {
        let range = match &self.places {
            Places::Known(spans) => {
                let Range { start, end } = spans.get(self.taken + index)?.range();
                start - self.offset..end - self.offset
            }
            Places::Found(counted) => {
                if self.taken + index >= counted.as_ref()?.readable {
                    return None;
                }
                let mut start = 0;
                let length = |start| {
                    messagepack::value_len(&self.rest[start..], messagepack::ARGUMENT_DEPTH)
                };
                for _ in 0..index {
                    start += length(start)?;
                }
                start..start + length(start)?
            }
        };
        let mut copy = self.rest[range].to_vec();
        Payload::new(self.protocol, &mut copy).read::<T>().ok()
    }

    /// Takes the next argument as an `A`.
    ///
    /// # Errors
    ///
    /// [`BindingError::Value`] or [`BindingError::Argument`] when it is no such value,
    /// [`BindingError::Count`] when all were taken.
    pub fn take<A: Argument>(&mut self) -> Result<A::Of<'a>, BindingError> {
        let number = self.taken + 1;
        let Some(payload) = self.take_payload() else {
            let provided = self.count();
            return Err(if provided < number {
                BindingError::Count { provided, expected: number }
            } else {
                BindingError::Argument { number }
            });
        };
        let bound = payload.read::<A>();
        match self.protocol {
            HubProtocolKind::Json | HubProtocolKind::Classic => bound,
            // Here the original says which one it was (§3.9).
            HubProtocolKind::MessagePack => bound.map_err(|_| BindingError::Argument { number }),
        }
    }
}

/// Values that are sent as the arguments of a call: a tuple of up to ten values, `()` for none, or
/// a row of values of one type.
///
/// To send one list as the only argument, write `(list,)`.
pub trait ToArguments {
    /// How many there are.
    fn count(&self) -> usize;

    /// Hands each argument to `sink`, in order.
    ///
    /// # Errors
    ///
    /// The first error of `sink`.
    fn each<S: ArgumentSink>(&self, sink: &mut S) -> Result<(), WriteError>;
}

/// Where arguments are written to: the body of a message in some hub protocol.
pub trait ArgumentSink {
    /// Writes the next argument.
    ///
    /// # Errors
    ///
    /// The value's own serializer refused.
    fn argument<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError>;
}

impl<A: ToArguments + ?Sized> ToArguments for &A {
    fn count(&self) -> usize {
        (**self).count()
    }

    fn each<S: ArgumentSink>(&self, sink: &mut S) -> Result<(), WriteError> {
        (**self).each(sink)
    }
}

impl<T: Serialize> ToArguments for [T] {
    fn count(&self) -> usize {
        self.len()
    }

    fn each<S: ArgumentSink>(&self, sink: &mut S) -> Result<(), WriteError> {
        self.iter().try_for_each(|value| sink.argument(value))
    }
}

impl<T: Serialize, const N: usize> ToArguments for [T; N] {
    fn count(&self) -> usize {
        N
    }

    fn each<S: ArgumentSink>(&self, sink: &mut S) -> Result<(), WriteError> {
        self.as_slice().each(sink)
    }
}

impl<T: Serialize> ToArguments for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn each<S: ArgumentSink>(&self, sink: &mut S) -> Result<(), WriteError> {
        self.as_slice().each(sink)
    }
}

macro_rules! to_arguments_for_tuples {
    ($($count:literal: $($name:ident $index:tt)*;)*) => {$(
        impl<$($name: Serialize),*> ToArguments for ($($name,)*) {
            fn count(&self) -> usize {
                $count
            }

            fn each<Sink: ArgumentSink>(&self, sink: &mut Sink) -> Result<(), WriteError> {
                $(sink.argument(&self.$index)?;)*
                let _ = sink;
                Ok(())
            }
        }
    )*};
}

to_arguments_for_tuples! {
    0: ;
    1: A 0;
    2: A 0 B 1;
    3: A 0 B 1 C 2;
    4: A 0 B 1 C 2 D 3;
    5: A 0 B 1 C 2 D 3 E 4;
    6: A 0 B 1 C 2 D 3 E 4 F 5;
    7: A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    8: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
    9: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8;
    10: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9;
}
