//! The plain meaning of the other rules about a machine, for one instant: acceptance, use, explosion protection, belts,
//! hoists, life, faults, persons, orders, scrapping, custody, keys.

use tally_core::event::{EventKind, component_id};
use tally_proto::v1::{
    AirCourse, AliasKind, CheckItem, CheckResult, Component, DispatchReason, Fate, FaultSeverity, FindingDecision,
    GasGrade, InspectionKind, InterimMeasure, IrregularityKind, Measure, MineSector, MineState, PhaseOutState,
    PlaceKind, Presence, RectificationResult, Role, ScrapVerdict, ServiceState, Severity, statement::Body as Message,
};

use crate::{
    due, marks,
    story::{DAY, HOUR, Now, Seen, Verdict, begins, gone, in_service, is_over, normal, passed, place, runs},
};

/// Everything that holds about a machine at an instant.
pub(crate) fn verdict(now: &Now<'_>) -> Verdict {
    if now.state.state() != ServiceState::Unspecified {
        marks::judge(now);
        explosion_protection(now);
        scrapping(now);
        mine_closed(now);
        if !gone(now.state.state()) {
            acceptance(now);
            use_and_life(now);
            belts_and_hoists(now);
            phase_out(now);
        }
        due::judge(now);
        orders(now);
        custody(now);
        keys(now);
        persons(now);
        faults(now);
        found(now);
    }
    breaches(now);
    std::mem::take(&mut now.said.borrow_mut())
}

// Arrival, acceptance, leaving.

/// The machine left where it was: it went up the shaft, away, or arrived elsewhere.
fn leaves(event: &Seen<'_>) -> bool {
    use EventKind::{Dispatched, Exported, RaisedToSurface, Received};
    matches!(event.body.kind(), RaisedToSurface | Dispatched | Received | Exported)
}

/// A machine that was taken on in service, with the beginning of its record.
fn enrolled_in_service(event: &Seen<'_>) -> bool {
    matches!(event.message(), Message::Enrolled(body)
        if event.opens_first() && (in_service(body.state()) || body.state() == ServiceState::Accepted))
}

/// Entered, installed, commissioned or resumed.
fn is_taking_into_use(event: &Seen<'_>) -> bool {
    match event.message() {
        Message::EnteredMine(_) | Message::Installed(_) => true,
        Message::Commissioned(body) => passed(body.result()),
        Message::Resumed(body) => passed(body.result()),
        _ => false,
    }
}

/// The first time it was checked for acceptance or taken into use since it arrived.
pub(crate) fn taken_on<'a>(now: &Now<'a>) -> Option<&'a Seen<'a>> {
    let mut taken = None;
    for event in now.own() {
        if event.body.kind() == EventKind::Received {
            taken = None;
        } else if enrolled_in_service(event) {
            taken = Some(event);
        } else if is_taking_into_use(event) || event.body.kind() == EventKind::AcceptanceChecked {
            taken = taken.or(Some(event));
        }
    }
    taken
}

/// What an acceptance says: passed, failed, or neither.
fn acceptance_of(event: &Seen<'_>) -> Option<bool> {
    match event.message() {
        Message::AcceptanceChecked(body) if passed(body.result()) => Some(true),
        Message::AcceptanceChecked(body) if body.result() == CheckResult::Fail => Some(false),
        _ => None,
    }
}

/// ACC-001, -002, -004 and ID-003.
///
/// Reading: an acceptance is good until the machine is received anew, found again after a loss, or exported; taking it
/// into use without one is over once it leaves.
fn acceptance(now: &Now<'_>) {
    let needs_anew = |event: &Seen<'_>| {
        matches!(event.body.kind(), EventKind::Received | EventKind::Recovered | EventKind::Exported)
    };
    for used in now.own().filter(|event| is_taking_into_use(event)) {
        let accepted = now.own().filter(|event| place(event) < place(used)).fold(false, |accepted, event| {
            !needs_anew(event) && (accepted || acceptance_of(event) == Some(true) || enrolled_in_service(event))
        });
        let over = |event: &Seen<'_>| leaves(event) || acceptance_of(event) == Some(true);
        if !accepted && !now.after(used, |event| over(event) || enrolled_in_service(event)) {
            now.say("ACC-001", "");
        }
        let failed = now.own().filter(|event| place(event) < place(used)).fold(false, |failed, event| {
            event.body.kind() != EventKind::Received && acceptance_of(event).map_or(failed, |passed| !passed)
        });
        if failed && !now.after(used, over) {
            now.say("ACC-004", "");
        }
    }
    // ACC-002. Reading: a move for which it was dismantled is an installation.
    let installs = |event: &Seen<'_>| match event.message() {
        Message::Installed(_) => true,
        Message::Moved(body) => body.dismantled,
        _ => false,
    };
    let accepts = |event: &Seen<'_>| {
        enrolled_in_service(event)
            || matches!(event.message(), Message::InstallationAccepted(body) if passed(body.result()))
    };
    for used in
        now.own().filter(|event| matches!(event.message(), Message::Commissioned(body) if passed(body.result())))
    {
        let mut installed = false;
        let mut accepted = false;
        for event in now.own().filter(|event| place(event) < place(used)) {
            if installs(event) {
                (installed, accepted) = (true, false);
            }
            accepted |= accepts(event);
        }
        let over = |event: &Seen<'_>| accepts(event) || installs(event) || leaves(event);
        if installed && !accepted && !now.after(used, over) {
            now.say("ACC-002", "");
        }
    }
    // ID-003: the last look at the plate, or a new plate that both parties signed.
    let mut differs = false;
    for event in now.own() {
        let look = |items: &[CheckItem], differs: &mut bool| match items
            .iter()
            .find(|item| item.code == "plate")
            .map(CheckItem::result)
        {
            Some(CheckResult::Fail) => *differs = true,
            Some(result) if passed(result) => *differs = false,
            _ => {}
        };
        match event.message() {
            Message::AcceptanceChecked(body) => look(&body.checks, &mut differs),
            Message::Inspected(body) => look(&body.items, &mut differs),
            Message::PlateReplaced(_) if !event.is_found(IrregularityKind::SecondSignatureMissing) => differs = false,
            _ => {}
        }
    }
    if differs {
        now.say("ID-003", "");
    }
}

// Explosion protection.

pub(crate) struct Papers {
    pub(crate) ex_mark: String,
    pub(crate) ex_cert_no: String,
    pub(crate) nameplate: Vec<Measure>,
    pub(crate) attributes: Vec<tally_proto::v1::Attribute>,
    pub(crate) design_life: Option<Measure>,
    pub(crate) model: String,
}

