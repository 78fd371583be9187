//! Tiles: up to 256 hashes of one level, their paths, and bundles of entries. Source: C2SP tlog-tiles.

use std::fmt;

use crate::entry::ENTRY_BYTES_MAX;
use crate::position::NUMBER_END;
use crate::{NodeHash, TreeSize};

/// How many hashes a full tile holds, and how many entries a full bundle.
pub const TILE_WIDTH: usize = 256;
/// Bytes of a full hash tile.
pub const TILE_BYTES: usize = TILE_WIDTH * 32;
/// C2SP tlog-tiles: a level is a number from 0 to 63. A tree below 2^63 entries has hashes in levels 0 to 7.
const LEVEL_MAX: u8 = 63;

/// Which hash tile: its level (0 holds leaf hashes) and its 0-based place in that level.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TileId {
    /// Tiles of level n hold hashes over 256^n entries each.
    pub level: u8,
    /// The 0-based place in the level.
    pub index: u64,
}

/// Where hashes come from that are not at hand. Need not be trusted: what is made from wrong hashes does not verify.
pub trait TileSource {
    /// At least the first `width` hashes of a tile, `1 <= width <= 256`.
    ///
    /// # Errors
    /// [`TileError`] if the tile is not there, too short, or cannot be read.
    fn tile(&self, id: TileId, width: usize) -> Result<Vec<NodeHash>, TileError>;
}

/// A source without tiles, for trees that are wholly in memory.
#[derive(Clone, Copy, Debug)]
pub struct NoTiles;

impl TileSource for NoTiles {
    fn tile(&self, id: TileId, _width: usize) -> Result<Vec<NodeHash>, TileError> {
        Err(TileError::Missing { tile: id })
    }
}

/// Why a tile cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TileError {
    /// The source has no such tile.
    #[error("tile {tile} is not there")]
    Missing {
        /// Which one.
        tile: TileId,
    },
    /// The source gave fewer hashes than asked for.
    #[error("tile {tile} holds too few hashes")]
    Short {
        /// Which one.
        tile: TileId,
    },
    /// Reading it went wrong.
    #[error("tile {tile} cannot be read")]
    Unreadable {
        /// Which one.
        tile: TileId,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TileId {
    /// The tile with the hash of the subtree over `2^height` entries, the row in it and the place in that row.
    pub(crate) fn of_node(height: u32, index: u64) -> (Self, u32, usize) {
        let (level, row) = (height / 8, height % 8);
        let rows_above = 8 - row;
        let within = usize::try_from(index & ((1 << rows_above) - 1)).unwrap_or(usize::MAX);
        (Self { level: u8::try_from(level).unwrap_or(u8::MAX), index: index >> rows_above }, row, within)
    }

    /// How many hashes the tile has in a tree of `size` entries: 256 if full, 0 if the tree does not reach it.
    #[must_use]
    pub fn width_at(self, size: TreeSize) -> usize {
        let hashes = size.get().checked_shr(8 * u32::from(self.level)).unwrap_or(0);
        let before = self.index.saturating_mul(TILE_WIDTH as u64);
        usize::try_from(hashes.saturating_sub(before)).map_or(TILE_WIDTH, |width| width.min(TILE_WIDTH))
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.level, self.index)
    }
}

/// The hashes of a tile as bytes, 32 each.
#[must_use]
pub fn tile_bytes(hashes: &[NodeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// The hashes of a tile; `None` if `bytes` is no whole number of them, or more than 256, or none.
#[must_use]
pub fn parse_tile(bytes: &[u8]) -> Option<Vec<NodeHash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let fits = rest.is_empty() && (1..=TILE_WIDTH).contains(&hashes.len());
    fits.then(|| hashes.iter().map(|hash| NodeHash::from_bytes(*hash)).collect())
}

/// A tile with all hashes inside it, so that a proof copies and does not compute.
#[derive(Clone)]
pub(crate) struct ExpandedTile {
    width: usize,
    /// Row 0 has 256 hashes, row 1 128, … row 8 one; only what is complete at `width` is meant.
    hashes: Box<[NodeHash]>,
}

impl ExpandedTile {
    pub(crate) fn new() -> Self {
        Self { width: 0, hashes: vec![NodeHash::default(); 2 * TILE_WIDTH - 1].into_boxed_slice() }
    }

    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    const fn slot(row: u32, index: usize) -> usize {
        2 * TILE_WIDTH - ((2 * TILE_WIDTH) >> row) + index
    }

    /// Adds a hash to row 0 and completes what it completes. A full tile takes none.
    pub(crate) fn push(&mut self, hash: NodeHash) {
        if self.is_full() {
            return;
        }
        let (mut row, mut index, mut hash) = (0, self.width, hash);
        self.width += 1;
        loop {
            if let Some(slot) = self.hashes.get_mut(Self::slot(row, index)) {
                *slot = hash;
            }
            let left = index.checked_sub(1).filter(|_| index % 2 == 1);
            let Some(left) = left.and_then(|left| self.hashes.get(Self::slot(row, left))) else { return };
            hash = NodeHash::of_children(left, &hash);
            (row, index) = (row + 1, index / 2);
        }
    }

    /// The hash at `index` of `row`, if it is complete.
    pub(crate) fn node(&self, row: u32, index: usize) -> Option<NodeHash> {
        let complete = row <= 8 && index < self.width >> row;
        self.hashes.get(Self::slot(row, index)).filter(|_| complete).copied()
    }

    /// The hashes of row 0: the tile as others see it.
    pub(crate) fn row(&self) -> &[NodeHash] {
        self.hashes.get(..self.width).unwrap_or_default()
    }
}

impl fmt::Debug for ExpandedTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExpandedTile({})", self.width)
    }
}

