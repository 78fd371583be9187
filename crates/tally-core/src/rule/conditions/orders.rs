//! ORD-*: orders, seals and recalls over a machine. 监管指令

use tally_proto::v1::{InterimMeasure, ServiceState, Severity};

use super::Ask;

pub(super) fn judge(ask: &Ask<'_>) {
    for order in &ask.facts.orders {
        let say = |code| ask.say(code).key(&order.number).cause(&order.number).rests_on_any(order.given);
        match order.kind {
            1 => {
                let over = order.until_us != 0 && ask.reached(order.until_us);
                if let Some(broken) = order.broken.filter(|_| !over) {
                    say("ORD-001").rests_on(broken).holds();
                }
            }
            2 => {
                if let Some(broken) = order.broken {
                    say("ORD-002").rests_on(broken).holds();
                }
            }
            3 if !ask.is_gone() => {
                let stopped = order.interim == InterimMeasure::Stop as i32
                    && ask.state.state() == ServiceState::InUse
                    && ask.number("ORD-003", "major_if_interim_stop") != 0;
                let severity = if stopped { Severity::Major } else { Severity::Serious };
                say("ORD-003").severity(severity).holds();
                say("ORD-004").holds_from(order.until_us);
            }
            _ => {}
        }
    }
}