/// What the maker states, else what was declared where it was taken on.
pub(crate) fn papers(now: &Now<'_>) -> Papers {
    let mut papers = Papers {
        ex_mark: String::new(),
        ex_cert_no: String::new(),
        nameplate: Vec::new(),
        attributes: Vec::new(),
        design_life: None,
        model: String::new(),
    };
    let mut made = false;
    for event in now.own() {
        match event.message() {
            Message::Manufactured(body) => {
                made = true;
                papers = Papers {
                    ex_mark: body.ex_mark.clone(),
                    ex_cert_no: body.ex_cert_no.clone(),
                    nameplate: body.nameplate.clone(),
                    attributes: body.attributes.clone(),
                    design_life: body.design_life.clone(),
                    model: normal(&body.model),
                };
            }
            Message::Enrolled(body) if event.opens_first() && !made => {
                papers = Papers {
                    ex_mark: body.ex_mark.clone(),
                    ex_cert_no: body.ex_cert_no.clone(),
                    nameplate: body.nameplate.clone(),
                    attributes: body.attributes.clone(),
                    design_life: body.design_life.clone(),
                    model: normal(&body.model),
                };
            }
            _ => {}
        }
    }
    papers
}

/// The last descent, where nothing brought it up since.
fn descent<'a>(now: &Now<'a>) -> Option<&'a Seen<'a>> {
    let down = now.last(|event| event.body.kind() == EventKind::EnteredMine)?;
    (!now.after(down, leaves)).then_some(down)
}

/// Reading: below ground is what went down, and what is in service at a place below ground.
fn is_underground(now: &Now<'_>) -> bool {
    let below = |place: &PlaceKind| {
        matches!(
            place,
            PlaceKind::Level | PlaceKind::District | PlaceKind::Roadway | PlaceKind::Face | PlaceKind::Chamber
        )
    };
    descent(now).is_some()
        || now.state.state() == ServiceState::Underground
        || (in_service(now.state.state()) && now.places().iter().any(below))
}

fn opens_enclosure(event: &Seen<'_>) -> bool {
    event.law.is_ex(&event.after.category)
        && event.own
        && match event.message() {
            Message::Maintained(body) => body.enclosure_opened,
            Message::MaintenanceFinished(body) => body.enclosure_opened,
            _ => false,
        }
}

/// A look at the explosion protection that found nothing, of the machine alone or in a round.
fn is_ex_look(now: &Now<'_>, event: &Seen<'_>) -> bool {
    match event.message() {
        Message::ExProofChecked(body) => passed(body.result()),
        Message::Inspected(body) => {
            body.kind() == InspectionKind::Exproof
                && (event.own || body.machines.contains(&now.state.id))
                && body.items.iter().all(|item| item.result() != CheckResult::Fail)
        }
        _ => false,
    }
}

fn explosion_protection(now: &Now<'_>) {
    let state = now.state.state();
    if gone(state) {
        return;
    }
    let papers = papers(now);
    let ex = now.law.is_ex(now.category());
    let underground = is_underground(now);

    // EX-001. Reading: in a mine; the last look at the certificate counts, without any the number on the plate.
    let looked = now.own().filter_map(|event| match event.message() {
        Message::AcceptanceChecked(body) => {
            body.checks.iter().find(|item| item.code == "ex_cert").map(CheckItem::result)
        }
        _ => None,
    });
    let mut looked = looked.filter(|result| *result != CheckResult::NotApplicable);
    let shown = match looked.next_back() {
        Some(result) => passed(result),
        None => !papers.ex_cert_no.is_empty() || taken_on(now).is_none(),
    };
    if ex && !now.state.mine.is_empty() && !shown {
        now.say("EX-001", "");
    }

    // EX-002. Reading: the pass counts until the day on it, else for the days of the rule; repair, alteration, exchange
    // of parts and ascent void it.
    if let Some(down) = descent(now)
        && down.law.is_ex(&down.after.category)
    {
        let voids = |event: &Seen<'_>| match event.message() {
            Message::ComponentTakenOut(body) => body.component.is_some(),
            Message::ComponentFitted(body) => body.component.is_some(),
            Message::Maintained(_)
            | Message::MaintenanceFinished(_)
            | Message::Altered(_)
            | Message::ComponentReplaced(_)
            | Message::OverhaulStarted(_)
            | Message::Overhauled(_) => true,
            _ => leaves_underground(event),
        };
        let mut valid_until = i64::MIN;
        for event in now.own().filter(|event| place(event) < place(down)) {
            if let Message::ExProofChecked(body) = event.message()
                && passed(body.result())
            {
                let days = down.law.number("EX-002", "valid_days");
                valid_until = is_over(body.valid_until.as_ref()).unwrap_or(event.at + days * DAY);
            }
            if voids(event) {
                valid_until = i64::MIN;
            }
        }
        let checked_below = now
            .events
            .iter()
            .any(|event| place(event) > place(down) && is_ex_look(now, event) && event.persons(now.log).len() >= 2);
        if down.at >= valid_until && !checked_below {
            now.say("EX-002", "");
        }
    }

    // EX-003. Reading: a confirmation by whoever put it right closes nothing.
    let in_district = now.places().iter().any(|place| matches!(place, PlaceKind::District | PlaceKind::Face));
    for fault in faults_of(now).iter().filter(|fault| fault.loss_of_protection && !fault.confirmed_by_another) {
        if underground || in_service(state) {
            let severity = if in_district { Severity::Major } else { Severity::Serious };
            now.say_as("EX-003", &fault.id, severity);
        }
    }

    // EX-004: selection by gas grade and place; what the record does not say counts as suited.
    if ex && underground && in_service(state) {
        let coal = now.mine.as_ref().is_some_and(|mine| mine.sector() == MineSector::Coal);
        let air = now.state.place.as_ref().and_then(|place| {
            now.mine.as_ref()?.places.iter().find(|node| node.id == place.node).map(|node| node.air())
        });
        let grade = now.profile().map_or(GasGrade::Unspecified, |profile| profile.gas_grade());
        let for_surface = papers.ex_mark.contains("II");
        let general = papers.ex_mark.is_empty() || papers.ex_mark.starts_with("KY");
        let suits = if for_surface {
            !coal
        } else if general {
            match grade {
                GasGrade::Unspecified => true,
                GasGrade::Low => !in_district && air != Some(AirCourse::Return),
                GasGrade::High | GasGrade::Outburst => false,
            }
        } else {
            true
        };
        if !suits {
            now.say("EX-004", "");
        }
    }

    // EX-005: from the first opening that nobody looked at since; going up ends it.
    let ends = now.events.iter().rfind(|event| is_ex_look(now, event) || (event.own && leaves_underground(event)));
    let opened = now.own().find(|event| opens_enclosure(event) && ends.is_none_or(|ends| place(event) > place(ends)));
    if let Some(opened) = opened
        && now.due(opened.at + now.law.number("EX-005", "hours") * HOUR)
    {
        now.say("EX-005", "");
    }

    // EX-006: the last overhaul, until a laboratory passed it.
    if let Some(overhaul) = now.last(|event| event.body.kind() == EventKind::Overhauled)
        && overhaul.law.is_ex(&overhaul.after.category)
    {
        let former = now.own().filter(|event| place(event) < place(overhaul));
        let since = former.rev().take_while(|event| event.body.kind() != EventKind::Overhauled);
        let start = since.into_iter().find_map(|event| match event.message() {
            Message::OverhaulStarted(body) => {
                Some(body.documents_available.is_empty() && body.documents_missing_steps.is_empty())
            }
            _ => None,
        });
        let doubtful = start == Some(true) || overhaul.is_found(IrregularityKind::OutsideGrant);
        let retested = now.after(overhaul, |event| {
            event.is_role(Role::Laboratory) && matches!(event.message(), Message::Tested(body) if passed(body.result()))
        });
        if doubtful && !retested {
            now.say("EX-006", "");
        }
    }

    if now.category() == "TRACKLESS" && papers.ex_mark.is_empty() && underground {
        now.say("EX-007", "");
    }
}

