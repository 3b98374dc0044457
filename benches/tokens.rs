//! Judging signed tokens: what each request pays that brings one.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use criterion::{Criterion, criterion_group, criterion_main};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tickhub::{Jwt, JwtAlgorithm};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const RSA_PRIVATE: &[u8] = include_bytes!("../tests/keys/rsa-private.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("../tests/keys/rsa-public.pem");
const EC_PRIVATE: &[u8] = include_bytes!("../tests/keys/ec-private.pem");
const KEY_SET: &str = include_str!("../tests/keys/set.json");

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(500_000)
}

/// A token with the claims that login servers usually give.
fn token(algorithm: JwtAlgorithm, key: &EncodingKey) -> String {
    let claims = json!({
        "iss": "https://login.example", "aud": "game", "sub": "6f1f3a0e-ann", "name": "Ann",
        "role": ["player", "judge"], "iat": 1_799_999_000, "nbf": 1_799_999_000,
        "exp": 1_800_003_600, "jti": "0123456789abcdef",
    });
    jsonwebtoken::encode(&Header::new(algorithm), &claims, key).expect("a token")
}

fn verifying(c: &mut Criterion) {
    let mut group = c.benchmark_group("tokens/verify");
    let scheme = || {
        Jwt::new()
            .issuer("https://login.example")
            .audience("game")
            .secret(JwtAlgorithm::HS256, SECRET)
            .and_then(|jwt| jwt.pem(JwtAlgorithm::RS256, RSA_PUBLIC))
            .and_then(|jwt| jwt.key_set(KEY_SET))
            .expect("good keys")
    };
    for (algorithm, key) in [
        (JwtAlgorithm::HS256, EncodingKey::from_secret(SECRET)),
        (JwtAlgorithm::RS256, EncodingKey::from_rsa_pem(RSA_PRIVATE).expect("a key")),
        (JwtAlgorithm::ES256, EncodingKey::from_ec_pem(EC_PRIVATE).expect("a key")),
    ] {
        let token = token(algorithm, &key);
        for (name, jwt) in [("first", scheme().tokens_remembered_max(0)), ("again", scheme())] {
            group.bench_function(format!("{algorithm:?}, {name}"), |b| {
                b.iter(|| jwt.verify(black_box(&token), now()).expect("a good token"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, verifying);
criterion_main!(benches);
