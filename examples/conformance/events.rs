//! What happened, in order, under names: read by whoever checks the host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One log for the whole process. Its clones are the same log.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Events {
    /// Appends an entry under a name.
    pub(crate) fn note(&self, name: &impl ToString, entry: impl Into<String>) {
        // Whoever panicked with the lock in hand has pushed or not: the log is whole.
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.entry(name.to_string()).or_default().push(entry.into());
    }

    /// The entries under a name; an unknown name has none.
    pub(crate) fn of(&self, name: &str) -> Vec<String> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.get(name).cloned().unwrap_or_default()
    }

    /// The same as a JSON array.
    pub(crate) fn json(&self, name: &str) -> Vec<u8> {
        serde_json::to_vec(&self.of(name)).expect("texts can be written")
    }
}
