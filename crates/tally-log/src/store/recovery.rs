//! What a log directory holds after whatever happened: every segment scanned or known by its index, a torn tail cut.
//!
//! Only the last frame may be cut, for each frame is durable before the next is written; and never one that a fence or
//! a checkpoint covers, for that one was promised.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use super::directory::Options;
use super::disk::{Disk, DiskFile, read_file};
use super::frame::{FRAME_HEADER_BYTES, FrameHeader};
use super::paths::{Paths, parse_segment_name, segment_name};
use super::reader::{LogReader, ReadError, Segment};
use super::segment::{INDEX_BYTES_MAX, SEGMENT_HEADER_BYTES, SegmentHeader, SegmentIndex, scan};
use super::tiles::DirectoryTiles;
use super::{Damage, Fault};
use crate::checkpoint::{Checkpoint, Origin, UnverifiedCheckpoint};
use crate::entry::HeadsEntry;
use crate::note::{NOTE_BYTES_MAX, VerifierKey};
use crate::proof::ProofError;
use crate::tile::TileError;
use crate::tree::Tree;
use crate::{LeafHash, LogPosition, RootHash, TreeSize};

/// Why a log could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No segment is there.
    #[error("there is no log in {}", path.display())]
    NotThere {
        /// Where.
        path: PathBuf,
    },
    /// A log is there already.
    #[error("there is a log in {} already", path.display())]
    AlreadyThere {
        /// Where.
        path: PathBuf,
    },
    /// Bytes are not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The log is older than its fence: it was restored from an old copy, or another server went on.
    #[error("ROLLED_BACK: the log has {size} entries, its fence says that {fenced} were sealed")]
    RolledBack {
        /// How many entries there are.
        size: TreeSize,
        /// How many the fence knows of.
        fenced: TreeSize,
    },
    /// The log is not the one that its fence knows.
    #[error("ROLLED_BACK: the log has another root at size {size} than its fence says")]
    OtherRoot {
        /// The fence's size.
        size: TreeSize,
    },
    /// The tree could not be rebuilt.
    #[error("the tree could not be read")]
    Tiles(#[source] ProofError),
    /// The disk gave an error.
    #[error("{}", path.display())]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    /// Where an entry under the tree is damaged, that is named.
    pub(super) fn of_tree(error: ProofError) -> Self {
        if let ProofError::Tile(TileError::Unreadable { source, .. }) = &error
            && let Some(ReadError::Damaged(damage)) = source.downcast_ref()
        {
            return Self::Damaged(damage.clone());
        }
        Self::Tiles(error)
    }
}

/// Bytes that were cut from the end of the log, because a write had been interrupted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TornTail {
    /// The segment's file.
    pub segment: String,
    /// Where it was cut.
    pub byte: u64,
    /// How many bytes were cut.
    pub bytes: u64,
    /// The position that the next batch gets.
    pub position: LogPosition,
    /// What was wrong with them.
    pub why: Fault,
    /// Where they lie now.
    pub kept_in: PathBuf,
}

/// What the checkpoint file was found to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CheckpointFile {
    /// There is none, or nobody asked.
    Missing,
    /// It is no checkpoint of this log: it is replaced, not synced, so a power cut may leave anything.
    Unreadable {
        /// What is wrong with it.
        why: String,
    },
    /// Signed by the log's key.
    Signed(Checkpoint),
}

/// What opening a log found and did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovery {
    /// What was cut, if anything.
    pub torn: Option<TornTail>,
    /// The checkpoint file as it was.
    pub checkpoint: CheckpointFile,
    /// How many tile files were missing and are written again.
    pub tiles_written: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, byte, bytes, position, why, kept_in } = self;
        write!(
            f,
            "{segment}: {bytes} bytes of an interrupted batch were cut at byte {byte} (position {position}, {why})"
        )?;
        write!(f, "; they were never acknowledged, and are kept in {}", kept_in.display())
    }
}

impl CheckpointFile {
    /// The size that was signed.
    #[must_use]
    pub const fn size(&self) -> Option<TreeSize> {
        match self {
            Self::Signed(checkpoint) => Some(checkpoint.size),
            Self::Missing | Self::Unreadable { .. } => None,
        }
    }
}

impl Recovery {
    /// What an operator should know, a sentence each; nothing after a clean stop.
    pub fn describe(&self) -> impl Iterator<Item = String> {
        let torn = self.torn.as_ref().map(ToString::to_string);
        let checkpoint = match &self.checkpoint {
            CheckpointFile::Unreadable { why } => {
                Some(format!("the checkpoint file was not readable and is written anew: {why}"))
            }
            CheckpointFile::Missing | CheckpointFile::Signed(_) => None,
        };
        let tiles =
            (self.tiles_written > 0).then(|| format!("{} missing tiles were written again", self.tiles_written));
        torn.into_iter().chain(checkpoint).chain(tiles)
    }
}

