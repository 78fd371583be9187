//! What a regulator asks: orders, overviews, and the export of everything about a mine

use tally_core::id::{SubjectId, SubjectKind};
use tally_proto::v1;
use tally_proto::v1::supervision_service_client::SupervisionServiceClient;
use tonic::Streaming;

use super::read::{Answer, Listed, checked_basis, of_kind, same_id};
use super::{Client, MESSAGE_BYTES_MAX, Reading, off_thread, present};
use crate::error::{ClientError, Failure};
use crate::verify::{AuditPeriod, AuditReport, AuditVerifier, VerifiedAuditEntry, VerifyError};

/// One message of an export, verified as far as it can be before the last one came.
#[derive(Clone, Debug)]
pub struct AuditPart {
    /// The message as it came.
    pub message: v1::ExportAuditResponse,
    /// Its entries.
    pub entries: Vec<VerifiedAuditEntry>,
}

/// An export that is under way.
pub struct AuditStream {
    period: AuditPeriod,
    parts: Streaming<v1::ExportAuditResponse>,
    first: Option<v1::ExportAuditResponse>,
    verifier: Option<AuditVerifier>,
}

impl std::fmt::Debug for AuditStream {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("AuditStream").field("period", &self.period).finish_non_exhaustive()
    }
}

const EXPORT: &str = "ExportAudit";

impl AuditStream {
    /// What was asked for.
    #[must_use]
    pub const fn period(&self) -> &AuditPeriod {
        &self.period
    }

    /// The next message; `None` after the last one: then [`AuditStream::finish`] says whether anything is missing.
    ///
    /// # Errors
    /// [`ClientError::Verify`], [`ClientError::Unreachable`].
    pub async fn next(&mut self) -> Result<Option<AuditPart>, ClientError> {
        let message = match self.first.take() {
            Some(first) => first,
            None => match self.parts.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(None),
                Err(status) => return Err(Failure::of_status(&status).into_error(EXPORT, 1, false)),
            },
        };
        let Some(mut verifier) = self.verifier.take() else {
            return Err(VerifyError::malformed("export", "goes on after an error").into());
        };
        // A signature for each entry: too long for an async thread.
        let verified = off_thread(move || {
            let entries = verifier.take(&message)?;
            Ok::<_, VerifyError>((AuditPart { message, entries }, verifier))
        });
        let (part, verifier) = verified.await?;
        self.verifier = Some(verifier);
        Ok(Some(part))
    }

    /// What was proved, after the last message.
    ///
    /// # Errors
    /// [`ClientError::Verify`] where something is missing.
    pub fn finish(self) -> Result<AuditReport, ClientError> {
        let verifier = self.verifier.ok_or_else(|| VerifyError::malformed("export", "ended in an error"))?;
        Ok(verifier.finish()?)
    }
}

