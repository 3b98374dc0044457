//! JSON Web Tokens (RFC 7519) as a scheme of authentication.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{AlgorithmFamily, Header, Validation};
use serde_json::{Map, Value};

use super::jwt_keys::{JwtAlgorithm, Key};
use super::remembered::{self, Remembered};
use super::{Authenticate, Identity, bearer_token};
use crate::protocol::http::Request;

/// Signed tokens: a scheme for `Server::authenticate`.
///
/// The keys are fixed at start, and each is for one algorithm: what a token says about itself
/// chooses among them and nothing else. Nothing is fetched, and no claim is read before the
/// signature was found good (T-JWT). That is expensive (RS256 and ES256 about 0.3 ms) and clients
/// that poll bring their token with every request, so it is done once for each token; see
/// [`Jwt::tokens_remembered_max`].
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
    remembered: Remembered,
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
            remembered: Remembered::at_most(16 * 1024),
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

    /// Tokens at most whose signature was found good and need not be checked again (default
    /// 16 384, about 1 MiB; 0: none). Everything else about them is judged each time. Those that
    /// are signed with a secret are not among them: they are as cheap to check.
    pub fn tokens_remembered_max(mut self, tokens: usize) -> Self {
        self.remembered = Remembered::at_most(tokens);
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
        let header = jsonwebtoken::decode_header(token).map_err(|_| JwtError::Malformed)?;
        if header.alg.family() == AlgorithmFamily::Hmac {
            return self.judge(&self.signed_claims(token, &header)?, now);
        }
        let digest = remembered::digest(token);
        let claims = if self.remembered.contains(&digest) {
            insecure_decode_claims(token).map_err(|_| JwtError::Malformed)?
        } else {
            self.signed_claims(token, &header)?
        };
        let judged = self.judge(&claims, now);
        match judged {
            Ok(_) => self.remembered.insert(digest),
            Err(_) => self.remembered.forget(&digest),
        }
        judged
    }

    /// Judges a token by its claims.
    fn judge(&self, claims: &Map<String, Value>, now: SystemTime) -> Result<Identity, JwtError> {
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
        let identity = self.identity(claims);
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
    fn signed_claims(&self, token: &str, header: &Header) -> Result<Map<String, Value>, JwtError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn token(sub: &str) -> String {
        let key = include_bytes!("../../tests/keys/ec-private.pem");
        let key = jsonwebtoken::EncodingKey::from_ec_pem(key).expect("a key");
        let claims = serde_json::json!({ "sub": sub, "exp": NOW + 60, "nbf": NOW - 60 });
        jsonwebtoken::encode(&Header::new(JwtAlgorithm::ES256), &claims, &key).expect("a token")
    }

    fn scheme() -> Jwt {
        let keys = include_str!("../../tests/keys/set.json");
        Jwt::new().clock_skew(Duration::ZERO).key_set(keys).expect("good keys")
    }

    /// A scheme that has lost its keys can tell no more than what it remembers.
    fn remembers(jwt: &Jwt, token: &str) -> bool {
        let blind = Jwt { keys: Vec::new(), remembered: Remembered::at_most(1), ..jwt.clone() };
        let digest = remembered::digest(token);
        if jwt.remembered.contains(&digest) {
            blind.remembered.insert(digest);
        }
        blind.verify(token, at(NOW)).is_ok()
    }

    #[test]
    fn a_signature_is_checked_once_and_everything_else_each_time() {
        let (jwt, token) = (scheme(), token("ann"));
        assert!(!remembers(&jwt, &token));
        let first = jwt.verify(&token, at(NOW));
        assert!(remembers(&jwt, &token));
        assert_eq!(jwt.verify(&token, at(NOW)), first);
        // What is demanded may be more than when it was first seen.
        let strict = scheme();
        strict.verify(&token, at(NOW)).expect("good");
        assert_eq!(strict.issuer("us").verify(&token, at(NOW)), Err(JwtError::Issuer));
        let shorter = scheme();
        shorter.verify(&token, at(NOW)).expect("good");
        let shorter = shorter.token_bytes_max(token.len() - 1);
        assert_eq!(shorter.verify(&token, at(NOW)), Err(JwtError::TooLong));
    }

    #[test]
    fn a_token_that_is_remembered_dies_in_its_time() {
        for (time, refusal) in [(NOW + 60, JwtError::Expired), (NOW - 61, JwtError::NotYetValid)] {
            let (jwt, token) = (scheme(), token("ann"));
            jwt.verify(&token, at(NOW)).expect("good");
            assert_eq!(jwt.verify(&token, at(time)), Err(refusal));
            assert!(!remembers(&jwt, &token), "{refusal}");
        }
    }

    #[test]
    fn no_other_token_is_taken_for_one_that_is_remembered() {
        let (jwt, ann, bob) = (scheme(), token("ann"), token("bob"));
        jwt.verify(&ann, at(NOW)).expect("good");
        let (signed, signature) = ann.rsplit_once('.').expect("three parts");
        let (_, of_bob) = bob.rsplit_once('.').expect("three parts");
        let mut near = ann.clone().into_bytes();
        let place = near.len() - 2;
        near[place] = if near[place] == b'A' { b'B' } else { b'A' };
        let (claims_of_bob, _) = bob.rsplit_once('.').expect("three parts");
        for wrong in [
            String::from_utf8(near).expect("a text"),
            format!("{signed}.{of_bob}"),
            format!("{claims_of_bob}.{signature}"),
            format!("{signed}."),
            format!("{ann}A"),
            ann[..ann.len() - 1].to_owned(),
        ] {
            assert!(jwt.verify(&wrong, at(NOW)).is_err(), "{wrong}");
            assert!(!remembers(&jwt, &wrong));
        }
        assert!(remembers(&jwt, &ann), "it is not forgotten for the others");
        let none = scheme().tokens_remembered_max(0);
        none.verify(&ann, at(NOW)).expect("good");
        assert!(!remembers(&none, &ann));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let jwt = scheme().tokens_remembered_max(2);
        let tokens: Vec<String> = (0..4).map(|number| token(&number.to_string())).collect();
        for token in &tokens {
            jwt.verify(token, at(NOW)).expect("good");
        }
        let known: Vec<bool> = tokens.iter().map(|token| remembers(&jwt, token)).collect();
        assert_eq!(known, [false, false, true, true]);
    }
}
