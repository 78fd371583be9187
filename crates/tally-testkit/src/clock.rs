//! A clock that a test sets and advances.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tally_core::time::Timestamp;

/// A clock that stands still until it is told otherwise. A clone is the same clock.
#[derive(Clone, Debug)]
pub struct SimClock {
    hands: Arc<Mutex<Hands>>,
}

#[derive(Clone, Copy, Debug)]
struct Hands {
    wall: Timestamp,
    monotonic: Option<Duration>,
}

impl SimClock {
    /// A clock that shows `now`, with monotonic time 0.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { hands: Arc::new(Mutex::new(Hands { wall: now, monotonic: Some(Duration::ZERO) })) }
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.read().wall
    }

    /// Time since it was made; `None` after [`SimClock::set_monotonic`] with `None`.
    #[must_use]
    pub fn monotonic(&self) -> Option<Duration> {
        self.read().monotonic
    }

    /// Time passes: the wall clock and monotonic time go on together.
    pub fn advance(&self, by: Duration) {
        self.change(|hands| {
            hands.wall = later(hands.wall, micros(by));
            hands.monotonic = hands.monotonic.map(|monotonic| monotonic + by);
        });
    }

    /// Somebody turns the wall clock, ahead or back; monotonic time does not move.
    pub fn step_micros(&self, by: i64) {
        self.change(|hands| hands.wall = later(hands.wall, by));
    }

    /// Sets the wall clock; monotonic time does not move.
    pub fn set(&self, now: Timestamp) {
        self.change(|hands| hands.wall = now);
    }

    /// Sets monotonic time; `None` makes it a clock that is told the time, as for a replay.
    pub fn set_monotonic(&self, monotonic: Option<Duration>) {
        self.change(|hands| hands.monotonic = monotonic);
    }

    fn read(&self) -> Hands {
        *self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Hands)) {
        change(&mut self.hands.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap()
}

fn later(time: Timestamp, by: i64) -> Timestamp {
    time.checked_add_micros(by).unwrap()
}

impl tally_client::clock::Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.now()
    }
}

#[cfg(feature = "server")]
impl tally_server::clock::Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.now()
    }

    fn monotonic(&self) -> Option<Duration> {
        self.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advancing_moves_both_hands_and_stepping_one() {
        let clock = SimClock::new(Timestamp::from_micros(1_000));
        let other = clock.clone();
        clock.advance(Duration::from_micros(5));
        other.step_micros(-3);
        assert_eq!((clock.now().micros(), clock.monotonic()), (1_002, Some(Duration::from_micros(5))));
        clock.set_monotonic(None);
        clock.advance(Duration::from_micros(1));
        assert_eq!((clock.now().micros(), clock.monotonic()), (1_003, None));
    }
}
