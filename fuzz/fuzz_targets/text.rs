//! Texts that ids hang on: N is idempotent, and what it gives may stand in a statement.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tally_core::{
    id::{SubjectId, parse_uuid},
    text::{check_canonical, normalise},
};

fuzz_target!(|text: &str| {
    let _ = check_canonical(text);
    let _ = (parse_uuid(text), text.parse::<SubjectId>());
    let mark = SubjectId::mark(text);
    let Ok(once) = normalise(text) else {
        assert!(mark.is_err());
        return;
    };
    assert_eq!(normalise(&once).as_ref(), Ok(&once));
    assert_eq!(check_canonical(&once), Ok(()));
    // One number, one id, however it is written.
    assert_eq!(SubjectId::mark(&once), mark);
    assert_eq!(SubjectId::mark(&format!(" {text}\u{3000}")), mark);
});
