//! The power is cut between any two operations of one seal, and of one recovery, on a simulated disk that keeps written
//! and synced bytes apart. A kill shows nothing of a missing sync; this does.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

use std::{net::SocketAddr, path::Path, sync::Arc};

use tally_client::{
    Client, Options,
    draft::SignedEvent,
    verify::{Kept, Trust, VerifiedReceipt},
};
use tally_log::note::SignerKey;
use tally_server::{
    init,
    server::{Config, Server},
    startup::{Layout, StartError},
};
use tally_testkit::{
    disk::{CUT_KEEPS_ALL, CUT_KEEPS_NOTHING, Fault, SimDisk},
    scene::Scene,
};
use tempfile::TempDir;

/// Cuts for each operation: the two extremes, and some between.
const CUTS: [u64; 4] = [CUT_KEEPS_NOTHING, CUT_KEEPS_ALL, 2, 3];

/// A log on a simulated disk; lock, keys and index are real files, for they are not what is tested.
struct Machine {
    scene: Scene,
    dir: TempDir,
    trust: Trust,
}

/// An event with its verified receipt.
type Acknowledged = (SignedEvent, VerifiedReceipt);

impl Machine {
    fn new(scene: Scene) -> (Self, SimDisk) {
        let dir = tempfile::tempdir().unwrap();
        let trust = Trust::new(scene.log_key()).unwrap();
        let machine = Self { scene, dir, trust };
        let disk = SimDisk::new();
        disk.make_durable_dir(machine.path());
        let (layout, signer) = (machine.layout(&disk), machine.scene.log_signer());
        init::found(&layout, &signer, &machine.scene.genesis().message(), machine.scene.now()).unwrap();
        (machine, disk)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn layout(&self, disk: &SimDisk) -> Layout {
        Layout::on(self.path(), disk.shared())
    }

    async fn start(&self, disk: &SimDisk) -> Result<Server, StartError> {
        let config = Config {
            dir: self.path().to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            insecure_plaintext: false,
            log_readers: Vec::new(),
            accept_clock: true,
            fence: None,
            new_fence: false,
            verify_threads: 1,
            index_cache_bytes: 4 * 1024 * 1024,
            public_rate: 0,
            chain_limit: true,
        };
        let signer: SignerKey = self.scene.log_signer();
        Server::start_on(self.layout(disk), &config, signer, Arc::new(self.scene.clock()), &mut |_, _| {}).await
    }

    async fn connect(&self, server: &Server) -> Client {
        let options = Options { tries_max: 1, ..Options::default() };
        Client::connect(&format!("http://{}", server.address()), self.trust.clone(), options).await.unwrap()
    }

    /// Starts after a cut and checks that nothing is lost, nothing is half there, and the log goes on from what was signed.
    async fn check(&self, disk: &SimDisk, acknowledged: &[Acknowledged], kept: Option<Kept>, why: &str) {
        let server = match self.start(disk).await {
            Ok(server) => server,
            Err(error) => panic!("{why}: does not start: {error}\n{}", disk.trace().join("\n")),
        };
        let client = self.connect(&server).await;
        let checkpoint = client.checkpoint().await.unwrap();
        if let Some(kept) = kept {
            assert!(checkpoint.size() >= kept.size, "{why}: went back from {} to {}", kept.size, checkpoint.size());
            client.consistency(kept.size, Some(checkpoint.size())).await.unwrap();
        }
        for (event, receipt) in acknowledged {
            let again = client.record(event).await.unwrap_or_else(|error| panic!("{why}: {error}"));
            assert_eq!(
                (again.position, again.recorded_at, again.leaf_hash),
                (receipt.position, receipt.recorded_at, receipt.leaf_hash),
                "{why}: a retry after the cut gave another receipt"
            );
        }
        server.stop().await;
        let report = tally_log::store::check::check(
            disk,
            &self.path().join("log"),
            &tally_log::store::Options { log_key: Some(self.scene.log_key()), ..tally_log::store::Options::default() },
            &[],
            |_| {},
        );
        assert_eq!(report.unwrap().damage, [], "{why}");
    }
}

/// Records events until one is not acknowledged.
async fn record_all(client: &Client, events: &[SignedEvent]) -> Vec<Acknowledged> {
    let mut acknowledged = Vec::new();
    for event in events {
        match client.record(event).await {
            Ok(receipt) => acknowledged.push((event.clone(), receipt)),
            Err(_) => break,
        }
    }
    acknowledged
}

fn newest(acknowledged: &[Acknowledged]) -> Option<Kept> {
    acknowledged.last().map(|(_, receipt)| receipt.checkpoint.kept())
}

/// A scene with some events beyond the founding one.
fn scene_with_events() -> (Scene, Vec<SignedEvent>) {
    let scene = Scene::new();
    let events: Vec<SignedEvent> = scene.events().into_iter().skip(1).take(3).collect();
    (scene, events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_operation_of_a_seal_loses_nothing_that_was_acknowledged() {
    let mut operation = 0;
    loop {
        let (scene, events) = scene_with_events();
        let (machine, disk) = Machine::new(scene);
        let server = machine.start(&disk).await.unwrap();
        let before = disk.operations();
        operation += 1;
        disk.power_off_at(before + operation);
        let client = machine.connect(&server).await;
        let acknowledged = record_all(&client, &events).await;
        let went_off = disk.is_off();
        let why = format!("operation {operation} of the seals, {} acknowledged", acknowledged.len());
        server.stop().await;
        for cut in CUTS {
            let found = disk.cut(cut);
            machine.check(&found, &acknowledged, newest(&acknowledged), &format!("{why}, cut {cut}")).await;
        }
        if !went_off {
            assert_eq!(acknowledged.len(), events.len(), "the power stayed on, so all must be acknowledged");
            break;
        }
    }
    assert!(operation > 15, "three seals have more operations than {operation}: frame, sync, fence, sync, checkpoint");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_operation_of_a_recovery_loses_nothing_either() {
    // A disk whose last batch is torn: the power went while its frame was written.
    let (scene, events) = scene_with_events();
    let (machine, disk) = Machine::new(scene);
    let server = machine.start(&disk).await.unwrap();
    let client = machine.connect(&server).await;
    let acknowledged = record_all(&client, &events[..2]).await;
    assert_eq!(acknowledged.len(), 2);
    // The next operation is the write of the frame.
    disk.power_off_at(disk.operations() + 2);
    assert!(client.record(&events[2]).await.is_err(), "the power is off");
    server.stop().await;

    let mut torn_tails = 0;
    for cut in [CUT_KEEPS_ALL, 2, 3, 4, 5] {
        let mut operation = 0;
        loop {
            operation += 1;
            let found = disk.cut(cut);
            found.power_off_at(operation);
            let started = machine.start(&found).await;
            if let Ok(server) = started {
                torn_tails += u32::from(server.found().recovery.torn.is_some());
                server.stop().await;
            }
            let went_off = found.is_off();
            for second in [CUT_KEEPS_NOTHING, CUT_KEEPS_ALL, 6] {
                let why = format!("cut {cut}, operation {operation} of the recovery, cut again {second}");
                machine.check(&found.cut(second), &acknowledged, newest(&acknowledged), &why).await;
            }
            if !went_off {
                break;
            }
        }
        assert!(operation > 3, "a recovery has more operations than {operation}");
    }
    assert!(torn_tails > 0, "no cut left a torn tail: the test shows nothing of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_operation_of_a_seal_never_answers_with_a_receipt_that_does_not_hold() {
    let mut operation = 0;
    loop {
        operation += 1;
        let mut is_past_the_seals = true;
        for fault in [Fault::Before, Fault::After] {
            let (scene, events) = scene_with_events();
            let (machine, disk) = Machine::new(scene);
            let server = machine.start(&disk).await.unwrap();
            let at = disk.operations() + operation;
            disk.fail_at(at, fault);
            let client = machine.connect(&server).await;
            let acknowledged = record_all(&client, &events).await;
            server.stop().await;
            is_past_the_seals &= disk.operations() < at;
            let why = format!("operation {operation} fails {fault:?}, {} acknowledged", acknowledged.len());
            for cut in [CUT_KEEPS_NOTHING, CUT_KEEPS_ALL] {
                machine.check(&disk.cut(cut), &acknowledged, newest(&acknowledged), &format!("{why}, cut {cut}")).await;
            }
        }
        if is_past_the_seals {
            break;
        }
    }
    assert!(operation > 15);
}
