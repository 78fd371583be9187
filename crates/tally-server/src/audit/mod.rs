//! Audit: re-reads a whole log and recomputes everything, trusting nothing but the log's key. It repairs nothing.

mod verify;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
};

use tally_core::{
    entry::EventEntry,
    hash::{Digest, LeafHash},
    id::SubjectId,
    key::{KeyId, PublicKey},
    number::LogPosition,
    set::EventSet,
    signed_event::VerifiedEvent,
    touch::{self, HeadValue},
};
use tally_log::{
    RootHash,
    checkpoint::{Origin, UnverifiedCheckpoint},
    entry::{EntryHeader, EntryKind, HeadsEntry},
    heads::{HeadsMap, MapKey},
    note::VerifierKey,
    tree::Tree,
};
use tally_proto::v1::statement::Body;

pub use verify::{Against, AuditError, ExportError, Report, export, registered_keys, verify};

/// What is wrong, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Position of the entry, where it is about one.
    pub position: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(out, "entry at position {position}: {}", self.what),
            None => out.write_str(&self.what),
        }
    }
}

/// The fold of an auditor: every rule of entries, batches, chains and heads, over entries as they lie in the log.
///
/// Bodies are judged as the log's own rules need them: the keys that they register. An entry of a kind that this
/// version does not know is checked in its hash, signatures, links, mentions and heads all the same.
pub struct Auditor {
    /// Whose log it is: every event names it, and every checkpoint inside the log is signed by its key.
    log_key: VerifierKey,
    tree: Tree,
    /// Size and root at the end of each batch that a checkpoint inside the log may still name: 40 bytes a batch.
    sealed: VecDeque<(u64, RootHash)>,
    /// Size of the last checkpoint inside the log.
    noted_size: u64,
    values: HashMap<SubjectId, HeadValue>,
    heads: HeadsMap,
    keys: HashMap<KeyId, PublicKey>,
    /// Keys that came beside the log: accepted because their hash is their id.
    given: HashMap<KeyId, PublicKey>,
    open: OpenBatch,
    next: u64,
    last_recorded_at: u64,
    last_heads: Option<u64>,
    /// Signatures that verified.
    pub signatures: u64,
    /// Events that were read.
    pub events: u64,
    /// Batches that were read.
    pub batches: u64,
}

/// The batch that is being read.
#[derive(Default)]
struct OpenBatch {
    first: u64,
    recorded_at: Option<u64>,
    moved: Vec<SubjectId>,
    set: Option<OpenSet>,
}

/// A set whose members are being read: consecutive, by one key.
struct OpenSet {
    set: EventSet,
    issuer: KeyId,
    members: Vec<Digest>,
}

impl Auditor {
    /// An auditor of the log of `log_key` that has read nothing, and accepts `keys` by their hash.
    pub fn new(log_key: VerifierKey, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self {
            log_key,
            tree: Tree::new(),
            sealed: VecDeque::new(),
            noted_size: 0,
            values: HashMap::new(),
            heads: HeadsMap::new(),
            keys: HashMap::new(),
            given: keys.into_iter().map(|key| (key.key_id(), key)).collect(),
            open: OpenBatch::default(),
            next: 0,
            last_recorded_at: 0,
            last_heads: None,
            signatures: 0,
            events: 0,
            batches: 0,
        }
    }

