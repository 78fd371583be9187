//! Admission: what is refused because of earlier entries. One fold over the log, in log order, held in memory.
//!
//! The index is never asked. `judge` decides, `apply` amends; a batch or set that comes to nothing is rolled back.

mod effect;
mod judge;
pub mod record;
mod relation;
mod supervision;

use std::{collections::HashMap, sync::Arc};

use crate::{
    candidate::Candidate,
    hash::LeafHash,
    id::{OrganisationId, SubjectId, SubjectKind},
    key::{KeyId, PublicKey},
    number::{ChainIndex, LogPosition},
    refusal::Head,
    signed_event::VerifiedEvent,
    touch::{self, HeadValue, LinkError},
};
pub use judge::{AHEAD_MICROS_MAX, CORRECTABLE, Findings, OCCURRED_MICROS_MIN, SetMembers, UNTRUSTED_MICROS_MAX};
use record::{Equipment, KeyRecord, Mine, Organisation, Record, Subject};
pub use supervision::MAKER_ORDERS_MAX;

/// Finds earlier events of a chain: for the few kinds that refer to one.
pub trait Chains {
    /// The event at a place of a chain; `None` where there is none.
    fn event(&self, subject: &SubjectId, index: ChainIndex) -> Option<Arc<Candidate>>;
}

/// The state that admission judges by. Owned by whoever sequences.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    origin: String,
    registrar: Option<OrganisationId>,
    threshold: u32,
    log_key: Option<KeyId>,
    subjects: HashMap<SubjectId, Subject>,
    keys: HashMap<KeyId, KeyRecord>,
    undo: Vec<Undo>,
    recording: bool,
}

/// What brings back the state before one change.
#[derive(Clone, Debug)]
enum Undo {
    Subject(SubjectId, Option<Subject>),
    Key(KeyId, Option<KeyRecord>),
}

/// A point to which the state can be rolled back.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Admission {
    /// The state of an empty log.
    pub fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..Self::default() }
    }

    /// Name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The registrar; `None` before genesis.
    pub fn registrar(&self) -> Option<OrganisationId> {
        self.registrar
    }

    /// Begins to remember how to roll back, and returns the point to roll back to.
    pub fn mark(&mut self) -> Mark {
        self.recording = true;
        Mark(self.undo.len())
    }

    /// Brings back the state at `mark`.
    pub fn roll_back(&mut self, mark: Mark) {
        while self.undo.len() > mark.0 {
            match self.undo.pop() {
                Some(Undo::Subject(subject, Some(former))) => drop(self.subjects.insert(subject, former)),
                Some(Undo::Subject(subject, None)) => drop(self.subjects.remove(&subject)),
                Some(Undo::Key(key, Some(former))) => drop(self.keys.insert(key, former)),
                Some(Undo::Key(key, None)) => drop(self.keys.remove(&key)),
                None => break,
            }
        }
    }

    /// Forgets how to roll back: what was applied is sealed.
    pub fn commit(&mut self) {
        self.undo.clear();
        self.recording = false;
    }

    /// The head of a subject; the default where nothing ever touched it.
    pub fn head(&self, subject: &SubjectId) -> HeadValue {
        self.subjects.get(subject).map(|subject| subject.head).unwrap_or_default()
    }

    /// Every subject with its head, in no order.
    pub fn heads(&self) -> impl Iterator<Item = (SubjectId, HeadValue)> + '_ {
        self.subjects.iter().map(|(subject, state)| (*subject, state.head))
    }

    /// What is on record about a subject.
    pub fn record(&self, subject: &SubjectId) -> &Record {
        const UNOPENED: &Record = &Record::Unopened;
        self.subjects.get(subject).map_or(UNOPENED, |subject| &subject.record)
    }

    /// A key that was ever registered.
    pub fn key(&self, id: &KeyId) -> Option<&PublicKey> {
        self.keys.get(id).map(|record| &record.key)
    }

    /// Every key that was ever registered.
    pub fn keys(&self) -> impl Iterator<Item = &KeyRecord> {
        self.keys.values()
    }

    /// Amends the state by an event that takes `position` with `leaf`; gives the heads that moved, own subject first.
    ///
    /// # Errors
    /// [`LinkError`] where it does not continue its chain; after [`Admission::judge`] said yes that cannot be.
    pub fn apply(
        &mut self,
        candidate: &Candidate,
        position: LogPosition,
        leaf: LeafHash,
    ) -> Result<Vec<(SubjectId, HeadValue)>, LinkError> {
        let moved = touch::apply(candidate.event(), position, leaf, |subject| self.head(subject))?;
        for (subject, head) in &moved {
            self.change(subject).head = *head;
        }
        self.take_effect(candidate, position);
        Ok(moved)
    }

    /// Amends only the heads, by an event whose body this version does not know.
    ///
    /// # Errors
    /// As of [`Admission::apply`].
    pub fn apply_unknown(
        &mut self,
        event: &VerifiedEvent,
        position: LogPosition,
        leaf: LeafHash,
    ) -> Result<Vec<(SubjectId, HeadValue)>, LinkError> {
        let moved = touch::apply(event, position, leaf, |subject| self.head(subject))?;
        for (subject, head) in &moved {
            self.change(subject).head = *head;
        }
        Ok(moved)
    }

    fn change(&mut self, subject: &SubjectId) -> &mut Subject {
        if self.recording {
            self.undo.push(Undo::Subject(*subject, self.subjects.get(subject).cloned()));
        }
        self.subjects.entry(*subject).or_default()
    }

    fn change_key(&mut self, id: KeyId, record: KeyRecord) {
        let former = self.keys.insert(id, record);
        if self.recording {
            self.undo.push(Undo::Key(id, former));
        }
    }

    fn organisation(&self, id: &OrganisationId) -> Option<&Organisation> {
        match self.record(&id.subject()) {
            Record::Organisation(organisation) => Some(organisation),
            Record::Unopened
            | Record::Mine(_)
            | Record::Equipment(_)
            | Record::Model
            | Record::Mark { .. }
            | Record::Order(_)
            | Record::Publication { .. } => None,
        }
    }

    fn mine(&self, subject: &SubjectId) -> Option<&Mine> {
        match self.record(subject) {
            Record::Mine(mine) => Some(mine),
            Record::Unopened
            | Record::Organisation(_)
            | Record::Equipment(_)
            | Record::Model
            | Record::Mark { .. }
            | Record::Order(_)
            | Record::Publication { .. } => None,
        }
    }

    fn mine_by_id(&self, id: &[u8; 16]) -> Option<&Mine> {
        self.mine(&SubjectId::new(SubjectKind::Mine, *id))
    }

    /// What is on record about a machine.
    pub fn equipment(&self, subject: &SubjectId) -> Option<&Equipment> {
        match self.record(subject) {
            Record::Equipment(equipment) => Some(equipment),
            Record::Unopened
            | Record::Organisation(_)
            | Record::Mine(_)
            | Record::Model
            | Record::Mark { .. }
            | Record::Order(_)
            | Record::Publication { .. } => None,
        }
    }

    fn refusal_head(&self, subject: &SubjectId) -> Head {
        let HeadValue { chain_length, head_hash, .. } = self.head(subject);
        Head { chain_length, head_hash }
    }
}
