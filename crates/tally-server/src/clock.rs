//! The clock: the only room of this crate where time comes in.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tally_core::time::Timestamp;

/// Suffix of the origin of a log that may run on another clock than the system's.
pub const REPLAY_ORIGIN_SUFFIX: &str = "/demo";

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now, as the ledger would record it.
    fn now(&self) -> Timestamp;

    /// Time since some fixed instant, which never goes back: `None` for a clock that is told the time.
    fn monotonic(&self) -> Option<Duration>;

    /// Now, as the people outside have it: by this tokens expire. The same as [`Clock::now`], but for a replay.
    fn wall(&self) -> Timestamp {
        self.now()
    }
}

/// The system's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The system's clock, with monotonic time counted from here.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Timestamp::from_micros(micros)
    }

    fn monotonic(&self) -> Option<Duration> {
        Some(self.started.elapsed())
    }
}

/// A clock that shows what it was told: for the replay of a sample, on logs whose origin ends in `/demo` only.
#[derive(Debug, Default)]
pub struct ReplayClock {
    micros: AtomicI64,
}

impl ReplayClock {
    /// Sets the time.
    pub fn set(&self, now: Timestamp) {
        self.micros.store(now.micros(), Ordering::SeqCst);
    }
}

impl Clock for ReplayClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Option<Duration> {
        None
    }

    fn wall(&self) -> Timestamp {
        SystemClock::new().now()
    }
}
