//! A server that lies: what it leaves out, takes back or forks is seen from the proofs alone.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::path::PathBuf;

use common::{Raw, client, client_with, copy_directory, record_all, restore_directory, served, trust, unverified};
use tally_client::{
    client::{Client, Options},
    draft::SignedEvent,
    error::ClientError,
    verify::{Completeness, VerifyError, machines_in_mine, verify_entry, verify_head, verify_history, verify_receipt},
};
use tally_core::id::{SubjectId, SubjectKind};
use tally_log::{LeafHash, LogPosition};
use tally_proto::v1::{self, Equipment, EquipmentFilter, ServiceState, head_proof::End, touch::Content};
use tally_testkit::{
    ledger::TestLedger,
    scene::{MINE, Machine, Scene},
};

/// A scene with a few machines in the mine, one that left it, and rounds that mention several.
fn busy_scene() -> (Scene, Vec<Machine>) {
    let scene = Scene::new();
    let machines: Vec<Machine> = (0..4).map(|_| scene.machine("MG900/2245").reach(ServiceState::InUse)).collect();
    scene.round(MINE, &[&machines[0], &machines[1]]).record();
    machines[0].inspected().usage_reported(8);
    scene.round(MINE, &[&machines[0], &machines[2]]).record();
    machines[0].noted("last");
    machines[3].reach(ServiceState::AtOverhaul);
    (scene, machines)
}

