//! From a request to an identity.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;
use std::time::SystemTime;

use super::Identity;
use crate::protocol::http::{Head, Request};
use crate::protocol::url;

/// A way to tell who a request is from. Functions of a [`Request`] are such, and
/// [`Jwt`](super::Jwt) is one.
///
/// It is asked for every request to a hub or a WebSocket, whether or not a user is required
/// there: polls and POSTs, too; and for others when their handler asks ([`Request::identity`]).
/// So it must not block.
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

/// The schemes of a shard for one request, which are asked once at most.
pub(crate) struct Inquiry {
    schemes: Rc<[Rc<dyn Authenticate>]>,
    now: SystemTime,
    found: OnceCell<Option<Rc<Identity>>>,
}

impl Inquiry {
    /// What there is to ask about a request that has come `now`.
    pub(crate) fn new(schemes: Rc<[Rc<dyn Authenticate>]>, now: SystemTime) -> Self {
        Self { schemes, now, found: OnceCell::new() }
    }
}

impl Request<'_> {
    /// Who the request is from; nothing, if no scheme could tell. The schemes are asked when
    /// somebody wants to know, and once: who does not ask pays nothing. Requests are known to
    /// schemes that a server received; what a [`RequestReader`](crate::http::RequestReader) of
    /// one's own has read is from nobody.
    ///
    /// ```
    /// use tickhub::http::{Request, Response};
    ///
    /// fn greet(request: &Request<'_>) -> Response<'static> {
    ///     match request.identity().and_then(|who| who.name()) {
    ///         Some(name) => Response::new(200).body(format!("Hello {name}").into_bytes()),
    ///         None => Response::new(401).header("WWW-Authenticate", "Bearer"),
    ///     }
    /// }
    /// # let _ = tickhub::Server::new(tickhub::Config::default()).http("/greet", greet);
    /// ```
    pub fn identity(&self) -> Option<&Identity> {
        self.shared_identity().map(|identity| &**identity)
    }

    /// The same, to be kept.
    pub(crate) fn shared_identity(&self) -> Option<&Rc<Identity>> {
        let inquiry = self.knowledge::<Inquiry>()?;
        let ask = || {
            let mut schemes = inquiry.schemes.iter();
            schemes.find_map(|scheme| scheme.authenticate(self, inquiry.now)).map(Rc::new)
        };
        inquiry.found.get_or_init(ask).as_ref()
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
