//! Rows of live tables replaced in place, and empty tables filled.

use rustix::process::Signal;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::cli::Output;
use crate::postgres::Scratch;
use crate::system::{Contents, LiveDatabase, Size, System};

const BOOKS: &str = "public.books";
/// It refers to the books.
const NOTES: &str = "Zwei W\u{f6}rter.it's \"quoted\" \u{fc}";
const CHANGE: &str = "UPDATE books SET title = 'changed' WHERE id < 50; INSERT INTO books (title) VALUES ('written since');
    DELETE FROM \"Zwei W\u{f6}rter\".\"it's \"\"quoted\"\" \u{fc}\" WHERE book = 2; INSERT INTO events VALUES ('2025-03-01', 'new')";
/// How triggers fire, and sequences, which only go up.
const LOOK: &str =
    "SELECT string_agg(tgname || tgenabled::text, ',' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal";

const IN_PLACE: [&str; 6] = ["restore-db", "--data-only", "--in-place", "--table", BOOKS, "--table"];

/// A system with a backup, changed since; what it was, and what it is.
async fn changed() -> Option<(System, Contents, Contents)> {
    let system = System::on_servers(Size::Small).await?;
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    // One that fires for replicas too must come back as such.
    system.database.execute("ALTER TABLE books ENABLE ALWAYS TRIGGER touched").await;
    let before = system.database.contents().await;
    dcs.run(&["backup", "db"]).ok();
    system.database.execute(CHANGE).await;
    let live = system.database.contents().await;
    Some((system, before, live))
}

fn scratch(system: &System) -> &Scratch {
    let LiveDatabase::Postgres { scratch, .. } = &system.database else { panic!("not PostgreSQL") };
    scratch
}

fn in_place(system: &System, more: &[&str]) -> Output {
    system.dcs().run(&[&IN_PLACE[..], &[NOTES], more].concat())
}

/// The live contents with the rows of the two tables as they were then.
fn with_rows_of(before: &Contents, live: &Contents) -> Contents {
    let mut mixed = live.clone();
    for (name, rows) in before.iter().filter(|(name, _)| name.starts_with("rows of ") && is_chosen(name)) {
        mixed.insert(name.clone(), rows.clone());
    }
    assert_ne!(&mixed, live);
    mixed
}

fn is_chosen(name: &str) -> bool {
    name.ends_with(BOOKS) || name.contains("quoted")
}

