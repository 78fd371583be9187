//! Refusals over the wire: code, details and sentence are those of `docs/refusals.md`, and nothing was changed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Raw, client, record_scene, said, served};
use prost::Message as _;
use tally_client::draft::SignedEvent;
use tally_core::{
    envelope::{PAYLOAD_TYPE_EVENT, pae},
    hash::EventHash,
    id::SubjectId,
    refusal::Head,
    time::Timestamp,
};
use tally_proto::v1::{self, Role, ServiceState};
use tally_server::status::DOMAIN;
use tally_testkit::{
    ledger::TestLedger,
    scene::{KeyUse, MINE, Machine, Scene},
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// A row of the table in `docs/refusals.md`.
#[derive(Debug)]
struct Documented {
    code: Code,
    zh: String,
    help: String,
    metadata: BTreeSet<String>,
}

/// The table as people read it.
fn documented() -> BTreeMap<String, Documented> {
    let text = include_str!("../../../docs/refusals.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [reason, _, code, zh, help, metadata] = cells[..] else { panic!("the table has another shape: {line}") };
        let code = match code.trim_matches('`') {
            "INVALID_ARGUMENT" => Code::InvalidArgument,
            "PERMISSION_DENIED" => Code::PermissionDenied,
            "FAILED_PRECONDITION" => Code::FailedPrecondition,
            "ABORTED" => Code::Aborted,
            "ALREADY_EXISTS" => Code::AlreadyExists,
            other => panic!("{other} is no code of a refusal"),
        };
        let metadata =
            metadata.split(", ").filter(|name| !name.is_empty()).map(|name| name.trim_matches('`').to_owned());
        let row = Documented { code, zh: zh.to_owned(), help: help.to_owned(), metadata: metadata.collect() };
        (reason.trim_matches('`').to_owned(), row)
    });
    rows.collect()
}

/// How an event is sent.
enum Sent {
    Alone(v1::SignedEvent),
    Set(Vec<v1::SignedEvent>),
}

