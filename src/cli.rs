//! Flags. One flag means one thing everywhere.

pub mod audit;
pub mod finding;
pub mod mark;
pub mod order;
pub mod publish;
pub mod refusals;
pub mod upload;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::output::Format;

/// The ledger of record for key mine equipment. 矿用重要设备全生命周期账本
///
/// Examples:
///   tally demo                                       see it work
///   tally init ledger --origin ledger.example/mines  found a ledger
///   tally serve ledger                               serve it
///   tally show 'Maker::Model::Serial'                look a machine up by its plate
///   tally log verify ledger/log                      re-read everything and recompute it
#[derive(Debug, Parser)]
#[command(name = "tally", version, verbatim_doc_comment, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// How answers are printed.
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Output")]
    pub output: Format,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Founds a ledger: keys, registrar, first entry. Once. 创建账本
    Init(Init),
    /// Serves a ledger over gRPC. 启动服务
    Serve(Serve),
    /// Makes keys, and registers them. 密钥
    #[command(subcommand)]
    Key(Key),
    /// Registers organisations and their roles, and shows them. 单位
    #[command(subcommand)]
    Org(Org),
    /// Registers mines and places, and shows them. 煤矿
    #[command(subcommand)]
    Mine(Mine),
    /// Records an event, or an atomic set of events from a file. 记载
    ///
    /// Examples:
    ///   tally record template manufactured > event.json     print a file to fill in
    ///   tally record --file event.json                      record what was filled in
    ///   tally record inspected 'Maker::Model::Serial' --inspection-kind daily --nothing-found
    ///   tally record noted 'Maker::Model::Serial' --set text='seen at the gate' --dry-run
    ///
    /// Kinds with flags of their own: factory_exit 出厂, dispatched 发运, received 接收,
    /// warehoused 入库, acceptance_checked 到矿验收, ex_proof_checked 入井防爆检查,
    /// entered_mine 入井, installed 安装, commissioned 投用, inspected 检查, maintained 维修,
    /// fault_reported 故障上报. Every kind can be recorded with --set or --file.
    #[command(verbatim_doc_comment)]
    Record(Box<Record>),
    /// Publishes rules' parameters, schedules, categories and phase-out lists from tables, and shows them. 发布
    ///
    /// Examples:
    ///   tally publish show schedule > schedule.csv        a table to edit
    ///   tally publish check schedule.csv                  every problem with its line and column
    ///   tally publish schedule schedule.csv --title '本矿检修周期' --from 2026-05-01 --mine UUID
    ///   tally publish defaults --from 2026-05-01          the product's own tables
    ///
    /// docs/publications.md explains the columns, and which publication counts where.
    #[command(subcommand, verbatim_doc_comment)]
    Publish(Box<publish::Publish>),
    /// Shows safety marks, and records what a mark authority states about them. 安标
    #[command(subcommand)]
    Mark(mark::Mark),
    /// Verifies the mark of a machine, or a mark alone: nine questions, each answered by the record. 安标验证
    ///
    /// Examples:
    ///   tally verify-mark 'Maker::Model::Serial'         what stands on the plate
    ///   tally verify-mark MEA130001                      a mark alone: is it genuine, is it in force
    ///   tally verify-mark 'Maker::Model::Serial' --as-of 2024-05-01T00:00:00+08:00
    ///
    /// The verdict is the worst of the lines. What the record does not say is UNKNOWN 未知 and never a
    /// pass; a note is worth knowing and does not count; a line may be withheld from whoever may not
    /// see what it rests on. Every entry that a line names is proved to be on record.
    /// Exits 0 only for PASS 通过.
    #[command(verbatim_doc_comment)]
    VerifyMark(Box<mark::VerifyMark>),
    /// Lists the rules that findings come from. Needs no server. 规则
    ///
    /// Examples:
    ///   tally rules                                      all of them
    ///   tally rules MARK-004                             one, with all that it says
    ///   tally rules --output json                        for programs
    #[command(verbatim_doc_comment)]
    Rules(finding::Rules),
    /// Lists findings: what is wrong with machines and mines although it is on record. 问题清单
    ///
    /// Examples:
    ///   tally findings --mine UUID --severity major,serious      the worst of a mine
    ///   tally findings --area 14 --legal-major --count           how many where, by rule and cause
    ///   tally findings --rule MARK-005 --cause MEA130001 --all   every machine with one revoked mark
    ///   tally findings --machine 'Maker::Model::Serial' --closed --known-at 2026-04-02T08:00:00+08:00
    ///
    /// 「重大事故隐患(判定标准)」 is said only of what is in the closed legal list;
    /// 严重 is this ledger's own grade.
    #[command(verbatim_doc_comment)]
    Findings(Box<finding::Findings>),
    /// Lists what falls due and becomes a finding if nothing is done, the soonest first. 到期清单
    ///
    /// Examples:
    ///   tally due --mine UUID --days 14
    #[command(verbatim_doc_comment)]
    Due(finding::Due),
    /// Stops the use of machines, seals them, lifts that, and shows what became of an order. 监管指令
    #[command(subcommand)]
    Order(order::Order),
    /// Recalls machines, states that they were put right, and shows what became of a recall. 召回
    #[command(subcommand)]
    Recall(order::Recall),
    /// Shows a machine, organisation or mine: by plate, alias or id. 查询
    ///
    /// Examples:
    ///   tally show 'Maker::Model::Serial'            who holds it, where it is, what is wrong with it
    ///   tally show 'Maker::Model::Serial' --as-of 2026-04-02T08:00:00+08:00
    ///
    /// A plate that no machine bears is answered with a proof of absence and exit code 1:
    /// that is what a forged plate meets.
    #[command(verbatim_doc_comment)]
    Show(Show),
    /// Shows the whole history of a subject, proved complete. 履历
    ///
    /// Examples:
    ///   tally history 'Maker::Model::Serial'         every event about a machine
    ///   tally history mine/UUID                      what is on a mine's chain, and what mentions it
    ///
    /// Every entry's signatures are checked, and it is proved that none is left out.
    /// With a clock only a part is shown; what is proved is the whole.
    #[command(verbatim_doc_comment)]
    History(History),
    /// Lists machines. 清单
    ///
    /// Examples:
    ///   tally list --state-is stopped --mine UUID    what stands still in a mine
    ///   tally list --maker Maker --all --output jsonl
    ///
    /// That a list is complete, `tally mine machines` proves.
    #[command(verbatim_doc_comment)]
    List(List),
    /// Shows the figures of a mine, or of an area and each of its mines. 概览
    ///
    /// Examples:
    ///   tally overview mine/UUID        one mine
    ///   tally overview --area 1406      a city, its mines with the gravest findings first
    #[command(verbatim_doc_comment)]
    Overview(audit::Overview),
    /// Lists orders and what happened since, and exports everything about a mine with proofs. 审计
    #[command(subcommand)]
    Audit(Box<audit::Audit>),
    /// Fetches proofs and checks them. 证明
    #[command(subcommand)]
    Proof(Proof),
    /// Verifies, exports and follows the log itself. 日志
    #[command(subcommand)]
    Log(Log),
    /// Lists submissions that were refused, by the server's word: under no checkpoint. 拒收记录
    ///
    /// Examples:
    ///   tally refusals --reason STRANGER --since 2026-04-01T00:00:00+08:00
    ///   tally refusals --about 'Maker::Model::Serial' --output json
    ///
    /// An organisation sees its own, a regulator those of its jurisdiction, the registrar all.
    #[command(verbatim_doc_comment)]
    Refusals(refusals::Refusals),
    /// Checks files of the national upload and holds them against the ledger. 国家上传文件
    #[command(subcommand)]
    Upload(upload::Upload),
    /// Prints a token that proves for a few minutes who asks, for programs that speak gRPC by themselves. 令牌
    ///
    /// Examples:
    ///   grpcurl -H "authorization: Bearer $(tally token)" ...      with TALLY_KEY and its like set
    ///
    /// Whoever has the token is the organisation until it expires. What it lets you see: docs/security.md.
    #[command(verbatim_doc_comment)]
    Token(Token),
    /// Looks after the index. 索引
    #[command(subcommand)]
    Index(Index),
    /// Replays the sample through a real server and shows what it answers. 演示
    Demo(Demo),
    /// Measures a real server. 性能测试
    #[command(subcommand)]
    Bench(Bench),
}