/// What to do with an interrupted batch at the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tail {
    /// Keep a copy and cut it: who sequences next.
    Cut,
    /// Leave it where it is and do not see it: who only reads.
    Leave,
}

/// Everything that was found.
pub(super) struct Scanned {
    pub(super) segments: Vec<Segment>,
    /// The leaf hashes of the last segment.
    pub(super) leaves: Vec<LeafHash>,
    pub(super) size: TreeSize,
    pub(super) torn: Option<TornTail>,
    pub(super) checkpoint: CheckpointFile,
}

/// The numbers of the segments that are there, in order.
pub(super) fn segment_ordinals(disk: &dyn Disk, paths: &Paths) -> io::Result<Vec<u64>> {
    Ok(disk.list(&paths.log)?.iter().filter_map(|name| parse_segment_name(name)).collect())
}

/// Reads the checkpoint file against the log's key.
pub(super) fn read_checkpoint(disk: &dyn Disk, paths: &Paths, key: Option<&VerifierKey>) -> io::Result<CheckpointFile> {
    let Some(key) = key else { return Ok(CheckpointFile::Missing) };
    let note = match read_file(disk, &paths.checkpoint(), NOTE_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(CheckpointFile::Missing),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Ok(CheckpointFile::Unreadable { why: error.to_string() });
        }
        other => other?,
    };
    let verified = Origin::parse(key.name()).and_then(|origin| {
        let parsed = UnverifiedCheckpoint::parse(&note)?;
        parsed.verify(&origin, key).cloned().map(|checkpoint| (checkpoint, parsed.extension_lines().is_empty()))
    });
    Ok(match verified {
        Ok((checkpoint, true)) if checkpoint.size != TreeSize::EMPTY => CheckpointFile::Signed(checkpoint),
        Ok((_, true)) => CheckpointFile::Unreadable { why: "it is of size 0, which a log never signs".to_owned() },
        Ok((_, false)) => CheckpointFile::Unreadable { why: "it has extension lines".to_owned() },
        Err(error) => {
            let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            CheckpointFile::Unreadable { why: format!("{error}{cause}") }
        }
    })
}

/// Scans the log, and does with a torn tail what `tail` says.
pub(super) fn scan_all(disk: &dyn Disk, paths: &Paths, options: &Options, tail: Tail) -> Result<Scanned, OpenError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Disk { path, source }
    };
    let ordinals = segment_ordinals(disk, paths).map_err(failed(&paths.log))?;
    if ordinals.is_empty() {
        return Err(OpenError::NotThere { path: paths.log.clone() });
    }
    let checkpoint = read_checkpoint(disk, paths, options.log_key.as_ref()).map_err(failed(&paths.checkpoint()))?;
    let signed = checkpoint.size().unwrap_or(TreeSize::EMPTY);
    let promised = signed.max(options.fenced.map_or(TreeSize::EMPTY, |(size, _)| size));
    let mut found = Scanned { segments: Vec::new(), leaves: Vec::new(), size: TreeSize::EMPTY, torn: None, checkpoint };
    let last = ordinals.last().copied().unwrap_or_default();
    for (expected, ordinal) in (0..).zip(ordinals) {
        let path = paths.segment(ordinal);
        if ordinal != expected {
            return Err(missing_segment(&found, expected).into());
        }
        let file = disk.open_read(&path).map_err(failed(&path))?;
        let mut place = Place { ordinal, is_last: ordinal == last, may_be_torn: ordinal == last, promised, tail };
        if let Some(segment) = one_segment(disk, paths, &file, place, &mut found).map_err(|error| error.at(&path))? {
            found.segments.push(segment);
        } else if let Some(before) = found.segments.pop() {
            // The torn one never held an entry: the one before it is the last, and whole.
            place = Place { ordinal: before.header.ordinal, may_be_torn: false, ..place };
            let path = paths.segment(place.ordinal);
            let file = disk.open_read(&path).map_err(failed(&path))?;
            let segment = one_segment(disk, paths, &file, place, &mut found).map_err(|error| error.at(&path))?;
            found.segments.extend(segment);
        }
    }
    let next = next_position(&found);
    found.size = TreeSize::new(next.get()).unwrap_or(TreeSize::EMPTY);
    if let Some((fenced, _)) = options.fenced.filter(|(fenced, _)| *fenced > found.size) {
        return Err(OpenError::RolledBack { size: found.size, fenced });
    }
    if signed > found.size {
        let why = format!("it is of size {signed}, but the log has {} entries", found.size);
        let file = "checkpoint".to_owned();
        return Err(Damage { file, byte: 0, position: next, what: Fault::Checkpoint { why } }.into());
    }
    Ok(found)
}

