//! Audits the published log: whole it verifies, and every variant is taken or refused as the publisher says.
//!
//! `TALLY_VECTORS` names the folder that holds the vectors. Cases that the specification leaves open may go either way.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers of tests fail by panic, too; what is skipped is said"
)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::copy_directory;
use serde::Deserialize;
use tally_log::note::VerifierKey;
use tally_server::audit::{self, Against, Auditor, Report};

/// The published log.
#[derive(Deserialize)]
struct Published {
    log_vkey: String,
    figures: Figures,
    checkpoints: Vec<u64>,
    batches: Vec<Batch>,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct Figures {
    entries: u64,
    events: u64,
    batches: u64,
    hands: u64,
}

/// What holds after a batch.
#[derive(Deserialize)]
struct Batch {
    size: u64,
    heads_root: String,
    tree_root: String,
}

/// The log with something changed.
#[derive(Deserialize)]
struct Variant {
    why: String,
    resigned: bool,
    expect: String,
    reason: Option<String>,
    edits: Vec<Edit>,
}

#[derive(Deserialize)]
struct Edit {
    file: String,
    #[serde(default)]
    offset: usize,
    #[serde(default)]
    remove: usize,
    #[serde(default)]
    insert: String,
    #[serde(default)]
    delete: bool,
    create: Option<String>,
}

struct Vectors {
    log: PathBuf,
    published: Published,
}

/// The vectors, or a word on why nothing is run.
fn vectors() -> Option<Vectors> {
    let Some(root) = std::env::var_os("TALLY_VECTORS") else {
        eprintln!("skipped: TALLY_VECTORS is not set, log.json was not run");
        return None;
    };
    let folder = PathBuf::from(root).join("tally");
    let published = serde_json::from_slice(&fs::read(folder.join("log.json")).unwrap()).unwrap();
    Some(Vectors { log: folder.join("log"), published })
}

impl Vectors {
    fn against(&self, kept: Option<Vec<u8>>) -> Against {
        Against { log_key: VerifierKey::parse(&self.published.log_vkey).unwrap(), kept }
    }

    fn verify(&self, log: &Path) -> Report {
        audit::verify(log, &self.against(None), &mut |_| {})
            .unwrap_or_else(|error| panic!("{}: {error}", log.display()))
    }

    fn note(&self, size: u64) -> Vec<u8> {
        let older = self.log.join(format!("checkpoint.{size}"));
        fs::read(if size == self.published.figures.entries { self.log.join("checkpoint") } else { older }).unwrap()
    }
}

/// Makes the edits of a variant, from the back of each file to its front.
fn edit(log: &Path, edits: &[Edit]) {
    for edit in edits.iter().rev() {
        let path = log.join(&edit.file);
        if edit.delete {
            fs::remove_file(&path).unwrap();
        } else if let Some(content) = &edit.create {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, hex::decode(content).unwrap()).unwrap();
        } else {
            let mut bytes = fs::read(&path).unwrap();
            let insert = hex::decode(&edit.insert).unwrap();
            bytes.splice(edit.offset..edit.offset + edit.remove, insert);
            fs::write(&path, bytes).unwrap();
        }
    }
}

/// A copy that may be changed, whatever the modes of the original.
fn copy(log: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    copy_directory(log, to);
    make_writable(to);
}

fn make_writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| make_writable(&entry.unwrap().path()));
    }
}

#[test]
fn the_published_log_is_whole() {
    let Some(vectors) = vectors() else { return };
    let report = vectors.verify(&vectors.log);
    assert_eq!(report.wrong, Vec::<String>::new());
    let Figures { entries, events, batches, hands } = vectors.published.figures;
    assert_eq!((report.size.get(), report.events, report.batches), (entries, events, batches));
    assert_eq!(report.signatures, events + hands, "each issuer's and each hand's");
    let last = vectors.published.batches.last().unwrap();
    assert_eq!(
        (hex::encode(report.root.as_bytes()), hex::encode(report.heads_root.as_bytes())),
        (last.tree_root.clone(), last.heads_root.clone())
    );
    assert_eq!(report.checkpoint_size, Some(report.size));
}