/// How a server is reached and trusted.
#[derive(Args, Clone, Debug)]
pub struct Connection {
    /// The server.
    #[arg(long, env = "TALLY_SERVER", default_value = "http://127.0.0.1:7447", help_heading = "Connection")]
    pub server: String,
    /// File with the log's verifier key, as `log.pub` in the ledger's directory; pin it once, from a source you trust.
    #[arg(long, env = "TALLY_LOG_KEY", value_name = "FILE", help_heading = "Connection")]
    pub log_key: Option<PathBuf>,
    /// Directory in which the last checkpoint is kept, so that a server that goes back is caught.
    #[arg(long, env = "TALLY_STATE", value_name = "DIR", help_heading = "Connection")]
    pub state: Option<PathBuf>,
}

/// Who signs.
#[derive(Args, Clone, Debug)]
pub struct Signing {
    /// Organisation that acts. 单位
    #[arg(long, env = "TALLY_ORGANISATION", value_name = "UUID", help_heading = "Signing")]
    pub organisation: Option<String>,
    /// Role in which it acts, for example `mine` or `manufacturer`. 角色
    #[arg(long, env = "TALLY_ROLE", help_heading = "Signing")]
    pub role: Option<String>,
    /// Key file of the issuer. 签发方
    #[arg(long, env = "TALLY_KEY", value_name = "FILE", help_heading = "Signing")]
    pub key: Option<PathBuf>,
    /// Key file of a hand: somebody who did the work, or a second party; at most 4. 签名人
    #[arg(long = "hand", value_name = "FILE", help_heading = "Signing")]
    pub hands: Vec<PathBuf>,
    /// When it happened, RFC 3339; now without it. 发生时间
    #[arg(long, value_name = "TIME", help_heading = "Signing")]
    pub occurred_at: Option<String>,
    /// Shows exactly what would be signed, and records nothing. 试运行
    #[arg(long, help_heading = "Signing")]
    pub dry_run: bool,
}

