//! `tally audit export` and `tally audit verify`.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use tally_client::{
    audit,
    verify::{AuditPeriod, AuditReport},
};
use tally_core::id::SubjectKind;

use super::{
    super::{
        connection::{block_on, connect, identity, read_trust},
        text::{count, instant, standing, usage},
    },
    of_kind,
};
use crate::{
    cli::audit::{Export, ExportFormat},
    output::{CommandError, Output, Progress, exit},
};

/// Writes the export.
pub fn run(args: &Export, output: &Output) -> anyhow::Result<ExitCode> {
    let period = AuditPeriod {
        mine: of_kind(&args.mine, SubjectKind::Mine)?,
        from_us: args.from.as_deref().map_or(Ok(0), moment)?,
        until_us: args.until.as_deref().map_or(Ok(0), moment)?,
    };
    block_on(async {
        let client = connect(&args.connection, identity(&args.asking)?).await?;
        let mut files = Files::create(&args.out, args.format)?;
        let mut stream = client.export_audit(period).await.map_err(CommandError::from)?;
        let progress = Progress::new("exporting", 0);
        let mut entries = 0;
        while let Some(part) = stream.next().await.map_err(CommandError::from)? {
            for line in audit::lines(&period, &part.message, &part.entries)? {
                files.line(&line)?;
            }
            if let Some((.., table)) = &mut files.table {
                part.entries.iter().try_for_each(|entry| table.write(entry))?;
            }
            entries += part.entries.len() as u64;
            progress.at(entries, entries);
        }
        drop(progress);
        let report = stream.finish().map_err(CommandError::from)?;
        let written = files.finish()?;
        print(&report, &written, output)
    })
}

/// Verifies a file.
pub fn verify(file: &Path, log_key: &Path, output: &Output) -> anyhow::Result<ExitCode> {
    let trust = read_trust(log_key)?;
    let opened = File::open(file).map_err(|error| usage(format!("{}: {error}", file.display())))?;
    match audit::verify_file(&trust, BufReader::new(opened)) {
        Ok(report) => print(&report, &[], output),
        Err(error) => {
            let mut told = CommandError::new(exit::NO, format!("{}: {error}", file.display()));
            let mut cause = std::error::Error::source(&error);
            while let Some(deeper) = cause {
                told = told.detail(deeper.to_string());
                cause = deeper.source();
            }
            Err(told.help("nothing in it is to be believed; export it again").into())
        }
    }
}

fn print(report: &AuditReport, written: &[PathBuf], output: &Output) -> anyhow::Result<ExitCode> {
    let AuditReport { period, checkpoint, entries, withheld, subjects } = report;
    if output.is_json() {
        let each: Vec<Value> = subjects
            .iter()
            .map(|one| json!({ "subject": one.subject.to_string(), "entries": one.entries, "withheld": one.withheld }))
            .collect();
        output.json(&json!({
            "mine": period.mine.to_string(),
            "fromUs": period.from_us.to_string(),
            "untilUs": period.until_us.to_string(),
            "treeSize": checkpoint.size().get().to_string(),
            "entries": entries.to_string(),
            "withheld": withheld.to_string(),
            "subjects": each,
            "written": written.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::from(exit::YES));
    }
    for path in written {
        output.say(format!("wrote {}", path.display()));
    }
    let machines = count(subjects.len().saturating_sub(1), "machine");
    output.say(format!(
        "proved 已验证: {} about {} and {machines}, none of any missing, under checkpoint {} ({})",
        count(entries, "entry"),
        period.mine,
        checkpoint.size(),
        standing(checkpoint)
    ));
    if *withheld > 0 {
        output.say(format!("{} stand as hashes, for they are not for your eyes", count(withheld, "entry")));
    }
    output.say(
        "which machines came into the mine before the period is the server's word; `tally mine machines` proves it",
    );
    Ok(ExitCode::from(exit::YES))
}

/// A day in +08:00, or an instant.
fn moment(text: &str) -> Result<u64, CommandError> {
    let text = if text.len() == 10 { format!("{text}T00:00:00+08:00") } else { text.to_owned() };
    u64::try_from(instant(&text)?.micros()).map_err(|_| usage(format!("{text} is before 1970")))
}

/// The files of an export, under other names until everything is proved.
struct Files {
    lines: (PathBuf, PathBuf, BufWriter<File>),
    table: Option<(PathBuf, PathBuf, audit::Table<BufWriter<File>>)>,
}

impl Files {
    fn create(out: &Path, format: ExportFormat) -> anyhow::Result<Self> {
        let beside = |ending: &str| {
            let mut name = out.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let (lines, table) = match format {
            ExportFormat::Jsonl => (out.to_owned(), None),
            ExportFormat::Csv => (beside(".jsonl"), Some(out.to_owned())),
        };
        let open = |path: &Path, part: &Path| -> anyhow::Result<BufWriter<File>> {
            if path.exists() {
                return Err(usage(format!("{} is there already", path.display())).help("name another file").into());
            }
            let file = File::create(part).map_err(|error| usage(format!("{}: {error}", part.display())))?;
            Ok(BufWriter::new(file))
        };
        let part = beside(".jsonl.part");
        let lines = (lines.clone(), part.clone(), open(&lines, &part)?);
        let table = match table {
            Some(path) => {
                let part = beside(".part");
                let writer = audit::Table::open(open(&path, &part)?)?;
                Some((path, part, writer))
            }
            None => None,
        };
        Ok(Self { lines, table })
    }

    fn line(&mut self, line: &Value) -> anyhow::Result<()> {
        writeln!(self.lines.2, "{line}").context("the file cannot be written")
    }

    /// Everything is proved: the files get their names.
    fn finish(self) -> anyhow::Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        if let Some((path, part, table)) = self.table {
            table.finish()?.into_inner().context("the file cannot be written")?.sync_all()?;
            fs::rename(&part, &path)?;
            written.push(path);
        }
        let (path, part, lines) = self.lines;
        lines.into_inner().context("the file cannot be written")?.sync_all()?;
        fs::rename(&part, &path)?;
        written.push(path);
        Ok(written)
    }
}
