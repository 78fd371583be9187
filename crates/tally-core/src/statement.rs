//! The statement: what people state and put their hands to
//!
//! The header is fields 1 to 12 for ever; the body is opaque here, so that whoever does not know it can still check
//! form, signatures, links, mentions and heads. Source: FORMAT, section 1.

use crate::form::{FormError, Problem, Problems};
use crate::hash::Digest;
use crate::id::{EventId, OrganisationId, SubjectId};
use crate::key::KeyId;
use crate::number::ChainIndex;
use crate::set::{EventSet, SET_MEMBERS_MAX, SET_MEMBERS_MIN};
use crate::time::Timestamp;
use crate::wire::{FieldRule, Fields, Kind, MessageRule, Presence, Value, Writer, join, read_message};

/// Bytes of an event's payload, and so of a statement; an entry stays below 65,536 with it.
pub const PAYLOAD_BYTES_MAX: usize = 60_000; // FORMAT, section 1, "Values"
/// Subjects that one event may mention.
pub const MENTIONS_MAX: usize = 256; // FORMAT, section 1, "Mentions"
/// Bytes of an origin.
pub const ORIGIN_BYTES_MAX: usize = 255;
/// Members of each of `performed_by`, `checked_by` and `approved_by`.
pub const NAMED_KEYS_MAX: usize = 64; // FORMAT, section 1, message Statement
/// The least field number of a body; 13 to 19 are refused for ever.
pub const BODY_NUMBER_MIN: u32 = 20; // FORMAT, section 1, message Statement

const ORIGIN: u32 = 1;
const EVENT_ID: u32 = 2;
const SUBJECT: u32 = 3;
const OCCURRED_AT: u32 = 4;
const ORGANISATION: u32 = 5;
const ROLE: u32 = 6;
const MENTIONS: u32 = 7;
const SET: u32 = 8;
const FIRST_INDEX: u32 = 9;
const PERFORMED_BY: u32 = 10;
const CHECKED_BY: u32 = 11;
const APPROVED_BY: u32 = 12;

const fn rule(number: u32, name: &'static str, kind: Kind, presence: Presence) -> FieldRule {
    FieldRule { number, name, kind, presence }
}

const STATEMENT: MessageRule = MessageRule {
    fields: &[
        rule(ORIGIN, "origin", Kind::Bytes, Presence::Singular),
        rule(EVENT_ID, "event_id", Kind::Bytes, Presence::Singular),
        rule(SUBJECT, "subject", Kind::Bytes, Presence::Singular),
        rule(OCCURRED_AT, "occurred_at_us", Kind::Varint, Presence::Singular),
        rule(ORGANISATION, "organisation", Kind::Bytes, Presence::Singular),
        rule(ROLE, "role", Kind::Varint, Presence::Singular),
        rule(MENTIONS, "mentions", Kind::Bytes, Presence::Repeated),
        rule(SET, "set", Kind::Bytes, Presence::Message),
        rule(FIRST_INDEX, "first_index", Kind::Varint, Presence::Singular),
        rule(PERFORMED_BY, "performed_by", Kind::Bytes, Presence::Repeated),
        rule(CHECKED_BY, "checked_by", Kind::Bytes, Presence::Repeated),
        rule(APPROVED_BY, "approved_by", Kind::Bytes, Presence::Repeated),
    ],
    body_from: Some(BODY_NUMBER_MIN),
};

const SET_COUNT: u32 = 1;
const SET_DIGEST: u32 = 2;

const EVENT_SET: MessageRule = MessageRule {
    fields: &[
        rule(SET_COUNT, "count", Kind::Varint, Presence::Singular),
        rule(SET_DIGEST, "digest", Kind::Bytes, Presence::Singular),
    ],
    body_from: None,
};

/// A well-formed statement: header parsed, body as its bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// The log that this is stated to; another one refuses it.
    pub origin: String,
    /// Chosen by the signer.
    pub event_id: EventId,
    /// Whose chain this goes on.
    pub subject: SubjectId,
    /// When it happened, as the signer claims.
    pub occurred_at: Timestamp,
    /// Who states it.
    pub organisation: OrganisationId,
    /// Number of the role in which the organisation acts, 1 to 2^31 − 1; who knows the roles says which it is.
    pub role: u32,
    /// Other subjects that this touches: sorted, unique, at most [`MENTIONS_MAX`], never the own one.
    pub mentions: Vec<SubjectId>,
    /// The set that this is a member of.
    pub set: Option<EventSet>,
    /// Chain index of the first signing.
    pub first_index: ChainIndex,
    /// Who did the work: sorted, unique, at most [`NAMED_KEYS_MAX`]; claims, unless among hands and issuer.
    pub performed_by: Vec<KeyId>,
    /// Who checked it; bounded likewise.
    pub checked_by: Vec<KeyId>,
    /// Who approved it; bounded likewise.
    pub approved_by: Vec<KeyId>,
    /// Field number of the body, from [`BODY_NUMBER_MIN`]: which kind of event this is.
    pub body_number: u32,
    /// The body's message, not looked at here.
    pub body: Vec<u8>,
}

