//! Servers, roles and tools that cannot do it: refused by kind and name, before anything starts.

use dcs::database::{Database, DatabaseError, ErrorKind, PostgresDatabase, PostgresOptions};
use dcs::model::Secret;
use dcs::model::database::Fingerprint;

use crate::postgres::{Dump, fake_tools, quoted};
use crate::{dump_options, remove_with_role, scratch, support};

#[tokio::test]
async fn a_role_that_may_not_read_everything_is_denied_by_name() {
    let Some(scratch) = scratch("dcs-denied").await else { return };
    let role = support::unique("dcs-reader");
    let client = scratch.client().await;
    let setup = format!(
        "CREATE ROLE {0} LOGIN PASSWORD 'secret-of-a-test'; CREATE TABLE open_to_all (x int);
         CREATE TABLE hidden (x int); GRANT SELECT ON open_to_all TO {0}",
        quoted(&role)
    );
    client.batch_execute(&setup).await.unwrap();
    let mut options = PostgresOptions::new(scratch.url_as(Some(&role), &scratch.name));
    options.password = Some(Secret::new("secret-of-a-test"));
    let database = PostgresDatabase::open(options).unwrap();
    let error = database.preflight_dump().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.to_string().contains("public.hidden"), "{error}");

    // A policy that hides rows is no smaller backup, it is an error.
    let policy = format!("GRANT SELECT ON hidden TO {}; ALTER TABLE hidden ENABLE ROW LEVEL SECURITY", quoted(&role));
    client.batch_execute(&policy).await.unwrap();
    let error = database.begin_dump(&dump_options()).await.map(drop).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);

    let server = scratch.open().preflight_dump().await.unwrap();
    let dump = Dump { bytes: Vec::new(), fingerprint: Fingerprint::default(), properties: None, globals: None, server };
    let error = database.plan_restore(&dump.restore_options(&std::env::temp_dir())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.hint.unwrap().contains("CREATEDB"));
    remove_with_role(scratch, &role).await;
}

#[tokio::test]
async fn wrong_passwords_ports_and_names_have_kinds_of_their_own_and_show_no_password() {
    let Some(scratch) = scratch("dcs-kinds").await else { return };
    let preflight = async |url: String, password: Option<&str>| -> DatabaseError {
        let mut options = PostgresOptions::new(url);
        options.password = password.map(Secret::new);
        let database = PostgresDatabase::open(options).unwrap();
        let error = database.preflight_dump().await.unwrap_err();
        let told = format!("{error} {error:?} {database:?} {}", database.describe());
        assert!(!told.contains("hunter2") && !told.contains("dcs-test-password"), "{told}");
        error
    };
    let url = scratch.url_as(None, &scratch.name);
    assert_eq!(preflight(url.clone(), Some("hunter2")).await.kind, ErrorKind::Denied);
    assert_eq!(preflight(scratch.url_as(Some("nobody"), "postgres"), None).await.kind, ErrorKind::Denied);
    let unreachable = url.replace(&url[url.rfind(':').unwrap()..url.rfind('/').unwrap()], ":1");
    assert_eq!(preflight(unreachable, None).await.kind, ErrorKind::Unreachable);
    let missing = preflight(scratch.url_as(None, "no such database"), None).await;
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert!(missing.to_string().contains("no such database"), "{missing}");
    scratch.remove().await;
}

#[tokio::test]
async fn tools_older_than_the_server_are_refused_before_anything_starts() {
    let Some(scratch) = scratch("dcs-old-tools").await else { return };
    let folder = support::folder();
    let old = "case $1 in --version) echo 'pg_dump (PostgreSQL) 9.6.24';; *) touch \"$0.was-run\";; esac";
    let mut options = scratch.options();
    options.installed = folder.path().join("nothing");
    options.search_path = vec![fake_tools(folder.path(), &[("pg_dump", old), ("pg_restore", old)])];
    let database = PostgresDatabase::open(options).unwrap();
    let error = database.begin_dump(&dump_options()).await.map(drop).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoTool);
    assert!(error.hint.unwrap().contains("postgresql-client-"));
    let dump = Dump::take(&scratch.open(), folder.path()).await.unwrap();
    let error = database.plan_restore(&dump.restore_options(folder.path())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoTool);
    assert!(!folder.path().join("pg_dump.was-run").exists());
    assert_eq!(scratch.family().await.join("\n"), scratch.name);
    scratch.remove().await;
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to_where_tls_is_required() {
    let Some(url) = support::postgres() else { return };
    let database = PostgresDatabase::open(PostgresOptions::new(format!("{url}?sslmode=require"))).unwrap();
    let error = database.preflight_dump().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error:?}");
}

#[tokio::test]
async fn a_server_without_room_is_refused_unless_somebody_knows_better_and_a_strange_locale_is_told() {
    let Some(scratch) = scratch("dcs-room").await else { return };
    let spool = support::folder();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    let mut options = dump.restore_options(spool.path());
    let plan = database.plan_restore(&options).await.unwrap();
    assert!(!plan.warnings.iter().any(|warning| warning.contains("locale") || warning.contains("room")), "{plan:?}");
    options.properties = Some(options.properties.unwrap().replace("LC_COLLATE '", "LC_COLLATE 'tlh_"));
    options.server.size_bytes = 1 << 60;
    let error = database.plan_restore(&options).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error:?}");
    assert!(error.hint.unwrap().contains("--assume-space"));
    options.choices.assume_space = true;
    let plan = database.plan_restore(&options).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("the locale tlh_")), "{plan:?}");
    scratch.remove().await;
}

#[tokio::test]
async fn who_is_connected_is_told_before_and_this_run_is_not_among_them() {
    let Some(scratch) = scratch("dcs-connected").await else { return };
    let spool = support::folder();
    let database = scratch.open();
    let dump = Dump::take(&database, spool.path()).await.unwrap();
    let (_one, two) = (scratch.client().await, scratch.client().await);
    two.batch_execute("SET application_name = 'the shop'; CREATE PUBLICATION all_of_it FOR ALL TABLES").await.unwrap();
    let plan = database.plan_restore(&dump.restore_options(spool.path())).await.unwrap();
    let live = plan.live.unwrap();
    assert!(live.size_bytes > Some(0));
    let told: Vec<String> = live.connections.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["1 of dcs", "1 of dcs (the shop)"]);
    assert!(plan.warnings.iter().any(|warning| warning.contains("publication all_of_it")), "{:?}", plan.warnings);
    scratch.remove().await;
}
