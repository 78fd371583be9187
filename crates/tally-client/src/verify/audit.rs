//! Exports of everything about a mine in a period: what is there is proved, and for each subject that nothing is missing
//!
//! Two heads entries say where in the log the period lies. Every touch of a subject between them must be one of the entries;
//! what came before is the suffix of its head proof and one touch, whose position lies before the period, as positions rise.

use std::collections::{BTreeMap, BTreeSet};

use tally_core::id::{SubjectId, SubjectKind};
use tally_core::signed_event::VerifiedEvent;
use tally_core::time::Timestamp;
use tally_log::entry::HeadsEntry;
use tally_log::proof::InclusionProof;
use tally_log::{LeafHash, LogPosition};
use tally_proto::v1;

use super::head_proof::{Touch, UnverifiedHeadProof, keys_by_id, verify_head};
use super::history::{Keys, check_positions, check_rolling_hash, verify_event};
use super::{Trust, VerifiedCheckpoint, VerifyError, bytes32, hashes, position};

/// What an export was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AuditPeriod {
    /// The mine.
    pub mine: SubjectId,
    /// Recorded at or after: microseconds since 1970 UTC; 0 for the beginning.
    pub from_us: u64,
    /// Recorded before: microseconds since 1970 UTC; 0 for all that is on record.
    pub until_us: u64,
}

/// An entry of an export.
#[derive(Clone, Debug)]
pub struct VerifiedAuditEntry {
    /// Where it stands in the log.
    pub position: LogPosition,
    /// Hash of the entry.
    pub leaf: LeafHash,
    /// When the ledger sealed it: the ledger's word.
    pub recorded_at: Timestamp,
    /// The event, with its signatures verified; `None` where the reader may not see it.
    pub event: Option<Box<VerifiedEvent>>,
}

/// A subject of an export: every entry of the period that touches it is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AuditedSubject {
    /// Which.
    pub subject: SubjectId,
    /// How many entries of the period touch it.
    pub entries: u64,
    /// How many of these are only hashes.
    pub withheld: u64,
}

/// What was proved of an export.
#[derive(Clone, Debug)]
pub struct AuditReport {
    /// What was asked for.
    pub period: AuditPeriod,
    /// The checkpoint under which everything is proved.
    pub checkpoint: VerifiedCheckpoint,
    /// Entries.
    pub entries: u64,
    /// How many of them are only hashes.
    pub withheld: u64,
    /// Subjects, each complete: the mine, and machines. That no machine is left out which came before the period, is the
    /// server's word.
    pub subjects: Vec<AuditedSubject>,
}

/// Verifies an export part by part. Memory: a hash for each entry, and a number for each subject.
#[derive(Debug)]
pub struct AuditVerifier {
    trust: Trust,
    period: AuditPeriod,
    checkpoint: VerifiedCheckpoint,
    note: Vec<u8>,
    /// First position of the period, and the first after it.
    first: u64,
    end: u64,
    entries: BTreeMap<LogPosition, Known>,
    /// How many entries that are shown touch a subject.
    shown: BTreeMap<SubjectId, u64>,
    /// Machines that have to do with the mine by the entries that are shown.
    due: BTreeSet<SubjectId>,
    subjects: Vec<AuditedSubject>,
}

#[derive(Debug)]
struct Known {
    leaf: LeafHash,
    withheld: bool,
    /// Whether a subject's head proof speaks of it.
    proved: bool,
}

