//! The gRPC services: requests in, answers out. What may happen is decided elsewhere.

pub mod equipment;
pub mod ledger;
pub mod log;
pub mod register;
pub mod subject;
