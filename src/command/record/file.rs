//! Events from a file.

use std::path::Path;

use serde_json::{Map, Value};
use tally_core::key::KeyId;

use super::super::{
    input,
    sign::signed_from_json,
    text::{instant, usage},
};
use super::{Content, Wish, fill, kind_of, template::SUBJECT};
use crate::output::CommandError;

/// The longest file that is read: a set of 64 events of the greatest length, spelled out in hexadecimal.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
const MEMBERS: &[&str] = &[
    "kind",
    "subject",
    "occurredAt",
    "organisation",
    "role",
    "performedBy",
    "checkedBy",
    "approvedBy",
    "hands",
    "body",
    "help",
];

/// Reads an event, or a list of events that make an atomic set; from stdin where the path is `-`.
pub(super) fn read(path: &Path) -> Result<Content, CommandError> {
    let text = input::text(path, FILE_BYTES_MAX)?;
    let json: Value = serde_json::from_str(&text).map_err(|error| {
        usage(format!("{}: {error}", path.display()))
            .help("an event is a JSON object, as `tally record template KIND` prints it")
    })?;
    content(json)
}

fn content(json: Value) -> Result<Content, CommandError> {
    let events = match json {
        Value::Array(events) => events,
        Value::Object(mut file) if file.contains_key("signed") => {
            let signed = file.remove("signed").unwrap_or_default();
            let signed = signed.as_array().map(Vec::as_slice).unwrap_or_default();
            return Ok(Content::Signed(signed.iter().map(signed_from_json).collect::<Result<_, _>>()?));
        }
        Value::Object(mut file) => match file.remove("events") {
            Some(Value::Array(events)) => events,
            Some(_) => return Err(usage("events is no list")),
            None => vec![Value::Object(file)],
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(usage("the file holds neither an event nor a list of events"));
        }
    };
    if events.is_empty() {
        return Err(usage("the list of events is empty"));
    }
    let alone = events.len() == 1;
    let wishes = events.into_iter().enumerate().map(|(at, event)| {
        wish(event).map_err(|error| if alone { error } else { error.detail(format!("in event {at} of the set")) })
    });
    Ok(Content::Wishes(wishes.collect::<Result<_, _>>()?))
}

fn wish(event: Value) -> Result<Wish, CommandError> {
    let Value::Object(mut event) = event else { return Err(usage("an event is no object")) };
    if let Some(unknown) = event.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(usage(format!("{unknown} is no member of an event; its members are {}", MEMBERS.join(", "))));
    }
    let kind = text(&mut event, "kind")?.ok_or_else(|| usage("kind is not given"))?;
    let kind = kind_of(&kind)?;
    let body = fill::fill(kind, event.remove("body").unwrap_or_default())?;
    let mut wish = Wish::new(kind, body);
    wish.subject = text(&mut event, "subject")?.filter(|subject| subject != SUBJECT);
    wish.occurred_at = text(&mut event, "occurredAt")?.as_deref().map(instant).transpose()?;
    wish.organisation = text(&mut event, "organisation")?;
    wish.role = text(&mut event, "role")?.filter(|role| !role.contains(" | "));
    wish.performed_by = keys(&mut event, "performedBy")?;
    wish.checked_by = keys(&mut event, "checkedBy")?;
    wish.approved_by = keys(&mut event, "approvedBy")?;
    wish.hands = texts(&mut event, "hands")?.into_iter().map(Into::into).collect();
    Ok(wish)
}

fn text(event: &mut Map<String, Value>, name: &str) -> Result<Option<String>, CommandError> {
    match event.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(usage(format!("{name} is no text")))
        }
    }
}

fn texts(event: &mut Map<String, Value>, name: &str) -> Result<Vec<String>, CommandError> {
    let wrong = || usage(format!("{name} is no list of texts"));
    let Some(given) = event.remove(name) else { return Ok(Vec::new()) };
    let members = given.as_array().ok_or_else(wrong)?.iter();
    let members = members.map(|member| member.as_str().map(str::to_owned).ok_or_else(wrong));
    let members: Vec<String> = members.collect::<Result<_, _>>()?;
    Ok(members.into_iter().filter(|member| !member.is_empty()).collect())
}

fn keys(event: &mut Map<String, Value>, name: &str) -> Result<Vec<KeyId>, CommandError> {
    let ids = texts(event, name)?.into_iter().map(|text| {
        text.parse::<KeyId>()
            .map_err(|error| usage(format!("{name}: {text}: {error}")).help("`tally key show FILE` prints key ids"))
    });
    ids.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(json: Value) -> String {
        format!("{:?}", content(json).unwrap_err())
    }

    #[test]
    fn lists_make_sets_and_what_is_wrong_says_in_which_member() {
        let note = json!({ "kind": "noted", "subject": "M::X::1", "body": { "text": "seen" } });
        let Content::Wishes(wishes) = content(note.clone()).unwrap() else { panic!() };
        assert_eq!(wishes.len(), 1);
        let Content::Wishes(wishes) = content(json!({ "events": [note, note] })).unwrap() else { panic!() };
        assert_eq!(wishes[1].subject.as_deref(), Some("M::X::1"));
        assert!(refusal(json!([note, { "kind": "exploded" }])).contains("in event 1 of the set"));
        assert!(refusal(json!({ "kind": "noted", "colour": 1 })).contains("colour is no member of an event"));
        assert!(refusal(json!([])).contains("empty"));
        assert!(refusal(json!(7)).contains("neither an event"));
    }

    #[test]
    fn what_a_template_left_as_it_is_counts_as_not_given() {
        let event =
            json!({ "kind": "noted", "subject": SUBJECT, "role": "mine | contractor", "occurredAt": "", "help": {} });
        let wish = wish(event).unwrap();
        assert_eq!((wish.subject, wish.role, wish.occurred_at), (None, None, None));
    }
}
