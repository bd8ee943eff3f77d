//! A host process: started as a person would start it, stopped as an operator or a power cut would.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use crate::{Answer, Client, Setup};

/// How long a host may take to start, to stop or to say something before the test fails. Machines of CI are slow and busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a host ended.
#[derive(Debug)]
pub struct Exit {
    /// Its status.
    pub status: ExitStatus,
    /// All that it logged.
    pub log: String,
}

/// A running host. Dropping it kills the process and removes its directories.
#[derive(Debug)]
pub struct Host {
    setup: Setup,
    process: Process,
}

#[derive(Debug)]
struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    api: Client,
    admin: Client,
    started_in: Duration,
    /// What it prints behind the two addresses.
    more: Mutex<mpsc::Receiver<String>>,
}

impl Host {
    /// A host without plugins and with the default configuration, to be completed and started.
    pub fn init() -> Setup {
        Setup::new()
    }

    #[track_caller]
    pub(crate) fn start(setup: Setup) -> Self {
        match Self::try_start(setup) {
            Ok(host) => host,
            Err(said) => panic!("the host did not start:\n{said}"),
        }
    }

    pub(crate) fn try_start(setup: Setup) -> Result<Self, String> {
        let process = Process::spawn(&setup)?;
        Ok(Self { setup, process })
    }

    /// The API listener, as anybody.
    pub fn api(&self) -> &Client {
        &self.process.api
    }

    /// The API listener, as the operator.
    pub fn operator(&self) -> Client {
        self.process.api.with_token(&self.token())
    }

    /// The admin listener, as the operator.
    pub fn admin(&self) -> Client {
        self.process.admin.with_token(&self.token())
    }

    /// The admin listener, as anybody.
    pub fn admin_as_anybody(&self) -> &Client {
        &self.process.admin
    }

    /// `GET path`, as anybody.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.api().get(path)
    }

    /// `POST path` with a JSON body, as anybody.
    #[track_caller]
    pub fn post(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.api().post(path, body)
    }

    /// The operator token of this host.
    pub fn token(&self) -> String {
        let file = self.setup.data().join("operator-token");
        fs::read_to_string(file)
            .expect("a started host has an operator token")
            .trim()
            .to_owned()
    }

    /// The path of the link that makes the first administrator, which a host prints that never had one.
    #[track_caller]
    pub fn setup_link(&self) -> String {
        let more = self.process.more.lock().expect("no reader of it panics");
        let url = address(&more, "setup ").expect("a host without an administrator prints a link");
        let path = url.find("/account/").expect("the link leads to a page");
        url[path..].to_owned()
    }

    /// What it was started with; the files may be changed under it.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// How long it took until it listened.
    pub fn started_in(&self) -> Duration {
        self.process.started_in
    }

    /// All that it logged so far.
    pub fn log(&self) -> String {
        self.process
            .log
            .lock()
            .expect("the log's reader does not panic")
            .clone()
    }

    /// Waits until the log contains `text`.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        self.wait_until(&format!("the log to say {text:?}"), || self.log().contains(text));
    }

    /// Waits until `reached`; fails the test where that takes longer than anyone would wait.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut reached: impl FnMut() -> bool) {
        let start = Instant::now();
        while !reached() {
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for {what}; the log:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL, then waits until the process is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGKILL, as `kill`, but through a handle that another thread may hold while this one writes.
    pub fn killer(&self) -> impl FnOnce() + Send + 'static {
        let pid = self.process.pid();
        move || {
            // The process may be gone already.
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// SIGHUP: read the configuration again.
    pub fn reload(&self) {
        kill_process(self.process.pid(), Signal::HUP).expect("the host runs");
    }

    /// SIGTERM; does not wait.
    pub fn ask_to_stop(&self) {
        kill_process(self.process.pid(), Signal::TERM).expect("the host runs");
    }

    /// SIGTERM, then waits for the end.
    #[track_caller]
    pub fn terminate(&mut self) -> Exit {
        self.ask_to_stop();
        self.wait()
    }

    /// Waits for the end.
    #[track_caller]
    pub fn wait(&mut self) -> Exit {
        let mut status = None;
        let start = Instant::now();
        while status.is_none() {
            assert!(
                start.elapsed() < PATIENCE,
                "the host does not stop; the log:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(10));
            status = self.process.child.try_wait().expect("the host is a child of the test");
        }
        Exit {
            status: status.expect("the loop ended"),
            log: self.log(),
        }
    }

    /// Starts it again on the same directories, after `kill` or `terminate`.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        match Process::spawn(&self.setup) {
            Ok(process) => self.process = process,
            Err(said) => panic!("the host did not start again:\n{said}"),
        }
    }

    /// The same without an environment variable that it was started with.
    #[track_caller]
    pub fn restart_without(&mut self, variable: &str) {
        self.setup.environment.retain(|(name, _)| name != variable);
        self.restart();
    }

    /// `portcullis import RESOURCE FILE --rename PAIRS` into this host.
    pub fn import(&self, resource: &str, file: &Path, pairs: &str) -> Output {
        self.to_admin(&["import", resource, &file.to_string_lossy(), "--rename", pairs])
    }

    /// Runs a command of the binary that talks to this host while it runs.
    pub fn to_admin(&self, arguments: &[&str]) -> Output {
        self.command(&[arguments, &["--to", &self.admin_url()]].concat())
    }

    /// `http://ADDR` of the admin API.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.process.admin.authority())
    }

    /// Runs another command of the binary on this host's data directory.
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.command_with_input(arguments, "")
    }

    /// The same, with something on its stdin.
    pub fn command_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut running = Command::new(self.setup.binary())
            .args(arguments)
            .arg("--data")
            .arg(self.setup.data())
            .env_remove("PORTCULLIS_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut stdin = running.stdin.take().expect("stdin is a pipe");
        // A command that reads nothing may have ended already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        running.wait_with_output().expect("the binary ends")
    }
}

