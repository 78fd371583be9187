//! From a body to a signed event: the statement that hands sign, its place on the chain, the issuer's signature
//!
//! Source: FORMAT, section 1.

use std::collections::{BTreeMap, BTreeSet};

use tally_core::envelope::{Envelope, PAYLOAD_TYPE_EVENT, PAYLOAD_TYPE_STATEMENT, event_hash, pae};
use tally_core::event::{Body, EventKind, UncheckedBody};
use tally_core::form::FormError;
use tally_core::hash::EventHash;
use tally_core::id::{EventId, EventRef, IdError, OrganisationId, SubjectId};
use tally_core::key::{KeyId, SIGNATURE_BYTES};
use tally_core::number::ChainIndex;
use tally_core::refusal::Head;
use tally_core::set::{EventSet, SetError};
use tally_core::signed_event::{Event, Hand, ParsedEvent, UnverifiedEnvelope};
use tally_core::statement::Statement;
use tally_core::time::Timestamp;
use tally_proto::v1;

use crate::key::SigningKey;

/// Why an event cannot be made. Nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// A field of the body, statement or event is out of its bounds.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The operating system gives no random bytes for the event id.
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The event id is none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The members make no set.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The kind opens no order, accident or publication.
    #[error("{kind} opens no order, accident or publication, whose id is that of the event")]
    OpensNone {
        /// Which.
        kind: EventKind,
    },
    /// A chain of 2^64 − 1 events.
    #[error("the chain of {subject} is as long as it can be")]
    ChainFull {
        /// Which chain.
        subject: SubjectId,
    },
}

/// On whose behalf events are stated, and to which log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Author {
    /// Name of the log.
    pub origin: String,
    /// Who states it.
    pub organisation: OrganisationId,
    /// In which role.
    pub role: v1::Role,
}

/// Makes an event id: UUIDv7 of the time and the operating system's random numbers.
///
/// # Errors
/// [`DraftError::Random`].
///
/// Source: RFC 9562, section 5.7.
pub fn new_event_id(now: Timestamp) -> Result<EventId, DraftError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(DraftError::Random)?;
    let millis = u64::try_from(now.micros() / 1_000).unwrap_or_default();
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    Ok(EventId::parse(id.as_bytes())?)
}

/// A statement that is being made: the body is checked, the mentions follow from it.
#[derive(Clone, Debug)]
pub struct Draft {
    statement: Statement,
    kind: EventKind,
    /// Subjects that the body touches whatever their state.
    named_subjects: Vec<SubjectId>,
    /// Equipment that it touches if it has a chain.
    named_equipment: Vec<SubjectId>,
    /// Whether somebody said which of the equipment has a chain.
    is_resolved: bool,
    /// Whether `first_index` is fixed: by its setter, by the first signature, or by a hand.
    is_placed: bool,
    /// The link that was sent last, unless the ledger refused it.
    sent: Option<SignedEvent>,
}

impl Draft {
    /// Begins a statement. `now` only makes the event id.
    ///
    /// Equipment that the body names is mentioned once [`Draft::mention_equipment`] was told which of it has a chain;
    /// until then none of it is.
    ///
    /// # Errors
    /// [`DraftError::Form`] with every bad field of the body at once; [`DraftError::Random`].
    pub fn new(
        author: &Author,
        subject: SubjectId,
        occurred_at: Timestamp,
        body: impl Into<UncheckedBody>,
        now: Timestamp,
    ) -> Result<Self, DraftError> {
        Self::with_id(author, subject, occurred_at, body.into(), new_event_id(now)?)
    }

    /// Begins a statement that opens the chain of an order, accident or publication: what has no number of its own has the
    /// id of the event that opens it, and that one is made first.
    ///
    /// # Errors
    /// [`DraftError::OpensNone`] for a body of another kind; as of [`Draft::new`].
    pub fn opening(
        author: &Author,
        occurred_at: Timestamp,
        body: impl Into<UncheckedBody>,
        now: Timestamp,
    ) -> Result<Self, DraftError> {
        Self::opening_as(author, occurred_at, body, new_event_id(now)?)
    }