impl Statement {
    /// Reads a statement, refusing every other encoding of the same fields.
    ///
    /// # Errors
    /// All that is wrong with it, field by field.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormError> {
        let mut problems = Problems::default();
        let statement = Self::read("", bytes, &mut problems);
        problems.finish(statement)
    }

    /// Reads what is right and reports what is not; `None` if a required field is missing or wrong.
    pub(crate) fn read(path: &str, bytes: &[u8], problems: &mut Problems) -> Option<Self> {
        if bytes.len() > PAYLOAD_BYTES_MAX {
            problems.push(path, Problem::TooLong { found: bytes.len(), max: PAYLOAD_BYTES_MAX });
            return None;
        }
        let fields = read_message(&STATEMENT, path, bytes, problems);
        let mut header = Header { path, fields, problems };
        let origin = header.origin();
        let event_id = header.required(EVENT_ID, "event_id", |bytes| EventId::parse(bytes).map_err(Problem::from));
        let subject = header.required(SUBJECT, "subject", |bytes| SubjectId::parse(bytes).map_err(Problem::from));
        let occurred_at = Timestamp::from_micros(header.varint(OCCURRED_AT).cast_signed());
        let organisation =
            header.required(ORGANISATION, "organisation", |bytes| OrganisationId::parse(bytes).map_err(Problem::from));
        let role = header.role();
        let mentions =
            header.sorted(MENTIONS, "mentions", MENTIONS_MAX, |bytes| SubjectId::parse(bytes).map_err(Problem::from));
        header.check_own_subject(subject, &mentions);
        let set = header.set();
        let first_index = ChainIndex::new(header.varint(FIRST_INDEX));
        let performed_by = header.sorted(PERFORMED_BY, "performed_by", NAMED_KEYS_MAX, key_id);
        let checked_by = header.sorted(CHECKED_BY, "checked_by", NAMED_KEYS_MAX, key_id);
        let approved_by = header.sorted(APPROVED_BY, "approved_by", NAMED_KEYS_MAX, key_id);
        let body = header.body();
        let (body_number, body) = body?;
        Some(Self {
            origin: origin?,
            event_id: event_id?,
            subject: subject?,
            occurred_at,
            organisation: organisation?,
            role: role?,
            mentions,
            set,
            first_index,
            performed_by,
            checked_by,
            approved_by,
            body_number,
            body,
        })
    }

    /// The one encoding of this statement. Of a value that was built by hand, [`Statement::parse`] says whether it is
    /// well formed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_with(self.set.as_ref())
    }

    /// SHA-256 of the statement without its field 8: what the digest of a set is made of.
    #[must_use]
    pub fn member_hash(&self) -> Digest {
        Digest::of(&self.encode_with(None))
    }

    /// Every subject that this touches, each once: the own one, then the mentions.
    pub fn touched(&self) -> impl Iterator<Item = SubjectId> {
        std::iter::once(self.subject).chain(self.mentions.iter().copied())
    }

    fn encode_with(&self, set: Option<&EventSet>) -> Vec<u8> {
        let mut out = Writer::default();
        out.nonempty(ORIGIN, self.origin.as_bytes());
        out.bytes(EVENT_ID, self.event_id.as_bytes());
        out.bytes(SUBJECT, &self.subject.key());
        out.varint(OCCURRED_AT, self.occurred_at.micros().cast_unsigned());
        out.bytes(ORGANISATION, self.organisation.as_bytes());
        out.varint(ROLE, u64::from(self.role));
        for mention in &self.mentions {
            out.bytes(MENTIONS, &mention.key());
        }
        if let Some(set) = set {
            let mut inner = Writer::default();
            inner.varint(SET_COUNT, u64::from(set.count));
            inner.bytes(SET_DIGEST, set.digest.as_bytes());
            out.bytes(SET, &inner.finish());
        }
        out.varint(FIRST_INDEX, self.first_index.get());
        let named =
            [(PERFORMED_BY, &self.performed_by), (CHECKED_BY, &self.checked_by), (APPROVED_BY, &self.approved_by)];
        for (number, keys) in named {
            for key in keys {
                out.bytes(number, key.as_bytes());
            }
        }
        out.bytes(self.body_number, &self.body);
        out.finish()
    }
}

/// Reads a key id.
pub(crate) fn key_id(bytes: &[u8]) -> Result<KeyId, Problem> {
    KeyId::parse(bytes).ok_or(Problem::Length { found: bytes.len(), expected: 32 })
}

/// Takes the fields of a header one after another.
struct Header<'a, 'p> {
    path: &'p str,
    fields: Fields<'a>,
    problems: &'p mut Problems,
}

