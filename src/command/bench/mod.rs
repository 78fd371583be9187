//! `tally bench`: measures a real server in its own process over gRPC, with freshly signed events, every receipt checked.

mod load;
mod machine;
mod server;

use std::{path::Path, process::ExitCode};

use tally_client::clock::{Clock as _, SystemClock};
use tally_log::{TreeSize, store::Options, store::disk::RealDisk, store::open_to_read};

use self::{
    load::{Load, Measured},
    server::ServerProcess,
};
use super::init;
use crate::{
    cli::{BenchMode, BenchRecord, Scheme},
    output::{Output, note},
};

/// The origin of a ledger that is only measured.
const ORIGIN: &str = "bench.tally.example/record";

/// Runs `tally bench record`.
pub fn run(args: &BenchRecord, output: &Output) -> anyhow::Result<ExitCode> {
    let temporary = tempfile::tempdir()?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().join("ledger"));
    let founded = init::found(&init::Founding {
        dir: &dir,
        origin: ORIGIN,
        registrar: "Registrar of the benchmark",
        scheme: Scheme::Other,
        number: ORIGIN,
        now: SystemClock.now(),
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (measured, server) = runtime.block_on(async {
        let server = ServerProcess::start(&dir)?;
        note(format!(
            "a server of its own on {}, {} events over {} machines",
            server.address(),
            args.events,
            args.machines
        ));
        let load = Load::prepare(args, &server, founded).await?;
        note("measuring this machine: signatures and syncs");
        let before = machine::verify_strict_per_second();
        let fdatasync_p50_us = machine::fdatasync_p50_us(&dir)?;
        let cpu_before = server.cpu_micros()?;
        note("recording");
        let measured = load.run(&server).await?;
        let cpu = server.cpu_micros()?.saturating_sub(cpu_before);
        let after = machine::verify_strict_per_second();
        let rss = server.rss_peak_bytes()?;
        anyhow::Ok((measured, Around { verify: f64::midpoint(before, after), fdatasync_p50_us, cpu, rss, server }))
    })?;
    let Around { verify, fdatasync_p50_us, cpu, rss, server } = server;
    server.stop()?;
    let (entries, entry_bytes) = entry_bytes(&dir)?;
    report(
        args,
        &measured,
        output,
        &Kept {
            verify,
            fdatasync_p50_us,
            cpu,
            rss,
            entries,
            entry_bytes,
            log_bytes: disk_bytes(&dir.join("log"))?,
            index_bytes: disk_bytes(&dir.join("index"))?,
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// What was measured around the load.
struct Around {
    verify: f64,
    fdatasync_p50_us: u64,
    cpu: u64,
    rss: u64,
    server: ServerProcess,
}

/// What is left when the server has stopped.
struct Kept {
    verify: f64,
    fdatasync_p50_us: u64,
    cpu: u64,
    rss: u64,
    entries: u64,
    entry_bytes: u64,
    log_bytes: u64,
    index_bytes: u64,
}

fn report(args: &BenchRecord, measured: &Measured, output: &Output, kept: &Kept) -> anyhow::Result<()> {
    let rate = to_f64(measured.events) / measured.seconds;
    let ratio = rate / kept.verify;
    let cpu_per_event = to_f64(kept.cpu) / to_f64(measured.events.max(1));
    let mode = match args.mode {
        BenchMode::Stream => "stream",
        BenchMode::Unary => "unary",
    };
    let (p50, p99) = (measured.latency_us(50), measured.latency_us(99));
    if output.is_json() {
        return output.json(&serde_json::json!({
            "mode": mode,
            "events": measured.events,
            "machines": args.machines,
            "callers": measured.callers,
            "seconds": measured.seconds,
            "events_per_second": rate,
            "events_per_second_by_tenth": measured.by_tenth,
            "verify_strict_per_second": kept.verify,
            "ratio": ratio,
            "fdatasync_p50_us": kept.fdatasync_p50_us,
            "receipt_p50_us": p50,
            "receipt_p99_us": p99,
            "server_cpu_us_per_event": cpu_per_event,
            "server_rss_peak_bytes": kept.rss,
            "entries": kept.entries,
            "entry_bytes": kept.entry_bytes,
            "log_bytes": kept.log_bytes,
            "index_bytes": kept.index_bytes,
        }));
    }
    let mib = |bytes: u64| format!("{:.1} MiB", to_f64(bytes) / 1_048_576.0);
    output.table(
        &["measure", "value"],
        vec![
            vec!["mode".to_owned(), format!("{mode}, {} callers", measured.callers)],
            vec!["events".to_owned(), format!("{} over {} machines", measured.events, args.machines)],
            vec!["rate".to_owned(), format!("{rate:.0} events/s in {:.2} s", measured.seconds)],
            vec!["verify_strict, one thread".to_owned(), format!("{:.0}/s", kept.verify)],
            vec!["ratio".to_owned(), format!("{ratio:.2}")],
            vec!["fdatasync p50".to_owned(), format!("{} µs", kept.fdatasync_p50_us)],
            vec!["receipt p50, p99".to_owned(), format!("{p50} µs, {p99} µs")],
            vec!["server CPU".to_owned(), format!("{cpu_per_event:.1} µs an event")],
            vec!["server memory, peak".to_owned(), mib(kept.rss)],
            vec!["entries".to_owned(), format!("{}, {}", kept.entries, mib(kept.entry_bytes))],
            vec!["log, index on disk".to_owned(), format!("{}, {}", mib(kept.log_bytes), mib(kept.index_bytes))],
        ],
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure to print")]
fn to_f64(number: u64) -> f64 {
    number as f64
}

/// How many entries the log has, and their bytes.
fn entry_bytes(dir: &Path) -> anyhow::Result<(u64, u64)> {
    let (log, _) = open_to_read(std::sync::Arc::new(RealDisk), &dir.join("log"), &Options::default())?;
    let mut bytes = 0;
    for frame in log.frames(tally_log::LogPosition::FIRST) {
        let lengths = frame?.entries.iter().map(|stored| stored.entry.len()).sum::<usize>();
        bytes += u64::try_from(lengths).unwrap_or_default();
    }
    Ok((TreeSize::get(log.size()), bytes))
}

fn disk_bytes(path: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
