//! Publications as a user meets them: the real program, a real server, tables on disk.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

use std::{fs, io::Write as _, path::PathBuf, process::Stdio};

use serde_json::Value;
use tally_client::publication::{TableKind, defaults};
use tally_testkit::binary::{Finished, Founded, Serving, Tally};

fn tally() -> Tally {
    Tally::new(env!("CARGO_BIN_EXE_tally"))
}

/// A ledger that is served, with nobody but its registrar.
struct Desk {
    founded: Founded,
    serving: Serving,
    registrar: String,
}

impl Desk {
    fn new() -> Self {
        let founded = tally().init("publish.example/demo");
        let serving = founded.serve();
        let mut desk = Self { founded, serving, registrar: String::new() };
        desk.registrar = text(&desk.json(&["org", "list"])["organisations"][0]["id"]);
        desk
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with(arguments, "")
    }

    /// Runs a command with something on its stdin.
    fn run_with(&self, arguments: &[&str], stdin: &str) -> Finished {
        let mut command = tally().command(arguments);
        command
            .env("TALLY_SERVER", self.serving.url())
            .env("TALLY_LOG_KEY", self.founded.log_pub())
            .env("TALLY_STATE", self.founded.workplace().join("state"))
            .stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads no stdin may have ended.
        drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let command = format!("tally {}", arguments.join(" "));
        Finished { command, status: output.status, stdout: said(output.stdout), stderr: said(output.stderr) }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        parse(&self.run(&[arguments, &["--output", "json"]].concat()).expect_code(0).stdout)
    }

    fn as_registrar(&self, arguments: &[&str]) -> Finished {
        let key = self.founded.registrar_key();
        let signing = ["--organisation", &self.registrar, "--role", "registrar", "--key", key.to_str().unwrap()];
        self.run(&[arguments, &signing].concat())
    }

