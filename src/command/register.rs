//! `tally org` and `tally mine`: registering, and showing what is registered.

use std::process::ExitCode;

use serde_json::{Value, json};
use tally_client::{Client, json};
use tally_core::id::{SubjectId, SubjectKind};
use tally_proto::v1::{self, statement::Body};

use super::{
    connection::{block_on, connect, identity, public_key, signing_identity},
    init::scheme,
    lookup::{Names, absent, basis_text, is_not_found},
    read::{MACHINE_HEADER, machine_row},
    sign::Signer,
    text::{self, at, choice, count, day, day_of, day_text, role_text, short_name, standing, subject, time, uuid},
};
use crate::{
    cli::{Asking, Clocks, Connection, Mine, Org, Signing},
    output::{CommandError, Output, exit, note},
};

/// Runs `tally org …`.
pub fn organisation(args: Org, output: &Output) -> anyhow::Result<ExitCode> {
    match args {
        Org::Register {
            name,
            scheme: by,
            number,
            first_key,
            recovery_key,
            plate_names,
            area_code,
            connection,
            signing,
        } => {
            let (scheme, id_scheme) = scheme(by);
            let subject = SubjectId::organisation(id_scheme, &number)?;
            let mut plate_names = plate_names;
            plate_names.sort_unstable();
            plate_names.dedup();
            let body = v1::OrganisationRegistered {
                name,
                scheme: scheme as i32,
                number,
                first_key: public_key(&first_key)?,
                recovery_key: public_key(&recovery_key)?,
                plate_names,
                area_code: area_code.unwrap_or_default(),
                ..v1::OrganisationRegistered::default()
            };
            block_on(record(subject, |_| Ok(Body::OrganisationRegistered(body)), &connection, &signing, output))
        }
        Org::Grant { whose, granted, mines, from, until, connection, signing } => {
            let subject = text::organisation(&whose)?.subject();
            let role = text::role(&granted)?;
            let mut mines = mines.iter().map(|mine| mine_id(mine)).collect::<Result<Vec<_>, _>>()?;
            mines.sort_unstable();
            mines.dedup();
            let from = from.as_deref().map(day).transpose()?;
            let until = until.as_deref().map(day).transpose()?;
            let body = |signer: &Signer| {
                Ok(Body::RoleGranted(v1::RoleGranted {
                    role: role as i32,
                    scope: (!mines.is_empty()).then(|| v1::Scope { mines, ..v1::Scope::default() }),
                    from: Some(from.unwrap_or_else(|| day_of(signer.occurred_at()))),
                    until,
                    qualification: None,
                }))
            };
            block_on(record(subject, body, &connection, &signing, output))
        }
        Org::Show { whose, clocks, connection, asking } => {
            block_on(show_organisation(&whose, &clocks, &connection, &asking, output))
        }
        Org::List { has_role, connection, asking } => {
            block_on(list_organisations(has_role.as_deref(), &connection, &asking, output))
        }
    }
}

