//! The server: its threads, its services, and how they end.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, mpsc as blocking},
    thread::JoinHandle,
    time::Duration,
};

use tally_core::{id::OrganisationId, time::Timestamp};
use tally_index::Opened;
use tally_log::{checkpoint::Origin, note::SignerKey, store::Recovery};
use tally_proto::v1::{
    equipment_service_server::EquipmentServiceServer, finding_service_server::FindingServiceServer,
    ledger_service_server::LedgerServiceServer, log_service_server::LogServiceServer,
    mark_service_server::MarkServiceServer, refusal_service_server::RefusalServiceServer,
    register_service_server::RegisterServiceServer, subject_service_server::SubjectServiceServer,
    supervision_service_server::SupervisionServiceServer,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
};
use tonic::{server::NamedService, transport::server::TcpIncoming};
use tonic_health::ServingStatus;

use crate::{
    access::{AccessLayer, Gate, Journal},
    clock::{Clock, REPLAY_ORIGIN_SUFFIX},
    pool::{KeyDirectory, Pool},
    projector,
    published::{Published, Snapshot},
    rate::PublicRate,
    reader::Reader,
    refusals::Refusals,
    sequencer::{QUEUE_MESSAGES_MAX, Sequencer, SequencerEnd, UNAPPLIED_BATCHES_MAX},
    service::{
        equipment::EquipmentReads, findings::FindingReads, ledger::Ledger, log::Log, marks::Marks,
        refusals::RefusalReads, register::Register, subject::Subjects, supervision::Supervision,
    },
    startup::{self, Layout, Progress, StartError},
};

/// Bytes of one message in either direction.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Calls of one connection at a time.
pub const CALLS_MAX: usize = 256;
/// How long a call may take to its first answer, whatever deadline the caller set.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// What health is told of: the server as a whole, and recording.
const HEALTH_SERVICES: [&str; 2] = ["", <LedgerServiceServer<Ledger> as NamedService>::NAME];
/// Where refused submissions are kept, in the data directory.
const REFUSED_DIR: &str = "refused";
/// How long accepted calls may take to end after a stop was asked for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How far the clock may be past the last entry at start-up: 30 days.
const ASLEEP_MICROS_MAX: i64 = 30 * 24 * 3_600 * 1_000_000;

/// How a server runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory.
    pub dir: PathBuf,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether an address other than loopback is allowed although what is sent there can be read on the way, tokens too.
    pub insecure_plaintext: bool,
    /// Organisations that may read the log itself besides regulators and the registrar.
    pub log_readers: Vec<OrganisationId>,
    /// Whether a clock far past the last entry is right.
    pub accept_clock: bool,
    /// Where the fence is, if not in the data directory.
    pub fence: Option<PathBuf>,
    /// Whether a missing fence is made anew: after the disk that held it was lost.
    pub new_fence: bool,
    /// Threads that check signatures.
    pub verify_threads: usize,
    /// Cache of the index in bytes.
    pub index_cache_bytes: u64,
    /// Questions a second that each address may ask about marks without an account; 0 for no limit.
    pub public_rate: u32,
    /// Whether outsiders are bounded in how fast they move a machine's chain on.
    pub chain_limit: bool,
}

/// What was found at start-up.
#[derive(Clone, Debug)]
pub struct Found {
    /// What was cut from the log, if anything.
    pub recovery: Recovery,
    /// Why the index was thrown away and made again, if it was.
    pub index_discarded: Option<String>,
    /// Entries in the log.
    pub size: u64,
}

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    found: Found,
    stop: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
    ended: watch::Receiver<Option<String>>,
    sequencer: JoinHandle<()>,
    projector: JoinHandle<()>,
    refusals: JoinHandle<()>,
    _lock: std::fs::File,
}

