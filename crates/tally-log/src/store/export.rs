//! Writing a log as the static files of C2SP tlog-tiles, which tools that nobody here wrote can read.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, read_file};
use super::reader::{LogReader, ReadError};
use super::tiles::DirectoryTiles;
use crate::LogPosition;
use crate::TreeSize;
use crate::checkpoint::{CheckpointError, UnverifiedCheckpoint};
use crate::note::NOTE_BYTES_MAX;
use crate::tile::{BundleError, TILE_WIDTH, TileError, TileId, TileKind, TilePath, TileSource, push_entry, tile_bytes};

/// Why a log could not be exported. What was written so far stays where it is.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The target is there already.
    #[error("{} is there already", path.display())]
    AlreadyThere {
        /// Which.
        path: PathBuf,
    },
    /// The checkpoint is none.
    #[error("the checkpoint cannot be read")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is of more entries than there are.
    #[error("the checkpoint is of {size} entries, the log has {found}")]
    TooLarge {
        /// The checkpoint's size.
        size: TreeSize,
        /// How many there are.
        found: TreeSize,
    },
    /// A tile cannot be had.
    #[error("a tile cannot be had")]
    Tile(#[from] TileError),
    /// An entry cannot be read.
    #[error("an entry cannot be read")]
    Read(#[from] ReadError),
    /// An entry does not fit into a bundle.
    #[error("an entry does not fit into a bundle")]
    Bundle(#[from] BundleError),
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
}

/// Writes checkpoint, hash tiles and entry bundles, partial ones too, of the last checkpoint's size into `out`, which
/// must not exist; gives the size.
///
/// # Errors
/// [`ExportError`].
///
/// Source: C2SP tlog-tiles.
pub fn export(disk: &dyn Disk, log: &LogReader, tiles: &DirectoryTiles, out: &Path) -> Result<TreeSize, ExportError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ExportError::Disk { path, source }
    };
    if disk.open_read(out).is_ok() || !disk.list(out).map_err(failed(out))?.is_empty() {
        return Err(ExportError::AlreadyThere { path: out.to_owned() });
    }
    let path = log.paths().checkpoint();
    let note = read_file(disk, &path, NOTE_BYTES_MAX).map_err(failed(&path))?;
    let size = UnverifiedCheckpoint::parse(&note)?.unverified().size;
    if size > log.size() {
        return Err(ExportError::TooLarge { size, found: log.size() });
    }
    let write = |relative: &str, bytes: &[u8]| {
        let path = out.join(relative);
        let dir = path.parent().map_or(Ok(()), |dir| disk.create_dir(dir));
        dir.and_then(|()| disk.create(&path)).and_then(|file| file.write_at(bytes, 0)).map_err(failed(&path))
    };
    write("checkpoint", &note)?;
    for level in 0..8_u8 {
        let hashes = size.get() >> (8 * u32::from(level));
        if hashes == 0 {
            break;
        }
        for index in 0..hashes.div_ceil(TILE_WIDTH as u64) {
            let id = TileId { level, index };
            let width = id.width_at(size);
            let found = tiles.tile(id, width)?;
            let row = found.get(..width).ok_or(TileError::Short { tile: id })?;
            write(&path_of(TileKind::Hashes { level }, index, width), &tile_bytes(row))?;
        }
    }
    for index in 0..size.get().div_ceil(TILE_WIDTH as u64) {
        let width = TileId { level: 0, index }.width_at(size);
        let first = LogPosition::new(index * TILE_WIDTH as u64).unwrap_or_default();
        let mut bundle = Vec::new();
        for stored in log.read_range(first, width)? {
            push_entry(&mut bundle, &stored.entry)?;
        }
        write(&path_of(TileKind::Entries, index, width), &bundle)?;
    }
    Ok(size)
}

fn path_of(kind: TileKind, index: u64, width: usize) -> String {
    TilePath::new(kind, index, width).map_or_else(String::new, |path| path.to_string())
}
