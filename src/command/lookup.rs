//! Subjects by what people call them, and names for what ids stand for.

use std::collections::BTreeMap;

use tally_client::{Client, ClientError, verify::VerifiedHead};
use tally_core::{
    event::plate_id,
    id::{OrganisationId, SubjectId, SubjectKind, parse_uuid},
};
use tally_proto::v1;

use super::text::{count, plate, subject_id, time, usage, uuid};
use crate::output::{CommandError, exit};

/// Machines that somebody asked for.
pub struct Machines {
    /// What they were answered from.
    pub basis: v1::Basis,
    /// Their states; more than one are never merged.
    pub machines: Vec<v1::Equipment>,
    /// What is proved about the ids that the plate makes, or about the id.
    pub heads: Vec<VerifiedHead>,
}

/// What somebody means by a text: a subject, or machines by plate or alias.
pub enum Asked {
    /// `KIND/UUID`, `mark/NUMBER`, or a bare UUID.
    Subject(SubjectId),
    /// `MAKER::MODEL::SERIAL`.
    Plate(v1::Plate, v1::IdentityKind),
    /// Anything else.
    Alias(String),
}

impl Asked {
    /// Reads what somebody wrote; a bare UUID is a machine's.
    pub fn parse(text: &str) -> Self {
        if let Some((plate, kind)) = plate(text) {
            Self::Plate(plate, kind)
        } else if let Some(subject) = subject_id(text) {
            Self::Subject(subject)
        } else if let Ok(id) = parse_uuid(text) {
            Self::Subject(SubjectId::new(SubjectKind::Equipment, id))
        } else {
            Self::Alias(text.to_owned())
        }
    }
}

/// The machines that bear a plate, with a proof about the ids that it makes: of absence, where none bears it.
pub async fn by_plate(
    client: &Client,
    plate: &v1::Plate,
    kind: v1::IdentityKind,
    at: v1::At,
) -> anyhow::Result<Machines> {
    let answer = client.look_up_plate(plate.clone(), at).await.map_err(CommandError::from)?;
    let is_now = at == v1::At::default();
    if is_now && !answer.agrees() {
        let told = CommandError::new(exit::DAMAGE, "the server's list of machines contradicts its own log");
        let told =
            told.detail(format!("{} is {}on its list", answer.id, if answer.head.is_opened() { "not " } else { "" }));
        return Err(told.help("the log is right: let the operator run `tally index rebuild`").into());
    }
    let mut heads = vec![answer.head];
    // A plate is that of a unit or of a lot: each makes an id of its own, and absence is proved for each.
    if answer.equipment.is_empty() || kind == v1::IdentityKind::Lot {
        let lot = plate_id(v1::IdentityKind::Lot, &plate.maker, &plate.model, &plate.serial)?;
        heads.push(client.head(lot).await.map_err(CommandError::from)?);
    }
    let mut machines = answer.equipment;
    if kind == v1::IdentityKind::Lot {
        machines.retain(|machine| machine.identity_kind == v1::IdentityKind::Lot as i32);
    }
    Ok(Machines { basis: answer.basis, machines, heads })
}

/// The machines that bear an alias now.
pub async fn by_alias(client: &Client, alias: &str) -> anyhow::Result<Machines> {
    let answer = client.look_up_alias(v1::AliasKind::Unspecified, alias).await.map_err(CommandError::from)?;
    Ok(Machines { basis: answer.basis, machines: answer.value, heads: Vec::new() })
}

/// A machine by its id; none where it is not on record, with a proof of that.
pub async fn by_id(client: &Client, subject: SubjectId, at: v1::At) -> anyhow::Result<Machines> {
    match client.equipment(subject, at).await {
        Ok(answer) => Ok(Machines { basis: answer.basis, machines: vec![answer.value], heads: Vec::new() }),
        Err(error) if is_not_found(&error) => {
            let head = client.head(subject).await.map_err(CommandError::from)?;
            Ok(Machines { basis: v1::Basis::default(), machines: Vec::new(), heads: vec![head] })
        }
        Err(error) => Err(CommandError::from(error).into()),
    }
}

/// Whether the server said that nothing is on record.
pub fn is_not_found(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(server) if server.reason == "NOT_FOUND")
}

/// Nothing is on record under what was asked for; says what of that is proved.
pub fn absent(asked: &str, heads: &[VerifiedHead]) -> CommandError {
    let opened = heads.iter().find(|head| head.is_opened());
    if let Some(opened) = opened {
        let told = CommandError::new(exit::NO, format!("{asked} was not on record then, or is not for your eyes"));
        return told.detail(format!("under checkpoint {} its chain is open", opened.checkpoint.size()));
    }
    let mut told = CommandError::new(exit::NO, format!("{asked} is not on record 未建档"));
    let Some(newest) = heads.iter().max_by_key(|head| head.checkpoint.size()) else {
        return told.detail("by the server's word: names that are not in the heads map have no proof of absence, and are told to those only who may see the machine");
    };
    told = told.detail(format!(
        "proved by the heads map under checkpoint {}, sealed {}: never opened",
        newest.checkpoint.size(),
        newest.recorded_at
    ));
    for head in heads {
        let mentioned = head.value.map_or(0, |value| value.touches);
        let but = if mentioned > 0 { format!(", mentioned {}", count(mentioned, "time")) } else { String::new() };
        told = told.detail(format!("  {}{but}", head.subject));
    }
    told
}

