//! The index is a projection: lost, damaged, old or of another log, it is made again from the log, with the same answers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use common::{Raw, client, copy_directory, record_all, restore_directory};
use prost::Message as _;
use tally_client::draft::SignedEvent;
use tally_core::id::{SubjectId, SubjectKind};
use tally_proto::v1::{self, EquipmentFilter, ServiceState};
use tally_testkit::{
    ledger::TestLedger,
    life::Life,
    scene::{Founding, MAKER, MINE, Scene, plate_name},
};
use tonic::Status;

/// Events of the life that the answers are compared after.
const EVENTS: usize = 500;

/// A ledger after a random life, sets, late and amended events among it.
async fn lived_in(seed: u64, events: usize) -> (Scene, TestLedger) {
    let life = Life::in_scene(Scene::founded(Founding { seed, ..Founding::default() }).everybody(), seed)
        .over(12)
        .remembering();
    let scene = life.scene().clone();
    let before = scene.groups().len();
    let mut made = 0;
    for group in life.groups() {
        made += group.len();
        if made >= events {
            break;
        }
    }
    assert!(scene.groups().len() > before);
    amend(&scene);
    let ledger = TestLedger::start(&scene).await;
    record_all(&client(&scene, &ledger.url()).await, &scene.groups()[1..]).await;
    (scene, ledger)
}

/// What makes an index fold a history anew: an event that is withdrawn, one that happened before others, aliases and
/// plates that come and go.
fn amend(scene: &Scene) {
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    machine.inspected().alias_set("77").usage_reported(8);
    let mistaken = machine.events()[machine.events().len() - 3].event_ref();
    machine.withdrawn(&mistaken).plate_replaced();
    let late = tally_core::time::Timestamp::from_micros(scene.now().micros() - 1_800_000_000);
    machine.next().usage_reported(7).at(late).record();
    machine.alias_ended("77").alias_set("78");
    scene.round(MINE, &[&machine]).record();
    scene.machine("MG900/2245").enrolled(MINE);
}

/// What answers, or that nothing does.
fn shown<M: prost::Message>(answered: Result<tonic::Response<M>, Status>) -> Vec<u8> {
    match answered {
        Ok(answer) => answer.into_inner().encode_to_vec(),
        Err(status) => format!("{:?} {}", status.code(), status.message()).into_bytes(),
    }
}

/// The two clocks of the questions: now, at an earlier size, as of an earlier time, and both.
fn instants(scene: &Scene, size: u64) -> Vec<v1::At> {
    let recorded = scene.recorded();
    let early = recorded[recorded.len() / 2].candidate.statement().occurred_at.micros();
    vec![
        v1::At::default(),
        v1::At { known_size: size / 2, ..v1::At::default() },
        v1::At { as_of_us: early, ..v1::At::default() },
        v1::At { as_of_us: early, known_size: size * 3 / 4, ..v1::At::default() },
    ]
}

/// The filters of lists, one for each thing that machines are listed by.
fn filters(scene: &Scene) -> Vec<EquipmentFilter> {
    let id = |party: &str| scene.party(party).id.as_bytes().to_vec();
    let model = SubjectId::model(&plate_name(MAKER), "MG900/2245").unwrap().id().to_vec();
    vec![
        EquipmentFilter::default(),
        EquipmentFilter { mine: scene.party(MINE).mine().id().to_vec(), ..Default::default() },
        EquipmentFilter { holder: id(MINE), ..Default::default() },
        EquipmentFilter { owner: id(MAKER), ..Default::default() },
        EquipmentFilter { model, ..Default::default() },
        EquipmentFilter { maker: "maker f1".to_owned(), ..Default::default() },
        EquipmentFilter { category: "shearer".to_owned(), ..Default::default() },
        EquipmentFilter { states: vec![ServiceState::InUse.into()], ..Default::default() },
    ]
}

