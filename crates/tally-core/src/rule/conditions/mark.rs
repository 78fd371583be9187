//! MARK-*: the safety mark of a machine. 安标

use tally_proto::v1::{FindingDecision, MarkActivity, MarkKind, MarkState, MineSector, ServiceState, Severity};

use super::Ask;
use crate::{
    event::mark::is_mark_number,
    rule::{
        facts::{Fit, is_in_service, is_running},
        known_mark::{KnownMark, Version, normal},
    },
    state::mark::{ends, hits, starts, state_on},
};

/// Half a year in which a day of manufacture may lie: its first instant, and the first after it.
pub(super) struct Made {
    /// First instant of the first day that it can mean.
    pub(super) from_us: i64,
    /// First instant after the last day that it can mean.
    pub(super) until_us: i64,
}

pub(super) fn made(ask: &Ask<'_>) -> Option<Made> {
    let day = ask.state.produced_on.as_ref()?;
    let (from_us, until_us) = (starts(Some(day)), ends(Some(day)));
    (from_us != i64::MIN && until_us != i64::MAX).then_some(Made { from_us, until_us })
}

pub(super) fn judge(ask: &Ask<'_>) {
    let state = ask.state;
    if ask.is_gone() {
        return;
    }
    if state.mark_no.is_empty() {
        return without_mark(ask);
    }
    let mark = ask.world.mark(&state.mark_no).filter(|mark| is_issued(ask, mark));
    let Some(mark) = mark else {
        ask.say("MARK-002").cause(&state.mark_no).rests_on_any(ask.facts.made).holds();
        return;
    };
    if !is_mark_number(&mark.mark.number) {
        ask.say("MARK-002").cause(&state.mark_no).rests_on_any(ask.facts.made).holds();
    }
    made_in_time(ask, &mark);
    in_force_now(ask, &mark);
    if let Some(made) = made(ask)
        && let Some(version) = mark.version_on(made.from_us, |evidence| ask.counts(evidence))
    {
        certificate(ask, &mark, version);
        components(ask, &mark, version);
        scope(ask, version);
        joined(ask, version);
    } else if made(ask).is_none()
        && let Some(version) = mark.version_on(i64::MAX, |evidence| ask.counts(evidence))
    {
        // An assembly has no day of manufacture: what may be joined, the last certificate says.
        joined(ask, version);
    }
    batch_and_trial(ask, &mark);
    label(ask, &mark);
}

pub(super) fn is_issued(ask: &Ask<'_>, mark: &KnownMark) -> bool {
    mark.versions.first().is_some_and(|first| ask.counts(&first.evidence))
}

fn without_mark(ask: &Ask<'_>) {
    let managed = ask.in_force.categories.get(&ask.state.category).is_some_and(|row| row.mark_managed);
    if managed && ask.facts.exempt_reason.is_empty() && !ask.state.mine.is_empty() && ask.facts.taken_on.is_some() {
        let severity = if ask.is_electrical_or_cable() { Severity::Major } else { Severity::Serious };
        ask.say("MARK-001").severity(severity).rests_on_any(ask.facts.made).rests_on_any(ask.facts.taken_on).holds();
    }
}

