//! Who is told how a run ended: mails and HTTP requests to real servers, the file of metrics, hooks; and that none of them
//! changes what the run was, or holds a secret.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use machine::Machine;
use serde_json::Value;

#[path = "telling/alerts.rs"]
mod alerts;
#[path = "support/cli.rs"]
mod cli;
#[path = "telling/hooks.rs"]
mod hooks;
#[path = "support/machine.rs"]
mod machine;
#[path = "telling/metrics.rs"]
mod metrics;
#[path = "support/postgres.rs"]
mod postgres;
mod support;
#[path = "support/system.rs"]
mod system;
#[path = "telling/week.rs"]
mod week;

/// A server of `tests/support/receivers.py`, which ends with this.
struct Receiver {
    port: u16,
    out: PathBuf,
    child: Child,
    // Closed, it ends.
    _input: ChildStdin,
}

impl Receiver {
    fn start(kind: &str, folder: &Path, certificate: Option<&Certificate>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/receivers.py");
        let out = folder.join(format!("{kind}.received"));
        let mut command = Command::new("python3");
        command.arg(script).arg(kind).arg(&out);
        if let Some(Certificate { own, key, .. }) = certificate {
            command.arg(own).arg(key);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let input = child.stdin.take().unwrap();
        Self { port: line.trim().parse().unwrap(), out, child, _input: input }
    }

    /// What it was sent, in order.
    fn received(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.out).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A certificate authority of our own, and a certificate of `localhost` by it.
struct Certificate {
    authority: PathBuf,
    own: PathBuf,
    key: PathBuf,
}

impl Certificate {
    fn make(folder: &Path) -> Self {
        let name = |name: &str| folder.join(name);
        fs::write(name("extensions"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tests -keyout ca.key -out ca.pem && \
             openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout host.key -out host.csr && \
             openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out host.pem";
        let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { authority: name("ca.pem"), own: name("host.pem"), key: name("host.key") }
    }
}

impl Machine {
    /// Adds sections to the configuration.
    fn configure(&self, sections: &str) {
        fs::write(self.path("dcs.toml"), self.config() + sections).unwrap();
    }

    /// Adds sections, and names a database that is not there.
    fn configure_to_fail(&self, sections: &str) {
        let config = self.config().replacen("dream.db\"", "gone.db\"", 1);
        fs::write(self.path("dcs.toml"), config + sections).unwrap();
    }
}
