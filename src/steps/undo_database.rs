//! Puts databases back that a restore displaced. Needs nothing but the databases: no repository, no backup.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::hooks::{Hooked, Hooks};
use super::{Result, StepError};
use crate::database::{Database, Displaced, UndoOptions, UndoPlan};
use crate::model::{RunId, format};

/// A database and what was displaced from it, the last first.
#[derive(Debug)]
pub struct Candidate {
    /// As the configuration calls it.
    pub name: String,
    pub database: Arc<dyn Database>,
    pub displaced: Vec<Displaced>,
}

/// What is to be put back.
#[derive(Debug)]
pub struct Chosen {
    name: String,
    database: Arc<dyn Database>,
    displaced: Displaced,
}

/// What putting one database back will do.
#[derive(Debug)]
pub struct DatabaseUndoPlan {
    chosen: Chosen,
    plan: UndoPlan,
}

/// The plan for scripts.
#[derive(Debug, Serialize)]
pub struct Told<'a> {
    name: &'a str,
    target: String,
    displaced: &'a Displaced,
    #[serde(flatten)]
    plan: &'a UndoPlan,
}

/// A database that answers with what had been displaced.
#[derive(Debug, Serialize)]
pub struct Undone {
    pub name: String,
    pub target: String,
    /// What was put back, as it was called.
    pub put_back: String,
    /// What the other is called now.
    pub kept_as: Option<String>,
}

/// Looks for what was displaced from each.
pub async fn look(databases: BTreeMap<String, Arc<dyn Database>>, run: &RunId) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for (name, database) in databases {
        let displaced = database.displaced(run).await?;
        candidates.push(Candidate { name, database, displaced });
    }
    Ok(candidates)
}

/// Chooses for each candidate what `run` displaced; without one, for those that `named` says were asked for by name, what
/// was displaced last, and for all others together what the last run displaced.
pub fn choose(candidates: Vec<Candidate>, run: Option<&str>, named: bool) -> Result<Vec<Chosen>> {
    let listed = listed(&candidates);
    let all = candidates.iter().flat_map(|candidate| &candidate.displaced);
    let last = all.max_by_key(|displaced| displaced.until).map(|displaced| displaced.run.clone());
    let run = run.map(|run| run.chars().take(RUN).collect()).or_else(|| last.filter(|_| !named));
    let mut chosen = Vec::new();
    for candidate in candidates {
        let mut fitting = candidate.displaced.into_iter();
        match fitting.find(|displaced| run.as_ref().is_none_or(|run| displaced.run == *run)) {
            Some(displaced) => chosen.push(Chosen { name: candidate.name, database: candidate.database, displaced }),
            None if named => return Err(nothing(&candidate.name, run.as_deref(), &listed)),
            None => {}
        }
    }
    if chosen.is_empty() {
        return Err(nothing("any", run.as_deref(), &listed));
    }
    Ok(chosen)
}

/// As many characters of a run's name are in a displaced one's.
const RUN: usize = 4;

fn listed(candidates: &[Candidate]) -> String {
    let line = |candidate: &Candidate| {
        let displaced: Vec<String> = candidate.displaced.iter().map(ToString::to_string).collect();
        let displaced = if displaced.is_empty() { "none".to_owned() } else { displaced.join("; ") };
        format!("of {}: {displaced}", candidate.name)
    };
    candidates.iter().map(line).collect::<Vec<_>>().join(". ")
}

fn nothing(name: &str, run: Option<&str>, listed: &str) -> StepError {
    let by = run.map_or_else(String::new, |run| format!(", by the run {run}"));
    let hint = format!("What there is, {listed}. Choose by `--run RUN`; older states are in `dcs backup list`.");
    StepError::NotFound { what: "database displaced", subject: format!("from {name}{by}"), hint }
}

impl Chosen {
    pub(super) fn of(name: String, database: Arc<dyn Database>, displaced: Displaced) -> Self {
        Self { name, database, displaced }
    }

    /// How the live database describes itself.
    pub fn target(&self) -> String {
        self.database.describe()
    }
}

/// Checks everything that putting them back needs. Changes nothing.
pub async fn plan(chosen: Vec<Chosen>, options: &UndoOptions) -> Result<Vec<DatabaseUndoPlan>> {
    let mut plans = Vec::new();
    for chosen in chosen {
        let plan = chosen.database.plan_undo(&chosen.displaced, options).await?;
        plans.push(DatabaseUndoPlan { chosen, plan });
    }
    Ok(plans)
}

