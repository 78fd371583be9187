//! DSSE envelopes of other tools, and key files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tally_client::key::SigningKey;
use tally_core::envelope::{DsseEnvelope, Envelope};

fuzz_target!(|text: &str| {
    if let Ok(dsse) = DsseEnvelope::parse(text) {
        let _ = dsse.signers(std::slice::from_ref(tally_fuzz::KEYS[0].public()));
        if let Ok(envelope) = Envelope::try_from(dsse) {
            let again = DsseEnvelope::parse(&envelope.to_dsse_json()).unwrap();
            assert_eq!(Envelope::try_from(again).unwrap(), envelope);
        }
    }
    if let Ok(key) = SigningKey::from_pem(text) {
        assert_eq!(SigningKey::from_pem(&key.to_pem().unwrap()).unwrap().key_id(), key.key_id());
    }
});
