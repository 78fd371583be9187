//! EX-*: explosion protection. 防爆

use tally_proto::v1::{AirCourse, GasGrade, MineSector, PlaceKind, Severity};

use super::Ask;
use crate::rule::facts::{HOUR_US, is_in_service};

pub(super) fn judge(ask: &Ask<'_>) {
    let facts = ask.facts;
    if ask.is_gone() {
        return;
    }
    let ex = ask.is_ex_checked();
    if ex && !ask.state.mine.is_empty() && !facts.ex_cert_shown {
        let lacks = facts.ex_cert_no.is_empty() && facts.taken_on.is_some();
        if lacks || facts.ex_cert_missing.is_some() {
            let event = facts.ex_cert_missing.or(facts.taken_on);
            ask.say("EX-001").rests_on_any(facts.made).rests_on_any(event).holds();
        }
    }
    ask.holds_since("EX-002", facts.went_down_unchecked);
    if let Some(opened) = facts.opened {
        let limit_us = ask.number("EX-005", "hours").saturating_mul(HOUR_US);
        ask.say("EX-005").rests_on(opened).holds_from(opened.occurred_at_us.saturating_add(limit_us));
    }
    ask.holds_since("EX-006", facts.ex_overhaul_doubtful);
    let underground = ask.is_underground();
    if ask.state.category == "TRACKLESS" && facts.ex_mark.is_empty() && underground {
        ask.say("EX-007").rests_on_any(facts.made).rests_on_any(facts.went_down).holds();
    }
    for fault in facts.faults.iter().filter(|fault| fault.loss_of_protection) {
        let in_district = ask.places().iter().any(|place| matches!(place, PlaceKind::District | PlaceKind::Face));
        let severity = if in_district { Severity::Major } else { Severity::Serious };
        if underground || is_in_service(ask.state.state()) {
            ask.say("EX-003").key(&fault.id).severity(severity).rests_on_any(fault.reported).holds();
        }
    }
    if underground && is_in_service(ask.state.state()) && !suits(ask) {
        ask.say("EX-004").rests_on_any(facts.made).rests_on_any(facts.taken_on).holds();
    }
}

/// Whether electrical equipment of this protection may stand there, by the gas grade of the mine: what is not
/// explosion-proof only in a low-gas mine, in intake air or a chamber, outside the districts; what is made for surface
/// industry (group II) nowhere. What the record does not say counts as suited.
///
/// Source: general knowledge of table 16 of the 2022 safety rules; version 1 of the selection table.
pub(in crate::rule) fn suits(ask: &Ask<'_>) -> bool {
    if !ask.is_ex_checked() || !ask.is_underground() {
        return true;
    }
    let mark = &ask.facts.ex_mark;
    let in_coal_mine = ask.mine.as_ref().is_some_and(|mine| mine.sector() == MineSector::Coal);
    if mark.contains("II") {
        return !in_coal_mine;
    }
    let general = mark.is_empty() || mark.starts_with("KY");
    if !general {
        return true;
    }
    let in_district = ask.places().iter().any(|place| matches!(place, PlaceKind::District | PlaceKind::Face));
    match ask.gas_grade() {
        GasGrade::High | GasGrade::Outburst => false,
        GasGrade::Low => {
            let (Some(mine), Some(place)) = (&ask.mine, &ask.state.place) else { return true };
            let air = mine.places.iter().find(|node| node.id == place.node).map(|node| node.air());
            !in_district && air != Some(AirCourse::Return)
        }
        GasGrade::Unspecified => true,
    }
}
