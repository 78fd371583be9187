//! kill -9 of the real server at random moments under load: what was acknowledged is there, and nothing is half there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail by panic, too, and the seed must be seen"
)]

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use tally_client::{
    Client, Options,
    client::Identity,
    clock::SystemClock,
    draft::SignedEvent,
    verify::{Kept, Trust},
};
use tally_core::hash::EventHash;
use tally_log::LogPosition;
use tally_testkit::{
    binary::{Founded, Serving, Tally},
    life::Life,
    random::SeededRandom,
    scene::REGISTRAR,
};

/// How often the server is killed, unless `TALLY_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 50;
/// The load may be this long before the kill.
const LOAD_MILLIS_MAX: u64 = 400;
/// Events of one message of the stream.
const MESSAGE_EVENTS: usize = 16;

/// What a receipt promised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Promise {
    position: LogPosition,
    recorded_at: i64,
}

/// Everything that was acknowledged, by event hash.
type Promises = Arc<Mutex<HashMap<EventHash, Promise>>>;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn what_was_acknowledged_outlives_fifty_kills_under_load() {
    let seed = number("TALLY_SEED", 20_261_124);
    println!("TALLY_SEED={seed}");
    let mut random = SeededRandom::new(seed);
    let ledger = Tally::new(env!("CARGO_BIN_EXE_tally")).init("tally.example/kill");
    let trust = Trust::parse(std::fs::read_to_string(ledger.log_pub()).unwrap().trim_end()).unwrap();
    let life = Life::in_scene(ledger.scene(seed).everybody(), seed).over(40).with_one_signature();
    let mut waiting: VecDeque<SignedEvent> = life.preamble().iter().cloned().collect();
    let mut life = life;
    // The server runs by the system's clock, the scene by its own.
    let registrar = Identity { clock: Arc::new(SystemClock), ..life.scene().identity(REGISTRAR) };
    let promises = Promises::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut checkpoints: Vec<Kept> = Vec::new();

    for round in 0..number("TALLY_KILL_ROUNDS", ROUNDS) {
        let serving = ledger.serve_with(["--accept-clock"]);
        let (state_dir, identity) = (Some(ledger.workplace().join("state")), Some(registrar.clone()));
        let options = || Options { state_dir: state_dir.clone(), identity: identity.clone(), ..Options::default() };
        let url = serving.url();
        runtime.block_on(async {
            // The kept checkpoint is from before the kill: connecting and reading shows that the server did not go back.
            let client = Client::connect(&url, trust.clone(), options()).await.unwrap();
            let checkpoint = client.checkpoint().await.unwrap();
            for old in &checkpoints {
                let proved = client.consistency(old.size, Some(checkpoint.size())).await.unwrap();
                assert_eq!(proved.old.root, old.root, "the checkpoint of size {} is of another ledger", old.size);
            }
            checkpoints.push(checkpoint.kept());
            check_promises(&client, &promises, &mut random).await;
        });
        let load = Duration::from_millis(1 + random.below(LOAD_MILLIS_MAX));
        runtime.block_on(run_until_killed(serving, &trust, &mut waiting, &mut life, &promises, load));
        println!("round {round}: {} acknowledged", promises.lock().unwrap().len());
    }

    finish(&ledger, &runtime, trust, registrar, waiting, &promises);
}

/// A few of the promises at random, and all of the last ones, must be kept.
async fn check_promises(client: &Client, promises: &Promises, random: &mut SeededRandom) {
    let promised: Vec<(EventHash, Promise)> =
        promises.lock().unwrap().iter().map(|(hash, promise)| (*hash, *promise)).collect();
    let mut newest = promised.clone();
    newest.sort_by_key(|(_, promise)| std::cmp::Reverse(promise.position));
    newest.truncate(20);
    let count = u64::try_from(promised.len()).unwrap();
    for _ in 0..count.min(20) {
        newest.push(promised[usize::try_from(random.below(count)).unwrap()]);
    }
    for (hash, promise) in newest {
        let entry = client.event(promise.position).await.unwrap();
        assert_eq!(entry.event.event_hash(), hash, "another event stands at {}", promise.position);
        assert_eq!(entry.recorded_at.micros(), promise.recorded_at);
    }
}

/// Streams events, those that are not acknowledged yet first, until the server is killed.
async fn run_until_killed(
    serving: Serving,
    trust: &Trust,
    waiting: &mut VecDeque<SignedEvent>,
    life: &mut Life,
    promises: &Promises,
    load: Duration,
) {
    let client = Client::connect(&serving.url(), trust.clone(), Options::default()).await.unwrap();
    let killer = tokio::task::spawn_blocking(move || {
        std::thread::park_timeout(load);
        serving.kill()
    });
    while waiting.len() < 4_000 {
        waiting.push_back(life.next().unwrap());
    }
    let messages: Vec<Vec<SignedEvent>> =
        waiting.make_contiguous().chunks(MESSAGE_EVENTS).map(<[SignedEvent]>::to_vec).collect();
    if let Ok(mut answers) = client.record_stream(tokio_stream::iter(messages)).await {
        while let Some(Ok(recorded)) = answers.next().await {
            for one in recorded {
                let receipt = match one.outcome {
                    Ok(receipt) => receipt,
                    Err(refusal) if refusal.reason == "UNAVAILABLE" => continue,
                    Err(refusal) => panic!("{}: {}", refusal.reason, refusal.message),
                };
                let promise = Promise { position: receipt.position, recorded_at: receipt.recorded_at.micros() };
                let former = promises.lock().unwrap().insert(one.event.event_hash(), promise);
                assert!(former.is_none_or(|former| former == promise), "a retry gave another receipt");
                let front = waiting.pop_front().expect("what is answered was waiting");
                assert_eq!(front.event_hash(), one.event.event_hash(), "answers come in the order sent");
            }
        }
    }
    killer.await.unwrap();
}

/// In the end everything that waits is recorded, and the whole log verifies.
fn finish(
    ledger: &Founded,
    runtime: &tokio::runtime::Runtime,
    trust: Trust,
    registrar: Identity,
    waiting: VecDeque<SignedEvent>,
    promises: &Promises,
) {
    let serving = ledger.serve_with(["--accept-clock"]);
    runtime.block_on(async {
        let options = Options { identity: Some(registrar), ..Options::default() };
        let client = Client::connect(&serving.url(), trust, options).await.unwrap();
        for event in waiting.iter().take(50) {
            client.record(event).await.unwrap();
        }
        let promised: Vec<(EventHash, Promise)> =
            promises.lock().unwrap().iter().map(|(hash, promise)| (*hash, *promise)).collect();
        for (hash, promise) in promised {
            let entry = client.event(promise.position).await.unwrap();
            assert_eq!(entry.event.event_hash(), hash);
            assert_eq!(entry.recorded_at.micros(), promise.recorded_at);
        }
    });
    let ended = serving.terminate();
    assert!(ended.status.success(), "{ended}");
    let verified = Tally::new(env!("CARGO_BIN_EXE_tally"))
        .run(["log".as_ref(), "verify".as_ref(), ledger.log().as_os_str(), "--output".as_ref(), "json".as_ref()])
        .expect_code(0);
    let report: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(report["whole"], true);
    assert!(promises.lock().unwrap().len() > 500, "the load was too small to show anything");
}
