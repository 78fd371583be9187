//! Founding a ledger: once, and never by accident.

use std::{fs, io::Write as _};

use tally_core::{
    admission::Admission, candidate::UnverifiedCandidate, entry::EventEntry, hash::LeafHash as CoreLeafHash,
    key::PublicKey, number::LogPosition as CorePosition, refusal::Refusal, signed_event::UnverifiedEnvelope,
    time::Timestamp,
};
use tally_log::{
    LogPosition,
    checkpoint::{Checkpoint, Origin},
    entry::{HeadsEntry, RecordedAt},
    heads::{HeadsMap, MapKey},
    note::SignerKey,
    store::{Batch, Directory, Options},
    touch::TouchStack,
};
use tally_proto::v1::{SignedEvent, statement::Body};

use crate::{
    fence::Fence,
    startup::{Layout, StartError},
};

/// Founds a ledger: its first batch is the registrar's own registration, `genesis`, alone.
///
/// # Errors
/// [`StartError::AlreadyThere`]; [`StartError::Configuration`] where the event founds no log of this origin and key.
pub fn found(layout: &Layout, signer: &SignerKey, genesis: &SignedEvent, now: Timestamp) -> Result<(), StartError> {
    let dir = layout.dir().to_owned();
    if layout.log_pub().exists() || layout.log().exists() {
        return Err(StartError::AlreadyThere { dir });
    }
    let file = |path: &std::path::Path| {
        let path = path.to_owned();
        move |source| StartError::File { path, source }
    };
    fs::create_dir_all(&dir).map_err(file(&dir))?;
    let _lock = layout.take_lock()?;
    let verifier = signer.verifier();
    let origin = Origin::parse(verifier.name()).map_err(|error| StartError::Configuration(error.to_string()))?;
    let batch = first_batch(&origin, &verifier.public_key(), genesis, now)?;

    let wrong = |error: &dyn std::fmt::Display| StartError::Damaged { what: error.to_string() };
    let created = Directory::create(layout.disk(), &layout.log(), Options::default());
    let (mut directory, mut tree, _) = created.map_err(|error| wrong(&error))?;
    let leaves = batch.leaves().to_vec();
    directory.append(batch).map_err(|error| wrong(&error))?;
    if !tree.append(&leaves) {
        return Err(wrong(&"the tree did not grow"));
    }
    let fence = Fence::create(layout.disk().as_ref(), layout.fence(), origin.as_str(), tree.size(), tree.root());
    fence.map_err(|source| StartError::Fence { path: layout.fence().to_owned(), source })?;
    let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.root() };
    let note = checkpoint.sign(signer).map_err(|error| wrong(&error))?;
    directory.publish_checkpoint(&note, tree.size()).map_err(|error| wrong(&error))?;

    // Written last: a directory without it is no ledger yet.
    let path = layout.log_pub();
    let mut public = fs::File::create_new(&path).map_err(file(&path))?;
    writeln!(public, "{verifier}").and_then(|()| public.sync_all()).map_err(file(&path))?;
    fs::File::open(&dir).and_then(|dir| dir.sync_all()).map_err(file(&dir))
}

fn first_batch(
    origin: &Origin,
    log_key: &[u8; 32],
    genesis: &SignedEvent,
    now: Timestamp,
) -> Result<Batch, StartError> {
    let wrong = |what: &dyn std::fmt::Display| StartError::Configuration(format!("the founding event: {what}"));
    let envelope =
        UnverifiedEnvelope { payload: &genesis.payload, key_id: &genesis.key_id, signature: &genesis.signature };
    let candidate = UnverifiedCandidate::parse(origin.as_str(), envelope).map_err(|error| wrong(&error))?;
    let keys = founding_keys(&candidate, log_key).map_err(|error| wrong(&error))?;
    let verified = candidate.verify(|id| keys.iter().find(|key| key.key_id() == *id));
    let candidate = verified.map_err(|error: Refusal| wrong(&error))?;
    let statement = candidate.statement();
    if statement.organisation.subject() != statement.subject || candidate.event().chain_index().get() != 0 {
        return Err(wrong(&"the registrar registers itself, at place 0 of its chain"));
    }

    let entry = EventEntry::new(now, candidate.event().envelope().clone()).map_err(|error| wrong(&error))?.encode();
    let mut batch = Batch::new(LogPosition::FIRST);
    let links: Vec<_> = statement.touched().map(|_| TouchStack::default().push(LogPosition::FIRST)).collect();
    batch.push(&entry, &links).map_err(|error| wrong(&error))?;
    let mut admission = Admission::new(origin.as_str());
    let moved =
        admission.apply(&candidate, CorePosition::FIRST, CoreLeafHash::of(&entry)).map_err(|error| wrong(&error))?;
    let mut heads = HeadsMap::new();
    heads.insert_all(moved.iter().map(|(subject, head)| (MapKey::of(&subject.key()), head.encode())).collect());
    let recorded_at = u64::try_from(now.micros()).ok().and_then(RecordedAt::from_micros);
    let heads_entry = HeadsEntry {
        recorded_at: recorded_at.ok_or_else(|| wrong(&"the clock is before 1970"))?,
        batch_first: LogPosition::FIRST,
        map_root: heads.root(),
        subjects: heads.len(),
        cosigned: Vec::new(),
    };
    let heads_entry = heads_entry.encode().map_err(|error| wrong(&error))?;
    batch.push(&heads_entry, &[]).map_err(|error| wrong(&error))?;
    Ok(batch)
}

/// The registrar's keys in the founding event: the only event without earlier authority.
fn founding_keys(candidate: &UnverifiedCandidate, log_key: &[u8; 32]) -> Result<Vec<PublicKey>, String> {
    let statement = candidate.event().event().statement();
    let body =
        tally_core::event::Body::parse(statement.body_number, &statement.body).map_err(|error| error.to_string())?;
    let Body::OrganisationRegistered(body) = body.message() else {
        return Err("it is no OrganisationRegistered".to_owned());
    };
    let genesis = body.genesis.as_ref().ok_or("it has no genesis")?;
    if genesis.log_key != log_key {
        return Err("it names another log key".to_owned());
    }
    let keys = genesis.registrar_keys.iter().map(|key| PublicKey::parse(key).map_err(|error| error.to_string()));
    keys.collect()
}
