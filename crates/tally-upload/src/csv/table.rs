//! Tables with known columns: the check of a whole file, and rows by the names of columns after it

use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom},
};

use crate::{
    input::{Encoding, Opening, Seen},
    report::{CheckError, Fault, Place, Problem, Report, UseError, Weight, snippet},
    text::trim,
    upload::ENCODED_AS,
};

use super::{
    FIELD_BYTES_MAX, ROW_BYTES_MAX, ROWS_MAX, SEPARATOR,
    parser::{Parser, RawRow},
    write::unguard,
};

/// Form of a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ColumnForm {
    /// Text.
    Text,
    /// A decimal number: digits, at most one point, perhaps a minus before them.
    Decimal,
    /// A day, `YYYY-MM-DD`.
    Day,
}

/// A column that a table may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Column {
    /// Its name, compared exactly.
    pub name: &'static str,
    /// Form of its fields.
    pub form: ColumnForm,
    /// Whether the table must have it.
    pub required: bool,
    /// Whether each row must have a value in it.
    pub filled: bool,
    /// Longest field in bytes.
    pub bytes_max: usize,
}

impl Column {
    /// A column of text that may be missing or empty.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self { name, form: ColumnForm::Text, required: false, filled: false, bytes_max: FIELD_BYTES_MAX }
    }

    /// A column of another form.
    #[must_use]
    pub const fn of(self, form: ColumnForm) -> Self {
        Self { form, ..self }
    }

    /// A column that must be there.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// A column that must be there and have a value in each row.
    #[must_use]
    pub const fn filled(self) -> Self {
        Self { required: true, filled: true, ..self }
    }

    /// A column with shorter fields.
    #[must_use]
    pub const fn at_most(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// Whether a value that is not empty is of the column's form; text is looked at elsewhere.
    pub(crate) fn check_form(&self, value: &str) -> Result<(), Fault> {
        match self.form {
            ColumnForm::Text => Ok(()),
            ColumnForm::Decimal if is_decimal(value) => Ok(()),
            ColumnForm::Decimal => Err(Fault::form(value, "a decimal number")),
            ColumnForm::Day if crate::upload::is_day(value) => Ok(()),
            ColumnForm::Day => Err(Fault::form(value, "a day YYYY-MM-DD from 1950-01-01 to 2200-12-31")),
        }
    }
}

fn is_decimal(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, part].iter().all(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// How a table is to be read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// Its encoding: UTF-8 unless somebody says that it is GB18030.
    pub encoding: Encoding,
}

/// Checks a whole table. Only where nothing refuses it is there a [`Checked`], and only that gives rows.
///
/// Begins where the input stands and reads to its end. Memory does not grow with the file.
///
/// # Errors
/// [`CheckError::Refused`] with the report, line by line; [`CheckError::Read`].
pub fn read_table<R: Read + Seek>(
    mut input: R,
    columns: &'static [Column],
    options: Options,
) -> Result<Checked<R>, CheckError> {
    let start = input.stream_position()?;
    let mut table = Table::open(&mut input, columns, options)?;
    while table.step()?.is_some() {}
    let held_bytes = table.held_bytes;
    let report = table.report;
    if report.is_clean() {
        Ok(Checked { input, start, columns, options, report, held_bytes })
    } else {
        Err(CheckError::Refused(Box::new(report)))
    }
}

/// A table that passed whole.
pub struct Checked<R> {
    input: R,
    start: u64,
    columns: &'static [Column],
    options: Options,
    report: Report,
    held_bytes: usize,
}

impl<R: Read + Seek> Checked<R> {
    /// Number of rows, notes, and the digest under which the file can be kept as an attachment.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Bytes of the file that the buffers of the check had room for.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Its rows, in a second pass.
    ///
    /// **Record nothing before the iterator has ended without an error**: a file that was changed since it was checked may be
    /// found out only at its end, by its digest.
    ///
    /// # Errors
    /// [`UseError::Read`].
    pub fn rows(mut self) -> Result<Rows<R>, UseError> {
        self.input.seek(SeekFrom::Start(self.start))?;
        let table = Table::open(self.input, self.columns, self.options)?;
        Ok(Rows { table, due: self.report, over: false })
    }
}