impl AuditVerifier {
    /// Begins with the first message: checkpoint and bounds. That the checkpoint extends one that was kept is for the
    /// caller, who keeps it.
    ///
    /// # Errors
    /// [`VerifyError`] says what does not fit.
    pub fn begin(trust: Trust, period: AuditPeriod, first: &v1::ExportAuditResponse) -> Result<Self, VerifyError> {
        if period.mine.kind() != SubjectKind::Mine {
            return Err(VerifyError::NoMine { subject: period.mine });
        }
        let checkpoint = trust.checkpoint(&first.checkpoint)?;
        let (mut from, mut end) = (0, checkpoint.size().get());
        if let Some(before) = &first.before {
            let heads = bound("before", &checkpoint, before)?;
            if period.from_us == 0 || heads.recorded_at.micros() >= period.from_us {
                return Err(VerifyError::malformed("before", "was not recorded before the period"));
            }
            from = before.position.saturating_add(1);
        }
        if let Some(after) = &first.after {
            let heads = bound("after", &checkpoint, after)?;
            if period.until_us == 0 || heads.recorded_at.micros() < period.until_us {
                return Err(VerifyError::malformed("after", "was not recorded after the period"));
            }
            end = heads.batch_first.get();
        }
        Ok(Self {
            trust,
            period,
            checkpoint,
            note: first.checkpoint.clone(),
            first: from,
            end,
            entries: BTreeMap::new(),
            shown: BTreeMap::new(),
            due: BTreeSet::new(),
            subjects: Vec::new(),
        })
    }

    /// The checkpoint under which everything is proved.
    pub const fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// Takes a message, and gives the entries in it.
    ///
    /// # Errors
    /// [`VerifyError`] says what does not fit.
    pub fn take(&mut self, message: &v1::ExportAuditResponse) -> Result<Vec<VerifiedAuditEntry>, VerifyError> {
        let given = keys_by_id(&message.keys)?;
        let mut keys = Keys::new(&given);
        let found: Vec<VerifiedAuditEntry> =
            message.entries.iter().map(|entry| self.entry(entry, &mut keys)).collect::<Result<_, _>>()?;
        message.subjects.iter().try_for_each(|subject| self.subject(subject))?;
        Ok(found)
    }

    fn entry(&mut self, entry: &v1::AuditEntry, keys: &mut Keys<'_>) -> Result<VerifiedAuditEntry, VerifyError> {
        let position = position("entries.position", entry.position)?;
        let wrong = |problem: &str| VerifyError::malformed(format!("entry at {position}"), problem);
        if !(self.first..self.end).contains(&entry.position) {
            return Err(wrong("does not stand in the period"));
        }
        let AuditPeriod { from_us, until_us, .. } = self.period;
        if entry.recorded_at_us < from_us || (until_us != 0 && entry.recorded_at_us >= until_us) {
            return Err(wrong("was not recorded in the period"));
        }
        if self.entries.last_key_value().is_some_and(|(last, _)| *last >= position) {
            return Err(wrong("does not rise"));
        }
        let leaf = LeafHash::from_bytes(bytes32("entries.leaf_hash", &entry.leaf_hash)?);
        let stated = i64::try_from(entry.recorded_at_us).map_err(|_| wrong("recorded_at_us is not below 2^63"))?;
        let mut event = None;
        if !entry.entry.is_empty() {
            if LeafHash::of(&entry.entry) != leaf {
                return Err(wrong("has another leaf hash"));
            }
            let (recorded_at, verified) = verify_event(&self.trust, position, &entry.entry, keys)?;
            if recorded_at.micros() != stated {
                return Err(wrong("was recorded at another time than is said beside it"));
            }
            let statement = verified.statement();
            if statement.body_number != entry.kind {
                return Err(wrong("is of another kind than is said beside it"));
            }
            let touched: BTreeSet<SubjectId> = statement.touched().collect();
            if touched.contains(&self.period.mine) && statement.subject.kind() == SubjectKind::Equipment {
                self.due.insert(statement.subject);
            }
            touched.into_iter().for_each(|subject| *self.shown.entry(subject).or_default() += 1);
            event = Some(Box::new(verified));
        }
        self.entries.insert(position, Known { leaf, withheld: event.is_none(), proved: false });
        Ok(VerifiedAuditEntry { position, leaf, recorded_at: Timestamp::from_micros(stated), event })
    }

