//! Bodies of acceptance and descent. 入矿

use tally_proto::v1::*;

use super::{Fields, Named, check::Checker};
use crate::{id::SubjectKind, statement::Statement};

impl Fields for AcceptanceChecked {
    fn check(&self, check: &mut Checker) {
        check.items("checks", &self.checks, 1);
        check.choice::<CheckResult>("result", self.result);
        check.attachments("test_reports", &self.test_reports);
    }
}

impl Fields for ExProofChecked {
    fn check(&self, check: &mut Checker) {
        check.items("checklist", &self.checklist, 1);
        check.choice::<CheckResult>("result", self.result);
        check.optional_code("pass_no", &self.pass_no);
        check.optional_day("valid_until", self.valid_until.as_ref());
        check.optional_code("gauge_no", &self.gauge_no);
        let passed = matches!(self.result(), CheckResult::Pass | CheckResult::Conditional);
        if passed && self.pass_no.is_empty() {
            check.problem("pass_no", "is empty; a check that passed gives a pass");
        }
    }
}

impl Fields for EnteredMine {
    fn check(&self, check: &mut Checker) {
        check.id("mine", &self.mine);
        check.text("shaft", &self.shaft, 1, 128);
        check.optional_place("to_location", self.to_location.as_ref());
        check.optional_code("pass_no", &self.pass_no);
        check.optional_code("vehicle", &self.vehicle);
        check.optional_code("loaded_by_post", &self.loaded_by_post);
        if self.to_location.as_ref().is_some_and(|place| !place.mine.is_empty() && place.mine != self.mine) {
            check.problem("to_location.mine", "is another mine");
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.id(SubjectKind::Mine, &self.mine);
    }
}

impl Fields for RaisedToSurface {
    fn check(&self, check: &mut Checker) {
        check.id("mine", &self.mine);
        check.choice::<RaiseReason>("reason", self.reason);
        check.text("shaft", &self.shaft, 1, 128);
        check.optional_choice::<Condition>("condition", self.condition);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.id(SubjectKind::Mine, &self.mine);
    }
}