impl<R> fmt::Debug for Checked<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Checked").field("report", &self.report).finish_non_exhaustive()
    }
}

/// The rows of a checked table; an error is the last item.
pub struct Rows<R> {
    table: Table<R>,
    due: Report,
    over: bool,
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, UseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        match self.table.step() {
            Ok(Some(Some(row))) if self.table.report.is_clean() => return Some(Ok(row)),
            Ok(None) if self.table.report == self.due => self.over = true,
            Ok(_) => {
                self.over = true;
                return Some(Err(UseError::Changed));
            }
            Err(error) => {
                self.over = true;
                return Some(Err(UseError::Read(error)));
            }
        }
        None
    }
}

/// A row of a checked table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    line: u64,
    columns: &'static [Column],
    values: Vec<String>,
}

impl Row {
    /// Line on which it begins, from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// The value in a column; `None` where it is empty, the table lacks the column, or no column has this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let index = self.columns.iter().position(|column| column.name == name)?;
        self.values.get(index).map(String::as_str).filter(|value| !value.is_empty())
    }
}

struct Table<R> {
    parser: Parser<R>,
    columns: &'static [Column],
    encoding: Encoding,
    /// The column of each field of a row; `None` where its name is not known.
    layout: Vec<Option<usize>>,
    report: Report,
    finished: bool,
    held_bytes: usize,
}

impl<R: Read> Table<R> {
    fn open(input: R, columns: &'static [Column], options: Options) -> io::Result<Self> {
        let mut table = Self {
            parser: Parser::new(input, options.encoding),
            columns,
            encoding: options.encoding,
            layout: Vec::new(),
            report: Report::default(),
            finished: false,
            held_bytes: 0,
        };
        table.begin()?;
        Ok(table)
    }

    /// The next row, or `Some(None)` where it is bad; `None` at the end.
    fn step(&mut self) -> io::Result<Option<Option<Row>>> {
        if self.finished {
            return Ok(None);
        }
        let raw = self.parser.next_row().inspect_err(|_| self.finished = true)?;
        self.held_bytes = self.held_bytes.max(self.parser.held_bytes());
        let Some(raw) = raw else {
            self.finish()?;
            return Ok(None);
        };
        if self.report.records >= ROWS_MAX {
            self.row_fault(raw.line, Fault::TooManyRecords { records_max: ROWS_MAX });
            self.finished = true;
            return Ok(None);
        }
        self.report.records += 1;
        Ok(Some(self.row(raw)))
    }

    fn begin(&mut self) -> io::Result<()> {
        match self.parser.opening()? {
            Opening::Plain => {}
            Opening::Mark => self.fault(1, 0, "", Fault::ByteOrderMark, Weight::Note),
            Opening::Wrong(seen) => {
                self.row_fault(1, Fault::Encoding { due: self.due_encoding(), seen });
                // Not a character of it can be trusted.
                self.finished = true;
                return Ok(());
            }
        }
        let Some(raw) = self.parser.next_row()? else {
            self.row_fault(0, Fault::Empty);
            return self.finish();
        };
        let usable = self.form_of_row(raw);
        let names: Vec<Vec<u8>> = self.parser.fields().map(<[u8]>::to_vec).collect();
        if !usable {
            // Nothing can be said about rows whose columns have no names.
            self.finished = true;
            return Ok(());
        }
        self.header(raw.line, &names);
        Ok(())
    }

