//! Signing, sending, and verifying what comes back