/// One thing that is refused, for one reason, with values that the answer must name.
struct Case {
    what: &'static str,
    sent: Sent,
    reason: &'static str,
    values: Vec<(&'static str, String)>,
    /// Field that is named as bad.
    field: Option<&'static str>,
}

fn case(what: &'static str, sent: v1::SignedEvent, reason: &'static str, values: &[(&'static str, String)]) -> Case {
    Case { what, sent: Sent::Alone(sent), reason, values: values.to_vec(), field: None }
}

fn malformed(what: &'static str, sent: v1::SignedEvent, field: &'static str) -> Case {
    Case { what, sent: Sent::Alone(sent), reason: "MALFORMED_EVENT", values: Vec::new(), field: Some(field) }
}

struct World {
    scene: Scene,
    machine: Machine,
    part: Machine,
}

impl World {
    fn new() -> Self {
        let scene = Scene::new().mine("M2");
        let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
        let part = scene.machine("motor").reach(ServiceState::Accepted);
        // The key of a person of M2 is revoked.
        scene.revocation("M2", KeyUse::Staff(0), 0).record();
        Self { scene, machine, part }
    }

    /// Signs a payload as the mine, whatever it is.
    fn signed(&self, payload: Vec<u8>) -> v1::SignedEvent {
        let key = self.scene.key(MINE, KeyUse::Organisation);
        let signature = key.sign(&pae(PAYLOAD_TYPE_EVENT, &payload)).to_vec();
        v1::SignedEvent { payload, key_id: key.key_id().as_bytes().to_vec(), signature }
    }

    fn key_id(&self, party: &str, of: KeyUse) -> String {
        self.scene.key(party, of).key_id().to_string()
    }

    fn stale(&self) -> Vec<Case> {
        let machine = &self.machine;
        let noted = || machine.next().noted("x");
        let head = machine.head();
        let subject = machine.subject().to_string();
        let told = |claimed: Option<u64>| {
            let mut values = vec![
                ("subject", subject.clone()),
                ("chain_length", head.chain_length.to_string()),
                ("head_hash", head.head_hash.to_string()),
            ];
            values.extend(claimed.map(|claimed| ("claimed", claimed.to_string())));
            values
        };
        let old = Head { chain_length: 3, head_hash: machine.events()[2].event_hash() };
        let gap = Head { chain_length: head.chain_length + 1, ..head };
        let forged = Head { head_hash: EventHash::new([7; 32]), ..head };
        let standing = machine.last();
        let id = standing.event().statement().event_id;
        let before = Head { chain_length: head.chain_length - 1, head_hash: standing.event().previous_hash() };
        let reused = noted().on_head(before).with_header(move |header| header.event_id = id).message();
        let chain_index = standing.chain_index().to_string();
        let by_another = {
            let key = self.scene.key(MINE, KeyUse::Device);
            let signature = key.sign(&pae(PAYLOAD_TYPE_EVENT, standing.payload())).to_vec();
            let key_id = key.key_id().as_bytes().to_vec();
            v1::SignedEvent { key_id, signature, ..standing.message() }
        };
        let rebased = noted().with_header(move |header| header.event_id = id);
        let rebased =
            rebased.with_header(|header| header.first_index = tally_core::number::ChainIndex::FIRST).message();
        vec![
            case("a stale head", noted().on_head(old).message(), "STALE_HEAD", &told(Some(3))),
            case("a gap", noted().on_head(gap).message(), "CHAIN_GAP", &told(Some(head.chain_length + 1))),
            case("a forged previous hash", noted().on_head(forged).message(), "WRONG_PREVIOUS_HASH", &told(None)),
            case(
                "a reused event id",
                reused,
                "EVENT_ID_REUSED",
                &[("event_id", id.to_string()), ("chain_index", chain_index.clone())],
            ),
            case(
                "a statement that stands there already, linked again",
                rebased,
                "EVENT_ID_REUSED",
                &[("event_id", id.to_string()), ("chain_index", chain_index.clone())],
            ),
            case(
                "the payload of another issuer",
                by_another,
                "ISSUER_DIFFERS",
                &[("chain_index", chain_index), ("issuer", standing.key_id().to_string())],
            ),
        ]
    }

    fn forbidden(&self) -> Vec<Case> {
        let (scene, machine) = (&self.scene, &self.machine);
        let inspected = || machine.next().inspected();
        let id = |party: &str| scene.party(party).id.to_string();
        let subject = machine.subject().to_string();
        let own_of_m2 = || scene.sketch("M2", scene.party("M2").mine(), mine_profile());
        vec![
            case(
                "a revoked key",
                own_of_m2().issued_by(KeyUse::Staff(0)).message(),
                "KEY_REVOKED",
                &[("key_id", self.key_id("M2", KeyUse::Staff(0)))],
            ),
            case(
                "an unknown key",
                inspected().issued_by(KeyUse::Unregistered(3)).message(),
                "KEY_UNKNOWN",
                &[("key_id", self.key_id(MINE, KeyUse::Unregistered(3)))],
            ),
            case(
                "the key of another",
                inspected().issued_by_key_of("M2", KeyUse::Organisation).message(),
                "KEY_OF_ANOTHER",
                &[("key_id", self.key_id("M2", KeyUse::Organisation)), ("owner", id("M2")), ("organisation", id(MINE))],
            ),
            case(
                "a recovery key",
                inspected().issued_by(KeyUse::Recovery).message(),
                "KEY_NOT_MEANT",
                &[("key_id", self.key_id(MINE, KeyUse::Recovery)), ("kind", "recovery".to_owned())],
            ),
            case(
                "a role that may not",
                machine.next().overhauled().by("F1").message(),
                "ROLE_MAY_NOT_SIGN",
                &[("role", "manufacturer".to_owned()), ("kind", "Overhauled".to_owned())],
            ),
            case(
                "a role that was not granted",
                inspected().in_role(Role::Contractor).message(),
                "ROLE_NOT_HELD",
                &[("organisation", id(MINE)), ("role", "contractor".to_owned())],
            ),
            case(
                "a stranger",
                inspected().by("M2").without_hands().message(),
                "STRANGER",
                &[("organisation", id("M2")), ("subject", subject.clone())],
            ),
            case(
                "a missing hand",
                machine.next().ownership_changed("D1").without_hands().message(),
                "HAND_MISSING",
                &[("kind", "OwnershipChanged".to_owned())],
            ),
            case(
                "a foreign hand",
                inspected().with_hand("M2", KeyUse::Staff(1)).message(),
                "HAND_FOREIGN",
                &[("key_id", self.key_id("M2", KeyUse::Staff(1))), ("owner", id("M2"))],
            ),
            case(
                "a party that is in no position",
                machine.next().dispatched("D1").by("M2").message(),
                "NOT_IN_POSITION",
                &[("kind", "Dispatched".to_owned()), ("organisation", id("M2"))],
            ),
        ]
    }

    fn malformed(&self) -> Vec<Case> {
        let machine = &self.machine;
        let good = machine.next().noted("good").message();
        let event = v1::Event::decode(good.payload.as_slice()).unwrap();
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut payload = good.payload.clone();
            change(&mut payload);
            self.signed(payload)
        };
        let with_statement = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut event = event.clone();
            change(&mut event.statement);
            self.signed(event.encode_to_vec())
        };
        let elsewhere = machine.next().noted("x").with_header(|header| header.origin = "other.example/log".to_owned());
        let mut flipped = good.clone();
        flipped.signature[5] ^= 1;
        let ahead = Timestamp::from_micros(self.scene.now().micros() + 3_600_000_000);
        let huge = machine.next().noted(&"x".repeat(6_001)).message();
        vec![
            // Field 31 of the event with the value 1: unknown.
            malformed("an unknown field", with(&|payload| payload.extend([0xf8, 0x01, 0x01])), "payload"),
            // Chain index 0 written out, and after the other fields.
            malformed("fields out of order", with(&|payload| payload.extend([0x08, 0x09])), "chain_index"),
            malformed("a second body", with_statement(&|bytes| bytes.extend([0xf8, 0x7f, 0x01])), "statement.body"),
            malformed("a truncated payload", with(&|payload| payload.truncate(payload.len() / 2)), "payload"),
            malformed("an empty payload", with(&Vec::clear), "previous_hash"),
            malformed("an oversized payload", with(&|payload| payload.resize(60_001, 0)), "payload"),
            malformed("a note that is too long", huge, "noted.text"),
            malformed("a short key id", v1::SignedEvent { key_id: vec![1; 31], ..good.clone() }, "key_id"),
            malformed("a short signature", v1::SignedEvent { signature: vec![1; 63], ..good.clone() }, "signature"),
            case(
                "a flipped bit in the signature",
                flipped,
                "BAD_SIGNATURE",
                &[("key_id", self.key_id(MINE, KeyUse::Organisation)), ("over", "event".to_owned())],
            ),
            case(
                "another log's event",
                elsewhere.message(),
                "WRONG_ORIGIN",
                &[("claimed", "other.example/log".to_owned()), ("origin", self.scene.origin())],
            ),
            case("a time ahead", machine.next().noted("x").at(ahead).message(), "OCCURRED_IN_FUTURE", &[]),
            case(
                "a mention too many",
                machine.next().inspected().mentioning(self.scene.party(MINE).mine()).message(),
                "WRONG_MENTIONS",
                &[("subject", self.scene.party(MINE).mine().to_string())],
            ),
        ]
    }

    fn sets(&self) -> Vec<Case> {
        let set = self.scene.sign_set(&self.machine.part_fitting("cutter motor", &self.part)).unwrap();
        let messages: Vec<_> = set.iter().map(SignedEvent::message).collect();
        let alone = self.machine.next().noted("alone").message();
        let sent = |what, events: Vec<v1::SignedEvent>, reason| Case {
            what,
            sent: Sent::Set(events),
            reason,
            values: Vec::new(),
            field: None,
        };
        vec![
            case("half a set", messages[0].clone(), "SET_INCOMPLETE", &[("count", "2".to_owned())]),
            case("the other half", messages[1].clone(), "SET_INCOMPLETE", &[("count", "2".to_owned())]),
            sent("one member twice", vec![messages[0].clone(), messages[0].clone()], "SET_MALFORMED"),
            sent(
                "a member that is none",
                vec![messages[0].clone(), messages[1].clone(), alone.clone()],
                "SET_MALFORMED",
            ),
            sent("two events that are no set", vec![alone.clone(), alone], "SET_MALFORMED"),
        ]
    }

    fn facts(&self) -> Vec<Case> {
        let (scene, machine) = (&self.scene, &self.machine);
        let unknown = scene.machine("never made");
        let reopened = Head { ..machine.head() };
        vec![
            case(
                "nothing is on the way",
                machine.next().received().by(MINE).message(),
                "NOTHING_DISPATCHED",
                &[("subject", machine.subject().to_string())],
            ),
            case(
                "a machine that is not on record",
                unknown.next().inspected().message(),
                "SUBJECT_UNKNOWN",
                &[("subject", unknown.subject().to_string()), ("kind", "Inspected".to_owned())],
            ),
            case(
                "made twice",
                machine.next().manufactured().on_head(reopened).message(),
                "ALREADY_OPENED",
                &[("subject", machine.subject().to_string())],
            ),
            case(
                "a key that somebody has",
                scene.addition("M2", KeyUse::Staff(1), v1::KeyKind::Staff).message(),
                "KEY_IN_USE",
                &[("key_id", self.key_id("M2", KeyUse::Staff(1))), ("owner", scene.party("M2").id.to_string())],
            ),
        ]
    }
}

fn mine_profile() -> v1::statement::Body {
    v1::statement::Body::MineProfileChanged(v1::MineProfileChanged {
        rock_burst: "weak".to_owned(),
        from: Some(v1::Day { year: 2024, month: 3, day: 1 }),
        ..v1::MineProfileChanged::default()
    })
}

/// Everything that a refused event must leave as it was.
async fn facts_on_record(scene: &Scene, raw: &Raw) -> (u64, Vec<(SubjectId, u64, Vec<u8>)>) {
    let mut heads = Vec::new();
    let mut subjects: Vec<SubjectId> = scene.admission().heads().map(|(subject, _)| subject).collect();
    subjects.sort_unstable();
    for subject in subjects {
        let head = raw.head(&subject).await;
        heads.push((subject, head.chain_length, head.head_hash));
    }
    (raw.size().await, heads)
}

fn check_status(case: &Case, status: &Status, table: &BTreeMap<String, Documented>) {
    let what = case.what;
    let error = said(status);
    assert_eq!(error.reason, case.reason, "{what}: {status:?}");
    let row = table.get(case.reason).unwrap_or_else(|| panic!("{} is not documented", case.reason));
    assert_eq!(status.code(), row.code, "{what}");
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().domain, DOMAIN, "{what}");
    let localized = details.localized_message().unwrap();
    assert_eq!((localized.locale.as_str(), &localized.message), ("zh-CN", &row.zh), "{what}");
    assert_eq!(error.metadata["help"], row.help, "{what}");
    let names: BTreeSet<String> =
        error.metadata.keys().filter(|name| !["help", "heads"].contains(&name.as_str())).cloned().collect();
    assert_eq!(names, row.metadata, "{what}: the values that are documented, no more");
    for (name, value) in &case.values {
        assert_eq!(error.metadata.get(*name), Some(value), "{what}: {name}");
    }
    assert!(!status.message().is_empty() && !status.message().ends_with('.'), "{what}: {}", status.message());
    match case.field {
        Some(field) => {
            assert!(
                error.fields.iter().any(|(named, _)| named == field),
                "{what}: {field} is not among {:?}",
                error.fields
            );
            assert!(error.fields.iter().all(|(_, problem)| !problem.is_empty()), "{what}");
        }
        None => assert_eq!(error.fields, [], "{what}"),
    }
    let precondition = details.precondition_failure().map(|failure| failure.violations[0].r#type.as_str());
    let due = (row.code == Code::FailedPrecondition).then_some(case.reason);
    assert_eq!(precondition, due, "{what}");
    assert!(details.retry_info().is_none(), "{what}: the same bytes are never taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_what_is_documented_and_changes_nothing() {
    let world = World::new();
    let ledger = served(&world.scene).await;
    let raw = Raw::connect(&world.scene, &ledger.url()).await;
    let table = documented();
    let before = facts_on_record(&world.scene, &raw).await;
    let cases = [world.stale(), world.forbidden(), world.malformed(), world.sets(), world.facts()];
    let mut seen = BTreeSet::new();
    for case in cases.iter().flatten() {
        let status = match &case.sent {
            Sent::Alone(event) => raw.record(event).await.map(|receipt| vec![receipt]),
            Sent::Set(events) => raw.record_set(events).await,
        };
        let status = status.err().unwrap_or_else(|| panic!("{} was recorded", case.what));
        check_status(case, &status, &table);
        assert_eq!(raw.size().await, before.0, "{} changed the log", case.what);
        seen.insert(case.reason);

        // In a stream the same refusal is a result, and the stream goes on.
        if let Sent::Alone(event) = &case.sent {
            let messages = tokio_stream::iter([v1::RecordEventsRequest { events: vec![event.clone()] }]);
            let mut answers = raw.ledger().record_events(messages).await.unwrap().into_inner();
            let answer = answers.message().await.unwrap().unwrap();
            let Some(v1::record_result::Outcome::Refusal(refusal)) = &answer.results[0].outcome else {
                panic!("{} was recorded in a stream", case.what)
            };
            let streamed = Status::with_details(
                Code::from_i32(refusal.code),
                refusal.message.clone(),
                refusal.details.clone().into(),
            );
            check_status(case, &streamed, &table);
            assert_eq!(said(&streamed), said(&status), "{}", case.what);
        }
    }
    assert!(seen.len() >= 20, "{seen:?}");
    assert_eq!(facts_on_record(&world.scene, &raw).await, before);

    // And the ledger goes on: the next event of the same chain is taken.
    world.machine.noted("after all that");
    client(&world.scene, &ledger.url()).await.record(&world.machine.last()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_refusal_the_later_events_of_that_chain_in_the_stream_are_gaps() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let other = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let ledger = TestLedger::start(&scene).await;
    record_scene(&scene, &ledger).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let head = machine.head();
    let refused = machine.next().inspected().issued_by(KeyUse::Unregistered(1)).message();
    let later = Head { chain_length: head.chain_length + 1, head_hash: EventHash::new([1; 32]) };
    let after = machine.next().noted("behind it").on_head(later).message();
    other.noted("of another chain");
    let events = vec![refused, after, other.last().message()];
    let messages = tokio_stream::iter([v1::RecordEventsRequest { events }]);
    let mut answers = raw.ledger().record_events(messages).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let reasons: Vec<String> = answer
        .results
        .iter()
        .map(|result| match result.outcome.as_ref().unwrap() {
            v1::record_result::Outcome::Receipt(_) => "recorded".to_owned(),
            v1::record_result::Outcome::Refusal(refusal) => {
                tally_client::error::ServerError::of_refusal(refusal).reason
            }
        })
        .collect();
    assert_eq!(reasons, ["KEY_UNKNOWN", "CHAIN_GAP", "recorded"]);
    assert_eq!(answer.results.iter().map(|result| result.ordinal).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(answers.message().await.unwrap().is_none());
    assert_eq!(raw.head(&machine.subject()).await.chain_length, head.chain_length);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_wrong_number_of_events_name_the_field() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let event = machine.next().noted("x").message();
    for count in [0, 1, 65] {
        let status = raw.record_set(&vec![event.clone(); count]).await.unwrap_err();
        let error = said(&status);
        assert_eq!((error.code, error.reason.as_str()), (Code::InvalidArgument, "BAD_REQUEST"), "{count}");
        assert_eq!(error.fields[0].0, "events");
        assert!(error.fields[0].1.contains(&format!("has {count} events; 2 to 64")), "{:?}", error.fields);
    }
    for count in [0, 1_025] {
        let messages = tokio_stream::iter([v1::RecordEventsRequest { events: vec![event.clone(); count] }]);
        let mut answers = raw.ledger().record_events(messages).await.unwrap().into_inner();
        let status = answers.message().await.unwrap_err();
        assert_eq!(said(&status).fields[0].0, "events", "{count}");
    }
}
