//! Payloads, statements and bodies: accepted only if they re-encode to the same bytes, and protobuf reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use tally_client::json::{body_from_json, event_to_json, statement_to_json};
use tally_core::{
    event::{Body, UncheckedBody},
    signed_event::{Event, UnverifiedEnvelope},
    statement::Statement,
};
use tally_proto::v1;

fn check_statement(bytes: &[u8], statement: &Statement) {
    assert_eq!(statement.encode(), bytes);
    let _ = statement.member_hash();
    let number = statement.body_number;
    let Ok(body) = Body::parse(number, &statement.body) else { return };
    assert_eq!(UncheckedBody::from(body.message().clone()).encode(), (number, statement.body.clone()));
    let _ = body.names(statement);
    // What is canonical here is canonical protobuf: another implementation makes the same bytes.
    assert_eq!(v1::Statement::decode(bytes).unwrap().encode_to_vec(), bytes);
    // And what people are shown says all of it.
    let json = statement_to_json(statement).unwrap();
    let camel: String = body
        .kind()
        .field()
        .split('_')
        .enumerate()
        .map(|(at, word)| {
            let (first, rest) = word.split_at(usize::from(at > 0));
            first.to_uppercase() + rest
        })
        .collect();
    let again = body_from_json(body.kind().name(), &json[camel]).unwrap();
    assert_eq!(again.encode(), (number, statement.body.clone()));
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(statement) = Statement::parse(bytes) {
        check_statement(bytes, &statement);
    }
    let parsed = UnverifiedEnvelope { payload: bytes, key_id: &[1; 32], signature: &[2; 64] }.parse();
    if let Ok(event) = Event::parse(bytes) {
        assert_eq!(event.encode(), bytes);
        check_statement(event.statement_bytes(), event.statement());
        assert_eq!(v1::Event::decode(bytes).unwrap().encode_to_vec(), bytes);
        let again =
            Event::new(event.chain_index(), event.previous_hash(), event.statement_bytes(), event.hands().to_vec());
        assert_eq!(again.unwrap(), event);
        let is_twice = event.hands().iter().any(|hand| hand.key_id.as_bytes() == &[1; 32]);
        assert_eq!(parsed.is_err(), is_twice);
        let _ = event_to_json(&event);
    } else {
        assert!(parsed.is_err());
    }
});
