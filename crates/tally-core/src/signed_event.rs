//! The event: a statement in its place on the chain, the hands under it, and the issuer's signature over all of it
//!
//! Order is in the types: [`UnverifiedEnvelope`] → [`ParsedEvent`] → [`VerifiedEvent`]. Source: FORMAT, section 1.

use std::fmt;

use crate::envelope::{Envelope, PAYLOAD_TYPE_EVENT, PAYLOAD_TYPE_STATEMENT, event_hash, pae};
use crate::form::{FormError, Problem, Problems};
use crate::hash::EventHash;
use crate::id::EventRef;
use crate::key::{KeyId, PublicKey, SIGNATURE_BYTES};
use crate::number::ChainIndex;
use crate::statement::{PAYLOAD_BYTES_MAX, Statement, key_id};
use crate::wire::{FieldRule, Fields, Kind, MessageRule, Presence, Value, Writer, read_message};

/// Hands under one statement.
pub const HANDS_MAX: usize = 4; // FORMAT, section 1, message Event

const CHAIN_INDEX: u32 = 1;
const PREVIOUS_HASH: u32 = 2;
const STATEMENT: u32 = 3;
const HANDS: u32 = 4;

const EVENT: MessageRule = MessageRule {
    fields: &[
        FieldRule { number: CHAIN_INDEX, name: "chain_index", kind: Kind::Varint, presence: Presence::Singular },
        FieldRule { number: PREVIOUS_HASH, name: "previous_hash", kind: Kind::Bytes, presence: Presence::Singular },
        FieldRule { number: STATEMENT, name: "statement", kind: Kind::Bytes, presence: Presence::Singular },
        FieldRule { number: HANDS, name: "hands", kind: Kind::Bytes, presence: Presence::Repeated },
    ],
    body_from: None,
};

const HAND_KEY_ID: u32 = 1;
const HAND_SIGNATURE: u32 = 2;

const HAND: MessageRule = MessageRule {
    fields: &[
        FieldRule { number: HAND_KEY_ID, name: "key_id", kind: Kind::Bytes, presence: Presence::Singular },
        FieldRule { number: HAND_SIGNATURE, name: "signature", kind: Kind::Bytes, presence: Presence::Singular },
    ],
    body_from: None,
};

/// A signature over the statement, of a person or a second organisation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hand {
    /// Whose key.
    pub key_id: KeyId,
    /// Signature over PAE(statement type, statement).
    pub signature: [u8; SIGNATURE_BYTES],
}

/// A well-formed event: what the issuer signs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    chain_index: ChainIndex,
    previous_hash: EventHash,
    statement: Statement,
    /// The statement as the hands signed it.
    statement_bytes: Vec<u8>,
    hands: Vec<Hand>,
}

impl Event {
    /// Puts a statement in its place on the chain. Hands may come in any order.
    ///
    /// # Errors
    /// All that would be wrong with the event.
    pub fn new(
        chain_index: ChainIndex,
        previous_hash: EventHash,
        statement_bytes: &[u8],
        mut hands: Vec<Hand>,
    ) -> Result<Self, FormError> {
        hands.sort_unstable_by_key(|hand| hand.key_id);
        Self::parse(&encode(chain_index, previous_hash, statement_bytes, &hands))
    }

    /// Reads an event, refusing every other encoding of the same fields.
    ///
    /// # Errors
    /// All that is wrong with it, field by field.
    pub fn parse(payload: &[u8]) -> Result<Self, FormError> {
        let mut problems = Problems::default();
        let event = Self::read(payload, &mut problems);
        problems.finish(event)
    }

