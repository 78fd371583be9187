//! A million records, made while they are read: memory stays where it was
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panic, its helpers too"
)]

mod common;

use std::{
    cell::Cell,
    io::{self, Read, Seek, SeekFrom},
    rc::Rc,
};

use tally_upload::{
    csv::{self, Column, ColumnForm, read_table},
    report::{CheckError, PROBLEMS_KEPT_MAX},
    upload::{BasicRecord, Options, RECORD_BYTES_MAX, Reader, Step, check},
};

const MILLION: u64 = 1_000_000;
/// What the buffers may have room for: two chunks of input with a record, doubled for how vectors grow.
const UPLOAD_BYTES_MAX: usize = 2 * (2 * 8_192 + RECORD_BYTES_MAX);

/// A file that exists only as a rule: `head`, then a line for each number, then `tail`.
struct Made {
    head: &'static str,
    line: fn(u64, &mut String),
    lines: u64,
    tail: &'static str,
    /// Next line to be made; 0 is the head.
    next: u64,
    ready: String,
    used: usize,
    /// Bytes handed out since the last seek.
    given: Rc<Cell<u64>>,
}

impl Made {
    fn new(head: &'static str, line: fn(u64, &mut String), lines: u64, tail: &'static str) -> Self {
        Self { head, line, lines, tail, next: 0, ready: String::new(), used: 0, given: Rc::default() }
    }
}

impl Read for Made {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.used == self.ready.len() {
            self.ready.clear();
            self.used = 0;
            match self.next {
                0 => self.ready.push_str(self.head),
                number if number <= self.lines => (self.line)(number, &mut self.ready),
                number if number == self.lines + 1 => self.ready.push_str(self.tail),
                _ => return Ok(0),
            }
            self.next += 1;
        }
        let piece = &self.ready.as_bytes()[self.used..];
        let length = piece.len().min(out.len());
        out[..length].copy_from_slice(&piece[..length]);
        self.used += length;
        self.given.set(self.given.get() + length as u64);
        Ok(length)
    }
}

impl Seek for Made {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Start(0) => {
                (self.next, self.used) = (0, 0);
                self.ready.clear();
                self.given.set(0);
                Ok(0)
            }
            SeekFrom::Current(0) => Ok(self.given.get()),
            other @ (SeekFrom::Start(_) | SeekFrom::Current(_) | SeekFrom::End(_)) => panic!("{other:?}"),
        }
    }
}

const HEADER: &str = "140921021337;沁源二矿;30;主通风机系统;2026-04-02 08:30:00~\n";

fn good(number: u64, out: &mut String) {
    use std::fmt::Write as _;
    writeln!(out, "{number};风机;FBD;;2021-06-18;;-9999;;;{number};;;;;~").unwrap();
}

fn bad(number: u64, out: &mut String) {
    use std::fmt::Write as _;
    writeln!(out, "{number};=1;FBD;;;;;;;;;;;;~").unwrap();
}

fn nothing(_: u64, out: &mut String) {
    out.push_str("no end of a record, no end of a line, for ever and ever; ");
}

#[test]
fn a_million_records_pass_in_the_memory_of_one() {
    let made = Made::new(HEADER, good, MILLION, "||\n");
    let given = Rc::clone(&made.given);
    let checked = check::<_, BasicRecord>(made, Options::default()).unwrap();
    assert_eq!(checked.report().records, MILLION);
    let mut seen = 0;
    let mut bytes = HEADER.len() as u64;
    let mut line = String::new();
    for placed in checked.records().unwrap() {
        let placed = placed.unwrap();
        seen += 1;
        line.clear();
        good(seen, &mut line);
        bytes += line.len() as u64;
        assert_eq!((placed.place.line, &*placed.record.factory_code), (seen + 1, &*seen.to_string()));
        // Whatever was taken out of the file and did not come out as a record is held somewhere.
        let ahead = given.get() - (bytes - 1);
        assert!(ahead <= UPLOAD_BYTES_MAX as u64, "{ahead} bytes are held at record {seen}");
    }
    assert_eq!(seen, MILLION);
}

#[test]
fn a_million_bad_records_give_a_bounded_report_with_full_counts() {
    let made = Made::new(HEADER, bad, MILLION, "||\n");
    let mut reader = Reader::<_, BasicRecord>::open(made, &Options::default()).unwrap();
    let mut count = 0;
    while let Some(step) = reader.step().unwrap() {
        assert!(matches!(step, Step::Bad { .. }));
        count += 1;
    }
    assert!(reader.held_bytes_max() <= UPLOAD_BYTES_MAX, "{}", reader.held_bytes_max());
    let report = reader.into_report();
    assert_eq!((count, report.problems().len()), (MILLION, PROBLEMS_KEPT_MAX));
    assert_eq!(report.counts()["FORMULA"].refusals, MILLION);
    assert_eq!(report.to_string().lines().count(), PROBLEMS_KEPT_MAX + 2);
}

#[test]
fn a_file_without_any_separator_is_not_held() {
    let mut reader = Reader::<_, BasicRecord>::open(Made::new("", nothing, MILLION, ""), &Options::default()).unwrap();
    while reader.step().unwrap().is_some() {}
    assert!(reader.held_bytes_max() <= UPLOAD_BYTES_MAX, "{}", reader.held_bytes_max());
    let codes: Vec<_> = reader.report().problems().iter().map(|problem| problem.fault.code()).collect();
    assert_eq!(codes, ["RECORD_TOO_LONG", "MISSING_END"]);
    assert!(reader.report().bytes > 50 * MILLION);
}

const COLUMNS: &[Column] =
    &[Column::text("型号").filled(), Column::text("编号"), Column::text("数量").of(ColumnForm::Decimal)];

#[test]
fn a_million_rows_pass_in_the_memory_of_one() {
    fn row(number: u64, out: &mut String) {
        use std::fmt::Write as _;
        writeln!(out, "\"ZY,{number}\",{number},-1.5").unwrap();
    }
    let made = Made::new("型号,编号,数量\n", row, MILLION, "");
    let given = Rc::clone(&made.given);
    let checked = read_table(made, COLUMNS, csv::Options::default()).unwrap();
    assert_eq!(checked.report().records, MILLION);
    assert!(checked.held_bytes() <= 96 * 1_024, "{}", checked.held_bytes());
    let (mut seen, mut bytes) = (0, "型号,编号,数量\n".len() as u64);
    let mut line = String::new();
    for row_read in checked.rows().unwrap() {
        seen += 1;
        line.clear();
        row(seen, &mut line);
        bytes += line.len() as u64;
        assert_eq!(row_read.unwrap().get("编号"), Some(&*seen.to_string()));
        assert!(given.get() - (bytes - 1) <= 96 * 1_024, "at row {seen}");
    }
    assert_eq!(seen, MILLION);
}

#[test]
fn a_million_bad_rows_and_an_endless_quote_give_a_bounded_report() {
    fn row(number: u64, out: &mut String) {
        out.push_str(if number == 500_000 { "\"never closed,1,1\n" } else { "=1,2,x\n" });
    }
    let made = Made::new("型号,编号,数量\n", row, MILLION, "");
    let Err(CheckError::Refused(report)) = read_table(made, COLUMNS, csv::Options::default()) else { panic!("taken") };
    assert_eq!(report.problems().len(), PROBLEMS_KEPT_MAX);
    // The quote costs what fits into one row, and the rows after that are looked at again.
    assert_eq!(report.counts()["RECORD_TOO_LONG"].refusals, 1);
    assert!(report.counts()["FORMULA"].refusals > MILLION - 20_000, "{:?}", report.counts());
}
