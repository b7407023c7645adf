//! The fourth promise: a backup restores without dcs. Backs up through the binary, then does what RECOVERY.txt says, as it
//! is written there, with `sh` and standard tools alone, and compares.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bytes::Bytes;
use dcs::model::{Attributes, BucketName, Key, Secret, percent};
use dcs::store::dir::DirectoryStore;
use dcs::store::s3::{S3Options, S3Store};
use dcs::store::{Address, GetOptions, ObjectStore, Precondition};
use futures_util::TryStreamExt;
use postgres::Scratch;
use rusqlite::Connection;

#[path = "recovery/codecs.rs"]
mod codecs;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "recovery/replaced.rs"]
mod replaced;
mod support;

/// Keys that can be paths, and keys that cannot.
const KEYS: &[&str] = &[
    "plain.txt",
    "with space/and\ttab",
    "new\nline\n",
    "ünï/😀",
    "100%",
    "%41",
    "a+b&c;d|e",
    "quote'\"back\\slash\\n",
    "$HOME`id`",
    "-rf",
    "*?[x]",
    "a-b",
    "c",
    "c/d",
    "twice//slashed",
    "dots/../x",
    "/lead",
];

/// What a bucket holds, by key.
type Contents = BTreeMap<String, Vec<u8>>;

fn contents(key: &str) -> Vec<u8> {
    format!("{key} has contents\n").repeat(3).into_bytes()
}

