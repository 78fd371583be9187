//! What every entry begins with, and the heads entry that ends each batch.

use std::fmt;

use crate::checkpoint::{CheckpointError, UnverifiedCheckpoint};
use crate::position::NUMBER_END;
use crate::{HeadsRoot, LogPosition};

/// The longest entry: u16 length prefix, C2SP tlog-tiles.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// The longest cosigned checkpoint in a heads entry.
pub const COSIGNED_BYTES_MAX: usize = 4_096;
/// Version of the entry format: the first byte of every entry.
const VERSION: u8 = 0x01;
const KIND_EVENT: u8 = 0x00;
const KIND_HEADS: u8 = 0x01;
/// Bytes of the header: version, kind, `recorded_at`.
pub const HEADER_BYTES: usize = 10;

/// When the ledger sealed a batch, in microseconds since 1970 UTC, below 2^63: the ledger's word.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RecordedAt(u64);

/// What an entry is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EntryKind {
    /// An event with its signature; what follows the header is opaque here.
    Event,
    /// The end of a batch.
    Heads,
}

/// The first ten bytes of an entry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct EntryHeader {
    /// What follows.
    pub kind: EntryKind,
    /// When its batch was sealed.
    pub recorded_at: RecordedAt,
}

/// The last entry of a batch: where the batch began, and the heads map as it stood at its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeadsEntry {
    /// When its batch was sealed.
    pub recorded_at: RecordedAt,
    /// The position of the batch's first entry.
    pub batch_first: LogPosition,
    /// The root of the heads map after the batch.
    pub map_root: HeadsRoot,
    /// How many subjects the map has.
    pub subjects: u64,
    /// A cosigned checkpoint of a size of at most `batch_first`, as a note; empty if there is none.
    pub cosigned: Vec<u8>,
}

/// Why bytes are no entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EntryError {
    /// The length is not one that an entry of this kind can have.
    #[error("an entry of {bytes} bytes is too short, too long or has bytes left over")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// Written by a later version.
    #[error("entry version {version} is not known, only 1 is")]
    Version {
        /// The first byte.
        version: u8,
    },
    /// Neither an event nor a heads entry.
    #[error("entry kind {kind} is not known")]
    Kind {
        /// The second byte.
        kind: u8,
    },
    /// An entry of another kind stands where this one must.
    #[error("the entry is not a heads entry")]
    NotHeads,
    /// A number is not below 2^63.
    #[error("{field} is {value}, which is not below 2^63")]
    Number {
        /// Which number.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A heads entry names the last one before its batch, at `batch_first` - 1; in batch 0 it names 0.
    #[error("the previous heads entry is said to be at {found}, but the batch begins at {batch_first}")]
    PreviousHeads {
        /// Where the batch begins.
        batch_first: LogPosition,
        /// What the entry says.
        found: u64,
    },
    /// Longer than [`COSIGNED_BYTES_MAX`].
    #[error("the cosigned checkpoint has {bytes} bytes, at most {COSIGNED_BYTES_MAX} are allowed")]
    Cosigned {
        /// Its length.
        bytes: usize,
    },
}

impl RecordedAt {
    /// `None` from 2^63 on.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Option<Self> {
        if micros < NUMBER_END { Some(Self(micros)) } else { None }
    }

    /// Microseconds since 1970 UTC.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RecordedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} µs", self.0)
    }
}

impl EntryHeader {
    /// Parses the header and gives what follows it.
    ///
    /// # Errors
    /// [`EntryError`] if the entry is too long or too short, or of an unknown version or kind.
    pub fn parse(entry: &[u8]) -> Result<(Self, &[u8]), EntryError> {
        let length = EntryError::Length { bytes: entry.len() };
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(length);
        }
        let ([version, kind, micros @ ..], rest) = entry.split_first_chunk::<HEADER_BYTES>().ok_or(length)?;
        if *version != VERSION {
            return Err(EntryError::Version { version: *version });
        }
        let kind = match *kind {
            KIND_EVENT => EntryKind::Event,
            KIND_HEADS => EntryKind::Heads,
            kind => return Err(EntryError::Kind { kind }),
        };
        let micros = u64::from_be_bytes(*micros);
        let recorded_at =
            RecordedAt::from_micros(micros).ok_or(EntryError::Number { field: "recorded_at", value: micros })?;
        Ok((Self { kind, recorded_at }, rest))
    }

    /// The ten bytes.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let kind = match self.kind {
            EntryKind::Event => KIND_EVENT,
            EntryKind::Heads => KIND_HEADS,
        };
        let mut bytes = vec![VERSION, kind];
        bytes.extend_from_slice(&self.recorded_at.0.to_be_bytes());
        bytes
    }
}

impl HeadsEntry {
    /// The position of the heads entry before this one; `None` in batch 0.
    #[must_use]
    pub fn previous(&self) -> Option<LogPosition> {
        self.batch_first.get().checked_sub(1).and_then(LogPosition::new)
    }

    /// The cosigned checkpoint inside, if there is one.
    ///
    /// # Errors
    /// [`CheckpointError`] if the note is none. Its signatures are not verified.
    pub fn cosigned_checkpoint(&self) -> Result<Option<UnverifiedCheckpoint>, CheckpointError> {
        if self.cosigned.is_empty() { Ok(None) } else { UnverifiedCheckpoint::parse(&self.cosigned).map(Some) }
    }

