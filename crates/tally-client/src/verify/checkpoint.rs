//! Whom a verifier trusts, and checkpoints that hold up

use tally_log::checkpoint::{Checkpoint, Origin, UnverifiedCheckpoint};
use tally_log::note::VerifierKey;
use tally_log::proof::{ConsistencyProof, VerifyError as PathError};
use tally_log::{NodeHash, RootHash, TreeSize};

use super::VerifyError;

/// The one thing that a verifier takes on trust: the log's name and key.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The log's name; events that were stated to another log are refused.
    pub origin: Origin,
    /// The key that signs its checkpoints.
    pub log_key: VerifierKey,
}

impl Trust {
    /// Trusts the log whose name is that of the key.
    ///
    /// # Errors
    /// [`VerifyError::Checkpoint`] if the key's name is no origin.
    pub fn new(log_key: VerifierKey) -> Result<Self, VerifyError> {
        Ok(Self { origin: Origin::parse(log_key.name())?, log_key })
    }

    /// Reads a C2SP verifier key, as `log.pub` holds it.
    ///
    /// # Errors
    /// [`VerifyError::LogKey`].
    pub fn parse(verifier_key: &str) -> Result<Self, VerifyError> {
        Self::new(VerifierKey::parse(verifier_key.trim_end())?)
    }

    /// Verifies a checkpoint's signature by the log.
    ///
    /// # Errors
    /// [`VerifyError::Checkpoint`], [`VerifyError::ExtensionLines`].
    pub fn checkpoint(&self, note: &[u8]) -> Result<VerifiedCheckpoint, VerifyError> {
        let parsed = UnverifiedCheckpoint::parse(note)?;
        let checkpoint = parsed.verify(&self.origin, &self.log_key)?.clone();
        // FORMAT, section 3: a checkpoint is without extension lines.
        if !parsed.extension_lines().is_empty() {
            return Err(VerifyError::ExtensionLines);
        }
        let others = parsed.note().signatures().iter();
        let is_ours = |name: &str, id: u32| name == self.log_key.name() && id == self.log_key.id();
        let others = others.filter(|line| !is_ours(line.name(), line.key_id())).count();
        Ok(VerifiedCheckpoint { checkpoint, note: parsed.note().to_string(), other_signature_lines: others })
    }
}

/// A checkpoint that was seen before, and that every later one must extend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kept {
    /// How many entries.
    pub size: TreeSize,
    /// The root hash over them.
    pub root: RootHash,
}

/// A checkpoint that the log signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
    other_signature_lines: usize,
}

impl VerifiedCheckpoint {
    /// How many entries.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.checkpoint.size
    }

    /// The root hash over them.
    #[must_use]
    pub const fn root(&self) -> RootHash {
        self.checkpoint.root
    }

    /// The whole note, with all its signature lines.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Signature lines of others, which nobody looked at: witnesses and replicas, if their keys are known.
    ///
    /// While none of them is a replica's, "complete" is the log's own word.
    #[must_use]
    pub const fn other_signature_lines(&self) -> usize {
        self.other_signature_lines
    }

    /// What to compare later checkpoints with.
    #[must_use]
    pub const fn kept(&self) -> Kept {
        Kept { size: self.size(), root: self.root() }
    }

    /// Checks that this checkpoint extends the one that was kept.
    ///
    /// # Errors
    /// [`VerifyError::OlderThanKept`], [`VerifyError::Forked`].
    pub fn extends(&self, kept: &Kept, consistency: &[NodeHash]) -> Result<(), VerifyError> {
        if self.size() < kept.size {
            return Err(VerifyError::OlderThanKept { found: self.size(), kept: kept.size });
        }
        self.kept().proves(kept, consistency)
    }
}

impl Kept {
    /// Checks that this ledger extends `older`; both of one size must be the same.
    pub(crate) fn proves(&self, older: &Self, consistency: &[NodeHash]) -> Result<(), VerifyError> {
        let forked = |problem| VerifyError::Forked { kept: older.size, size: self.size, problem };
        if self.size == older.size && self.root != older.root {
            return Err(forked(PathError::RootDiffers { expected: older.root, found: self.root }));
        }
        // A server that was told of the very size may send no proof or an empty one.
        let proof = ConsistencyProof::from_hashes(consistency.to_vec());
        proof.verify(older.size, self.size, older.root, self.root).map_err(forked)
    }
}
