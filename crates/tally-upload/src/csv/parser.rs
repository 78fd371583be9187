//! Rows out of bytes, in buffers of a fixed size

use std::io::{self, Read};

use csv_core::ReadRecordResult;

use crate::input::{Encoding, Input, Opening};

use super::{FIELDS_MAX, ROW_BYTES_MAX};

/// A row as it was parsed; its fields are in the parser.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct RawRow {
    /// Line on which it begins, from 1.
    pub(crate) line: u64,
    /// Longer than the limit: its fields are gone.
    pub(crate) too_long: bool,
    /// A quote stands where none may.
    pub(crate) stray_quote: bool,
    /// The file ended inside a quoted field.
    pub(crate) unclosed: bool,
}

/// Where the watch is within a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    Start,
    Plain,
    Quoted,
    Closed,
}

/// Looks at what the parser takes, which tells neither lines nor quotes that stand wrong.
struct Watch {
    at: At,
    line: u64,
    after_return: bool,
    /// Whether the byte seen last was of a line's end.
    broke: bool,
    stray: bool,
    row_line: Option<u64>,
}

impl Watch {
    fn see(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let breaks = matches!(byte, b'\r' | b'\n');
            if self.row_line.is_none() && !breaks {
                self.row_line = Some(self.line);
            }
            self.at = match (self.at, byte) {
                (At::Start | At::Closed, b'"') => At::Quoted,
                (At::Quoted, b'"') => At::Closed,
                (At::Quoted, _) => At::Quoted,
                (At::Start | At::Plain | At::Closed, b',' | b'\r' | b'\n') => At::Start,
                (At::Plain, b'"') | (At::Closed, _) => {
                    self.stray = true;
                    At::Plain
                }
                (At::Start | At::Plain, _) => At::Plain,
            };
            if breaks && !(self.after_return && *byte == b'\n') {
                self.line = self.line.saturating_add(1);
            }
            (self.after_return, self.broke) = (*byte == b'\r', breaks);
        }
    }
}

/// Parses rows.
pub(crate) struct Parser<R> {
    input: Input<R>,
    rows: csv_core::Reader,
    fields: Vec<u8>,
    fields_used: usize,
    ends: Vec<usize>,
    ends_used: usize,
    watch: Watch,
}

impl<R: Read> Parser<R> {
    pub(crate) fn new(input: R, encoding: Encoding) -> Self {
        Self {
            input: Input::new(input, encoding),
            rows: csv_core::Reader::new(),
            // One more than may be used: csv-core calls a buffer full before it knows that nothing follows.
            fields: vec![0; ROW_BYTES_MAX + 1],
            fields_used: 0,
            ends: vec![0; FIELDS_MAX],
            ends_used: 0,
            watch: Watch { at: At::Start, line: 1, after_return: false, broke: false, stray: false, row_line: None },
        }
    }

    pub(crate) fn opening(&mut self) -> io::Result<Opening> {
        self.input.opening()
    }

    pub(crate) fn input(&mut self) -> &mut Input<R> {
        &mut self.input
    }

    /// Bytes of the file that its buffers have room for.
    pub(crate) fn held_bytes(&self) -> usize {
        let ends = self.ends.capacity().saturating_mul(size_of::<usize>());
        self.input.held_bytes().saturating_add(self.fields.capacity()).saturating_add(ends)
    }

