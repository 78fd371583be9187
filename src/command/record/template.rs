//! `tally record template`: an event to fill in.

use std::{collections::BTreeMap, process::ExitCode};

use serde_json::{Map, Value, json};
use tally_client::json;
use tally_core::{
    authority::{self, Second, Signer, role_name, second_name, signer_name},
    event::EventKind,
    id::SubjectKind,
};

use super::super::text::usage;
use super::fill::{short_choices, snake};
use crate::output::Output;

/// What stands for a machine that is to be named.
pub(super) const SUBJECT: &str = "MAKER::MODEL::SERIAL";

/// Prints an event of a kind to fill in.
pub(super) fn print(kind: EventKind, output: &Output) -> anyhow::Result<ExitCode> {
    let body = json::template(kind.field()).map_err(|error| usage(error.to_string()))?;
    let explained = json::explain(kind.field()).map_err(|error| usage(error.to_string()))?;
    let help = help(kind, &body, &explained);
    let subject = if kind.subjects().first() == Some(&SubjectKind::Equipment) { SUBJECT } else { "" };
    let event = [
        ("kind", json!(kind.field())),
        ("subject", json!(subject)),
        ("occurredAt", json!("")),
        ("organisation", json!("")),
        ("role", json!(roles(kind).join(" | "))),
        ("performedBy", json!([""])),
        ("checkedBy", json!([""])),
        ("approvedBy", json!([""])),
        ("body", body),
    ];
    if output.is_lines() {
        let mut whole: Map<String, Value> = event.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        whole.insert("help".to_owned(), help.into_iter().map(|(name, words)| (name, Value::from(words))).collect());
        output.json(&Value::Object(whole))?;
        return Ok(ExitCode::SUCCESS);
    }
    let order: Vec<String> = explained.into_iter().map(|(path, _)| path).collect();
    let mut text = String::from("{\n");
    for (name, value) in &event {
        text.push_str(&format!("  {}: {},\n", json!(name), spelled(value, "", &order, 2)));
    }
    let lines: Vec<String> =
        help.iter().map(|(path, words)| format!("    {}: {}", json!(path), json!(words))).collect();
    text.push_str(&format!("  \"help\": {{\n{}\n  }}\n}}", lines.join(",\n")));
    output.document(&text);
    Ok(ExitCode::SUCCESS)
}

/// A value with its members in the order of the contract, which a map does not keep.
fn spelled(value: &Value, path: &str, order: &[String], indent: usize) -> String {
    let blank = " ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() => {
            let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let place = |name: &String| {
                let (one, list) = (inner(name), format!("{}[]", inner(name)));
                order.iter().position(|known| *known == one || *known == list)
            };
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by_key(|name| place(name));
            let lines = names.into_iter().map(|name| {
                let value = members.get(name).unwrap_or(&Value::Null);
                format!("{blank}  {}: {}", json!(name), spelled(value, &inner(name), order, indent + 2))
            });
            format!("{{\n{}\n{blank}}}", lines.collect::<Vec<_>>().join(",\n"))
        }
        Value::Array(members) => {
            let path = format!("{path}[]");
            let members: Vec<String> = members.iter().map(|member| spelled(member, &path, order, indent)).collect();
            format!("[{}]", members.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => value.to_string(),
    }
}

/// Roles that may issue the kind, where it is a role that may.
fn roles(kind: EventKind) -> Vec<&'static str> {
    let signers = authority::of(kind).signers.iter();
    signers.filter_map(|signer| if let Signer::Role(role) = signer { Some(role_name(*role)) } else { None }).collect()
}

