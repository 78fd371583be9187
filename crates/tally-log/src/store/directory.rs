//! The writer's side of a log directory: one owner, one frame and one sync a batch.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::disk::{Disk, DiskFile, DurableError, create_anew, replace_durably, replace_file};
use super::files::OpenFiles;
use super::frame::{Batch, BatchError, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameHeader};
use super::paths::Paths;
use super::reader::{LogReader, Segment, Shared};
use super::recovery::{self, CheckpointFile, OpenError, Recovery, Tail};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, SegmentIndex};
use super::tiles::{DirectoryTiles, write_tile};
use crate::entry::RecordedAt;
use crate::note::VerifierKey;
use crate::tree::{FullTile, Tree};
use crate::{LogPosition, RootHash, TreeSize};

/// A segment is closed once the next frame would make it longer.
const SEGMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How a log directory is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose signature the checkpoint file must bear; without it the file is not looked at.
    pub log_key: Option<VerifierKey>,
    /// What the fence says was reached: nothing of it may be missing.
    pub fenced: Option<(TreeSize, RootHash)>,
    /// Length at which a segment is closed.
    pub segment_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { log_key: None, fenced: None, segment_bytes_max: SEGMENT_BYTES_MAX }
    }
}

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// It is no batch, or not the next one. Nothing was written.
    #[error("the batch is not taken")]
    Refused(#[from] BatchError),
    /// The disk took nothing, and nothing of the batch is in the log.
    #[error("the batch was not written")]
    NotWritten(#[source] io::Error),
    /// Whether the batch is in the log is not known; only opening it anew can tell. Everything after gives this, too.
    #[error("whether the batch was written is not known")]
    Unknown(#[source] io::Error),
}

/// Why a checkpoint was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Nothing is published that is not durable.
    #[error("a checkpoint of size {size}, but only {durable} entries are durable")]
    NotDurable {
        /// The checkpoint's size.
        size: TreeSize,
        /// How many entries are durable.
        durable: TreeSize,
    },
    /// The file could not be replaced; readers see the entries all the same.
    #[error("the checkpoint file could not be replaced")]
    File(#[source] io::Error),
}

/// A log directory, open for appending. Owned by the sequencer.
#[derive(Debug)]
pub struct Directory {
    shared: Arc<Shared>,
    options: Options,
    /// The last segment.
    file: Arc<dyn DiskFile>,
    segment: Arc<Segment>,
    /// Written and not yet synced: they are when the segment is closed, for start-up computes only later ones again.
    unsynced_tiles: BTreeSet<PathBuf>,
    /// Set when the outcome of a write is not known: from then on nothing is appended.
    in_doubt: bool,
}

impl Directory {
    /// Creates a log in a directory that holds none.
    ///
    /// # Errors
    /// [`OpenError::AlreadyThere`] if a segment is there; [`OpenError::Disk`].
    pub fn create(disk: Arc<dyn Disk>, log: &Path, options: Options) -> Result<(Self, Tree, Recovery), OpenError> {
        let paths = Paths::of(log);
        let failed = |source| OpenError::Disk { path: log.to_owned(), source };
        disk.create_dir(log).map_err(failed)?;
        if !recovery::segment_ordinals(disk.as_ref(), &paths).map_err(failed)?.is_empty() {
            return Err(OpenError::AlreadyThere { path: log.to_owned() });
        }
        let header = SegmentHeader { ordinal: 0, first: LogPosition::FIRST, previous: [0; 32] };
        let file = begin_segment(disk.as_ref(), &paths, &header).map_err(|error| failed(error.into_inner()))?;
        if let Some(parent) = log.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk.sync_dir(parent).map_err(failed)?;
        }
        let index = SegmentIndex::empty(&header, None);
        let segment = Arc::new(Segment { header, index: RwLock::new(index) });
        let shared = share(disk, paths, vec![Arc::clone(&segment)], TreeSize::EMPTY, TreeSize::EMPTY);
        let recovery = Recovery { torn: None, checkpoint: CheckpointFile::Missing, tiles_written: 0 };
        Ok((Self::of(shared, options, file, segment), Tree::new(), recovery))
    }

    /// Opens a log: cuts a torn tail, and gives the tree over all entries.
    ///
    /// # Errors
    /// [`OpenError`]: the log is damaged, was rolled back, or cannot be read; nothing was changed.
    pub fn open(disk: Arc<dyn Disk>, log: &Path, options: Options) -> Result<(Self, Tree, Recovery), OpenError> {
        let paths = Paths::of(log);
        let found = recovery::scan_all(disk.as_ref(), &paths, &options, Tail::Cut)?;
        let failed = |path: PathBuf| move |source| OpenError::Disk { path, source };
        let segments: Vec<_> = found.segments.into_iter().map(Arc::new).collect();
        let segment = segments.last().cloned().ok_or_else(|| OpenError::NotThere { path: log.to_owned() })?;
        let path = paths.segment(segment.header.ordinal);
        let file = disk.open(&path).map_err(failed(path))?;
        let size = found.size;
        let shared = share(disk, paths, segments, size, found.checkpoint.size().unwrap_or(TreeSize::EMPTY));
        let mut directory = Self::of(shared, options, file, segment);

        let base = TreeSize::new(directory.segment.header.first.get()).unwrap_or(TreeSize::EMPTY);
        let tiles = DirectoryTiles::whole_at(directory.durable_reader(), base);
        let mut tree = Tree::load(base, &tiles).map_err(OpenError::of_tree)?;
        if !tree.append(&found.leaves) {
            return Err(OpenError::Tiles(crate::proof::ProofError::SizeOutOfRange { old: base, size, current: base }));
        }
        // Those of the last segment may have been lost with the power: the scan gave their hashes.
        let full = tree.take_full_tiles();
        directory.write_tiles(&full).map_err(failed(directory.shared.paths.log.clone()))?;
        let tiles_written = tiles.complete(base).map_err(|error| OpenError::of_tree(error.into()))?;
        recovery::check_signed(&found.checkpoint, directory.options.fenced, &tree, &tiles)?;
        let recovery = Recovery { torn: found.torn, checkpoint: found.checkpoint, tiles_written };
        Ok((directory, tree, recovery))
    }

    const fn of(shared: Arc<Shared>, options: Options, file: Arc<dyn DiskFile>, segment: Arc<Segment>) -> Self {
        Self { shared, options, file, segment, unsynced_tiles: BTreeSet::new(), in_doubt: false }
    }

    /// How many entries are durable.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.durable_reader().size()
    }

    /// Reads what is published: for answers.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared), false)
    }

    /// Reads what is durable, published or not: for those who follow the log and promise nothing.
    #[must_use]
    pub fn durable_reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared), true)
    }

    /// The tiles of what is published.
    #[must_use]
    pub fn tiles(&self) -> DirectoryTiles {
        DirectoryTiles::new(self.reader())
    }

    /// Appends a batch; it is durable when this returns, and gives the size of the log.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append(&mut self, batch: Batch) -> Result<TreeSize, AppendError> {
        if self.in_doubt {
            return Err(AppendError::Unknown(io::Error::other("an earlier write is in doubt")));
        }
        let first = LogPosition::new(self.size().get()).ok_or(BatchError::LogFull)?;
        if batch.first() != first {
            return Err(BatchError::NotNext { expected: first, found: batch.first() }.into());
        }
        let heads = batch.heads().ok_or(BatchError::NoHeads)?;
        let recorded_at = heads.recorded_at;
        if let Some(last) = self.last_recorded_at()
            && recorded_at <= last
        {
            return Err(BatchError::TimeNotAfter { last, found: recorded_at }.into());
        }
        let size = first.checked_add(batch.len() as u64).and_then(|next| TreeSize::new(next.get()));
        let size = size.ok_or(BatchError::LogFull)?;
        self.roll_if_full()?;
        let (previous, end) = self.with_index(|index| (index.last_frame, index.end));
        let (frame, hash) = batch.into_frame(&previous);
        let header = FrameHeader::parse(&frame).ok_or(BatchError::Full { entries: 0, bytes: frame.len() })?;
        self.write_frame(&frame, end)?;
        // From here the batch is durable.
        let mut index = self.segment.index.write().unwrap_or_else(PoisonError::into_inner);
        index.add_frame(&header, &frame, hash, recorded_at);
        drop(index);
        self.shared.durable.store(size.get(), Ordering::Release);
        Ok(size)
    }

    fn write_frame(&mut self, frame: &[u8], end: u64) -> Result<(), AppendError> {
        if let Err(error) = self.file.write_at(frame, end) {
            // What was written is taken back durably, or nobody knows.
            let taken_back = self.file.truncate(end).and_then(|()| self.file.sync());
            return Err(self.judge(error, taken_back));
        }
        // After a failed sync the page cache shows what the disk may have lost, and a later sync may say "ok".
        self.file.sync().map_err(|error| {
            self.in_doubt = true;
            AppendError::Unknown(error)
        })
    }

    fn judge(&mut self, error: io::Error, taken_back: io::Result<()>) -> AppendError {
        match taken_back {
            Ok(()) => AppendError::NotWritten(error),
            Err(_) => {
                self.in_doubt = true;
                AppendError::Unknown(error)
            }
        }
    }

    fn with_index<T>(&self, ask: impl FnOnce(&SegmentIndex) -> T) -> T {
        ask(&self.segment.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// `recorded_at` of the last batch.
    #[must_use]
    pub fn last_recorded_at(&self) -> Option<RecordedAt> {
        self.with_index(|index| index.recorded_at)
    }

    /// Closes the segment and begins the next, if another frame may make it too long.
    fn roll_if_full(&mut self) -> Result<(), AppendError> {
        let (end, next) = self.with_index(|index| (index.end, index.next));
        let is_empty = end <= SEGMENT_HEADER_BYTES as u64;
        if is_empty || end + (FRAME_BYTES_MAX + FRAME_HEADER_BYTES) as u64 <= self.options.segment_bytes_max {
            return Ok(());
        }
        let old = &self.segment;
        let (previous, recorded_at) = self.with_index(|index| (index.last_frame, index.recorded_at));
        let header = SegmentHeader { ordinal: old.header.ordinal + 1, first: next, previous };
        let (disk, paths) = (self.shared.disk.as_ref(), &self.shared.paths);
        let sidecar = self.with_index(|index| index.encode(old.header.ordinal));
        let begun = sync_tiles(disk, &paths.log, &self.unsynced_tiles)
            .map_err(DurableError::Sync)
            .and_then(|()| replace_durably(disk, &paths.sidecar(old.header.ordinal), &sidecar))
            .and_then(|()| begin_segment(disk, paths, &header));
        let file = match begun {
            Ok(file) => file,
            // The old segment is whole and still the last one: the next batch tries again.
            Err(DurableError::Write(error)) => return Err(AppendError::NotWritten(error)),
            // A segment whose name may be lost must not take a batch.
            Err(DurableError::Sync(error)) => {
                self.in_doubt = true;
                return Err(AppendError::Unknown(error));
            }
        };
        let segment = Arc::new(Segment { header, index: RwLock::new(SegmentIndex::empty(&header, recorded_at)) });
        self.shared.segments.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&segment));
        (self.file, self.segment) = (file, segment);
        self.unsynced_tiles.clear();
        Ok(())
    }

    /// Writes full tiles where [`DirectoryTiles`] and the world find them. A power cut may take them; start-up writes
    /// them again.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn write_tiles(&mut self, full: &[FullTile]) -> io::Result<()> {
        for tile in full {
            let path = self.shared.paths.tile(tile.id());
            // Remembered first: what failed may be there all the same.
            self.unsynced_tiles.insert(path.clone());
            write_tile(self.shared.disk.as_ref(), &path, &tile.bytes())?;
        }
        Ok(())
    }

    /// Shows readers the entries below `size`, and puts the signed checkpoint in the place of the one before.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn publish_checkpoint(&self, note: &str, size: TreeSize) -> Result<(), PublishError> {
        let durable = self.size();
        if size > durable {
            return Err(PublishError::NotDurable { size, durable });
        }
        self.shared.published.fetch_max(size.get(), Ordering::AcqRel);
        let paths = &self.shared.paths;
        replace_file(self.shared.disk.as_ref(), &paths.checkpoint(), note.as_bytes()).map_err(PublishError::File)
    }
}

