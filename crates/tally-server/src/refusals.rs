//! What was refused, for whoever watches: kept whole where the issuer's signature verified under a registered key, else
//! only counted.
//!
//! It is in no log and under no checkpoint, and it says so. Keeping never holds recording up: a bounded queue, a thread of
//! its own, no sync; what does not fit is counted as dropped.

mod counts;
mod rings;

use std::{
    io,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use tally_core::{
    envelope::{PAYLOAD_TYPE_EVENT, pae},
    event::EventKind,
    id::{OrganisationId, SubjectId},
    key::KeyId,
    refusal::{Class, Refusal},
    signed_event::UnverifiedEnvelope,
};
use tally_proto::v1::{self, SignedEvent};

use self::counts::Counts;
use self::rings::Rings;
pub use self::{
    counts::{COUNTED_ORGANISATIONS_MAX, PEERS_MAX},
    rings::{FILE_BYTES_MAX, FILE_REFUSALS_MAX, ORGANISATIONS_MAX, TOTAL_BYTES_MAX},
};
use crate::{clock::Clock, pool::KeyDirectory, status::CallError};

/// Refusals that may wait to be written.
pub const QUEUE_REFUSALS_MAX: usize = 1_024;
/// Bytes of a payload that is kept; longer ones are no events, and are only counted.
pub const PAYLOAD_BYTES_MAX: usize = 65_535;
/// Refusals on a page at most.
pub const PAGE_REFUSALS_MAX: usize = 100;
/// Payload bytes after which a page ends.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Counters are written when nothing has come for so long, and after so many refusals.
const COUNTS_AFTER: Duration = Duration::from_secs(1);
const COUNTS_EVERY: usize = 4_096;

/// What is on disk, and the counters. Neither lock is taken by who records, but for one counter.
struct Shared {
    counts: Mutex<Counts>,
    rings: Mutex<Rings>,
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A refusal whose issuer's signature nobody has checked for this yet.
struct Noted {
    event: SignedEvent,
    reason: &'static str,
    message: String,
    refused_at_us: i64,
    peer: Option<IpAddr>,
}

/// Where refusals are noted. The thread that writes ends with the last clone.
#[derive(Clone)]
pub struct Refusals {
    shared: Arc<Shared>,
    keys: Arc<KeyDirectory>,
    clock: Arc<dyn Clock>,
    queue: mpsc::SyncSender<Noted>,
}

/// Where they are read.
#[derive(Clone)]
pub struct KeptRefusals {
    shared: Arc<Shared>,
}

impl Refusals {
    /// Opens what is kept in a directory, and starts to write there. What cannot be opened is not what recording waits
    /// for: then everything is counted as dropped.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(
        dir: &Path,
        keys: &Arc<KeyDirectory>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<(Self, KeptRefusals, JoinHandle<()>)> {
        let (rings, cut) = Rings::open(dir);
        for cut in &cut {
            tracing::warn!(target: "tally::refused", "{cut}");
        }
        let shared = Arc::new(Shared { counts: Mutex::new(Counts::read(dir)), rings: Mutex::new(rings) });
        let (queue, noted) = mpsc::sync_channel(QUEUE_REFUSALS_MAX);
        let (writing, known, dir) = (shared.clone(), keys.clone(), dir.to_owned());
        let thread = std::thread::Builder::new()
            .name("refusals".to_owned())
            .spawn(move || run(&writing, &known, &noted, &dir))?;
        let kept = KeptRefusals { shared: shared.clone() };
        Ok((Self { shared, keys: keys.clone(), clock, queue }, kept, thread))
    }

    /// Notes that an event was not taken. Does not wait.
    pub fn note(&self, event: &SignedEvent, error: &CallError, peer: Option<IpAddr>) {
        let (reason, meant) = match error {
            CallError::Refused(refusal) | CallError::StaleSet { refusal, .. } => (refusal.reason(), Meant::of(refusal)),
            CallError::ChainBusy { .. } => (error.reason(), Meant::Everyday),
            CallError::BadRequest { .. }
            | CallError::NotFound { .. }
            | CallError::TokenMissing
            | CallError::Token(_)
            | CallError::RoleMayNotRead { .. }
            | CallError::GrantLimited { .. }
            | CallError::NoSuchMethod
            | CallError::OutOfRange { .. }
            | CallError::QueueFull { .. }
            | CallError::TooOften
            | CallError::Unavailable(_)
            | CallError::DataLoss(_)
            | CallError::Internal { .. } => return,
        };
        let owner = KeyId::parse(&event.key_id).and_then(|id| self.keys.owned(&id)).map(|(_, owner)| owner);
        let Some(owner) = owner.filter(|_| meant != Meant::Forged && event.payload.len() <= PAYLOAD_BYTES_MAX) else {
            return self.shared.counts().unproven(reason, peer);
        };
        if meant == Meant::Everyday {
            return self.shared.counts().of(owner, reason);
        }
        let refused_at_us = self.clock.wall().micros();
        let noted = Noted { event: event.clone(), reason, message: error.to_string(), refused_at_us, peer };
        if self.queue.try_send(noted).is_err() {
            self.shared.counts().dropped();
        }
    }
}

/// What a refusal says about who sent the event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Meant {
    /// Somebody may have tried something.
    Attempt,
    /// A slow device that signs again. The signatures were found good before.
    Everyday,
    /// The issuer's signature is not the key's.
    Forged,
}

impl Meant {
    fn of(refusal: &Refusal) -> Self {
        if matches!(refusal, Refusal::BadSignature { over: "event", .. }) {
            return Self::Forged;
        }
        match refusal.row().class {
            Class::Stale => Self::Everyday,
            Class::Malformed | Class::Forbidden | Class::Precondition | Class::Exists => Self::Attempt,
        }
    }
}

/// Which refusals are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this organisation.
    pub organisation: Option<OrganisationId>,
    /// For any of these reasons; none for all.
    pub reasons: Vec<String>,
    /// Of any of these kinds; none for all.
    pub kinds: Vec<EventKind>,
    /// About this subject.
    pub subject: Option<SubjectId>,
    /// At or after this time; 0 for no bound.
    pub from_us: i64,
    /// Before this time; 0 for no bound.
    pub until_us: i64,
    /// Of a smaller number than this.
    pub before: Option<u64>,
}

