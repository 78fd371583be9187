//! The log's Merkle tree as it grows: the right edge and the recent tiles in memory, the rest in tiles.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::proof::{self, ConsistencyProof, InclusionProof, Nodes, ProofError, TileNodes};
use crate::tile::{ExpandedTile, TileId, TileSource, tile_bytes};
use crate::{LeafHash, LogPosition, NodeHash, RootHash, TreeSize};

/// How many full tiles of level 0 stay in memory beside the one that grows: proofs of the last 4,096 entries copy hashes and read nothing. 16 KiB each.
const RECENT_LEAF_TILES: usize = 16;
/// The same for each level above: one, for the entries just before a boundary.
const RECENT_UPPER_TILES: usize = 1;

/// A tile that was filled and never changes again.
#[derive(Clone, Debug)]
pub struct FullTile {
    id: TileId,
    tile: Arc<ExpandedTile>,
}

impl FullTile {
    /// Which tile.
    #[must_use]
    pub const fn id(&self) -> TileId {
        self.id
    }

    /// Its 8,192 bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        tile_bytes(self.tile.row())
    }
}

/// The tree that the sequencer extends. One owner; everyone else reads a clone of its [`TreeView`].
#[derive(Clone, Debug, Default)]
pub struct Tree {
    view: TreeView,
    /// Completed since [`Tree::take_full_tiles`].
    completed: Vec<FullTile>,
}

/// The tree at one size, immutable and cheap to clone: what readers get while the sequencer appends.
#[derive(Clone, Debug, Default)]
pub struct TreeView {
    size: TreeSize,
    levels: Vec<Level>,
    /// For each complete subtree of the right edge, largest first: the hash over it and all behind it. The first is the root.
    edge: Vec<NodeHash>,
}

#[derive(Clone, Debug)]
struct Level {
    /// The full tiles just before `current`, oldest first.
    recent: VecDeque<Arc<ExpandedTile>>,
    /// Shared with views: appending copies it once after each view, 16 KiB.
    current: Arc<ExpandedTile>,
    current_index: u64,
}

impl Level {
    fn starting_at(current_index: u64, current: ExpandedTile) -> Self {
        Self { recent: VecDeque::new(), current: Arc::new(current), current_index }
    }

    fn tile(&self, index: u64) -> Option<&ExpandedTile> {
        let back = self.current_index.checked_sub(index)?;
        let Some(back) = back.checked_sub(1) else { return Some(&self.current) };
        self.recent.iter().rev().nth(usize::try_from(back).ok()?).map(|tile| &**tile)
    }
}

impl Tree {
    /// The tree without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of `size` entries, its right edge read from `tiles`. Compare the root before trusting it.
    ///
    /// # Errors
    /// [`ProofError::Tile`] if a tile of the edge cannot be had.
    pub fn load(size: TreeSize, tiles: &impl TileSource) -> Result<Self, ProofError> {
        let mut tree = Self::new();
        tree.view.size = size;
        for level in 0..8_u8 {
            let hashes = size.get() >> (8 * level);
            if hashes == 0 {
                break;
            }
            let id = TileId { level, index: hashes / 256 };
            let current = match id.width_at(size) {
                0 => ExpandedTile::new(),
                width => proof::fetch(tiles, id, width)?,
            };
            tree.view.levels.push(Level::starting_at(id.index, current));
        }
        tree.view.fold_edge();
        Ok(tree)
    }

    /// Extends the tree by `leaves`, a batch; false and unchanged if it would pass 2^63 entries.
    #[must_use]
    pub fn append(&mut self, leaves: &[LeafHash]) -> bool {
        let Some(size) = self.view.size.checked_add(leaves.len() as u64) else { return false };
        for leaf in leaves {
            self.push(NodeHash::from(*leaf));
        }
        self.view.size = size;
        self.view.fold_edge();
        true
    }

    fn push(&mut self, leaf: NodeHash) {
        let mut hash = leaf;
        for level in 0..8_u8 {
            if usize::from(level) == self.view.levels.len() {
                self.view.levels.push(Level::starting_at(0, ExpandedTile::new()));
            }
            let Some(at) = self.view.levels.get_mut(usize::from(level)) else { return };
            Arc::make_mut(&mut at.current).push(hash);
            let Some(root) = at.current.node(8, 0) else { return };
            let full = std::mem::replace(&mut at.current, Arc::new(ExpandedTile::new()));
            self.completed.push(FullTile { id: TileId { level, index: at.current_index }, tile: Arc::clone(&full) });
            at.current_index += 1;
            at.recent.push_back(full);
            if at.recent.len() > if level == 0 { RECENT_LEAF_TILES } else { RECENT_UPPER_TILES } {
                at.recent.pop_front();
            }
            hash = root;
        }
    }

    /// The tree as it stands: proofs come from here; clone it to publish it.
    #[must_use]
    pub const fn view(&self) -> &TreeView {
        &self.view
    }

