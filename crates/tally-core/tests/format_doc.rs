//! docs/format.md is true: its examples are computed again, its limits are those of the code, its tables are printed

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panic, its helpers too")]

mod common;

use std::{collections::BTreeSet, fmt::Write as _, fs::read_to_string};

use common::{
    fields,
    golden::{assert_golden, path},
    worked::examples,
};
use tally_core::{
    event::{EventKind, check::QUANTITY_BOUNDS},
    id::SubjectKind,
    text::UNICODE_VERSION,
};

const DOC: &str = "docs/format.md";

fn kinds() -> String {
    let mut text = "| no. | kind | 中文 | on chains of | opens |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for kind in EventKind::ALL {
        let subjects = match kind.subjects() {
            all if all.len() == SubjectKind::ALL.len() => "any".to_owned(),
            some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        let opens = if kind.opens() { "yes" } else { "" };
        writeln!(text, "| {} | {kind} | {} | {subjects} | {opens} |", *kind as u32, kind.zh()).unwrap();
    }
    text
}

fn quantities() -> String {
    let mut text = "| key | from | to |\n| --- | --- | --- |\n".to_owned();
    for (key, from, to) in QUANTITY_BOUNDS {
        writeln!(text, "| `{key}` | {from} | {to} |").unwrap();
    }
    text
}

/// The document with every example and every printed table as the code gives them.
fn printed(doc: &str) -> String {
    let (examples, mut shown) = (examples(), BTreeSet::new());
    let (mut text, mut lines) = (String::new(), doc.lines());
    while let Some(line) = lines.next() {
        writeln!(text, "{line}").unwrap();
        if let Some(label) = line.strip_prefix("```hex ") {
            let bytes = examples.iter().find(|(known, _)| *known == label).map(|(_, bytes)| bytes);
            let bytes = bytes.unwrap_or_else(|| panic!("{label} is no example"));
            bytes.chunks(32).for_each(|line| writeln!(text, "{}", hex::encode(line)).unwrap());
            assert!(shown.insert(label), "{label} is shown twice");
            assert!(lines.any(|line| line == "```"), "{label} does not end");
            text.push_str("```\n");
        } else if let Some(table) = line.strip_prefix("<!-- printed: ") {
            text.push_str(&match table.trim_end_matches(" -->") {
                "kinds" => kinds(),
                "mentions" => fields::mentions(),
                "quantities" => quantities(),
                other => panic!("{other} is no table"),
            });
            assert!(lines.any(|line| line == "<!-- end -->"), "{table} does not end");
            text.push_str("<!-- end -->\n");
        }
    }
    for (label, _) in &examples {
        assert!(shown.contains(label), "{label} is not shown in {DOC}");
    }
    text
}

#[test]
fn examples_and_tables_are_what_the_code_gives() {
    assert_golden(DOC, &printed(&read_to_string(path(DOC)).unwrap()));
}

/// The value of a constant, from the text of the file where it stands: digits, products, and nothing else.
fn constant(source: &str, name: &str) -> u64 {
    let declared = format!("const {name}: ");
    let line = source.lines().find(|line| line.contains(&declared)).unwrap_or_else(|| panic!("{name} is not there"));
    let (_, value) = line.split_once(" = ").unwrap();
    let (value, _) = value.split_once(';').unwrap();
    let factor = |factor: &str| factor.trim().replace('_', "").parse::<u64>();
    value.split('*').map(|part| factor(part).unwrap_or_else(|_| panic!("{name} is {value}"))).product()
}

#[test]
fn which_days_are_whole_is_as_the_contract_says() {
    assert_eq!(fields::wrong_days(), Vec::<String>::new());
}

#[test]
fn limits_are_those_of_the_code() {
    let doc = read_to_string(path(DOC)).unwrap();
    let (_, section) = doc.split_once("## 5. Limits").unwrap();
    let mut listed = BTreeSet::new();
    for line in section.lines().take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, name, value, file, ..] = cells[..] else { panic!("{line}") };
        if !file.ends_with(".rs") {
            continue;
        }
        let source = read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(value.replace(',', "").parse(), Ok(constant(&source, name)), "{name} in {file}");
        listed.insert((file.to_owned(), name.to_owned()));
    }
    // Whatever tally-core bounds is listed, so that a new limit is not forgotten.
    for file in [
        "statement",
        "signed_event",
        "set",
        "retry",
        "form",
        "event/check",
        "event/mark",
        "event/publication",
        "event/supervision",
        "admission/judge",
        "admission/supervision",
        "state/equipment",
    ] {
        let file = format!("crates/tally-core/src/{file}.rs");
        let source = read_to_string(path(&file)).unwrap();
        for line in source.lines().filter_map(|line| line.trim().strip_prefix("pub const ")) {
            let Some((name, _)) = line.split_once(": ") else { continue };
            let is_limit = name.ends_with("_MAX") || name.ends_with("_MIN");
            // A time before 1970 is written out in the text.
            if is_limit && name != "OCCURRED_MICROS_MIN" {
                assert!(listed.contains(&(file.clone(), name.to_owned())), "{name} of {file} is not in {DOC}");
            }
        }
    }
}

#[test]
fn earliest_time_and_unicode_version_are_those_in_the_text() {
    let doc = read_to_string(path(DOC)).unwrap();
    let first = tally_core::time::Day::new(1950, 1, 1).unwrap().starts().unwrap();
    assert_eq!(first.micros(), tally_core::admission::OCCURRED_MICROS_MIN);
    assert!(doc.contains("from 1950-01-01 at +08:00"));
    let (major, minor, patch) = UNICODE_VERSION;
    assert!(doc.contains(&format!("Unicode **{major}.{minor}.{patch}**")));
    assert!(doc.contains("05fe2f65-b8eb-5eb5-a9f6-6ad2573ea852"));
}

#[test]
fn numbers_of_kinds_are_those_of_the_proto() {
    let proto = read_to_string(path("proto/tally/v1/event.proto")).unwrap();
    let (_, oneof) = proto.split_once("  oneof body {\n").unwrap();
    let (oneof, _) = oneof.split_once("\n  }\n").unwrap();
    let lines: Vec<&str> = oneof.lines().map(str::trim).collect();
    let fields: Vec<String> =
        lines.iter().filter(|line| !line.starts_with("//")).map(|line| line.trim_end_matches(';').to_owned()).collect();
    let known: Vec<String> =
        EventKind::ALL.iter().map(|kind| format!("{kind} {} = {}", kind.field(), *kind as u32)).collect();
    assert_eq!(fields, known);
}
