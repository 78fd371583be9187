//! A body of each kind, right in itself.

use tally_core::{
    event::{EventKind, event_ref_message},
    hash::EventHash,
    id::{EventRef, SubjectId, SubjectKind},
    number::ChainIndex,
};
use tally_proto::v1::{statement::Body as Message, *};

use super::{key, key_id, organisation};

/// What bodies name.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// Whose maker name stands on plates.
    pub(crate) maker: String,
    pub(crate) model: String,
    pub(crate) serial: String,
    /// The other organisation: consignee, new owner, lessee, operator, engaged party.
    pub(crate) partner: String,
    /// From whom goods come, or who holds them.
    pub(crate) holder: String,
    pub(crate) mine: SubjectId,
    /// A mine that the machine is in; `None` where in none.
    pub(crate) inside: Option<SubjectId>,
    /// An event of the chain.
    pub(crate) event: EventRef,
    /// A node of the mine's places.
    pub(crate) place: [u8; 16],
    /// Machines of a round.
    pub(crate) machines: Vec<SubjectId>,
    /// A recall.
    pub(crate) order: [u8; 16],
}

impl Default for Names {
    fn default() -> Self {
        Self {
            maker: "三一重型装备".to_owned(),
            model: "EBZ200".to_owned(),
            serial: "0417".to_owned(),
            partner: "partner".to_owned(),
            holder: "holder".to_owned(),
            mine: super::mine("mine"),
            inside: None,
            event: EventRef {
                subject: SubjectId::new(SubjectKind::Equipment, [5; 16]),
                chain_index: ChainIndex::FIRST,
                event_hash: EventHash::new([7; 32]),
            },
            place: [9; 16],
            machines: Vec::new(),
            order: [8; 16],
        }
    }
}

impl Names {
    pub(crate) fn machine(&self) -> SubjectId {
        SubjectId::unit(&self.maker, &self.model, &self.serial).unwrap()
    }
}

pub(crate) fn day(year: u32, month: u32, day: u32) -> Option<Day> {
    Some(Day { year, month, day })
}

pub(crate) fn attachment() -> Attachment {
    Attachment { sha256: vec![3; 32], media_type: "application/pdf".to_owned(), size_bytes: 4_711 }
}

pub(crate) fn measure(key: &str, digits: i64, scale: u32, unit: &str) -> Measure {
    Measure { key: key.to_owned(), digits, scale, unit: unit.to_owned() }
}

pub(crate) fn item(code: &str, result: CheckResult) -> CheckItem {
    CheckItem { code: code.to_owned(), result: result as i32, ..CheckItem::default() }
}

pub(crate) fn at_mine(mine: &SubjectId) -> Option<Place> {
    Some(Place { mine: mine.id().to_vec(), ..Place::default() })
}

pub(crate) fn in_store() -> Option<Place> {
    Some(Place { text: "一号库".to_owned(), ..Place::default() })
}

pub(crate) fn described(what: &str) -> Component {
    Component { slot: "截割电机".to_owned(), description: what.to_owned(), ..Component::default() }
}

pub(crate) fn organisation_registered(name: &str) -> OrganisationRegistered {
    OrganisationRegistered {
        name: name.to_owned(),
        scheme: Scheme::Other as i32,
        number: name.to_owned(),
        first_key: key(name),
        recovery_key: key(&format!("{name}/recovery")),
        plate_names: vec![format!("{name}牌")],
        ..OrganisationRegistered::default()
    }
}

pub(crate) fn mine_registered(number: &str, operator: &str) -> MineRegistered {
    MineRegistered {
        name: number.to_owned(),
        scheme: Scheme::Other as i32,
        number: number.to_owned(),
        operator: organisation(operator).as_bytes().to_vec(),
        kind: MineKind::Underground as i32,
        ..MineRegistered::default()
    }
}

