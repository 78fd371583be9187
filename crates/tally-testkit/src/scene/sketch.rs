//! An event about to be signed: valid as it stands, and a test changes one thing.

use std::{collections::BTreeMap, sync::Arc};

use prost::Message as _;
use tally_client::{
    draft::{Author, Draft, DraftError, SetMember, SignedEvent, sign_set},
    key::SigningKey,
};
use tally_core::{
    authority::{self, Second, When},
    envelope::{PAYLOAD_TYPE_EVENT, PAYLOAD_TYPE_STATEMENT, pae},
    event::{self, EventKind, UncheckedBody, kind::Stage},
    id::{EventId, OrganisationId, SubjectId, SubjectKind},
    number::ChainIndex,
    refusal::{Head, Refusal},
    statement::Statement,
    time::Timestamp,
};
use tally_proto::v1::{self, Role, statement::Body};

use super::{
    Scene,
    books::Books,
    party::{KeyUse, Party},
};

/// An event that nobody has signed yet. As it comes it is what a careful signer would sign, with all the hands that the
/// table of authority asks for; each method changes one thing.
#[derive(Clone)]
pub struct Sketch {
    scene: Scene,
    subject: SubjectId,
    body: Body,
    party: String,
    role: Option<Role>,
    issuer: KeyOf,
    hands: Vec<KeyOf>,
    performed_by: Vec<KeyOf>,
    checked_by: Vec<KeyOf>,
    occurred_at: Option<Timestamp>,
    head: Option<Head>,
    /// The id that it has, where its subject has the same.
    event_id: Option<EventId>,
    edits: Vec<Edit>,
}

/// Changes a header.
type Edit = Arc<dyn Fn(&mut Statement) + Send + Sync>;

/// A key: of the party that acts, whichever it is, or of a party by name.
#[derive(Clone, Debug, Eq, PartialEq)]
struct KeyOf {
    party: Option<String>,
    of: KeyUse,
}

impl KeyOf {
    const fn own(of: KeyUse) -> Self {
        Self { party: None, of }
    }

    fn of(party: &str, of: KeyUse) -> Self {
        Self { party: Some(party.to_owned()), of }
    }
}

impl Sketch {
    pub(super) fn new(scene: &Scene, books: &Books, party: &str, subject: SubjectId, body: Body) -> Self {
        let mut sketch = Self {
            scene: scene.clone(),
            subject,
            body,
            party: party.to_owned(),
            role: None,
            issuer: KeyOf::own(KeyUse::Organisation),
            hands: Vec::new(),
            performed_by: Vec::new(),
            checked_by: Vec::new(),
            occurred_at: None,
            head: None,
            event_id: None,
            edits: Vec::new(),
        };
        sketch.add_hands(books);
        sketch
    }

    /// What opens the chain of something without a number of its own.
    pub(super) fn opening(scene: &Scene, books: &Books, party: &str, id: EventId, body: Body) -> Self {
        let kind = EventKind::of(&body);
        assert!(kind.mints_subject(), "{kind} opens what has a number of its own");
        let subject = SubjectId::new(kind.subjects()[0], *id.as_bytes());
        Self { event_id: Some(id), ..Self::new(scene, books, party, subject, body) }
    }

