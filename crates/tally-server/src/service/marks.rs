//! Reading and verifying safety marks.

use std::{collections::BTreeSet, sync::Arc};

use tally_core::{
    access::{Sight, public_machine},
    candidate::Candidate,
    entry::EventEntry,
    hash::LeafHash,
    id::{SubjectId, SubjectKind},
    rule::verify::{Viewer, worst},
    state::{Instant, mark::state_on},
};
use tally_proto::v1::{self, mark_service_server::MarkService};
use tonic::{Request, Response, Status};

use crate::{
    access::{Access, Ledger},
    published::Snapshot,
    rate::PublicRate,
    reader::Reader,
    status::CallError,
};

/// The service.
#[derive(Clone)]
pub struct Marks {
    reader: Reader,
    rate: Arc<PublicRate>,
}

impl Marks {
    /// A service over a reader; callers without an account are held to `rate`.
    pub fn new(reader: Reader, rate: Arc<PublicRate>) -> Self {
        Self { reader, rate }
    }
}

fn mark_subject(number: &str) -> Result<SubjectId, CallError> {
    if number.is_empty() || number.len() > 64 {
        let what = format!("has {} bytes; 1 to 64 are allowed", number.len());
        return Err(CallError::BadRequest { field: "mark_no", what });
    }
    SubjectId::mark(number).map_err(|error| CallError::BadRequest { field: "mark_no", what: error.to_string() })
}

/// What is asked for: exactly one.
enum Asked {
    Machine(SubjectId),
    Plate(v1::Plate),
    Mark(String),
}

fn asked(request: v1::VerifyMarkRequest) -> Result<Asked, CallError> {
    let v1::VerifyMarkRequest { equipment, plate, mark_no, .. } = request;
    let given = usize::from(!equipment.is_empty()) + usize::from(plate.is_some()) + usize::from(!mark_no.is_empty());
    if given != 1 {
        let what = format!("{given} of equipment, plate and mark_no are given; give one");
        return Err(CallError::BadRequest { field: "equipment", what });
    }
    if !mark_no.is_empty() {
        mark_subject(&mark_no)?;
        return Ok(Asked::Mark(mark_no));
    }
    match plate {
        Some(plate) => Ok(Asked::Plate(plate)),
        None => crate::reader::subject_of(SubjectKind::Equipment, "equipment", &equipment).map(Asked::Machine),
    }
}

/// A question about marks, and what the caller sees of the answer.
struct Question<'a> {
    reader: &'a Reader,
    snapshot: &'a Snapshot,
    access: &'a Access,
    sight: Sight<'a, Ledger<'a>>,
    instant: Instant,
    at_us: i64,
}

impl Question<'_> {
    fn answer(&self, asked: &Asked) -> Result<Vec<v1::Verification>, CallError> {
        match asked {
            Asked::Mark(number) => {
                let lines = self.reader.index.verify_mark(number, self.at_us, self.instant.size);
                let verdict = worst(&lines) as i32;
                let mark_no = number.clone();
                Ok(vec![v1::Verification { equipment: Vec::new(), plate: None, mark_no, verdict, lines }])
            }
            Asked::Machine(subject) => {
                let found = self.machine(subject)?;
                found.map(|found| vec![found]).ok_or_else(|| self.access.hides("machine", subject.to_string()))
            }
            Asked::Plate(plate) => {
                let mut found = Vec::new();
                for state in self.reader.index.by_plate(&self.reader.log, plate, self.instant)? {
                    let id = <[u8; 16]>::try_from(state.id.as_slice()).unwrap_or_default();
                    found.extend(self.machine(&SubjectId::new(SubjectKind::Equipment, id))?);
                }
                if found.is_empty() {
                    let name = format!("{} {} {}", plate.maker, plate.model, plate.serial);
                    return Err(CallError::NotFound { what: "machine with the plate", name });
                }
                Ok(found)
            }
        }
    }

    /// The verification of a machine as the caller may see it; `None` where it is not on record, or not for its eyes.
    fn machine(&self, subject: &SubjectId) -> Result<Option<v1::Verification>, CallError> {
        let viewer = if self.sight.sees(subject)? { Viewer::Insider } else { Viewer::Public };
        let found = self.reader.index.verify_machine(&self.reader.log, subject, self.instant, viewer)?;
        let Some((state, lines)) = found else { return Ok(None) };
        if viewer == Viewer::Insider {
            self.access.reveals(subject, 1)?;
        } else if public_machine(&state).is_none() {
            return Ok(None);
        }
        Ok(Some(v1::Verification {
            equipment: state.id.clone(),
            plate: state.plates.last().cloned(),
            mark_no: state.mark_no.clone(),
            verdict: worst(&lines) as i32,
            lines,
        }))
    }

    /// The entries that lines rest on, each with its proof; one that the caller may not see is its hash only.
    fn proved(&self, verifications: &[v1::Verification]) -> Result<Vec<v1::ProvedEntry>, CallError> {
        let lines = verifications.iter().flat_map(|verification| &verification.lines);
        let positions: BTreeSet<u64> =
            lines.flat_map(|line| &line.evidence).map(|evidence| evidence.position).collect();
        let mut entries = Vec::new();
        for position in positions {
            let entry = self.reader.entry(position)?.entry;
            let parsed = EventEntry::parse(&entry).map_err(|error| CallError::internal(&error))?;
            let event = Candidate::parse_trusted(parsed.unverified()).map_err(|error| CallError::internal(&error))?;
            let shown = self.sight.sees_event(&event)?;
            entries.push(v1::ProvedEntry {
                position,
                leaf_hash: LeafHash::of(&entry).as_bytes().to_vec(),
                inclusion: self.reader.inclusion(self.snapshot, position, self.snapshot.size)?,
                entry: if shown { entry } else { Vec::new() },
            });
        }
        Ok(entries)
    }
}

