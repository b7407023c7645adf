//! Databases that are empty, or nearly so, and names that are hard to write.

use crate::one_database::Machine;

const LARGE: &str = "SELECT coalesce(string_agg(oid || '=' || md5(lo_get(oid)), ' ' ORDER BY oid), 'none') \
     FROM pg_largeobject_metadata";

#[tokio::test]
async fn an_empty_database_and_one_of_large_objects_only_go_through_backup_proof_restore_and_undo() {
    let large = "SELECT lo_from_bytea(42, decode(repeat('00ff', 100000), 'hex')), lo_from_bytea(43, '')";
    for (fill, change) in [("", "CREATE TABLE later AS SELECT 1 AS one"), (large, "SELECT lo_unlink(42)")] {
        let Some(machine) = Machine::with_database("dream", fill).await else { return };
        let before = machine.ask(LARGE).await;
        machine.back_up();
        machine.dcs().run(&["verify", "--level", "contents"]).ok();
        machine.dcs().run(&["verify", "--level", "restore"]).ok();
        machine.server.run("dream", change).await;
        let changed = machine.ask(LARGE).await;
        machine.restore().ok();
        assert_eq!(machine.ask(LARGE).await, before);
        assert_eq!(machine.ask("SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'").await, "0");
        machine.undo().ok();
        assert_eq!(machine.ask(LARGE).await, changed);
    }
}

#[tokio::test]
async fn names_with_quotes_spaces_letters_and_signs_go_through_every_command() {
    let role = "\"Röle \"\"x\"\" 'y'\"";
    let sql = format!(
        "CREATE ROLE {role}; CREATE SCHEMA \"Sché \"\"ma\"\" %\" AUTHORIZATION {role}; \
         CREATE TABLE \"Sché \"\"ma\"\" %\".\"Tä.ble \\ 'x'\" (\"C\"\"ol\" int); \
         INSERT INTO \"Sché \"\"ma\"\" %\".\"Tä.ble \\ 'x'\" SELECT generate_series(1, 7); \
         ALTER TABLE \"Sché \"\"ma\"\" %\".\"Tä.ble \\ 'x'\" OWNER TO {role}"
    );
    let name = "Shöp \"X\" 'y' 100% \\ $z";
    let Some(machine) = Machine::with_database(name, &sql).await else { return };
    let rows = "SELECT count(*)::text FROM \"Sché \"\"ma\"\" %\".\"Tä.ble \\ 'x'\"";
    machine.back_up();
    machine.server.run(name, "DELETE FROM \"Sché \"\"ma\"\" %\".\"Tä.ble \\ 'x'\"").await;
    machine.restore().ok().answers("1 table, 7 rows");
    assert_eq!(machine.ask(rows).await, "7");
    let owner = "SELECT tableowner::text FROM pg_tables WHERE schemaname = 'Sché \"ma\" %'";
    assert_eq!(machine.ask(owner).await, "Röle \"x\" 'y'");
    machine.undo().ok();
    assert_eq!(machine.ask(rows).await, "0");
    machine.drop_beside().await;

    let into = "Ünder \"it\" 'all'";
    let table = "Sché \"ma\" %.Tä.ble \\ 'x'";
    machine.dcs().run(&["restore-db", "--into", into, "--table", table]).ok();
    let copied = machine.server.connect(into).await.query_one(rows, &[]).await.expect("the table is there");
    assert_eq!(copied.get::<_, String>(0), "7");
    assert_eq!(machine.beside().await, [into]);
    // A dump takes a pattern, with quotes.
    let pattern = "\"Sché \"\"ma\"\" %\".\"Tä.ble \\ 'x'\"";
    machine.dcs().run(&["backup", "db", "--table", pattern]).ok().answers("1 table");
    assert_eq!(machine.backups(), 2);
}
