//! Why a call failed, sorted by what the caller does next

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use tally_core::hash::EventHash;
use tally_core::id::{IdError, SubjectId};
use tally_core::refusal::Head;
use tally_proto::v1;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::draft::DraftError;
use crate::state::StateError;
use crate::verify::VerifyError;

/// `ErrorInfo.domain` of everything that a ledger says.
const DOMAIN: &str = "tally.v1";

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is none.
    #[error("{server} is no address of a server; write it like http://127.0.0.1:7447")]
    Address {
        /// As given.
        server: String,
        /// Why not.
        #[source]
        cause: tonic::transport::Error,
    },
    /// No connection. Nothing was sent.
    #[error("{server} cannot be reached; nothing was sent")]
    Connect {
        /// Which server.
        server: String,
        /// Why not.
        #[source]
        cause: tonic::transport::Error,
    },
    /// No answer, or only "not now", to the end of the tries. Try again; of a recording call send the same bytes again,
    /// for what was recorded is not known.
    #[error("no answer to {call} in {tries} tries: {why}{}", consequence(*is_recording))]
    Unreachable {
        /// Which call.
        call: &'static str,
        /// How often it was sent.
        tries: u32,
        /// Whether something may have been recorded.
        is_recording: bool,
        /// What happened last.
        why: String,
        /// What the server said last, if it said anything.
        answer: Option<Box<ServerError>>,
    },
    /// The server said no. Nothing was changed; the same call never succeeds while the facts are the same.
    #[error(transparent)]
    Refused(Box<ServerError>),
    /// The server has a fault of its own, or does not know the call.
    #[error(transparent)]
    Failed(Box<ServerError>),
    /// What came back is not to be believed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The kept checkpoint cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The event cannot be made. Nothing was sent.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// The subject is of another kind than the call is about. Nothing was sent.
    #[error(transparent)]
    Subject(#[from] IdError),
    /// Others recorded on the chain before each new link. Nothing was recorded; try again.
    #[error("the head of {subject} moved on before each of {tries} links; nothing was recorded")]
    HeadMoves {
        /// Which chain.
        subject: SubjectId,
        /// How often it was signed.
        tries: u32,
    },
    /// The answer is longer than this client takes.
    #[error("the answer to {call} has over {bytes_max} bytes, which is more than this client takes")]
    TooLong {
        /// Which call.
        call: &'static str,
        /// The bound.
        bytes_max: usize,
    },
}

const fn consequence(is_recording: bool) -> &'static str {
    if is_recording { "; whether it was recorded is not known, send the same bytes again" } else { "" }
}

impl ClientError {
    /// What the server said, if it said anything.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Refused(error) | Self::Failed(error) => Some(error),
            Self::Unreachable { answer, .. } => answer.as_deref(),
            Self::Address { .. }
            | Self::Connect { .. }
            | Self::Verify(_)
            | Self::State(_)
            | Self::Draft(_)
            | Self::Subject(_)
            | Self::HeadMoves { .. }
            | Self::TooLong { .. } => None,
        }
    }

    /// The head that a refused event must be linked to instead; only STALE_HEAD asks for that.
    #[must_use]
    pub fn stale_head(&self) -> Option<(SubjectId, Head)> {
        match self {
            Self::Refused(error) => error.stale_head(),
            Self::Failed(_)
            | Self::Unreachable { .. }
            | Self::Address { .. }
            | Self::Connect { .. }
            | Self::Verify(_)
            | Self::State(_)
            | Self::Draft(_)
            | Self::Subject(_)
            | Self::HeadMoves { .. }
            | Self::TooLong { .. } => None,
        }
    }

    /// Whether the ledger was seen to go back or to fork: no retry helps, and the regulator should hear of it.
    #[must_use]
    pub const fn is_misbehaviour(&self) -> bool {
        matches!(self, Self::Verify(error) if error.is_misbehaviour())
    }

    /// Whether the ledger said OUT_OF_RANGE: the question reaches past what it has sealed.
    pub(crate) fn is_out_of_range(&self) -> bool {
        self.server().is_some_and(|error| error.reason == "OUT_OF_RANGE")
    }
}

