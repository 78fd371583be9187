//! How a server starts, says that it is well, is overrun, and ends; and what keeps it from sequencing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use common::{GateKeeper, Raw, client, copy_directory, record_scene, restore_directory, said, served, trust, within};
use tally_client::{draft::SignedEvent, verify::verify_receipt};
use tally_log::note::SignerKey;
use tally_proto::v1::{self, ServiceState};
use tally_server::{
    fence::FenceError,
    init,
    server::{Config, Server},
    startup::StartError,
};
use tally_testkit::{
    clock::SimClock,
    ledger::TestLedger,
    scene::{Machine, Scene},
};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

const LEDGER_SERVICE: &str = "tally.v1.LedgerService";

/// A machine in the mine, for events to be about.
fn scene_with_machine() -> (Scene, Machine) {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    (scene, machine)
}

/// The next event of a machine, also in the scene.
fn noted(machine: &Machine, text: &str) -> SignedEvent {
    machine.noted(text).last()
}

fn config(dir: &Path) -> Config {
    Config {
        dir: dir.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        insecure_plaintext: false,
        log_readers: Vec::new(),
        accept_clock: true,
        fence: None,
        new_fence: false,
        verify_threads: 1,
        index_cache_bytes: 16 * 1024 * 1024,
        public_rate: 0,
        chain_limit: true,
    }
}

async fn start(scene: &Scene, config: &Config) -> Result<Server, StartError> {
    Server::start(config, scene.log_signer(), Arc::new(scene.clock()), &mut |_, _| {}).await
}

