//! A database of a backup beside the live one, whole or in part, and one for another owner.

use crate::live::CHANGE;
use crate::on_both;
use crate::support;
use crate::system::{Contents, LiveDatabase, Size, System};

/// A backed-up system that has changed since, and a name that no database has.
async fn backed_up(system: &System) -> (Contents, String) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    let before = system.database.contents().await;
    dcs.run(&["backup", "db"]).ok();
    system.database.execute(CHANGE).await;
    let name = match &system.database {
        LiveDatabase::Sqlite { .. } => "look at \"it\".db".to_owned(),
        LiveDatabase::Postgres { name, .. } => format!("{name} \"L\u{fc}k\""),
    };
    (before, name)
}

/// The comment of a database is not part of what differs between the two.
async fn a_database_goes_into_a_new_one_and_the_live_one_stays(system: System) {
    let (before, name) = backed_up(&system).await;
    let live = system.database.contents().await;
    let dcs = system.dcs();
    dcs.run(&["restore-db", "--into", &name, "--dry-run"]).ok();
    assert!(system.database.kept().await.is_empty());
    // There is nothing to ask.
    dcs.run(&["restore-db", "--into", &name]).ok().answers("into ").answers("as counted in the backup");
    assert_eq!(live, system.database.contents().await);
    assert_eq!(before, system.database.contents_of(&name).await);
    dcs.run(&["restore-db", "--into", &name, "--yes"]).fails(5, "exists").says("--into");
    assert_eq!(before, system.database.contents_of(&name).await);
    for part in [&["--table", "public.books"][..], &["--schema", "public"], &["--schema-only"]] {
        dcs.run(&[&["restore-db", "--yes"], part].concat()).fails(2, "part").says("--into NEWNAME");
    }
    assert_eq!(live, system.database.contents().await);
    system.remove().await;
}

on_both!(a_database_goes_into_a_new_one_and_the_live_one_stays, Size::Small);

fn rows<'a>(contents: &'a Contents, table: &str) -> &'a [String] {
    contents.get(&format!("rows of {table}")).unwrap_or_else(|| panic!("no {table}: {:?}", contents.keys()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_of_some_tables_come_back_with_all_definitions() {
    let Some(system) = System::on_servers(Size::Small).await else { return };
    let (before, name) = backed_up(&system).await;
    let dcs = system.dcs();
    let odd = "Zwei W\u{f6}rter.it's \"quoted\" \u{fc}";
    let (quoted, books) = ("\"Zwei W\u{f6}rter\".\"it's \"\"quoted\"\" \u{fc}\"", "public.books");

    // A table with an enum type, a default from a sequence and a generated column.
    let one = format!("{name} 1");
    dcs.run(&["restore-db", "--into", &one, "--table", books]).ok().answers("1 table, 4,000 rows");
    let found = system.database.contents_of(&one).await;
    assert_eq!(rows(&found, books), rows(&before, books));
    assert!(rows(&found, quoted).is_empty());
    assert_eq!(found["columns"], before["columns"]);

    // Names as they are; a schema of its own, whose foreign key leads to a table that has no rows.
    let two = format!("{name} 2");
    dcs.run(&["restore-db", "--into", &two, "--table", odd]).ok().answers("1 table, 5 rows");
    let found = system.database.contents_of(&two).await;
    assert_eq!(rows(&found, quoted), rows(&before, quoted));
    assert!(rows(&found, books).is_empty());

    let three = format!("{name} 3");
    dcs.run(&["restore-db", "--into", &three, "--schema", "public"]).ok();
    let found = system.database.contents_of(&three).await;
    assert_eq!((rows(&found, books), rows(&found, quoted).len()), (rows(&before, books), 0));

    let four = format!("{name} 4");
    dcs.run(&["restore-db", "--into", &four, "--schema-only"]).ok();
    let found = system.database.contents_of(&four).await;
    assert!(rows(&found, books).is_empty());
    for what in ["tables", "columns", "indexes", "constraints", "triggers", "policies", "views", "settings"] {
        assert_eq!(found[what], before[what], "{what}");
    }

    let five = format!("{name} 5");
    let absent = ["restore-db", "--into", &five, "--table", "public.Book"];
    dcs.run(&absent).fails(10, "public.Book").says("The backup holds public.books;");
    dcs.run(&["restore-db", "--into", &five, "--schema", "Public"]).fails(10, "Public").says("public");
    let long = "n".repeat(64);
    dcs.run(&["restore-db", "--into", &long]).fails(5, "63 bytes");
    assert!(!system.database.kept().await.contains(&five));
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_a_part_comes_back_by_its_id_and_beside_the_live_database_only() {
    let Some(system) = System::on_servers(Size::Small).await else { return };
    let (before, name) = backed_up(&system).await;
    let dcs = system.dcs();
    let part = dcs.run(&["backup", "db", "--table", "public.secret_rows", "--json"]).ok().json();
    let id = part["id"].as_str().unwrap();
    dcs.run(&["restore-db", id, "--yes"]).fails(5, "does not hold");
    dcs.run(&["restore-db", id, "--into", &name]).ok().answers("1 table, 2 rows");
    let LiveDatabase::Postgres { scratch, .. } = &system.database else { panic!("PostgreSQL is asked for") };
    let client = scratch.connect(&name).await;
    let found = client.query("SELECT t::text FROM secret_rows t ORDER BY 1", &[]).await.unwrap();
    let found: Vec<String> = found.iter().map(|row| row.get(0)).collect();
    assert_eq!(found, rows(&before, "public.secret_rows"));
    assert!(client.query("SELECT FROM books", &[]).await.is_err(), "it is no part of the dump");
    drop(client);
    // The newest whole one is another.
    let whole = format!("{name} whole");
    dcs.run(&["restore-db", "--into", &whole]).ok();
    assert_eq!(before, system.database.contents_of(&whole).await);
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_owners_no_role_of_the_backup_is_needed() {
    let Some(system) = System::on_servers(Size::Small).await else { return };
    let LiveDatabase::Postgres { scratch, name } = &system.database else { panic!("PostgreSQL is asked for") };
    let (role, quoted) = (support::unique("dcs gone"), |name: &str| crate::postgres::quoted(name));
    let admin = scratch.admin().await;
    let give = format!(
        "CREATE ROLE {0}; GRANT {0} TO dcs; ALTER TABLE books OWNER TO {0}; GRANT SELECT ON events TO {0}",
        quoted(&role)
    );
    scratch.client().await.batch_execute(&give).await.unwrap();
    admin.batch_execute(&format!("ALTER DATABASE {} OWNER TO {}", quoted(name), quoted(&role))).await.unwrap();
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    dcs.run(&["backup", "db"]).ok();
    let take = format!("REASSIGN OWNED BY {0} TO dcs; DROP OWNED BY {0}; DROP ROLE {0}", quoted(&role));
    scratch.client().await.batch_execute(&take).await.unwrap();
    let new = format!("{name} plain");
    // Whether the role is there says nothing: a restore of another test may have made it.
    let restored = dcs.run(&["restore-db", "--into", &new, "--no-owner"]).ok();
    assert!(!restored.stderr.contains(&role), "{restored}");
    let owners =
        "SELECT count(*) FROM pg_class WHERE relowner <> 'dcs'::regrole AND relnamespace = 'public'::regnamespace";
    assert_eq!(scratch.connect(&new).await.query_one(owners, &[]).await.unwrap().get::<_, i64>(0), 0);
    system.remove().await;
}
