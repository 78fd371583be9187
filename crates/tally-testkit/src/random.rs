//! Chance from a seed, so that a failure can be repeated.

use std::ops::Range;

/// A small generator of numbers that follow from a seed (SplitMix64). Not for keys of anything but tests.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Clone, Debug)]
pub struct SeededRandom(u64);

impl SeededRandom {
    /// A generator; the same seed gives the same numbers, on every machine.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of the remainder is far below what a test could see.
        self.next_u64() % end
    }

    /// A number of the range, which is not empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    /// Yes, `numerator` times in `denominator`.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// One of the items, of which there must be some.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = self.below(u64::try_from(items.len()).unwrap());
        &items[usize::try_from(at).unwrap()]
    }

    /// Fills the bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}

/// Runs a test once for each of the seeds `0..count`, or, with `TALLY_SEED=n` in the environment, for that one alone.
/// A failure prints the seed.
///
/// # Panics
/// Where `TALLY_SEED` is no number, and where `test` does.
pub fn for_each_seed(count: u64, mut test: impl FnMut(u64)) {
    let seeds = match std::env::var("TALLY_SEED") {
        Ok(seed) => {
            let seed = seed.parse().unwrap_or_else(|_| panic!("TALLY_SEED={seed} is no number"));
            seed..seed + 1
        }
        Err(_) => 0..count,
    };
    for seed in seeds {
        let printed = PrintsSeed(seed);
        test(seed);
        drop(printed);
    }
}

/// Says which seed it was if the test panics.
struct PrintsSeed(u64);

impl Drop for PrintsSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with seed {}; TALLY_SEED={} repeats it", self.0, self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        let mut random = SeededRandom::new(1_234_567);
        let published = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.next_u64(), random.next_u64(), random.next_u64()], published);
    }

    #[test]
    fn every_seed_is_run_once() {
        let mut seen = Vec::new();
        for_each_seed(5, |seed| seen.push(seed));
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }
}
