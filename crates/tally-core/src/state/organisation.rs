//! The state of an organisation.

use tally_proto::v1::{
    Engaged, Engagement, EventRef, Key, KeyKind, Organisation, RoleGrant, statement::Body as Message,
};

use super::{Instant, Recorded, Step, fold_own};
use crate::{hash::sha256, id::SubjectId};

/// The state of an organisation at `instant`; `None` where it was not registered then.
pub fn fold(subject: &SubjectId, events: &[Recorded], instant: Instant) -> Option<Organisation> {
    let state = Organisation { id: subject.id().to_vec(), ..Organisation::default() };
    fold_own(subject, events, instant, state, apply)
}

/// Moves a state on by one event of its own chain that is not earlier than those before it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds change nothing that is shown")]
pub fn apply(state: &mut Organisation, step: &Step<'_>) {
    let position = step.position();
    match step.body.message() {
        Message::OrganisationRegistered(body) => {
            state.name.clone_from(&body.name);
            state.scheme = body.scheme;
            state.number.clone_from(&body.number);
            state.area_code.clone_from(&body.area_code);
            state.short_name.clone_from(&body.short_name);
            state.plate_names.clone_from(&body.plate_names);
            for key in body.genesis.iter().flat_map(|genesis| &genesis.registrar_keys) {
                add(state, key, KeyKind::Organisation, position);
            }
            add(state, &body.first_key, KeyKind::Organisation, position);
            add(state, &body.recovery_key, KeyKind::Recovery, position);
        }
        Message::RoleGranted(body) => state.roles.push(RoleGrant {
            role: body.role,
            scope: body.scope.clone(),
            from: body.from,
            until: body.until,
            withdrawn: false,
            position,
        }),
        Message::RoleWithdrawn(body) => {
            for role in state.roles.iter_mut().filter(|role| role.role == body.role) {
                role.withdrawn = true;
            }
        }
        Message::KeyAdded(body) => {
            add(state, &body.key, body.kind(), position);
            if let Some(key) = state.keys.last_mut() {
                key.person_id.clone_from(&body.person_id);
                key.post.clone_from(&body.post);
                key.section.clone_from(&body.section);
                key.certificates.clone_from(&body.certificates);
            }
        }
        Message::KeyRevoked(body) => {
            for key in state.keys.iter_mut().filter(|key| key.key_id == body.key_id) {
                key.revoked_position = position;
                key.untrusted_since_us = body.untrusted_since_us;
            }
        }
        Message::OrganisationChanged(body) => {
            if !body.name.is_empty() {
                state.name.clone_from(&body.name);
            }
            if !body.area_code.is_empty() {
                state.area_code.clone_from(&body.area_code);
            }
            state.plate_names.retain(|name| !body.plate_names_ended.contains(name));
            state.plate_names.extend(body.plate_names_added.iter().cloned());
            state.plate_names.sort();
            state.plate_names.dedup();
        }
        Message::OrganisationSucceeded(body) => state.successor.clone_from(&body.successor),
        Message::Engaged(body) => state.engagements.push(engagement(body, step)),
        Message::EngagementEnded(body) => end_engagement(&mut state.engagements, body.engagement.as_ref()),
        _ => {}
    }
}

fn add(state: &mut Organisation, key: &[u8], kind: KeyKind, position: u64) {
    let key_id = sha256(&[key]).to_vec();
    if state.keys.iter().all(|known| known.key_id != key_id) {
        let key = Key { key_id, key: key.to_vec(), kind: kind as i32, added_position: position, ..Key::default() };
        state.keys.push(key);
    }
}

pub(super) fn engagement(body: &Engaged, step: &Step<'_>) -> Engagement {
    Engagement {
        organisation: body.organisation.clone(),
        purposes: body.purposes.clone(),
        from: body.from,
        until: body.until,
        ended: false,
        position: step.position(),
        chain_index: step.recorded.candidate.event().chain_index().get(),
        scope: body.scope.clone(),
    }
}

pub(super) fn end_engagement(engagements: &mut [Engagement], ended: Option<&EventRef>) {
    for engagement in engagements {
        engagement.ended |= ended.is_some_and(|ended| ended.chain_index == engagement.chain_index);
    }
}
