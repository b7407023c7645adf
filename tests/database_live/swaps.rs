//! The swap of the old database for the new one: whole, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use dcs::database::{Database, ErrorKind};

use crate::postgres::{Dump, quoted};
use crate::{owned, remove_with_role, scratch, support};

#[tokio::test]
async fn a_restore_under_clients_that_come_back_swaps_and_keeps_the_old_database() {
    let Some(scratch) = scratch("dcs-swap").await else { return };
    let spool = support::folder();
    scratch.client().await.batch_execute("CREATE TABLE t AS SELECT 1 AS version").await.unwrap();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    scratch.client().await.batch_execute("UPDATE t SET version = 2; INSERT INTO t VALUES (2)").await.unwrap();

    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let scratch = Arc::new(scratch);
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (scratch, stop, answers) = (Arc::clone(&scratch), Arc::clone(&stop), Arc::clone(&answers));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(client) = scratch.try_connect(&scratch.name).await else { continue };
                    while !stop.load(Ordering::Relaxed) {
                        let Ok(row) = client.query_one("SELECT max(version), count(*) FROM t", &[]).await else {
                            break;
                        };
                        // Either the old state or the new one, whole.
                        let seen: (i32, i64) = (row.get(0), row.get(1));
                        assert!(seen == (2, 2) || seen == (1, 1), "{seen:?}");
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    let options = dump.restore_options(spool.path());
    let mut restore = dump.load(&database, &options).await;
    assert_eq!(restore.compare(&dump.fingerprint).await.unwrap(), []);
    let kept = restore.swap().await.unwrap().unwrap();
    let so_far = answers.load(Ordering::Relaxed);
    while answers.load(Ordering::Relaxed) < so_far + 12 {
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(scratch.count("SELECT max(version)::int8 FROM t").await, 1);
    let old = scratch.connect(&kept).await;
    assert_eq!(old.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0), 2);
    drop(old);
    Arc::into_inner(scratch).unwrap().remove().await;
}

#[tokio::test]
async fn a_swap_that_fails_leaves_the_live_database_answering() {
    let Some(scratch) = scratch("dcs-rollback").await else { return };
    let spool = support::folder();
    let client = scratch.client().await;
    client.batch_execute("CREATE TABLE t AS SELECT 1 AS version").await.unwrap();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    client.batch_execute("UPDATE t SET version = 2").await.unwrap();
    let options = dump.restore_options(spool.path());
    let restore = dump.load(&database, &options).await;
    // The name of the displaced database is taken at the last moment: the second statement of the transaction fails.
    let kept = format!("{}__before_{}", scratch.name, options.run.short());
    scratch.admin().await.batch_execute(&format!("CREATE DATABASE {}", quoted(&kept))).await.unwrap();
    let error = restore.swap().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error:?}");
    assert_eq!(scratch.count("SELECT max(version)::int8 FROM t").await, 2);
    assert_eq!(scratch.family().await, [scratch.name.clone(), kept], "the new one is dropped");
    // What a run leaves that was killed is told by the next.
    let left = format!("{}__new_dead", scratch.name);
    scratch.admin().await.batch_execute(&format!("CREATE DATABASE {}", quoted(&left))).await.unwrap();
    let plan = database.plan_restore(&dump.restore_options(spool.path())).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains(&left)), "{plan:?}");
    scratch.remove().await;
}

#[tokio::test]
async fn a_swap_that_is_cut_off_between_its_two_renames_leaves_the_old_database_live() {
    let Some((scratch, role, database)) = owned("dcs-cut-off").await else { return };
    let spool = support::folder();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    scratch.client().await.batch_execute("UPDATE s.t SET version = 2").await.unwrap();
    let options = dump.restore_options(spool.path());
    let restore = dump.load(&database, &options).await;
    // A superuser's session, which the owner cannot end, holds up the second rename.
    let side = format!("{}__new_{}", scratch.name, options.run.short());
    let holder = scratch.connect(&side).await;
    let swap = tokio::spawn(restore.swap());
    let admin = scratch.admin().await;
    let renaming = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = $1 \
         AND query LIKE 'ALTER DATABASE%__new_%RENAME TO%'";
    while admin.query_one(renaming, &[&role]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    swap.abort();
    assert!(swap.await.is_err());
    assert_eq!(scratch.count("SELECT max(version)::int8 FROM s.t").await, 2);
    assert_eq!(scratch.family().await, [scratch.name.clone(), side]);
    drop(holder);
    remove_with_role(scratch, &role).await;
}
