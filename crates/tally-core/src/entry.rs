//! The entry of an event in the log: what is hashed as a leaf
//!
//! Version 0x01, kind 0x00, `recorded_at` u64 in µs, key id 32, signature 64, payload. Source: FORMAT, section 3.

use crate::envelope::Envelope;
use crate::hash::LeafHash;
use crate::key::{KeyId, SIGNATURE_BYTES};
use crate::signed_event::UnverifiedEnvelope;
use crate::statement::PAYLOAD_BYTES_MAX;
use crate::time::Timestamp;

/// The one version of entries; it stands for both payload types.
pub const ENTRY_VERSION: u8 = 0x01;
/// The kind of an entry that holds an event.
pub const ENTRY_KIND_EVENT: u8 = 0x00;
/// Bytes before the payload.
pub const ENTRY_HEADER_BYTES: usize = 2 + 8 + 32 + SIGNATURE_BYTES;

/// Why bytes are no entry of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EntryError {
    /// Fewer bytes than every entry has.
    #[error("entry has {found} bytes, an event's has more than {ENTRY_HEADER_BYTES}")]
    TooShort {
        /// Bytes found.
        found: usize,
    },
    /// A version that this program does not know.
    #[error("entry has version {found:#04x}, {ENTRY_VERSION:#04x} is known")]
    Version {
        /// The version found.
        found: u8,
    },
    /// An entry of another kind, such as a heads entry.
    #[error("entry has kind {found:#04x}, an event's has {ENTRY_KIND_EVENT:#04x}")]
    Kind {
        /// The kind found.
        found: u8,
    },
    /// A time of sealing before 1970, or from 2^63 µs.
    #[error("recorded_at is not between 0 and 2^63 − 1 µs")]
    RecordedAt,
    /// A payload longer than any.
    #[error("payload has {found} bytes, {PAYLOAD_BYTES_MAX} are allowed")]
    PayloadTooLong {
        /// Bytes found.
        found: usize,
    },
}

/// An event with the time at which the ledger sealed it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventEntry {
    recorded_at: Timestamp,
    envelope: Envelope,
}

impl EventEntry {
    /// The entry of this event, sealed at this time.
    ///
    /// # Errors
    /// [`EntryError::RecordedAt`] before 1970, [`EntryError::PayloadTooLong`], [`EntryError::TooShort`] without payload.
    pub fn new(recorded_at: Timestamp, envelope: Envelope) -> Result<Self, EntryError> {
        let found = envelope.payload.len();
        if recorded_at.micros() < 0 {
            return Err(EntryError::RecordedAt);
        }
        if found == 0 {
            return Err(EntryError::TooShort { found: ENTRY_HEADER_BYTES });
        }
        if found > PAYLOAD_BYTES_MAX {
            return Err(EntryError::PayloadTooLong { found });
        }
        Ok(Self { recorded_at, envelope })
    }

    /// When the ledger sealed it.
    #[must_use]
    pub const fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// The event as it came.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The event, for [`UnverifiedEnvelope::parse`] or
    /// [`VerifiedEvent::parse_trusted`](crate::signed_event::VerifiedEvent::parse_trusted).
    #[must_use]
    pub fn unverified(&self) -> UnverifiedEnvelope<'_> {
        UnverifiedEnvelope {
            payload: &self.envelope.payload,
            key_id: self.envelope.key_id.as_bytes(),
            signature: &self.envelope.signature,
        }
    }

    /// The bytes of the entry.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ENTRY_HEADER_BYTES + self.envelope.payload.len());
        bytes.extend_from_slice(&[ENTRY_VERSION, ENTRY_KIND_EVENT]);
        bytes.extend_from_slice(&self.recorded_at.micros().to_be_bytes());
        bytes.extend_from_slice(self.envelope.key_id.as_bytes());
        bytes.extend_from_slice(&self.envelope.signature);
        bytes.extend_from_slice(&self.envelope.payload);
        bytes
    }

    /// Reads an entry. The payload is taken as it is: its form and signatures are checked by whoever parses it.
    ///
    /// # Errors
    /// The first rule that the bytes break.
    pub fn parse(entry: &[u8]) -> Result<Self, EntryError> {
        let short = EntryError::TooShort { found: entry.len() };
        let (&[version, kind], rest) = entry.split_first_chunk().ok_or(short)?;
        if version != ENTRY_VERSION {
            return Err(EntryError::Version { found: version });
        }
        if kind != ENTRY_KIND_EVENT {
            return Err(EntryError::Kind { found: kind });
        }
        let (recorded_at, rest) = rest.split_first_chunk().ok_or(short)?;
        let (key_id, rest) = rest.split_first_chunk().ok_or(short)?;
        let (signature, payload) = rest.split_first_chunk().ok_or(short)?;
        if payload.is_empty() {
            return Err(short);
        }
        // FORMAT, section 3: all u64 are below 2^63; what is not comes out negative here, and is refused.
        let recorded_at = Timestamp::from_micros(i64::from_be_bytes(*recorded_at));
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EntryError::PayloadTooLong { found: payload.len() });
        }
        let envelope = Envelope { payload: payload.to_vec(), key_id: KeyId::new(*key_id), signature: *signature };
        Self::new(recorded_at, envelope)
    }

    /// Hash of this entry as a leaf.
    #[must_use]
    pub fn leaf_hash(&self) -> LeafHash {
        LeafHash::of(&self.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(payload_bytes: usize) -> Result<EventEntry, EntryError> {
        let envelope =
            Envelope { payload: vec![9; payload_bytes], key_id: KeyId::new([1; 32]), signature: [2; SIGNATURE_BYTES] };
        EventEntry::new(Timestamp::from_micros(0x0102_0304_0506_0708), envelope)
    }

    #[test]
    fn entries_come_back_and_every_cut_is_refused() {
        for payload_bytes in [1, PAYLOAD_BYTES_MAX] {
            let made = entry(payload_bytes).unwrap();
            assert_eq!(EventEntry::parse(&made.encode()), Ok(made));
        }
        let bytes = entry(1).unwrap().encode();
        assert_eq!(bytes[..10], [1, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        for length in 0..bytes.len() {
            assert_eq!(EventEntry::parse(&bytes[..length]), Err(EntryError::TooShort { found: length }));
        }
    }

    #[test]
    fn what_is_no_event_entry_is_named() {
        let good = entry(1).unwrap().encode();
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            EventEntry::parse(&bytes)
        };
        assert_eq!(changed(0, 2), Err(EntryError::Version { found: 2 }));
        assert_eq!(changed(1, 1), Err(EntryError::Kind { found: 1 }));
        assert_eq!(changed(2, 0x80), Err(EntryError::RecordedAt));
        let found = PAYLOAD_BYTES_MAX + 1;
        assert_eq!(entry(found), Err(EntryError::PayloadTooLong { found }));
        assert_eq!(EventEntry::parse(&[&good[..], &vec![0; found - 1]].concat()), entry(found));
        assert_eq!(entry(0), Err(EntryError::TooShort { found: ENTRY_HEADER_BYTES }));
    }
}
