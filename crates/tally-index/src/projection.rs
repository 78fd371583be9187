//! Moves the index on: every entry of a batch into the rows of the subjects that it touches, in one atomic write.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use prost::Message;
use tally_core::{
    id::{SubjectId, SubjectKind},
    state::{self, Instant, Recorded, Step, equipment, mine, organisation},
    text,
    time::Timestamp,
};
use tally_log::store::LogReader;
use tally_proto::v1::{self, Irregularity, statement::Body};

use crate::{
    Index, IndexError, history,
    keys::{self, Listing},
    row::Row,
    store::Batch,
};

/// A row that a batch changes.
struct Change {
    row: Row,
    /// The machine as it was before the batch, for the keys under which it is found.
    former: Option<v1::Equipment>,
    /// Decoded once, and written into the row at the end.
    state: State,
}

/// The state of a subject; [`State::Closed`] where its chain is not open, or none is kept of its kind.
#[derive(Clone)]
enum State {
    Closed,
    Equipment(Box<v1::Equipment>),
    Organisation(Box<v1::Organisation>),
    Mine(Box<v1::Mine>),
}

impl State {
    /// `None` where the bytes are none of the subject's kind.
    fn parse(subject: &SubjectId, bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::Closed);
        }
        match subject.kind() {
            SubjectKind::Equipment => v1::Equipment::decode(bytes).ok().map(|state| Self::Equipment(Box::new(state))),
            SubjectKind::Organisation => {
                v1::Organisation::decode(bytes).ok().map(|state| Self::Organisation(Box::new(state)))
            }
            SubjectKind::Mine => v1::Mine::decode(bytes).ok().map(|state| Self::Mine(Box::new(state))),
            SubjectKind::Mark
            | SubjectKind::Model
            | SubjectKind::Order
            | SubjectKind::Accident
            | SubjectKind::Publication => None,
        }
    }

    /// The state with which the chain of a subject opens.
    fn opened(subject: &SubjectId) -> Self {
        let id = subject.id().to_vec();
        match subject.kind() {
            SubjectKind::Equipment => Self::Equipment(Box::new(v1::Equipment { id, ..Default::default() })),
            SubjectKind::Organisation => Self::Organisation(Box::new(v1::Organisation { id, ..Default::default() })),
            SubjectKind::Mine => Self::Mine(Box::new(v1::Mine { id, ..Default::default() })),
            SubjectKind::Mark
            | SubjectKind::Model
            | SubjectKind::Order
            | SubjectKind::Accident
            | SubjectKind::Publication => Self::Closed,
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Closed => Vec::new(),
            Self::Equipment(state) => state.encode_to_vec(),
            Self::Organisation(state) => state.encode_to_vec(),
            Self::Mine(state) => state.encode_to_vec(),
        }
    }

    const fn equipment(&self) -> Option<&v1::Equipment> {
        match self {
            Self::Equipment(state) => Some(state),
            Self::Closed | Self::Organisation(_) | Self::Mine(_) => None,
        }
    }
}

