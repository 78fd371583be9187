//! Generated messages and services of tally.v1, and their descriptor set.
//!
//! Messages are always there; the services need the feature `grpc`. No logic lives here.

/// Package `tally.v1`.
#[allow(clippy::all, clippy::pedantic, unused_qualifications, reason = "generated; every item is commented in proto/")]
pub mod v1 {
    include!("generated/tally.v1.rs");
}

/// The serialised `google.protobuf.FileDescriptorSet` of `proto/`, for reflection and for JSON.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptors.bin");
