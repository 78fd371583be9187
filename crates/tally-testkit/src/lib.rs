//! Builders, simulated clock and disk, for tests only.
//!
//! - [`scene`]: organisations, keys, a mine and machines, and every event about them, signed and valid; a test changes
//!   one thing. [`life`] makes such events without end, from a seed.
//! - [`disk`]: a disk in memory whose power can be cut at every operation.
//! - [`clock`]: a clock that a test sets.
//! - `ledger` (feature `server`): a real server in the test's own process. [`binary`]: the real program.
//! - [`random`]: chance from a seed. [`wait`]: waiting with a deadline.
//!
//! A crate that this one depends on may use it in its `tests/` only: in its unit tests its own types would be there
//! twice, as two different ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "for tests only: what goes wrong here ends the test, with words"
)]

pub mod binary;
pub mod clock;
#[cfg(feature = "disk")]
pub mod disk;
#[cfg(feature = "server")]
pub mod ledger;
pub mod life;
pub mod random;
pub mod scene;
pub mod wait;
