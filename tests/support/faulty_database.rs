//! A database whose nth call goes wrong on purpose, around any other.
#![allow(dead_code, unreachable_pub, reason = "helpers of tests, of which each binary uses a part")]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use dcs::database::{
    Database, DatabaseError, Displaced, DumpOptions, DumpSession, DumpStream, ErrorKind, FolderStream, RestoreOptions,
    RestorePlan, RestoreSession, Result, UndoOptions, UndoPlan,
};
use dcs::model::database::{Difference, Engine, Fingerprint, ServerInfo};
use dcs::model::{ItemFolder, ItemRow, ItemTable, Prefix, PrefixTemplate, RunId, StatusChange};
use futures_util::stream::BoxStream;

use crate::support::faulty::When;

/// Calls that begin, fill, end or swap something, and those about items, fail or call back at the nth of them.
pub struct FaultyDatabase {
    inner: Arc<dyn Database>,
    fault: Fault,
}

#[derive(Clone)]
struct Fault {
    calls: Arc<AtomicUsize>,
    nth: usize,
    when: When,
    callback: Arc<dyn Fn() + Send + Sync>,
}

impl Fault {
    async fn around<T>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let is_now = self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.nth;
        let answer = if is_now && self.when == When::Before { None } else { Some(call.await?) };
        if is_now {
            (self.callback)();
            return Err(DatabaseError::new(ErrorKind::Other, "call", "the database").with_detail("a fault on purpose"));
        }
        Ok(answer.expect("only a fault leaves out the call"))
    }
}

impl FaultyDatabase {
    pub fn nth(inner: Arc<dyn Database>, nth: usize, when: When) -> Arc<Self> {
        Self::calling(inner, nth, when, || {})
    }

    pub fn calling(
        inner: Arc<dyn Database>,
        nth: usize,
        when: When,
        callback: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        let fault = Fault { calls: Arc::default(), nth, when, callback: Arc::new(callback) };
        Arc::new(Self { inner, fault })
    }

    pub fn count(&self) -> usize {
        self.fault.calls.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for FaultyDatabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "call {} of {:?} fails {:?}", self.fault.nth, self.inner, self.fault.when)
    }
}

#[async_trait]
impl Database for FaultyDatabase {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn database(&self) -> &str {
        self.inner.database()
    }

    fn engine(&self) -> Engine {
        self.inner.engine()
    }

    async fn preflight_dump(&self) -> Result<ServerInfo> {
        self.inner.preflight_dump().await
    }

    async fn begin_dump(&self, options: &DumpOptions) -> Result<Box<dyn DumpSession>> {
        let inner = self.fault.around(self.inner.begin_dump(options)).await?;
        Ok(Box::new(FaultySession { inner, fault: self.fault.clone() }))
    }

    async fn plan_restore(&self, options: &RestoreOptions) -> Result<RestorePlan> {
        self.inner.plan_restore(options).await
    }

    async fn begin_restore(&self, options: &RestoreOptions) -> Result<Box<dyn RestoreSession>> {
        let inner = self.fault.around(self.inner.begin_restore(options)).await?;
        Ok(Box::new(FaultySession { inner, fault: self.fault.clone() }))
    }

    async fn begin_scratch(&self, name: &str, options: &RestoreOptions) -> Result<Box<dyn RestoreSession>> {
        let inner = self.fault.around(self.inner.begin_scratch(name, options)).await?;
        Ok(Box::new(FaultySession { inner, fault: self.fault.clone() }))
    }

    async fn sweep_scratch(&self, own: &[String], run: &RunId) {
        self.inner.sweep_scratch(own, run).await;
    }

    async fn displaced(&self, run: &RunId) -> Result<Vec<Displaced>> {
        self.inner.displaced(run).await
    }

    async fn plan_undo(&self, displaced: &Displaced, options: &UndoOptions) -> Result<UndoPlan> {
        self.inner.plan_undo(displaced, options).await
    }

    async fn undo(&self, displaced: &Displaced, options: &UndoOptions) -> Result<Option<String>> {
        self.fault.around(self.inner.undo(displaced, options)).await
    }

    async fn identity(&self, run: &RunId) -> Result<Option<String>> {
        self.inner.identity(run).await
    }

    fn side(&self, run: &RunId) -> Option<String> {
        self.inner.side(run)
    }

    async fn drop_side(&self, of: &RunId, run: &RunId) -> Result<()> {
        self.inner.drop_side(of, run).await
    }

    async fn item_row(&self, table: &ItemTable, id: &str, columns: &[String]) -> Result<Option<ItemRow>> {
        self.fault.around(self.inner.item_row(table, id, columns)).await
    }

    async fn set_item_status(
        &self,
        table: &ItemTable,
        id: &str,
        expected: Option<&str>,
        status: &str,
    ) -> Result<StatusChange> {
        self.fault.around(self.inner.set_item_status(table, id, expected, status)).await
    }

    async fn items_around(
        &self,
        table: &ItemTable,
        template: &PrefixTemplate,
        folder: &Prefix,
        id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>> {
        self.fault.around(self.inner.items_around(table, template, folder, id, limit)).await
    }

    async fn item_folders(&self, table: &ItemTable, template: &PrefixTemplate) -> Result<FolderStream> {
        self.fault.around(self.inner.item_folders(table, template)).await
    }
}

struct FaultySession<S: ?Sized> {
    inner: Box<S>,
    fault: Fault,
}

#[async_trait]
impl DumpSession for FaultySession<dyn DumpSession> {
    fn properties(&self) -> Option<&str> {
        self.inner.properties()
    }

    fn globals(&self) -> Option<(&str, bool)> {
        self.inner.globals()
    }

    async fn item_folders<'a>(
        &'a mut self,
        table: &ItemTable,
        template: &PrefixTemplate,
    ) -> Result<BoxStream<'a, Result<ItemFolder>>> {
        self.fault.around(self.inner.item_folders(table, template)).await
    }

    async fn open(&mut self) -> Result<DumpStream> {
        self.fault.around(self.inner.open()).await
    }

    async fn finish(self: Box<Self>) -> Result<Fingerprint> {
        self.fault.around(self.inner.finish()).await
    }

    async fn abort(self: Box<Self>) {
        self.inner.abort().await;
    }
}

#[async_trait]
impl RestoreSession for FaultySession<dyn RestoreSession> {
    async fn load(&mut self, dump: DumpStream) -> Result<()> {
        self.fault.around(self.inner.load(dump)).await
    }

    async fn compare(&mut self, expected: &Fingerprint) -> Result<Vec<Difference>> {
        self.fault.around(self.inner.compare(expected)).await
    }

    async fn compare_contents(&mut self, expected: &Fingerprint) -> Result<Vec<Difference>> {
        self.fault.around(self.inner.compare_contents(expected)).await
    }

    async fn ask(&mut self, statement: &str) -> Result<Option<String>> {
        self.fault.around(self.inner.ask(statement)).await
    }

    async fn settle(&mut self) -> Result<()> {
        self.fault.around(self.inner.settle()).await
    }

    async fn identity(&mut self) -> Result<Option<String>> {
        self.inner.identity().await
    }

    async fn swap(self: Box<Self>) -> Result<Option<String>> {
        self.fault.around(self.inner.swap()).await
    }

    async fn discard(self: Box<Self>) {
        self.inner.discard().await;
    }
}
