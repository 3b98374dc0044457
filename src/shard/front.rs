//! What stands in front of all routes, and of those that make connections: who asks, and may they.

use std::rc::Rc;

use super::routes::Mount;
use super::{Engine, exchange};
use crate::auth::{Access, Authenticate, Identity, Inquiry};
use crate::base::{ConnectionKey, Moment};
use crate::hub::contained;
use crate::protocol::http::{Headers, Request, Response};
use crate::transport::{Connection, HttpStage, NEVER, Stage};

/// Sees each request before its route does. May add headers to whatever the answer will be, and
/// may answer itself.
pub(crate) type Before = Box<dyn FnMut(&Request<'_>, &mut Headers) -> Option<Response<'static>>>;

impl Engine {
    /// Has `before` see every request, behind those that were added earlier.
    pub(crate) fn add_before(&mut self, before: Before) {
        self.before.push(before);
    }

    /// The answer of the first that gives one.
    pub(super) fn ask_before(
        &mut self,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Option<Response<'static>> {
        http.headers.clear();
        http.identity = None;
        let headers = &mut http.headers;
        let mut all = self.before.iter_mut();
        let answered = contained(|| all.find_map(|before| before(request, headers)));
        answered.unwrap_or_else(|panic| Some(self.failed(&panic)))
    }

    /// Tries one more way to tell who a request is from, when those before it could not.
    pub(crate) fn add_scheme(&mut self, scheme: Rc<dyn Authenticate>) {
        self.schemes = self.schemes.iter().cloned().chain([scheme]).collect();
    }

    /// Lets whoever looks at a request ask who it is from. Without schemes there is nothing to ask.
    pub(super) fn introduce(&self, request: &mut Request<'_>) {
        if !self.schemes.is_empty() {
            let now = self.wall.time_at(self.registry.now);
            request.know(Rc::new(Inquiry::new(self.schemes.clone(), now)));
        }
    }

    /// Finds out who a request to an endpoint is from, and whether it may come in, before anything
    /// else about it is looked at (§6.8).
    pub(super) fn admit_request(
        &mut self,
        mount: &Mount,
        http: &mut HttpStage,
        request: &Request<'_>,
    ) -> Result<(), Response<'static>> {
        let options = &mount.options;
        if let Some(cors) = &options.cors
            && let Some(preflight) = cors.apply(request.head(), &mut http.headers)
        {
            return Err(preflight);
        }
        let identified = contained(|| request.shared_identity().cloned());
        http.identity = identified.map_err(|panic| self.failed(&panic))?;
        let Some(policy) = &options.authorize else { return Ok(()) };
        let access = Access::request_of(http.identity.as_deref(), request.head());
        let allowed = contained(|| policy.allows(&access)).map_err(|panic| self.failed(&panic))?;
        match &http.identity {
            _ if allowed => Ok(()),
            Some(_) => Err(forbidden()),
            // Clients show the reason phrase, as there is no body (§6.8).
            None => Err(Response::new(401).header("WWW-Authenticate", "Bearer")),
        }
    }

    /// When a connection ends because the identity expires that came with a request.
    pub(super) fn expiry(&self, connection: &Connection, identity: Option<&Identity>) -> Moment {
        let time = identity.and_then(Identity::expires);
        match time.filter(|_| connection.options.close_on_authentication_expiration) {
            Some(time) => self.wall.moment_at(time),
            None => NEVER,
        }
    }

    /// One more request has come for a connection: it stays whose it was, for as long as that
    /// request's identity holds (§6.8). A request that does not say who it is from changes nothing.
    pub(super) fn prolong(&mut self, key: ConnectionKey, identity: Option<Rc<Identity>>) {
        let Some((identity, connection)) = identity.zip(self.registry.get(key)) else { return };
        let expires_at = self.expiry(connection, Some(&identity));
        if let Some(connection) = self.registry.get_mut(key)
            && connection.stage != Stage::Closing
        {
            connection.expires_at = expires_at;
        }
    }

    /// The answer when code of the application panicked.
    pub(super) fn failed(&mut self, panic: &str) -> Response<'static> {
        self.registry.count_panic();
        tracing::error!(panic, "the code that was to answer a request panicked");
        exchange::failed()
    }
}

/// Whether a request comes from somebody else than the owner of the connection that it names:
/// whoever negotiated it, later whoever opened its transport. Somebody who has signed in never
/// takes over what somebody else has negotiated, nobody included: the token may be theirs who
/// planted it. Who says nothing is no stranger, only anonymous: some clients sign in to negotiate
/// and poll without a header (§8.5).
pub(super) fn is_stranger(connection: &Connection, identity: Option<&Identity>) -> bool {
    let Some(identity) = identity else { return false };
    match &connection.identity {
        Some(owner) => owner.id() != identity.id(),
        None => connection.transport.is_none(),
    }
}

/// Signed in, and not allowed. Clients show the reason phrase, as there is no body (§6.8).
pub(super) fn forbidden() -> Response<'static> {
    Response::new(403)
}
