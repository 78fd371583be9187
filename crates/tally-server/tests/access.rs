//! Who may see what, over the wire: every method × every role × own and another's, from the table that the server
//! enforces; tokens that are refused; what is written down; and that "unknown" and "not public" look alike.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

mod common;

use std::{fs, sync::Arc, time::Duration};

use common::{Asking, Raw, client_as, nonsense, record_all, said, served, within};
use serde_json::Value;
use tally_client::{client::Identity, key::SigningKey, verify::Completeness};
use tally_core::{
    access::{METHODS, Row, View},
    authority::{ROLES, role_name},
    id::{Scheme, SubjectId, SubjectKind},
};
use tally_proto::v1::{
    self, KeyKind, Role, ServiceState, get_event_request::By, refusal_service_client::RefusalServiceClient,
    statement::Body, touch::Content,
};
use tally_testkit::{
    ledger::TestLedger,
    scene::{DEALER, KeyUse, MAKER, MINE, Machine, REGISTRAR, REGULATOR, Scene, day_of},
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Made, held and run by somebody who has to do with nobody else.
const STRANGER: &str = "F2";

/// One of each role, under the name of its constant where the scene has one.
fn everybody() -> (Scene, Vec<(String, Role)>) {
    let mut scene = Scene::new().manufacturer(STRANGER);
    let mut parties = Vec::new();
    for role in ROLES {
        let name = match role {
            Role::Manufacturer => MAKER.to_owned(),
            Role::Dealer => DEALER.to_owned(),
            Role::Mine => MINE.to_owned(),
            Role::OverhaulShop => "S1".to_owned(),
            Role::Laboratory => "L1".to_owned(),
            Role::Contractor => "C1".to_owned(),
            Role::Recycler => "R1".to_owned(),
            Role::Regulator => REGULATOR.to_owned(),
            Role::Registrar => REGISTRAR.to_owned(),
            Role::Lessor | Role::ExBody | Role::MarkAuthority | Role::Investigator | Role::Unspecified => {
                let name = format!("some {}", role_name(*role));
                scene = scene.with_party(&name, *role);
                name
            }
        };
        assert_eq!(scene.party(&name).role, *role);
        parties.push((name, *role));
    }
    (scene, parties)
}

/// What one organisation has: itself, a mine that it runs, a machine that it owns with an alias and a note.
struct Holding {
    organisation: SubjectId,
    mine: SubjectId,
    machine: Machine,
    alias: String,
    /// Chain index of the note.
    note: u64,
    /// A stop of use that names machine and mine.
    order: SubjectId,
}

impl Holding {
    /// The machine was made by the stranger; for the stranger's own it stays there.
    fn of(scene: &Scene, party: &str) -> Self {
        let id = scene.party(party).id;
        let mine = SubjectId::mine(Scheme::Other, &format!("pit of {party}")).unwrap();
        let registered = v1::MineRegistered {
            name: format!("Pit of {party}"),
            scheme: v1::Scheme::Other.into(),
            number: format!("pit of {party}"),
            operator: id.as_bytes().to_vec(),
            kind: v1::MineKind::Underground.into(),
            ..v1::MineRegistered::default()
        };
        scene.sketch(REGISTRAR, mine, Body::MineRegistered(registered)).record();
        let alias = format!("alias of {party}");
        let machine = scene.machine_of(STRANGER, "EBZ 200").reach(ServiceState::Manufactured).alias_set(&alias);
        if party != STRANGER {
            machine.ownership_changed(party);
        }
        machine.noted("not for everybody");
        let order = v1::Order {
            order_no: format!("stop {party}"),
            authority: "G1".to_owned(),
            legal_basis: "2021 article 70".to_owned(),
            machines: vec![machine.subject().id().to_vec()],
            mines: vec![mine.id().to_vec()],
            ..v1::Order::default()
        };
        let condition = "put right".to_owned();
        let stop = v1::StopUseOrdered { order: Some(order), until: None, condition };
        let order = scene.opening(REGULATOR, Body::StopUseOrdered(stop)).record().subject();
        let note = machine.last().chain_index().get();
        Self { organisation: id.subject(), mine, machine, alias, note, order }
    }
}

/// How much of a holding a caller saw.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Seen {
    /// The call was refused, with this reason.
    Refused(String),
    /// What anyone sees, which may be nothing.
    Public,
    /// All of it.
    Whole,
}

/// What the table says that a caller sees of what is its own, or another's.
fn due(row: &Row, role: Option<Role>, own: bool) -> Seen {
    match (row.view(role), role) {
        (View::Nothing, None) => Seen::Refused("TOKEN_MISSING".to_owned()),
        (View::Nothing, Some(_)) => Seen::Refused("ROLE_MAY_NOT_READ".to_owned()),
        (View::Public, _) => Seen::Public,
        (View::Own, _) => {
            if own {
                Seen::Whole
            } else {
                Seen::Public
            }
        }
        // The scene's grants have no limits.
        (View::Jurisdiction | View::All, _) => Seen::Whole,
    }
}

fn judged<T>(answered: Result<tonic::Response<T>, Status>, whole: impl FnOnce(T) -> bool) -> Seen {
    match answered {
        Ok(answer) => {
            if whole(answer.into_inner()) {
                Seen::Whole
            } else {
                Seen::Public
            }
        }
        Err(status) if matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied) => {
            Seen::Refused(said(&status).reason)
        }
        Err(status) if status.code() == Code::NotFound => Seen::Public,
        Err(status) => panic!("{status}"),
    }
}

