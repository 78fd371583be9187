//! Bodies as people write them: short names of enums, days, quantities and files instead of their messages.
//!
//! What a template left as it is counts as not given.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};
use tally_client::json;
use tally_core::{
    event::EventKind,
    hash::sha256,
    id::{SubjectId, SubjectKind},
};

use super::super::text::{self, day, instant, usage};
use crate::output::CommandError;

/// Fields that name a machine by its id, and may be given as a plate.
const MACHINES: &[&str] =
    &["machines", "machine", "equipment", "assembly", "left", "right", "other", "parent", "predecessor", "successor"];
/// Lists that are sorted, whatever order they are given in.
const SORTED: &[&str] = &[
    "machines",
    "mines",
    "areas",
    "categories",
    "protections",
    "scheduleCodes",
    "standards",
    "documented",
    "plateKeys",
    "plateNames",
    "plateNamesAdded",
    "plateNamesEnded",
    "purposes",
    "models",
    "sectors",
    "gasGrades",
    "placesExcluded",
    "serials",
    "serialsAdded",
    "trialMines",
    "stops",
    "by",
    "usageMeasures",
    "groups",
    "modelPrefixes",
    "componentPrefixes",
    "slots",
    "sitsInSlots",
    "inside",
    "functions",
    "exMarkParts",
    "exMarkPartsNot",
    "places",
    "placesNot",
];
/// Lists that are sorted by fields of their members.
const SORTED_BY: &[(&str, &[&str])] = &[
    ("rows", &["code"]),
    ("categories", &["code"]),
    ("selectors", &["code"]),
    ("parameters", &["rule", "key"]),
    ("attributes", &["key"]),
];

/// Brings a body into the form of the contract.
///
/// # Errors
/// A value that is none of its field's.
pub(super) fn fill(kind: EventKind, given: Value) -> Result<Value, CommandError> {
    let template = json::template(kind.field()).map_err(|error| usage(error.to_string()))?;
    Ok(shape(&template, given, "")?.unwrap_or_else(|| json!({})))
}

/// Sets a field of a body: `FIELD=VALUE`, with dots between the names of fields inside fields.
///
/// # Errors
/// A text without an equals sign, or a field that the kind does not have.
pub(super) fn set(kind: EventKind, body: &mut Map<String, Value>, text: &str) -> Result<(), CommandError> {
    let help = format!("`tally record template {}` shows every field", kind.field());
    let (field, value) =
        text.split_once('=').ok_or_else(|| usage(format!("--set {text} is no FIELD=VALUE")).help(help.clone()))?;
    let template = json::template(kind.field()).map_err(|error| usage(error.to_string()))?;
    let names: Vec<String> = field.split('.').map(camel).collect();
    let found = names.iter().try_fold(&template, |value, name| value.get(name));
    let Some(found) = found else {
        let known: Vec<&str> = template.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let told = usage(format!("{} has no field {field}; its fields are {}", kind.field(), known.join(", ")));
        return Err(told.help(help));
    };
    let field = names.join(".");
    let parsed = serde_json::from_str::<Value>(value).ok();
    match found {
        // Text is taken as it is, whatever it looks like, unless it is quoted.
        Value::String(_) => {
            let quoted = parsed.filter(Value::is_string);
            put(body, &field, quoted.unwrap_or_else(|| value.into()));
        }
        Value::Array(_) => match parsed {
            Some(Value::Array(members)) => put(body, &field, Value::Array(members)),
            member => append(body, &field, member.unwrap_or_else(|| value.into())),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            put(body, &field, parsed.unwrap_or_else(|| value.into()));
        }
    }
    Ok(())
}

/// Puts a value into a body, at a path with dots.
pub(super) fn put(body: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            body.insert(path.to_owned(), value);
        }
        Some((name, rest)) => {
            let inner = body.entry(name).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

fn append(body: &mut Map<String, Value>, path: &str, member: Value) {
    let known = path.split('.').try_fold(&Value::Object(body.clone()), |value, name| value.get(name)).cloned();
    let mut members = known.and_then(|known| known.as_array().cloned()).unwrap_or_default();
    members.push(member);
    put(body, path, Value::Array(members));
}

/// `pass_no` as JSON has it: `passNo`.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let mut letters = part.chars();
        let head = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &head.into_iter().chain(letters).collect::<String>()
    })
}

