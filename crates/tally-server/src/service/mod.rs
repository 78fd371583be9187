//! The gRPC services: requests in, answers out. What may happen is decided elsewhere.

mod audit_export;
pub mod equipment;
pub mod findings;
pub mod ledger;
pub mod log;
pub mod marks;
pub mod refusals;
pub mod register;
pub mod subject;
pub mod supervision;
