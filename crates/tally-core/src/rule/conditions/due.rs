//! DUE-*, HOIST-002, MON-001, MON-002: scheduled work that was not done in time, or failed.

use tally_proto::v1::{Evidence, FirstDue, IntervalUnit, ScheduleRow, ScheduledWork, ServiceState, Severity};

use super::Ask;
use crate::{
    rule::facts::{DAY_US, HOUR_US, Work, is_running},
    time::{Day, Timestamp},
};

/// Categories that sense or watch: their calibration has a rule of its own.
const SENSORS: &[&str] =
    &["CH4_SENSOR", "CH4_SENSOR_LASER", "SENSOR_OTHER", "PORTABLE_GAS", "SUBSTATION_J", "MONITOR_SYSTEM"];

pub(super) fn judge(ask: &Ask<'_>) {
    if ask.is_gone() {
        return;
    }
    let described = ask.described();
    for row in &ask.in_force.schedule {
        // The test of a belt before entry is BELT-001's.
        if row.code != "S-BEL-01" && described.is_scheduled(row, &ask.in_force) {
            overdue(ask, row);
        }
    }
    for work in &ask.facts.works {
        failed(ask, work);
        if let Some(outside) = work.outside_grant {
            ask.say("DUE-005").key(&work.code).rests_on(outside).holds();
        }
    }
}

/// The rule under which a row is found.
fn rule_of(row: &ScheduleRow, category: &str) -> &'static str {
    match (category, row.work()) {
        ("ROPE", _) => "HOIST-002",
        ("SELF_RESCUER", _) => "MON-002",
        (category, ScheduledWork::Calibrate) if SENSORS.contains(&category) => "MON-001",
        (_, ScheduledWork::Overhaul) => "DUE-003",
        (_, ScheduledWork::Inspect | ScheduledWork::Replace) => "DUE-002",
        (
            _,
            ScheduledWork::Test
            | ScheduledWork::Calibrate
            | ScheduledWork::Flaw
            | ScheduledWork::Exproof
            | ScheduledWork::Accept
            | ScheduledWork::Unspecified,
        ) => "DUE-001",
    }
}

/// Whether work of a row is due in a state: where it runs, stands by or is installed; the explosion-proof check below
/// ground, too; what ages in store, everywhere.
fn counts_in(row: &ScheduleRow, state: ServiceState) -> bool {
    let installed = is_running(state) || state == ServiceState::Installed;
    match row.work() {
        ScheduledWork::Replace => !matches!(state, ServiceState::Manufactured | ServiceState::ScrapProposed),
        ScheduledWork::Accept => matches!(state, ServiceState::AtMine | ServiceState::InStore) || installed,
        ScheduledWork::Exproof => installed || state == ServiceState::Underground,
        ScheduledWork::Inspect
        | ScheduledWork::Test
        | ScheduledWork::Calibrate
        | ScheduledWork::Flaw
        | ScheduledWork::Overhaul
        | ScheduledWork::Unspecified => installed,
    }
}

/// When work of a row was done last: under its code, or by its kind where no code is given.
fn done_last(ask: &Ask<'_>, row: &ScheduleRow) -> Option<Evidence> {
    let by_kind: &[&str] = match (row.work(), row.unit(), row.interval) {
        (ScheduledWork::Inspect, IntervalUnit::Shift, _) | (ScheduledWork::Inspect, IntervalUnit::Day, 1) => {
            &["~DAILY"]
        }
        (ScheduledWork::Inspect, IntervalUnit::Week, 1) | (ScheduledWork::Inspect, IntervalUnit::Day, 7) => {
            &["~WEEKLY"]
        }
        (ScheduledWork::Inspect, IntervalUnit::Month, 1) => &["~MONTHLY"],
        (ScheduledWork::Inspect, IntervalUnit::Month, 3) => &["~QUARTERLY"],
        (ScheduledWork::Exproof, ..) => &["~EXPROOF"],
        (ScheduledWork::Overhaul, ..) => &["~OVERHAUL"],
        (ScheduledWork::Accept, ..) => &["~ACCEPT"],
        _ => &[],
    };
    let is_it = |work: &&Work| work.code == row.code || by_kind.contains(&work.code.as_str());
    let done = ask.facts.works.iter().filter(is_it).filter_map(|work| work.done);
    done.max_by_key(|done| (done.occurred_at_us, done.position))
}

