//! Speaking to a server, and believing nothing that it does not prove
//!
//! Every receipt, history and proof that a method of [`Client`] returns was verified against the log's key and held
//! against the last checkpoint that was kept: a server that went back, or that shows two ledgers under one name, is
//! found out by the first answer. What is returned as a message of the contract, such as a machine's state, is the
//! server's word; its documentation says so.

mod finding;
mod follow;
mod identity;
mod kept;
mod log;
mod mark;
mod read;
mod record;
mod refusals;
mod stream;
mod supervision;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tally_log::{NodeHash, TreeSize};
use tally_proto::v1;
use tally_proto::v1::equipment_service_client::EquipmentServiceClient;
use tally_proto::v1::finding_service_client::FindingServiceClient;
use tally_proto::v1::ledger_service_client::LedgerServiceClient;
use tally_proto::v1::log_service_client::LogServiceClient;
use tally_proto::v1::mark_service_client::MarkServiceClient;
use tally_proto::v1::register_service_client::RegisterServiceClient;
use tally_proto::v1::subject_service_client::SubjectServiceClient;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

pub use finding::{Counted, FindingStream};
pub use follow::{Follow, FollowedEntries};
pub use identity::Identity;
pub use log::{VerifiedConsistency, VerifiedInclusion};
pub use mark::{MarkAnswer, MarkOf};
pub use read::{Answer, Listed, MineAnswer, PlateAnswer};
pub use stream::{RecordStream, Recorded};
pub use supervision::{AuditPart, AuditStream};

use crate::error::{ClientError, Failure};
use crate::state;
use crate::verify::{Kept, Trust, VerifiedCheckpoint, VerifyError, hashes};
use identity::Bearer;
use kept::{Keeper, Standing};

/// A connection that says who asks where that matters.
type Reading = InterceptedService<Channel, Bearer>;

/// Bytes of one message in either direction: as the server has it.
const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a connection may be silent while a call waits, before it is asked whether it lives.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long that answer may take.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Flow-control windows: a message of a stream fits into the first, four into the second.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// The pause after the first try that failed; it doubles with each.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// The longest pause, whatever a server asks for.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory in which the last verified checkpoint is kept, one for each log; without it, it is forgotten at the
    /// end, and the next client can be shown an older ledger.
    pub state_dir: Option<PathBuf>,
    /// Who asks; without it only what anyone may see is answered. Recording needs none: events carry their signatures.
    pub identity: Option<Identity>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a call may take with all its tries. A stream is not bounded by it.
    pub deadline: Duration,
    /// How often a call is sent, 1 or more.
    pub tries_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            state_dir: None,
            identity: None,
            connect_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
            tries_max: 6,
        }
    }
}

/// A connection to one server of one log. Cheap to clone; clones share the kept checkpoint.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    channel: Channel,
    trust: Trust,
    options: Options,
    bearer: Bearer,
    /// Locked for the look only, never across a call.
    keeper: Mutex<Keeper>,
    /// Held while a checkpoint is proved, so that what is kept does not move on under the proof, and no two callers ask
    /// for the same one.
    proving: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("origin", &self.shared.trust.origin).field("kept", &self.kept()).finish()
    }
}

impl Client {
    /// Connects to a server, such as `http://127.0.0.1:7447`, and reads the checkpoint that was kept.
    ///
    /// # Errors
    /// [`ClientError::Address`], [`ClientError::Connect`]; [`ClientError::State`] if the kept checkpoint cannot be read
    /// or is not of this log.
    pub async fn connect(server: &str, trust: Trust, options: Options) -> Result<Self, ClientError> {
        let named = || server.to_owned();
        let endpoint =
            Endpoint::from_shared(named()).map_err(|cause| ClientError::Address { server: named(), cause })?;
        let endpoint = endpoint
            .connect_timeout(options.connect_timeout)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .tcp_nodelay(true);
        let kept = match &options.state_dir {
            Some(directory) => state::read(directory, &trust)?,
            None => None,
        };
        let channel = endpoint.connect().await.map_err(|cause| ClientError::Connect { server: named(), cause })?;
        let keeper = Mutex::new(Keeper::new(kept));
        let proving = tokio::sync::Mutex::new(());
        let bearer = Bearer::new(options.identity.clone(), trust.origin.as_str());
        Ok(Self { shared: Arc::new(Shared { channel, trust, options, bearer, keeper, proving }) })
    }

