//! Whom to tell how a run ended, and when.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Secret;
use super::deed::is_one_of;

/// Which ends of a run are worth an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertOn {
    /// It failed: any exit code but 0 and 3.
    Failure,
    /// It finished with problems: exit code 3.
    Problems,
    /// It succeeded, and the run before of the same command had not.
    Recovery,
    /// It ended.
    Always,
}

/// Whom to tell.
#[derive(Debug, Clone, Default)]
pub struct Alerts {
    pub on: Vec<AlertOn>,
    pub timeout: Option<Duration>,
    pub email: Option<MailServer>,
    pub webhook: Option<HookUrl>,
    pub ping: Option<HookUrl>,
    /// The commands whose runs ping: whoever waits for a ping waits for these.
    pub ping_commands: Vec<String>,
}

impl Alerts {
    /// Where runs of a command ping.
    pub fn ping_of(&self, command: &str) -> Option<&HookUrl> {
        self.ping.as_ref().filter(|_| is_one_of(command, &self.ping_commands))
    }

    /// How long each may take.
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(30))
    }
}

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS or nothing, after a plain greeting.
    StartTls,
    Plain,
}

/// Where mail goes, and by whom.
#[derive(Debug, Clone)]
pub struct MailServer {
    pub to: Vec<String>,
    pub from: String,
    pub host: String,
    pub port: u16,
    pub security: SmtpSecurity,
    pub login: Option<(String, Secret)>,
    /// A certificate authority beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// An address that is a secret: whoever knows it may write there.
#[derive(Debug, Clone)]
pub struct HookUrl {
    pub url: Secret,
    /// What of it may be shown: host and port.
    pub host: String,
    pub ca_file: Option<PathBuf>,
}

/// Why somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    Failure,
    Problems,
    Recovery,
    Success,
}

impl Occasion {
    /// What a run that ended so is, after one that ended with `before`.
    pub fn of(code: u8, before: Option<u8>) -> Self {
        match (code, before) {
            (0, Some(1..)) => Self::Recovery,
            (0, _) => Self::Success,
            (3, _) => Self::Problems,
            _ => Self::Failure,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failed",
            Self::Problems => "finished with problems",
            Self::Recovery => "works again",
            Self::Success => "done",
        }
    }

    pub fn is_wanted(self, on: &[AlertOn]) -> bool {
        let wanted = match self {
            Self::Failure => Some(AlertOn::Failure),
            Self::Problems => Some(AlertOn::Problems),
            Self::Recovery => Some(AlertOn::Recovery),
            Self::Success => None,
        };
        on.iter().any(|on| *on == AlertOn::Always || Some(*on) == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_after_a_failure_is_a_recovery_and_only_then() {
        assert_eq!(Occasion::of(0, Some(20)), Occasion::Recovery);
        assert_eq!(Occasion::of(0, Some(3)), Occasion::Recovery);
        assert_eq!([Occasion::of(0, Some(0)), Occasion::of(0, None)], [Occasion::Success; 2]);
        assert_eq!([Occasion::of(3, Some(1)), Occasion::of(11, None)], [Occasion::Problems, Occasion::Failure]);
        assert!(!Occasion::Success.is_wanted(&[AlertOn::Failure, AlertOn::Problems, AlertOn::Recovery]));
        assert!(Occasion::Success.is_wanted(&[AlertOn::Always]) && Occasion::Failure.is_wanted(&[AlertOn::Failure]));
    }
}
