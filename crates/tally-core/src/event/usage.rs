//! Bodies of installation and use. 使用

use tally_proto::v1::*;

use super::{Fields, Named, check::Checker};
use crate::statement::Statement;

impl Fields for Installed {
    fn check(&self, check: &mut Checker) {
        check.place("location", self.location.as_ref());
        check.optional_id("assembly", &self.assembly);
        check.optional("function", &self.function, 128);
        check.measures("settings", &self.settings);
        check.optional_attachment("drawing", self.drawing.as_ref());
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.machine(&self.assembly);
    }
}

impl Fields for InstallationAccepted {
    fn check(&self, check: &mut Checker) {
        check.items("checks", &self.checks, 1);
        check.choice::<CheckResult>("result", self.result);
        check.optional_measure("insulation", self.insulation.as_ref(), Some((0, 100_000)));
        check.optional_measure("earth_resistance", self.earth_resistance.as_ref(), Some((0, 100_000)));
    }
}

impl Fields for Commissioned {
    fn check(&self, check: &mut Checker) {
        check.optional_measure("trial_run", self.trial_run.as_ref(), Some((0, 10_000)));
        check.choice::<CheckResult>("result", self.result);
        check.choice::<Duty>("duty", self.duty);
        check.optional_code("meter_no", &self.meter_no);
        check.optional_measure("meter_start", self.meter_start.as_ref(), Some((0, 1_000_000_000)));
    }
}

impl Fields for DutyChanged {
    fn check(&self, check: &mut Checker) {
        check.choice::<Duty>("duty", self.duty);
        check.reason("reason", &self.reason);
    }
}

impl Fields for Moved {
    fn check(&self, check: &mut Checker) {
        check.optional_place("from_location", self.from_location.as_ref());
        check.place("to_location", self.to_location.as_ref());
    }
}

impl Fields for UsageReported {
    fn check(&self, check: &mut Checker) {
        check.code("meter_no", &self.meter_no);
        check.measure("counter", self.counter.as_ref(), Some((0, 1_000_000_000)));
        check.day("period_to", self.period_to.as_ref(), true);
        check.optional_choice::<UsageSource>("source", self.source);
    }
}

impl Fields for SettingsChanged {
    fn check(&self, check: &mut Checker) {
        check.settings("settings", &self.settings);
        check.reason("reason", &self.reason);
        check.optional_attachment("calculation", self.calculation.as_ref());
    }
}

impl Fields for Idled {
    fn check(&self, check: &mut Checker) {
        check.reason("reason", &self.reason);
        check.optional_day("planned_until", self.planned_until.as_ref());
    }
}

impl Fields for StoppedUse {
    fn check(&self, check: &mut Checker) {
        check.reason("reason", &self.reason);
        check.optional_code("fault_id", &self.fault_id);
    }
}

impl Fields for Resumed {
    fn check(&self, check: &mut Checker) {
        check.choice::<Duty>("duty", self.duty);
        check.items("checks", &self.checks, 0);
        check.choice::<CheckResult>("result", self.result);
    }
}

impl Fields for RopeTurned {
    fn check(&self, check: &mut Checker) {
        check.optional_measure("cut_length", self.cut_length.as_ref(), Some((0, 50_000)));
        check.reason("reason", &self.reason);
        if self.cut_length.is_none() && !self.turned {
            check.problem("turned", "is false, and no length was cut");
        }
    }
}
