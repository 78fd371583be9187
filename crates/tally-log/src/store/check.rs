//! Re-reading a whole log directory: every file in it, byte for byte, against what the entries give. Repairs nothing.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::directory::Options;
use super::disk::{Disk, read_file};
use super::frame::StoredFrame;
use super::paths::{Paths, parse_segment_name, segment_name};
use super::recovery::{CheckpointFile, OpenError, inside_a_batch, is_torn, read_checkpoint, segment_ordinals};
use super::segment::{INDEX_BYTES_MAX, SEGMENT_HEADER_BYTES, SegmentHeader, SegmentIndex, scan};
use super::{Damage, Fault};
use crate::checkpoint::Checkpoint;
use crate::position::NUMBER_END;
use crate::tile::{TILE_BYTES, TileId};
use crate::tree::{FullTile, Tree};
use crate::{LeafHash, LogPosition, RootHash, TreeSize};

/// What a log directory was found to be.
#[derive(Clone, Debug)]
pub struct Checked {
    /// How many entries there are in whole batches.
    pub size: TreeSize,
    /// The root over them.
    pub root: RootHash,
    /// The checkpoint file's content, if it is signed by the log's key.
    pub checkpoint: Option<Checkpoint>,
    /// Bytes of an interrupted batch at the end, past everything that was promised: start-up will cut them.
    pub torn_bytes: u64,
    /// Everything that is wrong, the first bad byte first.
    pub damage: Vec<Damage>,
}

/// Reads the whole directory. `visit` gets every batch in order, up to the first bad one.
///
/// `known` are sizes with their roots that the log must extend: of checkpoints that somebody kept.
///
/// # Errors
/// [`OpenError::NotThere`], [`OpenError::Disk`]; damage is no error here.
pub fn check(
    disk: &dyn Disk,
    log: &Path,
    options: &Options,
    known: &[(TreeSize, RootHash)],
    mut visit: impl FnMut(&StoredFrame),
) -> Result<Checked, OpenError> {
    let paths = Paths::of(log);
    let failed = |source| OpenError::Disk { path: log.to_owned(), source };
    let ordinals = segment_ordinals(disk, &paths).map_err(failed)?;
    if ordinals.is_empty() {
        return Err(OpenError::NotThere { path: log.to_owned() });
    }
    let checkpoint = read_checkpoint(disk, &paths, options.log_key.as_ref()).map_err(failed)?;
    let mut known: Vec<(TreeSize, RootHash)> = known.to_vec();
    known.extend(options.fenced);
    if let CheckpointFile::Signed(checkpoint) = &checkpoint {
        known.push((checkpoint.size, checkpoint.root));
    }
    known.sort_unstable();
    let mut walk = Walk {
        disk,
        paths: &paths,
        known: &known,
        tree: Tree::new(),
        index: SegmentIndex::empty(&SegmentHeader { ordinal: 0, first: LogPosition::FIRST, previous: [0; 32] }, None),
        seen: BTreeSet::from([paths.checkpoint()]),
        damage: Vec::new(),
        torn_bytes: 0,
    };
    walk.segments(&ordinals, &mut visit).map_err(failed)?;
    walk.promises(&checkpoint);
    walk.strays(&paths.log).map_err(failed)?;
    let Walk { tree, damage, torn_bytes, .. } = walk;
    let checkpoint = match checkpoint {
        CheckpointFile::Signed(checkpoint) => Some(checkpoint),
        CheckpointFile::Missing | CheckpointFile::Unreadable { .. } => None,
    };
    Ok(Checked { size: tree.size(), root: tree.root(), checkpoint, torn_bytes, damage })
}

struct Walk<'a> {
    disk: &'a dyn Disk,
    paths: &'a Paths,
    /// Sizes and roots that must hold, in order of size.
    known: &'a [(TreeSize, RootHash)],
    tree: Tree,
    index: SegmentIndex,
    /// Files that belong here.
    seen: BTreeSet<PathBuf>,
    damage: Vec<Damage>,
    torn_bytes: u64,
}

