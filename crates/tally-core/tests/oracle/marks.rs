//! The plain meaning of MARK-* for one instant.

use tally_core::{event::mark::is_mark_number, state::mark::state_on};
use tally_proto::v1::{
    AliasKind, CheckResult, GasGrade, IrregularityKind, Mark, MarkActivity, MarkCertificate, MarkKind, MarkState,
    MarkStateChange, MineSector, ServiceState, Severity, statement::Body as Message,
};

use crate::{
    machine::{fitted, taken_on},
    story::{DAY, Now, begins, gone, in_service, is_over, normal, runs},
};

/// Plate as it was fixed: maker, model, serial, address.
fn plate(now: &Now<'_>) -> (String, String, String, String) {
    let mut plate = Default::default();
    let mut made = false;
    for event in now.own() {
        match event.message() {
            Message::Manufactured(body) => {
                made = true;
                plate = (body.maker.clone(), body.model.clone(), body.serial.clone(), body.production_address.clone());
            }
            Message::Enrolled(body) if event.opens_first() && !made => {
                plate = (body.maker.clone(), body.model.clone(), body.serial.clone(), String::new());
            }
            _ => {}
        }
    }
    let (maker, model, serial, address): (String, String, String, String) = plate;
    (normal(&maker), normal(&model), normal(&serial), normal(&address))
}

pub(crate) fn judge(now: &Now<'_>) {
    if gone(now.state.state()) {
        return;
    }
    let number = &now.state.mark_no;
    if number.is_empty() {
        return no_mark(now);
    }
    let Some(mark) = now.log.mark(number, now.at) else {
        // Reading: a number that nobody issued is found from the first word of the machine on.
        now.say("MARK-002", "");
        return;
    };
    if !is_mark_number(&mark.number) {
        now.say("MARK-002", "");
    }
    let (maker, model, serial, address) = plate(now);
    let made = begins(now.state.produced_on.as_ref()).zip(is_over(now.state.produced_on.as_ref()));
    let covered = made.map(|(from, until)| covers(&mark, from, until, &serial));

    // MARK-003. Reading: judged from the exit of the factory on, without one from the taking on at the mine; a decision
    // of the authority that lifts it ends it for good. A day known in part is outside where no part of it is covered.
    let left = now.own().any(|event| matches!(event.message(), Message::FactoryExit(_)));
    let lifted = now.own().any(|event| {
        matches!(event.message(), Message::FindingDecided(body)
            if body.rule == "MARK-003" && body.decision() == tally_proto::v1::FindingDecision::Lifted)
    }) && last_decision_lifts(now, "MARK-003");
    if (left || taken_on(now).is_some()) && covered == Some(Some(false)) && !lifted {
        now.say("MARK-003", "");
    }

    in_force(now, &mark, made, covered.flatten(), &serial);

    if let Some((from, _)) = made {
        let version = version(&mark, from);
        if let Some(certificate) = version {
            if !certificate.models.iter().any(|known| normal(known) == model) {
                now.say("MARK-006", "");
            }
            if !is_maker(certificate, &maker, &address) {
                now.say("MARK-007", "");
            }
            components(now, &mark, certificate);
            if in_service(now.state.state()) && out_of_scope(now, certificate) {
                now.say("MARK-010", "");
            }
        }
    }
    joined(now, &mark, made.map(|(from, _)| from));
    named(now, &mark, &serial);
    label(now, &mark);
}

fn last_decision_lifts(now: &Now<'_>, rule: &str) -> bool {
    let last = now.last(
        |event| matches!(event.message(), Message::FindingDecided(body) if body.rule == rule && body.key.is_empty()),
    );
    last.is_some_and(|event| {
        matches!(event.message(), Message::FindingDecided(body)
            if body.decision() == tally_proto::v1::FindingDecision::Lifted)
    })
}

/// MARK-001. Reading: from acceptance, entry or use on, as long as it is in a mine.
fn no_mark(now: &Now<'_>) {
    let managed = now.law.categories.get(now.category()).is_some_and(|row| row.mark_managed);
    let exempt = now
        .last(|event| matches!(event.message(), Message::Manufactured(_)))
        .is_some_and(|event| matches!(event.message(), Message::Manufactured(body) if !body.exempt_reason.is_empty()));
    if managed && !exempt && !now.state.mine.is_empty() && taken_on(now).is_some() {
        let severity = if now.is_electrical_or_cable() { Severity::Major } else { Severity::Serious };
        now.say_as("MARK-001", "", severity);
    }
}

fn serial_is_in(serials: &[String], serial: &str) -> bool {
    serials.iter().any(|known| normal(known) == serial)
}

