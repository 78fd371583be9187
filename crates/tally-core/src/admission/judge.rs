//! What is refused because of earlier entries, in the order in which it is asked.

use tally_proto::v1::{InspectionKind, IrregularityKind, KeyKind, Role, statement::Body as Message};

use super::{
    Admission, Chains,
    record::{Equipment, KeyRecord, Record},
};
use crate::{
    authority::{self, IfMissing, Second, Signer, When, second_name, signer_name},
    candidate::Candidate,
    event::{self, EventKind, day, kind::Stage},
    hash::Digest,
    id::{OrganisationId, SubjectId, SubjectKind},
    key::KeyId,
    refusal::Refusal,
    text,
    time::{Day, Timestamp},
};

/// How far `occurred_at` may be ahead of the server's clock.
pub const AHEAD_MICROS_MAX: i64 = 5 * 60 * 1_000_000;
/// Earliest `occurred_at`: 1950-01-01 in +08:00.
pub const OCCURRED_MICROS_MIN: i64 = -631_180_800_000_000;
/// Beyond this, `untrusted_since` needs the hand of the registrar or a regulator.
pub const UNTRUSTED_MICROS_MAX: i64 = 30 * 24 * 3_600 * 1_000_000;

/// Subjects of the other members of the event's set; empty where it stands alone.
pub type SetMembers = [SubjectId];

/// What is irregular about an event that is recorded all the same.
pub type Findings = Vec<IrregularityKind>;

/// Who signs: the issuer's key and those of the hands.
struct Signers<'a> {
    issuer: &'a KeyRecord,
    hands: Vec<&'a KeyRecord>,
}

impl Signers<'_> {
    fn all(&self) -> impl Iterator<Item = &KeyRecord> {
        std::iter::once(self.issuer).chain(self.hands.iter().copied())
    }

    /// Different persons among them.
    fn persons(&self) -> usize {
        let mut persons: Vec<[u8; 16]> = self.all().filter_map(|key| key.person).collect();
        persons.sort_unstable();
        persons.dedup();
        persons.len()
    }
}

impl Admission {
    /// Decides whether the event may stand at the end of its chain, and what is irregular about it.
    ///
    /// `now` is the time at which it would be sealed; `set` the subjects of all members of its set.
    ///
    /// # Errors
    /// The first reason to refuse it. A chain index below the head gives [`Refusal::StaleHead`]; whether that is a
    /// retry of what stands there, [`crate::retry::judge_behind`] says.
    pub fn judge(
        &self,
        candidate: &Candidate,
        now: Timestamp,
        set: &SetMembers,
        chains: &impl Chains,
    ) -> Result<Findings, Refusal> {
        self.check_link(candidate)?;
        if let Some(set) = candidate.statement().set.filter(|_| set.is_empty()) {
            return Err(Refusal::SetIncomplete { count: set.count });
        }
        let signers = self.check_signers(candidate)?;
        check_instant(candidate.statement().occurred_at, now)?;
        self.check_opening(candidate)?;
        self.check_authority(candidate, &signers)?;
        self.check_second(candidate, &signers, now)?;
        self.check_hands(candidate, &signers)?;
        self.check_mentions(candidate, set)?;
        self.check_facts(candidate, now, set, chains)?;
        Ok(self.findings_of(candidate, &signers))
    }

    /// What is irregular about an event of this log, at its place: for those that were judged before.
    pub fn findings(&self, candidate: &Candidate) -> Findings {
        self.signers(candidate).map(|signers| self.findings_of(candidate, &signers)).unwrap_or_default()
    }

    fn check_link(&self, candidate: &Candidate) -> Result<(), Refusal> {
        let subject = candidate.statement().subject;
        let claimed = candidate.event().chain_index();
        let head = self.refusal_head(&subject);
        if claimed.get() < head.chain_length {
            return Err(Refusal::StaleHead { subject, claimed, head });
        }
        if claimed.get() > head.chain_length {
            return Err(Refusal::ChainGap { subject, claimed, head });
        }
        if candidate.event().event().previous_hash() != head.head_hash {
            return Err(Refusal::WrongPreviousHash { subject, head });
        }
        Ok(())
    }

    fn key_in_force(&self, key_id: KeyId) -> Result<&KeyRecord, Refusal> {
        match self.keys.get(&key_id) {
            None => Err(Refusal::KeyUnknown { key_id }),
            Some(key) if key.revoked => Err(Refusal::KeyRevoked { key_id }),
            Some(key) => Ok(key),
        }
    }

