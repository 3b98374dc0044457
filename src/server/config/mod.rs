//! What the operator decides.

mod access;
mod file;
mod jwt;
mod names;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::error::Error;
use crate::base::{Checklist, Mistake};
use crate::io::DriverChoice;
use crate::shard::HttpOptions;

pub use file::Settings;
pub(super) use names::HubPath;

/// What the operator of a server decides; everything else is decided per endpoint.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses to listen on (default `127.0.0.1:5000`). Port 0 is any free port.
    pub listen: Vec<SocketAddr>,
    /// Threads that each run a shard (default 1).
    pub shards: usize,
    /// Which way to talk to the kernel (default: the best that it allows).
    pub driver: DriverChoice,
    /// Limits and times below the endpoints.
    pub http: HttpOptions,
    /// How long a drain may take before the rest is cut (default 28 s, so that the process is
    /// gone within 30).
    pub drain_timeout: Duration,
    /// What a file says about single endpoints; see [`Config::from_file`].
    pub settings: Settings,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// ```toml
    /// [server]
    /// listen = ["0.0.0.0:5000"]
    /// drain_timeout = "28s"
    ///
    /// [hub]                                   # every hub
    /// keep_alive_interval = "10s"
    /// transports = ["WebSockets", "LongPolling"]
    ///
    /// [hubs."/chat"]                          # this one
    /// maximum_receive_message_size = 65536    # or "unlimited"
    /// rate_limit.messages = { per_second = 60, burst = 120 }
    ///
    /// [websockets."/ws/echo"]
    /// keep_alive_interval = "never"
    ///
    /// [classic."/signalr"]                    # clients of ASP.NET SignalR 2.x
    /// transports = ["webSockets", "longPolling"]
    /// ```
    ///
    /// Names are those of the fields of [`Config`], [`HttpOptions`] and its limits (in `[server]`),
    /// of [`HubOptions`](crate::HubOptions) and [`ConnectionOptions`](crate::ConnectionOptions)
    /// (for hubs), of [`RawOptions`](crate::RawOptions), and of
    /// [`ClassicOptions`](crate::ClassicOptions); those of parts stand beside the others. Times are texts, sizes are bytes.
    ///
    /// Each option of a hub is looked for by itself: in the section of its path, then in what code
    /// has set to something else than the default, then in the section of all hubs. Fields that
    /// code sets in the returned `Config` win over `[server]`.
    ///
    /// Mistakes in the file, unknown names among them, are told by [`Server::run`](crate::Server)
    /// or the first turn of a [`Shard`](crate::Shard), together with those of code.
    ///
    /// Most values are plain. Those that are not:
    ///
    /// | option | is written as |
    /// |---|---|
    /// | `authorize` | `"everybody"`, `"signed_in"`, `"named"`; or a table of `roles` (one of them), `claims` (`{ team = ["blue", "red"] }`: one of the values each) and `has_claims` (all of them): whoever has all that |
    /// | `allowed_origins` | `"same"`, `"any"`, or a list |
    /// | `cors` | a table of `origins` (a list or `"any"`; must be there), `credentials` (true unless for any origin), `methods`, `headers` (a list or `"any"`) and `max_age` |
    /// | `compression` | a table of the fields of [`Compression`](crate::Compression) |
    /// | `rate_limit` | a table of `messages` and `bytes`, each `{ per_second = 60, burst = 120 }` |
    /// | `maximum_receive_message_size` | bytes, or `"unlimited"` |
    /// | `keep_alive_interval`, `keep_alive_timeout` of a WebSocket, `keep_alive` of a classic path | a time, or `"never"` |
    /// | `keys` of a classic path | a list of keys of 32 bytes each, as 64 hexadecimal digits or base64: the first makes tokens, all are accepted |
    ///
    /// The section `[jwt]` adds a [`Jwt`](crate::Jwt) that is asked before the schemes of code.
    /// Its keys are the methods of that: `issuer` and `audience` (a text or a list), `clock_skew`,
    /// `user_claim`, `role_claim`, `cookie`, `token_bytes_max`, `tokens_remembered_max`; and `keys`, each with an
    /// `algorithm` and one of `secret`, `secret_file`, `pem_file`, or with a `key_set_file` alone.
    /// Files are looked for from where the configuration file is, and read once.
    ///
    /// ```toml
    /// [jwt]
    /// issuer = "https://login.example"
    /// audience = ["game", "chat"]
    ///
    /// [[jwt.keys]]
    /// key_set_file = "keys.json"
    ///
    /// [[jwt.keys]]
    /// algorithm = "HS256"
    /// secret_file = "/run/secrets/tokens"     # without the line end at its end
    ///
    /// [hub]
    /// authorize = "signed_in"
    ///
    /// [hub.cors]
    /// origins = ["https://app.example"]
    /// max_age = "10m"
    ///
    /// [hubs."/news"]
    /// authorize = "everybody"
    ///
    /// [hubs."/admin"]
    /// authorize = { roles = ["admin", "operator"], claims = { team = "blue" } }
    /// ```
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        let settings = Settings::read(path, &text);
        let mut config = Self::default();
        settings.configure(&mut config);
        config.settings = settings;
        Ok(config)
    }

    /// Everything that is wrong with these fields. The `settings` are not looked at.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut checks = Checklist::default();
        checks.require(
            !self.listen.is_empty(),
            "listen",
            &self.listen,
            "there must be one address at least",
        );
        let mut known = Vec::new();
        for address in self.listen.iter().filter(|address| address.port() != 0) {
            checks.require(!known.contains(&address), "listen", address, "it is there twice");
            known.push(address);
        }
        checks.require(
            self.shards == 1,
            "shards",
            self.shards,
            "this version runs exactly one: say 1",
        );
        checks.extend(self.http.mistakes());
        checks.into_mistakes()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 5000))],
            shards: 1,
            driver: DriverChoice::Auto,
            http: HttpOptions::default(),
            drain_timeout: Duration::from_secs(28),
            settings: Settings::default(),
        }
    }
}
