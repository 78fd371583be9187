//! The real program, in a directory of its own, killed when the test ends.
//!
//! The test passes the path, for only it can know it: `Tally::new(env!("CARGO_BIN_EXE_tally"))`.

use std::{
    ffi::OsStr,
    fmt,
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tempfile::TempDir;

use crate::wait::{deadline_in, time_left, wait_for};

/// How long a command may take.
const RUN_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a server may take to listen, or to end after it was asked to.
const SERVE_TIMEOUT: Duration = Duration::from_secs(60);
/// What a server prints before its address.
const LISTENING: &str = "listening on ";

/// The program.
#[derive(Clone, Debug)]
pub struct Tally {
    program: PathBuf,
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// As a person would type it.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it said besides.
    pub stderr: String,
}

impl fmt::Display for Finished {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, status, stdout, stderr } = self;
        write!(out, "$ {command}\n{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

impl Finished {
    /// Checks the exit code.
    ///
    /// # Panics
    /// With the command and all that it printed, if it ended otherwise.
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "exit code {code} was due\n{self}");
        self
    }
}

impl Tally {
    /// The program at this path.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    /// A command that a test may change before it runs. No variable of ours comes in from outside, and no colour out.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TALLY_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it takes longer than two minutes.
    pub fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
        let mut running = Running::start(self.command(arguments));
        running.finish(RUN_TIMEOUT)
    }

    /// Runs a command that is to succeed, and gives what it printed.
    ///
    /// # Panics
    /// With the command and all that it printed, if it does not.
    pub fn ok(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        self.run(arguments).expect_code(0).stdout
    }

    /// Founds a ledger in a temporary directory.
    ///
    /// # Panics
    /// With the command and all that it printed, if that fails.
    #[must_use]
    pub fn init(&self, origin: &str) -> Founded {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("ledger");
        self.ok([OsStr::new("init"), dir.as_os_str(), OsStr::new("--origin"), OsStr::new(origin)]);
        Founded { tally: self.clone(), dir, parent }
    }
}

/// A ledger that `tally init` founded; its directory goes with it.
#[derive(Debug)]
pub struct Founded {
    tally: Tally,
    dir: PathBuf,
    /// Holds the directory of the ledger, and what else a test puts there.
    parent: TempDir,
}

impl Founded {
    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A directory beside it, for outboxes, states and files of the test.
    #[must_use]
    pub fn workplace(&self) -> &Path {
        self.parent.path()
    }

