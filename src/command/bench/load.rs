//! The load: a mine that takes on its machines and inspects them daily, every event freshly signed.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tally_client::{
    Client, Options,
    draft::{Author, Draft, SignedEvent},
    key::{SigningKey, new_person_id},
    verify::Trust,
};
use tally_core::{
    hash::EventHash,
    id::{OrganisationId, SubjectId},
    number::ChainIndex,
    time::Timestamp,
};
use tally_proto::v1::{self, statement::Body};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::server::ServerProcess;
use crate::{
    cli::{BenchMode, BenchRecord},
    command::init::Founded,
    output::CommandError,
};

/// Events of one message of a stream.
const MESSAGE_EVENTS: usize = 256;
/// Messages that wait, signed, to be sent.
const SIGNED_AHEAD: usize = 2;
/// Messages of a stream that are not answered yet.
const ON_THE_WAY: usize = 8;
/// How long an inspection takes.
const INSPECTION_MICROS: i64 = 600_000_000;
/// Fitters of the mine who sign in turn: an issuer with a staff key is a person's hand, too.
const FITTERS: usize = 16;

/// The time that passes.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures the passing of time")]
pub fn now() -> Instant {
    Instant::now()
}

/// What was measured.
pub struct Measured {
    /// Events recorded.
    pub events: u64,
    /// Calls at a time.
    pub callers: usize,
    /// How long it took.
    pub seconds: f64,
    /// Events a second in each tenth of the run.
    pub by_tenth: Vec<f64>,
    /// Microseconds from sending to receipt, sorted.
    latencies_us: Vec<u64>,
}