/// What the fence and the checkpoint say must be the tree that was found.
pub(super) fn check_signed(
    checkpoint: &CheckpointFile,
    fenced: Option<(TreeSize, RootHash)>,
    tree: &Tree,
    tiles: &DirectoryTiles,
) -> Result<(), OpenError> {
    if let Some((size, root)) = fenced
        && tree.view().root_at(size, tiles).map_err(OpenError::of_tree)? != root
    {
        return Err(OpenError::OtherRoot { size });
    }
    let CheckpointFile::Signed(Checkpoint { size, root, .. }) = checkpoint else { return Ok(()) };
    let damaged = |what| {
        let position = size.last().unwrap_or_default();
        Err(Damage { file: "checkpoint".to_owned(), byte: 0, position, what }.into())
    };
    if tree.view().root_at(*size, tiles).map_err(OpenError::of_tree)? != *root {
        return damaged(Fault::Root { size: size.get() });
    }
    if !ends_batch(tiles.log(), *size)? {
        return damaged(inside_a_batch(*size));
    }
    Ok(())
}

fn ends_batch(log: &LogReader, size: TreeSize) -> Result<bool, OpenError> {
    let Some(last) = size.last() else { return Ok(false) };
    match log.read(last) {
        Ok(stored) => Ok(HeadsEntry::parse(&stored.entry).is_ok()),
        Err(ReadError::PastEnd { .. }) => Ok(false),
        Err(ReadError::Damaged(damage)) => Err(damage.into()),
        Err(ReadError::Disk { segment, source }) => {
            Err(OpenError::Disk { path: log.paths().log.join(segment), source })
        }
    }
}

/// A log signs no size that does not end in a heads entry.
pub(super) fn inside_a_batch(size: TreeSize) -> Fault {
    Fault::Checkpoint { why: format!("size {size} does not end a batch") }
}

/// Where the log goes on after the segments that were read.
fn next_position(found: &Scanned) -> LogPosition {
    found.segments.last().map_or(LogPosition::FIRST, |segment| with_index(segment, |index| index.next))
}

