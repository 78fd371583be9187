//! What is on record around a machine, for the judge: plain folds over the same entries.

use std::{collections::HashMap, sync::Arc};

use tally_core::{
    id::{SubjectId, SubjectKind},
    rule::{
        conditions::World,
        facts::{OrderOn, order_of},
        in_force::Publications,
        known_mark::KnownMark,
    },
    state::{Instant, Recorded, Step, mark, mine, organisation, publication},
};
use tally_proto::v1::{Mine, Organisation, statement::Body as Message};

/// A world of the entries below `folded`, asked for the size `size`: an index that knows more than is asked for has
/// `folded` past `size`.
pub(crate) struct Around {
    size: u64,
    marks: HashMap<SubjectId, Arc<KnownMark>>,
    mines: HashMap<Vec<u8>, Arc<Mine>>,
    organisations: HashMap<Vec<u8>, Arc<Organisation>>,
    orders: HashMap<Vec<u8>, OrderOn>,
    categories: HashMap<Vec<u8>, String>,
    publications: Publications,
}

impl Around {
    pub(crate) fn new(log: &[Recorded], size: u64, folded: u64) -> Self {
        let mut chains: HashMap<SubjectId, Vec<Recorded>> = HashMap::new();
        for event in log.iter().filter(|event| event.position.get() < folded) {
            chains.entry(event.candidate.statement().subject).or_default().push(event.clone());
        }
        let mut world = Self {
            size,
            marks: HashMap::new(),
            mines: HashMap::new(),
            organisations: HashMap::new(),
            orders: HashMap::new(),
            categories: HashMap::new(),
            publications: Publications::default(),
        };
        let mut published = Vec::new();
        for (subject, events) in &chains {
            let id = subject.id().to_vec();
            match subject.kind() {
                SubjectKind::Mark => {
                    let mark = mark::fold(subject, events, Instant::ALL).unwrap();
                    world.marks.insert(*subject, Arc::new(KnownMark::new(mark)));
                }
                SubjectKind::Mine => {
                    world.mines.insert(id, Arc::new(mine::fold(subject, events, Instant::ALL).unwrap()));
                }
                SubjectKind::Organisation => {
                    let organisation = organisation::fold(subject, events, Instant::ALL).unwrap();
                    world.organisations.insert(id, Arc::new(organisation));
                }
                SubjectKind::Order => {
                    world.orders.extend(order_of(&Step::of(&events[0])).map(|order| (id, order)));
                }
                SubjectKind::Equipment => {
                    world.categories.insert(id, category(events.iter()));
                }
                SubjectKind::Publication => published.extend(publication::fold(subject, events, Instant::ALL)),
                SubjectKind::Model | SubjectKind::Accident => {}
            }
        }
        world.publications = Publications::new(published);
        world
    }
}

/// The category that the entries of a machine give it.
pub(crate) fn category<'a>(events: impl Iterator<Item = &'a Recorded>) -> String {
    let categories = events.filter_map(|event| match event.candidate.body().message() {
        Message::Manufactured(body) => Some(body.category.clone()),
        Message::Enrolled(body) => Some(body.category.clone()),
        Message::AssemblyFormed(body) => Some(body.category.clone()),
        _ => None,
    });
    categories.last().unwrap_or_default()
}

impl World for Around {
    fn mark(&self, number: &str) -> Option<Arc<KnownMark>> {
        self.marks.get(&SubjectId::mark(number).ok()?).cloned()
    }

    fn mine(&self, id: &[u8]) -> Option<Arc<Mine>> {
        self.mines.get(id).cloned()
    }

    fn organisation(&self, id: &[u8]) -> Option<Arc<Organisation>> {
        self.organisations.get(id).cloned()
    }

    fn order(&self, id: &[u8]) -> Option<OrderOn> {
        self.orders.get(id).cloned()
    }

    fn category_of(&self, machine: &[u8]) -> String {
        self.categories.get(machine).cloned().unwrap_or_default()
    }

    fn publications(&self) -> &Publications {
        &self.publications
    }

    fn size(&self) -> u64 {
        self.size
    }
}