/// No machine bears the plate; says what of that is proved.
pub fn absent_plate(text: &str, heads: &[VerifiedHead]) -> CommandError {
    let told = absent(&format!("a machine with the plate {text}"), heads);
    if heads.iter().any(VerifiedHead::is_opened) {
        return told;
    }
    told.detail("that no machine bears it as a later plate is the server's word")
        .help("compare maker, model and serial with the plate; a plate that nobody recorded may be forged")
}

/// No machine bears the alias.
pub fn absent_alias(text: &str) -> CommandError {
    let told = absent(&format!("a machine with the alias {text}"), &[]);
    told.help("a plate is written MAKER::MODEL::SERIAL, an id KIND/UUID")
}

/// One subject by what people call it; of machines exactly one must be meant.
pub async fn subject(client: &Client, text: &str, expected: SubjectKind) -> anyhow::Result<SubjectId> {
    let found = match Asked::parse(text) {
        Asked::Subject(_) if expected != SubjectKind::Equipment => return Ok(super::text::subject(text, expected)?),
        Asked::Subject(subject) => return Ok(subject),
        Asked::Plate(plate, kind) => {
            let found = by_plate(client, &plate, kind, v1::At::default()).await?;
            if found.machines.is_empty() {
                return Err(absent_plate(text, &found.heads).into());
            }
            found
        }
        Asked::Alias(alias) if expected == SubjectKind::Equipment => {
            let found = by_alias(client, &alias).await?;
            if found.machines.is_empty() {
                return Err(absent_alias(text).into());
            }
            found
        }
        Asked::Alias(_) => return Ok(super::text::subject(text, expected)?),
    };
    match found.machines.as_slice() {
        [only] => Ok(machine_id(only)?),
        several => {
            let told = usage(format!("{} machines bear {text}; say which one is meant", several.len()));
            let told =
                several.iter().fold(told, |told, machine| told.detail(format!("equipment/{}", uuid(&machine.id))));
            Err(told.help("look at them with `tally show`, and name one by its id").into())
        }
    }
}

/// The subject of a machine's state.
pub fn machine_id(machine: &v1::Equipment) -> Result<SubjectId, CommandError> {
    let id = machine.id.as_slice().try_into();
    let id = id.map_err(|_| CommandError::new(exit::NO, "the server answered with a machine without an id"))?;
    Ok(SubjectId::new(SubjectKind::Equipment, id))
}

/// What an answer was given from, in words.
pub fn basis_text(basis: &v1::Basis) -> String {
    let recorded = i64::try_from(basis.recorded_at_us).unwrap_or(i64::MAX);
    // Without an instant of its own an answer holds for the present.
    let is_now = basis.as_of_us == 0 || basis.as_of_us == i64::MAX;
    let as_of = if is_now { "as of now".to_owned() } else { format!("as of {}", time(basis.as_of_us)) };
    format!("{as_of}, knowing {}, the last sealed {}", count(basis.tree_size, "entry"), time(recorded))
}

/// Names for ids: the server's word, asked once for each.
pub struct Names<'c> {
    client: &'c Client,
    organisations: BTreeMap<Vec<u8>, String>,
    mines: BTreeMap<Vec<u8>, Option<v1::Mine>>,
}

impl<'c> Names<'c> {
    /// No name is known yet.
    pub fn new(client: &'c Client) -> Self {
        Self { client, organisations: BTreeMap::new(), mines: BTreeMap::new() }
    }

    /// An organisation by its name, or its id where the server knows none; a dash for an empty id.
    pub async fn organisation(&mut self, id: &[u8]) -> String {
        if let Some(name) = self.organisations.get(id) {
            return name.clone();
        }
        let mut name = uuid(id);
        if let Ok(asked) = <[u8; 16]>::try_from(id)
            && let Ok(answer) = self.client.organisation(OrganisationId::new(asked), v1::At::default()).await
        {
            name = answer.value.name;
        }
        self.organisations.insert(id.to_vec(), name.clone());
        name
    }

    /// A mine by its name, or its id where the server knows none; a dash for an empty id.
    pub async fn mine(&mut self, id: &[u8]) -> String {
        self.known_mine(id).await.map_or_else(|| uuid(id), |mine| mine.name.clone())
    }

    /// A place in words: mine, place, text.
    pub async fn place(&mut self, place: &v1::Place) -> String {
        let mut words = Vec::new();
        if !place.mine.is_empty() {
            words.push(self.mine(&place.mine).await);
        }
        if !place.node.is_empty() {
            let mine = self.known_mine(&place.mine).await;
            let node = mine.and_then(|mine| mine.places.iter().find(|node| node.id == place.node));
            words.push(node.map_or_else(|| uuid(&place.node), |node| node.name.clone()));
        }
        if !place.text.is_empty() {
            words.push(place.text.clone());
        }
        words.join(" · ")
    }

    async fn known_mine(&mut self, id: &[u8]) -> Option<&v1::Mine> {
        if !self.mines.contains_key(id) {
            let mut mine = None;
            if let Ok(asked) = <[u8; 16]>::try_from(id) {
                let subject = SubjectId::new(SubjectKind::Mine, asked);
                mine = self.client.mine(subject, v1::At::default()).await.ok().map(|answer| answer.value);
            }
            self.mines.insert(id.to_vec(), mine);
        }
        self.mines.get(id).and_then(Option::as_ref)
    }
}
