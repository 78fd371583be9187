//! Start-up: everything that is held in memory, rebuilt from the log, and an index that follows it.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use fs4::FileExt;
use tally_core::{
    admission::Admission, candidate::Candidate, entry::EventEntry, hash::LeafHash, id::SubjectId,
    number::LogPosition as CorePosition, state::Recorded, time::Timestamp,
};
use tally_index::{Index, Opened};
use tally_log::{
    heads::{HeadsMap, MapKey},
    note::VerifierKey,
    store::{
        Directory, LogReader, OpenError, Options, Recovery, StoredFrame,
        disk::{Disk, RealDisk},
    },
    touch::TouchStack,
};

use crate::{
    fence::{Fence, FenceError},
    sequencer::State,
};

/// Events that are applied to the index in one write while it catches up.
const CATCH_UP_EVENTS: usize = 2_048;

/// Why a server did not start. The log was not changed, but for a torn tail that was moved aside.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no ledger here.
    #[error("there is no ledger in {}", dir.display())]
    NotThere {
        /// Where.
        dir: PathBuf,
    },
    /// There is one already.
    #[error("there is a ledger in {} already", dir.display())]
    AlreadyThere {
        /// Where.
        dir: PathBuf,
    },
    /// Another process has it.
    #[error("{} is in use by another process", dir.display())]
    InUse {
        /// Where.
        dir: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration is wrong.
    #[error("{0}")]
    Configuration(String),
    /// The log is damaged.
    #[error("{what}")]
    Damaged {
        /// What and where.
        what: String,
    },
    /// The log is older than its fence, or another than it knows.
    #[error("{what}")]
    RolledBack {
        /// What does not fit.
        what: String,
    },
    /// The fence does not let the server in.
    #[error("{}: {source}", path.display())]
    Fence {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: FenceError,
    },
    /// The clock cannot be right.
    #[error("{0}")]
    Clock(String),
    /// The index cannot even be begun.
    #[error("{0}")]
    Index(#[from] tally_index::IndexError),
    /// The network address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: String,
        /// Why.
        source: io::Error,
    },
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> Self {
        let what = match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        match error {
            OpenError::RolledBack { .. } | OpenError::OtherRoot { .. } => Self::RolledBack { what },
            OpenError::Disk { path, source } => Self::File { path, source },
            OpenError::NotThere { path } | OpenError::AlreadyThere { path } => {
                Self::Damaged { what: format!("{what} ({})", path.display()) }
            }
            OpenError::Damaged(_) | OpenError::Tiles(_) => Self::Damaged { what },
        }
    }
}

/// What was found at start-up, ready to be served.
pub struct Ledger {
    /// What the sequencer owns.
    pub state: State,
    /// The index, at the end of the log.
    pub index: Index,
    /// What was cut from the log, if anything.
    pub recovery: Recovery,
    /// How the index was found.
    pub opened: Opened,
    /// Held while the ledger is open.
    pub lock: fs::File,
}

/// Reports how far a long start-up is: entries done, entries in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// The files of a data directory, and the disk on which log and fence are.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    fence: PathBuf,
}

impl Layout {
    /// The layout of a data directory.
    pub fn new(dir: &Path) -> Self {
        Self::on(dir, Arc::new(RealDisk))
    }

    /// The same, with log and fence on another disk than the operating system's.
    pub fn on(dir: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { dir: dir.to_owned(), disk, fence: dir.join("fence") }
    }

    /// The same, with the fence somewhere else: best on another disk, and never restored with the data.
    pub fn with_fence(self, fence: PathBuf) -> Self {
        Self { fence, ..self }
    }

    /// The disk of log and fence.
    pub fn disk(&self) -> Arc<dyn Disk> {
        self.disk.clone()
    }

