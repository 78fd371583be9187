//! Head proofs: what the heads map says about one subject under a checkpoint
//!
//! Source: FORMAT, section 3, "Head proof".

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tally_core::id::SubjectId;
use tally_core::key::KeyId;
use tally_core::refusal::Head;
use tally_core::time::Timestamp;
use tally_core::touch::HeadValue;
use tally_log::entry::HeadsEntry;
use tally_log::heads::{MapEnd, MapKey, MapProof, verify_map_proof};
use tally_log::proof::InclusionProof;
use tally_log::{LeafHash, LogPosition, NodeHash, RootHash, TreeSize};
use tally_proto::v1::{self, head_proof::End, touch::Content};

use super::{Kept, Trust, VerifiedCheckpoint, VerifyError, bytes32, hashes, position};

/// Bytes of a value of the heads map.
const VALUE_BYTES: usize = 80;

/// A head proof as it came: its lengths are right, and nothing else is known of it.
#[derive(Clone, Debug)]
pub struct UnverifiedHeadProof {
    pub(super) subject: SubjectId,
    pub(super) checkpoint: Vec<u8>,
    pub(super) last_entry: Vec<u8>,
    pub(super) inclusion: Vec<NodeHash>,
    pub(super) map: MapProof,
    /// The key of the map as the prover says it; only the JSON form does.
    pub(super) map_key: Option<MapKey>,
    pub(super) suffix: Option<Suffix>,
    pub(super) touches: Vec<Touch>,
    pub(super) keys: BTreeMap<KeyId, [u8; 32]>,
    pub(super) consistency: Vec<NodeHash>,
}

/// What came before the first touch given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Suffix {
    /// How many touches.
    pub touches: u64,
    /// Touch hash after them.
    pub touch_hash: [u8; 32],
}

/// An entry that touched the subject, as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Touch {
    /// With its bytes.
    Entry {
        /// Where it is said to stand.
        position: LogPosition,
        /// The entry.
        entry: Vec<u8>,
    },
    /// Withheld: the reader may not see it.
    Withheld {
        /// Where it is said to stand.
        position: LogPosition,
        /// Its leaf hash.
        leaf: LeafHash,
    },
}

impl Touch {
    /// Where it is said to stand.
    #[must_use]
    pub const fn position(&self) -> LogPosition {
        match self {
            Self::Entry { position, .. } | Self::Withheld { position, .. } => *position,
        }
    }

    /// Hash of its entry.
    #[must_use]
    pub fn leaf(&self) -> LeafHash {
        match self {
            Self::Entry { entry, .. } => LeafHash::of(entry),
            Self::Withheld { leaf, .. } => *leaf,
        }
    }
}

impl TryFrom<v1::Touch> for Touch {
    type Error = VerifyError;

    fn try_from(touch: v1::Touch) -> Result<Self, VerifyError> {
        let position = position("touch.position", touch.position)?;
        match touch.content {
            Some(Content::Entry(entry)) => Ok(Self::Entry { position, entry }),
            Some(Content::LeafHash(leaf)) => {
                Ok(Self::Withheld { position, leaf: LeafHash::from_bytes(bytes32("touch.leaf_hash", &leaf)?) })
            }
            None => Err(VerifyError::malformed("touch", "has neither entry nor leaf hash")),
        }
    }
}

impl TryFrom<v1::HeadProof> for UnverifiedHeadProof {
    type Error = VerifyError;

