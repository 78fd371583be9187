//! Recording in bulk: many events in each message of one stream, every receipt verified

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tally_proto::v1::{self, record_result::Outcome};
use tokio_stream::{Stream, StreamExt as _};
use tonic::Streaming;

use super::{Client, off_thread};
use crate::draft::SignedEvent;
use crate::error::{ClientError, Failure, ServerError};
use crate::verify::{Kept, VerifiedCheckpoint, VerifiedReceipt, VerifyError, verify_receipt_under};

/// Name of the call in errors.
const CALL: &str = "RecordEvents";

/// What became of one event of a stream.
#[derive(Debug)]
pub struct Recorded {
    /// As it was sent.
    pub event: SignedEvent,
    /// Its receipt, verified; or why it was not recorded.
    pub outcome: Result<VerifiedReceipt, ServerError>,
}

/// An event on its way, and what was kept when it was sent.
struct Sent {
    event: SignedEvent,
    before: Option<Kept>,
}

/// Events that were sent and not answered yet, in the order sent.
type OnTheWay = Arc<Mutex<VecDeque<Sent>>>;

/// The answers to a stream of events, in the order sent.
pub struct RecordStream {
    client: Client,
    answers: Streaming<v1::RecordEventsResponse>,
    on_the_way: OnTheWay,
    next_ordinal: u64,
    has_ended: bool,
}

impl fmt::Debug for RecordStream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RecordStream").field("next_ordinal", &self.next_ordinal).finish_non_exhaustive()
    }
}

impl Client {
    /// Records events in the order given, each on its own: a message of the stream for each list, 1 to 1,024 events and
    /// 4 MiB. Lists are taken as the server takes them, so the stream may be endless.
    ///
    /// Nothing is sent again by itself: where the stream breaks, [`RecordStream::unanswered`] has what may or may not be
    /// recorded.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], [`ClientError::Refused`].
    pub async fn record_stream<S>(&self, lists: S) -> Result<RecordStream, ClientError>
    where
        S: Stream<Item = Vec<SignedEvent>> + Send + 'static,
    {
        let on_the_way = OnTheWay::default();
        let (client, sent) = (self.clone(), on_the_way.clone());
        let messages = lists.map(move |events| {
            let before = client.kept();
            let message = v1::RecordEventsRequest { events: events.iter().map(SignedEvent::message).collect() };
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.extend(events.into_iter().map(|event| Sent { event, before }));
            message
        });
        let answers = self.ledger().record_events(messages).await;
        let answers = answers.map_err(|status| Failure::of_status(&status).into_error(CALL, 1, true))?;
        Ok(RecordStream {
            client: self.clone(),
            answers: answers.into_inner(),
            on_the_way,
            next_ordinal: 0,
            has_ended: false,
        })
    }
}

impl RecordStream {
    /// The next events that were answered, with verified receipts; `None` once all are.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if the stream broke; [`ClientError::Verify`] if any receipt proves nothing. After an
    /// error the stream is at its end.
    pub async fn next(&mut self) -> Option<Result<Vec<Recorded>, ClientError>> {
        if self.has_ended {
            return None;
        }
        let answered = self.answered().await;
        self.has_ended = !matches!(answered, Ok(Some(_)));
        answered.transpose()
    }

    /// Takes the events that were sent and not answered, in the order sent. After an error, send the same bytes again:
    /// those that are recorded give their receipts.
    #[must_use]
    pub fn unanswered(&mut self) -> Vec<SignedEvent> {
        let mut on_the_way = self.on_the_way.lock().unwrap_or_else(PoisonError::into_inner);
        on_the_way.drain(..).map(|sent| sent.event).collect()
    }

    async fn answered(&mut self) -> Result<Option<Vec<Recorded>>, ClientError> {
        let answer = match self.answers.message().await {
            Ok(Some(answer)) => answer,
            Ok(None) => return self.ended(),
            Err(status) => return Err(Failure::of_status(&status).into_error(CALL, 1, true)),
        };
        let results = self.assign(answer.results)?;
        let (client, shared) = (self.client.clone(), answer.checkpoint);
        let (recorded, checkpoints) = off_thread(move || verify(&client, &shared, results)).await?;
        for (checkpoint, before) in checkpoints {
            self.client.keep(&checkpoint, before, None).await?;
        }
        Ok(Some(recorded))
    }

    fn ended(&self) -> Result<Option<Vec<Recorded>>, ClientError> {
        let left = self.on_the_way.lock().unwrap_or_else(PoisonError::into_inner).len();
        if left == 0 {
            return Ok(None);
        }
        let why = format!("the stream ended with {left} events unanswered");
        Err(ClientError::Unreachable { call: CALL, tries: 1, is_recording: true, why, answer: None })
    }

    /// Gives each result the event that it is about. Results come in the order sent, none left out.
    fn assign(&mut self, results: Vec<v1::RecordResult>) -> Result<Vec<(Sent, Outcome)>, VerifyError> {
        let mut on_the_way = self.on_the_way.lock().unwrap_or_else(PoisonError::into_inner);
        let mut assigned = Vec::with_capacity(results.len());
        for result in results {
            if result.ordinal != self.next_ordinal {
                let problem = format!("is {}, {} is due", result.ordinal, self.next_ordinal);
                return Err(VerifyError::malformed("results.ordinal", problem));
            }
            let outcome = super::present("results.outcome", result.outcome)?;
            let sent = on_the_way.pop_front();
            let sent =
                sent.ok_or_else(|| VerifyError::malformed("results", "has more members than events were sent"))?;
            self.next_ordinal += 1;
            assigned.push((sent, outcome));
        }
        Ok(assigned)
    }
}

/// Receipts that are verified, and the checkpoints that they stand under, each with the newest that was kept when an
/// event under it was sent.
type Verified = (Vec<Recorded>, Vec<(VerifiedCheckpoint, Option<Kept>)>);

/// Verifies one checkpoint for all receipts of a message that share it, and every receipt under its own.
fn verify(client: &Client, shared: &[u8], results: Vec<(Sent, Outcome)>) -> Result<Verified, VerifyError> {
    let mut checkpoints: HashMap<Vec<u8>, (VerifiedCheckpoint, Option<Kept>)> = HashMap::new();
    let mut recorded = Vec::with_capacity(results.len());
    for (Sent { event, before }, outcome) in results {
        let receipt = match outcome {
            Outcome::Receipt(receipt) => receipt,
            Outcome::Refusal(refusal) => {
                recorded.push(Recorded { event, outcome: Err(ServerError::of_refusal(&refusal)) });
                continue;
            }
        };
        let note = if receipt.checkpoint.is_empty() { shared } else { receipt.checkpoint.as_slice() };
        if !checkpoints.contains_key(note) {
            checkpoints.insert(note.to_vec(), (client.checkpoint_of(note)?, None));
        }
        let Some((checkpoint, newest_before)) = checkpoints.get_mut(note) else { continue };
        if before.is_some_and(|before| newest_before.is_none_or(|newest| before.size > newest.size)) {
            *newest_before = before;
        }
        let receipt = verify_receipt_under(checkpoint.clone(), &event, &receipt)?;
        recorded.push(Recorded { event, outcome: Ok(receipt) });
    }
    let mut checkpoints: Vec<_> = checkpoints.into_values().collect();
    checkpoints.sort_unstable_by_key(|(checkpoint, _)| checkpoint.size());
    Ok((recorded, checkpoints))
}
