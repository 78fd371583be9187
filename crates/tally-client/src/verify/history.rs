//! Histories: every entry that touched a subject, and the proof that no other did
//!
//! Source: FORMAT, section 3, "Head proof".

use std::collections::BTreeMap;
use std::fmt;

use tally_core::entry::EventEntry;
use tally_core::hash::{EventHash, TouchHash};
use tally_core::id::SubjectId;
use tally_core::key::{KeyId, PublicKey};
use tally_core::number::ChainIndex;
use tally_core::signed_event::VerifiedEvent;
use tally_core::time::Timestamp;
use tally_core::touch::{HeadValue, touch_hash};
use tally_log::{LeafHash, LogPosition};

use super::head_proof::{Suffix, Touch, UnverifiedHeadProof, VerifiedHead, verify_head};
use super::{Kept, Trust, VerifyError};

/// How much of a subject's history was proved to be here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Completeness {
    /// Every entry that touched the subject.
    Complete,
    /// Every entry, but some of them only as hashes.
    Withheld {
        /// How many.
        withheld: u64,
        /// How many of those stand on the subject's chain at most; the others mention it.
        on_chain_max: u64,
    },
    /// The subject was never opened; other chains mention it.
    NeverOpened {
        /// How often.
        mentioned: u64,
        /// How many of those are only hashes.
        withheld: u64,
    },
    /// Nothing ever touched the subject.
    Absent,
    /// Every entry from one touch on; what came before it is proved to be so many, and not shown.
    Suffix {
        /// 0-based number of the first touch given.
        from_touch: u64,
        /// How many of those given are only hashes.
        withheld: u64,
        /// How many of those stand on the subject's chain at most.
        on_chain_max: u64,
    },
}

impl Completeness {
    /// Whether every entry that touched the subject is here with its bytes.
    #[must_use]
    pub const fn is_complete(self) -> bool {
        matches!(self, Self::Complete | Self::Absent | Self::NeverOpened { withheld: 0, .. })
    }
}

impl fmt::Display for Completeness {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => out.write_str("complete"),
            Self::Withheld { withheld, on_chain_max } => {
                write!(out, "complete but for {withheld} entries withheld, at most {on_chain_max} of them on the chain")
            }
            Self::NeverOpened { mentioned, withheld: 0 } => write!(out, "never opened, mentioned {mentioned} times"),
            Self::NeverOpened { mentioned, withheld } => {
                write!(out, "never opened, mentioned {mentioned} times, {withheld} of these withheld")
            }
            Self::Absent => out.write_str("on no record"),
            Self::Suffix { from_touch, withheld: 0, .. } => write!(out, "complete from touch {from_touch} on"),
            Self::Suffix { from_touch, withheld, on_chain_max } => write!(
                out,
                "complete from touch {from_touch} on but for {withheld} entries withheld, at most {on_chain_max} of them on the chain"
            ),
        }
    }
}

/// A touch that is proved to be on record.
#[derive(Clone, Debug)]
pub struct VerifiedTouch {
    /// Where it stands in the log.
    pub position: LogPosition,
    /// What it is.
    pub content: TouchContent,
}

/// What is known of a touch.
#[derive(Clone, Debug)]
pub enum TouchContent {
    /// An event whose every signature is valid. Whether its keys were registered then, the organisation's own history
    /// says.
    Event {
        /// When the ledger sealed it: the ledger's word.
        recorded_at: Timestamp,
        /// The event.
        event: Box<VerifiedEvent>,
    },
    /// The reader may not see it.
    Withheld(LeafHash),
}

/// The history of a subject: proved to be what is on record, in this order, with nothing left out between.
#[derive(Clone, Debug)]
pub struct VerifiedHistory {
    /// The subject's last state and the checkpoint that it is proved under.
    pub head: VerifiedHead,
    /// 0-based number of the first touch given.
    pub first_touch: u64,
    /// The touches, in order of position.
    pub touches: Vec<VerifiedTouch>,
    /// How much is here.
    pub completeness: Completeness,
}

impl VerifiedHistory {
    /// The events that can be seen, with their positions and the times at which they were sealed.
    pub fn events(&self) -> impl Iterator<Item = (LogPosition, Timestamp, &VerifiedEvent)> {
        self.touches.iter().filter_map(|touch| match &touch.content {
            TouchContent::Event { recorded_at, event } => Some((touch.position, *recorded_at, event.as_ref())),
            TouchContent::Withheld(_) => None,
        })
    }

    /// How many entries are only hashes.
    #[must_use]
    pub fn withheld(&self) -> usize {
        self.touches.iter().filter(|touch| matches!(touch.content, TouchContent::Withheld(_))).count()
    }
}

