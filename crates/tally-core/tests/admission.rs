//! What admission refuses, reason by reason, and that a refusal changes nothing; and what it records all the same

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panic, its helpers too"
)]

#[path = "admission/cases.rs"]
mod cases;
mod common;
#[path = "admission/supervision.rs"]
mod supervision;

use std::collections::BTreeSet;

use cases::{Attempt, Case, by, note, part, split};
use common::{
    DAY, Draft, Ledger, ORIGIN, START,
    bodies::{self, Names, sample},
    fingerprint, key, mine, organisation,
};
use tally_core::{
    event::EventKind,
    hash::EventHash,
    id::{SubjectId, SubjectKind},
    refusal::{REFUSALS, Refusal},
    state::{Instant, equipment},
    time::Timestamp,
};
use tally_proto::v1::{self, DispatchReason, IrregularityKind, Role, ServiceState, statement::Body as Message};

fn all() -> impl Iterator<Item = &'static Case> {
    cases::CASES.iter().chain(supervision::CASES)
}

#[test]
fn each_is_refused_for_its_reason_and_changes_nothing() {
    let scene = Ledger::scene();
    for case in all() {
        let mut ledger = scene.clone();
        let attempt = (case.attempt)(&mut ledger);
        let (before, length) = (fingerprint(&ledger.admission), ledger.log.len());
        let answer = match &attempt {
            Attempt::One(draft) => ledger.offer(draft).map(drop),
            Attempt::Signed(sent) => ledger.send(sent).map(drop),
            Attempt::Set(drafts) => ledger.offer_set(drafts).map(drop),
            Attempt::SignedSet(sent) => ledger.send_set(sent).map(drop),
        };
        let refusal = answer.expect_err(case.what);
        assert_eq!(refusal.reason(), case.reason, "{}: {refusal}", case.what);
        assert_eq!(ledger.log.len(), length, "{}: something was recorded", case.what);
        assert!(fingerprint(&ledger.admission) == before, "{}: the state changed", case.what);
    }
}

#[test]
fn every_reason_is_shown() {
    let shown: BTreeSet<&str> = all().map(|case| case.reason).collect();
    let listed: BTreeSet<&str> = REFUSALS.iter().map(|row| row.reason).collect();
    // None is given by the layers of the server alone: what they add has reasons of its own.
    assert_eq!(shown, listed);
}

#[test]
fn a_refusal_about_the_head_tells_the_head() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    let head = ledger.admission.head(&machine);
    for chain_index in [0, head.chain_length + 5] {
        let draft = Draft {
            chain_index: Some(chain_index),
            previous_hash: (chain_index == 0).then_some(EventHash::ZERO),
            ..note(&ledger, machine)
        };
        let refusal = ledger.offer(&draft).unwrap_err();
        let (subject, told) = refusal.head().unwrap();
        assert_eq!((subject, told.chain_length, told.head_hash), (machine, head.chain_length, head.head_hash));
    }
}

#[test]
fn the_same_bytes_again_are_a_retry_and_change_nothing() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    let draft = note(&ledger, machine);
    let sent = ledger.sign(&draft);
    assert!(ledger.send(&sent).unwrap().is_some());
    let later = note(&ledger, machine);
    ledger.accept(later);
    let before = fingerprint(&ledger.admission);
    for _ in 0..3 {
        assert!(ledger.send(&sent).unwrap().is_none(), "a retry is answered with the receipt of what stands there");
    }
    assert_eq!(fingerprint(&ledger.admission), before);
}

#[test]
fn an_event_may_be_signed_again_256_places_on() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    while ledger.admission.head(&machine).chain_length < 256 {
        let draft = note(&ledger, machine);
        ledger.accept(draft);
    }
    let draft = Draft { first_index: Some(0), ..note(&ledger, machine) };
    ledger.accept(draft);
}

fn findings(ledger: &mut Ledger, draft: Draft) -> Vec<IrregularityKind> {
    ledger.accept(draft).findings
}

