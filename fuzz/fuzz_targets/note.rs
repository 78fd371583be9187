//! Notes, checkpoints and verifier keys: accepted only if they are written the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tally_log::checkpoint::{Origin, UnverifiedCheckpoint};
use tally_log::note::{SignatureLine, UnverifiedNote, VerifierKey};

fuzz_target!(|bytes: &[u8]| {
    let known = tally_fuzz::LOG_KEY.verifier();
    if let Ok(note) = UnverifiedNote::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        let _ = note.verify(std::slice::from_ref(known));
        for line in note.signatures() {
            let again = SignatureLine::new(line.name(), line.key_id(), line.signature().to_vec()).unwrap();
            assert_eq!(&again, line);
        }
    }
    if let Ok(checkpoint) = UnverifiedCheckpoint::parse(bytes) {
        let rest: String = checkpoint.extension_lines().iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(checkpoint.unverified().text() + &rest, checkpoint.note().unverified_text());
        let _ = checkpoint.verify(&Origin::parse(tally_fuzz::ORIGIN).unwrap(), known);
        let _ = tally_fuzz::TRUST.checkpoint(bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(key) = VerifierKey::parse(text)
    {
        assert_eq!(key.to_string(), text);
    }
});
