//! `tally publish`: from a table to a publication on record, and back.

use std::{
    io::{Cursor, IsTerminal as _},
    path::Path,
    process::ExitCode,
};

use serde_json::{Value, json};
use tally_client::{
    Client,
    draft::{Author, Draft, SetMember},
    key::SigningKey,
    publication::{self, Encoding, FILE_BYTES_MAX, Problem, Rows, Table, TableError, TableKind, defaults},
};
use tally_core::{
    event::Body as CheckedBody,
    id::{SubjectId, SubjectKind},
    time::Timestamp,
};
use tally_proto::v1::{self, Publication, PublicationLayer, statement::Body};

use super::{
    connection::{block_on, connect, signing_identity},
    input,
    lookup::absent,
    sign::Signer,
    text::{count, day, day_text, kind_name, subject, usage},
};
use crate::{
    cli::{Connection, Signing, publish},
    output::{CommandError, Output, exit, note},
};

/// Problems of a table that an error shows; `tally publish check` shows all.
const PROBLEMS_SHOWN: usize = 20;

/// Runs `tally publish …`.
pub fn run(args: publish::Publish, output: &Output) -> anyhow::Result<ExitCode> {
    use publish::Publish;
    match args {
        Publish::Schedule(args) => table(TableKind::Schedule, args, None, output),
        Publish::Policy(args) => table(TableKind::Policy, args, None, output),
        Publish::PhaseOut { table: args, list } => table(TableKind::PhaseOut, args, list, output),
        Publish::Categories { file, with, whence, connection, signing } => {
            let body = categories(&file, with.as_deref(), &whence)?;
            block_on(record(vec![body], &connection, &signing, output))
        }
        Publish::Defaults { from, connection, signing } => {
            let bodies = defaults::bodies(day(&from)?)?;
            block_on(record(bodies, &connection, &signing, output))
        }
        Publish::Check { file, kind, encoding } => check(&file, kind, encoding, output),
        Publish::Show { table, publication: None, .. } => print(&defaults::rows(kind_of(table))?, output),
        Publish::Show { table, publication: Some(asked), connection } => {
            block_on(show(kind_of(table), &asked, &connection, output))
        }
        Publish::Withdraw { publication, from, reason, connection, signing } => {
            let subject = publication_of(&publication)?;
            let body = v1::PublicationWithdrawn { from: Some(day(&from)?), reason };
            block_on(async {
                let client = connect(&connection, signing_identity(&signing)?).await?;
                let signer = Signer::new(&signing, &connection, client.trust().origin.as_str())?;
                signer.record(&client, subject, Body::PublicationWithdrawn(body), output).await
            })
        }
    }
}

fn table(
    kind: TableKind,
    args: publish::PublishTable,
    list: Option<String>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let publish::PublishTable { file, whence, connection, signing } = args;
    let rows = read(kind, &file, &bytes_of(&file)?, whence.encoding)?.rows;
    let list = list.unwrap_or_else(|| whence.title.clone());
    let body = rows.into_body(publication_from(&whence)?, list);
    block_on(record(vec![body], &connection, &signing, output))
}

/// Categories and selectors stand in two tables and in one body.
fn categories(file: &Path, with: Option<&Path>, whence: &publish::Whence) -> anyhow::Result<Body> {
    let mut body =
        v1::CategoriesPublished { publication: Some(publication_from(whence)?), ..v1::CategoriesPublished::default() };
    for path in std::iter::once(file).chain(with) {
        let bytes = bytes_of(path)?;
        let kind = recognise(path, &bytes, whence.encoding)?;
        // What is neither is read as categories, so that the report says what a table of categories has.
        let kind = if kind == TableKind::Selectors { kind } else { TableKind::Categories };
        let twice = || usage(format!("{}: a second table of {}", path.display(), kind.name()));
        match read(kind, path, &bytes, whence.encoding)?.rows {
            Rows::Categories(rows) if body.categories.is_empty() => body.categories = rows,
            Rows::Selectors(rows) if body.selectors.is_empty() => body.selectors = rows,
            Rows::Categories(_) | Rows::Selectors(_) | Rows::Schedule(_) | Rows::PhaseOut(_) | Rows::Policy(_) => {
                return Err(twice().help("one table of categories and one of selectors make a publication").into());
            }
        }
    }
    Ok(Body::CategoriesPublished(body))
}

