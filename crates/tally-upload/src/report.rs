//! What is wrong with a file, line by line: the first thousand problems in full, and a count of every kind

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use tally_core::credit_code::CodeError;

use crate::{
    input::Seen,
    upload::{ENCODED_AS, FileKind},
};

/// Problems of a file that are kept in full; of the others only the number is.
pub const PROBLEMS_KEPT_MAX: usize = 1_000;

/// Characters of a foreign value that a message shows.
const SNIPPET_CHARACTERS_MAX: usize = 40;

/// Where in a file.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Line, from 1; 0 for the file as a whole.
    pub line: u64,
    /// Column of the line in characters, from 1; 0 where it is not known, as in tables, where quotes hide it.
    pub column: u64,
    /// Field of the record or column of the table, from 1; 0 for the record as a whole.
    pub field: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => out.write_str("file")?,
            line => write!(out, "line {line}")?,
        }
        if self.column > 0 {
            write!(out, ", column {}", self.column)?;
        }
        if self.field > 0 {
            write!(out, ", field {}", self.field)?;
        }
        Ok(())
    }
}

/// What is wrong. Values from the file are shown shortened and escaped.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A byte order mark before the first character.
    #[error("a byte order mark stands before the first character; UTF-8 without one is due")]
    ByteOrderMark,
    /// Bytes that are not of the encoding in which the file is read.
    #[error("bytes are not {due}{seen}")]
    Encoding {
        /// Encoding in which it is read.
        due: &'static str,
        /// What they look like instead.
        seen: Seen,
    },
    /// The whole file is valid UTF-8, though it was to be read as GB18030.
    #[error("the file is to be read as GB18030, but all of it is valid UTF-8: read it as UTF-8")]
    Utf8AfterAll,
    /// Another separator than the one that is due.
    #[error("fields seem to be separated by {seen:?}; {due:?} is due")]
    Separator {
        /// What separates them instead.
        seen: char,
        /// What is due.
        due: char,
    },
    /// Too many or too few fields.
    #[error("has {found} fields; {due} are due{}", kind_hint(*.like))]
    FieldCount {
        /// Fields found.
        found: usize,
        /// Fields due.
        due: usize,
        /// The kind of upload file that has so many.
        like: Option<FileKind>,
    },
    /// A record longer than the limit: nothing of it was kept.
    #[error("record is longer than {bytes_max} bytes {hint}")]
    RecordTooLong {
        /// The limit.
        bytes_max: usize,
        /// What may be the cause.
        hint: &'static str,
    },
    /// A field longer than the limit.
    #[error("has {bytes} bytes; at most {bytes_max} are allowed")]
    FieldTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A record that ends with its line and not with the mark that is due.
    #[error("record is not ended by ~")]
    Unterminated,
    /// No end mark: the file was cut off, or was never finished.
    #[error("the file does not end in ||: it may have been cut off")]
    MissingEnd,
    /// Something stands after the end mark; it was not looked at.
    #[error("something stands after the end mark ||; it was not read")]
    AfterEnd,
    /// More records than the limit; the rest was not looked at.
    #[error("the file has more than {records_max} records; the rest was not read: split it")]
    TooManyRecords {
        /// The limit.
        records_max: u64,
    },
    /// No header.
    #[error("the file is empty: its header is missing")]
    Empty,
    /// A control character, a line break or a character that is not seen but changes how text reads.
    #[error("control or invisible character U+{point:04X}")]
    Control {
        /// The code point.
        point: u32,
    },
    /// U+FFFD: an earlier conversion has lost text.
    #[error("replacement character U+FFFD: a conversion has lost text; convert the original again")]
    Replacement,
    /// A character that separates fields or records, inside a field. How to escape it is not known.
    #[error("contains {character:?}, which separates fields or records and has no known escape: write it otherwise")]
    Reserved {
        /// The character.
        character: char,
    },
    /// A blank at the beginning or end of a field. Reading leaves it out.
    #[error("begins or ends with a blank")]
    Blank,
    /// Text that a spreadsheet would take for a formula.
    #[error("{value} begins with {start:?}, which a spreadsheet takes for a formula")]
    Formula {
        /// The first character.
        start: char,
        /// The text.
        value: String,
    },
    /// Text that was guarded against being taken for a formula; reading took the guard off.
    #[error("{value} had a guard ' before it; the guard is not part of the value")]
    Guarded {
        /// The text without its guard.
        value: String,
    },
    /// A field that must have a value has none.
    #[error("has no value; one is due")]
    NoValue,
    /// Text that would read back as no value.
    #[error("{value} would be read as no value")]
    ReadsAsNoValue {
        /// The text.
        value: String,
    },
    /// A value that is not of its form.
    #[error("{value} is not {due}")]
    Form {
        /// The value.
        value: String,
        /// What is due.
        due: &'static str,
    },
    /// A mine code that is none.
    #[error("{0}")]
    MineCode(CodeError),
    /// The name of the file and its content disagree.
    #[error("{what} is {found} in the file and {named} in its name")]
    NotAsNamed {
        /// What disagrees.
        what: &'static str,
        /// In the file.
        found: String,
        /// In its name.
        named: String,
    },
    /// A column that the table does not have.
    #[error("column {name} is not known{}", nearest_hint(*.nearest))]
    ColumnUnknown {
        /// Its name.
        name: String,
        /// The known name that is closest to it.
        nearest: Option<&'static str>,
    },
    /// A column that the table must have.
    #[error("column {name:?} is missing")]
    ColumnMissing {
        /// Its name.
        name: &'static str,
    },
    /// A column that is there twice.
    #[error("column {name:?} is there twice")]
    ColumnTwice {
        /// Its name.
        name: &'static str,
    },
    /// A quote where none may stand: fields may have run together.
    #[error("a quote stands inside a field or text follows a closing quote; a quote in quoted text is written twice")]
    StrayQuote,
    /// A quoted field that never ends.
    #[error("a quoted field is not closed before the file ends")]
    UnclosedQuote,
}

