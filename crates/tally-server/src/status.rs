//! From errors to gRPC statuses: the only file that says `tonic::Code`.

use std::{collections::HashMap, time::Duration};

use tally_core::{
    authority::role_name,
    id::{OrganisationId, SubjectId},
    refusal::{Class, Head, Refusal},
    token::TokenError,
};
use tally_index::IndexError;
use tally_proto::v1::{self, Role};
use tonic::{Code, Status, codegen::http};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt};

/// `ErrorInfo.domain` of everything that this server says.
pub const DOMAIN: &str = "tally.v1";

/// How long a caller should wait before the same bytes again.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Why a call failed, other than a refusal.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// An event was refused.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A set was refused because a member was signed on an old head; every head of its subjects is told.
    #[error("{refusal}")]
    StaleSet {
        /// The first stale member's refusal.
        refusal: Refusal,
        /// Every subject of the set and its head.
        heads: Vec<(SubjectId, Head)>,
    },
    /// A field of the request is wrong.
    #[error("{field}: {what}")]
    BadRequest {
        /// Which field.
        field: &'static str,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// Nothing is on record, or not for the caller's eyes.
    #[error("{what} {name} is not on record")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// The call needs a token.
    #[error("the call needs a token: authorization: Bearer TOKEN")]
    TokenMissing,
    /// The token is not taken.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The role sees nothing of the method.
    #[error("role {} may not call {method}", role_name(*role))]
    RoleMayNotRead {
        /// Of the token.
        role: Role,
        /// What was called.
        method: &'static str,
    },
    /// The method tells of everybody, and the grant of the caller's role is limited or not in force.
    #[error("{method} needs a grant of role {} that is in force and without limits", role_name(*role))]
    GrantLimited {
        /// Of the token.
        role: Role,
        /// What was called.
        method: &'static str,
    },
    /// Nobody may call it.
    #[error("there is no such method")]
    NoSuchMethod,
    /// The question reaches past what is sealed.
    #[error("{field}: {what}")]
    OutOfRange {
        /// Which field.
        field: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A queue has no room.
    #[error("the {queue} queue is full; nothing was recorded, send the same bytes again")]
    QueueFull {
        /// Which.
        queue: &'static str,
    },
    /// An outsider to a machine moved its chain on too often.
    #[error(
        "{organisation} has had its turn at the chain of {subject}; it neither holds nor uses it, and others need room to \
         write: nothing was recorded, send the same bytes again in {} ms, or sign again if the head has moved",
        wait.as_millis()
    )]
    ChainBusy {
        /// The machine.
        subject: SubjectId,
        /// Who must wait.
        organisation: OrganisationId,
        /// How long.
        wait: Duration,
    },
    /// Somebody without an account asked more often than the rate allows.
    #[error("asked too often from this address; ask again in a second, or with a token")]
    TooOften,
    /// The server stops, or the log is in doubt.
    #[error("{0}")]
    Unavailable(&'static str),
    /// The log or index does not read back.
    #[error("the log or its index could not be read; the operator's log says where")]
    DataLoss(#[source] IndexError),
    /// A bug.
    #[error("internal error, incident {incident}")]
    Internal {
        /// Id under which the operator's log has the cause.
        incident: String,
    },
}

impl CallError {
    /// A bug: the cause goes to our log, the incident id to the caller.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        let mut id = [0; 8];
        // Without random numbers the incident still has the log line.
        if let Err(error) = getrandom::fill(&mut id) {
            tracing::warn!(%error, "no random numbers for an incident id");
        }
        let incident = hex::encode(id);
        tracing::error!(incident, %cause, "internal error");
        Self::Internal { incident }
    }

    /// The name under which callers match on it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refusal) | Self::StaleSet { refusal, .. } => refusal.reason(),
            Self::BadRequest { .. } => "BAD_REQUEST",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::TokenMissing => "TOKEN_MISSING",
            Self::Token(error) => error.reason(),
            Self::RoleMayNotRead { .. } => "ROLE_MAY_NOT_READ",
            Self::GrantLimited { .. } => "GRANT_LIMITED",
            Self::NoSuchMethod => "NO_SUCH_METHOD",
            Self::OutOfRange { .. } => "OUT_OF_RANGE",
            Self::QueueFull { .. } => "QUEUE_FULL",
            Self::ChainBusy { .. } => "CHAIN_BUSY",
            Self::TooOften => "TOO_OFTEN",
            Self::Unavailable(_) => "UNAVAILABLE",
            Self::DataLoss(_) => "DATA_LOSS",
            Self::Internal { .. } => "INTERNAL",
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) | Self::StaleSet { refusal, .. } => match refusal.row().class {
                Class::Malformed => Code::InvalidArgument,
                Class::Forbidden => Code::PermissionDenied,
                Class::Precondition => Code::FailedPrecondition,
                Class::Stale => Code::Aborted,
                Class::Exists => Code::AlreadyExists,
            },
            Self::BadRequest { .. } => Code::InvalidArgument,
            Self::NotFound { .. } => Code::NotFound,
            Self::TokenMissing | Self::Token(_) => Code::Unauthenticated,
            Self::RoleMayNotRead { .. } | Self::GrantLimited { .. } => Code::PermissionDenied,
            Self::NoSuchMethod => Code::Unimplemented,
            Self::OutOfRange { .. } => Code::OutOfRange,
            Self::QueueFull { .. } | Self::ChainBusy { .. } | Self::TooOften => Code::ResourceExhausted,
            Self::Unavailable(_) => Code::Unavailable,
            Self::DataLoss(_) => Code::DataLoss,
            Self::Internal { .. } => Code::Internal,
        }
    }

    fn zh(&self) -> &'static str {
        match self {
            Self::Refused(refusal) | Self::StaleSet { refusal, .. } => refusal.row().zh,
            Self::BadRequest { .. } => "请求参数不正确",
            Self::NotFound { .. } => "未建档",
            Self::TokenMissing => "此调用需要令牌",
            Self::Token(_) => "令牌无效",
            Self::RoleMayNotRead { .. } => "该角色无权读取",
            Self::GrantLimited { .. } => "该角色的授权不在有效期内或有范围限制",
            Self::NoSuchMethod => "没有这个方法",
            Self::OutOfRange { .. } => "超出已封存的范围",
            Self::QueueFull { .. } => "队列已满,请稍后重发相同内容",
            Self::ChainBusy { .. } => "本单位在该设备链上记录过于频繁,请稍后再试",
            Self::TooOften => "查询过于频繁,请稍后再试",
            Self::Unavailable(_) => "服务暂不可用,请稍后重发相同内容",
            Self::DataLoss(_) => "数据无法读取",
            Self::Internal { .. } => "内部错误",
        }
    }
}

