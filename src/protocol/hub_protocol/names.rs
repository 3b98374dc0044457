//! Names of newtype structs by which a type says how MessagePack is to write it.

/// Around a pair of an `i8` and bytes: an extension of that kind. The name is that of
/// `rmp-serde`, so types that were made for it work here too.
pub const MESSAGEPACK_EXTENSION: &str = "_ExtStruct";

/// Around an integer: it takes all the bytes of its type (`1_u8` is `cc 01`), where it would take
/// the shortest form otherwise. So .NET writes integers inside of values whose type nobody knows.
pub const MESSAGEPACK_FULL_WIDTH: &str = "_FullWidth";
