//! What an interrupted restore left for the next run of the same: found by its journal, under the locks of its targets, so
//! that whoever wrote it is known to be dead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Context, Result};
use crate::model::journal::{DatabaseRecord, DatabaseState, HookState, RestoreState};
use crate::model::{Manifest, RestoreJournal, RunId};

/// A restore with all runs that it took, the first one first.
#[derive(Debug, Clone)]
pub struct Chain(pub Vec<RestoreJournal>);

impl Chain {
    /// The run that came last.
    pub fn last(&self) -> &RestoreJournal {
        self.0.last().expect("a chain has a link")
    }

    pub fn first(&self) -> &RestoreJournal {
        self.0.first().expect("a chain has a link")
    }

    pub fn is_undone(&self) -> bool {
        self.last().state == RestoreState::Undone
    }

    /// Whether something of both lies in the same place.
    pub fn meets(&self, other: &Self) -> bool {
        let targets = |chain: &Self| {
            let journal = chain.last();
            let databases = journal.databases.iter().map(|record| record.target.clone());
            let files = journal.files.iter().map(|record| format!("{} {}", record.target, record.source.bucket()));
            databases.chain(files).collect::<BTreeSet<String>>()
        };
        !targets(self).is_disjoint(&targets(other))
    }
}

/// Joins the journals of runs that go on with one another; the oldest restore first.
pub fn chains(journals: Vec<RestoreJournal>) -> Vec<Chain> {
    let continued: BTreeSet<RunId> = journals.iter().filter_map(|journal| journal.continues.clone()).collect();
    let (mut links, mut heads) = (BTreeMap::new(), Vec::new());
    for journal in journals {
        if continued.contains(&journal.run) {
            links.insert(journal.run.clone(), journal);
        } else {
            heads.push(journal);
        }
    }
    let chain = |head: RestoreJournal| {
        let mut chain = vec![head];
        // Each is taken out: what goes round in a circle comes to an end.
        while let Some(link) = chain.last().and_then(|last| last.continues.as_ref()).and_then(|run| links.remove(run)) {
            chain.push(link);
        }
        chain.reverse();
        Chain(chain)
    };
    heads.into_iter().map(chain).collect()
}

/// An interrupted restore that the next run goes on with.
#[derive(Debug, Clone)]
pub struct Continued {
    pub chain: Chain,
    /// Databases that it put in place, and that still answer by their names.
    pub in_place: Vec<DatabaseRecord>,
}

impl Continued {
    pub fn is_in_place(&self, database: &str) -> bool {
        self.in_place.iter().any(|record| record.name == database)
    }

    /// Whether the application was stopped and not started again.
    pub fn is_hook_open(&self) -> bool {
        let begun = self.chain.0.iter().rev().find(|journal| journal.hooks.before != HookState::Not);
        begun.is_some_and(|journal| journal.hooks.is_open())
    }

    /// Where the configuration lies already.
    pub fn unpacked_to(&self, host: &str) -> Option<&str> {
        let done =
            self.chain.0.iter().filter(|journal| journal.host == host).filter_map(|journal| journal.config.as_ref());
        done.filter(|config| config.done).map(|config| config.folder.as_str()).next_back()
    }

    /// The runs whose side databases may lie about.
    pub(super) fn runs(&self) -> impl Iterator<Item = &RunId> {
        self.chain.0.iter().map(|journal| &journal.run)
    }
}

impl fmt::Display for Continued {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.chain.last();
        let (run, host, state) = (&last.run, &last.host, last.state.as_str());
        write!(formatter, "goes on with the restore {run} of {host}, begun at {:.0} and {state}", last.began_at)?;
        for record in &self.in_place {
            write!(formatter, "\n  database {} is in place already", record.name)?;
            if let Some(kept) = &record.kept_as {
                write!(formatter, "; the old one is kept as {kept}")?;
            }
        }
        if self.is_hook_open() {
            formatter.write_str("\n  the hook after the swap has not run yet")?;
        }
        Ok(())
    }
}

/// What was found of earlier restores to these targets.
#[derive(Debug, Default)]
pub struct Earlier {
    pub continued: Option<Continued>,
    /// What whoever restores should know of others.
    pub warnings: Vec<String>,
}

