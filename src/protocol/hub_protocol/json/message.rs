//! From the bytes of one record to a message: which properties count, what they must be, and in
//! which words they are refused (§3.4.2).

use std::borrow::Cow;
use std::ops::Range;

use super::escape::unescape;
use super::scan::{Malformed, Scanner, TextSpan};
use crate::protocol::hub_protocol::arguments::{Span, Spans};
use crate::protocol::hub_protocol::handshake::Request;
use crate::protocol::hub_protocol::{
    Arguments, HubMessage, HubProtocolKind, Invocation, Outcome, Payload, ProtocolError, StreamIds,
};

/// Nesting of a member of the record's object.
const MEMBER_DEPTH: u32 = 1;
/// Nesting of an element of a member that is an array.
const ELEMENT_DEPTH: u32 = 2;

/// Reads one record, without its separator.
pub(in super::super) fn read(record: &mut [u8]) -> Result<HubMessage<'_>, ProtocolError> {
    let mut fields = Fields::default();
    let end = members(record, |name, scanner| fields.member(name, scanner))?;
    fields.into_message(&mut record[..end])
}

impl From<Malformed> for ProtocolError {
    fn from(_: Malformed) -> Self {
        Self::invalid_data("Error reading JSON.")
    }
}

fn missing(name: &str) -> ProtocolError {
    ProtocolError::invalid_data(format!("Missing required property '{name}'."))
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
    fn member(&mut self, name: &[u8], scanner: &mut Scanner<'_>) -> Result<(), ProtocolError> {
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

    fn arguments(&mut self, scanner: &mut Scanner<'_>) -> Result<(), ProtocolError> {
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

    fn stream_ids(&mut self, scanner: &mut Scanner<'_>) -> Result<(), ProtocolError> {
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
    fn into_message(self, record: &mut [u8]) -> Result<HubMessage<'_>, ProtocolError> {
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
                let (parts, item) = Parts::around(record, item)?;
                let invocation_id = parts.text(self.require_id()?)?;
                Ok(HubMessage::StreamItem { invocation_id, item })
            }
            3 => self.completion(record),
            4 => {
                self.require_id()?;
                self.call(record).map(HubMessage::StreamInvocation)
            }
            5 => {
                let invocation_id = Parts::whole(record)?.text(self.require_id()?)?;
                Ok(HubMessage::CancelInvocation { invocation_id })
            }
            6 => Ok(HubMessage::Ping),
            7 => {
                let parts = Parts::whole(record)?;
                let error = self.error.map(|error| parts.text(error)).transpose()?;
                Ok(HubMessage::Close { error, allow_reconnect: self.allow_reconnect })
            }
            8 => Ok(HubMessage::Ack { sequence_id: self.require_sequence_id()? }),
            9 => Ok(HubMessage::Sequence { sequence_id: self.require_sequence_id()? }),
            message_type => Ok(HubMessage::Unknown { message_type }),
        }
    }

    fn require_id(&self) -> Result<TextSpan, ProtocolError> {
        self.invocation_id
            .filter(|id| !id.inside.range().is_empty())
            .ok_or_else(|| missing("invocationId"))
    }

    fn require_sequence_id(&self) -> Result<i64, ProtocolError> {
        self.sequence_id.ok_or_else(|| missing("sequenceId"))
    }

    fn call(self, record: &mut [u8]) -> Result<Invocation<'_>, ProtocolError> {
        let arguments = self.arguments.ok_or_else(|| missing("arguments"))?;
        let target = self.target.ok_or_else(|| missing("target"))?;
        let (parts, encoded) = Parts::around(record, arguments)?;
        let stream_ids = match self.stream_ids {
            Some(span) if self.stream_id_count > 0 => {
                StreamIds { encoded: parts.slice(span)?.as_bytes(), count: self.stream_id_count }
            }
            _ => StreamIds::default(),
        };
        Ok(Invocation {
            invocation_id: match self.require_id() {
                Ok(id) => Some(parts.text(id)?),
                Err(_) => None,
            },
            target: parts.text(target)?,
            arguments: Arguments::new(
                HubProtocolKind::Json,
                encoded.into_bytes(),
                arguments.range().start,
                self.argument_spans,
            ),
            stream_ids,
        })
    }

    fn completion(self, record: &mut [u8]) -> Result<HubMessage<'_>, ProtocolError> {
        let id = self.require_id()?;
        let (parts, outcome) = match (self.result, self.error) {
            (Some(_), Some(_)) => {
                return Err(ProtocolError::invalid_data(
                    "The 'error' and 'result' properties are mutually exclusive.",
                ));
            }
            (Some(result), None) => {
                let (parts, result) = Parts::around(record, result)?;
                (parts, Outcome::Result(result))
            }
            (None, Some(error)) => {
                let parts = Parts::whole(record)?;
                let error = parts.text(error)?;
                (parts, Outcome::Error(error))
            }
            (None, None) => (Parts::whole(record)?, Outcome::Nothing),
        };
        Ok(HubMessage::Completion { invocation_id: parts.text(id)?, outcome })
    }
}

