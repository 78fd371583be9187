//! Properties: what was written reads back, and what does not is refused
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panic, its helpers too")]

mod common;

use std::io::Cursor;

use common::{file, header, records};
use proptest::{option, prelude::*};
use tally_core::time::Day;
use tally_upload::{
    csv::{self, Column, ColumnForm, read_table},
    input::Encoding,
    upload::{
        BasicRecord, FileName, ForbiddenKind, ForbiddenRecord, Header, MarkRecord, MarkState, Options, Record,
        TestRecord, TestResult, UploadTime, Writer, check,
    },
};

/// Anything that somebody may type, much of which cannot stand in a field.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        // Often enough good, or hardly any record of fifteen fields would be.
        40 => "[采煤机主扇A-Z0-9][采煤机液压支架主扇A-Z0-9/×（）. -]{0,12}[采煤机A-Z0-9]",
        4 => Just(String::new()),
        1 => "\\PC{0,20}",
        1 => any::<String>(),
        1 => "[-+=@'－＝]{1,2}[0-9(A|;~]{0,4}",
        1 => Just("-9999".to_owned()),
    ]
}

fn day() -> impl Strategy<Value = Option<Day>> {
    option::of((1950_i16..=2200, 1_u8..=12, 0_u8..=31).prop_filter_map("no such day", |(y, m, d)| Day::new(y, m, d)))
}

prop_compose! {
    fn basic()(texts in proptest::collection::vec(text(), 13), days in (day(), day())) -> BasicRecord {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap();
        BasicRecord {
            device_code: next(), name: next(), model: next(), category: next(), production_date: days.0, system: next(),
            install_date: days.1, install_place: next(), maker: next(), factory_code: next(), mark_no: next(),
            ex_no: next(), rated_voltage: next(), rated_current: next(), rated_power: next(),
        }
    }
}

prop_compose! {
    fn mark()(texts in proptest::collection::vec(text(), 9), days in (day(), day()), state in 0..5) -> MarkRecord {
        let states = [MarkState::Valid, MarkState::Suspended, MarkState::Cancelled, MarkState::Revoked];
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap();
        MarkRecord {
            product_name: next(), model: next(), factory_code: next(), mark_no: next(), valid_from: days.0,
            valid_to: days.1, state: states.get(usize::try_from(state).unwrap()).copied(), producer: next(),
            production_address: next(), contact: next(), phone: next(), holder: next(),
        }
    }
}

prop_compose! {
    fn forbidden()(
        texts in proptest::collection::vec(text(), 5), days in (day(), day(), day()), at_once in any::<Option<bool>>(),
        kind in 0_u8..6,
    ) -> ForbiddenRecord {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap();
        ForbiddenRecord {
            product: next(), model: next(), reason: next(), at_once, deadline: days.0, batch: next(),
            announced_on: days.1, effective_on: days.2, kind: ForbiddenKind::new(kind), remark: next(),
        }
    }
}

prop_compose! {
    fn test_record()(
        texts in proptest::collection::vec(text(), 9), days in (day(), day(), day()), months in any::<Option<u32>>(),
        passed in any::<Option<bool>>(),
    ) -> TestRecord {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap();
        TestRecord {
            factory_code: next(), name: next(), model: next(), test_no: next(), item: next(),
            result: passed.map(|passed| if passed { TestResult::Pass } else { TestResult::Fail }), tested_on: days.0,
            body: next(), valid_from: days.1, valid_to: days.2, interval_months: months, remark: next(),
            contact: next(), phone: next(),
        }
    }
}

/// Of some records those that the writer takes come back, and nothing else does.
fn come_back<T: Record>(offered: &[T]) -> Result<usize, TestCaseError> {
    let mut writer = Writer::open(Vec::new(), &header()).unwrap();
    let mut taken = Vec::new();
    for record in offered {
        if writer.write(record).is_ok() {
            taken.push(record.clone());
        }
    }
    let bytes = writer.finish().unwrap();
    prop_assert_eq!(&records::<T>(&bytes), &taken);
    // What stands in the file stands there in one way only.
    prop_assert_eq!(file(&taken), bytes);
    Ok(taken.len())
}