/// Who asks. Without a key only what anyone may see is answered.
#[derive(Args, Clone, Debug, Default)]
pub struct Asking {
    /// Organisation that asks. 单位
    #[arg(long, env = "TALLY_ORGANISATION", value_name = "UUID", help_heading = "Asking")]
    pub organisation: Option<String>,
    /// Role in which it asks, for example `mine` or `regulator`. 角色
    #[arg(long, env = "TALLY_ROLE", help_heading = "Asking")]
    pub role: Option<String>,
    /// Key file that proves it; without one only what anyone may see is answered. 密钥
    #[arg(long, env = "TALLY_KEY", value_name = "FILE", help_heading = "Asking")]
    pub key: Option<PathBuf>,
}

/// The two clocks.
#[derive(Args, Clone, Debug, Default)]
pub struct Clocks {
    /// The state as of this instant, RFC 3339. 截至时点
    #[arg(long, value_name = "TIME", help_heading = "Clocks")]
    pub as_of: Option<String>,
    /// Know only what was recorded by this instant, RFC 3339. 知悉时点
    #[arg(long, value_name = "TIME", help_heading = "Clocks")]
    pub known_at: Option<String>,
    /// Know only the first so many entries.
    #[arg(long, value_name = "SIZE", conflicts_with = "known_at", help_heading = "Clocks")]
    pub known_size: Option<u64>,
}

/// Founds a ledger.
#[derive(Args, Debug)]
pub struct Init {
    /// Data directory; must not hold a ledger.
    pub dir: PathBuf,
    /// Name of the log: visible ASCII without blank and plus, like a host name with a path. It never changes.
    #[arg(long)]
    pub origin: String,
    /// Name of the registrar. 登记机构
    #[arg(long, default_value = "Registrar")]
    pub registrar: String,
    /// Number of the registrar in its scheme; the origin without it.
    #[arg(long)]
    pub number: Option<String>,
    /// Numbering scheme of the registrar.
    #[arg(long, value_enum, default_value_t = Scheme::Other)]
    pub scheme: Scheme,
    /// Publishes the product's own tables: schedule, categories, phase-out list, parameters of rules. 发布默认表
    #[arg(long)]
    pub publish_defaults: bool,
    /// First day on which they count, YYYY-MM-DD; today without it. 施行日期
    #[arg(long, value_name = "DAY", requires = "publish_defaults")]
    pub from: Option<String>,
}

