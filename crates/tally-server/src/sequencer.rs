//! The sequencer: one thread that owns the log, the tree and the state of admission, and so needs no lock.
//!
//! It takes what is waiting as one batch: under load batches grow by themselves, when idle nobody waits.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, mpsc as blocking},
    time::Duration,
};

use tally_core::{
    admission::{Admission, Chains, Mark},
    candidate::Candidate,
    entry::EventEntry,
    hash::LeafHash as CoreLeafHash,
    id::{OrganisationId, SubjectId},
    number::{ChainIndex, LogPosition as CorePosition},
    refusal::Refusal,
    retry, set,
    state::Recorded,
    time::Timestamp,
};
use tally_index::history;
use tally_log::{
    LogPosition, TreeSize,
    checkpoint::{Checkpoint, Origin},
    entry::{HeadsEntry, RecordedAt},
    heads::{HeadsMap, MapKey},
    note::SignerKey,
    store::{AppendError, Batch, Directory, LogReader, StoredEntry},
    touch::{Link, TouchStack},
    tree::Tree,
};
use tally_proto::v1::Role;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    chain_rate::{Bucket, ChainRate, Outsider},
    clock::Clock,
    fence::{Fence, FenceError},
    pool::{KeyDirectory, Prepared},
    published::Snapshot,
};

/// Events of one batch at most; what waits beyond them is the next batch.
pub const BATCH_EVENTS_MAX: usize = 2_048;
/// Payload bytes of one batch, not counting its last message: a frame has 32 MiB, links and all.
pub const BATCH_PAYLOAD_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Messages that may wait to be sequenced.
pub const QUEUE_MESSAGES_MAX: usize = 256;
/// Batches that may wait to be applied to the index before sealing waits for it.
pub const UNAPPLIED_BATCHES_MAX: usize = 64;
/// How far the clock may be behind the last batch before sequencing stops.
const BEHIND_MICROS_MAX: i64 = 2_000_000;
/// How far the clock may step ahead against monotonic time before sequencing stops.
const STEP_MICROS_MAX: i64 = 3_600_000_000;

/// Events that are sequenced together.
#[derive(Debug)]
pub struct Work {
    /// The events, in the order sent.
    pub events: Vec<Prepared>,
    /// How many there are: each gets an answer, whatever happens.
    pub count: usize,
    /// Bytes of their payloads.
    pub payload_bytes: usize,
    /// Whether all or none are to be sealed.
    pub atomic: bool,
    /// Where the answers go.
    pub answer: oneshot::Sender<Vec<Outcome>>,
}

/// What became of one event.
#[derive(Debug)]
pub enum Outcome {
    /// Sealed.
    Sealed(Sealed),
    /// Refused; nothing was changed.
    Refused(Box<Refusal>),
    /// Its place on the chain is taken: a retry, or signed on an old head. The log at the snapshot's size tells.
    Behind {
        /// The event.
        candidate: Box<Candidate>,
        /// What was sealed when this was found.
        snapshot: Arc<Snapshot>,
    },
    /// The chain is a machine's, and its organisation, an outsider there, must let others have a turn.
    Busy {
        /// The event.
        candidate: Box<Candidate>,
        /// How long it must wait.
        wait: Duration,
    },
    /// Nothing is wrong with it, but its set is not taken because of another member.
    Aside,
    /// Not written, or not known whether: the same bytes again, later.
    Unavailable(&'static str),
}

/// A sealed event, and the snapshot whose checkpoint covers it.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Its place in the log.
    pub position: LogPosition,
    /// Its place on its chain.
    pub chain_index: ChainIndex,
    /// When it was sealed, in microseconds.
    pub recorded_at_us: u64,
    /// Its leaf hash.
    pub leaf: CoreLeafHash,
    /// What is sealed.
    pub snapshot: Arc<Snapshot>,
}

/// A batch for the projector.
#[derive(Debug)]
pub struct Applied {
    /// Its events.
    pub events: Vec<Recorded>,
    /// Number of entries of the log after it.
    pub size: u64,
}

/// Everything that was rebuilt from the log at start-up.
pub struct State {
    /// The log's directory.
    pub directory: Directory,
    /// How far it was sealed, outside of it.
    pub fence: Fence,
    /// Its tree.
    pub tree: Tree,
    /// Its heads map.
    pub heads: HeadsMap,
    /// What admission judges by.
    pub admission: Admission,
    /// For each subject the touches that its next link leads to.
    pub stacks: HashMap<SubjectId, TouchStack>,
    /// `recorded_at` of the last batch.
    pub recorded_at: Timestamp,
}

