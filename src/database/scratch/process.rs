//! Ends a private server that outlived its run. A number in a file proves nothing: the process must be PostgreSQL, started
//! for this very folder.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Ends the server whose data lie in `data`, and waits until it has. True where none is left.
pub(super) fn end_server(data: &Path) -> bool {
    let Some(pid) = server(data) else { return true };
    for signal in [Signal::QUIT, Signal::KILL] {
        if let Err(error) = kill_process(pid, signal) {
            tracing::debug!(%error, "a private server could not be told to end");
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if server(data).is_none() {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
    }
    tracing::warn!(pid = pid.as_raw_nonzero().get(), folder = %data.display(), "a private server does not end; end it by hand");
    false
}

/// The process that its own file names, where it is what the file says.
fn server(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    if is_server_of(&command_line, data) { Pid::from_raw(pid) } else { None }
}

/// A process that ended and was not waited for has no command line.
fn is_server_of(command_line: &[u8], data: &Path) -> bool {
    let mut words = command_line.split(|byte| *byte == 0);
    let is_postgres = words.next().is_some_and(|program| program.ends_with(b"/postgres"));
    let has_folder = words.next() == Some(b"-D") && words.next() == Some(data.as_os_str().as_encoded_bytes());
    is_postgres && has_folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_of_the_very_folder_is_taken_for_it() {
        let data = Path::new("/var/lib/dcs/verify/k3x9k3x9/1/data");
        let line = |text: &str| text.replace(' ', "\0").into_bytes();
        let ours = line("/usr/lib/postgresql/15/bin/postgres -D /var/lib/dcs/verify/k3x9k3x9/1/data ");
        assert!(is_server_of(&ours, data));
        for other in [
            "/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql ",
            "/usr/bin/vi -D /var/lib/dcs/verify/k3x9k3x9/1/data ",
            "/usr/lib/postgresql/15/bin/postgres -D /var/lib/dcs/verify/k3x9k3x9/1/data2 ",
            "",
        ] {
            assert!(!is_server_of(&line(other), data), "{other}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(end_server(folder.path()), "there is none");
        fs::write(folder.path().join("postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
        assert!(end_server(folder.path()), "and this process is not one, and goes on");
    }
}
