//! Moves the index on: every entry of a batch into the rows of the subjects that it touches, in one atomic write.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use prost::Message;
use tally_core::{
    id::{SubjectId, SubjectKind},
    rule::{
        judge::{Case, changed_from_us, changes_the_world, judge_events},
        known_mark::KnownMark,
    },
    state::{self, Instant, Recorded, Step, equipment, mark, mine, order, organisation, publication},
    text,
    time::Timestamp,
};
use tally_log::store::LogReader;
use tally_proto::v1::{self, Irregularity, statement::Body};

use crate::{
    Index, IndexError,
    docket::Docket,
    history,
    keys::{self, Listing},
    orders,
    row::Row,
    store::Batch,
    world::{IndexWorld, Known},
};

/// A row that a batch changes.
pub(crate) struct Change {
    row: Row,
    /// Under what the machine was found before the batch.
    listed: u64,
    /// Decoded once, and written into the row at the end.
    state: State,
    /// Organisations that signed on its chain in this batch.
    signed_by: BTreeSet<Vec<u8>>,
}

/// The rows that a batch changes.
#[derive(Default)]
pub(crate) struct Changes(BTreeMap<SubjectId, Change>);

impl Changes {
    /// A machine as it stands in the batch; `None` where the batch does not touch it.
    pub(crate) fn machine(&self, subject: &SubjectId) -> Option<&v1::Equipment> {
        self.0.get(subject).and_then(|change| change.state.equipment())
    }
}

/// The state of a subject; [`State::Closed`] where its chain is not open, or none is kept of its kind.
enum State {
    Closed,
    /// A machine or a mine, with what the rules keep of it.
    Judged(Box<Case>),
    Organisation(Box<v1::Organisation>),
    Mark(Box<v1::Mark>),
    Order(Box<v1::GivenOrder>),
    /// A publication: its chain is open, and what it says is read from the log.
    Publication,
}

impl State {
    /// `None` where the row is none of the subject's kind.
    fn parse(subject: &SubjectId, row: &Row) -> Option<Self> {
        let bytes = row.state.as_slice();
        if bytes.is_empty() {
            return Some(Self::Closed);
        }
        let kept = || row.case.clone().unwrap_or_default();
        match subject.kind() {
            SubjectKind::Equipment => {
                let state = v1::Equipment::decode(bytes).ok()?;
                Some(Self::Judged(Box::new(Case::of_machine(*subject, state, kept()))))
            }
            SubjectKind::Mine => {
                let state = v1::Mine::decode(bytes).ok()?;
                Some(Self::Judged(Box::new(Case::of_mine(*subject, state, kept()))))
            }
            SubjectKind::Organisation => {
                v1::Organisation::decode(bytes).ok().map(|state| Self::Organisation(Box::new(state)))
            }
            SubjectKind::Mark => v1::Mark::decode(bytes).ok().map(|state| Self::Mark(Box::new(state))),
            SubjectKind::Order => v1::GivenOrder::decode(bytes).ok().map(|state| Self::Order(Box::new(state))),
            SubjectKind::Publication => Some(Self::Publication),
            SubjectKind::Model | SubjectKind::Accident => None,
        }
    }

    /// The state with which the chain of a subject opens.
    fn opened(subject: &SubjectId) -> Self {
        let id = subject.id().to_vec();
        match subject.kind() {
            SubjectKind::Equipment | SubjectKind::Mine => {
                Case::new(*subject).map_or(Self::Closed, |case| Self::Judged(Box::new(case)))
            }
            SubjectKind::Organisation => Self::Organisation(Box::new(v1::Organisation { id, ..Default::default() })),
            SubjectKind::Mark => Self::Mark(Box::default()),
            SubjectKind::Order => Self::Order(Box::new(v1::GivenOrder { id, ..Default::default() })),
            SubjectKind::Publication => Self::Publication,
            SubjectKind::Model | SubjectKind::Accident => Self::Closed,
        }
    }

    /// Writes it into a row.
    fn write(self, row: &mut Row) {
        row.case = None;
        row.state = match self {
            Self::Closed => Vec::new(),
            Self::Judged(case) => {
                let state = match (case.machine(), case.mine()) {
                    (Some(machine), _) => machine.encode_to_vec(),
                    (None, Some(mine)) => mine.encode_to_vec(),
                    (None, None) => Vec::new(),
                };
                row.case = Some(case.keep());
                state
            }
            Self::Organisation(state) => state.encode_to_vec(),
            Self::Mark(state) => state.encode_to_vec(),
            Self::Order(state) => state.encode_to_vec(),
            Self::Publication => vec![1],
        };
    }

