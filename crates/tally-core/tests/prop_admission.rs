//! Under generated lives of machines: admission applied live equals admission rebuilt from the entries, and the state at
//! every instant and size equals a naive fold

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail by panic, its helpers too"
)]

mod common;

use std::{collections::BTreeMap, sync::LazyLock};

use common::{
    DAY, Draft, Ledger, ORIGIN, START,
    bodies::{Names, mark_issued, measure, piece, sample},
    fingerprint, mine, organisation,
};
use proptest::prelude::*;
use tally_core::{
    admission::{Admission, CORRECTABLE},
    candidate::Candidate,
    entry::EventEntry,
    event::{Body, EventKind, UncheckedBody, event_ref_message, kind::Stage},
    id::{OrganisationId, SubjectId, SubjectKind},
    state::{Instant, Recorded, equipment},
    time::Timestamp,
};
use tally_proto::v1::{self, DispatchReason, Role, ServiceState, statement::Body as Message};

const PARTIES: [(&str, Role); 4] =
    [("maker", Role::Manufacturer), ("dealer", Role::Dealer), ("company", Role::Mine), ("shop", Role::OverhaulShop)];

/// The kinds that a mine states of a machine that is in it.
const IN_THE_MINE: [EventKind; 16] = [
    EventKind::AcceptanceChecked,
    EventKind::ExProofChecked,
    EventKind::EnteredMine,
    EventKind::Installed,
    EventKind::Commissioned,
    EventKind::DutyChanged,
    EventKind::Moved,
    EventKind::UsageReported,
    EventKind::Idled,
    EventKind::StoppedUse,
    EventKind::Resumed,
    EventKind::MaintenanceStarted,
    EventKind::MaintenanceFinished,
    EventKind::RaisedToSurface,
    EventKind::FaultReported,
    EventKind::RectificationConfirmed,
];

/// One attempt: what is tried, with which party, how long ago it is said to have happened.
#[derive(Clone, Debug)]
struct Choice {
    action: u8,
    machine: u8,
    party: u8,
    detail: u8,
    minutes_ago: u16,
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    let choice = (0..28_u8, 0..3_u8, 0..4_u8, any::<u8>(), 0..20_000_u16).prop_map(
        |(action, machine, party, detail, minutes_ago)| Choice { action, machine, party, detail, minutes_ago },
    );
    prop::collection::vec(choice, 12..40)
}

static WORLD: LazyLock<Ledger> = LazyLock::new(|| {
    let mut ledger = Ledger::scene();
    ledger.at_mine("1");
    let lent = ledger.make("2");
    let received = ledger.dispatch(("maker", Role::Manufacturer), "shop", lent, DispatchReason::Loan);
    ledger.accept(ledger.draft("shop", Role::OverhaulShop, lent, Message::Received(received)));
    ledger.make_lot("L-1", 100);
    let names = Names { machines: vec![Ledger::names("1").machine()], ..Names::default() };
    for kind in [EventKind::StopUseOrdered, EventKind::SealedUp, EventKind::RecallIssued] {
        let draft = ledger.opening(REGULATOR.0, REGULATOR.1, SubjectKind::Order, sample(kind, &names));
        ledger.accept(draft);
    }
    for number in ["MEB250000", "MEB250001", "MEB250002"] {
        let body = Message::MarkIssued(mark_issued(number, "maker牌", "EBZ200"));
        let subject = SubjectId::mark(number).unwrap();
        ledger.accept(ledger.draft("mark authority", Role::MarkAuthority, subject, body));
    }
    ledger.now += 30 * DAY;
    ledger
});

fn machines(ledger: &Ledger) -> Vec<SubjectId> {
    let lot = SubjectId::lot("maker牌", "ST1000", "L-1").unwrap();
    let mut all = vec![Ledger::names("1").machine(), Ledger::names("2").machine(), lot];
    for suffix in ["A", "B"] {
        let piece = SubjectId::child(lot.id(), suffix).unwrap();
        all.extend(ledger.admission.equipment(&piece).map(|_| piece));
    }
    all
}

fn role_of(party: OrganisationId) -> Option<(&'static str, Role)> {
    PARTIES.into_iter().find(|(name, _)| organisation(name) == party)
}