    /// The fence.
    pub fn fence(&self) -> &Path {
        &self.fence
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The log's verifier key, one line.
    pub fn log_pub(&self) -> PathBuf {
        self.dir.join("log.pub")
    }

    /// The log's private key.
    pub fn log_key(&self) -> PathBuf {
        self.dir.join("log.key")
    }

    /// The index.
    pub fn index(&self) -> PathBuf {
        self.dir.join("index")
    }

    /// The lock.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Reads the log's verifier key.
    ///
    /// # Errors
    /// [`StartError::NotThere`] where there is none.
    pub fn verifier_key(&self) -> Result<VerifierKey, StartError> {
        let path = self.log_pub();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StartError::NotThere { dir: self.dir.clone() });
            }
            Err(source) => return Err(StartError::File { path, source }),
        };
        VerifierKey::parse(text.trim_end())
            .map_err(|error| StartError::Configuration(format!("{}: {error}", path.display())))
    }

    /// Takes the lock of the directory.
    ///
    /// # Errors
    /// [`StartError::InUse`].
    pub fn take_lock(&self) -> Result<fs::File, StartError> {
        let path = self.lock();
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|source| StartError::File { path, source })?;
        match FileExt::try_lock(&file) {
            Ok(()) => Ok(file),
            Err(_) => Err(StartError::InUse { dir: self.dir.clone() }),
        }
    }
}

/// Opens a ledger: the fence is taken, the log is recovered, admission, heads and links are rebuilt from it, the index catches up or is
/// rebuilt.
///
/// # Errors
/// [`StartError`].
pub fn open(
    layout: &Layout,
    cache_bytes: u64,
    new_fence: bool,
    rebuild: bool,
    progress: Progress<'_>,
) -> Result<Ledger, StartError> {
    let key = layout.verifier_key()?;
    let lock = layout.take_lock()?;
    let origin = key.name().to_owned();
    let fence_error = |source| StartError::Fence { path: layout.fence().to_owned(), source };
    let fence = match Fence::open(layout.disk.as_ref(), layout.fence(), &origin) {
        Err(FenceError::Missing) if new_fence => None,
        other => Some(other.map_err(fence_error)?),
    };
    let fenced = fence.as_ref().map(Fence::reached);
    let options = Options { log_key: Some(key), fenced, ..Options::default() };
    let opened = Directory::open(layout.disk(), &layout.log(), options);
    let (directory, tree, recovery) = opened.map_err(StartError::from)?;
    let mut fence = match fence {
        Some(fence) => fence,
        None => Fence::create(layout.disk.as_ref(), layout.fence(), &origin, tree.size(), tree.root())
            .map_err(fence_error)?,
    };
    // What is durable past the fence was on its way when the server ended: it is sealed now.
    if fence.reached() != (tree.size(), tree.root()) {
        fence.advance(tree.size(), tree.root()).map_err(fence_error)?;
    }
    let log = directory.durable_reader();

    let boot_id = boot_id();
    let (mut index, mut opened) = if rebuild {
        (Index::begin_anew(&layout.index(), &boot_id, cache_bytes)?, Opened::New)
    } else {
        Index::open(&layout.index(), &boot_id, cache_bytes)?
    };
    if index.applied()? > tree.size().get() {
        let why = "it is ahead of the log".to_owned();
        (index, opened) = (Index::begin_anew(&layout.index(), &boot_id, cache_bytes)?, Opened::Discarded { why });
    }
    let mut replay = Replay::new(&origin, tree.size().get());
    replay.run(&log, Some(&index), progress)?;
    if let Err(why) = replay.check_index(&index) {
        drop(index);
        index = Index::begin_anew(&layout.index(), &boot_id, cache_bytes)?;
        opened = Opened::Discarded { why };
        replay = Replay::new(&origin, tree.size().get());
        replay.run(&log, Some(&index), progress)?;
        replay.check_index(&index).map_err(|what| StartError::Damaged { what })?;
    }
    let Replay { admission, heads, stacks, recorded_at, .. } = replay;
    let state = State { directory, fence, tree, heads, admission, stacks, recorded_at };
    Ok(Ledger { state, index, recovery, opened, lock })
}

/// The fold over the log that start-up needs.
struct Replay {
    admission: Admission,
    heads: HeadsMap,
    stacks: HashMap<SubjectId, TouchStack>,
    recorded_at: Timestamp,
    size: u64,
}

impl Replay {
    fn new(origin: &str, size: u64) -> Self {
        Self {
            admission: Admission::new(origin),
            heads: HeadsMap::new(),
            stacks: HashMap::new(),
            recorded_at: Timestamp::from_micros(0),
            size,
        }
    }

