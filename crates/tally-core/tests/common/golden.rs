//! Golden files: `UPDATE_GOLDEN=1` rewrites them, and a human reads the difference.

use std::path::PathBuf;

/// A path below the root of the workspace.
pub(crate) fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(relative)
}

/// Compares a text with a file of the workspace.
pub(crate) fn assert_golden(relative: &str, text: &str) {
    let path = path(relative);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if text == golden {
        return;
    }
    let line = text.lines().zip(golden.lines()).position(|(new, old)| new != old);
    let line = line.unwrap_or(text.lines().count().min(golden.lines().count()));
    panic!(
        "{relative} is not what the code says, first in line {}:\n- {}\n+ {}\nUPDATE_GOLDEN=1 rewrites it; read the difference",
        line + 1,
        golden.lines().nth(line).unwrap_or("(nothing)"),
        text.lines().nth(line).unwrap_or("(nothing)"),
    );
}