/// What is tried: legal more often than not. `None` where there is nothing to try.
fn drafts(ledger: &Ledger, choice: &Choice) -> Option<Vec<Draft>> {
    let all = machines(ledger);
    let machine = all[usize::from(choice.machine) % all.len()];
    let known = ledger.admission.equipment(&machine)?.clone();
    let other = PARTIES[usize::from(choice.party)];
    let inside = known.mine.map(|_| mine("mine"));
    let names = Names {
        partner: other.0.to_owned(),
        inside,
        event: ledger.last(&machine),
        holder: known.holder.and_then(role_of)?.0.to_owned(),
        ..Ledger::names("1")
    };
    let by = |(name, role): (&str, Role), kind: EventKind| {
        let mut body = sample(kind, &names);
        vary(&mut body, choice.detail);
        ledger.draft(name, role, machine, body)
    };
    let holder = role_of(known.holder?)?;
    let owner = role_of(known.owner?)?;
    let company = PARTIES[2];
    let draft = match choice.action {
        0 => by(holder, EventKind::Dispatched),
        1 | 2 => {
            let dispatch = known.dispatch?;
            let party = role_of(if dispatch.refused { dispatch.sender } else { dispatch.consignee })?;
            let event = v1::EventRef {
                subject: machine.key().to_vec(),
                chain_index: dispatch.chain_index.get(),
                event_hash: dispatch.event_hash.as_bytes().to_vec(),
            };
            let body = if choice.action == 2 && choice.detail.is_multiple_of(3) {
                Message::ReceiptRefused(v1::ReceiptRefused {
                    dispatch_event: Some(event),
                    reason: "损坏".to_owned(),
                    photos: Vec::new(),
                })
            } else {
                let to_mine = party == company;
                let into = if to_mine { v1::ReceivedInto::Mine } else { v1::ReceivedInto::Overhaul };
                Message::Received(v1::Received {
                    dispatch_event: Some(event),
                    into: into as i32,
                    from_organisation: dispatch.sender.as_bytes().to_vec(),
                    mine_entered: if to_mine { mine("mine").id().to_vec() } else { Vec::new() },
                    ..v1::Received::default()
                })
            };
            ledger.draft(party.0, party.1, machine, body)
        }
        3 => by(holder, EventKind::Warehoused),
        20.. => return supervision(ledger, machine, choice, &names).map(|draft| vec![draft]),
        4..=6 | 15..20 => by(company, IN_THE_MINE[usize::from(choice.detail) % IN_THE_MINE.len()]),
        8 => by(owner, EventKind::OwnershipChanged).hand(other.0),
        9 | 14 => {
            let kind = if choice.detail.is_multiple_of(2) { EventKind::OverhaulStarted } else { EventKind::Overhauled };
            by(PARTIES[3], kind)
        }
        10 => {
            let kind = if choice.detail.is_multiple_of(2) { EventKind::LostReported } else { EventKind::Recovered };
            by(holder, kind)
        }
        11 => return amendment(ledger, machine, choice).map(|draft| vec![draft]),
        12 => {
            let there =
                |machine: &SubjectId| ledger.admission.equipment(machine).is_some_and(|known| known.mine.is_some());
            let machines: Vec<SubjectId> = all.iter().copied().filter(there).collect();
            if machines.is_empty() {
                return None;
            }
            let mut machines = machines;
            machines.sort();
            let body = sample(EventKind::Inspected, &Names { machines, ..names });
            ledger.draft(company.0, company.1, mine("mine"), body)
        }
        7 | 13 => return Some(split(ledger, machine, holder, known.mine)),
    };
    Some(vec![draft])
}

const REGULATOR: (&str, Role) = ("regulator", Role::Regulator);

