//! What became of an order or recall: from its own touches, so that it is what was proved
//!
//! Everything that changes an order stands on its chain; that a recalled machine was put right stands on the machine's and
//! mentions the recall.

use std::collections::BTreeMap;

use tally_core::event::{Body as CheckedBody, EventKind};
use tally_core::id::{SubjectId, SubjectKind};
use tally_core::time::Timestamp;
use tally_log::LogPosition;
use tally_proto::v1::{self, CheckResult, statement::Body};

use super::{VerifiedHistory, VerifyError};

/// An order or recall by its own history.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedOrder {
    /// Which.
    pub subject: SubjectId,
    /// What opened it: a stop of use, a seal or a recall.
    pub opened: Body,
    /// Where that stands in the log.
    pub position: LogPosition,
    /// When it was given, as its signer says.
    pub occurred_at: Timestamp,
    /// The machines that it names, and what became of each.
    pub machines: BTreeMap<SubjectId, OrderedMachine>,
    /// The mines that must acknowledge it, each with its receipt.
    pub mines: BTreeMap<SubjectId, Option<OrderReceipt>>,
    /// Entries that could not be read: withheld, or of a kind that this program does not know. While there are any, more
    /// may have become of it than is said here.
    pub unread: u64,
}

/// A machine of an order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OrderedMachine {
    /// Where it was named first.
    pub named: LogPosition,
    /// Where the order was lifted for it, the seal taken off, or the recall remedied.
    pub ended: Option<LogPosition>,
}

/// How a mine acknowledged an order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OrderReceipt {
    /// Where it stands.
    pub position: LogPosition,
    /// When it was given.
    pub occurred_at: Timestamp,
    /// Whether the mine refused to sign.
    pub refused: bool,
    /// Note.
    pub note: String,
}

impl VerifiedOrder {
    /// Number, authority, basis and what else every order has.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other body opens an order")]
    pub fn order(&self) -> Option<&v1::Order> {
        match &self.opened {
            Body::StopUseOrdered(body) => body.order.as_ref(),
            Body::SealedUp(body) => body.order.as_ref(),
            Body::RecallIssued(body) => body.order.as_ref(),
            _ => None,
        }
    }

    /// The machines for which it still stands.
    pub fn standing(&self) -> impl Iterator<Item = SubjectId> {
        self.machines.iter().filter(|(_, machine)| machine.ended.is_none()).map(|(id, _)| *id)
    }
}

/// Reads an order from its proved history; `None` where it was never opened, or its opening may not be seen.
///
/// Whether the remedy of a recalled machine was withdrawn later, only the machine's own history says.
///
/// # Errors
/// [`VerifyError::Malformed`] for a subject that is no order, or a body that its own number does not decode.
pub fn order_in(history: &VerifiedHistory) -> Result<Option<VerifiedOrder>, VerifyError> {
    let subject = history.head.subject;
    if subject.kind() != SubjectKind::Order {
        return Err(VerifyError::malformed("subject", format!("{subject} is no order")));
    }
    let mut unread = history.first_touch.saturating_add(history.withheld() as u64);
    let mut found: Option<VerifiedOrder> = None;
    for (position, _, event) in history.events() {
        let statement = event.statement();
        let body = CheckedBody::parse(statement.body_number, &statement.body);
        let body = body.map_err(|problem| VerifyError::Form { position, problem })?;
        match (&mut found, opens(&body)) {
            (None, true) if statement.subject == subject => {
                let mut order = VerifiedOrder {
                    subject,
                    opened: body.message().clone(),
                    position,
                    occurred_at: statement.occurred_at,
                    machines: BTreeMap::new(),
                    mines: BTreeMap::new(),
                    unread: 0,
                };
                if let Some(named) = order.order().cloned() {
                    order.name(position, &named.machines, &named.mines)?;
                }
                found = Some(order);
            }
            (Some(order), false) => {
                if !order.apply(position, statement.subject, statement.occurred_at, body.message())? {
                    unread = unread.saturating_add(1);
                }
            }
            (None, _) | (Some(_), true) => unread = unread.saturating_add(1),
        }
    }
    if let Some(order) = &mut found {
        order.unread = unread;
    }
    Ok(found)
}

fn opens(body: &CheckedBody) -> bool {
    matches!(body.kind(), EventKind::StopUseOrdered | EventKind::SealedUp | EventKind::RecallIssued)
}

