//! Recording.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use tally_core::{
    hash::LeafHash,
    id::SubjectId,
    number::ChainIndex,
    refusal::{Head, Refusal},
    retry,
    signed_event::UnverifiedEnvelope,
};
use tally_proto::v1::{
    self, SignedEvent, ledger_service_server::LedgerService, record_result::Outcome as ResultOutcome,
};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    pool::{Pool, PoolError, Prepared},
    published::Snapshot,
    reader::Reader,
    refusals::Refusals,
    sequencer::{Outcome, Sealed, Work, find_on_chain},
    status::{CallError, refusal_message},
};

/// Events of one message of a stream.
pub const MESSAGE_EVENTS_MAX: usize = 1_024;
/// Messages of one stream on their way through the pool, and again through the sequencer.
const STREAM_MESSAGES_MAX: usize = 4;

/// The service.
#[derive(Clone)]
pub struct Ledger {
    pool: Arc<Pool>,
    sequencer: mpsc::Sender<Work>,
    reader: Reader,
    refusals: Refusals,
}

impl Ledger {
    /// A service over a pool and a sequencer's queue, which notes what is refused.
    pub fn new(pool: Arc<Pool>, sequencer: mpsc::Sender<Work>, reader: Reader, refusals: Refusals) -> Self {
        Self { pool, sequencer, reader, refusals }
    }

    /// Records events as one message of their own: a full queue is told at once.
    async fn record(&self, events: &Arc<Vec<SignedEvent>>, atomic: bool) -> Result<Vec<Outcome>, CallError> {
        let (count, payload_bytes) = (events.len(), payload_bytes(events));
        let events = self.pool.try_prepare(events.clone()).await.map_err(from_pool)?;
        let (answer, outcomes) = oneshot::channel();
        self.sequencer.try_send(Work { events, count, payload_bytes, atomic, answer }).map_err(
            |error| match error {
                mpsc::error::TrySendError::Full(_) => CallError::QueueFull { queue: "sequencer" },
                mpsc::error::TrySendError::Closed(_) => STOPPED,
            },
        )?;
        outcomes.await.map_err(|_| STOPPED)
    }

    /// Settles an event, and notes it where it is refused.
    async fn settle_noted(
        &self,
        outcome: Outcome,
        event: Option<&SignedEvent>,
        peer: Option<IpAddr>,
    ) -> Result<v1::Receipt, CallError> {
        let settled = self.settle(outcome).await;
        if let (Err(error), Some(event)) = (&settled, event) {
            self.refusals.note(event, error, peer);
        }
        settled
    }

    async fn settle(&self, outcome: Outcome) -> Result<v1::Receipt, CallError> {
        match outcome {
            Outcome::Sealed(sealed) => self.receipt(&sealed),
            Outcome::Refused(refusal) => Err(CallError::Refused(*refusal)),
            Outcome::Unavailable(why) => Err(CallError::Unavailable(why)),
            Outcome::Busy { candidate, wait } => {
                let statement = candidate.statement();
                let (subject, organisation) = (statement.subject, statement.organisation);
                Err(CallError::ChainBusy { subject, organisation, wait })
            }
            Outcome::Aside => Err(CallError::internal(&"a member was set aside, and no other member of its set")),
            Outcome::Behind { candidate, snapshot: _ } => {
                let subject = candidate.statement().subject;
                let index = candidate.event().chain_index();
                let standing = self.reader.ask(move |reader, snapshot| {
                    let head = head_of(snapshot, &subject);
                    let last = reader.index.last_touch(&subject)?.map(|(last, _)| last);
                    let Some((stored, standing)) = find_on_chain(&reader.log, &subject, index, last) else {
                        return Err(Refusal::StaleHead { subject, claimed: index, head }.into());
                    };
                    retry::judge_behind(candidate.event(), standing.candidate.event(), head)?;
                    let sealed = Sealed {
                        position: stored.position,
                        chain_index: ChainIndex::new(index.get()),
                        recorded_at_us: u64::try_from(standing.recorded_at.micros()).unwrap_or_default(),
                        leaf: LeafHash::of(&stored.entry),
                        snapshot: Arc::new(snapshot.clone()),
                    };
                    Ok(sealed)
                });
                self.receipt(&standing.await?)
            }
        }
    }

    fn receipt(&self, sealed: &Sealed) -> Result<v1::Receipt, CallError> {
        let Sealed { position, chain_index, recorded_at_us, leaf, snapshot } = sealed;
        Ok(v1::Receipt {
            position: position.get(),
            chain_index: chain_index.get(),
            recorded_at_us: *recorded_at_us,
            leaf_hash: leaf.as_bytes().to_vec(),
            checkpoint: snapshot.checkpoint.as_bytes().to_vec(),
            inclusion: self.reader.inclusion(snapshot, position.get(), snapshot.size)?,
        })
    }