async fn triggers(system: &System) -> String {
    scratch(system).client().await.query_one(LOOK, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_replaced_in_place_and_the_answer_says_how_to_go_back() {
    let Some((system, before, live)) = changed().await else { return };
    let dcs = system.dcs();
    let triggers_before = triggers(&system).await;

    // What others refer to is not replaced alone, and nothing without a word.
    dcs.run(&["restore-db", "--data-only", "--in-place", "--table", BOOKS, "--yes"]).fails(5, NOTES).says("--table");
    in_place(&system, &[]).fails(5, "confirmation");
    dcs.run_on_terminal(&[&IN_PLACE[..], &[NOTES]].concat(), "dreams").fails(5, "not confirmed");
    let shown = in_place(&system, &["--dry-run"]).ok().answers("public.books: 4,001 rows go, 4,000 rows come");
    assert!(shown.stdout.contains("touched of public.books") && shown.stdout.contains("protected"), "{shown}");
    dcs.run(&["restore-db", "--in-place", "--table", BOOKS]).fails(2, "--in-place").says("--data-only");
    dcs.run(&["restore-db", "--data-only"]).fails(2, "--data-only").says("--in-place");
    assert_eq!(live, system.database.contents().await);
    assert_eq!(dcs.run(&["backup", "list", "--json"]).ok().json().as_array().unwrap().len(), 1);

    let done = in_place(&system, &["--yes"]).ok().answers("4,005 rows of 2 tables").answers("--data-only --in-place");
    assert_eq!(with_rows_of(&before, &live), system.database.contents().await);
    assert_eq!(triggers_before, triggers(&system).await);
    assert!(system.database.kept().await.is_empty());

    // What was there is kept, and nobody deletes it by the way; nor is it ever the newest backup of the database.
    let kept = system.newest();
    assert!(done.stdout.contains(&kept), "{done}");
    dcs.run(&["backup", "delete", &kept, "--yes"]).fails(5, "protected");
    dcs.run(&["restore-db", "--dry-run"]).ok();
    assert!(!dcs.run(&["restore-db", "--dry-run"]).ok().stdout.contains(&kept));
    let back = done.stdout.split("dcs ").last().unwrap().trim();
    let back: Vec<&str> = back.split(' ').chain(["--yes"]).collect();
    dcs.run(&back).ok().answers("4,005 rows of 2 tables");
    assert_eq!(live, system.database.contents().await);
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_live_tables_do_not_take_leaves_them_as_they_are() {
    let Some((system, _, _)) = changed().await else { return };
    let odd = "ALTER TABLE books ALTER COLUMN price TYPE numeric(10, 1)";
    let refused = [
        (odd, "read back, table public.books"),
        ("ALTER TABLE books ADD CONSTRAINT short CHECK (length(title) < 9) NOT VALID", "short"),
        ("ALTER TABLE \"Zwei W\u{f6}rter\".\"it's \"\"quoted\"\" \u{fc}\" RENAME TO papers", "no table Zwei"),
        ("ALTER TABLE books RENAME COLUMN price TO cost", "no column price"),
    ];
    for (change, told) in refused {
        system.database.execute(change).await;
        let live = system.database.contents().await;
        let output = in_place(&system, &["--yes"]).fails(5, told);
        assert_eq!(live, system.database.contents().await, "{output}");
    }
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_tables_of_another_database_are_filled_and_filled_ones_are_refused() {
    let Some((system, before, live)) = changed().await else { return };
    let LiveDatabase::Postgres { name, .. } = &system.database else { return };
    let (dcs, other) = (system.dcs(), format!("{name} L\u{fc}k"));
    let fill = ["restore-db", "--data-only", "--into", &other];
    dcs.run(&fill).fails(21, "L\u{fc}k").says("--schema-only");
    dcs.run(&["restore-db", "--schema-only", "--into", &other]).ok();
    dcs.run(&fill).ok().answers("read back and compared");
    let found = system.database.contents_of(&other).await;
    let is_brought =
        |name: &str| (name.starts_with("rows of ") || name.starts_with("sequence ")) && !name.contains("popular");
    for (name, lines) in before.iter().filter(|(name, _)| is_brought(name)) {
        assert_eq!(Some(lines), found.get(name), "{name}");
    }
    dcs.run(&[&fill[..], &["--table", BOOKS]].concat()).fails(5, "there are rows in public.books");
    assert_eq!(found, system.database.contents_of(&other).await);
    assert_eq!(live, system.database.contents().await);
    system.remove().await;
}

#[test]
fn a_database_of_sqlite_is_restored_whole() {
    let system = System::on_folders(Size::Small);
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    dcs.run(&["backup", "db"]).ok();
    dcs.run(&["restore-db", "--data-only", "--in-place", "--yes"]).fails(5, "restored whole").says("--into");
    assert_eq!(dcs.run(&["backup", "list", "--json"]).ok().json().as_array().unwrap().len(), 1);
}

/// What is going on in the database, as the server tells it.
fn is_running(scratch: &Scratch, query: &str) -> bool {
    let looks = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND state = 'active' AND query LIKE $2";
    let like = format!("{query}%");
    block_in_place(|| {
        Handle::current().block_on(async {
            let admin = scratch.admin().await;
            admin.query_one(looks, &[&scratch.name, &like]).await.unwrap().get::<_, i64>(0) > 0
        })
    })
}

async fn wait_until_alone(scratch: &Scratch) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'dcs-%'";
    let admin = scratch.admin().await;
    while admin.query_one(sql, &[&scratch.name]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_the_tables_have_their_old_rows_or_their_new_ones() {
    let Some(system) = System::on_servers(Size::Small).await else { return };
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    system
        .database
        .execute("INSERT INTO books (title) SELECT repeat('long ', 50) FROM generate_series(1, 60000)")
        .await;
    dcs.run(&["backup", "db"]).ok();
    let before = system.database.contents().await;
    system.database.execute(CHANGE).await;
    let mut live = system.database.contents().await;
    let mut new = with_rows_of(&before, &live);
    let scratch = scratch(&system);
    let arguments = [&IN_PLACE[..], &[NOTES, "--yes"]].concat();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND query LIKE $2";
    let mut killed = 0;
    for query in [
        "COPY public.books (",
        "COPY \"public\".\"books\" (\"id\"%FROM",
        "COPY \"public\".\"books\" (\"id\"%TO",
        "ANALYZE",
    ] {
        for ends_the_server in [false, true] {
            let mut running = dcs.start(&arguments);
            if running.until(|| is_running(scratch, query)) {
                killed += 1;
                if ends_the_server {
                    let pattern = format!("{query}%");
                    scratch.admin().await.query(end, &[&scratch.name, &pattern]).await.unwrap();
                } else {
                    running.signal(Signal::KILL);
                }
            }
            let output = running.end();
            wait_until_alone(scratch).await;
            let found = system.database.contents().await;
            assert!(found == live || found == new, "{query}\n{output}");
            match output.code {
                Some(0) => assert_eq!(found, new, "{query}\n{output}"),
                Some(code) => assert!(code == 21 && found == live, "{query}\n{output}"),
                None => {}
            }
            if found == new {
                system.database.execute(CHANGE).await;
                live = system.database.contents().await;
                new = with_rows_of(&before, &live);
            }
        }
    }
    assert!(killed >= 4, "only {killed} runs were met at work");
    system.remove().await;
}
