//! Signed notes: text, a blank line, signature lines. Source: C2SP signed-note.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::hash::sha256;

/// The longest note that is read: 100 signatures as long as those of ML-DSA.
pub const NOTE_BYTES_MAX: usize = 512 * 1024;
/// C2SP signed-note: at least 16 MUST be accepted.
const SIGNATURES_MAX: usize = 100;
/// Signature type of a plain Ed25519 note signature.
const TYPE_ED25519: u8 = 0x01;
const LINE_START: &str = "— ";

/// Why a text is no verifier key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// A name is not empty and has no space, plus or control character.
    #[error("{name:?} is no key name: it must not be empty or hold a space, a plus or a control character")]
    Name {
        /// What was given.
        name: String,
    },
    /// Not `name+id+key`, an id of eight lower-case hex digits, a key in base64.
    #[error("a verifier key is name+id+key, id in eight lower-case hex digits, key in base64")]
    Form,
    /// The key is not an Ed25519 note key.
    #[error("key {name} is not of type Ed25519 (0x01, 32 bytes)")]
    Type {
        /// The key's name.
        name: String,
    },
    /// The id is not that of name and key.
    #[error("key {name} has id {expected:08x}, not {found:08x}")]
    Id {
        /// The key's name.
        name: String,
        /// The id of these bytes.
        expected: u32,
        /// The id written.
        found: u32,
    },
    /// The bytes are no point, not its canonical encoding, or a point of small or mixed order.
    #[error("key {name} is no valid Ed25519 public key")]
    Invalid {
        /// The key's name.
        name: String,
    },
}

/// Why a note is not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`NOTE_BYTES_MAX`].
    #[error("the note has {bytes} bytes, at most {NOTE_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not UTF-8, or with a control character other than the newline.
    #[error("the note is not plain UTF-8 text")]
    NotText,
    /// No blank line between text and signatures, or no newline at the end.
    #[error("the note has no blank line between text and signatures, or no newline at its end")]
    NoSignatures,
    /// More than 100.
    #[error("the note has {count} signatures, at most {SIGNATURES_MAX} are read")]
    TooManySignatures {
        /// How many.
        count: usize,
    },
    /// A line that is no signature.
    #[error("signature line {line} is malformed")]
    MalformedSignature {
        /// Its 0-based place among the signature lines.
        line: usize,
    },
    /// A known key's signature does not verify: the whole note is refused.
    #[error("the signature by {name}+{key_id:08x} does not verify over this text")]
    BadSignature {
        /// The key's name.
        name: String,
        /// The key's id.
        key_id: u32,
    },
    /// Nobody known has signed.
    #[error("no known key has signed the note")]
    NoKnownKey,
}

/// Who may sign a note: a name and an Ed25519 public key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

/// Signs notes under a name. The seed is wiped from memory when this is dropped.
pub struct SignerKey {
    verifier: VerifierKey,
    key: SigningKey,
}

/// One signature line, whoever wrote it and whatever its algorithm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignatureLine {
    name: String,
    key_id: u32,
    signature: Vec<u8>,
}

/// A note as it came: well formed, nothing verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnverifiedNote {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl VerifierKey {
    /// A key under a name.
    ///
    /// # Errors
    /// [`KeyError::Name`], [`KeyError::Invalid`].
    pub fn new(name: &str, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name { name: name.to_owned() });
        }
        let key = VerifyingKey::from_bytes(public_key)
            .ok()
            .filter(|key| {
                let point = key.to_edwards();
                // Of mixed order or in another spelling, verifiers would disagree on what it signs.
                !key.is_weak() && point.is_torsion_free() && point.compress().as_bytes() == public_key
            })
            .ok_or_else(|| KeyError::Invalid { name: name.to_owned() })?;
        Ok(Self { name: name.to_owned(), id: key_id(name, TYPE_ED25519, public_key), key })
    }

    /// Parses `name+id+key`.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let hex = id.len() == 8 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let found = u32::from_str_radix(id, 16).ok().filter(|_| hex).ok_or(KeyError::Form)?;
        let blob = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
        let public_key = match blob.split_first() {
            Some((&TYPE_ED25519, key)) => <&[u8; 32]>::try_from(key).ok(),
            _ => None,
        };
        let parsed = Self::new(name, public_key.ok_or_else(|| KeyError::Type { name: name.to_owned() })?)?;
        if parsed.id == found {
            Ok(parsed)
        } else {
            Err(KeyError::Id { name: parsed.name, expected: parsed.id, found })
        }
    }

    /// The name under which it signs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The short id that signature lines carry.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The 32 bytes of the public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Whether `signature` is a plain note signature by this key over `text`.
    fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify_strict(text, &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blob = vec![TYPE_ED25519];
        blob.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(blob))
    }
}

impl SignerKey {
    /// The key pair of a 32-byte seed, under a name.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        Ok(Self { verifier: VerifierKey::new(name, key.verifying_key().as_bytes())?, key })
    }

    /// The public half.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs `text` as a note and gives the whole of it, with this one signature.
    ///
    /// # Errors
    /// [`NoteError::NotText`] unless the text ends in a newline and holds no other control character.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        if !text.ends_with('\n') || !is_note_text(text) {
            return Err(NoteError::NotText);
        }
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let line =
            SignatureLine { name: self.verifier.name.clone(), key_id: self.verifier.id, signature: signature.to_vec() };
        Ok(format!("{text}\n{line}"))
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.verifier)
    }
}