fn overdue(ask: &Ask<'_>, row: &ScheduleRow) {
    let facts = ask.facts;
    if !counts_in(row, ask.state.state()) {
        return;
    }
    let say = |evidence: Option<Evidence>| {
        let said = ask.say(rule_of(row, &ask.state.category)).key(&row.code).cause(&row.code);
        said.severity(row.severity()).rests_on_any(evidence)
    };
    let done = done_last(ask, row);
    // What was taken on late did its first steps before the record begins.
    let before_record = facts.enrolled;
    match row.first_due() {
        FirstDue::BeforeResumption => {
            if let Some(resumed) = facts.resumed_unchecked {
                say(Some(resumed)).holds();
            }
            return;
        }
        FirstDue::BeforeEntry | FirstDue::BeforeCommissioning if done.is_none() && !before_record => {
            let event = if row.first_due() == FirstDue::BeforeEntry { facts.went_down } else { facts.in_use };
            if event.is_some() {
                say(event).holds();
            }
            return;
        }
        // Ropes are tested before they are hung; what ages is not done before.
        FirstDue::Installed if done.is_none() && !before_record && row.work() != ScheduledWork::Replace => {
            if facts.installed.is_some() {
                say(facts.installed).holds();
            }
            return;
        }
        FirstDue::BeforeEntry
        | FirstDue::BeforeCommissioning
        | FirstDue::InUse
        | FirstDue::ProducedOn
        | FirstDue::Received
        | FirstDue::Installed
        | FirstDue::YearAfterInstalled
        | FirstDue::Unspecified => {}
    }
    if row.unit() == IntervalUnit::Once {
        return;
    }
    let (evidence, base) = match done {
        Some(done) => (Some(done), Timestamp::from_micros(done.occurred_at_us)),
        None => match first_base(ask, row) {
            Some((evidence, base)) => (evidence, base),
            None => return,
        },
    };
    // An age runs from its base whatever was done meanwhile.
    let (evidence, base) = match (row.work(), first_base(ask, row)) {
        (ScheduledWork::Replace, Some(first)) => first,
        _ => (evidence, base),
    };
    let first_interval = done.is_none() && row.first_due() == FirstDue::YearAfterInstalled;
    let due = if first_interval { after(base, IntervalUnit::Month, 12) } else { after(base, row.unit(), row.interval) };
    let Some(mut due_us) = due else { return };
    due_us = due_us.saturating_add(i64::from(row.tolerance_days).saturating_mul(DAY_US));
    if row.work() == ScheduledWork::Overhaul
        && facts.extended.is_some_and(|extended| extended.occurred_at_us >= base.micros())
    {
        let span = due_us.saturating_sub(base.micros());
        due_us = due_us.saturating_add(span / 100 * ask.number("DUE-003", "extension_max_pct"));
    }
    say(evidence).holds_from(due_us);
}

/// From when the first interval runs.
fn first_base(ask: &Ask<'_>, row: &ScheduleRow) -> Option<(Option<Evidence>, Timestamp)> {
    let facts = ask.facts;
    let event = match row.first_due() {
        FirstDue::ProducedOn => {
            let day = ask.state.produced_on.as_ref().and_then(crate::event::day)?;
            return Some((facts.made, day.starts()?));
        }
        FirstDue::Received => facts.received,
        FirstDue::Installed | FirstDue::YearAfterInstalled => facts.installed.or(facts.in_use),
        FirstDue::InUse
        | FirstDue::BeforeEntry
        | FirstDue::BeforeCommissioning
        | FirstDue::BeforeResumption
        | FirstDue::Unspecified => facts.in_use,
    };
    let event = event?;
    Some((Some(event), Timestamp::from_micros(event.occurred_at_us)))
}

/// The first instant after the last day on which work done at `base` still counts.
fn after(base: Timestamp, unit: IntervalUnit, interval: u32) -> Option<i64> {
    let days = |days: i64| Some(base.day()?.ends()?.micros().saturating_add(days.saturating_mul(DAY_US)));
    let interval = i64::from(interval);
    match unit {
        IntervalUnit::Unspecified | IntervalUnit::Once => None,
        IntervalUnit::Shift => Some(base.micros().saturating_add(interval.saturating_mul(8 * HOUR_US))),
        IntervalUnit::Day => days(interval),
        IntervalUnit::Week => days(interval.saturating_mul(7)),
        IntervalUnit::Month => add_months(base.day()?, i128::from(interval)),
        IntervalUnit::Year => add_months(base.day()?, i128::from(interval) * 12),
    }
}

/// The first instant after the day that lies so many calendar months later: the same day, else the last of its month.
/// What is known of the day in part counts from its last day.
pub(super) fn add_months(day: Day, months: i128) -> Option<i64> {
    let last = Timestamp::from_micros(day.ends()?.micros().checked_sub(1)?).day()?;
    let month = i128::from(last.year()) * 12 + i128::from(last.month()) - 1 + months;
    let year = i16::try_from(month.div_euclid(12)).ok()?;
    let month = u8::try_from(month.rem_euclid(12) + 1).ok()?;
    let same = Day::new(year, month, last.day());
    same.or_else(|| Day::new(year, month, 0))?.ends().map(Timestamp::micros)
}

/// A test that failed, on a machine that runs on: at once where the row is major or the tester said stop, else after a
/// grace.
fn failed(ask: &Ask<'_>, work: &Work) {
    let Some(failed) = work.failed.filter(|_| is_running(ask.state.state()) && !work.code.starts_with('~')) else {
        return;
    };
    let row = ask.in_force.schedule.iter().find(|row| row.code == work.code);
    let looks = row.is_some_and(|row| row.work() == ScheduledWork::Inspect);
    if looks && ask.state.category != "SELF_RESCUER" {
        return;
    }
    let major = work.must_stop || row.is_some_and(|row| row.severity() == Severity::Major);
    let rule = if ask.state.category == "SELF_RESCUER" { "MON-002" } else { "DUE-004" };
    let grace = if major { "grace_hours_major" } else { "grace_hours" };
    let grace_us = if rule == "MON-002" { 0 } else { ask.number("DUE-004", grace).saturating_mul(HOUR_US) };
    let key = if rule == "MON-002" { format!("failed {}", work.code) } else { work.code.clone() };
    let said = ask.say(rule).key(key).cause(&work.code).rests_on(failed);
    said.holds_from(failed.occurred_at_us.saturating_add(grace_us));
}
