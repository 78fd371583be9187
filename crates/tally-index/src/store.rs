//! sled, and nothing but sled: get, ordered scan, atomic batch, open and close.
//!
//! sled panics on damaged pages and its flush is not durable over a power cut, so every call is caught, the files are
//! synced by us, and what an unclean stop on another boot left is not believed.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use crate::{INDEX_FORMAT, IndexError, keys};

/// How an index was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Opened {
    /// There was none.
    New,
    /// It is what it was.
    Kept,
    /// It was not to be trusted and was moved aside.
    Discarded {
        /// Why.
        why: String,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Store {
    path: PathBuf,
    db: sled::Db,
    boot_id: String,
}

/// Puts and removals that take effect together.
#[derive(Default)]
pub(crate) struct Batch(sled::Batch);

impl Batch {
    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.0.remove(key);
    }
}

impl Store {
    pub(crate) fn open(path: &Path, boot_id: &str, cache_bytes: u64) -> Result<(Self, Opened), IndexError> {
        let existed = path.exists();
        match Self::try_open(path, boot_id, cache_bytes) {
            Ok(store) if existed => match store.why_not_trusted() {
                None => {
                    store.begin_run()?;
                    Ok((store, Opened::Kept))
                }
                Some(why) => {
                    drop(store);
                    Self::discard(path, boot_id, cache_bytes, why)
                }
            },
            Ok(store) => {
                store.begin()?;
                Ok((store, Opened::New))
            }
            Err(error) if existed => Self::discard(path, boot_id, cache_bytes, error.to_string()),
            Err(error) => Err(error),
        }
    }

    fn discard(path: &Path, boot_id: &str, cache_bytes: u64, why: String) -> Result<(Self, Opened), IndexError> {
        remove(path)?;
        let store = Self::try_open(path, boot_id, cache_bytes)?;
        store.begin()?;
        Ok((store, Opened::Discarded { why }))
    }

    fn try_open(path: &Path, boot_id: &str, cache_bytes: u64) -> Result<Self, IndexError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(Some(1_000));
        let db = caught(path, || config.open())?;
        Ok(Self { path: path.to_owned(), db, boot_id: boot_id.to_owned() })
    }

    fn begin(&self) -> Result<(), IndexError> {
        let mut batch = Batch::default();
        batch.put(keys::format(), INDEX_FORMAT.to_be_bytes().to_vec());
        batch.put(keys::applied(), 0_u64.to_be_bytes().to_vec());
        self.write(batch)?;
        self.begin_run()
    }

    /// From here until `close` the content is trusted on this boot only.
    fn begin_run(&self) -> Result<(), IndexError> {
        let mut batch = Batch::default();
        batch.put(keys::run(), [&[0], self.boot_id.as_bytes()].concat());
        self.write(batch)
    }

    fn why_not_trusted(&self) -> Option<String> {
        let format = self.get(&keys::format()).ok().flatten();
        if format.as_deref() != Some(&INDEX_FORMAT.to_be_bytes()[..]) {
            return Some("it has another format".to_owned());
        }
        match self.get(&keys::run()) {
            Ok(Some(run)) if run.first() == Some(&1) => None,
            Ok(Some(run)) if run.get(1..) == Some(self.boot_id.as_bytes()) => None,
            Ok(_) => Some("the machine was restarted after an unclean stop".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    pub(crate) fn applied(&self) -> Result<u64, IndexError> {
        let value = self.get(&keys::applied())?.unwrap_or_default();
        let bytes = <[u8; 8]>::try_from(value.as_slice()).map_err(|_| self.damaged("the position is missing"))?;
        Ok(u64::from_be_bytes(bytes))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(caught(&self.path, || self.db.get(key))?.map(|value| value.to_vec()))
    }

    pub(crate) fn write(&self, batch: Batch) -> Result<(), IndexError> {
        caught(&self.path, || self.db.apply_batch(batch.0))
    }

    /// Rows whose key begins with `prefix`, in the order of keys.
    pub(crate) fn scan(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), IndexError>> + use<'_> {
        self.scan_after(prefix, None)
    }

    /// The same, past `after`.
    pub(crate) fn scan_after(
        &self,
        prefix: &[u8],
        after: Option<Vec<u8>>,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), IndexError>> + use<'_> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let prefix = prefix.to_vec();
        let start = after.map_or_else(|| Included(prefix.clone()), Excluded);
        let mut rows = self.db.range::<Vec<u8>, _>((start, Unbounded));
        std::iter::from_fn(move || {
            let item = caught(&self.path, || rows.next().transpose());
            match item {
                Ok(Some((key, value))) if key.starts_with(&prefix) => Some(Ok((key.to_vec(), value.to_vec()))),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            }
        })
    }

    pub(crate) fn close(&self) -> Result<(), IndexError> {
        let mut batch = Batch::default();
        batch.put(keys::run(), [&[1], self.boot_id.as_bytes()].concat());
        self.write(batch)?;
        caught(&self.path, || self.db.flush())?;
        sync_files(&self.path).map_err(|error| self.damaged(&error.to_string()))
    }

    pub(crate) fn damaged(&self, what: &str) -> IndexError {
        IndexError::Damaged { path: self.path.clone(), what: what.to_owned() }
    }
}

/// sled's flush ends in sync_file_range, which a power cut outlives only in part.
fn sync_files(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    fs::File::open(path)?.sync_all()
}

/// Removes an index: it is a projection and can be made again.
pub(crate) fn remove(path: &Path) -> Result<(), IndexError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A file stands where the folder should be.
        Err(error) if path.is_file() => {
            fs::remove_file(path).map_err(|_| IndexError::Damaged { path: path.to_owned(), what: error.to_string() })
        }
        Err(error) => Err(IndexError::Damaged { path: path.to_owned(), what: error.to_string() }),
    }
}

fn caught<T>(path: &Path, call: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    let damaged = |what: String| IndexError::Damaged { path: path.to_owned(), what };
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(_) => Err(damaged("sled panicked".to_owned())),
    }
}