    /// Whom this client trusts.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.shared.trust
    }

    /// The newest checkpoint that was verified; every later one must extend it.
    #[must_use]
    pub fn kept_checkpoint(&self) -> Option<VerifiedCheckpoint> {
        self.keeper().checkpoint().cloned()
    }

    fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.shared.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn subjects(&self) -> SubjectServiceClient<Reading> {
        SubjectServiceClient::with_interceptor(self.shared.channel.clone(), self.shared.bearer.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn machines(&self) -> EquipmentServiceClient<Reading> {
        EquipmentServiceClient::with_interceptor(self.shared.channel.clone(), self.shared.bearer.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn marks(&self) -> MarkServiceClient<Reading> {
        MarkServiceClient::with_interceptor(self.shared.channel.clone(), self.shared.bearer.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn findings_service(&self) -> FindingServiceClient<Reading> {
        FindingServiceClient::with_interceptor(self.shared.channel.clone(), self.shared.bearer.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn register(&self) -> RegisterServiceClient<Reading> {
        RegisterServiceClient::with_interceptor(self.shared.channel.clone(), self.shared.bearer.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn log(&self) -> LogServiceClient<Reading> {
        LogServiceClient::with_interceptor(self.shared.channel.clone(), self.shared.bearer.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        // A keeper is whole after each of its steps, whoever panicked beside it.
        self.shared.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept; whoever begins a call asks first, for the answer must be at least as new.
    fn kept(&self) -> Option<Kept> {
        self.keeper().kept()
    }

    /// Verifies a checkpoint's signature. The one that is kept is not verified again.
    fn checkpoint_of(&self, note: &[u8]) -> Result<VerifiedCheckpoint, VerifyError> {
        if let Some(kept) = self.keeper().checkpoint().filter(|kept| kept.note().as_bytes() == note) {
            return Ok(kept.clone());
        }
        self.shared.trust.checkpoint(note)
    }

    /// Holds the checkpoint of an answer against the kept one, and keeps the newer of the two.
    ///
    /// `before` is what was kept when the call began; `offered` is a proof from there that came with the answer.
    async fn keep(
        &self,
        fresh: &VerifiedCheckpoint,
        before: Option<Kept>,
        offered: Option<&[Vec<u8>]>,
    ) -> Result<(), ClientError> {
        if self.keeper().judge(fresh.kept(), before)? == Standing::Proved {
            return Ok(());
        }
        let proving = self.shared.proving.lock().await;
        // Judged again: another caller may have proved this very checkpoint while we waited.
        let standing = self.keeper().judge(fresh.kept(), before)?;
        let proof = match standing {
            Standing::Proved => return Ok(()),
            Standing::First => Vec::new(),
            Standing::Extends(kept) => match offered.filter(|_| before == Some(kept)) {
                Some(offered) => hashes("consistency", offered)?,
                None => self.consistency_hashes(kept.size, fresh.size(), kept).await?,
            },
            // What was kept since is newer: a server that has that ledger can prove that this one is a part of it.
            Standing::ExtendedBy(kept) => self.consistency_hashes(fresh.size(), kept.size, kept).await?,
        };
        let is_newest = self.keeper().take(fresh, standing, &proof)?;
        if is_newest && let Some(directory) = self.shared.options.state_dir.clone() {
            let (trust, fresh) = (self.shared.trust.clone(), fresh.clone());
            off_thread(move || state::advance(&directory, &trust, &fresh)).await?;
        }
        drop(proving);
        Ok(())
    }

    /// The proof from one size to another. A server that has no tree of that size although it signed one went back.
    async fn consistency_hashes(&self, old: TreeSize, new: TreeSize, kept: Kept) -> Result<Vec<NodeHash>, ClientError> {
        let request = v1::GetConsistencyProofRequest { old_size: old.get(), new_size: new.get() };
        let answered = self.call("GetConsistencyProof", false, || {
            let mut log = self.log();
            async move { log.get_consistency_proof(request).await }
        });
        match answered.await {
            Ok(answer) => Ok(hashes("consistency", &answer.consistency)?),
            Err(error) => Err(self.went_back(error, Some(kept)).await),
        }
    }

    /// What an error means for a call that named a size which the log has signed: OUT_OF_RANGE then says that the server
    /// went back, and its own checkpoint shows how far.
    async fn went_back(&self, error: ClientError, before: Option<Kept>) -> ClientError {
        let Some(kept) = before.filter(|_| error.is_out_of_range()) else { return error };
        let answered = self.call("GetCheckpoint", false, || {
            let mut log = self.log();
            async move { log.get_checkpoint(v1::GetCheckpointRequest { kept_size: 0 }).await }
        });
        let Ok(answer) = answered.await else { return error };
        match self.checkpoint_of(&answer.checkpoint) {
            Ok(found) if found.size() < kept.size => {
                VerifyError::OlderThanKept { found: found.size(), kept: kept.size }.into()
            }
            Ok(_) => error,
            Err(problem) => problem.into(),
        }
    }

    /// Makes a call, and makes it again while that can help: no call of the contract does twice what it did once.
    async fn call<T, F>(
        &self,
        name: &'static str,
        is_recording: bool,
        attempt: impl Fn() -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let Options { deadline, tries_max, .. } = self.shared.options;
        let mut tries = 0;
        let mut last = None;
        let calls = async {
            loop {
                tries += 1;
                let failure = match attempt().await {
                    Ok(answer) => return Ok(answer.into_inner()),
                    Err(status) => Failure::of_status(&status),
                };
                match failure {
                    Failure::Again { delay, .. } if tries < tries_max => {
                        last = Some(failure);
                        tokio::time::sleep(pause(tries, delay)).await;
                    }
                    Failure::Again { .. } | Failure::Final(_) => return Err(failure),
                }
            }
        };
        let failure = match tokio::time::timeout(deadline, calls).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => failure,
            Err(_) => last.unwrap_or_else(|| Failure::Again {
                delay: None,
                why: format!("no answer within {} ms", deadline.as_millis()),
                answer: None,
            }),
        };
        Err(failure.into_error(name, tries, is_recording))
    }
}

/// How long to wait after so many tries: what the server asks for, or twice as long as the last time, and up to half as
/// long again, so that callers who failed together do not come back together.
fn pause(tries: u32, asked: Option<Duration>) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
    let pause = doubled.max(asked.unwrap_or_default()).min(BACKOFF_MAX);
    let mut chance = [0];
    // Without random numbers the pause is not spread, and still long enough.
    if getrandom::fill(&mut chance).is_err() {
        return pause;
    }
    let [chance] = chance;
    pause + pause / 512 * u32::from(chance)
}

/// Runs arithmetic or waiting for a disk beside the async threads.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// A field of an answer that has to be there.
fn present<T>(field: &str, value: Option<T>) -> Result<T, VerifyError> {
    value.ok_or_else(|| VerifyError::malformed(field, "is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::{Draft, SetMember, SignedEvent};
    use crate::key::SigningKey;

    /// Callers spawn these; a future that cannot move to another thread does not compile here.
    #[expect(dead_code, reason = "only its types are checked")]
    fn every_call_can_be_spawned(client: &Client, draft: &mut Draft, set: &mut [SetMember<'_>], key: &SigningKey) {
        fn spawned<F: Future + Send>(_: F) {}
        let (at, mine) = (v1::At::default(), draft.subject());
        let (position, organisation) = (tally_log::LogPosition::FIRST, draft.header().organisation);
        spawned(client.head(mine));
        spawned(client.heads([mine]));
        spawned(client.history(mine));
        spawned(client.event(position));
        spawned(client.event_on_chain(mine, tally_core::number::ChainIndex::FIRST));
        spawned(client.keys([key.key_id()]));
        spawned(client.equipment(mine, at));
        spawned(client.look_up_plate(v1::Plate::default(), at));
        spawned(client.look_up_alias(v1::AliasKind::Unspecified, "3"));
        spawned(client.list_equipment(v1::ListEquipmentRequest::default()));
        spawned(client.list_all_equipment(v1::EquipmentFilter::default(), at));
        spawned(client.organisation(organisation, at));
        spawned(client.organisations(v1::Role::Unspecified));
        spawned(client.mine(mine, at));
        spawned(client.mines(None));
        spawned(client.machines_of_mine(mine));
        spawned(client.mark("MEA130001", at));
        spawned(client.verify_mark(MarkOf::Number(String::new()), at));
        spawned(client.rules());
        spawned(client.findings(v1::ListFindingsRequest::default()));
        spawned(client.stream_findings(v1::FindingFilter::default(), at));
        spawned(client.all_findings(v1::FindingFilter::default(), at));
        spawned(client.count_findings(v1::FindingFilter::default(), at));
        spawned(client.due(v1::ListDueRequest::default()));
        spawned(client.all_due(v1::ListDueRequest::default()));
        spawned(client.checkpoint());
        spawned(client.inclusion(position, None));
        spawned(client.consistency(TreeSize::EMPTY, None));
        spawned(client.follow(position, true));
        spawned(client.record_stream(tokio_stream::iter([Vec::<SignedEvent>::new()])));
        spawned(client.record_set(&[]));
        spawned(client.record_draft(draft, key, &[]));
        spawned(client.record_set_drafts(set, key));
    }

    #[test]
    fn pauses_double_up_to_a_bound_whatever_a_server_asks_for() {
        let within = |tries, asked, least: u64| {
            let (pause, least) = (pause(tries, asked), Duration::from_millis(least));
            assert!(pause >= least && pause <= least + least / 2, "{pause:?} after {tries} tries");
        };
        within(1, None, 100);
        within(3, None, 400);
        within(1, Some(Duration::from_millis(250)), 250);
        within(40, None, 5_000);
        within(1, Some(Duration::MAX), 5_000);
    }
}
