//! An outsider cannot keep whoever holds a machine from writing on its chain.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::{Raw, record_scene, said};
use tally_client::draft::{Draft, SetMember, SignedEvent, sign_set};
use tally_core::{hash::EventHash, refusal::Head};
use tally_proto::v1::{self, ServiceState, statement::Body};
use tally_server::chain_rate::{CHAIN_BURST_MAX, CHAIN_REFILL_MILLIS};
use tally_testkit::{
    ledger::TestLedger,
    scene::{CONTRACTOR, KeyUse, MINE, Machine, REGULATOR, Scene},
};
use tonic::Code;

/// Steps of a tenth of a second between reading the head and sending, on a slow phone: 5 s.
const SLOW_STEPS: u32 = 50;
const STEP: Duration = Duration::from_millis(100);

async fn ledger(scene: &Scene, chain_limit: bool) -> TestLedger {
    let ledger =
        TestLedger::start_with(scene, Arc::new(scene.clock()), |config| config.chain_limit = chain_limit).await;
    record_scene(scene, &ledger).await;
    ledger
}

/// A note of a party, signed on the head that stands.
async fn note(raw: &Raw, machine: &Machine, party: &str, text: &str) -> v1::SignedEvent {
    let head = raw.head(&machine.subject()).await;
    let head = Head { chain_length: head.chain_length, head_hash: EventHash::parse(&head.head_hash).unwrap() };
    machine.next().noted(text).by(party).on_head(head).message()
}

/// In which try a slow phone of the mine gets its event in, of at most twelve; the contractor sends in those steps that
/// are told.
async fn tries(chain_limit: bool, sends: impl Fn(u32) -> bool) -> Option<u32> {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let ledger = ledger(&scene, chain_limit).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    for number in 1..=12 {
        let slow = note(&raw, &machine, MINE, &format!("try {number}")).await;
        for step in 0..SLOW_STEPS {
            scene.clock().advance(STEP);
            if sends(step) {
                let cheap = note(&raw, &machine, CONTRACTOR, &format!("{number} {step}")).await;
                if let Err(status) = raw.record(&cheap).await {
                    assert!(chain_limit, "{status}");
                    assert_eq!(said(&status).reason, "CHAIN_BUSY");
                }
            }
        }
        match raw.record(&slow).await {
            Ok(_) => return Some(number),
            Err(status) => assert_eq!(said(&status).reason, "STALE_HEAD"),
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_does_not_keep_a_slow_phone_out_for_more_than_three_tries() {
    let flat_out = |_| true;
    assert_eq!(tries(false, flat_out).await, None, "without the limit it never gets in");
    let took = tries(true, flat_out).await;
    assert!(took.is_some_and(|tries| tries <= 3), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_spends_one_event_on_each_try_does_not_either() {
    // Whenever in the five seconds it comes, and also twice, so that one turn spoils two tries.
    for (first, second) in [(0, 0), (25, 25), (49, 49), (0, 49), (40, 49)] {
        let sends = |step| step == first || step == second;
        let took = tries(true, sends).await;
        assert!(took.is_some_and(|tries| tries <= 3), "at {first} and {second}: {took:?}");
    }
    assert_eq!(tries(false, |step| step == 25).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_is_told_when_to_come_back_and_whoever_is_at_home_is_not_held_up() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let ledger = ledger(&scene, true).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let mut last = None;
    for number in 0..CHAIN_BURST_MAX {
        let event = note(&raw, &machine, CONTRACTOR, &number.to_string()).await;
        let receipt = raw.record(&event).await.unwrap();
        last = Some((event, receipt));
    }
    let held_up = note(&raw, &machine, CONTRACTOR, "one more").await;
    let status = raw.record(&held_up).await.unwrap_err();
    let error = said(&status);
    assert_eq!((error.code, error.reason.as_str()), (Code::ResourceExhausted, "CHAIN_BUSY"));
    assert_eq!(error.retry_delay, Some(Duration::from_millis(CHAIN_REFILL_MILLIS)));
    assert_eq!(error.metadata["subject"], machine.subject().to_string());
    // A retry is no new event.
    let (event, receipt) = last.unwrap();
    assert_eq!(raw.record(&event).await.unwrap().position, receipt.position);

    scene.clock().advance(error.retry_delay.unwrap());
    raw.record(&held_up).await.unwrap();
    // Holder and authority write as they like, beside an outsider that may not.
    for party in [MINE, REGULATOR] {
        for number in 0..3 * CHAIN_BURST_MAX {
            let event = note(&raw, &machine, party, &format!("{party} {number}")).await;
            raw.record(&event).await.unwrap();
        }
    }
    let busy = note(&raw, &machine, CONTRACTOR, "again").await;
    assert_eq!(said(&raw.record(&busy).await.unwrap_err()).reason, "CHAIN_BUSY");
    // A clock that is told the time measures no rate: what is replayed is taken.
    scene.clock().set_monotonic(None);
    raw.record(&busy).await.unwrap();
}

/// A set of notes of the contractor.
fn notes(
    scene: &Scene,
    on: &[(&Machine, usize)],
    heads: &BTreeMap<tally_core::id::SubjectId, Head>,
) -> Vec<v1::SignedEvent> {
    let drafts = on.iter().flat_map(|(machine, count)| {
        (0..*count).map(|number| {
            let body = Body::Noted(v1::Noted { text: number.to_string(), ..v1::Noted::default() });
            let draft =
                Draft::new(&scene.author(CONTRACTOR), machine.subject(), scene.now(), body, scene.now()).unwrap();
            SetMember { draft, hands: Vec::new() }
        })
    });
    let mut members: Vec<SetMember> = drafts.collect();
    let set = sign_set(&mut members, heads, &scene.key(CONTRACTOR, KeyUse::Organisation)).unwrap();
    set.iter().map(SignedEvent::message).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_counts_as_its_events_and_a_refused_one_as_none() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    // Still at its maker: the contractor has nothing to do with it.
    let foreign = scene.machine("SGZ1000/1400").reach(ServiceState::Manufactured);
    let ledger = ledger(&scene, true).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let heads = BTreeMap::from([(machine.subject(), machine.head()), (foreign.subject(), foreign.head())]);
    for _ in 0..2 * CHAIN_BURST_MAX {
        let refused = raw.record_set(&notes(&scene, &[(&machine, 1), (&foreign, 1)], &heads)).await.unwrap_err();
        assert_ne!(said(&refused).reason, "CHAIN_BUSY");
    }
    let count = usize::try_from(CHAIN_BURST_MAX).unwrap() + 4;
    let receipts = raw.record_set(&notes(&scene, &[(&machine, count)], &heads)).await.unwrap();
    assert_eq!(receipts.len(), count, "larger than the bucket, and taken whole");
    let busy = note(&raw, &machine, CONTRACTOR, "one more").await;
    let error = said(&raw.record(&busy).await.unwrap_err());
    assert_eq!(error.retry_delay, Some(Duration::from_millis(5 * CHAIN_REFILL_MILLIS)), "and paid for");
    let head = raw.head(&machine.subject()).await;
    let head = Head { chain_length: head.chain_length, head_hash: EventHash::parse(&head.head_hash).unwrap() };
    let heads = BTreeMap::from([(machine.subject(), head)]);
    let error = said(&raw.record_set(&notes(&scene, &[(&machine, 2)], &heads)).await.unwrap_err());
    assert_eq!(error.reason, "CHAIN_BUSY", "a set waits as its first event does");
}
