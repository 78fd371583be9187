//! Bodies of making and enrolling. 出厂 补录

use tally_proto::v1::*;

use super::{
    Fields, Named,
    check::{COMPONENTS_MAX, Checker, LIST_MAX, PLATE_BYTES_MAX, SERIAL_BYTES_MAX},
};
use crate::{
    id::{SubjectId, SubjectKind},
    statement::Statement,
};

impl Fields for Manufactured {
    fn check(&self, check: &mut Checker) {
        check.text("maker", &self.maker, 1, PLATE_BYTES_MAX);
        check.text("model", &self.model, 1, PLATE_BYTES_MAX);
        check.text("serial", &self.serial, 1, SERIAL_BYTES_MAX);
        check.code("category", &self.category);
        check.day("produced_on", self.produced_on.as_ref(), true);
        check.choice::<IdentityKind>("identity_kind", self.identity_kind);
        check.optional_code("mark_no", &self.mark_no);
        check.optional("exempt_reason", &self.exempt_reason, 256);
        if self.mark_no.is_empty() == self.exempt_reason.is_empty() {
            check.problem("mark_no", "give the number of the mark, or exempt_reason, and not both");
        }
        check.text_set("standards", &self.standards, 32, 64);
        check.measures("nameplate", &self.nameplate);
        check.components("components", &self.components, COMPONENTS_MAX);
        check.optional_attachment("conformity_cert", self.conformity_cert.as_ref());
        check.optional_attachment("factory_test_report", self.factory_test_report.as_ref());
        check.optional_code("ex_mark", &self.ex_mark);
        check.optional_code("ex_cert_no", &self.ex_cert_no);
        check.optional_measure("design_life", self.design_life.as_ref(), None);
        check.optional_measure("quantity", self.quantity.as_ref(), Some((0, 1_000_000)));
        if self.identity_kind == IdentityKind::Lot as i32 && self.quantity.is_none() {
            check.problem("quantity", "is not given; a lot has one");
        }
        if self.identity_kind == IdentityKind::Assembly as i32 {
            check.problem("identity_kind", "an assembly is opened by AssemblyFormed");
        }
        check.optional_code("label_no", &self.label_no);
        check.optional_attachment("manual", self.manual.as_ref());
        check.optional_id("predecessor", &self.predecessor);
        check.optional("name", &self.name, PLATE_BYTES_MAX);
        check.attributes("attributes", &self.attributes);
        check.optional("production_address", &self.production_address, 256);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        if let Ok(model) = SubjectId::model(&self.maker, &self.model) {
            named.subject(model);
        }
        if !self.mark_no.is_empty() {
            named.mark(&self.mark_no);
        }
        named.components(&self.components);
        named.machine(&self.predecessor);
    }
}

impl Fields for Enrolled {
    fn check(&self, check: &mut Checker) {
        check.text("maker", &self.maker, 1, PLATE_BYTES_MAX);
        check.text("model", &self.model, 1, PLATE_BYTES_MAX);
        check.optional("serial", &self.serial, SERIAL_BYTES_MAX);
        check.optional("own_number", &self.own_number, SERIAL_BYTES_MAX);
        if self.serial.is_empty() == self.own_number.is_empty() {
            check.problem("serial", "give the serial, or where it is not legible own_number, and not both");
        }
        check.code("category", &self.category);
        check.choice::<IdentityKind>("identity_kind", self.identity_kind);
        check.optional_day("produced_on", self.produced_on.as_ref());
        check.choice::<ServiceState>("state", self.state);
        check.place("place", self.place.as_ref());
        check.attachments("evidence", &self.evidence);
        check.text_set("documented", &self.documented, 32, 64);
        check.optional_code("mark_no", &self.mark_no);
        check.note("history_note", &self.history_note, 0);
        check.optional("name", &self.name, PLATE_BYTES_MAX);
        check.attributes("attributes", &self.attributes);
        check.measures("nameplate", &self.nameplate);
        check.optional_code("ex_mark", &self.ex_mark);
        check.optional_code("ex_cert_no", &self.ex_cert_no);
        check.optional_measure("design_life", self.design_life.as_ref(), None);
        check.optional_measure("quantity", self.quantity.as_ref(), Some((0, 1_000_000)));
        if self.identity_kind == IdentityKind::Lot as i32 && self.quantity.is_none() {
            check.problem("quantity", "is not given; a lot has one");
        }
        if self.identity_kind == IdentityKind::Assembly as i32 {
            check.problem("identity_kind", "an assembly is opened by AssemblyFormed");
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        if let Some(mine) = super::place_mine(self.place.as_ref()) {
            named.subject(mine);
        }
    }
}

impl Fields for FactoryExit {
    fn check(&self, check: &mut Checker) {
        check.id("consignee", &self.consignee);
        check.choice::<DispatchReason>("reason", self.reason);
        check.attachments("documents", &self.documents);
        check.id("model", &self.model);
        check.optional_code("mark_no", &self.mark_no);
        check.optional_code("label_no", &self.label_no);
        check.optional_code("contract_no", &self.contract_no);
        check.optional_code("vehicle", &self.vehicle);
        check.optional_code("seal_no", &self.seal_no);
    }

