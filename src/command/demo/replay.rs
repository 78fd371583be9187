//! Replays a sample through the public API, as its organisations, each with its own keys.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use anyhow::Context as _;
use serde_json::Value;
use tally_client::{
    Client,
    draft::{Author, Draft, SetMember, SignedEvent},
    json,
    key::SigningKey,
    verify::VerifiedReceipt,
};
use tally_core::{
    event::UncheckedBody,
    hash::EventHash,
    id::{EventId, OrganisationId, SubjectId},
    time::Timestamp,
};
use tally_proto::v1::{self, statement::Body};
use tally_server::clock::ReplayClock;

use super::sample::{self, Line};
use crate::{
    command::{
        init::Founded,
        text::{choice, day, instant, role},
    },
    output::CommandError,
};

/// An organisation of the sample and its keys.
pub struct Party {
    /// Its id.
    pub id: OrganisationId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub roles: Vec<v1::Role>,
    /// Signs for it.
    pub key: SigningKey,
    recovery: SigningKey,
    staff: Vec<SigningKey>,
}

/// A machine of the sample.
pub struct Machine {
    /// Its chain.
    pub subject: SubjectId,
    /// Its plate.
    pub plate: v1::Plate,
    /// Events on its chain, real ones first counted.
    pub real: u64,
    /// Events on its chain.
    pub events: u64,
}

/// What was recorded.
#[derive(Debug, Default)]
pub struct Counts {
    /// Events of the sample by basis.
    pub by_basis: BTreeMap<String, u64>,
    /// What registers organisations, roles, keys, mines and places.
    pub registrations: u64,
    /// Receipts that were verified.
    pub receipts: u64,
}

/// A replay under way.
pub struct Replay {
    client: Client,
    clock: Arc<ReplayClock>,
    origin: String,
    registrar: OrganisationId,
    registrar_key: SigningKey,
    /// By their names in the sample.
    pub parties: HashMap<String, Party>,
    /// By their names in the sample.
    pub machines: BTreeMap<String, Machine>,
    mines: HashMap<String, SubjectId>,
    places: HashMap<String, EventId>,
    events: HashMap<String, Value>,
    /// Whether a fact is real or generated, by the hash of its event.
    pub bases: HashMap<EventHash, String>,
    /// What was recorded.
    pub counts: Counts,
}

impl Replay {
    /// A replay into a ledger that was just founded.
    pub fn new(client: Client, clock: Arc<ReplayClock>, origin: &str, founded: Founded) -> Self {
        Self {
            client,
            clock,
            origin: origin.to_owned(),
            registrar: founded.registrar,
            registrar_key: founded.registrar_key,
            parties: HashMap::new(),
            machines: BTreeMap::new(),
            mines: HashMap::new(),
            places: HashMap::new(),
            events: HashMap::new(),
            bases: HashMap::new(),
            counts: Counts::default(),
        }
    }

