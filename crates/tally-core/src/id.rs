//! Subjects and their ids: UUIDv5 of what is on the plate, so that the same plate always names the same chain
//!
//! Source: FORMAT, section 2.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::hash::EventHash;
use crate::number::ChainIndex;
use crate::text::{TextError, normalise};

/// The namespace of all ids: UUIDv5(URL namespace, `tally:v1`).
const NAMESPACE: Uuid = Uuid::from_u128(0x05fe_2f65_b8eb_5eb5_a9f6_6ad2_573e_a852);

/// Stands between the fields of a name. No field can hold it, for N() refuses control characters.
const SEPARATOR: &str = "\u{1F}";

/// Bytes of a subject key: kind, then id.
pub const SUBJECT_KEY_BYTES: usize = 17;

/// Why bytes or a text are no id, or give none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IdError {
    /// Another number of bytes than the id has.
    #[error("{found} bytes, {expected} are due")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes due.
        expected: usize,
    },
    /// A kind of subject that does not exist.
    #[error("{number} is no kind of subject (1 to 8)")]
    Kind {
        /// The number found.
        number: u8,
    },
    /// A kind of subject by a name that does not exist, or none.
    #[error("{text:?} does not begin with the name of a kind of subject and a solidus")]
    KindName {
        /// The text.
        text: String,
    },
    /// The subject is of another kind than is due here.
    #[error("{found} is no {expected}")]
    OtherKind {
        /// The subject.
        found: SubjectId,
        /// The kind due.
        expected: &'static str,
    },
    /// An event id of another version or variant than UUIDv7.
    #[error("event id is a UUID of version {version}, variant bits {variant:#05b}; version 7, variant 0b10 is due")]
    NotVersion7 {
        /// The version found.
        version: u8,
        /// The highest three bits of the ninth byte.
        variant: u8,
    },
    /// A text that is no UUID with hyphens.
    #[error("{text:?} is no UUID of the form 8-4-4-4-12 hexadecimal digits")]
    Uuid {
        /// The text.
        text: String,
    },
    /// A scheme of numbers that does not exist.
    #[error("{text:?} is no scheme (uscc, cn-coal-mine, msha, other)")]
    Scheme {
        /// The text.
        text: String,
    },
    /// A field of a name that has no N().
    #[error("{field} has no id")]
    Text {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        problem: TextError,
    },
}

/// What a chain is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SubjectKind {
    /// An organisation with its roles, staff and keys. 组织
    Organisation = 1,
    /// A mine with its places and profile. 矿井
    Mine = 2,
    /// A safety mark. 安全标志
    Mark = 3,
    /// A model. 型号
    Model = 4,
    /// Equipment: a unit, a lot or an assembly. 设备
    Equipment = 5,
    /// An order of a regulator. 指令
    Order = 6,
    /// An accident. 事故
    Accident = 7,
    /// A publication: rules' parameters, schedules, categories, phase-out lists. 公布
    Publication = 8,
}

impl SubjectKind {
    /// All kinds, by number.
    pub const ALL: [Self; 8] = [
        Self::Organisation,
        Self::Mine,
        Self::Mark,
        Self::Model,
        Self::Equipment,
        Self::Order,
        Self::Accident,
        Self::Publication,
    ];

    /// The number on the wire, the first byte of a subject key.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind of this number; `None` if there is none.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The name in texts and paths.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Mine => "mine",
            Self::Mark => "mark",
            Self::Model => "model",
            Self::Equipment => "equipment",
            Self::Order => "order",
            Self::Accident => "accident",
            Self::Publication => "publication",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Whose numbers a number of an organisation or mine is one of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scheme {
    /// Unified social credit code, 统一社会信用代码 (GB 32100).
    Uscc,
    /// Coal mine code, 煤矿编码 (MT/T 1201).
    CnCoalMine,
    /// Mine id of the United States Mine Safety and Health Administration.
    Msha,
    /// Anything else; nothing is checked.
    Other,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 4] = [Self::Uscc, Self::CnCoalMine, Self::Msha, Self::Other];

