//! What lost much since the last good backup is not a good backup: a wiped source must not push the good ones out.

use super::{Context, Result};
use crate::model::manifest::DatabaseComponent;
use crate::model::{BackupId, Problem, format};
use crate::repository::{ErrorKind, Selector};

/// Whether `now` is less than `before` by more than `guard` per cent.
pub(super) fn is_less(before: u64, now: u64, guard: u8) -> bool {
    u128::from(now) * 100 < u128::from(before) * u128::from(100 - guard.min(100))
}

/// Says what a database lost since the newest good backup of it, where that is more than `guard` per cent; 0 asks nothing.
pub(super) async fn database(context: &Context, now: &DatabaseComponent, guard: u8) -> Result<Option<Problem>> {
    if guard == 0 || now.selection.is_some() {
        return Ok(None);
    }
    let is_same = |then: &&DatabaseComponent| then.name == now.name && then.selection.is_none();
    let holds = |manifest: &crate::model::Manifest| manifest.databases.iter().any(|then| is_same(&then));
    let good = match context.repository.select(&Selector::Latest(0), "the database", holds).await {
        Ok(selected) => selected.manifest,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let then = good.databases.iter().find(is_same);
    Ok(then.and_then(|then| lost(then, &good.id, now, guard)))
}

fn lost(then: &DatabaseComponent, good: &BackupId, now: &DatabaseComponent, guard: u8) -> Option<Problem> {
    let counts = |component: &DatabaseComponent| (component.fingerprint.rows(), component.dump.raw_size);
    let ((rows_then, bytes_then), (rows_now, bytes_now)) = (counts(then), counts(now));
    if !is_less(rows_then, rows_now, guard) && !is_less(bytes_then, bytes_now, guard) {
        return None;
    }
    let told = |rows, bytes| format!("{} in a dump of {}", format::count(rows, "row"), format::bytes(bytes));
    let reason = format!(
        "it has {}, and had {} in {good}: if that is right, say so with `dcs backup accept`",
        told(rows_now, bytes_now),
        told(rows_then, bytes_then)
    );
    Some(Problem::new(format!("database {}", now.name), reason))
}

#[cfg(test)]
mod tests {
    use super::is_less;

    #[test]
    fn half_is_allowed_and_less_is_not() {
        assert!(!is_less(100, 50, 50) && is_less(100, 49, 50));
        assert!(!is_less(3, 2, 50) && is_less(3, 1, 50));
        assert!(!is_less(0, 0, 50) && !is_less(7, 0, 100));
        assert!(!is_less(u64::MAX, u64::MAX, 1) && is_less(u64::MAX, 1, 99));
    }
}
