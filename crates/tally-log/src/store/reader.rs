//! Reading a log directory while somebody writes it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::disk::{Disk, DiskFile};
use super::files::OpenFiles;
use super::frame::{FRAME_HEADER_BYTES, FrameHeader, parse_record, record_bytes};
use super::paths::{Paths, segment_name};
use super::segment::{FrameAt, Point, SegmentHeader, SegmentIndex, read_frame};
use super::{Damage, Fault, StoredEntry, StoredFrame};
use crate::{LogPosition, TreeSize};

/// Why an entry could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The log, as far as this reader sees it, does not reach there.
    #[error("position {position} is past the end, the log has {size} entries")]
    PastEnd {
        /// What was asked for.
        position: LogPosition,
        /// How many entries there are to see.
        size: TreeSize,
    },
    /// The bytes on the disk are not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The disk gave an error.
    #[error("segment {segment} cannot be read")]
    Disk {
        /// The file's name.
        segment: String,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
}

/// A segment as readers know it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    /// Written by the directory after a frame is durable; held only to copy a point or to add some.
    pub(crate) index: RwLock<SegmentIndex>,
}

/// What the writer and all readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) paths: Paths,
    /// Oldest first; grows at the end, when a segment is begun.
    pub(crate) segments: RwLock<Vec<Arc<Segment>>>,
    /// Entries that are durable.
    pub(crate) durable: AtomicU64,
    /// Entries under a published checkpoint.
    pub(crate) published: AtomicU64,
    pub(crate) files: OpenFiles,
}

/// Reads entries and frames of a log directory. Cheap to clone, never in the writer's way.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
    /// Whether it sees what is durable, or only what is published.
    sees_durable: bool,
}

impl LogReader {
    pub(crate) const fn new(shared: Arc<Shared>, sees_durable: bool) -> Self {
        Self { shared, sees_durable }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.shared.disk.as_ref()
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.shared.paths
    }

    /// How many entries this reader sees.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        let size = if self.sees_durable { &self.shared.durable } else { &self.shared.published };
        TreeSize::new(size.load(Ordering::Acquire)).unwrap_or(TreeSize::EMPTY)
    }

    /// The entry at `position`, with the links beside it; its checksum is checked.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, position: LogPosition) -> Result<StoredEntry, ReadError> {
        let mut found = self.read_range(position, 1)?;
        found.pop().ok_or_else(|| ReadError::PastEnd { position, size: self.size() })
    }

    /// `count` entries from `first` on.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::PastEnd`] unless all of them are there to see.
    pub fn read_range(&self, first: LogPosition, count: usize) -> Result<Vec<StoredEntry>, ReadError> {
        let size = self.size();
        let mut found = Vec::with_capacity(count);
        let mut next = first;
        while found.len() < count {
            if !size.holds(next) {
                return Err(ReadError::PastEnd { position: next, size });
            }
            let run = self.run_from(next, count - found.len())?;
            next = run.last().and_then(|last| last.position.checked_add(1)).unwrap_or(next);
            found.extend(run);
        }
        Ok(found)
    }

    /// Whole batches, from the one that holds `first` on, as far as this reader sees when it gets there.
    #[must_use]
    pub fn frames(&self, first: LogPosition) -> Frames {
        Frames { reader: self.clone(), next: first, ended: false }
    }

    fn segment_of(&self, position: LogPosition) -> Option<Arc<Segment>> {
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner);
        let after = segments.partition_point(|segment| segment.header.first <= position);
        segments.get(after.checked_sub(1)?).cloned()
    }

    fn open(&self, segment: &Segment) -> Result<Arc<dyn DiskFile>, ReadError> {
        let ordinal = segment.header.ordinal;
        let path = self.shared.paths.segment(ordinal);
        let file = self.shared.files.get(self.disk(), &path, ordinal);
        file.map_err(|source| disk_error(&path, source))
    }

    /// Up to `count` entries from `first` on that lie between two points of one segment.
    fn run_from(&self, first: LogPosition, count: usize) -> Result<Vec<StoredEntry>, ReadError> {
        let past_end = || ReadError::PastEnd { position: first, size: self.size() };
        let segment = self.segment_of(first).ok_or_else(past_end)?;
        let (point, end) = bounds(&segment, first).ok_or_else(past_end)?;
        let name = segment_name(segment.header.ordinal);
        let damaged = |byte: usize, position, what| Damage {
            file: name.clone(),
            byte: u64::from(point.offset) + byte as u64,
            position,
            what,
        };
        let mut bytes = vec![0; usize::try_from(end - u64::from(point.offset)).unwrap_or_default()];
        let read = self.open(&segment)?.read_at(&mut bytes, u64::from(point.offset));
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged(0, point.position, Fault::Cut).into());
            }
            other => other.map_err(|source| disk_error(&self.shared.paths.segment(segment.header.ordinal), source))?,
        }
        let (mut at, mut position, mut left) = (0, point.position, point.left);
        let mut found = Vec::new();
        while at < bytes.len() && found.len() < count {
            let rest = bytes.get(at..).unwrap_or_default();
            if left == 0 {
                let header = FrameHeader::parse(rest).filter(|header| header.first == position);
                left = header.ok_or_else(|| damaged(at, position, Fault::Header { of: "frame" }))?.count;
                at += FRAME_HEADER_BYTES;
                continue;
            }
            let length = if position < first {
                record_bytes(rest).ok_or_else(|| damaged(at, position, Fault::Cut))?
            } else {
                let (stored, length) = parse_record(rest, position).map_err(|fault| damaged(at, position, fault))?;
                found.push(stored);
                length
            };
            at += length;
            left -= 1;
            position = position.checked_add(1).unwrap_or(position);
        }
        // The index said that the entry is here: a length before it must have been wrong.
        if found.is_empty() { Err(damaged(0, point.position, Fault::Checksum).into()) } else { Ok(found) }
    }
}

