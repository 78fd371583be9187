//! What is refused about marks, publications and orders because of earlier entries.

use tally_proto::v1::{Publication, PublicationLayer, Role, statement::Body as Message};

use super::{
    Admission,
    record::{Order, OrderKind, Record},
};
use crate::{
    candidate::Candidate,
    event::EventKind,
    id::{OrganisationId, SubjectId, SubjectKind},
    refusal::Refusal,
};

impl Admission {
    /// Checks what an event about a mark, a publication or an order claims.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are about none of these")]
    pub(super) fn check_supervision(&self, candidate: &Candidate) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let subject = statement.subject;
        match (self.record(&subject), candidate.body().message()) {
            (Record::Mark { ended: true }, _) => Err(Refusal::MarkEnded { subject }),
            (_, Message::PolicyPublished(body)) => self.check_publication(candidate, body.publication.as_ref()),
            (_, Message::SchedulePublished(body)) => self.check_publication(candidate, body.publication.as_ref()),
            (_, Message::CategoriesPublished(body)) => self.check_publication(candidate, body.publication.as_ref()),
            (_, Message::PhaseOutPublished(body)) => self.check_publication(candidate, body.publication.as_ref()),
            (Record::Publication { publisher }, Message::PublicationWithdrawn(_)) => {
                if self.is_or_succeeds(&statement.organisation, publisher) {
                    Ok(())
                } else {
                    self.not_in_position(candidate, "publisher")
                }
            }
            (Record::Order(order), Message::OrderExtended(_)) => {
                if self.is_or_succeeds(&statement.organisation, &order.authority) {
                    Ok(())
                } else {
                    self.not_in_position(candidate, "authority that gave the order")
                }
            }
            (Record::Order(order), Message::StopUseLifted(_)) => {
                self.check_lifting(candidate, order, OrderKind::StopUse)
            }
            (Record::Order(order), Message::Unsealed(_)) => self.check_lifting(candidate, order, OrderKind::Seal),
            (Record::Order(_), Message::OrderReceived(body)) => self.check_receipt(candidate, &body.mine, body.refused),
            (_, Message::RecallRemedied(body)) => {
                let recall = <[u8; 16]>::try_from(body.recall.as_slice()).unwrap_or_default();
                let recall = SubjectId::new(SubjectKind::Order, recall);
                match self.record(&recall) {
                    Record::Order(Order { kind: OrderKind::Recall, .. }) => Ok(()),
                    _ => Err(Refusal::NamedUnknown { field: "recall_remedied.recall", subject: recall }),
                }
            }
            _ => Ok(()),
        }
    }

    fn not_in_position(&self, candidate: &Candidate, position: &'static str) -> Result<(), Refusal> {
        let organisation = candidate.statement().organisation;
        Err(Refusal::NotInPosition { kind: candidate.kind(), position, organisation })
    }

    fn check_publication(&self, candidate: &Candidate, publication: Option<&Publication>) -> Result<(), Refusal> {
        let Some(publication) = publication else { return Ok(()) };
        let statement = candidate.statement();
        let organisation = statement.organisation;
        let by_mine = statement.role == Role::Mine as u32;
        let by_registrar = statement.role == Role::Registrar as u32;
        let outside = |what: &str| Err(Refusal::OutsideJurisdiction { organisation, what: what.to_owned() });
        match publication.layer() {
            PublicationLayer::Nation | PublicationLayer::Unspecified if by_mine => outside("the nation"),
            PublicationLayer::Nation | PublicationLayer::Unspecified => {
                if by_registrar || self.has_jurisdiction(&organisation, "") { Ok(()) } else { outside("the nation") }
            }
            PublicationLayer::Area => {
                let area = publication.area.as_str();
                let covered = by_registrar || (!by_mine && self.has_jurisdiction(&organisation, area));
                if covered { Ok(()) } else { outside(&format!("area {area}")) }
            }
            PublicationLayer::Group => {
                if by_mine {
                    Ok(())
                } else {
                    self.not_in_position(candidate, "organisation that runs the mines")
                }
            }
            PublicationLayer::Mine => {
                let mine = <[u8; 16]>::try_from(publication.mine.as_slice()).unwrap_or_default();
                if !by_mine || self.covers(&organisation, &mine) { Ok(()) } else { outside("this mine") }
            }
        }
    }

    /// Whether a regulator's grant reaches as far as an area; the empty area is the nation.
    fn has_jurisdiction(&self, organisation: &OrganisationId, area: &str) -> bool {
        self.organisation(organisation).is_some_and(|record| {
            let mut grants = record.grants.iter().filter(|grant| grant.role == Role::Regulator);
            grants.any(|grant| grant.areas.is_empty() || grant.areas.iter().any(|own| area.starts_with(own.as_str())))
        })
    }

    /// The same authority lifts, or a higher one: a regulator whose grant reaches over all that the other's does.
    fn check_lifting(&self, candidate: &Candidate, order: &Order, kind: OrderKind) -> Result<(), Refusal> {
        let organisation = candidate.statement().organisation;
        if order.kind != kind {
            let name = |kind| match kind {
                OrderKind::StopUse => EventKind::StopUseOrdered.name(),
                OrderKind::Seal => EventKind::SealedUp.name(),
                OrderKind::Recall => EventKind::RecallIssued.name(),
            };
            let (claimed, on_record) = (name(kind).to_owned(), name(order.kind).to_owned());
            return Err(Refusal::NotAsRecorded { field: "order", claimed, on_record });
        }
        if self.is_or_succeeds(&organisation, &order.authority) {
            return Ok(());
        }
        let areas = self.organisation(&order.authority).map_or_else(Vec::new, |record| {
            let grants = record.grants.iter().filter(|grant| grant.role == Role::Regulator);
            grants
                .flat_map(|grant| if grant.areas.is_empty() { vec![String::new()] } else { grant.areas.clone() })
                .collect()
        });
        let higher = !areas.is_empty()
            && areas.iter().all(|area| self.has_jurisdiction(&organisation, area))
            && !areas.iter().all(|area| area.is_empty());
        if higher {
            Ok(())
        } else {
            Err(Refusal::OutsideJurisdiction { organisation, what: "the authority that gave the order".to_owned() })
        }
    }

    fn check_receipt(&self, candidate: &Candidate, mine: &[u8], refused: bool) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let mine = <[u8; 16]>::try_from(mine).unwrap_or_default();
        let by_mine = statement.role == Role::Mine as u32;
        if by_mine && !self.covers(&statement.organisation, &mine) {
            return self.not_in_position(candidate, "mine that the order names");
        }
        if refused == by_mine {
            let position = if refused { "regulator, who notes that the mine refused" } else { "mine" };
            return self.not_in_position(candidate, position);
        }
        Ok(())
    }
}
