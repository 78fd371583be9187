//! FLT-*, PER-001, PER-002: faults, and who worked on the machine.

use tally_proto::v1::FaultSeverity;

use super::Ask;
use crate::rule::facts::DAY_US;

pub(super) fn judge(ask: &Ask<'_>) {
    for unqualified in &ask.facts.unqualified {
        let rule = if unqualified.expired { "PER-002" } else { "PER-001" };
        ask.say(rule).key(&unqualified.certificate).rests_on_any(unqualified.evidence).holds();
    }
    if ask.is_gone() {
        return;
    }
    for fault in ask.facts.faults.iter().filter(|fault| fault.confirmed_by_same.is_none()) {
        let Some(reported) = fault.reported else { continue };
        let days = match FaultSeverity::try_from(fault.severity) {
            Ok(FaultSeverity::Stop) => "days_stop",
            Ok(FaultSeverity::Serious) => "days_serious",
            Ok(FaultSeverity::Minor | FaultSeverity::Unspecified) | Err(_) => "days_minor",
        };
        let due_us = match fault.due_us {
            0 => reported.occurred_at_us.saturating_add(ask.number("FLT-001", days).saturating_mul(DAY_US)),
            due_us => due_us,
        };
        match fault.rectified {
            None => ask.say("FLT-001").key(&fault.id).rests_on(reported).holds_from(due_us),
            Some(rectified) => {
                let limit_us = ask.number("FLT-002", "days").saturating_mul(DAY_US);
                let due_us = rectified.occurred_at_us.saturating_add(limit_us);
                ask.say("FLT-002").key(&fault.id).rests_on(reported).rests_on(rectified).holds_from(due_us);
            }
        }
        if let Some(run_with) = fault.run_with {
            ask.say("FLT-004").key(&fault.id).rests_on(reported).rests_on(run_with).holds();
        }
    }
}