    fn header(&mut self, line: u64, names: &[Vec<u8>]) {
        let mut texts = Vec::new();
        for (field, name) in (1..).zip(names) {
            let Ok(text) = std::str::from_utf8(name) else {
                self.fault(line, field, "", self.encoding_fault(name), Weight::Refusal);
                self.finished = true;
                return;
            };
            texts.push(trim(text).to_owned());
        }
        let known = |name: &str| self.columns.iter().position(|column| column.name == name);
        if let [only] = texts.as_slice()
            && known(only).is_none()
        {
            let other = [';', '\t', '；', '，', '|'].into_iter().find(|other| only.contains(*other));
            if let Some(seen) = other {
                // Every row would say the same.
                self.row_fault(line, Fault::Separator { seen, due: SEPARATOR });
                self.finished = true;
                return;
            }
        }
        for (field, name) in (1..).zip(&texts) {
            let found = known(name);
            match found.and_then(|index| self.columns.get(index)) {
                None => {
                    let fault = Fault::ColumnUnknown { name: snippet(name), nearest: nearest(name, self.columns) };
                    self.fault(line, field, "", fault, Weight::Refusal);
                }
                Some(column) if self.layout.contains(&found) => {
                    self.fault(line, field, "", Fault::ColumnTwice { name: column.name }, Weight::Refusal);
                }
                Some(_) => {}
            }
            self.layout.push(found);
        }
        for (index, column) in self.columns.iter().enumerate() {
            if column.required && !self.layout.contains(&Some(index)) {
                self.row_fault(line, Fault::ColumnMissing { name: column.name });
            }
        }
    }

    /// Checks what is known of a row before its fields; whether they can be looked at.
    fn form_of_row(&mut self, raw: RawRow) -> bool {
        if raw.too_long {
            let hint = "or has over 256 fields: is a quote not closed?";
            self.row_fault(raw.line, Fault::RecordTooLong { bytes_max: ROW_BYTES_MAX, hint });
        } else if raw.unclosed {
            self.row_fault(raw.line, Fault::UnclosedQuote);
        } else if raw.stray_quote {
            self.row_fault(raw.line, Fault::StrayQuote);
        }
        !raw.too_long && !raw.unclosed
    }

    fn row(&mut self, raw: RawRow) -> Option<Row> {
        if !self.form_of_row(raw) {
            return None;
        }
        let found = self.parser.fields().count();
        if found != self.layout.len() {
            self.row_fault(raw.line, Fault::FieldCount { found, due: self.layout.len(), like: None });
            return None;
        }
        let mut values = vec![String::new(); self.columns.len()];
        let mut faults = Vec::new();
        for ((field, bytes), index) in (1..).zip(self.parser.fields()).zip(&self.layout) {
            let Some((index, column)) = index.and_then(|index| Some((index, self.columns.get(index)?))) else {
                continue;
            };
            let mut fault = |fault, weight| faults.push((field, column.name, fault, weight));
            if let Some(value) = check_field(column, bytes, || self.encoding_fault(bytes), &mut fault)
                && let Some(place) = values.get_mut(index)
            {
                *place = value;
            }
        }
        let clean = !raw.stray_quote && faults.iter().all(|fault| fault.3 == Weight::Note);
        for (field, name, fault, weight) in faults {
            self.fault(raw.line, field, name, fault, weight);
        }
        clean.then_some(Row { line: raw.line, columns: self.columns, values })
    }

    fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        let input = self.parser.input();
        input.drain()?;
        let utf8 = input.is_utf8_after_all();
        (self.report.bytes, self.report.sha256) = (input.bytes(), input.sha256());
        if utf8 {
            self.row_fault(0, Fault::Utf8AfterAll);
        }
        Ok(())
    }

    fn row_fault(&mut self, line: u64, fault: Fault) {
        self.fault(line, 0, "", fault, Weight::Refusal);
    }

    fn fault(&mut self, line: u64, field: u32, name: &'static str, fault: Fault, weight: Weight) {
        let place = Place { line, column: 0, field };
        self.report.push(Problem { place, field: name, fault, weight });
    }

    const fn due_encoding(&self) -> &'static str {
        match self.encoding {
            Encoding::Utf8 => ENCODED_AS,
            Encoding::Gb18030 => "GB18030",
        }
    }

    fn encoding_fault(&self, bytes: &[u8]) -> Fault {
        match self.encoding {
            Encoding::Utf8 => Fault::not_utf8(bytes),
            Encoding::Gb18030 => Fault::Encoding { due: "GB18030", seen: Seen::Unknown },
        }
    }
}