/// Why the sequencer ended.
#[derive(Debug, thiserror::Error)]
pub enum SequencerEnd {
    /// Everything that was accepted is sealed.
    #[error("everything accepted is sealed")]
    Drained,
    /// A sync failed or a put timed out: only re-opening the log can tell what is in it.
    #[error("whether the last batch is in the log is not known; restart to look")]
    Unknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another server has the log.
    #[error("another server sequences this log; nothing was signed")]
    Fenced(#[source] FenceError),
    /// The clock cannot be right.
    #[error("{0}")]
    Clock(String),
    /// Our own state contradicts itself: nothing was signed.
    #[error("{0}; nothing was signed")]
    Contradiction(String),
}

/// The sequencer. Owned by its thread.
pub struct Sequencer {
    state: State,
    origin: Origin,
    signer: SignerKey,
    clock: Arc<dyn Clock>,
    keys: Arc<KeyDirectory>,
    reader: LogReader,
    publish: watch::Sender<Arc<Snapshot>>,
    projector: blocking::SyncSender<Applied>,
    /// How fast outsiders move chains on; `None` where nothing bounds them.
    chain_rate: Option<ChainRate>,
    /// Wall clock and monotonic time at the last batch.
    last_tick: Option<(Timestamp, Duration)>,
}

/// A batch as it grows.
struct Growing {
    frame: Batch,
    recorded_at: Timestamp,
    events: Vec<Recorded>,
    /// For each subject that the batch touches, the last touch before it: its own links are not on disk yet.
    touched_before: HashMap<SubjectId, Option<LogPosition>>,
    stacks_undo: Vec<(SubjectId, Option<TouchStack>)>,
    /// Monotonic time; `None` on a clock that is told the time, by which no rate can be measured.
    monotonic: Option<Duration>,
    /// What outsiders had left before each of their events in this batch.
    rate_undo: Vec<(Outsider, Option<Bucket>)>,
}

/// Where a part of a batch began, to take it back.
struct Began {
    mark: Mark,
    stacks: usize,
    rate: usize,
}

impl Sequencer {
    /// A sequencer over what start-up found; `chain_limit` bounds how fast outsiders move a machine's chain on.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the server that only this thread has")]
    pub fn new(
        state: State,
        signer: SignerKey,
        origin: Origin,
        clock: Arc<dyn Clock>,
        keys: Arc<KeyDirectory>,
        publish: watch::Sender<Arc<Snapshot>>,
        projector: blocking::SyncSender<Applied>,
        chain_limit: bool,
    ) -> Self {
        let reader = state.directory.durable_reader();
        let chain_rate = chain_limit.then(ChainRate::default);
        Self { state, origin, signer, clock, keys, reader, publish, projector, chain_rate, last_tick: None }
    }

    /// Takes what is waiting as one batch, until the queue closes or the log is in doubt.
    pub fn run(mut self, mut queue: mpsc::Receiver<Work>) -> SequencerEnd {
        let mut works = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let (mut events, mut bytes) = (first.count, first.payload_bytes);
            works.push(first);
            while events < BATCH_EVENTS_MAX
                && bytes < BATCH_PAYLOAD_BYTES_MAX
                && let Ok(next) = queue.try_recv()
            {
                events += next.count;
                bytes += next.payload_bytes;
                works.push(next);
            }
            if let Err(end) = self.seal(&mut works) {
                refuse(
                    works,
                    "the sequencer has stopped; whether the event was recorded is not known, send the same bytes again",
                );
                queue.close();
                while let Some(work) = queue.blocking_recv() {
                    refuse(
                        vec![work],
                        "the sequencer has stopped; the event was not recorded, send the same bytes again",
                    );
                }
                return end;
            }
        }
        SequencerEnd::Drained
    }