/// Whether a revocation names this unit: by day of manufacture and serial; one that names nothing means all.
fn hits(change: &MarkStateChange, produced: Option<i64>, serial: &str) -> bool {
    let from = begins(change.produced_from.as_ref()).unwrap_or(i64::MIN);
    let until = is_over(change.produced_until.as_ref()).unwrap_or(i64::MAX);
    produced.is_none_or(|produced| from <= produced && produced < until)
        && (change.serials.is_empty() || serial_is_in(&change.serials, serial))
}

/// Whether making on the day was covered; `None` where only a part of what the day can mean is.
///
/// Reading: nothing made from the first day of a revocation or cancellation on is covered, nor what a revocation names,
/// whenever that was made; nor what was made while making was suspended. A period must cover the whole day.
fn covers(mark: &Mark, from: i64, until: i64, serial: &str) -> Option<bool> {
    for change in &mark.changes {
        let since = begins(change.from.as_ref()).unwrap_or(i64::MIN);
        let named = change.produced_from.is_some() || change.produced_until.is_some() || !change.serials.is_empty();
        match change.state() {
            MarkState::Revoked if since <= from || (named && hits(change, Some(from), serial)) => return Some(false),
            MarkState::Cancelled if since <= from => return Some(false),
            _ => {}
        }
    }
    // The suspension that counts on the day is the last that began by then and that no resumption ended by then.
    let mut suspended = false;
    for change in mark.changes.iter().filter(|change| begins(change.from.as_ref()).is_none_or(|since| since <= from)) {
        match change.state() {
            MarkState::Suspended if change.stops.contains(&(MarkActivity::Making as i32)) => suspended = true,
            MarkState::Valid => suspended = false,
            _ => {}
        }
    }
    if suspended {
        return Some(false);
    }
    if mark.kind() == MarkKind::Batch {
        return Some(true);
    }
    let periods: Vec<(i64, i64)> = mark
        .periods
        .iter()
        .map(|period| {
            let over = is_over(period.until.as_ref()).unwrap_or(i64::MAX);
            (begins(period.from.as_ref()).unwrap_or(i64::MIN), over)
        })
        .collect();
    if periods.iter().any(|(begin, over)| *begin <= from && until <= *over) {
        Some(true)
    } else if periods.iter().any(|(begin, over)| *begin < until && from < *over) {
        None
    } else {
        Some(false)
    }
}

/// MARK-004 and MARK-005, by what the mark is now, while the machine is in service.
fn in_force(now: &Now<'_>, mark: &Mark, made: Option<(i64, i64)>, covered: Option<bool>, serial: &str) {
    if !in_service(now.state.state()) {
        return;
    }
    // Periods and changes end and begin by days.
    for change in &mark.changes {
        begins(change.from.as_ref()).map(|day| now.due(day));
    }
    for period in &mark.periods {
        begins(period.from.as_ref()).map(|day| now.due(day));
        is_over(period.until.as_ref()).map(|day| now.due(day));
    }
    let state = state_on(mark, now.at, |_| true);
    let change = mark
        .changes
        .iter()
        .rfind(|change| change.state() == state && begins(change.from.as_ref()).is_none_or(|since| since <= now.at));
    match (state, change) {
        // Reading: a suspension is in scope where it stops use, a revocation where it names the unit; that it must stop
        // in the field makes it graver.
        (MarkState::Suspended, Some(change)) if change.stops.contains(&(MarkActivity::Use as i32)) => {
            now.say_as("MARK-005", "", Severity::Serious);
        }
        (MarkState::Revoked, Some(change)) if hits(change, made.map(|(from, _)| from), serial) => {
            let stops_use = change.stops.contains(&(MarkActivity::Use as i32));
            let major = stops_use && now.law.number("MARK-005", "major_if_revoked_scope_use") == 1;
            now.say_as("MARK-005", "", if major { Severity::Major } else { Severity::Serious });
        }
        (MarkState::Expired, _) if covered == Some(true) => {
            now.say_as("MARK-004", "", now.law.severity("MARK-004", "raise_to"));
        }
        _ => {}
    }
}

/// The certificate for what is made on a day: of those whose first day is not after it, the one that was recorded last.
fn version(mark: &Mark, produced: i64) -> Option<&MarkCertificate> {
    let fits = |from: Option<&tally_proto::v1::Day>| begins(from).is_none_or(|from| from <= produced);
    mark.versions.iter().rfind(|version| fits(version.produced_from.as_ref()))?.certificate.as_ref()
}

fn is_maker(certificate: &MarkCertificate, maker: &str, address: &str) -> bool {
    let addresses: Vec<String> = certificate
        .producers
        .iter()
        .filter(|producer| normal(&producer.name) == maker)
        .map(|producer| normal(&producer.address))
        .collect();
    if addresses.is_empty() {
        return normal(&certificate.holder) == maker;
    }
    // Reading: what the plate or the certificate does not say differs from nothing.
    address.is_empty() || addresses.iter().any(|known| known.is_empty() || known == address)
}

