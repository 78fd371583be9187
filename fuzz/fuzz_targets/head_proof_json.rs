//! Head proofs as JSON, from a file of anybody's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tally_client::verify::{UnverifiedHeadProof, verify_history};
use tally_core::id::SubjectId;

fuzz_target!(|bytes: &[u8]| {
    let Ok(json) = serde_json::from_slice(bytes) else { return };
    let Ok((proof, kept)) = UnverifiedHeadProof::from_json(&json) else { return };
    let subject = json["subject"].as_str().and_then(|text| hex::decode(text).ok()).unwrap();
    let _ = verify_history(&tally_fuzz::TRUST, SubjectId::parse(&subject).unwrap(), &proof, kept.as_ref());
});
