//! What admission remembers of each subject: only what a refusal can hang on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tally_proto::v1::{DispatchReason, KeyKind, Measure, Role};

use crate::{
    hash::{Digest, EventHash},
    id::{EventId, OrganisationId, SubjectId},
    key::{KeyId, PublicKey},
    number::ChainIndex,
    time::Day,
    touch::HeadValue,
};

/// A subject: its head, and what is on record about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subject {
    /// Its value in the heads map.
    pub head: HeadValue,
    /// What is on record.
    pub record: Record,
}

/// What is on record about a subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Record {
    /// Mentioned, never opened.
    #[default]
    Unopened,
    /// An organisation.
    Organisation(Arc<Organisation>),
    /// A mine.
    Mine(Arc<Mine>),
    /// A unit, lot or assembly.
    Equipment(Arc<Equipment>),
    /// A model.
    Model,
    /// A safety mark.
    Mark {
        /// Whether it was revoked or cancelled: nothing follows.
        ended: bool,
    },
    /// An order.
    Order(Arc<Order>),
    /// A publication.
    Publication {
        /// Who published it.
        publisher: OrganisationId,
    },
}

/// What an order does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OrderKind {
    /// Stops use.
    StopUse,
    /// Seals.
    Seal,
    /// Recalls.
    Recall,
}

/// An order. Its machines know it: [`Equipment::orders`].
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// What it does.
    pub kind: OrderKind,
    /// Who gave it.
    pub authority: OrganisationId,
    /// The one model that a recall is about.
    pub model: Option<[u8; 16]>,
    /// Mines that must acknowledge it.
    pub mines: BTreeSet<[u8; 16]>,
}

/// An organisation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Organisation {
    /// Roles that were granted and not withdrawn.
    pub grants: Vec<Grant>,
    /// Maker names in normal form.
    pub plate_names: Vec<String>,
    /// Engagements that it gave.
    pub engagements: Vec<Engagement>,
    /// Who took it over.
    pub successor: Option<OrganisationId>,
}

/// A role that is held.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// Mines that it covers.
    pub mines: Vec<[u8; 16]>,
    /// Areas as prefixes of area codes; none for everywhere.
    pub areas: Vec<String>,
    /// First day.
    pub from: Option<Day>,
    /// Last day.
    pub until: Option<Day>,
}

/// An engagement that is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Engagement {
    /// Place of the event that began it.
    pub chain_index: ChainIndex,
    /// Who is engaged.
    pub organisation: OrganisationId,
}

/// A mine.
#[derive(Clone, Debug, PartialEq)]
pub struct Mine {
    /// Who runs it.
    pub operator: OrganisationId,
    /// Its area code; empty where none is on record.
    pub area: String,
    /// Engagements that were given for it.
    pub engagements: Vec<Engagement>,
    /// Its places by node id; `true` where open.
    pub places: BTreeMap<EventId, bool>,
}

/// A unit, lot or assembly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Equipment {
    /// Who made it, once a maker signed.
    pub maker: Option<OrganisationId>,
    /// Who owns it.
    pub owner: Option<OrganisationId>,
    /// Who holds it.
    pub holder: Option<OrganisationId>,
    /// Who uses it under a lease.
    pub user: Option<OrganisationId>,
    /// The mine that it is in.
    pub mine: Option<[u8; 16]>,
    /// Its model.
    pub model: Option<SubjectId>,
    /// Day of manufacture.
    pub produced_on: Option<Day>,
    /// What is on the way.
    pub dispatch: Option<Dispatch>,
    /// Quantity of a lot.
    pub quantity: Option<Box<Measure>>,
    /// SHA-256 of the body that split it last: its pieces are opened by the same.
    pub split: Option<Digest>,
    /// Whether it is dismantled.
    pub dismantled: bool,
    /// Orders and recalls that ever named it, sorted.
    pub orders: Vec<[u8; 16]>,
}

/// A dispatch that nobody has received yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// Place of the event.
    pub chain_index: ChainIndex,
    /// Its hash.
    pub event_hash: EventHash,
    /// Who is to receive it.
    pub consignee: OrganisationId,
    /// Who sent it.
    pub sender: OrganisationId,
    /// Why.
    pub reason: DispatchReason,
    /// Whether it was refused and goes back.
    pub refused: bool,
}

/// A key, for ever of one organisation.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRecord {
    /// The key.
    pub key: PublicKey,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// What it is for.
    pub kind: KeyKind,
    /// The person, for a staff key.
    pub person: Option<[u8; 16]>,
    /// Whether it is one of the registrar's that count for the threshold.
    pub registrar: bool,
    /// Whether it was revoked.
    pub revoked: bool,
}

impl KeyRecord {
    /// Its id.
    pub fn key_id(&self) -> KeyId {
        self.key.key_id()
    }
}
