//! Hostile and careless files: what is said about each line, and that nothing of a refused file can be had
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panic, its helpers too"
)]

mod common;

use std::{
    fmt::Write as _,
    io::{self, Cursor, Read, Seek, SeekFrom},
};

use common::{assert_golden, basic, file, header};
use encoding_rs::GB18030;
use tally_upload::{
    csv::{self, Column, ColumnForm, read_table},
    input::Encoding,
    report::{CheckError, Report, UseError, Weight},
    upload::{BasicRecord, FileKind, Options, Reader, Step, TestRecord, UploadTime, check},
};

/// Line, field and kind of a problem.
type Said = (u64, u32, &'static str);

fn said(report: &Report, weight: Weight) -> Vec<Said> {
    let problems = if weight == Weight::Note { report.notes() } else { report.problems() };
    problems.iter().map(|problem| (problem.place.line, problem.place.field, problem.fault.code())).collect()
}

fn report(bytes: &[u8], options: Options) -> Report {
    match check::<_, BasicRecord>(Cursor::new(bytes), options) {
        Ok(checked) => checked.report().clone(),
        Err(CheckError::Refused(report)) => *report,
        Err(error) => panic!("{error}"),
    }
}

const HEADER: &str = "140921021337;沁源二矿;30;主通风机系统;2026-04-02 08:30:00~\n";
const GOOD: &str = "1409;主扇;FBCDZ;;2021-06-18;30;-9999;;;07;;;;;~\n";

fn with(lines: &[&str]) -> Vec<u8> {
    format!("{HEADER}{}", lines.concat()).into_bytes()
}

/// A good record with another text in one field, from 1.
fn field(number: usize, text: &str) -> String {
    let mut fields: Vec<&str> = GOOD.trim_end_matches("~\n").split(';').collect();
    fields[number - 1] = text;
    format!("{}~\n", fields.join(";"))
}

#[test]
fn upload_files_are_refused_line_by_line() {
    let utf16: Vec<u8> = "\u{FEFF}1409".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gb = |text: &str| GB18030.encode(text).0.into_owned();
    let long = "x".repeat(20_000);
    let whole = String::from_utf8(with(&[GOOD, "||\n"])).unwrap();
    let cases: Vec<(&str, Vec<u8>, Vec<Said>)> = vec![
        ("an empty file", Vec::new(), vec![(1, 0, "EMPTY"), (1, 0, "MISSING_END")]),
        ("only blank lines", b"\n \r\n".to_vec(), vec![(1, 0, "EMPTY"), (3, 0, "MISSING_END")]),
        ("no records", with(&["||\n"]), vec![]),
        ("a file as it should be", with(&[GOOD, "||\n"]), vec![]),
        ("lines that end in carriage return and line feed", whole.replace('\n', "\r\n").into(), vec![]),
        ("all on one line", whole.replace('\n', "").into(), vec![]),
        ("a byte order mark", format!("\u{FEFF}{whole}").into(), vec![(1, 0, "BYTE_ORDER_MARK")]),
        ("two byte order marks", format!("\u{FEFF}\u{FEFF}{whole}").into(), vec![(1, 0, "ENCODING")]),
        ("UTF-16", utf16, vec![(1, 0, "ENCODING")]),
        ("GB18030", gb(&whole), vec![(1, 0, "ENCODING"), (2, 0, "ENCODING")]),
        ("one record in GB18030", [with(&[GOOD]), gb(GOOD), b"||\n".to_vec()].concat(), vec![(3, 0, "ENCODING")]),
        ("bytes of no encoding", [with(&[]), b"\xFF\xFF;1~\n||\n".to_vec()].concat(), vec![(2, 0, "ENCODING")]),
        ("commas", whole.replace(';', ",").into(), vec![(1, 0, "SEPARATOR"), (2, 0, "SEPARATOR")]),
        ("wide separators", whole.replace(';', "；").into(), vec![(1, 0, "SEPARATOR"), (2, 0, "SEPARATOR")]),
        ("tabs", whole.replace(';', "\t").into(), vec![(1, 0, "SEPARATOR"), (2, 0, "SEPARATOR")]),
        ("no header", format!("{GOOD}||\n").into(), vec![(1, 0, "FIELD_COUNT")]),
        (
            "a header of nonsense",
            format!("14092;;=1+1;a\0b;2026-02-30 08:30:00~\n{GOOD}||\n").into(),
            vec![(1, 1, "MINE_CODE"), (1, 2, "NO_VALUE"), (1, 5, "FORM"), (1, 3, "FORMULA"), (1, 4, "CONTROL")],
        ),
        ("a record of another kind", with(&["a;b;c;d;e;f;1;h;i;j;k;l~\n", "||\n"]), vec![(2, 0, "FIELD_COUNT")]),
        ("a field too many", with(&["1;", GOOD, GOOD, "||\n"]), vec![(2, 0, "FIELD_COUNT")]),
        ("a record without its end", with(&[&GOOD.replace('~', ""), GOOD, "||\n"]), vec![(2, 0, "UNTERMINATED")]),
        (
            "a line break in a field",
            with(&[&field(2, "主\n扇"), GOOD, "||\n"]),
            vec![(2, 0, "UNTERMINATED"), (2, 0, "FIELD_COUNT"), (3, 0, "FIELD_COUNT")],
        ),
        ("no end mark", with(&[GOOD]), vec![(3, 0, "MISSING_END")]),
        (
            "cut off in a record",
            with(&[GOOD, "1409;主扇"]),
            vec![(3, 0, "UNTERMINATED"), (3, 0, "FIELD_COUNT"), (3, 0, "MISSING_END")],
        ),
        ("cut off before the end of a record", with(&[&GOOD.replace("~\n", "||")]), vec![(2, 0, "UNTERMINATED")]),
        ("something after the end mark", with(&[GOOD, "||\n", GOOD]), vec![(4, 0, "AFTER_END")]),
        ("an end mark that is ended like a record", with(&[GOOD, "||~\n"]), vec![(3, 0, "AFTER_END")]),
        ("an end mark in the middle of a line", with(&["||1409;主扇~\n", "||\n"]), vec![(2, 0, "FIELD_COUNT")]),
        ("a bar in a field", with(&[&field(2, "主|扇"), "||\n"]), vec![(2, 2, "RESERVED")]),
        ("a record that is too long", with(&[&field(8, &long), GOOD, "||\n"]), vec![(2, 0, "RECORD_TOO_LONG")]),
        ("a field that is too long", with(&[&field(8, &long[..2_049]), "||\n"]), vec![(2, 8, "FIELD_TOO_LONG")]),
        ("a long file of nothing", long.repeat(4).into(), vec![(1, 0, "RECORD_TOO_LONG"), (1, 0, "MISSING_END")]),
        (
            "formulas",
            with(&[&field(2, "=HYPERLINK(\"http://x\")"), &field(8, "@SUM(1)"), &field(9, "-2+cmd()"), "||\n"]),
            vec![(2, 2, "FORMULA"), (3, 8, "FORMULA"), (4, 9, "FORMULA")],
        ),
        ("a tab before a formula", with(&[&field(2, "\t=1"), "||\n"]), vec![(2, 2, "FORMULA")]),
        ("a carriage return in a field", with(&[&field(2, "a\rb"), "||\n"]), vec![(2, 2, "CONTROL")]),
        ("text that is turned round", with(&[&field(11, "MA\u{202E}1200"), "||\n"]), vec![(2, 11, "CONTROL")]),
        ("zero bytes", with(&[&field(2, "a\0b\0"), "||\n"]), vec![(2, 2, "CONTROL")]),
        ("text lost before", with(&[&field(2, "\u{FFFD}\u{FFFD}"), "||\n"]), vec![(2, 2, "REPLACEMENT")]),
        (
            "no device code",
            with(&[&field(1, "-9999"), &field(1, ""), "||\n"]),
            vec![(2, 1, "NO_VALUE"), (3, 1, "NO_VALUE")],
        ),
        (
            "days that are none",
            with(&[&field(5, "2021-02-29"), &field(5, "=1"), &field(7, "2021/6/1"), "||\n"]),
            vec![(2, 5, "FORM"), (3, 5, "FORM"), (4, 7, "FORM")],
        ),
        (
            "two mistakes in one record",
            with(&[&field(1, "").replace("2021-06-18", "18.6.2021"), "||\n"]),
            vec![(2, 1, "NO_VALUE"), (2, 5, "FORM")],
        ),
    ];
    let mut told = String::new();
    for (what, bytes, expected) in cases {
        let report = report(&bytes, Options::default());
        assert_eq!(said(&report, Weight::Refusal), expected, "{what}:\n{report}");
        writeln!(told, "# {what}\n{report}").unwrap();
    }
    // What the messages say is read by people.
    assert_golden("testdata/golden/hostile_upload.txt", told.as_bytes());
}

#[test]
fn a_bad_record_does_not_hide_those_after_it() {
    let bytes = with(&[&field(5, "x"), GOOD, "1;2~\n", GOOD, "||\n"]);
    let mut reader = Reader::<_, BasicRecord>::open(&bytes[..], &Options::default()).unwrap();
    let mut lines = Vec::new();
    while let Some(step) = reader.step().unwrap() {
        lines.push(match step {
            Step::Record(placed) => (placed.place.line, true),
            Step::Bad { place, .. } => (place.line, false),
        });
    }
    assert_eq!(lines, [(2, false), (3, true), (4, false), (5, true)]);
    assert_eq!(reader.report().records, 4);
}

#[test]
fn columns_are_counted_in_characters() {
    // 1409;主扇;… : the fifth field begins in column 16.
    let report = report(&with(&[&field(5, "昨天"), "||\n"]), Options::default());
    assert_eq!(report.problems()[0].place.column, 16);
    let two_on_a_line = String::from_utf8(with(&[GOOD, &field(5, "昨天"), "||"])).unwrap().replace('\n', "");
    let report = crate::report(two_on_a_line.as_bytes(), Options::default());
    let before = HEADER.trim_end().chars().count() + GOOD.trim_end().chars().count();
    assert_eq!((report.problems()[0].place.line, report.problems()[0].place.column), (1, before as u64 + 16));
}

#[test]
fn gb18030_is_read_only_where_somebody_says_so_and_never_by_mistake() {
    let gb = Options { encoding: Encoding::Gb18030, ..Options::default() };
    let utf8 = String::from_utf8(file(&basic())).unwrap();
    let bytes = GB18030.encode(&utf8).0.into_owned();
    let checked = check::<_, BasicRecord>(Cursor::new(&bytes), gb.clone()).unwrap();
    let records: Vec<_> = checked.records().unwrap().map(|placed| placed.unwrap().record).collect();
    assert_eq!(records, basic());
    let report = report(&bytes, Options::default());
    assert!(report.to_string().contains("iconv -f GB18030 -t UTF-8"), "{report}");
    // UTF-8 that somebody takes for GB18030 would go on record as nonsense.
    assert!(said(&crate::report(&file(&basic()), gb.clone()), Weight::Refusal).contains(&(0, 0, "UTF8_AFTER_ALL")));
    // 0x7E ends records and is the second byte of this character.
    let tricky = BasicRecord { name: "儈亇".to_owned(), ..basic()[1].clone() };
    let utf8 = String::from_utf8(file(std::slice::from_ref(&tricky))).unwrap();
    let bytes = GB18030.encode(&utf8).0.into_owned();
    assert!(bytes.windows(2).any(|pair| pair[0] >= 0x81 && pair[1] == b'~'), "the test is about such a byte");
    let checked = check::<_, BasicRecord>(Cursor::new(&bytes), gb.clone()).unwrap();
    assert_eq!(checked.records().unwrap().next().unwrap().unwrap().record, tricky);
    let cut = [&bytes[..bytes.len() - 3], b"\xB2"].concat();
    assert!(said(&crate::report(&cut, gb), Weight::Refusal).iter().any(|said| said.2 == "ENCODING"));
}

#[test]
fn a_name_that_disagrees_with_its_file_is_told() {
    let bytes = file(&basic());
    let options = |name: &str| Options { name: Some(name.parse().unwrap()), ..Options::default() };
    for (name, weight, what) in [
        (
            "140921021338_JBSJ_20260402083000.txt",
            Weight::Refusal,
            "mine code is 140921021337 in the file and 140921021338",
        ),
        ("140921021337_ABSJ_20260402083000.txt", Weight::Refusal, "kind is JBSJ in the file and ABSJ in its name"),
        ("140921021337_JBSJ_20260402083001.txt", Weight::Note, "time is 2026-04-02 08:30:00 in the file"),
    ] {
        let report = report(&bytes, options(name));
        let problems = if weight == Weight::Note { report.notes() } else { report.problems() };
        assert_eq!(problems[0].fault.code(), "NOT_AS_NAMED", "{name}");
        assert!(problems[0].to_string().contains(what), "{}", problems[0]);
        assert_eq!(report.is_clean(), weight == Weight::Note);
    }
    let same = report(&bytes, options(&header().file_name(FileKind::Basic).to_string()));
    assert!(same.notes().iter().all(|note| note.fault.code() != "NOT_AS_NAMED"));
}

/// A file that is another one when it is read again.
struct Swapped {
    reads: Vec<Vec<u8>>,
    now: Cursor<Vec<u8>>,
}

impl Swapped {
    fn new(mut reads: Vec<Vec<u8>>) -> Self {
        let first = reads.remove(0);
        Self { reads, now: Cursor::new(first) }
    }
}

impl Read for Swapped {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.now.read(out)
    }
}