/// `passNo` as the contract has it: `pass_no`.
pub(super) fn snake(name: &str) -> String {
    let spread = name.chars().flat_map(|letter| {
        let blank = letter.is_ascii_uppercase().then_some('_');
        blank.into_iter().chain([letter.to_ascii_lowercase()])
    });
    spread.collect()
}

/// The short names of an enum's values, from the text of a template; none where it is no enum.
pub(super) fn short_choices(template: &str) -> Vec<String> {
    let prefix = prefix_of(template);
    if !template.contains(" | ") {
        return Vec::new();
    }
    template.split(" | ").map(|choice| text::short_name(choice, prefix)).collect()
}

/// What all values of an enum begin with, up to the last line.
fn prefix_of(template: &str) -> &str {
    let first = template.split(" | ").next().unwrap_or_default();
    let mut common = first;
    for choice in template.split(" | ") {
        while !choice.starts_with(common) {
            common = common.get(..common.len() - 1).unwrap_or_default();
        }
    }
    common.get(..common.rfind('_').map_or(0, |at| at + 1)).unwrap_or_default()
}

/// A value in the form of its field; `None` where it is not given.
fn shape(template: &Value, given: Value, path: &str) -> Result<Option<Value>, CommandError> {
    match (template, given) {
        (_, Value::Null) => Ok(None),
        (Value::Object(fields), given) => shape_object(fields, given, path),
        (Value::Array(members), Value::Array(given)) => {
            let inner = members.first().unwrap_or(&Value::Null);
            let mut shaped = Vec::new();
            for member in given {
                shaped.extend(shape(inner, member, path)?);
            }
            if inner.is_object() {
                let by = SORTED_BY.iter().find(|(name, _)| *name == last(path)).map(|(_, by)| *by);
                let text = |member: &Value, field: &&str| member.get(field).and_then(Value::as_str).map(str::to_owned);
                let order =
                    |member: &Value| by.map(|by| by.iter().map(|field| text(member, field)).collect::<Vec<_>>());
                shaped.sort_by_key(order);
            } else if SORTED.contains(&last(path)) {
                let order = |member: &Value| {
                    let place =
                        inner.as_str().and_then(|choices| choices.split(" | ").position(|choice| *member == choice));
                    (place, member.as_str().map(str::to_owned))
                };
                shaped.sort_by_key(order);
                shaped.dedup();
            }
            Ok((!shaped.is_empty()).then_some(Value::Array(shaped)))
        }
        (Value::String(template), Value::String(given)) => shape_text(template, given, path),
        (Value::String(digits), Value::Number(given)) if digits == "0" && given.as_u64() == Some(0) => Ok(None),
        (template, given) => Ok((*template != given).then_some(given)),
    }
}

fn shape_object(fields: &Map<String, Value>, given: Value, path: &str) -> Result<Option<Value>, CommandError> {
    let has = |names: &[&str]| fields.len() == names.len() && names.iter().all(|name| fields.contains_key(*name));
    let given = match given {
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) if has(&["year", "month", "day"]) => {
            let day = day(&text).map_err(|error| error.detail(format!("in {path}")))?;
            return Ok(Some(json!({ "year": day.year, "month": day.month, "day": day.day })));
        }
        Value::String(text) if has(&["key", "digits", "scale", "unit"]) => return quantity(&text, path).map(Some),
        Value::String(text) if has(&["sha256", "mediaType", "sizeBytes"]) => return attachment(&text).map(Some),
        Value::String(text) if has(&["subject", "chainIndex", "eventHash"]) && text.parse::<u64>().is_ok() => {
            return Ok(Some(json!({ "chainIndex": text })));
        }
        Value::Number(place) if has(&["subject", "chainIndex", "eventHash"]) => {
            return Ok(Some(json!({ "chainIndex": place })));
        }
        Value::Object(given) => given,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Ok(Some(other));
        }
    };
    let is_reference = has(&["subject", "chainIndex", "eventHash"]);
    let mut shaped = Map::new();
    for (name, value) in given {
        let name = if fields.contains_key(&name) { name } else { camel(&name) };
        let Some(template) = fields.get(&name) else {
            // The contract says what is wrong with it.
            shaped.insert(name, value);
            continue;
        };
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if let Some(value) = shape(template, value, &inner)? {
            shaped.insert(name, value);
        }
    }
    // The first place of a chain is one, too.
    if is_reference && !shaped.is_empty() && !shaped.contains_key("chainIndex") {
        shaped.insert("chainIndex".to_owned(), "0".into());
    }
    Ok((!shaped.is_empty()).then_some(Value::Object(shaped)))
}