/// A page of refusals.
#[derive(Debug, Default)]
pub struct Page {
    /// Newest first.
    pub refusals: Vec<v1::RefusedEvent>,
    /// Whether there are more, older ones.
    pub more: bool,
}

impl KeptRefusals {
    /// Every organisation of which something is kept or counted.
    pub fn organisations(&self) -> Vec<OrganisationId> {
        let mut organisations = self.shared.counts().organisations();
        organisations.extend(self.shared.rings().organisations());
        organisations.sort_unstable();
        organisations.dedup();
        organisations
    }

    /// The newest refusals of these organisations that a filter lets through.
    pub fn page(&self, of: &[OrganisationId], filter: &Filter, count: usize) -> Page {
        self.shared.rings().page(of, filter, count.clamp(1, PAGE_REFUSALS_MAX), PAGE_BYTES_MAX)
    }

    /// The counters of these organisations.
    pub fn counters(&self, of: &[OrganisationId]) -> Vec<v1::OrganisationRefusals> {
        let kept: Vec<u64> = {
            let rings = self.shared.rings();
            of.iter().map(|organisation| rings.kept(organisation)).collect()
        };
        let counts = self.shared.counts();
        let counted = of.iter().zip(kept).map(|(organisation, kept)| counts.told(organisation, kept));
        counted.filter(|told| told.kept > 0 || !told.reasons.is_empty()).collect()
    }

    /// The counters of what nobody can be shown to have signed.
    pub fn unproven(&self) -> v1::UnprovenRefusals {
        self.shared.counts().told_unproven()
    }

    /// How many should have been kept and were not.
    pub fn dropped(&self) -> u64 {
        self.shared.counts().told_dropped()
    }
}

/// Writes what is noted until nobody notes any more.
fn run(shared: &Shared, keys: &KeyDirectory, noted: &mpsc::Receiver<Noted>, dir: &Path) {
    let mut since = 0;
    loop {
        match noted.recv_timeout(COUNTS_AFTER) {
            Ok(noted) => {
                keep(shared, keys, noted);
                since += 1;
                if since < COUNTS_EVERY {
                    continue;
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                write_counts(shared, dir);
                return;
            }
        }
        since = 0;
        write_counts(shared, dir);
    }
}

fn write_counts(shared: &Shared, dir: &Path) {
    // Encoded under the lock, written without it: who records counts meanwhile.
    let Some(bytes) = shared.counts().changed() else { return };
    if let Err(error) = counts::write(dir, &bytes) {
        tracing::error!(target: "tally::refused", %error, "the counters of refusals cannot be written");
    }
}

fn keep(shared: &Shared, keys: &KeyDirectory, noted: Noted) {
    let Noted { event: SignedEvent { payload, key_id, signature }, reason, message, refused_at_us, peer } = noted;
    let owned = KeyId::parse(&key_id).and_then(|id| keys.owned(&id));
    let signed = <[u8; 64]>::try_from(signature.as_slice()).ok();
    let proved = owned.zip(signed).filter(|((key, _), signature)| {
        let message = pae(PAYLOAD_TYPE_EVENT, &payload);
        key.verify(&message, signature).is_ok()
    });
    let Some(((_, organisation), _)) = proved else { return shared.counts().unproven(reason, peer) };
    let parsed = UnverifiedEnvelope { payload: &payload, key_id: &key_id, signature: &signature }.parse().ok();
    let statement = parsed.as_ref().map(|event| event.event().statement());
    let kind = statement.and_then(|statement| EventKind::from_number(statement.body_number));
    let refused = v1::RefusedEvent {
        number: 0,
        refused_at_us,
        organisation: organisation.as_bytes().to_vec(),
        kind: kind.map(|kind| kind.name().to_owned()).unwrap_or_default(),
        subject: statement.map(|statement| statement.subject.key().to_vec()).unwrap_or_default(),
        reason: reason.to_owned(),
        message,
        key_id,
        payload,
        signature,
    };
    let kept = shared.rings().append(organisation, refused);
    let mut counts = shared.counts();
    counts.of(organisation, reason);
    match kept {
        Ok(pushed_out) => {
            pushed_out.into_iter().for_each(|(organisation, count)| counts.pushed_out(organisation, count))
        }
        Err(error) => {
            counts.dropped();
            drop(counts);
            tracing::error!(target: "tally::refused", %error, %organisation, reason, "a refusal cannot be written");
        }
    }
}
