//! Bodies of transport, warehousing, ownership and leases. 入库

use tally_proto::v1::*;

use super::{
    Fields, Named,
    check::{Checker, LIST_MAX, MACHINES_MAX, REASON_BYTES_MAX},
};
use crate::{id::SubjectKind, statement::Statement};

impl Fields for Dispatched {
    fn check(&self, check: &mut Checker) {
        check.id("to_organisation", &self.to_organisation);
        check.choice::<DispatchReason>("reason", self.reason);
        check.optional_choice::<Condition>("condition", self.condition);
        check.attachments("documents", &self.documents);
        check.optional_id("mine_left", &self.mine_left);
        check.optional_code("vehicle", &self.vehicle);
        check.optional_code("seal_no", &self.seal_no);
        check.optional_day("expected_on", self.expected_on.as_ref());
    }

    fn names(&self, header: &Statement, named: &mut Named) {
        named.id(SubjectKind::Organisation, &self.to_organisation);
        named.subject(header.organisation.subject());
        named.id(SubjectKind::Mine, &self.mine_left);
    }
}

impl Fields for Received {
    fn check(&self, check: &mut Checker) {
        check.event_ref("dispatch_event", self.dispatch_event.as_ref());
        check.choice::<ReceivedInto>("into", self.into);
        check.optional_choice::<Condition>("condition", self.condition);
        check.texts("discrepancies", &self.discrepancies, 0, LIST_MAX, 512);
        check.id("from_organisation", &self.from_organisation);
        check.optional_id("mine_entered", &self.mine_entered);
        check.attachments("photos", &self.photos);
        if (self.into == ReceivedInto::Mine as i32) == self.mine_entered.is_empty() {
            check.problem("mine_entered", "is given where the goods go to a mine, and only there");
        }
    }

    fn names(&self, header: &Statement, named: &mut Named) {
        named.id(SubjectKind::Organisation, &self.from_organisation);
        named.subject(header.organisation.subject());
        named.id(SubjectKind::Mine, &self.mine_entered);
    }
}

impl Fields for ReceiptRefused {
    fn check(&self, check: &mut Checker) {
        check.event_ref("dispatch_event", self.dispatch_event.as_ref());
        check.reason("reason", &self.reason);
        check.attachments("photos", &self.photos);
    }
}

impl Fields for Warehoused {
    fn check(&self, check: &mut Checker) {
        check.text("store", &self.store, 1, 128);
        check.optional_code("shelf", &self.shelf);
        check.optional_choice::<Condition>("condition", self.condition);
        check.items("documents_checked", &self.documents_checked, 0);
        check.optional_day("shelf_life_until", self.shelf_life_until.as_ref());
    }
}

impl Fields for StockChecked {
    fn check(&self, check: &mut Checker) {
        check.optional_place("place", self.place.as_ref());
        check.optional_choice::<Condition>("condition", self.condition);
        check.ids("machines", &self.machines, MACHINES_MAX);
        check.optional_attachment("photo", self.photo.as_ref());
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        for machine in &self.machines {
            named.machine(machine);
        }
    }
}

impl Fields for OwnershipChanged {
    fn check(&self, check: &mut Checker) {
        check.id("new_owner", &self.new_owner);
        check.reason("reason", &self.reason);
        check.optional_attachment("contract", self.contract.as_ref());
    }
}

impl Fields for LeaseStarted {
    fn check(&self, check: &mut Checker) {
        check.id("lessee", &self.lessee);
        check.period(self.from.as_ref(), self.until.as_ref());
        check.day("until", self.until.as_ref(), true);
        check.choice::<LeaseParty>("maintains", self.maintains);
        check.choice::<LeaseParty>("tests", self.tests);
        check.attachment("safety_agreement", self.safety_agreement.as_ref());
    }
}

impl Fields for LeaseEnded {
    fn check(&self, check: &mut Checker) {
        check.optional_choice::<Condition>("condition", self.condition);
        check.day("returned_on", self.returned_on.as_ref(), true);
        check.optional("claims", &self.claims, REASON_BYTES_MAX);
    }
}