impl From<IndexError> for CallError {
    fn from(error: IndexError) -> Self {
        tracing::error!(%error, cause = std::error::Error::source(&error).map(ToString::to_string), "a read failed");
        Self::DataLoss(error)
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        let mut metadata = HashMap::new();
        let mut details = ErrorDetails::new();
        match &error {
            CallError::Refused(refusal) => {
                tell_refusal(refusal, &mut metadata);
                if let Refusal::Form(form) = refusal {
                    let violations = form.problems().iter().map(|problem| {
                        // Of the event as a whole the form names no field; in a request that is the payload.
                        let field = if problem.field.is_empty() { "payload" } else { problem.field.as_str() };
                        FieldViolation::new(field, problem.problem.to_string())
                    });
                    details.set_bad_request(violations.collect::<Vec<_>>());
                }
                if refusal.row().class == Class::Precondition {
                    let violation = PreconditionViolation::new(refusal.reason(), "event", refusal.to_string());
                    details.set_precondition_failure(vec![violation]);
                }
            }
            CallError::StaleSet { refusal, heads } => {
                tell_refusal(refusal, &mut metadata);
                let heads: Vec<String> = heads
                    .iter()
                    .map(|(subject, head)| format!("{subject} {} {}", head.chain_length, head.head_hash))
                    .collect();
                metadata.insert("heads".to_owned(), heads.join("\n"));
            }
            CallError::BadRequest { field, what } | CallError::OutOfRange { field, what } => {
                details.set_bad_request(vec![FieldViolation::new(*field, what.clone())]);
            }
            CallError::NotFound { what, name } => {
                details.set_resource_info(*what, name.clone(), "", "not on record, or not for your eyes");
            }
            CallError::QueueFull { .. } | CallError::TooOften | CallError::Unavailable(_) => {
                details.set_retry_info(Some(RETRY_DELAY));
            }
            CallError::ChainBusy { subject, organisation, wait } => {
                details.set_retry_info(Some(*wait));
                metadata.insert("subject".to_owned(), subject.to_string());
                metadata.insert("organisation".to_owned(), organisation.to_string());
            }
            CallError::RoleMayNotRead { role, method } | CallError::GrantLimited { role, method } => {
                metadata.insert("role".to_owned(), role_name(*role).to_owned());
                metadata.insert("method".to_owned(), (*method).to_owned());
            }
            CallError::DataLoss(_) | CallError::TokenMissing | CallError::Token(_) | CallError::NoSuchMethod => {}
            CallError::Internal { incident } => {
                metadata.insert("incident".to_owned(), incident.clone());
            }
        }
        details.set_error_info(error.reason(), DOMAIN, metadata);
        details.set_localized_message("zh-CN", error.zh());
        Self::with_error_details(error.code(), error.to_string(), details)
    }
}

/// The HTTP status for a caller that speaks no gRPC and looks for none in the trailers.
pub(crate) fn http_status(error: &CallError) -> http::StatusCode {
    use http::StatusCode as Http;
    #[expect(clippy::wildcard_enum_match_arm, reason = "of all codes these are what the layer of access answers with")]
    match error.code() {
        Code::Unauthenticated => Http::UNAUTHORIZED,
        Code::PermissionDenied => Http::FORBIDDEN,
        Code::Unimplemented => Http::NOT_FOUND,
        Code::Unavailable => Http::SERVICE_UNAVAILABLE,
        _ => Http::INTERNAL_SERVER_ERROR,
    }
}

fn tell_refusal(refusal: &Refusal, metadata: &mut HashMap<String, String>) {
    metadata.extend(refusal.metadata().into_iter().map(|(name, value)| (name.to_owned(), value)));
    metadata.insert("help".to_owned(), refusal.row().help.to_owned());
}

/// A refusal inside a stream's result.
pub fn refusal_message(error: CallError) -> v1::Refusal {
    let status = Status::from(error);
    v1::Refusal { code: status.code() as i32, message: status.message().to_owned(), details: status.details().to_vec() }
}

/// A subject key of a request.
///
/// # Errors
/// [`CallError::BadRequest`].
pub fn subject(field: &'static str, key: &[u8]) -> Result<SubjectId, CallError> {
    SubjectId::parse(key).map_err(|error| CallError::BadRequest { field, what: error.to_string() })
}

/// A 16-byte id of a request.
///
/// # Errors
/// [`CallError::BadRequest`].
pub fn id16(field: &'static str, id: &[u8]) -> Result<[u8; 16], CallError> {
    let what = || format!("has {} bytes; an id has 16", id.len());
    id.try_into().map_err(|_| CallError::BadRequest { field, what: what() })
}
