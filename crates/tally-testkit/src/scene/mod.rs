//! A scene: everybody who has to do with a machine, their keys, and every event about them, signed and valid.
//!
//! What a scene makes goes through the ledger's own admission, so a test that wants a refusal changes one thing of an
//! event that would have been taken:
//!
//! ```
//! use tally_testkit::scene::Scene;
//!
//! let scene = Scene::new();
//! let shearer = scene.machine("MG900/2245").factory_exit().warehoused().entered_mine("M1");
//! let refusal = scene.sign_as("F1", shearer.next().overhauled()).unwrap_err();
//! assert_eq!(refusal.reason(), "ROLE_MAY_NOT_SIGN");
//! ```
//!
//! Keys, ids and time follow from a seed: a scene has the same bytes in every run.

mod books;
mod machine;
pub mod mark;
mod party;
pub mod publication;
mod register;
mod sketch;
mod steps;
mod supervision;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tally_client::{
    client::Identity,
    draft::{Author, Draft, SignedEvent},
    key::SigningKey,
};
use tally_core::{
    admission::Admission,
    hash::EventHash,
    id::{EventRef, OrganisationId, Scheme, SubjectId},
    number::ChainIndex,
    refusal::{Head, Refusal},
    signed_event::UnverifiedEnvelope,
    state::Recorded,
    time::Timestamp,
};
use tally_log::note::{SignerKey, VerifierKey};
use tally_proto::v1::{self, Role, statement::Body};

pub use machine::{LotPiece, Machine};
pub use party::{KeyUse, Party, Site};
pub use register::PLACES;
pub use sketch::Sketch;
pub use steps::Next;

use books::Books;
use party::key_seed;
use register::granted;

use crate::clock::SimClock;

/// The registrar.
pub const REGISTRAR: &str = "registrar";
/// The manufacturer of [`Scene::new`].
pub const MAKER: &str = "F1";
/// Its dealer, who has a warehouse.
pub const DEALER: &str = "D1";
/// Its mine organisation, which runs one mine.
pub const MINE: &str = "M1";
/// Its overhaul shop.
pub const SHOP: &str = "S1";
/// Its laboratory.
pub const LABORATORY: &str = "L1";
/// Its contractor.
pub const CONTRACTOR: &str = "C1";
/// Its recycler.
pub const RECYCLER: &str = "R1";
/// Its regulator.
pub const REGULATOR: &str = "G1";
/// The mark authority of the marks of a scene.
pub const MARK_AUTHORITY: &str = "A1";

/// 2024-03-01 08:00 in +08:00: far enough back that a real server's clock is ahead of a long scene.
pub const START: Timestamp = Timestamp::from_micros(1_709_251_200_000_000);

/// How a scene begins.
#[derive(Clone, Debug)]
pub struct Founding {
    /// Name of the log.
    pub origin: String,
    /// What keys and ids follow from.
    pub seed: u64,
    /// Number of the registrar's keys, 1 to 5.
    pub registrar_keys: u8,
    /// How many of them must sign.
    pub threshold: u8,
    /// The first instant.
    pub start: Timestamp,
}

impl Default for Founding {
    fn default() -> Self {
        Self { origin: "tally.example/scene".to_owned(), seed: 0, registrar_keys: 1, threshold: 1, start: START }
    }
}

