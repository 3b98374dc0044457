//! Where a request goes: the last word of its path, and the name of its transport (LEG §1.1).

use std::fmt;

/// What a request to a mount wants, by the end of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/hubs` or `/js`: the hub script.
    Hubs,
    /// `/negotiate`.
    Negotiate,
    /// `/ping`.
    Ping,
    /// `/start`.
    Start,
    /// `/abort`.
    Abort,
    /// `/send`.
    Send,
    /// `/connect`.
    Connect,
    /// `/reconnect`.
    Reconnect,
    /// `/poll`.
    Poll,
    /// Any other end: a receive request, if its parameters make it one.
    Other,
}

impl Endpoint {
    /// The endpoint of a path, of which `rest` is what follows the mount: empty, or from its slash
    /// on.
    ///
    /// Only the last word counts, in any letter case (LEG-008). The mount itself may end in any of
    /// these words (T-42), so it must not be looked at.
    ///
    /// ```
    /// use tickhub::protocol::classic::Endpoint;
    ///
    /// assert_eq!(Endpoint::of("/Negotiate"), Endpoint::Negotiate);
    /// assert_eq!(Endpoint::of("/some/where/ping"), Endpoint::Ping);
    /// assert_eq!(Endpoint::of("/hubs/"), Endpoint::Hubs);
    /// assert_eq!(Endpoint::of("/ping/"), Endpoint::Other);
    /// ```
    pub fn of(rest: &str) -> Self {
        // Here alone slashes may follow (LEG-121).
        let word = last_word(rest.trim_end_matches('/'));
        if is_word(word, "hubs") || is_word(word, "js") {
            return Self::Hubs;
        }
        let word = last_word(rest);
        WORDS.iter().find(|(known, _)| is_word(word, known)).map_or(Self::Other, |(_, end)| *end)
    }
}

const WORDS: [(&str, Endpoint); 8] = [
    ("negotiate", Endpoint::Negotiate),
    ("ping", Endpoint::Ping),
    ("start", Endpoint::Start),
    ("abort", Endpoint::Abort),
    ("send", Endpoint::Send),
    ("connect", Endpoint::Connect),
    ("reconnect", Endpoint::Reconnect),
    ("poll", Endpoint::Poll),
];

/// What is behind the last slash, if there is one.
fn last_word(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(_, word)| word)
}

fn is_word(word: Option<&str>, known: &str) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(known))
}

/// The transport of a request, by the parameter `transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportName {
    /// `webSockets`.
    WebSockets,
    /// `serverSentEvents`.
    ServerSentEvents,
    /// `foreverFrame`.
    ForeverFrame,
    /// `longPolling`.
    LongPolling,
}

impl TransportName {
    /// All of them, in the order in which clients try them.
    pub const ALL: [Self; 4] =
        [Self::WebSockets, Self::ServerSentEvents, Self::ForeverFrame, Self::LongPolling];

    /// The transport with this name, in any letter case (LEG-018).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.name().eq_ignore_ascii_case(name))
    }

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSockets => "webSockets",
            Self::ServerSentEvents => "serverSentEvents",
            Self::ForeverFrame => "foreverFrame",
            Self::LongPolling => "longPolling",
        }
    }
}

impl fmt::Display for TransportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LEG-008, T-42, `unknown-paths`, `ping-and-start-bodies`.
    #[test]
    fn the_last_word_counts_in_any_letter_case() {
        for (rest, endpoint) in [
            ("/negotiate", Endpoint::Negotiate),
            ("/NEGOTIATE", Endpoint::Negotiate),
            ("/js/negotiate", Endpoint::Negotiate),
            ("/Start", Endpoint::Start),
            ("/PING", Endpoint::Ping),
            ("/some/where/ping", Endpoint::Ping),
            ("/abort", Endpoint::Abort),
            ("/send", Endpoint::Send),
            ("/connect", Endpoint::Connect),
            ("/connect/connect", Endpoint::Connect),
            ("/reconnect", Endpoint::Reconnect),
            ("/poll", Endpoint::Poll),
            ("/hubs", Endpoint::Hubs),
            ("/JS", Endpoint::Hubs),
            ("/hubs/", Endpoint::Hubs),
            ("/js///", Endpoint::Hubs),
            ("/ping/", Endpoint::Other),
            ("/pings", Endpoint::Other),
            ("/xping", Endpoint::Other),
            ("ping", Endpoint::Other),
            ("/ping\u{130}", Endpoint::Other),
            ("/unknown", Endpoint::Other),
            ("/", Endpoint::Other),
            ("", Endpoint::Other),
        ] {
            assert_eq!(Endpoint::of(rest), endpoint, "{rest}");
        }
    }

    /// LEG-011, LEG-018.
    #[test]
    fn transports_have_names_in_any_letter_case() {
        for transport in TransportName::ALL {
            assert_eq!(TransportName::from_name(transport.name()), Some(transport));
            let shouted = transport.to_string().to_uppercase();
            assert_eq!(TransportName::from_name(&shouted), Some(transport));
        }
        for name in ["", "nope", "webSockets ", "web-sockets", "auto"] {
            assert_eq!(TransportName::from_name(name), None, "{name}");
        }
    }
}