/// Opens a log to read it, and changes nothing: an interrupted batch at the end is left where it is and not seen.
///
/// # Errors
/// As of [`Directory::open`].
pub fn open_to_read(
    disk: Arc<dyn Disk>,
    log: &Path,
    options: &Options,
) -> Result<(LogReader, DirectoryTiles), OpenError> {
    let paths = Paths::of(log);
    let found = recovery::scan_all(disk.as_ref(), &paths, options, Tail::Leave)?;
    let segments: Vec<_> = found.segments.into_iter().map(Arc::new).collect();
    let base = segments.last().and_then(|last| TreeSize::new(last.header.first.get())).unwrap_or(TreeSize::EMPTY);
    let reader = LogReader::new(share(disk, paths, segments, found.size, found.size), true);
    Ok((reader.clone(), DirectoryTiles::whole_at(reader, base)))
}

fn share(
    disk: Arc<dyn Disk>,
    paths: Paths,
    segments: Vec<Arc<Segment>>,
    durable: TreeSize,
    published: TreeSize,
) -> Arc<Shared> {
    Arc::new(Shared {
        disk,
        paths,
        segments: RwLock::new(segments),
        durable: AtomicU64::new(durable.get()),
        published: AtomicU64::new(published.get()),
        files: OpenFiles::default(),
    })
}

/// A segment without frames, header and name durable. One that an earlier try left behind is begun anew.
fn begin_segment(disk: &dyn Disk, paths: &Paths, header: &SegmentHeader) -> Result<Arc<dyn DiskFile>, DurableError> {
    let file = create_anew(disk, &paths.segment(header.ordinal)).map_err(DurableError::Write)?;
    file.write_at(&header.encode(), 0).map_err(DurableError::Write)?;
    file.sync().and_then(|()| disk.sync_dir(&paths.log)).map_err(DurableError::Sync)?;
    Ok(file)
}

/// Makes tiles durable. One that is not there, for it could not be written, is written at the next start.
fn sync_tiles(disk: &dyn Disk, log: &Path, tiles: &BTreeSet<PathBuf>) -> io::Result<()> {
    let mut dirs = BTreeSet::new();
    for path in tiles {
        match disk.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?.sync()?,
        }
        dirs.extend(path.ancestors().skip(1).take_while(|dir| dir.starts_with(log)).map(Path::to_owned));
    }
    dirs.iter().rev().try_for_each(|dir| disk.sync_dir(dir))
}
