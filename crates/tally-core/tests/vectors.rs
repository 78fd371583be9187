//! Bytes that we did not make: published vectors, and those of a second implementation of the formats
//!
//! `TALLY_VECTORS` names the folder that holds them. Cases that the specification leaves open may go either way.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may fail by panic and say what it skips, its helpers too"
)]

use std::path::{Path, PathBuf};

use serde_json::Value;
use tally_core::envelope::{DsseEnvelope, Envelope, PAYLOAD_TYPE_EVENT, PAYLOAD_TYPE_STATEMENT, event_hash, pae};
use tally_core::hash::{Digest, LeafHash, TouchHash};
use tally_core::id::{EventId, OrganisationId, Scheme, SubjectId, SubjectKind, parse_uuid};
use tally_core::key::{KeyError, KeyId, PublicKey};
use tally_core::number::LogPosition;
use tally_core::set::{EventSet, set_digest};
use tally_core::signed_event::{Event, UnverifiedEnvelope};
use tally_core::statement::Statement;
use tally_core::text::{TextError, normalise};
use tally_core::touch::{HeadValue, touch_hash};

/// Runs a check over one file of the vectors, or says that there are none here.
fn with_vectors(file: &str, check: impl FnOnce(&Value)) {
    let Some(folder) = std::env::var_os("TALLY_VECTORS") else {
        eprintln!("skipped: TALLY_VECTORS is not set, {file} was not run");
        return;
    };
    let path: PathBuf = Path::new(&folder).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    check(&serde_json::from_str(&text).unwrap());
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let found = value[name].as_array().unwrap_or_else(|| panic!("no list {name}"));
    assert!(!found.is_empty(), "{name} has no case");
    found
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(value, name)).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

/// Compares a verdict with the one expected; open cases pass with either.
fn assert_verdict(case: &Value, accepted: bool, said: impl std::fmt::Debug) {
    let due = match text(case, "expect") {
        "accept" => true,
        "reject" => false,
        "either" => return,
        other => panic!("unknown verdict {other}"),
    };
    assert_eq!(accepted, due, "{}: {said:?}", case.get("why").or(case.get("id")).unwrap_or(case));
}

#[test]
fn dsse_pae_of_the_published_vector() {
    with_vectors("dsse/protocol-vector.json", |vector| {
        let bytes = pae(text(vector, "payloadType"), text(vector, "payload").as_bytes());
        assert_eq!(bytes, text(vector, "pae").as_bytes());
        let envelope = DsseEnvelope::parse(&vector["envelope"].to_string()).unwrap();
        assert_eq!(envelope.payload(), text(vector, "payload").as_bytes());
        assert_eq!(envelope.payload_type(), text(vector, "payloadType"));
    });
}

#[test]
fn dsse_envelopes() {
    with_vectors("dsse/dsse-ed25519.json", |vectors| {
        for case in list(vectors, "pae") {
            let made = pae(text(case, "payloadType"), &bytes(case, "payload_hex"));
            assert_eq!(made, bytes(case, "pae_hex"));
        }
        for case in list(vectors, "cases") {
            let trusted: Vec<_> = list(case, "trusted")
                .iter()
                .map(|key| PublicKey::parse(&hex::decode(key.as_str().unwrap()).unwrap()).unwrap())
                .collect();
            let parsed = DsseEnvelope::parse(text(case, "envelope"));
            let signers = parsed.as_ref().map_or(0, |envelope| envelope.signers(&trusted).len());
            let accepted = u64::try_from(signers).unwrap() >= number(&case["threshold"]);
            assert_verdict(case, accepted, &parsed);
            // What a strict ledger should do where the specification is open is what this one does.
            if let Some(recommended) = case.get("recommend") {
                assert_eq!(accepted, recommended == "accept", "{}", text(case, "id"));
            }
            if let Some(expected) = case.get("pae_hex") {
                let envelope = parsed.unwrap();
                let made = pae(envelope.payload_type(), envelope.payload());
                assert_eq!(hex::encode(made), expected.as_str().unwrap());
            }
        }
    });
}