    /// Seals one batch: admission → append, durable → tree → fence → sign → publish → answer.
    ///
    /// Nothing is signed before the batch is durable and the fence moved, nothing is answered before it can be proved.
    fn seal(&mut self, works: &mut Vec<Work>) -> Result<(), SequencerEnd> {
        let recorded_at = self.tick()?;
        let first = position(self.state.tree.size());
        let mark = self.state.admission.mark();
        let mut growing = Growing {
            frame: Batch::new(first),
            recorded_at,
            events: Vec::new(),
            touched_before: HashMap::new(),
            stacks_undo: Vec::new(),
            monotonic: self.clock.monotonic(),
            rate_undo: Vec::new(),
        };
        let mut verdicts = Vec::with_capacity(works.len());
        for work in works.iter_mut() {
            verdicts.push(self.sequence(work, &mut growing)?);
        }
        if growing.events.is_empty() {
            self.state.admission.commit();
            answer(works, verdicts, &self.publish.borrow().clone(), recorded_at);
            return Ok(());
        }

        let former_heads = self.state.heads.clone();
        // Of what is in the batch, not of what was admitted on the way: a set that was taken back moved nothing.
        let moved: HashSet<SubjectId> =
            growing.events.iter().flat_map(|event| event.candidate.statement().touched()).collect();
        let head_of = |subject: &SubjectId| self.state.admission.head(subject).encode();
        let updates = moved.iter().map(|subject| (MapKey::of(&subject.key()), head_of(subject))).collect();
        self.state.heads.insert_all(updates);
        self.push_heads_entry(&mut growing, first)?;

        let leaves = growing.frame.leaves().to_vec();
        match self.state.directory.append(growing.frame) {
            // From here the batch is durable: a crash now loses nothing, re-opening seals it.
            Ok(size) if size == after(first, leaves.len()) => {}
            Ok(size) => {
                return Err(SequencerEnd::Contradiction(format!(
                    "the log has {size} entries after a batch at {first}"
                )));
            }
            Err(AppendError::Unknown(cause)) => return Err(SequencerEnd::Unknown(Box::new(cause))),
            Err(error @ (AppendError::NotWritten(_) | AppendError::Refused(_))) => {
                // Nothing of this batch is in the log; the next one may succeed.
                tracing::error!(%error, "a batch was not written");
                self.state.admission.roll_back(mark);
                self.state.admission.commit();
                self.state.heads = former_heads;
                undo_stacks(&mut self.state.stacks, &mut growing.stacks_undo, 0);
                self.undo_rate(&mut growing.rate_undo, 0);
                refuse(
                    std::mem::take(works),
                    "the log could not be written; the event was not recorded, send the same bytes again",
                );
                return Ok(());
            }
        }
        self.state.admission.commit();
        let snapshot = self.publish_batch(first, &leaves, recorded_at)?;
        answer(works, verdicts, &snapshot, recorded_at);
        self.hand_to_projector(growing.events, snapshot.size);
        Ok(())
    }

    fn push_heads_entry(&self, growing: &mut Growing, first: LogPosition) -> Result<(), SequencerEnd> {
        let contradiction = |what: &dyn std::fmt::Display| SequencerEnd::Contradiction(what.to_string());
        let micros = u64::try_from(growing.recorded_at.micros()).unwrap_or_default();
        let recorded_at =
            RecordedAt::from_micros(micros).ok_or_else(|| contradiction(&"recorded_at is out of range"))?;
        let heads = HeadsEntry {
            recorded_at,
            batch_first: first,
            map_root: self.state.heads.root(),
            subjects: self.state.heads.len(),
            cosigned: Vec::new(),
        };
        let entry = heads.encode().map_err(|error| contradiction(&error))?;
        growing.frame.push(&entry, &[]).map_err(|error| contradiction(&error))?;
        Ok(())
    }

