//! Golden bytes: the worked example of docs/format.md, one file for each label
//!
//! `UPDATE_GOLDEN=1` rewrites the files; a human reads the difference. The seeds are public: nothing may trust them.

mod common;

use std::{collections::BTreeSet, ffi::OsString};

use common::{
    golden::{assert_golden, path},
    worked::{ORIGIN, examples},
};
use tally_core::{
    candidate::Candidate,
    entry::EventEntry,
    envelope::{DsseEnvelope, Envelope},
    signed_event::{Event, UnverifiedEnvelope},
};

const FOLDER: &str = "crates/tally-core/testdata/golden";

#[test]
fn worked_example_of_the_format_is_re_created() {
    for (label, bytes) in examples() {
        let text: String = bytes.chunks(32).map(|line| hex::encode(line) + "\n").collect();
        assert_golden(&format!("{FOLDER}/{label}.hex"), &text);
    }
}

#[test]
fn every_golden_file_is_one_of_the_example() {
    let files: BTreeSet<OsString> = std::fs::read_dir(path(FOLDER))
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .filter(|name| name.to_string_lossy().ends_with(".hex"))
        .collect();
    let labels: BTreeSet<OsString> = examples().iter().map(|(label, _)| format!("{label}.hex").into()).collect();
    assert_eq!(files, labels);
}

#[test]
fn golden_entry_parses_though_nothing_but_its_bytes_is_known() {
    let text = include_str!("../testdata/golden/entry.hex");
    let entry = EventEntry::parse(&hex::decode(text.replace('\n', "")).unwrap()).unwrap();
    let UnverifiedEnvelope { payload, .. } = entry.unverified();
    let event = Event::parse(payload).unwrap();
    assert_eq!(event.encode(), payload);
    assert_eq!(event.statement().origin, ORIGIN);
    assert_eq!(Candidate::parse_trusted(entry.unverified()).unwrap().kind().name(), "EnteredMine");
    let dsse = DsseEnvelope::parse(&entry.envelope().to_dsse_json()).unwrap();
    assert_eq!(&Envelope::try_from(dsse).unwrap(), entry.envelope());
}
