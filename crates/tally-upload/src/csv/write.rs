//! Writing tables that read back as they were and that no spreadsheet runs

use std::{
    borrow::Cow,
    io::{self, Write},
};

use crate::{
    report::{Fault, Weight},
    text::formula,
};

use super::{
    SEPARATOR,
    table::{Column, ColumnForm},
};

/// Put before what a spreadsheet would take for a formula.
const GUARD: char = '\'';

/// Why a row was not written. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum TableWriteError {
    /// Too many or too few fields.
    #[error("the row has {found} fields; the table has {due} columns")]
    Width {
        /// Fields of the row.
        found: usize,
        /// Columns of the table.
        due: usize,
    },
    /// A field cannot stand in its column.
    #[error("{column}: {fault}")]
    Field {
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The output failed: what it holds now is not known.
    #[error("the table could not be written")]
    Write(#[from] io::Error),
}

/// A text that no spreadsheet takes for a formula: `'` before what begins with `=`, `+`, `-`, `@`, tab or carriage return, in
/// their wide forms too, and before what a reader would take for guarded.
#[must_use]
pub fn guard(value: &str) -> Cow<'_, str> {
    if formula(value.trim_start_matches(GUARD)).is_some() {
        Cow::Owned(format!("{GUARD}{value}"))
    } else {
        Cow::Borrowed(value)
    }
}

/// The text inside a guard; `None` where there is none.
pub(crate) fn unguard(value: &str) -> Option<&str> {
    let inner = value.strip_prefix(GUARD)?;
    formula(inner.trim_start_matches(GUARD)).map(|_| inner)
}

/// Writes a table of known columns: UTF-8, carriage return and line feed, quotes where they are needed.
pub struct Writer<W> {
    output: W,
    columns: &'static [Column],
}

impl<W: Write> Writer<W> {
    /// Begins a table with the names of its columns.
    ///
    /// `mark` puts a byte order mark first: without it, common spreadsheets show Chinese as nonsense.
    ///
    /// # Errors
    /// What the output answers.
    pub fn open(mut output: W, columns: &'static [Column], mark: bool) -> Result<Self, TableWriteError> {
        if mark {
            output.write_all("\u{FEFF}".as_bytes())?;
        }
        let names: Vec<Cow<'_, str>> = columns.iter().map(|column| Cow::Borrowed(column.name)).collect();
        put(&mut output, &names)?;
        Ok(Self { output, columns })
    }

    /// Appends a row, a field for each column.
    ///
    /// # Errors
    /// [`TableWriteError`]; the row is written whole or not at all, unless the output failed.
    pub fn write(&mut self, fields: &[&str]) -> Result<(), TableWriteError> {
        if fields.len() != self.columns.len() {
            return Err(TableWriteError::Width { found: fields.len(), due: self.columns.len() });
        }
        let mut texts = Vec::with_capacity(fields.len());
        for (field, column) in fields.iter().zip(self.columns) {
            texts.push(check(column, field).map_err(|fault| TableWriteError::Field { column: column.name, fault })?);
        }
        put(&mut self.output, &texts)
    }

    /// Flushes.
    ///
    /// # Errors
    /// What the output answers.
    pub fn finish(mut self) -> Result<W, TableWriteError> {
        self.output.flush()?;
        Ok(self.output)
    }
}

/// The text of a field that reads back as it is.
fn check<'a>(column: &Column, field: &'a str) -> Result<Cow<'a, str>, Fault> {
    let text = if column.form == ColumnForm::Text { guard(field) } else { Cow::Borrowed(field) };
    if field.len() > column.bytes_max {
        return Err(Fault::FieldTooLong { bytes: field.len(), bytes_max: column.bytes_max });
    }
    if field.is_empty() {
        return if column.filled { Err(Fault::NoValue) } else { Ok(text) };
    }
    let mut refused = None;
    crate::text::check(field, &[], &mut |_, fault, weight| {
        let guarded = matches!(fault, Fault::Formula { .. });
        if refused.is_none() && !guarded && (weight == Weight::Refusal || fault == Fault::Blank) {
            refused = Some(fault);
        }
    });
    // A tab or carriage return at the beginning is told as a formula, and is a control character all the same.
    if let Some(point) = field.chars().find(|character| character.is_control()) {
        refused = refused.or(Some(Fault::Control { point: u32::from(point) }));
    }
    match refused {
        Some(fault) => Err(fault),
        None => column.check_form(field).map(|()| text),
    }
}

fn put(output: &mut impl Write, texts: &[Cow<'_, str>]) -> Result<(), TableWriteError> {
    let mut line = String::new();
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            line.push(SEPARATOR);
        }
        // A row of one empty field would be an empty line, which reading skips.
        if text.contains([SEPARATOR, '"']) || (texts.len() == 1 && text.is_empty()) {
            line.push('"');
            line.push_str(&text.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(text);
        }
    }
    line.push_str("\r\n");
    Ok(output.write_all(line.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_stand_before_formulas_and_come_off_again() {
        for (value, guarded) in [
            ("=1+1", "'=1+1"),
            ("-320水平", "'-320水平"),
            ("@x", "'@x"),
            ("＝1", "'＝1"),
            ("\t=1", "'\t=1"),
            ("'=1", "''=1"),
        ] {
            assert_eq!(guard(value), guarded);
            assert_eq!(unguard(guarded), Some(value));
        }
        for plain in ["", "采煤机", "a=b", "'a", "''"] {
            assert_eq!(guard(plain), plain);
            assert_eq!(unguard(plain), None);
        }
    }
}
