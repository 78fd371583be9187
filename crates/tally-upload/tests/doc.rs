//! What docs/national-upload.md says about fields and limits is what the code does
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panic, its helpers too")]

mod common;

use tally_upload::{
    csv,
    report::PROBLEMS_KEPT_MAX,
    upload::{self, FileKind, Form},
};

fn doc() -> String {
    std::fs::read_to_string(common::path("../../docs/national-upload.md")).unwrap()
}

#[test]
fn field_tables_are_those_of_the_code() {
    let doc = doc();
    for kind in FileKind::ALL {
        let section = doc.split("\n### ").find(|section| section.starts_with(kind.code())).unwrap();
        let rows: Vec<Vec<&str>> = section
            .lines()
            .map(|line| line.split('|').map(str::trim).skip(1).take(5).collect::<Vec<_>>())
            .filter(|row| row.first().is_some_and(|number| number.parse::<usize>().is_ok()))
            .collect();
        let code: Vec<Vec<String>> = (1..)
            .zip(kind.fields())
            .map(|(number, field): (usize, _)| {
                let form = match field.form {
                    Form::Text => "text",
                    Form::Day => "day",
                    Form::Count => "number",
                    Form::YesNo => "1 or 0",
                    Form::TestResult => "0 or 1",
                    Form::MarkState | Form::ForbiddenKind => "1 to 4",
                };
                let must = if field.required { "yes" } else { "" };
                [&*number.to_string(), field.name, field.zh, form, must].map(str::to_owned).to_vec()
            })
            .collect();
        assert_eq!(rows, code, "{kind}");
    }
}

#[test]
fn limits_are_those_of_the_code() {
    let doc = doc();
    let thousands = |number: u64| {
        let digits = number.to_string();
        let mut out = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.push(',');
            }
            out.push(digit);
        }
        out
    };
    let of = |number: usize| thousands(number as u64);
    for row in [
        format!(
            "| record or row | {} bytes | {} bytes, {} fields |",
            of(upload::RECORD_BYTES_MAX),
            of(csv::ROW_BYTES_MAX),
            csv::FIELDS_MAX
        ),
        format!("| field | {} bytes | {} bytes, or", of(upload::FIELD_BYTES_MAX), of(csv::FIELD_BYTES_MAX)),
        format!("| records or rows | {} | {} |", thousands(upload::RECORDS_MAX), thousands(csv::ROWS_MAX)),
        format!("| problems kept in full | {} refusals", of(PROBLEMS_KEPT_MAX)),
    ] {
        assert!(doc.contains(&row), "{row}");
    }
}

#[test]
fn it_says_that_the_standard_was_not_seen() {
    let doc = doc();
    assert!(doc.contains("not from the standard") && doc.contains("Nothing here claims to conform to it"));
}
