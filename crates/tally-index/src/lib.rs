//! Projections of the log in sled, and the queries over them.
//!
//! Nothing here is the only home of a fact: every row follows from the log and can be thrown away. Nothing here is
//! trusted by a proof, and nothing on the write path asks it. `store` is the only module that knows sled.

mod docket;
pub mod equipment;
pub mod findings;
pub mod history;
mod keys;
pub mod orders;
pub mod overview;
pub mod projection;
pub mod register;
mod row;
mod store;
mod world;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tally_core::id::SubjectId;
use tally_log::store::LogReader;

use row::Row;
pub use store::Opened;
use store::Store;
use world::Memory;

/// Version of the rows: another one means a rebuild.
pub const INDEX_FORMAT: u32 = 3;

/// Why the index could not do something. None of it touches the log.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// sled failed or panicked; the index must be rebuilt.
    #[error("the index at {} is damaged: {what}; it is rebuilt from the log", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What was seen.
        what: String,
    },
    /// The log could not be read.
    #[error("entry at position {position} could not be read back")]
    Log {
        /// Which.
        position: u64,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A question reaches past what is indexed.
    #[error("the index has reached {applied} entries, {wanted} were asked for")]
    Behind {
        /// Entries applied.
        applied: u64,
        /// Entries asked for.
        wanted: u64,
    },
}

/// The index of one log.
#[derive(Clone, Debug)]
pub struct Index {
    store: Store,
    /// What machines are judged by, as far as it was asked for.
    memory: Arc<Memory>,
}

impl Index {
    /// Opens the index in `dir`, or begins an empty one. What is not to be trusted is moved aside and begun anew:
    /// another format, damage, or an unclean stop on another boot, after which sled's content is not what it says.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where not even an empty one can be begun.
    pub fn open(dir: &Path, boot_id: &str, cache_bytes: u64) -> Result<(Self, Opened), IndexError> {
        let (store, opened) = Store::open(dir, boot_id, cache_bytes)?;
        Ok((Self { store, memory: Arc::default() }, opened))
    }

    /// Throws the index away and begins an empty one.
    ///
    /// # Errors
    /// As of [`Index::open`].
    pub fn begin_anew(dir: &Path, boot_id: &str, cache_bytes: u64) -> Result<Self, IndexError> {
        store::remove(dir)?;
        Self::open(dir, boot_id, cache_bytes).map(|(index, _)| index)
    }

    /// Reads what machines are judged by and what is asked for with every event: to be called once, with the log.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn ready(&self, log: &LogReader) -> Result<(), IndexError> {
        self.load_publications(log)
    }

    /// Number of entries of the log that are applied.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub fn applied(&self) -> Result<u64, IndexError> {
        self.store.applied()
    }

    /// Makes everything durable and marks the stop as clean.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub fn close(&self) -> Result<(), IndexError> {
        self.store.close()
    }

    /// Position of the last entry that touches a subject, and how many do; `None` where none does.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub fn last_touch(&self, subject: &SubjectId) -> Result<Option<(u64, u64)>, IndexError> {
        Ok(self.row(subject)?.map(|row| (row.last_position, row.touches)))
    }

    /// Every subject with the number of entries that touch it and the position of the last one: to be compared with
    /// what the log says.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] at the first row that does not read.
    pub fn touches(&self) -> impl Iterator<Item = Result<(SubjectId, u64, u64), IndexError>> + '_ {
        self.store.scan(&keys::subjects()).map(|item| {
            let (key, value) = item?;
            let subject = keys::subject_of(&key).ok_or_else(|| self.store.damaged("a row has no subject"))?;
            let row = Row::parse(&value).ok_or_else(|| self.store.damaged("a row has a bad checksum"))?;
            Ok((subject, row.touches, row.last_position))
        })
    }

    fn row(&self, subject: &SubjectId) -> Result<Option<Row>, IndexError> {
        match self.store.get(&keys::subject(subject))? {
            None => Ok(None),
            Some(value) => match Row::parse(&value) {
                Some(row) => Ok(Some(row)),
                None => Err(self.store.damaged("a row has a bad checksum")),
            },
        }
    }
}