    /// Tree, fence, signature, publication: the batch is durable already.
    fn publish_batch(
        &mut self,
        first: LogPosition,
        leaves: &[tally_log::LeafHash],
        recorded_at: Timestamp,
    ) -> Result<Arc<Snapshot>, SequencerEnd> {
        let before = self.state.tree.size();
        if !self.state.tree.append(leaves) || self.state.tree.size() <= before || position(before) != first {
            return Err(SequencerEnd::Contradiction("the tree did not grow by the batch".to_owned()));
        }
        let size = self.state.tree.size();
        match self.state.fence.advance(size, self.state.tree.root()) {
            // From here no other server can sign another tree of this size.
            Ok(()) => {}
            Err(error @ FenceError::Lost { .. }) => return Err(SequencerEnd::Fenced(error)),
            Err(error) => return Err(SequencerEnd::Unknown(Box::new(error))),
        }
        let full = self.state.tree.take_full_tiles();
        if let Err(error) = self.state.directory.write_tiles(&full) {
            // A tile follows from the entries: start-up writes what is missing.
            tracing::warn!(%error, "a full tile could not be written");
        }
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root: self.state.tree.root() };
        let note = checkpoint.sign(&self.signer).map_err(|error| SequencerEnd::Contradiction(error.to_string()))?;
        if let Err(error) = self.state.directory.publish_checkpoint(&note, size) {
            tracing::warn!(%error, "the checkpoint file could not be replaced");
        }
        self.state.recorded_at = recorded_at;
        let snapshot = Arc::new(Snapshot {
            size,
            recorded_at_us: u64::try_from(recorded_at.micros()).unwrap_or_default(),
            checkpoint: note.into(),
            tree: self.state.tree.view().clone(),
            heads: self.state.heads.clone(),
        });
        self.publish.send_replace(snapshot.clone());
        Ok(snapshot)
    }

    fn hand_to_projector(&self, events: Vec<Recorded>, size: TreeSize) {
        if self.projector.send(Applied { events, size: size.get() }).is_err() {
            tracing::error!("the projector has ended; reads will wait until the next start");
        }
    }

    /// Admits the events of one message into the growing batch; a set whole or not at all.
    fn sequence(&mut self, work: &mut Work, growing: &mut Growing) -> Result<Vec<Verdict>, SequencerEnd> {
        let events = std::mem::take(&mut work.events);
        if !work.atomic {
            return events.into_iter().map(|event| self.sequence_one(event, growing)).collect();
        }
        self.sequence_set(events, growing)
    }

    fn sequence_set(&mut self, events: Vec<Prepared>, growing: &mut Growing) -> Result<Vec<Verdict>, SequencerEnd> {
        let count = events.len();
        let mut members = Vec::with_capacity(count);
        let mut verdicts = Vec::with_capacity(count);
        for event in events {
            match self.verify_late(event) {
                Ok(candidate) => {
                    members.push(candidate);
                    verdicts.push(Verdict::Aside);
                }
                Err(refusal) => verdicts.push(Verdict::Refused(refusal)),
            }
        }
        if members.len() == count {
            let verified: Vec<_> = members.iter().map(|member| member.event()).collect();
            if let Err(error) = set::check_members(&verified) {
                // It is about all of them: the first one carries it.
                let refusal = Verdict::Refused(Box::new(Refusal::Set(error)));
                verdicts.truncate(count.saturating_sub(1));
                verdicts.insert(0, refusal);
                return Ok(verdicts);
            }
        } else {
            return Ok(verdicts);
        }
        let subjects: Vec<SubjectId> = members.iter().map(|member| member.statement().subject).collect();
        let began = self.begin_part(growing);
        let (events_before, entries_before) = (growing.events.len(), growing.frame.mark());
        let mut verdicts = Vec::with_capacity(count);
        for member in members {
            verdicts.push(self.admit(member, &subjects, began.rate, growing)?);
        }
        if verdicts.iter().all(|verdict| matches!(verdict, Verdict::Sealed { .. })) {
            return Ok(verdicts);
        }
        // One member may not: none does.
        self.take_back(began, growing);
        growing.events.truncate(events_before);
        growing.frame.roll_back(entries_before);
        let aside = verdicts.into_iter().map(|verdict| match verdict {
            Verdict::Sealed { .. } => Verdict::Aside,
            other @ (Verdict::Refused(_) | Verdict::Behind(_) | Verdict::Busy { .. } | Verdict::Aside) => other,
        });
        Ok(aside.collect())
    }

    fn begin_part(&mut self, growing: &Growing) -> Began {
        Began { mark: self.state.admission.mark(), stacks: growing.stacks_undo.len(), rate: growing.rate_undo.len() }
    }

    fn take_back(&mut self, began: Began, growing: &mut Growing) {
        self.state.admission.roll_back(began.mark);
        undo_stacks(&mut self.state.stacks, &mut growing.stacks_undo, began.stacks);
        self.undo_rate(&mut growing.rate_undo, began.rate);
    }

    fn undo_rate(&mut self, undo: &mut Vec<(Outsider, Option<Bucket>)>, keep: usize) {
        let Some(rate) = &mut self.chain_rate else { return };
        for (outsider, former) in undo.drain(keep.min(undo.len())..).rev() {
            rate.bring_back(outsider, former);
        }
    }

    /// The outsider whose bucket an event would come from, if anything bounds it.
    fn outsider(&self, candidate: &Candidate) -> Option<Outsider> {
        let statement = candidate.statement();
        let (organisation, subject): (OrganisationId, SubjectId) = (statement.organisation, statement.subject);
        let role = i32::try_from(statement.role).ok().and_then(|role| Role::try_from(role).ok()).unwrap_or_default();
        let is_at_home = self.state.admission.is_at_home(&organisation, role, &subject);
        (!is_at_home).then_some((subject, organisation))
    }

    fn sequence_one(&mut self, event: Prepared, growing: &mut Growing) -> Result<Verdict, SequencerEnd> {
        let candidate = match self.verify_late(event) {
            Ok(candidate) => candidate,
            Err(refusal) => return Ok(Verdict::Refused(refusal)),
        };
        if let Some(set) = candidate.statement().set {
            // A member that comes alone may be a retry of what stands there; else its set is incomplete.
            let head = self.state.admission.head(&candidate.statement().subject);
            if candidate.event().chain_index().get() < head.chain_length {
                return Ok(Verdict::Behind(candidate));
            }
            return Ok(Verdict::Refused(Box::new(Refusal::SetIncomplete { count: set.count })));
        }
        let before = growing.rate_undo.len();
        self.admit(candidate, &[], before, growing)
    }

    /// Checks the signatures of an event whose key was registered on the way.
    fn verify_late(&self, event: Prepared) -> Result<Box<Candidate>, Box<Refusal>> {
        match event {
            Prepared::Candidate(candidate) => Ok(candidate),
            Prepared::KeyUnknown(candidate) => {
                candidate.verify(|id| self.state.admission.key(id)).map(Box::new).map_err(Box::new)
            }
            Prepared::Refused(refusal) => Err(refusal),
        }
    }

    /// Admits an event into the batch. What its set has taken from buckets begins at `set_rate`: a set is never too large
    /// for one, it is paid for afterwards.
    fn admit(
        &mut self,
        candidate: Box<Candidate>,
        set: &[SubjectId],
        set_rate: usize,
        growing: &mut Growing,
    ) -> Result<Verdict, SequencerEnd> {
        let chains = ChainLookup {
            stacks: &self.state.stacks,
            touched_before: &growing.touched_before,
            log: &self.reader,
            batch: &growing.events,
        };
        let judged = check_rebase(&candidate, &chains)
            .and_then(|()| self.state.admission.judge(&candidate, growing.recorded_at, set, &chains));
        let findings = match judged {
            Ok(findings) => findings,
            Err(Refusal::StaleHead { .. }) => return Ok(Verdict::Behind(candidate)),
            Err(refusal) => return Ok(Verdict::Refused(Box::new(refusal))),
        };
        // Asked last: a retry gets its receipt, and what is refused is refused, whoever is in a hurry.
        if let (Some(rate), Some(now)) = (&self.chain_rate, growing.monotonic)
            && let Some(outsider) = self.outsider(&candidate)
        {
            let of_this_set = growing.rate_undo.get(set_rate..).unwrap_or_default();
            if !of_this_set.iter().any(|(known, _)| *known == outsider)
                && let Some(wait) = rate.wait(&outsider, now)
            {
                return Ok(Verdict::Busy { candidate, wait });
            }
            if let Some(rate) = &mut self.chain_rate {
                growing.rate_undo.push((outsider, rate.take(outsider, now)));
            }
        }
        let contradiction = |what: String| SequencerEnd::Contradiction(what);
        let at = growing.frame.first().checked_add(u64::try_from(growing.frame.len()).unwrap_or(u64::MAX));
        let at = at.ok_or_else(|| contradiction("the log is full".to_owned()))?;
        let entry = EventEntry::new(growing.recorded_at, candidate.event().envelope().clone())
            .map_err(|error| contradiction(error.to_string()))?;
        let bytes = entry.encode();
        let links = self.link(&candidate, at, growing);
        let leaf = growing.frame.push(&bytes, &links).map_err(|error| contradiction(error.to_string()))?;
        let leaf = CoreLeafHash::new(*leaf.as_bytes());
        let core_at = core_position(at).ok_or_else(|| contradiction("the log is full".to_owned()))?;
        self.state.admission.apply(&candidate, core_at, leaf).map_err(|error| contradiction(error.to_string()))?;
        self.register_keys(&candidate);
        let chain_index = candidate.event().chain_index();
        let candidate = Arc::new(*candidate);
        growing.events.push(Recorded { position: core_at, recorded_at: growing.recorded_at, candidate, findings });
        Ok(Verdict::Sealed { position: at, chain_index, leaf })
    }

    /// The links beside an entry: for each subject that it touches, own subject first.
    fn link(&mut self, candidate: &Candidate, at: LogPosition, growing: &mut Growing) -> Vec<Link> {
        candidate
            .statement()
            .touched()
            .map(|subject| {
                let former = self.state.stacks.get(&subject).cloned();
                growing.touched_before.entry(subject).or_insert_with(|| former.as_ref().and_then(TouchStack::last));
                growing.stacks_undo.push((subject, former));
                self.state.stacks.entry(subject).or_default().push(at)
            })
            .collect()
    }

    /// Tells the pool of keys that were registered. One that is rolled back does no harm: admission decides.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only two kinds register keys")]
    fn register_keys(&self, candidate: &Candidate) {
        use tally_proto::v1::statement::Body;
        let key = |bytes: &[u8]| tally_core::key::PublicKey::parse(bytes).ok();
        // Both stand on the chain of the organisation whose keys they are.
        let Ok(owner) = OrganisationId::try_from(candidate.statement().subject) else { return };
        match candidate.body().message() {
            Body::KeyAdded(body) => self.keys.add(key(&body.key).map(|key| (key, owner))),
            Body::OrganisationRegistered(body) => {
                let keys = [&body.first_key, &body.recovery_key].into_iter().filter_map(|bytes| key(bytes));
                self.keys.add(keys.map(|key| (key, owner)));
            }
            _ => {}
        }
    }

    /// The time of this batch: strictly after the last one, by a clock that can be right.
    fn tick(&mut self) -> Result<Timestamp, SequencerEnd> {
        let now = self.clock.now();
        let last = self.state.recorded_at;
        if now.micros() < last.micros().saturating_sub(BEHIND_MICROS_MAX) {
            return Err(SequencerEnd::Clock(format!(
                "CLOCK_BEHIND: the clock shows {now}, over 2 s before the last batch at {last}"
            )));
        }
        if let Some(monotonic) = self.clock.monotonic() {
            if let Some((then, since)) = self.last_tick {
                let passed = i64::try_from(monotonic.saturating_sub(since).as_micros()).unwrap_or(i64::MAX);
                let stepped = now.micros().saturating_sub(then.micros()).saturating_sub(passed);
                if stepped > STEP_MICROS_MAX {
                    return Err(SequencerEnd::Clock(format!(
                        "CLOCK_STEPPED: the clock stepped ahead by more than an hour to {now}"
                    )));
                }
            }
            self.last_tick = Some((now, monotonic));
        }
        let next = last.checked_add_micros(1).unwrap_or(last);
        Ok(now.max(next))
    }
}