    /// The bytes of the entry.
    ///
    /// # Errors
    /// [`EntryError::Cosigned`], [`EntryError::Number`] beyond the bounds that [`HeadsEntry::parse`] keeps.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        if self.subjects >= NUMBER_END {
            return Err(EntryError::Number { field: "subjects", value: self.subjects });
        }
        let too_long = EntryError::Cosigned { bytes: self.cosigned.len() };
        let length = u16::try_from(self.cosigned.len()).map_err(|_| too_long)?;
        if self.cosigned.len() > COSIGNED_BYTES_MAX {
            return Err(too_long);
        }
        let mut bytes = EntryHeader { kind: EntryKind::Heads, recorded_at: self.recorded_at }.encode();
        bytes.extend_from_slice(&self.batch_first.get().to_be_bytes());
        bytes.extend_from_slice(self.map_root.as_bytes());
        bytes.extend_from_slice(&self.subjects.to_be_bytes());
        bytes.extend_from_slice(&self.batch_first.get().saturating_sub(1).to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&self.cosigned);
        Ok(bytes)
    }

    /// Parses a whole heads entry.
    ///
    /// # Errors
    /// [`EntryError`] for anything that [`HeadsEntry::encode`] does not write.
    pub fn parse(entry: &[u8]) -> Result<Self, EntryError> {
        let (header, rest) = EntryHeader::parse(entry)?;
        match header.kind {
            EntryKind::Heads => {}
            EntryKind::Event => return Err(EntryError::NotHeads),
        }
        let length = EntryError::Length { bytes: entry.len() };
        let (first, rest) = rest.split_first_chunk::<8>().ok_or(length)?;
        let (map_root, rest) = rest.split_first_chunk::<32>().ok_or(length)?;
        let (subjects, rest) = rest.split_first_chunk::<8>().ok_or(length)?;
        let (previous, rest) = rest.split_first_chunk::<8>().ok_or(length)?;
        let (cosigned_bytes, cosigned) = rest.split_first_chunk::<2>().ok_or(length)?;
        let [first, subjects, previous] = [first, subjects, previous].map(|bytes| u64::from_be_bytes(*bytes));
        let batch_first = LogPosition::new(first).ok_or(EntryError::Number { field: "batch_first", value: first })?;
        if subjects >= NUMBER_END {
            return Err(EntryError::Number { field: "subjects", value: subjects });
        }
        if previous != first.saturating_sub(1) {
            return Err(EntryError::PreviousHeads { batch_first, found: previous });
        }
        if usize::from(u16::from_be_bytes(*cosigned_bytes)) != cosigned.len() {
            return Err(length);
        }
        if cosigned.len() > COSIGNED_BYTES_MAX {
            return Err(EntryError::Cosigned { bytes: cosigned.len() });
        }
        let map_root = HeadsRoot::from_bytes(*map_root);
        Ok(Self { recorded_at: header.recorded_at, batch_first, map_root, subjects, cosigned: cosigned.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(batch_first: u64, cosigned_bytes: usize) -> HeadsEntry {
        HeadsEntry {
            recorded_at: RecordedAt(1_780_000_000_000_000),
            batch_first: LogPosition::new(batch_first).unwrap(),
            map_root: HeadsRoot::from_bytes([9; 32]),
            subjects: 3,
            cosigned: vec![b'x'; cosigned_bytes],
        }
    }

    #[test]
    fn heads_entry_reads_what_it_writes() {
        for (first, cosigned_bytes) in [(0, 0), (1, 1), (7, COSIGNED_BYTES_MAX)] {
            let heads = heads(first, cosigned_bytes);
            let bytes = heads.encode().unwrap();
            assert_eq!(HeadsEntry::parse(&bytes).unwrap(), heads);
            assert!(HeadsEntry::parse(&bytes[..bytes.len() - 1]).is_err(), "cut");
            assert!(HeadsEntry::parse(&[&bytes[..], &[0]].concat()).is_err(), "a byte more");
        }
        assert!(matches!(heads(7, COSIGNED_BYTES_MAX + 1).encode(), Err(EntryError::Cosigned { bytes: 4_097 })));
    }

    #[test]
    fn previous_heads_entry_stands_just_before_the_batch() {
        let mut bytes = heads(7, 0).encode().unwrap();
        assert_eq!(heads(7, 0).previous(), LogPosition::new(6));
        assert_eq!(heads(0, 0).previous(), None);
        let low = HEADER_BYTES + 8 + 32 + 8 + 7;
        bytes[low] = 5;
        assert!(matches!(HeadsEntry::parse(&bytes), Err(EntryError::PreviousHeads { found: 5, .. })));
    }

    #[test]
    fn unknown_version_kind_and_number_are_refused() {
        let header = EntryHeader { kind: EntryKind::Event, recorded_at: RecordedAt(5) }.encode();
        assert_eq!(EntryHeader::parse(&header).unwrap().1, b"");
        let with = |at: usize, byte: u8| {
            let mut bytes = header.clone();
            bytes[at] = byte;
            EntryHeader::parse(&bytes).map(|_| ()).unwrap_err()
        };
        assert_eq!(with(0, 2), EntryError::Version { version: 2 });
        assert_eq!(with(1, 2), EntryError::Kind { kind: 2 });
        assert!(matches!(with(2, 0x80), EntryError::Number { field: "recorded_at", .. }));
        assert!(EntryHeader::parse(&header[..9]).is_err());
        assert_eq!(HeadsEntry::parse(&header), Err(EntryError::NotHeads));
        assert!(EntryHeader::parse(&vec![1; ENTRY_BYTES_MAX + 1]).is_err());
    }
}