/// Checks one field; its value, where it has one that can be used.
fn check_field(
    column: &Column,
    bytes: &[u8],
    not_text: impl Fn() -> Fault,
    fault: &mut dyn FnMut(Fault, Weight),
) -> Option<String> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        fault(not_text(), Weight::Refusal);
        return None;
    };
    let mut value = trim(text);
    let bytes = unguard(value).unwrap_or(value).len();
    if bytes > column.bytes_max {
        fault(Fault::FieldTooLong { bytes, bytes_max: column.bytes_max }, Weight::Refusal);
        return None;
    }
    if column.form != ColumnForm::Text {
        if value.len() != text.len() {
            fault(Fault::Blank, Weight::Note);
        }
    } else if let Some(inner) = unguard(value) {
        value = inner;
        fault(Fault::Guarded { value: snippet(value) }, Weight::Note);
        crate::text::check(value, &[], &mut |_, what, weight| {
            if !matches!(what, Fault::Formula { .. }) {
                fault(what, weight);
            }
        });
    } else {
        crate::text::check(text, &[], &mut |_, what, weight| fault(what, weight));
    }
    if value.is_empty() {
        if column.filled {
            fault(Fault::NoValue, Weight::Refusal);
        }
    } else if let Err(what) = column.check_form(value) {
        fault(what, Weight::Refusal);
    }
    Some(value.to_owned())
}

/// The known name that is closest, where it is close at all.
fn nearest(name: &str, columns: &[Column]) -> Option<&'static str> {
    let name: Vec<char> = name.chars().take(64).collect();
    let close = columns.iter().map(|column| (distance(&name, column.name), column.name));
    let (away, nearest) = close.min()?;
    (away.saturating_mul(2) <= nearest.chars().count().max(name.len())).then_some(nearest)
}

/// Characters to insert, delete or replace to get from one to the other; capitals count as small letters.
fn distance(name: &[char], other: &str) -> usize {
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (above, character) in (1..).zip(other.chars()) {
        let mut corner = std::mem::replace(row.first_mut().unwrap_or(&mut 0), above);
        let mut left = above;
        for (own, place) in name.iter().zip(row.iter_mut().skip(1)) {
            let replaced = corner + usize::from(!own.eq_ignore_ascii_case(&character));
            corner = *place;
            left = replaced.min(corner + 1).min(left + 1);
            *place = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_is_by_letters_and_only_where_it_is_near() {
        const COLUMNS: &[Column] = &[Column::text("出厂编号"), Column::text("型号"), Column::text("model")];
        assert_eq!(nearest("出厂编码", COLUMNS), Some("出厂编号"));
        assert_eq!(nearest("Modle", COLUMNS), Some("model"));
        assert_eq!(nearest("备注", COLUMNS), None);
        let of = |left: &str, right| distance(&left.chars().collect::<Vec<_>>(), right);
        assert_eq!((of("kitten", "sitting"), of("", "abc"), of("abc", ""), of("ABC", "abc")), (3, 3, 3, 0));
    }

    #[test]
    fn decimals_have_digits_on_both_sides_of_a_point() {
        for good in ["0", "-5.20", "1140", "0.66"] {
            assert!(is_decimal(good), "{good}");
        }
        for bad in ["", "-", ".5", "5.", "+5", "1e3", "1,140", "--5", "５", "1.2.3", "0x1F", "NaN"] {
            assert!(!is_decimal(bad), "{bad}");
        }
    }
}