/// What is tried about orders, recalls, decisions, publications and marks.
fn supervision(ledger: &Ledger, machine: SubjectId, choice: &Choice, names: &Names) -> Option<Draft> {
    let detail = usize::from(choice.detail);
    let names = Names { machines: vec![machine], ..names.clone() };
    let mut id = [0xBB; 16];
    id[8..].copy_from_slice(&(ledger.log.len() as u64).to_be_bytes());
    (id[6], id[8]) = (0x7B, 0x80);
    let open = |(name, role): (&str, Role), kind: EventKind, body: Message| {
        let draft = ledger.draft(name, role, SubjectId::new(kind.subjects()[0], id), body);
        Draft { event_id: Some(id), ..draft }
    };
    let on = |(name, role): (&str, Role), subject: SubjectId, kind: EventKind| {
        ledger.draft(name, role, subject, sample(kind, &names))
    };
    // What was opened by these kinds, any of them.
    let opened = |kinds: &[EventKind]| -> Option<SubjectId> {
        let subjects: Vec<SubjectId> = ledger
            .log
            .iter()
            .filter(|event| kinds.contains(&event.candidate.kind()))
            .map(|event| event.candidate.statement().subject)
            .collect();
        subjects.get(detail / 5 % subjects.len().max(1)).copied()
    };
    let orders = [EventKind::StopUseOrdered, EventKind::SealedUp, EventKind::RecallIssued];
    match choice.action {
        20 | 21 => {
            let kind = orders[detail % 3];
            let mut body = sample(kind, &names);
            if let Message::StopUseOrdered(body) = &mut body {
                body.order.as_mut().unwrap().mines = vec![mine("mine").id().to_vec()];
            }
            let by = if detail.is_multiple_of(2) { REGULATOR } else { PARTIES[0] };
            Some(open(by, kind, body))
        }
        22 | 26 | 27 => {
            let follow = [
                EventKind::OrderExtended,
                EventKind::StopUseLifted,
                EventKind::Unsealed,
                EventKind::OrderReceived,
                EventKind::RecallRemedied,
            ];
            let kind = follow[detail % 5];
            match kind {
                EventKind::OrderReceived => {
                    let mine = mine("mine").id().to_vec();
                    let body = v1::OrderReceived { mine, refused: false, note: String::new() };
                    let (name, role) = PARTIES[2];
                    Some(ledger.draft(name, role, opened(&orders[..1])?, Message::OrderReceived(body)))
                }
                EventKind::RecallRemedied => {
                    let order = *opened(&orders[2..])?.id();
                    let body = sample(kind, &Names { order, ..names.clone() });
                    let (name, role) = PARTIES[usize::from(choice.party)];
                    Some(ledger.draft(name, role, machine, body))
                }
                EventKind::Unsealed => Some(on(REGULATOR, opened(&orders[1..2])?, kind)),
                EventKind::StopUseLifted => Some(on(REGULATOR, opened(&orders[..1])?, kind)),
                _ => Some(on(REGULATOR, opened(&orders)?, kind)),
            }
        }
        23 => {
            let subject = if detail.is_multiple_of(3) { mine("mine") } else { machine };
            Some(on(REGULATOR, subject, EventKind::FindingDecided))
        }
        24 => {
            let publications = [
                EventKind::PolicyPublished,
                EventKind::SchedulePublished,
                EventKind::CategoriesPublished,
                EventKind::PhaseOutPublished,
            ];
            if detail.is_multiple_of(4) {
                return Some(on(REGULATOR, opened(&publications)?, EventKind::PublicationWithdrawn));
            }
            let kind = publications[detail / 4 % 4];
            Some(open(REGULATOR, kind, sample(kind, &names)))
        }
        _ if detail.is_multiple_of(4) => {
            let mut draft = on(PARTIES[2], mine("mine"), EventKind::UploadCompared);
            if let Message::UploadCompared(body) = &mut draft.body {
                let (machine, field) = (machine.id().to_vec(), "location".to_owned());
                body.differences = vec![v1::UploadDifference { machine, field, ..v1::UploadDifference::default() }];
            }
            Some(draft)
        }
        _ => {
            // Four marks, three of them issued before, so that the end of one is not the end of all.
            let number = format!("MEB25000{}", choice.party);
            let mark = SubjectId::mark(&number).unwrap();
            let kinds = [
                EventKind::MarkIssued,
                EventKind::MarkChanged,
                EventKind::MarkRenewed,
                EventKind::MarkSuspended,
                EventKind::MarkResumed,
                EventKind::MarkRevoked,
                EventKind::MarkCancelled,
            ];
            let is_open = ledger.admission.head(&mark).chain_length > 0;
            let kind = if is_open { kinds[1 + detail / 4 % 6] } else { kinds[0] };
            let mut draft = on(("mark authority", Role::MarkAuthority), mark, kind);
            if let Message::MarkIssued(body) = &mut draft.body {
                body.number = number;
            }
            Some(draft)
        }
    }
}