    /// The number of entries.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.view.size
    }

    /// The root at the current size.
    #[must_use]
    pub fn root(&self) -> RootHash {
        self.view.root()
    }

    /// The tiles filled since the last call, in the order in which they were: to be written where [`TileSource`] finds them.
    pub fn take_full_tiles(&mut self) -> Vec<FullTile> {
        std::mem::take(&mut self.completed)
    }
}

impl TreeView {
    /// The number of entries.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// The root at this size.
    #[must_use]
    pub fn root(&self) -> RootHash {
        self.edge.first().map_or_else(RootHash::of_empty, |hash| RootHash::from(*hash))
    }

    /// The root at this or an older size.
    ///
    /// # Errors
    /// [`ProofError::SizeOutOfRange`] for a larger size; [`ProofError::Tile`] if an older tile cannot be had.
    pub fn root_at(&self, size: TreeSize, tiles: &impl TileSource) -> Result<RootHash, ProofError> {
        self.expect_size(size, size)?;
        proof::root_from(size, &mut ViewNodes::new(self, tiles))
    }

    /// Proves that the entry at `position` is in the tree of `size` entries, this or an older one.
    ///
    /// About log2(`size`) copies for the last 4,096 entries under the current size; `tiles` is asked for older ones.
    ///
    /// # Errors
    /// [`ProofError::PositionOutOfRange`], [`ProofError::SizeOutOfRange`]; [`ProofError::Tile`] if a tile cannot be had.
    pub fn inclusion_proof(
        &self,
        position: LogPosition,
        size: TreeSize,
        tiles: &impl TileSource,
    ) -> Result<InclusionProof, ProofError> {
        self.expect_size(size, size)?;
        proof::inclusion_from(position, size, &mut ViewNodes::new(self, tiles))
    }

    /// Proves that the tree of `size` entries, this or an older one, extends the tree of `old` entries.
    ///
    /// # Errors
    /// [`ProofError::SizeOutOfRange`] unless `1 <= old <= size <= self.size()`; [`ProofError::Tile`].
    pub fn consistency_proof(
        &self,
        old: TreeSize,
        size: TreeSize,
        tiles: &impl TileSource,
    ) -> Result<ConsistencyProof, ProofError> {
        self.expect_size(old, size)?;
        proof::consistency_from(old, size, &mut ViewNodes::new(self, tiles))
    }

    /// At least the first `width` hashes of a tile, if it is in memory: every partial tile is, and recent full ones.
    #[must_use]
    pub fn tile(&self, id: TileId, width: usize) -> Option<Vec<NodeHash>> {
        let tile = self.levels.get(usize::from(id.level))?.tile(id.index)?;
        (width <= tile.width()).then(|| tile.row().to_vec())
    }

    fn expect_size(&self, old: TreeSize, size: TreeSize) -> Result<(), ProofError> {
        if size <= self.size { Ok(()) } else { Err(ProofError::SizeOutOfRange { old, size, current: self.size }) }
    }

    /// Folds the complete subtrees of the right edge, once a batch, so that each proof copies the result.
    fn fold_edge(&mut self) {
        let size = self.size.get();
        self.edge.clear();
        let mut behind: Option<NodeHash> = None;
        for height in (0..u64::BITS).filter(|height| size >> height & 1 == 1) {
            let (id, row, within) = TileId::of_node(height, (size >> height) - 1);
            // The edge is always in memory: a complete subtree that ends at `size` lies in a tile that grows.
            let Some(peak) = self.in_memory(id, row, within) else { continue };
            let fold = behind.map_or(peak, |behind| NodeHash::of_children(&peak, &behind));
            self.edge.push(fold);
            behind = Some(fold);
        }
        self.edge.reverse();
    }

    fn in_memory(&self, id: TileId, row: u32, within: usize) -> Option<NodeHash> {
        self.levels.get(usize::from(id.level))?.tile(id.index)?.node(row, within)
    }
}

/// Nodes from memory, or from tiles where memory does not reach.
struct ViewNodes<'a, T> {
    view: &'a TreeView,
    tiles: TileNodes<'a, T>,
}

impl<'a, T: TileSource> ViewNodes<'a, T> {
    const fn new(view: &'a TreeView, tiles: &'a T) -> Self {
        Self { view, tiles: TileNodes::new(view.size, tiles) }
    }
}