pub(crate) fn manufactured(maker: &str, model: &str, serial: &str) -> Manufactured {
    Manufactured {
        maker: maker.to_owned(),
        model: model.to_owned(),
        serial: serial.to_owned(),
        category: "ROADHEADER".to_owned(),
        produced_on: day(2025, 12, 1),
        identity_kind: IdentityKind::Unit as i32,
        mark_no: "MEB250001".to_owned(),
        ..Manufactured::default()
    }
}

pub(crate) fn lot(maker: &str, model: &str, number: &str, metres: i64) -> Manufactured {
    Manufactured {
        identity_kind: IdentityKind::Lot as i32,
        quantity: Some(measure("length_m", metres, 0, "m")),
        ..manufactured(maker, model, number)
    }
}

pub(crate) fn piece(suffix: &str, from: i64, to: i64) -> LotPiece {
    LotPiece {
        suffix: suffix.to_owned(),
        from: Some(measure("length_m", from, 0, "m")),
        to: Some(measure("length_m", to, 0, "m")),
    }
}

/// A body of this kind, every field within its bounds.
pub(crate) fn sample(kind: EventKind, names: &Names) -> Message {
    let Names { maker, model, serial, .. } = names;
    let (maker, model, serial) = (maker.clone(), model.clone(), serial.clone());
    let text = |text: &str| text.to_owned();
    let id = |name: &str| organisation(name).as_bytes().to_vec();
    let partner = id(&names.partner);
    let mine = names.mine.id().to_vec();
    let inside = names.inside.map(|mine| mine.id().to_vec()).unwrap_or_default();
    let event = || Some(event_ref_message(&names.event));
    let place = names.place.to_vec();
    let from = day(2026, 1, 1);
    let until = day(2027, 1, 1);
    let pass = CheckResult::Pass as i32;
    let other = SubjectId::new(SubjectKind::Equipment, [6; 16]).id().to_vec();
    match kind {
        EventKind::OrganisationRegistered => Message::OrganisationRegistered(organisation_registered("newcomer")),
        EventKind::RoleGranted => {
            Message::RoleGranted(RoleGranted { role: Role::Dealer as i32, from, ..RoleGranted::default() })
        }
        EventKind::RoleWithdrawn => {
            Message::RoleWithdrawn(RoleWithdrawn { role: Role::Dealer as i32, from, reason: text("到期") })
        }
        EventKind::KeyAdded => Message::KeyAdded(super::staff_key("newcomer/wang")),
        EventKind::KeyRevoked => Message::KeyRevoked(KeyRevoked {
            key_id: key_id(&format!("{}/li", names.partner)).as_bytes().to_vec(),
            reason: KeyRevocationReason::Left as i32,
            untrusted_since_us: 0,
        }),
        EventKind::OrganisationChanged => {
            Message::OrganisationChanged(OrganisationChanged { name: text("新名"), ..OrganisationChanged::default() })
        }
        EventKind::OrganisationSucceeded => {
            Message::OrganisationSucceeded(OrganisationSucceeded { successor: id(&names.holder), from })
        }
        EventKind::MineRegistered => Message::MineRegistered(mine_registered("new mine", &names.partner)),
        EventKind::MineProfileChanged => Message::MineProfileChanged(MineProfileChanged {
            gas_grade: GasGrade::High as i32,
            from,
            ..MineProfileChanged::default()
        }),
        EventKind::OperatorChanged => {
            Message::OperatorChanged(OperatorChanged {
                operator: partner, from, reason: text("转让"), contract: None
            })
        }
        EventKind::PlaceCreated => Message::PlaceCreated(PlaceCreated {
            name: text("15103工作面"),
            kind: PlaceKind::Face as i32,
            ..PlaceCreated::default()
        }),
        EventKind::PlaceRenamed => Message::PlaceRenamed(PlaceRenamed { place, name: text("15104") }),
        EventKind::PlaceClosed => {
            Message::PlaceClosed(PlaceClosed { place, reason: PlaceClosingReason::Sealed as i32 })
        }
        EventKind::Engaged => Message::Engaged(Engaged {
            organisation: partner,
            purposes: vec![EngagementPurpose::Maintain as i32],
            from,
            until,
            ..Engaged::default()
        }),
        EventKind::EngagementEnded => {
            Message::EngagementEnded(EngagementEnded { engagement: event(), from, reason: text("期满") })
        }
        EventKind::ModelRegistered => Message::ModelRegistered(ModelRegistered {
            maker,
            model,
            category: text("ROADHEADER"),
            ..ModelRegistered::default()
        }),
        EventKind::Manufactured => Message::Manufactured(manufactured(&maker, &model, &serial)),
        EventKind::Enrolled => Message::Enrolled(Enrolled {
            maker,
            model,
            serial,
            category: text("ROADHEADER"),
            identity_kind: IdentityKind::Unit as i32,
            state: ServiceState::InUse as i32,
            place: in_store(),
            ..Enrolled::default()
        }),
        EventKind::FactoryExit => Message::FactoryExit(FactoryExit {
            consignee: partner,
            reason: DispatchReason::Sale as i32,
            model: SubjectId::model(&maker, &model).unwrap().id().to_vec(),
            mark_no: text("MEB250001"),
            ..FactoryExit::default()
        }),
        EventKind::Dispatched => Message::Dispatched(Dispatched {
            to_organisation: partner,
            reason: DispatchReason::Transfer as i32,
            mine_left: inside,
            ..Dispatched::default()
        }),
        EventKind::Received => Message::Received(Received {
            dispatch_event: event(),
            into: ReceivedInto::Store as i32,
            from_organisation: id(&names.holder),
            ..Received::default()
        }),
        EventKind::ReceiptRefused => Message::ReceiptRefused(ReceiptRefused {
            dispatch_event: event(),
            reason: text("外观损坏"),
            photos: Vec::new(),
        }),
        EventKind::Warehoused => Message::Warehoused(Warehoused { store: text("一号库"), ..Warehoused::default() }),
        EventKind::StockChecked => Message::StockChecked(StockChecked {
            found: true,
            machines: names.machines.iter().map(|machine| machine.id().to_vec()).collect(),
            ..StockChecked::default()
        }),
        EventKind::OwnershipChanged => {
            Message::OwnershipChanged(OwnershipChanged { new_owner: partner, reason: text("转让"), contract: None })
        }
        EventKind::LeaseStarted => Message::LeaseStarted(LeaseStarted {
            lessee: partner,
            from,
            until,
            maintains: LeaseParty::Lessee as i32,
            tests: LeaseParty::Lessor as i32,
            safety_agreement: Some(attachment()),
        }),
        EventKind::LeaseEnded => Message::LeaseEnded(LeaseEnded { returned_on: from, ..LeaseEnded::default() }),
        EventKind::AcceptanceChecked => Message::AcceptanceChecked(AcceptanceChecked {
            checks: vec![item("plate", CheckResult::Pass)],
            result: pass,
            test_reports: Vec::new(),
        }),
        EventKind::ExProofChecked => Message::ExProofChecked(ExProofChecked {
            checklist: vec![item("flamepath", CheckResult::Pass)],
            result: pass,
            pass_no: text("FB-1"),
            ..ExProofChecked::default()
        }),
        EventKind::EnteredMine => {
            Message::EnteredMine(EnteredMine { mine, shaft: text("副井"), ..EnteredMine::default() })
        }
        EventKind::Installed => Message::Installed(Installed {
            location: names.inside.as_ref().map_or_else(in_store, at_mine),
            ..Installed::default()
        }),
        EventKind::InstallationAccepted => Message::InstallationAccepted(InstallationAccepted {
            checks: vec![item("insulation", CheckResult::Pass)],
            result: pass,
            ..InstallationAccepted::default()
        }),
        EventKind::Commissioned => {
            Message::Commissioned(Commissioned { result: pass, duty: Duty::Work as i32, ..Commissioned::default() })
        }
        EventKind::DutyChanged => {
            Message::DutyChanged(DutyChanged { duty: Duty::Standby as i32, reason: text("轮换") })
        }
        EventKind::Moved => Message::Moved(Moved {
            to_location: names.inside.as_ref().map_or_else(in_store, at_mine),
            ..Moved::default()
        }),
        EventKind::UsageReported => Message::UsageReported(UsageReported {
            meter_no: text("J-1"),
            counter: Some(measure("running_h", 12_345, 1, "h")),
            period_to: from,
            ..UsageReported::default()
        }),
        EventKind::SettingsChanged => Message::SettingsChanged(SettingsChanged {
            settings: vec![SettingChange {
                key: text("overload_A"),
                old_value: None,
                new_value: Some(measure("overload_A", 120, 0, "A")),
            }],
            reason: text("负荷变化"),
            calculation: None,
        }),
        EventKind::Idled => Message::Idled(Idled { reason: text("回采结束"), planned_until: None }),
        EventKind::StoppedUse => Message::StoppedUse(StoppedUse { reason: text("漏电"), fault_id: String::new() }),
        EventKind::Resumed => Message::Resumed(Resumed { duty: Duty::Work as i32, checks: Vec::new(), result: pass }),
        EventKind::Inspected => Message::Inspected(Inspected {
            kind: InspectionKind::Daily as i32,
            nothing_found: true,
            started_us: super::START,
            finished_us: super::START + 1,
            machines: names.machines.iter().map(|machine| machine.id().to_vec()).collect(),
            ..Inspected::default()
        }),
        EventKind::Tested => Message::Tested(Tested {
            schedule_code: text("T-1"),
            standard: text("MT/T 238"),
            report_no: text("R-1"),
            report: Some(attachment()),
            test_date: from,
            result: pass,
            ..Tested::default()
        }),
        EventKind::Calibrated => Message::Calibrated(Calibrated {
            schedule_code: text("C-1"),
            reference: Some(measure("methane_pct", 200, 2, "%")),
            before: Some(measure("methane_pct", 195, 2, "%")),
            after: Some(measure("methane_pct", 200, 2, "%")),
            result: pass,
            place: 0,
        }),
        EventKind::Maintained => Message::Maintained(Maintained {
            level: MaintenanceLevel::Small as i32,
            started_us: super::START,
            finished_us: super::START + 1,
            work: vec![text("换油")],
            result: pass,
            ..Maintained::default()
        }),
        EventKind::MaintenanceStarted => {
            Message::MaintenanceStarted(MaintenanceStarted { reason: text("月检"), permit_no: String::new() })
        }
        EventKind::MaintenanceFinished => Message::MaintenanceFinished(MaintenanceFinished {
            next: ServiceState::InUse as i32,
            work: vec![text("换轴承")],
            result: pass,
            ..MaintenanceFinished::default()
        }),
        EventKind::RaisedToSurface => Message::RaisedToSurface(RaisedToSurface {
            mine,
            reason: RaiseReason::Repair as i32,
            shaft: text("副井"),
            condition: 0,
        }),
        EventKind::OverhaulStarted => {
            Message::OverhaulStarted(OverhaulStarted { job_no: text("G-1"), ..OverhaulStarted::default() })
        }
        EventKind::Overhauled => Message::Overhauled(Overhauled {
            job_no: text("G-1"),
            conformity: Conformity::Conforms as i32,
            report: Some(attachment()),
            ..Overhauled::default()
        }),
        EventKind::ComponentReplaced => Message::ComponentReplaced(ComponentReplaced {
            slot: text("截割电机"),
            out: Some(PartFate { component: Some(described("旧电机")), fate: Fate::Repair as i32 }),
            r#in: Some(described("新电机")),
            reason: text("绝缘低"),
            controlled: true,
        }),
        EventKind::ComponentTakenOut => Message::ComponentTakenOut(ComponentTakenOut {
            slot: text("截割电机"),
            component: Some(described("旧电机")),
            destination: Fate::Spare as i32,
            machine: Vec::new(),
        }),
        EventKind::ComponentFitted => Message::ComponentFitted(ComponentFitted {
            slot: text("截割电机"),
            component: Some(described("新电机")),
            machine: Vec::new(),
            controlled: true,
        }),
        EventKind::Altered => Message::Altered(Altered {
            what: text("加装喷雾"),
            drawings: Some(attachment()),
            consent: None,
            mark_event: None,
        }),
        EventKind::LotSplit => Message::LotSplit(LotSplit {
            parent: names.machine().id().to_vec(),
            children: vec![piece("A", 0, 60), piece("B", 60, 100)],
            state: ServiceState::InStore as i32,
            mine: inside,
        }),
        EventKind::LotJoined => Message::LotJoined(LotJoined {
            left: other,
            right: vec![8; 16],
            kind: JointKind::Vulcanised as i32,
            at: Some(measure("length_m", 50, 0, "m")),
            strength_test: None,
        }),
        EventKind::RopeTurned => {
            Message::RopeTurned(RopeTurned { cut_length: None, turned: true, reason: text("磨损") })
        }
        EventKind::PlateReplaced => Message::PlateReplaced(PlateReplaced {
            reason: text("锈蚀"),
            old_plate: None,
            new_plate: Some(attachment()),
            maker,
            model,
            serial,
        }),
        EventKind::FaultReported => Message::FaultReported(FaultReported {
            fault_id: text("F-1"),
            kind: text("漏油"),
            severity: FaultSeverity::Minor as i32,
            description: text("左行走漏油\n已擦拭"),
            ..FaultReported::default()
        }),
        EventKind::Rectified => Message::Rectified(Rectified {
            fault_id: text("F-1"),
            work: text("换密封"),
            finished_us: super::START,
            parts_in: Vec::new(),
        }),
        EventKind::RectificationConfirmed => Message::RectificationConfirmed(RectificationConfirmed {
            fault_id: text("F-1"),
            result: RectificationResult::Closed as i32,
            photos: Vec::new(),
        }),
        EventKind::ScrapAppraised => {
            Message::ScrapAppraised(ScrapAppraised { verdict: ScrapVerdict::Scrap as i32, ..ScrapAppraised::default() })
        }
        EventKind::ScrapProposed => {
            Message::ScrapProposed(ScrapProposed { reason: text("超龄"), appraisal_event: None })
        }
        EventKind::Scrapped => Message::Scrapped(Scrapped { approval_no: text("P-1"), ..Scrapped::default() }),
        EventKind::Dismantled => Message::Dismantled(Dismantled {
            place: DismantlingPlace::Surface as i32,
            method: text("切割"),
            ..Dismantled::default()
        }),
        EventKind::LostReported => Message::LostReported(LostReported {
            cause: LossCause::Buried as i32,
            place: names.inside.as_ref().map_or_else(in_store, at_mine),
            last_seen: from,
            ..LostReported::default()
        }),
        EventKind::Recovered => {
            Message::Recovered(Recovered { place: names.inside.as_ref().map_or_else(in_store, at_mine), condition: 0 })
        }
        EventKind::Exported => Message::Exported(Exported {
            country: text("MN"),
            customs_no: text("HG-1"),
            holder: id(&names.holder),
            mine_left: inside,
        }),
        EventKind::Remanufactured => {
            Message::Remanufactured(Remanufactured { successor: other, ..Remanufactured::default() })
        }
        EventKind::AliasSet => {
            Message::AliasSet(AliasSet { kind: AliasKind::MineNo as i32, value: text("综掘1号"), from: None })
        }
        EventKind::AliasEnded => Message::AliasEnded(AliasEnded {
            kind: AliasKind::MineNo as i32,
            value: text("综掘1号"),
            reason: text("重新编号"),
        }),
        EventKind::AssemblyFormed => Message::AssemblyFormed(AssemblyFormed {
            own_number: text("综采面1"),
            name: text("综采工作面成套"),
            category: text("FACE_SET"),
            members: Vec::new(),
            place: None,
            mark_no: String::new(),
        }),
        EventKind::MembersChanged => {
            Message::MembersChanged(MembersChanged { added: vec![described("支架")], removed: Vec::new() })
        }
        EventKind::IdentityLinked => Message::IdentityLinked(IdentityLinked {
            other,
            verdict: IdentityVerdict::Clone as i32,
            reason: text("两台同号"),
        }),
        EventKind::Corrected => {
            Message::Corrected(Corrected { event: event(), replacement: None, withdrawn: true, reason: text("误报") })
        }
        EventKind::Noted => Message::Noted(Noted { text: text("备注"), attachments: Vec::new() }),
        EventKind::Countersigned => Message::Countersigned(Countersigned { event: event() }),
        EventKind::MarkIssued => Message::MarkIssued(mark_issued("MEB250001", &maker, &model)),
        EventKind::MarkChanged => Message::MarkChanged(MarkChanged {
            certificate: Some(certificate(&maker, &model)),
            produced_from: from,
            what: text("增加生产地址"),
            document_no: text("安标变2026-1"),
            serials_added: Vec::new(),
        }),
        EventKind::MarkRenewed => Message::MarkRenewed(MarkRenewed {
            valid_from: from,
            valid_until: until,
            issued_on: from,
            document_no: text("安标延2026-1"),
        }),
        EventKind::MarkSuspended => Message::MarkSuspended(MarkSuspended {
            from,
            stops: vec![MarkActivity::Making as i32, MarkActivity::Selling as i32],
            reason: text("抽检不合格"),
            document_no: text("安标停2026-1"),
        }),
        EventKind::MarkResumed => {
            Message::MarkResumed(MarkResumed {
                from, remedied: text("已整改"), document_no: text("安标复2026-1")
            })
        }
        EventKind::MarkRevoked => Message::MarkRevoked(MarkRevoked {
            from,
            reason: text("提供虚假材料"),
            document_no: text("安标撤2026-1"),
            stops_use: true,
            ..MarkRevoked::default()
        }),
        EventKind::MarkCancelled => {
            Message::MarkCancelled(MarkCancelled {
                from, reason: text("产品停产"), document_no: text("安标注2026-1")
            })
        }
        EventKind::PolicyPublished => Message::PolicyPublished(PolicyPublished {
            publication: publication(),
            parameters: vec![RuleParameter { rule: text("MARK-004"), key: text("raise_to"), value: text("SERIOUS") }],
        }),
        EventKind::SchedulePublished => Message::SchedulePublished(SchedulePublished {
            publication: publication(),
            rows: vec![ScheduleRow {
                code: text("S-MON-01"),
                applies_to: text("CH4_SENSOR"),
                work: ScheduledWork::Calibrate as i32,
                name_zh: text("载体催化甲烷传感器调校"),
                name_en: text("catalytic methane sensor calibration"),
                interval: 15,
                unit: IntervalUnit::Day as i32,
                first_due: FirstDue::InUse as i32,
                tolerance_days: 2,
                by: vec![Role::Mine as i32],
                severity: Severity::Serious as i32,
                ..ScheduleRow::default()
            }],
        }),
        EventKind::CategoriesPublished => Message::CategoriesPublished(CategoriesPublished {
            publication: publication(),
            categories: vec![CategoryRow {
                code: text("ROADHEADER"),
                group: text("L"),
                name_zh: text("掘进机"),
                name_en: text("roadheader"),
                identity_kind: IdentityKind::Unit as i32,
                ex_check: true,
                mark_managed: true,
                ..CategoryRow::default()
            }],
            selectors: vec![SelectorRow {
                code: text("EX_ELECTRICAL"),
                name_zh: text("防爆电气设备"),
                means: text("防爆标志已给出"),
                any_of: vec![Criteria { ex_mark: Presence::Given as i32, ..Criteria::default() }],
            }],
        }),
        EventKind::PhaseOutPublished => Message::PhaseOutPublished(PhaseOutPublished {
            publication: publication(),
            list: text("禁止井工煤矿使用的设备及工艺目录"),
            rows: vec![PhaseOutRow {
                code: text("PO-2006-06"),
                name_zh: text("BJO2系列隔爆型三相异步电动机"),
                name_en: text("BJO2 flameproof motors"),
                bans: vec![PhaseOutBan {
                    from: day(2007, 1, 1),
                    criteria: Some(Criteria { model_prefixes: vec![text("BJO2")], ..Criteria::default() }),
                }],
                state: PhaseOutState::InForce as i32,
                ..PhaseOutRow::default()
            }],
        }),
        EventKind::PublicationWithdrawn => {
            Message::PublicationWithdrawn(PublicationWithdrawn { from, reason: text("另行发布") })
        }
        EventKind::StopUseOrdered => {
            Message::StopUseOrdered(StopUseOrdered {
                order: order(names), until: None, condition: text("复查合格")
            })
        }
        EventKind::OrderExtended => {
            Message::OrderExtended(OrderExtended { machines: ordered(names), mines: Vec::new() })
        }
        EventKind::StopUseLifted => Message::StopUseLifted(StopUseLifted {
            machines: ordered(names),
            checked_by: text("执法一处"),
            result: text("符合"),
            document: None,
        }),
        EventKind::SealedUp => {
            Message::SealedUp(SealedUp { order: order(names), seal_no: text("封2026-7"), place: at_mine(&names.mine) })
        }
        EventKind::Unsealed => {
            Message::Unsealed(Unsealed { machines: ordered(names), decision: text("解除查封"), document: None })
        }
        EventKind::RecallIssued => Message::RecallIssued(RecallIssued {
            order: order(names),
            model: Vec::new(),
            hazard: text("制动器失效"),
            interim: InterimMeasure::Stop as i32,
            remedy: text("更换制动器"),
            due_by: until,
        }),
        EventKind::RecallRemedied => Message::RecallRemedied(RecallRemedied {
            recall: names.order.to_vec(),
            work: text("已更换制动器"),
            result: pass,
            parts_in: Vec::new(),
        }),
        EventKind::OrderReceived => Message::OrderReceived(OrderReceived { mine, refused: false, note: String::new() }),
        EventKind::FindingDecided => Message::FindingDecided(FindingDecided {
            rule: text("MON-004"),
            key: String::new(),
            decision: FindingDecision::Found as i32,
            reason: text("现场核查"),
            document: None,
        }),
        EventKind::UploadCompared => Message::UploadCompared(UploadCompared {
            file_kind: text("JBSJ"),
            file: Some(attachment()),
            made_us: super::START,
            records: 12,
            differences: Vec::new(),
        }),
    }
}