    fn read(payload: &[u8], problems: &mut Problems) -> Option<Self> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            problems.push("", Problem::TooLong { found: payload.len(), max: PAYLOAD_BYTES_MAX });
            return None;
        }
        let fields = read_message(&EVENT, "", payload, problems);
        let chain_index = ChainIndex::new(fields.iter().find_map(varint).unwrap_or_default());
        let previous_hash = bytes_of(&fields, PREVIOUS_HASH, "previous_hash", problems)
            .and_then(|bytes| exact(bytes, "previous_hash", problems))
            .map(EventHash::new);
        if let Some(hash) = previous_hash {
            check_link(chain_index, hash, problems);
        }
        let statement_bytes = bytes_of(&fields, STATEMENT, "statement", problems);
        let statement = statement_bytes.and_then(|bytes| Statement::read("statement", bytes, problems));
        if let Some(first_index) = statement.as_ref().map(|statement| statement.first_index)
            && first_index > chain_index
        {
            problems.push("statement.first_index", Problem::FirstIndex { first_index, chain_index });
        }
        let hands = read_hands(&fields, problems);
        Some(Self {
            chain_index,
            previous_hash: previous_hash?,
            statement: statement?,
            statement_bytes: statement_bytes?.to_vec(),
            hands,
        })
    }

    /// The one encoding of this event: the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self.chain_index, self.previous_hash, &self.statement_bytes, &self.hands)
    }

    /// The place on the chain.
    #[must_use]
    pub const fn chain_index(&self) -> ChainIndex {
        self.chain_index
    }

    /// Hash of the event before it; [`EventHash::ZERO`] at index 0.
    #[must_use]
    pub const fn previous_hash(&self) -> EventHash {
        self.previous_hash
    }

    /// What is stated.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The statement as the hands signed it.
    #[must_use]
    pub fn statement_bytes(&self) -> &[u8] {
        &self.statement_bytes
    }

    /// The hands, sorted by key id.
    #[must_use]
    pub fn hands(&self) -> &[Hand] {
        &self.hands
    }
}

fn encode(chain_index: ChainIndex, previous_hash: EventHash, statement: &[u8], hands: &[Hand]) -> Vec<u8> {
    let mut out = Writer::default();
    out.varint(CHAIN_INDEX, chain_index.get());
    out.bytes(PREVIOUS_HASH, previous_hash.as_bytes());
    out.bytes(STATEMENT, statement);
    for hand in hands {
        let mut inner = Writer::default();
        inner.bytes(HAND_KEY_ID, hand.key_id.as_bytes());
        inner.bytes(HAND_SIGNATURE, &hand.signature);
        out.bytes(HANDS, &inner.finish());
    }
    out.finish()
}

fn varint(field: &(u32, Value<'_>)) -> Option<u64> {
    match field.1 {
        Value::Varint(value) => Some(value),
        Value::Bytes(_) => None,
    }
}

fn bytes_of<'a>(fields: &Fields<'a>, number: u32, name: &str, problems: &mut Problems) -> Option<&'a [u8]> {
    let found = fields.iter().find_map(|field| match field.1 {
        Value::Bytes(bytes) if field.0 == number => Some(bytes),
        Value::Bytes(_) | Value::Varint(_) => None,
    });
    if found.is_none() && !problems.are_known_of(name) {
        problems.push(name, Problem::Missing);
    }
    found
}

fn exact<const N: usize>(bytes: &[u8], name: &str, problems: &mut Problems) -> Option<[u8; N]> {
    let exact = bytes.try_into().ok();
    if exact.is_none() {
        problems.push(name, Problem::Length { found: bytes.len(), expected: N });
    }
    exact
}

fn check_link(chain_index: ChainIndex, previous_hash: EventHash, problems: &mut Problems) {
    if chain_index == ChainIndex::FIRST && previous_hash != EventHash::ZERO {
        problems.push("previous_hash", Problem::PreviousHashAtFirst);
    }
    if chain_index != ChainIndex::FIRST && previous_hash == EventHash::ZERO {
        problems.push("previous_hash", Problem::PreviousHashZero { chain_index });
    }
}