/// What was decided about one event, before the batch is sealed.
enum Verdict {
    Sealed { position: LogPosition, chain_index: ChainIndex, leaf: CoreLeafHash },
    Refused(Box<Refusal>),
    Behind(Box<Candidate>),
    Busy { candidate: Box<Candidate>, wait: Duration },
    Aside,
}

/// An event that was first signed for an earlier place must not stand there already.
fn check_rebase(candidate: &Candidate, chains: &ChainLookup<'_>) -> Result<(), Refusal> {
    let subject = candidate.statement().subject;
    for index in retry::places_to_search(candidate)? {
        if let Some(standing) = chains.event(&subject, ChainIndex::new(index)) {
            retry::check_id_is_new(candidate, standing.event())?;
        }
    }
    Ok(())
}

/// Finds events of a chain in the batch that is growing, and in the log behind it.
struct ChainLookup<'a> {
    stacks: &'a HashMap<SubjectId, TouchStack>,
    touched_before: &'a HashMap<SubjectId, Option<LogPosition>>,
    log: &'a LogReader,
    batch: &'a [Recorded],
}

impl Chains for ChainLookup<'_> {
    fn event(&self, subject: &SubjectId, index: ChainIndex) -> Option<Arc<Candidate>> {
        let in_batch = self.batch.iter().rev().find(|event| {
            event.candidate.statement().subject == *subject && event.candidate.event().chain_index() == index
        });
        if let Some(event) = in_batch {
            return Some(event.candidate.clone());
        }
        let last = match self.touched_before.get(subject) {
            Some(before) => *before,
            None => self.stacks.get(subject).and_then(TouchStack::last),
        };
        find_on_chain(self.log, subject, index, last.map(LogPosition::get)).map(|(_, recorded)| recorded.candidate)
    }
}