impl Walk<'_> {
    fn found(&mut self, file: &Path, byte: u64, position: LogPosition, what: Fault) {
        let file = file.strip_prefix(&self.paths.log).unwrap_or(file).to_string_lossy().into_owned();
        self.damage.push(Damage { file, byte, position, what });
    }

    fn segments(&mut self, ordinals: &[u64], visit: &mut impl FnMut(&StoredFrame)) -> io::Result<()> {
        let last = ordinals.last().copied().unwrap_or_default();
        // All of them are ours, those too that nothing can be said of behind a bad frame.
        self.seen.extend(ordinals.iter().flat_map(|n| [self.paths.segment(*n), self.paths.sidecar(*n)]));
        for (expected, ordinal) in (0..).zip(ordinals.iter().copied()) {
            let next = self.index.next;
            if ordinal != expected {
                self.found(&self.paths.segment(expected), 0, next, Fault::Missing);
                self.seen.insert(self.paths.sidecar(expected));
                return Ok(());
            }
            if !self.segment(ordinal, ordinal == last, visit)? {
                // Nothing behind a bad frame can be judged: its entries have no known place in the tree.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Checks one segment; `false` if the walk cannot go on behind it.
    fn segment(&mut self, ordinal: u64, is_last: bool, visit: &mut impl FnMut(&StoredFrame)) -> io::Result<bool> {
        let path = self.paths.segment(ordinal);
        let file = self.disk.open_read(&path)?;
        let (length, next) = (file.length_bytes()?, self.index.next);
        let promised = self.promised();
        let Some(header) = SegmentHeader::read(file.as_ref())? else {
            if is_last && ordinal > 0 && length <= SEGMENT_HEADER_BYTES as u64 && !promised.holds(next) {
                self.torn_bytes = length;
                return Ok(true);
            }
            self.found(&path, 0, next, Fault::Header { of: "segment" });
            return Ok(false);
        };
        if header.ordinal != ordinal {
            self.found(&path, 0, next, Fault::Header { of: "segment" });
            return Ok(false);
        }
        if header.first != next {
            self.found(&path, 0, next, Fault::Position { found: header.first.get() });
            return Ok(false);
        }
        if header.previous != self.index.last_frame {
            self.found(&path, 0, next, Fault::Previous);
            return Ok(false);
        }
        let mut index = SegmentIndex::empty(&header, self.index.recorded_at);
        let (mut full, mut wrong, mut inside) = (Vec::new(), Vec::new(), Vec::new());
        let (tree, known) = (&mut self.tree, self.known);
        let bad = scan(file.as_ref(), &segment_name(ordinal), length, &mut index, |read| {
            let leaves: Vec<_> = read.frame.entries.iter().map(|stored| LeafHash::of(&stored.entry)).collect();
            let before = tree.size();
            grow(tree, &leaves, known, &mut wrong);
            let is_inside = |size: &&TreeSize| before < **size && **size < tree.size();
            inside.extend(known.iter().map(|(size, _)| size).filter(is_inside).copied());
            full.extend(tree.take_full_tiles());
            visit(&read.frame);
        })?;
        for tile in &full {
            self.tile(tile)?;
        }
        let inside = inside.into_iter().map(|size| (size, inside_a_batch(size)));
        for (size, fault) in wrong.into_iter().map(|size| (size, Fault::Root { size: size.get() })).chain(inside) {
            self.found(Path::new("checkpoint"), 0, size.last().unwrap_or_default(), fault);
        }
        self.index = index;
        if let Some(bad) = bad {
            if is_last && is_torn(&bad, file.as_ref(), &self.index, length, promised)? {
                self.torn_bytes = length - self.index.end;
                return Ok(true);
            }
            self.damage.push(bad);
            return Ok(false);
        }
        self.sidecar(ordinal, is_last)?;
        Ok(true)
    }

    /// The index beside a closed segment: it may be missing, but not wrong.
    fn sidecar(&mut self, ordinal: u64, is_last: bool) -> io::Result<()> {
        let path = self.paths.sidecar(ordinal);
        let bytes = match read_file(self.disk, &path, INDEX_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Longer than any of ours.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Vec::new(),
            other => other?,
        };
        let due = self.index.encode(ordinal);
        if bytes != due && !is_last {
            let byte = first_difference(&bytes, &due);
            self.found(&path, byte, self.index.next, Fault::Hashes);
        }
        Ok(())
    }

    /// A full tile: it may be missing, but not wrong.
    fn tile(&mut self, tile: &FullTile) -> io::Result<()> {
        let path = self.paths.tile(tile.id());
        self.seen.insert(path.clone());
        let bytes = match read_file(self.disk, &path, TILE_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Vec::new(),
            other => other?,
        };
        let due = tile.bytes();
        if bytes != due {
            let byte = first_difference(&bytes, &due);
            self.found(&path, byte, position_under(tile.id(), byte), Fault::Hashes);
        }
        Ok(())
    }

    /// The largest size that a checkpoint or the fence has promised.
    fn promised(&self) -> TreeSize {
        self.known.last().map_or(TreeSize::EMPTY, |(size, _)| *size)
    }

    /// Everything that was promised must be there.
    fn promises(&mut self, checkpoint: &CheckpointFile) {
        let (size, next) = (self.tree.size(), self.index.next);
        let path = self.paths.checkpoint();
        if let CheckpointFile::Unreadable { why } = checkpoint {
            self.found(&path, 0, next, Fault::Checkpoint { why: why.clone() });
        }
        // Of damage before the end, the cause is named already.
        if self.damage.is_empty()
            && let Some((promised, _)) = self.known.iter().find(|(promised, _)| *promised > size)
        {
            let why = format!("{promised} entries were signed for, but the log has {size}");
            self.found(&path, 0, next, Fault::Checkpoint { why });
        }
    }

    /// Files that nobody wrote. What an interrupted replacement left behind is none.
    fn strays(&mut self, dir: &Path) -> io::Result<()> {
        let names = self.disk.list(dir)?;
        for name in names {
            let path = dir.join(&name);
            let is_ours = self.seen.contains(&path) || name.ends_with(".tmp");
            let is_tile_dir = path.starts_with(self.paths.log.join("tile")) || name == "tile";
            if is_ours {
                continue;
            }
            if is_tile_dir
                && self.disk.open_read(&path).and_then(|file| file.read_at(&mut [0], 0)).is_err_and(is_directory)
            {
                self.strays(&path)?;
            } else if self.damage.is_empty() || (parse_segment_name(&name).is_none() && !is_tile_dir) {
                // Behind damage the tree ends early, and the tiles past it are nobody's.
                self.found(&path, 0, self.index.next, Fault::Stray);
            }
        }
        Ok(())
    }
}

/// What a name that was listed and cannot be read says of itself: some disks open a directory, others do not.
fn is_directory(error: io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::NotFound)
}

/// Appends a batch, stopping at each size whose root is known.
fn grow(tree: &mut Tree, leaves: &[LeafHash], known: &[(TreeSize, RootHash)], wrong: &mut Vec<TreeSize>) {
    let mut rest = leaves;
    let before = tree.size().get();
    let after = before.saturating_add(leaves.len() as u64);
    for (size, root) in known.iter().filter(|(size, _)| size.get() > before && size.get() <= after) {
        let due = usize::try_from(size.get() - tree.size().get()).unwrap_or_default();
        let (now, later) = rest.split_at_checked(due).unwrap_or((rest, &[]));
        // A batch never passes 2^63 entries: its frame was parsed.
        let grown = tree.append(now);
        rest = later;
        if !grown || tree.root() != *root {
            wrong.push(*size);
        }
    }
    let _grown = tree.append(rest);
}

fn first_difference(found: &[u8], due: &[u8]) -> u64 {
    let same = found.iter().zip(due).take_while(|(a, b)| a == b).count();
    same as u64
}

/// The first entry under the hash at `byte` of a tile.
fn position_under(id: TileId, byte: u64) -> LogPosition {
    let hash = id.index.saturating_mul(256).saturating_add(byte / 32);
    let first = hash.checked_mul(1_u64.checked_shl(8 * u32::from(id.level)).unwrap_or(NUMBER_END));
    first.and_then(LogPosition::new).unwrap_or_default()
}
