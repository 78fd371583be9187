//! The heads map as a persistent trie: a version is cloned in O(1), and an update copies only its own path.

use std::sync::Arc;

use super::{EMPTY, HeadValue, MapEnd, MapKey, MapProof, branch_hash, leaf_hash, value_hash};
use crate::HeadsRoot;

/// Leaves kept side by side before a subtree is split: fewer pointers, and about 190 bytes a subject in all.
const BUCKET_LEAVES_MAX: usize = 8;

/// The heads map at one batch. Clones share what they have in common; changing one leaves the others as they are.
#[derive(Clone, Debug, Default)]
pub struct HeadsMap {
    root: Node,
    subjects: u64,
}

#[derive(Clone, Debug, Default)]
enum Node {
    #[default]
    Empty,
    /// A subtree of few leaves. Its shape is only computed, so that it costs no memory.
    Bucket(Arc<Bucket>),
    Branch(Arc<Branch>),
}

#[derive(Debug)]
struct Bucket {
    hash: [u8; 32],
    /// Sorted by key, 1 to [`BUCKET_LEAVES_MAX`].
    leaves: Box<[Leaf]>,
}

#[derive(Clone, Debug)]
struct Branch {
    hash: [u8; 32],
    left: Node,
    right: Node,
}

#[derive(Clone, Copy, Debug)]
struct Leaf {
    key: MapKey,
    hash: [u8; 32],
    value: HeadValue,
}

impl HeadsMap {
    /// The map without subjects.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The root: 32 zero bytes for the empty map.
    #[must_use]
    pub fn root(&self) -> HeadsRoot {
        HeadsRoot::from_bytes(self.root.hash())
    }

    /// How many subjects there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.subjects
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.subjects == 0
    }

    /// The value of a subject.
    #[must_use]
    pub fn get(&self, key: &MapKey) -> Option<&HeadValue> {
        let (mut node, mut depth) = (&self.root, 0);
        loop {
            match node {
                Node::Empty => return None,
                Node::Bucket(bucket) => {
                    let at = bucket.leaves.binary_search_by_key(key, |leaf| leaf.key).ok()?;
                    return bucket.leaves.get(at).map(|leaf| &leaf.value);
                }
                Node::Branch(branch) => {
                    node = if key.bit(depth) { &branch.right } else { &branch.left };
                    depth += 1;
                }
            }
        }
    }

    /// Sets the value of one subject. For a batch, [`HeadsMap::insert_all`] hashes each shared branch once.
    pub fn insert(&mut self, key: MapKey, value: HeadValue) {
        self.insert_all(vec![(key, value)]);
    }

    /// Sets the values of many subjects, in any order; of two values for one subject the later counts.
    pub fn insert_all(&mut self, mut updates: Vec<(MapKey, HeadValue)>) {
        updates.sort_by_key(|(key, _)| *key);
        let mut leaves: Vec<Leaf> = Vec::with_capacity(updates.len());
        for (place, (key, value)) in updates.iter().enumerate() {
            // The sort is stable: the last of equal keys is the last that was given.
            if updates.get(place + 1).is_none_or(|(next, _)| next != key) {
                leaves.push(Leaf { key: *key, hash: leaf_hash(key, &value_hash(value)), value: *value });
            }
        }
        self.subjects += self.root.insert_all(&leaves, 0);
    }

    /// Proves what the map says about a key: its value, or that it is not there.
    #[must_use]
    pub fn prove(&self, key: &MapKey) -> MapProof {
        let (mut node, mut siblings) = (&self.root, Vec::new());
        loop {
            match node {
                Node::Empty => return MapProof { siblings, end: MapEnd::Empty },
                Node::Bucket(bucket) => return prove_in_bucket(key, &bucket.leaves, siblings),
                Node::Branch(branch) => {
                    let (next, sibling) = if key.bit(siblings.len()) {
                        (&branch.right, &branch.left)
                    } else {
                        (&branch.left, &branch.right)
                    };
                    siblings.push(sibling.hash());
                    node = next;
                }
            }
        }
    }
}

fn prove_in_bucket(key: &MapKey, leaves: &[Leaf], mut siblings: Vec<[u8; 32]>) -> MapProof {
    let mut leaves = leaves;
    loop {
        match leaves {
            [] => return MapProof { siblings, end: MapEnd::Empty },
            [leaf] if leaf.key == *key => return MapProof { siblings, end: MapEnd::Value(leaf.value) },
            [leaf] => {
                let end = MapEnd::Other { key: leaf.key, value_hash: value_hash(&leaf.value) };
                return MapProof { siblings, end };
            }
            _ => {
                let depth = siblings.len();
                let (left, right) = split(leaves, depth);
                let (next, sibling) = if key.bit(depth) { (right, left) } else { (left, right) };
                siblings.push(subtree_hash(sibling, depth + 1));
                leaves = next;
            }
        }
    }
}

impl Node {
    fn hash(&self) -> [u8; 32] {
        match self {
            Self::Empty => EMPTY,
            Self::Bucket(bucket) => bucket.hash,
            Self::Branch(branch) => branch.hash,
        }
    }