impl VerifiedOrder {
    fn name(&mut self, position: LogPosition, machines: &[Vec<u8>], mines: &[Vec<u8>]) -> Result<(), VerifyError> {
        for machine in machines {
            let named = OrderedMachine { named: position, ended: None };
            self.machines.entry(id(SubjectKind::Equipment, machine)?).or_insert(named);
        }
        for mine in mines {
            self.mines.entry(id(SubjectKind::Mine, mine)?).or_insert(None);
        }
        Ok(())
    }

    fn end(&mut self, position: LogPosition, machines: &[Vec<u8>]) -> Result<(), VerifyError> {
        for machine in machines {
            if let Some(machine) = self.machines.get_mut(&id(SubjectKind::Equipment, machine)?) {
                machine.ended.get_or_insert(position);
            }
        }
        Ok(())
    }

    /// Takes in an event about the order; gives whether it is of a kind that is known here.
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other kind changes an order")]
    fn apply(
        &mut self,
        position: LogPosition,
        on: SubjectId,
        occurred_at: Timestamp,
        body: &Body,
    ) -> Result<bool, VerifyError> {
        match body {
            Body::OrderExtended(body) => self.name(position, &body.machines, &body.mines)?,
            Body::StopUseLifted(body) => self.end(position, &body.machines)?,
            Body::Unsealed(body) => self.end(position, &body.machines)?,
            Body::RecallRemedied(body) if body.result() == CheckResult::Pass => {
                self.end(position, &[on.id().to_vec()])?;
            }
            // It was tried, and the recall stands; a note changes nothing.
            Body::RecallRemedied(_) | Body::Noted(_) => {}
            Body::OrderReceived(body) => {
                let (refused, note) = (body.refused, body.note.clone());
                let receipt = OrderReceipt { position, occurred_at, refused, note };
                self.mines.insert(id(SubjectKind::Mine, &body.mine)?, Some(receipt));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn id(kind: SubjectKind, bytes: &[u8]) -> Result<SubjectId, VerifyError> {
    let found = bytes.len();
    let id = bytes.try_into().map_err(|_| VerifyError::malformed(kind.name(), format!("has {found} bytes, not 16")))?;
    Ok(SubjectId::new(kind, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(at: u64) -> LogPosition {
        LogPosition::new(at).unwrap()
    }

    fn machine(number: u8) -> SubjectId {
        SubjectId::new(SubjectKind::Equipment, [number; 16])
    }

    fn order() -> VerifiedOrder {
        let mut order = VerifiedOrder {
            subject: SubjectId::new(SubjectKind::Order, [9; 16]),
            opened: Body::StopUseOrdered(v1::StopUseOrdered::default()),
            position: position(1),
            occurred_at: Timestamp::from_micros(0),
            machines: BTreeMap::new(),
            mines: BTreeMap::new(),
            unread: 0,
        };
        order.name(position(1), &[vec![1; 16], vec![2; 16]], &[vec![7; 16]]).unwrap();
        order
    }

    fn standing(order: &VerifiedOrder) -> Vec<SubjectId> {
        order.standing().collect()
    }

    #[test]
    fn machines_are_added_and_lifted_one_by_one() {
        let mut order = order();
        let mut apply = |at, on, body: Body| order.apply(position(at), on, Timestamp::from_micros(0), &body);
        let machines = |ids: &[u8]| ids.iter().map(|id| vec![*id; 16]).collect::<Vec<_>>();
        let extended = v1::OrderExtended { machines: machines(&[2, 3]), mines: Vec::new() };
        assert_eq!(apply(2, machine(0), Body::OrderExtended(extended)), Ok(true));
        let lifted = v1::StopUseLifted { machines: machines(&[2]), ..Default::default() };
        assert_eq!(apply(3, machine(0), Body::StopUseLifted(lifted)), Ok(true));
        assert_eq!(apply(4, machine(0), Body::Corrected(v1::Corrected::default())), Ok(false), "it is not read here");
        assert_eq!(order.machines[&machine(2)], OrderedMachine { named: position(1), ended: Some(position(3)) });
        assert_eq!(standing(&order), [machine(1), machine(3)]);
    }

    #[test]
    fn a_recall_ends_with_a_remedy_that_passed() {
        let mut order = order();
        let remedied = |result: CheckResult| {
            Body::RecallRemedied(v1::RecallRemedied { result: result.into(), ..Default::default() })
        };
        order.apply(position(2), machine(1), Timestamp::from_micros(0), &remedied(CheckResult::Fail)).unwrap();
        assert_eq!(standing(&order), [machine(1), machine(2)]);
        order.apply(position(3), machine(1), Timestamp::from_micros(0), &remedied(CheckResult::Pass)).unwrap();
        assert_eq!(standing(&order), [machine(2)]);
    }
}
