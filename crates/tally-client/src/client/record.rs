//! Recording: one event, or an atomic set
//!
//! A retry with the same bytes gives the same receipt, so that a lost answer costs nothing. Another link of the same
//! statement is signed only after STALE_HEAD for the bytes before: two links that both stand would be one deed recorded
//! twice.

use std::collections::{BTreeMap, BTreeSet};

use tally_core::id::SubjectId;
use tally_core::number::ChainIndex;
use tally_core::refusal::Head;
use tally_proto::v1;
use tokio::task::JoinSet;

use super::{Client, present};
use crate::draft::{Draft, SetMember, SignedEvent, sign_set};
use crate::error::ClientError;
use crate::key::SigningKey;
use crate::verify::{VerifiedHead, VerifiedReceipt, VerifyError, verify_receipt_under};

/// How often a statement is linked to a head that moves on.
const LINKS_MAX: u32 = 16;
/// Heads that are asked for at a time.
const HEADS_AT_A_TIME: usize = 16;

impl Client {
    /// Records one event. The same bytes are sent again after a lost connection and when the server is busy.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: nothing was recorded. [`ClientError::Unreachable`]: send the same bytes again.
    /// [`ClientError::Verify`]: the receipt proves nothing.
    pub async fn record(&self, event: &SignedEvent) -> Result<VerifiedReceipt, ClientError> {
        let before = self.kept();
        let v1::SignedEvent { payload, key_id, signature } = event.message();
        let request = v1::RecordEventRequest { payload, key_id, signature };
        let answer = self.call("RecordEvent", true, || {
            let (mut ledger, request) = (self.ledger(), request.clone());
            async move { ledger.record_event(request).await }
        });
        let receipt = present("receipt", answer.await?.receipt)?;
        let checkpoint = self.checkpoint_of(&receipt.checkpoint)?;
        let receipt = verify_receipt_under(checkpoint, event, &receipt)?;
        self.keep(&receipt.checkpoint, before, None).await?;
        Ok(receipt)
    }

    /// Signs a statement on the head of its chain and records it; signs again where the head moved on.
    ///
    /// Which of the equipment that the body names has a chain is asked of the ledger, unless
    /// [`Draft::mention_equipment`] was told. The link that was sent stays in the draft until the ledger refuses it:
    /// calling this again after a lost answer sends the same bytes first.
    ///
    /// # Errors
    /// As of [`Client::record`]; [`ClientError::HeadMoves`]; [`ClientError::Draft`].
    pub async fn record_draft(
        &self,
        draft: &mut Draft,
        issuer: &SigningKey,
        hands: &[&SigningKey],
    ) -> Result<(SignedEvent, VerifiedReceipt), ClientError> {
        let subject = draft.subject();
        let mut head: Option<Head> = None;
        let mut tries = 0;
        loop {
            let event = match draft.sent() {
                Some(sent) => sent.clone(),
                None => {
                    let head = match head.take() {
                        Some(head) => head,
                        None => self.resolve(&mut [&mut *draft]).await?.get(&subject).copied().unwrap_or(NO_CHAIN),
                    };
                    let event = draft.sign(ChainIndex::new(head.chain_length), head.head_hash, issuer, hands)?;
                    draft.set_sent(Some(event.clone()));
                    event
                }
            };
            let error = match self.record(&event).await {
                Ok(receipt) => return Ok((event, receipt)),
                Err(error) => error,
            };
            if matches!(error, ClientError::Refused(_)) {
                draft.set_sent(None);
            }
            tries += 1;
            match error.stale_head() {
                // A head that did not move on is no reason to sign again.
                Some((named, moved)) if named == subject && moved.chain_length > event.chain_index().get() => {
                    if tries == LINKS_MAX {
                        return Err(ClientError::HeadMoves { subject, tries });
                    }
                    head = Some(moved);
                }
                Some(_) | None => return Err(error),
            }
        }
    }