/// Every answer to every question about every subject, as bytes.
async fn answers(scene: &Scene, url: &str) -> Vec<(String, Vec<u8>)> {
    let raw = Raw::connect(scene, url).await;
    let size = raw.size().await;
    let mut subjects: Vec<SubjectId> = scene.admission().heads().map(|(subject, _)| subject).collect();
    subjects.sort_unstable();
    let mut found = Vec::new();
    for subject in &subjects {
        let id = subject.id().to_vec();
        found.push((format!("head of {subject}"), raw.head(subject).await.encode_to_vec()));
        found.push((format!("history of {subject}"), raw.history(subject).await.encode_to_vec()));
        let place = v1::ChainPlace { subject: subject.key().to_vec(), chain_index: 1 };
        let by = Some(v1::get_event_request::By::Place(place));
        let event = raw.subjects().get_event(v1::GetEventRequest { by }).await;
        found.push((format!("event 1 of {subject}"), shown(event)));
        for (number, at) in instants(scene, size).into_iter().enumerate() {
            let (at, id) = (Some(at), id.clone());
            let answer = match subject.kind() {
                SubjectKind::Equipment => {
                    shown(raw.machines().get_equipment(v1::GetEquipmentRequest { id, at, min_position: 0 }).await)
                }
                SubjectKind::Organisation => {
                    shown(raw.register().get_organisation(v1::GetOrganisationRequest { id, at }).await)
                }
                SubjectKind::Mine => shown(raw.register().get_mine(v1::GetMineRequest { id, at }).await),
                SubjectKind::Mark
                | SubjectKind::Model
                | SubjectKind::Order
                | SubjectKind::Accident
                | SubjectKind::Publication => continue,
            };
            found.push((format!("state of {subject} at {number}"), answer));
        }
    }
    for (number, at) in instants(scene, size).into_iter().enumerate() {
        for filter in filters(scene) {
            let request = v1::ListEquipmentRequest {
                filter: Some(filter.clone()),
                at: Some(at),
                page_size: 7,
                ..Default::default()
            };
            found.push((format!("list {filter:?} at {number}"), shown(raw.machines().list_equipment(request).await)));
        }
    }
    for serial in ["0001", "0003", "0012", "none"] {
        let [maker, model, serial] = [plate_name(MAKER), "MG900/2245".to_owned(), serial.to_owned()];
        let request =
            v1::LookUpPlateRequest { plate: Some(v1::Plate { maker, model, serial: serial.clone() }), at: None };
        found.push((format!("plate {serial}"), shown(raw.machines().look_up_plate(request).await)));
    }
    for value in ["77", "78", "412"] {
        let request = v1::LookUpAliasRequest { kind: 0, value: value.to_owned() };
        found.push((format!("alias {value}"), shown(raw.machines().look_up_alias(request).await)));
    }
    found.push((
        "organisations".to_owned(),
        shown(raw.register().list_organisations(v1::ListOrganisationsRequest::default()).await),
    ));
    found.push(("mines".to_owned(), shown(raw.register().list_mines(v1::ListMinesRequest::default()).await)));
    assert!(found.iter().filter(|(_, answer)| answer.len() > 200).count() > 100, "there is much to be answered");
    found
}

fn assert_same(due: &[(String, Vec<u8>)], found: &[(String, Vec<u8>)], after: &str) {
    assert_eq!(due.len(), found.len(), "{after}");
    for ((what, due), (_, found)) in due.iter().zip(found) {
        assert_eq!(due, found, "{after}: {what} has another answer");
    }
}

/// What somebody does to the index while no server runs, and what the next one has to say.
struct Harm {
    what: &'static str,
    harm: fn(&Path, &Path),
    says: Says,
}