proptest! {
    #[test]
    fn basic_records_come_back(offered in proptest::collection::vec(basic(), 0..4)) {
        come_back(&offered)?;
    }

    #[test]
    fn marks_come_back(offered in proptest::collection::vec(mark(), 0..4)) {
        come_back(&offered)?;
    }

    #[test]
    fn forbidden_equipment_comes_back(offered in proptest::collection::vec(forbidden(), 0..4)) {
        come_back(&offered)?;
    }

    #[test]
    fn tests_come_back(offered in proptest::collection::vec(test_record(), 0..4)) {
        come_back(&offered)?;
    }

    #[test]
    fn header_and_name_come_back(
        mine_code in "[0-9]{10,13}", name in text(), seconds in -631_180_800_i64..7_289_625_600,
    ) {
        let time = UploadTime::of(tally_core::time::Timestamp::from_micros(seconds * 1_000_000)).unwrap();
        let header = Header { mine_code, mine_name: name, time, ..header() };
        let Ok(writer) = Writer::<_, BasicRecord>::open(Vec::new(), &header) else { return Ok(()) };
        let bytes = writer.finish().unwrap();
        let name = header.file_name(tally_upload::upload::FileKind::Basic);
        prop_assert_eq!(&name.to_string().parse::<FileName>().unwrap(), &name);
        let options = Options { name: Some(name), ..Options::default() };
        let checked = check::<_, BasicRecord>(Cursor::new(bytes), options).unwrap();
        prop_assert_eq!(checked.header(), &header);
        prop_assert_eq!(checked.report().notes().iter().filter(|note| note.fault.code() == "NOT_AS_NAMED").count(), 0);
    }

    #[test]
    fn gb18030_gives_the_same_records_where_somebody_says_that_it_is_that(offered in basic()) {
        let mut writer = Writer::open(Vec::new(), &header()).unwrap();
        if writer.write(&offered).is_err() {
            return Ok(());
        }
        let utf8 = String::from_utf8(writer.finish().unwrap()).unwrap();
        let (bytes, _, lossy) = encoding_rs::GB18030.encode(&utf8);
        if lossy || std::str::from_utf8(&bytes).is_ok() {
            return Ok(());
        }
        let options = Options { encoding: Encoding::Gb18030, ..Options::default() };
        let checked = check::<_, BasicRecord>(Cursor::new(&bytes[..]), options).unwrap();
        let back: Vec<_> = checked.records().unwrap().map(|placed| placed.unwrap().record).collect();
        prop_assert_eq!(back, [offered]);
        // Nobody said so: refused.
        prop_assert!(check::<_, BasicRecord>(Cursor::new(&bytes[..]), Options::default()).is_err());
    }

    #[test]
    fn rows_of_tables_come_back(offered in proptest::collection::vec((text(), text(), "-?[0-9]{1,6}(\\.[0-9]{1,3})?"), 0..6), mark: bool) {
        const COLUMNS: &[Column] =
            &[Column::text("型号").filled(), Column::text("备注"), Column::text("数量").of(ColumnForm::Decimal)];
        let mut writer = csv::Writer::open(Vec::new(), COLUMNS, mark).unwrap();
        let mut taken = Vec::new();
        for (model, remark, count) in &offered {
            if writer.write(&[model, remark, count]).is_ok() {
                taken.push((model.clone(), Some(remark.clone()).filter(|text| !text.is_empty()), count.clone()));
            }
        }
        let bytes = writer.finish().unwrap();
        // No field begins in a way that a spreadsheet runs, but for numbers.
        let table = read_table(Cursor::new(&bytes), COLUMNS, csv::Options::default()).unwrap();
        let back: Vec<_> = table
            .rows()
            .unwrap()
            .map(|row| {
                let row = row.unwrap();
                let of = |name| row.get(name).map(str::to_owned);
                (of("型号").unwrap(), of("备注"), of("数量").unwrap())
            })
            .collect();
        prop_assert_eq!(back, taken);
    }
}
