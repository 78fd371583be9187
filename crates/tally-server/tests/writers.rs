//! Many writers at once: chains without gaps, one winner of a race, one receipt for any number of retries.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::collections::BTreeSet;

use common::{GateKeeper, PATIENCE, Raw, client, client_with, record_scene, said, served, trust, within};
use tally_client::{
    client::{Client, Options},
    draft::{Draft, SetMember, SignedEvent, sign_set},
    error::ClientError,
    verify::{VerifiedHistory, verify_receipt},
};
use tally_core::id::SubjectId;
use tally_proto::v1::{self, ServiceState, statement::Body};
use tally_server::audit::{self, Against};
use tally_testkit::{
    ledger::TestLedger,
    random::SeededRandom,
    scene::{KeyUse, MINE, Machine, Scene},
    wait,
};
use tokio::task::JoinSet;
use tonic::{Code, Status};

/// A ledger whose sequencer a test can hold before it begins a batch.
async fn held_ledger(scene: &Scene) -> (TestLedger, GateKeeper) {
    let gate = GateKeeper::new(scene.clock());
    let ledger = TestLedger::start_with(scene, gate.clock(), |_| {}).await;
    record_scene(scene, &ledger).await;
    (ledger, gate)
}

/// Sends something that is refused, so that the sequencer has begun a batch and is held: what comes now is the next.
async fn hold(raw: &Raw, gate: &GateKeeper, refused: &v1::SignedEvent) -> tokio::task::JoinHandle<Status> {
    gate.close();
    let (raw, refused) = (raw.clone(), refused.clone());
    let first = tokio::spawn(async move { raw.record(&refused).await.unwrap_err() });
    gate.held().await;
    first
}

/// An event far beyond the head of its chain: refused, whatever else is on its way.
fn gap(machine: &Machine) -> v1::SignedEvent {
    let head = machine.head();
    let far = tally_core::refusal::Head { chain_length: head.chain_length + 900, ..head };
    machine.next().noted("far ahead").on_head(far).message()
}

/// The four values that every answer to the same bytes must agree on.
fn fixed(receipt: &v1::Receipt) -> (u64, u64, u64, Vec<u8>) {
    (receipt.position, receipt.chain_index, receipt.recorded_at_us, receipt.leaf_hash.clone())
}

/// Checks that a chain is whole, and gives it.
async fn whole(client: &Client, subject: SubjectId) -> VerifiedHistory {
    let history = client.history(subject).await.unwrap();
    assert!(history.completeness.is_complete(), "{subject}: {}", history.completeness);
    history
}

