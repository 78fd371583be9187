//! The log on a disk: a directory of segments, each a file of frames, each frame a whole batch.
//!
//! [`Directory`] is the writer's side and has one owner, the sequencer. [`LogReader`] is everybody else's: cloneable,
//! never in the writer's way, and blind to what is not published. [`check`] recomputes everything that can be checked
//! without knowing what an event is, [`export`] writes the layout of C2SP tlog-tiles. All go through [`disk::Disk`], so
//! that a test can cut the power.
//!
//! The server keeps the order of commit: [`Directory::append`] (durable from here) → fence → tree → sign →
//! [`Directory::publish_checkpoint`] (readers see it from here) → answer.

pub mod check;
mod directory;
pub mod disk;
pub mod export;
mod files;
mod frame;
mod paths;
mod reader;
mod recovery;
mod segment;
mod tiles;

pub use directory::{AppendError, Directory, Options, PublishError, open_to_read};
pub use frame::{
    BATCH_ENTRIES_MAX, Batch, BatchError, BatchMark, FRAME_BYTES_MAX, LINKS_MAX, StoredEntry, StoredFrame,
};
pub use reader::{Frames, LogReader, ReadError};
pub use recovery::{CheckpointFile, OpenError, Recovery, TornTail};
pub use tiles::DirectoryTiles;

use crate::LogPosition;

/// A place in the log directory where the bytes are not what they must be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{file}: {what} at byte {byte} (position {position})")]
pub struct Damage {
    /// The file, relative to the log directory, or the segment by its number.
    pub file: String,
    /// Where in the file what is wrong begins.
    pub byte: u64,
    /// The position that is, or should be, there.
    pub position: LogPosition,
    /// What is wrong.
    pub what: Fault,
}

/// What can be wrong with the bytes of the log directory.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A header is not one of this format, or its checksum does not fit.
    #[error("bad {of} header")]
    Header {
        /// Of a segment or a frame.
        of: &'static str,
    },
    /// A record's checksum does not fit its bytes.
    #[error("bad checksum")]
    Checksum,
    /// The file ends too early.
    #[error("file cut short")]
    Cut,
    /// Bytes follow where none should.
    #[error("stray bytes")]
    Stray,
    /// A file is missing.
    #[error("missing file")]
    Missing,
    /// It continues another position than the one before it ends at.
    #[error("begins with position {found}, expected another")]
    Position {
        /// The position it says.
        found: u64,
    },
    /// It continues another frame than the one before it.
    #[error("names another frame as the one before")]
    Previous,
    /// The entries are no batch: a bad header, no heads entry at the end, times that do not rise.
    #[error("no batch: {0}")]
    Batch(BatchError),
    /// The hashes are not those of the entries.
    #[error("hashes differ from those of the entries")]
    Hashes,
    /// The checkpoint is of another tree.
    #[error("checkpoint of size {size} has another root than the entries")]
    Root {
        /// The checkpoint's size.
        size: u64,
    },
    /// The checkpoint is malformed, not signed by the log's key, or of more entries than there are.
    #[error("checkpoint: {why}")]
    Checkpoint {
        /// What is wrong.
        why: String,
    },
}
