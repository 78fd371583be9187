//! Properties of the bytes that are signed: one encoding or a refusal, and any flipped bit shows

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic, its helpers too")]

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use tally_core::entry::EventEntry;
use tally_core::envelope::{PAYLOAD_TYPE_EVENT, PAYLOAD_TYPE_STATEMENT, pae};
use tally_core::hash::{Digest, EventHash};
use tally_core::id::{EventId, OrganisationId, SubjectId, SubjectKind};
use tally_core::key::{KeyId, PublicKey};
use tally_core::number::{ChainIndex, LogPosition};
use tally_core::set::{EventSet, SetError, check_members};
use tally_core::signed_event::{Event, Hand, SignatureRefusal, UnverifiedEnvelope, VerifiedEvent};
use tally_core::statement::Statement;
use tally_core::time::Timestamp;
use tally_core::touch::{HeadValue, LinkError, apply};

fn subject() -> impl Strategy<Value = SubjectId> {
    (0..8_usize, any::<[u8; 16]>()).prop_map(|(kind, id)| SubjectId::new(SubjectKind::ALL[kind], id))
}

fn event_id() -> impl Strategy<Value = EventId> {
    any::<[u8; 16]>().prop_map(|mut id| {
        id[6] = 0x70 | id[6] & 0x0F;
        id[8] = 0x80 | id[8] & 0x3F;
        EventId::parse(&id).unwrap()
    })
}

fn keys() -> impl Strategy<Value = Vec<KeyId>> {
    btree_set(any::<[u8; 32]>().prop_map(KeyId::new), 0..3).prop_map(|keys| keys.into_iter().collect())
}

prop_compose! {
    fn statement()(
        origin in "[!-*,-~]{1,20}",
        event_id in event_id(),
        subject in subject(),
        occurred_at in any::<i64>(),
        organisation in any::<[u8; 16]>(),
        role in 1..=i32::MAX.cast_unsigned(),
        mentions in btree_set(subject(), 0..4),
        set in proptest::option::of((2..=64_u32, any::<[u8; 32]>())),
        first_index in 0..3_u64,
        named in [keys(), keys(), keys()],
        body_number in prop_oneof![20..200_u32, Just((1 << 29) - 1)],
        body in vec(any::<u8>(), 0..40),
    ) -> Statement {
        let [performed_by, checked_by, approved_by] = named;
        Statement {
            origin,
            event_id,
            subject,
            occurred_at: Timestamp::from_micros(occurred_at),
            organisation: OrganisationId::new(organisation),
            role,
            mentions: mentions.into_iter().filter(|mention| *mention != subject).collect(),
            set: set.map(|(count, digest)| EventSet { count, digest: Digest::new(digest) }),
            first_index: ChainIndex::new(first_index),
            performed_by,
            checked_by,
            approved_by,
            body_number,
            body,
        }
    }
}

/// What a signer with these seeds makes of a statement; the first seed is the issuer's.
fn signed(statement: &Statement, chain_index: u64, previous: EventHash, seeds: &[u8]) -> (Vec<u8>, KeyId, [u8; 64]) {
    let statement = statement.encode();
    let signer = |seed: u8| SigningKey::from_bytes(&[seed; 32]);
    let hands = seeds[1..].iter().map(|&seed| Hand {
        key_id: key(seed).key_id(),
        signature: signer(seed).sign(&pae(PAYLOAD_TYPE_STATEMENT, &statement)).to_bytes(),
    });
    let event = Event::new(ChainIndex::new(chain_index), previous, &statement, hands.collect()).unwrap();
    let payload = event.encode();
    let signature = signer(seeds[0]).sign(&pae(PAYLOAD_TYPE_EVENT, &payload)).to_bytes();
    (payload, key(seeds[0]).key_id(), signature)
}

fn key(seed: u8) -> PublicKey {
    PublicKey::parse(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes()).unwrap()
}