impl Seek for Swapped {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if to == SeekFrom::Start(0) && self.now.position() > 0 {
            self.now = Cursor::new(self.reads.remove(0));
        }
        self.now.seek(to)
    }
}

#[test]
fn a_file_that_changed_between_check_and_use_ends_in_an_error() {
    let first = with(&[GOOD, GOOD, "||\n"]);
    for (what, second) in [
        ("another value", with(&[GOOD, &field(2, "辅扇"), "||\n"])),
        ("a bad record", with(&[GOOD, &field(5, "x"), "||\n"])),
        ("a record less", with(&[GOOD, "||\n"])),
        ("a record more", with(&[GOOD, GOOD, GOOD, "||\n"])),
        ("another header", String::from_utf8(first.clone()).unwrap().replace("二矿", "三矿").into()),
        ("nothing", Vec::new()),
    ] {
        let checked = check::<_, BasicRecord>(Swapped::new(vec![first.clone(), second]), Options::default()).unwrap();
        let items: Vec<_> = checked.records().unwrap().collect();
        assert!(matches!(items.last(), Some(Err(UseError::Changed))), "{what}: {items:?}");
        assert_eq!(items.iter().filter(|item| item.is_err()).count(), 1, "{what}");
    }
    let same = check::<_, BasicRecord>(Swapped::new(vec![first.clone(), first]), Options::default()).unwrap();
    assert_eq!(same.records().unwrap().filter(|item| item.is_ok()).count(), 2);
    let swapped = Swapped::new(vec![b"a\nx\n".to_vec(), b"a\ny\n".to_vec()]);
    let rows: Vec<_> = read_table(swapped, ONE, csv::Options::default()).unwrap().rows().unwrap().collect();
    assert!(matches!(rows.last(), Some(Err(UseError::Changed))), "{rows:?}");
}

