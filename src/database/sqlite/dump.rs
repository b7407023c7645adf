//! A dump of an SQLite file: a copy in the spool, checked and counted, then read out.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};

use super::spool::PrivateFolder;
use super::{blocking, describe, file, folders};
use crate::database::{DatabaseError, DumpOptions, DumpSession, DumpStream, ErrorKind, Result};
use crate::model::database::Fingerprint;
use crate::model::{ItemFolder, ItemTable, PrefixTemplate};

const ATTEMPTED: &str = "dump";
const CHUNK: u64 = 1 << 20;

pub(super) struct SqliteDump {
    live: PathBuf,
    copy: PathBuf,
    folder: PrivateFolder,
    fingerprint: Fingerprint,
    opened: bool,
    ended: Arc<AtomicBool>,
}

impl SqliteDump {
    pub(super) fn begin(live: &Path, options: &DumpOptions) -> Result<Self> {
        let connection = file::open_live(live)?;
        let size = file::size(&connection).map_err(|error| file::failed(ATTEMPTED, live, error))?;
        file::check_space(ATTEMPTED, &options.spool, size)?;
        let folder = PrivateFolder::make(&options.spool, &options.run)?;
        let copy = folder.path().join("copy");
        file::copy_to_file(ATTEMPTED, &connection, &copy)?;
        drop(connection);
        file::check(ATTEMPTED, &copy, live)?;
        let fingerprint = file::count(ATTEMPTED, &copy, live)?;
        Ok(Self { live: live.to_owned(), copy, folder, fingerprint, opened: false, ended: Arc::default() })
    }

    fn error(&self, kind: ErrorKind, detail: &str) -> DatabaseError {
        DatabaseError::new(kind, ATTEMPTED, describe(&self.live)).with_detail(detail)
    }
}

async fn remove(folder: PrivateFolder) {
    let removed = tokio::task::spawn_blocking(move || {
        let path = folder.path().to_owned();
        (folder.close(), path)
    });
    if let Ok((Err(error), path)) = removed.await {
        tracing::warn!(%error, path = %path.display(), "a spooled copy could not be removed");
    }
}

#[async_trait]
impl DumpSession for SqliteDump {
    fn properties(&self) -> Option<&str> {
        None
    }

    fn globals(&self) -> Option<(&str, bool)> {
        None
    }

    async fn item_folders<'a>(
        &'a mut self,
        table: &ItemTable,
        template: &PrefixTemplate,
    ) -> Result<BoxStream<'a, Result<ItemFolder>>> {
        Ok(folders(self.copy.clone(), table, template))
    }

    async fn open(&mut self) -> Result<DumpStream> {
        if std::mem::replace(&mut self.opened, true) {
            return Err(self.error(ErrorKind::Other, "a session is dumped once"));
        }
        let copy = self.copy.clone();
        let opened =
            blocking(ATTEMPTED, move || File::open(&copy).map_err(|error| file::io_failed(ATTEMPTED, &copy, error)));
        let state = (opened.await?, self.live.clone(), Arc::clone(&self.ended));
        Ok(stream::try_unfold(state, |(open, live, ended)| async move {
            let (open, live, chunk) = blocking(ATTEMPTED, move || {
                let mut chunk = Vec::new();
                let read = (&open).take(CHUNK).read_to_end(&mut chunk);
                read.map_err(|error| file::io_failed(ATTEMPTED, &live, error))?;
                Ok((open, live, Bytes::from(chunk)))
            })
            .await?;
            if chunk.is_empty() {
                ended.store(true, Ordering::Release);
                return Ok(None);
            }
            Ok(Some((chunk, (open, live, ended))))
        })
        .boxed())
    }

    async fn finish(self: Box<Self>) -> Result<Fingerprint> {
        if !self.ended.load(Ordering::Acquire) {
            return Err(self.error(ErrorKind::ToolFailed, "the dump was not read to its end"));
        }
        remove(self.folder).await;
        Ok(self.fingerprint)
    }

    async fn abort(self: Box<Self>) {
        remove(self.folder).await;
    }
}
