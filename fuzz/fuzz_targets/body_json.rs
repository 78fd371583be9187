//! Bodies that people write as JSON: refused by name, or the same again from their bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tally_client::json::{body_from_json, bytes_from_text, bytes_to_text};

fuzz_target!(|text: &str| {
    if let Some(bytes) = bytes_from_text(text) {
        assert_eq!(bytes_from_text(&bytes_to_text(&bytes)).as_ref(), Some(&bytes));
    }
    // The kind, a line end, the JSON.
    let Some((kind, json)) = text.split_once('\n') else { return };
    let Ok(json) = serde_json::from_str(json) else { return };
    let Ok(body) = body_from_json(kind, &json) else { return };
    let (number, bytes) = body.encode();
    if let Ok(checked) = body.check() {
        assert_eq!(checked.kind() as u32, number);
        assert_eq!(tally_core::event::UncheckedBody::from(checked.message().clone()).encode().1, bytes);
    }
});
