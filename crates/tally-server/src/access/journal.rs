//! The access log: who was refused, and who was shown what by office; lines of JSON that outlive the process.
//!
//! Two files, so that a stranger who is refused a million times does not push out what a regulator was shown.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};
use tally_core::{access::Caller, authority::role_name, time::Timestamp};

/// Bytes of one file before it is put aside.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Files that are kept of each: the one that grows, and those that were put aside before.
pub const FILES_MAX: usize = 4;
/// Characters of a subject that a line takes: whoever asks chooses it.
const SUBJECT_CHARS_MAX: usize = 256;

/// Who did what when.
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) method: &'static str,
    pub(super) peer: Option<SocketAddr>,
    pub(super) caller: Option<Caller>,
}

/// The files of an access log.
pub struct Journal {
    revealed: Mutex<Rolling>,
    refused: Mutex<Rolling>,
}

impl Journal {
    /// Opens `access.log` and `access-refused.log` in a directory; makes what is not there.
    ///
    /// # Errors
    /// Where a file cannot be had.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Self::open_bounded(dir, FILE_BYTES_MAX)
    }

    fn open_bounded(dir: &Path, bytes_max: u64) -> io::Result<Self> {
        let open = |name: &str| Rolling::open(dir.join(name), bytes_max).map(Mutex::new);
        Ok(Self { revealed: open("access.log")?, refused: open("access-refused.log")? })
    }

    /// Writes down what was revealed. It is with the operating system when this returns.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn revealed(&self, line: &Line, subject: &str, entries: usize) -> io::Result<()> {
        append(&self.revealed, &members(line, subject, ("entries", entries.into())))
    }

    /// Writes down what was refused, to the operator's log, too.
    pub(super) fn refused(&self, line: &Line, subject: &str, reason: &'static str) {
        let json = members(line, subject, ("reason", reason.into()));
        tracing::warn!(
            target: "tally::access",
            organisation = line.caller.map(|caller| caller.organisation.to_string()),
            role = line.caller.map(|caller| role_name(caller.role)),
            method = line.method,
            subject,
            reason,
            peer = line.peer.map(|peer| peer.to_string()),
            "refused"
        );
        // It was refused all the same.
        if let Err(error) = append(&self.refused, &json) {
            tracing::error!(target: "tally::access", %error, "the access log cannot be written");
        }
    }
}

fn members(line: &Line, subject: &str, (name, value): (&str, Value)) -> Value {
    let Line { at, method, peer, caller } = line;
    json!({
        name: value,
        "at": at.to_string(),
        "method": method,
        "organisation": caller.map(|caller| caller.organisation.to_string()),
        "role": caller.map(|caller| role_name(caller.role)),
        "key": caller.map(|caller| caller.key_id.to_string()),
        "peer": peer.map(|peer| peer.to_string()),
        "subject": subject.chars().take(SUBJECT_CHARS_MAX).collect::<String>(),
    })
}

fn append(file: &Mutex<Rolling>, json: &Value) -> io::Result<()> {
    file.lock().unwrap_or_else(PoisonError::into_inner).append(format!("{json}\n").as_bytes())
}

/// A file that is put aside when it is full, and the few that were put aside before.
struct Rolling {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl Rolling {
    fn open(path: PathBuf, bytes_max: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        // It tells who looked at whom.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes, bytes_max })
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(length) > self.bytes_max {
            self.put_aside()?;
        }
        // One write, so that a process that is killed leaves no half line before another's.
        self.file.write_all(line)?;
        self.bytes = self.bytes.saturating_add(length);
        Ok(())
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let numbered = |number: usize| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..FILES_MAX - 1).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        fs::rename(&self.path, numbered(1))?;
        *self = Self::open(self.path.clone(), self.bytes_max)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Line = Line { at: Timestamp::from_micros(0), method: "GetEvent", peer: None, caller: None };

    fn lines(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn lines_outlive_the_process_and_old_files_are_few() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for number in 0..40 {
            // Opened anew each time, as by a server that was started again.
            let journal = Journal::open_bounded(dir.path(), 500).unwrap();
            journal.revealed(&LINE, &format!("number {number}"), 1).unwrap();
        }
        let mut kept = Vec::new();
        for name in ["access.log.3", "access.log.2", "access.log.1", "access.log"] {
            assert!(fs::metadata(path(name)).unwrap().len() <= 500, "{name}");
            kept.extend(lines(&path(name)).into_iter().map(|line| line["subject"].as_str().unwrap().to_owned()));
        }
        assert!(!path("access.log.4").exists());
        let due: Vec<String> = (40 - kept.len()..40).map(|number| format!("number {number}")).collect();
        assert_eq!(kept, due, "the newest, in order, none left out");
    }

    #[test]
    fn refusals_do_not_push_out_what_was_revealed() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open_bounded(dir.path(), 500).unwrap();
        journal.revealed(&LINE, "a mine", 3).unwrap();
        for _ in 0..100 {
            journal.refused(&LINE, &"x".repeat(10_000), "TOKEN_MISSING");
        }
        let revealed = lines(&dir.path().join("access.log"));
        assert_eq!(revealed.len(), 1);
        assert_eq!((revealed[0]["subject"].as_str(), revealed[0]["entries"].as_u64()), (Some("a mine"), Some(3)));
        let refused = lines(&dir.path().join("access-refused.log"));
        assert_eq!(refused[0]["reason"], "TOKEN_MISSING");
        assert_eq!(refused[0]["subject"].as_str().unwrap().len(), SUBJECT_CHARS_MAX);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_who_looked_at_whom() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        drop(Journal::open(dir.path()).unwrap());
        for name in ["access.log", "access-refused.log"] {
            assert_eq!(fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
