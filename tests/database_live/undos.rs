//! What a restore displaced, back in the live one's place: whole, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use dcs::database::{Database, ErrorKind, UndoOptions};
use dcs::model::RunId;

use crate::postgres::{Dump, Scratch, quoted};
use crate::{owned, remove_with_role, scratch, support};

fn undo_options() -> UndoOptions {
    UndoOptions { spool: std::env::temp_dir(), run: RunId::create() }
}

/// Restores version 1 over version 2.
async fn restore_over(scratch: &Scratch, database: &dyn Database) -> String {
    let spool = support::folder();
    scratch.client().await.batch_execute("CREATE TABLE t AS SELECT 1 AS version").await.unwrap();
    let dump = Dump::take(database, spool.path()).await.unwrap();
    scratch.client().await.batch_execute("UPDATE t SET version = 2").await.unwrap();
    let restore = dump.load(database, &dump.restore_options(spool.path())).await;
    restore.swap().await.unwrap().unwrap()
}

/// Puts back what was displaced last, as planned.
async fn undo(database: &dyn Database) -> String {
    let options = undo_options();
    let displaced = database.displaced(&options.run).await.unwrap();
    let plan = database.plan_undo(&displaced[0], &options).await.unwrap();
    let kept = database.undo(&displaced[0], &options).await.unwrap();
    assert_eq!(kept, plan.kept_as);
    let after = database.displaced(&options.run).await.unwrap();
    assert_eq!(after[0].name, kept.clone().unwrap());
    assert!(!after.iter().any(|other| other.name == displaced[0].name), "it is live now: {after:?}");
    kept.unwrap()
}

const VERSION: &str = "SELECT max(version)::int8 FROM t";

