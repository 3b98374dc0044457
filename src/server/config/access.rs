//! How a configuration file says who may come in, and from where.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::table::{Keys, Written, Wrong};
use super::values::Time;
use crate::auth::{Cors, Origins, Policy};

/// Origins, or the words `"same"` and `"any"`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a list of origins, \"same\" or \"any\"")]
pub(super) enum AllowedOrigins {
    List(Vec<String>),
    Word(OriginWord),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OriginWord {
    Same,
    Any,
}

impl From<AllowedOrigins> for Origins {
    fn from(origins: AllowedOrigins) -> Self {
        match origins {
            AllowedOrigins::List(list) => Self::List(list),
            AllowedOrigins::Word(OriginWord::Same) => Self::SameOrigin,
            AllowedOrigins::Word(OriginWord::Any) => Self::Any,
        }
    }
}

/// `{ origins = ["https://app.example"], credentials = true, … }`.
pub(super) struct CorsTable(Cors);

impl Written for CorsTable {
    fn read(value: Spanned<DeValue<'_>>) -> Result<Self, Vec<Wrong>> {
        let mut keys = Keys::of(value, "a table: { origins = [\"https://app.example\"] }")?;
        let origins = keys.take("origins");
        let credentials = keys.take("credentials");
        let is_any = matches!(origins, Some(ListOrAny::Any(_)));
        let mut cors = match origins {
            Some(ListOrAny::List(origins)) => Cors::origins(origins),
            Some(ListOrAny::Any(_)) | None => Cors::any_origin(),
        };
        if !keys.has("origins") {
            keys.complain_all("origins must be given: a list, or \"any\"");
        }
        match credentials {
            Some(true) if is_any => {
                keys.complain("credentials", "not for any origin: say for which");
            }
            Some(false) => cors = cors.without_credentials(),
            Some(true) | None => {}
        }
        cors = match keys.take("methods") {
            Some(ListOrAny::List(names)) => cors.methods(&borrowed(&names)),
            Some(ListOrAny::Any(_)) => cors.any_method(),
            None => cors,
        };
        cors = match keys.take("headers") {
            Some(ListOrAny::List(names)) => cors.headers(&borrowed(&names)),
            Some(ListOrAny::Any(_)) => cors.any_header(),
            None => cors,
        };
        if let Some(time) = keys.take::<Time>("max_age") {
            cors = cors.max_age(Duration::from(time));
        }
        for mistake in cors.mistakes() {
            let key = mistake.option.trim_start_matches("cors.");
            keys.complain(key, format!("{}: {}", mistake.value, mistake.allowed));
        }
        keys.end(Self(cors))
    }
}

impl From<CorsTable> for Option<Cors> {
    fn from(CorsTable(cors): CorsTable) -> Self {
        Some(cors)
    }
}

/// A list, or the word `"any"`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a list of texts, or \"any\"")]
enum ListOrAny {
    List(Vec<String>),
    Any(Any),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Any {
    Any,
}

/// Who may come in: a word, or what they must have.
pub(super) struct Authorize(Option<Policy>);

impl Written for Authorize {
    fn read(value: Spanned<DeValue<'_>>) -> Result<Self, Vec<Wrong>> {
        if !matches!(value.get_ref(), DeValue::Table(_)) {
            return AuthorizeWord::read(value).map(|word| Self(word.into()));
        }
        let mut keys = Keys::of(value, "")?;
        let mut policies = Vec::new();
        if let Some(roles) = keys.take::<OneOrMore>("roles").map(Vec::from) {
            if roles.is_empty() {
                keys.complain("roles", "name one at least");
            } else {
                policies.push(Policy::any_role(&borrowed(&roles)));
            }
        }
        let claims = keys.take::<BTreeMap<String, OneOrMore>>("claims");
        for (kind, values) in claims.into_iter().flatten() {
            let values = Vec::from(values);
            if values.is_empty() {
                keys.complain("claims", format!("{kind:?} needs a value at least; see has_claims"));
            } else {
                policies.push(Policy::any_claim(&kind, &borrowed(&values)));
            }
        }
        let kinds = keys.take::<OneOrMore>("has_claims").map(Vec::from);
        policies.extend(kinds.into_iter().flatten().map(|kind| Policy::has_claim(&kind)));
        if policies.is_empty() && !["roles", "claims", "has_claims"].iter().any(|key| keys.has(key))
        {
            keys.complain_all("say what is required: roles, claims, has_claims");
        }
        let policy = policies.iter().fold(Policy::signed_in(), Policy::and);
        keys.end(Self(Some(policy)))
    }
}

impl From<Authorize> for Option<Policy> {
    fn from(Authorize(policy): Authorize) -> Self {
        policy
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum AuthorizeWord {
    Everybody,
    SignedIn,
    Named,
}

impl From<AuthorizeWord> for Option<Policy> {
    fn from(word: AuthorizeWord) -> Self {
        match word {
            AuthorizeWord::Everybody => None,
            AuthorizeWord::SignedIn => Some(Policy::signed_in()),
            AuthorizeWord::Named => Some(Policy::named()),
        }
    }
}

/// A text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or a list of texts")]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Vec<String> {
    fn from(texts: OneOrMore) -> Self {
        match texts {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        }
    }
}

fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::auth::{Access, Identity};
    use crate::server::config::{HubPath, Settings};
    use crate::transport::ConnectionOptions;

