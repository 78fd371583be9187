//! The one place where a call is let in. Until callers carry tokens it says yes, and `serve` stays on loopback.

use crate::status::CallError;

/// What a call wants to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Record events.
    Record,
    /// Read chains and states.
    Read,
    /// Read entries of the whole log.
    ReadLog,
}

/// Lets a call in.
///
/// # Errors
/// None until callers carry tokens.
pub fn check(purpose: Purpose) -> Result<(), CallError> {
    match purpose {
        Purpose::Record | Purpose::Read | Purpose::ReadLog => Ok(()),
    }
}