impl Server {
    /// Opens the ledger of `config` and serves it.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: &Config,
        signer: SignerKey,
        clock: Arc<dyn Clock>,
        progress: Progress<'_>,
    ) -> Result<Self, StartError> {
        Self::start_on(Layout::new(&config.dir), config, signer, clock, progress).await
    }

    /// The same with log and fence on another disk.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_on(
        layout: Layout,
        config: &Config,
        signer: SignerKey,
        clock: Arc<dyn Clock>,
        progress: Progress<'_>,
    ) -> Result<Self, StartError> {
        let layout = match &config.fence {
            Some(fence) => layout.with_fence(fence.clone()),
            None => layout,
        };
        let key = layout.verifier_key()?;
        check_config(config, &key.to_string(), &signer, clock.as_ref(), key.name())?;
        let ledger = startup::open(&layout, config.index_cache_bytes, config.new_fence, false, progress)?;
        let origin = Origin::parse(key.name()).map_err(|error| StartError::Configuration(error.to_string()))?;
        check_clock(config, clock.as_ref(), ledger.state.recorded_at)?;

        let listener = TcpListener::bind(config.listen).await;
        let listen_error = |source| StartError::Listen { address: config.listen.to_string(), source };
        let listener = listener.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;

        let thread_error = |source| StartError::File { path: config.dir.clone(), source };
        let lock = ledger.lock;
        let index_discarded = match ledger.opened {
            Opened::Discarded { why } => Some(why),
            Opened::Kept | Opened::New => None,
        };
        let found = Found { recovery: ledger.recovery, index_discarded, size: ledger.state.tree.size().get() };
        let keys = Arc::new(KeyDirectory::default());
        keys.add(ledger.state.admission.keys().map(|record| (record.key, record.organisation)));
        let pool = Arc::new(Pool::start(origin.as_str(), &keys, config.verify_threads).map_err(thread_error)?);

        let snapshot = first_snapshot(&ledger.state, &origin, &signer)?;
        let size = snapshot.size.get();
        let (publish, snapshots) = watch::channel(Arc::new(snapshot));
        let (applied, applied_seen) = watch::channel(size);
        let published = Published::new(origin.clone(), snapshots, applied_seen);
        let (stopping, stop_seen) = watch::channel(false);
        let reader = Reader::new(
            ledger.index.clone(),
            ledger.state.directory.reader(),
            ledger.state.directory.tiles(),
            published,
            keys.clone(),
            stop_seen,
        );

        let journal = Journal::open(&config.dir).map_err(thread_error)?;
        let registrar = ledger.state.admission.registrar();
        let log_readers = config.log_readers.iter().copied();
        let gate = Arc::new(Gate::new(reader.clone(), clock.clone(), registrar, log_readers, journal));

        let (to_projector, batches) = blocking::sync_channel(UNAPPLIED_BATCHES_MAX);
        let (index, log) = (ledger.index, ledger.state.directory.durable_reader());
        let rate = Arc::new(PublicRate::new(config.public_rate, Arc::clone(&clock)));
        let projector_clock = Arc::clone(&clock);
        let projector = std::thread::Builder::new()
            .name("projector".to_owned())
            .spawn(move || projector::run(&index, &log, projector_clock.as_ref(), &batches, &applied))
            .map_err(thread_error)?;

        let refused = config.dir.join(REFUSED_DIR);
        let (noting, refused, refusals) = Refusals::start(&refused, &keys, clock.clone()).map_err(thread_error)?;
        let (queue, works) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let sequencer =
            Sequencer::new(ledger.state, signer, origin, clock, keys, publish, to_projector, config.chain_limit);
        let (end, ended) = watch::channel(None);
        let sequencer = std::thread::Builder::new()
            .name("sequencer".to_owned())
            .spawn(move || run_sequencer(sequencer, works, &end))
            .map_err(thread_error)?;

        let (mut health_reporter, health) = tonic_health::server::health_reporter();
        let ledger = LedgerServiceServer::new(Ledger::new(pool, queue, reader.clone(), noting));
        health_reporter.set_serving::<LedgerServiceServer<Ledger>>().await;
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(tally_proto::DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let wrong = |error: tonic_reflection::server::Error| StartError::Configuration(error.to_string());
        let router = tonic::transport::Server::builder()
            .concurrency_limit_per_connection(CALLS_MAX)
            .timeout(CALL_TIMEOUT)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024)
            // Before every service, and before whatever else will be served here.
            .layer(AccessLayer::new(gate))
            .add_service(health)
            .add_service(reflection().build_v1().map_err(wrong)?)
            .add_service(reflection().build_v1alpha().map_err(wrong)?)
            .add_service(ledger.max_decoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(SubjectServiceServer::new(Subjects::new(reader.clone())))
            .add_service(EquipmentServiceServer::new(EquipmentReads::new(reader.clone())))
            .add_service(RegisterServiceServer::new(Register::new(reader.clone())))
            .add_service(MarkServiceServer::new(Marks::new(reader.clone(), rate)))
            .add_service(FindingServiceServer::new(FindingReads::new(reader.clone())))
            .add_service(SupervisionServiceServer::new(Supervision::new(reader.clone())))
            .add_service(RefusalServiceServer::new(RefusalReads::new(reader.clone(), refused)))
            .add_service(LogServiceServer::new(Log::new(reader, key)));
        let (stop, stopped) = oneshot::channel::<()>();
        // Without it an answer waits 40 ms for the caller's delayed acknowledgement.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = tokio::spawn(router.serve_with_incoming_shutdown(incoming, async move {
            // A dropped handle stops the server, too.
            drop(stopped.await);
            for service in HEALTH_SERVICES {
                health_reporter.set_service_status(service, ServingStatus::NotServing).await;
                // Ends those who watch it, once they have heard.
                health_reporter.clear_service_status(service).await;
            }
            stopping.send_replace(true);
        }));
        Ok(Self { address, found, stop: Some(stop), serving, ended, sequencer, projector, refusals, _lock: lock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was found at start-up.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Waits until the sequencer ends by itself, and says why: then the server must stop, for it can record no more.
    pub async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "the sequencer has ended".to_owned(),
        }
    }

    /// Stops: no new calls, what was accepted is sealed and answered, the index is made durable.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody listens any more: it has stopped already.
            let _stopped = stop.send(());
        }
        let mut serving = self.serving;
        if tokio::time::timeout(DRAIN_TIMEOUT, &mut serving).await.is_err() {
            tracing::warn!("calls were still open after {DRAIN_TIMEOUT:?}; they are dropped");
            serving.abort();
            drop(serving.await);
        }
        let threads = [self.sequencer, self.projector, self.refusals];
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok())).await;
        if !matches!(joined, Ok(true)) {
            tracing::error!("a thread of the server panicked");
        }
    }
}