/// Why it did not start.
async fn refused(scene: &Scene, config: &Config) -> StartError {
    match start(scene, config).await {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_serving_until_a_stop_is_asked_for_and_a_watcher_does_not_hold_it_up() {
    let (scene, machine) = scene_with_machine();
    let gate = GateKeeper::new(scene.clock());
    let mut ledger = TestLedger::start_with(&scene, gate.clock(), |_| {}).await;
    record_scene(&scene, &ledger).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let mut health = HealthClient::new(raw.channel());
    for service in ["", LEDGER_SERVICE] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = health.check(HealthCheckRequest { service: "tally.v1.Nothing".to_owned() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let mut watches = Vec::new();
    for service in ["", LEDGER_SERVICE] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let mut watch = health.watch(request).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
        watches.push(watch);
    }

    // An accepted event holds the server until it is answered, so that the state between can be seen.
    gate.close();
    let (caller, event) = (raw.clone(), noted(&machine, "accepted before the stop"));
    let message = event.message();
    let call = tokio::spawn(async move { caller.record(&message).await });
    gate.held().await;
    let stopping = tokio::spawn(async move {
        ledger.stop().await;
        ledger
    });
    for watch in &mut watches {
        let answer = within("a change of health", watch.message()).await.unwrap().unwrap();
        assert_eq!(answer.status(), ServingStatus::NotServing);
    }
    assert!(!stopping.is_finished(), "the event is not answered yet");
    gate.open();
    let receipt = within("the receipt", call).await.unwrap().unwrap();
    verify_receipt(&trust(&scene), &event, &receipt).unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(10), stopping).await;
    drop(stopped.expect("the stop waits for those who watch its health").unwrap());
    for watch in &mut watches {
        assert!(within("the end", watch.message()).await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_accepted_before_a_stop_gets_its_receipt_and_is_there_after_the_next_start() {
    let (scene, machine) = scene_with_machine();
    let gate = GateKeeper::new(scene.clock());
    let mut ledger = TestLedger::start_with(&scene, gate.clock(), |_| {}).await;
    record_scene(&scene, &ledger).await;
    let others: Vec<Machine> = (0..20).map(|_| scene.machine("MG900/2245")).collect();
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let first = noted(&machine, "first");
    let events: Vec<SignedEvent> = others.iter().map(|machine| machine.manufactured().last()).collect();

    gate.close();
    let (caller, message) = (raw.clone(), first.message());
    let mut calls = JoinSet::new();
    calls.spawn(async move { (first, caller.record(&message).await) });
    gate.held().await;
    // These wait behind the batch that is held; a call that comes too late is told so, and nothing of it is recorded.
    for event in events {
        let (caller, message) = (raw.clone(), event.message());
        calls.spawn(async move { (event, caller.record(&message).await) });
    }
    let stopping = tokio::spawn(async move {
        ledger.stop().await;
        ledger
    });
    gate.open();
    let (mut acknowledged, mut too_late) = (Vec::new(), Vec::new());
    for (event, answer) in within("the answers", calls.join_all()).await {
        match answer {
            Ok(receipt) => acknowledged.push((event, receipt)),
            Err(_) => too_late.push(event),
        }
    }
    let mut ledger = within("the stop", stopping).await.unwrap();
    assert!(!acknowledged.is_empty(), "the one that was held was accepted");
    for (event, receipt) in &acknowledged {
        verify_receipt(&trust(&scene), event, receipt).unwrap();
    }
    assert!(Raw::try_connect(&scene, raw.url()).await.is_err(), "nobody listens any more");

    ledger.serve().await.unwrap();
    let raw = Raw::connect(&scene, &ledger.url()).await;
    for (event, receipt) in &acknowledged {
        let again = raw.record(&event.message()).await.unwrap();
        assert_eq!((again.position, &again.leaf_hash), (receipt.position, &receipt.leaf_hash));
    }
    for event in too_late {
        raw.record(&event.message()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_and_idle_streams_do_not_hold_up_a_stop() {
    let (scene, machine) = scene_with_machine();
    let mut ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let request = v1::FollowEntriesRequest { from_position: raw.size().await, stop_at_end: false };
    let mut following = raw.log().follow_entries(request).await.unwrap().into_inner();
    let (messages, sent) = tokio::sync::mpsc::channel(4);
    let event = noted(&machine, "in a stream that stays open");
    messages.send(v1::RecordEventsRequest { events: vec![event.message()] }).await.unwrap();
    let streamed = raw.ledger().record_events(tokio_stream::wrappers::ReceiverStream::new(sent)).await;
    let mut streamed = streamed.unwrap().into_inner();
    let answer = within("the receipt", streamed.message()).await.unwrap().unwrap();
    assert!(matches!(answer.results[0].outcome, Some(v1::record_result::Outcome::Receipt(_))));

    let stopped = tokio::time::timeout(Duration::from_secs(5), ledger.stop()).await;
    assert!(stopped.is_ok(), "the stop waits for streams on which nothing comes");
    // The follower has what was sealed, and both are told that there is no more.
    let followed = within("the entry", following.message()).await.unwrap().unwrap();
    assert_eq!(followed.entries.len(), 0, "at the end there was nothing yet");
    let followed = within("the entry", following.message()).await.unwrap().unwrap();
    assert_eq!(followed.entries.len(), 2);
    let ended = within("the end", following.message()).await;
    assert!(
        matches!(&ended, Ok(None)) || ended.as_ref().is_err_and(|status| status.code() == Code::Unavailable),
        "{ended:?}"
    );
    let ended = within("the end", streamed.message()).await;
    assert!(matches!(&ended, Err(status) if status.code() == Code::Unavailable), "{ended:?}");
    assert!(said(&ended.unwrap_err()).retry_delay.is_some());
    drop(messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_the_services_in_both_versions() {
    let scene = Scene::new();
    let ledger = TestLedger::start(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let ours = ["Ledger", "Subject", "Equipment", "Register", "Log"].map(|name| format!("tally.v1.{name}Service"));

    use tonic_reflection::pb::{v1, v1alpha};
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut reflection = v1::server_reflection_client::ServerReflectionClient::new(raw.channel());
    let mut answers = reflection.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    for service in &ours {
        assert!(names.contains(service), "{service} is not among {names:?}");
    }
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()));

    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut reflection = v1alpha::server_reflection_client::ServerReflectionClient::new(raw.channel());
    let mut answers = reflection.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    let alpha: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    assert_eq!(alpha[..6], names[..6], "besides reflection itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_is_refused_and_the_connection_goes_on() {
    let (scene, machine) = scene_with_machine();
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let size = raw.size().await;
    let good = noted(&machine, "x").message();
    let over = v1::SignedEvent { payload: vec![0; tally_server::server::MESSAGE_BYTES_MAX + 1], ..good.clone() };
    let status = raw.record(&over).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    assert_eq!(raw.size().await, size);
    raw.record(&good).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_answers_at_once_and_everybody_who_waited_is_served() {
    let (scene, machine) = scene_with_machine();
    let gate = GateKeeper::new(scene.clock());
    let ledger = TestLedger::start_with(&scene, gate.clock(), |_| {}).await;
    record_scene(&scene, &ledger).await;
    // The server answers at most 256 calls of one connection at a time.
    let mut raws = Vec::new();
    for _ in 0..3 {
        raws.push(Raw::connect(&scene, &ledger.url()).await);
    }
    let event = noted(&machine, "sent again and again");
    gate.close();
    let (caller, message) = (raws[0].clone(), event.message());
    let first = tokio::spawn(async move { caller.record(&message).await });
    gate.held().await;

    // Nothing is taken from the queue now: sooner or later it is full.
    let mut waiting = JoinSet::new();
    let full = within("a full queue", async {
        for number in 0.. {
            let (caller, message) = (raws[number % raws.len()].clone(), event.message());
            let mut call = Box::pin(async move { caller.record(&message).await });
            match tokio::time::timeout(Duration::from_millis(3), &mut call).await {
                Ok(Err(status)) => return status,
                Ok(Ok(receipt)) => panic!("answered while the sequencer is held: {receipt:?}"),
                Err(_) => drop(waiting.spawn(call)),
            }
            while let Some(done) = waiting.try_join_next() {
                if let Err(status) = done.unwrap() {
                    return status;
                }
            }
        }
        unreachable!("numbers do not end")
    })
    .await;
    let error = said(&full);
    assert_eq!((error.code, error.reason.as_str()), (Code::ResourceExhausted, "QUEUE_FULL"), "{full:?}");
    assert!(error.retry_delay.is_some_and(|delay| !delay.is_zero()), "{error:?}");
    assert!(error.localized.is_some());
    let many = waiting.len();
    assert!(many >= tally_server::sequencer::QUEUE_MESSAGES_MAX - 8, "only {many} were waiting");
    gate.open();
    let due = within("the first", first).await.unwrap().unwrap();
    for answer in within("those that waited", waiting.join_all()).await {
        match answer {
            Ok(receipt) => assert_eq!((receipt.position, receipt.leaf_hash), (due.position, due.leaf_hash.clone())),
            Err(status) => assert_eq!(said(&status).reason, "QUEUE_FULL"),
        }
    }
    // What was told to come back is taken then.
    verify_receipt(&trust(&scene), &event, &raws[1].record(&event.message()).await.unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_loopback_is_served_unless_it_is_allowed() {
    let scene = Scene::new();
    let mut ledger = TestLedger::start(&scene).await;
    ledger.stop().await;
    let mut open = config(ledger.dir());
    open.listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let error = refused(&scene, &open).await;
    assert!(matches!(&error, StartError::Configuration(why) if why.contains("--insecure-plaintext")), "{error:?}");
    open.insecure_plaintext = true;
    start(&scene, &open).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_with_the_right_key_on_a_ledger_that_is_there_and_that_nobody_has() {
    let scene = Scene::new();
    let mut ledger = TestLedger::start(&scene).await;
    let error = refused(&scene, &config(ledger.dir())).await;
    assert!(matches!(error, StartError::InUse { .. }), "{error:?}");
    // The one that has it goes on.
    assert!(Raw::connect(&scene, &ledger.url()).await.size().await > 0);
    let founded = init::found(&ledger.layout(), &scene.log_signer(), &scene.genesis().message(), scene.now());
    assert!(matches!(founded, Err(StartError::AlreadyThere { .. })), "{founded:?}");
    ledger.stop().await;

    let other = SignerKey::from_seed(&scene.origin(), &[9; 32]).unwrap();
    let started = Server::start(&config(ledger.dir()), other, Arc::new(scene.clock()), &mut |_, _| {}).await;
    let error = started.err().unwrap();
    assert!(matches!(&error, StartError::Configuration(why) if why.contains("log.key")), "{error:?}");

    let nowhere = ledger.workplace().join("nothing here");
    fs::create_dir(&nowhere).unwrap();
    let error = refused(&scene, &config(&nowhere)).await;
    assert!(matches!(error, StartError::NotThere { .. }), "{error:?}");
    assert_eq!(fs::read_dir(&nowhere).unwrap().count(), 0, "serving creates nothing");
    ledger.serve().await.unwrap();
}

/// Records one event, as far as the server goes on.
async fn try_record(raw: &Raw, event: &SignedEvent) -> Result<v1::Receipt, tonic::Status> {
    within("an answer", raw.record(&event.message())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_cannot_be_right_stops_sequencing_and_nothing_else() {
    const HOUR: i64 = 3_600_000_000;
    // How somebody turns the clock, and whether the next batch is sealed.
    let turned: &[(&str, i64, Option<&str>)] = &[
        ("2 s back", -2_000_000, None),
        ("just over 2 s back", -2_000_001, Some("CLOCK_BEHIND")),
        ("an hour ahead", HOUR, None),
        ("just over an hour ahead", HOUR + 1, Some("CLOCK_STEPPED")),
    ];
    for (what, by, stops) in turned {
        let (scene, machine) = scene_with_machine();
        let clock = SimClock::new(scene.now());
        let ledger = TestLedger::start_with(&scene, Arc::new(clock.clone()), |_| {}).await;
        record_scene(&scene, &ledger).await;
        let raw = Raw::connect(&scene, &ledger.url()).await;
        // From one batch to the next however much time may pass, if both clocks say so.
        clock.advance(Duration::from_secs(50 * 24 * 3_600));
        let first = noted(&machine, "the clock is right");
        let last = try_record(&raw, &first).await.unwrap().recorded_at_us;
        let size = raw.size().await;
        clock.step_micros(*by);
        let second = noted(&machine, "the clock was turned");
        let answer = try_record(&raw, &second).await;
        match stops {
            None => {
                let receipt = answer.unwrap_or_else(|status| panic!("{what}: {status:?}"));
                assert!(receipt.recorded_at_us > last, "{what}: recorded_at never goes back");
            }
            Some(reason) => {
                let status = answer.err().unwrap_or_else(|| panic!("{what}: it was sealed"));
                assert_eq!(status.code(), Code::Unavailable, "{what}");
                let why = within("the end", ledger.server().ended()).await;
                assert!(why.contains(reason), "{what}: {why}");
                assert_eq!(raw.size().await, size, "{what}: nothing was sealed, and reads go on");
                // It does not come back by itself, even where the clock does.
                clock.step_micros(-by);
                assert_eq!(try_record(&raw, &second).await.unwrap_err().code(), Code::Unavailable);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_long_after_the_last_entry_asks_whether_the_clock_is_right() {
    let scene = Scene::new();
    let clock = SimClock::new(scene.now());
    let mut ledger =
        TestLedger::start_with(&scene, Arc::new(clock.clone()), |config| config.accept_clock = false).await;
    let thirty_days = Duration::from_secs(30 * 24 * 3_600);
    ledger.stop().await;
    clock.advance(thirty_days);
    ledger.serve().await.unwrap();
    ledger.stop().await;
    clock.advance(Duration::from_micros(1));
    let error = ledger.serve().await.unwrap_err();
    assert!(matches!(&error, StartError::Clock(why) if why.contains("--accept-clock")), "{error:?}");
    ledger.config().accept_clock = true;
    ledger.serve().await.unwrap();
}

/// A ledger whose fence lies outside of its directory.
async fn fenced(scene: &Scene) -> (TestLedger, PathBuf) {
    let mut ledger = TestLedger::start(scene).await;
    ledger.stop().await;
    let fence = ledger.workplace().join("fence elsewhere");
    fs::rename(ledger.dir().join("fence"), &fence).unwrap();
    ledger.config().fence = Some(fence.clone());
    ledger.serve().await.unwrap();
    record_scene(scene, &ledger).await;
    (ledger, fence)
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_older_than_its_fence_is_not_sequenced() {
    let (scene, machine) = scene_with_machine();
    let (mut ledger, _) = fenced(&scene).await;
    ledger.stop().await;
    let copy = ledger.workplace().join("copy");
    copy_directory(ledger.dir(), &copy);
    ledger.serve().await.unwrap();
    let event = noted(&machine, "after the copy");
    Raw::connect(&scene, &ledger.url()).await.record(&event.message()).await.unwrap();
    ledger.stop().await;
    let newest = ledger.workplace().join("newest");
    copy_directory(ledger.dir(), &newest);

    restore_directory(&copy, ledger.dir());
    let error = ledger.serve().await.unwrap_err();
    assert!(matches!(error, StartError::RolledBack { .. }), "{error:?}");
    // Refused again, and not healed by the first try.
    assert!(matches!(ledger.serve().await.unwrap_err(), StartError::RolledBack { .. }));
    restore_directory(&newest, ledger.dir());
    ledger.serve().await.unwrap();
    let raw = Raw::connect(&scene, &ledger.url()).await;
    verify_receipt(&trust(&scene), &event, &raw.record(&event.message()).await.unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_is_missing_damaged_or_of_another_log_lets_nobody_in() {
    let (scene, machine) = scene_with_machine();
    let (mut ledger, fence) = fenced(&scene).await;
    ledger.stop().await;
    let whole = fs::read(&fence).unwrap();

    fs::remove_file(&fence).unwrap();
    let error = ledger.serve().await.unwrap_err();
    assert!(matches!(&error, StartError::Fence { source: FenceError::Missing, .. }), "{error:?}");
    assert!(!fence.exists(), "it is not made by a start that was not told to");

    fs::write(&fence, vec![0; whole.len()]).unwrap();
    let error = ledger.serve().await.unwrap_err();
    assert!(matches!(&error, StartError::Fence { source: FenceError::Damaged, .. }), "{error:?}");

    let other =
        Scene::founded(tally_testkit::scene::Founding { origin: "other.example/log".to_owned(), ..Default::default() });
    let other = TestLedger::start(&other).await;
    fs::copy(other.dir().join("fence"), &fence).unwrap();
    let error = ledger.serve().await.unwrap_err();
    assert!(matches!(&error, StartError::Fence { source: FenceError::OtherOrigin, .. }), "{error:?}");

    fs::remove_file(&fence).unwrap();
    ledger.config().new_fence = true;
    ledger.serve().await.unwrap();
    let event = noted(&machine, "under a new fence");
    client(&scene, &ledger.url()).await.record(&event).await.unwrap();
    ledger.config().new_fence = false;
    ledger.restart().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_over_copies_with_one_fence_the_older_signs_nothing_more() {
    let (scene, machine) = scene_with_machine();
    let (mut first, fence) = fenced(&scene).await;
    first.stop().await;
    let copy = first.workplace().join("copy");
    copy_directory(first.dir(), &copy);
    first.serve().await.unwrap();
    let mut second_config = config(&copy);
    second_config.fence = Some(fence);
    let second = start(&scene, &second_config).await.unwrap();

    let checkpoint = first.dir().join("log").join("checkpoint");
    let (signed, raw) = (fs::read(&checkpoint).unwrap(), Raw::connect(&scene, &first.url()).await);
    let size = raw.size().await;
    let [lost, won] =
        ["lost", "won"].map(|which| machine.next().noted(&format!("to the one that {which}")).sign().unwrap());
    let status = try_record(&raw, &lost).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(said(&status).retry_delay.is_some());
    let why = within("the end", first.server().ended()).await;
    assert!(why.contains("another server"), "{why}");
    assert_eq!(raw.size().await, size, "it shows nothing newer");
    assert_eq!(fs::read(&checkpoint).unwrap(), signed, "it signed nothing");
    assert_eq!(try_record(&raw, &lost).await.unwrap_err().code(), Code::Unavailable, "and does not begin again");

    let other = Raw::connect(&scene, &format!("http://{}", second.address())).await;
    // Another event: the same one under the same clock would make the very same batch.
    let receipt = other.record(&won.message()).await.unwrap();
    verify_receipt(&trust(&scene), &won, &receipt).unwrap();
    first.stop().await;
    second.stop().await;
    // What the loser had written and nobody signed is another history than the fence knows.
    let error = first.serve().await.unwrap_err();
    assert!(matches!(error, StartError::RolledBack { .. } | StartError::Damaged { .. }), "{error:?}");
    let winner = start(&scene, &second_config).await.unwrap();
    assert_eq!(winner.found().size, receipt.position + 2);
    winner.stop().await;
}
