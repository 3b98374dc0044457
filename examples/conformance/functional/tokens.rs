//! Tokens that the host makes for its own clients.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tickhub::{Jwt, JwtAlgorithm};

/// A key of this process, and what is done with it.
#[derive(Clone)]
pub(super) struct Tokens {
    key: Arc<[u8]>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the kernel gives random bytes");
        Self { key: key.into() }
    }

    /// What tells users by these tokens.
    pub(super) fn scheme(&self) -> Jwt {
        Jwt::new().secret(JwtAlgorithm::HS256, &self.key).expect("the key is long enough")
    }

    /// A token that holds for so many seconds.
    pub(super) fn issue(&self, user: &str, role: Option<&str>, lifetime: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut claims = json!({
            "nameid": user,
            "iss": "SignalRTestServer",
            "aud": "SignalRTests",
            "exp": now.saturating_add(lifetime),
        });
        if let Some(role) = role {
            claims["role"] = role.into();
        }
        let key = EncodingKey::from_secret(&self.key);
        jsonwebtoken::encode(&Header::default(), &claims, &key).expect("claims can be signed")
    }
}
