//! Orders, receipts, recalls and decisions of a scene.

use tally_core::{
    admission::record::Record,
    id::{SubjectId, SubjectKind},
};
use tally_proto::v1::{self, CheckResult, FindingDecision, InterimMeasure, Role, statement::Body};

use super::{
    MAKER, Machine, Next, REGULATOR, Scene, Sketch, day_of, publication, publication::Layer, steps::attachment,
};

impl Scene {
    /// A regulator for some areas, by prefixes of their codes.
    ///
    /// # Panics
    /// Where there is one of the name.
    #[must_use]
    pub fn regulator_of(self, name: &str, areas: &[&str]) -> Self {
        assert!(self.books().party(name).is_none(), "there is a party {name}");
        self.register(name, Role::Regulator, areas);
        self
    }

    /// Any body that opens an order or a publication, by any party: under an id that no other has.
    ///
    /// # Panics
    /// Where the kind opens something that has a number of its own.
    #[must_use]
    pub fn opening(&self, party: &str, body: Body) -> Sketch {
        let mut books = self.books();
        let id = books.event_id();
        Sketch::opening(self, &books, party, id, body)
    }

    /// An order about machines, that the mines of some parties must acknowledge.
    #[must_use]
    pub fn order(&self, machines: &[&Machine], mines: &[&str]) -> v1::Order {
        v1::Order {
            order_no: format!("O-{}", self.events().len()),
            authority: "authority of a scene".to_owned(),
            legal_basis: "安全生产法2021 §70".to_owned(),
            machines: ids(machines),
            mines: self.mines(mines),
            ..v1::Order::default()
        }
    }

    /// A stop of use, until it is lifted.
    #[must_use]
    pub fn stop_use(&self, party: &str, machines: &[&Machine], mines: &[&str]) -> Sketch {
        self.opening(
            party,
            Body::StopUseOrdered(v1::StopUseOrdered {
                order: Some(self.order(machines, mines)),
                until: None,
                condition: "put right and checked".to_owned(),
            }),
        )
    }

    /// A seal on machines in a store.
    #[must_use]
    pub fn seal(&self, party: &str, machines: &[&Machine], mines: &[&str]) -> Sketch {
        let text = "surface store".to_owned();
        self.opening(
            party,
            Body::SealedUp(v1::SealedUp {
                order: Some(self.order(machines, mines)),
                seal_no: "S-1".to_owned(),
                place: Some(v1::Place { text, ..v1::Place::default() }),
            }),
        )
    }

    /// A recall that stops use until it is remedied, due in a month.
    #[must_use]
    pub fn recall(&self, party: &str, machines: &[&Machine], mines: &[&str]) -> Sketch {
        let due_by = tally_core::time::Timestamp::from_micros(self.now().micros() + 30 * 86_400_000_000);
        self.opening(
            party,
            Body::RecallIssued(v1::RecallIssued {
                order: Some(self.order(machines, mines)),
                model: Vec::new(),
                hazard: "the brake fails".to_owned(),
                interim: InterimMeasure::Stop.into(),
                remedy: "another brake".to_owned(),
                due_by: Some(day_of(due_by)),
            }),
        )
    }

    /// More machines and mines of an order, by who gave it.
    #[must_use]
    pub fn extension(&self, order: SubjectId, machines: &[&Machine], mines: &[&str]) -> Sketch {
        let (machines, mines) = (ids(machines), self.mines(mines));
        self.of_order(order, Body::OrderExtended(v1::OrderExtended { machines, mines }))
    }

    /// The end of a stop of use for machines, by who ordered it.
    #[must_use]
    pub fn lifting(&self, order: SubjectId, machines: &[&Machine]) -> Sketch {
        self.of_order(
            order,
            Body::StopUseLifted(v1::StopUseLifted {
                machines: ids(machines),
                checked_by: "authority of a scene".to_owned(),
                result: "put right".to_owned(),
                document: None,
            }),
        )
    }

    /// The end of a seal on machines, by who ordered it.
    #[must_use]
    pub fn unsealing(&self, order: SubjectId, machines: &[&Machine]) -> Sketch {
        let (machines, decision) = (ids(machines), "released".to_owned());
        self.of_order(order, Body::Unsealed(v1::Unsealed { machines, decision, document: None }))
    }

