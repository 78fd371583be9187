//! The one layer in front of every way in: who asks, what the table lets him see, and what is written down about it.
//!
//! The table and the predicates are in `tally_core::access`; nothing here decides, and no service asks anybody else. A
//! call that did not come through the layer has no [`Access`], and is not answered.

mod facts;
mod journal;
mod layer;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

pub use facts::Ledger;
pub use journal::{FILE_BYTES_MAX, FILES_MAX, Journal};
pub use layer::{AccessLayer, AccessService};
use tally_core::{
    access::{Caller, Row, Sight, View, grants},
    id::OrganisationId,
    key::PublicKey,
    state::Instant,
    time::Timestamp,
    token::{LEEWAY_SECONDS, TokenError, UnverifiedToken},
};
use tally_proto::v1::{KeyKind, Organisation, Role};
use tonic::Request;

use crate::{clock::Clock, reader::Reader, status::CallError};

/// Answers that say "nothing" are given at multiples of this since the question: what is not on record and what is not
/// for the caller's eyes take the same time.
const VEIL: Duration = Duration::from_millis(10);

/// What the layer judges by.
pub struct Gate {
    reader: Reader,
    clock: Arc<dyn Clock>,
    registrar: Option<OrganisationId>,
    log_readers: BTreeSet<OrganisationId>,
    journal: Journal,
}

impl Gate {
    /// A gate in front of a ledger: `registrar` founded it, `log_readers` may read the log itself besides those whom the
    /// table lets.
    pub fn new(
        reader: Reader,
        clock: Arc<dyn Clock>,
        registrar: Option<OrganisationId>,
        log_readers: impl IntoIterator<Item = OrganisationId>,
        journal: Journal,
    ) -> Self {
        Self { reader, clock, registrar, log_readers: log_readers.into_iter().collect(), journal }
    }

    /// Who a token proves to ask.
    async fn caller(&self, token: &str) -> Result<Caller, CallError> {
        let token = UnverifiedToken::parse(token)?;
        let organisation: OrganisationId = token.issuer().parse().map_err(|_| TokenError::KeyUnknown)?;
        let state = self.organisation(organisation).await?.ok_or(TokenError::KeyUnknown)?;
        let key = key_in_force(&state, token.key_id().as_bytes())?;
        let now = self.clock.wall();
        let token = token.verify(&key, self.reader.published.origin.as_str(), now, LEEWAY_SECONDS)?;
        let role = token.role()?;
        if !self.holds(&state, organisation, role, now) {
            return Err(TokenError::RoleNotHeld.into());
        }
        Ok(Caller { organisation, role, key_id: token.key_id() })
    }

    /// Whether the organisation holds a role now, by a grant that is in force.
    fn holds(&self, state: &Organisation, organisation: OrganisationId, role: Role, now: Timestamp) -> bool {
        match role {
            Role::Registrar => self.registrar == Some(organisation),
            Role::Unspecified => false,
            Role::Manufacturer
            | Role::Dealer
            | Role::Lessor
            | Role::Mine
            | Role::Contractor
            | Role::OverhaulShop
            | Role::Laboratory
            | Role::ExBody
            | Role::Recycler
            | Role::MarkAuthority
            | Role::Regulator
            | Role::Investigator => grants(state, role, now).next().is_some(),
        }
    }

    async fn organisation(&self, id: OrganisationId) -> Result<Option<Organisation>, CallError> {
        let asked = self
            .reader
            .ask(move |reader, _| Ok(reader.index.organisation(&reader.log, &id.subject(), Instant::ALL)?));
        asked.await
    }

    /// What a row lets a caller see.
    fn view(&self, row: &'static Row, caller: Option<&Caller>) -> View {
        let granted = caller.is_some_and(|caller| row.grantable && self.log_readers.contains(&caller.organisation));
        if granted { View::All } else { row.view(caller.map(|caller| caller.role)) }
    }
}

/// A key of an organisation that may sign tokens, if it is registered and not revoked.
fn key_in_force(organisation: &Organisation, key_id: &[u8; 32]) -> Result<PublicKey, TokenError> {
    let key = organisation.keys.iter().find(|key| key.key_id == key_id).ok_or(TokenError::KeyUnknown)?;
    if key.revoked_position != 0 {
        return Err(TokenError::KeyRevoked);
    }
    match key.kind() {
        KeyKind::Organisation | KeyKind::Staff | KeyKind::Device => {
            PublicKey::parse(&key.key).map_err(|_| TokenError::KeyUnknown)
        }
        // Kept offline: it adds and revokes keys, and asks nothing.
        KeyKind::Recovery | KeyKind::Unspecified => Err(TokenError::KeyUnknown),
    }
}

/// What one call may see. The layer puts it into the call's extensions.
#[derive(Clone)]
pub struct Access {
    gate: Arc<Gate>,
    row: &'static Row,
    caller: Option<Caller>,
    view: View,
    peer: Option<std::net::SocketAddr>,
    now: Timestamp,
    asked: tokio::time::Instant,
}

