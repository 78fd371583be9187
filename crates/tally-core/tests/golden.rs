//! The worked example of docs/format.md: every byte that is signed or hashed, re-created from seeds
//!
//! `UPDATE_GOLDEN=1` rewrites the files; a human reads the difference. The seeds are public: nothing may trust them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panic, its helpers too")]

use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use tally_core::entry::EventEntry;
use tally_core::envelope::{Envelope, PAYLOAD_TYPE_EVENT, PAYLOAD_TYPE_STATEMENT, event_hash, pae};
use tally_core::hash::{Digest, EventHash, TouchHash};
use tally_core::id::{EventId, OrganisationId, Scheme, SubjectId};
use tally_core::key::PublicKey;
use tally_core::number::{ChainIndex, LogPosition};
use tally_core::set::EventSet;
use tally_core::signed_event::{Event, Hand, UnverifiedEnvelope};
use tally_core::statement::Statement;
use tally_core::time::Timestamp;
use tally_core::touch::{HeadValue, apply};

/// Compares bytes with `testdata/golden/NAME.hex`, lines of 32 bytes.
fn assert_golden(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden").join(format!("{name}.hex"));
    let text: String = bytes.chunks(32).map(|line| hex::encode(line) + "\n").collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, golden, "{name}");
}

fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn key(seed: u8) -> PublicKey {
    PublicKey::parse(signer(seed).verifying_key().as_bytes()).unwrap()
}

/// A machine that a mine states to be in its store; issuer seed 1, hand seed 2.
fn statement() -> Statement {
    let machine = SubjectId::unit("三一重型装备", "EBZ200h", "２０２３－0417").unwrap();
    let organisation = SubjectId::organisation(Scheme::Uscc, "91330100799655058B").unwrap();
    let mine = SubjectId::mine(Scheme::CnCoalMine, "140921021337").unwrap();
    assert_golden("subject-equipment", &machine.key());
    assert_golden("subject-organisation", &organisation.key());
    assert_golden("subject-mine", &mine.key());
    Statement {
        origin: "ledger.example/shanxi".to_owned(),
        event_id: EventId::parse(&[0x01, 0x9A, 0xB2, 0x3E, 0x0C, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]).unwrap(),
        subject: machine,
        occurred_at: Timestamp::from_micros(1_793_491_200_000_000),
        organisation: OrganisationId::try_from(organisation).unwrap(),
        role: 4,
        mentions: vec![mine],
        set: None,
        first_index: ChainIndex::FIRST,
        performed_by: vec![key(2).key_id()],
        checked_by: Vec::new(),
        approved_by: Vec::new(),
        body_number: 20,
        body: vec![0x0A, 0x02, 0x68, 0x69],
    }
}

#[test]
fn worked_example_of_the_format_is_re_created() {
    let statement = statement();
    assert_golden("public-key-issuer", key(1).as_bytes());
    assert_golden("key-id-issuer", key(1).key_id().as_bytes());
    assert_golden("key-id-hand", key(2).key_id().as_bytes());
    let statement_bytes = statement.encode();
    assert_golden("statement", &statement_bytes);
    let statement_pae = pae(PAYLOAD_TYPE_STATEMENT, &statement_bytes);
    assert_golden("pae-statement", &statement_pae);
    let hand = Hand { key_id: key(2).key_id(), signature: signer(2).sign(&statement_pae).to_bytes() };
    assert_golden("hand-signature", &hand.signature);
    let event = Event::new(ChainIndex::FIRST, EventHash::ZERO, &statement_bytes, vec![hand]).unwrap();
    let payload = event.encode();
    assert_golden("event", &payload);
    let event_pae = pae(PAYLOAD_TYPE_EVENT, &payload);
    let signature = signer(1).sign(&event_pae).to_bytes();
    assert_golden("issuer-signature", &signature);
    assert_golden("event-hash", event_hash(&payload).as_bytes());

    let envelope = Envelope { payload, key_id: key(1).key_id(), signature };
    assert_golden("dsse", envelope.to_dsse_json().as_bytes());
    let entry = EventEntry::new(Timestamp::from_micros(1_793_491_260_000_000), envelope).unwrap();
    assert_golden("entry", &entry.encode());
    assert_golden("leaf-hash", entry.leaf_hash().as_bytes());

    let verified = entry.unverified().parse().unwrap();
    let known = [key(1), key(2)];
    let verified = verified.verify(|id| known.iter().find(|key| key.key_id() == *id)).unwrap();
    let position = LogPosition::new(4711).unwrap();
    let values = apply(&verified, position, entry.leaf_hash(), |_| HeadValue::default()).unwrap();
    let [(_, own), (_, mine)] = values.as_slice() else { panic!("{values:?}") };
    assert_golden("touch-hash", own.touch_hash.as_bytes());
    assert_golden("head-value-equipment", &own.encode());
    assert_golden("head-value-mine", &mine.encode());
    assert_ne!(own.touch_hash, TouchHash::ZERO);
}

#[test]
fn worked_example_of_a_set_is_re_created() {
    let (one, mut other) = (statement(), statement());
    other.subject = SubjectId::child(other.subject.id(), "A 1").unwrap();
    assert_golden("subject-child", &other.subject.key());
    let hashes = [one.member_hash(), other.member_hash()];
    let set = EventSet::of(&hashes).unwrap();
    assert_golden("member-hash", hashes.first().map(Digest::as_bytes).unwrap());
    assert_golden("member-hash-child", hashes.last().map(Digest::as_bytes).unwrap());
    assert_golden("set-digest", set.digest.as_bytes());
    other.set = Some(set);
    assert_golden("statement-in-set", &other.encode());
    assert_eq!(other.member_hash(), *hashes.last().unwrap());
}

#[test]
fn golden_entry_parses_though_nothing_but_its_bytes_is_known() {
    let text = include_str!("../testdata/golden/entry.hex");
    let entry = EventEntry::parse(&hex::decode(text.replace('\n', "")).unwrap()).unwrap();
    let UnverifiedEnvelope { payload, .. } = entry.unverified();
    assert_eq!(Event::parse(payload).unwrap().encode(), payload);
}