/// The last point at or before a position, and where the next one is, or the end.
fn bounds(segment: &Segment, position: LogPosition) -> Option<(Point, u64)> {
    let index = segment.index.read().unwrap_or_else(PoisonError::into_inner);
    let after = index.points.partition_point(|point| point.position <= position);
    let point = index.points.get(after.checked_sub(1)?)?;
    let end = index.points.get(after).map_or(index.end, |next| u64::from(next.offset));
    (position < index.next).then_some((*point, end))
}

fn disk_error(path: &Path, source: io::Error) -> ReadError {
    let segment = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ReadError::Disk { segment, source }
}

/// Whole batches in order; ends at the first error.
#[derive(Debug)]
pub struct Frames {
    reader: LogReader,
    next: LogPosition,
    ended: bool,
}

impl Frames {
    fn read_next(&mut self) -> Result<Option<StoredFrame>, ReadError> {
        if !self.reader.size().holds(self.next) {
            return Ok(None);
        }
        let past_end = ReadError::PastEnd { position: self.next, size: self.reader.size() };
        let Some(segment) = self.reader.segment_of(self.next) else { return Err(past_end) };
        let Some((point, _)) = bounds(&segment, self.next) else { return Err(past_end) };
        let end = segment.index.read().unwrap_or_else(PoisonError::into_inner).end;
        let file = self.reader.open(&segment)?;
        let name = segment_name(segment.header.ordinal);
        let disk = |source| ReadError::Disk { segment: name.clone(), source };
        let damaged = |byte, position, what| Damage { file: name.clone(), byte, position, what };
        let mut header = [0; FRAME_HEADER_BYTES];
        file.read_at(&mut header, u64::from(point.frame)).map_err(disk)?;
        let header = FrameHeader::parse(&header)
            .ok_or_else(|| damaged(u64::from(point.frame), point.position, Fault::Header { of: "frame" }))?;
        let mut at = (u64::from(point.frame), header.first);
        loop {
            let read = match read_frame(file.as_ref(), end, at.0, at.1).map_err(disk)? {
                FrameAt::End => return Err(damaged(at.0, at.1, Fault::Cut).into()),
                FrameAt::Bad(bad) => return Err(damaged(at.0 + bad.byte as u64, bad.position, bad.fault).into()),
                FrameAt::Good(read) => *read,
            };
            let after = at.1.checked_add(u64::from(read.header.count)).unwrap_or(at.1);
            if self.next < after {
                self.next = after;
                return Ok(Some(read.frame));
            }
            at = (at.0 + read.bytes.len() as u64, after);
        }
    }
}

impl Iterator for Frames {
    type Item = Result<StoredFrame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read_next().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