/// MARK-008 as built, MARK-009 as exchanged, the latter by the certificate of the day on which it was fitted.
fn components(now: &Now<'_>, mark: &Mark, as_made: &MarkCertificate) {
    for fit in fitted(now) {
        let Some(component) = &fit.component else { continue };
        let certificate = if fit.as_built { as_made } else { version(mark, fit.at).unwrap_or(as_made) };
        let mut rows = certificate.parts.iter().filter(|part| normal(&part.slot) == normal(&fit.slot)).peekable();
        if rows.peek().is_none() {
            continue; // The slot is not controlled.
        }
        let permitted = rows.any(|part| {
            let producer = normal(&part.producer);
            let maker = normal(&component.maker);
            normal(&part.model) == normal(&component.model)
                && (producer.is_empty() || maker.is_empty() || producer == maker)
        });
        if !permitted {
            now.say(if fit.as_built { "MARK-008" } else { "MARK-009" }, &fit.slot);
        }
    }
}

/// MARK-010: only what is known to be outside is.
fn out_of_scope(now: &Now<'_>, certificate: &MarkCertificate) -> bool {
    let (Some(scope), Some(mine)) = (&certificate.scope, &now.mine) else { return false };
    let grade = now.profile().map_or(GasGrade::Unspecified, |profile| profile.gas_grade());
    let sector = mine.sector();
    (sector != MineSector::Unspecified && !scope.sectors.contains(&(sector as i32)))
        || (grade != GasGrade::Unspecified
            && !scope.gas_grades.is_empty()
            && !scope.gas_grades.contains(&(grade as i32)))
        || now.places().iter().any(|place| scope.places_excluded.contains(&(*place as i32)))
}

/// MARK-013: members that are not on the list, where there is one. Reading: for an assembly without a day of manufacture
/// the last version counts.
fn joined(now: &Now<'_>, mark: &Mark, produced: Option<i64>) {
    let Some(certificate) = version(mark, produced.unwrap_or(i64::MAX)) else { return };
    if certificate.joined.is_empty() {
        return;
    }
    for member in &now.state.members {
        let model = normal(&member.model);
        if !model.is_empty() && !certificate.joined.iter().any(|joined| normal(&joined.model) == model) {
            now.say("MARK-013", if member.slot.is_empty() { &member.model } else { &member.slot });
        }
    }
}

/// MARK-011 and MARK-012, in a mine, once it was taken on or runs.
fn named(now: &Now<'_>, mark: &Mark, serial: &str) {
    if now.state.mine.is_empty() || !(taken_on(now).is_some() || runs(now.state.state())) {
        return;
    }
    match mark.kind() {
        MarkKind::Batch => {
            if !mark.serials.iter().any(|added| serial_is_in(&added.serials, serial)) {
                now.say("MARK-012", "");
            }
        }
        MarkKind::Trial => {
            let in_period = mark.periods.iter().any(|period| {
                let begun = begins(period.from.as_ref()).is_none_or(|day| now.due(day));
                let over = is_over(period.until.as_ref()).is_some_and(|day| now.due(day));
                begun && !over
            });
            if !(mark.trial_mines.contains(&now.state.mine) && in_period) {
                now.say("MARK-011", "");
            }
        }
        MarkKind::Type | MarkKind::Unspecified => {}
    }
}

/// MARK-014: a look found the label missing or other, until a look finds it right or its number is filed; not before the
/// grace after the issue of the mark is over.
fn label(now: &Now<'_>, mark: &Mark) {
    let mut looks = now.own().filter_map(|event| match event.message() {
        Message::AcceptanceChecked(body) => {
            body.checks.iter().find(|item| item.code == "label").map(|item| item.result())
        }
        Message::Inspected(body) => body.items.iter().find(|item| item.code == "label").map(|item| item.result()),
        _ => None,
    });
    let last = looks.rfind(|result| *result != CheckResult::NotApplicable);
    let filed = now.state.aliases.iter().any(|alias| alias.kind() == AliasKind::Label);
    let grace = now.law.number("MARK-014", "grace_days") * DAY;
    let issued = begins(mark.issued_on.as_ref()).unwrap();
    if last == Some(CheckResult::Fail) && !filed && now.state.state() != ServiceState::Lost && now.due(issued + grace) {
        now.say("MARK-014", "");
    }
}

/// The breach half of MARK-009: altered without the consent of the mark's holder.
pub(crate) fn altered_without_consent(event: &crate::story::Seen<'_>) -> bool {
    matches!(event.message(), Message::Altered(_)) && event.is_found(IrregularityKind::SecondSignatureMissing)
}
