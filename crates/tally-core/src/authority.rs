//! Who may sign what, who must sign besides, and who may be mentioned: one row for each kind of event.
//!
//! `docs/roles.md` is printed from this.

use tally_proto::v1::Role::{self, *};

use crate::event::EventKind::{self, *};

/// Who may issue an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signer {
    /// An organisation acting in this role; on equipment it needs a relation to the machine, too.
    Role(Role),
    /// The holder of the machine.
    Holder,
    /// The owner of the machine.
    Owner,
    /// Who lets the machine: its owner.
    Lessor,
    /// The consignee of the open dispatch; after a refusal its sender.
    Consignee,
    /// The organisation itself.
    Itself,
    /// The organisation's recovery key.
    RecoveryKey,
    /// The operator of the mine.
    Operator,
    /// Who signed the amended event, or its successor.
    SignerOfEvent,
    /// Any organisation with a relation to the subject.
    AnyRelated,
}

/// Who must put a hand to it besides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Second {
    /// Nobody.
    Nobody,
    /// Another person: two staff keys of different persons.
    OtherPerson,
    /// Another organisation with a relation to the machine.
    OtherOrganisation,
    /// The new owner that the body names.
    NewOwner,
    /// The lessee that the body names, or of the open lease.
    Lessee,
    /// The new operator that the body names.
    NewOperator,
    /// The holder of the machine.
    Holder,
    /// The owner of the machine.
    Owner,
    /// A manufacturer, where a regulator signs; a regulator, where a manufacturer signs.
    ManufacturerOrRegulator,
    /// The registrar or a regulator.
    RegistrarOrRegulator,
}

/// When a second signature is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// Always.
    Always,
    /// Where the part is a controlled one.
    Controlled,
    /// Where a laboratory signs.
    ByLaboratory,
    /// Where `untrusted_since` lies more than 30 days back.
    LongAgo,
    /// Where no consent and no change of the mark is named.
    WithoutConsent,
}

/// What happens where it is missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IfMissing {
    /// The event is refused.
    Refuse,
    /// The event is recorded, and what is missing is shown until a Countersigned supplies it.
    Find,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Kind of event.
    pub kind: EventKind,
    /// Who may issue it, any of them.
    pub signers: &'static [Signer],
    /// Who must sign besides.
    pub second: Second,
    /// When.
    pub when: When,
    /// What happens where that is missing.
    pub if_missing: IfMissing,
}

const fn row(kind: EventKind, signers: &'static [Signer]) -> Row {
    Row { kind, signers, second: Second::Nobody, when: When::Always, if_missing: IfMissing::Find }
}

impl Row {
    const fn finds(mut self, second: Second) -> Self {
        self.second = second;
        self
    }

    const fn refuses(mut self, second: Second) -> Self {
        self.second = second;
        self.if_missing = IfMissing::Refuse;
        self
    }

    const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }
}

const MARK_AUTHORITY: &[Signer] = &[Signer::Role(MarkAuthority)];
const REGULATOR: &[Signer] = &[Signer::Role(Regulator)];
const PUBLISHERS: &[Signer] = &[Signer::Role(Registrar), Signer::Role(Regulator)];
const REGISTRAR: &[Signer] = &[Signer::Role(Registrar)];
const MINE: &[Signer] = &[Signer::Role(Mine)];
const MINE_OR_CONTRACTOR: &[Signer] = &[Signer::Role(Mine), Signer::Role(Contractor)];
const PARTS: &[Signer] = &[Signer::Role(Mine), Signer::Role(OverhaulShop), Signer::Role(Manufacturer)];
const KEYS: &[Signer] = &[Signer::RecoveryKey, Signer::Role(Registrar)];
const NAMED_BY: &[Signer] = &[Signer::Holder, Signer::Owner, Signer::Role(Manufacturer)];