    fn try_from(proof: v1::HeadProof) -> Result<Self, VerifyError> {
        let end = match proof.end {
            Some(End::Value(value)) => MapEnd::Value(map_value(&value)?),
            Some(End::Other(other)) => MapEnd::Other {
                key: MapKey::from_bytes(bytes32("other.key", &other.key)?),
                value_hash: bytes32("other.value_hash", &other.value_hash)?,
            },
            Some(End::Empty(true)) => MapEnd::Empty,
            Some(End::Empty(false)) | None => return Err(VerifyError::malformed("end", "is not given")),
        };
        let siblings = proof.siblings.iter().map(|hash| bytes32("siblings", hash)).collect::<Result<_, _>>()?;
        let suffix: Option<Result<Suffix, VerifyError>> = proof.suffix.map(|suffix| {
            Ok(Suffix { touches: suffix.touches, touch_hash: bytes32("suffix.touch_hash", &suffix.touch_hash)? })
        });
        Ok(Self {
            subject: subject(&proof.subject)?,
            checkpoint: proof.checkpoint,
            last_entry: proof.last_entry,
            inclusion: hashes("inclusion", &proof.inclusion)?,
            map: MapProof { siblings, end },
            map_key: None,
            suffix: suffix.transpose()?,
            touches: proof.touches.into_iter().map(Touch::try_from).collect::<Result<_, _>>()?,
            keys: keys_by_id(&proof.keys)?,
            consistency: hashes("consistency", &proof.consistency)?,
        })
    }
}

impl UnverifiedHeadProof {
    /// Reads the JSON form: bytes in hexadecimal, the map's path as `map`, the touches as `entries`, the keys by id.
    ///
    /// Gives the checkpoint that the file says was kept beside the proof; whoever has kept one himself uses his own.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`] names the member.
    pub fn from_json(json: &Value) -> Result<(Self, Option<Kept>), VerifyError> {
        let proof = object("proof", json)?;
        let map = object("map", member(proof, "map")?)?;
        let end = match text("map.end", member(map, "end")?)? {
            "leaf" => MapEnd::Value(map_value(&bytes("map.value", member(map, "value")?)?)?),
            "other" => MapEnd::Other {
                key: MapKey::from_bytes(hash("map.other_key", member(map, "other_key")?)?),
                value_hash: hash("map.other_value_hash", member(map, "other_value_hash")?)?,
            },
            "empty" => MapEnd::Empty,
            other => return Err(VerifyError::malformed("map.end", format!("{other:?} is none of leaf, other, empty"))),
        };
        let siblings = list("map.siblings", member(map, "siblings")?)?;
        let siblings = siblings.iter().map(|one| hash("map.siblings", one)).collect::<Result<_, _>>()?;
        let suffix: Option<Result<Suffix, VerifyError>> = proof.get("suffix").map(|suffix| {
            let suffix = object("suffix", suffix)?;
            let touches = number("suffix.touches", member(suffix, "touches")?)?;
            Ok(Suffix { touches, touch_hash: hash("suffix.touch_hash", member(suffix, "touch_hash")?)? })
        });
        let (mut kept, mut consistency) = (None, Vec::new());
        if let Some(json) = proof.get("kept") {
            let json = object("kept", json)?;
            let size = TreeSize::new(number("kept.size", member(json, "size")?)?);
            let size = size.ok_or_else(|| VerifyError::malformed("kept.size", "is not below 2^63"))?;
            kept = Some(Kept { size, root: RootHash::from_bytes(hash("kept.root", member(json, "root")?)?) });
            consistency = node_hashes("kept.consistency", member(json, "consistency")?)?;
        }
        let touches = list("entries", member(proof, "entries")?)?;
        let proof = Self {
            subject: subject(&bytes("subject", member(proof, "subject")?)?)?,
            checkpoint: text("checkpoint", member(proof, "checkpoint")?)?.as_bytes().to_vec(),
            last_entry: bytes("last_entry", member(proof, "last_entry")?)?,
            inclusion: node_hashes("inclusion", member(proof, "inclusion")?)?,
            map: MapProof { siblings, end },
            map_key: Some(MapKey::from_bytes(hash("map.key", member(map, "key")?)?)),
            suffix: suffix.transpose()?,
            touches: touches.iter().map(json_touch).collect::<Result<_, _>>()?,
            keys: json_keys(object("keys", member(proof, "keys")?)?)?,
            consistency,
        };
        Ok((proof, kept))
    }
}

