//! Flags of `tally refusals`.

use clap::Args;

use super::{Asking, Connection};

/// Lists what was refused.
#[derive(Args, Debug)]
pub struct Refusals {
    /// Only of this organisation, whose key signed. 单位
    #[arg(long, value_name = "UUID", help_heading = "Filter")]
    pub tried_by: Option<String>,
    /// Only for this reason, for example `STRANGER`; may be repeated. 原因
    #[arg(long = "reason", value_name = "REASON", help_heading = "Filter")]
    pub reasons: Vec<String>,
    /// Only this kind of event, for example `Overhauled`; may be repeated. 事件类型
    #[arg(long = "kind", value_name = "KIND", help_heading = "Filter")]
    pub kinds: Vec<String>,
    /// Only about this subject: a plate, or KIND/UUID. 主体
    #[arg(long, value_name = "SUBJECT", help_heading = "Filter")]
    pub about: Option<String>,
    /// Only at or after this instant, RFC 3339. 起
    #[arg(long, value_name = "TIME", help_heading = "Filter")]
    pub since: Option<String>,
    /// Only before this instant, RFC 3339. 止
    #[arg(long, value_name = "TIME", help_heading = "Filter")]
    pub before: Option<String>,
    /// Refusals a page, 1 to 100.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub page_size: u32,
    /// Token that the page before gave.
    #[arg(long, value_name = "TOKEN")]
    pub page_token: Option<String>,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Who asks.
    #[command(flatten)]
    pub asking: Asking,
}
