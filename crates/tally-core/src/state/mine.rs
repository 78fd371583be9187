//! The state of a mine, with its places.

use tally_proto::v1::{Day, Mine, MineProfile, MineSector, PlaceNode, Scheme, statement::Body as Message};

use super::{
    Instant, Recorded, Step, fold_own,
    organisation::{end_engagement, engagement},
};
use crate::id::SubjectId;

/// The state of a mine at `instant`; `None` where it was not registered then.
pub fn fold(subject: &SubjectId, events: &[Recorded], instant: Instant) -> Option<Mine> {
    let state = Mine { id: subject.id().to_vec(), ..Mine::default() };
    fold_own(subject, events, instant, state, apply)
}

/// Moves a state on by one event of its own chain that is not earlier than those before it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds change nothing that is shown")]
pub fn apply(state: &mut Mine, step: &Step<'_>) {
    let take = |field: &mut String, value: &String| {
        if !value.is_empty() {
            field.clone_from(value);
        }
    };
    match step.body.message() {
        Message::MineRegistered(body) => {
            state.name.clone_from(&body.name);
            state.scheme = body.scheme;
            state.number.clone_from(&body.number);
            state.area_code.clone_from(&body.area_code);
            state.operator.clone_from(&body.operator);
            state.kind = body.kind;
            state.gas_grade = body.gas_grade;
            state.state = body.state;
            state.sector = match (body.sector(), body.scheme()) {
                (MineSector::Unspecified, Scheme::CnCoalMine) => MineSector::Coal as i32,
                (sector, _) => sector as i32,
            };
            profile(state, step, None, |_| {});
        }
        Message::MineProfileChanged(body) => {
            take(&mut state.name, &body.name);
            take(&mut state.hydrology, &body.hydrology);
            take(&mut state.rock_burst, &body.rock_burst);
            take(&mut state.spontaneous_combustion, &body.spontaneous_combustion);
            take(&mut state.area_code, &body.area_code);
            if body.gas_grade != 0 {
                state.gas_grade = body.gas_grade;
            }
            if body.state != 0 {
                state.state = body.state;
            }
            profile(state, step, body.from.as_ref(), |profile| {
                take(&mut profile.area_code, &body.area_code);
                if body.gas_grade != 0 {
                    profile.gas_grade = body.gas_grade;
                }
                if body.state != 0 {
                    profile.state = body.state;
                }
            });
        }
        Message::OperatorChanged(body) => {
            state.operator.clone_from(&body.operator);
            profile(state, step, body.from.as_ref(), |profile| profile.operator.clone_from(&body.operator));
        }
        Message::PlaceCreated(body) => state.places.push(PlaceNode {
            id: step.recorded.candidate.statement().event_id.as_bytes().to_vec(),
            name: body.name.clone(),
            kind: body.kind,
            parent: body.parent.clone(),
            air: body.air,
            position_code: body.position_code.clone(),
            created_us: step.micros(),
            closed_us: 0,
        }),
        Message::PlaceRenamed(body) => {
            for place in state.places.iter_mut().filter(|place| place.id == body.place) {
                place.name.clone_from(&body.name);
            }
        }
        Message::PlaceClosed(body) => {
            for place in state.places.iter_mut().filter(|place| place.id == body.place) {
                place.closed_us = step.micros();
            }
        }
        Message::Engaged(body) => state.engagements.push(engagement(body, step)),
        Message::EngagementEnded(body) => end_engagement(&mut state.engagements, body.engagement.as_ref()),
        _ => {}
    }
}

/// Adds what the profile says from an event on, or from the later day that it names.
fn profile(state: &mut Mine, step: &Step<'_>, from: Option<&Day>, change: impl FnOnce(&mut MineProfile)) {
    let from_us =
        from.and_then(crate::event::day).and_then(crate::time::Day::starts).map_or(i64::MIN, |day| day.micros());
    let mut next = match state.profiles.last() {
        Some(last) => last.clone(),
        None => MineProfile {
            gas_grade: state.gas_grade,
            state: state.state,
            area_code: state.area_code.clone(),
            operator: state.operator.clone(),
            ..MineProfile::default()
        },
    };
    change(&mut next);
    next.from_us = step.micros().max(from_us);
    next.evidence = Some(step.evidence());
    state.profiles.push(next);
}
