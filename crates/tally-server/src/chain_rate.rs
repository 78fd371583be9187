//! How fast an outsider may move a machine's chain on, so that whoever holds the machine gets a word in.
//!
//! No rule of the domain: it decides when an event is taken, never whether, and a replay of the log does not ask it. A
//! bucket for each machine and organisation, emptied in turns: a few events at once, then a pause. Without the pause an
//! outsider could dole its bucket out, one event for each try of somebody slow.

use std::{collections::HashMap, time::Duration};

use tally_core::id::{OrganisationId, SubjectId};

/// Events that an outsider may put on a machine's chain at once.
pub const CHAIN_BURST_MAX: u32 = 8;
/// After so many milliseconds it may put one more there.
pub const CHAIN_REFILL_MILLIS: u64 = 10_000;
/// A turn at a machine's chain lasts at most so many milliseconds from its first event.
pub const CHAIN_TURN_MILLIS: u64 = 2_000;
/// Milliseconds from the last event of an outsider's turn to its next: who needs half of that to sign falls into it.
pub const CHAIN_PAUSE_MILLIS: u64 = 10_000;
/// Buckets that are remembered; past it full ones are forgotten, then the oldest.
pub const CHAIN_BUCKETS_MAX: usize = 65_536;

/// One event, in the milliseconds that it costs.
const EVENT: u64 = CHAIN_REFILL_MILLIS;
const FULL: u64 = EVENT * CHAIN_BURST_MAX as u64;

/// Whose bucket at which chain.
pub type Outsider = (SubjectId, OrganisationId);

/// What an outsider has left at a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bucket {
    /// What it has used, in milliseconds that must pass; past [`FULL`] after a set that was larger than the bucket.
    used: u64,
    turn_began: u64,
    last: u64,
}

impl Bucket {
    fn used_at(&self, now: u64) -> u64 {
        self.used.saturating_sub(now.saturating_sub(self.last))
    }

    fn is_in_turn(&self, now: u64) -> bool {
        now < self.turn_began.saturating_add(CHAIN_TURN_MILLIS)
    }

    /// Milliseconds until one more event is taken; 0 where it is taken now.
    fn wait(&self, now: u64) -> u64 {
        let has_one_in = (self.used_at(now) + EVENT).saturating_sub(FULL);
        if has_one_in == 0 && self.is_in_turn(now) {
            return 0;
        }
        let paused_for = self.last.saturating_add(CHAIN_PAUSE_MILLIS).saturating_sub(now);
        has_one_in.max(paused_for)
    }
}

/// The buckets. Owned by the sequencer.
#[derive(Debug, Default)]
pub struct ChainRate {
    buckets: HashMap<Outsider, Bucket>,
}

impl ChainRate {
    /// How long an outsider must wait before the next event; `None` where it need not. `now` is monotonic time.
    pub fn wait(&self, outsider: &Outsider, now: Duration) -> Option<Duration> {
        let wait = self.buckets.get(outsider)?.wait(millis(now));
        (wait > 0).then(|| Duration::from_millis(wait))
    }

    /// Takes one event out of a bucket, however full it is; gives the bucket as it was, to bring it back.
    pub fn take(&mut self, outsider: Outsider, now: Duration) -> Option<Bucket> {
        let now = millis(now);
        if self.buckets.len() >= CHAIN_BUCKETS_MAX && !self.buckets.contains_key(&outsider) {
            self.forget(now);
        }
        let former = self.buckets.get(&outsider).copied();
        let begun = former.filter(|bucket| bucket.is_in_turn(now)).map_or(now, |bucket| bucket.turn_began);
        let used = former.map_or(0, |bucket| bucket.used_at(now)).saturating_add(EVENT);
        self.buckets.insert(outsider, Bucket { used, turn_began: begun, last: now });
        former
    }

    /// Brings a bucket back to what it was: what it was taken for is not recorded.
    pub fn bring_back(&mut self, outsider: Outsider, former: Option<Bucket>) {
        match former {
            Some(bucket) => drop(self.buckets.insert(outsider, bucket)),
            None => drop(self.buckets.remove(&outsider)),
        }
    }

