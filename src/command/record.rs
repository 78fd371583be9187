//! `tally record`: from flags or a file to an event that is signed and on record.

mod complete;
mod daily;
mod file;
mod fill;
mod template;

use std::{path::PathBuf, process::ExitCode};

use serde_json::{Map, Value};
use tally_client::{Client, draft::SignedEvent, json, key::SigningKey};
use tally_core::{
    event::{EventKind, UncheckedBody, kind::UnknownKind},
    id::{EventId, OrganisationId, SubjectId, SubjectKind},
    key::KeyId,
    time::Timestamp,
};
use tally_proto::v1::{self, statement::Body};

use super::{
    connection::{block_on, connect, read_key, signing_identity},
    lookup::{self, Asked},
    sign::{Member, Signer, send_signed},
    text::usage,
};
use crate::{
    cli::{Connection, Record, RecordCommand, Signing},
    output::{CommandError, Output},
};

/// An event that somebody wants to state.
#[derive(Debug)]
struct Wish {
    kind: EventKind,
    /// As people call it; what opens a chain says itself whose it is.
    subject: Option<String>,
    /// When it happened; as the flags say without it.
    occurred_at: Option<Timestamp>,
    /// The body in its JSON form, with nothing left of a template.
    body: Value,
    organisation: Option<String>,
    role: Option<String>,
    performed_by: Vec<KeyId>,
    checked_by: Vec<KeyId>,
    approved_by: Vec<KeyId>,
    /// Key files of hands besides those of the flags.
    hands: Vec<PathBuf>,
}

impl Wish {
    fn new(kind: EventKind, body: Value) -> Self {
        Self {
            kind,
            subject: None,
            occurred_at: None,
            body,
            organisation: None,
            role: None,
            performed_by: Vec::new(),
            checked_by: Vec::new(),
            approved_by: Vec::new(),
            hands: Vec::new(),
        }
    }
}

/// What a file holds.
#[derive(Debug)]
enum Content {
    /// Events to sign; several make an atomic set.
    Wishes(Vec<Wish>),
    /// Events that were signed before, and whose answer was lost.
    Signed(Vec<SignedEvent>),
}

/// Runs `tally record`.
pub fn run(args: &Record, output: &Output) -> anyhow::Result<ExitCode> {
    if let Some(RecordCommand::Template { kind }) = &args.instead {
        return template::print(kind_of(kind)?, output);
    }
    let wishes = match &args.file {
        Some(path) => {
            daily::refuse_all(&args.daily)?;
            match file::read(path)? {
                Content::Wishes(wishes) => wishes,
                Content::Signed(events) => {
                    return block_on(async {
                        let client = connect(&args.connection, signing_identity(&args.signing)?).await?;
                        send_signed(&client, events, output).await
                    });
                }
            }
        }
        None => vec![from_flags(args)?],
    };
    let signing = merge(&args.signing, &wishes)?;
    block_on(async {
        let client = connect(&args.connection, signing_identity(&signing)?).await?;
        let signer = Signer::new(&signing, &args.connection, client.trust().origin.as_str())?;
        let mut members = Vec::with_capacity(wishes.len());
        for wish in wishes {
            members.push(member(&client, &signer, wish).await?);
        }
        signer.send(&client, members, output).await
    })
}

/// Records one event whose body has the form of a template: what verbs with flags of their own do.
pub fn record_one(
    kind: EventKind,
    subject: &str,
    body: Map<String, Value>,
    connection: &Connection,
    signing: &Signing,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let body = fill::fill(kind, Value::Object(body))?;
    let wish = Wish { subject: Some(subject.to_owned()), ..Wish::new(kind, body) };
    block_on(async {
        let client = connect(connection, signing_identity(signing)?).await?;
        let signer = Signer::new(signing, connection, client.trust().origin.as_str())?;
        let member = member(&client, &signer, wish).await?;
        signer.send(&client, vec![member], output).await
    })
}

/// The kind of a name.
fn kind_of(name: &str) -> Result<EventKind, CommandError> {
    name.parse().map_err(|UnknownKind(name)| {
        let told = usage(format!("{name} is no kind of event"));
        let near: Vec<&str> =
            EventKind::ALL.iter().map(|kind| kind.field()).filter(|known| is_near(known, &name)).collect();
        if near.is_empty() {
            told.help("docs/lifecycle.md lists all kinds; `tally record --help` names those of every day")
        } else {
            told.help(format!("did you mean {}?", near.join(", ")))
        }
    })
}

/// Whether two names share a whole word, or the beginning of one.
fn is_near(known: &str, name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    let begins = |length: usize| name.get(..length).is_some_and(|start| known.starts_with(start));
    begins(4) || name.split('_').any(|word| word.len() > 3 && known.split('_').any(|other| other == word))
}

