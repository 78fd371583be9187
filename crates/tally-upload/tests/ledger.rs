//! Records from the ledger's messages, and the upload against the ledger
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panic, its helpers too"
)]

mod common;

use common::{basic, file, forbidden, marks, on, records, tests};
use tally_proto::v1::{Alias, AliasKind, CheckResult, Day, Equipment, Manufactured, Measure, Plate, Tested};
use tally_upload::{
    compare::{Comparison, Machine, MatchedBy, Outcome, compare, compare_records},
    ledger::{
        BasicFacts, MappingError, MarkFacts, PhaseOutFacts, TestFacts, basic_record, device_code, test_record,
        tested_draft,
    },
    report::Place,
    upload::{BasicRecord, ForbiddenRecord, MarkRecord, Placed, TestRecord},
};

fn day(year: u32, month: u32, day: u32) -> Option<Day> {
    Some(Day { year, month, day })
}

fn alias(value: &str) -> Alias {
    Alias { kind: AliasKind::Mt1201.into(), value: value.to_owned(), since_us: 0 }
}

fn plate(maker: &str, model: &str, serial: &str) -> Plate {
    Plate { maker: maker.to_owned(), model: model.to_owned(), serial: serial.to_owned() }
}

/// The fan of the golden file, as the ledger has it: written otherwise where that is the same.
fn fan() -> Equipment {
    Equipment {
        plates: vec![plate("山西运城安瑞节能风机有限公司", "FBCDZ№28/2×400", "2021-0618-07")],
        produced_on: day(2021, 6, 18),
        mark_no: "MFA210034".to_owned(),
        aliases: vec![
            Alias { kind: AliasKind::MineNo.into(), value: "FJ-01".to_owned(), since_us: 0 },
            alias("14092102133730000001"),
        ],
        ..Equipment::default()
    }
}

fn measure(key: &str, digits: i64, scale: u32, unit: &str) -> Measure {
    Measure { key: key.to_owned(), digits, scale, unit: unit.to_owned() }
}

fn manufactured() -> Manufactured {
    Manufactured {
        ex_cert_no: "CCRI 21.1234X".to_owned(),
        nameplate: vec![
            measure("power_kW", 800, 0, "kW"),
            measure("voltage_V", 10, 0, "kV"),
            measure("current_A", 295, 1, "A"),
        ],
        ..Manufactured::default()
    }
}

fn facts(made: &Manufactured) -> BasicFacts<'_> {
    BasicFacts {
        name: Some("矿用防爆对旋轴流局部通风机"),
        category: Some("主通风机"),
        system: Some("30"),
        installed_on: on("2021-11-03"),
        install_place: Some("-320水平回风井口"),
        manufactured: Some(made),
    }
}

#[test]
fn basic_record_follows_from_a_machine_and_what_is_known_beside_it() {
    let made = manufactured();
    assert_eq!(basic_record(&fan(), &facts(&made)).unwrap(), basic()[0]);
    // It can stand in a file as it is.
    assert_eq!(records::<BasicRecord>(&file(&[basic()[0].clone()])), basic()[..1]);
}

#[test]
fn what_is_not_known_is_no_value_and_nothing_is_made_up() {
    let machine = Equipment { produced_on: day(2021, 6, 0), ..fan() };
    let record = basic_record(&machine, &BasicFacts::default()).unwrap();
    assert_eq!(record.production_date, None, "a month is no day");
    assert_eq!((&*record.name, &*record.rated_power, record.install_date), ("", "", None));
}

#[test]
fn a_machine_without_exactly_one_device_code_cannot_be_uploaded() {
    let bare = Equipment { aliases: Vec::new(), ..fan() };
    let error = basic_record(&bare, &BasicFacts::default()).unwrap_err();
    assert!(
        matches!(&error, MappingError::DeviceCodeMissing { machine } if machine.contains("2021-0618-07")),
        "{error}"
    );
    let two = Equipment { aliases: vec![alias("1"), alias("2")], ..fan() };
    assert!(matches!(device_code(&two), Err(MappingError::DeviceCodeAmbiguous { count: 2, .. })));
}

