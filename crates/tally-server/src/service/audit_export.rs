//! The export of everything about a mine in a period: one snapshot, entries in order of position, then a head proof for
//! each subject.
//!
//! A subject's touches before the period are the suffix of its head proof but for the last one, whose position lies
//! before the period's first: positions rise, so nothing of the period can hide in the suffix. Two heads entries say
//! where in the log the period begins and ends; they say nothing about anybody.

use std::{collections::BTreeSet, sync::Arc};

use prost::Message as _;
use tally_core::{
    candidate::Candidate,
    entry::EventEntry,
    hash::{LeafHash, TouchHash},
    id::{SubjectId, SubjectKind},
    number::LogPosition,
    touch::touch_hash,
};
use tally_index::history;
use tally_log::{
    entry::{EntryHeader, EntryKind},
    heads::MapKey,
};
use tally_proto::v1::{self, touch::Content};
use tokio::sync::mpsc;
use tonic::Status;

use crate::{
    access::{Access, Ledger},
    published::Snapshot,
    reader::{Reader, subject_of},
    status::CallError,
};

/// Bytes of entries or proofs in one message.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Entries or subjects that are looked at for one message, so that a caller who may see little is answered in time.
const MESSAGE_STEPS_MAX: usize = 4_096;

/// What is exported, all of one snapshot.
struct Plan {
    mine: SubjectId,
    snapshot: Arc<Snapshot>,
    /// First position of the period, and the first one after it.
    first: u64,
    end: u64,
    /// The mine, then the machines that ever were in it, by id.
    subjects: Vec<SubjectId>,
    /// Positions of the period at which one of them is touched, in order.
    positions: Vec<u64>,
}

/// Plans an export and begins to send it.
pub(super) async fn begin(
    reader: Reader,
    access: Access,
    request: v1::ExportAuditRequest,
) -> Result<mpsc::Receiver<Result<v1::ExportAuditResponse, Status>>, CallError> {
    let v1::ExportAuditRequest { mine, from_us, until_us, kept_size } = request;
    let mine = subject_of(SubjectKind::Mine, "mine", &mine)?;
    if until_us != 0 && from_us >= until_us {
        let what = format!("is {until_us}, not after from_us {from_us}; leave it out for all that is on record");
        return Err(CallError::BadRequest { field: "until_us", what });
    }
    let asked = access.clone();
    let planned = reader.ask(move |reader, snapshot| {
        let facts = Ledger::new(reader);
        if !asked.sight(&facts).sees(&mine)? {
            let on_record = reader.index.last_touch(&mine)?.is_some();
            let name = mine.to_string();
            return Err(if on_record { asked.hides("mine", name) } else { CallError::NotFound { what: "mine", name } });
        }
        plan(reader, snapshot, mine, from_us, until_us, kept_size)
    });
    let (first, plan) = access.veil(planned.await, |_| false).await?;
    let (send, receive) = mpsc::channel(2);
    tokio::spawn(async move {
        if send.send(Ok(first)).await.is_ok() {
            run(&reader, &access, Arc::new(plan), &send).await;
        }
    });
    Ok(receive)
}

fn plan(
    reader: &Reader,
    snapshot: &Snapshot,
    mine: SubjectId,
    from_us: u64,
    until_us: u64,
    kept_size: u64,
) -> Result<(v1::ExportAuditResponse, Plan), CallError> {
    let size = snapshot.size.get();
    let before = |us: u64| match us.checked_sub(1) {
        Some(last) => reader.size_known_at(last, size),
        None => Ok(0),
    };
    let first = before(from_us)?;
    let end = if until_us == 0 { size } else { before(until_us)? };
    let subjects = subjects(reader, snapshot, mine)?;
    let mut positions = BTreeSet::new();
    for subject in &subjects {
        walk(reader, subject, first, end, &mut |position, _| {
            positions.insert(position);
        })?;
    }
    let (_, basis) = reader.resolve(None, snapshot)?;
    let consistency =
        if kept_size == 0 { Vec::new() } else { reader.consistency(snapshot, kept_size, snapshot.size)? };
    let message = v1::ExportAuditResponse {
        basis: Some(basis),
        checkpoint: snapshot.checkpoint.as_bytes().to_vec(),
        consistency,
        before: first.checked_sub(1).map(|last| bound(reader, snapshot, last)).transpose()?,
        after: if end < size { Some(bound(reader, snapshot, end)?) } else { None },
        ..v1::ExportAuditResponse::default()
    };
    let positions = positions.into_iter().collect();
    Ok((message, Plan { mine, snapshot: Arc::new(snapshot.clone()), first, end, subjects, positions }))
}