/// Puts all back between the hooks.
pub async fn execute(
    plans: Vec<DatabaseUndoPlan>,
    options: &UndoOptions,
    hooks: &Hooks,
) -> Result<Hooked<Vec<Undone>>> {
    hooks.around(put_back(plans, options), async {}).await
}

/// Puts each back. A crash between two leaves some back and some not, each whole.
pub(super) async fn put_back(plans: Vec<DatabaseUndoPlan>, options: &UndoOptions) -> Result<Vec<Undone>> {
    let (mut undone, mut done) = (Vec::new(), Vec::new());
    for DatabaseUndoPlan { chosen, .. } in plans {
        let swapped = chosen.database.undo(&chosen.displaced, options).await;
        let kept_as = swapped.map_err(|error| StepError::from(error).after(std::mem::take(&mut done)))?;
        done.push(format!("database {}", chosen.name));
        let target = chosen.target();
        undone.push(Undone { name: chosen.name, target, put_back: chosen.displaced.name, kept_as });
    }
    Ok(undone)
}

impl DatabaseUndoPlan {
    pub fn name(&self) -> &str {
        &self.chosen.name
    }

    pub fn displaces_live(&self) -> bool {
        self.plan.live.is_some()
    }

    pub fn told(&self) -> Told<'_> {
        let Self { chosen, plan } = self;
        Told { name: &chosen.name, target: chosen.target(), displaced: &chosen.displaced, plan }
    }
}

impl fmt::Display for DatabaseUndoPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chosen, plan } = self;
        write!(formatter, "database {} of {}", chosen.name, chosen.target())?;
        write!(formatter, "\n    back    {}", chosen.displaced)?;
        let (Some(live), Some(kept)) = (&plan.live, &plan.kept_as) else {
            return formatter.write_str("\n    aside   nothing: there is no live one");
        };
        let size = live.size_bytes.map_or_else(String::new, |size| format!(", {}", format::bytes(size)));
        write!(formatter, "\n    aside   the live one{size}, kept as {kept}")?;
        if !live.connections.is_empty() {
            let told: Vec<String> = live.connections.iter().map(ToString::to_string).collect();
            let count = format::count(live.connection_count(), "connection");
            write!(formatter, "\n    cuts    {count}: {}", told.join(", "))?;
        }
        let since = chosen.displaced.until.map_or_else(|| "since".to_owned(), |until| format!("since {until:.0}"));
        write!(
            formatter,
            "\n    note: what was written {since} goes aside with the live one; how much that is, is unknown"
        )?;
        for warning in &plan.warnings {
            write!(formatter, "\n    note: {warning}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Undone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "put back database {} from {}", self.name, self.put_back)?;
        match &self.kept_as {
            Some(name) => write!(formatter, "; what was live is kept as {name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::database::SqliteDatabase;

    fn candidate(name: &str, displaced: &[(&str, i64)]) -> Candidate {
        let displaced = displaced.iter().map(|(run, second)| Displaced {
            name: format!("{name}__before_{run}"),
            run: (*run).to_owned(),
            until: Timestamp::from_second(*second).ok(),
            size_bytes: None,
        });
        let database = Arc::new(SqliteDatabase::open("/nowhere"));
        Candidate { name: name.to_owned(), database, displaced: displaced.collect() }
    }

    fn chosen(run: Option<&str>, named: bool) -> std::result::Result<Vec<String>, String> {
        let candidates = vec![candidate("a", &[("new2", 9), ("old2", 1)]), candidate("b", &[("mid2", 5), ("old2", 1)])];
        match choose(candidates, run, named) {
            Ok(chosen) => Ok(chosen.into_iter().map(|chosen| chosen.displaced.name).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn without_a_name_the_last_run_is_undone_and_by_name_each_ones_last() {
        let names = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(chosen(None, false), names(&["a__before_new2"]));
        assert_eq!(chosen(None, true), names(&["a__before_new2", "b__before_mid2"]));
        assert_eq!(chosen(Some("old2"), false), names(&["a__before_old2", "b__before_old2"]));
        assert_eq!(chosen(Some("mid2xyzw"), false), names(&["b__before_mid2"]));
        assert_eq!(
            chosen(Some("mid2"), true),
            Err("there is no database displaced from a, by the run mid2".to_owned())
        );
        assert!(choose(vec![candidate("a", &[])], None, false).is_err());
    }
}
