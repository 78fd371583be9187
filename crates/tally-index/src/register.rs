//! Questions about organisations and mines.

use prost::Message;
use tally_core::{
    id::{SubjectId, SubjectKind},
    state::Instant,
};
use tally_log::store::LogReader;
use tally_proto::v1::{Mine, Organisation};

use crate::{Index, IndexError, keys};

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
        self.state_at(log, subject, instant)
    }

    /// The state of a mine at `instant`.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn mine(&self, log: &LogReader, subject: &SubjectId, instant: Instant) -> Result<Option<Mine>, IndexError> {
        self.state_at(log, subject, instant)
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
            let Some(state) = self.state_at(log, &subject, instant)? else { continue };
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
}
