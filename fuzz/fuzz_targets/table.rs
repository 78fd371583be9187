//! Tables in both encodings: what passes comes back the same, and no field of what is written begins like a formula.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tally_upload::{
    csv::{Column, ColumnForm, Options, Writer, guard, read_table},
    input::Encoding,
    report::{CheckError, PROBLEMS_KEPT_MAX},
};

const COLUMNS: &[Column] = &[
    Column::text("型号").filled().at_most(64),
    Column::text("serial").required(),
    Column::text("数量").of(ColumnForm::Decimal),
    Column::text("date").of(ColumnForm::Day),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, file)) = bytes.split_first() else { return };
    let encoding = if first & 1 == 0 { Encoding::Utf8 } else { Encoding::Gb18030 };
    let checked = match read_table(Cursor::new(file), COLUMNS, Options { encoding }) {
        Ok(checked) => checked,
        Err(CheckError::Refused(report)) => {
            assert!(!report.is_clean() && report.problems().len() <= PROBLEMS_KEPT_MAX);
            let _ = report.to_string();
            return;
        }
        Err(CheckError::Read(error)) => panic!("{error}"),
    };
    let records = checked.report().records;
    let rows: Vec<_> = checked.rows().unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len() as u64, records);
    let mut writer = Writer::open(Vec::new(), COLUMNS, first & 2 == 0).unwrap();
    let cells = |row: &tally_upload::csv::Row| {
        COLUMNS.iter().map(|column| row.get(column.name).unwrap_or_default().to_owned()).collect()
    };
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    for row in &cells {
        assert!(!guard(&row[0]).starts_with(['=', '+', '-', '@', '\t', '\r']));
        writer.write(&row.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    }
    let again = writer.finish().unwrap();
    let back = read_table(Cursor::new(again), COLUMNS, Options::default()).unwrap();
    for (row, cells) in back.rows().unwrap().zip(&cells) {
        let row = row.unwrap();
        assert!(COLUMNS.iter().zip(cells).all(|(column, cell)| row.get(column.name).unwrap_or_default() == cell));
    }
});
