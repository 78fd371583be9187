//! Proofs of presence and absence in the heads map.

use super::{EMPTY, HeadValue, MapKey, branch_hash, leaf_hash, value_hash};
use crate::HeadsRoot;

/// Keys have 256 bits: so many branches at most lie above a leaf.
const SIBLINGS_MAX: usize = 256;

/// What the heads map says about one key, up to its root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MapProof {
    /// The other side of each branch, from the root down.
    pub siblings: Vec<[u8; 32]>,
    /// What stands below the last of them.
    pub end: MapEnd,
}

/// What stands where a key leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MapEnd {
    /// The key's own leaf: the subject is on record with this value.
    Value(HeadValue),
    /// Another subject's leaf, alone in its subtree: the key is not in the map.
    Other {
        /// The other subject's key.
        key: MapKey,
        /// H(its value): the value itself need not be shown.
        value_hash: [u8; 32],
    },
    /// Nothing: the key is not in the map.
    Empty,
}

/// Why a map proof does not hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MapProofError {
    /// More branches than the bits of a key allow.
    #[error("the proof has {siblings} siblings, at most 256 are possible, 255 for absence")]
    TooLong {
        /// How many there are.
        siblings: usize,
    },
    /// A branch with one leaf or none below it is no branch.
    #[error("the last sibling is empty")]
    EmptySibling,
    /// The other leaf does not stand where the key leads, or is the key's own.
    #[error("the other leaf shares {shared} first bits with the key, needed are {siblings} to 255")]
    OtherKey {
        /// In how many first bits the keys agree.
        shared: usize,
        /// How many siblings there are.
        siblings: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to heads root {found}, not {expected}")]
    RootDiffers {
        /// The root of the heads entry.
        expected: HeadsRoot,
        /// The root that the proof leads to.
        found: HeadsRoot,
    },
}

/// Verifies what `proof` says about `key` under `root`.
///
/// # Errors
/// [`MapProofError`] says what does not fit.
pub fn verify_map_proof(key: &MapKey, proof: &MapProof, root: HeadsRoot) -> Result<(), MapProofError> {
    let siblings = proof.siblings.len();
    let (end, siblings_max) = match &proof.end {
        MapEnd::Value(value) => (leaf_hash(key, &value_hash(value)), SIBLINGS_MAX),
        MapEnd::Other { key: other, value_hash } => {
            let shared = key.shared_bits(other);
            if !(siblings..SIBLINGS_MAX).contains(&shared) {
                return Err(MapProofError::OtherKey { shared, siblings });
            }
            (leaf_hash(other, value_hash), SIBLINGS_MAX - 1)
        }
        MapEnd::Empty => (EMPTY, SIBLINGS_MAX - 1),
    };
    if siblings > siblings_max {
        return Err(MapProofError::TooLong { siblings });
    }
    if proof.siblings.last() == Some(&EMPTY) {
        return Err(MapProofError::EmptySibling);
    }
    let climb = |hash: [u8; 32], (depth, sibling): (usize, &[u8; 32])| {
        if key.bit(depth) { branch_hash(sibling, &hash) } else { branch_hash(&hash, sibling) }
    };
    let found = HeadsRoot::from_bytes(proof.siblings.iter().enumerate().rev().fold(end, climb));
    if found == root { Ok(()) } else { Err(MapProofError::RootDiffers { expected: root, found }) }
}
