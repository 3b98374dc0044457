//! The configuration file: which section says what, and where it says it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::names::{HubPath, Optional, Set};
use super::table::{Wrong, in_order};
use super::{Config, jwt};
use crate::auth::Jwt;
use crate::base::Mistake;
use crate::classic::ClassicOptions;
use crate::hub::HubOptions;
use crate::raw::RawOptions;
use crate::server::error::{ConfigMistake, ConfigPlace};
use crate::transport::ConnectionOptions;

/// What a configuration file says about endpoints, and everything that is wrong with it. It is
/// applied when endpoints are added.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    file: PathBuf,
    server: Section<Config>,
    jwt: Option<Jwt>,
    every_hub: Section<HubPath>,
    /// By normal path.
    hubs: BTreeMap<String, Section<HubPath>>,
    websockets: BTreeMap<String, Section<RawOptions>>,
    classics: BTreeMap<String, Section<ClassicOptions>>,
    mistakes: Vec<ConfigMistake>,
}

/// The options of one section.
#[derive(Clone)]
struct Section<T> {
    line: usize,
    settings: Vec<Setting<T>>,
}

#[derive(Clone)]
struct Setting<T> {
    option: &'static str,
    line: usize,
    set: Set<T>,
}

impl<T> Default for Section<T> {
    fn default() -> Self {
        Self { line: 0, settings: Vec::new() }
    }
}

impl<T> fmt::Debug for Section<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.settings.iter().map(|setting| setting.option)).finish()
    }
}

impl<T> Section<T> {
    fn apply(&self, target: &mut T, yields: bool) {
        for setting in &self.settings {
            (setting.set)(target, yields);
        }
    }

    fn line_of(&self, option: &str) -> Option<usize> {
        self.settings.iter().find(|setting| setting.option == option).map(|setting| setting.line)
    }
}

impl Settings {
    /// Reads the text of a file. What is wrong is kept.
    pub(super) fn read(file: &Path, text: &str) -> Self {
        let mut settings = Self { file: file.to_owned(), ..Self::default() };
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader { file, text, mistakes: &mut settings.mistakes };
        for error in errors {
            let start = error.span().map_or(0, |span| span.start);
            reader.complain(start, ConfigPlace::File, error.message());
        }
        for (name, value) in in_order(document.into_inner()) {
            let start = name.span().start;
            match &**name.get_ref() {
                "server" => settings.server = reader.section(start, ConfigPlace::Server, value),
                "jwt" => {
                    let folder = file.parent().unwrap_or(Path::new(""));
                    match jwt::read(value, folder) {
                        Ok(jwt) => settings.jwt = Some(jwt),
                        Err(wrong) => reader.complain_about("", &ConfigPlace::Jwt, wrong),
                    }
                }
                "hub" => settings.every_hub = reader.section(start, ConfigPlace::EveryHub, value),
                "hubs" => settings.hubs = reader.sections(start, ConfigPlace::Hub, value),
                "websockets" => {
                    settings.websockets = reader.sections(start, ConfigPlace::WebSocket, value);
                }
                "classic" => {
                    settings.classics = reader.sections(start, ConfigPlace::Classic, value);
                }
                name => {
                    let text = format!("there is no section [{name}]: say one of {SECTIONS}");
                    reader.complain(start, ConfigPlace::File, &text);
                }
            }
        }
        settings
    }

    pub(super) fn configure(&self, config: &mut Config) {
        self.server.apply(config, false);
    }

    /// The scheme that the file describes.
    pub(in crate::server) fn jwt(&self) -> Option<&Jwt> {
        self.jwt.as_ref()
    }

    /// The options of the hub at a path: what stands in its own section, else what code has set,
    /// else what stands in the section of all hubs, else the default.
    pub(in crate::server) fn configure_hub(&self, path: &str, options: &mut HubPath) {
        self.every_hub.apply(options, true);
        if let Some(section) = self.hubs.get(&normal(path)) {
            section.apply(options, false);
        }
    }

    pub(in crate::server) fn configure_websocket(&self, path: &str, options: &mut RawOptions) {
        if let Some(section) = self.websockets.get(&normal(path)) {
            section.apply(options, false);
        }
    }

    pub(in crate::server) fn configure_classic(&self, path: &str, options: &mut ClassicOptions) {
        if let Some(section) = self.classics.get(&normal(path)) {
            section.apply(options, false);
        }
    }

    /// Options of a hub in the section of a path that only makes connections: nobody reads them.
    pub(in crate::server) fn idle(&self, path: &str) -> Vec<ConfigMistake> {
        let Some(section) = self.hubs.get(&normal(path)) else { return Vec::new() };
        let of_hubs = HubOptions::names();
        let idle = section.settings.iter().filter(|setting| of_hubs.contains(&setting.option));
        idle.map(|setting| {
            let what = format!(
                "{} has no effect on one more path of a hub, nor on connections without one: \
                 there are {}",
                setting.option,
                ConnectionOptions::names().join(", ")
            );
            let at = Some((self.file.clone(), setting.line));
            ConfigMistake { at, place: ConfigPlace::Hub(path.to_owned()), what }
        })
        .collect()
    }

    /// What is wrong with the file itself.
    pub(in crate::server) fn mistakes(&self) -> &[ConfigMistake] {
        &self.mistakes
    }

