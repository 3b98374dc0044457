//! What stands in front of all routes.

use super::{Engine, exchange};
use crate::hub::contained;
use crate::protocol::http::{Headers, Request, Response};
use crate::transport::HttpStage;

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
        let headers = &mut http.headers;
        let mut all = self.before.iter_mut();
        let answered = contained(|| all.find_map(|before| before(request, headers)));
        answered.unwrap_or_else(|panic| Some(self.failed(&panic)))
    }

    /// The answer when code of the application panicked.
    pub(super) fn failed(&mut self, panic: &str) -> Response<'static> {
        self.registry.count_panic();
        tracing::error!(panic, "the code that was to answer a request panicked");
        exchange::failed()
    }
}
