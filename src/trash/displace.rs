//! Copies what a restore will overwrite into the trash, as an entry of its own.
//!
//! An original is overwritten only after [`Displacement::take`] answered for it: the copy is there, of the same size and
//! in the trash for good, whatever happens to the run.

use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;

use super::entry::{Entry, EntryState, entry_id};
use crate::archive::gzip::{self, Level};
use crate::model::{Attributes, BucketName, Key, RunId, manifest, percent};
use crate::store::{Address, ErrorKind, ObjectInfo, ObjectStore, Precondition, Result, StoreError, transfer};

/// An entry that is being filled.
pub struct Displacement {
    store: Arc<dyn ObjectStore>,
    trash: BucketName,
    entry: Entry,
    /// Lines of `objects.tsv`, on disk: they grow with what is displaced.
    lines: std::fs::File,
}

impl Displacement {
    /// Begins an entry for objects of `bucket`. A crash from here on leaves an entry in state `moving` that holds copies
    /// of what still is, or was, in place.
    pub async fn begin(
        store: Arc<dyn ObjectStore>,
        trash: BucketName,
        bucket: BucketName,
        spool: &Path,
        host: &str,
        run: &RunId,
        reason: String,
    ) -> Result<Self> {
        if !store.bucket_exists(&trash).await? {
            store.create_bucket(&trash).await?;
        }
        let created_at = store.now().await?;
        let lines = tempfile::tempfile_in(spool);
        let lines = lines.map_err(|error| StoreError::from_io(error, "spool", spool.display().to_string()))?;
        let entry = Entry {
            format: manifest::FORMAT,
            id: entry_id(created_at),
            state: EntryState::Moving,
            bucket,
            prefix: String::new(),
            objects: 0,
            bytes: 0,
            host: host.to_owned(),
            run: run.clone(),
            reason,
            created_at,
        };
        let displacement = Self { store, trash, entry, lines };
        displacement.write_entry().await?;
        Ok(displacement)
    }

    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Copies one object into the entry and proves the copy.
    pub async fn take(&mut self, info: &ObjectInfo) -> Result<()> {
        let from = Address::new(self.entry.bucket.clone(), info.key.clone());
        let name = self.stored_name(&info.key);
        let to = self.address(&name)?;
        let copied = transfer::copy(&self.store, &from, &to, info.size, None).await?;
        let head = self.store.head(&to).await?;
        if head.size != info.size || head.etag != copied.etag {
            let error = StoreError::new(ErrorKind::Other, "prove the copy of", from.to_string());
            return Err(error.with_detail(format!("the copy has {} bytes instead of {}", head.size, info.size)));
        }
        let (key, name) = (percent::encode_key(info.key.as_str()), percent::encode_key(&name));
        let line = format!("{key}\t{}\t{}\t{}\t{name}\n", info.size, info.etag, copied.etag);
        self.lines.write_all(line.as_bytes()).map_err(|error| StoreError::from_io(error, "spool", "objects.tsv"))?;
        self.entry.objects += 1;
        self.entry.bytes += info.size;
        Ok(())
    }

    /// Writes the list of objects and marks the entry complete.
    pub async fn finish(mut self) -> Result<Entry> {
        self.write_lines().await?;
        self.entry.state = EntryState::Complete;
        self.write_entry().await?;
        Ok(self.entry)
    }

    async fn write_lines(&mut self) -> Result<()> {
        let failed = |error| StoreError::from_io(error, "spool", "objects.tsv");
        self.lines.rewind().map_err(failed)?;
        let lines = self.lines.try_clone().map_err(failed)?;
        let raw = stream::try_unfold(lines, move |mut lines| async move {
            let mut buffer = vec![0; 256 * 1024];
            let count = lines.read(&mut buffer).map_err(failed)?;
            buffer.truncate(count);
            Ok::<_, StoreError>((count > 0).then(|| (Bytes::from(buffer), lines)))
        });
        let stored = Box::pin(gzip::compress_stream(raw, Level::default(), 1));
        let to = self.address("objects.tsv.gz")?;
        let attributes = content_type("application/gzip");
        let options = transfer::TransferOptions::default();
        transfer::upload(&self.store, &to, stored, &attributes, Precondition::Overwrite, &options).await.map(drop)
    }

    async fn write_entry(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self.entry)
            .map_err(|error| StoreError::new(ErrorKind::Other, "write", "entry.json").with_source(error))?;
        let to = self.address("entry.json")?;
        let attributes = content_type("application/json");
        self.store.put(&to, text.into(), &attributes, Precondition::Overwrite).await.map(drop)
    }

    /// The path is kept whole; a key that would grow too long is named by its digest.
    fn stored_name(&self, key: &Key) -> String {
        let name = format!("{}/{key}", self.entry.bucket);
        if self.entry.id.len() + 1 + name.len() <= crate::model::key::MAX_KEY_BYTES {
            return name;
        }
        format!(".long/{}", crate::archive::sha256(key.as_str().as_bytes()))
    }

    fn address(&self, name: &str) -> Result<Address> {
        let key = Key::new(format!("{}/{name}", self.entry.id))
            .map_err(|error| StoreError::new(ErrorKind::Unaddressable, "address", name).with_source(error))?;
        Ok(Address::new(self.trash.clone(), key))
    }
}

fn content_type(text: &str) -> Attributes {
    Attributes { content_type: Some(text.to_owned()), ..Attributes::default() }
}
