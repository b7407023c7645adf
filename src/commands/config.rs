//! `dcs config show | check | example`

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Outcome, Session, open};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::repository::Repository;
use crate::settings::Settings;

/// A complete configuration with every key explained.
const EXAMPLE: &str = include_str!("../../examples/dcs.toml");

/// Look at the configuration
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    Show(ShowArgs),
    Check(CheckArgs),
    Example(ExampleArgs),
}

/// Print what the configuration comes to, without secrets
#[derive(Debug, Args)]
pub struct ShowArgs {}

/// Check the configuration, and that every store and database it names answers
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Check the file alone and connect to nothing
    #[arg(long)]
    offline: bool,
}

/// Print an example configuration with every key explained
#[derive(Debug, Args)]
pub struct ExampleArgs {}

pub(super) async fn run(command: ConfigCommand, session: &Session) -> Outcome {
    match command {
        ConfigCommand::Show(_) => show(session),
        ConfigCommand::Check(args) => check(&args, session).await,
        ConfigCommand::Example(_) => {
            session.ui().answer(&EXAMPLE, &EXAMPLE)?;
            Ok(ExitCode::Done)
        }
    }
}

#[derive(Serialize)]
struct Shown {
    file: Option<std::path::PathBuf>,
    repository: Option<String>,
    state_dir: Option<std::path::PathBuf>,
    stores: Vec<(String, String)>,
    databases: Vec<(String, String)>,
    files: Vec<String>,
    config: Vec<std::path::PathBuf>,
    capture: Vec<String>,
    compression: String,
    before_restore: Option<String>,
    after_restore: Option<String>,
    verify_server: Option<String>,
    /// Statements that proofs run.
    verify_sql: Vec<String>,
    /// Whom runs tell, without what is secret of the addresses.
    alerts: Vec<String>,
    metrics: Option<std::path::PathBuf>,
    /// What runs around runs.
    hooks: Vec<(&'static str, String)>,
}

/// Whom runs tell: a host each, and never the address, which is a secret.
fn told(settings: &Settings) -> Vec<String> {
    let alerts = &settings.alerts;
    let mail = alerts.email.iter().map(|mail| format!("mail to {} by {}:{}", mail.to.join(", "), mail.host, mail.port));
    let webhook = alerts.webhook.iter().map(|hook| format!("webhook at {}", hook.host));
    let ping = alerts.ping.iter().map(|hook| format!("ping at {}", hook.host));
    mail.chain(webhook).chain(ping).collect()
}

fn hooks(settings: &Settings) -> Vec<(&'static str, String)> {
    let hooks = &settings.hooks;
    let runs = [("before", &hooks.before), ("after", &hooks.after), ("on_failure", &hooks.on_failure)];
    let all = runs.into_iter().chain([("before_step", &hooks.before_step), ("after_step", &hooks.after_step)]);
    all.filter_map(|(name, hook)| Some((name, hook.clone()?))).collect()
}

fn show(session: &Session) -> Outcome {
    let settings = session.settings()?;
    let shown = Shown {
        file: settings.path.clone(),
        repository: settings.repository.as_ref().map(|target| {
            let place = format!("{}/{}/{}", target.store.location(), target.bucket, target.prefix);
            place.trim_end_matches('/').to_owned()
        }),
        state_dir: settings.state_dir.clone(),
        stores: settings.stores.iter().map(|(name, store)| (name.clone(), store.location())).collect(),
        databases: settings.databases.iter().map(|(name, database)| (name.clone(), database.location())).collect(),
        files: settings.backup.files.iter().map(open::source_text).collect(),
        config: settings.backup.config.clone(),
        capture: settings.backup.capture.clone(),
        compression: settings.backup.compression.to_string(),
        before_restore: settings.restore.before.clone(),
        after_restore: settings.restore.after.clone(),
        verify_server: settings.verify.server.clone(),
        verify_sql: settings.verify.checks.iter().map(|check| check.statement.clone()).collect(),
        alerts: told(settings),
        metrics: settings.metrics.clone(),
        hooks: hooks(settings),
    };
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<12} {value}\n"));
    line("file", shown.file.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string()));
    line("repository", shown.repository.clone().unwrap_or_else(|| "none".to_owned()));
    line("state_dir", shown.state_dir.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string()));
    shown.stores.iter().for_each(|(name, location)| line("store", format!("{name} = {location}")));
    shown.databases.iter().for_each(|(name, location)| line("database", format!("{name} = {location}")));
    shown.files.iter().for_each(|source| line("files", source.clone()));
    shown.config.iter().for_each(|path| line("config", path.display().to_string()));
    shown.capture.iter().for_each(|command| line("capture", command.clone()));
    line("compression", shown.compression.clone());
    shown.before_restore.iter().for_each(|command| line("before", command.clone()));
    shown.after_restore.iter().for_each(|command| line("after", command.clone()));
    shown.verify_server.iter().for_each(|server| line("verify", format!("on the server of {server}")));
    shown.verify_sql.iter().for_each(|statement| line("verify.sql", statement.clone()));
    shown.alerts.iter().for_each(|alert| line("alert", alert.clone()));
    shown.metrics.iter().for_each(|path| line("metrics", path.display().to_string()));
    shown.hooks.iter().for_each(|(name, hook)| line("hook", format!("{name}: {hook}")));
    session.ui().answer(&text, &shown)?;
    Ok(ExitCode::Done)
}

