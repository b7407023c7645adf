use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::database::{DumpStream, Result};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::database::{Difference, Engine, Fingerprint, ServerInfo};
use crate::model::{BucketName, Prefix, RunId, Silent};
use crate::repository::Repository;
use crate::store::memory::MemoryStore;

/// A session that notes what becomes of it.
struct Side {
    name: &'static str,
    fails: bool,
    log: Arc<Mutex<Vec<String>>>,
}

#[async_trait::async_trait]
impl RestoreSession for Side {
    async fn load(&mut self, _: DumpStream) -> Result<()> {
        Ok(())
    }

    async fn compare(&mut self, _: &Fingerprint) -> Result<Vec<Difference>> {
        Ok(Vec::new())
    }

    async fn ask(&mut self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    async fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    async fn swap(self: Box<Self>) -> Result<Option<String>> {
        self.log.lock().unwrap().push(format!("swap {}", self.name));
        let busy = || DatabaseError::new(ErrorKind::Refused, "swap in", self.name);
        if self.fails { Err(busy()) } else { Ok(None) }
    }

    async fn discard(self: Box<Self>) {
        self.log.lock().unwrap().push(format!("discard {}", self.name));
    }
}

fn component(name: &str) -> DatabaseComponent {
    let dump = Artefact { parts: Vec::new(), raw_size: 0, raw_sha256: crate::archive::sha256(b"") };
    let (version, encoding, extensions) = (String::new(), String::new(), Vec::new());
    let server = ServerInfo { engine: Engine::Sqlite, version, major: 3, encoding, size_bytes: 0, extensions };
    DatabaseComponent {
        name: name.to_owned(),
        database: name.to_owned(),
        server,
        started_at: jiff::Timestamp::UNIX_EPOCH,
        finished_at: jiff::Timestamp::UNIX_EPOCH,
        dump,
        properties: None,
        globals: None,
        globals_hold_passwords: false,
        fingerprint: Fingerprint::default(),
        selection: None,
    }
}

async fn context() -> Context {
    let (bucket, store) = (BucketName::new("vault").unwrap(), Arc::new(MemoryStore::new()));
    Context {
        run: RunId::create(),
        host: String::new(),
        repository: Repository::init(store, bucket, Prefix::root()).await.unwrap().0,
        stores: BTreeMap::new(),
        databases: BTreeMap::new(),
        spool: std::env::temp_dir(),
        progress: Arc::new(Silent),
        transfers: 1,
    }
}

async fn swap(failing: &str, done: Vec<String>) -> (CommandError, Vec<String>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let proven = ["one", "two", "three"].map(|name| Proven {
        session: Box::new(Side { name, fails: name == failing, log: log.clone() }),
        component: component(name),
        target: name.to_owned(),
        choices: RestoreChoices::default(),
        kept_as: None,
    });
    let error = swap_each(&context().await, proven.into(), done, &Recorder::default()).await.unwrap_err();
    let log = log.lock().unwrap().clone();
    (error.into(), log)
}

#[tokio::test]
async fn a_swap_that_fails_says_what_is_in_place_and_leaves_no_side_database() {
    let (error, log) = swap("two", Vec::new()).await;
    assert_eq!(log, ["swap one", "swap two", "discard three"]);
    assert_eq!(error.code, ExitCode::Database, "refused would mean that nothing was changed");
    assert!(error.message.contains("database one restored"), "{error:?}");
    assert!(!error.hints.concat().contains("othing"), "{error:?}");
    let (error, _) = swap("one", vec!["files".to_owned()]).await;
    assert_eq!(error.code, ExitCode::Database);
    assert!(error.message.contains("files restored"), "{error:?}");
    let (error, _) = swap("one", Vec::new()).await;
    assert_eq!(error.code, ExitCode::Refused);
}
