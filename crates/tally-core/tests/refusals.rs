//! The table of refusals, printed as `docs/refusals.md`

#![expect(clippy::unwrap_used, reason = "a test may fail by panic, its helpers too")]

mod common;

use std::fmt::Write as _;

use common::{START, golden::assert_golden, key_id, mine, organisation};
use tally_core::{
    event::EventKind,
    form::{FieldProblem, FormError, Problem},
    hash::EventHash,
    id::{EventId, SubjectId},
    number::ChainIndex,
    refusal::{Class, Head, REFUSALS, Refusal},
    set::SetError,
    time::{Day, Timestamp},
};
use tally_proto::v1::Role;

/// One refusal of each reason, in the order of the table.
fn samples() -> Vec<Refusal> {
    let machine = SubjectId::unit("三一重型装备", "EBZ200", "0417").unwrap();
    let (organisation, owner, key_id) = (organisation("dealer"), organisation("maker"), key_id("dealer"));
    let head = Head { chain_length: 8, head_hash: EventHash::new([0xE0; 32]) };
    let occurred_at = Timestamp::from_micros(START);
    let place = ChainIndex::new(7);
    let field = FieldProblem { field: "received.into".to_owned(), problem: Problem::Body("is not given".to_owned()) };
    let id = EventId::parse(&[1, 2, 3, 4, 5, 6, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]).unwrap();
    vec![
        Refusal::Form(FormError::of(field)),
        Refusal::BadSignature { key_id, over: "event" },
        Refusal::WrongOrigin { claimed: "ledger.example/henan".to_owned(), origin: "ledger.example/shanxi".to_owned() },
        Refusal::SubjectMismatch { claimed: mine("mine"), computed: machine },
        Refusal::WrongSubjectKind { kind: EventKind::Installed, subject: mine("mine") },
        Refusal::WrongMentions { problem: "lacks", subject: machine },
        Refusal::MentionNotAllowed {
            organisation,
            subject: mine("mine"),
            why: "it neither runs the mine nor is engaged by it",
        },
        Refusal::Set(SetError::Count { due: 3, found: 2 }),
        Refusal::SetIncomplete { count: 3 },
        Refusal::PartEventMissing { part: machine },
        Refusal::OccurredInFuture { occurred_at, now: Timestamp::from_micros(START - 600_000_000) },
        Refusal::OccurredTooEarly { occurred_at: Timestamp::from_micros(-700_000_000_000_000) },
        Refusal::BeforeManufacture { occurred_at, produced_on: Day::new(2026, 2, 1).unwrap() },
        Refusal::KeyUnknown { key_id },
        Refusal::KeyRevoked { key_id },
        Refusal::KeyOfAnother { key_id, owner, organisation },
        Refusal::KeyNotMeant { key_id, kind: "recovery" },
        Refusal::KeyInUse { key_id, owner },
        Refusal::ThresholdNotMet { signed: 1, threshold: 2 },
        Refusal::RoleNotHeld { organisation, role: Role::Manufacturer },
        Refusal::RoleMayNotSign {
            role: Role::Dealer,
            kind: EventKind::Overhauled,
            allowed: "overhaul_shop".to_owned(),
        },
        Refusal::NotInPosition { kind: EventKind::Dispatched, position: "holder", organisation },
        Refusal::Stranger { organisation, subject: machine },
        Refusal::HandMissing { kind: EventKind::OwnershipChanged, second: "new owner" },
        Refusal::HandForeign { key_id, owner },
        Refusal::MakerNameNotRegistered { organisation, maker: "三一重型装备".to_owned() },
        Refusal::SubjectUnknown { subject: machine, kind: EventKind::Installed },
        Refusal::AlreadyOpened { subject: machine, kind: EventKind::Manufactured },
        Refusal::NamedUnknown { field: "operator", subject: organisation.subject() },
        Refusal::AlreadyDismantled { subject: machine },
        Refusal::NothingDispatched { subject: machine },
        Refusal::WrongDispatch { open: place },
        Refusal::NotAsRecorded {
            field: "dispatched.mine_left",
            claimed: "nothing".to_owned(),
            on_record: owner.to_string(),
        },
        Refusal::EventNotOnChain { field: "event" },
        Refusal::CannotBeCorrected { why: "an event that opened a chain cannot be withdrawn" },
        Refusal::LengthsDiffer { pieces: "110e-0 m".to_owned(), parent: "100e-0 m".to_owned() },
        Refusal::OutsideJurisdiction { organisation, what: "area 61".to_owned() },
        Refusal::MarkEnded { subject: SubjectId::mark("MED200014").unwrap() },
        Refusal::StaleHead { subject: machine, claimed: place, head },
        Refusal::WrongPreviousHash { subject: machine, head },
        Refusal::ChainGap { subject: machine, claimed: ChainIndex::new(9), head },
        Refusal::IssuerDiffers { chain_index: place, issuer: key_id },
        Refusal::EventIdReused { id, chain_index: place },
        Refusal::RebaseTooFar { first_index: ChainIndex::new(1), claimed: ChainIndex::new(300) },
    ]
}

