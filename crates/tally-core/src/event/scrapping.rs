//! Bodies of scrapping and loss. 报废

use tally_proto::v1::*;

use super::{
    Fields, Named,
    check::{COMPONENTS_MAX, Checker},
};
use crate::{id::SubjectKind, statement::Statement};

impl Fields for ScrapProposed {
    fn check(&self, check: &mut Checker) {
        check.reason("reason", &self.reason);
        check.optional_event_ref("appraisal_event", self.appraisal_event.as_ref());
    }
}

impl Fields for Scrapped {
    fn check(&self, check: &mut Checker) {
        check.code("approval_no", &self.approval_no);
        check.attachments("evidence", &self.evidence);
    }
}

impl Fields for Dismantled {
    fn check(&self, check: &mut Checker) {
        check.fates("parts", &self.parts, COMPONENTS_MAX);
        check.choice::<DismantlingPlace>("place", self.place);
        check.text("method", &self.method, 1, 256);
        check.optional_attachment("plan", self.plan.as_ref());
        if self.place == DismantlingPlace::Underground as i32 && self.plan.is_none() {
            check.problem("plan", "is not given; hot work underground needs one");
        }
        check.attachments("evidence", &self.evidence);
        check.optional_measure("weight", self.weight.as_ref(), Some((0, 10_000_000)));
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        for part in &self.parts {
            named.component(part.component.as_ref());
        }
    }
}

impl Fields for LostReported {
    fn check(&self, check: &mut Checker) {
        check.choice::<LossCause>("cause", self.cause);
        check.place("place", self.place.as_ref());
        check.day("last_seen", self.last_seen.as_ref(), true);
        check.optional_attachment("report", self.report.as_ref());
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        if let Some(mine) = super::place_mine(self.place.as_ref()) {
            named.subject(mine);
        }
    }
}

impl Fields for Recovered {
    fn check(&self, check: &mut Checker) {
        check.place("place", self.place.as_ref());
        check.optional_choice::<Condition>("condition", self.condition);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        if let Some(mine) = super::place_mine(self.place.as_ref()) {
            named.subject(mine);
        }
    }
}

impl Fields for Exported {
    fn check(&self, check: &mut Checker) {
        if self.country.len() != 2 || !self.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            check.problem("country", "is no two-letter code of ISO 3166-1");
        }
        check.code("customs_no", &self.customs_no);
        check.id("holder", &self.holder);
        check.optional_id("mine_left", &self.mine_left);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.id(SubjectKind::Organisation, &self.holder);
        named.id(SubjectKind::Mine, &self.mine_left);
    }
}