    /// A mine acknowledges an order.
    #[must_use]
    pub fn receipt(&self, mine: &str, order: SubjectId) -> Sketch {
        let named = self.party(mine).mine().id().to_vec();
        let body = v1::OrderReceived { mine: named, refused: false, note: String::new() };
        self.sketch(mine, order, Body::OrderReceived(body))
    }

    /// Who gave an order notes that a mine refused to acknowledge it.
    #[must_use]
    pub fn receipt_refused(&self, mine: &str, order: SubjectId) -> Sketch {
        let mine = self.party(mine).mine().id().to_vec();
        let body = v1::OrderReceived { mine, refused: true, note: "nobody would sign".to_owned() };
        self.of_order(order, Body::OrderReceived(body))
    }

    /// The regulator decides about a finding on a mine.
    #[must_use]
    pub fn decision_on_mine(&self, mine: &str, rule: &str, decision: FindingDecision) -> Sketch {
        self.sketch(REGULATOR, self.party(mine).mine(), decided(rule, decision))
    }

    /// A mine compares a file of the national upload with the ledger; each difference has machine, field, and both values.
    #[must_use]
    pub fn upload_compared(&self, mine: &str, differences: &[(&Machine, &str, &str, &str)]) -> Sketch {
        let difference = |(machine, field, upload, ledger): &(&Machine, &str, &str, &str)| v1::UploadDifference {
            machine: machine.subject().id().to_vec(),
            device_code: String::new(),
            field: (*field).to_owned(),
            upload: (*upload).to_owned(),
            ledger: (*ledger).to_owned(),
        };
        self.sketch(
            mine,
            self.party(mine).mine(),
            Body::UploadCompared(v1::UploadCompared {
                file_kind: "JBSJ".to_owned(),
                file: Some(attachment("upload")),
                made_us: self.now().micros(),
                records: 1,
                differences: differences.iter().map(difference).collect(),
            }),
        )
    }

    /// Records one event at least of each kind about marks, publications and orders; the machine is in the mine of the
    /// party.
    ///
    /// # Panics
    /// If one is refused.
    pub fn supervise(&self, machine: &Machine, mine: &str) {
        self.mark("MLA240001").issued(&machine.model).changed("MG900").renewed().suspended().resumed().revoked();
        self.mark("MLA240002").issued_for_batch(&machine.model, &["1"]).cancelled();
        let row = publication::monthly("S-1", "shearer", v1::ScheduledWork::Inspect, 1);
        let published = self.schedule(REGULATOR, Layer::Nation, vec![row]).record();
        self.withdrawal(REGULATOR, published.subject()).record();
        self.policy(REGULATOR, Layer::Nation, &[["MARK-004", "raise_to", "SERIOUS"]]).record();
        self.categories(REGULATOR, vec![publication::category("shearer")]).record();
        self.phase_out(REGULATOR, Layer::Nation, vec![publication::ban("P-1", "BJO2", day_of(self.now()))]).record();

        let stop = self.stop_use(REGULATOR, &[machine], &[]).record().subject();
        self.extension(stop, &[], &[mine]).record();
        self.receipt(mine, stop).record();
        self.lifting(stop, &[machine]).record();
        let seal = self.seal(REGULATOR, &[machine], &[mine]).record().subject();
        self.unsealing(seal, &[machine]).record();
        let recall = self.recall(MAKER, &[machine], &[mine]).record().subject();
        machine.recall_remedied(recall).finding_decided("MON-004", FindingDecision::Found);
        self.upload_compared(mine, &[(machine, "location", "face", "roadway")]).record();
    }

    /// Any body about an order, by who gave it.
    fn of_order(&self, order: SubjectId, body: Body) -> Sketch {
        let party = {
            let books = self.books();
            let authority = match books.admission.record(&order) {
                Record::Order(order) => books.party_of(&order.authority).map(|party| party.name.clone()),
                _ => None,
            };
            authority.unwrap_or_else(|| REGULATOR.to_owned())
        };
        self.sketch(&party, order, body)
    }

    fn mines(&self, parties: &[&str]) -> Vec<Vec<u8>> {
        let mut mines: Vec<Vec<u8>> = parties.iter().map(|party| self.party(party).mine().id().to_vec()).collect();
        mines.sort_unstable();
        mines
    }
}