pub(crate) fn certificate(maker: &str, model: &str) -> MarkCertificate {
    MarkCertificate {
        holder: maker.to_owned(),
        producers: vec![MarkProducer { name: maker.to_owned(), address: String::new() }],
        product_name: "悬臂式掘进机".to_owned(),
        models: vec![model.to_owned()],
        scope: Some(MarkScope { sectors: vec![MineSector::Coal as i32], ..MarkScope::default() }),
        ..MarkCertificate::default()
    }
}

pub(crate) fn mark_issued(number: &str, maker: &str, model: &str) -> MarkIssued {
    MarkIssued {
        number: number.to_owned(),
        kind: MarkKind::Type as i32,
        certificate: Some(certificate(maker, model)),
        issued_on: day(2025, 1, 1),
        valid_from: day(2025, 1, 1),
        valid_until: day(2029, 12, 31),
        document_no: "安标发2025-1".to_owned(),
        ..MarkIssued::default()
    }
}

fn publication() -> Option<Publication> {
    Some(Publication {
        title: "默认发布".to_owned(),
        layer: PublicationLayer::Nation as i32,
        from: day(2026, 1, 1),
        ..Publication::default()
    })
}

/// Machines of an order: those of the round, or the one with the plate.
fn ordered(names: &Names) -> Vec<Vec<u8>> {
    let machines = if names.machines.is_empty() { vec![names.machine()] } else { names.machines.clone() };
    machines.iter().map(|machine| machine.id().to_vec()).collect()
}

fn order(names: &Names) -> Option<Order> {
    Some(Order {
        order_no: "停2026-1".to_owned(),
        authority: "省局".to_owned(),
        legal_basis: "安全生产法2021 §70".to_owned(),
        machines: ordered(names),
        ..Order::default()
    })
}