#[test]
fn every_batch_of_the_published_log_has_the_published_roots() {
    let Some(vectors) = vectors() else { return };
    // Entries as they lie in the bundles: u16 length, then the entry.
    let mut entries = Vec::new();
    let mut bundles: Vec<PathBuf> = Vec::new();
    let mut folders = vec![vectors.log.join("tile").join("entries")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { bundles.push(path) }
        }
    }
    bundles.sort();
    for bundle in &bundles {
        let bytes = fs::read(bundle).unwrap();
        let mut rest = bytes.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk::<2>() {
            let (entry, behind) = behind.split_at(u16::from_be_bytes(*length).into());
            entries.push(entry.to_vec());
            rest = behind;
        }
    }
    assert_eq!(entries.len() as u64, vectors.published.figures.entries);
    let keys = fs::read_to_string(vectors.log.join("keys.txt")).unwrap();
    let keys = keys.lines().filter_map(|line| line.split([' ', ',']).rfind(|part| !part.is_empty()));
    let keys = keys.map(|key| tally_core::key::PublicKey::parse(&hex::decode(key).unwrap()).unwrap());
    let mut auditor = Auditor::new(vectors.against(None).log_key, keys);
    let mut tree = tally_log::tree::Tree::new();
    let mut batches = vectors.published.batches.iter();
    let mut due = batches.next();
    for (position, entry) in entries.iter().enumerate() {
        auditor.read(entry).unwrap();
        assert!(tree.append(&[tally_log::LeafHash::of(entry)]));
        let size = position as u64 + 1;
        if let Some(batch) = due.filter(|batch| batch.size == size) {
            auditor.finish().unwrap();
            assert_eq!(hex::encode(auditor.heads_root().as_bytes()), batch.heads_root, "heads root at size {size}");
            assert_eq!(hex::encode(tree.root().as_bytes()), batch.tree_root, "tree root at size {size}");
            due = batches.next();
        } else {
            auditor.finish().unwrap_err();
        }
    }
    assert!(due.is_none(), "every batch was seen");
}

#[test]
fn every_older_checkpoint_is_of_this_log_and_none_of_another() {
    let Some(vectors) = vectors() else { return };
    for size in vectors.published.checkpoints.iter().copied() {
        let against = vectors.against(Some(vectors.note(size)));
        let report = audit::verify(&vectors.log, &against, &mut |_| {}).unwrap();
        assert_eq!(report.wrong, Vec::<String>::new(), "kept at {size}");
        let mut forged = vectors.note(size);
        let byte = forged.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        forged[byte] = if forged[byte] == b'1' { b'2' } else { b'1' };
        audit::verify(&vectors.log, &vectors.against(Some(forged)), &mut |_| {}).unwrap_err();
    }
}

#[test]
fn every_variant_is_taken_or_refused_as_published() {
    let Some(vectors) = vectors() else { return };
    let workplace = tempfile::tempdir().unwrap();
    let log = workplace.path().join("log");
    let (mut refused, mut taken) = (0, 0);
    let mut differ = Vec::new();
    for variant in &vectors.published.variants {
        copy(&vectors.log, &log);
        edit(&log, &variant.edits);
        // What cannot even be read as a log is refused, too.
        let verdict = audit::verify(&log, &vectors.against(None), &mut |_| {});
        let wrong = match &verdict {
            Ok(report) => report.wrong.clone(),
            Err(error) => vec![error.to_string()],
        };
        let fits = match variant.expect.as_str() {
            "accept" => wrong.is_empty(),
            "reject" => !wrong.is_empty(),
            "either" => true,
            other => panic!("{other} is no verdict"),
        };
        if !fits {
            differ.push(format!(
                "{} ({:?}, resigned {}): is to be {}, we say {wrong:?}",
                variant.why, variant.reason, variant.resigned, variant.expect
            ));
        }
        if wrong.is_empty() { taken += 1 } else { refused += 1 }
    }
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
    assert!(refused > 0 && taken > 0, "{refused} refused, {taken} taken");
}