fn tested(result: CheckResult) -> Tested {
    Tested {
        schedule_code: "FAN_3Y".to_owned(),
        report_no: "JC-2026-0113".to_owned(),
        test_date: day(2026, 1, 13),
        valid_until: day(2029, 1, 12),
        result: result.into(),
        ..Tested::default()
    }
}

#[test]
fn test_record_follows_from_a_test_and_its_machine() {
    let facts = TestFacts {
        name: "矿用防爆对旋轴流局部通风机",
        body: "山西省煤矿安全检测中心",
        item: "主通风机系统安全检验",
        interval_months: Some(36),
        remark: "",
        contact: "李四",
        phone: "0354-7822001",
    };
    assert_eq!(test_record(&tested(CheckResult::Pass), &fan(), &facts).unwrap(), tests()[0]);
    let failed = test_record(&tested(CheckResult::Fail), &fan(), &TestFacts::default()).unwrap();
    assert_eq!((failed.result, &*failed.item), (Some(tally_upload::upload::TestResult::Fail), "FAN_3Y"));
    for result in [CheckResult::Unspecified, CheckResult::NotApplicable, CheckResult::Conditional] {
        let error = test_record(&tested(result), &fan(), &facts).unwrap_err();
        assert_eq!(error, MappingError::ResultWithoutCode { result: result.as_str_name() });
    }
    let no_day = Tested { test_date: day(2026, 1, 0), ..tested(CheckResult::Pass) };
    assert!(matches!(test_record(&no_day, &fan(), &facts), Err(MappingError::ValueMissing { .. })));
    let error = test_record(&tested(CheckResult::Pass), &Equipment::default(), &facts).unwrap_err();
    assert_eq!(error, MappingError::PlateMissing);
}

#[test]
fn a_test_of_a_file_becomes_a_body_that_somebody_may_sign() {
    let draft = tested_draft(&tests()[0], "FAN_3Y", "AQ 1011").unwrap();
    let expected = Tested { standard: "AQ 1011".to_owned(), ..tested(CheckResult::Pass) };
    assert_eq!(draft, expected);
    let error = tested_draft(&TestRecord { test_no: String::new(), ..tests()[0].clone() }, "x", "y").unwrap_err();
    assert_eq!(error, MappingError::ValueMissing { field: "test_no", body: "Tested" });
}

#[test]
fn marks_and_forbidden_equipment_go_both_ways() {
    for record in marks() {
        assert_eq!(MarkRecord::from(MarkFacts::from(record.clone())), record);
    }
    for record in forbidden() {
        assert_eq!(ForbiddenRecord::from(PhaseOutFacts::from(record.clone())), record);
    }
    let month = tally_core::time::Day::new(2026, 2, 0);
    let facts = MarkFacts { valid_to: month, ..MarkFacts::default() };
    assert_eq!(MarkRecord::from(facts).valid_to, None, "a month is no day");
}

