//! Who has what to do with a machine or mine.

use tally_proto::v1::Role;

use super::{Admission, record::Equipment};
use crate::{
    authority::RELATED_TO_ALL,
    id::{OrganisationId, SubjectId, SubjectKind},
};

impl Admission {
    /// Whether the organisation holds the role at this place of the log, whatever its period.
    pub(super) fn holds(&self, organisation: &OrganisationId, role: Role) -> bool {
        if role == Role::Registrar {
            return self.registrar == Some(*organisation);
        }
        self.organisation(organisation).is_some_and(|record| record.grants.iter().any(|grant| grant.role == role))
    }

    /// Whether the organisation runs the mine under a grant of the role mine.
    pub(super) fn covers(&self, organisation: &OrganisationId, mine: &[u8; 16]) -> bool {
        self.organisation(organisation).is_some_and(|record| {
            record.grants.iter().any(|grant| grant.role == Role::Mine && grant.mines.contains(mine))
        })
    }

    /// Whether the mine engaged the organisation.
    pub(super) fn engaged_by_mine(&self, organisation: &OrganisationId, mine: &[u8; 16]) -> bool {
        self.mine_by_id(mine)
            .is_some_and(|record| record.engagements.iter().any(|engagement| engagement.organisation == *organisation))
    }

    fn engaged_by(&self, organisation: &OrganisationId, giver: &OrganisationId) -> bool {
        self.organisation(giver)
            .is_some_and(|record| record.engagements.iter().any(|engagement| engagement.organisation == *organisation))
    }

    /// Whether the organisation has any relation to the machine: maker, owner, holder, user, party of an open
    /// dispatch, its mine, engaged by its holder, owner or mine, or a role that is related to all.
    pub(super) fn related(&self, organisation: &OrganisationId, role: Role, machine: &Equipment) -> bool {
        let Equipment { maker, owner, holder, user, mine, dispatch, .. } = machine;
        let stands_for = |party: &OrganisationId| self.is_or_succeeds(organisation, party);
        let party = [maker, owner, holder, user].into_iter().flatten().any(stands_for);
        let on_the_way =
            dispatch.as_ref().is_some_and(|dispatch| stands_for(&dispatch.consignee) || stands_for(&dispatch.sender));
        let of_its_mine = mine
            .as_ref()
            .is_some_and(|mine| self.covers(organisation, mine) || self.engaged_by_mine(organisation, mine));
        let engaged = [holder, owner]
            .into_iter()
            .flatten()
            .any(|giver| giver != organisation && self.engaged_by(organisation, giver));
        party || on_the_way || of_its_mine || engaged || self.related_to_all(organisation, role)
    }

    /// Whether an organisation may move a chain on as fast as it likes: every chain but a machine's, and a machine's if it
    /// owns, holds or uses it, runs the mine that it is in, or acts as an authority. Admission does not ask this: whoever
    /// bounds others does.
    #[must_use]
    pub fn is_at_home(&self, organisation: &OrganisationId, role: Role, subject: &SubjectId) -> bool {
        let Some(machine) = self.equipment(subject) else { return true };
        let Equipment { owner, holder, user, mine, .. } = machine;
        let party = [owner, holder, user].into_iter().flatten().any(|party| self.is_or_succeeds(organisation, party));
        let runs = |mine: &[u8; 16]| {
            self.covers(organisation, mine)
                || self.mine_by_id(mine).is_some_and(|mine| self.is_or_succeeds(organisation, &mine.operator))
        };
        let is_authority = matches!(role, Role::Regulator | Role::Investigator) && self.holds(organisation, role);
        party || mine.as_ref().is_some_and(runs) || is_authority
    }

    pub(super) fn related_to_all(&self, organisation: &OrganisationId, role: Role) -> bool {
        RELATED_TO_ALL.contains(&role) && self.holds(organisation, role)
    }

    /// Whether the organisation has any relation to a subject of any kind, in any of its roles.
    pub(super) fn related_in_any_role(&self, organisation: &OrganisationId, subject: &SubjectId) -> bool {
        let by_role = RELATED_TO_ALL.iter().any(|role| self.holds(organisation, *role));
        by_role
            || match subject.kind() {
                SubjectKind::Organisation => {
                    organisation.subject() == *subject || self.registrar == Some(*organisation)
                }
                SubjectKind::Mine => {
                    self.covers(organisation, subject.id())
                        || self.engaged_by_mine(organisation, subject.id())
                        || self.mine(subject).is_some_and(|mine| mine.operator == *organisation)
                }
                SubjectKind::Equipment => self
                    .equipment(subject)
                    .is_some_and(|machine| self.related(organisation, Role::Unspecified, machine)),
                SubjectKind::Model => self.holds(organisation, Role::Manufacturer),
                SubjectKind::Mark | SubjectKind::Order | SubjectKind::Accident | SubjectKind::Publication => false,
            }
    }

    /// Whether the organisation is `former`, or took it over.
    pub(super) fn is_or_succeeds(&self, organisation: &OrganisationId, former: &OrganisationId) -> bool {
        let mut current = *former;
        // A chain of successions is short; the bound keeps a circle from going on for ever.
        for _ in 0..16 {
            if current == *organisation {
                return true;
            }
            match self.organisation(&current).and_then(|record| record.successor) {
                Some(successor) => current = successor,
                None => return false,
            }
        }
        false
    }
}
