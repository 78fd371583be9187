//! OUT-*: phased-out equipment. 淘汰

use tally_proto::v1::{PhaseOutState, ServiceState};

use super::Ask;
use crate::{
    rule::{
        criteria::asks_for_place,
        facts::{DAY_US, is_in_service},
    },
    state::mark::starts,
};

pub(super) fn judge(ask: &Ask<'_>) {
    if ask.is_gone() {
        return;
    }
    let described = ask.described();
    let state = ask.state.state();
    let in_store = matches!(
        state,
        ServiceState::InStore | ServiceState::AtMine | ServiceState::Accepted | ServiceState::ReadyDown
    ) && !ask.state.mine.is_empty();
    for row in ask.in_force.phase_out.iter().filter(|row| row.state() == PhaseOutState::InForce) {
        for ban in &row.bans {
            let Some(criteria) = ban.criteria.as_ref() else { continue };
            if !described.fits(criteria, &ask.in_force) {
                continue;
            }
            let from_us = starts(ban.from.as_ref());
            let say = |code| ask.say(code).key(&row.code).cause(&row.code).rests_on_any(ask.facts.made);
            if is_in_service(state) {
                let soon_us = from_us.saturating_sub(ask.number("OUT-003", "days").saturating_mul(DAY_US));
                if ask.reached(from_us) {
                    say("OUT-001").rests_on_any(ask.facts.taken_on).holds();
                } else {
                    say("OUT-001").rests_on_any(ask.facts.taken_on).holds_from(from_us);
                    say("OUT-003").holds_from(soon_us);
                }
            } else if in_store {
                say("OUT-002").holds_from(from_us);
            }
            if let Some(exited) = ask.facts.exited
                && exited.occurred_at_us >= from_us
                && !asks_for_place(criteria)
            {
                say("OUT-004").rests_on(exited).holds();
            }
        }
    }
}
