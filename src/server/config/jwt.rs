//! How a configuration file says which tokens are good. What is secret is in no error.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::access::OneOrMore;
use super::table::{Keys, Wrong};
use super::values::Time;
use crate::auth::{Jwt, JwtAlgorithm};

/// Reads the section, and the keys that it names. Their files are looked for from `folder`.
pub(super) fn read(value: Spanned<DeValue<'_>>, folder: &Path) -> Result<Jwt, Vec<Wrong>> {
    let mut keys = Keys::of(value, "this is a section, not an option")?;
    let mut jwt = Jwt::new();
    for issuer in keys.take::<OneOrMore>("issuer").map(Vec::from).into_iter().flatten() {
        jwt = jwt.issuer(&issuer);
    }
    for audience in keys.take::<OneOrMore>("audience").map(Vec::from).into_iter().flatten() {
        jwt = jwt.audience(&audience);
    }
    if let Some(skew) = keys.take::<Time>("clock_skew") {
        jwt = jwt.clock_skew(Duration::from(skew));
    }
    if let Some(kind) = keys.take::<String>("user_claim") {
        jwt = jwt.user_claim(&kind);
    }
    if let Some(kind) = keys.take::<String>("role_claim") {
        jwt = jwt.role_claim(&kind);
    }
    if let Some(name) = keys.take::<String>("cookie") {
        jwt = jwt.cookie(&name);
    }
    if let Some(bytes) = keys.take::<usize>("token_bytes_max") {
        jwt = jwt.token_bytes_max(bytes);
    }
    if let Some(tokens) = keys.take::<usize>("tokens_remembered_max") {
        jwt = jwt.tokens_remembered_max(tokens);
    }
    let entries = match keys.take_raw("keys").map(Spanned::into_inner) {
        Some(DeValue::Array(entries)) if !entries.is_empty() => entries.into_iter().collect(),
        Some(_) => {
            keys.complain_all("keys is a list of tables, one for each key");
            Vec::new()
        }
        None => {
            keys.complain_all("there must be one key at least: [[jwt.keys]]");
            Vec::new()
        }
    };
    for entry in entries {
        // What is left when a key is of no use is thrown away in the end.
        match with_key(jwt.clone(), entry, folder) {
            Ok(more) => jwt = more,
            Err(wrong) => keys.extend("keys", wrong),
        }
    }
    keys.end(jwt)
}

/// The scheme with one more key: `{ algorithm = "RS256", pem_file = "key.pem" }`.
fn with_key(jwt: Jwt, entry: Spanned<DeValue<'_>>, folder: &Path) -> Result<Jwt, Vec<Wrong>> {
    let mut keys = Keys::of(entry, KEY)?;
    let algorithm = keys.take_secret("algorithm", ALGORITHMS);
    let sources = ["secret", "secret_file", "pem_file", "key_set_file"];
    let given = sources.map(|source| keys.take_secret(source, "a text"));
    if sources.iter().filter(|source| keys.has(source)).count() != 1 {
        keys.complain_all(KEY);
    }
    let is_set = keys.has("key_set_file");
    if is_set && keys.has("algorithm") {
        keys.complain_all("the keys of a set name their algorithms themselves");
    } else if !is_set && !keys.has("algorithm") {
        keys.complain_all(ALGORITHMS);
    }
    let algorithm = algorithm.and_then(|name| {
        let known = JwtAlgorithm::from_str(&name).ok();
        if known.is_none() {
            keys.complain_all(ALGORITHMS);
        }
        known
    });
    let [secret, secret_file, pem_file, key_set_file] = given;
    let made = match (algorithm, secret, secret_file, pem_file, key_set_file) {
        (Some(algorithm), Some(secret), None, None, None) => {
            jwt.secret(algorithm, secret.as_bytes()).map_err(|error| error.to_string())
        }
        (Some(algorithm), None, Some(file), None, None) => {
            jwt.secret_file(algorithm, folder.join(file)).map_err(|error| error.to_string())
        }
        (Some(algorithm), None, None, Some(file), None) => {
            jwt.pem_file(algorithm, folder.join(file)).map_err(|error| error.to_string())
        }
        (None, None, None, None, Some(file)) => {
            jwt.key_set_file(folder.join(file)).map_err(|error| error.to_string())
        }
        // Something was complained about.
        _ => Ok(jwt),
    };
    let jwt = made.unwrap_or_else(|error| {
        keys.complain_all(error);
        Jwt::new()
    });
    keys.end(jwt)
}

