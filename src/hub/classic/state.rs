//! State that a client sends along with a call, and that comes back with what changed (§4.5).

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::protocol::classic::write_json;

/// What a classic client keeps for a hub and sends along with each of its calls: reached by
/// [`Context::client_state`](crate::Context::client_state). What a method changes goes back with
/// everything that is said to the caller from then on. The server keeps nothing of it.
///
/// Clients of ASP.NET Core have none: what is set goes nowhere.
///
/// ```
/// use tickhub::{Context, Hub, Methods};
///
/// struct Chat;
///
/// impl Hub for Chat {
///     type State = ();
///     fn methods(m: &mut Methods<Self>) {
///         m.on("Rename", |_: &mut Self, ctx: &mut Context<Self>, name: String| {
///             let old: Option<String> = ctx.client_state().get("name");
///             ctx.client_state().set("name", &name);
///             old
///         });
///     }
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientState {
    sent: Map<String, Value>,
    changed: Map<String, Value>,
}

impl ClientState {
    /// The state in what a client has sent; none, if that is no object.
    pub(crate) fn read(sent: &str) -> Self {
        Self { sent: serde_json::from_str(sent).unwrap_or_default(), changed: Map::new() }
    }

    /// The value of a key, in exactly this spelling; nothing, if there is none or it is no `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.changed.get(key).or_else(|| self.sent.get(key))?;
        T::deserialize(value).ok()
    }

    /// Sets a key. A value that cannot be written as JSON is a mistake of the caller, is logged and
    /// changes nothing.
    pub fn set<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        match serde_json::to_value(value) {
            Ok(value) if self.changed.get(key).or_else(|| self.sent.get(key)) == Some(&value) => {}
            Ok(value) => {
                self.changed.insert(key.to_owned(), value);
            }
            Err(error) => {
                tracing::error!(key, %error, "a value for the state of a client cannot be written");
            }
        }
    }

    /// What was changed, for the client, as JSON; nothing, if nothing was.
    pub(crate) fn changes(&self) -> Option<String> {
        let mut json = Vec::new();
        if !self.changed.is_empty() {
            write_json(&mut json, &self.changed).expect("values of JSON are JSON");
        }
        Some(String::from_utf8(json).expect("JSON is text")).filter(|json| !json.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leg_057_what_changes_goes_back() {
        let mut state = ClientState::read(r#"{"name":"bob","age":3}"#);
        assert_eq!(state.get::<String>("name").as_deref(), Some("bob"));
        assert_eq!(state.get::<String>("Name"), None, "letter case matters");
        assert_eq!(state.changes(), None);
        state.set("age", &3);
        assert_eq!(state.changes(), None, "the same value is no change");
        state.set("name", "ann");
        assert_eq!(state.get::<String>("name").as_deref(), Some("ann"));
        assert_eq!(state.changes().as_deref(), Some(r#"{"name":"ann"}"#));
        state.set("name", "bob");
        let changes = state.changes();
        assert_eq!(changes.as_deref(), Some(r#"{"name":"bob"}"#), "perhaps it knows the other");
    }

    #[test]
    fn what_is_no_object_is_no_state() {
        assert_eq!(ClientState::read("null").get::<String>("name"), None);
        assert_eq!(ClientState::read("[1]").get::<String>("name"), None);
    }
}