    /// The name inside ids.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uscc => "uscc",
            Self::CnCoalMine => "cn-coal-mine",
            Self::Msha => "msha",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Scheme {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let found = Self::ALL.into_iter().find(|scheme| scheme.name() == text);
        found.ok_or_else(|| IdError::Scheme { text: text.to_owned() })
    }
}

/// Names one subject, and so one chain. Its order is the order of subject keys.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubjectId {
    kind: SubjectKind,
    id: [u8; 16],
}

impl SubjectId {
    /// The subject of this kind and id.
    #[must_use]
    pub const fn new(kind: SubjectKind, id: [u8; 16]) -> Self {
        Self { kind, id }
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> SubjectKind {
        self.kind
    }

    /// The 16 bytes behind the kind.
    #[must_use]
    pub const fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// The subject key: kind byte, then id.
    #[must_use]
    pub fn key(&self) -> [u8; SUBJECT_KEY_BYTES] {
        let mut key = [self.kind.number(); SUBJECT_KEY_BYTES];
        let (_, id) = key.split_at_mut(1);
        id.copy_from_slice(&self.id);
        key
    }

    /// Reads a subject key.
    ///
    /// # Errors
    /// [`IdError::Length`] unless it has 17 bytes, [`IdError::Kind`] unless the first is 1 to 8.
    pub fn parse(key: &[u8]) -> Result<Self, IdError> {
        let length = IdError::Length { found: key.len(), expected: SUBJECT_KEY_BYTES };
        let Some((&number, id)) = key.split_first() else { return Err(length) };
        let id = id.try_into().map_err(|_| length)?;
        let kind = SubjectKind::from_number(number).ok_or(IdError::Kind { number })?;
        Ok(Self { kind, id })
    }

    /// The organisation with this number.
    ///
    /// # Errors
    /// [`IdError::Text`]. Whether the number is one of its scheme, [`crate::credit_code::check`] says.
    pub fn organisation(scheme: Scheme, number: &str) -> Result<Self, IdError> {
        mint(SubjectKind::Organisation, &["organisation", scheme.name(), &field("number", number)?])
    }

    /// The mine with this number.
    ///
    /// # Errors
    /// [`IdError::Text`]. Whether the number is one of its scheme, [`crate::credit_code::check`] says.
    pub fn mine(scheme: Scheme, number: &str) -> Result<Self, IdError> {
        mint(SubjectKind::Mine, &["mine", scheme.name(), &field("number", number)?])
    }

    /// The safety mark with this number.
    ///
    /// # Errors
    /// [`IdError::Text`].
    pub fn mark(number: &str) -> Result<Self, IdError> {
        mint(SubjectKind::Mark, &["mark", &field("number", number)?])
    }

    /// The model of a maker.
    ///
    /// # Errors
    /// [`IdError::Text`].
    pub fn model(maker: &str, model: &str) -> Result<Self, IdError> {
        mint(SubjectKind::Model, &["model", &field("maker", maker)?, &field("model", model)?])
    }

    /// The one machine with this plate; the maker as the plate has it.
    ///
    /// # Errors
    /// [`IdError::Text`].
    pub fn unit(maker: &str, model: &str, serial: &str) -> Result<Self, IdError> {
        let (maker, model) = (field("maker", maker)?, field("model", model)?);
        mint(SubjectKind::Equipment, &["unit", &maker, &model, &field("serial", serial)?])
    }

    /// A lot or reel: equipment that is counted or measured, not numbered.
    ///
    /// # Errors
    /// [`IdError::Text`].
    pub fn lot(maker: &str, model: &str, number: &str) -> Result<Self, IdError> {
        let (maker, model) = (field("maker", maker)?, field("model", model)?);
        mint(SubjectKind::Equipment, &["lot", &maker, &model, &field("number", number)?])
    }

    /// A part of other equipment that is split off: a piece of a reel, a part of a lot.
    ///
    /// # Errors
    /// [`IdError::Text`].
    pub fn child(parent: &[u8; 16], suffix: &str) -> Result<Self, IdError> {
        let parent = Uuid::from_bytes(*parent).hyphenated().to_string();
        mint(SubjectKind::Equipment, &["child", &parent, &field("suffix", suffix)?])
    }

    /// Equipment under a number that an organisation gave it: assemblies, and parts without a legible serial.
    ///
    /// # Errors
    /// [`IdError::Text`].
    pub fn named(organisation: OrganisationId, number: &str) -> Result<Self, IdError> {
        let organisation = organisation.to_string();
        mint(SubjectKind::Equipment, &["named", &organisation, &field("number", number)?])
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.kind, Uuid::from_bytes(self.id).hyphenated())
    }
}

