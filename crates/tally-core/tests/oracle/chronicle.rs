//! A log without signatures, for histories by the hundred; and the plain look-ups in it.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use tally_core::{
    candidate::Candidate,
    id::{SubjectId, SubjectKind},
    number::ChainIndex,
    refusal::Refusal,
    signed_event::{Event, Hand},
    state::{Instant, Recorded, mark, organisation, publication::Published},
    time::Timestamp,
};
use tally_proto::v1::{Mark, Mine, Organisation};

use crate::{
    common::{Draft, Ledger, key_id},
    law::{self, Law},
};

/// Records a draft as the sequencer would, with everything but the signatures: these are not what is tested here.
/// `performed_by` names keys.
pub(crate) fn record(ledger: &mut Ledger, draft: &Draft, performed_by: &[&str]) -> Result<Recorded, Refusal> {
    record_set(ledger, std::slice::from_ref(draft), performed_by).map(|mut recorded| recorded.remove(0))
}

/// Records a set; a set of one stands alone.
pub(crate) fn record_set(
    ledger: &mut Ledger,
    drafts: &[Draft],
    performed_by: &[&str],
) -> Result<Vec<Recorded>, Refusal> {
    let members: Vec<SubjectId> =
        if drafts.len() > 1 { drafts.iter().map(|draft| draft.subject).collect() } else { Vec::new() };
    let mut statements: Vec<_> = drafts.iter().map(|draft| ledger.statement(draft, &members)).collect();
    for statement in &mut statements {
        statement.performed_by = performed_by.iter().map(|name| key_id(name)).collect();
        statement.performed_by.sort();
    }
    if drafts.len() > 1 {
        let hashes: Vec<_> = statements.iter().map(tally_core::statement::Statement::member_hash).collect();
        let set = tally_core::set::EventSet::of(&hashes).unwrap();
        statements.iter_mut().for_each(|statement| statement.set = Some(set));
    }
    let mark = ledger.admission.mark();
    let (length, now) = (ledger.log.len(), ledger.now);
    let mut recorded = Vec::new();
    for (draft, statement) in drafts.iter().zip(&statements) {
        let head = ledger.admission.head(&draft.subject);
        let mut hands: Vec<Hand> =
            draft.hands.iter().map(|name| Hand { key_id: key_id(name), signature: [7; 64] }).collect();
        hands.sort_by_key(|hand| hand.key_id);
        hands.dedup_by_key(|hand| hand.key_id);
        hands.retain(|hand| hand.key_id != key_id(&draft.issuer));
        let index = ChainIndex::new(head.chain_length);
        let answer = Event::new(index, head.head_hash, &statement.encode(), hands)
            .map_err(|error| panic!("{error}: {draft:?}"))
            .and_then(|event| {
                let payload = event.encode();
                let issuer = key_id(&draft.issuer);
                let envelope = tally_core::signed_event::UnverifiedEnvelope {
                    payload: &payload,
                    key_id: issuer.as_bytes(),
                    signature: &[7; 64],
                };
                let candidate = Candidate::parse_trusted(envelope)?;
                let findings = ledger.judge(&candidate, &members)?.unwrap_or_default();
                Ok(ledger.record(candidate, findings))
            });
        match answer {
            Ok(event) => recorded.push(event),
            Err(refusal) => {
                ledger.undo(mark, length, now);
                return Err(refusal);
            }
        }
    }
    ledger.admission.commit();
    Ok(recorded)
}

/// Laws by number of turns before, and mine.
type Laws = HashMap<(usize, Vec<u8>), Rc<Law>>;

/// A log cut at a size, with look-ups that are remembered for speed only.
pub(crate) struct Log<'a> {
    pub(crate) all: &'a [Recorded],
    pub(crate) size: u64,
    publications: OnceCell<Vec<Published>>,
    mines: OnceCell<BTreeMap<SubjectId, Mine>>,
    organisations: OnceCell<BTreeMap<SubjectId, Organisation>>,
    marks: OnceCell<BTreeMap<SubjectId, Vec<Recorded>>>,
    /// Instants at which what is in force may change.
    turns: OnceCell<Vec<i64>>,
    laws: RefCell<Laws>,
}

impl<'a> Log<'a> {
    pub(crate) fn new(all: &'a [Recorded], size: u64) -> Self {
        Self {
            all,
            size,
            publications: OnceCell::new(),
            mines: OnceCell::new(),
            organisations: OnceCell::new(),
            marks: OnceCell::new(),
            turns: OnceCell::new(),
            laws: RefCell::default(),
        }
    }

