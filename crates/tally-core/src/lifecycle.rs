//! The lifecycle: one row for each kind of event, from which states it leads on and to which.
//!
//! An event from another state is a *jump*: it is recorded, the state follows the event, and the jump is shown.
//! The next state follows from the former state and the event's own fields, from nothing else.
//! `docs/lifecycle.md` is printed from this.

use tally_proto::v1::{
    CheckResult, Duty, FaultSeverity, ReceivedInto,
    ServiceState::{self, *},
    statement::Body as Message,
};

use crate::event::{Body, EventKind};

/// States from which a kind leads on without a jump.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum From {
    /// None: it opens the chain.
    Opening,
    /// Any state.
    Any,
    /// These states.
    States(&'static [ServiceState]),
    /// Any state but these.
    AnyBut(&'static [ServiceState]),
}

/// State after an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum To {
    /// As before.
    Same,
    /// This state.
    State(ServiceState),
    /// As the body says; the text tells how.
    ByBody(&'static str),
}

/// A row of the lifecycle.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Kind of event.
    pub kind: EventKind,
    /// From which states it leads on.
    pub from: From,
    /// To which state.
    pub to: To,
}

const fn row(kind: EventKind, from: From, to: To) -> Row {
    Row { kind, from, to }
}

const RUNNING: &[ServiceState] = &[InUse, Standby];
const IN_SERVICE: &[ServiceState] = &[InUse, Standby, Idle, Installed];
const WORKED_ON: &[ServiceState] = &[InUse, Standby, Idle, Installed, Underground, Stopped];

