//! Findings over the wire: what opens and closes them, what time alone does, and that the index gives what the history does.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::time::Duration;

use common::{Raw, record_scene, within};
use tally_core::{
    id::{SubjectId, SubjectKind},
    state::Instant,
};
use tally_proto::v1::{self, Finding, FindingFilter, Severity, Verdict, statement::Body};
use tally_server::startup;
use tally_testkit::{
    ledger::TestLedger,
    life::Life,
    scene::{
        MAKER, MINE, REGISTRAR, REGULATOR, Scene,
        publication::{Layer, category, monthly},
    },
};

const DAY: Duration = Duration::from_hours(24);

async fn list(raw: &Raw, filter: FindingFilter) -> Vec<Finding> {
    let request = v1::ListFindingsRequest { filter: Some(filter), page_size: 500, ..Default::default() };
    within("findings", raw.findings().list_findings(request)).await.unwrap().into_inner().findings
}

fn of_machine(id: &SubjectId) -> FindingFilter {
    FindingFilter { equipment: id.id().to_vec(), ..FindingFilter::default() }
}

/// Waits until time has passed in the findings up to what the clock shows.
async fn time_passes(scene: &Scene, raw: &Raw, by: Duration) {
    scene.clock().advance(by);
    let now = scene.now().micros();
    let mut client = raw.findings();
    within("time passes", async {
        loop {
            let request = v1::ListFindingsRequest { page_size: 1, ..Default::default() };
            let answer = client.list_findings(request).await.unwrap().into_inner();
            if answer.basis.unwrap().as_of_us >= now {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

fn rules(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.rule.as_str()).collect()
}

async fn verify(raw: &Raw, id: &SubjectId, as_of_us: i64) -> v1::Verification {
    let at = Some(v1::At { as_of_us, ..v1::At::default() });
    let request = v1::VerifyMarkRequest { equipment: id.id().to_vec(), at, ..Default::default() };
    let answer = within("verify", raw.marks().verify_mark(request)).await.unwrap().into_inner();
    answer.verifications.into_iter().next().unwrap()
}

/// A skip is made and sold after its mark lapsed, while the renewal was applied for.
///
/// Source: the accident at 逢春, 2020-12-15.
#[tokio::test(flavor = "multi_thread")]
async fn made_while_the_renewal_was_pending_is_found_at_factory_exit_and_stays_found() {
    let scene = Scene::new();
    let number = scene.machine("JXS-1").mark_no();
    let mark = scene.mark(&number).issued("JXS-1");
    let good = scene.machine("JXS-1").factory_exit();
    let ledger = TestLedger::start(&scene).await;
    record_scene(&scene, &ledger).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    assert_eq!(verify(&raw, &good.subject(), 0).await.verdict(), Verdict::Pass);
    assert_eq!(list(&raw, of_machine(&good.subject())).await, []);

    // The mark lapses; the skip is made the day after, and sold.
    time_passes(&scene, &raw, 6 * 366 * DAY).await;
    let skip = scene.machine_with(MAKER, "JXS-1", "S-2").factory_exit();
    record_scene(&scene, &ledger).await;
    let found = list(&raw, of_machine(&skip.subject())).await;
    assert_eq!(rules(&found), ["MARK-003"]);
    assert_eq!(found[0].severity(), Severity::Major);
    assert_eq!(found[0].until_us, 0);
    let verdict = verify(&raw, &skip.subject(), 0).await;
    assert_eq!(verdict.verdict(), Verdict::Fail);
    assert_eq!((verdict.lines[1].verdict(), verdict.lines[1].rule.as_str()), (Verdict::Fail, "MARK-003"));
    assert!(!verdict.lines[1].evidence.is_empty());

    // The renewal, days later, closes nothing.
    time_passes(&scene, &raw, 10 * DAY).await;
    mark.renewed();
    time_passes(&scene, &raw, 10 * DAY).await;
    record_scene(&scene, &ledger).await;
    assert_eq!(rules(&list(&raw, of_machine(&skip.subject())).await), ["MARK-003"]);
    assert_eq!(verify(&raw, &skip.subject(), 0).await.verdict(), Verdict::Fail);
    // Before it was sold nothing was found, by what is on record now.
    let at = Some(v1::At { as_of_us: found[0].since_us - 1, ..v1::At::default() });
    let request = v1::ListFindingsRequest { filter: Some(of_machine(&skip.subject())), at, ..Default::default() };
    let before = raw.findings().list_findings(request).await.unwrap().into_inner();
    assert_eq!(before.findings, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_alone_opens_what_falls_due_and_a_test_closes_it() {
    let scene = Scene::new();
    let shearer = scene.machine("MG900/2245").reach(v1::ServiceState::InUse);
    scene.schedule(REGISTRAR, Layer::Nation, vec![monthly("S-TEST", "shearer", v1::ScheduledWork::Test, 1)]).record();
    let ledger = TestLedger::start(&scene).await;
    record_scene(&scene, &ledger).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let due = || async {
        let filter = FindingFilter { rules: vec!["DUE-001".to_owned()], ..of_machine(&shearer.subject()) };
        list(&raw, filter).await
    };
    assert_eq!(due().await, []);
    let foreseen = v1::ListDueRequest { days: 60, ..v1::ListDueRequest::default() };
    let foreseen = raw.findings().list_due(foreseen).await.unwrap().into_inner();
    let item = foreseen.items.iter().find(|item| item.rule == "DUE-001").unwrap();
    assert_eq!(item.subject, shearer.subject().key());

    time_passes(&scene, &raw, 20 * DAY).await;
    assert_eq!(due().await, []);
    time_passes(&scene, &raw, 20 * DAY).await;
    let open = due().await;
    assert_eq!((open.len(), open[0].key.as_str(), open[0].since_us), (1, "S-TEST", item.due_us));
    // Counted as one of its mine.
    let counted = raw.findings().count_findings(v1::CountFindingsRequest::default()).await.unwrap().into_inner();
    assert!(counted.groups.iter().any(|group| (group.rule.as_str(), group.count) == ("DUE-001", 1)));

    let tested = Body::Tested(v1::Tested {
        schedule_code: "S-TEST".to_owned(),
        standard: "AQ 1".to_owned(),
        report_no: "R-1".to_owned(),
        report: Some(attachment()),
        test_date: Some(tally_testkit::scene::day_of(scene.now())),
        result: v1::CheckResult::Pass.into(),
        ..v1::Tested::default()
    });
    scene.sketch(MINE, shearer.subject(), tested).record();
    record_scene(&scene, &ledger).await;
    assert_eq!(due().await, []);
    let filter = FindingFilter { closed: true, rules: vec!["DUE-001".to_owned()], ..of_machine(&shearer.subject()) };
    let closed = list(&raw, filter).await;
    assert_eq!(closed.len(), 1);
    assert!(closed[0].until_us > closed[0].since_us);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_is_found_on_machines_in_use_and_a_stop_order_that_is_not_kept() {
    let scene = Scene::new();
    scene.categories(REGISTRAR, vec![category("shearer")]).record();
    let number = scene.machine("MG400").mark_no();
    let mark = scene.mark(&number).issued("MG400");
    let shearer = scene.machine("MG400").reach(v1::ServiceState::InUse);
    let ledger = TestLedger::start(&scene).await;
    record_scene(&scene, &ledger).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let open = || async { list(&raw, of_machine(&shearer.subject())).await };
    assert!(!rules(&open().await).contains(&"MARK-005"));
    mark.revoked();
    record_scene(&scene, &ledger).await;
    time_passes(&scene, &raw, DAY).await;
    let found = open().await;
    let revoked = found.iter().find(|finding| finding.rule == "MARK-005").unwrap();
    assert_eq!(revoked.severity(), Severity::Major);
    assert_eq!(verify(&raw, &shearer.subject(), 0).await.lines[8].rule, "MARK-005");

    let order = scene.stop_use(REGULATOR, &[&shearer], &[MINE]).record();
    record_scene(&scene, &ledger).await;
    assert!(!rules(&open().await).contains(&"ORD-001"));
    time_passes(&scene, &raw, 2 * DAY).await;
    // The mine has not acknowledged it within a day.
    let of_mine = FindingFilter { mine: scene.party(MINE).mine().id().to_vec(), ..FindingFilter::default() };
    assert!(rules(&list(&raw, of_mine).await).contains(&"ORD-005"));
    let reading = Body::UsageReported(v1::UsageReported {
        meter_no: "1".to_owned(),
        counter: Some(measure("running_h", 10)),
        period_to: Some(tally_testkit::scene::day_of(scene.now())),
        ..v1::UsageReported::default()
    });
    scene.sketch(MINE, shearer.subject(), reading).record();
    let duty = Body::DutyChanged(v1::DutyChanged { duty: v1::Duty::Standby.into(), reason: "pump 2".to_owned() });
    scene.sketch(MINE, shearer.subject(), duty).record();
    record_scene(&scene, &ledger).await;
    let found = open().await;
    assert!(rules(&found).contains(&"ORD-001"), "{found:?}");
    drop(order);
}

/// What the index keeps and lists is what the histories give; and a rebuilt index gives the same.
#[tokio::test(flavor = "multi_thread")]
async fn kept_findings_are_those_of_the_histories_and_of_a_rebuilt_index() {
    let scene = Scene::new().mine("M2").manufacturer("F2").lessor("Z1");
    scene.categories(REGISTRAR, vec![category("shearer")]).record();
    scene
        .schedule(
            REGISTRAR,
            Layer::Nation,
            vec![
                monthly("S-A", "shearer", v1::ScheduledWork::Test, 1),
                monthly("S-B", "shearer", v1::ScheduledWork::Inspect, 2),
                monthly("S-C", "shearer", v1::ScheduledWork::Overhaul, 5),
            ],
        )
        .record();
    let life = Life::in_scene(scene.clone(), seed()).over(12).remembering();
    for (at, _) in life.groups().enumerate() {
        if at % 40 == 20 {
            scene.clock().advance(9 * DAY);
        }
        if at > 400 {
            break;
        }
    }
    for (at, number) in ["KED200014", "MLA260001"].iter().enumerate() {
        let mark = scene.mark(number).issued("MG900/2245");
        if at == 1 {
            mark.suspended();
        }
    }
    scene.policy(REGISTRAR, Layer::Nation, &[["LIFE-004", "days", "20"]]).record();
    let mut ledger = TestLedger::start(&scene).await;
    record_scene(&scene, &ledger).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    time_passes(&scene, &raw, 50 * DAY).await;
    let all = FindingFilter { closed: true, ..FindingFilter::default() };
    let live = list_all(&raw, all.clone()).await;
    assert!(live.len() > 50, "{} findings", live.len());
    let counted = raw.findings().count_findings(v1::CountFindingsRequest::default()).await.unwrap().into_inner();
    let open = live.iter().filter(|finding| finding.until_us == 0).count();
    assert_eq!(counted.total, u64::try_from(open).unwrap());
    drop(raw);
    ledger.stop().await;

    let now = scene.now();
    for rebuild in [false, true] {
        let opened = startup::open(&ledger.layout(), 16 << 20, false, rebuild, &mut |_, _| {}).unwrap();
        let (index, log) = (opened.index, opened.state.directory.reader());
        while index.pass_time(now, 100).unwrap() == 100 {}
        let instant = Instant { as_of: now, size: opened.state.tree.size().get() };
        let mut folded = Vec::new();
        for row in index.touches() {
            let (subject, ..) = row.unwrap();
            if matches!(subject.kind(), SubjectKind::Equipment | SubjectKind::Mine) {
                folded.extend(index.findings_of(&log, &subject, instant).unwrap());
            }
        }
        let mut kept = Vec::new();
        let mut after = None;
        loop {
            let page = index.findings(&log, &all, instant, after, 7, &tally_index::findings::everything).unwrap();
            kept.extend(page.findings);
            match page.more_after {
                Some(more) => after = Some(more),
                None => break,
            }
        }
        sort(&mut folded);
        sort(&mut kept);
        assert_same(&kept, &folded, if rebuild { "rebuilt and folded" } else { "kept and folded" });
        let mut served = live.clone();
        sort(&mut served);
        assert_same(&served, &kept, "served and kept");
    }
}

fn sort(findings: &mut [Finding]) {
    findings
        .sort_by_key(|finding| (finding.subject.clone(), finding.rule.clone(), finding.key.clone(), finding.since_us));
}

fn assert_same(left: &[Finding], right: &[Finding], what: &str) {
    for finding in left {
        assert!(right.contains(finding), "{what}: only on the left: {finding:?}");
    }
    for finding in right {
        assert!(left.contains(finding), "{what}: only on the right: {finding:?}");
    }
}

async fn list_all(raw: &Raw, filter: FindingFilter) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            v1::ListFindingsRequest { filter: Some(filter.clone()), page_size: 23, page_token, ..Default::default() };
        let answer = raw.findings().list_findings(request).await.unwrap().into_inner();
        found.extend(answer.findings);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

/// The seed of this run: `TALLY_SEED`, else always the same.
fn seed() -> u64 {
    std::env::var("TALLY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_124)
}

fn attachment() -> v1::Attachment {
    v1::Attachment { sha256: vec![7; 32], media_type: "application/pdf".to_owned(), size_bytes: 1 }
}

fn measure(key: &str, digits: i64) -> v1::Measure {
    v1::Measure { key: key.to_owned(), digits, scale: 0, unit: "h".to_owned() }
}