    fn mistakes(text: &str) -> Vec<String> {
        let settings = Settings::read(Path::new("t.toml"), text);
        settings.mistakes().iter().map(ToString::to_string).collect()
    }

    /// The options of the hub at `/a`, where code has set `connection`.
    fn at_a(text: &str, connection: ConnectionOptions) -> ConnectionOptions {
        let settings = Settings::read(Path::new("t.toml"), text);
        assert_eq!(settings.mistakes(), [], "{text}");
        let mut options = HubPath { connection, ..HubPath::default() };
        settings.configure_hub("/a", &mut options);
        options.connection
    }

    fn cors(table: &str) -> Option<Cors> {
        at_a(&format!("[hub.cors]\n{table}"), ConnectionOptions::default()).cors
    }

    #[test]
    fn cors_in_a_file_is_cors_in_code() {
        let good = || Cors::origins(["https://a"]);
        for (table, expected) in [
            ("origins = ['https://a']", good()),
            ("origins = ['https://a']\ncredentials = true", good()),
            ("origins = ['https://a']\ncredentials = false", good().without_credentials()),
            ("origins = 'any'", Cors::any_origin()),
            ("origins = 'any'\ncredentials = false", Cors::any_origin()),
            (
                "origins = 'any'\nmethods = ['GET', 'PUT']",
                Cors::any_origin().methods(&["GET", "PUT"]),
            ),
            ("origins = 'any'\nmethods = 'any'", Cors::any_origin().any_method()),
            ("origins = 'any'\nheaders = ['x-a']", Cors::any_origin().headers(&["x-a"])),
            ("origins = 'any'\nheaders = 'any'", Cors::any_origin().any_header()),
            (
                "origins = 'any'\nmax_age = '10m'",
                Cors::any_origin().max_age(Duration::from_mins(10)),
            ),
        ] {
            assert_eq!(cors(table), Some(expected), "{table}");
        }
    }