fn kind_hint(like: Option<FileKind>) -> String {
    like.map(|kind| format!("; {} has so many", kind.code())).unwrap_or_default()
}

fn nearest_hint(nearest: Option<&'static str>) -> String {
    nearest.map(|name| format!("; {name:?} is the nearest that is")).unwrap_or_default()
}

impl Fault {
    /// Stable name of the kind, for counting and for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ByteOrderMark => "BYTE_ORDER_MARK",
            Self::Encoding { .. } => "ENCODING",
            Self::Utf8AfterAll => "UTF8_AFTER_ALL",
            Self::Separator { .. } => "SEPARATOR",
            Self::FieldCount { .. } => "FIELD_COUNT",
            Self::RecordTooLong { .. } => "RECORD_TOO_LONG",
            Self::FieldTooLong { .. } => "FIELD_TOO_LONG",
            Self::Unterminated => "UNTERMINATED",
            Self::MissingEnd => "MISSING_END",
            Self::AfterEnd => "AFTER_END",
            Self::TooManyRecords { .. } => "TOO_MANY_RECORDS",
            Self::Empty => "EMPTY",
            Self::Control { .. } => "CONTROL",
            Self::Replacement => "REPLACEMENT",
            Self::Reserved { .. } => "RESERVED",
            Self::Blank => "BLANK",
            Self::Formula { .. } => "FORMULA",
            Self::Guarded { .. } => "GUARDED",
            Self::NoValue => "NO_VALUE",
            Self::ReadsAsNoValue { .. } => "READS_AS_NO_VALUE",
            Self::Form { .. } => "FORM",
            Self::MineCode(_) => "MINE_CODE",
            Self::NotAsNamed { .. } => "NOT_AS_NAMED",
            Self::ColumnUnknown { .. } => "COLUMN_UNKNOWN",
            Self::ColumnMissing { .. } => "COLUMN_MISSING",
            Self::ColumnTwice { .. } => "COLUMN_TWICE",
            Self::StrayQuote => "STRAY_QUOTE",
            Self::UnclosedQuote => "UNCLOSED_QUOTE",
        }
    }

    pub(crate) fn not_utf8(bytes: &[u8]) -> Self {
        Self::Encoding { due: ENCODED_AS, seen: Seen::of(bytes) }
    }

    pub(crate) fn form(value: &str, due: &'static str) -> Self {
        Self::Form { value: snippet(value), due }
    }
}

/// Whether a problem refuses the file.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Weight {
    /// It does not: worth knowing.
    Note,
    /// It does: nothing of the file may be used.
    Refusal,
}

/// One problem of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Name of the field or column; empty for the record or file as a whole.
    pub field: &'static str,
    /// What.
    pub fault: Fault,
    /// Whether it refuses the file.
    pub weight: Weight,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(out)?;
        if !self.field.is_empty() {
            write!(out, " {}", self.field)?;
        }
        let note = if self.weight == Weight::Note { "note: " } else { "" };
        write!(out, ": {note}{}", self.fault)
    }
}

/// How often a kind of problem was met.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    /// Problems that refuse the file.
    pub refusals: u64,
    /// Notes.
    pub notes: u64,
}

/// What was found in a file. Its size is bounded, whatever the file's is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    problems: Vec<Problem>,
    /// Kept apart, so that notes never push out what refuses the file.
    notes: Vec<Problem>,
    counts: BTreeMap<&'static str, Count>,
    /// Records or rows read, good and bad, without the header.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// SHA-256 of the bytes read; all zeros where the file was not read to its end.
    pub sha256: [u8; 32],
}

