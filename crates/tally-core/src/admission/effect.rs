//! What an admitted event changes in the state that later ones are judged by.

use std::{collections::BTreeSet, sync::Arc};

use prost::Message as _;
use tally_proto::v1::{self, DispatchReason, KeyKind, Measure, Role, statement::Body as Message};

use super::{
    Admission,
    judge::produced_on,
    record::{Dispatch, Engagement, Equipment, Grant, KeyRecord, Mine, Order, OrderKind, Record},
};
use crate::{
    candidate::Candidate,
    event::{self, EventKind, day},
    hash::Digest,
    id::{OrganisationId, SubjectId, SubjectKind},
    key::{KeyId, PublicKey},
    number::LogPosition,
    text,
};

impl Admission {
    pub(super) fn take_effect(&mut self, candidate: &Candidate, position: LogPosition) {
        let subject = candidate.statement().subject;
        match subject.kind() {
            SubjectKind::Organisation => self.on_organisation(candidate, position),
            SubjectKind::Mine => self.on_mine(candidate),
            SubjectKind::Equipment => self.on_equipment(candidate),
            SubjectKind::Model => self.change(&subject).record = Record::Model,
            SubjectKind::Mark => self.on_mark(candidate),
            SubjectKind::Order => self.on_order(candidate),
            SubjectKind::Publication if candidate.kind().opens() => {
                let publisher = candidate.statement().organisation;
                self.change(&subject).record = Record::Publication { publisher };
            }
            SubjectKind::Accident | SubjectKind::Publication => {}
        }
    }

    fn on_mark(&mut self, candidate: &Candidate) {
        let ends = matches!(candidate.kind(), EventKind::MarkRevoked | EventKind::MarkCancelled);
        if candidate.kind().opens() || ends {
            self.change(&candidate.statement().subject).record = Record::Mark { ended: ends };
        }
    }

