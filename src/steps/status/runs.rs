//! What the records of runs tell: how often a backup failed since there was a good one. Their names alone say it.

use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};

use super::components::{Failures, Standing};
use crate::model::BackupKind;
use crate::repository::Repository;
use crate::steps::Result;

/// What failed longer ago is not counted.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Counts, for each, the runs that should have made a backup of it after the newest good one began.
pub(super) async fn count_failures(repository: &Repository, standings: &mut [Standing], now: Timestamp) -> Result<()> {
    let earliest = now.checked_sub(LONGEST).unwrap_or(Timestamp::MIN);
    let begins = standings.iter().map(|standing| begin(standing).max(earliest));
    let Some(since) = begins.min() else { return Ok(()) };
    let mut names = std::pin::pin!(repository.runs(Some(since)));
    while let Some(name) = names.try_next().await? {
        let Some(kind) = kind_of(&name.command).filter(|_| name.code != 0) else { continue };
        for standing in standings.iter_mut() {
            let own = standing.component.kind;
            if (kind == own || kind == BackupKind::Complete) && name.at > begin(standing) {
                let count = standing.failures.count + 1;
                standing.failures = Failures { count, last_at: Some(name.at), last_code: Some(name.code) };
            }
        }
    }
    Ok(())
}

fn begin(standing: &Standing) -> Timestamp {
    standing.good.as_ref().map_or(Timestamp::MIN, |good| good.started_at)
}

fn kind_of(command: &str) -> Option<BackupKind> {
    let kind = command.strip_prefix("backup ")?;
    BackupKind::ALL.into_iter().find(|known| known.as_str() == kind)
}