impl Report {
    pub(crate) fn push(&mut self, problem: Problem) {
        let count = self.counts.entry(problem.fault.code()).or_default();
        let kept = match problem.weight {
            Weight::Refusal => {
                count.refusals = count.refusals.saturating_add(1);
                &mut self.problems
            }
            Weight::Note => {
                count.notes = count.notes.saturating_add(1);
                &mut self.notes
            }
        };
        if kept.len() < PROBLEMS_KEPT_MAX {
            kept.push(problem);
        }
    }

    /// Whether nothing refuses the file.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Problems that refuse the file, in its order: the first [`PROBLEMS_KEPT_MAX`].
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Notes, in the order of the file: the first [`PROBLEMS_KEPT_MAX`].
    #[must_use]
    pub fn notes(&self) -> &[Problem] {
        &self.notes
    }

    /// How often each kind was met, by [`Fault::code`]; complete, whatever was kept.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<&'static str, Count> {
        &self.counts
    }

    /// Number of problems that refuse the file.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.counts.values().map(|count| count.refusals).fold(0, u64::saturating_add)
    }
}

impl fmt::Display for Report {
    /// A line for each problem that was kept, in the order of the file, then a line for each kind.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut problems, mut notes): (VecDeque<_>, VecDeque<_>) =
            (self.problems.iter().collect(), self.notes.iter().collect());
        while let Some(problem) = match (problems.front(), notes.front()) {
            (Some(problem), Some(note)) if note.place < problem.place => notes.pop_front(),
            (Some(_), _) => problems.pop_front(),
            (None, _) => notes.pop_front(),
        } {
            writeln!(out, "{problem}")?;
        }
        for (code, count) in &self.counts {
            writeln!(out, "{code}: {} refusing, {} notes", count.refusals, count.notes)?;
        }
        let verdict = if self.is_clean() { "nothing refuses the file" } else { "refused: nothing of it was used" };
        writeln!(out, "{} records, {} bytes: {verdict}", self.records, self.bytes)
    }
}

/// Why a file gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is refused; nothing of it may be used.
    #[error("the file is refused for {} problems, the first: {}", .0.refusals(), first(.0))]
    Refused(Box<Report>),
    /// It could not be read to its end.
    #[error("the file could not be read to its end")]
    Read(#[from] std::io::Error),
}

fn first(report: &Report) -> String {
    report.problems.first().map(ToString::to_string).unwrap_or_default()
}

/// Why the second pass over a checked file stopped. What it gave before must not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum UseError {
    /// It could not be read again.
    #[error("the checked file could not be read again")]
    Read(#[from] std::io::Error),
    /// Its bytes are not those that were checked.
    #[error("the file has changed since it was checked; nothing that came out of it may be recorded: check it again")]
    Changed,
}

/// A foreign value as a message may show it: short, quoted, escaped.
pub(crate) fn snippet(value: &str) -> String {
    let mut characters = value.chars();
    let shown: String = characters.by_ref().take(SNIPPET_CHARACTERS_MAX).flat_map(char::escape_debug).collect();
    let more = if characters.next().is_some() { "…" } else { "" };
    format!("\"{shown}{more}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: u64, weight: Weight) -> Problem {
        Problem { place: Place { line, ..Place::default() }, field: "", fault: Fault::Blank, weight }
    }

    #[test]
    fn report_keeps_the_first_thousand_and_counts_all() {
        let mut report = Report::default();
        for line in 1..=PROBLEMS_KEPT_MAX as u64 + 1 {
            report.push(problem(line, Weight::Note));
        }
        assert!(report.is_clean());
        report.push(problem(7, Weight::Refusal));
        assert!(!report.is_clean(), "notes never push a refusal out");
        assert_eq!((report.notes().len(), report.problems().len()), (PROBLEMS_KEPT_MAX, 1));
        assert_eq!(report.counts()["BLANK"], Count { refusals: 1, notes: PROBLEMS_KEPT_MAX as u64 + 1 });
        let shown = report.to_string();
        assert_eq!(shown.lines().nth(6), Some("line 7: begins or ends with a blank"));
        assert_eq!(shown.lines().nth(7), Some("line 7: note: begins or ends with a blank"));
        assert_eq!(shown.lines().count(), PROBLEMS_KEPT_MAX + 3);
    }

    #[test]
    fn foreign_values_are_shown_short_and_escaped() {
        assert_eq!(snippet("采煤机\u{1B}[31m\u{202E}\"\n"), "\"采煤机\\u{1b}[31m\\u{202e}\\\"\\n\"");
        assert_eq!(snippet(&"煤".repeat(41)), format!("\"{}…\"", "煤".repeat(40)));
    }
}
