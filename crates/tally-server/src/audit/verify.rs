//! Verifying a whole log: the directory of a ledger, or the static files that it was exported to.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tally_core::{
    entry::EventEntry,
    id::SubjectId,
    key::{KeyId, PublicKey},
};
use tally_log::{
    HeadsRoot, LeafHash, RootHash, TreeSize,
    checkpoint::{Checkpoint, CheckpointError, Origin, UnverifiedCheckpoint},
    note::VerifierKey,
    store::{
        OpenError, Options, StoredFrame,
        check::check,
        disk::{Disk, RealDisk},
        export::{ExportError as WriteOutError, export as write_out},
        open_to_read,
    },
    tile::{TILE_WIDTH, TileId, TileKind, TilePath, parse_bundle, tile_bytes},
    touch::TouchStack,
    tree::Tree,
};

use super::{Auditor, Finding};
use crate::fence::{Fence, FenceError};

/// What a log is verified against.
#[derive(Clone, Debug)]
pub struct Against {
    /// The log's verifier key.
    pub log_key: VerifierKey,
    /// A checkpoint that somebody kept, as a note: the log must extend it.
    pub kept: Option<Vec<u8>>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Entries in whole batches.
    pub size: TreeSize,
    /// Root over them.
    pub root: RootHash,
    /// Root of the heads map after them.
    pub heads_root: HeadsRoot,
    /// Events among them.
    pub events: u64,
    /// Batches.
    pub batches: u64,
    /// Signatures that verified.
    pub signatures: u64,
    /// Size of the checkpoint in the log, if it is good.
    pub checkpoint_size: Option<TreeSize>,
    /// Bytes of an interrupted batch past everything that was promised: start-up will cut them.
    pub torn_bytes: u64,
    /// Everything that is wrong; none where the log is whole.
    pub wrong: Vec<String>,
}