fn differing(record: &BasicRecord, machine: &Equipment, facts: BasicFacts<'_>) -> Vec<&'static str> {
    compare(record, &Machine { state: machine, facts }).iter().map(|difference| difference.field).collect()
}

#[test]
fn what_is_only_written_otherwise_is_no_difference() {
    let made = manufactured();
    let record = basic()[0].clone();
    assert_eq!(differing(&record, &fan(), facts(&made)), [""; 0]);
    let otherwise = BasicRecord {
        model: "fbcdzNo28／2x400".to_owned(),
        factory_code: "２０２１-0618 -07".to_owned(),
        rated_voltage: "10kV".to_owned(),
        rated_current: "29.50".to_owned(),
        ..record.clone()
    };
    assert_eq!(differing(&otherwise, &fan(), facts(&made)), [""; 0]);
    let month = Equipment { produced_on: day(2021, 6, 0), ..fan() };
    assert_eq!(differing(&record, &month, facts(&made)), [""; 0]);
    let no_day = BasicRecord { production_date: None, ..record };
    assert_eq!(differing(&no_day, &month, facts(&made)), [""; 0]);
}

#[test]
fn every_field_can_differ_and_is_shown_with_both_sides() {
    let made = manufactured();
    let record = BasicRecord { mark_no: "MFA210099".to_owned(), ..basic()[0].clone() };
    let shown = compare(&record, &Machine { state: &fan(), facts: facts(&made) });
    assert_eq!(shown.len(), 1);
    assert_eq!((&*shown[0].upload, &*shown[0].ledger, shown[0].field), ("MFA210099", "MFA210034", "mark_no"));
    let other = BasicRecord {
        device_code: "9".to_owned(),
        production_date: on("2021-06-19"),
        install_date: on("2021-11-04"),
        ..BasicRecord::default()
    };
    let mut fields = differing(&other, &fan(), facts(&made));
    fields.sort_unstable();
    let mut all: Vec<_> = tally_upload::upload::FileKind::Basic.fields().iter().map(|field| field.name).collect();
    all.sort_unstable();
    assert_eq!(fields, all);
    // What the ledger was not asked for is not compared.
    let plain = differing(&other, &fan(), BasicFacts::default());
    assert_eq!(plain, ["device_code", "model", "maker", "factory_code", "mark_no", "production_date"]);
}

#[test]
fn records_of_a_kind_are_compared_field_by_field() {
    let ledger = tests()[0].clone();
    let upload = TestRecord {
        model: "FBCDZ№28/2x400".to_owned(),
        result: Some(tally_upload::upload::TestResult::Fail),
        valid_to: None,
        ..ledger.clone()
    };
    let fields: Vec<_> = compare_records(&upload, &ledger)
        .into_iter()
        .map(|difference| (difference.field, difference.upload, difference.ledger))
        .collect();
    let expected = [("result", "1", "0"), ("valid_to", "", "2029-01-12")];
    assert_eq!(fields, expected.map(|(field, upload, ledger)| (field, upload.to_owned(), ledger.to_owned())));
}

fn placed(record: BasicRecord) -> Placed<BasicRecord> {
    Placed { place: Place::default(), record }
}

fn named(maker: &str, model: &str, serial: &str, code: &str) -> Placed<BasicRecord> {
    placed(BasicRecord {
        maker: maker.to_owned(),
        model: model.to_owned(),
        factory_code: serial.to_owned(),
        device_code: code.to_owned(),
        ..BasicRecord::default()
    })
}

#[test]
fn units_are_matched_by_plate_then_by_device_code_and_what_is_missing_is_told() {
    let machine = |serial: &str, codes: &[&str]| Equipment {
        plates: vec![plate("厂", "ZY", serial)],
        aliases: codes.iter().map(|code| alias(code)).collect(),
        ..Equipment::default()
    };
    let replated =
        Equipment { plates: vec![plate("厂", "ZY", "3"), plate("厂", "ZY", "3A")], ..machine("3", &["c3"]) };
    let states = [
        machine("1", &["c1"]),
        machine("2", &["c2"]),
        replated,
        machine("4", &[]),
        machine("4", &[]),
        machine("5", &[]),
    ];
    let machines = states.iter().map(|state| Machine { state, facts: BasicFacts::default() }).collect();
    let mut comparison = Comparison::new(machines);
    let by = |outcome: Outcome| match outcome {
        Outcome::Matched { machine, by, again, .. } => (machine, by, again),
        other @ (Outcome::Ambiguous { .. } | Outcome::OnlyInUpload) => panic!("{other:?}"),
    };
    assert_eq!(by(comparison.offer(&named("厂", "zy", "１", "c9"))), (0, MatchedBy::Plate, false));
    // The plate goes before the device code, which then differs.
    assert_eq!(by(comparison.offer(&named("厂", "ZY", "1", "c2"))), (0, MatchedBy::Plate, true));
    assert_eq!(by(comparison.offer(&named("别厂", "ZY", "1", "C2"))), (1, MatchedBy::DeviceCode, false));
    assert_eq!(by(comparison.offer(&named("厂", "ZY", "3", ""))), (2, MatchedBy::Plate, false));
    let ambiguous = comparison.offer(&named("厂", "ZY", "4", ""));
    assert_eq!(ambiguous, Outcome::Ambiguous { machines: vec![3, 4], by: MatchedBy::Plate });
    assert_eq!(comparison.offer(&named("厂", "ZY", "6", "c6")), Outcome::OnlyInUpload);
    assert_eq!(comparison.offer(&named("", "", "", "")), Outcome::OnlyInUpload);
    assert_eq!(comparison.only_in_ledger(), [5]);
}
