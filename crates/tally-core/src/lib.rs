//! The domain of the ledger as pure functions: events, chains, admission, lifecycle, roles

pub mod access;
pub mod admission;
pub mod authority;
pub mod candidate;
pub mod credit_code;
pub mod entry;
pub mod envelope;
pub mod event;
pub mod form;
pub mod hash;
pub mod id;
pub mod key;
pub mod lifecycle;
pub mod number;
pub mod refusal;
pub mod retry;
pub mod rule;
pub mod set;
pub mod signed_event;
pub mod state;
pub mod statement;
pub mod text;
pub mod time;
pub mod token;
pub mod touch;
mod wire;