/// A numbering scheme.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Scheme {
    /// Unified social credit code. 统一社会信用代码
    Uscc,
    /// Chinese coal-mine code. 煤矿编码
    CnCoalMine,
    /// Mine id of the US Mine Safety and Health Administration.
    Msha,
    /// Any other numbering.
    Other,
}

/// Serves a ledger.
#[derive(Args, Debug)]
pub struct Serve {
    /// Data directory, made by `tally init`.
    pub dir: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, env = "TALLY_LISTEN", default_value = "127.0.0.1:7447")]
    pub listen: SocketAddr,
    /// Listens on another address than loopback although nothing is encrypted: who listens on the way reads events and
    /// takes tokens. For networks that encrypt by themselves, or behind a proxy that does.
    #[arg(long)]
    pub insecure_plaintext: bool,
    /// Organisations that may read the log itself, besides regulators and investigators without limits and the registrar.
    #[arg(long, env = "TALLY_LOG_READERS", value_name = "UUID", value_delimiter = ',')]
    pub log_readers: Vec<String>,
    /// Takes the clock as right although it is over 30 days past the last entry.
    #[arg(long)]
    pub accept_clock: bool,
    /// Fence file, best on another disk, never restored with the data; `DIR/fence` without it. 围栏
    #[arg(long, env = "TALLY_FENCE", value_name = "FILE")]
    pub fence: Option<PathBuf>,
    /// Makes a fence anew where there is none: after the disk that held it was lost, and the log is known to be whole.
    #[arg(long)]
    pub new_fence: bool,
    /// Cache of the index in MiB.
    #[arg(long, default_value_t = 256, value_name = "MIB")]
    pub index_cache: u64,
    /// Questions a second that each address may ask about marks without an account; 0 for no limit.
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    pub public_rate: u32,
}

/// Keys.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Makes a key file (PKCS#8 PEM, 0600) and prints its public key and id.
    Generate {
        /// Where; must not exist.
        file: PathBuf,
    },
    /// Prints the public key and id of a key file.
    Show {
        /// Which.
        file: PathBuf,
    },
    /// Registers a key of an organisation: signed by its recovery key or the registrar. 密钥登记
    ///
    /// Without --organisation it is the organisation itself that signs, with its recovery key.
    Add {
        /// Organisation whose key it is.
        #[arg(value_name = "ORGANISATION")]
        whose: String,
        /// Public key in hex, or key file.
        #[arg(value_name = "PUBLIC_KEY")]
        public_key: String,
        /// Whose it is.
        #[arg(long, value_enum, default_value_t = KeyKind::Organisation)]
        kind: KeyKind,
        /// Post of the person; staff keys, and needed there. 岗位
        #[arg(long)]
        post: Option<String>,
        /// Section of the person; staff keys. 部门
        #[arg(long)]
        section: Option<String>,
        /// Id of the person, if there is one already; a new random one without it. Staff keys. 人员编号
        #[arg(long, value_name = "UUID")]
        person: Option<String>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who signs.
        #[command(flatten)]
        signing: Signing,
    },
    /// Revokes a key of an organisation: signed by its recovery key or the registrar. 密钥吊销
    ///
    /// Without --organisation it is the organisation itself that signs, with its recovery key.
    Revoke {
        /// Organisation whose key it is.
        #[arg(value_name = "ORGANISATION")]
        whose: String,
        /// Id of the key, in hex.
        key_id: String,
        /// Why.
        #[arg(long, value_enum)]
        reason: RevocationReason,
        /// Since when it must not be trusted, RFC 3339, compared with recorded_at.
        #[arg(long, value_name = "TIME")]
        untrusted_since: Option<String>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who signs.
        #[command(flatten)]
        signing: Signing,
    },
}

/// Whose a key is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KeyKind {
    /// The organisation's own.
    Organisation,
    /// A person's.
    Staff,
    /// A device's.
    Device,
    /// For adding and revoking keys.
    Recovery,
}

/// Why a key was revoked.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RevocationReason {
    /// Replaced.
    Rotated,
    /// The person left.
    Left,
    /// Lost.
    Lost,
    /// In foreign hands.
    Leaked,
}