impl Measured {
    /// A percentile of the time from sending to receipt.
    pub fn latency_us(&self, percent: usize) -> u64 {
        let at = self.latencies_us.len() * percent / 100;
        self.latencies_us.get(at.min(self.latencies_us.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// A load that is ready to run.
pub struct Load {
    client: Client,
    args: BenchRecord,
    signer: Signer,
}

/// Makes the events, in the order of the chains.
struct Signer {
    author: Author,
    mine: SubjectId,
    fitters: Arc<Vec<SigningKey>>,
    /// The next place and the hash before it, for each machine.
    chains: Vec<(ChainIndex, EventHash)>,
    made: u64,
    occurred_at: Timestamp,
}

impl Signer {
    fn subject(&self, machine: u64) -> anyhow::Result<SubjectId> {
        Ok(SubjectId::unit("Bench works", "B-1", &format!("S{machine:09}"))?)
    }

    /// The next event: round after round over all machines; the first on each takes it on. Slot n is machine
    /// `first` + n · `step`.
    fn next_of(&mut self, first: u64, step: u64) -> anyhow::Result<SignedEvent> {
        let slot = self.made % u64::try_from(self.chains.len())?;
        let machine = first + slot * step;
        self.made += 1;
        self.occurred_at = self.occurred_at.checked_add_micros(1).context("time is left")?;
        let subject = self.subject(machine)?;
        let slot = usize::try_from(slot)?;
        let (index, previous) = *self.chains.get(slot).context("the machine is known")?;
        let body = if index == ChainIndex::FIRST { self.enrolled(machine) } else { self.inspected(index) };
        let mut draft = Draft::new(&self.author, subject, self.occurred_at, body, self.occurred_at)?;
        let fitter = self.fitters.get(slot % self.fitters.len()).context("the fitter is known")?;
        let event = draft.sign(index, previous, fitter, &[])?;
        if let Some(chain) = self.chains.get_mut(slot) {
            *chain = (index.next().context("the chain is not full")?, event.event_hash());
        }
        Ok(event)
    }

    fn enrolled(&self, machine: u64) -> Body {
        Body::Enrolled(v1::Enrolled {
            maker: "Bench works".to_owned(),
            model: "B-1".to_owned(),
            serial: format!("S{machine:09}"),
            category: "CONVEYOR".to_owned(),
            identity_kind: v1::IdentityKind::Unit as i32,
            produced_on: Some(v1::Day { year: 2015, month: 6, day: 1 }),
            state: v1::ServiceState::InUse as i32,
            place: Some(v1::Place { mine: self.mine.id().to_vec(), ..v1::Place::default() }),
            ..v1::Enrolled::default()
        })
    }

    fn inspected(&self, index: ChainIndex) -> Body {
        let items = ["brake", "cable", "cover", "earth", "guard", "lamp"].map(|code| v1::CheckItem {
            code: code.to_owned(),
            result: v1::CheckResult::Pass as i32,
            remark: format!("round {index}, as it should be"),
            ..v1::CheckItem::default()
        });
        let finished_us = self.occurred_at.micros();
        Body::Inspected(v1::Inspected {
            kind: v1::InspectionKind::Daily as i32,
            items: items.to_vec(),
            started_us: finished_us - INSPECTION_MICROS,
            finished_us,
            ..v1::Inspected::default()
        })
    }
}

impl Load {
    /// Connects, and registers the mine and its fitters.
    pub async fn prepare(args: &BenchRecord, server: &ServerProcess, founded: Founded) -> anyhow::Result<Self> {
        let trust = Trust::new(founded.signer.verifier().clone())?;
        let address = format!("http://{}", server.address());
        let client = Client::connect(&address, trust, Options::default()).await.map_err(CommandError::from)?;
        let at = tally_client::clock::Clock::now(&tally_client::clock::SystemClock);
        let key = SigningKey::generate()?;
        let recovery = SigningKey::generate()?;
        let fitters = (0..FITTERS).map(|_| SigningKey::generate()).collect::<Result<Vec<_>, _>>()?;
        let operator = SubjectId::organisation(tally_core::id::Scheme::Other, "bench-mine")?;
        let mine = SubjectId::mine(tally_core::id::Scheme::Other, "bench-mine-1")?;
        let registrar =
            Author { origin: super::ORIGIN.to_owned(), organisation: founded.registrar, role: v1::Role::Registrar };
        let mut bodies = vec![
            (
                operator,
                Body::OrganisationRegistered(v1::OrganisationRegistered {
                    name: "Bench mining".to_owned(),
                    scheme: v1::Scheme::Other as i32,
                    number: "bench-mine".to_owned(),
                    first_key: key.public().as_bytes().to_vec(),
                    recovery_key: recovery.public().as_bytes().to_vec(),
                    ..v1::OrganisationRegistered::default()
                }),
            ),
            (
                mine,
                Body::MineRegistered(v1::MineRegistered {
                    name: "Bench mine 1".to_owned(),
                    scheme: v1::Scheme::Other as i32,
                    number: "bench-mine-1".to_owned(),
                    operator: operator.id().to_vec(),
                    kind: v1::MineKind::Underground as i32,
                    ..v1::MineRegistered::default()
                }),
            ),
            (
                operator,
                Body::RoleGranted(v1::RoleGranted {
                    role: v1::Role::Mine as i32,
                    scope: Some(v1::Scope { mines: vec![mine.id().to_vec()], ..v1::Scope::default() }),
                    from: Some(v1::Day { year: 2010, month: 1, day: 1 }),
                    ..v1::RoleGranted::default()
                }),
            ),
        ];
        for fitter in &fitters {
            let body = Body::KeyAdded(v1::KeyAdded {
                key: fitter.public().as_bytes().to_vec(),
                algorithm: v1::KeyAlgorithm::Ed25519 as i32,
                kind: v1::KeyKind::Staff as i32,
                person_id: new_person_id()?.to_vec(),
                post: "fitter".to_owned(),
                ..v1::KeyAdded::default()
            });
            bodies.push((operator, body));
        }
        for (subject, body) in bodies {
            let mut draft = Draft::new(&registrar, subject, at, body, at)?;
            let recorded = client.record_draft(&mut draft, &founded.registrar_key, &[]).await;
            recorded.map_err(CommandError::from)?;
        }
        let author = Author {
            origin: super::ORIGIN.to_owned(),
            organisation: OrganisationId::try_from(operator)?,
            role: v1::Role::Mine,
        };
        let machines = usize::try_from(args.machines.max(1))?;
        let signer = Signer {
            author,
            mine,
            fitters: Arc::new(fitters),
            chains: vec![(ChainIndex::FIRST, EventHash::ZERO); machines],
            made: 0,
            occurred_at: at,
        };
        Ok(Self { client, args: args.clone(), signer })
    }

    /// Runs to the end; fails at the first event that is not recorded with a receipt that verifies.
    pub async fn run(self, server: &ServerProcess) -> anyhow::Result<Measured> {
        match self.args.mode {
            BenchMode::Stream => self.stream().await,
            BenchMode::Unary => self.unary(server).await,
        }
    }

    /// One stream, several events a message; a thread signs ahead while receipts come back.
    async fn stream(self) -> anyhow::Result<Measured> {
        let Self { client, args, mut signer } = self;
        let (to_send, signed) = mpsc::channel::<Vec<SignedEvent>>(SIGNED_AHEAD);
        // The window: a message goes out when another one was answered.
        let (freed, mut free) = mpsc::channel::<()>(ON_THE_WAY);
        for _ in 0..ON_THE_WAY {
            freed.send(()).await?;
        }
        let sent_at = Arc::new(Mutex::new(VecDeque::new()));
        let (sent_by_signer, total) = (sent_at.clone(), args.events);
        let began = now();
        let signing = tokio::task::spawn_blocking(move || {
            let mut left = total;
            while left > 0 {
                let count = usize::try_from(left).unwrap_or(MESSAGE_EVENTS).min(MESSAGE_EVENTS);
                let events = (0..count).map(|_| signer.next_of(0, 1)).collect::<anyhow::Result<Vec<_>>>()?;
                left -= u64::try_from(count)?;
                if free.blocking_recv().is_none() {
                    break;
                }
                sent_by_signer.lock().unwrap_or_else(PoisonError::into_inner).push_back((now(), count));
                if to_send.blocking_send(events).is_err() {
                    break;
                }
            }
            anyhow::Ok(())
        });
        let mut answers = client.record_stream(ReceiverStream::new(signed)).await.map_err(CommandError::from)?;
        let mut tally = Progress::new(total, began);
        let mut latencies_us = Vec::with_capacity(usize::try_from(total)?);
        while let Some(recorded) = answers.next().await {
            let recorded = recorded.map_err(CommandError::from)?;
            for one in &recorded {
                if let Err(refusal) = &one.outcome {
                    anyhow::bail!("refused: {} {}", refusal.reason, refusal.message);
                }
            }
            let oldest = sent_at.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let (sent, count) = oldest.context("an answer has a message")?;
            anyhow::ensure!(count == recorded.len(), "an answer is for one message");
            let waited = micros(sent.elapsed());
            latencies_us.extend(recorded.iter().map(|_| waited));
            tally.add(u64::try_from(recorded.len())?);
            // At the end nobody signs any more, and nobody takes it.
            let _freed = freed.try_send(());
        }
        let seconds = began.elapsed().as_secs_f64();
        signing.await??;
        tally.finish(1, seconds, latencies_us)
    }

    /// One call an event, many callers, each with its own machines.
    async fn unary(self, server: &ServerProcess) -> anyhow::Result<Measured> {
        let Self { client, args, signer } = self;
        let callers = args.callers.clamp(1, usize::try_from(args.machines)?);
        let address = format!("http://{}", server.address());
        let clients = connections(&client, &address, callers.div_ceil(64)).await?;
        let began = now();
        let shared = Arc::new(Mutex::new(Progress::new(args.events, began)));
        let mut tasks = tokio::task::JoinSet::new();
        for caller in 0..callers {
            let client = clients.get(caller % clients.len()).context("a connection")?.clone();
            let mut own = signer.share(caller, callers, args.events)?;
            let shared = shared.clone();
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                while let Some(event) = own.next()? {
                    let sent = now();
                    client.record(&event).await.map_err(CommandError::from)?;
                    latencies.push(micros(sent.elapsed()));
                    shared.lock().unwrap_or_else(PoisonError::into_inner).add(1);
                }
                anyhow::Ok(latencies)
            });
        }
        let mut latencies_us = Vec::with_capacity(usize::try_from(args.events)?);
        while let Some(done) = tasks.join_next().await {
            latencies_us.extend(done??);
        }
        let seconds = began.elapsed().as_secs_f64();
        let tally = Arc::into_inner(shared).context("every caller has ended")?;
        tally.into_inner().unwrap_or_else(PoisonError::into_inner).finish(callers, seconds, latencies_us)
    }
}

/// The client and more connections like it.
async fn connections(client: &Client, address: &str, count: usize) -> anyhow::Result<Vec<Client>> {
    let mut clients = vec![client.clone()];
    while clients.len() < count {
        let more = Client::connect(address, client.trust().clone(), Options::default()).await;
        clients.push(more.map_err(CommandError::from)?);
    }
    Ok(clients)
}

/// The part of one caller: its own machines, its share of the events.
struct Share {
    signer: Signer,
    first: u64,
    step: u64,
    left: u64,
}

impl Signer {
    fn share(&self, caller: usize, callers: usize, events: u64) -> anyhow::Result<Share> {
        let (caller, callers) = (u64::try_from(caller)?, u64::try_from(callers)?);
        let machines = u64::try_from(self.chains.len())?;
        let own = (machines - caller).div_ceil(callers);
        let signer = Self {
            author: self.author.clone(),
            mine: self.mine,
            fitters: self.fitters.clone(),
            chains: vec![(ChainIndex::FIRST, EventHash::ZERO); usize::try_from(own)?],
            made: 0,
            occurred_at: self.occurred_at,
        };
        let left = events / callers + u64::from(caller < events % callers);
        Ok(Share { signer, first: caller, step: callers, left })
    }
}

impl Share {
    fn next(&mut self) -> anyhow::Result<Option<SignedEvent>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.signer.next_of(self.first, self.step).map(Some)
    }
}

/// How far a run is, and how fast each tenth of it was.
struct Progress {
    total: u64,
    done: u64,
    began: Instant,
    marks: Vec<f64>,
}

impl Progress {
    const fn new(total: u64, began: Instant) -> Self {
        Self { total, done: 0, began, marks: Vec::new() }
    }

    fn add(&mut self, events: u64) {
        self.done += events;
        let tenths = usize::try_from(self.done * 10 / self.total.max(1)).unwrap_or(10);
        while self.marks.len() < tenths {
            self.marks.push(self.began.elapsed().as_secs_f64());
        }
    }

    fn finish(self, callers: usize, seconds: f64, mut latencies_us: Vec<u64>) -> anyhow::Result<Measured> {
        anyhow::ensure!(self.done == self.total, "{} of {} events were recorded", self.done, self.total);
        latencies_us.sort_unstable();
        let tenth = super::to_f64(self.total) / 10.0;
        let starts = std::iter::once(0.0).chain(self.marks.iter().copied());
        let by_tenth = starts.zip(&self.marks).map(|(start, end)| tenth / (end - start).max(f64::EPSILON)).collect();
        Ok(Measured { events: self.total, callers, seconds, by_tenth, latencies_us })
    }
}

fn micros(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}
