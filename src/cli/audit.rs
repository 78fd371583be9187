//! Flags of `tally audit` and `tally overview`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Asking, Clocks, Connection};

/// What a regulator audits.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Writes everything about a mine in a period, with its proofs, to a file. 审计导出
    ///
    /// Examples:
    ///   tally audit export mine/UUID --from 2026-01-01 --until 2026-04-01 --out mine.jsonl
    ///   tally audit export mine/UUID --format csv --out mine.csv     a table, and mine.csv.jsonl that proves it
    ///
    /// The file is there only if everything in it is proved, and nothing is missing.
    #[command(verbatim_doc_comment)]
    Export(Export),
    /// Verifies a file of `tally audit export` without any server. 审计验证
    ///
    /// Exits 0 when everything in it is proved and nothing is missing, 1 otherwise.
    Verify {
        /// The file, as JSON Lines.
        file: PathBuf,
        /// File with the log's verifier key; pin it once, from a source you trust.
        #[arg(long, env = "TALLY_LOG_KEY", value_name = "FILE")]
        log_key: PathBuf,
    },
    /// Lists orders, seals and recalls with their receipts, and what is open. 指令清单
    ///
    /// Examples:
    ///   tally audit orders --mine mine/UUID --open     what a mine has not done yet
    ///   tally audit orders --kind seal --all
    #[command(verbatim_doc_comment)]
    Orders(Orders),
    /// Lists what happened to the machines of an order since it was given, and marks what goes against it. 指令后情况
    Since {
        /// Order.
        order: String,
        /// Only what goes against it. 仅违反指令
        #[arg(long)]
        against: bool,
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
}

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum ExportFormat {
    /// A JSON document a line, with everything that proves it.
    #[default]
    Jsonl,
    /// A table for a spreadsheet; what proves it is written beside it, as JSON Lines.
    Csv,
}

/// An export of a mine.
#[derive(Args, Debug)]
pub struct Export {
    /// Mine.
    pub mine: String,
    /// Recorded at or after: a day in +08:00, or an instant.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Recorded before: a day in +08:00, or an instant.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,
    /// File to write; it must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who asks.
    #[command(flatten)]
    pub asking: Asking,
}

/// Which orders.
#[derive(Args, Debug)]
pub struct Orders {
    /// To this mine, or on a machine that is in it. 煤矿
    #[arg(long, value_name = "UUID")]
    pub mine: Option<String>,
    /// On this machine. 设备
    #[arg(long, value_name = "MACHINE")]
    pub machine: Option<String>,
    /// Given by this organisation. 机关
    #[arg(long, value_name = "UUID")]
    pub given_by: Option<String>,
    /// Kind: `stop_use`, `seal` or `recall`; may be repeated.
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<String>,
    /// Only those that still hold a machine or lack a receipt. 仅未结
    #[arg(long)]
    pub open: bool,
    /// Orders a page, 1 to 500.
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

/// The figures of a mine or an area.
#[derive(Args, Debug)]
pub struct Overview {
    /// Mine.
    #[arg(required_unless_present = "area", conflicts_with = "area")]
    pub mine: Option<String>,
    /// Area: a GB/T 2260 prefix of 2, 4 or 6 digits; empty for all that you may see. 行政区划
    #[arg(long, value_name = "PREFIX")]
    pub area: Option<String>,
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
