//! Receipts against our own bytes, and single entries

use std::collections::BTreeMap;

use tally_core::entry::EventEntry;
use tally_core::key::KeyId;
use tally_core::number::ChainIndex;
use tally_core::signed_event::VerifiedEvent;
use tally_core::time::Timestamp;
use tally_log::proof::InclusionProof;
use tally_log::{LeafHash, LogPosition};
use tally_proto::v1;

use super::history::{Keys, verify_event};
use super::{Trust, VerifiedCheckpoint, VerifyError, bytes32, hashes, position};
use crate::draft::SignedEvent;

/// An event that is on record: durable, and under a checkpoint that the log signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedReceipt {
    /// Where it stands in the log.
    pub position: LogPosition,
    /// Where it stands on its chain.
    pub chain_index: ChainIndex,
    /// When the ledger sealed it: the ledger's word.
    pub recorded_at: Timestamp,
    /// Hash of the entry.
    pub leaf_hash: LeafHash,
    /// The checkpoint that covers it.
    pub checkpoint: VerifiedCheckpoint,
}

/// Verifies a receipt against the event that was sent.
///
/// The leaf hash is computed from our own bytes and the receipt's `recorded_at`: what the server says of it only has to
/// agree. That the checkpoint extends the one that was kept is for the caller, who keeps it.
///
/// # Errors
/// [`VerifyError::OtherEntry`], [`VerifyError::OtherPlace`], [`VerifyError::NotIncluded`], [`VerifyError::Checkpoint`],
/// [`VerifyError::Malformed`].
pub fn verify_receipt(
    trust: &Trust,
    event: &SignedEvent,
    receipt: &v1::Receipt,
) -> Result<VerifiedReceipt, VerifyError> {
    verify_receipt_under(trust.checkpoint(&receipt.checkpoint)?, event, receipt)
}

/// As [`verify_receipt`], under a checkpoint that was verified before: in a stream many receipts share one.
///
/// # Errors
/// As of [`verify_receipt`].
pub fn verify_receipt_under(
    checkpoint: VerifiedCheckpoint,
    event: &SignedEvent,
    receipt: &v1::Receipt,
) -> Result<VerifiedReceipt, VerifyError> {
    let at = position("receipt.position", receipt.position)?;
    let found = ChainIndex::new(receipt.chain_index);
    if found != event.chain_index() {
        return Err(VerifyError::OtherPlace { due: event.chain_index(), found });
    }
    let recorded_at = i64::try_from(receipt.recorded_at_us);
    let recorded_at = recorded_at.map_err(|_| VerifyError::malformed("receipt.recorded_at_us", "is not below 2^63"))?;
    let recorded_at = Timestamp::from_micros(recorded_at);
    let entry = EventEntry::new(recorded_at, event.envelope().clone());
    let entry = entry.map_err(|problem| VerifyError::Entry { position: at, problem })?;
    let leaf_hash = LeafHash::of(&entry.encode());
    let claimed = LeafHash::from_bytes(bytes32("receipt.leaf_hash", &receipt.leaf_hash)?);
    if claimed != leaf_hash {
        return Err(VerifyError::OtherEntry { due: leaf_hash, found: claimed });
    }
    included(&checkpoint, at, leaf_hash, &receipt.inclusion)?;
    Ok(VerifiedReceipt { position: at, chain_index: found, recorded_at, leaf_hash, checkpoint })
}

/// One event as it is on record, with its signatures verified.
#[derive(Clone, Debug)]
pub struct VerifiedEntry {
    /// Where it stands in the log.
    pub position: LogPosition,
    /// When the ledger sealed it: the ledger's word.
    pub recorded_at: Timestamp,
    /// The event.
    pub event: VerifiedEvent,
    /// The checkpoint that covers it.
    pub checkpoint: VerifiedCheckpoint,
}

/// Verifies one entry with its inclusion proof and the keys that came with it.
///
/// # Errors
/// [`VerifyError`] says what does not fit.
pub fn verify_entry(
    trust: &Trust,
    at: u64,
    entry: &[u8],
    checkpoint: &[u8],
    inclusion: &[Vec<u8>],
    keys: &[Vec<u8>],
) -> Result<VerifiedEntry, VerifyError> {
    let checkpoint = trust.checkpoint(checkpoint)?;
    let position = position("position", at)?;
    included(&checkpoint, position, LeafHash::of(entry), inclusion)?;
    let keys: BTreeMap<KeyId, [u8; 32]> = super::head_proof::keys_by_id(keys)?;
    let (recorded_at, event) = verify_event(trust, position, entry, &mut Keys::new(&keys))?;
    Ok(VerifiedEntry { position, recorded_at, event, checkpoint })
}

pub(super) fn included(
    checkpoint: &VerifiedCheckpoint,
    position: LogPosition,
    leaf: LeafHash,
    inclusion: &[Vec<u8>],
) -> Result<(), VerifyError> {
    let proof = InclusionProof::from_hashes(hashes("inclusion", inclusion)?);
    let problem = proof.verify(leaf, position, checkpoint.size(), checkpoint.root());
    problem.map_err(|problem| VerifyError::NotIncluded { position, problem })
}
