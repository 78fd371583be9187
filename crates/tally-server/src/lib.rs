//! Sequencer, gRPC services, access and audit of the ledger.
//!
//! One thread sequences ([`sequencer`]), a pool checks signatures ([`pool`]), one thread moves the index on
//! (`projector`), and readers get immutable snapshots ([`published`]).

pub mod access;
pub mod audit;
pub mod chain_rate;
pub mod clock;
pub mod fence;
pub mod init;
pub mod pool;
mod projector;
pub mod published;
pub mod rate;
pub mod reader;
pub mod refusals;
pub mod sequencer;
pub mod server;
pub mod service;
pub mod startup;
pub mod status;
