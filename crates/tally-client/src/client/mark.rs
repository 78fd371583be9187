//! Safety marks: the history of one, and the verification of a machine's

use std::collections::BTreeSet;

use tally_core::id::{SubjectId, SubjectKind};
use tally_core::state::mark::state_on;
use tally_proto::v1;

use super::read::{checked_basis, of_kind};
use super::{Client, off_thread, present};
use crate::error::ClientError;
use crate::verify::{
    UnverifiedHeadProof, VerifiedHistory, VerifiedMarks, VerifyError, check_evidence, evidence_of_mark, verify_history,
    verify_marks,
};

/// Whose mark is verified.
#[derive(Clone, Debug, PartialEq)]
pub enum MarkOf {
    /// That of a machine.
    Equipment(SubjectId),
    /// That of every machine which bore a plate.
    Plate(v1::Plate),
    /// A mark alone, by its number.
    Number(String),
}

/// A mark with its proved history. What the mark's message says of its entries is the server's word; that they are all
/// of the mark's, and that its state follows from what is said, was verified.
#[derive(Clone, Debug)]
pub struct MarkAnswer {
    /// What it was answered from.
    pub basis: v1::Basis,
    /// The mark.
    pub mark: v1::Mark,
    /// Every entry that touched it.
    pub history: VerifiedHistory,
}

impl Client {
    /// A mark with everything that is on record of it, its history proved complete.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a number that is not on record; [`ClientError::Subject`] for one that has no id;
    /// [`ClientError::Verify`], [`ClientError::Unreachable`].
    pub async fn mark(&self, number: &str, at: v1::At) -> Result<MarkAnswer, ClientError> {
        let subject = SubjectId::mark(number)?;
        let before = self.kept();
        let request = v1::GetMarkRequest { mark_no: number.to_owned(), at: Some(at) };
        let answered = self.call("GetMark", false, || {
            let (mut marks, request) = (self.marks(), request.clone());
            async move { marks.get_mark(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, at, before)?;
        let mark = present("mark", answer.mark)?;
        if SubjectId::mark(&mark.number) != Ok(subject) {
            return Err(VerifyError::malformed("mark.number", format!("is not that of {subject}")).into());
        }
        let proof = present("proof", answer.proof)?;
        let trust = self.trust().clone();
        // A signature for each entry: too long for an async thread.
        let verified = off_thread(move || {
            let proof = UnverifiedHeadProof::try_from(proof)?;
            verify_history(&trust, subject, &proof, None)
        });
        let history = verified.await?;
        self.keep(&history.head.checkpoint, before, None).await?;
        check_evidence("mark", &evidence_of_mark(&mark)?, &history.touches)?;
        let (due, found) = (state_on(&mark, basis.as_of_us, |_| true), mark.state());
        if due != found {
            let (due, found) = (due.as_str_name(), found.as_str_name());
            return Err(VerifyError::OtherMarkState { due, found }.into());
        }
        Ok(MarkAnswer { basis, mark, history })
    }

    /// Verifies the mark of a machine, or a mark alone: nine lines, each with the entries that it rests on.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where nothing is on record, or asked too often; [`ClientError::Subject`] for a subject that
    /// is no machine; [`ClientError::Verify`] as of [`verify_marks`].
    pub async fn verify_mark(&self, of: MarkOf, at: v1::At) -> Result<VerifiedMarks, ClientError> {
        let before = self.kept();
        let mut request = v1::VerifyMarkRequest { at: Some(at), ..Default::default() };
        match &of {
            MarkOf::Equipment(machine) => {
                of_kind(*machine, SubjectKind::Equipment)?;
                request.equipment = machine.id().to_vec();
            }
            MarkOf::Plate(plate) => request.plate = Some(plate.clone()),
            MarkOf::Number(number) => number.clone_into(&mut request.mark_no),
        }
        let answered = self.call("VerifyMark", false, || {
            let (mut marks, request) = (self.marks(), request.clone());
            async move { marks.verify_mark(request).await }
        });
        let mut answer = answered.await?;
        let basis = checked_basis(answer.basis.take(), at, before)?;
        check_asked(&of, &answer.verifications)?;
        let checkpoint = self.checkpoint_of(&answer.checkpoint)?;
        self.keep(&checkpoint, before, None).await?;
        let trust = self.trust().clone();
        Ok(off_thread(move || verify_marks(&trust, checkpoint, basis, answer)).await?)
    }
}

/// The answer must be about what was asked for: another machine's pass is none.
fn check_asked(of: &MarkOf, found: &[v1::Verification]) -> Result<(), VerifyError> {
    let wrong = |problem: &str| Err(VerifyError::malformed("verifications", problem));
    match (of, found) {
        (MarkOf::Equipment(machine), [only]) if only.equipment == machine.id() => Ok(()),
        (MarkOf::Equipment(_), _) => wrong("are not about the machine that was asked for"),
        (MarkOf::Number(number), [only]) if only.equipment.is_empty() && only.mark_no == *number => Ok(()),
        (MarkOf::Number(_), _) => wrong("are not about the mark that was asked for"),
        (MarkOf::Plate(_), []) => wrong("are missing"),
        (MarkOf::Plate(_), machines) => {
            let ids: BTreeSet<&[u8]> = machines.iter().map(|machine| machine.equipment.as_slice()).collect();
            let is_ordered = machines.is_sorted_by(|left, right| left.equipment < right.equipment);
            if ids.iter().all(|id| id.len() == 16) && is_ordered { Ok(()) } else { wrong("are not ordered by machine") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_something_else_is_refused() {
        let machine = |id: u8| v1::Verification { equipment: vec![id; 16], ..Default::default() };
        let alone = |number: &str| v1::Verification { mark_no: number.to_owned(), ..Default::default() };
        let asked = MarkOf::Equipment(SubjectId::new(SubjectKind::Equipment, [1; 16]));
        assert!(check_asked(&asked, &[machine(1)]).is_ok());
        for other in [vec![], vec![machine(2)], vec![machine(1), machine(2)], vec![alone("A")]] {
            assert!(check_asked(&asked, &other).is_err(), "{other:?}");
        }
        let asked = MarkOf::Number("A".to_owned());
        assert!(check_asked(&asked, &[alone("A")]).is_ok());
        assert!(check_asked(&asked, &[alone("B")]).is_err());
        assert!(check_asked(&asked, &[machine(1)]).is_err());
        let asked = MarkOf::Plate(v1::Plate::default());
        assert!(check_asked(&asked, &[machine(1), machine(2)]).is_ok());
        for other in [vec![], vec![machine(2), machine(1)], vec![machine(1), machine(1)], vec![alone("A")]] {
            assert!(check_asked(&asked, &other).is_err(), "{other:?}");
        }
    }
}
