//! Reading chains.

use prost::Message as _;
use tally_core::{
    candidate::Candidate, entry::EventEntry, hash::LeafHash, key::KeyId, number::ChainIndex, touch::HeadValue,
};
use tally_log::{
    entry::{EntryHeader, EntryKind},
    heads::MapKey,
};
use tally_proto::v1::{self, get_event_request::By, subject_service_server::SubjectService, touch::Content};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    access::{Access, Ledger},
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
        let access = Access::of(&request)?;
        let v1::StreamHistoryRequest { subject: key, at, proof: proved, kept_size } = request.into_inner();
        let subject = subject("subject", &key)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let size = if proved { snapshot.size.get() } else { instant.size };
            let (mut touches, mut revealed) = (Vec::new(), 0);
            let facts = Ledger::new(reader);
            let sight = access.sight(&facts);
            // All entries on the chain are seen alike, and most of a history is.
            let sees_chain = sight.sees(&subject)?;
            for stored in reader.index.history(&reader.log, &subject, size)? {
                let position = stored.position.get();
                let parsed = parse(&stored.entry);
                let seen = match &parsed {
                    Some(event) if event.statement().subject == subject && sees_chain => true,
                    Some(event) => sight.sees_event(event)?,
                    // What this version does not understand is withheld: nobody can say whose it is.
                    None => sees_chain && sight.is_unlimited()?,
                };
                if !seen {
                    // Whether it had occurred by then is not told either.
                    let leaf = LeafHash::of(&stored.entry).as_bytes().to_vec();
                    touches.push(v1::Touch { position, content: Some(Content::LeafHash(leaf)) });
                    continue;
                }
                if !proved && parsed.as_ref().is_some_and(|event| event.statement().occurred_at > instant.as_of) {
                    continue;
                }
                revealed += usize::from(parsed.is_none_or(|event| !event.body().is_public()));
                touches.push(v1::Touch { position, content: Some(Content::Entry(stored.entry)) });
            }
            access.reveals(subject, revealed)?;
            let keys = reader.keys_of(touches.iter().filter_map(entry_of));
            let proof = if proved { Some(reader.head_proof(snapshot, &subject, kept_size)?) } else { None };
            Ok((basis, touches, keys, proof))
        });
        let (mut basis, touches, keys, proof) = answered.await?;
        if proved {
            basis.complete_by = subject.key().to_vec();
        }
        let (messages, answers) = mpsc::channel(4);
        tokio::spawn(send_history(messages, basis, touches, keys, proof));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn get_event(&self, request: Request<v1::GetEventRequest>) -> Result<Response<v1::GetEventResponse>, Status> {
        let access = Access::of(&request)?;
        let by = request.into_inner().by.ok_or_else(|| CallError::BadRequest {
            field: "by",
            what: "give a position, or a subject and chain index".to_owned(),
        })?;
        let asked = access.clone();
        let answered = self.reader.ask(move |reader, snapshot| {
            let name = match &by {
                By::Position(position) => format!("at position {position}"),
                By::Place(place) => {
                    format!("{} of {}", place.chain_index, subject("place.subject", &place.subject)?)
                }
            };
            let unknown = || CallError::NotFound { what: "event", name: name.clone() };
            let stored = match by {
                By::Position(position) if position < snapshot.size.get() => reader.entry(position)?,
                By::Position(_) => return Err(unknown()),
                By::Place(place) => {
                    let subject = subject("place.subject", &place.subject)?;
                    let last = reader.index.last_touch(&subject)?.map(|(last, _)| last);
                    let found = find_on_chain(&reader.log, &subject, ChainIndex::new(place.chain_index), last);
                    // The index may be ahead of the snapshot, under which it is to be proved.
                    let found = found.filter(|(stored, _)| snapshot.size.holds(stored.position));
                    let (stored, _) = found.ok_or_else(unknown)?;
                    stored
                }
            };
            // A heads entry says nothing about anybody.
            if EntryHeader::parse(&stored.entry).is_ok_and(|(header, _)| header.kind == EntryKind::Event) {
                let facts = Ledger::new(reader);
                let sight = asked.sight(&facts);
                let event = parse(&stored.entry);
                let seen = match &event {
                    Some(event) => sight.sees_event(event)?,
                    None => sight.is_unlimited()?,
                };
                if !seen {
                    return Err(asked.hides("event", name));
                }
                asked.reveals(&name, usize::from(event.is_none_or(|event| !event.body().is_public())))?;
            }
            let position = stored.position.get();
            Ok(v1::GetEventResponse {
                position,
                checkpoint: snapshot.checkpoint.as_bytes().to_vec(),
                inclusion: reader.inclusion(snapshot, position, snapshot.size)?,
                keys: reader.keys_of(std::iter::once(stored.entry.as_slice())),
                entry: stored.entry,
            })
        });
        Ok(Response::new(access.veil(answered.await, |_| false).await?))
    }

    async fn get_keys(&self, request: Request<v1::GetKeysRequest>) -> Result<Response<v1::GetKeysResponse>, Status> {
        let ids = request.into_inner().key_ids;
        if ids.is_empty() || ids.len() > 1_024 {
            let what = format!("has {} ids; 1 to 1,024 are allowed", ids.len());
            return Err(CallError::BadRequest { field: "key_ids", what }.into());
        }
        let keys = self.reader.keys.find(ids.iter().filter_map(|id| KeyId::parse(id)));
        Ok(Response::new(v1::GetKeysResponse { keys: keys.iter().map(|key| key.as_bytes().to_vec()).collect() }))
    }
}

/// The entry of a touch that is shown.
fn entry_of(touch: &v1::Touch) -> Option<&[u8]> {
    match &touch.content {
        Some(Content::Entry(entry)) => Some(entry),
        Some(Content::LeafHash(_)) | None => None,
    }
}

/// The event of an entry; `None` where this version does not understand it.
fn parse(entry: &[u8]) -> Option<Candidate> {
    let entry = EventEntry::parse(entry).ok()?;
    Candidate::parse_trusted(entry.unverified()).ok()
}

async fn send_history(
    messages: mpsc::Sender<Result<v1::StreamHistoryResponse, Status>>,
    basis: v1::Basis,
    touches: Vec<v1::Touch>,
    keys: Vec<Vec<u8>>,
    proof: Option<v1::HeadProof>,
) {
    let mut message = v1::StreamHistoryResponse { basis: Some(basis), ..Default::default() };
    let mut bytes = 0;
    for touch in touches {
        bytes += touch.encoded_len();
        message.touches.push(touch);
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