impl Index {
    /// Applies events in log order; `size` is the number of entries applied after them, heads entries included.
    ///
    /// `log` must reach as far as `size`: where an event is older than what is known, or amends it, the subject's
    /// history is folded anew.
    ///
    /// # Errors
    /// [`IndexError`]; nothing was applied then.
    pub fn apply(&self, events: &[Recorded], size: u64, log: &LogReader) -> Result<(), IndexError> {
        let mut changes: BTreeMap<SubjectId, Change> = BTreeMap::new();
        let mut stale = BTreeSet::new();
        for event in events {
            for subject in event.candidate.statement().touched() {
                let change = match changes.entry(subject) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(self.load(&subject)?),
                };
                if !move_on(change, &subject, event) {
                    stale.insert(subject);
                }
            }
        }
        for subject in &stale {
            if let Some(change) = changes.get_mut(subject) {
                fold_anew(change, subject, log)?;
            }
        }
        let mut batch = Batch::default();
        for (subject, Change { mut row, former, state }) in changes {
            let current = state.equipment();
            if !is_listed_alike(former.as_ref(), current) {
                let keys_of = |machine: Option<&v1::Equipment>| {
                    machine.map(|machine| listing_keys(&subject, machine)).unwrap_or_default()
                };
                let (before, after) = (keys_of(former.as_ref()), keys_of(current));
                before.difference(&after).for_each(|key| batch.remove(key.clone()));
                after.difference(&before).for_each(|key| batch.put(key.clone(), Vec::new()));
            }
            row.state = state.encode();
            batch.put(keys::subject(&subject), row.to_bytes());
        }
        batch.put(keys::applied(), size.to_be_bytes().to_vec());
        self.store.write(batch)
    }

    fn load(&self, subject: &SubjectId) -> Result<Change, IndexError> {
        let row = self.row(subject)?.unwrap_or_default();
        let state =
            State::parse(subject, &row.state).ok_or_else(|| self.store.damaged("a row has no state of its kind"))?;
        Ok(Change { former: state.equipment().cloned(), row, state })
    }
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
        let is_current =
            row.last_position < instant.size && Timestamp::from_micros(row.occurred_max_us) <= instant.as_of;
        let state = if is_current {
            (!row.state.is_empty()).then_some(row.state)
        } else {
            state_of(subject, &self.events(log, subject, instant.size, &row.findings)?, instant)
        };
        let decoded = state.map(|state| M::decode(state.as_slice())).transpose();
        decoded.map_err(|error| self.store.damaged(&error.to_string()))
    }
}

/// Moves a row on by one event; `false` where its history must be folded anew.
fn move_on(change: &mut Change, subject: &SubjectId, event: &Recorded) -> bool {
    let Change { row, state, .. } = change;
    let step = Step::of(event);
    let own = event.candidate.statement().subject == *subject;
    row.last_position = event.position.get();
    row.touches += 1;
    if own {
        let position = event.position.get();
        row.findings.extend(event.findings.iter().map(|kind| Irregularity { kind: *kind as i32, position }));
    }
    let occurred_at_us = step.occurred_at.micros();
    let in_order = occurred_at_us >= row.occurred_max_us || row.touches == 1;
    row.occurred_max_us = if row.touches == 1 { occurred_at_us } else { row.occurred_max_us.max(occurred_at_us) };
    if !in_order || matches!(event.candidate.body().message(), Body::Corrected(_)) {
        return false;
    }
    let opens = own && matches!(state, State::Closed);
    if opens {
        *state = State::opened(subject);
    }
    match state {
        State::Equipment(state) => {
            equipment::apply(state, &step);
            state.touches = row.touches;
            state.chain_length += u64::from(own);
        }
        State::Organisation(state) if own => organisation::apply(state, &step),
        State::Mine(state) if own => mine::apply(state, &step),
        // Mentioned, never opened: there is no state to move.
        State::Closed | State::Organisation(_) | State::Mine(_) => {}
    }
    // A machine that was mentioned before it was opened has touches to count that its state did not see.
    !(opens && row.touches > 1)
}

fn fold_anew(change: &mut Change, subject: &SubjectId, log: &LogReader) -> Result<(), IndexError> {
    let row = &mut change.row;
    let stored = history::walk(log, subject, row.last_position, u64::MAX)?;
    let events: Vec<Recorded> =
        stored.iter().map(|stored| history::recorded(stored, &row.findings)).collect::<Result<_, _>>()?;
    let bytes = state_of(subject, &events, Instant::ALL).unwrap_or_default();
    change.state = State::parse(subject, &bytes).unwrap_or(State::Closed);
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
        SubjectKind::Mark
        | SubjectKind::Model
        | SubjectKind::Order
        | SubjectKind::Accident
        | SubjectKind::Publication => None,
    }
}

/// Whether a machine is found under the same keys: most events change none of what they are made from.
fn is_listed_alike(former: Option<&v1::Equipment>, current: Option<&v1::Equipment>) -> bool {
    let (Some(former), Some(current)) = (former, current) else { return former.is_none() && current.is_none() };
    former.mine == current.mine
        && former.holder == current.holder
        && former.owner == current.owner
        && former.model == current.model
        && former.category == current.category
        && former.state == current.state
        && former.plates == current.plates
        && former.aliases == current.aliases
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
