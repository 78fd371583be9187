//! What is refused is kept for whoever may see it, within bounds, and never in the way of recording.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::collections::BTreeSet;

use common::{Asking, Raw, copy_directory, nonsense, restore_directory, said, served, within};
use tally_core::{
    envelope::{PAYLOAD_TYPE_EVENT, pae},
    key::PublicKey,
};
use tally_proto::v1::{self, ServiceState, refusal_service_client::RefusalServiceClient};
use tally_server::refusals::{FILE_REFUSALS_MAX, PAGE_REFUSALS_MAX};
use tally_testkit::scene::{CONTRACTOR, DEALER, KeyUse, MINE, Machine, REGISTRAR, REGULATOR, Scene};
use tonic::Code;

async fn list(raw: &Raw, request: v1::ListRefusalsRequest) -> Result<v1::ListRefusalsResponse, tonic::Status> {
    let mut refusals = RefusalServiceClient::with_interceptor(raw.channel(), raw.asks());
    Ok(refusals.list_refusals(request).await?.into_inner())
}

async fn all(raw: &Raw) -> v1::ListRefusalsResponse {
    list(raw, v1::ListRefusalsRequest::default()).await.unwrap()
}

/// Waits until so many refusals of organisations were counted: they are written behind the answer.
async fn counted(raw: &Raw, due: u64) -> v1::ListRefusalsResponse {
    within("the refusals", async {
        loop {
            let listed = all(raw).await;
            let counts = listed.organisations.iter().flat_map(|one| &one.reasons).map(|reason| reason.count);
            if counts.sum::<u64>() + listed.dropped >= due {
                return listed;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn as_party(raw: &Raw, scene: &Scene, party: &str) -> Raw {
    raw.asking(Asking::Party(scene.identity(party), scene.origin()))
}

/// An event that its signer has no right to: the machine is still at its maker.
fn attempt(machine: &Machine, party: &str, text: &str) -> v1::SignedEvent {
    machine.next().noted(text).by(party).message()
}

fn count_of(counts: &[v1::ReasonCount], reason: &str) -> u64 {
    counts.iter().find(|count| count.reason == reason).map_or(0, |count| count.count)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registered_key_signed_is_kept_whole_and_anything_else_is_counted() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let foreign = scene.machine("SGZ1000/1400").reach(ServiceState::Manufactured);
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let tried = attempt(&foreign, CONTRACTOR, "not mine");
    let told = said(&raw.record(&tried).await.unwrap_err());

    // The signature of another event; a key that nobody registered; no event at all.
    let other = attempt(&foreign, CONTRACTOR, "another");
    let forged = v1::SignedEvent { signature: other.signature, ..tried.clone() };
    assert_eq!(said(&raw.record(&forged).await.unwrap_err()).reason, "BAD_SIGNATURE");
    let unknown = machine.next().noted("x").issued_by(KeyUse::Unregistered(1)).message();
    assert_eq!(said(&raw.record(&unknown).await.unwrap_err()).reason, "KEY_UNKNOWN");
    let garbage = v1::SignedEvent { payload: vec![0xFF; 100], key_id: tried.key_id.clone(), signature: vec![7; 64] };
    assert_eq!(raw.record(&garbage).await.unwrap_err().code(), Code::InvalidArgument);
    // Bytes that are no event, but were signed by a registered key, are kept.
    let signed = nonsense(&scene, DEALER);
    assert_eq!(said(&raw.record(&signed).await.unwrap_err()).reason, "MALFORMED_EVENT");
    // The mine's own slow device: everyday.
    let stale = machine.next().noted("slow").message();
    raw.record(&machine.next().noted("fast").message()).await.unwrap();
    assert_eq!(said(&raw.record(&stale).await.unwrap_err()).reason, "STALE_HEAD");

    let listed = counted(&raw, 3).await;
    assert!(listed.standing.contains("under no checkpoint"), "{}", listed.standing);
    let [malformed, kept] = &listed.refusals[..] else { panic!("{:#?}", listed.refusals) };
    assert_eq!(kept.organisation, scene.party(CONTRACTOR).id.as_bytes());
    assert_eq!((kept.reason.as_str(), kept.message.as_str()), (told.reason.as_str(), told.message.as_str()));
    assert_eq!((&kept.payload, &kept.signature, &kept.key_id), (&tried.payload, &tried.signature, &tried.key_id));
    assert_eq!((kept.kind.as_str(), &kept.subject[..]), ("Noted", &foreign.subject().key()[..]));
    assert_eq!(kept.refused_at_us, scene.now().micros());
    let public = PublicKey::parse(scene.key(CONTRACTOR, KeyUse::Organisation).public().as_bytes()).unwrap();
    let signature = kept.signature.as_slice().try_into().unwrap();
    public.verify(&pae(PAYLOAD_TYPE_EVENT, &kept.payload), signature).unwrap();
    assert_eq!((malformed.reason.as_str(), &malformed.payload[..]), ("MALFORMED_EVENT", &b"no event"[..]));
    assert_eq!((malformed.kind.as_str(), &malformed.subject[..]), ("", &[][..]));

    let of_mine = listed.organisations.iter().find(|one| one.organisation == scene.party(MINE).id.as_bytes()).unwrap();
    assert_eq!((count_of(&of_mine.reasons, "STALE_HEAD"), of_mine.kept), (1, 0), "counted, and not kept");
    let unproven = until_unproven(&raw, 3).await;
    for reason in ["BAD_SIGNATURE", "KEY_UNKNOWN", "MALFORMED_EVENT"] {
        assert_eq!(count_of(&unproven.reasons, reason), 1, "{unproven:?}");
    }
    let [peer] = &unproven.peers[..] else { panic!("{unproven:?}") };
    assert_eq!((peer.address.as_str(), peer.count), ("127.0.0.1", 3));
}

async fn until_unproven(raw: &Raw, due: u64) -> v1::UnprovenRefusals {
    within("the counters", async {
        loop {
            let unproven = all(raw).await.unproven.unwrap();
            if unproven.reasons.iter().map(|one| one.count).sum::<u64>() >= due {
                return unproven;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_sees_its_own_and_nothing_of_another() {
    let scene = Scene::new();
    let foreign = scene.machine("SGZ1000/1400").reach(ServiceState::Manufactured);
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    for party in [CONTRACTOR, DEALER, MINE] {
        raw.record(&attempt(&foreign, party, party)).await.unwrap_err();
    }
    counted(&raw, 3).await;
    for party in [CONTRACTOR, DEALER, MINE] {
        let id = scene.party(party).id.as_bytes().to_vec();
        let mine = as_party(&raw, &scene, party);
        let listed = all(&mine).await;
        let of: BTreeSet<_> = listed.refusals.iter().map(|one| one.organisation.clone()).collect();
        assert_eq!((of, listed.refusals.len()), (BTreeSet::from([id.clone()]), 1), "{party}");
        assert!(listed.organisations.iter().all(|one| one.organisation == id), "{party}: its counters are its own");
        assert_eq!(listed.unproven, None, "who sent from where is not for everybody");
        // Asking for another's by name gives what asking for nobody's gives.
        for other in [CONTRACTOR, DEALER, MINE].into_iter().filter(|other| *other != party) {
            let organisation = scene.party(other).id.as_bytes().to_vec();
            let filter = Some(v1::RefusalFilter { organisation, ..Default::default() });
            let answer = list(&mine, v1::ListRefusalsRequest { filter, ..Default::default() }).await.unwrap();
            assert_eq!((answer.refusals.len(), answer.organisations.len()), (0, 0), "{party} of {other}");
        }
    }
    for party in [REGULATOR, REGISTRAR] {
        let listed = all(&as_party(&raw, &scene, party)).await;
        assert_eq!(listed.refusals.len(), 3, "{party}");
        assert!(listed.unproven.is_some());
    }
    assert_eq!(list(&raw.asking(Asking::Nobody), Default::default()).await.unwrap_err().code(), Code::Unauthenticated);
    let access = std::fs::read_to_string(ledger.dir().join("access.log")).unwrap();
    assert!(
        access.contains("RefusalService") || access.contains("ListRefusals"),
        "who looked by office is written down"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_filtered_and_paged_newest_first() {
    let scene = Scene::new();
    let foreign = scene.machine("SGZ1000/1400").reach(ServiceState::Manufactured);
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let begun = scene.now().micros();
    for number in 0..30 {
        let party = if number % 3 == 0 { DEALER } else { CONTRACTOR };
        raw.record(&attempt(&foreign, party, &number.to_string())).await.unwrap_err();
        scene.clock().advance(std::time::Duration::from_secs(1));
    }
    counted(&raw, 30).await;
    let (mut numbers, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = v1::ListRefusalsRequest { page_size: 7, page_token: token, ..Default::default() };
        let page = list(&raw, request).await.unwrap();
        assert_eq!(page.organisations.is_empty(), pages > 0, "counters are on the first page");
        numbers.extend(page.refusals.iter().map(|one| one.number));
        (token, pages) = (page.next_page_token, pages + 1);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((numbers, pages), ((1..=30).rev().collect::<Vec<_>>(), 5));

    let dealer = scene.party(DEALER).id.as_bytes().to_vec();
    let reason = all(&raw).await.refusals[0].reason.clone();
    let find = async |filter: v1::RefusalFilter| {
        let request = v1::ListRefusalsRequest { filter: Some(filter), ..Default::default() };
        list(&raw, request).await.unwrap().refusals.len()
    };
    let filter = v1::RefusalFilter::default();
    assert_eq!(find(v1::RefusalFilter { organisation: dealer, ..filter.clone() }).await, 10);
    assert_eq!(find(v1::RefusalFilter { kinds: vec!["Noted".to_owned()], ..filter.clone() }).await, 30);
    assert_eq!(find(v1::RefusalFilter { kinds: vec!["Overhauled".to_owned()], ..filter.clone() }).await, 0);
    assert_eq!(find(v1::RefusalFilter { subject: foreign.subject().key().to_vec(), ..filter.clone() }).await, 30);
    assert_eq!(find(v1::RefusalFilter { reasons: vec!["MARK_ENDED".to_owned()], ..filter.clone() }).await, 0);
    assert!(find(v1::RefusalFilter { reasons: vec![reason], ..filter.clone() }).await > 0);
    let (from_us, until_us) = (begun + 10_000_000, begun + 20_000_000);
    assert_eq!(find(v1::RefusalFilter { from_us, until_us, ..filter.clone() }).await, 10);
    let wrong = v1::RefusalFilter { kinds: vec!["Nonsense".to_owned()], ..filter };
    let request = v1::ListRefusalsRequest { filter: Some(wrong), ..Default::default() };
    assert_eq!(list(&raw, request).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_survive_a_stop_and_a_kill() {
    let scene = Scene::new();
    let foreign = scene.machine("SGZ1000/1400").reach(ServiceState::Manufactured);
    let mut ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    for number in 0..5 {
        raw.record(&attempt(&foreign, CONTRACTOR, &number.to_string())).await.unwrap_err();
    }
    let before = counted(&raw, 5).await;
    // What a kill leaves is what the files hold while it runs, here torn in the middle of the last one.
    let (refused, killed) = (ledger.dir().join("refused"), ledger.workplace().join("killed"));
    copy_directory(&refused, &killed);
    ledger.restart().await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let after = all(&raw).await;
    assert_eq!((&after.refusals, &after.organisations), (&before.refusals, &before.organisations));

    ledger.stop().await;
    let file = killed.join(format!("{}.newer", scene.party(CONTRACTOR).id));
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
    restore_directory(&killed, &refused);
    ledger.serve().await.unwrap();
    let raw = Raw::connect(&scene, &ledger.url()).await;
    assert_eq!(all(&raw).await.refusals, before.refusals[1..], "the torn one is cut, the others stand");
    raw.record(&attempt(&foreign, CONTRACTOR, "after")).await.unwrap_err();
    let listed = until_kept(&raw, 5).await;
    assert!(listed.refusals[0].number > before.refusals[1].number);
}

async fn until_kept(raw: &Raw, due: usize) -> v1::ListRefusalsResponse {
    within("the refusals", async {
        loop {
            let listed = all(raw).await;
            if listed.refusals.len() >= due {
                return listed;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_bounded_pushes_nobody_else_out_and_holds_nothing_up() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let foreign = scene.machine("SGZ1000/1400").reach(ServiceState::Manufactured);
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    raw.record(&attempt(&foreign, DEALER, "the one that matters")).await.unwrap_err();
    counted(&raw, 1).await;

    let garbage: Vec<_> = (0..1_000_u32)
        .map(|number| v1::SignedEvent {
            payload: number.to_be_bytes().to_vec(),
            key_id: vec![1; 32],
            signature: vec![2; 64],
        })
        .collect();
    // The same attempt again and again: each is refused, each counts.
    let tried = attempt(&foreign, CONTRACTOR, "flood");
    let messages = (0..5).flat_map(|_| [garbage.clone(), vec![tried.clone(); 500]]);
    let messages: Vec<_> = messages.map(|events| v1::RecordEventsRequest { events }).collect();
    let mut answers = raw.ledger().record_events(tokio_stream::iter(messages)).await.unwrap().into_inner();
    let mut refused = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        refused += answer.results.len();
    }
    assert_eq!(refused, 7_500);
    raw.record(&machine.next().noted("recording goes on").message()).await.unwrap();

    let listed = counted(&raw, 2_501).await;
    assert_eq!(listed.unproven.unwrap().peers.iter().map(|peer| peer.count).sum::<u64>(), 5_000);
    let flooder = listed.organisations.iter().find(|one| one.organisation == scene.party(CONTRACTOR).id.as_bytes());
    let flooder = flooder.unwrap();
    assert!(flooder.kept <= 2 * u64::try_from(FILE_REFUSALS_MAX).unwrap(), "{flooder:?}");
    let by_reason: u64 = flooder.reasons.iter().map(|reason| reason.count).sum();
    assert_eq!(by_reason + listed.dropped, 2_500, "each is counted: kept, made room, or dropped and said so");
    assert_eq!(flooder.kept + flooder.pushed_out, by_reason);
    let organisation = scene.party(DEALER).id.as_bytes().to_vec();
    let filter = Some(v1::RefusalFilter { organisation, ..Default::default() });
    let request = v1::ListRefusalsRequest { filter, page_size: 500, ..Default::default() };
    assert_eq!(list(&raw, request).await.unwrap().refusals.len(), 1);
    let request = v1::ListRefusalsRequest { page_size: 500, ..Default::default() };
    assert_eq!(list(&raw, request).await.unwrap().refusals.len(), PAGE_REFUSALS_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_refused_set_the_member_that_is_wrong_is_kept() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let part = scene.machine("motor").reach(ServiceState::Accepted);
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let set = scene.sign_set(&machine.part_fitting("cutter motor", &part)).unwrap();
    let mut messages: Vec<_> = set.iter().map(tally_client::draft::SignedEvent::message).collect();
    messages.reverse();
    let said = said(
        &raw.record_set(&messages[..1].iter().chain(&messages[..1]).cloned().collect::<Vec<_>>()).await.unwrap_err(),
    );
    let listed = counted(&raw, 1).await;
    assert_eq!(listed.refusals[0].reason, said.reason);
    assert_eq!(listed.refusals[0].payload, messages[0].payload);
}