#[test]
fn uuids() {
    with_vectors("uuid/uuid.json", |vectors| {
        for case in list(vectors, "v5") {
            let namespace = uuid::Uuid::from_bytes(parse_uuid(text(case, "namespace")).unwrap());
            let made = uuid::Uuid::new_v5(&namespace, text(case, "name").as_bytes());
            assert_eq!(made.to_string(), text(case, "uuid"));
        }
        for case in list(vectors, "v7") {
            let id: EventId = text(case, "uuid").parse().unwrap();
            assert_eq!(id.unix_millis(), number(&case["unix_ts_ms"]));
            assert_eq!(id.to_string(), text(case, "uuid"));
        }
        let sorted: Vec<EventId> =
            list(vectors, "v7_sorted").iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect();
        assert!(sorted.is_sorted());
        for case in list(vectors, "other_versions") {
            let parsed = text(case, "uuid").parse::<EventId>();
            assert!(parsed.is_err(), "{parsed:?}");
        }
        for case in list(vectors, "parse") {
            let parsed = parse_uuid(text(case, "text"));
            assert_verdict(case, parsed.is_ok(), &parsed);
            if let Some(recommended) = case.get("recommend") {
                assert_eq!(parsed.is_ok(), recommended == "accept", "{}", text(case, "why"));
            }
        }
        for case in list(vectors, "event_id") {
            let parsed = text(case, "uuid").parse::<EventId>();
            assert_verdict(case, parsed.is_ok(), &parsed);
        }
    });
}

#[test]
fn signatures_answer_as_the_verdicts_under_valid_keys() {
    let mut sets: Vec<(&str, Vec<[String; 3]>)> = Vec::new();
    with_vectors("ed25519/wycheproof/ed25519_test.json", |vectors| {
        let cases = list(vectors, "testGroups").iter().flat_map(|group| {
            let key = text(&group["publicKey"], "pk");
            list(group, "tests").iter().map(move |case| [key, text(case, "msg"), text(case, "sig")].map(str::to_owned))
        });
        sets.push(("wycheproof", cases.collect()));
    });
    with_vectors("ed25519/cctv/ed25519vectors.json", |vectors| {
        let cases = vectors.as_array().unwrap().iter();
        let case = |case| [text(case, "key").to_owned(), hex::encode(text(case, "msg")), text(case, "sig").to_owned()];
        sets.push(("cctv", cases.map(case).collect()));
    });
    with_vectors("ed25519/speccheck/cases.json", |vectors| {
        let cases = vectors.as_array().unwrap().iter();
        let case = |case| ["pub_key", "message", "signature"].map(|name| text(case, name).to_owned());
        sets.push(("speccheck", cases.map(case).collect()));
    });
    with_vectors("ed25519/dalek-verdicts.json", |verdicts| {
        for (name, cases) in sets {
            let verdicts = list(&verdicts["sets"], name);
            assert_eq!(verdicts.len(), cases.len(), "{name}");
            for ([key, message, signature], verdict) in cases.into_iter().zip(verdicts) {
                let [key, message, signature] = [key, message, signature].map(|text| hex::decode(text).unwrap());
                let due = text(verdict, "verify_strict") == "accept";
                let signature = <&[u8; 64]>::try_from(signature.as_slice());
                let parsed = PublicKey::parse(&key);
                let answer = match (&parsed, signature) {
                    (Ok(key), Ok(signature)) => key.verify(&message, signature).is_ok(),
                    // A mixed-order key is never registered, whatever verify_strict says of its signatures.
                    (Err(KeyError::Torsion), _) => due,
                    (Err(_), _) | (_, Err(_)) => false,
                };
                assert_eq!(answer, due, "{name} {verdict} {parsed:?}");
            }
        }
    });
}

/// Makes an id by the rule of a case.
fn mint(rule: &str, fields: &[&str]) -> SubjectId {
    let scheme = |name: &str| name.parse::<Scheme>().unwrap();
    let made = match (rule, fields) {
        ("organisation", [by, number]) => SubjectId::organisation(scheme(by), number),
        ("mine", [by, number]) => SubjectId::mine(scheme(by), number),
        ("mark", [number]) => SubjectId::mark(number),
        ("model", [maker, model]) => SubjectId::model(maker, model),
        ("unit", [maker, model, serial]) => SubjectId::unit(maker, model, serial),
        ("lot", [maker, model, lot]) => SubjectId::lot(maker, model, lot),
        ("child", [parent, suffix]) => SubjectId::child(&parse_uuid(parent).unwrap(), suffix),
        ("named", [organisation, number]) => {
            SubjectId::named(OrganisationId::new(parse_uuid(organisation).unwrap()), number)
        }
        other => panic!("unknown rule {other:?}"),
    };
    made.unwrap_or_else(|error| panic!("{rule} {fields:?}: {error}"))
}

fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    list(value, name).iter().map(|text| text.as_str().unwrap()).collect()
}

fn uuid_of(subject: &SubjectId) -> String {
    uuid::Uuid::from_bytes(*subject.id()).to_string()
}

#[test]
fn ids_and_normalisation() {
    with_vectors("tally/ids.json", |vectors| {
        for case in list(vectors, "normalise") {
            let normalised = normalise(text(case, "in"));
            if text(case, "expect") == "accept" {
                // The file has N alone; a text that is empty after it has no id.
                let due = Some(text(case, "out")).filter(|out| !out.is_empty()).ok_or(TextError::Empty);
                assert_eq!(normalised.as_deref().map_err(|error| *error), due, "{case}");
            }
        }
        for case in list(vectors, "ids") {
            let made = uuid_of(&mint(text(case, "rule"), &texts(case, "fields")));
            let alternatives = case["alternatives"].as_array().into_iter().flatten();
            let is_open = text(case, "expect") == "either";
            let is_known = text(case, "uuid") == made || (is_open && alternatives.into_iter().any(|one| *one == made));
            assert!(is_known, "{case} gave {made}");
        }
        for case in list(vectors, "same") {
            for model in texts(case, "models") {
                let made = mint("unit", &[text(case, "maker"), model, text(case, "serial")]);
                assert_eq!(uuid_of(&made), text(case, "uuid"), "{model}");
            }
        }
        for case in list(vectors, "different") {
            for (model, uuid) in texts(case, "models").into_iter().zip(texts(case, "uuids")) {
                let made = mint("unit", &[text(case, "maker"), model, text(case, "serial")]);
                assert_eq!(uuid_of(&made), uuid, "{model}");
            }
        }
        for case in list(vectors, "subject_keys") {
            let parsed = SubjectId::parse(&bytes(case, "key"));
            assert_verdict(case, parsed.is_ok(), &parsed);
            if let (Ok(subject), Some(kind)) = (parsed, case.get("kind")) {
                assert_eq!(u64::from(subject.kind().number()), number(kind));
                assert_eq!(subject.kind().name(), text(case, "name"));
                assert_eq!(subject.id().as_slice(), bytes(case, "id"));
                assert_eq!(subject.key().as_slice(), bytes(case, "key"));
            }
        }
        assert_eq!(SubjectKind::ALL.len(), 8);
    });
}

/// Cases that the second implementation takes against the text: an origin is visible ASCII.
const AGAINST_THE_FORMAT: &[&str] = &["origin in Chinese"];

#[test]
fn canonical_statements_and_events() {
    with_vectors("tally/canonical.json", |vectors| {
        for case in list(vectors, "cases") {
            let encoded = bytes(case, "hex");
            let (accepted, said) = match text(case, "message") {
                "Statement" => {
                    let parsed = Statement::parse(&encoded);
                    if let Ok(statement) = &parsed {
                        assert_eq!(statement.encode(), encoded);
                        assert_statement(statement, &case["fields"]);
                    }
                    (parsed.is_ok(), format!("{:?}", parsed.err()))
                }
                "Event" => {
                    let parsed = Event::parse(&encoded);
                    if let Ok(event) = &parsed {
                        assert_eq!(event.encode(), encoded);
                    }
                    (parsed.is_ok(), format!("{:?}", parsed.err()))
                }
                other => panic!("unknown message {other}"),
            };
            if AGAINST_THE_FORMAT.contains(&text(case, "why")) {
                assert!(!accepted);
                continue;
            }
            assert_verdict(case, accepted, &said);
            if let Some(recommended) = case.get("recommend") {
                assert_eq!(accepted, recommended == "accept", "{}", text(case, "why"));
            }
        }
    });
}

