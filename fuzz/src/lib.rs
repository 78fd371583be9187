//! What a mutation breaks before it reaches the rules behind it, put right again: hashes, checksums, signatures.
//!
//! Without this nearly every mutated proof ends at its first hash. The keys are those of docs/format.md, whose seeds are
//! public: nothing trusts them.

use std::sync::LazyLock;

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tally_client::{key::SigningKey, verify::Trust};
use tally_core::envelope::{PAYLOAD_TYPE_EVENT, PAYLOAD_TYPE_STATEMENT, pae};
use tally_log::checkpoint::{Checkpoint, Origin, UnverifiedCheckpoint};
use tally_log::entry::{EntryHeader, EntryKind, HeadsEntry};
use tally_log::heads::MapKey;
use tally_log::note::SignerKey;
use tally_log::{HeadsRoot, LeafHash, RootHash, TreeSize};
use tally_proto::v1::{self, head_proof::End, touch::Content};

/// The log of the worked example.
pub const ORIGIN: &str = "ledger.example/shanxi";
/// Bytes of an event entry before its payload.
const ENTRY_HEADER_BYTES: usize = 106;
const FRAME_HEADER_BYTES: usize = 60;
const SEGMENT_HEADER_BYTES: usize = 64;

/// The keys of the worked example: issuer and hand.
pub static KEYS: LazyLock<[SigningKey; 2]> =
    LazyLock::new(|| [1, 2].map(|seed| SigningKey::from_seed([seed; 32]).unwrap()));

/// The log's key of the worked example.
pub static LOG_KEY: LazyLock<SignerKey> = LazyLock::new(|| SignerKey::from_seed(ORIGIN, &[9; 32]).unwrap());

/// Whoever verifies trusts that log.
pub static TRUST: LazyLock<Trust> = LazyLock::new(|| Trust::new(LOG_KEY.verifier().clone()).unwrap());

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// Signs an event entry again: hands and issuer whose keys are those of the worked example.
fn sign_entry(entry: &mut Vec<u8>) {
    if entry.len() <= ENTRY_HEADER_BYTES {
        return;
    }
    let keys = &*KEYS;
    if let Ok(mut event) = v1::Event::decode(&entry[ENTRY_HEADER_BYTES..]) {
        let message = pae(PAYLOAD_TYPE_STATEMENT, &event.statement);
        for hand in &mut event.hands {
            if let Some(key) = keys.iter().find(|key| key.key_id().as_bytes()[..] == hand.key_id[..]) {
                hand.signature = key.sign(&message).to_vec();
            }
        }
        let again = event.encode_to_vec();
        // Another length is another encoding, which is what may be wrong with it: left as it is.
        if again.len() == entry.len() - ENTRY_HEADER_BYTES {
            entry[ENTRY_HEADER_BYTES..].copy_from_slice(&again);
        }
    }
    let issuer = keys.iter().find(|key| key.key_id().as_bytes()[..] == entry[10..42]);
    if let Some(key) = issuer {
        let signature = key.sign(&pae(PAYLOAD_TYPE_EVENT, &entry[ENTRY_HEADER_BYTES..]));
        entry[42..ENTRY_HEADER_BYTES].copy_from_slice(&signature);
    }
}

/// Makes a head proof follow from its own touches: signatures, value, map root, last entry, tree root, checkpoint. The
/// links between its events stay as they are, and so does what cannot be put right.
pub fn repair_head_proof(proof: &mut v1::HeadProof) {
    for touch in &mut proof.touches {
        if let Some(Content::Entry(entry)) = &mut touch.content {
            sign_entry(entry);
        }
    }
    let (suffix, touches, subject) = (&proof.suffix, &proof.touches, &proof.subject);
    if let Some(End::Value(value)) = &mut proof.end
        && value.len() == 80
    {
        repair_value(value, suffix.as_ref(), touches, subject);
    }
    let Ok(mut heads) = HeadsEntry::parse(&proof.last_entry) else { return };
    if let Some(root) = map_root(proof) {
        heads.map_root = HeadsRoot::from_bytes(root);
        proof.last_entry = heads.encode().unwrap();
    }
    let Ok(checkpoint) = UnverifiedCheckpoint::parse(&proof.checkpoint) else { return };
    let size = checkpoint.unverified().size;
    let leaf = sha256(&[&[0], &proof.last_entry]);
    let Some(root) = size.get().checked_sub(1).and_then(|last| tree_root(leaf, last, size, &proof.inclusion)) else {
        return;
    };
    proof.checkpoint = sign(size, root);
}

/// The checkpoint of that size and root.
pub fn sign(size: TreeSize, root: [u8; 32]) -> Vec<u8> {
    let checkpoint = Checkpoint { origin: Origin::parse(ORIGIN).unwrap(), size, root: RootHash::from_bytes(root) };
    checkpoint.sign(&LOG_KEY).unwrap().into_bytes()
}