/// An event that nobody takes: whether it was looked at is what matters.
fn rejected<T: std::fmt::Debug>(answered: Result<T, Status>) -> Seen {
    let status = answered.unwrap_err();
    let looked_at = status.code() == Code::InvalidArgument;
    if looked_at { Seen::Whole } else { Seen::Refused(said(&status).reason) }
}

/// Calls a method about a holding. Whoever adds a row adds a call.
async fn probe(raw: &Raw, row: &Row, holding: &Holding) -> Seen {
    let Holding { organisation, mine, machine, alias, note, order } = holding;
    let subject = machine.subject();
    let [maker, model, serial] = machine.plate();
    match (row.service, row.method) {
        ("LedgerService", "RecordEvent") => {
            rejected(raw.ledger().record_event(v1::RecordEventRequest::default()).await)
        }
        ("LedgerService", "RecordEvents") => {
            let answers = raw.ledger().record_events(tokio_stream::iter([v1::RecordEventsRequest::default()])).await;
            match answers {
                Ok(mut answers) => rejected(answers.get_mut().message().await),
                Err(status) => rejected::<()>(Err(status)),
            }
        }
        ("LedgerService", "RecordSet") => rejected(raw.ledger().record_set(v1::RecordSetRequest::default()).await),
        ("SubjectService", "GetHead") => {
            let request = v1::GetHeadRequest { subject: subject.key().to_vec() };
            judged(raw.subjects().get_head(request).await, |head| head.chain_length > 0)
        }
        ("SubjectService", "StreamHistory") => {
            let request = v1::StreamHistoryRequest { subject: subject.key().to_vec(), ..Default::default() };
            match raw.subjects().stream_history(request).await {
                Ok(mut parts) => {
                    let mut touches = Vec::new();
                    while let Some(part) = parts.get_mut().message().await.unwrap() {
                        touches.extend(part.touches);
                    }
                    let shown = |touch: &v1::Touch| matches!(touch.content, Some(Content::Entry(_)));
                    assert!(touches.iter().any(shown), "the public kinds are there");
                    if touches.iter().all(shown) { Seen::Whole } else { Seen::Public }
                }
                Err(status) => judged::<()>(Err(status), |()| false),
            }
        }
        ("SubjectService", "GetEvent") => {
            let place = v1::ChainPlace { subject: subject.key().to_vec(), chain_index: *note };
            judged(raw.subjects().get_event(v1::GetEventRequest { by: Some(By::Place(place)) }).await, |_| true)
        }
        ("SubjectService", "GetKeys") => {
            let key_ids = vec![machine.last().key_id().as_bytes().to_vec()];
            judged(raw.subjects().get_keys(v1::GetKeysRequest { key_ids }).await, |answer| answer.keys.len() == 1)
        }
        ("EquipmentService", "GetEquipment") => {
            let request = v1::GetEquipmentRequest { id: subject.id().to_vec(), ..Default::default() };
            judged(raw.machines().get_equipment(request).await, |answer| is_whole(&answer.equipment.unwrap()))
        }
        ("EquipmentService", "LookUpPlate") => {
            let plate = Some(v1::Plate { maker, model, serial });
            let answered = raw.machines().look_up_plate(v1::LookUpPlateRequest { plate, at: None }).await;
            judged(answered, |answer| is_whole(&answer.equipment[0]))
        }
        ("EquipmentService", "LookUpAlias") => {
            let request = v1::LookUpAliasRequest { kind: 0, value: alias.clone() };
            judged(raw.machines().look_up_alias(request).await, |answer| {
                answer.equipment.iter().for_each(|machine| assert!(is_whole(machine)));
                !answer.equipment.is_empty()
            })
        }
        ("EquipmentService", "ListEquipment") => {
            let request = v1::ListEquipmentRequest { page_size: 500, ..Default::default() };
            judged(raw.machines().list_equipment(request).await, |answer| {
                answer.equipment.iter().for_each(|machine| assert!(is_whole(machine)));
                answer.equipment.iter().any(|machine| machine.id == subject.id())
            })
        }
        ("RegisterService", "GetOrganisation") => {
            let request = v1::GetOrganisationRequest { id: organisation.id().to_vec(), at: None };
            judged(raw.register().get_organisation(request).await, |answer| !answer.organisation.unwrap().public_only)
        }
        ("RegisterService", "ListOrganisations") => {
            let request = v1::ListOrganisationsRequest { page_size: 500, ..Default::default() };
            judged(raw.register().list_organisations(request).await, |answer| {
                !answer.organisations.iter().find(|one| one.id == organisation.id()).unwrap().public_only
            })
        }
        ("RegisterService", "GetMine") => {
            let request = v1::GetMineRequest { id: mine.id().to_vec(), at: None };
            judged(raw.register().get_mine(request).await, |answer| !answer.mine.unwrap().public_only)
        }
        ("RegisterService", "ListMines") => {
            let request = v1::ListMinesRequest { page_size: 500, ..Default::default() };
            judged(raw.register().list_mines(request).await, |answer| {
                !answer.mines.iter().find(|one| one.id == mine.id()).unwrap().public_only
            })
        }
        ("MarkService", "GetMark") => {
            let request = v1::GetMarkRequest { mark_no: machine.mark_no(), at: None };
            judged(raw.marks().get_mark(request).await, |answer| {
                let touches = answer.proof.unwrap().touches;
                touches.iter().any(|touch| matches!(touch.content, Some(Content::Entry(_))))
            })
        }
        ("MarkService", "VerifyMark") => {
            let request = v1::VerifyMarkRequest { equipment: subject.id().to_vec(), ..Default::default() };
            judged(raw.marks().verify_mark(request).await, |answer| {
                let lines = &answer.verifications[0].lines;
                // The day of manufacture is on the plate: that line is for everybody.
                assert_eq!(lines[1].verdict(), v1::Verdict::Pass);
                !lines.iter().any(|line| line.withheld)
            })
        }
        ("FindingService", "ListRules") => {
            judged(raw.findings().list_rules(v1::ListRulesRequest {}).await, |answer| !answer.rules.is_empty())
        }
        ("FindingService", "ListFindings") => {
            let request = v1::ListFindingsRequest { page_size: 500, ..Default::default() };
            judged(raw.findings().list_findings(request).await, |answer| {
                answer.findings.iter().any(|finding| finding.subject == subject.key())
            })
        }
        ("FindingService", "StreamFindings") => {
            match raw.findings().stream_findings(v1::StreamFindingsRequest::default()).await {
                Ok(mut parts) => {
                    let mut found = false;
                    while let Some(part) = parts.get_mut().message().await.unwrap() {
                        found |= part.findings.iter().any(|finding| finding.subject == subject.key());
                    }
                    if found { Seen::Whole } else { Seen::Public }
                }
                Err(status) => judged::<()>(Err(status), |()| false),
            }
        }
        ("FindingService", "CountFindings") => {
            let filter = v1::FindingFilter { equipment: subject.id().to_vec(), ..Default::default() };
            let request = v1::CountFindingsRequest { filter: Some(filter), at: None };
            judged(raw.findings().count_findings(request).await, |answer| answer.total > 0)
        }
        ("FindingService", "ListDue") => {
            let request = v1::ListDueRequest { mine: mine.id().to_vec(), ..Default::default() };
            judged(raw.findings().list_due(request).await, |answer| !answer.items.is_empty())
        }
        ("SupervisionService", "GetOrder") => {
            let request = v1::GetOrderRequest { id: order.id().to_vec(), at: None };
            judged(raw.supervision().get_order(request).await, |answer| {
                let shown = answer.order.unwrap();
                assert_eq!(shown.hidden, 0);
                true
            })
        }
        ("SupervisionService", "ListOrders") => {
            let request = v1::ListOrdersRequest { page_size: 500, ..Default::default() };
            judged(raw.supervision().list_orders(request).await, |answer| {
                answer.orders.iter().any(|found| found.id == order.id())
            })
        }
        ("SupervisionService", "StreamSinceOrder") => {
            let request = v1::StreamSinceOrderRequest { id: order.id().to_vec(), ..Default::default() };
            judged(raw.supervision().stream_since_order(request).await, |_| true)
        }
        ("SupervisionService", "GetMineOverview") => {
            let request = v1::GetMineOverviewRequest { mine: mine.id().to_vec(), at: None };
            judged(raw.supervision().get_mine_overview(request).await, |_| true)
        }
        ("SupervisionService", "GetJurisdictionOverview") => {
            let request = v1::GetJurisdictionOverviewRequest::default();
            judged(raw.supervision().get_jurisdiction_overview(request).await, |answer| {
                answer.mines.iter().any(|one| one.mine == mine.id())
            })
        }
        ("SupervisionService", "ExportAudit") => {
            let request = v1::ExportAuditRequest { mine: mine.id().to_vec(), ..Default::default() };
            judged(raw.supervision().export_audit(request).await, |_| true)
        }
        ("RefusalService", "ListRefusals") => {
            let request = v1::ListRefusalsRequest { page_size: 500, ..Default::default() };
            let mut refusals = RefusalServiceClient::with_interceptor(raw.channel(), raw.asks());
            judged(refusals.list_refusals(request).await, |answer| {
                answer.refusals.iter().any(|refused| refused.organisation == organisation.id())
            })
        }
        ("LogService", "GetCheckpoint") => {
            judged(raw.log().get_checkpoint(v1::GetCheckpointRequest::default()).await, |_| true)
        }
        ("LogService", "GetInclusionProof") => {
            judged(raw.log().get_inclusion_proof(v1::GetInclusionProofRequest::default()).await, |_| true)
        }
        ("LogService", "GetConsistencyProof") => {
            let request = v1::GetConsistencyProofRequest { old_size: 2, new_size: 0 };
            judged(raw.log().get_consistency_proof(request).await, |_| true)
        }
        ("LogService", "FollowEntries") => {
            let request = v1::FollowEntriesRequest { from_position: 0, stop_at_end: true };
            match raw.log().follow_entries(request).await {
                Ok(mut answers) => match answers.get_mut().message().await {
                    Ok(message) => {
                        if message.unwrap().entries.is_empty() {
                            Seen::Public
                        } else {
                            Seen::Whole
                        }
                    }
                    Err(status) => judged::<()>(Err(status), |()| false),
                },
                Err(status) => judged::<()>(Err(status), |()| false),
            }
        }
        (service, method) => panic!("{service}/{method} has a row in the table and no call in this test"),
    }
}