    #[test]
    fn everything_that_is_wrong_with_a_table_is_told_by_its_own_line() {
        let told = mistakes(
            "[hub.cors]\norigins = [\n  'https://a',\n  'https://b/',\n  'null',\n]\n\
             credentials = 1\nmethods = ['GE T']\ncolour = 'red'\n\
             [hubs.'/a']\ncors = { max_age = 5, credentials = true }\nauthorize = 'admin'\n\
             [hubs.'/b']\ncors = { origins = 'any', credentials = true }\nauthorize = {}\n\
             [hubs.'/c']\ncors = ['https://a']\nauthorize = { roles = [], claims = { a = [] }, role = 'x' }\n\
             [hubs.'/d']\nauthorize = 5\ncompression = { contexts_max = -1, level = 9 }\n\
             [hubs.'/e'.cors]\norigins = 'all'\n",
        );
        let begins = [
            "t.toml:2: every hub: cors.origins: \"https://b/\": an origin is scheme://host",
            "t.toml:2: every hub: cors.origins: \"null\": an origin is scheme://host",
            "t.toml:7: every hub: cors.credentials = 1: invalid type: integer `1`, expected a boo",
            "t.toml:8: every hub: cors.methods = ['GE T']: \"GE T\": it is a token",
            "t.toml:9: every hub: cors.colour: there is no such key: there are origins, credent",
            "t.toml:11: hub /a: cors: origins must be given",
            "t.toml:11: hub /a: cors.max_age = 5: ",
            "t.toml:12: hub /a: authorize = 'admin': unknown variant `admin`, expected one of `ev",
            "t.toml:14: hub /b: cors.credentials = true: not for any origin",
            "t.toml:15: hub /b: authorize: say what is required: roles, claims, has_claims",
            "t.toml:17: hub /c: cors: a table: { origins",
            "t.toml:18: hub /c: authorize.roles = []: name one at least",
            "t.toml:18: hub /c: authorize.claims = { a = [] }: \"a\" needs a value at least",
            "t.toml:18: hub /c: authorize.role: there is no such key: there are roles, claims, h",
            "t.toml:20: hub /d: authorize = 5: ",
            "t.toml:21: hub /d: compression.contexts_max = -1: ",
            "t.toml:21: hub /d: compression.level: there is no such key: there are server_no_co",
            "t.toml:23: hub /e: cors.origins = 'all': a list of texts, or \"any\"",
        ];
        for begin in begins {
            let found = told.iter().filter(|mistake| mistake.starts_with(begin)).count();
            assert_eq!(found, 1, "{begin}\n{}", told.join("\n"));
        }
        assert_eq!(told.len(), begins.len(), "{}", told.join("\n"));
    }

    #[test]
    fn what_a_file_requires_is_required() {
        let policy = |value: &str| {
            let text = format!("[hub]\nauthorize = {value}");
            at_a(&text, ConnectionOptions::default()).authorize
        };
        assert_eq!(policy("'everybody'"), None);
        assert_eq!(policy("'signed_in'"), Some(Policy::signed_in()));
        assert_eq!(policy("'named'"), Some(Policy::named()));
        let ann = Identity::new("ann").role("admin").claim("team", "blue").claim("badge", "7");
        for (value, lets_in) in [
            ("{ roles = 'admin' }", true),
            ("{ roles = ['judge', 'admin'] }", true),
            ("{ roles = ['judge'] }", false),
            ("{ claims = { team = 'blue' } }", true),
            ("{ claims = { team = ['red', 'blue'] } }", true),
            ("{ claims = { team = 'red' } }", false),
            ("{ claims = { team = 'blue', badge = '8' } }", false),
            ("{ has_claims = ['badge', 'team'] }", true),
            ("{ has_claims = ['badge', 'key'] }", false),
            ("{ has_claims = [] }", true),
            ("{ roles = 'admin', claims = { team = 'red' } }", false),
            ("{ roles = 'judge', claims = { team = 'blue' } }", false),
            ("{ roles = 'admin', claims = { team = 'blue' }, has_claims = 'badge' }", true),
        ] {
            let policy = policy(value).expect("a policy");
            assert_eq!(policy.allows(&Access::of(Some(&ann))), lets_in, "{value}");
            assert!(!policy.allows(&Access::of(None)), "{value}");
        }
    }

    #[test]
    fn code_wins_over_the_section_of_all_and_the_own_section_over_code() {
        let of_code = || ConnectionOptions {
            authorize: Some(Policy::custom(|_| true)),
            cors: Some(Cors::any_origin()),
            ..ConnectionOptions::default()
        };
        let text = "[hub]\nauthorize = 'named'\ncors = { origins = ['https://a'] }\n";
        let code = of_code();
        let options = at_a(text, code.clone());
        assert_eq!((options.authorize, options.cors), (code.authorize, code.cors));
        let text = "[hub]\nauthorize = 'named'\n[hubs.'/a']\nauthorize = 'everybody'\n\
            cors = { origins = ['https://a'] }\n";
        let options = at_a(text, of_code());
        assert_eq!(options.authorize, None);
        assert_eq!(options.cors, Some(Cors::origins(["https://a"])));
    }
}
