//! Upload files of all four kinds, in both encodings: what passes comes back the same, and what is refused says why.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tally_upload::{
    input::Encoding,
    report::{CheckError, PROBLEMS_KEPT_MAX},
    upload::{BasicRecord, FileName, ForbiddenRecord, MarkRecord, Options, Reader, Record, TestRecord, Writer, check},
};

/// Input, a record and their growth.
const HELD_BYTES_MAX: usize = 96 * 1_024;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, file)) = bytes.split_first() else { return };
    let encoding = if first & 4 == 0 { Encoding::Utf8 } else { Encoding::Gb18030 };
    match first & 3 {
        0 => run::<BasicRecord>(file, encoding),
        1 => run::<MarkRecord>(file, encoding),
        2 => run::<ForbiddenRecord>(file, encoding),
        _ => run::<TestRecord>(file, encoding),
    }
    if let Ok(name) = std::str::from_utf8(file)
        && let Ok(parsed) = name.parse::<FileName>()
    {
        assert_eq!(parsed.to_string(), name);
    }
});

fn run<T: Record>(file: &[u8], encoding: Encoding) {
    let options = Options { encoding, name: None };
    let mut reader = Reader::<_, T>::open(file, &options).unwrap();
    while reader.step().unwrap().is_some() {}
    assert!(reader.held_bytes_max() <= HELD_BYTES_MAX);
    let report = reader.into_report();
    assert!(report.problems().len() <= PROBLEMS_KEPT_MAX);
    let _ = report.to_string();
    match check::<_, T>(Cursor::new(file), options) {
        Err(CheckError::Refused(refused)) => {
            assert!(!refused.is_clean());
            assert_eq!(*refused, report);
        }
        Err(CheckError::Read(error)) => panic!("{error}"),
        Ok(checked) => {
            assert!(report.is_clean());
            let header = checked.header().clone();
            let records: Vec<T> = checked.records().unwrap().map(|placed| placed.unwrap().record).collect();
            assert_eq!(records.len() as u64, report.records);
            // Written again it is a file that passes and says the same.
            let mut writer = Writer::open(Vec::new(), &header).unwrap();
            records.iter().for_each(|record| writer.write(record).unwrap());
            let again = writer.finish().unwrap();
            let checked = check::<_, T>(Cursor::new(&again), Options::default()).unwrap();
            assert_eq!(checked.header(), &header);
            assert!(checked.records().unwrap().map(|placed| placed.unwrap().record).eq(records));
        }
    }
}
