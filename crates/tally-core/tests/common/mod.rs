//! A ledger in memory, for tests: organisations with roles and keys, and events that are right but for what a test
//! changes. Keys come from names, so that a failure can be read.

#![allow(dead_code, clippy::missing_panics_doc, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panic, its helpers too"
)]

pub(crate) mod bodies;
pub(crate) mod fields;
pub(crate) mod golden;
pub(crate) mod worked;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::Arc,
};

use ed25519_dalek::{Signer as _, SigningKey};
use tally_core::{
    admission::{Admission, Chains, Findings},
    candidate::{Candidate, UnverifiedCandidate},
    entry::EventEntry,
    envelope::{PAYLOAD_TYPE_EVENT, PAYLOAD_TYPE_STATEMENT, pae},
    event::UncheckedBody,
    hash::{Digest, EventHash, sha256},
    id::{EventId, EventRef, OrganisationId, Scheme, SubjectId, SubjectKind},
    key::{KeyId, PublicKey},
    number::{ChainIndex, LogPosition},
    refusal::Refusal,
    retry,
    set::{EventSet, check_members},
    signed_event::{Event, Hand, UnverifiedEnvelope},
    state::Recorded,
    statement::Statement,
    time::Timestamp,
};
use tally_proto::v1::{self, KeyAlgorithm, KeyKind, Role, statement::Body as Message};

pub(crate) const ORIGIN: &str = "ledger.example/test";
pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;
/// 2026-01-01T00:00:00+08:00.
pub(crate) const START: i64 = 1_767_196_800_000_000;

/// The signing key of a name.
pub(crate) fn signer(name: &str) -> SigningKey {
    SigningKey::from_bytes(&sha256(&[b"test key ", name.as_bytes()]))
}

/// The public key of a name.
pub(crate) fn key(name: &str) -> Vec<u8> {
    signer(name).verifying_key().to_bytes().to_vec()
}

/// The id of that key.
pub(crate) fn key_id(name: &str) -> KeyId {
    KeyId::of(signer(name).verifying_key().as_bytes())
}

/// The organisation of a name.
pub(crate) fn organisation(name: &str) -> OrganisationId {
    OrganisationId::try_from(SubjectId::organisation(Scheme::Other, name).unwrap()).unwrap()
}

/// The mine of a name.
pub(crate) fn mine(name: &str) -> SubjectId {
    SubjectId::mine(Scheme::Other, name).unwrap()
}

/// An event before it is signed. A test changes what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) origin: String,
    pub(crate) event_id: Option<[u8; 16]>,
    pub(crate) subject: SubjectId,
    pub(crate) organisation: OrganisationId,
    pub(crate) role: Role,
    pub(crate) body: Message,
    pub(crate) occurred_at: Option<i64>,
    /// Name of the key that issues it.
    pub(crate) issuer: String,
    /// Names of the keys of the hands.
    pub(crate) hands: Vec<String>,
    /// Instead of what the body names.
    pub(crate) mentions: Option<Vec<SubjectId>>,
    pub(crate) set: Option<EventSet>,
    pub(crate) chain_index: Option<u64>,
    pub(crate) previous_hash: Option<EventHash>,
    pub(crate) first_index: Option<u64>,
}

impl Draft {
    pub(crate) fn hand(mut self, name: &str) -> Self {
        self.hands.push(name.to_owned());
        self
    }

    pub(crate) fn issuer(mut self, name: &str) -> Self {
        self.issuer = name.to_owned();
        self
    }

    pub(crate) fn at(mut self, micros: i64) -> Self {
        self.occurred_at = Some(micros);
        self
    }
}

/// An event as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) payload: Vec<u8>,
    pub(crate) key_id: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Sent {
    pub(crate) fn envelope(&self) -> UnverifiedEnvelope<'_> {
        UnverifiedEnvelope { payload: &self.payload, key_id: &self.key_id, signature: &self.signature }
    }
}

/// The events of all chains, for what refers to an earlier one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(HashMap<SubjectId, Vec<Arc<Candidate>>>);

impl Chains for Known {
    fn event(&self, subject: &SubjectId, index: ChainIndex) -> Option<Arc<Candidate>> {
        self.0.get(subject)?.get(usize::try_from(index.get()).ok()?).cloned()
    }
}

/// A log in memory with its admission state. Every event is its own batch.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) admission: Admission,
    pub(crate) known: Known,
    pub(crate) log: Vec<Recorded>,
    pub(crate) now: i64,
    ids: u64,
}

