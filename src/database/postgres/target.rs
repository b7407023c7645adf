//! Where a server is, as a URL says it: for our own connections, and for the server's tools.
//!
//! The password is never part of what the tools are told here, nor of any text made for people.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::database::{DatabaseError, ErrorKind, Result};
use crate::model::{Limits, Secret};

/// How long after a silent connection was probed it is probed again.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);

/// How far TLS goes, as libpq's `sslmode` names it; `allow` is taken as `prefer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verification {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Verification {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    host: String,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) verification: Verification,
    /// A file, or `system`.
    pub(super) root_certificate: Option<String>,
    /// Zero is none.
    pub(super) connect_timeout: Duration,
    tcp_user_timeout: Duration,
    keepalives_idle: Duration,
}

impl Target {
    /// What the URL says of timeouts goes before the limits.
    pub(super) fn parse(url: &str, limits: &Limits) -> Result<Self> {
        let invalid = |detail: String| {
            DatabaseError::new(ErrorKind::Refused, "use", "a PostgreSQL URL")
                .with_detail(detail)
                .with_hint("Write it as postgres://USER@HOST:PORT/DATABASE.")
        };
        let (plain, verification, root_certificate) = take_tls_parameters(url).map_err(invalid)?;
        let mut config: Config = plain.parse().map_err(|error: tokio_postgres::Error| {
            invalid(std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("/var/run/postgresql");
        }
        if config.get_hosts().len() > 1 || config.get_ports().len() > 1 {
            return Err(invalid("it names several hosts, and a snapshot lives on one".to_owned()));
        }
        let Some(user) = config.get_user().map(ToOwned::to_owned) else {
            return Err(invalid("it names no user".to_owned()));
        };
        let database = config.get_dbname().unwrap_or(&user).to_owned();
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(folder)) => folder.to_string_lossy().into_owned(),
            None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
        };
        let verification = effective(verification, root_certificate.as_deref(), &host).map_err(invalid)?;
        config.ssl_mode(match verification {
            Verification::Disable => SslMode::Disable,
            Verification::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        });
        let connect_timeout = config.get_connect_timeout().copied().unwrap_or(limits.connect_timeout);
        let tcp_user_timeout = config.get_tcp_user_timeout().copied().unwrap_or(limits.tcp_user_timeout);
        let keepalives_idle = limits.keepalives_idle;
        keep_alive(&mut config, keepalives_idle, tcp_user_timeout);
        Ok(Self {
            config,
            host,
            user,
            database,
            verification,
            root_certificate,
            connect_timeout,
            tcp_user_timeout,
            keepalives_idle,
        })
    }

    /// Whether the server, or what leads to it, is on this machine.
    pub(super) fn is_local(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        Path::new(&self.host).is_absolute()
            || self.host == "localhost"
            || address.is_ok_and(|address| address.is_loopback())
    }

    fn port(&self) -> u16 {
        self.config.get_ports().first().copied().unwrap_or(5432)
    }

    /// The password that the URL itself holds.
    pub(super) fn password(&self) -> Option<Secret> {
        self.config.get_password().map(|password| Secret::new(String::from_utf8_lossy(password)))
    }

    pub(super) fn config(&self, database: &str, password: Option<&Secret>, application: &str) -> Config {
        let mut config = self.config.clone();
        config.dbname(database).application_name(application);
        if let Some(password) = password {
            config.password(password.expose());
        }
        config
    }

    /// What libpq's tools of a major version take as `--dbname`, without a password. `settings` go in as server options.
    pub(super) fn conninfo(&self, major: u32, database: &str, application: &str, settings: &[&str]) -> String {
        let mut options = self.config.get_options().unwrap_or_default().to_owned();
        for setting in settings {
            options.push_str(" -c ");
            options.push_str(setting);
        }
        let mut pairs = vec![
            ("host", self.host.clone()),
            ("port", self.port().to_string()),
            ("user", self.user.clone()),
            ("dbname", database.to_owned()),
            ("application_name", application.to_owned()),
            ("sslmode", self.verification.as_str().to_owned()),
            ("connect_timeout", self.connect_timeout.as_secs().to_string()),
        ];
        self.add_keepalives(major, &mut pairs);
        if let (Some(address), false) = (self.config.get_hostaddrs().first(), self.config.get_hosts().is_empty()) {
            pairs.push(("hostaddr", address.to_string()));
        }
        if let Some(certificate) = &self.root_certificate {
            pairs.push(("sslrootcert", certificate.clone()));
        }
        if !options.trim().is_empty() {
            pairs.push(("options", options.trim().to_owned()));
        }
        let quote = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        pairs.iter().map(|(key, value)| format!("{key}={}", quote(value))).collect::<Vec<_>>().join(" ")
    }

    /// A tool that waits for a host that has vanished must end too.
    fn add_keepalives(&self, major: u32, pairs: &mut Vec<(&str, String)>) {
        if !self.keepalives_idle.is_zero() {
            pairs.push(("keepalives_idle", self.keepalives_idle.as_secs().to_string()));
            pairs.push(("keepalives_interval", PROBE_INTERVAL.as_secs().to_string()));
        }
        // An unknown parameter is an error of libpq's.
        if major >= 12 && !self.tcp_user_timeout.is_zero() {
            pairs.push(("tcp_user_timeout", Limits::milliseconds(self.tcp_user_timeout).to_string()));
        }
    }