fn with_index<T>(segment: &Segment, ask: impl FnOnce(&SegmentIndex) -> T) -> T {
    ask(&segment.index.read().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn missing_segment(found: &Scanned, ordinal: u64) -> Damage {
    Damage { file: segment_name(ordinal), byte: 0, position: next_position(found), what: Fault::Missing }
}

/// Why a segment is not taken.
enum SegmentError {
    Damaged(Damage),
    Disk(io::Error),
}

impl SegmentError {
    fn at(self, path: &Path) -> OpenError {
        match self {
            Self::Damaged(damage) => OpenError::Damaged(damage),
            Self::Disk(source) => OpenError::Disk { path: path.to_owned(), source },
        }
    }
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Which segment is read, and what is known of the log around it.
#[derive(Clone, Copy)]
struct Place {
    ordinal: u64,
    /// Its entries are wanted: the tree is loaded up to it and extended by them.
    is_last: bool,
    /// An interrupted write may have been its last.
    may_be_torn: bool,
    /// The largest size that a checkpoint or the fence has promised.
    promised: TreeSize,
    tail: Tail,
}

/// Reads one segment; `None` if it was a torn one and is gone.
fn one_segment(
    disk: &dyn Disk,
    paths: &Paths,
    file: &std::sync::Arc<dyn DiskFile>,
    place: Place,
    found: &mut Scanned,
) -> Result<Option<Segment>, SegmentError> {
    let Place { ordinal, is_last, may_be_torn, promised, tail } = place;
    let name = segment_name(ordinal);
    let next = next_position(found);
    let damaged = |byte, position, what| SegmentError::Damaged(Damage { file: name.clone(), byte, position, what });
    let (previous, recorded_at) = found
        .segments
        .last()
        .map_or(([0; 32], None), |segment| with_index(segment, |index| (index.last_frame, index.recorded_at)));
    let length = file.length_bytes()?;
    let Some(header) = SegmentHeader::read(file.as_ref())? else {
        // The header is durable before the first frame is written: a segment without one never held an entry.
        let is_torn = may_be_torn && ordinal > 0 && length <= SEGMENT_HEADER_BYTES as u64 && !promised.holds(next);
        if !is_torn {
            return Err(damaged(0, next, Fault::Header { of: "segment" }));
        }
        if tail == Tail::Leave {
            return Ok(None);
        }
        let cut = Cut { name, byte: 0, bytes: length, position: next, why: Fault::Header { of: "segment" } };
        found.torn = Some(cut.keep(disk, paths, file.as_ref())?);
        disk.remove(&paths.segment(ordinal))?;
        disk.sync_dir(&paths.log)?;
        return Ok(None);
    };
    if header.ordinal != ordinal {
        return Err(damaged(0, next, Fault::Header { of: "segment" }));
    }
    if header.first != next {
        return Err(damaged(0, next, Fault::Position { found: header.first.get() }));
    }
    if header.previous != previous {
        return Err(damaged(0, next, Fault::Previous));
    }
    let mut index = SegmentIndex::empty(&header, recorded_at);
    if !is_last {
        let sidecar = read_file(disk, &paths.sidecar(ordinal), INDEX_BYTES_MAX).unwrap_or_default();
        if let Some(known) = SegmentIndex::parse(&sidecar, &header, length) {
            return Ok(Some(Segment { header, index: RwLock::new(known) }));
        }
    }
    let mut leaves = Vec::new();
    let bad = scan(file.as_ref(), &name, length, &mut index, |read| {
        leaves.extend(read.frame.entries.iter().map(|stored| LeafHash::of(&stored.entry)));
    })?;
    if let Some(bad) = bad {
        if !may_be_torn || !is_torn(&bad, file.as_ref(), &index, length, promised)? {
            return Err(SegmentError::Damaged(bad));
        }
        if tail == Tail::Cut {
            let (byte, bytes) = (index.end, length - index.end);
            let cut = Cut { name, byte, bytes, position: index.next, why: bad.what };
            found.torn = Some(cut.keep(disk, paths, file.as_ref())?);
            let writable = disk.open(&paths.segment(ordinal))?;
            writable.truncate(index.end)?;
            writable.sync()?;
        }
    }
    if is_last {
        found.leaves = leaves;
    }
    Ok(Some(Segment { header, index: RwLock::new(index) }))
}

/// Whether what is bad behind the last good frame is a write that was interrupted: past every promise, and the last one.
pub(super) fn is_torn(
    bad: &Damage,
    file: &dyn DiskFile,
    index: &SegmentIndex,
    length: u64,
    promised: TreeSize,
) -> io::Result<bool> {
    let may_be = !promised.holds(index.next) && matches!(bad.what, Fault::Cut | Fault::Checksum | Fault::Header { .. });
    Ok(may_be && !frame_follows(file, index.end, length, index.next)?)
}

/// Whether a frame stands behind the bad one at `start`: then that one had been durable, and is damaged, not torn.
fn frame_follows(file: &dyn DiskFile, start: u64, length: u64, position: LogPosition) -> io::Result<bool> {
    let mut bytes = vec![0; usize::try_from(length - start).unwrap_or_default()];
    file.read_at(&mut bytes, start)?;
    if let Some(header) = FrameHeader::parse(&bytes).filter(|header| header.first == position) {
        return Ok(bytes.len() > FRAME_HEADER_BYTES + header.body_bytes);
    }
    let later = |window: &[u8]| FrameHeader::parse(window).is_some_and(|header| header.first > position);
    Ok(bytes.windows(FRAME_HEADER_BYTES).skip(1).any(later))
}

/// Bytes on their way out of the log.
struct Cut {
    name: String,
    byte: u64,
    bytes: u64,
    position: LogPosition,
    why: Fault,
}

impl Cut {
    /// Copies the bytes to where they are kept, durably, before they are cut.
    fn keep(self, disk: &dyn Disk, paths: &Paths, file: &dyn DiskFile) -> io::Result<TornTail> {
        let Self { name, byte, bytes, position, why } = self;
        let mut content = vec![0; usize::try_from(bytes).unwrap_or_default()];
        file.read_at(&mut content, byte)?;
        disk.create_dir(&paths.torn)?;
        let stem = format!("{name}-{byte}");
        let taken = disk.list(&paths.torn)?;
        let mut names = (0..=taken.len()).map(|number| format!("{stem}-{number}"));
        let kept_in = paths.torn.join(names.find(|name| !taken.contains(name)).unwrap_or(stem));
        super::disk::replace_file_durably(disk, &kept_in, &content)?;
        if let Some(parent) = paths.torn.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk.sync_dir(parent)?;
        }
        Ok(TornTail { segment: name, byte, bytes, position, why, kept_in })
    }
}
