//! The state of a machine.

use tally_proto::v1::{
    Alias, CheckResult, Component, DispatchReason, Equipment, IdentityKind, IdentityLinked, Irregularity,
    IrregularityKind, LastEvent, LotPiece, Measure, MeterReading, OpenFault, Place, Plate, RectificationResult,
    ServiceState, statement::Body as Message,
};

use super::{Instant, Recorded, Step, in_order};
use crate::{
    event::{EventKind, component_id},
    id::{SubjectId, SubjectKind},
    lifecycle,
    number::ChainIndex,
};

/// Irregularities that a state shows; older ones stay in the history.
pub const IRREGULARITIES_MAX: usize = 256;

/// Kinds whose last event people look for first.
pub const LAST_EVENTS: &[EventKind] = &[
    EventKind::AcceptanceChecked,
    EventKind::ExProofChecked,
    EventKind::Inspected,
    EventKind::Tested,
    EventKind::Calibrated,
    EventKind::Maintained,
    EventKind::Overhauled,
    EventKind::StockChecked,
];

/// The state of a machine at `instant`; `None` where its chain was not open then.
///
/// `events` are all entries that touched it, mentions included, in any order.
pub fn fold(subject: &SubjectId, events: &[Recorded], instant: Instant) -> Option<Equipment> {
    let mut state = Equipment { id: subject.id().to_vec(), ..Equipment::default() };
    let mut open = false;
    for step in in_order(subject, events, instant) {
        open |= step.recorded.candidate.statement().subject == *subject;
        apply(&mut state, &step);
    }
    let known = events.iter().filter(|event| event.position.get() < instant.size);
    count(&mut state, subject, known);
    open.then_some(state)
}

/// Counts the entries that touched a machine into its state.
pub fn count<'a>(state: &mut Equipment, subject: &SubjectId, events: impl Iterator<Item = &'a Recorded>) {
    (state.chain_length, state.touches) = (0, 0);
    for event in events {
        state.touches += 1;
        state.chain_length += u64::from(event.candidate.statement().subject == *subject);
    }
}

/// Moves a state on by one event that is not earlier than those before it.
pub fn apply(state: &mut Equipment, step: &Step<'_>) {
    let statement = step.recorded.candidate.statement();
    let own = statement.subject.kind() == SubjectKind::Equipment && statement.subject.id()[..] == state.id[..];
    note_last(state, step);
    if !own {
        return; // A mention moves nothing but what was looked at last.
    }
    // An older event may be recorded later: what opened the chain is told by its place, not by its time.
    let later = step.recorded.candidate.event().chain_index() != ChainIndex::FIRST;
    let known = ServiceState::try_from(state.state).ok();
    let former = match (step.body.kind().opens(), later) {
        (true, false) => None,
        (true, true) => known.or(Some(ServiceState::Unspecified)),
        (false, _) => known.filter(|former| *former != ServiceState::Unspecified),
    };
    let next = lifecycle::step(former, &step.body);
    if next.jump {
        irregular(state, step, IrregularityKind::LifecycleJump);
    }
    for kind in &step.recorded.findings {
        irregular(state, step, *kind);
    }
    if next.state as i32 != state.state {
        state.state = next.state as i32;
        state.state_since_us = step.micros();
    }
    identity(state, step, later);
    custody(state, step);
    place(state, step, later);
    parts(state, step);
    faults(state, step);
    readings(state, step);
}

