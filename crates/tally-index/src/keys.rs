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

/// What machines can be listed by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Listing {
    Mine = 1,
    Holder = 2,
    Owner = 3,
    Model = 4,
    Maker = 5,
    Category = 6,
    State = 7,
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
    let id = <[u8; 16]>::try_from(key.get(key.len().checked_sub(16)?..)?).ok()?;
    Some(SubjectId::new(SubjectKind::Equipment, id))
}

fn hash16(text: &str) -> [u8; 16] {
    hash16_bytes(text.as_bytes())
}

fn hash16_bytes(bytes: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.iter_mut().zip(sha256(&[bytes])).for_each(|(to, from)| *to = from);
    short
}