const KEY: &str = "a key is a table with one of secret, secret_file, pem_file, key_set_file";

const ALGORITHMS: &str = "a key has an algorithm: HS256, HS384, HS512 for secrets; RS256, RS384, \
    RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA for PEM files";

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;
    use crate::server::config::Settings;

    const SECRET: &str = "a secret of 32 bytes at the least";

    /// What a file in the folder of the keys says.
    fn read(text: &str) -> Settings {
        let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
        Settings::read(&Path::new(keys).join("t.toml"), text)
    }

    fn told(settings: &Settings) -> Vec<String> {
        let text = |mistake: &crate::server::error::ConfigMistake| {
            let text = mistake.to_string();
            text.rsplit_once("/t.toml:").map_or(text.clone(), |(_, rest)| rest.to_owned())
        };
        settings.mistakes().iter().map(text).collect()
    }

    /// A token for Ann, signed with the secret or with the private keys of the tests.
    fn token(algorithm: JwtAlgorithm) -> String {
        use jsonwebtoken::{EncodingKey, Header, encode};
        let key = match algorithm {
            JwtAlgorithm::HS256 => EncodingKey::from_secret(SECRET.as_bytes()),
            JwtAlgorithm::ES256 => {
                EncodingKey::from_ec_pem(include_bytes!("../../../tests/keys/ec-private.pem"))
                    .expect("a key")
            }
            _ => EncodingKey::from_rsa_pem(include_bytes!("../../../tests/keys/rsa-private.pem"))
                .expect("a key"),
        };
        let claims = json!({ "who": "ann", "exp": 1000, "iss": "https://a", "aud": "chat" });
        encode(&Header::new(algorithm), &claims, &key).expect("a token")
    }

    #[test]
    fn a_file_describes_a_scheme_as_code_does() {
        let text = format!(
            "[jwt]\nissuer = 'https://a'\naudience = ['game', 'chat']\nclock_skew = '10s'\n\
             token_bytes_max = 600\ntokens_remembered_max = 9\nuser_claim = 'who'\nrole_claim = 'rank'\ncookie = 'session'\n\
             [[jwt.keys]]\nalgorithm = 'HS256'\nsecret = '{SECRET}'\n\
             [[jwt.keys]]\nalgorithm = 'RS256'\npem_file = 'rsa-public.pem'\n\
             [[jwt.keys]]\nkey_set_file = 'set.json'\n"
        );
        let settings = read(&text);
        assert_eq!(settings.mistakes(), []);
        let jwt = settings.jwt().expect("a scheme");
        let of_code = Jwt::new()
            .issuer("https://a")
            .audience("game")
            .audience("chat")
            .clock_skew(Duration::from_secs(10))
            .token_bytes_max(600)
            .tokens_remembered_max(9)
            .user_claim("who")
            .role_claim("rank")
            .cookie("session")
            .secret(JwtAlgorithm::HS256, SECRET.as_bytes())
            .and_then(|jwt| {
                jwt.pem(JwtAlgorithm::RS256, include_bytes!("../../../tests/keys/rsa-public.pem"))
            })
            .and_then(|jwt| jwt.key_set(include_str!("../../../tests/keys/set.json")))
            .expect("good keys");
        // What `Debug` shows is everything but the keys.
        assert_eq!(format!("{jwt:?}"), format!("{of_code:?}"));
        assert!(!format!("{settings:?}").contains(SECRET));
        for algorithm in [JwtAlgorithm::HS256, JwtAlgorithm::RS256, JwtAlgorithm::ES256] {
            let identity = jwt.verify(&token(algorithm), UNIX_EPOCH + Duration::from_secs(999));
            assert_eq!(identity.expect("a good token").id(), Some("ann"), "{algorithm:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_with_keys_is_told_and_nothing_that_is_secret() {
        let canary = "canary-canary-canary-canary";
        let settings = read(&format!(
            "[jwt]\nissuer = 5\nclock_skew = 'long'\nsecret = '{canary}'\n\
             [[jwt.keys]]\nalgorithm = 'HS256'\nsecret = '{canary}'\n\
             [[jwt.keys]]\nsecret = '{canary}'\n\
             [[jwt.keys]]\nalgorithm = '{canary}'\npem_file = 'rsa-public.pem'\n\
             [[jwt.keys]]\nalgorithm = 'RS256'\npem_file = 'missing.pem'\n\
             [[jwt.keys]]\nalgorithm = 'RS256'\npem_file = 'set.json'\n\
             [[jwt.keys]]\nalgorithm = 'RS256'\nkey_set_file = 'set.json'\n\
             [[jwt.keys]]\nalgorithm = 'HS512'\nsecret = 5\n\
             [[jwt.keys]]\nalgorithm = 'RS256'\npem_file = 'a'\nsecret = '{canary}'\n\
             [[jwt.keys]]\nalgorithm = 'RS256'\nsecret_file = 'rsa-public.pem'\npass = '{canary}'\n"
        ));
        assert!(settings.jwt().is_none());
        let told = told(&settings);
        let begins = [
            "2: jwt: issuer = 5: a text, or a list of texts",
            "3: jwt: clock_skew = 'long': ",
            "4: jwt: secret: there is no such key: there are issuer, audience, ",
            "5: jwt: keys: the secret is shorter than the hash",
            "8: jwt: keys: a key has an algorithm: HS256, ",
            "10: jwt: keys: a key has an algorithm: HS256, ",
            "13: jwt: keys: cannot read ",
            "16: jwt: keys: ",
            "19: jwt: keys: the keys of a set name their algorithms themselves",
            "24: jwt: keys.secret: a text",
            "25: jwt: keys: a key is a table with one of secret, secret_file, ",
            "29: jwt: keys: ",
            "32: jwt: keys.pass: there is no such key: ",
        ];
        for (told, begins) in told.iter().zip(begins) {
            assert!(told.starts_with(begins), "{begins}\n{told}");
        }
        assert_eq!(told.len(), begins.len(), "{}", told.join("\n"));
        for (text, expected) in [
            ("[jwt]\n", "jwt: there must be one key at least: [[jwt.keys]]"),
            ("[jwt]\nkeys = []\n", "jwt: keys is a list of tables"),
            ("[jwt]\nkeys = 'canary'\n", "jwt: keys is a list of tables"),
            ("[jwt]\nkeys = ['canary']\n", "jwt: keys: a key is a table"),
            ("jwt = 'canary'\n", "jwt: this is a section"),
            ("[jwt]\nkeys = [{ secret = 'canary }]\n", "file: "),
            ("[jwt]\nkeys = [{ secret = canary }]\n", "file: "),
            ("[jwt]\nkeys = [{ secret = 'canary', secret = 'canary' }]\n", "file: "),
        ] {
            let settings = read(text);
            let told = self::told(&settings);
            assert!(told.iter().any(|told| told.contains(expected)), "{text}: {told:?}");
            assert!(!told.join("\n").contains("canary"), "{told:?}");
            assert!(settings.jwt().is_none());
        }
        assert!(!told.join("\n").contains("canary"), "{}", told.join("\n"));
    }
}