/// Chooses among the outcomes of a body.
fn vary(body: &mut Message, detail: u8) {
    let detail = detail / 16;
    let fails = detail.is_multiple_of(3);
    let result = if fails { v1::CheckResult::Fail } else { v1::CheckResult::Pass } as i32;
    let duty = if detail.is_multiple_of(2) { v1::Duty::Work } else { v1::Duty::Standby } as i32;
    match body {
        Message::Dispatched(body) => {
            body.reason = if fails { DispatchReason::Sale } else { DispatchReason::Loan } as i32;
        }
        Message::AcceptanceChecked(body) => body.result = result,
        Message::ExProofChecked(body) => body.result = result,
        Message::Commissioned(body) => (body.result, body.duty) = (result, duty),
        Message::Resumed(body) => (body.result, body.duty) = (result, duty),
        Message::DutyChanged(body) => body.duty = duty,
        Message::Moved(body) => body.dismantled = fails,
        Message::UsageReported(body) => body.counter = Some(measure("running_h", i64::from(detail), 0, "h")),
        Message::FaultReported(body) => {
            body.fault_id = format!("F-{}", detail % 2);
            body.severity = if fails { v1::FaultSeverity::Stop } else { v1::FaultSeverity::Minor } as i32;
        }
        Message::RectificationConfirmed(body) => body.fault_id = format!("F-{}", detail % 2),
        _ => {}
    }
}

/// Amends or withdraws some earlier event of the chain, in the name of who stated it.
fn amendment(ledger: &Ledger, machine: SubjectId, choice: &Choice) -> Option<Draft> {
    let own: Vec<Recorded> = ledger
        .touching(&machine)
        .into_iter()
        .filter(|event| event.candidate.statement().subject == machine)
        .filter(|event| CORRECTABLE.contains(&event.candidate.kind()) && !event.candidate.kind().opens())
        .collect();
    let original = own.get(usize::from(choice.detail) % own.len().max(1))?;
    let statement = original.candidate.statement();
    let (name, role) = role_of(statement.organisation)?;
    let withdrawn = choice.detail.is_multiple_of(4);
    let occurred_at_us = ledger.now - i64::from(choice.minutes_ago) * 60_000_000;
    let mut message = original.candidate.body().message().clone();
    vary(&mut message, choice.detail);
    let (_, body) = UncheckedBody::from(message).encode();
    let body = v1::Corrected {
        event: Some(event_ref_message(&original.candidate.event().event_ref())),
        replacement: (!withdrawn).then_some(v1::Replacement { occurred_at_us, body }),
        withdrawn,
        reason: "录入有误".to_owned(),
    };
    Some(ledger.draft(name, role, machine, Message::Corrected(body)))
}

fn split(ledger: &Ledger, lot: SubjectId, holder: (&str, Role), inside: Option<[u8; 16]>) -> Vec<Draft> {
    let body = v1::LotSplit {
        parent: lot.id().to_vec(),
        children: vec![piece("A", 0, 60), piece("B", 60, 100)],
        state: ServiceState::InStore as i32,
        mine: inside.map(|mine| mine.to_vec()).unwrap_or_default(),
    };
    let pieces = ["A", "B"].map(|suffix| SubjectId::child(lot.id(), suffix).unwrap());
    let draft = |subject| ledger.draft(holder.0, holder.1, subject, Message::LotSplit(body.clone()));
    [lot].into_iter().chain(pieces).map(draft).collect()
}

fn live(choices: &[Choice]) -> Ledger {
    let mut ledger = WORLD.clone();
    for choice in choices {
        let Some(mut drafts) = drafts(&ledger, choice) else { continue };
        for draft in &mut drafts {
            draft.occurred_at = Some(ledger.now - i64::from(choice.minutes_ago) * 60_000_000);
        }
        // What is refused is not of the life; that it changes nothing is shown elsewhere.
        if let [draft] = &drafts[..] {
            drop(ledger.offer(draft));
        } else {
            drop(ledger.offer_set(&drafts));
        }
    }
    ledger
}