/// Looks for an unfinished restore of this backup to exactly these targets, with nothing later in them.
pub async fn find(context: &Context, manifest: &Manifest) -> Result<Earlier> {
    let journals = context.repository.restores().await?;
    let mut earlier = Earlier::default();
    for error in &journals.unreadable {
        earlier.warnings.push(format!("a journal of a restore cannot be used: {error}"));
    }
    let wanted = targets(context, manifest)?;
    let chains = chains(journals.found);
    let Some(last) = chains.into_iter().rev().find(|chain| !of(chain.last()).is_disjoint(&wanted)) else {
        return Ok(earlier);
    };
    let journal = last.last();
    let is_open = matches!(journal.state, RestoreState::Running | RestoreState::Failed);
    if is_open && journal.backup == manifest.id && of(journal) == wanted {
        let in_place = in_place(context, &last).await?;
        earlier.continued = Some(Continued { chain: last, in_place });
        return Ok(earlier);
    }
    let (run, backup) = (&journal.run, &journal.backup);
    match journal.state {
        RestoreState::Running | RestoreState::Undoing => earlier.warnings.push(format!(
            "the restore {run} of {backup} to the same places is {}; \
             `dcs restore-complete --undo {run}` takes it back",
            journal.state.as_str()
        )),
        _ => {}
    }
    Ok(earlier)
}

/// Databases by name and place, buckets by source and place.
type Targets = BTreeSet<(String, String)>;

fn targets(context: &Context, manifest: &Manifest) -> Result<Targets> {
    let mut targets = Targets::new();
    for component in &manifest.databases {
        targets.insert((component.name.clone(), context.database(&component.name)?.describe()));
    }
    for summary in manifest.files.iter().flat_map(|files| &files.sources) {
        let store = context.store(summary.source.store())?;
        targets.insert((summary.source.to_string(), store.describe()));
    }
    Ok(targets)
}

fn of(journal: &RestoreJournal) -> Targets {
    let databases = journal.databases.iter().map(|record| (record.name.clone(), record.target.clone()));
    let files = journal.files.iter().map(|record| (record.source.to_string(), record.target.clone()));
    databases.chain(files).collect()
}

/// The databases that a run swapped in and that are live now. A database is only passed over where that is certain.
async fn in_place(context: &Context, chain: &Chain) -> Result<Vec<DatabaseRecord>> {
    let mut found = Vec::new();
    for name in chain.last().databases.iter().map(|record| &record.name) {
        let live = context.database(name)?.identity(&context.run).await?;
        let records = chain.0.iter().rev().filter_map(|journal| journal.database(name));
        let is_live = |record: &&DatabaseRecord| {
            matches!(record.state, DatabaseState::Swapping | DatabaseState::Swapped)
                && record.identity.is_some()
                && record.identity == live
        };
        found.extend(records.filter(is_live).map(as_swapped).next());
    }
    Ok(found)
}

fn as_swapped(record: &DatabaseRecord) -> DatabaseRecord {
    DatabaseRecord { state: DatabaseState::Swapped, ..record.clone() }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::journal::HooksRecord;
    use crate::model::manifest::Origins;

    fn journal(second: i64, continues: Option<&RestoreJournal>) -> RestoreJournal {
        RestoreJournal {
            format: RestoreJournal::FORMAT,
            run: RunId::create(),
            continues: continues.map(|journal| journal.run.clone()),
            backup: "20261120T020000Z-complete-k3x9".parse().unwrap(),
            host: String::new(),
            user: String::new(),
            command: String::new(),
            dcs_version: String::new(),
            began_at: Timestamp::from_second(second).unwrap(),
            state: RestoreState::Running,
            error: None,
            databases: Vec::new(),
            files: Vec::new(),
            config: None,
            hooks: HooksRecord::default(),
            undos: Vec::new(),
            origins: Origins::default(),
        }
    }

    #[test]
    fn runs_that_go_on_with_one_another_are_one_restore() {
        let first = journal(1, None);
        let second = journal(2, Some(&first));
        let other = journal(3, None);
        let third = journal(4, Some(&second));
        let runs = [&first, &second, &third].map(|journal| journal.run.clone());
        let chains = chains(vec![first, second, other.clone(), third]);
        assert_eq!(chains.len(), 2);
        assert_eq!(chains[0].last().run, other.run);
        assert_eq!(chains[1].0.iter().map(|journal| journal.run.clone()).collect::<Vec<_>>(), runs);
    }

    #[test]
    fn a_circle_of_journals_is_no_endless_chain() {
        let mut first = journal(1, None);
        let second = journal(2, Some(&first));
        let head = journal(3, Some(&second));
        first.continues = Some(second.run.clone());
        assert_eq!(chains(vec![first, second, head])[0].0.len(), 3);
    }
}