/// A record from which one value was taken out, so that this one may be written to while the
/// texts around it are borrowed.
struct Parts<'a> {
    before: &'a str,
    after: &'a str,
    /// Where `after` begins in the record.
    after_start: usize,
}

impl<'a> Parts<'a> {
    fn whole(record: &'a mut [u8]) -> Result<Self, Malformed> {
        Ok(Self { after_start: record.len(), before: characters(record)?, after: "" })
    }

    fn around(record: &'a mut [u8], value: Span) -> Result<(Self, Payload<'a>), Malformed> {
        let Range { start, end } = value.range();
        let (before, rest) = record.split_at_mut(start);
        let (value, after) = rest.split_at_mut(end - start);
        let (before, after) = (characters(before)?, characters(after)?);
        let parts = Self { before, after, after_start: end };
        Ok((parts, Payload::new(HubProtocolKind::Json, value)))
    }

    /// A part of the record that lies on one side of the value.
    fn slice(&self, span: Span) -> Result<&'a str, Malformed> {
        let Range { start, end } = span.range();
        let slice = if start < self.before.len() {
            self.before.get(start..end)
        } else {
            self.after.get(start - self.after_start..end - self.after_start)
        };
        slice.ok_or(Malformed)
    }

    fn text(&self, text: TextSpan) -> Result<Cow<'a, str>, Malformed> {
        plain_text(self.slice(text.inside)?, text.escaped)
    }
}

/// Bytes that were found to be UTF-8 before, unless they are ASCII; cheap where they are short.
fn characters(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

fn text_in(bytes: &[u8], text: TextSpan) -> Result<Cow<'_, str>, Malformed> {
    plain_text(characters(&bytes[text.inside.range()])?, text.escaped)
}

/// The text that stands between two quotes.
fn plain_text(inside: &str, escaped: bool) -> Result<Cow<'_, str>, Malformed> {
    if !escaped {
        return Ok(Cow::Borrowed(inside));
    }
    let mut bytes = inside.as_bytes().to_vec();
    let length = unescape(&mut bytes).ok_or(Malformed)?;
    bytes.truncate(length);
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Malformed)
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

/// Reads the request of a handshake.
pub(in super::super) fn read_handshake_request(
    record: &[u8],
) -> Result<Request<'_>, ProtocolError> {
    let (mut protocol, mut version) = (None, None);
    members(record, |name, scanner| {
        match name {
            b"protocol" => protocol = Some(expect_text(scanner, "protocol")?),
            b"version" => {
                let number = expect_number(scanner, "version")?;
                version = Some(integer(number).ok_or_else(|| not_an_integer("version", 32))?);
            }
            _ => drop(scanner.value(MEMBER_DEPTH)?),
        }
        Ok(())
    })?;
    let absent = |name| {
        let content = String::from_utf8_lossy(record);
        let ProtocolError { detail, .. } = missing(name);
        ProtocolError::invalid_data(format!("{detail} Message content: {content}"))
    };
    let protocol: TextSpan = protocol.ok_or_else(|| absent("protocol"))?;
    let version = version.ok_or_else(|| absent("version"))?;
    let protocol = text_in(record, protocol)?;
    Ok(Request { protocol, version })
}

