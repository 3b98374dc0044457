//! The keys that tokens are checked with: fixed at start, each for one algorithm.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey};

use super::JwtError;

pub use jsonwebtoken::Algorithm as JwtAlgorithm;

/// A key, the one algorithm that it is for, and its name if it has one.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) algorithm: JwtAlgorithm,
    pub(super) id: Option<String>,
    pub(super) decoding: DecodingKey,
}

impl Key {
    pub(super) fn secret(algorithm: JwtAlgorithm, secret: &[u8]) -> Result<Self, JwtError> {
        if algorithm.family() != AlgorithmFamily::Hmac {
            return Err(JwtError::Key("a secret is for HS256, HS384 or HS512"));
        }
        check_secret(algorithm, secret.len())?;
        Ok(Self { algorithm, id: None, decoding: DecodingKey::from_secret(secret) })
    }

    pub(super) fn pem(algorithm: JwtAlgorithm, pem: &[u8]) -> Result<Self, JwtError> {
        let key = match algorithm.family() {
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem),
            AlgorithmFamily::Hmac => {
                // A public key that everybody knows must never be a secret.
                return Err(JwtError::Key("a PEM file is for public keys: RS, PS, ES or EdDSA"));
            }
        };
        let decoding =
            key.map_err(|_| JwtError::Key("the PEM text is no public key of that kind"))?;
        Ok(Self { algorithm, id: None, decoding })
    }

    /// The keys of a set (RFC 7517) that are for signatures.
    pub(super) fn set(json: &str) -> Result<Vec<Self>, JwtError> {
        let set: JwkSet =
            serde_json::from_str(json).map_err(|_| JwtError::Key("the text is no key set"))?;
        let signing = |jwk: &&Jwk| {
            let purpose = jwk.common.public_key_use.as_ref();
            purpose.is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        };
        let keys: Vec<Self> = set
            .keys
            .iter()
            .filter(signing)
            .filter_map(|jwk| Some(Self::jwk(jwk, algorithm_of(jwk)?)))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(JwtError::Key("the key set has no key for signatures"));
        }
        Ok(keys)
    }

    fn jwk(jwk: &Jwk, algorithm: JwtAlgorithm) -> Result<Self, JwtError> {
        let key =
            DecodingKey::from_jwk(jwk).map_err(|_| JwtError::Key("a key of the set is broken"))?;
        if key.family() != algorithm.family() {
            return Err(JwtError::Key("a key of the set does not fit its algorithm"));
        }
        if algorithm.family() == AlgorithmFamily::Hmac {
            check_secret(algorithm, key.try_get_as_bytes().map_or(0, <[u8]>::len))?;
        }
        Ok(Self { algorithm, id: jwk.common.key_id.clone(), decoding: key })
    }
}

/// A secret shorter than the hash is guessed sooner than it need be (RFC 7518 §3.2).
fn check_secret(algorithm: JwtAlgorithm, bytes: usize) -> Result<(), JwtError> {
    let least = match algorithm {
        JwtAlgorithm::HS384 => 48,
        JwtAlgorithm::HS512 => 64,
        _ => 32,
    };
    if bytes < least {
        return Err(JwtError::Key("the secret is shorter than the hash: 32, 48 or 64 bytes"));
    }
    Ok(())
}

/// The one algorithm that a key of a set is for; keys of kinds that are not known here are left
/// alone (RFC 7517 §5).
fn algorithm_of(jwk: &Jwk) -> Option<JwtAlgorithm> {
    match (&jwk.common.key_algorithm, &jwk.algorithm) {
        (Some(named), _) => named.to_string().parse().ok(),
        // What is usual where none is named.
        (None, AlgorithmParameters::RSA(_)) => Some(JwtAlgorithm::RS256),
        (None, AlgorithmParameters::EllipticCurve(point)) => match point.curve {
            EllipticCurve::P256 => Some(JwtAlgorithm::ES256),
            EllipticCurve::P384 => Some(JwtAlgorithm::ES384),
            _ => None,
        },
        (None, AlgorithmParameters::OctetKeyPair(_)) => Some(JwtAlgorithm::EdDSA),
        (None, _) => None,
    }
}
