//! Bodies: what happened. [`Body::parse`] is the one gate from bytes to a body whose fields are all within bounds.

pub mod check;
mod factory;
mod identity;
pub mod kind;
mod maintenance;
pub mod mark;
mod mine_entry;
pub mod publication;
mod register;
mod scrapping;
mod storage;
pub mod supervision;
mod usage;

use prost::Message;
use tally_proto::v1::{self, Component, EventRef as EventRefMessage, Place, statement};

pub use kind::{EventKind, Publicity};
pub(crate) use register::scheme as number_scheme;

use crate::{
    event::check::Checker,
    form::{FieldProblem, FormError, Problem},
    hash::EventHash,
    id::{EventRef, IdError, OrganisationId, SubjectId, SubjectKind},
    number::ChainIndex,
    statement::Statement,
    time::Day,
};
use kind::with_message;

/// A body that is canonical and whose fields are all within bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    message: statement::Body,
}

impl Body {
    /// Parses the body of a statement: a known number, canonical bytes, every field within its bounds.
    ///
    /// # Errors
    /// [`FormError`] with every bad field at once.
    pub fn parse(number: u32, bytes: &[u8]) -> Result<Self, FormError> {
        let refuse = |field: &str, what: String| {
            let problem = FieldProblem { field: field.to_owned(), problem: Problem::Body(what) };
            FormError::of(problem)
        };
        let Some(kind) = EventKind::from_number(number) else {
            return Err(refuse("statement.body", format!("number {number} is no kind that this ledger knows")));
        };
        let message = kind.decode(bytes).map_err(|error| refuse(kind.field(), error.to_string()))?;
        // prost drops what it does not know and writes the shortest form: other bytes are not canonical.
        if with_message!(&message, inner => inner.encode_to_vec()) != bytes {
            return Err(refuse(kind.field(), "is not canonical: it does not re-encode to the same bytes".to_owned()));
        }
        let mut check = Checker::new(kind.field());
        with_message!(&message, inner => inner.check(&mut check));
        match FormError::from_problems(check.finish()) {
            Some(error) => Err(error),
            None => Ok(Self { message }),
        }
    }

    /// What kind of thing happened.
    pub fn kind(&self) -> EventKind {
        EventKind::of(&self.message)
    }

    /// Whether anyone may read it: its kind is public, and it is about no person.
    pub fn is_public(&self) -> bool {
        match self.kind().publicity() {
            Publicity::Public => true,
            Publicity::Impersonal => !is_about_a_person(&self.message),
            Publicity::Withheld => false,
        }
    }

    /// The message itself.
    pub fn message(&self) -> &statement::Body {
        &self.message
    }

    /// The other subjects that this body names, and that an event with it therefore touches.
    pub fn names(&self, header: &Statement) -> Named {
        let mut named = Named { header_subject: header.subject, subjects: Vec::new(), equipment: Vec::new() };
        with_message!(&self.message, inner => inner.names(header, &mut named));
        named.subjects.sort_unstable();
        named.subjects.dedup();
        named.equipment.sort_unstable();
        named.equipment.dedup();
        named
    }
}

/// Whether a body of an impersonal kind is about a person: a staff key carries post, section and certificates.
#[expect(clippy::wildcard_enum_match_arm, reason = "a kind without a rule here is about a person until somebody says")]
fn is_about_a_person(body: &statement::Body) -> bool {
    match body {
        // The form refuses these fields on any other key; an entry that is on record is not trusted to have kept to it.
        statement::Body::KeyAdded(body) => {
            body.kind() == v1::KeyKind::Staff
                || !body.person_id.is_empty()
                || !body.post.is_empty()
                || !body.section.is_empty()
                || !body.certificates.is_empty()
        }
        _ => true,
    }
}

impl From<statement::Body> for UncheckedBody {
    fn from(message: statement::Body) -> Self {
        Self { message }
    }
}

/// A body that somebody is about to state: not checked yet.
#[derive(Clone, Debug)]
pub struct UncheckedBody {
    message: statement::Body,
}

impl UncheckedBody {
    /// Its number and canonical bytes, as a statement holds them.
    pub fn encode(&self) -> (u32, Vec<u8>) {
        (EventKind::of(&self.message) as u32, with_message!(&self.message, inner => inner.encode_to_vec()))
    }