/// States, signs and records publications; several as one atomic set.
async fn record(
    bodies: Vec<Body>,
    connection: &Connection,
    signing: &Signing,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let client = connect(connection, signing_identity(signing)?).await?;
    let signer = Signer::new(signing, connection, client.trust().origin.as_str())?;
    let drafts = bodies.into_iter().map(|body| signer.state_opening(None, signer.occurred_at(), body.into()));
    let members = drafts.map(|draft| draft.map(Into::into)).collect::<Result<_, _>>()?;
    signer.send(&client, members, output).await
}

fn publication_from(whence: &publish::Whence) -> anyhow::Result<Publication> {
    let publish::Whence { title, from, document_no, layer, area, mine, encoding: _ } = whence;
    let layer = match (layer, area, mine) {
        (Some(publish::Layer::Nation), ..) | (None, None, None) => PublicationLayer::Nation,
        (Some(publish::Layer::Area), ..) | (None, Some(_), _) => PublicationLayer::Area,
        (Some(publish::Layer::Group), ..) => PublicationLayer::Group,
        (Some(publish::Layer::Mine), ..) | (None, None, Some(_)) => PublicationLayer::Mine,
    };
    let mine = mine.as_deref().map(|mine| subject(mine, SubjectKind::Mine)).transpose()?;
    Ok(Publication {
        title: title.clone(),
        document_no: document_no.clone().unwrap_or_default(),
        layer: layer.into(),
        area: area.clone().unwrap_or_default(),
        mine: mine.map(|mine| mine.id().to_vec()).unwrap_or_default(),
        from: Some(day(from)?),
    })
}

fn publication_of(text: &str) -> Result<SubjectId, CommandError> {
    let subject = subject(text, SubjectKind::Publication)?;
    if subject.kind() == SubjectKind::Publication {
        return Ok(subject);
    }
    Err(usage(format!("{subject} is no publication")).help("write publication/UUID, as `tally publish` printed it"))
}

const fn kind_of(table: publish::Table) -> TableKind {
    match table {
        publish::Table::Schedule => TableKind::Schedule,
        publish::Table::Categories => TableKind::Categories,
        publish::Table::Selectors => TableKind::Selectors,
        publish::Table::PhaseOut => TableKind::PhaseOut,
        publish::Table::Policy => TableKind::Policy,
    }
}

const fn encoding_of(encoding: publish::Encoding) -> Encoding {
    match encoding {
        publish::Encoding::Utf8 => Encoding::Utf8,
        publish::Encoding::Gb18030 => Encoding::Gb18030,
    }
}

/// The bytes of a table; from stdin where the path is `-`.
fn bytes_of(path: &Path) -> Result<Vec<u8>, CommandError> {
    input::bytes(path, FILE_BYTES_MAX + 1)
}

fn recognise(path: &Path, bytes: &[u8], encoding: publish::Encoding) -> Result<TableKind, CommandError> {
    let found = publication::recognise(Cursor::new(bytes), encoding_of(encoding));
    found.map_err(|error| usage(format!("{}: {error}", path.display())))
}

fn read(kind: TableKind, path: &Path, bytes: &[u8], encoding: publish::Encoding) -> Result<Table, CommandError> {
    let name = path.display();
    match publication::read(kind, Cursor::new(bytes), encoding_of(encoding)) {
        Ok(table) => {
            table.notes.iter().for_each(|told| note(format!("note: {name}: {told}")));
            Ok(table)
        }
        Err(TableError::Refused(problems)) => {
            let told = format!("{name}: {} with the table; nothing was published", count(problems.len(), "problem"));
            let told = CommandError::new(exit::NO, told);
            let mut told =
                problems.iter().take(PROBLEMS_SHOWN).fold(told, |told, problem| told.detail(problem.to_string()));
            if let Some(more) = problems.len().checked_sub(PROBLEMS_SHOWN).filter(|more| *more > 0) {
                told = told.detail(format!("and {more} more"));
            }
            Err(told.help(format!("`tally publish check {name} --as {}` shows them all", kind.name())))
        }
        Err(error) => Err(usage(format!("{name}: {error}"))),
    }
}

