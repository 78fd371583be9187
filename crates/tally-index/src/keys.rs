//! The layout of keys: the only place that knows it.
//!
//! One tree, so that one batch is atomic. The first byte says what follows.

use tally_core::{
    hash::sha256,
    id::{SubjectId, SubjectKind},
};

const META: u8 = b'm';
const SUBJECT: u8 = b's';
const PLATE: u8 = b'p';
const ALIAS: u8 = b'a';
const LISTING: u8 = b'l';
const FINDING: u8 = b'f';
const LISTED_FINDING: u8 = b'g';
const FINDING_COUNT: u8 = b'c';
const QUEUE: u8 = b'q';

/// What machines and orders can be listed by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Listing {
    Mine = 1,
    Holder = 2,
    Owner = 3,
    Model = 4,
    Maker = 5,
    Category = 6,
    State = 7,
    /// Machines that ever bore a number of a mark. Never taken out: their past hangs on it.
    Mark = 8,
    /// Machines that were ever in a mine. Never taken out.
    EverInMine = 9,
    /// Machines on whose chains an organisation ever signed. Never taken out.
    EverSignedBy = 10,
    /// Orders that name a mine. Never taken out.
    OrderToMine = 11,
    /// Orders that name a machine. Never taken out.
    OrderOnMachine = 12,
    /// Orders that an organisation gave. Never taken out.
    OrderBy = 13,
}

/// What findings can be listed by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FindingListing {
    Mine = 1,
    Holder = 2,
    Rule = 3,
}

/// Number of entries applied, u64.
pub(crate) fn applied() -> Vec<u8> {
    [&[META], &b"applied"[..]].concat()
}

/// Format, u32.
pub(crate) fn format() -> Vec<u8> {
    [&[META], &b"format"[..]].concat()
}

/// Boot id of the last start, with a byte 1 before it where that run stopped cleanly.
pub(crate) fn run() -> Vec<u8> {
    [&[META], &b"run"[..]].concat()
}

pub(crate) fn subject(subject: &SubjectId) -> Vec<u8> {
    [&[SUBJECT], &subject.key()[..]].concat()
}

pub(crate) fn subjects() -> Vec<u8> {
    vec![SUBJECT]
}

pub(crate) fn subjects_of(kind: SubjectKind) -> Vec<u8> {
    vec![SUBJECT, kind.number()]
}

pub(crate) fn subject_of(key: &[u8]) -> Option<SubjectId> {
    SubjectId::parse(key.strip_prefix(&[SUBJECT])?).ok()
}

/// Machines that bear a plate by a later event than the one that opened them.
pub(crate) fn plate(plate: &SubjectId) -> Vec<u8> {
    [&[PLATE], &plate.id()[..]].concat()
}

/// Machines that bear an alias. Values are hashed: they have no bound on length that suits a key.
pub(crate) fn alias(kind: i32, value: &str) -> Vec<u8> {
    let kind = u8::try_from(kind).unwrap_or_default();
    [&[ALIAS, kind], &hash16(value)[..]].concat()
}

/// Machines by what they are listed by.
pub(crate) fn listing(by: Listing, value: &[u8]) -> Vec<u8> {
    let mut key = vec![LISTING, by as u8];
    key.extend_from_slice(&hash16_bytes(value));
    key
}

/// The equipment id at the end of a plate, alias or listing key.
pub(crate) fn equipment_at_end(key: &[u8]) -> Option<SubjectId> {
    subject_at_end(SubjectKind::Equipment, key)
}

/// The id of a subject of a kind at the end of a listing key.
pub(crate) fn subject_at_end(kind: SubjectKind, key: &[u8]) -> Option<SubjectId> {
    let id = <[u8; 16]>::try_from(key.get(key.len().checked_sub(16)?..)?).ok()?;
    Some(SubjectId::new(kind, id))
}

/// Where a finding is kept: by subject, rule, key, and when it began.
pub(crate) fn finding(subject: &[u8], rule: u8, key: &str, since_us: i64) -> Vec<u8> {
    let mut bytes = findings_of_key(subject, rule, key);
    bytes.extend_from_slice(&ordered(since_us));
    bytes
}

/// All findings of a subject.
pub(crate) fn findings_of(subject: &[u8]) -> Vec<u8> {
    [&[FINDING], subject].concat()
}