impl FromStr for SubjectId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (name, id) = text.split_once('/').ok_or_else(|| IdError::KindName { text: text.to_owned() })?;
        let kind = SubjectKind::ALL.into_iter().find(|kind| kind.name() == name);
        let kind = kind.ok_or_else(|| IdError::KindName { text: text.to_owned() })?;
        Ok(Self { kind, id: parse_uuid(id)? })
    }
}

/// N() of one field of a name.
fn field(field: &'static str, text: &str) -> Result<String, IdError> {
    normalise(text).map_err(|problem| IdError::Text { field, problem })
}

fn mint(kind: SubjectKind, name: &[&str]) -> Result<SubjectId, IdError> {
    let id = Uuid::new_v5(&NAMESPACE, name.join(SEPARATOR).as_bytes());
    Ok(SubjectId { kind, id: id.into_bytes() })
}

/// Reads a UUID of 8-4-4-4-12 hexadecimal digits of either case: no braces, no URN, no digits alone.
///
/// # Errors
/// [`IdError::Uuid`] for any other text.
///
/// Source: RFC 9562, section 4.
pub fn parse_uuid(text: &str) -> Result<[u8; 16], IdError> {
    // The library also takes the other forms, which have other lengths.
    let parsed = if text.len() == 36 { Uuid::try_parse(text).ok() } else { None };
    parsed.map(Uuid::into_bytes).ok_or_else(|| IdError::Uuid { text: text.to_owned() })
}

/// Id of an organisation: the 16 bytes behind the kind in its subject key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OrganisationId([u8; 16]);

impl OrganisationId {
    /// Takes the 16 bytes as they are.
    #[must_use]
    pub const fn new(id: [u8; 16]) -> Self {
        Self(id)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The organisation as a subject.
    #[must_use]
    pub const fn subject(self) -> SubjectId {
        SubjectId::new(SubjectKind::Organisation, self.0)
    }

    /// Reads 16 bytes.
    ///
    /// # Errors
    /// [`IdError::Length`] for any other length.
    pub fn parse(bytes: &[u8]) -> Result<Self, IdError> {
        let id = bytes.try_into().map_err(|_| IdError::Length { found: bytes.len(), expected: 16 })?;
        Ok(Self(id))
    }
}

impl TryFrom<SubjectId> for OrganisationId {
    type Error = IdError;

    fn try_from(subject: SubjectId) -> Result<Self, IdError> {
        if subject.kind == SubjectKind::Organisation {
            Ok(Self(subject.id))
        } else {
            Err(IdError::OtherKind { found: subject, expected: SubjectKind::Organisation.name() })
        }
    }
}

impl fmt::Display for OrganisationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(out)
    }
}

impl FromStr for OrganisationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_uuid(text).map(Self)
    }
}

/// Id of an event: a UUIDv7 that the signer chose. It says which event this is, not when it happened.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EventId([u8; 16]);