    /// What others are judged by, for the memory.
    fn known(&self) -> Option<Known> {
        match self {
            Self::Judged(case) => case.mine().map(|mine| Known::Mine(Arc::new(mine.clone()))),
            Self::Organisation(state) => Some(Known::Organisation(Arc::new(v1::Organisation::clone(state)))),
            Self::Mark(state) => Some(Known::Mark(Arc::new(KnownMark::new(v1::Mark::clone(state))))),
            Self::Order(state) => Some(Known::Order(order::on(state))),
            Self::Closed | Self::Publication => None,
        }
    }

    fn equipment(&self) -> Option<&v1::Equipment> {
        match self {
            Self::Judged(case) => case.machine(),
            Self::Closed | Self::Organisation(_) | Self::Mark(_) | Self::Order(_) | Self::Publication => None,
        }
    }
}

/// Who is to be judged anew because something around them changed, and since when that counts.
#[derive(Default)]
struct Dependents {
    subjects: BTreeMap<SubjectId, i64>,
    /// Everybody: a publication counts from this instant.
    all_since_us: Option<i64>,
}

/// Subjects that are judged anew in one write.
const JUDGED_MAX: usize = 1_000;

impl Index {
    /// Applies events in log order; `size` is the number of entries applied after them, heads entries included. Findings are
    /// those of `now`.
    ///
    /// `log` must reach as far as `size`: where an event is older than what is known, or amends it, the subject's
    /// history is folded anew.
    ///
    /// # Errors
    /// [`IndexError`]; the index is to be rebuilt then.
    pub fn apply(&self, events: &[Recorded], size: u64, log: &LogReader, now: Timestamp) -> Result<(), IndexError> {
        let mut changes = Changes::default();
        let mut docket = Docket::new(&self.store);
        let mut stale = BTreeSet::new();
        for event in events {
            for subject in event.candidate.statement().touched() {
                let mut change = match changes.0.remove(&subject) {
                    Some(change) => change,
                    None => self.load(&subject, &mut docket)?,
                };
                let world = IndexWorld::of_batch(self, &changes);
                if !move_on(&mut change, &subject, event, &world, &mut docket)? {
                    stale.insert(subject);
                }
                if let Some(known) = change.state.known() {
                    self.memory.put(subject, known);
                }
                changes.0.insert(subject, change);
            }
        }
        self.fold_stale(&stale, &mut changes, &mut docket, log)?;
        let dependents = self.dependents(events, &changes)?;
        self.judge_dependents(&dependents.subjects, &mut changes, &mut docket, log)?;
        let mut batch = Batch::default();
        self.finish(changes, docket, now, &mut batch)?;
        if let Some(since_us) = dependents.all_since_us {
            self.store.write(batch)?;
            self.load_publications(log)?;
            self.judge_all(since_us, log, now)?;
            batch = Batch::default();
        }
        batch.put(keys::applied(), size.to_be_bytes().to_vec());
        self.store.write(batch)
    }

