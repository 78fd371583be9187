//! The pool that checks form and signatures: a fixed number of threads, for arithmetic blocks an async thread.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread::JoinHandle,
};

use tally_core::{
    candidate::{Candidate, UnverifiedCandidate},
    id::OrganisationId,
    key::{KeyId, PublicKey},
    refusal::Refusal,
    signed_event::UnverifiedEnvelope,
};
use tally_proto::v1::SignedEvent;
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait for a thread; each is one message of at most 1,024 events.
const JOBS_MAX: usize = 64;

/// Keys that are registered. Written by the sequencer, read by the pool; the lock is held for a look-up only.
#[derive(Debug, Default)]
pub struct KeyDirectory {
    keys: RwLock<HashMap<KeyId, (Arc<PublicKey>, OrganisationId)>>,
}

impl KeyDirectory {
    /// Adds keys that were registered, and whose they are.
    pub fn add(&self, keys: impl IntoIterator<Item = (PublicKey, OrganisationId)>) {
        let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(keys.into_iter().map(|(key, owner)| (key.key_id(), (Arc::new(key), owner))));
    }

    /// A key, and whose it is.
    pub fn owned(&self, id: &KeyId) -> Option<(Arc<PublicKey>, OrganisationId)> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The public keys of these ids; those that are not known are left out.
    pub fn find(&self, ids: impl Iterator<Item = KeyId>) -> Vec<Arc<PublicKey>> {
        let known = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        ids.filter_map(|id| known.get(&id).map(|(key, _)| key.clone())).collect()
    }
}

/// An event after the pool.
#[derive(Debug)]
pub enum Prepared {
    /// Its form and signatures hold.
    Candidate(Box<Candidate>),
    /// Its form holds, but a key was not known yet: it may be registered by an event on its way.
    KeyUnknown(Box<UnverifiedCandidate>),
    /// It is refused.
    Refused(Box<Refusal>),
}

struct Job {
    /// Shared with whoever must say of a refused one what came.
    events: Arc<Vec<SignedEvent>>,
    answer: oneshot::Sender<Vec<Prepared>>,
}

/// The pool.
#[derive(Debug)]
pub struct Pool {
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// The pool has no room, or has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PoolError {
    /// All its places are taken.
    Full,
    /// It has ended.
    Stopped,
}

impl Pool {
    /// Starts `threads` threads that check events for the log `origin`.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(origin: &str, keys: &Arc<KeyDirectory>, threads: usize) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>(JOBS_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..threads.max(1))
            .map(|number| {
                let (queue, keys, origin) = (queue.clone(), keys.clone(), origin.to_owned());
                std::thread::Builder::new().name(format!("verify-{number}")).spawn(move || run(&queue, &keys, &origin))
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Checks events and waits for a place: for streams, whose backpressure this is.
    ///
    /// # Errors
    /// [`PoolError::Stopped`].
    pub async fn prepare(&self, events: Arc<Vec<SignedEvent>>) -> Result<Vec<Prepared>, PoolError> {
        let (answer, prepared) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(PoolError::Stopped)?;
        jobs.send(Job { events, answer }).await.map_err(|_| PoolError::Stopped)?;
        prepared.await.map_err(|_| PoolError::Stopped)
    }

    /// Checks events if there is a place: a full queue answers at once.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn try_prepare(&self, events: Arc<Vec<SignedEvent>>) -> Result<Vec<Prepared>, PoolError> {
        let (answer, prepared) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(PoolError::Stopped)?;
        jobs.try_send(Job { events, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PoolError::Full,
            mpsc::error::TrySendError::Closed(_) => PoolError::Stopped,
        })?;
        prepared.await.map_err(|_| PoolError::Stopped)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a verification thread panicked");
            }
        }
    }
}

fn run(queue: &Mutex<mpsc::Receiver<Job>>, keys: &KeyDirectory, origin: &str) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(Job { events, answer }) = job else { return };
        let prepared = events.iter().map(|event| prepare(event, keys, origin)).collect();
        // Who asked may be gone: a cancelled call ends a wait, and nothing was sequenced yet.
        drop(answer.send(prepared));
    }
}

fn prepare(event: &SignedEvent, keys: &KeyDirectory, origin: &str) -> Prepared {
    let envelope = UnverifiedEnvelope { payload: &event.payload, key_id: &event.key_id, signature: &event.signature };
    let candidate = match UnverifiedCandidate::parse(origin, envelope) {
        Ok(candidate) => candidate,
        Err(refusal) => return Prepared::Refused(Box::new(refusal)),
    };
    let found = keys.find(candidate.event().key_ids());
    if found.len() < candidate.event().key_ids().count() {
        return Prepared::KeyUnknown(Box::new(candidate));
    }
    match candidate.verify(|id| found.iter().find(|key| key.key_id() == *id).map(AsRef::as_ref)) {
        Ok(candidate) => Prepared::Candidate(Box::new(candidate)),
        Err(refusal) => Prepared::Refused(Box::new(refusal)),
    }
}