fn leaves_underground(event: &Seen<'_>) -> bool {
    leaves(event)
}

// Parts.

pub(crate) struct Fitted {
    pub(crate) slot: String,
    /// Absent where the slot was emptied.
    pub(crate) component: Option<Component>,
    pub(crate) at: i64,
    pub(crate) as_built: bool,
}

/// What sits in each slot that was ever spoken of.
pub(crate) fn fitted(now: &Now<'_>) -> Vec<Fitted> {
    let mut fits: Vec<Fitted> = Vec::new();
    let mut put = |slot: &str, component: Option<Component>, at: i64, as_built: bool| {
        if !slot.is_empty() {
            fits.retain(|fit| fit.slot != slot);
            fits.push(Fitted { slot: slot.to_owned(), component, at, as_built });
        }
    };
    for event in now.own() {
        match event.message() {
            Message::Manufactured(body) => {
                body.components.iter().for_each(|part| put(&part.slot, Some(part.clone()), event.at, true));
            }
            Message::ComponentReplaced(body) => put(&body.slot, body.r#in.clone(), event.at, false),
            Message::ComponentTakenOut(body) if body.component.is_some() => put(&body.slot, None, event.at, false),
            Message::ComponentFitted(body) if body.component.is_some() => {
                put(&body.slot, body.component.clone(), event.at, false);
            }
            Message::Overhauled(body) => {
                for part in body.parts_out.iter().filter_map(|part| part.component.as_ref()) {
                    put(&part.slot, None, event.at, false);
                }
                body.parts_in.iter().for_each(|part| put(&part.slot, Some(part.clone()), event.at, false));
            }
            _ => {}
        }
    }
    fits
}

// Use and life.

/// A reading that is greater than the one before it on the same meter.
fn grows(event: &Seen<'_>) -> bool {
    growth(event).is_some_and(|growth| growth > 0)
}

/// How much a meter moved since its reading before, in 10^-9 of its unit.
fn growth(event: &Seen<'_>) -> Option<i128> {
    let Message::UsageReported(body) = event.message() else { return None };
    let counter = body.counter.as_ref()?;
    let last = event.before.meters.iter().find(|meter| meter.meter_no == body.meter_no)?.counter.as_ref()?;
    (last.key == counter.key && last.unit == counter.unit).then(|| nano(counter) - nano(last))
}

pub(crate) fn nano(measure: &Measure) -> i128 {
    i128::from(measure.digits) * 10_i128.pow(9 - measure.scale)
}

/// Use: taken into use, changed over, put back into use after maintenance, or hours that grew.
fn is_run(event: &Seen<'_>) -> bool {
    match event.message() {
        Message::Commissioned(body) => passed(body.result()),
        Message::Resumed(body) => passed(body.result()),
        Message::DutyChanged(_) => true,
        Message::MaintenanceFinished(body) => runs(body.next()),
        _ => grows(event),
    }
}

/// Somebody signs for use: a run, or any report of hours.
fn signs_for_use(event: &Seen<'_>) -> bool {
    is_run(event) || event.body.kind() == EventKind::UsageReported
}

fn is_entry(event: &Seen<'_>) -> bool {
    matches!(event.body.kind(), EventKind::EnteredMine | EventKind::Installed | EventKind::Moved)
}

fn use_and_life(now: &Now<'_>) {
    let state = now.state.state();
    // SCR-007: the last verdict.
    let mut verdict = now.own().filter_map(|event| match event.message() {
        Message::ScrapAppraised(body) => Some(body.verdict()),
        _ => None,
    });
    if runs(state) && verdict.next_back() == Some(ScrapVerdict::Scrap) {
        now.say("SCR-007", "");
    }
    // LIFE-004: any entry that touches it is a record.
    let last = now.events.last().unwrap();
    if state == ServiceState::InUse && now.due(last.at + now.law.number("LIFE-004", "days") * DAY) {
        now.say("LIFE-004", "");
    }
    // LIFE-001. Reading: an appraisal that does not say scrap extends the life without an end.
    let extended = now
        .own()
        .any(|event| matches!(event.message(), Message::ScrapAppraised(body) if body.verdict() != ScrapVerdict::Scrap));
    if let Some(life) = papers(now).design_life.filter(|_| runs(state) && !extended) {
        let over = match life.unit.as_str() {
            "a" => {
                let years = nano(&life) / 1_000_000_000;
                let made = now.state.produced_on.as_ref().and_then(tally_core::event::day);
                made.is_some_and(|made| now.due(due::months_after(made, i64::try_from(years).unwrap() * 12)))
            }
            "h" => now
                .state
                .meters
                .iter()
                .filter_map(|meter| meter.counter.as_ref())
                .any(|counter| counter.key == "running_h" && nano(counter) > nano(&life)),
            _ => false,
        };
        if over {
            now.say("LIFE-001", "");
        }
    }
    // MON-003. Reading: the first receipt by anybody is the purchase.
    if now.category() == "SELF_RESCUER"
        && let Some(received) = now.own().find(|event| event.body.kind() == EventKind::Received)
    {
        let text = now.law.text("MON-003", "from");
        let parts: Vec<i16> = text.split('-').map(|part| part.parse().unwrap()).collect();
        let from = tally_core::time::Day::new(parts[0], parts[1].try_into().unwrap(), parts[2].try_into().unwrap());
        let tagged = now.state.aliases.iter().any(|alias| alias.kind() == AliasKind::Rfid);
        if received.at >= from.unwrap().starts().unwrap().micros() && !tagged {
            now.say("MON-003", "");
        }
    }
}

fn belts_and_hoists(now: &Now<'_>) {
    let category = now.category();
    if category == "BELT" {
        let test = |event: &Seen<'_>| match event.message() {
            Message::Tested(body) if body.schedule_code == "S-BEL-01" => Some(body.result()),
            _ => None,
        };
        // BELT-001. Reading: a test by whoever does not hold it is one by a third party; once it lies below, a later test
        // does not heal it.
        if let Some(down) = descent(now) {
            let tested = now
                .own()
                .filter(|event| place(event) < place(down))
                .any(|event| test(event).is_some_and(passed) && event.signer() != event.after.holder);
            if !tested {
                now.say("BELT-001", "");
            }
        }
        // BELT-002: went down after a failure of whatever was done under the code, or failed a test where it lies.
        let last_left = now.last(leaves);
        let since = now.own().filter(|event| last_left.is_none_or(|left| place(event) > place(left)));
        let mut below = false;
        for event in since {
            let went_down = event.body.kind() == EventKind::EnteredMine;
            let former = now.events.iter().filter(|former| place(former) < place(event));
            let outcomes = former.flat_map(|former| due::outcomes(now, former));
            let failed_before =
                outcomes.filter(|(code, _)| code == "S-BEL-01").map(|(_, good)| good).last() == Some(false);
            below |= went_down;
            let fails_there = test(event) == Some(CheckResult::Fail) && (below || in_service(event.after.state()));
            if ((went_down && failed_before) || fails_there) && is_underground(now) {
                now.say("BELT-002", "");
            }
        }
    }
    // HOIST-003. Reading: a rope that was found worn stays so until it comes up.
    if category == "ROPE" && in_service(now.state.state()) {
        let mut worn = false;
        let mut function = String::new();
        for event in now.own() {
            match event.message() {
                Message::Installed(body) => function = body.function.clone(),
                Message::RaisedToSurface(_) => worn = false,
                Message::Inspected(body) => {
                    let persons = function.contains('人');
                    worn |= body.items.iter().filter_map(|item| item.value.as_ref()).any(|value| {
                        let limit = match value.key.as_str() {
                            "broken_wires_pct" if persons => event.law.number("HOIST-003", "broken_wires_person_pct"),
                            "broken_wires_pct" => event.law.number("HOIST-003", "material_pct"),
                            "diameter_loss_pct" => event.law.number("HOIST-003", "diameter_loss_pct"),
                            _ => return false,
                        };
                        nano(value) >= i128::from(limit) * 1_000_000_000
                    });
                }
                _ => {}
            }
        }
        if worn {
            now.say("HOIST-003", "");
        }
    }
    // BELT-003 and HOIST-001, while in use: faults of protections, tests of them, their empty slots.
    if now.state.state() != ServiceState::InUse {
        return;
    }
    let belt: &[&str] = &["打滑", "堆煤", "跑偏", "撕裂", "温度", "烟雾", "急停", "洒水"];
    let hoist: &[&str] = &["过卷", "过速", "限速", "松绳", "制动", "防坠", "深度", "闸", "抱索"];
    let (rule, words) = match category {
        "BELT_CONVEYOR" => ("BELT-003", belt),
        "HOIST" | "CHAIRLIFT" | "MANRIDER" | "SKIP_CAGE" => ("HOIST-001", hoist),
        _ => return,
    };
    let is_meant = |text: &str| words.iter().any(|word| text.contains(word));
    for fault in faults_of(now).iter().filter(|fault| !fault.closed && is_meant(&fault.kind)) {
        now.say(rule, &fault.id);
    }
    if rule == "BELT-003" && due::last_outcome(now, "S-BEL-02") == Some(false) {
        now.say(rule, "S-BEL-02");
    }
    for fit in fitted(now).iter().filter(|fit| fit.component.is_none() && is_meant(&fit.slot)) {
        now.say(rule, &fit.slot);
    }
}