fn from_flags(args: &Record) -> anyhow::Result<Wish> {
    let not_said = || {
        let told = usage("it is not said what is to be recorded: KIND and SUBJECT, or --file FILE");
        told.help("for example: tally record inspected 'Maker::Model::Serial' --inspection-kind daily")
    };
    let kind = kind_of(args.kind.as_deref().ok_or_else(not_said)?)?;
    // What has no number of its own has no name before it is recorded.
    let subject = match &args.subject {
        Some(subject) => subject.as_str(),
        None if kind.mints_subject() => "",
        None => return Err(not_said().into()),
    };
    let mut body = Map::new();
    daily::put(kind, &args.daily, &mut body)?;
    for field in &args.fields {
        fill::set(kind, &mut body, field)?;
    }
    if let (Asked::Plate(plate, identity), EventKind::Manufactured | EventKind::Enrolled) =
        (Asked::parse(subject), kind)
    {
        let plate = [("maker", plate.maker), ("model", plate.model), ("serial", plate.serial)];
        for (name, value) in plate {
            body.entry(name).or_insert_with(|| value.into());
        }
        body.entry("identityKind").or_insert_with(|| identity.as_str_name().into());
    }
    // A model is named as on the plate, and its id follows from that.
    let model =
        subject.split_once("::").filter(|(_, model)| kind == EventKind::ModelRegistered && !model.contains("::"));
    if let Some((maker, model)) = model {
        body.entry("maker").or_insert_with(|| maker.into());
        body.entry("model").or_insert_with(|| model.into());
    }
    // So is a mark by its number.
    let is_mark = kind == EventKind::MarkIssued && super::text::subject_id(subject).is_none();
    if is_mark {
        body.entry("number").or_insert_with(|| subject.into());
    }
    let named = Some(subject.to_owned()).filter(|_| model.is_none() && !is_mark && !subject.is_empty());
    let body = fill::fill(kind, Value::Object(body))?;
    daily::check(kind, &body)?;
    Ok(Wish { subject: named, ..Wish::new(kind, body) })
}

/// Who signs: the flags and the file must not contradict each other.
fn merge(signing: &Signing, wishes: &[Wish]) -> anyhow::Result<Signing> {
    let mut merged = signing.clone();
    for wish in wishes {
        agree("organisation", &mut merged.organisation, wish.organisation.as_deref(), |text| {
            Ok(super::text::organisation(text)?.to_string())
        })?;
        agree("role", &mut merged.role, wish.role.as_deref(), |text| {
            Ok(super::text::role(text)?.as_str_name().to_owned())
        })?;
    }
    Ok(merged)
}

fn agree(
    what: &str,
    flag: &mut Option<String>,
    file: Option<&str>,
    normal: impl Fn(&str) -> Result<String, CommandError>,
) -> Result<(), CommandError> {
    match (flag.as_deref(), file) {
        (_, None) => Ok(()),
        (None, Some(file)) => {
            *flag = Some(file.to_owned());
            Ok(())
        }
        (Some(flag), Some(file)) if normal(flag)? == normal(file)? => Ok(()),
        (Some(flag), Some(file)) => {
            let told = usage(format!("the file says {what} {file}, the flag or environment says {flag}"));
            Err(told
                .help(format!("take {what} out of the file, or leave --{what} and TALLY_{} away", what.to_uppercase())))
        }
    }
}

/// A wish as a statement: whose chain it goes on, what of its body the ledger knows, and who has a hand in it.
async fn member(client: &Client, signer: &Signer, wish: Wish) -> anyhow::Result<Member> {
    let occurred_at = wish.occurred_at.unwrap_or_else(|| signer.occurred_at());
    let mut body = wish.body;
    let draft = if wish.kind.mints_subject() {
        let id = wish.subject.as_deref().map(|named| minted_id(wish.kind, named)).transpose()?;
        signer.state_opening(id, occurred_at, body_of(wish.kind, &body)?)
    } else {
        let organisation = signer.author().organisation;
        let subject = subject_of(client, organisation, wish.kind, wish.subject.as_deref(), &body).await?;
        complete::complete(client, wish.kind, subject, occurred_at, &mut body).await?;
        signer.state(subject, occurred_at, body_of(wish.kind, &body)?)
    };
    let mut draft = draft
        .map_err(|error| error.help(format!("`tally record template {}` shows every field", wish.kind.field())))?;
    if !wish.performed_by.is_empty() {
        draft = draft.performed_by(wish.performed_by);
    }
    if !wish.checked_by.is_empty() {
        draft = draft.checked_by(wish.checked_by);
    }
    if !wish.approved_by.is_empty() {
        draft = draft.approved_by(wish.approved_by);
    }
    let hands = wish.hands.iter().map(|path| read_key(path)).collect::<anyhow::Result<Vec<SigningKey>>>()?;
    Ok(Member { draft, hands })
}