/// What lies under a path of tlog-tiles.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TileKind {
    /// Hashes of this level, 0 to 63.
    Hashes {
        /// The level.
        level: u8,
    },
    /// Entries, in bundles.
    Entries,
}

/// The path of a hash tile or entry bundle: `tile/<L>/<N>[.p/<W>]`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: usize,
}

/// Why a path names no tile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path:?} is no path of a tile or entry bundle")]
pub struct TilePathError {
    path: String,
}

impl TilePath {
    /// `None` if the level is above 63, the index not below 2^63, or the width not 1 to 256.
    #[must_use]
    pub fn new(kind: TileKind, index: u64, width: usize) -> Option<Self> {
        let level_fits = match kind {
            TileKind::Hashes { level } => level <= LEVEL_MAX,
            TileKind::Entries => true,
        };
        (level_fits && index < NUMBER_END && (1..=TILE_WIDTH).contains(&width)).then_some(Self { kind, index, width })
    }

    /// Hashes or entries.
    #[must_use]
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// The 0-based place in the level.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries: 256 in a full one.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Parses a path; whatever this does not write is refused, so that one tile has one name.
    ///
    /// # Errors
    /// [`TilePathError`] for everything else.
    pub fn parse(path: &str) -> Result<Self, TilePathError> {
        Self::parse_parts(path)
            .filter(|parsed| parsed.to_string() == path)
            .ok_or_else(|| TilePathError { path: path.chars().take(100).collect() })
    }

    fn parse_parts(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes { level: level.parse().ok()? },
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().ok().filter(|width| *width < TILE_WIDTH)?),
            None => (rest, TILE_WIDTH),
        };
        let mut number: u64 = 0;
        for part in index.split('/') {
            let digits: u64 = part.strip_prefix('x').unwrap_or(part).parse().ok()?;
            number = number.checked_mul(1_000)?.checked_add(digits)?;
        }
        Self::new(kind, number, width)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => write!(f, "tile/entries/")?,
        }
        // C2SP tlog-tiles: three-digit elements, all but the last with an x in front.
        let mut elements = vec![self.index % 1_000];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            elements.push(rest % 1_000);
            rest /= 1_000;
        }
        for (place, element) in elements.iter().enumerate().rev() {
            if place == 0 { write!(f, "{element:03}")? } else { write!(f, "x{element:03}/")? }
        }
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Why entries make no bundle, or bytes are none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BundleError {
    /// An entry is longer than its length prefix can say.
    #[error("entry {place} has {bytes} bytes, at most {ENTRY_BYTES_MAX} fit")]
    EntryTooLong {
        /// The 0-based place in the bundle.
        place: usize,
        /// Its length.
        bytes: usize,
    },
    /// The bytes end inside an entry.
    #[error("the bundle ends inside entry {place} of {width}")]
    Cut {
        /// The 0-based place in the bundle.
        place: usize,
        /// How many entries are due.
        width: usize,
    },
    /// Bytes are left after the last entry.
    #[error("{bytes} bytes follow the last of {width} entries")]
    Trailing {
        /// How many bytes.
        bytes: usize,
        /// How many entries were due.
        width: usize,
    },
}

/// Appends an entry to a bundle: its length as u16, then its bytes.
///
/// # Errors
/// [`BundleError::EntryTooLong`] above 65,535 bytes.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong { place: 0, bytes: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Parses a bundle of exactly `width` entries.
///
/// # Errors
/// [`BundleError`] if there are fewer, or anything is left over.
pub fn parse_bundle(bundle: &[u8], width: usize) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::with_capacity(width.min(TILE_WIDTH));
    let mut rest = bundle;
    for place in 0..width {
        let cut = BundleError::Cut { place, width };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(cut)?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(cut)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::Trailing { bytes: rest.len(), width }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_of_a_tile_follows_the_size() {
        let size = TreeSize::new(70_000).unwrap();
        let width = |level, index| TileId { level, index }.width_at(size);
        assert_eq!((width(0, 272), width(0, 273), width(0, 274)), (256, 112, 0));
        assert_eq!((width(1, 0), width(1, 1), width(1, 2)), (256, 17, 0));
        assert_eq!((width(2, 0), width(3, 0)), (1, 0));
    }

    #[test]
    fn expanded_tile_knows_only_complete_subtrees() {
        let mut tile = ExpandedTile::new();
        (0..5).for_each(|n| tile.push(NodeHash::from_bytes([n; 32])));
        assert!(tile.node(2, 0).is_some());
        assert!(tile.node(2, 1).is_none());
        assert!(tile.node(0, 5).is_none());
        assert!(tile.node(8, 0).is_none());
        (5..=255).for_each(|n| tile.push(NodeHash::from_bytes([n; 32])));
        assert!(tile.is_full() && tile.node(8, 0).is_some());
    }

    #[test]
    fn entry_of_65_535_bytes_fits_a_bundle_and_one_more_does_not() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, &vec![7; 65_535]).unwrap();
        assert_eq!(parse_bundle(&bundle, 1).unwrap(), [vec![7; 65_535]]);
        assert!(push_entry(&mut bundle, &vec![7; 65_536]).is_err());
    }
}