/// The lifecycle of equipment. Kinds that are missing here stand on other chains, or change no state anywhere.
pub const LIFECYCLE: &[Row] = &[
    row(EventKind::Manufactured, From::Opening, To::ByBody("MANUFACTURED; as before after an Enrolled")),
    row(EventKind::Enrolled, From::Opening, To::ByBody("the state that it names; as before on an open chain")),
    row(EventKind::FactoryExit, From::States(&[Manufactured]), To::State(InTransit)),
    row(
        EventKind::Dispatched,
        From::States(&[Manufactured, InStore, AtMine, Accepted, AtOverhaul, Scrapped]),
        To::ByBody("IN_TRANSIT; SCRAPPED stays, so that a scrapped machine is never sold on as a sound one"),
    ),
    row(
        EventKind::Received,
        From::States(&[InTransit, Scrapped]),
        To::ByBody("IN_STORE, AT_MINE or AT_OVERHAUL by `into`; SCRAPPED stays"),
    ),
    row(EventKind::ReceiptRefused, From::States(&[InTransit, Scrapped]), To::Same),
    row(EventKind::Warehoused, From::States(&[Manufactured, AtMine, Accepted, InStore]), To::State(InStore)),
    row(EventKind::StockChecked, From::Any, To::Same),
    row(EventKind::OwnershipChanged, From::Any, To::Same),
    row(EventKind::LeaseStarted, From::States(&[InStore, Accepted, InUse, Standby, Idle]), To::Same),
    row(EventKind::LeaseEnded, From::Any, To::Same),
    row(
        EventKind::AcceptanceChecked,
        From::States(&[AtMine, InStore]),
        To::ByBody("ACCEPTED; IN_STORE where it failed"),
    ),
    row(
        EventKind::ExProofChecked,
        From::States(&[Accepted, InStore, AtMine, Underground, Idle]),
        To::ByBody("READY_DOWN; as before where it failed"),
    ),
    row(EventKind::EnteredMine, From::States(&[ReadyDown, Accepted]), To::State(Underground)),
    row(EventKind::Installed, From::States(&[Underground, Accepted, Idle, Stopped]), To::State(Installed)),
    row(EventKind::InstallationAccepted, From::States(&[Installed]), To::Same),
    row(
        EventKind::Commissioned,
        From::States(&[Installed, Idle, Stopped]),
        To::ByBody("IN_USE or STANDBY by `duty`; as before where it failed"),
    ),
    row(EventKind::DutyChanged, From::States(RUNNING), To::ByBody("IN_USE or STANDBY by `duty`")),
    row(
        EventKind::Moved,
        From::States(&[InUse, Standby, Idle, Installed, Underground]),
        To::ByBody("as before; INSTALLED where dismantled"),
    ),
    row(EventKind::UsageReported, From::States(&[InUse, Standby, Idle]), To::Same),
    row(EventKind::SettingsChanged, From::States(&[InUse, Standby, Installed]), To::Same),
    row(EventKind::Idled, From::States(&[InUse, Standby, Installed]), To::State(Idle)),
    row(EventKind::StoppedUse, From::States(IN_SERVICE), To::State(Stopped)),
    row(
        EventKind::Resumed,
        From::States(&[Idle, Stopped]),
        To::ByBody("IN_USE or STANDBY by `duty`; as before where it failed"),
    ),
    row(EventKind::Inspected, From::States(WORKED_ON), To::Same),
    row(
        EventKind::Tested,
        From::States(&[Manufactured, InUse, Standby, Idle, Installed, Underground, Stopped, AtOverhaul]),
        To::ByBody("as before; STOPPED where the signer says stop"),
    ),
    row(EventKind::Calibrated, From::States(&[InUse, Standby, Idle, InStore]), To::Same),
    row(
        EventKind::Maintained,
        From::States(&[InUse, Standby, Idle, Installed, Underground, Stopped, UnderMaintenance]),
        To::Same,
    ),
    row(EventKind::MaintenanceStarted, From::States(&[InUse, Standby, Idle, Stopped]), To::State(UnderMaintenance)),
    row(EventKind::MaintenanceFinished, From::States(&[UnderMaintenance]), To::ByBody("`next`")),
    row(
        EventKind::RaisedToSurface,
        From::States(&[Underground, Idle, Stopped, Installed, ScrapProposed, Scrapped]),
        To::ByBody("AT_MINE; SCRAP_PROPOSED and SCRAPPED stay"),
    ),
    row(EventKind::OverhaulStarted, From::States(&[AtOverhaul]), To::State(AtOverhaul)),
    row(EventKind::Overhauled, From::States(&[AtOverhaul]), To::State(AtOverhaul)),
    row(EventKind::ComponentReplaced, From::AnyBut(&[Dismantled]), To::Same),
    row(EventKind::ComponentTakenOut, From::Any, To::Same),
    row(EventKind::ComponentFitted, From::Any, To::Same),
    row(EventKind::Altered, From::States(&[UnderMaintenance, AtOverhaul, Idle, Stopped]), To::Same),
    row(EventKind::LotSplit, From::Any, To::ByBody("as before on the parent; `state` on a piece")),
    row(EventKind::LotJoined, From::Any, To::Same),
    row(EventKind::RopeTurned, From::States(&[InUse]), To::Same),
    row(EventKind::PlateReplaced, From::Any, To::Same),
    row(EventKind::FaultReported, From::States(WORKED_ON), To::ByBody("as before; STOPPED where the severity is STOP")),
    row(EventKind::Rectified, From::Any, To::Same),
    row(EventKind::RectificationConfirmed, From::Any, To::Same),
    row(EventKind::ScrapAppraised, From::Any, To::Same),
    row(
        EventKind::ScrapProposed,
        From::States(&[Idle, Stopped, InStore, AtMine, AtOverhaul, Underground, Lost]),
        To::State(ScrapProposed),
    ),
    row(EventKind::Scrapped, From::States(&[ScrapProposed]), To::State(Scrapped)),
    row(EventKind::Dismantled, From::States(&[Scrapped]), To::State(Dismantled)),
    row(EventKind::LostReported, From::Any, To::State(Lost)),
    row(EventKind::Recovered, From::States(&[Lost]), To::State(Stopped)),
    row(EventKind::Exported, From::States(&[InTransit, InStore]), To::State(Exported)),
    row(EventKind::Remanufactured, From::States(&[AtOverhaul]), To::State(Superseded)),
    row(EventKind::AliasSet, From::Any, To::Same),
    row(EventKind::AliasEnded, From::Any, To::Same),
    row(EventKind::AssemblyFormed, From::Opening, To::State(Installed)),
    row(EventKind::MembersChanged, From::Any, To::Same),
    row(EventKind::IdentityLinked, From::Any, To::Same),
    row(EventKind::Corrected, From::Any, To::Same),
    row(EventKind::Noted, From::Any, To::Same),
    row(EventKind::Countersigned, From::Any, To::Same),
    row(EventKind::RecallRemedied, From::Any, To::Same),
    row(EventKind::FindingDecided, From::Any, To::Same),
];