/// The payloads on a subject's own chain.
fn on_chain(history: &VerifiedHistory) -> Vec<Vec<u8>> {
    let own = history.events().filter(|(_, _, event)| event.statement().subject == history.head.subject);
    own.map(|(_, _, event)| event.payload().to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_writers_leave_gapless_chains() {
    const ON_ONE: usize = 40;
    const OTHERS: usize = 16;
    const ON_EACH_OTHER: usize = 10;
    let scene = Scene::new();
    let machines: Vec<Machine> = (0..=OTHERS).map(|_| scene.machine("MG900/2245").factory_exit().received()).collect();
    let ledger = served(&scene).await;
    let url = ledger.url();
    let connections = [client(&scene, &url).await, client(&scene, &url).await];
    let writers = (0..ON_ONE).map(|_| 0).chain((0..OTHERS * ON_EACH_OTHER).map(|number| 1 + number % OTHERS));
    let (key, author, now) = (scene.key("D1", KeyUse::Organisation), scene.author("D1"), scene.now());
    let deadline = wait::deadline_in(PATIENCE);
    let mut tasks = JoinSet::new();
    for (number, machine) in writers.enumerate() {
        let (client, key) = (connections[number % 2].clone(), key.clone());
        let (author, subject) = (author.clone(), machines[machine].subject());
        tasks.spawn(async move {
            let body = Body::Noted(v1::Noted { text: format!("writer {number}"), attachments: Vec::new() });
            let mut draft = Draft::new(&author, subject, now, body, now).unwrap();
            loop {
                match client.record_draft(&mut draft, &key, &[]).await {
                    Ok(recorded) => return recorded,
                    // So many others were faster, or the server was busy: nothing was recorded, or the same bytes again.
                    Err(ClientError::HeadMoves { .. } | ClientError::Unreachable { answer: Some(_), .. }) => {}
                    Err(error) => panic!("writer {number}: {error:?}"),
                }
                assert!(!wait::time_left(deadline).is_zero(), "writer {number} is never done");
            }
        });
    }
    let mut receipts = Vec::new();
    while let Some(done) = tasks.join_next().await {
        receipts.push(done.unwrap());
    }
    assert_eq!(receipts.len(), ON_ONE + OTHERS * ON_EACH_OTHER);

    let positions: BTreeSet<u64> = receipts.iter().map(|(_, receipt)| receipt.position.get()).collect();
    assert_eq!(positions.len(), receipts.len(), "no two stand at one position");
    for (number, machine) in machines.iter().enumerate() {
        let history = whole(&connections[0], machine.subject()).await;
        let before = machine.events().len();
        let written = if number == 0 { ON_ONE } else { ON_EACH_OTHER };
        let chain = on_chain(&history);
        assert_eq!(chain.len(), before + written, "{number}: each writer once");
        for (event, receipt) in receipts.iter().filter(|(event, _)| event.subject() == machine.subject()) {
            let place = usize::try_from(receipt.chain_index.get()).unwrap();
            assert_eq!(chain[place], event.payload(), "what the receipt names is what stands there");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_events_on_one_head_one_wins_and_the_other_is_told_the_head() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let (ledger, gate) = held_ledger(&scene).await;
    let raws = [Raw::connect(&scene, &ledger.url()).await, Raw::connect(&scene, &ledger.url()).await];
    let mut won = [0_u32; 2];
    for round in 0..30 {
        let events = [0, 1].map(|number| machine.next().noted(&format!("{round} {number}")).sign().unwrap());
        // Every third time they are sure to meet in one batch.
        let held = if round % 3 == 0 { Some(hold(&raws[0], &gate, &gap(&machine)).await) } else { None };
        let calls = [0, 1].map(|number: usize| {
            let (raw, message) = (raws[(number + round) % 2].clone(), events[number].message());
            tokio::spawn(async move { raw.record(&message).await })
        });
        if let Some(held) = held {
            gate.open();
            assert_eq!(said(&held.await.unwrap()).reason, "CHAIN_GAP");
        }
        let [one, other] = calls;
        let answers = [one.await.unwrap(), other.await.unwrap()];
        let winner = answers.iter().position(Result::is_ok).unwrap_or_else(|| panic!("nobody won: {answers:?}"));
        won[winner] += 1;
        verify_receipt(&trust(&scene), &events[winner], answers[winner].as_ref().unwrap()).unwrap();
        let lost = answers[1 - winner].as_ref().unwrap_err();
        assert_eq!((lost.code(), said(lost).reason.as_str()), (Code::Aborted, "STALE_HEAD"));
        let (subject, head) = said(lost).stale_head().unwrap();
        assert_eq!(subject, machine.subject());
        assert_eq!(head.chain_length, events[winner].chain_index().get() + 1);
        assert_eq!(head.head_hash, events[winner].event_hash(), "the head that stands is the winner");
        // The scene goes on from what the ledger took.
        machine_takes(&scene, &machine, &events[winner]);
    }
    assert_eq!(won[0] + won[1], 30);
    let history = whole(&client(&scene, &ledger.url()).await, machine.subject()).await;
    assert_eq!(on_chain(&history), machine.events().iter().map(|event| event.payload().to_vec()).collect::<Vec<_>>());
}

/// Makes an event that was signed only stand in the scene, too.
fn machine_takes(scene: &Scene, machine: &Machine, event: &SignedEvent) {
    scene.record_signed(vec![event.clone()]).unwrap();
    assert_eq!(machine.head().head_hash, event.event_hash());
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_at_any_moment_get_the_same_receipt() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let (mut ledger, gate) = held_ledger(&scene).await;
    machine.inspected().noted("a retry of this is sent from everywhere").noted("last");
    let events: Vec<SignedEvent> = machine.events().into_iter().rev().take(3).rev().collect();
    let retried = events[1].clone();
    let raw = Raw::connect(&scene, &ledger.url()).await;
    raw.record(&events[0].message()).await.unwrap();

    // Twenty times in one batch, and twenty times at any time.
    let held = hold(&raw, &gate, &gap(&machine)).await;
    let send = |count: usize| {
        let (raw, message) = (raw.clone(), retried.message());
        let calls = (0..count).map(move |_| {
            let (raw, message) = (raw.clone(), message.clone());
            async move { raw.record(&message).await.unwrap() }
        });
        calls.collect::<JoinSet<_>>()
    };
    let (waiting, racing) = (send(20), send(20));
    gate.open();
    held.await.unwrap();
    let answers: Vec<v1::Receipt> = [waiting.join_all().await, racing.join_all().await].concat();
    let due = fixed(&answers[0]);
    for receipt in &answers {
        assert_eq!(fixed(receipt), due);
        verify_receipt(&trust(&scene), &retried, receipt).unwrap();
    }
    assert_eq!(due.1, retried.chain_index().get());

    // After later events, in a stream beside others, and after restarts.
    raw.record(&events[2].message()).await.unwrap();
    let client = client(&scene, &ledger.url()).await;
    let mut answers = client.record_stream(tokio_stream::iter([events.clone(), events.clone()])).await.unwrap();
    while let Some(answered) = answers.next().await {
        for one in answered.unwrap() {
            let receipt = one.outcome.unwrap();
            if one.event == retried {
                assert_eq!((receipt.position.get(), receipt.leaf_hash.as_bytes().to_vec()), (due.0, due.3.clone()));
            }
        }
    }
    let size = raw.size().await;
    for _ in 0..2 {
        ledger.restart().await;
        let raw = Raw::connect(&scene, &ledger.url()).await;
        assert_eq!(fixed(&raw.record(&retried.message()).await.unwrap()), due);
        assert_eq!(raw.size().await, size, "a retry adds nothing");
    }

    // The key that signed it is revoked since: what is on record stays acknowledged, new events are refused.
    let raw = Raw::connect(&scene, &ledger.url()).await;
    scene.revocation(MINE, KeyUse::Organisation, 0).record();
    raw.record(&scene.events().last().unwrap().message()).await.unwrap();
    let refused = raw.record(&machine.next().noted("by the revoked key").message()).await.unwrap_err();
    assert_eq!(said(&refused).reason, "KEY_REVOKED");
    assert_eq!(fixed(&raw.record(&retried.message()).await.unwrap()), due);

    // The same statement by another issuer, and with another place, is no retry.
    let other = scene.key(MINE, KeyUse::Device);
    let signature = other.sign(&tally_core::envelope::pae(tally_core::envelope::PAYLOAD_TYPE_EVENT, retried.payload()));
    let by_another = v1::SignedEvent {
        key_id: other.key_id().as_bytes().to_vec(),
        signature: signature.to_vec(),
        ..retried.message()
    };
    let refused = raw.record(&by_another).await.unwrap_err();
    assert_eq!((refused.code(), said(&refused).reason.as_str()), (Code::AlreadyExists, "ISSUER_DIFFERS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sets_that_touch_the_same_machine_one_is_recorded_whole_and_the_other_not_at_all() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let parts: Vec<Machine> = (0..12).map(|_| scene.machine("motor").reach(ServiceState::Accepted)).collect();
    let (mut ledger, gate) = held_ledger(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let checked = client(&scene, &ledger.url()).await;
    for (round, pair) in parts.chunks(2).enumerate() {
        let sets: Vec<Vec<SignedEvent>> =
            pair.iter().map(|part| scene.sign_set(&machine.part_fitting("cutter motor", part)).unwrap()).collect();
        let alone = machine.next().noted(&format!("alone {round}")).sign().unwrap();
        let held = hold(&raw, &gate, &gap(&machine)).await;
        let calls: Vec<_> = sets
            .iter()
            .map(|set| {
                let (raw, messages) = (raw.clone(), set.iter().map(SignedEvent::message).collect::<Vec<_>>());
                tokio::spawn(async move { raw.record_set(&messages).await })
            })
            .collect();
        // On the same head stands an event alone, too, in every second round.
        let single = (round % 2 == 1).then(|| {
            let (raw, message) = (raw.clone(), alone.message());
            tokio::spawn(async move { raw.record(&message).await })
        });
        gate.open();
        held.await.unwrap();
        let mut winners = 0;
        for (call, (set, part)) in calls.into_iter().zip(sets.iter().zip(pair)) {
            match call.await.unwrap() {
                Ok(receipts) => {
                    winners += 1;
                    assert_eq!(receipts[1].position, receipts[0].position + 1, "they stand together");
                    assert_eq!(receipts[0].recorded_at_us, receipts[1].recorded_at_us);
                    for (event, receipt) in set.iter().zip(&receipts) {
                        verify_receipt(&trust(&scene), event, receipt).unwrap();
                    }
                    // A retry of the whole set, at any time, gives the same.
                    let messages: Vec<_> = set.iter().map(SignedEvent::message).collect();
                    let again = raw.record_set(&messages).await.unwrap();
                    assert_eq!(
                        again.iter().map(fixed).collect::<Vec<_>>(),
                        receipts.iter().map(fixed).collect::<Vec<_>>()
                    );
                    for (message, receipt) in messages.iter().zip(&receipts) {
                        assert_eq!(fixed(&raw.record(message).await.unwrap()), fixed(receipt), "a member alone, too");
                    }
                    scene.record_signed(set.clone()).unwrap();
                }
                Err(status) => {
                    let error = said(&status);
                    assert_eq!((error.code, error.reason.as_str()), (Code::Aborted, "STALE_HEAD"));
                    // Every head of the set is told, that of the part untouched.
                    let head = raw.head(&part.subject()).await;
                    assert_eq!(head.chain_length, part.head().chain_length, "nothing of it is on the part's chain");
                    let line = format!("{} {} {}", part.subject(), head.chain_length, hex::encode(&head.head_hash));
                    assert!(error.metadata["heads"].lines().any(|told| told == line), "{:?}", error.metadata);
                    assert_eq!(error.metadata["heads"].lines().count(), 2);
                }
            }
        }
        if let Some(single) = single
            && let Ok(receipt) = single.await.unwrap()
        {
            winners += 1;
            verify_receipt(&trust(&scene), &alone, &receipt).unwrap();
            scene.record_signed(vec![alone]).unwrap();
        }
        assert_eq!(winners, 1, "round {round}");
    }
    let before = whole(&checked, machine.subject()).await;
    assert_eq!(on_chain(&before).len(), machine.events().len());
    ledger.restart().await;
    let after = whole(&client(&scene, &ledger.url()).await, machine.subject()).await;
    assert_eq!(on_chain(&after), on_chain(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_after_it_arrived_is_recorded_all_the_same() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let part = scene.machine("motor").reach(ServiceState::Accepted);
    let (ledger, gate) = held_ledger(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let event = machine.next().noted("and hung up").sign().unwrap();

    gate.close();
    let (caller, message) = (raw.clone(), event.message());
    let call = tokio::spawn(async move { caller.record(&message).await });
    gate.held().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    gate.open();
    let length = event.chain_index().get() + 1;
    let deadline = wait::deadline_in(PATIENCE);
    while raw.head(&machine.subject()).await.chain_length < length {
        assert!(!wait::time_left(deadline).is_zero(), "the event was given up with its call");
    }
    scene.record_signed(vec![event.clone()]).unwrap();

    let set = scene.sign_set(&machine.part_fitting("cutter motor", &part)).unwrap();
    gate.close();
    let (caller, messages) = (raw.clone(), set.iter().map(SignedEvent::message).collect::<Vec<_>>());
    let call = tokio::spawn(async move { caller.record_set(&messages).await });
    gate.held().await;
    call.abort();
    gate.open();
    while raw.head(&machine.subject()).await.chain_length < length + 1 {
        assert!(!wait::time_left(deadline).is_zero(), "the set was given up with its call");
    }
    assert_eq!(raw.head(&part.subject()).await.chain_length, set[1].chain_index().get() + 1, "both or none");
    // What was recorded is found again by the same bytes.
    verify_receipt(&trust(&scene), &event, &raw.record(&event.message()).await.unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_dropped_at_any_moment_leave_no_half_of_anything() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let parts: Vec<Machine> = (0..30).map(|_| scene.machine("motor").reach(ServiceState::Accepted)).collect();
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let mut random = SeededRandom::new(11);
    let (mut kept, mut never_came) = (0, 0);
    for part in &parts {
        let set = scene.sign_set(&machine.part_fitting("cutter motor", part)).unwrap();
        let messages: Vec<_> = set.iter().map(SignedEvent::message).collect();
        let (caller, sent) = (raw.clone(), messages.clone());
        let call = tokio::spawn(async move { caller.record_set(&sent).await });
        for _ in 0..random.below(400) {
            tokio::task::yield_now().await;
        }
        call.abort();
        drop(call.await);
        let [machine_head, part_head] = [raw.head(&machine.subject()).await, raw.head(&part.subject()).await];
        // Both are asked one after the other: a set that was sealed between the two questions shows in the second.
        let moved = [
            machine_head.chain_length > set[0].chain_index().get(),
            part_head.chain_length > set[1].chain_index().get(),
        ];
        assert!(moved[0] == moved[1] || part_head.tree_size > machine_head.tree_size, "half a set: {moved:?}");
        if moved[0] {
            kept += 1
        } else {
            never_came += 1
        }
        // The same bytes settle it, whichever it was.
        let receipts = within("the retry", raw.record_set(&messages)).await.unwrap();
        for (event, receipt) in set.iter().zip(&receipts) {
            verify_receipt(&trust(&scene), event, receipt).unwrap();
        }
        scene.record_signed(set).unwrap();
    }
    let history = whole(&client(&scene, &ledger.url()).await, machine.subject()).await;
    assert_eq!(on_chain(&history).len(), machine.events().len(), "each once, {kept} before the call was dropped");
    assert_eq!(kept + never_came, parts.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_dropped_leaves_a_chain_that_goes_on() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    (0..300).for_each(|number| drop(machine.noted(&number.to_string())));
    let events: Vec<SignedEvent> = machine.events().split_off(machine.events().len() - 300);
    let sender = client(&scene, &ledger.url()).await;
    let lists: Vec<Vec<SignedEvent>> = events.chunks(10).map(<[_]>::to_vec).collect();
    let mut answers = sender.record_stream(tokio_stream::iter(lists)).await.unwrap();
    let first = answers.next().await.unwrap().unwrap();
    assert!(first[0].outcome.is_ok());
    drop(answers);
    // However far it came, the rest can be sent in order, and what is there already is told so.
    let client = client_with(&scene, &ledger.url(), Options::default()).await;
    let mut answers = client
        .record_stream(tokio_stream::iter(events.chunks(100).map(<[_]>::to_vec).collect::<Vec<_>>()))
        .await
        .unwrap();
    let mut next = events[0].chain_index().get();
    while let Some(answered) = within("the answers", answers.next()).await {
        for one in answered.unwrap() {
            assert_eq!(one.outcome.unwrap().chain_index.get(), next);
            next += 1;
        }
    }
    assert_eq!(raw.head(&machine.subject()).await.chain_length, next);
    let history = whole(&client, machine.subject()).await;
    assert_eq!(on_chain(&history).len(), machine.events().len());
}

/// Sends events in one message of a stream, so that they are one batch; gives the reason of each refusal.
async fn in_one_batch(raw: &Raw, events: Vec<v1::SignedEvent>) -> Vec<Option<String>> {
    let messages = tokio_stream::iter([v1::RecordEventsRequest { events }]);
    let mut answers = raw.ledger().record_events(messages).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let outcomes = answer.results.into_iter().map(|result| result.outcome.unwrap());
    let reasons = outcomes.map(|outcome| match outcome {
        v1::record_result::Outcome::Receipt(_) => None,
        v1::record_result::Outcome::Refusal(refusal) => {
            Some(tally_client::error::ServerError::of_refusal(&refusal).reason)
        }
    });
    reasons.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_the_chain_is_found_from_within_a_batch_that_moves_the_chain_on() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    // However many touches stand before the batch and within it.
    for round in 0..16_usize {
        let ahead = 1 + round % 4;
        machine.noted(&format!("on record {round}"));
        let standing = machine.last();
        assert_eq!(in_one_batch(&raw, vec![standing.message()]).await, [None]);

        (0..ahead).for_each(|number| drop(machine.noted(&format!("ahead {round} {number}"))));
        machine.withdrawn(&standing.event_ref());
        let events = machine.events();
        let batch: Vec<_> = events[events.len() - ahead - 1..].iter().map(SignedEvent::message).collect();
        assert_eq!(
            in_one_batch(&raw, batch).await,
            vec![None; ahead + 1],
            "round {round}: it names an event before the batch"
        );

        // The same statement linked once more, behind others of its batch, is the same deed recorded twice.
        machine.noted(&format!("behind {round}"));
        let before = machine.last();
        let again = standing.rebase(machine.head(), &scene.key(MINE, KeyUse::Organisation)).unwrap();
        let refused = in_one_batch(&raw, vec![before.message(), again.message()]).await;
        assert_eq!(refused, [None, Some("EVENT_ID_REUSED".to_owned())], "round {round}");
    }
    whole(&client(&scene, &ledger.url()).await, machine.subject()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_set_leaves_nothing_behind_in_the_batch_that_it_stood_in() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    // Still at its maker: the mine has nothing to do with it, and may not write on its chain.
    let foreign = scene.machine("SGZ1000/1400").reach(ServiceState::Manufactured);
    let (mut ledger, gate) = held_ledger(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let mut never_opened = Vec::new();
    for round in 0..8 {
        let enrolled = scene.machine("EBZ200H").next().enrolled(MINE);
        let newcomer = draft_of(&scene, &enrolled.sign().unwrap());
        let body = Body::Noted(v1::Noted { text: "not ours".to_owned(), ..v1::Noted::default() });
        let stranger = Draft::new(&scene.author(MINE), foreign.subject(), scene.now(), body, scene.now()).unwrap();
        let heads = std::collections::BTreeMap::from([(foreign.subject(), foreign.head())]);
        never_opened.push(newcomer.subject());
        let mut members = [newcomer, stranger].map(|draft| SetMember { draft, hands: Vec::new() });
        let set = sign_set(&mut members, &heads, &scene.key(MINE, KeyUse::Organisation)).unwrap();
        let set: Vec<v1::SignedEvent> = set.iter().map(SignedEvent::message).collect();
        let alone = machine.next().noted(&format!("round {round}")).record().message();

        let held = hold(&raw, &gate, &gap(&machine)).await;
        let refused = tokio::spawn({
            let raw = raw.clone();
            async move { raw.record_set(&set).await.unwrap_err() }
        });
        let recorded = tokio::spawn({
            let raw = raw.clone();
            async move { raw.record(&alone).await.unwrap() }
        });
        gate.open();
        held.await.unwrap();
        recorded.await.unwrap();
        assert_eq!(said(&refused.await.unwrap()).reason, "NOT_IN_POSITION");
    }
    let checked = client(&scene, &ledger.url()).await;
    for subject in &never_opened {
        assert!(checked.head(*subject).await.unwrap().value.is_none(), "{subject} was touched by nothing");
    }
    drop(checked);
    // The heads roots that were sealed are those of the entries, or the log would be called damaged.
    ledger.restart().await;
    ledger.stop().await;
    let against = Against { log_key: ledger.log_key().clone(), kept: None };
    let report = audit::verify(&ledger.layout().log(), &against, &mut |_| {}).unwrap();
    assert_eq!(report.wrong, [""; 0]);
}

/// The statement of an event as a draft again, with an id of its own.
fn draft_of(scene: &Scene, event: &SignedEvent) -> Draft {
    let statement = event.event().statement();
    let body = tally_core::event::Body::parse(statement.body_number, &statement.body).unwrap();
    let author = scene.author(MINE);
    Draft::new(&author, statement.subject, statement.occurred_at, body.message().clone(), scene.now()).unwrap()
}
