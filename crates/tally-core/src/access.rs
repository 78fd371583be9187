//! Who may read what: one row for each method, and the predicates that the rows stand on.
//!
//! `docs/security.md` is printed from the table, the server enforces it, the client asks it where a token is needed.
//! Whoever adds an rpc adds a row; an rpc without one is refused, and a test walks the contract for such.

use std::sync::Arc;

use tally_proto::v1::{Day, Engagement, Equipment, GivenOrder, Mine, Organisation, Plate, Role, RoleGrant, Scope};

use crate::{
    candidate::Candidate,
    event::{day, plate_id},
    id::{OrganisationId, SubjectId, SubjectKind},
    key::KeyId,
    time::Timestamp,
};

/// How much of what a method tells a caller sees.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum View {
    /// Nothing: the call is refused.
    Nothing,
    /// What anyone sees.
    Public,
    /// That, and what the organisation has to do with: made, held, owned, used, serviced, in its mine.
    Own,
    /// That, and what lies in the areas, mines and categories of the organisation's grant.
    Jurisdiction,
    /// Everything.
    All,
}

impl View {
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "–",
            Self::Public => "public",
            Self::Own => "own",
            Self::Jurisdiction => "jurisdiction",
            Self::All => "all",
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Service, without its package.
    pub service: &'static str,
    /// Rpc.
    pub method: &'static str,
    /// Without a token.
    pub anyone: View,
    /// In a role that is none of those below.
    pub party: View,
    /// As regulator or investigator.
    pub regulator: View,
    /// As registrar.
    pub registrar: View,
    /// Whether the log's operator can grant it to any organisation, whatever its role.
    pub grantable: bool,
}

impl Row {
    /// What a caller in a role sees; `None` for a caller without a token.
    #[must_use]
    pub const fn view(&self, role: Option<Role>) -> View {
        match role {
            None | Some(Role::Unspecified) => self.anyone,
            Some(Role::Regulator | Role::Investigator) => self.regulator,
            Some(Role::Registrar) => self.registrar,
            Some(
                Role::Manufacturer
                | Role::Dealer
                | Role::Lessor
                | Role::Mine
                | Role::Contractor
                | Role::OverhaulShop
                | Role::Laboratory
                | Role::ExBody
                | Role::Recycler
                | Role::MarkAuthority,
            ) => self.party,
        }
    }

    /// Whether a token makes no difference.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.anyone, View::All)
    }
}

/// Package of the services in the table.
pub const PACKAGE: &str = "tally.v1";

