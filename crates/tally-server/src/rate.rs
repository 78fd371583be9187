//! How often somebody without an account may ask: a bucket for each address, filled at a steady rate.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{clock::Clock, status::CallError};

/// Addresses that are remembered; past it the fullest buckets are forgotten.
const ADDRESSES_MAX: usize = 65_536;

/// Questions that an address may ask at once, in seconds of its rate.
const BURST_SECONDS: u32 = 2;

/// The rate at which each address may ask.
pub struct PublicRate {
    per_second: u32,
    clock: Arc<dyn Clock>,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Questions left, in millionths.
    left: u64,
    at_us: i64,
}

impl PublicRate {
    /// So many questions a second from each address; 0 for no limit.
    pub fn new(per_second: u32, clock: Arc<dyn Clock>) -> Self {
        Self { per_second, clock, buckets: Mutex::default() }
    }

    /// Lets a question of an address in, or says when to come back.
    ///
    /// # Errors
    /// [`CallError::TooOften`].
    pub fn check(&self, address: Option<SocketAddr>) -> Result<(), CallError> {
        // A clock that is told the time stands still between two events of a replay: it measures no rate.
        let Some(elapsed) = self.clock.monotonic() else { return Ok(()) };
        self.check_at(address, i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    }

    fn check_at(&self, address: Option<SocketAddr>, now_us: i64) -> Result<(), CallError> {
        let Some(address) = address.map(|address| address.ip()).filter(|_| self.per_second > 0) else { return Ok(()) };
        let rate = u64::from(self.per_second);
        let full = rate * u64::from(BURST_SECONDS) * 1_000_000;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&address) {
            // Who has not asked for long has a full bucket again, and is as good as unknown.
            let refilled = |bucket: &Bucket| refill(bucket, now_us, rate, full) >= full;
            buckets.retain(|_, bucket| !refilled(bucket));
            if buckets.len() >= ADDRESSES_MAX {
                return Err(CallError::TooOften);
            }
        }
        let bucket = buckets.entry(address).or_insert(Bucket { left: full, at_us: now_us });
        bucket.left = refill(bucket, now_us, rate, full);
        bucket.at_us = now_us;
        match bucket.left.checked_sub(1_000_000) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => Err(CallError::TooOften),
        }
    }
}

fn refill(bucket: &Bucket, now_us: i64, rate: u64, full: u64) -> u64 {
    let passed_us = u64::try_from(now_us.saturating_sub(bucket.at_us)).unwrap_or_default();
    bucket.left.saturating_add(passed_us.saturating_mul(rate)).min(full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ReplayClock;

    fn address(last: u8) -> Option<SocketAddr> {
        Some(SocketAddr::from(([192, 0, 2, last], 4_711)))
    }

    #[test]
    fn a_burst_is_let_in_then_the_rate_and_others_are_not_held_up() {
        let rate = PublicRate::new(10, Arc::new(ReplayClock::default()));
        let let_in = |last: u8, times: u32, now_us: i64| {
            (0..times).filter(|_| rate.check_at(address(last), now_us).is_ok()).count()
        };
        assert_eq!(let_in(1, 100, 0), 20);
        assert_eq!(let_in(2, 5, 0), 5);
        assert_eq!(let_in(1, 100, 500_000), 5);
        assert_eq!(let_in(1, 100, 9_000_000), 20);
    }

    #[test]
    fn no_limit_lets_everything_in() {
        let rate = PublicRate::new(0, Arc::new(ReplayClock::default()));
        assert!((0..1_000).all(|_| rate.check_at(address(1), 0).is_ok()));
    }
}