fn read_hands(fields: &Fields<'_>, problems: &mut Problems) -> Vec<Hand> {
    let found = fields.iter().filter(|field| field.0 == HANDS).count();
    if found > HANDS_MAX {
        problems.push("hands", Problem::TooMany { found, max: HANDS_MAX });
        return Vec::new();
    }
    let mut hands: Vec<Hand> = Vec::with_capacity(found);
    let values = fields.iter().filter(|field| field.0 == HANDS).map(|field| field.1);
    for (at, value) in values.enumerate() {
        let Value::Bytes(bytes) = value else { continue };
        let path = format!("hands[{at}]");
        let inner = read_message(&HAND, &path, bytes, problems);
        let (key_path, signature_path) = (format!("{path}.key_id"), format!("{path}.signature"));
        let key_bytes = bytes_of(&inner, HAND_KEY_ID, &key_path, problems);
        let key = key_bytes.and_then(|bytes| key_id(bytes).map_err(|problem| problems.push(&key_path, problem)).ok());
        let signature_bytes = bytes_of(&inner, HAND_SIGNATURE, &signature_path, problems);
        let signature = signature_bytes.and_then(|bytes| exact(bytes, &signature_path, problems));
        let (Some(key_id), Some(signature)) = (key, signature) else { continue };
        match hands.last() {
            Some(last) if last.key_id == key_id => problems.push(&key_path, Problem::NotUnique),
            Some(last) if last.key_id > key_id => problems.push(&key_path, Problem::NotSorted),
            Some(_) | None => hands.push(Hand { key_id, signature }),
        }
    }
    hands
}

/// An event as it came: nothing is known of it.
#[derive(Clone, Copy, Debug)]
pub struct UnverifiedEnvelope<'a> {
    /// The payload.
    pub payload: &'a [u8],
    /// The issuer's key id, 32 bytes if it is one.
    pub key_id: &'a [u8],
    /// The issuer's signature, 64 bytes if it is one.
    pub signature: &'a [u8],
}

impl UnverifiedEnvelope<'_> {
    /// Checks form: lengths, canonical encoding, the rules of statement, event and hands. No signature is looked at.
    ///
    /// # Errors
    /// All that is wrong with it, field by field.
    pub fn parse(self) -> Result<ParsedEvent, FormError> {
        let mut problems = Problems::default();
        let issuer = key_id(self.key_id).map_err(|problem| problems.push("key_id", problem)).ok();
        let signature = exact(self.signature, "signature", &mut problems);
        let event = Event::read(self.payload, &mut problems);
        if let (Some(event), Some(issuer)) = (&event, issuer)
            && let Some(at) = event.hands.iter().position(|hand| hand.key_id == issuer)
        {
            problems.push(&format!("hands[{at}].key_id"), Problem::KeyTwice);
        }
        let (event, envelope) = problems.finish(event.zip(issuer.zip(signature)))?;
        let (key_id, signature) = envelope;
        Ok(ParsedEvent { envelope: Envelope { payload: self.payload.to_vec(), key_id, signature }, event })
    }
}

/// An event of good form, whose signatures nobody has checked yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParsedEvent {
    envelope: Envelope,
    event: Event,
}

impl ParsedEvent {
    /// The event as it claims to be.
    #[must_use]
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// Payload, issuer and signature as they came.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The keys that must be known to verify this: the issuer's, then the hands'.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        std::iter::once(self.envelope.key_id).chain(self.event.hands.iter().map(|hand| hand.key_id))
    }

    /// Checks the issuer's signature over the event and each hand's over the statement.
    ///
    /// That the keys belong to whom they should, at this position of the log, is for admission.
    ///
    /// # Errors
    /// The first signature that is not valid, the issuer's before the hands'.
    pub fn verify<'k>(self, keys: impl Fn(&KeyId) -> Option<&'k PublicKey>) -> Result<VerifiedEvent, SignatureRefusal> {
        let message = pae(PAYLOAD_TYPE_EVENT, &self.envelope.payload);
        check(&keys, Signer::Issuer, self.envelope.key_id, &message, &self.envelope.signature)?;
        if !self.event.hands.is_empty() {
            let message = pae(PAYLOAD_TYPE_STATEMENT, &self.event.statement_bytes);
            for hand in &self.event.hands {
                check(&keys, Signer::Hand, hand.key_id, &message, &hand.signature)?;
            }
        }
        Ok(VerifiedEvent::new(self))
    }
}

