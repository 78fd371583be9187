//! Tokens are foreign bytes: nothing panics, a token has one spelling, and what is taken keeps every bound

#![expect(clippy::unwrap_used, reason = "a test may fail by panic, its helpers too")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use tally_core::{
    id::OrganisationId,
    key::PublicKey,
    time::Timestamp,
    token::{LEEWAY_SECONDS, LIFE_SECONDS_MAX, NewToken, TokenError, UnverifiedToken, VerifiedToken},
};
use tally_proto::v1::Role;

const ORIGIN: &str = "log.example/a";
const SECONDS: i64 = 1_800_000_000;
const NOW: Timestamp = Timestamp::from_micros(SECONDS * 1_000_000);

fn keys() -> (SigningKey, PublicKey) {
    let secret = SigningKey::from_bytes(&[7; 32]);
    let public = PublicKey::parse(secret.verifying_key().as_bytes()).unwrap();
    (secret, public)
}

fn judge(token: &str) -> Result<VerifiedToken, TokenError> {
    UnverifiedToken::parse(token)?.verify(&keys().1, ORIGIN, NOW, LEEWAY_SECONDS)
}

fn good() -> String {
    let (secret, public) = keys();
    let token = NewToken {
        origin: ORIGIN,
        organisation: OrganisationId::new([1; 16]),
        role: Role::Mine,
        key_id: public.key_id(),
        issued_at: NOW,
        life_seconds: 600,
        id: [9; 16],
    };
    token.sign(|bytes| secret.sign(bytes).to_bytes())
}

/// Signs whatever claims by the right key.
fn signed(claims: &str) -> String {
    let (secret, public) = keys();
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, public.key_id());
    let token = [header.as_str(), claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = secret.sign(token.as_bytes()).to_bytes();
    format!("{token}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A value as it may stand in a claim: numbers on both sides of every bound, and what is none.
fn claim() -> impl Strategy<Value = String> {
    prop_oneof![
        (-2_000_i64..2_000).prop_map(|away| (SECONDS + away).to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |number| number.is_finite())
            .prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        Just("null".to_owned()),
        Just(r#""1""#.to_owned()),
        Just("[]".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_it_panic(text in ".{0,300}", parts in prop::collection::vec("[A-Za-z0-9_=+/-]{0,80}", 0..5)) {
        prop_assert!(judge(&text).is_err());
        prop_assert!(judge(&parts.join(".")).is_err());
    }

    #[test]
    fn a_token_has_one_spelling(at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f, inserts in any::<bool>()) {
        let token = good();
        prop_assert!(judge(&token).is_ok());
        let at = at.index(token.len());
        let end = if inserts { at } else { at + 1 };
        let changed = [token.get(..at).unwrap(), &char::from(byte).to_string(), token.get(end..).unwrap()].concat();
        if changed != token {
            prop_assert!(judge(&changed).is_err(), "{}", changed);
        }
    }

    #[test]
    fn what_is_taken_keeps_every_bound(iat in claim(), exp in claim(), nbf in prop::option::of(claim())) {
        let nbf = nbf.map(|nbf| format!(r#","nbf":{nbf}"#)).unwrap_or_default();
        let claims = format!(r#"{{"iss":"x","aud":"{ORIGIN}","iat":{iat},"exp":{exp}{nbf}}}"#);
        if judge(&signed(&claims)).is_ok() {
            let (iat, exp): (f64, f64) = (iat.parse().unwrap(), exp.parse().unwrap());
            // A second of room, for fractions are cut.
            let (now, leeway, room) = (SECONDS as f64, LEEWAY_SECONDS as f64, 1.0);
            prop_assert!(iat <= now + leeway + room && exp > now - leeway - room, "{}", claims);
            prop_assert!(exp - iat <= LIFE_SECONDS_MAX as f64 + room, "{}", claims);
        }
    }
}
