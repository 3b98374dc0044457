//! Where connections go, and from where.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use http::Uri;

use crate::error::Error;

/// The way to the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// As it was given, for messages.
    pub(crate) url: String,
    /// The value of the `Host` header.
    pub(crate) host: String,
    /// Path and query of the hub.
    pub(crate) path: String,
    /// The address behind the name.
    pub(crate) address: SocketAddr,
    /// How many loopback addresses to come from; 0 leaves it to the system.
    pub(crate) sources: u32,
}

impl Route {
    /// Reads a URL and looks up its name.
    ///
    /// # Errors
    ///
    /// It is no URL of ours, leads away from this machine without permission, or the name is
    /// unknown.
    pub(crate) fn new(url: &str, allow_remote: bool, sources: u32) -> Result<Self, Error> {
        let usage = |reason: &str| Error::Usage(format!("--url {url}: {reason}"));
        let uri: Uri = url.parse().map_err(|_| usage("is no URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(usage("say http://HOST:PORT/PATH"));
        };
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(usage("only http:// is spoken (TLS belongs to a proxy)"));
        }
        if authority.as_str().contains('@') {
            return Err(usage("names and passwords are not sent"));
        }
        // Not `Authority::port`, which takes a port that is none for no port.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 80,
            rest => rest
                .and_then(|rest| rest.strip_prefix(':')?.parse().ok())
                .ok_or_else(|| usage("the port is no port"))?,
        };
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        let address = (name, port)
            .to_socket_addrs()
            .ok()
            .and_then(|addresses| addresses.min_by_key(|address| !address.is_ipv4()))
            .ok_or_else(|| usage("the name of the host is unknown"))?;
        if !address.ip().is_loopback() && !allow_remote {
            return Err(usage("is not this machine; --allow-remote if you may load that one"));
        }
        if sources > 0 && !matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
            return Err(usage("--source-addresses works with IPv4 loopback only"));
        }
        Ok(Self {
            url: url.to_owned(),
            host: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            address,
            sources,
        })
    }

    /// The address that connection `index` comes from. Each address has ports of its own, so
    /// many get past the 28,000 of one.
    pub(crate) fn source(&self, index: usize) -> Option<IpAddr> {
        let turn = (index as u32).checked_rem(self.sources)?;
        let [_, _, third, fourth] = turn.to_be_bytes();
        // 127.1.0.0 reads like the name of a network: hosts count from 1.
        let fourth = u32::from(third) * 256 + u32::from(fourth) + 1;
        let [_, _, third, fourth] = fourth.to_be_bytes();
        Some(IpAddr::V4(Ipv4Addr::new(127, 1, third, fourth)))
    }
}

/// As many as there are below 127.1.
pub(crate) const SOURCES_MAX: u32 = 65_534;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        Route::new(url, false, 0).unwrap_err().to_string()
    }

    #[test]
    fn a_url_is_taken_apart() {
        let route = Route::new("http://127.0.0.1:5000/bench?x=1", false, 0).unwrap();
        assert_eq!(route.host, "127.0.0.1:5000");
        assert_eq!(route.path, "/bench?x=1");
        assert_eq!(route.address, "127.0.0.1:5000".parse().unwrap());
        let route = Route::new("http://127.0.0.1", false, 0).unwrap();
        assert_eq!((route.path.as_str(), route.address.port()), ("/", 80));
        let route = Route::new("http://[::1]:5000/bench", false, 0).unwrap();
        assert_eq!(route.address, "[::1]:5000".parse().unwrap());
    }

    #[test]
    fn a_url_that_is_none_of_ours_is_refused_in_one_line() {
        assert!(refusal("http://a b/").contains("no URL"));
        assert!(refusal("http://127.0.0.1:x/").contains("no port"));
        assert!(refusal("127.0.0.1:5000").contains("say http://"));
        assert!(refusal("https://127.0.0.1:5000/bench").contains("only http://"));
        assert!(refusal("http://a:b@127.0.0.1:5000/bench").contains("passwords"));
        assert!(refusal("http://127.0.0.1:99999/bench").contains("port"));
        assert!(refusal("http://192.0.2.1:5000/bench").contains("--allow-remote"));
        assert!(Route::new("http://192.0.2.1:5000/bench", true, 0).is_ok());
        assert!(Route::new("http://192.0.2.1:5000/bench", true, 4).is_err());
    }

    #[test]
    fn sources_take_turns() {
        let route = Route::new("http://127.0.0.1:5000/", false, 300).unwrap();
        let source = |index| route.source(index).unwrap().to_string();
        assert_eq!(source(0), "127.1.0.1");
        assert_eq!(source(254), "127.1.0.255");
        assert_eq!(source(255), "127.1.1.0");
        assert_eq!(source(299), source(599));
        let all: std::collections::BTreeSet<_> = (0..1000).map(source).collect();
        assert_eq!(all.len(), 300);
        assert_eq!(Route { sources: 0, ..route }.source(7), None);
    }
}
