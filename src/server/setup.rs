//! What a shard was told to serve, and everything that is wrong with it.

use super::config::{Config, HubPath, Settings};
use super::error::{ConfigMistake, ConfigPlace, Error};
use crate::base::Mistake;
use crate::classic::ClassicOptions;
use crate::hub::{Hub, HubOptions};
use crate::raw::RawOptions;
use crate::transport::ConnectionOptions;

/// Applies the configuration file to endpoints while they are added, and collects mistakes until
/// somebody asks.
#[derive(Debug)]
pub(super) struct Setup {
    settings: Settings,
    served: Vec<ConfigPlace>,
    /// Paths of ordinary requests, and of redirects: they may share theirs with a hub.
    prefixes: Vec<String>,
    redirects: Vec<String>,
    mistakes: Vec<ConfigMistake>,
    is_checked: bool,
}

impl Setup {
    pub(super) fn new(config: &Config) -> Self {
        let settings = config.settings.clone();
        let mistakes = settings.mistakes().to_vec();
        let (served, prefixes, redirects) = (Vec::new(), Vec::new(), Vec::new());
        let is_checked = false;
        let mut setup = Self { settings, served, prefixes, redirects, mistakes, is_checked };
        setup.add(&ConfigPlace::Server, &config.mistakes());
        setup
    }

    /// A hub comes to a path: the options that it gets.
    pub(super) fn hub(
        &mut self,
        path: &str,
        hub: HubOptions,
        connection: ConnectionOptions,
    ) -> (HubOptions, ConnectionOptions) {
        let mut options = HubPath { hub, connection };
        self.settings.configure_hub(path, &mut options);
        let place = self.serve(ConfigPlace::Hub(path.to_owned()));
        self.add(&place, &options.hub.mistakes());
        self.add(&place, &options.connection.mistakes());
        (options.hub, options.connection)
    }

    /// A hub comes to one more path, or a connection without a hub: only what concerns the
    /// connection counts there.
    pub(super) fn connection(
        &mut self,
        path: &str,
        connection: ConnectionOptions,
    ) -> ConnectionOptions {
        let mut options = HubPath { hub: HubOptions::default(), connection };
        self.settings.configure_hub(path, &mut options);
        let place = self.serve(ConfigPlace::Hub(path.to_owned()));
        self.mistakes.extend(self.settings.idle(path));
        self.add(&place, &options.connection.mistakes());
        options.connection
    }

    /// A hub is kept without a path.
    pub(super) fn hosted(&mut self, options: HubOptions) -> HubOptions {
        self.add(&ConfigPlace::Server, &options.mistakes());
        options
    }

    /// A classic mount comes to a path, with what is wrong with its hubs.
    pub(super) fn classic(
        &mut self,
        path: &str,
        mut options: ClassicOptions,
        hubs: &[Mistake],
    ) -> ClassicOptions {
        self.settings.configure_classic(path, &mut options);
        let place = self.serve(ConfigPlace::Classic(path.to_owned()));
        self.add(&place, &options.mistakes());
        self.add(&place, hubs);
        options
    }

    /// A path was to be one more of a hub that is not served.
    pub(super) fn without_hub<H: Hub>(&mut self, path: &str) {
        let hub = std::any::type_name::<H>();
        let what = format!("there is no hub of type {hub} yet: add it before its other paths");
        let place = ConfigPlace::Hub(path.to_owned());
        self.mistakes.push(ConfigMistake { at: None, place, what });
    }

    /// A plain WebSocket comes to a path.
    pub(super) fn websocket(&mut self, path: &str, mut options: RawOptions) -> RawOptions {
        self.settings.configure_websocket(path, &mut options);
        let place = self.serve(ConfigPlace::WebSocket(path.to_owned()));
        self.add(&place, &options.mistakes());
        options
    }

    /// Ordinary requests are answered at a path.
    pub(super) fn http(&mut self, path: &str) {
        let path = path.trim_end_matches('/').to_owned();
        if self.prefixes.contains(&path) {
            self.twice(&ConfigPlace::Http(path.clone()));
        }
        self.prefixes.push(path);
    }

    /// Those who negotiate at a path may be sent elsewhere.
    pub(super) fn redirect(&mut self, path: &str) {
        let path = path.trim_matches('/').to_ascii_lowercase();
        if self.redirects.contains(&path) {
            self.twice(&ConfigPlace::Hub(path.clone()));
        }
        self.redirects.push(path);
    }

    /// Everything that is wrong, once.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        if !std::mem::replace(&mut self.is_checked, true) {
            let unserved = self.settings.unserved(&self.served);
            self.mistakes.extend(unserved);
        }
        let mistakes = std::mem::take(&mut self.mistakes);
        if mistakes.is_empty() { Ok(()) } else { Err(Error::Config(mistakes)) }
    }

    fn serve(&mut self, place: ConfigPlace) -> ConfigPlace {
        if self.served.iter().any(|known| known.path_is_same(&place)) {
            self.twice(&place);
        }
        self.served.push(place.clone());
        place
    }

    fn twice(&mut self, place: &ConfigPlace) {
        let what = "this path is served twice; give one of the two another path".to_owned();
        self.mistakes.push(ConfigMistake { at: None, place: place.clone(), what });
    }

    fn add(&mut self, place: &ConfigPlace, mistakes: &[Mistake]) {
        let located = mistakes.iter().map(|mistake| self.settings.locate(place.clone(), mistake));
        let located: Vec<_> = located.collect();
        self.mistakes.extend(located);
    }
}