    fn signers(&self, candidate: &Candidate) -> Option<Signers<'_>> {
        let issuer = self.keys.get(&candidate.event().issuer())?;
        let hands = candidate.event().hands().iter().map(|hand| self.keys.get(&hand.key_id)).collect::<Option<_>>()?;
        Some(Signers { issuer, hands })
    }

    fn check_signers(&self, candidate: &Candidate) -> Result<Signers<'_>, Refusal> {
        let organisation = candidate.statement().organisation;
        let issuer = self.key_in_force(candidate.event().issuer())?;
        if issuer.organisation != organisation {
            return Err(Refusal::KeyOfAnother { key_id: issuer.key_id(), owner: issuer.organisation, organisation });
        }
        let mut hands = Vec::new();
        for hand in candidate.event().hands() {
            hands.push(self.key_in_force(hand.key_id)?);
        }
        let about_keys = matches!(candidate.kind(), EventKind::KeyAdded | EventKind::KeyRevoked);
        let signers = Signers { issuer, hands };
        for (at, key) in signers.all().enumerate() {
            if key.kind == KeyKind::Recovery && !(about_keys && at == 0) {
                return Err(Refusal::KeyNotMeant { key_id: key.key_id(), kind: "recovery" });
            }
        }
        Ok(signers)
    }

    fn check_opening(&self, candidate: &Candidate) -> Result<(), Refusal> {
        let (kind, subject) = (candidate.kind(), candidate.statement().subject);
        let open = self.head(&subject).chain_length > 0;
        match (open, kind.opens()) {
            (false, false) => Err(Refusal::SubjectUnknown { subject, kind }),
            (true, true) if !self.may_stand_on_open_chain(candidate) => Err(Refusal::AlreadyOpened { subject, kind }),
            (false, true) if kind == EventKind::LotSplit && is_parent(candidate) => {
                Err(Refusal::SubjectUnknown { subject, kind })
            }
            _ => Ok(()),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all other opening kinds open once")]
    fn may_stand_on_open_chain(&self, candidate: &Candidate) -> bool {
        let machine = self.equipment(&candidate.statement().subject);
        match candidate.kind() {
            EventKind::Enrolled => true,
            // The maker adds its facts to a machine that was enrolled, once.
            EventKind::Manufactured => machine.is_some_and(|machine| machine.maker.is_none()),
            EventKind::LotSplit => is_parent(candidate),
            _ => false,
        }
    }

    fn check_authority(&self, candidate: &Candidate, signers: &Signers<'_>) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let (organisation, subject, kind) = (statement.organisation, statement.subject, candidate.kind());
        let role = i32::try_from(statement.role).ok().and_then(|role| Role::try_from(role).ok()).unwrap_or_default();
        let row = authority::of(kind);

        if row.signers.contains(&Signer::RecoveryKey)
            && signers.issuer.kind == KeyKind::Recovery
            && organisation.subject() == subject
        {
            return Ok(());
        }
        if !self.holds(&organisation, role) {
            return Err(Refusal::RoleNotHeld { organisation, role });
        }
        if row.signers.contains(&Signer::Role(role)) {
            if role == Role::Registrar {
                return self.check_threshold(candidate, signers);
            }
            self.check_role_in_body(candidate, role)?;
            return self.check_relation(candidate, role);
        }
        let mut position = None;
        for signer in row.signers {
            match self.in_position(candidate, *signer) {
                None => {}
                Some((true, _)) => return Ok(()),
                Some((false, name)) => position = Some(name),
            }
        }
        Err(match position {
            Some(position) => Refusal::NotInPosition { kind, position, organisation },
            None => Refusal::RoleMayNotSign { role, kind, allowed: allowed(row.signers) },
        })
    }

    /// What a role may sign only in part.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are signed in whole or not at all")]
    fn check_role_in_body(&self, candidate: &Candidate, role: Role) -> Result<(), Refusal> {
        let (kind, organisation) = (candidate.kind(), candidate.statement().organisation);
        match candidate.body().message() {
            Message::Inspected(body) if (body.kind() == InspectionKind::Supervision) != (role == Role::Regulator) => {
                let allowed = "regulator with kind SUPERVISION, mine and contractor with any other kind,";
                Err(Refusal::RoleMayNotSign { role, kind, allowed: allowed.to_owned() })
            }
            // The maker tests what has not left it.
            Message::Tested(_) if role == Role::Manufacturer => {
                let holder = self.equipment(&candidate.statement().subject).and_then(|machine| machine.holder);
                if holder.is_some_and(|holder| self.is_or_succeeds(&organisation, &holder)) {
                    Ok(())
                } else {
                    Err(Refusal::NotInPosition { kind, position: "maker that still holds the machine", organisation })
                }
            }
            _ => Ok(()),
        }
    }

    /// Whether the signer is in the position; `None` for a signer that is a role or a key.
    fn in_position(&self, candidate: &Candidate, signer: Signer) -> Option<(bool, &'static str)> {
        let statement = candidate.statement();
        let organisation = statement.organisation;
        let machine = self.equipment(&statement.subject);
        // Holdings pass to whoever took the holder over.
        let stands_for =
            |party: Option<OrganisationId>| party.is_some_and(|party| self.is_or_succeeds(&organisation, &party));
        let is = |party: fn(&Equipment) -> Option<OrganisationId>| stands_for(machine.and_then(party));
        Some(match signer {
            Signer::Role(_) | Signer::RecoveryKey => return None,
            // On a mine's chain a count is the mine's own, and the role says who may.
            Signer::Holder if statement.subject.kind() == SubjectKind::Mine => return None,
            Signer::Holder if candidate.kind() == EventKind::LotSplit => {
                let parent = split_parent(candidate).and_then(|parent| self.equipment(&parent));
                (stands_for(parent.and_then(|parent| parent.holder)), "holder")
            }
            Signer::Holder => (is(|machine| machine.holder), "holder"),
            Signer::Owner => (is(|machine| machine.owner), "owner"),
            Signer::Lessor => (is(|machine| machine.owner), "lessor"),
            Signer::Consignee => {
                let due = machine.and_then(|machine| machine.dispatch.as_ref()).map(|dispatch| {
                    let goes_back = dispatch.refused && candidate.kind() == EventKind::Received;
                    if goes_back { dispatch.sender } else { dispatch.consignee }
                });
                // Where nothing is on the way, the facts say so below.
                (due.is_none() || stands_for(due), "consignee")
            }
            Signer::Itself => (organisation.subject() == statement.subject, "organisation itself"),
            Signer::Operator => (stands_for(self.mine(&statement.subject).map(|mine| mine.operator)), "operator"),
            // Which event it was, the facts look up below.
            Signer::SignerOfEvent => (true, "signer of the event"),
            Signer::AnyRelated => (self.related_in_any_role(&organisation, &statement.subject), "related party"),
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the threshold guards these kinds only")]
    fn check_threshold(&self, candidate: &Candidate, signers: &Signers<'_>) -> Result<(), Refusal> {
        let of_registrar = Some(candidate.statement().subject) == self.registrar.map(|registrar| registrar.subject());
        let threshold = match candidate.kind() {
            EventKind::OrganisationRegistered | EventKind::RoleGranted | EventKind::RoleWithdrawn => self.threshold,
            EventKind::KeyAdded | EventKind::KeyRevoked if of_registrar => self.threshold,
            _ => 1,
        };
        let signed = u32::try_from(signers.all().filter(|key| key.registrar).count()).unwrap_or(u32::MAX);
        if signed < threshold { Err(Refusal::ThresholdNotMet { signed, threshold }) } else { Ok(()) }
    }

    /// A role alone does not do: strangers must not move heads.
    fn check_relation(&self, candidate: &Candidate, role: Role) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let (organisation, subject) = (statement.organisation, statement.subject);
        let related = match (subject.kind(), candidate.kind()) {
            // What opens a chain, or claims a plate, has no relation yet.
            (_, EventKind::Manufactured | EventKind::Enrolled) => true,
            (_, kind) if kind.opens() => true,
            (SubjectKind::Equipment, EventKind::FactoryExit) => {
                let machine = self.equipment(&subject);
                let is_maker = machine.is_some_and(|machine| {
                    let is = |party: Option<OrganisationId>| {
                        party.is_some_and(|party| self.is_or_succeeds(&organisation, &party))
                    };
                    is(machine.maker) && is(machine.holder)
                });
                if !is_maker {
                    let kind = candidate.kind();
                    return Err(Refusal::NotInPosition { kind, position: "maker and holder", organisation });
                }
                true
            }
            (SubjectKind::Equipment, _) => {
                self.equipment(&subject).is_some_and(|machine| self.related(&organisation, role, machine))
            }
            (SubjectKind::Mine, _) => {
                let mine = subject.id();
                self.related_to_all(&organisation, role)
                    || if role == Role::Mine {
                        self.covers(&organisation, mine)
                    } else {
                        self.engaged_by_mine(&organisation, mine)
                    }
            }
            (SubjectKind::Organisation, _) => organisation.subject() == subject,
            (
                SubjectKind::Mark
                | SubjectKind::Model
                | SubjectKind::Order
                | SubjectKind::Accident
                | SubjectKind::Publication,
                _,
            ) => true,
        };
        if related { Ok(()) } else { Err(Refusal::Stranger { organisation, subject }) }
    }

    fn check_second(&self, candidate: &Candidate, signers: &Signers<'_>, now: Timestamp) -> Result<(), Refusal> {
        let row = authority::of(candidate.kind());
        let by_registrar = self.registrar == Some(candidate.statement().organisation);
        if row.if_missing == IfMissing::Refuse
            && is_asked_for(candidate, row.when, now)
            && !(row.second == Second::RegistrarOrRegulator && by_registrar)
            && !self.second_is_there(candidate, signers, row.second)
        {
            return Err(Refusal::HandMissing { kind: candidate.kind(), second: second_name(row.second) });
        }
        Ok(())
    }

    fn second_is_there(&self, candidate: &Candidate, signers: &Signers<'_>, second: Second) -> bool {
        let statement = candidate.statement();
        let by = |organisation: Option<OrganisationId>| {
            organisation.is_some_and(|organisation| {
                signers.hands.iter().any(|hand| self.is_or_succeeds(&hand.organisation, &organisation))
            })
        };
        let by_role = |role: Role| signers.hands.iter().any(|hand| self.holds(&hand.organisation, role));
        let machine = self.equipment(&statement.subject);
        match second {
            Second::Nobody => true,
            Second::OtherPerson => signers.persons() >= 2,
            Second::OtherOrganisation => signers.hands.iter().any(|hand| hand.organisation != statement.organisation),
            Second::NewOwner | Second::Lessee | Second::NewOperator => by(self.second_party(candidate)),
            Second::Holder => by(machine.and_then(|machine| machine.holder)),
            Second::Owner => by(machine.and_then(|machine| machine.owner)),
            Second::ManufacturerOrRegulator => {
                let other =
                    if statement.role == Role::Manufacturer as u32 { Role::Regulator } else { Role::Manufacturer };
                by_role(other)
            }
            Second::RegistrarOrRegulator => by_role(Role::Registrar) || by_role(Role::Regulator),
        }
    }

    /// The organisation that the body names as the other party.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these name another party")]
    fn second_party(&self, candidate: &Candidate) -> Option<OrganisationId> {
        match candidate.body().message() {
            Message::OwnershipChanged(body) => event::organisation(&body.new_owner),
            Message::LeaseStarted(body) => event::organisation(&body.lessee),
            Message::LeaseEnded(_) => self.equipment(&candidate.statement().subject)?.user,
            Message::OperatorChanged(body) => event::organisation(&body.operator),
            _ => None,
        }
    }

    /// A hand belongs to the organisation itself, to the party that must sign besides, or to one with a relation.
    fn check_hands(&self, candidate: &Candidate, signers: &Signers<'_>) -> Result<(), Refusal> {
        let statement = candidate.statement();
        for hand in &signers.hands {
            let organisation = hand.organisation;
            let fits = organisation == statement.organisation
                || self.second_party(candidate) == Some(organisation)
                || self.registrar == Some(organisation)
                || self.related_in_any_role(&organisation, &statement.subject)
                || (candidate.kind() == EventKind::IdentityLinked && self.holds(&organisation, Role::Manufacturer));
            if !fits {
                return Err(Refusal::HandForeign { key_id: hand.key_id(), owner: organisation });
            }
        }
        Ok(())
    }

    /// The mentions are exactly the subjects that the event touches, and the signer has to do with each.
    fn check_mentions(&self, candidate: &Candidate, set: &SetMembers) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let by_parts = matches!(
            candidate.kind(),
            EventKind::ComponentReplaced | EventKind::ComponentTakenOut | EventKind::ComponentFitted
        );
        for machine in &candidate.named().equipment {
            let mentioned = statement.mentions.contains(machine);
            let touched = self.head(machine).chain_length > 0 && !set.contains(machine);
            if touched && by_parts {
                return Err(Refusal::PartEventMissing { part: *machine });
            }
            if touched && !mentioned {
                return Err(Refusal::WrongMentions { problem: "lacks", subject: *machine });
            }
            if mentioned && !touched {
                return Err(Refusal::WrongMentions {
                    problem: "has what the event does not touch:",
                    subject: *machine,
                });
            }
        }
        statement.mentions.iter().try_for_each(|mention| self.check_mention(candidate, mention))
    }

    fn check_mention(&self, candidate: &Candidate, mention: &SubjectId) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let organisation = statement.organisation;
        let refuse = |why| Err(Refusal::MentionNotAllowed { organisation, subject: *mention, why });
        match mention.kind() {
            SubjectKind::Organisation if self.head(mention).chain_length == 0 => {
                Err(Refusal::NamedUnknown { field: "statement.mentions", subject: *mention })
            }
            SubjectKind::Mine if self.head(mention).chain_length == 0 => {
                Err(Refusal::NamedUnknown { field: "statement.mentions", subject: *mention })
            }
            SubjectKind::Mine => {
                let stands_in_it = |machine: &SubjectId| {
                    self.equipment(machine).is_some_and(|machine| machine.mine.as_ref() == Some(mention.id()))
                };
                let is_there = stands_in_it(&statement.subject);
                // A maker may name the mines in which what it recalls stands, and no other.
                let is_ordered_there =
                    statement.subject.kind() == SubjectKind::Order && statement.mentions.iter().any(stands_in_it);
                let by_registrar =
                    statement.subject.kind() == SubjectKind::Publication && self.registrar == Some(organisation);
                if is_there || is_ordered_there || by_registrar || self.related_in_any_role(&organisation, mention) {
                    Ok(())
                } else {
                    refuse("it neither runs the mine nor is engaged by it")
                }
            }
            SubjectKind::Equipment => {
                let Some(machine) = self.equipment(mention) else {
                    return Err(Refusal::NamedUnknown { field: "statement.mentions", subject: *mention });
                };
                let on_its_mine = statement.subject.kind() == SubjectKind::Mine
                    && machine.mine.as_ref() == Some(statement.subject.id());
                if statement.subject.kind() == SubjectKind::Mine && !on_its_mine {
                    return refuse("the machine is not in this mine");
                }
                if on_its_mine || self.related_in_any_role(&organisation, mention) {
                    Ok(())
                } else {
                    refuse("it has no relation to the machine")
                }
            }
            SubjectKind::Organisation
            | SubjectKind::Mark
            | SubjectKind::Model
            | SubjectKind::Order
            | SubjectKind::Accident
            | SubjectKind::Publication => Ok(()),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds ask nothing more of earlier entries")]
    fn check_facts(
        &self,
        candidate: &Candidate,
        now: Timestamp,
        set: &SetMembers,
        chains: &impl Chains,
    ) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let subject = statement.subject;
        if let Record::Mark { ended: true } = self.record(&subject) {
            return Err(Refusal::MarkEnded { subject });
        }
        check_made_by(statement.occurred_at, produced_on(candidate.body().message()))?;
        if let Some(machine) = self.equipment(&subject) {
            check_made_by(statement.occurred_at, machine.produced_on)?;
            self.check_machine_facts(candidate, machine)?;
        }
        match candidate.body().message() {
            Message::OrganisationRegistered(body) => {
                if body.genesis.is_some() {
                    return Err(Refusal::AlreadyOpened { subject, kind: candidate.kind() });
                }
                [&body.first_key, &body.recovery_key].into_iter().try_for_each(|key| self.check_new_key(key))
            }
            Message::KeyAdded(body) => self.check_new_key(&body.key),
            Message::KeyRevoked(body) => {
                let Some(key_id) = KeyId::parse(&body.key_id) else { return Ok(()) };
                match self.keys.get(&key_id) {
                    None => Err(Refusal::KeyUnknown { key_id }),
                    Some(key) if key.organisation.subject() != subject => {
                        let Ok(organisation) = OrganisationId::try_from(subject) else { return Ok(()) };
                        Err(Refusal::KeyOfAnother { key_id, owner: key.organisation, organisation })
                    }
                    Some(key) if key.revoked => Err(Refusal::KeyRevoked { key_id }),
                    Some(_) => Ok(()),
                }
            }
            Message::OrganisationSucceeded(body) => self.check_known_organisation("successor", &body.successor),
            Message::RoleWithdrawn(body) => {
                let Ok(organisation) = OrganisationId::try_from(subject) else { return Ok(()) };
                if self.holds(&organisation, body.role()) {
                    Ok(())
                } else {
                    Err(Refusal::RoleNotHeld { organisation, role: body.role() })
                }
            }
            Message::MineRegistered(body) => self.check_known_organisation("operator", &body.operator),
            Message::OperatorChanged(body) => self.check_known_organisation("operator", &body.operator),
            Message::Engaged(body) => self.check_known_organisation("organisation", &body.organisation),
            Message::EngagementEnded(body) => self.check_engagement(candidate, body.engagement.as_ref()),
            Message::PlaceCreated(body) if !body.parent.is_empty() => {
                self.check_place(&subject, "parent", &body.parent)
            }
            Message::PlaceRenamed(body) => self.check_place(&subject, "place", &body.place),
            Message::PlaceClosed(body) => self.check_place(&subject, "place", &body.place),
            Message::ModelRegistered(body) => self.check_maker_name(candidate, &body.maker),
            Message::Manufactured(body) => self.check_maker_name(candidate, &body.maker),
            Message::PlateReplaced(body) => self.check_maker_name(candidate, &body.maker),
            Message::LotSplit(body) => self.check_split(candidate, body, set),
            Message::IdentityLinked(body) => {
                let other = <[u8; 16]>::try_from(body.other.as_slice()).unwrap_or_default();
                let other = SubjectId::new(SubjectKind::Equipment, other);
                if set.contains(&other) { Ok(()) } else { Err(Refusal::PartEventMissing { part: other }) }
            }
            Message::ScrapProposed(body) => match &body.appraisal_event {
                Some(event) => self.check_event(candidate, "appraisal_event", event, chains).map(drop),
                None => Ok(()),
            },
            Message::Countersigned(body) => match &body.event {
                Some(event) => self.check_event(candidate, "event", event, chains).map(drop),
                None => Ok(()),
            },
            Message::Corrected(body) => self.check_correction(candidate, body, now, chains),
            _ => self.check_supervision(candidate),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds name neither holder nor mine")]
    fn check_machine_facts(&self, candidate: &Candidate, machine: &Equipment) -> Result<(), Refusal> {
        let statement = candidate.statement();
        let subject = statement.subject;
        let mine_is = |field, claimed: &[u8]| {
            let on_record = machine.mine.map(|mine| mine.to_vec()).unwrap_or_default();
            if claimed == on_record { Ok(()) } else { Err(not_as_recorded(field, claimed, &on_record)) }
        };
        let not_elsewhere = |field, claimed: &[u8]| match &machine.mine {
            Some(mine) if mine != claimed && !claimed.is_empty() => Err(not_as_recorded(field, claimed, mine)),
            Some(_) | None => Ok(()),
        };
        let installed_at = |field, place: Option<&tally_proto::v1::Place>| match event::place_mine(place) {
            Some(mine) => mine_is(field, mine.id()),
            None => Ok(()),
        };
        match candidate.body().message() {
            Message::FactoryExit(body) => {
                let on_record = machine.model.map(|model| model.id().to_vec()).unwrap_or_default();
                if body.model == on_record {
                    Ok(())
                } else {
                    Err(not_as_recorded("factory_exit.model", &body.model, &on_record))
                }
            }
            Message::Dispatched(body) => mine_is("dispatched.mine_left", &body.mine_left),
            Message::Exported(body) => {
                mine_is("exported.mine_left", &body.mine_left)?;
                let holder = machine.holder.map(|holder| holder.as_bytes().to_vec()).unwrap_or_default();
                if body.holder == holder {
                    Ok(())
                } else {
                    Err(not_as_recorded("exported.holder", &body.holder, &holder))
                }
            }
            Message::Received(body) => {
                let dispatch = machine.dispatch.as_ref().ok_or(Refusal::NothingDispatched { subject })?;
                check_dispatch(body.dispatch_event.as_ref(), &subject, dispatch)?;
                let sender = dispatch.sender.as_bytes();
                if body.from_organisation == sender {
                    Ok(())
                } else {
                    Err(not_as_recorded("received.from_organisation", &body.from_organisation, sender))
                }
            }
            Message::ReceiptRefused(body) => {
                let dispatch = machine.dispatch.as_ref().ok_or(Refusal::NothingDispatched { subject })?;
                check_dispatch(body.dispatch_event.as_ref(), &subject, dispatch)
            }
            Message::EnteredMine(body) => not_elsewhere("entered_mine.mine", &body.mine),
            Message::RaisedToSurface(body) => mine_is("raised_to_surface.mine", &body.mine),
            Message::Installed(body) => installed_at("installed.location.mine", body.location.as_ref()),
            Message::Moved(body) => installed_at("moved.to_location.mine", body.to_location.as_ref()),
            Message::Recovered(body) => match event::place_mine(body.place.as_ref()) {
                Some(mine) => not_elsewhere("recovered.place.mine", mine.id()),
                None => Ok(()),
            },
            Message::Dismantled(_) if machine.dismantled => Err(Refusal::AlreadyDismantled { subject }),
            _ => Ok(()),
        }
    }

    fn check_new_key(&self, key: &[u8]) -> Result<(), Refusal> {
        let Ok(key) = <[u8; 32]>::try_from(key) else { return Ok(()) };
        let key_id = KeyId::of(&key);
        // A log key has no second use; it counts as the registrar's.
        let log_key = self.registrar.filter(|_| self.log_key == Some(key_id));
        match self.keys.get(&key_id).map(|known| known.organisation).or(log_key) {
            Some(owner) => Err(Refusal::KeyInUse { key_id, owner }),
            None => Ok(()),
        }
    }

    fn check_known_organisation(&self, field: &'static str, id: &[u8]) -> Result<(), Refusal> {
        let Some(organisation) = event::organisation(id) else { return Ok(()) };
        if self.organisation(&organisation).is_some() {
            Ok(())
        } else {
            Err(Refusal::NamedUnknown { field, subject: organisation.subject() })
        }
    }

    fn check_engagement(
        &self,
        candidate: &Candidate,
        engagement: Option<&tally_proto::v1::EventRef>,
    ) -> Result<(), Refusal> {
        let subject = candidate.statement().subject;
        let engagements = match self.record(&subject) {
            Record::Organisation(organisation) => &organisation.engagements,
            Record::Mine(mine) => &mine.engagements,
            Record::Unopened
            | Record::Equipment(_)
            | Record::Model
            | Record::Mark { .. }
            | Record::Order(_)
            | Record::Publication { .. } => return Ok(()),
        };
        let known = engagement.and_then(event::event_ref).is_some_and(|event| {
            event.subject == subject && engagements.iter().any(|known| known.chain_index == event.chain_index)
        });
        if known { Ok(()) } else { Err(Refusal::EventNotOnChain { field: "engagement" }) }
    }

    fn check_place(&self, mine: &SubjectId, field: &'static str, node: &[u8]) -> Result<(), Refusal> {
        let known = self.mine(mine).is_some_and(|mine| mine.places.keys().any(|place| place.as_bytes()[..] == *node));
        if known { Ok(()) } else { Err(not_as_recorded(field, node, b"")) }
    }

    fn check_maker_name(&self, candidate: &Candidate, maker: &str) -> Result<(), Refusal> {
        let organisation = candidate.statement().organisation;
        let normal = text::normalise(maker).unwrap_or_default();
        let registered = self.organisation(&organisation).is_some_and(|record| record.plate_names.contains(&normal));
        if registered { Ok(()) } else { Err(Refusal::MakerNameNotRegistered { organisation, maker: maker.to_owned() }) }
    }

    fn check_split(
        &self,
        candidate: &Candidate,
        body: &tally_proto::v1::LotSplit,
        set: &SetMembers,
    ) -> Result<(), Refusal> {
        let Some(parent) = split_parent(candidate) else { return Ok(()) };
        let Some(machine) = self.equipment(&parent) else {
            return Err(Refusal::NamedUnknown { field: "lot_split.parent", subject: parent });
        };
        let mine = machine.mine.map(|mine| mine.to_vec()).unwrap_or_default();
        if body.mine != mine {
            return Err(not_as_recorded("lot_split.mine", &body.mine, &mine));
        }
        let pieces = body.children.iter().filter_map(|piece| SubjectId::child(parent.id(), &piece.suffix).ok());
        if let Some(missing) = pieces.chain([parent]).find(|member| !set.contains(member)) {
            return Err(Refusal::PartEventMissing { part: missing });
        }
        if !is_parent(candidate) {
            // Else a piece could be opened longer than its parent gave away.
            return if machine.split == Some(Digest::of(&candidate.statement().body)) {
                Ok(())
            } else {
                let [claimed, on_record] = ["another split", "that of the parent, which stands before it in the set"];
                Err(Refusal::NotAsRecorded {
                    field: "lot_split",
                    claimed: claimed.to_owned(),
                    on_record: on_record.to_owned(),
                })
            };
        }
        let total =
            |measure: &tally_proto::v1::Measure, digits: i64| format!("{digits}e-{} {}", measure.scale, measure.unit);
        let span = body.children.first().and_then(|first| first.from.as_ref());
        let end = body.children.last().and_then(|last| last.to.as_ref());
        if let (Some(from), Some(to)) = (span, end) {
            let pieces = to.digits.saturating_sub(from.digits);
            let same = machine.quantity.as_ref().is_some_and(|quantity| {
                quantity.unit == to.unit
                    && i128::from(quantity.digits) * 10_i128.pow(to.scale)
                        == i128::from(pieces) * 10_i128.pow(quantity.scale)
            });
            if !same {
                let parent = machine.quantity.as_ref().map_or("no quantity".to_owned(), |has| total(has, has.digits));
                return Err(Refusal::LengthsDiffer { pieces: total(to, pieces), parent });
            }
        }
        Ok(())
    }

    fn check_event(
        &self,
        candidate: &Candidate,
        field: &'static str,
        event: &tally_proto::v1::EventRef,
        chains: &impl Chains,
    ) -> Result<std::sync::Arc<Candidate>, Refusal> {
        let subject = candidate.statement().subject;
        event::event_ref(event)
            .filter(|event| event.subject == subject && event.chain_index < candidate.event().chain_index())
            .and_then(|event| {
                chains.event(&subject, event.chain_index).filter(|found| found.event().event_hash() == event.event_hash)
            })
            .ok_or(Refusal::EventNotOnChain { field })
    }

    fn check_correction(
        &self,
        candidate: &Candidate,
        body: &tally_proto::v1::Corrected,
        now: Timestamp,
        chains: &impl Chains,
    ) -> Result<(), Refusal> {
        let Some(event) = &body.event else { return Ok(()) };
        let original = self.check_event(candidate, "event", event, chains)?;
        let organisation = candidate.statement().organisation;
        if !self.is_or_succeeds(&organisation, &original.statement().organisation) {
            let (kind, position) = (candidate.kind(), "signer of the amended event");
            return Err(Refusal::NotInPosition { kind, position, organisation });
        }
        if !CORRECTABLE.contains(&original.kind()) {
            return Err(Refusal::CannotBeCorrected {
                why: "an event that moves keys, roles, custody, ownership or the mine, or that is about marks, publications or orders, cannot be amended; record what undoes it",
            });
        }
        if body.withdrawn && original.kind().opens() {
            return Err(Refusal::CannotBeCorrected { why: "an event that opened a chain cannot be withdrawn" });
        }
        let Some(replacement) = &body.replacement else { return Ok(()) };
        let new = event::Body::parse(original.kind() as u32, &replacement.body).map_err(Refusal::Form)?;
        // The amended time is bounded as any other: else an amendment could say what no event may.
        let occurred_at = Timestamp::from_micros(replacement.occurred_at_us);
        check_instant(occurred_at, now)?;
        let made_on = produced_on(new.message())
            .or_else(|| self.equipment(&candidate.statement().subject).and_then(|machine| machine.produced_on));
        check_made_by(occurred_at, made_on)?;
        let keeps_subjects = new.names(original.statement()) == *original.named()
            && place_of(new.message()).map(|place| &place.mine)
                == place_of(original.body().message()).map(|place| &place.mine);
        if !keeps_subjects || plate(&new) != plate(original.body()) {
            return Err(Refusal::CannotBeCorrected {
                why: "the replacement names other subjects, another mine or another plate than the amended event",
            });
        }
        if is_supervision(new.message()) != is_supervision(original.body().message()) {
            return Err(Refusal::CannotBeCorrected {
                why: "an inspection does not become one of supervision, or cease to be",
            });
        }
        Ok(())
    }

    fn findings_of(&self, candidate: &Candidate, signers: &Signers<'_>) -> Findings {
        let mut found = Vec::new();
        let row = authority::of(candidate.kind());
        let asked = is_asked_for(candidate, row.when, candidate.statement().occurred_at);
        if row.if_missing == IfMissing::Find && asked && !self.second_is_there(candidate, signers, row.second) {
            found.push(IrregularityKind::SecondSignatureMissing);
        }
        let of_machine = candidate.statement().subject.kind() == SubjectKind::Equipment;
        if of_machine && candidate.kind().stage() == Stage::Maintenance && signers.persons() == 0 {
            found.push(IrregularityKind::MachineSigned);
        }
        if candidate.kind() == EventKind::Enrolled && candidate.event().chain_index().get() > 0 {
            found.push(IrregularityKind::EnrolledAgain);
        }
        let is_of_authority = matches!(candidate.kind().stage(), Stage::Mark | Stage::Publication | Stage::Supervision);
        if (of_machine || is_of_authority) && self.is_outside_grant(candidate) {
            found.push(IrregularityKind::OutsideGrant);
        }
        if self.names_place_that_is_not_open(candidate) {
            found.push(IrregularityKind::PlaceNotOpen);
        }
        found
    }

    /// Whether no grant of the role that was acted in covers the day of the work and, for a mine, the machine's mine.
    fn is_outside_grant(&self, candidate: &Candidate) -> bool {
        let statement = candidate.statement();
        let machine = self.equipment(&statement.subject);
        let Some(record) = self.organisation(&statement.organisation) else { return false };
        let Some(day) = statement.occurred_at.day() else { return false };
        let mut grants = record.grants.iter().filter(|grant| grant.role as u32 == statement.role).peekable();
        grants.peek().is_some()
            && !grants.any(|grant| {
                let begun = grant.from.is_none_or(|from| from <= day);
                let lasts = grant.until.is_none_or(|until| day <= until);
                let mine = machine.and_then(|machine| machine.mine);
                let here = grant.role != Role::Mine || mine.is_none_or(|mine| grant.mines.contains(&mine));
                begun && lasts && here
            })
    }

    fn names_place_that_is_not_open(&self, candidate: &Candidate) -> bool {
        let place = place_of(candidate.body().message());
        let Some(place) = place.filter(|place| !place.node.is_empty()) else { return false };
        let Some(mine) = event::place_mine(Some(place)).and_then(|mine| self.mine(&mine)) else { return true };
        !mine.places.iter().any(|(node, open)| *open && node.as_bytes()[..] == *place.node)
    }
}

/// Where a body puts the machine.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds put a machine nowhere")]
fn place_of(message: &Message) -> Option<&tally_proto::v1::Place> {
    match message {
        Message::Installed(body) => body.location.as_ref(),
        Message::Moved(body) => body.to_location.as_ref(),
        Message::EnteredMine(body) => body.to_location.as_ref(),
        Message::Enrolled(body) => body.place.as_ref(),
        _ => None,
    }
}

fn is_supervision(message: &Message) -> bool {
    matches!(message, Message::Inspected(body) if body.kind() == InspectionKind::Supervision)
}

/// Kinds whose facts admission does not hang on, so that an amendment changes what is shown and nothing else.
pub const CORRECTABLE: &[EventKind] = &[
    EventKind::Manufactured,
    EventKind::ModelRegistered,
    EventKind::Warehoused,
    EventKind::StockChecked,
    EventKind::AcceptanceChecked,
    EventKind::ExProofChecked,
    EventKind::Installed,
    EventKind::InstallationAccepted,
    EventKind::Commissioned,
    EventKind::DutyChanged,
    EventKind::Moved,
    EventKind::UsageReported,
    EventKind::SettingsChanged,
    EventKind::Idled,
    EventKind::StoppedUse,
    EventKind::Resumed,
    EventKind::Inspected,
    EventKind::Tested,
    EventKind::Calibrated,
    EventKind::Maintained,
    EventKind::MaintenanceStarted,
    EventKind::MaintenanceFinished,
    EventKind::RaisedToSurface,
    EventKind::OverhaulStarted,
    EventKind::Overhauled,
    EventKind::ComponentReplaced,
    EventKind::ComponentTakenOut,
    EventKind::ComponentFitted,
    EventKind::Altered,
    EventKind::LotJoined,
    EventKind::RopeTurned,
    EventKind::FaultReported,
    EventKind::Rectified,
    EventKind::RectificationConfirmed,
    EventKind::ScrapAppraised,
    EventKind::LostReported,
    EventKind::AliasSet,
    EventKind::AliasEnded,
    EventKind::MembersChanged,
    EventKind::Noted,
];

fn check_instant(occurred_at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if occurred_at.micros() > now.micros().saturating_add(AHEAD_MICROS_MAX) {
        return Err(Refusal::OccurredInFuture { occurred_at, now });
    }
    if occurred_at.micros() < OCCURRED_MICROS_MIN {
        return Err(Refusal::OccurredTooEarly { occurred_at });
    }
    Ok(())
}

/// Nothing happens to a machine before it is made.
fn check_made_by(occurred_at: Timestamp, produced_on: Option<Day>) -> Result<(), Refusal> {
    let Some(produced_on) = produced_on else { return Ok(()) };
    if produced_on.starts().is_some_and(|starts| occurred_at < starts) {
        return Err(Refusal::BeforeManufacture { occurred_at, produced_on });
    }
    Ok(())
}

fn check_dispatch(
    claimed: Option<&tally_proto::v1::EventRef>,
    subject: &SubjectId,
    dispatch: &super::record::Dispatch,
) -> Result<(), Refusal> {
    let fits = claimed.and_then(event::event_ref).is_some_and(|event| {
        event.subject == *subject
            && event.chain_index == dispatch.chain_index
            && event.event_hash == dispatch.event_hash
    });
    if fits { Ok(()) } else { Err(Refusal::WrongDispatch { open: dispatch.chain_index }) }
}

fn is_asked_for(candidate: &Candidate, when: When, now: Timestamp) -> bool {
    match (when, candidate.body().message()) {
        (When::Always, _) => true,
        (When::Controlled, Message::ComponentReplaced(body)) => body.controlled,
        (When::Controlled, Message::ComponentFitted(body)) => body.controlled,
        (When::ByLaboratory, _) => candidate.statement().role == Role::Laboratory as u32,
        (When::LongAgo, Message::KeyRevoked(body)) => {
            body.untrusted_since_us != 0 && now.micros().saturating_sub(body.untrusted_since_us) > UNTRUSTED_MICROS_MAX
        }
        (When::WithoutConsent, Message::Altered(body)) => body.consent.is_none() && body.mark_event.is_none(),
        (When::Controlled | When::LongAgo | When::WithoutConsent, _) => false,
    }
}

fn is_parent(candidate: &Candidate) -> bool {
    split_parent(candidate) == Some(candidate.statement().subject)
}

fn split_parent(candidate: &Candidate) -> Option<SubjectId> {
    let Message::LotSplit(body) = candidate.body().message() else { return None };
    let parent = <[u8; 16]>::try_from(body.parent.as_slice()).ok()?;
    Some(SubjectId::new(SubjectKind::Equipment, parent))
}

/// The plate that a body fixes, in normal form, with its day of manufacture.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds that can be amended have no plate")]
fn plate(body: &event::Body) -> Option<[String; 3]> {
    let normal = |text: &str| text::normalise(text).unwrap_or_default();
    match body.message() {
        Message::Manufactured(body) => Some([normal(&body.maker), normal(&body.model), normal(&body.serial)]),
        Message::ModelRegistered(body) => Some([normal(&body.maker), normal(&body.model), String::new()]),
        _ => None,
    }
}

fn not_as_recorded(field: &'static str, claimed: &[u8], on_record: &[u8]) -> Refusal {
    let text = |bytes: &[u8]| match <[u8; 16]>::try_from(bytes) {
        Ok(id) => OrganisationId::new(id).to_string(),
        Err(_) => "nothing".to_owned(),
    };
    Refusal::NotAsRecorded { field, claimed: text(claimed), on_record: text(on_record) }
}

fn allowed(signers: &[Signer]) -> String {
    let names: Vec<&str> = signers.iter().map(|signer| signer_name(*signer)).collect();
    names.join(", ")
}

/// The day of manufacture in a body.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these two say it")]
pub(super) fn produced_on(message: &Message) -> Option<Day> {
    match message {
        Message::Manufactured(body) => body.produced_on.as_ref().and_then(day),
        Message::Enrolled(body) => body.produced_on.as_ref().and_then(day),
        _ => None,
    }
}
