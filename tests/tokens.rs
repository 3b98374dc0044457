//! Signed tokens (T-JWT): what is let in, and what is not. The keys are in `tests/keys`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tickhub::JwtAlgorithm::{self, ES256, ES384, HS256, HS384, HS512, PS256, RS256, RS384};
use tickhub::{Identity, Jwt, JwtError};

const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
const RSA_PRIVATE: &[u8] = include_bytes!("keys/rsa-private.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("keys/rsa-public.pem");
const EC_PRIVATE: &[u8] = include_bytes!("keys/ec-private.pem");
const EC_PUBLIC: &[u8] = include_bytes!("keys/ec-public.pem");
const KEY_SET: &str = include_str!("keys/set.json");

/// Seconds since the beginning of Unix time, now.
const NOW: u64 = 1_800_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn key(algorithm: JwtAlgorithm) -> EncodingKey {
    match algorithm {
        HS256 | HS384 | HS512 => EncodingKey::from_secret(SECRET),
        ES256 | ES384 => EncodingKey::from_ec_pem(EC_PRIVATE).expect("a key"),
        _ => EncodingKey::from_rsa_pem(RSA_PRIVATE).expect("a key"),
    }
}

fn signed(algorithm: JwtAlgorithm, claims: &Value) -> String {
    sign(&Header::new(algorithm), claims)
}

fn sign(header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &key(header.alg)).expect("a token")
}

/// Ann, for an hour.
fn ann() -> Value {
    json!({ "sub": "ann", "exp": NOW + 3600 })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn hs256() -> Jwt {
    Jwt::new().secret(HS256, SECRET).expect("a good secret")
}

fn refusal(scheme: &Jwt, token: &str) -> Option<JwtError> {
    scheme.verify(token, now()).err()
}

/// A token of parts that are given as they are, signed with the secret if there is no signature.
fn forged(header: &str, claims: &str, signature: Option<&str>) -> String {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let good = || {
        let key = EncodingKey::from_secret(SECRET);
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, HS256).expect("a signature")
    };
    let signature = signature.map_or_else(good, str::to_owned);
    format!("{message}.{signature}")
}

#[test]
fn each_kind_of_key_lets_its_own_tokens_in_and_no_others() {
    let schemes = [
        (hs256(), &[HS256][..]),
        (Jwt::new().pem(RS256, RSA_PUBLIC).expect("a key"), &[RS256]),
        (Jwt::new().pem(PS256, RSA_PUBLIC).expect("a key"), &[PS256]),
        (Jwt::new().pem(ES256, EC_PUBLIC).expect("a key"), &[ES256]),
        (Jwt::new().key_set(KEY_SET).expect("keys"), &[RS256, ES256]),
        (hs256().key_set(KEY_SET).expect("keys"), &[HS256, RS256, ES256]),
        (Jwt::new(), &[]),
    ];
    for (place, (scheme, accepted)) in schemes.iter().enumerate() {
        for algorithm in [HS256, HS384, HS512, RS256, RS384, PS256, ES256] {
            let judged = scheme.verify(&signed(algorithm, &ann()), now());
            let judged = judged.map(|identity| identity.id() == Some("ann"));
            let is_accepted = accepted.contains(&algorithm);
            let expected = is_accepted.then_some(true).ok_or(JwtError::NoKey);
            assert_eq!(judged, expected, "{place}: {algorithm:?}");
        }
    }
}

