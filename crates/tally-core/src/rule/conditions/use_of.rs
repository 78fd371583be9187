//! ACC-*, BELT-*, HOIST-*, MON-003, LIFE-*, ID-003, SCR-*: acceptance, use, life and scrapping.

use tally_proto::v1::{AliasKind, FindingDecision, MineState, ServiceState};

use super::Ask;
use crate::rule::facts::{DAY_US, is_gone, is_in_service, is_running, nano};

/// Words in the kind of a fault that name a protection of a belt conveyor.
const BELT_PROTECTIONS: &[&str] = &["打滑", "堆煤", "跑偏", "撕裂", "温度", "烟雾", "急停", "洒水"];
/// Words that name a protection of what carries persons.
const HOIST_PROTECTIONS: &[&str] = &["过卷", "过速", "限速", "松绳", "制动", "防坠", "深度", "闸", "抱索"];
/// Categories that carry persons.
const CARRIES_PERSONS: &[&str] = &["HOIST", "CHAIRLIFT", "MANRIDER", "SKIP_CAGE"];

pub(super) fn judge(ask: &Ask<'_>) {
    let facts = ask.facts;
    let state = ask.state.state();
    if let Some(revived) = facts.revived {
        ask.say("SCR-001").rests_on_any(facts.scrapped).rests_on(revived).holds();
    }
    if state == ServiceState::Scrapped
        && let Some(scrapped) = facts.scrapped
    {
        let due_us = scrapped.occurred_at_us.saturating_add(ask.number("SCR-003", "days").saturating_mul(DAY_US));
        ask.say("SCR-003").rests_on(scrapped).holds_from(due_us);
    }
    mine_closed(ask);
    if ask.is_gone() {
        return;
    }
    ask.holds_since("ID-003", facts.plate_differs);
    ask.holds_since("ACC-001", facts.used_unaccepted);
    ask.holds_since("ACC-002", facts.commissioned_unaccepted);
    ask.holds_since("ACC-004", facts.used_after_failure);
    if let Some(reused) = facts.reused {
        ask.say("SCR-002").rests_on_any(facts.discarded).rests_on(reused).holds();
    }
    if is_running(state) {
        ask.holds_since("SCR-007", facts.to_be_scrapped);
        if state == ServiceState::InUse
            && let Some(last) = facts.last
        {
            let limit_us = ask.number("LIFE-004", "days").saturating_mul(DAY_US);
            ask.say("LIFE-004").rests_on(last).holds_from(last.occurred_at_us.saturating_add(limit_us));
        }
        life(ask);
    }
    belts_and_hoists(ask);
    if ask.state.category == "SELF_RESCUER"
        && let Some(received) = facts.first_received
    {
        let tagged = ask.state.aliases.iter().any(|alias| alias.kind == AliasKind::Rfid as i32);
        if !tagged && received.occurred_at_us >= ask.in_force.day_starts("MON-003", "from") {
            ask.say("MON-003").rests_on(received).holds();
        }
    }
}

/// What a regulator found stands until it is lifted; it comes last, for where a rule finds the same its words count.
pub(super) fn found(ask: &Ask<'_>) {
    let found = ask.facts.decided.iter().filter(|decided| decided.decision == FindingDecision::Found as i32);
    for decided in found {
        if let Some(rule) = crate::rule::by_code(&decided.rule) {
            ask.say(rule.code).key(&decided.key).rests_on_any(decided.evidence).holds();
        }
    }
}

/// A machine that is still in a mine that was closed.
fn mine_closed(ask: &Ask<'_>) {
    let state = ask.state.state();
    if is_gone(state) || state == ServiceState::Lost || state == ServiceState::InTransit {
        return;
    }
    let Some(profile) = ask.profile().filter(|profile| profile.state() == MineState::Closed) else { return };
    // Since when it is closed: the first of the profiles at the end that all say so.
    let since = ask.mine.iter().flat_map(|mine| mine.profiles.iter().rev());
    let since = since
        .filter(|known| known.from_us <= profile.from_us)
        .take_while(|known| known.state() == MineState::Closed)
        .last()
        .unwrap_or(profile);
    let due_us = since.from_us.saturating_add(ask.number("SCR-006", "days").saturating_mul(DAY_US));
    ask.say("SCR-006").rests_on_any(since.evidence).holds_from(due_us);
}

/// The life that the maker states, in years or running hours.
fn life(ask: &Ask<'_>) {
    let facts = ask.facts;
    let Some(life) = &facts.design_life else { return };
    if facts.extended.is_some() {
        return;
    }
    let said = || ask.say("LIFE-001").rests_on_any(facts.made);
    match life.unit.as_str() {
        "a" => {
            let Some(years) = nano(life).map(|nano| nano / 1_000_000_000) else { return };
            let Some(made) = &ask.state.produced_on else { return };
            let Some(over) =
                crate::event::day(made).and_then(|day| super::due::add_months(day, years.saturating_mul(12)))
            else {
                return;
            };
            said().holds_from(over);
        }
        "h" => {
            let worn = ask.state.meters.iter().any(|meter| {
                meter.counter.as_ref().is_some_and(|counter| {
                    counter.key == "running_h" && nano(counter).zip(nano(life)).is_some_and(|(ran, most)| ran > most)
                })
            });
            if worn {
                said().holds();
            }
        }
        _ => {}
    }
}

fn belts_and_hoists(ask: &Ask<'_>) {
    let facts = ask.facts;
    let category = ask.state.category.as_str();
    if category == "BELT" {
        ask.holds_since("BELT-001", facts.belt_went_down_untested);
        ask.holds_since("BELT-002", facts.belt_failed.filter(|_| ask.is_underground()));
    }
    if category == "ROPE" && is_in_service(ask.state.state()) {
        ask.holds_since("HOIST-003", facts.rope_worn);
    }
    if ask.state.state() != ServiceState::InUse {
        return;
    }
    let (rule, words, test) = if category == "BELT_CONVEYOR" {
        ("BELT-003", BELT_PROTECTIONS, "S-BEL-02")
    } else if CARRIES_PERSONS.contains(&category) {
        ("HOIST-001", HOIST_PROTECTIONS, "")
    } else {
        return;
    };
    let open = facts.faults.iter().filter(|fault| fault.confirmed_by_same.is_none());
    for fault in open.filter(|fault| words.iter().any(|word| fault.kind.contains(word))) {
        ask.say(rule).key(&fault.id).rests_on_any(fault.reported).holds();
    }
    for work in facts.works.iter().filter(|work| work.code == test && work.failed.is_some()) {
        ask.say(rule).key(&work.code).rests_on_any(work.failed).holds();
    }
    for fit in facts.fits.iter().filter(|fit| fit.component.is_none()) {
        if words.iter().any(|word| fit.slot.contains(word)) {
            ask.say(rule).key(&fit.slot).rests_on_any(fit.evidence).holds();
        }
    }
}
