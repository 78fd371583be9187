//! Reads: one snapshot, one instant, and the index and log as of both.

use std::sync::Arc;

use tally_core::{
    hash::sha256,
    id::{SubjectId, SubjectKind},
    state::Instant,
    time::Timestamp,
};
use tally_index::Index;
use tally_log::{
    LogPosition, TreeSize,
    entry::EntryHeader,
    heads::{MapEnd, MapKey},
    store::{DirectoryTiles, LogReader, StoredEntry},
};
use tally_proto::v1;
use tokio::sync::{Semaphore, watch};

use crate::{
    pool::KeyDirectory,
    published::{Published, Snapshot},
    status::CallError,
};

/// Queries that may run at once; more wait.
const QUERIES_MAX: usize = 32;

/// What every query is answered from. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(crate) index: Index,
    pub(crate) log: LogReader,
    pub(crate) tiles: DirectoryTiles,
    pub(crate) published: Published,
    pub(crate) keys: Arc<KeyDirectory>,
    permits: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

impl Reader {
    /// A reader over the parts of a server; `stopping` turns true when a stop is asked for.
    pub fn new(
        index: Index,
        log: LogReader,
        tiles: DirectoryTiles,
        published: Published,
        keys: Arc<KeyDirectory>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { index, log, tiles, published, keys, permits: Arc::new(Semaphore::new(QUERIES_MAX)), stopping }
    }

    /// Waits until a stop is asked for: a stream on which nothing comes must not hold it up.
    pub(crate) async fn stopping(&self) {
        // Without the sender the server has ended.
        drop(self.stopping.clone().wait_for(|stopping| *stopping).await);
    }