fn assert_statement(statement: &Statement, fields: &Value) {
    if fields.is_null() {
        return;
    }
    let hexes = |name: &str| -> Vec<String> {
        fields[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let keys = |keys: &[KeyId]| -> Vec<String> { keys.iter().map(ToString::to_string).collect() };
    assert_eq!(statement.origin, text(fields, "origin"));
    assert_eq!(statement.event_id.as_bytes().as_slice(), bytes(fields, "event_id"));
    assert_eq!(statement.subject.key().as_slice(), bytes(fields, "subject"));
    assert_eq!(Some(statement.occurred_at.micros()), fields["occurred_at_us"].as_i64());
    assert_eq!(statement.organisation.as_bytes().as_slice(), bytes(fields, "organisation"));
    assert_eq!(u64::from(statement.role), number(&fields["role"]));
    let mentions: Vec<_> = statement.mentions.iter().map(|mention| hex::encode(mention.key())).collect();
    assert_eq!(mentions, hexes("mentions"));
    assert_eq!(statement.set.is_none(), fields["set"].is_null());
    assert_eq!(statement.first_index.get(), number(&fields["first_index"]));
    assert_eq!(keys(&statement.performed_by), hexes("performed_by"));
    assert_eq!(keys(&statement.checked_by), hexes("checked_by"));
    assert_eq!(keys(&statement.approved_by), hexes("approved_by"));
    assert_eq!(u64::from(statement.body_number), number(&fields["body_field"]));
    assert_eq!(statement.body, bytes(fields, "body"));
}

#[test]
fn signed_events() {
    with_vectors("tally/events.json", |vectors| {
        for case in list(vectors, "cases") {
            let delivered: Vec<(KeyId, PublicKey)> = case["keys"]
                .as_object()
                .unwrap()
                .iter()
                .filter_map(|(id, key)| {
                    let key = PublicKey::parse(&hex::decode(key.as_str()?).ok()?).ok()?;
                    Some((id.parse().ok()?, key))
                })
                .collect();
            let lookup = |id: &KeyId| delivered.iter().find(|(known, _)| known == id).map(|(_, key)| key);
            let (payload, key_id, signature) =
                (bytes(case, "payload"), bytes(case, "key_id"), bytes(case, "signature"));
            let envelope = UnverifiedEnvelope { payload: &payload, key_id: &key_id, signature: &signature };
            let answer = match envelope.parse() {
                Ok(parsed) => parsed.verify(lookup).map_err(|refusal| refusal.to_string()),
                Err(error) => Err(error.to_string()),
            };
            assert_verdict(case, answer.is_ok(), &answer);
            if case.get("registrable") == Some(&Value::Bool(false)) {
                let key = case["keys"][text(case, "key_id")].as_str().unwrap();
                assert!(PublicKey::parse(&hex::decode(key).unwrap()).is_err(), "{}", text(case, "why"));
            }
            let Ok(event) = answer else { continue };
            assert_eq!(event.event_hash().to_string(), text(case, "event_hash"));
            assert_eq!(event_hash(&payload), event.event_hash());
            assert_eq!(pae(PAYLOAD_TYPE_EVENT, &payload), bytes(case, "pae_event"));
            let statement = event.event().statement_bytes();
            assert_eq!(pae(PAYLOAD_TYPE_STATEMENT, statement), bytes(case, "pae_statement"));
            let json = event.envelope().to_dsse_json();
            let dsse = DsseEnvelope::parse(&json).unwrap();
            assert_eq!(dsse.signers(&[*lookup(&event.issuer()).unwrap()]), [event.issuer()]);
            assert_eq!(Envelope::try_from(dsse).unwrap(), *event.envelope());
        }
    });
}

#[test]
fn set_digests() {
    with_vectors("tally/set.json", |vectors| {
        for case in list(vectors, "cases") {
            let mut hashes: Vec<Digest> = Vec::new();
            if case.get("without_field_8").is_some() {
                hashes.extend(
                    texts(case, "without_field_8").into_iter().map(|bare| Digest::of(&hex::decode(bare).unwrap())),
                );
            }
            for (at, sealed) in texts(case, "statements").into_iter().enumerate() {
                // A set of one has a digest, but no statement may name it.
                match Statement::parse(&hex::decode(sealed).unwrap()) {
                    Ok(statement) if at < hashes.len() => assert_eq!(statement.member_hash(), hashes[at]),
                    Ok(statement) => hashes.push(statement.member_hash()),
                    Err(error) => assert_eq!(number(&case["count"]), 1, "{error}"),
                }
            }
            if case.get("hashes_sorted").is_some() {
                let mut sorted: Vec<_> = hashes.iter().map(ToString::to_string).collect();
                sorted.sort();
                assert_eq!(sorted, texts(case, "hashes_sorted"));
            }
            let digest = set_digest(&hashes);
            assert_eq!(digest.to_string(), text(case, "digest"));
            if let Ok(set) = EventSet::of(&hashes) {
                assert_eq!((u64::from(set.count), set.digest), (number(&case["count"]), digest));
            }
            for wrong in list(vectors, "wrong") {
                assert_ne!(digest.to_string(), text(wrong, "digest"), "{}", text(wrong, "why"));
            }
        }
    });
}

#[test]
fn touches_and_values() {
    with_vectors("tally/touches.json", |vectors| {
        for case in list(vectors, "cases") {
            let mut value = HeadValue::default();
            for step in case["steps"].as_array().unwrap() {
                let position = LogPosition::new(number(&step[0])).unwrap();
                let leaf: LeafHash = step[1].as_str().unwrap().parse().unwrap();
                assert_eq!(touch_hash(value.touch_hash, position, leaf).to_string(), step[2].as_str().unwrap());
                value = value.mentioned(position, leaf).unwrap();
                assert_eq!(value.touch_hash.to_string(), step[2].as_str().unwrap());
            }
            assert_eq!(value.touches, number(&case["touches"]));
            assert_eq!(value.touch_hash, text(case, "touch_hash").parse::<TouchHash>().unwrap());
        }
        for case in list(vectors, "values") {
            let value = HeadValue {
                chain_length: number(&case["chain_length"]),
                head_hash: text(case, "head_hash").parse().unwrap(),
                touches: number(&case["touches"]),
                touch_hash: text(case, "touch_hash").parse().unwrap(),
            };
            assert_eq!(value.encode().as_slice(), bytes(case, "value"));
            assert_eq!(HeadValue::parse(&bytes(case, "value")), Some(value));
            assert_eq!(Digest::of(&value.encode()).to_string(), text(case, "value_hash"));
            SubjectId::parse(&bytes(case, "subject")).unwrap();
        }
    });
}

/// What a server of that policy says to a token: the registered key is the first one only.
fn judge_token(token: &str, vectors: &Value) -> Result<(), tally_core::token::TokenError> {
    use tally_core::{
        time::Timestamp,
        token::{TokenError, UnverifiedToken},
    };
    let (policy, key) =
        (&vectors["policy"], PublicKey::parse(&bytes(list(vectors, "keys").first().unwrap(), "public_key")).unwrap());
    let token = UnverifiedToken::parse(token)?;
    if token.key_id() != key.key_id() || token.issuer() != text(policy, "issuer") {
        return Err(TokenError::KeyUnknown);
    }
    let now = Timestamp::from_micros(policy["now"].as_i64().unwrap() * 1_000_000);
    token.verify(&key, text(policy, "audience"), now, policy["leeway_seconds"].as_i64().unwrap()).map(|_| ())
}

#[test]
fn tokens() {
    with_vectors("jwt/jwt-eddsa.json", |vectors| {
        for case in list(vectors, "cases") {
            let said = judge_token(text(case, "token"), vectors);
            assert_verdict(case, said.is_ok(), said);
            // What a strict server should do where the standards are open is what this one does.
            if let Some(recommended) = case.get("recommend") {
                assert_eq!(said.is_ok(), recommended == "accept", "{}: {said:?}", text(case, "id"));
            }
        }
    });
}

#[test]
fn tokens_of_other_algorithms_and_forms() {
    with_vectors("jwt/wycheproof/json_web_signature_test.json", |vectors| {
        let jwt = std::env::var_os("TALLY_VECTORS").unwrap();
        let policy = std::fs::read(Path::new(&jwt).join("jwt/jwt-eddsa.json")).unwrap();
        let policy: Value = serde_json::from_slice(&policy).unwrap();
        for case in list(vectors, "testGroups").iter().flat_map(|group| list(group, "tests")) {
            let token = case["jws"].as_str().map_or_else(|| case["jws"].to_string(), str::to_owned);
            assert!(judge_token(&token, &policy).is_err(), "{case}");
        }
    });
}

#[test]
fn the_jws_of_rfc_8037_is_no_token_though_its_signature_holds() {
    with_vectors("jwt/rfc8037.json", |vector| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let (signed, signature) = text(vector, "jws").rsplit_once('.').unwrap();
        let key = PublicKey::parse(&URL_SAFE_NO_PAD.decode(text(&vector["public_jwk"], "x")).unwrap()).unwrap();
        let signature: [u8; 64] = URL_SAFE_NO_PAD.decode(signature).unwrap().try_into().unwrap();
        assert_eq!(key.verify(signed.as_bytes(), &signature), Ok(()));
        assert!(tally_core::token::UnverifiedToken::parse(text(vector, "jws")).is_err());
    });
}
