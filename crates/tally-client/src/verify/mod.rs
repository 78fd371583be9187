//! Verifying what a server or a file says: no network, no clock, no trust but in the log's key
//!
//! Everything here takes bytes from outside, and its time and memory are bounded by their length.

mod audit;
mod checkpoint;
mod head_proof;
mod history;
mod mark;
mod mine;
mod order;
mod receipt;

use tally_core::entry::EntryError;
use tally_core::form::FormError;
use tally_core::hash::EventHash;
use tally_core::id::SubjectId;
use tally_core::key::{KeyError, KeyId};
use tally_core::number::ChainIndex;
use tally_core::signed_event::SignatureRefusal;
use tally_log::checkpoint::CheckpointError;
use tally_log::heads::MapProofError;
use tally_log::note::KeyError as LogKeyError;
use tally_log::proof::VerifyError as PathError;
use tally_log::{LeafHash, LogPosition, RootHash, TreeSize};

pub use audit::{AuditPeriod, AuditReport, AuditVerifier, AuditedSubject, VerifiedAuditEntry};
pub use checkpoint::{Kept, Trust, VerifiedCheckpoint};
pub use head_proof::{Suffix, Touch, UnverifiedHeadProof, VerifiedHead, verify_head};
pub use history::{Completeness, TouchContent, VerifiedHistory, VerifiedTouch, verify_history};
pub use mark::{VerifiedMarks, verify_marks};
pub(crate) use mark::{check_evidence, evidence_of_mark};
pub use mine::{MineComparison, MineMachines, machines_in_mine};
pub use order::{OrderReceipt, OrderedMachine, VerifiedOrder, order_in};
pub use receipt::{VerifiedEntry, VerifiedReceipt, verify_entry, verify_receipt, verify_receipt_under};