    fn run(&mut self, log: &LogReader, index: Option<&Index>, progress: Progress<'_>) -> Result<(), StartError> {
        let applied = index.map_or(Ok(u64::MAX), Index::applied)?;
        if let Some(index) = index {
            index.ready(log)?;
        }
        let mut pending: Vec<Recorded> = Vec::new();
        let mut last_root = None;
        for frame in log.frames(tally_log::LogPosition::FIRST) {
            let frame = frame.map_err(|error| StartError::Damaged { what: error.to_string() })?;
            let after = frame.first.get() + u64::try_from(frame.entries.len()).unwrap_or_default();
            let events = self.take(&frame)?;
            last_root = Some(frame.heads.map_root);
            if after > applied {
                pending.extend(events);
            }
            if let Some(index) = index
                && after > applied
                && (pending.len() >= CATCH_UP_EVENTS || after == self.size)
            {
                index.apply(&pending, after, log, self.recorded_at)?;
                pending.clear();
            }
            progress(after, self.size);
        }
        if last_root.is_some_and(|root| root != self.heads.root()) {
            let what = "the last heads entry names another root than its entries give".to_owned();
            return Err(StartError::Damaged { what });
        }
        Ok(())
    }

    fn take(&mut self, frame: &StoredFrame) -> Result<Vec<Recorded>, StartError> {
        let damaged = |position: u64, what: &dyn std::fmt::Display| StartError::Damaged {
            what: format!("entry at position {position}: {what}"),
        };
        let mut events = Vec::with_capacity(frame.entries.len());
        let mut updates: HashMap<SubjectId, [u8; 80]> = HashMap::new();
        let count = frame.entries.len().saturating_sub(1);
        for stored in frame.entries.iter().take(count) {
            let at = stored.position.get();
            let entry = EventEntry::parse(&stored.entry).map_err(|error| damaged(at, &error))?;
            let candidate = Candidate::parse_trusted(entry.unverified()).map_err(|error| damaged(at, &error))?;
            let position = CorePosition::new(at).ok_or_else(|| damaged(at, &"no position"))?;
            let findings = self.admission.findings(&candidate);
            let leaf = LeafHash::of(&stored.entry);
            let moved = self.admission.apply(&candidate, position, leaf).map_err(|error| damaged(at, &error))?;
            updates.extend(moved.into_iter().map(|(subject, head)| (subject, head.encode())));
            for (subject, link) in candidate.statement().touched().zip(&stored.links) {
                if self.stacks.entry(subject).or_default().push(stored.position) != *link {
                    return Err(damaged(at, &format!("the link beside it for {subject} is wrong")));
                }
            }
            self.recorded_at = entry.recorded_at();
            events.push(Recorded {
                position,
                recorded_at: entry.recorded_at(),
                candidate: Arc::new(candidate),
                findings,
            });
        }
        let micros = i64::try_from(frame.heads.recorded_at.micros()).unwrap_or(i64::MAX);
        self.recorded_at = Timestamp::from_micros(micros);
        let updates = updates.into_iter().map(|(subject, value)| (MapKey::of(&subject.key()), value)).collect();
        self.heads.insert_all(updates);
        Ok(events)
    }

    /// Whether every row of the index knows of as many touches as the log, and the index of every subject.
    fn check_index(&self, index: &Index) -> Result<(), String> {
        let mut rows = 0;
        for row in index.touches() {
            let (subject, touches, last) = row.map_err(|error| error.to_string())?;
            let stack = self.stacks.get(&subject).ok_or_else(|| format!("it knows {subject}, the log does not"))?;
            if stack.touches() != touches || stack.last().map(tally_log::LogPosition::get) != Some(last) {
                return Err(format!("its row of {subject} is not as the log has it"));
            }
            rows += 1;
        }
        if rows != self.stacks.len() {
            return Err(format!("it knows {rows} subjects, the log {}", self.stacks.len()));
        }
        Ok(())
    }
}

/// Names this run of the machine: what sled wrote before a power cut is not believed after it.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}
