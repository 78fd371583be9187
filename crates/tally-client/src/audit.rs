//! Exports of a mine as files: a JSON document a line, which can be verified again without any server
//!
//! Each line has the message of the contract as `bytes`, and beside it what it says in words. Whoever verifies decodes
//! the bytes, says in words what is in them, and compares: so what is read is what is proved.

mod table;

use std::io::BufRead;

use prost::Message as _;
use serde_json::{Value, json};
use tally_core::id::{SubjectId, SubjectKind};
use tally_proto::v1;

pub use table::{AuditTableError, Table};

use crate::json::{JsonError, entry_to_json};
use crate::verify::{AuditPeriod, AuditReport, AuditVerifier, Trust, VerifiedAuditEntry, VerifyError};

/// Bytes of one line of a file: a message of the contract in hexadecimal, and in words.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why a file of an audit is not to be believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditFileError {
    /// It cannot be read.
    #[error("line {line} cannot be read")]
    Io {
        /// 1-based.
        line: u64,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is none of an audit.
    #[error("line {line}: {problem}")]
    Line {
        /// 1-based.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// What a line says does not verify.
    #[error("line {line} is not to be believed")]
    Verify {
        /// 1-based.
        line: u64,
        /// Why.
        #[source]
        source: VerifyError,
    },
    /// A message cannot be shown in words.
    #[error("line {line} cannot be shown")]
    Json {
        /// 1-based.
        line: u64,
        /// Why.
        #[source]
        source: JsonError,
    },
}

/// The lines of a message: one for the bounds, for each entry and for each subject.
///
/// # Errors
/// [`JsonError`] for an event whose body does not read.
pub fn lines(
    period: &AuditPeriod,
    message: &v1::ExportAuditResponse,
    entries: &[VerifiedAuditEntry],
) -> Result<Vec<Value>, JsonError> {
    let mut lines = Vec::new();
    if !message.checkpoint.is_empty() {
        let first = v1::ExportAuditResponse {
            entries: Vec::new(),
            keys: Vec::new(),
            subjects: Vec::new(),
            // What was kept is the caller's own business.
            consistency: Vec::new(),
            ..message.clone()
        };
        let words = json!({
            "mine": period.mine.to_string(),
            "fromUs": period.from_us,
            "untilUs": period.until_us,
            "checkpoint": String::from_utf8_lossy(&message.checkpoint),
        });
        lines.push(line("audit", words, &first));
    }
    for (entry, verified) in message.entries.iter().zip(entries) {
        let words = match &verified.event {
            Some(event) => entry_to_json(verified.position, verified.recorded_at, event)?,
            None => json!({
                "position": verified.position.get(),
                "leafHash": hex::encode(verified.leaf.as_bytes()),
                "recordedAt": verified.recorded_at.to_string(),
                "withheld": true,
            }),
        };
        let keys = verified.event.iter().flat_map(|event| keys_of(event, &message.keys)).collect();
        let one = v1::ExportAuditResponse { entries: vec![entry.clone()], keys, ..Default::default() };
        lines.push(line("entry", words, &one));
    }
    for subject in &message.subjects {
        let key = subject.proof.as_ref().map(|proof| proof.subject.clone()).unwrap_or_default();
        let name = SubjectId::parse(&key).map_or_else(|_| hex::encode(&key), |subject| subject.to_string());
        let one = v1::ExportAuditResponse { subjects: vec![subject.clone()], ..Default::default() };
        lines.push(line("subject", json!({ "subject": name, "entries": subject.entries }), &one));
    }
    Ok(lines)
}

fn line(name: &str, words: Value, message: &v1::ExportAuditResponse) -> Value {
    json!({ name: words, "bytes": hex::encode(message.encode_to_vec()) })
}

/// The keys of an event, of those that came with its message.
fn keys_of(event: &tally_core::signed_event::VerifiedEvent, keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let ids: Vec<_> = std::iter::once(event.issuer()).chain(event.hands().iter().map(|hand| hand.key_id)).collect();
    let is_of = |key: &&Vec<u8>| {
        <[u8; 32]>::try_from(key.as_slice()).is_ok_and(|key| ids.contains(&tally_core::key::KeyId::of(&key)))
    };
    keys.iter().filter(is_of).cloned().collect()
}

/// Verifies a file that was written from [`lines`], with no server in the world.
///
/// # Errors
/// [`AuditFileError`] names the first line that is not to be believed.
pub fn verify_file(trust: &Trust, mut file: impl BufRead) -> Result<AuditReport, AuditFileError> {
    let mut begun: Option<(AuditPeriod, AuditVerifier)> = None;
    let mut number = 0_u64;
    let mut text = String::new();
    loop {
        number += 1;
        let wrong = |problem: &str| AuditFileError::Line { line: number, problem: problem.to_owned() };
        let verify = |source| AuditFileError::Verify { line: number, source };
        text.clear();
        let mut bounded = std::io::Read::take(&mut file, LINE_BYTES_MAX);
        let read = bounded.read_line(&mut text).map_err(|source| AuditFileError::Io { line: number, source })?;
        if read == 0 {
            let (_, verifier) = begun.ok_or_else(|| wrong("the file is empty"))?;
            return verifier.finish().map_err(verify);
        }
        let said: Value = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
        let bytes = said.get("bytes").and_then(Value::as_str).and_then(|bytes| hex::decode(bytes).ok());
        let bytes = bytes.ok_or_else(|| wrong("has no bytes in hexadecimal"))?;
        let message = v1::ExportAuditResponse::decode(bytes.as_slice()).map_err(|error| wrong(&error.to_string()))?;
        let is_first = begun.is_none();
        let (period, verifier) = match &mut begun {
            Some((period, verifier)) => (*period, verifier),
            empty => {
                let period = period_of(&said).ok_or_else(|| wrong("does not say which mine and period"))?;
                let verifier = AuditVerifier::begin(trust.clone(), period, &message).map_err(verify)?;
                (period, &mut empty.insert((period, verifier)).1)
            }
        };
        if is_first == message.checkpoint.is_empty() {
            return Err(wrong("has a checkpoint where none is due, or none where one is"));
        }
        let entries = verifier.take(&message).map_err(verify)?;
        let due = lines(&period, &message, &entries);
        if due.map_err(|source| AuditFileError::Json { line: number, source })? != [said] {
            return Err(wrong("its words say something else than its bytes"));
        }
    }
}

fn period_of(said: &Value) -> Option<AuditPeriod> {
    let audit = said.get("audit")?;
    let mine: SubjectId = audit.get("mine")?.as_str()?.parse().ok()?;
    let number = |name: &str| audit.get(name)?.as_u64();
    let period = AuditPeriod { mine, from_us: number("fromUs")?, until_us: number("untilUs")? };
    (mine.kind() == SubjectKind::Mine).then_some(period)
}
