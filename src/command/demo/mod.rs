//! `tally demo`: a real server, a real sample through its public API, and what it answers.

mod judged;
mod replay;
mod sample;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use tally_client::{
    Client, Options, client::Identity, clock::SystemClock, draft::Draft, key::SigningKey, publication, verify::Trust,
};
use tally_core::{event::EventKind, time::Timestamp};
use tally_log::note::VerifierKey;
use tally_proto::v1::{self, statement::Body};
use tally_server::{
    audit::{self, Against},
    clock::ReplayClock,
    server::{Config, Server},
};

use self::{
    replay::{Machine, Replay},
    sample::{Header, Line},
};
use super::{init, serve::start_error, text};
use crate::{
    cli::{Demo, Scheme},
    output::{CommandError, Output, Progress, exit},
};

/// One day in microseconds: the ledger is founded so long before the sample's first line.
const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;
const INDEX_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Runs the demo.
pub fn run(args: &Demo, output: &Output) -> anyhow::Result<ExitCode> {
    let text = match &args.sample {
        Some(path) => fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => sample::BUILT_IN.to_owned(),
    };
    let lines = sample::parse(&text)?;
    let temporary = tempfile::tempdir()?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().join("ledger"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let told = runtime.block_on(show(&dir, &lines, args.dir.is_some(), output))?;
    if output.is_json() {
        output.json(&told)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Numbers the parts of what is shown.
struct Story<'a> {
    output: &'a Output,
    part: u32,
}

impl Story<'_> {
    fn part(&mut self, title: &str) {
        self.part += 1;
        self.output.say(format!("\n{}. {title}", self.part));
    }

    fn say(&self, text: impl AsRef<str>) {
        self.output.say(format!("   {}", text.as_ref()));
    }
}

async fn show(dir: &Path, lines: &[Line], is_kept: bool, output: &Output) -> anyhow::Result<serde_json::Value> {
    let header = header_of(lines)?;
    let mut story = Story { output, part: 0 };
    story.part("A ledger is founded, and the real server started on it  创建账本并启动服务");
    let clock = Arc::new(ReplayClock::default());
    let founded_at = first_time(lines)?.micros() - DAY_MICROS;
    let now = Timestamp::from_micros(founded_at);
    clock.set(now);
    let founded = init::found(&init::Founding {
        dir,
        origin: &header.origin,
        registrar: "Registrar of the demo",
        scheme: Scheme::Other,
        number: &header.origin,
        now,
    })?;
    let key = founded.signer.verifier().clone();
    let (server, signer) = (config(dir), super::serve::signer(&tally_server::startup::Layout::new(dir))?);
    let server = Server::start(&server, signer, clock.clone(), &mut |_, _| {}).await.map_err(start_error)?;
    let address = format!("http://{}", server.address());
    story.say(format!("{} in {}, listening on {}", header.origin, dir.display(), server.address()));
    story.say(
        "replay clock: recorded_at follows the sample's own recording times; only a log whose name ends in /demo may",
    );
    let trust = Trust::new(key.clone())?;
    // Events carry their signatures; what is asked is asked as the registrar, who sees everything.
    let identity = Identity {
        key: Arc::new(SigningKey::from_seed(*founded.registrar_key.seed())?),
        organisation: founded.registrar,
        role: v1::Role::Registrar,
        clock: Arc::new(SystemClock),
    };
    let options = Options { identity: Some(identity), ..Options::default() };
    let client = Client::connect(&address, trust, options).await.map_err(CommandError::from)?;

    story.part("The sample is replayed through the public API  回放样本");
    let mut replay = Replay::new(client.clone(), clock.clone(), &header.origin, founded);
    let since = v1::Day { year: 2000, month: 1, day: 1 };
    replay.publish(publication::defaults::bodies(since)?).await?;
    let progress = Progress::new("replaying", u64::try_from(lines.len()).unwrap_or_default());
    let total = u64::try_from(lines.len()).unwrap_or_default();
    replay.run(lines, &mut |done| progress.at(done, total)).await?;
    drop(progress);
    say_counts(&story, &replay, header);

    let marks = sample::parse(sample::MARKS)?;
    let machine = most_real(&replay).context("the sample has a machine")?;
    story.part("The history of one machine, every proof checked  一台设备的履历");
    let history = show_history(&story, &client, &replay, machine).await?;
    story.part("The same machine by its plate, and a plate that was forged  按铭牌查询");
    show_plates(&story, &client, machine).await?;
    story.part("The two clocks: what was true, and what was on record  两个时钟");
    show_clocks(&story, &client, &replay).await?;
    story.part("Somebody who does not have the machine signs that it is sold: refused  拒收");
    let reason = show_refusal(&story, &client, &replay, machine).await?;
    let subject = machine.subject;
    story.part("Four safety marks: good, suspended, for other mines, lapsed when it was made  四张安标");
    replay.run(&marks, &mut |_| {}).await?;
    let verdicts = judged::show_marks(&story, &client, &replay).await?;
    story.part("What is wrong, where, since when: the findings of a mine  一座煤矿的问题");
    judged::pass_time(&client, &clock, judged::day("2024-01-10")?).await?;
    let findings = judged::show_findings(&story, &client).await?;
    server.stop().await;

    story.part("One bit is flipped in a copy of the log  篡改一个比特");
    let wrong = show_flip(&story, dir, &key)?;
    story.say("");
    if is_kept {
        story.say(format!("the ledger is in {0}: tally serve {0} --accept-clock", dir.display()));
    }
    let counts = &replay.counts;
    Ok(serde_json::json!({
        "origin": header.origin,
        "events": counts.by_basis,
        "leftOut": header.left_out,
        "registrations": counts.registrations,
        "receiptsVerified": counts.receipts,
        "history": { "subject": subject.to_string(), "entries": history },
        "refused": reason,
        "verdicts": verdicts,
        "openFindings": findings,
        "flippedByte": wrong,
    }))
}

fn header_of(lines: &[Line]) -> anyhow::Result<&Header> {
    match lines.first() {
        Some(Line::Header(header)) if header.format == "tally-sample/1" => Ok(header),
        _ => anyhow::bail!("the sample does not begin with a header of format tally-sample/1"),
    }
}

/// When the first line was recorded.
fn first_time(lines: &[Line]) -> anyhow::Result<Timestamp> {
    let recorded_at = lines.iter().find_map(|line| match line {
        Line::Organisation(line) => Some(&line.recorded_at),
        Line::Mine(line) => Some(&line.recorded_at),
        Line::Place(line) => Some(&line.recorded_at),
        Line::Event(line) => Some(&line.recorded_at),
        Line::Header(_) | Line::Machine(_) => None,
    });
    Ok(text::instant(recorded_at.context("the sample is empty")?)?)
}

fn config(dir: &Path) -> Config {
    Config {
        dir: dir.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        insecure_plaintext: false,
        log_readers: Vec::new(),
        accept_clock: true,
        fence: None,
        new_fence: false,
        verify_threads: 2,
        index_cache_bytes: INDEX_CACHE_BYTES,
        public_rate: 0,
        chain_limit: true,
    }
}

fn say_counts(story: &Story<'_>, replay: &Replay, header: &Header) {
    let counts = &replay.counts;
    let of = |basis: &str| counts.by_basis.get(basis).copied().unwrap_or_default();
    let (real, generated) = (of("real"), of("generated"));
    story.say(format!(
        "{} events of {} machines: {real} real (public records, re-told), {generated} generated and marked so",
        real + generated,
        replay.machines.len()
    ));
    story.say(format!(
        "{} organisations with their own keys; {} registrations of them, roles, keys, mines and places",
        replay.parties.len(),
        counts.registrations
    ));
    story.say(format!("{} receipts, each verified: signature, inclusion, one growing log", counts.receipts));
    let left_out: Vec<String> = header.left_out.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    story.say(format!("left out, for this version has no such event: {}", left_out.join(", ")));
    for (number, source) in &header.sources {
        story.say(format!("source {number}: {source}"));
    }
}

/// The machine with the most real events; of those one whose plate is real, too, and the history short.
fn most_real(replay: &Replay) -> Option<&Machine> {
    let is_reported = |machine: &Machine| machine.plate.maker != "NOT REPORTED";
    replay
        .machines
        .values()
        .max_by_key(|machine| (machine.real, is_reported(machine), std::cmp::Reverse(machine.events)))
}

/// An instant to the minute, in +08:00.
fn minute(instant: Timestamp) -> String {
    text::time(instant.micros()).chars().take("2015-12-11T10:27".len()).collect()
}

fn plate_text(plate: &v1::Plate) -> String {
    format!("{}::{}::{}", plate.maker, plate.model, plate.serial)
}

async fn show_history(story: &Story<'_>, client: &Client, replay: &Replay, machine: &Machine) -> anyhow::Result<usize> {
    let history = client.history(machine.subject).await.map_err(CommandError::from)?;
    story.say(plate_text(&machine.plate));
    story.say(machine.subject.to_string());
    for (position, recorded_at, event) in history.events() {
        let statement = event.statement();
        let kind = EventKind::from_number(statement.body_number);
        let named = kind.map_or_else(String::new, |kind| format!("{} {}", kind.name(), kind.zh()));
        let basis = replay.bases.get(&event.event_hash()).map_or("", String::as_str);
        story.say(format!(
            "{:>5}  occurred {}  recorded {}  {basis:<9}  {named}",
            position.get(),
            minute(statement.occurred_at),
            minute(recorded_at),
        ));
    }
    let size = history.head.checkpoint.size();
    let complete =
        if history.completeness.is_complete() { "complete: nothing is left out" } else { "not proved complete" };
    story.say(format!("{complete}, {} entries, under the checkpoint of size {size}", history.touches.len()));
    story.say("the heads root is the log's own word: no replica has cosigned it");
    Ok(history.touches.len())
}

async fn show_plates(story: &Story<'_>, client: &Client, machine: &Machine) -> anyhow::Result<()> {
    let found = client.look_up_plate(machine.plate.clone(), v1::At::default()).await.map_err(CommandError::from)?;
    for state in &found.equipment {
        story.say(format!("{}: {}", plate_text(&machine.plate), text::state(state.state)));
    }
    let forged = v1::Plate { serial: format!("{}-2", machine.plate.serial), ..machine.plate.clone() };
    let absent = client.look_up_plate(forged.clone(), v1::At::default()).await.map_err(CommandError::from)?;
    anyhow::ensure!(absent.equipment.is_empty() && !absent.head.is_opened(), "the forged plate is on record");
    story.say(format!(
        "{}: no machine with this plate is on record; proved under the checkpoint of size {}",
        plate_text(&forged),
        absent.head.checkpoint.size()
    ));
    Ok(())
}

/// The machine whose records came latest after what they tell of: before, they were not there.
async fn show_clocks(story: &Story<'_>, client: &Client, replay: &Replay) -> anyhow::Result<()> {
    let mut latest: Option<(&Machine, Timestamp, Timestamp, i64)> = None;
    for machine in replay.machines.values() {
        let history = client.history(machine.subject).await.map_err(CommandError::from)?;
        for (_, recorded_at, event) in history.events() {
            let occurred_at = event.statement().occurred_at;
            let late = recorded_at.micros() - occurred_at.micros();
            if latest.is_none_or(|(.., most)| late > most) {
                latest = Some((machine, occurred_at, recorded_at, late));
            }
        }
    }
    let (machine, occurred_at, recorded_at, late) = latest.context("the sample has events")?;
    story.say(plate_text(&machine.plate));
    let before = u64::try_from(recorded_at.micros() - 1).unwrap_or_default();
    for (known_at_us, said) in [(before, "known just before it was recorded"), (0, "known today")] {
        let at = v1::At { as_of_us: recorded_at.micros(), known_at_us, known_size: 0 };
        let answer = client.equipment(machine.subject, at).await.map_err(CommandError::from)?;
        story.say(format!("as of {}, {said}: {} entries", text::time(recorded_at.micros()), answer.value.touches));
    }
    story.say(format!(
        "one of them is about {}: it was entered {} days late, and nobody can make it look otherwise",
        text::time(occurred_at.micros()),
        late / DAY_MICROS
    ));
    Ok(())
}

/// A recycler that never had the machine signs that it was dispatched.
async fn show_refusal(
    story: &Story<'_>,
    client: &Client,
    replay: &Replay,
    machine: &Machine,
) -> anyhow::Result<String> {
    let by_role = |role: v1::Role| replay.parties.values().find(move |party| party.roles.contains(&role));
    let stranger = by_role(v1::Role::Recycler).context("the sample has a recycler")?;
    let buyer = by_role(v1::Role::Mine).context("the sample has a mine")?;
    let history = client.history(machine.subject).await.map_err(CommandError::from)?;
    let last = history.events().last().map(|(_, recorded_at, _)| recorded_at).context("it has a history")?;
    let body = Body::Dispatched(v1::Dispatched {
        to_organisation: buyer.id.as_bytes().to_vec(),
        reason: v1::DispatchReason::Sale as i32,
        ..v1::Dispatched::default()
    });
    let author = replay.author(stranger.id, v1::Role::Recycler);
    let mut draft = Draft::new(&author, machine.subject, last, body, last)?;
    story.say(format!("{} signs: Dispatched {}", stranger.name, plate_text(&machine.plate)));
    let Err(error) = client.record_draft(&mut draft, &stranger.key, &[]).await else {
        anyhow::bail!("a machine was sold by somebody who does not have it");
    };
    let server = error.server().with_context(|| error.to_string())?;
    story.say(format!("{} {}", server.reason, server.localized.as_deref().unwrap_or_default()));
    story.say(&server.message);
    let after = client.history(machine.subject).await.map_err(CommandError::from)?;
    anyhow::ensure!(after.touches.len() == history.touches.len(), "a refused event is on the chain");
    story.say("nothing was recorded: the same history, proved again");
    Ok(server.reason.clone())
}

fn show_flip(story: &Story<'_>, dir: &Path, key: &VerifierKey) -> anyhow::Result<Vec<String>> {
    let against = Against { log_key: key.clone(), kept: None };
    let log = dir.join("log");
    let whole = audit::verify(&log, &against, &mut |_| {})?;
    anyhow::ensure!(whole.wrong.is_empty(), "the log of the demo is damaged: {}", whole.wrong.join("; "));
    story.say(format!(
        "tally log verify {}: whole, {} entries, {} signatures",
        log.display(),
        whole.size,
        whole.signatures
    ));
    let temporary = tempfile::tempdir()?;
    let copy = temporary.path().join("log");
    copy_dir(&log, &copy)?;
    let segment = copy.join("00000000.segment");
    let mut bytes = fs::read(&segment)?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    fs::write(&segment, bytes)?;
    let report = audit::verify(&copy, &against, &mut |_| {})?;
    anyhow::ensure!(!report.wrong.is_empty(), "a flipped bit was not noticed");
    story.say(format!("byte {middle} of {} in a copy, lowest bit flipped:", "00000000.segment"));
    for wrong in report.wrong.iter().take(3) {
        story.say(format!("tally log verify (exit {}): {wrong}", exit::DAMAGE));
    }
    Ok(report.wrong)
}

fn copy_dir(from: &Path, to: &PathBuf) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
