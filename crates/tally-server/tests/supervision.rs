//! What a regulator asks, over the wire: orders of two levels with receipts, what happened since, overviews, machines by
//! place and area, and the export of a mine, held against what the scene itself counts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{Asking, Raw, client_as, record_scene, served, trust, within};
use prost::Message as _;
use serde_json::Value;
use tally_client::{
    audit,
    client::Client,
    verify::{AuditPeriod, AuditReport},
};
use tally_core::{
    event::EventKind,
    hash::{LeafHash, TouchHash},
    id::{SubjectId, SubjectKind},
    number::LogPosition,
    touch::touch_hash,
};
use tally_proto::v1::{self, GivenOrder, OrderKind, ServiceState, statement::Body};
use tally_testkit::{
    ledger::TestLedger,
    scene::{DEALER, MAKER, MINE, Machine, REGISTRAR, REGULATOR, Scene, publication},
};
use tonic::Code;

/// A regulator of a province, and one of a county in it.
const PROVINCE: &str = "G14";
const COUNTY: &str = "G1406";
/// A mine in another province.
const ELSEWHERE: &str = "M2";

/// Two mines in two provinces, and two levels of regulators over the first.
fn two_levels() -> Scene {
    let scene = Scene::new().mine(ELSEWHERE).regulator_of(PROVINCE, &["14"]).regulator_of(COUNTY, &["1406"]);
    for (mine, area) in [(MINE, "140623"), (ELSEWHERE, "150121")] {
        let from = Some(tally_testkit::scene::day_of(scene.now()));
        let body = v1::MineProfileChanged { area_code: area.to_owned(), from, ..v1::MineProfileChanged::default() };
        scene.sketch(REGULATOR, scene.party(mine).mine(), Body::MineProfileChanged(body)).record();
    }
    scene
}

/// A machine that is in use in a mine.
fn in_use(scene: &Scene, model: &str, mine: &str) -> Machine {
    if mine == MINE {
        return scene.machine(model).reach(ServiceState::InUse);
    }
    scene.machine(model).factory_exit().warehoused().entered_mine(mine)
}

async fn as_party(scene: &Scene, ledger: &TestLedger, party: &str) -> Raw {
    let raw = Raw::connect(scene, &ledger.url()).await;
    raw.asking(Asking::Party(scene.identity(party), scene.origin()))
}

async fn order(raw: &Raw, id: SubjectId) -> Result<GivenOrder, Code> {
    let request = v1::GetOrderRequest { id: id.id().to_vec(), at: None };
    let answered = within("order", raw.supervision().get_order(request)).await;
    answered.map(|answer| answer.into_inner().order.unwrap()).map_err(|status| status.code())
}

async fn orders(raw: &Raw, filter: v1::OrderFilter) -> Vec<GivenOrder> {
    let request = v1::ListOrdersRequest { filter: Some(filter), page_size: 500, ..Default::default() };
    within("orders", raw.supervision().list_orders(request)).await.unwrap().into_inner().orders
}

async fn since(raw: &Raw, id: SubjectId, against_only: bool) -> Vec<v1::SinceOrder> {
    let request = v1::StreamSinceOrderRequest { id: id.id().to_vec(), at: None, against_only };
    let mut parts = within("since", raw.supervision().stream_since_order(request)).await.unwrap().into_inner();
    let mut events = Vec::new();
    while let Some(part) = within("since", parts.message()).await.unwrap() {
        assert!(part.basis.is_some());
        events.extend(part.events);
    }
    events
}

fn id_of(scene: &Scene, party: &str) -> Vec<u8> {
    scene.party(party).id.as_bytes().to_vec()
}

