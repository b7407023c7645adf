//! `[metrics]`, `[alerts]` and `[hooks]`: what is told to whom when a run ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::resolve::option;
use super::{Environment, SettingsError, file, secrets};
use crate::model::Secret;
use crate::model::alert::{AlertOn, Alerts, HookUrl, MailServer, SmtpSecurity};
use crate::model::deed::{BACKUPS, DEEDS, is_one_of, unknown};
use crate::model::format::parse_duration;

pub(super) fn resolve(alerts: Option<&file::Alerts>, environment: &Environment) -> Result<Alerts, SettingsError> {
    let Some(alerts) = alerts else { return Ok(Alerts::default()) };
    let timeout = alerts.timeout.as_deref().map(parse_duration).transpose();
    let timeout = timeout.map_err(|reason| option("[alerts].timeout", reason))?;
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(option("[alerts].timeout", "no server answers in no time"));
    }
    let on = match &alerts.on {
        None => vec![AlertOn::Failure, AlertOn::Problems, AlertOn::Recovery],
        Some(file::OneOrMore::One(one)) => vec![*one],
        Some(file::OneOrMore::More(more)) if more.is_empty() => {
            return Err(option("[alerts].on", "it names nothing to alert on; leave out what should not be sent"));
        }
        Some(file::OneOrMore::More(more)) => more.clone(),
    };
    let plaintext = alerts.plaintext;
    let email = alerts.email.as_ref().map(|email| resolve_email(email, plaintext, environment)).transpose()?;
    let url = |name: &str, url: Option<&file::SecretUrl>| {
        url.map(|url| resolve_url(name, url, plaintext, environment)).transpose()
    };
    let (webhook, ping) = (url("webhook", alerts.webhook.as_ref())?, url("ping", alerts.ping.as_ref())?);
    let ping_commands = commands("[alerts].ping_commands", alerts.ping_commands.as_ref())?;
    Ok(Alerts { on, timeout, email, webhook, ping, ping_commands })
}

fn resolve_email(email: &file::Email, plaintext: bool, environment: &Environment) -> Result<MailServer, SettingsError> {
    let to = match &email.to {
        file::OneOrMore::One(one) => vec![one.clone()],
        file::OneOrMore::More(more) => more.clone(),
    };
    if to.is_empty() {
        return Err(option("[alerts.email].to", "it names nobody"));
    }
    for address in to.iter().chain([&email.from]) {
        check_address(address)?;
    }
    let (scheme, rest) = email.smtp.split_once("://").unwrap_or(("", &email.smtp));
    let (security, default_port) = match scheme {
        "smtps" => (SmtpSecurity::Tls, 465),
        "smtp+starttls" => (SmtpSecurity::StartTls, 587),
        "smtp" => (SmtpSecurity::Plain, 25),
        _ => return Err(option("[alerts.email].smtp", "write smtps://HOST, smtp+starttls://HOST or smtp://HOST")),
    };
    let (host, port) = host_and_port(rest.trim_end_matches('/'))
        .ok_or_else(|| option("[alerts.email].smtp", "write SCHEME://HOST or SCHEME://HOST:PORT, without a user"))?;
    if security == SmtpSecurity::Plain && !plaintext && !is_loopback(&host) {
        return Err(option("[alerts.email].smtp", unencrypted()));
    }
    let password = secrets::read(
        "[alerts.email]",
        email.password_file.as_deref(),
        email.password_command.as_deref(),
        "smtp.password",
        environment,
    )?
    .or_else(|| email.password.clone().map(Secret::new));
    if email.user.is_some() != password.is_some() {
        let lacking = if email.user.is_some() { "password_file" } else { "user" };
        return Err(option(format!("[alerts.email].{lacking}"), "a user needs a password, and a password a user"));
    }
    let (from, port, ca_file) = (email.from.clone(), port.unwrap_or(default_port), email.ca_file.clone());
    let login = email.user.clone().zip(password);
    Ok(MailServer { to, from, host, port, security, login, ca_file })
}

