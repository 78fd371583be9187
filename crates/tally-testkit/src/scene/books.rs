//! What a scene has made so far, folded through the ledger's own admission.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tally_client::draft::SignedEvent;
use tally_core::{
    admission::{Admission, Chains, record::Equipment},
    candidate::{Candidate, UnverifiedCandidate},
    entry::EventEntry,
    id::{EventId, OrganisationId, SubjectId, SubjectKind},
    lifecycle,
    number::{ChainIndex, LogPosition},
    refusal::{Head, Refusal},
    set,
    signed_event::UnverifiedEnvelope,
    state::Recorded,
};
use tally_proto::v1::{self, Role, ServiceState};

use super::party::{Keys, Party};
use crate::{clock::SimClock, random::SeededRandom};

/// Events of a chain that are looked up again, in a scene that forgets.
const CHAIN_TAIL: usize = 8;

/// Everything that a scene knows.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) origin: String,
    pub(super) random: SeededRandom,
    pub(super) clock: SimClock,
    /// How far the clock goes on with each batch.
    pub(super) tick: Duration,
    /// Whether all is kept, or only what the next event needs.
    pub(super) keeps: bool,
    pub(super) threshold: u8,
    pub(super) parties: Vec<Party>,
    pub(super) keys: Keys,
    pub(super) admission: Admission,
    pub(super) groups: Vec<Vec<SignedEvent>>,
    pub(super) recorded: Vec<Recorded>,
    pub(super) serials: u64,
    states: HashMap<SubjectId, ServiceState>,
    chains: HashMap<SubjectId, Chain>,
    next_position: u64,
}

/// The last events of a chain, or all of them.
#[derive(Debug, Default)]
struct Chain {
    first: u64,
    events: VecDeque<Arc<Candidate>>,
}

/// Finds events among those that stand, and those that are just being admitted.
struct Lookup<'a> {
    chains: &'a HashMap<SubjectId, Chain>,
    batch: &'a [Recorded],
}

impl Chains for Lookup<'_> {
    fn event(&self, subject: &SubjectId, index: ChainIndex) -> Option<Arc<Candidate>> {
        let stands = self.chains.get(subject).and_then(|chain| {
            let at = index.get().checked_sub(chain.first)?;
            chain.events.get(usize::try_from(at).ok()?).cloned()
        });
        stands.or_else(|| {
            let in_batch = self.batch.iter().map(|recorded| &recorded.candidate).find(|candidate| {
                candidate.statement().subject == *subject && candidate.event().chain_index() == index
            });
            in_batch.cloned()
        })
    }
}

impl Books {
    pub(super) fn new(origin: &str, seed: u64, threshold: u8, clock: SimClock) -> Self {
        Self {
            origin: origin.to_owned(),
            random: SeededRandom::new(seed),
            clock,
            tick: Duration::from_secs(60),
            keeps: true,
            threshold,
            parties: Vec::new(),
            keys: Keys::new(seed),
            admission: Admission::new(origin),
            groups: Vec::new(),
            recorded: Vec::new(),
            serials: 0,
            states: HashMap::new(),
            chains: HashMap::new(),
            next_position: 0,
        }
    }

    /// A UUIDv7 of the simulated time and the scene's own chance, so that a scene gives the same bytes in every run.
    ///
    /// Source: RFC 9562, section 5.7.
    pub(super) fn event_id(&mut self) -> EventId {
        let mut id = [0; 16];
        self.random.fill(&mut id[6..]);
        let millis = u64::try_from(self.clock.now().micros() / 1_000).unwrap();
        id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        id[6] = id[6] & 0x0f | 0x70;
        id[8] = id[8] & 0x3f | 0x80;
        EventId::parse(&id).unwrap()
    }

    pub(super) fn party(&self, name: &str) -> Option<&Party> {
        self.parties.iter().find(|party| party.name == name)
    }

    pub(super) fn party_of(&self, id: &OrganisationId) -> Option<&Party> {
        self.parties.iter().find(|party| party.id == *id)
    }

    pub(super) fn party_at(&self, mine: &[u8; 16]) -> Option<&Party> {
        self.parties.iter().find(|party| party.site.as_ref().is_some_and(|site| site.mine.id() == mine))
    }

    pub(super) fn first_of(&self, role: Role) -> Option<&Party> {
        self.parties.iter().find(|party| party.role == role)
    }

    pub(super) fn equipment(&self, subject: &SubjectId) -> Equipment {
        self.admission.equipment(subject).cloned().unwrap_or_default()
    }

    pub(super) fn state(&self, subject: &SubjectId) -> ServiceState {
        self.states.get(subject).copied().unwrap_or_default()
    }