impl Ledger {
    /// A log that a registrar founded, `threshold` of its keys `registrar`, `registrar-2`, `registrar-3` signing.
    pub(crate) fn founded(threshold: u32) -> Self {
        let mut ledger =
            Self { admission: Admission::new(ORIGIN), known: Known::default(), log: Vec::new(), now: START, ids: 0 };
        let mut registrar_keys = vec![key("registrar"), key("registrar-2"), key("registrar-3")];
        registrar_keys.sort();
        let genesis = v1::Genesis { log_key: key("the log"), format_version: 1, registrar_keys, threshold };
        let body =
            v1::OrganisationRegistered { genesis: Some(genesis), ..bodies::organisation_registered("registrar") };
        let subject = organisation("registrar").subject();
        let draft = ledger.draft("registrar", Role::Registrar, subject, Message::OrganisationRegistered(body));
        let sent = ledger.sign(&draft);
        let candidate = Candidate::parse_trusted(sent.envelope()).unwrap();
        ledger.record(candidate, Vec::new());
        ledger
    }

    /// Registers an organisation with a role; `NAME/zhang` and `NAME/li` are keys of two of its people.
    pub(crate) fn register(&mut self, name: &str, roles: &[Role], mines: &[SubjectId]) {
        let subject = organisation(name).subject();
        self.by_registrar(subject, Message::OrganisationRegistered(bodies::organisation_registered(name)));
        for role in roles {
            let scope = (*role == Role::Mine).then(|| v1::Scope {
                mines: mines.iter().map(|mine| mine.id().to_vec()).collect(),
                ..v1::Scope::default()
            });
            let from = bodies::day(2000, 1, 1);
            let granted = v1::RoleGranted { role: *role as i32, scope, from, ..v1::RoleGranted::default() };
            self.by_registrar(subject, Message::RoleGranted(granted));
        }
        for person in ["zhang", "li"] {
            self.by_registrar(subject, Message::KeyAdded(staff_key(&format!("{name}/{person}"))));
        }
    }

    pub(crate) fn by_registrar(&mut self, subject: SubjectId, body: Message) {
        let draft = self.draft("registrar", Role::Registrar, subject, body).hand("registrar-2");
        self.accept(draft);
    }

    /// An event that continues the chain as it stands, issued by the organisation's own key.
    pub(crate) fn draft(&self, name: &str, role: Role, subject: SubjectId, body: Message) -> Draft {
        Draft {
            origin: ORIGIN.to_owned(),
            event_id: None,
            subject,
            organisation: organisation(name),
            role,
            body,
            occurred_at: None,
            issuer: name.to_owned(),
            hands: Vec::new(),
            mentions: None,
            set: None,
            chain_index: None,
            previous_hash: None,
            first_index: None,
        }
    }

    /// An event that opens the chain of what has no number of its own: the id of the event is that of the subject.
    pub(crate) fn opening(&mut self, name: &str, role: Role, kind: SubjectKind, body: Message) -> Draft {
        self.ids += 1;
        let mut id = [0xAA; 16];
        id[8..].copy_from_slice(&self.ids.to_be_bytes());
        (id[6], id[8]) = (0x7A, 0x80);
        Draft { event_id: Some(id), ..self.draft(name, role, SubjectId::new(kind, id), body) }
    }

