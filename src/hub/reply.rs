//! What a hub method may return.

use serde::Serialize;

use super::error::HubError;

/// A value that a hub method can return: anything that serializes, or a `Result` of it with
/// [`HubError`]. `()` is answered with `null` (COR-072).
#[diagnostic::on_unimplemented(
    message = "a hub method cannot return `{Self}`",
    note = "return a type that implements `serde::Serialize`, or `Result<that type, HubError>`"
)]
pub trait Reply {
    /// The value that is written.
    type Value: Serialize;

    /// The value, or the refusal.
    fn into_result(self) -> Result<Self::Value, HubError>;
}

impl<T: Serialize> Reply for T {
    type Value = T;

    fn into_result(self) -> Result<T, HubError> {
        Ok(self)
    }
}

// No overlap with the impl above: `HubError` does not serialize, so neither does this `Result`.
impl<T: Serialize> Reply for Result<T, HubError> {
    type Value = T;

    fn into_result(self) -> Result<T, HubError> {
        self
    }
}