    /// The hands that are asked for, so that nothing is refused and no finding raised.
    fn add_hands(&mut self, books: &Books) {
        let row = authority::of(self.kind());
        let machine = books.equipment(&self.subject);
        let role = books.party(&self.party).map(|party| party.role);
        if role == Some(Role::Registrar) {
            self.issuer = KeyOf::own(KeyUse::Registrar(0));
            self.hands.extend((1..books.threshold).map(|number| KeyOf::own(KeyUse::Registrar(number))));
            return;
        }
        if self.subject.kind() == SubjectKind::Equipment && self.kind().stage() == Stage::Maintenance {
            self.put_worker();
        }
        let asked = match row.when {
            When::Always => true,
            When::Controlled => {
                matches!(&self.body, Body::ComponentReplaced(body) if body.controlled)
                    || matches!(&self.body, Body::ComponentFitted(body) if body.controlled)
            }
            When::ByLaboratory => role == Some(Role::Laboratory),
            When::WithoutConsent => matches!(&self.body, Body::Altered(body) if body.consent.is_none()),
            When::LongAgo => false,
        };
        if !asked {
            return;
        }
        let name = |id: Option<OrganisationId>| Some(books.party_of(&id?)?.name.clone());
        let first = |role| books.first_of(role).map(|party| party.name.clone());
        match row.second {
            Second::Nobody => {}
            Second::OtherPerson => {
                self.put_worker();
                self.hands.push(KeyOf::own(KeyUse::Staff(1)));
                self.checked_by.push(KeyOf::own(KeyUse::Staff(1)));
            }
            Second::OtherOrganisation => {
                let others = [name(machine.owner), name(machine.holder), name(machine.maker), first(Role::Regulator)];
                let other = others.into_iter().flatten().find(|other| *other != self.party);
                self.put_hand_of(other);
            }
            Second::NewOwner | Second::Lessee | Second::NewOperator => {
                let party = match &self.body {
                    Body::OwnershipChanged(body) => event::organisation(&body.new_owner),
                    Body::LeaseStarted(body) => event::organisation(&body.lessee),
                    Body::OperatorChanged(body) => event::organisation(&body.operator),
                    _ => machine.user,
                };
                self.put_hand_of(name(party));
            }
            Second::Holder => self.put_hand_of(name(machine.holder)),
            Second::Owner => self.put_hand_of(name(machine.owner)),
            Second::ManufacturerOrRegulator if role == Some(Role::Manufacturer) => {
                self.put_hand_of(first(Role::Regulator));
            }
            Second::ManufacturerOrRegulator => self.put_hand_of(first(Role::Manufacturer)),
            Second::RegistrarOrRegulator => self.put_hand_of(first(Role::Regulator)),
        }
    }

    fn put_worker(&mut self) {
        let worker = KeyOf::own(KeyUse::Staff(0));
        if !self.hands.contains(&worker) {
            self.hands.push(worker.clone());
            self.performed_by.push(worker);
        }
    }

    fn put_hand_of(&mut self, party: Option<String>) {
        let Some(party) = party else { return };
        // Keys of one event differ: a party that signs twice does so with another key.
        let of = if party == self.party { KeyUse::Device } else { KeyUse::Organisation };
        self.hands.push(KeyOf::of(&party, of));
    }