/// Everybody, and what they have recorded so far. A clone is the same scene.
#[derive(Clone, Debug)]
pub struct Scene {
    books: Arc<Mutex<Books>>,
    log_seed: [u8; 32],
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Scene {
    /// A founded log with a manufacturer, dealer, mine, shop, laboratory, contractor, recycler and regulator on record,
    /// each under the name of its constant here.
    #[must_use]
    pub fn new() -> Self {
        Self::founded(Founding::default()).everybody()
    }

    /// A founded log with nothing but its registrar on record.
    ///
    /// # Panics
    /// Where the founding is none.
    #[must_use]
    pub fn founded(founding: Founding) -> Self {
        let Founding { origin, seed, registrar_keys, threshold, start } = founding;
        let log_seed = key_seed(seed, "the log itself", KeyUse::Organisation);
        let signer = SignerKey::from_seed(&origin, &log_seed).unwrap();
        let mut books = Books::new(&origin, seed, threshold, SimClock::new(start));
        let subject = SubjectId::organisation(Scheme::Other, REGISTRAR).unwrap();
        let id = OrganisationId::try_from(subject).unwrap();
        let mut key = |of| books.keys.key(REGISTRAR, of);
        let mut keys: Vec<Vec<u8>> =
            (0..registrar_keys).map(|number| bytes_of(&key(KeyUse::Registrar(number)))).collect();
        keys.sort_unstable();
        let body = v1::OrganisationRegistered {
            name: "Registrar".to_owned(),
            scheme: v1::Scheme::Other.into(),
            number: REGISTRAR.to_owned(),
            first_key: bytes_of(&key(KeyUse::Organisation)),
            recovery_key: bytes_of(&key(KeyUse::Recovery)),
            genesis: Some(v1::Genesis {
                log_key: signer.verifier().public_key().to_vec(),
                format_version: 1,
                registrar_keys: keys,
                threshold: threshold.into(),
            }),
            ..v1::OrganisationRegistered::default()
        };
        let issuer = key(KeyUse::Registrar(0));
        let author = Author { origin, organisation: id, role: Role::Registrar };
        let draft = Draft::new(&author, subject, start, Body::OrganisationRegistered(body), start).unwrap();
        let genesis = draft.event_id(books.event_id()).sign(ChainIndex::FIRST, EventHash::ZERO, &issuer, &[]).unwrap();
        books.parties.push(Party { name: REGISTRAR.to_owned(), id, role: Role::Registrar, site: None });
        books.found(genesis);
        Self { books: Arc::new(Mutex::new(books)), log_seed }
    }

    /// Goes on where somebody else founded a log, as `tally init` does: with its founding event and the key of its
    /// registrar. The scene does not have the log's key then.
    ///
    /// # Panics
    /// If the event founds no log.
    #[must_use]
    pub fn adopted(genesis: &v1::SignedEvent, registrar: SigningKey, seed: u64) -> Self {
        let envelope =
            UnverifiedEnvelope { payload: &genesis.payload, key_id: &genesis.key_id, signature: &genesis.signature };
        let parsed = envelope.parse().unwrap();
        let statement = parsed.event().statement();
        let mut books = Books::new(&statement.origin, seed, 1, SimClock::new(START));
        let party = Party { name: REGISTRAR.to_owned(), id: statement.organisation, role: Role::Registrar, site: None };
        books.parties.push(party);
        books.keys.adopt(REGISTRAR, KeyUse::Registrar(0), Arc::new(registrar));
        books.found(SignedEvent::parse(&genesis.payload, &genesis.key_id, &genesis.signature).unwrap());
        Self { books: Arc::new(Mutex::new(books)), log_seed: key_seed(seed, "no log", KeyUse::Organisation) }
    }

    /// Registers one of each, under the names of the constants here.
    #[must_use]
    pub fn everybody(self) -> Self {
        self.manufacturer(MAKER)
            .dealer(DEALER)
            .overhaul_shop(SHOP)
            .laboratory(LABORATORY)
            .contractor(CONTRACTOR)
            .recycler(RECYCLER)
            .regulator(REGULATOR)
            .mine(MINE)
    }

    /// A manufacturer, whose plates say `Maker NAME`.
    #[must_use]
    pub fn manufacturer(self, name: &str) -> Self {
        self.with_party(name, Role::Manufacturer)
    }

    /// A dealer.
    #[must_use]
    pub fn dealer(self, name: &str) -> Self {
        self.with_party(name, Role::Dealer)
    }

    /// A lessor.
    #[must_use]
    pub fn lessor(self, name: &str) -> Self {
        self.with_party(name, Role::Lessor)
    }

    /// An organisation that runs one mine, with places, and has engaged every shop, laboratory and contractor there is.
    #[must_use]
    pub fn mine(self, name: &str) -> Self {
        self.with_party(name, Role::Mine)
    }

    /// A contractor, engaged by every mine there is.
    #[must_use]
    pub fn contractor(self, name: &str) -> Self {
        self.with_party(name, Role::Contractor)
    }

    /// An overhaul shop, engaged by every mine there is.
    #[must_use]
    pub fn overhaul_shop(self, name: &str) -> Self {
        self.with_party(name, Role::OverhaulShop)
    }

    /// A laboratory, engaged by every mine there is.
    #[must_use]
    pub fn laboratory(self, name: &str) -> Self {
        self.with_party(name, Role::Laboratory)
    }

    /// A recycler.
    #[must_use]
    pub fn recycler(self, name: &str) -> Self {
        self.with_party(name, Role::Recycler)
    }

    /// A regulator.
    #[must_use]
    pub fn regulator(self, name: &str) -> Self {
        self.with_party(name, Role::Regulator)
    }

    /// An organisation in any role; nothing happens where there is one of the name.
    ///
    /// # Panics
    /// Where there is one of the name in another role.
    #[must_use]
    pub fn with_party(self, name: &str, role: Role) -> Self {
        let known = self.books().party(name).map(|party| party.role);
        match known {
            None => self.register(name, role, &[]),
            Some(known) => assert_eq!(known, role, "{name} has another role"),
        }
        self
    }

    /// A machine of [`MAKER`] with a serial of its own. Nothing is recorded yet.
    #[must_use]
    pub fn machine(&self, model: &str) -> Machine {
        self.machine_of(MAKER, model)
    }

    /// A machine of another maker.
    #[must_use]
    pub fn machine_of(&self, maker: &str, model: &str) -> Machine {
        let serial = self.next_serial();
        Machine::unit(self, maker, model, &serial)
    }

    /// A machine with a serial that the test chooses.
    #[must_use]
    pub fn machine_with(&self, maker: &str, model: &str, serial: &str) -> Machine {
        Machine::unit(self, maker, model, serial)
    }

    /// A reel of so many metres, for example of cable or belt, made by [`MAKER`].
    #[must_use]
    pub fn lot(&self, model: &str, metres: i64) -> Machine {
        let serial = self.next_serial();
        Machine::lot(self, MAKER, model, &serial, metres)
    }

    /// Any body, by any party, about any subject.
    #[must_use]
    pub fn sketch(&self, party: &str, subject: SubjectId, body: Body) -> Sketch {
        Sketch::new(self, &self.books(), party, subject, body)
    }

    /// Signs what `sketch` says as another party, in that party's role, and asks admission. Nothing is recorded.
    ///
    /// # Errors
    /// Why the ledger would refuse it.
    pub fn sign_as(&self, party: &str, sketch: Sketch) -> Result<SignedEvent, Refusal> {
        sketch.by(party).sign()
    }

    /// Signs sketches as one set, all with the key of the first one's issuer, and asks admission. Nothing is recorded.
    ///
    /// # Errors
    /// Why the ledger would refuse the set.
    pub fn sign_set(&self, sketches: &[Sketch]) -> Result<Vec<SignedEvent>, Refusal> {
        let mut books = self.books();
        let events = sketch::sign_sketches(&mut books, sketches)?;
        let messages: Vec<_> = events.iter().map(SignedEvent::message).collect();
        books.judge(&messages)?;
        Ok(events)
    }

    /// Signs sketches as one set and records it.
    ///
    /// # Panics
    /// If the set is refused.
    pub fn record_set(&self, sketches: &[Sketch]) -> Vec<SignedEvent> {
        let mut books = self.books();
        let recorded = sketch::sign_sketches(&mut books, sketches).and_then(|events| {
            books.record(events.clone())?;
            Ok(events)
        });
        recorded.unwrap_or_else(|refusal| panic!("the set {sketches:?} was refused: {refusal}"))
    }

    /// Records what was signed before and not recorded: an event, or a whole set.
    ///
    /// # Errors
    /// Why the ledger would refuse it; then nothing is recorded.
    pub fn record_signed(&self, events: Vec<SignedEvent>) -> Result<(), Refusal> {
        self.books().record(events)
    }

    /// A round of inspection over machines that are in the mine, on the mine's chain.
    #[must_use]
    pub fn round(&self, mine: &str, machines: &[&Machine]) -> Sketch {
        let mut ids: Vec<Vec<u8>> = machines.iter().map(|machine| machine.subject().id().to_vec()).collect();
        ids.sort_unstable();
        let now = self.now().micros();
        let body = v1::Inspected {
            kind: v1::InspectionKind::Daily.into(),
            nothing_found: true,
            started_us: now,
            finished_us: now,
            machines: ids,
            ..v1::Inspected::default()
        };
        self.sketch(mine, self.party(mine).mine(), Body::Inspected(body))
    }

    /// Grants a party another role, besides its own.
    pub fn grant(&self, party: &str, role: Role) -> SignedEvent {
        let party = self.party(party);
        let mines = party.site.iter().map(|site| site.mine.id().to_vec()).collect();
        self.sketch(REGISTRAR, party.id.subject(), granted(role, mines, &[], self.now())).record()
    }

    /// Revokes a key of a party, by its recovery key; `untrusted_since` as microseconds, 0 for not at all.
    #[must_use]
    pub fn revocation(&self, party: &str, of: KeyUse, untrusted_since_us: i64) -> Sketch {
        let body = v1::KeyRevoked {
            key_id: self.key(party, of).key_id().as_bytes().to_vec(),
            reason: v1::KeyRevocationReason::Lost.into(),
            untrusted_since_us,
        };
        let subject = self.party(party).id.subject();
        self.sketch(party, subject, Body::KeyRevoked(body)).issued_by(KeyUse::Recovery)
    }

    /// Every event in the order in which it was recorded, the founding one first.
    #[must_use]
    pub fn events(&self) -> Vec<SignedEvent> {
        self.books().groups.concat()
    }

    /// The same in groups: a set, or an event alone. Each group was one batch.
    #[must_use]
    pub fn groups(&self) -> Vec<Vec<SignedEvent>> {
        self.books().groups.clone()
    }

    /// The founding event.
    #[must_use]
    pub fn genesis(&self) -> SignedEvent {
        self.books().groups[0][0].clone()
    }

    /// The same events with their places and times, as if each group had been one batch that ends in a heads entry.
    #[must_use]
    pub fn recorded(&self) -> Vec<Recorded> {
        self.books().recorded.clone()
    }

    /// The admission state after all of them.
    #[must_use]
    pub fn admission(&self) -> Admission {
        self.books().admission.clone()
    }

    /// The last event of a chain.
    #[must_use]
    pub fn head(&self, subject: &SubjectId) -> Head {
        self.books().head(subject)
    }

    /// A party.
    ///
    /// # Panics
    /// Where there is none of the name.
    #[must_use]
    pub fn party(&self, name: &str) -> Party {
        self.books().party(name).unwrap_or_else(|| panic!("there is no party {name}")).clone()
    }

    /// A key of a party.
    #[must_use]
    pub fn key(&self, party: &str, of: KeyUse) -> Arc<SigningKey> {
        self.books().keys.key(party, of)
    }

    /// A party as it asks: in its usual role, with its own key, by the scene's clock.
    #[must_use]
    pub fn identity(&self, party: &str) -> Identity {
        let Party { id, role, .. } = self.party(party);
        let of = if party == REGISTRAR { KeyUse::Registrar(0) } else { KeyUse::Organisation };
        Identity { key: self.key(party, of), organisation: id, role, clock: Arc::new(self.clock()) }
    }

    /// Who signs drafts for a party.
    #[must_use]
    pub fn author(&self, party: &str) -> Author {
        let Party { id, role, .. } = self.party(party);
        Author { origin: self.origin(), organisation: id, role }
    }

    /// The scene's clock: each batch moves it on.
    #[must_use]
    pub fn clock(&self) -> SimClock {
        self.books().clock.clone()
    }

    /// The scene's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.books().clock.now()
    }