    /// Reads the next entry.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), Finding> {
        let position = self.next;
        let wrong = |what: String| Finding { position: Some(position), what };
        let (header, _) = EntryHeader::parse(bytes).map_err(|error| wrong(error.to_string()))?;
        let recorded_at = header.recorded_at.micros();
        if self.open.recorded_at.is_some_and(|of_batch| of_batch != recorded_at) {
            return Err(wrong("recorded_at is not that of its batch".to_owned()));
        }
        if self.open.recorded_at.is_none() && recorded_at <= self.last_recorded_at && position > 0 {
            return Err(wrong("recorded_at is not after the batch before".to_owned()));
        }
        self.open.recorded_at = Some(recorded_at);
        match header.kind {
            EntryKind::Event => self.read_event(bytes, position).map_err(wrong)?,
            EntryKind::Heads => self.read_heads(bytes, position, recorded_at).map_err(wrong)?,
        }
        self.next += 1;
        if !self.tree.append(&[tally_log::LeafHash::of(bytes)]) {
            return Err(wrong("the log is longer than a log can be".to_owned()));
        }
        if header.kind == EntryKind::Heads {
            self.sealed.push_back((self.next, self.tree.root()));
            // Only roots are asked of it.
            drop(self.tree.take_full_tiles());
        }
        Ok(())
    }

    /// Ends the reading at a signed size.
    ///
    /// # Errors
    /// Where the last batch is not closed, or the log is empty.
    pub fn finish(&self) -> Result<(), Finding> {
        let wrong = |what: &str| Finding { position: self.next.checked_sub(1), what: what.to_owned() };
        if self.next == 0 {
            return Err(wrong("the log is empty; it begins with the registrar's registration"));
        }
        if self.open.first != self.next {
            return Err(wrong("the last batch has no heads entry"));
        }
        Ok(())
    }

    /// Root of the heads map as recomputed.
    pub fn heads_root(&self) -> tally_log::HeadsRoot {
        self.heads.root()
    }

    /// Every key that was registered, with its id.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.values()
    }

    fn read_event(&mut self, bytes: &[u8], position: u64) -> Result<(), String> {
        let text = |error: &dyn fmt::Display| error.to_string();
        let entry = EventEntry::parse(bytes).map_err(|error| text(&error))?;
        let at = LogPosition::new(position).ok_or("no position")?;
        let trusted = VerifiedEvent::parse_trusted(entry.unverified()).map_err(|error| text(&error))?;
        self.learn_keys(&trusted, position);
        let parsed = entry.unverified().parse().map_err(|error| text(&error))?;
        let keys = (&self.keys, &self.given);
        let event = parsed.verify(|id| keys.0.get(id).or_else(|| keys.1.get(id))).map_err(|error| text(&error))?;
        let origin = &event.statement().origin;
        if origin != self.log_key.name() {
            return Err(format!("it was stated to {origin}, not to this log"));
        }
        self.signatures += 1 + u64::try_from(event.hands().len()).unwrap_or_default();
        self.events += 1;
        self.check_set(&event)?;
        let moved = touch::apply(&event, at, LeafHash::of(bytes), |subject| self.value(subject));
        for (subject, value) in moved.map_err(|error| text(&error))? {
            self.values.insert(subject, value);
            self.open.moved.push(subject);
        }
        Ok(())
    }

    fn value(&self, subject: &SubjectId) -> HeadValue {
        self.values.get(subject).copied().unwrap_or_default()
    }

    /// Keys that an event registers, its own among them where it founds the log.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only two kinds register keys")]
    fn learn_keys(&mut self, event: &VerifiedEvent, position: u64) {
        let statement = event.statement();
        let Ok(body) = tally_core::event::Body::parse(statement.body_number, &statement.body) else { return };
        let mut found: Vec<&[u8]> = Vec::new();
        match body.message() {
            Body::OrganisationRegistered(body) => {
                found.extend([body.first_key.as_slice(), body.recovery_key.as_slice()]);
                if position == 0 {
                    found.extend(body.genesis.iter().flat_map(|genesis| &genesis.registrar_keys).map(Vec::as_slice));
                }
            }
            Body::KeyAdded(body) => found.push(&body.key),
            _ => return,
        }
        for key in found.into_iter().filter_map(|key| PublicKey::parse(key).ok()) {
            self.keys.insert(key.key_id(), key);
        }
    }

    /// Members of a set stand together, by one key, and are those that its digest names.
    fn check_set(&mut self, event: &VerifiedEvent) -> Result<(), String> {
        let set = event.statement().set;
        if let Some(open) = &mut self.open.set {
            if set != Some(open.set) || event.issuer() != open.issuer {
                return Err("it stands inside a set that it does not belong to; half a set is damage".to_owned());
            }
        } else if let Some(set) = set {
            self.open.set = Some(OpenSet { set, issuer: event.issuer(), members: Vec::new() });
        }
        let Some(open) = &mut self.open.set else { return Ok(()) };
        open.members.push(event.statement().member_hash());
        if u32::try_from(open.members.len()).unwrap_or(u32::MAX) == open.set.count {
            let whole = EventSet::of(&open.members).map_err(|error| error.to_string())?;
            if whole != open.set {
                return Err("the members of the set are not those of its digest".to_owned());
            }
            self.open.set = None;
        }
        Ok(())
    }

    fn read_heads(&mut self, bytes: &[u8], position: u64, recorded_at: u64) -> Result<(), String> {
        let heads = HeadsEntry::parse(bytes).map_err(|error| error.to_string())?;
        if self.open.set.is_some() {
            return Err("the batch ends inside a set; half a set is damage".to_owned());
        }
        if heads.batch_first.get() != self.open.first {
            return Err(format!("batch_first is {}, the batch begins at {}", heads.batch_first.get(), self.open.first));
        }
        if heads.previous().map(tally_log::LogPosition::get) != self.last_heads {
            return Err("the heads entry before it is not where it says".to_owned());
        }
        self.check_noted(&heads)?;
        let moved = std::mem::take(&mut self.open.moved);
        let updates = moved.iter().map(|subject| (MapKey::of(&subject.key()), self.value(subject).encode())).collect();
        self.heads.insert_all(updates);
        if heads.map_root != self.heads.root() {
            return Err("the heads root is not that of the entries before it".to_owned());
        }
        if heads.subjects != self.heads.len() {
            return Err("the number of subjects is not that of the entries before it".to_owned());
        }
        self.last_recorded_at = recorded_at;
        self.last_heads = Some(position);
        self.open = OpenBatch { first: position + 1, ..OpenBatch::default() };
        self.batches += 1;
        Ok(())
    }
    /// The cosigned checkpoint inside a heads entry: of this log, as it was at the end of an earlier batch.
    fn check_noted(&mut self, heads: &HeadsEntry) -> Result<(), String> {
        let noted = heads.cosigned_checkpoint().map_err(|error| format!("the checkpoint in it: {error}"))?;
        let Some(noted) = noted else { return Ok(()) };
        let size = self.check_signed(&noted).map_err(|problem| format!("the checkpoint in it {problem}"))?;
        // FORMAT, section 3: of a size of at most `batch_first`, never older than the last one sealed.
        if size > heads.batch_first.get() {
            return Err(format!("the checkpoint in it has size {size}, past the batch that it stands in"));
        }
        if size < self.noted_size {
            return Err(format!("the checkpoint in it has size {size}, the one before it {}", self.noted_size));
        }
        while self.sealed.front().is_some_and(|(sealed, _)| *sealed < size) {
            self.sealed.pop_front();
        }
        match self.sealed.front() {
            Some((sealed, root)) if *sealed == size && *root == noted.unverified().root => {}
            Some((sealed, _)) if *sealed == size => {
                return Err(format!("the checkpoint in it has another root than the entries below {size}"));
            }
            // FORMAT, section 3: a log signs no size that does not end in a heads entry.
            Some(_) | None => return Err(format!("the checkpoint in it has size {size}, at which no batch ends")),
        }
        self.noted_size = size;
        Ok(())
    }

    /// The size of a checkpoint of this log, signed by it first and by somebody else after it.
    fn check_signed(&self, noted: &UnverifiedCheckpoint) -> Result<u64, String> {
        let text = |error: &dyn fmt::Display| format!("is not to be believed: {error}");
        let origin = Origin::parse(self.log_key.name()).map_err(|error| text(&error))?;
        let size = noted.verify(&origin, &self.log_key).map_err(|error| text(&error))?.size;
        if !noted.extension_lines().is_empty() {
            return Err("has extension lines".to_owned());
        }
        let mut lines = noted.note().signatures().iter();
        let is_ours = |name: &str, id: u32| name == self.log_key.name() && id == self.log_key.id();
        if !lines.next().is_some_and(|line| is_ours(line.name(), line.key_id())) {
            return Err("has another line before the log's own".to_owned());
        }
        if !lines.any(|line| !is_ours(line.name(), line.key_id())) {
            return Err("is not cosigned".to_owned());
        }
        Ok(size.get())
    }
}
