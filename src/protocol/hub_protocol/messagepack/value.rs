//! Typed values out of the bytes of one MessagePack value, which was passed by the scanner before:
//! it is whole, no deeper than allowed, and its lengths are true.

use rmp::decode;
use serde::de::DeserializeOwned;

use crate::protocol::hub_protocol::BindingError;

/// Reads a value by serde. Types that have a readable form and a short one (ids, addresses) have
/// the readable one here as in JSON, which is what .NET does with a `Guid` (§3.5).
pub(in super::super) fn read_value<T: DeserializeOwned>(encoded: &[u8]) -> Result<T, BindingError> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(encoded).with_human_readable();
    T::deserialize(&mut deserializer).map_err(|_| BindingError::Value)
}

/// Reads a text where it stands.
pub(in super::super) fn read_text(encoded: &[u8]) -> Result<&str, BindingError> {
    match decode::read_str_from_slice(encoded) {
        Ok((text, _)) => Ok(text),
        Err(_) => Err(BindingError::Value),
    }
}