/// Whether the mark covered making on the day, or on every day that it can mean.
pub(super) fn covers(ask: &Ask<'_>, mark: &KnownMark, from_us: i64, until_us: i64) -> Coverage {
    let mark = &mark.mark;
    let serial = &ask.facts.serial_normal;
    let counts = |evidence: &Option<_>| evidence.as_ref().is_some_and(|evidence| ask.counts(evidence));
    let mut stopped = None;
    let mut suspended = None;
    for change in mark.changes.iter().filter(|change| counts(&change.evidence)) {
        let from = starts(change.from.as_ref());
        match change.state() {
            // What is revoked for a range of days was not good on them, whenever that came out.
            MarkState::Revoked => {
                let named =
                    change.produced_from.is_some() || change.produced_until.is_some() || !change.serials.is_empty();
                if from <= from_us || (named && hits(change, Some(from_us), serial)) {
                    stopped = stopped.or(change.evidence);
                }
            }
            MarkState::Cancelled if from <= from_us => stopped = stopped.or(change.evidence),
            MarkState::Suspended if change.stops.contains(&(MarkActivity::Making as i32)) && from <= from_us => {
                suspended = change.evidence;
            }
            MarkState::Valid if from <= from_us => suspended = None,
            MarkState::Valid
            | MarkState::Suspended
            | MarkState::Cancelled
            | MarkState::Expired
            | MarkState::NotYet
            | MarkState::Unspecified => {}
        }
    }
    stopped = stopped.or(suspended);
    if stopped.is_some() {
        return Coverage { covered: Some(false), evidence: stopped };
    }
    if mark.kind() == MarkKind::Batch {
        return Coverage { covered: Some(true), evidence: None };
    }
    let mut touched = false;
    for period in mark.periods.iter().filter(|period| counts(&period.evidence)) {
        let (begins, over) = (starts(period.from.as_ref()), ends(period.until.as_ref()));
        if begins <= from_us && until_us <= over {
            return Coverage { covered: Some(true), evidence: period.evidence };
        }
        touched |= begins < until_us && from_us < over;
    }
    let evidence = mark.periods.last().and_then(|period| period.evidence);
    Coverage { covered: if touched { None } else { Some(false) }, evidence }
}

/// Whether a day of manufacture is covered.
pub(super) struct Coverage {
    /// `None` where the day is known in part only, and part of it is covered.
    pub(super) covered: Option<bool>,
    /// What that rests on.
    pub(super) evidence: Option<tally_proto::v1::Evidence>,
}

fn made_in_time(ask: &Ask<'_>, mark: &KnownMark) {
    let left = ask.facts.exited.or(ask.facts.taken_on);
    let (Some(left), Some(made)) = (left, made(ask)) else { return };
    let coverage = covers(ask, mark, made.from_us, made.until_us);
    // A decision of the authority that names the unit ends it; a renewal never does.
    let lifted = ask.facts.decided.iter().any(|decided| {
        decided.rule == "MARK-003" && decided.key.is_empty() && decided.decision == FindingDecision::Lifted as i32
    });
    if coverage.covered == Some(false) && !lifted {
        let said = ask.say("MARK-003").cause(&ask.state.mark_no).rests_on_any(ask.facts.made).rests_on(left);
        said.rests_on_any(coverage.evidence).holds();
    }
}

fn in_force_now(ask: &Ask<'_>, mark: &KnownMark) {
    if !is_in_service(ask.state.state()) {
        return;
    }
    for change in &mark.mark.changes {
        ask.reached(starts(change.from.as_ref()));
    }
    for period in &mark.mark.periods {
        ask.reached(starts(period.from.as_ref()));
        ask.reached(ends(period.until.as_ref()));
    }
    let now = state_on(&mark.mark, ask.at_us, |evidence| ask.counts(evidence));
    let made = made(ask);
    match now {
        MarkState::Suspended | MarkState::Revoked => {
            let last = mark.mark.changes.iter().rev().find(|change| {
                change.state() == now
                    && starts(change.from.as_ref()) <= ask.at_us
                    && change.evidence.as_ref().is_some_and(|evidence| ask.counts(evidence))
            });
            let Some(change) = last else { return };
            let stops_use = change.stops.contains(&(MarkActivity::Use as i32));
            let hit = hits(change, made.map(|made| made.from_us), &ask.facts.serial_normal);
            let in_scope = if now == MarkState::Revoked { hit } else { stops_use };
            if in_scope {
                let major =
                    now == MarkState::Revoked && stops_use && ask.number("MARK-005", "major_if_revoked_scope_use") != 0;
                let severity = if major { Severity::Major } else { Severity::Serious };
                let said = ask.say("MARK-005").severity(severity).cause(&ask.state.mark_no);
                said.rests_on_any(change.evidence).rests_on_any(ask.facts.taken_on).holds();
            }
        }
        MarkState::Expired => {
            let in_time = made.is_some_and(|made| covers(ask, mark, made.from_us, made.until_us).covered == Some(true));
            if in_time {
                let severity = ask.in_force.severity("MARK-004", "raise_to");
                let period = mark
                    .mark
                    .periods
                    .iter()
                    .filter(|period| period.evidence.as_ref().is_some_and(|evidence| ask.counts(evidence)));
                let evidence = period.last().and_then(|period| period.evidence);
                let said = ask.say("MARK-004").severity(severity).cause(&ask.state.mark_no);
                said.rests_on_any(evidence).rests_on_any(ask.facts.taken_on).holds();
            }
        }
        MarkState::Valid | MarkState::Cancelled | MarkState::NotYet | MarkState::Unspecified => {}
    }
}

