//! Runs the published head proofs: every one that is accepted gives its result, every one that is not is refused.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests panic where the tests would")]

use std::path::PathBuf;

use serde_json::Value;
use tally_client::verify::{Completeness, Trust, UnverifiedHeadProof, VerifiedHistory, VerifyError, verify_history};
use tally_core::id::SubjectId;

fn directory() -> Option<PathBuf> {
    std::env::var_os("TALLY_VECTORS").map(|root| PathBuf::from(root).join("tally"))
}

fn verify(trust: &Trust, case: &Value) -> Result<VerifiedHistory, VerifyError> {
    let (proof, kept) = UnverifiedHeadProof::from_json(&case["proof"])?;
    let asked = hex::decode(case["proof"]["subject"].as_str().unwrap()).unwrap();
    verify_history(trust, SubjectId::parse(&asked).unwrap(), &proof, kept.as_ref())
}

/// The result in the words of the vectors.
fn result(history: &VerifiedHistory) -> Value {
    let head = &history.head;
    let mut result = serde_json::json!({
        "present": head.value.is_some(),
        "size": head.checkpoint.size().get(),
        "recorded_at": head.recorded_at.micros(),
        "other_signature_lines": head.checkpoint.other_signature_lines(),
    });
    if let Some(value) = head.value {
        let whole =
            matches!(history.completeness, Completeness::Complete | Completeness::NeverOpened { withheld: 0, .. });
        result["chain_length"] = value.chain_length.into();
        result["touches"] = value.touches.into();
        result["entries"] = history.touches.len().into();
        result["withheld"] = history.withheld().into();
        result["complete"] = whole.into();
        result["from_touch"] = history.first_touch.into();
    }
    result
}

#[test]
fn published_head_proofs_are_judged_as_they_should_be() {
    let Some(directory) = directory() else {
        #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
        {
            eprintln!("skipped: TALLY_VECTORS is not set");
        }
        return;
    };
    let text = std::fs::read_to_string(directory.join("heads.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let trust = Trust::parse(file["log_vkey"].as_str().unwrap()).unwrap();
    assert_eq!(trust.origin.as_str(), file["origin"].as_str().unwrap());
    let cases = file["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    let mut wrong = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let (why, reason) = (&case["why"], &case["reason"]);
        match (case["expect"].as_str().unwrap(), verify(&trust, case)) {
            ("accept", Ok(history)) if result(&history) == case["result"] => {}
            ("accept", Ok(history)) => wrong.push(format!("{at} {why}: gives {}", result(&history))),
            ("accept", Err(error)) => wrong.push(format!("{at} {why}: refused: {error}")),
            ("reject", Ok(_)) => wrong.push(format!("{at} {why}: accepted, should be {reason}")),
            ("reject", Err(_)) | ("either", _) => {}
            (other, _) => panic!("{other} is no expectation"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_accepted_head_proof_stops_being_accepted_without_its_last_touch() {
    let Some(directory) = directory() else { return };
    let text = std::fs::read_to_string(directory.join("heads.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let trust = Trust::parse(file["log_vkey"].as_str().unwrap()).unwrap();
    let mut shortened = 0;
    for case in file["cases"].as_array().unwrap() {
        let mut case = case.clone();
        let is_accepted = case["expect"] == "accept";
        if is_accepted && case["proof"]["entries"].as_array_mut().unwrap().pop().is_some() {
            shortened += 1;
            assert!(matches!(verify(&trust, &case), Err(VerifyError::TouchCount { .. })), "{}", case["why"]);
        }
    }
    assert!(shortened > 0);
}