    /// What is below the size.
    pub(crate) fn known(&self) -> impl Iterator<Item = &'a Recorded> {
        let size = self.size;
        self.all.iter().filter(move |event| event.position.get() < size)
    }

    pub(crate) fn publications(&self) -> &[Published] {
        self.publications.get_or_init(|| law::publications(self.all, self.size))
    }

    fn chains(&self, kind: SubjectKind) -> BTreeMap<SubjectId, Vec<Recorded>> {
        let mut chains: BTreeMap<SubjectId, Vec<Recorded>> = BTreeMap::new();
        for event in self.known() {
            let subject = event.candidate.statement().subject;
            if subject.kind() == kind {
                chains.entry(subject).or_default().push(event.clone());
            }
        }
        chains
    }

    /// A mine as all entries below the size tell it: of its profiles each has its day, its places are what they are.
    pub(crate) fn mine(&self, id: &[u8]) -> Option<&Mine> {
        let id = <[u8; 16]>::try_from(id).ok()?;
        let mines = self.mines.get_or_init(|| {
            let chains = self.chains(SubjectKind::Mine);
            chains.keys().filter_map(|subject| Some((*subject, law::mine_of(self.all, subject, self.size)?))).collect()
        });
        mines.get(&SubjectId::new(SubjectKind::Mine, id))
    }

    /// An organisation as all entries below the size tell it: keys are judged by position, not by time.
    pub(crate) fn organisation(&self, id: &[u8]) -> Option<&Organisation> {
        let id = <[u8; 16]>::try_from(id).ok()?;
        let organisations = self.organisations.get_or_init(|| {
            let instant = Instant { size: self.size, ..Instant::ALL };
            self.chains(SubjectKind::Organisation)
                .iter()
                .filter_map(|(subject, events)| Some((*subject, organisation::fold(subject, events, instant)?)))
                .collect()
        });
        organisations.get(&SubjectId::new(SubjectKind::Organisation, id))
    }

    fn mark_events(&self) -> &BTreeMap<SubjectId, Vec<Recorded>> {
        self.marks.get_or_init(|| self.chains(SubjectKind::Mark))
    }

    /// A mark as it was at an instant.
    pub(crate) fn mark(&self, number: &str, at_us: i64) -> Option<Mark> {
        let subject = SubjectId::mark(number).ok()?;
        let events = self.mark_events().get(&subject)?;
        mark::fold(&subject, events, Instant { as_of: Timestamp::from_micros(at_us), size: self.size })
    }

    /// What is in force; remembered between two turns.
    pub(crate) fn law(&self, at_us: i64, mine_id: &[u8]) -> Rc<Law> {
        let turns = self.turns.get_or_init(|| {
            let mut turns = self.turns();
            turns.sort_unstable();
            turns
        });
        let key = (turns.partition_point(|turn| *turn <= at_us), mine_id.to_vec());
        if let Some(law) = self.laws.borrow().get(&key) {
            return Rc::clone(law);
        }
        let law = Rc::new(Law::at(self, at_us, mine_id));
        self.laws.borrow_mut().insert(key, Rc::clone(&law));
        law
    }

    /// Category of a machine; empty where it is not on record.
    pub(crate) fn category_of(&self, machine: &[u8]) -> String {
        let own = self.known().filter(|event| {
            let subject = event.candidate.statement().subject;
            subject.kind() == SubjectKind::Equipment && subject.id()[..] == *machine
        });
        crate::world::category(own)
    }

    /// Instants at which what is on record about marks, publications or mines begins to count.
    pub(crate) fn instants(&self) -> Vec<i64> {
        let day = |day: Option<&tally_proto::v1::Day>| {
            let day = day.and_then(tally_core::event::day);
            [day.and_then(|day| day.starts()), day.and_then(|day| day.ends())]
        };
        let mut all: Vec<i64> = Vec::new();
        let mut days = Vec::new();
        for (subject, events) in self.mark_events() {
            all.extend(events.iter().map(|event| event.candidate.statement().occurred_at.micros()));
            let instant = Instant { size: self.size, ..Instant::ALL };
            let Some(mark) = mark::fold(subject, events, instant) else { continue };
            days.extend(mark.changes.iter().flat_map(|change| day(change.from.as_ref())));
            days.extend(mark.periods.iter().flat_map(|period| day(period.from.as_ref())));
            days.extend(mark.periods.iter().flat_map(|period| day(period.until.as_ref())));
        }
        all.extend(days.into_iter().flatten().map(Timestamp::micros));
        all.extend(self.turns());
        all
    }

    /// Instants at which publications or profiles of mines begin or end to count.
    fn turns(&self) -> Vec<i64> {
        let starts = |day: Option<&tally_proto::v1::Day>| {
            let starts = day.and_then(tally_core::event::day).and_then(|day| day.starts());
            starts.map(Timestamp::micros)
        };
        let mut all: Vec<i64> = Vec::new();
        for published in self.publications() {
            all.extend(starts(published.publication.from.as_ref()));
            all.extend(published.withdrawn.iter().filter_map(|(from, _)| starts(Some(from))));
        }
        for subject in self.chains(SubjectKind::Mine).keys() {
            let mine = self.mine(subject.id()).unwrap();
            all.extend(mine.profiles.iter().map(|profile| profile.from_us));
        }
        all
    }
}
