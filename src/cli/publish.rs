//! Flags of `tally publish`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Connection, Signing};

/// Publishing tables: rules' parameters, schedules, categories, phase-out lists.
#[derive(Debug, Subcommand)]
pub enum Publish {
    /// Publishes work that falls due: signed by the registrar, a regulator, or a mine for itself. 检修周期发布
    Schedule(PublishTable),
    /// Publishes categories and groups of equipment: signed by the registrar or a regulator. 类别发布
    Categories {
        /// Table of categories, or of selectors; recognised by its columns.
        file: PathBuf,
        /// Table of the other of the two, to be published with it.
        #[arg(long, value_name = "FILE")]
        with: Option<PathBuf>,
        /// Where and since when it counts.
        #[command(flatten)]
        whence: Whence,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who signs.
        #[command(flatten)]
        signing: Signing,
    },
    /// Publishes a phase-out list: signed by the registrar or a regulator. 淘汰目录发布
    PhaseOut {
        /// The table.
        #[command(flatten)]
        table: PublishTable,
        /// Name of the list; the title without it. 目录
        #[arg(long)]
        list: Option<String>,
    },
    /// Publishes parameters of rules: signed by the registrar or a regulator. 规则参数发布
    Policy(PublishTable),
    /// Publishes the product's own tables for the nation, as one atomic set: signed by the registrar or a regulator.
    Defaults {
        /// First day on which they count, YYYY-MM-DD. 施行日期
        #[arg(long, value_name = "DAY")]
        from: String,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who signs.
        #[command(flatten)]
        signing: Signing,
    },
    /// Checks a table and publishes nothing: every problem with its line and column. 检查
    ///
    /// Exits 0 when nothing is wrong, 1 when something is.
    Check {
        /// The table; `-` for stdin.
        file: PathBuf,
        /// Which kind of table it is; recognised by its columns without it.
        #[arg(long = "as", value_enum, value_name = "TABLE")]
        kind: Option<Table>,
        /// Encoding of the table.
        #[arg(long, value_enum, default_value_t = Encoding::Utf8)]
        encoding: Encoding,
    },
    /// Prints a table to edit: the product's own, or one that is on the ledger.
    ///
    /// Examples:
    ///   tally publish show schedule > schedule.csv                     the product's own table
    ///   tally publish show schedule publication/UUID > schedule.csv    as it was published
    #[command(verbatim_doc_comment)]
    Show {
        /// Which table.
        #[arg(value_enum)]
        table: Table,
        /// Publication on the ledger; the product's own table without it.
        publication: Option<String>,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
    },
    /// Withdraws a publication from a day on: signed by who published it. 发布废止
    Withdraw {
        /// Publication.
        publication: String,
        /// First day without it, YYYY-MM-DD. 废止日期
        #[arg(long, value_name = "DAY")]
        from: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who signs.
        #[command(flatten)]
        signing: Signing,
    },
}

/// A table that is to be published.
#[derive(Args, Debug)]
pub struct PublishTable {
    /// Table as comma-separated values, as `tally publish show` prints it; `-` for stdin.
    pub file: PathBuf,
    /// Where and since when it counts.
    #[command(flatten)]
    pub whence: Whence,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
}

/// Where and since when a publication counts.
#[derive(Args, Debug)]
pub struct Whence {
    /// Title. 名称
    #[arg(long, help_heading = "Publication")]
    pub title: String,
    /// First day on which it counts, YYYY-MM-DD; never before it was published. 施行日期
    #[arg(long, value_name = "DAY", help_heading = "Publication")]
    pub from: String,
    /// Number of the document. 文号
    #[arg(long, value_name = "NUMBER", help_heading = "Publication")]
    pub document_no: Option<String>,
    /// Layer; mine with --mine, area with --area, else the nation. 层级
    #[arg(long, value_enum, help_heading = "Publication")]
    pub layer: Option<Layer>,
    /// Area: GB/T 2260 prefix of 2, 4 or 6 digits. 行政区划
    #[arg(long, value_name = "PREFIX", conflicts_with = "mine", help_heading = "Publication")]
    pub area: Option<String>,
    /// Mine. 煤矿
    #[arg(long, value_name = "UUID", help_heading = "Publication")]
    pub mine: Option<String>,
    /// Encoding of the table.
    #[arg(long, value_enum, default_value_t = Encoding::Utf8, help_heading = "Publication")]
    pub encoding: Encoding,
}

/// Layer of a publication.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Layer {
    /// Everywhere. 国家
    Nation,
    /// An area. 省(市、县)
    Area,
    /// The mines that the publisher runs. 集团
    Group,
    /// A mine. 煤矿
    Mine,
}

/// A kind of table.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Table {
    /// Work that falls due. 检修周期
    Schedule,
    /// Categories of equipment. 类别
    Categories,
    /// Groups of equipment. 设备组
    Selectors,
    /// A phase-out list. 淘汰目录
    PhaseOut,
    /// Parameters of rules. 规则参数
    Policy,
}

/// Encoding of a table; it is never guessed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// GB18030, and with it GBK.
    Gb18030,
}
