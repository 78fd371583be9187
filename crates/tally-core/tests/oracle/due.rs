//! The plain meaning of scheduled work: DUE-*, HOIST-002, MON-001, MON-002.

use tally_core::{
    event::EventKind,
    time::{Day, Timestamp},
};
use tally_proto::v1::{
    CheckResult, Conformity, FirstDue, InspectionKind, IntervalUnit, IrregularityKind, Role, ScheduleRow,
    ScheduledWork, ScrapVerdict, ServiceState, Severity, statement::Body as Message,
};

use crate::{
    machine::fits,
    story::{DAY, HOUR, Now, Seen, gone, passed, place, runs},
};

/// What an event says of work: under its code, or by its kind; whether it passed.
pub(crate) fn outcomes(now: &Now<'_>, event: &Seen<'_>) -> Vec<(String, bool)> {
    let of = |code: &str, result: CheckResult| match result {
        CheckResult::Fail => vec![(code.to_owned(), false)],
        result if passed(result) => vec![(code.to_owned(), true)],
        _ => Vec::new(),
    };
    match event.message() {
        Message::Inspected(body) if event.own || body.machines.contains(&now.state.id) => {
            let good = body.items.iter().all(|item| item.result() != CheckResult::Fail);
            let kind = match body.kind() {
                InspectionKind::Daily => "daily",
                InspectionKind::Weekly => "weekly",
                InspectionKind::Monthly => "monthly",
                InspectionKind::Quarterly => "quarterly",
                InspectionKind::Exproof => "exproof",
                InspectionKind::Special | InspectionKind::Supervision | InspectionKind::Unspecified => "any",
            };
            let code = Some(&body.schedule_code).filter(|code| !code.is_empty());
            code.map(|code| (code.clone(), good)).into_iter().chain([(format!("~{kind}"), good)]).collect()
        }
        Message::Tested(body) => of(&body.schedule_code, body.result()),
        Message::Calibrated(body) => of(&body.schedule_code, body.result()),
        Message::ExProofChecked(body) => of("~exproof", body.result()),
        Message::AcceptanceChecked(body) => of("~accept", body.result()),
        Message::Overhauled(body) if event.own => {
            let good = matches!(body.conformity(), Conformity::Conforms | Conformity::Modified);
            vec![("~overhaul".to_owned(), good)]
        }
        _ => Vec::new(),
    }
}

/// Whether work under a code passed last; `None` where it was never done.
pub(crate) fn last_outcome(now: &Now<'_>, code: &str) -> Option<bool> {
    let all = now.events.iter().flat_map(|event| outcomes(now, event));
    all.filter(|(done, _)| done == code).map(|(_, good)| good).last()
}

/// When work of a row was done and passed last.
///
/// Reading: under the code of the row, or as the kind of look that its interval is.
fn done_last<'a>(now: &Now<'a>, row: &ScheduleRow) -> Option<&'a Seen<'a>> {
    let kind = match (row.work(), row.unit(), row.interval) {
        (ScheduledWork::Inspect, IntervalUnit::Shift, _) | (ScheduledWork::Inspect, IntervalUnit::Day, 1) => "~daily",
        (ScheduledWork::Inspect, IntervalUnit::Week, 1) | (ScheduledWork::Inspect, IntervalUnit::Day, 7) => "~weekly",
        (ScheduledWork::Inspect, IntervalUnit::Month, 1) => "~monthly",
        (ScheduledWork::Inspect, IntervalUnit::Month, 3) => "~quarterly",
        (ScheduledWork::Exproof, ..) => "~exproof",
        (ScheduledWork::Overhaul, ..) => "~overhaul",
        (ScheduledWork::Accept, ..) => "~accept",
        _ => "",
    };
    now.events
        .iter()
        .rfind(|event| outcomes(now, event).iter().any(|(code, good)| *good && (*code == row.code || code == kind)))
}

/// The first time since it arrived that it ran.
fn in_use<'a>(now: &Now<'a>) -> Option<&'a Seen<'a>> {
    let arrived = now.last(|event| event.body.kind() == EventKind::Received);
    now.own().find(|event| arrived.is_none_or(|arrived| place(event) > place(arrived)) && runs(event.after.state()))
}

/// When the last installation was, by Installed or a move for which it was dismantled.
fn installed<'a>(now: &Now<'a>) -> Option<&'a Seen<'a>> {
    now.last(|event| match event.message() {
        Message::Installed(_) => true,
        Message::Moved(body) => body.dismantled,
        _ => false,
    })
}

