//! Bodies that stand on any chain, and those about identity. 更正 备注 补签 铭牌 身份

use tally_proto::v1::*;

use super::{
    Fields, Named,
    check::{Checker, PLATE_BYTES_MAX, SERIAL_BYTES_MAX},
};
use crate::statement::Statement;

impl Fields for PlateReplaced {
    fn check(&self, check: &mut Checker) {
        check.reason("reason", &self.reason);
        check.optional_attachment("old_plate", self.old_plate.as_ref());
        check.attachment("new_plate", self.new_plate.as_ref());
        check.text("maker", &self.maker, 1, PLATE_BYTES_MAX);
        check.text("model", &self.model, 1, PLATE_BYTES_MAX);
        check.text("serial", &self.serial, 1, SERIAL_BYTES_MAX);
    }
}

impl Fields for IdentityLinked {
    fn check(&self, check: &mut Checker) {
        check.id("other", &self.other);
        check.choice::<IdentityVerdict>("verdict", self.verdict);
        check.reason("reason", &self.reason);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.machine(&self.other);
    }
}

impl Fields for Corrected {
    fn check(&self, check: &mut Checker) {
        check.event_ref("event", self.event.as_ref());
        check.reason("reason", &self.reason);
        if self.replacement.is_some() == self.withdrawn {
            check.problem("replacement", "give a replacement, or set withdrawn, and not both");
        }
        if let Some(replacement) = &self.replacement {
            check.instant("replacement.occurred_at_us", replacement.occurred_at_us);
        }
    }
}

impl Fields for Noted {
    fn check(&self, check: &mut Checker) {
        check.note("text", &self.text, 1);
        check.attachments("attachments", &self.attachments);
    }
}

impl Fields for Countersigned {
    fn check(&self, check: &mut Checker) {
        check.event_ref("event", self.event.as_ref());
    }

    fn names(&self, _: &Statement, _: &mut Named) {}
}
