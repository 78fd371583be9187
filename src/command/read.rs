//! `tally show`, `tally history`, `tally list` and `tally proof`.

mod history;
mod machine;
mod proof;

use std::process::ExitCode;

use serde_json::{Value, json};
use tally_client::{Client, json};
use tally_core::id::{OrganisationId, SubjectKind};
use tally_proto::v1;

pub use history::run as history;
pub use machine::{MACHINE_HEADER, machine_row};
pub use proof::run as proof;

use super::{
    connection::{block_on, connect, identity},
    lookup::{Asked, Machines, Names, absent, absent_alias, absent_plate, basis_text, by_alias, by_id, by_plate},
    register::{show_mine_at, show_organisation_at},
    text::{at, choice, count, organisation, standing, subject, usage},
};
use crate::{
    cli::{List, Show},
    output::{CommandError, Output, exit, note},
};

/// Shows a machine, organisation or mine.
pub fn show(args: &Show, output: &Output) -> anyhow::Result<ExitCode> {
    let at = at(&args.clocks)?;
    block_on(async {
        let client = connect(&args.connection, identity(&args.asking)?).await?;
        show_at(&client, &args.subject, at, output).await
    })
}

async fn show_at(client: &Client, asked: &str, at: v1::At, output: &Output) -> anyhow::Result<ExitCode> {
    let meant = Asked::parse(asked);
    let found = match &meant {
        Asked::Plate(plate, kind) => by_plate(client, plate, *kind, at).await?,
        Asked::Alias(alias) if at == v1::At::default() => by_alias(client, alias).await?,
        Asked::Alias(_) => {
            let told = usage("an alias is looked up as of now; the clocks do not go with it");
            return Err(told
                .help(format!("find its machine with `tally show {asked}`, then ask for equipment/UUID"))
                .into());
        }
        Asked::Subject(subject) => match subject.kind() {
            SubjectKind::Equipment => by_id(client, *subject, at).await?,
            SubjectKind::Mine => return show_mine_at(client, *subject, at, output).await,
            SubjectKind::Organisation => {
                let organisation = OrganisationId::try_from(*subject)?;
                return show_organisation_at(client, organisation, at, output).await;
            }
            SubjectKind::Mark
            | SubjectKind::Model
            | SubjectKind::Order
            | SubjectKind::Accident
            | SubjectKind::Publication => {
                let told = usage(format!("{subject} has a history and no state"));
                return Err(told.help(format!("look at it with `tally history {subject}`")).into());
            }
        },
    };
    if output.is_json() {
        output.json(&found_to_json(&found)?)?;
    }
    if found.machines.is_empty() {
        return Err(match meant {
            Asked::Plate(..) => absent_plate(asked, &found.heads),
            Asked::Alias(_) => absent_alias(asked),
            Asked::Subject(subject) => absent(&subject.to_string(), &found.heads),
        }
        .into());
    }
    if output.is_json() {
        return Ok(ExitCode::SUCCESS);
    }
    let mut names = Names::new(client);
    if found.machines.len() > 1 {
        output.say(format!("{} bear {asked}; they are not the same for that:", count(found.machines.len(), "machine")));
    }
    for machine in &found.machines {
        machine::say(machine, &mut names, output).await;
        output.say("");
    }
    output.say(format!("the server's word, {}", basis_text(&found.basis)));
    if let Some(head) = found.heads.iter().find(|head| head.is_opened()) {
        let (length, size) = (count(head.head.chain_length, "event"), head.checkpoint.size());
        output.say(format!(
            "proved: {} has {length} under checkpoint {size} ({}); `tally history` proves each",
            head.subject,
            standing(&head.checkpoint)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn found_to_json(found: &Machines) -> anyhow::Result<Value> {
    let machines = found.machines.iter().map(|machine| json::to_json("tally.v1.Equipment", machine));
    let heads: Vec<Value> = found.heads.iter().map(proof::head_to_json).collect();
    Ok(json!({
        "basis": json::to_json("tally.v1.Basis", &found.basis)?,
        "equipment": machines.collect::<Result<Vec<Value>, _>>()?,
        "heads": heads,
    }))
}

/// Lists machines.
pub fn list(args: &List, output: &Output) -> anyhow::Result<ExitCode> {
    let filter = filter(args)?;
    let at = at(&args.clocks)?;
    block_on(async {
        let client = connect(&args.connection, identity(&args.asking)?).await?;
        let (basis, machines, next) = if args.all {
            let answer = client.list_all_equipment(filter, at).await.map_err(CommandError::from)?;
            (answer.basis, answer.value, String::new())
        } else {
            let request = v1::ListEquipmentRequest {
                filter: Some(filter),
                at: Some(at),
                page_size: args.page_size,
                page_token: args.page_token.clone().unwrap_or_default(),
            };
            let page = client.list_equipment(request).await.map_err(CommandError::from)?;
            (page.basis, page.members, page.next_page_token)
        };
        print_list(&client, &basis, &machines, &next, args, output).await?;
        Ok(ExitCode::from(exit::YES))
    })
}

fn filter(args: &List) -> anyhow::Result<v1::EquipmentFilter> {
    let states = args.states.iter().map(|state| {
        let found = choice(state, "SERVICE_STATE", v1::ServiceState::from_str_name, "service state");
        found.map(|state| state as i32).map_err(|error| error.help(format!("states are {}", states().join(", "))))
    });
    let id = |text: &Option<String>, kind: SubjectKind| -> Result<Vec<u8>, CommandError> {
        let Some(text) = text else { return Ok(Vec::new()) };
        let found = subject(text, kind)?;
        if found.kind() == kind { Ok(found.id().to_vec()) } else { Err(usage(format!("{text} is no {}", kind.name()))) }
    };
    let organisation = |text: &Option<String>| -> Result<Vec<u8>, CommandError> {
        Ok(text.as_deref().map(organisation).transpose()?.map(|id| id.as_bytes().to_vec()).unwrap_or_default())
    };
    Ok(v1::EquipmentFilter {
        states: states.collect::<Result<_, _>>()?,
        holder: organisation(&args.holder)?,
        owner: organisation(&args.owner)?,
        mine: id(&args.mine, SubjectKind::Mine)?,
        model: id(&args.model, SubjectKind::Model)?,
        category: args.category.clone().unwrap_or_default(),
        maker: args.maker.clone().unwrap_or_default(),
        place: place(args.place.as_deref())?,
        area: args.area.clone().unwrap_or_default(),
    })
}

/// A place, by the id of its node.
fn place(text: Option<&str>) -> Result<Vec<u8>, CommandError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let id = tally_core::id::parse_uuid(text);
    id.map(|id| id.to_vec()).map_err(|_| usage(format!("{text} is no place")).help("`tally mine show` has their ids"))
}

/// The service states as `--state-is` takes them.
fn states() -> Vec<String> {
    let known = (1..).map_while(|number| v1::ServiceState::try_from(number).ok());
    known.map(|state| super::text::short_name(state.as_str_name(), "SERVICE_STATE")).collect()
}

async fn print_list(
    client: &Client,
    basis: &v1::Basis,
    machines: &[v1::Equipment],
    next: &str,
    args: &List,
    output: &Output,
) -> anyhow::Result<()> {
    if output.is_json() {
        let rows = machines.iter().map(|machine| json::to_json("tally.v1.Equipment", machine));
        let rows: Vec<Value> = rows.collect::<Result<_, _>>()?;
        if output.is_lines() {
            rows.iter().try_for_each(|row| output.json(row))?;
            if !next.is_empty() {
                note(format!("next page: {}", next_page(args, next)));
            }
            return Ok(());
        }
        let basis = json::to_json("tally.v1.Basis", basis)?;
        return output.json(&json!({ "basis": basis, "equipment": rows, "nextPageToken": next }));
    }
    let mut names = Names::new(client);
    let mut rows = Vec::new();
    for machine in machines {
        rows.push(machine_row(machine, &mut names).await);
    }
    output.table(MACHINE_HEADER, rows);
    let on_page = if next.is_empty() { "" } else { " on this page" };
    let number = count(machines.len(), "machine");
    output.say(format!("{number}{on_page} by the server's word, {}", basis_text(basis)));
    if !next.is_empty() {
        output.say(format!("next page: {}", next_page(args, next)));
    }
    if machines.is_empty() && args.page_token.is_none() {
        note("no machine fits; `tally list` without a filter lists them all");
    }
    Ok(())
}

/// The command for the page after this one.
fn next_page(args: &List, token: &str) -> String {
    let mut words = vec!["tally list".to_owned()];
    let mut flag = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            words.push(format!("--{name} {}", quoted(value)));
        }
    };
    args.states.iter().for_each(|state| flag("state-is", Some(state)));
    flag("holder", args.holder.as_deref());
    flag("owner", args.owner.as_deref());
    flag("mine", args.mine.as_deref());
    flag("place", args.place.as_deref());
    flag("area", args.area.as_deref());
    flag("model", args.model.as_deref());
    flag("category", args.category.as_deref());
    flag("maker", args.maker.as_deref());
    flag("as-of", args.clocks.as_of.as_deref());
    flag("known-at", args.clocks.known_at.as_deref());
    flag("known-size", args.clocks.known_size.map(|size| size.to_string()).as_deref());
    flag("page-size", Some(&args.page_size.to_string()));
    flag("page-token", Some(token));
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_alphanumeric() || "-_./:=+@%,".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_part_them() {
        assert_eq!(quoted("0a1b-2c"), "0a1b-2c");
        assert_eq!(quoted("Joy Global"), "'Joy Global'");
        assert_eq!(quoted("O'Neil"), "'O'\\''Neil'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn every_service_state_can_be_asked_for() {
        assert_eq!(states().len(), 20);
        assert!(states().contains(&"in_use".to_owned()));
    }
}