/// What a server said instead of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerError {
    /// gRPC status code.
    pub code: Code,
    /// The contract: programs match on it. Of what is no ledger's answer, the name of the code, such as `Unimplemented`.
    pub reason: String,
    /// In English, for people.
    pub message: String,
    /// In Chinese, where the ledger said it.
    pub localized: Option<String>,
    /// Fields of the request that are wrong, each with what is wrong.
    pub fields: Vec<(String, String)>,
    /// The values in the message, by name.
    pub metadata: HashMap<String, String>,
    /// How long to wait before the same call again, where the server said so.
    pub retry_delay: Option<Duration>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for ServerError {}

impl ServerError {
    /// Reads a status with its details. Details that do not decode are left out: the code still says what to do.
    #[must_use]
    pub fn of_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let violations = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
        Self {
            code: status.code(),
            reason: info.map_or_else(|| format!("{:?}", status.code()), |info| info.reason.clone()),
            message: status.message().to_owned(),
            localized: details.localized_message().map(|text| text.message.clone()),
            fields: violations.iter().map(|bad| (bad.field.clone(), bad.description.clone())).collect(),
            metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
            retry_delay: details.retry_info().and_then(|info| info.retry_delay),
        }
    }

    /// Reads the refusal of one event of a stream.
    #[must_use]
    pub fn of_refusal(refusal: &v1::Refusal) -> Self {
        let (code, message) = (Code::from_i32(refusal.code), refusal.message.clone());
        Self::of_status(&Status::with_details(code, message, refusal.details.clone().into()))
    }

    /// Whether the same bytes may be taken later: the server was busy or stopping.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self.code, Code::Unavailable | Code::ResourceExhausted)
    }

    /// The head that the event must be linked to instead; only STALE_HEAD asks for that.
    #[must_use]
    pub fn stale_head(&self) -> Option<(SubjectId, Head)> {
        if self.reason != "STALE_HEAD" {
            return None;
        }
        let value = |name: &str| self.metadata.get(name);
        let subject = value("subject")?.parse().ok()?;
        let chain_length = value("chain_length")?.parse().ok()?;
        let head_hash: EventHash = value("head_hash")?.parse().ok()?;
        Some((subject, Head { chain_length, head_hash }))
    }
}

/// What a failed try means for the call.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No further try helps.
    Final(ClientError),
    /// The same call may succeed later.
    Again {
        /// How long the server asks to wait.
        delay: Option<Duration>,
        /// What happened.
        why: String,
        /// What the server said, if it was the server.
        answer: Option<Box<ServerError>>,
    },
}

impl Failure {
    /// Sorts a status: one of a ledger by its code, one of anything between by whether the connection was lost.
    pub(crate) fn of_status(status: &Status) -> Self {
        let error = Box::new(ServerError::of_status(status));
        let is_ledgers = status.get_error_details().error_info().is_some_and(|info| info.domain == DOMAIN);
        match status.code() {
            Code::Unavailable | Code::ResourceExhausted if is_ledgers => {
                Self::Again { delay: error.retry_delay, why: error.to_string(), answer: Some(error) }
            }
            // So tonic shows a connection that broke, was reset or refused, and a proxy a server that is gone.
            Code::Unavailable | Code::ResourceExhausted | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => {
                Self::Again { delay: error.retry_delay, why: why(status), answer: None }
            }
            Code::Internal if !is_ledgers => Self::Again { delay: None, why: why(status), answer: None },
            Code::Internal | Code::DataLoss | Code::Unimplemented | Code::Ok => Self::Final(ClientError::Failed(error)),
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unauthenticated => Self::Final(ClientError::Refused(error)),
        }
    }

    /// The error of a call that is not tried again.
    pub(crate) fn into_error(self, call: &'static str, tries: u32, is_recording: bool) -> ClientError {
        match self {
            Self::Final(error) => error,
            Self::Again { why, answer, .. } => ClientError::Unreachable { call, tries, is_recording, why, answer },
        }
    }
}