// Faults and persons.

pub(crate) struct Fault<'a> {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) loss_of_protection: bool,
    severity: FaultSeverity,
    reported: &'a Seen<'a>,
    due: Option<i64>,
    rectified: Option<&'a Seen<'a>>,
    /// Confirmed, by whomever.
    pub(crate) closed: bool,
    pub(crate) confirmed_by_another: bool,
    /// Confirmed by none but those who put it right, and by nobody else since.
    by_the_same: bool,
}

/// The faults of the machine, each as last reported. Reading: a fault that was confirmed by the same hand is closed, but
/// for what needs another person; where no one said that it was put right, anybody's confirmation closes it.
pub(crate) fn faults_of<'a>(now: &Now<'a>) -> Vec<Fault<'a>> {
    let mut faults: Vec<Fault<'a>> = Vec::new();
    for event in now.own() {
        match event.message() {
            Message::FaultReported(body) => {
                // That the same hand confirmed it stays on record.
                let by_the_same = faults.iter().any(|fault| fault.id == body.fault_id && fault.by_the_same);
                faults.retain(|fault| fault.id != body.fault_id);
                faults.push(Fault {
                    id: body.fault_id.clone(),
                    kind: body.kind.clone(),
                    loss_of_protection: body.loss_of_protection,
                    severity: body.severity(),
                    reported: event,
                    due: is_over(body.due_by.as_ref()),
                    rectified: None,
                    closed: false,
                    confirmed_by_another: false,
                    by_the_same,
                });
            }
            Message::Rectified(body) => {
                for fault in faults.iter_mut().filter(|fault| fault.id == body.fault_id && !fault.confirmed_by_another)
                {
                    fault.rectified = Some(event);
                }
            }
            Message::RectificationConfirmed(body) => {
                for fault in faults.iter_mut().filter(|fault| fault.id == body.fault_id && !fault.confirmed_by_another)
                {
                    if body.result() == RectificationResult::Reopened {
                        (fault.rectified, fault.closed) = (None, false);
                        continue;
                    }
                    fault.closed = true;
                    let rectifiers = fault.rectified.map(|rectified| rectified.persons(now.log));
                    let same = rectifiers.is_some_and(|rectifiers| {
                        event.persons(now.log).iter().all(|person| rectifiers.contains(person))
                    });
                    if same {
                        fault.by_the_same = true;
                    } else {
                        fault.by_the_same = false;
                        fault.confirmed_by_another = true;
                    }
                }
            }
            _ => {}
        }
    }
    faults
}

