//! The sample's lines, as examples/README.md describes them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;

/// The sample that is built in.
pub const BUILT_IN: &str = include_str!("../../../examples/sample.jsonl");

/// The story about safety marks that follows it.
pub const MARKS: &str = include_str!("../../../examples/marks.jsonl");

/// One line.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// What the file is.
    Header(Header),
    /// An organisation, its roles and its staff.
    Organisation(Organisation),
    /// A mine.
    Mine(Mine),
    /// A node of a mine's tree of places.
    Place(Place),
    /// A plate, before the machine's first event.
    Machine(Machine),
    /// An event.
    Event(Box<Event>),
}

/// What the file is.
#[derive(Debug, Deserialize)]
pub struct Header {
    /// Version of the format.
    pub format: String,
    /// Name of the log that it is replayed into.
    pub origin: String,
    /// What this version cannot express yet, by kind.
    pub left_out: BTreeMap<String, u64>,
    /// Where the facts come from, by number.
    pub sources: BTreeMap<String, String>,
}

/// An organisation.
#[derive(Debug, Deserialize)]
pub struct Organisation {
    /// Its name in the sample.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Numbering scheme, as in the contract without its prefix.
    pub scheme: String,
    /// Its number.
    pub number: String,
    /// Maker names of its plates.
    pub plate_names: Vec<String>,
    /// Its roles.
    pub roles: Vec<Role>,
    /// Its people, by post.
    pub staff: Vec<Staff>,
    /// When it was registered.
    pub recorded_at: String,
}

/// A role of an organisation.
#[derive(Debug, Deserialize)]
pub struct Role {
    /// The role, as in the contract without its prefix.
    pub role: String,
    /// Mines that it covers.
    pub mines: Vec<String>,
    /// First day.
    pub from: String,
}

/// A person.
#[derive(Debug, Deserialize)]
pub struct Staff {
    /// The post.
    pub post: String,
}

/// A mine.
#[derive(Debug, Deserialize)]
pub struct Mine {
    /// Its name in the sample.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Numbering scheme.
    pub scheme: String,
    /// Its number.
    pub number: String,
    /// Who runs it.
    pub operator: String,
    /// How coal is won.
    pub kind: String,
    /// When it was registered.
    pub recorded_at: String,
}

/// A place of a mine.
#[derive(Debug, Deserialize)]
pub struct Place {
    /// Its name in the sample.
    pub id: String,
    /// The mine.
    pub mine: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The place above.
    pub parent: Option<String>,
    /// When it came into being.
    pub occurred_at: String,
    /// When it was recorded.
    pub recorded_at: String,
}

/// A machine's plate.
#[derive(Debug, Deserialize)]
pub struct Machine {
    /// Its name in the sample.
    pub id: String,
    /// Maker as on the plate; none on a piece of a lot.
    #[serde(default)]
    pub maker: Option<String>,
    /// Model as on the plate.
    #[serde(default)]
    pub model: Option<String>,
    /// Serial or lot number.
    #[serde(default)]
    pub serial: Option<String>,
    /// `UNIT`, `LOT` or `PIECE`.
    pub identity: String,
    /// The lot that a piece was cut from.
    #[serde(default)]
    pub parent: Option<String>,
    /// What tells a piece from its siblings.
    #[serde(default)]
    pub suffix: Option<String>,
}

/// An event.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// Its name in the sample.
    pub id: String,
    /// `machine:…` or `mine:…`.
    pub subject: String,
    /// Its kind.
    pub kind: String,
    /// Who states it.
    pub organisation: String,
    /// In which role.
    pub role: String,
    /// When it happened.
    pub occurred_at: String,
    /// When it is recorded.
    pub recorded_at: String,
    /// Whose hands: an organisation, and the number of its staff.
    pub hands: Vec<(String, usize)>,
    /// The person whose key issues it, where that is not the organisation's.
    #[serde(default)]
    pub issuer_staff: Option<usize>,
    /// Members of one atomic set carry the same tag.
    #[serde(default)]
    pub set: Option<String>,
    /// Its body, with symbols.
    pub body: Value,
    /// `real` or `generated`.
    pub basis: String,
}

/// Reads a sample.
pub fn parse(text: &str) -> anyhow::Result<Vec<Line>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let parsed = (1..)
        .zip(lines)
        .map(|(number, line)| serde_json::from_str(line).with_context(|| format!("line {number} of the sample")));
    parsed.collect()
}