/// Everything that some entry touches.
fn subjects(scene: &Scene) -> Vec<SubjectId> {
    let mut subjects: Vec<SubjectId> = scene.admission().heads().map(|(subject, _)| subject).collect();
    subjects.sort_unstable();
    subjects
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_that_is_left_out_of_a_history_is_missed() {
    let (scene, machines) = busy_scene();
    let ledger = served(&scene).await;
    let (raw, trust) = (Raw::connect(&scene, &ledger.url()).await, trust(&scene));
    let mine = scene.party(MINE).mine();
    let mut mentions = 0;
    for subject in [machines[0].subject(), machines[3].subject(), mine, scene.party(MINE).id.subject()] {
        let honest = raw.history(&subject).await;
        let history = verify_history(&trust, subject, &unverified(&honest), None).unwrap();
        assert_eq!(history.completeness, Completeness::Complete);
        assert!(honest.touches.len() > 3, "{subject} has a history");
        mentions += history.events().filter(|(_, _, event)| event.statement().subject != subject).count();
        for left_out in 0..honest.touches.len() {
            let due = honest.touches.len() as u64;
            let mut proof = honest.clone();
            proof.touches.remove(left_out);
            let found = verify_history(&trust, subject, &unverified(&proof), None).unwrap_err();
            assert_eq!(found, VerifyError::TouchCount { due, found: due - 1 }, "{subject} without {left_out}");

            // In its place another entry of the log stands, which is signed, too.
            let mut proof = honest.clone();
            let neighbour = (left_out + 1) % honest.touches.len();
            proof.touches[left_out].content = honest.touches[neighbour].content.clone();
            let found = verify_history(&trust, subject, &unverified(&proof), None).unwrap_err();
            assert_eq!(found, VerifyError::TouchHash, "{subject} with another entry at {left_out}");

            // Only its hash is shown: that is allowed, and is not called complete.
            let mut proof = honest.clone();
            let Some(Content::Entry(entry)) = &honest.touches[left_out].content else { panic!("an entry") };
            let leaf = LeafHash::of(entry).as_bytes().to_vec();
            proof.touches[left_out].content = Some(Content::LeafHash(leaf));
            let withheld = verify_history(&trust, subject, &unverified(&proof), None).unwrap();
            assert!(!withheld.completeness.is_complete() && withheld.withheld() == 1, "{withheld:?}");
        }
        let Some(End::Value(value)) = &honest.end else { panic!("the subject is on record") };
        for byte in 0..value.len() {
            let mut proof = honest.clone();
            let mut value = value.clone();
            value[byte] ^= 1;
            proof.end = Some(End::Value(value));
            let found = verify_history(&trust, subject, &unverified(&proof), None).unwrap_err();
            assert!(matches!(found, VerifyError::Map(_)), "byte {byte} of the value: {found:?}");
        }
    }
    assert!(mentions > 5, "mentions were among what was left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_is_on_record_cannot_be_denied_and_another_proof_does_not_do() {
    let (scene, machines) = busy_scene();
    let ledger = served(&scene).await;
    let (raw, trust) = (Raw::connect(&scene, &ledger.url()).await, trust(&scene));
    let asked = machines[0].subject();
    let honest = raw.history(&asked).await;
    let stranger = SubjectId::unit("Maker F1", "MG900/2245", "no such serial").unwrap();
    let absence = raw.head(&stranger).await.proof.unwrap();
    assert_eq!(verify_head(&trust, stranger, &unverified(&absence), None).unwrap().value, None);

    let denials = [
        ("empty", v1::HeadProof { end: Some(End::Empty(true)), touches: Vec::new(), ..honest.clone() }),
        ("the absence of another", v1::HeadProof { subject: asked.key().to_vec(), ..absence }),
        (
            "the proof of another",
            v1::HeadProof { subject: asked.key().to_vec(), ..raw.history(&machines[1].subject()).await },
        ),
    ];
    for (how, proof) in denials {
        let found = verify_history(&trust, asked, &unverified(&proof), None).unwrap_err();
        assert!(matches!(found, VerifyError::Map(_)), "{how}: {found:?}");
    }
    let of_another = raw.history(&machines[1].subject()).await;
    let found = verify_history(&trust, asked, &unverified(&of_another), None).unwrap_err();
    assert_eq!(found, VerifyError::OtherSubject { asked, found: machines[1].subject() });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_before_an_event_is_older_than_what_was_kept() {
    let (scene, machines) = busy_scene();
    let ledger = served(&scene).await;
    let (raw, trust) = (Raw::connect(&scene, &ledger.url()).await, trust(&scene));
    let subject = machines[0].subject();
    let before = raw.history(&subject).await;
    let kept = verify_history(&trust, subject, &unverified(&before), None).unwrap().head.checkpoint.kept();
    machines[0].noted("which the server wants to hide");
    let event = machines[0].last();
    record_all(&client(&scene, &ledger.url()).await, &[vec![event]]).await;
    let now = raw.history(&subject).await;
    let fresh = verify_history(&trust, subject, &unverified(&now), None).unwrap().head.checkpoint.kept();
    // Without what was kept nothing is wrong with the old answer: that is what keeping is for.
    verify_history(&trust, subject, &unverified(&before), Some(&kept)).unwrap();
    let found = verify_history(&trust, subject, &unverified(&before), Some(&fresh)).unwrap_err();
    assert_eq!(found, VerifyError::OlderThanKept { found: kept.size, kept: fresh.size });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_left_out_of_its_mine_is_named() {
    let (scene, machines) = busy_scene();
    let ledger = served(&scene).await;
    let (raw, client) = (Raw::connect(&scene, &ledger.url()).await, client(&scene, &ledger.url()).await);
    let mine = scene.party(MINE).mine();
    let mut there: Vec<SubjectId> = machines[..3].iter().map(Machine::subject).collect();
    there.sort_unstable();

    let honest = client.machines_of_mine(mine).await.unwrap();
    assert!(honest.proved.is_complete() && honest.comparison.agrees(), "{:?}", honest.comparison);
    assert_eq!(honest.proved.machines.iter().copied().collect::<Vec<_>>(), there);
    assert!(!honest.proved.machines.contains(&machines[3].subject()), "it went to the shop");

    // The list as the server gives it, with one machine less, and with the one that left.
    let filter = EquipmentFilter { mine: mine.id().to_vec(), ..Default::default() };
    let request = v1::ListEquipmentRequest { filter: Some(filter), page_size: 500, ..Default::default() };
    let listed = raw.machines().list_equipment(request).await.unwrap().into_inner().equipment;
    let id = |machine: &Equipment| SubjectId::new(SubjectKind::Equipment, machine.id.clone().try_into().unwrap());
    let listed: Vec<SubjectId> = listed.iter().map(id).collect();
    assert_eq!(listed, there);
    for left_out in &there {
        let comparison = honest.proved.compare(listed.iter().copied().filter(|machine| machine != left_out));
        assert_eq!((comparison.missing, comparison.extra), (vec![*left_out], Vec::new()));
    }
    let comparison = honest.proved.compare(listed.iter().copied().chain([machines[3].subject()]));
    assert_eq!((comparison.missing, comparison.extra), (Vec::new(), vec![machines[3].subject()]));

    // The mine's history without the entries that brought the machine in does not verify, and with them withheld
    // nobody calls the set complete.
    let touches = |entry: &v1::Touch| {
        let Some(Content::Entry(entry)) = &entry.content else { panic!("an entry") };
        let entry = tally_core::entry::EventEntry::parse(entry).unwrap();
        entry.unverified().parse().unwrap().event().statement().subject == there[0]
    };
    let proof = raw.history(&mine).await;
    let mut left_out = proof.clone();
    left_out.touches.retain(|entry| !touches(entry));
    assert!(left_out.touches.len() < proof.touches.len());
    let found = verify_history(&trust(&scene), mine, &unverified(&left_out), None).unwrap_err();
    assert!(matches!(found, VerifyError::TouchCount { .. }), "{found:?}");
    let mut withheld = proof;
    for touch in withheld.touches.iter_mut().filter(|entry| touches(entry)) {
        let Some(Content::Entry(entry)) = &touch.content else { panic!("an entry") };
        touch.content = Some(Content::LeafHash(LeafHash::of(entry).as_bytes().to_vec()));
    }
    let history = verify_history(&trust(&scene), mine, &unverified(&withheld), None).unwrap();
    let machines = machines_in_mine(&history, None).unwrap();
    assert!(!machines.is_complete() && !machines.machines.contains(&there[0]), "{machines:?}");
}

/// A ledger whose server can be exchanged for one over other data, at the same address.
struct Exchanged {
    scene: Scene,
    machine: Machine,
    ledger: TestLedger,
    copy: PathBuf,
    /// What the ledger recorded after the copy was made.
    since: Vec<SignedEvent>,
}

impl Exchanged {
    /// A ledger, and a copy of it, fence and all, from before its last two events.
    async fn new() -> Self {
        let scene = Scene::new();
        let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
        let mut ledger = served(&scene).await;
        ledger.stop().await;
        let copy = ledger.workplace().join("copy");
        copy_directory(ledger.dir(), &copy);
        ledger.serve().await.unwrap();
        // From here on always the same address: to a client it is the same server.
        ledger.config().listen = ledger.address();
        machine.noted("one").noted("two");
        let since: Vec<SignedEvent> = machine.events().into_iter().rev().take(2).rev().collect();
        let client = client(&scene, &ledger.url()).await;
        record_all(&client, &since.iter().map(|event| vec![event.clone()]).collect::<Vec<_>>()).await;
        Self { scene, machine, ledger, copy, since }
    }

    /// Serves the older copy in the place of the ledger; `more` is recorded on it then.
    async fn exchange(&mut self, more: &[SignedEvent]) {
        self.ledger.stop().await;
        restore_directory(&self.copy, self.ledger.dir());
        self.ledger.serve().await.unwrap();
        let client = client(&self.scene, &self.ledger.url()).await;
        for event in more {
            client.record(event).await.unwrap();
        }
    }

    /// A client that keeps its checkpoint in a directory.
    async fn client(&self) -> Client {
        let options = Options { state_dir: Some(self.ledger.workplace().join("state")), ..Options::default() };
        client_with(&self.scene, &self.ledger.url(), options).await
    }

    /// So many events that stand in the place of what was recorded since the copy: signed on the same heads.
    fn others(&self, count: usize) -> Vec<SignedEvent> {
        // A clone of the scene is the same scene, so the same history is made once more.
        let scene = Scene::new();
        let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
        assert_eq!(machine.events()[..], self.machine.events()[..machine.events().len()]);
        (0..count).for_each(|number| drop(machine.noted(&format!("other {number}"))));
        machine.events().split_off(machine.events().len() - count)
    }

    /// What every call says that is to prove something.
    async fn answers(&self, client: &Client, event: &SignedEvent) -> Vec<(&'static str, ClientError)> {
        let subject = self.machine.subject();
        let first = LogPosition::FIRST;
        vec![
            ("checkpoint", client.checkpoint().await.err()),
            ("head", client.head(subject).await.err()),
            ("history", client.history(subject).await.err()),
            ("record", client.record(event).await.err()),
            ("event", client.event(first).await.err()),
            ("inclusion", client.inclusion(first, None).await.err()),
        ]
        .into_iter()
        .map(|(call, error)| (call, error.unwrap_or_else(|| panic!("{call} was believed"))))
        .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_back_is_refused_also_after_a_restart_of_the_client() {
    let mut world = Exchanged::new().await;
    let live = world.client().await;
    let kept = live.checkpoint().await.unwrap();
    world.exchange(&[]).await;
    for client in [live, world.client().await] {
        assert_eq!(client.kept_checkpoint().unwrap(), kept);
        let state = client.equipment(world.machine.subject(), v1::At::default()).await.unwrap_err();
        assert!(matches!(state, ClientError::Verify(VerifyError::OlderThanKept { .. })), "equipment: {state:?}");
        // A retry of what is on record on the ledger that went back gives an older checkpoint.
        for (call, error) in world.answers(&client, &world.scene.events()[1]).await {
            let older = matches!(&error, ClientError::Verify(VerifyError::OlderThanKept { found, kept: held })
                if *held == kept.size() && found < held);
            assert!(older && error.is_misbehaviour(), "{call}: {error:?}");
        }
        assert_eq!(client.kept_checkpoint().unwrap(), kept, "what is kept does not go back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_ledger_of_any_size_is_refused_also_after_a_restart_of_the_client() {
    let mut world = Exchanged::new().await;
    let live = world.client().await;
    let kept = live.checkpoint().await.unwrap();
    // As long as the ledger was, and longer.
    for count in [2, 4] {
        let others = world.others(count);
        world.exchange(&others).await;
        for client in [live.clone(), world.client().await] {
            for (call, error) in world.answers(&client, &others[0]).await {
                let forked = matches!(&error, ClientError::Verify(VerifyError::Forked { kept: held, .. })
                    if *held == kept.size());
                assert!(forked && error.is_misbehaviour(), "{call} with {count}: {error:?}");
            }
            assert_eq!(client.kept_checkpoint().unwrap(), kept);
        }
    }
    // The honest ledger goes on being believed.
    let since = world.since.clone();
    world.exchange(&since[..1]).await;
    let behind = live.checkpoint().await.unwrap_err();
    assert!(matches!(behind, ClientError::Verify(VerifyError::OlderThanKept { .. })), "{behind:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_with_anything_changed_is_refused() {
    let (scene, machines) = busy_scene();
    let ledger = served(&scene).await;
    let (raw, trust) = (Raw::connect(&scene, &ledger.url()).await, trust(&scene));
    let old = raw.log().get_checkpoint(v1::GetCheckpointRequest::default()).await.unwrap().into_inner().checkpoint;
    machines[0].noted("one").noted("two");
    let events = machines[0].events();
    let [event, other] = [&events[events.len() - 2], &events[events.len() - 1]];
    let receipt = raw.record(&event.message()).await.unwrap();
    let of_other = raw.record(&other.message()).await.unwrap();
    let verified = verify_receipt(&trust, event, &receipt).unwrap();
    assert_eq!(verified.chain_index, event.chain_index());
    verify_receipt(&trust, other, &of_other).unwrap();

    type Change = fn(&mut v1::Receipt, &v1::Receipt, &[u8]);
    let changes: &[(&str, Change)] = &[
        ("an older checkpoint", |receipt, _, old| receipt.checkpoint = old.to_vec()),
        ("the checkpoint after it", |receipt, other, _| receipt.checkpoint.clone_from(&other.checkpoint)),
        ("no checkpoint", |receipt, _, _| receipt.checkpoint.clear()),
        ("a checkpoint with one bit changed", |receipt, _, _| {
            let byte = receipt.checkpoint.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            receipt.checkpoint[byte] ^= 1;
        }),
        ("the position before", |receipt, _, _| receipt.position -= 1),
        ("the position after", |receipt, _, _| receipt.position += 1),
        ("another place on the chain", |receipt, _, _| receipt.chain_index += 1),
        ("another time", |receipt, _, _| receipt.recorded_at_us += 1),
        ("another leaf", |receipt, _, _| receipt.leaf_hash[0] ^= 1),
        ("the leaf of another", |receipt, other, _| receipt.leaf_hash.clone_from(&other.leaf_hash)),
        ("a shorter proof", |receipt, _, _| drop(receipt.inclusion.pop())),
        ("a longer proof", |receipt, _, _| receipt.inclusion.push(vec![0; 32])),
        ("another hash in the proof", |receipt, _, _| receipt.inclusion[0][31] ^= 1),
        ("a short hash in the proof", |receipt, _, _| receipt.inclusion[0].truncate(31)),
        ("the whole receipt of another", |receipt, other, _| receipt.clone_from(other)),
    ];
    for (what, change) in changes {
        let mut changed = receipt.clone();
        change(&mut changed, &of_other, &old);
        assert_ne!(changed, receipt, "{what} changes nothing");
        assert!(verify_receipt(&trust, event, &changed).is_err(), "{what} is taken");
    }
    assert!(verify_receipt(&trust, other, &receipt).is_err(), "it is the receipt of another event");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_shown_elsewhere_or_changed_is_refused() {
    let (scene, machines) = busy_scene();
    let ledger = served(&scene).await;
    let (raw, trust) = (Raw::connect(&scene, &ledger.url()).await, trust(&scene));
    let place = v1::ChainPlace { subject: machines[0].subject().key().to_vec(), chain_index: 3 };
    let by = Some(v1::get_event_request::By::Place(place));
    let honest = raw.subjects().get_event(v1::GetEventRequest { by }).await.unwrap().into_inner();
    let verify = |answer: &v1::GetEventResponse| {
        let v1::GetEventResponse { position, entry, checkpoint, inclusion, keys } = answer;
        verify_entry(&trust, *position, entry, checkpoint, inclusion, keys)
    };
    let verified = verify(&honest).unwrap();
    assert_eq!(verified.event.payload(), machines[0].events()[3].payload());
    for byte in 0..honest.entry.len() {
        let mut changed = honest.clone();
        changed.entry[byte] ^= 0x40;
        let found = verify(&changed).unwrap_err();
        assert!(matches!(found, VerifyError::NotIncluded { .. }), "byte {byte}: {found:?}");
    }
    let elsewhere = v1::GetEventResponse { position: honest.position + 1, ..honest.clone() };
    assert!(matches!(verify(&elsewhere), Err(VerifyError::NotIncluded { .. })));
    let without_keys = v1::GetEventResponse { keys: Vec::new(), ..honest };
    assert!(matches!(verify(&without_keys), Err(VerifyError::Signature { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subject_of_a_scene_has_a_history_that_proves_itself_complete() {
    let (scene, _) = busy_scene();
    let ledger = served(&scene).await;
    let client = client(&scene, &ledger.url()).await;
    let recorded = scene.recorded();
    for subject in subjects(&scene) {
        let history = client.history(subject).await.unwrap();
        let due: Vec<&[u8]> = recorded
            .iter()
            .filter(|event| event.candidate.statement().touched().any(|touched| touched == subject))
            .map(|event| event.candidate.event().payload())
            .collect();
        let found: Vec<&[u8]> = history.events().map(|(_, _, event)| event.payload()).collect();
        assert_eq!(found, due, "{subject}");
        assert!(history.completeness.is_complete(), "{subject}: {}", history.completeness);
    }
}
