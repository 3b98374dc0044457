//! JSON Web Tokens (RFC 7519) as a scheme of authentication.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::Validation;
use serde_json::{Map, Value};

use super::jwt_keys::{JwtAlgorithm, Key};
use super::{Authenticate, Identity, bearer_token};
use crate::protocol::http::Request;

/// Signed tokens: a scheme for `Server::authenticate`.
///
/// The keys are fixed at start, and each is for one algorithm: what a token says about itself
/// chooses among them and nothing else. Nothing is fetched, and no claim is read before the
/// signature was found good (T-JWT).
///
/// ```
/// use tickhub::{Jwt, JwtAlgorithm};
///
/// let scheme = Jwt::new()
///     .secret(JwtAlgorithm::HS256, b"a secret of 32 bytes at the least")?
///     .issuer("https://login.example")
///     .audience("game");
/// # Ok::<(), tickhub::JwtError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Jwt {
    keys: Vec<Key>,
    issuers: Vec<String>,
    audiences: Vec<String>,
    clock_skew: Duration,
    user_claims: Vec<String>,
    role_claims: Vec<String>,
    cookie: Option<String>,
    token_bytes_max: usize,
}

/// Why a token, or a key to check tokens with, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// A key that was configured is of no use.
    #[error("{0}")]
    Key(&'static str),
    /// More bytes than [`Jwt::token_bytes_max`].
    #[error("the token is too long")]
    TooLong,
    /// It is no token, or one with extensions that are not known here (`crit`).
    #[error("the token is malformed")]
    Malformed,
    /// No key is for the algorithm and the key name of the token.
    #[error("no key is for this token")]
    NoKey,
    /// It was not signed with our key.
    #[error("the signature is wrong")]
    Signature,
    /// It does not say until when it holds.
    #[error("the token has no end")]
    NoExpiry,
    /// It does not hold any more.
    #[error("the token has expired")]
    Expired,
    /// It does not hold yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It is from somebody else.
    #[error("the issuer is another one")]
    Issuer,
    /// It is for somebody else.
    #[error("the audience is another one")]
    Audience,
}

