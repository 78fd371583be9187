//! Flags of `tally rules`, `tally findings` and `tally due`.

use clap::{Args, ValueEnum};

use super::{Asking, Clocks, Connection};

/// Which rules.
#[derive(Args, Debug)]
pub struct Rules {
    /// Code, as MARK-004, or the beginning of codes, as MARK; all without it.
    pub code: Option<String>,
}

/// A severity.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Severity {
    /// Worth knowing. 提示
    Note,
    /// General. 一般
    General,
    /// Serious. 较大
    Serious,
    /// Major. 严重
    Major,
}

/// Which findings.
#[derive(Args, Debug)]
pub struct Findings {
    /// Code of a rule; may be repeated. 规则
    #[arg(long = "rule", value_name = "CODE", value_delimiter = ',', help_heading = "Which")]
    pub rules: Vec<String>,
    /// Severity; may be repeated. 严重程度
    #[arg(long = "severity", value_enum, value_delimiter = ',', help_heading = "Which")]
    pub severities: Vec<Severity>,
    /// Only those in the closed legal list. 重大事故隐患(判定标准)
    #[arg(long, help_heading = "Which")]
    pub legal_major: bool,
    /// Mine. 煤矿
    #[arg(long, value_name = "UUID", help_heading = "Which")]
    pub mine: Option<String>,
    /// Place of the mine, with everything below it. 地点
    #[arg(long, value_name = "UUID", requires = "mine", help_heading = "Which")]
    pub place: Option<String>,
    /// Holder. 持有方
    #[arg(long, value_name = "UUID", help_heading = "Which")]
    pub holder: Option<String>,
    /// Machine: plate, alias or id. 设备
    #[arg(long, value_name = "MACHINE", help_heading = "Which")]
    pub machine: Option<String>,
    /// Category code. 类别
    #[arg(long, help_heading = "Which")]
    pub category: Option<String>,
    /// Area of the mine: GB/T 2260 prefix of 2, 4 or 6 digits. 行政区划
    #[arg(long, value_name = "PREFIX", help_heading = "Which")]
    pub area: Option<String>,
    /// What findings of one cause share: a mark's number, a code of scheduled work, an order. 原因
    #[arg(long, help_heading = "Which")]
    pub cause: Option<String>,
    /// Held at or after this instant, RFC 3339.
    #[arg(long, value_name = "TIME", help_heading = "Which")]
    pub from: Option<String>,
    /// Began at or before this instant, RFC 3339.
    #[arg(long, value_name = "TIME", help_heading = "Which")]
    pub until: Option<String>,
    /// Those that closed, too. 含已关闭
    #[arg(long, help_heading = "Which")]
    pub closed: bool,
    /// Counts open findings by mine, rule and cause. 统计
    #[arg(long, conflicts_with_all = ["all", "page_token", "page_size", "closed"])]
    pub count: bool,
    /// Findings a page, 1 to 500.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub page_size: u32,
    /// Token that the page before gave.
    #[arg(long, value_name = "TOKEN")]
    pub page_token: Option<String>,
    /// All of them, as they come.
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

/// What falls due.
#[derive(Args, Debug)]
pub struct Due {
    /// Mine; all that you may see without it. 煤矿
    #[arg(long, value_name = "UUID")]
    pub mine: Option<String>,
    /// Days from now, 1 to 366. 天数
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub days: u32,
    /// Category code. 类别
    #[arg(long)]
    pub category: Option<String>,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who asks.
    #[command(flatten)]
    pub asking: Asking,
}
