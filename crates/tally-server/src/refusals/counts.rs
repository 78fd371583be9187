//! Counters of refusals, in a file that is replaced whole: of what is lost with a process that is killed, a second.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::IpAddr,
    path::Path,
};

use prost::Message as _;
use tally_core::id::OrganisationId;
use tally_proto::v1;

/// Addresses that are counted by themselves.
pub const PEERS_MAX: usize = 1_024;
/// Organisations that are counted; more are not registered, or are counted as dropped.
pub const COUNTED_ORGANISATIONS_MAX: usize = 65_536;

/// Name of the file.
const FILE: &str = "counters";

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Counts {
    organisations: BTreeMap<OrganisationId, OfOne>,
    reasons: BTreeMap<String, u64>,
    peers: BTreeMap<String, u64>,
    dropped: u64,
    changed: bool,
}

#[derive(Debug, Default)]
struct OfOne {
    reasons: BTreeMap<String, u64>,
    pushed_out: u64,
}

impl Counts {
    /// What was written last; nothing where that does not read back.
    pub(super) fn read(dir: &Path) -> Self {
        let bytes = match fs::read(dir.join(FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                tracing::warn!(target: "tally::refused", %error, "the counters of refusals cannot be read; they begin anew");
                return Self::default();
            }
        };
        let decoded = bytes.split_first_chunk::<4>().filter(|(sum, rest)| crc32c::crc32c(rest).to_le_bytes() == **sum);
        let decoded = decoded.and_then(|(_, rest)| v1::ListRefusalsResponse::decode(rest).ok());
        let Some(v1::ListRefusalsResponse { organisations, unproven, dropped, .. }) = decoded else {
            tracing::warn!(target: "tally::refused", "the counters of refusals are damaged; they begin anew");
            return Self::default();
        };
        let by_reason = |counts: Vec<v1::ReasonCount>| counts.into_iter().map(|one| (one.reason, one.count)).collect();
        let of_one = |one: v1::OrganisationRefusals| {
            let id = <[u8; 16]>::try_from(one.organisation.as_slice()).ok()?;
            let of_one = OfOne { reasons: by_reason(one.reasons), pushed_out: one.pushed_out };
            Some((OrganisationId::new(id), of_one))
        };
        let v1::UnprovenRefusals { reasons, peers } = unproven.unwrap_or_default();
        Self {
            organisations: organisations.into_iter().filter_map(of_one).collect(),
            reasons: by_reason(reasons),
            peers: peers.into_iter().map(|one| (one.address, one.count)).collect(),
            dropped,
            changed: false,
        }
    }

    /// The bytes of the file, if anything has changed since they were asked for last.
    pub(super) fn changed(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let message = v1::ListRefusalsResponse {
            organisations: self.organisations.keys().map(|id| self.told(id, 0)).collect(),
            unproven: Some(self.told_unproven()),
            dropped: self.dropped,
            ..Default::default()
        };
        let message = message.encode_to_vec();
        Some([&crc32c::crc32c(&message).to_le_bytes()[..], &message].concat())
    }

    pub(super) fn unproven(&mut self, reason: &str, peer: Option<IpAddr>) {
        let address = peer.map(|peer| peer.to_string()).unwrap_or_default();
        let is_counted = self.peers.contains_key(&address) || self.peers.len() < PEERS_MAX;
        count(&mut self.peers, if is_counted { &address } else { "" });
        count(&mut self.reasons, reason);
        self.changed = true;
    }

    pub(super) fn of(&mut self, organisation: OrganisationId, reason: &str) {
        if self.organisations.len() >= COUNTED_ORGANISATIONS_MAX && !self.organisations.contains_key(&organisation) {
            return self.dropped();
        }
        count(&mut self.organisations.entry(organisation).or_default().reasons, reason);
        self.changed = true;
    }

    pub(super) fn pushed_out(&mut self, organisation: OrganisationId, refusals: u64) {
        let Some(of_one) = self.organisations.get_mut(&organisation) else { return };
        of_one.pushed_out = of_one.pushed_out.saturating_add(refusals);
        self.changed = true;
    }

    pub(super) fn dropped(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
        self.changed = true;
    }

    pub(super) fn organisations(&self) -> Vec<OrganisationId> {
        self.organisations.keys().copied().collect()
    }

    pub(super) fn told(&self, organisation: &OrganisationId, kept: u64) -> v1::OrganisationRefusals {
        let of_one = self.organisations.get(organisation);
        v1::OrganisationRefusals {
            organisation: organisation.as_bytes().to_vec(),
            reasons: of_one.map(|of_one| told(&of_one.reasons)).unwrap_or_default(),
            kept,
            pushed_out: of_one.map_or(0, |of_one| of_one.pushed_out),
        }
    }

    pub(super) fn told_unproven(&self) -> v1::UnprovenRefusals {
        let peer = |(address, count): (&String, &u64)| v1::PeerCount { address: address.clone(), count: *count };
        v1::UnprovenRefusals { reasons: told(&self.reasons), peers: self.peers.iter().map(peer).collect() }
    }

    pub(super) const fn told_dropped(&self) -> u64 {
        self.dropped
    }
}

/// Reasons are names of ours, so that there are few of them.
fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count = count.saturating_add(1),
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

fn told(reasons: &BTreeMap<String, u64>) -> Vec<v1::ReasonCount> {
    reasons.iter().map(|(reason, count)| v1::ReasonCount { reason: reason.clone(), count: *count }).collect()
}

/// Replaces the file. Not synced: no sync of ours may stand before the log's.
pub(super) fn write(dir: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join(format!("{FILE}.new"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    super::rings::for_owner_only(&mut options);
    options.open(&new)?.write_all(bytes)?;
    fs::rename(new, dir.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_bounded_and_the_rest_is_one_bucket() {
        let mut counts = Counts::default();
        for number in 0..5_000_u32 {
            counts.unproven("KEY_UNKNOWN", Some(IpAddr::from(number.to_be_bytes())));
        }
        let told = counts.told_unproven();
        assert!(told.peers.len() <= PEERS_MAX + 1);
        assert_eq!(told.peers.iter().map(|peer| peer.count).sum::<u64>(), 5_000);
        assert_eq!(told.peers[0].address, "");
        assert_eq!(told.reasons, [v1::ReasonCount { reason: "KEY_UNKNOWN".to_owned(), count: 5_000 }]);
    }

    #[test]
    fn what_was_counted_is_read_again_and_damage_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut counts = Counts::default();
        assert_eq!(counts.changed(), None);
        let organisation = OrganisationId::new([7; 16]);
        counts.of(organisation, "STALE_HEAD");
        counts.pushed_out(organisation, 3);
        counts.unproven("BAD_SIGNATURE", None);
        counts.dropped();
        let bytes = counts.changed().unwrap();
        assert_eq!(counts.changed(), None);
        write(dir.path(), &bytes).unwrap();
        let again = Counts::read(dir.path());
        assert_eq!(again.told(&organisation, 5), counts.told(&organisation, 5));
        assert_eq!((again.told_unproven(), again.told_dropped()), (counts.told_unproven(), 1));

        let mut bad = bytes;
        *bad.last_mut().unwrap() ^= 1;
        write(dir.path(), &bad).unwrap();
        assert!(Counts::read(dir.path()).organisations().is_empty());
    }
}