    /// As [`Draft::opening`], under an id that was chosen before, for example one that other events of its set name.
    ///
    /// # Errors
    /// As of [`Draft::opening`].
    pub fn opening_as(
        author: &Author,
        occurred_at: Timestamp,
        body: impl Into<UncheckedBody>,
        id: EventId,
    ) -> Result<Self, DraftError> {
        let body: UncheckedBody = body.into();
        let kind = body.kind();
        let of = kind.subjects().first().filter(|_| kind.mints_subject()).ok_or(DraftError::OpensNone { kind })?;
        Self::with_id(author, SubjectId::new(*of, *id.as_bytes()), occurred_at, body, id)
    }

    fn with_id(
        author: &Author,
        subject: SubjectId,
        occurred_at: Timestamp,
        body: UncheckedBody,
        event_id: EventId,
    ) -> Result<Self, DraftError> {
        let (body_number, bytes) = body.encode();
        let body: Body = body.check()?;
        let statement = Statement {
            origin: author.origin.clone(),
            event_id,
            subject,
            occurred_at,
            organisation: author.organisation,
            role: i32::from(author.role).cast_unsigned(),
            mentions: Vec::new(),
            set: None,
            first_index: ChainIndex::FIRST,
            performed_by: Vec::new(),
            checked_by: Vec::new(),
            approved_by: Vec::new(),
            body_number,
            body: bytes,
        };
        let named = body.names(&statement);
        let mut draft = Self {
            statement,
            kind: body.kind(),
            named_subjects: named.subjects,
            named_equipment: named.equipment,
            is_resolved: false,
            is_placed: false,
            sent: None,
        };
        draft.set_mentions(|_| false);
        Statement::parse(&draft.statement())?;
        Ok(draft)
    }

    /// Takes an event id that was chosen before, for example one that was printed on paper.
    #[must_use]
    pub fn event_id(mut self, id: EventId) -> Self {
        self.statement.event_id = id;
        self
    }

    /// Names the keys of those who did the work.
    #[must_use]
    pub fn performed_by(mut self, keys: impl IntoIterator<Item = KeyId>) -> Self {
        self.statement.performed_by = sorted(keys);
        self
    }

    /// Names the keys of those who checked it.
    #[must_use]
    pub fn checked_by(mut self, keys: impl IntoIterator<Item = KeyId>) -> Self {
        self.statement.checked_by = sorted(keys);
        self
    }

    /// Names the keys of those who approved it.
    #[must_use]
    pub fn approved_by(mut self, keys: impl IntoIterator<Item = KeyId>) -> Self {
        self.statement.approved_by = sorted(keys);
        self
    }

    /// Fixes the chain index of the first signing. Without it, it is that of the first call of [`Draft::sign`]; whoever
    /// collects hands before that gives it here, for they sign it, too.
    #[must_use]
    pub fn first_index(mut self, index: ChainIndex) -> Self {
        self.statement.first_index = index;
        self.is_placed = true;
        self
    }

    /// Mentions the equipment that the body names and that has a chain, and no event of its own in the same set.
    #[must_use]
    pub fn mention_equipment(mut self, has_chain: impl Fn(&SubjectId) -> bool) -> Self {
        self.set_mentions(has_chain);
        self.is_resolved = true;
        self
    }

    /// Equipment that the body names and of which it matters whether it has a chain: sorted, unique.
    #[must_use]
    pub fn named_equipment(&self) -> &[SubjectId] {
        &self.named_equipment
    }