impl Access {
    /// What the layer said of a call.
    ///
    /// # Errors
    /// [`CallError::Internal`] for a call that did not come through the layer.
    pub fn of<T>(request: &Request<T>) -> Result<Self, CallError> {
        let access = request.extensions().get::<Self>();
        access.cloned().ok_or_else(|| CallError::internal(&"a call came past the layer of access"))
    }

    /// Whether nobody says who asks.
    pub fn is_anonymous(&self) -> bool {
        self.caller.is_none()
    }

    /// What the caller sees, by the facts of now.
    pub fn sight<'f>(&self, facts: &'f Ledger<'f>) -> Sight<'f, Ledger<'f>> {
        Sight::new(self.caller, self.view, self.now, facts)
    }

    /// Writes down that an answer reveals what is not public, where the caller looks by office and not at its own.
    ///
    /// # Errors
    /// [`CallError::Unavailable`] where it cannot be written: nothing is revealed then.
    pub fn reveals(&self, subject: impl std::fmt::Display, entries: usize) -> Result<(), CallError> {
        if self.view < View::Jurisdiction || self.row.is_open() || entries == 0 {
            return Ok(());
        }
        let subject = subject.to_string();
        let Some(caller) = self.caller else { return Ok(()) };
        tracing::info!(
            target: "tally::access",
            organisation = %caller.organisation,
            role = tally_core::authority::role_name(caller.role),
            key = %caller.key_id,
            method = self.row.method,
            subject,
            entries,
            "revealed"
        );
        let line = journal::Line { at: self.now, method: self.row.method, peer: self.peer, caller: Some(caller) };
        self.gate.journal.revealed(&line, &subject, entries).map_err(|error| {
            tracing::error!(target: "tally::access", %error, "the access log cannot be written");
            CallError::Unavailable("the access log cannot be written, and nothing is revealed without it")
        })
    }

    /// Writes down that the caller asked for something that is on record and not for its eyes, and gives what whoever
    /// asks for something unknown gets.
    pub fn hides(&self, what: &'static str, name: String) -> CallError {
        self.refused(&name, "NOT_FOR_YOUR_EYES");
        CallError::NotFound { what, name }
    }

    /// Writes down a refusal.
    pub(crate) fn refused(&self, subject: &str, reason: &'static str) {
        let line = journal::Line { at: self.now, method: self.row.method, peer: self.peer, caller: self.caller };
        self.gate.journal.refused(&line, subject, reason);
    }

    /// Lets in whom the table lets read the log itself.
    ///
    /// # Errors
    /// [`CallError::GrantLimited`].
    pub fn check_whole_log(&self, reader: &Reader) -> Result<(), CallError> {
        let facts = Ledger::new(reader);
        if self.sight(&facts).is_unlimited()? {
            return Ok(());
        }
        let role = self.caller.map(|caller| caller.role).unwrap_or_default();
        let error = CallError::GrantLimited { role, method: self.row.method };
        self.refused("the log", error.reason());
        Err(error)
    }

    /// Whether the caller of a long stream of the log is still who it was: its key not revoked, its role not withdrawn.
    ///
    /// # Errors
    /// [`CallError::Token`], [`CallError::GrantLimited`].
    pub fn check_still(&self, reader: &Reader) -> Result<(), CallError> {
        self.still(reader, "the log")?.check_whole_log(reader)
    }

    /// The access of the caller of a long stream about something as it is now, if it is still who it was.
    ///
    /// # Errors
    /// [`CallError::Token`].
    pub fn still(&self, reader: &Reader, subject: &str) -> Result<Self, CallError> {
        let Some(caller) = self.caller else { return Err(CallError::TokenMissing) };
        let now = Self { now: self.gate.clock.wall(), ..self.clone() };
        let state = reader.index.organisation(&reader.log, &caller.organisation.subject(), Instant::ALL)?;
        let state = state.ok_or(TokenError::KeyUnknown)?;
        let checked = key_in_force(&state, caller.key_id.as_bytes()).map_err(CallError::from).and_then(|_| {
            let holds = self.gate.holds(&state, caller.organisation, caller.role, now.now);
            if holds { Ok(()) } else { Err(TokenError::RoleNotHeld.into()) }
        });
        if let Err(error) = checked {
            now.refused(subject, error.reason());
            return Err(error);
        }
        Ok(now)
    }

    /// Holds an answer that says "nothing" back for a moment, so that its time does not tell what its bytes do not.
    pub async fn veil<T>(&self, answer: Result<T, CallError>, is_nothing: impl Fn(&T) -> bool) -> Result<T, CallError> {
        let says_nothing = match &answer {
            Ok(answer) => is_nothing(answer),
            Err(error) => matches!(error, CallError::NotFound { .. }),
        };
        if says_nothing {
            let waited = self.asked.elapsed().as_micros() / VEIL.as_micros();
            let due = u32::try_from(waited).unwrap_or(u32::MAX).saturating_add(1);
            tokio::time::sleep_until(self.asked + VEIL.saturating_mul(due)).await;
        }
        answer
    }
}