/// `name@host`, or `Somebody <name@host>`.
fn check_address(text: &str) -> Result<(), SettingsError> {
    let bare = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>'),
        None => Some(text),
    };
    let parts = bare.and_then(|bare| bare.rsplit_once('@'));
    let is_plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@');
    match parts {
        Some((name, host)) if is_plain(name) && is_plain(host) && !host.starts_with('.') && !host.ends_with('.') => {
            Ok(())
        }
        _ => Err(option("[alerts.email]", format!("{text:?} is no mail address"))),
    }
}

/// `host`, `host:port`, `[::1]:port`.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':').map(str::parse).transpose().ok()?;
        return Some((host.to_owned(), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    let is_plain =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    is_plain.then(|| (host.to_owned(), port))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn unencrypted() -> &'static str {
    "it would go unencrypted through the network; if that is meant, say so: `plaintext = true` in [alerts]"
}

fn resolve_url(
    name: &str,
    url: &file::SecretUrl,
    plaintext: bool,
    environment: &Environment,
) -> Result<HookUrl, SettingsError> {
    let place = format!("[alerts.{name}]");
    let (file, command, credential) = (url.url_file.as_deref(), url.url_command.as_deref(), format!("{name}.url"));
    let found = secrets::read(&place, file, command, &credential, environment)?;
    let url_text = found.or_else(|| url.url.clone().map(Secret::new));
    let Some(secret) = url_text else {
        return Err(option(place, "say where it goes: `url_file`, `url_command` or `url`"));
    };
    // The text itself is never shown.
    let invalid = || option(format!("[alerts.{name}].url"), "it is no address such as https://HOST/PATH");
    let text = secret.expose();
    let (scheme, rest) = text.split_once("://").ok_or_else(invalid)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, _) = host_and_port(authority).ok_or_else(invalid)?;
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        return Err(invalid());
    }
    match scheme {
        "https" => {}
        "http" if plaintext || is_loopback(&host) => {}
        "http" => return Err(option(format!("[alerts.{name}].url"), unencrypted())),
        _ => return Err(invalid()),
    }
    let (host, ca_file) = (authority.to_owned(), url.ca_file.clone());
    Ok(HookUrl { url: secret, host, ca_file })
}

/// Where metrics are written.
pub(super) fn resolve_metrics(metrics: Option<&file::Metrics>) -> Result<Option<PathBuf>, SettingsError> {
    let Some(path) = metrics.and_then(|metrics| metrics.textfile.as_deref()) else { return Ok(None) };
    if !path.is_absolute() {
        return Err(option("[metrics].textfile", "the path must be absolute"));
    }
    if path.extension() != Some("prom".as_ref()) || path.file_name() == Some(Path::new(".prom").as_os_str()) {
        return Err(option("[metrics].textfile", "node_exporter reads only files that end in .prom"));
    }
    Ok(Some(path.to_owned()))
}

/// What the operator runs around runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookSettings {
    pub before: Option<String>,
    pub after: Option<String>,
    pub on_failure: Option<String>,
    /// Around each step of a backup.
    pub before_step: Option<String>,
    pub after_step: Option<String>,
    timeout: Option<Duration>,
    commands: Vec<String>,
}

impl HookSettings {
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(600))
    }

    /// Whether hooks run around runs of this command.
    pub fn take(&self, command: &str) -> bool {
        is_one_of(command, &self.commands)
    }
}

/// The commands that a list means; every way to make a backup where nothing is said.
fn commands(place: &str, named: Option<&Vec<String>>) -> Result<Vec<String>, SettingsError> {
    let Some(named) = named else { return Ok(BACKUPS.map(str::to_owned).to_vec()) };
    match unknown(named) {
        None => Ok(named.clone()),
        Some(name) => Err(option(place, format!("{name:?} is none of {}", DEEDS.join(", ")))),
    }
}