#[test]
fn what_breaks_a_rule_and_not_integrity_is_recorded_and_found() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    let alone = by(&ledger, "company", Role::Mine, machine, EventKind::AcceptanceChecked);
    assert_eq!(findings(&mut ledger, alone), [IrregularityKind::SecondSignatureMissing]);
    let one = by(&ledger, "company", Role::Mine, machine, EventKind::AcceptanceChecked).hand("company/zhang");
    assert_eq!(findings(&mut ledger, one), [IrregularityKind::SecondSignatureMissing], "one person is not two");
    let two = by(&ledger, "company", Role::Mine, machine, EventKind::AcceptanceChecked);
    let two = two.issuer("company/zhang").hand("company/li");
    assert_eq!(findings(&mut ledger, two), [], "a staff key that issues counts as a hand");
    let nobody = by(&ledger, "company", Role::Mine, machine, EventKind::Maintained);
    assert_eq!(findings(&mut ledger, nobody), [IrregularityKind::MachineSigned]);
    let early = by(&ledger, "regulator", Role::Regulator, machine, EventKind::FaultReported).hand("regulator/li");
    assert_eq!(findings(&mut ledger, early), []);
    let mut nowhere = by(&ledger, "company", Role::Mine, machine, EventKind::Installed);
    let Message::Installed(body) = &mut nowhere.body else { panic!("another kind") };
    body.location.as_mut().unwrap().node = vec![7; 16];
    assert_eq!(findings(&mut ledger, nowhere), [IrregularityKind::PlaceNotOpen]);
}

#[test]
fn work_outside_the_period_of_the_grant_is_recorded_and_found() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    let subject = organisation("dealer").subject();
    let granted =
        v1::RoleGranted { role: Role::Laboratory as i32, from: bodies::day(2026, 6, 1), ..v1::RoleGranted::default() };
    ledger.by_registrar(subject, Message::RoleGranted(granted));
    let names = Names { partner: "dealer".to_owned(), ..Names::default() };
    ledger.accept(ledger.draft("company", Role::Mine, mine("mine"), sample(EventKind::Engaged, &names)));
    let tested = by(&ledger, "dealer", Role::Laboratory, machine, EventKind::Tested).hand("company/li");
    assert_eq!(findings(&mut ledger, tested.hand("dealer/zhang")), [IrregularityKind::OutsideGrant]);
}

#[test]
fn a_further_enrolment_changes_nothing_but_shows() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    let names = Ledger::names("0417");
    let Message::Enrolled(mut body) = sample(EventKind::Enrolled, &names) else { panic!("another kind") };
    body.place = bodies::at_mine(&mine("other mine"));
    let before = ledger.admission.equipment(&machine).cloned();
    let draft = ledger.draft("neighbour", Role::Mine, machine, Message::Enrolled(body));
    let found = findings(&mut ledger, draft.hand("neighbour/zhang").hand("neighbour/li"));
    assert_eq!(found, [IrregularityKind::EnrolledAgain, IrregularityKind::OutsideGrant]);
    assert_eq!(ledger.admission.equipment(&machine).cloned(), before);
    let state = equipment::fold(&machine, &ledger.touching(&machine), Instant::ALL).unwrap();
    assert_eq!(state.holder, organisation("company").as_bytes());
    assert_eq!(state.mine, mine("mine").id());
    assert_eq!(state.place.as_ref().unwrap().mine, mine("mine").id());
    assert_eq!(state.state(), ServiceState::AtMine);
}

