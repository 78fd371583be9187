//! What survives a power cut: names and contents, each as a durable image and the changes since.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use super::{CUT_KEEPS_ALL, CUT_KEEPS_NOTHING, SECTOR_BYTES};
use crate::random::SeededRandom;

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) directories: BTreeSet<PathBuf>,
    pub(super) files: BTreeMap<PathBuf, usize>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct FileImage {
    pub(super) written: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// What leads from the durable content to the written one.
    pub(super) changes: Vec<Change<Edit>>,
}

/// A change, and whether a cut may undo it.
#[derive(Clone, Debug)]
pub(super) struct Change<T> {
    pub(super) what: T,
    pub(super) survival: Survival,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Survival {
    /// The next sync makes it certain.
    NotSynced,
    /// Certain; it waits behind one that is not.
    Certain,
    /// Its sync failed: no later one makes it certain.
    InDoubt,
}

#[derive(Clone, Debug)]
pub(super) enum Edit {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { bytes: usize },
}

#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Create { path: PathBuf, file: usize },
    Rename { from: PathBuf, to: PathBuf, file: usize },
    Remove { path: PathBuf, file: usize },
    CreateDirectory { path: PathBuf },
}

impl Names {
    pub(super) fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Create { path, file } => {
                self.files.insert(path.clone(), *file);
            }
            NameChange::Rename { from, to, file } => {
                if self.files.get(from) == Some(file) {
                    self.files.remove(from);
                }
                self.files.insert(to.clone(), *file);
            }
            NameChange::Remove { path, file } => {
                if self.files.get(path) == Some(file) {
                    self.files.remove(path);
                }
            }
            NameChange::CreateDirectory { path } => {
                self.directories.insert(path.clone());
            }
        }
    }

    pub(super) fn has_directory(&self, path: &Path) -> bool {
        is_root(path) || self.directories.contains(path)
    }

    pub(super) fn check_parent(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if self.has_directory(parent) => Ok(()),
            Some(_) | None => Err(not_found(path, "its directory is not there")),
        }
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<usize> {
        self.files.get(path).copied().ok_or_else(|| not_found(path, "no such file"))
    }
}

impl NameChange {
    /// Whether syncing this directory makes it durable.
    pub(super) fn is_in(&self, directory: &Path) -> bool {
        let path = match self {
            Self::Create { path, .. } | Self::Remove { path, .. } | Self::CreateDirectory { path } => path,
            Self::Rename { to, .. } => to,
        };
        path.parent().is_some_and(|parent| parent == directory || (is_root(parent) && is_root(directory)))
    }
}

impl FileImage {
    pub(super) fn edit(&mut self, edit: Edit) {
        edit.apply(&mut self.written);
        self.changes.push(Change { what: edit, survival: Survival::NotSynced });
    }

    pub(super) fn settle(&mut self) {
        let settled = certain_first(&self.changes);
        for change in self.changes.drain(..settled) {
            change.what.apply(&mut self.durable);
        }
    }

    /// The content that a cut leaves.
    pub(super) fn found(&self, seed: u64, random: &mut SeededRandom) -> Vec<u8> {
        let uncertain = self.changes.iter().filter(|change| change.survival != Survival::Certain);
        let mut coins = Coins::of(seed, random, uncertain.map(|change| change.what.pieces().len()).sum());
        let mut found = self.durable.clone();
        for change in &self.changes {
            if change.survival == Survival::Certain {
                change.what.apply(&mut found);
            } else {
                for piece in change.what.pieces() {
                    if coins.keeps(random) {
                        piece.apply(&mut found);
                    }
                }
            }
        }
        if found.len() < self.written.len() && coins.keeps_length(random) {
            found.resize(self.written.len(), 0);
        }
        found
    }
}

impl Edit {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate { bytes } => content.resize(*bytes, 0),
        }
    }

    /// What of it reaches the disk whole or not at all.
    fn pieces(&self) -> Vec<Self> {
        match self {
            Self::Truncate { .. } => vec![self.clone()],
            Self::Write { offset, bytes } => {
                let mut pieces = Vec::new();
                let mut from = 0;
                while from < bytes.len() {
                    let at = offset + from;
                    let to = bytes.len().min(from + SECTOR_BYTES - at % SECTOR_BYTES);
                    pieces.push(Self::Write { offset: at, bytes: bytes[from..to].to_vec() });
                    from = to;
                }
                pieces
            }
        }
    }
}

/// How many changes at the front are certain.
pub(super) fn certain_first<T>(changes: &[Change<T>]) -> usize {
    changes.iter().take_while(|change| change.survival == Survival::Certain).count()
}

/// Decides which of the changes that are not certain survive a cut.
pub(super) enum Coins {
    Nothing,
    All,
    /// So many more of them, in the order in which they were made.
    First(usize),
    /// Each on its own, so many times in eight.
    Each(u64),
}

impl Coins {
    pub(super) fn of(seed: u64, random: &mut SeededRandom, pieces: usize) -> Self {
        match seed {
            CUT_KEEPS_NOTHING => Self::Nothing,
            CUT_KEEPS_ALL => Self::All,
            _ if random.chance(1, 3) => {
                let end = u64::try_from(pieces).unwrap() + 1;
                Self::First(usize::try_from(random.below(end)).unwrap())
            }
            _ => Self::Each(random.within(0..9)),
        }
    }

    pub(super) fn keeps(&mut self, random: &mut SeededRandom) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::First(left) => {
                let keeps = *left > 0;
                *left = left.saturating_sub(1);
                keeps
            }
            Self::Each(in_eight) => random.chance(*in_eight, 8),
        }
    }

    fn keeps_length(&self, random: &mut SeededRandom) -> bool {
        match self {
            Self::Nothing | Self::All => false,
            Self::First(_) | Self::Each(_) => random.chance(1, 4),
        }
    }
}

pub(super) fn is_root(path: &Path) -> bool {
    path.parent().is_none()
}

/// The directories from the root down to `path` that are not there.
pub(super) fn missing_directories(names: &Names, path: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> =
        path.ancestors().filter(|above| !names.has_directory(above)).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

pub(super) fn not_found(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("simulated: {}: {why}", path.display()))
}

/// Says of the changes that no sync was asked for yet what the sync made of them.
pub(super) fn decide<T>(changes: &mut [Change<T>], survival: Survival, is_meant: impl Fn(&T) -> bool) {
    for change in changes {
        if change.survival == Survival::NotSynced && is_meant(&change.what) {
            change.survival = survival;
        }
    }
}
