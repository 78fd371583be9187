//! Conditions of a mine: orders that it has not acknowledged, uploads that differ, a profile with holes.

use std::cell::Cell;

use tally_proto::v1::{Evidence, GasGrade, Mine, MineState, Severity};

use super::{Answer, Coming, Held, World, reach_at};
use crate::rule::{by_code, facts::HOUR_US, mine_facts::MineFacts};

/// Everything that is wrong with a mine itself at an instant.
pub fn mine_conditions(mine: &Mine, facts: &MineFacts, world: &dyn World, at_us: i64) -> Answer {
    let next_us = Cell::new(i64::MAX);
    let note = |threshold: i64| next_us.set(next_us.get().min(threshold));
    let reach = reach_at(Some(mine), at_us, world.size(), &mut |change| note(change));
    let in_force = world.publications().in_force(at_us, world.size(), &reach);
    note(in_force.next_us);
    let mut held = Vec::new();
    let mut say = |code: &str, key: String, cause: String, severity: Option<Severity>, evidence: Vec<Evidence>| {
        if let Some(rule) = by_code(code) {
            let severity = severity.unwrap_or(rule.severity);
            let legal_major = severity == Severity::Major && rule.legal == crate::rule::Legal::Yes;
            held.push(Held { rule, key, severity, legal_major, cause, evidence });
        }
    };
    let mut coming = Vec::new();
    for order in &facts.orders {
        let Some(given) = order.given.filter(|_| order.received.is_none()) else { continue };
        let due_us = given.occurred_at_us.saturating_add(in_force.number("ORD-005", "hours").saturating_mul(HOUR_US));
        if at_us >= due_us {
            say("ORD-005", order.number.clone(), order.number.clone(), None, vec![given]);
        } else {
            note(due_us);
            coming.push((order.number.clone(), given, due_us));
        }
    }
    for upload in facts.uploads.iter().filter(|upload| upload.differences > 0) {
        say(
            "DATA-001",
            upload.file_kind.clone(),
            upload.file_kind.clone(),
            None,
            upload.evidence.into_iter().collect(),
        );
    }
    let profile = mine.profiles.iter().filter(|profile| {
        profile.from_us <= at_us && profile.evidence.is_some_and(|evidence| evidence.position < world.size())
    });
    if let Some(profile) = profile.last() {
        let incomplete = profile.gas_grade() == GasGrade::Unspecified || profile.state() == MineState::Unspecified;
        if incomplete {
            say("DATA-002", String::new(), String::new(), None, profile.evidence.into_iter().collect());
        }
    }
    for decided in &facts.decided {
        if decided.decision == tally_proto::v1::FindingDecision::Found as i32 {
            say(&decided.rule, decided.key.clone(), String::new(), None, decided.evidence.into_iter().collect());
        }
    }
    held.sort_by(|left, right| (left.rule.code, &left.key).cmp(&(right.rule.code, &right.key)));
    held.dedup_by(|left, right| (left.rule.code, &left.key) == (right.rule.code, &right.key));
    let coming = coming.into_iter().filter_map(|(number, given, at_us)| {
        let rule = by_code("ORD-005")?;
        let (key, cause, severity) = (number.clone(), number, rule.severity);
        Some(Coming { held: Held { rule, key, severity, legal_major: false, cause, evidence: vec![given] }, at_us })
    });
    Answer { held, next_us: next_us.get(), coming: coming.collect() }
}
