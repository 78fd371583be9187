//! Flags of `tally order` and `tally recall`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Asking, Connection, Signing};

/// Orders of a regulator.
#[derive(Debug, Subcommand)]
pub enum Order {
    /// Orders that machines are not used: signed by a regulator. 责令停止使用
    ///
    /// Examples:
    ///   tally order stop-use 'Maker::Model::Serial' --order-no 停2026-1 --authority 省局 \
    ///     --legal-basis '安全生产法2021 §70' --condition '整改合格'
    ///   tally order stop-use --from-findings MARK-005 --in-mine UUID --order-no 停2026-2 …
    ///
    /// Machines of a query are written with the query and the hash of the whole list. More than 240
    /// make one atomic set with what extends the order. Without --mine the mines that must
    /// acknowledge it are those that the machines are in.
    #[command(verbatim_doc_comment)]
    StopUse(Box<StopUse>),
    /// Seals machines, or seizes them: signed by a regulator. 查封/扣押
    ///
    /// Examples:
    ///   tally order seal 'Maker::Model::Serial' --seal-no F-17 --place 地面库房 \
    ///     --order-no 封2026-1 --authority 省局 --legal-basis '煤矿安全生产条例2024 §44'
    #[command(verbatim_doc_comment)]
    Seal(Box<Seal>),
    /// Lifts a stop of use for machines: signed by the regulator that ordered it. 解除停止使用
    ///
    /// Examples:
    ///   tally order lift order/UUID 'Maker::Model::Serial' --checked-by 省局 --result 整改合格
    ///   tally order lift order/UUID --all --checked-by 省局 --result 整改合格
    #[command(verbatim_doc_comment)]
    Lift(Box<Lift>),
    /// Takes the seal off machines: signed by the regulator that ordered it. 解封
    ///
    /// Examples:
    ///   tally order unseal order/UUID --all --decision 解除查封决定书2026-3
    #[command(verbatim_doc_comment)]
    Unseal(Box<Unseal>),
    /// Adds machines or mines to an order or recall: signed by who gave it. 指令续表
    ///
    /// Examples:
    ///   tally order extend order/UUID 'Maker::Model::0032' 'Maker::Model::0033'
    #[command(verbatim_doc_comment)]
    Extend(Box<Extend>),
    /// Acknowledges an order for a mine, or notes that the mine refused to. 签收
    ///
    /// Examples:
    ///   tally order receive order/UUID --mine UUID                       signed by the mine
    ///   tally order receive order/UUID --mine UUID --refused --note 拒签   signed by the regulator
    #[command(verbatim_doc_comment)]
    Receive(Box<Receive>),
    /// Shows an order: its machines and mines, and what became of each, by its history proved complete. 指令查询
    ///
    /// Examples:
    ///   tally order show order/UUID
    #[command(verbatim_doc_comment)]
    Show(ShowOrder),
}

/// Recalls.
#[derive(Debug, Subcommand)]
pub enum Recall {
    /// Recalls machines: signed by their maker, or a regulator. 召回
    ///
    /// Examples:
    ///   tally recall issue 'Maker::Model::0031' 'Maker::Model::0032' --order-no 召2026-1 \
    ///     --authority Maker --legal-basis 缺陷产品召回 --hazard 制动失效 --interim stop \
    ///     --remedy 更换制动器 --due-by 2026-12-31
    ///   tally recall issue --list machines.txt …                         one machine a line
    #[command(verbatim_doc_comment)]
    Issue(Box<RecallIssue>),
    /// States that a machine was put right: signed as docs/roles.md says. 召回完成
    ///
    /// Examples:
    ///   tally recall remedy order/UUID 'Maker::Model::0031' --work 更换制动器 --result pass
    #[command(verbatim_doc_comment)]
    Remedy(Box<RecallRemedy>),
    /// Shows a recall: its machines and mines, and what became of each, by its history proved complete. 召回查询
    ///
    /// Examples:
    ///   tally recall show order/UUID
    #[command(verbatim_doc_comment)]
    Show(ShowOrder),
}

/// Machines: named, from a list, or found by a query.
#[derive(Args, Debug)]
pub struct Machines {
    /// Machines: plate, alias or id.
    #[arg(value_name = "MACHINE")]
    pub machines: Vec<String>,
    /// File with one machine a line; `-` for stdin.
    #[arg(long, value_name = "FILE", help_heading = "Machines")]
    pub list: Option<PathBuf>,
    /// Machines with an open finding of this rule, as of now; the query goes into the order. 规则
    #[arg(long, value_name = "RULE", conflicts_with_all = ["machines", "list"], help_heading = "Machines")]
    pub from_findings: Option<String>,
    /// Only those in this mine. 煤矿
    #[arg(long, value_name = "UUID", requires = "from_findings", help_heading = "Machines")]
    pub in_mine: Option<String>,
    /// Only findings of this cause, for example a mark's number. 原因
    #[arg(long, requires = "from_findings", help_heading = "Machines")]
    pub cause: Option<String>,
}

