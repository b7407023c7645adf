//! Holds what was found against what the operator wants. What is not known is not met.

use std::time::Duration;

use serde::Serialize;

use super::components::{Component, Standing};
use super::space::Space;
use crate::model::{BackupKind, Objectives, format};

/// One objective, for one thing.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// The key of `[objectives]`.
    pub objective: &'static str,
    /// What it is about: `db dream`; `repository` or `restore` where it is about all.
    pub subject: String,
    pub wanted: String,
    pub found: String,
    pub met: bool,
    /// What to run next, where it is missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Judged {
    fn new(objective: &'static str, subject: impl ToString, wanted: String, found: String, met: bool) -> Self {
        Self { objective, subject: subject.to_string(), wanted, found, met, next: None }
    }

    /// What mends it.
    fn mended_by(mut self, command: impl Into<String>) -> Self {
        self.next = (!self.met).then(|| command.into());
        self
    }
}

pub(super) fn judge(objectives: &Objectives, standings: &[Standing], space: Option<&Space>) -> Vec<Judged> {
    let mut judged = ages(objectives, standings);
    judged.extend(objectives.proven.iter().flat_map(|limit| proofs(*limit, standings)));
    judged.extend(objectives.backup_time.map(|limit| backup_time(limit, standings)));
    judged.extend(objectives.restore_time.map(|limit| restore_time(limit, standings)));
    if let (Some(limit), Some(space)) = (objectives.disk_used, space) {
        let (wanted, found) = (format::bytes(limit), format::bytes(space.bytes));
        let met = space.bytes <= limit;
        judged.push(Judged::new("disk_used", "repository", wanted, found, met).mended_by("dcs backup prune"));
    }
    judged
}

fn ages(objectives: &Objectives, standings: &[Standing]) -> Vec<Judged> {
    let limits = [
        ("db", BackupKind::Db, objectives.db),
        ("files", BackupKind::Files, objectives.files),
        ("config", BackupKind::Config, objectives.config),
        ("complete", BackupKind::Complete, objectives.complete),
    ];
    let mut judged = Vec::new();
    for (name, kind, limit) in limits {
        let Some(limit) = limit else { continue };
        let mut own = standings.iter().filter(|standing| standing.component.kind == kind).peekable();
        if own.peek().is_none() {
            let nothing = Component { kind, name: String::new() };
            let found = "nothing is backed up".to_owned();
            let next = "dcs config show";
            judged.push(Judged::new(name, nothing, format::short_duration(limit), found, false).mended_by(next));
        }
        judged.extend(own.map(|standing| {
            let (component, age) = (&standing.component, standing.good.as_ref().map(|good| good.age_seconds));
            let found = age.map_or_else(|| "no good backup".to_owned(), |age| format!("{} old", told(age)));
            let met = age.is_some_and(|age| age <= limit.as_secs());
            let wanted = format::short_duration(limit);
            Judged::new(name, component, wanted, found, met).mended_by(component.backup_command())
        }));
    }
    judged
}

fn proofs(limit: Duration, standings: &[Standing]) -> Vec<Judged> {
    let parts = standings.iter().filter(|standing| standing.component.kind != BackupKind::Complete);
    let judged = parts.map(|standing| {
        let age = standing.proven.as_ref().map(|proven| proven.age_seconds);
        let found = age.map_or_else(|| "never".to_owned(), |age| format!("{} ago", told(age)));
        let met = age.is_some_and(|age| age <= limit.as_secs());
        let next = match &standing.good {
            Some(good) => format!("dcs verify {} --level restore", good.id),
            None => standing.component.backup_command(),
        };
        Judged::new("proven", &standing.component, format::short_duration(limit), found, met).mended_by(next)
    });
    judged.collect()
}

fn backup_time(limit: Duration, standings: &[Standing]) -> Judged {
    let longest = standings.iter().filter_map(|standing| standing.good.as_ref()).max_by_key(|good| good.took_seconds);
    let wanted = format::short_duration(limit);
    let Some(good) = longest else {
        return Judged::new("backup_time", "backup", wanted, "no good backup".to_owned(), false)
            .mended_by("dcs backup complete");
    };
    let found = format::duration(Duration::from_secs(good.took_seconds));
    let met = good.took_seconds <= limit.as_secs();
    Judged::new("backup_time", &good.id, wanted, found, met).mended_by(format!("dcs backup show {}", good.id))
}

/// Databases, files and configuration come back one after the other; of the buckets, the slowest proof stands for all.
fn restore_time(limit: Duration, standings: &[Standing]) -> Judged {
    let parts = || standings.iter().filter(|standing| standing.component.kind != BackupKind::Complete);
    let measured = |standing: &Standing| standing.proven.as_ref().and_then(|proven| proven.restore_seconds);
    let of = |kind| parts().filter(move |standing| standing.component.kind == kind).filter_map(measured);
    let files = of(BackupKind::Files).fold(0.0, f64::max);
    let seconds: f64 = of(BackupKind::Db).chain(of(BackupKind::Config)).sum::<f64>() + files;
    let unknown: Vec<String> = parts()
        .filter(|standing| measured(standing).is_none())
        .map(|standing| standing.component.to_string())
        .collect();
    let found = match unknown.as_slice() {
        [] if parts().next().is_some() => format::duration(Duration::from_secs_f64(seconds)),
        [] => "nothing is backed up".to_owned(),
        _ => format!("not measured for {}", unknown.join(", ")),
    };
    let met = unknown.is_empty() && parts().next().is_some() && seconds <= limit.as_secs_f64();
    Judged::new("restore_time", "restore", format::short_duration(limit), found, met)
        .mended_by("dcs verify latest --level restore")
}

fn told(seconds: u64) -> String {
    format::age(Duration::from_secs(seconds))
}