    pub(super) fn head(&self, subject: &SubjectId) -> Head {
        let head = self.admission.head(subject);
        Head { chain_length: head.chain_length, head_hash: head.head_hash }
    }

    pub(super) fn is_open(&self, subject: &SubjectId) -> bool {
        self.head(subject).chain_length > 0
    }

    /// Says whether the events, one or a whole set, would be admitted now. Nothing changes.
    pub(super) fn judge(&mut self, messages: &[v1::SignedEvent]) -> Result<(), Refusal> {
        let mark = self.admission.mark();
        let judged = self.admit(messages);
        self.admission.roll_back(mark);
        self.admission.commit();
        judged.map(drop)
    }

    /// Admits the events, one or a whole set, as one batch; time goes on.
    pub(super) fn record(&mut self, events: Vec<SignedEvent>) -> Result<(), Refusal> {
        let messages: Vec<_> = events.iter().map(SignedEvent::message).collect();
        let mark = self.admission.mark();
        let admitted = match self.admit(&messages) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.admission.roll_back(mark);
                self.admission.commit();
                return Err(refusal);
            }
        };
        self.admission.commit();
        self.keep(admitted, events);
        Ok(())
    }

    /// Takes the founding event, which has no earlier authority to be judged by.
    pub(super) fn found(&mut self, genesis: SignedEvent) {
        let envelope = genesis.envelope().clone();
        let candidate = Candidate::parse_trusted(unverified(&genesis.message())).unwrap();
        let recorded_at = self.clock.now();
        let leaf = EventEntry::new(recorded_at, envelope).unwrap().leaf_hash();
        let position = LogPosition::FIRST;
        self.admission.apply(&candidate, position, leaf).unwrap();
        let recorded = Recorded { position, recorded_at, candidate: Arc::new(candidate), findings: Vec::new() };
        self.keep(vec![recorded], vec![genesis]);
    }

    fn admit(&mut self, messages: &[v1::SignedEvent]) -> Result<Vec<Recorded>, Refusal> {
        let mut candidates = Vec::with_capacity(messages.len());
        for message in messages {
            candidates.push(self.candidate(message)?);
        }
        let mut subjects = Vec::new();
        if candidates.len() > 1 || candidates.iter().any(|candidate| candidate.statement().set.is_some()) {
            let members: Vec<_> = candidates.iter().map(Candidate::event).collect();
            set::check_members(&members).map_err(Refusal::Set)?;
            subjects.extend(candidates.iter().map(|candidate| candidate.statement().subject));
        }
        let recorded_at = self.clock.now();
        let mut batch: Vec<Recorded> = Vec::with_capacity(candidates.len());
        for (candidate, position) in candidates.into_iter().zip(self.next_position..) {
            let lookup = Lookup { chains: &self.chains, batch: &batch };
            let findings = self.admission.judge(&candidate, recorded_at, &subjects, &lookup)?;
            let leaf = EventEntry::new(recorded_at, candidate.event().envelope().clone()).unwrap().leaf_hash();
            let position = LogPosition::new(position).unwrap();
            self.admission.apply(&candidate, position, leaf).unwrap();
            batch.push(Recorded { position, recorded_at, candidate: Arc::new(candidate), findings });
        }
        Ok(batch)
    }

    fn candidate(&self, message: &v1::SignedEvent) -> Result<Candidate, Refusal> {
        if self.keeps {
            UnverifiedCandidate::parse(&self.origin, unverified(message))?.verify(|id| self.admission.key(id))
        } else {
            // An endless life signs for itself, rightly: looking again would halve its speed.
            Candidate::parse_trusted(unverified(message))
        }
    }

    fn keep(&mut self, admitted: Vec<Recorded>, events: Vec<SignedEvent>) {
        let entries = u64::try_from(admitted.len()).unwrap();
        // The heads entry that ends a batch takes a place, too.
        self.next_position += entries + 1;
        for recorded in &admitted {
            let candidate = &recorded.candidate;
            let subject = candidate.statement().subject;
            if subject.kind() == SubjectKind::Equipment {
                let former = self.states.get(&subject).copied();
                self.states.insert(subject, lifecycle::step(former, candidate.body()).state);
            }
            let chain = self.chains.entry(subject).or_default();
            chain.events.push_back(candidate.clone());
            if !self.keeps && chain.events.len() > CHAIN_TAIL {
                chain.events.pop_front();
                chain.first += 1;
            }
        }
        if self.keeps {
            self.recorded.extend(admitted);
            self.groups.push(events);
        }
        self.clock.advance(self.tick);
    }
}

fn unverified(message: &v1::SignedEvent) -> UnverifiedEnvelope<'_> {
    UnverifiedEnvelope { payload: &message.payload, key_id: &message.key_id, signature: &message.signature }
}