impl Next {
    /// The mine that has it remedied what it was recalled for.
    #[must_use]
    pub fn recall_remedied(&self, recall: SubjectId) -> Sketch {
        assert_eq!(recall.kind(), SubjectKind::Order, "a recall is an order");
        self.by(
            &self.mine(),
            Body::RecallRemedied(v1::RecallRemedied {
                recall: recall.id().to_vec(),
                work: "brake changed".to_owned(),
                result: CheckResult::Pass.into(),
                parts_in: Vec::new(),
            }),
        )
    }

    /// The regulator decides about a finding on it.
    #[must_use]
    pub fn finding_decided(&self, rule: &str, decision: FindingDecision) -> Sketch {
        self.by(REGULATOR, decided(rule, decision))
    }
}

/// As sketched by [`Next`], recorded.
///
/// # Panics
/// If one is refused.
impl Machine {
    /// The mine that has it remedied what it was recalled for.
    pub fn recall_remedied(&self, recall: SubjectId) -> Self {
        self.next().recall_remedied(recall).record();
        self.clone()
    }

    /// The regulator decides about a finding on it.
    pub fn finding_decided(&self, rule: &str, decision: FindingDecision) -> Self {
        self.next().finding_decided(rule, decision).record();
        self.clone()
    }
}

fn decided(rule: &str, decision: FindingDecision) -> Body {
    Body::FindingDecided(v1::FindingDecided {
        rule: rule.to_owned(),
        key: String::new(),
        decision: decision.into(),
        reason: "seen on site".to_owned(),
        document: None,
    })
}

fn ids(machines: &[&Machine]) -> Vec<Vec<u8>> {
    let mut ids: Vec<Vec<u8>> = machines.iter().map(|machine| machine.subject().id().to_vec()).collect();
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tally_core::event::{EventKind, kind::Stage};
    use tally_proto::v1::ServiceState;

    use super::*;
    use crate::scene::MINE;

    #[test]
    fn a_scene_makes_every_kind_about_marks_publications_and_orders_and_nothing_irregular() {
        let scene = Scene::new();
        let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
        scene.supervise(&machine, MINE);
        scene.mark("MLA240003").issued_for_trial("MG400", MINE);
        let stop = scene.stop_use(REGULATOR, &[&machine], &[MINE]).record().subject();
        scene.receipt_refused(MINE, stop).record();
        scene.decision_on_mine(MINE, "MON-004", FindingDecision::Found).record();
        let recorded = scene.recorded();
        let made: BTreeSet<EventKind> = recorded.iter().map(|event| event.candidate.kind()).collect();
        for kind in EventKind::ALL {
            if matches!(kind.stage(), Stage::Mark | Stage::Publication | Stage::Supervision) {
                assert!(made.contains(kind), "{kind}");
            }
        }
        let irregular: Vec<_> = recorded.iter().filter(|event| !event.findings.is_empty()).collect();
        assert!(irregular.is_empty(), "{irregular:?}");
    }

    #[test]
    fn one_thing_wrong_is_refused_for_it() {
        let scene = Scene::new().regulator_of("G14", &["14"]).manufacturer("F2");
        let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
        let reason = |sketch: Sketch| sketch.sign().unwrap_err().reason();
        let ended = scene.mark("MLA240001").issued("MG900/2245").revoked();
        assert_eq!(reason(ended.next().renewed()), "MARK_ENDED");
        let row = publication::monthly("S-1", "shearer", v1::ScheduledWork::Inspect, 1);
        assert_eq!(reason(scene.schedule("G14", Layer::Nation, vec![row.clone()])), "OUTSIDE_JURISDICTION");
        let own = scene.schedule("G14", Layer::Area("1402"), vec![row]).record().subject();
        assert_eq!(reason(scene.withdrawal(REGULATOR, own)), "NOT_IN_POSITION");
        let stop = scene.stop_use(REGULATOR, &[&machine], &[MINE]).record().subject();
        assert_eq!(reason(scene.lifting(stop, &[&machine]).by("G14")), "OUTSIDE_JURISDICTION");
        assert_eq!(reason(scene.recall("F2", &[&machine], &[])), "MENTION_NOT_ALLOWED");
        assert_eq!(reason(machine.next().recall_remedied(stop)), "NAMED_UNKNOWN");
    }
}