fn faults(now: &Now<'_>) {
    let is_gone = gone(now.state.state());
    for fault in faults_of(now) {
        if is_gone || fault.closed {
            continue;
        }
        match fault.rectified {
            None => {
                let key = match fault.severity {
                    FaultSeverity::Stop => "days_stop",
                    FaultSeverity::Serious => "days_serious",
                    FaultSeverity::Minor | FaultSeverity::Unspecified => "days_minor",
                };
                let due = fault.due.unwrap_or(fault.reported.at + now.law.number("FLT-001", key) * DAY);
                if now.due(due) {
                    now.say("FLT-001", &fault.id);
                }
            }
            Some(rectified) => {
                if now.due(rectified.at + now.law.number("FLT-002", "days") * DAY) {
                    now.say("FLT-002", &fault.id);
                }
            }
        }
        if fault.severity == FaultSeverity::Stop && now.after(fault.reported, is_run) {
            now.say("FLT-004", &fault.id);
        }
    }
}

/// The certificate that a kind of work takes.
fn certificate_for(event: &Seen<'_>) -> Option<&'static str> {
    let by_category = match event.after.category.as_str() {
        "MONITOR_SYSTEM" | "CH4_SENSOR" => Some("安全监测监控作业"),
        "SWITCHGEAR" | "CABLE" | "MOTOR" => Some("井下电气作业"),
        _ => None,
    };
    match event.message() {
        Message::Maintained(body) if body.enclosure_opened => by_category.or(Some("井下电气作业")),
        Message::MaintenanceFinished(body) if body.enclosure_opened => by_category.or(Some("井下电气作业")),
        Message::Maintained(_) | Message::MaintenanceFinished(_) | Message::Calibrated(_) => by_category,
        _ => None,
    }
}

/// PER-001 and PER-002. Reading: one of those who did it, or signed it, has the certificate; where no person is known the
/// work says nothing about qualification, and redoes nothing.
fn persons(now: &Now<'_>) {
    let mut last: std::collections::BTreeMap<&str, Option<bool>> = std::collections::BTreeMap::new();
    for event in now.own() {
        let Some(wanted) = certificate_for(event) else { continue };
        let Some(organisation) = now.log.organisation(&event.signer()) else { continue };
        let performed = event.recorded.candidate.statement().performed_by.iter().map(|key| key.as_bytes().to_vec());
        let keys: Vec<Vec<u8>> = performed.chain(event.keys()).collect();
        let people: Vec<_> =
            organisation.keys.iter().filter(|key| keys.contains(&key.key_id) && !key.person_id.is_empty()).collect();
        if people.is_empty() {
            continue;
        }
        let certificates: Vec<_> =
            people.iter().flat_map(|person| &person.certificates).filter(|held| held.kind == wanted).collect();
        let valid =
            certificates.iter().any(|held| is_over(held.valid_until.as_ref()).is_none_or(|over| event.at < over));
        last.insert(wanted, (!valid).then_some(!certificates.is_empty()));
    }
    for (certificate, lacking) in last {
        match lacking {
            Some(true) => now.say("PER-002", certificate),
            Some(false) => now.say("PER-001", certificate),
            None => {}
        }
    }
}

// Phase-out.

/// OUT-*. Reading: in store is on the surface of a mine and not taken down; a ban that asks where a machine stands is
/// none of making.
fn phase_out(now: &Now<'_>) {
    let state = now.state.state();
    let in_store = !now.state.mine.is_empty()
        && matches!(
            state,
            ServiceState::InStore | ServiceState::AtMine | ServiceState::Accepted | ServiceState::ReadyDown
        );
    for row in now.law.phase_out.values().filter(|row| row.state() == PhaseOutState::InForce) {
        for ban in &row.bans {
            let criteria = ban.criteria.as_ref().unwrap();
            if !fits(now, criteria) {
                continue;
            }
            let from = begins(ban.from.as_ref()).unwrap();
            let reached = now.due(from);
            let soon = now.due(from - now.law.number("OUT-003", "days") * DAY);
            if in_service(state) && reached {
                now.say("OUT-001", &row.code);
            }
            if in_service(state) && soon && !reached {
                now.say("OUT-003", &row.code);
            }
            if in_store && reached {
                now.say("OUT-002", &row.code);
            }
            let anywhere =
                criteria.gas_grades.is_empty() && criteria.places.is_empty() && criteria.places_not.is_empty();
            let exit = now.last(|event| event.body.kind() == EventKind::FactoryExit);
            if anywhere && exit.is_some_and(|exit| exit.at >= from) {
                now.say("OUT-004", &row.code);
            }
        }
    }
}

/// Whether a machine is what criteria ask for: each that is set must hold, of a list any one.
pub(crate) fn fits(now: &Now<'_>, criteria: &tally_proto::v1::Criteria) -> bool {
    let papers = papers(now);
    let any = |list: &[String], holds: &dyn Fn(&str) -> bool| list.is_empty() || list.iter().any(|text| holds(text));
    let sits = now.last(|event| {
        matches!(event.message(), Message::ComponentFitted(body) if body.component.is_none())
            || matches!(event.message(), Message::ComponentTakenOut(body) if body.component.is_none())
    });
    let sits_in = match sits.map(Seen::message) {
        Some(Message::ComponentFitted(body)) => body.slot.clone(),
        _ => String::new(),
    };
    let inside = now.log.category_of(&now.state.inside);
    let mut function = now.own().filter_map(|event| match event.message() {
        Message::Installed(body) => Some(body.function.clone()),
        _ => None,
    });
    let function = function.next_back().unwrap_or_default();
    let group = now.law.categories.get(now.category()).map(|row| row.group.clone()).unwrap_or_default();
    let grade = now.profile().map_or(GasGrade::Unspecified, |profile| profile.gas_grade());
    let presence = |presence: Presence, text: &str| match presence {
        Presence::Unspecified => true,
        Presence::Given => !text.is_empty(),
        Presence::Missing => text.is_empty(),
    };
    let parts = fitted(now);
    let filled = || parts.iter().filter(|fit| fit.component.is_some());
    let rated = |bound: &tally_proto::v1::PlateBound| {
        papers.nameplate.iter().filter(|rated| rated.key == bound.key).take(1).any(|rated| {
            bound.min.as_ref().is_none_or(|min| nano(min) <= nano(rated))
                && bound.max.as_ref().is_none_or(|max| nano(rated) <= nano(max))
        })
    };
    any(&criteria.categories, &|text| text == now.category())
        && any(&criteria.groups, &|text| text == group)
        && any(&criteria.model_prefixes, &|text| papers.model.starts_with(text))
        && any(&criteria.models, &|text| papers.model == text)
        && any(&criteria.component_prefixes, &|text| {
            filled().any(|fit| normal(&fit.component.as_ref().unwrap().model).starts_with(text))
        })
        && any(&criteria.slots, &|text| filled().any(|fit| fit.slot.contains(text)))
        && any(&criteria.sits_in_slots, &|text| sits_in.contains(text))
        && any(&criteria.inside, &|text| inside == text)
        && any(&criteria.functions, &|text| function.contains(text))
        && criteria.attributes.iter().all(|wanted| papers.attributes.contains(wanted))
        && criteria.plate.iter().all(rated)
        && presence(criteria.ex_mark(), &papers.ex_mark)
        && presence(criteria.mark_no(), &now.state.mark_no)
        && any(&criteria.ex_mark_parts, &|text| papers.ex_mark.contains(text))
        && !criteria.ex_mark_parts_not.iter().any(|text| papers.ex_mark.contains(text.as_str()))
        && (criteria.gas_grades.is_empty() || criteria.gas_grades.contains(&(grade as i32)))
        && (criteria.places.is_empty() || now.places().iter().any(|at| criteria.places.contains(&(*at as i32))))
        && !now.places().iter().any(|at| criteria.places_not.contains(&(*at as i32)))
}

// Orders.

struct OrderOn<'a> {
    id: Vec<u8>,
    number: String,
    kind: EventKind,
    /// Since when it names this machine.
    named: &'a Seen<'a>,
    until: Option<i64>,
    interim: InterimMeasure,
}

