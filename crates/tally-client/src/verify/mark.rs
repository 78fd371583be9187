//! Verifications of safety marks: nine lines, their verdict, and the entries that they rest on

use std::collections::{BTreeMap, BTreeSet};

use tally_core::key::KeyId;
use tally_core::rule::verify::{QUESTIONS, worst};
use tally_log::LeafHash;
use tally_proto::v1::{self, Evidence, Verdict, Verification, VerificationLine};

use super::history::{Keys, TouchContent, VerifiedTouch, verify_event};
use super::receipt::included;
use super::{Trust, VerifiedCheckpoint, VerifyError, bytes32, position};

/// Verifications whose entries are proved to be on record, and whose verdicts follow from their lines.
///
/// That a line says of its entries what they mean is the server's word; whoever reads them can say it again.
#[derive(Clone, Debug)]
pub struct VerifiedMarks {
    /// What it was answered from.
    pub basis: v1::Basis,
    /// One for each machine, or one for a mark alone.
    pub verifications: Vec<Verification>,
    /// The entries that the lines rest on, in order of position.
    pub entries: Vec<VerifiedTouch>,
    /// The checkpoint that covers them.
    pub checkpoint: VerifiedCheckpoint,
}

impl VerifiedMarks {
    /// The worst of all verdicts: a pass only where every machine that was asked for passes.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verifications.iter().map(Verification::verdict).max().unwrap_or(Verdict::Unknown)
    }
}

/// Verifies an answer to VerifyMark under a checkpoint that was verified before.
///
/// # Errors
/// [`VerifyError::NotIncluded`], [`VerifyError::OtherEntry`] and [`VerifyError::Signature`] for an entry;
/// [`VerifyError::Unproved`] for evidence that is none of them; [`VerifyError::Lines`] for lines that are not the nine;
/// [`VerifyError::OtherVerdict`] for a verdict that does not follow from them.
pub fn verify_marks(
    trust: &Trust,
    checkpoint: VerifiedCheckpoint,
    basis: v1::Basis,
    answer: v1::VerifyMarkResponse,
) -> Result<VerifiedMarks, VerifyError> {
    let v1::VerifyMarkResponse { verifications, entries, keys, .. } = answer;
    let keys: BTreeMap<KeyId, [u8; 32]> = super::head_proof::keys_by_id(&keys)?;
    let mut keys = Keys::new(&keys);
    let mut proved: Vec<VerifiedTouch> = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let found = verify_proved(trust, &checkpoint, entry, &mut keys)?;
        if proved.last().is_some_and(|last| last.position >= found.position) {
            return Err(VerifyError::Position { touch: at, position: found.position, problem: "does not rise" });
        }
        proved.push(found);
    }
    for verification in &verifications {
        check_lines(&verification.lines)?;
        check_verdict(verification)?;
        for line in &verification.lines {
            check_evidence(&format!("line {}", line.number), &line.evidence, &proved)?;
        }
    }
    Ok(VerifiedMarks { basis, verifications, entries: proved, checkpoint })
}

fn verify_proved(
    trust: &Trust,
    checkpoint: &VerifiedCheckpoint,
    entry: &v1::ProvedEntry,
    keys: &mut Keys<'_>,
) -> Result<VerifiedTouch, VerifyError> {
    let position = position("entries.position", entry.position)?;
    let leaf = LeafHash::from_bytes(bytes32("entries.leaf_hash", &entry.leaf_hash)?);
    included(checkpoint, position, leaf, &entry.inclusion)?;
    if entry.entry.is_empty() {
        return Ok(VerifiedTouch { position, content: TouchContent::Withheld(leaf) });
    }
    let due = LeafHash::of(&entry.entry);
    if due != leaf {
        return Err(VerifyError::OtherEntry { due, found: leaf });
    }
    let (recorded_at, event) = verify_event(trust, position, &entry.entry, keys)?;
    Ok(VerifiedTouch { position, content: TouchContent::Event { recorded_at, event: Box::new(event) } })
}

/// The nine lines in order, each with its question and an answer.
fn check_lines(lines: &[VerificationLine]) -> Result<(), VerifyError> {
    let wrong = |problem: String| Err(VerifyError::Lines { problem });
    if lines.len() != QUESTIONS.len() {
        return wrong(format!("there are {}, {} are due", lines.len(), QUESTIONS.len()));
    }
    for ((line, (question_zh, question_en)), number) in lines.iter().zip(QUESTIONS).zip(1_u32..) {
        if line.number != number {
            return wrong(format!("line {} stands where line {number} is due", line.number));
        }
        if line.question_zh != question_zh || line.question_en != question_en {
            return wrong(format!("line {number} asks another question than it does here"));
        }
        match Verdict::try_from(line.verdict) {
            Ok(Verdict::Pass | Verdict::Fail) if line.withheld => {
                return wrong(format!("line {number} is withheld and answered, too"));
            }
            Ok(Verdict::Pass | Verdict::Unknown | Verdict::Fail) => {}
            Ok(Verdict::Unspecified) | Err(_) => return wrong(format!("line {number} has no verdict")),
        }
    }
    Ok(())
}