fn verify(payload: &[u8], issuer: KeyId, signature: &[u8], seeds: &[u8]) -> Result<VerifiedEvent, String> {
    let known: Vec<_> = seeds.iter().map(|seed| key(*seed)).collect();
    let envelope = UnverifiedEnvelope { payload, key_id: issuer.as_bytes(), signature };
    let parsed = envelope.parse().map_err(|error| error.to_string())?;
    let lookup = |id: &KeyId| known.iter().find(|key| key.key_id() == *id);
    parsed.verify(lookup).map_err(|refusal: SignatureRefusal| refusal.to_string())
}

proptest! {
    #[test]
    fn statements_come_back_from_their_one_encoding(statement in statement()) {
        let encoded = statement.encode();
        let parsed = Statement::parse(&encoded);
        prop_assert_eq!(parsed.as_ref(), Ok(&statement));
        let mut without = statement.clone();
        without.set = None;
        prop_assert_eq!(statement.member_hash(), Digest::of(&without.encode()));
    }

    #[test]
    fn mutated_statements_are_refused_or_encode_to_the_same_bytes(
        statement in statement(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut bytes = statement.encode();
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Ok(parsed) = Statement::parse(&bytes) {
            prop_assert_eq!(parsed.encode(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_encode_to_the_same_bytes(bytes in vec(any::<u8>(), 0..120)) {
        if let Ok(parsed) = Statement::parse(&bytes) {
            prop_assert_eq!(parsed.encode(), &bytes[..]);
        }
        if let Ok(parsed) = Event::parse(&bytes) {
            prop_assert_eq!(parsed.encode(), &bytes[..]);
        }
        if let Ok(parsed) = EventEntry::parse(&bytes) {
            prop_assert_eq!(parsed.encode(), &bytes[..]);
        }
    }

    #[test]
    fn truncated_events_are_refused(statement in statement(), cut in any::<prop::sample::Index>()) {
        let (payload, ..) = signed(&statement, 5, EventHash::new([1; 32]), &[1, 2]);
        let cut = cut.index(payload.len());
        // A cut that takes whole hands away is an event; its signature then fails.
        if let Ok(parsed) = Event::parse(&payload[..cut]) {
            prop_assert!(parsed.hands().is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_flipped_bit_of_payload_signature_or_hand_fails(statement in statement()) {
        let seeds = [1, 2, 3];
        let (payload, issuer, signature) = signed(&statement, 7, EventHash::new([1; 32]), &seeds);
        let verified = verify(&payload, issuer, &signature, &seeds);
        prop_assert_eq!(verified.as_ref().map(VerifiedEvent::hands).map(<[Hand]>::len), Ok(2));
        for bit in 0..8 * payload.len() {
            let mut changed = payload.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify(&changed, issuer, &signature, &seeds).is_err(), "bit {}", bit);
        }
        for bit in 0..8 * 64 {
            let mut changed = signature;
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify(&payload, issuer, &changed, &seeds).is_err(), "bit {}", bit);
        }
    }

    #[test]
    fn any_flipped_bit_of_a_hand_fails_though_the_issuer_signs_over_it(statement in statement(), bit in 0..512_usize) {
        let seeds = [1, 2];
        let (index, previous) = (ChainIndex::new(7), EventHash::new([1; 32]));
        let (payload, ..) = signed(&statement, index.get(), previous, &seeds);
        let event = Event::parse(&payload).unwrap();
        let mut hand = event.hands()[0];
        hand.signature[bit / 8] ^= 1 << (bit % 8);
        let changed = Event::new(index, previous, event.statement_bytes(), vec![hand]).unwrap().encode();
        let signer = SigningKey::from_bytes(&[1; 32]);
        let signature = signer.sign(&pae(PAYLOAD_TYPE_EVENT, &changed)).to_bytes();
        let refused = verify(&changed, key(1).key_id(), &signature, &seeds).unwrap_err();
        prop_assert!(refused.contains("hand"), "{refused}");
    }
}

/// A valid statement to change one thing in.
fn plain(event_number: u8, subject: SubjectId) -> Statement {
    let mut id = [event_number; 16];
    (id[6], id[8]) = (0x70, 0x80);
    Statement {
        origin: "ledger.example/test".to_owned(),
        event_id: EventId::parse(&id).unwrap(),
        subject,
        occurred_at: Timestamp::from_micros(-1),
        organisation: OrganisationId::new([9; 16]),
        role: 1,
        mentions: Vec::new(),
        set: None,
        first_index: ChainIndex::FIRST,
        performed_by: Vec::new(),
        checked_by: Vec::new(),
        approved_by: Vec::new(),
        body_number: 20,
        body: Vec::new(),
    }
}

fn machine(number: u8) -> SubjectId {
    SubjectId::new(SubjectKind::Equipment, [number; 16])
}

fn verified(statement: &Statement, chain_index: u64, previous: EventHash, seed: u8) -> VerifiedEvent {
    let (payload, issuer, signature) = signed(statement, chain_index, previous, &[seed]);
    verify(&payload, issuer, &signature, &[seed]).unwrap()
}

#[test]
fn all_bad_fields_are_named_at_once() {
    let mut statement = plain(1, machine(1));
    statement.origin = "two words".to_owned();
    statement.role = 0;
    statement.mentions = vec![machine(3), machine(2), machine(1)];
    let error = Statement::parse(&statement.encode()).unwrap_err();
    let found: Vec<_> = error.problems().iter().map(|one| (one.field.as_str(), one.problem.reason())).collect();
    let expected =
        [("origin", "ORIGIN"), ("role", "MISSING"), ("mentions[1]", "NOT_SORTED"), ("mentions[2]", "NOT_SORTED")];
    assert_eq!(found, expected);
}

#[test]
fn bounds_of_the_header_hold_on_both_sides() {
    let lists = |count: u16| -> Vec<KeyId> {
        (0..count)
            .map(|at| KeyId::new(std::array::from_fn(|byte| if byte < 2 { at.to_be_bytes()[byte] } else { 0 })))
            .collect()
    };
    let mentions = |count: u16| -> Vec<SubjectId> {
        (0..count)
            .map(|at| {
                SubjectId::new(
                    SubjectKind::Mine,
                    std::array::from_fn(|byte| if byte < 2 { at.to_be_bytes()[byte] } else { 0 }),
                )
            })
            .collect()
    };
    let mut statement = plain(1, machine(1));
    (statement.performed_by, statement.mentions) = (lists(64), mentions(256));
    assert_eq!(Statement::parse(&statement.encode()).as_ref(), Ok(&statement));
    statement.performed_by = lists(65);
    assert_eq!(Statement::parse(&statement.encode()).unwrap_err().problems()[0].problem.reason(), "TOO_MANY");
    (statement.performed_by, statement.mentions) = (Vec::new(), mentions(257));
    assert_eq!(Statement::parse(&statement.encode()).unwrap_err().problems()[0].problem.reason(), "TOO_MANY");
}

#[test]
fn payloads_end_at_60_000_bytes() {
    let mut statement = plain(1, machine(1));
    let overhead =
        Event::new(ChainIndex::FIRST, EventHash::ZERO, &statement.encode(), Vec::new()).unwrap().encode().len();
    statement.body = vec![0; 60_000 - overhead - 4];
    let event = Event::new(ChainIndex::FIRST, EventHash::ZERO, &statement.encode(), Vec::new()).unwrap();
    assert_eq!(event.encode().len(), 60_000);
    statement.body.push(0);
    let error = Event::new(ChainIndex::FIRST, EventHash::ZERO, &statement.encode(), Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "has 60001 bytes, 60000 are allowed");
}

#[test]
fn applying_events_moves_own_chain_and_mentions_only() {
    let (own, other) = (machine(1), machine(2));
    let mut opening = plain(1, own);
    opening.mentions = vec![other];
    let first = verified(&opening, 0, EventHash::ZERO, 1);
    let entry = EventEntry::new(Timestamp::from_micros(5), first.envelope().clone()).unwrap();
    let position = LogPosition::new(3).unwrap();
    let values = apply(&first, position, entry.leaf_hash(), |_| HeadValue::default()).unwrap();
    let [(subject, value), (mentioned, touched)] = values[..] else { panic!("{values:?}") };
    assert_eq!((subject, value.chain_length, value.touches), (own, 1, 1));
    assert_eq!((mentioned, touched.chain_length, touched.touches), (other, 0, 1));
    assert_eq!(value.head_hash, first.event_hash());
    assert_eq!((touched.head_hash, touched.touch_hash), (EventHash::ZERO, value.touch_hash));

    let again = apply(&first, position, entry.leaf_hash(), |_| value);
    assert_eq!(again, Err(LinkError::Index { claimed: ChainIndex::FIRST, chain_length: 1 }));
    let stray = verified(&plain(2, own), 1, EventHash::new([7; 32]), 1);
    let refused = apply(&stray, position, entry.leaf_hash(), |_| value);
    assert_eq!(refused, Err(LinkError::PreviousHash { claimed: EventHash::new([7; 32]), head: first.event_hash() }));
    let second = verified(&plain(2, own), 1, first.event_hash(), 1);
    assert_eq!(apply(&second, position, entry.leaf_hash(), |_| value).unwrap()[0].1.chain_length, 2);
}

#[test]
fn sets_are_whole_and_by_one_issuer() {
    let mut statements = [plain(1, machine(1)), plain(2, machine(2))];
    let set = EventSet::of(&[statements[1].member_hash(), statements[0].member_hash()]).unwrap();
    statements.iter_mut().for_each(|statement| statement.set = Some(set));
    let members = [verified(&statements[0], 0, EventHash::ZERO, 1), verified(&statements[1], 0, EventHash::ZERO, 1)];
    assert_eq!(check_members(&[&members[0], &members[1]]), Ok(()));
    assert_eq!(check_members(&[&members[0]]), Err(SetError::Count { due: 2, found: 1 }));
    assert_eq!(check_members(&[]), Err(SetError::Size { found: 0 }));
    assert!(matches!(check_members(&[&members[0], &members[0]]), Err(SetError::Order { at: 1, .. })));

    let foreign = verified(&statements[1], 0, EventHash::ZERO, 2);
    assert!(matches!(check_members(&[&members[0], &foreign]), Err(SetError::Issuer { at: 1, .. })));
    let mut exchanged = plain(3, machine(3));
    exchanged.set = Some(set);
    let exchanged = verified(&exchanged, 0, EventHash::ZERO, 1);
    assert!(matches!(check_members(&[&members[0], &exchanged]), Err(SetError::Digest { .. })));
    let alone = verified(&plain(4, machine(4)), 0, EventHash::ZERO, 1);
    assert_eq!(check_members(&[&members[0], &alone]), Err(SetError::OtherSet { at: 1 }));
    assert_eq!(EventSet::of(&[statements[0].member_hash()]), Err(SetError::Size { found: 1 }));
}

#[test]
fn issuer_is_no_hand_and_keys_must_be_known() {
    let statement = plain(1, machine(1));
    let (payload, issuer, signature) = signed(&statement, 0, EventHash::ZERO, &[1, 1]);
    let refused = verify(&payload, issuer, &signature, &[1]).unwrap_err();
    assert_eq!(refused, "hands[0].key_id: is the issuer's key");
    let (payload, issuer, signature) = signed(&statement, 0, EventHash::ZERO, &[1, 2]);
    let refused = verify(&payload, issuer, &signature, &[1]).unwrap_err();
    assert_eq!(refused, format!("key {} of the hand is not known", key(2).key_id()));
    let envelope = UnverifiedEnvelope { payload: &payload, key_id: issuer.as_bytes(), signature: &signature };
    let wrong = key(3);
    let refused = envelope.parse().unwrap().verify(|_| Some(&wrong)).unwrap_err();
    assert!(matches!(refused, SignatureRefusal::OtherKey { .. }));
    assert_eq!(VerifiedEvent::parse_trusted(envelope).unwrap().issuer(), issuer);
}
