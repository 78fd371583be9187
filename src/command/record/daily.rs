//! The kinds that are recorded every day: which flags each takes, and which it needs.

use serde_json::{Map, Value, json};
use tally_client::json;
use tally_core::{event::EventKind, id::SubjectKind};

use super::super::text::{self, usage};
use super::fill;
use crate::{cli::Daily, output::CommandError};

/// A flag that a kind takes.
struct Flag {
    name: &'static str,
    /// Where its value goes in the body.
    field: &'static str,
    /// What it means, if the kind needs it.
    needed: Option<&'static str>,
    /// Other fields, any of which does as well.
    or: &'static [&'static str],
}

const fn takes(name: &'static str, field: &'static str) -> Flag {
    Flag { name, field, needed: None, or: &[] }
}

const fn needs(name: &'static str, field: &'static str, what: &'static str) -> Flag {
    Flag { name, field, needed: Some(what), or: &[] }
}

const fn needs_or(name: &'static str, field: &'static str, what: &'static str, or: &'static [&'static str]) -> Flag {
    Flag { name, field, needed: Some(what), or }
}

/// The flags of each kind.
const DAILY: &[(EventKind, &[Flag])] = &[
    (
        EventKind::FactoryExit,
        &[
            needs("to", "consignee", "organisation that is to receive it 收货单位"),
            needs("reason", "reason", "why it goes 原因"),
        ],
    ),
    (
        EventKind::Dispatched,
        &[
            needs("to", "toOrganisation", "organisation that is to receive it 收货单位"),
            needs("reason", "reason", "why it goes 原因"),
            takes("condition", "condition"),
            takes("mine", "mineLeft"),
        ],
    ),
    (
        EventKind::Received,
        &[
            needs("into", "into", "where it goes 去向"),
            takes("mine", "mineEntered"),
            takes("condition", "condition"),
            takes("serial-checked", "serialChecked"),
        ],
    ),
    (
        EventKind::Warehoused,
        &[needs("store", "store", "store 库房"), takes("shelf", "shelf"), takes("condition", "condition")],
    ),
    (
        EventKind::AcceptanceChecked,
        &[needs("item", "checks", "what was checked, CODE=RESULT 检查项"), needs("result", "result", "outcome 结果")],
    ),
    (
        EventKind::ExProofChecked,
        &[
            needs("item", "checklist", "what was checked, CODE=RESULT 检查项"),
            needs("result", "result", "outcome 结果"),
            takes("pass-no", "passNo"),
            takes("valid-until", "validUntil"),
        ],
    ),
    (
        EventKind::EnteredMine,
        &[
            needs("mine", "mine", "mine that it enters 煤矿"),
            needs("shaft", "shaft", "shaft or adit 井口"),
            takes("place", "toLocation.node"),
            takes("pass-no", "passNo"),
        ],
    ),
    (
        EventKind::Installed,
        &[
            needs_or("mine", "location.mine", "mine that it is in 煤矿", &["location.text"]),
            needs_or("place", "location.node", "place in the mine 地点", &["location.text"]),
            takes("function", "function"),
        ],
    ),
    (
        EventKind::Commissioned,
        &[
            needs("result", "result", "outcome of the trial run 结果"),
            needs("duty", "duty", "whether it works or stands by 工备"),
        ],
    ),
    (
        EventKind::Inspected,
        &[
            needs("inspection-kind", "kind", "kind of inspection 检查类型"),
            needs_or(
                "item",
                "items",
                "what was looked at, CODE=RESULT; or --nothing-found 未发现问题",
                &["nothingFound"],
            ),
            takes("nothing-found", "nothingFound"),
            takes("started", "startedUs"),
            takes("finished", "finishedUs"),
        ],
    ),
    (
        EventKind::Maintained,
        &[
            needs("level", "level", "level of the repair 小修中修"),
            needs("work", "work", "what was done 作业内容"),
            needs("result", "result", "outcome 结果"),
            takes("enclosure-opened", "enclosureOpened"),
            takes("started", "startedUs"),
            takes("finished", "finishedUs"),
        ],
    ),
    (
        EventKind::FaultReported,
        &[
            needs("fault-id", "faultId", "your number of the fault 故障编号"),
            needs("fault-kind", "kind", "kind of fault, in your own words 故障类型"),
            needs("severity", "severity", "how severe 严重程度"),
            needs("description", "description", "what is wrong 描述"),
            takes("due-by", "dueBy"),
            takes("loss-of-protection", "lossOfProtection"),
        ],
    ),
];

fn flags_of(kind: EventKind) -> &'static [Flag] {
    DAILY.iter().find(|(daily, _)| *daily == kind).map_or(&[], |(_, flags)| flags)
}

