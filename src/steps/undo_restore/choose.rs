//! Which restore to take back.

use crate::steps::continued::Chain;
use crate::steps::{Result, StepError};

/// The one of this name, of whichever of its runs; without a name the last one that is not undone. A restore to which a
/// later one has been added is not taken out from below it. `chains` come the last one first.
pub fn choose(chains: Vec<Chain>, run: Option<&str>) -> Result<Chain> {
    let is_wanted = |chain: &Chain| match run {
        Some(run) => chain.0.iter().any(|journal| run.len() >= SHORTEST && journal.run.as_str().starts_with(run)),
        None => !chain.is_undone(),
    };
    let Some(position) = chains.iter().position(is_wanted) else { return Err(nothing(&chains, run)) };
    let (later, rest) = chains.split_at(position);
    let chosen = &rest[0];
    if let Some(other) = later.iter().find(|other| !other.is_undone() && other.meets(chosen)) {
        let (run, other) = (&chosen.last().run, &other.last().run);
        let reason = format!("a later restore, {other}, went to the same places");
        return Err(StepError::refused("undo the restore", run.as_str(), reason)
            .with_hint(format!("Undo that one first: `dcs restore-complete --undo {other}`.")));
    }
    Ok(chosen.clone())
}

/// As many characters of a run's name are in those of databases.
const SHORTEST: usize = 4;
const MOST_LISTED: usize = 10;

fn nothing(chains: &[Chain], run: Option<&str>) -> StepError {
    let line = |chain: &Chain| {
        let journal = chain.last();
        format!("{} of {}, begun at {:.0}, {}", journal.run, journal.backup, journal.began_at, journal.state.as_str())
    };
    let listed: Vec<String> = chains.iter().take(MOST_LISTED).map(line).collect();
    let listed = if listed.is_empty() { "none".to_owned() } else { listed.join("; ") };
    let subject = run.map_or_else(|| "to undo".to_owned(), |run| format!("of the run {run}"));
    let hint =
        format!("Complete restores that there are: {listed}. Databases alone: `dcs restore-db --undo --dry-run`.");
    StepError::NotFound { what: "complete restore", subject, hint }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::journal::{DatabaseRecord, DatabaseState, HooksRecord, RestoreState};
    use crate::model::manifest::Origins;
    use crate::model::{RestoreJournal, RunId};

    fn chain(state: RestoreState, target: &str) -> Chain {
        let run = RunId::create();
        let database = DatabaseRecord {
            name: "dream".to_owned(),
            target: target.to_owned(),
            state: DatabaseState::Swapped,
            run: run.clone(),
            side: None,
            identity: None,
            displaces: true,
            kept_as: None,
        };
        Chain(vec![RestoreJournal {
            format: RestoreJournal::FORMAT,
            run,
            continues: None,
            backup: "20261120T020000Z-complete-k3x9".parse().unwrap(),
            host: String::new(),
            user: String::new(),
            command: String::new(),
            dcs_version: String::new(),
            began_at: Timestamp::UNIX_EPOCH,
            state,
            error: None,
            databases: vec![database],
            files: Vec::new(),
            config: None,
            hooks: HooksRecord::default(),
            undos: Vec::new(),
            origins: Origins::default(),
        }])
    }

    #[test]
    fn the_last_one_that_is_not_undone_is_chosen_and_none_from_below_another() {
        let undone = chain(RestoreState::Undone, "here");
        let finished = chain(RestoreState::Finished, "here");
        let elsewhere = chain(RestoreState::Running, "elsewhere");
        let first = chain(RestoreState::Failed, "here");
        let chains = vec![undone.clone(), finished.clone(), elsewhere.clone(), first.clone()];
        let run = |chain: &Chain| chain.last().run.as_str().to_owned();
        let chosen = |name: Option<&str>| choose(chains.clone(), name).map(|chain| run(&chain));
        assert_eq!(chosen(None).unwrap(), run(&finished));
        assert_eq!(chosen(Some(&run(&elsewhere)[..4])).unwrap(), run(&elsewhere));
        assert_eq!(chosen(Some(&run(&undone))).unwrap(), run(&undone), "once more does nothing more");
        let below = chosen(Some(&run(&first))).unwrap_err();
        assert!(
            matches!(&below, StepError::Refused { hint: Some(hint), .. } if hint.contains(&run(&finished))),
            "{below}"
        );
        let unknown = chosen(Some("zzzz")).unwrap_err();
        assert!(matches!(&unknown, StepError::NotFound { hint, .. } if hint.contains(&run(&finished))), "{unknown}");
        assert!(choose(vec![undone], None).is_err() && choose(Vec::new(), None).is_err());
    }
}