    fn names(&self, header: &Statement, named: &mut Named) {
        named.id(SubjectKind::Organisation, &self.consignee);
        named.subject(header.organisation.subject());
        named.id(SubjectKind::Model, &self.model);
        if !self.mark_no.is_empty() {
            named.mark(&self.mark_no);
        }
    }
}

impl Fields for LotSplit {
    fn check(&self, check: &mut Checker) {
        check.id("parent", &self.parent);
        check.pieces("children", &self.children);
        check.choice::<ServiceState>("state", self.state);
        check.optional_id("mine", &self.mine);
        let mut suffixes: Vec<&str> = self.children.iter().map(|piece| piece.suffix.as_str()).collect();
        suffixes.sort_unstable();
        check.sorted("children", &suffixes);
        let first = self.children.first().and_then(|piece| piece.from.as_ref());
        for piece in &self.children {
            if let (Some(first), Some(from), Some(to)) = (first, &piece.from, &piece.to) {
                let same = |measure: &Measure| measure.unit == first.unit && measure.scale == first.scale;
                if !same(from) || !same(to) {
                    check.problem(
                        "children",
                        format!("piece {}: differs from the others in unit or scale", piece.suffix),
                    );
                } else if to.digits <= from.digits {
                    check.problem("children", format!("piece {}: to is not after from", piece.suffix));
                }
            }
        }
        let adjoin = self.children.windows(2).all(|pair| match pair {
            [left, right] => left.to.as_ref().map(|to| to.digits) == right.from.as_ref().map(|from| from.digits),
            _ => false,
        });
        if !adjoin {
            check.problem("children", "the pieces do not adjoin; give them in order along the parent");
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.id(SubjectKind::Mine, &self.mine);
    }
}

impl Fields for LotJoined {
    fn check(&self, check: &mut Checker) {
        check.id("left", &self.left);
        check.id("right", &self.right);
        check.choice::<JointKind>("kind", self.kind);
        check.measure("at", self.at.as_ref(), Some((0, 50_000)));
        check.optional_measure("strength_test", self.strength_test.as_ref(), None);
        if self.left == self.right {
            check.problem("right", "is the left lot");
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.machine(&self.left);
        named.machine(&self.right);
    }
}

impl Fields for Remanufactured {
    fn check(&self, check: &mut Checker) {
        check.id("successor", &self.successor);
        check.optional_code("mark_no_new", &self.mark_no_new);
        check.components("kept_components", &self.kept_components, COMPONENTS_MAX);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.machine(&self.successor);
        named.components(&self.kept_components);
    }
}

impl Fields for ScrapAppraised {
    fn check(&self, check: &mut Checker) {
        check.texts("criteria_met", &self.criteria_met, 0, LIST_MAX, 256);
        check.measures("measurements", &self.measurements);
        check.choice::<ScrapVerdict>("verdict", self.verdict);
        check.optional_attachment("report", self.report.as_ref());
    }
}