    /// Makes room: who has a full bucket is as good as unknown; then the older half goes.
    fn forget(&mut self, now: u64) {
        self.buckets.retain(|_, bucket| bucket.used_at(now) > 0);
        if self.buckets.len() <= CHAIN_BUCKETS_MAX / 2 {
            return;
        }
        let mut ages: Vec<u64> = self.buckets.values().map(|bucket| bucket.last).collect();
        let middle = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(middle);
        let median = *median;
        self.buckets.retain(|_, bucket| bucket.last > median);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tally_core::id::SubjectKind;

    use super::*;

    fn outsider(number: u32) -> Outsider {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        (SubjectId::new(SubjectKind::Equipment, id), OrganisationId::new([1; 16]))
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// How many of so many events are taken at a time.
    fn taken(rate: &mut ChainRate, outsider: Outsider, tries: u32, now: u64) -> u32 {
        let mut taken = 0;
        for _ in 0..tries {
            if rate.wait(&outsider, at(now)).is_none() {
                rate.take(outsider, at(now));
                taken += 1;
            }
        }
        taken
    }

    #[test]
    fn a_burst_is_taken_then_one_in_ten_seconds_and_others_are_not_held_up() {
        let mut rate = ChainRate::default();
        assert_eq!(taken(&mut rate, outsider(1), 100, 0), CHAIN_BURST_MAX);
        assert_eq!(taken(&mut rate, outsider(2), 3, 0), 3, "at another machine");
        assert_eq!(rate.wait(&outsider(1), at(0)), Some(Duration::from_secs(10)));
        assert_eq!(taken(&mut rate, outsider(1), 100, 9_999), 0);
        assert_eq!(taken(&mut rate, outsider(1), 100, 10_000), 1);
        assert_eq!(taken(&mut rate, outsider(1), 100, 600_000), CHAIN_BURST_MAX, "full again");
    }

    #[test]
    fn who_doles_the_bucket_out_has_a_turn_and_then_a_pause() {
        let mut rate = ChainRate::default();
        let times: Vec<u64> =
            (0..60_000).step_by(100).filter(|now| taken(&mut rate, outsider(1), 1, *now) == 1).collect();
        for pair in times.windows(2) {
            let apart = pair[1] - pair[0];
            assert!(apart <= CHAIN_TURN_MILLIS || apart >= CHAIN_PAUSE_MILLIS, "{times:?}");
        }
        let mut rate = ChainRate::default();
        assert_eq!(taken(&mut rate, outsider(1), 1, 0), 1);
        assert_eq!(taken(&mut rate, outsider(1), 1, 2_000), 0, "the turn is over, though the bucket is not empty");
        assert_eq!(taken(&mut rate, outsider(1), 1, 10_000), 1);
    }

    #[test]
    fn a_set_may_overdraw_and_what_is_brought_back_was_never_taken() {
        let mut rate = ChainRate::default();
        let formers: Vec<_> = (0..20).map(|_| rate.take(outsider(1), at(0))).collect();
        assert_eq!(rate.wait(&outsider(1), at(0)), Some(Duration::from_secs(130)), "20 of 8, and one more");
        for former in formers.into_iter().rev() {
            rate.bring_back(outsider(1), former);
        }
        assert_eq!(rate.wait(&outsider(1), at(0)), None);
        assert!(rate.buckets.is_empty());
    }

    #[test]
    fn memory_is_bounded_and_who_was_just_here_is_remembered() {
        let mut rate = ChainRate::default();
        for number in 0..200_000 {
            rate.take(outsider(number), at(u64::from(number) / 1_000));
            assert!(rate.buckets.len() <= CHAIN_BUCKETS_MAX);
        }
        assert!(rate.buckets.contains_key(&outsider(199_999)));
        assert!(!rate.buckets.contains_key(&outsider(0)));
    }
}
