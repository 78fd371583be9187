//! Bodies of orders, recalls, and decisions about findings. 监管

use tally_proto::v1::*;

use super::{
    Fields, Named,
    check::{Checker, LIST_MAX, REASON_BYTES_MAX},
};
use crate::{id::SubjectKind, rule, statement::Statement};

/// Machines of one event of an order: with the mines they fit into the mentions.
pub const ORDER_MACHINES_MAX: usize = 240;
/// Mines of one event of an order.
pub const ORDER_MINES_MAX: usize = 8;
/// Differences of one comparison.
pub const DIFFERENCES_MAX: usize = 200;

/// Kinds of file of the national upload.
pub const UPLOAD_KINDS: &[&str] = &["JBSJ", "ABSJ", "JZTT", "JCJY"];

fn order(check: &mut Checker, order: Option<&Order>) {
    let Some(order) = order else { return check.problem("order", "is not given") };
    check.code("order.order_no", &order.order_no);
    check.text("order.authority", &order.authority, 1, 128);
    check.text("order.legal_basis", &order.legal_basis, 1, 256);
    check.count("order.machines", order.machines.len(), 1, ORDER_MACHINES_MAX);
    check.ids("order.machines", &order.machines, ORDER_MACHINES_MAX);
    check.ids("order.mines", &order.mines, ORDER_MINES_MAX);
    check.optional("order.query", &order.query, REASON_BYTES_MAX);
    if order.query.is_empty() != order.list_hash.is_empty() {
        check.problem("order.list_hash", "goes with the query, and only with one");
    }
    if !order.list_hash.is_empty() {
        check.hash("order.list_hash", &order.list_hash);
    }
}

fn names(machines: &[Vec<u8>], mines: &[Vec<u8>], named: &mut Named) {
    machines.iter().for_each(|machine| named.id(SubjectKind::Equipment, machine));
    mines.iter().for_each(|mine| named.id(SubjectKind::Mine, mine));
}

fn names_order(order: Option<&Order>, named: &mut Named) {
    if let Some(order) = order {
        names(&order.machines, &order.mines, named);
    }
}

impl Fields for StopUseOrdered {
    fn check(&self, check: &mut Checker) {
        order(check, self.order.as_ref());
        if self.until.is_some() {
            check.day("until", self.until.as_ref(), true);
        }
        check.optional("condition", &self.condition, REASON_BYTES_MAX);
        if self.until.is_none() && self.condition.is_empty() {
            check.problem("condition", "is empty, and no last day is given; say how the order ends");
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        names_order(self.order.as_ref(), named);
    }
}

impl Fields for OrderExtended {
    fn check(&self, check: &mut Checker) {
        check.ids("machines", &self.machines, ORDER_MACHINES_MAX);
        check.ids("mines", &self.mines, ORDER_MINES_MAX);
        if self.machines.is_empty() && self.mines.is_empty() {
            check.problem("machines", "nothing is added");
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        names(&self.machines, &self.mines, named);
    }
}

impl Fields for StopUseLifted {
    fn check(&self, check: &mut Checker) {
        check.count("machines", self.machines.len(), 1, ORDER_MACHINES_MAX);
        check.ids("machines", &self.machines, ORDER_MACHINES_MAX);
        check.text("checked_by", &self.checked_by, 1, 128);
        check.reason("result", &self.result);
        check.optional_attachment("document", self.document.as_ref());
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        names(&self.machines, &[], named);
    }
}

impl Fields for SealedUp {
    fn check(&self, check: &mut Checker) {
        order(check, self.order.as_ref());
        check.code("seal_no", &self.seal_no);
        check.place("place", self.place.as_ref());
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        names_order(self.order.as_ref(), named);
    }
}

impl Fields for Unsealed {
    fn check(&self, check: &mut Checker) {
        check.count("machines", self.machines.len(), 1, ORDER_MACHINES_MAX);
        check.ids("machines", &self.machines, ORDER_MACHINES_MAX);
        check.reason("decision", &self.decision);
        check.optional_attachment("document", self.document.as_ref());
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        names(&self.machines, &[], named);
    }
}

impl Fields for RecallIssued {
    fn check(&self, check: &mut Checker) {
        order(check, self.order.as_ref());
        check.optional_id("model", &self.model);
        check.reason("hazard", &self.hazard);
        check.choice::<InterimMeasure>("interim", self.interim);
        check.reason("remedy", &self.remedy);
        check.day("due_by", self.due_by.as_ref(), true);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        names_order(self.order.as_ref(), named);
        named.id(SubjectKind::Model, &self.model);
    }
}

impl Fields for RecallRemedied {
    fn check(&self, check: &mut Checker) {
        check.id("recall", &self.recall);
        check.reason("work", &self.work);
        check.choice::<CheckResult>("result", self.result);
        check.components("parts_in", &self.parts_in, LIST_MAX);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.id(SubjectKind::Order, &self.recall);
        named.components(&self.parts_in);
    }
}

impl Fields for OrderReceived {
    fn check(&self, check: &mut Checker) {
        check.id("mine", &self.mine);
        check.optional("note", &self.note, REASON_BYTES_MAX);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.id(SubjectKind::Mine, &self.mine);
    }
}

impl Fields for FindingDecided {
    fn check(&self, check: &mut Checker) {
        if check.is_text("rule", &self.rule, 16) {
            match rule::by_code(&self.rule) {
                None => check.problem("rule", format!("{} is no rule; `tally rules` lists them", self.rule)),
                Some(rule) if rule.action == rule::Action::Refuse => {
                    check.problem("rule", format!("{} refuses and has no findings", self.rule));
                }
                Some(_) => {}
            }
        }
        check.optional("key", &self.key, 128);
        check.choice::<FindingDecision>("decision", self.decision);
        check.reason("reason", &self.reason);
        check.optional_attachment("document", self.document.as_ref());
    }
}

impl Fields for UploadCompared {
    fn check(&self, check: &mut Checker) {
        if !UPLOAD_KINDS.contains(&self.file_kind.as_str()) {
            check.problem("file_kind", format!("is none of {}", UPLOAD_KINDS.join(", ")));
        }
        check.attachment("file", self.file.as_ref());
        check.instant("made_us", self.made_us);
        check.count("differences", self.differences.len(), 0, DIFFERENCES_MAX);
        for difference in &self.differences {
            check.optional_id("differences.machine", &difference.machine);
            check.optional_code("differences.device_code", &difference.device_code);
            check.code("differences.field", &difference.field);
            check.optional("differences.upload", &difference.upload, 256);
            check.optional("differences.ledger", &difference.ledger, 256);
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        self.differences.iter().for_each(|difference| named.machine(&difference.machine));
    }
}
