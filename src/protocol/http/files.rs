//! Static files, as far as they need no file system: which file a path names, what type it has,
//! and whether the client has it already.
//!
//! The server layer opens and reads; it takes the name from [`clean_path`], tells what it found
//! as [`FileInfo`], and gives the bytes to [`FileInfo::response`].

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::head::BLANKS;
use super::{Head, Method, Response};
use crate::base::Shared;

/// What the file system told about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its length in bytes.
    pub len: u64,
    /// When it was last changed, since the Unix epoch.
    pub modified: Duration,
}

impl FileInfo {
    /// A strong validator made of length and time (RFC 9110 §8.8.3), with its quotes.
    pub fn etag(&self) -> String {
        format!("\"{:x}-{:x}\"", self.len, self.modified.as_nanos())
    }

    /// The value of `Last-Modified`.
    pub fn last_modified(&self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + self.modified)
    }

    /// Whether the client already has this file: `If-None-Match` decides, or without it
    /// `If-Modified-Since` (RFC 9110 §13.2.2). Then there is no need to read it.
    pub fn is_known_to(&self, request: Head<'_>) -> bool {
        if !matches!(request.method(), Method::Get | Method::Head) {
            return false;
        }
        let mut validators = request.header_values("if-none-match").peekable();
        if validators.peek().is_some() {
            let etag = self.etag();
            return validators.any(|list| matches_etag(list, &etag));
        }
        request
            .header("if-modified-since")
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .and_then(|date| date.duration_since(UNIX_EPOCH).ok())
            .is_some_and(|since| self.modified.as_secs() <= since.as_secs())
    }

    /// The answer that gives the file. `cache_control` is the value of that header, such as
    /// `no-cache` or `public, max-age=3600`.
    pub fn response(&self, path: &str, cache_control: &str, bytes: Shared) -> Response<'static> {
        self.validators(Response::new(200), cache_control)
            .content_type(&content_type(path))
            .header("X-Content-Type-Options", "nosniff")
            .shared_body(bytes)
    }

    /// The answer to a client that has the file (RFC 9110 §15.4.5).
    pub fn not_modified(&self, cache_control: &str) -> Response<'static> {
        self.validators(Response::new(304), cache_control)
    }

    fn validators<'a>(&self, response: Response<'a>, cache_control: &str) -> Response<'a> {
        response
            .header("ETag", &self.etag())
            .header("Last-Modified", &self.last_modified())
            .header("Cache-Control", cache_control)
    }
}

/// The relative path of the file that a decoded URL path names, or nothing when it must not
/// name one.
///
/// Refused are dot segments and hidden files (anything that begins with a dot), backslashes,
/// colons, control characters, and doubled slashes. A slash at the end stands for the directory:
/// the result is then empty or ends with a slash, and the caller adds the index file.
pub fn clean_path(path: &str) -> Option<&str> {
    let relative = path.strip_prefix('/')?;
    let is_safe = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && !segment.chars().any(|c| matches!(c, '\\' | ':') || c.is_control())
    };
    let segments = relative.strip_suffix('/').unwrap_or(relative);
    (relative.is_empty() || segments.split('/').all(is_safe)).then_some(relative)
}

/// The `Content-Type` of a file, from its extension; text is UTF-8.
pub fn content_type(path: &str) -> Cow<'static, str> {
    let essence = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    let is_text = essence.starts_with("text/")
        || matches!(essence, "application/javascript" | "application/json" | "image/svg+xml");
    if !is_text {
        return Cow::Borrowed(essence);
    }
    let mut value = essence.to_owned();
    write!(value, "; charset=utf-8").expect("writing into memory cannot fail");
    Cow::Owned(value)
}

/// Whether a list of validators has `etag` in it, by the weak comparison that `If-None-Match`
/// asks for (RFC 9110 §8.8.3.2), or is `*`.
fn matches_etag(list: &str, etag: &str) -> bool {
    // Ours have no comma inside, so a list can be cut at all of them.
    list.split(',')
        .map(|item| item.trim_matches(BLANKS))
        .any(|item| item == "*" || item.strip_prefix("W/").unwrap_or(item) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileInfo = FileInfo { len: 0x1234, modified: Duration::new(784_111_777, 5) };

    fn request(headers: &str) -> String {
        format!("GET /x HTTP/1.1\r\n{headers}\r\n")
    }

    #[test]
    fn paths_stay_below_their_root() {
        for (path, clean) in [
            ("/", Some("")),
            ("/index.html", Some("index.html")),
            ("/a/b.js", Some("a/b.js")),
            ("/a/", Some("a/")),
            ("/a b/é.txt", Some("a b/é.txt")),
            ("/a..b", Some("a..b")),
            ("", None),
            ("*", None),
            ("a", None),
            ("//", None),
            ("//etc/passwd", None),
            ("/a//b", None),
            ("/..", None),
            ("/../x", None),
            ("/a/../b", None),
            ("/a/..", None),
            ("/a/../", None),
            ("/./a", None),
            ("/.git/config", None),
            ("/a/.htaccess", None),
            ("/a\\b", None),
            ("/..\\x", None),
            ("/c:/x", None),
            ("/a\0b", None),
            ("/a\nb", None),
        ] {
            assert_eq!(clean_path(path), clean, "{path:?}");
        }
    }

    #[test]
    fn types_follow_extensions() {
        for (path, kind) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/b.CSS", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("data.json", "application/json; charset=utf-8"),
            ("logo.svg", "image/svg+xml; charset=utf-8"),
            ("a.png", "image/png"),
            ("a.wasm", "application/wasm"),
            ("noextension", "application/octet-stream"),
        ] {
            assert_eq!(content_type(path), kind, "{path}");
        }
    }

    #[test]
    fn conditions_decide_whether_the_file_is_sent() {
        let etag = FILE.etag();
        assert_eq!(FILE.last_modified(), "Sun, 06 Nov 1994 08:49:37 GMT");
        for (headers, known) in [
            (String::new(), false),
            (format!("If-None-Match: {etag}\r\n"), true),
            (format!("If-None-Match: W/{etag}\r\n"), true),
            (format!("If-None-Match: \"x\", {etag}\r\n"), true),
            (format!("If-None-Match: \"x\"\r\nIf-None-Match: {etag}\r\n"), true),
            ("If-None-Match: *\r\n".to_owned(), true),
            ("If-None-Match: \"x\"\r\n".to_owned(), false),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".to_owned(), true),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT\r\n".to_owned(), true),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n".to_owned(), false),
            ("If-Modified-Since: yesterday\r\n".to_owned(), false),
            (
                "If-None-Match: \"x\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                    .to_owned(),
                false,
            ),
        ] {
            let head = request(&headers);
            assert_eq!(FILE.is_known_to(Head::new(&head)), known, "{headers}");
        }
        let post = request(&format!("If-None-Match: {etag}\r\n")).replace("GET", "POST");
        assert!(!FILE.is_known_to(Head::new(&post)));
    }
}