    /// Says where a mistake about a place was made: in the file, if the option stands there.
    pub(in crate::server) fn locate(&self, place: ConfigPlace, mistake: &Mistake) -> ConfigMistake {
        let option = mistake.option;
        let line = match &place {
            ConfigPlace::Server => self.server.line_of(option),
            ConfigPlace::Hub(path) => {
                let own = self.hubs.get(&normal(path)).and_then(|own| own.line_of(option));
                own.or_else(|| self.every_hub.line_of(option))
            }
            ConfigPlace::WebSocket(path) => {
                self.websockets.get(&normal(path)).and_then(|own| own.line_of(option))
            }
            ConfigPlace::Classic(path) => {
                self.classics.get(&normal(path)).and_then(|own| own.line_of(option))
            }
            ConfigPlace::File | ConfigPlace::Jwt | ConfigPlace::EveryHub | ConfigPlace::Http(_) => {
                None
            }
        };
        let at = line.map(|line| (self.file.clone(), line));
        ConfigMistake { at, place, what: mistake.to_string() }
    }

    /// Sections about paths where nothing of the kind is served.
    pub(in crate::server) fn unserved(&self, served: &[ConfigPlace]) -> Vec<ConfigMistake> {
        let is_served = |place: &ConfigPlace| served.iter().any(|known| known.is_same(place));
        let hubs = self.hubs.iter().map(|(path, own)| (ConfigPlace::Hub(path.clone()), own.line));
        let sockets = self.websockets.iter();
        let sockets = sockets.map(|(path, own)| (ConfigPlace::WebSocket(path.clone()), own.line));
        let classics = self.classics.iter();
        let classics = classics.map(|(path, own)| (ConfigPlace::Classic(path.clone()), own.line));
        let sections = hubs.chain(sockets).chain(classics);
        let missing = sections.filter(|(place, _)| !is_served(place));
        missing
            .map(|(place, line)| {
                let kind = |place: &ConfigPlace| std::mem::discriminant(place);
                let same = served.iter().filter(|known| kind(known) == kind(&place));
                let known: Vec<String> = same.map(ToString::to_string).collect();
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                let what = format!("nothing of the kind is served there; there are: {known}");
                ConfigMistake { at: Some((self.file.clone(), line)), place, what }
            })
            .collect()
    }
}

/// Reads sections, and keeps what is wrong with them.
struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    mistakes: &'a mut Vec<ConfigMistake>,
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + memchr::memchr_iter(b'\n', before).count()
    }

    fn complain(&mut self, offset: usize, place: ConfigPlace, what: &str) {
        let at = Some((self.file.to_owned(), self.line(offset)));
        self.mistakes.push(ConfigMistake { at, place, what: what.to_owned() });
    }

    /// Says what is wrong with an option, or with a section, which has no name; each time with
    /// what was written, if that is one line and may be seen.
    fn complain_about(&mut self, name: &str, place: &ConfigPlace, wrong: Vec<Wrong>) {
        for Wrong { at, below, written, what } in wrong {
            let written = written.and_then(|span| self.text.get(span));
            let name = format!("{name}{below}");
            let what = match (name.trim_start_matches('.'), written) {
                ("", _) => what,
                (name, Some(text)) if !text.contains('\n') => format!("{name} = {text}: {what}"),
                (name, _) => format!("{name}: {what}"),
            };
            self.complain(at, place.clone(), &what);
        }
    }

    /// A section for each path.
    fn sections<T: Optional>(
        &mut self,
        start: usize,
        place: fn(String) -> ConfigPlace,
        value: Spanned<DeValue<'_>>,
    ) -> BTreeMap<String, Section<T>> {
        let mut sections = BTreeMap::new();
        let DeValue::Table(table) = value.into_inner() else {
            self.complain(start, ConfigPlace::File, "here stand sections, one for each path");
            return sections;
        };
        for (path, value) in in_order(table) {
            let start = path.span().start;
            let path = path.into_inner().into_owned();
            let place = place(path.clone());
            let section = self.section(start, place.clone(), value);
            if sections.insert(normal(&path), section).is_some() {
                self.complain(start, place, "there are two sections for this path");
            }
        }
        sections
    }

    fn section<T: Optional>(
        &mut self,
        start: usize,
        place: ConfigPlace,
        value: Spanned<DeValue<'_>>,
    ) -> Section<T> {
        let mut section = Section { line: self.line(start), settings: Vec::new() };
        let DeValue::Table(table) = value.into_inner() else {
            self.complain(start, place, "this is a section, not an option");
            return section;
        };
        for (name, value) in in_order(table) {
            let start = name.span().start;
            let name = name.get_ref();
            match T::read(name, value) {
                Some(Ok((option, set))) => {
                    section.settings.push(Setting { option, line: self.line(start), set });
                }
                Some(Err(wrong)) => self.complain_about(name, &place, wrong),
                None => {
                    let names = T::names().join(", ");
                    let what = format!("there is no option {name}: there are {names}");
                    self.complain(start, place.clone(), &what);
                }
            }
        }
        section
    }
}

/// Letter case and slashes around a path do not matter (COR-012).
fn normal(path: &str) -> String {
    format!("/{}", path.trim_matches('/').to_ascii_lowercase())
}

const SECTIONS: &str =
    "[server], [jwt], [hub], [hubs.\"/path\"], [websockets.\"/path\"], [classic.\"/path\"]";
