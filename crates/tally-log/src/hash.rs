//! SHA-256 and the hashes of the two trees, each a type of its own.

use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 over `parts`, joined.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// H(`prefix` ‖ `left` ‖ `right`): one call over one buffer, the innermost loop of tree and map.
pub(crate) fn sha256_pair(prefix: u8, left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut joined = [0; 65];
    let (first, rest) = joined.split_at_mut(1);
    first.fill(prefix);
    let (low, high) = rest.split_at_mut(32);
    low.copy_from_slice(left);
    high.copy_from_slice(right);
    Sha256::digest(joined).into()
}

pub(crate) fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the 32 bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

hash_type! {
    /// The hash of an entry as a leaf of the log's tree: H(0x00 ‖ entry). Source: RFC 6962, section 2.1.
    LeafHash
}
hash_type! {
    /// The hash of a complete subtree of the log's tree; of a single leaf, its leaf hash.
    NodeHash
}
hash_type! {
    /// The hash of the log's tree at one size.
    RootHash
}
hash_type! {
    /// The root of the heads map: 32 zero bytes when it is empty.
    HeadsRoot
}

impl LeafHash {
    /// Hashes an entry as a leaf. Source: RFC 6962, section 2.1.
    #[must_use]
    pub fn of(entry: &[u8]) -> Self {
        Self(sha256(&[&[0], entry]))
    }
}

impl NodeHash {
    /// H(0x01 ‖ left ‖ right). Source: RFC 6962, section 2.1.
    #[must_use]
    pub fn of_children(left: &Self, right: &Self) -> Self {
        Self(sha256_pair(1, &left.0, &right.0))
    }
}

impl From<LeafHash> for NodeHash {
    fn from(leaf: LeafHash) -> Self {
        Self(leaf.0)
    }
}

impl RootHash {
    /// The hash of the tree without entries: that of no bytes. Source: RFC 6962, section 2.1.
    #[must_use]
    pub fn of_empty() -> Self {
        Self(sha256(&[]))
    }
}

impl From<NodeHash> for RootHash {
    fn from(node: NodeHash) -> Self {
        Self(node.0)
    }
}