/// Why what came back is not to be believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A field is missing, of the wrong length, or not what its name says.
    #[error("{field}: {problem}")]
    Malformed {
        /// Which field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The verifier key of the log is none.
    #[error("the log's key is no C2SP verifier key")]
    LogKey(#[from] LogKeyError),
    /// The checkpoint is not of this log, or not signed by its key.
    #[error("the checkpoint is not to be believed")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint carries lines that no log of ours writes.
    #[error("the checkpoint has extension lines")]
    ExtensionLines,
    /// The checkpoint is older than the one that was kept: the server went back.
    #[error("the checkpoint has size {found}, but one of size {kept} was seen before: the ledger went back")]
    OlderThanKept {
        /// Size of the checkpoint that came.
        found: TreeSize,
        /// Size of the checkpoint that was kept.
        kept: TreeSize,
    },
    /// The checkpoint does not extend the one that was kept: there are two ledgers under one name.
    #[error("the ledger of size {size} does not extend the one of size {kept} that was seen before: it was forked")]
    Forked {
        /// Size of the checkpoint that was kept.
        kept: TreeSize,
        /// Size of the checkpoint that came.
        size: TreeSize,
        /// How the proof fails.
        #[source]
        problem: PathError,
    },
    /// The entry is not where it is said to be.
    #[error("the entry is not at position {position} under the checkpoint")]
    NotIncluded {
        /// Where it is said to be.
        position: LogPosition,
        /// How the proof fails.
        #[source]
        problem: PathError,
    },
    /// The receipt is for other bytes than were sent.
    #[error("the receipt is for the entry with leaf {found}, the event that was sent has {due}")]
    OtherEntry {
        /// From our own bytes.
        due: LeafHash,
        /// As the receipt says.
        found: LeafHash,
    },
    /// The receipt names another place on the chain than was signed.
    #[error("the receipt names place {found} on the chain, signed was {due}")]
    OtherPlace {
        /// As signed.
        due: ChainIndex,
        /// As the receipt says.
        found: ChainIndex,
    },
    /// The proof is about another subject than was asked for.
    #[error("the proof is about {found}, asked was {asked}")]
    OtherSubject {
        /// As asked.
        asked: SubjectId,
        /// As the proof says.
        found: SubjectId,
    },
    /// The prover names another key of the heads map than the subject has.
    #[error("the proof names another key of the heads map than {subject} has")]
    OtherMapKey {
        /// Whose key it should be.
        subject: SubjectId,
    },
    /// A checkpoint over nothing.
    #[error("the checkpoint is over an empty log, which no ledger signs")]
    EmptyLog,
    /// What ends the log is no heads entry.
    #[error("the last entry is no heads entry")]
    NotHeads(#[from] tally_log::entry::EntryError),
    /// The heads entry says that its batch begins where it cannot.
    #[error("the last batch is said to begin at {batch_first}, but the log has {size} entries")]
    BatchFirst {
        /// As the heads entry says.
        batch_first: LogPosition,
        /// Size of the log.
        size: TreeSize,
    },
    /// The path in the heads map does not lead to its root.
    #[error("the path in the heads map does not hold")]
    Map(#[from] MapProofError),
    /// The map's value contradicts itself.
    #[error("the heads map says what cannot be: {problem}")]
    Value {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A subject that is in no heads map, yet has entries.
    #[error("the subject is absent, yet {touches} touches are given")]
    AbsentTouched {
        /// How many.
        touches: u64,
    },
    /// The suffix begins at nothing, or in front of nothing.
    #[error("the suffix is none: {problem}")]
    Suffix {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Entries were left out, or added.
    #[error("{found} touches are given, {due} are on record")]
    TouchCount {
        /// As the heads map says.
        due: u64,
        /// As given, with those before a suffix.
        found: u64,
    },
    /// The entries that are given are not those on record, or stand elsewhere.
    #[error("the touches that are given are not those on record")]
    TouchHash,
    /// Positions that do not rise, or where no event can stand.
    #[error("position {position} of touch {touch}: {problem}")]
    Position {
        /// 0-based number among those given.
        touch: usize,
        /// The position.
        position: LogPosition,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An entry that is no event's.
    #[error("the entry at {position} is no event's")]
    Entry {
        /// Where.
        position: LogPosition,
        /// Why not.
        #[source]
        problem: EntryError,
    },
    /// An event that is not well formed.
    #[error("the event at {position} is malformed")]
    Form {
        /// Where.
        position: LogPosition,
        /// All that is wrong with it.
        #[source]
        problem: FormError,
    },
    /// A signature that is not valid, or whose key did not come with the proof.
    #[error("the event at {position} is not signed by whom it says")]
    Signature {
        /// Where.
        position: LogPosition,
        /// Which signature.
        #[source]
        problem: SignatureRefusal,
    },
    /// A key that came with the proof is none.
    #[error("key {key_id} is no valid key")]
    Key {
        /// Which.
        key_id: KeyId,
        /// Why not.
        #[source]
        problem: KeyError,
    },
    /// An event that was stated to another log.
    #[error("the event at {position} was stated to {found:?}, not to this log")]
    WrongOrigin {
        /// Where.
        position: LogPosition,
        /// As stated.
        found: String,
    },
    /// An event that neither is on the subject's chain nor mentions it.
    #[error("the event at {position} does not touch the subject")]
    DoesNotTouch {
        /// Where.
        position: LogPosition,
    },
    /// The time of sealing does not go with the position.
    #[error("the entry at {position} cannot be sealed when it says: {problem}")]
    RecordedAt {
        /// Where.
        position: LogPosition,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An event of the chain is missing that was not withheld, or stands twice.
    #[error("the chain goes on at {found}, at least {min} and at most {max} is possible")]
    ChainIndex {
        /// The place that comes next.
        found: u64,
        /// The least that it can be.
        min: u64,
        /// The greatest that it can be, by the number of entries that were withheld.
        max: u64,
    },
    /// An event does not name the one before it.
    #[error("the event at place {chain_index} of the chain does not continue the one before it")]
    PreviousHash {
        /// Its place.
        chain_index: ChainIndex,
    },
    /// The last event given is not the head.
    #[error("the chain ends in {found}, the heads map says {due}")]
    HeadHash {
        /// As the heads map says.
        due: EventHash,
        /// Of the last event given.
        found: EventHash,
    },
    /// The head as answered is not the one that was proved.
    #[error("the answer says another head than its proof")]
    OtherHead,
    /// A check that is only about mines.
    #[error("{subject} is no mine")]
    NoMine {
        /// What it is.
        subject: SubjectId,
    },
    /// Lines of a verification that are not the nine.
    #[error("the lines of the verification are not to be believed: {problem}")]
    Lines {
        /// What is wrong with them.
        problem: String,
    },
    /// A verdict that does not follow from its lines.
    #[error("the verdict is {found}, the lines give {due}")]
    OtherVerdict {
        /// From the lines.
        due: &'static str,
        /// As answered.
        found: &'static str,
    },
    /// Something is said to rest on an entry that did not come with its proof.
    #[error("{what} is said to rest on the entry at {position}, which is not among those that were proved")]
    Unproved {
        /// What.
        what: String,
        /// Where.
        position: u64,
    },
    /// A state that does not follow from what is said beside it.
    #[error("the mark is said to be {found}, its events give {due}")]
    OtherMarkState {
        /// From the events.
        due: &'static str,
        /// As answered.
        found: &'static str,
    },
    /// The entries as followed do not give the root that was signed.
    #[error("the entries up to size {size} give root {found}, signed was {due}")]
    RootDiffers {
        /// The size.
        size: TreeSize,
        /// As signed.
        due: RootHash,
        /// From the entries.
        found: RootHash,
    },
}

impl VerifyError {
    /// Whether the ledger went back or was forked: no retry helps, and the regulator should hear of it.
    #[must_use]
    pub const fn is_misbehaviour(&self) -> bool {
        matches!(self, Self::OlderThanKept { .. } | Self::Forked { .. })
    }

    pub(crate) fn malformed(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Malformed { field: field.into(), problem: problem.into() }
    }
}

/// Exactly 32 bytes of a field.
pub(crate) fn bytes32(field: &str, bytes: &[u8]) -> Result<[u8; 32], VerifyError> {
    bytes.try_into().map_err(|_| VerifyError::malformed(field, format!("has {} bytes, 32 are due", bytes.len())))
}

/// Hashes of a proof, each of 32 bytes.
pub(crate) fn hashes(field: &str, hashes: &[Vec<u8>]) -> Result<Vec<tally_log::NodeHash>, VerifyError> {
    hashes.iter().map(|hash| Ok(tally_log::NodeHash::from_bytes(bytes32(field, hash)?))).collect()
}

/// A position below 2^63.
pub(crate) fn position(field: &str, position: u64) -> Result<LogPosition, VerifyError> {
    LogPosition::new(position).ok_or_else(|| VerifyError::malformed(field, format!("{position} is not below 2^63")))
}