/// The heads entry that ends the batch of a position.
fn bound(reader: &Reader, snapshot: &Snapshot, position: u64) -> Result<v1::AuditBound, CallError> {
    let mut position = position;
    loop {
        let entry = reader.entry(position)?.entry;
        if EntryHeader::parse(&entry).is_ok_and(|(header, _)| header.kind == EntryKind::Heads) {
            let inclusion = reader.inclusion(snapshot, position, snapshot.size)?;
            return Ok(v1::AuditBound { position, entry, inclusion });
        }
        // The log ends with a heads entry: reading past it fails.
        position = position.saturating_add(1);
    }
}

/// The mine, and every machine that ever was in it: by the lists, and by what its own history says.
fn subjects(reader: &Reader, snapshot: &Snapshot, mine: SubjectId) -> Result<Vec<SubjectId>, CallError> {
    let mut machines = reader.index.ever_in_mine(&mine)?;
    walk(reader, &mine, 0, snapshot.size.get(), &mut |_, entry| {
        let event = EventEntry::parse(entry).ok().and_then(|entry| entry.unverified().parse().ok());
        if let Some(event) = event {
            let subject = event.event().statement().subject;
            machines.extend(Some(subject).filter(|subject| subject.kind() == SubjectKind::Equipment));
        }
    })?;
    // The lists may know of entries past the snapshot.
    machines.retain(|machine| snapshot.heads.get(&MapKey::of(&machine.key())).is_some());
    Ok(std::iter::once(mine).chain(machines).collect())
}

/// Walks back over the touches of a subject from `end` down to `first`; each is told with its position and entry.
fn walk(
    reader: &Reader,
    subject: &SubjectId,
    first: u64,
    end: u64,
    tell: &mut dyn FnMut(u64, &[u8]),
) -> Result<(), CallError> {
    let mut next = reader.index.last_touch(subject)?.map(|(last, _)| last);
    while let Some(position) = next.filter(|position| *position >= first) {
        let (stored, link) = history::step(&reader.log, subject, position)?;
        if position < end {
            tell(position, &stored.entry);
        }
        next = link.previous.map(tally_log::LogPosition::get);
    }
    Ok(())
}

