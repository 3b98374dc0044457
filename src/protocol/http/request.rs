//! Requests on their way in.

use std::any::Any;
use std::borrow::Cow;
use std::rc::Rc;
use std::{fmt, mem};

use super::body::{BodyDecoder, Piece, take};
use super::head::{Head, RequestHead};
use super::response::ReplyTo;
use super::scan::{Found, Scan};
use super::strict::{Facts, Framing, check_request};
use super::{Limits, Method, Refused, Version};

/// Reads the requests of one socket, one after the other, from input of any cut.
///
/// A request that lies in one input is lent from it; otherwise it is collected and given away
/// with the request, so a reader between two requests owns no heap memory. Each byte is looked
/// at once, however the head drips in (T-DRIP).
#[derive(Default)]
pub struct RequestReader {
    scan: Scan,
    /// The beginning of a head whose end has not come.
    head: Vec<u8>,
    /// How much of `head` was searched.
    searched: usize,
    /// Bytes that may follow without passing a limit, or the capacity of `head`.
    free: u32,
    /// Header lines that may end among them.
    free_lines: u32,
    /// A request whose body is not complete.
    pending: Option<Box<Pending>>,
    /// After a refusal: nothing is parsed any more.
    ended: bool,
}

/// One whole request: a checked head and all of its body.
pub struct Request<'a> {
    head: Cow<'a, str>,
    body: Payload<'a>,
    facts: Facts,
    /// What a higher layer knows about it.
    knowledge: Option<Rc<dyn Any>>,
}

enum Payload<'a> {
    Lent(&'a mut [u8]),
    Collected(Vec<u8>),
}

struct Pending {
    head: String,
    facts: Facts,
    decoder: BodyDecoder,
    body: Vec<u8>,
    /// Whether the client waits to be told to go on.
    awaits_continue: bool,
}

// What a client sent carries secrets, so `Debug` leaves it out (T-TOKEN).
impl fmt::Debug for RequestReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestReader").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head().fmt(f)
    }
}

impl RequestReader {
    /// Takes the next request from the front of `input`. `None`: all of `input` was used up and
    /// more is needed, or the reader has refused something before.
    ///
    /// Call it again with what is left for the requests that were sent without waiting. After a
    /// request that is answered with 101 the rest of `input` belongs to the other protocol.
    ///
    /// # Errors
    ///
    /// [`Refused`], once: answer it and close. All further input is discarded.
    #[inline]
    pub fn read<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        limits: &Limits,
    ) -> Result<Option<Request<'a>>, Refused> {
        if let &mut [byte] = &mut **input
            && self.keep_one(byte)
        {
            *input = &mut [];
            return Ok(None);
        }
        self.read_more(input, limits)
    }

    /// A byte that drips in alone and decides nothing, without the cost of all the rest
    /// (T-DRIP). It is searched with those that follow it, so it is still looked at once.
    #[inline]
    fn keep_one(&mut self, byte: u8) -> bool {
        if self.free == 0 || (byte == b'\n' && !self.may_keep_line_end()) {
            return false;
        }
        self.free -= 1;
        self.head.push(byte);
        true
    }

    /// Whether a LF may be kept unsearched: it ends a header line that is not empty, and not one
    /// too many.
    fn may_keep_line_end(&mut self) -> bool {
        let ends_line = matches!(self.head[..], [.., before, b'\r'] if before != b'\n');
        let keep = ends_line && self.free_lines > 0;
        self.free_lines -= u32::from(keep);
        keep
    }

    fn read_more<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        limits: &Limits,
    ) -> Result<Option<Request<'a>>, Refused> {
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

    /// Whether to send `100 Continue` now: the client asked for it, and none of the body has
    /// come (RFC 9110 §10.1.1). True once per request. Ask when [`Self::read`] gave `None`.
    pub fn take_continue(&mut self) -> bool {
        self.pending.as_mut().is_some_and(|pending| mem::take(&mut pending.awaits_continue))
    }

    /// Whether nothing of a request was received: the socket may close without harm.
    pub fn is_idle(&self) -> bool {
        self.pending.is_none() && self.head.is_empty() && self.scan.is_at_start()
    }

    /// The head of the request whose body is being received.
    pub fn pending_head(&self) -> Option<Head<'_>> {
        self.pending.as_ref().map(|pending| Head::new(&pending.head))
    }

    fn advance<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        limits: &Limits,
    ) -> Result<Option<Request<'a>>, Refused> {
        if self.pending.is_none() {
            let Some(head) = self.take_head(input, limits)? else { return Ok(None) };
            let facts = check_request(&head)?;
            let decoder = match facts.framing {
                Framing::None | Framing::Length(0) => {
                    return Ok(Some(Request::new(head, Payload::Lent(&mut []), facts)));
                }
                Framing::Length(length) => {
                    let decoder = BodyDecoder::with_length(length, limits)?;
                    if let Ok(length) = usize::try_from(length)
                        && length <= input.len()
                    {
                        let body = Payload::Lent(take(input, length));
                        return Ok(Some(Request::new(head, body, facts)));
                    }
                    decoder
                }
                Framing::Chunked => BodyDecoder::chunked(),
            };
            let awaits_continue = facts.expects_continue;
            let head = head.into_owned();
            let body = Vec::new();
            self.pending = Some(Box::new(Pending { head, facts, decoder, body, awaits_continue }));
        }
        let pending = self.pending.as_mut().expect("it was just made");
        pending.awaits_continue &= input.is_empty();
        loop {
            match pending.decoder.next(input, limits)? {
                None => return Ok(None),
                Some(Piece::Data(piece)) => pending.body.extend_from_slice(piece),
                Some(Piece::End) => break,
            }
        }
        let Pending { head, facts, body, .. } = *self.pending.take().expect("it is complete");
        Ok(Some(Request::new(Cow::Owned(head), Payload::Collected(body), facts)))
    }

    /// Takes a whole head, or keeps what there is of it.
    fn take_head<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        limits: &Limits,
    ) -> Result<Option<Cow<'a, str>>, Refused> {
        // What `keep_one` kept passes no limit and does not end the head, so nothing can be found
        // in it; it is only counted.
        self.scan.search(&self.head[self.searched..], limits)?;
        let head = take_head(&mut self.scan, &mut self.head, input, limits)?;
        self.searched = self.head.len();
        (self.free, self.free_lines) = if head.is_none() { self.scan.free(limits) } else { (0, 0) };
        if self.free > 0 {
            // The fast path never grows the vector.
            self.head.reserve(KEPT_BYTES);
            self.free = self.free.min((self.head.capacity() - self.head.len()) as u32);
        }
        Ok(head)
    }
}