    /// How far each batch moves the clock from here on; a minute unless a test says otherwise.
    pub fn set_tick(&self, tick: Duration) {
        self.books().tick = tick;
    }

    /// Name of the log.
    #[must_use]
    pub fn origin(&self) -> String {
        self.books().origin.clone()
    }

    /// The log's key, which the founding event names.
    ///
    /// # Panics
    /// Never: the origin was one when the scene began.
    #[must_use]
    pub fn log_signer(&self) -> SignerKey {
        SignerKey::from_seed(&self.origin(), &self.log_seed).unwrap()
    }

    /// The public half of the log's key: what a verifier pins.
    #[must_use]
    pub fn log_key(&self) -> VerifierKey {
        self.log_signer().verifier().clone()
    }

    #[cfg(feature = "server")]
    pub(crate) const fn log_seed(&self) -> &[u8; 32] {
        &self.log_seed
    }

    /// From here on keeps only what the next event needs: for lives without end.
    pub(crate) fn forget(&self) {
        let mut books = self.books();
        books.keeps = false;
        books.groups = Vec::new();
        books.recorded = Vec::new();
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // A test that panicked with the lock held must not hide its own message behind a poisoned lock.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_serial(&self) -> String {
        let mut books = self.books();
        books.serials += 1;
        format!("{:04}", books.serials)
    }
}

