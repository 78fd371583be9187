//! Numbers that must not be swapped: places on a chain, places in the log

use std::fmt;

/// 0-based place of an event on the chain of its subject.
///
/// Any `u64` can be written in an event; that it is the next one is for admission to say.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChainIndex(u64);

impl ChainIndex {
    /// The index of the event that opens a chain.
    pub const FIRST: Self = Self(0);

    /// The index with this number.
    #[must_use]
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place behind this one; `None` past the last number.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for ChainIndex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// 0-based place of an entry in the log, always below 2^63.
///
/// Source: FORMAT, section 3, "All u64 are below 2^63".
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LogPosition(u64);

impl LogPosition {
    /// The position of the genesis entry.
    pub const FIRST: Self = Self(0);
    /// The last position that a log can have.
    pub const LAST: Self = Self(i64::MAX as u64);

    /// The position with this number; `None` from 2^63.
    #[must_use]
    pub const fn new(position: u64) -> Option<Self> {
        if position <= Self::LAST.0 { Some(Self(position)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position behind this one; `None` past the last one that a log can have.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::new(self.0.checked_add(1)?)
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_end_below_two_to_the_63() {
        assert_eq!(LogPosition::new((1 << 63) - 1), Some(LogPosition::LAST));
        assert_eq!(LogPosition::new(1 << 63), None);
        assert_eq!(LogPosition::LAST.next(), None);
        assert_eq!(LogPosition::FIRST.next(), LogPosition::new(1));
        assert_eq!(ChainIndex::new(u64::MAX).next(), None);
    }
}