fn check<'k>(
    keys: &impl Fn(&KeyId) -> Option<&'k PublicKey>,
    signer: Signer,
    key_id: KeyId,
    message: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
) -> Result<(), SignatureRefusal> {
    let key = keys(&key_id).ok_or(SignatureRefusal::KeyUnknown { signer, key_id })?;
    if key.key_id() != key_id {
        return Err(SignatureRefusal::OtherKey { signer, key_id, found: key.key_id() });
    }
    key.verify(message, signature).map_err(|_| SignatureRefusal::Signature { signer, key_id })
}

/// Who signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signer {
    /// Who sends the event and signs all of it.
    Issuer,
    /// Who put a hand to the statement.
    Hand,
}

impl fmt::Display for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Issuer => "issuer",
            Self::Hand => "hand",
        })
    }
}

/// Why an event of good form is not signed by whom it says. Nothing was recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignatureRefusal {
    /// Nobody knows a key of this id.
    #[error("key {key_id} of the {signer} is not known")]
    KeyUnknown {
        /// Whose key.
        signer: Signer,
        /// The key.
        key_id: KeyId,
    },
    /// The key that was found under this id has another id.
    #[error("key {found} came in place of key {key_id} of the {signer}")]
    OtherKey {
        /// Whose key.
        signer: Signer,
        /// The key asked for.
        key_id: KeyId,
        /// The key that came.
        found: KeyId,
    },
    /// The signature is not valid over these bytes.
    #[error("signature of the {signer} by key {key_id} does not verify over this payload")]
    Signature {
        /// Whose signature.
        signer: Signer,
        /// The key.
        key_id: KeyId,
    },
}

/// An event of good form whose every signature is valid, or that was read back from our own log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedEvent {
    envelope: Envelope,
    event: Event,
    event_hash: EventHash,
}

impl VerifiedEvent {
    fn new(parsed: ParsedEvent) -> Self {
        let event_hash = event_hash(&parsed.envelope.payload);
        Self { envelope: parsed.envelope, event: parsed.event, event_hash }
    }

    /// Takes an event that was verified before it was recorded, without checking its signatures again.
    ///
    /// Only for entries of our own log that was itself checked; whatever comes from elsewhere goes through
    /// [`ParsedEvent::verify`].
    ///
    /// # Errors
    /// All that is wrong with its form.
    pub fn parse_trusted(envelope: UnverifiedEnvelope<'_>) -> Result<Self, FormError> {
        envelope.parse().map(Self::new)
    }

    /// Exactly the bytes that were signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.envelope.payload
    }

    /// The issuer's key.
    #[must_use]
    pub const fn issuer(&self) -> KeyId {
        self.envelope.key_id
    }

    /// The issuer's signature.
    #[must_use]
    pub const fn signature(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.envelope.signature
    }

    /// Payload, issuer and signature as they came.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The event.
    #[must_use]
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// What is stated.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.event.statement
    }

    /// The hands, sorted by key id.
    #[must_use]
    pub fn hands(&self) -> &[Hand] {
        &self.event.hands
    }

    /// The place on the chain.
    #[must_use]
    pub const fn chain_index(&self) -> ChainIndex {
        self.event.chain_index
    }

    /// What the next event of the chain names as its previous hash.
    #[must_use]
    pub const fn event_hash(&self) -> EventHash {
        self.event_hash
    }

    /// The identity of this event.
    #[must_use]
    pub const fn event_ref(&self) -> EventRef {
        EventRef {
            subject: self.event.statement.subject,
            chain_index: self.event.chain_index,
            event_hash: self.event_hash,
        }
    }
}
