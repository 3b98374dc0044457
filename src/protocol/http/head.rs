//! Lookups in a request head that was checked before.

use std::borrow::Cow;
use std::fmt;

use super::Method;
use crate::protocol::url;

/// A checked request head, read on demand: nothing is indexed, a lookup walks over the lines.
///
/// Heads are short and looked into a few times, so this is cheaper than an index, and a copy of
/// the text is all there is to keep.
///
/// Its `Debug` shows method and path alone: queries and headers carry secrets (T-TOKEN).
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// Request line and header lines, each with its CRLF, then an empty line.
    text: &'a str,
}

impl<'a> Head<'a> {
    /// `text` has passed the checks of a reader.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The method.
    pub fn method(self) -> Method {
        Method::from_name(self.method_name())
    }

    /// The method as it was sent.
    pub fn method_name(self) -> &'a str {
        self.text.split(' ').next().expect("a request line has three parts")
    }

    /// The request target as it was sent: path and query, `*`, or an absolute URL.
    pub fn target(self) -> &'a str {
        self.text.split(' ').nth(1).expect("a request line has three parts")
    }

    /// The path, percent-decoded once. Begins with a slash, or is `*`.
    pub fn path(self) -> Cow<'a, str> {
        url::percent_decode(split_target(self.target()).path).expect("the path was checked")
    }

    /// The query as it was sent, without its `?`; empty when there is none.
    pub fn raw_query(self) -> &'a str {
        split_target(self.target()).query
    }

    /// The value of the first query parameter of that name, ignoring case, decoded.
    pub fn query(self, name: &str) -> Option<Cow<'a, str>> {
        url::query_value(self.raw_query(), name)
    }

    /// The values of all query parameters of that name, ignoring case, decoded, in order.
    pub fn query_values(self, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
        url::query_values(self.raw_query(), name)
    }

    /// All headers in order: names as they were sent, values without the blanks around them.
    pub fn headers(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        header_lines(self.text)
    }

    /// The value of the first header of that name, ignoring case.
    pub fn header(self, name: &str) -> Option<&'a str> {
        self.header_values(name).next()
    }

    /// The values of all headers of that name, ignoring case, in order.
    pub fn header_values(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Whether a header of that name, read as a comma-separated list, has `token` in it,
    /// ignoring case.
    pub fn header_has_token(self, name: &str, token: &str) -> bool {
        self.header_values(name).any(|value| has_token(value, token))
    }

    /// The values of all cookies of that name (RFC 6265 §5.4), as they were sent; the name is
    /// case-sensitive.
    pub fn cookies(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.header_values("cookie").flat_map(|line| line.split(';')).filter_map(move |cookie| {
            let (key, value) = cookie.trim_matches(BLANKS).split_once('=')?;
            (key == name).then_some(value)
        })
    }
}

/// A copy of a request head, for hubs that look at their request long after it was answered.
#[derive(Clone)]
pub struct RequestHead {
    text: Box<str>,
}

impl RequestHead {
    /// Copies `head`.
    pub fn new(head: Head<'_>) -> Self {
        Self { text: head.text.into() }
    }

    /// All lookups.
    pub fn head(&self) -> Head<'_> {
        Head::new(&self.text)
    }

    /// See [`Head::method`].
    pub fn method(&self) -> Method {
        self.head().method()
    }

    /// See [`Head::path`].
    pub fn path(&self) -> Cow<'_, str> {
        self.head().path()
    }

    /// See [`Head::query`].
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.head().query(name)
    }

    /// See [`Head::header`].
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head().header(name)
    }

    /// See [`Head::cookies`].
    pub fn cookies(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head().cookies(name)
    }
}

impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = split_target(self.target()).path;
        write!(f, "{} {path}", self.method_name())
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head().fmt(f)
    }
}

/// The blanks around values (RFC 9110 §5.6.3).
pub(super) const BLANKS: [char; 2] = [' ', '\t'];

/// The parts of a request target.
pub(super) struct Target<'a> {
    /// Host and port of an absolute-form target.
    pub(super) authority: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

/// Takes a checked or unchecked target apart (RFC 9112 §3.2).
pub(super) fn split_target(target: &str) -> Target<'_> {
    let (authority, rest) = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        _ => (None, target),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = if path.is_empty() { "/" } else { path };
    Target { authority, path, query }
}

/// The header lines of a head: everything behind the first line, up to the empty one.
pub(super) fn header_lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = memchr::memchr(b'\n', text.as_bytes()).map_or("", |end| &text[end + 1..]);
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\r', rest.as_bytes())?;
        let (line, following) = (&rest[..end], &rest[end + 2..]);
        rest = following;
        let (name, value) = line.split_once(':')?;
        Some((name, value.trim_matches(BLANKS)))
    })
}

/// Whether the comma-separated `list` has `token` in it, ignoring case.
pub(super) fn has_token(list: &str, token: &str) -> bool {
    list.split(',').any(|item| item.trim_matches(BLANKS).eq_ignore_ascii_case(token))
}
