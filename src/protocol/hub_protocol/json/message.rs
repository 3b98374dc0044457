//! From the bytes of one record to a message: which properties count, what they must be, and in
//! which words they are refused (§3.4.2).

use std::borrow::Cow;

use super::members::{
    MEMBER_DEPTH, Refused, elements, expect_number, expect_text, expected, integer, members,
    missing, not_an_integer, refuse, refused, text_in,
};
use super::parts::Parts;
use super::scan::{Malformed, Scanner, TextSpan};
use crate::protocol::hub_protocol::arguments::{Span, Spans};
use crate::protocol::hub_protocol::{
    Arguments, HubMessage, HubProtocolKind, Invocation, Outcome, Payload, ProtocolError, StreamIds,
};

/// Nesting of an element of a member that is an array.
const ELEMENT_DEPTH: u32 = 2;

/// Reads one record, without its separator.
pub(in super::super) fn read(record: &mut [u8]) -> Result<HubMessage<'_>, ProtocolError> {
    let mut fields = Fields::default();
    let end = members(record, |name, scanner| fields.member(name, scanner))?;
    Ok(fields.into_message(&mut record[..end])?)
}

/// What a record says, as places in it. A repeated property overwrites the earlier one.
#[derive(Debug, Default)]
struct Fields {
    message_type: Option<i32>,
    invocation_id: Option<TextSpan>,
    target: Option<TextSpan>,
    error: Option<TextSpan>,
    arguments: Option<Span>,
    argument_spans: Spans,
    item: Option<Span>,
    result: Option<Span>,
    stream_ids: Option<Span>,
    stream_id_count: usize,
    sequence_id: Option<i64>,
    allow_reconnect: bool,
}

impl Fields {
    /// Takes in one member of the object; the scanner stands before its value.
    #[inline]
    fn member(&mut self, name: &[u8], scanner: &mut Scanner<'_>) -> Result<(), Refused> {
        match name {
            b"type" => {
                let number = expect_number(scanner, "type")?;
                let Some(number) = integer(number) else {
                    return Err(not_an_integer("type", 32));
                };
                self.message_type = Some(number);
            }
            b"invocationId" => self.invocation_id = Some(expect_text(scanner, "invocationId")?),
            b"target" => self.target = Some(expect_text(scanner, "target")?),
            b"error" => self.error = Some(expect_text(scanner, "error")?),
            b"arguments" => self.arguments(scanner)?,
            b"item" => self.item = Some(scanner.value(MEMBER_DEPTH)?),
            b"result" => self.result = Some(scanner.value(MEMBER_DEPTH)?),
            b"streamIds" => self.stream_ids(scanner)?,
            b"headers" => headers(scanner)?,
            b"sequenceId" => {
                let number = expect_number(scanner, "sequenceId")?;
                let Some(number) = integer(number) else {
                    return Err(not_an_integer("sequenceId", 64));
                };
                self.sequence_id = Some(number);
            }
            b"allowReconnect" => {
                let first = scanner.peek()?;
                if !matches!(first, b't' | b'f') {
                    return Err(refuse(scanner, "Expected 'allowReconnect' to be true or false."));
                }
                scanner.scalar(first)?;
                self.allow_reconnect = first == b't';
            }
            _ => drop(scanner.value(MEMBER_DEPTH)?),
        }
        Ok(())
    }

