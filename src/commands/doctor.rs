//! `dcs doctor`

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Args;

use super::open::{self, Places};
use super::{Outcome, Session};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::{Compression, Prefix, format};
use crate::repository::Repository;
use crate::settings::{Settings, StoreSettings};
use crate::steps::doctor::{self, Area, BucketUse, Finding, Health, Machine};
use crate::steps::with_causes;
use crate::store::ErrorKind;

/// Try what backups and restores will need, before they need it
///
/// Who may read the configuration and its secrets, clocks, what each store can do, databases and their tools, rights and room,
/// the state directory, the repository, and the programs of a restore without dcs. Writes only to a scratch folder in the
/// backup bucket and the trash, which it removes. Warnings are exit code 3; what failed first makes it 2, 20, 21 or 1.
#[derive(Debug, Args)]
pub struct DoctorArgs {}

pub(super) async fn run(_args: DoctorArgs, session: &Session) -> Outcome {
    let settings = session.settings()?;
    let mut findings = configuration(settings);
    findings.extend(stores(settings).await);
    findings.extend(repository(settings).await);
    let mut databases = BTreeMap::new();
    for name in settings.databases.keys() {
        let found = Places::default().database(name, settings)?;
        databases.insert(name.clone(), open::database(&found, settings)?);
    }
    findings.extend(doctor::databases(&databases, &settings.spool()).await);
    findings.extend(doctor::machine(&Machine {
        state_dir: settings.state_dir.clone(),
        spool: settings.spool(),
        search_path: settings.environment.search_path(),
        needs_zstd: matches!(settings.backup.compression, Compression::Zstd(_)),
    }));
    session.ui().report(&text(&findings), &findings)?;
    judge(&findings)
}

/// The file, and who may read it and what it names.
fn configuration(settings: &Settings) -> Vec<Finding> {
    let Some(path) = &settings.path else {
        return vec![Finding::ok(Area::Configuration, "configuration", "none: --repo alone")];
    };
    let subject = format!("configuration {}", path.display());
    let mut findings = vec![guarded(&subject, path, settings.holds_passwords)];
    for path in &settings.secret_files {
        findings.push(guarded(&format!("secret {}", path.display()), path, true));
    }
    if settings.repository.is_none() {
        let next = "Add `store` and `bucket` under [backup]. See `dcs config example`.";
        findings.push(Finding::failed(Area::Configuration, subject, "it has no [backup]: nothing is backed up", next));
    }
    findings
}

/// Whoever may write the configuration may have dcs run commands; whoever may read a secret has it.
fn guarded(subject: &str, path: &Path, is_secret: bool) -> Finding {
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode(),
        Err(error) => {
            let next = "Check the path and its rights.";
            return Finding::failed(Area::Configuration, subject, format!("cannot be looked at: {error}"), next);
        }
    };
    let next = format!("chmod 600 {}", path.display());
    if mode & 0o022 != 0 {
        return Finding::warning(Area::Configuration, subject, "others may write to it", next);
    }
    if is_secret && mode & 0o044 != 0 {
        return Finding::warning(Area::Configuration, subject, "it holds a secret, and others may read it", next);
    }
    Finding::ok(
        Area::Configuration,
        subject,
        if is_secret { "nobody else may read it" } else { "nobody else may write it" },
    )
}

