//! The plain meaning of the rules about a mine, for one instant.

use std::collections::BTreeMap;

use tally_proto::v1::{FindingDecision, GasGrade, MineState, statement::Body as Message};

use crate::{
    machine::found,
    story::{DAY, HOUR, Now, Verdict},
};

pub(crate) fn verdict(now: &Now<'_>) -> Verdict {
    let id = now.subject.id().to_vec();
    // ORD-005: named by the order or its extension, and neither acknowledged it nor was its refusal noted.
    let mut orders: BTreeMap<Vec<u8>, (String, i64, bool)> = BTreeMap::new();
    for event in now.events {
        let subject = event.recorded.candidate.statement().subject.id().to_vec();
        let order = match event.message() {
            Message::StopUseOrdered(body) => body.order.clone(),
            Message::SealedUp(body) => body.order.clone(),
            Message::RecallIssued(body) => body.order.clone(),
            Message::OrderExtended(body) if body.mines.contains(&id) => {
                let opening = now.log.known().find(|known| known.candidate.statement().subject.id()[..] == subject[..]);
                let number = match opening.unwrap().candidate.body().message() {
                    Message::StopUseOrdered(body) => body.order.as_ref().unwrap().order_no.clone(),
                    Message::SealedUp(body) => body.order.as_ref().unwrap().order_no.clone(),
                    Message::RecallIssued(body) => body.order.as_ref().unwrap().order_no.clone(),
                    _ => panic!("no order"),
                };
                orders.entry(subject.clone()).or_insert((number, event.at, false));
                None
            }
            Message::OrderReceived(body) if body.mine == id => {
                if let Some(order) = orders.get_mut(&subject) {
                    order.2 = true;
                }
                None
            }
            _ => None,
        };
        if let Some(order) = order.filter(|order| order.mines.contains(&id)) {
            orders.insert(subject, (order.order_no, event.at, false));
        }
    }
    for (number, given, received) in orders.values() {
        if !received && now.due(given + now.law.number("ORD-005", "hours") * HOUR) {
            now.say("ORD-005", number);
        }
    }
    // DATA-001: the last comparison of each kind of file.
    let mut uploads: BTreeMap<String, bool> = BTreeMap::new();
    for event in now.own() {
        if let Message::UploadCompared(body) = event.message() {
            uploads.insert(body.file_kind.clone(), !body.differences.is_empty());
        }
    }
    uploads.iter().filter(|(_, differs)| **differs).for_each(|(kind, _)| now.say("DATA-001", kind));
    // DATA-002.
    if let Some(profile) = now.profile()
        && (profile.gas_grade() == GasGrade::Unspecified || profile.state() == MineState::Unspecified)
    {
        now.say("DATA-002", "");
    }
    found(now);
    rounds(now);
    std::mem::take(&mut now.said.borrow_mut())
}

/// TIME-005. Reading: those who signed or are named as having done it count as helpers; in less than an hour as many as in
/// one; a round over days as one of a day.
fn rounds(now: &Now<'_>) {
    let mut open: Vec<String> = Vec::new();
    for event in now.own() {
        match event.message() {
            Message::Inspected(body) => {
                let statement = event.recorded.candidate.statement();
                let mut helpers: Vec<Vec<u8>> = event.keys()[1..].to_vec();
                helpers.extend(statement.performed_by.iter().map(|key| key.as_bytes().to_vec()));
                helpers.sort();
                helpers.dedup();
                let most = event.law.number("TIME-005", "per_hour") * i64::try_from(helpers.len().max(1)).unwrap();
                let span = (body.finished_us - body.started_us).clamp(HOUR, DAY);
                let machines = i64::try_from(body.machines.len()).unwrap();
                if i128::from(machines) * i128::from(HOUR) > i128::from(most) * i128::from(span) {
                    open.push(event.position.to_string());
                }
            }
            Message::FindingDecided(body) if body.rule == "TIME-005" && body.decision() == FindingDecision::Lifted => {
                open.retain(|key| !body.key.is_empty() && *key != body.key);
            }
            _ => {}
        }
    }
    open.iter().for_each(|key| now.say("TIME-005", key));
}
