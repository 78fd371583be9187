//! The row of a subject: its state as of all that is recorded, and what is needed to move it on.

use prost::Message;
use tally_core::rule::judge::KeptCase;
use tally_proto::v1::Irregularity;

/// What sled holds of one subject. Its bytes begin with a CRC-32C of the rest.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Row {
    /// Position of the last entry that touches it.
    #[prost(uint64, tag = "1")]
    pub(crate) last_position: u64,
    /// Number of entries that touch it.
    #[prost(uint64, tag = "2")]
    pub(crate) touches: u64,
    /// Latest `occurred_at` among them: an earlier one must be folded in where it belongs.
    #[prost(int64, tag = "3")]
    pub(crate) occurred_max_us: i64,
    /// What admission found about them, by position.
    #[prost(message, repeated, tag = "4")]
    pub(crate) findings: Vec<Irregularity>,
    /// The state: a message of the kind of the subject; empty where its chain is not open.
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) state: Vec<u8>,
    /// What the rules keep of a machine or mine, as of its last event.
    #[prost(message, optional, tag = "6")]
    pub(crate) case: Option<KeptCase>,
    /// Keys of the findings that only time has changed since its last event.
    #[prost(bytes = "vec", repeated, tag = "7")]
    pub(crate) by_time: Vec<Vec<u8>>,
    /// When to look again, as it stands in the queue, never too late: microseconds since 1970; 0 for not at all.
    #[prost(int64, tag = "8")]
    pub(crate) queued_us: i64,
}

impl Row {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let body = self.encode_to_vec();
        let mut bytes = crc32c::crc32c(&body).to_be_bytes().to_vec();
        bytes.extend_from_slice(&body);
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (checksum, body) = bytes.split_first_chunk::<4>()?;
        if crc32c::crc32c(body).to_be_bytes() != *checksum {
            return None;
        }
        Self::decode(body).ok()
    }
}
