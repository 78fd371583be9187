//! The worked example of docs/format.md, computed: every byte that is signed, hashed or stored, from public seeds
//!
//! What tally-core does not make (map, heads entry, checkpoint, frame) is computed here in the most obvious way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use prost::Message as _;
use tally_core::{
    entry::EventEntry,
    envelope::{Envelope, PAYLOAD_TYPE_EVENT, PAYLOAD_TYPE_STATEMENT, event_hash, pae},
    hash::{EventHash, sha256},
    id::{EventId, OrganisationId, Scheme, SubjectId},
    key::PublicKey,
    number::{ChainIndex, LogPosition},
    set::EventSet,
    signed_event::{Event, Hand},
    statement::Statement,
    time::Timestamp,
    touch::{HeadValue, apply},
};
use tally_proto::v1;

pub(crate) const ORIGIN: &str = "ledger.example/shanxi";
/// When the example was sealed.
const RECORDED_AT: i64 = 1_793_491_260_000_000;
const POSITION: u64 = 2;

pub(crate) type Examples = Vec<(&'static str, Vec<u8>)>;

pub(crate) fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn key(seed: u8) -> PublicKey {
    PublicKey::parse(signer(seed).verifying_key().as_bytes()).unwrap()
}

fn machine() -> SubjectId {
    SubjectId::unit("三一重型装备", "EBZ200h", "２０２３－0417").unwrap()
}

fn mine() -> SubjectId {
    SubjectId::mine(Scheme::CnCoalMine, "140921021337").unwrap()
}

/// A machine that went down in a mine; issuer seed 1, hand seed 2.
pub(crate) fn statement() -> Statement {
    let organisation = SubjectId::organisation(Scheme::Uscc, "91330100799655058B").unwrap();
    let body = v1::EnteredMine { mine: mine().id().to_vec(), shaft: "副井".to_owned(), ..v1::EnteredMine::default() };
    Statement {
        origin: ORIGIN.to_owned(),
        event_id: EventId::parse(&[0x01, 0x9A, 0xB2, 0x3E, 0x0C, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]).unwrap(),
        subject: machine(),
        occurred_at: Timestamp::from_micros(1_793_491_200_000_000),
        organisation: OrganisationId::try_from(organisation).unwrap(),
        role: 4,
        mentions: vec![mine()],
        set: None,
        first_index: ChainIndex::FIRST,
        performed_by: vec![key(2).key_id()],
        checked_by: Vec::new(),
        approved_by: Vec::new(),
        body_number: 53,
        body: body.encode_to_vec(),
    }
}

/// All bytes that are shown, by their labels.
pub(crate) fn examples() -> Examples {
    let mut shown: Examples = Vec::new();
    subjects(&mut shown);
    let statement = statement();
    shown.push(("public-key-issuer", key(1).as_bytes().to_vec()));
    shown.push(("key-id-issuer", key(1).key_id().as_bytes().to_vec()));
    shown.push(("key-id-hand", key(2).key_id().as_bytes().to_vec()));
    shown.push(("body", statement.body.clone()));
    let statement_bytes = statement.encode();
    shown.push(("statement", statement_bytes.clone()));
    let statement_pae = pae(PAYLOAD_TYPE_STATEMENT, &statement_bytes);
    let hand = Hand { key_id: key(2).key_id(), signature: signer(2).sign(&statement_pae).to_bytes() };
    shown.push(("pae-statement", statement_pae));
    shown.push(("hand-signature", hand.signature.to_vec()));
    let event = Event::new(ChainIndex::FIRST, EventHash::ZERO, &statement_bytes, vec![hand]).unwrap();
    let payload = event.encode();
    shown.push(("event", payload.clone()));
    let signature = signer(1).sign(&pae(PAYLOAD_TYPE_EVENT, &payload)).to_bytes();
    shown.push(("issuer-signature", signature.to_vec()));
    shown.push(("event-hash", event_hash(&payload).as_bytes().to_vec()));
    let envelope = Envelope { payload, key_id: key(1).key_id(), signature };
    shown.push(("dsse", envelope.to_dsse_json().into_bytes()));
    let entry = EventEntry::new(Timestamp::from_micros(RECORDED_AT), envelope).unwrap();
    shown.push(("entry", entry.encode()));
    shown.push(("leaf-hash", entry.leaf_hash().as_bytes().to_vec()));
    set(&mut shown);
    log(&mut shown, &entry);
    shown
}

fn subjects(shown: &mut Examples) {
    let named = OrganisationId::try_from(SubjectId::organisation(Scheme::Uscc, "91330100799655058B").unwrap()).unwrap();
    let subjects = [
        ("subject-organisation", named.subject()),
        ("subject-mine", mine()),
        ("subject-mark", SubjectId::mark("MEB250001").unwrap()),
        ("subject-model", SubjectId::model("三一重型装备", "EBZ200h").unwrap()),
        ("subject-equipment", machine()),
        ("subject-lot", SubjectId::lot("三一重型装备", "ST1000", "L-7").unwrap()),
        ("subject-child", SubjectId::child(machine().id(), "A 1").unwrap()),
        ("subject-named", SubjectId::named(named, "综采面 1").unwrap()),
    ];
    shown.extend(subjects.map(|(label, subject)| (label, subject.key().to_vec())));
}

fn set(shown: &mut Examples) {
    let (one, mut other) = (statement(), statement());
    other.subject = SubjectId::child(other.subject.id(), "A 1").unwrap();
    let hashes = [one.member_hash(), other.member_hash()];
    let set = EventSet::of(&hashes).unwrap();
    shown.push(("member-hash", hashes[0].as_bytes().to_vec()));
    shown.push(("member-hash-child", hashes[1].as_bytes().to_vec()));
    shown.push(("set-digest", set.digest.as_bytes().to_vec()));
    other.set = Some(set);
    shown.push(("statement-in-set", other.encode()));
    assert_eq!(other.member_hash(), hashes[1], "field 8 is no part of it");
}

/// The second batch of a log: the example's entry at position 2, its heads entry at 3. Of the first batch only the two
/// leaf hashes are known, 32 bytes 0xAA and 0xBB.
fn log(shown: &mut Examples, entry: &EventEntry) {
    let keys = [key(1), key(2)];
    let verified = entry.unverified().parse().unwrap();
    let verified = verified.verify(|id| keys.iter().find(|key| key.key_id() == *id)).unwrap();
    let position = LogPosition::new(POSITION).unwrap();
    let values = apply(&verified, position, entry.leaf_hash(), |_| HeadValue::default()).unwrap();
    let (own, of_mine) = (values[0].1.encode(), values[1].1.encode());
    shown.push(("touch-hash", values[0].1.touch_hash.as_bytes().to_vec()));
    shown.push(("head-value-equipment", own.to_vec()));
    shown.push(("head-value-mine", of_mine.to_vec()));

    let map_key = |subject: SubjectId| sha256(&[&[2], &subject.key()]);
    let (own_key, mine_key) = (map_key(machine()), map_key(mine()));
    let leaf = |key: &[u8; 32], value: &[u8]| sha256(&[&[0], key, &sha256(&[value])]);
    let (own_leaf, mine_leaf) = (leaf(&own_key, &own), leaf(&mine_key, &of_mine));
    let (root, siblings) = two_leaf_map((&own_key, own_leaf), (&mine_key, mine_leaf));
    shown.push(("map-key-equipment", own_key.to_vec()));
    shown.push(("map-leaf-equipment", own_leaf.to_vec()));
    shown.push(("map-leaf-mine", mine_leaf.to_vec()));
    shown.push(("map-root", root.to_vec()));

    let mut heads = vec![1, 1];
    heads.extend(RECORDED_AT.to_be_bytes());
    heads.extend(POSITION.to_be_bytes());
    heads.extend(root);
    heads.extend(2_u64.to_be_bytes());
    heads.extend((POSITION - 1).to_be_bytes());
    heads.extend(0_u16.to_be_bytes());
    let heads_leaf = sha256(&[&[0], &heads]);
    let node = |left: &[u8], right: &[u8]| sha256(&[&[1], left, right]);
    let first_batch = node(&[0xAA; 32], &[0xBB; 32]);
    let tree_root = node(&first_batch, &node(entry.leaf_hash().as_bytes(), &heads_leaf));
    shown.push(("heads-entry", heads.clone()));
    shown.push(("tree-root", tree_root.to_vec()));

    let note = checkpoint(&tree_root);
    shown.push(("checkpoint", note.clone().into_bytes()));
    let proof = v1::HeadProof {
        subject: machine().key().to_vec(),
        checkpoint: note.into_bytes(),
        last_entry: heads.clone(),
        inclusion: vec![entry.leaf_hash().as_bytes().to_vec(), first_batch.to_vec()],
        siblings: siblings.iter().map(|sibling| sibling.to_vec()).collect(),
        end: Some(v1::head_proof::End::Value(own.to_vec())),
        suffix: None,
        touches: vec![v1::Touch { position: POSITION, content: Some(v1::touch::Content::Entry(entry.encode())) }],
        keys: keys.iter().map(|key| key.as_bytes().to_vec()).collect(),
        consistency: Vec::new(),
    };
    shown.push(("head-proof", proof.encode_to_vec()));
    disk(shown, &entry.encode(), &heads);
}

/// The root over two leaves, and the siblings of the first from the root down.
fn two_leaf_map(one: (&[u8; 32], [u8; 32]), other: (&[u8; 32], [u8; 32])) -> ([u8; 32], Vec<[u8; 32]>) {
    let bit = |key: &[u8; 32], at: usize| key[at / 8] >> (7 - at % 8) & 1;
    let depth = (0..256).find(|at| bit(one.0, *at) != bit(other.0, *at)).unwrap();
    let branch = |left: &[u8], right: &[u8]| sha256(&[&[1], left, right]);
    let mut hash = if bit(one.0, depth) == 0 { branch(&one.1, &other.1) } else { branch(&other.1, &one.1) };
    for at in (0..depth).rev() {
        hash = if bit(one.0, at) == 0 { branch(&hash, &[0; 32]) } else { branch(&[0; 32], &hash) };
    }
    let mut siblings = vec![[0; 32]; depth];
    siblings.push(other.1);
    (hash, siblings)
}

/// The log's own signature under its size of four; log key seed 9.
fn checkpoint(root: &[u8; 32]) -> String {
    let text = format!("{ORIGIN}\n4\n{}\n", STANDARD.encode(root));
    let public = signer(9).verifying_key().to_bytes();
    let id = sha256(&[ORIGIN.as_bytes(), b"\n\x01", &public]);
    let signature = signer(9).sign(text.as_bytes()).to_bytes();
    format!("{text}\n— {ORIGIN} {}\n", STANDARD.encode([&id[..4], &signature[..]].concat()))
}

fn disk(shown: &mut Examples, entry: &[u8], heads: &[u8]) {
    let first = POSITION.to_be_bytes();
    let previous = [0xCC; 32];
    let mut segment = b"tallyseg".to_vec();
    segment.extend(1_u32.to_be_bytes());
    segment.extend(0_u64.to_be_bytes());
    segment.extend(first);
    segment.extend(previous);
    segment.extend(crc32c(&segment).to_be_bytes());
    shown.push(("segment-header", segment));

    let record = |position: u64, entry: &[u8], links: &[[u64; 2]]| {
        let mut record = u16::try_from(entry.len()).unwrap().to_be_bytes().to_vec();
        record.extend(u16::try_from(links.len()).unwrap().to_be_bytes());
        record.extend(links.iter().flatten().flat_map(|place| place.to_be_bytes()));
        record.extend(entry);
        let checksum = crc32c(&[&position.to_be_bytes()[..], &record].concat());
        [&checksum.to_be_bytes()[..], &record].concat()
    };
    // Neither the machine nor the mine was touched before.
    let none = [u64::MAX; 2];
    let body = [record(POSITION, entry, &[none, none]), record(POSITION + 1, heads, &[])].concat();
    let mut frame = b"tlf1".to_vec();
    frame.extend(2_u32.to_be_bytes());
    frame.extend(first);
    frame.extend(u64::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend(previous);
    frame.extend(crc32c(&frame).to_be_bytes());
    shown.push(("frame-header", frame.clone()));
    frame.extend(body);
    shown.push(("frame", frame));
}

/// CRC-32C (Castagnoli), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 })
    })
}