/// Orders that name this machine and were neither lifted nor remedied for it.
fn orders_on<'a>(now: &Now<'a>) -> Vec<OrderOn<'a>> {
    let mut orders: Vec<OrderOn<'a>> = Vec::new();
    for event in now.events {
        let subject = event.recorded.candidate.statement().subject.id().to_vec();
        match event.message() {
            Message::StopUseOrdered(_)
            | Message::SealedUp(_)
            | Message::RecallIssued(_)
            | Message::OrderExtended(_) => {
                if orders.iter().any(|order| order.id == subject) {
                    continue;
                }
                // What it orders stands in the event that opened it.
                let opening = now.log.known().find(|known| known.candidate.statement().subject.id()[..] == subject[..]);
                let (number, until, interim) = match opening.unwrap().candidate.body().message() {
                    Message::StopUseOrdered(body) => (
                        body.order.as_ref().unwrap().order_no.clone(),
                        is_over(body.until.as_ref()),
                        InterimMeasure::Unspecified,
                    ),
                    Message::SealedUp(body) => {
                        (body.order.as_ref().unwrap().order_no.clone(), None, InterimMeasure::Unspecified)
                    }
                    Message::RecallIssued(body) => {
                        (body.order.as_ref().unwrap().order_no.clone(), is_over(body.due_by.as_ref()), body.interim())
                    }
                    _ => panic!("no order"),
                };
                let kind = opening.unwrap().candidate.kind();
                orders.push(OrderOn { id: subject, number, kind, named: event, until, interim });
            }
            Message::StopUseLifted(_) | Message::Unsealed(_) => orders.retain(|order| order.id != subject),
            Message::RecallRemedied(body) if event.own && passed(body.result()) => {
                orders.retain(|order| order.id != body.recall);
            }
            _ => {}
        }
    }
    orders
}

fn orders(now: &Now<'_>) {
    // ORD-002: hands laid on a sealed machine.
    let touches = |event: &Seen<'_>| {
        use EventKind::{
            Altered, ComponentFitted, ComponentReplaced, ComponentTakenOut, Dispatched, Maintained,
            MaintenanceFinished, MaintenanceStarted, RaisedToSurface,
        };
        is_run(event)
            || is_entry(event)
            || matches!(
                event.body.kind(),
                Maintained
                    | MaintenanceStarted
                    | MaintenanceFinished
                    | ComponentReplaced
                    | ComponentTakenOut
                    | ComponentFitted
                    | Altered
                    | Dispatched
                    | RaisedToSurface
            )
    };
    for order in orders_on(now) {
        let since = || now.own().filter(|event| place(event) > place(order.named));
        match order.kind {
            EventKind::StopUseOrdered => {
                let open = order.until.is_none_or(|until| !now.due(until));
                let used = since().any(|event| is_run(event) && order.until.is_none_or(|until| event.at < until));
                if open && used {
                    now.say("ORD-001", &order.number);
                }
            }
            EventKind::SealedUp => {
                // Reading: what the authority decided about is settled; a further act opens it anew.
                let decided = now.last(|event| {
                    matches!(event.message(), Message::FindingDecided(body)
                        if body.rule == "ORD-002"
                            && body.decision() == FindingDecision::Lifted
                            && (body.key.is_empty() || body.key == order.number))
                });
                if since().any(|event| touches(event) && decided.is_none_or(|decided| place(event) > place(decided))) {
                    now.say("ORD-002", &order.number);
                }
            }
            EventKind::RecallIssued if !gone(now.state.state()) => {
                let running = order.interim == InterimMeasure::Stop
                    && now.state.state() == ServiceState::InUse
                    && now.law.number("ORD-003", "major_if_interim_stop") == 1;
                now.say_as("ORD-003", &order.number, if running { Severity::Major } else { Severity::Serious });
                if now.due(order.until.unwrap()) {
                    now.say("ORD-004", &order.number);
                }
            }
            _ => {}
        }
    }
}

// Scrapping.

