//! How values are read out of a configuration file: whole, or key by key.

use std::ops::Range;

use serde::de::{DeserializeOwned, IntoDeserializer as _};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A value as it is written in a file.
pub(super) trait Written: Sized {
    /// Reads it, or says everything that is wrong with it.
    fn read(value: Spanned<DeValue<'_>>) -> Result<Self, Vec<Wrong>>;
}

impl<T: DeserializeOwned> Written for T {
    fn read(value: Spanned<DeValue<'_>>) -> Result<Self, Vec<Wrong>> {
        let span = value.span();
        T::deserialize(value.into_deserializer()).map_err(|error| {
            let at = error.span().unwrap_or_else(|| span.clone()).start;
            let what = error.message().to_owned();
            vec![Wrong { at, below: String::new(), written: Some(span), what }]
        })
    }
}

/// One thing that is wrong with a value.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Where in the text its line is.
    pub(super) at: usize,
    /// Which part it is about, with a dot before it; empty for the value itself.
    pub(super) below: String,
    /// Where the text of that part is, unless nobody is to see it.
    pub(super) written: Option<Range<usize>>,
    /// What is wrong, or what is allowed.
    pub(super) what: String,
}

/// A table that is read key by key, so that one wrong value hides no other.
pub(super) struct Keys<'a> {
    at: usize,
    entries: Vec<(Spanned<DeString<'a>>, Spanned<DeValue<'a>>)>,
    /// Those that were asked for.
    known: Vec<Known>,
    wrong: Vec<Wrong>,
}

/// A key that a table may have: where it stands if it does, and where its value is.
struct Known {
    key: &'static str,
    place: Option<(usize, Range<usize>)>,
}

impl<'a> Keys<'a> {
    /// The keys of a table; what was `expected`, if it is none.
    pub(super) fn of(value: Spanned<DeValue<'a>>, expected: &str) -> Result<Self, Vec<Wrong>> {
        let at = value.span().start;
        match value.into_inner() {
            DeValue::Table(table) => {
                Ok(Self { at, entries: in_order(table), known: Vec::new(), wrong: Vec::new() })
            }
            _ => {
                Err(vec![Wrong { at, below: String::new(), written: None, what: expected.into() }])
            }
        }
    }

    /// The value of a key, if it is there and can be read.
    pub(super) fn take<T: Written>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take_raw(key)?;
        match T::read(value) {
            Ok(read) => Some(read),
            Err(wrong) => {
                self.wrong.extend(wrong.into_iter().map(|wrong| wrong.within(key)));
                None
            }
        }
    }

    /// A text that nobody is to see; `expected` is told when it is no text.
    pub(super) fn take_secret(&mut self, key: &'static str, expected: &str) -> Option<String> {
        let value = self.take_raw(key)?;
        let at = value.span().start;
        if let DeValue::String(text) = value.into_inner() {
            return Some(text.into_owned());
        }
        let below = format!(".{key}");
        self.wrong.push(Wrong { at, below, written: None, what: expected.into() });
        None
    }

    /// The value of a key as it stands.
    pub(super) fn take_raw(&mut self, key: &'static str) -> Option<Spanned<DeValue<'a>>> {
        let found = self.entries.iter().position(|(name, _)| &**name.get_ref() == key);
        let taken = found.map(|place| self.entries.remove(place));
        let place = taken.as_ref().map(|(name, value)| (name.span().start, value.span()));
        self.known.push(Known { key, place });
        taken.map(|(_, value)| value)
    }

    /// Whether a key that was asked for is there, readable or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.known.iter().any(|known| known.key == key && known.place.is_some())
    }

    /// Something is wrong with the value of a key.
    pub(super) fn complain(&mut self, key: &str, what: impl Into<String>) {
        let place = self.known.iter().find(|known| known.key == key);
        let place = place.and_then(|known| known.place.clone());
        let (at, written) = match place {
            Some((at, written)) => (at, Some(written)),
            None => (self.at, None),
        };
        self.wrong.push(Wrong { at, below: format!(".{key}"), written, what: what.into() });
    }

    /// Something is wrong with the table as a whole.
    pub(super) fn complain_all(&mut self, what: impl Into<String>) {
        let (at, below) = (self.at, String::new());
        self.wrong.push(Wrong { at, below, written: None, what: what.into() });
    }

    /// Things are wrong with parts of the value of a key.
    pub(super) fn extend(&mut self, key: &str, wrong: Vec<Wrong>) {
        self.wrong.extend(wrong.into_iter().map(|wrong| wrong.within(key)));
    }

    /// What was made of the table, unless something was wrong with it.
    pub(super) fn end<T>(mut self, made: T) -> Result<T, Vec<Wrong>> {
        let names: Vec<_> = self.known.iter().map(|known| known.key).collect();
        for (name, _) in &self.entries {
            let below = format!(".{}", name.get_ref());
            let what = format!("there is no such key: there are {}", names.join(", "));
            self.wrong.push(Wrong { at: name.span().start, below, written: None, what });
        }
        self.wrong.sort_by_key(|wrong| wrong.at);
        if self.wrong.is_empty() { Ok(made) } else { Err(self.wrong) }
    }
}

impl Wrong {
    /// The same, as a part of what stands under `key`.
    fn within(mut self, key: &str) -> Self {
        self.below.insert_str(0, key);
        self.below.insert(0, '.');
        self
    }
}

/// The entries of a table as they stand in the file.
pub(super) fn in_order(table: DeTable<'_>) -> Vec<(Spanned<DeString<'_>>, Spanned<DeValue<'_>>)> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}
