//! CUS-*, KEY-001: custody, and keys that were reported leaked.

use tally_proto::v1::ServiceState;

use super::Ask;
use crate::rule::facts::DAY_US;

pub(super) fn judge(ask: &Ask<'_>) {
    let facts = ask.facts;
    ask.holds_since("CUS-001", facts.gap);
    ask.holds_since("CUS-002", facts.overlap);
    if let Some(dispatched) = facts.dispatched.filter(|_| ask.state.state() != ServiceState::Exported) {
        let limit_us = ask.number("CUS-003", "days").saturating_mul(DAY_US);
        ask.say("CUS-003").rests_on(dispatched).holds_from(dispatched.occurred_at_us.saturating_add(limit_us));
    }
    ask.holds_since("CUS-004", facts.strangers.first().and_then(|stranger| stranger.evidence));
    ask.holds_since("CUS-005", facts.lease_unsafe);
    ask.holds_since("CUS-006", facts.not_found);
    for signer in &facts.signers {
        let Some(last) = signer.last else { continue };
        let Some(organisation) = ask.world.organisation(&signer.organisation) else { continue };
        let revoked = organisation.keys.iter().find(|key| {
            key.key_id == signer.key_id
                && key.untrusted_since_us != 0
                && key.revoked_position != 0
                && key.revoked_position < ask.world.size()
                && last.recorded_at_us >= key.untrusted_since_us
        });
        if let Some(key) = revoked {
            let id: String = key.key_id.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            ask.say("KEY-001").key(&id).cause(id.clone()).rests_on(last).holds();
        }
    }
}