    /// What kind of thing happened.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        self.kind
    }

    /// Whose chain it goes on.
    #[must_use]
    pub const fn subject(&self) -> SubjectId {
        self.statement.subject
    }

    /// The statement as it stands.
    #[must_use]
    pub const fn header(&self) -> &Statement {
        &self.statement
    }

    /// The bytes that hands sign.
    #[must_use]
    pub fn statement(&self) -> Vec<u8> {
        self.statement.encode()
    }

    /// Puts a hand to the statement as it stands: what changes it later makes the signature worthless.
    #[must_use]
    pub fn hand(&self, key: &SigningKey) -> Hand {
        sign_statement(&self.statement(), key)
    }

    /// Puts the statement in its place on the chain and signs it, the hands first and the issuer over all.
    ///
    /// # Errors
    /// [`DraftError::Form`] with everything that the ledger would find wrong with its form.
    pub fn sign(
        &mut self,
        chain_index: ChainIndex,
        previous_hash: EventHash,
        issuer: &SigningKey,
        hands: &[&SigningKey],
    ) -> Result<SignedEvent, DraftError> {
        self.place(chain_index);
        let statement = self.statement();
        let hands = hands.iter().map(|key| sign_statement(&statement, key)).collect();
        SignedEvent::sign(chain_index, previous_hash, &statement, hands, issuer)
    }

    /// As [`Draft::sign`], with hands that were put to [`Draft::statement`] elsewhere.
    ///
    /// # Errors
    /// As of [`Draft::sign`].
    pub fn sign_with_hands(
        &mut self,
        chain_index: ChainIndex,
        previous_hash: EventHash,
        issuer: &SigningKey,
        hands: Vec<Hand>,
    ) -> Result<SignedEvent, DraftError> {
        self.place(chain_index);
        SignedEvent::sign(chain_index, previous_hash, &self.statement(), hands, issuer)
    }

    /// Whether it was said which of the named equipment has a chain, or there is none to ask about.
    pub(crate) const fn is_resolved(&self) -> bool {
        self.is_resolved || self.named_equipment.is_empty()
    }

    /// The link that was sent and not refused: it may be on record, whatever became of the answer.
    ///
    /// FORMAT, section 1: a client sends the old bytes first; only STALE_HEAD for those bytes kills a version.
    #[must_use]
    pub const fn sent(&self) -> Option<&SignedEvent> {
        self.sent.as_ref()
    }

    pub(crate) fn set_sent(&mut self, sent: Option<SignedEvent>) {
        self.sent = sent;
    }

    pub(crate) fn set_mentions(&mut self, has_chain: impl Fn(&SubjectId) -> bool) {
        let equipment = self.named_equipment.iter().copied().filter(has_chain);
        let mentions: BTreeSet<SubjectId> = self.named_subjects.iter().copied().chain(equipment).collect();
        self.statement.mentions = mentions.into_iter().collect();
    }

    /// FORMAT, section 1: `first_index` is the chain index of the first signing and never changes.
    fn place(&mut self, chain_index: ChainIndex) {
        if !self.is_placed {
            self.statement.first_index = chain_index;
            self.is_placed = true;
        }
    }
}

fn sorted(keys: impl IntoIterator<Item = KeyId>) -> Vec<KeyId> {
    keys.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

fn sign_statement(statement: &[u8], key: &SigningKey) -> Hand {
    Hand { key_id: key.key_id(), signature: key.sign(&pae(PAYLOAD_TYPE_STATEMENT, statement)) }
}

/// A member of a set that is being made.
#[derive(Debug)]
pub struct SetMember<'k> {
    /// What is stated.
    pub draft: Draft,
    /// Who puts a hand to it.
    pub hands: Vec<&'k SigningKey>,
}

