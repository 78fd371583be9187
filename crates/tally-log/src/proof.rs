//! Inclusion and consistency proofs: making them from nodes of the tree, and verifying them.
//!
//! Source: RFC 6962, section 2.1; RFC 9162, section 2.1.3.2 and 2.1.4.2 for verification.

use std::collections::VecDeque;

use crate::tile::{ExpandedTile, TileError, TileId, TileSource};
use crate::{LeafHash, LogPosition, NodeHash, RootHash, TreeSize};

/// Proves that one leaf is in the tree of one size: sibling hashes from the leaf upwards.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InclusionProof(Vec<NodeHash>);

/// Proves that the tree of one size extends the tree of a smaller one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConsistencyProof(Vec<NodeHash>);

/// Why a proof could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// No such entry in a tree of that size.
    #[error("position {position} is not in a tree of {size} entries")]
    PositionOutOfRange {
        /// The position asked for.
        position: LogPosition,
        /// The tree asked for.
        size: TreeSize,
    },
    /// No such tree yet, or nothing to be consistent with.
    #[error("no proof from size {old} to {size}: sizes rise from 1 to {current}")]
    SizeOutOfRange {
        /// The smaller size asked for.
        old: TreeSize,
        /// The larger size asked for.
        size: TreeSize,
        /// The largest size there is.
        current: TreeSize,
    },
    /// A tile that the proof needs cannot be had.
    #[error("a tile for the proof cannot be had")]
    Tile(#[from] TileError),
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VerifyError {
    /// The position is not in a tree of that size.
    #[error("position {position} is not in a tree of {size} entries")]
    PositionOutOfRange {
        /// The position claimed.
        position: LogPosition,
        /// The size claimed.
        size: TreeSize,
    },
    /// A consistency proof starts at 1 at least and goes up.
    #[error("no tree of {size} entries extends one of {old}")]
    SizesOutOfRange {
        /// The smaller size claimed.
        old: TreeSize,
        /// The larger size claimed.
        size: TreeSize,
    },
    /// A proof for these numbers has exactly `expected` hashes.
    #[error("the proof has {found} hashes, one for these sizes has {expected}")]
    WrongLength {
        /// How many a proof for these numbers has.
        expected: usize,
        /// How many this one has.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to root {found}, not {expected}")]
    RootDiffers {
        /// The root claimed.
        expected: RootHash,
        /// The root that the proof leads to.
        found: RootHash,
    },
}

impl InclusionProof {
    /// Takes the hashes as they came, from the leaf's sibling upwards.
    #[must_use]
    pub const fn from_hashes(hashes: Vec<NodeHash>) -> Self {
        Self(hashes)
    }

    /// The hashes, from the leaf's sibling upwards.
    #[must_use]
    pub fn hashes(&self) -> &[NodeHash] {
        &self.0
    }

    /// Verifies that `leaf` stands at `position` in the tree of `size` entries with this `root`.
    ///
    /// # Errors
    /// [`VerifyError`] says what does not fit.
    pub fn verify(
        &self,
        leaf: LeafHash,
        position: LogPosition,
        size: TreeSize,
        root: RootHash,
    ) -> Result<(), VerifyError> {
        let Some(last) = size.last().filter(|_| size.holds(position)) else {
            return Err(VerifyError::PositionOutOfRange { position, size });
        };
        // Below the height where position and last entry part, siblings lie on either side; above, only to the left.
        let index = position.get();
        let inner = u64::BITS - (index ^ last.get()).leading_zeros();
        let border = index.checked_shr(inner).unwrap_or(0).count_ones();
        expect_length(self.0.len(), inner + border)?;
        let mut hash = NodeHash::from(leaf);
        for (height, sibling) in self.0.iter().enumerate() {
            let left = height >= inner as usize || index >> height & 1 == 1;
            hash = if left { NodeHash::of_children(sibling, &hash) } else { NodeHash::of_children(&hash, sibling) };
        }
        expect_root(root, hash)
    }
}

impl ConsistencyProof {
    /// Takes the hashes as they came, in the order of RFC 6962.
    #[must_use]
    pub const fn from_hashes(hashes: Vec<NodeHash>) -> Self {
        Self(hashes)
    }

    /// The hashes, in the order of RFC 6962.
    #[must_use]
    pub fn hashes(&self) -> &[NodeHash] {
        &self.0
    }

    /// Verifies that the tree of `size` entries with `root` extends the tree of `old` entries with `old_root`.
    ///
    /// # Errors
    /// [`VerifyError`] says what does not fit. `old` = 0 is refused: every tree extends the empty one.
    pub fn verify(&self, old: TreeSize, size: TreeSize, old_root: RootHash, root: RootHash) -> Result<(), VerifyError> {
        let (Some(old_last), Some(last)) = (old.last(), size.last().filter(|_| old <= size)) else {
            return Err(VerifyError::SizesOutOfRange { old, size });
        };
        if old == size {
            expect_length(self.0.len(), 0)?;
            return if old_root == root {
                Ok(())
            } else {
                Err(VerifyError::RootDiffers { expected: root, found: old_root })
            };
        }
        // The path of the old tree's last complete subtree, which both roots are folded from.
        let shift = old.get().trailing_zeros();
        let index = old_last.get() >> shift;
        let inner = u64::BITS - (old_last.get() ^ last.get()).leading_zeros() - shift;
        let border = index.checked_shr(inner).unwrap_or(0).count_ones();
        // A complete old tree is its own first hash and is not repeated in the proof.
        let whole = old.get().is_power_of_two();
        expect_length(self.0.len(), inner + border + u32::from(!whole))?;
        let (seed, path) = match self.0.split_first() {
            Some((seed, path)) if !whole => (*seed, path),
            _ => (NodeHash::from_bytes(*old_root.as_bytes()), self.0.as_slice()),
        };
        let (mut old_hash, mut hash) = (seed, seed);
        for (height, sibling) in path.iter().enumerate() {
            if height >= inner as usize || index >> height & 1 == 1 {
                old_hash = NodeHash::of_children(sibling, &old_hash);
                hash = NodeHash::of_children(sibling, &hash);
            } else {
                hash = NodeHash::of_children(&hash, sibling);
            }
        }
        expect_root(old_root, old_hash)?;
        expect_root(root, hash)
    }
}

fn expect_length(found: usize, expected: u32) -> Result<(), VerifyError> {
    let expected = expected as usize;
    if found == expected { Ok(()) } else { Err(VerifyError::WrongLength { expected, found }) }
}

fn expect_root(expected: RootHash, found: NodeHash) -> Result<(), VerifyError> {
    let found = RootHash::from(found);
    if found == expected { Ok(()) } else { Err(VerifyError::RootDiffers { expected, found }) }
}

/// Proves that the entry at `position` is in the tree of `size` entries.
///
/// Reads O(log `size`) tiles; `tiles` need not be trusted, for a wrong tile gives a proof that does not verify.
///
/// # Errors
/// [`ProofError::PositionOutOfRange`] if `position >= size`; [`ProofError::Tile`] if a tile cannot be had.
///
/// Source: RFC 6962, section 2.1.1.
pub fn inclusion_proof(
    position: LogPosition,
    size: TreeSize,
    tiles: &impl TileSource,
) -> Result<InclusionProof, ProofError> {
    inclusion_from(position, size, &mut TileNodes::new(size, tiles))
}

/// Proves that the tree of `size` entries extends the tree of `old` entries.
///
/// # Errors
/// [`ProofError::SizeOutOfRange`] unless `1 <= old <= size`; [`ProofError::Tile`] if a tile cannot be had.
///
/// Source: RFC 6962, section 2.1.2.
pub fn consistency_proof(
    old: TreeSize,
    size: TreeSize,
    tiles: &impl TileSource,
) -> Result<ConsistencyProof, ProofError> {
    consistency_from(old, size, &mut TileNodes::new(size, tiles))
}

/// The root of the tree of `size` entries.
///
/// # Errors
/// [`ProofError::Tile`] if a tile cannot be had.
pub fn root(size: TreeSize, tiles: &impl TileSource) -> Result<RootHash, ProofError> {
    root_from(size, &mut TileNodes::new(size, tiles))
}

/// Where proofs find the hashes of complete subtrees.
pub(crate) trait Nodes {
    /// The hash of the subtree over the `2^height` entries from `index * 2^height` on.
    fn node(&mut self, height: u32, index: u64) -> Result<NodeHash, ProofError>;

    /// The hash over `start..end` where it is at hand although the subtree is not complete.
    fn edge(&self, _start: u64, _end: u64) -> Option<NodeHash> {
        None
    }
}

pub(crate) fn inclusion_from(
    position: LogPosition,
    size: TreeSize,
    nodes: &mut impl Nodes,
) -> Result<InclusionProof, ProofError> {
    if !size.holds(position) {
        return Err(ProofError::PositionOutOfRange { position, size });
    }
    let target = position.get();
    let (mut start, mut end) = (0, size.get());
    let mut hashes = Vec::with_capacity(64 - size.get().leading_zeros() as usize);
    while end - start > 1 {
        let middle = start + split(end - start);
        if target < middle {
            hashes.push(range_hash(middle, end, nodes)?);
            end = middle;
        } else {
            hashes.push(range_hash(start, middle, nodes)?);
            start = middle;
        }
    }
    hashes.reverse();
    Ok(InclusionProof(hashes))
}

pub(crate) fn consistency_from(
    old: TreeSize,
    size: TreeSize,
    nodes: &mut impl Nodes,
) -> Result<ConsistencyProof, ProofError> {
    if old == TreeSize::EMPTY || old > size {
        return Err(ProofError::SizeOutOfRange { old, size, current: size });
    }
    let target = old.get();
    let (mut start, mut end) = (0, size.get());
    let mut hashes = Vec::new();
    while target != end {
        let middle = start + split(end - start);
        if target <= middle {
            hashes.push(range_hash(middle, end, nodes)?);
            end = middle;
        } else {
            hashes.push(range_hash(start, middle, nodes)?);
            start = middle;
        }
    }
    // A subtree that is the whole old tree is known to the verifier as its root.
    if start != 0 {
        hashes.push(range_hash(start, end, nodes)?);
    }
    hashes.reverse();
    Ok(ConsistencyProof(hashes))
}

pub(crate) fn root_from(size: TreeSize, nodes: &mut impl Nodes) -> Result<RootHash, ProofError> {
    if size == TreeSize::EMPTY {
        return Ok(RootHash::of_empty());
    }
    range_hash(0, size.get(), nodes).map(RootHash::from)
}

/// The hash over `start..end`, a range as RFC 6962 cuts them: its left part is always complete and aligned.
fn range_hash(start: u64, end: u64, nodes: &mut impl Nodes) -> Result<NodeHash, ProofError> {
    let length = end - start;
    if length.is_power_of_two() {
        let height = length.trailing_zeros();
        return nodes.node(height, start >> height);
    }
    if let Some(hash) = nodes.edge(start, end) {
        return Ok(hash);
    }
    let middle = start + split(length);
    let left = range_hash(start, middle, nodes)?;
    let right = range_hash(middle, end, nodes)?;
    Ok(NodeHash::of_children(&left, &right))
}

/// The largest power of two below `length`, which is at least 2.
const fn split(length: u64) -> u64 {
    1 << (u64::BITS - 1 - (length - 1).leading_zeros())
}

/// How many tiles a proof keeps at hand while it is made: one a level, for either side of a range.
const TILES_HELD: usize = 16;

/// Nodes computed from tiles, each fetched and expanded once a proof.
pub(crate) struct TileNodes<'a, T> {
    size: TreeSize,
    tiles: &'a T,
    held: VecDeque<(TileId, ExpandedTile)>,
}

impl<'a, T: TileSource> TileNodes<'a, T> {
    pub(crate) const fn new(size: TreeSize, tiles: &'a T) -> Self {
        Self { size, tiles, held: VecDeque::new() }
    }
}

impl<T: TileSource> Nodes for TileNodes<'_, T> {
    fn node(&mut self, height: u32, index: u64) -> Result<NodeHash, ProofError> {
        let (id, row, within) = TileId::of_node(height, index);
        if let Some((_, tile)) = self.held.iter().find(|(held, _)| *held == id)
            && let Some(hash) = tile.node(row, within)
        {
            return Ok(hash);
        }
        let tile = fetch(self.tiles, id, id.width_at(self.size))?;
        let hash = tile.node(row, within).ok_or(TileError::Short { tile: id })?;
        if self.held.len() == TILES_HELD {
            self.held.pop_front();
        }
        self.held.push_back((id, tile));
        Ok(hash)
    }
}

/// Fetches a tile and computes its inner hashes.
pub(crate) fn fetch(tiles: &impl TileSource, id: TileId, width: usize) -> Result<ExpandedTile, TileError> {
    let hashes = tiles.tile(id, width)?;
    let wanted = hashes.get(..width).ok_or(TileError::Short { tile: id })?;
    let mut tile = ExpandedTile::new();
    wanted.iter().for_each(|hash| tile.push(*hash));
    Ok(tile)
}