    /// Runs a query off the async threads, over the newest snapshot, once the index has reached it.
    ///
    /// # Errors
    /// What the query says; [`CallError::Unavailable`] where the index does not follow.
    pub async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Self, &Snapshot) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        self.ask_at(0, query).await
    }

    /// The same, over a snapshot that holds `min_position`.
    ///
    /// # Errors
    /// As of [`Reader::ask`].
    pub async fn ask_at<T: Send + 'static>(
        &self,
        min_position: u64,
        query: impl FnOnce(&Self, &Snapshot) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let mut published = self.published.clone();
        let snapshot = published.current();
        if min_position >= snapshot.size.get() {
            let what = format!("is {min_position}, but {} entries are sealed", snapshot.size.get());
            return Err(CallError::OutOfRange { field: "min_position", what });
        }
        if !published.indexed(snapshot.size.get()).await {
            return Err(CallError::Unavailable("the index does not follow the log; it is rebuilt at the next start"));
        }
        let permit = self.permits.clone().acquire_owned().await;
        let reader = self.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let answer = query(&reader, &snapshot);
            drop(permit);
            answer
        });
        ran.await.unwrap_or_else(|error| Err(CallError::internal(&error)))
    }

    /// Resolves the two clocks of a query against a snapshot.
    ///
    /// # Errors
    /// [`CallError::OutOfRange`] where more is to be known than is sealed.
    pub fn resolve(&self, at: Option<&v1::At>, snapshot: &Snapshot) -> Result<(Instant, v1::Basis), CallError> {
        let at = at.copied().unwrap_or_default();
        let sealed = snapshot.size.get();
        if at.known_size != 0 && at.known_at_us != 0 {
            let what = "stands beside known_at_us; give one of the two".to_owned();
            return Err(CallError::BadRequest { field: "at.known_size", what });
        }
        if at.known_size > sealed {
            let what = format!("is {}, but {sealed} entries are sealed", at.known_size);
            return Err(CallError::OutOfRange { field: "at.known_size", what });
        }
        if at.known_at_us > snapshot.recorded_at_us {
            let last = Timestamp::from_micros(i64::try_from(snapshot.recorded_at_us).unwrap_or(i64::MAX));
            let what = format!("lies ahead of the last sealed batch ({last}); leave it out for all that is on record");
            return Err(CallError::OutOfRange { field: "at.known_at_us", what });
        }
        let size = if at.known_at_us != 0 {
            self.size_known_at(at.known_at_us, sealed)?
        } else if at.known_size != 0 {
            at.known_size
        } else {
            sealed
        };
        let as_of = if at.as_of_us == 0 { Instant::ALL.as_of } else { Timestamp::from_micros(at.as_of_us) };
        let recorded_at_us = match size.checked_sub(1) {
            Some(last) => self.recorded_at(last)?,
            None => 0,
        };
        let basis = v1::Basis { tree_size: size, as_of_us: at.as_of_us, recorded_at_us, complete_by: Vec::new() };
        Ok((Instant { as_of, size }, basis))
    }

    /// The instant of an answer about now: that up to which time has passed in the findings, or the last batch.
    pub(crate) fn moment_us(&self, snapshot: &Snapshot) -> i64 {
        self.index.passed_us().max(i64::try_from(snapshot.recorded_at_us).unwrap_or(i64::MAX))
    }

    /// Number of entries that were recorded at or before a time.
    pub(crate) fn size_known_at(&self, known_at_us: u64, sealed: u64) -> Result<u64, CallError> {
        let (mut low, mut high) = (0, sealed);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.recorded_at(middle)? <= known_at_us { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    fn recorded_at(&self, position: u64) -> Result<u64, CallError> {
        let stored = self.entry(position)?;
        let (header, _) = EntryHeader::parse(&stored.entry).map_err(|error| CallError::internal(&error))?;
        Ok(header.recorded_at.micros())
    }

    /// An entry of the log.
    ///
    /// # Errors
    /// [`CallError::OutOfRange`] past the end, [`CallError::Internal`] where it does not read back.
    pub fn entry(&self, position: u64) -> Result<StoredEntry, CallError> {
        let at = position_of(position)?;
        self.log.read(at).map_err(|error| CallError::internal(&error))
    }

    /// Hashes of the inclusion proof of a position under a size of this snapshot's tree.
    ///
    /// # Errors
    /// [`CallError::OutOfRange`].
    pub fn inclusion(&self, snapshot: &Snapshot, position: u64, size: TreeSize) -> Result<Vec<Vec<u8>>, CallError> {
        let at = position_of(position)?;
        let proof =
            snapshot.tree.inclusion_proof(at, size, &self.tiles).map_err(|error| out_of_range("position", &error))?;
        Ok(proof.hashes().iter().map(|hash| hash.as_bytes().to_vec()).collect())
    }

    /// Hashes of the consistency proof between two sizes of this snapshot's tree.
    ///
    /// # Errors
    /// [`CallError::OutOfRange`].
    pub fn consistency(&self, snapshot: &Snapshot, old: u64, new: TreeSize) -> Result<Vec<Vec<u8>>, CallError> {
        let old = TreeSize::new(old).filter(|old| *old <= new).ok_or_else(|| CallError::OutOfRange {
            field: "old_size",
            what: format!("is {old}, past {}", new.get()),
        })?;
        let proof =
            snapshot.tree.consistency_proof(old, new, &self.tiles).map_err(|error| out_of_range("old_size", &error))?;
        Ok(proof.hashes().iter().map(|hash| hash.as_bytes().to_vec()).collect())
    }

    /// The head proof of a subject, without its touches.
    ///
    /// # Errors
    /// [`CallError::OutOfRange`] where `kept_size` is past the snapshot.
    pub fn head_proof(
        &self,
        snapshot: &Snapshot,
        subject: &SubjectId,
        kept_size: u64,
    ) -> Result<v1::HeadProof, CallError> {
        use v1::head_proof::End;
        let proof = snapshot.heads.prove(&MapKey::of(&subject.key()));
        let end = match proof.end {
            MapEnd::Value(value) => End::Value(value.to_vec()),
            MapEnd::Other { key, value_hash } => {
                End::Other(v1::OtherLeaf { key: key.as_bytes().to_vec(), value_hash: value_hash.to_vec() })
            }
            MapEnd::Empty => End::Empty(true),
        };
        let last = snapshot.size.last().ok_or_else(|| CallError::internal(&"the log is empty"))?;
        let consistency =
            if kept_size == 0 { Vec::new() } else { self.consistency(snapshot, kept_size, snapshot.size)? };
        Ok(v1::HeadProof {
            subject: subject.key().to_vec(),
            checkpoint: snapshot.checkpoint.as_bytes().to_vec(),
            last_entry: self.entry(last.get())?.entry,
            inclusion: self.inclusion(snapshot, last.get(), snapshot.size)?,
            siblings: proof.siblings.iter().map(|sibling| sibling.to_vec()).collect(),
            end: Some(end),
            suffix: None,
            touches: Vec::new(),
            keys: Vec::new(),
            consistency,
        })
    }

    /// The public keys that signed an entry.
    pub fn keys_of<'a>(&self, entries: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let mut ids = Vec::new();
        for entry in entries {
            let Ok(entry) = tally_core::entry::EventEntry::parse(entry) else { continue };
            if let Ok(event) = entry.unverified().parse() {
                ids.extend(event.key_ids());
            }
        }
        ids.sort_unstable();
        ids.dedup();
        self.keys.find(ids.into_iter()).iter().map(|key| key.as_bytes().to_vec()).collect()
    }
}