/// All states, in the order of their numbers.
pub const STATES: &[ServiceState] = &[
    Manufactured,
    InTransit,
    InStore,
    AtMine,
    Accepted,
    ReadyDown,
    Underground,
    Installed,
    InUse,
    Standby,
    Idle,
    UnderMaintenance,
    AtOverhaul,
    Stopped,
    ScrapProposed,
    Scrapped,
    Dismantled,
    Lost,
    Exported,
    Superseded,
];

/// The Chinese name of a state.
pub fn state_zh(state: ServiceState) -> &'static str {
    match state {
        Unspecified => "未知",
        Manufactured => "已制造",
        InTransit => "在途",
        InStore => "在库",
        AtMine => "到矿待验",
        Accepted => "验收合格",
        ReadyDown => "防爆检查合格待入井",
        Underground => "井下待装",
        Installed => "已安装",
        InUse => "在用",
        Standby => "备用",
        Idle => "闲置",
        UnderMaintenance => "检修中",
        AtOverhaul => "大修中",
        Stopped => "停用待整改",
        ScrapProposed => "待报废",
        Scrapped => "已报废",
        Dismantled => "已拆解",
        Lost => "灭失",
        Exported => "出境",
        Superseded => "再制造换号",
    }
}

/// What an event does to the service state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// The state after it.
    pub state: ServiceState,
    /// Whether the lifecycle does not lead on from the state before it by this kind.
    pub jump: bool,
}

/// The state after `body` happened in `former`; `former` is `None` where the chain is not open yet.
pub fn step(former: Option<ServiceState>, body: &Body) -> Step {
    let Some(row) = LIFECYCLE.iter().find(|row| row.kind == body.kind()) else {
        return Step { state: former.unwrap_or(Unspecified), jump: false };
    };
    let jump = match (row.from, former) {
        (From::Opening | From::Any, _) | (_, None) => false,
        (From::States(states), Some(former)) => !states.contains(&former),
        (From::AnyBut(states), Some(former)) => states.contains(&former),
    };
    let same = former.unwrap_or(Unspecified);
    let state = match row.to {
        To::Same => same,
        To::State(state) => state,
        To::ByBody(_) => by_body(former, same, body.message()),
    };
    Step { state, jump }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the exhaustive test walks every ByBody row")]
fn by_body(former: Option<ServiceState>, same: ServiceState, message: &Message) -> ServiceState {
    match message {
        Message::Manufactured(_) => former.unwrap_or(Manufactured),
        Message::Enrolled(body) => former.unwrap_or(body.state()),
        Message::LotSplit(body) => former.unwrap_or(body.state()),
        Message::Dispatched(_) if same == Scrapped => Scrapped,
        Message::Dispatched(_) => InTransit,
        Message::Received(_) if same == Scrapped => Scrapped,
        Message::Received(body) => match body.into() {
            ReceivedInto::Mine => AtMine,
            ReceivedInto::Overhaul => AtOverhaul,
            ReceivedInto::Store | ReceivedInto::Unspecified => InStore,
        },
        Message::AcceptanceChecked(body) => {
            if passed(body.result()) {
                Accepted
            } else {
                InStore
            }
        }
        Message::ExProofChecked(body) => {
            if passed(body.result()) {
                ReadyDown
            } else {
                same
            }
        }
        Message::Commissioned(body) => {
            if passed(body.result()) {
                on_duty(body.duty())
            } else {
                same
            }
        }
        Message::Resumed(body) => {
            if passed(body.result()) {
                on_duty(body.duty())
            } else {
                same
            }
        }
        Message::DutyChanged(body) => on_duty(body.duty()),
        Message::Moved(body) => {
            if body.dismantled {
                Installed
            } else {
                same
            }
        }
        Message::Tested(body) => {
            if body.stop {
                Stopped
            } else {
                same
            }
        }
        Message::MaintenanceFinished(body) => body.next(),
        Message::RaisedToSurface(_) if matches!(same, ScrapProposed | Scrapped) => same,
        Message::RaisedToSurface(_) => AtMine,
        Message::FaultReported(body) => {
            if body.severity() == FaultSeverity::Stop {
                Stopped
            } else {
                same
            }
        }
        _ => same,
    }
}

fn passed(result: CheckResult) -> bool {
    matches!(result, CheckResult::Pass | CheckResult::Conditional)
}

fn on_duty(duty: Duty) -> ServiceState {
    match duty {
        Duty::Standby => Standby,
        Duty::Work | Duty::Unspecified => InUse,
    }
}