    /// Settles the events of one message of a stream; receipts share the newest checkpoint among them.
    async fn settle_message(
        &self,
        first_ordinal: u64,
        outcomes: Vec<Outcome>,
        events: &[SignedEvent],
        peer: Option<IpAddr>,
    ) -> v1::RecordEventsResponse {
        let mut response = v1::RecordEventsResponse::default();
        for (at, (ordinal, outcome)) in (first_ordinal..).zip(outcomes).enumerate() {
            let outcome = match self.settle_noted(outcome, events.get(at), peer).await {
                Ok(mut receipt) => {
                    if response.checkpoint.is_empty() {
                        response.checkpoint.clone_from(&receipt.checkpoint);
                    }
                    // A receipt of another checkpoint carries its own.
                    if receipt.checkpoint == response.checkpoint {
                        receipt.checkpoint.clear();
                    }
                    ResultOutcome::Receipt(receipt)
                }
                Err(error) => ResultOutcome::Refusal(refusal_message(error)),
            };
            response.results.push(v1::RecordResult { ordinal, outcome: Some(outcome) });
        }
        response
    }
}

const STOPPED: CallError = CallError::Unavailable(
    "the sequencer has stopped; whether the event was recorded is not known, send the same bytes again",
);

fn from_pool(error: PoolError) -> CallError {
    match error {
        PoolError::Full => CallError::QueueFull { queue: "verification" },
        PoolError::Stopped => {
            CallError::Unavailable("the server is stopping; the event was not recorded, send the same bytes again")
        }
    }
}

/// The subjects of events that are well formed, each once.
fn subjects_of(events: &[SignedEvent]) -> BTreeSet<SubjectId> {
    let parsed = events.iter().filter_map(|event| {
        let SignedEvent { payload, key_id, signature } = event;
        UnverifiedEnvelope { payload, key_id, signature }.parse().ok()
    });
    parsed.map(|event| event.event().statement().subject).collect()
}

fn payload_bytes(events: &[SignedEvent]) -> usize {
    events.iter().map(|event| event.payload.len()).sum()
}

fn head_of(snapshot: &Snapshot, subject: &SubjectId) -> Head {
    let value = snapshot.heads.get(&tally_log::heads::MapKey::of(&subject.key()));
    let value = value.and_then(|value| tally_core::touch::HeadValue::parse(value)).unwrap_or_default();
    Head { chain_length: value.chain_length, head_hash: value.head_hash }
}