#[tonic::async_trait]
impl MarkService for Marks {
    async fn get_mark(&self, request: Request<v1::GetMarkRequest>) -> Result<Response<v1::GetMarkResponse>, Status> {
        let access = Access::of(&request)?;
        if access.is_anonymous() {
            self.rate.check(request.remote_addr())?;
        }
        let v1::GetMarkRequest { mark_no, at } = request.into_inner();
        let subject = mark_subject(&mark_no)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, mut basis) = reader.resolve(at.as_ref(), snapshot)?;
            if basis.as_of_us == 0 {
                basis.as_of_us = reader.moment_us(snapshot);
            }
            let mark = reader.index.mark(&reader.log, &subject, instant)?;
            let mut mark = mark.ok_or_else(|| CallError::NotFound { what: "mark", name: mark_no.clone() })?;
            mark.state = state_on(&mark, basis.as_of_us, |_| true) as i32;
            let mut proof = reader.head_proof(snapshot, &subject, 0)?;
            let facts = Ledger::new(reader);
            let sight = access.sight(&facts);
            for stored in reader.index.history(&reader.log, &subject, snapshot.size.get())? {
                let parsed = EventEntry::parse(&stored.entry).map_err(|error| CallError::internal(&error))?;
                let event =
                    Candidate::parse_trusted(parsed.unverified()).map_err(|error| CallError::internal(&error))?;
                let content = if sight.sees_event(&event)? {
                    v1::touch::Content::Entry(stored.entry)
                } else {
                    v1::touch::Content::LeafHash(LeafHash::of(&stored.entry).as_bytes().to_vec())
                };
                proof.touches.push(v1::Touch { position: stored.position.get(), content: Some(content) });
            }
            let entries = proof.touches.iter().filter_map(|touch| match &touch.content {
                Some(v1::touch::Content::Entry(entry)) => Some(entry.as_slice()),
                Some(v1::touch::Content::LeafHash(_)) | None => None,
            });
            proof.keys = reader.keys_of(entries);
            basis.complete_by = subject.key().to_vec();
            Ok(v1::GetMarkResponse { basis: Some(basis), mark: Some(mark), proof: Some(proof) })
        });
        Ok(Response::new(answered.await?))
    }

    async fn verify_mark(
        &self,
        request: Request<v1::VerifyMarkRequest>,
    ) -> Result<Response<v1::VerifyMarkResponse>, Status> {
        let access = Access::of(&request)?;
        if access.is_anonymous() {
            self.rate.check(request.remote_addr())?;
        }
        let request = request.into_inner();
        let at = request.at;
        let wanted = asked(request)?;
        let asked_by = access.clone();
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, mut basis) = reader.resolve(at.as_ref(), snapshot)?;
            if basis.as_of_us == 0 {
                basis.as_of_us = reader.moment_us(snapshot);
            }
            let facts = Ledger::new(reader);
            let question = Question {
                reader,
                snapshot,
                access: &asked_by,
                sight: asked_by.sight(&facts),
                instant,
                at_us: basis.as_of_us,
            };
            let verifications = question.answer(&wanted)?;
            let entries = question.proved(&verifications)?;
            let keys = reader.keys_of(entries.iter().map(|entry| entry.entry.as_slice()));
            let checkpoint = snapshot.checkpoint.as_bytes().to_vec();
            Ok(v1::VerifyMarkResponse { basis: Some(basis), verifications, checkpoint, entries, keys })
        });
        Ok(Response::new(access.veil(answered.await, |_| false).await?))
    }
}
