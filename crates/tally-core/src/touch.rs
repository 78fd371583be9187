//! Touches: what the heads map keeps of a subject, and how one entry changes it
//!
//! Admission, verifiers and auditors all use these functions, so that there is one meaning of "complete".
//! Source: FORMAT, section 3.

use crate::hash::{EventHash, LeafHash, TouchHash, sha256};
use crate::id::SubjectId;
use crate::number::{ChainIndex, LogPosition};
use crate::signed_event::VerifiedEvent;

/// Bytes of a value of the heads map: chain length u64, head hash 32, touches u64, touch hash 32.
pub const HEAD_VALUE_BYTES: usize = 80;

/// Prefix of the bytes under a touch hash, so that they are those of nothing else.
const TOUCH_PREFIX: u8 = 0x03;

/// The rolling hash after one more touch: H(0x03 ‖ previous ‖ position u64 ‖ leaf hash).
#[must_use]
pub fn touch_hash(previous: TouchHash, position: LogPosition, leaf: LeafHash) -> TouchHash {
    let position = position.get().to_be_bytes();
    TouchHash::new(sha256(&[&[TOUCH_PREFIX], previous.as_bytes(), &position, leaf.as_bytes()]))
}

/// The last state of one subject in the heads map. The default is that of a subject that nothing ever touched.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct HeadValue {
    /// Number of events on the chain; 0 for a subject that was mentioned and never opened.
    pub chain_length: u64,
    /// Hash of the last event of the chain; zeros if there is none.
    pub head_hash: EventHash,
    /// Number of entries that touched the subject.
    pub touches: u64,
    /// [`touch_hash`] over all of them, in order of position, from zeros.
    pub touch_hash: TouchHash,
}

/// Why an event does not go on the chain as it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LinkError {
    /// The event's index is not the length of the chain.
    #[error("event stands at {claimed} of a chain with {chain_length} events")]
    Index {
        /// The index that the event names.
        claimed: ChainIndex,
        /// Events on the chain; the next index is the same number.
        chain_length: u64,
    },
    /// The event names another one before it than the head.
    #[error("event continues {claimed}, the head is {head}")]
    PreviousHash {
        /// The hash that the event names.
        claimed: EventHash,
        /// The hash of the last event.
        head: EventHash,
    },
    /// A count would pass the last u64.
    #[error("chain or touches are as many as can be counted")]
    Full,
}

impl HeadValue {
    /// The 80 bytes of the map's value.
    #[must_use]
    pub fn encode(&self) -> [u8; HEAD_VALUE_BYTES] {
        let mut bytes = [0; HEAD_VALUE_BYTES];
        let (chain, rest) = bytes.split_at_mut(8);
        let (head, rest) = rest.split_at_mut(32);
        let (touches, hash) = rest.split_at_mut(8);
        chain.copy_from_slice(&self.chain_length.to_be_bytes());
        head.copy_from_slice(self.head_hash.as_bytes());
        touches.copy_from_slice(&self.touches.to_be_bytes());
        hash.copy_from_slice(self.touch_hash.as_bytes());
        bytes
    }

    /// Reads the 80 bytes of a map's value; `None` for any other length.
    ///
    /// What the numbers say is compared with a history, never trusted, so none is refused here.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (chain_length, rest) = bytes.split_first_chunk()?;
        let (head_hash, rest) = rest.split_first_chunk()?;
        let (touches, hash) = rest.split_first_chunk()?;
        Some(Self {
            chain_length: u64::from_be_bytes(*chain_length),
            head_hash: EventHash::new(*head_hash),
            touches: u64::from_be_bytes(*touches),
            touch_hash: TouchHash::parse(hash)?,
        })
    }

    /// The value after an entry that mentions the subject.
    ///
    /// # Errors
    /// [`LinkError::Full`].
    pub fn mentioned(self, position: LogPosition, leaf: LeafHash) -> Result<Self, LinkError> {
        let touches = self.touches.checked_add(1).ok_or(LinkError::Full)?;
        Ok(Self { touches, touch_hash: touch_hash(self.touch_hash, position, leaf), ..self })
    }

    /// The value after an event on the subject's own chain.
    ///
    /// # Errors
    /// [`LinkError`] unless the event continues the head.
    pub fn extended(self, event: &VerifiedEvent, position: LogPosition, leaf: LeafHash) -> Result<Self, LinkError> {
        let claimed = event.chain_index();
        if claimed.get() != self.chain_length {
            return Err(LinkError::Index { claimed, chain_length: self.chain_length });
        }
        let previous = event.event().previous_hash();
        if previous != self.head_hash {
            return Err(LinkError::PreviousHash { claimed: previous, head: self.head_hash });
        }
        let chain_length = self.chain_length.checked_add(1).ok_or(LinkError::Full)?;
        Ok(Self { chain_length, head_hash: event.event_hash(), ..self.mentioned(position, leaf)? })
    }
}

/// The new values of every subject that an event touches: its own first, then the mentions in their order.
///
/// `value_of` gives the value before, [`HeadValue::default`] for a subject never touched. Nothing is changed: the
/// caller writes the values back, all or none.
///
/// # Errors
/// [`LinkError`] unless the event continues the head of its own chain.
pub fn apply(
    event: &VerifiedEvent,
    position: LogPosition,
    leaf: LeafHash,
    mut value_of: impl FnMut(&SubjectId) -> HeadValue,
) -> Result<Vec<(SubjectId, HeadValue)>, LinkError> {
    let statement = event.statement();
    let own = value_of(&statement.subject).extended(event, position, leaf)?;
    let mut values = Vec::with_capacity(1 + statement.mentions.len());
    values.push((statement.subject, own));
    for mention in &statement.mentions {
        values.push((*mention, value_of(mention).mentioned(position, leaf)?));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_80_bytes_and_come_back() {
        let value = HeadValue {
            chain_length: 7,
            head_hash: EventHash::new([1; 32]),
            touches: u64::MAX,
            touch_hash: TouchHash::new([2; 32]),
        };
        assert_eq!(HeadValue::parse(&value.encode()), Some(value));
        assert_eq!(HeadValue::parse(&value.encode()[1..]), None);
        assert_eq!(HeadValue::parse(&[value.encode().as_slice(), &[0]].concat()), None);
        assert_eq!(value.mentioned(LogPosition::FIRST, LeafHash::ZERO), Err(LinkError::Full));
    }
}
