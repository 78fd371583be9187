//! What the rules remember of a mine.

use tally_proto::v1::{Evidence, FindingDecision, statement::Body as Message};

use super::facts::{Breach, DAY_US, Decided, HOUR_US, LIST_MAX, lifted};
use crate::{id::SubjectKind, state::Step};

/// An order that names the mine.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OrderToMine {
    /// The order, 16-byte id.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// Number of the order.
    #[prost(string, tag = "2")]
    pub number: String,
    /// When it was given.
    #[prost(message, optional, tag = "3")]
    pub given: Option<Evidence>,
    /// When the mine acknowledged it, or a regulator noted that it refused.
    #[prost(message, optional, tag = "4")]
    pub received: Option<Evidence>,
}

/// The last comparison of an upload with the ledger.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Upload {
    /// Kind of file.
    #[prost(string, tag = "1")]
    pub file_kind: String,
    /// Number of differences.
    #[prost(uint64, tag = "2")]
    pub differences: u64,
    /// The comparison.
    #[prost(message, optional, tag = "3")]
    pub evidence: Option<Evidence>,
}

/// What the rules remember of a mine.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MineFacts {
    /// Orders that name it.
    #[prost(message, repeated, tag = "1")]
    pub orders: Vec<OrderToMine>,
    /// The last comparison of each kind of file.
    #[prost(message, repeated, tag = "2")]
    pub uploads: Vec<Upload>,
    /// Decisions of regulators.
    #[prost(message, repeated, tag = "3")]
    pub decided: Vec<Decided>,
}

impl MineFacts {
    /// Moves the facts on by one entry that touches the mine; gives the breaches that the entry is. `per_hour` is how many
    /// machines one person can look at in an hour, `number_of` the number of an order by its id.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are nothing that a mine is found for")]
    pub fn apply(
        &mut self,
        step: &Step<'_>,
        mine: &[u8],
        per_hour: i64,
        number_of: impl Fn(&[u8]) -> Option<String>,
    ) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let evidence = step.evidence();
        let subject = step.recorded.candidate.statement().subject;
        let order = |order: &tally_proto::v1::Order| order.mines.iter().any(|named| named == mine);
        let (id, own) = (subject.id().to_vec(), subject.kind() == SubjectKind::Mine);
        match step.body.message() {
            Message::StopUseOrdered(body) => self.put(id, body.order.as_ref().filter(|named| order(named)), evidence),
            Message::SealedUp(body) => self.put(id, body.order.as_ref().filter(|named| order(named)), evidence),
            Message::RecallIssued(body) => self.put(id, body.order.as_ref().filter(|named| order(named)), evidence),
            Message::OrderExtended(body) if body.mines.iter().any(|named| named == mine) => {
                if let Some(number) = number_of(&id) {
                    self.put_number(id, number, evidence);
                }
            }
            Message::OrderReceived(body) if body.mine == mine => {
                for known in self.orders.iter_mut().filter(|known| known.id == id) {
                    known.received = Some(evidence);
                }
            }
            Message::StopUseLifted(_) | Message::Unsealed(_) => {}
            Message::UploadCompared(body) if own => {
                self.uploads.retain(|known| known.file_kind != body.file_kind);
                let differences = u64::try_from(body.differences.len()).unwrap_or(u64::MAX);
                self.uploads.push(Upload { file_kind: body.file_kind.clone(), differences, evidence: Some(evidence) });
            }
            Message::FindingDecided(body) if own => {
                if body.decision() == FindingDecision::Lifted {
                    breaches.extend(lifted(body, evidence));
                }
                self.decided.retain(|known| (&known.rule, &known.key) != (&body.rule, &body.key));
                if self.decided.len() >= LIST_MAX {
                    self.decided.remove(0);
                }
                self.decided.push(Decided {
                    rule: body.rule.clone(),
                    key: body.key.clone(),
                    decision: body.decision,
                    evidence: Some(evidence),
                    reason: body.reason.clone(),
                });
            }
            Message::Inspected(body) if own => {
                // A round over many machines in no time: more than a person can look at.
                let span_us = body.finished_us.saturating_sub(body.started_us).clamp(1, DAY_US);
                let machines = i64::try_from(body.machines.len()).unwrap_or(i64::MAX);
                // Who did it is often also who signs.
                let event = step.recorded.candidate.event();
                let hands = event.hands().iter().map(|hand| hand.key_id);
                let mut helpers: Vec<_> = step.recorded.candidate.statement().performed_by.clone();
                helpers.extend(hands);
                helpers.sort_unstable();
                helpers.dedup();
                let persons = i64::try_from(helpers.len().max(1)).unwrap_or(1);
                let most = per_hour.saturating_mul(persons);
                if machines > most && machines.saturating_mul(HOUR_US) > most.saturating_mul(span_us) {
                    breaches.push(Breach::Open { rule: "TIME-005", key: evidence.position.to_string(), evidence });
                }
            }
            _ => {}
        }
        breaches
    }

    fn put(&mut self, id: Vec<u8>, order: Option<&tally_proto::v1::Order>, given: Evidence) {
        if let Some(order) = order {
            self.put_number(id, order.order_no.clone(), given);
        }
    }

    fn put_number(&mut self, id: Vec<u8>, number: String, given: Evidence) {
        if self.orders.iter().any(|known| known.id == id) {
            return;
        }
        if self.orders.len() >= LIST_MAX {
            self.orders.remove(0);
        }
        self.orders.push(OrderToMine { id, number, given: Some(given), received: None });
    }
}
