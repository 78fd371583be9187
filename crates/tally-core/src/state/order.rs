//! The state of an order: what it says, whom it names, what was lifted by whom, who acknowledged it. 指令

use tally_proto::v1::{
    CheckResult, Evidence, GivenOrder, Order, OrderKind, OrderedMachine, OrderedMine, statement::Body as Message,
};

use super::{Instant, Recorded, Step, in_order, mark::ends};
use crate::{id::SubjectId, rule::facts::OrderOn};

/// The state of an order at `instant`; `None` where it was not given then.
///
/// `events` are all entries that touched it: a recall is remedied on the chains of its machines.
pub fn fold(subject: &SubjectId, events: &[Recorded], instant: Instant) -> Option<GivenOrder> {
    let mut state = GivenOrder::default();
    let mut open = false;
    for step in in_order(subject, events, instant) {
        open |= step.recorded.candidate.statement().subject == *subject;
        apply(&mut state, &step);
    }
    state.id = subject.id().to_vec();
    open.then_some(state)
}

/// Moves a state on by one event that touches the order and is not earlier than those before it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds say nothing about an order")]
pub fn apply(state: &mut GivenOrder, step: &Step<'_>) {
    match step.body.message() {
        Message::StopUseOrdered(body) => {
            give(state, step, OrderKind::StopUse, body.order.as_ref());
            state.until_us = body.until.as_ref().map_or(0, |day| ends(Some(day)));
            state.condition.clone_from(&body.condition);
        }
        Message::SealedUp(body) => {
            give(state, step, OrderKind::Seal, body.order.as_ref());
            state.seal_no.clone_from(&body.seal_no);
            state.place.clone_from(&body.place);
        }
        Message::RecallIssued(body) => {
            give(state, step, OrderKind::Recall, body.order.as_ref());
            state.until_us = ends(body.due_by.as_ref());
            state.model.clone_from(&body.model);
            state.hazard.clone_from(&body.hazard);
            state.interim = body.interim;
            state.remedy.clone_from(&body.remedy);
        }
        Message::OrderExtended(body) => name(state, step, &body.machines, &body.mines),
        Message::StopUseLifted(body) => {
            for machine in &body.machines {
                if let Some(ended) = end(state, step, machine) {
                    ended.checked_by.clone_from(&body.checked_by);
                    ended.result.clone_from(&body.result);
                }
            }
        }
        Message::Unsealed(body) => {
            for machine in &body.machines {
                if let Some(ended) = end(state, step, machine) {
                    ended.result.clone_from(&body.decision);
                }
            }
        }
        Message::RecallRemedied(body) => {
            let machine = step.recorded.candidate.statement().subject.id().to_vec();
            if body.recall[..] != state.id[..] {
                return;
            }
            if body.result() == CheckResult::Fail {
                if let Some(known) = state.machines.iter_mut().find(|known| known.machine == machine) {
                    known.failed = Some(step.evidence());
                }
            } else if let Some(ended) = end(state, step, &machine) {
                ended.result.clone_from(&body.work);
            }
        }
        Message::OrderReceived(body) => {
            if let Some(mine) = state.mines.iter_mut().find(|known| known.mine == body.mine) {
                let (at, by) = if body.refused {
                    (&mut mine.refused, &mut mine.refused_by)
                } else {
                    (&mut mine.received, &mut mine.received_by)
                };
                *at = Some(step.evidence());
                *by = step.signer();
                mine.note.clone_from(&body.note);
            }
        }
        _ => {}
    }
}

fn give(state: &mut GivenOrder, step: &Step<'_>, kind: OrderKind, order: Option<&Order>) {
    state.id = step.recorded.candidate.statement().subject.id().to_vec();
    state.kind = kind as i32;
    state.given_by = step.signer();
    state.given = Some(step.evidence());
    let Some(order) = order else { return };
    state.order_no.clone_from(&order.order_no);
    state.authority.clone_from(&order.authority);
    state.legal_basis.clone_from(&order.legal_basis);
    state.query.clone_from(&order.query);
    state.list_hash.clone_from(&order.list_hash);
    name(state, step, &order.machines, &order.mines);
}