/// Verifies a history: everything that [`verify_head`] does, and every entry.
///
/// # Errors
/// [`VerifyError`] says what does not fit.
pub fn verify_history(
    trust: &Trust,
    asked: SubjectId,
    proof: &UnverifiedHeadProof,
    kept: Option<&Kept>,
) -> Result<VerifiedHistory, VerifyError> {
    let head = verify_head(trust, asked, proof, kept)?;
    let given = proof.touches.len() as u64;
    let Some(value) = head.value else {
        let before = proof.suffix.map_or(0, |suffix| suffix.touches);
        if given > 0 || proof.suffix.is_some() {
            return Err(VerifyError::AbsentTouched { touches: given.saturating_add(before) });
        }
        return Ok(VerifiedHistory { head, first_touch: 0, touches: Vec::new(), completeness: Completeness::Absent });
    };
    check_positions(&head, &proof.touches)?;
    check_rolling_hash(&value, proof.suffix, &proof.touches)?;
    let mut keys = Keys::new(&proof.keys);
    let touches: Vec<VerifiedTouch> =
        proof.touches.iter().map(|touch| verify_touch(trust, asked, touch, &mut keys)).collect::<Result<_, _>>()?;
    check_recorded_at(&head, &touches)?;
    let before = proof.suffix.map_or(0, |suffix| suffix.touches);
    let hidden_on_chain = check_chain(asked, &value, before, &touches)?;
    let first_touch = before;
    let mut history = VerifiedHistory { head, first_touch, touches, completeness: Completeness::Complete };
    history.completeness = completeness(&value, proof.suffix, history.withheld() as u64, hidden_on_chain);
    Ok(history)
}

fn completeness(value: &HeadValue, suffix: Option<Suffix>, withheld: u64, hidden_on_chain: u64) -> Completeness {
    let on_chain_max = hidden_on_chain.min(withheld);
    match suffix {
        Some(suffix) => Completeness::Suffix { from_touch: suffix.touches, withheld, on_chain_max },
        None if value.chain_length == 0 => Completeness::NeverOpened { mentioned: value.touches, withheld },
        None if withheld > 0 => Completeness::Withheld { withheld, on_chain_max },
        None => Completeness::Complete,
    }
}

/// FORMAT, section 3: positions rise and are < size. Nothing touches at a heads entry.
pub(super) fn check_positions(head: &VerifiedHead, touches: &[Touch]) -> Result<(), VerifyError> {
    let size = head.checkpoint.size();
    let previous_heads = head.batch_first.get().checked_sub(1);
    let mut last: Option<LogPosition> = None;
    for (touch, position) in touches.iter().map(Touch::position).enumerate() {
        let problem = if last.is_some_and(|last| last >= position) {
            "does not rise"
        } else if !size.holds(position) {
            "is not under the checkpoint"
        } else if Some(position) == size.last() || Some(position.get()) == previous_heads {
            "is that of a heads entry, which touches nothing"
        } else {
            last = Some(position);
            continue;
        };
        return Err(VerifyError::Position { touch, position, problem });
    }
    Ok(())
}

/// FORMAT, section 3: touch count and hash over all entries given.
pub(super) fn check_rolling_hash(
    value: &HeadValue,
    suffix: Option<Suffix>,
    touches: &[Touch],
) -> Result<(), VerifyError> {
    let (mut found, mut hash) = (0_u64, TouchHash::ZERO);
    if let Some(suffix) = suffix {
        let zeros = suffix.touch_hash == [0; 32];
        if suffix.touches == 0 || zeros {
            return Err(VerifyError::Suffix { problem: "it says that nothing came before it, and is absent then" });
        }
        (found, hash) = (suffix.touches, TouchHash::new(suffix.touch_hash));
    }
    found = found.saturating_add(touches.len() as u64);
    if found != value.touches {
        return Err(VerifyError::TouchCount { due: value.touches, found });
    }
    for touch in touches {
        let position = tally_core::number::LogPosition::new(touch.position().get());
        let position = position.ok_or_else(|| VerifyError::malformed("touch.position", "is not below 2^63"))?;
        let leaf = tally_core::hash::LeafHash::new(*touch.leaf().as_bytes());
        hash = touch_hash(hash, position, leaf);
    }
    if hash == value.touch_hash { Ok(()) } else { Err(VerifyError::TouchHash) }
}

fn verify_touch(
    trust: &Trust,
    subject: SubjectId,
    touch: &Touch,
    keys: &mut Keys<'_>,
) -> Result<VerifiedTouch, VerifyError> {
    let (position, entry) = match touch {
        Touch::Entry { position, entry } => (*position, entry),
        Touch::Withheld { position, leaf } => {
            return Ok(VerifiedTouch { position: *position, content: TouchContent::Withheld(*leaf) });
        }
    };
    let (recorded_at, event) = verify_event(trust, position, entry, keys)?;
    if !event.statement().touched().any(|touched| touched == subject) {
        return Err(VerifyError::DoesNotTouch { position });
    }
    Ok(VerifiedTouch { position, content: TouchContent::Event { recorded_at, event: Box::new(event) } })
}

