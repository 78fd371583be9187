//! Projections of the log in sled, and the queries over them