/// A verdict is the worst of the lines that count, and nothing else.
fn check_verdict(verification: &Verification) -> Result<(), VerifyError> {
    let due = worst(&verification.lines);
    if verification.verdict == i32::from(due) {
        return Ok(());
    }
    let found = verification.verdict();
    Err(VerifyError::OtherVerdict { due: due.as_str_name(), found: found.as_str_name() })
}

/// Evidence must be among what is proved, and say of it what it says itself.
pub(crate) fn check_evidence(what: &str, evidence: &[Evidence], proved: &[VerifiedTouch]) -> Result<(), VerifyError> {
    for evidence in evidence {
        let found = proved.binary_search_by_key(&evidence.position, |touch| touch.position.get());
        let Some(touch) = found.ok().and_then(|at| proved.get(at)) else {
            return Err(VerifyError::Unproved { what: what.to_owned(), position: evidence.position });
        };
        if let TouchContent::Event { recorded_at, event } = &touch.content
            && (evidence.recorded_at_us != recorded_at.micros()
                || evidence.occurred_at_us != event.statement().occurred_at.micros())
        {
            let problem = format!("the entry at {} has other times than the evidence says", touch.position);
            return Err(VerifyError::malformed(what, problem));
        }
    }
    Ok(())
}

/// What a mark's own message rests on.
pub(crate) fn evidence_of_mark(mark: &v1::Mark) -> Result<Vec<Evidence>, VerifyError> {
    let versions = mark.versions.iter().map(|version| version.evidence);
    let periods = mark.periods.iter().map(|period| period.evidence);
    let changes = mark.changes.iter().map(|change| change.evidence);
    let serials = mark.serials.iter().map(|serials| serials.evidence);
    let all: Option<BTreeSet<(u64, i64, i64)>> = versions
        .chain(periods)
        .chain(changes)
        .chain(serials)
        .map(|evidence| evidence.map(|found| (found.position, found.occurred_at_us, found.recorded_at_us)))
        .collect();
    let all = all.ok_or_else(|| VerifyError::malformed("mark", "says something and not what it rests on"))?;
    Ok(all
        .into_iter()
        .map(|(position, occurred_at_us, recorded_at_us)| Evidence { position, occurred_at_us, recorded_at_us })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<VerificationLine> {
        let line = |number: u32, (zh, en): (&str, &str)| VerificationLine {
            number,
            question_zh: zh.to_owned(),
            question_en: en.to_owned(),
            verdict: Verdict::Pass.into(),
            ..VerificationLine::default()
        };
        (1..).zip(QUESTIONS).map(|(number, question)| line(number, question)).collect()
    }

    #[test]
    fn lines_must_be_the_nine_in_order() {
        assert_eq!(check_lines(&lines()), Ok(()));
        let spoiled: [fn(&mut Vec<VerificationLine>); 6] = [
            |lines| drop(lines.pop()),
            |lines| lines.swap(2, 3),
            |lines| lines[4].number = 6,
            |lines| lines[4].question_en = "is it blue".to_owned(),
            |lines| lines[4].verdict = 0,
            |lines| lines[4].withheld = true,
        ];
        for spoil in spoiled {
            let mut lines = lines();
            spoil(&mut lines);
            let found = check_lines(&lines);
            assert!(matches!(found, Err(VerifyError::Lines { .. })), "{lines:?}");
        }
    }

    #[test]
    fn a_verdict_is_the_worst_of_the_lines_that_count() {
        let mut verification = Verification { verdict: Verdict::Pass.into(), lines: lines(), ..Default::default() };
        assert_eq!(check_verdict(&verification), Ok(()));
        verification.lines[6].verdict = Verdict::Fail.into();
        let due = Err(VerifyError::OtherVerdict { due: "VERDICT_FAIL", found: "VERDICT_PASS" });
        assert_eq!(check_verdict(&verification), due);
        verification.lines[6].note = true;
        assert_eq!(check_verdict(&verification), Ok(()), "a note does not count");
        verification.verdict = Verdict::Unknown.into();
        assert!(check_verdict(&verification).is_err(), "nor may it be worse");
    }

    #[test]
    fn evidence_that_is_not_proved_is_named() {
        let position = tally_log::LogPosition::new(7).unwrap();
        let leaf = LeafHash::from_bytes([1; 32]);
        let proved = [VerifiedTouch { position, content: TouchContent::Withheld(leaf) }];
        let evidence = |position| [Evidence { position, ..Evidence::default() }];
        assert_eq!(check_evidence("line 1", &evidence(7), &proved), Ok(()));
        let unproved = VerifyError::Unproved { what: "line 1".to_owned(), position: 8 };
        assert_eq!(check_evidence("line 1", &evidence(8), &proved), Err(unproved));
    }
}
