//! The domain of the ledger as pure functions: events, chains, admission, lifecycle, roles
