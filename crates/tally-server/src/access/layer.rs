//! The tower layer: it stands in front of the router, so that no protocol goes past it.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tally_core::{
    access::{self, OPEN_SERVICES, Row, View},
    token::{TokenError, UnverifiedToken},
};
use tonic::{
    Status,
    codegen::http::{self, HeaderMap, header},
    transport::server::TcpConnectInfo,
};
use tower::{Layer, Service};

use super::{Access, Gate, journal::Line};
use crate::status::{CallError, http_status};

/// Puts the gate in front of a service.
#[derive(Clone)]
pub struct AccessLayer {
    gate: Arc<Gate>,
}

impl AccessLayer {
    /// The layer of a gate.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = AccessService<S>;

    fn layer(&self, inner: S) -> AccessService<S> {
        AccessService { gate: self.gate.clone(), inner }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub struct AccessService<S> {
    gate: Arc<Gate>,
    inner: S,
}

impl<S, B, R> Service<http::Request<B>> for AccessService<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = http::Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        // The one that was polled is taken: a clone may not be ready.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let gate = self.gate.clone();
        let call = Call::of(&request);
        Box::pin(async move {
            match let_in(gate, &call).await {
                Ok(access) => {
                    if let Some(access) = access {
                        request.extensions_mut().insert(access);
                    }
                    inner.call(request).await
                }
                Err(error) => Ok(refuse(&call, error)),
            }
        })
    }
}

/// What the gate looks at of a request.
struct Call {
    path: String,
    token: Result<Option<String>, TokenError>,
    peer: Option<SocketAddr>,
    speaks_grpc: bool,
}

impl Call {
    fn of<B>(request: &http::Request<B>) -> Self {
        let kind = request.headers().get(header::CONTENT_TYPE);
        Self {
            path: request.uri().path().to_owned(),
            token: bearer(request.headers()).map(|token| token.map(str::to_owned)),
            peer: request.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr),
            speaks_grpc: kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")),
        }
    }
}

/// Who asks and what he may see; nothing for a service that says nothing about anybody.
async fn let_in(gate: Arc<Gate>, call: &Call) -> Result<Option<Access>, CallError> {
    let asked = tokio::time::Instant::now();
    let mut path = call.path.strip_prefix('/').unwrap_or_default().splitn(2, '/');
    let (service, method) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    if OPEN_SERVICES.contains(&service) {
        return Ok(None);
    }
    let row: &'static Row = access::row(service, method).ok_or(CallError::NoSuchMethod)?;
    let peer = call.peer;
    let now = gate.clock.wall();
    let refused = |caller, subject: &str, error: CallError| {
        gate.journal.refused(&Line { at: now, method: row.method, peer, caller }, subject, error.reason());
        error
    };
    let caller = match call.token.as_ref().map_err(|error| refused(None, "", (*error).into()))? {
        Some(token) => Some(gate.caller(token).await.map_err(|error| refused(None, &claim(token), error))?),
        None => None,
    };
    let view = gate.view(row, caller.as_ref());
    if view == View::Nothing {
        let error = match &caller {
            None => CallError::TokenMissing,
            Some(caller) => CallError::RoleMayNotRead { role: caller.role, method: row.method },
        };
        return Err(refused(caller, "", error));
    }
    Ok(Some(Access { gate, row, caller, view, peer, now, asked }))
}

/// Whose a token that is refused says that it is; nobody proved it.
fn claim(token: &str) -> String {
    let claimed = |token: UnverifiedToken| format!("claims to be {} with key {}", token.issuer(), token.key_id());
    UnverifiedToken::parse(token).map(claimed).unwrap_or_default()
}

/// The token of a call; none where there is no such header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, TokenError> {
    use TokenError::Malformed;
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Malformed("there are two authorization headers"));
    }
    let value = value.to_str().map_err(|_| Malformed("the authorization header is no ASCII"))?;
    match value.split_once(' ') {
        // RFC 7235, section 2.1: the scheme is compared without case.
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token)),
        Some(_) | None => Err(Malformed("the authorization header is not: Bearer TOKEN")),
    }
}

fn refuse<R: Default>(call: &Call, error: CallError) -> http::Response<R> {
    let status = http_status(&error);
    let mut response: http::Response<R> = Status::from(error).into_http();
    if !call.speaks_grpc {
        *response.status_mut() = status;
    }
    response
}
