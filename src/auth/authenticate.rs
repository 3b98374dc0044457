//! From a request to an identity.

use std::borrow::Cow;
use std::time::SystemTime;

use super::Identity;
use crate::protocol::http::{Head, Request};
use crate::protocol::url;

/// A way to tell who a request is from. Functions of a [`Request`] are such, and
/// [`Jwt`](super::Jwt) is one.
///
/// It is asked for every request to a hub or a WebSocket, whether or not a user is required
/// there: polls and POSTs, too. So it must not block.
///
/// ```
/// use tickhub::http::Request;
/// use tickhub::{Authenticate, Identity, bearer_token};
///
/// fn by_name(request: &Request<'_>) -> Option<Identity> {
///     let token = bearer_token(request.head())?;
///     Some(Identity::new(token.strip_prefix("user:")?))
/// }
/// # fn is_scheme(_: impl Authenticate) {}
/// # is_scheme(by_name);
/// ```
pub trait Authenticate: 'static {
    /// Who the request is from; nothing, if it does not say, or not credibly. `now` is the time
    /// by the clock on the wall.
    fn authenticate(&self, request: &Request<'_>, now: SystemTime) -> Option<Identity>;
}

impl<F: Fn(&Request<'_>) -> Option<Identity> + 'static> Authenticate for F {
    fn authenticate(&self, request: &Request<'_>, _: SystemTime) -> Option<Identity> {
        self(request)
    }
}

/// The token of a request: in `Authorization: Bearer …`, the scheme in any letter case; else in
/// the query parameter `access_token`, for browsers that cannot set headers on WebSockets and
/// event streams (§1.7). The header wins, be its token good or bad (COR-030).
///
/// What is said twice is not said: two headers, or two parameters, are no token.
pub fn bearer_token(head: Head<'_>) -> Option<Cow<'_, str>> {
    let mut headers = head.header_values("authorization");
    let first = headers.next();
    if headers.next().is_some() {
        return None;
    }
    if let Some(token) = first.and_then(bearer) {
        return Some(Cow::Borrowed(token));
    }
    let mut parameters = url::query_pairs(head.raw_query())
        .filter(|(name, _)| name.eq_ignore_ascii_case("access_token"))
        .map(|(_, value)| value);
    let token = parameters.next().filter(|token| !token.is_empty())?;
    parameters.next().is_none().then_some(token)
}

/// The token behind the name of the scheme (RFC 6750 §2.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}
