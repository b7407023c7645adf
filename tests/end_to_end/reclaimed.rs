//! Old backups go, their room is reclaimed, and what is left brings everything back.

use crate::on_both;
use crate::system::{Size, System, assert_same};

async fn comes_back_after_old_backups_went(mut system: System) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    dcs.run(&["backup", "complete"]).ok();
    let oldest = system.newest();
    system.live.write(0, "a/b", "other content of another length").await;
    system.live.write(1, "extra/object", "extra").await;
    dcs.run(&["backup", "complete"]).ok();
    let older = system.newest();
    system.live.delete(1, "extra/object").await;
    dcs.run(&["backup", "complete"]).ok();
    let state = system.state().await;

    dcs.run(&["backup", "delete", &oldest, &older, "--yes"]).ok().answers("deleted 2 backups");
    let before = system.backup_objects().await.len();
    let plan = dcs.run(&["backup", "prune", "--dry-run", "--grace", "0s", "--json"]).ok().json();
    let removed = dcs.run(&["backup", "prune", "--yes", "--grace", "0s", "--json"]).ok().json();
    assert_eq!(plan["remove"]["objects"], removed["removed"]["objects"], "{plan} {removed}");
    let count = removed["removed"]["objects"].as_u64().unwrap();
    // A list of packs that are mostly dead may have come.
    let names = system.backup_objects().await;
    let sparse = names.keys().filter(|key| key.ends_with("marks/sparse.tsv")).count();
    assert!(count >= 2, "{removed}");
    assert_eq!(names.len() - sparse, before - usize::try_from(count).unwrap(), "{removed}");

    dcs.run(&["verify", "all", "--level", "contents"]).ok();
    system.lose_everything().await;
    dcs.run(&["restore-complete", "--yes"]).ok();
    assert_same(&state, &system.state().await);
    system.remove().await;
}

on_both!(comes_back_after_old_backups_went, Size::Small);
