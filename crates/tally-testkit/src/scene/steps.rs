//! The steps of a machine's life, one after the other: what is usual, so that a test only says what is not.

use sha2::{Digest as _, Sha256};
use tally_core::{
    admission::record::Equipment,
    id::{EventRef, OrganisationId, SubjectId},
    time::Timestamp,
};
use tally_proto::v1::{
    self, CheckResult, Condition, DispatchReason, Duty, FaultSeverity, IdentityKind, ReceivedInto, Role, ServiceState,
    statement::Body,
};

use super::{DEALER, LABORATORY, MAKER, MINE, Machine, REGULATOR, SHOP, Scene, Sketch, day_of, plate_name, reference};

/// The next event of a machine, whichever it will be.
#[derive(Debug)]
pub struct Next {
    pub(super) machine: Machine,
    pub(super) record: Equipment,
    pub(super) now: Timestamp,
}

/// Each step as a method of [`Next`], which gives the sketch, and of [`Machine`], which records it.
macro_rules! steps {
    ($($(#[$doc:meta])* fn $name:ident($self:ident $(, $argument:ident: $type:ty)*) $body:block)*) => {
        /// The steps as sketches.
        impl Next {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&$self $(, $argument: $type)*) -> Sketch $body
            )*
        }

        /// The steps, recorded, after whatever had to come before them.
        ///
        /// # Panics
        /// If one is refused.
        impl Machine {
            $(
                $(#[$doc])*
                pub fn $name(&$self $(, $argument: $type)*) -> Self {
                    $self.prepare(&$self.next().$name($($argument),*));
                    $self.next().$name($($argument),*).record();
                    $self.clone()
                }
            )*
        }
    };
}

steps! {
    /// Manufactured, by its maker, today.
    fn manufactured(self) {
        let Machine { maker, model, serial, metres, .. } = &self.machine;
        let identity_kind = if metres.is_some() { IdentityKind::Lot } else { IdentityKind::Unit };
        self.by(maker, Body::Manufactured(v1::Manufactured {
            maker: plate_name(maker),
            model: model.clone(),
            serial: serial.clone(),
            category: "shearer".to_owned(),
            produced_on: Some(day_of(self.now)),
            identity_kind: identity_kind.into(),
            mark_no: mark_of(model),
            nameplate: vec![measure("power_kW", 2_245, 0, "kW")],
            components: vec![plain_part("cutter motor")],
            quantity: metres.map(length),
            ..v1::Manufactured::default()
        }))
    }

    /// Enrolled by a mine, where it stands in use since before the ledger.
    fn enrolled(self, mine: &str) {
        let Machine { maker, model, serial, metres, .. } = &self.machine;
        let identity_kind = if metres.is_some() { IdentityKind::Lot } else { IdentityKind::Unit };
        self.by(mine, Body::Enrolled(v1::Enrolled {
            maker: plate_name(maker),
            model: model.clone(),
            serial: serial.clone(),
            category: "shearer".to_owned(),
            identity_kind: identity_kind.into(),
            state: ServiceState::InUse.into(),
            place: Some(self.place(mine, "face")),
            quantity: metres.map(length),
            ..v1::Enrolled::default()
        }))
    }

    /// Leaves the factory for the dealer.
    fn factory_exit(self) {
        self.factory_exit_to(DEALER)
    }

    /// Leaves the factory.
    fn factory_exit_to(self, consignee: &str) {
        let Machine { maker, model, .. } = &self.machine;
        let model_id = SubjectId::model(&plate_name(maker), model).unwrap();
        self.by(maker, Body::FactoryExit(v1::FactoryExit {
            consignee: self.id(consignee),
            reason: DispatchReason::Sale.into(),
            documents: vec![attachment("certificate")],
            model: model_id.id().to_vec(),
            mark_no: mark_of(model),
            ..v1::FactoryExit::default()
        }))
    }

    /// Its holder sends it off, for the reason that goes with the one who is to receive it.
    fn dispatched(self, consignee: &str) {
        let holder = self.holder();
        let [from, to] = [&holder, consignee].map(|party| self.scene().party(party).role);
        let reason = match (from, to) {
            (_, Role::OverhaulShop) => DispatchReason::Overhaul,
            (_, Role::Recycler) => DispatchReason::Scrap,
            (_, Role::Laboratory) => DispatchReason::Test,
            (Role::OverhaulShop | Role::Laboratory, _) => DispatchReason::Return,
            _ => DispatchReason::Sale,
        };
        self.by(&holder, Body::Dispatched(v1::Dispatched {
            to_organisation: self.id(consignee),
            reason: reason.into(),
            condition: Condition::A.into(),
            mine_left: self.record.mine.map(|mine| mine.to_vec()).unwrap_or_default(),
            ..v1::Dispatched::default()
        }))
    }

    /// Whoever it is on the way to receives it.
    fn received(self) {
        let dispatch = self.record.dispatch.as_ref();
        let by = dispatch.map(|dispatch| if dispatch.refused { dispatch.sender } else { dispatch.consignee });
        let by = self.name(by).unwrap_or_else(|| DEALER.to_owned());
        let party = self.scene().party(&by);
        let into = match party.role {
            Role::Mine => ReceivedInto::Mine,
            Role::OverhaulShop => ReceivedInto::Overhaul,
            _ => ReceivedInto::Store,
        };
        let mine = party.site.filter(|_| into == ReceivedInto::Mine);
        self.by(&by, Body::Received(v1::Received {
            dispatch_event: Some(self.dispatch_event()),
            into: into.into(),
            condition: Condition::A.into(),
            serial_checked: true,
            from_organisation: dispatch.map_or_else(|| self.id(MAKER), |dispatch| dispatch.sender.as_bytes().to_vec()),
            mine_entered: mine.map(|site| site.mine.id().to_vec()).unwrap_or_default(),
            ..v1::Received::default()
        }))
    }

    /// Whoever it is on the way to refuses it; it goes back.
    fn receipt_refused(self) {
        let consignee = self.record.dispatch.as_ref().map(|dispatch| dispatch.consignee);
        let by = self.name(consignee).unwrap_or_else(|| DEALER.to_owned());
        self.by(&by, Body::ReceiptRefused(v1::ReceiptRefused {
            dispatch_event: Some(self.dispatch_event()),
            reason: "another serial on the plate".to_owned(),
            photos: Vec::new(),
        }))
    }

    /// Its holder puts it into a store.
    fn warehoused(self) {
        self.by(&self.holder(), Body::Warehoused(v1::Warehoused {
            store: "store 2".to_owned(),
            shelf: "B 14".to_owned(),
            condition: Condition::A.into(),
            documents_checked: vec![check("manual")],
            ..v1::Warehoused::default()
        }))
    }

    /// Its holder counts it.
    fn stock_checked(self) {
        let condition = Condition::A.into();
        self.by(&self.holder(), Body::StockChecked(v1::StockChecked {
            found: true,
            condition,
            ..v1::StockChecked::default()
        }))
    }

    /// Its owner passes it on.
    fn ownership_changed(self, new_owner: &str) {
        self.by(&self.owner(), Body::OwnershipChanged(v1::OwnershipChanged {
            new_owner: self.id(new_owner),
            reason: "sold".to_owned(),
            contract: Some(attachment("contract")),
        }))
    }

    /// Its owner lets it.
    fn lease_started(self, lessee: &str) {
        let until = tally_core::time::Day::new(2199, 12, 31).map(super::day);
        self.by(&self.owner(), Body::LeaseStarted(v1::LeaseStarted {
            lessee: self.id(lessee),
            from: Some(day_of(self.now)),
            until,
            maintains: v1::LeaseParty::Lessee.into(),
            tests: v1::LeaseParty::Lessor.into(),
            safety_agreement: Some(attachment("safety agreement")),
        }))
    }

    /// The lease ends.
    fn lease_ended(self) {
        self.by(&self.owner(), Body::LeaseEnded(v1::LeaseEnded {
            condition: Condition::B.into(),
            returned_on: Some(day_of(self.now)),
            claims: String::new(),
        }))
    }

    /// The mine accepts what arrived.
    fn acceptance_checked(self) {
        self.by(&self.mine(), Body::AcceptanceChecked(v1::AcceptanceChecked {
            checks: ["plate", "mark", "ex_cert", "components"].map(check).to_vec(),
            result: CheckResult::Pass.into(),
            test_reports: Vec::new(),
        }))
    }

    /// Its explosion protection is found sound.
    fn ex_proof_checked(self) {
        self.by(&self.mine(), Body::ExProofChecked(v1::ExProofChecked {
            checklist: vec![check("flamepath"), check("cable entry")],
            result: CheckResult::Pass.into(),
            pass_no: "P 1".to_owned(),
            ..v1::ExProofChecked::default()
        }))
    }

    /// It goes down the shaft of a party's mine.
    fn entered_mine(self, mine: &str) {
        self.by(mine, Body::EnteredMine(v1::EnteredMine {
            mine: self.scene().party(mine).mine().id().to_vec(),
            shaft: "main shaft".to_owned(),
            to_location: Some(self.place(mine, "level")),
            pass_no: "P 1".to_owned(),
            ..v1::EnteredMine::default()
        }))
    }

    /// Installed at the face.
    fn installed(self) {
        let mine = self.mine();
        self.by(&mine, Body::Installed(v1::Installed {
            location: Some(self.place(&mine, "face")),
            function: "cutting".to_owned(),
            settings: vec![measure("overload_A", 630, 0, "A")],
            ..v1::Installed::default()
        }))
    }

    /// The installation is accepted.
    fn installation_accepted(self) {
        self.by(&self.mine(), Body::InstallationAccepted(v1::InstallationAccepted {
            checks: vec![check("earthing")],
            result: CheckResult::Pass.into(),
            insulation: Some(measure("insulation", 500, 0, "MOhm")),
            ..v1::InstallationAccepted::default()
        }))
    }

    /// Taken into use after a trial run.
    fn commissioned(self) {
        self.by(&self.mine(), Body::Commissioned(v1::Commissioned {
            trial_run: Some(measure("trial_run", 8, 0, "h")),
            result: CheckResult::Pass.into(),
            duty: Duty::Work.into(),
            meter_no: "H1".to_owned(),
            meter_start: Some(measure("running_h", 0, 0, "h")),
        }))
    }

    /// Changed over between work and standby.
    fn duty_changed(self, duty: Duty) {
        self.by(&self.mine(), Body::DutyChanged(v1::DutyChanged { duty: duty.into(), reason: "rota".to_owned() }))
    }

    /// Moved to another place of the mine.
    fn moved(self, to: &str) {
        let mine = self.mine();
        self.by(&mine, Body::Moved(v1::Moved {
            from_location: Some(self.place(&mine, "face")),
            to_location: Some(self.place(&mine, to)),
            dismantled: false,
        }))
    }

    /// The counter of running hours is read.
    fn usage_reported(self, hours: i64) {
        self.by(&self.mine(), Body::UsageReported(v1::UsageReported {
            meter_no: "H1".to_owned(),
            counter: Some(measure("running_h", hours, 0, "h")),
            period_to: Some(day_of(self.now)),
            source: v1::UsageSource::Meter.into(),
            meter_exchanged: false,
        }))
    }

    /// A protector is set anew.
    fn settings_changed(self, amperes: i64) {
        let setting = v1::SettingChange {
            key: "overload".to_owned(),
            old_value: None,
            new_value: Some(measure("overload_A", amperes, 0, "A")),
        };
        self.by(&self.mine(), Body::SettingsChanged(v1::SettingsChanged {
            settings: vec![setting],
            reason: "new calculation".to_owned(),
            calculation: None,
        }))
    }

    /// Parked.
    fn idled(self) {
        self.by(&self.mine(), Body::Idled(v1::Idled { reason: "face finished".to_owned(), planned_until: None }))
    }

    /// The mine stops it.
    fn stopped_use(self) {
        let reason = "haulage worn".to_owned();
        self.by(&self.mine(), Body::StoppedUse(v1::StoppedUse { reason, fault_id: String::new() }))
    }

    /// Taken into use again.
    fn resumed(self) {
        self.by(&self.mine(), Body::Resumed(v1::Resumed {
            duty: Duty::Work.into(),
            checks: vec![check("brakes")],
            result: CheckResult::Pass.into(),
        }))
    }

    /// The daily inspection.
    fn inspected(self) {
        self.by(&self.mine(), Body::Inspected(v1::Inspected {
            kind: v1::InspectionKind::Daily.into(),
            items: vec![check("picks"), check("water spray")],
            started_us: self.now.micros(),
            finished_us: self.now.micros(),
            ..v1::Inspected::default()
        }))
    }

    /// The laboratory tests it, and whoever holds it puts a hand to it.
    fn tested(self) {
        self.by(LABORATORY, Body::Tested(v1::Tested {
            schedule_code: "annual".to_owned(),
            standard: "MT/T 1".to_owned(),
            report_no: "T 1".to_owned(),
            report: Some(attachment("test report")),
            test_date: Some(day_of(self.now)),
            result: CheckResult::Pass.into(),
            values: vec![measure("insulation_MOhm", 500, 0, "MOhm")],
            ..v1::Tested::default()
        }))
    }

    /// Its methane sensor is calibrated.
    fn calibrated(self) {
        let value = |name: &str, digits| Some(measure(name, digits, 2, "%"));
        self.by(&self.mine(), Body::Calibrated(v1::Calibrated {
            schedule_code: "15 days".to_owned(),
            reference: value("reference", 100),
            before: value("before", 104),
            after: value("after", 100),
            result: CheckResult::Pass.into(),
            place: v1::CalibrationPlace::InSitu.into(),
        }))
    }

    /// A small repair in place.
    fn maintained(self) {
        self.by(&self.mine(), Body::Maintained(v1::Maintained {
            level: v1::MaintenanceLevel::Small.into(),
            started_us: self.now.micros(),
            finished_us: self.now.micros(),
            work: vec!["picks exchanged".to_owned()],
            result: CheckResult::Pass.into(),
            ..v1::Maintained::default()
        }))
    }

    /// Taken out of use for maintenance.
    fn maintenance_started(self) {
        let (reason, permit_no) = ("monthly".to_owned(), "W 1".to_owned());
        self.by(&self.mine(), Body::MaintenanceStarted(v1::MaintenanceStarted { reason, permit_no }))
    }

    /// Maintenance is done; it works again.
    fn maintenance_finished(self) {
        self.by(&self.mine(), Body::MaintenanceFinished(v1::MaintenanceFinished {
            next: ServiceState::InUse.into(),
            work: vec!["oil changed".to_owned()],
            result: CheckResult::Pass.into(),
            ..v1::MaintenanceFinished::default()
        }))
    }

    /// It comes up the shaft.
    fn raised_to_surface(self) {
        let mine = self.mine();
        self.by(&mine, Body::RaisedToSurface(v1::RaisedToSurface {
            mine: self.scene().party(&mine).mine().id().to_vec(),
            reason: v1::RaiseReason::Repair.into(),
            shaft: "main shaft".to_owned(),
            condition: Condition::C.into(),
        }))
    }

    /// The shop begins an overhaul.
    fn overhaul_started(self) {
        self.by(&self.shop(), Body::OverhaulStarted(v1::OverhaulStarted {
            job_no: "J 1".to_owned(),
            findings_on_receipt: vec!["haulage worn".to_owned()],
            ..v1::OverhaulStarted::default()
        }))
    }

    /// The shop finished the overhaul.
    fn overhauled(self) {
        self.by(&self.shop(), Body::Overhauled(v1::Overhauled {
            job_no: "J 1".to_owned(),
            conformity: v1::Conformity::Conforms.into(),
            measurements: vec![measure("flamepath_mm", 15, 2, "mm")],
            tests: vec![check("trial run")],
            report: Some(attachment("dossier")),
            repair_label: "RL 1".to_owned(),
            counter_reset: true,
            ..v1::Overhauled::default()
        }))
    }

    /// A component without a chain of its own is exchanged.
    fn component_replaced(self, slot: &str) {
        self.by(&self.mine(), Body::ComponentReplaced(v1::ComponentReplaced {
            slot: slot.to_owned(),
            out: Some(v1::PartFate { component: Some(plain_part(slot)), fate: v1::Fate::Repair.into() }),
            r#in: Some(plain_part(slot)),
            reason: "worn".to_owned(),
            controlled: true,
        }))
    }

    /// A component without a chain of its own is taken out.
    fn component_taken_out(self, slot: &str) {
        self.by(&self.mine(), Body::ComponentTakenOut(v1::ComponentTakenOut {
            slot: slot.to_owned(),
            component: Some(plain_part(slot)),
            destination: v1::Fate::Spare.into(),
            machine: Vec::new(),
        }))
    }

    /// A component without a chain of its own is fitted.
    fn component_fitted(self, slot: &str) {
        self.by(&self.mine(), Body::ComponentFitted(v1::ComponentFitted {
            slot: slot.to_owned(),
            component: Some(plain_part(slot)),
            machine: Vec::new(),
            controlled: false,
        }))
    }

    /// The shop alters it, with the mark holder's consent.
    fn altered(self) {
        self.by(&self.shop(), Body::Altered(v1::Altered {
            what: "longer ranging arm".to_owned(),
            drawings: Some(attachment("drawings")),
            consent: Some(attachment("consent")),
            mark_event: None,
        }))
    }

    /// A rope or cable is shortened.
    fn rope_turned(self, metres: i64) {
        let (cut_length, reason) = (Some(length(metres)), "broken wires".to_owned());
        self.by(&self.mine(), Body::RopeTurned(v1::RopeTurned { cut_length, turned: true, reason }))
    }

    /// Its maker replaces the plate by the same.
    fn plate_replaced(self) {
        let [maker, model, serial] = self.machine.plate();
        self.by(&self.machine.maker, Body::PlateReplaced(v1::PlateReplaced {
            reason: "illegible".to_owned(),
            old_plate: None,
            new_plate: Some(attachment("new plate")),
            maker,
            model,
            serial,
        }))
    }

    /// A fault is reported by the mine.
    fn fault_reported(self, fault_id: &str, severity: FaultSeverity) {
        self.by(&self.mine(), Body::FaultReported(v1::FaultReported {
            fault_id: fault_id.to_owned(),
            kind: "hydraulic".to_owned(),
            severity: severity.into(),
            description: "oil leaks at the ranging arm".to_owned(),
            due_by: Some(day_of(self.now)),
            ..v1::FaultReported::default()
        }))
    }

    /// A fault is put right.
    fn rectified(self, fault_id: &str) {
        self.by(&self.mine(), Body::Rectified(v1::Rectified {
            fault_id: fault_id.to_owned(),
            work: "seal exchanged".to_owned(),
            finished_us: self.now.micros(),
            parts_in: Vec::new(),
        }))
    }

    /// Somebody else finds the fault put right.
    fn rectification_confirmed(self, fault_id: &str) {
        self.by(&self.mine(), Body::RectificationConfirmed(v1::RectificationConfirmed {
            fault_id: fault_id.to_owned(),
            result: v1::RectificationResult::Closed.into(),
            photos: Vec::new(),
        }))
    }

    /// Appraised as scrap by the mine.
    fn scrap_appraised(self) {
        self.by(&self.mine(), Body::ScrapAppraised(v1::ScrapAppraised {
            criteria_met: vec!["wear beyond repair".to_owned()],
            measurements: Vec::new(),
            verdict: v1::ScrapVerdict::Scrap.into(),
            report: Some(attachment("appraisal")),
        }))
    }

    /// Its owner applies for scrapping.
    fn scrap_proposed(self) {
        let reason = "beyond repair".to_owned();
        self.by(&self.owner(), Body::ScrapProposed(v1::ScrapProposed { reason, appraisal_event: None }))
    }

    /// Scrapped by its owner.
    fn scrapped(self) {
        self.by(&self.owner(), Body::Scrapped(v1::Scrapped {
            approval_no: "A 1".to_owned(),
            plate_destroyed: true,
            label_destroyed: true,
            evidence: vec![attachment("picture")],
        }))
    }

    /// Dismantled by the recycler, or by its owner where no recycler has it.
    fn dismantled(self) {
        let holder = self.holder();
        let is_there = self.scene().party(&holder).role == Role::Recycler;
        let by = if is_there { holder } else { self.owner() };
        self.by(&by, Body::Dismantled(v1::Dismantled {
            parts: vec![v1::PartFate { component: Some(plain_part("frame")), fate: v1::Fate::SoldMetal.into() }],
            place: v1::DismantlingPlace::Surface.into(),
            method: "gas cutting".to_owned(),
            weight: Some(measure("weight", 98_000, 0, "kg")),
            ..v1::Dismantled::default()
        }))
    }

    /// Its holder has lost it under a fall of roof.
    fn lost_reported(self) {
        let mine = self.mine();
        self.by(&self.holder(), Body::LostReported(v1::LostReported {
            cause: v1::LossCause::Buried.into(),
            place: Some(self.place(&mine, "face")),
            last_seen: Some(day_of(self.now)),
            recovery_planned: true,
            report: None,
        }))
    }

    /// Its holder has found it again.
    fn recovered(self) {
        let mine = self.mine();
        let (place, condition) = (Some(self.place(&mine, "face")), Condition::D.into());
        self.by(&self.holder(), Body::Recovered(v1::Recovered { place, condition }))
    }

    /// Its owner sends it abroad.
    fn exported(self) {
        let holder = self.record.holder.map(|holder| holder.as_bytes().to_vec()).unwrap_or_default();
        self.by(&self.owner(), Body::Exported(v1::Exported {
            country: "AU".to_owned(),
            customs_no: "E 1".to_owned(),
            holder,
            mine_left: self.record.mine.map(|mine| mine.to_vec()).unwrap_or_default(),
        }))
    }

    /// Its holder gives it a number of its own.
    fn alias_set(self, value: &str) {
        let kind = v1::AliasKind::MineNo.into();
        self.by(&self.holder(), Body::AliasSet(v1::AliasSet { kind, value: value.to_owned(), from: None }))
    }

    /// Its holder ends that number.
    fn alias_ended(self, value: &str) {
        let (kind, reason) = (v1::AliasKind::MineNo.into(), "renumbered".to_owned());
        self.by(&self.holder(), Body::AliasEnded(v1::AliasEnded { kind, value: value.to_owned(), reason }))
    }

    /// Its holder notes something.
    fn noted(self, text: &str) {
        self.by(&self.holder(), Body::Noted(v1::Noted { text: text.to_owned(), attachments: Vec::new() }))
    }

    /// The regulator looks at it.
    fn supervised(self) {
        self.by(REGULATOR, Body::Inspected(v1::Inspected {
            kind: v1::InspectionKind::Supervision.into(),
            nothing_found: true,
            started_us: self.now.micros(),
            finished_us: self.now.micros(),
            ..v1::Inspected::default()
        }))
    }

    /// Its holder withdraws an event of its own.
    fn withdrawn(self, event: &EventRef) {
        self.by(&self.holder(), Body::Corrected(v1::Corrected {
            event: Some(reference(event)),
            replacement: None,
            withdrawn: true,
            reason: "recorded for another machine".to_owned(),
        }))
    }

    /// Its holder adds a signature that an event lacked.
    fn countersigned(self, event: &EventRef) {
        self.by(&self.holder(), Body::Countersigned(v1::Countersigned { event: Some(reference(event)) }))
    }
}

impl Next {
    /// Any body, by any party.
    #[must_use]
    pub fn by(&self, party: &str, body: Body) -> Sketch {
        self.scene().sketch(party, self.machine.subject, body)
    }

    const fn scene(&self) -> &Scene {
        &self.machine.scene
    }

    fn id(&self, party: &str) -> Vec<u8> {
        self.scene().party(party).id.as_bytes().to_vec()
    }

    fn name(&self, id: Option<OrganisationId>) -> Option<String> {
        Some(self.scene().books().party_of(&id?)?.name.clone())
    }

    fn holder(&self) -> String {
        self.name(self.record.holder).unwrap_or_else(|| self.machine.maker.clone())
    }

    fn owner(&self) -> String {
        self.name(self.record.owner).unwrap_or_else(|| self.machine.maker.clone())
    }

    /// Whose mine it is in, or would be.
    pub(super) fn mine(&self) -> String {
        let books = self.scene().books();
        let there = self.record.mine.and_then(|mine| books.party_at(&mine));
        let held = || self.record.holder.and_then(|holder| books.party_of(&holder));
        let held = || held().filter(|party| party.role == Role::Mine);
        there.or_else(held).map_or_else(|| MINE.to_owned(), |party| party.name.clone())
    }

    fn shop(&self) -> String {
        let holder = self.holder();
        if self.scene().party(&holder).role == Role::OverhaulShop { holder } else { SHOP.to_owned() }
    }

    fn place(&self, mine: &str, name: &str) -> v1::Place {
        self.scene().party(mine).site().place(name)
    }

    /// The open dispatch; without one the head, which is none.
    fn dispatch_event(&self) -> v1::EventRef {
        let subject = self.machine.subject.key().to_vec();
        match &self.record.dispatch {
            Some(dispatch) => v1::EventRef {
                subject,
                chain_index: dispatch.chain_index.get(),
                event_hash: dispatch.event_hash.as_bytes().to_vec(),
            },
            None => {
                v1::EventRef { subject, chain_index: 0, event_hash: self.machine.head().head_hash.as_bytes().to_vec() }
            }
        }
    }
}

/// The number of the mark that machines of a model bear: one that a mark authority could issue.
pub(super) fn mark_of(model: &str) -> String {
    let serial = model.bytes().fold(7_u32, |sum, byte| (sum.wrapping_mul(31) + u32::from(byte)) % 1_000_000);
    format!("MLA{serial:06}")
}

fn measure(key: &str, digits: i64, scale: u32, unit: &str) -> v1::Measure {
    v1::Measure { key: key.to_owned(), digits, scale, unit: unit.to_owned() }
}

pub(super) fn length(metres: i64) -> v1::Measure {
    measure("length_m", metres, 0, "m")
}

fn check(code: &str) -> v1::CheckItem {
    v1::CheckItem { code: code.to_owned(), result: CheckResult::Pass.into(), ..v1::CheckItem::default() }
}

/// A document of which a test needs the digest only.
pub(super) fn attachment(name: &str) -> v1::Attachment {
    v1::Attachment {
        sha256: Sha256::digest(name).to_vec(),
        media_type: "application/pdf".to_owned(),
        size_bytes: 1_000,
    }
}

/// A component that nobody keeps a chain of.
pub(super) fn plain_part(slot: &str) -> v1::Component {
    v1::Component { slot: slot.to_owned(), description: format!("{slot}, no plate"), ..v1::Component::default() }
}
