//! A frame: one batch as bytes, entries and the links beside them, each record with a checksum of its own.
//!
//! Header, 60 bytes: magic 4 ‖ count u32 ‖ first position u64 ‖ body bytes u64 ‖ hash of the frame before 32 ‖ CRC-32C u32
//! of what stands before it. Then `count` records: CRC-32C u32 ‖ entry bytes u16 ‖ links u16 ‖ links, 16 bytes each ‖
//! entry. A record's checksum covers its position too, so that a record in another's place does not pass. The hash of a
//! frame is SHA-256 over all its bytes.

use crate::entry::{EntryError, EntryHeader, EntryKind, HeadsEntry, RecordedAt};
use crate::hash::sha256;
use crate::touch::Link;
use crate::{LeafHash, LogPosition};

use super::Fault;

/// The most entries in a batch: proofs of all of them still come from memory.
pub const BATCH_ENTRIES_MAX: usize = 4_096;
/// The longest frame. A batch that would pass it has to be split.
pub const FRAME_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The most links beside an entry: its own subject and 256 mentions.
pub const LINKS_MAX: usize = 257;

/// The last digit is the version.
const MAGIC: [u8; 4] = *b"tlf1";
pub(crate) const FRAME_HEADER_BYTES: usize = 60;
pub(crate) const RECORD_HEADER_BYTES: usize = 8;
const LINK_BYTES: usize = 16;
/// No position: above 2^63.
const NO_POSITION: u64 = u64::MAX;

/// The hash of a frame's bytes; 32 zero bytes stand before the first.
pub(crate) type FrameHash = [u8; 32];

/// A batch on its way to the disk: events first, one heads entry last, one `recorded_at` for all.
#[derive(Clone, Debug)]
pub struct Batch {
    first: LogPosition,
    leaves: Vec<LeafHash>,
    recorded_at: Option<RecordedAt>,
    heads: Option<HeadsEntry>,
    /// The frame, its header still empty.
    bytes: Vec<u8>,
}

/// A point of a batch that is growing.
#[derive(Clone, Copy, Debug)]
pub struct BatchMark {
    entries: usize,
    bytes: usize,
}

/// Why entries are no batch. Nothing was written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BatchError {
    /// An entry is malformed.
    #[error("{0}")]
    Entry(EntryError),
    /// More than 257 links beside an entry.
    #[error("{links} links beside one entry, at most {LINKS_MAX} are kept")]
    TooManyLinks {
        /// How many.
        links: usize,
    },
    /// More than [`BATCH_ENTRIES_MAX`] entries or [`FRAME_BYTES_MAX`] bytes: seal what there is first.
    #[error("the batch is full with {entries} entries and {bytes} bytes")]
    Full {
        /// How many entries it has.
        entries: usize,
        /// How many bytes.
        bytes: usize,
    },
    /// One `recorded_at` for a batch.
    #[error("an entry recorded at {found} in a batch recorded at {batch}")]
    OtherTime {
        /// The batch's.
        batch: RecordedAt,
        /// The entry's.
        found: RecordedAt,
    },
    /// The heads entry is the last one.
    #[error("an entry follows the heads entry")]
    AfterHeads,
    /// A batch ends with a heads entry.
    #[error("no heads entry at the end")]
    NoHeads,
    /// The heads entry says where its batch begins.
    #[error("the heads entry says that the batch begins at {found}, not at {first}")]
    HeadsFirst {
        /// Where it begins.
        first: LogPosition,
        /// Where it says so.
        found: LogPosition,
    },
    /// A batch begins where the log ends.
    #[error("the batch begins at {found}, the log ends at {expected}")]
    NotNext {
        /// Where the log ends.
        expected: LogPosition,
        /// Where the batch begins.
        found: LogPosition,
    },
    /// `recorded_at` strictly rises from batch to batch.
    #[error("the batch is recorded at {found}, which is not after {last}")]
    TimeNotAfter {
        /// That of the batch before.
        last: RecordedAt,
        /// That of this one.
        found: RecordedAt,
    },
    /// No position is left below 2^63.
    #[error("the log is full")]
    LogFull,
}

/// An entry as it lies in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredEntry {
    /// Where it stands.
    pub position: LogPosition,
    /// The bytes that the tree hashes.
    pub entry: Vec<u8>,
    /// One for each subject that it touches, in the order in which they were given.
    pub links: Vec<Link>,
}

/// A batch as it lies in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredFrame {
    /// Where it begins.
    pub first: LogPosition,
    /// All entries, the heads entry last.
    pub entries: Vec<StoredEntry>,
    /// The last entry, parsed.
    pub heads: HeadsEntry,
}

impl Batch {
    /// A batch that will begin at `first`.
    #[must_use]
    pub fn new(first: LogPosition) -> Self {
        let bytes = vec![0; FRAME_HEADER_BYTES];
        Self { first, leaves: Vec::new(), recorded_at: None, heads: None, bytes }
    }

