//! Bodies about safety marks. 安标

use tally_proto::v1::*;

use super::{
    Fields,
    check::{COMPONENTS_MAX, Checker, PLATE_BYTES_MAX, REASON_BYTES_MAX, SERIAL_BYTES_MAX},
};

/// Serials that one event of a batch mark names.
pub const SERIALS_MAX: usize = 1_024;

/// Whether a number is one that a mark authority can issue: class M or K, a group letter A to L, a letter, two digits of
/// the year, four of the serial.
///
/// Source: the certificates of 2022; only the group letter E was seen on one, the others are general knowledge.
pub fn is_mark_number(number: &str) -> bool {
    let [class, group, kind, digits @ ..] = number.as_bytes() else { return false };
    matches!(class, b'M' | b'K')
        && (b'A'..=b'L').contains(group)
        && kind.is_ascii_uppercase()
        && digits.len() == 6
        && digits.iter().all(u8::is_ascii_digit)
}

/// The sector of a number's class; `None` for a number that cannot be.
pub fn sector_of(number: &str) -> Option<MineSector> {
    if !is_mark_number(number) {
        return None;
    }
    Some(if number.starts_with('M') { MineSector::Coal } else { MineSector::NonCoal })
}

fn scope(check: &mut Checker, scope: Option<&MarkScope>) {
    let Some(scope) = scope else { return check.problem("certificate.scope", "is not given") };
    check.choices::<MineSector>("certificate.scope.sectors", &scope.sectors, 1);
    check.choices::<GasGrade>("certificate.scope.gas_grades", &scope.gas_grades, 0);
    check.choices::<PlaceKind>("certificate.scope.places_excluded", &scope.places_excluded, 0);
    check.optional("certificate.scope.text", &scope.text, REASON_BYTES_MAX);
}

fn certificate(check: &mut Checker, certificate: Option<&MarkCertificate>) {
    let Some(certificate) = certificate else { return check.problem("certificate", "is not given") };
    check.text("certificate.holder", &certificate.holder, 1, PLATE_BYTES_MAX);
    check.optional("certificate.holder_address", &certificate.holder_address, 256);
    check.count("certificate.producers", certificate.producers.len(), 1, 16);
    for producer in &certificate.producers {
        check.text("certificate.producers.name", &producer.name, 1, PLATE_BYTES_MAX);
        check.optional("certificate.producers.address", &producer.address, 256);
    }
    check.text("certificate.product_name", &certificate.product_name, 1, PLATE_BYTES_MAX);
    check.count("certificate.models", certificate.models.len(), 1, 64);
    check.text_set("certificate.models", &certificate.models, 64, PLATE_BYTES_MAX);
    check.text_set("certificate.standards", &certificate.standards, 32, 64);
    scope(check, certificate.scope.as_ref());
    check.count("certificate.parts", certificate.parts.len(), 0, COMPONENTS_MAX);
    for part in &certificate.parts {
        check.code("certificate.parts.slot", &part.slot);
        check.text("certificate.parts.model", &part.model, 1, PLATE_BYTES_MAX);
        check.optional("certificate.parts.producer", &part.producer, PLATE_BYTES_MAX);
        check.optional_code("certificate.parts.mark_no", &part.mark_no);
    }
    check.count("certificate.joined", certificate.joined.len(), 0, COMPONENTS_MAX);
    for joined in &certificate.joined {
        check.text("certificate.joined.model", &joined.model, 1, PLATE_BYTES_MAX);
        check.optional_code("certificate.joined.mark_no", &joined.mark_no);
    }
    check.optional("certificate.remarks", &certificate.remarks, REASON_BYTES_MAX);
}