    /// The statement of a draft.
    pub(crate) fn statement(&mut self, draft: &Draft, members: &[SubjectId]) -> Statement {
        self.ids += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.ids.to_be_bytes());
        (id[6], id[8]) = (0x70, 0x80);
        let (body_number, body) = UncheckedBody::from(draft.body.clone()).encode();
        let chain_index = draft.chain_index.unwrap_or(self.admission.head(&draft.subject).chain_length);
        let mut statement = Statement {
            origin: draft.origin.clone(),
            event_id: EventId::parse(&draft.event_id.unwrap_or(id)).unwrap(),
            subject: draft.subject,
            occurred_at: Timestamp::from_micros(draft.occurred_at.unwrap_or(self.now)),
            organisation: draft.organisation,
            role: draft.role as u32,
            mentions: Vec::new(),
            set: draft.set,
            first_index: ChainIndex::new(draft.first_index.unwrap_or(chain_index)),
            performed_by: Vec::new(),
            checked_by: Vec::new(),
            approved_by: Vec::new(),
            body_number,
            body,
        };
        statement.mentions = draft.mentions.clone().unwrap_or_else(|| self.touched(draft, &statement, members));
        statement
    }

    fn touched(&self, draft: &Draft, statement: &Statement, members: &[SubjectId]) -> Vec<SubjectId> {
        let Ok(body) = UncheckedBody::from(draft.body.clone()).check() else { return Vec::new() };
        let named = body.names(statement);
        let is_open =
            |subject: &&SubjectId| self.admission.head(subject).chain_length > 0 && !members.contains(subject);
        let mut mentions = named.subjects.clone();
        mentions.extend(named.equipment.iter().filter(is_open));
        mentions.sort();
        mentions
    }

    /// Signs a draft as it is sent.
    pub(crate) fn sign(&mut self, draft: &Draft) -> Sent {
        let statement = self.statement(draft, &[]);
        self.sign_statement(draft, &statement)
    }

    pub(crate) fn sign_statement(&self, draft: &Draft, statement: &Statement) -> Sent {
        let head = self.admission.head(&draft.subject);
        let statement = statement.encode();
        let message = pae(PAYLOAD_TYPE_STATEMENT, &statement);
        let hands = draft
            .hands
            .iter()
            .map(|name| Hand { key_id: key_id(name), signature: signer(name).sign(&message).to_bytes() });
        let index = ChainIndex::new(draft.chain_index.unwrap_or(head.chain_length));
        let previous = draft.previous_hash.unwrap_or(head.head_hash);
        let event = Event::new(index, previous, &statement, hands.collect()).unwrap();
        self.issue(&draft.issuer, event.encode())
    }

    /// Puts the issuer's signature under a payload.
    pub(crate) fn issue(&self, name: &str, payload: Vec<u8>) -> Sent {
        let signature = signer(name).sign(&pae(PAYLOAD_TYPE_EVENT, &payload)).to_bytes().to_vec();
        Sent { payload, key_id: key_id(name).as_bytes().to_vec(), signature }
    }

    /// Parses and verifies what was sent, as the pool does.
    pub(crate) fn receive(&self, sent: &Sent) -> Result<Candidate, Refusal> {
        UnverifiedCandidate::parse(ORIGIN, sent.envelope())?.verify(|id| self.admission.key(id))
    }

    /// Decides about what was sent, as the sequencer does. `Ok(None)` is a retry of what stands there.
    pub(crate) fn judge(&self, candidate: &Candidate, members: &[SubjectId]) -> Result<Option<Findings>, Refusal> {
        let subject = candidate.statement().subject;
        for index in retry::places_to_search(candidate)? {
            if let Some(standing) = self.known.event(&subject, ChainIndex::new(index)) {
                retry::check_id_is_new(candidate, standing.event())?;
            }
        }
        match self.admission.judge(candidate, Timestamp::from_micros(self.now), members, &self.known) {
            Err(Refusal::StaleHead { head, .. }) => {
                let standing = self.known.event(&subject, candidate.event().chain_index()).unwrap();
                retry::judge_behind(candidate.event(), standing.event(), head).map(|()| None)
            }
            other => other.map(Some),
        }
    }

    /// Seals a candidate that was admitted.
    pub(crate) fn record(&mut self, candidate: Candidate, findings: Findings) -> Recorded {
        let position = LogPosition::new(u64::try_from(self.log.len()).unwrap()).unwrap();
        self.now += 60_000_000;
        let recorded_at = Timestamp::from_micros(self.now);
        let entry = EventEntry::new(recorded_at, candidate.event().envelope().clone()).unwrap();
        self.admission.apply(&candidate, position, entry.leaf_hash()).unwrap();
        let candidate = Arc::new(candidate);
        self.known.0.entry(candidate.statement().subject).or_default().push(Arc::clone(&candidate));
        let recorded = Recorded { position, recorded_at, candidate, findings };
        self.log.push(recorded.clone());
        recorded
    }

    /// Sends what is signed; records it where it is admitted.
    pub(crate) fn send(&mut self, sent: &Sent) -> Result<Option<Recorded>, Refusal> {
        let candidate = self.receive(sent)?;
        Ok(self.judge(&candidate, &[])?.map(|findings| self.record(candidate, findings)))
    }

    /// Signs and sends a draft.
    pub(crate) fn offer(&mut self, draft: &Draft) -> Result<Recorded, Refusal> {
        let sent = self.sign(draft);
        self.send(&sent).map(|recorded| recorded.unwrap_or_else(|| panic!("a retry of {draft:?}")))
    }

    /// Sends a draft that must be admitted.
    pub(crate) fn accept(&mut self, draft: Draft) -> Recorded {
        self.offer(&draft).unwrap_or_else(|refusal| panic!("{}: {refusal}\n{draft:?}", refusal.reason()))
    }

    /// The signed members of an atomic set; two on one chain are linked.
    pub(crate) fn sign_set(&mut self, drafts: &[Draft]) -> Vec<Sent> {
        let members: Vec<SubjectId> = drafts.iter().map(|draft| draft.subject).collect();
        let mut statements: Vec<Statement> = drafts.iter().map(|draft| self.statement(draft, &members)).collect();
        let hashes: Vec<Digest> = statements.iter().map(Statement::member_hash).collect();
        let set = EventSet::of(&hashes).unwrap();
        for statement in &mut statements {
            statement.set = Some(set);
        }
        drafts.iter().zip(&statements).map(|(draft, statement)| self.sign_statement(draft, statement)).collect()
    }

    /// Sends a set as the sequencer takes it: all members or none.
    pub(crate) fn send_set(&mut self, sent: &[Sent]) -> Result<Vec<Recorded>, Refusal> {
        let candidates: Vec<Candidate> = sent.iter().map(|sent| self.receive(sent)).collect::<Result<_, _>>()?;
        let verified: Vec<_> = candidates.iter().map(Candidate::event).collect();
        check_members(&verified)?;
        let members: Vec<SubjectId> = candidates.iter().map(|member| member.statement().subject).collect();
        let (mark, length, now) = (self.admission.mark(), self.log.len(), self.now);
        let mut recorded = Vec::new();
        for candidate in candidates {
            match self.judge(&candidate, &members) {
                Ok(findings) => recorded.push(self.record(candidate, findings.unwrap_or_default())),
                Err(refusal) => {
                    self.undo(mark, length, now);
                    return Err(refusal);
                }
            }
        }
        self.admission.commit();
        Ok(recorded)
    }

    /// Takes back what was sealed since a mark.
    pub(crate) fn undo(&mut self, mark: tally_core::admission::Mark, length: usize, now: i64) {
        self.admission.roll_back(mark);
        for undone in self.log.drain(length..) {
            drop(self.known.0.get_mut(&undone.candidate.statement().subject).and_then(Vec::pop));
        }
        self.now = now;
    }

    /// Sends a set of drafts.
    pub(crate) fn offer_set(&mut self, drafts: &[Draft]) -> Result<Vec<Recorded>, Refusal> {
        let sent = self.sign_set(drafts);
        self.send_set(&sent)
    }

    /// The last event of a chain.
    pub(crate) fn last(&self, subject: &SubjectId) -> EventRef {
        self.known.0[subject].last().unwrap().event().event_ref()
    }

    /// All entries that touched a subject.
    pub(crate) fn touching(&self, subject: &SubjectId) -> Vec<Recorded> {
        let touches = |event: &&Recorded| event.candidate.statement().touched().any(|touched| touched == *subject);
        self.log.iter().filter(touches).cloned().collect()
    }
}

