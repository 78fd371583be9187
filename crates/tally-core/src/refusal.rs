//! Why an event is not taken onto its chain: one variant for each reason, one row for each in the table.
//!
//! `docs/refusals.md` is printed from [`REFUSALS`].

use tally_proto::v1::Role;

use crate::{
    authority::role_name,
    event::EventKind,
    form::FormError,
    hash::EventHash,
    id::{EventId, OrganisationId, SubjectId},
    key::KeyId,
    number::ChainIndex,
    set::SetError,
    time::{Day, Timestamp},
};

/// What the caller does next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// Fix the bytes; never send them again.
    Malformed,
    /// The signer may not; never send it again.
    Forbidden,
    /// The facts on the ledger speak against it; fix the facts.
    Precondition,
    /// The head moved; sign again.
    Stale,
    /// The same id stands there with other bytes.
    Exists,
}

/// The last event of a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Number of events on the chain.
    pub chain_length: u64,
    /// Hash of the last one; zero where there is none.
    pub head_hash: EventHash,
}

/// Why an event was not taken onto its chain. Nothing was changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no canonical, well-formed event.
    #[error("{0}")]
    Form(FormError),
    /// A signature does not verify.
    #[error("signature by key {key_id} does not verify over this {over}")]
    BadSignature {
        /// Whose.
        key_id: KeyId,
        /// What it is over: event or statement.
        over: &'static str,
    },
    /// It is for another log.
    #[error("statement.origin is {claimed}, but this log is {origin}")]
    WrongOrigin {
        /// As stated.
        claimed: String,
        /// Ours.
        origin: String,
    },
    /// The body's facts give another subject id.
    #[error("statement.subject is {claimed}, but the body gives {computed}")]
    SubjectMismatch {
        /// As stated.
        claimed: SubjectId,
        /// From the body.
        computed: SubjectId,
    },
    /// The kind does not stand on chains of this subject.
    #[error("{kind} does not stand on the chain of {subject}")]
    WrongSubjectKind {
        /// Kind of event.
        kind: EventKind,
        /// The subject.
        subject: SubjectId,
    },
    /// A mention that the body does not name, or one missing that it does.
    #[error("statement.mentions {problem} {subject}")]
    WrongMentions {
        /// `lacks` or `has, but the body does not name`.
        problem: &'static str,
        /// Which.
        subject: SubjectId,
    },
    /// The signer has nothing to do with what it mentions.
    #[error("organisation {organisation} may not mention {subject}: {why}")]
    MentionNotAllowed {
        /// Who signs.
        organisation: OrganisationId,
        /// What it mentions.
        subject: SubjectId,
        /// Why not.
        why: &'static str,
    },
    /// The members of a set do not belong together.
    #[error("{0}")]
    Set(#[from] SetError),
    /// It belongs to a set and was sent alone, or the other way round.
    #[error("the event belongs to a set of {count}; send all members with RecordSet")]
    SetIncomplete {
        /// Members that the set names.
        count: u32,
    },
    /// A part with a chain of its own has no event in the set.
    #[error("{part} has a chain of its own; send its own event in the same set")]
    PartEventMissing {
        /// The part.
        part: SubjectId,
    },
    /// The claimed time is ahead of the clock.
    #[error("statement.occurred_at_us is {occurred_at}, over 5 min ahead of this server ({now})")]
    OccurredInFuture {
        /// As stated.
        occurred_at: Timestamp,
        /// The server's clock.
        now: Timestamp,
    },
    /// The claimed time is before anything that the ledger speaks of.
    #[error("statement.occurred_at_us is {occurred_at}, before 1950")]
    OccurredTooEarly {
        /// As stated.
        occurred_at: Timestamp,
    },
    /// The machine did not exist yet.
    #[error("the event is said to have happened at {occurred_at}, before the machine was made on {produced_on}")]
    BeforeManufacture {
        /// As stated.
        occurred_at: Timestamp,
        /// Day of manufacture on record.
        produced_on: Day,
    },
    /// No such key is registered.
    #[error("key {key_id} is not registered")]
    KeyUnknown {
        /// Which.
        key_id: KeyId,
    },
    /// The key was revoked earlier in the log.
    #[error("key {key_id} was revoked")]
    KeyRevoked {
        /// Which.
        key_id: KeyId,
    },
    /// The key belongs to another organisation.
    #[error("key {key_id} belongs to {owner}, not to {organisation}")]
    KeyOfAnother {
        /// Which.
        key_id: KeyId,
        /// Whose it is.
        owner: OrganisationId,
        /// Who is said to act.
        organisation: OrganisationId,
    },
    /// The key is not meant for this.
    #[error("key {key_id} is a {kind} key, which may not sign this")]
    KeyNotMeant {
        /// Which.
        key_id: KeyId,
        /// Its kind.
        kind: &'static str,
    },
    /// The key is already registered.
    #[error("key {key_id} is already registered with {owner}")]
    KeyInUse {
        /// Which.
        key_id: KeyId,
        /// Whose it is.
        owner: OrganisationId,
    },
    /// Too few registrar keys signed.
    #[error("{signed} of the {threshold} registrar keys that must sign did")]
    ThresholdNotMet {
        /// How many signed.
        signed: u32,
        /// How many must.
        threshold: u32,
    },
    /// The organisation does not have the role.
    #[error("organisation {organisation} does not have the role {}", role_name(*role))]
    RoleNotHeld {
        /// Who acts.
        organisation: OrganisationId,
        /// In which role.
        role: Role,
    },
    /// The role may not sign this kind.
    #[error("role {} may not sign {kind}; {allowed} may", role_name(*role))]
    RoleMayNotSign {
        /// In which role it acts.
        role: Role,
        /// Kind of event.
        kind: EventKind,
        /// Who may.
        allowed: String,
    },
    /// The signer is not in the position that the kind asks for.
    #[error("{kind} is signed by the {position}, which {organisation} is not")]
    NotInPosition {
        /// Kind of event.
        kind: EventKind,
        /// The position.
        position: &'static str,
        /// Who signs.
        organisation: OrganisationId,
    },
    /// The signer has no relation to the machine.
    #[error("organisation {organisation} has no relation to {subject}")]
    Stranger {
        /// Who signs.
        organisation: OrganisationId,
        /// The machine.
        subject: SubjectId,
    },
    /// A hand that must be there is missing.
    #[error("{kind} needs the hand of the {second}")]
    HandMissing {
        /// Kind of event.
        kind: EventKind,
        /// Whose.
        second: &'static str,
    },
    /// A hand of somebody who has nothing to do with it.
    #[error("the hand by key {key_id} belongs to {owner}, which has nothing to do with this event")]
    HandForeign {
        /// Which.
        key_id: KeyId,
        /// Whose it is.
        owner: OrganisationId,
    },
    /// The maker name on the plate is not the signer's.
    #[error("organisation {organisation} has not registered the maker name {maker}")]
    MakerNameNotRegistered {
        /// Who signs.
        organisation: OrganisationId,
        /// The name on the plate.
        maker: String,
    },
    /// Nothing is on record about the subject, and this kind does not open a chain.
    #[error("{subject} is not on record, and {kind} does not open a chain")]
    SubjectUnknown {
        /// Which.
        subject: SubjectId,
        /// Kind of event.
        kind: EventKind,
    },
    /// The subject is open already.
    #[error("{subject} is on record already; {kind} opens a chain once")]
    AlreadyOpened {
        /// Which.
        subject: SubjectId,
        /// Kind of event.
        kind: EventKind,
    },
    /// Something that the body names is not on record.
    #[error("{field} names {subject}, which is not on record")]
    NamedUnknown {
        /// Field of the body.
        field: &'static str,
        /// Which.
        subject: SubjectId,
    },
    /// Dismantled twice.
    #[error("{subject} is dismantled already")]
    AlreadyDismantled {
        /// Which.
        subject: SubjectId,
    },
    /// Nothing is on the way that could be received.
    #[error("{subject} is not on the way, so that nothing can be received or refused")]
    NothingDispatched {
        /// Which.
        subject: SubjectId,
    },
    /// The receipt names another dispatch than the open one.
    #[error("dispatch_event is not the open dispatch, which is number {open} of the chain")]
    WrongDispatch {
        /// Chain index of the open dispatch.
        open: ChainIndex,
    },
    /// The body names another holder, mine or place than is on record.
    #[error("{field} is {claimed}, but on record is {on_record}")]
    NotAsRecorded {
        /// Field of the body.
        field: &'static str,
        /// As stated.
        claimed: String,
        /// On record.
        on_record: String,
    },
    /// The event that a body refers to is not on this chain.
    #[error("{field} names an event that is not on this chain")]
    EventNotOnChain {
        /// Field of the body.
        field: &'static str,
    },
    /// The kind cannot be amended so.
    #[error("{why}")]
    CannotBeCorrected {
        /// Why.
        why: &'static str,
    },
    /// The pieces of a split do not add up.
    #[error("the pieces add up to {pieces}, but the lot has {parent}")]
    LengthsDiffer {
        /// Of the pieces.
        pieces: String,
        /// Of the parent.
        parent: String,
    },
    /// The organisation's grant does not reach that far.
    #[error("{organisation} has no jurisdiction over {what}")]
    OutsideJurisdiction {
        /// Who acts.
        organisation: OrganisationId,
        /// Over what.
        what: String,
    },
    /// The mark was revoked or cancelled.
    #[error("{subject} was revoked or cancelled; nothing follows")]
    MarkEnded {
        /// The mark.
        subject: SubjectId,
    },
    /// The event continues a head that is no longer the last one.
    #[error(
        "event continues {subject} at {claimed}, but its chain has {} events; nothing was recorded, sign again on its head",
        head.chain_length
    )]
    StaleHead {
        /// Which chain.
        subject: SubjectId,
        /// Chain index as signed.
        claimed: ChainIndex,
        /// Its head.
        head: Head,
    },
    /// The link names another event than the head.
    #[error("event.previous_hash is not the hash of the head of {subject}")]
    WrongPreviousHash {
        /// Which chain.
        subject: SubjectId,
        /// Its head.
        head: Head,
    },
    /// The event stands beyond the head.
    #[error("event claims place {claimed} on {subject}, but its chain has {} events", head.chain_length)]
    ChainGap {
        /// Which chain.
        subject: SubjectId,
        /// Chain index as signed.
        claimed: ChainIndex,
        /// Its head.
        head: Head,
    },
    /// The same payload stands there under another key.
    #[error("the same payload is recorded at place {chain_index} by issuer {issuer}")]
    IssuerDiffers {
        /// Where.
        chain_index: ChainIndex,
        /// Whose signature stands there.
        issuer: KeyId,
    },
    /// The same event id stands on the chain with other bytes.
    #[error("event {id} is already recorded at place {chain_index} with another payload")]
    EventIdReused {
        /// Which.
        id: EventId,
        /// Where.
        chain_index: ChainIndex,
    },
    /// It was first signed too long ago to be linked again.
    #[error("event was first signed for place {first_index}; at most 256 places may lie between that and {claimed}")]
    RebaseTooFar {
        /// Chain index of the first signing.
        first_index: ChainIndex,
        /// Chain index now.
        claimed: ChainIndex,
    },
}