fn scrapping(now: &Now<'_>) {
    let scrapped = now.last(|event| event.body.kind() == EventKind::Scrapped);
    let first = now.own().find(|event| event.body.kind() == EventKind::Scrapped);
    // SCR-001 never closes.
    let revives = |event: &Seen<'_>| match event.message() {
        Message::Dispatched(body) => body.reason() != DispatchReason::Scrap,
        _ => is_run(event) || is_entry(event),
    };
    if first.is_some_and(|first| now.after(first, revives)) {
        now.say("SCR-001", "");
    }
    if let Some(scrapped) = scrapped.filter(|_| now.state.state() == ServiceState::Scrapped)
        && now.due(scrapped.at + now.law.number("SCR-003", "days") * DAY)
    {
        now.say("SCR-003", "");
    }
    if gone(now.state.state()) {
        return;
    }
    // SCR-002: on the part's own chain it was fitted although the dismantling of what it sat in did not keep it, or kept it
    // and nobody appraised it since.
    let mut discarded = false;
    let mut reused = false;
    for event in now.events {
        match event.message() {
            Message::Dismantled(body) if !event.own => {
                let fate = body.parts.iter().find(|part| {
                    let id = part.component.as_ref().and_then(component_id);
                    id.is_some_and(|id| id.id()[..] == now.state.id[..])
                });
                discarded |= fate.is_some_and(|part| part.fate() != Fate::Repair);
            }
            Message::ScrapAppraised(body) if event.own && body.verdict() != ScrapVerdict::Scrap => {
                (discarded, reused) = (false, false);
            }
            Message::ComponentFitted(body) if event.own && body.component.is_none() => reused |= discarded,
            Message::ComponentTakenOut(body) if event.own && body.component.is_none() => reused = false,
            _ => {}
        }
    }
    if reused {
        now.say("SCR-002", "");
    }
}

/// SCR-006: from the first of the profiles at the end that all say closed.
fn mine_closed(now: &Now<'_>) {
    let state = now.state.state();
    if gone(state) || matches!(state, ServiceState::Lost | ServiceState::InTransit) {
        return;
    }
    let Some(mine) = &now.mine else { return };
    // In the order in which they count: a later word stands over an earlier one.
    let profiles: Vec<_> = mine.profiles.iter().filter(|profile| profile.from_us <= now.at).collect();
    let closed = profiles.iter().rev().take_while(|profile| profile.state() == MineState::Closed).last();
    if let Some(since) = closed
        && now.due(since.from_us + now.law.number("SCR-006", "days") * DAY)
    {
        now.say("SCR-006", "");
    }
}

// Custody and keys.

fn custody(now: &Now<'_>) {
    // CUS-001: the consignee uses what it has not received.
    let acts = |event: &Seen<'_>| signs_for_use(event) || is_entry(event);
    let received = now.last(|event| event.body.kind() == EventKind::Received);
    let since = || now.own().filter(|event| received.is_none_or(|received| place(event) > place(received)));
    let of_holder = |event: &Seen<'_>| {
        let signer = event.signer();
        [&event.before.holder, &event.before.user, &event.before.owner].contains(&&signer)
    };
    let unreceived = |event: &Seen<'_>| event.signer() == event.before.consignee && !of_holder(event);
    if since().any(|event| acts(event) && unreceived(event)) {
        now.say("CUS-001", "");
    }
    // CUS-002: whoever held it before the last change of hands signs for use.
    let former = |event: &Seen<'_>| {
        let mut changes = now.own().filter(|earlier| {
            place(earlier) < place(event)
                && earlier.body.kind() == EventKind::Received
                && earlier.before.holder != earlier.after.holder
        });
        changes.next_back().map(|earlier| earlier.before.holder.clone()).unwrap_or_default()
    };
    let overlaps = |event: &Seen<'_>| !of_holder(event) && !unreceived(event) && event.signer() == former(event);
    if since().any(|event| acts(event) && overlaps(event)) {
        now.say("CUS-002", "");
    }
    // CUS-004. Reading: a mine company that is neither holder, owner nor user, nor the former holder or the consignee.
    for stranger in now.own().filter(|event| acts(event) && event.is_role(Role::Mine)) {
        let is_stranger = !stranger.before.holder.is_empty()
            && !of_holder(stranger)
            && !unreceived(stranger)
            && stranger.signer() != former(stranger);
        let settled = now.after(stranger, |event| {
            leaves(event)
                || match event.message() {
                    Message::LeaseStarted(body) => body.lessee == stranger.signer(),
                    Message::OwnershipChanged(body) => body.new_owner == stranger.signer(),
                    _ => false,
                }
        });
        if is_stranger && !settled {
            now.say("CUS-004", "");
        }
    }
    // CUS-003: neither received, refused nor lost.
    let dispatched = now.last(|event| matches!(event.body.kind(), EventKind::FactoryExit | EventKind::Dispatched));
    if let Some(dispatched) = dispatched {
        use EventKind::{Exported, LostReported, ReceiptRefused, Received, Recovered};
        let ended = now.after(dispatched, |event| {
            matches!(event.body.kind(), Received | ReceiptRefused | LostReported | Recovered | Exported)
        });
        if !ended && now.due(dispatched.at + now.law.number("CUS-003", "days") * DAY) {
            now.say("CUS-003", "");
        }
    }
    // CUS-005: the lease that runs.
    let lease = now.last(|event| matches!(event.body.kind(), EventKind::LeaseStarted | EventKind::LeaseEnded));
    if lease
        .is_some_and(|lease| matches!(lease.message(), Message::LeaseStarted(body) if body.safety_agreement.is_none()))
    {
        now.say("CUS-005", "");
    }
    // CUS-006: the last count, of it alone or among others on its mine's chain, unless it was reported lost or found.
    let mut missing = false;
    for event in now.events {
        match event.message() {
            Message::StockChecked(body) if event.own || body.machines.contains(&now.state.id) => missing = !body.found,
            Message::LostReported(_) | Message::Recovered(_) if event.own => missing = false,
            _ => {}
        }
    }
    if missing {
        now.say("CUS-006", "");
    }
}

/// KEY-001: by when it was recorded, whenever it happened; keys of the organisation that signed, its hands too.
fn keys(now: &Now<'_>) {
    for event in now.events {
        let Some(organisation) = now.log.organisation(&event.signer()) else { continue };
        let recorded_at = event.recorded.recorded_at.micros();
        for key in organisation.keys.iter().filter(|key| key.untrusted_since_us != 0) {
            if event.keys().contains(&key.key_id) && recorded_at >= key.untrusted_since_us {
                now.say("KEY-001", &hex::encode(&key.key_id[..8]));
            }
        }
    }
}

// Breaches, and what a regulator finds.

/// What a regulator found and did not take back.
pub(crate) fn found(now: &Now<'_>) {
    let mut last: std::collections::BTreeMap<(String, String), FindingDecision> = std::collections::BTreeMap::new();
    for event in now.own() {
        if let Message::FindingDecided(body) = event.message() {
            last.insert((body.rule.clone(), body.key.clone()), body.decision());
        }
    }
    for ((rule, key), decision) in last {
        if decision == FindingDecision::Found {
            now.say(&rule, &key);
        }
    }
}