    /// Lets time pass: findings that it opens or closes by `now` are opened and closed. Gives how many subjects it looked
    /// at; where that is `count`, more may wait.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn pass_time(&self, now: Timestamp, count: usize) -> Result<usize, IndexError> {
        let mut due = Vec::new();
        for row in self.store.scan(&keys::queue()).take(count) {
            match keys::of_queue(&row?.0) {
                Some((when_us, subject)) if when_us <= now.micros() => due.push(subject),
                Some(_) | None => break,
            }
        }
        let looked_at = due.len();
        if due.is_empty() {
            self.memory.set_passed(now.micros());
            return Ok(0);
        }
        let mut changes = Changes::default();
        let mut docket = Docket::new(&self.store);
        for subject in due {
            let change = self.load(&subject, &mut docket)?;
            changes.0.insert(subject, change);
        }
        let mut batch = Batch::default();
        self.finish(changes, docket, now, &mut batch)?;
        self.store.write(batch)?;
        if looked_at < count {
            self.memory.set_passed(now.micros());
        }
        Ok(looked_at)
    }

    fn load(&self, subject: &SubjectId, docket: &mut Docket<'_>) -> Result<Change, IndexError> {
        let row = self.row(subject)?.unwrap_or_default();
        let state = State::parse(subject, &row).ok_or_else(|| self.store.damaged("a row has no state of its kind"))?;
        if let State::Judged(case) = &state {
            docket.undo(&row.by_time, case.open())?;
        }
        let mut row = row;
        row.case = None;
        let listed = state.equipment().map_or(0, listed_as);
        Ok(Change { row, listed, state, signed_by: BTreeSet::new() })
    }

    fn fold_stale(
        &self,
        stale: &BTreeSet<SubjectId>,
        changes: &mut Changes,
        docket: &mut Docket<'_>,
        log: &LogReader,
    ) -> Result<(), IndexError> {
        // What others are judged by comes first.
        let (around, judged): (Vec<&SubjectId>, Vec<&SubjectId>) =
            stale.iter().partition(|subject| subject.kind() != SubjectKind::Equipment);
        for subject in around.into_iter().chain(judged) {
            let Some(mut change) = changes.0.remove(subject) else { continue };
            let world = IndexWorld::of_batch(self, changes);
            fold_anew(&mut change, subject, log, &world, docket)?;
            if let Some(known) = change.state.known() {
                self.memory.put(*subject, known);
            }
            changes.0.insert(*subject, change);
        }
        Ok(())
    }

    /// Who is judged by what these events changed.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing is judged by the other kinds of subject")]
    fn dependents(&self, events: &[Recorded], changes: &Changes) -> Result<Dependents, IndexError> {
        let mut dependents = Dependents::default();
        for event in events.iter().filter(|event| changes_the_world(event.candidate.kind())) {
            let subject = event.candidate.statement().subject;
            let since_us = changed_from_us(&Step::of(event));
            let listing = match subject.kind() {
                SubjectKind::Mark => keys::listing(Listing::Mark, subject.id()),
                SubjectKind::Mine => keys::listing(Listing::EverInMine, subject.id()),
                SubjectKind::Organisation => keys::listing(Listing::EverSignedBy, subject.id()),
                SubjectKind::Publication => {
                    let known = dependents.all_since_us.get_or_insert(since_us);
                    *known = since_us.min(*known);
                    continue;
                }
                _ => continue,
            };
            let mut note = |machine: SubjectId| {
                let known = dependents.subjects.entry(machine).or_insert(since_us);
                *known = since_us.min(*known);
            };
            for row in self.store.scan(&listing) {
                keys::equipment_at_end(&row?.0).into_iter().for_each(&mut note);
            }
            // Those of this batch are in no list yet.
            for (machine, change) in &changes.0 {
                let listed = change.state.equipment().is_some_and(|state| {
                    let by_signer = change.signed_by.iter().map(|signer| signed_by_key(machine, signer));
                    ever_keys(machine, state).into_iter().chain(by_signer).any(|key| key.starts_with(&listing))
                });
                if listed {
                    note(*machine);
                }
            }
        }
        Ok(dependents)
    }

    fn judge_dependents(
        &self,
        subjects: &BTreeMap<SubjectId, i64>,
        changes: &mut Changes,
        docket: &mut Docket<'_>,
        log: &LogReader,
    ) -> Result<(), IndexError> {
        for (subject, since_us) in subjects {
            let mut change = match changes.0.remove(subject) {
                Some(change) => change,
                None => self.load(subject, docket)?,
            };
            let world = IndexWorld::of_batch(self, changes);
            if let State::Judged(case) = &mut change.state
                && !case.look_again_since(&world, *since_us)
            {
                fold_anew(&mut change, subject, log, &world, docket)?;
            }
            changes.0.insert(*subject, change);
        }
        Ok(())
    }

    /// Judges every machine and mine anew, some in each write.
    fn judge_all(&self, since_us: i64, log: &LogReader, now: Timestamp) -> Result<(), IndexError> {
        for kind in [SubjectKind::Mine, SubjectKind::Equipment] {
            let prefix = keys::subjects_of(kind);
            let mut after: Option<Vec<u8>> = None;
            loop {
                let mut subjects = BTreeMap::new();
                for row in self.store.scan_after(&prefix, after.clone()).take(JUDGED_MAX) {
                    let key = row?.0;
                    subjects.extend(keys::subject_of(&key).map(|subject| (subject, since_us)));
                    after = Some(key);
                }
                if subjects.is_empty() {
                    break;
                }
                let mut changes = Changes::default();
                let mut docket = Docket::new(&self.store);
                self.judge_dependents(&subjects, &mut changes, &mut docket, log)?;
                let mut batch = Batch::default();
                self.finish(changes, docket, now, &mut batch)?;
                self.store.write(batch)?;
            }
        }
        Ok(())
    }

    /// Lets time pass for the rows of a batch, and writes them with their lists and findings.
    fn finish(
        &self,
        changes: Changes,
        mut docket: Docket<'_>,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), IndexError> {
        let mut rows = Vec::new();
        {
            let world = IndexWorld::of_batch(self, &changes);
            for (subject, change) in &changes.0 {
                let State::Judged(case) = &change.state else { continue };
                let mut by_time = BTreeSet::new();
                let mut next_us = case.next_us();
                if next_us <= now.micros() {
                    let mut view = Case::clone(case);
                    let mut passed = Vec::new();
                    view.advance(&world, now.micros(), &mut passed);
                    for change in passed {
                        by_time.extend(docket.take(subject, change)?);
                    }
                    next_us = view.next_us();
                }
                rows.push((*subject, by_time, next_us));
            }
        }
        let mut changes = changes.0;
        for (subject, by_time, next_us) in rows {
            let Some(change) = changes.get_mut(&subject) else { continue };
            change.row.by_time = by_time.into_iter().collect();
            // Nearly every event puts off what is due next. A place that is too soon costs one look when its time comes; moving it
            // each time costs two writes an event.
            if now.micros() < change.row.queued_us && change.row.queued_us <= next_us {
                continue;
            }
            let queued_us = if next_us == i64::MAX { 0 } else { next_us };
            if change.row.queued_us != 0 {
                batch.remove(keys::queued(change.row.queued_us, &subject));
            }
            if queued_us != 0 {
                batch.put(keys::queued(queued_us, &subject), Vec::new());
            }
            change.row.queued_us = queued_us;
        }
        for (subject, Change { mut row, listed, state, signed_by }) in changes {
            if let Some(machine) = state.equipment() {
                if listed != listed_as(machine) {
                    // The row still holds the machine as it was before the batch.
                    let former = v1::Equipment::decode(row.state.as_slice()).ok().filter(|_| !row.state.is_empty());
                    let keys_of = |machine: Option<&v1::Equipment>, keys: fn(&SubjectId, &v1::Equipment) -> _| {
                        machine.map(|machine| keys(&subject, machine)).unwrap_or_default()
                    };
                    let before: BTreeSet<Vec<u8>> = keys_of(former.as_ref(), listing_keys);
                    let after = listing_keys(&subject, machine);
                    before.difference(&after).for_each(|key| batch.remove(key.clone()));
                    after.difference(&before).for_each(|key| batch.put(key.clone(), Vec::new()));
                    let before: BTreeSet<Vec<u8>> = keys_of(former.as_ref(), ever_keys);
                    let after = ever_keys(&subject, machine);
                    after.difference(&before).for_each(|key| batch.put(key.clone(), Vec::new()));
                }
                for organisation in &signed_by {
                    batch.put(signed_by_key(&subject, organisation), Vec::new());
                }
            }
            if let State::Order(given) = &state {
                orders::listed_under(&subject, given).into_iter().for_each(|key| batch.put(key, Vec::new()));
            }
            state.write(&mut row);
            batch.put(keys::subject(&subject), row.to_bytes());
        }
        docket.write(batch)
    }
}

