//! Who a request is from: it only has to say so.

use std::time::{Duration, SystemTime};

use tickhub::http::Request;
use tickhub::{Identity, bearer_token};

/// The role that a policy asks for; the user of the same name has it.
pub(crate) const ADMIN: &str = "admin";

/// The name in `X-User`, or in a token `user:NAME`. It holds for ever, or for as many seconds as
/// the query parameter `expires` says.
pub(crate) fn identity(request: &Request<'_>) -> Option<Identity> {
    let name = match request.header("x-user") {
        Some(name) => name.to_owned(),
        None => bearer_token(request.head())?.strip_prefix("user:")?.to_owned(),
    };
    let is_admin = name == ADMIN;
    let mut identity = Identity::new(name);
    if is_admin {
        identity = identity.role(ADMIN);
    }
    let seconds = request.query("expires").and_then(|seconds| seconds.parse().ok());
    if let Some(Ok(time)) = seconds.map(Duration::try_from_secs_f64) {
        identity = identity.expires_at(whole_second(SystemTime::now() + time));
    }
    Some(identity)
}

fn whole_second(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