/// The event at a place of a chain, walking back from the touch at `last`; by the jump pointers where they lead to the
/// chain itself, so that a long chain takes few reads.
pub fn find_on_chain(
    log: &LogReader,
    subject: &SubjectId,
    index: ChainIndex,
    last: Option<u64>,
) -> Option<(StoredEntry, Recorded)> {
    let mut at = Standing::read(log, subject, LogPosition::new(last?)?)?;
    loop {
        match at.own_index {
            Some(own) if own == index => {
                return history::recorded(&at.stored, &[]).ok().map(|event| (at.stored, event));
            }
            Some(own) if own < index => return None,
            Some(_) | None => {}
        }
        let jumped = at.link.jump.filter(|jump| Some(*jump) != at.link.previous);
        let jumped = jumped.and_then(|jump| Standing::read(log, subject, jump));
        at = match jumped.filter(|jumped| jumped.own_index.is_some_and(|own| own >= index)) {
            Some(jumped) => jumped,
            None => Standing::read(log, subject, at.link.previous?)?,
        };
    }
}

/// An entry that touches a subject.
struct Standing {
    stored: StoredEntry,
    link: Link,
    /// Its place on the subject's chain, if it is on it.
    own_index: Option<ChainIndex>,
}

impl Standing {
    fn read(log: &LogReader, subject: &SubjectId, position: LogPosition) -> Option<Self> {
        let (stored, link) = history::step(log, subject, position.get()).ok()?;
        let entry = EventEntry::parse(&stored.entry).ok()?;
        let event = entry.unverified().parse().ok()?;
        let event = event.event();
        let own_index = (event.statement().subject == *subject).then(|| event.chain_index());
        Some(Self { stored, link, own_index })
    }
}