/// The name of a maker as it stands on its plates.
#[must_use]
pub fn plate_name(maker: &str) -> String {
    format!("Maker {maker}")
}

/// The reference to an event, as bodies hold it.
#[must_use]
pub fn reference(event: &EventRef) -> v1::EventRef {
    tally_core::event::event_ref_message(event)
}

/// The day of an instant, as bodies hold it.
///
/// # Panics
/// Where the calendar has no such day.
#[must_use]
pub fn day_of(time: Timestamp) -> v1::Day {
    day(time.day().unwrap())
}

fn day(day: tally_core::time::Day) -> v1::Day {
    v1::Day { year: u32::try_from(day.year()).unwrap(), month: day.month().into(), day: day.day().into() }
}

fn bytes_of(key: &SigningKey) -> Vec<u8> {
    key.public().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use tally_proto::v1::{Duty, FaultSeverity, ServiceState};

    use super::*;

    fn reason(signed: Result<SignedEvent, Refusal>) -> &'static str {
        signed.unwrap_err().reason()
    }

    #[test]
    fn nothing_that_a_scene_makes_is_irregular() {
        let scene = Scene::new().lessor("Z1").mine("M2");
        for state in [
            ServiceState::Dismantled,
            ServiceState::AtOverhaul,
            ServiceState::Standby,
            ServiceState::UnderMaintenance,
            ServiceState::Lost,
        ] {
            scene.machine("MG900/2245").reach(state);
        }
        let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
        machine.inspected().usage_reported(8).settings_changed(600).calibrated().tested().supervised().maintained();
        machine.component_replaced("cutter motor").component_taken_out("haulage").component_fitted("haulage");
        machine.fault_reported("F 1", FaultSeverity::Stop).rectified("F 1").rectification_confirmed("F 1").resumed();
        machine.duty_changed(Duty::Standby).duty_changed(Duty::Work).moved("roadway").noted("x").plate_replaced();
        machine.alias_set("412").alias_ended("412").ownership_changed("Z1").lease_started("M1").lease_ended();
        let last = machine.last().event_ref();
        machine.lost_reported().recovered().noted("y").withdrawn(&machine.last().event_ref()).countersigned(&last);
        machine.overhauled().altered().dispatched("M2").entered_mine("M2");
        let part = scene.machine("motor").reach(ServiceState::Accepted);
        scene.machine("EBZ200H").reach(ServiceState::InUse).part_fitted("cutter motor", &part);
        let pieces = scene.lot("cable", 500).reach(ServiceState::AtMine).split(&[("a", 200), ("b", 300)]);
        assert_eq!(pieces[1].record().quantity.unwrap().digits, 300);
        pieces[0].acceptance_checked();
        scene.machine("old").enrolled("M1").inspected();
        scene
            .machine("refused")
            .factory_exit()
            .receipt_refused()
            .received()
            .dispatched("D1")
            .stock_checked()
            .exported();
        let recorded = scene.recorded();
        for recorded in &recorded {
            assert_eq!(recorded.findings, [], "{}", recorded.candidate.kind());
        }
        assert_eq!(recorded.len(), scene.events().len());
    }

    #[test]
    fn the_steps_between_are_made_where_nobody_asks_for_them() {
        let scene = Scene::new().manufacturer("F1").mine("M1");
        let shearer = scene.machine("MG900/2245").factory_exit().warehoused().entered_mine("M1");
        let kinds: Vec<&str> = scene
            .recorded()
            .iter()
            .filter(|recorded| recorded.candidate.statement().subject == shearer.subject())
            .map(|recorded| recorded.candidate.kind().name())
            .collect();
        let due = ["Manufactured", "FactoryExit", "Received", "Warehoused", "Dispatched", "Received", "EnteredMine"];
        assert_eq!(kinds, due);
        assert_eq!((shearer.holder().as_str(), shearer.state()), ("M1", ServiceState::Underground));
    }

    #[test]
    fn one_thing_changed_is_refused_for_that_thing() {
        let scene = Scene::new().mine("M2");
        let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
        let inspected = || machine.next().inspected();
        inspected().sign().unwrap();
        assert_eq!(reason(scene.sign_as("F1", machine.next().overhauled())), "ROLE_MAY_NOT_SIGN");
        assert_eq!(reason(scene.sign_as("M2", inspected())), "STRANGER");
        assert_eq!(reason(inspected().in_role(Role::Contractor).sign()), "ROLE_NOT_HELD");
        assert_eq!(reason(inspected().issued_by(KeyUse::Unregistered(0)).sign()), "KEY_UNKNOWN");
        assert_eq!(reason(inspected().issued_by_key_of("M2", KeyUse::Organisation).sign()), "KEY_OF_ANOTHER");
        assert_eq!(reason(inspected().issued_by(KeyUse::Recovery).sign()), "KEY_NOT_MEANT");
        assert_eq!(reason(inspected().with_hand("M2", KeyUse::Staff(0)).sign()), "HAND_FOREIGN");
        assert_eq!(reason(inspected().mentioning(scene.party("M1").mine()).sign()), "WRONG_MENTIONS");
        assert_eq!(
            reason(inspected().at(Timestamp::from_micros(scene.now().micros() * 2)).sign()),
            "OCCURRED_IN_FUTURE"
        );
        let Head { chain_length, .. } = machine.head();
        assert_eq!(
            reason(inspected().on_head(Head { chain_length: 1, head_hash: machine.events()[0].event_hash() }).sign()),
            "STALE_HEAD"
        );
        let gap = Head { chain_length: chain_length + 1, ..machine.head() };
        assert_eq!(reason(inspected().on_head(gap).sign()), "CHAIN_GAP");
        let other = Head { head_hash: EventHash::new([1; 32]), ..machine.head() };
        assert_eq!(reason(inspected().on_head(other).sign()), "WRONG_PREVIOUS_HASH");
        let elsewhere = inspected().with_header(|header| header.origin = "other.example/log".to_owned());
        assert_eq!(reason(elsewhere.sign()), "WRONG_ORIGIN");
        assert_eq!(reason(machine.next().ownership_changed("D1").without_hands().sign()), "HAND_MISSING");
        assert_eq!(reason(machine.next().noted("").sign()), "MALFORMED_EVENT");
        let message = machine.next().noted("").message();
        let envelope =
            UnverifiedEnvelope { payload: &message.payload, key_id: &message.key_id, signature: &message.signature };
        envelope.parse().unwrap();
        assert_eq!(machine.head().chain_length, chain_length, "nothing of it was recorded");
    }

    #[test]
    fn sets_are_taken_whole_or_not_at_all() {
        let scene = Scene::new();
        let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
        let part = scene.machine("motor").reach(ServiceState::Accepted);
        let set = machine.part_fitting("cutter motor", &part);
        assert_eq!(scene.sign_set(&set).unwrap().len(), 2);
        assert_eq!(reason(set[0].sign()), "PART_EVENT_MISSING");
        let spoilt = [set[0].clone(), set[1].clone().on_head(Head { chain_length: 1, ..part.head() })];
        let before = (machine.head(), part.head());
        assert_eq!(scene.sign_set(&spoilt).unwrap_err().reason(), "STALE_HEAD");
        assert_eq!((machine.head(), part.head()), before);
    }

    #[test]
    fn a_scene_has_the_same_bytes_in_every_run() {
        let bytes = || {
            let scene = Scene::new();
            scene.machine("MG900/2245").reach(ServiceState::InUse);
            scene.events().iter().map(|event| event.payload().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(bytes(), bytes());
    }

    #[test]
    fn a_threshold_of_registrar_keys_is_met_unless_a_hand_is_missing() {
        let founding = Founding { registrar_keys: 3, threshold: 2, ..Founding::default() };
        let scene = Scene::founded(founding).everybody();
        let id = scene.party(DEALER).id.subject();
        let grant = scene.sketch(REGISTRAR, id, granted(Role::Lessor, Vec::new(), &[], scene.now()));
        assert_eq!(reason(grant.clone().without_hands().sign()), "THRESHOLD_NOT_MET");
        grant.record();
    }

    #[test]
    fn keys_are_revoked_by_the_recovery_key() {
        let scene = Scene::new();
        let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
        scene.revocation(MINE, KeyUse::Staff(0), 0).record();
        assert_eq!(reason(machine.next().inspected().sign()), "KEY_REVOKED");
    }

    #[test]
    fn a_log_that_somebody_else_founded_goes_on() {
        let founded = Scene::founded(Founding { origin: "other.example/log".to_owned(), ..Founding::default() });
        let registrar = SigningKey::from_seed(key_seed(0, REGISTRAR, KeyUse::Registrar(0))).unwrap();
        let scene = Scene::adopted(&founded.genesis().message(), registrar, 9).everybody();
        scene.machine("MG900/2245").reach(ServiceState::InUse);
        assert_eq!(scene.origin(), "other.example/log");
    }

    #[test]
    fn rounds_mention_the_machines_that_are_in_the_mine() {
        let scene = Scene::new();
        let [one, two] = [1, 2].map(|_| scene.machine("MG900/2245").reach(ServiceState::InUse));
        let round = scene.round(MINE, &[&one, &two]).record();
        assert_eq!(round.event().statement().mentions.len(), 2);
        let outside = scene.machine("MG900/2245").factory_exit();
        assert_eq!(reason(scene.round(MINE, &[&outside]).sign()), "MENTION_NOT_ALLOWED");
    }
}