fn shape_text(template: &str, given: String, path: &str) -> Result<Option<Value>, CommandError> {
    if given.is_empty() || (template == given && template.contains(" | ")) || (template == "0" && given == "0") {
        return Ok(None);
    }
    let name = last(path);
    if template == "0" {
        // An instant as people write it; digits are microseconds.
        let is_digits = given.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        let is_instant = name.ends_with("Us") && !is_digits;
        return Ok(Some(if is_instant { instant(&given)?.micros().to_string().into() } else { given.into() }));
    }
    if !template.is_empty() {
        return choice(template, &given, path).map(|choice| Some(choice.into()));
    }
    if MACHINES.contains(&name)
        && let Some((plate, identity)) = text::plate(&given)
    {
        let id = tally_core::event::plate_id(identity, &plate.maker, &plate.model, &plate.serial)
            .map_err(|error| usage(format!("{path}: {given}: {error}")))?;
        return Ok(Some(text::uuid(id.id()).into()));
    }
    // An id inside a body has no kind: its field says what it is.
    match given.parse::<SubjectId>() {
        Ok(subject) if name != "subject" && subject.kind() != SubjectKind::Publication => {
            Ok(Some(text::uuid(subject.id()).into()))
        }
        Ok(_) | Err(_) => Ok(Some(given.into())),
    }
}

/// The full name of an enum's value.
fn choice(template: &str, given: &str, path: &str) -> Result<String, CommandError> {
    let wanted = given.to_ascii_uppercase().replace('-', "_");
    let full = format!("{}{wanted}", prefix_of(template));
    let found = template.split(" | ").find(|choice| *choice == wanted || *choice == full);
    found.map(str::to_owned).ok_or_else(|| {
        let choices: Vec<String> =
            template.split(" | ").map(|choice| text::short_name(choice, prefix_of(template))).collect();
        usage(format!("{path}: {given} is none of {}", choices.join(", ")))
    })
}

/// A quantity: `12.5 kW`, named by its field.
fn quantity(text: &str, path: &str) -> Result<Value, CommandError> {
    let wrong = || {
        usage(format!("{path}: {text} is no quantity"))
            .help("write it like '12.5 kW', or as an object with key, digits, scale, unit")
    };
    let (number, unit) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
    let digits: i64 = format!("{whole}{rest}").parse().map_err(|_| wrong())?;
    if rest.len() > 9 || rest.starts_with(['-', '+']) {
        return Err(wrong());
    }
    Ok(json!({ "key": snake(last(path)), "digits": digits.to_string(), "scale": rest.len(), "unit": unit.trim() }))
}

/// A document or picture: its digest, its kind by the end of its name, its length.
fn attachment(file: &str) -> Result<Value, CommandError> {
    let path = Path::new(file);
    let bytes = fs::read(path).map_err(|error| {
        usage(format!("{file}: {error}"))
            .help("an attachment is named by a file, or given as an object with sha256, mediaType, sizeBytes")
    })?;
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
    let media_type =
        MEDIA_TYPES.iter().find(|(known, _)| *known == end).map_or("application/octet-stream", |(_, kind)| kind);
    Ok(json!({
        "sha256": hex::encode(sha256(&[&bytes])),
        "mediaType": media_type,
        "sizeBytes": bytes.len().to_string(),
    }))
}