/// First instant after the day so many months later: the same day of the month, else its last. Of a day known in part
/// its last.
pub(crate) fn months_after(day: Day, months: i64) -> i64 {
    let last = Timestamp::from_micros(day.ends().unwrap().micros() - 1).day().unwrap();
    let month = i64::from(last.year()) * 12 + i64::from(last.month()) - 1 + months;
    let (year, month) = (i16::try_from(month.div_euclid(12)).unwrap(), u8::try_from(month.rem_euclid(12) + 1).unwrap());
    let mut day = last.day();
    loop {
        if let Some(found) = Day::new(year, month, day) {
            return found.ends().unwrap().micros();
        }
        day -= 1;
    }
}

/// First instant after the last day in time: so many days or months after the day of `base`; shifts are by the hour.
fn after(base: Timestamp, row: &ScheduleRow) -> i64 {
    let day = base.day().unwrap();
    let count = i64::from(row.interval);
    let days = |days: i64| day.ends().unwrap().micros() + days * DAY;
    match row.unit() {
        IntervalUnit::Shift => base.micros() + count * 8 * HOUR,
        IntervalUnit::Day => days(count),
        IntervalUnit::Week => days(count * 7),
        IntervalUnit::Month => months_after(day, count),
        IntervalUnit::Year => months_after(day, count * 12),
        IntervalUnit::Once | IntervalUnit::Unspecified => panic!("once has no interval"),
    }
}

pub(crate) fn judge(now: &Now<'_>) {
    if gone(now.state.state()) {
        return;
    }
    for row in now.law.schedule.values() {
        let selected = row.applies_to == now.category()
            || now
                .law
                .selectors
                .get(&row.applies_to)
                .is_some_and(|selector| selector.any_of.iter().any(|criteria| fits(now, criteria)));
        // S-BEL-01 is BELT-001's.
        if row.code != "S-BEL-01" && selected && counts(row, now.state.state()) && is_overdue(now, row) {
            now.say_as(rule_of(now.category(), row), &row.code, row.severity());
        }
    }
    failed(now);
    // DUE-005: the last test under a code, by a laboratory outside its grant.
    let mut codes: std::collections::BTreeMap<String, bool> = std::collections::BTreeMap::new();
    for event in now.own() {
        if let Message::Tested(body) = event.message() {
            let outside = event.is_role(Role::Laboratory) && event.is_found(IrregularityKind::OutsideGrant);
            codes.insert(body.schedule_code.clone(), outside);
        }
    }
    codes.iter().filter(|(_, outside)| **outside).for_each(|(code, _)| now.say("DUE-005", code));
}

/// Reading: ropes and self-rescuers have rules of their own for all their work, instruments for their calibration; tests,
/// calibration, flaw detection and explosion-proof checks are tests, looks and replacements upkeep.
fn rule_of(category: &str, row: &ScheduleRow) -> &'static str {
    let instrument = matches!(
        category,
        "CH4_SENSOR" | "CH4_SENSOR_LASER" | "SENSOR_OTHER" | "PORTABLE_GAS" | "SUBSTATION_J" | "MONITOR_SYSTEM"
    );
    match row.work() {
        _ if category == "ROPE" => "HOIST-002",
        _ if category == "SELF_RESCUER" => "MON-002",
        ScheduledWork::Calibrate if instrument => "MON-001",
        ScheduledWork::Overhaul => "DUE-003",
        ScheduledWork::Inspect | ScheduledWork::Replace => "DUE-002",
        _ => "DUE-001",
    }
}

/// Reading: due where it runs, stands by or is installed; explosion-proof checks wherever it lies below; what ages does so
/// everywhere but at its maker's and once it is to be scrapped; acceptance where it arrived.
fn counts(row: &ScheduleRow, state: ServiceState) -> bool {
    let installed = runs(state) || state == ServiceState::Installed;
    match row.work() {
        ScheduledWork::Replace => state != ServiceState::Manufactured && state != ServiceState::ScrapProposed,
        ScheduledWork::Accept => installed || matches!(state, ServiceState::AtMine | ServiceState::InStore),
        ScheduledWork::Exproof => installed || state == ServiceState::Underground,
        _ => installed,
    }
}

