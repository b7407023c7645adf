//! PostgreSQL dumps and restores against a live server.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use dcs::database::{DumpOptions, PostgresDatabase, PostgresOptions};
use dcs::model::{RunId, Secret};
use postgres::{Scratch, quoted};

#[path = "database_live/contents.rs"]
mod contents;
#[path = "database_live/dumps.rs"]
mod dumps;
#[path = "database_live/limits.rs"]
mod limits;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "database_live/refusals.rs"]
mod refusals;
#[path = "database_live/restores.rs"]
mod restores;
#[path = "database_live/rows.rs"]
mod rows;
mod support;
#[path = "database_live/swaps.rs"]
mod swaps;
#[path = "database_live/undos.rs"]
mod undos;

async fn scratch(stem: &str) -> Option<Scratch> {
    Some(Scratch::create(&support::postgres()?, stem).await)
}

fn dump_options() -> DumpOptions {
    DumpOptions { spool: std::env::temp_dir(), run: RunId::create(), selection: None }
}

/// A database owned by a role that may create databases and nothing else, as an application's role should be.
async fn owned(stem: &str) -> Option<(Scratch, String, PostgresDatabase)> {
    let scratch = scratch(stem).await?;
    let role = support::unique("dcs-owner");
    let (role_name, database) = (quoted(&role), quoted(&scratch.name));
    let admin = scratch.admin().await;
    admin.batch_execute(&format!("CREATE ROLE {role_name} LOGIN CREATEDB PASSWORD 'own'")).await.unwrap();
    admin.batch_execute(&format!("ALTER DATABASE {database} OWNER TO {role_name}")).await.unwrap();
    let fill = format!(
        "SET ROLE {role_name}; CREATE SCHEMA s; CREATE EXTENSION hstore; CREATE TABLE s.t AS SELECT 1 AS version; \
         CREATE SEQUENCE s.q; SELECT nextval('s.q'), lo_from_bytea(0, 'x')"
    );
    scratch.client().await.batch_execute(&fill).await.unwrap();
    let mut options = PostgresOptions::new(scratch.url_as(Some(&role), &scratch.name));
    options.password = Some(Secret::new("own"));
    Some((scratch, role, PostgresDatabase::open(options).unwrap()))
}

async fn remove_with_role(scratch: Scratch, role: &str) {
    let admin = scratch.admin().await;
    scratch.remove().await;
    admin.batch_execute(&format!("DROP ROLE {}", quoted(role))).await.unwrap();
}
