//! Asking what was refused: the server's word, which no proof covers and no checkpoint

use tally_proto::v1;
use tally_proto::v1::refusal_service_client::RefusalServiceClient;

use super::{Client, MESSAGE_BYTES_MAX, Reading};
use crate::error::ClientError;

impl Client {
    fn refusals(&self) -> RefusalServiceClient<Reading> {
        RefusalServiceClient::with_interceptor(self.shared.channel.clone(), self.shared.bearer.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// A page of refused submissions, newest first, and on the first page the counters. Of each the signature can be
    /// checked, over PAE of the event's payload type; that it was sent, when, and that none is missing is the server's word.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a filter that is malformed, a page token of another query, or nobody who asks.
    pub async fn list_refusals(
        &self,
        request: v1::ListRefusalsRequest,
    ) -> Result<v1::ListRefusalsResponse, ClientError> {
        let answered = self.call("ListRefusals", false, || {
            let (mut refusals, request) = (self.refusals(), request.clone());
            async move { refusals.list_refusals(request).await }
        });
        answered.await
    }
}
