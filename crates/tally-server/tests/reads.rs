//! Reads: every answer is what a fold over the events themselves gives, at any two clocks, and pages stay stable.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::collections::BTreeSet;

use common::{Raw, client, record_all, record_scene, said, trust, within};
use tally_client::{
    client::Client,
    draft::SignedEvent,
    verify::{VerifiedReceipt, verify_entry, verify_head},
};
use tally_core::{
    id::{SubjectId, SubjectKind},
    number::{ChainIndex, LogPosition as CorePosition},
    state::{Instant, Recorded, equipment, mine, organisation},
    text,
    time::Timestamp,
};
use tally_log::{LeafHash, LogPosition, TreeSize, entry::EntryHeader};
use tally_proto::v1::{self, AliasKind, Equipment, EquipmentFilter, Role, ServiceState, statement::Body};
use tally_testkit::{
    ledger::TestLedger,
    life::Life,
    random::SeededRandom,
    scene::{DEALER, MAKER, MINE, Machine, Scene, plate_name},
};
use tonic::{Code, Status};

/// A ledger, and what is on record on it as a test knows it: the scene's events at the places that the receipts named.
struct World {
    scene: Scene,
    ledger: TestLedger,
    raw: Raw,
    client: Client,
    recorded: Vec<Recorded>,
}

impl World {
    /// A life of so many events, with amended and late ones, other mines and makers.
    async fn lived(seed: u64, events: usize) -> Self {
        let scene = Scene::new().mine("M2").manufacturer("F2").lessor("Z1");
        let life = Life::in_scene(scene.clone(), seed).over(12).remembering();
        let mut made = 0;
        for group in life.groups() {
            made += group.len();
            if made >= events {
                break;
            }
        }
        amended(&scene);
        Self::of(scene).await
    }

    async fn of(scene: Scene) -> Self {
        let ledger = TestLedger::start(&scene).await;
        let receipts = record_scene(&scene, &ledger).await;
        let (raw, client) = (Raw::connect(&scene, &ledger.url()).await, client(&scene, &ledger.url()).await);
        let mut world = Self { scene, ledger, raw, client, recorded: Vec::new() };
        world.take(&receipts);
        world
    }

    /// Takes over from the scene what receipts say about it.
    fn take(&mut self, receipts: &[(SignedEvent, VerifiedReceipt)]) {
        let places = std::iter::once((0, None))
            .chain(receipts.iter().map(|(_, receipt)| (receipt.position.get(), Some(receipt.recorded_at))));
        let all: Vec<_> = places.collect();
        let known = self.recorded.len();
        let places = if known == 0 { &all[..] } else { &all[1..] };
        let fresh = self.scene.recorded().split_off(known);
        assert_eq!(fresh.len(), places.len());
        for (mut event, (position, recorded_at)) in fresh.into_iter().zip(places) {
            event.position = CorePosition::new(*position).unwrap();
            event.recorded_at = recorded_at.unwrap_or(event.recorded_at);
            self.recorded.push(event);
        }
    }

    /// Records what the scene has made since.
    async fn go_on(&mut self) {
        let groups = self.scene.groups();
        let mut skipped = 0;
        let fresh: Vec<Vec<SignedEvent>> = groups
            .into_iter()
            .filter(|group| {
                skipped += group.len();
                skipped > self.recorded.len()
            })
            .collect();
        let receipts = record_all(&self.client, &fresh).await;
        self.take(&receipts);
    }

    fn touching(&self, subject: &SubjectId) -> Vec<Recorded> {
        let touches = |event: &&Recorded| event.candidate.statement().touched().any(|touched| touched == *subject);
        self.recorded.iter().filter(touches).cloned().collect()
    }

