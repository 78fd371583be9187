//! What is wrong with the bytes of a statement or event: every bad field at once

use std::fmt;

use crate::id::IdError;
use crate::number::ChainIndex;
use crate::text::TextError;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldProblem {
    /// Path of the field, such as `statement.mentions[3]`; empty for the message as a whole.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { self.problem.fmt(out) } else { write!(out, "{}: {}", self.field, self.problem) }
    }
}

/// Bytes that are no canonical, well-formed statement or event. Nothing was changed; the same bytes never pass.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", list(problems))]
pub struct FormError {
    problems: Vec<FieldProblem>,
}

impl FormError {
    /// An error of one problem.
    #[must_use]
    pub fn of(problem: FieldProblem) -> Self {
        Self { problems: vec![problem] }
    }

    /// An error of these problems; `None` if there are none.
    #[must_use]
    pub fn from_problems(problems: Vec<FieldProblem>) -> Option<Self> {
        if problems.is_empty() { None } else { Some(Self { problems }) }
    }

    /// All that was found, in the order of the bytes; at least one, at most [`PROBLEMS_MAX`].
    #[must_use]
    pub fn problems(&self) -> &[FieldProblem] {
        &self.problems
    }
}

fn list(problems: &[FieldProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Problems that are listed of one message; a hostile one has as many as it has bytes.
pub const PROBLEMS_MAX: usize = 32;

/// Problems as they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<FieldProblem>,
}

impl Problems {
    pub(crate) fn push(&mut self, field: &str, problem: Problem) {
        if self.found.len() < PROBLEMS_MAX {
            self.found.push(FieldProblem { field: field.to_owned(), problem });
        }
    }

    /// Whether something was already found about this field: a missing value is then no news.
    pub(crate) fn are_known_of(&self, field: &str) -> bool {
        self.found.iter().any(|found| found.field == field)
    }

    /// The value, if nothing was found; else what was found.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, FormError> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            Some(_) => Err(FormError { problems: self.found }),
            None => {
                // What has no value has a problem; this keeps an error from ever being empty.
                if self.found.is_empty() {
                    self.push("", Problem::Missing);
                }
                Err(FormError { problems: self.found })
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn into_vec(self) -> Vec<FieldProblem> {
        self.found
    }
}

/// What can be wrong with a field or a message.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The bytes end inside a field.
    #[error("bytes end inside a field")]
    Truncated,
    /// A varint of more than 64 bits.
    #[error("varint has more than 64 bits")]
    VarintTooLong,
    /// A varint that could be shorter.
    #[error("varint is not the shortest for its value")]
    VarintNotShortest,
    /// A field number that protobuf does not have.
    #[error("{number} is no field number")]
    FieldNumber {
        /// The number found.
        number: u64,
    },
    /// A field of another type than is due, a group, or a type that protobuf does not have.
    #[error("field {number} has wire type {found}")]
    WireType {
        /// The field.
        number: u32,
        /// The wire type found.
        found: u8,
    },
    /// A field that this message does not have.
    #[error("field {number} is unknown")]
    FieldUnknown {
        /// The field.
        number: u32,
    },
    /// A field behind one with a greater number.
    #[error("field {number} stands behind field {behind}")]
    FieldOrder {
        /// The field.
        number: u32,
        /// The greatest field before it.
        behind: u32,
    },
    /// A second value of a singular field.
    #[error("field {number} stands twice")]
    FieldTwice {
        /// The field.
        number: u32,
    },
    /// A second body, or a field behind the body.
    #[error("field {number} stands behind the body")]
    BodyTwice {
        /// The field.
        number: u32,
    },
    /// A value that is the default and must not be written.
    #[error("default value is written")]
    DefaultWritten,
    /// A required field is not there.
    #[error("is missing")]
    Missing,
    /// Another number of bytes than the field has.
    #[error("has {found} bytes, {expected} are due")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes due.
        expected: usize,
    },
    /// More bytes than allowed.
    #[error("has {found} bytes, {max} are allowed")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// More members than allowed.
    #[error("has {found} members, {max} are allowed")]
    TooMany {
        /// Members found.
        found: usize,
        /// Members allowed.
        max: usize,
    },
    /// A member that is less than the one before it.
    #[error("is less than the member before it: the list is sorted")]
    NotSorted,
    /// A member that stands in the list already.
    #[error("is the same as the member before it")]
    NotUnique,
    /// A byte of the origin that is not visible ASCII, or is a plus.
    #[error("byte {byte:#04x} at {at} is not visible ASCII without blank and plus")]
    OriginByte {
        /// The byte.
        byte: u8,
        /// Where it stands.
        at: usize,
    },
    /// An id that is none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A number that is no role.
    #[error("{number} is no role number (1 to 2147483647)")]
    Role {
        /// The number found.
        number: u64,
    },
    /// The event's own subject among its mentions.
    #[error("is the event's own subject")]
    MentionsOwnSubject,
    /// A set of a size that no set has.
    #[error("a set has 2 to 64 members, not {count}")]
    SetCount {
        /// The count found.
        count: u64,
    },
    /// A first event that names one before it.
    #[error("is not zero at chain index 0")]
    PreviousHashAtFirst,
    /// A later event that names none before it.
    #[error("is zero at chain index {chain_index}")]
    PreviousHashZero {
        /// The index.
        chain_index: ChainIndex,
    },
    /// The event was signed first for a later place than this.
    #[error("is {first_index}, greater than the chain index {chain_index}")]
    FirstIndex {
        /// The index of the first signing.
        first_index: ChainIndex,
        /// The index of this signing.
        chain_index: ChainIndex,
    },
    /// The issuer among the hands: keys of one event differ.
    #[error("is the issuer's key")]
    KeyTwice,
    /// A string that is not canonical.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A fault inside a body, in the words of whoever knows the body.
    #[error("{0}")]
    Body(String),
}

impl Problem {
    /// The name of the problem, for programs; it never changes.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Truncated => "TRUNCATED",
            Self::VarintTooLong => "VARINT_TOO_LONG",
            Self::VarintNotShortest => "VARINT_NOT_SHORTEST",
            Self::FieldNumber { .. } => "FIELD_NUMBER",
            Self::WireType { .. } => "WIRE_TYPE",
            Self::FieldUnknown { .. } => "FIELD_UNKNOWN",
            Self::FieldOrder { .. } => "FIELD_ORDER",
            Self::FieldTwice { .. } => "FIELD_TWICE",
            Self::BodyTwice { .. } => "BODY_TWICE",
            Self::DefaultWritten => "DEFAULT_VALUE",
            Self::Missing => "MISSING",
            Self::Length { .. } => "LENGTH",
            Self::TooLong { .. } => "TOO_LONG",
            Self::TooMany { .. } => "TOO_MANY",
            Self::NotSorted => "NOT_SORTED",
            Self::NotUnique => "NOT_UNIQUE",
            Self::OriginByte { .. } => "ORIGIN",
            Self::Id(_) => "ID",
            Self::Role { .. } => "ROLE",
            Self::MentionsOwnSubject => "MENTIONS_OWN_SUBJECT",
            Self::SetCount { .. } => "SET_COUNT",
            Self::PreviousHashAtFirst | Self::PreviousHashZero { .. } => "PREVIOUS_HASH",
            Self::FirstIndex { .. } => "FIRST_INDEX",
            Self::KeyTwice => "KEY_TWICE",
            Self::Text(_) => "TEXT",
            Self::Body(_) => "BODY",
        }
    }
}