fn irregular(state: &mut Equipment, step: &Step<'_>, kind: IrregularityKind) {
    if state.irregularities.len() >= IRREGULARITIES_MAX {
        state.irregularities.remove(0);
    }
    state.irregularities.push(Irregularity { kind: kind as i32, position: step.position() });
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds have no outcome")]
fn note_last(state: &mut Equipment, step: &Step<'_>) {
    let kind = step.body.kind();
    if !LAST_EVENTS.contains(&kind) {
        return;
    }
    let result = match step.body.message() {
        Message::AcceptanceChecked(body) => body.result,
        Message::ExProofChecked(body) => body.result,
        Message::Tested(body) => body.result,
        Message::Calibrated(body) => body.result,
        Message::Maintained(body) => body.result,
        Message::Inspected(body) if body.nothing_found => CheckResult::Pass as i32,
        Message::Inspected(body) if body.items.iter().any(|item| item.result == CheckResult::Fail as i32) => {
            CheckResult::Fail as i32
        }
        Message::Inspected(_) => CheckResult::Pass as i32,
        _ => 0,
    };
    state.last_events.retain(|event| event.kind != kind as u32);
    let last = LastEvent { kind: kind as u32, occurred_at_us: step.micros(), position: step.position(), result };
    state.last_events.push(last);
    state.last_events.sort_by_key(|event| event.kind);
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds leave identity alone")]
fn identity(state: &mut Equipment, step: &Step<'_>, later: bool) {
    match step.body.message() {
        Message::Manufactured(body) => {
            let plate = Plate { maker: body.maker.clone(), model: body.model.clone(), serial: body.serial.clone() };
            if !state.plates.contains(&plate) {
                state.plates.push(plate);
            }
            state.identity_kind = body.identity_kind;
            state.category.clone_from(&body.category);
            state.produced_on = body.produced_on;
            state.mark_no.clone_from(&body.mark_no);
            state.model =
                SubjectId::model(&body.maker, &body.model).map(|model| model.id().to_vec()).unwrap_or_default();
            state.predecessor.clone_from(&body.predecessor);
            state.maker = step.signer();
            if !later {
                state.quantity.clone_from(&body.quantity);
                state.owner = step.signer();
                state.holder = step.signer();
            }
            for component in &body.components {
                fit(&mut state.components, component);
            }
        }
        Message::Enrolled(_) if later => {}
        Message::Enrolled(body) => {
            let serial = if body.serial.is_empty() { &body.own_number } else { &body.serial };
            let plate = Plate { maker: body.maker.clone(), model: body.model.clone(), serial: serial.clone() };
            // The maker's facts, where they came first in time, stand over what was only declared.
            if !state.plates.contains(&plate) {
                state.plates.push(plate);
                state.identity_kind = body.identity_kind;
                state.category.clone_from(&body.category);
                state.produced_on = body.produced_on;
                state.mark_no.clone_from(&body.mark_no);
            }
            state.model =
                SubjectId::model(&body.maker, &body.model).map(|model| model.id().to_vec()).unwrap_or_default();
            state.enrolled = true;
            state.quantity.clone_from(&body.quantity);
            state.owner = step.signer();
            state.holder = step.signer();
        }
        Message::AssemblyFormed(body) => {
            state.identity_kind = IdentityKind::Assembly as i32;
            state.category.clone_from(&body.category);
            state.plates.push(Plate { serial: body.own_number.clone(), model: body.name.clone(), ..Plate::default() });
            state.owner = step.signer();
            state.holder = step.signer();
            state.members.clone_from(&body.members);
            state.mark_no.clone_from(&body.mark_no);
        }
        Message::LotSplit(body) if !later => {
            state.identity_kind = IdentityKind::Lot as i32;
            state.parent.clone_from(&body.parent);
            state.owner = step.signer();
            state.holder = step.signer();
            state.mine.clone_from(&body.mine);
            state.quantity = piece_of(state, &body.parent, &body.children).and_then(length);
        }
        Message::LotSplit(_) => {
            state.quantity = state.quantity.take().map(|quantity| Measure { digits: 0, ..quantity });
        }
        Message::PlateReplaced(body) => {
            let plate = Plate { maker: body.maker.clone(), model: body.model.clone(), serial: body.serial.clone() };
            state.plates.push(plate);
        }
        Message::Remanufactured(body) => state.successor.clone_from(&body.successor),
        Message::IdentityLinked(body) => {
            state.links.retain(|link: &IdentityLinked| link.other != body.other);
            state.links.push(body.clone());
        }
        Message::AliasSet(body) => {
            let alias = Alias { kind: body.kind, value: body.value.clone(), since_us: step.micros() };
            state.aliases.retain(|known| (known.kind, &known.value) != (alias.kind, &alias.value));
            state.aliases.push(alias);
        }
        Message::AliasEnded(body) => {
            state.aliases.retain(|known| (known.kind, &known.value) != (body.kind, &body.value));
        }
        _ => {}
    }
}

fn piece_of<'a>(state: &Equipment, parent: &[u8], pieces: &'a [LotPiece]) -> Option<&'a LotPiece> {
    let parent = <[u8; 16]>::try_from(parent).ok()?;
    pieces
        .iter()
        .find(|piece| SubjectId::child(&parent, &piece.suffix).is_ok_and(|child| child.id()[..] == state.id[..]))
}

