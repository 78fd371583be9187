//! Every kind of event: one row each. Whoever adds a kind begins here.

use tally_proto::v1::{self, statement};

use crate::id::SubjectKind;

/// Stage of a machine's life, or part of the register, that a kind belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Stage {
    /// Organisations, mines, models and identity. 主体
    Register,
    /// Leaving the factory. 出厂
    Factory,
    /// Taken onto the ledger late. 补录
    Enrolment,
    /// Warehousing and transport. 入库
    Storage,
    /// Mine entry. 入矿
    MineEntry,
    /// Installation and use. 使用
    Use,
    /// Inspection, maintenance, overhaul. 检修
    Maintenance,
    /// Scrapping. 报废
    Scrapping,
    /// Safety marks. 安标
    Mark,
    /// Publications. 发布
    Publication,
    /// Orders, recalls, decisions. 监管
    Supervision,
    /// At any stage. 任何
    Any,
}

impl Stage {
    /// Its Chinese name.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Register => "主体",
            Self::Factory => "出厂",
            Self::Enrolment => "补录",
            Self::Storage => "入库",
            Self::MineEntry => "入矿",
            Self::Use => "使用",
            Self::Maintenance => "检修",
            Self::Scrapping => "报废",
            Self::Mark => "安标",
            Self::Publication => "发布",
            Self::Supervision => "监管",
            Self::Any => "任何",
        }
    }
}

/// Who may read an event of a kind, wherever it stands.
///
/// What is public has only public fields: `docs/public-fields.md` prints them for a person to read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Publicity {
    /// Anyone, whole.
    Public,
    /// Anyone, unless its body is about a person: then as [`Publicity::Withheld`].
    Impersonal,
    /// Who may see the subject on whose chain it stands; to everyone else it is a position and a leaf hash.
    Withheld,
}

const ANY: [SubjectKind; 8] = SubjectKind::ALL;

macro_rules! kinds {
    ($($number:literal $name:ident $field:ident $zh:literal $stage:ident $subjects:tt $opens:ident $($publicity:ident)?,)*) => {
        /// What kind of thing happened. The number is the body's field number in `Statement`.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[expect(missing_docs, reason = "each is documented on its body in event.proto; `zh` gives the Chinese name")]
        pub enum EventKind {
            $($name = $number,)*
        }

        impl EventKind {
            /// All kinds, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The kind of a body number; `None` where this version does not know it.
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name as in the proto and on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Name of its field in `Statement`.
            pub fn field(self) -> &'static str {
                match self { $(Self::$name => stringify!($field),)* }
            }

            /// Its Chinese name.
            pub fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh,)* }
            }

            /// The stage that it belongs to.
            pub fn stage(self) -> Stage {
                match self { $(Self::$name => Stage::$stage,)* }
            }

            /// The kinds of subject on whose chains it can stand.
            pub fn subjects(self) -> &'static [SubjectKind] {
                match self { $(Self::$name => kinds!(@subjects $subjects),)* }
            }

            /// Whether it can open a chain; every other kind needs one that is open.
            pub fn opens(self) -> bool {
                match self { $(Self::$name => kinds!(@opens $opens),)* }
            }

            /// Who may read its events; a row that says nothing is withheld from the public.
            pub fn publicity(self) -> Publicity {
                match self { $(Self::$name => kinds!(@publicity $($publicity)?),)* }
            }

            /// The kind of a body.
            pub fn of(body: &statement::Body) -> Self {
                match body { $(statement::Body::$name(_) => Self::$name,)* }
            }

            /// Decodes the body message of this kind.
            pub(crate) fn decode(self, bytes: &[u8]) -> Result<statement::Body, prost::DecodeError> {
                use prost::Message;
                Ok(match self { $(Self::$name => statement::Body::$name(v1::$name::decode(bytes)?),)* })
            }
        }

        /// Calls `$call` with the message inside a body, whatever its kind.
        macro_rules! with_message {
            ($body:expr, $message:ident => $call:expr) => {
                match $body { $(tally_proto::v1::statement::Body::$name($message) => $call,)* }
            };
        }
        pub(crate) use with_message;
    };
    (@subjects ANY) => { &ANY };
    (@subjects [$($kind:ident),*]) => { &[$(SubjectKind::$kind),*] };
    (@opens opens) => { true };
    (@opens continues) => { false };
    (@publicity) => { Publicity::Withheld };
    (@publicity public) => { Publicity::Public };
    (@publicity impersonal) => { Publicity::Impersonal };
}