/// A row of the table of refusals.
#[derive(Clone, Copy, Debug)]
pub struct RefusalRow {
    /// `ErrorInfo.reason`: the contract.
    pub reason: &'static str,
    /// What the caller does next.
    pub class: Class,
    /// In Chinese.
    pub zh: &'static str,
    /// What to do.
    pub help: &'static str,
}

const fn refusal(reason: &'static str, class: Class, zh: &'static str, help: &'static str) -> RefusalRow {
    RefusalRow { reason, class, zh, help }
}

/// Every reason for which an event is refused.
pub const REFUSALS: &[RefusalRow] = &[
    refusal("MALFORMED_EVENT", Class::Malformed, "事件格式不正确", "correct the fields that are named"),
    refusal(
        "BAD_SIGNATURE",
        Class::Malformed,
        "签名验证不通过",
        "sign exactly the bytes that are sent, with the key that is named",
    ),
    refusal("WRONG_ORIGIN", Class::Malformed, "不是本日志的事件", "send it to the log that it names"),
    refusal(
        "SUBJECT_MISMATCH",
        Class::Malformed,
        "主体编号与内容不符",
        "compute the subject id from the plate or number",
    ),
    refusal(
        "WRONG_SUBJECT_KIND",
        Class::Malformed,
        "该类事件不属于此类主体",
        "put it on the chain of the right subject",
    ),
    refusal("WRONG_MENTIONS", Class::Malformed, "提及的主体与内容不符", "mention exactly what the body names"),
    refusal("MENTION_NOT_ALLOWED", Class::Forbidden, "无权提及该主体", "let somebody sign who has to do with it"),
    refusal("SET_MALFORMED", Class::Malformed, "原子组不完整或不一致", "send all members, in order, signed by one key"),
    refusal("SET_INCOMPLETE", Class::Malformed, "原子组成员必须一起提交", "send all members with RecordSet"),
    refusal("PART_EVENT_MISSING", Class::Precondition, "部件自身的事件缺失", "add the part's own event to the set"),
    refusal("OCCURRED_IN_FUTURE", Class::Malformed, "发生时间晚于当前时间", "correct the time or the clock"),
    refusal("OCCURRED_TOO_EARLY", Class::Malformed, "发生时间早于1950年", "correct the time"),
    refusal(
        "BEFORE_MANUFACTURE",
        Class::Precondition,
        "发生时间早于制造日期",
        "correct the time, or the day of manufacture by Corrected",
    ),
    refusal("KEY_UNKNOWN", Class::Forbidden, "密钥未登记", "have the key registered by KeyAdded"),
    refusal("KEY_REVOKED", Class::Forbidden, "密钥已吊销", "sign with a key that is in force"),
    refusal("KEY_OF_ANOTHER", Class::Forbidden, "密钥属于其他单位", "name the organisation whose key signs"),
    refusal(
        "KEY_NOT_MEANT",
        Class::Forbidden,
        "密钥用途不符",
        "sign with an organisation, staff or device key; recovery keys only add and revoke keys",
    ),
    refusal("KEY_IN_USE", Class::Precondition, "密钥已被登记", "make a new key"),
    refusal("THRESHOLD_NOT_MET", Class::Forbidden, "登记机构签名数量不足", "collect more hands of registrar keys"),
    refusal("ROLE_NOT_HELD", Class::Forbidden, "单位不具有该角色", "act in a role that was granted"),
    refusal("ROLE_MAY_NOT_SIGN", Class::Forbidden, "该角色无权签发此类事件", "let an organisation sign whose role may"),
    refusal("NOT_IN_POSITION", Class::Forbidden, "签发方不是规定的当事方", "let the party sign that is named"),
    refusal("STRANGER", Class::Forbidden, "单位与该设备无关系", "have the holder or the mine engage you first"),
    refusal(
        "HAND_MISSING",
        Class::Forbidden,
        "缺少必要的第二签名",
        "have the second party put its hand to the statement",
    ),
    refusal("HAND_FOREIGN", Class::Forbidden, "签名人与此事件无关", "remove the hand"),
    refusal(
        "MAKER_NAME_NOT_REGISTERED",
        Class::Forbidden,
        "厂名未登记在该单位名下",
        "have the registrar add the plate name",
    ),
    refusal(
        "SUBJECT_UNKNOWN",
        Class::Precondition,
        "主体未建档",
        "open its chain first: Manufactured or Enrolled for a machine",
    ),
    refusal("ALREADY_OPENED", Class::Precondition, "主体已建档", "continue the chain that is there"),
    refusal("NAMED_UNKNOWN", Class::Precondition, "内容引用的主体未登记", "register it first"),
    refusal("ALREADY_DISMANTLED", Class::Precondition, "设备已拆解", "look at the chain; this may be a clone"),
    refusal("NOTHING_DISPATCHED", Class::Precondition, "设备不在途", "let the holder dispatch it first"),
    refusal("WRONG_DISPATCH", Class::Precondition, "引用的发运事件不正确", "name the open dispatch"),
    refusal(
        "NOT_AS_RECORDED",
        Class::Precondition,
        "内容与记录不符",
        "state what is on record, or record what is missing first",
    ),
    refusal("EVENT_NOT_ON_CHAIN", Class::Precondition, "引用的事件不在此链上", "name an event of this chain"),
    refusal("CANNOT_BE_CORRECTED", Class::Precondition, "不可更正", "read what can be amended in docs/lifecycle.md"),
    refusal("LENGTHS_DIFFER", Class::Precondition, "分段长度与原长度不符", "let the pieces add up to the lot"),
    refusal(
        "OUTSIDE_JURISDICTION",
        Class::Forbidden,
        "超出管辖范围",
        "let an authority sign whose grant covers it, the same or a higher one",
    ),
    refusal("MARK_ENDED", Class::Precondition, "安标已撤销或注销", "a mark that ended has no further events"),
    refusal("STALE_HEAD", Class::Stale, "链头已变动", "look at the head, then sign again on it"),
    refusal("WRONG_PREVIOUS_HASH", Class::Stale, "前一事件哈希不正确", "look at the head, then sign again on it"),
    refusal("CHAIN_GAP", Class::Stale, "链序号不连续", "send the events before it first"),
    refusal("ISSUER_DIFFERS", Class::Exists, "同一载荷已由其他密钥签发", "it is recorded; do not send it again"),
    refusal("EVENT_ID_REUSED", Class::Exists, "事件编号已被使用", "give a new statement a new event id"),
    refusal("REBASE_TOO_FAR", Class::Stale, "重新签发间隔过大", "state it again with a new event id"),
];