/// Whether the certificate names the maker, and where it was made.
pub(super) fn is_maker(ask: &Ask<'_>, version: &Version) -> bool {
    let maker = &ask.facts.maker_normal;
    let address = normal(&ask.facts.production_address);
    let mut addresses =
        version.producers.iter().filter(|(name, _)| name == maker).map(|(_, address)| address).peekable();
    if addresses.peek().is_none() {
        return version.holder == *maker;
    }
    address.is_empty() || addresses.any(|known| known.is_empty() || *known == address)
}

fn certificate(ask: &Ask<'_>, _: &KnownMark, version: &Version) {
    if !version.models.contains(&ask.facts.model_normal) {
        let said = ask.say("MARK-006").cause(&ask.state.mark_no);
        said.rests_on_any(ask.facts.made).rests_on(version.evidence).holds();
    }
    if !is_maker(ask, version) {
        let said = ask.say("MARK-007").cause(&ask.state.mark_no);
        said.rests_on_any(ask.facts.made).rests_on(version.evidence).holds();
    }
}

/// Whether a component is permitted in its slot; `None` where the certificate does not control the slot.
pub(super) fn is_permitted(fit: &Fit, version: &Version) -> Option<bool> {
    let component = fit.component.as_ref()?;
    let slot = normal(&fit.slot);
    let mut rows = version.parts.iter().filter(|(part, ..)| *part == slot).peekable();
    rows.peek()?;
    let producer = normal(&component.maker);
    Some(rows.any(|(_, model, maker)| {
        *model == fit.model_normal && (maker.is_empty() || producer.is_empty() || *maker == producer)
    }))
}

fn components(ask: &Ask<'_>, mark: &KnownMark, version: &Version) {
    for fit in &ask.facts.fits {
        let Some(evidence) = fit.evidence else { continue };
        if fit.as_built {
            if is_permitted(fit, version) == Some(false) {
                let said = ask.say("MARK-008").key(&fit.slot).cause(&ask.state.mark_no);
                said.rests_on(evidence).rests_on(version.evidence).holds();
            }
            continue;
        }
        // A replacement is judged by what was permitted on the day on which it was fitted.
        let on_the_day = mark.version_on(evidence.occurred_at_us, |evidence| ask.counts(evidence)).unwrap_or(version);
        if is_permitted(fit, on_the_day) == Some(false) {
            let said = ask.say("MARK-009").key(&fit.slot).cause(&ask.state.mark_no);
            said.rests_on(evidence).rests_on(on_the_day.evidence).holds();
        }
    }
}

