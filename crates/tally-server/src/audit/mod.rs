//! Audit: re-reads a whole log and recomputes everything, trusting nothing but the log's key. It repairs nothing.

mod verify;

use std::{collections::HashMap, fmt};

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
    entry::{EntryHeader, EntryKind, HeadsEntry},
    heads::{HeadsMap, MapKey},
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
#[derive(Default)]
pub struct Auditor {
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
    /// An auditor that has read nothing, and accepts `keys` by their hash.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let given = keys.into_iter().map(|key| (key.key_id(), key)).collect();
        Self { given, ..Self::default() }
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
            #[expect(clippy::wildcard_enum_match_arm, reason = "only these two register keys")]
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
        let moved = std::mem::take(&mut self.open.moved);
        let updates = moved.iter().map(|subject| (MapKey::of(&subject.key()), self.value(subject).encode())).collect();
        self.heads.insert_all(updates);
        if heads.map_root != self.heads.root() {
            return Err("the heads root is not that of the entries before it".to_owned());
        }
        if heads.subjects != u64::try_from(self.heads.len()).unwrap_or(u64::MAX) {
            return Err("the number of subjects is not that of the entries before it".to_owned());
        }
        self.last_recorded_at = recorded_at;
        self.last_heads = Some(position);
        self.open = OpenBatch { first: position + 1, ..OpenBatch::default() };
        self.batches += 1;
        Ok(())
    }
}