    /// Replays all lines; `progress` hears how many are done.
    pub async fn run(&mut self, lines: &[Line], progress: &mut dyn FnMut(u64)) -> anyhow::Result<()> {
        self.learn_names(lines)?;
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            let mut taken = 1;
            match line {
                Line::Header(_) | Line::Machine(_) => {}
                Line::Organisation(line) => self.organisation(line).await.map_err(|error| at_line(&line.id, error))?,
                Line::Mine(line) => self.mine(line).await.map_err(|error| at_line(&line.id, error))?,
                Line::Place(line) => self.place(line).await.map_err(|error| at_line(&line.id, error))?,
                Line::Event(first) => {
                    let members;
                    (members, taken) = members_of(lines.get(at..).unwrap_or_default());
                    self.events(&members).await.map_err(|error| at_line(&first.id, error))?;
                }
            }
            at += taken;
            progress(u64::try_from(at).unwrap_or_default());
        }
        Ok(())
    }

    /// Ids follow from numbers and plates alone, so symbols may name what comes later.
    fn learn_names(&mut self, lines: &[Line]) -> anyhow::Result<()> {
        for line in lines {
            match line {
                Line::Mine(mine) => {
                    let (_, scheme) = scheme(&mine.scheme)?;
                    self.mines.insert(mine.id.clone(), SubjectId::mine(scheme, &mine.number)?);
                }
                Line::Organisation(line) => {
                    let (_, scheme) = scheme(&line.scheme)?;
                    let party = Party {
                        id: OrganisationId::try_from(SubjectId::organisation(scheme, &line.number)?)?,
                        name: line.name.clone(),
                        roles: line.roles.iter().map(|granted| role(&granted.role)).collect::<Result<_, _>>()?,
                        key: SigningKey::generate()?,
                        recovery: SigningKey::generate()?,
                        staff: line.staff.iter().map(|_| SigningKey::generate()).collect::<Result<_, _>>()?,
                    };
                    self.parties.insert(line.id.clone(), party);
                }
                Line::Machine(machine) => {
                    let text = |text: &Option<String>| text.clone().unwrap_or_default();
                    let plate = v1::Plate {
                        maker: text(&machine.maker),
                        model: text(&machine.model),
                        serial: text(&machine.serial),
                    };
                    let subject = self.machine_id(machine, &plate)?;
                    let machine_of = Machine { subject, plate, real: 0, events: 0 };
                    self.machines.insert(machine.id.clone(), machine_of);
                }
                Line::Header(_) | Line::Place(_) | Line::Event(_) => {}
            }
        }
        Ok(())
    }

    fn machine_id(&self, machine: &sample::Machine, plate: &v1::Plate) -> anyhow::Result<SubjectId> {
        Ok(match (machine.identity.as_str(), &machine.parent, &machine.suffix) {
            ("PIECE", Some(parent), Some(suffix)) => {
                let parent = self.machines.get(parent).context("the lot of a piece stands before it")?;
                SubjectId::child(parent.subject.id(), suffix)?
            }
            ("LOT", _, _) => SubjectId::lot(&plate.maker, &plate.model, &plate.serial)?,
            _ => SubjectId::unit(&plate.maker, &plate.model, &plate.serial)?,
        })
    }

    fn party(&self, name: &str) -> anyhow::Result<&Party> {
        self.parties.get(name).with_context(|| format!("{name} is no organisation of the sample"))
    }

    fn mine_id(&self, name: &str) -> anyhow::Result<SubjectId> {
        self.mines.get(name).copied().with_context(|| format!("{name} is no mine of the sample"))
    }

    async fn organisation(&mut self, line: &sample::Organisation) -> anyhow::Result<()> {
        let at = self.turn_clock(&line.recorded_at)?;
        let party = self.party(&line.id)?;
        let subject = party.id.subject();
        let (scheme, _) = scheme(&line.scheme)?;
        let mut plate_names = line.plate_names.clone();
        plate_names.sort();
        let body = Body::OrganisationRegistered(v1::OrganisationRegistered {
            name: line.name.clone(),
            scheme: scheme as i32,
            number: line.number.clone(),
            first_key: party.key.public().as_bytes().to_vec(),
            recovery_key: party.recovery.public().as_bytes().to_vec(),
            plate_names,
            ..v1::OrganisationRegistered::default()
        });
        let staff: Vec<_> = party.staff.iter().map(|key| *key.public().as_bytes()).collect();
        self.register(subject, at, body).await?;
        for granted in &line.roles {
            let mut mines = granted
                .mines
                .iter()
                .map(|mine| Ok(self.mine_id(mine)?.id().to_vec()))
                .collect::<anyhow::Result<Vec<_>>>()?;
            mines.sort();
            let scope = (!mines.is_empty()).then(|| v1::Scope { mines, ..v1::Scope::default() });
            let body = Body::RoleGranted(v1::RoleGranted {
                role: role(&granted.role)? as i32,
                scope,
                from: Some(day(&granted.from)?),
                ..v1::RoleGranted::default()
            });
            self.register(subject, at, body).await?;
        }
        for (person, key) in line.staff.iter().zip(staff) {
            let body = Body::KeyAdded(v1::KeyAdded {
                key: key.to_vec(),
                algorithm: v1::KeyAlgorithm::Ed25519 as i32,
                kind: v1::KeyKind::Staff as i32,
                person_id: tally_client::draft::new_event_id(at)?.as_bytes().to_vec(),
                post: person.post.clone(),
                ..v1::KeyAdded::default()
            });
            self.register(subject, at, body).await?;
        }
        Ok(())
    }

    async fn mine(&mut self, line: &sample::Mine) -> anyhow::Result<()> {
        let at = self.turn_clock(&line.recorded_at)?;
        let (scheme, _) = scheme(&line.scheme)?;
        let body = Body::MineRegistered(v1::MineRegistered {
            name: line.name.clone(),
            scheme: scheme as i32,
            number: line.number.clone(),
            operator: self.party(&line.operator)?.id.as_bytes().to_vec(),
            kind: choice(&line.kind, "MINE_KIND", v1::MineKind::from_str_name, "kind of mine")? as i32,
            state: v1::MineState::Producing as i32,
            ..v1::MineRegistered::default()
        });
        let mine = self.mine_id(&line.id)?;
        let operator = line.operator.clone();
        self.register(mine, at, body).await?;
        self.mines.insert(format!("operator of {}", line.id), self.party(&operator)?.id.subject());
        Ok(())
    }

    /// A place is made by the operator of its mine.
    async fn place(&mut self, line: &sample::Place) -> anyhow::Result<()> {
        self.turn_clock(&line.recorded_at)?;
        let operator = self.mine_id(&format!("operator of {}", line.mine))?;
        let party =
            self.parties.values().find(|party| party.id.subject() == operator).context("the operator is known")?;
        let parent = match &line.parent {
            Some(parent) => self.places.get(parent).context("the place above stands before it")?.as_bytes().to_vec(),
            None => Vec::new(),
        };
        let body = Body::PlaceCreated(v1::PlaceCreated {
            name: line.name.clone(),
            kind: choice(&line.kind, "PLACE_KIND", v1::PlaceKind::from_str_name, "kind of place")? as i32,
            parent,
            ..v1::PlaceCreated::default()
        });
        let author = self.author(party.id, v1::Role::Mine);
        let occurred_at = instant(&line.occurred_at)?;
        let mut draft = Draft::new(&author, self.mine_id(&line.mine)?, occurred_at, body, occurred_at)?;
        self.client.record_draft(&mut draft, &party.key, &[]).await.map_err(CommandError::from)?;
        self.places.insert(line.id.clone(), draft.header().event_id);
        self.counts.registrations += 1;
        self.counts.receipts += 1;
        Ok(())
    }

    /// Publishes what is judged by, as the registrar: each body opens a chain of its own.
    pub async fn publish(&mut self, bodies: Vec<Body>) -> anyhow::Result<()> {
        use tally_server::clock::Clock as _;
        let at = self.clock.now();
        for body in bodies {
            let author = self.author(self.registrar, v1::Role::Registrar);
            let mut draft = Draft::opening(&author, at, body, at)?;
            self.client.record_draft(&mut draft, &self.registrar_key, &[]).await.map_err(CommandError::from)?;
            self.counts.registrations += 1;
            self.counts.receipts += 1;
        }
        Ok(())
    }

    async fn register(&mut self, subject: SubjectId, at: Timestamp, body: Body) -> anyhow::Result<()> {
        let author = self.author(self.registrar, v1::Role::Registrar);
        let mut draft = Draft::new(&author, subject, at, body, at)?;
        self.client.record_draft(&mut draft, &self.registrar_key, &[]).await.map_err(CommandError::from)?;
        self.counts.registrations += 1;
        self.counts.receipts += 1;
        Ok(())
    }

    /// Records an event, or the members of an atomic set together.
    async fn events(&mut self, lines: &[&sample::Event]) -> anyhow::Result<()> {
        let Some(first) = lines.first() else { return Ok(()) };
        self.turn_clock(&first.recorded_at)?;
        let issuer = self.issuer(first)?;
        let mut members = Vec::with_capacity(lines.len());
        for line in lines {
            let mut hands = Vec::with_capacity(line.hands.len());
            for (organisation, person) in &line.hands {
                hands.push(self.party(organisation)?.staff.get(*person).context("no such person")?);
            }
            members.push(SetMember { draft: self.draft(line)?, hands });
        }
        let recorded: Vec<(SignedEvent, VerifiedReceipt)> = match members.as_mut_slice() {
            [only] => {
                let hands = only.hands.clone();
                vec![self.client.record_draft(&mut only.draft, issuer, &hands).await.map_err(CommandError::from)?]
            }
            several => self.client.record_set_drafts(several, issuer).await.map_err(CommandError::from)?,
        };
        for (line, (event, _)) in lines.iter().zip(&recorded) {
            self.remember(line, event);
        }
        Ok(())
    }

    fn draft(&self, line: &sample::Event) -> anyhow::Result<Draft> {
        let party = self.party(&line.organisation)?;
        let author = self.author(party.id, role(&line.role)?);
        let occurred_at = instant(&line.occurred_at)?;
        let body = json::body_from_json(&line.kind, &self.resolve(&line.body)?)?;
        let body: UncheckedBody = body;
        let own = line.hands.iter().filter(|(organisation, _)| *organisation == line.organisation);
        let performed_by = own.filter_map(|(_, person)| party.staff.get(*person)).map(SigningKey::key_id);
        let draft = Draft::new(&author, self.subject(&line.subject)?, occurred_at, body, occurred_at)?;
        Ok(draft.performed_by(performed_by))
    }

    fn issuer(&self, line: &sample::Event) -> anyhow::Result<&SigningKey> {
        let party = self.party(&line.organisation)?;
        match line.issuer_staff {
            Some(person) => party.staff.get(person).context("no such person"),
            None => Ok(&party.key),
        }
    }

    fn remember(&mut self, line: &sample::Event, event: &SignedEvent) {
        let event_ref = event.event_ref();
        self.bases.insert(event_ref.event_hash, line.basis.clone());
        self.events.insert(
            line.id.clone(),
            serde_json::json!({
                "subject": hex::encode(event_ref.subject.key()),
                "chainIndex": event_ref.chain_index.get().to_string(),
                "eventHash": event_ref.event_hash.to_string(),
            }),
        );
        *self.counts.by_basis.entry(line.basis.clone()).or_default() += 1;
        self.counts.receipts += 1;
        if let Some(machine) = line.subject.strip_prefix("machine:").and_then(|name| self.machines.get_mut(name)) {
            machine.events += 1;
            machine.real += u64::from(line.basis == "real");
        }
    }

    fn subject(&self, name: &str) -> anyhow::Result<SubjectId> {
        match name.split_once(':') {
            Some(("machine", id)) => Ok(self.machines.get(id).with_context(|| format!("{name} is not known"))?.subject),
            Some(("mine", id)) => self.mine_id(id),
            Some(("mark", number)) => Ok(SubjectId::mark(number)?),
            _ => anyhow::bail!("{name} is no subject of the sample"),
        }
    }

    /// A body with its symbols replaced.
    fn resolve(&self, value: &Value) -> anyhow::Result<Value> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix('@') {
                Some(symbol) => self.symbol(symbol)?,
                None => value.clone(),
            },
            Value::Array(items) => Value::Array(items.iter().map(|item| self.resolve(item)).collect::<Result<_, _>>()?),
            Value::Object(members) => {
                let mut resolved = serde_json::Map::new();
                for (name, member) in members {
                    let mut member = self.resolve(member)?;
                    // Sorted in the signed bytes by id, which the sample does not know.
                    if let (true, Some(ids)) = (name == "machines", member.as_array_mut()) {
                        ids.sort_by_key(ToString::to_string);
                    }
                    resolved.insert(name.clone(), member);
                }
                Value::Object(resolved)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    fn symbol(&self, symbol: &str) -> anyhow::Result<Value> {
        let (kind, name) = symbol.split_once(':').with_context(|| format!("@{symbol} is no symbol"))?;
        let id = |id: &[u8]| Value::String(json::bytes_to_text(id));
        Ok(match kind {
            "organisation" => id(self.party(name)?.id.as_bytes()),
            "mine" => id(self.mine_id(name)?.id()),
            "machine" => id(self.machines.get(name).with_context(|| format!("@{symbol} is not known"))?.subject.id()),
            "model" => {
                let machine = self.machines.get(name).with_context(|| format!("@{symbol} is not known"))?;
                id(SubjectId::model(&machine.plate.maker, &machine.plate.model)?.id())
            }
            "place" => id(self.places.get(name).with_context(|| format!("@{symbol} is not known"))?.as_bytes()),
            "event" => self.events.get(name).cloned().with_context(|| format!("@{symbol} is not recorded yet"))?,
            _ => anyhow::bail!("@{symbol} is no symbol"),
        })
    }

    /// Who acts, in this log.
    pub fn author(&self, organisation: OrganisationId, role: v1::Role) -> Author {
        Author { origin: self.origin.clone(), organisation, role }
    }

    /// Shows the ledger the time at which the sample says that the next line was recorded.
    fn turn_clock(&self, recorded_at: &str) -> anyhow::Result<Timestamp> {
        let now = instant(recorded_at)?;
        self.clock.set(now);
        Ok(now)
    }
}