/// The flags that are given, with their values as the body has them.
fn given(daily: &Daily) -> Result<Vec<(&'static str, Value)>, CommandError> {
    let mut given = Vec::new();
    if let Some(to) = &daily.to {
        given.push(("to", text::organisation(to)?.to_string().into()));
    }
    if let Some(mine) = &daily.mine {
        let mine = text::subject(mine, SubjectKind::Mine)?;
        if mine.kind() != SubjectKind::Mine {
            return Err(usage(format!("{mine} is no mine")));
        }
        given.push(("mine", text::uuid(mine.id()).into()));
    }
    let texts = [
        ("reason", &daily.reason),
        ("condition", &daily.condition),
        ("into", &daily.into),
        ("store", &daily.store),
        ("shelf", &daily.shelf),
        ("shaft", &daily.shaft),
        ("place", &daily.place),
        ("result", &daily.result),
        ("pass-no", &daily.pass_no),
        ("valid-until", &daily.valid_until),
        ("function", &daily.function),
        ("duty", &daily.duty),
        ("inspection-kind", &daily.inspection_kind),
        ("level", &daily.level),
        ("started", &daily.started),
        ("finished", &daily.finished),
        ("fault-id", &daily.fault_id),
        ("fault-kind", &daily.fault_kind),
        ("severity", &daily.severity),
        ("description", &daily.description),
        ("due-by", &daily.due_by),
    ];
    given.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?.into()))));
    let switches = [
        ("serial-checked", daily.serial_checked),
        ("nothing-found", daily.nothing_found),
        ("enclosure-opened", daily.enclosure_opened),
        ("loss-of-protection", daily.loss_of_protection),
    ];
    given.extend(switches.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| (name, true.into())));
    if !daily.work.is_empty() {
        given.push(("work", daily.work.clone().into()));
    }
    if !daily.items.is_empty() {
        given.push(("item", daily.items.iter().map(|item| item_of(item)).collect::<Result<Value, _>>()?));
    }
    Ok(given)
}

fn item_of(text: &str) -> Result<Value, CommandError> {
    let parts = text.rsplit_once('=').filter(|(code, result)| !code.is_empty() && !result.is_empty());
    let (code, result) = parts.ok_or_else(|| {
        usage(format!("--item {text} is no CODE=RESULT"))
            .help("write it like --item insulation=pass; results are pass, fail, not_applicable, conditional")
    })?;
    Ok(json!({ "code": code, "result": result }))
}

/// Flags of the daily kinds do not go with a file.
pub(super) fn refuse_all(daily: &Daily) -> Result<(), CommandError> {
    let given = given(daily)?;
    let Some((first, _)) = given.first() else { return Ok(()) };
    Err(usage(format!("--{first} does not go with --file")).help("say it in the file's body"))
}

/// Puts the flags that are given into the body; a flag that the kind does not take is refused.
pub(super) fn put(kind: EventKind, daily: &Daily, body: &mut Map<String, Value>) -> Result<(), CommandError> {
    let flags = flags_of(kind);
    let mut foreign = Vec::new();
    for (name, value) in given(daily)? {
        match flags.iter().find(|flag| flag.name == name) {
            Some(flag) => fill::put(body, flag.field, value),
            None => foreign.push(name),
        }
    }
    if !foreign.is_empty() {
        let takers = |name: &str| {
            let takers = DAILY.iter().filter(|(_, flags)| flags.iter().any(|flag| flag.name == name));
            takers.map(|(kind, _)| kind.field()).collect::<Vec<_>>().join(", ")
        };
        let names: Vec<String> = foreign.iter().map(|name| format!("--{name}")).collect();
        let told = usage(format!("{} does not take {}", kind.field(), names.join(", ")));
        let told = foreign.iter().fold(told, |told, name| told.detail(format!("--{name} is for {}", takers(name))));
        let own: Vec<String> = flags.iter().map(|flag| format!("--{}", flag.name)).collect();
        let own = if own.is_empty() { "no flags of its own".to_owned() } else { own.join(", ") };
        return Err(told.help(format!("{} takes {own}; --set FIELD=VALUE sets any field of its body", kind.field())));
    }
    // A node of a mine's places is named together with its mine.
    if kind == EventKind::EnteredMine
        && let Some(mine) = body.get("mine").cloned()
        && body.contains_key("toLocation")
    {
        fill::put(body, "toLocation.mine", mine);
    }
    Ok(())
}

