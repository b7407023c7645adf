//! Archives at which `pg_restore` fails, or which no tool here may read.

use serde_json::json;

use crate::forged::{forge, forge_dump};
use crate::{TITLE, assert_untouched, changed};

fn find(raw: &[u8], text: &str) -> usize {
    raw.windows(text.len()).position(|found| found == text.as_bytes()).expect("the dump holds it")
}

/// The key of the rows changed when its function did: the archive is what the database was, and no server takes it.
#[tokio::test]
async fn a_unique_violation_in_the_archive_is_21_with_the_server_s_words() {
    let sql = "CREATE FUNCTION key(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'; \
         CREATE TABLE keyed AS SELECT generate_series(1, 500) AS id; CREATE UNIQUE INDEX by_key ON keyed (key(id)); \
         CREATE OR REPLACE FUNCTION key(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 % 400'";
    let Some(machine) = changed(sql).await else { return };
    let ended = machine.restore().fails(21, "pg_restore").says("could not create unique index \"by_key\"");
    let ended = ended.says("is duplicated").says("Nothing live was changed");
    assert_untouched(&machine, &ended).await;
    machine.server.run("dream", "DROP INDEX by_key").await;
    machine.back_up();
    machine.restore().ok();
}

#[tokio::test]
async fn a_role_that_is_nowhere_is_21_by_its_name_and_no_owner_does_without() {
    let sql = "CREATE ROLE \"left Över\"; ALTER TABLE books OWNER TO \"left Över\"";
    let Some(machine) = changed(sql).await else { return };
    machine.server.run("dream", "ALTER TABLE books OWNER TO dcs; DROP ROLE \"left Över\"").await;
    // As of a server whose roles could not be read.
    forge(&machine.manifest(), |manifest| manifest["databases"][0]["globals"] = json!(null));
    let ended = machine.restore().fails(21, "pg_restore").says("role \"left Över\" does not exist").says("--no-owner");
    assert_untouched(&machine, &ended).await;
    machine.dcs().run(&["restore-db", "--yes", "--no-owner"]).ok();
    assert_eq!(machine.ask(TITLE).await, "book 99500");
    machine.undo().ok();
    assert_eq!(machine.ask(TITLE).await, "changed500");
}

#[tokio::test]
async fn an_extension_that_the_server_lacks_is_refused_or_told_by_the_tool() {
    let Some(machine) = changed("CREATE EXTENSION hstore").await else { return };
    forge(&machine.manifest(), |manifest| {
        manifest["databases"][0]["server"]["extensions"] = json!(["hstorx 1.0"]);
    });
    let ended = machine.restore().fails(5, "hstorx").says("Install the packages");
    assert_untouched(&machine, &ended).await;
    // One that the manifest does not tell of.
    forge(&machine.manifest(), |manifest| manifest["databases"][0]["server"]["extensions"] = json!([]));
    forge_dump(&machine.manifest(), |raw| {
        let at = find(raw, "CREATE EXTENSION IF NOT EXISTS hstore ") + "CREATE EXTENSION IF NOT EXISTS hstor".len();
        raw[at] = b'x';
    });
    let ended = machine.restore().fails(21, "pg_restore").says("hstorx").says("the server lacks");
    assert_untouched(&machine, &ended).await;
}

#[tokio::test]
async fn a_dump_of_a_newer_major_is_refused_by_what_to_install() {
    let Some(machine) = changed("").await else { return };
    let path = machine.manifest();
    let mut was = json!(null);
    forge(&path, |manifest| {
        was = std::mem::replace(&mut manifest["databases"][0]["server"]["major"], json!(99));
    });
    let ended = machine.restore().fails(21, "pg_restore").says("postgresql-client-99");
    assert_untouched(&machine, &ended).await;
    // One whose format is newer than its manifest says.
    forge(&path, |manifest| manifest["databases"][0]["server"]["major"] = was);
    forge_dump(&path, |raw| raw["PGDMP".len() + 1] = 99);
    let ended = machine.restore().fails(21, "pg_restore").says("unsupported version").says("Install the client tools");
    assert_untouched(&machine, &ended).await;
}