/// Number, authority and basis of an order, and who must acknowledge it.
#[derive(Args, Debug)]
pub struct Ordering {
    /// Number of the order. 文书编号
    #[arg(long, value_name = "NUMBER", help_heading = "Order")]
    pub order_no: String,
    /// Authority as it signs itself. 机关
    #[arg(long, help_heading = "Order")]
    pub authority: String,
    /// Legal basis. 法律依据
    #[arg(long, value_name = "TEXT", help_heading = "Order")]
    pub legal_basis: String,
    /// Mine that must acknowledge it; may be repeated. Those that the machines are in, without it. 煤矿
    #[arg(long = "mine", value_name = "UUID", help_heading = "Order")]
    pub mines: Vec<String>,
}

/// A stop of use.
#[derive(Args, Debug)]
pub struct StopUse {
    /// Machines.
    #[command(flatten)]
    pub machines: Machines,
    /// The order.
    #[command(flatten)]
    pub ordering: Ordering,
    /// Last day, YYYY-MM-DD. 止
    #[arg(long, value_name = "DAY", help_heading = "Order")]
    pub until: Option<String>,
    /// Condition under which it ends; needed without a last day. 解除条件
    #[arg(long, value_name = "TEXT", required_unless_present = "until", help_heading = "Order")]
    pub condition: Option<String>,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// A seal.
#[derive(Args, Debug)]
pub struct Seal {
    /// Machines.
    #[command(flatten)]
    pub machines: Machines,
    /// The order.
    #[command(flatten)]
    pub ordering: Ordering,
    /// Number of the seal. 封条编号
    #[arg(long, value_name = "NUMBER", help_heading = "Order")]
    pub seal_no: String,
    /// Where, in words. 地点
    #[arg(long, value_name = "TEXT", help_heading = "Order")]
    pub place: String,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// Machines of an order.
#[derive(Args, Debug)]
pub struct OfOrder {
    /// Order, as `order/UUID`. 指令
    pub order: String,
    /// Machines of it: plate, alias or id.
    #[arg(value_name = "MACHINE", required_unless_present = "all")]
    pub machines: Vec<String>,
    /// All machines for which it still stands.
    #[arg(long, conflicts_with = "machines")]
    pub all: bool,
}

/// The end of a stop of use.
#[derive(Args, Debug)]
pub struct Lift {
    /// Which.
    #[command(flatten)]
    pub of: OfOrder,
    /// Who checked. 复查人(机关)
    #[arg(long, value_name = "NAME")]
    pub checked_by: String,
    /// What the check gave. 复查结果
    #[arg(long, value_name = "TEXT")]
    pub result: String,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// The end of a seal.
#[derive(Args, Debug)]
pub struct Unseal {
    /// Which.
    #[command(flatten)]
    pub of: OfOrder,
    /// The decision. 决定
    #[arg(long, value_name = "TEXT")]
    pub decision: String,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// More machines or mines of an order.
#[derive(Args, Debug)]
pub struct Extend {
    /// Order or recall, as `order/UUID`. 指令
    pub order: String,
    /// Machines: plate, alias or id.
    #[arg(value_name = "MACHINE")]
    pub machines: Vec<String>,
    /// File with one machine a line; `-` for stdin.
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// Mine that must acknowledge it; may be repeated. Those that the machines are in, without it. 煤矿
    #[arg(long = "mine", value_name = "UUID")]
    pub mines: Vec<String>,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// A receipt of an order.
#[derive(Args, Debug)]
pub struct Receive {
    /// Order or recall, as `order/UUID`. 指令
    pub order: String,
    /// Mine. 煤矿
    #[arg(long, value_name = "UUID")]
    pub mine: String,
    /// The mine refused to sign; a regulator notes it. 拒签
    #[arg(long)]
    pub refused: bool,
    /// Note.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// What must be done until a recall is remedied.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Interim {
    /// Stop. 停用
    Stop,
    /// Restrict. 限制使用
    Restrict,
    /// Inspect. 检查
    Inspect,
}

/// A recall.
#[derive(Args, Debug)]
pub struct RecallIssue {
    /// Machines.
    #[command(flatten)]
    pub machines: Machines,
    /// The order.
    #[command(flatten)]
    pub ordering: Ordering,
    /// The hazard. 危害
    #[arg(long, value_name = "TEXT", help_heading = "Order")]
    pub hazard: String,
    /// What must be done until it is remedied. 临时措施
    #[arg(long, value_enum, help_heading = "Order")]
    pub interim: Interim,
    /// The remedy. 补救措施
    #[arg(long, value_name = "TEXT", help_heading = "Order")]
    pub remedy: String,
    /// Last day of the remedy, YYYY-MM-DD. 完成期限
    #[arg(long, value_name = "DAY", help_heading = "Order")]
    pub due_by: String,
    /// Model of every machine that it names. 型号
    #[arg(long, value_name = "UUID", help_heading = "Order")]
    pub model: Option<String>,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// A machine that was put right.
#[derive(Args, Debug)]
pub struct RecallRemedy {
    /// Recall, as `order/UUID`. 召回
    pub recall: String,
    /// Machine: plate, alias or id. 设备
    pub machine: String,
    /// What was done. 补救内容
    #[arg(long, value_name = "TEXT")]
    pub work: String,
    /// Outcome: pass, fail or conditional. 结果
    #[arg(long)]
    pub result: String,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// Which order to show.
#[derive(Args, Debug)]
pub struct ShowOrder {
    /// Order or recall, as `order/UUID`. 指令
    pub order: String,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who asks.
    #[command(flatten)]
    pub asking: Asking,
}