/// Organisations.
#[derive(Debug, Subcommand)]
pub enum Org {
    /// Registers an organisation: signed by the registrar. 单位登记
    Register {
        /// Name. 单位名称
        #[arg(long)]
        name: String,
        /// Numbering scheme.
        #[arg(long, value_enum, default_value_t = Scheme::Uscc)]
        scheme: Scheme,
        /// Number. 编号
        #[arg(long)]
        number: String,
        /// Public key in hex or key file: signs for the organisation.
        #[arg(long)]
        first_key: String,
        /// Public key in hex or key file: adds and revokes keys; keep it offline.
        #[arg(long)]
        recovery_key: String,
        /// Maker name as on its plates; may be repeated. 铭牌厂名
        #[arg(long = "plate-name", value_name = "NAME")]
        plate_names: Vec<String>,
        /// Area code, 6 digits. 行政区划代码
        #[arg(long)]
        area_code: Option<String>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who signs.
        #[command(flatten)]
        signing: Signing,
    },
    /// Grants a role: signed by the registrar. 角色授予
    Grant {
        /// Organisation that is to have it.
        #[arg(value_name = "ORGANISATION")]
        whose: String,
        /// Role that it is to have. 角色
        #[arg(value_name = "ROLE")]
        granted: String,
        /// Mine that it covers; may be repeated. The role mine needs one. 煤矿
        #[arg(long = "mine", value_name = "UUID")]
        mines: Vec<String>,
        /// First day, YYYY-MM-DD; today without it.
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// Last day, YYYY-MM-DD; no end without it.
        #[arg(long, value_name = "DAY")]
        until: Option<String>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who signs.
        #[command(flatten)]
        signing: Signing,
    },
    /// Shows an organisation with its roles and keys.
    Show {
        /// Organisation.
        #[arg(value_name = "ORGANISATION")]
        whose: String,
        /// The two clocks.
        #[command(flatten)]
        clocks: Clocks,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who asks.
        #[command(flatten)]
        asking: Asking,
    },
    /// Lists organisations.
    List {
        /// Only those that have this role.
        #[arg(long, value_name = "ROLE")]
        has_role: Option<String>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who asks.
        #[command(flatten)]
        asking: Asking,
    },
}

/// Mines.
#[derive(Debug, Subcommand)]
pub enum Mine {
    /// Registers a mine: signed by the registrar or a regulator. 煤矿登记
    Register {
        /// Name. 煤矿名称
        #[arg(long)]
        name: String,
        /// Numbering scheme.
        #[arg(long, value_enum, default_value_t = Scheme::CnCoalMine)]
        scheme: Scheme,
        /// Number. 煤矿编码
        #[arg(long)]
        number: String,
        /// Organisation that runs it. 经营主体
        #[arg(long, value_name = "UUID")]
        operator: String,
        /// How coal is won there: underground or open_pit.
        #[arg(long, default_value = "underground")]
        kind: String,
        /// Gas grade: low, high or outburst. 瓦斯等级
        #[arg(long)]
        gas_grade: Option<String>,
        /// What it wins: coal or non_coal; a coal-mine code says coal by itself. 开采矿种
        #[arg(long)]
        sector: Option<String>,
        /// Area code, 6 digits. 行政区划代码
        #[arg(long)]
        area_code: Option<String>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who signs.
        #[command(flatten)]
        signing: Signing,
    },
    /// Creates a place of a mine; its id is that of the event. 地点建立
    Place {
        /// Mine.
        mine: String,
        /// Name. 名称
        #[arg(long)]
        name: String,
        /// Kind: surface, shaft, level, district, roadway, face, chamber, point, store.
        #[arg(long)]
        kind: String,
        /// Place that it lies in; the mine itself without it.
        #[arg(long, value_name = "UUID")]
        parent: Option<String>,
        /// Course of the air: intake, return, none. 进回风
        #[arg(long)]
        air: Option<String>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who signs.
        #[command(flatten)]
        signing: Signing,
    },
    /// Shows a mine with its places.
    Show {
        /// Mine.
        mine: String,
        /// The two clocks.
        #[command(flatten)]
        clocks: Clocks,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who asks.
        #[command(flatten)]
        asking: Asking,
    },
    /// Lists mines.
    List {
        /// Only those that this organisation runs.
        #[arg(long, value_name = "UUID")]
        operator: Option<String>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who asks.
        #[command(flatten)]
        asking: Asking,
    },
    /// Lists all machines of a mine, and proves by the mine's own head proof that none is left out.
    ///
    /// Exits 1 where that cannot be proved, 4 where the server's list contradicts its log.
    Machines {
        /// Mine.
        mine: String,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who asks.
        #[command(flatten)]
        asking: Asking,
    },
}