const MEDIA_TYPES: &[(&str, &str)] = &[
    ("pdf", "application/pdf"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("csv", "text/csv"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
];

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_that_nobody_filled_in_says_nothing() {
        for kind in EventKind::ALL {
            let filled = fill(*kind, json::template(kind.field()).unwrap()).unwrap();
            // The one algorithm of keys is no choice.
            let due =
                if *kind == EventKind::KeyAdded { json!({ "algorithm": "KEY_ALGORITHM_ED25519" }) } else { json!({}) };
            assert_eq!(filled, due, "{kind}");
        }
    }

    #[test]
    fn people_write_short_names_days_quantities_and_plates() {
        let given = json!({
            "kind": "daily",
            "next_due": "2026-05-02",
            "startedUs": "1970-01-01T00:00:01Z",
            "items": [{ "code": "oil", "result": "pass", "value": "2.50 l" }, { "code": "", "result": "" }],
            "machines": ["mine/00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000001"],
        });
        let filled = fill(EventKind::Inspected, given).unwrap();
        let due = json!({
            "kind": "INSPECTION_KIND_DAILY",
            "nextDue": { "year": 2026, "month": 5, "day": 2 },
            "startedUs": "1000000",
            "items": [{
                "code": "oil",
                "result": "CHECK_RESULT_PASS",
                "value": { "key": "value", "digits": "250", "scale": 2, "unit": "l" },
            }],
            "machines": ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"],
        });
        assert_eq!(filled, due);
        let plate = fill(EventKind::LotSplit, json!({ "parent": "lot:M::B::7" })).unwrap();
        let lot = SubjectId::lot("M", "B", "7").unwrap();
        assert_eq!(plate["parent"], text::uuid(lot.id()));
    }

    #[test]
    fn lists_that_are_sets_come_in_their_order() {
        let given = json!({
            "parameters": [
                { "rule": "MON-003", "key": "from", "value": "2026-01-01" },
                { "rule": "EX-002", "key": "valid_days", "value": "5" },
            ],
        });
        let filled = fill(EventKind::PolicyPublished, given).unwrap();
        assert_eq!(filled["parameters"][0]["rule"], "EX-002");
        let given = json!({ "stops": ["use", "making", "use"] });
        let filled = fill(EventKind::MarkSuspended, given).unwrap();
        assert_eq!(filled["stops"], json!(["MARK_ACTIVITY_MAKING", "MARK_ACTIVITY_USE"]));
        let given =
            json!({ "rows": [{ "code": "B" }, { "code": "A", "bans": [{ "criteria": { "slots": ["b", "a"] } }] }] });
        let filled = fill(EventKind::PhaseOutPublished, given).unwrap();
        assert_eq!(filled["rows"][0], json!({ "code": "A", "bans": [{ "criteria": { "slots": ["a", "b"] } }] }));
        // Slots of a model have an order of their own.
        let given = json!({ "slots": [{ "name": "b" }, { "name": "a" }] });
        assert_eq!(fill(EventKind::ModelRegistered, given).unwrap()["slots"][0]["name"], "b");
    }

    #[test]
    fn a_value_that_is_none_is_met_with_those_that_are() {
        let error = fill(EventKind::FaultReported, json!({ "severity": "grave" })).unwrap_err();
        assert_eq!(error.to_string(), "severity: grave is none of stop, serious, minor");
        let error = fill(EventKind::LeaseStarted, json!({ "maintains": "me" })).unwrap_err();
        assert_eq!(error.to_string(), "maintains: me is none of lessor, lessee");
    }

    #[test]
    fn fields_are_set_by_name_with_text_as_it_is() {
        let mut body = Map::new();
        for text in
            ["pass_no=007", "valid_until=2026-05-02", "checklist={\"code\":\"gap\",\"result\":\"pass\"}", "result=pass"]
        {
            set(EventKind::ExProofChecked, &mut body, text).unwrap();
        }
        assert_eq!(body["passNo"], "007");
        assert_eq!(body["checklist"], json!([{ "code": "gap", "result": "pass" }]));
        for work in ["work=cleaned", "work=greased"] {
            set(EventKind::Maintained, &mut body, work).unwrap();
        }
        assert_eq!(body["work"], json!(["cleaned", "greased"]));
        let unknown = set(EventKind::Noted, &mut body, "note=x").unwrap_err();
        assert_eq!(unknown.to_string(), "noted has no field note; its fields are attachments, text");
        set(EventKind::Moved, &mut body, "to_location.text=gate").unwrap();
        assert_eq!(body["toLocation"], json!({ "text": "gate" }));
    }

    #[test]
    fn names_turn_both_ways() {
        assert_eq!((camel("pass_no"), camel("passNo"), camel("in")), ("passNo".into(), "passNo".into(), "in".into()));
        assert_eq!(snake("toLocation"), "to_location");
    }
}