kinds! {
    20 OrganisationRegistered organisation_registered "单位登记" Register [Organisation] opens public,
    21 RoleGranted role_granted "角色授予" Register [Organisation] continues public,
    22 RoleWithdrawn role_withdrawn "角色撤回" Register [Organisation] continues public,
    23 KeyAdded key_added "密钥登记" Register [Organisation] continues impersonal,
    24 KeyRevoked key_revoked "密钥吊销" Register [Organisation] continues public,
    25 OrganisationChanged organisation_changed "单位变更" Register [Organisation] continues public,
    26 OrganisationSucceeded organisation_succeeded "单位承继" Register [Organisation] continues public,
    30 MineRegistered mine_registered "煤矿登记" Register [Mine] opens public,
    31 MineProfileChanged mine_profile_changed "煤矿信息变更" Register [Mine] continues,
    32 OperatorChanged operator_changed "经营主体变更" Register [Mine] continues,
    33 PlaceCreated place_created "地点建立" Register [Mine] continues,
    34 PlaceRenamed place_renamed "地点更名" Register [Mine] continues,
    35 PlaceClosed place_closed "地点封闭" Register [Mine] continues,
    36 Engaged engaged "委托" Register [Organisation, Mine] continues,
    37 EngagementEnded engagement_ended "委托终止" Register [Organisation, Mine] continues,
    38 ModelRegistered model_registered "型号登记" Register [Model] opens public,
    40 Manufactured manufactured "制造完成" Factory [Equipment] opens public,
    41 Enrolled enrolled "补录建档" Enrolment [Equipment] opens,
    42 FactoryExit factory_exit "出厂" Factory [Equipment] continues,
    43 Dispatched dispatched "发运" Storage [Equipment] continues,
    44 Received received "接收" Storage [Equipment] continues,
    45 ReceiptRefused receipt_refused "拒收" Storage [Equipment] continues,
    46 Warehoused warehoused "入库" Storage [Equipment] continues,
    47 StockChecked stock_checked "盘点" Storage [Equipment, Mine] continues,
    48 OwnershipChanged ownership_changed "产权变更" Any [Equipment] continues,
    49 LeaseStarted lease_started "租赁开始" Any [Equipment] continues,
    50 LeaseEnded lease_ended "租赁结束" Any [Equipment] continues,
    51 AcceptanceChecked acceptance_checked "到矿验收" MineEntry [Equipment] continues,
    52 ExProofChecked ex_proof_checked "入井防爆检查" MineEntry [Equipment] continues,
    53 EnteredMine entered_mine "入井" MineEntry [Equipment] continues,
    54 Installed installed "安装" Use [Equipment] continues,
    55 InstallationAccepted installation_accepted "安装验收" Use [Equipment] continues,
    56 Commissioned commissioned "投用" Use [Equipment] continues,
    57 DutyChanged duty_changed "工备切换" Use [Equipment] continues,
    58 Moved moved "移设" Use [Equipment] continues,
    59 UsageReported usage_reported "用量上报" Use [Equipment] continues,
    60 SettingsChanged settings_changed "整定变更" Use [Equipment] continues,
    61 Idled idled "停用闲置" Use [Equipment] continues,
    62 StoppedUse stopped_use "自行停用" Use [Equipment] continues,
    63 Resumed resumed "恢复使用" Use [Equipment] continues,
    64 Inspected inspected "检查" Maintenance [Equipment, Mine] continues,
    65 Tested tested "检测检验" Maintenance [Equipment] continues,
    66 Calibrated calibrated "调校" Maintenance [Equipment] continues,
    67 Maintained maintained "维修(小修/中修)" Maintenance [Equipment] continues,
    68 MaintenanceStarted maintenance_started "停机检修" Maintenance [Equipment] continues,
    69 MaintenanceFinished maintenance_finished "检修完成" Maintenance [Equipment] continues,
    70 RaisedToSurface raised_to_surface "升井" Maintenance [Equipment] continues,
    71 OverhaulStarted overhaul_started "大修开工" Maintenance [Equipment] continues,
    72 Overhauled overhauled "大修完成" Maintenance [Equipment] continues,
    73 ComponentReplaced component_replaced "部件更换" Maintenance [Equipment] continues,
    74 ComponentTakenOut component_taken_out "部件拆出" Maintenance [Equipment] continues,
    75 ComponentFitted component_fitted "部件装入" Maintenance [Equipment] continues,
    76 Altered altered "改造" Maintenance [Equipment] continues,
    77 LotSplit lot_split "分割" Use [Equipment] opens,
    78 LotJoined lot_joined "接头" Use [Equipment] continues,
    79 RopeTurned rope_turned "调绳(截头、调头)" Use [Equipment] continues,
    80 PlateReplaced plate_replaced "铭牌补换" Any [Equipment] continues,
    81 FaultReported fault_reported "故障(缺陷)上报" Maintenance [Equipment] continues,
    82 Rectified rectified "整改" Maintenance [Equipment] continues,
    83 RectificationConfirmed rectification_confirmed "整改复查销号" Maintenance [Equipment] continues,
    84 ScrapAppraised scrap_appraised "报废鉴定" Scrapping [Equipment] continues,
    85 ScrapProposed scrap_proposed "报废申请" Scrapping [Equipment] continues,
    86 Scrapped scrapped "报废" Scrapping [Equipment] continues,
    87 Dismantled dismantled "拆解处置" Scrapping [Equipment] continues,
    88 LostReported lost_reported "灭失" Scrapping [Equipment] continues,
    89 Recovered recovered "找回" Scrapping [Equipment] continues,
    90 Exported exported "出境" Scrapping [Equipment] continues,
    91 Remanufactured remanufactured "再制造" Maintenance [Equipment] continues,
    92 AliasSet alias_set "别名登记" Register [Equipment] continues,
    93 AliasEnded alias_ended "别名终止" Register [Equipment] continues,
    94 AssemblyFormed assembly_formed "成套组成" Register [Equipment] opens,
    95 MembersChanged members_changed "成套成员变更" Register [Equipment] continues,
    96 IdentityLinked identity_linked "身份关联" Register [Equipment] continues,
    97 Corrected corrected "更正" Any ANY continues,
    98 Noted noted "备注" Any ANY continues,
    99 Countersigned countersigned "补签" Register ANY continues,
    100 MarkIssued mark_issued "安标发放" Mark [Mark] opens public,
    101 MarkChanged mark_changed "安标变更" Mark [Mark] continues public,
    102 MarkRenewed mark_renewed "安标延续(换证)" Mark [Mark] continues public,
    103 MarkSuspended mark_suspended "安标暂停" Mark [Mark] continues public,
    104 MarkResumed mark_resumed "安标恢复" Mark [Mark] continues public,
    105 MarkRevoked mark_revoked "安标撤销" Mark [Mark] continues public,
    106 MarkCancelled mark_cancelled "安标注销" Mark [Mark] continues public,
    110 PolicyPublished policy_published "规则参数发布" Publication [Publication] opens public,
    111 SchedulePublished schedule_published "检修周期发布" Publication [Publication] opens public,
    112 CategoriesPublished categories_published "类别发布" Publication [Publication] opens public,
    113 PhaseOutPublished phase_out_published "淘汰目录发布" Publication [Publication] opens public,
    114 PublicationWithdrawn publication_withdrawn "发布废止" Publication [Publication] continues public,
    120 StopUseOrdered stop_use_ordered "责令停止使用" Supervision [Order] opens,
    121 OrderExtended order_extended "指令续表" Supervision [Order] continues,
    122 StopUseLifted stop_use_lifted "解除停止使用" Supervision [Order] continues,
    123 SealedUp sealed_up "查封/扣押" Supervision [Order] opens,
    124 Unsealed unsealed "解封" Supervision [Order] continues,
    125 RecallIssued recall_issued "召回" Supervision [Order] opens,
    126 RecallRemedied recall_remedied "召回完成" Supervision [Equipment] continues,
    127 OrderReceived order_received "签收" Supervision [Order] continues,
    128 FindingDecided finding_decided "问题认定" Supervision [Equipment, Mine] continues,
    129 UploadCompared upload_compared "上传比对" Supervision [Mine] continues,
}

impl EventKind {
    /// Whether it opens the chain of what has no number of its own: the subject has the id of this event.
    pub fn mints_subject(self) -> bool {
        let minted =
            |kind: &SubjectKind| matches!(kind, SubjectKind::Order | SubjectKind::Accident | SubjectKind::Publication);
        self.opens() && self.subjects().iter().all(minted)
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for EventKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let known = Self::ALL.iter().find(|kind| kind.name().eq_ignore_ascii_case(name) || kind.field() == name);
        known.copied().ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

/// A name that is no kind of event.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no kind of event")]
pub struct UnknownKind(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_come_back() {
        let numbers: Vec<u32> = EventKind::ALL.iter().map(|kind| *kind as u32).collect();
        assert!(numbers.is_sorted_by(|left, right| left < right));
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_number(*kind as u32), Some(*kind));
            assert_eq!(kind.name().parse::<EventKind>().unwrap(), *kind);
        }
        assert_eq!(EventKind::from_number(27), None);
    }
}