/// What to record.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Record {
    /// What to do instead of recording.
    #[command(subcommand)]
    pub instead: Option<RecordCommand>,
    /// Kind of event, for example `inspected`.
    pub kind: Option<String>,
    /// Machine: `MAKER::MODEL::SERIAL`, alias or id; a mark: its number; or another subject: `KIND/UUID`. Left away for
    /// what opens an order or a publication.
    pub subject: Option<String>,
    /// Event, or list of events that make an atomic set, as JSON from a file; `-` for stdin.
    #[arg(long, conflicts_with_all = ["kind", "subject", "fields"])]
    pub file: Option<PathBuf>,
    /// Field of the body, as in the template; value is JSON or text. May be repeated.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub fields: Vec<String>,
    /// Flags of the kinds that are recorded every day.
    #[command(flatten)]
    pub daily: Daily,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// What `record` can do besides recording.
#[derive(Debug, Subcommand)]
pub enum RecordCommand {
    /// Prints an event of a kind to fill in: every field, what it means, and the values that it can have.
    ///
    /// What is left as it is counts as not given, and `help` is not read.
    Template {
        /// Kind of event, for example `manufactured`.
        kind: String,
    },
}

/// Flags of the kinds that are recorded every day.
#[derive(Args, Debug, Default)]
pub struct Daily {
    /// Organisation that is to receive it: factory_exit, dispatched. 收货单位
    #[arg(long, value_name = "UUID", help_heading = "Daily kinds")]
    pub to: Option<String>,
    /// Why it goes (sale, lease, loan, return, overhaul, test, scrap, export, transfer): factory_exit, dispatched.
    #[arg(long, help_heading = "Daily kinds")]
    pub reason: Option<String>,
    /// Condition (a, b, c, d): dispatched, received, warehoused. 技术状况
    #[arg(long, help_heading = "Daily kinds")]
    pub condition: Option<String>,
    /// Mine: that it leaves (dispatched) or enters (received, entered_mine), or that it is in (installed). 煤矿
    #[arg(long, value_name = "UUID", help_heading = "Daily kinds")]
    pub mine: Option<String>,
    /// Where received goods go (store, mine, overhaul): received.
    #[arg(long, help_heading = "Daily kinds")]
    pub into: Option<String>,
    /// The serial on the plate was compared: received. 已核对编号
    #[arg(long, help_heading = "Daily kinds")]
    pub serial_checked: bool,
    /// Store: warehoused. 库房
    #[arg(long, help_heading = "Daily kinds")]
    pub store: Option<String>,
    /// Shelf: warehoused. 货位
    #[arg(long, help_heading = "Daily kinds")]
    pub shelf: Option<String>,
    /// Shaft or adit: entered_mine. 井口
    #[arg(long, help_heading = "Daily kinds")]
    pub shaft: Option<String>,
    /// Place in the mine, as `tally mine show` lists them: entered_mine, installed. 地点
    #[arg(long, value_name = "UUID", help_heading = "Daily kinds")]
    pub place: Option<String>,
    /// Outcome (pass, fail, conditional): acceptance_checked, ex_proof_checked, commissioned, maintained.
    #[arg(long, help_heading = "Daily kinds")]
    pub result: Option<String>,
    /// Checked item with its outcome, may be repeated: acceptance_checked, ex_proof_checked, inspected.
    #[arg(long = "item", value_name = "CODE=RESULT", help_heading = "Daily kinds")]
    pub items: Vec<String>,
    /// Number of the explosion-proof pass: ex_proof_checked, entered_mine. 入井许可证号
    #[arg(long, help_heading = "Daily kinds")]
    pub pass_no: Option<String>,
    /// Last day of the pass, YYYY-MM-DD: ex_proof_checked.
    #[arg(long, value_name = "DAY", help_heading = "Daily kinds")]
    pub valid_until: Option<String>,
    /// What it is for there: installed. 用途
    #[arg(long, help_heading = "Daily kinds")]
    pub function: Option<String>,
    /// Duty (work, standby): commissioned. 工备
    #[arg(long, help_heading = "Daily kinds")]
    pub duty: Option<String>,
    /// Kind of inspection (daily, weekly, monthly, quarterly, exproof, special, supervision): inspected.
    #[arg(long, value_name = "KIND", help_heading = "Daily kinds")]
    pub inspection_kind: Option<String>,
    /// Nothing was found, where there are no items: inspected. 未发现问题
    #[arg(long, conflicts_with = "items", help_heading = "Daily kinds")]
    pub nothing_found: bool,
    /// Level of the repair (small, medium): maintained.
    #[arg(long, help_heading = "Daily kinds")]
    pub level: Option<String>,
    /// What was done, may be repeated: maintained. 作业内容
    #[arg(long, help_heading = "Daily kinds")]
    pub work: Vec<String>,
    /// An enclosure was opened: maintained. 开盖
    #[arg(long, help_heading = "Daily kinds")]
    pub enclosure_opened: bool,
    /// Begin of the work, RFC 3339; when it happened, without it: inspected, maintained.
    #[arg(long, value_name = "TIME", help_heading = "Daily kinds")]
    pub started: Option<String>,
    /// End of the work, RFC 3339; when it happened, without it: inspected, maintained.
    #[arg(long, value_name = "TIME", help_heading = "Daily kinds")]
    pub finished: Option<String>,
    /// The reporter's number of the fault: fault_reported. 故障编号
    #[arg(long, value_name = "NUMBER", help_heading = "Daily kinds")]
    pub fault_id: Option<String>,
    /// Kind of fault, in your own words: fault_reported. 故障类型
    #[arg(long, value_name = "KIND", help_heading = "Daily kinds")]
    pub fault_kind: Option<String>,
    /// How severe (stop, serious, minor): fault_reported.
    #[arg(long, help_heading = "Daily kinds")]
    pub severity: Option<String>,
    /// What is wrong: fault_reported. 描述
    #[arg(long, value_name = "TEXT", help_heading = "Daily kinds")]
    pub description: Option<String>,
    /// Last day to put it right, YYYY-MM-DD: fault_reported. 整改期限
    #[arg(long, value_name = "DAY", help_heading = "Daily kinds")]
    pub due_by: Option<String>,
    /// Explosion protection is lost: fault_reported. 失爆
    #[arg(long, help_heading = "Daily kinds")]
    pub loss_of_protection: bool,
}

