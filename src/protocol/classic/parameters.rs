//! The parameters of a request: those of its query and those of its body (LEG §1.3).

use std::borrow::Cow;
use std::fmt;

use super::TransportName;
use crate::protocol::url::query_values;

/// What a request says in its query and in its body, which is a form whatever its type says: the
/// .NET client posts without any (T-01).
///
/// Names are found in any letter case; a repeated parameter is its values with commas between them
/// (T-28). An absent parameter is no empty one.
///
/// ```
/// use tickhub::protocol::classic::Parameters;
///
/// let query = "transport=longPolling&connectionData=[%7B%22Name%22:%22Chat%22%7D]&foo=a&FOO=b+c";
/// let parameters = Parameters::new(query, b"data=%7B%7D");
/// assert_eq!(parameters.query("connectionData").as_deref(), Some(r#"[{"Name":"Chat"}]"#));
/// assert_eq!(parameters.query("foo").as_deref(), Some("a,b c"));
/// assert_eq!(parameters.form("data").as_deref(), Some("{}"));
/// ```
#[derive(Clone)]
pub struct Parameters<'a> {
    query: &'a str,
    form: Cow<'a, str>,
}

impl<'a> Parameters<'a> {
    /// The parameters of a raw query, without its `?`, and of a raw body.
    pub fn new(query: &'a str, body: &'a [u8]) -> Self {
        Self { query, form: String::from_utf8_lossy(body) }
    }

    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<Cow<'a, str>> {
        joined(query_values(self.query, name))
    }

    /// A parameter of the body.
    pub fn form(&self, name: &str) -> Option<Cow<'_, str>> {
        joined(query_values(&self.form, name))
    }

    /// A parameter of the query that says something: an empty one counts as none.
    pub fn non_empty(&self, name: &str) -> Option<Cow<'a, str>> {
        self.query(name).filter(|value| !value.is_empty())
    }

    /// A parameter of the query or, only where it is absent there, of the body: so a poll says its
    /// `messageId` and its `groupsToken` (LEG-092).
    pub fn query_or_form(&self, name: &str) -> Option<Cow<'_, str>> {
        self.query(name).or_else(|| self.form(name))
    }

    /// What `/send` sends: the field `data` of the body. Over long polling alone, where JSONP has
    /// no body, it may be in the query.
    pub fn data(&self, transport: TransportName) -> Option<Cow<'_, str>> {
        let data = self.form("data");
        if transport == TransportName::LongPolling {
            data.or_else(|| self.query("data"))
        } else {
            data
        }
    }
}

// Tokens are in both, so `Debug` leaves them out (T-TOKEN).
impl fmt::Debug for Parameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters").finish_non_exhaustive()
    }
}

/// The values with commas between them; nothing, if there is none.
fn joined<'q>(mut values: impl Iterator<Item = Cow<'q, str>>) -> Option<Cow<'q, str>> {
    let mut all = values.next()?;
    for value in values {
        let all = all.to_mut();
        all.push(',');
        all.push_str(&value);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `custom-query`, `negotiate-connection-data` (LEG-019, LEG-020, T-03, T-28).
    #[test]
    fn names_ignore_case_and_values_are_joined() {
        let get =
            |query: &str, name: &str| Parameters::new(query, b"").query(name).map(Cow::into_owned);
        for (query, name, value) in [
            ("foo=1%20%C3%A9%26", "FOO", Some("1 é&")),
            ("foo=a&foo=b", "foo", Some("a,b")),
            ("foo=a&bar=x&FOO=&foo=b%2Cc", "foo", Some("a,,b,c")),
            ("CLIENTPROTOCOL=2.1&_=17&tid=3&noCache=abc", "clientProtocol", Some("2.1")),
            (
                "connectionData=[%7B%22Name%22:%22A%22%7D]",
                "connectionData",
                Some(r#"[{"Name":"A"}]"#),
            ),
            ("a+b=c+d", "a b", Some("c d")),
            ("foo=", "foo", Some("")),
            ("foo", "foo", Some("")),
            ("fooo=1&fo=2", "foo", None),
            ("", "foo", None),
        ] {
            assert_eq!(get(query, name).as_deref(), value, "{query}");
        }
        let long = format!("{}{}", "foo=x&".repeat(10_000), "bar=%20");
        assert_eq!(get(&long, "foo").map(|value| value.len()), Some(19_999));
        assert_eq!(get(&long, "BAR").as_deref(), Some(" "));
    }

    #[test]
    fn absent_is_not_empty() {
        let parameters =
            Parameters::new("callback=&messageId=", b"messageId=d-1-2&groupsToken=XyZ");
        assert_eq!(parameters.query("callback").as_deref(), Some(""));
        assert_eq!(parameters.non_empty("callback"), None);
        assert_eq!(parameters.query("groupsToken"), None);
        // LEG-092: the query wins, even when there is nothing in it.
        assert_eq!(parameters.query_or_form("messageId").as_deref(), Some(""));
        assert_eq!(parameters.query_or_form("GroupsToken").as_deref(), Some("XyZ"));
        assert_eq!(parameters.query_or_form("other"), None);
    }

    /// LEG-127, T-41, and §5.0: where each transport looks for what is sent.
    #[test]
    fn data_is_in_the_body_and_over_long_polling_in_the_query_too() {
        use TransportName::{ForeverFrame, LongPolling, ServerSentEvents};
        let data = |query, body, transport| {
            Parameters::new(query, body).data(transport).map(Cow::into_owned)
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(data("", b"data=%7b%22H%22%7d+", ServerSentEvents), text("{\"H\"} "));
        assert_eq!(data("", b"data=", ServerSentEvents), text(""));
        for transport in [ServerSentEvents, ForeverFrame] {
            assert_eq!(data("data=q", b"", transport), None);
        }
        assert_eq!(data("data=q", b"", LongPolling), text("q"));
        assert_eq!(data("data=q", b"data=f", LongPolling), text("f"));
        assert_eq!(data("data=q", b"data=", LongPolling), text(""));
        // What is not UTF-8 is no reason to refuse the rest.
        assert_eq!(data("", b"x=\xff&data=%FFa", LongPolling), text("\u{fffd}a"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let parameters = Parameters::new("connectionToken=secret", b"groupsToken=secret");
        assert!(!format!("{parameters:?}").contains("secret"));
    }
}
