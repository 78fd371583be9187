//! Generated messages and services of tally.v1, and their descriptor set