/// All findings of a subject, of one rule.
pub(crate) fn findings_of_rule(subject: &[u8], rule: u8) -> Vec<u8> {
    let mut bytes = findings_of(subject);
    bytes.push(rule);
    bytes
}

/// All findings of a subject, rule and key.
pub(crate) fn findings_of_key(subject: &[u8], rule: u8, key: &str) -> Vec<u8> {
    let mut bytes = findings_of_rule(subject, rule);
    bytes.extend_from_slice(&hash8(key));
    bytes
}

/// Where a finding is listed: open ones first, by what it is listed by, rule, cause and when it began.
pub(crate) fn listed_finding(
    open: bool,
    by: FindingListing,
    value: &[u8],
    rule: u8,
    cause: &str,
    since_us: i64,
    finding: &[u8],
) -> Vec<u8> {
    let mut key = listed_findings_of_rule(open, by, value, rule);
    key.extend_from_slice(&hash8(cause));
    key.extend_from_slice(&ordered(since_us));
    // Behind its first byte the key of the finding itself: subject, rule, key, begin.
    key.extend_from_slice(finding.get(1..).unwrap_or_default());
    key
}

/// All findings that are open, or closed, listed by a value.
pub(crate) fn listed_findings(open: bool, by: FindingListing, value: &[u8]) -> Vec<u8> {
    let mut key = vec![LISTED_FINDING, u8::from(!open), by as u8];
    key.extend_from_slice(&hash16_bytes(value));
    key
}

/// The same of one rule.
pub(crate) fn listed_findings_of_rule(open: bool, by: FindingListing, value: &[u8], rule: u8) -> Vec<u8> {
    let mut key = listed_findings(open, by, value);
    key.push(rule);
    key
}

/// The open findings of one rule and cause.
pub(crate) fn listed_findings_of_cause(by: FindingListing, value: &[u8], rule: u8, cause: &str) -> Vec<u8> {
    let mut key = listed_findings_of_rule(true, by, value, rule);
    key.extend_from_slice(&hash8(cause));
    key
}

/// The key of the finding at the end of a listing key.
pub(crate) fn finding_at_end(key: &[u8]) -> Option<Vec<u8>> {
    // Subject 17, rule 1, key 8, begin 8.
    let end = key.get(key.len().checked_sub(34)?..)?;
    Some([&[FINDING], end].concat())
}

/// How many findings are open: by mine, rule and cause.
pub(crate) fn finding_count(mine: &[u8], rule: u8, cause: &str) -> Vec<u8> {
    let mut key = finding_counts(mine);
    key.push(rule);
    key.extend_from_slice(&hash8(cause));
    key
}

/// The counts of a mine; those of all mines where none is given.
pub(crate) fn finding_counts(mine: &[u8]) -> Vec<u8> {
    [&[FINDING_COUNT], &hash16_bytes(mine)[..]].concat()
}

/// The counts of all mines.
pub(crate) fn all_finding_counts() -> Vec<u8> {
    vec![FINDING_COUNT]
}

/// When a subject is to be looked at again; nothing changes by itself sooner.
pub(crate) fn queued(when_us: i64, subject: &SubjectId) -> Vec<u8> {
    [&[QUEUE], &ordered(when_us)[..], &subject.key()[..]].concat()
}

/// The whole queue, the soonest first.
pub(crate) fn queue() -> Vec<u8> {
    vec![QUEUE]
}

/// The instant and the subject of a place in the queue.
pub(crate) fn of_queue(key: &[u8]) -> Option<(i64, SubjectId)> {
    let rest = key.strip_prefix(&[QUEUE])?;
    let (when, subject) = rest.split_first_chunk::<8>()?;
    Some((from_ordered(*when), SubjectId::parse(subject).ok()?))
}

/// Bytes whose order is that of the numbers.
fn ordered(number: i64) -> [u8; 8] {
    (number ^ i64::MIN).to_be_bytes()
}

fn from_ordered(bytes: [u8; 8]) -> i64 {
    i64::from_be_bytes(bytes) ^ i64::MIN
}

fn hash8(text: &str) -> [u8; 8] {
    let mut short = [0; 8];
    short.iter_mut().zip(sha256(&[text.as_bytes()])).for_each(|(to, from)| *to = from);
    short
}

fn hash16(text: &str) -> [u8; 16] {
    hash16_bytes(text.as_bytes())
}

fn hash16_bytes(bytes: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.iter_mut().zip(sha256(&[bytes])).for_each(|(to, from)| *to = from);
    short
}