    /// Sets `updates` (sorted, unique) below this node and says how many keys were new.
    fn insert_all(&mut self, updates: &[Leaf], depth: usize) -> u64 {
        if updates.is_empty() {
            return 0;
        }
        match self {
            Self::Empty => {
                *self = Self::of(updates, depth);
                updates.len() as u64
            }
            Self::Bucket(bucket) => {
                let merged = merge(&bucket.leaves, updates);
                let new = merged.len() - bucket.leaves.len();
                *self = Self::of(&merged, depth);
                new as u64
            }
            Self::Branch(branch) => {
                let (left, right) = split(updates, depth);
                // Copies the branch if an older version still uses it, and changes it in place if none does.
                let branch = Arc::make_mut(branch);
                let new = branch.left.insert_all(left, depth + 1) + branch.right.insert_all(right, depth + 1);
                branch.hash = branch_hash(&branch.left.hash(), &branch.right.hash());
                new
            }
        }
    }

    /// The subtree of `leaves`, sorted and unique.
    fn of(leaves: &[Leaf], depth: usize) -> Self {
        if leaves.is_empty() {
            return Self::Empty;
        }
        if leaves.len() <= BUCKET_LEAVES_MAX {
            return Self::Bucket(Arc::new(Bucket { hash: subtree_hash(leaves, depth), leaves: leaves.into() }));
        }
        let (left, right) = split(leaves, depth);
        let (left, right) = (Self::of(left, depth + 1), Self::of(right, depth + 1));
        Self::Branch(Arc::new(Branch { hash: branch_hash(&left.hash(), &right.hash()), left, right }))
    }
}

fn split(leaves: &[Leaf], depth: usize) -> (&[Leaf], &[Leaf]) {
    leaves.split_at(leaves.partition_point(|leaf| !leaf.key.bit(depth)))
}

fn subtree_hash(leaves: &[Leaf], depth: usize) -> [u8; 32] {
    match leaves {
        [] => EMPTY,
        [leaf] => leaf.hash,
        _ => {
            let (left, right) = split(leaves, depth);
            branch_hash(&subtree_hash(left, depth + 1), &subtree_hash(right, depth + 1))
        }
    }
}

/// Both sorted by key; where both have one, `updates` counts.
fn merge(leaves: &[Leaf], updates: &[Leaf]) -> Vec<Leaf> {
    let mut merged = Vec::with_capacity(leaves.len() + updates.len());
    let (mut old, mut new) = (leaves.iter().peekable(), updates.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(a), Some(b)) => {
                if a.key < b.key {
                    merged.push(**a);
                    old.next();
                    continue;
                }
                if a.key == b.key {
                    old.next();
                }
                merged.push(**b);
                new.next();
            }
            (Some(_), None) => {
                merged.extend(old);
                return merged;
            }
            (None, _) => {
                merged.extend(new);
                return merged;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::{MapProofError, verify_map_proof};

    fn key(n: u32) -> MapKey {
        let mut subject = [5; 17];
        subject[..4].copy_from_slice(&n.to_be_bytes());
        MapKey::of(&subject)
    }

    fn value(n: u32) -> HeadValue {
        let mut value = [0; 80];
        value[..4].copy_from_slice(&n.to_be_bytes());
        value
    }

    fn map(count: u32) -> HeadsMap {
        let mut map = HeadsMap::new();
        map.insert_all((0..count).map(|n| (key(n), value(n))).collect());
        map
    }

    #[test]
    fn empty_map_has_the_zero_root_and_proves_absence() {
        let map = HeadsMap::new();
        assert_eq!(map.root(), HeadsRoot::from_bytes([0; 32]));
        let proof = map.prove(&key(1));
        assert_eq!(proof, MapProof { siblings: vec![], end: MapEnd::Empty });
        verify_map_proof(&key(1), &proof, map.root()).unwrap();
    }

    #[test]
    fn presence_and_absence_are_proved_at_every_size() {
        for count in [1, 2, 8, 9, 10, 255, 256, 257, 1_000] {
            let map = map(count);
            assert_eq!(map.len(), u64::from(count));
            for n in (0..count + 20).step_by(if count > 200 { 7 } else { 1 }) {
                let proof = map.prove(&key(n));
                verify_map_proof(&key(n), &proof, map.root()).unwrap();
                assert_eq!(matches!(proof.end, MapEnd::Value(found) if found == value(n)), n < count);
                assert_eq!(map.get(&key(n)).is_some(), n < count);
                let wrong = verify_map_proof(&key(n + 1), &proof, map.root());
                assert!(wrong.is_err() || (n >= count && n + 1 >= count), "{n} of {count}");
            }
        }
    }

    #[test]
    fn later_of_two_values_for_a_subject_counts() {
        let mut map = HeadsMap::new();
        map.insert_all(vec![(key(1), value(1)), (key(2), value(2)), (key(1), value(3))]);
        assert_eq!((map.get(&key(1)), map.len()), (Some(&value(3)), 2));
        map.insert(key(1), value(4));
        assert_eq!((map.get(&key(1)), map.len()), (Some(&value(4)), 2));
    }

    #[test]
    fn a_sibling_of_nothing_is_no_branch() {
        let map = map(1);
        let lone = MapProof { siblings: vec![[0; 32]], end: MapEnd::Value(value(0)) };
        assert_eq!(verify_map_proof(&key(0), &lone, map.root()), Err(MapProofError::EmptySibling));
        let own = MapEnd::Other { key: key(0), value_hash: value_hash(&value(0)) };
        let own = MapProof { siblings: vec![], end: own };
        assert!(matches!(verify_map_proof(&key(0), &own, map.root()), Err(MapProofError::OtherKey { .. })));
    }
}
