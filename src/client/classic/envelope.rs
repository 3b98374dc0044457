//! What a server says: envelopes with messages, and results of calls (LEG §3, §4.2).

use serde::Deserialize;
use serde_json::Value;

/// Anything that comes over a WebSocket, as an event, as a script or as the answer to a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    #[serde(rename = "C")]
    pub(super) cursor: Option<String>,
    #[serde(rename = "S")]
    initialized: Value,
    #[serde(rename = "T")]
    terminates: Value,
    #[serde(rename = "G")]
    pub(super) groups: Option<String>,
    #[serde(rename = "M")]
    pub(super) messages: Option<Vec<Element>>,
    #[serde(rename = "I")]
    pub(super) id: Option<String>,
    #[serde(rename = "R")]
    pub(super) result: Value,
    #[serde(rename = "E")]
    pub(super) error: Option<String>,
}

/// An element of `M`: a call, or something that is not for us.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Element {
    #[serde(rename = "M")]
    pub(super) method: Option<String>,
    #[serde(rename = "A")]
    pub(super) arguments: Vec<Value>,
}

impl Envelope {
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| {
            let text = String::from_utf8_lossy(text);
            format!("{text:?} cannot be read: {error}")
        })
    }

    pub(super) fn is_initialized(&self) -> bool {
        self.initialized == 1
    }

    pub(super) fn terminates(&self) -> bool {
        self.terminates == 1
    }
}

/// What we need of the answer to negotiate (LEG §2.1).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document {
    pub(super) connection_token: String,
    pub(super) connection_id: String,
    /// In seconds.
    pub(super) keep_alive_timeout: Option<f64>,
    pub(super) disconnect_timeout: f64,
}

/// What is in the first line of a stream of scripts.
pub(super) const DOCTYPE: &[u8] = b"<!DOCTYPE html>";

/// The envelope in a line of a stream of scripts, if it has one.
pub(super) fn in_script(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(b"<script>r(c, ")?.strip_suffix(b");</script>")
}
