//! Who a request is from: it only has to say so.

use tickhub::http::RequestHead;

/// The name in `X-User`, in a bearer token `user:NAME`, or in `access_token`, in this order. What
/// stands in the first of these places counts, though it be no name.
pub(super) fn user(request: &RequestHead) -> Option<String> {
    if let Some(name) = request.header("x-user") {
        return Some(name.to_owned());
    }
    let token = match request.header("authorization") {
        Some(line) => {
            let (scheme, token) = line.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())?
        }
        None => request.query("access_token")?.into_owned(),
    };
    token.strip_prefix("user:").map(str::to_owned)
}