/// Takes a whole head from `input`, joined with what was `kept` of it before; or keeps what
/// there is.
pub(super) fn take_head<'a>(
    scan: &mut Scan,
    kept: &mut Vec<u8>,
    input: &mut &'a mut [u8],
    limits: &Limits,
) -> Result<Option<Cow<'a, str>>, Refused> {
    const NO_TEXT: Refused = Refused::bad("The head is not UTF-8.");
    loop {
        match scan.search(input, limits)? {
            Found::Nothing => {
                kept.extend_from_slice(take(input, usize::MAX));
                return Ok(None);
            }
            Found::EmptyLine(end) => {
                take(input, end);
                *kept = Vec::new();
            }
            Found::End(end) if kept.is_empty() => {
                let bytes: &'a [u8] = take(input, end);
                let text = simdutf8::basic::from_utf8(bytes).map_err(|_| NO_TEXT)?;
                return Ok(Some(Cow::Borrowed(text)));
            }
            Found::End(end) => {
                let mut bytes = mem::take(kept);
                bytes.extend_from_slice(take(input, end));
                let text = String::from_utf8(bytes).map_err(|_| NO_TEXT)?;
                return Ok(Some(Cow::Owned(text)));
            }
        }
    }
}

/// Room for what drips in, asked for at a time.
const KEPT_BYTES: usize = 256;

impl<'a> Request<'a> {
    fn new(head: Cow<'a, str>, body: Payload<'a>, facts: Facts) -> Self {
        Self { head, body, facts, knowledge: None }
    }
}

impl Request<'_> {
    /// The method.
    pub fn method(&self) -> Method {
        self.facts.method
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.facts.version
    }

    /// The path, percent-decoded once; begins with a slash, or is `*`. It has no control
    /// characters, but may have dot segments, and slashes that were escaped.
    pub fn path(&self) -> Cow<'_, str> {
        self.head().path()
    }

    /// The value of the first query parameter of that name, ignoring case, decoded.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.head().query(name)
    }

    /// The value of the first header of that name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head().header(name)
    }

    /// All lookups in the head. Copy it with [`RequestHead::new`] to keep it.
    pub fn head(&self) -> Head<'_> {
        Head::new(&self.head)
    }

    /// The values of all cookies of that name; see [`Head::cookies`].
    pub fn cookies(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head().cookies(name)
    }

    /// Remembers what a higher layer knows about the request; one thing only.
    pub(crate) fn know(&mut self, knowledge: Rc<dyn Any>) {
        self.knowledge = Some(knowledge);
    }

    /// What was remembered, if it is a `T`.
    pub(crate) fn knowledge<T: Any>(&self) -> Option<&T> {
        self.knowledge.as_ref()?.downcast_ref()
    }

    /// A copy that lasts.
    pub(crate) fn to_owned(&self) -> Request<'static> {
        Request {
            head: Cow::Owned(self.head.clone().into_owned()),
            body: Payload::Collected(self.body().to_vec()),
            facts: self.facts.clone(),
            knowledge: self.knowledge.clone(),
        }
    }

    /// An owned copy of the head.
    pub fn to_head(&self) -> RequestHead {
        RequestHead::new(self.head())
    }

    /// All of the body; empty when there is none.
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Payload::Lent(bytes) => bytes,
            Payload::Collected(bytes) => bytes,
        }
    }

    /// The body for parsers that work in place.
    pub fn body_mut(&mut self) -> &mut [u8] {
        match &mut self.body {
            Payload::Lent(bytes) => bytes,
            Payload::Collected(bytes) => bytes,
        }
    }

    /// Whether the request announced a body, be it empty chunks.
    pub fn has_body(&self) -> bool {
        !matches!(self.facts.framing, Framing::None | Framing::Length(0))
    }

    /// Whether the client asks for a WebSocket: `Connection: upgrade` with
    /// `Upgrade: websocket`. Whether it does so properly is told by
    /// [`Verdict::of`](crate::protocol::websocket::Verdict::of).
    pub fn wants_websocket(&self) -> bool {
        self.facts.websocket
    }

    /// Whether the socket may carry another request after this one.
    ///
    /// Not after one that asked for a WebSocket: the client may already have sent frames, and
    /// those must never be read as a request (T-UPG).
    pub fn keep_alive(&self) -> bool {
        let asked = match self.facts.version {
            Version::Http11 => true,
            Version::Http10 => self.facts.keep_alive,
        };
        asked && !self.facts.close && !self.facts.websocket
    }

    /// What the answer has to know of this request.
    pub fn reply_to(&self) -> ReplyTo {
        ReplyTo {
            head_only: self.facts.method == Method::Head,
            version: self.facts.version,
            keep_alive: self.keep_alive(),
        }
    }
}