/// Services of others that say nothing about anybody: open to everyone.
pub const OPEN_SERVICES: &[&str] =
    &["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// Says nothing about anybody, or carries its own signatures.
const fn open(service: &'static str, method: &'static str) -> Row {
    use View::All;
    Row { service, method, anyone: All, party: All, regulator: All, registrar: All, grantable: false }
}

/// Has a part that anyone sees.
const fn partly(service: &'static str, method: &'static str) -> Row {
    use View::{All, Jurisdiction, Own, Public};
    Row { service, method, anyone: Public, party: Own, regulator: Jurisdiction, registrar: All, grantable: false }
}

/// Has no part that anyone sees.
const fn closed(service: &'static str, method: &'static str) -> Row {
    Row { anyone: View::Nothing, ..partly(service, method) }
}

/// Reads the log itself, whoever an entry is about: a jurisdiction without limits, or the operator's own grant.
const fn whole_log(service: &'static str, method: &'static str) -> Row {
    Row { party: View::Nothing, grantable: true, ..closed(service, method) }
}

/// Who sees what of which method.
pub const METHODS: &[Row] = &[
    open("LedgerService", "RecordEvent"),
    open("LedgerService", "RecordEvents"),
    open("LedgerService", "RecordSet"),
    open("SubjectService", "GetHead"),
    partly("SubjectService", "StreamHistory"),
    partly("SubjectService", "GetEvent"),
    open("SubjectService", "GetKeys"),
    partly("EquipmentService", "GetEquipment"),
    partly("EquipmentService", "LookUpPlate"),
    closed("EquipmentService", "LookUpAlias"),
    closed("EquipmentService", "ListEquipment"),
    open("MarkService", "GetMark"),
    partly("MarkService", "VerifyMark"),
    open("FindingService", "ListRules"),
    closed("FindingService", "ListFindings"),
    closed("FindingService", "StreamFindings"),
    closed("FindingService", "CountFindings"),
    closed("FindingService", "ListDue"),
    closed("SupervisionService", "GetOrder"),
    closed("SupervisionService", "ListOrders"),
    closed("SupervisionService", "StreamSinceOrder"),
    closed("SupervisionService", "GetMineOverview"),
    closed("SupervisionService", "GetJurisdictionOverview"),
    closed("SupervisionService", "ExportAudit"),
    closed("RefusalService", "ListRefusals"),
    partly("RegisterService", "GetOrganisation"),
    partly("RegisterService", "ListOrganisations"),
    partly("RegisterService", "GetMine"),
    partly("RegisterService", "ListMines"),
    open("LogService", "GetCheckpoint"),
    open("LogService", "GetInclusionProof"),
    open("LogService", "GetConsistencyProof"),
    whole_log("LogService", "FollowEntries"),
];

/// The row of a method, by the full name of its service, such as `tally.v1.LogService`; `None` where there is none.
#[must_use]
pub fn row(service: &str, method: &str) -> Option<&'static Row> {
    let service = service.strip_prefix(PACKAGE)?.strip_prefix('.')?;
    METHODS.iter().find(|row| row.service == service && row.method == method)
}

/// Who asks: proved by a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Caller {
    /// Which organisation.
    pub organisation: OrganisationId,
    /// In which of its roles.
    pub role: Role,
    /// With which of its keys.
    pub key_id: KeyId,
}

/// What the predicates ask of the ledger, as it is now.
pub trait Facts {
    /// Why it cannot be read.
    type Error;

    /// The state of an organisation; `None` where it is not registered.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn organisation(&self, id: &OrganisationId) -> Result<Option<Arc<Organisation>>, Self::Error>;

    /// The state of a mine; `None` where it is not registered.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn mine(&self, id: &[u8; 16]) -> Result<Option<Arc<Mine>>, Self::Error>;

    /// The state of a machine; `None` where its chain is not open.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn machine(&self, subject: &SubjectId) -> Result<Option<Arc<Equipment>>, Self::Error>;
}

/// What one caller sees of one method's answers, at one time.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'f, F> {
    caller: Option<Caller>,
    view: View,
    now: Timestamp,
    facts: &'f F,
}

/// Most successions that are followed: a chain of them is short, and the bound keeps a circle from going on for ever.
const SUCCESSIONS_MAX: usize = 16;

/// Most lots above a piece that are looked at for its maker.
const PARENTS_MAX: usize = 16;

impl<'f, F: Facts> Sight<'f, F> {
    /// The sight of a caller with a view, judged by what is on record now; grants and engagements by the day of `now`.
    pub const fn new(caller: Option<Caller>, view: View, now: Timestamp, facts: &'f F) -> Self {
        Self { caller, view, now, facts }
    }