    fn arguments(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Refused> {
        if scanner.peek()? != b'[' {
            return Err(expected(scanner, "arguments", "Array"));
        }
        let start = scanner.position();
        self.argument_spans.clear();
        elements(scanner, |scanner| {
            self.argument_spans.push(scanner.value(ELEMENT_DEPTH)?);
            Ok(())
        })?;
        self.arguments = Some(Span::new(start, scanner.position()));
        Ok(())
    }

    fn stream_ids(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Refused> {
        if scanner.peek()? != b'[' {
            return Err(expected(scanner, "streamIds", "Array"));
        }
        let start = scanner.position();
        self.stream_id_count = 0;
        elements(scanner, |scanner| {
            if scanner.peek()? != b'"' {
                return Err(refuse(scanner, "Expected 'streamIds' to be an Array of String."));
            }
            let id = scanner.text()?;
            // Here and not when it is used, so that using it cannot fail.
            text_in(scanner.bytes(), id)?;
            self.stream_id_count += 1;
            Ok(())
        })?;
        self.stream_ids = Some(Span::new(start, scanner.position()));
        Ok(())
    }

    #[inline]
    fn into_message(self, record: &mut [u8]) -> Result<HubMessage<'_>, Refused> {
        let Some(message_type) = self.message_type else {
            return Err(missing("type"));
        };
        match message_type {
            1 => {
                self.target.ok_or_else(|| missing("target"))?;
                self.call(record).map(HubMessage::Invocation)
            }
            2 => {
                self.require_id()?;
                let item = self.item.ok_or_else(|| missing("item"))?;
                let (parts, item) = Parts::around(record, item);
                let item = Payload::new(HubProtocolKind::Json, item);
                let invocation_id = parts.text(self.require_id()?)?;
                Ok(HubMessage::StreamItem { invocation_id, item })
            }
            3 => self.completion(record),
            4 => {
                self.require_id()?;
                self.call(record).map(HubMessage::StreamInvocation)
            }
            5 => {
                let invocation_id = Parts::whole(record).text(self.require_id()?)?;
                Ok(HubMessage::CancelInvocation { invocation_id })
            }
            6 => Ok(HubMessage::Ping),
            7 => {
                let parts = Parts::whole(record);
                let error = self.error.map(|error| parts.text(error)).transpose()?;
                Ok(HubMessage::Close { error, allow_reconnect: self.allow_reconnect })
            }
            8 => Ok(HubMessage::Ack { sequence_id: self.require_sequence_id()? }),
            9 => Ok(HubMessage::Sequence { sequence_id: self.require_sequence_id()? }),
            message_type => Ok(HubMessage::Unknown { message_type }),
        }
    }

    /// The id; an empty one is none (COR-082).
    fn id(&self) -> Option<TextSpan> {
        self.invocation_id.filter(|id| !id.inside.range().is_empty())
    }

    fn require_id(&self) -> Result<TextSpan, Refused> {
        self.id().ok_or_else(|| missing("invocationId"))
    }

    fn require_sequence_id(&self) -> Result<i64, Refused> {
        self.sequence_id.ok_or_else(|| missing("sequenceId"))
    }

    #[inline]
    fn call(self, record: &mut [u8]) -> Result<Invocation<'_>, Refused> {
        let arguments = self.arguments.ok_or_else(|| missing("arguments"))?;
        let target = self.target.ok_or_else(|| missing("target"))?;
        let (parts, encoded) = Parts::around(record, arguments);
        let stream_ids = match self.stream_ids {
            Some(span) if self.stream_id_count > 0 => {
                StreamIds::new(HubProtocolKind::Json, parts.slice(span), self.stream_id_count)
            }
            _ => StreamIds::default(),
        };
        Ok(Invocation {
            invocation_id: match self.id() {
                Some(id) => Some(parts.text(id)?),
                None => None,
            },
            target: parts.text(target)?,
            arguments: Arguments::new(
                HubProtocolKind::Json,
                encoded,
                arguments.range().start,
                self.argument_spans,
            ),
            stream_ids,
        })
    }

    #[inline]
    fn completion(self, record: &mut [u8]) -> Result<HubMessage<'_>, Refused> {
        let id = self.require_id()?;
        let (parts, outcome) = match (self.result, self.error) {
            (Some(_), Some(_)) => {
                return Err(refused("The 'error' and 'result' properties are mutually exclusive."));
            }
            (Some(result), None) => {
                let (parts, result) = Parts::around(record, result);
                (parts, Outcome::Result(Payload::new(HubProtocolKind::Json, result)))
            }
            (None, Some(error)) => {
                let parts = Parts::whole(record);
                let error = parts.text(error)?;
                (parts, Outcome::Error(error))
            }
            (None, None) => (Parts::whole(record), Outcome::Nothing),
        };
        Ok(HubMessage::Completion { invocation_id: parts.text(id)?, outcome })
    }
}

/// The ids in an array of texts that was scanned before.
pub(in super::super) fn stream_ids(encoded: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    let mut scanner = Scanner::new(encoded);
    // The bracket in front, or nothing at all when there are no ids.
    let _ = scanner.next();
    std::iter::from_fn(move || {
        while scanner.peek().ok()? != b'"' {
            scanner.next().ok()?;
        }
        let id = scanner.text().ok()?;
        text_in(encoded, id).ok()
    })
}

/// Headers have no meaning, but must be texts (§3.12).
fn headers(scanner: &mut Scanner<'_>) -> Result<(), Refused> {
    if scanner.peek()? != b'{' {
        return Err(expected(scanner, "headers", "StartObject"));
    }
    scanner.next()?;
    if scanner.passes(b'}')? {
        return Ok(());
    }
    loop {
        let name = scanner.name()?;
        if scanner.peek()? != b'"' {
            let name = text_in(scanner.bytes(), name)?;
            let detail = format!("Expected header '{name}' to be of type String.");
            return Err(refuse(scanner, &detail));
        }
        scanner.text()?;
        match scanner.next()? {
            b',' => {}
            b'}' => return Ok(()),
            _ => return Err(Malformed.into()),
        }
    }
}
