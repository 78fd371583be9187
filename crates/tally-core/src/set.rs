//! Atomic sets: events that are sealed in one batch, or none of them
//!
//! Source: FORMAT, section 1, "Set".

use crate::hash::{Digest, sha256};
use crate::id::SubjectId;
use crate::key::KeyId;
use crate::number::ChainIndex;
use crate::signed_event::VerifiedEvent;

/// The fewest members of a set.
pub const SET_MEMBERS_MIN: u32 = 2; // FORMAT, section 1, "Set"
/// The most members of a set.
pub const SET_MEMBERS_MAX: u32 = 64; // FORMAT, section 1, "Set"

/// Prefix of the bytes under a set digest, so that they are those of nothing else.
const SET_PREFIX: u8 = 0x04;

/// What every member says of its set.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct EventSet {
    /// Number of members, [`SET_MEMBERS_MIN`] to [`SET_MEMBERS_MAX`].
    pub count: u32,
    /// [`set_digest`] of the members.
    pub digest: Digest,
}

impl EventSet {
    /// The set of the statements with these [`member hashes`](crate::statement::Statement::member_hash), in any order.
    ///
    /// # Errors
    /// [`SetError::Size`] for fewer than 2 or more than 64.
    pub fn of(member_hashes: &[Digest]) -> Result<Self, SetError> {
        let size = SetError::Size { found: member_hashes.len() };
        let count = u32::try_from(member_hashes.len()).map_err(|_| size)?;
        if !(SET_MEMBERS_MIN..=SET_MEMBERS_MAX).contains(&count) {
            return Err(size);
        }
        Ok(Self { count, digest: set_digest(member_hashes) })
    }
}

/// SHA-256 of 0x04 and the member hashes, sorted.
#[must_use]
pub fn set_digest(member_hashes: &[Digest]) -> Digest {
    let mut sorted = member_hashes.to_vec();
    sorted.sort_unstable();
    let mut parts: Vec<&[u8]> = vec![&[SET_PREFIX]];
    parts.extend(sorted.iter().map(|hash| hash.as_bytes().as_slice()));
    Digest::new(sha256(&parts))
}

/// Why events are not the whole of one set. None of them is recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SetError {
    /// Fewer than 2 or more than 64 members.
    #[error("a set has 2 to 64 members, not {found}")]
    Size {
        /// Members found.
        found: usize,
    },
    /// A member that says it is in no set, or in another.
    #[error("member {at} names another set than member 0, or none")]
    OtherSet {
        /// 0-based place among the members.
        at: usize,
    },
    /// The members are not as many as they say.
    #[error("the set has {due} members, {found} came")]
    Count {
        /// What the members say.
        due: u32,
        /// Members found.
        found: usize,
    },
    /// The members are not those that the digest is made of.
    #[error("the digest of the members is {found}, they name {due}")]
    Digest {
        /// What the members say.
        due: Digest,
        /// What they give.
        found: Digest,
    },
    /// A member by another key.
    #[error("member {at} is issued by key {found}, member 0 by {due}")]
    Issuer {
        /// 0-based place among the members.
        at: usize,
        /// The issuer of the first member.
        due: KeyId,
        /// The issuer of this one.
        found: KeyId,
    },
    /// Two members on one chain that do not follow one another.
    #[error("member {at} stands at {found} on {subject}, an earlier member at {before}")]
    Order {
        /// 0-based place among the members.
        at: usize,
        /// The chain.
        subject: SubjectId,
        /// Place of the last member before it on that chain.
        before: ChainIndex,
        /// Place of this one.
        found: ChainIndex,
    },
}

/// Checks that these events, in this order, are the whole of one set: same set field, count, digest, one issuer, and
/// those on one chain follow by index.
///
/// That they stand in consecutive positions of one batch is for whoever knows positions to check.
///
/// # Errors
/// The first rule that is broken.
pub fn check_members(members: &[&VerifiedEvent]) -> Result<(), SetError> {
    let size = SetError::Size { found: members.len() };
    let first = *members.first().ok_or(size)?;
    let set = first.statement().set.ok_or(SetError::OtherSet { at: 0 })?;
    let issuer = first.issuer();
    for (at, member) in members.iter().enumerate() {
        if member.statement().set != Some(set) {
            return Err(SetError::OtherSet { at });
        }
        if member.issuer() != issuer {
            return Err(SetError::Issuer { at, due: issuer, found: member.issuer() });
        }
        let subject = member.statement().subject;
        let earlier = members.iter().take(at).rfind(|other| other.statement().subject == subject);
        if let Some(before) = earlier.map(|other| other.chain_index())
            && before.next() != Some(member.chain_index())
        {
            return Err(SetError::Order { at, subject, before, found: member.chain_index() });
        }
    }
    if usize::try_from(set.count) != Ok(members.len()) {
        return Err(SetError::Count { due: set.count, found: members.len() });
    }
    let hashes: Vec<_> = members.iter().map(|member| member.statement().member_hash()).collect();
    let found = set_digest(&hashes);
    if found == set.digest { Ok(()) } else { Err(SetError::Digest { due: set.digest, found }) }
}
