//! Questions about organisations and mines.

use prost::Message;
use tally_core::{
    id::{SubjectId, SubjectKind},
    state::{Instant, mine, organisation},
    time::Timestamp,
};
use tally_log::store::LogReader;
use tally_proto::v1::{Mine, Organisation};

use crate::{Index, IndexError, keys, projection::state_of};

impl Index {
    /// The state of an organisation at `instant`.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn organisation(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        instant: Instant,
    ) -> Result<Option<Organisation>, IndexError> {
        self.registered(log, subject, instant, organisation::fold)
    }

    /// The state of a mine at `instant`.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn mine(&self, log: &LogReader, subject: &SubjectId, instant: Instant) -> Result<Option<Mine>, IndexError> {
        self.registered(log, subject, instant, mine::fold)
    }

    fn registered<M: Message + Default>(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        instant: Instant,
        fold: impl Fn(&SubjectId, &[tally_core::state::Recorded], Instant) -> Option<M>,
    ) -> Result<Option<M>, IndexError> {
        let Some(row) = self.row(subject)? else { return Ok(None) };
        let current = row.last_position < instant.size && Timestamp::from_micros(row.occurred_max_us) <= instant.as_of;
        if !current {
            let events = self.events(log, subject, instant.size, &row.findings)?;
            return Ok(fold(subject, &events, instant));
        }
        if row.state.is_empty() {
            return Ok(None);
        }
        M::decode(row.state.as_slice()).map(Some).map_err(|error| self.store.damaged(&error.to_string()))
    }

    /// Subjects of a kind whose chain is open at `instant` and whose encoded state `fits`, ordered by id, at most
    /// `count` past `after`, and whether more follow.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn list_registered<M: Message + Default>(
        &self,
        log: &LogReader,
        kind: SubjectKind,
        instant: Instant,
        after: Option<[u8; 16]>,
        count: usize,
        fits: impl Fn(&M) -> bool,
    ) -> Result<(Vec<M>, bool), IndexError> {
        let prefix = keys::subjects_of(kind);
        let start = after.map(|id| [prefix.as_slice(), &id[..]].concat());
        let mut found = Vec::new();
        for row in self.store.scan_after(&prefix, start) {
            let Some(subject) = keys::subject_of(&row?.0) else { continue };
            let Some(state) = self.encoded_state(log, &subject, instant)? else { continue };
            let state = M::decode(state.as_slice()).map_err(|error| self.store.damaged(&error.to_string()))?;
            if !fits(&state) {
                continue;
            }
            if found.len() == count {
                return Ok((found, true));
            }
            found.push(state);
        }
        Ok((found, false))
    }

    fn encoded_state(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        instant: Instant,
    ) -> Result<Option<Vec<u8>>, IndexError> {
        let Some(row) = self.row(subject)? else { return Ok(None) };
        let current = row.last_position < instant.size && Timestamp::from_micros(row.occurred_max_us) <= instant.as_of;
        if current {
            return Ok((!row.state.is_empty()).then_some(row.state));
        }
        let events = self.events(log, subject, instant.size, &row.findings)?;
        Ok(state_of(subject, &events, instant))
    }
}
