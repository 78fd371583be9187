//! SHA-256 hashes, one type for each thing that is hashed

use std::fmt;

use sha2::{Digest as _, Sha256};

/// SHA-256 of the parts, joined.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits")]
pub struct HashTextError;

/// Reads 64 hexadecimal digits of either case.
///
/// # Errors
/// [`HashTextError`] for any other text.
pub fn parse_hex32(text: &str) -> Result<[u8; 32], HashTextError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| HashTextError)?;
    Ok(bytes)
}

/// Declares a newtype over 32 bytes that is shown as lower-case hexadecimal.
macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name([u8; 32]);

        impl $name {
            /// 32 zero bytes: nothing hashed yet.
            pub const ZERO: Self = Self([0; 32]);

            /// Takes the 32 bytes as they are.
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Reads exactly 32 bytes; `None` for any other length.
            #[must_use]
            pub fn parse(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::hash::write_hex(&self.0, out)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(out, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::hash::HashTextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::hash::parse_hex32(text).map(Self)
            }
        }
    };
}
pub(crate) use hash_type;

/// Writes bytes as lower-case hexadecimal.
pub(crate) fn write_hex(bytes: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

hash_type! {
    /// Hash of an event: SHA-256 of the PAE of its payload. The next event of the chain names it.
    EventHash
}
hash_type! {
    /// Hash of an entry as a leaf of the tree (RFC 6962, prefix 0x00).
    LeafHash
}
hash_type! {
    /// Rolling hash over everything that touched a subject.
    TouchHash
}
hash_type! {
    /// SHA-256 of other bytes: statements, set members, attachments.
    Digest
}

impl LeafHash {
    /// Hash of the bytes of an entry.
    ///
    /// Source: RFC 6962, section 2.1: MTH({d(0)}) = SHA-256(0x00 || d(0)).
    #[must_use]
    pub fn of(entry: &[u8]) -> Self {
        Self(sha256(&[&[0x00], entry]))
    }
}

impl Digest {
    /// SHA-256 of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(&[bytes]))
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    #[test]
    fn text_is_64_digits_and_comes_back() {
        let hash = EventHash::new(std::array::from_fn(|at| u8::try_from(at * 7).unwrap()));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(EventHash::from_str("00"), Err(HashTextError));
        assert_eq!(EventHash::from_str(&"0g".repeat(32)), Err(HashTextError));
        assert_eq!(EventHash::parse(&[0; 31]), None);
    }

    #[test]
    fn leaf_hash_of_the_empty_entry_is_the_published_one() {
        // RFC 6962 test suites: leaf hash of the empty string.
        let expected = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(LeafHash::of(&[]).to_string(), expected);
    }
}
