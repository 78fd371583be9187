//! What is on record around a machine, as the rules ask for it: marks, mines, organisations, orders, publications.
//!
//! Kept in memory as far as it was asked for. It may know more than a question does: every part says on which entries it
//! rests, and the question counts only those that it knows.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

use prost::Message;
use tally_core::{
    id::{SubjectId, SubjectKind},
    rule::{conditions::World, facts::OrderOn, in_force::Publications, known_mark::KnownMark},
    state::{Instant, order, publication},
};
use tally_log::store::LogReader;
use tally_proto::v1::{Equipment, GivenOrder, Mark, Mine, Organisation};

use crate::{Index, IndexError, history, keys, projection::Changes};

/// Subjects that are kept in memory; past it the memory begins anew.
const KEPT_MAX: usize = 65_536;

/// What is known of a subject that machines are judged by.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Mark(Arc<KnownMark>),
    Mine(Arc<Mine>),
    Organisation(Arc<Organisation>),
    Order(OrderOn),
    /// It is not on record.
    Nothing,
}

impl Known {
    /// From the state in a row.
    fn parse(subject: &SubjectId, state: &[u8]) -> Self {
        if state.is_empty() {
            return Self::Nothing;
        }
        let known = match subject.kind() {
            SubjectKind::Mark => Mark::decode(state).ok().map(|mark| Self::Mark(Arc::new(KnownMark::new(mark)))),
            SubjectKind::Mine => Mine::decode(state).ok().map(|mine| Self::Mine(Arc::new(mine))),
            SubjectKind::Organisation => {
                Organisation::decode(state).ok().map(|organisation| Self::Organisation(Arc::new(organisation)))
            }
            SubjectKind::Order => GivenOrder::decode(state).ok().map(|given| Self::Order(order::on(&given))),
            SubjectKind::Equipment | SubjectKind::Model | SubjectKind::Accident | SubjectKind::Publication => None,
        };
        known.unwrap_or(Self::Nothing)
    }
}

/// What is kept in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    subjects: RwLock<HashMap<SubjectId, Known>>,
    /// Ids of marks by their numbers as machines bear them: an id takes two hashes and a normal form.
    marks: RwLock<HashMap<String, SubjectId>>,
    publications: RwLock<Arc<Publications>>,
    /// The instant up to which time has passed in the findings.
    passed_us: AtomicI64,
}

impl Memory {
    pub(crate) fn passed_us(&self) -> i64 {
        self.passed_us.load(Ordering::Acquire)
    }

    pub(crate) fn set_passed(&self, passed_us: i64) {
        self.passed_us.store(passed_us, Ordering::Release);
    }

    pub(crate) fn publications(&self) -> Arc<Publications> {
        Arc::clone(&self.publications.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_publications(&self, publications: Publications) {
        *self.publications.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(publications);
    }

    pub(crate) fn get(&self, subject: &SubjectId) -> Option<Known> {
        self.subjects.read().unwrap_or_else(PoisonError::into_inner).get(subject).cloned()
    }

    fn mark_id(&self, number: &str) -> Option<SubjectId> {
        if let Some(id) = self.marks.read().unwrap_or_else(PoisonError::into_inner).get(number) {
            return Some(*id);
        }
        let id = SubjectId::mark(number).ok()?;
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        if marks.len() >= KEPT_MAX {
            marks.clear();
        }
        marks.insert(number.to_owned(), id);
        Some(id)
    }

    pub(crate) fn put(&self, subject: SubjectId, known: Known) {
        let mut subjects = self.subjects.write().unwrap_or_else(PoisonError::into_inner);
        if subjects.len() >= KEPT_MAX {
            subjects.clear();
        }
        subjects.insert(subject, known);
    }
}

/// The world of a question, or of a batch that is being applied.
pub(crate) struct IndexWorld<'a> {
    index: &'a Index,
    /// Rows that the batch has changed and not written yet.
    changes: Option<&'a Changes>,
    publications: Arc<Publications>,
    size: u64,
}

impl<'a> IndexWorld<'a> {
    /// The world of a question that knows the entries below `size`.
    pub(crate) fn new(index: &'a Index, size: u64) -> Self {
        Self { index, changes: None, publications: index.memory.publications(), size }
    }

