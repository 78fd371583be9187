//! Histories: the walk back through the log from the last entry that touches a subject.
//!
//! The index knows only where the walk begins; every step is a link that stands beside the entry in the log.

use std::sync::Arc;

use tally_core::{
    candidate::Candidate, entry::EventEntry, id::SubjectId, number::LogPosition as CorePosition, state::Recorded,
};
use tally_log::{
    LogPosition,
    store::{LogReader, StoredEntry},
    touch::Link,
};
use tally_proto::v1::{Irregularity, IrregularityKind};

use crate::{Index, IndexError};

/// The entries that touch `subject` at positions below `size`, oldest first, walking back from `last`.
///
/// # Errors
/// [`IndexError::Log`] where an entry cannot be read or does not touch the subject.
pub fn walk(log: &LogReader, subject: &SubjectId, last: u64, size: u64) -> Result<Vec<StoredEntry>, IndexError> {
    let mut found = Vec::new();
    let mut next = Some(last);
    while let Some(position) = next {
        let (stored, link) = step(log, subject, position)?;
        next = link.previous.map(LogPosition::get);
        if position < size {
            found.push(stored);
        }
    }
    found.reverse();
    Ok(found)
}

/// One entry that touches `subject`, and the link beside it.
///
/// # Errors
/// As of [`walk`].
pub fn step(log: &LogReader, subject: &SubjectId, position: u64) -> Result<(StoredEntry, Link), IndexError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| IndexError::Log { position, source };
    let at = LogPosition::new(position).ok_or_else(|| failed("no position".into()))?;
    let stored = log.read(at).map_err(|error| failed(Box::new(error)))?;
    let entry = EventEntry::parse(&stored.entry).map_err(|error| failed(Box::new(error)))?;
    let event = entry.unverified().parse().map_err(|error| failed(Box::new(error)))?;
    let place = event.event().statement().touched().position(|touched| touched == *subject);
    let link = place.and_then(|place| stored.links.get(place)).copied();
    let link = link.ok_or_else(|| failed("it does not touch the subject".into()))?;
    if link.previous.max(link.jump).is_some_and(|behind| behind >= at) {
        return Err(failed("its link does not lead back".into()));
    }
    Ok((stored, link))
}

/// An entry of the log as the fold takes it.
///
/// # Errors
/// [`IndexError::Log`] where it does not parse.
pub fn recorded(stored: &StoredEntry, findings: &[Irregularity]) -> Result<Recorded, IndexError> {
    let position = stored.position.get();
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| IndexError::Log { position, source };
    let entry = EventEntry::parse(&stored.entry).map_err(|error| failed(Box::new(error)))?;
    let candidate = Candidate::parse_trusted(entry.unverified()).map_err(|error| failed(Box::new(error)))?;
    let findings = findings
        .iter()
        .filter(|finding| finding.position == position)
        .filter_map(|finding| IrregularityKind::try_from(finding.kind).ok())
        .collect();
    Ok(Recorded {
        position: CorePosition::new(position).ok_or_else(|| failed("no position".into()))?,
        recorded_at: entry.recorded_at(),
        candidate: Arc::new(candidate),
        findings,
    })
}

impl Index {
    /// The entries that touch `subject` at positions below `size`, oldest first; none where nothing touches it.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn history(&self, log: &LogReader, subject: &SubjectId, size: u64) -> Result<Vec<StoredEntry>, IndexError> {
        match self.last_touch(subject)? {
            Some((last, _)) => walk(log, subject, last, size),
            None => Ok(Vec::new()),
        }
    }

    /// The same as the fold takes them.
    pub(crate) fn events(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        size: u64,
        findings: &[Irregularity],
    ) -> Result<Vec<Recorded>, IndexError> {
        self.history(log, subject, size)?.iter().map(|stored| recorded(stored, findings)).collect()
    }
}
