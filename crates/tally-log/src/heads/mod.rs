//! The heads map: a Merkle map from each subject to its last state, whose root ends every batch.
//!
//! A binary trie over the bits of H(0x02 ‖ subject key). An empty subtree is 32 zero bytes, a subtree with one leaf is
//! that leaf, any other H(0x01 ‖ left ‖ right). So presence and absence both have short proofs.

mod map;
mod proof;

use crate::hash::{sha256, sha256_pair, write_hex};
use std::fmt;

pub use map::HeadsMap;
pub use proof::{MapEnd, MapProof, MapProofError, verify_map_proof};

/// Bytes of a subject key: its kind, then its id.
pub const SUBJECT_KEY_BYTES: usize = 17;
/// Bytes of a value, opaque here.
pub const VALUE_BYTES: usize = 80;
/// What the map keeps for a subject.
pub type HeadValue = [u8; VALUE_BYTES];

/// Where a subject stands in the map: H(0x02 ‖ subject key).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MapKey([u8; 32]);

impl MapKey {
    /// The key of a subject. A verifier computes it itself, from the subject that it asked for.
    #[must_use]
    pub fn of(subject_key: &[u8; SUBJECT_KEY_BYTES]) -> Self {
        Self(sha256(&[&[2], subject_key]))
    }

    /// Takes the 32 bytes as they are: those of the other leaf in a proof of absence.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bit that parts the trie at `depth`, from the highest of byte 0; 0 goes left.
    fn bit(&self, depth: usize) -> bool {
        self.0.get(depth / 8).is_some_and(|byte| byte >> (7 - depth % 8) & 1 == 1)
    }

    /// In how many first bits two keys agree: 256 if they are the same.
    fn shared_bits(&self, other: &Self) -> usize {
        let differing = self.0.iter().zip(&other.0).enumerate().find(|(_, (a, b))| a != b);
        differing.map_or(256, |(byte, (a, b))| byte * 8 + (a ^ b).leading_zeros() as usize)
    }
}

impl fmt::Debug for MapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

/// An empty subtree.
const EMPTY: [u8; 32] = [0; 32];

fn leaf_hash(key: &MapKey, value_hash: &[u8; 32]) -> [u8; 32] {
    sha256_pair(0, &key.0, value_hash)
}

fn branch_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256_pair(1, left, right)
}

fn value_hash(value: &HeadValue) -> [u8; 32] {
    sha256(&[value])
}