/// Why a log could not be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no log.
    #[error("there is no log in {}", path.display())]
    NotThere {
        /// Where.
        path: PathBuf,
    },
    /// The checkpoint that was kept is not one of this log.
    #[error("the checkpoint to compare with is none of this log: {0}")]
    Kept(#[source] CheckpointError),
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Re-reads everything in `log`, recomputes tree and heads map, checks every signature, chain and checkpoint. Repairs
/// nothing. `progress` hears how many entries were read.
///
/// # Errors
/// [`AuditError`]; what is wrong with the log is in the report.
pub fn verify(log: &Path, against: &Against, progress: &mut dyn FnMut(u64)) -> Result<Report, AuditError> {
    let kept = against.kept.as_deref().map(|note| parse_kept(note, &against.log_key)).transpose()?;
    if log.join("tile").join("entries").is_dir() {
        return verify_export(log, against, kept, progress);
    }
    verify_directory(log, against, kept, progress)
}

fn parse_kept(note: &[u8], key: &VerifierKey) -> Result<Checkpoint, AuditError> {
    let origin = Origin::parse(key.name()).map_err(AuditError::Kept)?;
    let parsed = UnverifiedCheckpoint::parse(note).map_err(AuditError::Kept)?;
    parsed.verify(&origin, key).cloned().map_err(AuditError::Kept)
}

/// Every key that is registered in a log, with its id, in the order of ids.
///
/// # Errors
/// As of [`verify`].
pub fn registered_keys(log: &Path, against: &Against) -> Result<Vec<PublicKey>, AuditError> {
    let mut reading = Reading::new(against, Vec::new());
    walk_directory(log, against, &[], &mut |frame| reading.frame(frame))?;
    let mut keys: Vec<PublicKey> = reading.auditor.keys().cloned().collect();
    keys.sort_by_key(PublicKey::key_id);
    Ok(keys)
}

/// The fold over entries, up to the first that is wrong.
struct Reading {
    auditor: Auditor,
    stacks: HashMap<SubjectId, TouchStack>,
    wrong: Option<Finding>,
}

impl Reading {
    fn new(against: &Against, keys: Vec<PublicKey>) -> Self {
        Self { auditor: Auditor::new(against.log_key.clone(), keys), stacks: HashMap::new(), wrong: None }
    }

    fn entry(&mut self, bytes: &[u8]) {
        if self.wrong.is_none() {
            self.wrong = self.auditor.read(bytes).err();
        }
    }

    /// The entries of a batch, and the links beside them, which no leaf covers.
    fn frame(&mut self, frame: &StoredFrame) {
        for stored in &frame.entries {
            self.entry(&stored.entry);
            if self.wrong.is_some() {
                return;
            }
            let Ok(entry) = EventEntry::parse(&stored.entry) else { continue };
            let Ok(event) = entry.unverified().parse() else { continue };
            let touched = event.event().statement().touched();
            let due: Vec<_> =
                touched.map(|subject| self.stacks.entry(subject).or_default().push(stored.position)).collect();
            if due != stored.links {
                let what = "the links beside it do not lead to the touches before".to_owned();
                self.wrong = Some(Finding { position: Some(stored.position.get()), what });
            }
        }
    }

    fn finish(self, found: Found) -> Report {
        let Found { size, root, checkpoint_size, torn_bytes, mut wrong } = found;
        let unfinished = if wrong.is_empty() { self.auditor.finish().err() } else { None };
        wrong.extend(self.wrong.or(unfinished).map(|finding| finding.to_string()));
        Report {
            size,
            root,
            heads_root: self.auditor.heads_root(),
            events: self.auditor.events,
            batches: self.auditor.batches,
            signatures: self.auditor.signatures,
            checkpoint_size,
            torn_bytes,
            wrong,
        }
    }
}

/// What the bytes say without the events.
struct Found {
    size: TreeSize,
    root: RootHash,
    checkpoint_size: Option<TreeSize>,
    torn_bytes: u64,
    wrong: Vec<String>,
}

fn walk_directory(
    log: &Path,
    against: &Against,
    known: &[(TreeSize, RootHash)],
    visit: &mut dyn FnMut(&StoredFrame),
) -> Result<Found, AuditError> {
    let mut wrong = Vec::new();
    let fence = log.parent().unwrap_or(Path::new(".")).join("fence");
    let fenced = match Fence::peek(&RealDisk, &fence) {
        Ok(fenced) => fenced,
        Err(FenceError::Disk(source)) => return Err(AuditError::File { path: fence, source }),
        Err(error) => {
            wrong.push(format!("{}: {error}", fence.display()));
            None
        }
    };
    let options = Options { log_key: Some(against.log_key.clone()), fenced, ..Options::default() };
    let checked = check(&RealDisk, log, &options, known, visit).map_err(|error| match error {
        OpenError::Disk { path, source } => AuditError::File { path, source },
        OpenError::NotThere { .. }
        | OpenError::AlreadyThere { .. }
        | OpenError::Damaged(_)
        | OpenError::RolledBack { .. }
        | OpenError::OtherRoot { .. }
        | OpenError::Tiles(_) => AuditError::NotThere { path: log.to_owned() },
    })?;
    wrong.extend(checked.damage.iter().map(ToString::to_string));
    Ok(Found {
        size: checked.size,
        root: checked.root,
        checkpoint_size: checked.checkpoint.map(|checkpoint| checkpoint.size),
        torn_bytes: checked.torn_bytes,
        wrong,
    })
}

fn verify_directory(
    log: &Path,
    against: &Against,
    kept: Option<Checkpoint>,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, AuditError> {
    let known: Vec<_> = kept.iter().map(|kept| (kept.size, kept.root)).collect();
    let mut reading = Reading::new(against, Vec::new());
    let found = walk_directory(log, against, &known, &mut |frame| {
        reading.frame(frame);
        progress(frame.first.get() + u64::try_from(frame.entries.len()).unwrap_or_default());
    })?;
    Ok(reading.finish(found))
}

/// Verifies static files of tlog-tiles, with `keys.txt` beside them for keys that no event in them registers.
fn verify_export(
    dir: &Path,
    against: &Against,
    kept: Option<Checkpoint>,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, AuditError> {
    let read = |relative: &str| {
        let path = dir.join(relative);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AuditError::File { path, source }),
        }
    };
    let note = read("checkpoint")?.ok_or_else(|| AuditError::NotThere { path: dir.to_owned() })?;
    let mut found = Found {
        size: TreeSize::EMPTY,
        root: RootHash::of_empty(),
        checkpoint_size: None,
        torn_bytes: 0,
        wrong: Vec::new(),
    };
    let checkpoint = Origin::parse(against.log_key.name()).and_then(|origin| {
        let parsed = UnverifiedCheckpoint::parse(&note)?;
        parsed.verify(&origin, &against.log_key)?;
        Ok(parsed)
    });
    let checkpoint = match checkpoint {
        Ok(checkpoint) => {
            // FORMAT, section 3: a checkpoint is without extension lines.
            if !checkpoint.extension_lines().is_empty() {
                found.wrong.push("checkpoint: it has extension lines, which no log of ours signs".to_owned());
            }
            checkpoint
        }
        Err(error) => {
            found.wrong.push(format!("checkpoint: {error}"));
            return Ok(Reading::new(against, Vec::new()).finish(found));
        }
    };
    let checkpoint = checkpoint.unverified().clone();
    found.checkpoint_size = Some(checkpoint.size);
    let keys = match read("keys.txt")? {
        Some(text) => parse_keys(&text, &mut found.wrong),
        None => Vec::new(),
    };
    let mut reading = Reading::new(against, keys);
    let mut tree = Tree::new();
    let mut known: Vec<_> = kept.iter().map(|kept| (kept.size, kept.root)).collect();
    known.push((checkpoint.size, checkpoint.root));
    for index in 0..checkpoint.size.get().div_ceil(TILE_WIDTH as u64) {
        let width = TileId { level: 0, index }.width_at(checkpoint.size);
        let Some(name) = TilePath::new(TileKind::Entries, index, width).map(|path| path.to_string()) else { break };
        let Some(bundle) = read(&name)? else {
            found.wrong.push(format!("{name}: missing file"));
            break;
        };
        let entries = match parse_bundle(&bundle, width) {
            Ok(entries) => entries,
            Err(error) => {
                found.wrong.push(format!("{name}: {error}"));
                break;
            }
        };
        for entry in entries {
            reading.entry(entry);
            let grown = tree.append(&[LeafHash::of(entry)]);
            for (size, root) in &known {
                if !grown || (tree.size() == *size && tree.root() != *root) {
                    found.wrong.push(format!("checkpoint of size {size} has another root than the entries"));
                }
            }
        }
        progress(tree.size().get());
    }
    check_tiles(&mut tree, checkpoint.size, &read, &mut found.wrong)?;
    if let Some((size, _)) = known.iter().find(|(size, _)| *size > tree.size())
        && found.wrong.is_empty()
    {
        found.wrong.push(format!("{size} entries were signed for, {} are here", tree.size()));
    }
    (found.size, found.root) = (tree.size(), tree.root());
    Ok(reading.finish(found))
}

/// Every hash tile of the exported size, full or partial, byte for byte.
fn check_tiles(
    tree: &mut Tree,
    size: TreeSize,
    read: &impl Fn(&str) -> Result<Option<Vec<u8>>, AuditError>,
    wrong: &mut Vec<String>,
) -> Result<(), AuditError> {
    if tree.size() != size {
        return Ok(());
    }
    let full = tree.take_full_tiles().into_iter().map(|tile| (tile.id(), TILE_WIDTH, tile.bytes()));
    let mut due: Vec<_> = full.collect();
    for level in 0..8_u8 {
        let hashes = size.get() >> (8 * u32::from(level));
        let id = TileId { level, index: hashes / TILE_WIDTH as u64 };
        let width = id.width_at(size);
        if width > 0
            && let Some(row) = tree.view().tile(id, width)
        {
            due.push((id, width, tile_bytes(row.get(..width).unwrap_or(&row))));
        }
    }
    for (id, width, bytes) in due {
        let kind = TileKind::Hashes { level: id.level };
        let Some(name) = TilePath::new(kind, id.index, width).map(|path| path.to_string()) else { continue };
        match read(&name)? {
            None => wrong.push(format!("{name}: missing file")),
            Some(found) if found != bytes => {
                let byte = found.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
                wrong.push(format!("{name}: hashes differ from those of the entries at byte {byte}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// `key id, public key` in hex, a line each. A key is taken if its hash is its id, and it is valid.
fn parse_keys(text: &[u8], wrong: &mut Vec<String>) -> Vec<PublicKey> {
    let text = String::from_utf8_lossy(text);
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut parts = line.split([' ', ',', '\t']).filter(|part| !part.is_empty());
        let parsed = parts.next().zip(parts.next()).and_then(|(id, key)| {
            let (id, key) = (hex::decode(id).ok()?, hex::decode(key).ok()?);
            PublicKey::parse(&key).ok().filter(|key| KeyId::parse(&id) == Some(key.key_id()))
        });
        match parsed {
            Some(key) => keys.push(key),
            None => wrong.push(format!("keys.txt: line {number} is no valid key under its own id")),
        }
    }
    keys
}

/// Writes the static files of tlog-tiles into `out`, and `keys.txt` beside them; gives the size.
///
/// # Errors
/// [`ExportError`].
pub fn export(log: &Path, against: &Against, out: &Path) -> Result<TreeSize, ExportError> {
    let keys = registered_keys(log, against)?;
    let options = Options { log_key: Some(against.log_key.clone()), ..Options::default() };
    let (log, tiles) = open_to_read(Arc::new(RealDisk), log, &options)?;
    let size = write_out(&RealDisk, &log, &tiles, out)?;
    let text: String = keys.iter().map(|key| format!("{} {}\n", key.key_id(), hex::encode(key.as_bytes()))).collect();
    let path = out.join("keys.txt");
    let file = RealDisk.create(&path).and_then(|file| file.write_at(text.as_bytes(), 0));
    file.map_err(|source| AuditError::File { path, source })?;
    Ok(size)
}

/// Why a log could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It could not be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It could not be written out.
    #[error(transparent)]
    Export(#[from] WriteOutError),
}