    fn as_registrar_json(&self, arguments: &[&str]) -> Value {
        parse(&self.as_registrar(&[arguments, &["--output", "json"]].concat()).expect_code(0).stdout)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.founded.workplace().join(name)
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

/// A table as a file in this repository: without mark, with line feeds.
fn plain(table: &str) -> String {
    table.trim_start_matches('\u{FEFF}').replace("\r\n", "\n")
}

#[test]
fn defaults_are_published_as_one_set_and_read_back_as_they_are() {
    let desk = Desk::new();
    let published = desk.as_registrar_json(&["publish", "defaults", "--from", "2026-01-01"]);
    let receipts = published["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 4);
    let first: u64 = text(&receipts[0]["position"]).parse().unwrap();
    let tables: [&[TableKind]; 4] = [
        &[TableKind::Categories, TableKind::Selectors],
        &[TableKind::Schedule],
        &[TableKind::PhaseOut],
        &[TableKind::Policy],
    ];
    for ((receipt, tables), place) in receipts.iter().zip(tables).zip(first..) {
        assert_eq!(text(&receipt["position"]), place.to_string(), "one set stands together");
        let publication = text(&receipt["subject"]);
        assert_eq!(publication, format!("publication/{}", text(&receipt["eventId"])));
        for kind in tables {
            let shown = desk.run(&["publish", "show", kind.name(), &publication]).expect_code(0);
            assert!(shown.stdout.starts_with('\u{FEFF}'), "spreadsheets need the mark");
            assert_eq!(plain(&shown.stdout), defaults::text(*kind), "{kind:?}");
            let other = if *kind == TableKind::Policy { "schedule" } else { "policy" };
            let missing = desk.run(&["publish", "show", other, &publication]).expect_code(1);
            assert!(missing.stderr.contains(&format!("holds no {other}")), "{missing}");
        }
        let history = desk.run(&["history", &publication]).expect_code(0);
        assert!(history.stdout.contains("nothing left out"), "{history}");
    }
    let checked = desk.run(&["log", "verify", desk.founded.log().to_str().unwrap()]).expect_code(0);
    assert!(checked.stdout.contains("whole") || checked.stderr.contains("whole"), "{checked}");
}

#[test]
fn a_ledger_can_be_founded_with_the_defaults_in_it() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ledger");
    let flags = ["--origin", "publish.example/test", "--publish-defaults", "--from", "2026-01-01", "--output", "json"];
    let founded = tally().ok([&["init", dir.to_str().unwrap()], &flags[..]].concat());
    let publications = parse(&founded)["publications"].clone();
    assert_eq!(publications.as_array().unwrap().len(), 4);
    drop(tally().ok(["log", "verify", dir.join("log").to_str().unwrap()]));
    let mut command = tally().command(["serve", dir.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    command.env("TALLY_LOG", "warn");
    let serving = Serving::start(command);
    let (url, log_key) = (serving.url(), dir.join("log.pub"));
    let reach = ["--server", &url, "--log-key", log_key.to_str().unwrap()];
    let shown = tally().ok([&["publish", "show", "schedule", &text(&publications[1])], &reach[..]].concat());
    assert_eq!(plain(&shown), defaults::text(TableKind::Schedule));

    let dir = parent.path().join("other");
    let wrong = tally().run(["init", dir.to_str().unwrap(), "--origin", "a", "--publish-defaults", "--from", "May"]);
    drop(wrong.expect_code(2));
    assert!(!dir.exists(), "a day that is none leaves no ledger behind");
}

#[test]
fn a_table_is_shown_edited_checked_published_and_withdrawn() {
    let desk = Desk::new();
    let table = desk.run(&["publish", "show", "schedule"]).expect_code(0).stdout;
    let row = table.lines().find(|line| line.starts_with("S-MON-01,")).unwrap().to_owned();
    assert!(row.contains(",15,day,"), "{row}");
    let header = table.lines().next().unwrap();
    let stricter = desk.file("stricter.csv", &format!("{header}\r\n{}\r\n", row.replace(",15,day,", ",7,day,")));
    let checked = desk.run(&["publish", "check", &stricter]).expect_code(0);
    assert_eq!(checked.stdout, "schedule: 1 row can be published\n");
    assert_eq!(checked.stderr, "");

    let flags = ["--title", "甘肃省检修周期", "--document-no", "甘〔2026〕1号", "--from", "2026-05-01", "--area", "62"];
    let size = desk.tree_size();
    let dry = desk.as_registrar(&[&["publish", "schedule", &stricter], &flags[..], &["--dry-run"]].concat());
    let dry = dry.expect_code(0);
    for due in ["PUBLICATION_LAYER_AREA", "\"62\"", "甘肃省检修周期", "\"interval\": 7"] {
        assert!(dry.stdout.contains(due), "{due} is not shown\n{dry}");
    }
    assert_eq!(desk.tree_size(), size, "a dry run records nothing");
    let receipt = desk.as_registrar_json(&[&["publish", "schedule", &stricter], &flags[..]].concat());
    let publication = text(&receipt["subject"]);
    let shown = desk.run(&["publish", "show", "schedule", &publication]).expect_code(0).stdout;
    assert_eq!(plain(&shown), plain(&fs::read_to_string(&stricter).unwrap()));
    let rows = desk.json(&["publish", "show", "schedule", &publication]);
    assert_eq!(rows["rows"][0]["interval"], 7);

    let withdraw = ["publish", "withdraw", &publication, "--from", "2026-12-01", "--reason", "replaced"];
    drop(desk.as_registrar(&withdraw).expect_code(0));
    let shown = desk.run(&["publish", "show", "schedule", &publication]).expect_code(0);
    assert!(shown.stderr.contains("withdrawn from 2026-12-01") && shown.stderr.contains("replaced"), "{shown}");
    let nobody = "publication/01a20ef6-8404-76d9-9f3f-5b2e26d900e1";
    drop(desk.run(&["publish", "show", "schedule", nobody]).expect_code(1));
    drop(desk.run(&["publish", "show", "schedule", &format!("mine/{}", &nobody[12..])]).expect_code(2));
}

#[test]
fn categories_and_selectors_make_one_publication_in_either_order() {
    let desk = Desk::new();
    let tables = ["categories", "selectors"].map(|name| {
        let table = desk.run(&["publish", "show", name]).expect_code(0).stdout;
        desk.file(&format!("{name}.csv"), &table)
    });
    let flags = ["--title", "类别", "--from", "2026-05-01"];
    let with = ["publish", "categories", &tables[1], "--with", &tables[0]];
    let receipt = desk.as_registrar_json(&[&with[..], &flags].concat());
    let publication = text(&receipt["subject"]);
    for kind in [TableKind::Categories, TableKind::Selectors] {
        let shown = desk.run(&["publish", "show", kind.name(), &publication]).expect_code(0).stdout;
        assert_eq!(plain(&shown), defaults::text(kind));
    }
    let twice = ["publish", "categories", &tables[0], "--with", &tables[0]];
    let refused = desk.as_registrar(&[&twice[..], &flags].concat()).expect_code(2);
    assert!(refused.stderr.contains("a second table of categories"), "{refused}");

    let phase_out = desk.run(&["publish", "show", "phase-out"]).expect_code(0).stdout;
    let file = desk.file("list.csv", &phase_out);
    let listed = ["publish", "phase-out", &file, "--list", "淘汰目录", "--title", "目录", "--from", "2026-05-01"];
    let receipt = desk.as_registrar_json(&listed);
    let shown = desk.run(&["publish", "show", "phase-out", &text(&receipt["subject"])]).expect_code(0).stdout;
    assert_eq!(plain(&shown), plain(&phase_out));
}

#[test]
fn nothing_of_a_table_with_a_problem_is_published() {
    let desk = Desk::new();
    let size = desk.tree_size();
    let bad = "rule,key,value\nEX-002,valid_days,3\nEX-002,hours,1\nFLT-002,days,many\n";
    let file = desk.file("policy.csv", bad);
    let flags = ["--title", "x", "--from", "2026-05-01"];
    for (arguments, stdin) in [(["publish", "policy", &file], ""), (["publish", "policy", "-"], bad)] {
        let key = desk.founded.registrar_key();
        let signing = ["--organisation", &desk.registrar, "--role", "registrar", "--key", key.to_str().unwrap()];
        let refused = desk.run_with(&[&arguments[..], &flags, &signing].concat(), stdin).expect_code(1);
        for due in ["2 problems", "line 3", "line 4", "nothing was published", "tally publish check"] {
            assert!(refused.stderr.contains(due), "{due} is not said\n{refused}");
        }
    }
    assert_eq!(desk.tree_size(), size);
    let checked = desk.run(&["publish", "check", &file, "--output", "json"]).expect_code(1);
    let report = parse(&checked.stdout);
    assert_eq!((&report["table"], &report["rows"]), (&"policy".into(), &Value::Null));
    let lines: Vec<_> = report["problems"].as_array().unwrap().iter().map(|problem| &problem["line"]).collect();
    assert_eq!(lines, [3, 4]);

    // 煤矿 in GB18030, first as what it is not.
    let bytes = [b"rule,key,value,note\nEX-002,valid_days,3,", &[0xC3, 0xBA, 0xBF, 0xF3][..], b"\n"].concat();
    let path = desk.path("gb.csv");
    fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    let refused = desk.run(&["publish", "check", path]).expect_code(1);
    assert!(refused.stdout.contains("line 2, column note") && refused.stdout.contains("GB18030"), "{refused}");
    drop(desk.run(&["publish", "check", path, "--encoding", "gb18030"]).expect_code(0));
    drop(desk.run(&["publish", "check", "absent.csv"]).expect_code(2));
}

#[test]
fn a_mine_publishes_for_itself_and_not_for_the_nation() {
    let desk = Desk::new();
    for name in ["mine", "mine-recovery"] {
        drop(desk.run(&["key", "generate", desk.path(&format!("{name}.key")).to_str().unwrap()]).expect_code(0));
    }
    let (key, recovery) = (desk.path("mine.key"), desk.path("mine-recovery.key"));
    let (key, recovery) = (key.to_str().unwrap(), recovery.to_str().unwrap());
    let register = ["org", "register", "--name", "Qinyuan Coal", "--scheme", "other", "--number", "C1"];
    let receipt = desk.as_registrar_json(&[&register[..], &["--first-key", key, "--recovery-key", recovery]].concat());
    let operator = text(&receipt["subject"]).strip_prefix("organisation/").unwrap().to_owned();
    let register = ["mine", "register", "--name", "Qinyuan No. 2", "--scheme", "other", "--number", "M2"];
    let receipt = desk.as_registrar_json(&[&register[..], &["--operator", &operator]].concat());
    let mine = text(&receipt["subject"]).strip_prefix("mine/").unwrap().to_owned();
    drop(desk.as_registrar_json(&["org", "grant", &operator, "mine", "--mine", &mine, "--from", "2020-01-01"]));

    let table = desk.run(&["publish", "show", "schedule"]).expect_code(0).stdout;
    let file = desk.file("schedule.csv", &table);
    let signing = ["--organisation", &operator, "--role", "mine", "--key", key];
    let publish = ["publish", "schedule", &file, "--title", "本矿检修周期", "--from", "2026-05-01"];
    let refused = desk.run(&[&publish[..], &signing].concat()).expect_code(1);
    assert!(refused.stderr.contains("nothing was recorded"), "{refused}");
    drop(desk.run(&[&publish[..], &["--mine", &mine], &signing].concat()).expect_code(0));
    drop(desk.run(&[&publish[..], &["--layer", "group"], &signing].concat()).expect_code(0));
    let wrong = desk.run(&[&publish[..], &["--layer", "nation", "--mine", &mine], &signing].concat()).expect_code(2);
    assert!(wrong.stderr.contains("only the layer mine has one"), "{wrong}");
}