async fn stores(settings: &Settings) -> Vec<Finding> {
    let mut all: BTreeMap<&str, &StoreSettings> =
        settings.stores.iter().map(|(name, store)| (name.as_str(), store)).collect();
    if let Some(target) = &settings.repository
        && !settings.stores.values().any(|store| *store == target.store)
    {
        all.insert("of --repo", &target.store);
    }
    let mut findings = Vec::new();
    for (name, store) in all {
        let subject = format!("store {name}");
        if matches!(store, StoreSettings::S3(s3) if s3.credentials.is_none()) {
            let next = "Give it `access_key_id` and `secret_access_key_file`, or set AWS_ACCESS_KEY_ID and its secret.";
            findings.push(Finding::warning(
                Area::Configuration,
                &subject,
                "no credentials: requests go unsigned",
                next,
            ));
        }
        match open::store(store, false) {
            Ok(opened) => {
                let used = used(settings, name, store);
                let sources = settings.backup.files.iter();
                let lists = sources.clone().any(|source| source.store == name && source.bucket.is_none());
                findings.extend(doctor::store(opened.as_ref(), name, &used, lists || used.is_empty()).await);
            }
            Err(error) => {
                let next = match error.kind {
                    ErrorKind::NoBucket => "Check the path, and that the disk is mounted.",
                    _ => "Check [stores].",
                };
                findings.push(Finding::failed(Area::Store, &subject, with_causes(&error), next));
            }
        }
    }
    findings
}

/// The buckets that the configuration names in a store, each once.
fn used(settings: &Settings, name: &str, store: &StoreSettings) -> Vec<BucketUse> {
    let mut used: Vec<BucketUse> = Vec::new();
    let mut add = |bucket: &crate::model::BucketName, prefix: Prefix, is_written: bool| {
        if !used.iter().any(|known| known.bucket == *bucket) {
            used.push(BucketUse { bucket: bucket.clone(), prefix, is_written });
        }
    };
    // A section that leads to the same place as the backup's own is looked at there.
    let is_first = settings.stores.iter().find(|(_, other)| *other == store).is_none_or(|(first, _)| first == name);
    if let Some(target) = settings.repository.as_ref().filter(|target| target.store == *store && is_first) {
        add(&target.bucket, target.prefix.clone(), true);
    }
    if let Some(trash) = settings.trash.as_ref().filter(|trash| trash.store == name) {
        add(&trash.bucket, Prefix::root(), true);
    }
    for source in settings.backup.files.iter().filter(|source| source.store == name) {
        source.bucket.iter().for_each(|bucket| add(bucket, Prefix::root(), false));
    }
    for kind in settings.items.values().filter(|kind| kind.store == name) {
        add(&kind.bucket, Prefix::root(), false);
    }
    used
}

async fn repository(settings: &Settings) -> Option<Finding> {
    let target = settings.repository.as_ref()?;
    // A store that cannot be opened is a finding already.
    let store = open::store(&target.store, true).ok()?;
    let opened = Repository::open(store, target.bucket.clone(), target.prefix.clone()).await;
    Some(doctor::repository(opened.as_ref()).await)
}

fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let state = match finding.health {
            Health::Ok => "ok",
            Health::Warning => "WARNING",
            Health::Failed => "FAILED",
        };
        text.push_str(&format!("{state:<8} {}: {}\n", finding.subject, finding.found));
        if let Some(next) = &finding.next {
            text.push_str(&format!("         do: {next}\n"));
        }
    }
    text
}

fn judge(findings: &[Finding]) -> Outcome {
    let count = |health: Health| findings.iter().filter(|finding| finding.health == health).count();
    let (failed, warned) = (count(Health::Failed), count(Health::Warning));
    let worst = if failed > 0 { Health::Failed } else { Health::Warning };
    let Some(first) = findings.iter().find(|finding| finding.health == worst) else { return Ok(ExitCode::Done) };
    let (code, message) = if failed > 0 {
        let code = match first.area {
            Area::Configuration => ExitCode::Usage,
            Area::Store => ExitCode::Store,
            Area::Database => ExitCode::Database,
            Area::Machine => ExitCode::Failed,
        };
        (code, format!("{} of {} failed", failed, format::count(findings.len() as u64, "check")))
    } else {
        (ExitCode::Problems, format::count(warned as u64, "warning"))
    };
    let mut error = CommandError::new(code, format!("{message}, first {}: {}", first.subject, first.found));
    if let Some(next) = &first.next {
        error = error.hint(next.clone());
    }
    Err(error)
}