async fn fill(store: &dyn ObjectStore, bucket: &BucketName, keys: &[&str]) -> Contents {
    let mut expected = Contents::new();
    // Twice the size of what is packed whole, so that it is in pieces.
    let large: Vec<u8> = (0..9_000_000_u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
    let objects = keys.iter().map(|key| ((*key).to_owned(), contents(key)));
    for (key, content) in objects.chain([("large.bin".to_owned(), large), ("empty".to_owned(), Vec::new())]) {
        let at = Address::new(bucket.clone(), Key::new(key.clone()).unwrap());
        let body = Bytes::from(content.clone());
        store.put(&at, body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
        expected.insert(key, content);
    }
    expected
}

/// Runs the binary with nothing in its environment but what a test gives it.
fn dcs(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dcs"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
    let output = command.envs(environment.iter().copied()).args(arguments).current_dir(folder).output().unwrap();
    assert_done(&output);
}

fn assert_done(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
}

/// The titles of the sections of the only backup's RECOVERY.txt, in order, with their commands.
fn sections(repository: &Path) -> Vec<(String, String)> {
    let backups: Vec<PathBuf> =
        fs::read_dir(repository.join("backups")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(backups.len(), 1, "{backups:?}");
    sections_of(&backups[0])
}

/// The commands of one backup, by section.
fn sections_of(backup: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(backup.join("RECOVERY.txt")).unwrap();
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let title = line.split_once(". ").filter(|(number, _)| number.parse::<u32>().is_ok());
        if let Some((_, title)) = title {
            sections.push((title.to_owned(), String::new()));
        } else if let (Some(command), Some((_, commands))) = (line.strip_prefix("    "), sections.last_mut()) {
            *commands += command;
            *commands += "\n";
        }
    }
    sections.retain(|(_, commands)| !commands.is_empty());
    sections
}

/// Does everything that RECOVERY.txt says, in a folder that holds the repository and nothing else.
fn recover(repository: &Path, environment: &[(&str, &str)]) {
    follow(repository, sections(repository), environment);
}

fn follow(repository: &Path, sections: Vec<(String, String)>, environment: &[(&str, &str)]) {
    for (title, commands) in sections {
        let mut command = Command::new("sh");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        let output =
            command.envs(environment.iter().copied()).arg("-c").arg(commands).current_dir(repository).output().unwrap();
        assert!(output.status.success(), "{title}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Everything that was restored of a bucket, by key, as RECOVERY.txt explains it.
fn restored(repository: &Path, source: &str) -> Contents {
    let mut found = Contents::new();
    for (path, content) in files(&repository.join("restored/files").join(source)) {
        found.insert(path, content);
    }
    for (path, content) in files(&repository.join("restored/other-keys").join(source)) {
        let encoded = path.replace('/', "");
        let key = percent::decode(encoded.strip_suffix('=').unwrap()).unwrap();
        assert!(found.insert(key, content).is_none());
    }
    found
}

/// All plain files below a folder, by path.
fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found
}

fn assert_same(found: &Contents, expected: &Contents) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, content) in expected {
        assert!(found[key] == *content, "{key:?} has other bytes");
    }
}

#[tokio::test]
async fn a_folder_with_hostile_keys_a_database_and_configuration_comes_back_with_sh_alone() {
    let folder = support::folder();
    let at = |name: &str| folder.path().join(name);
    for name in ["live/books", "vault", "etc"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    let live = DirectoryStore::open(at("live")).unwrap();
    let mut expected = fill(&live, &support::bucket("books"), KEYS).await;
    fs::write(at("live/books/run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(at("live/books/run.sh"), fs::Permissions::from_mode(0o751)).unwrap();
    expected.insert("run.sh".to_owned(), b"#!/bin/sh\n".to_vec());
    symlink("run.sh", at("live/books/link")).unwrap();
    fs::write(at("etc/compose.yaml"), "services: {}\n").unwrap();
    let database = Connection::open(at("dream.db")).unwrap();
    database.execute_batch("CREATE TABLE books (id INTEGER, title TEXT)").unwrap();
    database.execute("INSERT INTO books VALUES (1, ?1)", ["Träume"]).unwrap();
    let root = folder.path().display();
    let settings = format!(
        "state_dir = '{root}/state'\n[stores.live]\npath = '{root}/live'\n[stores.vault]\npath = '{root}/vault'\n\
         [databases.dream]\nurl = 'sqlite:{root}/dream.db'\n[backup]\nstore = 'vault'\nbucket = 'backups'\n\
         databases = ['dream']\nfiles = ['live/*']\nconfig = ['{root}/etc']\n"
    );
    fs::write(at("dcs.toml"), settings).unwrap();
    dcs(folder.path(), &[], &["init"]);
    dcs(folder.path(), &[], &["backup", "complete"]);

    let repository = at("fetched");
    let copied = Command::new("cp").arg("-R").arg(at("vault/backups")).arg(&repository).status().unwrap();
    assert!(copied.success());
    for name in ["live", "vault", "dream.db", "etc"] {
        let gone = Command::new("rm").arg("-r").arg(at(name)).status().unwrap();
        assert!(gone.success());
    }
    recover(&repository, &[]);

    assert_same(&restored(&repository, "live/books"), &expected);
    let books = repository.join("restored/files/live/books");
    assert_eq!(fs::metadata(books.join("run.sh")).unwrap().permissions().mode() & 0o777, 0o751);
    assert_eq!(fs::read_link(books.join("link")).unwrap().to_str(), Some("run.sh"));
    let database = Connection::open(repository.join("restored/db/dream.db")).unwrap();
    let title: String = database.query_row("SELECT title FROM books WHERE id = 1", [], |row| row.get(0)).unwrap();
    assert_eq!(title, "Träume");
    let compose = repository.join("restored/config").join(format!("{}/etc/compose.yaml", &root.to_string()[1..]));
    assert_eq!(fs::read_to_string(compose).unwrap(), "services: {}\n");
}

#[tokio::test]
async fn buckets_and_a_postgresql_database_come_back_with_sh_and_the_servers_own_tools() {
    // One after the other: both bring back the roles of the whole server.
    buckets_and_a_database_come_back("gzip").await;
    if support::has_tool("zstd") {
        buckets_and_a_database_come_back("zstd").await;
    }
}

async fn buckets_and_a_database_come_back(compression: &str) {
    let (Some(server), Some(url)) = (support::s3(), support::postgres()) else { return };
    let options = S3Options::new(&server.endpoint, &server.region);
    let store = S3Store::open(options.keys(&server.access_key, Secret::new(&server.secret_key))).unwrap();
    let (books, vault) = (support::unique_bucket("recovery-live"), support::unique_bucket("recovery-vault"));
    store.create_bucket(&books).await.unwrap();
    // A server that cannot hold a key at all has none to restore.
    let keys: Vec<&str> = KEYS.iter().copied().filter(|key| !key.starts_with('/')).collect();
    let expected = fill(&*store, &books, &keys).await;
    let scratch = Scratch::create(&url, "recovery").await;
    let client = scratch.client().await;
    client
        .batch_execute(
            "CREATE TABLE books (id serial PRIMARY KEY, title text);
             INSERT INTO books (title) SELECT 'Traum ' || n FROM generate_series(1, 1000) n",
        )
        .await
        .unwrap();
    client.batch_execute(&format!("ALTER DATABASE \"{}\" SET work_mem = '5MB'", scratch.name)).await.unwrap();
    drop(client);

    let folder = support::folder();
    let settings = format!(
        "state_dir = '{0}/state'\n[stores.all]\nendpoint = '{1}'\nregion = '{2}'\n[databases.dream]\nurl = '{3}'\n\
         [backup]\nstore = 'all'\nbucket = '{vault}'\nprefix = 'nightly/'\ncompression = '{compression}'\ndatabases = ['dream']\nfiles = ['all/{books}']\n",
        folder.path().display(),
        server.endpoint,
        server.region,
        scratch.url_as(None, &scratch.name),
    );
    fs::write(folder.path().join("dcs.toml"), settings).unwrap();
    let keys = [("AWS_ACCESS_KEY_ID", &*server.access_key), ("AWS_SECRET_ACCESS_KEY", &*server.secret_key)];
    dcs(folder.path(), &keys, &["init"]);
    dcs(folder.path(), &keys, &["backup", "complete"]);

    let repository = folder.path().join("fetched");
    fetch(&*store, &vault, "nightly/", &repository).await;
    let admin = scratch.admin().await;
    admin.batch_execute(&format!("DROP DATABASE \"{}\" WITH (FORCE)", scratch.name)).await.unwrap();
    let before = roles(&admin).await;
    let login = login(&url);
    let login: Vec<(&str, &str)> = login.iter().map(|(name, value)| (*name, value.as_str())).collect();
    recover(&repository, &login);

    assert_same(&restored(&repository, &format!("all/{books}")), &expected);
    assert_eq!(scratch.count("SELECT count(*) FROM books WHERE title = 'Traum ' || id").await, 1000);
    let client = scratch.client().await;
    let setting: String = client.query_one("SHOW work_mem", &[]).await.unwrap().get(0);
    assert_eq!(setting, "5MB");
    drop(client);

    // Roles of other tests that ended in between came back with ours.
    for role in roles(&admin).await.difference(&before).filter(|role| globals(&repository).contains(*role)) {
        admin.batch_execute(&format!("DROP ROLE IF EXISTS \"{role}\"")).await.unwrap();
    }
    scratch.remove().await;
    for bucket in [books, vault] {
        let keys: Vec<Key> = support::keys_below(&*store, &bucket, "").await;
        for (key, removed) in store.delete_many(&bucket, keys).await {
            assert!(removed.is_ok(), "{key}: {removed:?}");
        }
        server.remove_bucket(&bucket).await;
    }
}

/// Copies what lies below a prefix into a folder, as any S3 client does.
async fn fetch(store: &dyn ObjectStore, bucket: &BucketName, prefix: &str, folder: &Path) {
    for key in support::keys_below(store, bucket, prefix).await {
        let path = folder.join(key.as_str().strip_prefix(prefix).unwrap());
        let object = store.get(&Address::new(bucket.clone(), key), GetOptions::default()).await.unwrap();
        let chunks: Vec<Bytes> = object.body.try_collect().await.unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, chunks.concat()).unwrap();
    }
}

/// The variables by which PostgreSQL's tools find the server.
fn login(url: &str) -> Vec<(&'static str, String)> {
    let config: tokio_postgres::Config = url.parse().unwrap();
    let host = match &config.get_hosts()[0] {
        tokio_postgres::config::Host::Tcp(host) => host.clone(),
        tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
    };
    let password = String::from_utf8(config.get_password().unwrap_or_default().to_vec()).unwrap();
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap().to_owned();
    vec![("PGHOST", host), ("PGPORT", port), ("PGUSER", user), ("PGPASSWORD", password)]
}

async fn roles(admin: &tokio_postgres::Client) -> BTreeSet<String> {
    let rows = admin.query("SELECT rolname::text FROM pg_roles", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The roles that the backup brought along.
fn globals(repository: &Path) -> BTreeSet<String> {
    let script = Command::new("sh")
        .args(["-c", "for file in backups/*/db/*.globals.sql.*; do case $file in *.gz) gzip -dc $file ;; *) zstd -dc $file ;; esac; done"])
        .current_dir(repository)
        .output()
        .unwrap();
    let script = String::from_utf8(script.stdout).unwrap();
    let names = script.lines().filter_map(|line| line.strip_prefix("CREATE ROLE ")?.strip_suffix(';'));
    names.map(|name| name.trim_matches('"').to_owned()).collect()
}

#[test]
fn the_readme_of_a_repository_is_at_its_root_and_leads_to_the_commands() {
    let folder = support::folder();
    let vault = folder.path().join("vault");
    fs::create_dir(&vault).unwrap();
    dcs(folder.path(), &[], &["--repo", vault.join("backups").to_str().unwrap(), "init"]);
    let readme = fs::read_to_string(vault.join("backups/README.txt")).unwrap();
    assert!(readme.contains("RECOVERY.txt"));
}
