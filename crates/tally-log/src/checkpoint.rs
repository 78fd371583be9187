//! Checkpoints: origin, tree size and root hash as a signed note. Source: C2SP tlog-checkpoint.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::note::{NoteError, SignerKey, UnverifiedNote, VerifierKey};
use crate::{RootHash, TreeSize};

/// The log's name, the first line of its checkpoints. Not empty, no control character; our own have no blank and no
/// plus either, which whoever creates a log sees to.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Origin(String);

/// What a log says about itself at one size, and has signed or is about to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// How many entries.
    pub size: TreeSize,
    /// The root hash over them.
    pub root: RootHash,
}

/// A checkpoint as it came: well formed, no signature verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnverifiedCheckpoint {
    note: UnverifiedNote,
    checkpoint: Checkpoint,
    extension_lines: Vec<String>,
}

/// Why a checkpoint is not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// It is no note, or not signed as it must be.
    #[error("the checkpoint's note is not good")]
    Note(#[from] NoteError),
    /// An origin is not empty and on one line.
    #[error("{origin:?} is no origin")]
    Origin {
        /// What was given.
        origin: String,
    },
    /// The second line is no size below 2^63 without leading zeros.
    #[error("{line:?} is no tree size")]
    Size {
        /// What was given.
        line: String,
    },
    /// The third line is not 32 bytes in base64, or not the root of the empty tree at size 0.
    #[error("{line:?} is no root hash")]
    Root {
        /// What was given.
        line: String,
    },
    /// Lines of a checkpoint are not empty.
    #[error("a line of the checkpoint is empty or missing")]
    EmptyLine,
    /// It speaks of another log.
    #[error("the checkpoint is of {found}, not of {expected}")]
    OtherOrigin {
        /// The log asked for.
        expected: Origin,
        /// The log that it speaks of.
        found: Origin,
    },
}

impl Origin {
    /// Parses the name of a log.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`] if it is empty or has a control character.
    pub fn parse(origin: &str) -> Result<Self, CheckpointError> {
        if origin.is_empty() || origin.chars().any(|c| c < ' ') {
            return Err(CheckpointError::Origin { origin: origin.to_owned() });
        }
        Ok(Self(origin.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Checkpoint {
    /// The three lines that are signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    /// Signs it: the whole note, with this one signature.
    ///
    /// # Errors
    /// [`NoteError`] if the origin cannot stand in a note.
    pub fn sign(&self, key: &SignerKey) -> Result<String, NoteError> {
        key.sign(&self.text())
    }
}

impl UnverifiedCheckpoint {
    /// Parses a signed checkpoint. Nothing of it is to be believed before [`UnverifiedCheckpoint::verify`].
    ///
    /// # Errors
    /// [`CheckpointError`] says what is malformed.
    pub fn parse(note: &[u8]) -> Result<Self, CheckpointError> {
        let note = UnverifiedNote::parse(note)?;
        let text = note.unverified_text();
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::EmptyLine);
        let (origin, size_line, root_line) = (Origin::parse(line()?)?, line()?, line()?);
        let size = parse_size(size_line).ok_or_else(|| CheckpointError::Size { line: size_line.to_owned() })?;
        let root = STANDARD.decode(root_line).ok().and_then(|root| <[u8; 32]>::try_from(root).ok());
        let root = root.map(RootHash::from_bytes);
        // No tree has another root at size 0; a checkpoint that says so signs for nothing.
        let root = root.filter(|root| size != TreeSize::EMPTY || *root == RootHash::of_empty());
        let root = root.ok_or_else(|| CheckpointError::Root { line: root_line.to_owned() })?;
        let extension_lines: Vec<String> = lines.map(str::to_owned).collect();
        if extension_lines.iter().any(String::is_empty) {
            return Err(CheckpointError::EmptyLine);
        }
        Ok(Self { checkpoint: Checkpoint { origin, size, root }, extension_lines, note })
    }

    /// What it claims.
    #[must_use]
    pub const fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note that carries it, with all its signature lines.
    #[must_use]
    pub const fn note(&self) -> &UnverifiedNote {
        &self.note
    }

    /// Lines after the third: signed, opaque, and never ours.
    #[must_use]
    pub fn extension_lines(&self) -> &[String] {
        &self.extension_lines
    }

    /// The checkpoint, if it is of `origin` and signed by the log's `key`.
    ///
    /// # Errors
    /// [`CheckpointError::OtherOrigin`]; [`CheckpointError::Note`] if the key has not signed.
    pub fn verify(&self, origin: &Origin, key: &VerifierKey) -> Result<&Checkpoint, CheckpointError> {
        if self.checkpoint.origin != *origin {
            let (expected, found) = (origin.clone(), self.checkpoint.origin.clone());
            return Err(CheckpointError::OtherOrigin { expected, found });
        }
        self.note.verify(std::slice::from_ref(key))?;
        Ok(&self.checkpoint)
    }
}

fn parse_size(line: &str) -> Option<TreeSize> {
    let canonical = line.bytes().all(|byte| byte.is_ascii_digit()) && (line == "0" || !line.starts_with('0'));
    line.parse().ok().filter(|_| canonical).and_then(TreeSize::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_checkpoint_verifies_under_its_origin_only() {
        let key = SignerKey::from_seed("log.example/a", &[7; 32]).unwrap();
        let origin = Origin::parse("log.example/a").unwrap();
        let checkpoint =
            Checkpoint { origin: origin.clone(), size: TreeSize::new(5).unwrap(), root: RootHash::of_empty() };
        let note = checkpoint.sign(&key).unwrap();
        let parsed = UnverifiedCheckpoint::parse(note.as_bytes()).unwrap();
        assert_eq!(parsed.verify(&origin, key.verifier()).unwrap(), &checkpoint);
        let other = Origin::parse("log.example/b").unwrap();
        assert!(matches!(parsed.verify(&other, key.verifier()), Err(CheckpointError::OtherOrigin { .. })));
    }
}