/// Who may sign what.
pub const MAY_SIGN: &[Row] = &[
    row(OrganisationRegistered, REGISTRAR),
    row(RoleGranted, REGISTRAR),
    row(RoleWithdrawn, REGISTRAR),
    row(KeyAdded, KEYS),
    row(KeyRevoked, KEYS).refuses(Second::RegistrarOrRegulator).when(When::LongAgo),
    row(OrganisationChanged, REGISTRAR),
    row(OrganisationSucceeded, REGISTRAR),
    row(MineRegistered, &[Signer::Role(Registrar), Signer::Role(Regulator)]),
    row(MineProfileChanged, &[Signer::Role(Regulator), Signer::Role(Mine)]),
    row(OperatorChanged, &[Signer::Operator]).refuses(Second::NewOperator),
    row(PlaceCreated, MINE),
    row(PlaceRenamed, MINE),
    row(PlaceClosed, MINE),
    row(Engaged, &[Signer::Role(Mine), Signer::Itself]),
    row(EngagementEnded, &[Signer::Role(Mine), Signer::Itself]),
    row(ModelRegistered, &[Signer::Role(Manufacturer)]),
    row(Manufactured, &[Signer::Role(Manufacturer)]),
    row(Enrolled, &[Signer::Role(Mine), Signer::Role(Lessor), Signer::Role(Dealer)]).finds(Second::OtherPerson),
    row(FactoryExit, &[Signer::Role(Manufacturer)]),
    row(Dispatched, &[Signer::Holder]),
    row(Received, &[Signer::Consignee]),
    row(ReceiptRefused, &[Signer::Consignee]),
    row(Warehoused, &[Signer::Holder]),
    row(StockChecked, &[Signer::Holder, Signer::Role(Mine)]).finds(Second::OtherPerson),
    row(OwnershipChanged, &[Signer::Owner]).refuses(Second::NewOwner),
    row(LeaseStarted, &[Signer::Lessor]).refuses(Second::Lessee),
    row(LeaseEnded, &[Signer::Lessor]).finds(Second::Lessee),
    row(AcceptanceChecked, MINE).finds(Second::OtherPerson),
    row(ExProofChecked, MINE),
    row(EnteredMine, MINE),
    row(Installed, MINE_OR_CONTRACTOR),
    row(InstallationAccepted, MINE).finds(Second::OtherPerson),
    row(Commissioned, MINE),
    row(DutyChanged, MINE),
    row(Moved, MINE),
    row(UsageReported, MINE),
    row(SettingsChanged, MINE).finds(Second::OtherPerson),
    row(Idled, MINE),
    row(StoppedUse, MINE),
    row(Resumed, MINE).finds(Second::OtherPerson),
    row(Inspected, &[Signer::Role(Mine), Signer::Role(Contractor), Signer::Role(Regulator)]),
    row(Tested, &[Signer::Role(Laboratory), Signer::Role(Mine), Signer::Role(Manufacturer)])
        .finds(Second::OtherOrganisation)
        .when(When::ByLaboratory),
    row(Calibrated, &[Signer::Role(Mine), Signer::Role(Laboratory)]),
    row(Maintained, &[Signer::Role(Mine), Signer::Role(Contractor), Signer::Role(OverhaulShop)]),
    row(MaintenanceStarted, MINE),
    row(MaintenanceFinished, MINE_OR_CONTRACTOR).finds(Second::OtherPerson),
    row(RaisedToSurface, MINE),
    row(OverhaulStarted, &[Signer::Role(OverhaulShop)]),
    row(Overhauled, &[Signer::Role(OverhaulShop)]).finds(Second::OtherPerson),
    row(ComponentReplaced, PARTS).finds(Second::OtherPerson).when(When::Controlled),
    row(ComponentTakenOut, PARTS),
    row(ComponentFitted, PARTS).finds(Second::OtherPerson).when(When::Controlled),
    row(Altered, &[Signer::Role(Manufacturer), Signer::Role(OverhaulShop)])
        .finds(Second::OtherOrganisation)
        .when(When::WithoutConsent),
    row(LotSplit, &[Signer::Holder]),
    row(LotJoined, MINE_OR_CONTRACTOR),
    row(RopeTurned, MINE),
    row(PlateReplaced, &[Signer::Role(Manufacturer)]).finds(Second::Holder),
    row(
        FaultReported,
        &[Signer::Role(Mine), Signer::Role(Contractor), Signer::Role(Regulator), Signer::Role(Laboratory)],
    ),
    row(Rectified, &[Signer::Role(Mine), Signer::Role(Contractor), Signer::Role(OverhaulShop)]),
    row(RectificationConfirmed, &[Signer::Role(Mine), Signer::Role(Regulator)]).finds(Second::OtherPerson),
    row(ScrapAppraised, &[Signer::Role(Mine), Signer::Role(Laboratory), Signer::Role(OverhaulShop)])
        .finds(Second::OtherPerson),
    row(ScrapProposed, &[Signer::Owner]),
    row(Scrapped, &[Signer::Owner]).finds(Second::OtherPerson),
    row(Dismantled, &[Signer::Owner, Signer::Role(Recycler)]).finds(Second::OtherOrganisation),
    row(LostReported, &[Signer::Holder]).finds(Second::OtherPerson),
    row(Recovered, &[Signer::Holder]).finds(Second::OtherPerson),
    row(Exported, &[Signer::Owner]),
    row(Remanufactured, &[Signer::Role(Manufacturer)]).finds(Second::Owner),
    row(AliasSet, NAMED_BY),
    row(AliasEnded, NAMED_BY),
    row(AssemblyFormed, &[Signer::Role(Mine), Signer::Role(Manufacturer)]),
    row(MembersChanged, &[Signer::Role(Mine), Signer::Role(Manufacturer)]),
    row(IdentityLinked, &[Signer::Role(Manufacturer), Signer::Role(Regulator)])
        .refuses(Second::ManufacturerOrRegulator),
    row(Corrected, &[Signer::SignerOfEvent]).finds(Second::OtherPerson),
    row(Noted, &[Signer::AnyRelated]),
    row(Countersigned, &[Signer::AnyRelated]),
    row(MarkIssued, MARK_AUTHORITY),
    row(MarkChanged, MARK_AUTHORITY),
    row(MarkRenewed, MARK_AUTHORITY),
    row(MarkSuspended, MARK_AUTHORITY),
    row(MarkResumed, MARK_AUTHORITY),
    row(MarkRevoked, MARK_AUTHORITY),
    row(MarkCancelled, MARK_AUTHORITY),
    row(PolicyPublished, PUBLISHERS),
    row(SchedulePublished, &[Signer::Role(Registrar), Signer::Role(Regulator), Signer::Role(Mine)]),
    row(CategoriesPublished, PUBLISHERS),
    row(PhaseOutPublished, PUBLISHERS),
    row(PublicationWithdrawn, &[Signer::Role(Registrar), Signer::Role(Regulator), Signer::Role(Mine)]),
    row(StopUseOrdered, REGULATOR),
    row(OrderExtended, &[Signer::Role(Regulator), Signer::Role(Manufacturer), Signer::Role(MarkAuthority)]),
    row(StopUseLifted, REGULATOR),
    row(SealedUp, REGULATOR),
    row(Unsealed, REGULATOR),
    row(RecallIssued, &[Signer::Role(Manufacturer), Signer::Role(MarkAuthority), Signer::Role(Regulator)]),
    row(RecallRemedied, &[Signer::Role(Manufacturer), Signer::Role(OverhaulShop), Signer::Role(Mine)])
        .finds(Second::OtherOrganisation),
    row(OrderReceived, &[Signer::Role(Mine), Signer::Role(Regulator)]),
    row(FindingDecided, REGULATOR),
    row(UploadCompared, &[Signer::Role(Mine), Signer::Role(Regulator)]),
];