/// Keys under which a machine is found for ever, for its past hangs on them.
fn ever_keys(subject: &SubjectId, state: &v1::Equipment) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let mut add = |mut key: Vec<u8>| {
        key.extend_from_slice(subject.id());
        found.insert(key);
    };
    if let Ok(mark) = SubjectId::mark(&state.mark_no) {
        add(keys::listing(Listing::Mark, mark.id()));
    }
    if !state.mine.is_empty() {
        add(keys::listing(Listing::EverInMine, &state.mine));
    }
    found
}

/// The key under which a machine is found by an organisation that signed on its chain.
fn signed_by_key(subject: &SubjectId, organisation: &[u8]) -> Vec<u8> {
    let mut key = keys::listing(Listing::EverSignedBy, organisation);
    key.extend_from_slice(subject.id());
    key
}

/// A number that changes with what a machine is found under: most events change none of it.
fn listed_as(state: &v1::Equipment) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&state.mine, &state.holder, &state.owner, &state.model, &state.category).hash(&mut hasher);
    (state.state, &state.mark_no, state.plates.len(), state.aliases.len()).hash(&mut hasher);
    for plate in &state.plates {
        (&plate.maker, &plate.model, &plate.serial).hash(&mut hasher);
    }
    for alias in &state.aliases {
        (alias.kind, &alias.value).hash(&mut hasher);
    }
    // Nothing is found under 0: a machine that was not there.
    hasher.finish() | 1
}

