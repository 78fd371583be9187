//! All machines of a mine: from the mine's own touches, so that a list can be held against what was proved
//!
//! Source: FORMAT, section 1, "Mentions": events that bring a machine into or out of a mine mention it.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use tally_core::event::{self, EventKind};
use tally_core::id::{SubjectId, SubjectKind};
use tally_core::number::ChainIndex;
use tally_core::signed_event::VerifiedEvent;
use tally_core::time::Timestamp;
use tally_log::{LogPosition, TreeSize};
use tally_proto::v1;

use super::{Completeness, VerifiedHistory, VerifyError};

/// The machines that are in a mine, by the mine's own history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MineMachines {
    /// Which mine.
    pub mine: SubjectId,
    /// Equipment that is in it now.
    pub machines: BTreeSet<SubjectId>,
    /// Entries that could not be read: withheld, before a suffix, or of a kind that this program does not know. While
    /// there are any, the set may lack machines or hold some that left.
    pub unread: u64,
    /// How much of the mine's history is here.
    pub completeness: Completeness,
}

/// How a list differs from what was proved.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MineComparison {
    /// In the mine by its history, and not on the list.
    pub missing: Vec<SubjectId>,
    /// On the list, and not in the mine by its history.
    pub extra: Vec<SubjectId>,
}

impl MineComparison {
    /// Whether list and history agree.
    #[must_use]
    pub const fn agrees(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty()
    }
}

impl MineMachines {
    /// Whether the set is all of them: nothing of the mine's history is hidden or unknown.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.unread == 0
    }

    /// Holds a list against the set.
    #[must_use]
    pub fn compare(&self, listed: impl IntoIterator<Item = SubjectId>) -> MineComparison {
        let listed: BTreeSet<SubjectId> = listed.into_iter().collect();
        MineComparison {
            missing: self.machines.difference(&listed).copied().collect(),
            extra: listed.difference(&self.machines).copied().collect(),
        }
    }
}

/// Whether an event brings its machine into the mine or out of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    In,
    Out,
}

/// The machines of a mine after the entries below `up_to`, or after all that are given.
///
/// A machine is in the mine if the last event about it, in order of (`occurred_at`, position), brought it in.
///
/// # Errors
/// [`VerifyError::NoMine`]; [`VerifyError::Malformed`] for a body that its own number does not decode.
pub fn machines_in_mine(history: &VerifiedHistory, up_to: Option<TreeSize>) -> Result<MineMachines, VerifyError> {
    let mine = history.head.subject;
    if mine.kind() != SubjectKind::Mine {
        return Err(VerifyError::NoMine { subject: mine });
    }
    let is_in = |position: LogPosition| up_to.is_none_or(|size| size.holds(position));
    let given = history.touches.iter().filter(|touch| is_in(touch.position)).count();
    let mut unread = history.first_touch.saturating_add(given as u64);
    // The last event about each machine, by when it happened and then by where it stands.
    let mut last: BTreeMap<SubjectId, (Timestamp, LogPosition, Way)> = BTreeMap::new();
    for (position, _, event) in history.events().filter(|(position, ..)| is_in(*position)) {
        let statement = event.statement();
        let Some(kind) = EventKind::from_number(statement.body_number) else { continue };
        unread = unread.saturating_sub(1);
        if statement.subject.kind() != SubjectKind::Equipment {
            continue;
        }
        let way = way(kind, event, mine)
            .map_err(|error| VerifyError::malformed(format!("body at {position}"), error.to_string()))?;
        if let Some(way) = way {
            let fresh = (statement.occurred_at, position, way);
            let entry = last.entry(statement.subject).or_insert(fresh);
            if (entry.0, entry.1) <= (fresh.0, fresh.1) {
                *entry = fresh;
            }
        }
    }
    let machines = last.into_iter().filter(|(_, (_, _, way))| *way == Way::In).map(|(machine, _)| machine).collect();
    Ok(MineMachines { mine, machines, unread, completeness: history.completeness })
}

/// What an event means for the mine; `None` for nothing.
#[expect(clippy::wildcard_enum_match_arm, reason = "FORMAT, section 3: no other kind moves a machine in or out")]
fn way(kind: EventKind, event: &VerifiedEvent, mine: SubjectId) -> Result<Option<Way>, prost::DecodeError> {
    let body = event.statement().body.as_slice();
    let is_first = event.chain_index() == ChainIndex::FIRST;
    let if_mine = |id: &[u8], way: Way| (id == mine.id()).then_some(way);
    let if_place = |place: Option<&v1::Place>| (event::place_mine(place) == Some(mine)).then_some(Way::In);
    Ok(match kind {
        EventKind::EnteredMine => if_mine(&v1::EnteredMine::decode(body)?.mine, Way::In),
        EventKind::Received => if_mine(&v1::Received::decode(body)?.mine_entered, Way::In),
        EventKind::Recovered => if_place(v1::Recovered::decode(body)?.place.as_ref()),
        // Later ones of these say nothing about where the machine is.
        EventKind::Enrolled if is_first => if_place(v1::Enrolled::decode(body)?.place.as_ref()),
        EventKind::AssemblyFormed if is_first => if_place(v1::AssemblyFormed::decode(body)?.place.as_ref()),
        EventKind::LotSplit if is_first => if_mine(&v1::LotSplit::decode(body)?.mine, Way::In),
        EventKind::Dispatched => if_mine(&v1::Dispatched::decode(body)?.mine_left, Way::Out),
        EventKind::Exported => if_mine(&v1::Exported::decode(body)?.mine_left, Way::Out),
        _ => None,
    })
}
