//! What people and programs read: tables, JSON, errors, progress. Data to stdout, the rest to stderr.

use std::{cell::Cell, io::IsTerminal, process::ExitCode, time::Duration};

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tally_client::{ClientError, draft::DraftError};

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// Tables for people.
    #[default]
    #[value(alias = "table")]
    Text,
    /// One JSON document, with the names of the contract.
    Json,
    /// One JSON document a line.
    Jsonl,
}

/// Exit codes: the promise to scripts.
pub mod exit {
    /// Done; the answer is yes.
    pub const YES: u8 = 0;
    /// The answer is no: does not verify, refused, not found.
    pub const NO: u8 = 1;
    /// Wrong use or configuration.
    pub const USAGE: u8 = 2;
    /// Not reached; try again.
    pub const UNREACHED: u8 = 3;
    /// Damage found.
    pub const DAMAGE: u8 = 4;
}

/// An error with its exit code and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    code: u8,
    message: String,
    details: Vec<String>,
    help: Option<String>,
}

impl CommandError {
    /// An error with an exit code of [`exit`].
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), help: None }
    }

    /// The exit code that it leads to.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// Adds a line of facts.
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Says what to do next.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        let code = code_of(&error);
        if let Some((subject, head)) = error.stale_head() {
            let claimed = error.server().and_then(|server| server.metadata.get("claimed")).cloned();
            return moved_on(&subject.to_string(), claimed.as_deref(), head.chain_length, &head.head_hash.to_string());
        }
        if let Some(server) = error.server() {
            let mut told = Self::new(code, server.to_string());
            told.details.extend(server.localized.clone());
            let fields = server.fields.iter().map(|(field, what)| format!("{field}: {what}"));
            // What the message says already is not said twice.
            told.details.extend(fields.filter(|field| !server.message.contains(field.as_str())));
            told.help = server.metadata.get("help").cloned().or_else(|| token_help(&server.reason).map(str::to_owned));
            return told;
        }
        if let ClientError::Draft(error) = error {
            return error.into();
        }
        let mut told = Self::new(code, error.to_string());
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            told.details.push(error.to_string());
            cause = error.source();
        }
        if error.is_misbehaviour() {
            told =
                told.help("keep what --state holds, it is the proof; tell whoever runs the ledger, and the regulator");
        }
        told
    }
}

impl From<DraftError> for CommandError {
    fn from(error: DraftError) -> Self {
        match &error {
            DraftError::Form(form) => {
                let told = Self::new(exit::USAGE, "the event is not well formed; nothing was signed");
                form.problems().iter().fold(told, |told, problem| told.detail(problem.to_string()))
            }
            DraftError::Random(_) | DraftError::Id(_) | DraftError::Set(_) | DraftError::ChainFull { .. } | _ => {
                Self::new(exit::USAGE, error.to_string())
            }
        }
    }
}

/// What to do about a token that is missing or was not taken.
fn token_help(reason: &str) -> Option<&'static str> {
    match reason {
        "TOKEN_MISSING" => Some("say who asks: --organisation UUID --role ROLE --key FILE"),
        "TOKEN_EXPIRED" | "TOKEN_NOT_YET_VALID" => Some("compare this machine's clock with the server's"),
        "TOKEN_WRONG_ORIGIN" => Some("--log-key and --server are of two ledgers"),
        "TOKEN_KEY_UNKNOWN" => Some("--key must be registered for --organisation, and not be its recovery key"),
        "TOKEN_ROLE_NOT_HELD" | "ROLE_MAY_NOT_READ" | "GRANT_LIMITED" => {
            Some("`tally org show ORGANISATION` lists its roles with their days; docs/security.md says what each sees")
        }
        _ => None,
    }
}

/// The exit code by what the caller does next.
fn code_of(error: &ClientError) -> u8 {
    match error {
        error if error.is_misbehaviour() => exit::DAMAGE,
        ClientError::Failed(server) if server.reason == "DATA_LOSS" => exit::DAMAGE,
        ClientError::Refused(_) | ClientError::Verify(_) | ClientError::TooLong { .. } => exit::NO,
        ClientError::Unreachable { .. }
        | ClientError::Connect { .. }
        | ClientError::Failed(_)
        | ClientError::HeadMoves { .. } => exit::UNREACHED,
        ClientError::Address { .. } | ClientError::State(_) | ClientError::Draft(_) | ClientError::Subject(_) | _ => {
            exit::USAGE
        }
    }
}

/// The head of a chain is no longer the one that an event was signed on.
fn moved_on(subject: &str, claimed: Option<&str>, chain_length: u64, head_hash: &str) -> CommandError {
    let told = CommandError::new(exit::NO, format!("the chain of {subject} has moved on since this event was signed"));
    let signed = claimed.map(|claimed| format!("signed for place  {claimed:>4}"));
    let mut told = signed.into_iter().fold(told, CommandError::detail);
    if let Some(head) = chain_length.checked_sub(1) {
        told = told.detail(format!("head is at place  {head:>4}  {head_hash}"));
    }
    told.help(format!("look at it with `tally history {subject}`, then record it again"))
}

