//! From which web pages a WebSocket or an event stream may be opened.

use super::Cors;
use crate::base::{Checklist, Mistake};
use crate::protocol::http::Head;

/// The origins of web pages that may open WebSockets and event streams.
///
/// Browsers do not keep pages of other sites from opening either, and they send the cookies of
/// their user with it: so the server has to (T-ORIGIN). Programs that are no browser send no
/// `Origin`, and are not concerned.
///
/// ```
/// use tickhub::{ConnectionOptions, Origins};
///
/// let options = ConnectionOptions {
///     allowed_origins: Origins::list(["https://app.example"]),
///     ..ConnectionOptions::default()
/// };
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// All. What ASP.NET Core does unless told otherwise.
    Any,
    /// Those whose host and port are the ones that were asked, and those that the endpoint's
    /// [`Cors`] allows. Whether it is `http` or `https` is not looked at: that is known to the
    /// proxy in front alone.
    #[default]
    SameOrigin,
    /// These, and no others. An entry is compared as a browser sends it, in lower case:
    /// `https://app.example`, with a port unless it is the usual one. `*` is all.
    List(Vec<String>),
}

impl Origins {
    /// [`Origins::List`] of whatever can be a string.
    pub fn list<S: Into<String>>(origins: impl IntoIterator<Item = S>) -> Self {
        Self::List(origins.into_iter().map(Into::into).collect())
    }

    /// Everything that is wrong with them: entries that no browser sends.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        if let Self::List(list) = self {
            for entry in list.iter().filter(|entry| *entry != "*") {
                checks.require(is_whole(entry), "allowed_origins", entry, WHOLE);
            }
        }
        checks.into_mistakes()
    }

    /// Whether the request may open what it asks for. Without an origin, or with an empty one, it
    /// may.
    pub fn admit(&self, request: Head<'_>, cors: Option<&Cors>) -> bool {
        let mut origins = request.header_values("origin");
        let Some(origin) = origins.next() else { return true };
        if origins.next().is_some() {
            return false;
        }
        if origin.is_empty() {
            return true;
        }
        match self {
            Self::Any => true,
            Self::SameOrigin => {
                is_same(origin, request) || cors.is_some_and(|cors| cors.allows(origin))
            }
            Self::List(list) => list.iter().any(|entry| entry == "*" || matches(entry, origin)),
        }
    }
}

/// Whether browsers may send this as an origin: a scheme, a host, and nothing behind it.
pub(super) fn is_whole(entry: &str) -> bool {
    let authority = entry.split_once("://").map(|(_, authority)| authority);
    authority.is_some_and(|authority| {
        !authority.is_empty() && !authority.contains(['/', '?', '#', '*', ' ', ',', '@'])
    })
}

/// What an entry has to be.
pub(super) const WHOLE: &str = "an origin is scheme://host or scheme://host:port";

/// Whether an origin is an entry of a list: the entry in lower case, the origin as it came (§9.1).
pub(super) fn matches(entry: &str, origin: &str) -> bool {
    entry.bytes().map(|byte| byte.to_ascii_lowercase()).eq(origin.bytes())
}

/// Whether the page comes from the host that is asked.
fn is_same(origin: &str, request: Head<'_>) -> bool {
    let Some(host) = request.header("host") else { return false };
    let same = |scheme: &str, port: &str| {
        origin.strip_prefix(scheme).is_some_and(|authority| {
            let usual = |text| str::strip_suffix(text, port).unwrap_or(text);
            usual(authority).eq_ignore_ascii_case(usual(host))
        })
    };
    same("http://", ":80") || same("https://", ":443")
}
