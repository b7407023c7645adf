//! How dcs is run on the small system: as an operator does, by the binary, or by the library, on stores that go wrong.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;

use dcs::archive::Codec;
use dcs::database::{Database, RestoreChoices, SqliteDatabase, UndoOptions};
use dcs::model::manifest::Origins;
use dcs::model::progress::Silent;
use dcs::model::{BackupId, BackupKind, BucketName, FileSource, Manifest, Prefix, RunId};
use dcs::repository::Repository;
use dcs::steps::backup::{self, BackupOptions};
use dcs::steps::hooks::Hooks;
use dcs::steps::restore::{self, By, CompletePlan, CompleteRestored};
use dcs::steps::restore_files::{FilesRestoreOptions, Trash};
use dcs::steps::undo_restore::{self, Undone};
use dcs::steps::verify::{self, Level as Depth, Verified};
use dcs::steps::{Context, Result, continued, restore_database, restore_files};
use dcs::store::ObjectStore;
use dcs::trash::TrashBucket;

use super::System;

/// What a command left.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl System {
    /// Runs dcs with this system's configuration and nothing of our environment.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcs"));
        command.args(arguments).current_dir(&self.root).env_clear().stdin(Stdio::null()).env("HOME", &self.root);
        command.env("PATH", std::env::var_os("PATH").unwrap());
        if let Some(server) = &self.server {
            command.env("AWS_ACCESS_KEY_ID", &server.s3.access_key).env("AWS_SECRET_ACCESS_KEY", &server.s3.secret_key);
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("it exits");
        Ran { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Runs dcs, which has to succeed.
    pub fn succeed(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.text());
        ran
    }

    /// Makes a complete backup by the binary.
    pub fn make_backup(&self) -> BackupId {
        let ran = self.succeed(&["--json", "backup", "complete"]);
        let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        answer["id"].as_str().unwrap().parse().unwrap()
    }

    /// The live database of the embedded system.
    pub fn database(&self) -> Arc<dyn Database> {
        Arc::new(SqliteDatabase::open(self.database_path()))
    }

    pub async fn context(
        &self,
        vault: Arc<dyn ObjectStore>,
        live: Arc<dyn ObjectStore>,
        database: Arc<dyn Database>,
    ) -> Context {
        let spool = self.root.join("state");
        std::fs::create_dir_all(&spool).unwrap();
        Context {
            run: RunId::create(),
            host: "atlas".to_owned(),
            repository: Repository::open(vault, self.buckets.backups.clone(), Prefix::root()).await.unwrap(),
            stores: BTreeMap::from([("live".to_owned(), live)]),
            databases: BTreeMap::from([("dream".to_owned(), database)]),
            spool,
            progress: Arc::new(Silent),
            transfers: 4,
        }
    }

    /// A context in which nothing goes wrong.
    pub async fn sound(&self) -> Context {
        self.context(self.vault.clone(), self.live.clone(), self.database()).await
    }

    /// Makes a complete backup by the library.
    pub async fn back_up(&self, context: &Context) -> Result<Manifest> {
        let source = |bucket: &BucketName| FileSource {
            store: "live".to_owned(),
            bucket: Some(bucket.clone()),
            prefix: Prefix::root(),
        };
        let options = BackupOptions {
            how: dcs::steps::files::FilesOptions::default(),
            kind: BackupKind::Complete,
            note: None,
            tags: Vec::new(),
            databases: vec!["dream".to_owned()],
            selection: None,
            items: Vec::new(),
            files: vec![source(&self.buckets.books), source(&self.buckets.apps)],
            config: vec![self.root.join("etc")],
            capture: Vec::new(),
            codec: Codec::default(),
            workers: 2,
            origins: Origins::default(),
        };
        let plan = backup::plan(context, options).await?;
        backup::execute(context, plan, None).await
    }

    /// Restores databases and files of a backup by the library, as `restore-complete` does.
    pub async fn restore(&self, context: &Context, manifest: &Manifest) -> Result<CompleteRestored> {
        let continued = continued::find(context, manifest).await?.continued;
        let is_in_place = |name: &str| continued.as_ref().is_some_and(|continued| continued.is_in_place(name));
        let mut databases = Vec::new();
        for component in manifest.databases.iter().filter(|component| !is_in_place(&component.name)) {
            databases.push(restore_database::plan(context, component, RestoreChoices::default()).await?);
        }
        let files = manifest.files.as_ref().unwrap();
        let place = TrashBucket { store: context.store("live")?.clone(), bucket: self.buckets.trash.clone() };
        let trash = Trash { place, user: "tester".to_owned() };
        let options = FilesRestoreOptions { trash: Some(trash), ..FilesRestoreOptions::default() };
        let files = restore_files::plan(context, &manifest.id, files, options).await?;
        files.check()?;
        verify::require_intact(context, manifest).await?;
        let hooks = Hooks::none(context.run.clone());
        let plan = CompletePlan {
            backup: manifest.id.clone(),
            databases,
            files: Some(files),
            config: None,
            skip_damaged: false,
            hooks,
            continued,
            by: By::default(),
        };
        Box::pin(restore::execute(context, plan)).await
    }
}

impl System {
    /// Takes the last restore back by the library, as `restore-complete --undo` does.
    pub async fn undo(&self, context: &Context) -> Result<Undone> {
        let (chains, _) = undo_restore::look(&context.repository).await?;
        let chain = undo_restore::choose(chains, None)?;
        let place = TrashBucket { store: context.store("live")?.clone(), bucket: self.buckets.trash.clone() };
        let trash = Trash { place, user: "tester".to_owned() };
        let options = UndoOptions { spool: context.spool.clone(), run: context.run.clone() };
        let plan = undo_restore::plan(context, chain, Some(trash), options).await?;
        let hooks = Hooks::none(context.run.clone());
        Ok(Box::pin(undo_restore::execute(context, plan, &hooks)).await?.done)
    }
}

/// Fails where a backup is not whole to the last byte.
pub async fn assert_whole(context: &Context, manifest: &Manifest) -> Verified {
    let verified = verify::verify(context, manifest, Depth::Contents).await.unwrap();
    assert_eq!(verified.findings, [], "{}", manifest.id);
    verified
}
