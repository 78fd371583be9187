//! Keys and signatures: which public keys are valid, and which signatures under them
//!
//! The rule, for every implementation: a *valid key* decodes, is canonical, not of small order and torsion-free. A
//! *valid signature* under it has s < L, a canonical R that is not of small order, and the encoding of sB − kA equals R.
//!
//! Source: FORMAT, section 1; RFC 8032, section 5.1.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};

use crate::hash::{hash_type, sha256};

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;

hash_type! {
    /// Names a public key: SHA-256 of its 32 bytes.
    KeyId
}

impl KeyId {
    /// The id of these 32 bytes of a public key; whether they are a valid key, [`PublicKey::parse`] says.
    #[must_use]
    pub fn of(public_key: &[u8; 32]) -> Self {
        Self::new(sha256(&[public_key]))
    }
}

/// The algorithm that a registered key is for. Named with the key, so that SM2 can be added.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8032), strictly as this module's rule says.
    Ed25519,
}

/// Why 32 bytes are no valid key. Such a key is never registered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// Another number of bytes.
    #[error("a public key has 32 bytes, these are {found}")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// No point of the curve has this encoding.
    #[error("the public key is no point of the curve")]
    NotOnCurve,
    /// The point has another, shorter encoding.
    #[error("the public key is not the canonical encoding of its point")]
    NotCanonical,
    /// The point has an order of at most 8: anybody can sign under it.
    #[error("the public key is of small order")]
    SmallOrder,
    /// The point has a part outside the prime-order group: verifiers disagree about signatures under it.
    #[error("the public key has a torsion part")]
    Torsion,
}

/// A signature that is not valid under this key over this message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("signature by key {key_id} does not verify over these bytes")]
pub struct SignatureError {
    /// The key.
    pub key_id: KeyId,
}

/// A valid Ed25519 public key, decompressed once so that no verification does it again.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct PublicKey {
    key: VerifyingKey,
    key_id: KeyId,
}

impl PublicKey {
    /// Reads a valid key. Takes a scalar multiplication: keep the result.
    ///
    /// # Errors
    /// The first rule of a valid key that the bytes break.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Length { found: bytes.len() })?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotOnCurve)?;
        let point = key.to_edwards();
        if point.compress().to_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        if point.is_small_order() {
            return Err(KeyError::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(KeyError::Torsion);
        }
        Ok(Self { key, key_id: KeyId::of(&bytes) })
    }

    /// The 32 bytes as they are registered.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// SHA-256 of the 32 bytes.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// What the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::Ed25519
    }

    /// Checks a signature over a message, by the rule of this module.
    ///
    /// # Errors
    /// [`SignatureError`], whatever the reason: nothing better can be said about a signature that is not valid.
    pub fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> Result<(), SignatureError> {
        // For valid keys verify_strict answers exactly the rule: it compares the encoding of R, so R is canonical.
        let signature = Signature::from_bytes(signature);
        self.key.verify_strict(message, &signature).map_err(|_| SignatureError { key_id: self.key_id })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PublicKey({})", hex::encode(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    #[test]
    fn only_valid_keys_parse() {
        let good = SigningKey::from_bytes(&[7; 32]).verifying_key();
        assert_eq!(PublicKey::parse(good.as_bytes()).unwrap().as_bytes(), good.as_bytes());
        assert_eq!(PublicKey::parse(&good.as_bytes()[1..]), Err(KeyError::Length { found: 31 }));
        for torsion in &EIGHT_TORSION[1..] {
            assert_eq!(PublicKey::parse(torsion.compress().as_bytes()), Err(KeyError::SmallOrder));
            let mixed = good.to_edwards() + torsion;
            assert_eq!(PublicKey::parse(mixed.compress().as_bytes()), Err(KeyError::Torsion));
        }
        // y = p + 1, and x = 0 with the sign bit: two more encodings of the identity.
        let mut beyond = [0xFF; 32];
        (beyond[0], beyond[31]) = (0xEE, 0x7F);
        let mut signed = [0; 32];
        (signed[0], signed[31]) = (1, 0x80);
        for bytes in [beyond, signed] {
            assert_eq!(PublicKey::parse(&bytes), Err(KeyError::NotCanonical));
        }
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert_eq!(PublicKey::parse(&off_curve), Err(KeyError::NotOnCurve));
    }

    #[test]
    fn any_flipped_bit_of_a_signature_fails() {
        let signer = SigningKey::from_bytes(&[9; 32]);
        let key = PublicKey::parse(signer.verifying_key().as_bytes()).unwrap();
        let good = signer.sign(b"message").to_bytes();
        assert_eq!(key.verify(b"message", &good), Ok(()));
        for bit in 0..8 * SIGNATURE_BYTES {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.verify(b"message", &bad), Err(SignatureError { key_id: key.key_id() }));
        }
        assert!(key.verify(b"massage", &good).is_err());
    }
}