    /// The world of a batch.
    pub(crate) fn of_batch(index: &'a Index, changes: &'a Changes) -> Self {
        Self { index, changes: Some(changes), publications: index.memory.publications(), size: u64::MAX }
    }

    fn known(&self, subject: &SubjectId) -> Known {
        if let Some(known) = self.index.memory.get(subject) {
            return known;
        }
        // A row that does not read is found when it is read for itself; here it stands for nothing.
        let row = self.index.row(subject).ok().flatten();
        let known = row.map_or(Known::Nothing, |row| Known::parse(subject, &row.state));
        // What is not there yet may come with the next entry: only what is on record is kept.
        if !matches!(known, Known::Nothing) {
            self.index.memory.put(*subject, known.clone());
        }
        known
    }

    fn by_id(&self, kind: SubjectKind, id: &[u8]) -> Option<Known> {
        let id = <[u8; 16]>::try_from(id).ok()?;
        Some(self.known(&SubjectId::new(kind, id)))
    }
}

impl World for IndexWorld<'_> {
    fn mark(&self, number: &str) -> Option<Arc<KnownMark>> {
        match self.known(&self.index.memory.mark_id(number)?) {
            Known::Mark(mark) => Some(mark),
            Known::Mine(_) | Known::Organisation(_) | Known::Order(_) | Known::Nothing => None,
        }
    }

    fn mine(&self, id: &[u8]) -> Option<Arc<Mine>> {
        match self.by_id(SubjectKind::Mine, id)? {
            Known::Mine(mine) => Some(mine),
            Known::Mark(_) | Known::Organisation(_) | Known::Order(_) | Known::Nothing => None,
        }
    }

    fn organisation(&self, id: &[u8]) -> Option<Arc<Organisation>> {
        match self.by_id(SubjectKind::Organisation, id)? {
            Known::Organisation(organisation) => Some(organisation),
            Known::Mark(_) | Known::Mine(_) | Known::Order(_) | Known::Nothing => None,
        }
    }

    fn order(&self, id: &[u8]) -> Option<OrderOn> {
        match self.by_id(SubjectKind::Order, id)? {
            Known::Order(order) => Some(order),
            Known::Mark(_) | Known::Mine(_) | Known::Organisation(_) | Known::Nothing => None,
        }
    }

    fn category_of(&self, machine: &[u8]) -> String {
        let Ok(id) = <[u8; 16]>::try_from(machine) else { return String::new() };
        let subject = SubjectId::new(SubjectKind::Equipment, id);
        if let Some(machine) = self.changes.and_then(|changes| changes.machine(&subject)) {
            return machine.category.clone();
        }
        let row = self.index.row(&subject).ok().flatten();
        row.and_then(|row| Equipment::decode(row.state.as_slice()).ok()).map(|state| state.category).unwrap_or_default()
    }

    fn publications(&self) -> &Publications {
        &self.publications
    }

    fn size(&self) -> u64 {
        self.size
    }
}

impl Index {
    /// Reads all publications from the log: they are few, and asked for with every event.
    ///
    /// # Errors
    /// [`IndexError`].
    pub(crate) fn load_publications(&self, log: &LogReader) -> Result<(), IndexError> {
        let mut all = Vec::new();
        for row in self.store.scan(&keys::subjects_of(SubjectKind::Publication)) {
            let Some(subject) = keys::subject_of(&row?.0) else { continue };
            let stored = self.history(log, &subject, u64::MAX)?;
            let events = stored.iter().map(|stored| history::recorded(stored, &[])).collect::<Result<Vec<_>, _>>()?;
            all.extend(publication::fold(&subject, &events, Instant::ALL));
        }
        self.memory.set_publications(Publications::new(all));
        Ok(())
    }
}