impl Index {
    /// The state of a subject at `instant`: that of its row, or its history folded where something lies past the instant.
    pub(crate) fn state_at<M: Message + Default>(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        instant: Instant,
    ) -> Result<Option<M>, IndexError> {
        let Some(row) = self.row(subject)? else { return Ok(None) };
        let state = if is_current(&row, instant) {
            (!row.state.is_empty()).then_some(row.state)
        } else {
            state_of(subject, &self.events(log, subject, instant.size, &row.findings)?, instant)
        };
        let decoded = state.map(|state| M::decode(state.as_slice())).transpose();
        decoded.map_err(|error| self.store.damaged(&error.to_string()))
    }

    /// A machine or mine with what the rules keep of it, by all that is on record.
    pub(crate) fn case_now(&self, subject: &SubjectId) -> Result<Option<Case>, IndexError> {
        let Some(row) = self.row(subject)? else { return Ok(None) };
        match State::parse(subject, &row) {
            Some(State::Judged(case)) => Ok(Some(*case)),
            Some(State::Closed | State::Organisation(_) | State::Mark(_) | State::Order(_) | State::Publication) => {
                Ok(None)
            }
            None => Err(self.store.damaged("a row has no state of its kind")),
        }
    }

    /// A machine or mine with what the rules keep of it, at `instant`; `None` where its chain was not open then.
    pub(crate) fn case_at(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        instant: Instant,
    ) -> Result<Option<Case>, IndexError> {
        let Some(row) = self.row(subject)? else { return Ok(None) };
        if is_current(&row, instant) {
            return self.case_now(subject);
        }
        let events = self.events(log, subject, instant.size, &row.findings)?;
        let world = IndexWorld::new(self, instant.size);
        Ok(judge_events(subject, &events, instant, &world).map(|(case, _)| case))
    }
}

/// Whether a row answers for an instant: nothing lies past it.
fn is_current(row: &Row, instant: Instant) -> bool {
    row.last_position < instant.size && Timestamp::from_micros(row.occurred_max_us) <= instant.as_of
}

/// Moves a row on by one event; `false` where its history must be folded anew.
fn move_on(
    change: &mut Change,
    subject: &SubjectId,
    event: &Recorded,
    world: &IndexWorld<'_>,
    docket: &mut Docket<'_>,
) -> Result<bool, IndexError> {
    let Change { row, state, signed_by, .. } = change;
    let step = Step::of(event);
    let own = event.candidate.statement().subject == *subject;
    row.last_position = event.position.get();
    row.touches += 1;
    if own {
        let position = event.position.get();
        row.findings.extend(event.findings.iter().map(|kind| Irregularity { kind: *kind as i32, position }));
    }
    let organisation = event.candidate.statement().organisation;
    let is_known = match state {
        State::Judged(case) => case.facts().is_none_or(|facts| facts.was_signed_by(organisation.as_bytes())),
        State::Closed | State::Organisation(_) | State::Mark(_) | State::Order(_) | State::Publication => false,
    };
    if !is_known {
        signed_by.insert(organisation.as_bytes().to_vec());
    }
    let occurred_at_us = step.occurred_at.micros();
    let in_order = occurred_at_us >= row.occurred_max_us || row.touches == 1;
    row.occurred_max_us = if row.touches == 1 { occurred_at_us } else { row.occurred_max_us.max(occurred_at_us) };
    if !in_order || matches!(event.candidate.body().message(), Body::Corrected(_)) {
        return Ok(false);
    }
    let opens = own && matches!(state, State::Closed);
    if opens {
        *state = State::opened(subject);
    }
    // What was mentioned before it was opened has touches that its state did not see.
    if opens && row.touches > 1 {
        return Ok(false);
    }
    match state {
        State::Judged(case) => {
            let mut found = Vec::new();
            case.apply(&step, world, &mut found);
            case.count(row.touches, own);
            for change in found {
                docket.take(subject, change)?;
            }
        }
        State::Organisation(state) if own => organisation::apply(state, &step),
        State::Mark(state) if own => mark::apply(state, &step),
        // A recall is remedied on the chains of its machines.
        State::Order(state) => order::apply(state, &step),
        // Mentioned, never opened: there is no state to move.
        State::Closed | State::Organisation(_) | State::Mark(_) | State::Publication => {}
    }
    Ok(true)
}

