//! Flags of `tally mark` and `tally verify-mark`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Asking, Clocks, Connection, Signing};

/// Safety marks.
#[derive(Debug, Subcommand)]
pub enum Mark {
    /// Shows a mark: certificates, periods, state, its history proved complete. 安标查询
    ///
    /// Examples:
    ///   tally mark show MEA130001                                        as it stands now
    ///   tally mark show MEA130001 --as-of 2024-05-01T00:00:00+08:00      as it stood on a day
    ///
    /// Exits 1 for a number that is not on record, with a proof of that.
    #[command(verbatim_doc_comment)]
    Show(Box<MarkShow>),
    /// Issues a mark: signed by a mark authority. 安标发放
    ///
    /// Examples:
    ///   tally record template mark_issued      shows every field of a certificate
    ///   tally mark issue MEA130001 --file certificate.json --issued-on 2025-01-01 \
    ///     --from 2025-01-01 --until 2029-12-31 --document-no 安标字〔2025〕1号
    ///
    /// The file holds the certificate: holder, producers, productName, models, standards, scope,
    /// parts, joined, remarks.
    #[command(verbatim_doc_comment)]
    Issue(Box<MarkIssue>),
    /// Changes a certificate from a day of manufacture on: signed by a mark authority. 安标变更
    ///
    /// Examples:
    ///   tally mark change MEA130001 --file certificate.json --produced-from 2026-01-01 \
    ///     --what 增加型号 --document-no 安标字〔2026〕9号
    ///
    /// The file holds the whole certificate as changed; older versions stay readable.
    #[command(verbatim_doc_comment)]
    Change(Box<MarkChange>),
    /// Adds a period of validity: signed by a mark authority. 延续
    ///
    /// Examples:
    ///   tally mark renew MEA130001 --from 2030-01-01 --until 2034-12-31 \
    ///     --issued-on 2029-12-01 --document-no A-7
    #[command(verbatim_doc_comment)]
    Renew(Box<MarkRenew>),
    /// Suspends a mark: signed by a mark authority. 安标暂停
    ///
    /// Examples:
    ///   tally mark suspend MEA130001 --from 2026-03-01 --stops making,selling \
    ///     --reason 抽检不合格 --document-no A-8
    #[command(verbatim_doc_comment)]
    Suspend(Box<MarkSuspend>),
    /// Ends a suspension: signed by a mark authority. 安标恢复
    ///
    /// Examples:
    ///   tally mark resume MEA130001 --from 2026-06-01 --remedied 复检合格 --document-no A-9
    #[command(verbatim_doc_comment)]
    Resume(Box<MarkResume>),
    /// Revokes a mark for good: signed by a mark authority. 安标撤销
    ///
    /// Examples:
    ///   tally mark revoke MEA130001 --from 2026-03-02 --reason 提供虚假材料 --stops-use \
    ///     --document-no A-10
    ///   tally mark revoke MEA130001 --from 2026-03-02 --reason 部件不符 --serials 0031,0032 \
    ///     --document-no A-10
    #[command(verbatim_doc_comment)]
    Revoke(Box<MarkRevoke>),
    /// Cancels a mark at its holder's wish: signed by a mark authority. 安标注销
    ///
    /// Examples:
    ///   tally mark cancel MEA130001 --from 2026-03-02 --reason 产品停产 --document-no A-11
    #[command(verbatim_doc_comment)]
    Cancel(Box<MarkCancel>),
}

/// A mark to show.
#[derive(Args, Debug)]
pub struct MarkShow {
    /// Number. 安全标志编号
    pub number: String,
    /// The two clocks.
    #[command(flatten)]
    pub clocks: Clocks,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who asks.
    #[command(flatten)]
    pub asking: Asking,
}

