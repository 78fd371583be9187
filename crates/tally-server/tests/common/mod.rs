//! A ledger that is served in the test's own process, clients over real sockets, and a clock that holds the sequencer.

#![allow(dead_code, reason = "every test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panic, its helpers too"
)]

use std::{
    fs,
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use tally_client::{
    client::{Client, Identity, Options},
    draft::SignedEvent,
    error::ServerError,
    verify::{Trust, UnverifiedHeadProof, VerifiedReceipt},
};
use tally_core::{
    access,
    envelope::{PAYLOAD_TYPE_EVENT, pae},
    id::SubjectId,
    time::Timestamp,
};
use tally_proto::v1::{
    self, equipment_service_client::EquipmentServiceClient, finding_service_client::FindingServiceClient,
    ledger_service_client::LedgerServiceClient, log_service_client::LogServiceClient,
    mark_service_client::MarkServiceClient, register_service_client::RegisterServiceClient,
    subject_service_client::SubjectServiceClient, supervision_service_client::SupervisionServiceClient,
};
use tally_server::clock::Clock;
use tally_testkit::{
    clock::SimClock,
    ledger::TestLedger,
    scene::{KeyUse, REGISTRAR, Scene},
    wait,
};
use tonic::{
    GrpcMethod, Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

/// How long anything may take before the test says that it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of one message: as the server has it.
const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Events in one message of a stream.
const STREAMED: usize = 128;

/// Waits for an answer, with a deadline.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Looks until there is something, with a deadline.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = wait::deadline_in(PATIENCE);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(!wait::time_left(deadline).is_zero(), "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whom the clients of a scene trust.
pub(crate) fn trust(scene: &Scene) -> Trust {
    Trust::new(scene.log_key()).unwrap()
}

/// A client that keeps nothing over its own end, and is told at once what others try again. It asks as the registrar, who
/// sees everything.
pub(crate) async fn client(scene: &Scene, url: &str) -> Client {
    client_as(scene, url, Some(scene.identity(REGISTRAR))).await
}

/// The same as somebody else, or as nobody.
pub(crate) async fn client_as(scene: &Scene, url: &str, identity: Option<Identity>) -> Client {
    Client::connect(url, trust(scene), Options { identity, tries_max: 1, ..Options::default() }).await.unwrap()
}

/// As the registrar with other options.
pub(crate) async fn client_with(scene: &Scene, url: &str, options: Options) -> Client {
    let options = Options { identity: Some(scene.identity(REGISTRAR)), ..options };
    Client::connect(url, trust(scene), options).await.unwrap()
}

/// Says who asks with a fresh token in every call that is not open to everyone, or whatever a test says.
#[derive(Clone, Debug)]
pub(crate) enum Asking {
    Nobody,
    Party(Identity, String),
    /// This header, in every call.
    Header(String),
}

impl Interceptor for Asking {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let row = request.extensions().get::<GrpcMethod<'static>>();
        let is_open = row.and_then(|called| access::row(called.service(), called.method())).unwrap().is_open();
        let header = match self {
            Self::Nobody => return Ok(request),
            Self::Party(..) if is_open => return Ok(request),
            Self::Party(identity, origin) => format!("Bearer {}", identity.token(origin, 600)),
            Self::Header(header) => header.clone(),
        };
        request.metadata_mut().insert("authorization", header.parse().unwrap());
        Ok(request)
    }
}

/// A connection that says who asks.
pub(crate) type Asked = InterceptedService<Channel, Asking>;

/// The services without a client that believes nothing: for whoever wants to see the answers as they come. They are asked
/// as the registrar, who sees everything, unless a test says otherwise.
#[derive(Clone)]
pub(crate) struct Raw {
    channel: Channel,
    url: String,
    asking: Asking,
}

impl Raw {
    pub(crate) async fn connect(scene: &Scene, url: &str) -> Self {
        Self::try_connect(scene, url).await.unwrap()
    }

    pub(crate) async fn try_connect(scene: &Scene, url: &str) -> Result<Self, tonic::transport::Error> {
        let channel = Endpoint::from_shared(url.to_owned())?.connect().await?;
        let asking = Asking::Party(scene.identity(REGISTRAR), scene.origin());
        Ok(Self { channel, url: url.to_owned(), asking })
    }

    /// The same connection, asked by another.
    pub(crate) fn asking(&self, asking: Asking) -> Self {
        Self { asking, ..self.clone() }
    }

    /// Where it was connected to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Who asks, for a service that has no method here.
    pub(crate) fn asks(&self) -> Asking {
        self.asking.clone()
    }

    fn asked(&self) -> (Channel, Asking) {
        (self.channel(), self.asking.clone())
    }

    pub(crate) fn ledger(&self) -> LedgerServiceClient<Asked> {
        let (channel, asking) = self.asked();
        LedgerServiceClient::with_interceptor(channel, asking).max_encoding_message_size(4 * MESSAGE_BYTES_MAX)
    }

    pub(crate) fn subjects(&self) -> SubjectServiceClient<Asked> {
        let (channel, asking) = self.asked();
        SubjectServiceClient::with_interceptor(channel, asking).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn machines(&self) -> EquipmentServiceClient<Asked> {
        let (channel, asking) = self.asked();
        EquipmentServiceClient::with_interceptor(channel, asking).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn register(&self) -> RegisterServiceClient<Asked> {
        let (channel, asking) = self.asked();
        RegisterServiceClient::with_interceptor(channel, asking).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn marks(&self) -> MarkServiceClient<Asked> {
        let (channel, asking) = self.asked();
        MarkServiceClient::with_interceptor(channel, asking).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn findings(&self) -> FindingServiceClient<Asked> {
        let (channel, asking) = self.asked();
        FindingServiceClient::with_interceptor(channel, asking).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn supervision(&self) -> SupervisionServiceClient<Asked> {
        let (channel, asking) = self.asked();
        SupervisionServiceClient::with_interceptor(channel, asking).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn log(&self) -> LogServiceClient<Asked> {
        let (channel, asking) = self.asked();
        LogServiceClient::with_interceptor(channel, asking).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) async fn record(&self, event: &v1::SignedEvent) -> Result<v1::Receipt, Status> {
        let v1::SignedEvent { payload, key_id, signature } = event.clone();
        let answered = self.ledger().record_event(v1::RecordEventRequest { payload, key_id, signature }).await;
        Ok(answered?.into_inner().receipt.unwrap())
    }

    pub(crate) async fn record_set(&self, events: &[v1::SignedEvent]) -> Result<Vec<v1::Receipt>, Status> {
        let answered = self.ledger().record_set(v1::RecordSetRequest { events: events.to_vec() }).await;
        Ok(answered?.into_inner().receipts)
    }

    pub(crate) async fn head(&self, subject: &SubjectId) -> v1::GetHeadResponse {
        let request = v1::GetHeadRequest { subject: subject.key().to_vec() };
        self.subjects().get_head(request).await.unwrap().into_inner()
    }

    pub(crate) async fn size(&self) -> u64 {
        let answered = self.log().get_checkpoint(v1::GetCheckpointRequest { kept_size: 0 }).await;
        size_of(&answered.unwrap().into_inner().checkpoint)
    }

    /// A history with its proof, joined as a client joins it.
    pub(crate) async fn history(&self, subject: &SubjectId) -> v1::HeadProof {
        let request = v1::StreamHistoryRequest { subject: subject.key().to_vec(), proof: true, ..Default::default() };
        let mut parts = self.subjects().stream_history(request).await.unwrap().into_inner();
        let (mut touches, mut keys, mut proof) = (Vec::new(), Vec::new(), None);
        while let Some(part) = parts.message().await.unwrap() {
            touches.extend(part.touches);
            keys.extend(part.keys);
            proof = part.proof.or(proof);
        }
        v1::HeadProof { touches, keys, ..proof.unwrap() }
    }
}

/// The tree size that a checkpoint states.
pub(crate) fn size_of(note: &[u8]) -> u64 {
    std::str::from_utf8(note).unwrap().lines().nth(1).unwrap().parse().unwrap()
}

/// A head proof as it is before anybody verified it.
pub(crate) fn unverified(proof: &v1::HeadProof) -> UnverifiedHeadProof {
    UnverifiedHeadProof::try_from(proof.clone()).unwrap()
}

/// What the server said, in the words of the contract.
pub(crate) fn said(status: &Status) -> ServerError {
    ServerError::of_status(status)
}

/// Records groups of events in order: sets as sets, what stands alone in a stream. Every receipt is verified.
pub(crate) async fn record_all(client: &Client, groups: &[Vec<SignedEvent>]) -> Vec<(SignedEvent, VerifiedReceipt)> {
    let mut recorded = Vec::new();
    let mut alone = Vec::new();
    for group in groups {
        if let [event] = group.as_slice() {
            alone.push(event.clone());
            continue;
        }
        stream(client, std::mem::take(&mut alone), &mut recorded).await;
        let receipts = client.record_set(group).await.unwrap();
        recorded.extend(group.iter().cloned().zip(receipts));
    }
    stream(client, alone, &mut recorded).await;
    recorded
}

async fn stream(client: &Client, events: Vec<SignedEvent>, recorded: &mut Vec<(SignedEvent, VerifiedReceipt)>) {
    if events.is_empty() {
        return;
    }
    let lists: Vec<Vec<SignedEvent>> = events.chunks(STREAMED).map(<[_]>::to_vec).collect();
    let mut answers = client.record_stream(tokio_stream::iter(lists)).await.unwrap();
    while let Some(answered) = answers.next().await {
        for one in answered.unwrap() {
            recorded.push((one.event, one.outcome.unwrap()));
        }
    }
}

/// Serves a scene's log with everything on record that the scene has recorded.
pub(crate) async fn served(scene: &Scene) -> TestLedger {
    let ledger = TestLedger::start(scene).await;
    record_scene(scene, &ledger).await;
    ledger
}

/// Records everything of a scene but the founding event.
pub(crate) async fn record_scene(scene: &Scene, ledger: &TestLedger) -> Vec<(SignedEvent, VerifiedReceipt)> {
    record_all(&client(scene, &ledger.url()).await, &scene.groups()[1..]).await
}

/// Bytes that are no event, signed by a party's own key: refused, whoever it is.
pub(crate) fn nonsense(scene: &Scene, party: &str) -> v1::SignedEvent {
    let key = scene.key(party, KeyUse::Organisation);
    let payload = b"no event".to_vec();
    let signature = key.sign(&pae(PAYLOAD_TYPE_EVENT, &payload)).to_vec();
    v1::SignedEvent { payload, key_id: key.key_id().as_bytes().to_vec(), signature }
}

/// Copies a directory with everything in it.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Puts the copy of a directory in the place of the directory.
pub(crate) fn restore_directory(copy: &Path, to: &Path) {
    fs::remove_dir_all(to).unwrap();
    copy_directory(copy, to);
}

/// A clock that can hold whoever asks it: only the sequencer does while a server runs, so that a test decides what waits
/// when a batch begins.
#[derive(Debug)]
pub(crate) struct GateClock {
    clock: SimClock,
    gate: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Gate {
    closed: bool,
    held: bool,
}

/// A test's hold on a [`GateClock`]: a test that fails lets everybody go, or nothing would ever end.
#[derive(Debug)]
pub(crate) struct GateKeeper(Arc<GateClock>);

impl GateKeeper {
    pub(crate) fn new(clock: SimClock) -> Self {
        Self(Arc::new(GateClock { clock, gate: Mutex::default(), changed: Condvar::new() }))
    }

    /// The clock that a server takes.
    pub(crate) fn clock(&self) -> Arc<GateClock> {
        self.0.clone()
    }
}

impl std::ops::Deref for GateKeeper {
    type Target = GateClock;

    fn deref(&self) -> &GateClock {
        &self.0
    }
}

impl Drop for GateKeeper {
    fn drop(&mut self) {
        self.open();
    }
}

impl GateClock {
    /// Whoever asks next is held.
    pub(crate) fn close(&self) {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    /// Lets the one who is held go.
    pub(crate) fn open(&self) {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).closed = false;
        self.changed.notify_all();
    }

    /// Waits until the sequencer has begun a batch and is held.
    pub(crate) async fn held(&self) {
        let held = || self.gate.lock().unwrap_or_else(PoisonError::into_inner).held.then_some(());
        until("the sequencer is held", held).await;
    }
}

impl Clock for GateClock {
    fn now(&self) -> Timestamp {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.held = gate.closed;
        gate = self.changed.wait_while(gate, |gate| gate.closed).unwrap_or_else(PoisonError::into_inner);
        gate.held = false;
        self.clock.now()
    }

    fn monotonic(&self) -> Option<Duration> {
        self.clock.monotonic()
    }

    /// Who is let in is not held: only the sequencer is.
    fn wall(&self) -> Timestamp {
        self.clock.now()
    }
}
