//! What a hub method may return.

use serde::Serialize;

use super::error::HubError;

/// A value that a hub method can return: anything that serializes, or a `Result` of it with
/// [`HubError`]. `()` is answered with `null` (COR-072).
#[diagnostic::on_unimplemented(
    message = "a hub method cannot return `{Self}`",
    note = "return a type that implements `serde::Serialize`, or `Result<that type, HubError>`"
)]
pub trait Reply<Kind> {
    /// The value that is written.
    type Value: Serialize;

    /// The value, or the refusal.
    fn into_result(self) -> Result<Self::Value, HubError>;
}

impl<T: Serialize> Reply<Plain> for T {
    type Value = T;

    fn into_result(self) -> Result<T, HubError> {
        Ok(self)
    }
}

impl<T: Serialize> Reply<Fallible> for Result<T, HubError> {
    type Value = T;

    fn into_result(self) -> Result<T, HubError> {
        self
    }
}

/// Marks a reply that is a value. The marks keep the two impls apart: serde serializes every
/// `Result`, and only the compiler knows that `HubError` is not meant.
#[derive(Debug)]
pub struct Plain;

/// Marks a reply that may be a refusal.
#[derive(Debug)]
pub struct Fallible;