#[test]
fn the_makers_facts_come_late_and_change_no_state_though_they_are_older() {
    let mut ledger = Ledger::scene();
    let names = Ledger::names("0417");
    let machine = names.machine();
    let Message::Enrolled(mut body) = sample(EventKind::Enrolled, &names) else { panic!("another kind") };
    body.place = bodies::at_mine(&mine("mine"));
    ledger.accept(ledger.draft("company", Role::Mine, machine, Message::Enrolled(body)));
    let mut made = bodies::manufactured(&names.maker, &names.model, &names.serial);
    made.produced_on = bodies::day(2012, 5, 1);
    let made_at = Timestamp::from_micros(START - 4_990 * DAY);
    let draft = ledger.draft("maker", Role::Manufacturer, machine, Message::Manufactured(made)).at(made_at.micros());
    ledger.accept(draft);

    let known = ledger.admission.equipment(&machine).unwrap();
    assert_eq!((known.holder, known.maker), (Some(organisation("company")), Some(organisation("maker"))));
    let events = ledger.touching(&machine);
    let state = equipment::fold(&machine, &events, Instant::ALL).unwrap();
    assert_eq!(state.state(), ServiceState::InUse);
    assert_eq!(state.holder, organisation("company").as_bytes());
    assert_eq!(state.mine, mine("mine").id());
    assert_eq!(state.produced_on, bodies::day(2012, 5, 1));
    assert!(state.enrolled);
    assert_eq!(state.plates.len(), 1);
    let then = equipment::fold(&machine, &events, Instant { as_of: made_at, size: u64::MAX }).unwrap();
    assert_eq!(then.state(), ServiceState::Unspecified, "of its state before the enrolment nothing is stated");
}

#[test]
fn only_the_owner_sells() {
    for (owner_sends, due) in [(true, "dealer"), (false, "maker")] {
        let mut ledger = Ledger::scene();
        let machine = ledger.make("0417");
        let mut from = ("maker", Role::Manufacturer);
        if !owner_sends {
            let received = ledger.dispatch(from, "lessor", machine, DispatchReason::Loan);
            ledger.accept(ledger.draft("lessor", Role::Lessor, machine, Message::Received(received)));
            from = ("lessor", Role::Lessor);
        }
        let received = ledger.dispatch(from, "dealer", machine, DispatchReason::Sale);
        ledger.accept(ledger.draft("dealer", Role::Dealer, machine, Message::Received(received)));
        let known = ledger.admission.equipment(&machine).unwrap();
        assert_eq!((known.holder, known.owner), (Some(organisation("dealer")), Some(organisation(due))));
        let state = equipment::fold(&machine, &ledger.touching(&machine), Instant::ALL).unwrap();
        assert_eq!(state.owner, organisation(due).as_bytes());
    }
}

#[test]
fn use_of_a_scrapped_machine_is_recorded_as_a_jump() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    for kind in [EventKind::ScrapProposed, EventKind::Scrapped, EventKind::Commissioned] {
        let draft = by(&ledger, "company", Role::Mine, machine, kind);
        ledger.accept(draft.issuer("company/zhang").hand("company/li"));
    }
    let state = equipment::fold(&machine, &ledger.touching(&machine), Instant::ALL).unwrap();
    assert_eq!(state.state(), ServiceState::InUse);
    let last = state.irregularities.last().unwrap();
    assert_eq!(last.kind(), IrregularityKind::LifecycleJump);
    assert_eq!(last.position, ledger.log.last().unwrap().position.get());
}

#[test]
fn a_split_lot_gives_its_length_to_its_pieces() {
    let mut ledger = Ledger::scene();
    let lot = ledger.make_lot("L-1", 100);
    let drafts = split(&ledger, lot, 60, 100);
    ledger.offer_set(&drafts).unwrap();
    for (suffix, due) in [("A", 60), ("B", 40)] {
        let piece = SubjectId::child(lot.id(), suffix).unwrap();
        let known = ledger.admission.equipment(&piece).unwrap();
        assert_eq!(known.quantity.as_ref().unwrap().digits, due);
        assert_eq!(known.holder, Some(organisation("maker")));
        let state = equipment::fold(&piece, &ledger.touching(&piece), Instant::ALL).unwrap();
        assert_eq!(state.quantity.unwrap().digits, due);
    }
    assert_eq!(ledger.admission.equipment(&lot).unwrap().quantity.as_ref().unwrap().digits, 0);
}