    /// What kind of event it is.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        EventKind::of(&self.body)
    }

    /// Another party states it, in its own role, with its own key and staff.
    #[must_use]
    pub fn by(mut self, party: &str) -> Self {
        party.clone_into(&mut self.party);
        self.role = None;
        self
    }

    /// The party acts in another role.
    #[must_use]
    pub fn in_role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// Another key of the party signs it.
    #[must_use]
    pub fn issued_by(mut self, of: KeyUse) -> Self {
        self.issuer = KeyOf::own(of);
        self.hands.retain(|hand| *hand != KeyOf::own(of));
        self
    }

    /// A key of another party signs it, in the name of this one.
    #[must_use]
    pub fn issued_by_key_of(mut self, party: &str, of: KeyUse) -> Self {
        self.issuer = KeyOf::of(party, of);
        self
    }

    /// Nobody puts a hand to it.
    #[must_use]
    pub fn without_hands(mut self) -> Self {
        self.hands.clear();
        self
    }

    /// Somebody else puts a hand to it, too.
    #[must_use]
    pub fn with_hand(mut self, party: &str, of: KeyUse) -> Self {
        self.hands.push(KeyOf::of(party, of));
        self
    }

    /// It happened at another time than now.
    #[must_use]
    pub fn at(mut self, occurred_at: Timestamp) -> Self {
        self.occurred_at = Some(occurred_at);
        self
    }

    /// It is signed on another head than the chain has.
    #[must_use]
    pub fn on_head(mut self, head: Head) -> Self {
        self.head = Some(head);
        self
    }

    /// It mentions another subject, too.
    #[must_use]
    pub fn mentioning(self, subject: SubjectId) -> Self {
        self.with_header(move |header| {
            header.mentions.push(subject);
            header.mentions.sort_unstable();
            header.mentions.dedup();
        })
    }

    /// It does not mention a subject that it names.
    #[must_use]
    pub fn not_mentioning(self, subject: SubjectId) -> Self {
        self.with_header(move |header| header.mentions.retain(|mention| *mention != subject))
    }

    /// Changes the header before anybody signs it.
    #[must_use]
    pub fn with_header(mut self, edit: impl Fn(&mut Statement) + Send + Sync + 'static) -> Self {
        self.edits.push(Arc::new(edit));
        self
    }

    /// Changes the body; mentions follow from it.
    #[must_use]
    pub fn with_body(mut self, edit: impl FnOnce(&mut Body)) -> Self {
        edit(&mut self.body);
        self
    }

    /// Signs it, and asks admission. Nothing is recorded.
    ///
    /// # Errors
    /// Why the ledger would refuse it.
    pub fn sign(&self) -> Result<SignedEvent, Refusal> {
        let mut books = self.scene.books();
        let event = self.sign_for(&mut books)?;
        books.judge(&[event.message()])?;
        Ok(event)
    }

    /// Signs it and sends nobody anything: the message, however malformed, for a server that is to refuse it.
    #[must_use]
    pub fn message(&self) -> v1::SignedEvent {
        self.message_for(&mut self.scene.books())
    }

    /// Signs it and records it in the scene.
    ///
    /// # Errors
    /// Why the ledger would refuse it; then nothing is recorded.
    pub fn try_record(&self) -> Result<SignedEvent, Refusal> {
        let mut books = self.scene.books();
        let event = self.sign_for(&mut books)?;
        books.record(vec![event.clone()])?;
        Ok(event)
    }

    /// Signs it and records it in the scene.
    ///
    /// # Panics
    /// If it is refused: what a scene makes is valid, unless a test changed it.
    pub fn record(&self) -> SignedEvent {
        let (kind, party) = (self.kind(), &self.party);
        self.try_record().unwrap_or_else(|refusal| panic!("{kind} by {party} was refused: {refusal}"))
    }

    pub(super) fn party(&self) -> &str {
        &self.party
    }

    fn key(&self, books: &mut Books, key: &KeyOf) -> Arc<SigningKey> {
        books.keys.key(key.party.as_deref().unwrap_or(&self.party), key.of)
    }

    fn keys(&self, books: &mut Books, keys: &[KeyOf]) -> Vec<Arc<SigningKey>> {
        keys.iter().map(|key| self.key(books, key)).collect()
    }

    fn acting(&self, books: &Books) -> Party {
        books.party(&self.party).unwrap_or_else(|| panic!("there is no party {}", self.party)).clone()
    }

    fn role(&self, books: &Books) -> Role {
        self.role.unwrap_or_else(|| self.acting(books).role)
    }

    fn draft(&self, books: &mut Books) -> Result<Draft, DraftError> {
        let party = self.acting(books);
        let author =
            Author { origin: books.origin.clone(), organisation: party.id, role: self.role.unwrap_or(party.role) };
        let now = books.clock.now();
        let draft = Draft::new(&author, self.subject, self.occurred_at.unwrap_or(now), self.body.clone(), now)?;
        let performed_by = self.keys(books, &self.performed_by);
        let checked_by = self.keys(books, &self.checked_by);
        Ok(draft
            .event_id(self.event_id.unwrap_or_else(|| books.event_id()))
            .performed_by(performed_by.iter().map(|key| key.key_id()))
            .checked_by(checked_by.iter().map(|key| key.key_id()))
            .mention_equipment(|subject| books.is_open(subject)))
    }

    fn sign_for(&self, books: &mut Books) -> Result<SignedEvent, Refusal> {
        if !self.edits.is_empty() {
            let v1::SignedEvent { payload, key_id, signature } = self.message_for(books);
            return SignedEvent::parse(&payload, &key_id, &signature).map_err(refusal);
        }
        let mut draft = self.draft(books).map_err(refusal)?;
        let Head { chain_length, head_hash } = self.head.unwrap_or_else(|| books.head(&self.subject));
        let (issuer, hands) = (self.key(books, &self.issuer), self.keys(books, &self.hands));
        let hands: Vec<&SigningKey> = hands.iter().map(Arc::as_ref).collect();
        draft.sign(ChainIndex::new(chain_length), head_hash, &issuer, &hands).map_err(refusal)
    }

    /// Signs without looking whether what is signed is well formed.
    fn message_for(&self, books: &mut Books) -> v1::SignedEvent {
        let head = self.head.unwrap_or_else(|| books.head(&self.subject));
        let mut header = match self.draft(books) {
            Ok(draft) => draft.header().clone(),
            Err(_) => self.bare_header(books),
        };
        header.first_index = ChainIndex::new(head.chain_length);
        for edit in &self.edits {
            edit(&mut header);
        }
        let statement = header.encode();
        let mut hands: Vec<v1::Hand> = self
            .keys(books, &self.hands)
            .iter()
            .map(|key| v1::Hand {
                key_id: key.key_id().as_bytes().to_vec(),
                signature: key.sign(&pae(PAYLOAD_TYPE_STATEMENT, &statement)).to_vec(),
            })
            .collect();
        hands.sort_unstable_by(|left, right| left.key_id.cmp(&right.key_id));
        let (chain_index, previous_hash) = (head.chain_length, head.head_hash.as_bytes().to_vec());
        let payload = v1::Event { chain_index, previous_hash, statement, hands }.encode_to_vec();
        let issuer = self.key(books, &self.issuer);
        let signature = issuer.sign(&pae(PAYLOAD_TYPE_EVENT, &payload)).to_vec();
        v1::SignedEvent { payload, key_id: issuer.key_id().as_bytes().to_vec(), signature }
    }

    /// The header of a body that is none.
    fn bare_header(&self, books: &mut Books) -> Statement {
        let (body_number, body) = UncheckedBody::from(self.body.clone()).encode();
        Statement {
            origin: books.origin.clone(),
            event_id: self.event_id.unwrap_or_else(|| books.event_id()),
            subject: self.subject,
            occurred_at: self.occurred_at.unwrap_or_else(|| books.clock.now()),
            organisation: self.acting(books).id,
            role: i32::from(self.role(books)).cast_unsigned(),
            mentions: Vec::new(),
            set: None,
            first_index: ChainIndex::FIRST,
            performed_by: Vec::new(),
            checked_by: Vec::new(),
            approved_by: Vec::new(),
            body_number,
            body,
        }
    }
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Sketch({} of {} by {})", self.kind(), self.subject, self.party)
    }
}