#[tokio::test]
async fn an_undo_under_clients_that_come_back_shows_one_state_or_the_other() {
    let Some(scratch) = scratch("dcs-undo").await else { return };
    let database = scratch.open();
    restore_over(&scratch, &database).await;
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let scratch = Arc::new(scratch);
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (scratch, stop, answers) = (Arc::clone(&scratch), Arc::clone(&stop), Arc::clone(&answers));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(client) = scratch.try_connect(&scratch.name).await else { continue };
                    while !stop.load(Ordering::Relaxed) {
                        let Ok(row) = client.query_one(VERSION, &[]).await else { break };
                        assert!(matches!(row.get::<_, i64>(0), 1 | 2));
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    while answers.load(Ordering::Relaxed) < 12 {
        tokio::task::yield_now().await;
    }
    let options = undo_options();
    let displaced = database.displaced(&options.run).await.unwrap();
    let plan = database.plan_undo(&displaced[0], &options).await.unwrap();
    let live = plan.live.unwrap();
    assert!(live.connection_count() > 0 && live.connections[0].user == "dcs", "{live:?}");
    for expected in [2, 1, 2] {
        undo(&database).await;
        let so_far = answers.load(Ordering::Relaxed);
        while answers.load(Ordering::Relaxed) < so_far + 12 {
            tokio::task::yield_now().await;
        }
        assert_eq!(scratch.count(VERSION).await, expected);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    Arc::into_inner(scratch).unwrap().remove().await;
}

#[tokio::test]
async fn names_of_any_kind_go_back_and_forth_with_their_comments() {
    let Some(url) = support::postgres() else { return };
    let unique = support::unique("x");
    let longest = format!("{unique}{}", "\u{e9}".repeat(32));
    let longest: String = longest.char_indices().take_while(|(at, _)| *at < 62).map(|(_, letter)| letter).collect();
    let comment = "it's \\ \"mine\"\n{\"dcs\": 1}";
    for name in [format!("{unique} It's \"\u{dc}PPER\" __before_ab12"), longest] {
        let scratch = Scratch::named(&url, name.clone()).await;
        let say = format!("COMMENT ON DATABASE {} IS E'it''s \\\\ \"mine\"\\n{{\"dcs\": 1}}'", quoted(&name));
        scratch.admin().await.batch_execute(&say).await.unwrap();
        let database = scratch.open();
        let mut made = vec![restore_over(&scratch, &database).await];
        for expected in [2, 1] {
            made.push(undo(&database).await);
            assert_eq!(scratch.count(VERSION).await, expected);
            let sql = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1";
            let told: String = scratch.admin().await.query_one(sql, &[&name]).await.unwrap().get(0);
            assert_eq!(told, comment);
        }
        let admin = scratch.admin().await;
        scratch.remove().await;
        for name in made {
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&name))).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_displaced_from_another_is_never_taken_and_a_lost_note_is_no_loss() {
    let Some(scratch) = scratch("dcs-notes").await else { return };
    let database = scratch.open();
    let kept = restore_over(&scratch, &database).await;
    let admin = scratch.admin().await;
    let other = format!("{}__before_zz22", scratch.name);
    let note = r#"{"dcs": {"was": "another", "run": "zz22zz22", "until": "2030-01-01T00:00:00Z", "comment": null}}"#;
    admin.batch_execute(&format!("CREATE DATABASE {}", quoted(&other))).await.unwrap();
    admin.batch_execute(&format!("COMMENT ON DATABASE {} IS '{note}'", quoted(&other))).await.unwrap();
    admin.batch_execute(&format!("COMMENT ON DATABASE {} IS 'do not drop'", quoted(&kept))).await.unwrap();
    let found = database.displaced(&RunId::create()).await.unwrap();
    let [only] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((only.name.as_str(), only.until), (kept.as_str(), None));
    undo(&database).await;
    assert_eq!(scratch.count(VERSION).await, 2);
    scratch.remove().await;
}

#[tokio::test]
async fn a_database_that_is_gone_comes_back_and_an_undo_that_fails_changes_nothing() {
    let Some(scratch) = scratch("dcs-undo-gone").await else { return };
    let database = scratch.open();
    let kept = restore_over(&scratch, &database).await;
    let admin = scratch.admin().await;
    let options = undo_options();
    let displaced = database.displaced(&options.run).await.unwrap();
    // The name for what is live is taken at the last moment.
    let taken = format!("{}__before_{}", scratch.name, options.run.short());
    admin.batch_execute(&format!("CREATE DATABASE {}", quoted(&taken))).await.unwrap();
    let error = database.plan_undo(&displaced[0], &options).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    let error = database.undo(&displaced[0], &options).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error:?}");
    assert_eq!(scratch.count(VERSION).await, 1);
    assert_eq!(scratch.family().await.len(), 3);

    admin.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", quoted(&scratch.name))).await.unwrap();
    let plan = database.plan_undo(&displaced[0], &options).await.unwrap();
    assert!(plan.live.is_none() && plan.kept_as.is_none());
    assert_eq!(database.undo(&displaced[0], &options).await.unwrap(), None);
    assert_eq!(scratch.count(VERSION).await, 2);
    assert!(!scratch.family().await.contains(&kept));
    scratch.remove().await;
}

#[tokio::test]
async fn an_owner_who_is_no_superuser_undoes_but_not_with_what_belongs_to_others() {
    let Some((scratch, role, database)) = owned("dcs-undo-owned").await else { return };
    let spool = support::folder();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    scratch.client().await.batch_execute("UPDATE s.t SET version = 2").await.unwrap();
    let restore = dump.load(&database, &dump.restore_options(spool.path())).await;
    let kept = restore.swap().await.unwrap().unwrap();
    undo(&database).await;
    assert_eq!(scratch.count("SELECT max(version)::int8 FROM s.t").await, 2);
    let options = undo_options();
    let displaced = database.displaced(&options.run).await.unwrap();
    assert!(displaced[0].name != kept);
    let take = format!("ALTER DATABASE {} OWNER TO dcs", quoted(&displaced[0].name));
    scratch.admin().await.batch_execute(&take).await.unwrap();
    let error = database.plan_undo(&displaced[0], &options).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    remove_with_role(scratch, &role).await;
}
