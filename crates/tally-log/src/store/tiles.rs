//! Hash tiles of a log directory: full ones are files, the rest follows from the entries.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, read_file, replace_file, replace_file_durably};
use super::reader::LogReader;
use crate::tile::{TILE_BYTES, TILE_WIDTH, TileError, TileId, TileSource, parse_tile, tile_bytes};
use crate::{LeafHash, LogPosition, NodeHash, TreeSize};

/// The tiles of a log directory, for proofs that reach further back than memory does. Cheap to clone.
///
/// A tile whose file is missing is computed from the entries: that costs time, never a proof.
#[derive(Clone, Debug)]
pub struct DirectoryTiles {
    log: LogReader,
    /// The files of tiles that were full at this size are whole. A later one is not synced: before it is written again,
    /// a power cut may have left it torn, and its hashes come from the entries.
    whole_at: TreeSize,
}

impl DirectoryTiles {
    /// While the writer runs: what it wrote, or wrote again when it opened the log, is read back as it was.
    pub(crate) const fn new(log: LogReader) -> Self {
        Self::whole_at(log, TreeSize::LARGEST)
    }

    /// Before the writer has written the tiles of the last segment again, which begins at size `whole_at`.
    pub(crate) const fn whole_at(log: LogReader, whole_at: TreeSize) -> Self {
        Self { log, whole_at }
    }

    pub(crate) const fn log(&self) -> &LogReader {
        &self.log
    }

    /// The hashes of a tile, computed from the entries below it.
    pub(crate) fn compute(&self, id: TileId, width: usize) -> Result<Vec<NodeHash>, TileError> {
        let unreadable = |source| TileError::Unreadable { tile: id, source };
        let first = id.index.checked_mul(TILE_WIDTH as u64).ok_or(TileError::Missing { tile: id })?;
        let Some(below) = id.level.checked_sub(1) else {
            let from = LogPosition::new(first).ok_or(TileError::Missing { tile: id })?;
            let entries = self.log.read_range(from, width).map_err(|error| unreadable(Box::new(error)))?;
            return Ok(entries.iter().map(|stored| NodeHash::from(LeafHash::of(&stored.entry))).collect());
        };
        let mut hashes = Vec::with_capacity(width);
        for index in first..first.saturating_add(width as u64) {
            let tile = crate::proof::fetch(self, TileId { level: below, index }, TILE_WIDTH)?;
            hashes.push(tile.node(8, 0).ok_or(TileError::Short { tile: id })?);
        }
        Ok(hashes)
    }

    /// Writes the full tiles of a tree of `size` entries whose files are missing; gives how many those were.
    pub(crate) fn complete(&self, size: TreeSize) -> Result<u64, TileError> {
        let mut written = 0;
        for level in 0..8_u8 {
            let full = size.get() >> (8 * (u32::from(level) + 1));
            if full == 0 {
                break;
            }
            for id in (0..full).map(|index| TileId { level, index }) {
                let path = self.path(id);
                let unreadable = |source: io::Error| TileError::Unreadable { tile: id, source: Box::new(source) };
                match self.log.disk().open_read(&path) {
                    Ok(_) => continue,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(unreadable(error)),
                }
                let hashes = self.compute(id, TILE_WIDTH)?;
                // Durably: what lies before the last segment is not looked at again.
                write_tile_durably(self.log.disk(), &self.log.paths().log, &path, &tile_bytes(&hashes))
                    .map_err(unreadable)?;
                written += 1;
            }
        }
        Ok(written)
    }

    pub(crate) fn path(&self, id: TileId) -> PathBuf {
        self.log.paths().tile(id)
    }
}

impl TileSource for DirectoryTiles {
    fn tile(&self, id: TileId, width: usize) -> Result<Vec<NodeHash>, TileError> {
        let is_whole = id.width_at(self.whole_at) == TILE_WIDTH;
        let file = is_whole.then(|| read_file(self.log.disk(), &self.path(id), TILE_BYTES).ok()).flatten();
        match file.and_then(|bytes| parse_tile(&bytes)) {
            Some(hashes) if hashes.len() == TILE_WIDTH => Ok(hashes),
            Some(_) | None => self.compute(id, width),
        }
    }
}

/// Puts a tile's file in its place. Not synced: what a power cut takes is computed again.
pub(crate) fn write_tile(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_parent(disk, path)?;
    replace_file(disk, path, bytes)
}

/// The same, and durable with all directories below the log's.
fn write_tile_durably(disk: &dyn Disk, log: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_parent(disk, path)?;
    replace_file_durably(disk, path, bytes)?;
    path.ancestors().skip(2).take_while(|dir| dir.starts_with(log)).try_for_each(|dir| disk.sync_dir(dir))
}

fn create_parent(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| disk.create_dir(dir))
}