    fn subject(&mut self, subject: &v1::AuditSubject) -> Result<(), VerifyError> {
        let mut proof = subject.proof.clone().ok_or_else(|| VerifyError::malformed("proof", "is not given"))?;
        proof.checkpoint.clone_from(&self.note);
        let proof = UnverifiedHeadProof::try_from(proof)?;
        let asked = proof.subject;
        let wrong = |problem: String| VerifyError::malformed(format!("proof of {asked}"), problem);
        let is_first = self.subjects.is_empty();
        if is_first != (asked == self.period.mine) || self.subjects.iter().any(|known| known.subject == asked) {
            return Err(wrong("does not stand where it should: the mine first, each machine once".to_owned()));
        }
        let head = verify_head(&self.trust, asked, &proof, None)?;
        let value = head.value.ok_or_else(|| wrong("says that nothing ever touched it".to_owned()))?;
        check_positions(&head, &proof.touches)?;
        check_rolling_hash(&value, proof.suffix, &proof.touches)?;
        if proof.suffix.is_some() && proof.touches.first().is_none_or(|first| first.position().get() >= self.first) {
            return Err(wrong(
                "begins in the period: what is before its first touch could stand there, too".to_owned(),
            ));
        }
        let (mut entries, mut withheld) = (0_u64, 0_u64);
        let period = self.first..self.end;
        for touch in proof.touches.iter().filter(|touch| period.contains(&touch.position().get())) {
            entries += 1;
            withheld += u64::from(self.prove(asked, touch)?);
        }
        let shown = self.shown.get(&asked).copied().unwrap_or_default();
        if shown != entries.saturating_sub(withheld) || subject.entries != entries {
            let said = subject.entries;
            return Err(wrong(format!(
                "has {entries} entries, {withheld} of them withheld; {shown} touch it, {said} are said"
            )));
        }
        self.subjects.push(AuditedSubject { subject: asked, entries, withheld });
        Ok(())
    }

    /// Finds the entry of a touch; gives whether it is withheld.
    fn prove(&mut self, subject: SubjectId, touch: &Touch) -> Result<bool, VerifyError> {
        let position = touch.position();
        let missing =
            || VerifyError::malformed(format!("proof of {subject}"), format!("the entry at {position} is missing"));
        let known = self.entries.get_mut(&position).ok_or_else(missing)?;
        if known.leaf != touch.leaf() {
            return Err(VerifyError::malformed(format!("entry at {position}"), "is another than was proved"));
        }
        known.proved = true;
        Ok(known.withheld)
    }

    /// Ends: whatever was given is proved, and nothing is missing of what was given.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`] says what is missing or was added.
    pub fn finish(self) -> Result<AuditReport, VerifyError> {
        if self.subjects.is_empty() {
            return Err(VerifyError::malformed("subjects", "the export ends before its first proof"));
        }
        let subjects: BTreeSet<SubjectId> = self.subjects.iter().map(|known| known.subject).collect();
        if let Some(missing) = self.due.difference(&subjects).next() {
            return Err(VerifyError::malformed(
                "subjects",
                format!("{missing} has to do with the mine, and is missing"),
            ));
        }
        if let Some((position, _)) = self.entries.iter().find(|(_, known)| !known.proved) {
            let problem = "touches none of the subjects";
            return Err(VerifyError::malformed(format!("entry at {position}"), problem));
        }
        let withheld = self.entries.values().filter(|known| known.withheld).count();
        Ok(AuditReport {
            period: self.period,
            checkpoint: self.checkpoint,
            entries: self.entries.len() as u64,
            withheld: withheld as u64,
            subjects: self.subjects,
        })
    }
}

/// A heads entry that bounds the period, where it is said to stand.
fn bound(field: &str, checkpoint: &VerifiedCheckpoint, bound: &v1::AuditBound) -> Result<HeadsEntry, VerifyError> {
    let at = position(field, bound.position)?;
    let inclusion = InclusionProof::from_hashes(hashes(field, &bound.inclusion)?);
    let proved = inclusion.verify(LeafHash::of(&bound.entry), at, checkpoint.size(), checkpoint.root());
    proved.map_err(|problem| VerifyError::NotIncluded { position: at, problem })?;
    let heads = HeadsEntry::parse(&bound.entry)?;
    if heads.batch_first > at {
        return Err(VerifyError::BatchFirst { batch_first: heads.batch_first, size: checkpoint.size() });
    }
    Ok(heads)
}