/// The admission state that the entries alone give, with what it finds on the way.
fn rebuilt(log: &[Recorded]) -> Admission {
    let mut admission = Admission::new(ORIGIN);
    for recorded in log {
        let entry = EventEntry::new(recorded.recorded_at, recorded.candidate.event().envelope().clone()).unwrap();
        let entry = EventEntry::parse(&entry.encode()).unwrap();
        let candidate = Candidate::parse_trusted(entry.unverified()).unwrap();
        if recorded.position.get() > 0 {
            assert_eq!(admission.findings(&candidate), recorded.findings, "{:?}", candidate.kind());
        }
        admission.apply(&candidate, recorded.position, entry.leaf_hash()).unwrap();
    }
    admission
}

/// What the naive fold says of a machine.
#[derive(Debug, Default, PartialEq)]
struct Naive {
    state: i32,
    since: i64,
    owner: Vec<u8>,
    holder: Vec<u8>,
    consignee: Vec<u8>,
    mine: Vec<u8>,
    quantity: Option<i64>,
    faults: BTreeMap<String, i32>,
    jumps: Vec<u64>,
    touches: u64,
    chain_length: u64,
    last_inspected: Option<u64>,
    running_h: Option<i64>,
}

/// The orderly states before a kind, as the lifecycle of the trade has them.
fn orderly(kind: EventKind) -> Option<&'static [i32]> {
    Some(match kind {
        EventKind::Dispatched => &[1, 3, 4, 5, 13, 16],
        EventKind::Received | EventKind::ReceiptRefused => &[2, 16],
        EventKind::Warehoused => &[1, 3, 4, 5],
        EventKind::AcceptanceChecked => &[3, 4],
        EventKind::ExProofChecked => &[3, 4, 5, 7, 11],
        EventKind::EnteredMine => &[5, 6],
        EventKind::Installed => &[5, 7, 11, 14],
        EventKind::Commissioned => &[8, 11, 14],
        EventKind::DutyChanged => &[9, 10],
        EventKind::Moved => &[7, 8, 9, 10, 11],
        EventKind::UsageReported => &[9, 10, 11],
        EventKind::Idled => &[8, 9, 10],
        EventKind::StoppedUse => &[8, 9, 10, 11],
        EventKind::Resumed => &[11, 14],
        EventKind::MaintenanceStarted => &[9, 10, 11, 14],
        EventKind::MaintenanceFinished => &[12],
        EventKind::RaisedToSurface => &[7, 8, 11, 14, 15, 16],
        EventKind::FaultReported => &[7, 8, 9, 10, 11, 14],
        EventKind::OverhaulStarted | EventKind::Overhauled => &[13],
        EventKind::Recovered => &[18],
        _ => return None,
    })
}

fn naive(machine: SubjectId, log: &[Recorded], as_of: i64, size: u64) -> Option<Naive> {
    let on_record: Vec<&Recorded> = log
        .iter()
        .filter(|event| event.position.get() < size)
        .filter(|event| event.candidate.statement().touched().any(|touched| touched == machine))
        .collect();
    let mut steps: Vec<(i64, u64, &Recorded, Body)> = Vec::new();
    for event in &on_record {
        let own = event.candidate.statement().subject == machine;
        let amendment = on_record.iter().rev().find_map(|later| match later.candidate.body().message() {
            Message::Corrected(body) => {
                let is_it = body.event.as_ref().unwrap().chain_index == event.candidate.event().chain_index().get();
                (own && is_it).then(|| body.clone())
            }
            _ => None,
        });
        let (time, body) = match amendment {
            None => (event.candidate.statement().occurred_at.micros(), event.candidate.body().clone()),
            Some(v1::Corrected { replacement: None, .. }) => continue,
            Some(v1::Corrected { replacement: Some(new), .. }) => {
                (new.occurred_at_us, Body::parse(event.candidate.kind() as u32, &new.body).unwrap())
            }
        };
        if time <= as_of {
            steps.push((time, event.position.get(), event, body));
        }
    }
    steps.sort_by_key(|(time, position, ..)| (*time, *position));
    let mut state = Naive::default();
    let mut open = false;
    for (time, position, event, body) in &steps {
        if body.kind() == EventKind::Inspected {
            state.last_inspected = Some(*position);
        }
        if event.candidate.statement().subject != machine {
            continue;
        }
        open = true;
        walk(&mut state, machine, *time, *position, event, body);
    }
    state.touches = on_record.len() as u64;
    state.chain_length = on_record.iter().filter(|event| event.candidate.statement().subject == machine).count() as u64;
    open.then_some(state)
}