#[test]
fn a_part_is_fitted_by_one_set_on_both_chains() {
    let mut ledger = Ledger::scene();
    let (machine, part, on_machine, on_part) = part(&mut ledger);
    let drafts =
        [ledger.draft("company", Role::Mine, machine, on_machine), ledger.draft("company", Role::Mine, part, on_part)];
    ledger.offer_set(&drafts).unwrap();
    let state = equipment::fold(&part, &ledger.touching(&part), Instant::ALL).unwrap();
    assert_eq!(state.inside, machine.id());
}

#[test]
fn goods_that_were_refused_are_received_by_their_sender_who_owns_them_still() {
    let mut ledger = Ledger::scene();
    let machine = ledger.make("0417");
    let received = ledger.dispatch(("maker", Role::Manufacturer), "company", machine, DispatchReason::Sale);
    let refused = v1::ReceiptRefused {
        dispatch_event: received.dispatch_event.clone(),
        reason: "损坏".to_owned(),
        photos: Vec::new(),
    };
    ledger.accept(ledger.draft("company", Role::Mine, machine, Message::ReceiptRefused(refused)));
    ledger.accept(ledger.draft("maker", Role::Manufacturer, machine, Message::Received(received)));
    let known = ledger.admission.equipment(&machine).unwrap();
    assert_eq!((known.holder, known.owner), (Some(organisation("maker")), Some(organisation("maker"))));
}

#[test]
fn holdings_pass_to_who_took_the_organisation_over() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    let before = by(&ledger, "neighbour", Role::Mine, machine, EventKind::Dispatched);
    assert_eq!(ledger.offer(&before).unwrap_err().reason(), "NOT_IN_POSITION");
    let succeeded = v1::OrganisationSucceeded {
        successor: organisation("neighbour").as_bytes().to_vec(),
        from: bodies::day(2026, 1, 1),
    };
    ledger.by_registrar(organisation("company").subject(), Message::OrganisationSucceeded(succeeded));
    let after = by(&ledger, "neighbour", Role::Mine, machine, EventKind::Dispatched);
    ledger.accept(after);
}

#[test]
fn a_set_with_one_stale_member_records_none_of_them() {
    let mut ledger = Ledger::scene();
    let (machine, part, on_machine, on_part) = part(&mut ledger);
    let drafts =
        [ledger.draft("company", Role::Mine, machine, on_machine), ledger.draft("company", Role::Mine, part, on_part)];
    let sent = ledger.sign_set(&drafts);
    let moved = note(&ledger, part);
    ledger.accept(moved);
    let (before, length) = (fingerprint(&ledger.admission), ledger.log.len());
    assert_eq!(ledger.send_set(&sent).unwrap_err().reason(), "STALE_HEAD");
    assert_eq!((fingerprint(&ledger.admission), ledger.log.len()), (before, length));
    assert_eq!(ledger.admission.origin(), ORIGIN);
}

#[test]
fn genesis_keeps_the_log_key_apart_from_the_registrars() {
    let genesis = v1::Genesis {
        log_key: key("registrar"),
        format_version: 1,
        registrar_keys: vec![key("registrar")],
        threshold: 1,
    };
    let body = v1::OrganisationRegistered { genesis: Some(genesis), ..bodies::organisation_registered("registrar") };
    let refused = tally_core::event::UncheckedBody::from(Message::OrganisationRegistered(body)).check().unwrap_err();
    assert!(refused.to_string().contains("log_key"), "{refused}");
    assert_eq!(organisation("registrar").subject().kind(), SubjectKind::Organisation);
}

#[test]
fn an_origin_has_at_most_255_bytes() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    for (bytes, due) in [(255, "WRONG_ORIGIN"), (256, "MALFORMED_EVENT")] {
        let draft = Draft { origin: "x".repeat(bytes), ..note(&ledger, machine) };
        let statement = ledger.statement(&draft, &[]).encode();
        let parsed = tally_core::statement::Statement::parse(&statement);
        assert_eq!(parsed.is_ok(), due == "WRONG_ORIGIN", "{bytes} bytes");
        let Ok(_) = parsed else { continue };
        let refused: Refusal = ledger.offer(&draft).unwrap_err();
        assert_eq!(refused.reason(), due);
    }
}