/// What a server says about the index that it found.
enum Says {
    /// Nothing: it goes on from there.
    Nothing,
    /// Why it threw it away; these words are among it.
    Discarded(&'static str),
    /// Either: sled cuts a tail that it cannot read, and what is left may do.
    Either,
}

/// The largest file of the index: the rows.
fn rows(index: &Path) -> PathBuf {
    let files = fs::read_dir(index).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

const HARMS: &[Harm] = &[
    Harm { what: "nothing", harm: |_, _| {}, says: Says::Nothing },
    Harm { what: "it is deleted", harm: |index, _| fs::remove_dir_all(index).unwrap(), says: Says::Nothing },
    Harm {
        what: "a file stands in its place",
        harm: |index, _| {
            fs::remove_dir_all(index).unwrap();
            fs::write(index, "no index").unwrap();
        },
        says: Says::Discarded(""),
    },
    Harm {
        what: "an empty directory stands in its place",
        harm: |index, _| {
            fs::remove_dir_all(index).unwrap();
            fs::create_dir(index).unwrap();
        },
        says: Says::Discarded("format"),
    },
    Harm {
        what: "an older copy of it came back",
        harm: |index, older| restore_directory(older, index),
        says: Says::Nothing,
    },
    Harm {
        what: "its rows are cut in half",
        harm: |index, _| {
            let rows = rows(index);
            let bytes = fs::read(&rows).unwrap();
            fs::write(&rows, &bytes[..bytes.len() / 2]).unwrap();
        },
        says: Says::Either,
    },
    Harm {
        what: "its rows are overwritten",
        harm: |index, _| {
            let rows = rows(index);
            let bytes = vec![0xa5; fs::read(&rows).unwrap().len()];
            fs::write(&rows, bytes).unwrap();
        },
        says: Says::Either,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_harmed_is_made_again_with_the_same_answers() {
    let (scene, mut ledger) = lived_in(5, EVENTS / 2).await;
    ledger.stop().await;
    let index = ledger.layout().index();
    let older = ledger.workplace().join("older index");
    copy_directory(&index, &older);
    ledger.serve().await.unwrap();
    // The index goes on after the copy.
    let more = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let groups: Vec<Vec<SignedEvent>> = more.events().into_iter().map(|event| vec![event]).collect();
    record_all(&client(&scene, &ledger.url()).await, &groups).await;
    let due = answers(&scene, &ledger.url()).await;
    for Harm { what, harm, says } in HARMS {
        ledger.stop().await;
        harm(&index, &older);
        ledger.serve().await.unwrap();
        let found = ledger.server().found();
        match (says, &found.index_discarded) {
            (Says::Nothing, None) | (Says::Either, _) => {}
            (Says::Discarded(words), Some(why)) => assert!(why.contains(words) && !why.is_empty(), "{what}: {why}"),
            (Says::Nothing | Says::Discarded(_), why) => panic!("after {what} it says {why:?}"),
        }
        assert_same(&due, &answers(&scene, &ledger.url()).await, what);
    }
    // It was put right, not only answered around: the next start finds it whole.
    ledger.restart().await;
    assert_eq!(ledger.server().found().index_discarded, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_bit_of_the_index_may_flip() {
    let (scene, mut ledger) = lived_in(6, 60).await;
    let due = answers(&scene, &ledger.url()).await;
    ledger.stop().await;
    let index = ledger.layout().index();
    let whole = ledger.workplace().join("whole");
    copy_directory(&index, &whole);
    let length = fs::metadata(rows(&index)).unwrap().len();
    for part in 0..6 {
        restore_directory(&whole, &index);
        let path = rows(&index);
        let mut bytes = fs::read(&path).unwrap();
        let at = usize::try_from(length * part / 6 + 37 * part).unwrap();
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        ledger.serve().await.unwrap();
        assert_same(&due, &answers(&scene, &ledger.url()).await, &format!("the bit at byte {at}"));
        ledger.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_another_log_or_from_its_future_is_not_believed() {
    let (scene, mut ledger) = lived_in(7, 60).await;
    ledger.stop().await;
    let index = ledger.layout().index();

    // Of another log, that is shorter, and one that is longer.
    for (other_seed, events) in [(8, 30), (9, 200)] {
        let (_, mut other) = lived_in(other_seed, events).await;
        other.stop().await;
        ledger.serve().await.unwrap();
        let due = answers(&scene, &ledger.url()).await;
        ledger.stop().await;
        restore_directory(&other.layout().index(), &index);
        ledger.serve().await.unwrap();
        assert!(ledger.server().found().index_discarded.is_some(), "the index of log {other_seed} is believed");
        assert_same(&due, &answers(&scene, &ledger.url()).await, "the index of another log");
        ledger.stop().await;
    }

    // The log was put back with its fence, the index was not.
    let before = ledger.workplace().join("before");
    copy_directory(ledger.dir(), &before);
    ledger.serve().await.unwrap();
    let due = answers(&scene, &ledger.url()).await;
    let machine = scene.machine("MG900/2245").reach(ServiceState::Manufactured);
    let events = machine.events();
    record_all(&client(&scene, &ledger.url()).await, &[events]).await;
    ledger.stop().await;
    let future = ledger.workplace().join("future index");
    copy_directory(&index, &future);
    restore_directory(&before, ledger.dir());
    restore_directory(&future, &index);
    ledger.serve().await.unwrap();
    let why = ledger.server().found().index_discarded.clone().unwrap();
    assert!(why.contains("ahead of the log"), "{why}");
    // The scene knows one machine more than this log: about it nothing is to be answered.
    let found = answers(&scene, &ledger.url()).await;
    let known: BTreeSet<&String> = due.iter().map(|(what, _)| what).collect();
    let found: Vec<_> = found.into_iter().filter(|(what, _)| known.contains(what)).collect();
    assert_same(&due, &found, "the index of the future");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_index_is_the_live_one() {
    for seed in [3] {
        let (scene, mut ledger) = lived_in(seed, EVENTS).await;
        let live = answers(&scene, &ledger.url()).await;
        ledger.stop().await;
        fs::remove_dir_all(ledger.layout().index()).unwrap();
        ledger.serve().await.unwrap();
        assert_same(&live, &answers(&scene, &ledger.url()).await, &format!("rebuilt after life {seed}"));
        ledger.restart().await;
        assert_same(&live, &answers(&scene, &ledger.url()).await, &format!("kept after life {seed}"));
    }
}
