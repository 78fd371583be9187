//! A mine's small book, written by hand: what each file holds, and golden files
#![allow(dead_code, reason = "each test uses a part")]

use std::{io::Cursor, path::PathBuf};

use tally_core::time::Day;
use tally_upload::upload::{
    BasicRecord, Checked, FileKind, ForbiddenKind, ForbiddenRecord, Header, MarkRecord, MarkState, Options, Record,
    TestRecord, TestResult, UploadTime, Writer, check,
};

/// 2026-04-02T08:30:00+08:00.
pub(crate) const TIME_US: i64 = 1_775_089_800_000_000;

pub(crate) fn header() -> Header {
    Header {
        mine_code: "140921021337".to_owned(),
        mine_name: "沁源二矿".to_owned(),
        system_code: "30".to_owned(),
        system_name: "主通风机系统".to_owned(),
        time: UploadTime::of(tally_core::time::Timestamp::from_micros(TIME_US)).unwrap(),
    }
}

pub(crate) fn on(text: &str) -> Option<Day> {
    let mut parts = text.split('-').map(|part| part.parse::<i16>().unwrap());
    let (year, month, day) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    Day::new(year, u8::try_from(month).unwrap(), u8::try_from(day).unwrap())
}

fn s(text: &str) -> String {
    text.to_owned()
}

pub(crate) fn basic() -> Vec<BasicRecord> {
    let fan = BasicRecord {
        device_code: s("14092102133730000001"),
        name: s("矿用防爆对旋轴流局部通风机"),
        model: s("FBCDZ№28/2×400"),
        category: s("主通风机"),
        production_date: on("2021-06-18"),
        system: s("30"),
        install_date: on("2021-11-03"),
        install_place: s("-320水平回风井口"),
        maker: s("山西运城安瑞节能风机有限公司"),
        factory_code: s("2021-0618-07"),
        mark_no: s("MFA210034"),
        ex_no: s("CCRI 21.1234X"),
        rated_voltage: s("10000"),
        rated_current: s("29.5"),
        rated_power: s("800"),
    };
    // As little as a record may say.
    let bare = BasicRecord { device_code: s("14092102133731000002"), ..BasicRecord::default() };
    vec![fan, bare]
}

pub(crate) fn marks() -> Vec<MarkRecord> {
    let states = [MarkState::Valid, MarkState::Suspended, MarkState::Cancelled, MarkState::Revoked];
    let numbers = ["MFA210034", "MFA210035", "MEA080001", "MEA080002"];
    let mark = |(state, number): (MarkState, &str)| MarkRecord {
        product_name: s("矿用隔爆型三相异步电动机"),
        model: s("YBF3-355M2-4"),
        factory_code: s("Y-0417（甲）"),
        mark_no: s(number),
        valid_from: on("2021-03-01"),
        valid_to: on("2026-02-28"),
        state: Some(state),
        producer: s("南阳防爆集团股份有限公司"),
        production_address: s("河南省南阳市仲景北路22号"),
        contact: s("张三"),
        phone: s("+86 377 6325 8888"),
        holder: s("南阳防爆集团股份有限公司"),
    };
    states.into_iter().zip(numbers).map(mark).collect()
}

pub(crate) fn forbidden() -> Vec<ForbiddenRecord> {
    vec![
        ForbiddenRecord {
            product: s("JKZ型矿用绞车"),
            model: s("JKZ-2.8/15.5"),
            reason: s("制动系统不可靠，无二级制动"),
            at_once: Some(false),
            deadline: on("2027-12-31"),
            batch: s("第四批"),
            announced_on: on("2025-08-01"),
            effective_on: on("2025-09-01"),
            kind: ForbiddenKind::new(2),
            remark: s("—"),
        },
        ForbiddenRecord {
            product: s("煤矿用过滤式自救器"),
            at_once: Some(true),
            kind: ForbiddenKind::new(1),
            ..ForbiddenRecord::default()
        },
    ]
}

pub(crate) fn tests() -> Vec<TestRecord> {
    let passed = TestRecord {
        factory_code: s("2021-0618-07"),
        name: s("矿用防爆对旋轴流局部通风机"),
        model: s("FBCDZ№28/2×400"),
        test_no: s("JC-2026-0113"),
        item: s("主通风机系统安全检验"),
        result: Some(TestResult::Pass),
        tested_on: on("2026-01-13"),
        body: s("山西省煤矿安全检测中心"),
        valid_from: on("2026-01-13"),
        valid_to: on("2029-01-12"),
        interval_months: Some(36),
        remark: s(""),
        contact: s("李四"),
        phone: s("0354-7822001"),
    };
    let failed = TestRecord {
        result: Some(TestResult::Fail),
        test_no: s("JC-2026-0114"),
        item: s("轴承振动"),
        valid_to: None,
        interval_months: Some(0),
        remark: s("振动速度有效值超限，停机整改"),
        ..passed.clone()
    };
    vec![passed, failed]
}

/// A whole file.
pub(crate) fn file<T: Record>(records: &[T]) -> Vec<u8> {
    let mut writer = Writer::open(Vec::new(), &header()).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn golden_file(kind: FileKind) -> Vec<u8> {
    match kind {
        FileKind::Basic => file(&basic()),
        FileKind::Mark => file(&marks()),
        FileKind::Forbidden => file(&forbidden()),
        FileKind::Test => file(&tests()),
    }
}

/// A file that passes.
pub(crate) fn checked<T: Record>(bytes: &[u8]) -> Checked<Cursor<&[u8]>, T> {
    check(Cursor::new(bytes), Options::default()).unwrap()
}

/// The records of a file that passes.
pub(crate) fn records<T: Record>(bytes: &[u8]) -> Vec<T> {
    checked(bytes).records().unwrap().map(|placed| placed.unwrap().record).collect()
}

/// A path below the crate.
pub(crate) fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Compares bytes with a file of the crate; `UPDATE_GOLDEN=1` rewrites it, and a human reads the difference.
pub(crate) fn assert_golden(relative: &str, bytes: &[u8]) {
    let path = path(relative);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let golden = std::fs::read(&path).unwrap_or_default();
    if bytes == golden {
        return;
    }
    let (new, old) = (String::from_utf8_lossy(bytes).into_owned(), String::from_utf8_lossy(&golden).into_owned());
    let same = new.lines().zip(old.lines()).take_while(|(new, old)| new == old).count();
    panic!(
        "{relative} is not what the code says, first in line {}:\n- {:?}\n+ {:?}\nUPDATE_GOLDEN=1 rewrites it",
        same + 1,
        old.lines().nth(same),
        new.lines().nth(same),
    );
}
