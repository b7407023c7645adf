//! Who holds a lock, and whether that process is still there.
//!
//! Only a death that is certain counts: same boot, same pid namespace, and no such process. Everything else (another
//! host, another container, a host that was started anew, a `/proc` that hides others) is left to the lock's age.

use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::model::RunId;

/// The run that holds a lock, as others need to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub run: RunId,
    pub host: String,
    pub pid: u32,
    /// When the process began, in the kernel's ticks since boot: a pid is used again, the pair is not. 0 where unknown.
    pub process_started: u64,
    /// `pid:[4026531836]`; empty where unknown.
    pub pid_namespace: String,
    /// Random, of this boot of this kernel; empty where unknown.
    pub boot_id: String,
    /// What a person would look for in a list of processes: `backup complete`.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} on {}, process {}, run {}", self.command, self.host, self.pid, self.run)
    }
}

impl Holder {
    /// Collects the facts of this process from `/proc`. What cannot be known stays empty, and then proves nothing.
    pub fn this_process(run: RunId, command: impl Into<String>) -> Self {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
        Self {
            run,
            host: read("/proc/sys/kernel/hostname"),
            pid: std::process::id(),
            process_started: process("self").map_or(0, |(_, started)| started),
            pid_namespace: fs::read_link("/proc/self/ns/pid")
                .map(|link| link.to_string_lossy().into_owned())
                .unwrap_or_default(),
            boot_id: read("/proc/sys/kernel/random/boot_id"),
            command: command.into(),
        }
    }

    /// Whether `other` is certain to be dead, seen from this process.
    pub fn sees_dead(&self, other: &Self) -> bool {
        let is_known = !self.boot_id.is_empty() && !self.pid_namespace.is_empty() && other.process_started != 0;
        if !is_known || self.boot_id != other.boot_id || self.pid_namespace != other.pid_namespace {
            return false;
        }
        // Under hidepid the processes of others look absent, and so does the first one, which never is.
        if process("1").is_none() {
            return false;
        }
        match process(&other.pid.to_string()) {
            None => !fs::exists(format!("/proc/{}", other.pid)).unwrap_or(true),
            Some((state, started)) => started != other.process_started || matches!(state, 'Z' | 'X'),
        }
    }
}

/// The state and the start time of a process, from `/proc/PID/stat`. The name in it may hold anything but is the only
/// field in brackets.
fn process(pid: &str) -> Option<(char, u64)> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // State is field 3, the start time field 22.
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_not_seen_dead_and_a_reused_pid_is() {
        let holder = Holder::this_process(RunId::create(), "test");
        assert!(holder.process_started > 0 && !holder.boot_id.is_empty() && !holder.host.is_empty());
        assert!(!holder.sees_dead(&holder));
        let earlier = Holder { process_started: holder.process_started - 1, ..holder.clone() };
        assert!(holder.sees_dead(&earlier));
    }

    #[test]
    fn a_process_that_ended_is_seen_dead_only_from_its_own_boot_and_namespace() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let started = process(&pid.to_string()).map_or(1, |(_, started)| started);
        child.wait().unwrap();
        let holder = Holder::this_process(RunId::create(), "test");
        let dead = Holder { pid, process_started: started, ..holder.clone() };
        assert!(holder.sees_dead(&dead));
        let elsewhere = [
            Holder { boot_id: "another".to_owned(), ..dead.clone() },
            Holder { pid_namespace: "pid:[1]".to_owned(), ..dead.clone() },
            Holder { process_started: 0, ..dead.clone() },
        ];
        assert!(elsewhere.iter().all(|other| !holder.sees_dead(other)));
    }
}
