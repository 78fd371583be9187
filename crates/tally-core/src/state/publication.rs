//! The state of a publication: what it publishes, where and since when it counts, and whether it was withdrawn. 发布

use tally_proto::v1::{Day, Evidence, Publication, PublicationLayer, statement::Body as Message};

use super::{Instant, Recorded, Step, in_order};
use crate::{
    id::{OrganisationId, SubjectId},
    state::mark::starts,
};

/// What is published.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The publication.
    pub subject: SubjectId,
    /// Who published it.
    pub publisher: OrganisationId,
    /// Where and since when it counts.
    pub publication: Publication,
    /// The body with its rows.
    pub body: Message,
    /// What it rests on.
    pub evidence: Evidence,
    /// First day without it, and what that rests on; the last word counts.
    pub withdrawn: Option<(Day, Evidence)>,
    /// Every such word, in order: at an older size an earlier one counts.
    pub withdrawals: Vec<(Day, Evidence)>,
}

/// The state of a publication at `instant`; `None` where it was not published then.
pub fn fold(subject: &SubjectId, events: &[Recorded], instant: Instant) -> Option<Published> {
    let mut state: Option<Published> = None;
    for step in in_order(subject, events, instant) {
        if step.recorded.candidate.statement().subject != *subject {
            continue;
        }
        match (step.body.message(), &mut state) {
            (Message::PublicationWithdrawn(body), Some(state)) => {
                state.withdrawals.extend(body.from.map(|from| (from, step.evidence())));
                state.withdrawn = state.withdrawals.last().copied();
            }
            (message, None) => state = published(&step, message),
            _ => {}
        }
    }
    state
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds publish nothing")]
fn published(step: &Step<'_>, message: &Message) -> Option<Published> {
    let publication = match message {
        Message::PolicyPublished(body) => body.publication.clone()?,
        Message::SchedulePublished(body) => body.publication.clone()?,
        Message::CategoriesPublished(body) => body.publication.clone()?,
        Message::PhaseOutPublished(body) => body.publication.clone()?,
        _ => return None,
    };
    let statement = step.recorded.candidate.statement();
    Some(Published {
        subject: statement.subject,
        publisher: statement.organisation,
        publication,
        body: message.clone(),
        evidence: step.evidence(),
        withdrawn: None,
        withdrawals: Vec::new(),
    })
}

/// Where a question is asked: the publications that reach there count.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Reach {
    /// Area code of the mine, 6 digits; empty where there is none.
    pub area_code: String,
    /// The mine, 16 bytes; empty where there is none.
    pub mine: Vec<u8>,
    /// Who runs the mine, 16 bytes; empty where nobody does.
    pub operator: Vec<u8>,
}

impl Published {
    /// From when it counts: its first day, whenever it was put on the ledger.
    pub fn from_us(&self) -> i64 {
        starts(self.publication.from.as_ref())
    }

    /// From when it counts no more; the greatest there is where it was not withdrawn.
    pub fn until_us(&self, size: u64) -> i64 {
        let known = self.withdrawals.iter().rfind(|(_, evidence)| evidence.position < size);
        known.map_or(i64::MAX, |(day, _)| starts(Some(day)))
    }

    /// Every instant from which it was ever said to count no more.
    pub fn ends_us(&self) -> impl Iterator<Item = i64> {
        self.withdrawals.iter().map(|(day, _)| starts(Some(day)))
    }

    /// How near it is to where the question is asked: 0 for the nation, greater the nearer; `None` where it does not
    /// reach there.
    pub fn nearness(&self, reach: &Reach) -> Option<u8> {
        let Publication { area, mine, .. } = &self.publication;
        match self.publication.layer() {
            PublicationLayer::Nation | PublicationLayer::Unspecified => Some(0),
            PublicationLayer::Area => {
                reach.area_code.starts_with(area.as_str()).then(|| u8::try_from(area.len()).unwrap_or(u8::MAX))
            }
            PublicationLayer::Group => (reach.operator == self.publisher.as_bytes()).then_some(16),
            PublicationLayer::Mine => (reach.mine == *mine).then_some(32),
        }
    }
}