impl<'a> Header<'a, '_> {
    fn values(&self, number: u32) -> impl Iterator<Item = Value<'a>> {
        self.fields.iter().filter(move |field| field.0 == number).map(|field| field.1)
    }

    fn bytes(&self, number: u32) -> Option<&'a [u8]> {
        self.values(number).find_map(|value| match value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Varint(_) => None,
        })
    }

    /// 0, the default, if it is not there.
    fn varint(&self, number: u32) -> u64 {
        let found = self.values(number).find_map(|value| match value {
            Value::Varint(value) => Some(value),
            Value::Bytes(_) => None,
        });
        found.unwrap_or_default()
    }

    fn missing(&mut self, name: &str) {
        let field = join(self.path, name);
        if !self.problems.are_known_of(&field) {
            self.problems.push(&field, Problem::Missing);
        }
    }

    fn required<T>(&mut self, number: u32, name: &str, parse: impl Fn(&[u8]) -> Result<T, Problem>) -> Option<T> {
        let Some(bytes) = self.bytes(number) else {
            self.missing(name);
            return None;
        };
        parse(bytes).map_err(|problem| self.problems.push(&join(self.path, name), problem)).ok()
    }

    fn origin(&mut self) -> Option<String> {
        self.required(ORIGIN, "origin", |bytes| {
            if bytes.len() > ORIGIN_BYTES_MAX {
                return Err(Problem::TooLong { found: bytes.len(), max: ORIGIN_BYTES_MAX });
            }
            if let Some((at, &byte)) =
                bytes.iter().enumerate().find(|(_, byte)| !byte.is_ascii_graphic() || **byte == b'+')
            {
                return Err(Problem::OriginByte { byte, at });
            }
            Ok(bytes.iter().copied().map(char::from).collect())
        })
    }

    /// An enum on the wire is an int32; 0 is no role, and a negative one comes as ten bytes.
    fn role(&mut self) -> Option<u32> {
        let number = self.varint(ROLE);
        if number == 0 {
            self.missing("role");
            return None;
        }
        let role = i32::try_from(number).ok().map(i32::cast_unsigned);
        if role.is_none() {
            self.problems.push(&join(self.path, "role"), Problem::Role { number });
        }
        role
    }

    fn set(&mut self) -> Option<EventSet> {
        let path = join(self.path, "set");
        let bytes = self.bytes(SET)?;
        let fields = read_message(&EVENT_SET, &path, bytes, self.problems);
        let mut inner = Header { path: &path, fields, problems: self.problems };
        let count = inner.varint(SET_COUNT);
        let digest = inner.required(SET_DIGEST, "digest", |bytes| {
            Digest::parse(bytes).ok_or(Problem::Length { found: bytes.len(), expected: 32 })
        });
        let known = u32::try_from(count).ok().filter(|count| (SET_MEMBERS_MIN..=SET_MEMBERS_MAX).contains(count));
        if known.is_none() {
            inner.problems.push(&join(&path, "count"), Problem::SetCount { count });
        }
        Some(EventSet { count: known?, digest: digest? })
    }

    fn sorted<T: Copy + Ord>(
        &mut self,
        number: u32,
        name: &str,
        max: usize,
        parse: impl Fn(&[u8]) -> Result<T, Problem>,
    ) -> Vec<T> {
        let found = self.values(number).count();
        if found > max {
            self.problems.push(&join(self.path, name), Problem::TooMany { found, max });
            return Vec::new();
        }
        let mut members = Vec::with_capacity(found);
        let values: Vec<_> = self.values(number).collect();
        for (at, value) in values.into_iter().enumerate() {
            let Value::Bytes(bytes) = value else { continue };
            let checked = parse(bytes).and_then(|member| match members.last() {
                Some(last) if *last == member => Err(Problem::NotUnique),
                Some(last) if *last > member => Err(Problem::NotSorted),
                Some(_) | None => Ok(member),
            });
            match checked {
                Ok(member) => members.push(member),
                Err(problem) => self.problems.push(&format!("{}[{at}]", join(self.path, name)), problem),
            }
        }
        members
    }

    fn check_own_subject(&mut self, subject: Option<SubjectId>, mentions: &[SubjectId]) {
        if let Some(at) = mentions.iter().position(|mention| Some(*mention) == subject) {
            self.problems.push(&format!("{}[{at}]", join(self.path, "mentions")), Problem::MentionsOwnSubject);
        }
    }

    fn body(&mut self) -> Option<(u32, Vec<u8>)> {
        let found = self.fields.iter().find_map(|&(number, value)| match value {
            Value::Bytes(bytes) if number >= BODY_NUMBER_MIN => Some((number, bytes.to_vec())),
            Value::Bytes(_) | Value::Varint(_) => None,
        });
        if found.is_none() {
            self.missing("body");
        }
        found
    }
}
