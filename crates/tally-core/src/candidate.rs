//! A candidate: an event whose form, body and own consistency were checked, and that nobody has admitted yet.

use tally_proto::v1::statement::Body as Message;

use crate::{
    event::{self, Body, EventKind, Named},
    form::{FieldProblem, FormError, Problem},
    id::{IdError, SubjectId, SubjectKind},
    key::PublicKey,
    refusal::Refusal,
    signed_event::{ParsedEvent, SignatureRefusal, Signer, UnverifiedEnvelope, VerifiedEvent},
    statement::Statement,
};

/// A candidate whose signatures nobody has checked yet.
#[derive(Clone, Debug)]
pub struct UnverifiedCandidate {
    event: ParsedEvent,
    body: Body,
    named: Named,
}

impl UnverifiedCandidate {
    /// Parses an event for the log `origin`: canonical bytes, fields within bounds, a subject that fits the body.
    ///
    /// # Errors
    /// Refusals that need no earlier entry.
    pub fn parse(origin: &str, envelope: UnverifiedEnvelope<'_>) -> Result<Self, Refusal> {
        let event = envelope.parse().map_err(Refusal::Form)?;
        let (body, named) = open_statement(event.event().statement())?;
        let claimed = &event.event().statement().origin;
        if claimed != origin {
            return Err(Refusal::WrongOrigin { claimed: claimed.clone(), origin: origin.to_owned() });
        }
        Ok(Self { event, body, named })
    }

    /// The event.
    pub fn event(&self) -> &ParsedEvent {
        &self.event
    }

    /// Checks the issuer's signature and those of the hands.
    ///
    /// # Errors
    /// [`Refusal::KeyUnknown`] where `keys` does not know one, [`Refusal::BadSignature`] where one does not verify.
    pub fn verify<'k>(self, keys: impl Fn(&crate::key::KeyId) -> Option<&'k PublicKey>) -> Result<Candidate, Refusal> {
        let Self { event, body, named } = self;
        let event = event.verify(keys).map_err(|error| match error {
            SignatureRefusal::KeyUnknown { key_id, .. } | SignatureRefusal::OtherKey { key_id, .. } => {
                Refusal::KeyUnknown { key_id }
            }
            SignatureRefusal::Signature { signer, key_id } => {
                let over = match signer {
                    Signer::Issuer => "event",
                    Signer::Hand => "statement",
                };
                Refusal::BadSignature { key_id, over }
            }
        })?;
        Ok(Candidate { event, body, named })
    }
}

/// An event whose form, body and signatures hold; whether it may stand on its chain is admission's question.
#[derive(Clone, Debug)]
pub struct Candidate {
    event: VerifiedEvent,
    body: Body,
    named: Named,
}

impl Candidate {
    /// Takes an event that this log has already sealed: its signatures were checked then.
    ///
    /// # Errors
    /// [`Refusal::Form`] for bytes that this version does not understand.
    pub fn parse_trusted(envelope: UnverifiedEnvelope<'_>) -> Result<Self, Refusal> {
        let event = VerifiedEvent::parse_trusted(envelope).map_err(Refusal::Form)?;
        let (body, named) = open_statement(event.statement())?;
        Ok(Self { event, body, named })
    }

    /// The event.
    pub fn event(&self) -> &VerifiedEvent {
        &self.event
    }

    /// Its statement.
    pub fn statement(&self) -> &Statement {
        self.event.statement()
    }

    /// Its body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Its kind.
    pub fn kind(&self) -> EventKind {
        self.body.kind()
    }

    /// What its body names.
    pub fn named(&self) -> &Named {
        &self.named
    }
}

fn open_statement(statement: &Statement) -> Result<(Body, Named), Refusal> {
    let body = Body::parse(statement.body_number, &statement.body).map_err(Refusal::Form)?;
    let (kind, subject) = (body.kind(), statement.subject);
    if !kind.subjects().contains(&subject.kind()) {
        return Err(Refusal::WrongSubjectKind { kind, subject });
    }
    if let Some(computed) =
        subject_of(&body, statement).map_err(|error| malformed("statement.body", error.to_string()))?
        && computed != subject
    {
        return Err(Refusal::SubjectMismatch { claimed: subject, computed });
    }
    check_machines(&body, subject)?;
    let named = body.names(statement);
    if let Some(missing) = named.subjects.iter().find(|named| !statement.mentions.contains(named)) {
        return Err(Refusal::WrongMentions { problem: "lacks", subject: *missing });
    }
    let allowed = |mention: &&SubjectId| !named.subjects.contains(mention) && !named.equipment.contains(mention);
    if let Some(extra) = statement.mentions.iter().find(allowed) {
        return Err(Refusal::WrongMentions { problem: "has what the body does not name:", subject: *extra });
    }
    Ok((body, named))
}

/// The subject id that the body gives, where it gives one.
#[expect(clippy::wildcard_enum_match_arm, reason = "only bodies that open a chain give its id")]
fn subject_of(body: &Body, statement: &Statement) -> Result<Option<SubjectId>, IdError> {
    let organisation = statement.organisation;
    Ok(Some(match body.message() {
        Message::OrganisationRegistered(body) => match event::number_scheme(body.scheme) {
            Some(scheme) => SubjectId::organisation(scheme, &body.number)?,
            None => return Ok(None),
        },
        Message::MineRegistered(body) => match event::number_scheme(body.scheme) {
            Some(scheme) => SubjectId::mine(scheme, &body.number)?,
            None => return Ok(None),
        },
        Message::ModelRegistered(body) => SubjectId::model(&body.maker, &body.model)?,
        Message::Manufactured(body) => event::plate_id(body.identity_kind(), &body.maker, &body.model, &body.serial)?,
        Message::Enrolled(body) if body.serial.is_empty() => SubjectId::named(organisation, &body.own_number)?,
        Message::Enrolled(body) => event::plate_id(body.identity_kind(), &body.maker, &body.model, &body.serial)?,
        Message::AssemblyFormed(body) => SubjectId::named(organisation, &body.own_number)?,
        Message::LotSplit(body) => {
            let Ok(parent) = <[u8; 16]>::try_from(body.parent.as_slice()) else { return Ok(None) };
            let subject = statement.subject;
            let parent_subject = SubjectId::new(SubjectKind::Equipment, parent);
            for piece in &body.children {
                if SubjectId::child(&parent, &piece.suffix)? == subject {
                    return Ok(Some(subject));
                }
            }
            parent_subject
        }
        Message::MarkIssued(body) => SubjectId::mark(&body.number)?,
        _ if body.kind().mints_subject() => SubjectId::new(statement.subject.kind(), *statement.event_id.as_bytes()),
        _ => return Ok(None),
    }))
}

/// Machines are named on a mine's chain, and must be named there.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these two are rounds")]
fn check_machines(body: &Body, subject: SubjectId) -> Result<(), Refusal> {
    let (field, machines) = match body.message() {
        Message::Inspected(body) => ("inspected.machines", body.machines.len()),
        Message::StockChecked(body) => ("stock_checked.machines", body.machines.len()),
        _ => return Ok(()),
    };
    match (subject.kind() == SubjectKind::Mine, machines) {
        (true, 0) => Err(malformed(field, "is empty; on a mine's chain name the machines".to_owned())),
        (false, 1..) => Err(malformed(field, "names machines; that is for a mine's chain".to_owned())),
        (true, _) | (false, _) => Ok(()),
    }
}

fn malformed(field: &str, what: String) -> Refusal {
    Refusal::Form(FormError::of(FieldProblem { field: field.to_owned(), problem: Problem::Body(what) }))
}