/// One thing that was checked.
#[derive(Serialize)]
struct Check {
    subject: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<CommandError>,
    #[serde(skip)]
    code: ExitCode,
}

async fn check(args: &CheckArgs, session: &Session) -> Outcome {
    // Reading it already checks the file.
    let settings = session.settings()?;
    let mut checks = Vec::new();
    let file = settings.path.as_ref().map_or_else(|| "--repo".to_owned(), |path| path.display().to_string());
    checks.push(Check { subject: format!("file {file}"), ok: true, error: None, code: ExitCode::Done });
    if !args.offline {
        check_services(settings, &mut checks).await;
    }
    let mut text = String::new();
    for check in &checks {
        let state = if check.ok { "ok" } else { "FAILED" };
        text.push_str(&format!("{state:<7} {}\n", check.subject));
        if let Some(error) = &check.error {
            text.push_str(&format!("        {}\n", error.message));
            error.causes.iter().for_each(|cause| text.push_str(&format!("        because: {cause}\n")));
            error.hints.iter().for_each(|hint| text.push_str(&format!("        hint: {hint}\n")));
        }
    }
    session.ui().report(&text, &checks)?;
    let worst = checks.iter().find(|check| !check.ok);
    match worst {
        None => Ok(ExitCode::Done),
        Some(Check { code, subject, error, .. }) => {
            let mut failed = CommandError::new(*code, format!("the check of {subject} failed"));
            if let Some(error) = error {
                failed.causes.push(error.message.clone());
                failed.hints.clone_from(&error.hints);
            }
            Err(failed)
        }
    }
}

async fn check_services(settings: &Settings, checks: &mut Vec<Check>) {
    let mut add = |subject: String, result: Result<(), CommandError>| {
        let code = result.as_ref().err().map_or(ExitCode::Done, |error| error.code);
        checks.push(Check { subject, ok: result.is_ok(), error: result.err(), code });
    };
    let places = open::Places::default();
    for (name, store) in &settings.stores {
        let result = async {
            let found = open::store(store, true)?;
            Ok(found.buckets().await.map(drop)?)
        };
        add(format!("store {name} at {}", store.location()), result.await);
    }
    for (name, database) in &settings.databases {
        let result = async {
            let found = places.database(name, settings)?;
            Ok(open::database(&found, settings)?.preflight_dump().await.map(drop)?)
        };
        add(format!("database {name} at {}", database.location()), result.await);
    }
    for source in settings.backup.files.iter().filter(|source| source.bucket.is_some()) {
        add(format!("files {}", open::source_text(source)), check_source(source, settings).await);
    }
    if let Some(target) = &settings.repository {
        let result = async {
            let store = open::store(&target.store, true)?;
            Ok(Repository::open(store, target.bucket.clone(), target.prefix.clone()).await.map(drop)?)
        };
        add(format!("backup bucket {} at {}", target.bucket, target.store.location()), result.await);
    }
}

async fn check_source(source: &crate::model::FileSource, settings: &Settings) -> Result<(), CommandError> {
    let Some(bucket) = &source.bucket else { return Ok(()) };
    let store = open::store(&settings.stores[&source.store], true)?;
    if store.bucket_exists(bucket).await? {
        return Ok(());
    }
    let message = format!("there is no bucket \"{bucket}\" in the store \"{}\"", source.store);
    Err(CommandError::new(ExitCode::Store, message).hint("Check the name in [backup].files."))
}
