//! Every message as JSON, for people and programs, and bodies back from it
//!
//! This is proto3 JSON (lowerCamelCase names, full names of enum values, 64-bit numbers as text, defaults left out) but
//! for bytes, which nobody can read or compare as base64:
//!
//! - 16 bytes, which are ids, are a UUID with hyphens in lower case;
//! - all other bytes are lower-case hexadecimal.
//!
//! What is read may have either case, an id without its hyphens, and a subject key as `equipment/UUID`. Digits as text are
//! decimal without plus, leading zeros or blanks. A name may be the one of the contract (`pass_no`) instead of its JSON
//! form (`passNo`); `null` stands for a field that is not there.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::Value as Field;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};
use tally_core::event::kind::UnknownKind;
use tally_core::event::{EventKind, UncheckedBody};
use tally_core::id::{OrganisationId, SubjectId, parse_uuid};
use tally_core::signed_event::{Event, VerifiedEvent};
use tally_core::statement::Statement;
use tally_core::time::Timestamp;
use tally_log::LogPosition;
use tally_proto::v1;

/// Why a message has no JSON form, or JSON is no message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// No message of the contract has this name.
    #[error("{name} is no message of the contract")]
    UnknownMessage {
        /// As given.
        name: String,
    },
    /// No kind of event has this name.
    #[error(transparent)]
    UnknownKind(#[from] UnknownKind),
    /// The bytes are no such message.
    #[error("the bytes are no {name}")]
    Bytes {
        /// Which message.
        name: String,
        /// Why not.
        #[source]
        cause: prost::DecodeError,
    },
    /// A member is not what its name says.
    #[error("{field}: {problem}")]
    Member {
        /// Its path, from the kind of body on.
        field: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
}

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(tally_proto::DESCRIPTOR_SET).ok());

fn descriptor(name: &str) -> Result<MessageDescriptor, JsonError> {
    let found = POOL.as_ref().and_then(|pool| pool.get_message_by_name(name));
    found.ok_or_else(|| JsonError::UnknownMessage { name: name.to_owned() })
}

/// A message as JSON, by its full name, such as `tally.v1.Equipment`.
///
/// # Errors
/// [`JsonError::UnknownMessage`]; [`JsonError::Bytes`] if the message is of another type.
pub fn to_json<M: Message>(full_name: &str, message: &M) -> Result<Value, JsonError> {
    decoded(full_name, &message.encode_to_vec())
}

/// A statement as JSON. The bytes of a body whose number this program does not know are `bodyBytes`, beside `bodyNumber`.
///
/// # Errors
/// [`JsonError::Bytes`] if the body's bytes are not those of its number.
pub fn statement_to_json(statement: &Statement) -> Result<Value, JsonError> {
    let mut json = decoded("tally.v1.Statement", &statement.encode())?;
    if EventKind::from_number(statement.body_number).is_none()
        && let Some(members) = json.as_object_mut()
    {
        members.insert("bodyNumber".to_owned(), statement.body_number.into());
        members.insert("bodyBytes".to_owned(), hex::encode(&statement.body).into());
    }
    Ok(json)
}

/// An event as JSON, its statement spelled out instead of its bytes.
///
/// # Errors
/// As of [`statement_to_json`].
pub fn event_to_json(event: &Event) -> Result<Value, JsonError> {
    let mut json = decoded("tally.v1.Event", &event.encode())?;
    if let Some(members) = json.as_object_mut() {
        // Place 0 is one, too.
        members.insert("chainIndex".to_owned(), event.chain_index().to_string().into());
        members.insert("statement".to_owned(), statement_to_json(event.statement())?);
    }
    Ok(json)
}

/// An event as it is on record.
///
/// # Errors
/// As of [`statement_to_json`].
pub fn entry_to_json(position: LogPosition, recorded_at: Timestamp, event: &VerifiedEvent) -> Result<Value, JsonError> {
    Ok(serde_json::json!({
        "position": position.to_string(),
        "recordedAtUs": recorded_at.micros().to_string(),
        "eventHash": event.event_hash().to_string(),
        "keyId": event.issuer().to_string(),
        "signature": hex::encode(event.signature()),
        "event": event_to_json(event.event())?,
    }))
}

