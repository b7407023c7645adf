//! The database of a live system: hard to keep on purpose, and everything that can be seen of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::postgres::{Scratch, quoted};

/// Lines by what they are about: rows of a table, definitions, settings.
pub type Contents = BTreeMap<String, Vec<String>>;

pub enum LiveDatabase {
    /// The connection keeps the `-wal` alive, as a running application does.
    Sqlite {
        path: PathBuf,
        application: Option<Connection>,
    },
    Postgres {
        scratch: Scratch,
        name: String,
    },
}

const SQLITE: &str = r#"
    PRAGMA journal_mode = WAL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA user_version = 7;
    CREATE TABLE books (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, status TEXT, cover BLOB, price REAL);
    CREATE TABLE "Zwei Wörter ""und Zeichen"" 📚" (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    CREATE TABLE changes (book INTEGER REFERENCES books (id), what TEXT);
    CREATE INDEX by_title ON books (title COLLATE NOCASE);
    CREATE VIEW published AS SELECT id, title FROM books WHERE status = 'published';
    CREATE TRIGGER note_change AFTER UPDATE ON books BEGIN INSERT INTO changes VALUES (new.id, 'updated'); END;
    CREATE VIRTUAL TABLE words USING fts5 (text);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
        INSERT INTO books (title, status, cover, price)
        SELECT 'Book ' || i, CASE i % 3 WHEN 0 THEN 'archived' ELSE 'published' END, randomblob(i % 50), i / 7.0 FROM n;
    UPDATE books SET title = 'it''s "quoted" ü 📚' || char(10) || 'two lines' WHERE id = 17;
    DELETE FROM books WHERE id = 4000;
    INSERT INTO "Zwei Wörter ""und Zeichen"" 📚" VALUES ('tab' || char(9), NULL), ('', x'00ff'), ('\.', 1e300);
    INSERT INTO words VALUES ('dream central storage'), ('ümläute');
"#;

const POSTGRES: &str = r#"
    CREATE SCHEMA "Zwei Wörter";
    CREATE TYPE status AS ENUM ('draft', 'published', 'archived');
    CREATE TABLE books (
        id serial PRIMARY KEY, title text NOT NULL, status status NOT NULL DEFAULT 'published',
        added timestamptz NOT NULL DEFAULT now(), price numeric(10, 2) CHECK (price >= 0), cover bytea, tags text[],
        data jsonb, upper_title text GENERATED ALWAYS AS (upper(title)) STORED);
    CREATE INDEX by_title ON books (lower(title));
    INSERT INTO books (title, status, price, cover, tags, data)
        SELECT 'Book ' || i, (ARRAY['draft', 'published', 'archived'])[i % 3 + 1]::status, i / 7.0,
            decode(md5(i::text), 'hex'), ARRAY['a', 'b ' || i, NULL], jsonb_build_object('n', i, 'ü', '📚')
        FROM generate_series(1, 4000) AS i;
    CREATE TABLE "Zwei Wörter"."it's ""quoted"" ü" (k text PRIMARY KEY, v double precision, book int REFERENCES books);
    INSERT INTO "Zwei Wörter"."it's ""quoted"" ü" VALUES
        (E'tab\there', 'NaN', 1), (E'two\nlines', '-Infinity', NULL), ('\.', 1e-300, 2), ('', NULL, 3), ('NULL', 0, 4);
    CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
    CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE events_rest PARTITION OF events DEFAULT;
    INSERT INTO events SELECT '2024-12-25'::date + i, 'event ' || i FROM generate_series(0, 20) AS i;
    CREATE TABLE secret_rows (id int GENERATED ALWAYS AS IDENTITY, owner text);
    INSERT INTO secret_rows (owner) VALUES ('me'), ('you');
    ALTER TABLE secret_rows ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON secret_rows USING (owner = current_user);
    CREATE SEQUENCE "Zähler" START 7 INCREMENT 3;
    SELECT nextval('"Zähler"'), nextval('"Zähler"');
    CREATE MATERIALIZED VIEW popular AS SELECT id, title FROM books WHERE id % 10 = 0;
    CREATE VIEW published AS SELECT id, title FROM books WHERE status = 'published';
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.added := now(); RETURN new; END $$;
    CREATE TRIGGER touched BEFORE UPDATE ON books FOR EACH ROW EXECUTE FUNCTION touch();
    SELECT lo_from_bytea(0, '\x0001feff');
    COMMENT ON TABLE books IS 'it''s the books';
"#;

/// Everything that a restore must bring back, one query a kind of thing.
const POSTGRES_LOOKS: [(&str, &str); 12] = [
    (
        "settings",
        "SELECT s.setrole::regrole::text || ' ' || unnest(s.setconfig) FROM pg_db_role_setting s
        JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()",
    ),
    (
        "database",
        "SELECT concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit,
        shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = current_database()",
    ),
    (
        "tables",
        "SELECT table_schema || '.' || table_name || ' ' || table_type FROM information_schema.tables
        WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
    ),
    (
        "columns",
        "SELECT concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull,
        attidentity, attgenerated) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        WHERE attnum > 0 AND NOT attisdropped AND c.relkind IN ('r', 'p', 'm', 'v')
        AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')",
    ),
    ("indexes", "SELECT indexdef FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog')"),
    (
        "constraints",
        "SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid <> 0",
    ),
    ("functions", "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"),
    ("triggers", "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"),
    ("policies", "SELECT concat_ws(' ', tablename, policyname, cmd, qual) FROM pg_policies"),
    ("views", "SELECT viewname || definition FROM pg_views WHERE schemaname = 'public'"),
    ("large objects", "SELECT loid || ' ' || pageno || ' ' || data::text FROM pg_largeobject"),
    ("comments", "SELECT description FROM pg_description WHERE objoid = 'books'::regclass"),
];

