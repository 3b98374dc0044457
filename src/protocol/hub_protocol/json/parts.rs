//! Borrowing one value of a record for writing and the texts around it for reading.

use std::borrow::Cow;
use std::ops::Range;

use super::members::plain_text;
use super::scan::{Malformed, TextSpan};
use crate::protocol::hub_protocol::arguments::Span;

/// A record from which one value was taken out, so that this one may be written to while the
/// texts around it are borrowed.
pub(super) struct Parts<'a> {
    before: &'a [u8],
    after: &'a [u8],
    /// Where `after` begins in the record.
    after_start: usize,
}

impl<'a> Parts<'a> {
    pub(super) fn whole(record: &'a mut [u8]) -> Self {
        Self { after_start: record.len(), before: record, after: &[] }
    }

    pub(super) fn around(record: &'a mut [u8], value: Span) -> (Self, &'a mut [u8]) {
        let Range { start, end } = value.range();
        let (before, rest) = record.split_at_mut(start);
        let (value, after) = rest.split_at_mut(end - start);
        (Self { before, after, after_start: end }, value)
    }

    /// A part of the record that lies on one side of the value.
    pub(super) fn slice(&self, span: Span) -> &'a [u8] {
        let Range { start, end } = span.range();
        if start < self.before.len() {
            &self.before[start..end]
        } else {
            &self.after[start - self.after_start..end - self.after_start]
        }
    }

    /// A text of the record. It was found to be UTF-8 before; that is asked again, of these few
    /// bytes, because a safe `str` costs that.
    pub(super) fn text(&self, text: TextSpan) -> Result<Cow<'a, str>, Malformed> {
        plain_text(self.slice(text.inside), text.escaped)
    }
}