fn walk(state: &mut Naive, machine: SubjectId, time: i64, position: u64, event: &Recorded, body: &Body) {
    let signer = event.candidate.statement().organisation.as_bytes().to_vec();
    let before = state.state;
    if before != 0 && orderly(body.kind()).is_some_and(|states| !states.contains(&before)) {
        state.jumps.push(position);
    }
    let passed = |result: i32| result == v1::CheckResult::Pass as i32;
    let on_duty = |duty: i32| if duty == v1::Duty::Standby as i32 { 10 } else { 9 };
    state.state = match body.message() {
        Message::Manufactured(_) => 1,
        Message::LotSplit(body) if body.parent != machine.id() => body.state,
        Message::Dispatched(_) => 2,
        Message::Received(body) => [0, 3, 4, 13][usize::try_from(body.into).unwrap()],
        Message::Warehoused(_) => 3,
        Message::AcceptanceChecked(body) => {
            if passed(body.result) {
                5
            } else {
                3
            }
        }
        Message::ExProofChecked(body) if passed(body.result) => 6,
        Message::EnteredMine(_) => 7,
        Message::Installed(_) => 8,
        Message::Moved(body) if body.dismantled => 8,
        Message::Commissioned(body) if passed(body.result) => on_duty(body.duty),
        Message::Resumed(body) if passed(body.result) => on_duty(body.duty),
        Message::DutyChanged(body) => on_duty(body.duty),
        Message::Idled(_) => 11,
        Message::MaintenanceStarted(_) => 12,
        Message::MaintenanceFinished(body) => body.next,
        Message::OverhaulStarted(_) | Message::Overhauled(_) => 13,
        Message::StoppedUse(_) | Message::Recovered(_) => 14,
        Message::FaultReported(body) if body.severity == v1::FaultSeverity::Stop as i32 => 14,
        Message::RaisedToSurface(_) => 4,
        Message::LostReported(_) => 18,
        _ => before,
    };
    if state.state != before {
        state.since = time;
    }
    match body.message() {
        Message::Manufactured(body) => {
            (state.owner, state.holder) = (signer.clone(), signer);
            state.quantity = body.quantity.as_ref().map(|quantity| quantity.digits);
        }
        Message::LotSplit(body) if body.parent != machine.id() => {
            (state.owner, state.holder, state.mine) = (signer.clone(), signer, body.mine.clone());
            let is_a = SubjectId::child(body.parent.as_slice().try_into().unwrap(), "A").unwrap() == machine;
            state.quantity = Some(if is_a { 60 } else { 40 });
        }
        Message::LotSplit(_) => state.quantity = state.quantity.map(|_| 0),
        Message::Dispatched(body) => {
            state.consignee.clone_from(&body.to_organisation);
            state.mine.clear();
            // A sale is remembered until it is received.
            state.faults.insert("sale".to_owned(), body.reason);
        }
        Message::ReceiptRefused(_) => state.consignee.clone_from(&state.holder),
        Message::Received(body) => {
            let sold = state.faults.remove("sale") == Some(DispatchReason::Sale as i32);
            if sold && state.holder != signer && state.owner == body.from_organisation {
                state.owner.clone_from(&signer);
            }
            state.holder = signer;
            state.consignee.clear();
            state.mine.clone_from(&body.mine_entered);
        }
        Message::OwnershipChanged(body) => state.owner.clone_from(&body.new_owner),
        Message::EnteredMine(body) => state.mine.clone_from(&body.mine),
        Message::Recovered(body) => {
            let place = body.place.as_ref().map(|place| place.mine.clone()).unwrap_or_default();
            if !place.is_empty() {
                state.mine = place;
            }
        }
        Message::FaultReported(body) => drop(state.faults.insert(body.fault_id.clone(), body.severity)),
        Message::RectificationConfirmed(body) => drop(state.faults.remove(&body.fault_id)),
        Message::UsageReported(body) => state.running_h = body.counter.as_ref().map(|counter| counter.digits),
        _ => {}
    }
}