/// Checks a table and publishes nothing.
fn check(
    path: &Path,
    kind: Option<publish::Table>,
    encoding: publish::Encoding,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let bytes = bytes_of(path)?;
    let kind = match kind {
        Some(kind) => kind_of(kind),
        None => recognise(path, &bytes, encoding)?,
    };
    let (rows, problems, notes) = match publication::read(kind, Cursor::new(&bytes), encoding_of(encoding)) {
        Ok(Table { rows, notes }) => (Some(rows.len()), Vec::new(), notes),
        Err(TableError::Refused(problems)) => (None, problems, Vec::new()),
        Err(error) => return Err(usage(format!("{}: {error}", path.display())).into()),
    };
    if output.is_json() {
        output.json(&json!({
            "table": kind.name(),
            "rows": rows,
            "problems": problems.iter().map(problem_to_json).collect::<Vec<_>>(),
            "notes": notes.iter().map(problem_to_json).collect::<Vec<_>>(),
        }))?;
    } else {
        problems.iter().for_each(|problem| output.say(problem.to_string()));
        notes.iter().for_each(|told| output.say(format!("note: {told}")));
        output.say(match rows {
            Some(rows) => format!("{}: {} can be published", kind.name(), count(rows, "row")),
            None => format!("{}: {}; nothing of it can be published", kind.name(), count(problems.len(), "problem")),
        });
    }
    Ok(ExitCode::from(if rows.is_some() { exit::YES } else { exit::NO }))
}

fn problem_to_json(problem: &Problem) -> Value {
    json!({
        "line": problem.line,
        "column": problem.column,
        "fault": problem.fault.code(),
        "message": problem.fault.to_string(),
    })
}

/// Prints a table of a publication that is on the ledger, verified.
async fn show(kind: TableKind, asked: &str, connection: &Connection, output: &Output) -> anyhow::Result<ExitCode> {
    let subject = publication_of(asked)?;
    // What is published is for everybody.
    let client = connect(connection, None).await?;
    let history = client.history(subject).await.map_err(CommandError::from)?;
    if !history.head.is_opened() {
        return Err(absent(asked, std::slice::from_ref(&history.head)).into());
    }
    let own = history.events().filter(|(.., event)| event.statement().subject == subject);
    let mut found = None;
    for (_, recorded_at, event) in own {
        let statement = event.statement();
        let body = CheckedBody::parse(statement.body_number, &statement.body)?;
        if let Body::PublicationWithdrawn(withdrawn) = body.message() {
            let from = day_text(withdrawn.from.as_ref());
            note(format!("note: withdrawn from {from}, recorded {recorded_at}: {}", withdrawn.reason));
            continue;
        }
        let tables = Rows::of_body(body.message());
        let names: Vec<&str> = tables.iter().map(|table| table.kind().name()).collect();
        let what = format!("{} of {}", kind_name(statement.body_number), statement.occurred_at);
        found = tables.into_iter().find(|table| table.kind() == kind);
        if found.is_none() {
            let told = CommandError::new(exit::NO, format!("{subject} holds no {}: {what}", kind.name()));
            return Err(told.help(format!("it holds {}", names.join(" and "))).into());
        }
    }
    let found = found.ok_or_else(|| CommandError::new(exit::NO, format!("{subject} cannot be read here")))?;
    print(&found, output)
}

/// Prints a table for people and spreadsheets, or its rows for programs.
fn print(rows: &Rows, output: &Output) -> anyhow::Result<ExitCode> {
    if output.is_json() {
        output.json(&rows.to_json()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    // The mark is for spreadsheets: a terminal would show it as a blank.
    let mark = !std::io::stdout().is_terminal();
    output.bytes(&publication::write(rows, mark)?);
    Ok(ExitCode::SUCCESS)
}

/// Records the product's own tables on a ledger that was just founded.
pub async fn publish_defaults(
    client: &Client,
    author: &Author,
    from: v1::Day,
    key: &SigningKey,
    now: Timestamp,
) -> anyhow::Result<Vec<SubjectId>> {
    let mut members = Vec::new();
    for body in defaults::bodies(from)? {
        members.push(SetMember { draft: Draft::opening(author, now, body, now)?, hands: Vec::new() });
    }
    let recorded = client.record_set_drafts(&mut members, key).await.map_err(CommandError::from)?;
    Ok(recorded.iter().map(|(event, _)| event.subject()).collect())
}
