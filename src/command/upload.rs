//! `tally upload`: files of the national upload, checked and held against the ledger. Nothing is recorded here.

use std::{fs::File, io::BufReader, path::Path, process::ExitCode};

use serde_json::{Value, json};
use tally_client::json;
use tally_core::id::SubjectKind;
use tally_proto::v1;
use tally_upload::{
    compare::{Comparison, Difference, Machine, MatchedBy, Outcome},
    input::Encoding,
    ledger::BasicFacts,
    report::{CheckError, Problem, Report},
    upload::{
        self, BasicRecord, Checked, FileKind, FileName, ForbiddenRecord, MarkRecord, Options, Placed, Record,
        TestRecord,
    },
};

use super::{
    connection::{block_on, connect, identity},
    text::{count, subject, usage, uuid},
};
use crate::{
    cli::{
        publish,
        upload::{Upload, UploadKind},
    },
    output::{CommandError, Output, exit},
};

/// Runs `tally upload …`.
pub fn run(args: Upload, output: &Output) -> anyhow::Result<ExitCode> {
    match args {
        Upload::Check { file, kind, encoding } => check(&file, kind, encoding, output),
        Upload::Compare { file, mine, encoding, connection, asking } => {
            let mine = subject(&mine, SubjectKind::Mine)?;
            let checked = match read::<BasicRecord>(&file, options(&file, encoding))? {
                Ok(checked) => checked,
                Err(report) => return tell(&report, FileKind::Basic, output),
            };
            block_on(async {
                let client = connect(&connection, identity(&asking)?).await?;
                let filter = v1::EquipmentFilter { mine: mine.id().to_vec(), ..v1::EquipmentFilter::default() };
                let answer = client.list_all_equipment(filter, v1::At::default()).await.map_err(CommandError::from)?;
                compare(checked, &answer.value, &answer.basis, output)
            })
        }
    }
}

fn options(path: &Path, encoding: publish::Encoding) -> Options {
    let encoding = match encoding {
        publish::Encoding::Utf8 => Encoding::Utf8,
        publish::Encoding::Gb18030 => Encoding::Gb18030,
    };
    Options { encoding, name: named(path).and_then(|name| name.parse().ok()) }
}