/// Prints an error where people look for one, and gives its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    #[expect(clippy::print_stderr, reason = "this is where errors are printed")]
    {
        eprintln!("error: {}", clean(&error.to_string()));
        if let Some(command) = error.downcast_ref::<CommandError>() {
            for line in &command.details {
                eprintln!("  {}", clean(line));
            }
            if let Some(help) = &command.help {
                eprintln!("help: {}", clean(help));
            }
            return ExitCode::from(command.code);
        }
        for cause in error.chain().skip(1) {
            eprintln!("  {}", clean(&cause.to_string()));
        }
    }
    ExitCode::from(exit::USAGE)
}

/// Text from outside, with its control characters escaped, and those that turn the direction of writing.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for char in text.chars() {
        let turns = matches!(char, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if turns || (char.is_control() && char != '\n' && char != '\t') {
            clean.extend(char.escape_unicode());
        } else {
            clean.push(char);
        }
    }
    clean
}

/// Where answers go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    format: Format,
}

impl Output {
    /// An output of a format.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether programs read it.
    pub fn is_json(&self) -> bool {
        self.format != Format::Text
    }

    /// Whether programs read one document a line.
    pub fn is_lines(&self) -> bool {
        self.format == Format::Jsonl
    }

    /// Prints a document for programs.
    pub fn json(&self, value: &Value) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Jsonl => serde_json::to_string(value)?,
            Format::Json | Format::Text => serde_json::to_string_pretty(value)?,
        };
        line(&text);
        Ok(())
    }

    /// Prints a list for programs: a document, or one document a line.
    pub fn json_list(&self, name: &str, rows: Vec<Value>) -> anyhow::Result<()> {
        if self.format == Format::Jsonl {
            return rows.iter().try_for_each(|row| self.json(row));
        }
        self.json(&serde_json::json!({ name: rows }))
    }

    /// Prints a document that is spelled out already.
    pub fn document(&self, text: &str) {
        line(text);
    }

    /// Prints a file as it is.
    pub fn bytes(&self, bytes: &[u8]) {
        use std::io::Write as _;
        let mut stdout = std::io::stdout().lock();
        // A closed pipe ends the reading, not the work.
        drop(stdout.write_all(bytes).and_then(|()| stdout.flush()));
    }

    /// Prints a line for people; nothing where programs read.
    pub fn say(&self, text: impl AsRef<str>) {
        if !self.is_json() {
            line(&clean(text.as_ref()));
        }
    }

    /// Prints a table for people; nothing where programs read.
    pub fn table(&self, header: &[&str], rows: Vec<Vec<String>>) {
        self.rows(Some(header), rows);
    }

    /// Prints facts for people, each with its name; nothing where programs read.
    pub fn facts(&self, facts: impl IntoIterator<Item = (&'static str, String)>) {
        self.rows(None, facts.into_iter().map(|(name, fact)| vec![name.to_owned(), fact]).collect());
    }

    fn rows(&self, header: Option<&[&str]>, rows: Vec<Vec<String>>) {
        if self.is_json() || rows.is_empty() {
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if let Some(header) = header {
            table.set_header(header.iter().copied());
        }
        for row in rows {
            table.add_row(row.iter().map(|cell| clean(cell)));
        }
        for row in table.lines() {
            line(row.trim_end());
        }
    }
}

fn line(text: &str) {
    use std::io::Write as _;
    // A closed pipe ends the reading, not the work.
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Prints to stderr: notes, warnings, progress.
pub fn note(text: impl AsRef<str>) {
    #[expect(clippy::print_stderr, reason = "this is where notes are printed")]
    {
        eprintln!("{}", clean(text.as_ref()));
    }
}

/// Without a terminal a line says so often how far a work is.
const LINE_EVERY_SECONDS: u64 = 10;

/// Shows how far a long work is: a bar on a terminal, a line every 10 s without one.
pub struct Progress {
    bar: ProgressBar,
    what: String,
    /// How many lines are due by now, where there is no bar.
    lines: Cell<u64>,
}

impl Progress {
    /// Progress of a work of `total` steps.
    pub fn new(what: &str, total: u64) -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(total) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{msg} {bar:32} {pos}/{len} {per_sec} {eta}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, what: what.to_owned(), lines: Cell::new(0) }
    }

    /// So many of so many steps are done.
    pub fn at(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        let due = self.bar.elapsed().as_secs() / LINE_EVERY_SECONDS;
        if self.bar.is_hidden() && due > self.lines.replace(due) {
            note(format!("{}: {done} of {total}, {:.0}/s", self.what, self.bar.per_sec()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
