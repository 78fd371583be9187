//! Reading chains.

use tally_core::{
    candidate::Candidate, entry::EventEntry, key::KeyId, number::ChainIndex, state::Instant, touch::HeadValue,
};
use tally_log::{heads::MapKey, store::StoredEntry};
use tally_proto::v1::{self, get_event_request::By, subject_service_server::SubjectService, touch::Content};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    access::{self, Purpose},
    reader::Reader,
    sequencer::find_on_chain,
    status::{CallError, subject},
};

/// Bytes of entries in one message of a history.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The service.
#[derive(Clone)]
pub struct Subjects {
    reader: Reader,
}

impl Subjects {
    /// A service over a reader.
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

#[tonic::async_trait]
impl SubjectService for Subjects {
    async fn get_head(&self, request: Request<v1::GetHeadRequest>) -> Result<Response<v1::GetHeadResponse>, Status> {
        access::check(Purpose::Read)?;
        let subject = subject("subject", &request.into_inner().subject)?;
        let snapshot = self.reader.published.current();
        let value = snapshot.heads.get(&MapKey::of(&subject.key()));
        let head = value.and_then(|value| HeadValue::parse(value)).unwrap_or_default();
        let proof = self.reader.head_proof(&snapshot, &subject, 0)?;
        Ok(Response::new(v1::GetHeadResponse {
            chain_length: head.chain_length,
            head_hash: head.head_hash.as_bytes().to_vec(),
            tree_size: snapshot.size.get(),
            proof: Some(proof),
        }))
    }

    type StreamHistoryStream = ReceiverStream<Result<v1::StreamHistoryResponse, Status>>;

    async fn stream_history(
        &self,
        request: Request<v1::StreamHistoryRequest>,
    ) -> Result<Response<Self::StreamHistoryStream>, Status> {
        access::check(Purpose::Read)?;
        let v1::StreamHistoryRequest { subject: key, at, proof: proved, kept_size } = request.into_inner();
        let subject = subject("subject", &key)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let size = if proved { snapshot.size.get() } else { instant.size };
            let mut entries = reader.index.history(&reader.log, &subject, size)?;
            if !proved {
                entries.retain(|stored| occurred_by(stored, instant));
            }
            let keys = reader.keys_of(entries.iter().map(|stored| stored.entry.as_slice()));
            let proof = if proved { Some(reader.head_proof(snapshot, &subject, kept_size)?) } else { None };
            Ok((basis, entries, keys, proof))
        });
        let (mut basis, entries, keys, proof) = answered.await?;
        if proved {
            basis.complete_by = subject.key().to_vec();
        }
        let (messages, answers) = mpsc::channel(4);
        tokio::spawn(send_history(messages, basis, entries, keys, proof));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn get_event(&self, request: Request<v1::GetEventRequest>) -> Result<Response<v1::GetEventResponse>, Status> {
        access::check(Purpose::Read)?;
        let by = request.into_inner().by.ok_or_else(|| CallError::BadRequest {
            field: "by",
            what: "give a position, or a subject and chain index".to_owned(),
        })?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let stored = match by {
                By::Position(position) if position < snapshot.size.get() => reader.entry(position)?,
                By::Position(position) => {
                    return Err(CallError::NotFound { what: "position", name: position.to_string() });
                }
                By::Place(place) => {
                    let subject = subject("place.subject", &place.subject)?;
                    let last = reader.index.last_touch(&subject)?.map(|(last, _)| last);
                    let found = find_on_chain(&reader.log, &subject, ChainIndex::new(place.chain_index), last);
                    // The index may be ahead of the snapshot, under which it is to be proved.
                    let found = found.filter(|(stored, _)| snapshot.size.holds(stored.position));
                    let (stored, _) = found.ok_or_else(|| CallError::NotFound {
                        what: "event",
                        name: format!("{} of {subject}", place.chain_index),
                    })?;
                    stored
                }
            };
            let position = stored.position.get();
            Ok(v1::GetEventResponse {
                position,
                checkpoint: snapshot.checkpoint.as_bytes().to_vec(),
                inclusion: reader.inclusion(snapshot, position, snapshot.size)?,
                keys: reader.keys_of(std::iter::once(stored.entry.as_slice())),
                entry: stored.entry,
            })
        });
        Ok(Response::new(answered.await?))
    }

    async fn get_keys(&self, request: Request<v1::GetKeysRequest>) -> Result<Response<v1::GetKeysResponse>, Status> {
        access::check(Purpose::Read)?;
        let ids = request.into_inner().key_ids;
        if ids.is_empty() || ids.len() > 1_024 {
            let what = format!("has {} ids; 1 to 1,024 are allowed", ids.len());
            return Err(CallError::BadRequest { field: "key_ids", what }.into());
        }
        let keys = self.reader.keys.find(ids.iter().filter_map(|id| KeyId::parse(id)));
        Ok(Response::new(v1::GetKeysResponse { keys: keys.iter().map(|key| key.as_bytes().to_vec()).collect() }))
    }
}

/// Whether the event of an entry had occurred by an instant.
fn occurred_by(stored: &StoredEntry, instant: Instant) -> bool {
    EventEntry::parse(&stored.entry)
        .ok()
        .and_then(|entry| Candidate::parse_trusted(entry.unverified()).ok())
        .is_none_or(|candidate| candidate.statement().occurred_at <= instant.as_of)
}

async fn send_history(
    messages: mpsc::Sender<Result<v1::StreamHistoryResponse, Status>>,
    basis: v1::Basis,
    entries: Vec<StoredEntry>,
    keys: Vec<Vec<u8>>,
    proof: Option<v1::HeadProof>,
) {
    let mut message = v1::StreamHistoryResponse { basis: Some(basis), ..Default::default() };
    let mut bytes = 0;
    for stored in entries {
        bytes += stored.entry.len();
        message
            .touches
            .push(v1::Touch { position: stored.position.get(), content: Some(Content::Entry(stored.entry)) });
        if bytes > MESSAGE_BYTES_MAX {
            bytes = 0;
            if messages.send(Ok(std::mem::take(&mut message))).await.is_err() {
                return;
            }
        }
    }
    message.keys = keys;
    message.proof = proof;
    // The caller may be gone; nothing is lost by that.
    drop(messages.send(Ok(message)).await);
}
