//! What a mark authority, a regulator and a maker do at the command line: the real program, a real server.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tally_client::{
    clock::{Clock as _, SystemClock},
    verify::{TouchContent, Trust, verify_marks},
};
use tally_core::{hash::sha256, time::Timestamp};
use tally_proto::v1::{self, mark_service_client::MarkServiceClient};
use tally_testkit::binary::{Finished, Founded, Serving, Tally};
use tonic::transport::Endpoint;

const PLATE: &str = "沁源机械::MG900/2245::0031";
const MARK: &str = "MEA130001";

fn tally() -> Tally {
    Tally::new(env!("CARGO_BIN_EXE_tally"))
}

/// A party that signs.
struct Party {
    id: String,
    role: &'static str,
    key: String,
}

/// A ledger with a maker, a mark authority, a regulator, and a mine that a machine was delivered to.
struct Desk {
    founded: Founded,
    serving: Serving,
    registrar: Party,
    maker: Party,
    marks: Party,
    bureau: Party,
    operator: Party,
    mine: String,
}

impl Desk {
    fn new() -> Self {
        let founded = tally().init("regulator.example/demo");
        let serving = founded.serve();
        let nobody = |role| Party { id: String::new(), role, key: String::new() };
        let key = founded.registrar_key().to_str().unwrap().to_owned();
        let mut desk = Self {
            founded,
            serving,
            registrar: Party { id: String::new(), role: "registrar", key },
            maker: nobody("manufacturer"),
            marks: nobody("mark_authority"),
            bureau: nobody("regulator"),
            operator: nobody("mine"),
            mine: String::new(),
        };
        desk.registrar.id = text(&desk.json(&["org", "list"])["organisations"][0]["id"]);
        desk.maker = desk.party("Qinyuan Works", "W1", "manufacturer", &["--plate-name", "沁源机械"]);
        desk.marks = desk.party("Mark Centre", "A1", "mark_authority", &[]);
        desk.bureau = desk.party("Provincial Bureau", "R1", "regulator", &[]);
        desk.operator = desk.party("Qinyuan Coal", "C1", "mine", &[]);
        let mine = ["mine", "register", "--name", "Qinyuan No. 2", "--number", "140431000001"];
        let more = ["--operator", &desk.operator.id, "--gas-grade", "low", "--area-code", "140000"];
        desk.mine = id(&desk.json_as(&desk.registrar, &[&mine[..], &more].concat())["subject"]);
        for party in [&desk.maker, &desk.marks, &desk.bureau, &desk.operator] {
            let mine = ["--mine", &desk.mine];
            let mine = if party.role == "mine" { &mine[..] } else { &[] };
            let grant = ["org", "grant", &party.id, party.role, "--from", "2020-01-01"];
            desk.json_as(&desk.registrar, &[&grant[..], mine].concat());
        }
        desk
    }

    fn party(&self, name: &str, number: &str, role: &'static str, more: &[&str]) -> Party {
        let (key, recovery) = (self.path(&format!("{number}.key")), self.path(&format!("{number}-recovery.key")));
        for key in [&key, &recovery] {
            drop(self.run(&["key", "generate", key]).expect_code(0));
        }
        let register = ["org", "register", "--name", name, "--scheme", "other", "--number", number];
        let keys = ["--first-key", &key, "--recovery-key", &recovery];
        let receipt = self.json_as(&self.registrar, &[&register[..], &keys, more].concat());
        Party { id: id(&receipt["subject"]), role, key }
    }

    /// Makes machines with these serials and components as the maker, 60 at a time as one set, and none of them twice.
    fn make(&self, serials: &[String], mark: &str) {
        let template = parse(&self.run(&["record", "template", "manufactured"]).expect_code(0).stdout);
        for (at, serials) in serials.chunks(60).enumerate() {
            let events: Vec<Value> = serials
                .iter()
                .map(|serial| {
                    let mut event = template.clone();
                    event["occurredAt"] = json!("2026-03-02T08:00:00+08:00");
                    event["organisation"] = json!(self.maker.id);
                    let facts = [
                        ("maker", "沁源机械"),
                        ("model", "MG900/2245"),
                        ("serial", serial),
                        ("category", "SHEARER"),
                        ("identityKind", "unit"),
                        ("markNo", mark),
                        ("producedOn", "2026-03-01"),
                    ];
                    for (name, fact) in facts {
                        event["body"][name] = json!(fact);
                    }
                    event
                })
                .collect();
            let events = if let [only] = events.as_slice() { only.clone() } else { json!(events) };
            let file = self.file(&format!("made-{at}.json"), &events.to_string());
            drop(self.run_as(&self.maker, &["record", "--file", &file]).expect_code(0));
        }
    }

    /// The machine of `PLATE`, made, sold and taken into the mine.
    fn delivered(self) -> Self {
        self.make(&["0031".to_owned()], MARK);
        let exit = ["record", "factory_exit", PLATE, "--to", &self.operator.id, "--reason", "sale"];
        let when = ["--occurred-at", "2026-03-05T08:00:00+08:00"];
        drop(self.run_as(&self.maker, &[&exit[..], &when].concat()).expect_code(0));
        let received = ["record", "received", PLATE, "--into", "mine", "--mine", &self.mine, "--serial-checked"];
        let when = ["--condition", "a", "--occurred-at", "2026-03-09T08:00:00+08:00"];
        drop(self.run_as(&self.operator, &[&received[..], &when].concat()).expect_code(0));
        self
    }