/// A machine is whole or public, and what is public holds nothing else.
fn is_whole(machine: &v1::Equipment) -> bool {
    if !machine.public_only {
        assert!(!machine.owner.is_empty() && !machine.aliases.is_empty());
        return true;
    }
    let public = tally_core::access::public_machine(machine).unwrap();
    assert_eq!(*machine, public);
    assert!(machine.owner.is_empty() && machine.aliases.is_empty() && !machine.plates.is_empty());
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_shows_every_role_what_the_table_says_of_its_own_and_of_anothers() {
    let (scene, parties) = everybody();
    // Its certificate names another maker: so there is something to find on every machine.
    scene.mark(&scene.machine_of(STRANGER, "EBZ 200").mark_no()).issued("EBZ 200");
    let another = Holding::of(&scene, STRANGER);
    let own: Vec<Holding> = parties.iter().map(|(name, _)| Holding::of(&scene, name)).collect();
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    for name in parties.iter().map(|(name, _)| name.as_str()).chain([STRANGER]) {
        raw.record(&nonsense(&scene, name)).await.unwrap_err();
    }
    let everything = METHODS.iter().find(|row| row.service == "RefusalService").unwrap();
    within("the refusals", async {
        while probe(&raw, everything, &another).await != Seen::Whole {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let nobody = raw.asking(Asking::Nobody);
    let mut wrong = Vec::new();
    let mut check = |row: &Row, who: &str, of: &str, found: Seen, due: Seen| {
        if found != due {
            wrong.push(format!("{}/{} as {who} of {of}: {found:?}, due {due:?}", row.service, row.method));
        }
    };
    for row in METHODS {
        check(row, "nobody", "another's", probe(&nobody, row, &another).await, due(row, None, false));
        for ((name, role), own) in parties.iter().zip(&own) {
            let raw = raw.asking(Asking::Party(scene.identity(name), scene.origin()));
            let role = Some(*role);
            check(row, name, "its own", probe(&raw, row, own).await, due(row, role, true));
            check(row, name, "another's", probe(&raw, row, &another).await, due(row, role, false));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The lines of one of the two files.
fn lines(ledger: &TestLedger, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(ledger.dir().join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn token(identity: &Identity, origin: &str) -> String {
    format!("Bearer {}", identity.token(origin, 600))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_in_order_are_refused_and_nothing_is_told() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let revoked = scene.identity(DEALER);
    scene.revocation(DEALER, KeyUse::Organisation, 0).record();
    let withdrawn = scene.identity("R1");
    let body =
        v1::RoleWithdrawn { role: Role::Recycler.into(), from: Some(day_of(scene.now())), reason: "x".to_owned() };
    scene.sketch(REGISTRAR, scene.party("R1").id.subject(), Body::RoleWithdrawn(body)).record();
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let (origin, mine) = (scene.origin(), scene.identity(MINE));
    let at = |seconds: i64| {
        let clock = scene.clock();
        let then = tally_testkit::clock::SimClock::new(clock.now().checked_add_micros(seconds * 1_000_000).unwrap());
        Identity { clock: Arc::new(then), ..mine.clone() }
    };
    let with_key = |key: Arc<SigningKey>| Identity { key, ..mine.clone() };
    let good = token(&mine, &origin);
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    let cases = [
        ("expired", token(&at(-700), &origin), "TOKEN_EXPIRED"),
        ("not yet valid", token(&at(120), &origin), "TOKEN_NOT_YET_VALID"),
        ("too long", format!("Bearer {}", mine.token(&origin, 901)), "TOKEN_LIFE_TOO_LONG"),
        ("another log's", token(&mine, "ledger.example/other"), "TOKEN_WRONG_ORIGIN"),
        ("a role not held", token(&Identity { role: Role::Regulator, ..mine.clone() }, &origin), "TOKEN_ROLE_NOT_HELD"),
        ("a role withdrawn", token(&withdrawn, &origin), "TOKEN_ROLE_NOT_HELD"),
        (
            "the registrar's role",
            token(&Identity { role: Role::Registrar, ..mine.clone() }, &origin),
            "TOKEN_ROLE_NOT_HELD",
        ),
        ("a revoked key", token(&revoked, &origin), "TOKEN_KEY_REVOKED"),
        (
            "a key that nobody registered",
            token(&with_key(scene.key(MINE, KeyUse::Unregistered(1))), &origin),
            "TOKEN_KEY_UNKNOWN",
        ),
        ("another's key", token(&with_key(scene.key(MAKER, KeyUse::Organisation)), &origin), "TOKEN_KEY_UNKNOWN"),
        ("the recovery key", token(&with_key(scene.key(MINE, KeyUse::Recovery)), &origin), "TOKEN_KEY_UNKNOWN"),
        (
            "nobody's",
            token(&Identity { organisation: tally_core::id::OrganisationId::new([7; 16]), ..mine.clone() }, &origin),
            "TOKEN_KEY_UNKNOWN",
        ),
        ("without a signature", unsigned.to_owned(), "TOKEN_MALFORMED"),
        (
            "with another's signature",
            format!("{unsigned}.{}", token(&at(1), &origin).rsplit_once('.').unwrap().1),
            "TOKEN_SIGNATURE",
        ),
        ("another scheme", good.replace("Bearer", "Basic"), "TOKEN_MALFORMED"),
        ("garbage", "garbage".to_owned(), "TOKEN_MALFORMED"),
    ];
    let due: Vec<&str> = cases.iter().map(|(.., reason)| *reason).collect();
    for (what, header, reason) in &cases {
        let raw = raw.asking(Asking::Header(header.clone()));
        let request = v1::GetEquipmentRequest { id: machine.subject().id().to_vec(), ..Default::default() };
        let status = raw.machines().get_equipment(request).await.unwrap_err();
        assert_eq!((status.code(), said(&status).reason.as_str()), (Code::Unauthenticated, *reason), "{what}");
        // The same bytes whoever is meant: no name, no state, no key.
        let info = status.get_error_details();
        assert!(info.error_info().unwrap().metadata.is_empty() && info.resource_info().is_none(), "{what}");
        for secret in [mine.organisation.to_string(), machine.subject().to_string(), "Organisation".to_owned()] {
            assert!(!status.message().contains(&secret), "{what}: {}", status.message());
        }
        // Even what is open to everyone is not answered to whoever shows a bad token.
        let open = raw.log().get_checkpoint(v1::GetCheckpointRequest::default()).await.unwrap_err();
        assert_eq!(said(&open).reason, *reason, "{what}");
    }
    let written = lines(&ledger, "access-refused.log");
    let reasons: Vec<&str> = written.iter().step_by(2).map(|line| line["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, due);
    assert!(written.iter().all(|line| line["organisation"].is_null()), "nobody proved who it was");
    assert_eq!(written[0]["method"], "GetEquipment");
    assert_eq!(lines(&ledger, "access.log"), Vec::<Value>::new());
    // Staff and devices ask, too.
    for of in [KeyUse::Staff(0), KeyUse::Device] {
        let raw = raw.asking(Asking::Header(token(&with_key(scene.key(MINE, of)), &origin)));
        let request = v1::GetEquipmentRequest { id: machine.subject().id().to_vec(), ..Default::default() };
        assert!(!raw.machines().get_equipment(request).await.unwrap().into_inner().equipment.unwrap().public_only);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_the_key_ends_the_token_and_the_stream() {
    let scene = Scene::new();
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let regulator = raw.asking(Asking::Header(token(&scene.identity(REGULATOR), &scene.origin())));
    let size = raw.size().await;
    let request = v1::FollowEntriesRequest { from_position: size - 1, stop_at_end: false };
    let mut following = regulator.log().follow_entries(request).await.unwrap().into_inner();
    let first = within("the first entries", following.message()).await.unwrap().unwrap();
    assert_eq!(first.entries.len(), 1);
    scene.revocation(REGULATOR, KeyUse::Organisation, 0).record();
    raw.record(&scene.events().last().unwrap().message()).await.unwrap();
    let ended = within("the end", following.message()).await.unwrap_err();
    assert_eq!(said(&ended).reason, "TOKEN_KEY_REVOKED");
    let again = regulator.log().follow_entries(request).await.unwrap_err();
    assert_eq!((again.code(), said(&again).reason.as_str()), (Code::Unauthenticated, "TOKEN_KEY_REVOKED"));
}

/// A status whose name of what was asked for is masked.
fn masked(status: &Status, name: &str) -> (Code, String, Vec<u8>) {
    let mask = "?".repeat(name.len());
    let details = status.details().to_vec();
    let at = details.windows(name.len()).enumerate().filter(|(_, bytes)| *bytes == name.as_bytes());
    let places: Vec<usize> = at.map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "the details name what was asked for");
    let mut details = details;
    for at in places {
        details[at..at + name.len()].copy_from_slice(mask.as_bytes());
    }
    (status.code(), status.message().replace(name, &mask), details)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_and_what_is_not_public_look_alike_in_bytes_and_time() {
    let (scene, _) = everybody();
    let another = Holding::of(&scene, STRANGER);
    // What nobody has a plate of: an assembly, by its owner's own number.
    let id = scene.party(MINE).id;
    let assembly = SubjectId::named(id, "1").unwrap();
    let formed = v1::AssemblyFormed {
        own_number: "1".to_owned(),
        name: "face".to_owned(),
        category: "shearer".to_owned(),
        ..v1::AssemblyFormed::default()
    };
    scene.sketch(MINE, assembly, Body::AssemblyFormed(formed)).record();
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let size = raw.size().await;
    for asking in [Asking::Nobody, Asking::Party(scene.identity(DEALER), scene.origin())] {
        let raw = raw.asking(asking.clone());
        let (mut unknown_times, mut hidden_times) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            let place = |chain_index: u64| {
                By::Place(v1::ChainPlace { subject: another.machine.subject().key().to_vec(), chain_index })
            };
            let ask = |by: By| {
                let raw = raw.clone();
                async move {
                    let begun = Duration::from_micros(now());
                    let status = raw.subjects().get_event(v1::GetEventRequest { by: Some(by) }).await.unwrap_err();
                    (status, Duration::from_micros(now()) - begun)
                }
            };
            let (hidden, hidden_time) = ask(place(another.note)).await;
            let (unknown, unknown_time) = ask(place(9)).await;
            assert_eq!(masked(&hidden, &format!("{} of ", another.note)), masked(&unknown, "9 of "));
            hidden_times.push(hidden_time);
            unknown_times.push(unknown_time);

            let machine = |id: SubjectId| {
                let raw = raw.clone();
                async move {
                    let begun = Duration::from_micros(now());
                    let request = v1::GetEquipmentRequest { id: id.id().to_vec(), ..Default::default() };
                    let status = raw.machines().get_equipment(request).await.unwrap_err();
                    (masked(&status, &id.to_string()), Duration::from_micros(now()) - begun)
                }
            };
            let (hidden, hidden_time) = machine(assembly).await;
            let (unknown, unknown_time) = machine(SubjectId::named(id, "2").unwrap()).await;
            assert_eq!(hidden, unknown);
            hidden_times.push(hidden_time);
            unknown_times.push(unknown_time);
        }
        // A position past the end, and one whose entry is not for everybody.
        let position = |position: u64| {
            let raw = raw.clone();
            async move {
                let by = Some(By::Position(position));
                let status = raw.subjects().get_event(v1::GetEventRequest { by }).await.unwrap_err();
                masked(&status, &position.to_string())
            }
        };
        let note = position_of_note(&scene, &ledger, &another).await;
        assert_eq!(note.to_string().len(), size.to_string().len(), "numbers of one length");
        assert_eq!(position(note).await, position(size).await);
        if let Asking::Party(..) = asking {
            let alias = |value: &str| {
                let (raw, value) = (raw.clone(), value.to_owned());
                async move {
                    let request = v1::LookUpAliasRequest { kind: 0, value };
                    raw.machines().look_up_alias(request).await.unwrap().into_inner()
                }
            };
            assert_eq!(alias(&another.alias).await, alias("alias of nobody").await);
        }
        // Both wait for the same multiple of ten milliseconds; the quickest of many is not disturbed by the machine.
        let quickest = |times: &[Duration]| *times.iter().min().unwrap();
        let (unknown, hidden) = (quickest(&unknown_times), quickest(&hidden_times));
        for quickest in [unknown, hidden] {
            assert!(quickest >= Duration::from_millis(10), "{quickest:?}");
        }
        assert!(unknown.abs_diff(hidden) < Duration::from_millis(5), "unknown {unknown:?}, hidden {hidden:?}");
    }
    let refused = lines(&ledger, "access-refused.log");
    let hidden = refused.iter().filter(|line| line["reason"] == "NOT_FOR_YOUR_EYES").count();
    assert_eq!(hidden, 2 * (9 * 2 + 1) + 1, "what is unknown is not written down, what is hidden is");
}

/// Time since some instant, in microseconds.
fn now() -> u64 {
    let clock = tally_server::clock::SystemClock::new();
    u64::try_from(tally_server::clock::Clock::now(&clock).micros()).unwrap()
}

async fn position_of_note(scene: &Scene, ledger: &TestLedger, holding: &Holding) -> u64 {
    let client = client_as(scene, &ledger.url(), Some(scene.identity(REGISTRAR))).await;
    let note = tally_core::number::ChainIndex::new(holding.note);
    client.event_on_chain(holding.machine.subject(), note).await.unwrap().position.get()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_for_anyone_still_closes_and_says_how_much_is_withheld() {
    let scene = Scene::new().manufacturer(STRANGER);
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    scene.round(MINE, &[&machine]).record();
    let ledger = served(&scene).await;
    let whole = client_as(&scene, &ledger.url(), Some(scene.identity(MINE))).await;
    let whole = whole.history(machine.subject()).await.unwrap();
    assert_eq!(whole.completeness, Completeness::Complete, "the holder sees everything, mentions in its own mine too");
    let public = whole.events().filter(|(.., event)| event.statement().body_number == 40).count();
    assert_eq!(public, 1);
    let all = whole.touches.len() as u64;
    for identity in [None, Some(scene.identity(STRANGER))] {
        let anyone = client_as(&scene, &ledger.url(), identity).await;
        let history = anyone.history(machine.subject()).await.unwrap();
        let due = Completeness::Withheld { withheld: all - 1, on_chain_max: machine.events().len() as u64 - 1 };
        assert_eq!(history.completeness, due);
        assert_eq!(
            history.completeness.to_string(),
            format!(
                "complete but for {} entries withheld, at most {} of them on the chain",
                all - 1,
                machine.events().len() - 1
            )
        );
        let leaves = |history: &tally_client::verify::VerifiedHistory| -> Vec<u64> {
            history.touches.iter().map(|touch| touch.position.get()).collect()
        };
        assert_eq!(leaves(&history), leaves(&whole));
    }
    // Who made it sees what is on its chain, and of the round only that there was one.
    let maker = client_as(&scene, &ledger.url(), Some(scene.identity(MAKER))).await;
    let history = maker.history(machine.subject()).await.unwrap();
    assert_eq!(history.completeness, Completeness::Withheld { withheld: 1, on_chain_max: 0 });
    // With clocks instead of a proof nothing tells when it happened what is withheld.
    let raw = Raw::connect(&scene, &ledger.url()).await.asking(Asking::Nobody);
    let at = Some(v1::At { as_of_us: 1, ..v1::At::default() });
    let request = v1::StreamHistoryRequest { subject: machine.subject().key().to_vec(), at, ..Default::default() };
    let mut parts = raw.subjects().stream_history(request).await.unwrap().into_inner();
    let mut touches = Vec::new();
    while let Some(part) = parts.message().await.unwrap() {
        touches.extend(part.touches);
    }
    assert_eq!(touches.len() as u64, all - 1);
    assert!(touches.iter().all(|touch| matches!(touch.content, Some(Content::LeafHash(_)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_key_is_public_and_its_post_is_not() {
    let scene = Scene::new();
    let ledger = served(&scene).await;
    let subject = scene.party(MINE).id.subject();
    let keys = |organisation: &v1::Organisation| -> Vec<(Vec<u8>, i32, bool)> {
        let of = |key: &v1::Key| (key.key_id.clone(), key.kind, key.post.is_empty());
        organisation.keys.iter().map(of).collect()
    };
    let ask = async |identity: Option<Identity>| {
        let client = client_as(&scene, &ledger.url(), identity).await;
        let organisation = client.organisation(scene.party(MINE).id, v1::At::default()).await.unwrap().value;
        (organisation, client.history(subject).await.unwrap())
    };
    let (whole, history) = ask(Some(scene.identity(MINE))).await;
    assert!(history.completeness.is_complete(), "{}", history.completeness);
    let (public, withheld) = ask(None).await;
    assert!(public.public_only && public.engagements.is_empty());
    assert_eq!(keys(&public).len(), keys(&whole).len(), "verifiers need every key");
    let staff = |(_, kind, no_post): &(Vec<u8>, i32, bool)| *kind == KeyKind::Staff as i32 && !no_post;
    assert!(keys(&whole).iter().any(staff) && !keys(&public).iter().any(staff));
    let kinds = |history: &tally_client::verify::VerifiedHistory| -> Vec<u32> {
        history.events().map(|(.., event)| event.statement().body_number).collect()
    };
    let added = kinds(&history).iter().filter(|kind| **kind == 23).count();
    assert_eq!((added, kinds(&withheld).iter().filter(|kind| **kind == 23).count()), (3, 1), "the device's alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revealed_by_office_is_written_down_first() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse).alias_set("A 7");
    let ledger = served(&scene).await;
    let subject = machine.subject();
    let [maker, model, serial] = machine.plate();
    let as_party = async |name: &str| client_as(&scene, &ledger.url(), Some(scene.identity(name))).await;
    let look = async |client: &tally_client::Client| {
        client.equipment(subject, v1::At::default()).await.unwrap();
        client.history(subject).await.unwrap();
        client.look_up_alias(v1::AliasKind::Unspecified, "A 7").await.unwrap();
        let plate = v1::Plate { maker: maker.clone(), model: model.clone(), serial: serial.clone() };
        client.look_up_plate(plate, v1::At::default()).await.unwrap();
        client.list_equipment(v1::ListEquipmentRequest::default()).await.unwrap();
        client.mine(scene.party(MINE).mine(), v1::At::default()).await.unwrap();
        client.head(subject).await.unwrap();
    };
    for name in [MINE, MAKER] {
        look(&as_party(name).await).await;
    }
    assert_eq!(lines(&ledger, "access.log"), Vec::<Value>::new(), "who looks at its own is not watched");
    let regulator = as_party(REGULATOR).await;
    look(&regulator).await;
    let written = lines(&ledger, "access.log");
    let methods: Vec<&str> = written.iter().map(|line| line["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["GetEquipment", "StreamHistory", "LookUpAlias", "LookUpPlate", "ListEquipment", "GetMine"]);
    for line in &written {
        assert_eq!(line["organisation"], scene.party(REGULATOR).id.to_string());
        assert_eq!(
            (&line["role"], &line["key"]),
            (&"regulator".into(), &scene.identity(REGULATOR).key.key_id().to_string().into())
        );
        assert!(line["entries"].as_u64().unwrap() > 0 && line["at"].is_string() && line["peer"].is_string());
    }
    assert_eq!(written[0]["subject"], subject.to_string());
    assert_eq!(written[2]["subject"], "alias A 7");
    assert_eq!(written[5]["subject"], scene.party(MINE).mine().to_string());
    // What is public reveals nothing.
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let by = Some(By::Place(v1::ChainPlace { subject: subject.key().to_vec(), chain_index: 0 }));
    raw.asking(Asking::Party(scene.identity(REGULATOR), scene.origin()))
        .subjects()
        .get_event(v1::GetEventRequest { by })
        .await
        .unwrap();
    assert_eq!(lines(&ledger, "access.log").len(), written.len());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_is_not_revealed() {
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(ServiceState::InUse);
    let mut ledger = served(&scene).await;
    ledger.stop().await;
    let path = ledger.dir().join("access.log");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    ledger.serve().await.unwrap();
    let raw = Raw::connect(&scene, &ledger.url()).await;
    let request = v1::GetEquipmentRequest { id: machine.subject().id().to_vec(), ..Default::default() };
    let regulator = raw.asking(Asking::Party(scene.identity(REGULATOR), scene.origin()));
    let status = regulator.machines().get_equipment(request.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let own = raw.asking(Asking::Party(scene.identity(MINE), scene.origin()));
    assert!(!own.machines().get_equipment(request).await.unwrap().into_inner().equipment.unwrap().public_only);
}

/// Grants an organisation a role for areas.
fn grant_for_areas(scene: &Scene, party: &str, role: Role, areas: &[&str]) {
    let areas = areas.iter().map(|area| (*area).to_owned()).collect();
    let scope = Some(v1::Scope { areas, ..v1::Scope::default() });
    let body =
        v1::RoleGranted { role: role.into(), scope, from: Some(day_of(scene.now())), ..v1::RoleGranted::default() };
    scene.sketch(REGISTRAR, scene.party(party).id.subject(), Body::RoleGranted(body)).record();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_itself_is_read_without_limits_or_by_the_operators_grant() {
    let scene = Scene::new();
    grant_for_areas(&scene, DEALER, Role::Investigator, &["14"]);
    let mut ledger = served(&scene).await;
    let follow = async |ledger: &TestLedger, identity: Identity| {
        let raw = Raw::connect(&scene, &ledger.url()).await.asking(Asking::Party(identity, scene.origin()));
        let request = v1::FollowEntriesRequest { from_position: 0, stop_at_end: true };
        match raw.log().follow_entries(request).await {
            Ok(_) => "LET_IN".to_owned(),
            Err(status) => said(&status).reason,
        }
    };
    let limited = Identity { role: Role::Investigator, ..scene.identity(DEALER) };
    assert_eq!(follow(&ledger, limited).await, "GRANT_LIMITED");
    assert_eq!(follow(&ledger, scene.identity(REGULATOR)).await, "LET_IN");
    assert_eq!(follow(&ledger, scene.identity(REGISTRAR)).await, "LET_IN");
    assert_eq!(follow(&ledger, scene.identity(MINE)).await, "ROLE_MAY_NOT_READ");
    assert_eq!(lines(&ledger, "access.log").len(), 2);
    ledger.stop().await;
    ledger.config().log_readers = vec![scene.party(MINE).id];
    ledger.serve().await.unwrap();
    assert_eq!(follow(&ledger, scene.identity(MINE)).await, "LET_IN");
    assert_eq!(follow(&ledger, scene.identity(MAKER)).await, "ROLE_MAY_NOT_READ");
    assert_eq!(lines(&ledger, "access.log").len(), 3, "and it is written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regulator_of_an_area_sees_its_area_and_a_machine_that_leaves_is_seen_no_more() {
    let scene = Scene::new().with_party("G2", Role::Dealer).dealer("D2");
    grant_for_areas(&scene, "G2", Role::Regulator, &["1406"]);
    for (party, area) in [(DEALER, "140623"), ("D2", "150100")] {
        let body = v1::OrganisationChanged { area_code: area.to_owned(), ..v1::OrganisationChanged::default() };
        scene.sketch(REGISTRAR, scene.party(party).id.subject(), Body::OrganisationChanged(body)).record();
    }
    let machine = scene.machine("MG900/2245").reach(ServiceState::Manufactured).dispatched(DEALER).received();
    let ledger = served(&scene).await;
    let county = Identity { role: Role::Regulator, ..scene.identity("G2") };
    let raw = Raw::connect(&scene, &ledger.url()).await.asking(Asking::Party(county, scene.origin()));
    let seen = async || {
        let request = v1::GetEquipmentRequest { id: machine.subject().id().to_vec(), ..Default::default() };
        let machine = raw.machines().get_equipment(request).await.unwrap().into_inner().equipment.unwrap();
        let listed = raw.machines().list_equipment(v1::ListEquipmentRequest::default()).await.unwrap().into_inner();
        assert_eq!(listed.equipment.len(), usize::from(!machine.public_only));
        !machine.public_only
    };
    assert!(seen().await, "its holder sits in the area");
    let before = scene.groups().len();
    machine.dispatched("D2").received();
    let client = client_as(&scene, &ledger.url(), None).await;
    record_all(&client, &scene.groups()[before..]).await;
    assert!(!seen().await, "its holder sits elsewhere");
    let elsewhere = raw.machines().look_up_alias(v1::LookUpAliasRequest { kind: 0, value: "x".to_owned() }).await;
    assert!(elsewhere.unwrap().into_inner().equipment.is_empty());
    assert_eq!(machine.subject().kind(), SubjectKind::Equipment);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_method_of_the_table_is_not_let_through() {
    use tonic::codegen::http::uri::PathAndQuery;
    let scene = Scene::new();
    let ledger = served(&scene).await;
    let raw = Raw::connect(&scene, &ledger.url()).await;
    for path in ["/tally.v1.LogService/Nothing", "/tally.v2.LogService/GetCheckpoint", "/", "/metrics"] {
        let mut grpc = tonic::client::Grpc::new(raw.channel());
        grpc.ready().await.unwrap();
        let codec = tonic_prost_codec();
        let path = PathAndQuery::try_from(path).unwrap();
        let answered = grpc.unary(tonic::Request::new(v1::GetCheckpointRequest::default()), path, codec).await;
        assert_eq!(said(&answered.unwrap_err()).reason, "NO_SUCH_METHOD");
    }
}

fn tonic_prost_codec() -> tonic_prost::ProstCodec<v1::GetCheckpointRequest, v1::GetCheckpointResponse> {
    tonic_prost::ProstCodec::default()
}
