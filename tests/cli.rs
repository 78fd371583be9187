//! The command line as a user meets it: the real program, a real server, a directory that was empty.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

use std::{ffi::OsStr, fmt::Write as _, fs, path::PathBuf, process::Command};

use serde_json::{Value, json};
use tally_client::{
    draft::{Author, Draft},
    key::SigningKey,
};
use tally_core::{
    id::{OrganisationId, SubjectId},
    number::ChainIndex,
    time::Timestamp,
};
use tally_proto::v1::{self, statement::Body};
use tally_testkit::binary::{Finished, Founded, Serving, Tally};

const PLATE: &str = "沁源机械::MG900/2245::0031";

fn tally() -> Tally {
    Tally::new(env!("CARGO_BIN_EXE_tally"))
}

/// Runs a command to its end.
fn finish(mut command: Command) -> Finished {
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let words = format!("tally {}", words.join(" "));
    let output = command.output().unwrap();
    let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Finished { command: words, status: output.status, stdout: said(output.stdout), stderr: said(output.stderr) }
}

/// A ledger with a maker, a mine that it sold a machine to, and everything that they sign with.
struct Desk {
    founded: Founded,
    /// Stopped and started by some tests.
    serving: Option<Serving>,
    url: String,
    maker_key: String,
    mine_key: String,
    registrar: String,
    maker: String,
    operator: String,
    mine: String,
    shaft: String,
    face: String,
}

impl Desk {
    fn new() -> Self {
        let founded = tally().init("cli.example/test");
        let serving = founded.serve();
        let url = serving.url();
        let none = String::new;
        let mut desk = Self {
            founded,
            serving: Some(serving),
            url,
            maker_key: none(),
            mine_key: none(),
            registrar: none(),
            maker: none(),
            operator: none(),
            mine: none(),
            shaft: none(),
            face: none(),
        };
        (desk.maker_key, desk.mine_key) = (desk.key("maker"), desk.key("mine"));
        desk.registrar = text(&desk.json(&["org", "list"])["organisations"][0]["id"]);
        for key in ["maker", "maker-recovery", "mine", "mine-recovery", "fitter", "inspector"] {
            desk.ok(&["key", "generate", &desk.key(key)]);
        }
        desk.maker = desk.register("Qinyuan Works", "W1", "maker", &["--plate-name", "沁源机械"]);
        desk.operator = desk.register("Qinyuan Coal", "C1", "mine", &[]);
        let mine = ["mine", "register", "--name", "Qinyuan No. 2", "--scheme", "other", "--number", "M2"];
        let mine = desk.registrar_json(&[&mine[..], &["--operator", &desk.operator]].concat());
        desk.mine = text(&mine["subject"]).strip_prefix("mine/").unwrap().to_owned();
        desk.registrar_json(&["org", "grant", &desk.maker, "manufacturer", "--from", "2020-01-01"]);
        desk.registrar_json(&["org", "grant", &desk.operator, "mine", "--mine", &desk.mine, "--from", "2020-01-01"]);
        for (key, post) in [("fitter", "机电队长"), ("inspector", "防爆检查员")] {
            let key = desk.key(key);
            desk.registrar_json(&["key", "add", &desk.operator, &key, "--kind", "staff", "--post", post]);
        }
        desk.shaft = desk.place("Main shaft", "shaft", &[]);
        desk.face = desk.place("15103 face", "face", &["--parent", &desk.shaft, "--air", "intake"]);
        desk
    }

    fn register(&self, name: &str, number: &str, key: &str, more: &[&str]) -> String {
        let (first, recovery) = (self.key(key), self.key(&format!("{key}-recovery")));
        let flags = ["org", "register", "--name", name, "--scheme", "other", "--number", number];
        let keys = ["--first-key", &first, "--recovery-key", &recovery];
        let receipt = self.registrar_json(&[&flags[..], &keys[..], more].concat());
        text(&receipt["subject"]).strip_prefix("organisation/").unwrap().to_owned()
    }

    fn place(&self, name: &str, kind: &str, more: &[&str]) -> String {
        let flags = ["mine", "place", &self.mine, "--name", name, "--kind", kind];
        let receipt = self.run(&[&flags[..], more, &self.as_mine(), &["--output", "json"]].concat());
        text(&parse(&receipt.expect_code(0).stdout)["eventId"])
    }

