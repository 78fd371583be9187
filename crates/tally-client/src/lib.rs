//! Signing, sending, and verifying what comes back.
//!
//! [`key`] and [`draft`] make signed events; [`client`] sends them and asks; [`verify`] holds receipts, histories and
//! head proofs against the log's key, with no server in the world; [`json`] shows every message to people, and
//! [`publication`] turns tables that people edit into what is published.

pub mod audit;
pub mod client;
pub mod clock;
pub mod draft;
pub mod error;
pub mod json;
pub mod key;
pub mod publication;
pub mod state;
pub mod verify;

pub use client::{Client, Options};
pub use error::{ClientError, ServerError};
