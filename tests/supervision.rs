//! A regulator's desk: the real program against a real server, files on disk.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]

use std::fs;

use serde_json::Value;
use tally_client::{Client, Options, verify::Trust};
use tally_proto::v1::{self, ServiceState, statement::Body};
use tally_testkit::{
    binary::{Finished, Founded, Serving, Tally},
    scene::{MINE, REGULATOR, Scene},
};

fn tally() -> Tally {
    Tally::new(env!("CARGO_BIN_EXE_tally"))
}

struct Desk {
    founded: Founded,
    serving: Serving,
    scene: Scene,
    registrar: String,
}

impl Desk {
    /// A mine with a machine that is stopped by order and used all the same.
    fn new() -> Self {
        let founded = tally().init("supervision.example/demo");
        let scene = founded.scene(7).everybody();
        let machine = scene.machine("=MG1").reach(ServiceState::InUse);
        scene.stop_use(REGULATOR, &[&machine], &[MINE]).record();
        let duty = v1::DutyChanged { duty: v1::Duty::Standby.into(), reason: "=HYPERLINK(\"x\")".to_owned() };
        scene.sketch(MINE, machine.subject(), Body::DutyChanged(duty)).record();
        let serving = founded.serve_with(["--accept-clock"]);
        let trust = Trust::parse(&fs::read_to_string(founded.log_pub()).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::connect(&serving.url(), trust, Options::default()).await.unwrap();
            for group in &scene.groups()[1..] {
                match group.as_slice() {
                    [event] => drop(client.record(event).await.unwrap()),
                    set => drop(client.record_set(set).await.unwrap()),
                }
            }
        });
        let mut desk = Self { founded, serving, scene, registrar: String::new() };
        let listed = desk.run(&["org", "list", "--role", "registrar", "--output", "json"]);
        let listed: Value = serde_json::from_str(&listed.expect_code(0).stdout).unwrap();
        desk.registrar = listed["organisations"][0]["id"].as_str().unwrap().to_owned();
        desk
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = tally().command(arguments);
        command.env("TALLY_SERVER", self.serving.url()).env("TALLY_LOG_KEY", self.founded.log_pub());
        let output = command.output().unwrap();
        let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let command = format!("tally {}", arguments.join(" "));
        Finished { command, status: output.status, stdout: said(output.stdout), stderr: said(output.stderr) }
    }

    fn ask(&self, arguments: &[&str]) -> Finished {
        let key = self.founded.registrar_key();
        let asking = ["--organisation", &self.registrar, "--role", "registrar", "--key", key.to_str().unwrap()];
        self.run(&[arguments, &asking].concat())
    }

    fn ask_json(&self, arguments: &[&str]) -> Value {
        let found = self.ask(&[arguments, &["--output", "json"]].concat()).expect_code(0);
        serde_json::from_str(&found.stdout).unwrap()
    }
}

#[test]
fn a_regulator_sees_figures_orders_and_what_goes_against_them_and_takes_an_export_home() {
    let desk = Desk::new();
    let mine = desk.scene.party(MINE).mine().to_string();
    let overview = desk.ask(&["overview", &mine]).expect_code(0).stdout;
    assert!(overview.contains("stopped by order 责令停用") && overview.contains("完好率"), "{overview}");
    let figures = desk.ask_json(&["overview", &mine]);
    assert_eq!(figures["overview"]["figures"]["stopUse"], "1", "{figures}");
    let all = desk.ask_json(&["overview", "--area", ""]);
    assert_eq!(all["mines"].as_array().unwrap().len(), 1);

    let orders = desk.ask_json(&["audit", "orders", "--mine", &mine, "--open", "--kind", "stop_use"]);
    let order = orders["orders"][0]["id"].as_str().unwrap().to_owned();
    assert!(desk.ask(&["audit", "orders", "--all"]).expect_code(0).stdout.contains("1 open, 0 ended"));
    let since = desk.ask(&["audit", "since", &order]).expect_code(0).stdout;
    assert!(since.contains("AGAINST IT 违反指令") && since.contains("1 against the order"), "{since}");
    drop(desk.ask(&["audit", "orders", "--kind", "fine"]).expect_code(2));

    // Both forms, and what is read again without a server.
    let place = |name: &str| desk.founded.workplace().join(name).to_str().unwrap().to_owned();
    let (lines, table) = (place("mine.jsonl"), place("mine.csv"));
    drop(desk.ask(&["audit", "export", &mine, "--out", &lines]).expect_code(0));
    let said = desk.ask(&["audit", "export", &mine, "--format", "csv", "--out", &table]).expect_code(0).stdout;
    assert!(said.contains("none of any missing"), "{said}");
    assert_eq!(fs::read(&lines).unwrap(), fs::read(format!("{table}.jsonl")).unwrap());
    let rows = fs::read_to_string(&table).unwrap();
    let entries = fs::read_to_string(&lines).unwrap().lines().filter(|line| line.contains("\"entry\":")).count();
    assert_eq!(rows.lines().count(), entries + 1);
    let guarded = rows.starts_with('\u{FEFF}') && !rows.contains(",=") && !rows.contains(",\"=");
    assert!(guarded && rows.contains("HYPERLINK"), "{rows}");
    drop(desk.ask(&["audit", "export", &mine, "--out", &lines]).expect_code(2));
    let key = desk.founded.log_pub();
    let verify = |file: &str| tally().run(["audit", "verify", file, "--log-key", key.to_str().unwrap()]);
    let proved = verify(&lines).expect_code(0).stdout;
    assert!(proved.contains("none of any missing"), "{proved}");
    let whole = fs::read_to_string(&lines).unwrap();
    let mut cut: Vec<&str> = whole.lines().collect();
    cut.remove(2);
    fs::write(&lines, cut.join("\n")).unwrap();
    drop(verify(&lines).expect_code(1));
    // A period in which nothing was recorded.
    let nothing = desk.ask_json(&["audit", "export", &mine, "--until", "2020-01-01", "--out", &place("nothing.jsonl")]);
    assert_eq!(nothing["entries"], "0");
}
