//! Databases of one test each on the live PostgreSQL server.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each binary uses a part"
)]

use std::path::{Path, PathBuf};

use dcs::database::{
    Database, DumpOptions, DumpSession, DumpStream, PostgresDatabase, PostgresOptions, RestoreChoices, RestoreOptions,
    RestoreSession, Result,
};
use dcs::model::RunId;
use dcs::model::database::{Fingerprint, ServerInfo};
use dcs::model::manifest::DumpSelection;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_postgres::{Client, Config, NoTls};

/// A database, removed with everything that restores made beside it by [`Scratch::remove`].
pub struct Scratch {
    url: String,
    pub name: String,
}

impl Scratch {
    pub async fn create(url: &str, stem: &str) -> Self {
        Self::named(url, crate::support::unique(stem)).await
    }

    pub async fn named(url: &str, name: String) -> Self {
        let scratch = Self { url: url.to_owned(), name };
        let sql = format!("CREATE DATABASE {}", quoted(&scratch.name));
        scratch.admin().await.batch_execute(&sql).await.unwrap();
        scratch
    }

    pub async fn admin(&self) -> Client {
        self.connect("postgres").await
    }

    pub async fn client(&self) -> Client {
        self.connect(&self.name).await
    }

    pub async fn connect(&self, database: &str) -> Client {
        self.try_connect(database).await.unwrap()
    }

    pub async fn try_connect(&self, database: &str) -> std::result::Result<Client, tokio_postgres::Error> {
        let mut config: Config = self.url.parse()?;
        let (client, connection) = config.dbname(database).connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub fn options(&self) -> PostgresOptions {
        PostgresOptions::new(self.url_as(None, &self.name))
    }

    /// The URL of this server for another user (who has no password then) and database.
    pub fn url_as(&self, user: Option<&str>, database: &str) -> String {
        let rest = self.url.split_once("://").unwrap().1;
        let (login, rest) = rest.split_once('@').unwrap();
        let host = rest.split('/').next().unwrap();
        let encoded = percent_encoding::utf8_percent_encode(database, percent_encoding::NON_ALPHANUMERIC);
        format!("postgres://{}@{host}/{encoded}", user.unwrap_or(login))
    }

    pub fn open(&self) -> PostgresDatabase {
        PostgresDatabase::open(self.options()).unwrap()
    }

    /// The databases whose names begin with this one's.
    pub async fn family(&self) -> Vec<String> {
        let sql = "SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1) ORDER BY 1";
        let rows = self.admin().await.query(sql, &[&self.name]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub async fn count(&self, sql: &str) -> i64 {
        self.client().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub async fn remove(self) {
        let admin = self.admin().await;
        for name in self.family().await {
            admin.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", quoted(&name))).await.unwrap();
        }
    }
}

pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A dump held in memory.
#[derive(Debug)]
pub struct Dump {
    pub bytes: Vec<u8>,
    pub fingerprint: Fingerprint,
    pub properties: Option<String>,
    pub globals: Option<String>,
    pub server: ServerInfo,
}

impl Dump {
    pub async fn take(database: &dyn Database, spool: &Path) -> Result<Self> {
        Self::take_of(database, spool, None).await
    }

    pub async fn take_of(database: &dyn Database, spool: &Path, selection: Option<DumpSelection>) -> Result<Self> {
        let server = database.preflight_dump().await?;
        let options = DumpOptions { spool: spool.to_owned(), run: RunId::create(), selection };
        Self::of(database.begin_dump(&options).await?, server).await
    }

    pub async fn of(mut session: Box<dyn DumpSession>, server: ServerInfo) -> Result<Self> {
        let bytes = read(session.open().await?).await?;
        let properties = session.properties().map(ToOwned::to_owned);
        let globals = session.globals().map(|(script, _)| script.to_owned());
        let fingerprint = session.finish().await?;
        Ok(Self { bytes, fingerprint, properties, globals, server })
    }

    pub fn stream(&self) -> DumpStream {
        stream_of(&self.bytes)
    }

    /// Loads it into a new database, which nothing takes for the live one yet.
    pub async fn load(&self, database: &dyn Database, options: &RestoreOptions) -> Box<dyn RestoreSession> {
        let mut session = database.begin_restore(options).await.unwrap();
        session.load(self.stream()).await.unwrap();
        session
    }

    /// Without the globals, which hold the roles of all the tests that run at the same time.
    pub fn restore_options(&self, spool: &Path) -> RestoreOptions {
        RestoreOptions {
            spool: spool.to_owned(),
            run: RunId::create(),
            properties: self.properties.clone(),
            globals: None,
            server: self.server.clone(),
            dump_bytes: self.bytes.len() as u64,
            choices: RestoreChoices::default(),
        }
    }
}

pub async fn read(mut stream: DumpStream) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

pub fn stream_of(bytes: &[u8]) -> DumpStream {
    let chunks: Vec<_> = bytes.chunks(100_000).map(|chunk| Ok(bytes::Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

/// A folder with programs that stand in for the server's tools.
pub fn fake_tools(folder: &Path, scripts: &[(&str, &str)]) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    for (name, body) in scripts {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder.to_owned()
}