impl Fields for MarkIssued {
    fn check(&self, check: &mut Checker) {
        // MARK-002 refuses here and finds everywhere else.
        if !is_mark_number(&self.number) {
            check.problem(
                "number",
                "cannot exist (MARK-002): a mark is M or K, a letter A to L, a letter, two digits of the year and four of the serial",
            );
        }
        check.choice::<MarkKind>("kind", self.kind);
        certificate(check, self.certificate.as_ref());
        check.day("issued_on", self.issued_on.as_ref(), true);
        check.code("document_no", &self.document_no);
        check.text_set("serials", &self.serials, SERIALS_MAX, SERIAL_BYTES_MAX);
        check.ids("trial_mines", &self.trial_mines, 64);
        let batch = self.kind == MarkKind::Batch as i32;
        if batch {
            check.count("serials", self.serials.len(), 1, SERIALS_MAX);
            check.day("valid_from", self.valid_from.as_ref(), true);
            if self.valid_until.is_some() {
                check.problem("valid_until", "is given; a batch covers its serials, not a period");
            }
        } else {
            whole_period(check, self.valid_from.as_ref(), self.valid_until.as_ref());
            if !self.serials.is_empty() {
                check.problem("serials", "are given; only a batch names its units");
            }
        }
        if (self.kind == MarkKind::Trial as i32) == self.trial_mines.is_empty() {
            check.problem("trial_mines", "belong to a trial mark, and only to one");
        }
    }
}

fn whole_period(check: &mut Checker, from: Option<&Day>, until: Option<&Day>) {
    check.day("valid_from", from, true);
    check.day("valid_until", until, true);
    if let (Some(from), Some(until)) = (from, until)
        && (until.year, until.month, until.day) < (from.year, from.month, from.day)
    {
        check.problem("valid_until", "is before valid_from");
    }
}

impl Fields for MarkChanged {
    fn check(&self, check: &mut Checker) {
        certificate(check, self.certificate.as_ref());
        check.day("produced_from", self.produced_from.as_ref(), true);
        check.reason("what", &self.what);
        check.code("document_no", &self.document_no);
        check.text_set("serials_added", &self.serials_added, SERIALS_MAX, SERIAL_BYTES_MAX);
    }
}

impl Fields for MarkRenewed {
    fn check(&self, check: &mut Checker) {
        whole_period(check, self.valid_from.as_ref(), self.valid_until.as_ref());
        check.day("issued_on", self.issued_on.as_ref(), true);
        check.code("document_no", &self.document_no);
    }
}

impl Fields for MarkSuspended {
    fn check(&self, check: &mut Checker) {
        check.day("from", self.from.as_ref(), true);
        check.choices::<MarkActivity>("stops", &self.stops, 1);
        check.reason("reason", &self.reason);
        check.code("document_no", &self.document_no);
    }
}

impl Fields for MarkResumed {
    fn check(&self, check: &mut Checker) {
        check.day("from", self.from.as_ref(), true);
        check.reason("remedied", &self.remedied);
        check.code("document_no", &self.document_no);
    }
}

impl Fields for MarkRevoked {
    fn check(&self, check: &mut Checker) {
        check.day("from", self.from.as_ref(), true);
        check.reason("reason", &self.reason);
        check.code("document_no", &self.document_no);
        for (field, day) in [("produced_from", &self.produced_from), ("produced_until", &self.produced_until)] {
            if day.is_some() {
                check.day(field, day.as_ref(), true);
            }
        }
        if let (Some(from), Some(until)) = (&self.produced_from, &self.produced_until)
            && (until.year, until.month, until.day) < (from.year, from.month, from.day)
        {
            check.problem("produced_until", "is before produced_from");
        }
        check.text_set("serials", &self.serials, SERIALS_MAX, SERIAL_BYTES_MAX);
    }
}

impl Fields for MarkCancelled {
    fn check(&self, check: &mut Checker) {
        check.day("from", self.from.as_ref(), true);
        check.reason("reason", &self.reason);
        check.code("document_no", &self.document_no);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_certificates_seen_can_exist_and_others_cannot() {
        for number in ["KED200014", "KED190015", "MAB210001", "MLZ990000"] {
            assert!(is_mark_number(number), "{number}");
        }
        for number in
            ["", "MED20001", "MED2000144", "XED200014", "MMD200014", "M1D200014", "MEd200014", "MED2000A4", "ME D20001"]
        {
            assert!(!is_mark_number(number), "{number}");
        }
        assert_eq!(sector_of("KED200014"), Some(MineSector::NonCoal));
        assert_eq!(sector_of("MED200014"), Some(MineSector::Coal));
    }
}