/// Reads the body of an event of a kind, such as `Inspected` or `inspected`. Its fields are not checked yet.
///
/// # Errors
/// [`JsonError::UnknownKind`]; [`JsonError::Member`] names the first member that is not what its name says.
pub fn body_from_json(kind: &str, json: &Value) -> Result<UncheckedBody, JsonError> {
    let kind: EventKind = kind.parse()?;
    let field = body_field(kind)?;
    let mut statement = DynamicMessage::new(field.parent_message().clone());
    set(&mut statement, &field, from_json(&field, kind.field(), json)?, kind.field())?;
    let cause = |cause| JsonError::Bytes { name: kind.name().to_owned(), cause };
    let statement: v1::Statement = statement.transcode_to().map_err(cause)?;
    let missing = || JsonError::UnknownMessage { name: kind.name().to_owned() };
    Ok(statement.body.ok_or_else(missing)?.into())
}

/// A body of a kind to fill in: every field with its empty value, enums with all their values, one member in each list.
/// What does not apply is to be deleted.
///
/// # Errors
/// [`JsonError::UnknownKind`].
pub fn template(kind: &str) -> Result<Value, JsonError> {
    Ok(empty_value(&body_field(kind.parse()?)?.kind()))
}

/// What the contract says of a kind, under an empty path, and of each field of its body, under its path in the JSON
/// form, such as `checks[].code`; in the order of the template.
///
/// # Errors
/// [`JsonError::UnknownKind`].
pub fn explain(kind: &str) -> Result<Vec<(String, String)>, JsonError> {
    let mut explained = Vec::new();
    if let Kind::Message(of) = body_field(kind.parse()?)?.kind() {
        explained.push((String::new(), comment(of.parent_file_descriptor_proto(), of.path())));
        explain_fields(&of, "", &mut explained);
    }
    Ok(explained)
}

fn explain_fields(of: &MessageDescriptor, path: &str, explained: &mut Vec<(String, String)>) {
    for field in of.fields() {
        let list = if field.is_list() { "[]" } else { "" };
        let path = if path.is_empty() { String::new() } else { format!("{path}.") };
        let path = format!("{path}{}{list}", field.json_name());
        explained.push((path.clone(), comment(of.parent_file_descriptor_proto(), field.path())));
        if let Kind::Message(inner) = field.kind() {
            explain_fields(&inner, &path, explained);
        }
    }
}

/// The comment that stands before an item of the contract.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let found =
        locations.filter(|location| location.path == path).find_map(|location| location.leading_comments.as_ref());
    let lines = found.map(String::as_str).unwrap_or_default().lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn body_field(kind: EventKind) -> Result<FieldDescriptor, JsonError> {
    let field = descriptor("tally.v1.Statement")?.get_field_by_name(kind.field());
    field.ok_or_else(|| JsonError::UnknownMessage { name: kind.name().to_owned() })
}

fn decoded(name: &str, bytes: &[u8]) -> Result<Value, JsonError> {
    let message = DynamicMessage::decode(descriptor(name)?, bytes);
    let message = message.map_err(|cause| JsonError::Bytes { name: name.to_owned(), cause })?;
    Ok(message_to_json(&message))
}

fn message_to_json(message: &DynamicMessage) -> Value {
    let members = message.fields().map(|(field, value)| (field.json_name().to_owned(), to_value(&field.kind(), value)));
    Value::Object(members.collect())
}

fn to_value(kind: &Kind, value: &Field) -> Value {
    match value {
        Field::Bool(value) => (*value).into(),
        Field::I32(value) => (*value).into(),
        Field::U32(value) => (*value).into(),
        Field::I64(value) => value.to_string().into(),
        Field::U64(value) => value.to_string().into(),
        // The contract has neither of the two: a quantity that is signed is never a float.
        Field::F32(value) => f64::from(*value).into(),
        Field::F64(value) => (*value).into(),
        Field::String(value) => value.as_str().into(),
        Field::Bytes(bytes) => bytes_to_text(bytes).into(),
        Field::EnumNumber(number) => match kind.as_enum().and_then(|of| of.get_value(*number)) {
            Some(value) => value.name().into(),
            None => (*number).into(),
        },
        Field::Message(message) => message_to_json(message),
        Field::List(list) => list.iter().map(|value| to_value(kind, value)).collect(),
        // The contract has no maps: their order is not canonical.
        Field::Map(_) => Value::Null,
    }
}