/// Whether the scope covers where it stands; `None` where the record does not say.
pub(super) fn in_scope(ask: &Ask<'_>, version: &Version) -> Option<bool> {
    let scope = version.certificate.scope.as_ref()?;
    let mine = ask.mine.as_ref()?;
    let sector = mine.sector();
    let grade = ask.gas_grade();
    let excluded = ask.places().iter().any(|place| scope.places_excluded.contains(&(*place as i32)));
    let wrong_sector = sector != MineSector::Unspecified && !scope.sectors.contains(&(sector as i32));
    let wrong_grade = !scope.gas_grades.is_empty()
        && grade != tally_proto::v1::GasGrade::Unspecified
        && !scope.gas_grades.contains(&(grade as i32));
    if excluded || wrong_sector || wrong_grade {
        return Some(false);
    }
    let unknown = sector == MineSector::Unspecified
        || (!scope.gas_grades.is_empty() && grade == tally_proto::v1::GasGrade::Unspecified);
    if unknown { None } else { Some(true) }
}

fn scope(ask: &Ask<'_>, version: &Version) {
    if is_in_service(ask.state.state()) && in_scope(ask, version) == Some(false) {
        let said = ask.say("MARK-010").cause(&ask.state.mark_no);
        said.rests_on(version.evidence).rests_on_any(ask.facts.taken_on).holds();
    }
}

fn joined(ask: &Ask<'_>, version: &Version) {
    if version.joined.is_empty() {
        return;
    }
    for member in &ask.state.members {
        let model = normal(&member.model);
        if !model.is_empty() && !version.joined.contains(&model) {
            let key = if member.slot.is_empty() { &member.model } else { &member.slot };
            ask.say("MARK-013").key(key).cause(&ask.state.mark_no).rests_on(version.evidence).holds();
        }
    }
}

/// Whether a batch names the unit, or the trial this mine and day; `None` for an ordinary mark.
pub(super) fn is_named(ask: &Ask<'_>, mark: &KnownMark) -> Option<bool> {
    match mark.mark.kind() {
        MarkKind::Batch => {
            let mut counted = mark.serials.iter().filter(|(_, evidence)| ask.counts(evidence));
            Some(counted.any(|(serials, _)| serials.contains(&ask.facts.serial_normal)))
        }
        MarkKind::Trial => {
            let here = mark.mark.trial_mines.contains(&ask.state.mine);
            let in_period = mark.mark.periods.iter().any(|period| {
                // A longer trial counts once it was granted.
                period.evidence.is_some_and(|evidence| ask.counts(&evidence))
                    && ask.reached(starts(period.from.as_ref()))
                    && !ask.reached(ends(period.until.as_ref()))
            });
            Some(here && in_period)
        }
        MarkKind::Type | MarkKind::Unspecified => None,
    }
}

fn batch_and_trial(ask: &Ask<'_>, mark: &KnownMark) {
    if ask.state.mine.is_empty() || is_named(ask, mark) != Some(false) {
        return;
    }
    let rule = if mark.mark.kind() == MarkKind::Batch { "MARK-012" } else { "MARK-011" };
    if ask.facts.taken_on.is_some() || is_running(ask.state.state()) {
        let said = ask.say(rule).cause(&ask.state.mark_no);
        said.rests_on_any(mark.versions.first().map(|first| first.evidence)).rests_on_any(ask.facts.taken_on).holds();
    }
}

/// The label is filed within the grace after the mark was issued; an alias of its kind says that it is.
fn label(ask: &Ask<'_>, mark: &KnownMark) {
    let Some(differs) = ask.facts.label_differs else { return };
    let filed = ask.state.aliases.iter().any(|alias| alias.kind == tally_proto::v1::AliasKind::Label as i32);
    if filed || ask.state.state() == ServiceState::Lost {
        return;
    }
    let grace_us = ask.number("MARK-014", "grace_days").saturating_mul(crate::rule::facts::DAY_US);
    let issued_us = starts(mark.mark.issued_on.as_ref());
    ask.say("MARK-014").cause(&ask.state.mark_no).rests_on(differs).holds_from(issued_us.saturating_add(grace_us));
}
