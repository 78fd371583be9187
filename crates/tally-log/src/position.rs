//! Places in the log and sizes of its tree: both are `u64`, and never interchangeable.

use std::fmt;

/// Every number of the format stays below this, so that languages without an unsigned 64-bit type can hold it.
pub(crate) const NUMBER_END: u64 = 1 << 63;

/// The 0-based place of an entry in the log, below 2^63.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LogPosition(u64);

/// The number of entries in a tree, below 2^63: the last position + 1, or 0.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TreeSize(u64);

impl LogPosition {
    /// The place of the first entry.
    pub const FIRST: Self = Self(0);

    /// `None` from 2^63 on.
    #[must_use]
    pub const fn new(position: u64) -> Option<Self> {
        if position < NUMBER_END { Some(Self(position)) } else { None }
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The smallest tree that holds this position; `None` past the last one a log can have.
    #[must_use]
    pub fn tree_size(self) -> Option<TreeSize> {
        self.0.checked_add(1).and_then(TreeSize::new)
    }

    /// The place `entries` further on; `None` past the last one a log can have.
    #[must_use]
    pub fn checked_add(self, entries: u64) -> Option<Self> {
        self.0.checked_add(entries).and_then(Self::new)
    }
}

impl TreeSize {
    /// The tree without entries.
    pub const EMPTY: Self = Self(0);
    /// The largest tree that a log can have.
    #[cfg(feature = "store")]
    pub(crate) const LARGEST: Self = Self(NUMBER_END - 1);

    /// `None` from 2^63 on.
    #[must_use]
    pub const fn new(size: u64) -> Option<Self> {
        if size < NUMBER_END { Some(Self(size)) } else { None }
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place of the last entry; `None` in the empty tree.
    #[must_use]
    pub fn last(self) -> Option<LogPosition> {
        self.0.checked_sub(1).map(LogPosition)
    }

    /// The place that the next entry will get.
    #[must_use]
    pub const fn next_position(self) -> LogPosition {
        LogPosition(self.0)
    }

    /// The tree with `entries` more; `None` past the largest one a log can have.
    #[must_use]
    pub fn checked_add(self, entries: u64) -> Option<Self> {
        self.0.checked_add(entries).and_then(Self::new)
    }

    /// Whether the entry at `position` is in the tree of this size.
    #[must_use]
    pub const fn holds(self, position: LogPosition) -> bool {
        position.0 < self.0
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_below_two_to_the_63() {
        assert!(LogPosition::new(NUMBER_END).is_none());
        assert!(TreeSize::new(NUMBER_END).is_none());
        let last = LogPosition::new(NUMBER_END - 1).unwrap();
        assert_eq!(last.tree_size(), None);
        assert_eq!(last.checked_add(1), None);
        assert_eq!(LogPosition::new(NUMBER_END - 2).unwrap().tree_size(), TreeSize::new(NUMBER_END - 1));
    }

    #[test]
    fn the_empty_tree_has_no_last_position() {
        assert_eq!(TreeSize::EMPTY.last(), None);
        assert_eq!(TreeSize::new(1).unwrap().last(), Some(LogPosition::FIRST));
        assert!(!TreeSize::EMPTY.holds(LogPosition::FIRST));
    }
}
