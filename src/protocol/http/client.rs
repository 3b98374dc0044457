//! The other direction, for our own client: requests out, responses in.

use super::body::{BodyDecoder, Piece};
use super::head::{has_token, header_lines};
use super::request::take_head;
use super::response::{is_header_value, is_token, write_length, write_line};
use super::scan::Scan;
use super::strict::{Fields, Framing, refusal};
use super::{Limits, Refused};

/// Reads the responses of one socket, one after the other, from input of any cut.
#[derive(Debug, Default)]
pub struct ResponseReader {
    scan: Scan,
    head: Vec<u8>,
    body: Option<BodyDecoder>,
    ended: bool,
    /// Whether the next final response answers HEAD, and so has no body.
    head_only: bool,
}

/// What arrived.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// The head of a response. Interim ones (1xx, except 101) are passed over.
    Head(ResponseHead),
    /// A piece of its body.
    Body(&'a mut [u8]),
    /// The response is complete. After a 101 the rest of the input belongs to the other
    /// protocol.
    End,
}

/// A response head.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    status: u16,
    text: Box<str>,
}

impl ResponseHead {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All headers in order, values without the blanks around them.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        header_lines(&self.text)
    }

    /// The value of the first header of that name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether a header of that name, read as a list, has `token` in it, ignoring case.
    pub fn header_has_token(&self, name: &str, token: &str) -> bool {
        self.headers().any(|(key, value)| key.eq_ignore_ascii_case(name) && has_token(value, token))
    }
}

impl ResponseReader {
    /// Says that the next response answers HEAD.
    pub fn expect_head_only(&mut self) {
        self.head_only = true;
    }

    /// Takes the next event from the front of `input`. `None`: more is needed.
    ///
    /// # Errors
    ///
    /// [`Refused`] when the server's framing is malformed or beyond the limits. Its status means
    /// nothing here; close the socket.
    pub fn next<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        limits: &Limits,
    ) -> Result<Option<Incoming<'a>>, Refused> {
        if self.ended {
            *input = &mut [];
            return Ok(None);
        }
        let result = self.advance(input, limits);
        if result.is_err() {
            *self = Self { ended: true, ..Self::default() };
            *input = &mut [];
        }
        result
    }

    /// Whether the server may close the connection here without cutting a response.
    pub fn may_end(&self) -> bool {
        match &self.body {
            Some(body) => body.may_end(),
            None => self.scan.is_at_start(),
        }
    }

    fn advance<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        limits: &Limits,
    ) -> Result<Option<Incoming<'a>>, Refused> {
        if let Some(body) = &mut self.body {
            return Ok(match body.next(input, limits)? {
                None => None,
                Some(Piece::Data(bytes)) => Some(Incoming::Body(bytes)),
                Some(Piece::End) => {
                    self.body = None;
                    Some(Incoming::End)
                }
            });
        }
        loop {
            let head = take_head(&mut self.scan, &mut self.head, input, limits)?;
            let Some(text) = head else { return Ok(None) };
            let (status, framing) = check(&text)?;
            if matches!(status, 100 | 102..=199) {
                continue;
            }
            let bodyless = std::mem::take(&mut self.head_only) || matches!(status, 101 | 204 | 304);
            self.body = Some(match framing {
                _ if bodyless => BodyDecoder::with_length(0, limits)?,
                Framing::Length(length) => BodyDecoder::with_length(length, limits)?,
                Framing::Chunked => BodyDecoder::chunked(),
                Framing::None => BodyDecoder::until_close(),
            });
            let text = text.into_owned().into_boxed_str();
            return Ok(Some(Incoming::Head(ResponseHead { status, text })));
        }
    }
}

/// Checks a complete response head.
fn check(head: &str) -> Result<(u16, Framing), Refused> {
    let mut headers = [httparse::EMPTY_HEADER; Limits::HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(head.as_bytes()) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refused::bad("The response is malformed.")),
        Err(error) => return Err(refusal(error)),
    }
    let mut fields = Fields::default();
    for header in &*response.headers {
        // What only a request may say means nothing here.
        if !["host", "expect"].iter().any(|name| header.name.eq_ignore_ascii_case(name)) {
            fields.read(header.name, header.value)?;
        }
    }
    let status = response.code.expect("a complete response has a status");
    Ok((status, fields.framing()?))
}

/// Appends a request with a body of known length. `Content-Length` is written unless the method
/// is GET and the body empty.
///
/// # Panics
///
/// When a part cannot be sent: a target with blanks or control characters, a header with a line
/// break. All of them are our own.
pub fn write_request(
    out: &mut Vec<u8>,
    method: &str,
    target: &str,
    host: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) {
    assert!(is_token(method), "the name of a method");
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic()), "a target is encoded");
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for &(name, value) in [("Host", host)].iter().chain(headers) {
        assert!(is_token(name) && is_header_value(value), "a header keeps to its line");
        write_line(out, name, value);
    }
    if method != "GET" || !body.is_empty() {
        write_length(out, body.len());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}