    fn certificate(&self, models: &[&str]) -> String {
        let certificate = json!({
            "holder": "沁源机械",
            "producers": [{ "name": "沁源机械" }],
            "productName": "采煤机",
            "models": models,
            "scope": { "sectors": ["coal"] },
        });
        self.file("certificate.json", &certificate.to_string())
    }

    fn issue(&self) {
        let certificate = self.certificate(&["MG900/2245"]);
        let issue = ["mark", "issue", MARK, "--file", &certificate, "--issued-on", "2025-01-01"];
        let period = ["--from", "2025-01-01", "--until", "2099-12-31", "--document-no", "安标字〔2025〕1号"];
        let when = ["--occurred-at", "2025-01-01T08:00:00+08:00"];
        drop(self.run_as(&self.marks, &[&issue[..], &period, &when].concat()).expect_code(0));
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = tally().command(arguments);
        command
            .env("TALLY_SERVER", self.serving.url())
            .env("TALLY_LOG_KEY", self.founded.log_pub())
            .env("TALLY_STATE", self.founded.workplace().join("state"));
        let output = command.output().unwrap();
        let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let command = format!("tally {}", arguments.join(" "));
        Finished { command, status: output.status, stdout: said(output.stdout), stderr: said(output.stderr) }
    }

    fn run_as(&self, party: &Party, arguments: &[&str]) -> Finished {
        let signing = ["--organisation", &party.id, "--role", party.role, "--key", &party.key];
        self.run(&[arguments, &signing].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        parse(&self.run(&[arguments, &["--output", "json"]].concat()).expect_code(0).stdout)
    }

    fn json_as(&self, party: &Party, arguments: &[&str]) -> Value {
        parse(&self.run_as(party, &[arguments, &["--output", "json"]].concat()).expect_code(0).stdout)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.founded.workplace().join(name).to_str().unwrap().to_owned()
    }

    fn machine(&self) -> String {
        id(&self.json_as(&self.bureau, &["show", PLATE])["equipment"][0]["id"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// An id without the kind before it.
fn id(value: &Value) -> String {
    let text = text(value);
    text.rsplit_once('/').map_or(text.clone(), |(_, id)| id.to_owned())
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn assert_says(finished: &Finished, parts: &[&str]) {
    for part in parts {
        assert!(finished.stdout.contains(part) || finished.stderr.contains(part), "{part:?} is not said\n{finished}");
    }
}

/// The verdicts of the nine lines of the only verification.
fn verdicts(json: &Value) -> Vec<String> {
    let lines = json["verifications"][0]["lines"].as_array().unwrap();
    lines.iter().map(|line| text(&line["verdict"]).replace("VERDICT_", "")).collect()
}

#[test]
fn rules_are_printed_without_a_server() {
    let json = parse(&tally().ok(["rules", "--output", "json"]));
    let rules = json.as_array().unwrap();
    assert_eq!(rules.len(), tally_core::rule::RULES.len());
    for rule in rules {
        for member in ["code", "zh", "en", "legal_major", "action", "source", "mark", "inputs", "opens", "closes"] {
            assert!(rule[member].is_string(), "{member} of {rule}");
        }
        assert_eq!(rule["severity"].is_null(), rule["action"] == "refuse", "{rule}");
        assert!(rule["parameters"].is_array());
    }
    let one = parse(&tally().ok(["rules", "mark-004", "--output", "json"]));
    assert_eq!(one.as_array().unwrap().len(), 1);
    assert_eq!(one[0]["parameters"][0]["key"], "raise_to");
    let lines = tally().ok(["rules", "MARK", "--output", "jsonl"]);
    assert!(lines.lines().count() > 10 && lines.lines().all(|line| text(&parse(line)["code"]).starts_with("MARK-")));
    let wrong = tally().run(["rules", "NONE-001"]).expect_code(2);
    assert_says(&wrong, &["NONE-001 is no rule", "areas are ID, MARK, "]);
}

#[test]
fn a_mark_is_issued_changed_suspended_and_verified_at_each_step() {
    let desk = Desk::new().delivered();
    let unknown = desk.run(&["verify-mark", PLATE]).expect_code(1);
    assert_says(&unknown, &["FAIL 不通过", "MARK-002", "no mark with this number is on record"]);
    let absent = desk.run(&["mark", "show", MARK]).expect_code(1);
    assert_says(&absent, &["mark MEA130001 is not on record 未建档", "proved by the heads map"]);
    drop(desk.run(&["verify-mark", MARK]).expect_code(1));

    let certificate = desk.certificate(&["MG400/930"]);
    let issue = ["mark", "issue", MARK, "--file", &certificate, "--issued-on", "2025-01-01", "--from", "2025-01-01"];
    let until = ["--until", "2025-12-31", "--document-no", "A-1", "--occurred-at", "2025-01-01T08:00:00+08:00"];
    let issued = desk.json_as(&desk.marks, &[&issue[..], &until].concat());
    let wrong_number = desk.run_as(&desk.marks, &[&["mark", "issue", "XYZ"], &issue[3..], &until[..]].concat());
    assert_says(&wrong_number.expect_code(2), &["XYZ is no number that a mark can have"]);
    let by_maker = desk.run_as(&desk.maker, &[&issue[..], &until].concat()).expect_code(1);
    assert_says(&by_maker, &["nothing was recorded"]);

    // The model is not on the certificate, and the day of manufacture lies outside its period.
    let found = desk.run_as(&desk.bureau, &["verify-mark", PLATE, "--output", "json"]).expect_code(1);
    let found = parse(&found.stdout);
    assert_eq!(&verdicts(&found)[..4], ["PASS", "FAIL", "FAIL", "PASS"]);
    assert_eq!(found["verdict"], "VERDICT_FAIL");
    assert_eq!(found["verifications"][0]["lines"][1]["rule"], "MARK-003");
    let first = &found["verifications"][0]["lines"][0]["evidence"][0]["position"];
    assert_eq!(first, &issued["position"], "it rests on the issue");
    assert!(found["entries"].as_array().unwrap().iter().any(|entry| entry["position"] == *first), "{found}");

    let certificate = desk.certificate(&["MG900/2245"]);
    let change = ["mark", "change", MARK, "--file", &certificate, "--produced-from", "2026-01-01"];
    drop(
        desk.run_as(
            &desk.marks,
            &[
                &change[..],
                &["--what", "增加型号", "--document-no", "A-2", "--occurred-at", "2025-12-01T08:00:00+08:00"],
            ]
            .concat(),
        )
        .expect_code(0),
    );
    let renew = ["mark", "renew", MARK, "--from", "2026-01-01", "--until", "2099-12-31", "--issued-on", "2025-12-01"];
    drop(
        desk.run_as(
            &desk.marks,
            &[&renew[..], &["--document-no", "A-3", "--occurred-at", "2025-12-02T08:00:00+08:00"]].concat(),
        )
        .expect_code(0),
    );
    let passed = desk.run_as(&desk.bureau, &["verify-mark", PLATE]).expect_code(0);
    assert_says(&passed, &["PASS 通过", "该安标编号是否由有权机构发放", "proved: the ", "MEA130001"]);
    let machine = desk.machine();
    drop(desk.run_as(&desk.bureau, &["verify-mark", &machine]).expect_code(0));
    drop(desk.run(&["verify-mark", MARK]).expect_code(0));
    // What anyone may see is less, and what is withheld is said to be.
    let public = desk.run(&["verify-mark", PLATE]).expect_code(0);
    assert_says(&public, &["withheld 不公开", "does not count 不计入"]);
    // On a day before the change, what was known then.
    let size = text(&issued["position"]).parse::<u64>().unwrap() + 2;
    drop(desk.run_as(&desk.bureau, &["verify-mark", PLATE, "--known-size", &size.to_string()]).expect_code(1));

    let suspend = ["mark", "suspend", MARK, "--from", "2026-04-01", "--stops", "use,making", "--reason", "抽检不合格"];
    drop(
        desk.run_as(
            &desk.marks,
            &[&suspend[..], &["--document-no", "A-4", "--occurred-at", "2026-04-01T08:00:00+08:00"]].concat(),
        )
        .expect_code(0),
    );
    let failed = desk.run(&["verify-mark", PLATE]).expect_code(1);
    assert_says(&failed, &["已暂停", "MARK-005", "FAIL 不通过"]);
    let shown = desk.run(&["mark", "show", MARK]).expect_code(0);
    assert_says(
        &shown,
        &["suspended 暂停", "抽检不合格", "making, use", "Mark Centre", "proved: its history, complete"],
    );
    let resume = [
        "mark",
        "resume",
        MARK,
        "--from",
        "2026-05-01",
        "--remedied",
        "复检合格",
        "--document-no",
        "A-5",
        "--occurred-at",
        "2026-05-01T08:00:00+08:00",
    ];
    drop(desk.run_as(&desk.marks, &resume).expect_code(0));
    assert_eq!(desk.json(&["mark", "show", MARK])["mark"]["state"], "MARK_STATE_VALID");
    let then = desk.json(&["mark", "show", MARK, "--as-of", "2026-04-10T08:00:00+08:00"]);
    assert_eq!(then["mark"]["state"], "MARK_STATE_SUSPENDED");

    let revoke = [
        "mark",
        "revoke",
        MARK,
        "--from",
        "2026-06-01",
        "--reason",
        "提供虚假材料",
        "--document-no",
        "A-6",
        "--occurred-at",
        "2026-06-01T08:00:00+08:00",
    ];
    drop(desk.run_as(&desk.marks, &[&revoke[..], &["--stops-use", "--serials", "0032,0031"]].concat()).expect_code(0));
    let shown = desk.json(&["mark", "show", MARK]);
    assert_eq!(shown["mark"]["state"], "MARK_STATE_REVOKED");
    assert_eq!(
        shown["history"]["positions"].as_array().unwrap().len(),
        6 + 2,
        "six of its own, and what made and sold the machine"
    );

    let other = ["mark", "issue", "MEA130002", "--file", &certificate, "--issued-on", "2025-01-01"];
    let period = ["--from", "2025-01-01", "--until", "2099-12-31", "--document-no", "A-7"];
    drop(desk.run_as(&desk.marks, &[&other[..], &period].concat()).expect_code(0));
    let cancel =
        ["mark", "cancel", "MEA130002", "--from", "2026-03-02", "--reason", "产品停产", "--document-no", "A-8"];
    drop(desk.run_as(&desk.marks, &cancel).expect_code(0));
    let cancelled = desk.run(&["verify-mark", "MEA130002"]).expect_code(1);
    assert_says(&cancelled, &["已注销", "note 提示: UNKNOWN 未知"]);
}

#[test]
fn a_plate_that_nobody_bears_is_met_with_a_proof_of_absence() {
    let desk = Desk::new();
    let absent = desk.run(&["verify-mark", "Nobody::X::1"]).expect_code(1);
    assert_says(&absent, &["is not on record 未建档", "proved by the heads map", "may be forged"]);
    let absent = desk.run(&["verify-mark", "equipment/01a20ef6-8404-56d9-9f3f-5b2e26d900e1"]).expect_code(1);
    assert_says(&absent, &["is not on record"]);
    drop(desk.run(&["verify-mark", &format!("mine/{}", desk.mine)]).expect_code(2));
}

/// Machines that a finding is about, sorted.
fn subjects(findings: &Value) -> Vec<String> {
    let mut subjects: Vec<String> =
        findings["findings"].as_array().unwrap().iter().map(|finding| text(&finding["subject"])).collect();
    subjects.sort_unstable();
    subjects.dedup();
    subjects
}

#[test]
fn findings_are_listed_counted_and_ordered_about() {
    let desk = Desk::new().delivered();
    // Nobody issued the mark, so it cannot be genuine.
    let listed = desk.run_as(&desk.bureau, &["findings", "--mine", &desk.mine, "--rule", "MARK-002"]).expect_code(0);
    assert_says(
        &listed,
        &["MARK-002", "SERIOUS 较大", "Qinyuan No. 2", "open 未关闭", MARK, "1 finding by the server"],
    );
    assert!(!listed.stdout.contains("重大事故隐患"), "it is not in the closed legal list\n{listed}");
    let json = desk.json_as(&desk.bureau, &["findings", "--machine", PLATE, "--rule", "MARK-002"]);
    assert_eq!(subjects(&json).len(), 1);
    for all in
        [&["--all"][..], &["--page-size", "1"], &["--severity", "serious,major"], &["--cause", MARK], &["--area", "14"]]
    {
        let found = desk.json_as(&desk.bureau, &[&["findings", "--rule", "mark-002"], all].concat());
        assert_eq!(found["findings"], json["findings"], "{all:?}");
    }
    for none in [&["--severity", "note"][..], &["--legal-major"], &["--cause", "X"], &["--category", "BELT"]] {
        let found = desk.json_as(&desk.bureau, &[&["findings", "--rule", "MARK-002"], none].concat());
        assert_eq!(found["findings"], json!([]), "{none:?}");
    }
    let lines = desk.run_as(&desk.bureau, &["findings", "--all", "--output", "jsonl"]).expect_code(0).stdout;
    assert!(lines.lines().any(|line| parse(line)["rule"] == "MARK-002"), "{lines}");
    let counted = desk.run_as(&desk.bureau, &["findings", "--count", "--mine", &desk.mine]).expect_code(0);
    assert_says(&counted, &["MARK-002", MARK, "open findings in"]);
    let counted = desk.json_as(&desk.bureau, &["findings", "--count", "--rule", "MARK-002"]);
    assert_eq!((&counted["total"], &counted["groups"][0]["cause"]), (&json!("1"), &json!(MARK)));
    let wrong = desk.run_as(&desk.bureau, &["findings", "--rule", "MARK-999"]).expect_code(2);
    assert_says(&wrong, &["MARK-999 is no rule", "`tally rules` lists them"]);
    let nobody = desk.run(&["findings"]);
    assert_ne!(nobody.status.code(), Some(0), "findings are not for everybody\n{nobody}");

    // What a query found goes into the order, so that it can be asked again.
    let order = ["order", "stop-use", "--from-findings", "MARK-002", "--in-mine", &desk.mine, "--order-no", "停2026-1"];
    let basis = ["--authority", "省局", "--legal-basis", "安全生产法2021 §70", "--condition", "整改合格"];
    let given = desk.json_as(&desk.bureau, &[&order[..], &basis].concat());
    let order = text(&given["subject"]);
    let shown = desk.json_as(&desk.bureau, &["order", "show", &order]);
    let machine = desk.machine();
    assert_eq!(
        shown["machines"],
        json!([{ "machine": format!("equipment/{machine}"), "named": given["position"], "ended": null }])
    );
    let bytes = hex::decode(machine.replace('-', "")).unwrap();
    assert_eq!(shown["listHash"], hex::encode(sha256(&[&bytes])));
    let query = text(&shown["query"]);
    let words: Vec<&str> = query.split(' ').skip(1).collect();
    assert_eq!(subjects(&desk.json_as(&desk.bureau, &words)), subjects(&json), "{query}");

    let receive = ["order", "receive", &order, "--mine", &desk.mine];
    let shown = desk.run_as(&desk.bureau, &["order", "show", &order]).expect_code(0);
    assert_says(
        &shown,
        &["StopUseOrdered 责令停止使用", "停2026-1", "not acknowledged 未签收", "it stands for 1 of 1 machine"],
    );
    drop(desk.run_as(&desk.operator, &receive).expect_code(0));
    let lift = ["order", "lift", &order, "--all", "--checked-by", "省局", "--result", "整改合格"];
    let by_mine = desk.run_as(&desk.operator, &lift).expect_code(1);
    assert_says(&by_mine, &["may not sign StopUseLifted", "nothing was recorded"]);
    drop(desk.run_as(&desk.bureau, &lift).expect_code(0));
    let shown = desk.run_as(&desk.bureau, &["order", "show", &order]).expect_code(0);
    assert_says(&shown, &["acknowledged 已签收", "ended 已解除", "it stands for 0 of 1 machine"]);
    let again = desk.run_as(&desk.bureau, &lift).expect_code(1);
    assert_says(&again, &["stands for no machine any more"]);
    let none = ["order", "stop-use", "--from-findings", "MARK-011", "--order-no", "停2026-2"];
    let none = desk.run_as(&desk.bureau, &[&none[..], &basis].concat()).expect_code(1);
    assert_says(&none, &["no machine is found by: tally findings --rule MARK-011"]);
}

#[test]
fn what_falls_due_is_listed_before_it_is_a_finding() {
    let desk = Desk::new().delivered();
    let in_20_days = SystemClock.now().micros() + 20 * 86_400_000_000;
    let due_by = Timestamp::from_micros(in_20_days).day().unwrap().to_string();
    let recall =
        ["recall", "issue", PLATE, "--order-no", "召2026-1", "--authority", "沁源机械", "--legal-basis", "召回"];
    let what = ["--hazard", "制动失效", "--interim", "inspect", "--remedy", "更换制动器", "--due-by", &due_by];
    let recall = text(&desk.json_as(&desk.bureau, &[&recall[..], &what].concat())["subject"]);
    let due = desk.json_as(&desk.bureau, &["due", "--mine", &desk.mine, "--days", "30"]);
    let items = due["items"].as_array().unwrap();
    assert!(!items.is_empty(), "{due}");
    let far = desk.json_as(&desk.bureau, &["due", "--mine", &desk.mine, "--days", "3"]);
    assert!(far["items"].as_array().unwrap().len() < items.len(), "{far}");
    let listed = desk.run_as(&desk.bureau, &["due"]).expect_code(0);
    assert_says(&listed, &["due 到期", "within 30 days by the server's word"]);
    drop(desk.run_as(&desk.bureau, &["due", "--days", "400"]).expect_code(2));

    let shown = desk.run_as(&desk.bureau, &["recall", "show", &recall]).expect_code(0);
    assert_says(&shown, &["RecallIssued 召回", "制动失效", "inspect 检查", &due_by, "it stands for 1 of 1 machine"]);
    let remedy = ["recall", "remedy", &recall, PLATE, "--work", "更换制动器", "--result"];
    drop(desk.run_as(&desk.operator, &[&remedy[..], &["fail"]].concat()).expect_code(0));
    assert_eq!(desk.json_as(&desk.bureau, &["recall", "show", &recall])["standing"], 1, "it was tried only");
    drop(desk.run_as(&desk.operator, &[&remedy[..], &["pass"]].concat()).expect_code(0));
    assert_eq!(desk.json_as(&desk.bureau, &["recall", "show", &recall])["standing"], 0);
}

#[test]
fn a_maker_recalls_what_it_made_and_no_more_is_recorded_by_a_dry_run() {
    let desk = Desk::new().delivered();
    desk.make(&["0032".to_owned()], MARK);
    let other = "沁源机械::MG900/2245::0032";
    let recall = ["recall", "issue", PLATE, other, "--order-no", "召2026-2", "--authority", "沁源机械"];
    let what = ["--legal-basis", "召回", "--hazard", "制动失效", "--interim", "stop", "--remedy", "更换制动器"];
    let recall = [&recall[..], &what, &["--due-by", "2099-12-31"]].concat();
    let before = text(&desk.json(&["log", "checkpoint"])["treeSize"]);
    let dry = desk.run_as(&desk.maker, &[&recall[..], &["--dry-run"]].concat()).expect_code(0);
    assert_says(&dry, &["2 machines", "nothing is recorded 试运行", "RecallIssued 召回"]);
    assert_eq!(text(&desk.json(&["log", "checkpoint"])["treeSize"]), before, "something was recorded");
    let given = desk.json_as(&desk.maker, &recall);
    let shown = desk.json_as(&desk.maker, &["recall", "show", &text(&given["subject"])]);
    assert_eq!(shown["machines"].as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(
        (&shown["kind"], &shown["query"], &shown["listHash"]),
        (&json!("recall_issued"), &json!(""), &json!(""))
    );
    let by_mine = desk.run_as(&desk.operator, &recall).expect_code(1);
    assert_says(&by_mine, &["nothing was recorded"]);
}

#[test]
fn an_order_about_more_machines_than_one_event_holds_is_extended_in_order() {
    let desk = Desk::new().delivered();
    let serials: Vec<String> = (1..=245).map(|number| format!("L{number:04}")).collect();
    desk.make(&serials, MARK);
    let list: Vec<String> = serials.iter().map(|serial| format!("沁源机械::MG900/2245::{serial}")).collect();
    let file = desk.file("machines.txt", &list.join("\n"));
    let seal = ["order", "seal", PLATE, "--list", &file, "--seal-no", "F-17", "--place", "地面库房"];
    let basis = ["--order-no", "封2026-1", "--authority", "省局", "--legal-basis", "煤矿安全生产条例2024 §44"];
    let given = desk.json_as(&desk.bureau, &[&seal[..], &basis].concat());
    let receipts = given["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 2, "240 machines, and 6 more");
    let order = text(&receipts[0]["subject"]);
    let shown = desk.json_as(&desk.bureau, &["order", "show", &order]);
    let machines = shown["machines"].as_array().unwrap();
    let named = |at: usize| machines.iter().filter(|machine| machine["named"] == receipts[at]["position"]).count();
    assert_eq!((machines.len(), named(0), named(1)), (246, 240, 6));
    assert!(machines.is_sorted_by_key(|machine| text(&machine["machine"])), "in order of their ids");
    assert_eq!(shown["mines"][0]["mine"], format!("mine/{}", desk.mine), "the mine that one of them is in");

    let unseal = ["order", "unseal", &order, PLATE, "--decision", "解除查封决定书2026-3"];
    drop(desk.run_as(&desk.bureau, &unseal).expect_code(0));
    assert_eq!(desk.json_as(&desk.bureau, &["order", "show", &order])["standing"], 245);
    let unseal = ["order", "unseal", &order, "--all", "--decision", "解除查封决定书2026-4"];
    let ended = desk.json_as(&desk.bureau, &unseal);
    assert_eq!(ended["receipts"].as_array().unwrap().len(), 2, "240 and 5");
    assert_eq!(desk.json_as(&desk.bureau, &["order", "show", &order])["standing"], 0);

    desk.make(&["X1".to_owned()], MARK);
    drop(desk.run_as(&desk.bureau, &["order", "extend", &order, "沁源机械::MG900/2245::X1"]).expect_code(0));
    let shown = desk.json_as(&desk.bureau, &["order", "show", &order]);
    assert_eq!((&shown["standing"], shown["machines"].as_array().unwrap().len()), (&json!(1), 247));
    let refused = ["order", "receive", &order, "--mine", &desk.mine, "--refused", "--note", "拒签"];
    drop(desk.run_as(&desk.bureau, &refused).expect_code(0));
    let shown = desk.run_as(&desk.bureau, &["order", "show", &order]).expect_code(0);
    assert_says(&shown, &["SealedUp", "F-17", "地面库房", "refused to sign 拒签"]);
    let absent = desk.run_as(&desk.bureau, &["order", "show", "order/018f0000-0000-7000-8000-000000000001"]);
    assert_says(&absent.expect_code(1), &["is not on record 未建档"]);
}

/// The examples of docs/regulator.md: each is what the program prints, but for ids and times that no two runs share.
struct Page {
    path: PathBuf,
    written: String,
    page: String,
}

impl Page {
    fn open() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/regulator.md");
        let written = fs::read_to_string(&path).unwrap();
        Self { path, page: written.clone(), written }
    }

    /// Puts an example where the page has its name.
    fn put(&mut self, name: &str, shown: &str, found: &Finished) {
        let text = normal(&format!("$ tally {shown}\n{}{}", found.stdout, found.stderr));
        let begin = format!("<!-- example: {name} -->\n");
        let at = self.page.find(&begin).unwrap_or_else(|| panic!("docs/regulator.md has no example {name}"));
        let from = at + begin.len();
        let end = self.page[from..].find("<!-- end -->").unwrap_or_else(|| panic!("{name} does not end")) + from;
        self.page.replace_range(from..end, &format!("```text\n{}\n```\n", text.trim_end()));
    }

    fn check(&self) {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&self.path, &self.page).unwrap();
            return;
        }
        let differs = self.written.lines().zip(self.page.lines()).find(|(written, found)| written != found);
        assert_eq!(differs, None, "UPDATE_GOLDEN=1 rewrites {}", self.path.display());
        assert_eq!(self.written, self.page, "UPDATE_GOLDEN=1 rewrites {}", self.path.display());
    }
}

/// A text with one id for all orders, and one time for what is sealed or asked now.
fn normal(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let (bare, rest) = word.split_at(word.trim_end_matches([' ', '\n', ',', ':', ')']).len());
        let is_order = bare.starts_with("order/") && bare.len() == 42;
        let is_now = bare.len() >= 25 && bare.ends_with("+08:00") && bare.as_bytes()[10] == b'T' && bare.contains('.');
        if is_order {
            format!("order/01a20ef6-8404-76d9-9f3f-5b2e26d900e1{rest}")
        } else if is_now {
            format!("2026-05-20T08:00:00.5+08:00{rest}")
        } else {
            word.to_owned()
        }
    });
    let trimmed: String = words.collect();
    trimmed.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn the_examples_of_the_page_are_what_the_program_prints() {
    let mut page = Page::open();
    let desk = Desk::new().delivered();
    let mine = desk.mine.as_str();
    page.put("rules", "rules MARK-005", &tally().run(["rules", "MARK-005"]));
    let as_of = ["--as-of", "2026-05-20T08:00:00+08:00"];
    // Nobody issued the mark yet.
    let find = ["findings", "--mine", mine, "--rule", "MARK-002"];
    let found = desk.run_as(&desk.bureau, &[&find[..], &as_of].concat()).expect_code(0);
    page.put("findings", &format!("{} --as-of {}", find.join(" "), as_of[1]), &found);
    let found = desk.run_as(&desk.bureau, &[&find[..], &["--count"], &as_of].concat()).expect_code(0);
    page.put("count", &format!("{} --count --as-of {}", find.join(" "), as_of[1]), &found);
    desk.issue();
    let found = desk.run_as(&desk.bureau, &[&["verify-mark", PLATE], &as_of[..]].concat());
    page.put("verify-mark", &format!("verify-mark '{PLATE}' --as-of {}", as_of[1]), &found);
    let suspend = ["mark", "suspend", MARK, "--from", "2026-04-01", "--stops", "making,selling,use", "--reason"];
    let why = ["抽检不合格", "--document-no", "安标字〔2026〕8号", "--occurred-at", "2026-04-01T08:00:00+08:00"];
    let found = desk.run_as(&desk.marks, &[&suspend[..], &why, &["--dry-run"]].concat()).expect_code(0);
    assert!(found.stdout.contains("MarkSuspended"), "{found}");
    drop(desk.run_as(&desk.marks, &[&suspend[..], &why].concat()).expect_code(0));
    let found = desk.run(&[&["mark", "show", MARK], &as_of[..]].concat()).expect_code(0);
    page.put("mark-show", &format!("mark show {MARK} --as-of {}", as_of[1]), &found);
    let when = ["--occurred-at", "2026-05-20T08:00:00+08:00"];
    let basis = ["--authority", "省局", "--legal-basis", "安全生产法2021 §70", "--condition", "整改合格"];
    let give = ["order", "stop-use", PLATE, "--order-no", "停2026-1"];
    let given = desk.json_as(&desk.bureau, &[&give[..], &basis, &when].concat());
    let order = text(&given["subject"]);
    let receive = ["order", "receive", &order, "--mine", mine, "--occurred-at", "2026-05-20T10:00:00+08:00"];
    drop(desk.run_as(&desk.operator, &receive).expect_code(0));
    let found = desk.run_as(&desk.bureau, &["order", "show", &order]).expect_code(0);
    page.put("order-show", &format!("order show {order}"), &found);
    let lift = ["order", "lift", &order, "--all", "--checked-by", "省局", "--result", "整改合格"];
    drop(
        desk.run_as(&desk.bureau, &[&lift[..], &["--occurred-at", "2026-05-22T08:00:00+08:00"]].concat())
            .expect_code(0),
    );

    let recall = ["recall", "issue", PLATE, "--order-no", "召2026-1", "--authority", "沁源机械", "--legal-basis"];
    let what = [
        "缺陷产品召回",
        "--hazard",
        "制动失效",
        "--interim",
        "stop",
        "--remedy",
        "更换制动器",
        "--due-by",
        "2026-08-31",
    ];
    let recall = text(&desk.json_as(&desk.bureau, &[&recall[..], &what, &when].concat())["subject"]);
    let remedy = ["recall", "remedy", &recall, PLATE, "--work", "更换制动器", "--result", "pass"];
    let on = ["--occurred-at", "2026-06-02T08:00:00+08:00"];
    drop(desk.run_as(&desk.operator, &[&remedy[..], &on].concat()).expect_code(0));
    let found = desk.run_as(&desk.bureau, &["recall", "show", &recall]).expect_code(0);
    page.put("recall-show", &format!("recall show {recall}"), &found);
    page.check();
}

/// Tampers with an answer.
type Tamper = fn(&mut v1::VerifyMarkResponse);

#[tokio::test]
async fn an_answer_that_was_tampered_with_is_not_believed() {
    let desk = Desk::new().delivered();
    desk.issue();
    let trust = Trust::parse(&fs::read_to_string(desk.founded.log_pub()).unwrap()).unwrap();
    let plate = v1::Plate { maker: "沁源机械".into(), model: "MG900/2245".into(), serial: "0031".into() };
    let channel = Endpoint::from_shared(desk.serving.url()).unwrap().connect().await.unwrap();
    let mut client = MarkServiceClient::new(channel);
    let request = v1::VerifyMarkRequest { plate: Some(plate), ..Default::default() };
    let answer = client.verify_mark(request).await.unwrap().into_inner();
    let verify = |answer: v1::VerifyMarkResponse| {
        let checkpoint = trust.checkpoint(&answer.checkpoint).unwrap();
        verify_marks(&trust, checkpoint, v1::Basis::default(), answer)
    };
    let verified = verify(answer.clone()).unwrap();
    assert_eq!(verified.verdict(), v1::Verdict::Pass);
    let shown = verified.entries.iter().filter(|touch| matches!(touch.content, TouchContent::Event { .. })).count();
    assert!(shown > 0, "the mark's own entries are public");
    assert!(!answer.entries[0].entry.is_empty(), "what tampers below takes the first entry");
    let tampered: [(&str, Tamper); 8] = [
        ("an entry is left out", |answer| drop(answer.entries.remove(0))),
        ("an entry stands elsewhere", |answer| answer.entries[0].position -= 2),
        ("an entry has other bytes", |answer| answer.entries[0].entry[40] ^= 1),
        ("a leaf hash is another", |answer| answer.entries[0].leaf_hash[0] ^= 1),
        ("a path is another", |answer| answer.entries[0].inclusion[0][0] ^= 1),
        ("the keys are kept back", |answer| answer.keys.clear()),
        ("the verdict is another", |answer| answer.verifications[0].verdict = v1::Verdict::Unknown.into()),
        ("a line is dropped", |answer| drop(answer.verifications[0].lines.pop())),
    ];
    for (what, tamper) in tampered {
        let mut answer = answer.clone();
        tamper(&mut answer);
        let found = verify(answer);
        assert!(found.is_err(), "{what}: {found:?}");
    }
    let mut answer = answer;
    answer.verifications[0].lines[1].evidence[0].recorded_at_us += 1;
    assert!(verify(answer).is_err(), "evidence says another time than its entry");
}

#[test]
fn a_file_of_the_national_upload_is_checked_and_held_against_the_ledger() {
    let desk = Desk::new().delivered();
    let upload = |name: &str, records: &[&str]| {
        let header = "140431000001;沁源二矿;30;设备管理;2026-04-02 08:30:00";
        let lines = [&[header], records].concat().iter().map(|line| format!("{line}~\n")).collect::<String>();
        desk.file(name, &format!("{lines}||\n"))
    };
    let name = "140431000001_JBSJ_20260402083000.txt";
    let right = "14043100000131000002;采煤机;MG900/2245;-9999;2026-03-01;;-9999;;沁源机械;0031;MEA130001;;-9999;;";

    // What is wrong is told line by line, and the answer is no.
    let bad = upload(name, &[right, "=1;采煤机"]);
    let told = desk.run(&["upload", "check", &bad]).expect_code(1);
    assert!(told.stdout.contains("line 3, column 1: has 2 fields; 15 are due"), "{}", told.stdout);
    assert!(told.stdout.contains("refused: nothing of it was used"), "{}", told.stdout);
    let named = desk.file("table.txt", "");
    let told = desk.run(&["upload", "check", &named]).expect_code(2);
    assert!(told.stderr.contains("--as jbsj, absj, jztt or jcjy"), "{}", told.stderr);

    // The ledger has no device code for the machine, and knows nothing of the second one.
    let stranger = "14043100000131000009;采煤机;MG900/2245;-9999;2026-03-01;;-9999;;沁源机械;0099;MEA130001;;-9999;;";
    let file = upload(name, &[&right.replace("MEA130001", "MEA130002"), stranger]);
    drop(desk.run(&["upload", "check", &file]).expect_code(0));
    let compare = ["upload", "compare", &file, "--mine", &desk.mine];
    let told = desk.run_as(&desk.operator, &[&compare[..], &["--output", "json"]].concat()).expect_code(1);
    let told = parse(&told.stdout);
    let differences = json!([
        { "field": "device_code", "upload": "14043100000131000002", "ledger": "" },
        { "field": "mark_no", "upload": "MEA130002", "ledger": "MEA130001" },
    ]);
    assert_eq!((&told["records"][0]["by"], &told["records"][0]["differences"]), (&json!("PLATE"), &differences));
    assert_eq!(told["records"][1]["outcome"], "ONLY_IN_UPLOAD");
    assert_eq!(told["onlyInLedger"], json!([]));

    // A file without the machine says that it is missing; with its device code on record the two agree.
    let empty = upload(name, &[stranger]);
    let told = desk.run_as(&desk.operator, &["upload", "compare", &empty, "--mine", &desk.mine]).expect_code(1);
    assert!(told.stdout.contains("is not uploaded"), "{}", told.stdout);
    let template = desk.run(&["record", "template", "alias_set"]).expect_code(0);
    let mut alias = parse(&template.stdout);
    alias["subject"] = json!(PLATE);
    alias["organisation"] = json!(desk.operator.id);
    alias["role"] = json!("mine");
    alias["occurredAt"] = json!("2026-03-10T08:00:00+08:00");
    alias["body"] = json!({ "kind": "mt1201", "value": "14043100000131000002" });
    let alias = desk.file("alias.json", &alias.to_string());
    drop(desk.run_as(&desk.operator, &["record", "--file", &alias]).expect_code(0));
    let file = upload(name, &[right]);
    let told = desk.run_as(&desk.operator, &["upload", "compare", &file, "--mine", &desk.mine]).expect_code(0);
    assert!(told.stdout.contains("1 of 1 record agree"), "{}", told.stdout);
}