/// The body of its JSON form.
fn body_of(kind: EventKind, body: &Value) -> Result<UncheckedBody, CommandError> {
    json::body_from_json(kind.field(), body).map_err(|error| {
        let told = usage(format!("body of {}: {error}", kind.field()));
        told.help(format!("`tally record template {}` shows every field", kind.field()))
    })
}

/// The event id that an order or publication is to have, where somebody chose it before.
fn minted_id(kind: EventKind, named: &str) -> anyhow::Result<EventId> {
    let expected = kind.subjects().first().copied().unwrap_or(SubjectKind::Order);
    let subject = super::text::subject(named, expected)?;
    if subject.kind() != expected {
        return Err(usage(format!("{subject} is no {}, which {} opens", expected.name(), kind.field())).into());
    }
    EventId::parse(subject.id()).map_err(|error| {
        let told = usage(format!("{named}: {error}"));
        told.help("its id is that of the event that opens it: leave it away, and it is made anew").into()
    })
}

/// Whose chain an event goes on: as named, or as the body of an opening event says.
async fn subject_of(
    client: &Client,
    organisation: OrganisationId,
    kind: EventKind,
    named: Option<&str>,
    body: &Value,
) -> anyhow::Result<SubjectId> {
    let Some(named) = named else {
        let computed = opened_by(organisation, kind, body)?;
        return computed.ok_or_else(|| {
            usage(format!("subject is not given, and the body of {} does not say whose chain it goes on", kind.field()))
                .into()
        });
    };
    if let Some(suffix) = named.strip_prefix("child/") {
        let parent = body.get("parent").and_then(Value::as_str).and_then(json::bytes_from_text);
        let parent: Option<[u8; 16]> = parent.and_then(|parent| parent.try_into().ok());
        let parent = parent.ok_or_else(|| usage("subject child/SUFFIX needs the parent in the body"))?;
        return Ok(SubjectId::child(&parent, suffix)?);
    }
    let expected = kind.subjects().first().copied().unwrap_or(SubjectKind::Equipment);
    let subject = match Asked::parse(named) {
        // What opens a chain names it by its plate, whatever is on record.
        Asked::Plate(..) if kind.opens() => super::text::subject(named, expected)?,
        Asked::Plate(..) | Asked::Subject(_) | Asked::Alias(_) => lookup::subject(client, named, expected).await?,
    };
    if kind.subjects().contains(&subject.kind()) {
        return Ok(subject);
    }
    let due: Vec<&str> = kind.subjects().iter().map(|kind| kind.name()).collect();
    Err(usage(format!("{subject} has no {}; that stands on the chain of {}", kind.field(), due.join(" or "))).into())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds do not say whose chain they go on")]
fn opened_by(organisation: OrganisationId, kind: EventKind, body: &Value) -> anyhow::Result<Option<SubjectId>> {
    if !kind.opens() {
        return Ok(None);
    }
    let checked = body_of(kind, body)?
        .check()
        .map_err(|error| CommandError::from(tally_client::draft::DraftError::Form(error)))?;
    let scheme = |scheme: i32| match v1::Scheme::try_from(scheme).unwrap_or_default() {
        v1::Scheme::Uscc => tally_core::id::Scheme::Uscc,
        v1::Scheme::CnCoalMine => tally_core::id::Scheme::CnCoalMine,
        v1::Scheme::Msha => tally_core::id::Scheme::Msha,
        v1::Scheme::Other | v1::Scheme::Unspecified => tally_core::id::Scheme::Other,
    };
    let plate =
        |identity, maker: &str, model: &str, serial: &str| tally_core::event::plate_id(identity, maker, model, serial);
    Ok(match checked.message() {
        Body::OrganisationRegistered(body) => Some(SubjectId::organisation(scheme(body.scheme), &body.number)?),
        Body::MineRegistered(body) => Some(SubjectId::mine(scheme(body.scheme), &body.number)?),
        Body::ModelRegistered(body) => Some(SubjectId::model(&body.maker, &body.model)?),
        Body::Manufactured(body) => Some(plate(body.identity_kind(), &body.maker, &body.model, &body.serial)?),
        Body::Enrolled(body) if body.serial.is_empty() => Some(SubjectId::named(organisation, &body.own_number)?),
        Body::Enrolled(body) => Some(plate(body.identity_kind(), &body.maker, &body.model, &body.serial)?),
        Body::MarkIssued(body) => Some(SubjectId::mark(&body.number)?),
        Body::AssemblyFormed(body) => Some(SubjectId::named(organisation, &body.own_number)?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_misspelt_is_met_with_those_that_are_near() {
        assert_eq!(kind_of("inspected").unwrap(), EventKind::Inspected);
        assert_eq!(kind_of("Inspected").unwrap(), EventKind::Inspected);
        assert!(is_near("mine_registered", "register_mine") && is_near("inspected", "inspection"));
        assert!(!is_near("inspected", "noted"));
    }
}