fn repair_value(value: &mut [u8], suffix: Option<&v1::Suffix>, touches: &[v1::Touch], subject: &[u8]) {
    let (mut count, mut hash) = match suffix {
        Some(suffix) => (suffix.touches, <[u8; 32]>::try_from(&suffix.touch_hash[..]).unwrap_or_default()),
        None => (0, [0; 32]),
    };
    for touch in touches {
        let leaf = match &touch.content {
            Some(Content::Entry(entry)) => sha256(&[&[0], entry]),
            Some(Content::LeafHash(leaf)) => <[u8; 32]>::try_from(&leaf[..]).unwrap_or_default(),
            None => [0; 32],
        };
        hash = sha256(&[&[3], &hash, &touch.position.to_be_bytes(), &leaf]);
        count = count.wrapping_add(1);
        let Some(Content::Entry(entry)) = &touch.content else { continue };
        let Some(payload) = entry.get(ENTRY_HEADER_BYTES..) else { continue };
        let Ok(event) = v1::Event::decode(payload) else { continue };
        if v1::Statement::decode(&event.statement[..]).is_ok_and(|statement| statement.subject == subject) {
            value[..8].copy_from_slice(&event.chain_index.wrapping_add(1).to_be_bytes());
            value[8..40].copy_from_slice(&sha256(&[&pae(PAYLOAD_TYPE_EVENT, payload)]));
        }
    }
    value[40..48].copy_from_slice(&count.to_be_bytes());
    value[48..].copy_from_slice(&hash);
}

fn map_root(proof: &v1::HeadProof) -> Option<[u8; 32]> {
    let subject = <[u8; 17]>::try_from(&proof.subject[..]).ok()?;
    let key = *MapKey::of(&subject).as_bytes();
    let mut hash = match proof.end.as_ref()? {
        End::Value(value) => sha256(&[&[0], &key, &sha256(&[value])]),
        End::Other(other) => sha256(&[&[0], &other.key, &other.value_hash]),
        End::Empty(_) => [0; 32],
    };
    for (depth, sibling) in proof.siblings.iter().enumerate().rev() {
        let right = key.get(depth / 8)? >> (7 - depth % 8) & 1 == 1;
        hash = if right { sha256(&[&[1], sibling, &hash]) } else { sha256(&[&[1], &hash, sibling]) };
    }
    Some(hash)
}

/// What an inclusion proof leads to, as RFC 9162, section 2.1.3.2 says it; `None` if it is no proof for these numbers.
pub fn tree_root(leaf: [u8; 32], position: u64, size: TreeSize, proof: &[Vec<u8>]) -> Option<[u8; 32]> {
    let mut last = size.get().checked_sub(1).filter(|last| position <= *last)?;
    let (mut index, mut hash) = (position, leaf);
    for sibling in proof {
        if last == 0 || sibling.len() != 32 {
            return None;
        }
        if index & 1 == 1 || index == last {
            hash = sha256(&[&[1], sibling, &hash]);
            while index & 1 == 0 && index != 0 {
                (index, last) = (index >> 1, last >> 1);
            }
        } else {
            hash = sha256(&[&[1], &hash, sibling]);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}

/// Puts every checksum of a segment right, and the hash of the frame before in each frame, as far as lengths lead.
pub fn repair_segment(bytes: &mut [u8]) {
    let Some(header) = bytes.get_mut(..SEGMENT_HEADER_BYTES) else { return };
    put_checksum(header);
    let mut before = [0; 32];
    let mut at = SEGMENT_HEADER_BYTES;
    while let Some(header) = bytes.get_mut(at..at + FRAME_HEADER_BYTES) {
        header[24..56].copy_from_slice(&before);
        put_checksum(header);
        let number =
            |from: usize, to: usize| header[from..to].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let (count, first, body) = (number(4, 8), number(8, 16), number(16, 24));
        let mut record = at + FRAME_HEADER_BYTES;
        for place in 0..count {
            let Some(lengths) = bytes.get(record + 4..record + 8) else { return };
            let entry = usize::from(u16::from_be_bytes([lengths[0], lengths[1]]));
            let links = usize::from(u16::from_be_bytes([lengths[2], lengths[3]]));
            let end = record + 8 + 16 * links + entry;
            let Some(covered) = bytes.get(record + 4..end) else { return };
            let position = first.wrapping_add(place).to_be_bytes();
            let checksum = crc32c::crc32c_append(crc32c::crc32c(&position), covered);
            bytes[record..record + 4].copy_from_slice(&checksum.to_be_bytes());
            record = end;
        }
        let end = usize::try_from(body).ok().and_then(|body| (at + FRAME_HEADER_BYTES).checked_add(body));
        let Some(frame) = end.and_then(|end| bytes.get(at..end)) else { return };
        before = sha256(&[frame]);
        at += frame.len();
    }
}

fn put_checksum(header: &mut [u8]) {
    let covered = header.len() - 4;
    let checksum = crc32c::crc32c(&header[..covered]);
    header[covered..].copy_from_slice(&checksum.to_be_bytes());
}

/// What any entry must do: be refused, or come back the same.
pub fn check_entry(entry: &[u8]) {
    let header = EntryHeader::parse(entry);
    if let Ok((header, rest)) = header {
        assert_eq!([header.encode(), rest.to_vec()].concat(), entry);
    }
    if let Ok(heads) = HeadsEntry::parse(entry) {
        assert_eq!(header.map(|(header, _)| header.kind), Ok(EntryKind::Heads));
        assert_eq!(heads.encode().as_deref(), Ok(entry));
        let _ = heads.cosigned_checkpoint();
    }
    if let Ok(event) = tally_core::entry::EventEntry::parse(entry) {
        assert_eq!(header.map(|(header, _)| header.kind), Ok(EntryKind::Event));
        assert_eq!(event.encode(), entry);
        assert_eq!(event.leaf_hash().as_bytes(), LeafHash::of(entry).as_bytes());
    }
}