/// The event at the front of `lines`, with those behind it that are members of the same set, and how many lines those
/// are: plates of the members stand between them.
fn members_of(lines: &[Line]) -> (Vec<&sample::Event>, usize) {
    let (mut members, mut taken): (Vec<&sample::Event>, usize) = (Vec::new(), 0);
    for (number, line) in (1..).zip(lines) {
        match line {
            Line::Machine(_) => continue,
            Line::Event(event) if members.first().is_none_or(|first| first.set.is_some() && first.set == event.set) => {
                members.push(event);
                taken = number;
            }
            Line::Header(_) | Line::Organisation(_) | Line::Mine(_) | Line::Place(_) | Line::Event(_) => break,
        }
    }
    (members, taken)
}

/// Names the line of the sample that could not be replayed.
fn at_line(id: &str, error: anyhow::Error) -> anyhow::Error {
    error.context(format!("{id} of the sample cannot be replayed"))
}

fn scheme(name: &str) -> anyhow::Result<(v1::Scheme, tally_core::id::Scheme)> {
    let scheme = choice(name, "SCHEME", v1::Scheme::from_str_name, "numbering scheme")?;
    let domain = match scheme {
        v1::Scheme::Uscc => tally_core::id::Scheme::Uscc,
        v1::Scheme::CnCoalMine => tally_core::id::Scheme::CnCoalMine,
        v1::Scheme::Msha => tally_core::id::Scheme::Msha,
        v1::Scheme::Other | v1::Scheme::Unspecified => tally_core::id::Scheme::Other,
    };
    Ok((scheme, domain))
}