/// Runs `tally mine …`.
pub fn mine(args: Mine, output: &Output) -> anyhow::Result<ExitCode> {
    match args {
        Mine::Register {
            name,
            scheme: by,
            number,
            operator,
            kind,
            gas_grade,
            sector,
            area_code,
            connection,
            signing,
        } => {
            let (scheme, id_scheme) = scheme(by);
            let subject = SubjectId::mine(id_scheme, &number)?;
            let kind = choice(&kind, "MINE_KIND", v1::MineKind::from_str_name, "kind of mine")
                .map_err(|error| error.help("kinds are underground, open_pit"))?;
            let gas_grade = gas_grade
                .map(|grade| choice(&grade, "GAS_GRADE", v1::GasGrade::from_str_name, "gas grade"))
                .transpose()
                .map_err(|error| error.help("grades are low, high, outburst"))?;
            let sector = sector
                .map(|sector| choice(&sector, "MINE_SECTOR", v1::MineSector::from_str_name, "sector"))
                .transpose()
                .map_err(|error| error.help("sectors are coal, non_coal"))?;
            let body = v1::MineRegistered {
                name,
                scheme: scheme as i32,
                number,
                operator: text::organisation(&operator)?.as_bytes().to_vec(),
                kind: kind as i32,
                gas_grade: gas_grade.unwrap_or_default() as i32,
                area_code: area_code.unwrap_or_default(),
                sector: sector.unwrap_or_default() as i32,
                ..v1::MineRegistered::default()
            };
            block_on(record(subject, |_| Ok(Body::MineRegistered(body)), &connection, &signing, output))
        }
        Mine::Place { mine, name, kind, parent, air, connection, signing } => {
            let kinds = "kinds are surface, shaft, level, district, roadway, face, chamber, point, store";
            let kind = choice(&kind, "PLACE_KIND", v1::PlaceKind::from_str_name, "kind of place")
                .map_err(|error| error.help(kinds))?;
            let air = air
                .map(|air| choice(&air, "AIR_COURSE", v1::AirCourse::from_str_name, "course of the air"))
                .transpose()
                .map_err(|error| error.help("courses are intake, return, none"))?;
            let body = v1::PlaceCreated {
                name,
                kind: kind as i32,
                parent: parent.as_deref().map(place_id).transpose()?.unwrap_or_default(),
                air: air.unwrap_or_default() as i32,
                position_code: String::new(),
            };
            let subject = subject(&mine, SubjectKind::Mine)?;
            block_on(record(subject, |_| Ok(Body::PlaceCreated(body)), &connection, &signing, output))
        }
        Mine::Show { mine, clocks, connection, asking } => {
            block_on(show_mine(&mine, &clocks, &connection, &asking, output))
        }
        Mine::List { operator, connection, asking } => {
            block_on(list_mines(operator.as_deref(), &connection, &asking, output))
        }
        Mine::Machines { mine, connection, asking } => block_on(machines(&mine, &connection, &asking, output)),
    }
}

async fn record(
    subject: SubjectId,
    body: impl FnOnce(&Signer) -> anyhow::Result<Body>,
    connection: &Connection,
    signing: &Signing,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let client = connect(connection, signing_identity(signing)?).await?;
    let signer = Signer::new(signing, connection, client.trust().origin.as_str())?;
    let body = body(&signer)?;
    signer.record(&client, subject, body, output).await
}

fn mine_id(text: &str) -> Result<Vec<u8>, CommandError> {
    let mine = subject(text, SubjectKind::Mine)?;
    if mine.kind() == SubjectKind::Mine {
        Ok(mine.id().to_vec())
    } else {
        Err(text::usage(format!("{text} is no mine")))
    }
}

/// A place is named by the id of the event that created it.
fn place_id(text: &str) -> Result<Vec<u8>, CommandError> {
    let id = tally_core::id::parse_uuid(text);
    id.map(|id| id.to_vec()).map_err(|error| {
        text::usage(format!("{text} is no place: {error}"))
            .help("`tally mine show MINE` lists the places with their ids")
    })
}

async fn show_organisation(
    asked: &str,
    clocks: &Clocks,
    connection: &Connection,
    asking: &Asking,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let id = text::organisation(asked)?;
    let client = connect(connection, identity(asking)?).await?;
    show_organisation_at(&client, id, at(clocks)?, output).await
}

