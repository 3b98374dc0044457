//! Which web pages of other origins may read answers (the Fetch standard, §3.2).

use std::time::Duration;

use super::origins;
use crate::base::{Checklist, Mistake};
use crate::protocol::http::{self, Head, Headers, Method, Response};

/// What scripts of other origins may do with an endpoint. Without it, nothing.
///
/// The defaults are what the clients of SignalR need (§1.8): credentials, the methods GET, POST
/// and DELETE, and the headers that they send. Every answer of the endpoint says
/// `Vary: Origin`. WebSockets are not covered by CORS; see [`Origins`](super::Origins).
///
/// ```
/// use std::time::Duration;
/// use tickhub::{ConnectionOptions, Cors};
///
/// let options = ConnectionOptions {
///     cors: Some(Cors::origins(["https://app.example"]).max_age(Duration::from_mins(10))),
///     ..ConnectionOptions::default()
/// };
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Nothing: any origin.
    origins: Option<Vec<String>>,
    credentials: bool,
    /// As in a header; nothing: whatever is asked for.
    methods: Option<String>,
    headers: Option<String>,
    max_age: Option<Duration>,
}

impl Cors {
    /// Exactly these origins, with credentials. Each is `scheme://host` or `scheme://host:port`;
    /// `null` and `*` are none.
    pub fn origins<S: Into<String>>(origins: impl IntoIterator<Item = S>) -> Self {
        let origins = origins.into_iter().map(Into::into).collect();
        Self { origins: Some(origins), credentials: true, ..Self::any_origin() }
    }

    /// Any origin, and never with credentials: whoever may be anybody must not act for a user.
    /// Clients have to be told so (`withCredentials: false`).
    pub fn any_origin() -> Self {
        Self {
            origins: None,
            credentials: false,
            methods: Some("GET, POST, DELETE".into()),
            headers: Some(
                "x-requested-with, x-signalr-user-agent, authorization, content-type".into(),
            ),
            max_age: None,
        }
    }

    /// Lets no cookies and no other credentials through.
    pub fn without_credentials(mut self) -> Self {
        self.credentials = false;
        self
    }

    /// Allows these methods in place of the usual ones.
    pub fn methods(mut self, methods: &[&str]) -> Self {
        self.methods = Some(methods.join(", "));
        self
    }

    /// Allows whatever method is asked for.
    pub fn any_method(mut self) -> Self {
        self.methods = None;
        self
    }

    /// Allows these headers in place of the usual ones; of an empty list, those that need no leave.
    pub fn headers(mut self, headers: &[&str]) -> Self {
        self.headers = Some(headers.join(", "));
        self
    }

    /// Allows whatever headers are asked for.
    pub fn any_header(mut self) -> Self {
        self.headers = None;
        self
    }

    /// How long browsers may remember the answer to a preflight (default: what they like).
    pub fn max_age(mut self, time: Duration) -> Self {
        self.max_age = Some(time);
        self
    }

    /// Everything that is wrong with it: origins that no browser sends, and names of methods and
    /// headers that are none.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        for origin in self.origins.iter().flatten() {
            checks.require(origins::is_whole(origin), "cors.origins", origin, origins::WHOLE);
        }
        for (option, names) in [("cors.methods", &self.methods), ("cors.headers", &self.headers)] {
            let names = names.iter().filter(|names| !names.is_empty());
            for name in names.flat_map(|names| names.split(", ")) {
                checks.require(
                    http::is_token(name) && name != "*",
                    option,
                    name,
                    "it is a token: letters, digits and a few signs (RFC 9110 §5.6.2)",
                );
            }
        }
        checks.into_mistakes()
    }

    /// Whether an origin is allowed.
    pub fn allows(&self, origin: &str) -> bool {
        match &self.origins {
            None => true,
            Some(list) => list.iter().any(|entry| origins::matches(entry, origin)),
        }
    }

    /// Adds to `headers` what the answer to `request` has to say; gives that answer, if the
    /// request is a preflight.
    pub(crate) fn apply(
        &self,
        request: Head<'_>,
        headers: &mut Headers,
    ) -> Option<Response<'static>> {
        // Also where no origin was sent: the answer would be another one with it (T-CORS).
        headers.add("Vary", "Origin");
        let mut origins = request.header_values("origin");
        let origin = origins.next()?;
        let asked = request.header("access-control-request-method");
        let preflight = asked.filter(|_| request.method() == Method::Options);
        if origins.next().is_none() && self.allows(origin) {
            let allowed = if self.origins.is_some() { origin } else { "*" };
            headers.add("Access-Control-Allow-Origin", allowed);
            if self.credentials {
                headers.add("Access-Control-Allow-Credentials", "true");
            }
            if let Some(method) = preflight {
                self.answer_preflight(request, method, headers);
            }
        }
        preflight.map(|_| Response::new(204))
    }

    fn answer_preflight(&self, request: Head<'_>, method: &str, headers: &mut Headers) {
        let methods = self.methods.as_deref().unwrap_or(method);
        headers.add("Access-Control-Allow-Methods", methods);
        if let Some(asked) = request.header("access-control-request-headers") {
            let allowed = self.headers.as_deref().unwrap_or(asked);
            headers.add("Access-Control-Allow-Headers", allowed);
        }
        if let Some(time) = self.max_age {
            headers.add("Access-Control-Max-Age", &time.as_secs().to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_headers_may_be_empty_and_holds_tokens_else() {
        let with = |names: &[&str]| Cors::origins(["https://a.example"]).headers(names);
        assert!(with(&[]).mistakes().is_empty());
        assert!(with(&["x-one", "x-two"]).mistakes().is_empty());
        assert_eq!(with(&["x-one", ""]).mistakes().len(), 1);
        assert_eq!(with(&["x one"]).mistakes().len(), 1);
    }
}
