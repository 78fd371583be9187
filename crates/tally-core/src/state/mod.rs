//! State: the fold over what is on record about a subject, for an instant and a tree size.
//!
//! The order is (`occurred_at`, position); an amended event counts as its replacement, at its own place. What is
//! current is the fold for now and the newest size: there is no second way to compute it.

pub mod equipment;
pub mod mark;
pub mod mine;
pub mod order;
pub mod organisation;
pub mod publication;

use std::{collections::HashMap, sync::Arc};

use tally_proto::v1::{self, statement::Body as Message};

use crate::{
    admission::Findings,
    candidate::Candidate,
    event::{Body, event_ref},
    id::SubjectId,
    number::LogPosition,
    time::Timestamp,
};

/// An event as it is on record.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its place in the log.
    pub position: LogPosition,
    /// When the ledger sealed it.
    pub recorded_at: Timestamp,
    /// The event.
    pub candidate: Arc<Candidate>,
    /// What admission found irregular about it.
    pub findings: Findings,
}

/// The two clocks of a question, resolved: true as of an instant, known up to a tree size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Instant {
    /// Events that occurred later do not count.
    pub as_of: Timestamp,
    /// Entries at or past this position do not count.
    pub size: u64,
}

impl Instant {
    /// All that is on record, whenever it occurred.
    pub const ALL: Self = Self { as_of: Timestamp::from_micros(i64::MAX), size: u64::MAX };
}

/// Folds what stands on a subject's own chain into a state; `None` where the chain was not open at `instant`.
fn fold_own<S>(
    subject: &SubjectId,
    events: &[Recorded],
    instant: Instant,
    mut state: S,
    apply: impl Fn(&mut S, &Step<'_>),
) -> Option<S> {
    let mut open = false;
    for step in in_order(subject, events, instant) {
        if step.recorded.candidate.statement().subject == *subject {
            open = true;
            apply(&mut state, &step);
        }
    }
    open.then_some(state)
}

/// One event in the order of a fold, with the body that counts.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// When it happened, as amended.
    pub occurred_at: Timestamp,
    /// What happened, as amended.
    pub body: std::borrow::Cow<'a, Body>,
    /// The event as recorded.
    pub recorded: &'a Recorded,
}

impl<'a> Step<'a> {
    /// An event that nothing amended.
    pub fn of(recorded: &'a Recorded) -> Self {
        Self {
            occurred_at: recorded.candidate.statement().occurred_at,
            body: std::borrow::Cow::Borrowed(recorded.candidate.body()),
            recorded,
        }
    }

    /// Position of the entry.
    pub fn position(&self) -> u64 {
        self.recorded.position.get()
    }

    /// When it happened: microseconds since 1970 UTC.
    pub fn micros(&self) -> i64 {
        self.occurred_at.micros()
    }

    /// Id of the organisation that signed it.
    pub fn signer(&self) -> Vec<u8> {
        self.recorded.candidate.statement().organisation.as_bytes().to_vec()
    }

    /// The entry as evidence.
    pub fn evidence(&self) -> v1::Evidence {
        v1::Evidence {
            position: self.position(),
            occurred_at_us: self.micros(),
            recorded_at_us: self.recorded.recorded_at.micros(),
        }
    }
}

/// The events that count at `instant`, in the order of the fold; `subject` is whose state is asked.
pub fn in_order<'a>(subject: &SubjectId, events: &'a [Recorded], instant: Instant) -> Vec<Step<'a>> {
    let known = || events.iter().filter(|event| event.position.get() < instant.size);
    // The last amendment of an event counts, in log order.
    let mut amended: HashMap<u64, &v1::Corrected> = HashMap::new();
    for event in known().filter(|event| event.candidate.statement().subject == *subject) {
        if let Message::Corrected(body) = event.candidate.body().message()
            && let Some(original) = body.event.as_ref().and_then(event_ref)
        {
            amended.insert(original.chain_index.get(), body);
        }
    }
    let mut steps: Vec<Step<'a>> = known()
        .filter_map(|event| {
            let own = event.candidate.statement().subject == *subject;
            match amended.get(&event.candidate.event().chain_index().get()).filter(|_| own) {
                None => Some(Step::of(event)),
                Some(amendment) => replaced(event, amendment),
            }
        })
        .filter(|step| step.occurred_at <= instant.as_of)
        .collect();
    steps.sort_by_key(|step| (step.occurred_at, step.recorded.position));
    steps
}

fn replaced<'a>(event: &'a Recorded, amendment: &v1::Corrected) -> Option<Step<'a>> {
    // Withdrawn: no replacement, and the event counts no more.
    let replacement = amendment.replacement.as_ref()?;
    let body = Body::parse(event.candidate.kind() as u32, &replacement.body).ok()?;
    Some(Step {
        occurred_at: Timestamp::from_micros(replacement.occurred_at_us),
        body: std::borrow::Cow::Owned(body),
        recorded: event,
    })
}