/// A status that no ledger wrote, with its causes: the connection's own words.
fn why(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = if text.is_empty() { words } else { format!("{text}: {words}") };
        }
        cause = error.source();
    }
    if text.is_empty() { format!("{:?}", status.code()) } else { text }
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    fn ledgers(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Status {
        let metadata: HashMap<String, String> =
            metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, DOMAIN, metadata);
        details.set_localized_message("zh-CN", "链头已变动");
        details.set_bad_request(vec![FieldViolation::new("statement.role", "is missing")]);
        details.set_retry_info(Some(Duration::from_millis(200)));
        Status::with_error_details(code, "words", details)
    }

    #[test]
    fn everything_that_a_ledger_says_is_read() {
        let hash = "11".repeat(32);
        let subject = "equipment/00000000-0000-0000-0000-000000000007";
        let status =
            ledgers(Code::Aborted, "STALE_HEAD", &[("subject", subject), ("chain_length", "8"), ("head_hash", &hash)]);
        let error = ServerError::of_status(&status);
        assert_eq!((error.code, error.reason.as_str(), error.message.as_str()), (Code::Aborted, "STALE_HEAD", "words"));
        assert_eq!(error.localized.as_deref(), Some("链头已变动"));
        assert_eq!(error.fields, [("statement.role".to_owned(), "is missing".to_owned())]);
        assert_eq!(error.retry_delay, Some(Duration::from_millis(200)));
        let (found, head) = error.stale_head().unwrap();
        assert_eq!((found.to_string().as_str(), head.chain_length), (subject, 8));
        assert_eq!(head.head_hash, EventHash::new([0x11; 32]));
        let refusal = v1::Refusal {
            code: status.code() as i32,
            message: status.message().to_owned(),
            details: status.details().to_vec(),
        };
        assert_eq!(ServerError::of_refusal(&refusal), error, "a refusal in a stream says the same");
    }

    #[test]
    fn only_stale_head_asks_for_another_link() {
        let gap = ledgers(Code::Aborted, "CHAIN_GAP", &[("subject", "x"), ("chain_length", "8"), ("head_hash", "")]);
        assert_eq!(ServerError::of_status(&gap).stale_head(), None);
        let garbled = ledgers(Code::Aborted, "STALE_HEAD", &[("subject", "x"), ("chain_length", "-1")]);
        assert_eq!(ServerError::of_status(&garbled).stale_head(), None);
    }

    #[test]
    fn failures_are_sorted_by_what_the_caller_does_next() {
        let again = |status: &Status| match Failure::of_status(status) {
            Failure::Again { delay, answer, .. } => Some((delay, answer.is_some())),
            Failure::Final(_) => None,
        };
        let asked = Some(Duration::from_millis(200));
        assert_eq!(again(&ledgers(Code::ResourceExhausted, "QUEUE_FULL", &[])), Some((asked, true)));
        assert_eq!(again(&ledgers(Code::Unavailable, "UNAVAILABLE", &[])), Some((asked, true)));
        assert_eq!(again(&Status::unknown("transport error")), Some((None, false)));
        assert_eq!(again(&Status::internal("h2 protocol error")), Some((None, false)));
        for status in [
            ledgers(Code::Internal, "INTERNAL", &[]),
            ledgers(Code::DataLoss, "DATA_LOSS", &[]),
            Status::unimplemented(""),
        ] {
            assert!(matches!(Failure::of_status(&status), Failure::Final(ClientError::Failed(_))), "{status:?}");
        }
        for status in [ledgers(Code::NotFound, "NOT_FOUND", &[]), Status::permission_denied("")] {
            assert!(matches!(Failure::of_status(&status), Failure::Final(ClientError::Refused(_))), "{status:?}");
        }
        let of_a_proxy = ServerError::of_status(&Status::out_of_range("message too large"));
        assert_eq!(of_a_proxy.reason, "OutOfRange", "never to be taken for the ledger's OUT_OF_RANGE");
    }

    #[test]
    fn a_recording_call_without_an_answer_says_that_the_outcome_is_not_known() {
        let error = Failure::of_status(&Status::unavailable("gone")).into_error("RecordEvent", 3, true);
        let words = "no answer to RecordEvent in 3 tries: gone; whether it was recorded is not known, send the same bytes again";
        assert_eq!(error.to_string(), words);
    }
}