/// Sends entries and then subjects, some at a time; every time it is asked whether the caller is still who it was.
async fn run(
    reader: &Reader,
    access: &Access,
    plan: Arc<Plan>,
    send: &mpsc::Sender<Result<v1::ExportAuditResponse, Status>>,
) {
    let (mut entry, mut subject) = (0, 0);
    while entry < plan.positions.len() || subject < plan.subjects.len() {
        let (asked, part) = (access.clone(), plan.clone());
        let answered = reader.ask(move |reader, _| {
            let asked = asked.still(reader, &part.mine.to_string())?;
            let mut message = v1::ExportAuditResponse::default();
            let (mut bytes, mut steps, mut revealed) = (0, 0, 0);
            let facts = Ledger::new(reader);
            let sight = asked.sight(&facts);
            while bytes < MESSAGE_BYTES_MAX && steps < MESSAGE_STEPS_MAX {
                steps += 1;
                if let Some(position) = part.positions.get(entry) {
                    entry += 1;
                    let stored = reader.entry(*position)?;
                    let (found, is_revealed) = audit_entry(&sight, &stored.entry, *position)?;
                    revealed += usize::from(is_revealed);
                    bytes += found.encoded_len();
                    message.entries.push(found);
                } else if let Some(of) = part.subjects.get(subject) {
                    // Entries and proofs are not mixed: whoever reads knows all entries when the first proof comes.
                    if !message.entries.is_empty() {
                        break;
                    }
                    subject += 1;
                    let found = audit_subject(reader, &part, of)?;
                    bytes += found.encoded_len();
                    message.subjects.push(found);
                } else {
                    break;
                }
            }
            let shown = message.entries.iter().map(|found| found.entry.as_slice()).filter(|entry| !entry.is_empty());
            message.keys = reader.keys_of(shown);
            asked.reveals(format!("audit of {}", part.mine), revealed)?;
            Ok((message, entry, subject))
        });
        let message = match answered.await {
            Ok((message, entries, subjects)) => {
                (entry, subject) = (entries, subjects);
                Ok(message)
            }
            Err(error) => Err(error.into()),
        };
        let failed = message.is_err();
        // A caller who has gone away ends the stream.
        if send.send(message).await.is_err() || failed {
            return;
        }
    }
}

/// An entry as the caller sees it, and whether that reveals what is not public.
fn audit_entry(
    sight: &tally_core::access::Sight<'_, Ledger<'_>>,
    entry: &[u8],
    position: u64,
) -> Result<(v1::AuditEntry, bool), CallError> {
    let (header, _) = EntryHeader::parse(entry).map_err(|error| CallError::internal(&error))?;
    let mut found = v1::AuditEntry {
        position,
        leaf_hash: LeafHash::of(entry).as_bytes().to_vec(),
        recorded_at_us: header.recorded_at.micros(),
        ..v1::AuditEntry::default()
    };
    let parsed = EventEntry::parse(entry).ok().and_then(|entry| Candidate::parse_trusted(entry.unverified()).ok());
    let (seen, public) = match &parsed {
        Some(event) => (sight.sees_event(event)?, event.body().is_public()),
        // What this version does not understand is withheld: nobody can say whose it is.
        None => (sight.is_unlimited()?, false),
    };
    if seen {
        found.kind = parsed.map_or(0, |event| event.kind() as u32);
        found.entry = entry.to_vec();
    }
    Ok((found, seen && !public))
}

fn audit_subject(reader: &Reader, plan: &Plan, subject: &SubjectId) -> Result<v1::AuditSubject, CallError> {
    let mut touches: Vec<(u64, LeafHash)> = Vec::new();
    walk(reader, subject, 0, plan.snapshot.size.get(), &mut |position, entry| {
        touches.push((position, LeafHash::of(entry)));
    })?;
    touches.reverse();
    // The last one before the period is told, so that it is seen where the suffix ends.
    let told = touches.partition_point(|(position, _)| *position < plan.first).saturating_sub(1);
    let mut hash = TouchHash::ZERO;
    for (position, leaf) in touches.iter().take(told) {
        let position = LogPosition::new(*position).ok_or_else(|| CallError::internal(&"a position past 2^63"))?;
        hash = touch_hash(hash, position, *leaf);
    }
    let entries = touches.iter().filter(|(position, _)| (plan.first..plan.end).contains(position)).count();
    let mut proof = reader.head_proof(&plan.snapshot, subject, 0)?;
    // The first message has it.
    proof.checkpoint.clear();
    if told > 0 {
        let touches = u64::try_from(told).unwrap_or(u64::MAX);
        proof.suffix = Some(v1::Suffix { touches, touch_hash: hash.as_bytes().to_vec() });
    }
    let leaf = |(position, leaf): (u64, LeafHash)| v1::Touch {
        position,
        content: Some(Content::LeafHash(leaf.as_bytes().to_vec())),
    };
    proof.touches = touches.into_iter().skip(told).map(leaf).collect();
    Ok(v1::AuditSubject { entries: u64::try_from(entries).unwrap_or(u64::MAX), proof: Some(proof) })
}