/// Bytes as this module writes them: a UUID if they are 16, else hexadecimal.
#[must_use]
pub fn bytes_to_text(bytes: &[u8]) -> String {
    match <[u8; 16]>::try_from(bytes) {
        Ok(id) => OrganisationId::new(id).to_string(),
        Err(_) => hex::encode(bytes),
    }
}

/// Bytes as this module reads them: a UUID, a subject such as `equipment/UUID`, or hexadecimal; `None` for other text.
#[must_use]
pub fn bytes_from_text(text: &str) -> Option<Vec<u8>> {
    if let Ok(id) = parse_uuid(text) {
        return Some(id.to_vec());
    }
    if let Ok(subject) = text.parse::<SubjectId>() {
        return Some(subject.key().to_vec());
    }
    hex::decode(text).ok()
}

fn wrong(field: &str, problem: impl Into<String>) -> JsonError {
    JsonError::Member { field: field.to_owned(), problem: problem.into() }
}

fn set(message: &mut DynamicMessage, field: &FieldDescriptor, value: Field, path: &str) -> Result<(), JsonError> {
    message.try_set_field(field, value).map_err(|error| wrong(path, error.to_string()))
}

/// The value of a field: of a list, one for each member.
fn from_json(field: &FieldDescriptor, path: &str, json: &Value) -> Result<Field, JsonError> {
    let kind = field.kind();
    if !field.is_list() {
        return scalar(&kind, path, json);
    }
    let members = json.as_array().ok_or_else(|| wrong(path, "is no list"))?;
    let members = members.iter().enumerate();
    let values = members.map(|(at, member)| scalar(&kind, &format!("{path}[{at}]"), member));
    Ok(Field::List(values.collect::<Result<_, _>>()?))
}