impl Client {
    fn supervision(&self) -> SupervisionServiceClient<Reading> {
        SupervisionServiceClient::with_interceptor(self.shared.channel.clone(), self.shared.bearer.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// An order with its receipts and what is open: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it is not on record or not for the caller's eyes; [`ClientError::Subject`] for a subject
    /// that is no order.
    pub async fn order(&self, id: SubjectId, at: v1::At) -> Result<Answer<v1::GivenOrder>, ClientError> {
        of_kind(id, SubjectKind::Order)?;
        let before = self.kept();
        let request = v1::GetOrderRequest { id: id.id().to_vec(), at: Some(at) };
        let answered = self.call("GetOrder", false, || {
            let (mut supervision, request) = (self.supervision(), request.clone());
            async move { supervision.get_order(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, at, before)?;
        let value = present("order", answer.order)?;
        same_id(id, &value.id)?;
        Ok(Answer { basis, value })
    }

    /// One page of orders: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a page token of another query.
    pub async fn list_orders(&self, request: v1::ListOrdersRequest) -> Result<Listed<v1::GivenOrder>, ClientError> {
        // A later page knows what the first one knew.
        let before = self.kept().filter(|_| request.page_token.is_empty());
        let answered = self.call("ListOrders", false, || {
            let (mut supervision, request) = (self.supervision(), request.clone());
            async move { supervision.list_orders(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, request.at.unwrap_or_default(), before)?;
        Ok(Listed { basis, members: answer.orders, next_page_token: answer.next_page_token })
    }

    /// What happened to the machines of an order since: the server's word. Each machine's own history proves it.
    ///
    /// # Errors
    /// As of [`Client::order`]; [`ClientError::Unreachable`].
    pub async fn since_order(
        &self,
        id: SubjectId,
        at: v1::At,
        against_only: bool,
    ) -> Result<Answer<Vec<v1::SinceOrder>>, ClientError> {
        const CALL: &str = "StreamSinceOrder";
        of_kind(id, SubjectKind::Order)?;
        let before = self.kept();
        let request = v1::StreamSinceOrderRequest { id: id.id().to_vec(), at: Some(at), against_only };
        let answered = self.call(CALL, false, || {
            let (mut supervision, request) = (self.supervision(), request.clone());
            async move { supervision.stream_since_order(request).await }
        });
        let mut parts = answered.await?;
        let (mut basis, mut events) = (None, Vec::new());
        loop {
            match parts.message().await {
                Ok(Some(part)) => {
                    basis = part.basis.or(basis);
                    events.extend(part.events);
                }
                Ok(None) => break,
                Err(status) => return Err(Failure::of_status(&status).into_error(CALL, 1, false)),
            }
        }
        Ok(Answer { basis: checked_basis(basis, at, before)?, value: events })
    }

    /// The figures of a mine: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it is not on record or not for the caller's eyes; [`ClientError::Subject`] for a subject
    /// that is no mine.
    pub async fn mine_overview(&self, mine: SubjectId, at: v1::At) -> Result<Answer<v1::MineFigures>, ClientError> {
        of_kind(mine, SubjectKind::Mine)?;
        let before = self.kept();
        let request = v1::GetMineOverviewRequest { mine: mine.id().to_vec(), at: Some(at) };
        let answered = self.call("GetMineOverview", false, || {
            let (mut supervision, request) = (self.supervision(), request.clone());
            async move { supervision.get_mine_overview(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, at, before)?;
        let value = present("overview", answer.overview)?;
        same_id(mine, &value.mine)?;
        Ok(Answer { basis, value })
    }

    /// The figures of an area, and of each of its mines: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for an area that is none.
    pub async fn jurisdiction_overview(
        &self,
        area: &str,
        at: v1::At,
    ) -> Result<Answer<(v1::Figures, Vec<v1::MineFigures>)>, ClientError> {
        let before = self.kept();
        let request = v1::GetJurisdictionOverviewRequest { area: area.to_owned(), at: Some(at) };
        let answered = self.call("GetJurisdictionOverview", false, || {
            let (mut supervision, request) = (self.supervision(), request.clone());
            async move { supervision.get_jurisdiction_overview(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, at, before)?;
        Ok(Answer { basis, value: (present("figures", answer.figures)?, answer.mines) })
    }

    /// Every entry about a mine and the machines that ever were in it, recorded in a period: verified as it comes, and at
    /// the end that none is missing of any subject.
    ///
    /// # Errors
    /// [`ClientError::Verify`], [`ClientError::Unreachable`]; [`ClientError::Refused`] where the mine is not on record or
    /// not for the caller's eyes.
    pub async fn export_audit(&self, period: AuditPeriod) -> Result<AuditStream, ClientError> {
        of_kind(period.mine, SubjectKind::Mine)?;
        let before = self.kept();
        let request = v1::ExportAuditRequest {
            mine: period.mine.id().to_vec(),
            from_us: period.from_us,
            until_us: period.until_us,
            kept_size: before.map_or(0, |kept| kept.size.get()),
        };
        let answered = self.call(EXPORT, false, || {
            let (mut supervision, request) = (self.supervision(), request.clone());
            async move { supervision.export_audit(request).await }
        });
        let mut parts = match answered.await {
            Ok(parts) => parts,
            Err(error) => return Err(self.went_back(error, before).await),
        };
        let first = match parts.message().await {
            Ok(first) => present("first message", first)?,
            Err(status) => return Err(Failure::of_status(&status).into_error(EXPORT, 1, false)),
        };
        let verifier = AuditVerifier::begin(self.trust().clone(), period, &first)?;
        self.keep(verifier.checkpoint(), before, Some(&first.consistency)).await?;
        Ok(AuditStream { period, parts, first: Some(first), verifier: Some(verifier) })
    }
}