fn position_of(position: u64) -> Result<LogPosition, CallError> {
    LogPosition::new(position).ok_or_else(|| CallError::OutOfRange {
        field: "position",
        what: format!("{position} is past the last place that a log can have"),
    })
}

fn out_of_range(field: &'static str, error: &dyn std::fmt::Display) -> CallError {
    CallError::OutOfRange { field, what: error.to_string() }
}

/// A page token: what the first page knew, and where the next one goes on. It grants nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageToken {
    /// Tree size of the first page.
    pub size: u64,
    /// Last id of the page before.
    pub after: [u8; 16],
}

impl PageToken {
    /// The text of a token for a query, which is named by its encoded request without token and size of page.
    pub fn encode(&self, query: &[u8]) -> String {
        bind(&[&self.size.to_be_bytes(), &self.after], query)
    }

    /// The token of a request; `None` for the first page.
    ///
    /// # Errors
    /// [`CallError::BadRequest`] for a token of another query.
    pub fn parse(token: &str, query: &[u8]) -> Result<Option<Self>, CallError> {
        let Some(bytes) = unbind(token, query)? else { return Ok(None) };
        let (size, after) = bytes.split_first_chunk::<8>().ok_or_else(no_such_token)?;
        let after = <[u8; 16]>::try_from(after).map_err(|_| no_such_token())?;
        Ok(Some(Self { size: u64::from_be_bytes(*size), after }))
    }
}

/// Bytes of a hash that bind a token to its query.
const BOUND_BYTES: usize = 8;

/// The text of a page token that is good for one query only: what it holds, and a hash of the query.
pub fn bind(parts: &[&[u8]], query: &[u8]) -> String {
    let bound = sha256(&[query]);
    hex::encode([&parts.concat(), bound.get(..BOUND_BYTES).unwrap_or_default()].concat())
}

/// What a token of [`bind`] holds; `None` where there is none, as for a first page.
///
/// # Errors
/// [`CallError::BadRequest`] for what is no token, or is one of another query.
pub fn unbind(token: &str, query: &[u8]) -> Result<Option<Vec<u8>>, CallError> {
    if token.is_empty() {
        return Ok(None);
    }
    let mut bytes = hex::decode(token).map_err(|_| no_such_token())?;
    let held = bytes.len().checked_sub(BOUND_BYTES).ok_or_else(no_such_token)?;
    let bound = bytes.split_off(held);
    if sha256(&[query]).get(..BOUND_BYTES) == Some(bound.as_slice()) { Ok(Some(bytes)) } else { Err(no_such_token()) }
}

/// The refusal of a page token.
pub fn no_such_token() -> CallError {
    CallError::BadRequest {
        field: "page_token",
        what: "is no token of this query; repeat the request of the first page with it".to_owned(),
    }
}

/// Rows of a page: 50 unless told, 500 at most.
pub fn page_size(asked: u32) -> usize {
    match asked {
        0 => 50,
        1..=500 => usize::try_from(asked).unwrap_or(500),
        501.. => 500,
    }
}

/// The subject of a kind with an id from a request.
///
/// # Errors
/// [`CallError::BadRequest`].
pub fn subject_of(kind: SubjectKind, field: &'static str, id: &[u8]) -> Result<SubjectId, CallError> {
    Ok(SubjectId::new(kind, crate::status::id16(field, id)?))
}