/// Names machines and mines; a machine that is named again is under the order again.
fn name(state: &mut GivenOrder, step: &Step<'_>, machines: &[Vec<u8>], mines: &[Vec<u8>]) {
    let named = Some(step.evidence());
    for machine in machines {
        let fresh = OrderedMachine { machine: machine.clone(), named, ..OrderedMachine::default() };
        match state.machines.binary_search_by(|known| known.machine.cmp(machine)) {
            Ok(at) => {
                if let Some(known) = state.machines.get_mut(at).filter(|known| known.ended.is_some()) {
                    *known = fresh;
                }
            }
            Err(at) => state.machines.insert(at, fresh),
        }
    }
    for mine in mines {
        if let Err(at) = state.mines.binary_search_by(|known| known.mine.cmp(mine)) {
            state.mines.insert(at, OrderedMine { mine: mine.clone(), named, ..OrderedMine::default() });
        }
    }
}

/// Ends the order for a machine that it holds.
fn end<'a>(state: &'a mut GivenOrder, step: &Step<'_>, machine: &[u8]) -> Option<&'a mut OrderedMachine> {
    let at = state.machines.binary_search_by(|known| known.machine.as_slice().cmp(machine)).ok()?;
    let known = state.machines.get_mut(at).filter(|known| known.ended.is_none())?;
    known.ended = Some(step.evidence());
    known.ended_kind = step.body.kind() as u32;
    known.ended_by = step.signer();
    Some(known)
}

/// What the rules ask of an order.
pub fn on(state: &GivenOrder) -> OrderOn {
    OrderOn {
        id: state.id.clone(),
        kind: u32::try_from(state.kind).unwrap_or_default(),
        number: state.order_no.clone(),
        given: state.given,
        until_us: state.until_us,
        interim: state.interim,
        broken: None,
    }
}

/// Whether an order holds a machine at an instant. A stop of use ends with its last day; a seal and a recall hold until
/// somebody ends them.
pub fn holds(state: &GivenOrder, machine: &OrderedMachine, at_us: i64) -> bool {
    let lapsed = state.kind() == OrderKind::StopUse && state.until_us != 0 && at_us >= state.until_us;
    machine.ended.is_none() && !lapsed
}

/// Whether a mine still has to acknowledge an order.
pub fn awaits(mine: &OrderedMine) -> bool {
    mine.received.is_none() && mine.refused.is_none()
}

/// An order as somebody sees it at an instant: with the machines and mines that he sees, and what of these is open.
///
/// # Errors
/// What `sees` says.
pub fn shown<E>(
    mut state: GivenOrder,
    at_us: i64,
    sees: impl Fn(&SubjectId) -> Result<bool, E>,
) -> Result<GivenOrder, E> {
    use crate::id::SubjectKind::{Equipment, Mine};
    let seen = |kind, id: &[u8]| match <[u8; 16]>::try_from(id) {
        Ok(id) => sees(&SubjectId::new(kind, id)),
        Err(_) => Ok(false),
    };
    let named = state.machines.len().saturating_add(state.mines.len());
    let (mut machines, mut mines) = (Vec::new(), Vec::new());
    for machine in std::mem::take(&mut state.machines) {
        if seen(Equipment, &machine.machine)? {
            machines.push(machine);
        }
    }
    for mine in std::mem::take(&mut state.mines) {
        if seen(Mine, &mine.mine)? {
            mines.push(mine);
        }
    }
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    state.hidden = count(named.saturating_sub(machines.len()).saturating_sub(mines.len()));
    if state.hidden > 0 {
        // Over all machines, from which what is hidden could be guessed.
        state.list_hash.clear();
    }
    state.open_machines = count(machines.iter().filter(|machine| holds(&state, machine, at_us)).count());
    state.open_receipts = count(mines.iter().filter(|mine| awaits(mine)).count());
    state.machines = machines;
    state.mines = mines;
    Ok(state)
}

/// Whether an entry was recorded after another although it says that it happened before it.
pub fn is_backfilled(entry: &Evidence, named: &Evidence) -> bool {
    entry.position > named.position && entry.occurred_at_us < named.occurred_at_us
}
