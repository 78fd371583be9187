//! What is wrong with a table, line by line

use std::fmt;

use tally_core::text::TextError;
use tally_upload::report::Fault as Foreign;

/// Problems of a table that are kept.
pub const PROBLEMS_MAX: usize = 1_000;
/// Characters of a foreign value that a message shows.
const SHOWN_CHARACTERS_MAX: usize = 40;

/// One thing about a table, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Line on which the row begins, from 1, which holds the names of the columns; 0 for the table as a whole.
    pub line: u64,
    /// Name of the column; empty for the row as a whole.
    pub column: &'static str,
    /// What is wrong, and what would be right.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => out.write_str("table")?,
            line => write!(out, "line {line}")?,
        }
        if !self.column.is_empty() {
            write!(out, ", column {}", self.column)?;
        }
        write!(out, ": {}", self.fault)
    }
}

/// What is wrong. Values from the table are shown shortened and escaped.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Something about the file, its header, or the form of a cell.
    #[error(transparent)]
    Foreign(Foreign),
    /// A word that the column does not have.
    #[error("{} is none of its words; they are {known}", shown(.found))]
    Word {
        /// The word.
        found: String,
        /// All that there are.
        known: String,
    },
    /// No whole number, or one that is too large.
    #[error("{} is no whole number from 0 to {max}", shown(.found))]
    Number {
        /// The text.
        found: String,
        /// The greatest number.
        max: u32,
    },
    /// No day.
    #[error("{} is no day; write it like 2026-04-02", shown(.found))]
    Day {
        /// The text.
        found: String,
    },
    /// A value that a list has twice.
    #[error("{} stands twice in the list", shown(.found))]
    Twice {
        /// The value.
        found: String,
    },
    /// A list with nothing between two of its semicolons.
    #[error("has a semicolon with nothing before or behind it; values are split by one semicolon")]
    EmptyValue,
    /// A text of a plate without its key or value.
    #[error("{} is no text of a plate; write it like core=Al", shown(.found))]
    Attribute {
        /// The text.
        found: String,
    },
    /// Bounds of a rated value that are none.
    #[error("{} are no bounds; write them like power_kW>=40 kW, voltage_V<=1140 V or voltage_V>=380 V<=1140 V", shown(.found))]
    Bounds {
        /// The text.
        found: String,
    },
    /// A slot whose flags are not known.
    #[error("{} is no slot; write its name, and behind it [C] if it is controlled, [M] if mandatory, [CM] for both", shown(.found))]
    Slot {
        /// The text.
        found: String,
    },
    /// A model that has no normal form.
    #[error("{} cannot stand on a plate: {error}", shown(.found))]
    Model {
        /// The text.
        found: String,
        /// Why not.
        error: TextError,
    },
    /// A code, or a rule with its parameter, that an earlier row has.
    #[error("{} stands on line {line} already; each has one row", shown(.code))]
    RowTwice {
        /// The code.
        code: String,
        /// Where it stands first.
        line: u64,
    },
    /// Alternatives that are not numbered from 1 without gap.
    #[error("{} has {rows} rows; their column `or` must number them 1 to {rows}, each once", shown(.code))]
    Numbering {
        /// The code.
        code: String,
        /// Rows that it has.
        rows: usize,
    },
    /// A further alternative that says something else about its code than the first.
    #[error("{} is not what the first row of {} says; leave it empty", shown(.found), shown(.code))]
    Differs {
        /// What it says.
        found: String,
        /// The code.
        code: String,
    },
    /// A further alternative without criteria.
    #[error("asks for nothing; an alternative needs criteria")]
    NoCriteria,
    /// A day without criteria, or criteria without a day.
    #[error("is empty, but the row has {has}; a ban needs both a day and criteria")]
    HalfABan {
        /// What the row has.
        has: &'static str,
    },
    /// A code that no known category or selector has.
    #[error("{} is neither a category nor a selector that is known here; nothing is judged by it unless it is published", shown(.found))]
    NotKnown {
        /// The code.
        found: String,
    },
    /// What the ledger asks of the field.
    #[error("{0}")]
    Form(String),
    /// The rows are too long for one event.
    #[error("the rows take {bytes} bytes; one publication holds {bytes_max}: split the table into two publications")]
    TooLong {
        /// Bytes of the body.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}

impl Fault {
    /// Stable name of the kind, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Foreign(fault) => fault.code(),
            Self::Word { .. } => "WORD",
            Self::Number { .. } => "NUMBER",
            Self::Day { .. } => "DAY",
            Self::Twice { .. } => "TWICE",
            Self::EmptyValue => "EMPTY_VALUE",
            Self::Attribute { .. } => "ATTRIBUTE",
            Self::Bounds { .. } => "BOUNDS",
            Self::Slot { .. } => "SLOT",
            Self::Model { .. } => "MODEL",
            Self::RowTwice { .. } => "ROW_TWICE",
            Self::Numbering { .. } => "NUMBERING",
            Self::Differs { .. } => "DIFFERS",
            Self::NoCriteria => "NO_CRITERIA",
            Self::HalfABan { .. } => "HALF_A_BAN",
            Self::NotKnown { .. } => "NOT_KNOWN",
            Self::Form(_) => "FORM",
            Self::TooLong { .. } => "TOO_LONG",
        }
    }
}

/// A foreign value as a message may show it: short, quoted, escaped.
fn shown(value: &str) -> String {
    let mut characters = value.chars();
    let shown: String = characters.by_ref().take(SHOWN_CHARACTERS_MAX).flat_map(char::escape_debug).collect();
    let more = if characters.next().is_some() { "…" } else { "" };
    format!("\"{shown}{more}\"")
}

/// Why a table gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Nothing of it may be used: at least one problem, in the order of the lines.
    #[error("the table is refused for {} problems, the first: {}", .0.len(), first(.0))]
    Refused(Vec<Problem>),
    /// Longer than any table can be.
    #[error("the table has over {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: u64,
    },
    /// It could not be read to its end.
    #[error("the table could not be read")]
    Read(#[source] std::io::Error),
}

fn first(problems: &[Problem]) -> String {
    problems.first().map(ToString::to_string).unwrap_or_default()
}

/// A value that no table can hold. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A field that has no cell.
    #[error("{code}: {column} cannot be written into a table: {why}")]
    Field {
        /// Code of the row.
        code: String,
        /// The column.
        column: &'static str,
        /// Why not.
        why: String,
    },
    /// A row that the table does not take.
    #[error("{code}: {source}")]
    Row {
        /// Code of the row.
        code: String,
        /// Why not.
        source: tally_upload::csv::TableWriteError,
    },
    /// The table as a whole.
    #[error("the table could not be written")]
    Table(#[from] tally_upload::csv::TableWriteError),
}
