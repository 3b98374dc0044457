//! What happens in front of all hubs, in this order: CORS, moved and redirected connections,
//! cookies, a negotiation that is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::json;
use tickhub::Server;
use tickhub::http::{Headers, Method, Request, Response};

pub(super) fn serve(server: Server) -> Server {
    let redirects = Arc::<AtomicU32>::default();
    server
        .before(allow_origin)
        .before(|request, _| moved(request))
        .before(move |request, _| redirected(request, &redirects))
        .before(give_cookies)
        .before(|request, _| {
            begins_with(request, "/bad-negotiate")
                .then(|| Response::text(400, "Some response from server"))
        })
}

fn begins_with(request: &Request<'_>, prefix: &str) -> bool {
    let path = request.path();
    path.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

/// Everybody may do everything.
fn allow_origin(request: &Request<'_>, headers: &mut Headers) -> Option<Response<'static>> {
    if let Some(origin) = request.header("origin") {
        headers.add("Access-Control-Allow-Origin", origin);
        headers.add("Access-Control-Allow-Credentials", "true");
        for (asked, allowed) in [
            ("access-control-request-method", "Access-Control-Allow-Methods"),
            ("access-control-request-headers", "Access-Control-Allow-Headers"),
        ] {
            if let Some(value) = request.header(asked) {
                headers.add(allowed, value);
            }
        }
    }
    (request.method() == Method::Options).then(|| Response::new(204))
}

/// `/echoredirect…` is at `/echo…`.
fn moved(request: &Request<'_>) -> Option<Response<'static>> {
    const PREFIX: &str = "/echoredirect";
    if !begins_with(request, PREFIX) {
        return None;
    }
    let (path, query) = (request.path(), request.head().raw_query());
    let mark = if query.is_empty() { "" } else { "?" };
    let place = format!("/echo{}{mark}{query}", &path[PREFIX.len()..]);
    Some(Response::new(307).header("Location", &place))
}

/// A negotiation that sends its client elsewhere, and says how often that happened.
fn redirected(request: &Request<'_>, redirects: &AtomicU32) -> Option<Response<'static>> {
    if !begins_with(request, "/redirect") {
        return None;
    }
    let base = request.query("baseUrl").unwrap_or_default().into_owned();
    let number = redirects.fetch_add(1, Ordering::Relaxed) + 1;
    let answer = json!({ "url": format!("{base}/testHub?numRedirects={number}") });
    let body = answer.to_string().into_bytes();
    Some(Response::new(200).content_type("application/json").body(body))
}

/// Two cookies to keep, and one to forget.
fn give_cookies(request: &Request<'_>, headers: &mut Headers) -> Option<Response<'static>> {
    if request.path().to_ascii_lowercase().contains("/negotiate") {
        let an_hour_ago = httpdate::fmt_http_date(SystemTime::now() - Duration::from_hours(1));
        headers.add("Set-Cookie", "testCookie=testValue; path=/");
        headers.add("Set-Cookie", "testCookie2=testValue2; path=/");
        let expired = format!("expiredCookie=doesntmatter; expires={an_hour_ago}; path=/");
        headers.add("Set-Cookie", &expired);
    }
    None
}
