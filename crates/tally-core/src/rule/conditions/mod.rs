//! Conditions: what is wrong with a machine at an instant, as a pure function of its state, the facts about it and what is
//! on record around it. One function for each rule that holds for a time.
//!
//! A condition that hangs on an instant asks [`Ask::reached`]; so the instants at which something changes without any
//! event come out by themselves.

mod custody;
mod due;
mod ex;
mod faults;
pub(in crate::rule) mod mark;
mod mine;
mod orders;
mod phase_out;
mod use_of;

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use tally_proto::v1::{Equipment, Evidence, GasGrade, Mine, Organisation, PlaceKind, ServiceState, Severity};

use super::{
    Legal, Rule, by_code,
    criteria::Described,
    facts::{Facts, OrderOn, is_gone, is_in_service},
    in_force::{InForce, Publications},
    known_mark::KnownMark,
};
use crate::state::publication::Reach;

pub(in crate::rule) use ex::suits as suits_place;
pub use mine::mine_conditions;

/// What is on record around a machine.
pub trait World {
    /// A safety mark by its number; `None` where it was never issued.
    fn mark(&self, number: &str) -> Option<Arc<KnownMark>>;
    /// A mine by its 16-byte id.
    fn mine(&self, id: &[u8]) -> Option<Arc<Mine>>;
    /// An organisation by its 16-byte id.
    fn organisation(&self, id: &[u8]) -> Option<Arc<Organisation>>;
    /// What an order does, by its 16-byte id.
    fn order(&self, id: &[u8]) -> Option<OrderOn>;
    /// Category of a machine, by its 16-byte id; empty where it is not on record.
    fn category_of(&self, machine: &[u8]) -> String;
    /// All publications.
    fn publications(&self) -> &Publications;
    /// Entries at or past this position do not count.
    fn size(&self) -> u64;
}

/// Something that holds at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The rule.
    pub rule: &'static Rule,
    /// Key within the rule.
    pub key: String,
    /// How grave.
    pub severity: Severity,
    /// Whether it is in the closed legal list.
    pub legal_major: bool,
    /// What findings of one cause share.
    pub cause: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

/// Something that will hold at an instant to come, if nothing happens before.
#[derive(Clone, Debug, PartialEq)]
pub struct Coming {
    /// What will hold.
    pub held: Held,
    /// When.
    pub at_us: i64,
}

/// A question about a machine at an instant.
pub struct Ask<'a> {
    /// Its state.
    pub state: &'a Equipment,
    /// The facts about it.
    pub facts: &'a Facts,
    /// What is on record around it.
    pub world: &'a dyn World,
    /// What is in force.
    pub in_force: Arc<InForce>,
    /// The mine that it is in.
    pub mine: Option<Arc<Mine>>,
    /// The instant: microseconds since 1970 UTC.
    pub at_us: i64,
    gas_grade: GasGrade,
    places: Vec<PlaceKind>,
    inside: String,
    next_us: Cell<i64>,
    held: RefCell<Vec<Held>>,
    coming: RefCell<Vec<Coming>>,
}

/// What holds at an instant, and until when nothing changes by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What holds, sorted by rule and key.
    pub held: Vec<Held>,
    /// The next instant at which something may change without any event; the greatest there is for never.
    pub next_us: i64,
    /// What will hold later, if nothing happens before.
    pub coming: Vec<Coming>,
}

/// Where a machine in this mine is reached by publications, at an instant.
pub fn reach_at(mine: Option<&Mine>, at_us: i64, size: u64, next: &mut dyn FnMut(i64)) -> Reach {
    let Some(mine) = mine else { return Reach::default() };
    let mut reach = Reach { mine: mine.id.clone(), ..Reach::default() };
    for profile in &mine.profiles {
        if profile.evidence.is_none_or(|evidence| evidence.position >= size) {
            continue;
        }
        if profile.from_us <= at_us {
            reach.area_code.clone_from(&profile.area_code);
            reach.operator.clone_from(&profile.operator);
        } else {
            next(profile.from_us);
        }
    }
    reach
}

impl<'a> Ask<'a> {
    /// A question about a machine, with what is known around it.
    pub fn new(state: &'a Equipment, facts: &'a Facts, world: &'a dyn World, at_us: i64) -> Self {
        let mine = if state.mine.is_empty() { None } else { world.mine(&state.mine) };
        let mut next_us = i64::MAX;
        let mut note = |change: i64| next_us = next_us.min(change);
        let reach = reach_at(mine.as_deref(), at_us, world.size(), &mut note);
        let in_force = world.publications().in_force(at_us, world.size(), &reach);
        next_us = next_us.min(in_force.next_us);
        let mut ask = Self {
            state,
            facts,
            world,
            in_force,
            mine,
            at_us,
            gas_grade: GasGrade::Unspecified,
            places: Vec::new(),
            inside: if state.inside.is_empty() { String::new() } else { world.category_of(&state.inside) },
            next_us: Cell::new(next_us),
            held: RefCell::default(),
            coming: RefCell::default(),
        };
        ask.gas_grade = ask.profile().map_or(GasGrade::Unspecified, |profile| profile.gas_grade());
        ask.places = ask.places_above();
        ask
    }

    /// Everything that is wrong with the machine.
    pub fn answer(self) -> Answer {
        if self.state.state() != ServiceState::Unspecified {
            mark::judge(&self);
            ex::judge(&self);
            use_of::judge(&self);
            due::judge(&self);
            phase_out::judge(&self);
            orders::judge(&self);
            custody::judge(&self);
            faults::judge(&self);
            use_of::found(&self);
        }
        let mut held = self.held.into_inner();
        held.sort_by(|left, right| (left.rule.code, &left.key).cmp(&(right.rule.code, &right.key)));
        held.dedup_by(|left, right| (left.rule.code, &left.key) == (right.rule.code, &right.key));
        Answer { held, next_us: self.next_us.get(), coming: self.coming.into_inner() }
    }

