//! The `tally` command line.
fn main() {}