impl Refusal {
    /// The reason, as in the table: what clients and tests match on.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Form(_) => "MALFORMED_EVENT",
            Self::BadSignature { .. } => "BAD_SIGNATURE",
            Self::WrongOrigin { .. } => "WRONG_ORIGIN",
            Self::SubjectMismatch { .. } => "SUBJECT_MISMATCH",
            Self::WrongSubjectKind { .. } => "WRONG_SUBJECT_KIND",
            Self::WrongMentions { .. } => "WRONG_MENTIONS",
            Self::MentionNotAllowed { .. } => "MENTION_NOT_ALLOWED",
            Self::Set(_) => "SET_MALFORMED",
            Self::SetIncomplete { .. } => "SET_INCOMPLETE",
            Self::PartEventMissing { .. } => "PART_EVENT_MISSING",
            Self::OccurredInFuture { .. } => "OCCURRED_IN_FUTURE",
            Self::OccurredTooEarly { .. } => "OCCURRED_TOO_EARLY",
            Self::BeforeManufacture { .. } => "BEFORE_MANUFACTURE",
            Self::KeyUnknown { .. } => "KEY_UNKNOWN",
            Self::KeyRevoked { .. } => "KEY_REVOKED",
            Self::KeyOfAnother { .. } => "KEY_OF_ANOTHER",
            Self::KeyNotMeant { .. } => "KEY_NOT_MEANT",
            Self::KeyInUse { .. } => "KEY_IN_USE",
            Self::ThresholdNotMet { .. } => "THRESHOLD_NOT_MET",
            Self::RoleNotHeld { .. } => "ROLE_NOT_HELD",
            Self::RoleMayNotSign { .. } => "ROLE_MAY_NOT_SIGN",
            Self::NotInPosition { .. } => "NOT_IN_POSITION",
            Self::Stranger { .. } => "STRANGER",
            Self::HandMissing { .. } => "HAND_MISSING",
            Self::HandForeign { .. } => "HAND_FOREIGN",
            Self::MakerNameNotRegistered { .. } => "MAKER_NAME_NOT_REGISTERED",
            Self::SubjectUnknown { .. } => "SUBJECT_UNKNOWN",
            Self::AlreadyOpened { .. } => "ALREADY_OPENED",
            Self::NamedUnknown { .. } => "NAMED_UNKNOWN",
            Self::AlreadyDismantled { .. } => "ALREADY_DISMANTLED",
            Self::NothingDispatched { .. } => "NOTHING_DISPATCHED",
            Self::WrongDispatch { .. } => "WRONG_DISPATCH",
            Self::NotAsRecorded { .. } => "NOT_AS_RECORDED",
            Self::EventNotOnChain { .. } => "EVENT_NOT_ON_CHAIN",
            Self::CannotBeCorrected { .. } => "CANNOT_BE_CORRECTED",
            Self::LengthsDiffer { .. } => "LENGTHS_DIFFER",
            Self::OutsideJurisdiction { .. } => "OUTSIDE_JURISDICTION",
            Self::MarkEnded { .. } => "MARK_ENDED",
            Self::StaleHead { .. } => "STALE_HEAD",
            Self::WrongPreviousHash { .. } => "WRONG_PREVIOUS_HASH",
            Self::ChainGap { .. } => "CHAIN_GAP",
            Self::IssuerDiffers { .. } => "ISSUER_DIFFERS",
            Self::EventIdReused { .. } => "EVENT_ID_REUSED",
            Self::RebaseTooFar { .. } => "REBASE_TOO_FAR",
        }
    }

    /// Its row of the table.
    pub fn row(&self) -> &'static RefusalRow {
        let reason = self.reason();
        REFUSALS.iter().find(|row| row.reason == reason).unwrap_or(&UNLISTED)
    }

    /// The head that the caller should sign on again, where that would help.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these three are about the head")]
    pub fn head(&self) -> Option<(SubjectId, Head)> {
        match self {
            Self::StaleHead { subject, head, .. }
            | Self::WrongPreviousHash { subject, head }
            | Self::ChainGap { subject, head, .. } => Some((*subject, *head)),
            _ => None,
        }
    }

    /// The values in the message, by name, for `ErrorInfo.metadata`.
    pub fn metadata(&self) -> Vec<(&'static str, String)> {
        let role = |role: &Role| role_name(*role).to_owned();
        let mut values: Vec<(&'static str, String)> = match self {
            // The bad fields ride along one by one, as the details of a malformed request.
            Self::Form(_) | Self::Set(_) | Self::WrongPreviousHash { .. } => Vec::new(),
            Self::CannotBeCorrected { why } => vec![("why", (*why).to_owned())],
            Self::BadSignature { key_id, over } => vec![("key_id", key_id.to_string()), ("over", (*over).to_owned())],
            Self::WrongOrigin { claimed, origin } => vec![("claimed", claimed.clone()), ("origin", origin.clone())],
            Self::SubjectMismatch { claimed, computed } => {
                vec![("claimed", claimed.to_string()), ("computed", computed.to_string())]
            }
            Self::WrongSubjectKind { kind, subject }
            | Self::SubjectUnknown { subject, kind }
            | Self::AlreadyOpened { subject, kind } => {
                vec![("kind", kind.to_string()), ("subject", subject.to_string())]
            }
            Self::WrongMentions { problem, subject } => {
                vec![("problem", (*problem).to_owned()), ("subject", subject.to_string())]
            }
            Self::MentionNotAllowed { organisation, subject, why } => vec![
                ("organisation", organisation.to_string()),
                ("subject", subject.to_string()),
                ("why", (*why).to_owned()),
            ],
            Self::SetIncomplete { count } => vec![("count", count.to_string())],
            Self::PartEventMissing { part } => vec![("part", part.to_string())],
            Self::OccurredInFuture { occurred_at, now } => {
                vec![("occurred_at", occurred_at.to_string()), ("now", now.to_string())]
            }
            Self::OccurredTooEarly { occurred_at } => vec![("occurred_at", occurred_at.to_string())],
            Self::BeforeManufacture { occurred_at, produced_on } => {
                vec![("occurred_at", occurred_at.to_string()), ("produced_on", produced_on.to_string())]
            }
            Self::KeyUnknown { key_id } | Self::KeyRevoked { key_id } => vec![("key_id", key_id.to_string())],
            Self::KeyNotMeant { key_id, kind } => vec![("key_id", key_id.to_string()), ("kind", (*kind).to_owned())],
            Self::KeyOfAnother { key_id, owner, organisation } => vec![
                ("key_id", key_id.to_string()),
                ("owner", owner.to_string()),
                ("organisation", organisation.to_string()),
            ],
            Self::KeyInUse { key_id, owner } | Self::HandForeign { key_id, owner } => {
                vec![("key_id", key_id.to_string()), ("owner", owner.to_string())]
            }
            Self::ThresholdNotMet { signed, threshold } => {
                vec![("signed", signed.to_string()), ("threshold", threshold.to_string())]
            }
            Self::RoleNotHeld { organisation, role: held } => {
                vec![("organisation", organisation.to_string()), ("role", role(held))]
            }
            Self::RoleMayNotSign { role: acting, kind, allowed } => {
                vec![("role", role(acting)), ("kind", kind.to_string()), ("allowed", allowed.clone())]
            }
            Self::NotInPosition { kind, position, organisation } => vec![
                ("kind", kind.to_string()),
                ("position", (*position).to_owned()),
                ("organisation", organisation.to_string()),
            ],
            Self::Stranger { organisation, subject } => {
                vec![("organisation", organisation.to_string()), ("subject", subject.to_string())]
            }
            Self::HandMissing { kind, second } => vec![("kind", kind.to_string()), ("second", (*second).to_owned())],
            Self::MakerNameNotRegistered { organisation, maker } => {
                vec![("organisation", organisation.to_string()), ("maker", maker.clone())]
            }
            Self::NamedUnknown { field, subject } => {
                vec![("field", (*field).to_owned()), ("subject", subject.to_string())]
            }
            Self::OutsideJurisdiction { organisation, what } => {
                vec![("organisation", organisation.to_string()), ("what", what.clone())]
            }
            Self::AlreadyDismantled { subject } | Self::NothingDispatched { subject } | Self::MarkEnded { subject } => {
                vec![("subject", subject.to_string())]
            }
            Self::WrongDispatch { open } => vec![("open", open.to_string())],
            Self::NotAsRecorded { field, claimed, on_record } => {
                vec![("field", (*field).to_owned()), ("claimed", claimed.clone()), ("on_record", on_record.clone())]
            }
            Self::EventNotOnChain { field } => vec![("field", (*field).to_owned())],
            Self::LengthsDiffer { pieces, parent } => vec![("pieces", pieces.clone()), ("parent", parent.clone())],
            Self::StaleHead { claimed, .. } | Self::ChainGap { claimed, .. } => vec![("claimed", claimed.to_string())],
            Self::IssuerDiffers { chain_index, issuer } => {
                vec![("chain_index", chain_index.to_string()), ("issuer", issuer.to_string())]
            }
            Self::EventIdReused { id, chain_index } => {
                vec![("event_id", id.to_string()), ("chain_index", chain_index.to_string())]
            }
            Self::RebaseTooFar { first_index, claimed } => {
                vec![("first_index", first_index.to_string()), ("claimed", claimed.to_string())]
            }
        };
        if let Some((subject, head)) = self.head() {
            values.push(("subject", subject.to_string()));
            values.push(("chain_length", head.chain_length.to_string()));
            values.push(("head_hash", head.head_hash.to_string()));
        }
        values
    }
}

const UNLISTED: RefusalRow = refusal("UNLISTED", Class::Malformed, "未列出", "report this");