fn undo_stacks(
    stacks: &mut HashMap<SubjectId, TouchStack>,
    undo: &mut Vec<(SubjectId, Option<TouchStack>)>,
    keep: usize,
) {
    while undo.len() > keep {
        match undo.pop() {
            Some((subject, Some(former))) => drop(stacks.insert(subject, former)),
            Some((subject, None)) => drop(stacks.remove(&subject)),
            None => return,
        }
    }
}

fn answer(works: &mut Vec<Work>, verdicts: Vec<Vec<Verdict>>, snapshot: &Arc<Snapshot>, recorded_at: Timestamp) {
    let recorded_at_us = u64::try_from(recorded_at.micros()).unwrap_or_default();
    for (work, verdicts) in works.drain(..).zip(verdicts) {
        let outcomes = verdicts.into_iter().map(|verdict| match verdict {
            Verdict::Sealed { position, chain_index, leaf } => {
                Outcome::Sealed(Sealed { position, chain_index, recorded_at_us, leaf, snapshot: snapshot.clone() })
            }
            Verdict::Refused(refusal) => Outcome::Refused(refusal),
            Verdict::Behind(candidate) => Outcome::Behind { candidate, snapshot: snapshot.clone() },
            Verdict::Busy { candidate, wait } => Outcome::Busy { candidate, wait },
            Verdict::Aside => Outcome::Aside,
        });
        // Cancellation ends a caller's wait, never his event.
        drop(work.answer.send(outcomes.collect()));
    }
}

fn refuse(works: Vec<Work>, why: &'static str) {
    for work in works {
        let outcomes = (0..work.count).map(|_| Outcome::Unavailable(why)).collect();
        drop(work.answer.send(outcomes));
    }
}

fn position(size: TreeSize) -> LogPosition {
    size.next_position()
}

fn after(first: LogPosition, entries: usize) -> TreeSize {
    let entries = u64::try_from(entries).unwrap_or(u64::MAX);
    TreeSize::new(first.get().saturating_add(entries)).unwrap_or(TreeSize::EMPTY)
}

/// The same position in the domain's own type: the domain does not know the log.
pub fn core_position(position: LogPosition) -> Option<CorePosition> {
    CorePosition::new(position.get())
}