/// An entry's form, log and signatures, with the keys that came with it.
pub(super) fn verify_event(
    trust: &Trust,
    position: LogPosition,
    entry: &[u8],
    keys: &mut Keys<'_>,
) -> Result<(Timestamp, VerifiedEvent), VerifyError> {
    let entry = EventEntry::parse(entry).map_err(|problem| VerifyError::Entry { position, problem })?;
    let parsed = entry.unverified().parse().map_err(|problem| VerifyError::Form { position, problem })?;
    let origin = &parsed.event().statement().origin;
    if origin != trust.origin.as_str() {
        return Err(VerifyError::WrongOrigin { position, found: origin.clone() });
    }
    for key_id in parsed.key_ids() {
        keys.learn(key_id)?;
    }
    let event = parsed.verify(|id| keys.known(id));
    Ok((entry.recorded_at(), event.map_err(|problem| VerifyError::Signature { position, problem })?))
}

/// FORMAT, section 3: an entry at or after `batch_first` has the heads entry's `recorded_at`, one before it a lesser
/// one, never falling.
fn check_recorded_at(head: &VerifiedHead, touches: &[VerifiedTouch]) -> Result<(), VerifyError> {
    let mut last = None;
    for touch in touches {
        let TouchContent::Event { recorded_at, .. } = &touch.content else { continue };
        let position = touch.position;
        let problem = if position >= head.batch_first && *recorded_at != head.recorded_at {
            "it stands in the last batch, which has another time"
        } else if position < head.batch_first && *recorded_at >= head.recorded_at {
            "it stands before the last batch, which is not later"
        } else if last.is_some_and(|last| last > *recorded_at) {
            "an entry before it is later"
        } else {
            last = Some(*recorded_at);
            continue;
        };
        return Err(VerifyError::RecordedAt { position, problem });
    }
    Ok(())
}

/// Checks the links of the chain, and gives how many of its events are not shown.
///
/// FORMAT, section 3: visible chain indices rise with position; between two neighbours at most as many are missing as
/// entries were withheld there; where none is missing the previous hash fits. What came before a suffix counts as
/// withheld before the first.
fn check_chain(
    subject: SubjectId,
    value: &HeadValue,
    before: u64,
    touches: &[VerifiedTouch],
) -> Result<u64, VerifyError> {
    let mut link = Link { next: 0, hash: EventHash::ZERO, withheld: before };
    let mut hidden = 0_u64;
    for touch in touches {
        let event = match &touch.content {
            TouchContent::Withheld(_) => {
                link.withheld = link.withheld.saturating_add(1);
                continue;
            }
            TouchContent::Event { event, .. } if event.statement().subject == subject => event,
            TouchContent::Event { .. } => continue,
        };
        let chain_index = event.chain_index();
        let missing = link.missing_before(chain_index.get())?;
        if missing == 0 && event.event().previous_hash() != link.hash {
            return Err(VerifyError::PreviousHash { chain_index });
        }
        hidden = hidden.saturating_add(missing);
        let next = chain_index.next().map(ChainIndex::get).unwrap_or(u64::MAX);
        link = Link { next, hash: event.event_hash(), withheld: 0 };
    }
    // The head stands where the event after the last one would.
    let missing = link.missing_before(value.chain_length)?;
    if missing == 0 && value.head_hash != link.hash {
        return Err(VerifyError::HeadHash { due: value.head_hash, found: link.hash });
    }
    Ok(hidden.saturating_add(missing))
}

/// Where the chain stands between two events that can be seen.
struct Link {
    /// The place of the next event, if none is hidden.
    next: u64,
    /// Hash of the event before it.
    hash: EventHash,
    /// Entries since that one which may stand on the chain.
    withheld: u64,
}

impl Link {
    fn missing_before(&self, found: u64) -> Result<u64, VerifyError> {
        let max = self.next.saturating_add(self.withheld);
        let missing = found.checked_sub(self.next).filter(|missing| *missing <= self.withheld);
        missing.ok_or(VerifyError::ChainIndex { found, min: self.next, max })
    }
}

/// The keys that came with a proof, each parsed once and only if an entry names it.
pub(super) struct Keys<'a> {
    given: &'a BTreeMap<KeyId, [u8; 32]>,
    parsed: BTreeMap<KeyId, PublicKey>,
}

impl<'a> Keys<'a> {
    pub(super) const fn new(given: &'a BTreeMap<KeyId, [u8; 32]>) -> Self {
        Self { given, parsed: BTreeMap::new() }
    }

    fn learn(&mut self, key_id: KeyId) -> Result<(), VerifyError> {
        if let Some(bytes) = self.given.get(&key_id)
            && !self.parsed.contains_key(&key_id)
        {
            let key = PublicKey::parse(bytes).map_err(|problem| VerifyError::Key { key_id, problem })?;
            self.parsed.insert(key_id, key);
        }
        Ok(())
    }

    fn known(&self, key_id: &KeyId) -> Option<&PublicKey> {
        self.parsed.get(key_id)
    }
}