/// Signs sketches as one set, all by the key of the first one's issuer.
pub(super) fn sign_sketches(books: &mut Books, sketches: &[Sketch]) -> Result<Vec<SignedEvent>, Refusal> {
    let first = sketches.first().unwrap_or_else(|| panic!("a set without members"));
    let issuer = first.key(books, &first.issuer);
    let mut drafts = Vec::new();
    let mut heads = BTreeMap::new();
    for sketch in sketches {
        assert!(sketch.edits.is_empty(), "the header of a member of a set follows from the set");
        heads.insert(sketch.subject, sketch.head.unwrap_or_else(|| books.head(&sketch.subject)));
        drafts.push((sketch.draft(books).map_err(refusal)?, sketch.keys(books, &sketch.hands)));
    }
    let mut members: Vec<SetMember<'_>> = drafts
        .iter()
        .map(|(draft, hands)| SetMember { draft: draft.clone(), hands: hands.iter().map(Arc::as_ref).collect() })
        .collect();
    sign_set(&mut members, &heads, &issuer).map_err(refusal)
}

/// What the ledger would say to what could not even be signed.
fn refusal(error: DraftError) -> Refusal {
    match error {
        DraftError::Form(error) => Refusal::Form(error),
        DraftError::Set(error) => Refusal::Set(error),
        other => panic!("cannot be signed: {other}"),
    }
}
