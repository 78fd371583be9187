//! Reading and verifying safety marks.

use std::{collections::BTreeSet, sync::Arc};

use tally_core::{
    id::SubjectId,
    rule::verify::{Viewer, worst},
    state::{Instant, mark::state_on},
};
use tally_log::TreeSize;
use tally_proto::v1::{self, mark_service_server::MarkService};
use tonic::{Request, Response, Status};

use crate::{
    access::{self, Purpose},
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
        None => crate::reader::subject_of(tally_core::id::SubjectKind::Equipment, "equipment", &equipment)
            .map(Asked::Machine),
    }
}

impl Reader {
    fn verified(
        &self,
        asked: &Asked,
        instant: Instant,
        at_us: i64,
        viewer: Viewer,
    ) -> Result<Vec<v1::Verification>, CallError> {
        let machine = |subject: &SubjectId| -> Result<Option<v1::Verification>, CallError> {
            let found = self.index.verify_machine(&self.log, subject, instant, viewer)?;
            Ok(found.map(|(state, lines)| v1::Verification {
                equipment: state.id.clone(),
                plate: state.plates.last().cloned(),
                mark_no: state.mark_no.clone(),
                verdict: worst(&lines) as i32,
                lines,
            }))
        };
        match asked {
            Asked::Mark(number) => {
                let lines = self.index.verify_mark(number, at_us, instant.size);
                let verdict = worst(&lines) as i32;
                let mark_no = number.clone();
                Ok(vec![v1::Verification { equipment: Vec::new(), plate: None, mark_no, verdict, lines }])
            }
            Asked::Machine(subject) => match machine(subject)? {
                Some(found) => Ok(vec![found]),
                None => Err(CallError::NotFound { what: "machine", name: subject.to_string() }),
            },
            Asked::Plate(plate) => {
                let mut found = Vec::new();
                for state in self.index.by_plate(&self.log, plate, instant)? {
                    let id = <[u8; 16]>::try_from(state.id.as_slice()).unwrap_or_default();
                    found.extend(machine(&SubjectId::new(tally_core::id::SubjectKind::Equipment, id))?);
                }
                if found.is_empty() {
                    let name = format!("{} {} {}", plate.maker, plate.model, plate.serial);
                    return Err(CallError::NotFound { what: "machine with the plate", name });
                }
                Ok(found)
            }
        }
    }

    /// The entries that lines rest on, each with its proof; one that the viewer may not see is its hash only.
    fn proved(
        &self,
        snapshot: &Snapshot,
        verifications: &[v1::Verification],
        size: TreeSize,
        viewer: Viewer,
    ) -> Result<Vec<v1::ProvedEntry>, CallError> {
        let lines = verifications.iter().flat_map(|verification| &verification.lines);
        let positions: BTreeSet<u64> =
            lines.flat_map(|line| &line.evidence).map(|evidence| evidence.position).collect();
        let mut entries = Vec::new();
        for position in positions {
            let entry = self.entry(position)?.entry;
            let shown = viewer == Viewer::Insider || is_public(&entry);
            entries.push(v1::ProvedEntry {
                position,
                leaf_hash: tally_core::hash::LeafHash::of(&entry).as_bytes().to_vec(),
                inclusion: self.inclusion(snapshot, position, size)?,
                entry: if shown { entry } else { Vec::new() },
            });
        }
        Ok(entries)
    }
}

/// Whether an entry's event has only public fields: marks and manufacture.
fn is_public(entry: &[u8]) -> bool {
    let Ok(entry) = tally_core::entry::EventEntry::parse(entry) else { return false };
    let Ok(event) = entry.unverified().parse() else { return false };
    let kind = tally_core::event::EventKind::from_number(event.event().statement().body_number);
    kind.is_some_and(|kind| {
        kind == tally_core::event::EventKind::Manufactured || kind.stage() == tally_core::event::kind::Stage::Mark
    })
}

#[tonic::async_trait]
impl MarkService for Marks {
    async fn get_mark(&self, request: Request<v1::GetMarkRequest>) -> Result<Response<v1::GetMarkResponse>, Status> {
        access::check(Purpose::Read)?;
        self.rate.check(request.remote_addr())?;
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
            for stored in reader.index.history(&reader.log, &subject, snapshot.size.get())? {
                let content = if is_public(&stored.entry) {
                    v1::touch::Content::Entry(stored.entry)
                } else {
                    let leaf = tally_core::hash::LeafHash::of(&stored.entry);
                    v1::touch::Content::LeafHash(leaf.as_bytes().to_vec())
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
        access::check(Purpose::Read)?;
        self.rate.check(request.remote_addr())?;
        let request = request.into_inner();
        let at = request.at;
        let wanted = asked(request)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, mut basis) = reader.resolve(at.as_ref(), snapshot)?;
            if basis.as_of_us == 0 {
                basis.as_of_us = reader.moment_us(snapshot);
            }
            let viewer = Viewer::Insider;
            let verifications = reader.verified(&wanted, instant, basis.as_of_us, viewer)?;
            let entries = reader.proved(snapshot, &verifications, snapshot.size, viewer)?;
            let keys = reader.keys_of(entries.iter().map(|entry| entry.entry.as_slice()));
            let checkpoint = snapshot.checkpoint.as_bytes().to_vec();
            Ok(v1::VerifyMarkResponse { basis: Some(basis), verifications, checkpoint, entries, keys })
        });
        Ok(Response::new(answered.await?))
    }
}