impl<T: TileSource> Nodes for ViewNodes<'_, T> {
    fn node(&mut self, height: u32, index: u64) -> Result<NodeHash, ProofError> {
        let (id, row, within) = TileId::of_node(height, index);
        self.view.in_memory(id, row, within).map_or_else(|| self.tiles.node(height, index), Ok)
    }

    fn edge(&self, start: u64, end: u64) -> Option<NodeHash> {
        // Every incomplete range that RFC 6962 cuts from the current tree begins at a subtree of its edge.
        self.view.edge.get(start.count_ones() as usize).filter(|_| end == self.view.size.get()).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::*;
    use crate::tile::{NoTiles, TileError};

    /// Keeps every full tile; partial ones come from the view.
    #[derive(Default)]
    struct Kept(RefCell<HashMap<TileId, Vec<NodeHash>>>);

    impl Kept {
        fn take(&self, tree: &mut Tree) {
            for full in tree.take_full_tiles() {
                let hashes = crate::tile::parse_tile(&full.bytes()).unwrap();
                assert!(self.0.borrow_mut().insert(full.id(), hashes).is_none(), "a tile fills once");
            }
        }
    }

    struct Both<'a>(&'a Kept, &'a TreeView);

    impl TileSource for Both<'_> {
        fn tile(&self, id: TileId, width: usize) -> Result<Vec<NodeHash>, TileError> {
            let kept = self.0.0.borrow().get(&id).cloned();
            kept.or_else(|| self.1.tile(id, width)).ok_or(TileError::Missing { tile: id })
        }
    }

    fn leaf(n: u64) -> LeafHash {
        LeafHash::of(&n.to_be_bytes())
    }

    /// RFC 6962 word for word, over all leaves.
    fn naive_root(leaves: &[LeafHash]) -> NodeHash {
        match leaves {
            [one] => NodeHash::from(*one),
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                NodeHash::of_children(&naive_root(left), &naive_root(right))
            }
        }
    }

    fn size(n: u64) -> TreeSize {
        TreeSize::new(n).unwrap()
    }

    fn position(n: u64) -> LogPosition {
        LogPosition::new(n).unwrap()
    }

    #[test]
    fn empty_tree_has_the_hash_of_nothing() {
        assert_eq!(Tree::new().root(), RootHash::of_empty());
        assert!(Tree::new().view().inclusion_proof(position(0), size(0), &NoTiles).is_err());
        assert!(Tree::new().view().consistency_proof(size(0), size(0), &NoTiles).is_err());
    }

    #[test]
    fn roots_and_proofs_hold_at_every_edge_and_after_loading() {
        let kept = Kept::default();
        let (mut tree, mut leaves, mut roots) = (Tree::new(), Vec::new(), HashMap::new());
        for edge in [1, 2, 3, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 70_000] {
            let batch: Vec<_> = (leaves.len() as u64..edge).map(leaf).collect();
            leaves.extend_from_slice(&batch);
            assert!(tree.append(&batch));
            kept.take(&mut tree);
            assert_eq!(tree.root(), RootHash::from(naive_root(&leaves)), "root of {edge}");
            roots.insert(edge, tree.root());
            let tiles = Both(&kept, tree.view());
            let loaded = Tree::load(size(edge), &tiles).unwrap();
            assert_eq!(loaded.root(), tree.root(), "loaded at {edge}");
            for at in [0, 1, 254, 255, 256, 257, 511, 65_535, edge / 2, edge - 1].into_iter().filter(|at| *at < edge) {
                let proof = tree.view().inclusion_proof(position(at), size(edge), &tiles).unwrap();
                assert_eq!(proof, loaded.view().inclusion_proof(position(at), size(edge), &tiles).unwrap());
                assert_eq!(proof, proof::inclusion_proof(position(at), size(edge), &tiles).unwrap());
                proof.verify(leaf(at), position(at), size(edge), tree.root()).unwrap();
                assert!(proof.verify(leaf(at + 1), position(at), size(edge), tree.root()).is_err());
            }
            for (&old, &old_root) in &roots {
                let proof = tree.view().consistency_proof(size(old), size(edge), &tiles).unwrap();
                proof.verify(size(old), size(edge), old_root, tree.root()).unwrap();
                assert_eq!(tree.view().root_at(size(old), &tiles).unwrap(), old_root);
                let older = tree.view().inclusion_proof(position(old - 1), size(old), &tiles).unwrap();
                older.verify(leaf(old - 1), position(old - 1), size(old), old_root).unwrap();
            }
        }
    }

    #[test]
    fn recent_entries_are_proved_without_a_tile_read() {
        let mut tree = Tree::new();
        assert!(tree.append(&(0..70_000).map(leaf).collect::<Vec<_>>()));
        for at in (70_000 - 4_096)..70_000 {
            let proof = tree.view().inclusion_proof(position(at), tree.size(), &NoTiles).unwrap();
            proof.verify(leaf(at), position(at), tree.size(), tree.root()).unwrap();
        }
    }

    #[test]
    fn a_view_does_not_see_later_entries() {
        let mut tree = Tree::new();
        assert!(tree.append(&[leaf(0), leaf(1)]));
        let (view, root) = (tree.view().clone(), tree.root());
        assert!(tree.append(&(2..600).map(leaf).collect::<Vec<_>>()));
        assert_eq!((view.size(), view.root()), (size(2), root));
        let proof = view.inclusion_proof(position(1), size(2), &NoTiles).unwrap();
        proof.verify(leaf(1), position(1), size(2), root).unwrap();
        assert!(view.inclusion_proof(position(1), size(3), &NoTiles).is_err());
    }
}