/// Signs an atomic set: every member names the same digest, and members on one chain follow one another.
///
/// `heads` are the chains as they stand; a subject that is not among them has no chain yet. Equipment with a member of
/// its own is not mentioned by the others; of what else the bodies name, [`Draft::mention_equipment`] was told.
///
/// # Errors
/// [`DraftError::Set`] for fewer than 2 or more than 64 members; as of [`Draft::sign`].
pub fn sign_set(
    members: &mut [SetMember<'_>],
    heads: &BTreeMap<SubjectId, Head>,
    issuer: &SigningKey,
) -> Result<Vec<SignedEvent>, DraftError> {
    let own: BTreeSet<SubjectId> = members.iter().map(|member| member.draft.subject()).collect();
    let mut heads = heads.clone();
    let mut places = Vec::with_capacity(members.len());
    for member in &mut *members {
        let draft = &mut member.draft;
        draft
            .statement
            .mentions
            .retain(|mention| !own.contains(mention) || draft.named_subjects.binary_search(mention).is_ok());
        let subject = draft.subject();
        let head = heads.entry(subject).or_insert(Head { chain_length: 0, head_hash: EventHash::ZERO });
        let place = ChainIndex::new(head.chain_length);
        draft.place(place);
        head.chain_length = place.next().ok_or(DraftError::ChainFull { subject })?.get();
        places.push(place);
    }
    let hashes: Vec<_> = members.iter().map(|member| member.draft.statement.member_hash()).collect();
    let set = EventSet::of(&hashes)?;
    // The hash of a member's predecessor in the set is known once that one is signed.
    let mut hashes: BTreeMap<SubjectId, EventHash> =
        heads.iter().map(|(subject, head)| (*subject, head.head_hash)).collect();
    let mut signed = Vec::with_capacity(members.len());
    for (member, place) in members.iter_mut().zip(places) {
        member.draft.statement.set = Some(set);
        let subject = member.draft.subject();
        let previous = hashes.get(&subject).copied().unwrap_or(EventHash::ZERO);
        let event = member.draft.sign(place, previous, issuer, &member.hands)?;
        hashes.insert(subject, event.event_hash());
        signed.push(event);
    }
    Ok(signed)
}

/// An event of good form with its signatures: exactly the bytes that are sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedEvent {
    parsed: ParsedEvent,
}

impl SignedEvent {
    fn sign(
        chain_index: ChainIndex,
        previous_hash: EventHash,
        statement: &[u8],
        hands: Vec<Hand>,
        issuer: &SigningKey,
    ) -> Result<Self, DraftError> {
        let payload = Event::new(chain_index, previous_hash, statement, hands)?.encode();
        let signature = issuer.sign(&pae(PAYLOAD_TYPE_EVENT, &payload));
        Self::parse(&payload, issuer.key_id().as_bytes(), &signature)
    }

    /// Reads an event that was signed before, for example one that waited for a network. Checks its form.
    ///
    /// # Errors
    /// [`DraftError::Form`] with everything that is wrong with it.
    pub fn parse(payload: &[u8], key_id: &[u8], signature: &[u8]) -> Result<Self, DraftError> {
        Ok(Self { parsed: UnverifiedEnvelope { payload, key_id, signature }.parse()? })
    }

    /// Links the same statement, with the same hands, behind another head.
    ///
    /// Only after the ledger answered STALE_HEAD to the old bytes: two links of one statement that both stand would be
    /// one deed recorded twice.
    ///
    /// # Errors
    /// [`DraftError::Form`] where the head lies before the place of the first signing.
    pub fn rebase(&self, head: Head, issuer: &SigningKey) -> Result<Self, DraftError> {
        let event = self.parsed.event();
        let index = ChainIndex::new(head.chain_length);
        Self::sign(index, head.head_hash, event.statement_bytes(), event.hands().to_vec(), issuer)
    }