fn fold_anew(
    change: &mut Change,
    subject: &SubjectId,
    log: &LogReader,
    world: &IndexWorld<'_>,
    docket: &mut Docket<'_>,
) -> Result<(), IndexError> {
    let row = &mut change.row;
    let stored = history::walk(log, subject, row.last_position, u64::MAX)?;
    let events: Vec<Recorded> =
        stored.iter().map(|stored| history::recorded(stored, &row.findings)).collect::<Result<_, _>>()?;
    if matches!(subject.kind(), SubjectKind::Equipment | SubjectKind::Mine) {
        change.state = match judge_events(subject, &events, Instant::ALL, world) {
            Some((mut case, findings)) => {
                case.count_all(events.iter());
                docket.replace(subject, findings.into_findings())?;
                State::Judged(Box::new(case))
            }
            None => State::Closed,
        };
    } else {
        row.state = state_of(subject, &events, Instant::ALL).unwrap_or_default();
        change.state = State::parse(subject, row).unwrap_or(State::Closed);
    }
    let row = &mut change.row;
    // An amendment may have moved an event: what counts is where it counts.
    let steps = state::in_order(subject, &events, Instant::ALL);
    let last = steps.last().map_or(row.occurred_max_us, |step| step.occurred_at.micros());
    row.occurred_max_us = row.occurred_max_us.max(last);
    Ok(())
}

/// The encoded state of a subject of any kind; `None` where its chain is not open.
fn state_of(subject: &SubjectId, events: &[Recorded], instant: Instant) -> Option<Vec<u8>> {
    match subject.kind() {
        SubjectKind::Equipment => equipment::fold(subject, events, instant).map(|state| state.encode_to_vec()),
        SubjectKind::Organisation => organisation::fold(subject, events, instant).map(|state| state.encode_to_vec()),
        SubjectKind::Mine => mine::fold(subject, events, instant).map(|state| state.encode_to_vec()),
        SubjectKind::Mark => mark::fold(subject, events, instant).map(|state| state.encode_to_vec()),
        SubjectKind::Order => order::fold(subject, events, instant).map(|state| state.encode_to_vec()),
        SubjectKind::Publication => publication::fold(subject, events, instant).map(|_| vec![1]),
        SubjectKind::Model | SubjectKind::Accident => None,
    }
}

/// Under which keys a machine is found besides its id.
fn listing_keys(subject: &SubjectId, state: &v1::Equipment) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let mut add = |mut key: Vec<u8>| {
        key.extend_from_slice(subject.id());
        found.insert(key);
    };
    for (by, value) in [
        (Listing::Mine, &state.mine),
        (Listing::Holder, &state.holder),
        (Listing::Owner, &state.owner),
        (Listing::Model, &state.model),
    ] {
        if !value.is_empty() {
            add(keys::listing(by, value));
        }
    }
    add(keys::listing(Listing::Category, state.category.as_bytes()));
    add(keys::listing(Listing::State, &state.state.to_be_bytes()));
    for plate in &state.plates {
        if let Ok(maker) = text::normalise(&plate.maker) {
            add(keys::listing(Listing::Maker, maker.as_bytes()));
        }
        for id in crate::equipment::plate_ids(plate) {
            add(keys::plate(&id));
        }
    }
    for alias in &state.aliases {
        add(keys::alias(alias.kind, &alias.value));
    }
    found
}