    /// Records an atomic set, whose members stand in the order given: all of them, or none.
    ///
    /// # Errors
    /// As of [`Client::record`], for the first member that is refused.
    pub async fn record_set(&self, events: &[SignedEvent]) -> Result<Vec<VerifiedReceipt>, ClientError> {
        let before = self.kept();
        let request = v1::RecordSetRequest { events: events.iter().map(SignedEvent::message).collect() };
        let answer = self.call("RecordSet", true, || {
            let (mut ledger, request) = (self.ledger(), request.clone());
            async move { ledger.record_set(request).await }
        });
        let receipts = answer.await?.receipts;
        if receipts.len() != events.len() {
            let problem = format!("has {} members, {} were sent", receipts.len(), events.len());
            return Err(VerifyError::malformed("receipts", problem).into());
        }
        let mut verified = Vec::with_capacity(receipts.len());
        for (event, receipt) in events.iter().zip(&receipts) {
            let checkpoint = self.checkpoint_of(&receipt.checkpoint)?;
            let receipt = verify_receipt_under(checkpoint, event, receipt)?;
            self.keep(&receipt.checkpoint, before, None).await?;
            verified.push(receipt);
        }
        Ok(verified)
    }

    /// Signs an atomic set on the heads of its chains and records it; signs all of it again where a head moved on.
    ///
    /// As with [`Client::record_draft`], what was sent stays in the drafts until it is refused.
    ///
    /// # Errors
    /// As of [`Client::record_set`]; [`ClientError::HeadMoves`]; [`ClientError::Draft`].
    pub async fn record_set_drafts(
        &self,
        members: &mut [SetMember<'_>],
        issuer: &SigningKey,
    ) -> Result<Vec<(SignedEvent, VerifiedReceipt)>, ClientError> {
        let mut tries = 0;
        loop {
            let sent: Option<Vec<SignedEvent>> = members.iter().map(|member| member.draft.sent().cloned()).collect();
            let events = match sent {
                Some(sent) => sent,
                None => {
                    let mut drafts: Vec<&mut Draft> = members.iter_mut().map(|member| &mut member.draft).collect();
                    let heads = self.resolve(&mut drafts).await?;
                    let events = sign_set(members, &heads, issuer)?;
                    for (member, event) in members.iter_mut().zip(&events) {
                        member.draft.set_sent(Some(event.clone()));
                    }
                    events
                }
            };
            let error = match self.record_set(&events).await {
                Ok(receipts) => return Ok(events.into_iter().zip(receipts).collect()),
                Err(error) => error,
            };
            if matches!(error, ClientError::Refused(_)) {
                members.iter_mut().for_each(|member| member.draft.set_sent(None));
            }
            tries += 1;
            match error.stale_head() {
                Some((subject, _)) if tries == LINKS_MAX => return Err(ClientError::HeadMoves { subject, tries }),
                // The refusal names one head; all of them are asked for again.
                Some(_) => {}
                None => return Err(error),
            }
        }
    }

    /// The verified heads of these subjects, each once.
    ///
    /// # Errors
    /// The first error of [`Client::head`].
    pub async fn heads(
        &self,
        subjects: impl IntoIterator<Item = SubjectId>,
    ) -> Result<BTreeMap<SubjectId, VerifiedHead>, ClientError> {
        let subjects: BTreeSet<SubjectId> = subjects.into_iter().collect();
        let mut heads = BTreeMap::new();
        let mut asked = JoinSet::new();
        let mut due = subjects.into_iter();
        loop {
            while asked.len() < HEADS_AT_A_TIME
                && let Some(subject) = due.next()
            {
                let client = self.clone();
                asked.spawn(async move { client.head(subject).await });
            }
            match asked.join_next().await {
                Some(Ok(head)) => {
                    let head = head?;
                    heads.insert(head.subject, head);
                }
                Some(Err(ended)) => match ended.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime is being shut down, and this task with it.
                    Err(_) => std::future::pending().await,
                },
                None => return Ok(heads),
            }
        }
    }

    /// Asks for the heads that the drafts continue, and mentions the equipment of theirs that has a chain.
    async fn resolve(&self, drafts: &mut [&mut Draft]) -> Result<BTreeMap<SubjectId, Head>, ClientError> {
        let mut subjects: Vec<SubjectId> = drafts.iter().map(|draft| draft.subject()).collect();
        let open = |draft: &Draft| !draft.is_resolved();
        subjects.extend(drafts.iter().filter(|draft| open(draft)).flat_map(|draft| draft.named_equipment()));
        let heads = self.heads(subjects).await?;
        for draft in drafts.iter_mut().filter(|draft| open(draft)) {
            draft.set_mentions(|subject| heads.get(subject).is_some_and(VerifiedHead::is_opened));
        }
        Ok(heads.into_iter().map(|(subject, head)| (subject, head.head)).collect())
    }
}

const NO_CHAIN: Head = Head { chain_length: 0, head_hash: tally_core::hash::EventHash::ZERO };
