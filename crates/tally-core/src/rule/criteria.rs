//! Whether a machine is what a publication speaks of.

use tally_proto::v1::{Criteria, Equipment, GasGrade, Measure, PlaceKind, Presence, ScheduleRow};

use super::{
    facts::{Facts, nano},
    in_force::InForce,
};

/// A machine as publications describe one.
pub struct Described<'a> {
    /// Its state.
    pub state: &'a Equipment,
    /// What the rules remember of it.
    pub facts: &'a Facts,
    /// Gas grade of the mine that it is in.
    pub gas_grade: GasGrade,
    /// Kinds of place at and above where it stands.
    pub places: &'a [PlaceKind],
    /// Category of the machine that it sits in; empty where it sits in none.
    pub inside: &'a str,
}

impl Described<'_> {
    /// Whether the machine is of the category, or of the group, that a schedule names.
    pub fn is_scheduled(&self, row: &ScheduleRow, in_force: &InForce) -> bool {
        row.applies_to == self.state.category
            || in_force
                .selectors
                .get(&row.applies_to)
                .is_some_and(|selector| selector.any_of.iter().any(|criteria| self.fits(criteria, in_force)))
    }

    /// Whether all that is set in the criteria holds.
    pub fn fits(&self, criteria: &Criteria, in_force: &InForce) -> bool {
        let Self { state, facts, .. } = self;
        let any = |wanted: &[String], holds: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|wanted| holds(wanted))
        };
        let group = || in_force.categories.get(&state.category).map_or("", |category| category.group.as_str());
        let given = |presence: Presence, text: &str| match presence {
            Presence::Unspecified => true,
            Presence::Given => !text.is_empty(),
            Presence::Missing => text.is_empty(),
        };
        any(&criteria.categories, &|wanted| wanted == state.category)
            && any(&criteria.groups, &|wanted| wanted == group())
            && any(&criteria.inside, &|wanted| wanted == self.inside)
            && given(criteria.ex_mark(), &facts.ex_mark)
            && given(criteria.mark_no(), &state.mark_no)
            && any(&criteria.ex_mark_parts, &|part| facts.ex_mark.contains(part))
            && !criteria.ex_mark_parts_not.iter().any(|part| facts.ex_mark.contains(part.as_str()))
            && any(&criteria.model_prefixes, &|prefix| facts.model_normal.starts_with(prefix))
            && any(&criteria.models, &|model| facts.model_normal == model)
            && any(&criteria.component_prefixes, &|prefix| {
                facts.fits.iter().any(|fit| fit.component.is_some() && fit.model_normal.starts_with(prefix))
            })
            && any(&criteria.slots, &|slot| {
                facts.fits.iter().any(|fit| fit.component.is_some() && fit.slot.contains(slot))
            })
            && any(&criteria.sits_in_slots, &|slot| facts.sits_in_slot.contains(slot))
            && any(&criteria.functions, &|function| facts.function.contains(function))
            && criteria.attributes.iter().all(|wanted| facts.attributes.contains(wanted))
            && criteria.plate.iter().all(|bound| {
                let rated = facts.nameplate.iter().find(|rated| rated.key == bound.key);
                rated.is_some_and(|rated| is_within(rated, bound.min.as_ref(), bound.max.as_ref()))
            })
            && (criteria.gas_grades.is_empty() || criteria.gas_grades.contains(&(self.gas_grade as i32)))
            && (criteria.places.is_empty() || self.places.iter().any(|at| criteria.places.contains(&(*at as i32))))
            && !self.places.iter().any(|at| criteria.places_not.contains(&(*at as i32)))
    }
}

/// Whether criteria ask where the machine stands: such a ban is none of making or selling.
pub fn asks_for_place(criteria: &Criteria) -> bool {
    !(criteria.gas_grades.is_empty() && criteria.places.is_empty() && criteria.places_not.is_empty())
}

fn is_within(rated: &Measure, min: Option<&Measure>, max: Option<&Measure>) -> bool {
    let Some(value) = nano(rated) else { return false };
    let at_least = min.and_then(nano).is_none_or(|min| min <= value);
    let at_most = max.and_then(nano).is_none_or(|max| value <= max);
    at_least && at_most
}
