//! Runs the real binary as cron would: in a folder, with no environment but `PATH`, `HOME` and what a test gives it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each binary uses a part"
)]

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// How to run dcs.
#[derive(Debug, Clone)]
pub struct Dcs {
    folder: PathBuf,
    variables: Vec<(String, String)>,
    /// A program before dcs, such as a shell that sets limits.
    before: Vec<String>,
    binary: String,
}

/// What a run ended with.
pub struct Output {
    pub command: String,
    /// None where a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A run under way.
pub struct Running {
    command: String,
    child: Child,
}

impl Dcs {
    /// Runs in `folder`, which is `HOME` too.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let variables = vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("HOME".to_owned(), folder.display().to_string()),
        ];
        Self { folder, variables, before: Vec::new(), binary: env!("CARGO_BIN_EXE_dcs").to_owned() }
    }

    /// Sets a variable, in place of what it was.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// Puts a program and its arguments before dcs.
    pub fn through(mut self, before: &[&str]) -> Self {
        self.before = before.iter().map(|argument| (*argument).to_owned()).collect();
        self
    }

    /// Runs a copy of the binary that lies where another user can reach it.
    pub fn binary(mut self, path: &str) -> Self {
        path.clone_into(&mut self.binary);
        self
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Output {
        self.start(arguments).end()
    }

    /// Runs with a terminal as its input, on which somebody has typed `answer`.
    #[must_use]
    pub fn run_on_terminal<A: AsRef<OsStr>>(&self, arguments: &[A], answer: &str) -> Output {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
        let terminal = File::options().read(true).write(true).custom_flags(flags).open(name.to_str().unwrap()).unwrap();
        rustix::io::write(&master, format!("{answer}\n").as_bytes()).unwrap();
        self.start_with(arguments, terminal.into()).end()
    }

    pub fn start<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Running {
        self.start_with(arguments, Stdio::null())
    }

    fn start_with<A: AsRef<OsStr>>(&self, arguments: &[A], input: Stdio) -> Running {
        let mut command = match self.before.split_first() {
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        command.args(arguments).current_dir(&self.folder).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running { command: format!("{command:?}"), child: command.spawn().unwrap() }
    }
}

impl Running {
    /// Waits until `happened` and answers whether it did before the run ended.
    pub fn until(&mut self, mut happened: impl FnMut() -> bool) -> bool {
        loop {
            if happened() {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    #[must_use]
    pub fn end(mut self) -> Output {
        let mut stderr = self.child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let mut stdout = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        Output {
            command: self.command,
            code: status.code(),
            signal: status.signal(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&errors.join().unwrap()).into_owned(),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, code, signal, stdout, stderr } = self;
        write!(formatter, "{command}\ncode {code:?}, signal {signal:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

impl Output {
    pub fn ok(self) -> Self {
        self.code(0)
    }

    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "stderr lacks {text:?}\n{self}");
        self
    }

    pub fn answers(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "stdout lacks {text:?}\n{self}");
        self
    }

    pub fn silent(self) -> Self {
        assert!(self.stdout.is_empty() && self.stderr.is_empty(), "{self}");
        self
    }

    /// One error line, and with it at least one hint.
    pub fn fails(self, code: i32, subject: &str) -> Self {
        let output = self.code(code);
        let errors: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("dcs: error:")).collect();
        assert_eq!(errors.len(), 1, "{output}");
        let told = &output.stderr[output.stderr.find("dcs: error:").unwrap()..];
        assert!(told.contains(subject), "the error does not name {subject:?}\n{output}");
        assert!(told.contains("\n  hint: "), "the error has no hint\n{output}");
        output
    }

    /// The one JSON document that stdout is.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }
}