    fn on_order(&mut self, candidate: &Candidate) {
        let statement = candidate.statement();
        let (subject, authority) = (statement.subject, statement.organisation);
        let opened = |kind, model| Order { kind, authority, model, mines: BTreeSet::new() };
        let mut order = match (candidate.body().message(), self.record(&subject)) {
            (Message::StopUseOrdered(_), _) => opened(OrderKind::StopUse, None),
            (Message::SealedUp(_), _) => opened(OrderKind::Seal, None),
            (Message::RecallIssued(body), _) => {
                opened(OrderKind::Recall, <[u8; 16]>::try_from(body.model.as_slice()).ok())
            }
            (Message::OrderExtended(_), Record::Order(order)) => Order::clone(order),
            _ => return,
        };
        // What these kinds mention is exactly what the order is about.
        let of = |kind| statement.mentions.iter().filter(move |mention| mention.kind() == kind);
        order.mines.extend(of(SubjectKind::Mine).map(|mine| *mine.id()));
        self.change(&subject).record = Record::Order(Arc::new(order));
        for machine in of(SubjectKind::Equipment) {
            let Some(known) = self.equipment(machine) else { continue };
            if let Err(at) = known.orders.binary_search(subject.id()) {
                let mut known = known.clone();
                known.orders.insert(at, *subject.id());
                self.change(machine).record = Record::Equipment(Arc::new(known));
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds change nothing that admission asks")]
    fn on_organisation(&mut self, candidate: &Candidate, position: LogPosition) {
        let subject = candidate.statement().subject;
        let Ok(id) = OrganisationId::try_from(subject) else { return };
        let mut record = self.organisation(&id).cloned().unwrap_or_default();
        match candidate.body().message() {
            Message::OrganisationRegistered(body) => {
                record.plate_names = body.plate_names.iter().filter_map(|name| text::normalise(name).ok()).collect();
                if let Some(genesis) = body.genesis.as_ref().filter(|_| position == LogPosition::FIRST) {
                    self.registrar = Some(id);
                    self.threshold = genesis.threshold;
                    self.log_key = PublicKey::parse(&genesis.log_key).ok().map(|key| key.key_id());
                    for key in &genesis.registrar_keys {
                        self.add_key(id, key, KeyKind::Organisation, None, true);
                    }
                }
                self.add_key(id, &body.first_key, KeyKind::Organisation, None, false);
                self.add_key(id, &body.recovery_key, KeyKind::Recovery, None, false);
            }
            Message::RoleGranted(body) => record.grants.push(grant(body)),
            Message::RoleWithdrawn(body) => record.grants.retain(|grant| grant.role != body.role()),
            Message::KeyAdded(body) => {
                let person = <[u8; 16]>::try_from(body.person_id.as_slice()).ok();
                let registrar = self.registrar == Some(id) && body.kind() == KeyKind::Organisation;
                self.add_key(id, &body.key, body.kind(), person, registrar);
            }
            Message::KeyRevoked(body) => {
                if let Some(key_id) = KeyId::parse(&body.key_id)
                    && let Some(key) = self.keys.get(&key_id).cloned()
                {
                    self.change_key(key_id, KeyRecord { revoked: true, ..key });
                }
            }
            Message::OrganisationChanged(body) => {
                let ended: Vec<String> =
                    body.plate_names_ended.iter().filter_map(|name| text::normalise(name).ok()).collect();
                record.plate_names.retain(|name| !ended.contains(name));
                record.plate_names.extend(body.plate_names_added.iter().filter_map(|name| text::normalise(name).ok()));
            }
            Message::OrganisationSucceeded(body) => record.successor = event::organisation(&body.successor),
            Message::Engaged(body) => record.engagements.extend(engagement(candidate, body)),
            Message::EngagementEnded(body) => end_engagement(&mut record.engagements, body),
            _ => return,
        }
        self.change(&subject).record = Record::Organisation(Arc::new(record));
    }

    fn add_key(&mut self, id: OrganisationId, key: &[u8], kind: KeyKind, person: Option<[u8; 16]>, registrar: bool) {
        if let Ok(key) = PublicKey::parse(key) {
            let known = self.keys.get(&key.key_id()).is_some_and(|known| known.registrar);
            let record =
                KeyRecord { key, organisation: id, kind, person, registrar: registrar || known, revoked: false };
            self.change_key(record.key_id(), record);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds change nothing that admission asks")]
    fn on_mine(&mut self, candidate: &Candidate) {
        let subject = candidate.statement().subject;
        if let Message::MineRegistered(body) = candidate.body().message() {
            let Some(operator) = event::organisation(&body.operator) else { return };
            let area = body.area_code.clone();
            let mine = Mine { operator, area, engagements: Vec::new(), places: std::collections::BTreeMap::new() };
            self.change(&subject).record = Record::Mine(Arc::new(mine));
            return;
        }
        let Some(mut mine) = self.mine(&subject).cloned() else { return };
        match candidate.body().message() {
            Message::OperatorChanged(body) => {
                if let Some(operator) = event::organisation(&body.operator) {
                    mine.operator = operator;
                }
            }
            Message::MineProfileChanged(body) if !body.area_code.is_empty() => mine.area.clone_from(&body.area_code),
            Message::PlaceCreated(_) => drop(mine.places.insert(candidate.statement().event_id, true)),
            Message::PlaceClosed(body) => {
                if let Some(open) = mine.places.iter_mut().find(|(node, _)| node.as_bytes()[..] == *body.place) {
                    *open.1 = false;
                }
            }
            Message::Engaged(body) => mine.engagements.extend(engagement(candidate, body)),
            Message::EngagementEnded(body) => end_engagement(&mut mine.engagements, body),
            _ => return,
        }
        self.change(&subject).record = Record::Mine(Arc::new(mine));
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only pieces have a parent")]
    fn on_equipment(&mut self, candidate: &Candidate) {
        let subject = candidate.statement().subject;
        let parent = match candidate.body().message() {
            Message::LotSplit(body) => <[u8; 16]>::try_from(body.parent.as_slice())
                .ok()
                .and_then(|parent| self.equipment(&SubjectId::new(SubjectKind::Equipment, parent)).cloned()),
            _ => None,
        };
        let former = self.equipment(&subject).cloned();
        if let Some(machine) = machine_after(candidate, former, parent) {
            self.change(&subject).record = Record::Equipment(Arc::new(machine));
        }
    }
}

/// What is on record about a machine after an event; `None` where nothing changes.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds change nothing that admission asks")]
fn machine_after(candidate: &Candidate, former: Option<Equipment>, parent: Option<Equipment>) -> Option<Equipment> {
    let statement = candidate.statement();
    let signer = statement.organisation;
    let opened = former.is_some();
    let mut machine = former.unwrap_or_default();
    let mine = |id: &[u8]| <[u8; 16]>::try_from(id).ok();
    match candidate.body().message() {
        Message::Manufactured(body) => {
            machine.maker = Some(signer);
            machine.model = SubjectId::model(&body.maker, &body.model).ok();
            if !opened {
                machine.owner = Some(signer);
                machine.holder = Some(signer);
                machine.quantity = body.quantity.clone().map(Box::new);
            }
            machine.produced_on = machine.produced_on.or_else(|| produced_on(candidate.body().message()));
        }
        // A further enrolment is recorded and changes nothing.
        Message::Enrolled(_) if opened => return None,
        Message::Enrolled(body) => {
            machine.owner = Some(signer);
            machine.holder = Some(signer);
            machine.model = SubjectId::model(&body.maker, &body.model).ok();
            machine.produced_on = produced_on(candidate.body().message());
            machine.mine = event::place_mine(body.place.as_ref()).map(|mine| *mine.id());
            machine.quantity = body.quantity.clone().map(Box::new);
        }
        Message::AssemblyFormed(body) => {
            machine.owner = Some(signer);
            machine.holder = Some(signer);
            machine.mine = event::place_mine(body.place.as_ref()).map(|mine| *mine.id());
        }
        Message::LotSplit(_) if opened => {
            machine.quantity = machine.quantity.map(|quantity| Box::new(Measure { digits: 0, ..*quantity }));
            machine.split = Some(Digest::of(&statement.body));
        }
        Message::LotSplit(body) => {
            let piece = body.children.iter().find(|piece| {
                let parent = <[u8; 16]>::try_from(body.parent.as_slice()).unwrap_or_default();
                SubjectId::child(&parent, &piece.suffix).is_ok_and(|child| child == statement.subject)
            });
            machine = Equipment { dispatch: None, dismantled: false, split: None, ..parent.unwrap_or_default() };
            machine.quantity = piece.and_then(|piece| match (&piece.from, &piece.to) {
                (Some(from), Some(to)) => {
                    Some(Box::new(Measure { digits: to.digits.saturating_sub(from.digits), ..to.clone() }))
                }
                _ => None,
            });
        }
        Message::FactoryExit(body) => {
            machine.dispatch = dispatch(candidate, &body.consignee, body.reason());
        }
        Message::Dispatched(body) => {
            machine.mine = None;
            machine.dispatch = dispatch(candidate, &body.to_organisation, body.reason());
        }
        Message::ReceiptRefused(_) => {
            if let Some(dispatch) = &mut machine.dispatch {
                dispatch.refused = true;
            }
        }
        Message::Received(body) => {
            let dispatch = machine.dispatch.take();
            machine.holder = Some(signer);
            machine.mine = mine(&body.mine_entered);
            // Only the owner sells: what a holder sends off changes hands, not its owner.
            let sold = |dispatch: Dispatch| {
                dispatch.reason == DispatchReason::Sale && !dispatch.refused && machine.owner == Some(dispatch.sender)
            };
            if dispatch.is_some_and(sold) {
                machine.owner = Some(signer);
            }
        }
        Message::OwnershipChanged(body) => machine.owner = event::organisation(&body.new_owner),
        Message::LeaseStarted(body) => machine.user = event::organisation(&body.lessee),
        Message::LeaseEnded(_) => machine.user = None,
        Message::EnteredMine(body) => machine.mine = mine(&body.mine),
        Message::Recovered(body) => {
            if let Some(mine) = event::place_mine(body.place.as_ref()) {
                machine.mine = Some(*mine.id());
            }
        }
        Message::Exported(_) => machine.mine = None,
        Message::Dismantled(_) => machine.dismantled = true,
        Message::Corrected(body) => {
            // Only a Manufactured has a day of manufacture that can be amended, and it opens its chain.
            let replacement = body
                .replacement
                .as_ref()
                .filter(|_| body.event.as_ref().is_some_and(|event| event.chain_index == 0))?;
            let amended = v1::Manufactured::decode(replacement.body.as_slice()).ok()?;
            let is_manufactured = !amended.maker.is_empty() && !amended.serial.is_empty() && machine.maker.is_some();
            let produced_on = amended.produced_on.as_ref().and_then(day).filter(|_| is_manufactured)?;
            machine.produced_on = Some(produced_on);
        }
        _ => return None,
    }
    Some(machine)
}

fn dispatch(candidate: &Candidate, consignee: &[u8], reason: DispatchReason) -> Option<Dispatch> {
    Some(Dispatch {
        chain_index: candidate.event().chain_index(),
        event_hash: candidate.event().event_hash(),
        consignee: event::organisation(consignee)?,
        sender: candidate.statement().organisation,
        reason,
        refused: false,
    })
}

fn grant(body: &v1::RoleGranted) -> Grant {
    let scope = body.scope.clone().unwrap_or_default();
    Grant {
        role: Role::try_from(body.role).unwrap_or_default(),
        mines: scope.mines.iter().filter_map(|mine| <[u8; 16]>::try_from(mine.as_slice()).ok()).collect(),
        areas: scope.areas,
        from: body.from.as_ref().and_then(day),
        until: body.until.as_ref().and_then(day),
    }
}

fn engagement(candidate: &Candidate, body: &v1::Engaged) -> Option<Engagement> {
    let organisation = event::organisation(&body.organisation)?;
    Some(Engagement { chain_index: candidate.event().chain_index(), organisation })
}

fn end_engagement(engagements: &mut Vec<Engagement>, body: &v1::EngagementEnded) {
    if let Some(ended) = &body.engagement {
        engagements.retain(|engagement| engagement.chain_index.get() != ended.chain_index);
    }
}