impl Process {
    /// Starts the binary and waits for the two lines that it prints when it is ready.
    fn spawn(setup: &Setup) -> Result<Self, String> {
        allow_many_files();
        let start = Instant::now();
        let mut child = Command::new(setup.binary())
            .arg("run")
            .args(["--listen", &setup.listen, "--admin-listen", &setup.admin_listen])
            .arg("--config")
            .arg(setup.config())
            .arg("--data")
            .arg(setup.data())
            .arg("--plugins")
            .arg(setup.plugins())
            .args(&setup.flags)
            // What is set around the tests says nothing about the host under test.
            .env_remove("PORTCULLIS_SEED_KEYS")
            .env_remove("PORTCULLIS_LOG")
            .env_remove("PORTCULLIS_TOKEN")
            .envs(setup.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let log = Arc::new(Mutex::new(String::new()));
        let logged = collect(child.stderr.take().expect("stderr is piped"), Arc::clone(&log));
        let lines = lines_of(child.stdout.take().expect("stdout is piped"));
        let found = address(&lines, "api ").and_then(|api| Some((api, address(&lines, "admin ")?)));
        let started_in = start.elapsed();
        let Some((api, admin)) = found else {
            // It has given up already, or never will say anything.
            let _ = child.kill();
            let _ = child.wait();
            let _ = logged.join();
            return Err(log.lock().expect("the log's reader does not panic").clone());
        };
        Ok(Self {
            child,
            log,
            api: Client::new(&api),
            admin: Client::new(&admin),
            started_in,
            more: Mutex::new(lines),
        })
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn kill(&mut self) {
        // Both fail only where the process is gone, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let log = self.log.lock().expect("the log's reader does not panic");
            eprintln!("--- the host's log ---\n{log}--- end of the log ---");
        }
    }
}

/// Lets this process, and the hosts that it starts, open as many files as the system lets it: a crowd of clients has more
/// connections than the 1024 that are usual.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Where the system refuses, only a crowd is hindered, and its test says so.
    let _ = setrlimit(Resource::Nofile, all);
}

/// The address in the next line, which starts with `label`.
fn address(lines: &mpsc::Receiver<String>, label: &str) -> Option<String> {
    let line = lines.recv_timeout(PATIENCE).ok()?;
    Some(line.strip_prefix(label)?.trim().to_owned())
}

/// The lines of a stream as they come; it is read to its end even when nobody listens any more.
fn lines_of(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // The receiver is dropped once the addresses are known.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Appends all that comes from a stream to `log`.
fn collect(stream: impl Read + Send + 'static, log: Arc<Mutex<String>>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            log.lock()
                .expect("no reader of the log panics")
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}