/// Keys by their ids, which are computed and never taken on trust.
pub(super) fn keys_by_id(keys: &[Vec<u8>]) -> Result<BTreeMap<KeyId, [u8; 32]>, VerifyError> {
    keys.iter().map(|key| bytes32("keys", key).map(|key| (KeyId::of(&key), key))).collect()
}

fn json_keys(keys: &Map<String, Value>) -> Result<BTreeMap<KeyId, [u8; 32]>, VerifyError> {
    let mut known = BTreeMap::new();
    for (id, key) in keys {
        let key = hash("keys", key)?;
        if id.parse() != Ok(KeyId::of(&key)) {
            return Err(VerifyError::malformed("keys", format!("{id} is not the id of the key beside it")));
        }
        known.insert(KeyId::of(&key), key);
    }
    Ok(known)
}

fn json_touch(json: &Value) -> Result<Touch, VerifyError> {
    let touch = object("entries", json)?;
    let position = position("entries.position", number("entries.position", member(touch, "position")?)?)?;
    match (touch.get("entry"), touch.get("leaf_hash")) {
        (Some(entry), None) => Ok(Touch::Entry { position, entry: bytes("entries.entry", entry)? }),
        (None, Some(leaf)) => {
            Ok(Touch::Withheld { position, leaf: LeafHash::from_bytes(hash("entries.leaf_hash", leaf)?) })
        }
        (Some(_), Some(_)) | (None, None) => {
            Err(VerifyError::malformed("entries", "an entry has either its bytes or its leaf hash"))
        }
    }
}

fn map_value(value: &[u8]) -> Result<[u8; VALUE_BYTES], VerifyError> {
    let found = value.len();
    value.try_into().map_err(|_| VerifyError::malformed("value", format!("has {found} bytes, {VALUE_BYTES} are due")))
}

fn subject(key: &[u8]) -> Result<SubjectId, VerifyError> {
    SubjectId::parse(key).map_err(|error| VerifyError::malformed("subject", error.to_string()))
}

fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a Value, VerifyError> {
    object.get(name).ok_or_else(|| VerifyError::malformed(name, "is missing"))
}

fn object<'a>(field: &str, json: &'a Value) -> Result<&'a Map<String, Value>, VerifyError> {
    json.as_object().ok_or_else(|| VerifyError::malformed(field, "is no object"))
}

fn list<'a>(field: &str, json: &'a Value) -> Result<&'a [Value], VerifyError> {
    json.as_array().map(Vec::as_slice).ok_or_else(|| VerifyError::malformed(field, "is no list"))
}

fn text<'a>(field: &str, json: &'a Value) -> Result<&'a str, VerifyError> {
    json.as_str().ok_or_else(|| VerifyError::malformed(field, "is no text"))
}

fn number(field: &str, json: &Value) -> Result<u64, VerifyError> {
    json.as_u64().ok_or_else(|| VerifyError::malformed(field, "is no whole number from 0"))
}

fn bytes(field: &str, json: &Value) -> Result<Vec<u8>, VerifyError> {
    hex::decode(text(field, json)?).map_err(|error| VerifyError::malformed(field, error.to_string()))
}

fn hash(field: &str, json: &Value) -> Result<[u8; 32], VerifyError> {
    bytes32(field, &bytes(field, json)?)
}

fn node_hashes(field: &str, json: &Value) -> Result<Vec<NodeHash>, VerifyError> {
    list(field, json)?.iter().map(|one| hash(field, one).map(NodeHash::from_bytes)).collect()
}

/// What the heads map says about one subject: proved, and by the log's own word complete.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedHead {
    /// Whose.
    pub subject: SubjectId,
    /// Under which checkpoint.
    pub checkpoint: VerifiedCheckpoint,
    /// What the next event of its chain continues: length 0 and zeros where it was never opened.
    pub head: Head,
    /// Its last state; `None` where no entry ever touched the subject.
    pub value: Option<HeadValue>,
    /// When the last batch under the checkpoint was sealed: as of when the answer holds.
    pub recorded_at: Timestamp,
    /// Where that batch begins.
    pub batch_first: LogPosition,
}