    /// What kind of thing it says.
    pub fn kind(&self) -> EventKind {
        EventKind::of(&self.message)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// As of [`Body::parse`].
    pub fn check(&self) -> Result<Body, FormError> {
        let (number, bytes) = self.encode();
        Body::parse(number, &bytes)
    }
}

/// What a body names besides the event's own subject.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    header_subject: SubjectId,
    /// Subjects that are touched whatever their state: sorted, unique.
    pub subjects: Vec<SubjectId>,
    /// Equipment that is touched if it has a chain and no event of its own in the same set: sorted, unique.
    pub equipment: Vec<SubjectId>,
}

impl Named {
    fn subject(&mut self, subject: SubjectId) {
        if subject != self.header_subject {
            self.subjects.push(subject);
        }
    }

    fn id(&mut self, kind: SubjectKind, id: &[u8]) {
        if let Ok(id) = <[u8; 16]>::try_from(id) {
            self.subject(SubjectId::new(kind, id));
        }
    }

    fn mark(&mut self, mark_no: &str) {
        if let Ok(mark) = SubjectId::mark(mark_no) {
            self.subject(mark);
        }
    }

    fn machine(&mut self, id: &[u8]) {
        if let Ok(id) = <[u8; 16]>::try_from(id) {
            let subject = SubjectId::new(SubjectKind::Equipment, id);
            if subject != self.header_subject {
                self.equipment.push(subject);
            }
        }
    }

    fn component(&mut self, component: Option<&Component>) {
        if let Some(id) = component.and_then(component_id) {
            self.machine(id.id());
        }
    }

    fn components(&mut self, components: &[Component]) {
        for component in components {
            self.component(Some(component));
        }
    }
}

/// The fields of one kind of body.
pub(crate) trait Fields {
    /// Reports every field that is out of its bounds.
    fn check(&self, check: &mut Checker);

    /// Names the other subjects that it touches.
    fn names(&self, _header: &Statement, _named: &mut Named) {}
}

/// The equipment id of a component: as given, or from its plate; `None` where neither says.
pub fn component_id(component: &Component) -> Option<SubjectId> {
    if let Ok(id) = <[u8; 16]>::try_from(component.equipment.as_slice()) {
        return Some(SubjectId::new(SubjectKind::Equipment, id));
    }
    let Component { maker, model, serial, lot, .. } = component;
    if maker.is_empty() || model.is_empty() {
        None
    } else if !serial.is_empty() {
        SubjectId::unit(maker, model, serial).ok()
    } else if !lot.is_empty() {
        SubjectId::lot(maker, model, lot).ok()
    } else {
        None
    }
}

/// The equipment id of a plate.
///
/// # Errors
/// [`IdError`] where a text has no normal form.
pub fn plate_id(kind: v1::IdentityKind, maker: &str, model: &str, serial: &str) -> Result<SubjectId, IdError> {
    match kind {
        v1::IdentityKind::Lot => SubjectId::lot(maker, model, serial),
        v1::IdentityKind::Unit | v1::IdentityKind::Assembly | v1::IdentityKind::Unspecified => {
            SubjectId::unit(maker, model, serial)
        }
    }
}

/// The day of a message; `None` where it is none of the calendar.
pub fn day(day: &v1::Day) -> Option<Day> {
    Day::new(i16::try_from(day.year).ok()?, u8::try_from(day.month).ok()?, u8::try_from(day.day).ok()?)
}

/// The 16-byte id of an organisation in a body.
pub fn organisation(id: &[u8]) -> Option<OrganisationId> {
    <[u8; 16]>::try_from(id).ok().map(OrganisationId::new)
}

/// The mine of a place.
pub fn place_mine(place: Option<&Place>) -> Option<SubjectId> {
    let id = <[u8; 16]>::try_from(place?.mine.as_slice()).ok()?;
    Some(SubjectId::new(SubjectKind::Mine, id))
}

/// The reference in a body; `None` where it is malformed.
pub fn event_ref(message: &EventRefMessage) -> Option<EventRef> {
    Some(EventRef {
        subject: SubjectId::parse(&message.subject).ok()?,
        chain_index: ChainIndex::new(message.chain_index),
        event_hash: EventHash::parse(&message.event_hash)?,
    })
}

/// The message of a reference.
pub fn event_ref_message(event: &EventRef) -> EventRefMessage {
    EventRefMessage {
        subject: event.subject.key().to_vec(),
        chain_index: event.chain_index.get(),
        event_hash: event.event_hash.as_bytes().to_vec(),
    }
}