    /// Exactly the bytes that the issuer signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.parsed.envelope().payload
    }

    /// The issuer's key.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.parsed.envelope().key_id
    }

    /// The issuer's signature.
    #[must_use]
    pub const fn signature(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.parsed.envelope().signature
    }

    /// Payload, key id and signature.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        self.parsed.envelope()
    }

    /// The event in its parts.
    #[must_use]
    pub const fn event(&self) -> &Event {
        self.parsed.event()
    }

    /// Whose chain it is on.
    #[must_use]
    pub const fn subject(&self) -> SubjectId {
        self.parsed.event().statement().subject
    }

    /// Its place on the chain.
    #[must_use]
    pub const fn chain_index(&self) -> ChainIndex {
        self.parsed.event().chain_index()
    }

    /// What the next event of the chain names as its previous hash.
    #[must_use]
    pub fn event_hash(&self) -> EventHash {
        event_hash(self.payload())
    }

    /// Its identity, for the bodies that refer to it.
    #[must_use]
    pub fn event_ref(&self) -> EventRef {
        EventRef { subject: self.subject(), chain_index: self.chain_index(), event_hash: self.event_hash() }
    }

    /// The message that is sent.
    #[must_use]
    pub fn message(&self) -> v1::SignedEvent {
        v1::SignedEvent {
            payload: self.payload().to_vec(),
            key_id: self.key_id().as_bytes().to_vec(),
            signature: self.signature().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tally_core::id::SubjectKind;
    use tally_proto::v1::statement;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_123_456);

    fn author() -> Author {
        Author { origin: "log.example/a".to_owned(), organisation: OrganisationId::new([1; 16]), role: v1::Role::Mine }
    }

    fn machine(number: u8) -> SubjectId {
        SubjectId::new(SubjectKind::Equipment, [number; 16])
    }

    fn note(text: &str) -> statement::Body {
        statement::Body::Noted(v1::Noted { text: text.to_owned(), attachments: Vec::new() })
    }

    fn draft(subject: SubjectId, body: statement::Body) -> Draft {
        Draft::new(&author(), subject, NOW, body, NOW).unwrap()
    }

    fn keys(keys: &[&SigningKey]) -> BTreeMap<KeyId, tally_core::key::PublicKey> {
        keys.iter().map(|key| (key.key_id(), *key.public())).collect()
    }

    #[test]
    fn event_ids_carry_the_time_and_never_repeat() {
        let (one, two) = (new_event_id(NOW).unwrap(), new_event_id(NOW).unwrap());
        assert_ne!(one, two);
        assert_eq!(one.unix_millis(), 1_800_000_000_123);
    }

    #[test]
    fn what_has_no_number_of_its_own_has_the_id_of_the_event_that_opens_it() {
        let body = || {
            statement::Body::StopUseOrdered(v1::StopUseOrdered {
                order: Some(v1::Order {
                    order_no: "1".to_owned(),
                    authority: "a".to_owned(),
                    legal_basis: "b".to_owned(),
                    machines: vec![vec![7; 16]],
                    ..v1::Order::default()
                }),
                condition: "put right".to_owned(),
                ..v1::StopUseOrdered::default()
            })
        };
        let draft = Draft::opening(&author(), NOW, body(), NOW).unwrap();
        let id = draft.header().event_id;
        assert_eq!(draft.subject(), SubjectId::new(SubjectKind::Order, *id.as_bytes()));
        assert_eq!(draft.header().mentions, [machine(7)]);
        let again = Draft::opening_as(&author(), NOW, body(), id).unwrap();
        assert_eq!(again.statement(), draft.statement());
        let other = Draft::opening(&author(), NOW, note("x"), NOW);
        assert!(matches!(other, Err(DraftError::OpensNone { kind: EventKind::Noted })), "{other:?}");
    }

    #[test]
    fn signed_events_verify_under_their_keys_and_no_other() {
        let (issuer, hand) = (SigningKey::from_seed([1; 32]).unwrap(), SigningKey::from_seed([2; 32]).unwrap());
        let mut draft = draft(machine(1), note("x")).performed_by([hand.key_id()]);
        let signed = draft.sign(ChainIndex::new(7), EventHash::new([9; 32]), &issuer, &[&hand]).unwrap();
        assert_eq!(signed.event().statement().first_index, ChainIndex::new(7));
        let known = keys(&[&issuer, &hand]);
        let verified = signed.parsed.clone().verify(|id| known.get(id)).unwrap();
        assert_eq!(verified.event_ref(), signed.event_ref());
        let known = keys(&[&issuer]);
        assert!(signed.parsed.verify(|id| known.get(id)).is_err());
    }

    #[test]
    fn linking_again_changes_the_place_and_nothing_that_people_signed() {
        let (issuer, hand) = (SigningKey::from_seed([1; 32]).unwrap(), SigningKey::from_seed([2; 32]).unwrap());
        let first =
            draft(machine(1), note("x")).sign(ChainIndex::new(2), EventHash::new([9; 32]), &issuer, &[&hand]).unwrap();
        let head = Head { chain_length: 5, head_hash: EventHash::new([8; 32]) };
        let again = first.rebase(head, &issuer).unwrap();
        assert_eq!(again.chain_index(), ChainIndex::new(5));
        assert_eq!(again.event().statement_bytes(), first.event().statement_bytes());
        assert_eq!(again.event().hands(), first.event().hands());
        let known = keys(&[&issuer, &hand]);
        again.parsed.verify(|id| known.get(id)).unwrap();
        let before = Head { chain_length: 1, head_hash: EventHash::new([8; 32]) };
        assert!(matches!(first.rebase(before, &issuer), Err(DraftError::Form(_))), "first_index lies behind");
    }

    #[test]
    fn named_equipment_is_mentioned_where_it_has_a_chain() {
        let body = v1::IdentityLinked {
            other: vec![2; 16],
            verdict: v1::IdentityVerdict::Clone.into(),
            reason: "same plate".to_owned(),
        };
        let draft = draft(machine(1), statement::Body::IdentityLinked(body));
        assert_eq!(draft.named_equipment(), [machine(2)]);
        assert!(!draft.is_resolved());
        assert_eq!(draft.header().mentions, []);
        assert_eq!(draft.clone().mention_equipment(|_| true).header().mentions, [machine(2)]);
        assert_eq!(draft.mention_equipment(|_| false).header().mentions, []);
    }

    #[test]
    fn sets_link_members_of_one_chain_and_drop_mentions_of_members() {
        let issuer = SigningKey::from_seed([1; 32]).unwrap();
        let link = statement::Body::IdentityLinked(v1::IdentityLinked {
            other: vec![2; 16],
            verdict: v1::IdentityVerdict::SameMachine.into(),
            reason: "x".to_owned(),
        });
        let mut members: Vec<SetMember<'_>> = [
            draft(machine(1), link).mention_equipment(|_| true),
            draft(machine(1), note("second on the chain")),
            draft(machine(2), note("own event")),
        ]
        .into_iter()
        .map(|draft| SetMember { draft, hands: Vec::new() })
        .collect();
        let heads = BTreeMap::from([(machine(1), Head { chain_length: 3, head_hash: EventHash::new([7; 32]) })]);
        let signed = sign_set(&mut members, &heads, &issuer).unwrap();
        let places: Vec<u64> = signed.iter().map(|event| event.chain_index().get()).collect();
        assert_eq!(places, [3, 4, 0]);
        assert_eq!(signed[0].event().previous_hash(), EventHash::new([7; 32]));
        assert_eq!(signed[1].event().previous_hash(), signed[0].event_hash());
        assert_eq!(signed[0].event().statement().mentions, []);
        let known = keys(&[&issuer]);
        let verified: Vec<_> =
            signed.into_iter().map(|event| event.parsed.verify(|id| known.get(id)).unwrap()).collect();
        tally_core::set::check_members(&verified.iter().collect::<Vec<_>>()).unwrap();
    }

    #[test]
    fn bad_bodies_are_refused_before_anything_is_signed() {
        let refused = Draft::new(&author(), machine(1), NOW, note(""), NOW);
        assert!(matches!(refused, Err(DraftError::Form(error)) if error.problems()[0].field == "noted.text"));
        let plus = Author { origin: "a+b".to_owned(), ..author() };
        assert!(Draft::new(&plus, machine(1), NOW, note("x"), NOW).is_err());
    }
}
