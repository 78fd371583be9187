//! Who asks: a token for the calls of which the ledger tells more to some than to others, renewed before it expires

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tally_core::access;
use tally_core::id::OrganisationId;
use tally_core::time::Timestamp;
use tally_core::token::NewToken;
use tally_proto::v1::Role;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{GrpcMethod, Request, Status};

use crate::clock::Clock;
use crate::key::SigningKey;

/// How long a token lives, in seconds.
const LIFE_SECONDS: i64 = 600;
/// It is renewed when less than this is left, so that none expires on its way.
const RENEWED_SECONDS: i64 = 120;
const MICROS: i64 = 1_000_000;

/// Who asks: an organisation in one of its roles, with a key that is registered for it (its own, a person's or a
/// device's; never the recovery key). Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    /// The key that signs tokens.
    pub key: Arc<SigningKey>,
    /// The organisation.
    pub organisation: OrganisationId,
    /// The role in which it asks.
    pub role: Role,
    /// What tells the time of tokens.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, organisation, role, .. } = self;
        write!(out, "Identity({organisation} as {role:?} with {key:?})")
    }
}

impl Identity {
    /// Signs a token for the log `origin`, for whoever calls without this client.
    ///
    /// `life_seconds` is at most [`tally_core::token::LIFE_SECONDS_MAX`]: a server takes none that lives longer.
    #[must_use]
    pub fn token(&self, origin: &str, life_seconds: i64) -> String {
        self.token_at(origin, self.clock.now(), life_seconds)
    }

    fn token_at(&self, origin: &str, issued_at: Timestamp, life_seconds: i64) -> String {
        let mut id = [0; 16];
        // It only names the token: without random numbers it has none.
        let _named = getrandom::fill(&mut id);
        let Self { key, organisation, role, .. } = self;
        let (organisation, role, key_id) = (*organisation, *role, key.key_id());
        NewToken { origin, organisation, role, key_id, issued_at, life_seconds, id }.sign(|bytes| key.sign(bytes))
    }
}

/// Puts a token into the calls that are answered differently with one. Clones share the token.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    identity: Option<Identity>,
    origin: Arc<str>,
    minted: Arc<Mutex<Option<Minted>>>,
}

#[derive(Clone, Debug)]
struct Minted {
    header: MetadataValue<Ascii>,
    from: Timestamp,
}

impl Bearer {
    pub(super) fn new(identity: Option<Identity>, origin: &str) -> Self {
        Self { identity, origin: origin.into(), minted: Arc::default() }
    }

    fn header(&self) -> Option<MetadataValue<Ascii>> {
        let identity = self.identity.as_ref()?;
        let now = identity.clock.now();
        let mut minted = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was turned back makes a token that is not valid yet.
        let age = |minted: &Minted| now.micros().saturating_sub(minted.from.micros());
        let fresh =
            minted.as_ref().filter(|minted| (0..(LIFE_SECONDS - RENEWED_SECONDS) * MICROS).contains(&age(minted)));
        if let Some(minted) = fresh {
            return Some(minted.header.clone());
        }
        let token = identity.token_at(&self.origin, now, LIFE_SECONDS);
        let mut header: MetadataValue<Ascii> = format!("Bearer {token}").parse().ok()?;
        header.set_sensitive(true);
        *minted = Some(Minted { header: header.clone(), from: now });
        Some(header)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let row = request.extensions().get::<GrpcMethod<'static>>();
        let row = row.and_then(|called| access::row(called.service(), called.method()));
        // What is open to everyone stays so for a key that was revoked a moment ago.
        if row.is_none_or(|row| !row.is_open())
            && let Some(header) = self.header()
        {
            request.metadata_mut().insert("authorization", header);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct Hands(AtomicI64);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.0.load(Ordering::SeqCst) * MICROS)
        }
    }

    fn identity(clock: &Arc<Hands>) -> Identity {
        Identity {
            key: Arc::new(SigningKey::from_seed([1; 32]).unwrap()),
            organisation: OrganisationId::new([2; 16]),
            role: Role::Mine,
            clock: clock.clone(),
        }
    }

    #[test]
    fn a_token_is_renewed_before_it_expires_and_when_the_clock_was_turned_back() {
        let clock = Arc::new(Hands(AtomicI64::new(1_800_000_000)));
        let bearer = Bearer::new(Some(identity(&clock)), "log.example/a");
        let at = |seconds: i64| {
            clock.0.store(1_800_000_000 + seconds, Ordering::SeqCst);
            bearer.clone().header().unwrap()
        };
        let first = at(0);
        assert_eq!(at(479), first);
        let second = at(480);
        assert_ne!(second, first);
        assert_eq!(at(481), second);
        assert_ne!(at(479), second);
        assert!(first.is_sensitive());
    }

    #[test]
    fn only_calls_that_are_answered_differently_say_who_asks() {
        let clock = Arc::new(Hands(AtomicI64::new(1_800_000_000)));
        let says = |bearer: &Bearer, service: &'static str, method: &'static str| {
            let mut request = Request::new(());
            request.extensions_mut().insert(GrpcMethod::new(service, method));
            bearer.clone().call(request).unwrap().metadata().contains_key("authorization")
        };
        let known = Bearer::new(Some(identity(&clock)), "log.example/a");
        assert!(says(&known, "tally.v1.EquipmentService", "GetEquipment"));
        assert!(!says(&known, "tally.v1.SubjectService", "GetHead"));
        assert!(says(&known, "tally.v1.SubjectService", "OfANewerServer"));
        let unknown = Bearer::new(None, "log.example/a");
        assert!(!says(&unknown, "tally.v1.EquipmentService", "GetEquipment"));
    }
}