fn is_overdue(now: &Now<'_>, row: &ScheduleRow) -> bool {
    let enrolled = now.own().any(|event| matches!(event.message(), Message::Enrolled(_)) && event.opens_first());
    let done = done_last(now, row);
    let first = match row.first_due() {
        // Before use again after more than 183 days idle without any work: until it is looked at.
        FirstDue::BeforeResumption => return resumed_unchecked(now),
        FirstDue::BeforeEntry if done.is_none() && !enrolled => {
            let down = now.last(|event| event.body.kind() == EventKind::EnteredMine);
            return down.is_some_and(|down| !now.after(down, is_up));
        }
        FirstDue::BeforeCommissioning if done.is_none() && !enrolled => return in_use(now).is_some(),
        // Ropes are tested before they are hung. What ages is not done before.
        FirstDue::Installed if done.is_none() && !enrolled && row.work() != ScheduledWork::Replace => {
            return installed(now).is_some();
        }
        FirstDue::ProducedOn => {
            now.state.produced_on.as_ref().and_then(tally_core::event::day).and_then(|day| day.starts())
        }
        FirstDue::Received => now
            .last(|event| {
                matches!(event.message(), Message::Received(body)
                    if body.into() == tally_proto::v1::ReceivedInto::Mine)
            })
            .map(at),
        FirstDue::Installed | FirstDue::YearAfterInstalled => installed(now).or(in_use(now)).map(at),
        _ => in_use(now).map(at),
    };
    if row.unit() == IntervalUnit::Once {
        return false;
    }
    // An age runs from its beginning, whatever was done.
    let base = match (done, first) {
        (_, Some(first)) if row.work() == ScheduledWork::Replace => first,
        (Some(done), _) => at(done),
        (None, Some(first)) => first,
        (None, None) => return false,
    };
    let due = if done.is_none() && row.first_due() == FirstDue::YearAfterInstalled {
        months_after(base.day().unwrap(), 12)
    } else {
        after(base, row)
    };
    let mut due = due + i64::from(row.tolerance_days) * DAY;
    // An appraisal since then that does not say scrap extends an overhaul.
    let appraised = now.own().any(|event| {
        event.at >= base.micros()
            && matches!(event.message(), Message::ScrapAppraised(body) if body.verdict() != ScrapVerdict::Scrap)
    });
    if row.work() == ScheduledWork::Overhaul && appraised {
        due += (due - base.micros()) / 100 * now.law.number("DUE-003", "extension_max_pct");
    }
    now.due(due)
}

fn at(event: &Seen<'_>) -> Timestamp {
    Timestamp::from_micros(event.at)
}

fn is_up(event: &Seen<'_>) -> bool {
    use EventKind::{Dispatched, Exported, RaisedToSurface, Received};
    matches!(event.body.kind(), RaisedToSurface | Dispatched | Received | Exported)
}

fn resumed_unchecked(now: &Now<'_>) -> bool {
    let resumed = now.own().rev().find(|event| {
        let long = event.before.state() == ServiceState::Idle
            && event.at - event.before.state_since_us > 183 * DAY
            && matches!(event.message(), Message::Resumed(body) if passed(body.result()));
        long && !now.events.iter().any(|work| {
            work.at >= event.before.state_since_us
                && place(work) < place(event)
                && outcomes(now, work).iter().any(|(_, good)| *good)
        })
    });
    let Some(resumed) = resumed else { return false };
    !now.events.iter().any(|event| {
        let looked = matches!(event.message(), Message::Inspected(body)
            if event.own || body.machines.contains(&now.state.id));
        place(event) > place(resumed) && (looked || (event.own && is_up(event)))
    })
}

/// DUE-004, and MON-002 of a self-rescuer: the last outcome under a code is a failure, and it runs on.
///
/// Reading: at once where the tester said stop or the row is major, else after a grace; a look that failed is a fault's
/// business, but for self-rescuers.
fn failed(now: &Now<'_>) {
    if !runs(now.state.state()) {
        return;
    }
    let rescuer = now.category() == "SELF_RESCUER";
    let mut last: std::collections::BTreeMap<String, (&Seen<'_>, bool)> = std::collections::BTreeMap::new();
    let mut stops: std::collections::BTreeMap<String, bool> = std::collections::BTreeMap::new();
    for event in now.events {
        for (code, good) in outcomes(now, event) {
            last.insert(code, (event, good));
        }
        if let Message::Tested(body) = event.message() {
            stops.insert(body.schedule_code.clone(), body.stop);
        }
    }
    for (code, (event, good)) in last {
        let row = now.law.schedule.get(&code);
        let look = row.is_some_and(|row| row.work() == ScheduledWork::Inspect);
        if good || code.starts_with('~') || (look && !rescuer) {
            continue;
        }
        if rescuer {
            now.say("MON-002", &format!("failed {code}"));
            continue;
        }
        let at_once = stops.get(&code) == Some(&true) || row.is_some_and(|row| row.severity() == Severity::Major);
        let hours = now.law.number("DUE-004", if at_once { "grace_hours_major" } else { "grace_hours" });
        if now.due(event.at + hours * HOUR) {
            now.say("DUE-004", &code);
        }
    }
}