const ONE: &[Column] = &[Column::text("a")];

/// Breaks off in the middle.
struct Broken(Cursor<Vec<u8>>);

impl Read for Broken {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out)? {
            0 => Err(io::Error::other("the disk is gone")),
            found => Ok(found),
        }
    }
}

impl Seek for Broken {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn an_input_that_breaks_off_is_no_file() {
    let broken = || Broken(Cursor::new(with(&[GOOD, "||\n"])));
    assert!(matches!(check::<_, BasicRecord>(broken(), Options::default()), Err(CheckError::Read(_))));
    let table = Broken(Cursor::new(b"a\nx\n".to_vec()));
    assert!(matches!(read_table(table, ONE, csv::Options::default()), Err(CheckError::Read(_))));
    let mut reader = Reader::<_, BasicRecord>::open(broken(), &Options::default()).unwrap();
    while let Ok(Some(_)) = reader.step() {}
    assert!(reader.step().unwrap().is_none(), "reading is over after an error");
}

#[test]
fn a_test_must_say_whose_when_and_how() {
    let text = "140921021337;矿;30;系统;2026-04-02 08:30:00~\n;a;b;c;d;2;;e;;;-3;;;~\n||\n";
    let Err(CheckError::Refused(report)) = check::<_, TestRecord>(Cursor::new(text), Options::default()) else {
        panic!("taken")
    };
    let expected = [(2, 1, "NO_VALUE"), (2, 6, "FORM"), (2, 7, "NO_VALUE"), (2, 11, "FORM")];
    assert_eq!(said(&report, Weight::Refusal), expected);
    assert!(UploadTime::of(tally_core::time::Timestamp::from_micros(common::TIME_US)).is_some());
}

const COLUMNS: &[Column] = &[
    Column::text("型号").filled().at_most(64),
    Column::text("出厂编号").required(),
    Column::text("数量").of(ColumnForm::Decimal),
    Column::text("生产日期").of(ColumnForm::Day),
    Column::text("备注"),
];

fn table(bytes: &[u8], encoding: Encoding) -> Report {
    match read_table(Cursor::new(bytes), COLUMNS, csv::Options { encoding }) {
        Ok(checked) => checked.report().clone(),
        Err(CheckError::Refused(report)) => *report,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn tables_are_refused_line_by_line() {
    let head = "型号,出厂编号,数量,生产日期,备注\n";
    let rows = |rows: &str| format!("{head}{rows}").into_bytes();
    let gb = GB18030.encode(&format!("{head}ZY12000,07,1,,架\n")).0.into_owned();
    let utf16: Vec<u8> = "\u{FEFF}型号".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let cases: Vec<(&str, Vec<u8>, Vec<Said>)> = vec![
        ("an empty table", Vec::new(), vec![(0, 0, "EMPTY")]),
        ("a table as it should be", rows("ZY12000,07,1,2021-06-18,\"a,\"\"b\"\"\"\r\n\nZF,08,-0.5,,\n"), vec![]),
        ("only what must be there", "出厂编号,型号\n07,ZY\n".into(), vec![]),
        ("a byte order mark is taken off", format!("\u{FEFF}{head}ZY,07,1,,\n").into(), vec![]),
        ("two byte order marks", format!("\u{FEFF}\u{FEFF}{head}").into(), vec![(1, 0, "ENCODING")]),
        ("UTF-16", utf16, vec![(1, 0, "ENCODING")]),
        ("GB18030", gb.clone(), vec![(1, 1, "ENCODING")]),
        (
            "one row in GB18030",
            [rows(""), GB18030.encode("架,7,1,,\n").0.into_owned()].concat(),
            vec![(2, 1, "ENCODING")],
        ),
        ("semicolons", "型号;出厂编号\nZY;07\nZF;08\n".into(), vec![(1, 0, "SEPARATOR")]),
        ("tabs", "型号\t出厂编号\nZY\t07\n".into(), vec![(1, 0, "SEPARATOR")]),
        ("wide commas", "型号，出厂编号\nZY，07\n".into(), vec![(1, 0, "SEPARATOR")]),
        (
            "a column by another name",
            "型号,出厂编码\nZY,07\n".into(),
            vec![(1, 2, "COLUMN_UNKNOWN"), (1, 0, "COLUMN_MISSING")],
        ),
        ("a column that is not known", "型号,出厂编号,价格\nZY,07,1\n".into(), vec![(1, 3, "COLUMN_UNKNOWN")]),
        ("a column twice", "型号,出厂编号,型号\nZY,07,ZF\n".into(), vec![(1, 3, "COLUMN_TWICE")]),
        (
            "rows of another width",
            rows("ZY,07\nZF,08,1,,,\nZZ,09,1,,\n"),
            vec![(2, 0, "FIELD_COUNT"), (3, 0, "FIELD_COUNT")],
        ),
        ("no model", rows(",07,1,,\n \u{3000},07,1,,\n"), vec![(2, 1, "NO_VALUE"), (3, 1, "NO_VALUE")]),
        (
            "too long",
            rows(&format!("{},07,1,,\nZY,07,1,,{}\nZY,08,1,,\n", "x".repeat(65), "x".repeat(70_000))),
            vec![(2, 1, "FIELD_TOO_LONG"), (3, 0, "RECORD_TOO_LONG")],
        ),
        (
            "control characters",
            rows("Z\0Y,07,1,,a\u{202E}b\nZY,\"0\n7\",1,,\nZY,08,x,,\n"),
            vec![(2, 1, "CONTROL"), (2, 5, "CONTROL"), (3, 2, "CONTROL"), (5, 3, "FORM")],
        ),
        (
            "formulas",
            rows("=1+1,+cmd,1,,@x\nZY,07,=1,,\"\t=1\"\nZY,07,1,,＝1\n"),
            vec![
                (2, 1, "FORMULA"),
                (2, 2, "FORMULA"),
                (2, 5, "FORMULA"),
                (3, 3, "FORM"),
                (3, 5, "FORMULA"),
                (4, 5, "FORMULA"),
            ],
        ),
        ("levels and dashes are no formulas", rows("ZY,07,-1,,-320水平\nZY,-,1,,--\n"), vec![]),
        ("guards are taken off", rows("'=1+1,'-320,1,,'a\n"), vec![]),
        ("a guard hides nothing else", rows("'=1\0,07,1,,\n"), vec![(2, 1, "CONTROL")]),
        (
            "numbers and days that are none",
            rows("ZY,07,1e3,2021-6-18,\nZY,07,一,昨天,\n"),
            vec![(2, 3, "FORM"), (2, 4, "FORM"), (3, 3, "FORM"), (3, 4, "FORM")],
        ),
        (
            "quotes that stand wrong",
            rows("Z\"Y,07,1,,\n\"Z\"Y,07,1,,\nZY,07,1,,\n"),
            vec![(2, 0, "STRAY_QUOTE"), (3, 0, "STRAY_QUOTE")],
        ),
        ("a quote that is not closed", rows("ZY,07,1,,\"a\nZY,07,1,,\n"), vec![(2, 0, "UNCLOSED_QUOTE")]),
        ("a header that is too long", "型号,".repeat(300).into(), vec![(1, 0, "RECORD_TOO_LONG")]),
    ];
    let mut told = String::new();
    for (what, bytes, expected) in cases {
        let report = table(&bytes, Encoding::Utf8);
        assert_eq!(said(&report, Weight::Refusal), expected, "{what}:\n{report}");
        writeln!(told, "# {what}\n{report}").unwrap();
    }
    assert_golden("testdata/golden/hostile_table.txt", told.as_bytes());
    assert_eq!(said(&table(&gb, Encoding::Gb18030), Weight::Refusal), []);
    assert_eq!(
        said(&table(&rows("架,1,1,,\n"), Encoding::Gb18030), Weight::Refusal).last(),
        Some(&(0, 0, "UTF8_AFTER_ALL"))
    );
}

#[test]
fn rows_are_read_by_the_names_of_columns() {
    let text = "\u{FEFF}备注,出厂编号,型号\n'-320水平, 07 ,ZY12000\n,08,'=ZF\n";
    let checked = read_table(Cursor::new(text), COLUMNS, csv::Options::default()).unwrap();
    let notes = said(checked.report(), Weight::Note);
    assert_eq!(notes, [(1, 0, "BYTE_ORDER_MARK"), (2, 1, "GUARDED"), (2, 2, "BLANK"), (3, 3, "GUARDED")]);
    let rows: Vec<_> = checked.rows().unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(csv::Row::line).collect::<Vec<_>>(), [2, 3]);
    let first = ["型号", "出厂编号", "备注", "数量", "没有"].map(|name| rows[0].get(name));
    assert_eq!(first, [Some("ZY12000"), Some("07"), Some("-320水平"), None, None]);
    assert_eq!((rows[1].get("备注"), rows[1].get("型号")), (None, Some("=ZF")));
}
