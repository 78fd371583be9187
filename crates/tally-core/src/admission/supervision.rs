//! What is refused about marks, publications and orders because of earlier entries.

use tally_proto::v1::{Publication, PublicationLayer, Role, statement::Body as Message};

use super::{
    Admission,
    record::{Grant, Order, OrderKind, Record},
};
use crate::{
    candidate::Candidate,
    event::EventKind,
    id::{OrganisationId, SubjectId, SubjectKind},
    refusal::Refusal,
};

/// Orders that name a machine, beyond which its maker recalls it no more: what is remembered of a machine stays small,
/// whatever its maker does. Authorities are not bounded, or a maker could keep a machine out of their reach.
pub const MAKER_ORDERS_MAX: usize = 256;

impl Admission {
    /// Checks what an event about a mark, a publication or an order claims.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are about none of these")]
    pub(super) fn check_supervision(&self, candidate: &Candidate) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let subject = statement.subject;
        match (self.record(&subject), candidate.body().message()) {
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
            (_, Message::RecallIssued(body)) => {
                let model = <[u8; 16]>::try_from(body.model.as_slice()).ok();
                self.check_recalled(candidate, "recall_issued.order.machines", model)
            }
            (Record::Order(order), Message::OrderExtended(_)) => {
                if !self.is_or_succeeds(&statement.organisation, &order.authority) {
                    return self.not_in_position(candidate, "authority that gave the order");
                }
                match order.kind {
                    OrderKind::Recall => self.check_recalled(candidate, "order_extended.machines", order.model),
                    OrderKind::StopUse | OrderKind::Seal => Ok(()),
                }
            }
            (Record::Order(order), Message::StopUseLifted(_)) => {
                self.check_lifting(candidate, order, OrderKind::StopUse)?;
                self.check_ordered(candidate, "stop_use_lifted.machines")
            }
            (Record::Order(order), Message::Unsealed(_)) => {
                self.check_lifting(candidate, order, OrderKind::Seal)?;
                self.check_ordered(candidate, "unsealed.machines")
            }
            (Record::Order(order), Message::OrderReceived(body)) => {
                self.check_receipt(candidate, order, &body.mine, body.refused)
            }
            (_, Message::RecallRemedied(body)) => {
                let recall = <[u8; 16]>::try_from(body.recall.as_slice()).unwrap_or_default();
                let recall = SubjectId::new(SubjectKind::Order, recall);
                match self.record(&recall) {
                    Record::Order(order) if order.kind == OrderKind::Recall => {
                        self.check_named_by(&recall, &subject, "recall_remedied.recall")
                    }
                    _ => Err(Refusal::NamedUnknown { field: "recall_remedied.recall", subject: recall }),
                }
            }
            _ => Ok(()),
        }
    }

    /// Machines of a recall: of its one model, where it is about one; a maker recalls what it made, else it could put the
    /// machines of another under a cloud.
    fn check_recalled(
        &self,
        candidate: &Candidate,
        field: &'static str,
        model: Option<[u8; 16]>,
    ) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let organisation = statement.organisation;
        let by_maker = statement.role == Role::Manufacturer as u32;
        for subject in &statement.mentions {
            let Some(machine) = self.equipment(subject) else { continue };
            let made = machine.maker.is_some_and(|maker| self.is_or_succeeds(&organisation, &maker));
            if by_maker && !made {
                let why = "it did not make the machine";
                return Err(Refusal::MentionNotAllowed { organisation, subject: *subject, why });
            }
            if by_maker && machine.orders.len() >= MAKER_ORDERS_MAX && !machine.orders.contains(statement.subject.id())
            {
                let why = "256 orders name the machine already; a mark authority or regulator may recall it";
                return Err(Refusal::MentionNotAllowed { organisation, subject: *subject, why });
            }
            if let Some(model) = model.map(|model| SubjectId::new(SubjectKind::Model, model))
                && machine.model != Some(model)
            {
                let on_record = machine.model.map_or("no model".to_owned(), |model| model.to_string());
                let claimed = format!("{subject} of {model}");
                return Err(Refusal::NotAsRecorded { field, claimed, on_record });
            }
        }
        Ok(())
    }

    /// Every machine that the event mentions is one of the order's.
    fn check_ordered(&self, candidate: &Candidate, field: &'static str) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let machines = statement.mentions.iter().filter(|mention| mention.kind() == SubjectKind::Equipment);
        machines.clone().try_for_each(|machine| self.check_named_by(&statement.subject, machine, field))
    }

    fn check_named_by(&self, order: &SubjectId, machine: &SubjectId, field: &'static str) -> Result<(), Refusal> {
        if self.equipment(machine).is_some_and(|known| known.orders.binary_search(order.id()).is_ok()) {
            return Ok(());
        }
        let claimed = format!("{machine} under {order}");
        Err(Refusal::NotAsRecorded { field, claimed, on_record: "no such machine of this order".to_owned() })
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
                let covered = if by_mine {
                    self.covers(&organisation, &mine)
                } else {
                    let area = self.mine_by_id(&mine).map_or("", |mine| mine.area.as_str());
                    by_registrar || self.has_jurisdiction(&organisation, area)
                };
                if covered { Ok(()) } else { outside("this mine") }
            }
        }
    }

    /// Whether a regulator's grant reaches as far as an area; the empty area is the nation.
    fn has_jurisdiction(&self, organisation: &OrganisationId, area: &str) -> bool {
        self.jurisdiction(organisation).iter().any(|own| area.starts_with(own.as_str()))
    }

    /// Areas of a regulator's grants; the empty area is the nation.
    fn jurisdiction(&self, organisation: &OrganisationId) -> Vec<String> {
        let grants = self.organisation(organisation).into_iter().flat_map(|record| &record.grants);
        let areas = |grant: &Grant| if grant.areas.is_empty() { vec![String::new()] } else { grant.areas.clone() };
        grants.filter(|grant| grant.role == Role::Regulator).flat_map(areas).collect()
    }

    /// Whether one authority reaches over all that the other does.
    fn reaches_over(&self, authority: &OrganisationId, other: &OrganisationId) -> bool {
        self.jurisdiction(other).iter().all(|area| self.has_jurisdiction(authority, area))
    }

    /// The same authority lifts, or a higher one: a regulator that reaches over all that the other does, and not the other
    /// way round.
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
        let authority = &order.authority;
        let higher = if self.jurisdiction(authority).is_empty() {
            // An authority that is one no more cannot lift: somebody must be able to.
            self.has_jurisdiction(&organisation, "")
        } else {
            self.reaches_over(&organisation, authority) && !self.reaches_over(authority, &organisation)
        };
        if higher {
            Ok(())
        } else {
            Err(Refusal::OutsideJurisdiction { organisation, what: "the authority that gave the order".to_owned() })
        }
    }

    fn check_receipt(&self, candidate: &Candidate, order: &Order, mine: &[u8], refused: bool) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let mine = <[u8; 16]>::try_from(mine).unwrap_or_default();
        let by_mine = statement.role == Role::Mine as u32;
        if !order.mines.contains(&mine) {
            let claimed = SubjectId::new(SubjectKind::Mine, mine).to_string();
            let on_record = "no mine that must acknowledge this order".to_owned();
            return Err(Refusal::NotAsRecorded { field: "order_received.mine", claimed, on_record });
        }
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