impl VerifiedHead {
    /// Whether the subject was ever opened.
    #[must_use]
    pub const fn is_opened(&self) -> bool {
        self.head.chain_length > 0
    }
}

/// Verifies what a head proof says about the subject's last state. Its touches are not looked at.
///
/// # Errors
/// [`VerifyError`] says what does not fit.
pub fn verify_head(
    trust: &Trust,
    asked: SubjectId,
    proof: &UnverifiedHeadProof,
    kept: Option<&Kept>,
) -> Result<VerifiedHead, VerifyError> {
    if proof.subject != asked {
        return Err(VerifyError::OtherSubject { asked, found: proof.subject });
    }
    // The key is computed from what was asked for, never taken from the proof.
    let key = MapKey::of(&asked.key());
    if proof.map_key.is_some_and(|claimed| claimed != key) {
        return Err(VerifyError::OtherMapKey { subject: asked });
    }
    let checkpoint = trust.checkpoint(&proof.checkpoint)?;
    if let Some(kept) = kept {
        checkpoint.extends(kept, &proof.consistency)?;
    }
    let heads = last_heads_entry(&checkpoint, proof)?;
    verify_map_proof(&key, &proof.map, heads.map_root)?;
    let value = match &proof.map.end {
        MapEnd::Value(value) => {
            let value = HeadValue::parse(value).ok_or_else(|| VerifyError::malformed("value", "has not 80 bytes"))?;
            check_value(&value, &checkpoint)?;
            Some(value)
        }
        MapEnd::Other { .. } | MapEnd::Empty => None,
    };
    let recorded_at = recorded_at(&heads)?;
    let HeadValue { chain_length, head_hash, .. } = value.unwrap_or_default();
    let head = Head { chain_length, head_hash };
    Ok(VerifiedHead { subject: asked, checkpoint, head, value, recorded_at, batch_first: heads.batch_first })
}

fn last_heads_entry(checkpoint: &VerifiedCheckpoint, proof: &UnverifiedHeadProof) -> Result<HeadsEntry, VerifyError> {
    let size = checkpoint.size();
    // FORMAT, section 3: a log never signs size 0.
    let position = size.last().ok_or(VerifyError::EmptyLog)?;
    let inclusion = InclusionProof::from_hashes(proof.inclusion.clone());
    let problem = inclusion.verify(LeafHash::of(&proof.last_entry), position, size, checkpoint.root());
    problem.map_err(|problem| VerifyError::NotIncluded { position, problem })?;
    let heads = HeadsEntry::parse(&proof.last_entry)?;
    if !size.holds(heads.batch_first) {
        return Err(VerifyError::BatchFirst { batch_first: heads.batch_first, size });
    }
    Ok(heads)
}

fn recorded_at(heads: &HeadsEntry) -> Result<Timestamp, VerifyError> {
    let micros = i64::try_from(heads.recorded_at.micros());
    let micros = micros.map_err(|_| VerifyError::malformed("last_entry.recorded_at", "is not below 2^63"))?;
    Ok(Timestamp::from_micros(micros))
}

/// What no honest fold over entries leads to.
fn check_value(value: &HeadValue, checkpoint: &VerifiedCheckpoint) -> Result<(), VerifyError> {
    let problem = if value.touches == 0 {
        "a subject in the map that nothing touched"
    } else if value.chain_length > value.touches {
        "a chain longer than its touches"
    } else if value.touches > checkpoint.size().get() {
        "more touches than entries"
    } else if (value.chain_length == 0) != (*value.head_hash.as_bytes() == [0; 32]) {
        "a head hash without a chain, or a chain without one"
    } else {
        return Ok(());
    };
    Err(VerifyError::Value { problem })
}