    /// Everything of a kind that was ever touched.
    fn subjects(&self, kind: SubjectKind) -> Vec<SubjectId> {
        let touched = self.recorded.iter().flat_map(|event| event.candidate.statement().touched());
        touched.filter(|subject| subject.kind() == kind).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Every machine at an instant, by the fold.
    fn machines(&self, instant: Instant) -> Vec<Equipment> {
        let machines = self.subjects(SubjectKind::Equipment);
        machines.iter().filter_map(|subject| equipment::fold(subject, &self.touching(subject), instant)).collect()
    }

    async fn list(&self, filter: &EquipmentFilter, at: v1::At, page_size: u32) -> Vec<Equipment> {
        let mut request = v1::ListEquipmentRequest {
            filter: Some(filter.clone()),
            at: Some(at),
            page_size,
            page_token: String::new(),
        };
        let mut listed = Vec::new();
        loop {
            let page = self.raw.machines().list_equipment(request.clone()).await.unwrap().into_inner();
            listed.extend(page.equipment);
            if page.next_page_token.is_empty() {
                return listed;
            }
            request.page_token = page.next_page_token;
        }
    }

    fn id(&self, party: &str) -> Vec<u8> {
        self.scene.party(party).id.as_bytes().to_vec()
    }
}

/// What the usual life has not: late, withdrawn and irregular events, plates, aliases, lots, sales and leases.
fn amended(scene: &Scene) {
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    machine.alias_set("A 7").usage_reported(8).inspected();
    let withdrawn = machine.last().event_ref();
    machine.withdrawn(&withdrawn);
    let late = |hours: i64| Timestamp::from_micros(scene.now().micros() - hours * 3_600_000_000);
    machine.next().usage_reported(6).at(late(1)).record();
    machine.next().settings_changed(500).at(late(2)).record();
    let another_plate = |body: &mut Body| {
        let Body::PlateReplaced(body) = body else { panic!("a plate") };
        body.serial = "R 99".to_owned();
    };
    machine.next().plate_replaced().with_body(another_plate).record();
    machine.alias_ended("A 7").alias_set("A 8");
    machine.ownership_changed("Z1").lease_started(MINE);
    scene.machine_of("F2", "EBZ 200").reach(ServiceState::Accepted).dispatched("M2").entered_mine("M2").inspected();
    scene.machine("MG900/2245").enrolled("M2").noted("by hand");
    scene.lot("cable", 500).reach(ServiceState::AtMine).split(&[("a", 200), ("b", 300)]);
    scene.round(MINE, &[&machine]).record();
    scene.grant("M2", Role::Contractor);
}

/// A random pair of clocks, and the instant that it means.
fn clocks(random: &mut SeededRandom, world: &World, size: u64) -> (v1::At, Instant) {
    let event = random.choose(&world.recorded);
    let occurred = event.candidate.statement().occurred_at.micros() + i64::try_from(random.below(3)).unwrap() - 1;
    let as_of_us = if random.chance(1, 4) { 0 } else { occurred };
    let known_size = if random.chance(1, 4) { 0 } else { random.within(1..size + 1) };
    let instant = Instant {
        as_of: if as_of_us == 0 { Instant::ALL.as_of } else { Timestamp::from_micros(as_of_us) },
        size: if known_size == 0 { size } else { known_size },
    };
    (v1::At { as_of_us, known_size, ..v1::At::default() }, instant)
}

fn found<T>(answered: Result<tonic::Response<T>, Status>) -> Option<T> {
    match answered {
        Ok(answer) => Some(answer.into_inner()),
        Err(status) => {
            assert_eq!((status.code(), said(&status).reason.as_str()), (Code::NotFound, "NOT_FOUND"), "{status:?}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_at_any_two_clocks_are_those_of_a_fold() {
    let world = World::lived(21, 250).await;
    let size = world.raw.size().await;
    let mut random = SeededRandom::new(4);
    let (mut there, mut not_there) = (0, 0);
    let machines = world.subjects(SubjectKind::Equipment);
    for number in 0..400_usize {
        let (at, instant) = clocks(&mut random, &world, size);
        let subject = machines[number % machines.len()];
        let due = equipment::fold(&subject, &world.touching(&subject), instant);
        let request = v1::GetEquipmentRequest { id: subject.id().to_vec(), at: Some(at), min_position: 0 };
        let answer = found(world.raw.machines().get_equipment(request).await);
        if let Some(answer) = &answer {
            let basis = answer.basis.as_ref().unwrap();
            assert_eq!((basis.tree_size, basis.as_of_us), (instant.size, at.as_of_us));
        }
        let is = answer.map(|answer| answer.equipment.unwrap());
        if is.is_some() {
            there += 1
        } else {
            not_there += 1
        }
        assert_eq!(is, due, "{subject} at {at:?}");
    }
    assert!(there > 100 && not_there > 20, "{there} answers, {not_there} before the machine was on record");
    for subject in &machines {
        let due = equipment::fold(subject, &world.touching(subject), Instant::ALL);
        let request = v1::GetEquipmentRequest { id: subject.id().to_vec(), at: None, min_position: size - 1 };
        let is = found(world.raw.machines().get_equipment(request).await).map(|answer| answer.equipment.unwrap());
        assert_eq!(is, due, "{subject} now");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_and_mines_at_any_two_clocks_are_those_of_a_fold() {
    let world = World::lived(22, 30).await;
    let size = world.raw.size().await;
    let mut random = SeededRandom::new(5);
    for _ in 0..12 {
        let (at, instant) = clocks(&mut random, &world, size);
        for subject in world.subjects(SubjectKind::Organisation) {
            let request = v1::GetOrganisationRequest { id: subject.id().to_vec(), at: Some(at) };
            let is =
                found(world.raw.register().get_organisation(request).await).map(|answer| answer.organisation.unwrap());
            assert_eq!(is, organisation::fold(&subject, &world.touching(&subject), instant), "{subject} at {at:?}");
        }
        for subject in world.subjects(SubjectKind::Mine) {
            let request = v1::GetMineRequest { id: subject.id().to_vec(), at: Some(at) };
            let is = found(world.raw.register().get_mine(request).await).map(|answer| answer.mine.unwrap());
            assert_eq!(is, mine::fold(&subject, &world.touching(&subject), instant), "{subject} at {at:?}");
        }
    }
    // Lists: whole, by role and by operator, and page by page the same.
    let all: Vec<v1::Organisation> = world
        .subjects(SubjectKind::Organisation)
        .iter()
        .filter_map(|subject| organisation::fold(subject, &world.touching(subject), Instant::ALL))
        .collect();
    for role in [Role::Unspecified, Role::Mine, Role::Contractor, Role::Registrar] {
        let has = |of: &&v1::Organisation| {
            role == Role::Unspecified || of.roles.iter().any(|grant| grant.role() == role && !grant.withdrawn)
        };
        let due: Vec<v1::Organisation> = all.iter().filter(has).cloned().collect();
        for page_size in [0, 1, 3, 500] {
            let mut request = v1::ListOrganisationsRequest { role: role.into(), page_size, page_token: String::new() };
            let mut listed = Vec::new();
            loop {
                let page = world.raw.register().list_organisations(request.clone()).await.unwrap().into_inner();
                assert!(page_size == 0 || page.organisations.len() <= usize::try_from(page_size).unwrap());
                listed.extend(page.organisations);
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            assert_eq!(listed, due, "{role:?} in pages of {page_size}");
        }
    }
    let mines = world.client.mines(None).await.unwrap().value;
    assert_eq!(mines.len(), 2);
    assert!(mines.iter().all(|mine| mine.places.is_empty()), "a list has no places");
    let of_m2 = world.client.mines(Some(world.scene.party("M2").id)).await.unwrap().value;
    assert_eq!(of_m2.iter().map(|mine| mine.id.as_slice()).collect::<Vec<_>>(), [world.scene.party("M2").mine().id()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_knowing_is_the_batches_recorded_by_then() {
    let world = World::lived(23, 40).await;
    let entries = entries_from(&world, 0).await;
    let times: Vec<u64> =
        entries.iter().map(|entry| EntryHeader::parse(entry).unwrap().0.recorded_at.micros()).collect();
    let subject = world.subjects(SubjectKind::Equipment)[0];
    let (first, last) = (times[0], *times.last().unwrap());
    let mut random = SeededRandom::new(6);
    let asked: Vec<u64> = [first, last, last - 1].into_iter().chain((0..40).map(|_| *random.choose(&times))).collect();
    for known_at_us in asked {
        let at = v1::At { known_at_us, ..v1::At::default() };
        let size = times.iter().filter(|time| **time <= known_at_us).count() as u64;
        let request = v1::ListEquipmentRequest { at: Some(at), page_size: 500, ..Default::default() };
        let listed = world.raw.machines().list_equipment(request).await.unwrap().into_inner();
        let basis = listed.basis.unwrap();
        assert_eq!((basis.tree_size, basis.recorded_at_us), (size, times[usize::try_from(size).unwrap() - 1]));
        assert_eq!(listed.equipment, world.machines(Instant { size, ..Instant::ALL }));
    }
    for (at, field) in [
        (v1::At { known_at_us: last + 1, ..v1::At::default() }, "at.known_at_us"),
        (v1::At { known_size: entries.len() as u64 + 1, ..v1::At::default() }, "at.known_size"),
    ] {
        let request = v1::GetEquipmentRequest { id: subject.id().to_vec(), at: Some(at), min_position: 0 };
        let ahead = world.raw.machines().get_equipment(request).await.unwrap_err();
        assert_bad(&ahead, Code::OutOfRange, "OUT_OF_RANGE", field);
    }
    // Before anything was known nothing is.
    let at = v1::At { known_at_us: first - 1, ..v1::At::default() };
    let request = v1::ListEquipmentRequest { at: Some(at), ..Default::default() };
    let listed = world.raw.machines().list_equipment(request).await.unwrap().into_inner();
    assert_eq!((listed.equipment, listed.basis.unwrap().tree_size), (Vec::new(), 0));
}

/// Filters by hand, over what the fold says.
fn by_hand(filter: &EquipmentFilter, machine: &Equipment) -> bool {
    let normal = |maker: &str| text::normalise(maker).unwrap();
    [
        filter.states.is_empty() || filter.states.contains(&machine.state),
        filter.holder.is_empty() || filter.holder == machine.holder,
        filter.owner.is_empty() || filter.owner == machine.owner,
        filter.mine.is_empty() || filter.mine == machine.mine,
        filter.model.is_empty() || filter.model == machine.model,
        filter.category.is_empty() || filter.category == machine.category,
        filter.maker.is_empty() || machine.plates.iter().any(|plate| normal(&plate.maker) == normal(&filter.maker)),
    ]
    .into_iter()
    .all(|holds| holds)
}

fn filters(world: &World) -> Vec<EquipmentFilter> {
    let mine = |party: &str| world.scene.party(party).mine().id().to_vec();
    let model = |maker: &str, model: &str| SubjectId::model(&plate_name(maker), model).unwrap().id().to_vec();
    let states = |states: &[ServiceState]| states.iter().map(|state| i32::from(*state)).collect();
    let none = EquipmentFilter::default;
    vec![
        none(),
        EquipmentFilter { states: states(&[ServiceState::InUse]), ..none() },
        EquipmentFilter {
            states: states(&[ServiceState::InUse, ServiceState::AtMine, ServiceState::InStore]),
            ..none()
        },
        EquipmentFilter { holder: world.id(MINE), ..none() },
        EquipmentFilter { holder: world.id(DEALER), ..none() },
        EquipmentFilter { owner: world.id("Z1"), ..none() },
        EquipmentFilter { owner: world.id(MAKER), ..none() },
        EquipmentFilter { mine: mine(MINE), ..none() },
        EquipmentFilter { mine: mine("M2"), ..none() },
        EquipmentFilter { model: model(MAKER, "MG900/2245"), ..none() },
        EquipmentFilter { model: model("F2", "EBZ 200"), ..none() },
        EquipmentFilter { category: "shearer".to_owned(), ..none() },
        EquipmentFilter { category: "conveyor".to_owned(), ..none() },
        EquipmentFilter { maker: "  ｍａｋｅｒ F1".to_owned(), ..none() },
        EquipmentFilter { maker: "Maker F2".to_owned(), ..none() },
        EquipmentFilter { mine: mine(MINE), states: states(&[ServiceState::InUse]), owner: world.id(MAKER), ..none() },
        EquipmentFilter { mine: mine(MINE), maker: "Maker F2".to_owned(), ..none() },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_is_what_filtering_by_hand_gives_in_pages_of_any_size() {
    let world = World::lived(24, 250).await;
    let size = world.raw.size().await;
    let mut random = SeededRandom::new(7);
    let mut not_empty = 0;
    for filter in filters(&world) {
        let now = (v1::At::default(), Instant { size, ..Instant::ALL });
        for (at, instant) in [now, clocks(&mut random, &world, size), clocks(&mut random, &world, size)] {
            let due: Vec<Equipment> =
                world.machines(instant).into_iter().filter(|machine| by_hand(&filter, machine)).collect();
            not_empty += u32::from(!due.is_empty());
            for page_size in [0, 1, 3, 10_000] {
                assert_eq!(
                    world.list(&filter, at, page_size).await,
                    due,
                    "{filter:?} at {at:?} in pages of {page_size}"
                );
            }
        }
    }
    assert!(not_empty > 20, "{not_empty} lists had something on them");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_know_what_the_first_one_knew_whatever_is_recorded_between_them() {
    let mut world = World::lived(25, 120).await;
    let machines: Vec<Machine> = (0..6).map(|_| world.scene.machine("MG900/2245").reach(ServiceState::InUse)).collect();
    world.go_on().await;
    let filters = [
        EquipmentFilter::default(),
        EquipmentFilter { states: vec![ServiceState::InUse.into()], ..EquipmentFilter::default() },
        EquipmentFilter { mine: world.scene.party(MINE).mine().id().to_vec(), ..EquipmentFilter::default() },
    ];
    for (round, filter) in filters.into_iter().enumerate() {
        let due = world.list(&filter, v1::At::default(), 500).await;
        let size = world.raw.size().await;
        let mut request = v1::ListEquipmentRequest { filter: Some(filter), page_size: 2, ..Default::default() };
        let mut listed = Vec::new();
        let mut pages = 0;
        loop {
            let page = world.raw.machines().list_equipment(request.clone()).await.unwrap().into_inner();
            assert_eq!(page.basis.unwrap().tree_size, size);
            listed.extend(page.equipment);
            pages += 1;
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
            // Machines go out of the filter and come into it.
            match (round + pages) % 3 {
                0 => drop(machines[pages % 6].idled()),
                1 => drop(world.scene.machine("MG900/2245").reach(ServiceState::InUse)),
                _ => drop(machines[pages % 6].resumed()),
            }
            world.go_on().await;
        }
        assert!(pages > 3);
        assert_eq!(listed, due, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_whole_while_others_record() {
    let scene = Scene::new();
    let machines: Vec<Machine> = (0..60).map(|_| scene.machine("MG900/2245").enrolled(MINE)).collect();
    let mut world = World::of(scene.clone()).await;
    // Each machine is parked and taken into use again, one after the other, many times.
    for round in 0..10 {
        machines.iter().for_each(|machine| drop(if round % 2 == 0 { machine.idled() } else { machine.resumed() }));
    }
    let groups = scene.groups().split_off(world.recorded.len());
    let writer = client(&scene, &world.ledger.url()).await;
    let (send, sent) = tokio::sync::mpsc::channel(groups.len());
    let (answered, mut seen) = tokio::sync::watch::channel(0);
    let writing = tokio::spawn(async move {
        // One event a message, so that many batches are sealed.
        let messages = tokio_stream::wrappers::ReceiverStream::new(sent);
        let mut answers = writer.record_stream(messages).await.unwrap();
        let mut receipts = Vec::new();
        while let Some(recorded) = answers.next().await {
            receipts.extend(recorded.unwrap().into_iter().map(|one| (one.event, one.outcome.unwrap())));
            answered.send_replace(receipts.len());
        }
        receipts
    });
    let filter = EquipmentFilter { states: vec![ServiceState::InUse.into()], ..EquipmentFilter::default() };
    let mut answers = Vec::new();
    let mut released = 0;
    // However fast the one or the other is: each part is recorded while lists are asked for, and done before the next.
    for part in groups.chunks(20) {
        for group in part {
            released += group.len();
            send.send(group.clone()).await.unwrap();
        }
        loop {
            let request =
                v1::ListEquipmentRequest { filter: Some(filter.clone()), page_size: 500, ..Default::default() };
            let answer = world.raw.machines().list_equipment(request).await.unwrap().into_inner();
            answers.push((answer.basis.unwrap().tree_size, answer.equipment));
            assert!(!writing.is_finished(), "the writer ended before its last event was sent");
            if *seen.borrow_and_update() >= released {
                break;
            }
        }
    }
    drop(send);
    let receipts = writing.await.unwrap();
    world.take(&receipts);
    let sizes: BTreeSet<u64> = answers.iter().map(|(size, _)| *size).collect();
    assert!(sizes.len() > 10, "only {} sizes were seen", sizes.len());
    for (size, listed) in answers {
        let due: Vec<Equipment> = world
            .machines(Instant { size, ..Instant::ALL })
            .into_iter()
            .filter(|machine| by_hand(&filter, machine))
            .collect();
        assert_eq!(listed, due, "at size {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plates_and_aliases_find_whoever_bears_them_and_a_forged_plate_is_proved_absent() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    machine.alias_set("A 7");
    let mut world = World::of(scene.clone()).await;
    let before = world.raw.size().await;
    let another_plate = |body: &mut Body| {
        let Body::PlateReplaced(body) = body else { panic!("a plate") };
        body.serial = "R 99".to_owned();
    };
    machine.next().plate_replaced().with_body(another_plate).record();
    machine.alias_ended("A 7").alias_set("A 8");
    world.go_on().await;

    let [maker, model, serial] = machine.plate();
    let plate = |serial: &str| v1::Plate { maker: maker.clone(), model: model.clone(), serial: serial.to_owned() };
    let at_first = v1::At { known_size: before, ..v1::At::default() };
    // By the plate as made, written otherwise; by the one that replaced it, which another id belongs to.
    let cases = [
        (plate(&serial), v1::At::default(), true, true),
        (v1::Plate { maker: "ＭＡＫＥＲ  f1".to_owned(), ..plate(&serial) }, v1::At::default(), true, true),
        (plate("R 99"), v1::At::default(), true, false),
        (plate("R 99"), at_first, false, false),
        (plate(&serial), at_first, true, true),
        (plate("forged"), v1::At::default(), false, false),
    ];
    for (plate, at, is_found, is_opened) in cases {
        let answer = world.client.look_up_plate(plate.clone(), at).await.unwrap();
        let ids: Vec<Vec<u8>> = answer.equipment.iter().map(|machine| machine.id.clone()).collect();
        let due = if is_found { vec![machine.subject().id().to_vec()] } else { Vec::new() };
        assert_eq!(ids, due, "{plate:?} at {at:?}");
        assert_eq!(answer.head.is_opened(), is_opened, "{plate:?}");
        assert_eq!(answer.head.value.is_some(), is_opened, "what was never opened is proved absent: {plate:?}");
        assert!(answer.basis.complete_by.is_empty(), "a later plate of another machine may say the same");
        if is_found {
            let instant = Instant { size: answer.basis.tree_size, ..Instant::ALL };
            let due = equipment::fold(&machine.subject(), &world.touching(&machine.subject()), instant);
            assert_eq!(answer.equipment.first(), due.as_ref());
        }
    }
    // The proof is about the forged plate's own id, and about no other.
    let request = v1::LookUpPlateRequest { plate: Some(plate("forged")), at: None };
    let proof = world.raw.machines().look_up_plate(request).await.unwrap().into_inner().proof.unwrap();
    let forged = SubjectId::unit(&maker, &model, "forged").unwrap();
    verify_head(&trust(&scene), forged, &common::unverified(&proof), None).unwrap();
    assert!(verify_head(&trust(&scene), machine.subject(), &common::unverified(&proof), None).is_err());

    for (kind, value, is_found) in [
        (AliasKind::MineNo, "A 8", true),
        (AliasKind::Unspecified, "A 8", true),
        (AliasKind::Rfid, "A 8", false),
        (AliasKind::MineNo, "A 7", false),
        (AliasKind::MineNo, "nobody", false),
    ] {
        let answer = world.client.look_up_alias(kind, value).await.unwrap().value;
        assert_eq!(answer.len(), usize::from(is_found), "{kind:?} {value}");
    }
}

async fn entries_from(world: &World, from_position: u64) -> Vec<Vec<u8>> {
    let request = v1::FollowEntriesRequest { from_position, stop_at_end: true };
    let mut answers = world.raw.log().follow_entries(request).await.unwrap().into_inner();
    let mut entries = Vec::new();
    let mut last = v1::FollowEntriesResponse::default();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.first_position, from_position + entries.len() as u64);
        entries.extend(answer.entries.clone());
        last = answer;
    }
    let size = common::size_of(&last.checkpoint);
    assert_eq!(size, from_position + entries.len() as u64, "the last message has the checkpoint that covers all");
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_get_the_log_from_any_position_and_what_is_sealed_later() {
    let mut world = World::lived(26, 250).await;
    let size = world.raw.size().await;
    let all = entries_from(&world, 0).await;
    assert_eq!(all.len() as u64, size);
    for event in &world.recorded {
        let entry = tally_core::entry::EventEntry::parse(&all[usize::try_from(event.position.get()).unwrap()]).unwrap();
        assert_eq!(entry.envelope().payload, event.candidate.event().payload());
    }
    for from in [1, 2, 255, 256, 257, size - 1, size] {
        assert_eq!(entries_from(&world, from).await, all[usize::try_from(from).unwrap()..], "from {from}");
    }
    let request = v1::FollowEntriesRequest { from_position: size + 1, stop_at_end: true };
    let past = world.raw.log().follow_entries(request).await.unwrap_err();
    assert_bad(&past, Code::OutOfRange, "OUT_OF_RANGE", "from_position");

    // Live, by the client that verifies every entry against the checkpoint.
    for from in [0, size - 3, size] {
        let mut follow = world.client.follow(LogPosition::new(from).unwrap(), false).await.unwrap();
        let mut next = from;
        let sealed = world.raw.size().await;
        while next < sealed {
            let entries = within("what is sealed", follow.next()).await.unwrap().unwrap();
            assert_eq!(entries.first.get(), next);
            next += entries.entries.len() as u64;
        }
        let machine = world.scene.machine("MG900/2245").reach(ServiceState::InStore);
        world.go_on().await;
        let last = world.recorded.last().unwrap().position.get();
        while next <= last {
            let entries = within("what is sealed later", follow.next()).await.unwrap().unwrap();
            assert_eq!(entries.first.get(), next);
            next += entries.entries.len() as u64;
        }
        assert!(machine.head().chain_length > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inclusion_and_consistency_hold_between_many_pairs_of_sizes() {
    let world = World::lived(27, 250).await;
    let size = world.raw.size().await;
    let entries = entries_from(&world, 0).await;
    assert!(size > 300, "more than a tile");
    let mut random = SeededRandom::new(8);
    let edges = [1, 2, 3, 255, 256, 257, size - 1, size];
    let sizes: Vec<u64> = edges.into_iter().chain((0..20).map(|_| random.within(1..size + 1))).collect();
    for new in &sizes {
        let tree = TreeSize::new(*new).unwrap();
        for position in [0, new / 2, new - 1, random.below(*new)] {
            let at = LogPosition::new(position).unwrap();
            let proved = world.client.inclusion(at, Some(tree)).await.unwrap();
            let entry = &entries[usize::try_from(position).unwrap()];
            assert_eq!((proved.leaf, proved.tree.size), (LeafHash::of(entry), tree));
        }
        let old = random.within(1..new + 1);
        let proved = world.client.consistency(TreeSize::new(old).unwrap(), Some(tree)).await.unwrap();
        assert_eq!((proved.old.size.get(), proved.new.size), (old, tree));
    }
    for (position, tree_size, field) in
        [(size, 0, "position"), (5, 5, "position"), (0, size + 1, "tree_size"), (u64::MAX, 0, "position")]
    {
        let request = v1::GetInclusionProofRequest { position, tree_size };
        let status = world.raw.log().get_inclusion_proof(request).await.unwrap_err();
        assert_bad(&status, Code::OutOfRange, "OUT_OF_RANGE", field);
    }
    for (old_size, new_size, code, field) in [
        (0, 0, Code::InvalidArgument, "old_size"),
        (size + 1, 0, Code::OutOfRange, "old_size"),
        (9, 8, Code::OutOfRange, "old_size"),
        (1, size + 1, Code::OutOfRange, "new_size"),
        (u64::MAX, 0, Code::OutOfRange, "old_size"),
    ] {
        let request = v1::GetConsistencyProofRequest { old_size, new_size };
        let status = world.raw.log().get_consistency_proof(request).await.unwrap_err();
        let reason = if code == Code::OutOfRange { "OUT_OF_RANGE" } else { "BAD_REQUEST" };
        assert_bad(&status, code, reason, field);
    }
    let ahead = world.raw.log().get_checkpoint(v1::GetCheckpointRequest { kept_size: size + 1 }).await.unwrap_err();
    assert_eq!(said(&ahead).reason, "OUT_OF_RANGE");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_is_found_by_its_place_and_by_its_position() {
    let world = World::lived(28, 120).await;
    for event in world.recorded.iter().step_by(3) {
        let (subject, index) = (event.candidate.statement().subject, event.candidate.event().chain_index());
        let by_place = world.client.event_on_chain(subject, ChainIndex::new(index.get())).await.unwrap();
        assert_eq!(by_place.position.get(), event.position.get());
        // When the founding event was sealed no receipt says.
        assert!(event.position == CorePosition::FIRST || by_place.recorded_at == event.recorded_at);
        assert_eq!(by_place.event.payload(), event.candidate.event().payload());
        let by_position = world.client.event(by_place.position).await.unwrap();
        assert_eq!(by_position.event.payload(), by_place.event.payload());
    }
    let subject = world.recorded[5].candidate.statement().subject;
    let length = world.scene.head(&subject).chain_length;
    let place =
        |subject: Vec<u8>, chain_index| v1::get_event_request::By::Place(v1::ChainPlace { subject, chain_index });
    let size = world.raw.size().await;
    let unknown = SubjectId::unit("x", "y", "z").unwrap().key().to_vec();
    for by in [
        place(subject.key().to_vec(), length),
        place(subject.key().to_vec(), u64::MAX),
        place(unknown, 0),
        v1::get_event_request::By::Position(size),
        v1::get_event_request::By::Position(u64::MAX),
    ] {
        let status = world.raw.subjects().get_event(v1::GetEventRequest { by: Some(by) }).await.unwrap_err();
        assert_eq!((status.code(), said(&status).reason.as_str()), (Code::NotFound, "NOT_FOUND"), "{status:?}");
    }
    // A heads entry stands at a position of its own: it is given, and is no event to a client.
    let by = Some(v1::get_event_request::By::Position(size - 1));
    let answer = world.raw.subjects().get_event(v1::GetEventRequest { by }).await.unwrap().into_inner();
    let v1::GetEventResponse { position, entry, checkpoint, inclusion, keys } = answer;
    assert_eq!(position, size - 1);
    assert!(verify_entry(&trust(&world.scene), position, &entry, &checkpoint, &inclusion, &keys).is_err());
}

fn assert_bad(status: &Status, code: Code, reason: &str, field: &str) {
    let error = said(status);
    assert_eq!((error.code, error.reason.as_str()), (code, reason), "{status:?}");
    let fields: Vec<&str> = error.fields.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, [field], "{status:?}");
    assert!(!error.fields[0].1.is_empty() && error.localized.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_name_the_field() {
    let world = World::lived(29, 40).await;
    let raw = &world.raw;
    let subject = world.subjects(SubjectKind::Equipment)[0];
    let bad = |status: &Status, field: &str| assert_bad(status, Code::InvalidArgument, "BAD_REQUEST", field);
    for key in [
        Vec::new(),
        subject.key()[..16].to_vec(),
        [&[9], &subject.id()[..]].concat(),
        [&subject.key()[..], &[0]].concat(),
    ] {
        let request = v1::GetHeadRequest { subject: key.clone() };
        bad(&raw.subjects().get_head(request).await.unwrap_err(), "subject");
        let request = v1::StreamHistoryRequest { subject: key.clone(), ..Default::default() };
        bad(&raw.subjects().stream_history(request).await.unwrap_err(), "subject");
        let by = Some(v1::get_event_request::By::Place(v1::ChainPlace { subject: key, chain_index: 0 }));
        bad(&raw.subjects().get_event(v1::GetEventRequest { by }).await.unwrap_err(), "place.subject");
    }
    bad(&raw.subjects().get_event(v1::GetEventRequest { by: None }).await.unwrap_err(), "by");
    for ids in [Vec::new(), vec![vec![0; 32]; 1_025]] {
        bad(&raw.subjects().get_keys(v1::GetKeysRequest { key_ids: ids }).await.unwrap_err(), "key_ids");
    }
    let short = || vec![1; 15];
    bad(
        &raw.machines().get_equipment(v1::GetEquipmentRequest { id: short(), ..Default::default() }).await.unwrap_err(),
        "id",
    );
    bad(
        &raw.register().get_organisation(v1::GetOrganisationRequest { id: short(), at: None }).await.unwrap_err(),
        "id",
    );
    bad(&raw.register().get_mine(v1::GetMineRequest { id: short(), at: None }).await.unwrap_err(), "id");
    bad(&raw.machines().look_up_plate(v1::LookUpPlateRequest::default()).await.unwrap_err(), "plate");
    for value in [String::new(), "x".repeat(129)] {
        bad(&raw.machines().look_up_alias(v1::LookUpAliasRequest { kind: 0, value }).await.unwrap_err(), "value");
    }
    let both = v1::At { known_size: 1, known_at_us: 1, as_of_us: 0 };
    let request = v1::GetEquipmentRequest { id: subject.id().to_vec(), at: Some(both), min_position: 0 };
    bad(&raw.machines().get_equipment(request).await.unwrap_err(), "at.known_size");
    let size = raw.size().await;
    let request = v1::GetEquipmentRequest { id: subject.id().to_vec(), at: None, min_position: size };
    assert_bad(
        &raw.machines().get_equipment(request).await.unwrap_err(),
        Code::OutOfRange,
        "OUT_OF_RANGE",
        "min_position",
    );

    // A page token is good for its own query only.
    let first = v1::ListEquipmentRequest { page_size: 1, ..Default::default() };
    let token = raw.machines().list_equipment(first.clone()).await.unwrap().into_inner().next_page_token;
    assert!(!token.is_empty());
    let other = EquipmentFilter { category: "shearer".to_owned(), ..Default::default() };
    for request in [
        v1::ListEquipmentRequest { filter: Some(other), page_token: token.clone(), ..first.clone() },
        v1::ListEquipmentRequest {
            at: Some(v1::At { as_of_us: 5, ..v1::At::default() }),
            page_token: token.clone(),
            ..first.clone()
        },
        v1::ListEquipmentRequest { page_token: token[1..].to_owned(), ..first.clone() },
        v1::ListEquipmentRequest { page_token: "no token".to_owned(), ..first.clone() },
    ] {
        bad(&raw.machines().list_equipment(request).await.unwrap_err(), "page_token");
    }
    let request = v1::ListOrganisationsRequest { page_token: token.clone(), ..Default::default() };
    bad(&raw.register().list_organisations(request).await.unwrap_err(), "page_token");
    let request = v1::ListMinesRequest { page_token: token.clone(), ..Default::default() };
    bad(&raw.register().list_mines(request).await.unwrap_err(), "page_token");
    // Another size of page is no other query.
    let request = v1::ListEquipmentRequest { page_size: 7, page_token: token, ..first };
    raw.machines().list_equipment(request).await.unwrap();
}