impl SignatureLine {
    /// A line of another algorithm, such as a cosignature.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn new(name: &str, key_id: u32, signature: Vec<u8>) -> Result<Self, KeyError> {
        if is_key_name(name) {
            Ok(Self { name: name.to_owned(), key_id, signature })
        } else {
            Err(KeyError::Name { name: name.to_owned() })
        }
    }

    /// The signer's name, as the line claims.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The short id of the signer's key, as the line claims.
    #[must_use]
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The signature without the key id.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(LINE_START)?.split_once(' ')?;
        let blob = STANDARD.decode(signature).ok()?;
        let (key_id, signature) = blob.split_first_chunk::<4>()?;
        let fits = is_key_name(name) && !signature.is_empty();
        fits.then(|| Self { name: name.to_owned(), key_id: u32::from_be_bytes(*key_id), signature: signature.to_vec() })
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blob = self.key_id.to_be_bytes().to_vec();
        blob.extend_from_slice(&self.signature);
        writeln!(f, "{LINE_START}{} {}", self.name, STANDARD.encode(blob))
    }
}

impl UnverifiedNote {
    /// Parses a note. The text MUST NOT be used for anything before a signature is verified.
    ///
    /// # Errors
    /// [`NoteError`] says what is malformed.
    pub fn parse(note: &[u8]) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { bytes: note.len() });
        }
        let note = std::str::from_utf8(note).ok().filter(|note| is_note_text(note)).ok_or(NoteError::NotText)?;
        // C2SP signed-note: the text is separated from the signatures by the last empty line.
        let (text, signatures) =
            note.rfind("\n\n").and_then(|at| note.split_at_checked(at + 1)).ok_or(NoteError::NoSignatures)?;
        let lines = signatures.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines: Vec<&str> = lines.ok_or(NoteError::NoSignatures)?.split('\n').collect();
        if lines.len() > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures { count: lines.len() });
        }
        let parse = |(line, text)| SignatureLine::parse(text).ok_or(NoteError::MalformedSignature { line });
        let signatures = lines.into_iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, final newline included. Nobody has vouched for it yet.
    #[must_use]
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// All signature lines, known or not, in their order.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Verifies every line by a key among `known`, and gives those keys; lines by others are skipped.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] if one of them does not verify; [`NoteError::NoKnownKey`] if there is none.
    pub fn verify<'k>(&self, known: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut verified: Vec<&VerifierKey> = Vec::new();
        for line in &self.signatures {
            // C2SP signed-note: signatures from unknown keys MUST be ignored, even if they share a name or id.
            let Some(key) = known.iter().find(|key| key.id == line.key_id && key.name == line.name) else { continue };
            if !key.verifies(self.text.as_bytes(), &line.signature) {
                return Err(NoteError::BadSignature { name: line.name.clone(), key_id: line.key_id });
            }
            if !verified.contains(&key) {
                verified.push(key);
            }
        }
        if verified.is_empty() { Err(NoteError::NoKnownKey) } else { Ok(verified) }
    }
}

impl fmt::Display for UnverifiedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| line.fmt(f))
    }
}

/// The id of a key: the first four bytes of H(name ‖ newline ‖ type ‖ public key).
#[must_use]
pub fn key_id(name: &str, signature_type: u8, public_key: &[u8]) -> u32 {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[signature_type], public_key]);
    u32::from_be_bytes([a, b, c, d])
}

/// Whether a key may have this name: not empty, no Unicode space, no plus, no control character.
#[must_use]
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c < ' ')
}

fn is_note_text(text: &str) -> bool {
    text.chars().all(|c| c >= ' ' || c == '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_note_opens_with_its_key_and_no_other() {
        let signer = SignerKey::from_seed("log.example/a", &[7; 32]).unwrap();
        let other = SignerKey::from_seed("log.example/a", &[8; 32]).unwrap();
        let note = signer.sign("one\n\ntwo\n").unwrap();
        let parsed = UnverifiedNote::parse(note.as_bytes()).unwrap();
        assert_eq!(parsed.unverified_text(), "one\n\ntwo\n");
        assert_eq!(parsed.to_string(), note);
        assert_eq!(parsed.verify(&[signer.verifier().clone()]).unwrap(), [signer.verifier()]);
        assert_eq!(parsed.verify(&[other.verifier().clone()]), Err(NoteError::NoKnownKey));
    }

    #[test]
    fn text_without_a_final_newline_is_not_signed() {
        let signer = SignerKey::from_seed("log.example/a", &[7; 32]).unwrap();
        assert_eq!(signer.sign("one"), Err(NoteError::NotText));
        assert_eq!(signer.sign("one\ttwo\n"), Err(NoteError::NotText));
    }

    #[test]
    fn verifier_key_reads_what_it_writes() {
        let signer = SignerKey::from_seed("log.example/a", &[7; 32]).unwrap();
        assert_eq!(VerifierKey::parse(&signer.verifier().to_string()).unwrap(), *signer.verifier());
    }
}