/// Names everything that the kind needs and that neither flags nor `--set` gave, at once.
pub(super) fn check(kind: EventKind, body: &Value) -> Result<(), CommandError> {
    let has = |field: &str| field.split('.').try_fold(body, |value, name| value.get(name)).is_some();
    let template = json::template(kind.field()).unwrap_or_default();
    let lacks = |flag: &&Flag| flag.needed.is_some() && !has(flag.field) && !flag.or.iter().any(|field| has(field));
    let line = |name: &str, field: &str, what: &str| {
        let choices = field.split('.').try_fold(&template, |value, name| value.get(name)).and_then(Value::as_str);
        let choices = choices.map(fill::short_choices).unwrap_or_default();
        let choices = if choices.is_empty() { String::new() } else { format!(": {}", choices.join(", ")) };
        format!("--{name:<16} {what}{choices}")
    };
    let mut missing: Vec<String> = flags_of(kind)
        .iter()
        .filter(lacks)
        .map(|flag| line(flag.name, flag.field, flag.needed.unwrap_or_default()))
        .collect();
    let is = |field: &str, value: &str| body.get(field).and_then(Value::as_str) == Some(value);
    if kind == EventKind::Received && is("into", "RECEIVED_INTO_MINE") && !has("mineEntered") {
        missing.push(line("mine", "mineEntered", "mine that it enters 进入的煤矿"));
    }
    if kind == EventKind::ExProofChecked && !is("result", "CHECK_RESULT_FAIL") && !has("passNo") {
        missing.push(line("pass-no", "passNo", "number of the pass that a check which passed gives 入井许可证号"));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let told = usage(format!("{} {} lacks what it needs", kind.field(), kind.zh()));
    let told = missing.into_iter().fold(told, CommandError::detail);
    Err(told.help(format!(
        "`tally record template {}` shows all its fields; --set FIELD=VALUE sets any of them",
        kind.field()
    )))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_flag_goes_to_a_field_of_its_kind() {
        for (kind, flags) in DAILY {
            let template = json::template(kind.field()).unwrap();
            for flag in *flags {
                for field in [flag.field].iter().chain(flag.or) {
                    let found = field.split('.').try_fold(&template, |value, name| value.get(name));
                    assert!(found.is_some(), "{kind}: {field}");
                }
            }
        }
    }

    #[test]
    fn the_help_of_every_daily_flag_names_exactly_the_kinds_that_take_it() {
        let command = crate::cli::Cli::command();
        let record = command.find_subcommand("record").unwrap();
        let daily = record.get_arguments().filter(|argument| argument.get_help_heading() == Some("Daily kinds"));
        let mut flags = 0;
        for argument in daily {
            let (name, help) = (argument.get_long().unwrap(), argument.get_help().unwrap().to_string());
            for (kind, taken) in DAILY {
                let is_taken = taken.iter().any(|flag| flag.name == name);
                assert_eq!(help.contains(kind.field()), is_taken, "--{name}, {}: {help}", kind.field());
            }
            flags += 1;
        }
        let known: std::collections::BTreeSet<_> =
            DAILY.iter().flat_map(|(_, flags)| *flags).map(|flag| flag.name).collect();
        assert_eq!(flags, known.len());
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let error = check(EventKind::FaultReported, &json!({ "kind": "oil" })).unwrap_err();
        assert_eq!(error.to_string(), "fault_reported 故障(缺陷)上报 lacks what it needs");
        let text = format!("{error:?}");
        assert!(text.contains("--fault-id") && text.contains("--severity") && text.contains("stop, serious, minor"));
        assert!(!text.contains("--fault-kind"));
        let installed = json!({ "location": { "text": "workshop" } });
        check(EventKind::Installed, &installed).unwrap();
    }
}