#[test]
fn a_token_does_not_choose_how_it_is_checked() {
    let claims = ann().to_string();
    let hs = r#"{"alg":"HS256","typ":"JWT"}"#;
    let own = forged(hs, &claims, None);
    assert_eq!(refusal(&hs256(), &own), None, "the forger knows how it is done");
    // The public key of RS256 is no secret of HS256.
    let public = EncodingKey::from_secret(RSA_PUBLIC);
    let confused = jsonwebtoken::encode(&Header::new(HS256), &ann(), &public).expect("a token");
    let rsa = Jwt::new().pem(RS256, RSA_PUBLIC).expect("a key");
    assert_eq!(refusal(&rsa, &confused), Some(JwtError::NoKey));
    let both = hs256().pem(RS256, RSA_PUBLIC).expect("a key");
    assert_eq!(refusal(&both, &confused), Some(JwtError::Signature));
    let signature = own.rsplit('.').next().expect("a signature");
    for (header, signature, expected) in [
        (r#"{"alg":"none"}"#, Some(""), JwtError::Malformed),
        (r#"{"alg":"None"}"#, Some(""), JwtError::Malformed),
        (r#"{"alg":"nOnE"}"#, Some(signature), JwtError::Malformed),
        (r#"{"alg":""}"#, Some(signature), JwtError::Malformed),
        (r#"{"alg":null}"#, Some(signature), JwtError::Malformed),
        (r#"{"alg":"hs256"}"#, None, JwtError::Malformed),
        (r#"{"alg":["HS256"]}"#, None, JwtError::Malformed),
        (r#"{"typ":"JWT"}"#, None, JwtError::Malformed),
        ("[]", None, JwtError::Malformed),
        ("", None, JwtError::Malformed),
        (hs, Some(""), JwtError::Signature),
        (hs, Some("AAAA"), JwtError::Signature),
        (hs, Some("!!!!"), JwtError::Malformed),
        (r#"{"alg":"HS384"}"#, None, JwtError::NoKey),
        // Extensions that would have to be understood.
        (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, None, JwtError::Malformed),
        (r#"{"alg":"HS256","crit":["exp"]}"#, None, JwtError::Malformed),
    ] {
        let token = forged(header, &claims, signature);
        assert_eq!(refusal(&hs256(), &token), Some(expected), "{header} {signature:?}");
    }
    // Where to get a key, and keys that come along, are not looked at.
    for more in [
        r#""jku":"http://127.0.0.1:1/keys""#,
        r#""x5u":"http://127.0.0.1:1/cert""#,
        r#""kid":"../../../../dev/null""#,
        r#""kid":"' OR 1=1 --""#,
        r#""jwk":{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
    ] {
        let header = format!(r#"{{"alg":"HS256",{more}}}"#);
        assert_eq!(refusal(&hs256(), &forged(&header, &claims, None)), None, "{more}");
        let zeros = EncodingKey::from_secret(&[0; 32]);
        let message = format!("{}.{}", BASE64.encode(&header), BASE64.encode(&claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &zeros, HS256);
        let token = format!("{message}.{}", signature.expect("a signature"));
        assert_eq!(refusal(&hs256(), &token), Some(JwtError::Signature), "{more}");
    }
}

#[test]
fn the_name_of_a_key_chooses_among_those_that_have_one() {
    let scheme = Jwt::new().key_set(KEY_SET).expect("keys");
    let named = |algorithm, kid: Option<&str>| {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
        refusal(&scheme, &sign(&header, &ann()))
    };
    for (algorithm, kid, expected) in [
        (RS256, Some("rsa-1"), None),
        (RS256, None, None),
        (RS256, Some("ec-1"), Some(JwtError::NoKey)),
        (RS256, Some("other"), Some(JwtError::NoKey)),
        (RS256, Some(""), Some(JwtError::NoKey)),
        (RS256, Some("RSA-1"), Some(JwtError::NoKey)),
        (RS256, Some("for-encryption"), Some(JwtError::NoKey)),
        (ES256, Some("ec-1"), None),
        (ES256, Some("rsa-1"), Some(JwtError::NoKey)),
    ] {
        assert_eq!(named(algorithm, kid), expected, "{algorithm:?} {kid:?}");
    }
}

#[test]
fn whatever_is_changed_the_signature_notices() {
    for algorithm in [HS256, RS256, ES256] {
        let scheme = hs256().key_set(KEY_SET).expect("keys");
        let token = signed(algorithm, &ann());
        assert_eq!(refusal(&scheme, &token), None);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'Q' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("a text");
            assert!(refusal(&scheme, &changed).is_some(), "{algorithm:?}, byte {at}: {changed}");
        }
        for cut in [token.len() - 1, token.len() / 2, token.len() / 3, 10, 1, 0] {
            assert!(refusal(&scheme, &token[..cut]).is_some(), "{algorithm:?}, cut at {cut}");
        }
        for more in [".", "..", ".x", ".x.y", " ", "="] {
            assert!(refusal(&scheme, &format!("{token}{more}")).is_some(), "{more:?}");
        }
    }
}

#[test]
fn time_is_judged_by_the_clock_that_we_are_told() {
    let minutes = 60;
    let scheme = hs256();
    let skewless = hs256().clock_skew(Duration::ZERO);
    let (exp, nbf) = ("exp", "nbf");
    for (name, value, with_skew, without) in [
        (exp, json!(NOW + 1), None, None),
        (exp, json!(NOW), None, Some(JwtError::Expired)),
        (exp, json!(NOW - 5 * minutes + 1), None, Some(JwtError::Expired)),
        (exp, json!(NOW - 5 * minutes), Some(JwtError::Expired), Some(JwtError::Expired)),
        (exp, json!(0), Some(JwtError::Expired), Some(JwtError::Expired)),
        (exp, json!(-1), Some(JwtError::Expired), Some(JwtError::Expired)),
        (exp, json!(-1e300), Some(JwtError::Expired), Some(JwtError::Expired)),
        (exp, json!(1_800_000_000.5), None, None),
        (exp, json!(1e300), None, None),
        (exp, json!(u64::MAX), None, None),
        (exp, json!("2000000000"), Some(JwtError::Malformed), Some(JwtError::Malformed)),
        (exp, Value::Null, Some(JwtError::Malformed), Some(JwtError::Malformed)),
        (exp, json!([NOW + 9]), Some(JwtError::Malformed), Some(JwtError::Malformed)),
        (nbf, json!(NOW), None, None),
        (nbf, json!(NOW + 1), None, Some(JwtError::NotYetValid)),
        (nbf, json!(NOW + 5 * minutes), None, Some(JwtError::NotYetValid)),
        (
            nbf,
            json!(NOW + 5 * minutes + 1),
            Some(JwtError::NotYetValid),
            Some(JwtError::NotYetValid),
        ),
        (nbf, json!("x"), Some(JwtError::Malformed), Some(JwtError::Malformed)),
    ] {
        let token = signed(HS256, &with(ann(), name, value.clone()));
        assert_eq!(refusal(&scheme, &token), with_skew, "{name} {value}");
        assert_eq!(refusal(&skewless, &token), without, "{name} {value}, without skew");
    }
    let endless = signed(HS256, &json!({ "sub": "ann" }));
    assert_eq!(refusal(&scheme, &endless), Some(JwtError::NoExpiry));
}

#[test]
fn the_identity_expires_with_the_token_and_without_the_skew() {
    let token = signed(HS256, &with(ann(), "exp", json!(NOW - 10)));
    let identity = hs256().verify(&token, now()).expect("let in by the skew");
    assert_eq!(identity.expires(), Some(UNIX_EPOCH + Duration::from_secs(NOW - 10)));
    let token = signed(HS256, &with(ann(), "exp", json!(1e300)));
    assert_eq!(hs256().verify(&token, now()).expect("let in").expires(), None);
}

#[test]
fn issuers_and_audiences_are_demanded_when_they_are_set() {
    let scheme = hs256().issuer("https://a").issuer("https://b").audience("game").audience("chat");
    let claims = |iss: Value, aud: Value| with(with(ann(), "iss", iss), "aud", aud);
    for (iss, aud, expected) in [
        (json!("https://a"), json!("game"), None),
        (json!("https://b"), json!(["other", "chat"]), None),
        (json!("https://c"), json!("game"), Some(JwtError::Issuer)),
        (json!("https://a/"), json!("game"), Some(JwtError::Issuer)),
        (json!("HTTPS://A"), json!("game"), Some(JwtError::Issuer)),
        (Value::Null, json!("game"), Some(JwtError::Issuer)),
        (json!("https://a"), json!("Game"), Some(JwtError::Audience)),
        (json!("https://a"), json!(["other"]), Some(JwtError::Audience)),
        (json!("https://a"), json!([]), Some(JwtError::Audience)),
        (json!("https://a"), json!({ "game": 1 }), Some(JwtError::Audience)),
        (json!("https://a"), Value::Null, Some(JwtError::Audience)),
    ] {
        let token = signed(HS256, &claims(iss.clone(), aud.clone()));
        assert_eq!(refusal(&scheme, &token), expected, "{iss} {aud}");
        assert_eq!(refusal(&hs256(), &token), None, "not looked at unless it is set");
    }
    assert_eq!(refusal(&scheme, &signed(HS256, &ann())), Some(JwtError::Issuer));
}

#[test]
fn a_token_has_a_length_that_is_not_exceeded() {
    let token = signed(HS256, &ann());
    let exactly = hs256().token_bytes_max(token.len());
    assert_eq!(refusal(&exactly, &token), None);
    assert_eq!(refusal(&exactly, &format!("{token}A")), Some(JwtError::TooLong));
    let long = signed(HS256, &with(ann(), "x", json!("x".repeat(8 * 1024))));
    assert_eq!(refusal(&hs256(), &long), Some(JwtError::TooLong));
    assert_eq!(refusal(&hs256(), &"x".repeat(1 << 20)), Some(JwtError::TooLong));
    let deep = format!("{}1{}", "[".repeat(2000), "]".repeat(2000));
    let claims = format!(r#"{{"exp":{},"x":{deep}}}"#, NOW + 9);
    let token = forged(r#"{"alg":"HS256"}"#, &claims, None);
    assert_eq!(refusal(&hs256(), &token), Some(JwtError::Malformed));
}

#[test]
fn claims_become_an_identity() {
    let long_id = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier";
    let long_role = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role";
    for (name, value, id) in [
        ("sub", json!("ann"), Some("ann")),
        ("nameid", json!("ann"), Some("ann")),
        (long_id, json!("ann"), Some("ann")),
        ("sub", json!(4711), Some("4711")),
        ("sub", json!(""), None),
        ("sub", json!(null), None),
        ("other", json!("ann"), None),
    ] {
        let claims = with(json!({ "exp": NOW + 9 }), name, value);
        let identity = hs256().verify(&signed(HS256, &claims), now()).expect("let in");
        assert_eq!(identity.id(), id, "{claims}");
    }
    let claims = json!({
        "exp": NOW + 9, "nameid": "ann", "name": "Ann", "role": ["admin", "judge"],
        "roles": "player", (long_role): "guest", "level": 7, "premium": true, "address": { "a": 1 },
    });
    let token = signed(HS256, &claims);
    let identity = hs256().verify(&token, now()).expect("let in");
    assert_eq!((identity.id(), identity.name()), (Some("ann"), Some("Ann")));
    for role in ["admin", "judge", "player", "guest"] {
        assert!(identity.has_role(role), "{role}");
    }
    assert!(!identity.has_role("Admin") && !identity.has_role("7"));
    let claim = |kind| identity.first_claim(kind);
    assert_eq!(claim("level"), Some("7"));
    assert_eq!(claim("premium"), Some("true"));
    assert_eq!(claim("address"), Some("{\"a\":1}"));
    assert_eq!(claim("role"), Some("admin"));
    // What is told to be the role is, and nothing else.
    let own = hs256().role_claim("level").user_claim("name");
    let identity = own.verify(&token, now()).expect("let in");
    let roles: Vec<&str> =
        identity.claims().filter(|(kind, _)| *kind == Identity::ROLE).map(|(_, v)| v).collect();
    assert_eq!((identity.id(), &roles[..]), (Some("Ann"), &["7"][..]));
}

#[test]
fn a_key_that_is_of_no_use_is_told_at_start() {
    let told = |made: Result<Jwt, JwtError>| matches!(made, Err(JwtError::Key(_)));
    for (algorithm, least) in [(HS256, 32), (HS384, 48), (HS512, 64)] {
        assert!(told(Jwt::new().secret(algorithm, &vec![7; least - 1])));
        assert!(Jwt::new().secret(algorithm, &vec![7; least]).is_ok());
    }
    assert!(told(Jwt::new().secret(RS256, RSA_PUBLIC)));
    assert!(told(Jwt::new().pem(HS256, RSA_PUBLIC)), "a public key is no secret");
    assert!(told(Jwt::new().pem(ES256, RSA_PUBLIC)));
    assert!(told(Jwt::new().pem(RS256, EC_PUBLIC)));
    assert!(told(Jwt::new().pem(RS256, b"nonsense")));
    for set in [
        "",
        "{}",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}]}"#,
        r#"{"keys":[{"kty":"oct","k":"c2hvcnQ","alg":"HS256"}]}"#,
        r#"{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#,
        r#"{"keys":[{"kty":"RSA","alg":"ES256","n":"AQAB","e":"AQAB"}]}"#,
        r#"{"keys":[{"kty":"RSA","alg":"RSA-OAEP","n":"AQAB","e":"AQAB"}]}"#,
        r#"{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AQAB"}]}"#,
    ] {
        assert!(told(Jwt::new().key_set(set)), "{set}");
    }
}

#[test]
fn keys_are_read_from_files() {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
    let set = Jwt::new().key_set_file(format!("{keys}/set.json")).expect("keys");
    assert_eq!(refusal(&set, &signed(ES256, &ann())), None);
    let pem = Jwt::new().pem_file(RS256, format!("{keys}/rsa-public.pem")).expect("a key");
    assert_eq!(refusal(&pem, &signed(RS256, &ann())), None);
    let missing = Jwt::new().key_set_file("/nowhere/set.json").expect_err("no such file");
    assert!(missing.to_string().starts_with("cannot read /nowhere/set.json: "));
    let wrong = Jwt::new().pem_file(RS256, format!("{keys}/set.json")).expect_err("no key");
    assert!(wrong.to_string().ends_with("the PEM text is no public key of that kind"), "{wrong}");
}