    /// Adds an entry and the links of the subjects that it touches; gives its leaf hash.
    ///
    /// # Errors
    /// [`BatchError`]: nothing was added.
    pub fn push(&mut self, entry: &[u8], links: &[Link]) -> Result<LeafHash, BatchError> {
        let (header, _) = EntryHeader::parse(entry).map_err(BatchError::Entry)?;
        let batch = *self.recorded_at.get_or_insert(header.recorded_at);
        if batch != header.recorded_at {
            return Err(BatchError::OtherTime { batch, found: header.recorded_at });
        }
        if self.heads.is_some() {
            return Err(BatchError::AfterHeads);
        }
        let heads = match header.kind {
            EntryKind::Heads => Some(HeadsEntry::parse(entry).map_err(BatchError::Entry)?),
            EntryKind::Event => None,
        };
        if let Some(heads) = &heads
            && heads.batch_first != self.first
        {
            return Err(BatchError::HeadsFirst { first: self.first, found: heads.batch_first });
        }
        if links.len() > LINKS_MAX {
            return Err(BatchError::TooManyLinks { links: links.len() });
        }
        let record_bytes = RECORD_HEADER_BYTES + links.len() * LINK_BYTES + entry.len();
        if self.leaves.len() == BATCH_ENTRIES_MAX || self.bytes.len() + record_bytes > FRAME_BYTES_MAX {
            return Err(BatchError::Full { entries: self.leaves.len(), bytes: self.bytes.len() });
        }
        let position = self.first.checked_add(self.leaves.len() as u64).ok_or(BatchError::LogFull)?;
        let mut record = Vec::with_capacity(record_bytes);
        // Both lengths were bounded above.
        record.extend_from_slice(&u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes());
        record.extend_from_slice(&u16::try_from(links.len()).unwrap_or(u16::MAX).to_be_bytes());
        for place in links.iter().flat_map(|link| [link.previous, link.jump]) {
            record.extend_from_slice(&place.map_or(NO_POSITION, LogPosition::get).to_be_bytes());
        }
        record.extend_from_slice(entry);
        self.bytes.extend_from_slice(&record_checksum(position, &record).to_be_bytes());
        self.bytes.extend_from_slice(&record);
        let leaf = LeafHash::of(entry);
        self.leaves.push(leaf);
        self.heads = heads;
        Ok(leaf)
    }

    /// The point to which [`Batch::roll_back`] can take it back.
    #[must_use]
    pub const fn mark(&self) -> BatchMark {
        BatchMark { entries: self.leaves.len(), bytes: self.bytes.len() }
    }

    /// Takes back the entries that were added since `mark`.
    pub fn roll_back(&mut self, mark: BatchMark) {
        if mark.entries < self.leaves.len() {
            self.heads = None;
        }
        self.leaves.truncate(mark.entries);
        self.bytes.truncate(mark.bytes);
        if self.leaves.is_empty() {
            self.recorded_at = None;
        }
    }

    /// Where it begins.
    #[must_use]
    pub const fn first(&self) -> LogPosition {
        self.first
    }

    /// The leaf hashes of its entries: what the tree is extended by once the batch is durable.
    #[must_use]
    pub fn leaves(&self) -> &[LeafHash] {
        &self.leaves
    }

    /// How many entries it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The heads entry, once it was added.
    #[must_use]
    pub const fn heads(&self) -> Option<&HeadsEntry> {
        self.heads.as_ref()
    }

    /// The frame, and its hash for the next one.
    pub(crate) fn into_frame(self, previous: &FrameHash) -> (Vec<u8>, FrameHash) {
        let mut bytes = self.bytes;
        let header = FrameHeader {
            count: u32::try_from(self.leaves.len()).unwrap_or(u32::MAX),
            first: self.first,
            body_bytes: bytes.len() - FRAME_HEADER_BYTES,
            previous: *previous,
        };
        if let Some(place) = bytes.first_chunk_mut::<FRAME_HEADER_BYTES>() {
            *place = header.encode();
        }
        let hash = sha256(&[&bytes]);
        (bytes, hash)
    }
}

fn record_checksum(position: LogPosition, record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&position.get().to_be_bytes()), record)
}

/// The first bytes of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHeader {
    pub(crate) count: u32,
    pub(crate) first: LogPosition,
    pub(crate) body_bytes: usize,
    pub(crate) previous: FrameHash,
}