fn check_count(count: usize, min: usize, max: usize) -> Result<(), CallError> {
    if (min..=max).contains(&count) {
        return Ok(());
    }
    Err(CallError::BadRequest { field: "events", what: format!("has {count} events; {min} to {max} are allowed") })
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    async fn record_event(
        &self,
        request: Request<v1::RecordEventRequest>,
    ) -> Result<Response<v1::RecordEventResponse>, Status> {
        let peer = request.remote_addr().map(|peer| peer.ip());
        let v1::RecordEventRequest { payload, key_id, signature } = request.into_inner();
        let events = Arc::new(vec![SignedEvent { payload, key_id, signature }]);
        let mut outcomes = self.record(&events, false).await?;
        let outcome = outcomes.pop().ok_or(STOPPED)?;
        let receipt = self.settle_noted(outcome, events.first(), peer).await?;
        Ok(Response::new(v1::RecordEventResponse { receipt: Some(receipt) }))
    }

    type RecordEventsStream = ReceiverStream<Result<v1::RecordEventsResponse, Status>>;

    async fn record_events(
        &self,
        request: Request<Streaming<v1::RecordEventsRequest>>,
    ) -> Result<Response<Self::RecordEventsStream>, Status> {
        let peer = request.remote_addr().map(|peer| peer.ip());
        let (to_caller, answers) = mpsc::channel(STREAM_MESSAGES_MAX);
        let (to_sequence, to_be_sequenced) = mpsc::channel(STREAM_MESSAGES_MAX);
        let (to_settle, to_be_settled) = mpsc::channel(STREAM_MESSAGES_MAX);
        tokio::spawn(take_messages(self.clone(), request.into_inner(), to_sequence));
        tokio::spawn(sequence_messages(self.sequencer.clone(), to_be_sequenced, to_settle));
        tokio::spawn(settle_messages(self.clone(), peer, to_be_settled, to_caller));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn record_set(
        &self,
        request: Request<v1::RecordSetRequest>,
    ) -> Result<Response<v1::RecordSetResponse>, Status> {
        let peer = request.remote_addr().map(|peer| peer.ip());
        let events = Arc::new(request.into_inner().events);
        check_count(events.len(), 2, 64)?;
        let outcomes = self.record(&events, true).await?;
        let mut receipts = Vec::with_capacity(outcomes.len());
        let mut refused = None;
        for (event, outcome) in events.iter().zip(outcomes) {
            // Another member of its set is why it is not there; that one is told.
            if matches!(outcome, Outcome::Aside) {
                continue;
            }
            match self.settle_noted(outcome, Some(event), peer).await {
                Ok(receipt) => receipts.push(receipt),
                // Every member that is refused is noted, the first one is told.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match refused {
            None => {}
            Some(CallError::Refused(refusal @ Refusal::StaleHead { .. })) => {
                let snapshot = self.reader.published.current();
                let subjects = subjects_of(&events);
                let heads = subjects.iter().map(|subject| (*subject, head_of(&snapshot, subject))).collect();
                return Err(CallError::StaleSet { refusal, heads }.into());
            }
            Some(error) => return Err(error.into()),
        }
        Ok(Response::new(v1::RecordSetResponse { receipts }))
    }
}

/// A message on its way: the pool's answer, or what ends the stream.
type Verifying = Result<(tokio::task::JoinHandle<Result<Vec<Prepared>, PoolError>>, Arc<Vec<SignedEvent>>), Status>;
/// The same after it: the sequencer's answer.
type Sequencing = Result<(oneshot::Receiver<Vec<Outcome>>, Arc<Vec<SignedEvent>>), Status>;

/// Reads messages and gives them to the pool; the next is checked while the last is sealed.
async fn take_messages(
    ledger: Ledger,
    mut messages: Streaming<v1::RecordEventsRequest>,
    verifying: mpsc::Sender<Verifying>,
) {
    loop {
        let message = tokio::select! {
            biased;
            // What was read is answered before; whatever else comes is too late.
            () = ledger.reader.stopping() => Some(Err(from_pool(PoolError::Stopped).into())),
            message = messages.next() => message,
        };
        let Some(message) = message else { return };
        let next = match message {
            Ok(message) => match check_count(message.events.len(), 1, MESSAGE_EVENTS_MAX) {
                Ok(()) => {
                    let (pool, events) = (ledger.pool.clone(), Arc::new(message.events));
                    let sent = events.clone();
                    Ok((tokio::spawn(async move { pool.prepare(events).await }), sent))
                }
                Err(error) => Err(Status::from(error)),
            },
            Err(status) => Err(status),
        };
        let ends = next.is_err();
        if verifying.send(next).await.is_err() || ends {
            return;
        }
    }
}

/// Hands what the pool checked to the sequencer, in the order sent.
async fn sequence_messages(
    sequencer: mpsc::Sender<Work>,
    mut verifying: mpsc::Receiver<Verifying>,
    sequenced: mpsc::Sender<Sequencing>,
) {
    while let Some(next) = verifying.recv().await {
        let next = match next {
            Ok((prepared, sent)) => match prepared.await {
                Ok(Ok(events)) => {
                    let payload_bytes = payload_bytes(&sent);
                    let (answer, outcomes) = oneshot::channel();
                    match sequencer
                        .send(Work { count: events.len(), events, payload_bytes, atomic: false, answer })
                        .await
                    {
                        Ok(()) => Ok((outcomes, sent)),
                        Err(_) => Err(Status::from(STOPPED)),
                    }
                }
                Ok(Err(error)) => Err(Status::from(from_pool(error))),
                Err(error) => Err(Status::from(CallError::internal(&error))),
            },
            Err(status) => Err(status),
        };
        let ends = next.is_err();
        if sequenced.send(next).await.is_err() || ends {
            return;
        }
    }
}

/// Answers in the order sent.
async fn settle_messages(
    ledger: Ledger,
    peer: Option<IpAddr>,
    mut sequenced: mpsc::Receiver<Sequencing>,
    answers: mpsc::Sender<Result<v1::RecordEventsResponse, Status>>,
) {
    let mut ordinal = 0;
    while let Some(next) = sequenced.recv().await {
        let answer = match next {
            Ok((outcomes, events)) => match outcomes.await {
                Ok(outcomes) => {
                    let response = ledger.settle_message(ordinal, outcomes, &events, peer).await;
                    ordinal += u64::try_from(response.results.len()).unwrap_or_default();
                    Ok(response)
                }
                Err(_) => Err(Status::from(STOPPED)),
            },
            Err(status) => Err(status),
        };
        let ends = answer.is_err();
        if answers.send(answer).await.is_err() || ends {
            return;
        }
    }
}
