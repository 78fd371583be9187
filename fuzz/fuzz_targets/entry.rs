//! Entries and what hangs on them: accepted only if they re-encode to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tally_core::{
    candidate::Candidate,
    entry::EventEntry,
    envelope::{DsseEnvelope, Envelope},
    id::{EventId, SubjectId},
    key::PublicKey,
    touch::HeadValue,
};
use tally_log::touch::TouchStack;

fuzz_target!(|bytes: &[u8]| {
    tally_fuzz::check_entry(bytes);
    if let Ok(entry) = EventEntry::parse(bytes) {
        let dsse = DsseEnvelope::parse(&entry.envelope().to_dsse_json()).unwrap();
        assert_eq!(&Envelope::try_from(dsse).unwrap(), entry.envelope());
        let trusted = Candidate::parse_trusted(entry.unverified());
        assert!(entry.unverified().parse().is_ok() || trusted.is_err());
    }
    if let Some(value) = HeadValue::parse(bytes) {
        assert_eq!(value.encode(), bytes);
    }
    if let Ok(stack) = TouchStack::parse(bytes) {
        assert_eq!(stack.to_bytes(), bytes);
        let _ = stack.start_for(stack.touches() / 2);
    }
    if let Ok(subject) = SubjectId::parse(bytes) {
        assert_eq!(subject.key(), bytes);
        assert_eq!(subject.to_string().parse(), Ok(subject));
    }
    if let Ok(id) = EventId::parse(bytes) {
        assert_eq!(id.as_bytes(), bytes);
    }
    if let Ok(key) = PublicKey::parse(bytes) {
        assert_eq!(key.as_bytes(), bytes);
    }
});
