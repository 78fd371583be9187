//! Moves the index on: every entry of a batch into the rows of the subjects that it touches, in one atomic write.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use tally_core::{
    id::{SubjectId, SubjectKind},
    state::{self, Instant, Recorded, Step, equipment, mine, organisation},
    text,
};
use tally_log::store::LogReader;
use tally_proto::v1::{self, Irregularity, statement::Body};

use crate::{
    Index, IndexError, history,
    keys::{self, Listing},
    row::Row,
    store::Batch,
};

/// Rows that this batch changes, with what the listing keys were before.
#[derive(Default)]
struct Changes {
    rows: BTreeMap<SubjectId, Row>,
    former_keys: BTreeMap<SubjectId, BTreeSet<Vec<u8>>>,
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
        let mut changes = Changes::default();
        let mut stale = BTreeSet::new();
        for event in events {
            for subject in event.candidate.statement().touched() {
                self.load(&mut changes, &subject)?;
                let Some(row) = changes.rows.get_mut(&subject) else { continue };
                if !move_on(row, &subject, event) {
                    stale.insert(subject);
                }
            }
        }
        for subject in &stale {
            if let Some(row) = changes.rows.get_mut(subject) {
                fold_anew(row, subject, log)?;
            }
        }
        let mut batch = Batch::default();
        for (subject, row) in changes.rows {
            let new = listing_keys(&subject, &row);
            let former = changes.former_keys.remove(&subject).unwrap_or_default();
            former.difference(&new).for_each(|key| batch.remove(key.clone()));
            new.difference(&former).for_each(|key| batch.put(key.clone(), Vec::new()));
            batch.put(keys::subject(&subject), row.to_bytes());
        }
        batch.put(keys::applied(), size.to_be_bytes().to_vec());
        self.store.write(batch)
    }

    fn load(&self, changes: &mut Changes, subject: &SubjectId) -> Result<(), IndexError> {
        if !changes.rows.contains_key(subject) {
            let row = self.row(subject)?.unwrap_or_default();
            changes.former_keys.insert(*subject, listing_keys(subject, &row));
            changes.rows.insert(*subject, row);
        }
        Ok(())
    }
}

/// Moves a row on by one event; `false` where its history must be folded anew.
fn move_on(row: &mut Row, subject: &SubjectId, event: &Recorded) -> bool {
    let step = Step::of(event);
    let own = event.candidate.statement().subject == *subject;
    row.last_position = event.position.get();
    row.touches += 1;
    if own {
        let position = event.position.get();
        row.findings.extend(event.findings.iter().map(|kind| Irregularity { kind: *kind as i32, position }));
    }
    let in_order = step.occurred_at.micros() >= row.occurred_max_us || row.touches == 1;
    row.occurred_max_us = if row.touches == 1 { step.occurred_at.micros() } else { row.occurred_max_us.max(step.occurred_at.micros()) };
    if !in_order || matches!(event.candidate.body().message(), Body::Corrected(_)) {
        return false;
    }
    let opens = own && row.state.is_empty();
    if row.state.is_empty() && !opens {
        return true; // Mentioned, never opened: there is no state to move.
    }
    match subject.kind() {
        SubjectKind::Equipment => {
            let Ok(mut state) = v1::Equipment::decode(row.state.as_slice()) else { return false };
            state.id = subject.id().to_vec();
            equipment::apply(&mut state, &step);
            state.touches = row.touches;
            state.chain_length += u64::from(own);
            row.state = state.encode_to_vec();
        }
        SubjectKind::Organisation if own => {
            let Ok(mut state) = v1::Organisation::decode(row.state.as_slice()) else { return false };
            state.id = subject.id().to_vec();
            organisation::apply(&mut state, &step);
            row.state = state.encode_to_vec();
        }
        SubjectKind::Mine if own => {
            let Ok(mut state) = v1::Mine::decode(row.state.as_slice()) else { return false };
            state.id = subject.id().to_vec();
            mine::apply(&mut state, &step);
            row.state = state.encode_to_vec();
        }
        SubjectKind::Organisation
        | SubjectKind::Mine
        | SubjectKind::Mark
        | SubjectKind::Model
        | SubjectKind::Order
        | SubjectKind::Accident
        | SubjectKind::Publication => {}
    }
    // A machine that was mentioned before it was opened has touches to count that its state did not see.
    !(opens && row.touches > 1)
}

fn fold_anew(row: &mut Row, subject: &SubjectId, log: &LogReader) -> Result<(), IndexError> {
    let stored = history::walk(log, subject, row.last_position, u64::MAX)?;
    let events: Vec<Recorded> =
        stored.iter().map(|stored| history::recorded(stored, &row.findings)).collect::<Result<_, _>>()?;
    row.state = state_of(subject, &events, Instant::ALL).unwrap_or_default();
    // An amendment may have moved an event: what counts is where it counts.
    let steps = state::in_order(subject, &events, Instant::ALL);
    let last = steps.last().map_or(row.occurred_max_us, |step| step.occurred_at.micros());
    row.occurred_max_us = row.occurred_max_us.max(last);
    Ok(())
}

/// The encoded state of a subject of any kind; `None` where its chain is not open.
pub(crate) fn state_of(subject: &SubjectId, events: &[Recorded], instant: Instant) -> Option<Vec<u8>> {
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

/// Under which keys a machine is found besides its id.
fn listing_keys(subject: &SubjectId, row: &Row) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    if subject.kind() != SubjectKind::Equipment || row.state.is_empty() {
        return found;
    }
    let Ok(state) = v1::Equipment::decode(row.state.as_slice()) else { return found };
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
