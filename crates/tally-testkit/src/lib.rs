//! Builders, simulated clock and disk, for tests only
