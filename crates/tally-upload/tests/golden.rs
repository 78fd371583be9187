//! The four files as bytes, read back by ourselves and by a program that shares no code with us
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may fail by panic, its helpers too"
)]

mod common;

use std::process::Command;

use common::{assert_golden, basic, file, forbidden, golden_file, header, marks, path, records, tests};
use tally_upload::{
    report::Weight,
    upload::{BasicRecord, FileKind, ForbiddenRecord, Header, MarkRecord, TestRecord, WriteError, Writer},
};

#[test]
fn files_are_those_of_the_golden_folder() {
    for kind in FileKind::ALL {
        let name = header().file_name(kind);
        assert_golden(&format!("testdata/golden/{name}"), &golden_file(kind));
    }
}

#[test]
fn what_was_written_reads_back() {
    assert_eq!(records::<BasicRecord>(&file(&basic())), basic());
    assert_eq!(records::<MarkRecord>(&file(&marks())), marks());
    assert_eq!(records::<ForbiddenRecord>(&file(&forbidden())), forbidden());
    assert_eq!(records::<TestRecord>(&file(&tests())), tests());
    let bytes = golden_file(FileKind::Basic);
    let checked = common::checked::<BasicRecord>(&bytes);
    assert_eq!(checked.header(), &header());
    // The level below the surface, which looks like a formula, is noted and does not refuse.
    let notes = checked.report().notes();
    assert_eq!(notes.len(), 1);
    assert_eq!((notes[0].field, notes[0].fault.code(), notes[0].weight), ("install_place", "FORMULA", Weight::Note));
}

#[test]
fn telephone_numbers_are_not_in_a_report() {
    let bytes = golden_file(FileKind::Mark);
    let checked = common::checked::<MarkRecord>(&bytes);
    let notes: Vec<String> = checked.report().notes().iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 4);
    assert!(
        notes[0].ends_with("phone: note: it begins with '+', which a spreadsheet takes for a formula"),
        "{}",
        notes[0]
    );
}

/// `tests/python/read_upload.py` splits by the separators and knows nothing else: its answer is compared with the fields as they
/// were written by hand.
#[test]
fn a_program_that_only_splits_reads_the_same_fields() {
    let script = path("tests/python/read_upload.py");
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3 here");
        return;
    }
    for (kind, expected) in [
        (FileKind::Basic, include_str!("python/jbsj.json")),
        (FileKind::Mark, include_str!("python/absj.json")),
        (FileKind::Forbidden, include_str!("python/jztt.json")),
        (FileKind::Test, include_str!("python/jcjy.json")),
    ] {
        let file = path("testdata/golden").join(header().file_name(kind).to_string());
        let output = Command::new("python3").arg("-B").arg(&script).arg(&file).output().unwrap();
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
        let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(read, expected, "{kind}");
    }
}

#[test]
fn writer_refuses_what_cannot_stand_in_a_field() {
    for (value, code) in [
        ("a;b", "RESERVED"),
        ("a~b", "RESERVED"),
        ("a|b", "RESERVED"),
        ("a\nb", "CONTROL"),
        ("a\rb", "CONTROL"),
        ("a\0b", "CONTROL"),
        ("a\u{202E}b", "CONTROL"),
        ("\u{FEFF}a", "CONTROL"),
        ("a\u{FFFD}", "REPLACEMENT"),
        ("\ta", "FORMULA"),
        ("=1+1", "FORMULA"),
        (" a", "BLANK"),
        ("-9999", "READS_AS_NO_VALUE"),
        (&"a".repeat(2_049), "FIELD_TOO_LONG"),
    ] {
        let mut writer = Writer::open(Vec::new(), &header()).unwrap();
        let record = BasicRecord { name: value.to_owned(), ..basic()[1].clone() };
        match writer.write(&record) {
            Err(WriteError::Field { field: "name", fault }) => assert_eq!(fault.code(), code, "{value:?}"),
            other => panic!("{value:?}: {other:?}"),
        }
        writer.write(&basic()[1]).unwrap();
        assert_eq!(writer.finish().unwrap(), file(&basic()[1..]), "{value:?}: nothing of it was written");
    }
    let mut writer = Writer::open(Vec::new(), &header()).unwrap();
    let missing = writer.write(&BasicRecord::default());
    assert!(matches!(missing, Err(WriteError::Field { field: "device_code", .. })), "{missing:?}");
    let long = "a".repeat(2_048);
    let record = BasicRecord {
        name: long.clone(),
        model: long.clone(),
        category: long.clone(),
        system: long.clone(),
        install_place: long.clone(),
        maker: long.clone(),
        factory_code: long.clone(),
        mark_no: long.clone(),
        ..basic()[1].clone()
    };
    assert!(matches!(writer.write(&record), Err(WriteError::RecordTooLong { .. })));
}

#[test]
fn writer_refuses_a_header_that_no_reader_would_take() {
    for (wrong, field) in [
        (Header { mine_code: "1409".to_owned(), ..header() }, "mine_code"),
        (Header { mine_name: String::new(), ..header() }, "mine_name"),
        (Header { system_name: "a;b".to_owned(), ..header() }, "system_name"),
        (Header { system_code: "=1".to_owned(), ..header() }, "system_code"),
    ] {
        let error = Writer::<_, BasicRecord>::open(Vec::new(), &wrong).err().unwrap();
        assert!(matches!(error, WriteError::Field { field: found, .. } if found == field), "{field}: {error}");
    }
}

#[test]
fn a_file_that_was_never_finished_is_refused() {
    let mut output = Vec::new();
    let mut writer = Writer::open(&mut output, &header()).unwrap();
    writer.write(&basic()[1]).unwrap();
    let error =
        tally_upload::upload::check::<_, BasicRecord>(std::io::Cursor::new(output), <_>::default()).unwrap_err();
    assert!(error.to_string().ends_with("it may have been cut off"), "{error}");
}
