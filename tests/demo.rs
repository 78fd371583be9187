//! The demo as a user runs it, and README's copy of what it prints.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail by panic, too, and the seed must be seen"
)]

use std::path::{Path, PathBuf};

use tally_testkit::binary::Tally;

fn tally() -> Tally {
    Tally::new(env!("CARGO_BIN_EXE_tally"))
}

/// The command of README.md and the directory that it names.
const COMMAND: &str = "$ cargo run --release -- demo --dir demo";

/// The port differs from run to run.
fn masked(line: &str) -> String {
    match line.split_once("127.0.0.1:") {
        Some((before, _)) => format!("{before}127.0.0.1:PORT"),
        None => line.to_owned(),
    }
}

fn readme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

#[test]
fn demo_prints_what_readme_shows_and_leaves_a_whole_ledger() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ledger");
    let printed = tally().ok(["demo".as_ref(), "--dir".as_ref(), dir.as_os_str()]);
    let printed = printed.replace(&dir.display().to_string(), "demo");
    let printed: Vec<&str> = printed.trim().lines().map(str::trim_end).collect();

    let text = std::fs::read_to_string(readme()).unwrap();
    let (before, after) = text.split_once(COMMAND).expect("README.md has the command");
    let (shown, rest) = after.split_once("```").expect("the block ends");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(readme(), format!("{before}{COMMAND}\n{}\n```{rest}", printed.join("\n"))).unwrap();
    } else {
        let shown: Vec<&str> = shown.trim().lines().map(str::trim_end).collect();
        for (number, (shown, printed)) in shown.iter().zip(&printed).enumerate() {
            assert_eq!(masked(shown), masked(printed), "line {number} is not as README.md shows it; UPDATE_GOLDEN=1");
        }
        assert_eq!(shown.len(), printed.len(), "README.md shows more or fewer lines; UPDATE_GOLDEN=1 rewrites it");
    }

    for file in ["log.pub", "log.key", "fence", "lock", "log/checkpoint", "log/00000000.segment"] {
        assert!(dir.join(file).exists(), "{file} is missing");
    }
    let log = dir.join("log");
    let verified = tally().run(["log".as_ref(), "verify".as_ref(), log.as_os_str()]).expect_code(0);
    assert!(verified.stdout.contains("the log is whole"), "{verified}");

    let out = parent.path().join("out");
    tally().ok(["log".as_ref(), "export".as_ref(), log.as_os_str(), out.as_os_str()]);
    let key = dir.join("log.pub");
    let words = ["log".as_ref(), "verify".as_ref(), out.as_os_str(), "--log-key".as_ref(), key.as_os_str()];
    let exported = tally().run(words).expect_code(0);
    assert!(exported.stdout.contains("the log is whole"), "{exported}");
    let keys = tally().ok(["log".as_ref(), "keys".as_ref(), log.as_os_str()]);
    assert_eq!(std::fs::read_to_string(out.join("keys.txt")).unwrap(), keys);

    let mut segment = std::fs::read(log.join("00000000.segment")).unwrap();
    let last = segment.len() - 1;
    segment[last] ^= 0x80;
    std::fs::write(log.join("00000000.segment"), segment).unwrap();
    let damaged = tally().run(["log".as_ref(), "verify".as_ref(), log.as_os_str()]).expect_code(4);
    assert!(damaged.stdout.contains("00000000.segment: bad checksum at byte"), "{damaged}");
    let refused = tally().run(["serve".as_ref(), dir.as_os_str(), "--accept-clock".as_ref()]).expect_code(4);
    assert!(refused.stderr.contains("00000000.segment"), "{refused}");
}

#[test]
fn the_commands_of_readme_do_what_it_says() {
    let text = std::fs::read_to_string(readme()).unwrap();
    let (_, after) = text.split_once("## A ledger of your own").expect("README.md has the part");
    let (_, block) = after.split_once("```sh\n").expect("commands follow");
    let (commands, _) = block.split_once("```").expect("the block ends");
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_tally")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    // Free a moment ago, and asked for again at once.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = format!("trap 'kill $!' EXIT\nset -e\n{commands}");
    let shell = Tally::new("/bin/sh");
    let mut command = shell.command(["-c", &script]);
    command
        .current_dir(dir.path())
        .env("PATH", path)
        .env("TALLY_LISTEN", format!("127.0.0.1:{port}"))
        .env("TALLY_SERVER", format!("http://127.0.0.1:{port}"));
    let ended = command.output().unwrap();
    let printed = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{printed}\n{}", String::from_utf8_lossy(&ended.stderr));
    for said in [
        "complete 完整: 2 entries, 2 on its chain and 0 by mention, nothing left out",
        "1 machine, complete by mine/ce4a389e-2e62-500d-be03-3f3930c715e2",
        "not on record, and that is proved",
        "the log is whole",
    ] {
        assert!(printed.contains(said), "{said:?} is missing\n{printed}");
    }
}
