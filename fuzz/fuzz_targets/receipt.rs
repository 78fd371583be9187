//! Receipts: taken exactly if the event stands where they say, counted again as the RFC writes it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use tally_client::{
    draft::SignedEvent,
    verify::{verify_entry, verify_receipt},
};
use tally_core::{entry::EventEntry, time::Timestamp};
use tally_log::{TreeSize, checkpoint::UnverifiedCheckpoint};
use tally_proto::v1;

static EVENT: LazyLock<SignedEvent> = LazyLock::new(|| {
    let entry =
        hex::decode(include_str!("../../crates/tally-core/testdata/golden/entry.hex").replace('\n', "")).unwrap();
    SignedEvent::parse(&entry[106..], &entry[10..42], &entry[42..106]).unwrap()
});

/// The root to which the receipt leads; `None` if it leads nowhere.
fn root(receipt: &v1::Receipt, size: TreeSize) -> Option<([u8; 32], Vec<u8>)> {
    let recorded_at = Timestamp::from_micros(i64::try_from(receipt.recorded_at_us).ok()?);
    let entry = EventEntry::new(recorded_at, EVENT.envelope().clone()).ok()?;
    let leaf = *entry.leaf_hash().as_bytes();
    let fits = receipt.leaf_hash == leaf && receipt.chain_index == EVENT.chain_index().get();
    let root = tally_fuzz::tree_root(leaf, receipt.position, size, &receipt.inclusion).filter(|_| fits)?;
    Some((root, entry.encode()))
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut receipt) = v1::Receipt::decode(bytes) else { return };
    let _ = verify_receipt(&tally_fuzz::TRUST, &EVENT, &receipt);
    let Ok(note) = UnverifiedCheckpoint::parse(&receipt.checkpoint) else { return };
    let size = note.unverified().size;
    let leads_to = root(&receipt, size);
    receipt.checkpoint = match &leads_to {
        Some((root, _)) => tally_fuzz::sign(size, *root),
        None => return,
    };
    let verified = verify_receipt(&tally_fuzz::TRUST, &EVENT, &receipt).unwrap();
    assert_eq!(verified.position.get(), receipt.position);
    let entry = leads_to.map(|(_, entry)| entry).unwrap_or_default();
    let keys = tally_fuzz::KEYS.each_ref().map(|key| key.public().as_bytes().to_vec());
    verify_entry(&tally_fuzz::TRUST, receipt.position, &entry, &receipt.checkpoint, &receipt.inclusion, &keys).unwrap();
    if let Some(hash) = receipt.inclusion.first_mut() {
        hash[0] ^= 1;
    } else {
        receipt.position += 1;
    }
    assert!(verify_receipt(&tally_fuzz::TRUST, &EVENT, &receipt).is_err());
});
