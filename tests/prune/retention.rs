//! Rules over months, by the store's clock.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use dcs::model::retention::{Retention, Rules};
use dcs::model::{BackupId, Manifest};
use dcs::repository::locks::Want;
use dcs::repository::state::{Mark, Said};
use dcs::steps::{delete_backups, retention};
use jiff::SignedDuration;

use crate::world::{World, locks};

async fn apply(world: &World, rules: Rules) -> usize {
    let context = world.sound().await;
    let retention = Retention { all: rules, ..Retention::default() };
    let lock =
        locks(&context, "backup prune").acquire(&[Want::exclusive(Want::REPOSITORY)], crate::GRACE).await.unwrap();
    let plan = retention::plan(&context, &retention).await.unwrap();
    let deletion = retention::deletion(&context, &plan).await.unwrap();
    let deleted = delete_backups::execute(&context, deletion, &lock.lease()).await.unwrap();
    assert!(deleted.report.is_clean());
    lock.release().await.unwrap();
    deleted.backups.len()
}

#[tokio::test]
async fn a_backup_each_half_day_for_three_months_becomes_one_a_day_for_thirty_days_and_what_else_must_stay() {
    let world = World::new().await;
    world.put("42/page", b"content").await;
    let newest = world.back_up().await;
    let repository = world.sound().await.repository;
    let mut first = None;
    for half_day in 1..180 {
        let at = newest.started_at - SignedDuration::from_hours(12 * half_day);
        let id = BackupId::create(at, newest.kind);
        let older = Manifest { id, started_at: at, finished_at: at, ..newest.clone() };
        repository.publish(&older).await.unwrap();
        if half_day == 177 {
            let said = Said { by: "me".to_owned(), host: "here".to_owned(), at };
            repository.say(&older.id, Mark::Protected, &said).await.unwrap();
            first = Some(older.id);
        }
    }
    let deleted = apply(&world, Rules { monthly: 12, ..Rules::default() }).await;
    let left = world.backups().await;
    assert_eq!(deleted + left.len(), 180);
    let months =
        left.iter().map(|manifest| manifest.id.as_str()[..6].to_owned()).collect::<std::collections::BTreeSet<_>>();
    // 30 days, the protected one, and a month's last for each month that these days do not reach.
    let extra = left.len() - 31;
    assert!((1..=months.len()).contains(&extra), "{extra} of {months:?}");
    assert!(left.iter().any(|manifest| Some(&manifest.id) == first.as_ref()));
    // A second time there is nothing to do, and after a year without backups neither.
    assert_eq!(apply(&world, Rules { monthly: 12, ..Rules::default() }).await, 0);
    world.vault.advance_clock(SignedDuration::from_hours(365 * 24));
    assert_eq!(apply(&world, Rules { monthly: 12, ..Rules::default() }).await, 0);
    world.prune(crate::world::NO_GRACE).await;
    world.assert_sound("after the rules").await;
}