/// Runs the sequencer to its end; an end that nobody asked for is told to whoever watches.
fn run_sequencer(
    sequencer: Sequencer,
    works: mpsc::Receiver<crate::sequencer::Work>,
    end: &watch::Sender<Option<String>>,
) {
    match sequencer.run(works) {
        SequencerEnd::Drained => tracing::info!("everything accepted is sealed"),
        error @ (SequencerEnd::Unknown(_)
        | SequencerEnd::Fenced(_)
        | SequencerEnd::Clock(_)
        | SequencerEnd::Contradiction(_)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "the sequencer has stopped");
            end.send_replace(Some(error.to_string()));
        }
    }
}

/// What is sealed already, signed anew: the same tree always has the same checkpoint.
fn first_snapshot(
    state: &crate::sequencer::State,
    origin: &Origin,
    signer: &SignerKey,
) -> Result<Snapshot, StartError> {
    let size = state.tree.size();
    let checkpoint = tally_log::checkpoint::Checkpoint { origin: origin.clone(), size, root: state.tree.root() };
    let note = checkpoint.sign(signer).map_err(|error| StartError::Configuration(error.to_string()))?;
    let published = state.directory.publish_checkpoint(&note, size);
    published.map_err(|error| StartError::Damaged { what: error.to_string() })?;
    Ok(Snapshot {
        size,
        recorded_at_us: u64::try_from(state.recorded_at.micros()).unwrap_or_default(),
        checkpoint: note.into(),
        tree: state.tree.view().clone(),
        heads: state.heads.clone(),
    })
}

fn check_config(
    config: &Config,
    public: &str,
    signer: &SignerKey,
    clock: &dyn Clock,
    origin: &str,
) -> Result<(), StartError> {
    if signer.verifier().to_string() != public {
        return Err(StartError::Configuration("log.key is not the private key of log.pub".to_owned()));
    }
    if clock.monotonic().is_none() && !origin.ends_with(REPLAY_ORIGIN_SUFFIX) {
        return Err(StartError::Configuration(format!(
            "a replay clock is for logs whose origin ends in {REPLAY_ORIGIN_SUFFIX}; this is {origin}"
        )));
    }
    if !config.listen.ip().is_loopback() {
        if !config.insecure_plaintext {
            return Err(StartError::Configuration(format!(
                "{} is not loopback, and nothing is encrypted: who listens on the way reads events and takes tokens; \
                 allow it with --insecure-plaintext, behind something that encrypts",
                config.listen
            )));
        }
        tracing::warn!(address = %config.listen, "what is sent to this address is not encrypted, tokens neither");
    }
    Ok(())
}

fn check_clock(config: &Config, clock: &dyn Clock, last: Timestamp) -> Result<(), StartError> {
    let now = clock.now();
    let ahead = now.micros().saturating_sub(last.micros());
    if clock.monotonic().is_some() && ahead > ASLEEP_MICROS_MAX && !config.accept_clock {
        return Err(StartError::Clock(format!(
            "the clock shows {now}, over 30 days past the last entry ({last}); if it is right, say --accept-clock"
        )));
    }
    Ok(())
}