/// All that an admission state says, in one order: two states are the same where these are.
pub(crate) fn fingerprint(admission: &Admission) -> String {
    let mut text = format!("{} {:?}\n", admission.origin(), admission.registrar());
    let subjects: BTreeSet<SubjectId> = admission.heads().map(|(subject, _)| subject).collect();
    for subject in subjects {
        writeln!(text, "{subject} {:?} {:?}", admission.head(&subject), admission.record(&subject)).unwrap();
    }
    let keys: BTreeMap<KeyId, String> = admission.keys().map(|key| (key.key_id(), format!("{key:?}"))).collect();
    writeln!(text, "{keys:#?}").unwrap();
    text
}

/// A staff key of a name such as `mine/zhang`.
pub(crate) fn staff_key(name: &str) -> v1::KeyAdded {
    let person = sha256(&[b"person", name.as_bytes()])[..16].to_vec();
    v1::KeyAdded {
        key: key(name),
        algorithm: KeyAlgorithm::Ed25519 as i32,
        kind: KeyKind::Staff as i32,
        person_id: person,
        post: "包机人".to_owned(),
        ..v1::KeyAdded::default()
    }
}

/// A public key as it is registered.
pub(crate) fn public_key(name: &str) -> PublicKey {
    PublicKey::parse(&key(name)).unwrap()
}