impl Jwt {
    /// A scheme without keys: it lets nobody in.
    pub fn new() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            keys: Vec::new(),
            issuers: Vec::new(),
            audiences: Vec::new(),
            clock_skew: Duration::from_mins(5),
            user_claims: owned(&[NAME_IDENTIFIER, "nameid", "sub"]),
            role_claims: owned(&[Identity::ROLE, "roles", ROLE]),
            cookie: None,
            token_bytes_max: 8 * 1024,
        }
    }

    /// Adds a secret that tokens are signed with.
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`] when the algorithm is not of the HS kind, or the secret shorter than its
    /// hash (RFC 7518 §3.2).
    pub fn secret(self, algorithm: JwtAlgorithm, secret: &[u8]) -> Result<Self, JwtError> {
        Ok(self.key(Key::secret(algorithm, secret)?))
    }

    /// Adds a public key as PEM text.
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`] when it is no key for this algorithm.
    pub fn pem(self, algorithm: JwtAlgorithm, pem: &[u8]) -> Result<Self, JwtError> {
        Ok(self.key(Key::pem(algorithm, pem)?))
    }

    /// Adds the keys of a set (RFC 7517) that are for signatures of a known kind. A key that does
    /// not name its algorithm is for RS256, ES256, ES384 or `EdDSA`, as its kind is.
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`] when it is no key set, or one of its keys cannot be used.
    pub fn key_set(mut self, json: &str) -> Result<Self, JwtError> {
        self.keys.extend(Key::set(json)?);
        Ok(self)
    }

    /// Demands an issuer (`iss`). Given several times, any of them will do; not given, it is not
    /// looked at.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuers.push(issuer.to_owned());
        self
    }

    /// Demands an audience (`aud`). Given several times, any of them will do; not given, it is
    /// not looked at.
    pub fn audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.to_owned());
        self
    }

    /// By how much other clocks may differ from ours (default 5 min, as in ASP.NET Core): so much
    /// longer, and so much earlier, a token is accepted. The identity expires without it.
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew;
        self
    }

    /// Takes the user id from this claim, in place of the usual ones (the long name identifier of
    /// .NET, `nameid`, `sub`).
    pub fn user_claim(mut self, kind: &str) -> Self {
        self.user_claims = vec![kind.to_owned()];
        self
    }

    /// Takes roles from this claim, in place of the usual ones (`role`, `roles`, the long role of
    /// .NET).
    pub fn role_claim(mut self, kind: &str) -> Self {
        self.role_claims = vec![kind.to_owned()];
        self
    }

    /// Also looks for the token in this cookie, when neither header nor query has one. Browsers
    /// send cookies by themselves, for pages of others too: keep
    /// `ConnectionOptions::allowed_origins` narrow.
    pub fn cookie(mut self, name: &str) -> Self {
        self.cookie = Some(name.to_owned());
        self
    }

    /// Bytes of a token at most (default 8 KiB).
    pub fn token_bytes_max(mut self, bytes: usize) -> Self {
        self.token_bytes_max = bytes;
        self
    }

    /// Judges a token at the time `now`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Identity, JwtError> {
        if token.len() > self.token_bytes_max {
            return Err(JwtError::TooLong);
        }
        let claims = self.signed_claims(token)?;
        let time = |name| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(JwtError::Malformed),
        };
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let skew = self.clock_skew.as_secs_f64();
        let expires = time("exp")?.ok_or(JwtError::NoExpiry)?;
        if now >= expires + skew {
            return Err(JwtError::Expired);
        }
        if time("nbf")?.is_some_and(|begins| now + skew < begins) {
            return Err(JwtError::NotYetValid);
        }
        if !self.issuers.is_empty() && !is_one_of(claims.get("iss"), &self.issuers) {
            return Err(JwtError::Issuer);
        }
        if !self.audiences.is_empty() && !is_one_of(claims.get("aud"), &self.audiences) {
            return Err(JwtError::Audience);
        }
        let identity = self.identity(&claims);
        // A time beyond all clocks is none.
        let expires = Duration::try_from_secs_f64(expires).ok();
        let expires = expires.and_then(|time| UNIX_EPOCH.checked_add(time));
        Ok(match expires {
            Some(time) => identity.expires_at(time),
            None => identity,
        })
    }

    fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// The claims of a token whose signature is good.
    fn signed_claims(&self, token: &str) -> Result<Map<String, Value>, JwtError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| JwtError::Malformed)?;
        // Extensions that must be understood (RFC 7515 §4.1.11): none is.
        if header.crit.is_some() {
            return Err(JwtError::Malformed);
        }
        let fits = |key: &&Key| {
            // A key without a name is for tokens of any key name.
            let named = header.kid.as_ref().zip(key.id.as_ref()).is_none_or(|(a, b)| a == b);
            key.algorithm == header.alg && named
        };
        let mut error = JwtError::NoKey;
        for key in self.keys.iter().filter(fits) {
            let mut validation = Validation::new(key.algorithm);
            // The signature alone: the rest is judged here, by the time that we are told.
            validation.required_spec_claims.clear();
            validation.validate_exp = false;
            validation.validate_aud = false;
            match jsonwebtoken::decode(token, &key.decoding, &validation) {
                Ok(data) => return Ok(data.claims),
                Err(refused) => {
                    use jsonwebtoken::errors::ErrorKind;
                    error = match refused.kind() {
                        ErrorKind::InvalidSignature => JwtError::Signature,
                        _ => JwtError::Malformed,
                    };
                }
            }
        }
        Err(error)
    }

    fn identity(&self, claims: &Map<String, Value>) -> Identity {
        let id = self.user_claims.iter().find_map(|kind| texts(claims.get(kind)).next());
        let mut identity = match id {
            Some(id) => Identity::new(id.into_owned()),
            None => Identity::nameless(),
        };
        // A role is what we were told to take for one, and nothing else.
        let is_role = |kind: &String| self.role_claims.contains(kind);
        let is_own = |kind: &String| kind == Identity::ROLE;
        for (kind, value) in claims.iter().filter(|(kind, _)| is_role(kind) || !is_own(kind)) {
            for text in texts(Some(value)) {
                identity = identity.claim(kind.as_str(), text.into_owned());
            }
        }
        for (_, value) in claims.iter().filter(|(kind, _)| is_role(kind) && !is_own(kind)) {
            for role in texts(Some(value)) {
                identity = identity.role(role.into_owned());
            }
        }
        identity
    }
}

impl Default for Jwt {
    fn default() -> Self {
        Self::new()
    }
}

impl Authenticate for Jwt {
    fn authenticate(&self, request: &Request<'_>, now: SystemTime) -> Option<Identity> {
        let head = request.head();
        let token = bearer_token(head).or_else(|| {
            let mut cookies = head.cookies(self.cookie.as_deref()?);
            let first = cookies.next().filter(|token| !token.is_empty())?;
            cookies.next().is_none().then_some(Cow::Borrowed(first))
        })?;
        match self.verify(&token, now) {
            Ok(identity) => Some(identity),
            Err(error) => {
                tracing::debug!(%error, "a token was refused");
                None
            }
        }
    }
}

/// The texts of a claim: one for each element of a list, objects as JSON, as in .NET.
fn texts(value: Option<&Value>) -> impl Iterator<Item = Cow<'_, str>> {
    let values = match value {
        Some(Value::Array(values)) => values.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    values.iter().filter_map(|value| match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Cow::Borrowed(text.as_str())),
        other => Some(Cow::Owned(other.to_string())),
    })
}

fn is_one_of(value: Option<&Value>, wanted: &[String]) -> bool {
    texts(value).any(|text| wanted.iter().any(|wanted| *wanted == text))
}

/// The claim types of .NET.
const NAME_IDENTIFIER: &str =
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier";
const ROLE: &str = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role";