/// Reads the answer to a handshake.
pub(in super::super) fn read_handshake_response(
    record: &[u8],
) -> Result<Result<(), String>, ProtocolError> {
    let mut error = None;
    members(record, |name, scanner| {
        match name {
            b"error" => error = Some(expect_text(scanner, "error")?),
            _ => drop(scanner.value(MEMBER_DEPTH)?),
        }
        Ok(())
    })?;
    let Some(error) = error else {
        return Ok(Ok(()));
    };
    Ok(Err(text_in(record, error)?.into_owned()))
}

/// Hands each member of the object at the beginning of `record` to `take`, with its name plain;
/// returns the end of the object. The object is valid UTF-8.
fn members(
    record: &[u8],
    mut take: impl FnMut(&[u8], &mut Scanner<'_>) -> Result<(), ProtocolError>,
) -> Result<usize, ProtocolError> {
    if u32::try_from(record.len()).is_err() {
        return Err(Malformed.into());
    }
    let mut scanner = Scanner::new(record);
    let first = scanner.peek()?;
    if first != b'{' {
        let token = match first {
            b'[' => "Array",
            b'"' => "String",
            b't' => "True",
            b'f' => "False",
            b'n' => "Null",
            _ => "Number",
        };
        let detail = format!("Unexpected JSON Token Type '{token}'. Expected a JSON Object.");
        return Err(refuse(&mut scanner, &detail));
    }
    scanner.next()?;
    if !scanner.passes(b'}')? {
        loop {
            let name = scanner.name()?;
            if name.escaped {
                take(text_in(record, name)?.as_bytes(), &mut scanner)?;
            } else {
                take(&record[name.inside.range()], &mut scanner)?;
            }
            match scanner.next()? {
                b',' => {}
                b'}' => break,
                _ => return Err(Malformed.into()),
            }
        }
    }
    let end = scanner.position();
    if !scanner.is_ascii() {
        simdutf8::basic::from_utf8(&record[..end]).map_err(|_| Malformed)?;
    }
    Ok(end)
}

/// Passes an array and hands over the scanner before each of its elements.
fn elements(
    scanner: &mut Scanner<'_>,
    mut take: impl FnMut(&mut Scanner<'_>) -> Result<(), ProtocolError>,
) -> Result<(), ProtocolError> {
    scanner.next()?;
    if scanner.passes(b']')? {
        return Ok(());
    }
    loop {
        take(scanner)?;
        match scanner.next()? {
            b',' => {}
            b']' => return Ok(()),
            _ => return Err(Malformed.into()),
        }
    }
}

/// Headers have no meaning, but must be texts (§3.12).
fn headers(scanner: &mut Scanner<'_>) -> Result<(), ProtocolError> {
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

fn expect_text(scanner: &mut Scanner<'_>, name: &str) -> Result<TextSpan, ProtocolError> {
    if scanner.peek()? != b'"' {
        return Err(expected(scanner, name, "String"));
    }
    Ok(scanner.text()?)
}

fn expect_number<'a>(scanner: &mut Scanner<'a>, name: &str) -> Result<&'a [u8], ProtocolError> {
    if !matches!(scanner.peek()?, b'-' | b'0'..=b'9') {
        return Err(expected(scanner, name, "Number"));
    }
    Ok(scanner.number()?)
}

/// A number written as an integer of this size; `1.0` and `1e2` are none.
fn integer<N: std::str::FromStr>(number: &[u8]) -> Option<N> {
    std::str::from_utf8(number).ok()?.parse().ok()
}

fn not_an_integer(name: &str, bits: u32) -> ProtocolError {
    ProtocolError::invalid_data(format!("Expected '{name}' to be an integer of {bits} bits."))
}

fn expected(scanner: &mut Scanner<'_>, name: &str, kind: &str) -> ProtocolError {
    refuse(scanner, &format!("Expected '{name}' to be of type {kind}."))
}

/// The error for a value of a wrong kind; one that is not even JSON is refused as such.
fn refuse(scanner: &mut Scanner<'_>, detail: &str) -> ProtocolError {
    match scanner.peek() {
        Ok(b'{' | b'[') => ProtocolError::invalid_data(detail),
        Ok(first) if scanner.scalar(first).is_ok() => ProtocolError::invalid_data(detail),
        _ => Malformed.into(),
    }
}