impl LiveDatabase {
    pub fn sqlite(path: &Path) -> Self {
        let application = Connection::open(path).unwrap();
        application.execute_batch(SQLITE).unwrap();
        Self::Sqlite { path: path.to_owned(), application: Some(application) }
    }

    pub async fn postgres(url: &str) -> Self {
        let scratch = Scratch::create(url, "e2e ü").await;
        let (name, client) = (scratch.name.clone(), scratch.client().await);
        client.batch_execute(POSTGRES).await.unwrap();
        let settings = "SET work_mem = '5MB'; ALTER DATABASE {} SET search_path = public, \"Zwei Wörter\"; \
            ALTER DATABASE {} CONNECTION LIMIT 37; COMMENT ON DATABASE {} IS 'the dream, it''s ü'";
        client.batch_execute(&format!("ALTER DATABASE {{}} {settings}").replace("{}", &quoted(&name))).await.unwrap();
        Self::Postgres { scratch, name }
    }

    /// As the configuration writes it, without password.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite { path, .. } => format!("sqlite:{}", path.display()),
            Self::Postgres { name, .. } => self.url_of(name),
        }
    }

    /// Of another database on the same server.
    pub fn url_of(&self, name: &str) -> String {
        match self {
            Self::Sqlite { path, .. } => format!("sqlite:{}", path.with_file_name(name).display()),
            Self::Postgres { scratch, .. } => scratch.url_as(Some("dcs"), name),
        }
    }

    pub async fn contents(&self) -> Contents {
        match self {
            Self::Sqlite { path, .. } => sqlite_contents(path),
            Self::Postgres { name, .. } => self.contents_of(name).await,
        }
    }

    /// Of another database on the same server, or beside the file.
    pub async fn contents_of(&self, name: &str) -> Contents {
        match self {
            Self::Sqlite { path, .. } => sqlite_contents(&path.with_file_name(name)),
            Self::Postgres { scratch, .. } => postgres_contents(scratch, name).await,
        }
    }

    /// Changes what an application would.
    pub async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite { path, .. } => Connection::open(path).unwrap().execute_batch(sql).unwrap(),
            Self::Postgres { scratch, .. } => scratch.client().await.batch_execute(sql).await.unwrap(),
        }
    }

    /// The names of what restores made beside the live one.
    pub async fn kept(&self) -> Vec<String> {
        match self {
            Self::Sqlite { path, .. } => {
                let folder = std::fs::read_dir(path.parent().unwrap()).unwrap();
                let names = folder.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned());
                names
                    .filter(|name| name.contains(".before-") && !name.ends_with("-shm") && !name.ends_with("-wal"))
                    .collect()
            }
            Self::Postgres { scratch, name } => {
                scratch.family().await.into_iter().filter(|other| other != name).collect()
            }
        }
    }

    /// Loses the database.
    pub async fn lose(&mut self) {
        match self {
            Self::Sqlite { path, application } => {
                *application = None;
                for suffix in ["", "-wal", "-shm"] {
                    std::fs::remove_file(format!("{}{suffix}", path.display())).ok();
                }
            }
            Self::Postgres { scratch, name } => drop_database(scratch, name).await,
        }
    }

    pub async fn remove(self) {
        if let Self::Postgres { scratch, .. } = self {
            scratch.remove().await;
        }
    }
}