fn duty(scene: &Scene, machine: &Machine, duty: v1::Duty) {
    let body = Body::DutyChanged(v1::DutyChanged { duty: duty.into(), reason: "pump 2".to_owned() });
    scene.sketch(MINE, machine.subject(), body).record();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_levels_give_and_lift_orders_and_mines_acknowledge_or_refuse() {
    let scene = two_levels();
    let (first, second) = (in_use(&scene, "MG1", MINE), in_use(&scene, "MG2", MINE));
    let other = in_use(&scene, "MG3", ELSEWHERE);
    let of_county = scene.stop_use(COUNTY, &[&first, &second], &[MINE]).record().subject();
    scene.receipt(MINE, of_county).record();
    let of_province = scene.seal(PROVINCE, &[&first], &[MINE]).record().subject();
    scene.receipt_refused(MINE, of_province).record();
    let of_nation = scene.stop_use(REGULATOR, &[&first, &other], &[MINE, ELSEWHERE]).record().subject();
    // A higher one lifts what a lower one ordered, and not the other way round.
    scene.lifting(of_county, &[&first]).by(PROVINCE).record();
    assert_eq!(scene.unsealing(of_province, &[&first]).by(COUNTY).sign().unwrap_err().reason(), "OUTSIDE_JURISDICTION");
    let recall = scene.recall(MAKER, &[&first, &other], &[]).record().subject();
    first.recall_remedied(recall);
    let ledger = served(&scene).await;

    for party in [COUNTY, PROVINCE, REGULATOR, MINE, REGISTRAR] {
        let raw = as_party(&scene, &ledger, party).await;
        let found = order(&raw, of_county).await.unwrap();
        assert_eq!(
            (found.kind(), found.given_by.as_slice()),
            (OrderKind::StopUse, &id_of(&scene, COUNTY)[..]),
            "{party}"
        );
        assert_eq!((found.machines.len(), found.open_machines, found.open_receipts, found.hidden), (2, 1, 0, 0));
        let lifted = found.machines.iter().find(|machine| machine.machine == first.subject().id()).unwrap();
        assert_eq!(lifted.ended_by, id_of(&scene, PROVINCE));
        assert_eq!((lifted.ended_kind, lifted.result.as_str()), (EventKind::StopUseLifted as u32, "put right"));
        assert!(
            found.machines.iter().any(|machine| machine.ended.is_none() && machine.machine == second.subject().id())
        );
        assert_eq!(found.mines[0].received_by, id_of(&scene, MINE));
        let sealed = order(&raw, of_province).await.unwrap();
        assert_eq!((sealed.kind(), sealed.open_machines, sealed.open_receipts), (OrderKind::Seal, 1, 0));
        assert!(sealed.mines[0].received.is_none() && sealed.mines[0].refused.is_some());
        assert_eq!(
            (sealed.mines[0].refused_by.clone(), sealed.mines[0].note.as_str()),
            (id_of(&scene, PROVINCE), "nobody would sign")
        );
    }
    // Who is named sees its own part, the giver all, others nothing.
    let mine = order(&as_party(&scene, &ledger, MINE).await, of_nation).await.unwrap();
    assert_eq!((mine.machines.len(), mine.mines.len(), mine.hidden, mine.open_receipts), (1, 1, 2, 1));
    let whole = order(&as_party(&scene, &ledger, REGULATOR).await, of_nation).await.unwrap();
    assert_eq!((whole.machines.len(), whole.mines.len(), whole.hidden, whole.open_receipts), (2, 2, 0, 2));
    let elsewhere = as_party(&scene, &ledger, ELSEWHERE).await;
    assert_eq!(order(&elsewhere, of_county).await, Err(Code::NotFound));
    assert_eq!(order(&elsewhere, of_nation).await.unwrap().machines[0].machine, other.subject().id());
    assert_eq!(orders(&elsewhere, v1::OrderFilter::default()).await.len(), 2, "the nation's, and the recall");
    // A recall is remedied on the machine's own chain.
    let recalled = order(&as_party(&scene, &ledger, MAKER).await, recall).await.unwrap();
    assert_eq!((recalled.kind(), recalled.machines.len(), recalled.open_machines), (OrderKind::Recall, 2, 1));
    let remedied = recalled.machines.iter().find(|machine| machine.ended.is_some()).unwrap();
    assert_eq!((remedied.machine.as_slice(), remedied.result.as_str()), (&first.subject().id()[..], "brake changed"));

    // Lists, by what they name.
    let raw = as_party(&scene, &ledger, REGISTRAR).await;
    let ids = |found: &[GivenOrder]| -> BTreeSet<Vec<u8>> { found.iter().map(|order| order.id.clone()).collect() };
    let due = |orders: &[SubjectId]| -> BTreeSet<Vec<u8>> { orders.iter().map(|order| order.id().to_vec()).collect() };
    let by = |filter| async { ids(&orders(&raw, filter).await) };
    let mine = scene.party(MINE).mine().id().to_vec();
    let filter = v1::OrderFilter { mine, ..Default::default() };
    assert_eq!(by(filter.clone()).await, due(&[of_county, of_province, of_nation, recall]), "its machine is recalled");
    let open = v1::OrderFilter { given_by: id_of(&scene, COUNTY), open: true, ..filter };
    assert_eq!(by(open).await, due(&[of_county]));
    let filter = v1::OrderFilter { machine: second.subject().id().to_vec(), ..Default::default() };
    assert_eq!(by(filter).await, due(&[of_county]));
    let filter = v1::OrderFilter { kinds: vec![OrderKind::Seal.into()], ..Default::default() };
    assert_eq!(by(filter).await, due(&[of_province]));
    // All lifted and acknowledged: no longer open.
    scene.lifting(of_county, &[&second]).record();
    record_scene(&scene, &ledger).await;
    let filter = v1::OrderFilter { given_by: id_of(&scene, COUNTY), open: true, ..Default::default() };
    assert_eq!(by(filter).await, due(&[]));
    // As it was known before: still open.
    let before = order(&raw, of_county).await.unwrap();
    let given = before.given.unwrap();
    let at = Some(v1::At { known_size: given.position + 1, ..Default::default() });
    let request = v1::GetOrderRequest { id: of_county.id().to_vec(), at };
    let then = raw.supervision().get_order(request).await.unwrap().into_inner().order.unwrap();
    assert_eq!((then.open_machines, then.open_receipts, before.open_machines), (2, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_since_an_order_is_told_and_what_goes_against_it_is_marked() {
    let scene = two_levels();
    let machine = in_use(&scene, "MG1", MINE);
    duty(&scene, &machine, v1::Duty::Standby);
    let stop = scene.stop_use(COUNTY, &[&machine], &[MINE]).record().subject();
    machine.noted("seen");
    duty(&scene, &machine, v1::Duty::Work);
    scene.lifting(stop, &[&machine]).record();
    duty(&scene, &machine, v1::Duty::Standby);
    let ledger = served(&scene).await;
    let raw = as_party(&scene, &ledger, COUNTY).await;
    let found = since(&raw, stop, false).await;
    let told: Vec<(u32, bool)> = found.iter().map(|event| (event.kind, event.against)).collect();
    let [noted, changed] = [EventKind::Noted as u32, EventKind::DutyChanged as u32];
    assert_eq!(
        told,
        [(noted, false), (changed, true), (changed, false)],
        "not what came before, nor the lifting itself"
    );
    let given = order(&raw, stop).await.unwrap().given.unwrap();
    assert!(found.iter().all(|event| event.evidence.unwrap().position > given.position && !event.backfilled));
    assert!(found.iter().all(|event| event.organisation == id_of(&scene, MINE)));
    let against = since(&raw, stop, true).await;
    assert_eq!(against.len(), 1);
    // The finding about it rests on the same entry.
    let filter = v1::FindingFilter {
        equipment: machine.subject().id().to_vec(),
        rules: vec!["ORD-001".to_owned()],
        closed: true,
        ..Default::default()
    };
    let request = v1::ListFindingsRequest { filter: Some(filter), ..Default::default() };
    let findings = raw.findings().list_findings(request).await.unwrap().into_inner().findings;
    assert!(findings[0].evidence.contains(&against[0].evidence.unwrap()), "{findings:?}");
    let stranger = as_party(&scene, &ledger, ELSEWHERE).await;
    let request = v1::StreamSinceOrderRequest { id: stop.id().to_vec(), ..Default::default() };
    assert_eq!(stranger.supervision().stream_since_order(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_orders_know_what_the_first_one_knew() {
    let scene = two_levels();
    let machine = in_use(&scene, "MG1", MINE);
    for _ in 0..5 {
        scene.stop_use(COUNTY, &[&machine], &[]).record();
    }
    let ledger = served(&scene).await;
    let raw = as_party(&scene, &ledger, COUNTY).await;
    let filter = Some(v1::OrderFilter { machine: machine.subject().id().to_vec(), ..Default::default() });
    let mut request = v1::ListOrdersRequest { filter, page_size: 2, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page = raw.supervision().list_orders(request.clone()).await.unwrap().into_inner();
        pages.push(page.orders.iter().map(|order| order.id.clone()).collect::<Vec<_>>());
        // What comes between two pages is in neither.
        scene.stop_use(COUNTY, &[&machine], &[]).record();
        record_scene(&scene, &ledger).await;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    let all = pages.concat();
    assert!(all.is_sorted() && all.iter().collect::<BTreeSet<_>>().len() == 5);
    request.page_token = "00".to_owned();
    assert_eq!(raw.supervision().list_orders(request).await.unwrap_err().code(), Code::InvalidArgument);
}

async fn overview(raw: &Raw, mine: SubjectId, at: Option<v1::At>) -> Result<v1::Figures, Code> {
    let request = v1::GetMineOverviewRequest { mine: mine.id().to_vec(), at };
    let answered = within("overview", raw.supervision().get_mine_overview(request)).await;
    answered.map(|answer| answer.into_inner().overview.unwrap().figures.unwrap()).map_err(|status| status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_of_a_mine_and_an_area_are_those_of_their_machines() {
    let scene = two_levels();
    scene.categories(REGISTRAR, vec![publication::category("shearer")]).record();
    let row = publication::monthly("S-1", "shearer", v1::ScheduledWork::Test, 1);
    scene.schedule(REGISTRAR, publication::Layer::Nation, vec![row]).record();
    let (first, second, third) =
        (in_use(&scene, "MG1", MINE), in_use(&scene, "MG2", MINE), in_use(&scene, "MG3", MINE));
    let other = in_use(&scene, "MG4", ELSEWHERE);
    first.fault_reported("F-1", v1::FaultSeverity::Serious);
    scene.stop_use(COUNTY, &[&second], &[MINE]).record();
    scene.seal(COUNTY, &[&second], &[]).record();
    scene.recall(MAKER, &[&third, &other], &[]).record();
    let mut ledger = served(&scene).await;
    let mine = scene.party(MINE).mine();
    let raw = as_party(&scene, &ledger, COUNTY).await;
    let figures = overview(&raw, mine, None).await.unwrap();
    assert_eq!(figures.machines, 3);
    assert_eq!(figures.states, [v1::StateCount { state: ServiceState::InUse.into(), machines: 3 }]);
    assert_eq!((figures.categories.len(), figures.categories[0].machines), (1, 3));
    assert_eq!(figures.fit, Some(v1::Share { part: 1, whole: 3 }), "one has a fault, one is stopped");
    assert_eq!(figures.awaiting_repair, Some(v1::Share { part: 0, whole: 3 }));
    assert_eq!(figures.run_with_fault, 1);
    assert_eq!((figures.stop_use, figures.sealed, figures.recalled, figures.receipts_due), (1, 1, 1, 1));
    assert_eq!(figures.work_on_time, Some(v1::Share { part: 3, whole: 3 }));
    // Held against the findings one by one.
    let filter = v1::FindingFilter { mine: mine.id().to_vec(), ..Default::default() };
    let request = v1::ListFindingsRequest { filter: Some(filter), page_size: 500, ..Default::default() };
    let findings = raw.findings().list_findings(request).await.unwrap().into_inner().findings;
    let of = |severity: v1::Severity| findings.iter().filter(|found| found.severity() == severity).count() as u64;
    assert_eq!(figures.findings_major, of(v1::Severity::Major));
    assert_eq!(figures.findings_serious, of(v1::Severity::Serious));
    assert_eq!(figures.findings_general, of(v1::Severity::General));
    assert_eq!(figures.findings_notes, of(v1::Severity::Note));
    assert_eq!(figures.findings_legal_major, findings.iter().filter(|found| found.legal_major).count() as u64);
    assert!(figures.findings_serious > 0, "the recall is open");

    // The kept rows say what the histories do.
    let now = scene.now().micros().min(raw_moment(&raw).await);
    let folded = overview(&raw, mine, Some(v1::At { as_of_us: now, ..Default::default() })).await.unwrap();
    assert_eq!(folded, figures);
    ledger.restart().await;
    let raw = as_party(&scene, &ledger, COUNTY).await;
    assert_eq!(overview(&raw, mine, None).await.unwrap(), figures);

    // An area is the sum of its mines that are seen.
    let area = |raw: Raw, area: &'static str| async move {
        let request = v1::GetJurisdictionOverviewRequest { area: area.to_owned(), at: None };
        raw.supervision().get_jurisdiction_overview(request).await.map(tonic::Response::into_inner)
    };
    let own = area(raw.clone(), "14").await.unwrap();
    assert_eq!((own.figures, own.mines.len()), (Some(figures.clone()), 1));
    assert_eq!(area(raw.clone(), "15").await.unwrap().mines, []);
    let all = area(as_party(&scene, &ledger, REGULATOR).await, "").await.unwrap();
    assert_eq!(all.mines.len(), 2);
    assert_eq!(all.mines.iter().map(|mine| mine.figures.as_ref().unwrap().machines).sum::<u64>(), 4);
    let sum = all.figures.unwrap();
    assert_eq!((sum.machines, sum.recalled, sum.fit), (4, 2, Some(v1::Share { part: 2, whole: 4 })));
    assert_eq!(area(raw, "1").await.unwrap_err().code(), Code::InvalidArgument);
    for (party, sees) in [(MINE, true), (ELSEWHERE, false), (DEALER, false), (PROVINCE, true)] {
        let raw = as_party(&scene, &ledger, party).await;
        assert_eq!(overview(&raw, mine, None).await.map_err(|code| code == Code::NotFound).is_ok(), sees, "{party}");
    }
}

/// The instant up to which time has passed in the findings.
async fn raw_moment(raw: &Raw) -> i64 {
    let request = v1::ListFindingsRequest { page_size: 1, ..Default::default() };
    raw.findings().list_findings(request).await.unwrap().into_inner().basis.unwrap().as_of_us
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_listed_by_owner_by_place_with_everything_below_it_and_by_area() {
    let scene = two_levels();
    let (first, stored) = (in_use(&scene, "MG1", MINE), scene.machine("MG2").factory_exit());
    let other = in_use(&scene, "MG4", ELSEWHERE);
    let ledger = served(&scene).await;
    let raw = as_party(&scene, &ledger, REGISTRAR).await;
    let list = |filter: v1::EquipmentFilter| async {
        let request = v1::ListEquipmentRequest { filter: Some(filter), page_size: 500, ..Default::default() };
        let found = within("list", raw.machines().list_equipment(request)).await?.into_inner().equipment;
        Ok::<BTreeSet<Vec<u8>>, tonic::Status>(found.into_iter().map(|machine| machine.id).collect())
    };
    let due = |machines: &[&Machine]| -> BTreeSet<Vec<u8>> {
        machines.iter().map(|machine| machine.subject().id().to_vec()).collect()
    };
    let site = scene.party(MINE).site().clone();
    let mine = site.mine.id().to_vec();
    let request = v1::GetEquipmentRequest { id: first.subject().id().to_vec(), ..Default::default() };
    let node = raw.machines().get_equipment(request).await.unwrap().into_inner().equipment.unwrap().place.unwrap().node;
    for (name, ..) in tally_testkit::scene::PLACES {
        let place = site.place(name).node;
        let is_above = match *name {
            "shaft" | "level" => node != site.place("surface").node,
            _ => place == node,
        };
        let found = list(v1::EquipmentFilter { mine: mine.clone(), place, ..Default::default() }).await.unwrap();
        assert_eq!(found, if is_above { due(&[&first]) } else { due(&[]) }, "{name}");
    }
    let area = |area: &str| v1::EquipmentFilter { area: area.to_owned(), ..Default::default() };
    assert_eq!(list(area("14")).await.unwrap(), due(&[&first]));
    assert_eq!(list(area("150121")).await.unwrap(), due(&[&other]));
    assert!(list(v1::EquipmentFilter::default()).await.unwrap().is_superset(&due(&[&first, &stored, &other])));
    for wrong in [
        v1::EquipmentFilter { place: node.clone(), ..Default::default() },
        v1::EquipmentFilter { mine: mine.clone(), place: vec![1], ..Default::default() },
        area("140"),
    ] {
        assert_eq!(list(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let owner = id_of(&scene, MINE);
    let owned = list(v1::EquipmentFilter { owner, ..Default::default() }).await.unwrap();
    assert!(!owned.contains(&stored.subject().id()[..]));
}

/// Exports and verifies; gives the lines of the file, and what was proved.
async fn export(client: &Client, period: AuditPeriod) -> (Vec<Value>, AuditReport) {
    let mut stream = within("export", client.export_audit(period)).await.unwrap();
    let mut lines = Vec::new();
    while let Some(part) = within("export", stream.next()).await.unwrap() {
        lines.extend(audit::lines(&period, &part.message, &part.entries).unwrap());
    }
    (lines, stream.finish().unwrap())
}

/// Puts the first two touches that are told of a subject into the suffix of its proof, which still holds.
fn forge(lines: &mut [Value], subject: SubjectId) {
    let is_of = |line: &&mut Value| line["subject"]["subject"] == subject.to_string();
    let line = lines.iter_mut().find(is_of).unwrap();
    let bytes = hex::decode(line["bytes"].as_str().unwrap()).unwrap();
    let mut message = v1::ExportAuditResponse::decode(bytes.as_slice()).unwrap();
    let told = &mut message.subjects[0];
    let proof = told.proof.as_mut().unwrap();
    let suffix = proof.suffix.as_mut().unwrap();
    for touch in proof.touches.drain(..2) {
        let Some(v1::touch::Content::LeafHash(leaf)) = touch.content else { panic!("a touch is told as a hash") };
        let before = TouchHash::new(suffix.touch_hash.as_slice().try_into().unwrap());
        let leaf = LeafHash::new(leaf.try_into().unwrap());
        let hash = touch_hash(before, LogPosition::new(touch.position).unwrap(), leaf);
        suffix.touch_hash = hash.as_bytes().to_vec();
        suffix.touches += 1;
    }
    told.entries -= 1;
    line["subject"]["entries"] = Value::from(told.entries);
    line["bytes"] = Value::from(hex::encode(message.encode_to_vec()));
}

fn file(lines: &[Value]) -> Vec<u8> {
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_complete_by_the_scenes_own_count_and_verifies_without_a_server() {
    let scene = two_levels();
    let (first, second) = (in_use(&scene, "MG1", MINE), in_use(&scene, "MG2", MINE));
    let other = in_use(&scene, "MG4", ELSEWHERE);
    let ledger = TestLedger::start(&scene).await;
    let before = record_scene(&scene, &ledger).await.len();
    scene.clock().advance(Duration::from_hours(1));
    // The period: something about each machine, something that only mentions them, something about neither.
    let stop = scene.stop_use(COUNTY, &[&first], &[MINE]).record().subject();
    scene.receipt(MINE, stop).record();
    second.noted("in the period");
    scene.round(MINE, &[&first, &second]).record();
    other.noted("elsewhere");
    scene.machine("MG9").factory_exit();
    let third = in_use(&scene, "MG3", MINE);
    let within_period = record_scene(&scene, &ledger).await.len();
    scene.clock().advance(Duration::from_hours(1));
    first.noted("after it");
    let all = record_scene(&scene, &ledger).await;

    let mine = scene.party(MINE).mine();
    let recorded_us = |at: usize| u64::try_from(all[at].1.recorded_at.micros()).unwrap();
    let period = AuditPeriod { mine, from_us: recorded_us(before), until_us: recorded_us(within_period) };
    let subjects: BTreeSet<SubjectId> =
        [mine].into_iter().chain([&first, &second, &third].map(Machine::subject)).collect();
    let touched_in = |range: std::ops::Range<usize>| -> BTreeSet<u64> {
        let recorded = scene.recorded();
        let touching = range.filter(|at| {
            // The founding event is the scene's first, and in no receipt.
            recorded[at + 1].candidate.statement().touched().any(|subject| subjects.contains(&subject))
        });
        touching.map(|at| all[at].1.position.get()).collect()
    };
    let positions = |lines: &[Value]| -> BTreeSet<u64> {
        lines
            .iter()
            .filter_map(|line| {
                line["entry"]["position"].as_u64().or_else(|| line["entry"]["position"].as_str()?.parse().ok())
            })
            .collect()
    };
    let client = client_as(&scene, &ledger.url(), Some(scene.identity(COUNTY))).await;
    let (lines, report) = export(&client, period).await;
    assert_eq!(positions(&lines), touched_in(before..within_period));
    assert_eq!(report.subjects.iter().map(|known| known.subject).collect::<BTreeSet<_>>(), subjects);
    assert_eq!(report.subjects[0].subject, mine);
    assert_eq!((report.entries, report.withheld), (touched_in(before..within_period).len() as u64, 0));
    let (_, whole) = export(&client, AuditPeriod { from_us: 0, until_us: 0, ..period }).await;
    assert_eq!(whole.entries, touched_in(0..all.len()).len() as u64);
    let (_, rest) = export(&client, AuditPeriod { until_us: 0, ..period }).await;
    assert_eq!(rest.entries, touched_in(before..all.len()).len() as u64);
    let far = AuditPeriod { from_us: recorded_us(all.len() - 1) + 1, until_us: 0, ..period };
    assert_eq!(export(&client, far).await.1.entries, 0);

    // The file, offline.
    let verify = |lines: &[Value]| audit::verify_file(&trust(&scene), file(lines).as_slice());
    let again = verify(&lines).unwrap();
    assert_eq!((again.entries, again.subjects.len(), again.period), (report.entries, report.subjects.len(), period));
    let entries: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].get("entry").is_some()).collect();
    for at in &entries {
        let mut without = lines.clone();
        without.remove(*at);
        assert!(verify(&without).is_err(), "line {at} is left out");
    }
    for (number, change) in [
        |lines: &mut Vec<Value>| lines[0]["audit"]["untilUs"] = Value::from(1),
        |lines: &mut Vec<Value>| lines[1]["entry"]["recordedAt"] = Value::from("2020-01-01T00:00:00Z"),
        |lines: &mut Vec<Value>| drop(lines.remove(0)),
        |lines: &mut Vec<Value>| lines.swap(1, 2),
        |lines: &mut Vec<Value>| lines.truncate(3),
        |lines: &mut Vec<Value>| {
            // The last machine came in during the period: it cannot be left out.
            let third = lines.iter().position(|line| line.get("subject").is_some()).unwrap();
            lines.truncate(third + 1);
        },
    ]
    .into_iter()
    .enumerate()
    {
        let mut changed = lines.clone();
        change(&mut changed);
        assert!(verify(&changed).is_err(), "change {number}");
    }
    // A server that hides an entry of the period in what it says came before it.
    let hidden = lines.iter().position(|line| line.to_string().contains("in the period")).unwrap();
    let mut forged = lines.clone();
    forged.remove(hidden);
    forge(&mut forged, second.subject());
    let error = verify(&forged).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("begins in the period"), "{cause}");
    // Nobody else's.
    let stranger = client_as(&scene, &ledger.url(), Some(scene.identity(ELSEWHERE))).await;
    assert!(stranger.export_audit(period).await.is_err());
    let text = std::fs::read_to_string(ledger.dir().join("access.log")).unwrap();
    let line = text.lines().rfind(|line| line.contains("\"ExportAudit\"")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (line["subject"].as_str().unwrap(), line["role"].as_str().unwrap()),
        (&*format!("audit of {mine}"), "regulator")
    );
}

/// A machine that went elsewhere: what was recorded there stands as hashes, and is counted.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_the_callers_eyes_is_withheld_and_counted() {
    let scene = two_levels();
    let moved = in_use(&scene, "MG1", MINE);
    moved.raised_to_surface().dispatched(ELSEWHERE).received();
    moved.noted("for the other mine");
    let ledger = served(&scene).await;
    let mine = scene.party(MINE).mine();
    let period = AuditPeriod { mine, from_us: 0, until_us: 0 };
    let client = client_as(&scene, &ledger.url(), Some(scene.identity(COUNTY))).await;
    let (lines, report) = export(&client, period).await;
    assert!(report.withheld > 0);
    let of_machine = report.subjects.iter().find(|known| known.subject == moved.subject()).unwrap();
    assert!(of_machine.withheld > 0 && of_machine.entries >= of_machine.withheld);
    assert!(!String::from_utf8(file(&lines)).unwrap().contains(&hex::encode("for the other mine")));
    assert!(audit::verify_file(&trust(&scene), file(&lines).as_slice()).is_ok());
    assert_eq!(moved.subject().kind(), SubjectKind::Equipment);
    let all = client_as(&scene, &ledger.url(), Some(scene.identity(REGULATOR))).await;
    assert_eq!(export(&all, period).await.1.withheld, 0);
}