    /// Whether the caller sees a subject whole: its state, and every entry on its chain.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn sees(&self, subject: &SubjectId) -> Result<bool, F::Error> {
        // Marks, models and what is published are for everybody.
        let is_public = matches!(subject.kind(), SubjectKind::Mark | SubjectKind::Model | SubjectKind::Publication);
        match self.view {
            View::All => return Ok(true),
            View::Nothing => return Ok(false),
            View::Public => return Ok(is_public),
            View::Own | View::Jurisdiction if is_public => return Ok(true),
            View::Own | View::Jurisdiction => {}
        }
        match subject.kind() {
            SubjectKind::Organisation => match OrganisationId::try_from(*subject) {
                Ok(id) => self.sees_organisation(&id),
                Err(_) => Ok(false),
            },
            SubjectKind::Mine => self.sees_mine(subject.id()),
            SubjectKind::Equipment => match self.facts.machine(subject)? {
                Some(machine) => self.sees_machine(&machine),
                None => Ok(false),
            },
            // These lie in no area, and belong to nobody: whoever gives them a state says here whose they are.
            SubjectKind::Mark
            | SubjectKind::Model
            | SubjectKind::Order
            | SubjectKind::Accident
            | SubjectKind::Publication => self.is_unlimited(),
        }
    }

    /// Whether the caller sees a machine in this state whole.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn sees_machine(&self, machine: &Equipment) -> Result<bool, F::Error> {
        match (self.view, &self.caller) {
            (View::All, _) => Ok(true),
            (View::Nothing | View::Public, _) | (_, None) => Ok(false),
            (View::Own, Some(caller)) => self.is_own_machine(&caller.organisation, machine),
            (View::Jurisdiction, Some(caller)) => Ok(self.is_own_machine(&caller.organisation, machine)?
                || self.any_grant(caller, |scope| self.covers_machine(scope, machine))?),
        }
    }

    /// Whether the caller sees an organisation whole: with its engagements, and the posts and papers of its staff.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn sees_organisation(&self, organisation: &OrganisationId) -> Result<bool, F::Error> {
        match (self.view, &self.caller) {
            (View::All, _) => Ok(true),
            (View::Nothing | View::Public, _) | (_, None) => Ok(false),
            (View::Own, Some(caller)) => self.is_own_organisation(&caller.organisation, organisation),
            (View::Jurisdiction, Some(caller)) => Ok(self.is_own_organisation(&caller.organisation, organisation)?
                || self.any_grant(caller, |scope| self.covers_organisation(scope, organisation))?),
        }
    }

    /// Whether the caller sees what an organisation tried and was refused: its own, and no more by an engagement.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn sees_refusals_of(&self, organisation: &OrganisationId) -> Result<bool, F::Error> {
        match (self.view, &self.caller) {
            (View::All, _) => Ok(true),
            (View::Nothing | View::Public, _) | (_, None) => Ok(false),
            (View::Own, Some(caller)) => self.stands_for(&caller.organisation, organisation),
            (View::Jurisdiction, Some(caller)) => Ok(self.stands_for(&caller.organisation, organisation)?
                || self.any_grant(caller, |scope| self.covers_organisation(scope, organisation))?),
        }
    }

    /// Whether the caller sees a mine whole: with its places and engagements.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn sees_mine(&self, mine: &[u8; 16]) -> Result<bool, F::Error> {
        match (self.view, &self.caller) {
            (View::All, _) => Ok(true),
            (View::Nothing | View::Public, _) | (_, None) => Ok(false),
            (View::Own, Some(caller)) => self.is_own_mine(&caller.organisation, mine),
            (View::Jurisdiction, Some(caller)) => Ok(self.is_own_mine(&caller.organisation, mine)?
                || self.any_grant(caller, |scope| self.covers_mine(scope, mine))?),
        }
    }

    /// Whether the caller sees an event whole: a public one, one that it issued itself, or one on the chain of a subject
    /// that it sees. A mention alone opens nothing but an order: a round over forty machines tells of all of them.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn sees_event(&self, event: &Candidate) -> Result<bool, F::Error> {
        if self.view == View::Nothing {
            return Ok(false);
        }
        if event.body().is_public() {
            return Ok(true);
        }
        let statement = event.statement();
        if let Some(caller) = &self.caller
            && self.stands_for(&caller.organisation, &statement.organisation)?
        {
            return Ok(true);
        }
        // An order is for whom it names: for who sees one of its machines or mines.
        if statement.subject.kind() == SubjectKind::Order {
            for mention in &statement.mentions {
                if matches!(mention.kind(), SubjectKind::Equipment | SubjectKind::Mine) && self.sees(mention)? {
                    return Ok(true);
                }
            }
        }
        self.sees(&statement.subject)
    }

    /// Whether the caller gave an order, or took over who did: it sees all that the order names.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn gave(&self, order: &GivenOrder) -> Result<bool, F::Error> {
        let Some(caller) = self.caller.filter(|_| self.view >= View::Own) else { return Ok(false) };
        organisation_id(&order.given_by).map_or(Ok(false), |giver| self.stands_for(&caller.organisation, &giver))
    }

    /// Whether the caller sees a machine or mine as one that an order names.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn sees_named(&self, order: &GivenOrder, named: &SubjectId) -> Result<bool, F::Error> {
        Ok(self.gave(order)? || self.sees(named)?)
    }

    /// Whether nothing limits what the caller sees.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn is_unlimited(&self) -> Result<bool, F::Error> {
        match (self.view, &self.caller) {
            (View::All, _) => Ok(true),
            (View::Jurisdiction, Some(caller)) => self.any_grant(caller, |scope| Ok(is_everywhere(scope))),
            (View::Nothing | View::Public | View::Own | View::Jurisdiction, _) => Ok(false),
        }
    }

    fn is_own_machine(&self, caller: &OrganisationId, machine: &Equipment) -> Result<bool, F::Error> {
        let Equipment { owner, holder, user, consignee, mine, .. } = machine;
        let maker = &self.maker_of(machine)?;
        // Who sent what is on the way is its holder until somebody has received it.
        for party in [maker, owner, holder, user, consignee].into_iter().filter_map(|id| organisation_id(id)) {
            if self.stands_for(caller, &party)? {
                return Ok(true);
            }
        }
        let serves = |engagements: &[Engagement]| {
            engagements.iter().any(|engagement| {
                self.engages(engagement, caller)
                    && engagement.scope.as_ref().is_none_or(|scope| is_in_scope(scope, &machine.category, mine))
            })
        };
        if let Some(mine) = id16(mine)
            && (self.runs(caller, &mine)? || self.facts.mine(&mine)?.is_some_and(|mine| serves(&mine.engagements)))
        {
            return Ok(true);
        }
        for giver in [holder, owner].into_iter().filter_map(|id| organisation_id(id)) {
            if self.facts.organisation(&giver)?.is_some_and(|giver| serves(&giver.engagements)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Who made a machine; of a piece of a lot, who made the lot.
    fn maker_of(&self, machine: &Equipment) -> Result<Vec<u8>, F::Error> {
        let (mut maker, mut parent) = (machine.maker.clone(), machine.parent.clone());
        for _ in 0..PARENTS_MAX {
            let Some(id) = id16(&parent).filter(|_| maker.is_empty()) else { break };
            let Some(lot) = self.facts.machine(&SubjectId::new(SubjectKind::Equipment, id))? else { break };
            maker.clone_from(&lot.maker);
            parent.clone_from(&lot.parent);
        }
        Ok(maker)
    }

    fn is_own_mine(&self, caller: &OrganisationId, mine: &[u8; 16]) -> Result<bool, F::Error> {
        let serves = |mine: Arc<Mine>| mine.engagements.iter().any(|engagement| self.engages(engagement, caller));
        Ok(self.runs(caller, mine)? || self.facts.mine(mine)?.is_some_and(serves))
    }

    /// Itself, whom it took over, and whom it engages: it must see whether their people may do the work.
    fn is_own_organisation(&self, caller: &OrganisationId, other: &OrganisationId) -> Result<bool, F::Error> {
        if self.stands_for(caller, other)? {
            return Ok(true);
        }
        let Some(own) = self.facts.organisation(caller)? else { return Ok(false) };
        if own.engagements.iter().any(|engagement| self.engages(engagement, other)) {
            return Ok(true);
        }
        for mine in self.mines_run_by(&own) {
            let engages = |mine: Arc<Mine>| mine.engagements.iter().any(|engagement| self.engages(engagement, other));
            if self.facts.mine(&mine)?.is_some_and(engages) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the caller operates a mine, or its grant of the role mine names it.
    fn runs(&self, caller: &OrganisationId, mine: &[u8; 16]) -> Result<bool, F::Error> {
        let operator = self.facts.mine(mine)?.and_then(|mine| organisation_id(&mine.operator));
        if let Some(operator) = operator
            && self.stands_for(caller, &operator)?
        {
            return Ok(true);
        }
        let own = self.facts.organisation(caller)?;
        Ok(own.is_some_and(|own| self.mines_run_by(&own).any(|run| run == *mine)))
    }

    fn mines_run_by<'a>(&'a self, organisation: &'a Organisation) -> impl Iterator<Item = [u8; 16]> + 'a {
        grants(organisation, Role::Mine, self.now)
            .filter_map(|grant| grant.scope.as_ref())
            .flat_map(|scope| scope.mines.iter().filter_map(|mine| id16(mine)))
    }

    fn engages(&self, engagement: &Engagement, organisation: &OrganisationId) -> bool {
        let Engagement { from, until, ended, organisation: engaged, .. } = engagement;
        !ended && engaged[..] == organisation.as_bytes()[..] && is_within(self.now, from.as_ref(), until.as_ref())
    }

    /// Whether the caller is `party`, or took it over.
    fn stands_for(&self, caller: &OrganisationId, party: &OrganisationId) -> Result<bool, F::Error> {
        let mut current = *party;
        for _ in 0..SUCCESSIONS_MAX {
            if current == *caller {
                return Ok(true);
            }
            let successor = self.facts.organisation(&current)?.and_then(|former| organisation_id(&former.successor));
            match successor {
                Some(successor) => current = successor,
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Whether a grant of the caller's role that is in force covers something.
    fn any_grant(&self, caller: &Caller, covers: impl Fn(&Scope) -> Result<bool, F::Error>) -> Result<bool, F::Error> {
        let Some(own) = self.facts.organisation(&caller.organisation)? else { return Ok(false) };
        let everywhere = Scope::default();
        for grant in grants(&own, caller.role, self.now) {
            if covers(grant.scope.as_ref().unwrap_or(&everywhere))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn covers_machine(&self, scope: &Scope, machine: &Equipment) -> Result<bool, F::Error> {
        if !is_in_scope(scope, &machine.category, &machine.mine) {
            return Ok(false);
        }
        if scope.areas.is_empty() {
            return Ok(true);
        }
        // Where it is; in no mine, where its holder sits.
        if let Some(mine) = id16(&machine.mine) {
            return Ok(self.facts.mine(&mine)?.is_some_and(|mine| is_in_area(scope, &mine.area_code)));
        }
        let Some(holder) = organisation_id(&machine.holder) else { return Ok(false) };
        Ok(self.facts.organisation(&holder)?.is_some_and(|holder| is_in_area(scope, &holder.area_code)))
    }

    fn covers_mine(&self, scope: &Scope, mine: &[u8; 16]) -> Result<bool, F::Error> {
        if !scope.mines.is_empty() && !scope.mines.iter().any(|covered| covered[..] == mine[..]) {
            return Ok(false);
        }
        Ok(scope.areas.is_empty() || self.facts.mine(mine)?.is_some_and(|mine| is_in_area(scope, &mine.area_code)))
    }

    fn covers_organisation(&self, scope: &Scope, organisation: &OrganisationId) -> Result<bool, F::Error> {
        let Some(state) = self.facts.organisation(organisation)? else { return Ok(false) };
        if !scope.mines.is_empty()
            && !self.mines_run_by(&state).any(|mine| scope.mines.iter().any(|one| one[..] == mine))
        {
            return Ok(false);
        }
        Ok(is_in_area(scope, &state.area_code))
    }
}

/// The grants of a role that are in force: not withdrawn, and within their days.
pub fn grants(organisation: &Organisation, role: Role, now: Timestamp) -> impl Iterator<Item = &RoleGrant> {
    organisation.roles.iter().filter(move |grant| {
        grant.role == role as i32 && !grant.withdrawn && is_within(now, grant.from.as_ref(), grant.until.as_ref())
    })
}

/// Whether an instant lies in a period of days; one that is not given sets no bound.
fn is_within(now: Timestamp, from: Option<&Day>, until: Option<&Day>) -> bool {
    let begun = from.is_none_or(|from| day(from).and_then(crate::time::Day::starts).is_some_and(|start| start <= now));
    let over = until.is_some_and(|until| day(until).and_then(crate::time::Day::ends).is_none_or(|end| end <= now));
    begun && !over
}

/// Whether a scope limits neither area nor mine nor category.
fn is_everywhere(scope: &Scope) -> bool {
    scope.areas.is_empty() && scope.mines.is_empty() && scope.categories.is_empty()
}

/// Whether mine and category of a machine are in a scope; its area is another question.
fn is_in_scope(scope: &Scope, category: &str, mine: &[u8]) -> bool {
    (scope.mines.is_empty() || scope.mines.iter().any(|covered| covered == mine))
        && (scope.categories.is_empty() || scope.categories.iter().any(|covered| covered == category))
}

/// Whether an area code has one of the prefixes of a scope; without a code it is in no area.
fn is_in_area(scope: &Scope, area_code: &str) -> bool {
    scope.areas.is_empty() || scope.areas.iter().any(|area| !area.is_empty() && area_code.starts_with(area.as_str()))
}

fn organisation_id(id: &[u8]) -> Option<OrganisationId> {
    id16(id).map(OrganisationId::new)
}

fn id16(id: &[u8]) -> Option<[u8; 16]> {
    <[u8; 16]>::try_from(id).ok()
}

/// What anyone sees of a machine: what its plate says, and how long its record is, which every head proof tells.
/// `None` for a machine without a plate: the number that an organisation gave it is its own.
#[must_use]
pub fn public_machine(machine: &Equipment) -> Option<Equipment> {
    let plates = public_plates(machine);
    if plates.is_empty() {
        return None;
    }
    Some(Equipment {
        id: machine.id.clone(),
        plates,
        identity_kind: machine.identity_kind,
        category: machine.category.clone(),
        produced_on: machine.produced_on,
        enrolled: machine.enrolled,
        mark_no: machine.mark_no.clone(),
        model: machine.model.clone(),
        maker: machine.maker.clone(),
        chain_length: machine.chain_length,
        touches: machine.touches,
        public_only: true,
        ..Equipment::default()
    })
}

/// The plates of a machine that are plates: the first may be only the number that its organisation gave it, and then
/// it is not what the machine's id is made from.
fn public_plates(machine: &Equipment) -> Vec<Plate> {
    use tally_proto::v1::IdentityKind::{Lot, Unit};
    let makes_its_id = |plate: &Plate| {
        let Plate { maker, model, serial } = plate;
        [Unit, Lot]
            .into_iter()
            .any(|kind| plate_id(kind, maker, model, serial).is_ok_and(|id| id.id()[..] == machine.id))
    };
    let numbered = machine.plates.first().is_some_and(|first| !makes_its_id(first));
    machine.plates.iter().skip(usize::from(numbered)).cloned().collect()
}

/// What anyone sees of an organisation: what a verifier needs to judge its signatures.
#[must_use]
pub fn public_organisation(organisation: &Organisation) -> Organisation {
    let mut public = Organisation { engagements: Vec::new(), public_only: true, ..organisation.clone() };
    for key in &mut public.keys {
        key.post.clear();
        key.section.clear();
        key.certificates.clear();
    }
    public
}

/// What anyone sees of a mine: which it is, where, and who runs it.
#[must_use]
pub fn public_mine(mine: &Mine) -> Mine {
    Mine {
        id: mine.id.clone(),
        name: mine.name.clone(),
        scheme: mine.scheme,
        number: mine.number.clone(),
        area_code: mine.area_code.clone(),
        operator: mine.operator.clone(),
        kind: mine.kind,
        public_only: true,
        ..Mine::default()
    }
}
