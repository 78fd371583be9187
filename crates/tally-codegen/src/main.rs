//! Generates the code of tally-proto from `proto/`, without a system protoc.
//!
//! `cargo run -p tally-codegen` rewrites `crates/tally-proto/src/generated`; with `--check` it fails on a difference.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, ensure};
use prost::Message;

const FILES: &[&str] = &[
    "tally/v1/value.proto",
    "tally/v1/mark.proto",
    "tally/v1/publication.proto",
    "tally/v1/supervision.proto",
    "tally/v1/event.proto",
    "tally/v1/proof.proto",
    "tally/v1/ledger_service.proto",
    "tally/v1/subject_service.proto",
    "tally/v1/equipment_service.proto",
    "tally/v1/register_service.proto",
    "tally/v1/log_service.proto",
    "tally/v1/mark_service.proto",
    "tally/v1/finding_service.proto",
    "tally/v1/supervision_service.proto",
    "tally/v1/refusal_service.proto",
];

fn main() -> anyhow::Result<ExitCode> {
    let check = std::env::args().any(|argument| argument == "--check");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("crates/tally-proto/src/generated");

    let descriptors = protox::compile(FILES, [root.join("proto")]).context("proto/ does not compile")?;
    let scratch = tempfile::tempdir()?;
    tonic_prost_build::configure()
        .out_dir(scratch.path())
        .build_transport(false)
        .server_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .compile_fds(descriptors.clone())?;
    fs::write(scratch.path().join("descriptors.bin"), descriptors.encode_to_vec())?;

    fs::create_dir_all(&target)?;
    for name in ["tally.v1.rs", "descriptors.bin"] {
        let new = fs::read(scratch.path().join(name))?;
        let path = target.join(name);
        if check {
            ensure!(fs::read(&path)? == new, "{} is not what proto/ gives; run it without --check", path.display());
        } else {
            fs::write(&path, new)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
