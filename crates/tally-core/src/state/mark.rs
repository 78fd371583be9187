//! The state of a safety mark: its certificates by day of manufacture, its periods, what was done to it. 安标

use tally_proto::v1::{
    Mark, MarkActivity, MarkKind, MarkPeriod, MarkSerials, MarkState, MarkStateChange, MarkVersion,
    statement::Body as Message,
};

use super::{Instant, Recorded, Step, fold_own};
use crate::{
    event,
    id::SubjectId,
    text,
    time::{Day, Timestamp},
};

/// The state of a mark at `instant`; `None` where it was not issued then.
pub fn fold(subject: &SubjectId, events: &[Recorded], instant: Instant) -> Option<Mark> {
    fold_own(subject, events, instant, Mark::default(), apply)
}

/// Moves a state on by one event of its own chain that is not earlier than those before it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds stand on other chains or change nothing")]
pub fn apply(state: &mut Mark, step: &Step<'_>) {
    let evidence = || Some(step.evidence());
    let change = |to: MarkState, from: &Option<_>, document_no: &str, reason: &str| MarkStateChange {
        state: to as i32,
        from: *from,
        document_no: document_no.to_owned(),
        reason: reason.to_owned(),
        evidence: evidence(),
        ..MarkStateChange::default()
    };
    match step.body.message() {
        Message::MarkIssued(body) => {
            state.number.clone_from(&body.number);
            state.kind = body.kind;
            state.authority = step.signer();
            state.issued_on = body.issued_on;
            state.trial_mines.clone_from(&body.trial_mines);
            let certificate = body.certificate.clone();
            state.versions.push(MarkVersion { produced_from: None, certificate, evidence: evidence() });
            let (from, until) = (body.valid_from, body.valid_until);
            state.periods.push(MarkPeriod { from, until, evidence: evidence() });
            if !body.serials.is_empty() {
                state.serials.push(MarkSerials { serials: body.serials.clone(), evidence: evidence() });
            }
        }
        Message::MarkChanged(body) => {
            let (produced_from, certificate) = (body.produced_from, body.certificate.clone());
            state.versions.push(MarkVersion { produced_from, certificate, evidence: evidence() });
            if !body.serials_added.is_empty() {
                state.serials.push(MarkSerials { serials: body.serials_added.clone(), evidence: evidence() });
            }
        }
        Message::MarkRenewed(body) => {
            state.periods.push(MarkPeriod { from: body.valid_from, until: body.valid_until, evidence: evidence() });
        }
        Message::MarkSuspended(body) => {
            let mut suspended = change(MarkState::Suspended, &body.from, &body.document_no, &body.reason);
            suspended.stops.clone_from(&body.stops);
            state.changes.push(suspended);
        }
        Message::MarkResumed(body) => {
            state.changes.push(change(MarkState::Valid, &body.from, &body.document_no, &body.remedied));
        }
        Message::MarkRevoked(body) => {
            let mut revoked = change(MarkState::Revoked, &body.from, &body.document_no, &body.reason);
            revoked.produced_from = body.produced_from;
            revoked.produced_until = body.produced_until;
            revoked.serials.clone_from(&body.serials);
            revoked.stops = vec![MarkActivity::Making as i32, MarkActivity::Selling as i32];
            if body.stops_use {
                revoked.stops.push(MarkActivity::Use as i32);
            }
            state.changes.push(revoked);
        }
        Message::MarkCancelled(body) => {
            let mut cancelled = change(MarkState::Cancelled, &body.from, &body.document_no, &body.reason);
            cancelled.stops = vec![MarkActivity::Making as i32, MarkActivity::Selling as i32];
            state.changes.push(cancelled);
        }
        _ => {}
    }
}

/// First instant of a day of the wire; the least there is where it is absent or none.
pub(crate) fn starts(day: Option<&tally_proto::v1::Day>) -> i64 {
    day.and_then(event::day).and_then(Day::starts).map_or(i64::MIN, Timestamp::micros)
}

/// First instant after a day of the wire; the greatest there is where it is absent or none.
pub(crate) fn ends(day: Option<&tally_proto::v1::Day>) -> i64 {
    day.and_then(event::day).and_then(Day::ends).map_or(i64::MAX, Timestamp::micros)
}

/// Whether a change of state hits a unit: its day of manufacture and its serial are among those that the change names.
pub fn hits(change: &MarkStateChange, produced_us: Option<i64>, serial: &str) -> bool {
    let in_days = produced_us.is_none_or(|produced| {
        starts(change.produced_from.as_ref()) <= produced && produced < ends(change.produced_until.as_ref())
    });
    in_days && (change.serials.is_empty() || has_serial(&change.serials, serial))
}

/// Whether a serial is in a list, in normal form.
pub fn has_serial(serials: &[String], serial: &str) -> bool {
    let normal = |text: &str| text::normalise(text).unwrap_or_default();
    let wanted = normal(serial);
    serials.iter().any(|known| normal(known) == wanted)
}

/// The state of a mark at an instant, by the entries that count: revoked and cancelled are final, and stand above a
/// suspension, and that above the period.
pub fn state_on(mark: &Mark, at_us: i64, counts: impl Fn(&tally_proto::v1::Evidence) -> bool) -> MarkState {
    let counts = |evidence: &Option<tally_proto::v1::Evidence>| evidence.as_ref().is_some_and(&counts);
    let mut changed = MarkState::Valid;
    for change in mark.changes.iter().filter(|change| counts(&change.evidence)) {
        if starts(change.from.as_ref()) <= at_us {
            changed = change.state();
            if matches!(changed, MarkState::Revoked | MarkState::Cancelled) {
                return changed;
            }
        }
    }
    if changed == MarkState::Suspended || mark.kind() == MarkKind::Batch {
        return changed;
    }
    let mut begun = false;
    for period in mark.periods.iter().filter(|period| counts(&period.evidence)) {
        let from = starts(period.from.as_ref());
        begun |= from <= at_us;
        if from <= at_us && at_us < ends(period.until.as_ref()) {
            return MarkState::Valid;
        }
    }
    if begun { MarkState::Expired } else { MarkState::NotYet }
}