fn named(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn check(
    path: &Path,
    kind: Option<UploadKind>,
    encoding: publish::Encoding,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let kind = match kind {
        Some(UploadKind::Jbsj) => FileKind::Basic,
        Some(UploadKind::Absj) => FileKind::Mark,
        Some(UploadKind::Jztt) => FileKind::Forbidden,
        Some(UploadKind::Jcjy) => FileKind::Test,
        None => {
            let name: Result<FileName, _> = named(path).unwrap_or_default().parse();
            name.map_err(|error| usage(error.to_string()).help("--as jbsj, absj, jztt or jcjy says which kind it is"))?
                .kind()
        }
    };
    let options = options(path, encoding);
    let report = match kind {
        FileKind::Basic => report_of::<BasicRecord>(path, options),
        FileKind::Mark => report_of::<MarkRecord>(path, options),
        FileKind::Forbidden => report_of::<ForbiddenRecord>(path, options),
        FileKind::Test => report_of::<TestRecord>(path, options),
    };
    tell(&report?, kind, output)
}

fn report_of<T: Record>(path: &Path, options: Options) -> anyhow::Result<Report> {
    Ok(match read::<T>(path, options)? {
        Ok(checked) => checked.report().clone(),
        Err(report) => *report,
    })
}

type CheckedFile<T> = Checked<BufReader<File>, T>;

/// A checked file, or the report that refuses it.
fn read<T: Record>(path: &Path, options: Options) -> anyhow::Result<Result<CheckedFile<T>, Box<Report>>> {
    let cannot = |error: std::io::Error| usage(format!("{} cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(cannot)?;
    match upload::check(BufReader::new(file), options) {
        Ok(checked) => Ok(Ok(checked)),
        Err(CheckError::Refused(report)) => Ok(Err(report)),
        Err(CheckError::Read(error)) => Err(cannot(error).into()),
    }
}

/// Prints a report; no is the answer where it refuses the file.
fn tell(report: &Report, kind: FileKind, output: &Output) -> anyhow::Result<ExitCode> {
    if output.is_json() {
        let counts = report
            .counts()
            .iter()
            .map(|(code, count)| (code.to_string(), json!({ "refusals": count.refusals, "notes": count.notes })));
        output.json(&json!({
            "kind": kind.code(),
            "clean": report.is_clean(),
            "records": report.records,
            "bytes": report.bytes,
            "sha256": hex::encode(report.sha256),
            "counts": counts.collect::<serde_json::Map<String, Value>>(),
            "problems": report.problems().iter().map(problem_to_json).collect::<Vec<_>>(),
            "notes": report.notes().iter().map(problem_to_json).collect::<Vec<_>>(),
        }))?;
    } else {
        report.to_string().lines().for_each(|line| output.say(line));
    }
    Ok(ExitCode::from(if report.is_clean() { exit::YES } else { exit::NO }))
}

fn problem_to_json(problem: &Problem) -> Value {
    json!({
        "line": problem.place.line,
        "column": problem.place.column,
        "field": problem.field,
        "fault": problem.fault.code(),
        "message": problem.fault.to_string(),
    })
}

/// Holds a file against the machines; no is the answer where anything differs.
fn compare(
    checked: CheckedFile<BasicRecord>,
    machines: &[v1::Equipment],
    basis: &v1::Basis,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let sides = machines.iter().map(|state| Machine { state, facts: BasicFacts::default() });
    let mut comparison = Comparison::new(sides.collect());
    // Nothing is told before the last record: until then the file may turn out to have changed.
    let mut told = Vec::new();
    for placed in checked.records()? {
        let placed: Placed<BasicRecord> = placed?;
        let outcome = comparison.offer(&placed);
        told.push((placed, outcome));
    }
    let id = |index: &usize| machines.get(*index).map(|machine| uuid(&machine.id)).unwrap_or_default();
    let missing = comparison.only_in_ledger();
    let same = |outcome: &Outcome| matches!(outcome, Outcome::Matched { differences, again: false, .. } if differences.is_empty());
    let records = told.len();
    let agreeing = told.iter().filter(|(_, outcome)| same(outcome)).count();
    let agrees = agreeing == records && missing.is_empty();
    let code = ExitCode::from(if agrees { exit::YES } else { exit::NO });
    if output.is_json() {
        let rows: Vec<Value> = told.iter().map(|(placed, outcome)| outcome_to_json(placed, outcome, &id)).collect();
        output.json(&json!({
            "basis": json::to_json("tally.v1.Basis", basis)?,
            "records": rows,
            "onlyInLedger": missing.iter().map(id).collect::<Vec<_>>(),
        }))?;
        return Ok(code);
    }
    let mut rows = Vec::new();
    for (placed, outcome) in told.iter().filter(|(_, outcome)| !same(outcome)) {
        let (line, unit) = (placed.place.line.to_string(), placed.record.factory_code.clone());
        let mut row = |field: &str, upload: &str, ledger: &str| {
            rows.push([&line, &unit, field, upload, ledger].map(ToOwned::to_owned).to_vec());
        };
        match outcome {
            Outcome::Matched { machine, differences, again, .. } => {
                if *again {
                    row("record", "a second one", &id(machine));
                }
                differences.iter().for_each(|one| row(one.field, &one.upload, &one.ledger));
            }
            Outcome::Ambiguous { machines, .. } => {
                row("machine", "could mean several", &machines.iter().map(id).collect::<Vec<_>>().join(" "));
            }
            Outcome::OnlyInUpload => row("machine", "is uploaded", "is not in this mine"),
        }
    }
    for index in &missing {
        let Some(machine) = machines.get(*index) else { continue };
        let serial = machine.plates.last().map(|plate| plate.serial.clone()).unwrap_or_default();
        rows.push(vec![String::new(), serial, "machine".to_owned(), "is not uploaded".to_owned(), id(index)]);
    }
    output.table(&["line", "factory code 出厂编码", "field", "upload 上传", "ledger 账本"], rows);
    output.say(format!(
        "{} of {} agree with the ledger; {} of the mine not in the file. Not compared: name, category, system, installation, \
         ratings, Ex certificate",
        agreeing,
        count(records, "record"),
        count(missing.len(), "machine"),
    ));
    Ok(code)
}

fn outcome_to_json(placed: &Placed<BasicRecord>, outcome: &Outcome, id: &impl Fn(&usize) -> String) -> Value {
    let by = |by: &MatchedBy| match by {
        MatchedBy::Plate => "PLATE",
        MatchedBy::DeviceCode => "DEVICE_CODE",
    };
    let mut told = match outcome {
        Outcome::Matched { machine, by: found, differences, again } => json!({
            "outcome": "MATCHED",
            "equipment": [id(machine)],
            "by": by(found),
            "again": again,
            "differences": differences.iter().map(difference_to_json).collect::<Vec<_>>(),
        }),
        Outcome::Ambiguous { machines, by: found } => json!({
            "outcome": "AMBIGUOUS",
            "equipment": machines.iter().map(id).collect::<Vec<_>>(),
            "by": by(found),
        }),
        Outcome::OnlyInUpload => json!({ "outcome": "ONLY_IN_UPLOAD" }),
    };
    if let Some(fields) = told.as_object_mut() {
        fields.insert("line".to_owned(), json!(placed.place.line));
        fields.insert("deviceCode".to_owned(), json!(placed.record.device_code));
        fields.insert("factoryCode".to_owned(), json!(placed.record.factory_code));
    }
    told
}

fn difference_to_json(difference: &Difference) -> Value {
    let Difference { field, upload, ledger } = difference;
    json!({ "field": field, "upload": upload, "ledger": ledger })
}
