//! Bodies of inspection, tests, maintenance, overhaul and parts. 检修

use tally_proto::v1::*;

use super::{
    Fields, Named,
    check::{Checker, LIST_MAX, MACHINES_MAX, REASON_BYTES_MAX},
};
use crate::statement::Statement;

impl Fields for Inspected {
    fn check(&self, check: &mut Checker) {
        check.choice::<InspectionKind>("kind", self.kind);
        check.optional_code("schedule_code", &self.schedule_code);
        check.items("items", &self.items, 0);
        if self.items.is_empty() && !self.nothing_found {
            check.problem("items", "is empty; name what was looked at, or set nothing_found");
        }
        check.span(self.started_us, self.finished_us);
        check.ids("machines", &self.machines, MACHINES_MAX);
        check.optional_day("next_due", self.next_due.as_ref());
        check.attachments("photos", &self.photos);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        for machine in &self.machines {
            named.machine(machine);
        }
    }
}

impl Fields for Tested {
    fn check(&self, check: &mut Checker) {
        check.code("schedule_code", &self.schedule_code);
        check.code("standard", &self.standard);
        check.code("report_no", &self.report_no);
        check.attachment("report", self.report.as_ref());
        check.day("test_date", self.test_date.as_ref(), true);
        check.choice::<CheckResult>("result", self.result);
        check.optional_day("valid_until", self.valid_until.as_ref());
        check.measures("values", &self.values);
    }
}

impl Fields for Calibrated {
    fn check(&self, check: &mut Checker) {
        check.code("schedule_code", &self.schedule_code);
        check.measure("reference", self.reference.as_ref(), None);
        check.measure("before", self.before.as_ref(), None);
        check.measure("after", self.after.as_ref(), None);
        check.choice::<CheckResult>("result", self.result);
        check.optional_choice::<CalibrationPlace>("place", self.place);
    }
}

impl Fields for Maintained {
    fn check(&self, check: &mut Checker) {
        check.choice::<MaintenanceLevel>("level", self.level);
        check.span(self.started_us, self.finished_us);
        check.texts("work", &self.work, 1, LIST_MAX, 512);
        check.choice::<CheckResult>("result", self.result);
        check.components("parts_used", &self.parts_used, LIST_MAX);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.components(&self.parts_used);
    }
}

impl Fields for MaintenanceStarted {
    fn check(&self, check: &mut Checker) {
        check.reason("reason", &self.reason);
        check.optional_code("permit_no", &self.permit_no);
    }
}

impl Fields for MaintenanceFinished {
    fn check(&self, check: &mut Checker) {
        check.choice::<ServiceState>("next", self.next);
        let next = ServiceState::try_from(self.next);
        if !matches!(next, Ok(ServiceState::Idle | ServiceState::InUse | ServiceState::Standby)) {
            check.problem("next", "is none of idle, in use and standby");
        }
        check.texts("work", &self.work, 1, LIST_MAX, 512);
        check.choice::<CheckResult>("result", self.result);
        check.optional_measure("trial_run", self.trial_run.as_ref(), Some((0, 10_000)));
    }
}

impl Fields for OverhaulStarted {
    fn check(&self, check: &mut Checker) {
        check.code("job_no", &self.job_no);
        check.texts("findings_on_receipt", &self.findings_on_receipt, 0, LIST_MAX, 512);
        check.attachments("documents_available", &self.documents_available);
        check.texts("documents_missing_steps", &self.documents_missing_steps, 0, LIST_MAX, 512);
        check.attachments("photos", &self.photos);
    }
}

impl Fields for Overhauled {
    fn check(&self, check: &mut Checker) {
        check.code("job_no", &self.job_no);
        check.choice::<Conformity>("conformity", self.conformity);
        check.fates("parts_out", &self.parts_out, LIST_MAX);
        check.components("parts_in", &self.parts_in, LIST_MAX);
        check.measures("measurements", &self.measurements);
        check.items("tests", &self.tests, 0);
        check.attachment("report", self.report.as_ref());
        check.optional_code("repair_label", &self.repair_label);
        check.optional_day("warranty_until", self.warranty_until.as_ref());
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        for part in &self.parts_out {
            named.component(part.component.as_ref());
        }
        named.components(&self.parts_in);
    }
}

impl Fields for ComponentReplaced {
    fn check(&self, check: &mut Checker) {
        check.code("slot", &self.slot);
        match &self.out {
            None => check.problem("out", "is not given"),
            Some(out) => check.fate("out", out),
        }
        check.required_component("in", self.r#in.as_ref());
        check.reason("reason", &self.reason);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.component(self.out.as_ref().and_then(|out| out.component.as_ref()));
        named.component(self.r#in.as_ref());
    }
}

/// On the machine's chain the component is named, on the part's own chain the machine.
fn one_of_both(check: &mut Checker, component: Option<&Component>, machine: &[u8]) {
    match component {
        Some(component) => check.component("component", component),
        None => check.id("machine", machine),
    }
    if component.is_some() && !machine.is_empty() {
        check.problem(
            "machine",
            "is given beside a component; the machine's chain names the component, the part's the machine",
        );
    }
}

impl Fields for ComponentTakenOut {
    fn check(&self, check: &mut Checker) {
        check.code("slot", &self.slot);
        one_of_both(check, self.component.as_ref(), &self.machine);
        check.choice::<Fate>("destination", self.destination);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.component(self.component.as_ref());
        named.machine(&self.machine);
    }
}

impl Fields for ComponentFitted {
    fn check(&self, check: &mut Checker) {
        check.code("slot", &self.slot);
        one_of_both(check, self.component.as_ref(), &self.machine);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.component(self.component.as_ref());
        named.machine(&self.machine);
    }
}

impl Fields for Altered {
    fn check(&self, check: &mut Checker) {
        check.text("what", &self.what, 1, REASON_BYTES_MAX);
        check.attachment("drawings", self.drawings.as_ref());
        check.optional_attachment("consent", self.consent.as_ref());
        check.optional_event_ref("mark_event", self.mark_event.as_ref());
    }
}

impl Fields for FaultReported {
    fn check(&self, check: &mut Checker) {
        check.code("fault_id", &self.fault_id);
        check.code("kind", &self.kind);
        check.choice::<FaultSeverity>("severity", self.severity);
        check.note("description", &self.description, 1);
        check.optional_day("due_by", self.due_by.as_ref());
        check.attachments("photos", &self.photos);
    }
}

impl Fields for Rectified {
    fn check(&self, check: &mut Checker) {
        check.code("fault_id", &self.fault_id);
        check.text("work", &self.work, 1, REASON_BYTES_MAX);
        check.instant("finished_us", self.finished_us);
        check.components("parts_in", &self.parts_in, LIST_MAX);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.components(&self.parts_in);
    }
}

impl Fields for RectificationConfirmed {
    fn check(&self, check: &mut Checker) {
        check.code("fault_id", &self.fault_id);
        check.choice::<RectificationResult>("result", self.result);
        check.attachments("photos", &self.photos);
    }
}