/// The row of a kind.
pub fn of(kind: EventKind) -> &'static Row {
    MAY_SIGN.iter().find(|row| row.kind == kind).unwrap_or(&NOBODY)
}

const NOBODY: Row = row(Noted, &[]);

/// The name of a role on the command line and in messages.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Unspecified => "none",
        Manufacturer => "manufacturer",
        Dealer => "dealer",
        Lessor => "lessor",
        Mine => "mine",
        Contractor => "contractor",
        OverhaulShop => "overhaul_shop",
        Laboratory => "laboratory",
        ExBody => "ex_body",
        Recycler => "recycler",
        MarkAuthority => "mark_authority",
        Regulator => "regulator",
        Investigator => "investigator",
        Registrar => "registrar",
    }
}

/// The Chinese name of a role.
pub fn role_zh(role: Role) -> &'static str {
    match role {
        Unspecified => "无",
        Manufacturer => "制造单位",
        Dealer => "经销商",
        Lessor => "租赁单位",
        Mine => "煤矿",
        Contractor => "外委队伍",
        OverhaulShop => "大修厂",
        Laboratory => "检测检验机构",
        ExBody => "防爆检验机构",
        Recycler => "再生资源回收单位",
        MarkAuthority => "安标机构",
        Regulator => "监管监察部门",
        Investigator => "事故调查组",
        Registrar => "登记机构",
    }
}

/// The name of a signer in messages and documents.
pub fn signer_name(signer: Signer) -> &'static str {
    match signer {
        Signer::Role(role) => role_name(role),
        Signer::Holder => "holder",
        Signer::Owner => "owner",
        Signer::Lessor => "lessor of the machine",
        Signer::Consignee => "consignee",
        Signer::Itself => "organisation itself",
        Signer::RecoveryKey => "recovery key",
        Signer::Operator => "operator",
        Signer::SignerOfEvent => "signer of the amended event",
        Signer::AnyRelated => "any related party",
    }
}

/// The name of a second signer in messages and documents.
pub fn second_name(second: Second) -> &'static str {
    match second {
        Second::Nobody => "nobody",
        Second::OtherPerson => "other person",
        Second::OtherOrganisation => "other organisation",
        Second::NewOwner => "new owner",
        Second::Lessee => "lessee",
        Second::NewOperator => "new operator",
        Second::Holder => "holder",
        Second::Owner => "owner",
        Second::ManufacturerOrRegulator => "manufacturer or regulator, the other of the two",
        Second::RegistrarOrRegulator => "registrar or a regulator",
    }
}

/// All roles.
pub const ROLES: &[Role] = &[
    Manufacturer,
    Dealer,
    Lessor,
    Mine,
    Contractor,
    OverhaulShop,
    Laboratory,
    ExBody,
    Recycler,
    MarkAuthority,
    Regulator,
    Investigator,
    Registrar,
];

/// Roles whose holders may write on any machine's chain without a relation of their own.
pub const RELATED_TO_ALL: &[Role] = &[MarkAuthority, Regulator, Investigator];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_row() {
        for kind in EventKind::ALL {
            assert_eq!(MAY_SIGN.iter().filter(|row| row.kind == *kind).count(), 1, "{kind}");
        }
    }
}
