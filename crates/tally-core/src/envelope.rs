//! Envelopes: what a signature covers (DSSE's PAE), and the JSON form that other tools read
//!
//! Source: DSSE protocol 1.0.2 and envelope 1.0.0; FORMAT, sections 1 and 3.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::hash::{EventHash, sha256};
use crate::key::{KeyId, PublicKey, SIGNATURE_BYTES};

/// Payload type under which hands sign a statement.
pub const PAYLOAD_TYPE_STATEMENT: &str = "application/vnd.tally.statement.v1+protobuf";
/// Payload type under which the issuer signs an event.
pub const PAYLOAD_TYPE_EVENT: &str = "application/vnd.tally.event.v1+protobuf";

/// The bytes that are signed: `DSSEv1 ‖ len(type) ‖ type ‖ len(payload) ‖ payload`, blanks between, lengths in decimal.
///
/// Source: DSSE protocol, "Signature Definition".
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = pae_prefix(payload_type, payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// Hash of an event: SHA-256 of the PAE of its payload.
#[must_use]
pub fn event_hash(payload: &[u8]) -> EventHash {
    EventHash::new(sha256(&[pae_prefix(PAYLOAD_TYPE_EVENT, payload.len()).as_bytes(), payload]))
}

fn pae_prefix(payload_type: &str, payload_bytes: usize) -> String {
    format!("DSSEv1 {} {payload_type} {payload_bytes} ", payload_type.len())
}

/// An event as it is signed and stored: payload, issuer's key id, signature. Nothing is said of whether they fit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    /// Exactly the bytes that were signed.
    pub payload: Vec<u8>,
    /// The issuer's key.
    pub key_id: KeyId,
    /// The issuer's signature over PAE([`PAYLOAD_TYPE_EVENT`], payload).
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Envelope {
    /// The DSSE envelope as JSON without blanks: the same bytes for everybody who asks.
    ///
    /// Members in the order payload, payloadType, signatures; base64 of the standard alphabet with padding; keyid in
    /// lower-case hexadecimal.
    #[must_use]
    pub fn to_dsse_json(&self) -> String {
        format!(
            r#"{{"payload":"{}","payloadType":"{PAYLOAD_TYPE_EVENT}","signatures":[{{"keyid":"{}","sig":"{}"}}]}}"#,
            STANDARD.encode(&self.payload),
            self.key_id,
            STANDARD.encode(self.signature),
        )
    }
}

/// Why a text is no DSSE envelope, or not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum DsseError {
    /// Not a JSON object with the members of an envelope, each once.
    #[error("no DSSE envelope in JSON")]
    Json(#[source] serde_json::Error),
    /// A member that is not base64 of either alphabet, with padding and without spare bits.
    #[error("{member} is not base64")]
    Base64 {
        /// The member.
        member: &'static str,
    },
    /// Another payload type than that of events.
    #[error("payload type is {found:?}, {PAYLOAD_TYPE_EVENT:?} is due")]
    PayloadType {
        /// The type found.
        found: String,
    },
    /// Not one signature with a key id of 64 hexadecimal digits and 64 bytes.
    #[error("an event has one signature with key id, of 64 bytes")]
    Signatures,
}

/// A DSSE envelope of any payload type and any number of signatures, as other tools write it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DsseEnvelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<DsseSignature>,
}

/// One signature of a DSSE envelope.
#[derive(Clone, Debug, Eq, PartialEq)]
struct DsseSignature {
    /// A hint which key it is; empty if none was given.
    key_id: String,
    signature: Vec<u8>,
}