    /// Parses the next row; `None` at the end.
    pub(crate) fn next_row(&mut self) -> io::Result<Option<RawRow>> {
        (self.fields_used, self.ends_used) = (0, 0);
        (self.watch.stray, self.watch.row_line) = (false, None);
        loop {
            let ready = self.input.fill()?;
            let at_end = ready.is_empty();
            let fields = self.fields.get_mut(self.fields_used..).unwrap_or_default();
            let ends = self.ends.get_mut(self.ends_used..).unwrap_or_default();
            let (result, taken, written, ended) = self.rows.read_record(ready, fields, ends);
            self.watch.see(ready.get(..taken).unwrap_or_default());
            self.input.consume(taken);
            self.fields_used = self.fields_used.saturating_add(written);
            self.ends_used = self.ends_used.saturating_add(ended);
            let line = self.watch.row_line.unwrap_or(self.watch.line);
            let row = RawRow {
                line,
                too_long: false,
                stray_quote: self.watch.stray,
                unclosed: at_end && self.watch.at == At::Quoted,
            };
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => return Ok(Some(row)),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    self.skip_line()?;
                    return Ok(Some(RawRow { too_long: true, ..row }));
                }
            }
        }
    }

    /// Fields of the row that was parsed last.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.ends.get(..self.ends_used).unwrap_or_default();
        let starts = std::iter::once(&0).chain(ends);
        starts.zip(ends).map(|(start, end)| self.fields.get(*start..*end).unwrap_or_default())
    }

    /// Goes to the next line and begins anew there: a quote that was not closed costs one row and not the rest of the file.
    fn skip_line(&mut self) -> io::Result<()> {
        // The row may have been found too long at its very end.
        while !(self.watch.broke && self.watch.at == At::Start) {
            let ready = self.input.fill()?;
            if ready.is_empty() {
                break;
            }
            let found = ready.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let piece = found.map_or(ready, |at| ready.get(..=at).unwrap_or_default());
            self.watch.see(piece);
            let taken = piece.len();
            self.input.consume(taken);
            if found.is_some() {
                break;
            }
        }
        self.rows.reset();
        self.watch.at = At::Start;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(RawRow, Vec<String>)> {
        let mut parser = Parser::new(text.as_bytes(), Encoding::Utf8);
        let mut rows = Vec::new();
        while let Some(row) = parser.next_row().unwrap() {
            rows.push((row, parser.fields().map(|field| String::from_utf8_lossy(field).into_owned()).collect()));
        }
        rows
    }

    fn row(line: u64) -> RawRow {
        RawRow { line, ..RawRow::default() }
    }

    fn cells(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn rows_know_their_lines_whatever_ends_a_line() {
        let text = "a,b\n\n\"c\"\"\",\r\n\r\n\"d\ne\",f\rg,h";
        let expected = [(1, ["a", "b"]), (3, ["c\"", ""]), (5, ["d\ne", "f"]), (7, ["g", "h"])];
        let expected: Vec<_> = expected.iter().map(|(line, fields)| (row(*line), cells(fields))).collect();
        assert_eq!(rows(text), expected);
    }

    #[test]
    fn quotes_that_stand_wrong_are_noticed() {
        let stray = |line| RawRow { stray_quote: true, ..row(line) };
        assert_eq!(rows("a\"b,c\nd,e")[0].0, stray(1));
        assert_eq!(rows("\"a\"b,c\nd,e")[0].0, stray(1));
        assert_eq!(rows("\"a\"b,c\nd,e")[1].0, row(2));
        assert_eq!(rows("\"a,b\nc,d"), [(RawRow { unclosed: true, ..row(1) }, cells(&["a,b\nc,d"]))]);
    }

    #[test]
    fn a_row_of_exactly_the_limit_passes_and_one_more_byte_costs_only_that_row() {
        for (length, too_long) in [(ROW_BYTES_MAX - 1, false), (ROW_BYTES_MAX, false), (ROW_BYTES_MAX + 1, true)] {
            let text = format!("a,b\n{}\nc,d\n", "x".repeat(length));
            let rows = rows(&text);
            let lines: Vec<_> = rows.iter().map(|(row, _)| (row.line, row.too_long)).collect();
            assert_eq!(lines, [(1, false), (2, too_long), (3, false)], "{length}");
            assert_eq!(rows[2].1, cells(&["c", "d"]));
        }
        for (fields, too_long) in [(FIELDS_MAX, false), (FIELDS_MAX + 1, true)] {
            for end in ["\n", "\r\n", "\r"] {
                let text = format!("a,b{end}{}{end}c,d{end}", ",".repeat(fields - 1));
                let rows = rows(&text);
                assert_eq!((rows[1].0.line, rows[1].0.too_long), (2, too_long), "{fields} {end:?}");
                assert_eq!(rows[2], (row(3), cells(&["c", "d"])), "{fields} {end:?}");
            }
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_costs_a_row_and_not_the_file() {
        let text = format!("a,b\n\"x\n{}y\nc,d\n", "z,z\n".repeat(ROW_BYTES_MAX / 4));
        let rows = rows(&text);
        assert_eq!((rows[1].0.line, rows[1].0.too_long), (2, true));
        assert_eq!(rows.last().unwrap().1, cells(&["c", "d"]));
        assert_eq!(rows.last().unwrap().0.line, text.lines().count() as u64);
    }
}