/// What to show.
#[derive(Args, Debug)]
pub struct Show {
    /// `MAKER::MODEL::SERIAL` (`lot:` before it for a lot), `equipment/UUID`, `organisation/UUID`, `mine/UUID`, or alias.
    pub subject: String,
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

/// Whose history to show.
#[derive(Args, Debug)]
pub struct History {
    /// `MAKER::MODEL::SERIAL`, alias, or `KIND/UUID`.
    pub subject: String,
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

/// Lists machines.
#[derive(Args, Debug)]
pub struct List {
    /// Service state, for example `in_use`; may be repeated. 状态
    #[arg(long = "state-is", value_name = "STATE")]
    pub states: Vec<String>,
    /// Holder. 持有方
    #[arg(long, value_name = "UUID")]
    pub holder: Option<String>,
    /// Owner. 产权单位
    #[arg(long, value_name = "UUID")]
    pub owner: Option<String>,
    /// Mine. 煤矿
    #[arg(long, value_name = "UUID")]
    pub mine: Option<String>,
    /// Place of the mine with everything below it. 地点
    #[arg(long, value_name = "UUID", requires = "mine")]
    pub place: Option<String>,
    /// Area of the mine, of the holder for machines in none: a GB/T 2260 prefix of 2, 4 or 6 digits. 行政区划
    #[arg(long, value_name = "PREFIX")]
    pub area: Option<String>,
    /// Model id. 型号
    #[arg(long, value_name = "UUID")]
    pub model: Option<String>,
    /// Category code. 类别
    #[arg(long)]
    pub category: Option<String>,
    /// Maker as on the plate. 制造单位
    #[arg(long)]
    pub maker: Option<String>,
    /// Machines a page, 1 to 500.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub page_size: u32,
    /// Token that the page before gave.
    #[arg(long, value_name = "TOKEN")]
    pub page_token: Option<String>,
    /// All pages.
    #[arg(long, conflicts_with_all = ["page_token", "page_size"])]
    pub all: bool,
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

/// Proofs.
#[derive(Debug, Subcommand)]
pub enum Proof {
    /// Fetches an entry with its inclusion proof, and checks both.
    Event {
        /// Position in the log.
        position: u64,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who asks.
        #[command(flatten)]
        asking: Asking,
    },
    /// Fetches the inclusion proof of a position under a tree size, and checks it.
    Inclusion {
        /// Position in the log.
        position: u64,
        /// Tree size; the latest checkpoint's without it.
        #[arg(long)]
        size: Option<u64>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
    },
    /// Fetches the consistency proof between two tree sizes, and checks it.
    Consistency {
        /// Old tree size.
        old: u64,
        /// New tree size; the latest checkpoint's without it.
        #[arg(long)]
        size: Option<u64>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
    },
    /// Fetches the head proof of a subject, of presence or of absence, and checks it.
    ///
    /// Exits 0 in both cases: what was asked for is the proof.
    Head {
        /// `MAKER::MODEL::SERIAL`, or `KIND/UUID`.
        subject: String,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
    },
}

/// The log itself.
#[derive(Debug, Subcommand)]
pub enum Log {
    /// Re-reads a log, recomputes tree and heads map, checks every signature, chain and checkpoint. Repairs nothing.
    ///
    /// Exits 0 when whole, 4 when damaged.
    Verify {
        /// The log of a data directory (DIR/log), or an exported one.
        dir: PathBuf,
        /// A checkpoint that the log must extend, as somebody kept it.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// The log's verifier key; `log.pub` beside the log without it, which proves wholeness, not origin.
        #[arg(long, value_name = "FILE")]
        log_key: Option<PathBuf>,
    },
    /// Writes the tlog-tiles layout of the last checkpoint, and keys.txt.
    Export {
        /// The log of a data directory (DIR/log).
        dir: PathBuf,
        /// Where; must not exist.
        out: PathBuf,
    },
    /// Prints one line for each ledger key: key id and public key in hex.
    Keys {
        /// The log of a data directory (DIR/log).
        dir: PathBuf,
    },
    /// Prints the latest checkpoint of a server, checked.
    Checkpoint {
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
    },
    /// Prints entries as they are sealed.
    Follow {
        /// First position.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Ends at the latest checkpoint.
        #[arg(long)]
        stop_at_end: bool,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who asks.
        #[command(flatten)]
        asking: Asking,
    },
}

/// A token.
#[derive(Args, Debug)]
pub struct Token {
    /// File with the log's verifier key: the token is for the log of this name.
    #[arg(long, env = "TALLY_LOG_KEY", value_name = "FILE", help_heading = "Connection")]
    pub log_key: Option<PathBuf>,
    /// How long it lives, 1 to 15.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i64).range(1..=15))]
    pub minutes: i64,
    /// Who asks.
    #[command(flatten)]
    pub asking: Asking,
}

/// The index.
#[derive(Debug, Subcommand)]
pub enum Index {
    /// Throws the index away and rebuilds it from the log.
    Rebuild {
        /// Data directory; no server may run on it.
        dir: PathBuf,
        /// Cache of the index in MiB.
        #[arg(long, default_value_t = 256, value_name = "MIB")]
        index_cache: u64,
    },
}

/// The demo.
#[derive(Args, Debug)]
pub struct Demo {
    /// Leaves the data here; a temporary directory without it. Must not hold a ledger.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Replays this sample instead of the one that is built in.
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
}

/// Benchmarks.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Records freshly signed events over many machines, and checks every receipt.
    Record(BenchRecord),
}

/// How `bench record` runs.
#[derive(Args, Clone, Debug)]
pub struct BenchRecord {
    /// Events to record.
    #[arg(long, default_value_t = 100_000)]
    pub events: u64,
    /// Machines to spread them over.
    #[arg(long, default_value_t = 10_000)]
    pub machines: u64,
    /// Several events a message in one stream, or one call an event.
    #[arg(long, value_enum, default_value_t = BenchMode::Stream)]
    pub mode: BenchMode,
    /// Callers at a time in unary mode.
    #[arg(long, default_value_t = 64)]
    pub callers: usize,
    /// Data directory; a temporary one without it. Must not hold a ledger.
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

/// How events are sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum BenchMode {
    /// Several events a message.
    Stream,
    /// One call an event.
    Unary,
}