/// Breaches that an event itself is: each holds from the event on, until it is countersigned or lifted, where that
/// closes it.
fn breaches(now: &Now<'_>) {
    let mut open: Vec<(&str, String)> = Vec::new();
    let mut installers: Vec<Vec<u8>> = Vec::new();
    let mut sighting: Option<(Vec<u8>, i64)> = None;
    let mut earliest: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
    let mut overhauled: Option<i64> = None;
    for event in now.own() {
        let index = event.index().to_string();
        let position = event.position.to_string();
        let missing = event.is_found(IrregularityKind::SecondSignatureMissing);
        let mut opens: Vec<(&str, String)> = Vec::new();
        match event.message() {
            Message::AcceptanceChecked(_) if missing => opens.push(("ACC-003", index.clone())),
            Message::InstallationAccepted(_) => {
                let same = event.persons(now.log).iter().any(|person| installers.contains(person));
                if missing || same {
                    opens.push(("ACC-003", index.clone()));
                }
            }
            Message::PlateReplaced(_) if missing => opens.push(("ID-004", index.clone())),
            Message::Altered(_) if marks::altered_without_consent(event) => opens.push(("MARK-009", index.clone())),
            Message::Installed(_) => installers = event.persons(now.log),
            Message::Dismantled(body) => {
                let underground = body.place() == tally_proto::v1::DismantlingPlace::Underground;
                if underground && (body.plan.is_none() || event.is_found(IrregularityKind::OutsideGrant)) {
                    opens.push(("SCR-004", String::new()));
                }
            }
            Message::Enrolled(_)
                if event.is_found(IrregularityKind::EnrolledAgain) && event.signer() != event.before.holder =>
            {
                opens.push(("ID-002", position.clone()));
            }
            Message::Overhauled(_) => overhauled = Some(event.at),
            Message::FaultReported(body) => {
                let days = event.law.number("FLT-005", "days");
                let again = overhauled.is_some_and(|overhauled| {
                    event.at - overhauled < days * DAY
                        && earliest.get(&body.kind).is_some_and(|earliest| *earliest < overhauled)
                });
                earliest.entry(body.kind.clone()).or_insert(event.at);
                if again {
                    opens.push(("FLT-005", body.fault_id.clone()));
                }
            }
            Message::UsageReported(body) if !body.meter_exchanged => {
                let last = event.before.meters.iter().find(|meter| meter.meter_no == body.meter_no);
                if let (Some(growth), Some(last)) = (growth(event), last) {
                    let elapsed = i128::from(event.at - last.at_us) * 1_000_000_000 / i128::from(HOUR);
                    let hours = body.counter.as_ref().unwrap().key == "running_h";
                    if growth < 0 {
                        opens.push(("LIFE-002", position.clone()));
                    } else if hours && growth > elapsed + 1_000_000_000 {
                        opens.push(("LIFE-003", position.clone()));
                    }
                }
            }
            _ => {}
        }
        // ID-002: seen in two mines within the time that the way takes.
        let mine_of = |place: &Option<tally_proto::v1::Place>| place.as_ref().map(|place| place.mine.clone());
        let seen_in = match event.message() {
            Message::EnteredMine(body) => Some(body.mine.clone()),
            Message::Received(body) => Some(body.mine_entered.clone()),
            Message::Installed(body) => mine_of(&body.location),
            Message::Moved(body) => mine_of(&body.to_location),
            Message::StockChecked(body) if body.found => mine_of(&body.place),
            Message::Recovered(body) => mine_of(&body.place),
            _ => None,
        };
        if let Some(seen_in) = seen_in.filter(|mine| !mine.is_empty()) {
            let way = event.law.number("ID-002", "travel_time_min") * 60_000_000;
            if sighting.as_ref().is_some_and(|(mine, at)| *mine != seen_in && event.at - at < way) {
                opens.push(("ID-002", position.clone()));
            }
            sighting = Some((seen_in, event.at));
        }
        if event.is_found(IrregularityKind::MachineSigned) {
            opens.push(("PER-003", index.clone()));
        }
        if event.is_found(IrregularityKind::OutsideGrant) && !event.is_role(Role::Laboratory) {
            opens.push(("PER-004", index));
        }
        // TIME-001: longer for what was stated soon after it happened and came late.
        let usual = event.law.number("TIME-001", "hours") * HOUR;
        let offline = event.law.number("TIME-001", "offline_hours") * HOUR;
        let stated = event.recorded.candidate.statement().event_id.stated_at_us();
        let limit = if stated - event.at <= usual { offline.max(usual) } else { usual };
        if event.body.kind() != EventKind::Enrolled && event.recorded.recorded_at.micros() - event.at > limit {
            opens.push(("TIME-001", position));
        }
        // What an event closes stood before it: a decision that comes late does not lift its own lateness.
        match event.message() {
            Message::Countersigned(body) => {
                let index = body.event.as_ref().unwrap().chain_index.to_string();
                let closes = ["ACC-003", "ID-004", "MARK-009", "PER-003"];
                open.retain(|(rule, key)| !(closes.contains(rule) && *key == index));
            }
            Message::FindingDecided(body) if body.decision() == FindingDecision::Lifted => {
                // MARK-009 lifted as a whole means its conditions, too, which no decision ends: name the event.
                let all = body.key.is_empty() && body.rule != "MARK-009";
                open.retain(|(rule, key)| !(*rule == body.rule && (all || *key == body.key)));
            }
            Message::IdentityLinked(_) => open.retain(|(rule, _)| *rule != "ID-002"),
            _ => {}
        }
        for opened in opens {
            if !open.contains(&opened) {
                open.push(opened);
            }
        }
    }
    // FLT-003. Reading: from the first confirmation by the same hand until another person confirms, or it is lifted.
    for fault in faults_of(now).iter().filter(|fault| fault.by_the_same) {
        let confirmed = now.last(|event| {
            matches!(event.message(), Message::RectificationConfirmed(body)
                if body.fault_id == fault.id && body.result() == RectificationResult::Closed)
        });
        let lifted = confirmed.is_some_and(|confirmed| {
            now.after(confirmed, |event| {
                matches!(event.message(), Message::FindingDecided(body)
                    if body.rule == "FLT-003"
                        && body.decision() == FindingDecision::Lifted
                        && (body.key.is_empty() || body.key == fault.id))
            })
        });
        if !lifted {
            open.push(("FLT-003", fault.id.clone()));
        }
    }
    for (rule, key) in open {
        now.say(rule, &key);
    }
}
