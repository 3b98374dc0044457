//! Hash tables whose order and collisions an outsider cannot choose (T-HASH).

use foldhash::fast::RandomState;

/// The keyed hasher of every table in the project: seeded anew by each process.
pub type Hasher = RandomState;

/// A hash map with the keyed [`Hasher`]. Make one with `HashMap::default()`.
///
/// Its order differs from run to run, so nothing observable may depend on it.
pub type HashMap<K, V> = std::collections::HashMap<K, V, Hasher>;
