//! Reading the log itself.

use tally_log::{LogPosition, TreeSize, note::VerifierKey};
use tally_proto::v1::{self, log_service_server::LogService};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{access::Access, published::Snapshot, reader::Reader, status::CallError};

/// Entries in one message of those that follow the log.
const MESSAGE_ENTRIES_MAX: usize = 256;

/// The service.
#[derive(Clone)]
pub struct Log {
    reader: Reader,
    key: VerifierKey,
}

impl Log {
    /// A service over a reader.
    pub fn new(reader: Reader, key: VerifierKey) -> Self {
        Self { reader, key }
    }
}

/// The tree size of a request: 0 for the snapshot's, else at most that.
fn size_of(field: &'static str, asked: u64, snapshot: &Snapshot) -> Result<TreeSize, CallError> {
    if asked == 0 {
        return Ok(snapshot.size);
    }
    TreeSize::new(asked).filter(|size| *size <= snapshot.size).ok_or_else(|| CallError::OutOfRange {
        field,
        what: format!("is {asked}, but {} entries are sealed", snapshot.size.get()),
    })
}

#[tonic::async_trait]
impl LogService for Log {
    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let kept_size = request.into_inner().kept_size;
        let snapshot = self.reader.published.current();
        let consistency = match kept_size {
            0 => Vec::new(),
            kept_size => self.reader.consistency(&snapshot, kept_size, snapshot.size)?,
        };
        let checkpoint = snapshot.checkpoint.as_bytes().to_vec();
        Ok(Response::new(v1::GetCheckpointResponse { checkpoint, consistency, log_key: self.key.to_string() }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let v1::GetInclusionProofRequest { position, tree_size } = request.into_inner();
        let answered = self.reader.ask(move |reader, snapshot| {
            let size = size_of("tree_size", tree_size, snapshot)?;
            if position >= size.get() {
                let what = format!("is {position}, not below the tree size {}", size.get());
                return Err(CallError::OutOfRange { field: "position", what });
            }
            let entry = reader.entry(position)?.entry;
            Ok(v1::GetInclusionProofResponse {
                leaf_hash: tally_core::hash::LeafHash::of(&entry).as_bytes().to_vec(),
                inclusion: reader.inclusion(snapshot, position, size)?,
                tree_size: size.get(),
                checkpoint: snapshot.checkpoint.as_bytes().to_vec(),
            })
        });
        Ok(Response::new(answered.await?))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let v1::GetConsistencyProofRequest { old_size, new_size } = request.into_inner();
        if old_size == 0 {
            let what = "is 0; every tree extends the empty one, without proof".to_owned();
            return Err(CallError::BadRequest { field: "old_size", what }.into());
        }
        let answered = self.reader.ask(move |reader, snapshot| {
            let size = size_of("new_size", new_size, snapshot)?;
            Ok(v1::GetConsistencyProofResponse {
                consistency: reader.consistency(snapshot, old_size, size)?,
                new_size: size.get(),
                checkpoint: snapshot.checkpoint.as_bytes().to_vec(),
            })
        });
        Ok(Response::new(answered.await?))
    }

    type FollowEntriesStream = ReceiverStream<Result<v1::FollowEntriesResponse, Status>>;

    async fn follow_entries(
        &self,
        request: Request<v1::FollowEntriesRequest>,
    ) -> Result<Response<Self::FollowEntriesStream>, Status> {
        let access = Access::of(&request)?;
        let v1::FollowEntriesRequest { from_position, stop_at_end } = request.into_inner();
        let let_in = access.clone();
        let allowed = self.reader.ask(move |reader, snapshot| {
            let_in.check_whole_log(reader)?;
            let sealed = snapshot.size.get();
            if from_position > sealed {
                let what = format!("is {from_position}, but {sealed} entries are sealed");
                return Err(CallError::OutOfRange { field: "from_position", what });
            }
            let entries = usize::try_from(sealed - from_position).unwrap_or(usize::MAX);
            // Those that are sealed later are revealed, too.
            let_in.reveals(format!("the log from position {from_position} on"), entries.max(1))
        });
        allowed.await?;
        let (messages, answers) = mpsc::channel(4);
        tokio::spawn(follow(self.reader.clone(), access, from_position, stop_at_end, messages));
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

type Messages = mpsc::Sender<Result<v1::FollowEntriesResponse, Status>>;

async fn follow(reader: Reader, access: Access, from: u64, stop_at_end: bool, messages: Messages) {
    let mut published = reader.published.clone();
    let mut next = from;
    let mut snapshot = published.current();
    loop {
        // A stream goes on for weeks: who follows must still be let in, by what the index says of this very snapshot.
        if !published.indexed(snapshot.size.get()).await {
            let behind = CallError::Unavailable("the index does not follow the log; it is rebuilt at the next start");
            drop(messages.send(Err(behind.into())).await);
            return;
        }
        let (log, messages_of_run, run, still) = (reader.clone(), messages.clone(), snapshot.clone(), access.clone());
        let send = move || match still.check_still(&log) {
            Ok(()) => send_up_to(&log, next, &run, &messages_of_run),
            Err(error) => {
                drop(messages_of_run.blocking_send(Err(error.into())));
                false
            }
        };
        let sent = tokio::task::spawn_blocking(send).await;
        match sent {
            Ok(true) => next = next.max(snapshot.size.get()),
            Ok(false) | Err(_) => return,
        }
        if stop_at_end {
            return;
        }
        let gone = messages.clone();
        snapshot = tokio::select! {
            biased;
            () = gone.closed() => return,
            newer = published.beyond(next) => match newer {
                Some(newer) => newer,
                None => return,
            },
            () = reader.stopping() => {
                let stopping = CallError::Unavailable("the server is stopping; follow on from the position after the last entry");
                drop(messages.send(Err(stopping.into())).await);
                return;
            }
        };
    }
}

/// Sends the entries from `next` up to the snapshot; `false` where the caller is gone or the log does not read.
fn send_up_to(reader: &Reader, next: u64, snapshot: &Snapshot, messages: &Messages) -> bool {
    let mut message = v1::FollowEntriesResponse { first_position: next, ..Default::default() };
    let mut position = next;
    while position < snapshot.size.get() {
        let stored = LogPosition::new(position).map(|at| reader.log.read(at));
        match stored {
            Some(Ok(stored)) => message.entries.push(stored.entry),
            Some(Err(error)) => {
                drop(messages.blocking_send(Err(CallError::internal(&error).into())));
                return false;
            }
            None => return false,
        }
        position += 1;
        if message.entries.len() == MESSAGE_ENTRIES_MAX && position < snapshot.size.get() {
            let full = std::mem::replace(
                &mut message,
                v1::FollowEntriesResponse { first_position: position, ..Default::default() },
            );
            if messages.blocking_send(Ok(full)).is_err() {
                return false;
            }
        }
    }
    message.checkpoint = snapshot.checkpoint.as_bytes().to_vec();
    messages.blocking_send(Ok(message)).is_ok()
}