impl Ledger {
    /// A maker, a dealer, a lessor, a mine with its company, a contractor, a shop, a laboratory, a recycler, a regulator,
    /// a mark authority and strangers; every organisation with two people.
    pub(crate) fn scene() -> Self {
        let mut ledger = Self::founded(2);
        ledger.register("company", &[], &[]);
        ledger.register("neighbour", &[], &[]);
        for (name, operator) in [("mine", "company"), ("other mine", "neighbour")] {
            ledger.by_registrar(mine(name), Message::MineRegistered(bodies::mine_registered(name, operator)));
        }
        ledger.grant_mine("company", "mine");
        ledger.grant_mine("neighbour", "other mine");
        for (name, role) in [
            ("maker", Role::Manufacturer),
            ("other maker", Role::Manufacturer),
            ("dealer", Role::Dealer),
            ("lessor", Role::Lessor),
            ("contractor", Role::Contractor),
            ("shop", Role::OverhaulShop),
            ("laboratory", Role::Laboratory),
            ("recycler", Role::Recycler),
            ("regulator", Role::Regulator),
            ("mark authority", Role::MarkAuthority),
            ("partner", Role::Dealer),
        ] {
            ledger.register(name, &[role], &[]);
        }
        ledger
    }

    /// A regulator for some areas.
    pub(crate) fn register_regulator(&mut self, name: &str, areas: &[&str]) {
        self.register(name, &[], &[]);
        let areas = areas.iter().map(|area| (*area).to_owned()).collect();
        let scope = Some(v1::Scope { areas, ..v1::Scope::default() });
        let from = bodies::day(2000, 1, 1);
        let granted = v1::RoleGranted { role: Role::Regulator as i32, scope, from, ..v1::RoleGranted::default() };
        self.by_registrar(organisation(name).subject(), Message::RoleGranted(granted));
    }

    fn grant_mine(&mut self, name: &str, of: &str) {
        let scope = v1::Scope { mines: vec![mine(of).id().to_vec()], ..v1::Scope::default() };
        let from = bodies::day(2000, 1, 1);
        let granted =
            v1::RoleGranted { role: Role::Mine as i32, scope: Some(scope), from, ..v1::RoleGranted::default() };
        self.by_registrar(organisation(name).subject(), Message::RoleGranted(granted));
    }

    /// What bodies about a machine of the maker name.
    pub(crate) fn names(serial: &str) -> bodies::Names {
        bodies::Names {
            maker: "maker牌".to_owned(),
            serial: serial.to_owned(),
            holder: "company".to_owned(),
            ..bodies::Names::default()
        }
    }

    /// The maker makes a machine.
    pub(crate) fn make(&mut self, serial: &str) -> SubjectId {
        let names = Self::names(serial);
        let body = bodies::sample(tally_core::event::EventKind::Manufactured, &names);
        self.accept(self.draft("maker", Role::Manufacturer, names.machine(), body));
        names.machine()
    }

    /// The maker makes a lot.
    pub(crate) fn make_lot(&mut self, number: &str, metres: i64) -> SubjectId {
        let body = bodies::lot("maker牌", "ST1000", number, metres);
        let subject = SubjectId::lot("maker牌", "ST1000", number).unwrap();
        self.accept(self.draft("maker", Role::Manufacturer, subject, Message::Manufactured(body)));
        subject
    }

    /// A machine leaves its holder for `to`; the body of what it is received by, into a store.
    pub(crate) fn dispatch(
        &mut self,
        from: (&str, Role),
        to: &str,
        machine: SubjectId,
        why: v1::DispatchReason,
    ) -> v1::Received {
        let mine_left = self.admission.equipment(&machine).and_then(|known| known.mine).map(|mine| mine.to_vec());
        let body = v1::Dispatched {
            to_organisation: organisation(to).as_bytes().to_vec(),
            reason: why as i32,
            mine_left: mine_left.unwrap_or_default(),
            ..v1::Dispatched::default()
        };
        self.accept(self.draft(from.0, from.1, machine, Message::Dispatched(body)));
        v1::Received {
            dispatch_event: Some(tally_core::event::event_ref_message(&self.last(&machine))),
            into: v1::ReceivedInto::Store as i32,
            from_organisation: organisation(from.0).as_bytes().to_vec(),
            ..v1::Received::default()
        }
    }

    /// A machine that the company bought, in its mine.
    pub(crate) fn at_mine(&mut self, serial: &str) -> SubjectId {
        let machine = self.make(serial);
        let mut received = self.dispatch(("maker", Role::Manufacturer), "company", machine, v1::DispatchReason::Sale);
        received.into = v1::ReceivedInto::Mine as i32;
        received.mine_entered = mine("mine").id().to_vec();
        self.accept(self.draft("company", Role::Mine, machine, Message::Received(received)));
        machine
    }
}