impl EventId {
    /// When the signer says it was made: microseconds since 1970 UTC, to the millisecond.
    ///
    /// Source: RFC 9562, section 5.7.
    #[must_use]
    pub fn stated_at_us(&self) -> i64 {
        let [a, b, c, d, e, f, ..] = self.0;
        let millis = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        millis * 1_000
    }

    /// Reads 16 bytes.
    ///
    /// # Errors
    /// [`IdError::Length`], [`IdError::NotVersion7`].
    ///
    /// Source: RFC 9562, sections 4.1, 4.2 and 5.7.
    pub fn parse(bytes: &[u8]) -> Result<Self, IdError> {
        let id: [u8; 16] = bytes.try_into().map_err(|_| IdError::Length { found: bytes.len(), expected: 16 })?;
        let [_, _, _, _, _, _, versioned, _, varied, ..] = id;
        if versioned >> 4 == 7 && varied >> 6 == 0b10 {
            Ok(Self(id))
        } else {
            Err(IdError::NotVersion7 { version: versioned >> 4, variant: varied >> 5 })
        }
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The milliseconds since 1970 in the first 48 bits: a claim, of no use but to sort by.
    #[must_use]
    pub fn unix_millis(self) -> u64 {
        u64::try_from(u128::from_be_bytes(self.0) >> 80).unwrap_or_default()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(out)
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(&parse_uuid(text)?)
    }
}

/// Identity of an event: where it stands and what it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EventRef {
    /// The chain.
    pub subject: SubjectId,
    /// The place on it.
    pub chain_index: ChainIndex,
    /// The hash of the event that stands there.
    pub event_hash: EventHash,
}

impl fmt::Display for EventRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}#{}@{}", self.subject, self.chain_index, self.event_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_is_the_v5_of_tally_v1() {
        assert_eq!(Uuid::new_v5(&Uuid::NAMESPACE_URL, b"tally:v1"), NAMESPACE);
    }

    #[test]
    fn texts_of_ids_come_back() {
        for kind in SubjectKind::ALL {
            let subject = SubjectId::new(kind, [0xA5; 16]);
            assert_eq!(subject.to_string().parse(), Ok(subject));
            assert_eq!(SubjectId::parse(&subject.key()), Ok(subject));
        }
        assert!(matches!("machine/0".parse::<SubjectId>(), Err(IdError::KindName { .. })));
        assert!(matches!("equipment/0".parse::<SubjectId>(), Err(IdError::Uuid { .. })));
    }

    #[test]
    fn one_plate_is_one_id_and_kinds_do_not_meet() {
        let unit = SubjectId::unit("三一重型装备", "ＥＢＺ２００ｈ", " 0031").unwrap();
        assert_eq!(SubjectId::unit("三一重型装备", "EBZ200H", "0031"), Ok(unit));
        assert_ne!(SubjectId::lot("三一重型装备", "EBZ200H", "0031"), Ok(unit));
        assert_ne!(SubjectId::unit("三一重型装备", "EBZ200H0", "031"), Ok(unit));
    }

    #[test]
    fn a_field_cannot_reach_into_its_neighbour() {
        let refused = SubjectId::unit("M", "A\u{1F}B", "1");
        let problem = TextError::Control { point: 0x1F, at: 1 };
        assert_eq!(refused, Err(IdError::Text { field: "model", problem }));
        assert_eq!(SubjectId::mark(" "), Err(IdError::Text { field: "number", problem: TextError::Empty }));
    }

    #[test]
    fn organisations_and_subjects_convert_only_where_the_kind_fits() {
        let organisation = OrganisationId::new([7; 16]);
        assert_eq!(OrganisationId::try_from(organisation.subject()), Ok(organisation));
        let mine = SubjectId::new(SubjectKind::Mine, [7; 16]);
        assert!(matches!(OrganisationId::try_from(mine), Err(IdError::OtherKind { .. })));
    }
}
