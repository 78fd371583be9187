//! Waiting for a condition with a deadline, never for a length of time.

use std::time::{Duration, Instant};

/// How often a condition that nothing announces is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The instant at which a wait that begins now must be over.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a deadline of a test, in real time")]
pub fn deadline_in(length: Duration) -> Instant {
    Instant::now() + length
}

/// What is left until the deadline; zero after it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a deadline of a test, in real time")]
pub fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Looks until there is something, and gives it.
///
/// # Panics
/// If there is nothing when the time is over; `what` says what was waited for.
pub fn wait_for<T>(what: &str, length: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = deadline_in(length);
    loop {
        if let Some(found) = look() {
            return found;
        }
        let left = time_left(deadline);
        assert!(!left.is_zero(), "{what}: not within {length:?}");
        std::thread::park_timeout(left.min(LOOK_EVERY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_again_until_there_is_something() {
        let mut looks = 0;
        let found = wait_for("three looks", Duration::from_secs(10), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, 3);
    }

    #[test]
    fn says_what_it_waited_for_when_the_time_is_over() {
        let waited = std::panic::catch_unwind(|| wait_for("rain", Duration::from_millis(1), || None::<()>));
        let said = waited.unwrap_err();
        assert_eq!(said.downcast_ref::<String>().unwrap(), "rain: not within 1ms");
    }
}