async fn drop_database(scratch: &Scratch, name: &str) {
    let sql = format!("DROP DATABASE {} WITH (FORCE)", quoted(name));
    scratch.admin().await.batch_execute(&sql).await.unwrap();
}

fn sqlite_contents(path: &Path) -> Contents {
    assert!(path.exists(), "{} is not there", path.display());
    let connection = Connection::open(path).unwrap();
    let lines = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut contents = Contents::new();
    contents.insert("schema".to_owned(), lines("SELECT type || name || ifnull(sql, '') FROM sqlite_schema ORDER BY 1"));
    contents.insert("version".to_owned(), lines("SELECT CAST(user_version AS TEXT) FROM pragma_user_version"));
    contents.insert("check".to_owned(), lines("PRAGMA integrity_check"));
    for table in lines("SELECT name FROM sqlite_schema WHERE type = 'table' OR type = 'view' ORDER BY 1") {
        let columns = lines(&format!("SELECT name FROM pragma_table_info('{}')", table.replace('\'', "''")));
        let columns: Vec<String> = columns.iter().map(|column| format!("quote({})", quoted(column))).collect();
        let sql = format!("SELECT {} FROM {} ORDER BY 1", columns.join(" || ',' || "), quoted(&table));
        contents.insert(format!("rows of {table}"), lines(&sql));
    }
    contents
}

async fn postgres_contents(scratch: &Scratch, name: &str) -> Contents {
    let client = scratch.connect(name).await;
    client.batch_execute("SET search_path = ''; SET timezone = 'UTC'; SET row_security = off").await.unwrap();
    let lines = |sql: String| {
        let client = &client;
        async move {
            let rows = client.query(&sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            let mut lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            lines.sort();
            lines
        }
    };
    let mut contents = Contents::new();
    for (what, sql) in POSTGRES_LOOKS {
        contents.insert(what.to_owned(), lines(sql.replace("'books'", "'public.books'")).await);
    }
    let relations = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'm') \
        AND c.relispopulated \
        AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')";
    for relation in lines(relations.to_owned()).await {
        let rows = lines(format!("SELECT t::text FROM {relation} t")).await;
        contents.insert(format!("rows of {relation}"), rows);
    }
    let sequences = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S'";
    for sequence in lines(sequences.to_owned()).await {
        let state = lines(format!("SELECT last_value || ' ' || is_called FROM {sequence}")).await;
        contents.insert(format!("sequence {sequence}"), state);
    }
    contents
}