/// How a statement about a mark is reached, signed and backed.
#[derive(Args, Debug)]
pub struct Stating {
    /// Number of the document. 文号
    #[arg(long, value_name = "NUMBER")]
    pub document_no: String,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// A mark that is issued.
#[derive(Args, Debug)]
pub struct MarkIssue {
    /// Number, 9 characters: class, two letters, six digits. 安全标志编号
    pub number: String,
    /// Certificate as JSON; `-` for stdin. 证书
    #[arg(long)]
    pub file: PathBuf,
    /// Kind: type, batch or trial. 安标类型
    #[arg(long, default_value = "type")]
    pub kind: String,
    /// Day of issue, YYYY-MM-DD. 发证日期
    #[arg(long, value_name = "DAY")]
    pub issued_on: String,
    /// First day of validity, YYYY-MM-DD. 有效期起
    #[arg(long, value_name = "DAY")]
    pub from: String,
    /// Last day of validity, included, YYYY-MM-DD; none for a batch. 有效期止
    #[arg(long, value_name = "DAY")]
    pub until: Option<String>,
    /// Serials of a batch. 批次编号
    #[arg(long, value_name = "SERIAL", value_delimiter = ',')]
    pub serials: Vec<String>,
    /// Mines of a trial. 试验煤矿
    #[arg(long, value_name = "UUID", value_delimiter = ',')]
    pub trial_mines: Vec<String>,
    /// How it is stated.
    #[command(flatten)]
    pub stating: Stating,
}

/// A certificate that is changed.
#[derive(Args, Debug)]
pub struct MarkChange {
    /// Number. 安全标志编号
    pub number: String,
    /// Whole certificate as changed, as JSON; `-` for stdin. 证书
    #[arg(long)]
    pub file: PathBuf,
    /// First day of manufacture that it covers, YYYY-MM-DD; it may lie back. 制造日期起
    #[arg(long, value_name = "DAY")]
    pub produced_from: String,
    /// What changed. 变更内容
    #[arg(long)]
    pub what: String,
    /// Serials that are added to a batch. 增加的批次编号
    #[arg(long, value_name = "SERIAL", value_delimiter = ',')]
    pub serials_added: Vec<String>,
    /// How it is stated.
    #[command(flatten)]
    pub stating: Stating,
}

/// A mark that is renewed.
#[derive(Args, Debug)]
pub struct MarkRenew {
    /// Number. 安全标志编号
    pub number: String,
    /// First day of the new period, YYYY-MM-DD. 有效期起
    #[arg(long, value_name = "DAY")]
    pub from: String,
    /// Last day of the new period, included, YYYY-MM-DD. 有效期止
    #[arg(long, value_name = "DAY")]
    pub until: String,
    /// Day of issue, YYYY-MM-DD. 发证日期
    #[arg(long, value_name = "DAY")]
    pub issued_on: String,
    /// How it is stated.
    #[command(flatten)]
    pub stating: Stating,
}

/// A mark that is suspended.
#[derive(Args, Debug)]
pub struct MarkSuspend {
    /// Number. 安全标志编号
    pub number: String,
    /// First day, YYYY-MM-DD. 起
    #[arg(long, value_name = "DAY")]
    pub from: String,
    /// What it stops: making, selling, use. 停止范围
    #[arg(long, value_name = "ACTIVITY", value_delimiter = ',', required = true)]
    pub stops: Vec<String>,
    /// Why. 原因
    #[arg(long)]
    pub reason: String,
    /// How it is stated.
    #[command(flatten)]
    pub stating: Stating,
}

/// A mark that is resumed.
#[derive(Args, Debug)]
pub struct MarkResume {
    /// Number. 安全标志编号
    pub number: String,
    /// First day, YYYY-MM-DD. 起
    #[arg(long, value_name = "DAY")]
    pub from: String,
    /// What was put right. 整改情况
    #[arg(long)]
    pub remedied: String,
    /// How it is stated.
    #[command(flatten)]
    pub stating: Stating,
}

/// A mark that is revoked.
#[derive(Args, Debug)]
pub struct MarkRevoke {
    /// Number. 安全标志编号
    pub number: String,
    /// First day, YYYY-MM-DD. 起
    #[arg(long, value_name = "DAY")]
    pub from: String,
    /// Why. 原因
    #[arg(long)]
    pub reason: String,
    /// First day of manufacture that is hit, YYYY-MM-DD; all before `--produced-until` without it. 涉及制造日期起
    #[arg(long, value_name = "DAY")]
    pub produced_from: Option<String>,
    /// Last day of manufacture that is hit, YYYY-MM-DD; all since `--produced-from` without it. 涉及制造日期止
    #[arg(long, value_name = "DAY")]
    pub produced_until: Option<String>,
    /// Serials that are hit; all of those days without it. 涉及编号
    #[arg(long, value_name = "SERIAL", value_delimiter = ',')]
    pub serials: Vec<String>,
    /// Units in the field must stop. 在用停止使用
    #[arg(long)]
    pub stops_use: bool,
    /// How it is stated.
    #[command(flatten)]
    pub stating: Stating,
}

/// A mark that is cancelled.
#[derive(Args, Debug)]
pub struct MarkCancel {
    /// Number. 安全标志编号
    pub number: String,
    /// First day, YYYY-MM-DD. 起
    #[arg(long, value_name = "DAY")]
    pub from: String,
    /// Why. 原因
    #[arg(long)]
    pub reason: String,
    /// How it is stated.
    #[command(flatten)]
    pub stating: Stating,
}

/// Whose mark to verify.
#[derive(Args, Debug)]
pub struct VerifyMark {
    /// `MAKER::MODEL::SERIAL`, `equipment/UUID`, or the number of a mark.
    pub of: String,
    /// The two clocks.
    #[command(flatten)]
    pub clocks: Clocks,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who asks.
    #[command(flatten)]
    pub asking: Asking,
}
