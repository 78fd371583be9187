//! Sequencer, gRPC services, access and audit of the ledger