fn help(kind: EventKind, body: &Value, explained: &[(String, String)]) -> Vec<(String, String)> {
    let signers: Vec<&str> = authority::of(kind).signers.iter().map(|signer| signer_name(*signer)).collect();
    let second = authority::of(kind).second;
    let second =
        if second == Second::Nobody { String::new() } else { format!("; second signature: {}", second_name(second)) };
    let mut help = vec![
        ("signed by".to_owned(), format!("{}{second}", signers.join(", "))),
        ("subject".to_owned(), subject_help(kind)),
        (
            "occurredAt".to_owned(),
            "when it happened, like 2026-04-02T08:00:00+08:00; now, where it is empty 发生时间".to_owned(),
        ),
        ("organisation".to_owned(), "who acts; or leave it empty and give --organisation 单位".to_owned()),
        ("role".to_owned(), "the role in which it acts; or leave it and give --role 角色".to_owned()),
        (
            "performedBy, checkedBy, approvedBy".to_owned(),
            "key ids of those who did, checked and approved it: claims, unless they sign".to_owned(),
        ),
    ];
    let needed = needed(kind);
    // What a day or a quantity consists of is said once.
    let mut said: BTreeMap<Vec<&str>, &str> = BTreeMap::new();
    for (path, words) in explained {
        if path.is_empty() {
            help.insert(0, ("this".to_owned(), words.clone()));
            continue;
        }
        let inner = |of: &str| -> Vec<&str> {
            explained.iter().filter_map(|(path, _)| path.strip_prefix(of)?.strip_prefix('.')).collect()
        };
        let outer = path.rsplit_once('.').map(|(outer, _)| outer);
        if outer.is_some_and(|outer| *said.entry(inner(outer)).or_insert(outer) != outer) {
            continue;
        }
        let is_needed = if needed.contains(path.trim_end_matches("[]")) { "needed. " } else { "" };
        let choices = choices_at(body, path).map(|choices| format!(" [{}]", choices.join(", "))).unwrap_or_default();
        help.push((format!("body.{path}"), format!("{is_needed}{words}{choices}")));
    }
    help.push(("values".to_owned(), "a day may be given as \"2026-04-02\", a quantity as \"12.5 kW\", an instant as RFC 3339, an attachment as the name of a file, an event as its place on the chain, an enum by its short name".to_owned()));
    help.push(("all".to_owned(), "what is left as it is counts as not given; help is not read".to_owned()));
    help
}

fn subject_help(kind: EventKind) -> String {
    let kinds: Vec<&str> = kind.subjects().iter().map(|kind| kind.name()).collect();
    if kind.mints_subject() {
        return "what it opens: leave it away, its id is that of the event and made anew 主体".to_owned();
    }
    let computed = if kind.opens() { "; may be left, for the body says it" } else { "" };
    let named = if kind.subjects().contains(&SubjectKind::Equipment) {
        "MAKER::MODEL::SERIAL, or "
    } else if kind.subjects() == [SubjectKind::Mark] {
        "the number of the mark, or "
    } else {
        ""
    };
    format!("whose chain it goes on: {named}KIND/UUID, where KIND is {}{computed} 主体", kinds.join(" or "))
}

/// Fields of the body without which it is not well formed.
fn needed(kind: EventKind) -> Vec<String> {
    let Ok(empty) = json::body_from_json(kind.field(), &json!({})) else { return Vec::new() };
    let Err(form) = empty.check() else { return Vec::new() };
    let own = format!("{}.", kind.field());
    form.problems().iter().filter_map(|problem| problem.field.strip_prefix(&own).map(str::to_owned)).collect()
}

trait Needs {
    fn contains(&self, path: &str) -> bool;
}

impl Needs for Vec<String> {
    /// Whether a path of the JSON form is among fields of the contract.
    fn contains(&self, path: &str) -> bool {
        self.iter().any(|field| *field == snake(path))
    }
}

/// The short names of the values that a field can have.
fn choices_at(body: &Value, path: &str) -> Option<Vec<String>> {
    let mut value = body;
    for name in path.split('.') {
        value = value.get(name.trim_end_matches("[]"))?;
        if name.ends_with("[]") {
            value = value.get(0)?;
        }
    }
    Some(short_choices(value.as_str()?)).filter(|choices| !choices.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spelled_out_template_is_the_template() {
        for kind in EventKind::ALL {
            let body = json::template(kind.field()).unwrap();
            let order: Vec<String> = json::explain(kind.field()).unwrap().into_iter().map(|(path, _)| path).collect();
            assert_eq!(serde_json::from_str::<Value>(&spelled(&body, "", &order, 0)).unwrap(), body, "{kind}");
        }
    }

    #[test]
    fn needed_fields_are_marked() {
        let body = json::template("installed").unwrap();
        let help = help(EventKind::Installed, &body, &json::explain("installed").unwrap());
        let of = |path: &str| &help.iter().find(|(known, _)| known == path).unwrap().1;
        assert!(of("body.location").starts_with("needed. "), "{help:?}");
        assert!(!of("body.function").starts_with("needed. "));
    }
}