pub(super) fn resolve_hooks(hooks: Option<&file::Hooks>) -> Result<HookSettings, SettingsError> {
    let Some(hooks) = hooks else { return Ok(HookSettings::default()) };
    let timeout = hooks.timeout.as_deref().map(parse_duration).transpose();
    let commands = commands("[hooks].commands", hooks.commands.as_ref())?;
    Ok(HookSettings {
        before: hooks.before.clone(),
        after: hooks.after.clone(),
        on_failure: hooks.on_failure.clone(),
        before_step: hooks.before_step.clone(),
        after_step: hooks.after_step.clone(),
        timeout: timeout.map_err(|reason| option("[hooks].timeout", reason))?,
        commands,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn settings(text: &str) -> Result<Settings, String> {
        let raw = file::File::parse(text)?;
        Settings::resolve(raw, Environment::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_are_checked_and_secrets_not_repeated() {
        let email = |to: &str, smtp: &str| {
            format!("[alerts.email]\nto = \"{to}\"\nfrom = \"dcs@example.org\"\nsmtp = \"{smtp}\"\n")
        };
        for (text, said) in [
            (email("nobody", "smtps://mail.example.org"), "no mail address"),
            (email("a b@example.org", "smtps://mail.example.org"), "no mail address"),
            (email("a@example.org\\r\\nBcc: x@y", "smtps://mail.example.org"), "no mail address"),
            (email("a@example.org", "mail.example.org"), "smtps://HOST"),
            (email("a@example.org", "smtps://me:hunter2@mail.example.org"), "without a user"),
            (email("a@example.org", "smtp://mail.example.org"), "unencrypted"),
            ("[alerts.webhook]\nurl = \"hooks.example.org/hunter2\"\n".to_owned(), "no address"),
            ("[alerts.webhook]\nurl = \"ftp://hooks.example.org/hunter2\"\n".to_owned(), "no address"),
            ("[alerts.ping]\nurl = \"http://ping.example.org/hunter2\"\n".to_owned(), "unencrypted"),
            ("[alerts.ping]\n".to_owned(), "say where it goes"),
            ("[alerts]\non = []\n".to_owned(), "names nothing"),
            ("[alerts]\ntimeout = \"0s\"\n".to_owned(), "no time"),
            ("[metrics]\ntextfile = \"dcs.prom\"\n".to_owned(), "absolute"),
            ("[metrics]\ntextfile = \"/var/dcs.txt\"\n".to_owned(), ".prom"),
            ("[hooks]\ntimeout = \"soon\"\n".to_owned(), "[hooks].timeout"),
            ("[hooks]\ncommands = [\"backup fils\"]\n".to_owned(), "none of backup accept"),
            ("[alerts]\nping_commands = [\"list\"]\n".to_owned(), "[alerts].ping_commands"),
        ] {
            let error = settings(&text).expect_err(&text);
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_right_is_taken() {
        let text = "[alerts]\non = \"always\"\n[alerts.email]\nto = [\"Ops <ops@example.org>\", \"b@example.org\"]\n\
                    from = \"dcs@example.org\"\nsmtp = \"smtp+starttls://mail.example.org\"\nuser = \"dcs\"\npassword = \"x\"\n\
                    [alerts.ping]\nurl = \"http://127.0.0.1:8000/ping/x\"\n[hooks]\ncommands = [\"backup\", \"verify\"]\n";
        let settings = settings(text).unwrap();
        let email = settings.alerts.email.unwrap();
        assert_eq!((email.port, email.security, email.to.len()), (587, SmtpSecurity::StartTls, 2));
        assert_eq!(settings.alerts.ping.unwrap().host, "127.0.0.1:8000");
        assert_eq!(settings.alerts.on, [AlertOn::Always]);
        assert!(settings.hooks.take("backup files") && settings.hooks.take("verify") && !settings.hooks.take("delete"));
    }
}
