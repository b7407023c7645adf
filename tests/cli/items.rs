//! Items by the command line: what is printed, what is asked, and the exit codes.

use std::fs;

use crate::Machine;
use crate::cli::Output;

impl Machine {
    /// With books of a table, apps without one, and items of both.
    fn with_items() -> Self {
        let machine = Self::new();
        fs::create_dir_all(machine.path("live/apps/reader")).unwrap();
        fs::write(machine.path("live/apps/reader/start"), "go\n").unwrap();
        fs::create_dir_all(machine.path("live/books/2")).unwrap();
        fs::write(machine.path("live/books/2/page"), "two\n").unwrap();
        machine.sql("DROP TABLE books; CREATE TABLE books (id INTEGER PRIMARY KEY, status TEXT)");
        machine.sql("INSERT INTO books VALUES (1, 'published'), (2, 'draft'), (42, 'published')");
        let kind = |name: &str, more: &str| format!("[items.{name}]\nstore = \"live\"\nbucket = \"{name}\"\n{more}");
        let items = kind("books", "database = \"dream\"\ntable = \"books\"\n") + &kind("apps", "");
        fs::write(machine.path("dcs.toml"), format!("{}{items}", machine.config())).unwrap();
        machine
    }

    fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.path("dream.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn status(&self, id: u32) -> String {
        let connection = rusqlite::Connection::open(self.path("dream.db")).unwrap();
        connection.query_row("SELECT status FROM books WHERE id = ?1", [id], |row| row.get(0)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.dcs().run(arguments)
    }

    fn ids(&self) -> Vec<String> {
        let listed = self.run(&["trash", "list", "--json"]);
        let listing: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        let entries = listing["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Ends with this code, and says this on either stream.
fn ends(output: Output, code: i32, text: &str) -> Output {
    let said = output.stdout.contains(text) || output.stderr.contains(text);
    assert!(output.code == Some(code) && said, "{code}, {text}: {output}");
    output
}

#[test]
fn an_item_goes_and_comes_back_and_each_answer_says_so() {
    let machine = Machine::with_items();
    let planned = ends(machine.run(&["delete", "-n", "books/42"]), 0, "would delete books/42");
    assert!(planned.stdout.contains("1 object") && planned.stdout.contains("published -> archived"), "{}", planned);
    assert_eq!(machine.status(42), "published");
    ends(machine.run(&["delete", "books/42", "apps/reader", "--reason", "a test"]), 0, "deleted books/42: 1 object");
    assert!(!machine.path("live/books/42").exists() && !machine.path("live/apps/reader").exists());
    assert_eq!(machine.status(42), "archived");
    let listed = ends(machine.run(&["trash", "list"]), 0, "books/42");
    assert!(listed.stdout.contains("apps/reader") && listed.stdout.contains("a test"), "{}", listed);
    let only = ends(machine.run(&["trash", "list", "--kind", "apps"]), 0, "apps/reader");
    assert!(!only.stdout.contains("books/42"), "{}", only);
    ends(machine.run(&["trash", "list", "--older-than", "1d"]), 0, "nothing in the trash");
    let shown = ends(machine.run(&["trash", "show", &machine.ids()[0]]), 0, "because    a test");
    assert!(shown.stdout.contains("it was published"), "{}", shown);
    ends(machine.run(&["restore", "-n", "books/42"]), 0, "would restore");
    ends(
        machine.run(&["restore", "books/42", "apps/reader"]),
        0,
        "restored books/42: 1 object, 6.8 KiB, status published",
    );
    assert!(machine.path("live/books/42/page").exists() && machine.path("live/apps/reader/start").exists());
    assert_eq!(machine.status(42), "published");
    assert!(machine.ids().is_empty());
}

#[test]
fn quiet_says_nothing_and_json_is_one_document() {
    let machine = Machine::with_items();
    let quiet = ends(machine.run(&["--quiet", "delete", "books/42"]), 0, "");
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty(), "{}", quiet);
    let json = ends(machine.run(&["--json", "restore", "books/42"]), 0, "");
    let answer: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (answer["done"][0]["status"].as_str(), answer["done"][0]["objects"].as_u64()),
        (Some("published"), Some(1))
    );
    let failed = machine.run(&["--json", "delete", "books/43"]);
    let error: serde_json::Value = serde_json::from_str(failed.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((failed.code, error["code"].as_u64()), (Some(10), Some(10)));
}

#[test]
fn each_of_several_is_for_itself_and_the_code_says_3() {
    let machine = Machine::with_items();
    let several = ends(machine.run(&["delete", "books/42", "books/99", "nothing/1", "books/2"]), 3, "2 of 4 failed");
    assert!(several.stdout.contains("deleted books/42") && several.stdout.contains("deleted books/2"), "{}", several);
    assert!(several.stderr.contains("books/99") && several.stderr.contains("nothing/1"), "{}", several);
    assert_eq!((machine.status(42), machine.status(2)), ("archived".to_owned(), "archived".to_owned()));
}

#[test]
fn what_destroys_asks_and_without_an_answer_changes_nothing() {
    let machine = Machine::with_items();
    ends(machine.run(&["trash", "purge"]), 2, "say what to purge");
    ends(machine.run(&["trash", "purge", "--all", "--yes"]), 0, "nothing to purge");
    machine.run(&["delete", "books/42"]);
    ends(machine.run(&["trash", "purge", "-n", "--all"]), 0, "purge 1 entry for good");
    ends(machine.run(&["trash", "purge", "--all"]), 5, "nothing was changed");
    ends(machine.run(&["trash", "purge", "20261120T021500Z-k3x9", "--yes"]), 10, "20261120T021500Z-k3x9");
    assert_eq!(machine.ids().len(), 1);

    fs::create_dir_all(machine.path("live/books/42")).unwrap();
    fs::write(machine.path("live/books/42/new"), "new\n").unwrap();
    ends(machine.run(&["restore", "books/42"]), 5, "42/new");
    ends(machine.run(&["restore", "books/42", "--overwrite"]), 5, "nothing was changed");
    ends(machine.run(&["restore", "books/42", "--overwrite", "--yes"]), 0, "what was there is in the trash as");
    assert!(!machine.path("live/books/42/new").exists());
    ends(machine.run(&["trash", "purge", "--all", "--yes"]), 0, "purged 1 entry");
    assert!(machine.ids().is_empty());
}

#[test]
fn wrong_arguments_and_a_configuration_without_a_trash_are_usage_errors() {
    let machine = Machine::with_items();
    for arguments in [
        &["delete"][..],
        &["delete", "books"],
        &["delete", "books/"],
        &["restore", "42"],
        &["trash", "show", "books/42"],
        &["trash", "purge", "books/42"],
        &["trash", "list", "--older-than", "30"],
        &["trash", "list", "--kind", "cds"],
    ] {
        ends(machine.run(arguments), 2, "error");
    }
    let config = fs::read_to_string(machine.path("dcs.toml")).unwrap();
    fs::write(machine.path("dcs.toml"), config.replace("[trash]\nstore = \"live\"\nbucket = \"trash\"\n", "")).unwrap();
    for arguments in [&["delete", "books/42"][..], &["trash", "list"], &["restore", "books/42"]] {
        ends(machine.run(arguments), 2, "[trash]");
    }
    fs::write(machine.path("dcs.toml"), config).unwrap();
    fs::remove_dir_all(machine.path("live/trash")).unwrap();
    ends(machine.run(&["delete", "books/42"]), 20, "no trash bucket");
    assert_eq!(machine.status(42), "published");
    ends(machine.run(&["trash", "list"]), 20, "no trash bucket");
}

#[test]
fn a_check_tells_what_differs_and_the_commands_that_mend_it() {
    let machine = Machine::with_items();
    // A row without a folder; a folder and an object without a row.
    fs::create_dir_all(machine.path("live/books/it's odd")).unwrap();
    fs::write(machine.path("live/books/it's odd/page"), "x\n").unwrap();
    let found = ends(machine.run(&["check"]), 3, "3 differences between rows, folders and trash");
    for told in ["books/1: its folder live/books/1/ is empty", "dcs delete --skip-db 'books/it'\\''s odd'"] {
        assert!(found.stdout.contains(told), "{told}: {found}");
    }
    let found = machine.run(&["check", "--json"]).json();
    assert_eq!((&found["differences"], &found["findings"][0]["kind"]), (&3.into(), &"no-objects".into()), "{found}");

    machine.run(&["delete", "--skip-db", "books/it's odd"]).ok();
    machine.sql("DELETE FROM books WHERE id = 1");
    fs::remove_file(machine.path("live/books/a b")).unwrap();
    machine.run(&["check"]).ok().answers("no differences");
    machine.run(&["check", "-q"]).ok().silent();
}

#[test]
fn a_complete_backup_tells_whether_rows_and_files_fit() {
    let machine = Machine::with_items();
    fs::remove_file(machine.path("live/books/a b")).unwrap();
    machine.sql("UPDATE books SET status = 'archived' WHERE id = 1");
    machine.run(&["backup", "complete"]).ok().answers("rows and files: verified: 3 rows fit 2 objects");

    // Drift is told, and is no fault of the backup.
    fs::create_dir_all(machine.path("live/books/77")).unwrap();
    fs::write(machine.path("live/books/77/page"), "x\n").unwrap();
    machine.sql("INSERT INTO books VALUES (78, 'published')");
    machine.run(&["backup", "complete"]).ok().answers("drifted: 2 differences between 4 rows and 3 objects");
    let shown = machine.run(&["backup", "show"]).ok();
    for told in
        ["difference: live/books/77/: 1 object of 2 B", "difference: books/78: its folder live/books/78/ is empty"]
    {
        assert!(shown.stdout.contains(told), "{told}: {shown}");
    }
    let shown = machine.run(&["backup", "show", "--json"]).ok().json();
    assert_eq!((&shown["consistency"]["state"], &shown["consistency"]["differences"]), (&"drifted".into(), &2.into()));

    // What cannot be compared is told too; a backup of one half says nothing of both.
    machine.sql("ALTER TABLE books RENAME COLUMN status TO state");
    machine.run(&["backup", "complete"]).ok().answers("rows and files: unknown: ").answers("status");
    let files = machine.run(&["backup", "files", "--json"]).ok().json();
    assert!(files["consistency"].is_null(), "{files}");
}