fn length(piece: &LotPiece) -> Option<Measure> {
    let (from, to) = (piece.from.as_ref()?, piece.to.as_ref()?);
    Some(Measure { digits: to.digits.saturating_sub(from.digits), ..to.clone() })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds leave custody alone")]
fn custody(state: &mut Equipment, step: &Step<'_>) {
    match step.body.message() {
        Message::FactoryExit(body) => state.consignee.clone_from(&body.consignee),
        Message::Dispatched(body) => {
            state.consignee.clone_from(&body.to_organisation);
            state.mine.clear();
            state.place = None;
        }
        Message::ReceiptRefused(_) => state.consignee.clone_from(&state.holder),
        Message::Received(body) => {
            let goes_back = state.holder == step.signer();
            state.holder = step.signer();
            state.consignee.clear();
            state.mine.clone_from(&body.mine_entered);
            // Only the owner sells: what a holder sends off changes hands, not its owner.
            if sold(state) && !goes_back && state.owner == body.from_organisation {
                state.owner = step.signer();
            }
        }
        Message::OwnershipChanged(body) => state.owner.clone_from(&body.new_owner),
        Message::LeaseStarted(body) => state.user.clone_from(&body.lessee),
        Message::LeaseEnded(_) => state.user.clear(),
        _ => {}
    }
    match step.body.message() {
        Message::FactoryExit(body) => state.dispatch_reason = body.reason,
        Message::Dispatched(body) => state.dispatch_reason = body.reason,
        Message::Received(_) => state.dispatch_reason = 0,
        _ => {}
    }
}

fn sold(state: &Equipment) -> bool {
    state.dispatch_reason == DispatchReason::Sale as i32
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds move nothing")]
fn place(state: &mut Equipment, step: &Step<'_>, later: bool) {
    let mine_surface = |mine: &Vec<u8>| Some(Place { mine: mine.clone(), node: Vec::new(), text: String::new() });
    match step.body.message() {
        Message::Warehoused(body) => {
            let text = [body.store.as_str(), body.shelf.as_str()].join(" ").trim().to_owned();
            state.place = Some(Place { mine: state.mine.clone(), node: Vec::new(), text });
        }
        Message::Enrolled(body) if !later => {
            state.place.clone_from(&body.place);
            state.mine = body.place.as_ref().map(|place| place.mine.clone()).unwrap_or_default();
        }
        Message::AssemblyFormed(body) => {
            state.place.clone_from(&body.place);
            state.mine = body.place.as_ref().map(|place| place.mine.clone()).unwrap_or_default();
        }
        Message::Received(body) => {
            state.place = if body.mine_entered.is_empty() { None } else { mine_surface(&body.mine_entered) };
        }
        Message::EnteredMine(body) => {
            state.mine.clone_from(&body.mine);
            state.place = body.to_location.clone().or_else(|| mine_surface(&body.mine));
        }
        Message::RaisedToSurface(body) => state.place = mine_surface(&body.mine),
        Message::Installed(body) => state.place.clone_from(&body.location),
        Message::Moved(body) => state.place.clone_from(&body.to_location),
        Message::LostReported(body) => state.place.clone_from(&body.place),
        Message::Recovered(body) => {
            state.place.clone_from(&body.place);
            if let Some(place) = body.place.as_ref().filter(|place| !place.mine.is_empty()) {
                state.mine.clone_from(&place.mine);
            }
        }
        Message::StockChecked(body) if body.found && body.place.is_some() => state.place.clone_from(&body.place),
        Message::Exported(_) => {
            state.mine.clear();
            state.place = None;
        }
        _ => {}
    }
}

fn fit(components: &mut Vec<Component>, component: &Component) {
    if !component.slot.is_empty() {
        components.retain(|known| known.slot != component.slot);
    }
    let mut component = component.clone();
    if component.equipment.is_empty()
        && let Some(id) = component_id(&component)
    {
        component.equipment = id.id().to_vec();
    }
    components.push(component);
    components.sort_by(|left, right| left.slot.cmp(&right.slot));
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds move no parts")]
fn parts(state: &mut Equipment, step: &Step<'_>) {
    match step.body.message() {
        Message::ComponentReplaced(body) => {
            if let Some(component) = &body.r#in {
                fit(&mut state.components, &Component { slot: body.slot.clone(), ..component.clone() });
            }
        }
        Message::ComponentTakenOut(body) if body.component.is_some() => {
            state.components.retain(|known| known.slot != body.slot);
        }
        Message::ComponentFitted(body) => match &body.component {
            Some(component) => fit(&mut state.components, &Component { slot: body.slot.clone(), ..component.clone() }),
            None => state.inside.clone_from(&body.machine),
        },
        Message::ComponentTakenOut(_) => state.inside.clear(),
        Message::Overhauled(body) => {
            for part in body.parts_out.iter().filter_map(|part| part.component.as_ref()) {
                state.components.retain(|known| known.slot.is_empty() || known.slot != part.slot);
            }
            for part in body.parts_in.iter().filter(|part| !part.slot.is_empty()) {
                fit(&mut state.components, part);
            }
        }
        Message::MembersChanged(body) => {
            for member in &body.removed {
                let id = component_id(member);
                state.members.retain(|known| component_id(known) != id || id.is_none());
            }
            state.members.extend(body.added.iter().cloned());
        }
        _ => {}
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are about no fault")]
fn faults(state: &mut Equipment, step: &Step<'_>) {
    match step.body.message() {
        Message::FaultReported(body) => {
            state.open_faults.retain(|fault| fault.fault_id != body.fault_id);
            state.open_faults.push(OpenFault {
                fault_id: body.fault_id.clone(),
                severity: body.severity,
                since_us: step.micros(),
                rectified: false,
                position: step.position(),
                loss_of_protection: body.loss_of_protection,
            });
        }
        Message::Rectified(body) => {
            for fault in state.open_faults.iter_mut().filter(|fault| fault.fault_id == body.fault_id) {
                fault.rectified = true;
            }
        }
        Message::RectificationConfirmed(body) if body.result() == RectificationResult::Closed => {
            state.open_faults.retain(|fault| fault.fault_id != body.fault_id);
        }
        Message::RectificationConfirmed(body) => {
            for fault in state.open_faults.iter_mut().filter(|fault| fault.fault_id == body.fault_id) {
                fault.rectified = false;
            }
        }
        _ => {}
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds read nothing")]
fn readings(state: &mut Equipment, step: &Step<'_>) {
    match step.body.message() {
        Message::UsageReported(body) => {
            if !body.meter_exchanged && runs_backwards(state, &body.meter_no, body.counter.as_ref()) {
                irregular(state, step, IrregularityKind::CounterBackwards);
            }
            read(state, step, &body.meter_no, body.counter.as_ref());
        }
        Message::Commissioned(body) if !body.meter_no.is_empty() => {
            read(state, step, &body.meter_no, body.meter_start.as_ref());
        }
        Message::Installed(body) => {
            for setting in &body.settings {
                set(state, setting);
            }
        }
        Message::SettingsChanged(body) => {
            for setting in body.settings.iter().filter_map(|setting| {
                let value = setting.new_value.as_ref()?;
                Some(Measure { key: setting.key.clone(), ..value.clone() })
            }) {
                set(state, &setting);
            }
        }
        Message::RopeTurned(body) => {
            if let (Some(cut), Some(quantity)) = (&body.cut_length, &mut state.quantity)
                && (&cut.unit, cut.scale) == (&quantity.unit, quantity.scale)
            {
                quantity.digits = quantity.digits.saturating_sub(cut.digits);
            }
        }
        _ => {}
    }
}

fn runs_backwards(state: &Equipment, meter_no: &str, counter: Option<&Measure>) -> bool {
    let last = state.meters.iter().find(|meter| meter.meter_no == meter_no).and_then(|meter| meter.counter.as_ref());
    match (last, counter) {
        (Some(last), Some(counter)) if last.scale <= 9 && counter.scale <= 9 => {
            let left = i128::from(counter.digits) * 10_i128.pow(last.scale);
            left < i128::from(last.digits) * 10_i128.pow(counter.scale)
        }
        _ => false,
    }
}

fn read(state: &mut Equipment, step: &Step<'_>, meter_no: &str, counter: Option<&Measure>) {
    state.meters.retain(|meter| meter.meter_no != meter_no);
    let reading = MeterReading { meter_no: meter_no.to_owned(), counter: counter.cloned(), at_us: step.micros() };
    state.meters.push(reading);
    state.meters.sort_by(|left, right| left.meter_no.cmp(&right.meter_no));
}

fn set(state: &mut Equipment, setting: &Measure) {
    state.settings.retain(|known| known.key != setting.key);
    state.settings.push(setting.clone());
    state.settings.sort_by(|left, right| left.key.cmp(&right.key));
}