    /// Whether an instant is reached; one that is not is when to look again.
    pub fn reached(&self, threshold_us: i64) -> bool {
        if self.at_us >= threshold_us {
            return true;
        }
        self.next_us.set(self.next_us.get().min(threshold_us));
        false
    }

    /// Whether an entry on another chain counts: it is below the size, and it has happened.
    pub fn counts(&self, evidence: &Evidence) -> bool {
        evidence.position < self.world.size() && self.reached(evidence.occurred_at_us)
    }

    /// The mine's profile in force.
    pub fn profile(&self) -> Option<&tally_proto::v1::MineProfile> {
        let profiles = self.mine.as_ref().map_or(&[][..], |mine| mine.profiles.as_slice());
        let below = |profile: &&tally_proto::v1::MineProfile| {
            profile.evidence.is_some_and(|evidence| evidence.position < self.world.size())
        };
        profiles.iter().filter(below).rfind(|profile| self.reached(profile.from_us))
    }

    /// Kinds of place from where it stands up to the mine.
    fn places_above(&self) -> Vec<PlaceKind> {
        let (Some(mine), Some(place)) = (&self.mine, &self.state.place) else { return Vec::new() };
        let mut kinds = Vec::new();
        let mut node = &place.node;
        // A tree of places is some levels deep; the bound keeps a circle from going on for ever.
        for _ in 0..32 {
            let Some(found) = mine.places.iter().find(|known| known.id == *node) else { break };
            kinds.push(found.kind());
            node = &found.parent;
        }
        kinds
    }

    /// Kinds of place at and above where it stands.
    pub fn places(&self) -> &[PlaceKind] {
        &self.places
    }

    /// Gas grade of the mine that it is in.
    pub fn gas_grade(&self) -> GasGrade {
        self.gas_grade
    }

    /// The machine as publications describe one.
    pub fn described(&self) -> Described<'_> {
        let Self { state, facts, gas_grade, places, inside, .. } = self;
        Described { state, facts, gas_grade: *gas_grade, places, inside }
    }

    /// Number parameter of a rule.
    pub fn number(&self, rule: &str, key: &str) -> i64 {
        self.in_force.number(rule, key)
    }

    /// Whether it is electrical equipment or a cable: for these the legal list names the mark.
    pub fn is_electrical_or_cable(&self) -> bool {
        let category = &self.state.category;
        category == "CABLE" || self.in_force.categories.get(category).is_some_and(|row| row.group == "A")
    }

    /// Whether the category must be explosion-proof below ground.
    pub fn is_ex_checked(&self) -> bool {
        self.in_force.categories.get(&self.state.category).is_some_and(|row| row.ex_check)
    }

    /// Whether it is no longer a machine that could be used.
    pub fn is_gone(&self) -> bool {
        is_gone(self.state.state())
    }

    /// Whether it is below ground: it went down and did not come up, or it is in service at a place below; what was taken
    /// on late went down before the record begins.
    pub fn is_underground(&self) -> bool {
        let below = |place: &PlaceKind| {
            matches!(
                place,
                PlaceKind::Level | PlaceKind::District | PlaceKind::Roadway | PlaceKind::Face | PlaceKind::Chamber
            )
        };
        self.facts.went_down.is_some()
            || self.state.state() == ServiceState::Underground
            || (is_in_service(self.state.state()) && self.places.iter().any(below))
    }

    /// Begins to say that a rule holds; nothing is said until [`Say::holds`].
    pub fn say(&self, code: &'static str) -> Say<'_, 'a> {
        Say { ask: self, code, key: String::new(), cause: String::new(), severity: None, evidence: Vec::new() }
    }

    /// Whether a rule holds because of one event; nothing where there is none.
    pub fn holds_since(&self, code: &'static str, event: Option<Evidence>) {
        if let Some(event) = event {
            self.say(code).rests_on(event).holds();
        }
    }
}

/// What is about to be said of a rule.
pub struct Say<'s, 'a> {
    ask: &'s Ask<'a>,
    code: &'static str,
    key: String,
    cause: String,
    severity: Option<Severity>,
    evidence: Vec<Evidence>,
}

impl Say<'_, '_> {
    /// Its key within the rule.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// What findings of one cause share.
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Another severity than that of the row.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// An entry that it rests on.
    pub fn rests_on(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// An entry that it rests on, where there is one.
    pub fn rests_on_any(mut self, evidence: Option<Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    fn held(self) -> Option<Held> {
        let rule = by_code(self.code)?;
        let severity = self.severity.unwrap_or(rule.severity);
        let legal_major = severity == Severity::Major
            && match rule.legal {
                Legal::No => false,
                Legal::Yes => true,
                Legal::ElectricalAndCables => self.ask.is_electrical_or_cable(),
            };
        Some(Held { rule, key: self.key, severity, legal_major, cause: self.cause, evidence: self.evidence })
    }

    /// It holds.
    pub fn holds(self) {
        let ask = self.ask;
        ask.held.borrow_mut().extend(self.held());
    }

    /// It holds from an instant on.
    pub fn holds_from(self, threshold_us: i64) {
        let ask = self.ask;
        if ask.reached(threshold_us) {
            return self.holds();
        }
        if let Some(held) = self.held() {
            ask.coming.borrow_mut().push(Coming { held, at_us: threshold_us });
        }
    }
}