const fn code(class: Class) -> &'static str {
    match class {
        Class::Malformed => "INVALID_ARGUMENT",
        Class::Forbidden => "PERMISSION_DENIED",
        Class::Precondition => "FAILED_PRECONDITION",
        Class::Stale => "ABORTED",
        Class::Exists => "ALREADY_EXISTS",
    }
}

const fn next(class: Class) -> &'static str {
    match class {
        Class::Malformed => "fix the bytes; never send these again",
        Class::Forbidden => "never send it again",
        Class::Precondition => "fix the facts on the ledger first",
        Class::Stale => "look at the head and sign again",
        Class::Exists => "never send it again",
    }
}

const INTRO: &str = "\
# Refusals 拒收

Printed by `crates/tally-core/tests/refusals.rs` from the table in `crates/tally-core/src/refusal.rs`;
`UPDATE_GOLDEN=1 cargo test -p tally-core --test refusals` prints it again.

A refused event is on no chain and changes nothing. The reason is the contract: `ErrorInfo.reason` in the domain
`tally.v1`. Programs match on it, never on words; every value of the sentence is in `ErrorInfo.metadata` as well. What
breaks a rule but not integrity is not refused: it is recorded and shown.
";

#[test]
fn refusals_are_printed_as_documented() {
    let samples = samples();
    let mut text = INTRO.to_owned();
    text.push_str("\n## What to do next\n\n| class | gRPC code | next |\n| --- | --- | --- |\n");
    for class in [Class::Malformed, Class::Forbidden, Class::Precondition, Class::Stale, Class::Exists] {
        writeln!(text, "| {class:?} | `{}` | {} |", code(class), next(class)).unwrap();
    }
    text.push_str("\n## Reasons\n\n| reason | class | gRPC code | 中文 | what to do | metadata |\n| --- | --- | --- | --- | --- | --- |\n");
    for (row, sample) in REFUSALS.iter().zip(&samples) {
        let names: Vec<String> = sample.metadata().iter().map(|(name, _)| format!("`{name}`")).collect();
        writeln!(
            text,
            "| `{}` | {:?} | `{}` | {} | {} | {} |",
            row.reason,
            row.class,
            code(row.class),
            row.zh,
            row.help,
            names.join(", "),
        )
        .unwrap();
    }
    text.push_str("\n`MALFORMED_EVENT` carries every bad field at once, as `BadRequest`.\n\n## Sentences\n\nOne example of each.\n\n```text\n");
    for (row, sample) in REFUSALS.iter().zip(&samples) {
        writeln!(text, "{}\n  {sample}", row.reason).unwrap();
    }
    text.push_str("```\n");
    assert_golden("docs/refusals.md", &text);
}

#[test]
fn every_reason_has_one_row_in_the_same_order() {
    let reasons: Vec<&str> = samples().iter().map(Refusal::reason).collect();
    let rows: Vec<&str> = REFUSALS.iter().map(|row| row.reason).collect();
    assert_eq!(reasons, rows);
    for sample in samples() {
        assert_eq!(sample.row().reason, sample.reason(), "its row is found");
    }
}

#[test]
fn every_value_of_a_sentence_is_in_the_metadata() {
    for sample in samples() {
        let (sentence, metadata) = (sample.to_string(), sample.metadata());
        let mut names: Vec<&str> = metadata.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: {names:?}", sample.reason());
        if matches!(sample, Refusal::Form(_) | Refusal::Set(_)) {
            continue;
        }
        // Whatever has a digit is a value: ids, keys, times, counts; bounds that never change are not.
        let known: Vec<&str> = metadata.iter().map(|(_, value)| value.as_str()).collect();
        let is_bound = |word: &str| matches!(word, "5" | "1950" | "256");
        for word in
            sentence.split([' ', ',', ';', '(', ')', ':']).filter(|word| word.contains(|c: char| c.is_ascii_digit()))
        {
            let said = is_bound(word) || known.iter().any(|value| value.contains(word));
            assert!(said, "{}: {word:?} is not in {metadata:?}", sample.reason());
        }
    }
}