    /// The URL without its password and parameters.
    pub(super) fn describe(&self, database: &str) -> String {
        let user = &self.user;
        if Path::new(&self.host).is_absolute() {
            return format!("postgres://{user}@/{database}?host={}", self.host);
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port() {
            5432 => format!("postgres://{user}@{host}/{database}"),
            port => format!("postgres://{user}@{host}:{port}/{database}"),
        }
    }
}

fn keep_alive(config: &mut Config, idle: Duration, unanswered: Duration) {
    if !idle.is_zero() {
        config.keepalives_idle(idle).keepalives_interval(PROBE_INTERVAL);
    }
    if !unanswered.is_zero() {
        config.tcp_user_timeout(unanswered);
    }
}

/// Takes `sslmode` and `sslrootcert` out of the URL: tokio-postgres knows fewer modes than libpq.
fn take_tls_parameters(url: &str) -> std::result::Result<(String, Option<Verification>, Option<String>), String> {
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), None, None)) };
    let (mut verification, mut certificate, mut kept) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "sslmode" => {
                verification = Some(Verification::parse(value).ok_or_else(|| format!("sslmode {value:?} is unknown"))?);
            }
            "sslrootcert" => {
                let decoded = percent_encoding::percent_decode_str(value).decode_utf8();
                certificate = Some(decoded.map_err(|error| error.to_string())?.into_owned());
            }
            _ => kept.push(pair),
        }
    }
    let plain = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    Ok((plain, verification, certificate))
}

/// libpq's rules: no TLS through a socket file; `require` with a root certificate verifies it.
fn effective(
    asked: Option<Verification>,
    certificate: Option<&str>,
    host: &str,
) -> std::result::Result<Verification, String> {
    if Path::new(host).is_absolute() {
        return Ok(Verification::Disable);
    }
    match (asked.unwrap_or(Verification::Prefer), certificate) {
        (Verification::VerifyCa | Verification::VerifyFull, None) => {
            Err("sslmode verify-ca and verify-full need sslrootcert=FILE, or sslrootcert=system".to_owned())
        }
        (Verification::VerifyFull, Some(_)) => Ok(Verification::VerifyFull),
        (_, Some("system")) => Err("sslrootcert=system needs sslmode=verify-full".to_owned()),
        (Verification::Require, Some(_)) => Ok(Verification::VerifyCa),
        (mode, _) => Ok(mode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target> {
        Target::parse(url, &Limits::default())
    }

    #[test]
    fn no_text_made_of_a_target_holds_its_password() {
        let target = parse("postgres://dcs:hunter2@db.example:6543/dream?sslmode=require").unwrap();
        let conninfo = target.conninfo(15, "it's", "dcs-1", &["statement_timeout=0"]);
        assert_eq!(target.describe("dream"), "postgres://dcs@db.example:6543/dream");
        assert!(conninfo.contains(r"dbname='it\'s'") && conninfo.contains("sslmode='require'"), "{conninfo}");
        assert!(!conninfo.contains("hunter2"));
        assert_eq!(target.password().unwrap().expose(), "hunter2");
        assert!(!target.is_local());
        let local = ["postgres://u@localhost/d", "postgres://u@127.0.0.1/d", "postgres://u@%2Frun/d"];
        assert!(local.into_iter().all(|url| parse(url).unwrap().is_local()));
    }

    #[test]
    fn tools_wait_as_long_as_we_do_and_are_told_what_they_understand() {
        let told = |major| parse("postgres://u@h/d").unwrap().conninfo(major, "d", "a", &[]);
        let all = "connect_timeout='15' keepalives_idle='60' keepalives_interval='15' tcp_user_timeout='300000'";
        assert!(told(12).contains(all), "{}", told(12));
        assert!(told(11).contains("keepalives_idle") && !told(11).contains("tcp_user_timeout"), "{}", told(11));
        let none = Limits { tcp_user_timeout: Duration::ZERO, keepalives_idle: Duration::ZERO, ..Limits::default() };
        let target = Target::parse("postgres://u@h/d?connect_timeout=3", &none).unwrap();
        let told = target.conninfo(15, "d", "a", &[]);
        assert!(told.contains("connect_timeout='3'") && !told.contains("keepalives"), "{told}");
        assert!(!told.contains("tcp_user_timeout"), "{told}");
    }

    #[test]
    fn verification_follows_libpq() {
        let mode = |url: &str| parse(url).map(|target| target.verification);
        assert_eq!(mode("postgres://u@h/d").unwrap(), Verification::Prefer);
        assert_eq!(mode("postgres://u@h/d?sslmode=require&sslrootcert=/ca.pem").unwrap(), Verification::VerifyCa);
        assert_eq!(mode("postgres://u@h/d?sslmode=verify-full&sslrootcert=system").unwrap(), Verification::VerifyFull);
        assert_eq!(mode("postgres://u@%2Frun%2Fpg/d?sslmode=require").unwrap(), Verification::Disable);
        assert!(mode("postgres://u@h/d?sslmode=verify-ca").is_err());
        assert!(mode("postgres://u@h/d?sslmode=strict").is_err());
    }
}