fn scalar(kind: &Kind, path: &str, json: &Value) -> Result<Field, JsonError> {
    match kind {
        Kind::Message(of) => Ok(Field::Message(message_from_json(of, path, json)?)),
        Kind::Enum(of) => enum_number(of, path, json).map(Field::EnumNumber),
        Kind::Bool => json.as_bool().map(Field::Bool).ok_or_else(|| wrong(path, "is neither true nor false")),
        Kind::String => {
            let text = json.as_str().ok_or_else(|| wrong(path, "is no text"))?;
            Ok(Field::String(text.to_owned()))
        }
        Kind::Bytes => {
            let bytes = json.as_str().and_then(bytes_from_text);
            let bytes = bytes.ok_or_else(|| wrong(path, "is neither a UUID nor hexadecimal"))?;
            Ok(Field::Bytes(bytes.into()))
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => number(path, json).map(Field::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number(path, json).map(Field::I64),
        Kind::Uint32 | Kind::Fixed32 => number(path, json).map(Field::U32),
        Kind::Uint64 | Kind::Fixed64 => number(path, json).map(Field::U64),
        // The contract has neither of the two.
        Kind::Float | Kind::Double => Err(wrong(path, "is of a type that the contract does not have")),
    }
}

fn message_from_json(of: &MessageDescriptor, path: &str, json: &Value) -> Result<DynamicMessage, JsonError> {
    let members: &Map<String, Value> = json.as_object().ok_or_else(|| wrong(path, "is no object"))?;
    let mut message = DynamicMessage::new(of.clone());
    for (name, value) in members {
        let path = format!("{path}.{name}");
        let field = of.get_field_by_json_name(name).or_else(|| of.get_field_by_name(name));
        let field = field.ok_or_else(|| {
            let known: Vec<String> = of.fields().map(|field| field.json_name().to_owned()).collect();
            wrong(&path, format!("is no field of {}; its fields are {}", of.name(), known.join(", ")))
        })?;
        if message.has_field(&field) {
            return Err(wrong(&path, "is given twice"));
        }
        if !value.is_null() {
            set(&mut message, &field, from_json(&field, &path, value)?, &path)?;
        }
    }
    Ok(message)
}

fn enum_number(of: &EnumDescriptor, path: &str, json: &Value) -> Result<i32, JsonError> {
    let by_name = json.as_str().and_then(|name| of.get_value_by_name(name));
    let by_number = json.as_i64().and_then(|number| i32::try_from(number).ok()).and_then(|number| of.get_value(number));
    let value = by_name.or(by_number).map(|value| value.number());
    value.ok_or_else(|| wrong(path, format!("is none of {}", choices(of))))
}

/// A number, or its digits as text, in the one form in which this module writes them.
fn number<N: TryFrom<i128>>(path: &str, json: &Value) -> Result<N, JsonError> {
    let number = match json {
        Value::Number(number) => number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)),
        // `parse` also takes `+5`, `007` and `-0`.
        Value::String(digits) => digits.parse().ok().filter(|number: &i128| number.to_string() == *digits),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let number = number.ok_or_else(|| wrong(path, "is no whole number"))?;
    N::try_from(number).map_err(|_| wrong(path, format!("is {number}, which this field cannot hold")))
}

fn choices(of: &EnumDescriptor) -> String {
    let names: Vec<String> =
        of.values().filter(|value| value.number() != 0).map(|value| value.name().to_owned()).collect();
    names.join(" | ")
}

fn empty_value(kind: &Kind) -> Value {
    match kind {
        Kind::Message(of) => {
            let members = of.fields().map(|field| {
                let value = empty_value(&field.kind());
                let value = if field.is_list() { Value::Array(vec![value]) } else { value };
                (field.json_name().to_owned(), value)
            });
            Value::Object(members.collect())
        }
        Kind::Enum(of) => choices(of).into(),
        Kind::Bool => false.into(),
        Kind::String | Kind::Bytes => "".into(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Uint32 | Kind::Fixed32 => 0.into(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => "0".into(),
        Kind::Float | Kind::Double => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tally_core::hash::EventHash;
    use tally_core::id::{EventId, SubjectKind};
    use tally_core::number::ChainIndex;

    use super::*;

    /// The body of a statement, by its number and bytes.
    fn body_json(kind: EventKind, body: &UncheckedBody) -> Value {
        let (number, bytes) = body.encode();
        let mut json = statement_to_json(&statement(number, bytes)).unwrap();
        let name = body_field(kind).unwrap().json_name().to_owned();
        json.as_object_mut().unwrap().remove(&name).unwrap()
    }

    fn statement(body_number: u32, body: Vec<u8>) -> Statement {
        Statement {
            origin: "log.example/a".to_owned(),
            event_id: EventId::parse(&[1, 2, 3, 4, 5, 6, 0x77, 8, 0x89, 10, 11, 12, 13, 14, 15, 16]).unwrap(),
            subject: SubjectId::new(SubjectKind::Equipment, [0xAB; 16]),
            occurred_at: Timestamp::from_micros(-5),
            organisation: OrganisationId::new([0xCD; 16]),
            role: 4,
            mentions: vec![SubjectId::new(SubjectKind::Mine, [3; 16])],
            set: None,
            first_index: ChainIndex::new(9),
            performed_by: Vec::new(),
            checked_by: Vec::new(),
            approved_by: Vec::new(),
            body_number,
            body,
        }
    }

    /// A value for every field, none of them the default.
    fn full_value(kind: &Kind, salt: &mut u8) -> Value {
        *salt = salt.wrapping_add(1).max(1);
        match kind {
            Kind::Message(of) => {
                let members = of.fields().map(|field| {
                    let mut value = full_value(&field.kind(), salt);
                    if field.is_list() {
                        value = vec![value, full_value(&field.kind(), salt)].into();
                    }
                    (field.json_name().to_owned(), value)
                });
                Value::Object(members.collect())
            }
            Kind::Enum(of) => of.values().last().unwrap().name().into(),
            Kind::Bool => true.into(),
            Kind::String => format!("文{salt}").into(),
            Kind::Bytes => bytes_to_text(&vec![*salt; [16, 17, 32][usize::from(*salt % 3)]]).into(),
            Kind::Uint32 => u32::MAX.into(),
            Kind::Int64 | Kind::Sint64 => i64::MIN.to_string().into(),
            Kind::Uint64 => u64::MAX.to_string().into(),
            Kind::Int32 | Kind::Sint32 => i32::MIN.into(),
            Kind::Fixed32 | Kind::Fixed64 | Kind::Sfixed32 | Kind::Sfixed64 | Kind::Float | Kind::Double => {
                panic!("{kind:?} is not canonical, or no number of this contract")
            }
        }
    }

    #[test]
    fn every_field_of_every_body_comes_back() {
        let mut salt = 0;
        for kind in EventKind::ALL {
            let json = full_value(&body_field(*kind).unwrap().kind(), &mut salt);
            let body = body_from_json(kind.name(), &json).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert_eq!(body_json(*kind, &body), json, "{kind}");
        }
    }

    /// As somebody would fill it in: the first choice of each enum.
    fn choose(value: &mut Value) {
        match value {
            Value::Object(members) => members.values_mut().for_each(choose),
            Value::Array(members) => members.iter_mut().for_each(choose),
            Value::String(text) => *text = text.split(" | ").next().unwrap().to_owned(),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    #[test]
    fn every_template_can_be_filled_in() {
        for kind in EventKind::ALL {
            let mut json = template(kind.field()).unwrap();
            choose(&mut json);
            let body = body_from_json(kind.field(), &json).unwrap_or_else(|error| panic!("{kind}: {error}"));
            let again = body_from_json(kind.name(), &body_json(*kind, &body)).unwrap();
            assert_eq!(again.encode(), body.encode(), "{kind}");
        }
        let inspected = template("inspected").unwrap();
        assert_eq!(inspected["machines"], serde_json::json!([""]));
        let left_as_it_is = body_from_json("inspected", &inspected).unwrap_err().to_string();
        assert!(left_as_it_is.contains("is none of"), "{left_as_it_is}");
        assert!(matches!(template("exploded"), Err(JsonError::UnknownKind(_))));
    }

    #[test]
    fn every_field_of_every_kind_is_explained_in_the_words_of_the_contract() {
        for kind in EventKind::ALL {
            let explained = explain(kind.field()).unwrap();
            assert!(explained.iter().all(|(_, words)| !words.is_empty()), "{kind}: {explained:?}");
        }
        let inspected: BTreeMap<String, String> = explain("inspected").unwrap().into_iter().collect();
        assert!(inspected[""].ends_with("检查"), "{inspected:?}");
        assert_eq!(inspected["nothingFound"], "Nothing was found; where there are no items. 未发现问题");
        assert_eq!(inspected["items[].result"], "Outcome of the item.");
    }

    #[test]
    fn ids_are_uuids_and_hashes_hexadecimal_in_every_form_that_people_write() {
        let id = "abababab-abab-abab-abab-abababababab";
        assert_eq!(bytes_to_text(&[0xAB; 16]), id);
        assert_eq!(bytes_to_text(&[0xAB; 17]), "ab".repeat(17));
        for text in [id, &id.to_uppercase(), &"ab".repeat(16), &"AB".repeat(16)] {
            assert_eq!(bytes_from_text(text), Some(vec![0xAB; 16]), "{text}");
        }
        let key = SubjectId::new(SubjectKind::Equipment, [0xAB; 16]).key().to_vec();
        assert_eq!(bytes_from_text(&format!("equipment/{id}")), Some(key));
        assert_eq!(bytes_from_text(""), Some(Vec::new()));
        assert_eq!(bytes_from_text("q6urqw=="), None, "base64 is not taken for something else");
    }

    #[test]
    fn wrong_members_are_named_with_what_would_be_right() {
        let refused = |json: Value| body_from_json("LotSplit", &json).unwrap_err().to_string();
        let colour = refused(serde_json::json!({ "colour": 1 }));
        assert_eq!(colour, "lot_split.colour: is no field of LotSplit; its fields are parent, children, state, mine");
        let mine = refused(serde_json::json!({ "mine": "x" }));
        assert_eq!(mine, "lot_split.mine: is neither a UUID nor hexadecimal");
        let scale = refused(serde_json::json!({ "children": [{ "suffix": "1" }, { "from": { "scale": -1 } }] }));
        assert_eq!(scale, "lot_split.children[1].from.scale: is -1, which this field cannot hold");
        let digits = refused(serde_json::json!({ "children": [{ "from": { "digits": "1.5" } }] }));
        assert_eq!(digits, "lot_split.children[0].from.digits: is no whole number");
        for digits in ["+5", "007", "-0", "-07", " 5", "5 ", "5.0", "5e0", "0x5", "٥", ""] {
            let json = serde_json::json!({ "children": [{ "from": { "digits": digits } }] });
            assert_eq!(refused(json), "lot_split.children[0].from.digits: is no whole number", "{digits:?}");
        }
        for digits in ["0", "5", "-5", "9223372036854775807", "-9223372036854775808"] {
            let json = serde_json::json!({ "children": [{ "from": { "digits": digits } }] });
            assert!(body_from_json("LotSplit", &json).is_ok(), "{digits:?}");
        }
        let digits = refused(serde_json::json!({ "children": [{ "from": { "digits": "9223372036854775808" } }] }));
        assert!(digits.ends_with("is 9223372036854775808, which this field cannot hold"), "{digits}");
        assert_eq!(refused(serde_json::json!([])), "lot_split: is no object");
        let inspected = serde_json::json!({ "passNo": "1", "pass_no": "2" });
        let twice = body_from_json("ex_proof_checked", &inspected).unwrap_err().to_string();
        assert_eq!(twice, "ex_proof_checked.pass_no: is given twice");
        assert!(body_from_json("lot_split", &serde_json::json!({ "parent": null })).is_ok());
    }

    #[test]
    fn events_are_spelled_out_and_unknown_bodies_kept() {
        let unknown = statement(19_000, vec![8, 1]);
        let event = Event::new(ChainIndex::new(9), EventHash::new([7; 32]), &unknown.encode(), Vec::new()).unwrap();
        let json = event_to_json(&event).unwrap();
        assert_eq!(json["chainIndex"], "9");
        assert_eq!(json["previousHash"], "07".repeat(32));
        let statement = &json["statement"];
        assert_eq!(statement["subject"], format!("05{}", "ab".repeat(16)));
        assert_eq!(statement["organisation"], "cdcdcdcd-cdcd-cdcd-cdcd-cdcdcdcdcdcd");
        assert_eq!(statement["occurredAtUs"], "-5");
        assert_eq!(statement["role"], "ROLE_MINE");
        assert_eq!((&statement["bodyNumber"], &statement["bodyBytes"]), (&19_000.into(), &"0801".into()));
    }

    /// Symbols of the sample stand for what whoever replays it makes.
    fn replace_symbols(value: &mut Value) {
        match value {
            Value::Object(members) => members.values_mut().for_each(replace_symbols),
            Value::Array(members) => members.iter_mut().for_each(replace_symbols),
            Value::String(text) if text.starts_with("@event:") => {
                *value =
                    serde_json::json!({ "subject": "05".repeat(17), "chainIndex": "3", "eventHash": "6c".repeat(32) });
            }
            Value::String(text) if text.starts_with('@') => *text = "0A".repeat(16),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_body_of_the_sample_is_read() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sample.jsonl");
        let mut events = 0;
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            if line["type"] != "event" {
                continue;
            }
            replace_symbols(&mut line["body"]);
            let kind = line["kind"].as_str().unwrap();
            let body = body_from_json(kind, &line["body"]).unwrap_or_else(|error| panic!("{}: {error}", line["id"]));
            let again = body_from_json(kind, &body_json(kind.parse().unwrap(), &body)).unwrap();
            assert_eq!(again.encode(), body.encode(), "{}", line["id"]);
            events += 1;
        }
        assert!(events > 1_000);
    }
}