/// The same facts, as the library folds them.
fn folded(machine: SubjectId, log: &[Recorded], as_of: i64, size: u64) -> Option<Naive> {
    let events: Vec<Recorded> = log
        .iter()
        .filter(|event| event.candidate.statement().touched().any(|touched| touched == machine))
        .cloned()
        .collect();
    let instant = Instant { as_of: Timestamp::from_micros(as_of), size };
    let state = equipment::fold(&machine, &events, instant)?;
    let jump = v1::IrregularityKind::LifecycleJump;
    let inspected = EventKind::Inspected as u32;
    let mut faults: BTreeMap<String, i32> =
        state.open_faults.iter().map(|fault| (fault.fault_id.clone(), fault.severity)).collect();
    if state.dispatch_reason != 0 {
        faults.insert("sale".to_owned(), state.dispatch_reason);
    }
    Some(Naive {
        state: state.state,
        since: state.state_since_us,
        owner: state.owner,
        holder: state.holder,
        consignee: state.consignee,
        mine: state.mine,
        quantity: state.quantity.map(|quantity| quantity.digits),
        faults,
        jumps: state.irregularities.iter().filter(|it| it.kind() == jump).map(|it| it.position).collect(),
        touches: state.touches,
        chain_length: state.chain_length,
        last_inspected: state.last_events.iter().find(|event| event.kind == inspected).map(|event| event.position),
        running_h: state.meters.first().and_then(|meter| meter.counter.as_ref()).map(|counter| counter.digits),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn live_admission_and_state_are_what_the_entries_give(choices in choices()) {
        let ledger = live(&choices);
        prop_assert_eq!(fingerprint(&ledger.admission), fingerprint(&rebuilt(&ledger.log)));
        let begun = WORLD.log.len();
        for machine in machines(&ledger) {
            let events = ledger.touching(&machine);
            let mut times: Vec<i64> =
                events.iter().map(|event| event.candidate.statement().occurred_at.micros()).collect();
            times.extend([START - 400 * DAY, i64::MAX]);
            times.sort_unstable();
            times.dedup();
            let mut sizes: Vec<u64> = events.iter().map(|event| event.position.get() + 1).collect();
            sizes.extend([0, begun as u64, u64::MAX]);
            for size in sizes {
                for as_of in &times {
                    let (due, found) = (naive(machine, &events, *as_of, size), folded(machine, &events, *as_of, size));
                    prop_assert_eq!(due, found, "{} as of {} at size {}", machine, as_of, size);
                }
            }
        }
    }
}

#[test]
fn generated_lives_go_through_most_kinds() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    const LIVES: u32 = 192;
    let mut runner = TestRunner::deterministic();
    let (mut kinds, mut recorded) = (BTreeMap::new(), 0);
    for _ in 0..LIVES {
        let ledger = live(&choices().new_tree(&mut runner).unwrap().current());
        for event in &ledger.log[WORLD.log.len()..] {
            *kinds.entry(event.candidate.kind()).or_insert(0_u32) += 1;
            recorded += 1;
        }
    }
    let rare: Vec<_> = IN_THE_MINE.iter().filter(|kind| !kinds.contains_key(kind)).collect();
    assert!(rare.is_empty(), "never generated: {rare:?}; {kinds:?}");
    for kind in [
        EventKind::Received,
        EventKind::ReceiptRefused,
        EventKind::Corrected,
        EventKind::LotSplit,
        EventKind::Inspected,
        EventKind::Overhauled,
        EventKind::OwnershipChanged,
    ] {
        assert!(kinds.contains_key(&kind), "{kind} is never generated: {kinds:?}");
    }
    let supervised = EventKind::ALL
        .iter()
        .filter(|kind| matches!(kind.stage(), Stage::Mark | Stage::Publication | Stage::Supervision));
    for kind in supervised {
        assert!(kinds.contains_key(kind), "{kind} is never generated: {kinds:?}");
    }
    assert!(recorded > LIVES * 10, "{recorded} events in {LIVES} lives");
}
