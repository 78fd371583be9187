//! Where the files of a log directory are.

use std::path::{Path, PathBuf};

use crate::tile::{TILE_WIDTH, TileId, TileKind, TilePath};

/// Where the files of a log are.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    /// `DIR/log`.
    pub(crate) log: PathBuf,
    /// `DIR/torn`.
    pub(crate) torn: PathBuf,
}

impl Paths {
    pub(crate) fn of(log: &Path) -> Self {
        let torn = log.parent().map_or_else(|| PathBuf::from("torn"), |dir| dir.join("torn"));
        Self { log: log.to_owned(), torn }
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.log.join("checkpoint")
    }

    pub(crate) fn segment(&self, ordinal: u64) -> PathBuf {
        self.log.join(segment_name(ordinal))
    }

    /// Below `tile/`; the log directory itself past what tlog-tiles can name, where no file is.
    pub(crate) fn tile(&self, id: TileId) -> PathBuf {
        tile_path(id).map_or_else(|| self.log.clone(), |path| self.log.join(path.to_string()))
    }

    pub(crate) fn sidecar(&self, ordinal: u64) -> PathBuf {
        self.log.join(format!("{ordinal:08}.index"))
    }
}

pub(crate) fn segment_name(ordinal: u64) -> String {
    format!("{ordinal:08}.segment")
}

/// The number in the name of a segment; `None` for any other file.
pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let ordinal = name.strip_suffix(".segment")?.parse().ok()?;
    (segment_name(ordinal) == name).then_some(ordinal)
}

/// The path of a full hash tile below the log directory; `None` past what tlog-tiles can name.
fn tile_path(id: TileId) -> Option<TilePath> {
    TilePath::new(TileKind::Hashes { level: id.level }, id.index, TILE_WIDTH)
}
