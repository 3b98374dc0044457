//! Names of things that come and go: a slot and the generation that lives in it.
//!
//! A key of something that is gone finds nothing, even after its slot was taken again. That is
//! what makes a late completion harmless (design: driver contract, point 1).

use std::marker::PhantomData;

/// What [`Table`] and [`SideTable`] ask of a key.
pub trait Keyed: Copy {
    /// Joins a slot and a generation.
    fn new(slot: u32, generation: u32) -> Self;
    /// The place in the table; dense, and reused.
    fn slot(self) -> u32;
    /// Which tenant of the slot is meant.
    fn generation(self) -> u32;
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            slot: u32,
            generation: u32,
        }

        impl Keyed for $name {
            fn new(slot: u32, generation: u32) -> Self {
                Self { slot, generation }
            }
            fn slot(self) -> u32 {
                self.slot
            }
            fn generation(self) -> u32 {
                self.generation
            }
        }
    };
}

key! {
    /// Names one TCP connection. Given out by the driver, ordered by slot.
    SocketKey
}
key! {
    /// Names one SignalR connection (or raw one), which may outlive sockets. Ordered by slot.
    ConnectionKey
}

key! {
    /// Names one future that a shard polls.
    TaskKey
}

/// A table that gives out its own keys.
#[derive(Debug)]
pub struct Table<K, V> {
    entries: slab::Slab<(u32, V)>,
    next_generation: u32,
    keys: PhantomData<K>,
}

impl<K: Keyed, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { entries: slab::Slab::new(), next_generation: 1, keys: PhantomData }
    }
}

impl<K: Keyed, V> Table<K, V> {
    /// Puts `value` into a free slot, the lowest that was freed last.
    pub fn insert(&mut self, value: V) -> K {
        self.insert_with(|_| value)
    }

    /// Like [`Table::insert`], of a value that knows its key.
    pub fn insert_with(&mut self, value: impl FnOnce(K) -> V) -> K {
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1).max(1);
        let vacant = self.entries.vacant_entry();
        let slot = u32::try_from(vacant.key()).expect("a shard holds fewer than 2^32 entries");
        let key = K::new(slot, generation);
        vacant.insert((generation, value(key)));
        key
    }

    /// The entry of `key`, unless it is gone.
    pub fn get(&self, key: K) -> Option<&V> {
        let (generation, value) = self.entries.get(key.slot() as usize)?;
        (*generation == key.generation()).then_some(value)
    }

    /// The entry of `key`, unless it is gone.
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let (generation, value) = self.entries.get_mut(key.slot() as usize)?;
        (*generation == key.generation()).then_some(value)
    }

    /// The present tenant of `slot`, whatever its generation.
    pub fn at_slot_mut(&mut self, slot: u32) -> Option<(K, &mut V)> {
        let (generation, value) = self.entries.get_mut(slot as usize)?;
        Some((K::new(slot, *generation), value))
    }

    /// The present tenant of `slot`, whatever its generation.
    pub fn at_slot(&self, slot: u32) -> Option<(K, &V)> {
        let (generation, value) = self.entries.get(slot as usize)?;
        Some((K::new(slot, *generation), value))
    }

    /// Takes the entry of `key` out, unless it is gone already.
    pub fn remove(&mut self, key: K) -> Option<V> {
        self.get(key)?;
        Some(self.entries.remove(key.slot() as usize).1)
    }

    /// All entries in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.entries
            .iter()
            .map(|(slot, (generation, value))| (K::new(slot as u32, *generation), value))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is in the table.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A table whose keys somebody else gives out (the driver those of sockets, a shard those of
/// connections): what belongs to a key is kept beside it, found by slot.
#[derive(Debug)]
pub struct SideTable<K, V> {
    entries: Vec<Option<(u32, V)>>,
    len: usize,
    keys: PhantomData<K>,
}

impl<K: Keyed, V> Default for SideTable<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new(), len: 0, keys: PhantomData }
    }
}

impl<K: Keyed, V> SideTable<K, V> {
    /// Keeps `value` for `key`; what an earlier tenant of the slot left is returned.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let slot = key.slot() as usize;
        if slot >= self.entries.len() {
            self.entries.resize_with(slot + 1, || None);
        }
        let old = self.entries[slot].replace((key.generation(), value));
        self.len += usize::from(old.is_none());
        old.map(|(_, value)| value)
    }

    /// What is kept for `key`.
    pub fn get(&self, key: K) -> Option<&V> {
        match self.entries.get(key.slot() as usize)? {
            Some((generation, value)) if *generation == key.generation() => Some(value),
            _ => None,
        }
    }

    /// What is kept for `key`.
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        match self.entries.get_mut(key.slot() as usize)? {
            Some((generation, value)) if *generation == key.generation() => Some(value),
            _ => None,
        }
    }

    /// Forgets what is kept for `key` and returns it.
    pub fn remove(&mut self, key: K) -> Option<V> {
        self.get(key)?;
        self.len -= 1;
        self.entries[key.slot() as usize].take().map(|(_, value)| value)
    }

    /// All entries in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.entries.iter().enumerate().filter_map(|(slot, entry)| {
            entry.as_ref().map(|(generation, value)| (K::new(slot as u32, *generation), value))
        })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut table = Table::<ConnectionKey, &str>::default();
        let first = table.insert("first");
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert("second");
        assert_eq!(first.slot(), second.slot());
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&"second"));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_side_table_forgets_earlier_tenants() {
        let mut table = SideTable::<SocketKey, u8>::default();
        let (old, new) = (SocketKey::new(3, 1), SocketKey::new(3, 2));
        assert_eq!(table.insert(old, 1), None);
        assert_eq!(table.insert(new, 2), Some(1));
        assert_eq!(table.get(old), None);
        assert_eq!(table.remove(old), None);
        assert_eq!((table.remove(new), table.len()), (Some(2), 0));
    }
}
