//! Tables of the product's own as comma-separated values (RFC 4180): hardened reading, and writing that no spreadsheet runs
//!
//! [`read_table`] looks at the whole file before it gives anything: separator, encoding, byte order mark, names of the columns,
//! width of each row, length and form of each field, control characters, formulas. Only a file that nothing refuses becomes a
//! [`Checked`], and only that gives rows, by the names of columns, in a second pass that compares the digest.
//!
//! | of the file | answer |
//! | --- | --- |
//! | byte order mark | accepted, left out, noted |
//! | blanks at the ends of a field | left out, noted |
//! | `-320水平`, `-` | noted |
//! | other text that begins with `=`, `+`, `-`, `@`, tab or carriage return | refused |
//! | `'=…`, as [`guard`] writes it | taken without the guard, noted |
//! | column that is not known, or is missing where it must be there | refused, with the nearest known name |
//! | row that is wider or narrower than the header, quotes that stand wrong, control characters and line breaks | refused |
//!
//! Empty lines are skipped. Rows longer than [`ROW_BYTES_MAX`] are reported and skipped up to the end of their line.

mod parser;
mod table;
mod write;

pub use table::{Checked, Column, ColumnForm, Options, Row, Rows, read_table};
pub use write::{TableWriteError, Writer, guard};

/// Separates fields.
pub const SEPARATOR: char = ',';
/// Longest row in bytes of UTF-8, without quotes and separators.
pub const ROW_BYTES_MAX: usize = 65_536;
/// Most fields of a row.
pub const FIELDS_MAX: usize = 256;
/// Longest field where its column does not say otherwise.
pub const FIELD_BYTES_MAX: usize = 4_096;
/// Most rows of a file.
pub const ROWS_MAX: u64 = 10_000_000;