/// Shows an organisation with its roles and keys.
pub async fn show_organisation_at(
    client: &Client,
    id: tally_core::id::OrganisationId,
    at: v1::At,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let answer = match client.organisation(id, at).await {
        Err(error) if is_not_found(&error) => return Err(not_on_record(client, id.subject()).await?.into()),
        answered => answered.map_err(CommandError::from)?,
    };
    let organisation = &answer.value;
    if output.is_json() {
        output.json(&json!({
            "basis": json::to_json("tally.v1.Basis", &answer.basis)?,
            "organisation": json::to_json("tally.v1.Organisation", organisation)?,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut facts = vec![
        ("organisation 单位", organisation.name.clone()),
        ("id", id.to_string()),
        ("number 编号", format!("{} ({})", organisation.number, scheme_text(organisation.scheme))),
    ];
    facts.extend(organisation.plate_names.iter().map(|name| ("plate name 铭牌厂名", name.clone())));
    if !organisation.successor.is_empty() {
        facts.push(("successor 承继单位", uuid(&organisation.successor)));
    }
    if organisation.public_only {
        facts.push(("shown", "what anyone may see 公开信息: posts, papers and engagements are not".to_owned()));
    }
    output.facts(facts);
    let mut names = Names::new(client);
    let mut roles = Vec::new();
    for grant in &organisation.roles {
        let mut mines = Vec::new();
        for mine in grant.scope.iter().flat_map(|scope| &scope.mines) {
            mines.push(names.mine(mine).await);
        }
        let until = grant.until.as_ref().map_or_else(|| "open".to_owned(), |until| day_text(Some(until)));
        let state = if grant.withdrawn { "withdrawn 已撤回" } else { "granted" };
        roles.push(vec![
            role_text(grant.role),
            mines.join(", "),
            day_text(grant.from.as_ref()),
            until,
            state.to_owned(),
            grant.position.to_string(),
        ]);
    }
    output.table(&["role 角色", "mines", "from", "until", "state", "position"], roles);
    let keys = organisation.keys.iter().map(key_row).collect();
    output.table(&["key id 密钥", "kind", "post", "added", "state"], keys);
    say_engagements(&organisation.engagements, &mut names, output).await;
    output
        .say(format!("the server's word, {}; `tally history organisation/{id}` proves it", basis_text(&answer.basis)));
    Ok(ExitCode::SUCCESS)
}

fn key_row(key: &v1::Key) -> Vec<String> {
    let kind = v1::KeyKind::try_from(key.kind).unwrap_or_default();
    let mut state = match key.revoked_position {
        0 => "in force".to_owned(),
        position => format!("revoked at {position} 已吊销"),
    };
    if key.untrusted_since_us != 0 {
        state = format!("{state}, disputed since {}", time(key.untrusted_since_us));
    }
    vec![
        hex::encode(&key.key_id),
        short_name(kind.as_str_name(), "KEY_KIND"),
        [key.section.as_str(), key.post.as_str()].join(" ").trim().to_owned(),
        key.added_position.to_string(),
        state,
    ]
}

async fn say_engagements(engagements: &[v1::Engagement], names: &mut Names<'_>, output: &Output) {
    let mut rows = Vec::new();
    for engagement in engagements {
        let purposes = engagement.purposes.iter().map(|purpose| {
            let purpose = v1::EngagementPurpose::try_from(*purpose).unwrap_or_default();
            short_name(purpose.as_str_name(), "ENGAGEMENT_PURPOSE")
        });
        rows.push(vec![
            names.organisation(&engagement.organisation).await,
            purposes.collect::<Vec<_>>().join(", "),
            day_text(engagement.from.as_ref()),
            day_text(engagement.until.as_ref()),
            if engagement.ended { "ended 已终止" } else { "" }.to_owned(),
        ]);
    }
    output.table(&["engaged 委托", "for", "from", "until", ""], rows);
}

fn scheme_text(scheme: i32) -> String {
    short_name(v1::Scheme::try_from(scheme).unwrap_or_default().as_str_name(), "SCHEME")
}

async fn not_on_record(client: &Client, subject: SubjectId) -> anyhow::Result<CommandError> {
    let head = client.head(subject).await.map_err(CommandError::from)?;
    Ok(absent(&subject.to_string(), &[head]))
}

async fn list_organisations(
    role: Option<&str>,
    connection: &Connection,
    asking: &Asking,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let role = role.map(text::role).transpose()?.unwrap_or_default();
    let client = connect(connection, identity(asking)?).await?;
    let answer = client.organisations(role).await.map_err(CommandError::from)?;
    if output.is_json() {
        let rows = answer.value.iter().map(|organisation| json::to_json("tally.v1.Organisation", organisation));
        output.json_list("organisations", rows.collect::<Result<_, _>>()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = answer.value.iter().map(|organisation| {
        let held = organisation.roles.iter().filter(|grant| !grant.withdrawn).map(|grant| role_text(grant.role));
        vec![uuid(&organisation.id), organisation.name.clone(), held.collect::<Vec<_>>().join(", ")]
    });
    output.table(&["organisation 单位", "name", "roles 角色"], rows.collect());
    let number = count(answer.value.len(), "organisation");
    output.say(format!("{number} by the server's word, {}", basis_text(&answer.basis)));
    Ok(ExitCode::SUCCESS)
}

async fn show_mine(
    asked: &str,
    clocks: &Clocks,
    connection: &Connection,
    asking: &Asking,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let id = subject(asked, SubjectKind::Mine)?;
    let client = connect(connection, identity(asking)?).await?;
    show_mine_at(&client, id, at(clocks)?, output).await
}

/// Shows a mine with its places.
pub async fn show_mine_at(client: &Client, id: SubjectId, at: v1::At, output: &Output) -> anyhow::Result<ExitCode> {
    let answer = match client.mine(id, at).await {
        Err(error) if is_not_found(&error) => return Err(not_on_record(client, id).await?.into()),
        answered => answered.map_err(CommandError::from)?,
    };
    let mine = &answer.value;
    if output.is_json() {
        output.json(&json!({
            "basis": json::to_json("tally.v1.Basis", &answer.basis)?,
            "mine": json::to_json("tally.v1.Mine", mine)?,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut names = Names::new(client);
    let (kind, gas) = (mine.kind().as_str_name(), mine.gas_grade().as_str_name());
    let mut facts = vec![
        ("mine 煤矿", mine.name.clone()),
        ("id", uuid(&mine.id)),
        ("number 煤矿编码", format!("{} ({})", mine.number, scheme_text(mine.scheme))),
        ("operator 经营主体", names.organisation(&mine.operator).await),
        ("kind", short_name(kind, "MINE_KIND")),
    ];
    if mine.gas_grade != 0 {
        facts.push(("gas grade 瓦斯等级", short_name(gas, "GAS_GRADE")));
    }
    if mine.sector != 0 {
        facts.push(("sector 开采矿种", short_name(mine.sector().as_str_name(), "MINE_SECTOR")));
    }
    if mine.state != 0 {
        facts.push(("state 生产状态", short_name(mine.state().as_str_name(), "MINE_STATE")));
    }
    if mine.public_only {
        facts.push(("shown", "what anyone may see 公开信息: profile, places and engagements are not".to_owned()));
    }
    output.facts(facts);
    let places = mine.places.iter().map(|place| {
        let depth = depth_of(mine, place);
        let air = v1::AirCourse::try_from(place.air).unwrap_or_default();
        let state = if place.closed_us == 0 {
            "open".to_owned()
        } else {
            format!("closed {} 已封闭", time(place.closed_us))
        };
        vec![
            format!("{}{}", "  ".repeat(depth), place.name),
            short_name(place.kind().as_str_name(), "PLACE_KIND"),
            if place.air == 0 { String::new() } else { short_name(air.as_str_name(), "AIR_COURSE") },
            uuid(&place.id),
            state,
        ]
    });
    output.table(&["place 地点", "kind", "air", "id", "state"], places.collect());
    say_engagements(&mine.engagements, &mut names, output).await;
    output.say(format!("the server's word, {}; `tally history {id}` proves it", basis_text(&answer.basis)));
    Ok(ExitCode::SUCCESS)
}

/// How many places a place lies in.
fn depth_of(mine: &v1::Mine, place: &v1::PlaceNode) -> usize {
    let mut depth = 0;
    let mut inner = place;
    while let Some(outer) = mine.places.iter().find(|outer| !inner.parent.is_empty() && outer.id == inner.parent) {
        depth += 1;
        // A tree that goes round in circles is the server's, not ours to follow.
        if depth > mine.places.len() {
            break;
        }
        inner = outer;
    }
    depth
}

async fn list_mines(
    operator: Option<&str>,
    connection: &Connection,
    asking: &Asking,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let operator = operator.map(text::organisation).transpose()?;
    let client = connect(connection, identity(asking)?).await?;
    let answer = client.mines(operator).await.map_err(CommandError::from)?;
    if output.is_json() {
        let rows = answer.value.iter().map(|mine| json::to_json("tally.v1.Mine", mine));
        output.json_list("mines", rows.collect::<Result<_, _>>()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut names = Names::new(&client);
    let mut rows = Vec::new();
    for mine in &answer.value {
        rows.push(vec![
            uuid(&mine.id),
            mine.name.clone(),
            mine.number.clone(),
            names.organisation(&mine.operator).await,
        ]);
    }
    output.table(&["mine 煤矿", "name", "number 编码", "operator 经营主体"], rows);
    let number = count(answer.value.len(), "mine");
    output.say(format!("{number} by the server's word, {}", basis_text(&answer.basis)));
    Ok(ExitCode::SUCCESS)
}

async fn machines(asked: &str, connection: &Connection, asking: &Asking, output: &Output) -> anyhow::Result<ExitCode> {
    let id = subject(asked, SubjectKind::Mine)?;
    let client = connect(connection, identity(asking)?).await?;
    let answer = client.machines_of_mine(id).await.map_err(CommandError::from)?;
    if !answer.history.head.is_opened() {
        return Err(absent(&id.to_string(), std::slice::from_ref(&answer.history.head)).into());
    }
    let (comparison, head) = (&answer.comparison, &answer.history.head);
    let (agrees, complete) = (comparison.agrees(), answer.proved.is_complete());
    if output.is_json() {
        let machines = answer.listed.iter().map(|machine| json::to_json("tally.v1.Equipment", machine));
        let names = |subjects: &[SubjectId]| subjects.iter().map(ToString::to_string).collect::<Vec<_>>();
        let listed: Vec<Value> = machines.collect::<Result<_, _>>()?;
        output.json(&json!({
            "equipment": listed,
            "completeBy": id.to_string(),
            "complete": agrees && complete,
            "missing": names(&comparison.missing),
            "extra": names(&comparison.extra),
            "unread": answer.proved.unread.to_string(),
            "checkpoint": head.checkpoint.note(),
            "cosignatures": head.checkpoint.other_signature_lines(),
        }))?;
    } else {
        let mut names = Names::new(&client);
        let mut rows = Vec::new();
        for machine in &answer.listed {
            rows.push(machine_row(machine, &mut names).await);
        }
        output.table(MACHINE_HEADER, rows);
    }
    if !agrees {
        let told = CommandError::new(
            exit::DAMAGE,
            format!(
                "not complete: the server's list contradicts the history of {id} under checkpoint {}",
                head.checkpoint.size()
            ),
        );
        let missing = comparison.missing.iter().map(|machine| format!("missing on the list  {machine}"));
        let extra = comparison.extra.iter().map(|machine| format!("not in the mine      {machine}"));
        let told = missing.chain(extra).fold(told, CommandError::detail);
        return Err(told.help("the log is right: let the operator run `tally index rebuild`").into());
    }
    let unread = answer.proved.unread;
    let (number, size) = (count(answer.listed.len(), "machine"), head.checkpoint.size());
    let standing = standing(&head.checkpoint);
    if complete {
        output.say(format!("{number}, complete by {id} under checkpoint {size} of {} ({standing})", head.recorded_at));
    } else {
        let told = format!("{number}, not proved complete: {} of {id} cannot be read here", count(unread, "entry"));
        output.say(&told);
        if output.is_json() {
            note(told);
        }
        return Ok(ExitCode::from(exit::NO));
    }
    Ok(ExitCode::SUCCESS)
}