impl FrameHeader {
    fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.count.to_be_bytes());
        bytes.extend_from_slice(&self.first.get().to_be_bytes());
        bytes.extend_from_slice(&(self.body_bytes as u64).to_be_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes.try_into().unwrap_or([0; FRAME_HEADER_BYTES])
    }

    /// `None` unless magic, checksum and bounds are right.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (covered, checksum) = bytes.get(..FRAME_HEADER_BYTES)?.split_last_chunk::<4>()?;
        let (magic, rest) = covered.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (body_bytes, previous) = rest.split_first_chunk::<8>()?;
        if *magic != MAGIC || u32::from_be_bytes(*checksum) != crc32c::crc32c(covered) {
            return None;
        }
        let (count, body_bytes) = (u32::from_be_bytes(*count), usize::try_from(u64::from_be_bytes(*body_bytes)).ok()?);
        let fits = (1..=BATCH_ENTRIES_MAX).contains(&usize::try_from(count).ok()?) && body_bytes <= FRAME_BYTES_MAX;
        let first = LogPosition::new(u64::from_be_bytes(*first))?;
        fits.then_some(Self { count, first, body_bytes, previous: previous.try_into().ok()? })
    }
}

/// A fault in a frame: how many bytes in, at which position.
#[derive(Debug)]
pub(crate) struct FrameFault {
    pub(crate) byte: usize,
    pub(crate) position: LogPosition,
    pub(crate) fault: Fault,
}

/// The record at the front of `bytes`, checked, and how many bytes it takes.
pub(crate) fn parse_record(bytes: &[u8], position: LogPosition) -> Result<(StoredEntry, usize), Fault> {
    let (checksum, record) = bytes.split_first_chunk::<4>().ok_or(Fault::Cut)?;
    let length = record_bytes(bytes).ok_or(Fault::Cut)?;
    let record = record.get(..length - 4).ok_or(Fault::Cut)?;
    if u32::from_be_bytes(*checksum) != record_checksum(position, record) {
        return Err(Fault::Checksum);
    }
    let lengths = record.split_first_chunk::<4>().ok_or(Fault::Cut)?;
    let ([_, _, links @ ..], rest) = lengths;
    let links_bytes = usize::from(u16::from_be_bytes(*links)) * LINK_BYTES;
    let (links, entry) = rest.split_at_checked(links_bytes).ok_or(Fault::Cut)?;
    let (links, _) = links.as_chunks::<LINK_BYTES>();
    let links = links.iter().map(|link| {
        let (previous, jump) = link.split_at(8);
        let place = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes).and_then(LogPosition::new);
        Link { previous: place(previous), jump: place(jump) }
    });
    Ok((StoredEntry { position, entry: entry.to_vec(), links: links.collect() }, length))
}

/// How many bytes the record at the front of `bytes` says it takes.
pub(crate) fn record_bytes(bytes: &[u8]) -> Option<usize> {
    let [_, _, _, _, entry_a, entry_b, links_a, links_b] = bytes.first_chunk::<RECORD_HEADER_BYTES>()?;
    let entry = usize::from(u16::from_be_bytes([*entry_a, *entry_b]));
    let links = usize::from(u16::from_be_bytes([*links_a, *links_b]));
    Some(RECORD_HEADER_BYTES + links * LINK_BYTES + entry)
}

/// Parses and checks the records of a frame: checksums, entry headers, heads entry, times.
pub(crate) fn parse_body(header: &FrameHeader, body: &[u8]) -> Result<StoredFrame, FrameFault> {
    let (mut entries, mut at, mut position) = (Vec::with_capacity(header.count as usize), 0, header.first);
    for _ in 0..header.count {
        let fault = |fault| FrameFault { byte: FRAME_HEADER_BYTES + at, position, fault };
        let (entry, length) = parse_record(body.get(at..).unwrap_or_default(), position).map_err(fault)?;
        position = position.checked_add(1).ok_or(FrameFault {
            byte: FRAME_HEADER_BYTES + at,
            position,
            fault: Fault::Batch(BatchError::LogFull),
        })?;
        entries.push(entry);
        at += length;
    }
    if at != body.len() {
        return Err(FrameFault { byte: FRAME_HEADER_BYTES + at, position, fault: Fault::Stray });
    }
    let fault = |error| FrameFault { byte: 0, position: header.first, fault: Fault::Batch(error) };
    let heads = check_batch(header.first, &entries).map_err(fault)?;
    Ok(StoredFrame { first: header.first, entries, heads })
}

fn check_batch(first: LogPosition, entries: &[StoredEntry]) -> Result<HeadsEntry, BatchError> {
    let (last, events) = entries.split_last().ok_or(BatchError::NoHeads)?;
    let heads = match HeadsEntry::parse(&last.entry) {
        Err(EntryError::NotHeads) => return Err(BatchError::NoHeads),
        other => other.map_err(BatchError::Entry)?,
    };
    for event in events {
        let (header, _) = EntryHeader::parse(&event.entry).map_err(BatchError::Entry)?;
        match header.kind {
            EntryKind::Heads => return Err(BatchError::AfterHeads),
            EntryKind::Event => {}
        }
        if header.recorded_at != heads.recorded_at {
            return Err(BatchError::OtherTime { batch: heads.recorded_at, found: header.recorded_at });
        }
    }
    if heads.batch_first == first { Ok(heads) } else { Err(BatchError::HeadsFirst { first, found: heads.batch_first }) }
}