    fn key(&self, name: &str) -> String {
        self.founded.workplace().join(format!("{name}.key")).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.founded.workplace().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn as_mine(&self) -> Vec<&str> {
        vec!["--organisation", &self.operator, "--role", "mine", "--key", &self.mine_key]
    }

    fn as_maker(&self) -> Vec<&str> {
        vec!["--organisation", &self.maker, "--role", "manufacturer", "--key", &self.maker_key]
    }

    /// Runs a command, with the connection in its environment as a user has it. What is asked is asked as the registrar,
    /// unless it is said who asks.
    fn run(&self, arguments: &[&str]) -> Finished {
        let asks = matches!(
            arguments,
            ["show" | "history" | "list", ..]
                | ["org" | "mine", "show" | "list" | "machines", ..]
                | ["proof", "event", ..]
                | ["log", "follow", ..]
        );
        let key = self.founded.registrar_key();
        let registrar = ["--organisation", &self.registrar, "--role", "registrar", "--key", key.to_str().unwrap()];
        let known = asks && !self.registrar.is_empty() && !arguments.contains(&"--key");
        self.run_as_given(&[arguments, if known { &registrar[..] } else { &[] }].concat())
    }

    fn run_as_given(&self, arguments: &[&str]) -> Finished {
        let mut command = tally().command(arguments);
        command
            .env("TALLY_SERVER", &self.url)
            .env("TALLY_LOG_KEY", self.founded.log_pub())
            .env("TALLY_STATE", self.founded.workplace().join("state"));
        finish(command)
    }

    fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).expect_code(0).stdout
    }

    fn json(&self, arguments: &[&str]) -> Value {
        parse(&self.ok(&[arguments, &["--output", "json"]].concat()))
    }

    fn registrar_json(&self, arguments: &[&str]) -> Value {
        let key = self.founded.registrar_key();
        let signing = ["--organisation", &self.registrar, "--role", "registrar", "--key", key.to_str().unwrap()];
        self.json(&[arguments, &signing].concat())
    }

    fn mine_records(&self, arguments: &[&str]) -> Finished {
        self.run(&[&["record"], arguments, &self.as_mine()].concat())
    }

    /// Makes the machine from a template that was filled in, and sends it to the mine, which receives it.
    fn delivered(self) -> Self {
        let mut event = parse(&self.ok(&["record", "template", "manufactured"]));
        event["occurredAt"] = json!("2026-03-02T08:00:00+08:00");
        event["organisation"] = json!(self.maker);
        let body = event["body"].as_object_mut().unwrap();
        let facts = [
            ("maker", "沁源机械"),
            ("model", "MG900/2245"),
            ("serial", "0031"),
            ("category", "SHEARER"),
            ("identityKind", "unit"),
            ("markNo", "MEA130001"),
            ("producedOn", "2026-03-01"),
        ];
        for (name, fact) in facts {
            body.insert(name.to_owned(), json!(fact));
        }
        body["components"][0]["slot"] = json!("cutter motor");
        body["components"][0]["model"] = json!("YBC-900");
        body["nameplate"] = json!([{ "key": "power_kW", "digits": "2245", "scale": 0, "unit": "kW" }]);
        let file = self.file("manufactured.json", &event.to_string());
        let key = self.key("maker");
        self.ok(&["record", "--file", file.to_str().unwrap(), "--key", &key]);
        let exit = ["record", "factory_exit", PLATE, "--to", &self.operator, "--reason", "sale"];
        self.ok(&[&exit[..], &["--occurred-at", "2026-03-05T08:00:00+08:00"], &self.as_maker()].concat());
        let received = ["received", PLATE, "--into", "mine", "--mine", &self.mine, "--serial-checked"];
        let when = ["--condition", "a", "--occurred-at", "2026-03-09T08:00:00+08:00"];
        drop(self.mine_records(&[&received[..], &when].concat()).expect_code(0));
        self
    }

    /// Goes on with the rest of the daily dozen, until the machine stands still with a fault.
    fn in_use(self) -> Self {
        let (fitter, inspector) = (self.key("fitter"), self.key("inspector"));
        let two = ["--hand", &fitter, "--hand", &inspector];
        let (mine, face) = (self.mine.as_str(), self.face.as_str());
        let life: [(&str, &[&str]); 9] = [
            ("2026-03-10T08:00:00+08:00", &["acceptance_checked", PLATE, "--item", "plate=pass", "--result", "pass"]),
            ("2026-03-10T09:00:00+08:00", &["warehoused", PLATE, "--store", "surface store", "--shelf", "4"]),
            (
                "2026-03-11T08:00:00+08:00",
                &["ex_proof_checked", PLATE, "--item", "gap=pass", "--result", "pass", "--pass-no", "007"],
            ),
            (
                "2026-03-11T09:00:00+08:00",
                &["entered_mine", PLATE, "--mine", mine, "--shaft", "main", "--place", face, "--pass-no", "007"],
            ),
            (
                "2026-03-12T08:00:00+08:00",
                &["installed", PLATE, "--mine", mine, "--place", face, "--function", "cutting"],
            ),
            (
                "2026-03-13T08:00:00+08:00",
                &["commissioned", PLATE, "--result", "pass", "--duty", "work", "--set", "trial_run=2.5 h"],
            ),
            ("2026-03-14T08:00:00+08:00", &["inspected", PLATE, "--inspection-kind", "daily", "--nothing-found"]),
            (
                "2026-03-15T08:00:00+08:00",
                &["maintained", PLATE, "--level", "small", "--work", "greased", "--result", "pass"],
            ),
            (
                "2026-03-16T08:00:00+08:00",
                &[
                    "fault_reported",
                    PLATE,
                    "--fault-id",
                    "F1",
                    "--fault-kind",
                    "leak",
                    "--severity",
                    "stop",
                    "--description",
                    "oil leaks from the cutter motor",
                    "--due-by",
                    "2026-03-20",
                ],
            ),
        ];
        for (occurred_at, event) in life {
            drop(self.mine_records(&[event, &["--occurred-at", occurred_at], &two].concat()).expect_code(0));
        }
        self
    }

    fn machine(&self) -> String {
        text(&self.json(&["show", PLATE])["equipment"][0]["id"])
    }

    fn tree_size(&self) -> String {
        text(&self.json(&["log", "checkpoint"])["treeSize"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn assert_says(finished: &Finished, parts: &[&str]) {
    for part in parts {
        assert!(finished.stdout.contains(part) || finished.stderr.contains(part), "{part:?} is not said\n{finished}");
    }
}

/// The help of a command and of all below it.
fn help(path: &[&str], whole: &mut String) {
    let mut command = tally().command([path, &["--help"]].concat());
    command.env_remove("COLUMNS");
    let help = finish(command).expect_code(0).stdout;
    writeln!(whole, "$ tally {}\n{help}", [path, &["--help"]].concat().join(" ")).unwrap();
    let commands = help.split("\nCommands:\n").nth(1).map(|rest| rest.split("\n\n").next().unwrap_or_default());
    for line in commands.unwrap_or_default().lines() {
        let is_name = line.starts_with("  ") && !line.starts_with("   ");
        if let Some(name) = line.split_whitespace().next().filter(|name| is_name && *name != "help") {
            help_of(path, name, whole);
        }
    }
}

fn help_of(path: &[&str], name: &str, whole: &mut String) {
    help(&[path, &[name]].concat(), whole);
}

#[test]
fn help_is_as_written() {
    let mut whole = String::new();
    help(&[], &mut whole);
    for command in ["tally record template --help", "tally mine machines --help", "tally proof head --help"] {
        assert!(whole.contains(command), "{command} was not found");
    }
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/help.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &whole).unwrap();
    }
    let written = fs::read_to_string(&golden).unwrap_or_default();
    let differs = written.lines().zip(whole.lines()).find(|(written, found)| written != found);
    assert_eq!(differs, None, "UPDATE_GOLDEN=1 rewrites {}", golden.display());
    assert_eq!(written, whole, "UPDATE_GOLDEN=1 rewrites {}", golden.display());
}

#[test]
fn life_of_a_machine_is_recorded_shown_and_proved_complete() {
    let desk = Desk::new().delivered().in_use();
    let id = desk.machine();

    let shown = desk.run(&["show", PLATE]).expect_code(0);
    assert_says(
        &shown,
        &[
            PLATE,
            "SHEARER (unit)",
            "MEA130001",
            "stopped 停用待整改",
            "Qinyuan Coal",
            "Qinyuan No. 2 · 15103 face",
            "1 open fault 带病",
            "F1",
            "cutter motor",
            "Inspected 检查",
            "12 events on its chain",
            "the log's own word; no replica has cosigned",
        ],
    );
    let state = desk.json(&["show", &format!("equipment/{id}")]);
    assert_eq!(state["equipment"][0]["state"], "SERVICE_STATE_STOPPED");
    assert_eq!(state["equipment"][0]["openFaults"][0]["faultId"], "F1");
    let before = ["show", PLATE, "--as-of", "2026-03-13T12:00:00+08:00"];
    assert_eq!(desk.json(&before)["equipment"][0]["state"], "SERVICE_STATE_IN_USE");

    let history = desk.run(&["history", PLATE]).expect_code(0);
    assert_says(
        &history,
        &[
            "Manufactured 制造完成",
            "Received 接收",
            "FaultReported 故障(缺陷)上报",
            "Qinyuan Works as manufacturer 制造单位",
            "LATE 迟报",
            "complete 完整: 12 entries, 12 on its chain and 0 by mention, nothing left out under checkpoint",
            "the log's own word; no replica has cosigned",
        ],
    );
    let history = desk.json(&["history", PLATE]);
    assert_eq!(history["proved"]["complete"], true);
    assert_eq!(history["entries"].as_array().unwrap().len(), 12);
    let commissioned = &history["entries"][8]["event"]["statement"]["commissioned"];
    assert_eq!(commissioned["trialRun"], json!({ "key": "trial_run", "digits": "25", "scale": 1, "unit": "h" }));
    let lines = desk.ok(&["history", PLATE, "--output", "jsonl"]);
    assert_eq!(lines.lines().count(), 13, "an entry a line, and what is proved");
    let cut = desk.run(&["history", PLATE, "--as-of", "2026-03-10T00:00:00+08:00"]).expect_code(0);
    assert_says(&cut, &["shown are 3 of 12 entries: what had happened by 2026-03-10", "complete 完整: 12 entries"]);

    let mine = desk.run(&["history", &format!("mine/{}", desk.mine)]).expect_code(0);
    assert_says(&mine, &["mentions", &format!("equipment/{id}"), "nothing left out"]);
    let machines = desk.run(&["mine", "machines", &desk.mine]).expect_code(0);
    let complete = format!("1 machine, complete by mine/{} under checkpoint", desk.mine);
    assert_says(&machines, &[&complete, "(the log's own word; no replica has cosigned)"]);
    assert_eq!(desk.json(&["mine", "machines", &desk.mine])["complete"], true);
}

#[test]
fn organisations_and_mines_are_shown_with_what_they_were_given() {
    let desk = Desk::new();
    let shown = desk.run(&["org", "show", &desk.operator]).expect_code(0);
    assert_says(&shown, &["Qinyuan Coal", "mine 煤矿", "Qinyuan No. 2", "机电队长", "recovery", "the server's word"]);
    let shown = desk.run(&["mine", "show", &desk.mine]).expect_code(0);
    assert_says(&shown, &["Qinyuan No. 2", "  15103 face", "intake", &desk.face, &desk.shaft]);
    let makers = desk.json(&["org", "list", "--has-role", "manufacturer"]);
    assert_eq!(makers["organisations"].as_array().unwrap().len(), 1);
    assert_eq!(desk.ok(&["mine", "list", "--output", "jsonl"]).lines().count(), 1);
    let none = desk.json(&["mine", "list", "--operator", &desk.maker]);
    assert_eq!(none["mines"], json!([]));

    let key = text(&desk.json(&["key", "show", &desk.key("fitter")])["keyId"]);
    // The recovery key speaks for the organisation itself.
    let recovery = desk.key("mine-recovery");
    let revoke = ["key", "revoke", &desk.operator, &key, "--reason", "left", "--role", "mine", "--key", &recovery];
    desk.ok(&revoke);
    let keys = &desk.json(&["org", "show", &desk.operator])["organisation"]["keys"];
    let revoked = keys.as_array().unwrap().iter().find(|known| known["keyId"] == key).unwrap();
    assert!(revoked.get("revokedPosition").is_some(), "{revoked}");
    let again = desk.run(&revoke).expect_code(1);
    assert_says(&again, &["KEY_REVOKED", "密钥已吊销", "nothing was recorded"]);
}

#[test]
fn dry_run_shows_the_bytes_and_records_nothing() {
    let desk = Desk::new().delivered();
    let before = desk.tree_size();
    let (fitter, machine) = (desk.key("fitter"), desk.machine());
    let note = ["noted", PLATE, "--set", "text=seen at the gate", "--hand", &fitter, "--dry-run"];
    let shown = desk.mine_records(&note).expect_code(0);
    let place = format!("3, behind the head that was proved under checkpoint {before}");
    assert_says(&shown, &["nothing is recorded", "Noted 备注", &format!("equipment/{machine}"), &place]);
    let shown = parse(&desk.mine_records(&[&note[..], &["--output", "json"]].concat()).expect_code(0).stdout);
    let event = &shown["events"][0];
    assert_eq!((&event["chainIndex"], &event["statement"]["noted"]["text"]), (&json!("3"), &json!("seen at the gate")));
    let history = desk.json(&["history", PLATE]);
    assert_eq!(event["previousHash"], history["entries"][2]["eventHash"]);
    assert_eq!(event["hands"].as_array().unwrap().len(), 1);
    let bytes = hex::decode(event["statementBytes"].as_str().unwrap()).unwrap();
    let statement = tally_core::statement::Statement::parse(&bytes).unwrap();
    assert_eq!(tally_client::json::statement_to_json(&statement).unwrap(), event["statement"]);
    assert_eq!(desk.tree_size(), before, "something was recorded");
    // Without a key it can be looked at, too.
    let by_nobody = ["record", "noted", PLATE, "--set", "text=x", "--dry-run", "--role", "mine"];
    desk.ok(&[&by_nobody[..], &["--organisation", &desk.operator]].concat());
}

#[test]
fn a_mark_an_order_and_a_publication_are_recorded_as_everything_else() {
    let desk = Desk::new().delivered();
    let mut acting = Vec::new();
    for (key, role) in [("marks", "mark_authority"), ("bureau", "regulator")] {
        for key in [key.to_owned(), format!("{key}-recovery")] {
            desk.ok(&["key", "generate", &desk.key(&key)]);
        }
        let id = desk.register(key, key, key, &[]);
        desk.registrar_json(&["org", "grant", &id, role, "--from", "2020-01-01"]);
        acting.push([id, role.to_owned(), desk.key(key)]);
    }
    let record = |by: usize, arguments: &[&str]| {
        let [id, role, key] = &acting[by];
        let signing = ["--organisation", id, "--role", role, "--key", key];
        desk.run(&[&["record"], arguments, &signing, &["--output", "json"]].concat())
    };
    let subject = |finished: Finished| text(&parse(&finished.expect_code(0).stdout)["subject"]);

    // A mark is named by its number, which goes into the body.
    let certificate = json!({
        "holder": "沁源机械",
        "producers": [{ "name": "沁源机械" }],
        "productName": "采煤机",
        "models": ["MG900/2245", "MG400/930"],
        "scope": { "sectors": ["coal"], "gasGrades": ["outburst", "low", "high"] },
    });
    let certificate = format!("certificate={certificate}");
    let issued = ["mark_issued", "MEA130001", "--set", "kind=type", "--set", &certificate];
    let period = ["--set", "issued_on=2025-01-01", "--set", "valid_from=2025-01-01", "--set", "valid_until=2029-12-31"];
    let document = ["--set", "document_no=A-1"];
    let mark = subject(record(0, &[&issued[..], &period, &document].concat()));
    assert_eq!(mark, SubjectId::mark("MEA130001").unwrap().to_string());
    let suspended = ["mark_suspended", "MEA130001", "--set", "from=2026-03-01", "--set", "stops=selling"];
    let suspended = [&suspended[..], &["--set", "stops=making", "--set", "reason=sampling failed"], &document].concat();
    assert_eq!(subject(record(0, &suspended)), mark);
    let revoked = ["mark_revoked", "mark/MEA130001", "--set", "from=2026-03-02", "--set", "reason=false papers"];
    assert_eq!(subject(record(0, &[&revoked[..], &document].concat())), mark);
    let again = record(0, &[&revoked[..], &document].concat());
    assert_says(&again.expect_code(1), &["was revoked or cancelled", "nothing was recorded"]);
    let history = desk.run(&["history", "mark/MEA130001"]).expect_code(0);
    assert_says(&history, &["MarkIssued 安标发放", "MarkRevoked 安标撤销", "3 on its chain and 2 by mention"]);

    // An order has no name before it is recorded.
    let mines = format!("order.mines={}", desk.mine);
    let machines = format!("order.machines={PLATE}");
    let ordered = ["stop_use_ordered", "--set", "order.order_no=停2026-1", "--set", "order.authority=省局", "--set"];
    let about = ["order.legal_basis=安全生产法2021 §70", "--set", &machines, "--set", &mines];
    let until = ["--set", "condition=put right", "--occurred-at", "2026-03-10T08:00:00+08:00"];
    let receipt = parse(&record(1, &[&ordered[..], &about, &until].concat()).expect_code(0).stdout);
    let order = text(&receipt["subject"]);
    assert_eq!(order, format!("order/{}", text(&receipt["eventId"])), "it has the id of the event that opened it");
    drop(desk.mine_records(&["order_received", &order, "--set", &format!("mine={}", desk.mine)]).expect_code(0));
    let machines = format!("machines={PLATE}");
    let lifted = ["stop_use_lifted", &order, "--set", &machines, "--set", "checked_by=省局", "--set", "result=符合"];
    let by_mine = desk.mine_records(&lifted).expect_code(1);
    assert_says(&by_mine, &["role mine may not sign StopUseLifted"]);
    assert_eq!(subject(record(1, &lifted)), order);
    let history = desk.run(&["history", PLATE]).expect_code(0);
    assert_says(
        &history,
        &["StopUseOrdered 责令停止使用", "StopUseLifted 解除停止使用", "3 on its chain and 2 by mention"],
    );
    let history = desk.json(&["history", &order]);
    assert_eq!(history["entries"].as_array().unwrap().len(), 3);

    // A publication is long: it comes from a file, and its rows in any order.
    let mut event = parse(&desk.ok(&["record", "template", "schedule_published"]));
    assert!(text(&event["help"]["subject"]).contains("leave it away"), "{event}");
    event["occurredAt"] = json!("2026-03-02T08:00:00+08:00");
    let publication = [("title", "周期"), ("layer", "nation"), ("from", "2026-04-01")];
    for (name, fact) in publication {
        event["body"]["publication"][name] = json!(fact);
    }
    let row = |code: &str| {
        json!({
            "code": code, "appliesTo": "SHEARER", "work": "inspect", "nameZh": "检查", "nameEn": "inspection",
            "interval": 1, "unit": "month", "firstDue": "in_use", "by": ["overhaul_shop", "mine"], "severity": "general",
        })
    };
    event["body"]["rows"] = json!([row("S-2"), row("S-1")]);
    let file = desk.file("schedule.json", &event.to_string());
    let published = subject(record(1, &["--file", file.to_str().unwrap()]));
    assert!(published.starts_with("publication/"), "{published}");
    let chosen = "publication/018f0000-0000-7000-8000-000000000001";
    event["subject"] = json!(chosen);
    let file = desk.file("schedule.json", &event.to_string());
    assert_eq!(subject(record(1, &["--file", file.to_str().unwrap()])), chosen);
    let withdrawn = ["publication_withdrawn", chosen, "--set", "from=2026-05-01", "--set", "reason=renewed"];
    assert_eq!(subject(record(1, &withdrawn)), chosen);
    event["subject"] = json!("publication/018f0000-0000-5000-8000-000000000001");
    let file = desk.file("schedule.json", &event.to_string());
    let refused = record(1, &["--file", file.to_str().unwrap()]);
    assert_says(&refused.expect_code(2), &["its id is that of the event that opens it"]);
}

#[test]
fn sets_are_recorded_whole_or_not_at_all() {
    let desk = Desk::new().delivered();
    let before = desk.tree_size();
    let note = |subject: &str, text: &str| json!({ "kind": "noted", "subject": subject, "body": { "text": text } });
    let mine = format!("mine/{}", desk.mine);
    let bad = json!([note(PLATE, "one"), note(&mine, "two"), { "kind": "noted", "subject": PLATE, "body": {} }]);
    let file = desk.file("set.json", &bad.to_string());
    drop(desk.mine_records(&["--file", file.to_str().unwrap()]).expect_code(2));
    let foreign = json!([note(PLATE, "one"), note(&format!("organisation/{}", desk.maker), "two")]);
    let file = desk.file("foreign.json", &foreign.to_string());
    let refused = desk.mine_records(&["--file", file.to_str().unwrap()]).expect_code(1);
    assert_says(&refused, &["nothing was recorded"]);
    assert_eq!(desk.tree_size(), before);
    let good = json!({ "events": [note(PLATE, "one"), note(&mine, "two"), note(PLATE, "three")] });
    let file = desk.file("good.json", &good.to_string());
    let receipts = desk.mine_records(&["--file", file.to_str().unwrap(), "--output", "json"]).expect_code(0);
    let receipts = parse(&receipts.stdout);
    let places: Vec<&Value> = receipts["receipts"].as_array().unwrap().iter().map(|one| &one["chainIndex"]).collect();
    assert_eq!(places, ["3", "3", "4"]);
}

#[test]
fn what_is_missing_foreign_or_wrong_is_named_at_once_before_anything_is_asked() {
    let desk = Desk::new().delivered();
    let before = desk.tree_size();
    let missing = desk.mine_records(&["fault_reported", PLATE, "--fault-kind", "leak"]).expect_code(2);
    assert_says(&missing, &["fault_reported 故障(缺陷)上报 lacks", "--fault-id", "--severity", "stop, serious, minor"]);
    assert_says(&missing, &["--description", "tally record template fault_reported"]);
    let foreign = desk.mine_records(&["installed", PLATE, "--store", "s", "--duty", "work"]).expect_code(2);
    assert_says(
        &foreign,
        &["installed does not take --store, --duty", "--store is for warehoused", "--duty is for commissioned"],
    );
    let wrong = desk.mine_records(&["warehoused", PLATE, "--store", "s", "--condition", "new"]).expect_code(2);
    assert_says(&wrong, &["condition: new is none of a, b, c, d"]);
    let unknown = desk.mine_records(&["inspection", PLATE]).expect_code(2);
    assert_says(&unknown, &["inspection is no kind of event", "did you mean inspected?"]);
    let field = desk.mine_records(&["noted", PLATE, "--set", "note=x"]).expect_code(2);
    assert_says(&field, &["noted has no field note; its fields are attachments, text"]);
    let unsigned = desk.run(&["record", "noted", PLATE, "--set", "text=x"]).expect_code(2);
    assert_says(&unsigned, &["--organisation UUID", "--role ROLE", "--key FILE"]);
    let flag = desk.run(&["list", "--colour", "red"]).expect_code(2);
    assert_says(&flag, &["unexpected argument '--colour'"]);
    let not_on_the_way = ["received", PLATE, "--into", "store"];
    let refused = desk.mine_records(&not_on_the_way).expect_code(1);
    assert_says(&refused, &["is not on the way", "proved by its whole history"]);
    let maker = desk.as_maker();
    let elsewhere = ["record", "warehoused", PLATE, "--store", "s"];
    let refused = desk.run(&[&elsewhere[..], &maker].concat()).expect_code(1);
    assert_says(&refused, &["NOT_IN_POSITION: Warehoused is signed by the holder", "nothing was recorded", "help: "]);
    assert_eq!(desk.tree_size(), before);
}

#[test]
fn a_plate_that_nobody_recorded_is_met_with_a_proof_of_absence() {
    let desk = Desk::new().delivered();
    let forged = "沁源机械::MG900/2245::9999";
    for command in ["show", "history"] {
        let absent = desk.run(&[command, forged]).expect_code(1);
        let size = desk.tree_size();
        assert_says(
            &absent,
            &["is not on record 未建档", &format!("heads map under checkpoint {size}"), "never opened"],
        );
    }
    let absent = desk.run(&["show", forged, "--output", "json"]).expect_code(1);
    let absent = parse(&absent.stdout);
    assert_eq!((&absent["equipment"], &absent["heads"][0]["opened"]), (&json!([]), &json!(false)));
    let proof = desk.run(&["proof", "head", forged]).expect_code(0);
    assert_says(&proof, &["nothing about it is on record", "the log's own word"]);
    let alias = desk.run(&["show", "A-7"]).expect_code(1);
    assert_says(&alias, &["a machine with the alias A-7 is not on record", "the server's word"]);
    let mine = desk.run(&["mine", "show", "00000000-0000-0000-0000-000000000001"]).expect_code(1);
    assert_says(&mine, &["is not on record", "never opened"]);
    let early = desk.run(&["show", PLATE, "--as-of", "2026-01-01T00:00:00Z"]).expect_code(1);
    assert_says(&early, &["was not on record then"]);

    // A plate that names two machines: both are shown, and neither is meant.
    let mut enrolled = parse(&desk.ok(&["record", "template", "enrolled"]));
    enrolled["body"] = json!({
        "maker": "沁源机械", "model": "MG900/2245", "ownNumber": "0031", "category": "SHEARER", "identityKind": "unit",
        "state": "idle", "place": { "mine": desk.mine },
    });
    let file = desk.file("enrolled.json", &enrolled.to_string());
    drop(desk.mine_records(&["--file", file.to_str().unwrap()]).expect_code(0));
    let alias = ["alias_set", PLATE, "--set", "kind=mine_no", "--set", "value=A-7"];
    drop(desk.mine_records(&alias).expect_code(2));
    let shown = desk.run(&["show", PLATE]).expect_code(0);
    assert_says(&shown, &["2 machines bear", "taken on late"]);
    drop(
        desk.mine_records(&[
            "alias_set",
            &format!("equipment/{}", plate_id()),
            "--set",
            "kind=mine_no",
            "--set",
            "value=A-7",
        ])
        .expect_code(0),
    );
    assert_says(&desk.run(&["show", "A-7"]).expect_code(0), &["A-7 (mine_no"]);
}

fn plate_id() -> String {
    let id = SubjectId::unit("沁源机械", "MG900/2245", "0031").unwrap();
    id.to_string().strip_prefix("equipment/").unwrap().to_owned()
}

#[test]
fn proofs_are_fetched_and_checked() {
    let desk = Desk::new().delivered();
    let event = desk.run(&["proof", "event", "2"]).expect_code(0);
    assert_says(&event, &["OrganisationRegistered 单位登记", "signature verified", "the entry stands there"]);
    let event = desk.json(&["proof", "event", "2"]);
    let inclusion = desk.json(&["proof", "inclusion", "2"]);
    assert_eq!((&event["leafHash"], &event["inclusion"]), (&inclusion["leafHash"], &inclusion["inclusion"]));
    assert_says(&desk.run(&["proof", "inclusion", "2", "--size", "4"]).expect_code(0), &["tree size  4", "checked"]);
    assert_says(
        &desk.run(&["proof", "consistency", "4"]).expect_code(0),
        &["checked: the new tree extends the old one"],
    );
    assert_eq!(desk.json(&["proof", "consistency", "4", "--size", "6"])["newSize"], "6");
    let head = desk.json(&["proof", "head", PLATE]);
    assert_eq!((&head["head"]["chainLength"], &head["head"]["opened"]), (&json!("3"), &json!(true)));
    assert!(head["proof"]["siblings"].is_array());
    let heads = desk.run(&["proof", "event", "3"]).expect_code(1);
    assert_says(&heads, &["the entry at 3 is no event's", "tally proof inclusion 3"]);
    assert_says(&desk.run(&["proof", "event", "99999"]).expect_code(1), &["position 99999 is not on record"]);
    drop(desk.run(&["proof", "inclusion", "99999"]).expect_code(1));
    drop(desk.run(&["proof", "consistency", "0"]).expect_code(2));
    drop(desk.run(&["proof", "consistency", "4", "--size", "2"]).expect_code(2));
}

#[test]
fn lists_go_on_where_they_say_that_they_do() {
    let desk = Desk::new().delivered();
    for serial in ["0032", "0033"] {
        let plate = format!("沁源机械::MG900/2245::{serial}");
        let made = ["record", "manufactured", &plate, "--set", "category=SHEARER", "--set", "markNo=MEA130001"];
        let made = [&made[..], &["--set", "producedOn=2026-03-01"], &desk.as_maker()].concat();
        desk.ok(&made);
    }
    let first = desk.run(&["list", "--maker", "沁源机械", "--page-size", "2"]).expect_code(0);
    let next = first.stdout.lines().find_map(|line| line.strip_prefix("next page: tally ")).expect("a next page");
    let next: Vec<&str> = next.split(' ').collect();
    let last = desk.json(&next);
    assert_eq!(last["equipment"].as_array().unwrap().len(), 1, "{last}");
    assert_eq!(last["nextPageToken"], "");
    assert_eq!(desk.json(&["list", "--all"])["equipment"].as_array().unwrap().len(), 3);
    let at_mine = desk.json(&["list", "--state-is", "at_mine", "--mine", &desk.mine, "--holder", &desk.operator]);
    assert_eq!(at_mine["equipment"][0]["id"], desk.machine());
    let none = desk.run(&["list", "--state-is", "lost"]).expect_code(0);
    assert_says(&none, &["0 machines"]);
    assert_says(&desk.run(&["list", "--state-is", "broken"]).expect_code(2), &["states are manufactured, in_transit"]);
    assert_eq!(desk.ok(&["list", "--output", "jsonl"]).lines().count(), 3);
}

/// A note on the mine's chain, signed and not sent, as a file keeps it.
fn signed_note(desk: &Desk, text_of_note: &str) -> String {
    let subject: SubjectId = format!("mine/{}", desk.mine).parse().unwrap();
    let operator: SubjectId = format!("organisation/{}", desk.operator).parse().unwrap();
    let organisation = OrganisationId::try_from(operator).unwrap();
    let author = Author { origin: "cli.example/test".to_owned(), organisation, role: v1::Role::Mine };
    let head = &desk.json(&["proof", "head", &subject.to_string()])["head"];
    let body = Body::Noted(v1::Noted { text: text_of_note.to_owned(), attachments: Vec::new() });
    let now = Timestamp::from_micros(1_772_409_600_000_000); // 2026-03-02T08:00:00+08:00
    let mut draft = Draft::new(&author, subject, now, body, now).unwrap();
    let key = SigningKey::read_file(desk.mine_key.as_ref()).unwrap();
    let place = ChainIndex::new(text(&head["chainLength"]).parse().unwrap());
    let signed = draft.sign(place, text(&head["headHash"]).parse().unwrap(), &key, &[]).unwrap();
    let signed = json!({
        "payload": hex::encode(signed.payload()),
        "keyId": signed.key_id().to_string(),
        "signature": hex::encode(signed.signature()),
    });
    json!({ "signed": [signed] }).to_string()
}

#[test]
fn signed_bytes_that_wait_in_a_file_are_sent_again_for_the_same_receipt() {
    let desk = Desk::new();
    let file = desk.file("unsent.json", &signed_note(&desk, "sent twice"));
    let send = ["record", "--file", file.to_str().unwrap()];
    let (first, again) = (desk.json(&send), desk.json(&send));
    let of = |receipt: &Value| (receipt["position"].clone(), receipt["leafHash"].clone());
    assert_eq!(of(&first), of(&again));
    assert!(first["position"].is_string(), "{first}");
}

#[test]
fn bytes_for_a_head_that_moved_on_are_met_with_who_moved_it() {
    let desk = Desk::new().delivered();
    let stale = signed_note(&desk, "too late");
    let fresh = signed_note(&desk, "in time");
    let (stale, fresh) = (desk.file("stale.json", &stale), desk.file("fresh.json", &fresh));
    desk.ok(&["record", "--file", fresh.to_str().unwrap()]);
    let again = ["record", "--file", stale.to_str().unwrap()];
    let refused = desk.run(&[&again[..], &desk.as_mine()].concat()).expect_code(1);
    assert_says(
        &refused,
        &[
            &format!("the chain of mine/{} has moved on since this event was signed", desk.mine),
            "signed for place     3",
            "head is at place     3",
            "Noted 备注 of 2026-03-02T08:00:00+08:00 by Qinyuan Coal",
            "nothing was recorded",
            &format!("tally history mine/{}", desk.mine),
        ],
    );
}

#[test]
fn a_server_that_is_gone_is_no_answer_and_wrong_use_is_told_before_it() {
    let mut desk = Desk::new().delivered();
    drop(desk.serving.take().unwrap().terminate().expect_code(0));
    for arguments in [&["show", PLATE][..], &["list"], &["history", PLATE], &["proof", "event", "2"], &["org", "list"]]
    {
        let gone = desk.run(arguments).expect_code(3);
        assert_says(&gone, &["cannot be reached; nothing was sent", "help: is it running"]);
    }
    let gone = desk.mine_records(&["noted", PLATE, "--set", "text=x"]).expect_code(3);
    assert_says(&gone, &["nothing was sent"]);
    drop(desk.mine_records(&["installed", PLATE]).expect_code(2));
    let without_key = tally().run(["list", "--server", &desk.url]).expect_code(2);
    assert_says(&without_key, &["--log-key is not given", "pin it once"]);
    let no_server: [&OsStr; 3] = [OsStr::new("record"), OsStr::new("template"), OsStr::new("installed")];
    assert!(tally().ok(no_server).contains("\"location\""));
}

#[test]
fn a_ledger_that_went_back_is_damage() {
    let mut desk = Desk::new();
    drop(desk.serving.take().unwrap().terminate().expect_code(0));
    let (dir, copy) = (desk.founded.dir().to_owned(), desk.founded.workplace().join("copy"));
    let copy_all = |from: &PathBuf, to: &PathBuf| {
        let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
        assert!(copied.success());
    };
    copy_all(&dir, &copy);
    let start = |desk: &mut Desk| {
        let serving = desk.founded.serve();
        desk.url = serving.url();
        desk.serving = Some(serving);
    };
    start(&mut desk);
    let mut desk = desk.delivered();
    drop(desk.serving.take().unwrap().terminate().expect_code(0));
    fs::remove_dir_all(&dir).unwrap();
    copy_all(&copy, &dir);
    start(&mut desk);
    let back = desk.run(&["log", "checkpoint"]).expect_code(4);
    assert_says(&back, &["the ledger went back", "tell whoever runs the ledger"]);
    let back = desk.run(&["show", PLATE]).expect_code(4);
    assert_says(&back, &["the ledger went back"]);
}

#[test]
fn who_asks_decides_what_is_shown_and_a_token_says_so_elsewhere() {
    let desk = Desk::new().delivered();
    let (seen, hidden) = (["at_mine", "Qinyuan Coal"], "not shown");
    for asks in [desk.as_mine(), desk.as_maker()] {
        let shown = desk.run(&[&["show", PLATE][..], &asks].concat()).expect_code(0);
        assert_says(&shown, &seen);
        assert!(!shown.stdout.contains(hidden), "{shown}");
        drop(desk.run(&[&["history", PLATE][..], &asks].concat()).expect_code(0));
    }
    // Anyone sees the plate, and a history that closes.
    let shown = desk.run_as_given(&["show", PLATE]).expect_code(0);
    assert_says(&shown, &[PLATE, "MEA130001", "made by", "Qinyuan Works", hidden]);
    assert!(!shown.stdout.contains("Qinyuan Coal"), "{shown}");
    let history = desk.run_as_given(&["history", PLATE]).expect_code(0);
    assert_says(&history, &["complete but for 2 entries withheld, at most 2 of them on the chain"]);
    let refused = desk.run_as_given(&["list"]).expect_code(1);
    assert_says(&refused, &["TOKEN_MISSING", "--organisation UUID --role ROLE --key FILE"]);
    let recovery = desk.key("mine-recovery");
    let asks = ["--organisation", &desk.operator, "--role", "mine", "--key", &recovery];
    let refused = desk.run(&[&["list"][..], &asks].concat()).expect_code(1);
    assert_says(&refused, &["TOKEN_KEY_UNKNOWN", "not be its recovery key"]);
    let half = desk.run(&["list", "--key", &desk.mine_key]).expect_code(2);
    assert_says(&half, &["it is not said whose --key this is", "--organisation UUID", "--role ROLE"]);
    let asks = ["--organisation", &desk.operator, "--role", "regulator", "--key", &desk.mine_key];
    assert_says(&desk.run(&[&["list"][..], &asks].concat()).expect_code(1), &["TOKEN_ROLE_NOT_HELD"]);

    let token = desk.ok(&[&["token", "--minutes", "15"][..], &desk.as_mine()].concat());
    let token = tally_core::token::UnverifiedToken::parse(token.trim_end()).unwrap();
    assert_eq!(token.issuer(), desk.operator);
    drop(desk.run(&[&["token", "--minutes", "16"][..], &desk.as_mine()].concat()).expect_code(2));
    assert_says(&desk.run(&["token"]).expect_code(2), &["--key is not given"]);
}

#[test]
fn what_was_refused_is_shown_to_whose_it_is_and_said_to_be_under_no_checkpoint() {
    let desk = Desk::new().delivered();
    let ahead = ["noted", PLATE, "--set", "text=x", "--occurred-at", "2199-01-01T00:00:00+08:00"];
    assert_says(&desk.mine_records(&ahead).expect_code(1), &["OCCURRED_IN_FUTURE"]);
    let asked = |asks: &[&str]| parse(&desk.ok(&[&["refusals", "--output", "json"][..], asks].concat()));
    let deadline = tally_testkit::wait::deadline_in(std::time::Duration::from_secs(20));
    let listed = loop {
        let listed = asked(&desk.as_mine());
        if listed["refusals"].as_array().is_some_and(|refusals| !refusals.is_empty()) {
            break listed;
        }
        assert!(!tally_testkit::wait::time_left(deadline).is_zero(), "it is never kept");
    };
    let refused = &listed["refusals"][0];
    assert_eq!((&refused["reason"], &refused["kind"]), (&json!("OCCURRED_IN_FUTURE"), &json!("Noted")));
    assert_eq!(refused["event"]["statement"]["noted"]["text"], json!("x"), "{refused}");
    let shown = desk.run(&[&["refusals"][..], &desk.as_mine()].concat()).expect_code(0);
    assert_says(&shown, &["Qinyuan Coal", "OCCURRED_IN_FUTURE", "1 refusal", "under no checkpoint"]);
    let of_maker = asked(&desk.as_maker());
    assert!(of_maker["refusals"].as_array().is_none_or(Vec::is_empty), "{of_maker}");
    assert_says(&desk.run(&["refusals"]).expect_code(2), &["--key is not given"]);
}

#[test]
fn another_address_than_loopback_needs_a_word() {
    let founded = tally().init("cli.example/plain");
    let dir = founded.dir().to_str().unwrap().to_owned();
    let refused = tally().run(["serve", &dir, "--listen", "0.0.0.0:0"]).expect_code(2);
    assert_says(&refused, &["nothing is encrypted", "--insecure-plaintext"]);
}