    /// The log's verifier key.
    #[must_use]
    pub fn log_pub(&self) -> PathBuf {
        self.dir.join("log.pub")
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The file of the registrar's key.
    #[must_use]
    pub fn registrar_key(&self) -> PathBuf {
        self.dir.join("keys").join("registrar.key")
    }

    /// A scene that goes on where `tally init` ended, with nobody registered yet.
    ///
    /// # Panics
    /// If the log cannot be read.
    #[cfg(feature = "disk")]
    #[must_use]
    pub fn scene(&self, seed: u64) -> crate::scene::Scene {
        use tally_core::entry::EventEntry;
        use tally_log::{
            LogPosition,
            store::{Options, disk::RealDisk, open_to_read},
        };
        let (reader, _) = open_to_read(Arc::new(RealDisk), &self.log(), &Options::default()).unwrap();
        let stored = reader.read(LogPosition::FIRST).unwrap();
        let entry = EventEntry::parse(&stored.entry).unwrap();
        let envelope = entry.envelope();
        let genesis = tally_proto::v1::SignedEvent {
            payload: envelope.payload.clone(),
            key_id: envelope.key_id.as_bytes().to_vec(),
            signature: envelope.signature.to_vec(),
        };
        let registrar = tally_client::key::SigningKey::read_file(&self.registrar_key()).unwrap();
        crate::scene::Scene::adopted(&genesis, registrar, seed)
    }

    /// Serves it on a free port.
    ///
    /// # Panics
    /// With the command and all that it printed, if it does not come to listen.
    #[must_use]
    pub fn serve(&self) -> Serving {
        self.serve_with([""; 0])
    }

    /// Serves it on a free port, with further flags.
    ///
    /// # Panics
    /// As of [`Founded::serve`].
    pub fn serve_with(&self, flags: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Serving {
        let mut command = self.tally.command([OsStr::new("serve"), self.dir.as_os_str()]);
        command.args(["--listen", "127.0.0.1:0"]).args(flags);
        Serving::start(command)
    }
}

/// A server that runs; killed when it goes out of scope.
#[derive(Debug)]
pub struct Serving {
    running: Running,
    address: SocketAddr,
}

impl Serving {
    /// Starts a command that serves, and reads its address back.
    ///
    /// # Panics
    /// With the command and all that it printed, if it ends or does not come to listen.
    #[must_use]
    pub fn start(command: Command) -> Self {
        let mut running = Running::start(command);
        let deadline = deadline_in(SERVE_TIMEOUT);
        let address = loop {
            if let Some(address) = running.address() {
                break address;
            }
            let ended = running.has_ended();
            if ended || time_left(deadline).is_zero() {
                let why = if ended { "it ended" } else { "it does not listen" };
                panic!("{why}\n{}", running.kill());
            }
            std::thread::park_timeout(Duration::from_millis(5));
        };
        Self { running, address }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it said so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.running.stderr.text()
    }

    /// Whether it runs no more.
    pub fn has_ended(&mut self) -> bool {
        self.running.has_ended()
    }

    /// Kills it with signal 9, and waits until it is gone.
    pub fn kill(mut self) -> Finished {
        self.running.kill()
    }

    /// Asks it to stop with SIGTERM, and waits until it has.
    ///
    /// # Panics
    /// With all that it printed, if it does not end in time.
    pub fn terminate(mut self) -> Finished {
        let id = self.running.child.id().to_string();
        let signalled = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(signalled.success(), "process {id} could not be signalled");
        self.running.finish(SERVE_TIMEOUT)
    }
}

/// A process, and what it printed so far.
#[derive(Debug)]
struct Running {
    words: String,
    child: Child,
    stdout: Heard,
    stderr: Heard,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
        let words = words.join(OsStr::new(" ")).to_string_lossy().into_owned();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{words}: {error}"));
        let stdout = Heard::from(child.stdout.take().unwrap());
        let stderr = Heard::from(child.stderr.take().unwrap());
        Self { words, child, stdout, stderr }
    }

    fn address(&self) -> Option<SocketAddr> {
        let text = self.stdout.text();
        let line = text.lines().find_map(|line| line.strip_prefix(LISTENING))?;
        Some(line.trim().parse().unwrap_or_else(|error| panic!("{line} is no address: {error}")))
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn finish(&mut self, length: Duration) -> Finished {
        let deadline = deadline_in(length);
        while !self.has_ended() {
            if time_left(deadline).is_zero() {
                panic!("not ended within {length:?}\n{}", self.kill());
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        self.finished()
    }

    fn kill(&mut self) -> Finished {
        // An error means that it has ended already.
        drop(self.child.kill());
        self.finished()
    }

    /// Waits for the end, which is near, and for the last of what it printed.
    fn finished(&mut self) -> Finished {
        let status = self.child.wait().unwrap();
        self.stdout.hear_out();
        self.stderr.hear_out();
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        Finished { command: self.words.clone(), status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
            eprintln!("$ {}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", self.words);
        }
    }
}

/// Listens to one end of a process, line by line.
#[derive(Debug)]
struct Heard {
    text: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
}

impl Heard {
    fn from(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let writes = text.clone();
        let listener = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                let mut text = writes.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, listener: Some(listener) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end of the pipe. A grandchild may hold it open for ever, so not for long.
    fn hear_out(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        wait_for("the end of the output", Duration::from_secs(10), || listener.is_finished().then_some(()));
        listener.join().unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Tally::new("/bin/sh").command(["-c", script])
    }

    #[test]
    fn what_a_command_printed_is_in_the_message_of_a_failure() {
        let finished = Tally::new("/bin/sh").run(["-c", "echo out; echo err >&2; exit 3"]);
        let failure = std::panic::catch_unwind(|| finished.clone().expect_code(0)).unwrap_err();
        let said = failure.downcast_ref::<String>().unwrap();
        for part in ["$ /bin/sh -c echo out", "out\n", "err\n", "exit status: 3"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn the_address_is_read_back_and_the_process_killed_at_the_end() {
        let serving = Serving::start(shell("echo listening on 127.0.0.1:1234; echo $$ >&2; exec sleep 100"));
        assert_eq!(serving.url(), "http://127.0.0.1:1234");
        let id = wait_for("the process id", SERVE_TIMEOUT, || serving.stderr().trim().parse::<u32>().ok());
        drop(serving);
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "it runs on");
    }

    #[test]
    fn a_killed_server_has_no_exit_code_and_a_stopped_one_has() {
        let script = "trap 'echo bye; exit 0' TERM; echo listening on 127.0.0.1:1; while :; do sleep 0.01; done";
        let killed = Serving::start(shell(script)).kill();
        assert_eq!(killed.status.code(), None);
        let stopped = Serving::start(shell(script)).terminate().expect_code(0);
        assert!(stopped.stdout.ends_with("bye\n"), "{stopped}");
    }

    #[test]
    fn a_server_that_ends_at_once_is_shown_with_what_it_said() {
        let failure = std::panic::catch_unwind(|| Serving::start(shell("echo no ledger here >&2; exit 2")));
        let failure = failure.unwrap_err();
        let said = failure.downcast_ref::<String>().unwrap();
        assert!(said.contains("it ended") && said.contains("no ledger here"), "{said}");
    }

    #[cfg(feature = "server")]
    #[test]
    fn a_scene_goes_on_where_a_ledger_was_founded() {
        use crate::scene::{KeyUse, REGISTRAR, Scene};
        let founder = Scene::new();
        let parent = tempfile::tempdir().unwrap();
        let founded = Founded { tally: Tally::new("/bin/sh"), dir: parent.path().join("ledger"), parent };
        let layout = tally_server::startup::Layout::new(founded.dir());
        let genesis = founder.genesis().message();
        tally_server::init::found(&layout, &founder.log_signer(), &genesis, founder.now()).unwrap();
        std::fs::create_dir(founded.dir().join("keys")).unwrap();
        founder.key(REGISTRAR, KeyUse::Registrar(0)).create_file(&founded.registrar_key()).unwrap();
        let scene = founded.scene(3);
        assert_eq!(scene.genesis().message(), genesis);
        scene.everybody().machine("MG900/2245").factory_exit();
    }
}