impl DsseEnvelope {
    /// Reads the JSON form. Unknown members are ignored, a member twice is refused.
    ///
    /// # Errors
    /// [`DsseError::Json`], [`DsseError::Base64`].
    pub fn parse(text: &str) -> Result<Self, DsseError> {
        let json: EnvelopeJson = serde_json::from_str(text).map_err(DsseError::Json)?;
        let signatures = json.signatures.into_iter().map(|signature| {
            Ok(DsseSignature { key_id: signature.keyid, signature: base64_either(&signature.sig, "sig")? })
        });
        Ok(Self {
            payload_type: json.payload_type,
            payload: base64_either(&json.payload, "payload")?,
            signatures: signatures.collect::<Result<_, _>>()?,
        })
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What the payload is.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The keys among `trusted` of which a signature verifies, each once, in the order of `trusted`.
    ///
    /// A key id filters: a signature under another key id than the key's own does not count. Without one every trusted
    /// key is tried. What does not verify is skipped; whether enough do is for the caller.
    #[must_use]
    pub fn signers(&self, trusted: &[PublicKey]) -> Vec<KeyId> {
        let message = pae(&self.payload_type, &self.payload);
        let mut signers: Vec<KeyId> = Vec::new();
        for key in trusted {
            let is_signer = self.signatures.iter().any(|one| {
                let is_meant = one.key_id.is_empty() || one.key_id == key.key_id().to_string();
                let signature = <&[u8; SIGNATURE_BYTES]>::try_from(one.signature.as_slice()).ok();
                is_meant && signature.is_some_and(|signature| key.verify(&message, signature).is_ok())
            });
            if is_signer && !signers.contains(&key.key_id()) {
                signers.push(key.key_id());
            }
        }
        signers
    }
}

impl TryFrom<DsseEnvelope> for Envelope {
    type Error = DsseError;

    fn try_from(dsse: DsseEnvelope) -> Result<Self, DsseError> {
        if dsse.payload_type != PAYLOAD_TYPE_EVENT {
            return Err(DsseError::PayloadType { found: dsse.payload_type });
        }
        let [one] = dsse.signatures.as_slice() else { return Err(DsseError::Signatures) };
        let key_id: KeyId = one.key_id.parse().map_err(|_| DsseError::Signatures)?;
        let signature = one.signature.as_slice().try_into().map_err(|_| DsseError::Signatures)?;
        Ok(Self { payload: dsse.payload, key_id, signature })
    }
}

/// DSSE envelope: verifiers MUST accept either alphabet.
fn base64_either(text: &str, member: &'static str) -> Result<Vec<u8>, DsseError> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).map_err(|_| DsseError::Base64 { member })
}

// A flattened rest makes these readable from objects only: serde takes arrays for plain structs too.
#[derive(Deserialize)]
struct EnvelopeJson {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<SignatureJson>,
    #[serde(flatten)]
    _rest: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct SignatureJson {
    #[serde(default)]
    keyid: String,
    sig: String,
    #[serde(flatten)]
    _rest: BTreeMap<String, IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_come_back_from_their_json() {
        let envelope = Envelope { payload: vec![0xFB, 0xFF, 0], key_id: KeyId::new([0xAB; 32]), signature: [0xFE; 64] };
        let json = envelope.to_dsse_json();
        let begin =
            r#"{"payload":"+/8A","payloadType":"application/vnd.tally.event.v1+protobuf","signatures":[{"keyid":"abab"#;
        assert!(json.starts_with(begin), "{json}");
        assert_eq!(Envelope::try_from(DsseEnvelope::parse(&json).unwrap()).unwrap(), envelope);
    }

    #[test]
    fn arrays_in_place_of_objects_and_members_twice_are_refused() {
        for text in [
            r#"["", "t", []]"#,
            r#"{"payload":"","payloadType":"t","signatures":[["k",""]]}"#,
            r#"{"payload":"","payload":"","payloadType":"t","signatures":[]}"#,
            r#"{"payload":"","payloadType":"t","signatures":[]} x"#,
        ] {
            assert!(matches!(DsseEnvelope::parse(text), Err(DsseError::Json(_))), "{text}");
        }
    }

    #[test]
    fn event_hash_is_the_hash_of_the_pae() {
        let expected = sha256(&[&pae(PAYLOAD_TYPE_EVENT, b"payload")]);
        assert_eq!(event_hash(b"payload"), EventHash::new(expected));
    }
}
